//! Section 2.4: a key that is limited to one profile, on every route there is, against what is in
//! another.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::Answer;
use crate::{COMPLETE, DAY, House, from_now, refused, rows, text};

/// What nobody of the other profile is to read: it stands in the account's name, in what was
/// posted, in the profile's name and in a key's.
const OURS: &str = "ours-alone";

/// Two profiles, and a key that may do everything in the second.
struct Wall {
    house: House,
    /// The first: its profile, and one of everything in it.
    profile: String,
    account: String,
    batch: String,
    post: String,
    media: String,
    key: String,
    /// The second: the key, and its profile and account.
    theirs: String,
    their_profile: String,
    their_account: String,
    /// An endpoint of the organization.
    hook: String,
}

impl Wall {
    fn build() -> Self {
        let house = House::open(&["upstream.allow_private=true"]);
        let id = |value: &Value| text(value, "id").to_owned();
        let made = |request: &str, body: Value| id(&house.good(request, &body));
        let profile = |name: &str| made("POST /v1/profiles", json!({ "name": name }));
        let connect = |name: &str, profile: &str| {
            id(&house.good(COMPLETE, &json!({ "name": name, "profileId": profile })))
        };
        let (first, second) = (profile(OURS), profile("theirs"));
        let (account, their_account) = (connect(OURS, &first), connect("theirs", &second));
        let mut body = json!({ "targets": [{ "accountId": account }], "text": OURS });
        let landed = house.good("POST /v1/posts", &body);
        assert_eq!(landed["status"], "published", "{landed}");
        body["scheduledAt"] = json!(from_now(DAY));
        let waiting = house.good("POST /v1/posts", &body);
        let key = json!({ "name": OURS, "profileId": first });
        let hook = json!({ "url": "http://127.0.0.1:9/" });
        Self {
            post: text(&waiting["results"][0], "postId").to_owned(),
            batch: id(&waiting),
            media: id(&upload(&house, &house.server.key, &first).json()),
            key: id(&house.good("POST /v1/api-keys", &key)),
            theirs: house.mint("lmp_live_", &["posts:read", "posts:write", "admin"], Some(&second)),
            their_profile: second,
            their_account,
            profile: first,
            account,
            hook: id(&house.good("POST /v1/webhook-endpoints", &hook)),
            house,
        }
    }

    /// A request with the limited key. What was in the other profile is in no answer.
    #[track_caller]
    fn ask(&self, request: &str, body: &Value) -> Answer {
        let answer = self.house.ask_as(&self.theirs, request, body);
        let said = String::from_utf8_lossy(&answer.body).replace(&body.to_string(), "");
        assert!(!said.contains(OURS), "{request} {body}: {said}");
        answer
    }

    #[track_caller]
    fn walled(&self, request: &str, body: &Value) {
        refused(
            &self.ask(request, body),
            404,
            "api_key.profile_scope",
            &format!("{request} {body}"),
        );
    }

    /// The path of an operation that names one thing, with the id of one that is ours.
    fn of_ours(&self, path: &str) -> Option<String> {
        let known = [
            ("/v1/accounts/{id}", &self.account),
            ("/v1/posts/{id}", &self.post),
            ("/v1/media/{id}", &self.media),
            ("/v1/profiles/{id}", &self.profile),
            ("/v1/api-keys/{id}", &self.key),
        ];
        let landing = "1".to_owned();
        let landing = [("/sandbox/posts/{n}", &landing)];
        known.into_iter().chain(landing).find_map(|(start, id)| {
            let rest = path.strip_prefix(start)?;
            let (whole, _) = start.rsplit_once('/')?;
            Some(format!("{whole}/{id}{rest}"))
        })
    }

    /// Everything of the first profile, as a key without a limit sees it.
    fn ours(&self) -> Vec<Value> {
        let lists = ["posts", "accounts", "media", "profiles", "api-keys"];
        let mut all: Vec<Value> = lists
            .iter()
            .flat_map(|list| {
                rows(&self.house.good(&format!("GET /v1/{list}"), &Value::Null)).to_vec()
            })
            .filter(|one| {
                let of = |member: &str| one[member].as_str();
                of("profileId") != Some(&self.their_profile)
                    && of("id") != Some(&self.their_profile)
            })
            .collect();
        for one in &mut all {
            // When a key was last used is no part of it, and an address of an upload is fresh each
            // time.
            for member in ["lastUsedAt", "url"] {
                one.as_object_mut().expect("an object").remove(member);
            }
        }
        all
    }
}

