//! The step that finds the DID behind each handle, one exchange a handle.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::super::codec::{Answer, Context, Prepared};
use super::answers;
use super::{facets, query};
use crate::model::{Millis, Output, Verdict};

/// The step's name: under it the answers so far are kept.
const STEP: &str = "resolve_mentions";

/// Asks for the first handle that has no answer yet.
pub(super) fn prepare(cx: &Context<'_>) -> Prepared {
    match next(cx) {
        Some(handle) => {
            let method = "com.atproto.identity.resolveHandle";
            Prepared::Request(query(cx, method, &[("handle", &handle)]))
        }
        None => Prepared::Nothing(Output { memo: memo(&known(cx)), ..Output::default() }),
    }
}

/// Keeps the answer; a handle that nobody has stays plain text.
pub(super) fn interpret(cx: &Context<'_>, answer: &Answer) -> Verdict {
    let Some(handle) = next(cx) else {
        return Verdict::Done(Output { memo: memo(&known(cx)), ..Output::default() });
    };
    let did = match answer {
        Answer::Heard { status: 200, body, .. } => {
            let value: Value = serde_json::from_slice(body).unwrap_or_default();
            match value["did"].as_str() {
                Some(did) => Some(did.to_owned()),
                // No answer to the question: it must not cost the post its mention.
                None => return answers::staging(answer),
            }
        }
        Answer::Heard { status: 400 | 404, body, .. } if !answers::is_token_error(body) => None,
        other => return answers::staging(other),
    };
    let mut known = known(cx);
    known.insert(handle, did);
    let more = wanted(cx).iter().any(|handle| !known.contains_key(handle));
    if more {
        Verdict::Again { memo: memo(&known), after: Millis(0) }
    } else {
        Verdict::Done(Output { memo: memo(&known), ..Output::default() })
    }
}

/// The DIDs found, by lower-case handle.
pub(super) fn dids(cx: &Context<'_>) -> BTreeMap<String, String> {
    known(cx).into_iter().filter_map(|(handle, did)| Some((handle, did?))).collect()
}

fn wanted(cx: &Context<'_>) -> Vec<String> {
    let mut handles = facets::handles(&cx.content.text);
    if let Some(comment) = &cx.content.first_comment {
        for handle in facets::handles(&comment.text) {
            if !handles.contains(&handle) {
                handles.push(handle);
            }
        }
    }
    handles
}

fn known(cx: &Context<'_>) -> BTreeMap<String, Option<String>> {
    let memo = cx.memos.get(STEP).and_then(|rounds| rounds.first());
    memo.and_then(|memo| serde_json::from_str(memo).ok()).unwrap_or_default()
}

fn next(cx: &Context<'_>) -> Option<String> {
    let known = known(cx);
    wanted(cx).into_iter().find(|handle| !known.contains_key(handle))
}

fn memo(known: &BTreeMap<String, Option<String>>) -> Option<Arc<str>> {
    serde_json::to_string(known).ok().map(Arc::from)
}
