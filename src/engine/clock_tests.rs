//! A clock that is set back while posts wait for a slot, or forward while one may still land, or
//! while somebody may still ask again.

use std::sync::Arc;

use super::core::{Core, Moment, Options, Release};
use super::handle::Input;
use super::interface::{Call, Claim, NewTarget, Report, Submission};
use super::leaps::clock_wrong_at;
use crate::model::{
    AccountId, BatchId, Code, Content, ContentIx, Cursor, Digest, Fault, KeyId, Millis, Output,
    Platform, ProfileId, RequestId, Timestamp, Verdict,
};
use crate::store::{Key, Memory, Order, ParkRecord, Record, Store, Write};
use crate::wire::Links;
use crate::workflow;

const NOON: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const HOUR: Millis = Millis::from_secs(3_600);
/// How long a request to the readable sandbox may still land, by its workflow.
const GRACE: Millis = Millis::from_secs(12);

/// An engine with a single slot.
fn open(store: &Memory, at: Timestamp) -> Core {
    open_with(1, store, at)
}

fn open_with(slots_max: u32, store: &Memory, at: Timestamp) -> Core {
    let epoch = store.begin_epoch().expect("memory");
    let catalog = Arc::new(workflow::load(&Default::default()).expect("built in").catalog);
    let options = Options {
        sync_wait: Millis::from_secs(60),
        max_lateness: Millis::from_secs(86_400),
        claim_window: Millis::from_secs(60),
        slots_max,
        platform_slots_max: slots_max,
        links: Links { base: "http://h".to_owned() },
    };
    let moment = Moment { at, uptime: Millis(0), entropy: 3 };
    Core::open(Arc::new(store.clone()), catalog, options, epoch, moment).expect("opens")
}

fn submission(account: u128, scheduled_at: Option<Timestamp>) -> Input {
    submission_by("sandbox", account, scheduled_at)
}

fn submission_by(workflow: &str, account: u128, scheduled_at: Option<Timestamp>) -> Input {
    let submission = post(workflow, account, scheduled_at, None);
    Input::Submit(Box::new(submission), tokio::sync::oneshot::channel().0)
}

fn post(
    workflow: &str,
    account: u128,
    scheduled_at: Option<Timestamp>,
    claim: Option<Claim>,
) -> Submission {
    let catalog = workflow::load(&Default::default()).expect("built in").catalog;
    Submission {
        request_id: RequestId::from_caller("r").expect("well formed"),
        key: KeyId::from_raw(1),
        test: false,
        claim,
        scheduled_at,
        contents: vec![Content { text: "x".to_owned(), ..Content::default() }],
        targets: vec![NewTarget {
            account: AccountId::from_raw(account),
            profile: ProfileId::from_raw(1),
            platform: Platform::Sandbox,
            definition: catalog.current(workflow).expect("built in").digest,
            content: ContentIx(0),
            warnings: Vec::new(),
        }],
    }
}

/// Runs a turn and gives the attempts that begin in it.
fn turn(core: &mut Core, at: Timestamp, uptime: Millis, inputs: Vec<Input>) -> Vec<Call> {
    let moment = Moment { at, uptime, entropy: 3 };
    let releases = core.turn(moment, inputs).expect("memory");
    let calls = releases.into_iter().filter_map(|release| match release {
        Release::Call(call) => Some(call),
        Release::Tell(tell) => {
            tell();
            None
        }
    });
    calls.collect()
}

fn done(call: &Call) -> Input {
    reported(call, Verdict::Done(Output::default()))
}

fn reported(call: &Call, verdict: Verdict) -> Input {
    let Some(Cursor::Running(attempt)) = call.batch.target(call.ix).map(|it| it.cursor.clone())
    else {
        panic!("it runs")
    };
    let (batch, ix) = (call.batch.id, call.ix);
    let report = Report { verdict, exchange: None };
    Input::Reported { batch, ix, number: attempt.number, epoch: attempt.epoch, report }
}

fn batches(calls: &[Call]) -> Vec<BatchId> {
    calls.iter().map(|call| call.batch.id).collect()
}

