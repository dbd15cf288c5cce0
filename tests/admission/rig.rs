//! The house under test: the real engine over the memory store.

use std::future::{Ready, ready};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use fanfare::accounts::Seal;
use fanfare::admission::{Admission, AdmissionOptions, Caller, Served};
use fanfare::engine::{self, Clocks, Core, Handle, Options, Report};
use fanfare::media::MediaLinks;
use fanfare::model::{
    Account, AccountId, ApiKey, Digest, Fault, KeyId, KeyPrefix, Millis, Output, Platform,
    ProfileId, Receipt, RequestId, Timestamp, Verdict,
};
use fanfare::store::{Key, Memory, Record, Store, Write};
use fanfare::wire::{Links, Reply};
use fanfare::{platforms, workflow};
use serde_json::{Value, json};
use tokio::time::Instant;

pub const NOW: i64 = 1_800_000_000_000;
pub const AT: Timestamp = Timestamp::from_millis(NOW);
pub const OWN: u128 = 7;

/// The house under test.
pub struct Rig {
    pub store: Memory,
    pub engine: Handle,
    pub admission: Admission,
    /// The time that admission sees; the engine's stands still.
    pub now: Arc<AtomicI64>,
    pub kept: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Rig {
    pub fn new(accounts: &[Account]) -> Self {
        let store = Memory::new();
        let epoch = store.begin_epoch().expect("an epoch");
        for some in accounts.chunks(50) {
            let writes: Vec<Write> = some
                .iter()
                .map(|one| Write::Put(Key::Account(one.id), Record::Account(one.clone())))
                .collect();
            store.commit(epoch, &writes).expect("room");
        }
        let shared: Arc<dyn Store> = Arc::new(store.clone());
        let catalog = Arc::new(workflow::load(&Default::default()).expect("built in").catalog);
        let links = Links { base: "http://h".to_owned() };
        let engine = start(&shared, &catalog, links.clone(), epoch);
        let now = Arc::new(AtomicI64::new(NOW));
        let clock = Arc::clone(&now);
        let secret = "ab".repeat(32);
        let seal = Seal::open(Some(&secret), std::path::Path::new("unused"), Arc::new(|| 1));
        let seal = seal.expect("a sound key");
        let media_links = MediaLinks::new(seal.signing_key("media links"), links.base.clone());
        let admission = Admission::new(AdmissionOptions {
            media_links,
            store: shared,
            engine: engine.clone(),
            catalog,
            registry: Arc::new(platforms::registry()),
            inspect: Arc::new(|asked| Box::pin(std::future::ready(vec![Vec::new(); asked.len()]))),
            seal: Arc::new(seal),
            links,
            now: Arc::new(move || Timestamp::from_millis(clock.load(Ordering::SeqCst))),
        });
        Self { store, engine, admission, now, kept: Arc::default() }
    }

    fn keeper(&self) -> impl Fn(Vec<u8>) -> Ready<Result<Digest, Fault>> {
        |bytes| {
            let digest = Digest([u8::try_from(bytes.len() % 256).expect("a byte"); 32]);
            self.kept.lock().expect("sound").push(bytes);
            ready(Ok(digest))
        }
    }

    pub async fn post(&self, caller: &Caller, key: Option<&str>, body: &str) -> Served {
        let body = Bytes::from(body.to_owned());
        let route = ("POST", "/v1/posts");
        self.admission.create(caller, &id("create"), key, route, body, self.keeper()).await
    }

    pub async fn patch(&self, caller: &Caller, post: &str, body: &str) -> Served {
        let body = Bytes::from(body.to_owned());
        self.admission.patch(caller, &id("patch"), None, post, body, self.keeper()).await
    }

    pub async fn cancel(&self, key: Option<&str>, post: &str) -> Served {
        self.admission.cancel(&anyone(), &id("cancel"), key, post).await
    }

    /// A post queued for an hour from now on the account.
    pub async fn queued(&self, account: u128) -> String {
        let served = self.post(&anyone(), None, &later(account, 3_600_000)).await;
        assert_eq!(served.reply.status, 202, "{}", json_of(&served.reply));
        json_of(&served.reply)["results"][0]["postId"].as_str().expect("an id").to_owned()
    }
}

fn start(
    store: &Arc<dyn Store>,
    catalog: &Arc<workflow::Catalog>,
    links: Links,
    epoch: u64,
) -> Handle {
    let options = Options {
        sync_wait: Millis::from_secs(60),
        max_lateness: Millis::from_secs(86_400),
        claim_window: Millis::from_secs(86_400),
        slots_max: 64,
        platform_slots_max: 64,
        links,
    };
    let dice = AtomicUsize::new(1);
    let clocks = Clocks {
        now: Arc::new(|| AT),
        dice: Arc::new(move || dice.fetch_add(1, Ordering::SeqCst) as u128),
        started: Instant::now(),
    };
    let (store, catalog) = (Arc::clone(store), Arc::clone(catalog));
    let core = Core::open(store, catalog, options, epoch, clocks.moment()).expect("it opens");
    let (handle, mailbox) = engine::mailbox();
    let carry: engine::Carry = Arc::new(|_| {
        let receipt = Some(Receipt { uri: Some("x://1".to_owned()), cid: None, url: None });
        let verdict = Verdict::Done(Output { receipt, ..Output::default() });
        Box::pin(async move { Report { verdict, exchange: None } })
    });
    let runtime = tokio::runtime::Handle::current();
    engine::spawn(core, mailbox, handle.clone(), carry, clocks, runtime).expect("a thread");
    handle
}

pub fn account(n: u128, platform: Platform, profile: u128) -> Account {
    Account {
        id: AccountId::from_raw(n),
        profile: ProfileId::from_raw(profile),
        platform,
        platform_account_id: n.to_string(),
        display_name: None,
        settings: "{}".to_owned(),
        token_expires_at: None,
        created_at: AT,
        updated_at: AT,
    }
}

/// A sandbox account of one profile, one of another, and one nothing can publish to.
pub fn three() -> [Account; 3] {
    let sandbox = |n, profile| account(n, Platform::Sandbox, profile);
    [sandbox(1, OWN), sandbox(2, 8), account(3, Platform::Twitter, OWN)]
}

pub fn caller(profile: Option<u128>) -> Caller {
    Caller {
        key: ApiKey {
            id: KeyId::from_raw(1),
            hash: Digest([0; 32]),
            name: "test".to_owned(),
            prefix: KeyPrefix::Live,
            last4: "0000".to_owned(),
            scopes: Vec::new(),
            profile: profile.map(ProfileId::from_raw),
            created_at: AT,
            revoked_at: None,
        },
    }
}

pub fn anyone() -> Caller {
    caller(None)
}

pub fn id(text: &str) -> RequestId {
    RequestId::from_caller(text).expect("well formed")
}

pub fn uuid(n: u128) -> String {
    AccountId::from_raw(n).to_string()
}

pub fn to(account: u128, text: &str) -> String {
    json!({ "targets": [{ "accountId": uuid(account) }], "text": text }).to_string()
}

pub fn later(account: u128, ahead_ms: i64) -> String {
    let at = Timestamp::from_millis(NOW + ahead_ms).to_string();
    let targets = json!([{ "accountId": uuid(account) }]);
    json!({ "targets": targets, "text": "x", "scheduledAt": at }).to_string()
}

pub fn json_of(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).expect("JSON")
}

#[track_caller]
pub fn refused(served: &Served, status: u16, rule: &str) {
    let value = json_of(&served.reply);
    let error = &value["error"];
    let got = (served.reply.status, error["rule"].as_str().unwrap_or_default());
    assert_eq!(got, (status, rule), "{value}");
    assert!(error["remediation"].is_string() && served.fault.is_some(), "{value}");
}
