//! What is done to the accounts of a person.

use ring::hmac;
use serde_json::Value;

use super::confirmation;
use super::signed_request::MetaPerson;
use crate::accounts::Accounts;
use crate::model::{Account, Fault, Millis, Timestamp};

/// What the key that signs confirmations is made for. Another label voids them all.
const CONFIRMATIONS: &str = "meta deletion";
/// Where a connect keeps the person's id, where the account has another one: a Page, and an
/// account that the platform numbers apart from its people.
const PERSON: &str = "metaUserId";
/// How far Meta's clock and ours may be apart.
const CLOCKS_APART: Millis = Millis::from_secs(300);
/// What the event of a removed app says.
const APP_REMOVED: &str = "the person removed the app at Meta";

impl Accounts {
    /// Removes every account of a person at Facebook, Instagram and Threads, as `remove` does; how
    /// many, and the confirmation that it is done. An old request that somebody sends again does
    /// not touch what was connected since.
    ///
    /// # Errors
    /// When the engine cannot take it. It may be done in part then, and can be asked for again.
    pub async fn forget_person(&self, person: &MetaPerson) -> Result<(usize, String), Fault> {
        // Nobody connects another one meanwhile.
        let _none = self.connecting.lock().await;
        let own = self.of_person(person, |account| account.created_at)?;
        for account in &own {
            self.remove(account.id).await?;
            tracing::info!(account.id = %account.id, platform = %account.platform,
                "an account was removed: Meta passed on that the person's data is to be deleted");
        }
        let code =
            confirmation::give(&self.confirmations(), (self.options.now)(), (self.options.dice)());
        Ok((own.len(), code))
    }

    /// When a confirmation was given, and what it confirms was done; `None` when it is none of
    /// ours.
    pub fn forgotten_at(&self, confirmation: &str) -> Option<Timestamp> {
        confirmation::given_at(&self.confirmations(), confirmation)
    }

    /// Tells, once for each account of a person, that its credential is over: they removed the app.
    /// The account stays, with what is queued for it, until it is connected again or removed.
    ///
    /// # Errors
    /// When the engine cannot take it.
    pub async fn app_removed(&self, person: &MetaPerson) -> Result<usize, Fault> {
        let own = self.of_person(person, |account| account.updated_at)?;
        for account in &own {
            self.tell_withdrawn(account.id, APP_REMOVED).await?;
        }
        Ok(own.len())
    }

    /// The accounts of a person that were as they are, by `since`, when Meta signed.
    fn of_person(
        &self,
        person: &MetaPerson,
        since: impl Fn(&Account) -> Timestamp,
    ) -> Result<Vec<Account>, Fault> {
        let mut all = self.list(None)?;
        all.retain(|account| {
            let later = |at: Timestamp| since(account) > at.plus(CLOCKS_APART);
            is_of(account, &person.id) && !person.issued_at.is_some_and(later)
        });
        Ok(all)
    }

    fn confirmations(&self) -> hmac::Key {
        self.options.seal.signing_key(CONFIRMATIONS)
    }
}

fn is_of(account: &Account, person: &str) -> bool {
    let kept = || {
        let settings: Value = serde_json::from_str(&account.settings).unwrap_or_default();
        settings[PERSON] == person
    };
    account.platform.is_of_meta() && (account.platform_account_id == person || kept())
}
