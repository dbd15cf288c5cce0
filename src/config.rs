//! Every setting: read from flags, then the environment, then `config.toml`, then defaults.
//!
//! `config.toml` documents each key in place. A key that nobody knows is an error that names the
//! nearest one that exists: a misspelt setting must not be a setting silently left at its default.

mod oauth;
mod reader;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::model::{Millis, Platform, Secret};
use crate::platforms::oauth::Client;
use reader::Reader;

/// The file that is read when none is named. It may be missing.
pub const DEFAULT_FILE: &str = "config.toml";

/// All settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The folder of everything that must survive.
    pub data_dir: PathBuf,
    /// The HTTP server.
    pub server: Server,
    /// The engine.
    pub engine: Engine,
    /// Posts with a time.
    pub scheduling: Scheduling,
    /// `Idempotency-Key`.
    pub idempotency: Idempotency,
    /// The built-in platform.
    pub sandbox: Sandbox,
    /// Bluesky.
    pub bluesky: Bluesky,
    /// Calls to platforms.
    pub upstream: Reaching,
    /// Media fetched from URLs.
    pub media: Reaching,
    /// Delivering to webhook endpoints.
    pub webhooks: Reaching,
    /// The apps that were registered at platforms; one that lacks a setting is not here.
    pub oauth: BTreeMap<Platform, Client>,
    /// The secrets of the apps at Meta, which signs with them what it tells of people.
    pub meta_secrets: Vec<Secret>,
    /// The limit of requests a key.
    pub rate_limit: RateLimit,
    /// What is logged and how.
    pub log: Log,
    /// Backups.
    pub backup: Backup,
    /// The folder with definitions that override the built-in ones.
    pub workflows_dir: Option<PathBuf>,
}

/// The HTTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where it listens; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The address clients know it by, without a trailing slash; empty: where it listens.
    pub public_url: String,
    /// Origins whose pages may read answers in a browser.
    pub cors_origins: Vec<String>,
    /// Where people come back to after they connected an account, without a trailing slash; empty:
    /// a page of our own.
    pub dashboard_url: String,
    /// Origins beside the dashboard's that they may ask to be sent to.
    pub trusted_origins: Vec<String>,
    /// Less free room on the store's disk than this is not ready.
    pub disk_free_bytes_min: u64,
    /// Bytes of one request body.
    pub body_bytes_max: u64,
    /// Bytes of all request bodies in memory at once.
    pub bodies_bytes_max: u64,
    /// Open connections.
    pub connections_max: u64,
    /// From the first byte of a request to the end of its header.
    pub header_timeout: Millis,
    /// For the whole body of a request to arrive.
    pub body_timeout: Millis,
    /// For a connection without a request, and for a client that does not read.
    pub idle_timeout: Millis,
    /// For requests under way when the server stops.
    pub drain_timeout: Millis,
}

/// The engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// Attempts under way at once.
    pub slots_max: u32,
    /// Attempts under way at once on one platform.
    pub platform_slots_max: u32,
    /// How long an immediate publish waits for its outcome.
    pub sync_wait: Millis,
}

/// Posts with a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduling {
    /// How late a post may still go out, after downtime or for want of a slot.
    pub max_lateness: Millis,
}

/// `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// How long a key is kept at least.
    pub window: Millis,
}

/// The built-in platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    /// Whether it is there at all.
    pub enabled: bool,
    /// Whether a post may ask it to abort this process.
    pub allow_crash: bool,
    /// The process that is its platform's side, if that is not this one.
    pub elsewhere: Option<Elsewhere>,
}

/// Another process that is the sandbox's platform's side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// Its base, on loopback, without a trailing slash.
    pub url: String,
    /// What opens it.
    pub token: Secret,
}

/// Bluesky.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bluesky {
    /// The directory that tells where an account lives, without a trailing slash.
    pub plc_url: String,
}

/// Which addresses may be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaching {
    /// Whether private, loopback and link-local ones may.
    pub allow_private: bool,
}

/// The limit of requests a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests a window; 0 switches the limit off.
    pub points: u32,
    /// The window.
    pub window: Millis,
}

/// Backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Where they go; without it the folder `backups` of the data folder.
    pub dir: Option<PathBuf>,
    /// Whether they are made by the clock.
    pub scheduled: bool,
}

