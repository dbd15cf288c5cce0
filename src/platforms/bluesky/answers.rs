//! What the host's answers mean, by whether the call was visible.

use std::sync::Arc;

use serde_json::Value;

use super::super::answer::{disturbed, limited, not_sent, response_json, rest, unheard};
use super::super::codec::Answer;
use crate::model::{Code, Fault, Output, Platform, SendOutcome, Verdict};

const BLUESKY: Platform = Platform::Bluesky;
/// When a rate limit resets, in Unix seconds.
const RESET_HEADER: &str = "ratelimit-reset";

/// An answer to `uploadBlob`: the whole blob object is kept.
pub(super) fn uploaded(answer: &Answer) -> Verdict {
    if let Answer::Heard { status: 200, body, .. } = answer {
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        if value["blob"].is_object() {
            let memo = Some(Arc::from(value["blob"].to_string()));
            return Verdict::Done(Output { memo, ..Output::default() });
        }
    }
    staging(answer)
}

/// An answer to a call that nobody can see, when it is no success: it may always be repeated. So a
/// refusal in whatever shape is taken as one: a proxy's bare 413 will not change by asking again.
pub(super) fn staging(answer: &Answer) -> Verdict {
    let retry = |fault| Verdict::Retry { fault, after: None };
    match answer {
        Answer::NotSent { why } | Answer::MaybeSent { why } => retry(not_sent(BLUESKY, why)),
        Answer::Heard { status, headers, body, at } => definite(*status, headers, body, *at)
            .unwrap_or_else(|| {
                if is_refusal(*status) {
                    Verdict::Refuse { fault: rejected(*status, body) }
                } else {
                    retry(disturbed(BLUESKY, *status, body))
                }
            }),
        Answer::Snapshot(_) | Answer::SnapshotFailed { .. } => {
            retry(not_sent(BLUESKY, "no request was made"))
        }
    }
}

/// An answer to a call that everybody can see, when it is no success.
pub(super) fn visible(answer: &Answer) -> Verdict {
    match answer {
        Answer::NotSent { why } => Verdict::Retry { fault: not_sent(BLUESKY, why), after: None },
        Answer::MaybeSent { why } => Verdict::Unknown { fault: unheard(BLUESKY, why, None) },
        // Only a client's error says that nothing was done, whatever else the body names.
        Answer::Heard { status, headers, body, at } => Some(*status)
            .filter(|status| (400..500).contains(status))
            .and_then(|status| definite(status, headers, body, *at))
            .unwrap_or_else(|| {
                let response = response_json(Some(*status), body);
                let why = format!("status {status}");
                Verdict::Unknown { fault: unheard(BLUESKY, &why, Some(response)) }
            }),
        Answer::Snapshot(_) | Answer::SnapshotFailed { .. } => {
            Verdict::Retry { fault: not_sent(BLUESKY, "no request was made"), after: None }
        }
    }
}

/// The verdict of an answer that certainly says no; `None` when it is not certain.
fn definite(
    status: u16,
    headers: &[(String, String)],
    body: &[u8],
    at: crate::model::Timestamp,
) -> Option<Verdict> {
    let name = error_name(body);
    if status == 429 {
        let after = rest(headers, RESET_HEADER, at);
        return Some(Verdict::Parked { fault: limited(BLUESKY, after, body), after });
    }
    if is_down(&name) {
        return Some(Verdict::Refuse { fault: taken_down(status, body) });
    }
    if status == 401 || is_token_error(body) {
        return Some(Verdict::Reauth { fault: auth(status, body) });
    }
    if name == "BlobNotFound" {
        return Some(Verdict::Restage { fault: blob_missing(status, body) });
    }
    // A body of the protocol's own shape: the host looked at the request and refused it.
    let refused = is_refusal(status) && !name.is_empty();
    refused.then(|| Verdict::Refuse { fault: rejected(status, body) })
}

/// A client's error that waiting does not mend: neither a request timeout nor too early.
fn is_refusal(status: u16) -> bool {
    (400..500).contains(&status) && status != 408 && status != 425
}

/// The protocol's name of an error, or nothing when the body is not of its shape.
pub(super) fn error_name(body: &[u8]) -> String {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    value["error"].as_str().unwrap_or_default().to_owned()
}

/// Whether the error says that the token has run out or is not good.
pub(super) fn is_token_error(body: &[u8]) -> bool {
    matches!(
        error_name(body).as_str(),
        "ExpiredToken" | "InvalidToken" | "AuthenticationRequired" | "AuthMissing"
    )
}

fn is_down(name: &str) -> bool {
    matches!(
        name,
        "AccountTakedown" | "AccountDeactivated" | "AccountSuspended" | "RepoDeactivated"
    )
}

fn said(body: &[u8]) -> String {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = value["message"].as_str().or(value["error"].as_str());
    text.unwrap_or("no reason given").to_owned()
}

fn auth(status: u16, body: &[u8]) -> Fault {
    Fault::new(
        Code::PlatformAuthFailed,
        format!("the host refused the account's session: {}", said(body)),
    )
    .rule("bluesky.auth")
    .on(BLUESKY)
    .response(response_json(Some(status), body))
    .remedy("Make a new app password in the account's settings and connect the account again.")
    .outcome(SendOutcome::Rejected)
}

fn taken_down(status: u16, body: &[u8]) -> Fault {
    Fault::new(Code::PlatformAuthFailed, format!("the account may not publish: {}", said(body)))
        .rule("bluesky.account.taken_down")
        .on(BLUESKY)
        .response(response_json(Some(status), body))
        .remedy("Settle this with the account's host.")
        .outcome(SendOutcome::Rejected)
}

fn blob_missing(status: u16, body: &[u8]) -> Fault {
    Fault::new(Code::PlatformUnavailable, "the host no longer has an uploaded file")
        .rule("bluesky.media.blob_missing")
        .on(BLUESKY)
        .response(response_json(Some(status), body))
        .remedy("Publish it again.")
        .outcome(SendOutcome::NotSent)
        .retryable()
}

/// The fault of a record under our key that is not ours.
pub(super) fn conflict(status: u16, body: &[u8]) -> Fault {
    Fault::new(Code::PlatformRejected, "another record stands under the key of this post")
        .rule("bluesky.publish.rkey_conflict")
        .on(BLUESKY)
        .response(response_json(Some(status), body))
        .remedy("Look at that record; publish again as a new post if it is not yours.")
        .outcome(SendOutcome::Rejected)
}

fn rejected(status: u16, body: &[u8]) -> Fault {
    Fault::new(Code::PlatformRejected, format!("the host rejected the post: {}", said(body)))
        .rule("bluesky.rejected")
        .on(BLUESKY)
        .response(response_json(Some(status), body))
        .remedy("Change what the answer names, then publish again.")
        .outcome(SendOutcome::Rejected)
}
