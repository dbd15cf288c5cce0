//! The query of `GET /v1/posts`, and its answer.

use base64::Engine as _;
use serde_json::Value;

use super::Links;
use super::fault::write_to;
use super::issues::{Note, Walk, clip};
use super::post::{AccountWords, POST_BYTES, post_status, write_post};
use crate::model::{
    Batch, Fault, LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX, Platform, PostId, ProfileId,
    SEARCH_CHARS_MAX, Target, TargetIx, Timestamp,
};

/// What to list. Everything given must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// Only posts of this profile; `Some(None)` for an id that can match none.
    pub profile: Option<Option<ProfileId>>,
    /// Only these platforms, if any are named.
    pub platforms: Vec<Platform>,
    /// Only these statuses, if any are named.
    pub statuses: Vec<&'static str>,
    /// Only these error codes, if any are named.
    pub error_codes: Vec<String>,
    /// Only texts that contain this, in lower case.
    pub search: Option<String>,
    /// Only posts created at this instant or later.
    pub after: Option<Timestamp>,
    /// Only posts created before this instant.
    pub before: Option<Timestamp>,
    /// Posts a page.
    pub limit: usize,
    /// Only posts below this one: where the last page ended.
    pub cursor: Option<PostId>,
}

const STATUSES: [&str; 7] =
    ["queued", "validated", "publishing", "published", "failed", "rejected", "canceled"];

/// Reads the query string of `GET /v1/posts`.
///
/// # Errors
/// `validation_failed` with the parameter as the rule.
pub fn parse_list(query: &str) -> Result<ListQuery, Fault> {
    let pairs: Vec<(String, String)> =
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let one = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, v)| v.as_str());
    let many = |name: &str| -> Vec<String> {
        let bracketed = format!("{name}[]");
        let named = pairs.iter().filter(|(key, _)| key == name || *key == bracketed);
        let parts = named.flat_map(|(_, value)| value.split(','));
        parts.map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    };
    let mut walk = Walk::default();
    let names = Platform::ALL.map(Platform::as_str);
    let platforms = words(&mut walk, "platform", &many("platform"), &names);
    let statuses = words(&mut walk, "status", &many("status"), &STATUSES);
    let after = instant(&mut walk, "after", one("after"));
    let before = instant(&mut walk, "before", one("before"));
    let search = one("q").and_then(|text| search(&mut walk, text));
    let limit = one("limit").map_or(Some(LIST_LIMIT_DEFAULT), |text| limit(&mut walk, text));
    if one("cursor") == Some("") {
        walk.at("cursor", |walk| walk.issue("too_small", "cursor is empty; leave it out"));
    }
    let query = limit.map(|limit| ListQuery {
        profile: one("profileId").filter(|id| !id.is_empty()).map(|id| id.parse().ok()),
        platforms: platforms.iter().filter_map(|name| name.parse().ok()).collect(),
        statuses,
        error_codes: many("errorCode"),
        search,
        after,
        before,
        limit,
        cursor: one("cursor").and_then(read_cursor),
    });
    walk.finish(query).map(|(query, _)| query)
}

fn words(
    walk: &mut Walk,
    name: &str,
    texts: &[String],
    known: &[&'static str],
) -> Vec<&'static str> {
    let mut out = Vec::new();
    for (place, text) in texts.iter().enumerate() {
        match known.iter().find(|word| *word == text) {
            Some(word) => out.push(*word),
            None => walk.at(name, |walk| {
                walk.at_place(place, |walk| {
                    walk.word("invalid_enum_value", Some(&Value::from(text.as_str())), known);
                });
            }),
        }
    }
    out
}

fn instant(walk: &mut Walk, name: &str, text: Option<&str>) -> Option<Timestamp> {
    // A plus sign that was not escaped arrives as a space.
    let value = Value::from(text?.replace(' ', "+"));
    walk.at(name, |walk| super::schedule::time(walk, &value))
}

fn search(walk: &mut Walk, text: &str) -> Option<String> {
    let trimmed = text.trim();
    if trimmed.is_empty() || trimmed.chars().count() > SEARCH_CHARS_MAX {
        walk.at("q", |walk| {
            let message = format!("q needs 1 to {SEARCH_CHARS_MAX} characters, blanks aside");
            walk.note(Note::new("invalid_string", message).hint("maximum", SEARCH_CHARS_MAX));
        });
        return None;
    }
    Some(trimmed.to_lowercase())
}

/// More than a page may hold is taken as a page: n8n lets its users ask for it.
fn limit(walk: &mut Walk, text: &str) -> Option<usize> {
    match text.parse::<usize>() {
        Ok(limit) if limit >= 1 => Some(limit.min(LIST_LIMIT_MAX)),
        _ => {
            walk.at("limit", |walk| {
                let shown = clip(text);
                let message = format!("limit is {shown:?}; expected a whole number, 1 or more");
                walk.note(Note::new("invalid_type", message).hint("minimum", 1));
            });
            None
        }
    }
}

/// The cursor that continues below a post.
pub fn cursor_of(post: PostId) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(post.raw().to_be_bytes())
}

fn read_cursor(text: &str) -> Option<PostId> {
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok()?;
    Some(PostId::from_raw(u128::from_be_bytes(bytes.try_into().ok()?)))
}

impl ListQuery {
    /// Whether a target is listed, its place aside.
    pub fn matches(&self, batch: &Batch, target: &Target) -> bool {
        let status = post_status(target);
        let code = super::batch::fault_of(target).map(|fault| fault.code.as_str());
        let text = || batch.content_of(target).text.to_lowercase();
        self.profile.is_none_or(|profile| profile == Some(target.profile))
            && (self.platforms.is_empty() || self.platforms.contains(&target.platform))
            && (self.statuses.is_empty() || self.statuses.contains(&status))
            && (self.error_codes.is_empty()
                || code.is_some_and(|code| self.error_codes.iter().any(|held| held == code)))
            && self.after.is_none_or(|after| batch.created_at >= after)
            && self.before.is_none_or(|before| batch.created_at < before)
            && self.search.as_ref().is_none_or(|search| text().contains(search))
    }
}

/// A page as it grows: every post is written once, where it stays.
#[derive(Debug)]
pub struct PostPage {
    out: Vec<u8>,
    posts: usize,
}

impl PostPage {
    /// An empty page, with room for so many posts.
    pub fn new(posts: usize) -> Self {
        let mut out = Vec::with_capacity(posts * POST_BYTES + 64);
        out.extend_from_slice(b"{\"data\":[");
        Self { out, posts: 0 }
    }

    /// Adds a post, if its batch has it.
    pub fn push(&mut self, batch: &Batch, ix: TargetIx, account: &AccountWords, links: &Links) {
        let end = self.out.len();
        if self.posts > 0 {
            self.out.push(b',');
        }
        if write_post(&mut self.out, batch, ix, account, links) {
            self.posts += 1;
        } else {
            self.out.truncate(end);
        }
    }

    /// How many posts it holds.
    pub const fn posts(&self) -> usize {
        self.posts
    }

    /// The page; `next` is the last post, if there are more below it.
    pub fn finish(mut self, next: Option<PostId>) -> Vec<u8> {
        self.out.extend_from_slice(b"],\"nextCursor\":");
        write_to(&mut self.out, &next.map(cursor_of));
        self.out.push(b'}');
        self.out
    }
}
