//! What clients and operators may change, and when.

use std::sync::Arc;

use super::super::{Effects, Refusal, Tidings};
use super::support::*;
use crate::model::*;
use crate::workflow::Doubt;

fn queued() -> World {
    World::new(Doubt::Hold, text(), Some(at(10_000)))
}

fn cancel(reason: CancelReason) -> Event {
    Event::Canceled { ix: IX, reason }
}

#[test]
fn a_queued_post_moves_in_time() {
    let mut world = queued();
    world.apply(1, Event::Rescheduled { ix: IX, due: at(20_000), request: None });
    assert_eq!(world.cursor(), &Cursor::Queued { due: at(20_000) });
    assert_eq!(world.attempt(10_000, Event::Woke { ix: IX }), Err(Refusal::NotDue));
    let past = world.attempt(15_000, Event::Rescheduled { ix: IX, due: at(15_000), request: None });
    assert_eq!(past, Err(Refusal::Window));
    let fired =
        world.attempt(20_000, Event::Rescheduled { ix: IX, due: at(30_000), request: None });
    assert_eq!(fired, Err(Refusal::Window), "its time has come");
}

#[test]
fn a_queued_post_gets_another_content_in_a_fresh_place() {
    let mut world = queued();
    let content = Arc::new(Content { text: "better".into(), ..Content::default() });
    let edit = |place| Event::Edited { ix: IX, place, content: Arc::clone(&content) };
    assert!(matches!(world.attempt(1, edit(ContentIx(0))), Err(Refusal::Unfit { .. })));
    world.apply(1, edit(ContentIx(1)));
    assert_eq!(world.batch.content_of(world.target()).text, "better");
    assert_eq!(world.batch.contents.len(), 2, "the old content stays for the journal");
}

#[test]
fn a_cancel_and_the_timer_exclude_each_other() {
    let mut world = queued();
    world.apply(9_999, cancel(CancelReason::Requested));
    assert_eq!(world.cursor(), &Cursor::Ended(Outcome::Canceled));
    assert!(matches!(world.attempt(10_000, Event::Woke { ix: IX }), Err(Refusal::Unfit { .. })));
    let mut world = queued();
    assert_eq!(world.attempt(10_000, cancel(CancelReason::Requested)), Err(Refusal::Window));
    world.wake(10_000);
    let late = world.attempt(10_001, cancel(CancelReason::Requested));
    assert!(matches!(late, Err(Refusal::Unfit { .. })));
}

#[test]
fn a_removed_account_cancels_what_cannot_be_live() {
    let mut world = World::text(Doubt::Repeat);
    world.begin(0);
    let running = world.attempt(1, cancel(CancelReason::AccountRemoved));
    assert!(matches!(running, Err(Refusal::Unfit { .. })));
    world.answer(2, unknown());
    let doubtful = world.attempt(3, cancel(CancelReason::AccountRemoved));
    assert!(matches!(doubtful, Err(Refusal::Unfit { .. })), "it may be live");
    let mut world = World::text(Doubt::Repeat);
    world.begin(0);
    world.answer(2, retry(None));
    world.apply(3, cancel(CancelReason::AccountRemoved));
    assert_eq!(world.cursor(), &Cursor::Ended(Outcome::Canceled));
}

#[test]
fn an_operator_rules_on_what_is_held() {
    for ruling in [Ruling::Published { uri: Some("x://1".into()) }, Ruling::Failed] {
        let mut world = World::text(Doubt::Hold);
        world.begin(0);
        world.answer(1, unknown());
        world.apply(9, Event::Ruled { ix: IX, ruling: ruling.clone() });
        match (&ruling, world.cursor()) {
            (Ruling::Published { uri }, Cursor::Ended(Outcome::Published)) => {
                let receipt = world.target().receipt.clone().expect("a receipt");
                assert_eq!(&receipt.uri, uri);
                assert_eq!(world.target().published_at, Some(at(9)));
            }
            (Ruling::Failed, Cursor::Ended(Outcome::Failed(fault))) => {
                assert_eq!(fault.outcome, Some(SendOutcome::NotSent));
            }
            other => panic!("{other:?}"),
        }
        let twice = world.attempt(10, Event::Ruled { ix: IX, ruling });
        assert!(matches!(twice, Err(Refusal::Unfit { .. })));
    }
}

fn retry_at(ms: u64, force: bool) -> Event {
    Event::Retried { ix: IX, due: at(ms), request: None, force }
}

#[test]
fn what_is_not_live_is_tried_again_from_the_start() {
    let mut world = World::text(Doubt::Hold);
    world.begin(0);
    world.answer(1, refuse());
    assert_eq!(world.attempt(5, retry_at(5, false)), Err(Refusal::Window));
    let effects = world.apply(5, retry_at(1_005, false));
    assert_eq!(effects.tidings, [(IX, Tidings::Queued)]);
    assert_eq!(world.cursor(), &Cursor::Queued { due: at(1_005) });
    assert_eq!(world.target().started_at, None, "it starts anew");
    assert_eq!(world.target().last_fault, None);
    world.wake(1_005);
    world.begin(1_006);
    let effects = world.answer(1_007, done());
    assert_eq!(effects.tidings, [(IX, Tidings::Published)]);
    assert!(effects.settled, "it settles a second time");
    assert!(matches!(world.attempt(9_000, retry_at(10_000, true)), Err(Refusal::Unfit { .. })));
}

#[test]
fn what_may_be_live_is_tried_again_only_by_force_and_keeps_its_start() {
    let mut world = World::text(Doubt::Hold);
    world.begin(0);
    let effects = world.answer(1, unknown());
    assert_eq!(effects.tidings, [(IX, Tidings::Failed)]);
    assert_eq!(world.attempt(5, retry_at(2_000, false)), Err(Refusal::Doubtful));
    world.apply(5, retry_at(2_000, true));
    assert_eq!(world.target().started_at, Some(at(0)), "platforms with keys know it by that");
    assert_eq!(world.target().doubt_since, None);
}

#[test]
fn each_end_is_told_once() {
    let told = |effects: Effects| effects.tidings.into_iter().map(|(_, told)| told).next();
    let mut canceled = queued();
    let effects = canceled.apply(1, Event::Rescheduled { ix: IX, due: at(20_000), request: None });
    assert_eq!(told(effects), Some(Tidings::Rescheduled { before: at(10_000) }));
    let content = Arc::new(Content { text: "better".into(), ..Content::default() });
    let effects = canceled.apply(2, Event::Edited { ix: IX, place: ContentIx(1), content });
    assert_eq!(told(effects), Some(Tidings::Updated { text: true, media: false }));
    assert_eq!(told(canceled.apply(3, cancel(CancelReason::Requested))), Some(Tidings::Canceled));

    let mut found_live = World::text(Doubt::Hold);
    found_live.begin(0);
    found_live.answer(1, unknown());
    let live = Event::Ruled { ix: IX, ruling: Ruling::Published { uri: None } };
    assert_eq!(told(found_live.apply(2, live)), Some(Tidings::Published));

    let mut found_lost = World::text(Doubt::Hold);
    found_lost.begin(0);
    found_lost.answer(1, unknown());
    let lost = Event::Ruled { ix: IX, ruling: Ruling::Failed };
    assert_eq!(told(found_lost.apply(2, lost)), None, "that it failed has been told");
}
