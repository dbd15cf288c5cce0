//! Section 10: the boards of a Pinterest account.

use serde_json::{Value, json};

use crate::support::pinterest::{Mishap, Pinterest};
use crate::support::{Answer, ask, until};
use crate::{House, refused, rows, start, text};

const MADE: &str = "POST /v5/boards";
const LISTED: &str = "GET /v5/boards";
const RENEWED: &str = "POST /v5/oauth/token";

/// A house with a Pinterest account.
struct Rig {
    house: House,
    pinterest: Pinterest,
    account: String,
}

impl Rig {
    /// The account has boards of these names.
    fn open(names: &[&str]) -> Self {
        let pinterest = Pinterest::open(names);
        let settings = pinterest.settings();
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        let house = House::open(&settings);
        let connected = pinterest.connect(&house.server);
        assert_eq!(connected.status, 201, "{}", connected.json());
        let account = text(&connected.json(), "id").to_owned();
        Self { house, pinterest, account }
    }

    fn path(&self, rest: &str) -> String {
        format!("/v1/accounts/{}/pinterest/{rest}", self.account)
    }

    fn list(&self) -> Answer {
        self.house.ask(&format!("GET {}", self.path("boards")), &Value::Null)
    }

    fn make(&self, claim: &str, body: &Value) -> Answer {
        let request = format!("POST {}", self.path("boards"));
        let claim = [("Idempotency-Key", claim)];
        self.house.ask_with(&self.house.server.key, &request, &claim, body)
    }

    fn choose(&self, board: &str) -> Answer {
        let request = format!("PATCH {}", self.path("default-board"));
        self.house.ask(&request, &json!({ "boardId": board }))
    }

    /// What the account shows of its default board.
    #[track_caller]
    fn shown(&self) -> Value {
        let account = self.house.good(&format!("GET /v1/accounts/{}", self.account), &Value::Null);
        let all = self.house.good("GET /v1/accounts", &Value::Null);
        let listed = rows(&all).iter().find(|one| one["id"] == *self.account).expect("listed");
        assert_eq!(listed, &account);
        account["pinterest"].clone()
    }
}

fn shows(id: &str, name: &str) -> Value {
    json!({ "defaultBoardId": id, "defaultBoardName": name })
}

#[test]
fn boards_are_listed_with_the_default_one() {
    let rig = Rig::open(&["Charts", "Cats"]);
    let listed = rig.list();
    let first = text(&rows(&listed.json())[0], "id").to_owned();
    let second = text(&rows(&listed.json())[1], "id").to_owned();
    let one = |id: &str, name: &str| json!({ "id": id, "name": name, "privacy": "PUBLIC" });
    let expected = json!({ "data": [one(&first, "Charts"), one(&second, "Cats")],
        "defaultBoardId": first });
    assert_eq!((listed.status, listed.json()), (200, expected));
    assert_eq!(rig.shown(), shows(&first, "Charts"), "the first one, from the connect on");
    let sandbox = rig.house.good("GET /v1/accounts", &Value::Null);
    let sandbox = rows(&sandbox).iter().find(|one| one["platform"] == "sandbox").expect("listed");
    assert_eq!(sandbox.get("pinterest"), None, "on Pinterest accounts only");
    // A key that may only read posts may look, too; a test key sees what is really there.
    for (prefix, scope) in [("lmp_live_", "posts:read"), ("lmp_test_", "posts:write")] {
        let key = rig.house.mint(prefix, &[scope], None);
        let seen = rig.house.ask_as(&key, &format!("GET {}", rig.path("boards")), &Value::Null);
        assert_eq!((seen.status, &seen.body), (200, &listed.body));
    }
    // One page of Pinterest's, and no more.
    for n in 0..128 {
        rig.pinterest.add(&format!("board {n}"));
    }
    let asked = rig.pinterest.count(LISTED);
    assert_eq!(rows(&rig.list().json()).len(), 100);
    assert_eq!(rig.pinterest.count(LISTED), asked + 1);
}

