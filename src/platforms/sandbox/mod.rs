//! The built-in platform. It is spoken to over HTTP like any other; only that its server is our
//! own front, on loopback.
//!
//! Words: its *class* says what makes a retry safe (`keyed`, `readable`, `blind`); its *faults*
//! are suffered one an attempt, in order.

mod options;
mod read_back;

use std::sync::Arc;

use serde_json::{Value, json};

use self::options::{Class, Options};
use super::answer::{disturbed, limited, no_parent, not_sent, response_json, rest, unheard};
use super::codec::{Answer, Body, Context, MediaFacts, Prepared, Reach, Request};
use super::{Platform, SandboxFault, snapshot};
use crate::model::{
    self, Code, Content, Errand, Fault, MediaItem, Output, Receipt, SendOutcome, Verdict,
};

/// The header no reset of which is known here; `Retry-After` says it.
const RESET_HEADER: &str = "ratelimit-reset";

/// The sandbox's codec.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sandbox;

impl Platform for Sandbox {
    fn platform(&self) -> model::Platform {
        model::Platform::Sandbox
    }

    fn workflow(&self, content: &Content) -> &'static str {
        match Options::of(content).class {
            Class::Keyed => "sandbox",
            Class::Readable => "sandbox-readable",
            Class::Blind => "sandbox-blind",
        }
    }

    fn steps(&self) -> &'static [&'static str] {
        &[snapshot::SNAPSHOT, "upload", "publish", "first_comment"]
    }

    fn inspect(&self, _item: &MediaItem, facts: &MediaFacts) -> Result<(), Fault> {
        let media = ["image/", "video/"].iter().any(|kind| facts.mime.starts_with(kind));
        if media {
            return Ok(());
        }
        Err(Fault::new(
            Code::PreflightFailed,
            format!("the attachment is {}; the sandbox takes images and videos", facts.mime),
        )
        .rule("sandbox.media.mime_allowed")
        .on(model::Platform::Sandbox)
        .response(json!({ "mime": facts.mime }).to_string())
        .remedy("Send a JPEG, PNG, WebP, GIF or MP4 file.")
        .outcome(SendOutcome::NotSent))
    }

    fn prepare(&self, cx: &Context<'_>) -> Result<Prepared, Fault> {
        let options = Options::of(cx.content);
        match (cx.step, cx.errand) {
            (snapshot::SNAPSHOT, _) => Ok(Prepared::Snapshot),
            ("upload", _) => upload(cx),
            ("publish" | "first_comment", Errand::Probe) => {
                Ok(Prepared::Request(read_back::request(cx)))
            }
            ("publish", Errand::Send) => Ok(Prepared::Request(post(cx, &options, false))),
            ("first_comment", Errand::Send) => {
                // Without its post's address it would stand alone, as a second post.
                parent(cx, true).ok_or_else(|| no_parent(model::Platform::Sandbox))?;
                Ok(Prepared::Request(post(cx, &options, true)))
            }
            (other, _) => Err(lost(&format!("the step {other:?}"))),
        }
    }

    fn interpret(&self, cx: &Context<'_>, answer: &Answer) -> Verdict {
        match (cx.step, cx.errand) {
            (snapshot::SNAPSHOT, _) => snapshot::interpret(self, cx, answer),
            ("upload", _) => uploaded(answer),
            (_, Errand::Probe) => read_back::interpret(cx, answer),
            (_, Errand::Send) => posted(answer),
        }
    }
}

fn upload(cx: &Context<'_>) -> Result<Prepared, Fault> {
    let facts = cx.media.get(cx.round).ok_or_else(|| lost("the bytes of an attachment"))?;
    Ok(Prepared::Request(Request {
        method: "POST",
        url: format!("{}/sandbox/v1/uploads", cx.access.base_url),
        headers: vec![
            ("content-type", facts.mime.clone()),
            ("x-sandbox-post", cx.post.to_string()),
        ],
        bearer: true,
        body: Body::Media(facts.digest),
        reach: Reach::Own,
        fault: None,
    }))
}

fn post(cx: &Context<'_>, options: &Options, comment: bool) -> Request {
    let key = match (options.class, comment) {
        (Class::Keyed, false) => Some(cx.post.to_string()),
        (Class::Keyed, true) => Some(format!("{}#comment", cx.post)),
        (Class::Readable | Class::Blind, _) => None,
    };
    // Faults belong to the post's own step.
    let fault = if comment { None } else { options.fault(cx.step_attempt) };
    let ours = match fault {
        Some("timeout_before_send") => Some(SandboxFault::TimeoutBeforeSend),
        Some("crash_before_send") => Some(SandboxFault::CrashBeforeSend),
        Some("crash_after_answer") => Some(SandboxFault::CrashAfterAnswer),
        _ => None,
    };
    let theirs = if ours.is_some() { None } else { fault };
    let body = json!({
        "key": key,
        "post": cx.post.to_string(),
        "account": cx.access.platform_account_id,
        "kind": if comment { "comment" } else { "post" },
        "parent": parent(cx, comment),
        "text": text(cx, comment),
        "media": if comment { Vec::new() } else { media(cx) },
        "latencyMs": options.latency_ms,
        "fault": theirs,
        "createdAt": cx.started_at.to_string(),
    });
    Request {
        method: "POST",
        url: format!("{}/sandbox/v1/posts", cx.access.base_url),
        headers: vec![("content-type", "application/json".to_owned())],
        bearer: true,
        body: Body::Bytes(body.to_string().into_bytes()),
        reach: Reach::Own,
        fault: ours,
    }
}