fn upload(house: &House, key: &str, profile: &str) -> Answer {
    let body = "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\
                content-type: text/plain\r\n\r\nours\r\n--b--\r\n";
    let kind = [("content-type", "multipart/form-data; boundary=b")];
    let path = format!("/v1/media?profileId={profile}");
    let base = &house.server.base;
    crate::send(base, Some(key), "POST", &path, &kind, body.as_bytes()).expect("heard")
}

/// A body that its route would take, for those that look at the body first.
fn body_of(operation: &str) -> Value {
    match operation {
        "patch_v1_posts_by_id" => json!({ "text": "changed" }),
        "patch_v1_profiles_by_id" => json!({ "name": "changed" }),
        "post_v1_accounts_by_id_pinterest_boards" => json!({ "name": "changed" }),
        "patch_v1_accounts_by_id_pinterest_default_board" => json!({ "boardId": "1" }),
        _ => Value::Null,
    }
}

#[test]
fn no_route_leads_a_limited_key_into_another_profile() {
    let wall = Wall::build();
    let before = wall.ours();
    let described = wall.house.good("GET /openapi.json", &Value::Null);
    let mut left = BTreeSet::new();
    let mut walled = 0;
    for (path, operations) in described["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            if operation.get("security").is_some() {
                continue;
            }
            let name = text(operation, "operationId");
            match wall.of_ours(path) {
                Some(own) => {
                    let request = format!("{} {own}", method.to_uppercase());
                    wall.walled(&request, &body_of(name));
                    walled += 1;
                }
                None => {
                    left.insert(name.to_owned());
                }
            }
        }
    }
    assert!(walled >= 13, "only {walled} operations name a thing of a profile");
    // What names no thing of a profile in its path: each is looked at in a test below, or is the
    // organization's (webhook endpoints: section 13.1). One that is new belongs into one of them.
    let organizations = |name: &String| name.contains("webhook_endpoints");
    left.retain(|name| !organizations(name));
    let looked_at = [
        "get_v1_accounts",
        "get_v1_api_keys",
        "get_v1_events",
        "get_v1_media",
        "get_v1_platform_versions",
        "get_v1_posts",
        "get_v1_profiles",
        "get_v1_sandbox_timeline",
        "post_mcp",
        "post_v1_accounts_connect_by_platform",
        "post_v1_accounts_connect_by_platform_complete",
        "post_v1_api_keys",
        "post_v1_media",
        "post_v1_posts",
        "post_v1_posts_validate",
        "post_v1_profiles",
    ];
    assert_eq!(left.iter().map(String::as_str).collect::<Vec<_>>(), looked_at);
    wall.walled(&format!("GET /v1/posts/{}", wall.batch), &Value::Null);
    assert_eq!(wall.ours(), before, "nothing of it has changed");
}

#[test]
fn lists_show_a_limited_key_its_own() {
    let wall = Wall::build();
    let theirs = |list: &str| {
        let page = wall.ask(&format!("GET /v1/{list}"), &Value::Null);
        assert_eq!(page.status, 200, "{list}");
        rows(&page.json()).to_vec()
    };
    for list in ["posts", "media", "events"] {
        assert_eq!(theirs(list), Vec::<Value>::new(), "{list}");
    }
    let own = |list: &str, member: &str| {
        let all = theirs(list);
        assert_eq!(all.len(), 1, "{list}: {all:?}");
        text(&all[0], member).to_owned()
    };
    assert_eq!(own("accounts", "id"), wall.their_account);
    assert_eq!(own("profiles", "id"), wall.their_profile);
    assert_eq!(own("api-keys", "profileId"), wall.their_profile);
    for list in ["posts", "media"] {
        wall.walled(&format!("GET /v1/{list}?profileId={}", wall.profile), &Value::Null);
    }
    let asked = wall.ask(&format!("GET /v1/accounts?profileId={}", wall.profile), &Value::Null);
    assert_eq!(text(&rows(&asked.json())[0], "id"), wall.their_account);
    wall.walled("GET /v1/sandbox/timeline", &Value::Null);
    assert_eq!(wall.ask("GET /v1/platform-versions", &Value::Null).status, 200);
    // Section 13.1: endpoints have no profile.
    assert_eq!(own("webhook-endpoints", "id"), wall.hook);
}

