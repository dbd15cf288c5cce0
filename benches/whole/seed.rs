//! Stored posts, many of them: made through admission and the engine, as the server makes them,
//! and kept for the next run.

use std::future::{Ready, ready};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use fanfare::accounts::Seal;
use fanfare::admission::{Admission, AdmissionOptions, Caller, Served};
use fanfare::engine::{self, Call, Carry, Clocks, Core, Handle, Options, Report};
use fanfare::media::MediaLinks;
use fanfare::model::{
    Account, AccountId, ApiKey, Digest, Exchange, Fault, Millis, Now, Output, Platform, Receipt,
    RequestId, Verdict,
};
use fanfare::store::{FORMAT, Key, Order, Record, Sled, Store, StoreError};
use fanfare::wire::Links;
use fanfare::{platforms, workflow};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::args::Args;
use crate::rig;

/// Posts on their way at once while a set is made, each on an account of its own.
pub const AT_ONCE: usize = 1_000;
/// Every so manieth post has an Idempotency-Key: most stores hold more posts than live keys.
const KEYED: u64 = 10;
/// Posts that are read and replayed.
const SAMPLES: u64 = 200;

/// A stored set.
pub struct Stored {
    /// The data folder.
    pub data: PathBuf,
    /// Published posts of it, from the oldest on.
    pub samples: Vec<Sample>,
}

/// A post of a set.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sample {
    /// The post.
    pub post: String,
    /// The Idempotency-Key of its request.
    pub key: String,
    /// The body of its request.
    pub body: String,
}

/// A set of so many posts, so many of them still waiting; from an earlier run if there is one.
pub fn stored(args: &Args, posts: u64, waiting: u64) -> Stored {
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("stored-v{FORMAT}-{posts}-{waiting}"));
    let (data, list) = (folder.join("data"), folder.join("samples.json"));
    let known = std::fs::read(&list).ok().filter(|_| !args.fresh);
    if let Some(samples) = known.and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
        return Stored { data, samples };
    }
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    let began = std::time::Instant::now();
    let samples = make(args, &data, posts, waiting);
    // Written last: a set without it is not whole.
    std::fs::write(&list, serde_json::to_vec(&samples).expect("JSON")).expect("written");
    println!("(made {posts} posts, {waiting} waiting, in {:.0} s)", began.elapsed().as_secs_f64());
    Stored { data, samples }
}

fn make(args: &Args, data: &Path, posts: u64, waiting: u64) -> Vec<Sample> {
    let runtime = runtime();
    prepare(args, data);
    let inside = Arc::new(Inside::open(&runtime, data));
    let every = ((posts - waiting) / SAMPLES / KEYED).max(1) * KEYED;
    let samples = inside.spread(&runtime, posts, move |inside, account, n| async move {
        // Those that wait are spread among the others.
        let waiting_before = n * waiting / posts;
        let waits = (n + 1) * waiting / posts > waiting_before;
        let at = waits.then(|| rig::far() + Duration::from_secs(n));
        let place = if waits { waiting_before } else { n - waiting_before };
        let key = place.is_multiple_of(KEYED).then(|| format!("seed-{n}"));
        let body = rig::post(n, &[account], at);
        let served = inside.create(key.as_deref(), &body).await;
        let post = first_post(&served);
        let sampled = !waits && place.is_multiple_of(every);
        key.filter(|_| sampled).map(|key| (n, Sample { post, key, body }))
    });
    Arc::into_inner(inside).expect("nobody else has it").close(&runtime);
    let mut samples: Vec<(u64, Sample)> = samples.into_iter().flatten().collect();
    samples.sort_by_key(|(n, _)| *n);
    samples.into_iter().map(|(_, sample)| sample).collect()
}

/// Makes a data folder with the accounts that a set is spread over.
pub fn prepare(args: &Args, data: &Path) {
    let server = rig::start(args, data);
    rig::connect_sandbox(&server, AT_ONCE);
    rig::stop(server);
}

/// A runtime like the server's.
pub fn runtime() -> Runtime {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime")
}

