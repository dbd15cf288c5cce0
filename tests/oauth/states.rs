//! A state belongs to one connect: swapped with another's, brought by somebody else or with another
//! code, it connects nobody to a place where they were not to be.

use serde_json::{Value, json};

use super::support::{Answer, send};
use super::{Rig, brought_back, member, text};

/// Two who connect at the same time, each with a key that may act on a profile of their own.
struct Two {
    rig: Rig,
    keys: [String; 2],
    profiles: [String; 2],
}

impl Two {
    fn new() -> Option<Self> {
        let rig = Rig::new(&[])?;
        let made = |path: &str, body: Value, member: &str| {
            let answer = rig.server.send("POST", path, &[], body.to_string().as_bytes());
            assert_eq!(answer.status, 201, "{}", answer.json());
            text(&answer.json()[member])
        };
        let profiles =
            ["one", "two"].map(|name| made("/v1/profiles", json!({ "name": name }), "id"));
        let keys = profiles.each_ref().map(|profile| {
            let key = json!({ "name": "k", "scopes": ["admin"], "profileId": profile });
            made("/v1/api-keys", key, "key")
        });
        Some(Self { rig, keys, profiles })
    }

    fn ask(&self, who: usize, path: &str, body: &Value) -> Answer {
        let (base, key) = (&self.rig.server.base, &self.keys[who]);
        send(base, Some(key), "POST", path, &[], body.to_string().as_bytes()).expect("heard")
    }

    /// Begins with the key of one of them, and consents as `name`; gives the descriptor and the
    /// path to come back by.
    #[track_caller]
    fn begun(&self, who: usize, platform: &str, name: &str) -> (Value, String) {
        let path = format!("/v1/accounts/connect/{platform}");
        let descriptor = self.ask(who, &path, &json!({})).json()["descriptor"].clone();
        let url = self.rig.provider.consent(&text(&descriptor["authorizationUrl"]), name);
        let path = url.strip_prefix(&self.rig.server.base).expect("back to the server");
        (descriptor, path.to_owned())
    }
}

/// The path of one with the state of the other.
#[track_caller]
fn swapped(path: &str, other: &str) -> String {
    let state = |path: &str| member(path, "state").expect("a state");
    let changed = path.replace(&state(path), &state(other));
    assert_ne!(changed, path);
    changed
}

#[track_caller]
fn refused(answer: &Answer, status: u16, rule: &str) {
    let error = &answer.json()["error"];
    assert_eq!((answer.status, error["rule"].as_str()), (status, Some(rule)), "{error}");
}

#[test]
fn states_that_were_swapped_connect_nobody() {
    let Some(two) = Two::new() else { return };
    let (rig, complete) = (&two.rig, "/v1/accounts/connect/twitter/complete");
    let (_, first) = two.begun(0, "twitter", "yara");
    let (_, second) = two.begun(1, "twitter", "zoe");
    for path in [swapped(&first, &second), swapped(&second, &first)] {
        let page = rig.come_back(&path);
        let shown = String::from_utf8_lossy(&page.body).into_owned();
        assert_eq!(page.status, 400, "{shown}");
    }
    // Each state is used up by that: neither is good for the code it came with.
    for path in [&first, &second] {
        let shown = rig.come_back(path);
        let shown = String::from_utf8_lossy(&shown.body).into_owned();
        assert!(shown.contains("was finished before"), "{shown}");
    }

    // The same by the client's way, and with either's proof.
    for proof in 0..2 {
        let begun = [two.begun(0, "twitter", "yara"), two.begun(1, "twitter", "zoe")];
        let mut body = brought_back(&begun[1].0, &begun[1].1);
        body["code"] = json!(member(&begun[0].1, "code"));
        body["codeVerifier"] = begun[proof].0["codeVerifier"].clone();
        let answer = two.ask(1, complete, &body);
        match proof {
            // Whoever has both the code and its proof was given them.
            0 => assert_eq!(answer.json()["profileId"], two.profiles[1], "{}", answer.json()),
            _ => refused(&answer, 401, "twitter.oauth.code_exchange"),
        }
    }
    let connected = rig.accounts("twitter");
    assert_eq!(connected.len(), 1, "{connected:?}");
}

#[test]
fn a_connect_is_finished_by_whoever_may_act_where_it_was_begun() {
    let Some(two) = Two::new() else { return };
    for platform in ["twitter", "linkedin"] {
        let complete = format!("/v1/accounts/connect/{platform}/complete");
        let (descriptor, path) = two.begun(0, platform, "yves");
        let body = brought_back(&descriptor, &path);
        refused(&two.ask(1, &complete, &body), 404, "api_key.profile_scope");
        let begun_by_owner = two.rig.consented(platform, "yves", &json!({}));
        let by_owner = brought_back(&begun_by_owner.0, &begun_by_owner.1);
        refused(&two.ask(1, &complete, &by_owner), 404, "api_key.profile_scope");
        assert_eq!(two.rig.accounts(platform).len(), 0);
        // That has not used the state up for whom it is.
        let made = two.ask(0, &complete, &body);
        assert_eq!((made.status, &made.json()["profileId"]), (201, &json!(two.profiles[0])));
        assert_eq!(two.rig.complete(platform, &[], &by_owner).status, 200);
    }
}

#[test]
fn who_comes_back_counts_for_nothing_and_the_state_for_all() {
    let Some(two) = Two::new() else { return };
    let rig = &two.rig;
    for platform in ["twitter", "linkedin"] {
        let (_, path) = two.begun(0, platform, "zita");
        // Another's browser, with another's key and a cookie that it was given elsewhere.
        let headers = [("cookie", "session=another"), ("origin", "https://evil.example")];
        let back = send(&rig.server.base, Some(&two.keys[1]), "GET", &path, &headers, b"");
        let back = back.expect("an answer");
        assert_eq!(back.status, 200, "{}", String::from_utf8_lossy(&back.body));
        assert_eq!(back.header("set-cookie"), None, "there is no session to ride on");
        let connected = rig.accounts(platform);
        assert_eq!(connected.len(), 1);
        assert_eq!(connected[0]["profileId"], two.profiles[0], "it goes where it was begun for");
    }
}

#[test]
fn a_code_is_good_for_the_address_it_was_sent_to() {
    let Some(rig) = Rig::new(&[]) else { return };
    for platform in ["twitter", "linkedin"] {
        let (descriptor, path) = rig.consented(platform, "wera", &json!({}));
        let mut body = brought_back(&descriptor, &path);
        let callback = text(&descriptor["redirectUri"]);
        body["redirectUri"] = json!(callback.replace(platform, "pinterest"));
        let answer = rig.complete(platform, &[], &body);
        refused(&answer, 401, &format!("{platform}.oauth.code_exchange"));
        assert_eq!(rig.accounts(platform).len(), 0);
    }
}
