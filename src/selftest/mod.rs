//! `fanfare selftest`: this program, tortured on the operator's own machine and disk, and every
//! promise held against what became of it.
//!
//! Words: the *server under test* is a second process of this program with a folder, settings, port
//! and accounts of its own; the *platform that counts* is the sandbox's side, served by this
//! process, which nobody kills; a *blow* is what is done to the server; an *order* is what a client
//! sends under one idempotency key; a *finding* is a promise that was broken. A *trick* is a blow
//! that needs help from below, such as a clock that steps: tests have it, operators do not.
//!
//! Deliberately absent: the operator's own server, store and accounts. Nothing of theirs is opened,
//! and what a setting or a variable says to it is not said to the server under test.

mod chance;
mod plan;
mod check;
mod platform;
mod child;
mod client;
mod driver;
mod look;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::chance::Chance;
pub use self::check::Finding;
use self::check::{Evidence, Sent};
use self::child::{Child, Ground};
use self::client::Shared;
use self::driver::Driver;
use self::platform::Platform;
use crate::model::{
    Dice, Millis, Now, SELFTEST_FREE_BYTES_MIN, SELFTEST_SPAN_MAX, SELFTEST_SPAN_MIN, Secret,
};
use crate::upstream::Upstream;

/// Clients that publish at the same time.
const CLIENTS: usize = 16;
/// Accounts of each. A read-back sees the newest thousand posts of an account, and is to see all
/// since the sending it asks about.
const ACCOUNTS: usize = 4;
/// For what is asked before the torture begins.
const PATIENCE: Millis = Millis::from_secs(30);
/// How often the folder is removed: a process that was killed may take a moment to let go of it.
const REMOVALS: usize = 40;
/// Between two of these.
const REMOVAL_PAUSE: Millis = Millis(50);

/// What is to be tortured, where and for how long.
pub struct Options {
    /// The program of the server.
    pub program: PathBuf,
    /// A fresh folder is made in this one: what is proven is proven of its disk.
    pub folder: PathBuf,
    /// For how long blows fall. Settling and checking come after.
    pub span: Millis,
    /// Gives what is sent and which blow comes next.
    pub seed: u64,
    /// The true clock.
    pub now: Now,
    /// Chance, for secrets.
    pub dice: Dice,
    /// The way to the server.
    pub upstream: Arc<dyn Upstream>,
    /// What a test can do beside kills and stops.
    pub tricks: Option<Tricks>,
}

/// What a test can do to a server beside kills and stops.
#[derive(Clone)]
pub struct Tricks {
    /// What the server finds in its environment, so that it can be done to it.
    pub environment: Vec<(OsString, OsString)>,
    /// Does it.
    pub play: Arc<dyn Fn(Trick) + Send + Sync>,
}

/// Something that is done to a server from below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trick {
    /// Its wall clock is from now on so many milliseconds ahead of the true one.
    ClockAhead(i64),
    /// Its disk has no room, or has room again.
    DiskFull(bool),
}

/// Why there is no report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelftestError {
    /// A span in which nothing could be proven, or that fills a disk.
    #[error("a torture takes from 5s to 1h, not {0}")]
    Span(Millis),
    /// It could not begin.
    #[error("begin the selftest: {0}")]
    Start(String),
    /// It could not go on. Nothing is proven; the folder is kept.
    #[error("go on with the selftest: {what}; look at {}", .folder.display())]
    Run {
        /// Why.
        what: String,
        /// What was found until then.
        findings: Vec<Finding>,
        /// The folder, kept.
        folder: PathBuf,
    },
    /// It was stopped. Nothing is proven, and nothing is left behind.
    #[error("the selftest was stopped; it proves nothing")]
    Stopped,
}

/// How often what was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Rounds: each ends with a blow.
    pub rounds: u64,
    /// SIGKILL.
    pub kills: u64,
    /// SIGSTOP, with SIGCONT or SIGKILL after it.
    pub stops: u64,
    /// Steps of the clock.
    pub clock_steps: u64,
    /// Times that the disk was full.
    pub full_disks: u64,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Gives the same orders and blows again.
    pub seed: u64,
    /// What was done.
    pub tally: Tally,
    /// Batches that were answered with 200 or 202.
    pub accepted: u64,
    /// Batches that were refused because their time had passed.
    pub refused: u64,
    /// Batches of which their client heard nothing.
    pub unanswered: u64,
    /// Posts, those of unanswered batches too, by what became of them.
    pub posts: BTreeMap<String, u64>,
    /// Of the held ones, those that a right clock would have let be read back.
    pub held_for_the_clock: u64,
    /// Landings on the platform that counts.
    pub landed: u64,
    /// Records of the store that was verified.
    pub records: u64,
    /// Broken promises.
    pub findings: Vec<Finding>,
    /// Whether it ended early, because the disk was running full.
    pub short_of_room: bool,
    /// How long all of it took.
    pub took: Millis,
    /// The folder, if it was kept: where something was found.
    pub kept: Option<PathBuf>,
}

