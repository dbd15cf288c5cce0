//! Rules about the exchange itself, and failures of this server.

use super::rule::Rule;
use crate::front::server::HEADER_BYTES_MAX;
use crate::model::Code;

const INVALID: &[Code] = &[Code::ValidationFailed];
const OURS: &[Code] = &[Code::InternalError];
const REPORT: &str = "Look at the post before publishing it again; report the request id and the \
                      post's journal.";

pub(super) const RULES: &[Rule] = &[
    // HTTP.
    Rule::new(
        "http.route",
        &[Code::NotFound],
        "There is nothing at this path, or not for this method.",
        "Check the method and the path; paths have no trailing slash. GET / lists them.",
    ),
    Rule::new(
        "http.malformed",
        INVALID,
        "The bytes received are no well-formed HTTP/1.1 request.",
        "Speak plain HTTP/1.1 here; TLS belongs in front of this server.",
    ),
    Rule::new(
        "http.header_max",
        INVALID,
        "The header of the request is too large.",
        "Send fewer or shorter header lines.",
    )
    .max(HEADER_BYTES_MAX, "bytes"),
    Rule::new(
        "http.target",
        INVALID,
        "The request's target is no path of this server.",
        "Send a path that begins with a slash, or a whole address; this is no proxy.",
    ),
    Rule::new(
        "http.transfer_encoding",
        INVALID,
        "The body is coded in a way that is not understood here.",
        "Send the body as it is, with a Content-Length or as Transfer-Encoding: chunked.",
    ),
    Rule::new(
        "http.host",
        INVALID,
        "The request names no host, or more than one.",
        "Send one Host header with the host and port of this server.",
    ),
    Rule::new(
        "http.version",
        INVALID,
        "HTTP/2 is not spoken here.",
        "Speak HTTP/1.1, or let a proxy in front of this server speak HTTP/2 to its clients.",
    ),
    Rule::new(
        "http.header_timeout",
        INVALID,
        "The header of the request did not arrive in time; server.header_timeout_ms says how long \
         it may take.",
        "Send it without pauses.",
    ),
    Rule::new(
        "http.uri_max",
        INVALID,
        "The path of the request is too long.",
        "Shorten the path or the query.",
    ),
    Rule::new(
        "body.size_max",
        INVALID,
        "The body, or what it would become, is larger than is taken; server.body_bytes_max says \
         how large one may be.",
        "Send less, give media by url, or split the request into several.",
    ),
    Rule::new(
        "body.timeout",
        INVALID,
        "The body did not arrive in time; server.body_timeout_ms says how long it may take.",
        "Send it without pauses.",
    ),
    Rule::new(
        "body.incomplete",
        INVALID,
        "The body broke off before its end.",
        "Send as many bytes as Content-Length says, or well-formed chunks.",
    ),
    // The server.
    Rule::new(
        "server.busy",
        OURS,
        "The server has more to do than it can take, or is stopping. `outcome` says whether the \
         request may have been taken.",
        "Send the same request again, with the same Idempotency-Key, after Retry-After.",
    ),
    Rule::new(
        "server.connections_max",
        OURS,
        "Too many requests are being answered at once.",
        "Try again in a second; the operator may raise server.connections_max.",
    ),
    Rule::new(
        "server.stopping",
        OURS,
        "The server is stopping; nothing of this request was taken.",
        "Repeat it with the same Idempotency-Key when the server is back.",
    ),
    Rule::new(
        "server.panic",
        OURS,
        "A mistake of the server ended this request.",
        "Repeat it with the same Idempotency-Key; report the request id to the operator.",
    ),
    Rule::new(
        "server.request",
        OURS,
        "The request could not be read, and no reason was noted.",
        "Report this with the request id.",
    ),
    Rule::new(
        "server.batch",
        OURS,
        "The request could not be made into a batch.",
        "Report this with the request id.",
    ),
    Rule::new("server.attempt", OURS, "A mistake of the server ended an attempt.", REPORT),
    Rule::new(
        "store.read",
        OURS,
        "A record cannot be read.",
        "Give the request id to the operator; `fanfare journal verify` names the record.",
    ),
    Rule::new(
        "media.store",
        OURS,
        "An attachment's bytes cannot be kept or read.",
        "Send the request again; the operator finds the reason in the log.",
    ),
    Rule::new(
        "backup.refused",
        INVALID,
        "A backup may not be made or removed as it was asked.",
        "The message says what stands in the way.",
    ),
    Rule::new(
        "backup.failed",
        OURS,
        "A backup could not be made, read or removed.",
        "The message names the file or the record; make room or repair, then try again.",
    ),
    // The sandbox's own side.
    Rule::new(
        "sandbox.enabled",
        &[Code::NotFound],
        "The sandbox is switched off.",
        "Set sandbox.enabled = true and start the server again.",
    ),
    Rule::new(
        "sandbox.log",
        OURS,
        "The sandbox's log cannot be read.",
        "Give the request id to the operator, who finds the reason in the log.",
    ),
];
