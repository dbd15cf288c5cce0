//! The visible calls: the post's record and its first comment's.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::answer::{no_parent, reconciled};
use super::super::codec::{Answer, Context, Prepared};
use super::options::Options;
use super::{answers, facets, lost, mentions, procedure, query, reply, tid};
use crate::model::{
    Errand, Fault, MediaItem, MediaKind, Millis, Output, Platform, Receipt, Verdict,
};

/// Where posts live in an account's repository.
const COLLECTION: &str = "app.bsky.feed.post";

/// Which record of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// The post itself.
    Post,
    /// The comment under it.
    Comment,
}

impl Which {
    const fn step(self) -> &'static str {
        match self {
            Self::Post => "publish",
            Self::Comment => "first_comment",
        }
    }

    const fn place(self) -> u64 {
        match self {
            Self::Post => 0,
            Self::Comment => 1,
        }
    }
}

/// The record under its frozen key; or a look at what stands there, to read back or when the host
/// said that another content does.
pub(super) fn prepare(cx: &Context<'_>, which: Which) -> Result<Prepared, Fault> {
    let key = key(cx, which);
    if is_looking(cx, which) {
        let did = cx.access.platform_account_id.as_str();
        let parameters = [("repo", did), ("collection", COLLECTION), ("rkey", key.as_str())];
        return Ok(Prepared::Request(query(cx, "com.atproto.repo.getRecord", &parameters)));
    }
    let body = json!({
        "repo": cx.access.platform_account_id,
        "collection": COLLECTION,
        "rkey": key,
        "record": record(cx, which)?,
        // Said explicitly: the record must not exist yet, or hold these very bytes.
        "swapRecord": null,
    });
    let method = "com.atproto.repo.putRecord";
    Ok(Prepared::Request(procedure(&cx.access.base_url, method, &body)))
}

/// What the answer means for the post or the comment.
pub(super) fn interpret(cx: &Context<'_>, which: Which, answer: &Answer) -> Verdict {
    if is_looking(cx, which) {
        return looked(cx, which, answer);
    }
    if let Answer::Heard { status: 400, body, .. } = answer
        && answers::error_name(body) == "InvalidSwap"
    {
        let memo = Some(Arc::from(json!({ "checking": true }).to_string()));
        return Verdict::Again { memo, after: Millis(0) };
    }
    match answer {
        Answer::Heard { status: 200, body, .. } => match receipt(cx, body) {
            Some(receipt) => done(receipt),
            None => answers::visible(answer),
        },
        other => answers::visible(other),
    }
}

fn done(receipt: Receipt) -> Verdict {
    Verdict::Done(Output { memo: None, receipt: Some(receipt), warnings: Vec::new() })
}

fn is_looking(cx: &Context<'_>, which: Which) -> bool {
    if cx.errand == Errand::Probe {
        return true;
    }
    let memo = cx.memos.get(which.step()).and_then(|rounds| rounds.first());
    memo.is_some_and(|memo| memo.contains("checking"))
}

/// What stands under our key. If it is what we would have written, we wrote it.
fn looked(cx: &Context<'_>, which: Which, answer: &Answer) -> Verdict {
    let probing = cx.errand == Errand::Probe;
    // A read that fails says nothing: a read-back is made again; after a refused write, what
    // stands there stays unknown.
    let undecided = || if probing { answers::staging(answer) } else { answers::visible(answer) };
    let Answer::Heard { status, body, .. } = answer else { return undecided() };
    if *status == 400 && answers::error_name(body) == "RecordNotFound" {
        return if probing {
            Verdict::Absent
        } else {
            Verdict::Refuse { fault: answers::conflict(*status, body) }
        };
    }
    let found: Value = serde_json::from_slice(body).unwrap_or_default();
    let (200, true, Some(receipt)) = (*status, found["value"].is_object(), receipt(cx, body))
    else {
        return undecided();
    };
    let ours = match record(cx, which) {
        Ok(ours) => ours,
        Err(fault) => return Verdict::Refuse { fault },
    };
    // Not when it was made: a server that was restored from a backup begins anew what the one
    // before it had begun.
    let same =
        ["text", "reply", "embed"].into_iter().all(|member| found["value"][member] == ours[member]);
    if !same {
        return Verdict::Refuse { fault: answers::conflict(*status, body) };
    }
    let warnings = if probing { vec![reconciled()] } else { Vec::new() };
    Verdict::Done(Output { memo: None, receipt: Some(receipt), warnings })
}