impl Report {
    /// How many findings are losses.
    pub fn lost(&self) -> usize {
        self.findings.iter().filter(|one| matches!(one, Finding::Lost(_))).count()
    }

    /// How many say that something happened twice.
    pub fn doubled(&self) -> usize {
        self.findings.iter().filter(|one| matches!(one, Finding::Doubled(_))).count()
    }
}

/// The span of a torture, if it is one that proves something and ends.
///
/// # Errors
/// `Span`.
pub fn checked_span(span: Millis) -> Result<Millis, SelftestError> {
    let sound = (SELFTEST_SPAN_MIN..=SELFTEST_SPAN_MAX).contains(&span);
    if sound { Ok(span) } else { Err(SelftestError::Span(span)) }
}

/// Tortures a server until the span is over or `stopping` turns true, and looks at what became of
/// everything.
///
/// # Errors
/// See `SelftestError`.
pub async fn run(
    options: Options,
    mut stopping: watch::Receiver<bool>,
) -> Result<Report, SelftestError> {
    checked_span(options.span)?;
    // A parent that is made for it goes with it.
    let parent = (!options.folder.exists()).then(|| options.folder.clone());
    let folder = make_folder(&options)?;
    let outcome = tokio::select! {
        outcome = torture(&options, &folder) => outcome,
        _ = stopping.wait_for(|stop| *stop) => Err(SelftestError::Stopped),
    };
    let keep = match &outcome {
        Ok(report) => !report.findings.is_empty(),
        Err(error) => matches!(error, SelftestError::Run { .. }),
    };
    if !keep {
        remove(&folder).await;
        // One that holds something else by now stays.
        parent.map(std::fs::remove_dir);
    }
    outcome.map(|report| Report { kept: keep.then_some(folder), ..report })
}

fn make_folder(options: &Options) -> Result<PathBuf, SelftestError> {
    let failed =
        |problem: String| SelftestError::Start(format!("{}: {problem}", options.folder.display()));
    let name = format!("selftest-{}", (options.now)().as_millis());
    let parent = std::path::absolute(&options.folder).map_err(|it| failed(it.to_string()))?;
    let folder = parent.join(name);
    let mut make = std::fs::DirBuilder::new();
    make.recursive(true).mode(0o700);
    make.create(&folder).map_err(|problem| failed(problem.to_string()))?;
    if is_short_of_room(&folder) {
        let _ = std::fs::remove_dir(&folder);
        let mib = SELFTEST_FREE_BYTES_MIN >> 20;
        return Err(failed(format!("less than {mib} MiB are free; choose another disk with --in")));
    }
    Ok(folder)
}

fn is_short_of_room(folder: &Path) -> bool {
    let space = rustix::fs::statvfs(folder);
    space.is_ok_and(|it| it.f_bavail.saturating_mul(it.f_frsize) < SELFTEST_FREE_BYTES_MIN)
}

async fn remove(folder: &Path) {
    for _ in 0..REMOVALS {
        if std::fs::remove_dir_all(folder).is_ok() || !folder.exists() {
            return;
        }
        client::pause(REMOVAL_PAUSE).await;
    }
}

