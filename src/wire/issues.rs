//! The walk over a request's JSON: typed reads that note what is wrong and where.

use serde_json::{Map, Value, json};

use crate::model::{Code, Fault, JSON_DEPTH_MAX, Warning};

/// A step of a path: a member's name or an element's place.
#[derive(Debug, Clone)]
enum Segment {
    Name(String),
    Place(usize),
}

/// Everything wrong with a request's shape, in the order it was met, and where the walk stands.
#[derive(Debug, Default)]
pub(super) struct Walk {
    path: Vec<Segment>,
    issues: Vec<Issue>,
    warnings: Vec<Warning>,
}

#[derive(Debug)]
struct Issue {
    rule: String,
    message: String,
    value: Value,
}

impl Walk {
    /// Goes into a member.
    pub(super) fn at<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(Segment::Name(name.to_owned()));
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
    pub(super) fn issue(&mut self, code: &str, message: impl Into<String>) {
        let rule = self.here();
        self.issue_as(&rule, code, message);
    }

    /// Notes an issue here under another rule than the path's.
    pub(super) fn issue_as(&mut self, rule: &str, code: &str, message: impl Into<String>) {
        let path: Vec<Value> = self
            .path
            .iter()
            .map(|segment| match segment {
                Segment::Name(name) => json!(name),
                Segment::Place(place) => json!(place),
            })
            .collect();
        let message = message.into();
        let value = json!({ "code": code, "path": path, "message": message, "rule": rule });
        self.issues.push(Issue { rule: rule.to_owned(), message, value });
    }

    /// How many issues there are; to see whether a part was sound.
    pub(super) fn count(&self) -> usize {
        self.issues.len()
    }

    /// Notes a remark for the client.
    pub(super) fn warn(&mut self, code: &str, message: String) {
        self.warnings.push(Warning { code: code.to_owned(), message });
    }

    /// What was read, with its remarks; or the fault that names the first issue and lists all.
    pub(super) fn finish<T>(self, read: Option<T>) -> Result<(T, Vec<Warning>), Fault> {
        match (read, self.issues.first()) {
            (Some(read), None) => Ok((read, self.warnings)),
            (_, Some(first)) => {
                let all: Vec<&Value> = self.issues.iter().map(|issue| &issue.value).collect();
                Err(Fault::new(Code::ValidationFailed, first.message.clone())
                    .rule(first.rule.clone())
                    .response(json!(all).to_string())
                    .remedy(
                        "Correct the request as `platformResponse` lists it, then send it again. \
                         Nothing was stored or published.",
                    ))
            }
            (None, None) => Err(Fault::new(
                Code::InternalError,
                "the request could not be read and no reason was noted",
            )),
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
            let rule = self.here();
            self.issue("too_small", format!("{rule} is empty; it needs at least one character"));
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

    /// An absolute URL of one of these schemes.
    pub(super) fn url(&mut self, value: &Value) -> Option<String> {
        let text = self.any_string(value)?;
        let sound = url::Url::parse(&text)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !sound {
            let rule = self.here();
            self.issue(
                "invalid_string",
                format!("{rule} is no absolute http or https URL, such as https://example.com/a"),
            );
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
            let rule = self.here();
            self.issue("invalid_string", format!("{rule} is {text:?}; expected {expected}"));
        }
        parsed
    }

    /// Notes that a value has another type than it should.
    pub(super) fn wrong_type(&mut self, expected: &str, value: &Value) {
        let received = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let rule = self.here();
        self.issue("invalid_type", format!("{rule} is {received}; expected {expected}"));
    }

    /// Remarks on members that nobody reads.
    pub(super) fn unknown(&mut self, object: &Map<String, Value>, known: &[&str]) {
        for name in object.keys().filter(|name| !known.contains(&name.as_str())) {
            let place = self.at(name, |walk| walk.here());
            self.warn(
                "request.unknown_field",
                format!("{place} is not known here and was ignored"),
            );
        }
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
