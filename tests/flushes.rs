//! What a batch costs the disk: one flush for its accept and one for each visible step's outcome,
//! and no other. Counted on the real store below the real engine; only the platform is made up, and
//! answers when it is told to.
//!
//! Of one batch: the accept is a commit, and what finds a slot at once begins in it. Each outcome
//! is a commit of its own, with the next step's beginning in it; of outcomes that come together
//! eight share a commit, and all a flush. A batch for later has nothing to begin when it is
//! accepted: it wakes and begins at its time, eight targets in a commit, all in one flush. Nothing
//! may be sent before that flush.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use fanfare::engine::{
    self, Carry, Clocks, Core, Handle, NewTarget, Options, Report, Submission, Submitted,
};
use fanfare::model::{
    AccountId, BatchId, Code, Content, ContentIx, Cursor, Digest, Fault, FirstComment, KeyId,
    Millis, Output, Platform, ProfileId, Receipt, RequestId, TargetIx, Timestamp, Verdict,
};
use fanfare::store::{
    Key, Order, RawFrame, Record, Scanned, Sled, Store, StoreError, Write, load_batch,
};
use fanfare::wire::Links;
use fanfare::workflow;
use serde_json::Value;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Targets of a batch for later that begin in one commit, and outcomes that share one.
const TOGETHER: u64 = 8;
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// The real store; it counts what is asked of it.
struct Counting {
    store: Sled,
    commits: AtomicU64,
    flushes: AtomicU64,
}

impl Store for Counting {
    fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
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
        self.store.scan_checked(from, to, order, limit)
    }

    fn commit(&self, epoch: u64, writes: &[Write]) -> Result<(), StoreError> {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.store.commit(epoch, writes)
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        self.store.flush()
    }

    fn tidy(&self, bytes: usize) -> Result<usize, StoreError> {
        self.store.tidy(bytes)
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

    fn check_whole(&self) -> Result<(), StoreError> {
        self.store.check_whole()
    }
}

/// What was asked of the disk so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spent {
    commits: u64,
    flushes: u64,
}

/// What has reached the platform and waits for its answer.
type Asked = Arc<Mutex<BTreeMap<TargetIx, (BatchId, oneshot::Sender<Verdict>)>>>;

/// A running engine.
struct Rig {
    store: Arc<Counting>,
    engine: Handle,
    asked: Asked,
    turns: watch::Receiver<u64>,
    before: Spent,
    definition: Digest,
    _folder: tempfile::TempDir,
}

impl Rig {
    fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Sled::open(folder.path()).expect("it opens");
        let (commits, flushes) = (AtomicU64::new(0), AtomicU64::new(0));
        let store = Arc::new(Counting { store, commits, flushes });
        let catalog = Arc::new(workflow::load(&Default::default()).expect("built in").catalog);
        let definition = catalog.current("sandbox").expect("built in").digest;
        let options = Options {
            sync_wait: Millis::from_secs(600),
            max_lateness: Millis::from_secs(86_400),
            claim_window: Millis::from_secs(86_400),
            slots_max: 64,
            platform_slots_max: 64,
            links: Links { base: "http://h".to_owned() },
        };
        let epoch = store.begin_epoch().expect("an epoch");
        // The runtime's clock stands, and goes on where everybody waits.
        let started = Instant::now();
        let now = move || {
            let past = started.elapsed().as_millis();
            NOW.plus(Millis(u64::try_from(past).expect("it fits")))
        };
        let clocks = Clocks { now: Arc::new(now), dice: Arc::new(|| 7), started };
        let shared: Arc<dyn Store> = Arc::clone(&store) as _;
        let core = Core::open(shared, catalog, options, epoch, clocks.moment());
        let (engine, mailbox) = engine::mailbox();
        let asked = Asked::default();
        let (core, handle) = (core.expect("it opens"), engine.clone());
        tokio::spawn(engine::drive(core, mailbox, handle, carry(&asked), clocks));
        let turns = engine.subscribe();
        let before = Spent { commits: 0, flushes: 0 };
        let mut rig = Self { store, engine, asked, turns, before, definition, _folder: folder };
        rig.before = rig.spent();
        rig
    }

    /// What was spent since it opened.
    fn spent(&self) -> Spent {
        Spent {
            commits: self.store.commits.load(Ordering::Relaxed) - self.before.commits,
            flushes: self.store.flushes.load(Ordering::Relaxed) - self.before.flushes,
        }
    }

    #[track_caller]
    fn assert_spent(&self, commits: u64, flushes: u64, when: &str) {
        assert_eq!(self.spent(), Spent { commits, flushes }, "{when}");
    }

    /// Submits a batch to as many accounts.
    fn submit(
        &self,
        targets: usize,
        comment: bool,
        at: Option<Timestamp>,
    ) -> JoinHandle<Submitted> {
        let first_comment = comment.then(|| FirstComment { text: "first".to_owned() });
        let target = |n| NewTarget {
            account: AccountId::from_raw(n),
            profile: ProfileId::from_raw(1),
            platform: Platform::Sandbox,
            definition: self.definition,
            content: ContentIx(0),
            warnings: Vec::new(),
        };
        let submission = Submission {
            request_id: RequestId::from_caller("r").expect("well formed"),
            key: KeyId::from_raw(1),
            test: false,
            claim: None,
            scheduled_at: at,
            contents: vec![Content { text: "x".to_owned(), first_comment, ..Content::default() }],
            targets: (0..targets).map(|n| target(n as u128 + 1)).collect(),
        };
        let engine = self.engine.clone();
        tokio::spawn(async move { engine.submit(submission).await.expect("it is taken") })
    }

    /// Waits until a fact holds after some turn.
    async fn until(&mut self, fact: impl Fn(&Self) -> bool) {
        while !fact(self) {
            self.turns.changed().await.expect("the engine runs");
            // What the turn released is on its way.
            tokio::task::yield_now().await;
        }
    }

    /// Waits until so many sendings wait for their answer.
    async fn sent(&mut self, count: usize) {
        self.until(|rig| rig.asked.lock().expect("sound").len() == count).await;
    }

    /// The platform answers the first that waits; its batch and place.
    fn answer(&self, verdict: Verdict) -> (BatchId, TargetIx) {
        let (ix, (batch, gate)) = self.asked.lock().expect("sound").pop_first().expect("one waits");
        gate.send(verdict).expect("it is waited for");
        (batch, ix)
    }

    /// As `answer`, and waits until the outcome can be seen.
    async fn outcome(&mut self, verdict: Verdict) {
        let (batch, ix) = self.answer(verdict);
        let before = cursor(self, batch, ix);
        self.until(|rig| cursor(rig, batch, ix) != before).await;
    }
}