fn key(cx: &Context<'_>, which: Which) -> String {
    tid::record_key(cx.post, which.place())
}

fn receipt(cx: &Context<'_>, body: &[u8]) -> Option<Receipt> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let uri = value["uri"].as_str()?.to_owned();
    let key = uri.rsplit('/').next()?;
    let url = format!("https://bsky.app/profile/{}/post/{key}", cx.access.platform_account_id);
    Some(Receipt { cid: value["cid"].as_str().map(str::to_owned), url: Some(url), uri: Some(uri) })
}

/// The record: the same bytes whenever it is asked for.
fn record(cx: &Context<'_>, which: Which) -> Result<Value, Fault> {
    let text = match (which, &cx.content.first_comment) {
        (Which::Comment, Some(comment)) => comment.text.as_str(),
        _ => cx.content.text.as_str(),
    };
    let mut record = json!({
        "$type": COLLECTION,
        "text": text,
        "createdAt": cx.started_at.to_string(),
    });
    let facets = facets::facets(text, &mentions::dids(cx));
    if !facets.is_empty() {
        record["facets"] = Value::from(facets);
    }
    let options = Options::of(cx.content);
    if !options.langs.is_empty() {
        record["langs"] = json!(options.langs);
    }
    if which == Which::Comment {
        record["reply"] = comment_reply(cx)?;
        return Ok(record);
    }
    if !options.tags.is_empty() {
        record["tags"] = json!(options.tags);
    }
    if let Some(reply) = reply::member(cx) {
        record["reply"] = reply;
    }
    if let Some(embed) = embed(cx)? {
        record["embed"] = embed;
    }
    Ok(record)
}

fn comment_reply(cx: &Context<'_>) -> Result<Value, Fault> {
    let receipt = cx.receipt.ok_or_else(|| no_parent(Platform::Bluesky))?;
    let (Some(uri), Some(cid)) = (&receipt.uri, &receipt.cid) else {
        return Err(no_parent(Platform::Bluesky));
    };
    let parent = json!({ "uri": uri, "cid": cid });
    let root = reply::member(cx).map_or_else(|| parent.clone(), |reply| reply["root"].clone());
    Ok(json!({ "root": root, "parent": parent }))
}

fn embed(cx: &Context<'_>) -> Result<Option<Value>, Fault> {
    let Some(first) = cx.content.media.first() else { return Ok(None) };
    let blobs: Vec<Value> =
        (0..cx.content.media.len()).map(|place| blob(cx, place)).collect::<Result<_, Fault>>()?;
    if first.kind == MediaKind::Video {
        let mut video = json!({ "$type": "app.bsky.embed.video", "video": blobs[0] });
        if let Some(alt) = &first.alt_text {
            video["alt"] = json!(alt);
        }
        return Ok(Some(video));
    }
    let images = cx.content.media.iter().zip(blobs).enumerate();
    let images: Vec<Value> =
        images.map(|(place, (item, blob))| image(cx, place, item, &blob)).collect();
    Ok(Some(json!({ "$type": "app.bsky.embed.images", "images": images })))
}

fn image(cx: &Context<'_>, place: usize, item: &MediaItem, blob: &Value) -> Value {
    let mut image = json!({ "image": blob, "alt": item.alt_text.as_deref().unwrap_or("") });
    if let Some((width, height)) = cx.media.get(place).and_then(|facts| facts.dimensions) {
        image["aspectRatio"] = json!({ "width": width, "height": height });
    }
    image
}

fn blob(cx: &Context<'_>, place: usize) -> Result<Value, Fault> {
    let memo = cx.memos.get("upload").and_then(|rounds| rounds.get(place));
    memo.and_then(|memo| serde_json::from_str(memo).ok()).ok_or_else(|| lost("an uploaded file"))
}
