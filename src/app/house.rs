//! Builds the rooms over a store and an engine, for the server and for the command line alike.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use tokio::sync::oneshot;

use super::{AppError, definitions};
use crate::accounts::{Accounts, AccountsOptions, Place, Seal};
use crate::admission::{Admission, AdmissionOptions, Inspect};
use crate::backup::Backups;
use crate::config::Config;
use crate::control::Control;
use crate::courier::{Courier, CourierOptions};
use crate::engine::{self, Clocks, Core};
use crate::front::MediaDoor;
use crate::media::{Media, MediaLinks};
use crate::model::{KeyPrefix, Scope, Secret};
use crate::platforms::registry;
use crate::store::Store;
use crate::upkeep::Upkeep;
use crate::upstream::{HttpUpstream, Upstream, UpstreamOptions};
use crate::webhooks::{Webhooks, WebhooksOptions};
use crate::wire::{KeyRequest, Links};
use crate::workflow::{Catalog, DeliverDefinition, UpkeepDefinition};

/// What the key that signs addresses of uploads is derived under. Another label voids them all.
const MEDIA_LINKS: &str = "media links";
/// What the name of a server in its backups is derived under.
const BACKUPS: &str = "backups";

/// The rooms, built.
pub(super) struct House {
    pub engine: engine::Handle,
    pub stopped: oneshot::Receiver<String>,
    pub accounts: Arc<Accounts>,
    pub admission: Arc<Admission>,
    pub webhooks: Webhooks,
    pub media: Arc<Media>,
    pub files: MediaDoor,
    pub control: Arc<Control>,
    pub upkeep: Upkeep,
    pub own_base: Arc<OnceLock<String>>,
}

/// What a house is built from.
pub(super) struct Ground<'a> {
    pub config: &'a Config,
    pub clocks: &'a Clocks,
    pub store: Arc<dyn Store>,
    /// This process life; without one nothing is written, and the engine does not run.
    pub epoch: Option<u64>,
    pub links: Links,
    pub sandbox_token: Secret,
    /// Attempts that may run at once; none, where only records are to be changed.
    pub slots_max: u32,
}

/// Builds the rooms and starts the engine, if it is to run.
pub(super) fn build(ground: Ground<'_>) -> Result<House, AppError> {
    let Ground { config, clocks, store, epoch, links, sandbox_token, slots_max } = ground;
    let registry = Arc::new(registry());
    let loaded = definitions::load(&store, epoch, config.workflows_dir.as_deref(), &registry)?;
    let catalog = Arc::new(loaded.catalog);
    let options = engine_options(config, &links, slots_max);
    let core = |epoch| {
        Core::open(Arc::clone(&store), Arc::clone(&catalog), options, epoch, clocks.moment())
    };
    let core = epoch.map(core).transpose()?;
    let (engine, mailbox) = engine::mailbox();
    let upstream = upstream(config, clocks)?;
    let own_base: Arc<OnceLock<String>> = Arc::default();
    let seal = Arc::new(seal(config, clocks)?);
    let common = Common {
        config,
        clocks,
        store: &store,
        engine: &engine,
        upstream: &upstream,
        seal: &seal,
        links: &links,
    };
    let webhooks = common.webhooks(loaded.deliver);
    let accounts = common.accounts(Arc::clone(&own_base), sandbox_token);
    let media = media(config, clocks)?;
    let media_links = MediaLinks::new(seal.signing_key(MEDIA_LINKS), links.base.clone());
    let courier = Courier::new(CourierOptions {
        store: Arc::clone(&store),
        engine: engine.clone(),
        accounts: Arc::clone(&accounts),
        upstream: Arc::clone(&upstream),
        media: Arc::clone(&media),
        registry: Arc::clone(&registry),
        catalog: Arc::clone(&catalog),
        links: links.clone(),
        now: Arc::clone(&clocks.now),
    });
    let admission = Arc::new(Admission::new(AdmissionOptions {
        media_links: media_links.clone(),
        store: Arc::clone(&store),
        engine: engine.clone(),
        catalog: Arc::clone(&catalog),
        registry,
        inspect: inspect(courier.clone()),
        seal: Arc::clone(&seal),
        links: links.clone(),
        now: Arc::clone(&clocks.now),
    }));
    let stopped = match core {
        Some(core) => super::start_engine(core, mailbox, &engine, courier.into_carry(), clocks)?,
        None => oneshot::channel().1,
    };
    let backups = Arc::new(backups(config, &store, &media, &seal));
    let control = common.control(&accounts, &webhooks, &backups, catalog);
    let upkeep = common.upkeep(&accounts, &media, backups, loaded.upkeep);
    Ok(House {
        engine,
        stopped,
        accounts,
        admission,
        webhooks,
        files: MediaDoor { links: media_links, media: Arc::clone(&media), store },
        media,
        control,
        upkeep,
        own_base,
    })
}

