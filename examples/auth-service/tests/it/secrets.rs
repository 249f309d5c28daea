use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use reqwest::StatusCode;
use tracing::Dispatch;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::service::{Service, Tokens};

/// All that this thread logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn capture(filter: &str) -> (Self, DefaultGuard) {
        // Where there is but one subscriber, `tracing` asks only the thread that comes first to a place that logs, and that thread may have none.
        static SECOND: OnceLock<Dispatch> = OnceLock::new();
        SECOND.get_or_init(|| Dispatch::new(tracing_subscriber::registry()));
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(filter))
            .with_writer(log.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_secret_and_no_address_shows_in_a_log_line() {
    let (log, _guard) = Log::capture(
        "debug,nova_auth_service=trace,nova_auth_client=trace,nova_service=trace,sqlx=trace",
    );
    let service = Service::start().await;
    let old = service.arrive("alice").await;
    service.auth.verify_token(&old.access).await.unwrap();
    let (_, body) = service.refresh(&old.refresh).await;
    let new = Tokens::of(&body);
    service.register("alice").await;
    service.log_in("alice", "wrong horse").await;
    service.log_in("alice@example.org", "correct horse").await;
    let touched = format!("{}A", new.access);
    service.auth.verify_token(&touched).await.unwrap_err();
    assert_eq!(
        service.refresh(&old.refresh).await.0,
        StatusCode::UNAUTHORIZED
    );
    service.soon_refused(&new.access).await;

    let log = log.text();
    assert!(
        log.contains("a refresh token came twice"),
        "something is logged"
    );
    let secrets = [
        "correct horse",
        "wrong horse",
        "@example.org",
        "$argon2id",
        &old.access,
        &old.refresh,
        &new.access,
        &new.refresh,
    ];
    for line in log.lines() {
        for secret in secrets {
            assert!(!line.contains(secret), "{secret} in {line}");
        }
    }
}
