//! Credentials that run out soon: who is told, and what is renewed before anybody needs it.

use std::collections::BTreeMap;
use std::sync::Arc;

use fanfare::accounts::Accounts;
use fanfare::model::{Millis, Notice, NoticeId, NoticeKind, Platform};
use fanfare::store::{Key, Order, Record, Store as _};
use serde_json::Value;

use crate::access::{LIFE, app, asked, connect, token};
use crate::house::{House, client};
use crate::provider::{Provider, provider};

/// How far ahead upkeep looks, as the built-in workflow says.
const AHEAD: Millis = Millis::from_secs(300);

/// One run of upkeep; how many accounts were due.
async fn run(house: &House, accounts: &Accounts) -> usize {
    accounts.renew_ahead((house.now())().plus(AHEAD), 10).await.expect("it runs")
}

/// Everything that was told so far, in order.
fn told(house: &House) -> Vec<Notice> {
    let first = Key::Notice(NoticeId::from_raw(0));
    let all = house.store.scan(&first, &Key::LAST_NOTICE, Order::Ascending, 100);
    let notice = |(_, record)| match record {
        Record::Notice(notice) => notice,
        other => panic!("no notice: {other:?}"),
    };
    all.expect("readable").into_iter().map(notice).collect()
}

fn kinds(house: &House) -> Vec<NoticeKind> {
    told(house).into_iter().map(|notice| notice.kind).collect()
}

/// The accounts with the app at X, whose tokens come from nowhere.
fn cut_off(house: &House, provider: &Provider) -> Arc<Accounts> {
    let mut unreachable = client(provider);
    unreachable.endpoints.token_url = "http://127.0.0.1:9/token".to_owned();
    house.accounts(app(unreachable))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ends_soon_is_told_of_once_and_renewed_before_its_end() {
    let Some(provider) = provider() else { return };
    let house = House::new();
    let accounts = house.accounts(app(client(provider)));
    let id = connect(&accounts, provider, "fred").await;
    let (first, ends) = (token(&accounts, id).await, (house.now())().plus(LIFE));
    house.pass(Millis(LIFE.0 - AHEAD.0 - 1));
    assert_eq!((run(&house, &accounts).await, told(&house).len()), (0, 0), "there is time");
    house.pass(Millis(1));
    assert_eq!(run(&house, &accounts).await, 1);
    let told = told(&house);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].kind, &told[0].request), (NoticeKind::TokenExpiring, &None));
    let data: Value = serde_json::from_str(&told[0].data).expect("JSON");
    let account = accounts.list(None).expect("readable").remove(0);
    for (name, expected) in [
        ("platform", "twitter".to_owned()),
        ("accountId", id.to_string()),
        ("profileId", account.profile.to_string()),
        ("platformAccountId", "x-fred".to_owned()),
        ("displayName", account.display_name.clone().expect("a name")),
        ("tokenExpiresAt", ends.to_string()),
    ] {
        assert_eq!(data[name], expected, "{name}: {data}");
    }
    // It is renewed, and the account shows until when.
    assert_eq!(asked(provider, "fred refresh_token").await, 1);
    assert_eq!(account.token_expires_at, Some((house.now())().plus(LIFE)));
    assert_eq!(run(&house, &accounts).await, 0, "nothing ends soon any more");
    assert_ne!(token(&accounts, id).await, first);
    assert_eq!(asked(provider, "fred refresh_token").await, 1, "nobody else had to renew it");
    // The next one is told of as well: it is another token.
    house.pass(Millis(LIFE.0 - AHEAD.0));
    assert_eq!(run(&house, &accounts).await, 1);
    assert_eq!(kinds(&house), [NoticeKind::TokenExpiring; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_cannot_be_renewed_now_is_told_of_once_however_often_it_is_tried() {
    let Some(provider) = provider() else { return };
    let house = House::new();
    let id = connect(&house.accounts(app(client(provider))), provider, "gala").await;
    let accounts = cut_off(&house, provider);
    house.pass(Millis(LIFE.0 - AHEAD.0));
    for _ in 0..3 {
        assert_eq!(run(&house, &accounts).await, 1);
        house.pass(Millis(60_000));
    }
    // A process that has just started knows that it was told.
    let accounts = cut_off(&house, provider);
    house.pass(LIFE);
    assert_eq!(run(&house, &accounts).await, 1);
    assert_eq!(kinds(&house), [NoticeKind::TokenExpiring], "out of reach is not withdrawn");
    // Back in reach, it is renewed though it has ended.
    let accounts = house.accounts(app(client(provider)));
    assert_eq!(run(&house, &accounts).await, 1);
    assert_eq!(asked(provider, "gala refresh_token").await, 1);
    assert_eq!(run(&house, &accounts).await, 0);
    token(&accounts, id).await;
    assert_eq!(kinds(&house), [NoticeKind::TokenExpiring]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_that_was_withdrawn_is_told_of_once_and_a_new_one_begins_anew() {
    let Some(provider) = provider() else { return };
    let house = House::new();
    let accounts = house.accounts(app(client(provider)));
    let id = connect(&accounts, provider, "hugo").await;
    tokio::task::spawn_blocking(|| provider.withdraw("hugo")).await.expect("withdrawn");
    house.pass(Millis(LIFE.0 - AHEAD.0));
    run(&house, &accounts).await;
    assert_eq!(kinds(&house), [NoticeKind::TokenExpiring], "the token is good to its end");
    house.pass(AHEAD);
    for _ in 0..3 {
        run(&house, &accounts).await;
    }
    let before = [NoticeKind::TokenExpiring, NoticeKind::TokenRevoked];
    assert_eq!(kinds(&house), before);
    let data: Value = serde_json::from_str(&told(&house)[1].data).expect("JSON");
    assert_eq!(data["accountId"], id.to_string());
    assert!(data["reason"].as_str().is_some_and(|why| !why.is_empty()), "{data}");
    // Connected again, it is an account like any other.
    assert_eq!(connect(&accounts, provider, "hugo").await, id);
    assert_eq!(run(&house, &accounts).await, 0);
    house.pass(Millis(LIFE.0 - AHEAD.0));
    assert_eq!(run(&house, &accounts).await, 1);
    let after = [before.as_slice(), &[NoticeKind::TokenExpiring]].concat();
    assert_eq!(kinds(&house), after);
    assert_eq!(run(&house, &accounts).await, 0, "and renewed like any other");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_run_takes_no_more_than_it_may_and_the_next_takes_the_rest() {
    let Some(provider) = provider() else { return };
    let house = House::new();
    let accounts = house.accounts(app(client(provider)));
    let mut ids = BTreeMap::new();
    for who in ["iris", "jana", "kuno"] {
        ids.insert(connect(&accounts, provider, who).await, who);
    }
    house.pass(LIFE);
    let until = (house.now())().plus(AHEAD);
    for (most, due) in [(2, 2), (2, 1), (2, 0)] {
        assert_eq!(accounts.renew_ahead(until, most).await, Ok(due));
    }
    for who in ids.into_values() {
        assert_eq!(asked(provider, &format!("{who} refresh_token")).await, 1, "{who}");
    }
    let platforms = told(&house).into_iter().filter(|notice| {
        let data: Value = serde_json::from_str(&notice.data).expect("JSON");
        data["platform"] == Platform::Twitter.as_str()
    });
    assert_eq!(platforms.count(), 3);
}
