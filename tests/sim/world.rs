//! The simulated world: the real core over the memory store, one seed, virtual time.
//!
//! Everything that happens waits in one queue by time. A turn runs when the core wants one or
//! inputs have come; it may die between any two of commit, flush and release, and then a new
//! process life begins on what the disk kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use fanfare::engine::{Core, Input, Moment, Options, Release};
use fanfare::model::{BatchId, Millis, Timestamp};
use fanfare::store::{Memory, Store};
use fanfare::wire::Links;
use fanfare::workflow::Catalog;

use crate::checkers;
use crate::clients::Clients;
use crate::dice::Dice;
use crate::journal::{self, Finding};
use crate::mutant::{Mutant, Mutated};
use crate::platform::{self, Deed, FATES, Fate, Heard, Platforms};

/// Virtual milliseconds during which the world misbehaves.
const FAULTS_MS: u64 = 60_000;
/// Virtual milliseconds after which everything must have settled.
const PATIENCE_MS: u64 = 3 * 3_600_000;
/// The wall clock at the start.
const EPOCH_MS: i64 = 1_800_000_000_000;

/// One thing that is going to happen.
#[derive(Debug)]
enum Happening {
    Deed(Deed),
    Client(usize),
    Crash,
    ClockStep(i64),
}

/// The whole world of one seed.
pub struct World {
    pub dice: Dice,
    pub memory: Memory,
    pub catalog: Arc<Catalog>,
    pub platforms: Platforms,
    pub clients: Clients,
    pub trace: String,
    pub accepted: BTreeSet<BatchId>,
    core: Option<Core>,
    queue: BTreeMap<(u64, u64), Happening>,
    queued: u64,
    inputs: Vec<Input>,
    now_ms: u64,
    skew_ms: i64,
    fates: Vec<(u64, Fate)>,
    crashes: u64,
    mutant: Option<Mutant>,
    mutated: Arc<std::sync::atomic::AtomicU64>,
}

impl World {
    /// A world of this seed, with a mutant of the engine if one is to be caught.
    pub fn new(seed: u64, mutant: Option<Mutant>) -> Self {
        let mut dice = Dice::new(seed);
        // Swarm: every seed switches off a random part of the faults.
        let fates = FATES.iter().filter(|(_, fate)| *fate == Fate::Fine || dice.chance(60));
        let fates = fates.copied().collect();
        let catalog = Arc::new(checkers::catalog(mutant));
        let clients = Clients::new(&mut dice);
        let mut world = Self {
            memory: Memory::new(),
            catalog,
            platforms: Platforms::default(),
            clients,
            trace: String::new(),
            accepted: BTreeSet::new(),
            core: None,
            queue: BTreeMap::new(),
            queued: 0,
            inputs: Vec::new(),
            now_ms: 0,
            skew_ms: 0,
            fates,
            crashes: 0,
            mutant,
            mutated: Arc::default(),
            dice,
        };
        world.plan();
        world
    }

    /// Runs to the end and checks everything.
    pub fn run(mut self) -> Result<String, Finding> {
        self.boot()?;
        while let Some(at) = self.next_instant() {
            if at > PATIENCE_MS {
                break;
            }
            self.now_ms = self.now_ms.max(at);
            self.happen();
            let more_soon = self.queue.first_key_value().is_some_and(|((t, _), _)| *t == at);
            if more_soon && self.dice.chance(50) {
                continue;
            }
            self.turn()?;
        }
        checkers::at_rest(&self).map_err(|finding| finding.told(&self.trace))?;
        Ok(self.trace)
    }

    /// The wall clock.
    pub fn wall(&self) -> Timestamp {
        let now = i64::try_from(self.now_ms).expect("virtual time is short");
        Timestamp::from_millis(EPOCH_MS + now + self.skew_ms)
    }

    /// Whether the world still misbehaves.
    pub fn is_faulty(&self) -> bool {
        self.now_ms < FAULTS_MS
    }

    /// The store as the engine sees it, mutant included.
    pub fn store(&self) -> Arc<dyn Store> {
        match self.mutant {
            Some(mutant) if mutant.is_of_store() => Arc::new(Mutated {
                inner: self.memory.clone(),
                mutant,
                count: Arc::clone(&self.mutated),
            }),
            _ => Arc::new(self.memory.clone()),
        }
    }

    fn plan(&mut self) {
        for ix in 0..self.clients.len() {
            let at = self.dice.range(0, FAULTS_MS / 2);
            self.enqueue(at, Happening::Client(ix));
        }
        if self.dice.chance(80) {
            for _ in 0..self.dice.range(0, 4) {
                let at = self.dice.range(0, FAULTS_MS);
                self.enqueue(at, Happening::Crash);
            }
        }
        if self.dice.chance(15) {
            let at = self.dice.range(0, FAULTS_MS);
            let step = if self.dice.chance(50) { 3_600_000 } else { -3_600_000 };
            self.enqueue(at, Happening::ClockStep(step));
        }
    }

    fn enqueue(&mut self, at_ms: u64, happening: Happening) {
        self.queued += 1;
        self.queue.insert((at_ms, self.queued), happening);
    }

    fn next_instant(&self) -> Option<u64> {
        let queued = self.queue.first_key_value().map(|((at, _), _)| *at);
        let wake = match &self.core {
            None => Some(self.now_ms + 1),
            Some(core) => core
                .idle_for(self.wall())
                .filter(|_| self.has_work())
                .map(|span| self.now_ms + span.0.max(1)),
        };
        queued.into_iter().chain(wake).min()
    }

    /// Whether the store has a timer left: an idle engine only moves its horizon.
    fn has_work(&self) -> bool {
        !journal::timers(&self.memory).is_empty()
    }

