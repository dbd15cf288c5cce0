//! One moment of one world, and every moment that can come next.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use fanfare::machine::{self, Draft, DraftTarget, Tidings};
use fanfare::model::{
    AccountId, Batch, BatchId, CancelReason, Content, ContentIx, Cursor, Digest, Errand, Event,
    FirstComment, JournalEntry, KeyId, Millis, Outcome, Platform, PostId, ProfileId, RequestId,
    Ruling, SendOutcome, Stamp, TargetIx, Timestamp,
};

use crate::rules::{Class, LANDS_WITHIN, Rules, T0, TICK, answers};

/// A request on its way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Flight {
    step: u16,
    sent: Timestamp,
    /// It certainly takes no effect any more, or has taken it.
    over: bool,
}

/// One moment of one world.
#[derive(Clone)]
pub struct World {
    pub batch: Batch,
    pub now: Timestamp,
    pub epoch: u64,
    pub seq: u64,
    /// By target: what is on its way, and what landed of each step.
    pub flights: Vec<Vec<Flight>>,
    pub landed: Vec<[u8; 2]>,
    pub told: Vec<u8>,
    pub ends: Vec<u8>,
    pub crashes: u8,
    pub deeds: u8,
    pub story: Option<Arc<Story>>,
}

/// How a world came about, newest first.
pub struct Story {
    before: Option<Arc<Story>>,
    what: String,
    entry: Option<JournalEntry>,
}

impl World {
    /// Applies what the engine would; the world must allow it.
    pub fn move_on(&mut self, rules: &Rules, batch: Option<&Batch>, event: Event) {
        self.seq += 1;
        let stamp = Stamp { seq: self.seq, at: self.now, entropy: 0, epoch: self.epoch };
        let moved = machine::transition(batch, &stamp, &event, &rules.catalog);
        let (next, effects) = match moved {
            Ok(moved) => moved,
            Err(refusal) => panic!("{refusal}: {event:?} in\n{}", self.tell()),
        };
        for (ix, tidings) in &effects.tidings {
            let end = matches!(
                tidings,
                Tidings::Published | Tidings::Rejected | Tidings::Failed | Tidings::Canceled
            );
            self.told[usize::from(ix.0)] += u8::from(end);
        }
        let n = next.entries - 1;
        let shown = match &event {
            Event::Accepted(_) => "Accepted".to_owned(),
            other => format!("{other:?}"),
        };
        let event = match event {
            Event::Accepted(first) => {
                Event::Accepted(Box::new(Batch { contents: Default::default(), ..*first }))
            }
            other => other,
        };
        let entry = JournalEntry { batch: next.id, n, stamp, event };
        self.note(shown, Some(entry));
        self.batch = next;
    }

    pub fn apply(&self, rules: &Rules, event: Event) -> Self {
        let mut next = self.clone();
        next.move_on(rules, Some(&self.batch), event);
        next
    }

    pub fn note(&mut self, what: String, entry: Option<JournalEntry>) {
        let what = format!("{} {what}", self.now.since(T0));
        self.story = Some(Arc::new(Story { before: self.story.take(), what, entry }));
    }

    pub fn told(&self) -> Vec<Arc<Story>> {
        let mut all: Vec<Arc<Story>> =
            std::iter::successors(self.story.clone(), |it| it.before.clone()).collect();
        all.reverse();
        all
    }

    pub fn tell(&self) -> String {
        self.told().iter().map(|it| format!("{}\n", it.what)).collect()
    }

    pub fn can_land(&self, flight: &Flight) -> bool {
        !flight.over && self.now <= flight.sent.plus(LANDS_WITHIN)
    }

    /// Everything that can happen next.
    pub fn nexts(&self, rules: &Rules) -> Vec<Self> {
        let mut nexts = Vec::new();
        for n in 0..self.batch.targets.len() {
            let ix = TargetIx(u8::try_from(n).expect("few"));
            self.landings(rules, n, &mut nexts);
            self.steps(rules, ix, &mut nexts);
            if self.deeds > 0 {
                self.deeds(rules, ix, &mut nexts);
            }
        }
        if self.crashes > 0 {
            nexts.push(self.crashed(rules));
        }
        nexts
    }

    pub fn landings(&self, rules: &Rules, n: usize, nexts: &mut Vec<Self>) {
        for (place, flight) in self.flights[n].iter().enumerate() {
            if self.can_land(flight) {
                let mut next = self.clone();
                next.flights[n][place].over = true;
                let there = &mut next.landed[n][usize::from(flight.step)];
                // A key of ours makes of two one.
                if rules.class != Class::Keyed || *there == 0 {
                    *there += 1;
                }
                next.note(format!("step {} of {n} lands", flight.step), None);
                nexts.push(next);
            }
        }
    }

