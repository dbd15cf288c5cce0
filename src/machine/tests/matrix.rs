//! Every event against every place a target can stand at.

use std::sync::Arc;

use super::super::{Refusal, transition};
use super::support::*;
use crate::model::*;
use crate::workflow::{Catalog, Doubt};

/// A world at each cursor, with what wakes it long past.
fn worlds() -> Vec<(&'static str, World)> {
    let queued = World::new(PROBE, text(), Some(at(10_000)));
    let ready = World::text(PROBE);
    let mut running = World::text(PROBE);
    running.begin(0);
    let mut waiting = World::text(PROBE);
    waiting.begin(0);
    waiting.answer(1, retry(None));
    let mut doubtful = World::text(PROBE);
    doubtful.begin(0);
    doubtful.answer(1, unknown());
    let mut held = World::text(Doubt::Hold);
    held.begin(0);
    held.answer(1, unknown());
    let mut ended = World::text(PROBE);
    ended.begin(0);
    ended.answer(1, done());
    let mut failed = World::text(PROBE);
    failed.begin(0);
    failed.answer(1, refuse());
    vec![
        ("queued", queued),
        ("ready", ready),
        ("running", running),
        ("waiting", waiting),
        ("doubtful", doubtful),
        ("held", held),
        ("ended", ended),
        ("failed", failed),
    ]
}

fn events() -> Vec<(&'static str, Event)> {
    let answered = Event::Answered { ix: IX, number: 1, epoch: 1, verdict: done(), exchange: None };
    let content = Arc::new(text());
    vec![
        ("woke", Event::Woke { ix: IX }),
        ("missed", Event::Missed { ix: IX }),
        ("begun", Event::Begun { ix: IX }),
        ("answered", answered),
        ("recovered", Event::Recovered { ix: IX }),
        ("rescheduled", Event::Rescheduled { ix: IX, due: at(40_000), request: None }),
        ("edited", Event::Edited { ix: IX, place: ContentIx(1), content }),
        ("canceled", Event::Canceled { ix: IX, reason: CancelReason::Requested }),
        ("removed", Event::Canceled { ix: IX, reason: CancelReason::AccountRemoved }),
        ("ruled", Event::Ruled { ix: IX, ruling: Ruling::Failed }),
        ("retried", Event::Retried { ix: IX, due: at(40_000), request: None, force: true }),
        ("restored", Event::Restored { ix: IX, since: at(1), overdue: false }),
    ]
}

/// Where each event is taken; everywhere else it is refused.
fn taken(event: &str) -> &'static [&'static str] {
    match event {
        "woke" => &["queued", "running", "waiting", "doubtful"],
        "missed" | "rescheduled" | "edited" | "canceled" => &["queued"],
        "begun" => &["ready"],
        "answered" | "recovered" => &["running"],
        "removed" => &["queued", "ready", "waiting"],
        "ruled" => &["held"],
        "retried" => &["held", "failed"],
        "restored" => &["queued", "ready", "running", "waiting", "doubtful"],
        other => panic!("{other}"),
    }
}

#[test]
fn every_event_is_taken_or_refused_everywhere() {
    for (event_name, event) in events() {
        for (cursor_name, mut world) in worlds() {
            // Late enough for every timer, early enough for what must still be ahead.
            let early = matches!(event_name, "rescheduled" | "edited" | "canceled");
            let ms = if early { 5_000 } else { 30_000 };
            world.epoch = if event_name == "recovered" { 2 } else { 1 };
            let before = world.batch.clone();
            let got = world.attempt(ms, event.clone());
            let expected = taken(event_name).contains(&cursor_name);
            assert_eq!(got.is_ok(), expected, "{event_name} on {cursor_name}: {got:?}");
            if !expected {
                assert_eq!(world.batch, before, "a refusal changes nothing");
                let refusal = got.expect_err("refused");
                let stale = event_name == "answered";
                let fits = if stale {
                    refusal == Refusal::Stale
                } else {
                    matches!(refusal, Refusal::Unfit { .. })
                };
                assert!(fits, "{event_name} on {cursor_name}: {refusal}");
            }
        }
    }
}

#[test]
fn what_is_not_there_is_refused_by_name() {
    let mut world = World::text(PROBE);
    let outside = world.attempt(1, Event::Woke { ix: TargetIx(1) });
    assert_eq!(outside, Err(Refusal::NoTarget(1)));
    let stamp = Stamp { seq: 9, at: at(1), entropy: 0, epoch: 1 };
    let woke = Event::Woke { ix: IX };
    let none = transition(None, &stamp, &woke, &world.catalog);
    assert_eq!(none.err(), Some(Refusal::NoBatch));
    let twice = Event::Accepted(Box::new(world.batch.clone()));
    let again = transition(Some(&world.batch), &stamp, &twice, &world.catalog);
    assert_eq!(again.err(), Some(Refusal::Exists));
    let unknown = transition(Some(&world.batch), &stamp, &woke, &Catalog::default());
    assert_eq!(unknown.err(), Some(Refusal::NoDefinition(Digest([7; 32]))));
}

#[test]
fn a_first_state_that_does_not_hold_is_refused() {
    let world = World::text(PROBE);
    let check = |change: fn(&mut Batch)| {
        let mut first = world.batch.clone();
        first.entries = 0;
        change(&mut first);
        let stamp = Stamp { seq: 1, at: T0, entropy: 0, epoch: 1 };
        transition(None, &stamp, &Event::Accepted(Box::new(first)), &world.catalog).err()
    };
    assert_eq!(check(|_| {}), None);
    for change in [
        (|batch| batch.entries = 3) as fn(&mut Batch),
        |batch| batch.created_at = at(5),
        |batch| batch.targets.clear(),
        |batch| batch.contents.clear(),
        |batch| batch.targets = vec![batch.targets[0].clone(); 26],
    ] {
        assert!(matches!(check(change), Some(Refusal::BadDraft(_))));
    }
}