fn inspect(courier: Courier) -> Inspect {
    Arc::new(move |asked| {
        let courier = courier.clone();
        Box::pin(async move { courier.inspect(asked).await })
    })
}

/// What several rooms are built from.
struct Common<'a> {
    config: &'a Config,
    links: &'a Links,
    clocks: &'a Clocks,
    store: &'a Arc<dyn Store>,
    engine: &'a engine::Handle,
    upstream: &'a Arc<dyn Upstream>,
    seal: &'a Arc<Seal>,
}

impl Common<'_> {
    fn webhooks(&self, definition: DeliverDefinition) -> Webhooks {
        Webhooks::new(WebhooksOptions {
            store: Arc::clone(self.store),
            engine: self.engine.clone(),
            upstream: Arc::clone(self.upstream),
            seal: Arc::clone(self.seal),
            definition,
            now: Arc::clone(&self.clocks.now),
            dice: Arc::clone(&self.clocks.dice),
        })
    }

    fn accounts(&self, own_base: Arc<OnceLock<String>>, sandbox_token: Secret) -> Arc<Accounts> {
        Arc::new(Accounts::new(AccountsOptions {
            store: Arc::clone(self.store),
            engine: self.engine.clone(),
            upstream: Arc::clone(self.upstream),
            seal: Arc::clone(self.seal),
            clients: self.config.oauth.clone(),
            plc_url: self.config.bluesky.plc_url.clone(),
            links: self.links.clone(),
            now: Arc::clone(&self.clocks.now),
            dice: Arc::clone(&self.clocks.dice),
            own_base,
            sandbox_token,
        }))
    }

    fn upkeep(
        &self,
        accounts: &Arc<Accounts>,
        media: &Arc<Media>,
        backups: Arc<Backups>,
        mut tasks: Vec<UpkeepDefinition>,
    ) -> Upkeep {
        tasks.retain(|task| self.config.backup.scheduled || !task.is_backup());
        Upkeep {
            store: Arc::clone(self.store),
            engine: self.engine.clone(),
            accounts: Arc::clone(accounts),
            media: Arc::clone(media),
            backups,
            now: Arc::clone(&self.clocks.now),
            tasks,
        }
    }

    fn control(
        &self,
        accounts: &Arc<Accounts>,
        webhooks: &Webhooks,
        backups: &Arc<Backups>,
        catalog: Arc<Catalog>,
    ) -> Arc<Control> {
        Arc::new(Control {
            store: Arc::clone(self.store),
            engine: self.engine.clone(),
            accounts: Arc::clone(accounts),
            webhooks: webhooks.clone(),
            backups: Arc::clone(backups),
            catalog,
            links: self.links.clone(),
            now: Arc::clone(&self.clocks.now),
            dice: Arc::clone(&self.clocks.dice),
        })
    }
}

fn media(config: &Config, clocks: &Clocks) -> Result<Arc<Media>, AppError> {
    let media = Media::open(config.data_dir.join("media"), Arc::clone(&clocks.dice));
    media.map(Arc::new).map_err(|problem| AppError::Build(problem.to_string()))
}