#[test]
fn an_account_without_boards_has_no_default_one() {
    let rig = Rig::open(&[]);
    assert_eq!(rig.list().json(), json!({ "data": [], "defaultBoardId": null }));
    assert_eq!(rig.shown(), json!({ "defaultBoardId": null, "defaultBoardName": null }));
    // Connecting it again takes the first there is by then.
    let id = rig.pinterest.add("Late");
    let again = rig.pinterest.connect(&rig.house.server);
    assert_eq!((again.status, &again.json()["pinterest"]), (200, &shows(&id, "Late")));
}

#[test]
fn a_board_is_made_once_for_its_key() {
    let rig = Rig::open(&["Charts"]);
    let default = rig.shown();
    let whole = json!({ "name": "Cats", "description": "Of ours.", "privacy": "SECRET" });
    let first = rig.make("cats", &whole);
    let id = text(&first.json(), "id").to_owned();
    let expected = json!({ "id": id, "name": "Cats", "privacy": "SECRET", "existing": false });
    assert_eq!((first.status, first.json()), (201, expected));
    assert_eq!(first.header("idempotency-key"), Some("cats"));
    let again = rig.make("cats", &whole);
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(rig.pinterest.count(MADE), 1);
    assert_eq!(rig.shown(), default, "another default was not asked for");
    // At once, too, and without a key each is a request of its own.
    let body = json!({ "name": "Dogs", "setAsDefault": true });
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let racing: Vec<_> = (0..6).map(|_| scope.spawn(|| rig.make("dogs", &body))).collect();
        racing.into_iter().map(|one| one.join().expect("it answers")).collect()
    });
    assert!(answers.iter().all(|one| one.status == 201 && one.body == answers[0].body));
    let made = answers[0].json();
    let id = text(&made, "id").to_owned();
    let expected = json!({ "id": id, "name": "Dogs", "privacy": "PUBLIC", "existing": false,
        "defaultBoardId": id, "defaultBoardName": "Dogs" });
    assert_eq!(made, expected);
    assert_eq!((rig.pinterest.count(MADE), rig.shown()), (2, shows(&id, "Dogs")));
    assert_eq!(rig.make("", &json!({ "name": "Birds" })).status, 201);
    assert_eq!(rig.pinterest.names(), ["Charts", "Cats", "Dogs", "Birds"]);
}

#[test]
fn a_name_that_is_taken_is_refused_or_does_as_well() {
    let rig = Rig::open(&["Charts"]);
    for n in 1..249 {
        rig.pinterest.add(&format!("board {n}"));
    }
    let last = rig.pinterest.add("Äpfel");
    let beyond = rig.pinterest.add("Hidden");
    let taken = rig.make("a", &json!({ "name": "charts" }));
    refused(&taken, 502, "pinterest.board.name_taken", "taken");
    let error = taken.json()["error"].clone();
    assert_eq!(
        (text(&error, "code"), text(&error, "platform")),
        ("platform_rejected", "pinterest")
    );
    assert!(text(&error, "remediation").contains("unique"), "{error}");
    assert_eq!(error["platformResponse"]["body"]["code"], 58);
    // What was refused by Pinterest is not kept: the key may be tried again.
    assert_eq!(taken.header("idempotency-key"), None);
    let found = rig.make("a", &json!({ "name": "äPFEL", "upsert": true, "setAsDefault": true }));
    let expected = json!({ "id": last, "name": "Äpfel", "privacy": "PUBLIC", "existing": true,
        "defaultBoardId": last, "defaultBoardName": "Äpfel" });
    assert_eq!((found.status, found.json()), (200, expected));
    assert_eq!(rig.shown(), shows(&last, "Äpfel"));
    let fresh = rig.make("b", &json!({ "name": "New", "upsert": true }));
    assert_eq!((fresh.status, &fresh.json()["existing"]), (201, &json!(false)));
    // Looked for among the first 250, in pages.
    let ghost = rig.make("c", &json!({ "name": "Hidden", "upsert": true }));
    refused(&ghost, 502, "pinterest.board.upsert_ghost", "not among the first");
    assert_eq!(text(&ghost.json()["error"], "code"), "platform_rejected");
    // A default board is looked for among all.
    let chosen = rig.choose(&beyond);
    let expected = json!({ "id": rig.account, "defaultBoardId": beyond,
        "defaultBoardName": "Hidden" });
    assert_eq!((chosen.status, chosen.json()), (200, expected));
}

