//! The real clock and real chance.

use std::sync::Arc;
use std::time::SystemTime;

use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::Instant;

use crate::engine::Clocks;
use crate::model::{Dice, Timestamp};

/// The clocks of this machine, and its chance.
pub(super) fn clocks() -> Clocks {
    let random = SystemRandom::new();
    Clocks {
        now: Arc::new(|| {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            let millis = since.map_or(0, |since| since.as_millis());
            Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
        }),
        dice: Arc::new(move || {
            let mut bytes = [0; 16];
            random.fill(&mut bytes).expect("the system gives randomness once it has booted");
            u128::from_be_bytes(bytes)
        }),
        started: Instant::now(),
    }
}

/// What nobody can guess, as 64 letters.
pub(super) fn random_hex(dice: &Dice) -> String {
    format!("{:032x}{:032x}", dice(), dice())
}