fn upstream(config: &Config, clocks: &Clocks) -> Result<Arc<dyn Upstream>, AppError> {
    let options = UpstreamOptions {
        allow_private: config.upstream.allow_private,
        media_allow_private: config.media.allow_private,
        webhooks_allow_private: config.webhooks.allow_private,
        allow_crash: config.sandbox.allow_crash,
    };
    let upstream = HttpUpstream::new(options, Arc::clone(&clocks.now));
    Ok(Arc::new(upstream.map_err(|problem| AppError::Build(problem.to_string()))?))
}

pub(super) fn engine_options(config: &Config, links: &Links, slots_max: u32) -> engine::Options {
    engine::Options {
        sync_wait: config.engine.sync_wait,
        max_lateness: config.scheduling.max_lateness,
        claim_window: config.idempotency.window,
        slots_max,
        platform_slots_max: config.engine.platform_slots_max,
        links: links.clone(),
    }
}

/// The secret key, where it is given in the environment.
pub(super) fn secret_text() -> Option<String> {
    std::env::var("FANFARE_SECRET_KEY").ok().filter(|text| !text.is_empty())
}

/// Which server this is, told by its secret key: so one that was restored is the same.
pub(super) fn instance(seal: &Seal) -> String {
    let tag = ring::hmac::sign(&seal.signing_key(BACKUPS), b"instance");
    tag.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn backups(config: &Config, store: &Arc<dyn Store>, media: &Arc<Media>, seal: &Seal) -> Backups {
    let folder = config.backup.dir.clone().unwrap_or_else(|| config.data_dir.join("backups"));
    // It is shown to people whose working folder is another.
    let folder = std::path::absolute(&folder).unwrap_or(folder);
    Backups {
        store: Arc::clone(store),
        media: Arc::clone(media),
        data: config.data_dir.clone(),
        folder,
        instance: instance(seal),
        has_secret_key: secret_text().is_none(),
        free_bytes_min: config.server.disk_free_bytes_min,
    }
}

fn seal(config: &Config, clocks: &Clocks) -> Result<Seal, AppError> {
    let text = secret_text();
    let file = config.data_dir.join("secret-key");
    Seal::open(text.as_deref(), &file, Arc::clone(&clocks.dice))
        .map_err(|problem| AppError::Build(problem.to_string()))
}

/// At the first start: the sandbox account, and one key that may do everything. Returns the key's
/// plaintext when it was made now.
pub(super) async fn first_start(
    house: &House,
    config: &Config,
) -> Result<Option<Secret>, AppError> {
    let failed = |fault: crate::model::Fault| AppError::Build(fault.message);
    house.accounts.default_profile().await.map_err(failed)?;
    let known = house.accounts.list(None).map_err(failed)?;
    let sandbox = crate::model::Platform::Sandbox;
    let first = house.accounts.list_keys().map_err(failed)?.is_empty();
    if config.sandbox.enabled && first && !known.iter().any(|one| one.platform == sandbox) {
        house
            .accounts
            .connect_sandbox("sandbox".to_owned(), Place::Default)
            .await
            .map_err(failed)?;
    }
    if !first {
        return Ok(None);
    }
    let scopes = Scope::ALL.iter().map(|scope| scope.as_str().to_owned()).collect();
    let name = "initial".to_owned();
    let asked = KeyRequest { name, prefix: KeyPrefix::Live, scopes, profile: None };
    let (records, minted) = house.accounts.plan_key(asked).map_err(failed)?;
    // Before the key is good: a crash in between must not leave a key that nobody has.
    let path: &Path = &config.data_dir.join("initial-key");
    super::write_private(path, &format!("{}\n", minted.plaintext.expose()))?;
    let kept = house.engine.record(records).await;
    kept.map_err(|problem| AppError::Build(problem.to_string()))?;
    Ok(Some(minted.plaintext))
}
