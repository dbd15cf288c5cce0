//! What must be true of the whole house: after every crash, and at rest.

use std::sync::Arc;

use fanfare::model::{BatchId, Cursor, Digest, Millis, Outcome, Platform, Target, Timestamp};
use fanfare::store::{Key, Order, Store, verify};

use super::disk::Flaw;
use super::files;
use super::life;
use super::world::{QUIET_MS, World};
use crate::journal::{self, Finding};

/// How late a due post may come once nothing goes wrong any more: as long as those of its account
/// that are due with it take.
const LATE_MAX: Millis = Millis(10_000);

/// What must be true whenever a process life begins.
pub fn after_crash(world: &Arc<World>) -> Result<(), Finding> {
    for client in &world.clients {
        let client = client.try_lock().expect("its process is dead");
        for id in &client.batches {
            if journal::load(&world.memory(), *id)?.is_none() {
                let what = format!("{id} was answered and is gone");
                return Err(Finding::new("no_batch_is_lost", what));
            }
        }
    }
    let loaded = fanfare::workflow::load(&Default::default()).expect("the built-in texts hold");
    journal::sound(&world.memory(), &life::flawed(&loaded, world.flaw))
}

/// What must be true when nothing more happens.
pub fn at_rest(world: &Arc<World>) -> Result<(), Finding> {
    after_crash(world)?;
    {
        let mut state = world.state();
        let now = state.true_time();
        state.timeline.settle(now);
        state.pds.settle(now);
    }
    let batches = journal::batches(&world.memory())?;
    for target in batches.iter().flat_map(|batch| &batch.targets) {
        never_early(world, target)?;
    }
    for batch in &batches {
        for target in &batch.targets {
            if !target.cursor.is_settled() {
                let what = format!("{} stands at {:?}", target.post, target.cursor);
                return Err(Finding::new("every_batch_settles", what));
            }
            let content = batch.content_of(target);
            let comment = content.first_comment.as_ref().map(|first| first.text.as_str());
            let (posts, comments) = landed(world, target, &content.text, comment);
            journal::as_told(target, posts, comments)?;
            in_time(world, target)?;
            stays_connected(target)?;
            files::not_for_want_of_media(world, batch, target)?;
        }
    }
    keys_are_batches(world, batches.len())?;
    let reused = world.state().pds.reused;
    if reused > 0 {
        let what = format!("{reused} refresh tokens were sent again after they had been answered");
        return Err(Finding::new("one_refresh_per_token", what));
    }
    files::as_given(world)?;
    everything_arrived(world)
}

fn landed(
    world: &Arc<World>,
    target: &Target,
    text: &str,
    comment: Option<&str>,
) -> (usize, usize) {
    let state = world.state();
    if target.platform == Platform::Bluesky {
        let comments = comment.map_or(0, |comment| {
            let uri = target.receipt.as_ref().and_then(|receipt| receipt.uri.clone());
            state.pds.comments(comment, uri.as_deref().unwrap_or_default())
        });
        return (state.pds.says(text), comments);
    }
    let post = target.post.to_string();
    (state.timeline.count(&post, "post"), state.timeline.count(&post, "comment"))
}

/// No post lands before its time.
fn never_early(world: &Arc<World>, target: &Target) -> Result<(), Finding> {
    let state = world.state();
    let landed = state.timeline.first(&target.post.to_string());
    match target.due.zip(landed) {
        Some((due, landed)) if landed < due && !state.is_stepped() => {
            let what = format!("{} was due at {due} and landed at {landed}", target.post);
            Err(Finding::new("never_before_its_time", what))
        }
        _ => Ok(()),
    }
}

/// A post whose time came after the faults came in time.
fn in_time(world: &Arc<World>, target: &Target) -> Result<(), Finding> {
    let state = world.state();
    let Some((due, began)) = target.due.zip(target.started_at) else { return Ok(()) };
    let quiet = state.at(state.open_since.unwrap_or_default() + QUIET_MS);
    let came = state.timeline.first(&target.post.to_string()).unwrap_or(began);
    let late = came.since(due.max(quiet));
    // Once the clock was moved, or runs fast, nobody can say by which one it was late.
    let unclear = state.is_stepped() || world.flaw == Some(Flaw::WakesEarly);
    if late > LATE_MAX && !unclear {
        let what = format!("{} was due at {due} and came {late} later", target.post);
        return Err(Finding::new("due_posts_go_out_in_time", what));
    }
    Ok(())
}

