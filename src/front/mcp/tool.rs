//! Tools, made from the description of the API, and the requests that calls of them stand for.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use url::form_urlencoded;

use crate::front::openapi::{Description, Operation};

/// One operation of the API as a tool.
#[derive(Debug)]
pub(super) struct Tool {
    /// Its name: the operation's id.
    pub name: String,
    /// The method of the request it stands for.
    pub method: hyper::Method,
    /// How `tools/list` shows it.
    pub listing: Value,
    /// The path, with its parameters in braces.
    path: String,
    in_path: BTreeSet<String>,
    in_query: BTreeSet<String>,
    has_body: bool,
}

/// The request that a call stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Call {
    /// Path and query.
    pub uri: String,
    /// The JSON body; `None` for methods without one.
    pub body: Option<String>,
}

/// A tool for each operation under `/v1` that speaks JSON alone.
pub(super) fn tools(description: &Description) -> Vec<Tool> {
    let spoken =
        |operation: &Operation<'_>| operation.path.starts_with("/v1/") && operation.speaks_json();
    description.operations().filter(spoken).map(|it| Tool::new(description, it)).collect()
}

impl Tool {
    fn new(description: &Description, operation: Operation<'_>) -> Self {
        let mut tool = Self {
            name: operation.id().to_owned(),
            method: operation.method.to_uppercase().parse().unwrap_or_default(),
            listing: Value::Null,
            path: operation.path.to_owned(),
            in_path: BTreeSet::new(),
            in_query: BTreeSet::new(),
            has_body: operation.json_body().is_some(),
        };
        let mut properties = Map::new();
        let mut required = BTreeSet::new();
        for parameter in operation.parameters() {
            let parameter = description.inlined(parameter);
            let name = parameter["name"].as_str().unwrap_or_default().to_owned();
            let place = match parameter["in"].as_str() {
                Some("path") => &mut tool.in_path,
                Some("query") => &mut tool.in_query,
                _ => continue,
            };
            place.insert(name.clone());
            if parameter["required"] == true {
                required.insert(name.clone());
            }
            let mut schema = parameter["schema"].clone();
            schema["description"] = parameter["description"].clone();
            properties.insert(name, schema);
        }
        if let Some(body) = operation.json_body() {
            let mut body = description.inlined(body);
            if let Value::Object(members) = body["properties"].take() {
                properties.extend(members);
            }
            let names = body["required"].as_array().into_iter().flatten();
            required.extend(names.filter_map(Value::as_str).map(str::to_owned));
        }
        let mut schema = json!({ "type": "object", "properties": properties });
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        let (reads, removes) = (operation.method == "get", operation.method == "delete");
        tool.listing = json!({
            "name": tool.name,
            "title": operation.value["summary"],
            "description": operation.value["description"],
            "inputSchema": without_discriminators(schema),
            "annotations": { "readOnlyHint": reads, "destructiveHint": removes },
        });
        tool
    }

    /// The request that a call with these arguments stands for.
    ///
    /// # Errors
    /// What is wrong with the arguments, in words for the agent.
    pub fn call(&self, mut arguments: Map<String, Value>) -> Result<Call, String> {
        let mut uri = self.path.clone();
        for name in &self.in_path {
            let value = arguments.remove(name).and_then(|value| text(&value));
            let value = value.filter(|value| !value.is_empty());
            let value = value.ok_or_else(|| format!("{}: `{name}` is required.", self.name))?;
            // Encoded whole, so that no value can lead to another path.
            let encoded: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
            uri = uri.replace(&format!("{{{name}}}"), &encoded);
        }
        let mut query = form_urlencoded::Serializer::new(String::new());
        for name in &self.in_query {
            match arguments.remove(name) {
                None | Some(Value::Null) => {}
                Some(Value::Array(items)) => {
                    query.extend_pairs(items.iter().filter_map(text).map(|item| (name, item)));
                }
                Some(value) => {
                    let value = text(&value);
                    let value = value.ok_or_else(|| format!("`{name}` must be no object."))?;
                    query.append_pair(name, &value);
                }
            }
        }
        let query = query.finish();
        if !query.is_empty() {
            uri = format!("{uri}?{query}");
        }
        // What is left belongs to the body, known or not: the API says what it makes of it.
        let body = self.has_body.then(|| Value::Object(std::mem::take(&mut arguments)).to_string());
        if let Some(unknown) = arguments.keys().next() {
            let known: Vec<&String> = self.in_path.iter().chain(&self.in_query).collect();
            return Err(format!("{}: `{unknown}` is not known; it takes {known:?}.", self.name));
        }
        Ok(Call { uri, body })
    }
}

/// A plain value as it stands in a path or a query.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// `discriminator` is a word of OpenAPI; JSON Schema does without.
fn without_discriminators(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(members) => {
            members.remove("discriminator");
            for value in members.values_mut() {
                *value = without_discriminators(value.take());
            }
        }
        Value::Array(items) => {
            for item in items {
                *item = without_discriminators(item.take());
            }
        }
        _ => {}
    }
    schema
}
