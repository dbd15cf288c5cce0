//! Who is asking.

use super::faults;
use crate::model::{ApiKey, Batch, Code, Digest, Fault, KeyPrefix, ProfileId, Scope, TargetIx};
use crate::store::{Key, Record, Store};

/// Who is asking, as the API key says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The key.
    pub key: ApiKey,
}

impl Caller {
    /// Whether the key is a test key: what it publishes reaches no platform.
    pub fn is_test(&self) -> bool {
        self.key.prefix == KeyPrefix::Test
    }

    /// Whether this caller may know of the post with this id, which is there.
    pub(super) fn may_see(&self, batch: &Batch, ix: TargetIx, id: &str) -> Result<(), Fault> {
        let target = batch.target(ix).ok_or_else(|| faults::no_post(id))?;
        match self.key.profile {
            Some(own) if own != target.profile => {
                Err(faults::no_post(id).rule("api_key.profile_scope"))
            }
            _ => Ok(()),
        }
    }

    /// The `Idempotency-Key` that this caller sent, if it sent one.
    pub fn sent<'a>(&self, text: Option<&'a str>) -> SentKey<'a> {
        SentKey { text: text.filter(|text| !text.is_empty()), profile: self.key.profile }
    }
}

/// An `Idempotency-Key` as it was sent, and among whose requests it is looked for: those of the
/// organization, or of the one profile that the API key is limited to. The same bytes mean another
/// account in another profile, and no profile is told what was answered in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentKey<'a> {
    pub(super) text: Option<&'a str>,
    pub(super) profile: Option<ProfileId>,
}

/// The caller of an `Authorization` header.
///
/// # Errors
/// `unauthenticated` when there is no good key in it.
pub fn authenticate(store: &dyn Store, header: Option<&str>) -> Result<Caller, Fault> {
    let token = header.and_then(|text| text.strip_prefix("Bearer ")).map(str::trim);
    let prefixes = [KeyPrefix::Live, KeyPrefix::Test];
    let shaped = |token: &&str| prefixes.iter().any(|prefix| token.starts_with(prefix.as_str()));
    let Some(token) = token.filter(shaped) else {
        return Err(unauthenticated("no API key came with the request"));
    };
    let found = store.get(&Key::ApiKey(hash(token))).map_err(|e| faults::unreadable(&e))?;
    match found {
        Some(Record::ApiKey(key)) if key.revoked_at.is_none() => Ok(Caller { key }),
        _ => Err(unauthenticated("the API key is not known or was revoked")),
    }
}

/// Whether the caller may do what `scope` names.
///
/// # Errors
/// `unauthorized`, rule `api_key.scope`.
pub fn require(caller: &Caller, scope: Scope) -> Result<(), Fault> {
    if caller.key.grants(scope) {
        return Ok(());
    }
    let name = scope.as_str();
    Err(Fault::new(Code::Unauthorized, format!("the API key lacks the scope {name}"))
        .rule("api_key.scope")
        .remedy(format!("Use a key with it: `fanfare keys create --name … --scope {name}`.")))
}

fn unauthenticated(why: &str) -> Fault {
    Fault::new(Code::Unauthenticated, why).remedy(
        "Send `Authorization: Bearer lmp_live_…`; `fanfare keys create --name …` makes a key.",
    )
}

pub(super) fn hash(text: &str) -> Digest {
    digest(&[text.as_bytes()])
}

/// SHA-256 over parts, each with its length, so that no two lists of parts look alike.
pub(super) fn digest(parts: &[&[u8]]) -> Digest {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    if let [only] = parts {
        context.update(only);
    } else {
        for part in parts {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part);
        }
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    Digest(out)
}
