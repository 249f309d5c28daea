use std::sync::Arc;
use std::time::Duration;

use nova_errors::{Backoff, ServiceError};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};
use tonic::transport::Channel;

use crate::proto::WatchRevocationsRequest;
use crate::proto::auth_service_client::AuthServiceClient;
use crate::revocations::Revocations;

/// The task that follows the service's stream of revocations; dropping it ends the task.
#[derive(Debug)]
pub(crate) struct RevocationWatch(AbortHandle);

impl RevocationWatch {
    /// The longest wait for the stream to open, and for a message on it.
    const PATIENCE: Duration = Duration::from_secs(2);

    pub(crate) fn start(
        client: AuthServiceClient<Channel>,
        revocations: Arc<Revocations>,
    ) -> Result<Self, ServiceError> {
        let backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1))?;
        let task = tokio::spawn(watch(client, revocations, backoff));
        Ok(Self(task.abort_handle()))
    }
}

impl Drop for RevocationWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Opens the stream again for ever: until it is back, each token goes to the service.
async fn watch(
    mut client: AuthServiceClient<Channel>,
    revocations: Arc<Revocations>,
    backoff: Backoff,
) {
    let mut cursor = String::new();
    let mut failures = 0;
    loop {
        let mut followed = false;
        let error = follow(&mut client, &revocations, &mut cursor, &mut followed).await;
        revocations.lost();
        if followed {
            failures = 0;
        }
        // Once an outage is enough.
        if failures == 0 {
            tracing::warn!(%error, "lost the stream of revocations");
        }
        failures += 1;
        sleep(backoff.delay(failures, fastrand::u64(..))).await;
    }
}

/// Takes in messages until the stream ends, and says why it did.
async fn follow(
    client: &mut AuthServiceClient<Channel>,
    revocations: &Revocations,
    cursor: &mut String,
    followed: &mut bool,
) -> ServiceError {
    let silent = || ServiceError::Timeout("stream of revocations".into());
    let request = WatchRevocationsRequest {
        cursor: cursor.clone(),
    };
    let opened = timeout(RevocationWatch::PATIENCE, client.watch_revocations(request));
    let mut stream = match opened.await {
        Ok(Ok(response)) => response.into_inner(),
        Ok(Err(status)) => return status.into(),
        Err(_) => return silent(),
    };
    loop {
        match timeout(RevocationWatch::PATIENCE, stream.message()).await {
            Ok(Ok(Some(message))) => {
                revocations.apply(&message, Instant::now());
                *followed = true;
                *cursor = message.cursor;
            }
            Ok(Ok(None)) => {
                return ServiceError::ServiceUnavailable("stream of revocations ended".into());
            }
            Ok(Err(status)) => return status.into(),
            Err(_) => return silent(),
        }
    }
}
