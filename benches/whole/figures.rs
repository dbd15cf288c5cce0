//! Medians, percentiles and how figures are printed.

use std::time::Duration;

/// The middle of some figures.
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[odd / 2],
        even => f64::midpoint(sorted[even / 2 - 1], sorted[even / 2]),
    }
}

/// The smallest span that so many per cent of all do not exceed.
pub fn percentile(spans: &mut [Duration], percent: usize) -> Duration {
    spans.sort_unstable();
    match spans.len() {
        0 => Duration::ZERO,
        count => spans[(count * percent).div_ceil(100).clamp(1, count) - 1],
    }
}

/// Milliseconds.
pub fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

/// A count as a figure.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^53")]
pub fn f(count: u64) -> f64 {
    count as f64
}

/// Megabytes.
pub fn mb(bytes: u64) -> f64 {
    f(bytes) / 1e6
}
