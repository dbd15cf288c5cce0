//! What outlives a process: time, chance, the disk, the platforms, the clients.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use fanfare::model::{Dice as DiceFn, Digest, MediaId, Now, ProfileId, Timestamp};
use fanfare::store::{Memory, Store};
use tokio::time::Instant;

use super::client::Client;
use super::disk::{Disk, Flaw};
use super::pds::Pds;
use super::receivers::Receivers;
use super::timeline::Timeline;
use crate::dice::Dice;
use crate::journal::Finding;

/// The wall clock at the start: half an hour before the hourly upkeep.
const EPOCH_MS: i64 = 1_800_000_000_000 + 37 * 60_000;
/// Virtual milliseconds during which the world misbehaves, from when the house is set up.
pub const FAULTS_MS: u64 = 90_000;
/// By then also what waits for a silent platform has given it up: an upload to Bluesky has 120 s,
/// and the other posts of its account wait for it.
pub const QUIET_MS: u64 = FAULTS_MS + 130_000;

/// The longest time between two process lives.
const NIGHT_MS: u64 = 2 * 3_600_000;

/// How the world treats a request. Each can be switched off by the seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Fine,
    NotSent,
    LandsUnheard,
    LostUnheard,
    LandsLate,
    Silent,
    RateLimited,
    Refused,
    Unavailable,
    Garbage,
}

const FATES: [(u64, Fate); 10] = [
    (45, Fate::Fine),
    (9, Fate::NotSent),
    (9, Fate::LandsUnheard),
    (9, Fate::LostUnheard),
    (7, Fate::LandsLate),
    (4, Fate::Silent),
    (6, Fate::RateLimited),
    (3, Fate::Refused),
    (5, Fate::Unavailable),
    (3, Fate::Garbage),
];

/// What this seed's world does to the house.
#[derive(Debug)]
pub struct Plan {
    /// Of ten thousand operations of the store, in how many the process dies.
    pub dies_in: u64,
    /// When it dies beside that, after the set-up.
    pub crashes: Vec<u64>,
    /// When the wall clock steps, and by how much.
    pub steps: Vec<(u64, i64)>,
    /// By how much the wall clock is wrong when the world begins.
    pub wrong: i64,
    /// By how much it steps between two process lives.
    pub nights: Vec<i64>,
    /// When the mailbox is flooded.
    pub floods: Vec<u64>,
    /// When the webhook receivers are down.
    pub deaf: Option<(u64, u64)>,
    /// How long a session of a Bluesky account lasts.
    pub session_ms: u64,
    /// Whether clients lose patience and hang up.
    pub hang_ups: bool,
    /// Whether clients upload files of their own and name them.
    pub uploads: bool,
    /// When a backup is made.
    pub backups: Vec<u64>,
    /// When the data folder is lost, and the newest backup takes its place.
    pub losses: Vec<u64>,
    fates: Vec<(u64, Fate)>,
}

impl Plan {
    /// Swarm: every seed switches off a random part of what can go wrong.
    fn new(dice: &mut Dice) -> Self {
        let fates = FATES.iter().filter(|(_, fate)| *fate == Fate::Fine || dice.chance(60));
        let fates = fates.copied().collect();
        let steps = if dice.chance(20) { times(dice, (0, 2)) } else { Vec::new() };
        let steps = steps.into_iter().map(|at| (at, step(dice)));
        Self {
            steps: steps.collect(),
            wrong: 0,
            nights: Vec::new(),
            dies_in: if dice.chance(50) { dice.range(5, 100) } else { 0 },
            crashes: if dice.chance(60) { times(dice, (0, 5)) } else { Vec::new() },
            floods: if dice.chance(15) { times(dice, (0, 4)) } else { Vec::new() },
            deaf: dice.chance(50).then(|| {
                let from = dice.range(0, FAULTS_MS / 2);
                (from, from + dice.range(1_000, 600_000))
            }),
            session_ms: dice.range(10_000, 200_000),
            hang_ups: dice.chance(50),
            uploads: false,
            backups: Vec::new(),
            losses: Vec::new(),
            fates,
        }
    }

    /// What came to the plan later, with dice of its own: the seeds that were kept go on as before
    /// where they have none of it.
    fn more(&mut self, dice: &mut Dice) {
        self.uploads = dice.chance(50);
        if !dice.chance(25) {
            return;
        }
        // By a clock that stepped nobody can tell what was due before the loss.
        self.steps.clear();
        self.losses = times(dice, (1, 2));
        self.backups = times(dice, (2, 8));
    }

    /// Clocks that are wrong when nobody looks, with dice of their own too.
    fn nights(&mut self, dice: &mut Dice) {
        if dice.chance(20) {
            self.wrong = step(dice);
        }
        if dice.chance(30) && self.losses.is_empty() {
            let right = -self.wrong;
            let by = |dice: &mut Dice| if dice.chance(50) { right } else { step(dice) };
            self.nights = (0..dice.range(1, 3)).map(|_| by(dice)).collect();
        }
    }
}

