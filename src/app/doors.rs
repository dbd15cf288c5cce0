//! Builds the doors over the rooms.

use std::sync::{Arc, Mutex};

use super::house::House;
use crate::config::Config;
use crate::engine::{self, Clocks};
use crate::front::sandbox::SandboxDoor;
use crate::front::{
    Api, Bodies, Description, DiskState, Drain, Gate, Handlers, KeyUses, Limiter, Mcp, MediaDoor,
    MetaDoor, OauthDoor, Ready, Words,
};
use crate::model::Now;
use crate::store::Sled;
use crate::upkeep;
use crate::wire::{self, Links};

pub(super) fn handlers(
    config: &Config,
    house: &House,
    words: &Arc<Words>,
    store: Arc<Sled>,
    (sandbox, oauth): (Option<Arc<SandboxDoor>>, Arc<OauthDoor>),
) -> Handlers {
    let server = &config.server;
    Handlers {
        words: Arc::clone(words),
        bodies: Bodies::new(server.body_bytes_max, server.bodies_bytes_max, server.body_timeout),
        limiter: Limiter::new(config.rate_limit.points, config.rate_limit.window),
        store,
        admission: Arc::clone(&house.admission),
        accounts: Arc::clone(&house.accounts),
        oauth,
        webhooks: house.webhooks.clone(),
        uses: KeyUses::default(),
        media: Arc::clone(&house.media),
        sandbox,
    }
}

/// Everything that can be asked for, with the API as tools and as a description.
pub(super) fn gate(
    words: &Arc<Words>,
    engine: engine::Handle,
    doors: SideDoors,
    ready: Arc<Ready>,
    handlers: Handlers,
    drain: &Arc<Drain>,
) -> Gate {
    let bodies = handlers.bodies.clone();
    let api = handlers.into_api();
    let description = Description::new(&words.links.base);
    let mcp = Mcp::new(Arc::clone(words), bodies, Arc::clone(&api), &description);
    let (words, drain) = (Arc::clone(words), Arc::clone(drain));
    let SideDoors { sandbox, files, callback, meta } = doors;
    Gate { words, engine, sandbox, files, ready, api, mcp, description, callback, meta, drain }
}

/// What is open to those who have no API key.
pub(super) struct SideDoors {
    pub sandbox: Option<Arc<SandboxDoor>>,
    pub files: MediaDoor,
    pub callback: Api,
    pub meta: Api,
}

pub(super) fn meta_door(config: &Config, house: &House, words: &Arc<Words>) -> MetaDoor {
    let (words, accounts) = (Arc::clone(words), Arc::clone(&house.accounts));
    MetaDoor::new(words, accounts, config.meta_secrets.clone(), config.server.body_timeout)
}

pub(super) fn oauth_door(config: &Config, house: &House, words: &Arc<Words>) -> OauthDoor {
    OauthDoor {
        words: Arc::clone(words),
        accounts: Arc::clone(&house.accounts),
        dashboard_url: config.server.dashboard_url.clone(),
        trusted_origins: config.server.trusted_origins.clone(),
    }
}

pub(super) fn words(config: &Config, clocks: &Clocks, links: &Links) -> Words {
    Words {
        links: links.clone(),
        now: Arc::clone(&clocks.now),
        dice: Arc::clone(&clocks.dice),
        ceiling: config.rate_limit.points,
        envelope: wire::error_body,
        origins: config.server.cors_origins.clone(),
    }
}

pub(super) fn ready(
    config: &Config,
    engine: &engine::Handle,
    now: &Now,
    store: &Arc<Sled>,
) -> Arc<Ready> {
    let (store, told) = (Arc::clone(store), Arc::clone(store));
    let remarks = move || {
        let broken = upkeep::broke_off(told.as_ref(), "backup");
        let remark = |(at, why)| format!("the backup of {at} was not made: {why}");
        broken.map(remark).into_iter().collect()
    };
    let look = move || DiskState { free_bytes: store.free_bytes(), synced: store.blobs_empty() };
    Arc::new(Ready {
        engine: engine.clone(),
        disk: Arc::new(look),
        free_bytes_min: config.server.disk_free_bytes_min,
        remarks: Arc::new(remarks),
        now: Arc::clone(now),
        written: Mutex::default(),
    })
}
