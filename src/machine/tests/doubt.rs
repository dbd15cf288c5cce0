//! The way of a post that does not know whether it is live.

use super::super::Refusal;
use super::support::*;
use crate::model::*;
use crate::workflow::Doubt;

fn held_rule(world: &World) -> Option<String> {
    match world.cursor() {
        Cursor::Held { fault, .. } => fault.rule.clone(),
        _ => None,
    }
}

const UNKNOWN_RULE: &str = "sandbox.publish.outcome_unknown";

#[test]
fn a_platform_with_a_key_is_asked_again_and_again() {
    let mut world = World::text(Doubt::Repeat);
    let mut now = 0;
    for _ in 0..10 {
        world.begin(now);
        world.answer(now + 1, unknown());
        let Cursor::Waiting { until, why: WaitReason::Repeat, .. } = *world.cursor() else {
            panic!("{:?}", world.cursor());
        };
        now = until.since(T0).0;
        world.wake(now);
    }
    world.begin(now);
    world.answer(now + 1, done());
    assert_eq!(world.cursor(), &Cursor::Ended(Outcome::Published));
    assert_eq!(world.target().doubt_since, None);
}

#[test]
fn a_repeat_that_is_refused_leaves_the_doubt() {
    let mut world = World::text(Doubt::Repeat);
    world.begin(0);
    world.answer(1, unknown());
    world.wake(101);
    world.begin(101);
    world.answer(102, Verdict::Refuse { fault: fault(Code::PlatformRejected) });
    assert_eq!(held_rule(&world).as_deref(), Some(UNKNOWN_RULE));
}

#[test]
fn a_readable_platform_is_read_after_a_grace_and_found() {
    let mut world = World::text(PROBE);
    world.begin(0);
    world.answer(1, unknown());
    assert_eq!(world.cursor(), &Cursor::Doubtful { step: publish_step(), until: at(5_001) });
    assert_eq!(world.attempt(5_000, Event::Woke { ix: IX }), Err(Refusal::NotDue));
    world.wake(5_001);
    world.begin(5_001);
    assert_eq!(world.target().step_attempts, 1, "a read-back is no sending");
    world.answer(5_002, done());
    assert_eq!(world.cursor(), &Cursor::Ended(Outcome::Published));
}

#[test]
fn a_readable_platform_is_sent_to_again_only_when_absent_twice() {
    let mut world = World::text(PROBE);
    world.begin(0);
    world.answer(1, unknown());
    world.wake(5_001);
    world.begin(5_001);
    world.answer(5_002, Verdict::Absent);
    assert!(matches!(world.cursor(), Cursor::Doubtful { until, .. } if *until == at(7_002)));
    world.wake(7_002);
    world.begin(7_002);
    world.answer(7_003, Verdict::Absent);
    assert!(matches!(world.cursor(), Cursor::Ready { errand: Errand::Send, .. }));
    assert_eq!(world.target().doubt_since, None);
    world.begin(7_004);
    world.answer(7_005, Verdict::Refuse { fault: fault(Code::PlatformRejected) });
    assert!(matches!(world.cursor(), Cursor::Ended(Outcome::Rejected(_))), "the doubt is gone");
}

#[test]
fn reading_that_fails_keeps_the_doubt_and_never_sends() {
    let mut world = World::text(PROBE);
    world.begin(0);
    world.answer(1, unknown());
    let verdicts = [
        retry(None),
        unknown(),
        Verdict::Restage { fault: fault(Code::PlatformUnavailable) },
        Verdict::Again { memo: None, after: Millis(100) },
        Verdict::Parked { fault: fault(Code::RateLimited), after: Millis(3_000) },
        Verdict::Reauth { fault: fault(Code::PlatformAuthFailed) },
    ];
    for verdict in verdicts {
        let Cursor::Doubtful { until, .. } = *world.cursor() else {
            panic!("{:?}", world.cursor());
        };
        let now = until.since(T0).0;
        world.wake(now);
        world.begin(now);
        world.answer(now + 1, verdict);
    }
    let Cursor::Doubtful { until, .. } = *world.cursor() else { panic!("{:?}", world.cursor()) };
    let now = until.since(T0).0;
    world.wake(now);
    world.begin(now);
    world.answer(now + 1, Verdict::Refuse { fault: fault(Code::PlatformAuthFailed) });
    assert_eq!(held_rule(&world).as_deref(), Some(UNKNOWN_RULE));
}

