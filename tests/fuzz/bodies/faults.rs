//! What every fault must hold, whoever is told of it.

use fanfare::model::{Fault, RequestId};
use fanfare::wire::{Links, error_body};
use serde_json::Value;

/// Codes that say which rule was broken by themselves.
const SELF_EVIDENT: [&str; 3] = ["not_found", "unauthenticated", "unauthorized"];

/// A fault that a client caused: it names the rule and the remedy, and is the client's to mend.
#[track_caller]
pub fn check_clients(fault: &Fault) {
    check(fault);
    let status = fault.http_status();
    assert!((400..500).contains(&status), "{status}: {fault:?}");
}

/// Any fault.
#[track_caller]
pub fn check(fault: &Fault) {
    let said = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.trim().is_empty());
    assert!(!fault.message.trim().is_empty(), "no message: {fault:?}");
    let evident = SELF_EVIDENT.contains(&fault.code.as_str());
    assert!(evident || said(&fault.rule), "no rule: {fault:?}");
    assert!(said(&fault.remediation), "no remedy: {fault:?}");
    if let Some(response) = &fault.platform_response {
        let read = serde_json::from_str::<Value>(response);
        assert!(read.is_ok(), "platformResponse is no JSON: {fault:?}");
    }
    let id = RequestId::from_caller("req_fuzz").expect("well formed");
    let body = error_body(fault, &id, &Links { base: "http://h".to_owned() });
    let value: Value = serde_json::from_slice(&body).expect("an error is JSON");
    check_error(&value["error"]);
}

/// An error as it stands in an answer.
#[track_caller]
pub fn check_error(error: &Value) {
    let code = error["code"].as_str().unwrap_or_default();
    for name in ["code", "message", "rule", "remediation"] {
        if name == "rule" && SELF_EVIDENT.contains(&code) {
            continue;
        }
        let said = error[name].as_str().is_some_and(|text| !text.trim().is_empty());
        assert!(said, "no {name}: {error}");
    }
}
