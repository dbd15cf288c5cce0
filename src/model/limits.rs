//! Every limit of ours, in one table. A platform's own limits stand in `preflight/limits.rs`.

use super::Millis;

/// The one organization of a server, as clients of the contract expect to read it.
pub const ORGANIZATION: &str = "00000000-0000-7000-8000-000000000000";

/// Targets in one request (the publishing guide: 25).
pub const TARGETS_MAX: usize = 25;
/// Characters of an `Idempotency-Key`.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;
/// A schedule must be at least this far ahead.
pub const SCHEDULE_LEAD_MIN: Millis = Millis(1_000);
/// A schedule may be at most this far ahead: two years.
pub const SCHEDULE_LEAD_MAX: Millis = Millis::from_secs(2 * 365 * 24 * 3_600);
/// Bytes of one journaled answer: enough to see what happened, small enough to keep for ever.
pub const EXCHANGE_BYTES_MAX: usize = 1_024;
/// Bytes of a platform's answer that we read at all.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Bytes of `platformResponse` in one error.
pub const PLATFORM_RESPONSE_BYTES_MAX: usize = 1_024;
/// Bytes of a text. The longest platform limit is Facebook's 63,206 characters.
pub const TEXT_BYTES_MAX: usize = 256 * 1_024;
/// Bytes of a URL: what browsers and servers take at the most.
pub const URL_BYTES_MAX: usize = 8_192;
/// Bytes of an alt text: twice what any platform takes, in the widest characters.
pub const ALT_TEXT_BYTES_MAX: usize = 32 * 1_024;
/// Bytes of one option: enough for every id and address there is.
pub const OPTION_BYTES_MAX: usize = 8_192;
/// Elements of a list among the options: above every platform's own limit, so that the platform's
/// rule decides wherever it can.
pub const OPTION_ITEMS_MAX: usize = 100;
/// Faults of one sandbox target: more attempts than any workflow makes.
pub const SANDBOX_FAULTS_MAX: usize = 16;
/// The longest wait a sandbox target may ask for, in milliseconds: past every timeout.
pub const SANDBOX_LATENCY_MS_MAX: u64 = 600_000;
/// Nesting of a JSON body: far above any real request, far below a stack.
pub const JSON_DEPTH_MAX: usize = 64;
/// Connects under way at once: far more than people begin in ten minutes, few enough to look
/// through at each.
pub const CONNECTS_PENDING_MAX: usize = 1_000;
/// Bytes of what Meta sends of a person: a signed request has a few hundred.
pub const META_CALL_BYTES_MAX: u64 = 16 * 1_024;
/// Bytes of all such calls in memory at once. Anybody may make them, so they have a share of their
/// own and take none from the API.
pub const META_CALLS_BYTES_MAX: u64 = 64 * META_CALL_BYTES_MAX;
/// Characters of a confirmation that its page repeats.
pub const META_CODE_CHARS_MAX: usize = 200;
/// Characters of a webhook endpoint's description.
pub const WEBHOOK_DESCRIPTION_CHARS_MAX: usize = 500;
/// Characters of a webhook endpoint's answer that the log keeps.
pub const WEBHOOK_ANSWER_CHARS_MAX: usize = 2_048;
/// Webhook endpoints of one server: each notice is looked at for each.
pub const WEBHOOK_ENDPOINTS_MAX: usize = 1_000;
/// Characters of an API key's name, and of one scope.
pub const KEY_NAME_CHARS_MAX: usize = 100;
/// Scopes of one API key: there are three that mean anything.
pub const SCOPES_MAX: usize = 20;
/// Profiles of one server at the most: a list shows all of them.
pub const PROFILES_MAX: usize = 10_000;
/// Characters of a profile's name.
pub const PROFILE_NAME_CHARS_MAX: usize = 120;
/// Characters of a profile's short name.
pub const PROFILE_SLUG_CHARS_MAX: usize = 64;
/// Characters of a Pinterest board's name.
pub const BOARD_NAME_CHARS_MAX: usize = 180;
/// Characters of a Pinterest board's description.
pub const BOARD_DESCRIPTION_CHARS_MAX: usize = 500;
/// Boards of an account that are looked through for a name that is taken.
pub const BOARDS_NAMED_MAX: usize = 250;
/// Boards of an account that are looked through for one: as many as Pinterest lets one have.
pub const BOARDS_MAX: usize = 2_000;
/// Posts of one list page when the caller names no limit.
pub const LIST_LIMIT_DEFAULT: usize = 50;
/// Posts of one list page at the most.
pub const LIST_LIMIT_MAX: usize = 200;
/// Characters of a search text.
pub const SEARCH_CHARS_MAX: usize = 200;
/// Media items on one target; the widest platform takes 20.
pub const MEDIA_ITEMS_MAX: usize = 35;
/// Bytes of one media file fetched from an address, as of one uploaded (200 MiB).
pub const MEDIA_BYTES_MAX: u64 = 200 << 20;
/// Bytes of an upload beside its file: boundaries, part headers, and fields that are not looked at.
pub const UPLOAD_FRAME_BYTES_MAX: u64 = 1 << 20;
/// Bytes of an upload that are held until they make sense: what comes before the first part, and
/// the header of a part. A real header has a few hundred.
pub const PART_HEADER_BYTES_MAX: u64 = 128 * 1_024;
/// How long an upload may stand still. The whole of it may take as long as the line needs.
pub const UPLOAD_PAUSE_MAX: Millis = Millis::from_secs(60);
/// Characters of a declared MIME type; RFC 6838 allows 127 on each side of the slash.
pub const MIME_CHARS_MAX: usize = 255;
/// How long the address of an upload can be fetched: a platform pulls within minutes, and whoever
/// lists uploads gets fresh addresses.
pub const MEDIA_LINK_LIFE: Millis = Millis::from_secs(7 * 24 * 3_600);
/// Uploads of one list page when the caller names no limit.
pub const MEDIA_LIST_LIMIT_DEFAULT: usize = 50;
/// Uploads of one list page at the most; a higher limit counts as this one.
pub const MEDIA_LIST_LIMIT_MAX: usize = 100;
/// Names looked up at once, for each of platforms, media and webhooks: a resolver that does not
/// answer holds a thread for each, of the 512 that also read lists and files.
pub const NAMES_LOOKED_UP_MAX: usize = 128;
/// Accounts, credentials and API keys that the store keeps at hand: a few hundred bytes each.
pub const KNOWN_ROWS_MAX: usize = 1_024;
/// Pages of lists that are kept until the next commit: those that a few people look at.
pub const LIST_PAGES_KEPT_MAX: usize = 16;
/// Bytes of such a page: a hundred posts have a hundred kilobytes.
pub const LIST_PAGE_KEPT_BYTES_MAX: usize = 256 * 1_024;
/// Hops of a media address.
pub const MEDIA_REDIRECTS_MAX: usize = 3;
/// The shortest torture that proves something.
pub const SELFTEST_SPAN_MIN: Millis = Millis::from_secs(5);
/// The longest torture: the disk fills, and what was sent is kept in memory to be checked.
pub const SELFTEST_SPAN_MAX: Millis = Millis::from_secs(3_600);
/// Free room in bytes below which no torture begins, and one that goes on ends early (1 GiB): the
/// disk is the operator's, whose server may be writing to it.
pub const SELFTEST_FREE_BYTES_MIN: u64 = 1 << 30;
