//! The whole house for one input: its rooms and its door over a store in memory, a clock that runs
//! ahead whenever nobody has anything to do, and a world that always says the same.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use fanfare::accounts::{Accounts, AccountsOptions, Place, Seal};
use fanfare::admission::{Admission, AdmissionOptions};
use fanfare::backup::Backups;
use fanfare::control::Control;
use fanfare::courier::{Courier, CourierOptions};
use fanfare::engine::{self, Clocks, Core, Handle, Options};
use fanfare::front::{
    Api, Bodies, Description, DiskState, Drain, Gate, Handlers, KeyUses, Limiter, Limits, Mcp,
    MediaDoor, MetaDoor, OauthDoor, Ready, Service, Words, serve_alone,
};
use fanfare::media::{Media, MediaLinks};
use fanfare::model::{Dice, KeyPrefix, Millis, Now, Scope, Secret, Timestamp};
use fanfare::platforms::oauth::{Client, Endpoints, PROVIDERS};
use fanfare::platforms::{Answer, Request, registry};
use fanfare::store::{Memory, Store};
use fanfare::upstream::{FetchFault, Fetched, Hook, HookAnswer, HookFault, Pending, Upstream};
use fanfare::webhooks::{Webhooks, WebhooksOptions};
use fanfare::wire::{KeyRequest, Links, error_body};
use fanfare::workflow::{self, Catalog, Loaded};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::time::Instant;

const START_MS: i64 = 1_800_000_000_000;
const BASE: &str = "http://h";
/// Bytes that an answer waits in until it is read.
const PIPE_BYTES: usize = 1 << 20;

thread_local! {
    static FOLDER: RefCell<Option<tempfile::TempDir>> = const { RefCell::new(None) };
}

/// Hands over a folder of this thread's own.
pub fn with_folder<T>(use_it: impl FnOnce(&Path) -> T) -> T {
    let path = FOLDER.with_borrow_mut(|folder| {
        let made = || tempfile::tempdir().expect("a folder");
        folder.get_or_insert_with(made).path().to_owned()
    });
    use_it(&path)
}

/// Runs to the end, in a time of its own.
pub fn block_on<T>(run: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .max_blocking_threads(2)
        .build()
        .expect("a runtime");
    runtime.block_on(run)
}

/// What the world answers to everything.
#[derive(Debug, Clone)]
pub struct Says {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Says {
    /// All that anybody may want to hear.
    pub fn yes() -> Self {
        let body = r#"{"uri":"at://a/b/c","cid":"c","url":"http://h/1","ref":"r","did":"did:plc:a",
            "posts":[],"accessJwt":"a","refreshJwt":"b","handle":"a.b","id":"1","name":"n",
            "access_token":"a","refresh_token":"b","expires_in":9,"items":[]}"#;
        Self { status: 200, body: body.as_bytes().to_vec() }
    }
}

impl Upstream for Says {
    fn send<'a>(
        &'a self,
        _request: &'a Request,
        _token: Option<&'a Secret>,
        _media: Option<(&'a Path, u64)>,
        _timeout: Millis,
    ) -> Pending<'a, Answer> {
        let (status, body) = (self.status, self.body.clone());
        let at = Timestamp::from_millis(START_MS);
        Box::pin(async move { Answer::Heard { status, headers: Vec::new(), body, at } })
    }

    fn fetch<'a>(
        &'a self,
        _url: &'a str,
        _bytes_max: u64,
        _into: &'a mut File,
        _timeout: Millis,
    ) -> Pending<'a, Result<Fetched, FetchFault>> {
        Box::pin(async { Err(FetchFault::Status(404)) })
    }

    fn deliver<'a>(
        &'a self,
        _hook: &'a Hook,
        _timeout: Millis,
    ) -> Pending<'a, Result<HookAnswer, HookFault>> {
        Box::pin(async { Ok(HookAnswer { status: 200, body: Vec::new() }) })
    }
}

