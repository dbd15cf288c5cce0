//! Connecting, listing and removing accounts.

use serde_json::{Value, json};

use super::access::{Accounts, SESSION_TIMEOUT, unreadable};
use super::boards::reconnected;
use super::credential::{BlueskyCredential, Credential};
use super::place::Place;
use crate::engine::{EngineError, WriteError};
use crate::model::{
    Account, AccountId, Code, Fault, Platform, Profile, ProfileId, Secret, SendOutcome, Timestamp,
};
use crate::platforms::bluesky::identity;
use crate::platforms::bluesky::session::{self, Session};
use crate::store::{CredentialRecord, Key, Order, Record, Write};

/// Where an account lives unless it says other.
const DEFAULT_PDS: &str = "https://bsky.social";
/// Accounts of one server at the most: more would make every look-up a long scan.
const ACCOUNTS_MAX: usize = 10_000;
/// How often an account is read and written before something else is taken to be wrong: only a
/// renewal of its session or a removal can come between.
const UPSERT_ATTEMPTS: usize = 5;

/// What connects a Bluesky account.
#[derive(Debug, Clone)]
pub struct ConnectBluesky {
    /// The handle or DID.
    pub identifier: String,
    /// An app password.
    pub app_password: Secret,
    /// The host, if it is not the default one.
    pub pds_url: Option<String>,
    /// Where it goes.
    pub place: Place,
}

/// An account that was connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connected {
    /// The account.
    pub account: Account,
    /// Whether it is new; else its credential was renewed.
    pub created: bool,
}

impl Accounts {
    /// What a platform asks for when an account is connected; `None` where none can be.
    pub fn descriptor(&self, platform: Platform) -> Option<Value> {
        let field = |name: &str, label: &str, kind: &str, required: bool, hint: &str| {
            json!({ "name": name, "label": label, "type": kind, "required": required,
                    "placeholder": hint })
        };
        match platform {
            Platform::Bluesky => Some(json!({
                "kind": "credentials",
                "helpText": "Make an app password in the account's settings; never give the \
                             account's own password.",
                "fields": [
                    field("identifier", "Handle or DID", "text", true, "me.bsky.social"),
                    field("appPassword", "App password", "password", true, "xxxx-xxxx-xxxx-xxxx"),
                    field("pdsUrl", "Host", "url", false, DEFAULT_PDS),
                ],
            })),
            Platform::Sandbox => Some(json!({
                "kind": "credentials",
                "helpText": "Another account of the built-in sandbox.",
                "fields": [field("name", "Name", "text", true, "second")],
            })),
            _ => None,
        }
    }

    /// Connects a Bluesky account, or renews it when it is connected already.
    ///
    /// # Errors
    /// The field that is wrong, or what the host said.
    pub async fn connect_bluesky(&self, input: ConnectBluesky) -> Result<Connected, Fault> {
        let typed = input.app_password.expose();
        if typed.len() < 12 && typed == typed.to_uppercase() {
            return Err(Fault::new(Code::ValidationFailed, "this is no app password")
                .rule("appPassword")
                .on(Platform::Bluesky)
                .remedy("Make an app password in the account's settings; it has 19 characters."));
        }
        let named = input.pds_url.as_deref().map(str::trim).filter(|url| !url.is_empty());
        let asked = named.unwrap_or(DEFAULT_PDS).trim_end_matches('/');
        if !is_host(asked) {
            let message = "pdsUrl is no plain http or https address";
            return Err(Fault::new(Code::ValidationFailed, message)
                .rule("pdsUrl")
                .on(Platform::Bluesky)
                .remedy(
                    "Leave it out for bsky.social, or give the host's address without a user, a \
                     query or a fragment.",
                ));
        }
        let request = session::create_session(asked, &input.identifier, &input.app_password);
        let answer = self.options.upstream.send(&request, None, None, SESSION_TIMEOUT).await;
        let session = session::read_session(&answer).map_err(session::SessionFault::into_fault)?;
        let pds_url = self.own_host(&input.identifier, &session.did, asked).await?;
        self.keep_bluesky(input, session, pds_url).await
    }

