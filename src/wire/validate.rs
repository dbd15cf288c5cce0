//! The answer to `POST /v1/posts/validate`.

use serde::Serialize;

use super::batch::{WarningBody, warnings};
use super::fault::{ErrorObject, error_object, to_bytes};
use super::{Links, Reply};
use crate::model::{AccountId, Fault, Platform, RequestId, Warning};

/// What was found about one target.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// Its account, if one was found.
    pub account: Option<AccountId>,
    /// Its platform, if it is known.
    pub platform: Option<Platform>,
    /// Everything that would keep it from being published.
    pub errors: Vec<Fault>,
    /// Remarks.
    pub warnings: Vec<Warning>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    valid: bool,
    errors: Vec<ErrorObject>,
    targets: Vec<TargetBody<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TargetBody<'a> {
    account_id: Option<String>,
    platform: Option<&'static str>,
    valid: bool,
    errors: Vec<ErrorObject>,
    warnings: Vec<WarningBody<'a>>,
}

/// What was found about a whole request: `errors` concern it as such.
pub fn validate_reply(
    errors: &[Fault],
    targets: &[Checked],
    request: &RequestId,
    links: &Links,
) -> Reply {
    let shown = |faults: &[Fault]| -> Vec<ErrorObject> {
        faults.iter().map(|fault| error_object(fault, request, links)).collect()
    };
    let body = to_bytes(&Body {
        valid: errors.is_empty() && targets.iter().all(|target| target.errors.is_empty()),
        errors: shown(errors),
        targets: targets
            .iter()
            .map(|target| TargetBody {
                account_id: target.account.map(|id| id.to_string()),
                platform: target.platform.map(Platform::as_str),
                valid: target.errors.is_empty(),
                errors: shown(&target.errors),
                warnings: warnings(&target.warnings),
            })
            .collect(),
    });
    Reply { status: 200, body }
}