/// The house.
pub struct House {
    /// What an operator may ask.
    pub control: Arc<Control>,
    /// Accounts and keys.
    pub accounts: Arc<Accounts>,
    /// A key that may do everything.
    pub key: String,
    /// The sandbox's account.
    pub account: String,
    words: Arc<Words>,
    service: Service,
}

/// What several rooms are built from.
struct Ground {
    store: Arc<dyn Store>,
    engine: Handle,
    upstream: Arc<dyn Upstream>,
    seal: Arc<Seal>,
    catalog: Arc<Catalog>,
    media: Arc<Media>,
    links: Links,
    media_links: MediaLinks,
    clocks: Clocks,
}

impl House {
    /// A house at its first start, in a world that says this.
    pub async fn build(says: Says) -> Self {
        let store = Memory::new();
        let epoch = store.begin_epoch().expect("memory");
        let store: Arc<dyn Store> = Arc::new(store);
        let clocks = clocks();
        let catalog = Arc::new(loaded().catalog.clone());
        let links = Links { base: BASE.to_owned() };
        let options = options(links.clone());
        let (to_core, known) = (Arc::clone(&store), Arc::clone(&catalog));
        let core = Core::open(to_core, known, options, epoch, clocks.moment()).expect("empty");
        let (engine, mailbox) = engine::mailbox();
        let secret = "ab".repeat(32);
        let seal = Seal::open(Some(&secret), Path::new("unused"), Arc::clone(&clocks.dice));
        let seal = Arc::new(seal.expect("a sound key"));
        let folder: PathBuf = with_folder(Path::to_owned);
        let media = Arc::new(Media::open(folder, Arc::clone(&clocks.dice)).expect("a folder"));
        let media_links = MediaLinks::new(seal.signing_key("media links"), links.base.clone());
        let upstream = Arc::new(says);
        let ground =
            Ground { store, engine, upstream, seal, catalog, media, links, media_links, clocks };
        let accounts = ground.accounts();
        let courier = ground.courier(&accounts);
        let (handle, clocks) = (ground.engine.clone(), ground.clocks.clone());
        tokio::spawn(engine::drive(core, mailbox, handle, courier.into_carry(), clocks));
        ground.furnish(accounts).await
    }

    /// Says all this on a connection, then listens until the house closes it.
    pub async fn say(&self, bytes: &[u8], idle: Millis) -> Vec<u8> {
        let (mut client, server) = tokio::io::duplex(PIPE_BYTES);
        let limits = Limits {
            connections_max: 1,
            header_timeout: Millis(10_000),
            idle_timeout: idle,
            drain_timeout: Millis(1_000),
        };
        let (words, service) = (Arc::clone(&self.words), Arc::clone(&self.service));
        let (_stop, stopping) = watch::channel(false);
        let serving = tokio::spawn(serve_alone(server, limits, words, service, stopping));
        // The house may close before it has heard everything; what it said counts.
        let _ = client.write_all(bytes).await;
        let mut answers = Vec::new();
        client.read_to_end(&mut answers).await.expect("a pipe");
        drop(client);
        serving.await.expect("a connection ends without a panic");
        answers
    }
}

impl Ground {
    fn accounts(&self) -> Arc<Accounts> {
        let clients = PROVIDERS.iter().map(|provider| {
            let at = |place: &str| place.to_owned();
            let endpoints = Endpoints {
                authorize_url: at(provider.endpoints.authorize_url),
                token_url: at(provider.endpoints.token_url),
                identity_url: at(provider.endpoints.identity_url),
                api_url: at(provider.endpoints.api_url),
            };
            let client = Client { id: "id".to_owned(), secret: Secret::new("s"), endpoints };
            (provider.platform, client)
        });
        Arc::new(Accounts::new(AccountsOptions {
            store: Arc::clone(&self.store),
            engine: self.engine.clone(),
            upstream: Arc::clone(&self.upstream),
            seal: Arc::clone(&self.seal),
            clients: clients.collect::<BTreeMap<_, _>>(),
            links: self.links.clone(),
            now: Arc::clone(&self.clocks.now),
            dice: Arc::clone(&self.clocks.dice),
            own_base: Arc::new(OnceLock::from(BASE.to_owned())),
            plc_url: "http://127.0.0.1:9".to_owned(),
            sandbox_token: Secret::new("sandbox"),
        }))
    }

