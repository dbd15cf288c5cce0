//! What must be true of the whole house: after every crash, and at rest.

use std::sync::Arc;

use fanfare::model::{Cursor, Digest, Millis, Outcome, Platform, Target};
use fanfare::store::{Key, Order, Store};

use super::world::{QUIET_MS, World};
use crate::journal::{self, Finding};

/// How late a due post may begin once nothing goes wrong any more: as long as those of its account
/// that are due with it take.
const LATE_MAX: Millis = Millis(10_000);

/// What must be true whenever a process life begins.
pub fn after_crash(world: &Arc<World>) -> Result<(), Finding> {
    for client in &world.clients {
        let client = client.try_lock().expect("its process is dead");
        for id in &client.batches {
            if journal::load(&world.memory, *id)?.is_none() {
                let what = format!("{id} was answered and is gone");
                return Err(Finding::new("no_batch_is_lost", what));
            }
        }
    }
    let loaded = fanfare::workflow::load(&Default::default()).expect("the built-in texts hold");
    journal::sound(&world.memory, &loaded.catalog)
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
    let batches = journal::batches(&world.memory)?;
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
        }
    }
    keys_are_batches(world, batches.len())?;
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

/// A post whose time came after the faults began in time.
fn in_time(world: &Arc<World>, target: &Target) -> Result<(), Finding> {
    let state = world.state();
    if state.is_stepped() {
        // By which clock it was late nobody can say.
        return Ok(());
    }
    let Some((due, began)) = target.due.zip(target.started_at) else { return Ok(()) };
    let quiet = state.open_since.unwrap_or_default() + QUIET_MS;
    let late = began.since(due.max(state.at(quiet)));
    if late > LATE_MAX {
        let what = format!("{} was due at {due} and began {late} later", target.post);
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
    let notices = journal::notices(&world.memory)?;
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

/// Claims there are.
pub fn claims(world: &Arc<World>) -> usize {
    let (first, last) = (Key::Claim(Digest([0; 32])), Key::Claim(Digest([255; 32])));
    let found = world.memory.scan(&first, &last, Order::Ascending, usize::MAX);
    found.map_or(0, |rows| rows.len())
}
