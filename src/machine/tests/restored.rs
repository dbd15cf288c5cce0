//! Where a target goes on after its store was restored from a backup.

use super::super::Refusal;
use super::support::*;
use crate::model::*;
use crate::workflow::Doubt;

const SINCE: u64 = 8_000;

fn restored(overdue: bool) -> Event {
    Event::Restored { ix: IX, since: at(SINCE), overdue }
}

/// A world at each place from which the original may have gone on, by the time of the backup.
fn worlds(on_doubt: Doubt) -> Vec<(&'static str, World)> {
    let queued = World::new(on_doubt, text(), Some(at(10_000)));
    let ready = World::text(on_doubt);
    let mut running = World::text(on_doubt);
    running.begin(7_900);
    let mut waiting = World::text(on_doubt);
    waiting.begin(7_000);
    waiting.answer(7_001, retry(None));
    vec![("queued", queued), ("ready", ready), ("running", running), ("waiting", waiting)]
}

fn picture() -> Content {
    let item = |n: u8| MediaItem {
        kind: MediaKind::Image,
        alt_text: None,
        source: MediaSource::Inline(Digest([n; 32])),
    };
    Content { media: vec![item(1), item(2)], ..text() }
}

#[test]
fn a_platform_with_a_key_is_sent_to_and_what_it_refuses_is_held() {
    for (name, mut world) in worlds(Doubt::Repeat) {
        world.epoch = 2;
        world.apply(20_000, restored(false));
        assert!(
            matches!(world.cursor(), Cursor::Ready { errand: Errand::Send, .. }),
            "{name}: {:?}",
            world.cursor()
        );
        world.begin(20_001);
        let mut refused = world.clone();
        refused.answer(20_002, refuse());
        assert!(matches!(refused.cursor(), Cursor::Held { .. }), "{name}: it may be live");
        world.answer(20_002, done());
        assert_eq!(world.cursor(), &Cursor::Ended(Outcome::Published), "{name}");
    }
}

#[test]
fn a_readable_platform_is_read_back_before_anything_is_sent() {
    for (name, mut world) in worlds(PROBE) {
        world.epoch = 2;
        world.apply(20_000, restored(false));
        let doubtful = Cursor::Doubtful { step: publish_step(), until: at(25_000) };
        assert_eq!(world.cursor(), &doubtful, "{name}");
        let since = if name == "running" { at(7_900) } else { at(SINCE) };
        assert_eq!(world.target().doubt_since, Some(since), "{name}: what landed from then on");
        world.wake(25_000);
        world.begin(25_000);
        world.answer(25_001, done());
        assert_eq!(world.cursor(), &Cursor::Ended(Outcome::Published), "{name}");
    }
}

#[test]
fn a_blind_platform_is_held() {
    for (name, mut world) in worlds(Doubt::Hold) {
        world.epoch = 2;
        let effects = world.apply(20_000, restored(false));
        let Cursor::Held { fault, .. } = world.cursor() else {
            panic!("{name}: {:?}", world.cursor())
        };
        assert_eq!(fault.outcome, Some(SendOutcome::Unknown));
        assert!(fault.message.contains("restored from a backup of"), "{}", fault.message);
        assert!(effects.settled && effects.tidings.len() == 1, "{name}: it is told");
    }
}

#[test]
fn what_is_absent_is_staged_and_then_sent() {
    let mut world = World::new(PROBE, picture(), None);
    world.begin(0);
    world.answer(1, staged("one"));
    world.epoch = 2;
    world.apply(20_000, restored(false));
    assert_eq!(world.cursor(), &Cursor::Doubtful { step: publish_step(), until: at(25_000) });
    world.wake(25_000);
    world.begin(25_000);
    world.answer(25_001, Verdict::Absent);
    world.wake(27_001);
    world.begin(27_001);
    world.answer(27_002, Verdict::Absent);
    let second = StepRef { step: 0, round: 1 };
    let ready = Cursor::Ready { step: second, errand: Errand::Send, since: at(27_002) };
    assert_eq!(world.cursor(), &ready, "the second picture was not staged yet");
    assert_eq!(world.target().doubt_since, None);
    world.begin(27_003);
    world.answer(27_004, staged("two"));
    world.begin(27_005);
    world.answer(27_006, done());
    assert_eq!(world.cursor(), &Cursor::Ended(Outcome::Published));
}