    /// The host that speaks for an account of which `asked` gave a session: what a host says of
    /// that is not believed, since any may say that it has anybody's account.
    async fn own_host(&self, identifier: &str, did: &str, asked: &str) -> Result<String, Fault> {
        if identifier.starts_with("did:") && identifier != did {
            return Err(identity::other_account(identifier, did));
        }
        let request = identity::document(did, &self.options.plc_url)?;
        let answer = self.options.upstream.send(&request, None, None, SESSION_TIMEOUT).await;
        let own = identity::read_host(did, &answer)?;
        // One signs in at bsky.social for each of the many hosts behind it.
        let is_entry = identity::is_same_host(asked, DEFAULT_PDS);
        if is_entry || identity::is_same_host(asked, &own) {
            Ok(own)
        } else {
            Err(identity::other_host(did, asked, &own))
        }
    }

    async fn keep_bluesky(
        &self,
        input: ConnectBluesky,
        session: Session,
        pds_url: String,
    ) -> Result<Connected, Fault> {
        let draft = AccountDraft {
            platform: Platform::Bluesky,
            platform_account_id: session.did.clone(),
            display_name: Some(session.handle.clone()),
            settings: json!({ "pdsUrl": pds_url, "handle": session.handle }).to_string(),
            token_expires_at: session.access_expires_at,
        };
        let credential = Credential::Bluesky(BlueskyCredential {
            identifier: input.identifier,
            app_password: input.app_password,
            did: session.did.clone(),
            pds_url,
            access_jwt: session.access_jwt.clone(),
            refresh_jwt: session.refresh_jwt.clone(),
            access_expires_at: session.access_expires_at,
        });
        self.upsert(draft, input.place, Some(&credential.to_text())).await
    }

    /// Connects an account of our own sandbox.
    ///
    /// # Errors
    /// When it cannot be stored, or the name is not sound.
    pub async fn connect_sandbox(&self, name: String, place: Place) -> Result<Connected, Fault> {
        let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > 64 || !name.chars().all(sound) {
            return Err(Fault::new(Code::ValidationFailed, "the name is not sound")
                .rule("name")
                .on(Platform::Sandbox)
                .remedy("Use 1 to 64 letters, digits, dots, hyphens or underscores."));
        }
        let draft = AccountDraft {
            platform: Platform::Sandbox,
            display_name: Some(name.clone()),
            platform_account_id: name,
            settings: "{}".to_owned(),
            token_expires_at: None,
        };
        self.upsert(draft, place, None).await
    }

    /// Removes an account; false when there is none.
    ///
    /// # Errors
    /// When the engine cannot take it.
    pub async fn remove(&self, id: AccountId) -> Result<bool, Fault> {
        self.options.engine.remove_account(id).await.map_err(|problem| busy(&problem))
    }

