//! What budget and breaker cost a call that succeeds, alone and with two threads, beside tower's budget; and what an open
//! breaker takes to turn a call away.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};
use nova_client::circuit_breaker::{Circuit, CircuitBreaker, CircuitBreakerLayer};
use nova_client::retry::{Ledger, RetryBudget};
use nova_errors::ServiceError;
use tokio::runtime;
use tower::retry::budget::{Budget, TpsBudget};
use tower::{Service, ServiceBuilder, service_fn};

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    success(&mut criterion);
    rejection(&mut criterion);
    criterion.final_summary();
}

fn success(criterion: &mut Criterion) {
    let layer = CircuitBreakerLayer::new(CircuitBreaker::standard()).expect("settings");
    let circuit = layer.circuit();
    let ledger = RetryBudget::standard().ledger().expect("settings");
    let tower = TpsBudget::default();
    let ours = || call(circuit, &ledger);
    let theirs = || black_box(&tower).deposit();

    for (name, threads) in [("alone", 1), ("two_threads", 2)] {
        let mut group = criterion.benchmark_group(name);
        together(&mut group, "tower_budget", threads, &theirs);
        together(&mut group, "budget_and_breaker", threads, &ours);
        group.finish();
    }
}

/// What a call that succeeds asks of the two.
fn call(circuit: &Circuit, ledger: &Ledger) {
    let permit = black_box(circuit).permit().expect("closed");
    permit.settle(black_box(&Ok(())));
    black_box(ledger).deposit();
}

/// Runs `operation` on so many threads at once; the time is that of one operation of one of them.
fn together(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    threads: usize,
    operation: &(impl Fn() + Sync),
) {
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| {
            let start = Barrier::new(threads);
            let run = || {
                start.wait();
                let begun = Instant::now();
                for _ in 0..iterations {
                    operation();
                }
                begun.elapsed()
            };
            let times: Vec<Duration> = thread::scope(|scope| {
                let runs: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
                runs.into_iter()
                    .map(|run| run.join().expect("no panic"))
                    .collect()
            });
            times.into_iter().max().unwrap_or_default()
        });
    });
}

fn rejection(criterion: &mut Criterion) {
    let runtime = runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let breaker = CircuitBreaker::standard()
        .min_calls(1)
        .open_for(Duration::from_secs(3600));
    let layer = CircuitBreakerLayer::new(breaker).expect("settings");
    let away = || ServiceError::ServiceUnavailable("away".into());
    let permit = layer.circuit().permit().expect("closed");
    permit.settle(&Err::<(), _>(away()));

    let mut service = ServiceBuilder::new()
        .layer(layer)
        .service(service_fn(|_: u64| {
            std::future::ready(Err::<(), _>(away()))
        }));
    let mut group = criterion.benchmark_group("open");
    group.bench_function("rejection", |bencher| {
        bencher.iter_custom(|iterations| {
            runtime.block_on(async {
                let begun = Instant::now();
                for _ in 0..iterations {
                    let rejection = service.call(black_box(7)).await;
                    black_box(rejection.expect_err("open"));
                }
                begun.elapsed()
            })
        });
    });
    group.finish();
}
