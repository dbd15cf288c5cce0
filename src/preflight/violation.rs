//! How a broken rule is told.

use serde_json::{Value, json};

use crate::model::{Code, Fault, Platform, SendOutcome};

/// A count that is above its limit.
pub(super) fn above(
    platform: Platform,
    rule: &str,
    what: &str,
    unit: &str,
    measured: usize,
    limit: usize,
) -> Fault {
    broken(
        platform,
        rule,
        format!("{what} is {measured} {unit} on {platform}; at most {limit}"),
        json!({ "measured": measured, "limit": limit, "unit": unit }),
        format!("Cut it to {limit} {unit}."),
    )
}

/// A rule that is broken, with what was measured.
pub(super) fn broken(
    platform: Platform,
    rule: &str,
    message: String,
    hints: Value,
    remedy: String,
) -> Fault {
    Fault::new(Code::PreflightFailed, message)
        .rule(rule)
        .on(platform)
        .response(hints.to_string())
        .remedy(remedy)
        .outcome(SendOutcome::NotSent)
}

/// Text that is missing or blank.
pub(super) fn blank(platform: Platform, rule: &str, what: &str) -> Fault {
    broken(
        platform,
        rule,
        format!("{what} has no visible character"),
        json!({ "measured": 0, "minimum": 1 }),
        "Write at least one visible character, or leave it out.".to_owned(),
    )
}

/// All violations of one target as JSON, for `platformResponse`.
pub fn violations_json(target_ix: usize, faults: &[Fault]) -> String {
    let all: Vec<Value> = faults
        .iter()
        .map(|fault| {
            let hints = fault.platform_response.as_deref().unwrap_or("null");
            let hints: Value = serde_json::from_str(hints).unwrap_or_default();
            json!({ "rule": fault.rule, "message": fault.message, "hints": hints })
        })
        .collect();
    let first = all.first().map(|first| first["hints"].clone()).unwrap_or_default();
    let mut out = json!({ "targetIndex": target_ix, "violations": all });
    if let (Some(out), Some(first)) = (out.as_object_mut(), first.as_object()) {
        out.extend(first.clone());
    }
    out.to_string()
}
