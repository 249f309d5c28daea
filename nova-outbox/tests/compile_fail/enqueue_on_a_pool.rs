use nova_events::social::FollowCreated;
use nova_outbox::Outbox;
use sqlx::{Sqlite, SqlitePool};

async fn enqueue(outbox: Outbox<Sqlite>, mut pool: SqlitePool, event: FollowCreated) {
    outbox.enqueue(&mut pool, &event).await.unwrap();
}

fn main() {}