/// The post that a request made.
pub fn first_post(served: &Served) -> String {
    let reply = &served.reply;
    assert!(matches!(reply.status, 200 | 202), "{}", String::from_utf8_lossy(&reply.body));
    let value: Value = serde_json::from_slice(&reply.body).expect("JSON");
    rig::text(&value["results"][0], "postId")
}

/// Admission and the engine over a store on disk, in this process and without a door.
pub struct Inside {
    admission: Admission,
    /// The engine.
    pub engine: Handle,
    caller: Caller,
    accounts: Vec<Account>,
    thread: std::thread::JoinHandle<Result<(), StoreError>>,
}

impl Inside {
    /// Takes a data folder over.
    pub fn open(runtime: &Runtime, data: &Path) -> Self {
        let store: Arc<dyn Store> = Arc::new(Sled::open(&data.join("store")).expect("it opens"));
        let epoch = store.begin_epoch().expect("an epoch");
        let catalog = Arc::new(workflow::load(&Default::default()).expect("built in").catalog);
        let links = Links { base: "http://127.0.0.1:3000".to_owned() };
        let clocks = clocks();
        let core = Core::open(
            Arc::clone(&store),
            Arc::clone(&catalog),
            options(&links),
            epoch,
            clocks.moment(),
        );
        let (engine, mailbox) = engine::mailbox();
        let thread = engine::spawn(
            core.expect("it opens"),
            mailbox,
            engine.clone(),
            carry(),
            clocks.clone(),
            runtime.handle().clone(),
        );
        let caller = Caller { key: api_key(store.as_ref()) };
        let accounts = accounts(store.as_ref());
        let seal = Seal::open(None, &data.join("secret-key"), Arc::clone(&clocks.dice));
        let seal = seal.expect("the server made its key");
        let admission = Admission::new(AdmissionOptions {
            media_links: MediaLinks::new(seal.signing_key("media links"), links.base.clone()),
            store,
            engine: engine.clone(),
            catalog,
            registry: Arc::new(platforms::registry()),
            inspect: Arc::new(|asked| Box::pin(ready(vec![Vec::new(); asked.len()]))),
            seal: Arc::new(seal),
            links,
            now: clocks.now,
        });
        let thread = thread.expect("a thread");
        Self { admission, engine, caller, accounts, thread }
    }

    /// Stops the engine and closes the store.
    pub fn close(self, runtime: &Runtime) {
        let Self { admission, engine, thread, .. } = self;
        drop(admission);
        runtime.block_on(engine.drain()).expect("it drains");
        thread.join().expect("it ends").expect("the disk holds");
    }

    /// `POST /v1/posts`.
    pub async fn create(&self, key: Option<&str>, body: &str) -> Served {
        let (route, body) = (("POST", "/v1/posts"), Bytes::from(body.to_owned()));
        self.admission.create(&self.caller, &request(), key, route, body, keep).await
    }

    /// `PATCH /v1/posts/:id`.
    pub async fn patch(&self, post: &str, body: &str) -> Served {
        let body = Bytes::from(body.to_owned());
        self.admission.patch(&self.caller, &request(), None, post, body, keep).await
    }

    /// `DELETE /v1/posts/:id`.
    pub async fn cancel(&self, post: &str) -> Served {
        self.admission.cancel(&self.caller, &request(), None, post).await
    }

    /// Does something for each number below `count`, many at a time; `work` is told an account
    /// that no other work of the moment has.
    pub fn spread<W, F, T>(self: &Arc<Self>, runtime: &Runtime, count: u64, work: W) -> Vec<T>
    where
        W: Fn(Arc<Self>, String, u64) -> F + Clone + Send + 'static,
        F: Future<Output = T> + Send,
        T: Send + 'static,
    {
        runtime.block_on(async {
            let lanes = self.accounts.len().min(AT_ONCE);
            let tasks: Vec<_> = (0..lanes)
                .map(|lane| {
                    let (this, work) = (Arc::clone(self), work.clone());
                    let account = self.accounts[lane].id.to_string();
                    tokio::spawn(async move {
                        let mut done = Vec::new();
                        for n in (lane as u64..count).step_by(lanes) {
                            done.push(work(Arc::clone(&this), account.clone(), n).await);
                        }
                        done
                    })
                })
                .collect();
            let mut all = Vec::new();
            for task in tasks {
                all.append(&mut task.await.expect("it ends"));
            }
            all
        })
    }
}

