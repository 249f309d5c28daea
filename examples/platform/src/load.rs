use std::time::Duration;

use nova_service::Shutdown;
use tokio::time::{Instant, interval};

use crate::stack::Stack;
use crate::visitor::Visitor;

/// The users who keep the platform busy.
const VISITORS: usize = 5;
/// How often one of them does something.
const BEAT: Duration = Duration::from_millis(200);
/// After how many turns the visitors log in again: 10 minutes, as a token lasts for 15.
const LOG_IN_EVERY: usize = 3000;
/// How often the figures are shown.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// Keeps a few users posting and reading until `shutdown` is asked for.
pub(crate) async fn simulate(stack: &Stack, shutdown: &Shutdown) -> anyhow::Result<()> {
    let mut visitors = Vec::with_capacity(VISITORS);
    for number in 1..=VISITORS {
        visitors.push(Visitor::arrive(stack.gateway(), &format!("visitor{number}")).await?);
    }
    for follower in &visitors {
        for followee in visitors
            .iter()
            .filter(|other| other.user_id != follower.user_id)
        {
            follower.follow(followee).await?;
        }
    }

    let mut beat = interval(BEAT);
    let mut latencies = Vec::new();
    let mut failures = 0_u32;
    let mut since = Instant::now();
    for turn in 0_usize.. {
        tokio::select! {
            _ = beat.tick() => {}
            () = shutdown.requested() => break,
        }
        let Some(visitor) = visitors.get_mut(turn % VISITORS) else {
            break;
        };
        let start = Instant::now();
        let outcome = if turn % LOG_IN_EVERY >= LOG_IN_EVERY - VISITORS {
            visitor.log_in().await
        } else if turn % 4 == 0 {
            visitor
                .post(&format!("post number {turn}"))
                .await
                .map(|_| ())
        } else {
            visitor.feed().await.map(|_| ())
        };
        match outcome {
            Ok(()) => latencies.push(start.elapsed()),
            Err(error) => {
                failures += 1;
                tracing::warn!(error = format!("{error:#}"), "a simulated request failed");
            }
        }
        if since.elapsed() >= REPORT_EVERY {
            latencies.sort_unstable();
            println!(
                "{} requests, {failures} failed, p50 {:.1} ms, p99 {:.1} ms",
                latencies.len(),
                percentile(&latencies, 50).as_secs_f64() * 1e3,
                percentile(&latencies, 99).as_secs_f64() * 1e3,
            );
            latencies.clear();
            failures = 0;
            since = Instant::now();
        }
    }
    Ok(())
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(index).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let sorted: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(percentile(&sorted, 50), Duration::from_millis(50));
        assert_eq!(percentile(&sorted, 99), Duration::from_millis(99));
        assert_eq!(percentile(&[], 99), Duration::ZERO);
    }
}
