//! The description against the code that it describes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Description, Operation};
use crate::front::handlers;
use crate::front::route::{Route, route};
use crate::front::timeline;
use crate::model::{
    BOARD_DESCRIPTION_CHARS_MAX, BOARD_NAME_CHARS_MAX, BoardPrivacy, Code, Fault,
    IDEMPOTENCY_KEY_CHARS_MAX, KEY_NAME_CHARS_MAX, LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX,
    MEDIA_ITEMS_MAX, NoticeKind, PROFILE_NAME_CHARS_MAX, PROFILE_SLUG_CHARS_MAX, Platform,
    SCOPES_MAX, SEARCH_CHARS_MAX, Scope, SendOutcome, TARGETS_MAX, WEBHOOK_DESCRIPTION_CHARS_MAX,
};
use crate::{preflight, wire};

/// Requests that clients of the sandbox's own platform side make, not clients of the API.
const INNER: &str = "/sandbox/v1/";

fn description() -> Description {
    Description::new("http://fanfare.test")
}

fn schema(name: &str) -> Value {
    let found = description().at(&format!("#/components/schemas/{name}")).clone();
    assert!(found.is_object(), "there is no schema {name}");
    found
}

#[track_caller]
fn same_words<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) {
    let known: Vec<&str> = known.into_iter().collect();
    assert_eq!(schema(name)["enum"], json!(known), "{name}");
}

/// Calls `look` with every value of the document that is an object, and where it stands.
fn each_object(value: &Value, place: &str, look: &mut impl FnMut(&Value, &str)) {
    match value {
        Value::Object(members) => {
            look(value, place);
            for (name, value) in members {
                each_object(value, &format!("{place}/{name}"), look);
            }
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                each_object(item, &format!("{place}/{n}"), look);
            }
        }
        _ => {}
    }
}

#[test]
fn it_names_the_server_it_describes() {
    let description = description();
    assert_eq!(description.at("#/openapi"), "3.1.0");
    assert_eq!(description.at("#/servers/0/url"), "http://fanfare.test");
}

#[test]
fn every_reference_leads_somewhere_and_everything_shared_is_used() {
    let description = description();
    let mut used = BTreeSet::new();
    each_object(description.at("#"), "#", &mut |value, place| {
        if let Some(target) = value.get("$ref").and_then(Value::as_str) {
            assert!(!description.at(target).is_null(), "{place} leads nowhere: {target}");
            used.insert(target.to_owned());
        }
    });
    for kind in ["schemas", "parameters", "responses", "headers"] {
        let all = description.at(&format!("#/components/{kind}")).as_object().expect("shared");
        for name in all.keys() {
            let reference = format!("#/components/{kind}/{name}");
            assert!(used.contains(&reference), "nothing uses {reference}");
        }
    }
}

#[test]
fn every_operation_and_every_member_is_explained() {
    let description = description();
    for operation in description.operations() {
        for member in ["summary", "description"] {
            assert!(operation.value[member].is_string(), "{} has no {member}", operation.id());
        }
        for parameter in operation.parameters() {
            let parameter = description.inlined(parameter);
            assert!(parameter["description"].is_string(), "{}: {parameter}", operation.id());
        }
    }
    each_object(description.at("#/components/schemas"), "", &mut |value, place| {
        let members = value.get("properties").and_then(Value::as_object);
        for (name, member) in members.into_iter().flatten() {
            let member = description.inlined(member);
            assert!(member["description"].is_string(), "{place}: {name} is not explained");
        }
    });
}

#[test]
fn operations_are_named_by_method_and_path() {
    let mut names = BTreeSet::new();
    for operation in description().operations() {
        assert!(names.insert(operation.id().to_owned()), "{} is there twice", operation.id());
        if operation.path.starts_with("/v1/") {
            let path = operation.path.replace('{', "by_").replace('}', "");
            let path = path.replace(['/', '-'], "_");
            assert_eq!(operation.id(), format!("{}{path}", operation.method));
        }
    }
}

/// A request for an operation: its method and a path.
fn sample(operation: Operation<'_>) -> (String, String) {
    let parts = operation.path.split('/').map(|part| match part {
        "{id}" => "post_1",
        "{platform}" => "bluesky",
        "{cid}" => "sandbox_1",
        part if part.starts_with('{') => "1",
        part => part,
    });
    (operation.method.to_uppercase(), parts.collect::<Vec<_>>().join("/"))
}

