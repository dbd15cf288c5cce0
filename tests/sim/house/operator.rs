//! Whoever runs the server: sets it up, rules on held posts, moves the clock, and waits for rest.

use std::sync::Arc;

use fanfare::accounts::{ConnectBluesky, Place};
use fanfare::engine::{Asking, Change};
use fanfare::model::{
    Cursor, EndpointId, KeyPrefix, Millis, NoticeId, RequestId, Ruling, Scope, Secret, Timestamp,
};
use fanfare::store::{Key, Order, Record, Store as _};
use fanfare::wire::{EndpointRequest, KeyRequest};

use super::life::{CLAIM_WINDOW, Rooms};
use super::net::{PDS, pause};
use super::world::{FAULTS_MS, World};
use super::{checks, client, files, losses};
use crate::journal::{self, Finding};

/// Virtual milliseconds after the faults within which everything settles: the longest is a webhook
/// receiver that was deaf, with its waits.
const PATIENCE_MS: u64 = 3 * 3_600_000;
/// How far the clock steps at the end.
const AGES_MS: i64 = 100 * 86_400_000;
/// In how many of a hundred looks files are removed that nobody needs.
const PRUNES: u64 = 3;
/// How many worlds in a hundred are looked at until their keys have had their time: thousands of
/// turns are in it in which nothing happens.
const LONG_LIVED: u64 = 10;
/// How many requests flood the mailbox.
const FLOOD: usize = 4_200;

/// How it ends.
pub enum Day {
    /// All is done.
    Over,
    /// All is done but for what the clock will show: the process ends, and comes back.
    Night,
}

/// Runs the world until all is done.
pub async fn run(world: &Arc<World>, rooms: &Arc<Rooms>) -> Result<Day, Finding> {
    if world.state().young.is_some() {
        return outlive(world).await;
    }
    if world.state().open_since.is_none() {
        set_up(world, rooms).await?;
    }
    let mut actors = tokio::task::JoinSet::new();
    for client in &world.clients {
        actors.spawn(client::run(Arc::clone(world), Arc::clone(rooms), Arc::clone(client)));
    }
    loop {
        pause(if world.is_calm() { 20_000 } else { 250 }).await;
        disturb(world, rooms)?;
        if world.state().dice.chance(PRUNES) {
            files::prune(world, rooms);
        }
        rule(world, rooms).await;
        if world.finding_seen() {
            return Ok(Day::Over);
        }
        let open = world.state().open_for().unwrap_or_default();
        if world.is_calm() && actors.is_empty() && is_quiet(world) {
            checks::at_rest(world)?;
            return grow_old(world).await;
        }
        while actors.try_join_next().is_some() {}
        if open > FAULTS_MS + PATIENCE_MS + world.state().idle_ms {
            return Err(Finding::new("every_batch_settles", unrest(world, actors.len())));
        }
    }
}

/// A hundred days pass, as far as the wall clock can tell: now, or while the process is down.
async fn grow_old(world: &Arc<World>) -> Result<Day, Finding> {
    let young = checks::young_keys(world);
    {
        let mut state = world.state();
        state.young = Some(young);
        // Whoever restores a backup after that restores the keys of then.
        state.plan.losses.clear();
        if state.dice.chance(50) {
            state.plan.nights = vec![AGES_MS];
            return Ok(Day::Night);
        }
        state.step(AGES_MS);
    }
    outlive(world).await
}

/// The clock shows a hundred days later. Then the time passes for which keys live, with the upkeep
/// after it.
async fn outlive(world: &Arc<World>) -> Result<Day, Finding> {
    let batches = journal::batches(&world.memory())?.len();
    let young = world.state().young.clone().unwrap_or_default();
    pause(120_000).await;
    checks::keys_outlive_the_clock(world, &young)?;
    let goes_on = world.state().dice.chance(LONG_LIVED);
    if goes_on {
        pause(CLAIM_WINDOW.0 + 3_600_000).await;
        checks::long_after(world, batches)?;
    }
    Ok(Day::Over)
}