    fn courier(&self, accounts: &Arc<Accounts>) -> Courier {
        Courier::new(CourierOptions {
            store: Arc::clone(&self.store),
            engine: self.engine.clone(),
            accounts: Arc::clone(accounts),
            upstream: Arc::clone(&self.upstream),
            media: Arc::clone(&self.media),
            registry: Arc::new(registry()),
            catalog: Arc::clone(&self.catalog),
            links: self.links.clone(),
            now: Arc::clone(&self.clocks.now),
        })
    }

    fn webhooks(&self) -> Webhooks {
        Webhooks::new(WebhooksOptions {
            store: Arc::clone(&self.store),
            engine: self.engine.clone(),
            upstream: Arc::clone(&self.upstream),
            seal: Arc::clone(&self.seal),
            definition: loaded().deliver.clone(),
            now: Arc::clone(&self.clocks.now),
            dice: Arc::clone(&self.clocks.dice),
        })
    }

    fn admission(&self) -> Arc<Admission> {
        Arc::new(Admission::new(AdmissionOptions {
            media_links: self.media_links.clone(),
            store: Arc::clone(&self.store),
            engine: self.engine.clone(),
            catalog: Arc::clone(&self.catalog),
            registry: Arc::new(registry()),
            inspect: Arc::new(|asked| Box::pin(std::future::ready(vec![Vec::new(); asked.len()]))),
            seal: Arc::clone(&self.seal),
            links: self.links.clone(),
            now: Arc::clone(&self.clocks.now),
        }))
    }

    async fn furnish(self, accounts: Arc<Accounts>) -> House {
        accounts.default_profile().await.expect("room");
        let account =
            accounts.connect_sandbox("sandbox".to_owned(), Place::Default).await.expect("room");
        let scopes = Scope::ALL.iter().map(|scope| scope.as_str().to_owned()).collect();
        let name = "fuzz".to_owned();
        let asked = KeyRequest { name, prefix: KeyPrefix::Live, scopes, profile: None };
        let key = accounts.mint_key(asked).await.expect("room").plaintext.expose().to_owned();
        let webhooks = self.webhooks();
        let words = Arc::new(words(&self.clocks));
        let control = Arc::new(Control {
            store: Arc::clone(&self.store),
            engine: self.engine.clone(),
            accounts: Arc::clone(&accounts),
            webhooks: webhooks.clone(),
            // Nothing here has a disk: what is asked of backups is refused.
            backups: Arc::new(Backups {
                store: Arc::clone(&self.store),
                media: Arc::clone(&self.media),
                data: "nowhere".into(),
                folder: "nowhere".into(),
                instance: "fuzz".to_owned(),
                has_secret_key: false,
                free_bytes_min: u64::MAX,
            }),
            catalog: Arc::clone(&self.catalog),
            links: self.links.clone(),
            now: Arc::clone(&self.clocks.now),
            dice: Arc::clone(&self.clocks.dice),
        });
        let oauth = Arc::new(OauthDoor {
            words: Arc::clone(&words),
            accounts: Arc::clone(&accounts),
            dashboard_url: String::new(),
            trusted_origins: Vec::new(),
        });
        let callback = Arc::clone(&oauth).into_callback();
        let meta = MetaDoor::new(
            Arc::clone(&words),
            Arc::clone(&accounts),
            vec![Secret::new("meta")],
            Millis(60_000),
        );
        let handlers = Handlers {
            words: Arc::clone(&words),
            bodies: bodies(),
            limiter: Limiter::new(1_000, Millis(60_000)),
            store: Arc::clone(&self.store),
            admission: self.admission(),
            accounts: Arc::clone(&accounts),
            oauth,
            webhooks,
            uses: KeyUses::default(),
            media: Arc::clone(&self.media),
            sandbox: None,
        };
        let service = self.gate(&words, handlers, (callback, meta.into_callback())).into_service();
        let account = account.account.id.to_string();
        House { control, accounts, key, account, words, service }
    }