    /// Every account, oldest first, of one profile if it is named.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn list(&self, profile: Option<ProfileId>) -> Result<Vec<Account>, Fault> {
        let (from, to) = (AccountId::from_raw(0), AccountId::from_raw(u128::MAX));
        let store = &self.options.store;
        let found = store
            .scan(&Key::Account(from), &Key::Account(to), Order::Ascending, ACCOUNTS_MAX)
            .map_err(|problem| unreadable(&problem))?;
        let accounts = found.into_iter().filter_map(|(_, record)| match record {
            Record::Account(account) => Some(account),
            _ => None,
        });
        let mut accounts: Vec<Account> =
            accounts.filter(|account| profile.is_none_or(|id| id == account.profile)).collect();
        accounts.sort_by_key(|account| (account.created_at, account.id));
        Ok(accounts)
    }

    /// The profile that accounts go to when none is named; made when it is not there.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub async fn default_profile(&self) -> Result<ProfileId, Fault> {
        let _one = self.connecting.lock().await;
        Ok(self.find_or_make_default().await?.id)
    }

    /// For whoever holds `connecting`: two must not make it at once.
    async fn find_or_make_default(&self) -> Result<Profile, Fault> {
        if let Some(known) = self.profiles()?.into_iter().find(Profile::is_default) {
            return Ok(known);
        }
        let now = (self.options.now)();
        let id = ProfileId::v7(now, (self.options.dice)());
        let profile = Profile {
            id,
            name: "Default".to_owned(),
            slug: Profile::DEFAULT_SLUG.to_owned(),
            created_at: now,
            updated_at: now,
        };
        self.write(vec![Write::Put(Key::Profile(id), Record::Profile(profile.clone()))]).await?;
        Ok(profile)
    }

    /// Makes an account or renews the one that is there. Whoever connects the same account at the
    /// same time waits, and then finds it.
    pub(super) async fn upsert(
        &self,
        draft: AccountDraft,
        place: Place,
        credential: Option<&Secret>,
    ) -> Result<Connected, Fault> {
        let _one = self.connecting.lock().await;
        for _ in 0..UPSERT_ATTEMPTS {
            let profile = match place.profile() {
                Some(id) => self.get_profile(id)?,
                None => self.find_or_make_default().await?,
            };
            let (expect, writes, connected) =
                self.plan_upsert(&draft, place, profile, credential)?;
            match self.options.engine.write(expect, writes).await {
                Ok(()) => return Ok(connected),
                Err(WriteError::Raced) => {}
                Err(WriteError::Engine(problem)) => return Err(busy(&problem)),
            }
        }
        Err(unreadable(&WriteError::Raced))
    }

    fn plan_upsert(
        &self,
        draft: &AccountDraft,
        place: Place,
        profile: Profile,
        credential: Option<&Secret>,
    ) -> Result<(Expected, Vec<Write>, Connected), Fault> {
        let now = (self.options.now)();
        let known = self.list(None)?.into_iter().find(|account| {
            account.platform == draft.platform
                && account.platform_account_id == draft.platform_account_id
        });
        known.as_ref().map_or(Ok(()), |known| place.admits(known))?;
        let account = match &known {
            Some(old) => Account {
                settings: reconnected(old, &draft.settings),
                token_expires_at: draft.token_expires_at,
                updated_at: now,
                ..old.clone()
            },
            None => draft.account(AccountId::v7(now, (self.options.dice)()), profile.id, now),
        };
        let created = known.is_none();
        let key = Key::Account(account.id);
        let mut expect = vec![
            (Key::Profile(profile.id), Some(Record::Profile(profile))),
            (key, known.map(Record::Account)),
        ];
        let mut writes = vec![Write::Put(key, Record::Account(account.clone()))];
        if let Some(text) = credential {
            let old = self.credential_record(account.id)?;
            let version = old.as_ref().map_or(0, |old| old.version) + 1;
            let sealed = self.options.seal.seal(account.id.raw(), text);
            let sealed = sealed.map_err(|problem| unreadable(&problem))?;
            let key = Key::Credential(account.id);
            expect.push((key, old.map(Record::Credential)));
            let record = CredentialRecord { sealed, version };
            writes.push(Write::Put(key, Record::Credential(record)));
        }
        Ok((expect, writes, Connected { account, created }))
    }

    pub(super) async fn write(&self, writes: Vec<Write>) -> Result<(), Fault> {
        self.options.engine.write(Vec::new(), writes).await.map_err(|problem| match problem {
            WriteError::Raced => unreadable(&problem),
            WriteError::Engine(problem) => busy(&problem),
        })
    }
}

/// What must hold for an account to be written.
type Expected = Vec<(Key, Option<Record>)>;

/// An account that has no id yet.
pub(super) struct AccountDraft {
    pub platform: Platform,
    pub platform_account_id: String,
    pub display_name: Option<String>,
    pub settings: String,
    pub token_expires_at: Option<Timestamp>,
}

impl AccountDraft {
    fn account(&self, id: AccountId, profile: ProfileId, now: Timestamp) -> Account {
        Account {
            id,
            profile,
            platform: self.platform,
            platform_account_id: self.platform_account_id.clone(),
            display_name: self.display_name.clone(),
            settings: self.settings.clone(),
            token_expires_at: self.token_expires_at,
            created_at: now,
            updated_at: now,
        }
    }
}

/// Whether it is the address of a host: what else may stand in a URL would end up in each request,
/// or in what is shown of the account.
fn is_host(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    })
}

pub(super) fn busy(problem: &EngineError) -> Fault {
    Fault::new(Code::InternalError, format!("the server cannot take this now: {problem}"))
        .rule("server.busy")
        .remedy("Try again in a second.")
        .outcome(SendOutcome::NotSent)
        .status(503)
        .retry_after(1)
}
