//! Two posts that say the same, both in doubt, both read back at once: each finds its own landing
//! or none, and never the other's.

use std::sync::Arc;

use fanfare::engine::{Call, Core, Input, Moment, NewTarget, Options, Release, Report, Submission};
use fanfare::model::{
    AccountId, Code, Content, ContentIx, Cursor, Errand, Fault, KeyId, Millis, Outcome, Output,
    Platform, ProfileId, Receipt, RequestId, Timestamp, Verdict,
};
use fanfare::store::{Key, Memory, Order, Record, Store, load_batch};
use fanfare::wire::Links;
use fanfare::workflow;

struct Rig {
    core: Core,
    now_ms: u64,
    calls: Vec<Call>,
}

impl Rig {
    fn turn(&mut self, inputs: Vec<Input>) {
        let at = Timestamp::from_millis(1_800_000_000_000).plus(Millis(self.now_ms));
        let moment = Moment { at, uptime: Millis(self.now_ms), entropy: 7 };
        for release in self.core.turn(moment, inputs).expect("the disk holds") {
            match release {
                Release::Call(call) => self.calls.push(call),
                Release::Tell(tell) => tell(),
            }
        }
    }

    /// Lets time pass until attempts begin, and takes them.
    fn begun(&mut self, count: usize) -> Vec<Call> {
        for _ in 0..600 {
            if self.calls.len() >= count {
                break;
            }
            self.now_ms += 100;
            self.turn(Vec::new());
        }
        assert_eq!(self.calls.len(), count);
        std::mem::take(&mut self.calls)
    }
}

fn answer(call: &Call, verdict: Verdict) -> Input {
    let target = call.batch.target(call.ix).expect("it is there");
    let Cursor::Running(attempt) = target.cursor else { panic!("it runs") };
    Input::Reported {
        batch: call.batch.id,
        ix: call.ix,
        number: attempt.number,
        epoch: attempt.epoch,
        report: Report { verdict, exchange: None },
    }
}

fn errand(call: &Call) -> Errand {
    match call.batch.target(call.ix).expect("it is there").cursor {
        Cursor::Running(attempt) => attempt.errand,
        _ => panic!("it runs"),
    }
}

fn found(uri: &str) -> Verdict {
    let receipt = Receipt { uri: Some(uri.to_owned()), cid: None, url: None };
    Verdict::Done(Output { receipt: Some(receipt), ..Output::default() })
}

fn unheard() -> Verdict {
    Verdict::Unknown { fault: Fault::new(Code::PlatformUnavailable, "no answer") }
}

#[test]
fn one_landing_is_never_adopted_twice() {
    let store = Memory::new();
    let catalog = Arc::new(workflow::load(&Default::default()).expect("built in").catalog);
    let definition = catalog.current("sandbox-readable").expect("built in").digest;
    let options = Options {
        sync_wait: Millis::from_secs(600),
        max_lateness: Millis::from_secs(86_400),
        claim_window: Millis::from_secs(86_400),
        slots_max: 8,
        platform_slots_max: 8,
        links: Links { base: "http://test".to_owned() },
    };
    let epoch = store.begin_epoch().expect("an epoch");
    let at = Timestamp::from_millis(1_800_000_000_000);
    let moment = Moment { at, uptime: Millis(0), entropy: 7 };
    let shared: Arc<dyn Store> = Arc::new(store.clone());
    let core = Core::open(shared, catalog, options, epoch, moment).expect("it opens");
    let mut rig = Rig { core, now_ms: 0, calls: Vec::new() };
    let submission = || Submission {
        request_id: RequestId::from_caller("r").expect("well formed"),
        key: KeyId::from_raw(1),
        test: false,
        claim: None,
        scheduled_at: None,
        contents: vec![Content { text: "same".to_owned(), ..Content::default() }],
        targets: vec![NewTarget {
            account: AccountId::from_raw(1),
            profile: ProfileId::from_raw(1),
            platform: Platform::Sandbox,
            definition,
            content: ContentIx(0),
            warnings: Vec::new(),
        }],
    };
    let submit = || Input::Submit(Box::new(submission()), tokio::sync::oneshot::channel().0);
    rig.turn(vec![submit(), submit()]);
    let sent = rig.begun(2);
    rig.turn(sent.iter().map(|call| answer(call, unheard())).collect());
    // One of the two landed. Both are read back in the same breath and find it.
    let probes = rig.begun(2);
    assert!(probes.iter().all(|call| errand(call) == Errand::Probe && call.owned.is_empty()));
    rig.turn(probes.iter().map(|call| answer(call, found("x://1"))).collect());
    // The second is read again, and knows now whose the first landing is.
    let again = rig.begun(1).remove(0);
    assert_eq!(
        (errand(&again), again.owned.as_slice()),
        (Errand::Probe, &["x://1".to_owned()][..])
    );
    rig.turn(vec![answer(&again, Verdict::Absent)]);
    let again = rig.begun(1).remove(0);
    rig.turn(vec![answer(&again, Verdict::Absent)]);
    let resent = rig.begun(1).remove(0);
    assert_eq!(errand(&resent), Errand::Send, "absent twice: it never landed");
    rig.turn(vec![answer(&resent, found("x://2"))]);
    let posts = store.scan(&Key::FIRST_POST, &Key::LAST_POST, Order::Ascending, 9).expect("read");
    let mut uris: Vec<String> = posts
        .into_iter()
        .map(|(_, record)| {
            let Record::Post(place) = record else { panic!("a post") };
            let batch = load_batch(&store, place.batch).expect("read").expect("there");
            let target = batch.target(place.ix).expect("there");
            assert_eq!(target.cursor, Cursor::Ended(Outcome::Published));
            target.receipt.clone().and_then(|receipt| receipt.uri).expect("an address")
        })
        .collect();
    uris.sort();
    assert_eq!(uris, ["x://1", "x://2"]);
}