    fn gate(self, words: &Arc<Words>, handlers: Handlers, (callback, meta): (Api, Api)) -> Gate {
        let api = handlers.into_api();
        let (description, mcp) = agents(&api);
        let files = MediaDoor { links: self.media_links, media: self.media, store: self.store };
        let ready = Ready {
            engine: self.engine.clone(),
            disk: Arc::new(|| DiskState { free_bytes: Some(u64::MAX), synced: true }),
            free_bytes_min: 0,
            remarks: Arc::new(Vec::new),
            now: self.clocks.now,
            written: Mutex::default(),
        };
        Gate {
            words: Arc::clone(words),
            engine: self.engine,
            sandbox: None,
            files,
            ready: Arc::new(ready),
            api,
            mcp,
            description,
            callback,
            meta,
            drain: Arc::new(Drain::default()),
        }
    }
}

/// The built-in definitions, read once.
fn loaded() -> &'static Loaded {
    static LOADED: OnceLock<Loaded> = OnceLock::new();
    LOADED.get_or_init(|| workflow::load(&Default::default()).expect("the built-in texts hold"))
}

/// The API as tools, and its description. To make them takes longer than all else does, so they are
/// made once a thread, over whichever API is the newest.
fn agents(api: &Api) -> (Description, Mcp) {
    thread_local! {
        static NEWEST: RefCell<Option<Api>> = const { RefCell::new(None) };
        static MADE: OnceCell<(Description, Mcp)> = const { OnceCell::new() };
    }
    NEWEST.set(Some(Arc::clone(api)));
    let make = || {
        let newest: Api = Arc::new(|inbound| {
            let api = NEWEST.with_borrow(|api| api.as_ref().map(Arc::clone));
            (api.expect("a house set it"))(inbound)
        });
        let words = Arc::new(words(&clocks()));
        let description = Description::new(BASE);
        let mcp = Mcp::new(words, bodies(), newest, &description);
        (description, mcp)
    };
    MADE.with(|made| made.get_or_init(make).clone())
}

fn bodies() -> Bodies {
    Bodies::new(1 << 16, 1 << 20, Millis(60_000))
}

fn words(clocks: &Clocks) -> Words {
    Words {
        links: Links { base: BASE.to_owned() },
        now: Arc::clone(&clocks.now),
        dice: Arc::clone(&clocks.dice),
        ceiling: 1_000,
        envelope: error_body,
        origins: vec!["http://localhost:3001".to_owned()],
    }
}

/// A clock that stands on the runtime's, and dice that fall alike for every input.
fn clocks() -> Clocks {
    let started = Instant::now();
    let now: Now = Arc::new(move || {
        let run = i64::try_from(started.elapsed().as_millis()).expect("virtual time is short");
        Timestamp::from_millis(START_MS + run)
    });
    let thrown = AtomicU64::new(1);
    let dice: Dice = Arc::new(move || {
        let n = thrown.fetch_add(1, Ordering::Relaxed);
        u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64 | u128::from(n)
    });
    Clocks { now, dice, started }
}

fn options(links: Links) -> Options {
    Options {
        sync_wait: Millis::from_secs(60),
        max_lateness: Millis::from_secs(86_400),
        claim_window: Millis::from_secs(86_400),
        slots_max: 16,
        platform_slots_max: 16,
        links,
    }
}
