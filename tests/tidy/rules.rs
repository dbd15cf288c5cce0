//! Every rule that the code may name has an entry in the table behind the pages, and every entry
//! is named by some code.

use std::collections::BTreeSet;

use fanfare::front::{all_rules, find_rule};
use fanfare::model::{NoticeKind, Platform};

use crate::source::{Source, tree};

/// Files whose words with dots are no rules: settings, records, scopes, and the table itself.
const ELSEWHERE: &[&str] = &[
    "src/config",
    "src/store/",
    "src/platforms/oauth/provider.rs",
    "src/front/rules/",
    "src/front/openapi/",
];

/// Files that put each platform's name before the rules in them.
const FOR_EACH_PLATFORM: &[&str] = &["src/platforms/oauth/answers.rs"];

/// Words that look like rules and are none: files, methods of a protocol, settings in a message,
/// codes of remarks, a handle as an example, members in a message.
const NO_RULES: &[&str] = &[
    "app.bsky.embed.images",
    "app.bsky.embed.video",
    "app.bsky.feed.post",
    "com.atproto.identity.resolveHandle",
    "com.atproto.repo.getRecord",
    "com.atproto.repo.putRecord",
    "com.atproto.server.createSession",
    "control.sock",
    "landings.log",
    "log_tests.rs",
    "me.bsky.social",
    "media.allow_private",
    "openapi.json",
    "options.coverImageUrl",
    "options.destinationUrl",
    "options.langs",
    "options.title",
    "request.unknown_field",
    "sandbox.no_platform_write",
    "server.listen",
    "upstream.allow_private",
    "webhooks.allow_private",
];

/// The one rule of preflight that is no platform's own.
const COMMON: &str = "media.bytes_inline_unsupported";

/// Calls whose first string names a member of a request or a parameter of a query.
const MEMBERS: &[&str] = &[
    ".at(",
    ".optional(",
    ".required(",
    ".rule(",
    "optional(",
    "required(",
    "need(",
    "bad(",
    "wrong(",
];

/// The files that may name rules, their tests cut off.
fn sources() -> Vec<Source> {
    let may = |source: &Source| {
        source.path.starts_with("src/")
            && !source.path.contains("test")
            && !ELSEWHERE.iter().any(|start| source.path.starts_with(start))
    };
    let cut = |source: Source| match source.code.find("#[cfg(test)]\nmod tests {") {
        Some(end) => Source::new(&source.path, &source.text[..end]),
        None => source,
    };
    tree().into_iter().filter(may).map(cut).collect()
}

/// Whether a text is names joined by dots.
fn is_dotted(text: &str) -> bool {
    text.contains('.')
        && text.split('.').all(|part| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        })
}

/// The platform whose shape rules a file holds.
fn platform_of(path: &str) -> Option<Platform> {
    path.strip_prefix("src/preflight/")?.strip_suffix(".rs")?.parse().ok()
}

/// Every rule with dots that these files may name.
fn named(sources: &[Source]) -> BTreeSet<String> {
    let shared = sources.iter().find(|source| source.path == "src/preflight/check.rs");
    let shared = shared.map(methods).unwrap_or_default();
    let mut found = BTreeSet::new();
    for source in sources.iter().filter(|source| source.path != "src/preflight/check.rs") {
        let platform = platform_of(&source.path);
        for (_, text) in source.strings() {
            if let Some(rest) = text.strip_prefix('{') {
                let Some((_, name)) = rest.split_once("}.") else { continue };
                if name != "toml" && (is_dotted(name) || is_dotted(&format!("a.{name}"))) {
                    found.extend(Platform::ALL.iter().map(|platform| format!("{platform}.{name}")));
                }
            } else if FOR_EACH_PLATFORM.contains(&source.path.as_str()) && is_dotted(text) {
                found.extend(Platform::ALL.iter().map(|platform| format!("{platform}.{text}")));
            } else if is_dotted(text) && NoticeKind::of(text).is_none() && !NO_RULES.contains(&text)
            {
                found.insert(match platform {
                    Some(platform) => format!("{platform}.{text}"),
                    None => text.to_owned(),
                });
            }
        }
        let Some(platform) = platform else { continue };
        for (method, rules) in &shared {
            if source.places(&format!("check.{method}(")).next().is_some() {
                found.extend(rules.iter().map(|rule| match rule.as_str() {
                    COMMON => COMMON.to_owned(),
                    rule => format!("{platform}.{rule}"),
                }));
            }
        }
    }
    found
}

