//! The way of a post that knows where it stands.

use super::super::ReplyCause;
use super::support::*;
use crate::model::*;
use crate::workflow::Doubt;

#[test]
fn an_immediate_post_goes_straight_through() {
    let mut world = World::text(Doubt::Repeat);
    world.begin(5);
    let effects = world.answer(20, done());
    assert_eq!(world.cursor(), &Cursor::Ended(Outcome::Published));
    assert_eq!(effects.reply, Some(ReplyCause::Settled));
    assert!(effects.settled);
    assert_eq!(world.target().published_at, Some(at(20)));
    assert_eq!(world.batch.entries, 3);
}

#[test]
fn a_scheduled_post_is_answered_at_once_and_waits() {
    let mut world = World::new(Doubt::Repeat, text(), Some(at(10_000)));
    assert_eq!(world.batch.reply, ReplyState::Given);
    assert_eq!(super::super::stored_wake(&world.batch), Some(at(10_000)));
    let early = world.attempt(9_999, Event::Woke { ix: IX });
    assert_eq!(early, Err(super::super::Refusal::NotDue));
    world.wake(10_250);
    assert_eq!(world.target().lateness, Some(Millis(250)));
    world.begin(10_250);
    let effects = world.answer(10_300, done());
    assert_eq!(effects.reply, None);
    assert!(effects.settled);
}

#[test]
fn steps_follow_the_content_and_keep_what_they_gave() {
    let item = |n: u8| MediaItem {
        kind: MediaKind::Image,
        alt_text: None,
        source: MediaSource::Inline(Digest([n; 32])),
    };
    let content = Content {
        media: vec![item(1), item(2)],
        first_comment: Some(FirstComment { text: "more".into() }),
        ..text()
    };
    let mut world = World::new(Doubt::Repeat, content, None);
    for (round, memo) in [(0, "\"a\""), (1, "\"b\"")] {
        assert!(matches!(world.cursor(), Cursor::Ready { step, .. }
            if *step == StepRef { step: 0, round }));
        world.begin(1);
        world.answer(2, staged(memo));
    }
    world.begin(3);
    world.answer(4, done());
    assert_eq!(world.target().memo.len(), 2);
    world.begin(5);
    world.answer(6, done());
    assert!(world.target().comment.is_some());
    assert_eq!(world.cursor(), &Cursor::Ended(Outcome::Published));
}

#[test]
fn failures_are_retried_by_backoff_until_the_budget_is_spent() {
    let mut world = World::text(Doubt::Repeat);
    world.begin(0);
    world.answer(10, retry(None));
    let wait = |until| Cursor::Waiting { step: publish_step(), until, why: WaitReason::Retry };
    assert_eq!(world.cursor(), &wait(at(110)));
    world.wake(110);
    world.begin(110);
    world.answer(120, retry(Some(Millis(700))));
    assert_eq!(world.cursor(), &wait(at(820)), "a longer Retry-After is honoured");
    world.wake(820);
    world.begin(820);
    let effects = world.answer(830, retry(None));
    assert!(matches!(world.cursor(), Cursor::Ended(Outcome::Failed(_))));
    assert_eq!(effects.reply, Some(ReplyCause::Settled));
}

#[test]
fn a_rate_limit_parks_the_account_and_spends_nothing() {
    let mut world = World::text(Doubt::Repeat);
    for round in 0..5u64 {
        world.begin(round * 10_000);
        let parked = Verdict::Parked { fault: fault(Code::RateLimited), after: Millis(9_000) };
        let effects = world.answer(round * 10_000 + 5, parked);
        let until = at(round * 10_000 + 9_005);
        assert_eq!(effects.park, Some((AccountId::from_raw(3), until)));
        world.wake(round * 10_000 + 9_005);
    }
    assert_eq!(world.target().step_spent, 0);
    assert_eq!(world.target().step_attempts, 5);
}

#[test]
fn a_rate_limit_longer_than_the_patience_ends_it() {
    let mut world = World::text(Doubt::Repeat);
    world.begin(0);
    let parked = Verdict::Parked { fault: fault(Code::RateLimited), after: Millis(61_000) };
    world.answer(5, parked);
    let Cursor::Ended(Outcome::Failed(fault)) = world.cursor() else {
        panic!("{:?}", world.cursor());
    };
    assert_eq!(fault.rule.as_deref(), Some("target.deadline_exceeded"));
    assert!(fault.message.contains("because"), "the last problem is told");
}

#[test]
fn refusals_end_by_their_code() {
    for (code, rejected) in [
        (Code::PlatformRejected, true),
        (Code::PreflightFailed, true),
        (Code::PlatformAuthFailed, true),
        (Code::PlatformUnavailable, false),
        (Code::InternalError, false),
    ] {
        let mut world = World::text(Doubt::Hold);
        world.begin(0);
        world.answer(5, Verdict::Refuse { fault: fault(code) });
        let is_rejected = matches!(world.cursor(), Cursor::Ended(Outcome::Rejected(_)));
        let is_failed = matches!(world.cursor(), Cursor::Ended(Outcome::Failed(_)));
        assert_eq!((is_rejected, is_failed), (rejected, !rejected), "{code:?}");
    }
}

