//! The step that reads the post replied to, for the root of its thread.
//!
//! A host serves the records of its own accounts and asks the network's index for the others; where
//! it has no index, or the index does not know the account, the record is not readable there. Then
//! the references the client gave are taken as they are: the network checks them again. Only
//! `RecordNotFound` says that the account is known and the post is gone.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::codec::{Answer, Context, Prepared};
use super::options::{Options, Strong};
use super::{answers, query, refused};
use crate::model::{Fault, Output, Verdict};

/// Reads the parent, if there is one and its address can be taken apart.
pub(super) fn prepare(cx: &Context<'_>) -> Result<Prepared, Fault> {
    let Some(parent) = Options::of(cx.content).parent else {
        return Ok(Prepared::Nothing(Output::default()));
    };
    let (repo, collection, key) = parts(&parent.uri).ok_or_else(|| {
        refused(
            "bluesky.reply.uri_format",
            format!("{:?} is no address of a post", parent.uri),
            json!({ "uri": parent.uri }),
            "Use the uri of a post, such as at://did:plc:…/app.bsky.feed.post/3k….".to_owned(),
        )
    })?;
    let parameters = [("repo", repo), ("collection", collection), ("rkey", key)];
    Ok(Prepared::Request(query(cx, "com.atproto.repo.getRecord", &parameters)))
}

/// Keeps parent and root for the record.
pub(super) fn interpret(cx: &Context<'_>, answer: &Answer) -> Verdict {
    let options = Options::of(cx.content);
    let Some(parent) = options.parent else { return Verdict::Done(Output::default()) };
    let record = match answer {
        Answer::Heard { status: 200, body, .. } => {
            let value: Value = serde_json::from_slice(body).unwrap_or_default();
            if !value["value"].is_object() {
                return answers::staging(answer);
            }
            value
        }
        Answer::Heard { status: 400 | 404, body, .. } if !answers::is_token_error(body) => {
            if answers::error_name(body) == "RecordNotFound" {
                return Verdict::Refuse { fault: unknown(&parent, "it is not there") };
            }
            Value::Null
        }
        other => return answers::staging(other),
    };
    if record["cid"].as_str().is_some_and(|cid| cid != parent.cid) {
        return Verdict::Refuse { fault: unknown(&parent, "it has changed since") };
    }
    let root = options.root.or_else(|| strong(&record["value"]["reply"]["root"]));
    let root = root.unwrap_or_else(|| parent.clone());
    let memo = json!({ "root": reference(&root), "parent": reference(&parent) });
    Verdict::Done(Output { memo: Some(Arc::from(memo.to_string())), ..Output::default() })
}

/// The `reply` member of a record, if the target replies to a post.
pub(super) fn member(cx: &Context<'_>) -> Option<Value> {
    let memo = cx.memos.get("reply_parent").and_then(|rounds| rounds.first())?;
    serde_json::from_str(memo).ok()
}

/// A strong reference, as records hold it.
pub(super) fn reference(strong: &Strong) -> Value {
    json!({ "uri": strong.uri, "cid": strong.cid })
}

fn strong(value: &Value) -> Option<Strong> {
    Some(Strong { uri: value["uri"].as_str()?.to_owned(), cid: value["cid"].as_str()?.to_owned() })
}

fn parts(uri: &str) -> Option<(&str, &str, &str)> {
    let mut parts = uri.strip_prefix("at://")?.split('/');
    let found = (parts.next()?, parts.next()?, parts.next()?);
    let whole = parts.next().is_none() && !found.0.is_empty() && !found.2.is_empty();
    whole.then_some(found)
}

fn unknown(parent: &Strong, why: &str) -> Fault {
    refused(
        "bluesky.reply.parent_unknown",
        format!("the post replied to cannot be used: {why}"),
        json!({ "uri": parent.uri, "cid": parent.cid }),
        "Check that the post still exists and take its uri and cid again.".to_owned(),
    )
}
