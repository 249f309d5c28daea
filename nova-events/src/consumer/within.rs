use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{error::Elapsed, timeout};

/// Runs `future` for no longer than `limit`.
///
/// Most of what runs here is done when it is first polled: the timer is made for the rest alone.
pub(super) async fn within<F: Future>(limit: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    match futures::poll!(future.as_mut()) {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => timeout(limit, future).await,
    }
}