#[test]
fn doubt_outlasting_the_patience_is_held() {
    let mut world = World::text(PROBE);
    world.begin(0);
    world.answer(58_000, unknown());
    assert_eq!(held_rule(&world).as_deref(), Some(UNKNOWN_RULE));
    assert!(world.batch.is_settled());
}

#[test]
fn a_blind_platform_is_held_at_once() {
    let mut world = World::text(Doubt::Hold);
    world.begin(0);
    let effects = world.answer(1, unknown());
    assert_eq!(held_rule(&world).as_deref(), Some(UNKNOWN_RULE));
    assert!(effects.settled && effects.reply.is_some());
}

#[test]
fn a_silent_attempt_expires_into_doubt() {
    let mut world = World::text(Doubt::Hold);
    world.begin(0);
    assert_eq!(world.attempt(999, Event::Woke { ix: IX }), Err(Refusal::NotDue));
    world.wake(1_000);
    assert_eq!(held_rule(&world).as_deref(), Some(UNKNOWN_RULE));
    let late = Event::Answered { ix: IX, number: 1, epoch: 1, verdict: done(), exchange: None };
    assert_eq!(world.attempt(1_001, late), Err(Refusal::Stale));
}

#[test]
fn a_restart_turns_attempts_into_doubt_by_their_class() {
    type Expected = fn(&Cursor) -> bool;
    let table: [(Doubt, Expected); 3] = [
        (Doubt::Repeat, |c| matches!(c, Cursor::Ready { errand: Errand::Send, .. })),
        (PROBE, |c| matches!(c, Cursor::Doubtful { .. })),
        (Doubt::Hold, |c| matches!(c, Cursor::Held { .. })),
    ];
    for (on_doubt, expected) in table {
        let mut world = World::text(on_doubt);
        world.begin(0);
        let same_life = world.attempt(5, Event::Recovered { ix: IX });
        assert!(matches!(same_life, Err(Refusal::Unfit { .. })));
        world.epoch = 2;
        world.apply(5, Event::Recovered { ix: IX });
        assert!(expected(world.cursor()), "{on_doubt:?}: {:?}", world.cursor());
        assert_eq!(world.target().step_spent, 0, "a crash spends no attempt");
        let old_life =
            Event::Answered { ix: IX, number: 1, epoch: 1, verdict: done(), exchange: None };
        assert_eq!(world.attempt(6, old_life), Err(Refusal::Stale), "fenced by the epoch");
    }
}

#[test]
fn a_restart_during_a_read_back_reads_back_again() {
    let mut world = World::text(PROBE);
    world.begin(0);
    world.answer(1, unknown());
    world.wake(5_001);
    world.begin(5_001);
    world.epoch = 2;
    world.apply(5_100, Event::Recovered { ix: IX });
    assert_eq!(world.cursor(), &Cursor::Doubtful { step: publish_step(), until: at(5_100) });
}

#[test]
fn a_comment_in_doubt_warns_that_it_may_be_live() {
    let content = Content { first_comment: Some(FirstComment { text: "c".into() }), ..text() };
    let mut world = World::new(Doubt::Hold, content, None);
    world.begin(0);
    world.answer(1, done());
    world.begin(2);
    world.answer(3, unknown());
    assert_eq!(world.cursor(), &Cursor::Ended(Outcome::Published));
    assert!(world.target().warnings[0].message.contains("may be live"));
}

#[test]
fn a_sending_cannot_be_absent() {
    let mut world = World::text(Doubt::Hold);
    world.begin(0);
    world.answer(1, Verdict::Absent);
    assert_eq!(held_rule(&world).as_deref(), Some(UNKNOWN_RULE));
}
