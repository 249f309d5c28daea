//! One paused runtime for all runs.

use std::future::Future;

use tokio::runtime::{Builder, Runtime};

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing");
}

pub(crate) fn run(property: impl Future<Output = ()>) {
    RUNTIME.with(|runtime| runtime.block_on(property));
}
