//! The door with an API that says what it was asked, and the tools by themselves.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Request;
use serde_json::{Map, Value, json};

use super::Mcp;
use super::message::{self, Message};
use super::tool::{Tool, tools};
use crate::front::body::{Bodies, whole};
use crate::front::gate::{Api, Inbound};
use crate::front::house::words;
use crate::front::openapi::Description;
use crate::front::reply::{self, Answer};
use crate::model::{Millis, RequestId};

const BOTH: &str = "application/json, text/event-stream";
/// A method, headers, and the status of the answer.
type Case = (&'static str, &'static [(&'static str, &'static str)], u16);

const KEY: &str = "Bearer lmp_live_x";

/// Answers with what it was asked.
fn echo() -> Api {
    Arc::new(|inbound| {
        Box::pin(async move {
            let (parts, body) = inbound.request.into_parts();
            let body = body.collect().await.expect("whole").to_bytes();
            let header = |name: &str| {
                parts.headers.get(name).map(|value| value.to_str().expect("text").to_owned())
            };
            let said = json!({
                "method": parts.method.as_str(),
                "uri": parts.uri.to_string(),
                "requestId": inbound.id.as_str(),
                "authorization": header("authorization"),
                "type": header("content-type"),
                "key": header("idempotency-key"),
                "body": String::from_utf8_lossy(&body),
            });
            reply::json(
                if parts.uri.path().ends_with("/none") { 404 } else { 200 },
                said.to_string(),
            )
        })
    })
}

fn description() -> Description {
    Description::new("http://fanfare.test")
}

async fn ask(method: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let bodies = Bodies::new(1 << 20, 1 << 20, Millis(60_000));
    let mcp = Mcp::new(Arc::new(words()), bodies, echo(), &description());
    let mut request = Request::builder().method(method).uri("/mcp");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(whole(Bytes::from(body.to_owned()))).expect("sound");
    let id = RequestId::from_caller("r-1").expect("sound");
    mcp.answer(Inbound { id, request }).await
}

async fn say(body: Value) -> (u16, Value) {
    let headers = [("authorization", KEY), ("accept", BOTH), ("content-type", "application/json")];
    read(ask("POST", &headers, &body.to_string()).await).await
}

async fn read(answer: Answer) -> (u16, Value) {
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.expect("whole").to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

fn request(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params })
}

/// The text of a call's result, and whether it is an error.
async fn call(params: Value) -> (String, bool) {
    let (status, answer) = say(request("tools/call", params)).await;
    assert_eq!((status, &answer["id"]), (200, &json!(7)));
    let result = &answer["result"];
    assert_eq!(result["content"].as_array().map(Vec::len), Some(1), "{answer}");
    assert_eq!(result["content"][0]["type"], "text");
    let text = result["content"][0]["text"].as_str().expect("a text").to_owned();
    (text, result["isError"].as_bool().expect("it is told"))
}

async fn asked(params: Value) -> Value {
    let (text, is_error) = call(params).await;
    assert!(!is_error, "{text}");
    serde_json::from_str::<Value>(&text).expect("JSON")["body"].clone()
}

#[tokio::test]
async fn who_speaks_otherwise_is_told_how() {
    let cases: [Case; 9] = [
        ("GET", &[("authorization", KEY)], 405),
        ("DELETE", &[], 405),
        ("OPTIONS", &[], 204),
        ("POST", &[], 401),
        ("POST", &[("authorization", "Bearer other")], 401),
        ("POST", &[("authorization", KEY), ("accept", "application/json")], 406),
        ("POST", &[("authorization", KEY), ("accept", "text/event-stream")], 406),
        ("POST", &[("authorization", KEY), ("accept", BOTH)], 415),
        (
            "POST",
            &[
                ("authorization", KEY),
                ("accept", BOTH),
                ("content-type", "application/json"),
                ("mcp-protocol-version", "1999-01-01"),
            ],
            400,
        ),
    ];
    for (method, headers, status) in cases {
        let answer = ask(method, headers, "{}").await;
        assert_eq!(answer.status(), status, "{method} {headers:?}");
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
        assert_eq!(header("access-control-allow-origin"), Some("*"));
        assert_eq!(header("www-authenticate"), None);
        if status == 405 {
            assert_eq!(header("allow"), Some("POST, OPTIONS"));
        }
    }
}

