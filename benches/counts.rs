//! Instructions and allocations of one batch, counted by callgrind and held against
//! `benches/counts.toml`: unlike times, they are the same on a busy machine.
//!
//! `benches/check-counts` runs it; `--update` prints the new figures, `--if-there` is content
//! where there is no valgrind.

#![expect(clippy::print_stdout, reason = "a benchmark shows its figures")]

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

use fanfare::engine::{
    Claim, Core, Input, Moment, NewTarget, Options, Release, Report, Submission,
};
use fanfare::model::{
    AccountId, Content, ContentIx, Cursor, Digest, Exchange, KeyId, Millis, Output, Platform,
    ProfileId, Receipt, RequestId, Timestamp, Verdict,
};
use fanfare::store::{Memory, Sled, Store};
use fanfare::wire::Links;
use fanfare::workflow::{self, Catalog};
use serde::Deserialize;

/// The first argument of the process that is counted.
const WORD: &str = "--count";
/// Batches before any is counted, and those that are counted: with one target, and with 25. They
/// are enough for the store to merge all through the counted ones, as it does in the long run.
const MANY: (u64, u64) = (2_000, 2_000);
const FEW: (u64, u64) = (64, 128);
/// The function whose instructions count, as callgrind may name it.
const FUNCTION: &str = "*counted_batches*";
/// What asks for memory.
const ALLOCATORS: [&str; 6] =
    ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign"];

const CASES: [&str; 6] = [
    "memory_accept",
    "memory_publish",
    "memory_publish_25",
    "sled_accept",
    "sled_publish",
    "sled_publish_25",
];

/// What `counts.toml` holds.
#[derive(Debug, Deserialize)]
struct Known {
    /// How much more than the known figure is still taken for it, in per cent.
    margin_percent: f64,
    #[serde(flatten)]
    cases: BTreeMap<String, Counts>,
}

/// The figures of one batch.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Counts {
    instructions: u64,
    allocations: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} instructions, {} allocations", self.instructions, self.allocations)
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [first, case] = words.as_slice()
        && first == WORD
    {
        count(case);
        return ExitCode::SUCCESS;
    }
    let asked = |word: &str| words.iter().any(|given| given == word);
    if let Some(other) = words.iter().find(|word| *word != "--update" && *word != "--if-there") {
        println!("{other}: not known. Options: --update --if-there");
        return ExitCode::from(2);
    }
    if Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("valgrind is not installed, so nothing was counted");
        return ExitCode::from(u8::from(!asked("--if-there")));
    }
    check(asked("--update"))
}

fn check(update: bool) -> ExitCode {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/counts.toml");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let known: Option<Known> = toml::from_str(&text).ok();
    let margin = known.as_ref().map_or(5.0, |known| known.margin_percent);
    let mut holds = known.is_some() || update;
    for case in CASES {
        let now = counted(case);
        if update {
            let Counts { instructions, allocations } = now;
            println!("[{case}]\ninstructions = {instructions}\nallocations = {allocations}\n");
            continue;
        }
        let before = known.as_ref().and_then(|known| known.cases.get(case));
        let good = before.is_some_and(|before| {
            within(now.instructions, before.instructions, margin)
                && within(now.allocations, before.allocations, margin)
        });
        holds &= good;
        let verdict = if good { "holds" } else { "TOO MUCH" };
        let known = before.map_or("nothing".to_owned(), ToString::to_string);
        println!("{case:<18} {now}; known is {known}: {verdict}");
    }
    if !holds {
        println!("more than {margin} % above benches/counts.toml; --update prints the new figures");
    }
    ExitCode::from(u8::from(!holds))
}

#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^53")]
fn within(now: u64, before: u64, margin_percent: f64) -> bool {
    now as f64 <= before as f64 * (1.0 + margin_percent / 100.0)
}

/// Runs one case under callgrind.
fn counted(case: &str) -> Counts {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let out = folder.path().join("callgrind");
    let status = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={FUNCTION}"))
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe().expect("it runs"))
        .args([WORD, case])
        .stderr(Stdio::null())
        .status();
    assert!(status.is_ok_and(|status| status.success()), "callgrind fails on {case}");
    let text = std::fs::read_to_string(out).expect("callgrind wrote it");
    let all = read(&text);
    let (_, counted) = sizes(case);
    Counts { instructions: all.instructions / counted, allocations: all.allocations / counted }
}

/// Reads callgrind's profile: the sum, and how often each allocator was called.
fn read(text: &str) -> Counts {
    let mut counts = Counts { instructions: 0, allocations: 0 };
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    let mut callee = "";
    for line in text.lines() {
        if let Some(sum) = line.strip_prefix("summary: ").or(line.strip_prefix("totals: ")) {
            let sum = sum.split_whitespace().next().and_then(|word| word.parse().ok());
            counts.instructions = sum.unwrap_or(0);
        } else if let Some(name) = line.strip_prefix("cfn=").or(line.strip_prefix("fn=")) {
            // A name is written once, behind its number.
            let (number, name) = name.split_once(' ').unwrap_or((name, ""));
            let name = match name {
                "" => names.get(number).copied().unwrap_or_default(),
                name => names.entry(number).or_insert(name),
            };
            callee = if line.starts_with('c') { name } else { "" };
        } else if let Some(calls) = line.strip_prefix("calls=")
            && ALLOCATORS.contains(&callee)
        {
            let calls = calls.split_whitespace().next().and_then(|word| word.parse::<u64>().ok());
            counts.allocations += calls.unwrap_or(0);
        }
    }
    counts
}