#[test]
fn what_was_due_waits_for_its_time_again() {
    let store = Memory::new();
    let before = NOON.minus(Millis(1_000));
    let mut core = open(&store, before);
    let posts = vec![submission(1, Some(NOON)), submission(2, Some(NOON))];
    assert!(turn(&mut core, before, Millis(0), posts).is_empty(), "it is not noon");
    let first = turn(&mut core, NOON, Millis(1_000), vec![]);
    assert_eq!(first.len(), 1, "one slot");
    // The slot is free, but now it is eleven.
    let eleven = NOON.minus(HOUR);
    let early = turn(&mut core, eleven, Millis(1_010), vec![done(&first[0])]);
    assert_eq!(batches(&early), [], "it would go out an hour early");
    let almost = NOON.minus(Millis(1));
    let early = turn(&mut core, almost, Millis(HOUR.0), vec![]);
    assert_eq!(batches(&early), []);
    assert_eq!(core.idle_for(almost), Some(Millis(1)), "its alarm is set");
    let second = turn(&mut core, NOON, Millis(HOUR.0 + 1), vec![]);
    assert_eq!(second.len(), 1, "its time has come");
    assert_ne!(batches(&second), batches(&first));
}

#[test]
fn of_very_many_that_are_due_at_once_some_go_out_while_others_are_looked_at() {
    let store = Memory::new();
    let before = NOON.minus(Millis(1_000));
    let mut core = open_with(1_000, &store, before);
    let posts = (0..600).map(|account| submission(account, Some(NOON))).collect();
    assert!(turn(&mut core, before, Millis(0), posts).is_empty(), "it is not noon");
    let mut seen = std::collections::BTreeSet::new();
    for expected in [256, 256, 88] {
        assert_eq!(core.idle_for(NOON), Some(Millis(0)), "the next turn comes at once");
        let calls = turn(&mut core, NOON, Millis(1_000), vec![]);
        assert_eq!(calls.len(), expected);
        seen.extend(batches(&calls));
    }
    assert_eq!(seen.len(), 600, "each once");
    assert!(core.idle_for(NOON) > Some(Millis(0)));
}

#[test]
fn what_waits_too_long_for_its_slot_is_missed_and_leaves_the_slot_to_others() {
    let store = Memory::new();
    let before = NOON.minus(Millis(1_000));
    let mut core = open(&store, before);
    let posts = vec![submission(1, Some(NOON)), submission(2, Some(NOON))];
    assert!(turn(&mut core, before, Millis(0), posts).is_empty(), "it is not noon");
    let first = turn(&mut core, NOON, Millis(1_000), vec![]);
    assert_eq!(first.len(), 1, "one slot");
    // A day and a minute later the slot is free: too late for the one that waited for it.
    let late = NOON.plus(Millis::from_secs(86_460));
    let next = vec![done(&first[0]), submission(3, None)];
    let begun = turn(&mut core, late, Millis(1_010), next);
    assert_eq!(begun.len(), 1, "the new one alone");
    assert_eq!(begun[0].batch.targets[0].account, AccountId::from_raw(3));
    assert!(turn(&mut core, late, Millis(1_020), vec![done(&begun[0])]).is_empty());
    assert_eq!((core.health().running, core.health().ready), (0, 0));
}

#[test]
fn what_waits_for_a_slot_hides_no_later_alarm_of_its_batch() {
    let store = Memory::new();
    let mut core = open(&store, NOON.minus(HOUR));
    let mut both = post("sandbox", 1, Some(NOON), None);
    let other = NewTarget { account: AccountId::from_raw(2), ..both.targets[0].clone() };
    both.targets.push(other);
    let inputs = vec![Input::Submit(Box::new(both), tokio::sync::oneshot::channel().0)];
    assert!(turn(&mut core, NOON.minus(HOUR), Millis(0), inputs).is_empty());
    let first = turn(&mut core, NOON, HOUR, vec![]);
    assert_eq!(first.len(), 1, "one slot");
    assert!(turn(&mut core, NOON, HOUR, vec![]).is_empty(), "the other one waits for it");
    // Nothing is heard of the first one: it is given up at its deadline, and the slot is free.
    let later = turn(&mut core, NOON.plus(HOUR), Millis(2 * HOUR.0), vec![]);
    assert_eq!(later.len(), 1);
}

#[test]
fn a_start_after_it_lets_those_in_who_had_begun_to_wait() {
    let store = Memory::new();
    let mut core = open(&store, NOON);
    let posts = vec![submission(1, None), submission(2, None)];
    let first = turn(&mut core, NOON, Millis(0), posts);
    assert_eq!(first.len(), 1, "one slot");
    drop(core);
    // The next life begins an hour earlier by the clock.
    let eleven = NOON.minus(HOUR);
    let mut core = open(&store, eleven);
    let mut begun = turn(&mut core, eleven, Millis(0), vec![]);
    while let Some(call) = begun.last().filter(|_| begun.len() < 2) {
        let inputs = vec![done(call)];
        let next = turn(&mut core, eleven, Millis(1), inputs);
        assert!(!next.is_empty(), "a post that wants a slot is forgotten");
        begun.extend(next);
    }
    let mut seen = batches(&begun);
    seen.dedup();
    assert_eq!(seen.len(), 2, "both go on, though they began to wait in an hour's time");
}