    pub fn steps(&self, rules: &Rules, ix: TargetIx, nexts: &mut Vec<Self>) {
        let target = self.batch.target(ix).expect("it is there");
        match &target.cursor {
            Cursor::Ready { .. } => {
                let mut next = self.apply(rules, Event::Begun { ix });
                if let Cursor::Running(attempt) = next.batch.target(ix).expect("there").cursor
                    && attempt.errand == Errand::Send
                {
                    let flight = Flight { step: attempt.step.step, sent: next.now, over: false };
                    next.flights[usize::from(ix.0)].push(flight);
                }
                nexts.push(next);
            }
            Cursor::Running(attempt) => {
                let n = usize::from(ix.0);
                let step = usize::from(attempt.step.step);
                let there = self.landed[n][step] > 0;
                for (verdict, ends_flight) in
                    answers(rules, attempt.errand, there, self.flew(n, step))
                {
                    let (number, epoch) = (attempt.number, attempt.epoch);
                    let answered = Event::Answered { ix, number, epoch, verdict, exchange: None };
                    let mut next = self.apply(rules, answered);
                    if ends_flight && let Some(flight) = next.flights[n].last_mut() {
                        flight.over = true;
                    }
                    nexts.push(next);
                }
                self.wake(rules, ix, attempt.deadline, nexts);
            }
            Cursor::Queued { due: until }
            | Cursor::Waiting { until, .. }
            | Cursor::Doubtful { until, .. } => self.wake(rules, ix, *until, nexts),
            Cursor::Held { .. } => self.ruled(rules, ix, nexts),
            Cursor::Ended(_) => {}
        }
    }

    /// Whether the last request of a step took effect.
    pub fn flew(&self, n: usize, step: usize) -> bool {
        let last = self.flights[n].iter().rfind(|flight| usize::from(flight.step) == step);
        last.is_some_and(|flight| flight.over)
    }

    pub fn wake(&self, rules: &Rules, ix: TargetIx, at: Timestamp, nexts: &mut Vec<Self>) {
        let mut later = self.clone();
        later.now = later.now.max(at);
        nexts.push(later.apply(rules, Event::Woke { ix }));
    }

    /// An operator looks once nothing can land any more, and says what is there.
    pub fn ruled(&self, rules: &Rules, ix: TargetIx, nexts: &mut Vec<Self>) {
        let n = usize::from(ix.0);
        let mut later = self.clone();
        let last = later.flights[n].iter().map(|it| it.sent.plus(LANDS_WITHIN)).max();
        if later.flights[n].iter().any(|flight| later.can_land(flight)) {
            later.now = later.now.max(last.expect("one").plus(TICK));
        }
        let there = later.landed[n][0] > 0;
        let ruling = if there { Ruling::Published { uri: None } } else { Ruling::Failed };
        later.ends[n] += u8::from(there);
        nexts.push(later.apply(rules, Event::Ruled { ix, ruling }));
    }

    pub fn deeds(&self, rules: &Rules, ix: TargetIx, nexts: &mut Vec<Self>) {
        let target = self.batch.target(ix).expect("it is there");
        let n = usize::from(ix.0);
        let soon = self.now.plus(TICK);
        let event = match &target.cursor {
            Cursor::Ended(Outcome::Failed(fault) | Outcome::Rejected(fault))
                if fault.outcome != Some(SendOutcome::Unknown) =>
            {
                Event::Retried { ix, due: soon, request: None, force: false }
            }
            Cursor::Ended(Outcome::Canceled) => {
                Event::Retried { ix, due: soon, request: None, force: false }
            }
            _ if machine::may_cancel(target, CancelReason::Requested) => {
                Event::Canceled { ix, reason: CancelReason::Requested }
            }
            _ => return,
        };
        let again = matches!(event, Event::Retried { .. });
        let mut before = self.clone();
        before.deeds -= 1;
        before.ends[n] += u8::from(again);
        nexts.push(before.apply(rules, event));
    }

    /// The process dies and another takes over what was under way.
    pub fn crashed(&self, rules: &Rules) -> Self {
        let mut next = self.clone();
        next.crashes -= 1;
        next.epoch += 1;
        next.note("dies".to_owned(), None);
        for n in 0..next.batch.targets.len() {
            if matches!(next.batch.targets[n].cursor, Cursor::Running(_)) {
                let ix = TargetIx(u8::try_from(n).expect("few"));
                next = next.apply(rules, Event::Recovered { ix });
            }
        }
        next
    }

