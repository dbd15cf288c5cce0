//! What attempts speak with, as time passes; and connects that meet.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;

use fanfare::accounts::{AccessError, Accounts, ConnectBluesky, Place, RedeemFault, StateFault};
use fanfare::model::{AccountId, Code, Digest, Millis, Platform, ProfileId, Secret};
use fanfare::platforms::Access;
use fanfare::platforms::oauth::{Client, Endpoints};
use fanfare::store::{Key, Order, Store as _};

use crate::house::{House, client};
use crate::provider::{Provider, provider};
use crate::{member, text};

/// The provider's access tokens live this long.
pub const LIFE: Millis = Millis::from_secs(3_600);

pub fn app(client: Client) -> BTreeMap<Platform, Client> {
    BTreeMap::from([(Platform::Twitter, client)])
}

/// Connects X as `who`, through the provider.
pub async fn connect(
    accounts: &Accounts,
    provider: &'static Provider,
    who: &'static str,
) -> AccountId {
    let descriptor =
        accounts.begin_oauth(Platform::Twitter, Place::Default, None).await.expect("begun");
    let url = text(&descriptor["authorizationUrl"]);
    let back = tokio::task::spawn_blocking(move || provider.consent(&url, who)).await;
    let back = back.expect("consented");
    let state = member(&back, "state").expect("a state");
    let state = accounts.read_state(Platform::Twitter, &state).expect("a good state");
    let code = Secret::new(member(&back, "code").expect("a code"));
    accounts.return_oauth(&state, &code).await.expect("connected").account.id
}

pub async fn asked(provider: &'static Provider, what: &str) -> u64 {
    let what = what.to_owned();
    tokio::task::spawn_blocking(move || provider.count(&what)).await.expect("counted")
}

