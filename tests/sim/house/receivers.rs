//! Those who hear webhooks.

use std::collections::BTreeMap;

use fanfare::model::Secret;
use fanfare::upstream::Hook;
use fanfare::webhooks;

use crate::journal::Finding;

/// What arrived: by address and event id, the body and how often it came.
#[derive(Debug, Default)]
pub struct Receivers {
    secrets: BTreeMap<String, Secret>,
    arrived: BTreeMap<(String, String), (Vec<u8>, usize)>,
}

impl Receivers {
    /// A new one, with the secret it was given.
    pub fn add(&mut self, url: &str, secret: Secret) {
        self.secrets.insert(url.to_owned(), secret);
    }

    /// The addresses.
    pub fn urls(&self) -> impl Iterator<Item = &String> {
        self.secrets.keys()
    }

    /// A delivery arrives.
    pub fn take(&mut self, hook: &Hook) -> Result<(), Finding> {
        let header = |name: &str| {
            let found = hook.headers.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let broken = |what: &str| Finding::new("events_are_signed_and_equal", what);
        let secret = self.secrets.get(&hook.url).ok_or_else(|| broken("an unknown address"))?;
        if header("x-letmepost-signature") != webhooks::signature(secret, &hook.body) {
            return Err(broken("the signature does not hold"));
        }
        let id = header("x-letmepost-event-id");
        let known = self.arrived.entry((hook.url.clone(), id.clone()));
        let (body, times) = known.or_insert_with(|| (hook.body.clone(), 0));
        *times += 1;
        if *body != hook.body {
            return Err(broken(&format!("{id} came with other bytes")));
        }
        Ok(())
    }

    /// Whether an event arrived at an address.
    pub fn has(&self, url: &str, event: &str) -> bool {
        self.arrived.contains_key(&(url.to_owned(), event.to_owned()))
    }
}
