//! One attempt, from the released call to its report.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::clock::Dates;
use super::flights::Flights;
use crate::accounts::{AccessError, Accounts};
use crate::engine::{Call, Carry, Handle, Report, caught};
use crate::media::Media;
use crate::model::{
    Attempt, Code, Content, Cursor, EXCHANGE_BYTES_MAX, Exchange, Fault, MediaItem, Millis, Now,
    SendOutcome, Target, Verdict,
};
use crate::platforms::{
    self, Access, Answer, Body, ClockTrust, Context, MediaFacts, Platform, Prepared, Registry,
    Rehearsal, Request, SNAPSHOT,
};
use crate::store::Store;
use crate::upstream::Upstream;
use crate::wire::Links;
use crate::workflow::{Catalog, Definition, Step};

/// What the courier is built from.
#[derive(Clone)]
pub struct CourierOptions {
    /// The store, for reading.
    pub store: Arc<dyn Store>,
    /// The engine, for noting what was fetched.
    pub engine: Handle,
    /// Access to accounts.
    pub accounts: Arc<Accounts>,
    /// The way outward.
    pub upstream: Arc<dyn Upstream>,
    /// Kept bytes.
    pub media: Arc<Media>,
    /// The platforms.
    pub registry: Arc<Registry>,
    /// The definitions.
    pub catalog: Arc<Catalog>,
    /// Where the posts of test keys are shown.
    pub links: Links,
    /// The clock.
    pub now: Now,
}

/// Carries out attempts.
#[derive(Clone)]
pub struct Courier {
    pub(super) options: CourierOptions,
    /// Fetches under way.
    pub(super) flights: Flights,
    pub(super) dates: Arc<Dates>,
}

impl std::fmt::Debug for Courier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Courier")
    }
}

/// What an attempt is about, looked up.
struct Job<'a> {
    target: &'a Target,
    attempt: Attempt,
    definition: &'a Definition,
    step: &'a Step,
    codec: Arc<dyn Platform>,
    content: &'a Content,
    test: bool,
}

impl Courier {
    /// A courier.
    pub fn new(options: CourierOptions) -> Self {
        Self { options, flights: Flights::default(), dates: Arc::default() }
    }

    /// What the engine calls. A panic in a codec is reported as what it leaves: doubt, once
    /// anything may have been sent; before that, nothing but another try.
    pub fn into_carry(self) -> Carry {
        let courier = Arc::new(self);
        Arc::new(move |call: Call| {
            let courier = Arc::clone(&courier);
            Box::pin(async move {
                let sending = Arc::new(AtomicBool::new(false));
                let marker = Arc::clone(&sending);
                let work = caught(async move { courier.carry(call, &marker).await });
                work.await.unwrap_or_else(|panic| {
                    tracing::error!(%panic, "an attempt broke off");
                    let verdict = if sending.load(Ordering::Acquire) {
                        Verdict::Unknown { fault: broke_off(SendOutcome::Unknown) }
                    } else {
                        Verdict::Retry { fault: broke_off(SendOutcome::NotSent), after: None }
                    };
                    Report { verdict, exchange: None }
                })
            })
        })
    }

    async fn carry(&self, call: Call, sending: &AtomicBool) -> Report {
        let Some(job) = self.job(&call) else {
            return Report { verdict: Verdict::Refuse { fault: nowhere() }, exchange: None };
        };
        let asked = (self.options.now)();
        let access = match self.access(&job).await {
            Ok(access) => access,
            Err(AccessError::Refused(fault)) => {
                return Report { verdict: Verdict::Refuse { fault }, exchange: None };
            }
            Err(AccessError::Unavailable(fault)) => {
                let verdict = Verdict::Retry { fault, after: None };
                return Report { verdict, exchange: None };
            }
        };
        // What getting access took is no longer there for the sending: nothing may be sent that the
        // engine has given up by the time it lands.
        let whole = margin(job.step.timeout);
        let spent = (self.options.now)().since(asked);
        if spent.0 > whole.0 / 2 {
            let verdict = Verdict::Retry { fault: too_slow(job.target), after: None };
            return Report { verdict, exchange: None };
        }
        let timeout = Millis(whole.0 - spent.0);
        let cx = context(&job, &call, &access);
        let cx = Context {
            clock_ahead: self.dates.ahead(job.target.account),
            // Only what is read back asks for it.
            clock: cx.doubt_since.map_or(cx.clock, |since| self.trust(&call, since)),
            ..cx
        };
        let prepared = match job.codec.prepare(&cx) {
            Ok(prepared) => prepared,
            Err(fault) => return Report { verdict: Verdict::Refuse { fault }, exchange: None },
        };
        let began = (self.options.now)();
        let (answer, request) = match prepared {
            Prepared::Nothing(output) => {
                return Report { verdict: Verdict::Done(output), exchange: None };
            }
            Prepared::Snapshot => {
                let item = job.content.media.get(usize::from(job.attempt.step.round));
                let taking = self.snapshot(&call, job.target, item, timeout);
                (Box::pin(taking).await, None)
            }
            Prepared::Request(request) => {
                sending.store(true, Ordering::Release);
                let answer = self.send(&request, &cx, timeout).await;
                if let Some(news) = self.dates.learn(job.target.account, &answer) {
                    Box::pin(self.note_clock(news)).await;
                }
                (answer, Some(request))
            }
        };
        let verdict = job.codec.interpret(&cx, &answer);
        if matches!(verdict, Verdict::Reauth { .. }) {
            self.options.accounts.refused(job.target.account, &access.token);
        }
        let took = (self.options.now)().since(began);
        let exchange = request.map(|request| exchange(&request, &answer, took));
        Report { verdict, exchange }
    }

