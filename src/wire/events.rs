//! The query of `GET /v1/events`, and its answer.

use serde::Serialize;
use serde_json::value::RawValue;

use super::fault::to_bytes;
use super::issues::{Note, Walk, clip};
use super::notice::event_value;
use crate::model::{Fault, LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX, Notice, NoticeId, NoticeKind};

/// Which events to list, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventsQuery {
    /// Only those above this one: what a consumer has seen last.
    pub after: Option<NoticeId>,
    /// Only these kinds, if any are named.
    pub kinds: Vec<NoticeKind>,
    /// Events a page.
    pub limit: usize,
}

/// Reads the query string of `GET /v1/events`.
///
/// # Errors
/// `validation_failed` with the parameter as the rule.
pub fn parse_events(query: &str) -> Result<EventsQuery, Fault> {
    let pairs: Vec<(String, String)> =
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let one = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, v)| v.as_str());
    let mut walk = Walk::default();
    let after = one("after").filter(|text| !text.is_empty()).and_then(|text| {
        let parsed = text.parse().ok();
        if parsed.is_none() {
            walk.at("after", |walk| {
                let message = format!("after is {:?}; expected an event id, evt_…", clip(text));
                walk.issue("invalid_string", message);
            });
        }
        parsed
    });
    let named = pairs.iter().filter(|(key, _)| key == "type" || key == "type[]");
    let words = named.flat_map(|(_, value)| value.split(',')).map(str::trim);
    let mut kinds = Vec::new();
    for (place, word) in words.filter(|word| !word.is_empty()).enumerate() {
        match NoticeKind::of(word) {
            Some(kind) => kinds.push(kind),
            None => walk.at("type", |walk| {
                walk.at_place(place, |walk| {
                    let value = serde_json::Value::String(word.to_owned());
                    let names = NoticeKind::ALL.map(NoticeKind::as_str);
                    walk.word("invalid_enum_value", Some(&value), &names);
                });
            }),
        }
    }
    let limit = match one("limit").map(str::parse::<usize>) {
        None => LIST_LIMIT_DEFAULT,
        Some(Ok(limit)) if limit >= 1 => limit.min(LIST_LIMIT_MAX),
        Some(_) => {
            walk.at("limit", |walk| {
                let message = format!("limit must be a whole number from 1 to {LIST_LIMIT_MAX}");
                walk.note(Note::new("too_small", message).hint("minimum", 1));
            });
            LIST_LIMIT_DEFAULT
        }
    };
    let sound = (walk.count() == 0).then_some(EventsQuery { after, kinds, limit });
    walk.finish(sound).map(|(query, _)| query)
}

/// Events, oldest first; `next` is where to go on, absent when there is no more for now.
pub fn events_body(events: &[Notice], next: Option<NoticeId>) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct List {
        data: Vec<Box<RawValue>>,
        next_cursor: Option<String>,
    }
    let data = events.iter().filter_map(event_value).collect();
    to_bytes(&List { data, next_cursor: next.map(|id| id.to_string()) })
}