/// Sends a post at noon of which nobody knows what became: it may land for 12 seconds yet.
fn sent_into_doubt(store: &Memory) -> Core {
    let mut core = open(store, NOON);
    let post = vec![submission_by("sandbox-readable", 1, None)];
    let sent = turn(&mut core, NOON, Millis(0), post);
    assert_eq!(sent.len(), 1);
    let fault = Fault::new(Code::PlatformUnavailable, "the line is dead");
    let unknown = vec![reported(&sent[0], Verdict::Unknown { fault })];
    assert!(turn(&mut core, NOON, Millis(5), unknown).is_empty());
    core
}

#[test]
fn a_clock_that_is_set_forward_hastens_no_look_at_what_may_still_land() {
    let store = Memory::new();
    let mut core = sent_into_doubt(&store);
    assert_eq!(core.idle_for(NOON), Some(GRACE));
    // The clock is set forward: by its own time the process has waited for a tenth of a second.
    let later = NOON.plus(HOUR);
    assert!(turn(&mut core, later, Millis(100), vec![]).is_empty(), "it would not be found yet");
    let left = core.idle_for(later).expect("it still waits");
    assert_eq!(left, Millis(GRACE.0 - 95));
    let almost = later.plus(Millis(left.0 - 1));
    assert!(turn(&mut core, almost, Millis(100 + left.0 - 1), vec![]).is_empty());
    let looks = turn(&mut core, later.plus(left), Millis(100 + left.0), vec![]);
    assert_eq!(looks.len(), 1, "now it is looked for");
}

#[test]
fn a_start_waits_anew_for_what_may_still_land() {
    let store = Memory::new();
    drop(sent_into_doubt(&store));
    // A second later, but by the clock it is one o'clock.
    let one = NOON.plus(HOUR);
    let mut core = open(&store, one);
    assert!(turn(&mut core, one, Millis(0), vec![]).is_empty(), "nobody knows how long it was");
    assert_eq!(core.idle_for(one), Some(GRACE));
    let looks = turn(&mut core, one.plus(GRACE), GRACE, vec![]);
    assert_eq!(looks.len(), 1);
}

/// Whether a post under a key is known already, asked by an equal request.
fn is_known(core: &mut Core, at: Timestamp, uptime: Millis) -> bool {
    let claim = Claim { id: Digest([7; 32]), fingerprint: Digest([1; 32]) };
    let (ticket, mut answer) = tokio::sync::oneshot::channel();
    let post = post("sandbox", 1, None, Some(claim));
    for call in turn(core, at, uptime, vec![Input::Submit(Box::new(post), ticket)]) {
        assert!(turn(core, at, uptime, vec![done(&call)]).is_empty());
    }
    answer.try_recv().expect("it is answered").expect("it is published").replayed
}

fn leaps(store: &Memory) -> usize {
    let (first, last) = (Key::FIRST_LEAP, Key::LAST_LEAP);
    store.scan(&first, &last, Order::Ascending, 9).expect("memory").len()
}

#[test]
fn a_clock_that_is_set_forward_makes_no_key_older() {
    let store = Memory::new();
    let mut core = open(&store, NOON);
    assert!(!is_known(&mut core, NOON, Millis(0)));
    // A week by the clock, in two steps, and half a minute of the minute for which keys live.
    let leap = Millis::from_secs(84 * 3_600);
    let first = NOON.plus(leap).plus(Millis(5_000));
    assert!(is_known(&mut core, first, Millis(5_000)));
    let second = first.plus(leap).plus(Millis(25_000));
    assert!(is_known(&mut core, second, Millis(30_000)));
    assert_eq!(leaps(&store), 2);
    // Nor does a new life take it for old, nor a clock that is set right again.
    drop(core);
    let mut core = open(&store, second);
    assert!(is_known(&mut core, second, Millis(0)));
    let right = NOON.plus(Millis(35_000));
    assert!(is_known(&mut core, right, Millis(5_000)));
    assert_eq!(leaps(&store), 0, "it makes nothing older any more");
    assert!(is_known(&mut core, right.plus(Millis(24_000)), Millis(29_000)));
    assert!(
        !is_known(&mut core, right.plus(Millis(25_000)), Millis(30_000)),
        "a minute has passed"
    );
}

