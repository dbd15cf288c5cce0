//! What a target asks of the sandbox.

use serde_json::Value;

use crate::model::Content;

/// What makes a retry safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Class {
    /// It de-duplicates by a key of ours.
    #[default]
    Keyed,
    /// Its timeline can be read back.
    Readable,
    /// Neither.
    Blind,
}

/// A target's options; `wire` has checked them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Options {
    pub class: Class,
    pub latency_ms: u64,
    faults: Vec<String>,
}

impl Options {
    /// The options of a content.
    pub(super) fn of(content: &Content) -> Self {
        let json = content.options.as_deref().unwrap_or("{}");
        let value: Value = serde_json::from_str(json).unwrap_or_default();
        let faults = value["faults"].as_array().map_or(&[][..], Vec::as_slice);
        Self {
            class: match value["class"].as_str() {
                Some("readable") => Class::Readable,
                Some("blind") => Class::Blind,
                _ => Class::Keyed,
            },
            latency_ms: value["latencyMs"].as_u64().unwrap_or(0),
            faults: faults.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect(),
        }
    }

    /// The fault of the attempt with this number, counted from 1.
    pub(super) fn fault(&self, attempt: u32) -> Option<&str> {
        let place = usize::try_from(attempt).ok()?.checked_sub(1)?;
        self.faults.get(place).map(String::as_str).filter(|word| *word != "none")
    }
}
