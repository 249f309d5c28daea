//! What an [`OutboxStore`] must do, as a suite that every implementation passes.
//!
//! Run it in a test, with a function that makes an empty outbox:
//!
//! ```
//! use nova_outbox::conformance::{SqlOutbox, outbox_store};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! outbox_store(async || {
//!     let pool = sqlx::sqlite::SqlitePoolOptions::new()
//!         .max_connections(1)
//!         .connect("sqlite::memory:")
//!         .await
//!         .unwrap();
//!     SqlOutbox::new(pool).await
//! })
//! .await;
//! # }
//! ```

mod leases;
mod outcomes;
mod reads;
mod sample;
mod schedules;
mod sql_outbox;

use async_trait::async_trait;
use nova_events::NewEvent;
use uuid::Uuid;

use crate::OutboxStore;

pub use sql_outbox::SqlOutbox;

/// An outbox to be tested: a store, and the way in that the store lacks.
#[async_trait]
pub trait TestOutbox: Send + Sync {
    /// The store.
    fn store(&self) -> &dyn OutboxStore;

    /// Enqueues events in one transaction and commits it.
    async fn enqueue(&self, events: Vec<NewEvent>);

    /// Schedules an event for so long from now, or ago where it is negative, in seconds, in a transaction of its own.
    async fn schedule(&self, event: NewEvent, seconds: i64);

    /// Cancels a scheduled event in a transaction of its own; whether there was one.
    async fn cancel(&self, event_id: Uuid) -> bool;

    /// Lets the lease of every bucket, and every relay, expire now.
    async fn expire_leases(&self);
}

/// Runs the whole suite, each case on an outbox of its own.
///
/// # Panics
///
/// Where the store does not do what it must.
pub async fn outbox_store<T: TestOutbox>(make: impl AsyncFn() -> T) {
    leases::the_first_relay_holds_every_bucket(&make().await).await;
    leases::a_lease_that_is_held_is_not_given_to_another(&make().await).await;
    leases::what_is_released_goes_to_the_other_under_a_new_epoch(&make().await).await;
    leases::what_has_expired_is_free_and_its_old_owner_is_fenced(&make().await).await;
    leases::a_relay_that_leaves_gives_everything_up(&make().await).await;
    leases::shares_add_up_to_all_buckets(&make().await).await;
    leases::a_tenancy_says_whether_there_is_something_to_read(&make().await).await;
    reads::an_event_is_read_as_it_was_enqueued(&make().await).await;
    reads::a_bucket_is_read_in_order_without_what_is_known(&make().await).await;
    reads::what_a_limit_leaves_out_comes_after_what_it_lets_in(&make().await).await;
    reads::buckets_that_are_not_asked_for_are_not_read(&make().await).await;
    reads::what_is_due_and_known_does_not_hide_what_else_is_due(&make().await).await;
    reads::numbers_are_not_used_again(&make().await).await;
    reads::a_read_ends_with_the_event_that_fills_its_bytes(&make().await).await;
    reads::what_is_due_is_bounded_in_rows_and_bytes_of_its_own(&make().await).await;
    reads::a_skipped_aggregate_does_not_hide_the_rest(&make().await).await;
    reads::a_thousand_held_aggregates_do_not_hide_the_rest(&make().await).await;
    outcomes::what_was_acknowledged_is_gone_whoever_says_so(&make().await).await;
    outcomes::a_held_aggregate_is_skipped_until_its_event_is_due(&make().await).await;
    outcomes::a_release_lets_the_aggregate_go_on(&make().await).await;
    outcomes::a_dead_letter_leaves_the_outbox_and_ends_its_hold(&make().await).await;
    outcomes::an_old_epoch_can_neither_hold_nor_release_nor_bury(&make().await).await;
    outcomes::a_hold_whose_event_is_gone_is_an_orphan(&make().await).await;
    outcomes::recording_the_same_outcomes_twice_changes_nothing(&make().await).await;
    schedules::what_is_due_is_moved_once_and_in_the_order_of_its_times(&make().await).await;
    schedules::what_is_not_due_waits_and_its_wait_is_told(&make().await).await;
    schedules::only_the_owner_of_a_bucket_moves_its_events(&make().await).await;
    schedules::a_move_takes_no_more_than_its_limit(&make().await).await;
    schedules::what_is_cancelled_is_never_moved(&make().await).await;
}
