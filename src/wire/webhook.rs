//! Webhook endpoints: requests read, views written.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Reply;
use super::fault::{raw, to_bytes};
use super::issues::{Walk, parse_json};
use crate::model::{
    DeliveryAttempt, Endpoint, EndpointHealth, Fault, NoticeId, NoticeKind, Secret,
    WEBHOOK_DESCRIPTION_CHARS_MAX,
};

/// An endpoint that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointRequest {
    /// Where notices go, as it was given.
    pub url: String,
    /// What it wants to hear; empty means everything.
    pub kinds: Vec<NoticeKind>,
    /// A remark for people.
    pub description: Option<String>,
}

/// What is to change about an endpoint; at least one member is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EndpointPatch {
    /// Another address.
    pub url: Option<String>,
    /// Another filter.
    pub kinds: Option<Vec<NoticeKind>>,
    /// On or off.
    pub active: Option<bool>,
    /// Another remark; `Some(None)` clears it.
    pub description: Option<Option<String>>,
}

/// A delivery that is asked for to see whether it arrives.
#[derive(Debug, Clone, PartialEq)]
pub struct TestRequest {
    /// What it is about.
    pub kind: NoticeKind,
    /// What it says; a sample if it is left out.
    pub data: Option<Value>,
}

/// Which notices are to be delivered again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedeliverRequest {
    /// One.
    One(NoticeId),
    /// Those above `after` and up to `until`.
    Range {
        /// The last one that is not wanted.
        after: Option<NoticeId>,
        /// The last one that is.
        until: Option<NoticeId>,
    },
}

/// Reads the body of `POST /v1/webhook-endpoints`.
///
/// # Errors
/// `validation_failed` with the place of the first problem as its rule.
pub fn parse_endpoint(body: &[u8]) -> Result<EndpointRequest, Fault> {
    let value = parse_json(body)?;
    let mut walk = Walk::default();
    let read = walk.object(&value).and_then(|object| {
        let before = walk.count();
        let url = walk.required(object, "url", Walk::url);
        let kinds = walk.optional(object, "events", kinds).unwrap_or_default();
        let description = walk.optional(object, "description", description);
        (walk.count() == before).then_some(())?;
        Some(EndpointRequest { url: url?, kinds, description })
    });
    walk.finish(read).map(|(read, _)| read)
}

/// Reads the body of `PATCH /v1/webhook-endpoints/:id`.
///
/// # Errors
/// `validation_failed`; rule `body` when it changes nothing.
pub fn parse_endpoint_patch(body: &[u8]) -> Result<EndpointPatch, Fault> {
    let value = parse_json(body)?;
    let mut walk = Walk::default();
    let read = walk.object(&value).and_then(|object| {
        let before = walk.count();
        let patch = EndpointPatch {
            url: walk.optional(object, "url", Walk::url),
            kinds: walk.optional(object, "events", kinds),
            active: walk.optional(object, "active", Walk::boolean),
            description: match object.get("description") {
                Some(Value::Null) => Some(None),
                _ => walk.optional(object, "description", description).map(Some),
            },
        };
        if walk.count() > before {
            return None;
        }
        if patch == EndpointPatch::default() {
            let message = "give at least one of url, events, active and description to change";
            walk.issue("custom", message);
            return None;
        }
        Some(patch)
    });
    walk.finish(read).map(|(read, _)| read)
}

/// Reads the body of `POST /v1/webhook-endpoints/:id/test`. No body is an empty object.
///
/// # Errors
/// `validation_failed`, rule `type` for a kind that is not known.
pub fn parse_test(body: &[u8]) -> Result<TestRequest, Fault> {
    let value = object_or_nothing(body)?;
    let mut walk = Walk::default();
    let read = walk.object(&value).and_then(|object| {
        let before = walk.count();
        let kind = walk.optional(object, "type", kind).unwrap_or(NoticeKind::PostPublished);
        let data = object.get("data").cloned();
        (walk.count() == before).then_some(TestRequest { kind, data })
    });
    walk.finish(read).map(|(read, _)| read)
}

/// Reads the body of `POST /v1/webhook-endpoints/:id/redeliver`.
///
/// # Errors
/// `validation_failed` with the place of the first problem as its rule.
pub fn parse_redeliver(body: &[u8]) -> Result<RedeliverRequest, Fault> {
    let value = object_or_nothing(body)?;
    let mut walk = Walk::default();
    let read = walk.object(&value).and_then(|object| {
        let before = walk.count();
        let one = walk.optional(object, "eventId", notice);
        let after = walk.optional(object, "after", notice);
        let until = walk.optional(object, "until", notice);
        if walk.count() > before {
            return None;
        }
        match (one, after, until) {
            (Some(one), None, None) => Some(RedeliverRequest::One(one)),
            (None, None, None) => {
                walk.issue("custom", "give eventId for one event, or after and until for a range");
                None
            }
            (None, after, until) => Some(RedeliverRequest::Range { after, until }),
            (Some(_), ..) => {
                walk.issue("custom", "give either eventId, or after and until");
                None
            }
        }
    });
    walk.finish(read).map(|(read, _)| read)
}

fn object_or_nothing(body: &[u8]) -> Result<Value, Fault> {
    if body.trim_ascii().is_empty() { Ok(json!({})) } else { parse_json(body) }
}

