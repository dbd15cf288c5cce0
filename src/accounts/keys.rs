//! API keys: made, shown once, listed and revoked.

use base64::Engine as _;

use super::access::{Accounts, unreadable};
use crate::model::{ApiKey, Code, Digest, Fault, KeyId, KeyPrefix, ProfileId, Secret};
use crate::store::{Key, Order, Record, Write};

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
    /// When it cannot be stored.
    pub async fn mint_key(
        &self,
        name: &str,
        scopes: Vec<String>,
        prefix: KeyPrefix,
        profile: Option<ProfileId>,
    ) -> Result<Minted, Fault> {
        let scopes = if scopes.is_empty() {
            vec!["posts:read".to_owned(), "posts:write".to_owned()]
        } else {
            scopes
        };
        let dice = &self.options.dice;
        let random = [dice().to_be_bytes(), dice().to_be_bytes()].concat();
        let body = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&random[..24]);
        let plaintext = format!("{}{body}", prefix.as_str());
        let now = (self.options.now)();
        let key = ApiKey {
            id: KeyId::v7(now, dice()),
            hash: hash(&plaintext),
            name: name.chars().take(100).collect(),
            prefix,
            last4: plaintext[plaintext.len() - 4..].to_owned(),
            scopes,
            profile,
            created_at: now,
            revoked_at: None,
        };
        self.write(vec![
            Write::Put(Key::ApiKey(key.hash), Record::ApiKey(key.clone())),
            Write::Put(Key::ApiKeyById(key.id), Record::ApiKeyById(key.hash)),
        ])
        .await?;
        Ok(Minted { key, plaintext: Secret::new(plaintext) })
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
        let known = self.list_keys()?.into_iter().find(|key| key.id == id);
        let key = known.ok_or_else(|| {
            Fault::new(Code::NotFound, format!("there is no API key {id}"))
                .remedy("`fanfare keys list` shows the keys there are.")
        })?;
        if key.revoked_at.is_some() {
            return Ok(key);
        }
        let key = ApiKey { revoked_at: Some((self.options.now)()), ..key };
        self.write(vec![Write::Put(Key::ApiKey(key.hash), Record::ApiKey(key.clone()))]).await?;
        Ok(key)
    }
}

fn hash(plaintext: &str) -> Digest {
    let hash = ring::digest::digest(&ring::digest::SHA256, plaintext.as_bytes());
    let mut out = [0; 32];
    out.copy_from_slice(hash.as_ref());
    Digest(out)
}