fn parent(cx: &Context<'_>, comment: bool) -> Option<String> {
    cx.receipt.filter(|_| comment).and_then(|receipt| receipt.uri.clone())
}

fn text(cx: &Context<'_>, comment: bool) -> String {
    match (&cx.content.first_comment, comment) {
        (Some(first), true) => first.text.clone(),
        _ => cx.content.text.clone(),
    }
}

fn media(cx: &Context<'_>) -> Vec<Value> {
    let refs = cx.memos.get("upload");
    let one = |(place, item): (usize, &MediaItem)| {
        let uploaded = refs.and_then(|refs| refs.get(place));
        let uploaded: Value =
            uploaded.and_then(|memo| serde_json::from_str(memo).ok()).unwrap_or_default();
        json!({ "kind": item.kind.as_str(), "ref": uploaded["ref"], "altText": item.alt_text })
    };
    cx.content.media.iter().enumerate().map(one).collect()
}

fn uploaded(answer: &Answer) -> Verdict {
    let retry = |fault| Verdict::Retry { fault, after: None };
    match answer {
        Answer::Heard { status: 200, body, .. } => {
            let value: Value = serde_json::from_slice(body).unwrap_or_default();
            if value["ref"].is_string() {
                let memo = Some(Arc::from(json!({ "ref": value["ref"] }).to_string()));
                Verdict::Done(Output { memo, ..Output::default() })
            } else {
                retry(disturbed(model::Platform::Sandbox, 200, body))
            }
        }
        Answer::Heard { status: 429, headers, body, at } => parked(headers, body, *at),
        Answer::Heard { status: 401, body, .. } => Verdict::Reauth { fault: auth(body) },
        Answer::Heard { status, body, .. } if *status < 500 => {
            Verdict::Refuse { fault: rejected(*status, body) }
        }
        Answer::Heard { status, body, .. } => {
            retry(disturbed(model::Platform::Sandbox, *status, body))
        }
        Answer::NotSent { why } | Answer::MaybeSent { why } => {
            retry(not_sent(model::Platform::Sandbox, why))
        }
        Answer::Snapshot(_) | Answer::SnapshotFailed { .. } => {
            retry(not_sent(model::Platform::Sandbox, "no request was made"))
        }
    }
}

fn posted(answer: &Answer) -> Verdict {
    let sandbox = model::Platform::Sandbox;
    match answer {
        Answer::Heard { status: 200, body, .. } => match receipt(body) {
            Some(receipt) => Verdict::Done(Output { receipt: Some(receipt), ..Output::default() }),
            None => {
                let response = response_json(Some(200), body);
                let why = "a success that cannot be read";
                Verdict::Unknown { fault: unheard(sandbox, why, Some(response)) }
            }
        },
        Answer::Heard { status: 429, headers, body, at } => parked(headers, body, *at),
        Answer::Heard { status: 401, body, .. } => Verdict::Reauth { fault: auth(body) },
        Answer::Heard { status, body, .. } if (400..500).contains(status) => {
            Verdict::Refuse { fault: rejected(*status, body) }
        }
        // A failure in answer to a visible call is no proof that it had no effect.
        Answer::Heard { status, body, .. } => {
            let response = response_json(Some(*status), body);
            Verdict::Unknown {
                fault: unheard(sandbox, &format!("status {status}"), Some(response)),
            }
        }
        Answer::NotSent { why } => Verdict::Retry { fault: not_sent(sandbox, why), after: None },
        Answer::MaybeSent { why } => Verdict::Unknown { fault: unheard(sandbox, why, None) },
        Answer::Snapshot(_) | Answer::SnapshotFailed { .. } => {
            Verdict::Retry { fault: not_sent(sandbox, "no request was made"), after: None }
        }
    }
}

fn receipt(body: &[u8]) -> Option<Receipt> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    Some(Receipt { uri: Some(text("uri")?), cid: text("cid"), url: text("url") })
}

fn parked(headers: &[(String, String)], body: &[u8], at: model::Timestamp) -> Verdict {
    let after = rest(headers, RESET_HEADER, at);
    Verdict::Parked { fault: limited(model::Platform::Sandbox, after, body), after }
}

fn auth(body: &[u8]) -> Fault {
    Fault::new(Code::PlatformAuthFailed, "the sandbox refused the account's credential")
        .rule("sandbox.auth")
        .on(model::Platform::Sandbox)
        .response(response_json(Some(401), body))
        .remedy("Connect the account again.")
        .outcome(SendOutcome::Rejected)
}

fn rejected(status: u16, body: &[u8]) -> Fault {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let said = value["message"].as_str().unwrap_or("no reason given");
    Fault::new(Code::PlatformRejected, format!("the sandbox rejected the post: {said}"))
        .rule("sandbox.rejected")
        .on(model::Platform::Sandbox)
        .response(response_json(Some(status), body))
        .remedy("Change what the answer names, then publish again.")
        .outcome(SendOutcome::Rejected)
}

fn lost(what: &str) -> Fault {
    Fault::new(Code::InternalError, format!("{what} got lost between two steps"))
        .rule("sandbox.internal")
        .on(model::Platform::Sandbox)
        .remedy("Publish it again; please report this with the post's journal.")
        .outcome(SendOutcome::NotSent)
}

#[cfg(test)]
mod tests;
