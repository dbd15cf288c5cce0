//! The way outward, simulated. That a request lands and that we hear of it are two things.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fanfare::model::{Cursor, Millis, NoticeId, PostId, Secret, Timestamp};
use fanfare::platforms::{Answer, Body, Request};
use fanfare::store::{Key, Record, Store, load_batch};
use fanfare::upstream::{FetchFault, Fetched, Hook, HookAnswer, HookFault, Pending, Upstream};
use serde_json::Value;

use super::disk::Flaw;
use super::files::{self, hash};
use super::world::{Fate, State, World};
use crate::journal::Finding;

/// Where the sandbox is.
pub const OWN: &str = "http://own.sim";
/// Where the host of the Bluesky accounts is.
pub const PDS: &str = "http://pds.sim";
/// The directory that tells so.
pub const PLC: &str = "http://plc.sim";
/// No request lands later than this after it was sent: below every grace.
const LANDS_WITHIN_MS: u64 = 8_000;

/// The simulated network, as one process life sees it.
pub struct Net {
    pub world: Arc<World>,
}

impl std::fmt::Debug for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Net")
    }
}

/// A request that takes effect, and what is then said about it.
struct Deed<'a> {
    what: &'a str,
    land: &'a (dyn Fn(&mut State, Timestamp) + Sync),
    answer: &'a (dyn Fn(&mut State) -> (u16, Value) + Sync),
}

impl Net {
    async fn route(
        &self,
        request: &Request,
        token: Option<&Secret>,
        media: Option<&Path>,
        timeout: Millis,
    ) -> Answer {
        let (path, query) = request.url.split_once('?').unwrap_or((&request.url, ""));
        let ask: Value = match &request.body {
            Body::Bytes(bytes) => serde_json::from_slice(bytes).expect("our codecs write JSON"),
            Body::Empty | Body::Media(_) => Value::Null,
        };
        let token = token.map(|token| token.expose().to_owned()).unwrap_or_default();
        let place = path.rsplit('/').next().unwrap_or_default();
        match (request.method, place) {
            ("POST", "posts") => self.post(&ask, timeout).await,
            ("GET", "posts") => self.read_back(query, timeout).await,
            ("POST", "uploads") => self.upload(media, timeout).await,
            ("POST", "com.atproto.repo.uploadBlob") => {
                self.upload_blob(media, &token, timeout).await
            }
            ("POST", "com.atproto.server.createSession") => self.sign_in(&ask, timeout).await,
            ("POST", "com.atproto.server.refreshSession") => self.refresh(&token, timeout).await,
            ("POST", "com.atproto.repo.putRecord") => self.put_record(&ask, &token, timeout).await,
            ("GET", "com.atproto.repo.getRecord") => self.get_record(query, &token, timeout).await,
            ("GET", did) if path.starts_with(PLC) => self.document(did, timeout).await,
            other => panic!("nobody answers {other:?}"),
        }
    }

    async fn post(&self, ask: &Value, timeout: Millis) -> Answer {
        self.must_be_on_disk(ask["post"].as_str().unwrap_or_default());
        let deed = Deed {
            what: &format!("post {} {}", ask["post"], ask["kind"]),
            land: &|state, at| state.timeline.expect(at, ask.clone()),
            answer: &|state| match state.timeline.receipt(ask) {
                Some(receipt) => (200, receipt),
                None => (503, Value::Null),
            },
        };
        self.ride(deed, timeout).await
    }

    async fn read_back(&self, query: &str, timeout: Millis) -> Answer {
        let account = parameter(query, "account");
        let since: Timestamp = parameter(query, "since").parse().expect("a time");
        let deed = Deed {
            what: "read back",
            land: &|_, _| {},
            answer: &|state| (200, state.timeline.of_account(&account, since)),
        };
        self.ride(deed, timeout).await
    }

    /// The bytes of an attachment, as the platform hears them.
    fn heard_media(&self, media: Option<&Path>) -> Vec<u8> {
        let path = media.expect("an upload has bytes");
        std::fs::read(path).unwrap_or_else(|problem| {
            let what = format!("{}: {problem}", path.display());
            self.world.find(Finding::new("media_is_kept_while_needed", what));
            Vec::new()
        })
    }

    async fn upload(&self, media: Option<&Path>, timeout: Millis) -> Answer {
        let what = hash(&self.heard_media(media)).to_string();
        let answer = serde_json::json!({ "ref": what });
        let deed = Deed { what: "an upload", land: &|_, _| {}, answer: &|_| (200, answer.clone()) };
        self.ride(deed, timeout).await
    }

