//! A sound store has no findings; each way to break one has its own.

use std::sync::Arc;

use super::support::*;
use crate::model::{
    Batch, BatchId, Cursor, Delivery, DeliveryState, Digest, EndpointId, Fault, NoticeId, Outcome,
    PostId, Profile, ProfileId, ReplyState, StepRef, TargetIx,
};
use crate::store::{
    Finding, Key, Memory, PostPlace, Record, Store, TimerRecord, VerifyReport, Write,
    verify as verify_store,
};

fn settled(seed: u64) -> Batch {
    let mut batch = queued(seed, 2, at(0));
    batch.claim = None;
    let ends = [
        Cursor::Ended(Outcome::Published),
        Cursor::Held {
            step: StepRef { step: 0, round: 0 },
            fault: Fault::new(crate::model::Code::PlatformUnavailable, "No answer."),
        },
    ];
    for (target, end) in batch.targets.iter_mut().zip(ends) {
        Arc::make_mut(target).cursor = end;
    }
    batch
}

struct World {
    store: Memory,
    epoch: u64,
    /// Unsettled, three targets, four entries, a running claim.
    open: Batch,
    /// Settled, its journal trimmed to the last of three entries.
    done: Batch,
}

impl World {
    fn new() -> Self {
        let store = Memory::new();
        let epoch = store.begin_epoch().expect("memory");
        let mut open = queued(1, 3, at(5_000));
        Arc::make_mut(&mut open.targets[1]).memo.clear();
        let (open, writes) = accepted(&open, 4);
        store.commit(epoch, &writes).expect("memory");
        let (done, mut writes) = accepted(&settled(2), 3);
        writes.extend((0..2).map(|n| Write::Delete(Key::Entry(done.id, n))));
        store.commit(epoch, &writes).expect("memory");
        let (_, mut writes) = accepted(&settled(3), 2);
        let trimmed: Vec<Write> = writes
            .iter()
            .filter_map(|write| match write {
                Write::Put(key @ Key::Entry(..), _) => Some(Write::Delete(*key)),
                _ => None,
            })
            .collect();
        writes.extend(trimmed);
        store.commit(epoch, &writes).expect("memory");
        Self { store, epoch, open, done }
    }

    fn report(&self) -> VerifyReport {
        verify_store(&self.store).expect("memory")
    }
}

