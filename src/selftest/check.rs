//! What was promised, held against what was seen. Pure: evidence in, findings out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::plan::{Class, Order, Target};

/// What became of one order.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub order: Order,
    /// Every answer that accepted it: the bytes, in the order they came.
    pub accepted: Vec<Vec<u8>>,
    /// Whether it was refused, because its time had passed.
    pub refused: bool,
    /// What it is answered when all is over, if it is there.
    pub replay: Option<Vec<u8>>,
}

/// A post as the server tells of it when all is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Post {
    pub id: String,
    pub batch: String,
    pub text: String,
    pub status: String,
    /// The rule of its error, or nothing.
    pub rule: String,
    /// The message of its error, or nothing.
    pub why: String,
}

/// All that was seen.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    pub sent: Vec<Sent>,
    pub posts: Vec<Post>,
    /// The posts that the events say have settled, once for each event.
    pub settled: Vec<String>,
    /// The posts that landed on the platform, once for each landing.
    pub landed: Vec<String>,
    /// Whether the server's clock was wrong at times: then what was read back may prove nothing,
    /// and a readable target that says so may be held too.
    pub clock_was_wrong: bool,
}

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// Something that was accepted is not there, did not settle, or is said to be live and is not.
    Lost(String),
    /// Something happened twice.
    Doubled(String),
    /// Anything else that does not hold.
    Wrong(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(what) => write!(f, "lost: {what}"),
            Self::Doubled(what) => write!(f, "doubled: {what}"),
            Self::Wrong(what) => write!(f, "wrong: {what}"),
        }
    }
}

/// The ids in an answer: the batch, and its posts in order.
pub(super) fn ids(answer: &[u8]) -> Option<(String, Vec<String>)> {
    let value: serde_json::Value = serde_json::from_slice(answer).ok()?;
    let posts = value["results"].as_array()?.iter().map(|one| one["postId"].as_str());
    let posts = posts.map(|id| id.map(str::to_owned)).collect::<Option<Vec<_>>>()?;
    Some((value["id"].as_str()?.to_owned(), posts))
}

/// Whether a post still waits for something.
pub(super) fn is_unsettled(status: &str) -> bool {
    matches!(status, "queued" | "validated" | "publishing")
}

/// Everything that does not hold.
pub(super) fn all(evidence: &Evidence) -> Vec<Finding> {
    let checks = [accepted, batches, bytes, settlings, landings];
    checks.iter().flat_map(|check| check(evidence)).collect()
}

/// Whatever was accepted is there, target by target.
fn accepted(evidence: &Evidence) -> Vec<Finding> {
    let known: BTreeSet<&str> = evidence.posts.iter().map(|post| post.id.as_str()).collect();
    let mut found = Vec::new();
    for sent in &evidence.sent {
        let key = &sent.order.key;
        let Some(answer) = sent.accepted.first() else { continue };
        let Some((batch, posts)) = ids(answer) else {
            found.push(Finding::Wrong(format!("{key}: the answer names no batch and posts")));
            continue;
        };
        if posts.len() != sent.order.targets.len() {
            let (asked, got) = (sent.order.targets.len(), posts.len());
            found.push(Finding::Lost(format!("{key}: {batch} has {got} posts of {asked}")));
        }
        let gone = posts.iter().filter(|post| !known.contains(post.as_str()));
        found.extend(gone.map(|post| Finding::Lost(format!("{key}: {post} was accepted"))));
    }
    found
}

/// A key is one batch at the most, whole; one that was refused is none; and nothing is there that
/// nobody sent.
fn batches(evidence: &Evidence) -> Vec<Finding> {
    let mut by_key: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for post in &evidence.posts {
        let key = post.text.split(' ').next().unwrap_or_default();
        *by_key.entry(key).or_default().entry(&post.batch).or_default() += 1;
    }
    let mut found = Vec::new();
    for sent in &evidence.sent {
        let key = &sent.order.key;
        let Some(batches) = by_key.remove(key.as_str()) else { continue };
        if sent.refused {
            found.push(Finding::Wrong(format!("{key}: refused, and yet there")));
        }
        if batches.len() > 1 {
            let names: Vec<_> = batches.keys().copied().collect();
            found.push(Finding::Doubled(format!("{key}: batches {}", names.join(", "))));
        }
        let replayed = sent.replay.as_deref().and_then(ids).map(|(batch, _)| batch);
        if let Some(other) = replayed.filter(|batch| !batches.contains_key(batch.as_str())) {
            found.push(Finding::Doubled(format!("{key}: sent again it became {other}")));
        }
        let asked = sent.order.targets.len();
        let short = batches.iter().filter(|(_, count)| **count != asked);
        found.extend(short.map(|(batch, count)| {
            Finding::Lost(format!("{key}: {batch} has {count} posts of {asked}"))
        }));
    }
    let strays = by_key.keys().map(|key| format!("{key:?}: posts that nobody asked for"));
    found.extend(strays.map(Finding::Wrong));
    found
}