fn keep(_: Vec<u8>) -> Ready<Result<Digest, Fault>> {
    unreachable!("no post here has bytes of its own")
}

fn request() -> RequestId {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    RequestId::from_caller(&format!("req_{n:026}")).expect("well formed")
}

fn options(links: &Links) -> Options {
    Options {
        sync_wait: Millis::from_secs(60),
        max_lateness: Millis::from_secs(86_400),
        claim_window: Millis::from_secs(86_400),
        // As many as are on their way: here nobody is spoken to.
        slots_max: u32::try_from(AT_ONCE).expect("few"),
        platform_slots_max: u32::try_from(AT_ONCE).expect("few"),
        links: links.clone(),
    }
}

/// The real clock, and chance enough.
pub fn clocks() -> Clocks {
    let now: Now = Arc::new(|| rig::timestamp(SystemTime::now()));
    let began = rig::timestamp(SystemTime::now()).as_millis().unsigned_abs();
    let state = AtomicU64::new(began);
    let dice = move || {
        let n = state.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        u128::from(n.wrapping_mul(0xbf58_476d_1ce4_e5b9)) << 64 | u128::from(n.rotate_left(17))
    };
    Clocks { now, dice: Arc::new(dice), started: tokio::time::Instant::now() }
}

/// A platform that answers at once, as the sandbox does.
fn carry() -> Carry {
    Arc::new(|call: Call| {
        let n = call.batch.id;
        let answer = format!(r#"{{"id":"{n}","url":"http://127.0.0.1:3000/sandbox/posts/{n}"}}"#);
        let receipt = Receipt {
            uri: Some(format!("sandbox://posts/{n}")),
            cid: None,
            url: Some(format!("http://127.0.0.1:3000/sandbox/posts/{n}")),
        };
        let exchange = Exchange {
            request: "POST http://127.0.0.1:3000/sandbox/v1/posts".to_owned(),
            status: Some(201),
            answer,
            duration: Millis(1),
        };
        let output = Output { receipt: Some(receipt), ..Output::default() };
        let report = Report { verdict: Verdict::Done(output), exchange: Some(exchange) };
        Box::pin(ready(report))
    })
}

fn api_key(store: &dyn Store) -> ApiKey {
    let (from, to) = (Key::ApiKey(Digest([0; 32])), Key::ApiKey(Digest([255; 32])));
    let found = store.scan(&from, &to, Order::Ascending, 1).expect("a sound store");
    match found.into_iter().next() {
        Some((_, Record::ApiKey(key))) => key,
        other => panic!("the server made a key: {other:?}"),
    }
}

fn accounts(store: &dyn Store) -> Vec<Account> {
    let (from, to) = (AccountId::from_raw(0), AccountId::from_raw(u128::MAX));
    let (from, to) = (Key::Account(from), Key::Account(to));
    let found = store.scan(&from, &to, Order::Ascending, usize::MAX).expect("a sound store");
    let accounts = found.into_iter().filter_map(|(_, record)| match record {
        Record::Account(account) => Some(account),
        _ => None,
    });
    accounts.filter(|account| account.platform == Platform::Sandbox).collect()
}

/// The rows of a store, read by sled and nothing else.
#[derive(Debug, Default)]
pub struct Rows {
    /// How many were read.
    pub rows: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
}

/// Opens the tree of a store that nobody uses and reads up to so many rows.
pub fn raw_rows(data: &Path, at_most: usize) -> Rows {
    let config = sled::Config::new().path(data.join("store"));
    let config = config.cache_capacity(64 << 20).flush_every_ms(None);
    let db = config.open().expect("a store that nobody uses");
    let mut rows = Rows::default();
    for row in db.iter().take(at_most) {
        let (key, value) = row.expect("a sound store");
        rows.rows += 1;
        rows.bytes += (key.len() + value.len()) as u64;
    }
    rows
}