fn notice(walk: &mut Walk, value: &Value) -> Option<NoticeId> {
    walk.parsed(value, "an event id, such as evt_01HY6X4AWBJM2K9F2PTQMRD9JQ")
}

fn description(walk: &mut Walk, value: &Value) -> Option<String> {
    walk.chars_within(value, WEBHOOK_DESCRIPTION_CHARS_MAX)
}

fn kinds(walk: &mut Walk, value: &Value) -> Option<Vec<NoticeKind>> {
    let Some(list) = value.as_array() else {
        walk.wrong_type("array", value);
        return None;
    };
    let mut kinds = Vec::new();
    for (place, one) in list.iter().enumerate() {
        if let Some(kind) = walk.at_place(place, |walk| kind(walk, one))
            && !kinds.contains(&kind)
        {
            kinds.push(kind);
        }
    }
    Some(kinds)
}

fn kind(walk: &mut Walk, value: &Value) -> Option<NoticeKind> {
    let found = value.as_str().and_then(NoticeKind::of);
    if found.is_none() {
        walk.word("invalid_enum_value", Some(value), &NoticeKind::ALL.map(NoticeKind::as_str));
    }
    found
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EndpointBody<'a> {
    id: String,
    url: &'a str,
    events: Vec<&'static str>,
    description: Option<&'a str>,
    active: bool,
    last_delivery_at: Option<String>,
    last_failure_reason: Option<&'a str>,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_secret: Option<&'a str>,
}

fn endpoint<'a>(
    endpoint: &'a Endpoint,
    health: &'a EndpointHealth,
    secret: Option<&'a Secret>,
) -> EndpointBody<'a> {
    EndpointBody {
        id: endpoint.id.to_string(),
        url: &endpoint.url,
        events: endpoint.kinds.iter().map(|kind| kind.as_str()).collect(),
        description: endpoint.description.as_deref(),
        active: endpoint.active,
        last_delivery_at: health.delivered_at.map(|at| at.to_string()),
        last_failure_reason: health.failure.as_deref(),
        created_at: endpoint.created_at.to_string(),
        updated_at: endpoint.updated_at.to_string(),
        signing_secret: secret.map(Secret::expose),
    }
}

/// One endpoint; with its secret where that was just made, and never again.
pub fn endpoint_reply(
    status: u16,
    shown: &Endpoint,
    health: &EndpointHealth,
    secret: Option<&Secret>,
) -> Reply {
    Reply { status, body: to_bytes(&endpoint(shown, health, secret)) }
}

/// The list of endpoints.
pub fn endpoints_body(all: &[(Endpoint, EndpointHealth)]) -> Vec<u8> {
    #[derive(Serialize)]
    struct List<'a> {
        data: Vec<EndpointBody<'a>>,
    }
    to_bytes(&List { data: all.iter().map(|(one, health)| endpoint(one, health, None)).collect() })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AttemptBody<'a> {
    id: String,
    event_id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    attempt: u32,
    status: u16,
    ok: bool,
    duration_ms: u64,
    response_body: Option<&'a str>,
    error_name: Option<&'a str>,
    created_at: String,
}

fn attempt_body(notice: NoticeId, attempt: &DeliveryAttempt) -> AttemptBody<'_> {
    AttemptBody {
        id: attempt.id.to_string(),
        event_id: notice.to_string(),
        kind: attempt.kind.as_str(),
        attempt: attempt.number,
        status: attempt.status.unwrap_or(0),
        ok: attempt.ok,
        duration_ms: attempt.duration.0,
        response_body: attempt.answer.as_deref(),
        error_name: attempt.error.as_deref(),
        created_at: attempt.began_at.to_string(),
    }
}

/// Attempts at deliveries, newest first, and where the next page begins.
pub fn deliveries_body(attempts: &[(NoticeId, DeliveryAttempt)], next: Option<String>) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct List<'a> {
        data: Vec<AttemptBody<'a>>,
        next_cursor: Option<String>,
    }
    let data = attempts.iter().map(|(notice, attempt)| attempt_body(*notice, attempt)).collect();
    to_bytes(&List { data, next_cursor: next })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TestBody<'a> {
    delivered: bool,
    status: u16,
    duration_ms: u64,
    response_body: Option<&'a str>,
    delivery_id: String,
    non_retryable: bool,
    error_name: Option<&'a str>,
    sent_event: Box<RawValue>,
}

/// What came of a test delivery, with the event exactly as it was sent.
pub fn test_body(attempt: &DeliveryAttempt, event: &[u8]) -> Vec<u8> {
    to_bytes(&TestBody {
        delivered: attempt.ok,
        status: attempt.status.unwrap_or(0),
        duration_ms: attempt.duration.0,
        response_body: attempt.answer.as_deref(),
        delivery_id: attempt.id.to_string(),
        non_retryable: attempt.status.is_some_and(|status| (400..500).contains(&status)),
        error_name: attempt.error.as_deref(),
        sent_event: raw(&String::from_utf8_lossy(event)),
    })
}

/// How many notices will be delivered again, and whether the range holds more.
pub fn redeliver_body(count: usize, next_after: Option<NoticeId>) -> Vec<u8> {
    let next = next_after.map(|id| id.to_string());
    to_bytes(&json!({ "redelivered": count, "nextAfter": next }))
}