/// What is logged and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The least important level that is logged.
    pub level: LogLevel,
    /// Lines for people or for machines.
    pub format: LogFormat,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// What we stopped doing.
    Error,
    /// What an operator should look at today.
    Warn,
    /// What happens.
    Info,
    /// How it happens.
    Debug,
    /// All of it.
    Trace,
}

impl LogLevel {
    /// Every level.
    pub const ALL: [Self; 5] = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// Its name in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why there are no settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The named file cannot be read.
    #[error("read settings: {path}: {problem}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        problem: String,
    },
    /// The file is no TOML.
    #[error("read settings: {path}: {problem}")]
    Syntax {
        /// The file.
        path: String,
        /// Where and what.
        problem: String,
    },
    /// A key that does not exist.
    #[error("read settings: unknown key {key} in {source_name}{}", hint(.nearest.as_deref()))]
    Unknown {
        /// The key.
        key: String,
        /// Where it stands.
        source_name: String,
        /// The key that was probably meant.
        nearest: Option<String>,
    },
    /// A value of the wrong kind.
    #[error("read settings: {key} = {value} in {source_name}: expected {expected}")]
    Wrong {
        /// The key.
        key: String,
        /// Where it stands.
        source_name: String,
        /// The value.
        value: String,
        /// What it should be.
        expected: String,
    },
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map(|key| format!("; did you mean {key}?")).unwrap_or_default()
}

impl Config {
    /// Reads the settings: `flags` (dotted keys with their values) over `env` over the file.
    /// Without a named file, `config.toml` in the working folder is read if it is there.
    ///
    /// # Errors
    /// See `ConfigError`.
    pub fn load(
        file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        flags: &[(String, String)],
    ) -> Result<Self, ConfigError> {
        let path = file.unwrap_or(Path::new(DEFAULT_FILE));
        let text = match std::fs::read_to_string(path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && file.is_none() => None,
            Err(error) => {
                let (path, problem) = (path.display().to_string(), error.to_string());
                return Err(ConfigError::File { path, problem });
            }
        };
        let mut reader = Reader::new(path, text.as_deref(), env, flags)?;
        let config = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(config)
    }

    fn read(from: &mut Reader) -> Result<Self, ConfigError> {
        let apps = oauth::read(from)?;
        Ok(Self {
            data_dir: from.path("data_dir", Some("data"))?.unwrap_or_else(|| "data".into()),
            server: Server::read(from)?,
            engine: Engine {
                slots_max: slots(from, "engine.slots_max", 256)?,
                platform_slots_max: slots(from, "engine.platform_slots_max", 128)?,
                sync_wait: millis(from, "engine.sync_wait_ms", 60_000, 1)?,
            },
            scheduling: Scheduling {
                max_lateness: millis(from, "scheduling.max_lateness_ms", 86_400_000, 0)?,
            },
            idempotency: Idempotency {
                // The contract promises a day; less would break it.
                window: millis(from, "idempotency.window_ms", 86_400_000, 86_400_000)?,
            },
            sandbox: Sandbox {
                enabled: from.switch("sandbox.enabled", true)?,
                allow_crash: from.switch("sandbox.allow_crash", false)?,
                elsewhere: elsewhere(from)?,
            },
            bluesky: Bluesky {
                plc_url: from.text(
                    "bluesky.plc_url",
                    "https://plc.directory".to_owned(),
                    "a URL that begins with http:// or https://",
                    |text| public_url(text).filter(|url| !url.is_empty()),
                )?,
            },
            upstream: Reaching { allow_private: from.switch("upstream.allow_private", false)? },
            media: Reaching { allow_private: from.switch("media.allow_private", false)? },
            webhooks: Reaching { allow_private: from.switch("webhooks.allow_private", false)? },
            oauth: apps.clients,
            meta_secrets: apps.meta_secrets,
            rate_limit: RateLimit {
                points: points(from)?,
                window: millis(from, "rate_limit.window_ms", 60_000, 1_000)?,
            },
            log: Log {
                level: from.text(
                    "log.level",
                    LogLevel::Info,
                    "error, warn, info, debug or trace",
                    |text| LogLevel::ALL.into_iter().find(|level| level.as_str() == text),
                )?,
                format: from.text(
                    "log.format",
                    LogFormat::Text,
                    "text or json",
                    |text| match text {
                        "text" => Some(LogFormat::Text),
                        "json" => Some(LogFormat::Json),
                        _ => None,
                    },
                )?,
            },
            backup: Backup {
                dir: from.path("backup.dir", None)?,
                scheduled: from.switch("backup.scheduled", true)?,
            },
            workflows_dir: from.path("workflows.dir", None)?,
        })
    }
}

