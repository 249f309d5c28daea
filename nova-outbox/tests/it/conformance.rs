use nova_outbox::conformance::{SqlOutbox, outbox_store};
use sqlx::sqlite::SqlitePoolOptions;

#[tokio::test]
async fn sqlite_does_what_a_store_must() {
    outbox_store(async || {
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect("sqlite::memory:")
            .await
            .unwrap();
        SqlOutbox::new(pool).await
    })
    .await;
}
