//! Bluesky and every other AT Protocol host.
//!
//! Words: a *record* is a post or a comment; its *record key* (a TID) is derived from our post id
//! and frozen, and `putRecord` with `swapRecord: null` makes it at most once: the same bytes again
//! are answered with the same address. A *blob* is an uploaded file, named by its content.
//! Source: the protocol's lexicons and the reference host's source, autumn 2026.
//!
//! Deliberately absent: video transcoding by the video service; a video is uploaded as a blob,
//! which every host takes within its own limit.

mod options;
mod tid;
mod facets;
mod mentions;
mod reply;
mod record;
mod answers;
pub mod session;
pub mod identity;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use super::codec::{Answer, Body, Context, MediaFacts, Prepared, Reach, Request};
use super::{Platform, snapshot};
use crate::model::{self, Code, Content, Fault, MediaItem, MediaKind, SendOutcome, Verdict};
use crate::preflight::limits;

/// Bluesky's codec.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bluesky;

impl Platform for Bluesky {
    fn platform(&self) -> model::Platform {
        model::Platform::Bluesky
    }

    fn workflow(&self, _content: &Content) -> &'static str {
        "bluesky"
    }

    fn steps(&self) -> &'static [&'static str] {
        &[
            snapshot::SNAPSHOT,
            "resolve_mentions",
            "reply_parent",
            "upload",
            "publish",
            "first_comment",
        ]
    }

    fn inspect(&self, item: &MediaItem, facts: &MediaFacts) -> Result<(), Fault> {
        inspect(item, facts)
    }

    fn prepare(&self, cx: &Context<'_>) -> Result<Prepared, Fault> {
        match cx.step {
            snapshot::SNAPSHOT => Ok(Prepared::Snapshot),
            "resolve_mentions" => Ok(mentions::prepare(cx)),
            "reply_parent" => reply::prepare(cx),
            "upload" => upload(cx),
            "publish" => record::prepare(cx, record::Which::Post),
            "first_comment" => record::prepare(cx, record::Which::Comment),
            other => Err(lost(&format!("the step {other:?}"))),
        }
    }

    fn interpret(&self, cx: &Context<'_>, answer: &Answer) -> Verdict {
        match cx.step {
            snapshot::SNAPSHOT => snapshot::interpret(self, cx, answer),
            "resolve_mentions" => mentions::interpret(cx, answer),
            "reply_parent" => reply::interpret(cx, answer),
            "upload" => answers::uploaded(answer),
            "publish" => record::interpret(cx, record::Which::Post, answer),
            _ => record::interpret(cx, record::Which::Comment, answer),
        }
    }
}

/// A query (GET) of a method of the protocol.
fn query(cx: &Context<'_>, method: &str, parameters: &[(&str, &str)]) -> Request {
    let mut text = url::form_urlencoded::Serializer::new(String::new());
    text.extend_pairs(parameters);
    Request {
        method: "GET",
        url: format!("{}/xrpc/{method}?{}", cx.access.base_url, text.finish()),
        headers: vec![("accept", "application/json".to_owned())],
        bearer: true,
        body: Body::Empty,
        reach: Reach::Public,
        fault: None,
    }
}

/// A procedure (POST) of the protocol with a JSON body.
fn procedure(base_url: &str, method: &str, body: &Value) -> Request {
    Request {
        method: "POST",
        url: format!("{base_url}/xrpc/{method}"),
        headers: vec![
            ("content-type", "application/json".to_owned()),
            ("accept", "application/json".to_owned()),
        ],
        bearer: true,
        body: Body::Bytes(body.to_string().into_bytes()),
        reach: Reach::Public,
        fault: None,
    }
}

fn upload(cx: &Context<'_>) -> Result<Prepared, Fault> {
    let facts = cx.media.get(cx.round).ok_or_else(|| lost("the bytes of an attachment"))?;
    Ok(Prepared::Request(Request {
        method: "POST",
        url: format!("{}/xrpc/com.atproto.repo.uploadBlob", cx.access.base_url),
        headers: vec![
            ("content-type", facts.mime.clone()),
            ("accept", "application/json".to_owned()),
        ],
        bearer: true,
        body: Body::Media(facts.digest),
        reach: Reach::Public,
        fault: None,
    }))
}

fn inspect(item: &MediaItem, facts: &MediaFacts) -> Result<(), Fault> {
    let (mimes, bytes_max, rule) = match item.kind {
        MediaKind::Image => (
            &limits::BLUESKY_IMAGE_MIMES[..],
            limits::BLUESKY_IMAGE_BYTES_MAX,
            "bluesky.media.image_size_max",
        ),
        MediaKind::Video => (
            &limits::BLUESKY_VIDEO_MIMES[..],
            limits::BLUESKY_VIDEO_BYTES_MAX,
            "bluesky.media.video_size_max",
        ),
    };
    let kind = item.kind.as_str();
    if !mimes.contains(&facts.mime.as_str()) {
        return Err(refused(
            "bluesky.media.mime_allowed",
            format!("the {kind} is {}; Bluesky shows {}", facts.mime, mimes.join(", ")),
            json!({ "mime": facts.mime, "allowed": mimes }),
            format!("Re-encode it as one of {}.", mimes.join(", ")),
        ));
    }
    if facts.bytes > bytes_max {
        return Err(refused(
            rule,
            format!("the {kind} is {} bytes; Bluesky takes at most {bytes_max}", facts.bytes),
            json!({ "bytes": facts.bytes, "limit": bytes_max }),
            format!("Compress or shrink it to {bytes_max} bytes."),
        ));
    }
    Ok(())
}

fn refused(rule: &str, message: String, hints: Value, remedy: String) -> Fault {
    Fault::new(Code::PreflightFailed, message)
        .rule(rule)
        .on(model::Platform::Bluesky)
        .response(hints.to_string())
        .remedy(remedy)
        .outcome(SendOutcome::NotSent)
}

fn lost(what: &str) -> Fault {
    Fault::new(Code::InternalError, format!("{what} got lost between two steps"))
        .rule("bluesky.internal")
        .on(model::Platform::Bluesky)
        .remedy("Publish it again; please report this with the post's journal.")
        .outcome(SendOutcome::NotSent)
}
