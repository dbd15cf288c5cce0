//! One process life: the rooms, wired as the server wires them, until it dies or all is done.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use fanfare::accounts::{Accounts, AccountsOptions, Seal};
use fanfare::admission::{Admission, AdmissionOptions};
use fanfare::backup::Backups;
use fanfare::courier::{Courier, CourierOptions};
use fanfare::engine::{self, Clocks, Core, Handle, Options};
use fanfare::media::{Media, MediaLinks};
use fanfare::model::{Dice, Millis, Now, Secret, Timestamp};
use fanfare::platforms::registry;
use fanfare::store::{DefinitionRecord, Key, Record, Store, StoreError, Write};
use fanfare::upkeep::Upkeep;
use fanfare::upstream::Upstream;
use fanfare::webhooks::{Deliverer, Webhooks, WebhooksOptions};
use fanfare::wire::Links;
use fanfare::workflow::{
    self, Catalog, Definition, DeliverDefinition, Doubt, UpkeepDefinition, UpkeepTask,
};
use tokio::sync::watch;
use tokio::time::Instant;

use super::disk::{Death, Flaw};
use super::net::{Net, OWN, pause};
use super::operator::{self, Day};
use super::world::World;
use crate::journal::Finding;

/// How a process life ended.
pub enum End {
    /// Everything is done.
    Rested,
    /// It died.
    Died(String),
}

/// What the actors of the world ask.
pub struct Rooms {
    pub engine: Handle,
    pub admission: Arc<Admission>,
    pub accounts: Arc<Accounts>,
    pub webhooks: Webhooks,
    pub media: Arc<Media>,
    pub backups: Arc<Backups>,
    pub store: Arc<dyn Store>,
}

/// Lives one life.
pub fn live(world: &Arc<World>) -> End {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let life = catch_unwind(AssertUnwindSafe(|| runtime.block_on(run(world))));
    match life {
        Ok(end) => end,
        Err(cause) => match cause.downcast::<Death>() {
            Ok(death) => End::Died(death.0.to_owned()),
            Err(other) => resume_unwind(other),
        },
    }
}

async fn run(world: &Arc<World>) -> End {
    world.state().begin(Instant::now());
    let built = match build(world, &world.data()) {
        Ok(built) => built,
        Err(problem) => {
            world.find(Finding::new("boots", problem.to_string()));
            return End::Died("it did not boot".to_owned());
        }
    };
    let Built { rooms, core, mailbox, carry, clocks, upkeep } = built;
    let driving = engine::drive(core, mailbox, rooms.engine.clone(), carry, clocks);
    let (_quit, quitting) = watch::channel(false);
    tokio::spawn(Deliverer::new(rooms.webhooks.clone()).run(quitting));
    tokio::spawn(upkeep.run());
    let rooms = Arc::new(rooms);
    tokio::select! { biased;
        ended = driving => End::Died(format!("the engine ended: {ended:?}")),
        rested = operator::run(world, &rooms) => match rested {
            Ok(Day::Over) => End::Rested,
            Ok(Day::Night) => End::Died("for the night".to_owned()),
            Err(finding) => {
                world.find(finding);
                End::Died("a promise was broken".to_owned())
            }
        },
        () = crash(world) => End::Died("between two turns".to_owned()),
    }
}

/// Until the next planned end of the process.
async fn crash(world: &Arc<World>) {
    loop {
        let due = {
            let mut state = world.state();
            let open = state.open_for();
            let is_due = |list: &[u64]| open.zip(list.first()).is_some_and(|(now, at)| now >= *at);
            if is_due(&state.plan.losses) && state.newest_backup.is_some() {
                state.plan.losses.remove(0);
                let now = state.wall();
                state.lost_at = Some(now);
                true
            } else if is_due(&state.plan.crashes) {
                state.plan.crashes.remove(0);
                true
            } else {
                false
            }
        };
        match due {
            true => return,
            false if world.is_calm() => return std::future::pending().await,
            false => pause(37).await,
        }
    }
}

