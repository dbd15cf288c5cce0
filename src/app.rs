//! The wiring: the only place with a real clock, real dice, a real disk and a real socket.
//!
//! Starting goes in one order, each line needing the one before: settings, data folder, log, open
//! files, store, process life, socket, sandbox, engine, door. Stopping goes backwards: the API
//! closes and finishes, the engine drains, the socket closes last, because what the engine is
//! doing may still need the sandbox behind it.

mod backup;
mod clocks;
mod definitions;
mod doors;
mod house;
mod leash;
mod listen;
mod log;
mod selftest;

use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};

pub use self::backup::{restore_backup, verify_backup};
use self::clocks::{clocks, random_hex};
use self::doors::{SideDoors, gate, handlers, meta_door, oauth_door, ready, words};
use self::house::{Ground, House};
pub use self::listen::listen_for_webhooks;
pub use self::selftest::selftest;
use crate::cli::{Folders, Local, Opening, ServeOptions};
use crate::config::{Config, ConfigError};
use crate::control;
use crate::engine::{self, Carry, Clocks, Core, Mailbox};
use crate::front::sandbox::{Landings, SandboxDoor, SandboxError};
use crate::front::{Drain, Limits, Server};
use crate::model::{Dice, Now, Secret};
use crate::store::{Sled, Store, StoreError};
use crate::webhooks::Deliverer;
use crate::wire::Links;

/// The store refused while the server ran; what is on disk holds, and the next start goes on.
const EXIT_STORE: u8 = 70;
/// The store cannot be opened: another process has it, or it does not hold.
const EXIT_UNAVAILABLE: u8 = 69;
/// A setting or a workflow definition does not hold.
const EXIT_CONFIG: u8 = 78;
/// Descriptors beside one a connection: the store's, the log's, media, calls to platforms.
const DESCRIPTORS_BESIDE: u64 = 1_024;

/// Why the server did not start, or had to stop. Reads after "fanfare:".
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The settings do not hold.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file or folder of ours cannot be used.
    #[error("{op} {path}: {problem}")]
    File {
        /// What was being done.
        op: &'static str,
        /// To what.
        path: String,
        /// What the system said.
        problem: std::io::Error,
    },
    /// The address cannot be listened on.
    #[error("listen on {address}: {problem}; choose another with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        problem: std::io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sandbox's log cannot be opened.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The system has no thread, signal handler or randomness for us.
    #[error("start: {0}")]
    System(#[from] std::io::Error),
    /// A workflow definition does not hold.
    #[error("workflows: {0}")]
    Workflow(String),
    /// A room cannot be built.
    #[error("start: {0}")]
    Build(String),
    /// The engine ended while the server ran.
    #[error(
        "the engine stopped: {0}; nothing that was confirmed is lost: \
         make room or repair, then start again"
    )]
    Engine(String),
}

/// Runs the server until it is told to stop. Exit codes: 0 drained, 1 not started, 69 the store
/// cannot be opened, 70 the store refused while it ran, 78 a setting or a workflow does not hold.
pub fn serve(options: ServeOptions) -> ExitCode {
    match start(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The log may be what failed, so this goes to standard error plainly.
            let _ = writeln!(std::io::stderr(), "fanfare: {error}");
            match error {
                AppError::Engine(_) => ExitCode::from(EXIT_STORE),
                AppError::Store(_) => ExitCode::from(EXIT_UNAVAILABLE),
                AppError::Config(_) | AppError::Workflow(_) => ExitCode::from(EXIT_CONFIG),
                AppError::File { .. }
                | AppError::Listen { .. }
                | AppError::Sandbox(_)
                | AppError::System(_)
                | AppError::Build(_) => ExitCode::FAILURE,
            }
        }
    }
}

