//! The walk over a request's JSON: typed reads that note what is wrong and where.

use serde_json::{Map, Value, json};

use crate::model::{Code, Fault, JSON_DEPTH_MAX, URL_BYTES_MAX, Warning};

/// A step of a path: a member's name or an element's place.
#[derive(Debug, Clone)]
enum Segment {
    Name(String),
    Place(usize),
}

/// Issues that are listed; a body of millions of mistakes is answered with the first of them.
const ISSUES_MAX: usize = 50;
/// Remarks that are kept: they are stored with every target they concern.
const WARNINGS_MAX: usize = 20;
/// Characters of a caller's value that a message repeats.
const ECHO_CHARS_MAX: usize = 80;

/// Everything wrong with a request's shape, in the order it was met, and where the walk stands.
#[derive(Debug, Default)]
pub(super) struct Walk {
    path: Vec<Segment>,
    first: Option<Note>,
    listed: Vec<Value>,
    count: usize,
    warnings: Vec<Warning>,
    warned: usize,
}

/// One issue as it is noted.
#[derive(Debug)]
pub(super) struct Note {
    code: &'static str,
    message: String,
    rule: Option<String>,
    remedy: Option<String>,
    hints: Map<String, Value>,
}

impl Note {
    /// An issue of a kind; the rule is the path to where the walk stands.
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), rule: None, remedy: None, hints: Map::new() }
    }

    /// Another rule than the path.
    pub(super) fn rule(mut self, rule: &str) -> Self {
        self.rule = Some(rule.to_owned());
        self
    }

    /// What to do, where more can be said than "correct it".
    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// A member that programs can read: a limit, what was expected.
    pub(super) fn hint(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.hints.insert(name.to_owned(), value.into());
        self
    }
}

