//! The instructions of a hundred calls that succeed at the first attempt, counted by valgrind. One was made before, so that what only
//! the first one prepares doesn't show.
#![expect(missing_docs, reason = "the macros write none")]

use gungraun::prelude::*;
use nova_benches::first_try::{self, Contender};

fn after_one(mut contender: Contender) -> Contender {
    contender.call();
    contender
}

#[library_benchmark]
#[bench::bare(after_one(first_try::bare()))]
#[bench::layered(after_one(first_try::layered()))]
#[bench::layered_with_limit(after_one(first_try::layered_with_limit()))]
#[bench::budget_and_breaker(after_one(first_try::budget_and_breaker()))]
#[bench::payload(after_one(first_try::payload()))]
#[bench::envelope(after_one(first_try::envelope()))]
#[bench::whole(after_one(first_try::whole()))]
fn a_hundred(mut contender: Contender) -> Contender {
    for _ in 0..100 {
        contender.call();
    }
    // Handed back, so that taking it down is not counted.
    contender
}

library_benchmark_group!(name = calls, benchmarks = [a_hundred]);
main!(library_benchmark_groups = calls);
