//! What a caller may see, and who is one.

use std::sync::Arc;

use fanfare::admission::{Caller, authenticate, require};
use fanfare::model::{Account, ApiKey, Digest, Fault, Platform, ProfileId, Scope};
use fanfare::store::{Key, Memory, Record, Store, Write};
use fanfare::wire::Reply;
use serde_json::{Value, json};

use crate::rig::{AT, OWN, Rig, account, anyone, caller, json_of, three, to, uuid};

#[track_caller]
fn fault<T: std::fmt::Debug>(result: Result<T, Fault>) -> String {
    let fault = result.expect_err("refused");
    fault.rule.unwrap_or_else(|| fault.code.as_str().to_owned())
}

async fn listed(rig: &Rig, caller: &Caller, query: &str) -> Value {
    let page = rig.admission.list_posts(caller, query).await.expect(query);
    serde_json::from_slice(&page).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_stay_within_the_profile_of_the_key() {
    let rig = Rig::new(&three());
    let (own, other) = (rig.queued(1).await, rig.queued(2).await);
    let scoped = caller(Some(OWN));
    let read = json_of(&rig.admission.get_post(&scoped, &own).await.expect("its own"));
    assert_eq!((&read["id"], &read["attempts"]), (&json!(own), &json!([])));
    let refused = |result: Result<Reply, Fault>| fault(result);
    assert_eq!(refused(rig.admission.get_post(&scoped, &other).await), "api_key.profile_scope");
    for id in ["", "abc", "post_", "batch_x", "post_00000000000000000000000000"] {
        assert_eq!(refused(rig.admission.get_post(&scoped, id).await), "not_found", "{id}");
        assert_eq!(refused(rig.admission.get_batch(&scoped, id).await), "not_found", "{id}");
    }
    let all = json_of(&rig.admission.get_post(&anyone(), &other).await.expect("all profiles"));
    let batch = all["batchId"].as_str().expect("an id");
    let whole = json_of(&rig.admission.get_batch(&anyone(), batch).await.expect("all profiles"));
    assert_eq!((&whole["id"], &whole["status"]), (&json!(batch), &json!("queued")));
    assert_eq!(refused(rig.admission.get_batch(&scoped, batch).await), "api_key.profile_scope");
    let listed = listed(&rig, &scoped, "").await;
    let ids: Vec<&Value> =
        listed["data"].as_array().expect("a list").iter().map(|p| &p["id"]).collect();
    assert_eq!(ids, [&json!(own)]);
    let asked = format!("profileId={}", ProfileId::from_raw(8));
    let outside = rig.admission.list_posts(&scoped, &asked).await;
    assert_eq!(fault(outside), "api_key.profile_scope");
    let accounts = json_of(&rig.admission.list_accounts(&scoped, &asked).await.expect("a list"));
    assert_eq!(accounts["data"].as_array().map(Vec::len), Some(2), "its own, whatever is asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_whole_in_order_and_end() {
    let rig = Rig::new(&three());
    let mut made = Vec::new();
    for n in 0..7 {
        let body = json!({ "targets": [{ "accountId": uuid(1) }, { "accountId": uuid(2) }],
            "text": format!("text {n}") });
        let value = json_of(&rig.post(&anyone(), None, &body.to_string()).await.reply);
        let results = value["results"].as_array().expect("results");
        made.extend(results.iter().map(|one| one["postId"].as_str().expect("an id").to_owned()));
    }
    made.reverse();
    for limit in [1, 2, 5, 14, 200] {
        let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let query = format!("limit={limit}{cursor}");
            let page = listed(&rig, &anyone(), &query).await;
            let posts = page["data"].as_array().expect("a list");
            seen.extend(posts.iter().map(|one| one["id"].as_str().expect("an id").to_owned()));
            for post in posts {
                let id = post["id"].as_str().expect("an id");
                let mut alone =
                    json_of(&rig.admission.get_post(&anyone(), id).await.expect("it is there"));
                alone.as_object_mut().expect("an object").remove("attempts");
                assert_eq!(*post, alone, "limit {limit}");
            }
            pages += 1;
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, made, "limit {limit}");
        assert_eq!(pages, 14_usize.div_ceil(limit), "limit {limit}: no empty page at the end");
    }
    let count = async |query: &str| {
        let page = listed(&rig, &anyone(), query).await;
        page["data"].as_array().expect("a list").len()
    };
    assert_eq!(count("q=TEXT%203").await, 2);
    // The posts that are looked at first are not listed, and each batch has two of them.
    assert_eq!(count("q=text%200&limit=1").await, 1);
    assert_eq!(count("q=text%200&limit=3").await, 2);
    assert_eq!(count("status=published&platform=sandbox").await, 14);
    assert_eq!(count("status=failed").await, 0);
    assert_eq!(count("cursor=garbage").await, 14);
    assert_eq!(count("after=2030-01-01T00:00:00Z&before=2020-01-01T00:00:00Z").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_shows_what_was_answered_before_it_was_asked_for() {
    let rig = Arc::new(Rig::new(&three()));
    let looks = (0..4).map(|_| {
        let rig = Arc::clone(&rig);
        // Whoever looks all the time finds most pages as they were.
        tokio::spawn(async move {
            loop {
                listed(&rig, &anyone(), "limit=3").await;
                tokio::task::yield_now().await;
            }
        })
    });
    let looks: Vec<_> = looks.collect();
    for n in 0..100 {
        let id = rig.queued(1).await;
        for query in ["limit=3", "limit=2"] {
            let page = listed(&rig, &anyone(), query).await;
            assert_eq!(page["data"][0]["id"], json!(id), "post {n}");
            assert_eq!(page["data"][0]["status"], json!("queued"));
        }
        let canceled = rig.cancel(None, &id).await;
        assert_eq!(canceled.reply.status, 200, "{canceled:?}");
        let page = listed(&rig, &anyone(), "limit=3").await;
        assert_eq!(page["data"][0]["status"], json!("canceled"), "post {n}");
    }
    for look in looks {
        look.abort();
        assert!(look.await.is_err_and(|ended| ended.is_cancelled()), "nobody who looked failed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_account_is_beyond_reach_among_many() {
    let many: Vec<Account> = (1..=2_500).map(|n| account(n, Platform::Sandbox, OWN)).collect();
    let rig = Rig::new(&many);
    assert_eq!(rig.post(&anyone(), None, &to(2_500, "x")).await.reply.status, 200);
    let listed = json_of(&rig.admission.list_accounts(&anyone(), "").await.expect("a list"));
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(2_500));
    assert_eq!(listed["data"][2_499]["id"], json!(uuid(2_500)));
}

#[test]
fn a_caller_is_known_by_a_key_that_holds() {
    let store = Memory::new();
    let epoch = store.begin_epoch().expect("an epoch");
    let put = |text: &str, scopes: &[&str], revoked_at| {
        let mut hash = [0; 32];
        hash.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()).as_ref());
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let key = ApiKey { hash: Digest(hash), scopes, revoked_at, ..anyone().key };
        let write = Write::Put(Key::ApiKey(Digest(hash)), Record::ApiKey(key));
        store.commit(epoch, &[write]).expect("room");
    };
    put("lmp_live_a", &["posts:read", "unheard-of"], None);
    put("lmp_test_b", &[], None);
    put("lmp_live_c", &[], Some(AT));
    put("other_d", &[], None);
    let enter = |header: Option<&str>| authenticate(&store, header);
    let reader = enter(Some("Bearer lmp_live_a")).expect("known");
    assert!(enter(Some("Bearer lmp_live_a  ")).is_ok(), "blanks around the token do not matter");
    assert!(enter(Some("Bearer lmp_test_b")).is_ok());
    for header in [
        None,
        Some(""),
        Some("lmp_live_a"),
        Some("bearer lmp_live_a"),
        Some("Basic lmp_live_a"),
        Some("Bearer lmp_live_x"),
        Some("Bearer lmp_live_c"),
        Some("Bearer other_d"),
    ] {
        let fault = enter(header).expect_err("not known");
        assert_eq!(
            (fault.code.as_str(), fault.http_status(), fault.rule),
            ("unauthenticated", 401, None)
        );
        assert!(fault.remediation.is_some(), "{header:?}");
    }
    assert!(require(&reader, Scope::PostsRead).is_ok());
    for scope in [Scope::PostsWrite, Scope::Admin] {
        let fault = require(&reader, scope).expect_err("not granted");
        assert_eq!((fault.http_status(), fault.rule.as_deref()), (403, Some("api_key.scope")));
        assert!(fault.remediation.expect("a remedy").contains(scope.as_str()));
    }
    assert!(require(&anyone(), Scope::PostsWrite).is_ok());
    assert!(require(&anyone(), Scope::Admin).is_err());
}
