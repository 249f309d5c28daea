//! What must not show in a log.

use std::io;
use std::sync::{Arc, Mutex};

use nova_models::{AccessToken, CallContext};
use tracing_subscriber::fmt::MakeWriter;

use crate::fake_transport::{FakeTransport, refused, success};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

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

#[tokio::test(start_paused = true)]
async fn a_log_of_everything_names_the_call_and_holds_no_token_and_no_command() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    // For all threads: a scoped one misses what another thread's test has found to be of no interest.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    tracing::callsite::rebuild_interest_cache();
    let transport = FakeTransport::new([refused(), success("7")]);
    let client = transport.client();
    let mut context = CallContext::new();
    context.request_id = Some("inbound-1".parse().unwrap());
    context.token = Some(AccessToken::new("hunter2"));
    let _: u8 = context
        .scope(client.call("secrets-service", "users/login", "passw0rd"))
        .await
        .unwrap();

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for word in [
        "secrets-service",
        "users/login",
        "inbound-1",
        "service_unavailable",
        "attempt failed, trying again",
    ] {
        assert!(log.contains(word), "{word} in {log}");
    }
    assert!(
        !log.contains("hunter2") && !log.contains("passw0rd"),
        "{log}"
    );
}