pub async fn token(accounts: &Accounts, id: AccountId) -> String {
    let access = accounts.access(id, false).await.expect("access");
    access.token.expose().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_that_meet_renew_once_and_each_renewal_is_kept() {
    let Some(provider) = provider() else { return };
    let house = House::new();
    let accounts = house.accounts(app(client(provider)));
    let id = connect(&accounts, provider, "alma").await;
    let first = token(&accounts, id).await;
    let Access { base_url, platform_account_id, .. } =
        accounts.access(id, false).await.expect("access");
    assert_eq!((base_url.as_str(), platform_account_id.as_str()), (&*provider.base, "x-alma"));
    assert_eq!(asked(provider, "alma refresh_token").await, 0);

    let mut last = first;
    for round in 1..=3 {
        house.pass(LIFE);
        let many: Vec<_> = (0..8)
            .map(|_| {
                let accounts = Arc::clone(&accounts);
                tokio::spawn(async move { token(&accounts, id).await })
            })
            .collect();
        let mut tokens = BTreeSet::new();
        for one in many {
            tokens.insert(one.await.expect("it does not panic"));
        }
        assert_eq!(tokens.len(), 1, "all speak with the same token");
        let fresh = tokens.pop_first().expect("one");
        assert_ne!(fresh, last);
        assert_eq!(asked(provider, "alma refresh_token").await, round);
        // A process that starts now finds it: the refresh token of each round is good for the next.
        assert_eq!(token(&house.accounts(app(client(provider))), id).await, fresh);
        last = fresh;
    }
    let shown = accounts.list(None).expect("readable")[0].token_expires_at;
    assert_eq!(shown, Some((house.now())().plus(LIFE)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_platform_refused_is_renewed_at_once() {
    let Some(provider) = provider() else { return };
    let house = House::new();
    let accounts = house.accounts(app(client(provider)));
    let id = connect(&accounts, provider, "bela").await;
    let access = accounts.access(id, false).await.expect("access");
    accounts.refused(id, &access.token);
    let renewed = accounts.access(id, true).await.expect("access");
    assert!(renewed.token != access.token);
    // The others who were refused with the old one use the new one.
    let again = accounts.access(id, true).await.expect("access");
    assert!(again.token == renewed.token);
    assert_eq!(asked(provider, "bela refresh_token").await, 1);
    // A process that has just started does not know which one was refused; it renews once.
    let accounts = house.accounts(app(client(provider)));
    let renewed = accounts.access(id, true).await.expect("access");
    assert!(renewed.token != again.token);
    let again = accounts.access(id, true).await.expect("access");
    assert!(again.token == renewed.token);
    assert_eq!(asked(provider, "bela refresh_token").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_that_was_withdrawn_asks_for_a_new_connect() {
    let Some(provider) = provider() else { return };
    let house = House::new();
    let accounts = house.accounts(app(client(provider)));
    let id = connect(&accounts, provider, "cleo").await;
    tokio::task::spawn_blocking(|| provider.withdraw("cleo")).await.expect("withdrawn");
    house.pass(LIFE);
    let Err(AccessError::Refused(fault)) = accounts.access(id, false).await else {
        panic!("there is no access without consent");
    };
    assert_eq!(fault.code, Code::PlatformAuthFailed);
    assert_eq!(fault.rule.as_deref(), Some("twitter.oauth.refresh"));
    assert!(fault.remediation.is_some_and(|text| text.starts_with("Connect the account again.")));
    // Connected again, it speaks again.
    assert_eq!(connect(&accounts, provider, "cleo").await, id);
    token(&accounts, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_token_lasts_it_is_used_though_it_cannot_be_renewed() {
    let Some(provider) = provider() else { return };
    let house = House::new();
    let id = connect(&house.accounts(app(client(provider))), provider, "dora").await;
    let mut unreachable = client(provider);
    unreachable.endpoints.token_url = "http://127.0.0.1:9/token".to_owned();
    let accounts = house.accounts(app(unreachable));
    let first = token(&accounts, id).await;
    // X's tokens are replaced a quarter of an hour ahead of their end.
    house.pass(Millis(LIFE.0 - 60_000));
    assert_eq!(token(&accounts, id).await, first);
    let access = accounts.access(id, false).await.expect("access");
    accounts.refused(id, &access.token);
    assert!(matches!(accounts.access(id, true).await, Err(AccessError::Unavailable(_))));
    house.pass(Millis(60_000));
    let Err(AccessError::Unavailable(fault)) = accounts.access(id, false).await else {
        panic!("a token that is over opens nothing");
    };
    assert_eq!((fault.code, fault.retryable), (Code::PlatformUnavailable, true));
    // Back in reach, it goes on with what was kept.
    let accounts = house.accounts(app(client(provider)));
    assert_ne!(token(&accounts, id).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_lasts_ten_minutes_and_leaves_nothing_behind() {
    let Some(provider) = provider() else { return };
    let house = House::new();
    let accounts = house.accounts(app(client(provider)));
    let pending = || {
        let (from, to) = (Key::OauthState(Digest([0; 32])), Key::OauthState(Digest([255; 32])));
        house.store.scan(&from, &to, Order::Ascending, 10).expect("readable").len()
    };
    let descriptor =
        accounts.begin_oauth(Platform::Twitter, Place::Default, None).await.expect("begun");
    let state = text(&descriptor["state"]);
    let read = || accounts.read_state(Platform::Twitter, &state);
    house.pass(Millis(599_999));
    assert!(read().is_ok());
    house.pass(Millis(1));
    assert_eq!(read(), Err(StateFault::Expired));
    assert_eq!(pending(), 1);
    accounts.begin_oauth(Platform::Twitter, Place::Default, None).await.expect("begun");
    assert_eq!(pending(), 1, "the one that is over was forgotten");
    house.pass(Millis(600_000));
    connect(&accounts, provider, "edda").await;
    assert_eq!(pending(), 0, "the one that was redeemed is gone");
}

/// Enough for those who meet to be between looking and writing at least once.
const ROUNDS: usize = 100;
/// How many meet.
const MEETING: usize = 16;

/// Does it so many times at once; gives what came of each.
async fn at_once<T: Send + 'static>(
    one: impl Fn() -> Pin<Box<dyn Future<Output = T> + Send>>,
) -> Vec<T> {
    let many: Vec<_> = (0..MEETING).map(|_| tokio::spawn(one())).collect();
    let mut came = Vec::new();
    for one in many {
        came.push(one.await.expect("it does not panic"));
    }
    came
}

#[tokio::test]
async fn connects_that_meet_make_one_account_and_one_profile() {
    let house = House::new();
    let accounts = house.accounts(BTreeMap::new());
    for round in 0..ROUNDS {
        let connected = at_once(|| {
            let accounts = Arc::clone(&accounts);
            Box::pin(
                async move { accounts.connect_sandbox(format!("n{round}"), Place::Default).await },
            )
        });
        let connected = connected.await.into_iter();
        let created = connected.filter(|one| one.as_ref().expect("connected").created).count();
        assert_eq!(created, 1, "round {round}");
    }
    assert_eq!(accounts.list(None).expect("readable").len(), ROUNDS);
    assert_eq!(accounts.profiles().expect("readable").len(), 1);
}

#[tokio::test]
async fn the_default_profile_is_made_once() {
    for round in 0..ROUNDS {
        let accounts = House::new().accounts(BTreeMap::new());
        let made = at_once(|| {
            let accounts = Arc::clone(&accounts);
            Box::pin(async move { accounts.default_profile().await.expect("made") })
        });
        let made: BTreeSet<ProfileId> = made.await.into_iter().collect();
        assert_eq!(made.len(), 1, "round {round}");
    }
}

#[tokio::test]
async fn one_of_those_who_bring_a_state_at_once_redeems_it() {
    let house = House::new();
    let nowhere = || "http://127.0.0.1:9/".to_owned();
    let endpoints = Endpoints {
        authorize_url: nowhere(),
        token_url: nowhere(),
        identity_url: nowhere(),
        api_url: nowhere(),
    };
    let client = Client { id: "me".to_owned(), secret: Secret::new("s"), endpoints };
    let accounts = house.accounts(app(client));
    for round in 0..ROUNDS {
        let begun =
            accounts.begin_oauth(Platform::Twitter, Place::Default, None).await.expect("begun");
        let state = accounts.read_state(Platform::Twitter, &text(&begun["state"])).expect("good");
        let redeemed = at_once(|| {
            let (accounts, state) = (Arc::clone(&accounts), state.clone());
            Box::pin(async move { accounts.return_oauth(&state, &Secret::new("c")).await })
        });
        // Whoever redeems it gets as far as the platform, which is not there.
        let reached = |one: &_| matches!(one, &Err(RedeemFault::Fault(_)));
        let used = |one: &_| matches!(one, &Err(RedeemFault::State(StateFault::Used)));
        let redeemed = redeemed.await;
        assert_eq!(redeemed.iter().filter(|one| reached(one)).count(), 1, "round {round}");
        assert_eq!(redeemed.iter().filter(|one| used(one)).count(), MEETING - 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_an_address_and_nothing_else() {
    let accounts = House::new().accounts(BTreeMap::new());
    let refused = async |url: &str| {
        let input = ConnectBluesky {
            identifier: "me.test".to_owned(),
            app_password: Secret::new("abcd-efgh-ijkl-mnop"),
            pds_url: Some(url.to_owned()),
            place: Place::Default,
        };
        let fault = accounts.connect_bluesky(input).await.expect_err("nothing is there");
        fault.rule.expect("a rule")
    };
    for url in [
        "http://u@127.0.0.1:9",
        "http://u:p@127.0.0.1:9",
        "http://:p@127.0.0.1:9",
        "http://127.0.0.1:9/?a=b",
        "http://127.0.0.1:9/#a",
        "ftp://127.0.0.1:9",
        "127.0.0.1:9",
    ] {
        assert_eq!(refused(url).await, "pdsUrl", "{url}");
    }
    // This one is asked, and does not answer.
    assert_eq!(refused("http://127.0.0.1:9/").await, "bluesky.unreachable");
}