impl Walk {
    /// Goes into a member.
    pub(super) fn at<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(Segment::Name(clip(name)));
        let out = read(self);
        self.path.pop();
        out
    }

    /// Goes into an element.
    pub(super) fn at_place<T>(&mut self, place: usize, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(Segment::Place(place));
        let out = read(self);
        self.path.pop();
        out
    }

    /// Notes an issue here, under the rule that the path gives.
    pub(super) fn issue(&mut self, code: &'static str, message: impl Into<String>) {
        self.note(Note::new(code, message));
    }

    /// Notes an issue here.
    pub(super) fn note(&mut self, mut note: Note) {
        self.count += 1;
        if self.count > ISSUES_MAX {
            return;
        }
        let rule = note.rule.take().unwrap_or_else(|| self.here());
        let path: Vec<Value> = self
            .path
            .iter()
            .map(|segment| match segment {
                Segment::Name(name) => json!(name),
                Segment::Place(place) => json!(place),
            })
            .collect();
        let mut value = Map::clone(&note.hints);
        value.insert("code".to_owned(), json!(note.code));
        value.insert("path".to_owned(), json!(path));
        value.insert("message".to_owned(), json!(note.message));
        value.insert("rule".to_owned(), json!(rule));
        self.listed.push(Value::Object(value));
        note.rule = Some(rule);
        self.first.get_or_insert(note);
    }

    /// How many issues there are; to see whether a part was sound.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// Notes a remark for the client.
    pub(super) fn warn(&mut self, code: &str, message: String) {
        self.warned += 1;
        if self.warned <= WARNINGS_MAX {
            self.warnings.push(Warning { code: code.to_owned(), message });
        }
    }

    /// What `read` gives, with the remarks it made.
    pub(super) fn apart<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> (T, Vec<Warning>) {
        let before = self.warnings.len();
        let out = read(self);
        (out, self.warnings.split_off(before))
    }

    /// What was read, with its remarks; or the fault that names the first issue and lists all.
    pub(super) fn finish<T>(self, read: Option<T>) -> Result<(T, Vec<Warning>), Fault> {
        match (read, self.first) {
            (Some(read), None) => Ok((read, self.warnings)),
            (_, Some(first)) => {
                let remedy = first.remedy.unwrap_or_else(|| {
                    "Correct what `platformResponse` lists, then send the request again.".to_owned()
                });
                Err(Fault::new(Code::ValidationFailed, first.message)
                    .rule(first.rule.unwrap_or_default())
                    .response(json!(self.listed).to_string())
                    .remedy(remedy))
            }
            (None, None) => Err(Fault::new(
                Code::InternalError,
                "the request could not be read and no reason was noted",
            )
            .rule("server.request")
            .remedy("Please report this with the request id.")),
        }
    }

    /// The dotted path to here; `body` at the top.
    pub(super) fn here(&self) -> String {
        if self.path.is_empty() {
            return "body".to_owned();
        }
        let names: Vec<String> = self
            .path
            .iter()
            .map(|segment| match segment {
                Segment::Name(name) => name.clone(),
                Segment::Place(place) => place.to_string(),
            })
            .collect();
        names.join(".")
    }

    /// An object, or an issue.
    pub(super) fn object<'v>(&mut self, value: &'v Value) -> Option<&'v Map<String, Value>> {
        let found = value.as_object();
        if found.is_none() {
            self.wrong_type("object", value);
        }
        found
    }

    /// A member that may be absent: read when it is there. `null` is there, and wrong.
    pub(super) fn optional<T>(
        &mut self,
        object: &Map<String, Value>,
        name: &str,
        read: impl FnOnce(&mut Self, &Value) -> Option<T>,
    ) -> Option<T> {
        let value = object.get(name)?;
        self.at(name, |walk| read(walk, value))
    }

    /// A member that must be there.
    pub(super) fn required<T>(
        &mut self,
        object: &Map<String, Value>,
        name: &str,
        read: impl FnOnce(&mut Self, &Value) -> Option<T>,
    ) -> Option<T> {
        match object.get(name) {
            Some(value) => self.at(name, |walk| read(walk, value)),
            None => {
                self.at(name, |walk| {
                    let note = Note::new("invalid_type", format!("{} is missing", walk.here()));
                    walk.note(note.hint("received", "undefined"));
                });
                None
            }
        }
    }

    /// A string of at most `max` characters, empty or not.
    pub(super) fn chars_within(&mut self, value: &Value, max: usize) -> Option<String> {
        let text = self.any_string(value)?;
        let count = text.chars().count();
        if count > max {
            let message = format!("{} has {count} characters; at most {max}", self.here());
            let note = Note::new("too_big", message).hint("type", "string").hint("maximum", max);
            self.note(note.remedy(format!("Shorten it to {max} characters.")));
            return None;
        }
        Some(text)
    }

    /// A string, empty or not.
    pub(super) fn any_string(&mut self, value: &Value) -> Option<String> {
        let found = value.as_str().map(str::to_owned);
        if found.is_none() {
            self.wrong_type("string", value);
        }
        found
    }

    /// A string of at least one character.
    pub(super) fn string(&mut self, value: &Value) -> Option<String> {
        let found = self.any_string(value)?;
        if found.is_empty() {
            let here = self.here();
            let message = format!("{here} is empty; it needs at least one character");
            self.note(Note::new("too_small", message).hint("type", "string").hint("minimum", 1));
            return None;
        }
        Some(found)
    }

    /// A boolean.
    pub(super) fn boolean(&mut self, value: &Value) -> Option<bool> {
        let found = value.as_bool();
        if found.is_none() {
            self.wrong_type("boolean", value);
        }
        found
    }

    /// A string of one to `max` bytes.
    pub(super) fn string_within(&mut self, value: &Value, max: usize) -> Option<String> {
        let found = self.string(value)?;
        self.within(&found, max).then_some(found)
    }

    /// Whether a text has at most `max` bytes, or an issue.
    pub(super) fn within(&mut self, text: &str, max: usize) -> bool {
        let fits = text.len() <= max;
        if !fits {
            let message = format!("{} is {} bytes; at most {max}", self.here(), text.len());
            let note = Note::new("too_big", message).hint("type", "string").hint("maximum", max);
            self.note(note.remedy(format!("Shorten it to {max} bytes.")));
        }
        fits
    }

    /// An absolute http or https URL.
    pub(super) fn url(&mut self, value: &Value) -> Option<String> {
        let text = self.string_within(value, URL_BYTES_MAX)?;
        let sound = url::Url::parse(&text)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !sound {
            let here = self.here();
            let message =
                format!("{here} is no absolute http or https URL, such as https://example.com/a");
            self.note(Note::new("invalid_string", message).hint("validation", "url"));
            return None;
        }
        Some(text)
    }

    /// A value that parses from a string, or an issue that says what was expected.
    pub(super) fn parsed<T: std::str::FromStr>(
        &mut self,
        value: &Value,
        expected: &str,
    ) -> Option<T> {
        let text = self.any_string(value)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            let message = format!("{} is {:?}; expected {expected}", self.here(), clip(&text));
            self.note(Note::new("invalid_string", message).hint("expected", expected));
        }
        parsed
    }

    /// One of some words, or an issue that lists them.
    pub(super) fn word(&mut self, code: &'static str, value: Option<&Value>, words: &[&str]) {
        let listed = words.join(", ");
        let message = match value {
            None => format!("{} is missing; it must be one of {listed}", self.here()),
            Some(Value::String(text)) => {
                format!("{} is {:?}; it must be one of {listed}", self.here(), clip(text))
            }
            Some(other) => {
                format!("{} is {}; it must be one of {listed}", self.here(), type_of(other))
            }
        };
        self.note(Note::new(code, message).hint("options", words));
    }

    /// Notes that a value has another type than it should.
    pub(super) fn wrong_type(&mut self, expected: &str, value: &Value) {
        let received = type_of(value);
        let message = format!("{} is {received}; expected {expected}", self.here());
        let note = Note::new("invalid_type", message);
        self.note(note.hint("expected", expected).hint("received", received));
    }

    /// Remarks on members that nobody reads.
    pub(super) fn unknown(&mut self, object: &Map<String, Value>, known: &[&str]) {
        for name in object.keys().filter(|name| !known.contains(&name.as_str())) {
            let place = self.at(name, |walk| walk.here());
            let message = match self.warned + 1 {
                WARNINGS_MAX => "more members are not known here and were ignored".to_owned(),
                over if over > WARNINGS_MAX => return,
                _ => format!("{place} is not known here and was ignored"),
            };
            self.warn("request.unknown_field", message);
        }
    }
}

