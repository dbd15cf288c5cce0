//! What Pinterest answers.

use serde_json::Value;

use super::super::answer::{disturbed, header, no_answer, not_sent, response_json};
use super::super::codec::Answer;
use crate::model::{BOARDS_NAMED_MAX, Board, Code, Fault, Platform, SendOutcome};

/// What Pinterest calls a name that another board of the account has.
const NAME_TAKEN: i64 = 58;
/// The rest after a rate limit that names no end, in seconds.
const REST_UNNAMED_S: u32 = 60;
/// No rest is longer than a day: a longer one is asked for again.
const REST_MAX_S: u32 = 86_400;

/// A page of boards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardPage {
    /// The boards, in Pinterest's order.
    pub boards: Vec<Board>,
    /// Where the next page begins, if there is one.
    pub bookmark: Option<String>,
}

/// Why no board was made.
#[derive(Debug, Clone)]
pub enum BoardRefusal {
    /// The account has a board of that name.
    NameTaken(Fault),
    /// Something else; or it is not known whether one was made.
    Other(Fault),
}

/// Whether Pinterest did not take the access token.
pub fn refused_access(answer: &Answer) -> bool {
    matches!(answer, Answer::Heard { status: 401, .. })
}

/// Reads a page of boards.
///
/// # Errors
/// What a client is told instead.
pub fn read_boards(answer: &Answer) -> Result<BoardPage, Fault> {
    match answer {
        Answer::Heard { status: 200..300, body, .. } => page(body).ok_or_else(|| {
            let message = "pinterest's answer is no list of boards";
            rejected(message).response(response_json(Some(200), body))
        }),
        Answer::Heard { status: status @ 500.., body, .. } => {
            Err(disturbed(Platform::Pinterest, *status, body))
        }
        Answer::Heard { status, headers, body, .. } => Err(refusal(*status, headers, body)),
        Answer::NotSent { why } => Err(not_sent(Platform::Pinterest, why)),
        Answer::MaybeSent { why } => Err(unavailable(format!("pinterest gave no answer: {why}"))
            .response(no_answer(why))
            .remedy("Try again later.")
            .retryable()),
        Answer::Snapshot(_) | Answer::SnapshotFailed { .. } => Err(rejected("nothing was asked")),
    }
}

/// Reads the board that was made.
///
/// # Errors
/// See `BoardRefusal`.
pub fn read_board(answer: &Answer) -> Result<Board, BoardRefusal> {
    let fault = match answer {
        Answer::Heard { status: status @ 200..300, body, .. } => {
            let read = serde_json::from_slice(body).ok().and_then(|value| board(&value));
            return read.ok_or_else(|| {
                let why = "its answer is no board";
                BoardRefusal::Other(unknown(why, response_json(Some(*status), body)))
            });
        }
        // A server that breaks off may have made the board before it did.
        Answer::Heard { status: status @ 500.., body, .. } => {
            unknown(&format!("it answered {status}"), response_json(Some(*status), body))
        }
        Answer::Heard { status, body, .. } if is_taken(body) => {
            return Err(BoardRefusal::NameTaken(taken(*status, body)));
        }
        Answer::Heard { status, headers, body, .. } => {
            refusal(*status, headers, body).outcome(SendOutcome::Rejected)
        }
        Answer::NotSent { why } => not_sent(Platform::Pinterest, why),
        Answer::MaybeSent { why } => unknown(why, no_answer(why)),
        Answer::Snapshot(_) | Answer::SnapshotFailed { .. } => rejected("nothing was asked"),
    };
    Err(BoardRefusal::Other(fault))
}

/// The fault of a name that is taken by a board which the account does not list.
pub fn name_hidden(taken: &Fault) -> Fault {
    let message = format!(
        "pinterest says that the account has a board of this name, but none of its first \
         {BOARDS_NAMED_MAX} boards has it"
    );
    Fault::new(Code::PlatformRejected, message)
        .rule("pinterest.board.upsert_ghost")
        .on(Platform::Pinterest)
        .response(taken.platform_response.clone().unwrap_or_default())
        .remedy("Choose another name, or look for the board at Pinterest.")
        .outcome(SendOutcome::Rejected)
}