/// Sessions run out all the time here, and passwords are good: no post may fail for want of one.
fn stays_connected(target: &Target) -> Result<(), Finding> {
    let (Outcome::Failed(fault) | Outcome::Rejected(fault)) = (match &target.cursor {
        Cursor::Ended(outcome) => outcome,
        _ => return Ok(()),
    }) else {
        return Ok(());
    };
    let rule = fault.rule.clone().unwrap_or_default();
    if target.platform == Platform::Bluesky
        && matches!(rule.as_str(), "bluesky.auth" | "account.reconnect_required")
    {
        return Err(Finding::new("accounts_stay_connected", format!("{}: {rule}", target.post)));
    }
    Ok(())
}

fn keys_are_batches(world: &Arc<World>, batches: usize) -> Result<(), Finding> {
    let mut known = 0;
    for client in &world.clients {
        let client = client.try_lock().expect("all is at rest");
        known += client.batches.len();
        let state = world.state();
        for text in &client.unasked {
            if state.timeline.says(text) + state.pds.says(text) > 0 {
                let what = format!("{text:?} was refused and is live");
                return Err(Finding::new("one_batch_per_key", what));
            }
        }
    }
    if known != batches {
        let what = format!("{batches} batches for {known} keys");
        return Err(Finding::new("one_batch_per_key", what));
    }
    Ok(())
}

/// Every event reached every endpoint.
fn everything_arrived(world: &Arc<World>) -> Result<(), Finding> {
    let notices = journal::notices(&world.memory())?;
    let state = world.state();
    for url in state.receivers.urls() {
        for notice in &notices {
            if !state.receivers.has(url, &notice.id.to_string()) {
                let what = format!("{} {} never reached {url}", notice.id, notice.kind.as_str());
                return Err(Finding::new("every_event_arrives", what));
            }
        }
    }
    Ok(())
}

/// The keys that live for more than a few minutes from now on.
pub fn young_keys(world: &Arc<World>) -> Vec<Digest> {
    let soon = world.state().wall().plus(Millis::from_secs(600));
    let (first, last) = (claims_from(soon), claims_from(Timestamp::from_millis(i64::MAX)));
    let found = world.memory().scan(&first, &last, Order::Ascending, usize::MAX);
    let ids = found.unwrap_or_default().into_iter().filter_map(|(key, _)| match key {
        Key::Claim(_, id) => Some(id),
        _ => None,
    });
    ids.collect()
}

/// Keys are as young as they are, whatever the wall clock says.
pub fn keys_outlive_the_clock(world: &Arc<World>, young: &[Digest]) -> Result<(), Finding> {
    let memory = world.memory();
    let gone = young.iter().filter(|id| !matches!(memory.claim(id), Ok(Some(_)))).count();
    if gone > 0 {
        let what = format!("{gone} of {} young keys are forgotten", young.len());
        return Err(Finding::new("keys_outlive_the_clock", what));
    }
    Ok(())
}

fn claims_from(at: Timestamp) -> Key {
    Key::Claim(at, Digest([0; 32]))
}

/// What must be true a hundred days later: what is over is forgotten, and the posts are there.
pub fn long_after(world: &Arc<World>, batches: usize) -> Result<(), Finding> {
    let end = |ms| claims_from(Timestamp::from_millis(ms));
    let (first, last) = (end(i64::MIN), end(i64::MAX));
    let rows = |first: &Key, last: &Key| {
        let found = world.memory().scan(first, last, Order::Ascending, usize::MAX);
        found.map_or(usize::MAX, |rows| rows.len())
    };
    let claims = rows(&first, &last);
    let old = world.state().wall().minus(Millis::from_secs(31 * 86_400));
    let notices = journal::notices(&world.memory())?.iter().filter(|it| it.at < old).count();
    let (first, last) =
        (Key::Settled(Timestamp::from_millis(i64::MIN), BatchId::from_raw(0)), Key::LAST_SETTLED);
    let journals = rows(&first, &last);
    let kept = files::kept(world).difference(&files::uploaded(world)).count();
    if claims + notices + journals + kept > 0 {
        let what = format!(
            "{claims} claims, {notices} events, {journals} journals and {kept} files are left"
        );
        return Err(Finding::new("what_is_over_is_forgotten", what));
    }
    let left = journal::batches(&world.memory())?.len();
    if left != batches {
        let what = format!("{left} of {batches} batches are left");
        return Err(Finding::new("no_batch_is_lost", what));
    }
    let report = verify(&world.memory());
    let report = report.map_err(|problem| Finding::new("store_is_sound", problem.to_string()))?;
    match report.findings.first() {
        Some(it) => Err(Finding::new("store_is_sound", format!("{}: {}", it.key, it.problem))),
        None => Ok(()),
    }
}