#[test]
fn a_limited_key_makes_nothing_beyond_its_profile() {
    let wall = Wall::build();
    let before = wall.ours();
    let to = |account: &str| json!({ "targets": [{ "accountId": account }], "text": "x" });
    wall.walled("POST /v1/posts", &to(&wall.account));
    // Not even which platform the account is on.
    let mut wrong = to(&wall.account);
    wrong["targets"][0]["platform"] = json!("bluesky");
    wall.walled("POST /v1/posts", &wrong);
    let mut named = to(&wall.their_account);
    named["profileId"] = json!(wall.profile);
    let answer = wall.ask("POST /v1/posts", &named);
    refused(&answer, 400, "profile.scope_mismatch", "naming another profile");
    let report = wall.ask("POST /v1/posts/validate", &to(&wall.account)).json();
    let found = &report["targets"][0]["errors"][0]["rule"];
    assert_eq!((&report["valid"], found), (&json!(false), &json!("api_key.profile_scope")));
    // An upload of another profile is none.
    for when in [Value::Null, json!(from_now(DAY))] {
        let mut body = to(&wall.their_account);
        body["media"] = json!([{ "kind": "image", "mediaId": wall.media }]);
        body["scheduledAt"] = when.clone();
        if when.is_null() {
            body.as_object_mut().expect("members").remove("scheduledAt");
        }
        let answer = wall.ask("POST /v1/posts", &body).json();
        let error = answer.get("error").unwrap_or(&answer["results"][0]["error"]);
        assert_eq!(error["rule"], "media.unknown", "{answer}");
    }
    let asked = upload(&wall.house, &wall.theirs, &wall.profile);
    refused(&asked, 404, "api_key.profile_scope", "an upload for another profile");

    let other = json!({ "profileId": wall.profile, "name": "new" });
    wall.walled("POST /v1/accounts/connect/sandbox", &other);
    wall.walled(COMPLETE, &other);
    wall.walled("POST /v1/profiles", &json!({ "name": "new" }));
    wall.walled("POST /v1/api-keys", &other);
    // A key made with it can do no more than it.
    for profile in [Value::Null, json!(wall.their_profile)] {
        let body = json!({ "name": "k", "scopes": ["admin"], "profileId": profile });
        let made = wall.ask("POST /v1/api-keys", &body);
        let value = made.json();
        assert_eq!((made.status, text(&value, "profileId")), (201, wall.their_profile.as_str()));
        let path = format!("DELETE /v1/api-keys/{}", text(&value, "id"));
        assert_eq!(wall.ask(&path, &Value::Null).status, 200, "its own it may revoke");
    }
    assert_eq!(wall.ours(), before, "nothing of it has changed");
}

#[test]
fn an_account_of_another_profile_is_not_renewed() {
    let wall = Wall::build();
    let before = wall.ours();
    wall.walled(COMPLETE, &json!({ "name": OURS }));
    let own = json!({ "name": OURS, "profileId": wall.their_profile });
    wall.walled(COMPLETE, &own);
    assert_eq!(wall.ours(), before, "nothing of it has changed");
    // Its own it may renew, and a key without a limit renews any, where it is.
    let renewed = wall.ask(COMPLETE, &json!({ "name": "theirs" }));
    assert_eq!((renewed.status, text(&renewed.json(), "id")), (200, wall.their_account.as_str()));
    let renewed = wall.house.ask(COMPLETE, &own);
    let value = renewed.json();
    assert_eq!((renewed.status, text(&value, "id")), (200, wall.account.as_str()));
    assert_eq!(text(&value, "profileId"), wall.profile);
    // Once it is removed there, it can be connected here.
    let path = format!("DELETE /v1/accounts/{}", wall.account);
    assert_eq!(wall.house.ask(&path, &Value::Null).status, 200);
    let made = wall.house.ask_as(&wall.theirs, COMPLETE, &json!({ "name": OURS }));
    assert_eq!((made.status, text(&made.json(), "profileId")), (201, wall.their_profile.as_str()));
}

#[test]
fn a_tool_of_an_agent_is_walled_as_its_route_is() {
    let wall = Wall::build();
    let call = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "get_v1_accounts_by_id", "arguments": { "id": wall.account } },
    });
    let accept =
        [("accept", "application/json, text/event-stream"), ("content-type", "application/json")];
    let answer = wall.house.ask_with(&wall.theirs, "POST /mcp", &accept, &call);
    let said = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!(answer.status, 200, "{said}");
    assert!(said.contains("api_key.profile_scope") && !said.contains(OURS), "{said}");
}
