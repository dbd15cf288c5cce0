//! What Pinterest is asked.

use serde_json::json;
use url::form_urlencoded::Serializer;

use super::super::codec::{Body, Reach, Request};
use crate::model::{BoardPrivacy, NewBoard};

/// Boards of one page. Pinterest gives up to 250, but so many may be more than we read of an
/// answer.
const PAGE: usize = 100;

/// Asks for a page of the account's boards: the first one, or the one at a bookmark.
pub fn list_boards(base_url: &str, bookmark: Option<&str>) -> Request {
    let mut query = Serializer::new(String::new());
    query.append_pair("page_size", &PAGE.to_string());
    if let Some(bookmark) = bookmark {
        query.append_pair("bookmark", bookmark);
    }
    Request {
        method: "GET",
        url: format!("{base_url}/v5/boards?{}", query.finish()),
        headers: vec![("accept", "application/json".to_owned())],
        bearer: true,
        body: Body::Empty,
        reach: Reach::Public,
        fault: None,
    }
}

/// Makes a board.
pub fn create_board(base_url: &str, board: &NewBoard) -> Request {
    let mut body = json!({ "name": board.name });
    if let Some(description) = &board.description {
        body["description"] = json!(description);
    }
    if let Some(privacy) = board.privacy.map(BoardPrivacy::as_str) {
        body["privacy"] = json!(privacy);
    }
    Request {
        method: "POST",
        url: format!("{base_url}/v5/boards"),
        headers: vec![
            ("accept", "application/json".to_owned()),
            ("content-type", "application/json".to_owned()),
        ],
        bearer: true,
        body: Body::Bytes(body.to_string().into_bytes()),
        reach: Reach::Public,
        fault: None,
    }
}