/// Equal keys got equal bytes, at once, later, and when all was over.
fn bytes(evidence: &Evidence) -> Vec<Finding> {
    let mut found = Vec::new();
    for sent in &evidence.sent {
        let answers: BTreeSet<_> = sent.accepted.iter().chain(&sent.replay).collect();
        if answers.len() > 1 {
            let shown: Vec<_> = answers.iter().map(|it| String::from_utf8_lossy(it)).collect();
            let key = &sent.order.key;
            found.push(Finding::Wrong(format!("{key}: unequal answers: {}", shown.join(" and "))));
        }
    }
    found
}

/// Each post settled, and that was told once.
fn settlings(evidence: &Evidence) -> Vec<Finding> {
    let told = counts(&evidence.settled);
    let mut found = Vec::new();
    for post in &evidence.posts {
        let Post { id, text, status, .. } = post;
        if is_unsettled(status) {
            found.push(Finding::Lost(format!("{text}: {id} is still {status}")));
            continue;
        }
        match told.get(id.as_str()) {
            Some(1) => {}
            None => found.push(Finding::Lost(format!("{text}: no event says what became of {id}"))),
            Some(n) => found.push(Finding::Doubled(format!("{text}: {id} settled {n} times"))),
        }
    }
    found
}

/// Each post landed at most once, and just as often as the server says.
fn landings(evidence: &Evidence) -> Vec<Finding> {
    let mut landed = counts(&evidence.landed);
    let orders: BTreeMap<&str, &Order> =
        evidence.sent.iter().map(|sent| (sent.order.key.as_str(), &sent.order)).collect();
    let mut found = Vec::new();
    for post in &evidence.posts {
        let Post { id, text, status, rule, why, .. } = post;
        let there = landed.remove(id.as_str()).unwrap_or(0);
        if there > 1 {
            found.push(Finding::Doubled(format!("{text}: {id} landed {there} times")));
        }
        let target = target_of(&orders, text);
        match (status.as_str(), there) {
            ("published", 0) => {
                found.push(Finding::Lost(format!("{text}: {id} is published and did not land")));
            }
            ("published", _) => {}
            _ if is_unsettled(status) => {}
            _ if target.is_some_and(|it| is_allowed(it, post, there, evidence)) => {}
            _ => {
                let words = format!("{text}: {id} is {status}, {there} landed: {rule}: {why}");
                found.push(Finding::Wrong(words));
            }
        }
    }
    let strays = landed.keys().map(|id| format!("{id} landed and is no post"));
    found.extend(strays.map(Finding::Wrong));
    found
}

/// What a read-back says that proved nothing because the clock was wrong: one alike is there, or
/// the list that has to reach so far back is too long.
const UNPROVEN: [&str; 2] = ["clock was wrong", "shows only its newest"];

/// Whether a target may end so without being published: the platform said no for good, or nobody
/// can know what became of it.
fn is_allowed(target: Target, post: &Post, landed: usize, evidence: &Evidence) -> bool {
    let unproven = || UNPROVEN.iter().any(|words| post.why.contains(words));
    let holds = match target.class {
        Class::Blind => true,
        Class::Readable => evidence.clock_was_wrong && unproven(),
        Class::Keyed => false,
    };
    match post.rule.as_str() {
        "sandbox.rejected" => target.may_be_rejected() && landed == 0,
        "sandbox.publish.outcome_unknown" => holds,
        _ => false,
    }
}

/// Of the posts that are held, those that could have been read back by a right clock.
pub(super) fn held_for_the_clock(evidence: &Evidence) -> usize {
    let unproven = |post: &&Post| UNPROVEN.iter().any(|words| post.why.contains(words));
    evidence.posts.iter().filter(unproven).count()
}

/// The target that a text stands for.
fn target_of(orders: &BTreeMap<&str, &Order>, text: &str) -> Option<Target> {
    let (key, place) = text.split_once(' ')?;
    orders.get(key)?.targets.get(place.parse::<usize>().ok()?).copied()
}

fn counts(all: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for one in all {
        *counts.entry(one.as_str()).or_default() += 1;
    }
    counts
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
