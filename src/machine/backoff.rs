//! How long to wait before the next attempt.

use crate::model::Millis;
use crate::workflow::Backoff;

/// The wait after this many failures (from 1), with jitter drawn from `entropy`.
pub(super) fn wait(backoff: &Backoff, failures: u32, entropy: u64) -> Millis {
    let doublings = failures.saturating_sub(1).min(32);
    let plain = backoff.first.0.saturating_mul(1 << doublings).min(backoff.max.0);
    let swing = plain / 100 * u64::from(backoff.jitter_percent.min(50));
    let drawn = if swing == 0 { 0 } else { entropy % (2 * swing + 1) };
    Millis((plain - swing + drawn).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_limit_and_swing_by_chance() {
        let steady = Backoff { first: Millis(100), max: Millis(1_000), jitter_percent: 0 };
        let waits: Vec<u64> = (1..=6).map(|n| wait(&steady, n, 7).0).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_000, 1_000]);
        let loose = Backoff { first: Millis(1_000), max: Millis(4_000), jitter_percent: 20 };
        let drawn: Vec<u64> = (0..10_000).map(|e| wait(&loose, 2, e * 7_919).0).collect();
        assert_eq!(drawn.iter().min(), Some(&1_600));
        assert_eq!(drawn.iter().max(), Some(&2_400));
        assert_eq!(wait(&steady, u32::MAX, 0).0, 1_000);
    }
}
