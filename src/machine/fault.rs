//! The faults that the machine itself finds.

use crate::model::{Code, Fault, Millis, Platform, SendOutcome, Target, Timestamp};

/// An attempt ran past its deadline without a report.
pub(super) fn expired(target: &Target, after: Millis) -> Fault {
    unavailable(target, format!("{} gave no answer within {after}", target.platform))
        .outcome(SendOutcome::Unknown)
}

/// The process ended while an attempt was under way.
pub(super) fn interrupted(target: &Target) -> Fault {
    unavailable(
        target,
        format!("this server stopped while a request to {} was under way", target.platform),
    )
    .outcome(SendOutcome::Unknown)
}

/// The give-up time of the target's workflow is over.
pub(super) fn deadline(target: &Target) -> Fault {
    let last = target
        .last_fault
        .as_ref()
        .map_or_else(String::new, |fault| format!("; the last problem was: {}", fault.message));
    let fault = Fault::new(
        Code::PlatformUnavailable,
        format!(
            "{} did not take the post before the workflow's give-up time{last}",
            target.platform
        ),
    )
    .rule("target.deadline_exceeded")
    .on(target.platform)
    .remedy("Publish it again if it is still wanted.")
    .outcome(SendOutcome::NotSent)
    .retryable();
    match target.last_fault.as_ref().and_then(|last| last.platform_response.clone()) {
        Some(response) => fault.response(response),
        None => fault,
    }
}

/// A codec said what cannot be.
pub(super) fn nonsense(target: &Target) -> Fault {
    unavailable(target, format!("the answer of {} could not be understood", target.platform))
        .outcome(SendOutcome::Unknown)
}

/// What was done with the post since the backup that this server was restored from is not known.
pub(super) fn restored(target: &Target, since: Timestamp) -> Fault {
    unavailable(
        target,
        format!(
            "this server was restored from a backup of {since}, and the one it was made by may \
             have sent the post since"
        ),
    )
    .outcome(SendOutcome::Unknown)
}

/// A post that was not sent before the server was lost, and is now too late.
pub(super) fn missed_since(target: &Target) -> Fault {
    let late = target.lateness.unwrap_or_default();
    missed(target.platform, target.due.unwrap_or(target.updated_at), late)
}

/// A fault whose request is now known to have had no effect.
pub(super) fn absent(fault: Fault) -> Fault {
    fault.outcome(SendOutcome::NotSent).retryable()
}

/// The scheduled time passed too long ago.
pub(super) fn missed(platform: Platform, due: Timestamp, late: Millis) -> Fault {
    Fault::new(
        Code::InternalError,
        format!("the post was due at {due} and would have gone out {} s late", late.0 / 1_000),
    )
    .rule("schedule.missed")
    .on(platform)
    .remedy(
        "This server was not running at that time, or the post waited too long for its turn on \
         the account, as behind a rate limit. Schedule the post again; \
         scheduling.max_lateness_ms in config.toml says how late a post may go out.",
    )
    .outcome(SendOutcome::NotSent)
    .retryable()
}

/// Whether a visible call took effect is not known.
pub(super) fn outcome_unknown(platform: Platform, cause: &Fault) -> Fault {
    let fault = Fault::new(
        Code::PlatformUnavailable,
        format!("the post was sent, and whether it is live is not known: {}", cause.message),
    )
    .rule(format!("{platform}.publish.outcome_unknown"))
    .on(platform)
    .remedy(
        "Look at the account. Then rule the post with `fanfare batch rule <post> published` or \
         `... failed`; publish it again only if it is not there.",
    )
    .outcome(SendOutcome::Unknown);
    worded(match &cause.platform_response {
        Some(response) => fault.response(response.clone()),
        None => fault,
    })
}

/// A fault that ends a target tells what the platform answered, or in words that it did not.
pub(super) fn worded(fault: Fault) -> Fault {
    if fault.platform_response.is_some() {
        return fault;
    }
    let why = match fault.outcome {
        Some(SendOutcome::NotSent) => "no request was sent",
        Some(SendOutcome::Rejected | SendOutcome::Unknown) | None => "no answer was heard",
    };
    fault.response(serde_json::json!({ "status": null, "body": why }).to_string())
}

/// An operator found that a held post is not live.
pub(super) fn ruled_failed(held: &Fault) -> Fault {
    Fault {
        message: "an operator looked and ruled that the post is not live".to_owned(),
        remediation: Some("Publish it again if it is still wanted.".to_owned()),
        outcome: Some(SendOutcome::NotSent),
        retryable: true,
        ..held.clone()
    }
}

fn unavailable(target: &Target, message: String) -> Fault {
    Fault::new(Code::PlatformUnavailable, message)
        .rule(format!("{}.unavailable", target.platform))
        .on(target.platform)
        .remedy("Try again later; the platform or the way to it is disturbed.")
        .retryable()
}
