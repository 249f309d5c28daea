//! What must not show in a log.

use std::cell::Cell;
use std::io;
use std::sync::{Arc, Mutex};

use nova_client::test_util::{FakeTransport, Outcome};
use nova_models::{AccessToken, CallContext};
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::{Layer, layer::SubscriberExt, registry};

use crate::script::{client, success};

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

thread_local! {
    /// Other tests have threads of their own, and nothing to log.
    static IS_LOGGED: Cell<bool> = const { Cell::new(false) };
}

#[tokio::test(start_paused = true)]
async fn a_log_of_everything_names_the_call_and_holds_no_token_and_no_command() {
    let log = Log::default();
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(log.clone())
        .with_span_events(FmtSpan::CLOSE)
        .with_filter(dynamic_filter_fn(|_, _| IS_LOGGED.get()));
    // For all threads: a scoped one misses what another thread's test has found to be of no interest.
    tracing::subscriber::set_global_default(registry().with(layer)).unwrap();
    IS_LOGGED.set(true);
    tracing::callsite::rebuild_interest_cache();
    let transport = FakeTransport::new([Outcome::refused(), success("7")]);
    let client = client(&transport);
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
    let closed = |words: &[&str]| {
        let mut lines = log.lines().filter(|line| line.contains("close"));
        lines.any(|line| words.iter().all(|word| line.contains(word)))
    };
    let to = "url.full=http://peer/api/v1/secrets-service/users/login";
    let refused = r#"error.type="service_unavailable""#;
    assert!(closed(&["attempt{", to, refused]), "{log}");
    let again = [
        "http.request.resend_count=1",
        "http.response.status_code=200",
    ];
    assert!(closed(&["attempt{", to, again[0], again[1]]), "{log}");
    assert!(
        !log.contains("hunter2") && !log.contains("passw0rd"),
        "{log}"
    );
}
