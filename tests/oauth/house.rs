//! Accounts over the real engine and the memory store, with a clock that a test moves.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use fanfare::accounts::{Accounts, AccountsOptions, Seal};
use fanfare::engine::{self, Clocks, Core, Handle, Options, Report};
use fanfare::model::{Dice, Millis, Now, Output, Platform, Secret, Timestamp, Verdict};
use fanfare::platforms::oauth::{Client, Endpoints};
use fanfare::store::{Memory, Store};
use fanfare::upstream::{HttpUpstream, UpstreamOptions};
use fanfare::wire::Links;
use fanfare::workflow;

use crate::provider::Provider;

/// The house.
pub struct House {
    pub store: Memory,
    pub engine: Handle,
    clock: Arc<AtomicI64>,
    dice: Dice,
}

impl House {
    pub fn new() -> Self {
        let clock = Arc::new(AtomicI64::new(1_800_000_000_000));
        let drawn = AtomicU64::new(1);
        // Spread over all bits, as chance is.
        let dice: Dice = Arc::new(move || {
            let n = u128::from(drawn.fetch_add(1, Ordering::SeqCst));
            n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
        });
        let store = Memory::new();
        let epoch = store.begin_epoch().expect("an epoch");
        let engine = engine(&store, epoch, &dice);
        Self { store, engine, clock, dice }
    }

    pub fn now(&self) -> Now {
        let clock = Arc::clone(&self.clock);
        Arc::new(move || Timestamp::from_millis(clock.load(Ordering::SeqCst)))
    }

    /// Lets time pass.
    pub fn pass(&self, span: Millis) {
        let millis = i64::try_from(span.0).expect("it fits");
        self.clock.fetch_add(millis, Ordering::SeqCst);
    }

    /// The accounts, as a process that has just started has them.
    pub fn accounts(&self, clients: BTreeMap<Platform, Client>) -> Arc<Accounts> {
        let key = "ab".repeat(32);
        let seal = Seal::open(Some(&key), Path::new("unused"), Arc::clone(&self.dice));
        let options = UpstreamOptions {
            allow_private: true,
            media_allow_private: false,
            webhooks_allow_private: false,
            allow_crash: false,
        };
        Arc::new(Accounts::new(AccountsOptions {
            store: Arc::new(self.store.clone()),
            engine: self.engine.clone(),
            upstream: Arc::new(HttpUpstream::new(options, self.now()).expect("a client")),
            seal: Arc::new(seal.expect("a sound key")),
            clients,
            links: Links { base: "http://127.0.0.1:1".to_owned() },
            now: self.now(),
            dice: Arc::clone(&self.dice),
            own_base: Arc::new(OnceLock::new()),
            plc_url: "http://127.0.0.1:9".to_owned(),
            sandbox_token: Secret::new("unused"),
        }))
    }
}

/// The app at X.
pub fn client(provider: &Provider) -> Client {
    let (id, secret) = Provider::app("twitter");
    let [authorize, token, identity, api] = provider.addresses("twitter").map(|(_, url)| url);
    Client {
        id,
        secret: Secret::new(secret),
        endpoints: Endpoints {
            authorize_url: authorize,
            token_url: token,
            identity_url: identity,
            api_url: api,
        },
    }
}

fn engine(store: &Memory, epoch: u64, dice: &Dice) -> Handle {
    let catalog = Arc::new(workflow::load(&Default::default()).expect("built in").catalog);
    let options = Options {
        sync_wait: Millis::from_secs(60),
        max_lateness: Millis::from_secs(86_400),
        claim_window: Millis::from_secs(86_400),
        slots_max: 1,
        platform_slots_max: 1,
        links: Links { base: "http://h".to_owned() },
    };
    let clocks = Clocks {
        now: Arc::new(|| Timestamp::from_millis(1_800_000_000_000)),
        dice: Arc::clone(dice),
        started: tokio::time::Instant::now(),
    };
    let shared: Arc<dyn Store> = Arc::new(store.clone());
    let core = Core::open(shared, catalog, options, epoch, clocks.moment()).expect("it opens");
    let (handle, mailbox) = engine::mailbox();
    // Nothing is published here.
    let carry: engine::Carry = Arc::new(|_| {
        let verdict = Verdict::Done(Output::default());
        Box::pin(async move { Report { verdict, exchange: None } })
    });
    let runtime = tokio::runtime::Handle::current();
    engine::spawn(core, mailbox, handle.clone(), carry, clocks, runtime).expect("a thread");
    handle
}