    async fn upload_blob(&self, media: Option<&Path>, token: &str, timeout: Millis) -> Answer {
        if !self.opens(token) {
            return self.expired().await;
        }
        let bytes = self.heard_media(media);
        let blob = serde_json::json!({ "$type": "blob", "mimeType": "image/png",
            "ref": { "$link": hash(&bytes).to_string() }, "size": bytes.len() });
        let answer = serde_json::json!({ "blob": blob });
        let deed = Deed { what: "a blob", land: &|_, _| {}, answer: &|_| (200, answer.clone()) };
        self.ride(deed, timeout).await
    }

    async fn sign_in(&self, ask: &Value, timeout: Millis) -> Answer {
        let who = ask["identifier"].as_str().unwrap_or_default();
        let deed = Deed {
            what: "sign in",
            land: &|_, _| {},
            answer: &|state| {
                if self.world.flaw == Some(Flaw::LosesPasswords) && state.open_since.is_some() {
                    return (401, serde_json::json!({ "error": "AuthenticationRequired" }));
                }
                let (now, life) = (state.true_time(), state.plan.session_ms);
                (200, state.pds.create_session(who, now, life))
            },
        };
        self.ride(deed, timeout).await
    }

    async fn document(&self, did: &str, timeout: Millis) -> Answer {
        let service = serde_json::json!({ "id": "#atproto_pds",
            "type": "AtprotoPersonalDataServer", "serviceEndpoint": PDS });
        let document = serde_json::json!({ "id": did, "service": [service] });
        let deed =
            Deed { what: "a document", land: &|_, _| {}, answer: &|_| (200, document.clone()) };
        self.ride(deed, timeout).await
    }

    async fn refresh(&self, token: &str, timeout: Millis) -> Answer {
        let deed = Deed {
            what: "refresh",
            land: &|_, _| {},
            answer: &|state| {
                let (now, life) = (state.true_time(), (state.lives, state.plan.session_ms));
                state.pds.refresh_session(token, now, life)
            },
        };
        self.ride(deed, timeout).await
    }

    async fn put_record(&self, ask: &Value, token: &str, timeout: Millis) -> Answer {
        if !self.opens(token) {
            return self.expired().await;
        }
        let deed = Deed {
            what: &format!("put {} {}", ask["rkey"], ask["record"]["text"]),
            land: &|state, at| state.pds.expect(at, ask),
            answer: &|state| state.pds.put(ask),
        };
        self.ride(deed, timeout).await
    }

    async fn get_record(&self, query: &str, token: &str, timeout: Millis) -> Answer {
        if !self.opens(token) {
            return self.expired().await;
        }
        let (did, key) = (parameter(query, "repo"), parameter(query, "rkey"));
        let deed = Deed {
            what: "get record",
            land: &|_, _| {},
            answer: &|state| state.pds.get(&did, &key),
        };
        self.ride(deed, timeout).await
    }

    fn opens(&self, token: &str) -> bool {
        let state = self.world.state();
        let now = state.true_time();
        state.pds.opens(token, now).is_some()
    }

    async fn expired(&self) -> Answer {
        pause(5).await;
        self.heard(400, serde_json::json!({ "error": "ExpiredToken", "message": "over" }))
    }

    /// A request to its end, as the seed has it.
    async fn ride(&self, deed: Deed<'_>, timeout: Millis) -> Answer {
        let (fate, lands, later, late, lucky) = {
            let mut state = self.world.state();
            let fate = state.fate();
            state.note(&format!("send {}: {fate:?}", deed.what));
            let lands = state.dice.range(1, 400);
            let later = lands + state.dice.range(1, 400);
            (fate, lands, later, state.dice.range(400, LANDS_WITHIN_MS), state.dice.chance(50))
        };
        let lands = match fate {
            Fate::Fine | Fate::LandsUnheard | Fate::Garbage => Some(lands),
            Fate::LandsLate => Some(late),
            Fate::Silent | Fate::Unavailable => lucky.then_some(lands),
            Fate::NotSent | Fate::LostUnheard | Fate::RateLimited | Fate::Refused => None,
        };
        if let Some(after) = lands {
            let mut state = self.world.state();
            let at = state.true_time().plus(Millis(after));
            (deed.land)(&mut state, at);
        }
        let why = "the line is dead".to_owned();
        match fate {
            Fate::NotSent => {
                pause(later).await;
                Answer::NotSent { why }
            }
            Fate::LandsUnheard | Fate::LostUnheard | Fate::LandsLate => {
                pause(later).await;
                Answer::MaybeSent { why }
            }
            Fate::Silent => {
                pause(timeout.0).await;
                Answer::MaybeSent { why: "timed out".to_owned() }
            }
            Fate::RateLimited => {
                pause(later).await;
                self.heard(429, Value::Null)
            }
            Fate::Refused => {
                pause(later).await;
                self.heard(422, serde_json::json!({ "error": "InvalidRequest", "message": "no" }))
            }
            Fate::Unavailable => {
                pause(later).await;
                self.heard(503, Value::Null)
            }
            Fate::Garbage => {
                pause(later).await;
                let at = self.world.state().wall();
                Answer::Heard { status: 200, headers: Vec::new(), body: b"<html>".to_vec(), at }
            }
            Fate::Fine => {
                pause(later).await;
                let (status, body) = {
                    let mut state = self.world.state();
                    let now = state.true_time();
                    state.timeline.settle(now);
                    state.pds.settle(now);
                    (deed.answer)(&mut state)
                };
                self.heard(status, body)
            }
        }
    }

