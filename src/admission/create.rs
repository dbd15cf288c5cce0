//! `POST /v1/posts`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::caller::{Caller, digest};
use super::claims::{Keyed, Served, answered};
use super::faults;
use super::flights::Flights;
use super::pages::Pages;
use super::resolve::{self, Resolved};
use crate::accounts::Seal;
use crate::courier::Inspection;
use crate::engine::{Handle, NewTarget, Submission};
use crate::media::MediaLinks;
use crate::model::{
    Account, AccountId, Code, Content, ContentIx, Digest, Fault, MediaItem, MediaSource, Now,
    ProfileId, RequestId, SCHEDULE_LEAD_MAX, SCHEDULE_LEAD_MIN, SendOutcome, Timestamp,
};
use crate::platforms::{self, Registry};
use crate::preflight;
use crate::store::{Key, Order, Record, Store, aside};
use crate::wire::{self, CreateRequest, Links, RequestMedia, RequestSource};
use crate::workflow::Catalog;

/// Accounts of one page of a scan.
const PAGE: usize = 1_000;
/// A longer body takes longer to read than to be handed to another thread.
const DRAFT_HERE_BYTES_MAX: usize = 16 << 10;
/// So do more accounts.
const DRAFT_HERE_ACCOUNTS_MAX: usize = 32;

/// Deep preflight, given by the wiring: the faults of each content.
pub type Inspect = Arc<
    dyn Fn(Vec<Inspection>) -> Pin<Box<dyn Future<Output = Vec<Vec<Fault>>> + Send>> + Send + Sync,
>;

/// What admission is built from.
#[derive(Clone)]
pub struct AdmissionOptions {
    /// The store, for reading.
    pub store: Arc<dyn Store>,
    /// The engine.
    pub engine: Handle,
    /// The definitions that new targets pin.
    pub catalog: Arc<Catalog>,
    /// The platforms.
    pub registry: Arc<Registry>,
    /// Gets hold of attachments and inspects them, publishing nothing.
    pub inspect: Inspect,
    /// Seals kept replies that show a secret.
    pub seal: Arc<Seal>,
    /// Where error pages are.
    pub links: Links,
    /// Makes addresses of uploads.
    pub media_links: MediaLinks,
    /// The clock.
    pub now: Now,
}

/// Decides whether requests may come in.
#[derive(Clone)]
pub struct Admission {
    pub(super) options: AdmissionOptions,
    /// Keyed changes under way.
    pub(super) flights: Flights,
    /// Held while records are looked for and written.
    pub(super) recording: Arc<tokio::sync::Mutex<()>>,
    /// How many accounts there were when they were last counted.
    accounts_seen: Arc<AtomicUsize>,
    /// Lists as they were last answered.
    pub(super) pages: Pages,
}

/// A request to publish that holds: what is to be submitted, and the bytes to be kept first.
struct Draft {
    scheduled_at: Option<Timestamp>,
    contents: Vec<Content>,
    targets: Vec<NewTarget>,
    inline: Inline,
}

/// Bytes sent inline, each hashed once however many targets share them.
#[derive(Default)]
pub(super) struct Inline(Vec<(Arc<Vec<u8>>, Digest)>);

impl Inline {
    fn digest(&mut self, bytes: &Arc<Vec<u8>>) -> Digest {
        if let Some((_, known)) = self.0.iter().find(|(other, _)| Arc::ptr_eq(other, bytes)) {
            return *known;
        }
        let digest = digest(&[bytes.as_slice()]);
        self.0.push((Arc::clone(bytes), digest));
        digest
    }

