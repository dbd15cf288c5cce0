//! The sandbox as a platform: posts in their order, de-duplicated by key where there is one.

use std::collections::BTreeMap;

use fanfare::model::Timestamp;
use serde_json::{Value, json};

/// A post or comment that is live.
#[derive(Debug, Clone)]
pub struct Landing {
    pub uri: String,
    /// The request's body.
    pub ask: Value,
    pub at: Timestamp,
}

/// Everything that is live, and what is still on its way.
#[derive(Debug, Default)]
pub struct Timeline {
    landings: Vec<Landing>,
    coming: BTreeMap<(Timestamp, u64), Value>,
    count: u64,
}

impl Timeline {
    /// A request will take effect at `at`; whether anybody hears of it or not.
    pub fn expect(&mut self, at: Timestamp, ask: Value) {
        self.count += 1;
        self.coming.insert((at, self.count), ask);
    }

    /// Lets everything land whose time has come.
    pub fn settle(&mut self, now: Timestamp) {
        while let Some(first) = self.coming.first_entry() {
            let (at, n) = *first.key();
            if at > now {
                return;
            }
            let ask = first.remove();
            if self.keyed(&ask).is_none() {
                self.landings.push(Landing { uri: format!("sim://{n}"), ask, at });
            }
        }
    }

    fn keyed(&self, ask: &Value) -> Option<&Landing> {
        let key = ask["key"].as_str()?;
        self.landings.iter().find(|landing| landing.ask["key"] == key)
    }

    /// What the request got, if it landed.
    pub fn receipt(&self, ask: &Value) -> Option<Value> {
        let mine = |landing: &&Landing| landing.ask == *ask;
        let found = self.keyed(ask).or_else(|| self.landings.iter().rfind(mine))?;
        Some(json!({ "uri": found.uri, "cid": "c", "url": found.uri }))
    }

    /// An account's posts since an instant, as reading back shows them.
    pub fn of_account(&self, account: &str, since: Timestamp) -> Value {
        let there =
            self.landings.iter().filter(|it| it.ask["account"] == account && it.at >= since);
        let posts: Vec<Value> = there
            .map(|it| {
                json!({
                    "uri": it.uri,
                    "cid": "c",
                    "url": it.uri,
                    "text": it.ask["text"],
                    "parent": it.ask["parent"],
                    "media": it.ask["media"].as_array().map_or(0, Vec::len),
                    "landedAt": it.at.to_string(),
                })
            })
            .collect();
        json!({ "posts": posts })
    }

    /// How often a post landed, or its comment.
    pub fn count(&self, post: &str, kind: &str) -> usize {
        let mine = |it: &&Landing| it.ask["post"] == post && it.ask["kind"] == kind;
        self.landings.iter().filter(mine).count()
    }

    /// The attachments that are live: what each is said to be, and what it is.
    pub fn media(&self) -> impl Iterator<Item = (String, String)> {
        let lists = self.landings.iter().filter_map(|it| it.ask["media"].as_array());
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        lists.flatten().map(move |item| (word(&item["altText"]), word(&item["ref"])))
    }

    /// When a post first landed.
    pub fn first(&self, post: &str) -> Option<Timestamp> {
        self.landings.iter().filter(|it| it.ask["post"] == post).map(|it| it.at).min()
    }

    /// What landed of posts with this text.
    pub fn says(&self, text: &str) -> usize {
        self.landings.iter().filter(|it| it.ask["text"] == text).count()
    }
}