    /// What tells this moment from others: neither how it came about nor when it was.
    pub fn print(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let ago = |at: Timestamp| at.as_millis() - self.now.as_millis();
        for target in &self.batch.targets {
            let at = match &target.cursor {
                Cursor::Queued { due } => (0, None, None, ago(*due)),
                Cursor::Ready { step, errand, .. } => (1, Some(*step), Some(*errand), 0),
                Cursor::Running(it) => (2, Some(it.step), Some(it.errand), ago(it.deadline)),
                Cursor::Waiting { step, until, .. } => (3, Some(*step), None, ago(*until)),
                Cursor::Doubtful { step, until, .. } => (4, Some(*step), None, ago(*until)),
                Cursor::Held { step, .. } => (5, Some(*step), None, 0),
                Cursor::Ended(_) => (6, None, None, 0),
            };
            at.hash(&mut hasher);
            if let Cursor::Waiting { why, .. } = &target.cursor {
                format!("{why:?}").hash(&mut hasher);
            }
            if let Cursor::Ended(Outcome::Failed(fault) | Outcome::Rejected(fault)) = &target.cursor
            {
                format!("{:?} {:?}", fault.code, fault.outcome).hash(&mut hasher);
            }
            matches!(target.cursor, Cursor::Ended(Outcome::Published)).hash(&mut hasher);
            matches!(target.cursor, Cursor::Ended(Outcome::Canceled)).hash(&mut hasher);
            let counts = [target.step_attempts, target.step_spent, target.step_reauths];
            (counts, target.absences, target.doubt_since.map(ago)).hash(&mut hasher);
            (target.receipt.is_some(), target.comment.is_some()).hash(&mut hasher);
            (target.started_at.map(ago), target.due.map(ago)).hash(&mut hasher);
            (target.warnings.len(), target.last_fault.is_some()).hash(&mut hasher);
        }
        for flights in &self.flights {
            let coming = flights.iter().filter(|flight| self.can_land(flight));
            let coming: Vec<_> = coming.map(|flight| (flight.step, ago(flight.sent))).collect();
            (coming, flights.last().is_some_and(|flight| flight.over)).hash(&mut hasher);
        }
        (&self.landed, &self.told, &self.ends, self.crashes, self.deeds).hash(&mut hasher);
        hasher.finish()
    }

    /// What must be true at every moment.
    pub fn broken(&self) -> Option<String> {
        let twice = self.landed.iter().flatten().any(|count| *count > 1);
        twice.then(|| "no_duplicate_landing".to_owned())
    }

    /// What must be true when nothing happens any more.
    pub fn broken_at_rest(&self, rules: &Rules) -> Option<String> {
        for (n, target) in self.batch.targets.iter().enumerate() {
            let posts = self.landed[n][0];
            let told = match &target.cursor {
                Cursor::Ended(Outcome::Published) => posts == 1,
                Cursor::Ended(Outcome::Failed(fault) | Outcome::Rejected(fault)) => {
                    posts == 0 || fault.outcome == Some(SendOutcome::Unknown)
                }
                Cursor::Ended(Outcome::Canceled) => posts == 0,
                // An operator is asked, and has not answered yet.
                Cursor::Held { .. } => true,
                other => return Some(format!("every_batch_settles: {other:?}")),
            };
            if !told {
                return Some(format!("told_as_it_is: {posts} posts, {:?}", target.cursor));
            }
            if self.told[n] != self.ends[n] {
                return Some(format!(
                    "each_end_is_told_once: {} of {}",
                    self.told[n], self.ends[n]
                ));
            }
        }
        let entries: Vec<JournalEntry> =
            self.told().iter().filter_map(|it| it.entry.clone()).collect();
        match machine::replay(&entries, &self.batch.contents, &rules.catalog) {
            Ok((batch, _)) if batch == self.batch => None,
            Ok(_) => Some("replay_equals_head".to_owned()),
            Err(problem) => Some(format!("replay_equals_head: {problem}")),
        }
    }
}

impl Rules {
    /// The first moment: a batch of so many targets was accepted.
    pub fn start(&self, targets: u8) -> World {
        let comment = self.comment.then(|| FirstComment { text: "and".into() });
        let contents = (0..targets).map(|n| Content {
            text: format!("post {n}"),
            first_comment: comment.clone(),
            ..Content::default()
        });
        let draft = Draft {
            id: BatchId::from_raw(1),
            at: T0,
            request_id: RequestId::from_caller("r").expect("a good id"),
            key: KeyId::from_raw(1),
            test: false,
            claim: None,
            scheduled_at: None,
            reply_by: T0.plus(Millis(3_600_000)),
            contents: contents.collect(),
            targets: (0..targets)
                .map(|n| DraftTarget {
                    post: PostId::from_raw(u128::from(n) + 2),
                    account: AccountId::from_raw(u128::from(n) + 3),
                    profile: ProfileId::from_raw(4),
                    platform: Platform::Sandbox,
                    definition: Digest([7; 32]),
                    content: ContentIx(u16::from(n)),
                    warnings: vec![],
                })
                .collect(),
        };
        let first = machine::draft(draft, &self.catalog).expect("a good draft");
        let mut world = World {
            batch: first.clone(),
            now: T0,
            epoch: 1,
            seq: 0,
            flights: vec![Vec::new(); usize::from(targets)],
            landed: vec![[0; 2]; usize::from(targets)],
            told: vec![0; usize::from(targets)],
            ends: vec![1; usize::from(targets)],
            crashes: self.crashes,
            deeds: self.deeds,
            story: None,
        };
        world.move_on(self, None, Event::Accepted(Box::new(first)));
        world
    }
}
