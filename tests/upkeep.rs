//! Upkeep on the real engine over the memory store: what is forgotten, and what is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use fanfare::engine::{self, Claim, Clocks, Core, Handle, NewTarget, Options, Report, Submission};
use fanfare::media::Media;
use fanfare::model::{
    AccountId, BatchId, Content, ContentIx, Digest, KeyId, MediaId, MediaItem, MediaKind,
    MediaObject, MediaSource, Millis, Output, Platform, ProfileId, Receipt, RequestId, Timestamp,
    Verdict,
};
use fanfare::store::{FetchedRecord, Key, Memory, Order, Record, Store, Write, verify};
use fanfare::upkeep::{expire_claims, prune_media, trim_journals};
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
    let started = tokio::time::Instant::now();
    let clocks = Clocks { now: Arc::new(|| NOW), dice: Arc::new(|| 7), started };
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
    let there = |n: u8| store.claim(&Digest([n; 32])).expect("read").is_some();
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

#[tokio::test(flavor = "multi_thread")]
async fn media_is_removed_when_it_is_old_and_nobody_needs_it() {
    let store = Memory::new();
    let (handle, definition) = engine(&store);
    let shared: Arc<dyn Store> = Arc::new(store.clone());
    let folder = tempfile::tempdir().expect("a folder");
    let dice = AtomicU64::new(0);
    let dice = Arc::new(move || u128::from(dice.fetch_add(1, Ordering::Relaxed)));
    let media = Media::open(folder.path().join("media"), dice).expect("it opens");
    let age = |digest: &Digest, at: Timestamp| {
        let file = std::fs::File::options().append(true).open(media.path(digest)).expect("kept");
        let millis = u64::try_from(at.as_millis()).expect("after 1970");
        file.set_modified(UNIX_EPOCH + Duration::from_millis(millis)).expect("ours");
    };
    let keep = |bytes: &str| {
        let digest = media.put(bytes.as_bytes()).expect("kept");
        age(&digest, NOW);
        digest
    };
    let [idle, uploaded, queued, fetched, settled] =
        ["idle", "uploaded", "queued", "fetched", "settled"].map(keep);
    let attach = |mut submission: Submission, digest: Digest| {
        let item = MediaItem {
            kind: MediaKind::Image,
            alt_text: None,
            source: MediaSource::Inline(digest),
        };
        submission.contents[0].media.push(item);
        submission
    };
    let far = NOW.plus(Millis(DAY.0 * 300));
    let waiting = handle.submit(attach(submission(1, definition, Some(far)), queued)).await;
    handle.submit(attach(submission(2, definition, None), settled)).await.expect("published");
    let text = String::from_utf8(waiting.expect("queued").reply.body).expect("text");
    let at = text.find("batch_").expect("an id");
    let batch: BatchId = text[at..at + 32].parse().expect("a batch");
    let address = Key::Fetched(batch, Digest([9; 32]));
    let record = Record::Fetched(FetchedRecord { digest: fetched, mime: None, bytes: 7 });
    let object = MediaObject {
        id: MediaId::fresh(1),
        profile: ProfileId::from_raw(1),
        digest: uploaded,
        mime: "image/png".to_owned(),
        bytes: 8,
        created_at: NOW,
    };
    let writes = vec![
        Write::Put(address, record),
        Write::Put(Key::Media(object.id), Record::Media(object.clone())),
    ];
    handle.write(Vec::new(), writes).await.expect("written");
    let left = |digest: &Digest| media.path(digest).exists();
    let all = [idle, uploaded, queued, fetched, settled];
    let week = Millis(DAY.0 * 7);
    for page in [1, 2, 1_000] {
        let none = prune_media(&shared, &media, NOW.plus(week), week, page).expect("it runs");
        assert_eq!((none, all.each_ref().map(left)), (0, [true; 5]), "as old as that is not older");
    }
    // What settled a week ago is no longer kept for a retry; what is queued is kept as ever.
    let later = NOW.plus(Millis(week.0 + 1));
    assert_eq!(prune_media(&shared, &media, later, week, 1).expect("it runs"), 2);
    assert_eq!(all.each_ref().map(left), [false, true, true, true, false]);
    handle.write(Vec::new(), vec![Write::Delete(Key::Media(object.id))]).await.expect("deleted");
    assert_eq!(prune_media(&shared, &media, later, week, 1_000).expect("it runs"), 1);
    assert_eq!(all.each_ref().map(left), [false, false, true, true, false]);
}

#[tokio::test(flavor = "multi_thread")]
async fn media_of_a_post_that_settled_lately_is_kept_for_a_retry() {
    let store = Memory::new();
    let (handle, definition) = engine(&store);
    let shared: Arc<dyn Store> = Arc::new(store.clone());
    let folder = tempfile::tempdir().expect("a folder");
    let media = Media::open(folder.path().join("media"), Arc::new(|| 1)).expect("it opens");
    let digest = media.put(b"kept long ago").expect("kept");
    let file = std::fs::File::options().append(true).open(media.path(&digest)).expect("kept");
    file.set_modified(UNIX_EPOCH).expect("ours");
    let mut published = submission(1, definition, None);
    published.contents[0].media.push(MediaItem {
        kind: MediaKind::Image,
        alt_text: None,
        source: MediaSource::Inline(digest),
    });
    handle.submit(published).await.expect("published");
    let prune = |now: Timestamp| prune_media(&shared, &media, now, DAY, 10).expect("it runs");
    assert_eq!(prune(NOW.plus(DAY)), 0);
    assert_eq!(prune(NOW.plus(Millis(DAY.0 + 1))), 1);
}