/// The counted process.
fn count(case: &str) {
    let folder: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).to_owned();
    let folder = tempfile::tempdir_in(folder).expect("a folder");
    let (store, work) = case.split_once('_').expect("a case");
    let store: Arc<dyn Store> = match store {
        "memory" => Arc::new(Memory::new()),
        _ => Arc::new(Sled::open(&folder.path().join("store")).expect("it opens")),
    };
    let mut bench = Bench::open(store);
    let (scheduled, targets) = match work {
        "accept" => (true, 1),
        "publish" => (false, 1),
        _ => (false, 25),
    };
    let (warm, counted) = sizes(case);
    for n in 0..warm {
        bench.batch(n, scheduled, targets);
    }
    counted_batches(&mut bench, warm..warm + counted, scheduled, targets);
}

fn sizes(case: &str) -> (u64, u64) {
    if case.ends_with("_25") { FEW } else { MANY }
}

/// What callgrind counts.
#[inline(never)]
fn counted_batches(bench: &mut Bench, batches: Range<u64>, scheduled: bool, targets: u8) {
    for n in batches {
        bench.batch(n, scheduled, targets);
    }
}

/// The engine's core, driven by hand.
struct Bench {
    core: Core,
    catalog: Arc<Catalog>,
    at: Timestamp,
    turns: u64,
}

impl Bench {
    fn open(store: Arc<dyn Store>) -> Self {
        let epoch = store.begin_epoch().expect("an epoch");
        let catalog = Arc::new(workflow::load(&Default::default()).expect("built in").catalog);
        let options = Options {
            sync_wait: Millis::from_secs(60),
            max_lateness: Millis::from_secs(86_400),
            claim_window: Millis::from_secs(86_400),
            slots_max: 256,
            platform_slots_max: 128,
            links: Links { base: "http://bench".to_owned() },
        };
        let at = Timestamp::from_millis(1_800_000_000_000);
        let moment = Moment { at, uptime: Millis(0), entropy: 1 };
        let core = Core::open(store, Arc::clone(&catalog), options, epoch, moment);
        Self { core: core.expect("it opens"), catalog, at, turns: 0 }
    }

    fn turn(&mut self, inputs: Vec<Input>) -> Vec<Release> {
        self.turns += 1;
        self.at = self.at.plus(Millis(1));
        let entropy =
            u128::from(self.turns).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let moment = Moment { at: self.at, uptime: Millis(self.turns), entropy };
        self.core.turn(moment, inputs).expect("the store holds")
    }

    /// One batch from its submission to its last reply.
    fn batch(&mut self, n: u64, scheduled: bool, targets: u8) {
        let (ticket, mut answer) = tokio::sync::oneshot::channel();
        let submission = self.submission(n, scheduled, targets);
        let mut inputs = vec![Input::Submit(Box::new(submission), ticket)];
        while !inputs.is_empty() {
            let released = self.turn(std::mem::take(&mut inputs));
            inputs.extend(released.into_iter().filter_map(carry_out));
        }
        let reply = answer.try_recv().expect("it is answered").expect("it is taken").reply;
        assert_eq!(reply.status, if scheduled { 202 } else { 200 });
    }

    fn submission(&self, n: u64, scheduled: bool, targets: u8) -> Submission {
        let definition = self.catalog.current("sandbox").expect("built in").digest;
        // Ids of claims are digests: they have no order.
        let mut id = [0; 32];
        id[..8].copy_from_slice(&(n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        let target = |place: u8| NewTarget {
            account: AccountId::from_raw(u128::from(n % 64) << 8 | u128::from(place)),
            profile: ProfileId::from_raw(1),
            platform: Platform::Sandbox,
            definition,
            content: ContentIx(0),
            warnings: Vec::new(),
        };
        Submission {
            request_id: RequestId::from_caller("bench").expect("well formed"),
            key: KeyId::from_raw(1),
            test: false,
            claim: Some(Claim { id: Digest(id), fingerprint: Digest([7; 32]) }),
            scheduled_at: scheduled.then(|| self.at.plus(Millis::from_secs(30 * 86_400))),
            contents: vec![Content { text: "x".repeat(250), ..Content::default() }],
            targets: (0..targets).map(target).collect(),
        }
    }
}

/// A platform that answers at once.
fn carry_out(release: Release) -> Option<Input> {
    let call = match release {
        Release::Call(call) => call,
        Release::Tell(tell) => {
            tell();
            return None;
        }
    };
    let batch = call.batch.id;
    let Cursor::Running(attempt) = call.batch.target(call.ix)?.cursor else { return None };
    let receipt = Receipt { uri: Some("sandbox://posts/1".to_owned()), cid: None, url: None };
    let exchange = Exchange {
        request: "POST http://bench/sandbox/v1/posts".to_owned(),
        status: Some(201),
        answer: "{\"id\":\"1\",\"url\":\"http://bench/sandbox/posts/1\"}".to_owned(),
        duration: Millis(1),
    };
    let verdict = Verdict::Done(Output { receipt: Some(receipt), ..Output::default() });
    let report = Report { verdict, exchange: Some(exchange) };
    let (number, epoch) = (attempt.number, attempt.epoch);
    Some(Input::Reported { batch, ix: call.ix, number, epoch, report })
}
