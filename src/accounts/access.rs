//! What one attempt needs to speak as an account, refreshed by one at a time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::credential::Credential;
use super::seal::Seal;
use super::tidings;
use crate::engine::{EngineError, Handle, WriteError};
use crate::model::{
    Account, AccountId, Code, Dice, Fault, Millis, Now, Platform, Secret, SendOutcome,
};
use crate::platforms::Access;
use crate::platforms::oauth::{self, Client};
use crate::store::{CredentialRecord, Key, Record, Store, Write};
use crate::upstream::Upstream;
use crate::wire::Links;

/// How long a session call may take.
pub(super) const SESSION_TIMEOUT: Millis = Millis::from_secs(20);
/// How often keeping a renewed credential is tried. It cannot be had again where refresh tokens are
/// good for one refresh, so a full mailbox is waited out: for ten seconds in all.
const KEEP_ATTEMPTS: usize = 100;
/// The wait between two of them.
const KEEP_WAIT: Millis = Millis(100);

/// What the accounts are built from.
pub struct AccountsOptions {
    /// The store, for reading.
    pub store: Arc<dyn Store>,
    /// The engine, for writing.
    pub engine: Handle,
    /// The way outward.
    pub upstream: Arc<dyn Upstream>,
    /// Seals credentials.
    pub seal: Arc<Seal>,
    /// The apps that the operator registered at platforms.
    pub clients: BTreeMap<Platform, Client>,
    /// The directory that tells where a Bluesky account lives.
    pub plc_url: String,
    /// Where platforms send people back to.
    pub links: Links,
    /// The clock.
    pub now: Now,
    /// Chance.
    pub dice: Dice,
    /// Where the sandbox's platform's side is, once it listens.
    pub own_base: Arc<OnceLock<String>>,
    /// What opens it.
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
    /// Held while it is looked whether an account or the default profile is there, and made.
    pub(super) connecting: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Accounts")
    }
}

impl Accounts {
    /// The accounts over a store.
    pub fn new(options: AccountsOptions) -> Self {
        Self {
            options,
            refreshing: Mutex::default(),
            refused: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
        }
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
            Platform::Bluesky => self.session_access(&account, refused).await,
            other if oauth::provider(other).is_some() => {
                self.session_access(&account, refused).await
            }
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

    /// Whatever is renewed is renewed by one at a time: many attempts find out at once that it is
    /// over, and a refresh token may be good for one refresh.
    async fn session_access(
        &self,
        account: &Account,
        refused: bool,
    ) -> Result<Access, AccessError> {
        let (before, credential) = self.credential(account)?;
        if self.is_good(account.id, &credential, refused) {
            return self.speak(account, &credential);
        }
        // What is seldom needed takes no room in each attempt.
        Box::pin(self.renewed_access(account, refused, before)).await
    }

    /// Access once its session is renewed; `before` is what was found.
    async fn renewed_access(
        &self,
        account: &Account,
        refused: bool,
        before: CredentialRecord,
    ) -> Result<Access, AccessError> {
        let gate = self.gate(account.id);
        let _one = gate.lock().await;
        let (record, credential) = self.credential(account)?;
        // Whoever held the gate before may have renewed it for us.
        if record.version > before.version && credential.is_fresh((self.options.now)()) {
            return self.speak(account, &credential);
        }
        let fresh = match self.renew(account.platform, &credential).await {
            Ok(fresh) => fresh,
            Err(problem) if self.is_usable(account.id, &credential, refused) => {
                tracing::warn!(account.id = %account.id, problem = %problem.fault().message,
                    "a session could not be renewed ahead of time; it is used while it lasts");
                return self.speak(account, &credential);
            }
            Err(problem) => {
                if let AccessError::Refused(fault) = &problem {
                    self.tell_revoked(account.id, &fault.message).await;
                }
                return Err(problem);
            }
        };
        self.keep(account.id, &record, &fresh).await?;
        self.refused(account.id, credential.access_token());
        self.speak(account, &fresh)
    }

    /// Whether it may be used as it is.
    fn is_good(&self, id: AccountId, credential: &Credential, refused: bool) -> bool {
        !self.was_refused(id, credential, refused) && credential.is_fresh((self.options.now)())
    }

    /// Whether it may still be used where it cannot be renewed now.
    fn is_usable(&self, id: AccountId, credential: &Credential, refused: bool) -> bool {
        let now = (self.options.now)();
        let lives = credential.expires_at().is_none_or(|at| at > now);
        lives && !self.was_refused(id, credential, refused)
    }

    fn was_refused(&self, id: AccountId, credential: &Credential, refused: bool) -> bool {
        match self.refusals().get(&id) {
            Some(known) => known == credential.access_token(),
            None => refused,
        }
    }

    fn refusals(&self) -> MutexGuard<'_, BTreeMap<AccountId, Secret>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gate(&self, id: AccountId) -> Arc<tokio::sync::Mutex<()>> {
        let mut gates = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(gates.entry(id).or_default())
    }

