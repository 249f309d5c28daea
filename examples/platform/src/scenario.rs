use std::future::Future;

use tokio::time::Instant;

use crate::report::Report;
use crate::stack::Stack;
use crate::visitor::Visitor;

/// Plays the scenario through the gateway; each step checks its outcome through the public API.
///
/// It ends at the first step that fails, as the later ones stand on it.
pub(crate) async fn play(stack: &Stack, report: &mut Report) {
    let gateway = stack.gateway();
    let Some((alice, bob, carol)) = step(
        report,
        "1 Alice, Bob and Carol register and log in",
        async {
            tokio::try_join!(
                Visitor::arrive(gateway, "alice"),
                Visitor::arrive(gateway, "bob"),
                Visitor::arrive(gateway, "carol"),
            )
        },
    )
    .await
    else {
        return;
    };
    let Some(_) = step(report, "2 Bob and Carol follow Alice", async {
        tokio::try_join!(bob.follow(&alice), carol.follow(&alice))
    })
    .await
    else {
        return;
    };
    let Some(post) = step(report, "3 Alice posts", alice.post("Hello from Alice")).await else {
        return;
    };
    let Some(_) = step(report, "4 the post is in Bob's and Carol's feeds", async {
        tokio::try_join!(bob.wait_for(post, true), carol.wait_for(post, true))
    })
    .await
    else {
        return;
    };
    step(
        report,
        "6 Alice archives the post and it leaves the feeds",
        async {
            alice.archive(post).await?;
            tokio::try_join!(bob.wait_for(post, false), carol.wait_for(post, false))
        },
    )
    .await;
}

/// Runs one step and notes its outcome; `None` where it failed.
async fn step<T>(
    report: &mut Report,
    name: &'static str,
    work: impl Future<Output = anyhow::Result<T>>,
) -> Option<T> {
    let start = Instant::now();
    let (value, outcome) = match work.await {
        Ok(value) => (Some(value), Ok(())),
        Err(error) => (None, Err(error)),
    };
    report.step(name, start.elapsed(), &outcome);
    value
}