#[test]
fn messages_are_read_strictly() {
    let code = |body: &str| message::read(body.as_bytes()).expect_err(body).code;
    assert_eq!(code("{"), message::PARSE_ERROR);
    for body in [
        "7",
        "[]",
        r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
        r#"{"id":1,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#,
    ] {
        assert_eq!(code(body), message::INVALID_REQUEST, "{body}");
    }
    let heard = |body: &str| assert_eq!(message::read(body.as_bytes()), Ok(Message::Heard));
    heard(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    heard(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
}

#[tokio::test]
async fn the_version_is_agreed_on() {
    for (asked, agreed) in [
        ("2025-06-18", "2025-06-18"),
        ("2025-03-26", "2025-03-26"),
        ("2024-11-05", "2025-06-18"),
        ("2099-01-01", "2025-06-18"),
    ] {
        let params = json!({ "protocolVersion": asked, "capabilities": {}, "clientInfo": {} });
        let (status, answer) = say(request("initialize", params)).await;
        assert_eq!(status, 200);
        assert_eq!(answer["result"]["protocolVersion"], agreed, "{asked}");
        assert!(answer["result"]["capabilities"]["tools"].is_object());
    }
}

#[tokio::test]
async fn each_message_has_its_answer() {
    let heard = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(say(heard).await, (202, Value::Null));
    let (status, pong) = say(request("ping", json!({}))).await;
    assert_eq!((status, pong), (200, json!({ "jsonrpc": "2.0", "id": 7, "result": {} })));
    let (status, answer) = say(request("resources/list", json!({}))).await;
    assert_eq!((status, &answer["error"]["code"]), (200, &json!(message::METHOD_NOT_FOUND)));
    let (status, answer) = say(json!([request("ping", json!({}))])).await;
    assert_eq!((status, &answer["error"]["code"]), (400, &json!(message::INVALID_REQUEST)));
    assert!(answer["error"]["message"].as_str().is_some_and(|text| text.contains("Batches")));
    let (_, answer) = say(request("tools/call", json!({}))).await;
    assert_eq!(answer["error"]["code"], message::INVALID_PARAMS);
}

#[tokio::test]
async fn a_call_is_the_request_it_stands_for() {
    let arguments = json!({ "targets": [{ "platform": "sandbox" }], "text": "x" });
    let made = asked(json!({ "name": "post_v1_posts", "arguments": arguments })).await;
    assert_eq!((&made["method"], &made["uri"]), (&json!("POST"), &json!("/v1/posts")));
    assert_eq!((&made["authorization"], &made["requestId"]), (&json!(KEY), &json!("r-1")));
    assert_eq!(made["type"], "application/json");
    let body: Value = serde_json::from_str(made["body"].as_str().expect("a text")).expect("JSON");
    assert_eq!(body, arguments);
    let key = made["key"].as_str().expect("a key");
    assert_eq!((key.len(), key.matches('-').count()), (36, 4), "{key} is no UUID");

    let own = json!({ "name": "post_v1_posts", "_meta": { "idempotencyKey": "monday" } });
    let made = asked(own).await;
    assert_eq!((&made["key"], &made["body"]), (&json!("monday"), &json!("{}")));

    let arguments =
        json!({ "platform": ["bluesky", "sandbox"], "limit": 3, "q": "a&b", "after": null });
    let made = asked(json!({ "name": "get_v1_posts", "arguments": arguments })).await;
    let uri = "/v1/posts?limit=3&platform=bluesky&platform=sandbox&q=a%26b";
    assert_eq!((&made["uri"], &made["key"]), (&json!(uri), &Value::Null));

    let remove = json!({ "name": "delete_v1_posts_by_id", "arguments": { "id": "../accounts?x" } });
    let made = asked(remove).await;
    assert_eq!(made["uri"], "/v1/posts/..%2Faccounts%3Fx");
    assert_eq!((&made["key"], &made["body"]), (&Value::Null, &json!("")));
}

#[tokio::test]
async fn only_a_call_that_cannot_be_made_is_an_error() {
    let missing = json!({ "name": "get_v1_posts_by_id", "arguments": { "id": "none" } });
    let (text, is_error) = call(missing).await;
    let said: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&said["status"], &said["ok"], is_error), (&json!(404), &json!(false), false));
    assert!(text.starts_with("{\n  \"status\": 404,\n  \"ok\": false,\n  \"body\": {"), "{text}");
    for (params, told) in [
        (json!({ "name": "no_such_tool" }), "no_such_tool"),
        (json!({ "name": "get_v1_posts_by_id" }), "`id` is required"),
        (json!({ "name": "get_v1_posts", "arguments": { "state": "x" } }), "`state` is not known"),
    ] {
        let (text, is_error) = call(params).await;
        assert!(is_error && text.contains(told), "{text}");
    }
}