#[test]
fn what_is_described_is_routed() {
    for operation in description().operations() {
        let (method, path) = sample(operation);
        assert_ne!(route(&method, &path), Route::Nowhere, "{method} {path}");
    }
}

#[test]
fn scopes_are_those_that_are_asked_for() {
    for operation in description().operations() {
        let text = operation.value["description"].as_str().expect("it is explained");
        let told = text.split_once("Needs the scope `").map(|(_, rest)| rest);
        let told = told.and_then(|rest| rest.split('`').next());
        let (method, path) = sample(operation);
        let asked = handlers::scope(route(&method, &path)).map(Scope::as_str);
        assert_eq!(told, asked, "{method} {path}");
        assert!(asked.is_none() || operation.value.get("security").is_none(), "{path} is open");
    }
}

#[test]
fn what_is_routed_is_described() {
    let source = include_str!("../route.rs");
    let start = source.find("pub enum Route").expect("the routes are listed there");
    let end = source.find("\npub fn route").expect("the lists of routes end");
    let description = description();
    let mut told = 0;
    // Each variant's first line of documentation names the request, in backticks.
    for line in source[start..end].lines().filter_map(|line| line.trim().strip_prefix("/// `")) {
        let request = line.split('`').next().expect("a split gives a first part");
        // Groups of routes, and what holds for any path, name no single request.
        let Some((method, path)) = request.split_once(' ') else { continue };
        if path.starts_with(INNER) {
            continue;
        }
        let parts = path.split('/').map(|part| match part.strip_prefix(':') {
            Some(name) => format!("{{{name}}}"),
            None => part.to_owned(),
        });
        let path = parts.collect::<Vec<_>>().join("/");
        let method = method.to_lowercase();
        let found = description.operations().any(|it| it.method == method && it.path == path);
        assert!(found, "{request} is not described");
        told += 1;
    }
    assert!(told >= 35, "only {told} routes were found in route.rs");
}

#[test]
fn the_words_are_those_of_the_code() {
    same_words("ErrorCode", Code::ALL.map(Code::as_str));
    same_words("Platform", Platform::ALL.map(Platform::as_str));
    same_words("EventType", NoticeKind::ALL.map(NoticeKind::as_str));
    let outcomes = [SendOutcome::NotSent, SendOutcome::Rejected, SendOutcome::Unknown];
    same_words("Outcome", outcomes.map(SendOutcome::as_str));
    let refused = wire::parse_list("status=?").expect_err("no such status");
    assert_eq!(schema("PostStatus")["enum"], hint(&refused, "options"));
    same_words("Scope", Scope::ALL.map(Scope::as_str));
    let privacy = &schema("CreateBoardRequest")["properties"]["privacy"]["enum"];
    assert_eq!(*privacy, json!(BoardPrivacy::ALL.map(BoardPrivacy::as_str)));
}

/// A hint of the first issue of a refusal.
fn hint(fault: &Fault, name: &str) -> Value {
    let issues = fault.platform_response.as_deref().expect("issues");
    serde_json::from_str::<Value>(issues).expect("JSON")[0][name].clone()
}

#[test]
fn the_options_are_those_of_the_code() {
    let all = schema("TargetOptions");
    for platform in Platform::ALL {
        let name = platform.as_str();
        let reference = all["discriminator"]["mapping"][name].as_str().expect("a mapping");
        let described = description().at(reference).clone();
        assert!(
            all["oneOf"].as_array().is_some_and(|all| all.contains(&json!({"$ref": reference})))
        );
        assert_eq!(described["properties"]["platform"]["const"], name);
        let members = described["properties"].as_object().expect("members").keys();
        let members: BTreeSet<&str> = members.map(String::as_str).collect();
        let known = wire::option_names(platform).chain(["platform"]).collect();
        assert_eq!(members, known, "{name}");
    }
    for (schema_name, platform, member) in [
        ("SandboxOptions", "sandbox", "class"),
        ("SandboxOptions", "sandbox", "faults"),
        ("TiktokOptions", "tiktok", "privacy"),
    ] {
        let described = schema(schema_name)["properties"][member].clone();
        let (words, bad) = match described.get("items") {
            Some(items) => (items["enum"].clone(), json!(["?"])),
            None => (described["enum"].clone(), json!("?")),
        };
        let options = json!({ "platform": platform, member: bad });
        let body = json!({ "targets": [{ "platform": platform, "options": options }] });
        let refused = wire::parse_create(body.to_string().as_bytes()).expect_err("no such word");
        assert_eq!(words, hint(&refused, "options"), "{member}");
    }
}

