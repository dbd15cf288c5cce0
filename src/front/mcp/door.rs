//! `/mcp`: one message in, one answer out.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request};
use serde_json::{Map, Value, json};

use super::message::{
    self, INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, Message, REFUSED, RpcError,
};
use super::tool::{Tool, tools};
use crate::front::body::{Bodies, whole};
use crate::front::gate::{Api, Inbound};
use crate::front::openapi::Description;
use crate::front::reply::{self, Answer, Words};
use crate::model::{Code, Fault, KeyId, KeyPrefix, RequestId};

/// Versions of the protocol that are spoken, the newest first.
const VERSIONS: [&str; 2] = ["2025-06-18", "2025-03-26"];
/// Which version was agreed on; not there in requests of the older one.
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// What a browser may send from a page of any origin: a key is needed in any case.
const CORS: [(HeaderName, &str); 3] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (header::ACCESS_CONTROL_ALLOW_METHODS, "POST, OPTIONS"),
    (
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        "authorization, content-type, mcp-session-id, mcp-protocol-version",
    ),
];
/// What an agent is told when it connects.
const INSTRUCTIONS: &str = "\
    Fanfare publishes posts to social accounts. get_v1_accounts lists where you can publish; \
    post_v1_posts publishes now or at scheduledAt, to up to 25 accounts. Each tool answers with \
    the HTTP status and body of the API. On an error read error.remediation; when error.outcome is \
    unknown, look at the account before you post again. To repeat a call safely, give the same \
    _meta.idempotencyKey with it.";

/// Speaks the Model Context Protocol. A clone shares the tools.
#[derive(Clone)]
pub struct Mcp {
    words: Arc<Words>,
    bodies: Bodies,
    api: Api,
    tools: Arc<[Tool]>,
}

impl Mcp {
    /// A server whose tools are the operations of `description`, carried out by `api`.
    pub fn new(words: Arc<Words>, bodies: Bodies, api: Api, description: &Description) -> Self {
        Self { words, bodies, api, tools: tools(description).into() }
    }