/// How far a target is; an outcome changes it.
fn cursor(rig: &Rig, batch: BatchId, ix: TargetIx) -> Cursor {
    let batch = load_batch(rig.store.as_ref(), batch).expect("it reads").expect("it is there");
    batch.target(ix).expect("it is there").cursor.clone()
}

/// The platform: takes what is sent, and answers when it is told to.
fn carry(asked: &Asked) -> Carry {
    let asked = Arc::clone(asked);
    Arc::new(move |call| {
        let (gate, answered) = oneshot::channel();
        let before = asked.lock().expect("sound").insert(call.ix, (call.batch.id, gate));
        assert!(before.is_none(), "a target is sent twice at once");
        Box::pin(async move {
            let verdict = answered.await.expect("the test answers");
            Report { verdict, exchange: None }
        })
    })
}

fn published() -> Verdict {
    let receipt = Receipt { uri: Some("x://1".to_owned()), cid: None, url: None };
    Verdict::Done(Output { receipt: Some(receipt), ..Output::default() })
}

fn refused() -> Verdict {
    Verdict::Refuse { fault: Fault::new(Code::PlatformRejected, "no") }
}

fn status(submitted: &Submitted) -> (u16, String) {
    let body: Value = serde_json::from_slice(&submitted.reply.body).expect("JSON");
    (submitted.reply.status, body["status"].as_str().expect("a status").to_owned())
}

fn together(targets: usize) -> u64 {
    (targets as u64).div_ceil(TOGETHER)
}

#[tokio::test(start_paused = true)]
async fn an_immediate_batch_costs_one_flush_and_one_more_for_each_outcome() {
    for targets in [1, 5, 25] {
        let mut rig = Rig::open();
        let reply = rig.submit(targets, false, None);
        rig.sent(targets).await;
        rig.assert_spent(1, 1, "accepted, and all of it sent");
        for n in 1..=targets as u64 {
            rig.outcome(published()).await;
            rig.assert_spent(1 + n, 1 + n, "after an outcome");
        }
        let reply = reply.await.expect("it is answered");
        assert_eq!(status(&reply), (200, "published".to_owned()));
        rig.assert_spent(1 + targets as u64, 1 + targets as u64, "at the end");
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_for_later_costs_one_flush_one_at_its_time_and_one_for_each_outcome() {
    for targets in [1, 5, 25] {
        let mut rig = Rig::open();
        // After ten minutes one flush also carries what the clock says, in a commit of its own.
        let at = NOW.plus(Millis::from_secs(300));
        let reply = rig.submit(targets, false, Some(at)).await.expect("it is answered");
        assert_eq!(status(&reply), (202, "queued".to_owned()));
        rig.assert_spent(1, 1, "accepted");
        rig.sent(targets).await;
        let sent = 1 + together(targets);
        rig.assert_spent(sent, 2, "due, and all of it sent");
        for n in 1..=targets as u64 {
            rig.outcome(published()).await;
            rig.assert_spent(sent + n, 2 + n, "after an outcome");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_and_a_first_comment_are_outcomes_as_any() {
    let mut rig = Rig::open();
    let reply = rig.submit(2, true, None);
    rig.sent(2).await;
    rig.assert_spent(1, 1, "accepted, and both sent");
    rig.outcome(refused()).await;
    rig.assert_spent(2, 2, "the first is refused");
    rig.outcome(published()).await;
    // The comment begins in the commit of the outcome that lets it.
    rig.sent(1).await;
    rig.assert_spent(3, 3, "the second is published, and its comment sent");
    rig.outcome(published()).await;
    let reply = reply.await.expect("it is answered");
    assert_eq!(status(&reply), (200, "partial_failed".to_owned()));
    rig.assert_spent(4, 4, "the comment is published");
}

#[tokio::test(start_paused = true)]
async fn outcomes_that_come_together_share_a_flush() {
    for targets in [5, 25] {
        let mut rig = Rig::open();
        let reply = rig.submit(targets, false, None);
        rig.sent(targets).await;
        for _ in 0..targets {
            rig.answer(published());
        }
        assert_eq!(status(&reply.await.expect("it is answered")).0, 200);
        rig.assert_spent(1 + together(targets), 2, "all at once");
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_with_nothing_to_do_asks_nothing_of_the_disk() {
    let mut rig = Rig::open();
    let first = *rig.turns.borrow();
    let at = NOW.plus(Millis::from_secs(3_600));
    rig.submit(1, false, Some(at)).await.expect("it is answered");
    rig.until(|rig| *rig.turns.borrow() > first + 500).await;
    rig.assert_spent(1, 1, "after 500 turns without a reason");
}
