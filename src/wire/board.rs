//! Pinterest boards: requests read, views written.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Reply;
use super::fault::to_bytes;
use super::issues::{Walk, parse_json};
use crate::model::{
    Account, AccountId, BOARD_DESCRIPTION_CHARS_MAX, BOARD_NAME_CHARS_MAX, Board, BoardPrivacy,
    Fault, NewBoard,
};

/// What `POST /v1/accounts/:id/pinterest/boards` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardRequest {
    /// The board.
    pub board: NewBoard,
    /// Whether Pins are to go there unless they name a board.
    pub set_as_default: bool,
    /// Whether a board of that name does as well.
    pub upsert: bool,
}

/// The board that an account's Pins go to unless they name one, as it stands among the account's
/// settings and on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DefaultBoard {
    default_board_id: Option<String>,
    default_board_name: Option<String>,
}

impl DefaultBoard {
    /// This board.
    pub fn new(board: &Board) -> Self {
        Self {
            default_board_id: Some(board.id.clone()),
            default_board_name: Some(board.name.clone()),
        }
    }

    /// The account's own; there may be none.
    pub fn of(account: &Account) -> Self {
        serde_json::from_str(&account.settings).unwrap_or_default()
    }

    /// Whether there is none.
    pub const fn is_none(&self) -> bool {
        self.default_board_id.is_none()
    }

    /// The settings of an account with this as its default board.
    pub fn among(&self, settings: &str) -> String {
        let mut all: Map<String, Value> = serde_json::from_str(settings).unwrap_or_default();
        if let Ok(Value::Object(own)) = serde_json::to_value(self) {
            all.extend(own);
        }
        Value::Object(all).to_string()
    }
}

/// Reads the body of `POST /v1/accounts/:id/pinterest/boards`.
///
/// # Errors
/// `validation_failed` with the member as its rule.
pub fn parse_board(body: &[u8]) -> Result<BoardRequest, Fault> {
    let value = parse_json(body)?;
    let mut walk = Walk::default();
    let read = walk.object(&value).and_then(|object| {
        let before = walk.count();
        let name = walk.required(object, "name", |walk, value| {
            walk.string(value)?;
            walk.chars_within(value, BOARD_NAME_CHARS_MAX)
        });
        let description = walk.optional(object, "description", |walk, value| {
            walk.chars_within(value, BOARD_DESCRIPTION_CHARS_MAX)
        });
        let privacy = walk.optional(object, "privacy", privacy);
        let set_as_default = walk.optional(object, "setAsDefault", Walk::boolean);
        let upsert = walk.optional(object, "upsert", Walk::boolean);
        (walk.count() == before).then_some(())?;
        Some(BoardRequest {
            board: NewBoard { name: name?, description, privacy },
            set_as_default: set_as_default.unwrap_or(false),
            upsert: upsert.unwrap_or(false),
        })
    });
    walk.finish(read).map(|(read, _)| read)
}

fn privacy(walk: &mut Walk, value: &Value) -> Option<BoardPrivacy> {
    let word = |known: &BoardPrivacy| value.as_str() == Some(known.as_str());
    let found = BoardPrivacy::ALL.into_iter().find(word);
    if found.is_none() {
        let words = BoardPrivacy::ALL.map(BoardPrivacy::as_str);
        walk.word("invalid_enum_value", Some(value), &words);
    }
    found
}

/// Reads the body of `PATCH /v1/accounts/:id/pinterest/default-board`: the board's id.
///
/// # Errors
/// `validation_failed` with the member as its rule.
pub fn parse_default_board(body: &[u8]) -> Result<String, Fault> {
    let value = parse_json(body)?;
    let mut walk = Walk::default();
    let read =
        walk.object(&value).and_then(|object| walk.required(object, "boardId", Walk::string));
    walk.finish(read).map(|(read, _)| read)
}

#[derive(Serialize)]
struct BoardBody<'a> {
    id: &'a str,
    name: &'a str,
    privacy: Option<&'a str>,
}

fn board_body(board: &Board) -> BoardBody<'_> {
    BoardBody { id: &board.id, name: &board.name, privacy: board.privacy.as_deref() }
}

/// Boards of an account, with the id of its default one.
pub fn boards_body(boards: &[Board], account: &Account) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct List<'a> {
        data: Vec<BoardBody<'a>>,
        default_board_id: Option<String>,
    }
    let default_board_id = DefaultBoard::of(account).default_board_id;
    to_bytes(&List { data: boards.iter().map(board_body).collect(), default_board_id })
}