    fn happen(&mut self) {
        while let Some(entry) = self.queue.first_entry() {
            let (at, _) = *entry.key();
            if at > self.now_ms {
                return;
            }
            match entry.remove() {
                Happening::Deed(Deed::Land(thing, class)) => {
                    self.platforms.land(thing, class);
                    let _ = writeln!(self.trace, "{} land {} {}", self.now_ms, thing.0, thing.1);
                }
                Happening::Deed(Deed::Hear(heard)) => self.hear(*heard),
                Happening::Client(ix) => self.client(ix),
                Happening::Crash => self.crash("between turns"),
                Happening::ClockStep(step) => {
                    self.skew_ms += step;
                    let _ = writeln!(self.trace, "{} clock steps {step} ms", self.now_ms);
                }
            }
            if self.dice.chance(30) {
                return;
            }
        }
    }

    fn hear(&mut self, heard: Heard) {
        let Heard { batch, ix, mut number, mut epoch, news } = heard;
        if self.mutant == Some(Mutant::TakesStaleReports)
            && let Some(attempt) = checkers::running_attempt(&self.memory, batch, ix)
        {
            (number, epoch) = (attempt.number, attempt.epoch);
        }
        // A report of a dead process has nobody to hear it.
        if self.core.as_ref().is_none_or(|core| core.epoch() != epoch) {
            return;
        }
        let verdict = self.platforms.verdict(news);
        let _ = writeln!(self.trace, "{} hear {batch} {} #{number}", self.now_ms, ix.0);
        let report = platform::report(verdict);
        self.inputs.push(Input::Reported { batch, ix, number, epoch, report });
    }

    fn client(&mut self, ix: usize) {
        let wall = self.wall();
        let store = self.memory.clone();
        if self.core.is_none() {
            let later = self.now_ms + self.dice.range(100, 2_000);
            self.enqueue(later, Happening::Client(ix));
            return;
        }
        let (inputs, again) = self.clients.act(ix, wall, &store, &mut self.dice);
        self.inputs.extend(inputs);
        if let Some(after) = again {
            let at = self.now_ms + after;
            self.enqueue(at, Happening::Client(ix));
        }
    }

    fn turn(&mut self) -> Result<(), Finding> {
        if self.core.is_none() {
            self.boot()?;
        }
        if self.is_faulty() && self.dice.chance(2) {
            self.memory.fail_at(self.dice.range(0, 12));
        }
        let moment = self.moment();
        let inputs = std::mem::take(&mut self.inputs);
        let Some(core) = self.core.as_mut() else { return Ok(()) };
        let result = core.turn(moment, inputs);
        let releases = match result {
            Ok(releases) => releases,
            Err(problem) => {
                let _ = writeln!(self.trace, "{} disk {problem}", self.now_ms);
                self.crash("inside a turn");
                return Ok(());
            }
        };
        if self.is_faulty() && self.dice.chance(2) {
            drop(releases);
            self.crash("between flush and release");
            return Ok(());
        }
        for release in releases {
            self.release(release);
        }
        self.clients_hear()
    }

    fn release(&mut self, release: Release) {
        match release {
            Release::Tell(tell) => tell(),
            Release::Call(call) => {
                let fine = [(1, Fate::Fine)];
                let faulty = self.is_faulty() && !self.dice.chance(35);
                let fates: &[(u64, Fate)] = if faulty { &self.fates } else { &fine };
                let deeds = platform::fate_of(&call, &self.catalog, fates, &mut self.dice);
                for (after, deed) in deeds {
                    let at = self.now_ms + after;
                    self.enqueue(at, Happening::Deed(deed));
                }
            }
        }
    }

    fn clients_hear(&mut self) -> Result<(), Finding> {
        let heard = self.clients.hear(&mut self.trace, self.now_ms)?;
        self.accepted.extend(heard.accepted);
        for ix in heard.again {
            let at = self.now_ms + self.dice.range(1, 1_500);
            self.enqueue(at, Happening::Client(ix));
        }
        Ok(())
    }

    fn crash(&mut self, when: &str) {
        let keep = usize::try_from(self.dice.range(0, 8)).expect("small");
        let _ = writeln!(self.trace, "{} crash {when}, keeps {keep}", self.now_ms);
        self.core = None;
        self.crashes += 1;
        self.inputs.clear();
        self.memory = self.memory.crash(keep);
        // What was in flight still lands; nobody hears of it. Now and then the machine stays off.
        if self.dice.chance(10) {
            self.now_ms += self.dice.range(1_000, 20_000);
        }
    }

    fn boot(&mut self) -> Result<(), Finding> {
        checkers::after_crash(self)?;
        let store = self.store();
        let fail = |problem: fanfare::store::StoreError| Finding::new("boots", problem.to_string());
        let epoch = store.begin_epoch().map_err(fail)?;
        let options = Options {
            sync_wait: Millis(20_000),
            max_lateness: Millis::from_secs(86_400),
            claim_window: Millis::from_secs(86_400),
            slots_max: 8,
            platform_slots_max: 8,
            links: Links { base: "http://sim".to_owned() },
        };
        let moment = self.moment();
        let core = Core::open(store, Arc::clone(&self.catalog), options, epoch, moment);
        self.core = Some(core.map_err(fail)?);
        let _ = writeln!(self.trace, "{} boot epoch {epoch}", self.now_ms);
        self.clients_hear()
    }

    fn moment(&mut self) -> Moment {
        let entropy = u128::from(self.dice.next()) << 64 | u128::from(self.dice.next());
        Moment { at: self.wall(), uptime: Millis(self.now_ms), entropy }
    }
}