    fn job<'a>(&'a self, call: &'a Call) -> Option<Job<'a>> {
        let target = call.batch.target(call.ix)?;
        let Cursor::Running(attempt) = target.cursor else { return None };
        let definition = self.options.catalog.get(&target.definition)?;
        let real = self.options.registry.get(&target.platform)?;
        let codec: Arc<dyn Platform> = if call.batch.test {
            Arc::new(Rehearsal::of(Arc::clone(real)))
        } else {
            Arc::clone(real)
        };
        Some(Job {
            target,
            attempt,
            definition,
            step: definition.step(attempt.step)?,
            codec,
            content: call.batch.content_of(target),
            test: call.batch.test,
        })
    }

    async fn access(&self, job: &Job<'_>) -> Result<Access, AccessError> {
        if job.step.name == SNAPSHOT || job.test {
            // Getting hold of bytes needs no account, and a rehearsal speaks to nobody.
            let token = crate::model::Secret::new("");
            let base_url = self.options.links.base.clone();
            let platform_account_id = String::new();
            return Ok(Access { base_url, platform_account_id, token });
        }
        let refused = job.target.step_reauths > 0;
        self.options.accounts.access(job.target.account, refused).await
    }

    async fn send(&self, request: &Request, cx: &Context<'_>, timeout: Millis) -> Answer {
        let media = match &request.body {
            Body::Media(digest) => cx
                .media
                .iter()
                .find(|facts| facts.digest == *digest)
                .map(|facts| (self.options.media.path(digest), facts.bytes)),
            Body::Empty | Body::Bytes(_) => None,
        };
        let media = media.as_ref().map(|(path, bytes)| (path.as_path(), *bytes));
        let token = Some(&cx.access.token);
        self.options.upstream.send(request, token, media, timeout).await
    }

    async fn snapshot(
        &self,
        call: &Call,
        target: &Target,
        item: Option<&MediaItem>,
        timeout: Millis,
    ) -> Answer {
        match item {
            Some(item) => self.take(call.batch.id, target.profile, item, timeout).await,
            None => Answer::SnapshotFailed { fault: nowhere(), retry_after: None },
        }
    }
}

/// The request's own time is shorter than the attempt's, so that the engine hears what happened
/// before it gives the attempt up.
const fn margin(timeout: Millis) -> Millis {
    Millis(timeout.0 / 10 * 9)
}

fn context<'a>(job: &'a Job<'_>, call: &'a Call, access: &'a Access) -> Context<'a> {
    let mut memos: BTreeMap<&str, Vec<Arc<str>>> = BTreeMap::new();
    for (at, memo) in &job.target.memo {
        if let Some(step) = job.definition.step(*at) {
            memos.entry(step.name.as_str()).or_default().push(Arc::clone(memo));
        }
    }
    let kept = memos.get(SNAPSHOT).map_or(&[][..], Vec::as_slice);
    let media: Vec<MediaFacts> =
        kept.iter().filter_map(|memo| platforms::facts_from_memo(memo)).collect();
    Context {
        step: &job.step.name,
        round: usize::from(job.attempt.step.round),
        errand: job.attempt.errand,
        step_attempt: job.target.step_attempts,
        post: job.target.post,
        account: job.target.account,
        content: job.content,
        started_at: job.target.started_at.unwrap_or(job.attempt.began_at),
        doubt_since: job.target.doubt_since,
        began_at: job.attempt.began_at,
        clock_ahead: None,
        clock: ClockTrust::Steady,
        memos,
        receipt: job.target.receipt.as_ref(),
        media,
        access,
        owned: &call.owned,
    }
}

fn exchange(request: &Request, answer: &Answer, took: Millis) -> Exchange {
    let url = request.url.split('?').next().unwrap_or_default();
    let (status, text) = match answer {
        Answer::Heard { status, body, .. } => {
            (Some(*status), String::from_utf8_lossy(body).into_owned())
        }
        Answer::NotSent { why } => (None, format!("not sent: {why}")),
        Answer::MaybeSent { why } => (None, format!("no answer: {why}")),
        Answer::Snapshot(_) | Answer::SnapshotFailed { .. } => (None, String::new()),
    };
    Exchange {
        request: format!("{} {url}", request.method),
        status,
        answer: platforms::excerpt(&text, EXCHANGE_BYTES_MAX).to_owned(),
        duration: took,
    }
}

fn broke_off(outcome: SendOutcome) -> Fault {
    Fault::new(Code::InternalError, "a mistake in this server broke the attempt off")
        .rule("server.attempt")
        .remedy("Look at the account before publishing again; the log has the reason.")
        .outcome(outcome)
}

fn too_slow(target: &Target) -> Fault {
    let platform = target.platform;
    Fault::new(
        Code::PlatformUnavailable,
        format!("a session on {platform} took so long that nothing was sent"),
    )
    .rule(format!("{platform}.unreachable"))
    .on(platform)
    .remedy("Try again later; nothing was published by this attempt.")
    .outcome(SendOutcome::NotSent)
    .retryable()
}

fn nowhere() -> Fault {
    Fault::new(Code::InternalError, "the attempt does not fit what is stored")
        .rule("server.attempt")
        .remedy("Publish it again; please report this with the post's journal.")
        .outcome(SendOutcome::NotSent)
}