struct Built {
    rooms: Rooms,
    core: Core,
    mailbox: engine::Mailbox,
    carry: engine::Carry,
    clocks: Clocks,
    upkeep: Upkeep,
}

/// What several rooms are built from.
struct Common {
    store: Arc<dyn Store>,
    engine: Handle,
    upstream: Arc<dyn Upstream>,
    seal: Arc<Seal>,
    links: Links,
    now: Now,
    dice: Dice,
}

fn build(world: &Arc<World>, folder: &Path) -> Result<Built, StoreError> {
    let store = world.disk();
    let (now, dice) = (world.wall(), world.chance());
    let epoch = store.begin_epoch()?;
    let loaded = workflow::load(&Default::default()).expect("the built-in texts hold");
    keep_definitions(store.as_ref(), epoch, &loaded.texts)?;
    let catalog = Arc::new(flawed(&loaded, world.flaw));
    let links = links();
    let clocks = clocks(world, &now, &dice);
    let core = Core::open(
        Arc::clone(&store),
        Arc::clone(&catalog),
        options(links.clone()),
        epoch,
        clocks.moment(),
    )?;
    let (engine, mailbox) = engine::mailbox();
    let upstream: Arc<dyn Upstream> = Arc::new(Net { world: Arc::clone(world) });
    let secret = "ab".repeat(32);
    let seal = Seal::open(Some(&secret), Path::new("unused"), Arc::clone(&dice));
    let seal = Arc::new(seal.expect("a sound key"));
    let media = Media::open(folder.join("media"), Arc::clone(&dice)).expect("a folder");
    let media = Arc::new(media);
    let common = Common { store, engine, upstream, seal, links, now, dice };
    let accounts = common.accounts();
    let webhooks = common.webhooks(loaded.deliver);
    let carry = common.courier(&accounts, &media, &catalog).into_carry();
    let admission = common.admission(catalog);
    let backups = Arc::new(Backups {
        store: Arc::clone(&common.store),
        media: backed_up(world, &media, &common.dice),
        data: folder.to_owned(),
        folder: world.backups(),
        instance: "sim".to_owned(),
        has_secret_key: false,
        free_bytes_min: 0,
    });
    let upkeep = Upkeep {
        store: Arc::clone(&common.store),
        engine: common.engine.clone(),
        accounts: Arc::clone(&accounts),
        backups: Arc::clone(&backups),
        media: Arc::clone(&media),
        now: Arc::clone(&common.now),
        tasks: loaded.upkeep.into_iter().filter(|it| runs(it, world.flaw)).collect(),
    };
    let Common { store, engine, .. } = common;
    let rooms = Rooms { engine, admission, accounts, webhooks, media, backups, store };
    Ok(Built { rooms, core, mailbox, carry, clocks, upkeep })
}

/// The media that backups hold.
fn backed_up(world: &World, media: &Arc<Media>, dice: &Dice) -> Arc<Media> {
    match world.flaw {
        Some(Flaw::BacksUpNoMedia) => {
            let none = Media::open(world.data().join("none"), Arc::clone(dice));
            Arc::new(none.expect("a folder"))
        }
        _ => Arc::clone(media),
    }
}

/// Whether a task of upkeep runs in this world. Backups are made when the plan has them.
fn runs(task: &UpkeepDefinition, flaw: Option<Flaw>) -> bool {
    match flaw {
        Some(Flaw::KeepsMedia) if matches!(task.task, UpkeepTask::PruneMedia { .. }) => false,
        _ => !task.is_backup(),
    }
}

/// Where error pages are.
pub fn links() -> Links {
    Links { base: "http://h".to_owned() }
}

/// How long a key lives: longer than any client asks again.
pub const CLAIM_WINDOW: Millis = Millis::from_secs(4 * 3_600);

/// How the engine is set.
pub fn options(links: Links) -> Options {
    Options {
        sync_wait: Millis::from_secs(20),
        max_lateness: Millis::from_secs(86_400),
        claim_window: CLAIM_WINDOW,
        slots_max: 64,
        platform_slots_max: 64,
        links,
    }
}

