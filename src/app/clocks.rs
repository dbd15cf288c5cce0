//! The real clock and real chance.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::Instant;

use crate::engine::Clocks;
use crate::model::{Dice, Timestamp};

/// The clocks of this machine, and its chance.
pub(super) fn clocks() -> Clocks {
    let stock = Mutex::new(Stock::default());
    Clocks {
        now: Arc::new(|| {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            let millis = since.map_or(0, |since| since.as_millis());
            Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
        }),
        dice: Arc::new(move || stock.lock().unwrap_or_else(PoisonError::into_inner).take()),
        started: Instant::now(),
    }
}

/// Numbers that are fetched at once: to ask the system for each takes as long as to read a row.
const STOCK: usize = 32;

/// Chance of the system that has not been taken yet. What is taken is not in here any more.
#[derive(Default)]
struct Stock(Vec<u128>);

impl Stock {
    fn take(&mut self) -> u128 {
        if let Some(number) = self.0.last_mut() {
            let taken = std::mem::take(number);
            self.0.pop();
            return taken;
        }
        let mut bytes = [0; 16 * STOCK];
        SystemRandom::new()
            .fill(&mut bytes)
            .expect("the system gives randomness once it has booted");
        let (numbers, _) = bytes.as_chunks();
        self.0.extend(numbers.iter().map(|number| u128::from_be_bytes(*number)));
        self.take()
    }
}

/// What nobody can guess, as 64 letters.
pub(super) fn random_hex(dice: &Dice) -> String {
    format!("{:032x}{:032x}", dice(), dice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_comes_twice() {
        let dice = clocks().dice;
        let numbers: std::collections::BTreeSet<u128> = (0..10 * STOCK).map(|_| dice()).collect();
        assert_eq!(numbers.len(), 10 * STOCK);
        // Each bit of them is drawn.
        let all = numbers.iter().fold((0, u128::MAX), |(or, and), n| (or | n, and & n));
        assert_eq!(all, (u128::MAX, 0));
    }
}
