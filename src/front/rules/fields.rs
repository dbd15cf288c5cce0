//! Members of bodies and parameters of queries: an error about one names its path as the rule.

use super::rule::Rule;
use crate::model::{
    ALT_TEXT_BYTES_MAX, Code, KEY_NAME_CHARS_MAX, LIST_LIMIT_MAX, MEDIA_ITEMS_MAX,
    OPTION_BYTES_MAX, OPTION_ITEMS_MAX, PROFILE_SLUG_CHARS_MAX, SANDBOX_FAULTS_MAX,
    SANDBOX_LATENCY_MS_MAX, SCOPES_MAX, SEARCH_CHARS_MAX, TARGETS_MAX, TEXT_BYTES_MAX,
    URL_BYTES_MAX, WEBHOOK_DESCRIPTION_CHARS_MAX,
};

const ONE_OF: &str = "Use one of the words that the message lists.";
const FLAG: &str = "Write true or false, without quotes, or leave it out.";
const IDENTIFIER: &str = "Use a UUID as the API gave it, or leave it out.";
const CONNECT: &str = "POST /v1/accounts/connect/:platform describes the fields.";

pub(super) const RULES: &[Rule] = &[
    Rule::field(
        "body",
        "The body is of the wrong kind, or asks for nothing.",
        "Send a JSON object with at least one of the members that the message names.",
    ),
    // What is published.
    Rule::field(
        "targets",
        "The list of targets is missing, or one of them is no object.",
        "Send a list of objects, each with an accountId or a platform.",
    )
    .listed()
    .max(TARGETS_MAX, "targets"),
    Rule::field(
        "targets.N.accountId",
        "The account of a target is no UUID, or the target names neither account nor platform.",
        "Give an id from GET /v1/accounts, or a platform that has one connected account.",
    ),
    Rule::field("targets.N.platform", "The platform of a target is not known.", ONE_OF),
    Rule::shared(
        "text",
        "The text is no string, is empty, or is too long for any platform.",
        "Send a string with at least one character, or leave it out where media stand for it.",
    )
    .max(TEXT_BYTES_MAX, "bytes"),
    Rule::shared(
        "firstComment",
        "The first comment is no object.",
        "Send {\"text\": \"...\"}, or leave it out.",
    ),
    Rule::shared(
        "firstComment.text",
        "The first comment's text is no string, or is too long for any platform.",
        "Send a string; an empty one means no comment.",
    )
    .max(TEXT_BYTES_MAX, "bytes"),
    Rule::shared(
        "media",
        "The attachments are no list, are too many, or one of them has no kind or not one source.",
        "Give each attachment a kind, image or video, and exactly one of mediaId, url and \
         bytesBase64.",
    )
    .listed()
    .max(MEDIA_ITEMS_MAX, "attachments"),
    Rule::shared(
        "media.N.altText",
        "The description of an attachment is too long for any platform.",
        "Shorten it.",
    )
    .max(ALT_TEXT_BYTES_MAX, "bytes"),
    Rule::shared(
        "media.N.mediaId",
        "The id of an upload is not well formed.",
        "Use an id that begins with med_, as the upload's answer gave it.",
    ),
    Rule::shared(
        "media.N.url",
        "The address of an attachment is no absolute http or https URL.",
        "Write it whole, such as https://example.com/picture.jpg.",
    )
    .max(URL_BYTES_MAX, "bytes"),
    Rule::shared(
        "media.N.bytesBase64",
        "The bytes of an attachment are not base64, or there are none.",
        "Encode the file in standard base64 with padding, without line breaks.",
    ),
    Rule::shared(
        "options",
        "The options are of the wrong kind, or there are more than one for a platform.",
        "Send an object with a platform, or at the top a list with at most one a platform.",
    )
    .listed(),
    Rule::field(
        "publishNow",
        "publishNow is neither true nor false.",
        "Leave it out: a post without scheduledAt goes out now.",
    ),
    Rule::field(
        "scheduledAt",
        "The time is not understood, lacks a zone, or stands under another name or in a target.",
        "Send scheduledAt at the top level as RFC 3339 has it: 2026-05-08T12:00:00Z.",
    ),
    Rule::field("profileId", "The id of a profile is no UUID.", IDENTIFIER),
    Rule::field("deep", "deep is neither true nor false.", FLAG),
    Rule::field("force", "force is neither true nor false.", FLAG),
    // Options, by platform.
    Rule::option(
        "platform",
        "The options name no platform that is known, or one that has options already.",
        "Name each platform once; the message lists those there are.",
    ),
    text_option("replyToTweetId"),
    text_option("quoteTweetId"),
    text_option("boardId"),
    text_option("title"),
    text_option("replyToId"),
    text_option("replyToUri"),
    text_option("replyToCid"),
    text_option("replyRootUri"),
    text_option("replyRootCid"),
    url_option("destinationUrl"),
    url_option("coverImageUrl"),
    Rule::option("privacy", "Who may see the post is not one of the known words.", ONE_OF),
    Rule::option("disableComment", "disableComment is neither true nor false.", FLAG),
    Rule::option("disableDuet", "disableDuet is neither true nor false.", FLAG),
    Rule::option("disableStitch", "disableStitch is neither true nor false.", FLAG),
    Rule::option("brandContentToggle", "brandContentToggle is neither true nor false.", FLAG),
    Rule::option("brandOrganicToggle", "brandOrganicToggle is neither true nor false.", FLAG),
    Rule::option(
        "langs",
        "The languages are no list, or one of them is no language tag.",
        "Write languages as BCP 47 does: en, pt-BR, zh-Hant.",
    )
    .listed()
    .max(OPTION_ITEMS_MAX, "elements"),
    Rule::option(
        "tags",
        "The tags are no list of strings, or one of them is empty.",
        "Send a list of strings, each without the number sign.",
    )
    .listed()
    .max(OPTION_ITEMS_MAX, "elements"),
    Rule::option("class", "The class of the sandbox is not known.", ONE_OF),
    Rule::option(
        "latencyMs",
        "How long the sandbox should take is no whole number, or too large.",
        "Send a whole number of milliseconds from 0 on.",
    )
    .measured(SANDBOX_LATENCY_MS_MAX, "milliseconds"),
    Rule::option("faults", "The faults are no list of known words, or are too many.", ONE_OF)
        .listed()
        .max(SANDBOX_FAULTS_MAX, "faults"),
    Rule::field("targets.N.class", "The class of the sandbox is not known.", ONE_OF),
    Rule::field(
        "targets.N.latencyMs",
        "How long the sandbox should take is no whole number, or too large.",
        "Send a whole number of milliseconds from 0 on.",
    )
    .measured(SANDBOX_LATENCY_MS_MAX, "milliseconds"),
    Rule::field("targets.N.faults", "The faults are no list of known words.", ONE_OF)
        .listed()
        .max(SANDBOX_FAULTS_MAX, "faults"),
    // Queries.
    Rule::new(
        "platform",
        &[Code::ValidationFailed, Code::PlatformNotEnabled],
        "There is no platform of this name, or none that accounts can be connected on here.",
        ONE_OF,
    )
    .listed(),
    Rule::field("status", "A status to list by is not known.", ONE_OF).listed(),
    Rule::field("type", "A kind of event is not known.", ONE_OF).listed(),
    Rule::field(
        "after",
        "Where to begin is not understood: a time for posts, an event's id for events, a number \
         for the sandbox's timeline.",
        "Take it from the last page, or leave it out.",
    ),
    Rule::field(
        "before",
        "The time before which to list is not understood.",
        "Write it as RFC 3339 does: 2026-05-08T12:00:00Z.",
    ),
    Rule::field(
        "until",
        "The last event of a range is not well formed.",
        "Use an event's id, such as GET /v1/events gives, or leave it out.",
    ),
    Rule::field("q", "The text to search for is blank or too long.", "Shorten it or leave it out.")
        .max(SEARCH_CHARS_MAX, "characters"),
    Rule::field(
        "limit",
        "The size of a page is no whole number from 1 on, or more than the sandbox's timeline \
         gives at once. Other lists take more as a whole page; one of uploads is smaller.",
        "Leave it out for the usual size.",
    )
    .max(LIST_LIMIT_MAX, "elements a page"),
    Rule::field(
        "cursor",
        "The place to go on from is empty.",
        "Pass nextCursor of the page before, or leave it out.",
    ),
    // Webhook endpoints.
    Rule::field(
        "url",
        "The address of a webhook endpoint is missing, or no absolute http or https URL.",
        "Write it whole, such as https://example.com/hooks.",
    )
    .max(URL_BYTES_MAX, "bytes"),
    Rule::field("events", "The kinds of events are no list, or one is not known.", ONE_OF).listed(),
    Rule::field(
        "description",
        "The remark on a webhook endpoint, or what a board is about, is no string, or too long.",
        "Shorten it; null clears the remark on an endpoint.",
    )
    .max(WEBHOOK_DESCRIPTION_CHARS_MAX, "characters"),
    Rule::field("active", "active is neither true nor false.", FLAG),
    Rule::field(
        "eventId",
        "The event to deliver again is not well formed.",
        "Use an event's id, such as GET /v1/events gives.",
    ),
    // Profiles, keys and accounts.
    Rule::field(
        "name",
        "The name is missing, blank or too long. An account of the sandbox has a shorter one, of \
         letters, digits, dots, hyphens and underscores only.",
        "Give a short name that tells what it is for.",
    )
    .max(KEY_NAME_CHARS_MAX, "characters; the name of a profile or a board may have a few more"),
    Rule::field(
        "slug",
        "The short name of a profile has other characters than a-z, 0-9 and hyphens, or too many.",
        "Leave it out to have one made from the name.",
    )
    .max(PROFILE_SLUG_CHARS_MAX, "characters"),
    Rule::field("prefix", "The kind of API key is not known.", ONE_OF),
    Rule::field(
        "scopes",
        "The scopes are no list of strings, are too many, or one is not known.",
        "Use posts:read, posts:write and admin; leave them out for the first two.",
    )
    .listed()
    .max(SCOPES_MAX, "scopes"),
    Rule::field("identifier", "The handle or DID is missing or no string.", CONNECT),
    Rule::field(
        "appPassword",
        "The app password is missing, or is none.",
        "Make one in the account's settings; the account's own password does not do.",
    ),
    Rule::field(
        "pdsUrl",
        "The address of the account's host is no http or https URL.",
        "Leave it out for bsky.social, or give the host's address.",
    ),
    Rule::field(
        "state",
        "The state that the platform handed back is not of this server, is for another platform, \
         is over or was used before.",
        "Begin again: POST /v1/accounts/connect/:platform.",
    ),
    Rule::field("code", "The code that the platform handed back is missing.", CONNECT),
    Rule::field(
        "redirectUri",
        "The address that the platform sent the person to is missing, or no URL.",
        "Give the one that the connect began with.",
    ),
    Rule::field(
        "codeVerifier",
        "The code verifier is missing; this platform asks for a proof.",
        "Give the one that the connect began with.",
    ),
    Rule::field(
        "returnTo",
        "The address to return to after a connect is no string.",
        "Leave it out to see the result on a page of this server.",
    ),
    // Pinterest boards.
    Rule::field(
        "boardId",
        "The id of the board is missing, or no string.",
        "GET /v1/accounts/:id/pinterest/boards lists the boards there are.",
    ),
    Rule::field("privacy", "Who may see the board is not one of the known words.", ONE_OF),
    Rule::field("setAsDefault", "setAsDefault is neither true nor false.", FLAG),
    Rule::field("upsert", "upsert is neither true nor false.", FLAG),
    Rule::field(
        "ruling",
        "An operator's ruling is neither published nor failed.",
        "Look at the account, then rule with `fanfare batch rule <post> published` or `failed`.",
    ),
];

const fn text_option(name: &'static str) -> Rule {
    Rule::option(
        name,
        "The option is no string, is empty or too long, is missing beside another that needs it, \
         or excludes another.",
        "Send a string, together with the options that the message names.",
    )
    .max(OPTION_BYTES_MAX, "bytes")
}

const fn url_option(name: &'static str) -> Rule {
    Rule::option(
        name,
        "The option is no absolute http or https URL.",
        "Write it whole, such as https://example.com/page.",
    )
    .max(URL_BYTES_MAX, "bytes")
}
