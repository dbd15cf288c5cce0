//! What every error code means.

use crate::model::Code;

/// What a code means and what to do about it.
pub(super) const fn meaning(code: Code) -> &'static str {
    match code {
        Code::ValidationFailed => {
            "The request breaks a rule of this server. Nothing was published. Correct it; \
             repeating it unchanged gives the same answer."
        }
        Code::PreflightFailed => {
            "The content breaks a documented rule of a platform, found before anything was sent \
             there. Correct the content for that target."
        }
        Code::PlatformAuthFailed => {
            "The platform refused the account's credential. Connect the account again."
        }
        Code::PlatformRejected => {
            "The platform refused the post for a reason of its own; `platformResponse` has its \
             words. Repeating it unchanged will hardly help."
        }
        Code::PlatformUnavailable => {
            "The platform could not be reached, did not answer, or answered nonsense. `outcome` \
             says whether anything was sent: after `unknown` look at the account before you post \
             again."
        }
        Code::InternalError => {
            "A failure of this server. Repeat the request with the same Idempotency-Key; give the \
             operator the request id."
        }
        Code::Unauthenticated => {
            "No valid API key came with the request. Send `Authorization: Bearer` and the key; it \
             may have been revoked."
        }
        Code::Unauthorized => "The API key lacks a scope. Use a key that has it, or have one made.",
        Code::NotFound => "There is no such thing, or this key may not see it.",
        Code::IdempotencyConflict => {
            "The Idempotency-Key belongs to a request with another body, or to one that is still \
             running. Use a fresh key for a fresh request, the same bytes for a repeat."
        }
        Code::RateLimited => {
            "Too many requests in the window. Wait as many seconds as `Retry-After` says."
        }
        Code::PlatformNotEnabled => {
            "The operator has not set this platform up, or this build does not publish to it yet."
        }
    }
}