/// The fault of a board that is not among the account's.
pub fn unknown_board() -> Fault {
    Fault::new(Code::NotFound, "the account has no board with this id")
        .rule("pinterest.board.unknown")
        .on(Platform::Pinterest)
        .remedy("GET /v1/accounts/:id/pinterest/boards lists the boards there are.")
}

fn page(body: &[u8]) -> Option<BoardPage> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let boards = value["items"].as_array()?.iter().filter_map(board).collect();
    let bookmark = value["bookmark"].as_str().filter(|text| !text.is_empty());
    Some(BoardPage { boards, bookmark: bookmark.map(str::to_owned) })
}

fn board(value: &Value) -> Option<Board> {
    let text = |name: &str| value[name].as_str().filter(|text| !text.is_empty());
    Some(Board {
        id: text("id")?.to_owned(),
        name: text("name")?.to_owned(),
        privacy: text("privacy").map(str::to_owned),
    })
}

fn is_taken(body: &[u8]) -> bool {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    value["code"].as_i64() == Some(NAME_TAKEN)
}

fn taken(status: u16, body: &[u8]) -> Fault {
    Fault::new(Code::PlatformRejected, "the account has a board of this name already")
        .rule("pinterest.board.name_taken")
        .on(Platform::Pinterest)
        .response(response_json(Some(status), body))
        .remedy(
            "A board's name must be unique within its account: choose another one, or send \
             \"upsert\": true to take the board that is there. It may be the one that an earlier \
             request of yours made, if that got no answer.",
        )
        .outcome(SendOutcome::Rejected)
}

/// An answer below 500 that is no success.
fn refusal(status: u16, headers: &[(String, String)], body: &[u8]) -> Fault {
    let fault = match status {
        401 | 403 => {
            let message = "pinterest does not let this server at the account's boards";
            Fault::new(Code::PlatformAuthFailed, message)
                .rule("pinterest.auth")
                .on(Platform::Pinterest)
                .remedy("Connect the account again, and grant boards:read and boards:write.")
        }
        429 => {
            let rest = rest_s(headers);
            unavailable(format!("pinterest limits this account for another {rest} s"))
                .remedy("Wait as many seconds as Retry-After says.")
                .outcome(SendOutcome::Rejected)
                .retry_after(rest)
        }
        _ => rejected(&format!("pinterest answered {status}")),
    };
    fault.response(response_json(Some(status), body))
}

/// How many seconds a rate limit asks us to rest.
fn rest_s(headers: &[(String, String)]) -> u32 {
    let secs = |name| header(headers, name).and_then(|text| text.trim().parse::<f64>().ok());
    let named = secs("retry-after").or_else(|| secs("x-ratelimit-reset"));
    let named = named.filter(|secs| *secs >= 0.0).map(f64::ceil);
    named.map_or(REST_UNNAMED_S, |secs| whole(secs.min(f64::from(REST_MAX_S))).max(1))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is not negative, and no more than a day"
)]
const fn whole(secs: f64) -> u32 {
    secs as u32
}

fn unavailable(message: String) -> Fault {
    Fault::new(Code::PlatformUnavailable, message)
        .rule("pinterest.unavailable")
        .on(Platform::Pinterest)
}

fn rejected(message: &str) -> Fault {
    Fault::new(Code::PlatformRejected, message)
        .rule("pinterest.board.rejected")
        .on(Platform::Pinterest)
        .remedy("Change what `platformResponse` names, then send the request again.")
}

/// The fault of a board that may have been made.
fn unknown(why: &str, response: String) -> Fault {
    let message = format!("whether pinterest made the board is not known: {why}");
    Fault::new(Code::PlatformUnavailable, message)
        .rule("pinterest.board.outcome_unknown")
        .on(Platform::Pinterest)
        .response(response)
        .remedy(
            "Send the request again with \"upsert\": true: that takes the board if it was made, \
             and makes it if not. Pinterest makes no second board of one name.",
        )
        .outcome(SendOutcome::Unknown)
        .retryable()
}
