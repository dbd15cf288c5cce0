//! Profiles and API keys: requests read, views written.

use serde::Serialize;
use serde_json::Value;

use super::Reply;
use super::fault::to_bytes;
use super::issues::{Note, Walk, parse_json};
use crate::model::{
    ApiKey, Fault, KEY_NAME_CHARS_MAX, KeyPrefix, PROFILE_NAME_CHARS_MAX, PROFILE_SLUG_CHARS_MAX,
    Profile, ProfileId, SCOPES_MAX, Secret, Timestamp,
};

/// A profile that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileRequest {
    /// Its name, trimmed.
    pub name: String,
    /// Its short name; made from the name if it is left out.
    pub slug: Option<String>,
}

/// What is to change about a profile; at least one member is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProfilePatch {
    /// Another name.
    pub name: Option<String>,
    /// Another short name.
    pub slug: Option<String>,
}

/// A key that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRequest {
    /// A name for people.
    pub name: String,
    /// Live or test.
    pub prefix: KeyPrefix,
    /// What it may do.
    pub scopes: Vec<String>,
    /// The one profile it may act on.
    pub profile: Option<ProfileId>,
}

/// Reads the body of `POST /v1/profiles`.
///
/// # Errors
/// `validation_failed` with the member as its rule.
pub fn parse_profile(body: &[u8]) -> Result<ProfileRequest, Fault> {
    let value = parse_json(body)?;
    let mut walk = Walk::default();
    let read = walk.object(&value).and_then(|object| {
        let name = walk.required(object, "name", profile_name);
        let before = walk.count();
        let slug = walk.optional(object, "slug", slug);
        (walk.count() == before).then_some(())?;
        Some(ProfileRequest { name: name?, slug })
    });
    walk.finish(read).map(|(read, _)| read)
}

/// Reads the body of `PATCH /v1/profiles/:id`.
///
/// # Errors
/// `validation_failed`; rule `body` when it changes nothing.
pub fn parse_profile_patch(body: &[u8]) -> Result<ProfilePatch, Fault> {
    let value = parse_json(body)?;
    let mut walk = Walk::default();
    let read = walk.object(&value).and_then(|object| {
        let before = walk.count();
        let name = walk.optional(object, "name", profile_name);
        let slug = walk.optional(object, "slug", slug);
        if walk.count() > before {
            return None;
        }
        if name.is_none() && slug.is_none() {
            walk.issue("custom", "give at least one of name and slug to change");
            return None;
        }
        Some(ProfilePatch { name, slug })
    });
    walk.finish(read).map(|(read, _)| read)
}

/// Reads the body of `POST /v1/api-keys`.
///
/// # Errors
/// `validation_failed` with the member as its rule.
pub fn parse_key(body: &[u8]) -> Result<KeyRequest, Fault> {
    let value = parse_json(body)?;
    let mut walk = Walk::default();
    let read = walk.object(&value).and_then(|object| {
        let before = walk.count();
        let name = walk.required(object, "name", |walk, value| {
            let text = walk.chars_within(value, KEY_NAME_CHARS_MAX)?;
            non_empty(walk, text)
        });
        let prefix = walk.optional(object, "prefix", prefix).unwrap_or(KeyPrefix::Live);
        let scopes = walk.optional(object, "scopes", scopes).unwrap_or_default();
        let profile = match object.get("profileId") {
            None | Some(Value::Null) => None,
            Some(value) => walk.at("profileId", |walk| walk.parsed(value, "a UUID")),
        };
        (walk.count() == before).then_some(())?;
        Some(KeyRequest { name: name?, prefix, scopes, profile })
    });
    walk.finish(read).map(|(read, _)| read)
}

fn profile_name(walk: &mut Walk, value: &Value) -> Option<String> {
    let text = walk.chars_within(value, PROFILE_NAME_CHARS_MAX)?;
    non_empty(walk, text.trim().to_owned())
}

fn non_empty(walk: &mut Walk, text: String) -> Option<String> {
    if text.is_empty() {
        let message = format!("{} is empty; it needs at least one character", walk.here());
        walk.note(Note::new("too_small", message).hint("type", "string").hint("minimum", 1));
        return None;
    }
    Some(text)
}

fn slug(walk: &mut Walk, value: &Value) -> Option<String> {
    let text = walk.chars_within(value, PROFILE_SLUG_CHARS_MAX)?;
    let sound = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.is_empty() || !text.bytes().all(sound) {
        let message = format!("{} must be 1 to 64 of a-z, 0-9 and hyphens", walk.here());
        walk.note(Note::new("invalid_string", message).hint("validation", "regex"));
        return None;
    }
    Some(text)
}

fn prefix(walk: &mut Walk, value: &Value) -> Option<KeyPrefix> {
    let known = [KeyPrefix::Live, KeyPrefix::Test];
    let found = known.into_iter().find(|prefix| value.as_str() == Some(prefix.as_str()));
    if found.is_none() {
        walk.word("invalid_enum_value", Some(value), &known.map(KeyPrefix::as_str));
    }
    found
}

fn scopes(walk: &mut Walk, value: &Value) -> Option<Vec<String>> {
    let Some(list) = value.as_array() else {
        walk.wrong_type("array", value);
        return None;
    };
    if list.len() > SCOPES_MAX {
        let message = format!("{} lists {} words; at most {SCOPES_MAX}", walk.here(), list.len());
        walk.note(Note::new("too_big", message).hint("type", "array").hint("maximum", SCOPES_MAX));
        return None;
    }
    let mut scopes = Vec::new();
    for (place, one) in list.iter().enumerate() {
        let word = walk.at_place(place, |walk| walk.string_within(one, KEY_NAME_CHARS_MAX));
        scopes.extend(word);
    }
    Some(scopes)
}

