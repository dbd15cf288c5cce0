//! What must be true: after every crash, and at rest.

use fanfare::model::{Attempt, BatchId, Cursor, Digest, Millis, Platform, TargetIx};
use fanfare::store::{Memory, load_batch};
use fanfare::workflow::{Backoff, Catalog, Definition, Doubt, Each, OnFail, Step, Visible, When};

use crate::journal::{Finding, as_told, batches, load, never_early, sound, timers};
use crate::mutant::Mutant;
use crate::platform::LANDS_WITHIN_MS;
use crate::world::World;

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
        if load(&world.memory, *id)?.is_none() {
            return Err(Finding::new("no_batch_is_lost", format!("{id} was answered and is gone")));
        }
    }
    sound(&world.memory, &world.catalog)
}

/// What must be true when nothing more happens.
pub fn at_rest(world: &World) -> Result<(), Finding> {
    sound(&world.memory, &world.catalog)?;
    if let Some(ix) = world.clients.unanswered() {
        let what = format!("client {ix} was never answered");
        return Err(Finding::new("every_batch_settles", what));
    }
    for batch in batches(&world.memory)? {
        let loose = batch.targets.iter().find(|target| !target.cursor.is_settled());
        if let Some(target) = loose {
            let what = format!("{} stands at {:?}", target.post, target.cursor);
            return Err(Finding::new("every_batch_settles", what));
        }
        for target in &batch.targets {
            let landings = |kind| {
                world.platforms.landings.get(&(target.post, kind)).map_or(0, |there| there.len())
            };
            as_told(target, landings("post"), landings("comment"))?;
            never_early(target)?;
        }
    }
    if let Some((at, id)) = timers(&world.memory).first() {
        return Err(Finding::new("no_orphan_timer", format!("{id} at {at}")));
    }
    let per_key = batches(&world.memory)?.len();
    let known = world.clients.batches().count();
    if per_key != known {
        let what = format!("{per_key} batches for {known} keys");
        return Err(Finding::new("one_batch_per_key", what));
    }
    Ok(())
}
