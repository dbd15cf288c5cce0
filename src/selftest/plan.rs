//! What a client sends: batches of every size, now and later, to platforms of each class that
//! suffer what a real one may.

use serde_json::{Value, json};

use super::chance::Chance;
use crate::model::{Millis, TARGETS_MAX, Timestamp};

/// What makes a retry at a sandbox account safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// It de-duplicates by a key of ours.
    Keyed,
    /// It can be read back.
    Readable,
    /// Neither: after a lost answer nobody knows.
    Blind,
}

impl Class {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Keyed => "keyed",
            Self::Readable => "readable",
            Self::Blind => "blind",
        }
    }
}

/// One target as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    pub class: Class,
    /// Suffered one an attempt, in order.
    pub faults: &'static [&'static str],
}

impl Target {
    /// Whether the platform may say no for good.
    pub(super) fn may_be_rejected(&self) -> bool {
        self.faults.contains(&"rejected")
    }
}

/// One request that makes a batch.
#[derive(Debug, Clone)]
pub(super) struct Order {
    /// Its idempotency key. Each target's text is this key, a blank and the target's place.
    pub key: String,
    pub targets: Vec<Target>,
    pub scheduled: bool,
    /// The bytes, the same at each sending.
    pub body: Vec<u8>,
}

/// What a platform may do to a post. A refusal stands alone: after a doubt it would say nothing.
const FAULTS: &[(u64, &[&str])] = &[
    (4, &["timeout_after_send"]),
    (4, &["timeout_before_send"]),
    (2, &["timeout_before_send", "timeout_after_send"]),
    (2, &["garbage"]),
    (2, &["unavailable"]),
    (1, &["unavailable", "timeout_after_send"]),
    (1, &["auth_expired"]),
    (1, &["rate_limited"]),
    (2, &["rejected"]),
];
/// Targets of a batch: mostly few, at times all there may be.
const COUNTS: &[(u64, (u64, u64))] = &[(60, (1, 3)), (30, (4, 10)), (10, (11, TARGETS_MAX as u64))];
const CLASSES: &[(u64, Class)] = &[(45, Class::Keyed), (30, Class::Readable), (25, Class::Blind)];
/// Batches in a hundred in which no platform does anything wrong.
const CALM: u64 = 60;
/// Batches in a hundred for a time to come.
const SCHEDULED: u64 = 33;
/// How soon that is, in milliseconds: so that kills fall around that moment.
const DUE_IN: (u64, u64) = (300, 2_500);
/// The longest a platform takes to answer, in milliseconds.
const LATENCY_MAX: u64 = 250;

/// What is sent under a key, at this instant of the server's clock.
pub(super) fn order(
    chance: &mut Chance,
    key: String,
    accounts: &[String],
    now: Timestamp,
) -> Order {
    let (low, high) = chance.pick(COUNTS);
    let calm = chance.percent(CALM);
    let (mut targets, mut asked) = (Vec::new(), Vec::new());
    for place in 0..chance.range(low, high) {
        let class = chance.pick(CLASSES);
        let faults = if calm || chance.percent(50) { &[][..] } else { chance.pick(FAULTS) };
        let slow = chance.percent(50);
        let latency = if slow { chance.range(1, LATENCY_MAX) } else { 0 };
        let account = usize::try_from(chance.range(0, accounts.len() as u64 - 1)).unwrap_or(0);
        asked.push(json!({
            "accountId": accounts[account],
            "text": format!("{key} {place}"),
            "options": { "platform": "sandbox", "class": class.as_str(), "faults": faults,
                         "latencyMs": latency },
        }));
        targets.push(Target { class, faults });
    }
    let mut body = json!({ "targets": asked, "text": key });
    let scheduled = chance.percent(SCHEDULED);
    if scheduled {
        let due = now.plus(Millis(chance.range(DUE_IN.0, DUE_IN.1)));
        body["scheduledAt"] = Value::from(due.to_string());
    }
    Order { key, targets, scheduled, body: body.to_string().into_bytes() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_of_every_kind() {
        let mut chance = Chance::of(3, 0);
        let accounts = ["one".to_owned(), "two".to_owned()];
        let now = Timestamp::from_millis(1_700_000_000_000);
        let orders: Vec<_> =
            (0..500).map(|n| order(&mut chance, format!("k{n}"), &accounts, now)).collect();
        let targets = || orders.iter().flat_map(|order| &order.targets);
        for (_, class) in CLASSES {
            for (_, faults) in FAULTS {
                let met = |it: &&Target| it.class == *class && it.faults == *faults;
                assert!(targets().any(|it| met(&it)), "{class:?} {faults:?}");
            }
        }
        let sizes: Vec<_> = orders.iter().map(|order| order.targets.len()).collect();
        assert_eq!(sizes.iter().min(), Some(&1));
        assert_eq!(sizes.iter().max(), Some(&TARGETS_MAX));
        assert!(orders.iter().any(|order| order.scheduled));
        for order in &orders {
            let body: Value = serde_json::from_slice(&order.body).expect("JSON");
            let asked = body["targets"].as_array().expect("targets");
            assert_eq!(asked.len(), order.targets.len());
            assert_eq!(body["scheduledAt"].is_string(), order.scheduled);
            assert_eq!(asked[0]["text"], format!("{} 0", order.key));
        }
    }
}
