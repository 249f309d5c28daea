use nova_events::{MemoryIdempotency, conformance};

#[tokio::test]
async fn the_store_in_memory_keeps_the_rules_of_the_suite() {
    conformance::idempotency_store(&MemoryIdempotency::default()).await;
}
