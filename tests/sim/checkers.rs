//! What must be true: after every crash, and at rest.

use fanfare::machine;
use fanfare::model::{
    Attempt, Batch, BatchId, Cursor, Digest, Event, JournalEntry, Millis, Notice, NoticeId,
    NoticeKind, Outcome, Platform, Ruling, SendOutcome, Target, TargetIx, Timestamp,
};
use fanfare::store::{Key, Memory, Order, Record, Store, load_batch, verify};
use fanfare::workflow::{Backoff, Catalog, Definition, Doubt, Each, OnFail, Step, Visible, When};

use crate::mutant::Mutant;
use crate::platform::LANDS_WITHIN_MS;
use crate::world::World;

/// Something that is not true and should be.
#[derive(Debug)]
pub struct Finding {
    pub checker: &'static str,
    pub what: String,
}

impl Finding {
    pub fn new(checker: &'static str, what: impl Into<String>) -> Self {
        Self { checker, what: what.into() }
    }

    /// With the story before it, where one seed is looked at.
    pub fn told(self, trace: &str) -> Self {
        match std::env::var_os("SIM_SEED") {
            Some(_) => Self { what: format!("{trace}{}", self.what), ..self },
            None => self,
        }
    }
}

/// The workflows of the simulated platforms, and the first of their two accounts.
pub const DEFINITIONS: [(&str, u128); 3] =
    [("sandbox", 100), ("sandbox-readable", 200), ("sandbox-blind", 300)];

/// The digest a definition of that name has here.
pub fn digest_of(name: &str) -> Digest {
    let place = DEFINITIONS.iter().position(|(known, _)| *known == name).expect("a known name");
    Digest([u8::try_from(place + 1).expect("few"); 32])
}

/// The simulated workflows, spoiled where the mutant wants them so.
pub fn catalog(mutant: Option<Mutant>) -> Catalog {
    let grace = if mutant == Some(Mutant::ProbesAtOnce) { 0 } else { LANDS_WITHIN_MS + 500 };
    let probe = Doubt::Probe { grace: Millis(grace), looks: 2, pause: Millis(200) };
    let hold = if mutant == Some(Mutant::RepeatsWithoutKey) { Doubt::Repeat } else { Doubt::Hold };
    let mut catalog = Catalog::default();
    for ((name, _), doubt) in DEFINITIONS.into_iter().zip([Doubt::Repeat, probe, hold]) {
        catalog.add_current(Definition {
            name: name.to_owned(),
            platform: Platform::Sandbox,
            digest: digest_of(name),
            give_up_after: Millis::from_secs(600),
            account_slots: 2,
            steps: steps(doubt),
        });
    }
    catalog
}

fn steps(doubt: Doubt) -> Vec<Step> {
    let step = |name: &str, visible, when, each, on_fail| Step {
        name: name.to_owned(),
        each,
        when,
        visible,
        timeout: Millis(1_000),
        attempts_max: 4,
        backoff: Backoff { first: Millis(100), max: Millis(3_000), jitter_percent: 20 },
        on_doubt: doubt,
        on_fail,
    };
    vec![
        step("upload", Visible::No, When::Media, Each::Media, OnFail::Fail),
        step("publish", Visible::Post, When::Always, Each::Once, OnFail::Fail),
        step("first_comment", Visible::Comment, When::FirstComment, Each::Once, OnFail::Warn),
    ]
}

/// Every stored timer.
pub fn timers(store: &Memory) -> Vec<(Timestamp, BatchId)> {
    let from = Key::Timer(Timestamp::from_millis(i64::MIN), BatchId::from_raw(0));
    let found = store.scan(&from, &Key::LAST_TIMER, Order::Ascending, usize::MAX);
    let keys = found.unwrap_or_default().into_iter().map(|(key, _)| key);
    keys.filter_map(|key| if let Key::Timer(at, id) = key { Some((at, id)) } else { None })
        .collect()
}

