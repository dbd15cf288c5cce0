//! What every platform reads of an answer in the same way.

use serde_json::Value;

use super::codec::Answer;
use crate::model::{
    Code, Fault, Millis, PLATFORM_RESPONSE_BYTES_MAX, Platform, SendOutcome, Timestamp, Warning,
};

/// The rest after a rate limit that names no end.
const REST_UNNAMED: Millis = Millis::from_secs(60);
/// No rest is shorter, so that a clock that runs ahead does not make us knock at once.
const REST_MIN: Millis = Millis(500);
/// No rest is longer than a day: a longer reset is asked for again.
const REST_MAX: Millis = Millis::from_secs(86_400);

/// Cuts text to at most `bytes_max` bytes at a character's edge.
pub fn excerpt(text: &str, bytes_max: usize) -> &str {
    if text.len() <= bytes_max {
        return text;
    }
    let end = (0..=bytes_max).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}

/// A platform's answer as the JSON of `platformResponse`: itself when it is JSON and short, else
/// its start as a string.
pub(super) fn response_json(status: Option<u16>, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let body = match serde_json::from_str::<Value>(&text) {
        Ok(value) if text.len() <= PLATFORM_RESPONSE_BYTES_MAX => value,
        _ => Value::from(excerpt(&text, PLATFORM_RESPONSE_BYTES_MAX)),
    };
    serde_json::json!({ "status": status, "body": body }).to_string()
}

/// A header's value by its lower-case name.
pub(super) fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// How long a rate limit asks us to rest: `Retry-After` in seconds, else a reset in Unix seconds.
pub(super) fn rest(headers: &[(String, String)], reset_header: &str, at: Timestamp) -> Millis {
    let after = header(headers, "retry-after").and_then(|text| text.trim().parse::<f64>().ok());
    let reset = header(headers, reset_header).and_then(|text| text.trim().parse::<i64>().ok());
    let named = match (after, reset) {
        (Some(secs), _) if secs.is_finite() && secs >= 0.0 => Some(whole_millis(secs)),
        (_, Some(secs)) => {
            // The platform counts by its own clock, and says what that shows.
            let shows = header(headers, "date").and_then(Timestamp::from_http_date).unwrap_or(at);
            Some(Timestamp::from_millis(secs.saturating_mul(1_000)).since(shows))
        }
        _ => None,
    };
    named.unwrap_or(REST_UNNAMED).clamp(REST_MIN, REST_MAX)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the seconds were checked to be finite and not negative; more than a day is cut later"
)]
fn whole_millis(secs: f64) -> Millis {
    Millis((secs * 1_000.0).min(1e12) as u64)
}

/// The fault of a request that certainly did not arrive.
pub(super) fn not_sent(platform: Platform, why: &str) -> Fault {
    Fault::new(Code::PlatformUnavailable, format!("{platform} could not be reached: {why}"))
        .rule(format!("{platform}.unreachable"))
        .on(platform)
        .response(no_answer(why))
        .remedy("Try again later; nothing was published by this attempt.")
        .outcome(SendOutcome::NotSent)
        .retryable()
}

/// The fault of a request that may have arrived and has no usable answer.
pub(super) fn unheard(platform: Platform, why: &str, response: Option<String>) -> Fault {
    Fault::new(Code::PlatformUnavailable, format!("{platform} gave no usable answer: {why}"))
        .rule(format!("{platform}.publish.outcome_unknown"))
        .on(platform)
        .response(response.unwrap_or_else(|| no_answer(why)))
        .remedy("Look at the account before publishing again: the post may be live.")
        .outcome(SendOutcome::Unknown)
}

/// The fault of an answer that says the platform is disturbed.
pub(super) fn disturbed(platform: Platform, status: u16, body: &[u8]) -> Fault {
    Fault::new(Code::PlatformUnavailable, format!("{platform} answered {status}"))
        .rule(format!("{platform}.unavailable"))
        .on(platform)
        .response(response_json(Some(status), body))
        .remedy("Try again later; the platform is disturbed.")
        .outcome(SendOutcome::NotSent)
        .retryable()
}

/// The fault of a rate limit.
pub(super) fn limited(platform: Platform, rest: Millis, body: &[u8]) -> Fault {
    Fault::new(
        Code::RateLimited,
        format!("{platform} limits this account; it rests for {} s", rest.0.div_ceil(1_000)),
    )
    .rule(format!("{platform}.rate_limited"))
    .on(platform)
    .response(response_json(Some(429), body))
    .remedy("Nothing need be done: the post goes out when the limit resets.")
    .outcome(SendOutcome::NotSent)
    .retryable()
}

/// The fault of a comment whose post has no address that we know: an operator may have found the
/// post live without one.
pub(super) fn no_parent(platform: Platform) -> Fault {
    let message = "the post's address is not known, so no comment can be put under it";
    Fault::new(Code::PlatformRejected, message)
        .rule(format!("{platform}.first_comment.no_parent"))
        .on(platform)
        .remedy("Add the comment by hand under the post.")
        .outcome(SendOutcome::NotSent)
}

/// The remark on a post that a read-back found.
pub(super) fn reconciled() -> Warning {
    Warning {
        code: "reconciled".to_owned(),
        message: "The answer to the publish got lost; the post was found on the account."
            .to_owned(),
    }
}

/// The words for an answer that there was none.
pub(super) fn no_answer(why: &str) -> String {
    serde_json::json!({ "status": null, "body": format!("no answer: {why}") }).to_string()
}

/// A short name of what came, for a fault's message.
pub(super) fn shown(answer: &Answer) -> String {
    match answer {
        Answer::NotSent { why } | Answer::MaybeSent { why } => why.clone(),
        Answer::Heard { status, .. } => format!("status {status}"),
        Answer::Snapshot(_) | Answer::SnapshotFailed { .. } => "media".to_owned(),
    }
}
