//! The n8n node and its trigger: arrays in brackets, dates as its picker gives them, and an
//! endpoint that is found again by the text of its URL.

use std::time::Duration;

use serde_json::{Value, json};

use crate::receiver::{Heard, Receiver};
use crate::support::{Answer, Server, landings, send, until};
use crate::{from_now, house, rows, text, verify};

const HOOKS: &str = "/v1/webhook-endpoints";
/// One grey pixel, as a binary of the workflow.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA\
                   AABJRU5ErkJggg==";

/// The node with its credential.
struct Node<'a>(&'a Server);

impl Node<'_> {
    fn exchange(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let headers = [("Accept", "application/json"), ("Content-Type", "application/json")];
        let text = body.map(Value::to_string).unwrap_or_default();
        let headers = if body.is_some() { &headers[..] } else { &headers[..1] };
        send(&self.0.base, Some(&self.0.key), method, path, headers, text.as_bytes())
            .expect("heard")
    }

    fn get(&self, path: &str) -> Value {
        let answer = self.exchange("GET", path, None);
        assert_eq!(answer.status, 200, "{path}: {}", answer.json());
        answer.json()
    }

    fn publish(&self, body: &Value) -> Answer {
        self.exchange("POST", "/v1/posts", Some(body))
    }

    /// "Return all": the default page size, until the cursor is null.
    fn all(&self, query: &str) -> Vec<Value> {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("/v1/posts?{query}{cursor}"));
            found.extend(rows(&page).iter().cloned());
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return found,
            }
            assert!(found.len() <= 1_000, "a cursor on the last page loops for ever");
        }
    }
}

/// The trigger with what n8n keeps for its workflow.
struct Trigger<'a> {
    node: Node<'a>,
    url: String,
    /// Id and secret.
    kept: Option<(String, String)>,
}

impl Trigger<'_> {
    /// Looks whether its endpoint is there. One whose secret was lost is made anew.
    fn exists(&self) -> bool {
        let listed = self.node.get(HOOKS);
        let Some(found) = rows(&listed).iter().find(|one| text(one, "url") == self.url) else {
            return false;
        };
        if self.kept.as_ref().is_some_and(|(id, _)| id == text(found, "id")) {
            return true;
        }
        let path = format!("{HOOKS}/{}", text(found, "id"));
        assert_eq!(self.node.exchange("DELETE", &path, None).status, 200);
        false
    }

    fn activate(&mut self) {
        if self.exists() {
            return;
        }
        let body = json!({ "url": self.url, "events": ["post.published", "post.failed"] });
        let made = self.node.exchange("POST", HOOKS, Some(&body));
        assert_eq!(made.status, 201, "{}", made.json());
        let made = made.json();
        self.kept = Some((text(&made, "id").to_owned(), text(&made, "signingSecret").to_owned()));
    }

    fn deactivate(&mut self) {
        let (id, _) = self.kept.take().expect("it is active");
        let gone = self.node.exchange("DELETE", &format!("{HOOKS}/{id}"), None);
        assert_eq!(gone.status, 200, "{}", gone.json());
    }

    /// What a delivery hands on to the workflow: the whole envelope, if its signature holds.
    fn fires(&self, heard: &Heard) -> Option<Value> {
        let (_, secret) = self.kept.as_ref()?;
        verify(secret, heard.header("x-letmepost-signature"), &heard.body).then(|| heard.event())
    }
}