impl Server {
    fn read(from: &mut Reader) -> Result<Self, ConfigError> {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 3000));
        Ok(Self {
            listen: from.text(
                "server.listen",
                loopback,
                "an address with a port, such as \"127.0.0.1:3000\"",
                |text| text.parse().ok(),
            )?,
            public_url: from.text(
                "server.public_url",
                String::new(),
                "a URL that begins with http:// or https://, or nothing",
                public_url,
            )?,
            cors_origins: from.text(
                "server.cors_origins",
                vec!["http://localhost:3001".to_owned()],
                "origins such as \"https://app.example.com\", with commas between them",
                origins,
            )?,
            dashboard_url: from.text(
                "server.dashboard_url",
                String::new(),
                "a URL that begins with http:// or https://, or nothing",
                public_url,
            )?,
            trusted_origins: from.text(
                "server.trusted_origins",
                Vec::new(),
                "origins such as \"https://app.example.com\", with commas between them",
                origins,
            )?,
            disk_free_bytes_min: from.number(
                "server.disk_free_bytes_min",
                256 << 20,
                0..=1 << 50,
            )?,
            body_bytes_max: from.number("server.body_bytes_max", 64 << 20, 1_024..=1 << 30)?,
            bodies_bytes_max: from.number("server.bodies_bytes_max", 512 << 20, 1_024..=1 << 40)?,
            connections_max: from.number("server.connections_max", 12_000, 1..=1_000_000)?,
            header_timeout: millis(from, "server.header_timeout_ms", 10_000, 1)?,
            body_timeout: millis(from, "server.body_timeout_ms", 60_000, 1)?,
            idle_timeout: millis(from, "server.idle_timeout_ms", 60_000, 1)?,
            drain_timeout: millis(from, "server.drain_timeout_ms", 30_000, 0)?,
        })
    }
}

/// Where the sandbox's platform's side is, if it is another process.
fn elsewhere(from: &mut Reader) -> Result<Option<Elsewhere>, ConfigError> {
    let expected = "a URL on loopback such as \"http://127.0.0.1:4000\", or nothing";
    let url = from.text("sandbox.url", String::new(), expected, loopback_url)?;
    let token = from.secret("sandbox.token")?;
    Ok((!url.is_empty()).then_some(Elsewhere { url, token }))
}

fn loopback_url(text: &str) -> Option<String> {
    let on_loopback = || {
        let url = url::Url::parse(text).ok().filter(|url| url.scheme() == "http")?;
        let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        host.parse::<std::net::IpAddr>().ok().filter(std::net::IpAddr::is_loopback)
    };
    (text.is_empty() || on_loopback().is_some()).then(|| text.trim_end_matches('/').to_owned())
}

/// Origins with commas between them; empty means none.
fn origins(text: &str) -> Option<Vec<String>> {
    let named = text.split(',').map(str::trim).filter(|origin| !origin.is_empty());
    named
        .map(|origin| {
            let url = url::Url::parse(origin).ok()?;
            (url.origin().ascii_serialization() == origin).then(|| origin.to_owned())
        })
        .collect()
}

/// The longest span of a setting: ten years. Beyond it, sums with instants could overflow.
const SPAN_MS_MAX: u64 = 10 * 365 * 24 * 3_600 * 1_000;

fn millis(from: &mut Reader, key: &str, default: u64, min: u64) -> Result<Millis, ConfigError> {
    from.number(key, default, min..=SPAN_MS_MAX).map(Millis)
}

fn slots(from: &mut Reader, key: &str, default: u64) -> Result<u32, ConfigError> {
    from.number(key, default, 1..=65_536).map(|count| u32::try_from(count).unwrap_or(u32::MAX))
}

fn points(from: &mut Reader) -> Result<u32, ConfigError> {
    let all = 0..=u64::from(u32::MAX);
    let points = from.number("rate_limit.points", 6_000, all)?;
    Ok(u32::try_from(points).unwrap_or(u32::MAX))
}

fn public_url(text: &str) -> Option<String> {
    let good = text.is_empty()
        || url::Url::parse(text).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.query().is_none()
                && url.fragment().is_none()
        });
    good.then(|| text.trim_end_matches('/').to_owned())
}
