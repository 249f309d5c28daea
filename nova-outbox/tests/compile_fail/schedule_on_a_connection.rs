use nova_events::social::FollowCreated;
use nova_outbox::Outbox;
use sqlx::{Sqlite, SqliteConnection};

async fn schedule(outbox: Outbox<Sqlite>, connection: &mut SqliteConnection, event: FollowCreated) {
    let when = event.created_at;
    outbox.enqueue_at(connection, &event, when).await.unwrap();
}

fn main() {}
