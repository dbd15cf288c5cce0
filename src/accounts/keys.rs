//! API keys: made, shown once, listed and revoked.

use base64::Engine as _;

use super::access::{Accounts, unreadable};
use crate::engine::{Expect, Records};
use crate::model::{ApiKey, Code, Digest, Fault, KeyId, Secret, Timestamp};
use crate::store::{Key, Order, Record, Write};
use crate::wire::KeyRequest;

/// Keys listed at the most.
const KEYS_MAX: usize = 10_000;

/// A new key with its plaintext, which is not kept.
#[derive(Debug, Clone)]
pub struct Minted {
    /// What is kept of it.
    pub key: ApiKey,
    /// The plaintext.
    pub plaintext: Secret,
}

impl Accounts {
    /// Makes a key. Without scopes it may read and write posts.
    ///
    /// # Errors
    /// When its profile is not there, or it cannot be stored.
    pub async fn mint_key(&self, asked: KeyRequest) -> Result<Minted, Fault> {
        let (records, minted) = self.plan_key(asked)?;
        self.write(records.writes).await?;
        Ok(minted)
    }

    /// What makes a key. Without scopes it may read and write posts.
    ///
    /// # Errors
    /// When its profile is not there.
    pub fn plan_key(&self, asked: KeyRequest) -> Result<(Records, Minted), Fault> {
        let mut records = Records::default();
        if let Some(profile) = asked.profile {
            let there = self.get_profile(profile)?;
            let key = Key::Profile(profile);
            records.expect.push(Expect::Is(key, Some(Record::Profile(there))));
        }
        let scopes = if asked.scopes.is_empty() {
            vec!["posts:read".to_owned(), "posts:write".to_owned()]
        } else {
            asked.scopes
        };
        let dice = &self.options.dice;
        let random = [dice().to_be_bytes(), dice().to_be_bytes()].concat();
        let body = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&random[..24]);
        let plaintext = format!("{}{body}", asked.prefix.as_str());
        let now = (self.options.now)();
        let key = ApiKey {
            id: KeyId::v7(now, dice()),
            hash: hash(&plaintext),
            name: asked.name,
            prefix: asked.prefix,
            last4: plaintext[plaintext.len() - 4..].to_owned(),
            scopes,
            profile: asked.profile,
            created_at: now,
            revoked_at: None,
        };
        records.writes = vec![
            Write::Put(Key::ApiKey(key.hash), Record::ApiKey(key.clone())),
            Write::Put(Key::ApiKeyById(key.id), Record::ApiKeyById(key.hash)),
        ];
        Ok((records, Minted { key, plaintext: Secret::new(plaintext) }))
    }

    /// Every key, newest first.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn list_keys(&self) -> Result<Vec<ApiKey>, Fault> {
        let (from, to) = (Key::ApiKey(Digest([0; 32])), Key::ApiKey(Digest([255; 32])));
        let found = self.options.store.scan(&from, &to, Order::Ascending, KEYS_MAX);
        let found = found.map_err(|problem| unreadable(&problem))?;
        let mut keys: Vec<ApiKey> = found
            .into_iter()
            .filter_map(|(_, record)| match record {
                Record::ApiKey(key) => Some(key),
                _ => None,
            })
            .collect();
        keys.sort_by_key(|key| std::cmp::Reverse((key.created_at, key.id)));
        Ok(keys)
    }

    /// Revokes a key; it opens nothing from the next request on.
    ///
    /// # Errors
    /// `not_found`, or when it cannot be stored.
    pub async fn revoke_key(&self, id: KeyId) -> Result<ApiKey, Fault> {
        let (records, key) = self.plan_revoke(id)?;
        self.write(records.writes).await?;
        Ok(key)
    }

    /// What revokes a key.
    ///
    /// # Errors
    /// `not_found` when there is no such key, or it is revoked already.
    pub fn plan_revoke(&self, id: KeyId) -> Result<(Records, ApiKey), Fault> {
        let known = self.list_keys()?.into_iter().find(|key| key.id == id);
        let old = known.filter(|key| key.revoked_at.is_none()).ok_or_else(|| {
            Fault::new(Code::NotFound, format!("there is no API key {id} that is still good"))
                .remedy("GET /v1/api-keys or `fanfare keys list` shows the keys there are.")
        })?;
        let key = ApiKey { revoked_at: Some((self.options.now)()), ..old.clone() };
        let at = Key::ApiKey(key.hash);
        let records = Records {
            expect: vec![Expect::Is(at, Some(Record::ApiKey(old)))],
            writes: vec![Write::Put(at, Record::ApiKey(key.clone()))],
            ..Records::default()
        };
        Ok((records, key))
    }

    /// Every key with when it was last used, newest first.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn keys_in_use(&self) -> Result<Vec<(ApiKey, Option<Timestamp>)>, Fault> {
        let used = |key: ApiKey| match self.options.store.get(&Key::KeyUse(key.id)) {
            Ok(Some(Record::KeyUse(at))) => Ok((key, Some(at))),
            Ok(_) => Ok((key, None)),
            Err(problem) => Err(unreadable(&problem)),
        };
        self.list_keys()?.into_iter().map(used).collect()
    }

    /// Notes that a key was used, best effort.
    pub async fn note_use(&self, id: KeyId, at: Timestamp) {
        let write = Write::Put(Key::KeyUse(id), Record::KeyUse(at));
        if let Err(problem) = self.options.engine.write(Vec::new(), vec![write]).await {
            tracing::debug!(%problem, key.id = %id, "the use of a key was not noted");
        }
    }
}

fn hash(plaintext: &str) -> Digest {
    let hash = ring::digest::digest(&ring::digest::SHA256, plaintext.as_bytes());
    let mut out = [0; 32];
    out.copy_from_slice(hash.as_ref());
    Digest(out)
}