#[test]
fn a_clock_that_leaps_is_known_to_have_been_wrong() {
    let store = Memory::new();
    let mut core = open(&store, NOON);
    turn(&mut core, NOON, Millis(0), vec![]);
    assert_eq!(clock_wrong_at(&store), None);
    let slept = NOON.plus(Millis(5_000));
    turn(&mut core, slept, Millis(5_000), vec![]);
    assert_eq!(clock_wrong_at(&store), None, "time passes");
    let ahead = slept.plus(HOUR);
    turn(&mut core, ahead, Millis(5_000), vec![]);
    assert_eq!(clock_wrong_at(&store), Some(ahead));
    // Set right again, it was wrong until then by its own time.
    turn(&mut core, slept, Millis(5_000), vec![]);
    assert_eq!(clock_wrong_at(&store), Some(ahead));
    turn(&mut core, slept.minus(HOUR), Millis(5_000), vec![]);
    assert_eq!(clock_wrong_at(&store), Some(ahead));
}

#[test]
fn keys_end_though_the_clock_was_set_forward() {
    let store = Memory::new();
    let mut core = open(&store, NOON);
    assert!(!is_known(&mut core, NOON, Millis(0)));
    let week = Millis::from_secs(7 * 86_400);
    let later = NOON.plus(week);
    assert!(is_known(&mut core, later.plus(Millis(59_999)), Millis(59_999)));
    assert!(!is_known(&mut core, later.plus(Millis(60_000)), Millis(60_000)));
    // The new one has its own time; once it is over, so is the leap.
    assert!(is_known(&mut core, later.plus(Millis(119_999)), Millis(119_999)));
    assert_eq!(leaps(&store), 0);
    assert!(!is_known(&mut core, later.plus(Millis(120_000)), Millis(120_000)));
}

#[test]
fn no_key_grows_older_while_the_server_is_down() {
    let store = Memory::new();
    let mut core = open(&store, NOON);
    assert!(!is_known(&mut core, NOON, Millis(0)));
    turn(&mut core, NOON.plus(Millis(30_000)), Millis(30_000), vec![]);
    drop(core);
    // It was down for a week, or the clock was set forward meanwhile: nobody can tell.
    let later = NOON.plus(Millis::from_secs(7 * 86_400));
    let mut core = open(&store, later);
    assert!(is_known(&mut core, later, Millis(0)));
    assert_eq!(clock_wrong_at(&store), None, "a server may be down");
    // What it was up before is counted as far as it was noted.
    assert!(is_known(&mut core, later.plus(Millis(59_999)), Millis(59_999)));
    assert!(!is_known(&mut core, later.plus(Millis(60_000)), Millis(60_000)));
}

#[test]
fn what_the_clock_says_is_noted_now_and_then() {
    let store = Memory::new();
    let mut core = open(&store, NOON);
    assert!(!is_known(&mut core, NOON, Millis(0)));
    // Something is written.
    let noted = Millis::from_secs(600);
    let calls = turn(&mut core, NOON.plus(noted), noted, vec![submission(2, None)]);
    turn(&mut core, NOON.plus(noted), noted, vec![done(&calls[0])]);
    drop(core);
    let later = NOON.plus(Millis::from_secs(86_400));
    let mut core = open(&store, later);
    assert!(!is_known(&mut core, later, Millis(0)), "its minute was over before");
}

#[test]
fn a_machine_that_sleeps_every_night_keeps_no_key_for_ever() {
    let store = Memory::new();
    let mut core = open(&store, NOON);
    let (mut at, mut uptime) = (NOON, Millis(0));
    for night in 0..100 {
        assert!(!is_known(&mut core, at, uptime), "night {night}: that of yesterday is over");
        // Awake for fifty seconds, asleep for eight hours: longer than keys live.
        uptime = Millis(uptime.0 + 50_000);
        at = at.plus(Millis(50_000)).plus(Millis::from_secs(8 * 3_600));
        assert!(is_known(&mut core, at, uptime), "night {night}: it slept");
        assert!(leaps(&store) <= 2, "night {night}: they are forgotten in their turn");
        uptime = Millis(uptime.0 + 10_000);
        at = at.plus(Millis(10_000));
    }
}

#[test]
fn a_clock_that_is_behind_where_it_was_is_known_to_have_been_wrong() {
    let store = Memory::new();
    let mut core = open(&store, NOON);
    turn(&mut core, NOON, Millis(0), vec![]);
    drop(core);
    let eleven = NOON.minus(HOUR);
    let mut core = open(&store, eleven);
    turn(&mut core, eleven, Millis(0), vec![]);
    assert_eq!(clock_wrong_at(&store), Some(NOON));
}