#[test]
fn the_limits_are_those_of_the_code() {
    let request = schema("CreatePostRequest");
    assert_eq!(request["properties"]["targets"]["maxItems"], TARGETS_MAX);
    assert_eq!(request["properties"]["media"]["maxItems"], MEDIA_ITEMS_MAX);
    assert_eq!(schema("Target")["properties"]["media"]["maxItems"], MEDIA_ITEMS_MAX);
    assert_eq!(schema("PatchPostRequest")["properties"]["media"]["maxItems"], MEDIA_ITEMS_MAX);
    for (name, member, limit, value) in [
        ("CreateApiKeyRequest", "name", "maxLength", KEY_NAME_CHARS_MAX),
        ("CreateApiKeyRequest", "scopes", "maxItems", SCOPES_MAX),
        ("CreateBoardRequest", "name", "maxLength", BOARD_NAME_CHARS_MAX),
        ("CreateBoardRequest", "description", "maxLength", BOARD_DESCRIPTION_CHARS_MAX),
        ("CreateProfileRequest", "name", "maxLength", PROFILE_NAME_CHARS_MAX),
        ("CreateProfileRequest", "slug", "maxLength", PROFILE_SLUG_CHARS_MAX),
        ("PatchProfileRequest", "name", "maxLength", PROFILE_NAME_CHARS_MAX),
        ("PatchProfileRequest", "slug", "maxLength", PROFILE_SLUG_CHARS_MAX),
        ("CreateWebhookEndpointRequest", "description", "maxLength", WEBHOOK_DESCRIPTION_CHARS_MAX),
        ("PatchWebhookEndpointRequest", "description", "maxLength", WEBHOOK_DESCRIPTION_CHARS_MAX),
    ] {
        assert_eq!(schema(name)["properties"][member][limit], value, "{name}.{member}");
    }
    let options = request["properties"]["options"]["anyOf"][1].clone();
    assert_eq!(options["maxItems"], Platform::ALL.len());
    let bluesky = schema("BlueskyOptions")["properties"].clone();
    assert_eq!(bluesky["langs"]["maxItems"], preflight::limits::BLUESKY_LANGS_MAX);
    assert_eq!(bluesky["tags"]["maxItems"], preflight::limits::BLUESKY_TAGS_MAX);
    let description = description();
    let limit = description.at("#/components/parameters/Limit/schema");
    assert_eq!(limit["default"], LIST_LIMIT_DEFAULT);
    assert_eq!(limit["maximum"], LIST_LIMIT_MAX);
    let key = description.at("#/components/parameters/IdempotencyKey/schema");
    assert_eq!(key["maxLength"], IDEMPOTENCY_KEY_CHARS_MAX);
    let query = |path: &str, name: &str| {
        let found = description.operations().find(|it| it.path == path && it.method == "get");
        let found = found.expect("it is described").parameters().find(|it| it["name"] == name);
        found.expect("it has that parameter")["schema"].clone()
    };
    assert_eq!(query("/v1/posts", "q")["maxLength"], SEARCH_CHARS_MAX);
    let timeline_limit = query("/v1/sandbox/timeline", "limit");
    assert_eq!(timeline_limit["default"], timeline::LIMIT_DEFAULT);
    assert_eq!(timeline_limit["maximum"], timeline::LIMIT_MAX);
}

#[test]
fn examples_of_requests_are_taken() {
    for example in schema("CreatePostRequest")["examples"].as_array().expect("examples") {
        let read = wire::parse_create(example.to_string().as_bytes()).expect("it is sound");
        assert!(read.warnings.is_empty(), "{:?}", read.warnings);
    }
}