#[test]
fn a_lost_answer_makes_no_second_board() {
    let rig = Rig::open(&["Charts"]);
    let body = json!({ "name": "Cats" });
    rig.pinterest.suffer(&[Mishap::Loses]);
    let lost = rig.make("k", &body);
    refused(&lost, 503, "pinterest.board.outcome_unknown", "it was made, and nobody said so");
    assert_eq!(text(&lost.json()["error"], "outcome"), "unknown");
    assert_eq!(lost.header("idempotency-key"), None);
    // The same request again, as clients do of themselves.
    refused(&rig.make("k", &body), 502, "pinterest.board.name_taken", "it is there");
    let found = rig.make("k", &json!({ "name": "Cats", "upsert": true }));
    assert_eq!((found.status, &found.json()["existing"]), (200, &json!(true)));
    assert_eq!(rig.pinterest.names(), ["Charts", "Cats"]);
}

#[test]
fn a_kill_before_the_reply_is_kept_makes_no_second_board() {
    let rig = Rig::open(&["Charts"]);
    let body = json!({ "name": "Cats", "setAsDefault": true });
    let path = rig.path("boards");
    rig.pinterest.suffer(&[Mishap::Withholds]);
    let server = &rig.house.server;
    let claim = [("Idempotency-Key", "k")];
    let bytes = body.to_string();
    let key = Some(server.key.as_str());
    let waiting = ask(&server.base, key, "POST", &path, &claim, bytes.as_bytes()).expect("sent");
    until("Pinterest has made it", || rig.pinterest.count(MADE) == 1);
    let Rig { house: House { server, _folder }, pinterest, account } = rig;
    let data = server.data.clone();
    server.kill();
    drop(waiting);
    let settings = pinterest.settings();
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let house = House { server: start(&data, &settings), _folder };
    let rig = Rig { house, pinterest, account };
    assert_ne!(rig.shown()["defaultBoardName"], "Cats", "that was never done");
    refused(&rig.make("k", &body), 502, "pinterest.board.name_taken", "it is there");
    let found = rig.make("k", &json!({ "name": "Cats", "setAsDefault": true, "upsert": true }));
    assert_eq!((found.status, &found.json()["existing"]), (200, &json!(true)));
    assert_eq!(rig.shown()["defaultBoardName"], "Cats");
    assert_eq!(rig.pinterest.names(), ["Charts", "Cats"]);
}

#[test]
fn a_default_board_is_chosen_once_for_its_key() {
    let rig = Rig::open(&["Charts", "Cats"]);
    let cats = text(&rows(&rig.list().json())[1], "id").to_owned();
    let request = format!("PATCH {}", rig.path("default-board"));
    let body = json!({ "boardId": cats });
    let claim = [("Idempotency-Key", "cats")];
    let key = &rig.house.server.key;
    let first = rig.house.ask_with(key, &request, &claim, &body);
    let expected = json!({ "id": rig.account, "defaultBoardId": cats, "defaultBoardName": "Cats" });
    assert_eq!((first.status, first.json()), (200, expected));
    assert_eq!(
        (rig.shown(), rig.list().json()["defaultBoardId"].clone()),
        (shows(&cats, "Cats"), json!(cats))
    );
    let asked = rig.pinterest.count(LISTED);
    let again = rig.house.ask_with(key, &request, &claim, &body);
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(rig.pinterest.count(LISTED), asked, "a replay asks nobody");
    let unknown = rig.choose("1");
    refused(&unknown, 404, "pinterest.board.unknown", "no such board");
    let error = unknown.json()["error"].clone();
    assert_eq!((text(&error, "code"), text(&error, "platform")), ("not_found", "pinterest"));
    assert_eq!(rig.shown(), shows(&cats, "Cats"));
}

