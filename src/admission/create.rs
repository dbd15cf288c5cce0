//! `POST /v1/posts`.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;

use super::caller::Caller;
use super::claims::{Keyed, Served, answered};
use super::faults;
use super::resolve::{self, Resolved};
use crate::engine::{Handle, NewTarget, Submission};
use crate::model::{
    Account, AccountId, Code, Content, ContentIx, Digest, Fault, MediaId, MediaItem, MediaSource,
    Now, RequestId, SCHEDULE_LEAD_MAX, SCHEDULE_LEAD_MIN, SendOutcome, Timestamp,
};
use crate::platforms::Registry;
use crate::preflight;
use crate::store::{Key, Order, Record, Store};
use crate::wire::{self, CreateRequest, Links, RequestMedia, RequestSource};
use crate::workflow::Catalog;

/// Accounts looked through at the most.
const ACCOUNTS_MAX: usize = 10_000;

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
    /// Where error pages are.
    pub links: Links,
    /// The clock.
    pub now: Now,
    /// Whether an upload of this id exists.
    pub media_known: Arc<dyn Fn(&MediaId) -> bool + Send + Sync>,
}

/// Decides whether requests may come in.
#[derive(Clone)]
pub struct Admission {
    pub(super) options: AdmissionOptions,
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Admission")
    }
}

impl Admission {
    /// Admission over a store and an engine.
    pub const fn new(options: AdmissionOptions) -> Self {
        Self { options }
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
        let keyed = match Self::keyed(key, route, &body) {
            Ok(keyed) => keyed,
            Err(fault) => return self.plain(fault, request),
        };
        match self.earlier(keyed.as_ref()).await {
            Ok(None) => {}
            Ok(Some(served)) => return served,
            Err(fault) => return self.plain(fault, request),
        }
        match self.submission(caller, request, keyed.as_ref(), &body, keep).await {
            Err(fault) => self.failed(fault, keyed.as_ref(), request).await,
            Ok(submission) => match self.options.engine.submit(submission).await {
                Ok(submitted) => answered(submitted, keyed.as_ref()),
                Err(problem) => self.plain(faults::engine(&problem), request),
            },
        }
    }

    async fn submission<K, F>(
        &self,
        caller: &Caller,
        request: &RequestId,
        keyed: Option<&Keyed>,
        body: &[u8],
        keep: K,
    ) -> Result<Submission, Fault>
    where
        K: Fn(Vec<u8>) -> F,
        F: Future<Output = Result<Digest, Fault>>,
    {
        let asked = wire::parse_create(body)?;
        let accounts = self.accounts()?;
        let resolved = resolve::resolve(&accounts, &asked, caller.key.profile)?;
        let provisional: Vec<Content> = resolved.iter().map(provisional).collect();
        self.check(&resolved, &provisional)?;
        self.schedule(&asked)?;
        let mut contents: Vec<Content> = Vec::new();
        let mut targets = Vec::with_capacity(resolved.len());
        for (one, draft) in resolved.iter().zip(&provisional) {
            let place = match contents.iter().position(|known| known == draft) {
                Some(place) => place,
                None => {
                    contents.push(draft.clone());
                    contents.len() - 1
                }
            };
            targets.push(self.target(one, draft, place)?);
        }
        for one in &resolved {
            for media in &one.media {
                if let RequestSource::Inline(bytes) = &media.source {
                    keep(bytes.to_vec()).await?;
                }
            }
        }
        Ok(Submission {
            request_id: request.clone(),
            key: caller.key.id,
            claim: keyed.map(|keyed| keyed.claim),
            scheduled_at: asked.scheduled_at,
            contents,
            targets,
        })
    }

    fn target(
        &self,
        one: &Resolved<'_>,
        content: &Content,
        place: usize,
    ) -> Result<NewTarget, Fault> {
        let platform = one.account.platform;
        let codec = self.options.registry.get(&platform).ok_or_else(|| not_enabled(one.account))?;
        let definition = self.options.catalog.current(codec.workflow(content));
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

    /// Everything the request alone can break, for all targets, before anything is stored.
    fn check(&self, resolved: &[Resolved<'_>], contents: &[Content]) -> Result<(), Fault> {
        for (ix, (one, content)) in resolved.iter().zip(contents).enumerate() {
            self.uploads(content)?;
            let twin =
                resolved.iter().zip(contents).take(ix).position(|(other, said)| {
                    other.account.id == one.account.id && said == content
                });
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

    pub(super) fn uploads(&self, content: &Content) -> Result<(), Fault> {
        for item in &content.media {
            if let MediaSource::Upload(id) = &item.source
                && !(self.options.media_known)(id)
            {
                return Err(Fault::new(Code::NotFound, format!("there is no upload {id}"))
                    .rule("media.unknown")
                    .remedy("Send the file inline as bytesBase64, or by a public url."));
            }
        }
        Ok(())
    }

    fn schedule(&self, asked: &CreateRequest) -> Result<(), Fault> {
        asked.scheduled_at.map_or(Ok(()), |at| self.window(at))
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

    pub(super) fn accounts(&self) -> Result<Vec<Account>, Fault> {
        let (from, to) = (AccountId::from_raw(0), AccountId::from_raw(u128::MAX));
        let found = self
            .options
            .store
            .scan(&Key::Account(from), &Key::Account(to), Order::Ascending, ACCOUNTS_MAX)
            .map_err(|problem| faults::unreadable(&problem))?;
        let mut accounts: Vec<Account> = found
            .into_iter()
            .filter_map(|(_, record)| match record {
                Record::Account(account) => Some(account),
                _ => None,
            })
            .collect();
        accounts.sort_by_key(|account| (account.created_at, account.id));
        Ok(accounts)
    }
}

/// The content of a target; inline bytes by the digest they will be kept under.
fn provisional(one: &Resolved<'_>) -> Content {
    Content {
        text: one.text.clone(),
        media: one.media.iter().map(media_item).collect(),
        first_comment: one.first_comment.clone(),
        options: one.options.clone(),
    }
}

/// An attachment as it is stored.
pub(super) fn media_item(media: &RequestMedia) -> MediaItem {
    MediaItem {
        kind: media.kind,
        alt_text: media.alt_text.clone(),
        source: match &media.source {
            RequestSource::Upload(id) => MediaSource::Upload(id.clone()),
            RequestSource::Url(url) => MediaSource::Url(url.clone()),
            RequestSource::Inline(bytes) => {
                MediaSource::Inline(super::caller::digest(&[bytes.as_slice()]))
            }
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

fn duplicate(twin: usize, ix: usize, account: AccountId) -> Fault {
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
