//! Errors, in their one shape.

use serde::Serialize;
use serde_json::value::RawValue;

use super::Links;
use crate::model::{Fault, RequestId};

/// The members of every error object, in the order they are written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorObject {
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform_response: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remediation: Option<String>,
    doc_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_url: Option<String>,
    request_id: String,
    retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
}

#[derive(Serialize)]
struct Envelope {
    error: ErrorObject,
}

impl ErrorObject {
    /// Adds a sentence to what is to be done next.
    pub(super) fn also(mut self, remedy: &str) -> Self {
        let first = self.remediation.take().map_or_else(String::new, |first| first + " ");
        self.remediation = Some(first + remedy);
        self
    }
}

/// The error object of a fault that was met while answering `request`.
pub(super) fn error_object(fault: &Fault, request: &RequestId, links: &Links) -> ErrorObject {
    ErrorObject {
        code: fault.code.as_str(),
        message: fault.message.clone(),
        rule: fault.rule.clone(),
        platform: fault.platform.map(|platform| platform.as_str()),
        platform_response: fault.platform_response.as_deref().map(raw),
        remediation: fault.remediation.clone(),
        doc_url: links.doc_url(fault.code),
        rule_url: fault.rule.as_deref().map(|rule| links.rule_url(rule)),
        request_id: request.as_str().to_owned(),
        retryable: fault.retryable,
        outcome: fault.outcome.map(|outcome| outcome.as_str()),
    }
}

/// The body of a request that failed whole.
pub fn error_body(fault: &Fault, request: &RequestId, links: &Links) -> Vec<u8> {
    to_bytes(&Envelope { error: error_object(fault, request, links) })
}

/// The error object alone, as a value.
pub fn error_value(fault: &Fault, request: &RequestId, links: &Links) -> serde_json::Value {
    serde_json::to_value(error_object(fault, request, links)).unwrap_or_default()
}

/// JSON text as it is; what is no JSON becomes a JSON string.
pub(super) fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap_or_else(|_| {
        let quoted = serde_json::Value::String(text.to_owned()).to_string();
        RawValue::from_string(quoted).expect("a quoted string is JSON")
    })
}

/// Room for nearly every answer, so that none is moved several times while it grows.
const ANSWER_BYTES: usize = 1_024;

/// The bytes of a value of ours.
pub(super) fn to_bytes(value: &impl Serialize) -> Vec<u8> {
    let mut out = Vec::with_capacity(ANSWER_BYTES);
    write_to(&mut out, value);
    out
}

/// Writes a value of ours at the end of `out`.
pub(super) fn write_to(out: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(out, value).expect("our own types serialize: their keys are strings");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Code, Platform, SendOutcome};

    #[test]
    fn every_member_stands_in_its_place() {
        let fault = Fault::new(Code::PreflightFailed, "too long")
            .rule("bluesky.text.max_graphemes")
            .on(Platform::Bluesky)
            .response(r#"{"measured":301}"#)
            .remedy("cut it")
            .outcome(SendOutcome::NotSent);
        let request = RequestId::from_caller("r-1").expect("well formed");
        let links = Links { base: "http://h".to_owned() };
        let body = String::from_utf8(error_body(&fault, &request, &links)).expect("text");
        let expected = r#"{"error":{"code":"preflight_failed","message":"too long","#.to_owned()
            + r#""rule":"bluesky.text.max_graphemes","platform":"bluesky","#
            + r#""platformResponse":{"measured":301},"remediation":"cut it","#
            + r#""docUrl":"http://h/errors/preflight_failed","#
            + r#""ruleUrl":"http://h/preflight/bluesky-text-max_graphemes","#
            + r#""requestId":"r-1","retryable":false,"outcome":"not_sent"}}"#;
        assert_eq!(body, expected);
        let bare = Fault::new(Code::NotFound, "gone").response("<html>");
        let body = String::from_utf8(error_body(&bare, &request, &links)).expect("text");
        assert!(body.contains(r#""platformResponse":"<html>""#), "{body}");
        assert!(!body.contains("rule") && !body.contains("null"), "{body}");
    }
}