#[test]
fn a_default_board_stays_when_the_account_is_connected_again() {
    let rig = Rig::open(&["Charts", "Cats"]);
    let cats = text(&rows(&rig.list().json())[1], "id").to_owned();
    assert_eq!(rig.choose(&cats).status, 200);
    let before = rig.house.good(&format!("GET /v1/accounts/{}", rig.account), &Value::Null);
    for broken in [false, true] {
        if broken {
            rig.pinterest.suffer(&[Mishap::Answers(500, "", "oops")]);
        }
        let again = rig.pinterest.connect(&rig.house.server);
        let account = again.json();
        assert_eq!((again.status, &account["id"]), (200, &before["id"]));
        assert_eq!(account["pinterest"], shows(&cats, "Cats"));
        assert_eq!(rig.shown(), shows(&cats, "Cats"));
        let handed_out = rig.pinterest.count(RENEWED);
        assert_eq!(handed_out, if broken { 3 } else { 2 }, "its access is a new one");
    }
    // Renewing its access leaves it alone as well.
    rig.pinterest.forget_access();
    assert_eq!(rig.list().status, 200);
    assert_eq!(rig.shown(), shows(&cats, "Cats"));
}

#[test]
fn boards_that_cannot_be_looked_at_are_no_reason_not_to_connect() {
    let pinterest = Pinterest::open(&["Charts"]);
    let settings = pinterest.settings();
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let house = House::open(&settings);
    pinterest.suffer(&[Mishap::Answers(403, "", r#"{"code":7,"message":"no"}"#)]);
    let connected = pinterest.connect(&house.server);
    let none = json!({ "defaultBoardId": null, "defaultBoardName": null });
    assert_eq!((connected.status, &connected.json()["pinterest"]), (201, &none));
}

#[test]
fn access_that_is_not_taken_is_renewed_once() {
    let rig = Rig::open(&["Charts"]);
    let tokens = rig.pinterest.count(RENEWED);
    rig.pinterest.forget_access();
    assert_eq!(rig.make("k", &json!({ "name": "Cats" })).status, 201);
    assert_eq!((rig.pinterest.count(RENEWED), rig.pinterest.count(MADE)), (tokens + 1, 2));
    assert_eq!(rig.list().status, 200);
    assert_eq!(rig.pinterest.count(RENEWED), tokens + 1, "the new one is kept");
    // Access that is not taken when it is new is no matter of its age.
    let no = Mishap::Answers(401, "", r#"{"code":2,"message":"Authentication failed."}"#);
    rig.pinterest.suffer(&[no, no]);
    let answer = rig.make("l", &json!({ "name": "Dogs" }));
    refused(&answer, 401, "pinterest.auth", "refused twice");
    let error = answer.json()["error"].clone();
    assert_eq!(
        (text(&error, "code"), text(&error, "platform")),
        ("platform_auth_failed", "pinterest")
    );
    assert_eq!(rig.pinterest.count(RENEWED), tokens + 2);
    assert_eq!(rig.pinterest.names(), ["Charts", "Cats"]);
}

#[test]
fn what_pinterest_says_is_told() {
    let rig = Rig::open(&["Charts"]);
    let no = r#"{"code":9,"message":"no"}"#;
    for (status, head, body, expected, rule) in [
        (403, "", no, 401, "pinterest.auth"),
        (404, "", no, 502, "pinterest.board.rejected"),
        (200, "", "<html>", 502, "pinterest.board.rejected"),
        (429, "x-ratelimit-reset: 17\r\n", no, 503, "pinterest.unavailable"),
        (500, "", no, 503, "pinterest.unavailable"),
    ] {
        let mishap = Mishap::Answers(status, head, body);
        for listed in [true, false] {
            rig.pinterest.suffer(&[mishap]);
            let answer = if listed { rig.list() } else { rig.choose("1") };
            refused(&answer, expected, rule, &format!("{status} {body}"));
            let error = answer.json()["error"].clone();
            assert_eq!(text(&error, "platform"), "pinterest");
            assert_eq!(error["platformResponse"]["status"], status);
            assert_eq!(answer.header("retry-after"), (status == 429).then_some("17"));
        }
    }
    rig.pinterest.suffer(&[Mishap::Loses]);
    refused(&rig.list(), 503, "pinterest.unavailable", "no answer");
    assert_eq!(rig.list().status, 200);
    // A refusal of the very request is told as one, a server that breaks off as what it is.
    for (status, expected, rule) in [
        (400, 502, "pinterest.board.rejected"),
        (429, 503, "pinterest.unavailable"),
        (500, 503, "pinterest.board.outcome_unknown"),
    ] {
        rig.pinterest.suffer(&[Mishap::Answers(status, "", no)]);
        refused(&rig.make("k", &json!({ "name": "Cats" })), expected, rule, "made");
    }
    assert_eq!(rig.make("k", &json!({ "name": "Cats" })).status, 201, "none of it was kept");
}

#[test]
fn who_may_not_and_what_is_no_board_is_refused_in_order() {
    let rig = Rig::open(&["Charts"]);
    let house = &rig.house;
    let all = house.good("GET /v1/accounts", &Value::Null);
    let sandbox = rows(&all).iter().find(|one| one["platform"] == "sandbox").expect("listed");
    let sandbox = text(sandbox, "id");
    let profile = house.good("POST /v1/profiles", &json!({ "name": "Client" }));
    let scopes = ["posts:read", "admin"];
    let elsewhere = house.mint("lmp_live_", &scopes, Some(text(&profile, "id")));
    let writer = house.mint("lmp_live_", &["posts:read", "posts:write"], None);
    let nobody = "00000000-0000-0000-0000-000000000000";
    let (board, chosen) = (json!({ "name": "Cats" }), json!({ "boardId": "1" }));
    let asked = rig.pinterest.count(MADE) + rig.pinterest.count(LISTED);
    for (method, rest, good, wrong) in [
        ("GET", "boards", &Value::Null, None),
        ("POST", "boards", &board, Some("name")),
        ("PATCH", "default-board", &chosen, Some("boardId")),
    ] {
        let request = |id: &str| format!("{method} /v1/accounts/{id}/pinterest/{rest}");
        for id in [nobody, "abc"] {
            refused(&house.ask(&request(id), good), 404, "", method);
            if let Some(rule) = wrong {
                // The body is looked at before anybody looks for the account.
                refused(&house.ask(&request(id), &json!({})), 400, rule, method);
                refused(&house.ask(&request(id), &Value::Null), 400, "body.json", method);
                refused(&house.ask(&request(id), &json!([])), 400, "body", method);
            }
        }
        let other = house.ask(&request(sandbox), good);
        refused(&other, 400, "platform.mismatch", method);
        assert_eq!(text(&other.json()["error"], "platform"), "sandbox");
        let answer = house.ask_as(&elsewhere, &request(&rig.account), good);
        refused(&answer, 404, "api_key.profile_scope", method);
        if wrong.is_some() {
            let answer = house.ask_as(&writer, &request(&rig.account), good);
            refused(&answer, 403, "api_key.scope", method);
        }
    }
    assert_eq!(rig.pinterest.count(MADE) + rig.pinterest.count(LISTED), asked, "nobody was asked");
    // A test key's board is a real one.
    let test = house.mint("lmp_test_", &["admin"], None);
    let made = house.ask_as(&test, &format!("POST {}", rig.path("boards")), &board);
    assert_eq!((made.status, rig.pinterest.names().len()), (201, 2));
}
