//! Each invariant, broken on purpose.

use std::sync::Arc;

use super::super::violation;
use super::support::{PROBE, World, at, publish_step};
use crate::model::*;

fn check(change: impl FnOnce(&mut Target), broken: Option<&str>) {
    let mut batch = World::text(PROBE).batch;
    assert_eq!(violation(&batch), None);
    batch.reply = ReplyState::Given;
    change(Arc::make_mut(&mut batch.targets[0]));
    let told = broken.map(|what| format!("target 0 {what}"));
    assert_eq!(violation(&batch), told);
}

fn ended(outcome: Outcome) -> impl FnOnce(&mut Target) {
    |target| {
        target.cursor = Cursor::Ended(outcome);
        target.receipt = Some(Receipt::default());
        target.published_at = Some(at(1));
    }
}

#[test]
fn each_broken_rule_is_named() {
    let queued = |due: u64| Cursor::Queued { due: at(due) };
    check(
        |target| {
            target.cursor = queued(5);
            target.due = Some(at(5));
            target.step_attempts = 1;
        },
        Some("is queued and has begun"),
    );
    check(
        |target| {
            target.cursor = queued(5);
            target.due = Some(at(6));
        },
        Some("is queued for another time than it is due"),
    );
    check(
        |target| {
            target.cursor = Cursor::Running(Attempt {
                step: publish_step(),
                errand: Errand::Send,
                number: 2,
                epoch: 1,
                began_at: at(0),
                deadline: at(9),
            });
            target.attempts = 1;
        },
        Some("runs another attempt than its last"),
    );
    let doubtful = Cursor::Doubtful { step: publish_step(), until: at(5) };
    check(|target| target.cursor = doubtful, Some("is doubtful without a doubt"));
    let probe = Cursor::Ready { step: publish_step(), errand: Errand::Probe, since: at(0) };
    check(|target| target.cursor = probe, Some("is read back without a doubt"));
    let published = Cursor::Ended(Outcome::Published);
    check(|target| target.cursor = published, Some("is published without a receipt"));
    let live = Some("ended without success although it is or may be live");
    let fault = || Fault::new(Code::PlatformRejected, "no");
    check(ended(Outcome::Canceled), live);
    check(ended(Outcome::Failed(fault())), live);
    check(ended(Outcome::Rejected(fault())), live);
    let in_doubt = |target: &mut Target| {
        target.cursor = Cursor::Ended(Outcome::Canceled);
        target.doubt_since = Some(at(0));
    };
    check(in_doubt, live);
    let half = "has a publishing time and no receipt, or the other way round";
    check(|target| target.published_at = Some(at(1)), Some(half));
    check(|target| target.receipt = Some(Receipt::default()), Some(half));
    let nowhere = "names a content that is not there";
    check(|target| target.content = ContentIx(7), Some(nowhere));
    check(ended(Outcome::Published), None);
}
