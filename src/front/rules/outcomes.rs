//! What became of a publish: what platforms answer, and what it means that they do not.

use super::rule::Rule;
use crate::model::{BOARDS_NAMED_MAX, CONNECTS_PENDING_MAX, Code};

const DISTURBED: &[Code] = &[Code::PlatformUnavailable];
const REFUSED: &[Code] = &[Code::PlatformRejected];
const AUTH: &[Code] = &[Code::PlatformAuthFailed];
const CONSENT: &[Code] =
    &[Code::PlatformAuthFailed, Code::PlatformRejected, Code::PlatformUnavailable];
const OURS: &[Code] = &[Code::InternalError];
const LATER: &str = "Try again later; nothing was published by this attempt.";
const CHANGE: &str = "Change what `platformResponse` names, then publish again.";
const LOST: &str = "Something that an earlier step kept was not there for a later one.";
const REPORT: &str = "Publish it again; report this with the post's journal.";

pub(super) const RULES: &[Rule] = &[
    // Every platform.
    Rule::each(
        "publish.outcome_unknown",
        DISTURBED,
        "The post was sent, and no usable answer came: it may be live. It is held, so that it is \
         not published twice.",
        "Look at the account. Then rule the post with `fanfare batch rule <post> published` or \
         `failed`; publish it again only if it is not there.",
    ),
    Rule::each("unreachable", DISTURBED, "The platform could not be reached.", LATER),
    Rule::each(
        "unavailable",
        DISTURBED,
        "The platform, or the way to it, is disturbed. `outcome` says whether anything was sent.",
        "Try again later, unless the outcome is unknown: then look at the account first.",
    ),
    Rule::each(
        "rate_limited",
        &[Code::RateLimited],
        "The platform limits the account, which rests until the limit resets.",
        "Nothing need be done: the post goes out when the limit resets.",
    ),
    Rule::each(
        "first_comment.no_parent",
        REFUSED,
        "The address of the published post is not known, so no comment can be put under it.",
        "Add the comment by hand under the post.",
    ),
    Rule::each(
        "token.expired",
        AUTH,
        "The access to the platform has run out, and there is nothing to renew it with.",
        "Connect the account again.",
    ),
    Rule::each(
        "oauth.code_exchange",
        CONSENT,
        "The platform gave no access for the code that it handed back.",
        "Begin the connect again. If it goes on, compare the client_id, the client_secret and the \
         redirect URI in the settings with the app at the platform.",
    ),
    Rule::each(
        "oauth.me_lookup",
        CONSENT,
        "The platform did not say whose account it is.",
        "Begin the connect again, and grant what is asked for.",
    ),
    Rule::each(
        "oauth.refresh",
        CONSENT,
        "The platform did not renew the access to the account.",
        "Try again later if it is disturbed; connect the account again if it refuses.",
    ),
    Rule::new(
        "target.deadline_exceeded",
        DISTURBED,
        "The platform did not take the post before the workflow's give-up time.",
        "Publish it again if it is still wanted.",
    ),
    Rule::new(
        "target.publish.outcome_unknown",
        DISTURBED,
        "The post that a read-back found belongs to another post of this server.",
        "Nothing need be done: the account is read again.",
    ),
    // Accounts.
    Rule::new(
        "connect.pending_max",
        &[Code::RateLimited],
        "Too many connects are under way.",
        "Finish some of them, or wait ten minutes.",
    )
    .max(CONNECTS_PENDING_MAX, "connects"),
    Rule::new(
        "account.session",
        OURS,
        "The renewed access to the account could not be kept.",
        "Try again; connect the account again if it goes on.",
    ),
    Rule::new(
        "account.reconnect_required",
        AUTH,
        "The account has no session that works, or its platform cannot be published to here.",
        "Connect the account again.",
    ),
    Rule::new(
        "account.removed",
        AUTH,
        "The account was removed before the post went out.",
        "Connect the account again, then publish again.",
    ),
    Rule::new(
        "platform.not_enabled",
        &[Code::PlatformNotEnabled],
        "This server cannot connect accounts of the platform, or publish to it.",
        "Use a platform that is enabled, or ask the operator to set this one up.",
    ),
    // Bluesky.
    Rule::new(
        "bluesky.auth",
        &[Code::PlatformAuthFailed, Code::PlatformRejected, Code::InternalError],
        "The account's host gave no session, or no longer takes the one there is.",
        "Check the identifier and the host. Make a new app password in the account's settings and \
         connect the account again.",
    ),
    Rule::new(
        "bluesky.did.unresolved",
        DISTURBED,
        "It cannot be found out at which host the account lives.",
        "Try again later. An account of a private network needs bluesky.plc_url to be the address \
         of its directory.",
    ),
    Rule::new(
        "bluesky.did.document",
        REFUSED,
        "The account's DID is not sound, has no document, or one that names no host.",
        "Check the pdsUrl; whoever runs that host can say what is wrong with the DID.",
    ),
    Rule::new(
        "bluesky.did.host",
        REFUSED,
        "The host gave a session of an account that lives elsewhere, or was not asked for.",
        "Check the identifier, and connect the account with the pdsUrl that the message names.",
    ),
    Rule::new(
        "bluesky.account.taken_down",
        AUTH,
        "The account is suspended, deactivated or taken down, and may not publish.",
        "Settle this with the account's host.",
    ),
    Rule::new("bluesky.rejected", REFUSED, "The account's host rejected the post.", CHANGE),
    Rule::new(
        "bluesky.media.blob_missing",
        DISTURBED,
        "The host no longer has a file that was uploaded for the post.",
        "Publish it again.",
    ),
    Rule::new(
        "bluesky.publish.rkey_conflict",
        REFUSED,
        "Another record stands under the key of this post.",
        "Look at that record; publish again as a new post if it is not yours.",
    ),
    Rule::new("bluesky.internal", OURS, LOST, REPORT),
    // Pinterest.
    Rule::new(
        "pinterest.auth",
        AUTH,
        "Pinterest no longer takes the account's access, or that does not reach as far as boards.",
        "Connect the account again, and grant all that is asked for.",
    ),
    Rule::new(
        "pinterest.board.name_taken",
        REFUSED,
        "The account has a board of this name. It may be the one that an earlier request made \
         whose answer got lost.",
        "Choose a name that is unique within the account, or send {\"upsert\": true} to take the \
         board that is there.",
    ),
    Rule::new(
        "pinterest.board.upsert_ghost",
        REFUSED,
        "Pinterest says that the name is taken, but none of the boards that were looked at has it.",
        "Choose another name, or look for the board at Pinterest.",
    )
    .max(BOARDS_NAMED_MAX, "boards"),
    Rule::new(
        "pinterest.board.rejected",
        REFUSED,
        "Pinterest refused what was asked of the account's boards, or its answer makes no sense.",
        "Change what `platformResponse` names, then send the request again.",
    ),
    Rule::new(
        "pinterest.board.outcome_unknown",
        DISTURBED,
        "The board was asked for, and no usable answer came: it may have been made.",
        "Send the request again with {\"upsert\": true}: that takes the board if it was made, and \
         makes it if not. Pinterest makes no second board of one name.",
    ),
    // The sandbox.
    Rule::new(
        "sandbox.auth",
        AUTH,
        "The sandbox refused the account's credential, as it was asked to.",
        "Connect the account again.",
    ),
    Rule::new(
        "sandbox.rejected",
        REFUSED,
        "The sandbox rejected the post, as it was asked to.",
        CHANGE,
    ),
    Rule::new("sandbox.internal", OURS, LOST, REPORT),
];