#[test]
fn what_is_overdue_is_never_sent() {
    let due = || Some(at(10_000));
    for on_doubt in [Doubt::Repeat, Doubt::Hold] {
        let mut world = World::new(on_doubt, picture(), due());
        world.apply(20_000, restored(true));
        assert!(matches!(world.cursor(), Cursor::Held { .. }), "{on_doubt:?}");
    }
    let mut found = World::new(PROBE, picture(), due());
    found.apply(20_000, restored(true));
    found.wake(25_000);
    found.begin(25_000);
    let mut absent = found.clone();
    found.answer(25_001, done());
    assert_eq!(found.cursor(), &Cursor::Ended(Outcome::Published));
    absent.answer(25_001, Verdict::Absent);
    absent.wake(27_001);
    absent.begin(27_001);
    absent.answer(27_002, Verdict::Absent);
    let Cursor::Ended(Outcome::Failed(fault)) = absent.cursor() else {
        panic!("{:?}", absent.cursor())
    };
    assert_eq!(fault.rule.as_deref(), Some("schedule.missed"));
    assert_eq!(fault.outcome, Some(SendOutcome::NotSent));
}

#[test]
fn a_live_post_stays_published_whatever_becomes_of_its_comment() {
    let content = Content { first_comment: Some(FirstComment { text: "c".into() }), ..text() };
    let mut world = World::new(Doubt::Hold, content, None);
    world.begin(0);
    world.answer(1, done());
    world.apply(20_000, restored(false));
    assert_eq!(world.cursor(), &Cursor::Ended(Outcome::Published));
    assert!(world.target().warnings[0].message.contains("may be live"));
}

#[test]
fn a_comment_that_another_server_made_is_read_back_too() {
    let content = Content { first_comment: Some(FirstComment { text: "c".into() }), ..text() };
    let comment = StepRef { step: 2, round: 0 };
    for began in [false, true] {
        let mut world = World::new(PROBE, content.clone(), None);
        if began {
            world.begin(7_000);
        }
        world.epoch = 2;
        world.apply(20_000, restored(false));
        world.wake(25_000);
        world.begin(25_000);
        world.answer(25_001, done());
        let doubtful = Cursor::Doubtful { step: comment, until: at(30_001) };
        assert_eq!(world.cursor(), &doubtful, "{began}: nothing is sent before a look");
        let mut found = world.clone();
        found.wake(30_001);
        found.begin(30_001);
        found.answer(30_002, done());
        assert_eq!(found.cursor(), &Cursor::Ended(Outcome::Published));
        for look in [30_001, 32_002] {
            world.wake(look);
            world.begin(look);
            world.answer(look + 1, Verdict::Absent);
        }
        let ready = Cursor::Ready { step: comment, errand: Errand::Send, since: at(32_003) };
        assert_eq!(world.cursor(), &ready, "{began}");
    }
    // Where we sent it ourselves, nobody else made the comment.
    let mut own = World::new(PROBE, content, None);
    own.begin(0);
    own.answer(1, unknown());
    own.wake(5_001);
    own.begin(5_001);
    own.answer(5_002, done());
    assert!(matches!(own.cursor(), Cursor::Ready { step, .. } if *step == comment));
}

#[test]
fn what_was_not_due_yet_or_is_over_is_left_alone() {
    let mut queued = World::new(PROBE, text(), Some(at(30_000)));
    assert_eq!(queued.attempt(20_000, restored(false)), Err(Refusal::NotDue));
    let mut ended = World::text(PROBE);
    ended.begin(0);
    ended.answer(1, done());
    let over = ended.attempt(20_000, restored(false));
    assert!(matches!(over, Err(Refusal::Unfit { .. })), "{over:?}");
}

