//! Finding out whether a post landed, by reading the account's timeline.

use serde_json::Value;

use super::super::answer::{disturbed, limited, not_sent, reconciled, rest, unheard};
use super::super::clock::{Window, is_misjudged};
use super::super::codec::{Answer, Body, Context, Reach, Request};
use super::{RESET_HEADER, auth};
use crate::model::{Output, Platform, Receipt, Timestamp, Verdict};

/// The timeline shows no more than its newest posts, this many. A list so long may leave ours out,
/// and proves no absence. `front/sandbox/door.rs` serves by the same number.
const POSTS_MAX: usize = 1_000;

/// The request that lists what landed since the doubtful sending.
pub(super) fn request(cx: &Context<'_>) -> Request {
    let since = Window::of(cx).since;
    let account: String =
        url::form_urlencoded::byte_serialize(cx.access.platform_account_id.as_bytes()).collect();
    Request {
        method: "GET",
        url: format!("{}/sandbox/v1/posts?account={account}&since={since}", cx.access.base_url),
        headers: Vec::new(),
        bearer: true,
        body: Body::Empty,
        reach: Reach::Own,
        fault: None,
    }
}

/// What the list means: ours is there, or it provably is not.
pub(super) fn interpret(cx: &Context<'_>, answer: &Answer) -> Verdict {
    let retry = |fault| Verdict::Retry { fault, after: None };
    match answer {
        Answer::Heard { status: 200, headers, body, at } => {
            if is_misjudged(cx, headers, *at) {
                let why = "its clock differs from ours, so the list starts at a wrong time";
                return retry(unheard(Platform::Sandbox, why, None));
            }
            let value: Value = serde_json::from_slice(body).unwrap_or_default();
            match value["posts"].as_array() {
                Some(posts) => found(cx, posts),
                None => retry(disturbed(Platform::Sandbox, 200, body)),
            }
        }
        Answer::Heard { status: 429, headers, body, at } => {
            let after = rest(headers, RESET_HEADER, *at);
            Verdict::Parked { fault: limited(Platform::Sandbox, after, body), after }
        }
        Answer::Heard { status: 401, body, .. } => Verdict::Reauth { fault: auth(body) },
        Answer::Heard { status, body, .. } => retry(disturbed(Platform::Sandbox, *status, body)),
        Answer::NotSent { why } | Answer::MaybeSent { why } => {
            retry(not_sent(Platform::Sandbox, why))
        }
        Answer::Snapshot(_) | Answer::SnapshotFailed { .. } => {
            retry(not_sent(Platform::Sandbox, "no request was made"))
        }
    }
}

fn found(cx: &Context<'_>, posts: &[Value]) -> Verdict {
    let comment = cx.step == "first_comment";
    let parent = super::parent(cx, comment);
    let text = normal(&super::text(cx, comment));
    let media = if comment { 0 } else { cx.content.media.len() };
    let window = Window::of(cx);
    let landed = |post: &Value| post["landedAt"].as_str().and_then(|at| at.parse().ok());
    let alike = |post: &&Value| {
        let uri = post["uri"].as_str().unwrap_or_default();
        normal(post["text"].as_str().unwrap_or_default()) == text
            && post["parent"].as_str() == parent.as_deref()
            && post["media"].as_u64() == u64::try_from(media).ok()
            && landed(post).is_some_and(|landed: Timestamp| landed >= window.since)
            && !cx.owned.iter().any(|owned| owned == uri)
    };
    let ours = |post: &&Value| landed(post).is_some_and(|landed| landed >= window.certain);
    let Some(ours) = posts.iter().filter(alike).find(ours) else {
        // A clock that was never found wrong is not suspected at the price of a post that is held.
        let oldest = posts.iter().filter_map(landed).min();
        let reaches = window.lenient && oldest.is_some_and(|oldest| oldest < window.certain);
        // Waiting makes the list no shorter and no clock right: it is for an operator to look.
        let why = if posts.len() >= POSTS_MAX && !reaches {
            format!("the timeline shows only its newest {POSTS_MAX} posts, and not this one")
        } else if posts.iter().any(|post| alike(&post)) {
            "the timeline has one like it from before, and since this server was restarted or its \
             clock was wrong nobody can tell whether that is this one"
                .to_owned()
        } else {
            return Verdict::Absent;
        };
        return Verdict::Refuse { fault: unheard(Platform::Sandbox, &why, None) };
    };
    let member = |name: &str| ours[name].as_str().map(str::to_owned);
    Verdict::Done(Output {
        memo: None,
        receipt: Some(Receipt { uri: member("uri"), cid: member("cid"), url: member("url") }),
        warnings: vec![reconciled()],
    })
}

/// Text as it is compared: runs of white space count as one blank.
fn normal(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