/// The attempt under way at a target, as the store has it.
pub fn running_attempt(store: &Memory, batch: BatchId, ix: TargetIx) -> Option<Attempt> {
    let batch = load_batch(store, batch).ok().flatten()?;
    match batch.target(ix)?.cursor {
        Cursor::Running(attempt) => Some(attempt),
        _ => None,
    }
}

/// What must be true whenever a process life begins.
pub fn after_crash(world: &World) -> Result<(), Finding> {
    for id in &world.accepted {
        if load(world, *id)?.is_none() {
            return Err(Finding::new("no_batch_is_lost", format!("{id} was answered and is gone")));
        }
    }
    sound(world)
}

/// What must be true when nothing more happens.
pub fn at_rest(world: &World) -> Result<(), Finding> {
    sound(world)?;
    if let Some(ix) = world.clients.unanswered() {
        let what = format!("client {ix} was never answered");
        return Err(Finding::new("every_batch_settles", what));
    }
    for batch in batches(world)? {
        let loose = batch.targets.iter().find(|target| !target.cursor.is_settled());
        if let Some(target) = loose {
            let what = format!("{} stands at {:?}", target.post, target.cursor);
            return Err(Finding::new("every_batch_settles", what));
        }
        for target in &batch.targets {
            landed_as_told(world, &batch, target)?;
        }
    }
    if let Some((at, id)) = timers(&world.memory).first() {
        return Err(Finding::new("no_orphan_timer", format!("{id} at {at}")));
    }
    let per_key = batches(world)?.len();
    let known = world.clients.batches().count();
    if per_key != known {
        let what = format!("{per_key} batches for {known} keys");
        return Err(Finding::new("one_batch_per_key", what));
    }
    Ok(())
}

/// The store holds together and every journal replays to its head.
fn sound(world: &World) -> Result<(), Finding> {
    let report = verify(&world.memory)
        .map_err(|problem| Finding::new("store_is_sound", problem.to_string()))?;
    if let Some(finding) = report.findings.first() {
        let timer = finding.problem.contains("timer");
        let checker = if timer { "no_orphan_timer" } else { "store_is_sound" };
        return Err(Finding::new(checker, format!("{}: {}", finding.key, finding.problem)));
    }
    for batch in batches(world)? {
        replays(world, &batch)?;
    }
    Ok(())
}

fn replays(world: &World, head: &Batch) -> Result<(), Finding> {
    let broken = |what: String| Finding::new("replay_equals_head", what);
    let from = Key::Entry(head.id, 0);
    let to = Key::Entry(head.id, u32::MAX);
    let entries = world
        .memory
        .scan(&from, &to, Order::Ascending, usize::MAX)
        .map_err(|problem| broken(problem.to_string()))?;
    let entries: Vec<JournalEntry> = entries
        .into_iter()
        .filter_map(|(_, record)| match record {
            Record::Entry(entry) => Some(*entry),
            _ => None,
        })
        .collect();
    let (replayed, effects) = machine::replay(&entries, &head.contents, &world.catalog)
        .map_err(|problem| broken(format!("{}: {problem}", head.id)))?;
    let settled = effects.iter().filter(|effects| effects.settled).count();
    let revived = effects.iter().filter(|effects| effects.revived).count();
    if replayed != *head {
        return Err(broken(first_difference(&replayed, head)));
    }
    if settled != revived + usize::from(head.is_settled()) {
        let what = format!("{} settled {settled} times and revived {revived} times", head.id);
        return Err(Finding::new("settles_once", what));
    }
    for (ix, target) in head.places() {
        told_once(world, head, ix, target, &entries)?;
    }
    Ok(())
}