/// What a value is, for a person.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The start of a caller's text, short enough to repeat.
pub(super) fn clip(text: &str) -> String {
    match text.char_indices().nth(ECHO_CHARS_MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// The JSON of a body.
pub(super) fn parse_json(body: &[u8]) -> Result<Value, Fault> {
    let fault = |message: String| {
        Fault::new(Code::ValidationFailed, message)
            .rule("body.json")
            .remedy("Send one JSON document, in UTF-8, as the body of the request.")
    };
    let text = std::str::from_utf8(body)
        .map_err(|e| fault(format!("the body is not UTF-8 from byte {} on", e.valid_up_to())))?;
    if text.trim().is_empty() {
        return Err(fault("the body is empty".to_owned()));
    }
    if depth(body) > JSON_DEPTH_MAX {
        let message = format!("the body is nested deeper than {JSON_DEPTH_MAX} levels");
        return Err(Fault::new(Code::ValidationFailed, message)
            .rule("body.depth")
            .remedy("Send a flatter document; no request here needs more than ten levels."));
    }
    serde_json::from_str(text).map_err(|e| fault(format!("the body is not JSON: {e}")))
}

/// How deep brackets nest, strings aside.
fn depth(body: &[u8]) -> usize {
    let (mut now, mut deepest, mut in_string, mut escaped) = (0usize, 0, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                now += 1;
                deepest = deepest.max(now);
            }
            b']' | b'}' if !in_string => now = now.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