    /// Keeps what is not among `kept` yet.
    pub(super) async fn keep<K, F>(self, keep: &K, kept: &mut Vec<Digest>) -> Result<(), Fault>
    where
        K: Fn(Vec<u8>) -> F,
        F: Future<Output = Result<Digest, Fault>>,
    {
        for (bytes, digest) in self.0 {
            if !kept.contains(&digest) {
                keep(bytes.to_vec()).await?;
                kept.push(digest);
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Admission")
    }
}

impl Admission {
    /// Admission over a store and an engine.
    pub fn new(options: AdmissionOptions) -> Self {
        Self {
            options,
            flights: Flights::default(),
            recording: Arc::default(),
            accounts_seen: Arc::new(AtomicUsize::new(usize::MAX)),
            pages: Pages::default(),
        }
    }

    /// Runs what reads the store or takes long where waiting holds nobody up.
    pub(super) async fn off<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let this = self.clone();
        let done = aside(move || work(&this)).await;
        done.map_err(|problem| faults::unreadable(&problem))?
    }

    /// Takes a request to publish. `keep` stores inline bytes durably; it is called only when
    /// everything else holds.
    pub async fn create<K, F>(
        &self,
        caller: &Caller,
        request: &RequestId,
        key: Option<&str>,
        route: (&str, &str),
        body: Bytes,
        keep: K,
    ) -> Served
    where
        K: Fn(Vec<u8>) -> F,
        F: Future<Output = Result<Digest, Fault>>,
    {
        let keyed = match Self::keyed(caller.sent(key), route, &body) {
            Ok(keyed) => keyed,
            Err(fault) => return self.plain(faults::unsent(fault), request),
        };
        match self.earlier(keyed.as_ref()).await {
            Ok(None) => {}
            Ok(Some(served)) => return served,
            Err(fault) => return self.plain(faults::unsent(fault), request),
        }
        match self.submission(caller, request, keyed.as_ref(), body, keep).await {
            Err(fault) => self.failed(faults::unsent(fault), keyed.as_ref(), request).await,
            Ok(submission) => match self.options.engine.submit(submission).await {
                Ok(submitted) => answered(submitted, keyed.as_ref()),
                Err(problem) => self.plain(faults::submit(&problem, keyed.is_some()), request),
            },
        }
    }

    async fn submission<K, F>(
        &self,
        caller: &Caller,
        request: &RequestId,
        keyed: Option<&Keyed>,
        body: Bytes,
        keep: K,
    ) -> Result<Submission, Fault>
    where
        K: Fn(Vec<u8>) -> F,
        F: Future<Output = Result<Digest, Fault>>,
    {
        let draft = self.drafted(caller, body).await?;
        draft.inline.keep(&keep, &mut Vec::new()).await?;
        Ok(Submission {
            request_id: request.clone(),
            key: caller.key.id,
            test: caller.is_test(),
            claim: keyed.map(|keyed| keyed.claim),
            scheduled_at: draft.scheduled_at,
            contents: draft.contents,
            targets: draft.targets,
        })
    }

    /// The draft of a request: made here when that takes microseconds, as nearly always, for to
    /// hand it to another thread takes longer than that.
    async fn drafted(&self, caller: &Caller, body: Bytes) -> Result<Draft, Fault> {
        let asking = caller.clone();
        if body.len() > DRAFT_HERE_BYTES_MAX {
            return self.off(move |this| this.draft(&wire::parse_create(&body)?, &asking)).await;
        }
        let asked = wire::parse_create(&body)?;
        let named = asked.targets.iter().all(|target| target.account.is_some());
        if named || self.accounts_seen.load(Ordering::Relaxed) <= DRAFT_HERE_ACCOUNTS_MAX {
            return self.draft(&asked, caller);
        }
        self.off(move |this| this.draft(&asked, &asking)).await
    }

    /// Everything that can be decided before anything is kept.
    fn draft(&self, asked: &CreateRequest, caller: &Caller) -> Result<Draft, Fault> {
        let accounts = self.accounts_for(asked)?;
        let resolved = resolve::resolve(&accounts, asked, caller.key.profile)?;
        let mut inline = Inline::default();
        let said: Vec<Content> = resolved.iter().map(|one| content(one, &mut inline)).collect();
        check(&resolved, &said)?;
        if let Some(at) = asked.scheduled_at {
            self.window(at)?;
            // An immediate post that names a wrong upload fails alone; a scheduled one would fail
            // only when nobody looks.
            for (one, content) in resolved.iter().zip(&said) {
                self.uploads(content, one.account.profile)?;
            }
        }
        let mut contents: Vec<Content> = Vec::new();
        let mut targets = Vec::with_capacity(resolved.len());
        for (one, said) in resolved.iter().zip(said) {
            let place = contents.iter().position(|known| *known == said).unwrap_or(contents.len());
            targets.push(self.target(one, &said, place, caller.is_test())?);
            if place == contents.len() {
                contents.push(said);
            }
        }
        Ok(Draft { scheduled_at: asked.scheduled_at, contents, targets, inline })
    }

    pub(super) fn target(
        &self,
        one: &Resolved<'_>,
        content: &Content,
        place: usize,
        test: bool,
    ) -> Result<NewTarget, Fault> {
        let platform = one.account.platform;
        let codec = self.options.registry.get(&platform).ok_or_else(|| not_enabled(one.account))?;
        let workflow = if test { platforms::REHEARSAL } else { codec.workflow(content) };
        let definition = self.options.catalog.current(workflow);
        let definition = definition.ok_or_else(|| not_enabled(one.account))?;
        Ok(NewTarget {
            account: one.account.id,
            profile: one.account.profile,
            platform,
            definition: definition.digest,
            content: ContentIx(u16::try_from(place).unwrap_or(u16::MAX)),
            warnings: one.warnings.clone(),
        })
    }

    /// Whether every upload that a content names is there for its account's profile.
    pub(super) fn uploads(&self, content: &Content, profile: ProfileId) -> Result<(), Fault> {
        for item in &content.media {
            let MediaSource::Upload(id) = &item.source else { continue };
            let found = self.options.store.get(&Key::Media(*id));
            match found.map_err(|problem| faults::unreadable(&problem))? {
                Some(Record::Media(object)) if object.profile == profile => {}
                _ => return Err(faults::no_upload(id)),
            }
        }
        Ok(())
    }

    /// Whether a time is at least a second and at most two years ahead.
    pub(super) fn window(&self, at: Timestamp) -> Result<(), Fault> {
        let now = (self.options.now)();
        if at < now.plus(SCHEDULE_LEAD_MIN) {
            return Err(too_soon(at));
        }
        if at > now.plus(SCHEDULE_LEAD_MAX) {
            return Err(Fault::new(
                Code::ValidationFailed,
                format!("{at} is over two years ahead"),
            )
            .rule("scheduledAt.max")
            .remedy("Schedule at most two years ahead."));
        }
        Ok(())
    }

    /// The accounts that a request may speak of: those it names, or all where it names a
    /// platform alone.
    pub(super) fn accounts_for(&self, asked: &CreateRequest) -> Result<Vec<Account>, Fault> {
        let ids: Option<Vec<AccountId>> =
            asked.targets.iter().map(|target| target.account).collect();
        let Some(ids) = ids else { return self.accounts() };
        let mut named = Vec::with_capacity(ids.len());
        for id in ids {
            let found = self.options.store.get(&Key::Account(id));
            if let Some(Record::Account(account)) = found.map_err(|e| faults::unreadable(&e))? {
                named.push(account);
            }
        }
        Ok(named)
    }

    /// All accounts, oldest first.
    pub(super) fn accounts(&self) -> Result<Vec<Account>, Fault> {
        let last = Key::Account(AccountId::from_raw(u128::MAX));
        let mut from = Some(0);
        let mut accounts: Vec<Account> = Vec::new();
        while let Some(raw) = from {
            let first = Key::Account(AccountId::from_raw(raw));
            let page = self.options.store.scan(&first, &last, Order::Ascending, PAGE);
            let page = page.map_err(|problem| faults::unreadable(&problem))?;
            let whole = page.len() == PAGE;
            accounts.extend(page.into_iter().filter_map(|(_, record)| match record {
                Record::Account(account) => Some(account),
                _ => None,
            }));
            let highest = accounts.last().and_then(|account| account.id.raw().checked_add(1));
            from = highest.filter(|_| whole);
        }
        self.accounts_seen.store(accounts.len(), Ordering::Relaxed);
        accounts.sort_by_key(|account| (account.created_at, account.id));
        Ok(accounts)
    }
}

/// Everything the request alone can break, for all targets, before anything is stored.
fn check(resolved: &[Resolved<'_>], contents: &[Content]) -> Result<(), Fault> {
    for (ix, (one, content)) in resolved.iter().zip(contents).enumerate() {
        let twin = resolved
            .iter()
            .zip(contents)
            .take(ix)
            .position(|(other, said)| other.account.id == one.account.id && said == content);
        if let Some(twin) = twin {
            return Err(duplicate(twin, ix, one.account.id));
        }
    }
    for (ix, (one, content)) in resolved.iter().zip(contents).enumerate() {
        let broken = preflight::shape(one.account.platform, content);
        if let Some(first) = broken.first() {
            let all = preflight::violations_json(ix, &broken);
            return Err(first.clone().response(all));
        }
    }
    Ok(())
}

/// The content of a target; inline bytes by the digest they will be kept under.
pub(super) fn content(one: &Resolved<'_>, inline: &mut Inline) -> Content {
    Content {
        text: one.text.clone(),
        media: one.media.iter().map(|media| media_item(media, inline)).collect(),
        first_comment: one.first_comment.clone(),
        options: one.options.clone(),
    }
}

/// An attachment as it is stored.
pub(super) fn media_item(media: &RequestMedia, inline: &mut Inline) -> MediaItem {
    MediaItem {
        kind: media.kind,
        alt_text: media.alt_text.clone(),
        source: match &media.source {
            RequestSource::Upload(id) => MediaSource::Upload(*id),
            RequestSource::Url(url) => MediaSource::Url(url.clone()),
            RequestSource::Inline(bytes) => MediaSource::Inline(inline.digest(bytes)),
        },
    }
}

/// A schedule that is not far enough ahead.
pub(super) fn too_soon(at: impl std::fmt::Display) -> Fault {
    Fault::new(Code::ValidationFailed, format!("{at} is not at least one second ahead"))
        .rule("scheduledAt.future")
        .remedy("Send a later time, or leave scheduledAt out to publish now.")
        .outcome(SendOutcome::NotSent)
}

pub(super) fn duplicate(twin: usize, ix: usize, account: AccountId) -> Fault {
    Fault::new(
        Code::ValidationFailed,
        format!("targets {twin} and {ix} say the same on account {account}"),
    )
    .rule("targets.duplicate")
    .response(serde_json::json!({ "targets": [twin, ix] }).to_string())
    .remedy("Remove one of them, or give it other content.")
}

fn not_enabled(account: &Account) -> Fault {
    let platform = account.platform;
    Fault::new(Code::PlatformNotEnabled, format!("{platform} cannot be published to here yet"))
        .rule("platform.not_enabled")
        .on(platform)
        .remedy("Publish to bluesky or sandbox.")
}
