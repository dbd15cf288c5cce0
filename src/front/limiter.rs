//! The limit of requests one API key may make: a fixed window that begins with its first request.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::model::{KeyId, Millis, Timestamp};

/// Windows kept before those that are over are swept. There are as many live ones as keys in use.
const WINDOWS_BEFORE_SWEEP: usize = 1_024;

/// Counts requests by key.
#[derive(Debug)]
pub struct Limiter {
    points: u32,
    window: Millis,
    windows: Mutex<BTreeMap<KeyId, Window>>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    began_at: Timestamp,
    used: u32,
}

/// What the limiter says of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Whether it may pass.
    pub passes: bool,
    /// Requests a window.
    pub limit: u32,
    /// What is left of them.
    pub remaining: u32,
    /// Seconds until the window is over, rounded up.
    pub reset_s: u32,
}

impl Limiter {
    /// A limiter of `points` requests a window; 0 lets everything pass.
    pub fn new(points: u32, window: Millis) -> Self {
        Self { points, window, windows: Mutex::new(BTreeMap::new()) }
    }

    /// Requests a window; 0 means that there is no limit.
    pub fn points(&self) -> u32 {
        self.points
    }

    /// Counts one request of `key`; `None` when there is no limit.
    pub fn take(&self, key: KeyId, now: Timestamp) -> Option<Allowance> {
        if self.points == 0 {
            return None;
        }
        // A panic under this lock leaves counts, which are right at every instant.
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= WINDOWS_BEFORE_SWEEP {
            windows.retain(|_, window| self.is_open(window, now));
        }
        let fresh = Window { began_at: now, used: 0 };
        let window = windows.entry(key).or_insert(fresh);
        if !self.is_open(window, now) {
            *window = fresh;
        }
        let passes = window.used < self.points;
        window.used = window.used.saturating_add(1).min(self.points);
        let left = window.began_at.plus(self.window).since(now);
        Some(Allowance {
            passes,
            limit: self.points,
            remaining: self.points - window.used,
            reset_s: u32::try_from(left.0.div_ceil(1_000)).unwrap_or(u32::MAX),
        })
    }

    /// A clock that went back behind the start of a window ends it: a window would otherwise last
    /// for as long as the clock was wrong.
    fn is_open(&self, window: &Window, now: Timestamp) -> bool {
        now >= window.began_at && now < window.began_at.plus(self.window)
    }
}

/// When each key was last noted as used, so that it is not written with every request.
#[derive(Debug, Default)]
pub struct KeyUses {
    noted: Mutex<BTreeMap<KeyId, Timestamp>>,
}

/// How often the use of one key is noted at the most.
const USE_NOTED_EVERY: Millis = Millis(60_000);

impl KeyUses {
    /// Whether the use of a key at this instant is worth noting; then it counts as noted.
    pub fn is_news(&self, key: KeyId, now: Timestamp) -> bool {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let news = noted.get(&key).is_none_or(|last| now.since(*last) >= USE_NOTED_EVERY);
        if news {
            noted.insert(key, now);
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: KeyId = KeyId::from_raw(1);
    const B: KeyId = KeyId::from_raw(2);

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + ms)
    }

    fn check(limiter: &Limiter, key: KeyId, ms: i64, expected: (bool, u32, u32)) {
        let got = limiter.take(key, at(ms)).expect("a limit");
        assert_eq!((got.passes, got.remaining, got.reset_s), expected, "at {ms} ms");
    }

    #[test]
    fn a_window_begins_with_the_first_request_and_is_a_keys_own() {
        let limiter = Limiter::new(2, Millis(1_500));
        check(&limiter, A, 0, (true, 1, 2));
        check(&limiter, A, 600, (true, 0, 1));
        check(&limiter, A, 700, (false, 0, 1));
        check(&limiter, B, 800, (true, 1, 2));
        check(&limiter, A, 1_499, (false, 0, 1));
        check(&limiter, A, 1_500, (true, 1, 2));
        check(&limiter, B, 1_600, (true, 0, 1));
    }

    #[test]
    fn a_clock_that_goes_back_locks_nobody_out() {
        let limiter = Limiter::new(1, Millis(1_000));
        check(&limiter, A, 3_600_000, (true, 0, 1));
        check(&limiter, A, 0, (true, 0, 1));
        check(&limiter, A, 1, (false, 0, 1));
    }

    #[test]
    fn windows_that_are_over_are_swept() {
        let limiter = Limiter::new(1, Millis(1_000));
        for key in 0..5_000_u128 {
            let ms = i64::try_from(key).expect("small") * 10;
            limiter.take(KeyId::from_raw(key), at(ms));
        }
        let kept = limiter.windows.lock().expect("no panic").len();
        assert!(kept <= WINDOWS_BEFORE_SWEEP, "{kept} windows");
    }

    #[test]
    fn no_points_no_limit() {
        assert_eq!(Limiter::new(0, Millis(1_000)).take(A, at(0)), None);
    }
}