/// By how much a clock steps.
fn step(dice: &mut Dice) -> i64 {
    let size = if dice.chance(50) { 3_600_000 } else { 30_000 };
    if dice.chance(50) { size } else { -size }
}

/// From the least to the most so many moments before the faults end, in their order.
fn times(dice: &mut Dice, (least, most): (u64, u64)) -> Vec<u64> {
    let mut times: Vec<u64> =
        (0..dice.range(least, most)).map(|_| dice.range(0, FAULTS_MS)).collect();
    times.sort_unstable();
    times
}

/// What changes as the world goes on.
pub struct State {
    pub dice: Dice,
    pub plan: Plan,
    pub timeline: Timeline,
    pub pds: Pds,
    pub receivers: Receivers,
    /// When the house was set up, in virtual milliseconds; nothing goes wrong before.
    pub open_since: Option<u64>,
    /// The API key that clients send.
    pub api_key: String,
    /// The accounts: of the sandbox, and of Bluesky.
    pub accounts: [Vec<String>; 2],
    /// Process lives so far.
    pub lives: u64,
    /// Pictures so far.
    pub pictures: u64,
    /// Files that were removed because nobody needed them.
    pub pruned: BTreeSet<Digest>,
    /// The profile of the accounts.
    pub profile: Option<ProfileId>,
    /// What clients uploaded, whether it is still there or not.
    pub uploads: BTreeMap<MediaId, Digest>,
    /// What the clock of the house said when its data folder was lost, until that is made good.
    pub lost_at: Option<Timestamp>,
    /// The newest backup, and its instant by the clock of the house.
    pub newest_backup: Option<(PathBuf, Timestamp)>,
    /// Data folders so far.
    pub folders: u64,
    trace: String,
    found: Option<Finding>,
    base_ms: u64,
    /// The last virtual millisecond that anybody saw: outside a life its clock cannot be asked.
    seen_ms: Cell<u64>,
    began: Option<Instant>,
    skew_ms: i64,
    stepped: bool,
    /// How long nobody worked, and how far the clock was set back: so much longer may it take.
    pub idle_ms: u64,
    /// The keys that were young when all was done, once the clock is to be far ahead.
    pub young: Option<Vec<Digest>>,
    texts: u64,
}

/// The world of one seed.
pub struct World {
    pub clients: Vec<Arc<tokio::sync::Mutex<Client>>>,
    pub flaw: Option<Flaw>,
    memory: Mutex<Memory>,
    state: Mutex<State>,
    count: Arc<AtomicU64>,
    pruning: AtomicBool,
    folder: tempfile::TempDir,
}