    /// Answers a request for `/mcp`, whatever its method.
    pub(in crate::front) async fn answer(&self, inbound: Inbound) -> Answer {
        let mut answer = match *inbound.request.method() {
            Method::OPTIONS => empty(204),
            Method::POST => self.post(inbound).await,
            _ => {
                let mut answer = refuse(405, "Send messages with POST; there are no sessions.");
                let allow = HeaderValue::from_static("POST, OPTIONS");
                answer.headers_mut().insert(header::ALLOW, allow);
                answer
            }
        };
        for (name, value) in CORS {
            answer.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        answer
    }

    async fn post(&self, inbound: Inbound) -> Answer {
        let Inbound { id: request_id, request } = inbound;
        let (parts, body) = request.into_parts();
        let Some(credential) = credential(&parts.headers) else {
            return self.words.refuse(&no_key(), &request_id);
        };
        if let Some(refusal) = unspeakable(&parts.headers) {
            return refusal;
        }
        let held = match self.bodies.read(body).await {
            Ok(held) => held,
            Err(error) => return self.words.refuse(&error.fault(), &request_id),
        };
        let message = message::read(&held.bytes);
        // What was read is kept by itself; a call reads its own body again, within the same limits.
        drop(held);
        let (id, method, params) = match message {
            Ok(Message::Request { id, method, params }) => (id, method, params),
            Ok(Message::Heard) => return empty(202),
            Err(error) => return reply::json(400, message::error(&Value::Null, &error)),
        };
        let result = match method.as_str() {
            "initialize" => Ok(greeting(&params)),
            "ping" => Ok(json!({})),
            "tools/list" => Ok(json!({ "tools": self.listings() })),
            "tools/call" => self.call(params, credential, &request_id).await,
            _ => {
                let message = format!("There is no method {method}; this server has tools only.");
                Err(RpcError::new(METHOD_NOT_FOUND, message))
            }
        };
        match result {
            Ok(result) => reply::json(200, message::result(&id, &result)),
            Err(error) => reply::json(200, message::error(&id, &error)),
        }
    }

    fn listings(&self) -> Vec<&Value> {
        self.tools.iter().map(|tool| &tool.listing).collect()
    }

    /// Carries out a call. Only a call that could not be made is an error; what the API says of it
    /// is its result, whatever the status.
    async fn call(
        &self,
        mut params: Map<String, Value>,
        credential: HeaderValue,
        id: &RequestId,
    ) -> Result<Value, RpcError> {
        let invalid = |message: &str| Err(RpcError::new(INVALID_PARAMS, message));
        let Some(Value::String(name)) = params.remove("name") else {
            return invalid("`name` must name a tool.");
        };
        let arguments = match params.remove("arguments") {
            None => Map::new(),
            Some(Value::Object(arguments)) => arguments,
            Some(_) => return invalid("`arguments` must be an object."),
        };
        let given = match params.get("_meta").and_then(|meta| meta.get("idempotencyKey")) {
            None => None,
            Some(Value::String(key)) => match HeaderValue::from_bytes(key.as_bytes()) {
                Ok(key) => Some(key),
                Err(_) => return invalid("`_meta.idempotencyKey` has control characters."),
            },
            Some(_) => return invalid("`_meta.idempotencyKey` must be a string."),
        };
        let Some(tool) = self.tools.iter().find(|tool| tool.name == name) else {
            return Ok(said(format!("There is no tool {name}; tools/list lists them."), true));
        };
        let request = match self.request(tool, arguments, credential, given) {
            Ok(request) => request,
            Err(problem) => return Ok(said(problem, true)),
        };
        let answer = (self.api)(Inbound { id: id.clone(), request }).await;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(|problem| {
            RpcError::new(INTERNAL_ERROR, format!("The answer cannot be read: {problem}."))
        })?;
        Ok(said(outcome(status.as_u16(), status.is_success(), &body.to_bytes()), false))
    }

    /// The request that a call stands for, as its caller would have made it.
    fn request(
        &self,
        tool: &Tool,
        arguments: Map<String, Value>,
        credential: HeaderValue,
        given: Option<HeaderValue>,
    ) -> Result<Request<crate::front::RequestBody>, String> {
        let call = tool.call(arguments)?;
        let key = match tool.method {
            Method::GET => None,
            // Two deletions are as good as one, so that it needs no key of ours.
            Method::DELETE => given,
            _ => given.or_else(|| HeaderValue::from_str(&self.fresh_key()).ok()),
        };
        let mut builder = Request::builder()
            .method(tool.method.clone())
            .uri(&call.uri)
            .header(header::AUTHORIZATION, credential);
        if let Some(key) = key {
            builder = builder.header(IDEMPOTENCY_KEY, key);
        }
        if call.body.is_some() {
            builder = builder.header(header::CONTENT_TYPE, "application/json");
        }
        let body = whole(Bytes::from(call.body.unwrap_or_default()));
        builder.body(body).map_err(|problem| format!("{}: {problem}", tool.name))
    }

    /// A UUID.
    fn fresh_key(&self) -> String {
        KeyId::v7((self.words.now)(), (self.words.dice)()).to_string()
    }
}

/// The answer to `initialize`: the version asked for, where it is spoken, else the newest.
fn greeting(params: &Map<String, Value>) -> Value {
    let asked = params.get("protocolVersion").and_then(Value::as_str);
    let spoken = VERSIONS.into_iter().find(|version| Some(*version) == asked);
    json!({
        "protocolVersion": spoken.unwrap_or(VERSIONS[0]),
        "capabilities": { "tools": {} },
        "serverInfo": {
            "name": "fanfare",
            "title": "Fanfare",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "instructions": INSTRUCTIONS,
    })
}

/// A tool's result: one text.
fn said(text: String, is_error: bool) -> Value {
    json!({ "content": [{ "type": "text", "text": text }], "isError": is_error })
}

/// What the API answered, as text.
fn outcome(status: u16, ok: bool, body: &[u8]) -> String {
    #[derive(serde::Serialize)]
    struct Outcome {
        status: u16,
        ok: bool,
        body: Value,
    }
    let body = serde_json::from_slice(body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()));
    serde_json::to_string_pretty(&Outcome { status, ok, body }).unwrap_or_default()
}

/// The API key, where one came; whether it is good, the API says in the result of a call.
fn credential(headers: &HeaderMap) -> Option<HeaderValue> {
    let value = headers.get(header::AUTHORIZATION)?;
    let token = value.to_str().ok()?.strip_prefix("Bearer ")?.trim();
    let prefixes = [KeyPrefix::Live, KeyPrefix::Test];
    prefixes.iter().any(|prefix| token.starts_with(prefix.as_str())).then(|| value.clone())
}

/// The refusal of a request that cannot be answered as it wants to be, if it cannot.
fn unspeakable(headers: &HeaderMap) -> Option<Answer> {
    let texts = |name: &HeaderName| -> Vec<String> {
        let all = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        let parts = all.flat_map(|text| text.split(','));
        let bare = |part: &str| part.split(';').next().unwrap_or_default().trim().to_lowercase();
        parts.map(bare).collect()
    };
    let accepted = texts(&header::ACCEPT);
    if ["application/json", "text/event-stream"].iter().any(|kind| !has(&accepted, kind)) {
        let message = "Send `Accept: application/json, text/event-stream`, both.";
        return Some(refuse(406, message));
    }
    if !has(&texts(&header::CONTENT_TYPE), "application/json") {
        return Some(refuse(415, "Send `Content-Type: application/json`."));
    }
    let version = headers.get(VERSION)?;
    let spoken = VERSIONS.iter().any(|known| version == known);
    (!spoken).then(|| {
        let message = format!("MCP-Protocol-Version must be one of {}.", VERSIONS.join(", "));
        refuse(400, &message)
    })
}

fn has(texts: &[String], wanted: &str) -> bool {
    texts.iter().any(|text| text == wanted)
}

fn refuse(status: u16, message: &str) -> Answer {
    reply::json(status, message::error(&Value::Null, &RpcError::new(REFUSED, message)))
}

fn empty(status: u16) -> Answer {
    let mut answer = reply::json(status, Bytes::new());
    answer.headers_mut().remove(header::CONTENT_TYPE);
    answer
}

fn no_key() -> Fault {
    Fault::new(Code::Unauthenticated, "no API key came with the request")
        .remedy("Have your MCP client send the header `Authorization: Bearer lmp_live_…`.")
}
