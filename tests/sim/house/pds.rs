//! A host of Bluesky accounts: records under keys, short sessions, refresh tokens good for one use.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fanfare::model::Timestamp;
use serde_json::{Value, json};

/// A refresh token as the host knows it.
#[derive(Debug)]
struct Refresh {
    did: String,
    /// In which process life it was used.
    used: Option<u64>,
}

/// A record that is on its way.
type Coming = (String, String, Value);

/// The host.
#[derive(Debug, Default)]
pub struct Pds {
    records: BTreeMap<(String, String), Value>,
    coming: BTreeMap<(Timestamp, u64), Coming>,
    access: BTreeMap<String, (String, Timestamp)>,
    refresh: BTreeMap<String, Refresh>,
    count: u64,
    /// Refresh tokens that came a second time from a process that had heard the first answer.
    pub reused: usize,
}

impl Pds {
    /// `createSession`: the password is always good here.
    pub fn create_session(&mut self, identifier: &str, now: Timestamp, life_ms: u64) -> Value {
        let named = format!("did:plc:{:a>24}", identifier.replace('.', ""));
        let did = if identifier.starts_with("did:") { identifier } else { &named };
        self.session(did, now, life_ms)
    }

    /// `refreshSession`: once for each token.
    pub fn refresh_session(
        &mut self,
        token: &str,
        now: Timestamp,
        (life, life_ms): (u64, u64),
    ) -> (u16, Value) {
        let Some(known) = self.refresh.get_mut(token) else {
            return (400, json!({ "error": "InvalidToken", "message": "unknown" }));
        };
        if let Some(before) = known.used {
            self.reused += usize::from(before == life);
            return (400, json!({ "error": "ExpiredToken", "message": "used" }));
        }
        known.used = Some(life);
        let did = known.did.clone();
        (200, self.session(&did, now, life_ms))
    }

    fn session(&mut self, did: &str, now: Timestamp, life_ms: u64) -> Value {
        self.count += 1;
        let ends = Timestamp::from_millis(now.as_millis() + i64::try_from(life_ms).expect("short"));
        let claims = json!({ "exp": ends.as_millis() / 1_000, "n": self.count }).to_string();
        let access = format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims));
        let refresh = format!("refresh-{}", self.count);
        self.access.insert(access.clone(), (did.to_owned(), ends));
        self.refresh.insert(refresh.clone(), Refresh { did: did.to_owned(), used: None });
        json!({ "did": did, "handle": "me.test", "accessJwt": access, "refreshJwt": refresh })
    }

    /// Whose an access token is, while it lasts.
    pub fn opens(&self, token: &str, now: Timestamp) -> Option<&str> {
        let (did, ends) = self.access.get(token)?;
        (now < *ends).then_some(did)
    }

    /// A `putRecord` will take effect at `at`.
    pub fn expect(&mut self, at: Timestamp, ask: &Value) {
        let word = |name: &str| ask[name].as_str().unwrap_or_default().to_owned();
        self.count += 1;
        self.coming.insert((at, self.count), (word("repo"), word("rkey"), ask["record"].clone()));
    }

    /// Lets everything land whose time has come.
    pub fn settle(&mut self, now: Timestamp) {
        while let Some(first) = self.coming.first_entry() {
            if first.key().0 > now {
                return;
            }
            let (did, key, record) = first.remove();
            // `swapRecord: null`: only where there is none yet.
            self.records.entry((did, key)).or_insert(record);
        }
    }

    /// The answer to a `putRecord` that has landed.
    pub fn put(&self, ask: &Value) -> (u16, Value) {
        let word = |name: &str| ask[name].as_str().unwrap_or_default().to_owned();
        let (did, key) = (word("repo"), word("rkey"));
        match self.records.get(&(did.clone(), key.clone())) {
            Some(there) if *there == ask["record"] => (200, address(&did, &key)),
            Some(_) => (400, json!({ "error": "InvalidSwap", "message": "another" })),
            None => (500, json!({ "error": "InternalServerError", "message": "?" })),
        }
    }

    /// `getRecord`.
    pub fn get(&self, did: &str, key: &str) -> (u16, Value) {
        match self.records.get(&(did.to_owned(), key.to_owned())) {
            Some(record) => {
                let mut found = address(did, key);
                found["value"] = record.clone();
                (200, found)
            }
            None => (400, json!({ "error": "RecordNotFound", "message": "none" })),
        }
    }

    /// How many records say this.
    pub fn says(&self, text: &str) -> usize {
        self.records.values().filter(|record| record["text"] == text).count()
    }

    /// The attachments that are live: what each is said to be, and what it is.
    pub fn media(&self) -> impl Iterator<Item = (String, String)> {
        let lists = self.records.values().filter_map(|it| it["embed"]["images"].as_array());
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        lists.flatten().map(move |it| (word(&it["alt"]), word(&it["image"]["ref"]["$link"])))
    }

    /// How many records say this under a post.
    pub fn comments(&self, text: &str, post: &str) -> usize {
        let under =
            |record: &&Value| record["text"] == text && record["reply"]["parent"]["uri"] == post;
        self.records.values().filter(under).count()
    }
}

fn address(did: &str, key: &str) -> Value {
    json!({ "uri": format!("at://{did}/app.bsky.feed.post/{key}"), "cid": "c" })
}