fn start(options: &ServeOptions) -> Result<(), AppError> {
    if options.leashed {
        leash::hold()?;
    }
    let config = Config::load(options.config.as_deref(), std::env::vars(), &options.settings)?;
    make_private_folder(&config.data_dir)?;
    log::start(&config);
    let connections_max = raise_open_files(config.server.connections_max);
    let store = Arc::new(Sled::open(&config.data_dir.join("store"))?);
    // What is older than it was would be published a second time.
    store.check_whole()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let engine = OnceLock::new();
    let outcome = runtime.block_on(run(&config, connections_max, store, &engine));
    if let (Err(_), Some(engine)) = (&outcome, engine.get()) {
        // Its thread must not outlive the runtime. One that has ended already says so at once.
        runtime.block_on(async {
            drop(tokio::time::timeout(Duration::from_secs(1), engine.drain()).await);
        });
    }
    // Attempts still under way are given up here; the next start takes them up from the journal.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

/// Leaves the engine's handle in `running` once there is one.
async fn run(
    config: &Config,
    connections_max: usize,
    store: Arc<Sled>,
    running: &OnceLock<engine::Handle>,
) -> Result<(), AppError> {
    let clocks = clocks();
    let epoch = store.begin_epoch()?;
    let listener = listen(config.server.listen)?;
    let address = listener.local_addr()?;
    let own_base = own_base(address);
    let links = Links { base: public_base(config, address) };
    let words = Arc::new(words(config, &clocks, &links));
    let (platform, sandbox_token) = platform(config, &own_base, &clocks.dice);
    let sandbox = open_sandbox(config, &clocks.now, &sandbox_token, &own_base)?;
    let house = house::build(Ground {
        config,
        clocks: &clocks,
        store: Arc::clone(&store) as Arc<dyn Store>,
        epoch: Some(epoch),
        links,
        sandbox_token,
        slots_max: config.engine.slots_max,
    })?;
    let _ = running.set(house.engine.clone());
    let _ = house.own_base.set(platform);
    let fresh_key = house::first_start(&house, config).await?;
    let drain: Arc<Drain> = Arc::default();
    let disk = Arc::clone(&store);
    let oauth = Arc::new(oauth_door(config, &house, &words));
    let callback = Arc::clone(&oauth).into_callback();
    let meta = meta_door(config, &house, &words).into_callback();
    let handlers = handlers(config, &house, &words, store, (sandbox.clone(), oauth));
    let ready = ready(config, &house.engine, &clocks.now, &disk);
    let House { engine, files, stopped, control, upkeep, webhooks, .. } = house;
    let doors = SideDoors { sandbox, files, callback, meta };
    let gate = gate(&words, engine.clone(), doors, ready, handlers, &drain);
    let (stop, stopping) = watch::channel(false);
    let limits = limits(config, connections_max);
    let server = Server { listener, limits, words, service: gate.into_service() };
    let served = tokio::spawn(server.run(stopping));
    // Before anybody is told where we are: a signal from then on drains.
    let mut signals = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let socket = config.data_dir.join("control.sock");
    let operators = listen_to_operators(&socket, control);
    let upkeep = tokio::spawn(upkeep.run());
    let (quit, quitting) = watch::channel(false);
    let deliverer = tokio::spawn(Deliverer::new(webhooks).run(quitting));
    announce(config, &own_base, fresh_key.as_ref())?;

    let ended = tokio::select! {
        _ = signals.0.recv() => Ok(()),
        _ = signals.1.recv() => Ok(()),
        ended = stopped => Err(AppError::Engine(ended.unwrap_or_else(|_| "it panicked".into()))),
    };
    quit.send_replace(true);
    if ended.is_ok() {
        stop_gently(config, &drain, &engine, deliverer).await;
    }
    stop.send_replace(true);
    let _ = served.await;
    upkeep.abort();
    if let Some(operators) = operators {
        operators.abort();
    }
    let _ = std::fs::remove_file(&socket);
    let _ = std::fs::remove_file(config.data_dir.join("listen"));
    ended
}

/// From here on, commands go to this process. Without the socket it serves all the same.
fn listen_to_operators(
    socket: &Path,
    control: Arc<control::Control>,
) -> Option<tokio::task::JoinHandle<()>> {
    match control::bind(socket) {
        Ok(listener) => Some(tokio::spawn(control::listen(listener, control))),
        Err(problem) => {
            let socket = socket.display();
            tracing::warn!(%problem, %socket, "commands cannot reach the server");
            None
        }
    }
}

/// Closes the API, lets it finish, then lets the engine finish.
async fn stop_gently(
    config: &Config,
    drain: &Drain,
    engine: &engine::Handle,
    deliverer: tokio::task::JoinHandle<()>,
) {
    let patience = config.server.drain_timeout.as_duration();
    tracing::info!(under_way = drain.under_way(), "stopping");
    if tokio::time::timeout(patience, drain.finish()).await.is_err() {
        tracing::warn!(under_way = drain.under_way(), "requests did not finish in time");
    }
    // What it cannot finish now is delivered again after the next start, under the same event id.
    if tokio::time::timeout(patience, deliverer).await.is_err() {
        tracing::warn!("deliveries did not finish in time; the next start makes them again");
    }
    match tokio::time::timeout(patience, engine.drain()).await {
        Ok(Ok(())) => tracing::info!("stopped; everything is on disk"),
        Ok(Err(error)) => tracing::warn!(%error, "the engine had stopped already"),
        Err(_) => tracing::warn!("attempts did not finish in time; the next start takes them up"),
    }
}

/// Starts the engine's thread; the receiver hears why it ended.
fn start_engine(
    core: Core,
    mailbox: Mailbox,
    handle: &engine::Handle,
    carry: Carry,
    clocks: &Clocks,
) -> Result<oneshot::Receiver<String>, AppError> {
    let runtime = tokio::runtime::Handle::current();
    let thread = engine::spawn(core, mailbox, handle.clone(), carry, clocks.clone(), runtime)?;
    let (ended, hears) = oneshot::channel();
    std::thread::Builder::new().name("engine-watch".into()).spawn(move || {
        let why = match thread.join() {
            Ok(Ok(())) => "it was drained".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it panicked".to_owned(),
        };
        // Nobody listens any more when the drain was ours.
        let _ = ended.send(why);
    })?;
    Ok(hears)
}

/// The folders of the settings, for a command that asks a running server.
pub fn folders(options: &ServeOptions) -> Result<Folders, String> {
    let config = Config::load(options.config.as_deref(), std::env::vars(), &options.settings);
    let config = config.map_err(|problem| problem.to_string())?;
    let workflows = config.workflows_dir.unwrap_or_default();
    Ok(Folders { data: config.data_dir, workflows })
}

/// Opens the store for one command, with an engine that begins no attempt. On a store that is not
/// whole no engine runs: what it did might have been done before.
pub fn offline(options: &ServeOptions) -> Opening {
    let options = options.clone();
    Box::pin(async move { open_offline(&options).await.map_err(|problem| problem.to_string()) })
}

async fn open_offline(options: &ServeOptions) -> Result<Local, AppError> {
    let config = Config::load(options.config.as_deref(), std::env::vars(), &options.settings)?;
    make_private_folder(&config.data_dir)?;
    let clocks = clocks();
    let store: Arc<dyn Store> = Arc::new(Sled::open(&config.data_dir.join("store"))?);
    let (epoch, unsound) = match store.check_whole() {
        Ok(()) => (Some(store.begin_epoch()?), None),
        Err(problem @ StoreError::Corrupt { .. }) => (None, Some(problem.to_string())),
        Err(problem) => return Err(problem.into()),
    };
    let links = Links { base: public_base(&config, config.server.listen) };
    let sandbox_token = Secret::new("");
    let house = house::build(Ground {
        config: &config,
        clocks: &clocks,
        store,
        epoch,
        links,
        sandbox_token,
        slots_max: 0,
    })?;
    Ok(Local { control: house.control, unsound })
}

/// Where the sandbox's platform's side is, and what opens it.
fn platform(config: &Config, own_base: &str, dice: &Dice) -> (String, Secret) {
    match &config.sandbox.elsewhere {
        Some(there) => (there.url.clone(), there.token.clone()),
        None => (own_base.to_owned(), Secret::new(random_hex(dice))),
    }
}

fn open_sandbox(
    config: &Config,
    now: &Now,
    token: &Secret,
    own_base: &str,
) -> Result<Option<Arc<SandboxDoor>>, AppError> {
    if !config.sandbox.enabled || config.sandbox.elsewhere.is_some() {
        return Ok(None);
    }
    let landings = Landings::open(&config.data_dir.join("sandbox"), Arc::clone(now))?;
    let door = SandboxDoor::new(landings, token, own_base, config.sandbox.allow_crash);
    Ok(Some(Arc::new(door)))
}

/// Where this process reaches itself: loopback, also when it listens everywhere.
fn own_base(address: SocketAddr) -> String {
    let mut own = address;
    match own.ip() {
        std::net::IpAddr::V4(ip) if ip.is_unspecified() => own.set_ip([127, 0, 0, 1].into()),
        std::net::IpAddr::V6(ip) if ip.is_unspecified() => {
            own.set_ip(std::net::Ipv6Addr::LOCALHOST.into());
        }
        _ => {}
    }
    format!("http://{own}")
}

fn public_base(config: &Config, address: SocketAddr) -> String {
    if config.server.public_url.is_empty() {
        return own_base(address);
    }
    config.server.public_url.clone()
}

fn limits(config: &Config, connections_max: usize) -> Limits {
    Limits {
        connections_max,
        header_timeout: config.server.header_timeout,
        idle_timeout: config.server.idle_timeout,
        drain_timeout: config.server.drain_timeout,
    }
}

/// Connections that may wait to be accepted. The system's own bound, often 4096, applies beside it;
/// the default of 128 resets clients when a few hundred come at the same instant.
const BACKLOG: u32 = 4_096;

fn listen(address: SocketAddr) -> Result<TcpListener, AppError> {
    let open = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    open().map_err(|problem| AppError::Listen { address, problem })
}

/// Says where the server is, in words and in `data/listen`, and at the first start how to publish.
fn announce(config: &Config, own_base: &str, key: Option<&Secret>) -> Result<(), AppError> {
    write_private(&config.data_dir.join("listen"), &format!("{own_base}\n"))?;
    say(&format!("listening on {own_base}"));
    let kept = config.data_dir.join("initial-key");
    let shown = match key {
        Some(key) => {
            say(&format!("API key (shown once, kept in {}): {}", kept.display(), key.expose()));
            key.expose().to_owned()
        }
        None if kept.exists() => format!("$(cat {})", kept.display()),
        None => "$YOUR_KEY".to_owned(),
    };
    say("try it:");
    say(&format!(
        "  curl -s {own_base}/v1/posts -H \"Authorization: Bearer {shown}\" \
         -d '{{\"targets\":[{{\"platform\":\"sandbox\"}}],\"text\":\"shipped\"}}'"
    ));
    Ok(())
}

/// One line on standard output. A reader that went away is no reason to stop.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Raises the limit of open files and gives how many connections fit under what was granted.
fn raise_open_files(wanted: u64) -> usize {
    let granted = rlimit::increase_nofile_limit(wanted.saturating_add(DESCRIPTORS_BESIDE))
        .unwrap_or(DESCRIPTORS_BESIDE);
    let fits = granted.saturating_sub(DESCRIPTORS_BESIDE).max(granted / 2).min(wanted);
    if fits < wanted {
        tracing::warn!(
            wanted,
            fits,
            open_files = granted,
            "fewer connections than server.connections_max: raise the limit of open files"
        );
    }
    usize::try_from(fits).unwrap_or(usize::MAX)
}

fn make_private_folder(folder: &Path) -> Result<(), AppError> {
    if !folder.is_dir() {
        std::fs::create_dir_all(folder).map_err(file("make the folder", folder))?;
        sync_parent(folder).map_err(file("keep the name of", folder))?;
    }
    let private = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(folder, private).map_err(file("close the folder to others", folder))
}

/// Writes a small file whole, readable by its owner alone.
fn write_private(path: &Path, text: &str) -> Result<(), AppError> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    let write = || -> std::io::Result<()> {
        let mut options = std::fs::OpenOptions::new();
        let mut out = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        out.write_all(text.as_bytes())?;
        out.sync_all()?;
        std::fs::rename(&fresh, path)?;
        sync_parent(path)
    };
    write().map_err(file("write", path))
}

/// Makes the name of a file or folder durable.
fn sync_parent(path: &Path) -> std::io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    std::fs::File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

fn file(op: &'static str, path: &Path) -> impl Fn(std::io::Error) -> AppError {
    let path = path.display().to_string();
    move |problem| AppError::File { op, path: path.clone(), problem }
}