impl Common {
    fn accounts(&self) -> Arc<Accounts> {
        Arc::new(Accounts::new(AccountsOptions {
            store: Arc::clone(&self.store),
            engine: self.engine.clone(),
            upstream: Arc::clone(&self.upstream),
            seal: Arc::clone(&self.seal),
            clients: BTreeMap::new(),
            links: self.links.clone(),
            now: Arc::clone(&self.now),
            dice: Arc::clone(&self.dice),
            own_base: Arc::new(OnceLock::from(OWN.to_owned())),
            plc_url: crate::house::net::PLC.to_owned(),
            sandbox_token: Secret::new("sandbox"),
        }))
    }

    fn webhooks(&self, definition: DeliverDefinition) -> Webhooks {
        Webhooks::new(WebhooksOptions {
            store: Arc::clone(&self.store),
            engine: self.engine.clone(),
            upstream: Arc::clone(&self.upstream),
            seal: Arc::clone(&self.seal),
            definition,
            now: Arc::clone(&self.now),
            dice: Arc::clone(&self.dice),
        })
    }

    fn courier(
        &self,
        accounts: &Arc<Accounts>,
        media: &Arc<Media>,
        catalog: &Arc<Catalog>,
    ) -> Courier {
        Courier::new(CourierOptions {
            store: Arc::clone(&self.store),
            engine: self.engine.clone(),
            accounts: Arc::clone(accounts),
            upstream: Arc::clone(&self.upstream),
            media: Arc::clone(media),
            registry: Arc::new(registry()),
            catalog: Arc::clone(catalog),
            links: self.links.clone(),
            now: Arc::clone(&self.now),
        })
    }

    fn admission(&self, catalog: Arc<Catalog>) -> Arc<Admission> {
        let key = self.seal.signing_key("media links");
        Arc::new(Admission::new(AdmissionOptions {
            media_links: MediaLinks::new(key, self.links.base.clone()),
            store: Arc::clone(&self.store),
            engine: self.engine.clone(),
            catalog,
            registry: Arc::new(registry()),
            inspect: Arc::new(|asked| Box::pin(std::future::ready(vec![Vec::new(); asked.len()]))),
            seal: Arc::clone(&self.seal),
            links: self.links.clone(),
            now: Arc::clone(&self.now),
        }))
    }
}

/// The engine's clocks, slow or fast where the flaw wants them so.
fn clocks(world: &Arc<World>, now: &Now, dice: &Dice) -> Clocks {
    let off = match world.flaw {
        Some(Flaw::WakesLate) => -60_000,
        Some(Flaw::WakesEarly) => 60_000,
        _ => 0,
    };
    let right = Arc::clone(now);
    let now: Now = Arc::new(move || Timestamp::from_millis(right().as_millis() + off));
    Clocks { now, dice: Arc::clone(dice), started: Instant::now() }
}

fn keep_definitions(
    store: &dyn Store,
    epoch: u64,
    texts: &[(Definition, String)],
) -> Result<(), StoreError> {
    for (definition, text) in texts {
        let key = Key::Definition(definition.digest);
        if store.get(&key)?.is_none() {
            let record = DefinitionRecord { name: definition.name.clone(), text: text.clone() };
            store.commit(epoch, &[Write::Put(key, Record::Definition(record))])?;
        }
    }
    store.flush()
}

/// The workflows, spoiled where the flaw wants them so.
pub fn flawed(loaded: &workflow::Loaded, flaw: Option<Flaw>) -> Catalog {
    let mut catalog = loaded.catalog.clone();
    if flaw == Some(Flaw::RepeatsBlindly) {
        let blind = loaded.texts.iter().find(|(definition, _)| definition.name == "sandbox-blind");
        let mut blind = blind.expect("it is built in").0.clone();
        for step in &mut blind.steps {
            step.on_doubt = Doubt::Repeat;
        }
        catalog.add_current(blind);
    }
    catalog
}