/// What is visible on the platform: how often each step took effect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Seen([u32; 3]);

/// A life of a target on a platform that answers, moment by moment.
#[derive(Clone)]
struct Life {
    world: World,
    seen: Seen,
    now: u64,
    on_doubt: Doubt,
    /// The attempt under way has reached the platform.
    reached: bool,
}

impl Life {
    /// The next thing that happens; false when nothing more does.
    fn moves(&mut self) -> bool {
        self.now += 10;
        match self.world.cursor().clone() {
            Cursor::Ended(_) | Cursor::Held { .. } => return false,
            Cursor::Ready { .. } => self.world.begin(self.now),
            Cursor::Queued { .. } | Cursor::Waiting { .. } | Cursor::Doubtful { .. } => {
                let at = self.world.cursor().wake().expect("it waits");
                self.now = self.now.max(at.since(T0).0);
                self.world.wake(self.now);
            }
            Cursor::Running(attempt) => {
                let step = usize::from(attempt.step.step);
                let sends = attempt.errand == Errand::Send && step > 0;
                if sends && !self.reached {
                    let known = self.on_doubt == Doubt::Repeat && self.seen.0[step] > 0;
                    self.seen.0[step] += u32::from(!known);
                    self.reached = true;
                    return true;
                }
                self.reached = false;
                let verdict = match attempt.errand {
                    Errand::Send if step == 0 => staged("there"),
                    Errand::Send => done(),
                    Errand::Probe if self.seen.0[step] > 0 => done(),
                    Errand::Probe => Verdict::Absent,
                };
                self.world.answer(self.now, verdict);
            }
        }
        true
    }

    fn ends(mut self) -> Self {
        while self.moves() {}
        self
    }
}

#[test]
fn whenever_it_was_backed_up_and_lost_nothing_goes_out_twice() {
    let content = Content { first_comment: Some(FirstComment { text: "c".into() }), ..picture() };
    for on_doubt in [Doubt::Repeat, PROBE, Doubt::Hold] {
        let world = World::new(on_doubt, content.clone(), Some(at(10_000)));
        let (seen, reached) = (Seen::default(), false);
        let mut lives = vec![Life { world, seen, now: 0, on_doubt, reached }];
        while let Some(mut next) = lives.last().cloned() {
            if !next.moves() {
                break;
            }
            lives.push(next);
        }
        assert_eq!(lives.len(), 12, "each beginning, landing and answer");
        let mut held = 0;
        for (n, backup) in lives.iter().enumerate() {
            for (m, lost) in lives.iter().enumerate().skip(n) {
                let mut life = Life { seen: lost.seen.clone(), reached: false, ..backup.clone() };
                life.now = lost.now + 1_000;
                life.world.epoch = 2;
                let waits = life.world.cursor().wake().is_none_or(|wake| wake > at(lost.now));
                let works =
                    matches!(life.world.cursor(), Cursor::Ready { .. } | Cursor::Running(_));
                if works || !waits {
                    let since = at(backup.now);
                    let event = Event::Restored { ix: IX, since, overdue: false };
                    life.world.apply(life.now, event);
                }
                let end = life.ends();
                let story = format!("{on_doubt:?}, backed up at {n}, lost at {m}");
                assert!(end.seen.0.iter().all(|count| *count <= 1), "{story}: {:?}", end.seen);
                match end.world.cursor() {
                    Cursor::Held { .. } => held += 1,
                    cursor => {
                        assert_eq!(cursor, &Cursor::Ended(Outcome::Published), "{story}");
                        let warned = !end.world.target().warnings.is_empty();
                        let all = if warned { &[0, 1][..] } else { &[0, 1, 1][..] };
                        assert!(end.seen.0.starts_with(all), "{story}: {:?}", end.seen);
                    }
                }
            }
        }
        assert_eq!(held > 0, on_doubt == Doubt::Hold, "{on_doubt:?}: {held} held");
    }
}
