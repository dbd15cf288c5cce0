//! Uploads, as the contract shows them, and the query that lists them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::Reply;
use super::fault::to_bytes;
use crate::model::{
    Code, Fault, MEDIA_LIST_LIMIT_DEFAULT, MEDIA_LIST_LIMIT_MAX, MediaId, MediaObject, ProfileId,
    Timestamp,
};

/// The place of an upload in the list of all.
pub type UploadPlace = (Timestamp, MediaId);

/// Which uploads to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadQuery {
    /// Only those of this profile; `Some(None)` for an id that can match none.
    pub profile: Option<Option<ProfileId>>,
    /// Uploads a page.
    pub limit: usize,
    /// Only those below this one: where the last page ended.
    pub cursor: Option<UploadPlace>,
}

/// Reads the query string of `GET /v1/media`.
///
/// # Errors
/// `validation_failed`, rule `limit`.
pub fn parse_uploads(query: &str) -> Result<UploadQuery, Fault> {
    let mut asked = UploadQuery { profile: None, limit: MEDIA_LIST_LIMIT_DEFAULT, cursor: None };
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "profileId" if !value.is_empty() => asked.profile = Some(value.parse().ok()),
            "limit" if !value.is_empty() => asked.limit = limit(&value)?,
            "cursor" => asked.cursor = read_cursor(&value),
            _ => {}
        }
    }
    Ok(asked)
}

/// The whole number that a text begins with, as the contract reads it: `12abc` is 12.
fn limit(text: &str) -> Result<usize, Fault> {
    let text = text.trim_start();
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    match text[..end].trim_start_matches('0') {
        "" => Err(Fault::new(Code::ValidationFailed, "limit is no whole number of at least 1")
            .rule("limit")
            .remedy(format!("Give 1 to {MEDIA_LIST_LIMIT_MAX}, or leave limit out."))),
        // So many digits that they fit no number are more than the limit too.
        digits => Ok(digits.parse().unwrap_or(usize::MAX).min(MEDIA_LIST_LIMIT_MAX)),
    }
}

fn read_cursor(text: &str) -> Option<UploadPlace> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (at, id) = bytes.split_first_chunk::<8>()?;
    let id = std::str::from_utf8(id).ok()?.parse().ok()?;
    Some((Timestamp::from_millis(i64::from_be_bytes(*at)), id))
}

fn cursor_of((at, id): UploadPlace) -> String {
    URL_SAFE_NO_PAD.encode([&at.as_millis().to_be_bytes()[..], id.bytes()].concat())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    id: String,
    url: &'a str,
    content_type: &'a str,
    size_bytes: u64,
    sha256: String,
    profile_id: String,
    created_at: String,
}

fn body<'a>(object: &'a MediaObject, url: &'a str) -> Body<'a> {
    Body {
        id: object.id.to_string(),
        url,
        content_type: &object.mime,
        size_bytes: object.bytes,
        sha256: object.digest.to_string(),
        profile_id: object.profile.to_string(),
        created_at: object.created_at.to_string(),
    }
}

/// One upload with the address it can be fetched from.
pub fn upload_reply(status: u16, object: &MediaObject, url: &str) -> Reply {
    Reply { status, body: to_bytes(&body(object, url)) }
}

/// One page of uploads with their addresses; `next` is where it ended, if there is more.
pub fn uploads_reply(page: &[(MediaObject, String)], next: Option<UploadPlace>) -> Reply {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Page<'a> {
        data: Vec<Body<'a>>,
        next_cursor: Option<String>,
    }
    let data = page.iter().map(|(object, url)| body(object, url)).collect();
    let page = Page { data, next_cursor: next.map(cursor_of) };
    Reply { status: 200, body: to_bytes(&page) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_read_as_the_contract_reads_it() {
        let check = |query: &str, expected: usize| {
            assert_eq!(parse_uploads(query).expect(query).limit, expected, "{query}");
        };
        check("", 50);
        check("limit=", 50);
        check("limit=12abc", 12);
        check("limit=%2012", 12);
        check("limit=007", 7);
        check("limit=1.9", 1);
        check("limit=101", 100);
        check("limit=99999999999999999999999999", 100);
        for bad in ["limit=0", "limit=00x", "limit=-1", "limit=abc", "limit=.5", "limit=%20"] {
            let fault = parse_uploads(bad).expect_err(bad);
            assert_eq!(fault.rule.as_deref(), Some("limit"), "{bad}");
        }
    }

    #[test]
    fn a_cursor_leads_back_to_its_place_and_garbage_to_the_start() {
        let place = (Timestamp::from_millis(1_800_000_000_123), MediaId::fresh(9));
        let query = format!("cursor={}&profileId=", cursor_of(place));
        let asked = parse_uploads(&query).expect("it holds");
        assert_eq!((asked.cursor, asked.profile), (Some(place), None));
        for garbage in ["cursor=", "cursor=%21", "cursor=AAAA", "cursor=AAAAAAAAAAAAAAAA"] {
            assert_eq!(parse_uploads(garbage).expect("it holds").cursor, None, "{garbage}");
        }
        assert_eq!(parse_uploads("profileId=x").expect("it holds").profile, Some(None));
    }
}
