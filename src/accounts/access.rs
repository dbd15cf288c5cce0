//! What one attempt needs to speak as an account, refreshed by one at a time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::credential::BlueskyCredential;
use super::seal::Seal;
use crate::engine::{Handle, WriteError};
use crate::model::{
    Account, AccountId, Code, Dice, Fault, Millis, Now, Platform, Secret, SendOutcome,
};
use crate::platforms::Access;
use crate::platforms::bluesky::session::{self, SessionFault};
use crate::store::{CredentialRecord, Key, Record, Store, Write};
use crate::upstream::Upstream;

/// A session with less time left than this is refreshed before it is used.
const REFRESH_BEFORE: Millis = Millis::from_secs(300);
/// How long a session call may take.
pub(super) const SESSION_TIMEOUT: Millis = Millis::from_secs(20);

/// What the accounts are built from.
pub struct AccountsOptions {
    /// The store, for reading.
    pub store: Arc<dyn Store>,
    /// The engine, for writing.
    pub engine: Handle,
    /// The way outward.
    pub upstream: Arc<Upstream>,
    /// Seals credentials.
    pub seal: Arc<Seal>,
    /// The clock.
    pub now: Now,
    /// Chance.
    pub dice: Dice,
    /// Where our own sandbox is, once it listens.
    pub own_base: Arc<OnceLock<String>>,
    /// What opens our own sandbox.
    pub sandbox_token: Secret,
}

/// Why an attempt cannot speak as its account. Nothing was sent to publish.
#[derive(Debug, Clone)]
pub enum AccessError {
    /// It never will until the account is connected again.
    Refused(Fault),
    /// It may later.
    Unavailable(Fault),
}

/// The accounts.
pub struct Accounts {
    pub(super) options: AccountsOptions,
    refreshing: Mutex<BTreeMap<AccountId, Arc<tokio::sync::Mutex<()>>>>,
    /// The token of each account that its platform refused last, as far as this process knows.
    refused: Mutex<BTreeMap<AccountId, Secret>>,
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Accounts")
    }
}

impl Accounts {
    /// The accounts over a store.
    pub fn new(options: AccountsOptions) -> Self {
        Self { options, refreshing: Mutex::default(), refused: Mutex::default() }
    }

    /// Notes that the platform refused a token: it is not used again, whatever it says of its own
    /// age. Many attempts may have been refused with it; only the first renews it.
    pub fn refused(&self, id: AccountId, token: &Secret) {
        self.refusals().insert(id, token.clone());
    }

    /// What an attempt needs. With `refused` the last one was refused by the platform: the session
    /// is replaced if it is the refused one, or if this process does not know which one was.
    ///
    /// # Errors
    /// See `AccessError`.
    pub async fn access(&self, id: AccountId, refused: bool) -> Result<Access, AccessError> {
        let account = self.read_account(id)?;
        match account.platform {
            Platform::Sandbox => self.sandbox_access(&account),
            Platform::Bluesky => self.bluesky_access(&account, refused).await,
            other => Err(AccessError::Refused(no_session(
                other,
                format!("{other} cannot be published to by this server"),
            ))),
        }
    }

    fn read_account(&self, id: AccountId) -> Result<Account, AccessError> {
        match self.options.store.get(&Key::Account(id)) {
            Ok(Some(Record::Account(account))) => Ok(account),
            Ok(_) => Err(AccessError::Refused(
                Fault::new(Code::PlatformAuthFailed, "the account was removed")
                    .rule("account.removed")
                    .remedy("Connect the account again, then publish again.")
                    .outcome(SendOutcome::NotSent),
            )),
            Err(problem) => Err(AccessError::Unavailable(unreadable(&problem))),
        }
    }

    fn sandbox_access(&self, account: &Account) -> Result<Access, AccessError> {
        let base = self.options.own_base.get().ok_or_else(|| {
            AccessError::Unavailable(no_session(
                Platform::Sandbox,
                "the sandbox does not listen yet".to_owned(),
            ))
        })?;
        Ok(Access {
            base_url: base.clone(),
            platform_account_id: account.platform_account_id.clone(),
            token: self.options.sandbox_token.clone(),
        })
    }

    async fn bluesky_access(
        &self,
        account: &Account,
        refused: bool,
    ) -> Result<Access, AccessError> {
        let (before, credential) = self.credential(account.id)?;
        if self.is_good(account.id, &credential, refused) {
            return Ok(speak(&credential));
        }
        let gate = self.gate(account.id);
        let _one = gate.lock().await;
        let (record, credential) = self.credential(account.id)?;
        // Whoever held the gate before may have refreshed it for us.
        if record.version > before.version && self.is_fresh(&credential) {
            return Ok(speak(&credential));
        }
        let fresh = self.renew(&credential).await?;
        self.keep(account.id, &record, &fresh).await?;
        self.refused(account.id, &credential.access_jwt);
        Ok(speak(&fresh))
    }