async fn torture(options: &Options, folder: &Path) -> Result<Report, SelftestError> {
    let began = (options.now)();
    let now = Arc::clone(&options.now);
    let platform =
        Platform::start(&folder.join("platform"), now, Arc::clone(&options.dice)).await?;
    let (mut driver, shared, accounts) = begin(options, folder, &platform).await?;
    let broke = |what: String, findings: &[Finding]| SelftestError::Run {
        what,
        findings: findings.to_vec(),
        folder: folder.to_owned(),
    };
    let mut clients = JoinSet::new();
    for (n, own) in accounts.chunks(ACCOUNTS).enumerate() {
        let chance = Chance::of(options.seed, n as u64 + 1);
        clients.spawn(client::run(Arc::clone(&shared), chance, format!("c{n}"), own.to_vec()));
    }
    let over = tokio::spawn(client::pause(options.span));
    let (mut blows, mut short_of_room) = (Ok(()), false);
    while blows.is_ok() && !over.is_finished() && !short_of_room {
        blows = driver.round().await;
        short_of_room = is_short_of_room(folder);
    }
    shared.stop.store(true, Ordering::Relaxed);
    over.abort();
    blows.map_err(|what| broke(what, &driver.findings))?;
    driver.relent().await.map_err(|what| broke(what, &driver.findings))?;
    let mut sent = Vec::new();
    while let Some(joined) = clients.join_next().await {
        sent.extend(joined.map_err(|it| broke(it.to_string(), &driver.findings))?);
    }
    let mut evidence = gather(&shared, sent).await.map_err(|what| broke(what, &driver.findings))?;
    evidence.clock_was_wrong = options.tricks.is_some();
    let (tally, mut findings, records) = driver.finish().await;
    evidence.landed = platform.end().await.map_err(|it| broke(it, &findings))?;
    let strange = shared.strange.lock().unwrap_or_else(PoisonError::into_inner).clone();
    findings.extend(strange.into_iter().map(Finding::Wrong));
    findings.extend(check::all(&evidence));
    findings.sort();
    let took = (options.now)().since(began);
    Ok(report(
        &evidence,
        Report {
            seed: options.seed,
            tally,
            accepted: 0,
            refused: 0,
            unanswered: 0,
            posts: BTreeMap::new(),
            held_for_the_clock: check::held_for_the_clock(&evidence) as u64,
            landed: evidence.landed.len() as u64,
            records,
            findings,
            short_of_room,
            took,
            kept: None,
        },
    ))
}

/// Counts what became of everything.
fn report(evidence: &Evidence, report: Report) -> Report {
    let count =
        |which: fn(&Sent) -> bool| evidence.sent.iter().filter(|sent| which(sent)).count() as u64;
    let mut posts: BTreeMap<String, u64> = BTreeMap::new();
    for post in &evidence.posts {
        let held = post.rule.ends_with(".outcome_unknown");
        let name = if held { "held" } else { post.status.as_str() };
        *posts.entry(name.to_owned()).or_default() += 1;
    }
    Report {
        accepted: count(|sent| !sent.accepted.is_empty()),
        refused: count(|sent| sent.refused),
        unanswered: count(|sent| sent.accepted.is_empty() && !sent.refused),
        posts,
        ..report
    }
}

/// Starts the first server, and makes its accounts.
async fn begin(
    options: &Options,
    folder: &Path,
    platform: &Platform,
) -> Result<(Driver, Arc<Shared>, Vec<String>), SelftestError> {
    let failed = |problem: String| SelftestError::Start(problem);
    let environment =
        options.tricks.as_ref().map(|tricks| tricks.environment.clone()).unwrap_or_default();
    let ground = Ground::prepare(options.program.clone(), folder, environment, platform);
    let ground = ground.map_err(|problem| failed(problem.to_string()))?;
    let child: Child = ground.start().await.map_err(failed)?;
    let key = ground.key().map_err(|problem| failed(format!("its key: {problem}")))?;
    let (base, told) = watch::channel(child.base.clone());
    let shared = Arc::new(Shared {
        upstream: Arc::clone(&options.upstream),
        key: Secret::new(key),
        base: told,
        stop: AtomicBool::new(false),
        answered: AtomicU64::new(0),
        ahead: AtomicI64::new(0),
        now: Arc::clone(&options.now),
        strange: Mutex::default(),
    });
    let mut accounts = Vec::new();
    for n in 0..CLIENTS * ACCOUNTS {
        let body = json!({ "name": format!("selftest-{n}") }).to_string();
        let path = "/v1/accounts/connect/sandbox/complete";
        let heard = shared.ask(("POST", path), None, body.as_bytes(), PATIENCE).await;
        let id = heard.map(|heard| heard.at("/id"));
        let id = id.as_ref().and_then(|id| id.as_str());
        accounts.push(id.ok_or_else(|| failed("no account was made".to_owned()))?.to_owned());
    }
    let chance = Chance::of(options.seed, 0);
    let tricks = options.tricks.clone();
    let driver = Driver::new((ground, child), (base, Arc::clone(&shared)), chance, tricks);
    Ok((driver, shared, accounts))
}

/// What can be seen once everything has settled.
async fn gather(shared: &Arc<Shared>, sent: Vec<Sent>) -> Result<Evidence, String> {
    look::settled(shared).await;
    let posts = look::posts(shared).await?;
    let settled = look::settlings(shared).await?;
    let sent = look::replays(shared, sent, &posts).await?;
    Ok(Evidence { sent, posts, settled, ..Evidence::default() })
}