/// What is said of a board that was made, or that was there already.
pub fn board_reply(board: &Board, existing: bool, is_default: bool) -> Reply {
    #[derive(Serialize)]
    struct Body<'a> {
        #[serde(flatten)]
        board: BoardBody<'a>,
        existing: bool,
        #[serde(flatten)]
        default: Option<DefaultBoard>,
    }
    let default = is_default.then(|| DefaultBoard::new(board));
    let body = to_bytes(&Body { board: board_body(board), existing, default });
    Reply { status: if existing { 200 } else { 201 }, body }
}

/// What is said of a board that Pins go to from now on.
pub fn default_board_reply(account: AccountId, board: &Board) -> Reply {
    #[derive(Serialize)]
    struct Body {
        id: String,
        #[serde(flatten)]
        default: DefaultBoard,
    }
    let body = to_bytes(&Body { id: account.to_string(), default: DefaultBoard::new(board) });
    Reply { status: 200, body }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn board(privacy: Option<&str>) -> Board {
        let privacy = privacy.map(str::to_owned);
        Board { id: "8812".to_owned(), name: "Charts".to_owned(), privacy }
    }

    fn text(reply: Reply) -> (u16, String) {
        (reply.status, String::from_utf8(reply.body).expect("text"))
    }

    #[test]
    fn a_board_is_read_whole() {
        let whole = r#"{"name":"Ä b","description":"","privacy":"SECRET","setAsDefault":true,
            "upsert":false,"more":1}"#;
        let expected = BoardRequest {
            board: NewBoard {
                name: "Ä b".to_owned(),
                description: Some(String::new()),
                privacy: Some(BoardPrivacy::Secret),
            },
            set_as_default: true,
            upsert: false,
        };
        assert_eq!(parse_board(whole.as_bytes()), Ok(expected));
        let least = json!({ "name": "ä".repeat(180), "description": "ä".repeat(500) });
        let least = parse_board(least.to_string().as_bytes()).expect("as long as may be");
        assert!(!least.set_as_default && !least.upsert && least.board.privacy.is_none());
        assert_eq!(parse_default_board(br#"{"boardId":"1"}"#).as_deref(), Ok("1"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let rule = |fault: Fault| fault.rule.unwrap_or_default();
        for (body, expected) in [
            (json!({}), "name"),
            (json!({ "name": "", "privacy": "x" }), "name"),
            (json!({ "name": "a".repeat(181) }), "name"),
            (json!({ "name": null }), "name"),
            (json!({ "name": "a", "description": "a".repeat(501) }), "description"),
            (json!({ "name": "a", "description": null }), "description"),
            (json!({ "name": "a", "privacy": "public" }), "privacy"),
            (json!({ "name": "a", "privacy": null }), "privacy"),
            (json!({ "name": "a", "setAsDefault": "yes" }), "setAsDefault"),
            (json!({ "name": "a", "upsert": 1 }), "upsert"),
            (json!([]), "body"),
            (Value::Null, "body"),
        ] {
            let refused = parse_board(body.to_string().as_bytes()).expect_err("refused");
            assert_eq!(rule(refused), expected, "{body}");
        }
        for (body, expected) in [
            ("{}", "boardId"),
            (r#"{"boardId":""}"#, "boardId"),
            (r#"{"boardId":7}"#, "boardId"),
            ("null", "body"),
            ("", "body.json"),
            ("{", "body.json"),
        ] {
            let refused = parse_default_board(body.as_bytes()).expect_err("refused");
            assert_eq!(rule(refused), expected, "{body}");
        }
    }

    #[test]
    fn members_stand_in_their_place() {
        let made = text(board_reply(&board(Some("PUBLIC")), false, false));
        let plain = r#"{"id":"8812","name":"Charts","privacy":"PUBLIC","existing":false}"#;
        assert_eq!(made, (201, plain.to_owned()));
        let found = text(board_reply(&board(None), true, true));
        let whole = r#"{"id":"8812","name":"Charts","privacy":null,"existing":true,"#.to_owned()
            + r#""defaultBoardId":"8812","defaultBoardName":"Charts"}"#;
        assert_eq!(found, (200, whole));
        let (status, body) = text(default_board_reply(AccountId::from_raw(7), &board(None)));
        assert_eq!(status, 200);
        let end = r#"0007","defaultBoardId":"8812","defaultBoardName":"Charts"}"#;
        assert!(body.starts_with(r#"{"id":"00000000-"#) && body.ends_with(end), "{body}");
    }

    #[test]
    fn it_stands_among_other_settings() {
        let chosen = DefaultBoard::new(&board(None));
        let settings = chosen.among(r#"{"defaultBoardId":"1","grantedScopes":"a"}"#);
        let expected = json!({ "defaultBoardId": "8812", "defaultBoardName": "Charts",
            "grantedScopes": "a" });
        assert_eq!(settings.parse::<Value>().ok(), Some(expected));
    }
}
