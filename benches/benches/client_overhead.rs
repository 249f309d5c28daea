//! What a call costs that succeeds at the first attempt: the layers alone, the whole client on a fake
//! transport, and the whole client over loopback HTTP against reqwest and reqwest-retry.

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Duration;

use criterion::Criterion;
use http::header::CONTENT_TYPE;
use nova_benches::first_try::{self, Contender, SOURCE};
use nova_benches::interleaved::Interleaved;
use nova_benches::loopback::Loopback;
use nova_benches::post::Post;
use nova_client::ServiceClient;
use nova_models::{Command, CommandRequest};
use reqwest_middleware::ClientWithMiddleware;
use reqwest_retry::RetryTransientMiddleware;
use reqwest_retry::policies::ExponentialBackoff;
use tokio::runtime;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    group(
        &mut criterion,
        "layers",
        [
            ("bare", first_try::bare()),
            ("default", first_try::layered()),
            ("with_limit", first_try::layered_with_limit()),
        ],
    );
    group(
        &mut criterion,
        "client",
        [
            ("payload", first_try::payload()),
            ("envelope", first_try::envelope()),
            ("whole", first_try::whole()),
        ],
    );
    loopback();
    criterion.final_summary();
}

fn group<const N: usize>(
    criterion: &mut Criterion,
    name: &str,
    contenders: [(&str, Contender); N],
) {
    let mut group = criterion.benchmark_group(name);
    for (name, mut contender) in contenders {
        group.bench_function(name, |bencher| bencher.iter(|| contender.call()));
    }
    group.finish();
}

fn loopback() {
    const ROUNDS: usize = 400;
    const TURN: usize = 25;

    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let server = Loopback::start().expect("a server");
    let post = Post::sample();
    let url = format!(
        "{}/api/v1/{}/{}",
        server.url(),
        Post::TARGET,
        Post::ENDPOINT
    );
    let bare = || {
        reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client")
    };

    let reqwest = bare();
    let backoff = ExponentialBackoff::builder().build_with_max_retries(2);
    let retrying: ClientWithMiddleware = reqwest_middleware::ClientBuilder::new(bare())
        .with(RetryTransientMiddleware::new_with_policy(backoff))
        .build();
    let nova = ServiceClient::new(SOURCE, &server.url());

    let medians = Interleaved::new("loopback")
        .contender("reqwest", || {
            runtime.block_on(async {
                let request = reqwest.post(&url).header(CONTENT_TYPE, "application/json");
                let answer = request.body(envelope(&post)).send().await;
                let body = answer.expect("an answer").bytes().await.expect("a body");
                black_box(first_try::reply(&body));
            });
        })
        .contender("reqwest_retry", || {
            runtime.block_on(async {
                let request = retrying.post(&url).header(CONTENT_TYPE, "application/json");
                let answer = request.body(envelope(&post)).send().await;
                let body = answer.expect("an answer").bytes().await.expect("a body");
                black_box(first_try::reply(&body));
            });
        })
        .contender("nova", || {
            runtime.block_on(async {
                black_box(first_try::send(&nova, &post).await);
            });
        })
        .run(ROUNDS, TURN);
    eprint!("{medians}");
    if let Some(home) = std::env::var_os("CRITERION_HOME").map(PathBuf::from) {
        medians.write(&home).expect("the figures are written");
    }
}

/// The same serde work as the client's.
fn envelope(post: &Post) -> Vec<u8> {
    serde_json::to_vec(&CommandRequest::new(SOURCE, Post::TARGET, post)).expect("JSON")
}