/// Accounts, a key, endpoints: what a first start makes, with nothing going wrong yet.
async fn set_up(world: &Arc<World>, rooms: &Arc<Rooms>) -> Result<(), Finding> {
    let broken = |what: &dyn std::fmt::Debug| Finding::new("sets_up", format!("{what:?}"));
    for name in ["one", "two"] {
        let made = rooms.accounts.connect_sandbox(name.to_owned(), Place::Default).await;
        let sandbox = made.map_err(|fault| broken(&fault))?;
        let asked = ConnectBluesky {
            identifier: format!("{name}.test"),
            app_password: Secret::new("abcd-efgh-ijkl-mnop"),
            pds_url: Some(PDS.to_owned()),
            place: Place::Default,
        };
        let made = rooms.accounts.connect_bluesky(asked).await;
        let bluesky = made.map_err(|fault| broken(&fault))?;
        let mut state = world.state();
        state.profile = Some(sandbox.account.profile);
        state.accounts[0].push(sandbox.account.id.to_string());
        state.accounts[1].push(bluesky.account.id.to_string());
    }
    let asked = KeyRequest {
        name: "clients".to_owned(),
        prefix: KeyPrefix::Live,
        scopes: Scope::ALL.iter().map(|scope| scope.as_str().to_owned()).collect(),
        profile: None,
    };
    let minted = rooms.accounts.mint_key(asked).await.map_err(|fault| broken(&fault))?;
    let endpoints = world.state().dice.range(0, 2);
    for n in 0..endpoints {
        let url = format!("http://hears.sim/{n}");
        let asked = EndpointRequest { url: url.clone(), kinds: Vec::new(), description: None };
        let (records, reply) = rooms.webhooks.create(asked).map_err(|fault| broken(&fault))?;
        rooms.engine.record(records).await.map_err(|problem| broken(&problem))?;
        let shown: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
        let secret = shown["signingSecret"].as_str().expect("it is shown once");
        world.state().receivers.add(&url, Secret::new(secret));
    }
    let mut state = world.state();
    state.api_key = minted.plaintext.expose().to_owned();
    state.open_since = Some(state.now_ms());
    state.note("open");
    Ok(())
}

/// What the plan has for this moment.
fn disturb(world: &Arc<World>, rooms: &Arc<Rooms>) -> Result<(), Finding> {
    let mut state = world.state();
    let Some(open) = state.open_for() else { return Ok(()) };
    while state.plan.steps.first().is_some_and(|(at, _)| *at <= open) {
        let (_, by) = state.plan.steps.remove(0);
        state.step(by);
    }
    if state.plan.floods.first().is_some_and(|at| *at <= open) {
        state.plan.floods.remove(0);
        state.note("a flood");
        for _ in 0..FLOOD {
            let engine = rooms.engine.clone();
            tokio::spawn(async move { engine.health().await.is_ok() });
        }
    }
    if state.plan.backups.first().is_some_and(|at| *at <= open) {
        state.plan.backups.remove(0);
        drop(state);
        losses::back_up(world, rooms)?;
    }
    Ok(())
}

/// Held posts are looked at now and then, and ruled on as the platform shows.
async fn rule(world: &Arc<World>, rooms: &Arc<Rooms>) {
    let looks = if world.is_calm() { 100 } else { 10 };
    if !world.state().dice.chance(looks) {
        return;
    }
    let Ok(batches) = journal::batches(&world.memory()) else { return };
    let mut all = batches.iter().flat_map(|batch| batch.targets.iter().map(move |it| (batch, it)));
    let held = all.find(|(_, target)| matches!(target.cursor, Cursor::Held { .. }));
    let Some((batch, target)) = held else { return };
    let (post, text) = (target.post, batch.content_of(target).text.clone());
    // Long enough after for what was sent to have landed.
    pause(10_000).await;
    let landed = {
        let mut state = world.state();
        let now = state.true_time();
        state.timeline.settle(now);
        state.pds.settle(now);
        state.timeline.count(&post.to_string(), "post") + state.pds.says(&text) > 0
    };
    let ruling = if landed { Ruling::Published { uri: None } } else { Ruling::Failed };
    let _ = rooms.engine.change(post, Change::Rule { ruling }, Asking::default()).await;
}

/// Whether nothing waits any more.
fn is_quiet(world: &Arc<World>) -> bool {
    journal::timers(&world.memory()).is_empty() && deliveries(world) == 0 && is_fanned_out(world)
}

/// Whether a delivery has been made of every event.
fn is_fanned_out(world: &Arc<World>) -> bool {
    let newest = journal::notices(&world.memory()).ok().and_then(|all| all.last().map(|it| it.id));
    match world.memory().get(&Key::NoticeCursor) {
        Ok(Some(Record::NoticeCursor(cursor))) => Some(cursor) == newest,
        _ => newest.is_none(),
    }
}

/// Deliveries that are still due.
fn deliveries(world: &Arc<World>) -> usize {
    let turn = |endpoint: u128, at, notice: u128| {
        let (endpoint, notice) = (EndpointId::from_raw(endpoint), NoticeId::from_raw(notice));
        Key::DeliveryDue(endpoint, Timestamp::from_millis(at), notice)
    };
    let (first, last) = (turn(0, i64::MIN, 0), turn(u128::MAX, i64::MAX, u128::MAX));
    let found = world.memory().scan(&first, &last, Order::Ascending, usize::MAX);
    found.map_or(0, |rows| rows.len())
}

fn unrest(world: &Arc<World>, clients: usize) -> String {
    let timers = journal::timers(&world.memory());
    format!(
        "{clients} clients, {} deliveries and {} timers wait, {:?} first, {} after the faults",
        deliveries(world),
        timers.len(),
        timers.first(),
        Millis(PATIENCE_MS),
    )
}

/// A request id for whoever asks.
pub fn request() -> RequestId {
    RequestId::from_caller("sim").expect("well formed")
}
