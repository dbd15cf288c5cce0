//! The faults that admission finds.

use crate::engine::EngineError;
use crate::model::{Code, Fault, IDEMPOTENCY_KEY_CHARS_MAX, MediaId, SendOutcome};

/// A record that cannot be read.
pub(super) fn unreadable(problem: &dyn std::fmt::Display) -> Fault {
    tracing::error!(%problem, "a read failed");
    Fault::new(Code::InternalError, "a record cannot be read")
        .rule("store.read")
        .remedy("Give the request id to the operator; `fanfare journal verify` names the record.")
        .retryable()
}

/// A fault of a request that was refused whole: it sent nothing. What became of another request
/// with its key is not said.
pub(super) fn unsent(fault: Fault) -> Fault {
    if fault.outcome.is_some() || fault.code == Code::IdempotencyConflict {
        return fault;
    }
    fault.outcome(SendOutcome::NotSent)
}

/// What the engine could not take of a request to publish.
pub(super) fn submit(problem: &EngineError, keyed: bool) -> Fault {
    match problem {
        // It may have been taken before the engine stopped, and then goes out after the restart.
        EngineError::Stopping => {
            let fault = Fault::new(
                Code::InternalError,
                "the server is stopping; whether the request was taken is not known",
            )
            .rule("server.busy")
            .outcome(SendOutcome::Unknown)
            .status(503);
            if keyed {
                let remedy = "Send the same bytes again with the same Idempotency-Key: that joins \
                              the first request if it was taken.";
                fault.remedy(remedy).retry_after(1)
            } else {
                fault.remedy(
                    "Look in GET /v1/posts before sending it again; an Idempotency-Key makes that \
                     safe.",
                )
            }
        }
        EngineError::Full
        | EngineError::TooLarge(_)
        | EngineError::NoUpload(_)
        | EngineError::Refused(_) => unsent(engine(problem)),
        EngineError::Mismatch | EngineError::InProgress => engine(problem),
    }
}

/// What the engine could not take.
pub(super) fn engine(problem: &EngineError) -> Fault {
    match problem {
        EngineError::Full | EngineError::Stopping => {
            let why = match problem {
                EngineError::Full => "the server has more requests than it can take",
                _ => "the server is stopping",
            };
            Fault::new(Code::InternalError, why)
                .rule("server.busy")
                .remedy("Send the same request again, with the same Idempotency-Key.")
                .status(503)
                .retry_after(1)
        }
        EngineError::Mismatch => {
            Fault::new(Code::IdempotencyConflict, "this Idempotency-Key was used with another body")
                .rule("idempotency_key.body_mismatch")
                .remedy("Send the very bytes of the first request, or use a new key.")
        }
        EngineError::InProgress => Fault::new(
            Code::IdempotencyConflict,
            "the first request with this Idempotency-Key is still running",
        )
        .rule("idempotency_key.in_progress")
        .remedy("Send the same request again in a moment.")
        .retry_after(2),
        EngineError::TooLarge(why) => Fault::new(Code::ValidationFailed, why.clone())
            .rule("body.size_max")
            .remedy("Shorten the texts, or split the request into several.")
            .outcome(SendOutcome::NotSent)
            .status(413),
        EngineError::NoUpload(id) => no_upload(id),
        EngineError::Refused(why) => {
            tracing::error!(%why, "the engine refused a request");
            Fault::new(Code::InternalError, "the request could not be made into a batch")
                .rule("server.batch")
                .remedy("Please report this with the request id.")
        }
    }
}

/// An upload that is not there, or not for this account's profile.
pub(super) fn no_upload(id: &MediaId) -> Fault {
    let message = format!("there is no upload {id} in the account's profile");
    Fault::new(Code::ValidationFailed, message)
        .rule("media.unknown")
        .remedy("GET /v1/media lists the uploads; POST /v1/media makes one.")
}

/// An idempotency key that is too long.
pub(super) fn key_length(chars: usize) -> Fault {
    Fault::new(
        Code::ValidationFailed,
        format!("the Idempotency-Key has {chars} characters; at most {IDEMPOTENCY_KEY_CHARS_MAX}"),
    )
    .rule("idempotency_key.length")
    .remedy("Use a UUID.")
}

/// No such post, or none that this caller may know of.
pub(super) fn no_post(id: &str) -> Fault {
    let shown: String = id.chars().take(64).collect();
    Fault::new(Code::NotFound, format!("there is no post {shown:?}"))
        .remedy("GET /v1/posts lists the posts there are.")
}

/// A state conflict.
pub(super) fn conflict(rule: &str, message: String, remedy: &str) -> Fault {
    Fault::new(Code::ValidationFailed, message).rule(rule).remedy(remedy).status(409)
}