/// Of a look at what is in doubt, whether the doubt is an earlier life's.
fn is_inherited(looks: &[Call]) -> bool {
    let [look] = looks else { panic!("one look") };
    look.inherited
}

#[test]
fn who_looks_for_what_an_earlier_life_sent_is_told_so() {
    let store = Memory::new();
    let mut core = sent_into_doubt(&store);
    let looks = turn(&mut core, NOON.plus(GRACE), Millis(5 + GRACE.0), vec![]);
    assert!(!is_inherited(&looks), "this life sent it");
    drop(core);
    let mut core = open(&store, NOON.plus(GRACE));
    let mut calls = turn(&mut core, NOON.plus(GRACE), Millis(0), vec![]);
    assert!(is_inherited(&calls));
    // It did not land. What this life sends anew, and loses, is its own again.
    let (mut at, mut uptime) = (NOON.plus(GRACE), Millis(0));
    let sent = loop {
        let absent = vec![reported(&calls[0], Verdict::Absent)];
        calls = turn(&mut core, at, uptime, absent);
        if calls.is_empty() {
            let wait = core.idle_for(at).expect("it looks again");
            (at, uptime) = (at.plus(wait), Millis(uptime.0 + wait.0));
            calls = turn(&mut core, at, uptime, vec![]);
        }
        let [call] = calls.as_slice() else { panic!("one call: {calls:?}") };
        let target = call.batch.target(call.ix).expect("its own");
        if target.doubt_since.is_none() {
            break calls.remove(0);
        }
    };
    assert!(!sent.inherited, "nothing is in doubt");
    let fault = Fault::new(Code::PlatformUnavailable, "the line is dead");
    let unknown = vec![reported(&sent, Verdict::Unknown { fault })];
    assert!(turn(&mut core, at, uptime, unknown).is_empty());
    let looks = turn(&mut core, at.plus(GRACE), Millis(uptime.0 + GRACE.0), vec![]);
    assert!(!is_inherited(&looks));
}

#[test]
fn an_account_rests_after_a_start_too_and_no_longer_than_it_was_told() {
    let store = Memory::new();
    let mut core = open_with(4, &store, NOON);
    let first = turn(&mut core, NOON, Millis(0), vec![submission(1, None)]);
    let fault = Fault::new(Code::RateLimited, "slow down");
    let parked = reported(&first[0], Verdict::Parked { fault, after: Millis(10_000) });
    assert_eq!(batches(&turn(&mut core, NOON, Millis(1), vec![parked])), []);
    let rests = |store: &Memory| store.get(&Key::Park(AccountId::from_raw(1))).expect("memory");
    assert!(rests(&store).is_some());
    // Nobody knows of it but the store.
    let later = NOON.plus(Millis(5_000));
    let mut core = open_with(4, &store, later);
    let posts = vec![submission(1, None), submission(2, None)];
    let accounts = |calls: &[Call]| -> Vec<u128> {
        calls.iter().map(|call| call.batch.targets[0].account.raw()).collect()
    };
    let begun = turn(&mut core, later, Millis(0), posts);
    assert_eq!(accounts(&begun), [2], "the other one rests");
    let over = NOON.plus(Millis(10_000));
    assert_eq!(core.idle_for(later), Some(over.since(later)));
    let begun = turn(&mut core, over, Millis(5_000), vec![]);
    assert_eq!(accounts(&begun), [1, 1], "it rests no more");
    assert_eq!(rests(&store), None);
}

#[test]
fn as_many_accounts_as_there_are_may_rest_until_the_same_moment() {
    let store = Memory::new();
    let epoch = store.begin_epoch().expect("memory");
    let rest = |account| {
        let key = Key::Park(AccountId::from_raw(account));
        Write::Put(key, Record::Park(ParkRecord { until: NOON }))
    };
    for some in (1..=3_000).map(rest).collect::<Vec<_>>().chunks(200) {
        store.commit(epoch, some).expect("memory");
    }
    let before = NOON.minus(Millis(1_000));
    let mut core = open_with(4, &store, before);
    assert!(turn(&mut core, before, Millis(0), vec![submission(3_000, None)]).is_empty());
    assert_eq!(turn(&mut core, NOON, Millis(1_000), vec![]).len(), 1, "it rests no more");
    let key = |account| Key::Park(AccountId::from_raw(account));
    let left = store.scan(&key(0), &key(u128::MAX), Order::Ascending, 1).expect("memory");
    assert_eq!(left, []);
}
