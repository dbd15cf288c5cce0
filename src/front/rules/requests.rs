//! Rules about what a request asks for: targets, times, media, posts, keys and idempotency.

use super::rule::Rule;
use crate::model::{
    Code, IDEMPOTENCY_KEY_CHARS_MAX, JSON_DEPTH_MAX, MEDIA_BYTES_MAX, MEDIA_LINK_LIFE,
    MEDIA_REDIRECTS_MAX, PROFILES_MAX, SCHEDULE_LEAD_MAX, SCHEDULE_LEAD_MIN, TARGETS_MAX,
    WEBHOOK_ENDPOINTS_MAX,
};

const INVALID: &[Code] = &[Code::ValidationFailed];
const UNFIT: &[Code] = &[Code::PreflightFailed];
const ABSENT: &[Code] = &[Code::NotFound];
const AGAIN: &str = "Read the post again, then ask again if that is still wanted.";
const FORM: &str = "Send multipart/form-data with one part named `file` that has a filename, as \
                    `curl -F file=@picture.png` does.";
const FRESH: &str = "GET /v1/media and GET /v1/media/:id give addresses that hold.";
const DAY_MS: u64 = 86_400_000;

pub(super) const RULES: &[Rule] = &[
    // The body as such.
    Rule::new(
        "body.json",
        INVALID,
        "The body is empty, or is no JSON in UTF-8.",
        "Send one JSON document, in UTF-8, as the body of the request.",
    ),
    Rule::new(
        "body.depth",
        INVALID,
        "The body is nested deeper than any request here needs.",
        "Send a flatter document.",
    )
    .max(JSON_DEPTH_MAX, "levels"),
    // Targets.
    Rule::new(
        "targets.required",
        INVALID,
        "The list of targets is empty.",
        "Put at least one target into targets: an accountId or a platform.",
    ),
    Rule::new(
        "targets.max",
        INVALID,
        "The request has more targets than one may have.",
        "Split it into several requests.",
    )
    .max(TARGETS_MAX, "targets"),
    Rule::new(
        "targets.duplicate",
        INVALID,
        "Two targets say the same on the same account.",
        "Remove one of them, or give it other content.",
    ),
    Rule::new(
        "targets.text.required",
        INVALID,
        "A target has no text, there is no default, and its platform takes no media alone.",
        "Set text at the top level or on the target.",
    ),
    Rule::new(
        "targets.account.platform_mismatch",
        INVALID,
        "A target names an account and a platform that it is not on.",
        "Remove platform, or name the account of that platform.",
    ),
    Rule::new(
        "targets.options.platform_mismatch",
        INVALID,
        "A target's options are for another platform than its account is on.",
        "Remove the options, or correct their platform.",
    ),
    Rule::new(
        "target.account.not_connected",
        INVALID,
        "A target names a platform on which no account is connected.",
        "Connect one: `fanfare accounts connect`, or POST /v1/accounts/connect/:platform.",
    ),
    Rule::new(
        "target.account.ambiguous",
        INVALID,
        "A target names a platform on which several accounts are connected.",
        "Set accountId to one of the candidates that the error lists.",
    ),
    // Times.
    Rule::new(
        "mode_conflict",
        INVALID,
        "publishNow and scheduledAt exclude each other.",
        "Keep publishNow to publish now, or scheduledAt for later.",
    ),
    Rule::new(
        "scheduledAt.future",
        INVALID,
        "The time is past, or too near to be changed or canceled before it.",
        "Send a later time, or leave scheduledAt out to publish now.",
    )
    .measured(SCHEDULE_LEAD_MIN.0 / 1_000, "second ahead at the least"),
    Rule::new("scheduledAt.max", INVALID, "The time is too far ahead.", "Send an earlier time.")
        .measured(SCHEDULE_LEAD_MAX.0 / DAY_MS, "days ahead"),
    Rule::new(
        "schedule.missed",
        &[Code::InternalError],
        "The server was not running when the post was due, and came back too late for it, or the \
         post waited too long for its turn on the account, as behind a rate limit. \
         scheduling.max_lateness_ms says how late a post may go out.",
        "Schedule the post again, or raise that setting.",
    ),
    // Media.
    Rule::new(
        "media.unknown",
        &[Code::ValidationFailed, Code::NotFound],
        "There is no upload of this id in the account's profile.",
        "Upload the file again, or give it by a public url.",
    ),
    Rule::new(
        "media.bytes_inline_unsupported",
        &[Code::ValidationFailed, Code::PreflightFailed],
        "An attachment came inline where that cannot be: the platform fetches media itself, or an \
         edit takes none.",
        "Pass a public url instead of bytesBase64.",
    ),
    Rule::new(
        "media.reachable",
        UNFIT,
        "The address of an attachment gave no file.",
        "Make sure that anybody can fetch it, or send the file inline.",
    ),
    Rule::new(
        "media.size_max",
        &[Code::ValidationFailed, Code::PreflightFailed],
        "An uploaded file, or the one behind an attachment's address, is too large.",
        "Shrink or compress the file.",
    )
    .measured(MEDIA_BYTES_MAX, "bytes"),
    Rule::new(
        "media.url.private_address",
        UNFIT,
        "An attachment's address leads into a private network.",
        "Use a public address; an operator may set media.allow_private.",
    ),
    Rule::new(
        "media.url.invalid",
        UNFIT,
        "An attachment's address is no http or https URL, or redirects to none.",
        "Give the address of the file itself.",
    ),
    Rule::new(
        "media.url.redirects_max",
        UNFIT,
        "An attachment's address redirects again and again.",
        "Give the address that it leads to in the end.",
    )
    .max(MEDIA_REDIRECTS_MAX, "redirects"),
    Rule::new(
        "media.gone",
        ABSENT,
        "An attachment's bytes are no longer kept: the post that needed them settled a while ago.",
        "Publish the post anew, with its attachment.",
    ),
    // Uploads.
    Rule::new("media.content_type", INVALID, "An upload is no multipart/form-data.", FORM),
    Rule::new("media.empty_body", INVALID, "An upload has no body.", FORM),
    Rule::new("media.missing_file", INVALID, "An upload's form has no file named `file`.", FORM),
    Rule::new("media.parse_failed", INVALID, "An upload's form is malformed or broke off.", FORM),
    Rule::new(
        "media.in_use",
        INVALID,
        "A post that has not gone out yet needs the upload.",
        "Cancel the post, give it other media, or wait until it has gone out.",
    ),
    Rule::new(
        "media.link.signature",
        &[Code::Unauthorized],
        "The address of the upload was not made by this server.",
        FRESH,
    ),
    Rule::new(
        "media.link.expired",
        &[Code::Unauthorized],
        "The time of the upload's address is over.",
        FRESH,
    )
    .measured(MEDIA_LINK_LIFE.0 / DAY_MS, "days"),
    // Posts.
    Rule::new(
        "post.status",
        INVALID,
        "The post is in a state in which this cannot be done: only a queued one can be changed, \
         only a held one ruled on.",
        AGAIN,
    ),
    Rule::new(
        "post.scheduledAt.window",
        INVALID,
        "The post's time has come, so it can no longer be changed.",
        "Read the post again in a moment to see what became of it.",
    ),
    Rule::new(
        "post.edit.account_missing",
        INVALID,
        "The post's account was removed, so the edit cannot be checked.",
        "Connect the account again, or cancel the post.",
    ),
    Rule::new(
        "post.retry.status",
        INVALID,
        "Only a failed, rejected or canceled post can be retried.",
        "Read the post again; publish a new one if it is needed.",
    ),
    Rule::new(
        "post.retry.account_missing",
        INVALID,
        "The post's account was removed, so it cannot be retried.",
        "Publish the post anew on a connected account.",
    ),
    Rule::new(
        "post.retry.outcome_unknown",
        INVALID,
        "The post was sent, and whether it is live is not known: a retry might publish it twice.",
        "Look at the account. Send {\"force\": true} if the post is not there; if it is, rule it \
         with `fanfare batch rule <post> published`.",
    ),
    Rule::new("post.retry.raced", INVALID, "Another request changed the post meanwhile.", AGAIN),
    // Keys and what they may see.
    Rule::new(
        "api_key.scope",
        &[Code::Unauthorized],
        "The API key lacks the scope that the request needs.",
        "Use a key that has it: `fanfare keys create --name ... --scope ...`.",
    ),
    Rule::new(
        "api_key.profile_scope",
        ABSENT,
        "The API key is limited to one profile, and this is, or would be, of another: what the \
         request names, or the account that it connects, which is connected there already.",
        "Use a key that may act on that profile, or one that spans the organization.",
    ),
    Rule::new(
        "api_key.environment_scope",
        ABSENT,
        "A test key may read live posts and change none.",
        "Use a live key.",
    ),
    // Profiles.
    Rule::new(
        "profile.scope_mismatch",
        INVALID,
        "profileId is not the profile that the API key is limited to.",
        "Leave profileId out, or use a key that spans the organization.",
    ),
    Rule::new(
        "profile.unknown",
        ABSENT,
        "There is no such profile.",
        "GET /v1/profiles lists the profiles there are.",
    ),
    Rule::new(
        "profile.slug.unique",
        INVALID,
        "Another profile has this short name.",
        "Choose another slug.",
    ),
    Rule::new(
        "profile.delete.not_empty",
        INVALID,
        "The profile still has accounts.",
        "Remove them first: DELETE /v1/accounts/:id.",
    ),
    Rule::new(
        "profile.default.protected",
        INVALID,
        "The default profile keeps its short name and cannot be deleted.",
        "Leave it as it is: accounts and uploads that name no profile go there.",
    ),
    Rule::new(
        "profiles.max",
        INVALID,
        "There are as many profiles as there may be.",
        "Delete one that is not needed.",
    )
    .max(PROFILES_MAX, "profiles"),
    // Pinterest boards.
    Rule::new(
        "platform.mismatch",
        INVALID,
        "The account is not one of Pinterest, which alone has boards.",
        "Name a Pinterest account: GET /v1/accounts tells each one's platform.",
    ),
    Rule::new(
        "pinterest.board.unknown",
        ABSENT,
        "The account has no board with this id.",
        "GET /v1/accounts/:id/pinterest/boards lists the boards there are.",
    ),
    // Webhooks.
    Rule::new(
        "webhook_endpoints.max",
        INVALID,
        "There are as many webhook endpoints as there may be.",
        "Delete one that is not needed.",
    )
    .max(WEBHOOK_ENDPOINTS_MAX, "webhook endpoints"),
    Rule::new(
        "webhook_endpoint.inactive",
        INVALID,
        "The webhook endpoint is switched off.",
        "Switch it on with PATCH {\"active\": true}, then ask again.",
    ),
    Rule::new(
        "event.unknown",
        ABSENT,
        "There is no such event, or it is no longer kept.",
        "GET /v1/events lists the events that are kept.",
    ),
    // Idempotency.
    Rule::new("idempotency_key.length", INVALID, "The Idempotency-Key is too long.", "Use a UUID.")
        .max(IDEMPOTENCY_KEY_CHARS_MAX, "characters"),
    Rule::new(
        "idempotency_key.encoding",
        INVALID,
        "The Idempotency-Key is not UTF-8.",
        "Use plain characters; a UUID does well.",
    ),
    Rule::new(
        "idempotency_key.body_mismatch",
        &[Code::IdempotencyConflict],
        "The Idempotency-Key was used with another body.",
        "Send the very bytes of the first request, or use a new key.",
    ),
    Rule::new(
        "idempotency_key.in_progress",
        &[Code::IdempotencyConflict],
        "The first request with this Idempotency-Key is still running.",
        "Send the same request again in a moment.",
    ),
];
