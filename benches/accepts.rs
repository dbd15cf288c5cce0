//! Durable accepts, lateness, memory and start-up time, against the disk itself.
//!
//! `cargo bench` prints one table. Every figure is measured beside its limit in the same run;
//! read the ratios. Nothing here is a test: machines are shared and noisy.

#![expect(clippy::print_stdout, reason = "a benchmark shows its figures")]

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fanfare::engine::{
    self, Call, Carry, Clocks, Core, Handle, NewTarget, Options, Report, Submission,
};
use fanfare::model::{
    AccountId, Content, ContentIx, KeyId, Millis, Output, Platform, ProfileId, Receipt, RequestId,
    Timestamp, Verdict,
};
use fanfare::store::{Sled, Store};
use fanfare::wire::Links;
use fanfare::workflow::{self, Catalog};

/// Bytes that one accepted one-target batch writes, about: head, target, content, entry, index.
const RECORD_BYTES: usize = 1_000;
/// How long each number of clients is measured.
const SPAN: Duration = Duration::from_secs(4);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    println!("durable accepts of scheduled posts, against append + fdatasync in equal groups");
    println!("{:>8} {:>12} {:>12} {:>7}", "clients", "accepts/s", "raw/s", "ratio");
    for clients in [1, 16, 64, 512] {
        let ours = accepts(&runtime, clients);
        let raw = raw_groups(clients);
        println!("{clients:>8} {ours:>12.0} {raw:>12.0} {:>7.3}", ours / raw);
    }
    lateness(&runtime);
    footprint(&runtime);
}

struct House {
    engine: Handle,
    catalog: Arc<Catalog>,
    landed: Arc<Mutex<Vec<Instant>>>,
    thread: std::thread::JoinHandle<Result<(), fanfare::store::StoreError>>,
}

fn house(runtime: &tokio::runtime::Runtime, folder: &Path) -> House {
    let store: Arc<dyn Store> = Arc::new(Sled::open(folder).expect("it opens"));
    let epoch = store.begin_epoch().expect("an epoch");
    let catalog = Arc::new(workflow::load(&Default::default()).expect("built in").catalog);
    let options = Options {
        sync_wait: Millis::from_secs(60),
        max_lateness: Millis::from_secs(86_400),
        claim_window: Millis::from_secs(86_400),
        slots_max: 256,
        platform_slots_max: 256,
        links: Links { base: "http://bench".to_owned() },
    };
    let started = tokio::time::Instant::now();
    let clocks = Clocks { now: Arc::new(now), dice: Arc::new(dice()), started };
    let core = Core::open(store, Arc::clone(&catalog), options, epoch, clocks.moment());
    let (engine, mailbox) = engine::mailbox();
    let landed: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let thread = engine::spawn(
        core.expect("it opens"),
        mailbox,
        engine.clone(),
        carry(Arc::clone(&landed)),
        clocks,
        runtime.handle().clone(),
    );
    House { engine, catalog, landed, thread: thread.expect("a thread") }
}

impl House {
    fn close(self, runtime: &tokio::runtime::Runtime) {
        runtime.block_on(self.engine.drain()).expect("it drains");
        self.thread.join().expect("it ends").expect("the disk holds");
    }

    fn submission(&self, n: u64, at: Timestamp) -> Submission {
        let definition = self.catalog.current("sandbox").expect("built in").digest;
        Submission {
            request_id: RequestId::from_caller("bench").expect("well formed"),
            key: KeyId::from_raw(1),
            test: false,
            claim: None,
            scheduled_at: Some(at),
            contents: vec![Content {
                text: format!("post {n} {}", "x".repeat(200)),
                ..Content::default()
            }],
            targets: vec![NewTarget {
                account: AccountId::from_raw(u128::from(n % 64)),
                profile: ProfileId::from_raw(1),
                platform: Platform::Sandbox,
                definition,
                content: ContentIx(0),
                warnings: Vec::new(),
            }],
        }
    }
}

/// A platform that answers at once.
fn carry(landed: Arc<Mutex<Vec<Instant>>>) -> Carry {
    Arc::new(move |_call: Call| {
        landed.lock().expect("not poisoned").push(Instant::now());
        let receipt = Some(Receipt { uri: Some("bench://1".to_owned()), cid: None, url: None });
        let verdict = Verdict::Done(Output { receipt, ..Output::default() });
        Box::pin(async move { Report { verdict, exchange: None } })
    })
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let ms = since.expect("after 1970").as_millis();
    Timestamp::from_millis(i64::try_from(ms).expect("fits"))
}