#[test]
fn the_trigger_lives_dies_and_finds_its_endpoint_by_the_text_of_its_url() {
    let (_folder, server) = house(&[]);
    let receiver = Receiver::open();
    // No part of it may come back in another spelling.
    let path = "/Webhook/a%2fb/../%7Ec/?x=%20+&y=ü#part";
    let url = format!("{}{path}", receiver.base.replace("http://", "HTTP://"));
    let mut trigger = Trigger { node: Node(&server), url, kept: None };
    assert!(!trigger.exists());
    trigger.activate();
    assert!(trigger.exists(), "the same text is found again");
    let first = trigger.kept.clone();
    trigger.activate();
    assert_eq!(trigger.kept, first, "nothing is made twice");
    let account = text(&rows(&trigger.node.get("/v1/accounts"))[0], "id").to_owned();
    let body = json!({ "targets": [{ "accountId": account }], "text": "hi" });
    assert_eq!(trigger.node.publish(&body).status, 200);
    until("it fires", || !receiver.heard().is_empty());
    let event = trigger.fires(&receiver.heard()[0]).expect("the signature holds");
    assert_eq!(receiver.heard()[0].kind(), "post.published");
    assert!(text(&event["data"], "id").starts_with("post_"));
    // The workflow was imported into another n8n: the URL is the same, the secret is gone.
    trigger.kept = None;
    trigger.activate();
    assert_ne!(trigger.kept, first);
    assert_eq!(rows(&trigger.node.get(HOOKS)).len(), 1);
    assert!(trigger.fires(&receiver.heard()[0]).is_none(), "another secret, another signature");
    assert_eq!(trigger.node.publish(&body).status, 200);
    until("it fires again", || receiver.heard().len() == 2);
    assert!(trigger.fires(&receiver.heard()[1]).is_some());
    trigger.deactivate();
    assert!(!trigger.exists());
}

#[test]
fn what_it_sends_means_what_the_workflow_says() {
    let (_folder, server) = house(&[]);
    let node = Node(&server);
    let account = text(&rows(&node.get("/v1/accounts"))[0], "id").to_owned();
    let targets = json!([{ "accountId": account }]);
    let at = from_now(Duration::from_secs(86_400));
    let with = |name: &str, value: Value| {
        let mut body = json!({ "targets": targets, "text": "hi" });
        body[name] = value;
        body
    };
    let scheduled = |at: &str| {
        let mut body = with("scheduledAt", json!(at));
        body["publishNow"] = json!(false);
        body
    };
    let reply = json!({ "platform": "bluesky", "replyToUri": "at://did:plc:a/app.bsky.feed.post/3k",
        "replyToCid": "bafy" });
    let binary = json!([{ "kind": "image", "bytesBase64": PNG }]);
    let table = [
        (with("publishNow", json!(true)), 200, ""),
        (with("media", binary.clone()), 200, ""),
        (json!({ "targets": targets, "media": binary }), 200, ""),
        (with("firstComment", json!({ "text": "c" })), 200, ""),
        (scheduled(&at), 202, ""),
        (scheduled(&at.replace('Z', "+02:00")), 202, ""),
        (scheduled(at.trim_end_matches('Z')), 400, "scheduledAt"),
        // Its Bluesky options go with every target, whatever that is on.
        (
            json!({ "targets": [{ "accountId": account, "options": reply }], "text": "hi" }),
            400,
            "targets.options.platform_mismatch",
        ),
    ];
    for (body, status, rule) in table {
        let answer = node.publish(&body);
        assert_eq!((answer.status, answer.rule()), (status, rule.to_owned()), "{body}");
        let value = answer.json();
        assert!(status != 200 || value["status"] == "published", "{body}: {value}");
    }
    let landed = landings(&server.data);
    assert_eq!(landed.iter().filter(|one| one["kind"] == "post").count(), 4);
}

#[test]
fn it_reads_all_pages_and_asks_for_more_than_there_can_be() {
    let (_folder, server) = house(&[]);
    let node = Node(&server);
    for batch in 0..3 {
        let target = |n: usize| json!({ "platform": "sandbox", "text": format!("{batch}.{n}") });
        let targets: Vec<Value> = (0..25).map(target).collect();
        assert_eq!(node.publish(&json!({ "targets": targets })).status, 200);
    }
    let query = "platform[]=sandbox&platform[]=bluesky&status[]=published&status[]=failed";
    let mut all: Vec<String> =
        node.all(query).iter().map(|one| text(one, "id").to_owned()).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 75);
    assert_eq!(node.all("status[]=failed").len(), 0);
    assert_eq!(rows(&node.get("/v1/posts?limit=500")).len(), 75, "more than a page is a page");
    let one = node.get(&format!("/v1/posts/{}", all[0]));
    assert_eq!(text(&one, "id"), all[0]);
    let none = node.exchange("GET", "/v1/posts/post_", None);
    assert_eq!(none.status, 404, "the placeholder of its field");
}
