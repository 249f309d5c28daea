//! What a `ServiceError` costs: made without a detail, made with a message, and not made at all.

use std::error::Error;
use std::hint::black_box;

use criterion::Criterion;
use nova_errors::{ErrorDetail, ServiceError};

/// The cheapest error there can be.
#[derive(Debug)]
enum Bare {
    NotFound,
}

/// Calls between the one that fails and the one that looks.
const DEPTH: u32 = 4;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    rejection(&mut criterion);
    message(&mut criterion);
    success(&mut criterion);
    criterion.final_summary();
}

fn rejection(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rejection");
    group.bench_function("bare_enum", |bencher| {
        bencher.iter(|| descend(DEPTH, true, || Bare::NotFound));
    });
    group.bench_function("service_error", |bencher| {
        bencher.iter(|| {
            descend(DEPTH, true, || {
                ServiceError::NotFound(ErrorDetail::default())
            })
        });
    });
    group.finish();
}

fn message(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("message");
    group.bench_function("boxed_string", |bencher| {
        bencher.iter(|| {
            descend(DEPTH, true, || {
                Box::<dyn Error + Send + Sync>::from(format!("stream {}", black_box(42)))
            })
        });
    });
    group.bench_function("service_error", |bencher| {
        bencher.iter(|| {
            descend(DEPTH, true, || {
                ServiceError::NotFound(format!("stream {}", black_box(42)).into())
            })
        });
    });
    group.finish();
}

fn success(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("success");
    group.bench_function("boxed_string", |bencher| {
        bencher.iter(|| descend(DEPTH, false, || Box::<dyn Error + Send + Sync>::from("")));
    });
    group.bench_function("service_error", |bencher| {
        bencher.iter(|| {
            descend(DEPTH, false, || {
                ServiceError::NotFound(ErrorDetail::default())
            })
        });
    });
    group.finish();
}

/// A result that is handed up through `depth` calls, as it is from a handler's innermost function.
#[inline(never)]
fn descend<E>(depth: u32, fails: bool, error: fn() -> E) -> Result<u64, E> {
    if black_box(depth) > 0 {
        let below = descend(depth - 1, fails, error)?;
        return Ok(below + 1);
    }
    if black_box(fails) {
        Err(error())
    } else {
        Ok(0)
    }
}
