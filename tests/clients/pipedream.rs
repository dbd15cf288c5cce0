//! The Pipedream component and its source, which drops an event whose id it has seen.

use std::time::Duration;

use serde_json::{Value, json};

use crate::receiver::{Heard, Receiver};
use crate::support::{Answer, Server, send, until};
use crate::{from_now, house, rows, text, verify};

const HOOKS: &str = "/v1/webhook-endpoints";
/// The events it offers; `post.updated` came after it.
const EVENTS: [&str; 18] = [
    "post.queued",
    "post.validated",
    "post.published",
    "post.rejected",
    "post.failed",
    "post.canceled",
    "post.rescheduled",
    "token.expiring",
    "token.revoked",
    "version.deprecated",
    "subscription.activated",
    "subscription.cancelled",
    "subscription.tier_changed",
    "quota.warning",
    "quota.exceeded",
    "billing.payment_failed",
    "billing.delinquent",
    "billing.recovered",
];

fn exchange(server: &Server, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let text = body.map(Value::to_string).unwrap_or_default();
    let headers = [("accept", "application/json"), ("content-type", "application/json")];
    send(&server.base, Some(&server.key), method, path, &headers, text.as_bytes()).expect("heard")
}

/// The source, with what it keeps.
struct Source<'a> {
    server: &'a Server,
    id: String,
    secret: String,
    seen: Vec<String>,
    /// What it emitted: a summary, and the time in its own spelling.
    emitted: Vec<(String, String)>,
}

impl<'a> Source<'a> {
    fn activate(server: &'a Server, url: &str) -> Self {
        let body = json!({ "url": url, "events": EVENTS, "description": "Pipedream source" });
        let made = exchange(server, "POST", HOOKS, Some(&body));
        assert_eq!(made.status, 201, "{}", made.json());
        let made = made.json();
        let (id, secret) = (text(&made, "id").to_owned(), text(&made, "signingSecret").to_owned());
        Self { server, id, secret, seen: Vec::new(), emitted: Vec::new() }
    }

    fn deactivate(self) {
        let path = format!("{HOOKS}/{}", self.id);
        assert_eq!(exchange(self.server, "DELETE", &path, None).status, 200);
    }

    fn hear(&mut self, heard: &Heard) {
        let signature = heard.header("x-letmepost-signature");
        assert!(verify(&self.secret, signature, &heard.body), "it drops what is not signed");
        let event = heard.event();
        let id = text(&event, "id").to_owned();
        if self.seen.contains(&id) {
            return;
        }
        self.seen.push(id);
        let summary = format!("{} {}", text(&event, "type"), text(&event["data"], "id"));
        self.emitted.push((summary, text(&event, "createdAt").to_owned()));
    }
}

#[test]
fn the_source_emits_each_event_once_however_often_it_is_delivered() {
    let (_folder, server) = house(&[]);
    let receiver = Receiver::open();
    let mut source = Source::activate(&server, &format!("{}/in", receiver.base));
    let body = json!({ "targets": [{ "platform": "sandbox" }], "text": "hi", "publishNow": true });
    let made = exchange(&server, "POST", "/v1/posts", Some(&body)).json();
    until("it is told", || receiver.heard().len() == 1);
    let again = json!({ "eventId": receiver.heard()[0].id() });
    let path = format!("{HOOKS}/{}/redeliver", source.id);
    assert_eq!(exchange(&server, "POST", &path, Some(&again)).status, 200);
    until("it is told again", || receiver.heard().len() == 2);
    receiver.heard().iter().for_each(|heard| source.hear(heard));
    let post = text(&made["results"][0], "postId");
    assert_eq!(source.emitted.len(), 1);
    assert_eq!(source.emitted[0].0, format!("post.published {post}"));
    let at = source.emitted[0].1.parse::<fanfare::model::Timestamp>();
    assert!(at.is_ok(), "a time of the event: {:?}", source.emitted);
    source.deactivate();
    assert!(rows(&exchange(&server, "GET", HOOKS, None).json()).is_empty());
}

#[test]
fn its_actions_publish_schedule_and_list() {
    let (_folder, server) = house(&[]);
    let account = exchange(&server, "GET", "/v1/accounts", None).json();
    let account = text(&rows(&account)[0], "id").to_owned();
    let publish = |body: Value| exchange(&server, "POST", "/v1/posts", Some(&body));
    let targets = json!([{ "accountId": account }]);
    assert_eq!(publish(json!({ "targets": targets, "text": "100% now" })).status, 200);
    let at = from_now(Duration::from_secs(3_600));
    let later = json!({ "targets": targets, "text": "later", "publishNow": false,
        "scheduledAt": at });
    assert_eq!(publish(later).status, 202);
    let list = |query: &str| {
        let answer = exchange(&server, "GET", &format!("/v1/posts?{query}"), None);
        assert_eq!(answer.status, 200, "{query}: {}", answer.json());
        let texts = answer.json();
        rows(&texts).iter().map(|one| text(one, "text").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(list("limit=50"), ["later", "100% now"]);
    assert_eq!(list("platform[]=sandbox&platform[]=bluesky&status[]=queued"), ["later"]);
    assert_eq!(list("platform%5B%5D=bluesky"), [""; 0]);
    assert_eq!(list("errorCode[]=platform_rejected"), [""; 0]);
    assert_eq!(list("q=0%25+NOW"), ["100% now"]);
    let post = exchange(&server, "GET", "/v1/posts?limit=1", None).json();
    let path = format!("/v1/posts/{}", text(&rows(&post)[0], "id"));
    assert_eq!(text(&exchange(&server, "GET", &path, None).json(), "text"), "later");
}