    fn is_good(&self, id: AccountId, credential: &BlueskyCredential, refused: bool) -> bool {
        let token_refused = match self.refusals().get(&id) {
            Some(token) => *token == credential.access_jwt,
            None => refused,
        };
        !token_refused && self.is_fresh(credential)
    }

    fn refusals(&self) -> MutexGuard<'_, BTreeMap<AccountId, Secret>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_fresh(&self, credential: &BlueskyCredential) -> bool {
        let now = (self.options.now)();
        credential.access_expires_at.is_none_or(|at| at > now.plus(REFRESH_BEFORE))
    }

    fn gate(&self, id: AccountId) -> Arc<tokio::sync::Mutex<()>> {
        let mut gates = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(gates.entry(id).or_default())
    }

    fn credential(
        &self,
        id: AccountId,
    ) -> Result<(CredentialRecord, BlueskyCredential), AccessError> {
        let lost = |why: String| AccessError::Refused(no_session(Platform::Bluesky, why));
        let record = match self.options.store.get(&Key::Credential(id)) {
            Ok(Some(Record::Credential(record))) => record,
            Ok(_) => return Err(lost("the account has no credential".to_owned())),
            Err(problem) => return Err(AccessError::Unavailable(unreadable(&problem))),
        };
        let text = self.options.seal.open_sealed(id.raw(), &record.sealed);
        let text = text.map_err(|problem| lost(problem.to_string()))?;
        let credential = BlueskyCredential::from_text(&text)
            .ok_or_else(|| lost("the account's credential is not whole".to_owned()))?;
        Ok((record, credential))
    }

    /// A fresh session: by the refresh token, or by the app password when that has run out.
    async fn renew(&self, old: &BlueskyCredential) -> Result<BlueskyCredential, AccessError> {
        let upstream = &self.options.upstream;
        let request = session::refresh_session(&old.pds_url);
        let token = Some(&old.refresh_jwt);
        let answer = upstream.send(&request, token, None, SESSION_TIMEOUT).await;
        let refreshed = match session::read_session(&answer) {
            Err(SessionFault::Expired(_) | SessionFault::Refused(_)) => {
                let request =
                    session::create_session(&old.pds_url, &old.identifier, &old.app_password);
                let answer = upstream.send(&request, None, None, SESSION_TIMEOUT).await;
                session::read_session(&answer)
            }
            other => other,
        };
        match refreshed {
            Ok(session) => Ok(old.clone().with(&session)),
            Err(SessionFault::Unavailable(fault)) => Err(AccessError::Unavailable(fault)),
            Err(other) => Err(AccessError::Refused(other.into_fault())),
        }
    }

    /// Keeps a credential before it is used first.
    async fn keep(
        &self,
        id: AccountId,
        old: &CredentialRecord,
        fresh: &BlueskyCredential,
    ) -> Result<(), AccessError> {
        let busy = |why: &str| {
            AccessError::Unavailable(no_session(
                Platform::Bluesky,
                format!("the refreshed session could not be kept: {why}"),
            ))
        };
        let sealed = self.options.seal.seal(id.raw(), &fresh.to_text());
        let sealed = sealed.map_err(|problem| busy(&problem.to_string()))?;
        let record = CredentialRecord { sealed, version: old.version + 1 };
        let key = Key::Credential(id);
        let expect = vec![(key, Some(Record::Credential(old.clone())))];
        let writes = vec![Write::Put(key, Record::Credential(record))];
        match self.options.engine.write(expect, writes).await {
            Ok(()) => Ok(()),
            Err(WriteError::Raced) => Err(busy("the account was changed meanwhile")),
            Err(WriteError::Engine(problem)) => Err(busy(&problem.to_string())),
        }
    }
}

fn speak(credential: &BlueskyCredential) -> Access {
    Access {
        base_url: credential.pds_url.clone(),
        platform_account_id: credential.did.clone(),
        token: credential.access_jwt.clone(),
    }
}

fn no_session(platform: Platform, why: String) -> Fault {
    Fault::new(Code::PlatformAuthFailed, why)
        .rule("account.reconnect_required")
        .on(platform)
        .remedy("Connect the account again.")
        .outcome(SendOutcome::NotSent)
}

pub(super) fn unreadable(problem: &dyn std::fmt::Display) -> Fault {
    tracing::error!(%problem, "a record of an account cannot be read");
    Fault::new(Code::InternalError, "a record of the account cannot be read")
        .rule("store.read")
        .remedy("The operator finds the reason in the log; `fanfare journal verify` names it.")
        .outcome(SendOutcome::NotSent)
        .retryable()
}
