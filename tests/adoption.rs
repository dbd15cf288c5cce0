//! Two posts that say the same, both in doubt, both read back at once: each finds its own landing
//! or none, and never the other's.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fanfare::engine::{Call, Core, Input, Moment, NewTarget, Options, Release, Report, Submission};
use fanfare::model::{
    AccountId, Code, Content, ContentIx, Cursor, Digest, Errand, Fault, KeyId, Millis, Outcome,
    Output, Platform, ProfileId, Receipt, RequestId, Timestamp, Verdict,
};
use fanfare::store::{
    Key, Memory, Order, RawFrame, Record, Scanned, Store, StoreError, Write, load_batch,
};
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

/// A core over a store, and what submits one post to its readable account.
fn rig(shared: Arc<dyn Store>, slots: u32) -> (Rig, impl Fn(&str) -> Input) {
    let catalog = Arc::new(workflow::load(&Default::default()).expect("built in").catalog);
    let definition = catalog.current("sandbox-readable").expect("built in").digest;
    let options = Options {
        sync_wait: Millis::from_secs(600),
        max_lateness: Millis::from_secs(86_400),
        claim_window: Millis::from_secs(86_400),
        slots_max: slots,
        platform_slots_max: slots,
        links: Links { base: "http://test".to_owned() },
    };
    let epoch = shared.begin_epoch().expect("an epoch");
    let at = Timestamp::from_millis(1_800_000_000_000);
    let moment = Moment { at, uptime: Millis(0), entropy: 7 };
    let core = Core::open(shared, catalog, options, epoch, moment).expect("it opens");
    let submit = move |text: &str| {
        let submission = Submission {
            request_id: RequestId::from_caller("r").expect("well formed"),
            key: KeyId::from_raw(1),
            test: false,
            claim: None,
            scheduled_at: None,
            contents: vec![Content { text: text.to_owned(), ..Content::default() }],
            targets: vec![NewTarget {
                account: AccountId::from_raw(1),
                profile: ProfileId::from_raw(1),
                platform: Platform::Sandbox,
                definition,
                content: ContentIx(0),
                warnings: Vec::new(),
            }],
        };
        Input::Submit(Box::new(submission), tokio::sync::oneshot::channel().0)
    };
    (Rig { core, now_ms: 0, calls: Vec::new() }, submit)
}

#[test]
fn one_landing_is_never_adopted_twice() {
    let store = Memory::new();
    let (mut rig, submit) = rig(Arc::new(store.clone()), 8);
    rig.turn(vec![submit("same"), submit("same")]);
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

/// A store that counts how often it is read.
struct Counting {
    store: Memory,
    reads: Arc<AtomicUsize>,
}

impl Store for Counting {
    fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.store.get(key)
    }

    fn claim_places(&self, id: &Digest) -> Result<Vec<Timestamp>, StoreError> {
        self.store.claim_places(id)
    }

    fn scan_checked(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        limit: usize,
    ) -> Result<Vec<Scanned>, StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.store.scan_checked(from, to, order, limit)
    }

    fn commit(&self, epoch: u64, writes: &[Write]) -> Result<(), StoreError> {
        self.store.commit(epoch, writes)
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.store.flush()
    }

    fn begin_epoch(&self) -> Result<u64, StoreError> {
        self.store.begin_epoch()
    }

    fn begin_still(&self) -> Result<(), StoreError> {
        self.store.begin_still()
    }

    fn still_page(&self, rows: usize) -> Result<Vec<RawFrame>, StoreError> {
        self.store.still_page(rows)
    }

    fn end_still(&self) {
        self.store.end_still();
    }
}

/// Read-backs come by the hundred after an outage. Each leaves out what all the others own, and a
/// turn must not take longer than an attempt may: else each would have run out when it is heard.
#[test]
fn many_read_backs_at_once_look_once_at_what_settled() {
    const POSTS: usize = 60;
    let reads = Arc::new(AtomicUsize::new(0));
    let store = Counting { store: Memory::new(), reads: Arc::clone(&reads) };
    let (mut rig, submit) = rig(Arc::new(store), 64);
    let name = |n: usize| format!("x://{n}");
    rig.turn((0..POSTS).map(|n| submit(&format!("settled {n}"))).collect());
    let sent = rig.begun(POSTS);
    rig.turn(sent.iter().enumerate().map(|(n, call)| answer(call, found(&name(n)))).collect());
    rig.turn((0..POSTS).map(|n| submit(&format!("doubtful {n}"))).collect());
    let sent = rig.begun(POSTS);
    rig.turn(sent.iter().map(|call| answer(call, unheard())).collect());
    let before = reads.load(Ordering::Relaxed);
    let probes = rig.begun(POSTS);
    for probe in &probes {
        assert_eq!(errand(probe), Errand::Probe);
        assert_eq!(probe.owned.len(), POSTS, "all that settled");
    }
    rig.turn(
        probes.iter().enumerate().map(|(n, it)| answer(it, found(&name(POSTS + n)))).collect(),
    );
    let spent = reads.load(Ordering::Relaxed) - before;
    // One look at what settled, and a few reads for each read-back itself: not one for every pair.
    assert!(spent < 10 * POSTS, "{spent} reads for {POSTS} read-backs");
    // What settled since is left out as well.
    rig.turn(vec![submit("later")]);
    let sent = rig.begun(1);
    rig.turn(vec![answer(&sent[0], unheard())]);
    assert_eq!(rig.begun(1)[0].owned.len(), 2 * POSTS);
}
