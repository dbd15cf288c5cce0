//! What is kept in memory of the log: where each landing stands, and hashes to find it by.

use std::collections::BTreeMap;

use ring::digest::{SHA256, digest};

use super::landing::Landing;
use crate::model::Timestamp;

/// A landing's place in the file, without its line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) bytes: u32,
}

/// Where each landing stands. Some sixty bytes a landing, whatever its text.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// By number, from 1.
    places: Vec<Place>,
    landed_at: Vec<i64>,
    by_key: BTreeMap<u128, u64>,
    by_account: BTreeMap<u128, Vec<u64>>,
    by_post: BTreeMap<u128, u32>,
}

impl Index {
    pub(super) fn add(&mut self, landing: &Landing, place: Place) {
        let at = landing.landed_at.parse().map_or(0, Timestamp::as_millis);
        self.places.push(place);
        self.landed_at.push(at);
        let n = self.count();
        if let Some(key) = &landing.key {
            self.by_key.entry(short(&[key])).or_insert(n);
        }
        self.by_account.entry(short(&[&landing.account])).or_default().push(n);
        *self.by_post.entry(post_hash(landing)).or_default() += 1;
    }

    /// How many have landed.
    pub(super) fn count(&self) -> u64 {
        self.places.len() as u64
    }

    /// How many landed although the same post or comment had landed before.
    pub(super) fn duplicates(&self) -> u64 {
        self.count() - self.by_post.len() as u64
    }

    /// Whether the post or comment of this landing landed more than once.
    pub(super) fn is_duplicate(&self, landing: &Landing) -> bool {
        self.by_post.get(&post_hash(landing)).is_some_and(|times| *times > 1)
    }

    /// Where landing `n` stands.
    pub(super) fn place(&self, n: u64) -> Option<Place> {
        let ix = usize::try_from(n.checked_sub(1)?).ok()?;
        self.places.get(ix).copied()
    }

    /// Where the first landing with this key stands.
    pub(super) fn find_key(&self, key: &str) -> Option<Place> {
        self.place(*self.by_key.get(&short(&[key]))?)
    }

    /// The places of an account's newest landings since an instant, newest last.
    pub(super) fn of_account(&self, account: &str, since: Timestamp, max: usize) -> Vec<Place> {
        let Some(all) = self.by_account.get(&short(&[account])) else { return Vec::new() };
        let since = since.as_millis();
        let recent = |n: &&u64| {
            let ix = usize::try_from(**n - 1).unwrap_or(usize::MAX);
            self.landed_at.get(ix).is_some_and(|at| *at >= since)
        };
        let mut newest: Vec<_> =
            all.iter().rev().filter(recent).take(max).filter_map(|n| self.place(*n)).collect();
        newest.reverse();
        newest
    }
}

fn post_hash(landing: &Landing) -> u128 {
    short(&[&landing.post, landing.kind.as_str()])
}

/// Half a SHA-256: an accidental clash among a million million landings stays out of the question.
fn short(parts: &[&str]) -> u128 {
    let whole = digest(&SHA256, parts.join("\n").as_bytes());
    let mut half = [0; 16];
    half.copy_from_slice(&whole.as_ref()[..16]);
    u128::from_be_bytes(half)
}
