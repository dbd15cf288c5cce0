//! The document, put together from its parts.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::Operation;
use crate::front::reply::{self, Answer};

const HEAD: &str = include_str!("document/head.json");
const SCHEMAS: &str = include_str!("document/schemas.json");
/// Headers, parameters and error responses that operations share.
const SHARED: &str = include_str!("document/parts.json");
const WEBHOOKS: &str = include_str!("document/webhooks.json");
/// The paths, a file for each area.
const PATHS: [&str; 17] = [
    include_str!("document/paths/posts.json"),
    include_str!("document/paths/posts_validate.json"),
    include_str!("document/paths/posts_retry.json"),
    include_str!("document/paths/accounts.json"),
    include_str!("document/paths/accounts_oauth.json"),
    include_str!("document/paths/accounts_boards.json"),
    include_str!("document/paths/media.json"),
    include_str!("document/paths/profiles.json"),
    include_str!("document/paths/api_keys.json"),
    include_str!("document/paths/webhook_endpoints.json"),
    include_str!("document/paths/events.json"),
    include_str!("document/paths/platform_versions.json"),
    include_str!("document/paths/sandbox.json"),
    include_str!("document/paths/meta.json"),
    include_str!("document/paths/server.json"),
    include_str!("document/paths/probes.json"),
    include_str!("document/paths/mcp.json"),
];

/// What every answer carries.
const ALWAYS: [&str; 2] = ["X-Request-Id", "X-RateLimit-Limit"];
/// What answers carry where the rate limit counts.
const COUNTED: [&str; 3] = ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"];
/// What answers carry where an `Idempotency-Key` may be sent.
const KEYED: [&str; 2] = ["Idempotency-Key", "Idempotency-Replayed"];

/// The description of this server's API. A clone shares it.
#[derive(Debug, Clone)]
pub struct Description {
    document: Arc<Value>,
    body: Bytes,
}

impl Description {
    /// The description of a server that clients know by `base`.
    pub fn new(base: &str) -> Self {
        let mut document = part(HEAD);
        document["servers"][0]["url"] = json!(base);
        document["paths"] = paths();
        document["webhooks"] = part(WEBHOOKS);
        let mut components = part(SHARED);
        components["schemas"] = part(SCHEMAS);
        document["components"] = components;
        let body = Bytes::from(document.to_string());
        Self { document: Arc::new(document), body }
    }

    /// `GET /openapi.json`.
    pub fn answer(&self) -> Answer {
        reply::json(200, self.body.clone())
    }

    /// Every operation, by path.
    pub(in crate::front) fn operations(&self) -> impl Iterator<Item = Operation<'_>> {
        let paths = self.document["paths"].as_object().into_iter().flatten();
        paths.flat_map(|(path, item)| {
            let methods = item.as_object().into_iter().flatten();
            methods.map(move |(method, value)| Operation { method, path, value })
        })
    }

    /// A value of the document with what it refers to in its place, at every depth. Members beside
    /// a reference win over those of what it refers to.
    pub(in crate::front) fn inlined(&self, value: &Value) -> Value {
        match value {
            Value::Object(members) => {
                let mut out = Map::new();
                if let Some(target) = members.get("$ref").and_then(Value::as_str)
                    && let Value::Object(found) = self.inlined(self.at(target))
                {
                    out = found;
                }
                let own = members.iter().filter(|(name, _)| *name != "$ref");
                out.extend(own.map(|(name, value)| (name.clone(), self.inlined(value))));
                Value::Object(out)
            }
            Value::Array(items) => items.iter().map(|item| self.inlined(item)).collect(),
            _ => value.clone(),
        }
    }

    /// What a reference such as `#/components/schemas/Post` leads to; null when to nothing.
    pub(super) fn at(&self, reference: &str) -> &Value {
        const NOTHING: &Value = &Value::Null;
        let pointer = reference.strip_prefix('#').unwrap_or(reference);
        self.document.pointer(pointer).unwrap_or(NOTHING)
    }
}

fn part(text: &str) -> Value {
    serde_json::from_str(text).expect("the parts are compiled in, and a test reads them all")
}

fn paths() -> Value {
    let mut all = Map::new();
    for text in PATHS {
        let Value::Object(paths) = part(text) else { continue };
        all.extend(paths);
    }
    for item in all.values_mut() {
        for operation in item.as_object_mut().into_iter().flat_map(|item| item.values_mut()) {
            add_headers(operation);
        }
    }
    Value::Object(all)
}

/// Adds the headers that its answers carry to an operation. Shared answers name theirs themselves.
fn add_headers(operation: &mut Value) {
    let shares = |list: &Value, part: &str| list["$ref"] == format!("#/components/{part}");
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    let keyed = parameters.iter().any(|one| shares(one, "parameters/IdempotencyKey"));
    let counted = shares(&operation["responses"]["429"], "responses/RateLimited");
    let mut names = ALWAYS.to_vec();
    names.extend(if counted { &COUNTED[..] } else { &[] });
    names.extend(if keyed { &KEYED[..] } else { &[] });
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    for response in responses.values_mut().filter(|response| response.get("$ref").is_none()) {
        for name in &names {
            let reference = json!({ "$ref": format!("#/components/headers/{name}") });
            response["headers"][*name] = reference;
        }
    }
}
