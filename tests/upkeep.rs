//! Upkeep on the real engine over the memory store: what is forgotten, and what is not.

use std::sync::Arc;
use std::time::Instant;

use fanfare::engine::{self, Claim, Clocks, Core, Handle, NewTarget, Options, Report, Submission};
use fanfare::model::{
    AccountId, Content, ContentIx, Digest, KeyId, Millis, Output, Platform, ProfileId, Receipt,
    RequestId, Timestamp, Verdict,
};
use fanfare::store::{Key, Memory, Order, Store, verify};
use fanfare::upkeep::{expire_claims, trim_journals};
use fanfare::wire::{Links, Reply};
use fanfare::workflow;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const DAY: Millis = Millis::from_secs(86_400);

fn engine(store: &Memory) -> (Handle, Digest) {
    let catalog = Arc::new(workflow::load(&Default::default()).expect("built in").catalog);
    let definition = catalog.current("sandbox").expect("built in").digest;
    let options = Options {
        sync_wait: Millis::from_secs(60),
        max_lateness: DAY,
        claim_window: DAY,
        slots_max: 4,
        platform_slots_max: 4,
        links: Links { base: "http://test".to_owned() },
    };
    let clocks = Clocks { now: Arc::new(|| NOW), dice: Arc::new(|| 7), started: Instant::now() };
    let epoch = store.begin_epoch().expect("an epoch");
    let shared: Arc<dyn Store> = Arc::new(store.clone());
    let core = Core::open(shared, catalog, options, epoch, clocks.moment()).expect("it opens");
    let (handle, mailbox) = engine::mailbox();
    let carry: engine::Carry = Arc::new(|_| {
        let receipt = Some(Receipt { uri: Some("x://1".to_owned()), cid: None, url: None });
        let verdict = Verdict::Done(Output { receipt, ..Output::default() });
        Box::pin(async move { Report { verdict, exchange: None } })
    });
    let runtime = tokio::runtime::Handle::current();
    engine::spawn(core, mailbox, handle.clone(), carry, clocks, runtime).expect("a thread");
    (handle, definition)
}

fn claim(n: u8) -> Claim {
    Claim { id: Digest([n; 32]), fingerprint: Digest([1; 32]) }
}

fn submission(n: u8, definition: Digest, scheduled_at: Option<Timestamp>) -> Submission {
    Submission {
        request_id: RequestId::from_caller("r").expect("well formed"),
        key: KeyId::from_raw(1),
        test: false,
        claim: Some(claim(n)),
        scheduled_at,
        contents: vec![Content { text: "x".to_owned(), ..Content::default() }],
        targets: vec![NewTarget {
            account: AccountId::from_raw(1),
            profile: ProfileId::from_raw(1),
            platform: Platform::Sandbox,
            definition,
            content: ContentIx(0),
            warnings: Vec::new(),
        }],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_forgotten_when_their_time_and_their_batch_are_over() {
    let store = Memory::new();
    let (handle, definition) = engine(&store);
    let shared: Arc<dyn Store> = Arc::new(store.clone());
    let there = |n: u8| store.get(&Key::Claim(Digest([n; 32]))).expect("read").is_some();
    handle.submit(submission(1, definition, None)).await.expect("published");
    let far = NOW.plus(Millis(DAY.0 * 30));
    handle.submit(submission(2, definition, Some(far))).await.expect("queued");
    let reply = Reply { status: 400, body: b"{}".to_vec() };
    handle.remember(claim(3), reply).await.expect("kept");
    let later = NOW.plus(Millis(DAY.0 + 1));
    assert_eq!(expire_claims(&shared, &handle, NOW, 10).await.expect("it runs"), 0);
    assert_eq!(expire_claims(&shared, &handle, later, 10).await.expect("it runs"), 3);
    assert_eq!([1, 2, 3].map(there), [false, true, false], "a key lives as long as its batch");
    assert_eq!(expire_claims(&shared, &handle, later, 10).await.expect("it runs"), 0);
    let again = handle.submit(submission(2, definition, Some(far))).await.expect("replayed");
    assert!(again.replayed);
    let fresh = handle.submit(submission(1, definition, None)).await.expect("published");
    assert!(!fresh.replayed, "a forgotten key is claimed anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn old_journals_are_trimmed_and_the_posts_stay() {
    let store = Memory::new();
    let (handle, definition) = engine(&store);
    let shared: Arc<dyn Store> = Arc::new(store.clone());
    handle.submit(submission(1, definition, None)).await.expect("published");
    let entries = || verify(&store).expect("it reads").entries;
    let keep = Millis(DAY.0 * 90);
    let before = entries();
    assert!(before > 0);
    assert_eq!(trim_journals(&shared, &handle, NOW, keep, 10).await.expect("it runs"), 0);
    assert_eq!(entries(), before);
    let later = NOW.plus(Millis(DAY.0 * 91));
    assert_eq!(trim_journals(&shared, &handle, later, keep, 10).await.expect("it runs"), 1);
    let report = verify(&store).expect("it reads");
    assert_eq!((report.entries, report.findings.len()), (0, 0), "{:?}", report.findings);
    let posts = store.scan(&Key::FIRST_POST, &Key::LAST_POST, Order::Ascending, 10);
    assert_eq!(posts.expect("read").len(), 1);
}