/// Commits to a sound world what `change` says, and expects just the findings it names, in order.
fn check(name: &str, change: impl Fn(&World) -> (Vec<Write>, Vec<(Key, &'static str)>)) {
    let world = World::new();
    let (writes, expected) = change(&world);
    world.store.commit(world.epoch, &writes).expect("memory");
    same(name, &world.report().findings, &expected);
}

fn same(name: &str, found: &[Finding], expected: &[(Key, &str)]) {
    let fits = found.len() == expected.len()
        && found.iter().zip(expected).all(|(finding, (key, words))| {
            finding.key == key.to_string() && finding.problem.contains(words)
        });
    assert!(fits, "{name}: expected {expected:?}, found {found:#?}");
}

fn timer(at_ms: i64, batch: BatchId) -> (Key, Write) {
    let key = Key::Timer(at(at_ms), batch);
    (key, Write::Put(key, Record::Timer(TimerRecord { running: false })))
}

const STRANGER: BatchId = BatchId::from_raw(77);

#[test]
fn a_sound_store_has_no_findings() {
    let report = World::new().report();
    let counts = (report.batches, report.unsettled, report.posts, report.entries);
    assert_eq!(counts, (3, 1, 7, 5));
    assert_eq!(report.findings, []);
}

#[test]
fn a_batch_lacks_a_row() {
    check("head", |world| {
        let head = Key::Batch(world.done.id);
        (vec![Write::Delete(head)], vec![(head, "is missing")])
    });
    check("target", |world| {
        let target = Key::Target(world.open.id, TargetIx(1));
        let post = Key::Post(world.open.targets[1].post);
        (vec![Write::Delete(target)], vec![(target, "is missing"), (post, "not this post")])
    });
    check("content", |world| {
        let content = world.open.targets[0].content;
        let lost = world.open.places().filter(|(_, target)| target.content == content);
        let expected =
            lost.map(|(ix, _)| (Key::Target(world.open.id, ix), "its content")).collect();
        (vec![Write::Delete(Key::Content(world.open.id, content))], expected)
    });
    check("the target of a memo", |world| {
        let memo = Key::Memo(world.open.id, TargetIx(9), StepRef { step: 0, round: 0 });
        (vec![put(memo, "{}")], vec![(memo, "its target is missing")])
    });
    check("all but an entry", |world| {
        let entry = world.store.get(&Key::Entry(world.open.id, 0)).expect("sound");
        let Some(Record::Entry(mut entry)) = entry else { panic!("{entry:?}") };
        entry.batch = STRANGER;
        let key = Key::Entry(STRANGER, 0);
        (vec![Write::Put(key, Record::Entry(entry))], vec![(Key::Batch(STRANGER), "missing")])
    });
}

#[test]
fn a_row_stands_in_anothers_place() {
    check("head", |world| {
        let head = world.store.get(&Key::Batch(world.open.id)).expect("sound").expect("a head");
        let key = Key::Batch(world.done.id);
        let beyond = Key::Target(world.done.id, TargetIx(2));
        (vec![Write::Put(key, head)], vec![(beyond, "missing"), (key, "it is the head of")])
    });
    check("profile", |_| {
        let key = Key::Profile(ProfileId::from_raw(1));
        let profile = Profile {
            id: ProfileId::from_raw(2),
            name: String::new(),
            slug: String::new(),
            created_at: at(0),
            updated_at: at(0),
        };
        (vec![Write::Put(key, Record::Profile(profile))], vec![(key, "another record")])
    });
    check("entry", |world| {
        let entry = world.store.get(&Key::Entry(world.open.id, 2)).expect("sound");
        let key = Key::Entry(world.done.id, 2);
        (vec![Write::Put(key, entry.expect("an entry"))], vec![(key, "another record")])
    });
}

#[test]
fn a_journal_has_a_hole() {
    let delete = |world: &World, n| Write::Delete(Key::Entry(world.open.id, n));
    check("inside", |world| {
        let next = Key::Entry(world.open.id, 3);
        (vec![delete(world, 2)], vec![(next, "from 2 on")])
    });
    check("at the end", |world| {
        let head = Key::Batch(world.open.id);
        (vec![delete(world, 3)], vec![(head, "it says 4 entries, but they end before 3")])
    });
    check("at the start: trimmed", |world| (vec![delete(world, 0), delete(world, 1)], vec![]));
    check("everywhere, before it settled", |world| {
        let all = (0..4).map(|n| delete(world, n)).collect();
        (all, vec![(Key::Batch(world.open.id), "they end before 0")])
    });
}

#[test]
fn an_index_of_posts_is_wrong() {
    check("missing", |world| {
        let post = Key::Post(world.open.targets[0].post);
        let target = Key::Target(world.open.id, TargetIx(0));
        (vec![Write::Delete(post)], vec![(target, "does not point back")])
    });
    check("elsewhere", |world| {
        let post = Key::Post(world.open.targets[0].post);
        let target = Key::Target(world.open.id, TargetIx(0));
        let place = PostPlace { batch: world.done.id, ix: TargetIx(0) };
        let expected = vec![(target, "does not point back"), (post, "not this post")];
        (vec![Write::Put(post, Record::Post(place))], expected)
    });
    check("nowhere", |_| {
        let post = Key::Post(PostId::from_raw(5));
        let place = PostPlace { batch: STRANGER, ix: TargetIx(0) };
        (vec![Write::Put(post, Record::Post(place))], vec![(post, "not this post")])
    });
}

#[test]
fn a_timer_is_wrong() {
    check("missing", |world| {
        let (key, _) = timer(5_000, world.open.id);
        (vec![Write::Delete(key)], vec![(Key::Batch(world.open.id), "no timer")])
    });
    check("two", |world| {
        let (key, second) = timer(6_000, world.open.id);
        (vec![second], vec![(key, "needs a timer at")])
    });
    check("late", |world| {
        let (right, _) = timer(5_000, world.open.id);
        let (late, second) = timer(6_000, world.open.id);
        let expected = vec![(late, "not this one"), (Key::Batch(world.open.id), "no timer")];
        (vec![Write::Delete(right), second], expected)
    });
    check("settled", |world| {
        let (key, write) = timer(1, world.done.id);
        (vec![write], vec![(key, "a timer of a settled batch")])
    });
    check("of nothing", |_| {
        let (key, write) = timer(1, STRANGER);
        (vec![write], vec![(key, "missing")])
    });
}

#[test]
fn a_pending_reply_wakes_a_batch() {
    let pending = |world: &World| {
        let mut open = world.open.clone();
        open.reply = ReplyState::Pending { by: at(100) };
        crate::store::batch_writes(Some(&world.open), &open)
    };
    check("not moved", |world| {
        let (old, _) = timer(5_000, world.open.id);
        let expected = vec![(old, "needs a timer"), (Key::Batch(world.open.id), "no timer")];
        (pending(world), expected)
    });
    check("moved", |world| {
        let mut writes = pending(world);
        writes.push(Write::Delete(timer(5_000, world.open.id).0));
        writes.push(timer(100, world.open.id).1);
        (writes, vec![])
    });
}

#[test]
fn a_running_claim_has_no_batch() {
    let key = Key::Claim(at(1), Digest([3; 32]));
    check("none", |_| (vec![Write::Put(key, running(None))], vec![(key, "names no batch")]));
    check("lost", |_| {
        (vec![Write::Put(key, running(Some(STRANGER)))], vec![(key, "which is missing")])
    });
}

#[test]
fn one_damaged_row_is_one_finding() {
    let world = World::new();
    let (id, content) = (world.open.id, world.open.targets[0].content);
    let rows = [
        Key::Batch(id),
        Key::Target(id, TargetIx(0)),
        Key::Content(id, content),
        Key::Entry(id, 1),
        Key::Post(world.open.targets[0].post),
        Key::Timer(at(5_000), id),
        Key::Claim(at(1), Digest([7; 32])),
    ];
    for key in rows {
        let world = World::new();
        world.store.damage(&key, |bytes| bytes[1] ^= 1);
        let found = world.report().findings;
        let also_unmet = matches!(key, Key::Timer(..));
        let mut expected = vec![(key, "checksum")];
        if also_unmet {
            expected.push((Key::Batch(id), "no timer"));
        }
        same("damaged", &found, &expected);
    }
}

#[test]
fn a_delivery_without_its_turn_and_a_turn_without_its_delivery_are_named() {
    let (endpoint, notice) = (EndpointId::from_raw(1), NoticeId::from_raw(2));
    let head = Key::Delivery(endpoint, notice);
    let turn = |ms| Key::DeliveryDue(endpoint, at(ms), notice);
    let delivery = |state| Record::Delivery(Delivery { state, attempts: 0, logged: 0 });
    let due = delivery(DeliveryState::Due { at: at(5) });
    let over = delivery(DeliveryState::Delivered { at: at(5) });
    let (mark, none) = (Record::Mark, Vec::<String>::new());
    type Case = (Vec<(Key, Record)>, Vec<String>);
    let rows: [Case; 4] = [
        (vec![(head, due.clone()), (turn(5), mark.clone())], none.clone()),
        (vec![(head, over.clone())], none),
        (vec![(head, due)], vec![head.to_string()]),
        (vec![(head, over), (turn(5), mark)], vec![turn(5).to_string()]),
    ];
    for (rows, expected) in rows {
        let world = World::new();
        let writes: Vec<Write> =
            rows.into_iter().map(|(key, record)| Write::Put(key, record)).collect();
        world.store.commit(world.epoch, &writes).expect("memory");
        let found = verify_store(&world.store).expect("memory").findings;
        let named: Vec<String> = found.into_iter().map(|finding| finding.key).collect();
        assert_eq!(named, expected);
    }
}

#[test]
fn an_id_that_is_claimed_twice_is_named() {
    let id = Digest([3; 32]);
    let keys = [1, 2].map(|ms| Key::Claim(at(ms), id));
    check("twice", |world| {
        let made = running(Some(world.open.id));
        let writes = keys.map(|key| Write::Put(key, made.clone()));
        (writes.into(), keys.map(|key| (key, "claimed again")).into())
    });
}