/// A short name made from a name; `spare` where nothing of it is left.
pub fn slug_of(name: &str, spare: &str) -> String {
    let mut out = String::new();
    for c in name.to_lowercase().chars() {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    out.truncate(PROFILE_SLUG_CHARS_MAX);
    let out = out.trim_matches('-');
    if out.is_empty() { format!("profile-{spare}") } else { out.to_owned() }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProfileBody<'a> {
    id: String,
    name: &'a str,
    slug: &'a str,
    created_at: String,
    updated_at: String,
    is_default: bool,
}

fn profile(profile: &Profile) -> ProfileBody<'_> {
    ProfileBody {
        id: profile.id.to_string(),
        name: &profile.name,
        slug: &profile.slug,
        created_at: profile.created_at.to_string(),
        updated_at: profile.updated_at.to_string(),
        is_default: profile.is_default(),
    }
}

/// One profile.
pub fn profile_reply(status: u16, shown: &Profile) -> Reply {
    Reply { status, body: to_bytes(&profile(shown)) }
}

/// The list of profiles.
pub fn profiles_body(all: &[Profile]) -> Vec<u8> {
    #[derive(Serialize)]
    struct List<'a> {
        data: Vec<ProfileBody<'a>>,
    }
    to_bytes(&List { data: all.iter().map(profile).collect() })
}

/// What is said of anything that was deleted.
pub fn deleted_reply(id: impl std::fmt::Display) -> Reply {
    let body = serde_json::json!({ "id": id.to_string(), "deleted": true });
    Reply { status: 200, body: to_bytes(&body) }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FreshKeyBody<'a> {
    id: String,
    name: &'a str,
    prefix: &'static str,
    last4: &'a str,
    scopes: &'a [String],
    profile_id: Option<String>,
    key: &'a str,
    created_at: String,
}

/// A key that was just made, with its plaintext: shown here and never again.
pub fn fresh_key_reply(key: &ApiKey, plaintext: &Secret) -> Reply {
    let body = to_bytes(&FreshKeyBody {
        id: key.id.to_string(),
        name: &key.name,
        prefix: key.prefix.as_str(),
        last4: &key.last4,
        scopes: &key.scopes,
        profile_id: key.profile.map(|id| id.to_string()),
        key: plaintext.expose(),
        created_at: key.created_at.to_string(),
    });
    Reply { status: 201, body }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyBody<'a> {
    id: String,
    name: &'a str,
    prefix: &'static str,
    last4: &'a str,
    scopes: &'a [String],
    profile_id: Option<String>,
    created_at: String,
    last_used_at: Option<String>,
    revoked_at: Option<String>,
}

fn key_body(key: &ApiKey, used: Option<Timestamp>) -> KeyBody<'_> {
    KeyBody {
        id: key.id.to_string(),
        name: &key.name,
        prefix: key.prefix.as_str(),
        last4: &key.last4,
        scopes: &key.scopes,
        profile_id: key.profile.map(|id| id.to_string()),
        created_at: key.created_at.to_string(),
        last_used_at: used.map(|at| at.to_string()),
        revoked_at: key.revoked_at.map(|at| at.to_string()),
    }
}

/// The list of keys, each with when it was last used; no plaintext, no hash.
pub fn keys_body(all: &[(ApiKey, Option<Timestamp>)]) -> Vec<u8> {
    #[derive(Serialize)]
    struct List<'a> {
        data: Vec<KeyBody<'a>>,
    }
    to_bytes(&List { data: all.iter().map(|(key, used)| key_body(key, *used)).collect() })
}

/// What is said of a revoked key.
pub fn revoked_reply(key: &ApiKey) -> Reply {
    let at = key.revoked_at.map(|at| at.to_string());
    let body = serde_json::json!({ "id": key.id.to_string(), "revokedAt": at });
    Reply { status: 200, body: to_bytes(&body) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_made_of_what_is_left() {
        for (name, slug) in [
            ("Acme Corp", "acme-corp"),
            ("  --Äpfel & Birnen--  ", "pfel-birnen"),
            ("日本", "profile-x"),
            ("a".repeat(70).as_str(), "a".repeat(64).as_str()),
        ] {
            assert_eq!(slug_of(name, "x"), slug);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let rule = |fault: Fault| fault.rule.unwrap_or_default();
        for (body, expected) in [
            ("{}", "name"),
            (r#"{"name":"  "}"#, "name"),
            (r#"{"name":"a","slug":"A"}"#, "slug"),
            (r#"{"name":"a","slug":null}"#, "slug"),
            ("[]", "body"),
        ] {
            assert_eq!(rule(parse_profile(body.as_bytes()).expect_err(body)), expected, "{body}");
        }
        assert_eq!(rule(parse_profile_patch(b"{\"x\":1}").expect_err("nothing")), "body");
        for (body, expected) in [
            (r#"{"name":""}"#, "name"),
            (r#"{"name":"a","prefix":"lmp_"}"#, "prefix"),
            (r#"{"name":"a","scopes":["ok",7]}"#, "scopes.1"),
            (r#"{"name":"a","profileId":"7"}"#, "profileId"),
        ] {
            assert_eq!(rule(parse_key(body.as_bytes()).expect_err(body)), expected, "{body}");
        }
        let sound = parse_key(br#"{"name":"a","profileId":null}"#).expect("null is legal here");
        assert_eq!((sound.profile, sound.prefix), (None, KeyPrefix::Live));
    }
}