fn dice() -> impl Fn() -> u128 + Send + Sync {
    let state = std::sync::atomic::AtomicU64::new(7);
    move || {
        let n = state.fetch_add(0x9e37_79b9_7f4a_7c15, std::sync::atomic::Ordering::Relaxed);
        u128::from(n) << 64 | u128::from(n.rotate_left(17))
    }
}

fn accepts(runtime: &tokio::runtime::Runtime, clients: u64) -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    let house = Arc::new(house(runtime, &folder.path().join("store")));
    let far = now().plus(Millis::from_secs(30 * 86_400));
    let began = Instant::now();
    let total: u64 = runtime.block_on(async {
        let tasks: Vec<_> = (0..clients)
            .map(|n| {
                let house = Arc::clone(&house);
                tokio::spawn(async move {
                    let mut done = 0;
                    while began.elapsed() < SPAN {
                        let submission = house.submission(n, far);
                        house.engine.submit(submission).await.expect("accepted");
                        done += 1;
                    }
                    done
                })
            })
            .collect();
        let mut total = 0;
        for task in tasks {
            total += task.await.expect("it ends");
        }
        total
    });
    let rate = per_second(total, began.elapsed());
    Arc::into_inner(house).expect("nobody else has it").close(runtime);
    rate
}

/// The limit: append the same bytes for a whole group, then one fdatasync.
fn raw_groups(group: u64) -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    let mut options = OpenOptions::new();
    let mut file =
        options.create(true).append(true).open(folder.path().join("raw")).expect("a file");
    let bytes = vec![7; RECORD_BYTES * usize::try_from(group).expect("small")];
    let began = Instant::now();
    let mut total = 0;
    while began.elapsed() < SPAN / 2 {
        file.write_all(&bytes).expect("written");
        file.sync_data().expect("synced");
        total += group;
    }
    per_second(total, began.elapsed())
}

fn per_second(count: u64, span: Duration) -> f64 {
    let count = u32::try_from(count).expect("fits");
    f64::from(count) / span.as_secs_f64()
}

fn lateness(runtime: &tokio::runtime::Runtime) {
    const POSTS: u64 = 2_000;
    let folder = tempfile::tempdir().expect("a folder");
    let house = house(runtime, &folder.path().join("store"));
    let due = now().plus(Millis(4_000));
    fill(runtime, &house, POSTS, due);
    let wait = due.since(now()).as_duration();
    let instant = Instant::now() + wait;
    loop {
        if house.landed.lock().expect("not poisoned").len() as u64 == POSTS {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut late: Vec<Duration> = house
        .landed
        .lock()
        .expect("not poisoned")
        .iter()
        .map(|at| at.saturating_duration_since(instant))
        .collect();
    late.sort();
    let (p50, p99) = (late[late.len() / 2], late[late.len() * 99 / 100]);
    println!("\nlateness of {POSTS} posts due at one instant: p50 {p50:?}, p99 {p99:?}");
    house.close(runtime);
}

fn fill(runtime: &tokio::runtime::Runtime, house: &House, posts: u64, at: Timestamp) {
    runtime.block_on(async {
        for chunk in 0..posts.div_ceil(500) {
            let range = chunk * 500..posts.min((chunk + 1) * 500);
            let waiting = range.map(|n| house.engine.submit(house.submission(n, at)));
            for one in waiting.map(Box::pin).collect::<Vec<_>>() {
                one.await.expect("accepted");
            }
        }
    });
}

fn footprint(runtime: &tokio::runtime::Runtime) {
    const POSTS: u64 = 100_000;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store");
    let open = |what: &str| {
        let began = Instant::now();
        let house = house(runtime, &path);
        println!("{what}: open in {:?}, resident {} MB", began.elapsed(), resident_mb());
        house
    };
    println!();
    let house = open("empty store");
    let far = now().plus(Millis::from_secs(30 * 86_400));
    let began = Instant::now();
    let house = Arc::new(house);
    runtime.block_on(async {
        let tasks: Vec<_> = (0..64)
            .map(|client| {
                let house = Arc::clone(&house);
                tokio::spawn(async move {
                    for n in (client..POSTS).step_by(64) {
                        house.engine.submit(house.submission(n, far)).await.expect("accepted");
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("it ends");
        }
    });
    println!("{POSTS} posts stored in {:?}, resident {} MB", began.elapsed(), resident_mb());
    Arc::into_inner(house).expect("nobody else has it").close(runtime);
    open("100,000 waiting posts").close(runtime);
}

fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) / 1_024
}