#[test]
fn a_credential_is_renewed_once() {
    let mut world = World::text(Doubt::Repeat);
    world.begin(0);
    let reauth = || Verdict::Reauth { fault: fault(Code::PlatformAuthFailed) };
    world.answer(5, reauth());
    assert!(matches!(world.cursor(), Cursor::Ready { .. }));
    assert_eq!((world.target().step_reauths, world.target().step_spent), (1, 0));
    world.begin(6);
    world.answer(9, reauth());
    assert!(matches!(world.cursor(), Cursor::Ended(Outcome::Rejected(_))));
}

#[test]
fn a_session_may_run_out_again_after_something_else_went_wrong() {
    let mut world = World::text(Doubt::Repeat);
    let reauth = || Verdict::Reauth { fault: fault(Code::PlatformAuthFailed) };
    let busy = || Verdict::Retry { fault: fault(Code::PlatformUnavailable), after: None };
    let polls = || Verdict::Again { memo: None, after: Millis(0) };
    let mut at = 0;
    for between in [busy(), polls()] {
        world.begin(at);
        world.answer(at + 1, reauth());
        world.begin(at + 1);
        world.answer(at + 2, between);
        at += 5_000;
        if matches!(world.cursor(), Cursor::Waiting { .. }) {
            world.wake(at);
        }
    }
    world.begin(at);
    world.answer(at, reauth());
    assert!(matches!(world.cursor(), Cursor::Ready { .. }), "it is renewed once more");
    world.begin(at);
    world.answer(at, reauth());
    assert!(matches!(world.cursor(), Cursor::Ended(Outcome::Rejected(_))), "twice in a row");
}

#[test]
fn polling_keeps_what_it_learned() {
    let mut world = World::text(Doubt::Repeat);
    world.begin(0);
    world.answer(5, Verdict::Again { memo: Some("{\"job\":1}".into()), after: Millis(50) });
    assert_eq!(world.target().memo[&publish_step()].as_ref(), "{\"job\":1}");
    assert!(matches!(world.cursor(), Cursor::Waiting { why: WaitReason::Poll, .. }));
    world.wake(55);
    world.begin(55);
    world.answer(60, Verdict::Again { memo: None, after: Millis(0) });
    assert!(matches!(world.cursor(), Cursor::Ready { .. }), "no wait, no timer");
}

#[test]
fn a_lost_blob_is_staged_again() {
    let item = MediaItem {
        kind: MediaKind::Image,
        alt_text: None,
        source: MediaSource::Inline(Digest([1; 32])),
    };
    let mut world = World::new(Doubt::Repeat, Content { media: vec![item], ..text() }, None);
    world.begin(0);
    world.answer(1, staged("\"blob\""));
    world.begin(2);
    world.answer(3, Verdict::Restage { fault: fault(Code::PlatformUnavailable) });
    assert!(world.target().memo.is_empty());
    assert!(matches!(world.cursor(), Cursor::Waiting { step, .. } if step.step == 0));
}

#[test]
fn a_failed_comment_is_a_warning() {
    let content = Content { first_comment: Some(FirstComment { text: "c".into() }), ..text() };
    let mut world = World::new(Doubt::Repeat, content, None);
    world.begin(0);
    world.answer(1, done());
    assert!(!world.batch.is_settled());
    world.begin(2);
    world.answer(3, Verdict::Refuse { fault: fault(Code::PlatformRejected) });
    assert_eq!(world.cursor(), &Cursor::Ended(Outcome::Published));
    assert_eq!(world.target().warnings[0].code, "first_comment_failed");
}

#[test]
fn a_missed_schedule_fails_in_words() {
    let mut world = World::new(Doubt::Repeat, text(), Some(at(1_000)));
    world.apply(90_000_000, Event::Missed { ix: IX });
    let Cursor::Ended(Outcome::Failed(fault)) = world.cursor() else {
        panic!("{:?}", world.cursor());
    };
    assert_eq!(fault.rule.as_deref(), Some("schedule.missed"));
    assert_eq!(world.target().lateness, Some(Millis(89_999_000)));
}

#[test]
fn a_client_is_answered_late_once() {
    let mut world = World::text(Doubt::Repeat);
    world.begin(0);
    assert_eq!(world.attempt(59_999, Event::ReplyDue), Err(super::super::Refusal::NotDue));
    assert_eq!(world.apply(60_000, Event::ReplyDue).reply, Some(ReplyCause::Late));
    assert_eq!(world.attempt(60_001, Event::ReplyDue), Err(super::super::Refusal::Stale));
    assert_eq!(world.answer(60_002, done()).reply, None, "it was answered already");
}
