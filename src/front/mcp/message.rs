//! JSON-RPC: what was said, and how it is answered.

use serde_json::{Map, Value, json};

/// The bytes are no JSON.
pub(super) const PARSE_ERROR: i32 = -32_700;
/// The JSON is no request.
pub(super) const INVALID_REQUEST: i32 = -32_600;
/// There is no such method.
pub(super) const METHOD_NOT_FOUND: i32 = -32_601;
/// The parameters do not hold.
pub(super) const INVALID_PARAMS: i32 = -32_602;
/// This server could not do it.
pub(super) const INTERNAL_ERROR: i32 = -32_603;
/// What HTTP refuses before there is a message; the SDKs use the same number.
pub(super) const REFUSED: i32 = -32_000;

/// One message from a client.
#[derive(Debug, PartialEq)]
pub(super) enum Message {
    /// It wants an answer.
    Request {
        /// Comes back with the answer.
        id: Value,
        method: String,
        params: Map<String, Value>,
    },
    /// A notification, or an answer to a question that was never asked: there is nothing to say.
    Heard,
}

/// Why there is no result: a code and words.
#[derive(Debug, PartialEq)]
pub(super) struct RpcError {
    pub code: i32,
    pub message: String,
}

impl RpcError {
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// Reads one message.
pub(super) fn read(body: &[u8]) -> Result<Message, RpcError> {
    let value: Value = serde_json::from_slice(body).map_err(|problem| {
        RpcError::new(PARSE_ERROR, format!("The body is not valid JSON: {problem}."))
    })?;
    let invalid = |message: &str| Err(RpcError::new(INVALID_REQUEST, message));
    let mut members = match value {
        Value::Object(members) => members,
        Value::Array(_) => {
            return invalid("Batches are not taken: send each message in a request of its own.");
        }
        _ => return invalid("A message is a JSON object."),
    };
    if members.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return invalid("`jsonrpc` must be \"2.0\".");
    }
    let Some(method) = members.remove("method") else {
        let answers = members.contains_key("result") || members.contains_key("error");
        return if answers { Ok(Message::Heard) } else { invalid("`method` is missing.") };
    };
    let Value::String(method) = method else { return invalid("`method` must be a string.") };
    let id = match members.remove("id") {
        None => return Ok(Message::Heard),
        Some(id @ (Value::String(_) | Value::Number(_))) => id,
        Some(_) => return invalid("`id` must be a string or a number."),
    };
    match members.remove("params") {
        None => Ok(Message::Request { id, method, params: Map::new() }),
        Some(Value::Object(params)) => Ok(Message::Request { id, method, params }),
        Some(_) => invalid("`params` must be an object."),
    }
}

/// An answer with its result.
pub(super) fn result(id: &Value, result: &Value) -> Vec<u8> {
    json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string().into_bytes()
}

/// An answer that says why there is no result; `id` is null when it could not be read.
pub(super) fn error(id: &Value, error: &RpcError) -> Vec<u8> {
    let error = json!({ "code": error.code, "message": error.message });
    json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string().into_bytes()
}