    fn heard(&self, status: u16, body: Value) -> Answer {
        let mut state = self.world.state();
        let mut headers = vec![("date".to_owned(), http_date(state.true_time()))];
        if status == 429 {
            headers.push(("retry-after".to_owned(), state.dice.range(1, 5).to_string()));
        }
        let at = state.wall();
        Answer::Heard { status, headers, body: body.to_string().into_bytes(), at }
    }

    /// Nothing may leave before the flush that recorded why.
    fn must_be_on_disk(&self, post: &str) {
        let durable = self.world.memory().durable();
        let place = post.parse::<PostId>().ok().and_then(|id| durable.get(&Key::Post(id)).ok()?);
        let running = match place {
            Some(Record::Post(place)) => {
                let batch = load_batch(&durable, place.batch).ok().flatten();
                let target = batch.and_then(|batch| batch.target(place.ix).cloned());
                target.is_some_and(|target| matches!(target.cursor, Cursor::Running(_)))
            }
            _ => false,
        };
        if !running {
            let what = format!("{post} was sent, and the disk knows of no attempt");
            self.world.find(Finding::new("nothing_leaves_before_its_flush", what));
        }
    }

    async fn hook(&self, hook: &Hook) -> Result<HookAnswer, HookFault> {
        let id = hook.headers.iter().find(|(name, _)| *name == "webhook-id");
        let id = id.and_then(|(_, id)| id.parse::<NoticeId>().ok());
        let known = id.and_then(|id| self.world.memory().durable().get(&Key::Notice(id)).ok()?);
        if known.is_none() {
            let what = format!("an event was delivered that the disk does not know: {id:?}");
            self.world.find(Finding::new("nothing_leaves_before_its_flush", what));
        }
        let (deaf, fate, wait) = {
            let mut state = self.world.state();
            let open = state.open_for().unwrap_or_default();
            let deaf = state.plan.deaf.is_some_and(|(from, to)| (from..to).contains(&open));
            let fate = state.fate();
            (deaf, fate, state.dice.range(1, 500))
        };
        pause(wait).await;
        if deaf {
            return Err(HookFault::Unreachable("nobody is there".to_owned()));
        }
        let arrives = !matches!(fate, Fate::NotSent | Fate::LostUnheard | Fate::RateLimited);
        let taken = if arrives { self.world.state().receivers.take(hook) } else { Ok(()) };
        if let Err(finding) = taken {
            self.world.find(finding);
        }
        let answer = |status| Ok(HookAnswer { status, body: b"heard".to_vec() });
        match fate {
            Fate::NotSent | Fate::LostUnheard => Err(HookFault::Unreachable("lost".to_owned())),
            Fate::LandsUnheard | Fate::LandsLate | Fate::Silent => {
                Err(HookFault::Timeout("timed out".to_owned()))
            }
            Fate::RateLimited | Fate::Unavailable => answer(503),
            Fate::Fine | Fate::Refused | Fate::Garbage => answer(204),
        }
    }
}

impl Upstream for Net {
    fn send<'a>(
        &'a self,
        request: &'a Request,
        token: Option<&'a Secret>,
        media: Option<(&'a Path, u64)>,
        timeout: Millis,
    ) -> Pending<'a, Answer> {
        Box::pin(self.route(request, token, media.map(|(path, _)| path), timeout))
    }

    fn fetch<'a>(
        &'a self,
        url: &'a str,
        _bytes_max: u64,
        into: &'a mut tokio::fs::File,
        _timeout: Millis,
    ) -> Pending<'a, Result<Fetched, FetchFault>> {
        Box::pin(files::fetch(&self.world, url, into))
    }

    fn deliver<'a>(
        &'a self,
        hook: &'a Hook,
        _timeout: Millis,
    ) -> Pending<'a, Result<HookAnswer, HookFault>> {
        Box::pin(self.hook(hook))
    }
}

/// Virtual milliseconds pass: the clock is paused, and jumps to whatever is waited for next.
pub async fn pause(ms: u64) {
    let never = std::future::pending::<()>();
    let _ = tokio::time::timeout(Duration::from_millis(ms), never).await;
}

/// The platform's clock, as its answers show it.
fn http_date(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.as_millis()).expect("a time");
    let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
    printer.timestamp_to_rfc9110_string(&at).expect("a date")
}

fn parameter(query: &str, name: &str) -> String {
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    let found = pairs.into_iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.into_owned()).unwrap_or_default()
}