/// The world is told of each end of a target once: of each round, and of a post that an operator
/// found live after all.
fn told_once(
    world: &World,
    batch: &Batch,
    ix: TargetIx,
    target: &Target,
    entries: &[JournalEntry],
) -> Result<(), Finding> {
    let mut expected = usize::from(target.cursor.is_settled());
    for entry in entries {
        match &entry.event {
            Event::Retried { ix: at, .. } if *at == ix => expected += 1,
            Event::Ruled { ix: at, ruling: Ruling::Published { .. } } if *at == ix => {
                expected += 1;
            }
            _ => {}
        }
    }
    let told = notices(world)?.into_iter().filter(|notice| {
        let end = matches!(
            notice.kind,
            NoticeKind::PostPublished
                | NoticeKind::PostRejected
                | NoticeKind::PostFailed
                | NoticeKind::PostCanceled
        );
        end && notice.data.contains(&target.post.to_string())
    });
    let told: Vec<&str> = told.map(|notice| notice.kind.as_str()).collect();
    if told.len() != expected {
        let what = format!("{} of {}: {expected} ends, told {told:?}", target.post, batch.id);
        return Err(Finding::new("each_end_is_told_once", what));
    }
    Ok(())
}

fn notices(world: &World) -> Result<Vec<Notice>, Finding> {
    let first = Key::Notice(NoticeId::from_raw(0));
    let found = world.memory.scan(&first, &Key::LAST_NOTICE, Order::Ascending, usize::MAX);
    let found = found.map_err(|problem| Finding::new("store_is_sound", problem.to_string()))?;
    let notices = found.into_iter().filter_map(|(_, record)| match record {
        Record::Notice(notice) => Some(notice),
        _ => None,
    });
    Ok(notices.collect())
}

fn first_difference(replayed: &Batch, stored: &Batch) -> String {
    let (a, b) = (format!("{replayed:#?}"), format!("{stored:#?}"));
    let differs = a.lines().zip(b.lines()).enumerate().find(|(_, (x, y))| x != y);
    match differs {
        Some((n, (x, y))) => {
            let around: Vec<&str> = b.lines().skip(n.saturating_sub(6)).take(8).collect();
            format!("replayed {x}, stored {y}, in\n{}", around.join("\n"))
        }
        None => "one is longer".to_owned(),
    }
}

/// What the wire says of a target is what happened on its platform.
fn landed_as_told(world: &World, batch: &Batch, target: &Target) -> Result<(), Finding> {
    let landings =
        |kind| world.platforms.landings.get(&(target.post, kind)).map_or(0, |there| there.len());
    let (posts, comments) = (landings("post"), landings("comment"));
    let story = format!("{} {:?}: {posts} posts, {comments} comments", target.post, target.cursor);
    if posts > 1 || comments > 1 {
        return Err(Finding::new("no_duplicate_landing", story));
    }
    let ruled = target.warnings.iter().any(|warning| warning.code == "ruled_published");
    let wrong = match &target.cursor {
        Cursor::Ended(Outcome::Published) => posts == 0 && !ruled,
        Cursor::Ended(Outcome::Canceled) => posts > 0,
        Cursor::Ended(Outcome::Rejected(_)) => posts > 0,
        Cursor::Ended(Outcome::Failed(fault)) => {
            let was_held = fault.rule.as_deref().is_some_and(|r| r.ends_with("outcome_unknown"));
            posts > 0 && !was_held && fault.outcome != Some(SendOutcome::Unknown)
        }
        _ => false,
    };
    if wrong {
        return Err(Finding::new("told_as_it_is", story));
    }
    let early = target.due.zip(target.started_at).is_some_and(|(due, began)| began < due);
    if early {
        return Err(Finding::new("never_before_its_time", format!("{} {story}", batch.id)));
    }
    Ok(())
}

fn load(world: &World, id: BatchId) -> Result<Option<Batch>, Finding> {
    load_batch(&world.memory, id)
        .map_err(|problem| Finding::new("store_is_sound", problem.to_string()))
}

fn batches(world: &World) -> Result<Vec<Batch>, Finding> {
    let posts = world
        .memory
        .scan(&Key::FIRST_POST, &Key::LAST_POST, Order::Ascending, usize::MAX)
        .map_err(|problem| Finding::new("store_is_sound", problem.to_string()))?;
    let mut ids: Vec<BatchId> = posts
        .into_iter()
        .filter_map(|(_, record)| match record {
            Record::Post(place) => Some(place.batch),
            _ => None,
        })
        .collect();
    ids.dedup();
    ids.into_iter().filter_map(|id| load(world, id).transpose()).collect()
}
