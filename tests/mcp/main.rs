//! The MCP server with the client that agents have: the TypeScript SDK, over HTTP, against the real
//! binary. `install` next to this file installs the SDK.

#[path = "../support/mod.rs"]
mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use support::{Server, landed, start};

/// A client in a Node process of its own; the process ends with its standard input.
struct Client {
    process: Child,
    asks: Option<ChildStdin>,
    says: BufReader<ChildStdout>,
    /// What it learned when it connected.
    greeting: Value,
}

impl Client {
    /// A client with a key; `None`, said once, where the SDK is not installed.
    fn connect(server: &Server, key: &str) -> Option<Self> {
        let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mcp");
        if !folder.join("node_modules/.installed").exists() {
            // Written past the test runner, which would swallow it.
            let _ = writeln!(
                std::io::stderr(),
                "skipped: a test with the real MCP client, because tests/mcp/install was not run"
            );
            return None;
        }
        let mut process = Command::new("node")
            .arg("client.js")
            .args([&format!("{}/mcp", server.base), key])
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Node starts where npm was");
        let asks = process.stdin.take();
        let says = BufReader::new(process.stdout.take().expect("it is piped"));
        let mut client = Self { process, asks, says, greeting: Value::Null };
        client.greeting = client.hear();
        Some(client)
    }

    fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.says.read_line(&mut line).expect("the client says something");
        serde_json::from_str(&line).unwrap_or_else(|problem| panic!("{problem}: {line:?}"))
    }

    fn ask(&mut self, asked: &Value) -> Value {
        let asks = self.asks.as_mut().expect("it is open until the end");
        writeln!(asks, "{asked}").expect("the client listens");
        self.hear()
    }

    /// What the API answered to a call.
    fn call(&mut self, name: &str, arguments: &Value, meta: &Value) -> Value {
        let asked = json!({ "name": name, "arguments": arguments, "meta": meta });
        let result = self.ask(&asked);
        assert_eq!(result["isError"], false, "{result}");
        let text = result["content"][0]["text"].as_str().expect("a text");
        serde_json::from_str(text).expect("JSON")
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        drop(self.asks.take());
        let _ = self.process.wait();
    }
}

fn server() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().expect("a folder");
    let server = start(&folder.path().join("data"), &[]);
    (folder, server)
}

#[test]
fn an_agent_publishes_and_reads_back() {
    let (_folder, server) = server();
    let Some(mut client) = Client::connect(&server, &server.key) else { return };
    assert_eq!(client.greeting["server"]["name"], "fanfare", "{}", client.greeting);
    assert!(client.greeting["capabilities"]["tools"].is_object());
    assert!(client.greeting["instructions"].is_string());
    assert_eq!(client.ask(&json!({ "ping": true })), json!({}));

    let tools = client.ask(&json!({ "list": true }))["tools"].clone();
    let names: Vec<&str> =
        tools.as_array().expect("tools").iter().filter_map(|tool| tool["name"].as_str()).collect();
    for name in ["post_v1_posts", "get_v1_posts_by_id", "get_v1_accounts", "get_v1_events"] {
        assert!(names.contains(&name), "{name} is missing in {names:?}");
    }

    let post = json!({ "targets": [{ "platform": "sandbox" }], "text": "by an agent" });
    let key = json!({ "idempotencyKey": "monday" });
    let first = client.call("post_v1_posts", &post, &key);
    assert_eq!((&first["status"], &first["ok"]), (&json!(200), &json!(true)), "{first}");
    assert_eq!(first["body"]["status"], "published");
    // The same key is the same post, whoever asks.
    assert_eq!(client.call("post_v1_posts", &post, &key), first);
    let id = first["body"]["results"][0]["postId"].as_str().expect("an id").to_owned();
    assert_eq!(landed(&server.data, &id), 1);

    let read = client.call("get_v1_posts_by_id", &json!({ "id": id }), &Value::Null);
    assert_eq!(read["body"], server.get(&format!("/v1/posts/{id}")).json());
    assert_eq!(read["body"]["text"], "by an agent");
    let filter = json!({ "platform": ["bluesky", "sandbox"], "status": ["published"] });
    let list = client.call("get_v1_posts", &filter, &Value::Null);
    assert_eq!(list["body"]["data"][0]["id"], json!(id));
}

#[test]
fn an_agent_is_told_what_went_wrong() {
    let (_folder, server) = server();
    let Some(mut client) = Client::connect(&server, &server.key) else { return };
    let refused = client.call("post_v1_posts", &json!({ "targets": [] }), &Value::Null);
    assert_eq!((&refused["status"], &refused["ok"]), (&json!(400), &json!(false)));
    assert_eq!(refused["body"]["error"]["rule"], "targets.required");
    assert!(refused["body"]["error"]["remediation"].is_string());
    let missing = client.call("get_v1_posts_by_id", &json!({ "id": "post_0" }), &Value::Null);
    assert_eq!(missing["status"], 404);

    let unknown = client.ask(&json!({ "name": "no_such_tool", "arguments": {} }));
    assert_eq!(unknown["isError"], true, "{unknown}");
    let text = unknown["content"][0]["text"].as_str().expect("a text");
    assert!(text.contains("no_such_tool"), "{text}");
}

#[test]
fn a_key_that_is_no_key_is_refused_at_the_door_and_a_bad_one_in_the_result() {
    let (_folder, server) = server();
    let Some(client) = Client::connect(&server, "nonsense") else { return };
    let refused = client.greeting["refused"].as_str().expect("it is refused");
    assert!(refused.contains("unauthenticated"), "{refused}");
    let bad = "lmp_live_00000000000000000000000000000000";
    let Some(mut client) = Client::connect(&server, bad) else { return };
    let answer = client.call("get_v1_accounts", &json!({}), &Value::Null);
    assert_eq!(answer["status"], 401);
    assert_eq!(answer["body"]["error"]["code"], "unauthenticated");
}