    fn credential(&self, account: &Account) -> Result<(CredentialRecord, Credential), AccessError> {
        let lost = |why: String| AccessError::Refused(no_session(account.platform, why));
        let record = self.credential_record(account.id).map_err(AccessError::Unavailable)?;
        let record = record.ok_or_else(|| lost("the account has no credential".to_owned()))?;
        let text = self.options.seal.open_sealed(account.id.raw(), &record.sealed);
        let text = text.map_err(|problem| lost(problem.to_string()))?;
        let credential = Credential::from_text(&text)
            .ok_or_else(|| lost("the account's credential is not whole".to_owned()))?;
        Ok((record, credential))
    }

    pub(super) fn credential_record(
        &self,
        id: AccountId,
    ) -> Result<Option<CredentialRecord>, Fault> {
        match self.options.store.get(&Key::Credential(id)) {
            Ok(Some(Record::Credential(record))) => Ok(Some(record)),
            Ok(_) => Ok(None),
            Err(problem) => Err(unreadable(&problem)),
        }
    }

    /// Keeps a credential before it is used first, and what the account shows of it.
    async fn keep(
        &self,
        id: AccountId,
        old: &CredentialRecord,
        fresh: &Credential,
    ) -> Result<(), AccessError> {
        let sealed = self.options.seal.seal(id.raw(), &fresh.to_text());
        let sealed = sealed.map_err(|problem| unkept(&problem.to_string()))?;
        let record = CredentialRecord { sealed, version: old.version + 1 };
        let (key, at) = (Key::Credential(id), Key::Account(id));
        for _ in 0..KEEP_ATTEMPTS {
            let account = self.read_account(id)?;
            let shown = Account {
                token_expires_at: fresh.expires_at(),
                settings: tidings::untold(&account),
                updated_at: (self.options.now)(),
                ..account.clone()
            };
            let expect = vec![
                (key, Some(Record::Credential(old.clone()))),
                (at, Some(Record::Account(account))),
            ];
            let writes = vec![
                Write::Put(key, Record::Credential(record.clone())),
                Write::Put(at, Record::Account(shown)),
            ];
            match self.options.engine.write(expect, writes).await {
                Ok(()) => return Ok(()),
                Err(WriteError::Raced) => {
                    let now = self.credential_record(id).map_err(AccessError::Unavailable)?;
                    if now.as_ref() != Some(old) {
                        return Err(unkept("the account was connected anew meanwhile"));
                    }
                }
                Err(WriteError::Engine(EngineError::Full)) => {
                    tokio::time::sleep(KEEP_WAIT.as_duration()).await;
                }
                Err(WriteError::Engine(problem)) => return Err(unkept(&problem.to_string())),
            }
        }
        Err(unkept("the server is too busy"))
    }

    /// Where and as whom an attempt speaks.
    fn speak(&self, account: &Account, credential: &Credential) -> Result<Access, AccessError> {
        let (base_url, platform_account_id) = match credential {
            Credential::Bluesky(it) => (it.pds_url.clone(), it.did.clone()),
            Credential::Oauth(_) => {
                let (_, client) = self.client(account.platform).map_err(AccessError::Refused)?;
                (client.endpoints.api_url.clone(), account.platform_account_id.clone())
            }
        };
        let token = credential.access_token().clone();
        Ok(Access { base_url, platform_account_id, token })
    }
}

impl AccessError {
    pub(super) fn fault(&self) -> &Fault {
        match self {
            Self::Refused(fault) | Self::Unavailable(fault) => fault,
        }
    }
}

fn unkept(why: &str) -> AccessError {
    let message = format!("the renewed session could not be kept: {why}");
    let fault = Fault::new(Code::InternalError, message)
        .rule("account.session")
        .remedy("Try again; connect the account again if it goes on.")
        .outcome(SendOutcome::NotSent);
    AccessError::Unavailable(fault.retryable())
}

pub(super) fn no_session(platform: Platform, why: String) -> Fault {
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