/// The methods that platforms share, each with the rules that it names itself.
fn methods(source: &Source) -> Vec<(String, Vec<String>)> {
    let strings = source.strings();
    // A function pointer's type has no name after it.
    let starts: Vec<usize> = source.places("fn ").collect();
    let end = |n: usize| starts.get(n + 1).copied().unwrap_or(source.code.len());
    let one = |(n, start): (usize, &usize)| {
        let name: String = source.code[start + 3..].chars().take_while(|c| *c != '(').collect();
        let within = strings.iter().filter(|(at, _)| (*start..end(n)).contains(at));
        let rules = within.map(|(_, text)| *text).filter(|text| is_dotted(text));
        (name, rules.map(str::to_owned).collect())
    };
    starts.iter().enumerate().map(one).collect()
}

/// Every member that these files name in calls that make a path or a rule of it.
fn members(sources: &[Source]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for source in sources {
        for (at, text) in source.strings() {
            let before = source.text[..at].trim_end();
            let before = before.strip_suffix("object,").unwrap_or(before);
            let is_name = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphabetic());
            if is_name && MEMBERS.iter().any(|call| before.ends_with(call)) {
                found.insert(text.to_owned());
            }
        }
    }
    found
}

fn has_page(rule: &str) -> bool {
    let slug = rule.replace('.', "-").to_lowercase();
    find_rule(&slug).is_some_and(|found| found.name == rule)
}

/// The member that a path ends with.
fn last(path: &str) -> &str {
    path.split('.').rfind(|part| *part != "N").unwrap_or(path)
}

#[test]
fn every_rule_that_is_named_has_a_page() {
    let sources = sources();
    let named = named(&sources);
    assert!(named.len() > 150, "only {} rules were found: is this the project?", named.len());
    let lost: Vec<&String> = named.iter().filter(|rule| !has_page(rule)).collect();
    assert!(lost.is_empty(), "without an entry in src/front/rules: {lost:#?}");
    let members = members(&sources);
    assert!(members.len() > 30, "only {} members were found", members.len());
    let known: BTreeSet<&str> = all_rules().iter().map(|known| last(&known.name)).collect();
    let lost: Vec<&String> =
        members.iter().filter(|member| !known.contains(member.as_str())).collect();
    assert!(lost.is_empty(), "without an entry in src/front/rules/fields.rs: {lost:#?}");
}

#[test]
fn every_page_is_about_a_rule_that_is_named() {
    let sources = sources();
    let named = named(&sources);
    let words: BTreeSet<&str> =
        sources.iter().flat_map(Source::strings).map(|(_, text)| text).collect();
    for known in all_rules() {
        let name = known.name.as_str();
        // A member's path is put together from the members' names as a request is walked.
        let path = !name.contains('.')
            || name.contains(".N")
            || name.starts_with("options.")
            || name.starts_with("firstComment.");
        let is_named = named.contains(name) || (path && words.contains(last(name)));
        assert!(is_named, "no code names {name}; it has an entry in src/front/rules");
    }
}

#[test]
fn names_are_found_in_source_text() {
    let check = Source::new(
        "src/preflight/check.rs",
        "fn one(a: u8) { x(\"media.one\", \"a b\") } \
         fn two(a: fn(u8) -> u8) { y(\"media.two\", \"images\") }",
    );
    let tiktok =
        Source::new("src/preflight/tiktok.rs", "check.two(); z(\"text.max\", \"the text\")");
    let other = Source::new(
        "src/wire/a.rs",
        "walk.at(\"url\"); optional(object, \"events\", f); r(\"post.status\", \"post.failed\"); \
         format!(\"{}.toml\", a); format!(\"{b}.gone\"); // \"not.this\"",
    );
    let sources = [check, tiktok, other];
    let mut expected: Vec<String> =
        Platform::ALL.iter().map(|platform| format!("{platform}.gone")).collect();
    expected.extend(["tiktok.media.two", "tiktok.text.max", "post.status"].map(str::to_owned));
    assert_eq!(named(&sources), expected.into_iter().collect());
    assert_eq!(members(&sources), ["url", "events"].map(str::to_owned).into());
}
