//! The only place that sends.

mod fetch;
mod hook;

use std::error::Error as _;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, Response, Url};
use tokio::fs::File;

pub use self::fetch::{FetchFault, Fetched};
pub use self::hook::{Hook, HookAnswer, HookFault};
use super::guard::{Refused, guard};
use super::names::{self, Lookup};
use super::way::Pending;
use crate::model::{ANSWER_BYTES_MAX, Millis, Now, Secret};
use crate::platforms::{Answer, Body, Reach, Request, SandboxFault};

/// To establish a connection. Longer would only delay saying "not sent".
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// An idle connection is closed before the other side is likely to close it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// What an operator may set about reaching outward.
#[derive(Debug, Clone)]
pub struct UpstreamOptions {
    /// Whether platforms may lie on private addresses (`upstream.allow_private`).
    pub allow_private: bool,
    /// Whether media may (`media.allow_private`).
    pub media_allow_private: bool,
    /// Whether webhook endpoints may (`webhooks.allow_private`).
    pub webhooks_allow_private: bool,
    /// Whether sandbox faults may abort the process (`sandbox.allow_crash`).
    pub allow_crash: bool,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[error("build the HTTP client: {0}")]
pub struct UpstreamError(String);

/// The client: one for platforms, one for media, one for webhooks, one for our own sandbox.
#[derive(Clone)]
pub struct HttpUpstream {
    public: Client,
    media: Client,
    hooks: Client,
    own: Client,
    options: UpstreamOptions,
    now: Now,
}

impl std::fmt::Debug for HttpUpstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HttpUpstream({:?})", self.options)
    }
}

impl HttpUpstream {
    /// Builds the clients.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(options: UpstreamOptions, now: Now) -> Result<Self, UpstreamError> {
        Self::with_names(options, now, names::system)
    }

    /// As `new`, with names found by what `lookup` gives: to each client its own, so that none
    /// waits for names that only another one needs.
    pub(super) fn with_names(
        options: UpstreamOptions,
        now: Now,
        lookup: impl Fn() -> Lookup,
    ) -> Result<Self, UpstreamError> {
        let tls = tls()?;
        let guarded = |allow_private, setting| {
            let names = Guarded { lookup: lookup(), allow_private, setting };
            builder(&tls).dns_resolver(Arc::new(names)).build()
        };
        let failed = |problem: reqwest::Error| UpstreamError(problem.to_string());
        Ok(Self {
            public: guarded(options.allow_private, "upstream.allow_private").map_err(failed)?,
            media: guarded(options.media_allow_private, fetch::SETTING).map_err(failed)?,
            hooks: guarded(options.webhooks_allow_private, hook::SETTING).map_err(failed)?,
            own: builder(&tls).build().map_err(failed)?,
            options,
            now,
        })
    }

    /// See `Upstream::send`.
    pub(super) async fn send_once(
        &self,
        request: &Request,
        token: Option<&Secret>,
        media: Option<(&Path, u64)>,
        timeout: Millis,
    ) -> Answer {
        match request.fault {
            Some(SandboxFault::TimeoutBeforeSend) => {
                let why = "the sandbox was asked to time out before anything is sent";
                return Answer::NotSent { why: why.to_owned() };
            }
            Some(SandboxFault::CrashBeforeSend) => {
                if let Some(answer) = self.crash() {
                    return answer;
                }
            }
            Some(SandboxFault::CrashAfterAnswer) if !self.options.allow_crash => {
                return no_crash();
            }
            Some(SandboxFault::CrashAfterAnswer) | None => {}
        }
        let answer = match self.build(request, token, media, timeout).await {
            Ok(ready) => self.exchange(ready).await,
            Err(why) => Answer::NotSent { why },
        };
        if request.fault == Some(SandboxFault::CrashAfterAnswer) {
            let _ = self.crash();
        }
        answer
    }

    async fn build(
        &self,
        request: &Request,
        token: Option<&Secret>,
        media: Option<(&Path, u64)>,
        timeout: Millis,
    ) -> Result<(Client, reqwest::Request), String> {
        let url = Url::parse(&request.url).map_err(|e| format!("the URL is not sound: {e}"))?;
        let client = match request.reach {
            Reach::Own => {
                let loopback = url.host_str().and_then(address).is_some_and(|ip| ip.is_loopback());
                if !loopback {
                    return Err("the sandbox is reached on loopback only".to_owned());
                }
                &self.own
            }
            Reach::Public => {
                literal(&url, self.options.allow_private, "upstream.allow_private")?;
                &self.public
            }
        };
        let method = reqwest::Method::from_bytes(request.method.as_bytes())
            .map_err(|e| format!("the method is not sound: {e}"))?;
        let mut building = client.request(method, url).timeout(timeout.as_duration());
        for (name, value) in &request.headers {
            let mut value = HeaderValue::from_str(value)
                .map_err(|_| format!("the header {name} is not sound"))?;
            value.set_sensitive(*name == "authorization");
            building = building.header(*name, value);
        }
        if request.bearer {
            let token = token.ok_or("the account has no token")?;
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
                .map_err(|_| "the account's token is not sound".to_owned())?;
            value.set_sensitive(true);
            building = building.header(AUTHORIZATION, value);
        }
        building = match (&request.body, media) {
            (Body::Empty, _) => building,
            (Body::Bytes(bytes), _) => building.body(bytes.clone()),
            (Body::Media(_), Some((path, bytes))) => {
                let file =
                    File::open(path).await.map_err(|e| format!("the media file is gone: {e}"))?;
                let stream = tokio_util::io::ReaderStream::new(file);
                building.header("content-length", bytes).body(reqwest::Body::wrap_stream(stream))
            }
            (Body::Media(_), None) => return Err("the media file is not known".to_owned()),
        };
        let ready = building.build().map_err(|e| words(&e))?;
        Ok((client.clone(), ready))
    }

    async fn exchange(&self, (client, ready): (Client, reqwest::Request)) -> Answer {
        let response = match client.execute(ready).await {
            Ok(response) => response,
            Err(problem) => return unsent(&problem),
        };
        let status = response.status().as_u16();
        let headers = header_list(response.headers());
        match body(response).await {
            Ok(body) => Answer::Heard { status, headers, body, at: (self.now)() },
            // A refusal is a refusal even when its reasons are cut off; a success that cannot be
            // read is no success.
            Err((got, _)) if (400..500).contains(&status) => {
                Answer::Heard { status, headers, body: got, at: (self.now)() }
            }
            Err((_, why)) => Answer::MaybeSent { why: format!("status {status}, then {why}") },
        }
    }

    fn crash(&self) -> Option<Answer> {
        if self.options.allow_crash {
            std::process::abort();
        }
        Some(no_crash())
    }
}