impl World {
    pub fn new(seed: u64, flaw: Option<Flaw>) -> Self {
        // Another world than the core's of the same seed.
        let mut dice = Dice::new(seed ^ 0x00f0_0d00);
        let mut plan = Plan::new(&mut dice);
        plan.more(&mut Dice::new(seed ^ 0x0b0a_c0b5));
        plan.nights(&mut Dice::new(seed ^ 0x0c10_c4ed));
        let clients = (0..dice.range(1, 5))
            .map(|n| Arc::new(tokio::sync::Mutex::new(Client::new(n, &mut dice))))
            .collect();
        let mut state = State {
            dice,
            plan,
            timeline: Timeline::default(),
            pds: Pds::default(),
            receivers: Receivers::default(),
            open_since: None,
            api_key: String::new(),
            accounts: Default::default(),
            lives: 0,
            pictures: 0,
            pruned: BTreeSet::new(),
            profile: None,
            uploads: BTreeMap::new(),
            lost_at: None,
            newest_backup: None,
            folders: 1,
            trace: String::new(),
            found: None,
            base_ms: 0,
            seen_ms: Cell::new(0),
            began: None,
            skew_ms: 0,
            stepped: false,
            idle_ms: 0,
            young: None,
            texts: 0,
        };
        if state.plan.wrong != 0 {
            state.step(state.plan.wrong);
        }
        Self {
            clients,
            flaw,
            memory: Mutex::default(),
            state: Mutex::new(state),
            count: Arc::default(),
            pruning: AtomicBool::new(false),
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    /// The store.
    pub fn memory(&self) -> Memory {
        self.memory.lock().expect("nobody panics while holding it").clone()
    }

    /// Another store takes the place of the one that was lost.
    pub fn set_memory(&self, memory: Memory) {
        *self.memory.lock().expect("nobody panics while holding it") = memory;
    }

    /// The data folder: another one after each loss.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join(format!("data-{}", self.state().folders))
    }

    /// Where backups are.
    pub fn backups(&self) -> PathBuf {
        self.folder.path().join("backups")
    }

    /// Whether files that nobody needs are looked for right now.
    pub fn is_pruning(&self) -> bool {
        self.pruning.load(Ordering::Relaxed)
    }

    /// Notes whether they are.
    pub fn set_pruning(&self, prunes: bool) {
        self.pruning.store(prunes, Ordering::Relaxed);
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding it")
    }

    /// The store as the house sees it.
    pub fn disk(self: &Arc<Self>) -> Arc<dyn Store> {
        Arc::new(Disk { world: Arc::clone(self), count: Arc::clone(&self.count) })
    }

    /// Notes what is not true and should be; the first counts.
    pub fn find(&self, finding: Finding) {
        let mut state = self.state();
        let _ = writeln!(state.trace, "FOUND {finding:?}");
        state.found.get_or_insert(finding);
    }

    /// Whether nothing goes wrong any more.
    pub fn is_calm(&self) -> bool {
        self.state().open_for().is_some_and(|open| open > FAULTS_MS)
    }

    /// Whether something was found.
    pub fn finding_seen(&self) -> bool {
        self.state().found.is_some()
    }

    /// What was found so far.
    pub fn finding(&self) -> Result<(), Finding> {
        let found = self.state().found.take();
        match found {
            Some(finding) => Err(finding.told(&self.story())),
            None => Ok(()),
        }
    }

    /// Everything that happened.
    pub fn story(&self) -> String {
        self.state().trace.clone()
    }

    /// A process life ended: what was not flushed is lost but for a part, and time passes.
    pub fn bury(&self, why: &str) {
        let mut state = self.state();
        state.began = None;
        state.note(&format!("dies: {why}"));
        let keep = usize::try_from(state.dice.range(0, 4)).expect("small");
        let pause = if state.dice.chance(10) { 30_000 } else { 200 };
        state.base_ms = state.now_ms() + state.dice.range(1, pause);
        let night = state.plan.nights.pop();
        if night.is_some() {
            let night = state.dice.range(0, NIGHT_MS);
            state.base_ms += night;
            state.idle_ms += night;
        }
        state.seen_ms.set(state.base_ms);
        if let Some(by) = night {
            state.step(by);
        }
        drop(state);
        let _ = self.memory().crash(keep);
    }

    /// The clock that the house goes by.
    pub fn wall(self: &Arc<Self>) -> Now {
        let world = Arc::clone(self);
        Arc::new(move || world.state().wall())
    }

    /// The house's randomness.
    pub fn chance(self: &Arc<Self>) -> DiceFn {
        let world = Arc::clone(self);
        Arc::new(move || {
            let mut state = world.state();
            u128::from(state.dice.next()) << 64 | u128::from(state.dice.next())
        })
    }
}

impl State {
    /// A process life begins.
    pub fn begin(&mut self, at: Instant) {
        self.began = Some(at);
        self.lives += 1;
        let life = self.lives;
        self.note(&format!("life {life}"));
    }

    /// Virtual milliseconds since the world began.
    pub fn now_ms(&self) -> u64 {
        if let Some(began) = self.began {
            let run = u64::try_from(began.elapsed().as_millis()).expect("virtual time is short");
            self.seen_ms.set(self.base_ms + run);
        }
        self.seen_ms.get()
    }

    /// True time, which platforms go by.
    pub fn true_time(&self) -> Timestamp {
        self.at(self.now_ms())
    }

    /// True time at a virtual millisecond.
    pub fn at(&self, ms: u64) -> Timestamp {
        Timestamp::from_millis(EPOCH_MS + i64::try_from(ms).expect("short"))
    }

    /// The wall clock of the house.
    pub fn wall(&self) -> Timestamp {
        let at = self.true_time().as_millis() + self.skew_ms;
        Timestamp::from_millis(at)
    }

    /// Moves the house's wall clock.
    pub fn step(&mut self, by_ms: i64) {
        self.skew_ms += by_ms;
        self.stepped = true;
        self.idle_ms += (-by_ms).max(0).unsigned_abs();
        self.note(&format!("the clock steps {by_ms} ms"));
    }

    /// Whether the wall clock was ever moved.
    pub fn is_stepped(&self) -> bool {
        self.stepped
    }

    /// Virtual milliseconds since the house was set up.
    pub fn open_for(&self) -> Option<u64> {
        self.open_since.map(|since| self.now_ms().saturating_sub(since))
    }

    /// Whether the world still misbehaves.
    pub fn is_faulty(&self) -> bool {
        self.open_for().is_some_and(|open| open < FAULTS_MS)
    }

    /// How a request is treated.
    pub fn fate(&mut self) -> Fate {
        if !self.is_faulty() || self.dice.chance(35) {
            return Fate::Fine;
        }
        let fates = self.plan.fates.clone();
        self.dice.pick(&fates)
    }

    /// A text that nobody else says.
    pub fn text(&mut self, what: &str) -> String {
        self.texts += 1;
        format!("{what} {}", self.texts)
    }

    /// A line of the story.
    pub fn note(&mut self, what: &str) {
        let now = self.now_ms();
        let _ = writeln!(self.trace, "{now} {what}");
    }
}
