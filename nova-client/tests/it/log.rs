//! What a subscriber writes of calls.

use std::cell::RefCell;
use std::io;
use std::sync::Once;

use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::{Layer, layer::SubscriberExt, registry};

thread_local! {
    /// Other tests have threads of their own, and nothing to log.
    static LOG: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.with_borrow_mut(|log| log.get_or_insert_default().extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

/// Runs `test` on this thread and gives back a log of everything, spans as they close.
pub(crate) async fn logged(test: impl Future<Output = ()>) -> String {
    static SUBSCRIBER: Once = Once::new();
    // For all threads: a scoped one misses what another thread's test has found to be of no interest.
    SUBSCRIBER.call_once(|| {
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(Log)
            .with_span_events(FmtSpan::CLOSE)
            .with_filter(dynamic_filter_fn(|_, _| LOG.with_borrow(Option::is_some)));
        tracing::subscriber::set_global_default(registry().with(layer)).unwrap();
    });
    LOG.set(Some(Vec::new()));
    tracing::callsite::rebuild_interest_cache();
    test.await;
    String::from_utf8(LOG.take().unwrap()).unwrap()
}

/// The lines of spans of that name as they close, in their order.
pub(crate) fn closed<'a>(name: &str, log: &'a str) -> Vec<&'a str> {
    let begin = format!("{name}{{");
    log.lines()
        .filter(|line| line.contains("close") && line.contains(": nova_client::"))
        .filter(|line| {
            line.rsplit_once(&begin)
                .is_some_and(|(_, own)| !own.contains(":attempt{"))
        })
        .collect()
}