fn no_crash() -> Answer {
    let why = "sandbox.allow_crash is off, so the crash that was asked for did not happen";
    Answer::NotSent { why: why.to_owned() }
}

fn tls() -> Result<rustls::ClientConfig, UpstreamError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|problem| UpstreamError(problem.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn builder(tls: &rustls::ClientConfig) -> reqwest::ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls.clone())
        .user_agent(concat!("fanfare/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
}

/// Resolves names and drops the addresses that may not be reached. The client connects to what is
/// left and asks no second time, so a name cannot change its mind after it was checked.
pub(super) struct Guarded {
    pub(super) lookup: Lookup,
    pub(super) allow_private: bool,
    pub(super) setting: &'static str,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let found = self.addresses(name.as_str().to_owned());
        Box::pin(async move { Ok(Box::new(found.await?.into_iter()) as Addrs) })
    }
}

impl Guarded {
    /// The addresses of a name that may be reached.
    pub(super) fn addresses(
        &self,
        name: String,
    ) -> Pending<'static, Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>>> {
        let (allow_private, setting) = (self.allow_private, self.setting);
        let found = (self.lookup)(name.clone());
        Box::pin(async move {
            let mut why = None;
            let mut open = Vec::new();
            for address in found.await? {
                match guard(address.ip(), allow_private) {
                    Ok(()) => open.push(address),
                    Err(refused) => why = Some(refused),
                }
            }
            match (open.is_empty(), why) {
                (true, Some(refused)) => {
                    Err(GuardError(refusal_words(&name, refused, setting)).into())
                }
                _ => Ok(open),
            }
        })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct GuardError(String);

fn refusal_words(host: &str, refused: Refused, setting: &str) -> String {
    match refused {
        Refused::Metadata => format!("{host} is a metadata service, which is never reached"),
        Refused::Private => format!(
            "{host} lies on a private address; set {setting} = true in config.toml to allow it"
        ),
    }
}

/// Hosts that are addresses never meet the resolver; they are guarded here.
fn literal(url: &Url, allow_private: bool, setting: &str) -> Result<(), String> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("{}: is no http or https address", url.scheme()));
    }
    match url.host_str().and_then(address) {
        None => Ok(()),
        Some(ip) => {
            guard(ip, allow_private).map_err(|r| refusal_words(&ip.to_string(), r, setting))
        }
    }
}

fn address(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Whether a request that failed can have reached anybody.
fn unsent(problem: &reqwest::Error) -> Answer {
    if let Some(why) = refusal(problem) {
        return Answer::NotSent { why };
    }
    let why = words(problem);
    if problem.is_connect() || problem.is_builder() {
        Answer::NotSent { why }
    } else {
        Answer::MaybeSent { why }
    }
}

fn refusal(problem: &reqwest::Error) -> Option<String> {
    let mut cause = problem.source();
    while let Some(inner) = cause {
        if let Some(GuardError(why)) = inner.downcast_ref::<GuardError>() {
            return Some(why.clone());
        }
        cause = inner.source();
    }
    None
}

/// The causes of a failure in one line, without the URL: it may hold a query.
fn words(problem: &reqwest::Error) -> String {
    let mut out = if problem.is_timeout() { "timed out".to_owned() } else { String::new() };
    let mut cause: Option<&dyn std::error::Error> = problem.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !out.contains(&text) {
            if !out.is_empty() {
                out.push_str(": ");
            }
            out.push_str(&text);
        }
        cause = inner.source();
    }
    if out.is_empty() { "the request failed".to_owned() } else { out }
}

fn header_list(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

async fn body(mut response: Response) -> Result<Vec<u8>, (Vec<u8>, String)> {
    let mut out = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(out),
            Ok(Some(chunk)) if out.len() + chunk.len() > ANSWER_BYTES_MAX => {
                return Err((out, format!("a body of more than {ANSWER_BYTES_MAX} bytes")));
            }
            Ok(Some(chunk)) => out.extend_from_slice(&chunk),
            Err(problem) => return Err((out, words(&problem))),
        }
    }
}