fn each_object(value: &Value, look: &mut impl FnMut(&Map<String, Value>)) {
    match value {
        Value::Object(members) => {
            look(members);
            members.values().for_each(|value| each_object(value, look));
        }
        Value::Array(items) => items.iter().for_each(|item| each_object(item, look)),
        _ => {}
    }
}

#[test]
fn tools_are_whole_by_themselves() {
    let all = tools(&description());
    let names: Vec<&str> = all.iter().map(|tool| tool.name.as_str()).collect();
    for name in [
        "post_v1_posts",
        "get_v1_posts",
        "get_v1_posts_by_id",
        "patch_v1_posts_by_id",
        "delete_v1_posts_by_id",
        "get_v1_accounts",
        "get_v1_accounts_by_id",
        "delete_v1_accounts_by_id",
        "post_v1_accounts_connect_by_platform",
        "post_v1_accounts_connect_by_platform_complete",
        "get_v1_accounts_by_id_pinterest_boards",
        "post_v1_accounts_by_id_pinterest_boards",
        "patch_v1_accounts_by_id_pinterest_default_board",
        "post_v1_api_keys",
        "get_v1_api_keys",
        "delete_v1_api_keys_by_id",
        "post_v1_webhook_endpoints",
        "get_v1_webhook_endpoints",
        "get_v1_webhook_endpoints_by_id",
        "patch_v1_webhook_endpoints_by_id",
        "delete_v1_webhook_endpoints_by_id",
        "post_v1_webhook_endpoints_by_id_test",
    ] {
        assert!(names.contains(&name), "{name} is missing in {names:?}");
    }
    for tool in &all {
        each_object(&tool.listing, &mut |members| {
            let foreign = members.get("$ref").is_some_and(Value::is_string)
                || members.get("discriminator").is_some_and(Value::is_object);
            assert!(!foreign, "{} is not whole", tool.name);
        });
        let schema = &tool.listing["inputSchema"];
        assert_eq!(schema["type"], "object");
        for (name, property) in schema["properties"].as_object().expect("properties") {
            assert!(property["description"].is_string(), "{}: {name}", tool.name);
        }
        assert!(tool.listing["description"].is_string());
    }
    let publish = all.iter().find(|tool| tool.name == "post_v1_posts").expect("it is there");
    assert_eq!(publish.listing["inputSchema"]["required"], json!(["targets"]));
    let target = &publish.listing["inputSchema"]["properties"]["targets"]["items"];
    assert!(target["properties"]["options"]["oneOf"].is_array());
}

#[test]
fn no_member_of_a_body_hides_a_parameter() {
    let description = description();
    for operation in description.operations() {
        let Some(body) = operation.json_body() else { continue };
        let body = description.inlined(body);
        for parameter in operation.parameters() {
            let parameter = description.inlined(parameter);
            let name = parameter["name"].as_str().expect("a name");
            let hidden = parameter["in"] != "header" && body["properties"].get(name).is_some();
            assert!(!hidden, "{}: {name}", operation.id());
        }
    }
}

#[test]
fn a_tool_without_a_body_leaves_nothing_over() {
    let all = tools(&description());
    let find = |name: &str| -> &Tool { all.iter().find(|tool| tool.name == name).expect("there") };
    let arguments = |value: Value| value.as_object().expect("an object").clone();
    let call = find("get_v1_accounts").call(arguments(json!({}))).expect("sound");
    assert_eq!((call.uri.as_str(), call.body), ("/v1/accounts", None));
    let call = find("patch_v1_posts_by_id")
        .call(arguments(json!({ "id": "post_1", "text": "x", "other": 1 })))
        .expect("the API says what it makes of the rest");
    assert_eq!(call.uri, "/v1/posts/post_1");
    assert_eq!(call.body.as_deref(), Some(r#"{"other":1,"text":"x"}"#));
    assert!(find("get_v1_posts").call(arguments(json!({ "q": {} }))).is_err());
}
