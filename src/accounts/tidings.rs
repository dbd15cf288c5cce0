//! Telling the world that an account's credential is over, or soon will be.
//!
//! What was told stands in the account's settings, in the commit of the notice, so that it is told
//! once; a new credential begins with a clean sheet.

use serde_json::{Map, Value, json};

use super::access::{Accounts, unreadable};
use super::connect::busy;
use crate::engine::{Expect, NewNotice, Records, WriteError};
use crate::model::{Account, AccountId, Fault, NoticeKind, Timestamp};
use crate::store::{Key, Record, Write};

/// When the account's platform refused to renew its credential.
const REVOKED: &str = "revokedAt";
/// The end of the credential that was said to run out soon.
const EXPIRING: &str = "expiringTold";
/// How often it is tried when the account changes meanwhile.
const TRIES: usize = 3;

impl Accounts {
    /// Renews the credentials that end by `until`, of up to `most` accounts; how many were due.
    /// Those that were connected by consent are told of before.
    ///
    /// # Errors
    /// When the accounts cannot be read.
    pub async fn renew_ahead(&self, until: Timestamp, most: usize) -> Result<usize, Fault> {
        let accounts = self.list(None)?.into_iter();
        let due = accounts.filter(|account| account.token_expires_at.is_some_and(|at| at <= until));
        let due: Vec<Account> = due.take(most).collect();
        for account in &due {
            if let Some(ends) = account.token_expires_at
                && crate::platforms::oauth::provider(account.platform).is_some()
            {
                self.tell_expiring(account.id, ends).await;
            }
            if let Err(problem) = self.access(account.id, false).await {
                tracing::warn!(account.id = %account.id, problem = %problem.fault().message,
                    "a credential could not be renewed ahead of its end");
            }
        }
        Ok(due.len())
    }

    /// Tells once that the platform refused to renew the account's credential.
    pub(super) async fn tell_revoked(&self, id: AccountId, reason: &str) {
        let told = self.tell_withdrawn(id, reason).await;
        best_effort(id, told);
    }

    /// As `tell_revoked`, for whoever must know that it was written.
    ///
    /// # Errors
    /// When the engine cannot take it.
    pub(super) async fn tell_withdrawn(&self, id: AccountId, reason: &str) -> Result<(), Fault> {
        let at = (self.options.now)().to_string();
        self.tell(
            id,
            NoticeKind::TokenRevoked,
            REVOKED,
            |_| Some(at.clone()),
            |account| {
                let mut data = about(account);
                data.insert("reason".to_owned(), json!(reason));
                data
            },
        )
        .await
    }

    /// Tells once that the account's credential runs out soon.
    pub(super) async fn tell_expiring(&self, id: AccountId, ends: Timestamp) {
        let ends = ends.to_string();
        let told = |account: &Account| {
            let known = settings(account).get(EXPIRING).cloned();
            (known != Some(json!(ends))).then(|| ends.clone())
        };
        let written = self.tell(id, NoticeKind::TokenExpiring, EXPIRING, told, |account| {
            let mut data = about(account);
            data.insert("displayName".to_owned(), json!(account.display_name));
            data.insert("tokenExpiresAt".to_owned(), json!(ends));
            data
        });
        best_effort(id, written.await);
    }

    /// Writes a notice about an account with a mark of it in its settings; nothing when it is told
    /// already, or the account is gone.
    async fn tell(
        &self,
        id: AccountId,
        kind: NoticeKind,
        mark: &str,
        value: impl Fn(&Account) -> Option<String>,
        data: impl Fn(&Account) -> Map<String, Value>,
    ) -> Result<(), Fault> {
        for _ in 0..TRIES {
            let key = Key::Account(id);
            let found = self.options.store.get(&key).map_err(|problem| unreadable(&problem))?;
            let Some(Record::Account(account)) = found else { return Ok(()) };
            let mut marks = settings(&account);
            let Some(value) = value(&account) else { return Ok(()) };
            if kind == NoticeKind::TokenRevoked && marks.contains_key(mark) {
                return Ok(());
            }
            marks.insert(mark.to_owned(), json!(value));
            let data = Value::Object(data(&account)).to_string();
            let marked = Account { settings: Value::Object(marks).to_string(), ..account.clone() };
            let records = Records {
                expect: vec![Expect::Is(key, Some(Record::Account(account)))],
                writes: vec![Write::Put(key, Record::Account(marked))],
                notices: vec![NewNotice { kind, request: None, data }],
                keep: None,
            };
            match self.options.engine.record(records).await {
                Ok(_) => return Ok(()),
                Err(WriteError::Raced) => {}
                Err(WriteError::Engine(problem)) => return Err(busy(&problem)),
            }
        }
        Err(unreadable(&WriteError::Raced))
    }
}

/// What cannot be written now is told the next time that it is noticed.
fn best_effort(id: AccountId, told: Result<(), Fault>) {
    if let Err(fault) = told {
        let problem = &fault.message;
        tracing::warn!(%problem, account.id = %id, "a notice could not be written");
    }
}

/// The settings of a renewed credential: nothing has been told of it.
pub(super) fn untold(account: &Account) -> String {
    let mut marks = settings(account);
    marks.remove(REVOKED);
    marks.remove(EXPIRING);
    Value::Object(marks).to_string()
}

fn settings(account: &Account) -> Map<String, Value> {
    serde_json::from_str(&account.settings).unwrap_or_default()
}

fn about(account: &Account) -> Map<String, Value> {
    let members = [
        ("platform", json!(account.platform.as_str())),
        ("accountId", json!(account.id.to_string())),
        ("profileId", json!(account.profile.to_string())),
        ("platformAccountId", json!(account.platform_account_id)),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
