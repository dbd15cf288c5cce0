//! The step that gets hold of an attachment's bytes: the same for every platform.

use std::sync::Arc;

use serde_json::{Value, json};

use super::answer::shown;
use super::codec::{Answer, Context, MediaFacts, Platform};
use crate::model::{Code, Fault, Output, Verdict};

/// The name of the step.
pub const SNAPSHOT: &str = "snapshot";

/// What the snapshot of a media item means: its facts are kept when the platform takes it.
pub(super) fn interpret(codec: &dyn Platform, cx: &Context<'_>, answer: &Answer) -> Verdict {
    match answer {
        Answer::Snapshot(facts) => {
            let inspected = match cx.content.media.get(cx.round) {
                Some(item) => codec.inspect(item, facts),
                None => Ok(()),
            };
            match inspected {
                Ok(()) => Verdict::Done(Output {
                    memo: Some(Arc::from(facts_to_memo(facts))),
                    ..Output::default()
                }),
                Err(fault) => Verdict::Refuse { fault },
            }
        }
        Answer::SnapshotFailed { fault, retry_after: Some(after) } => {
            Verdict::Retry { fault: fault.clone(), after: Some(*after) }
        }
        Answer::SnapshotFailed { fault, retry_after: None } => {
            Verdict::Refuse { fault: fault.clone() }
        }
        other => Verdict::Retry {
            fault: Fault::new(
                Code::InternalError,
                format!("a snapshot of media was answered with {}", shown(other)),
            )
            .rule("server.attempt")
            .remedy("Please report this with the post's journal."),
            after: None,
        },
    }
}

/// Facts as they are kept between steps.
pub fn facts_to_memo(facts: &MediaFacts) -> String {
    json!({
        "digest": facts.digest.to_string(),
        "bytes": facts.bytes,
        "mime": facts.mime,
        "width": facts.dimensions.map(|(width, _)| width),
        "height": facts.dimensions.map(|(_, height)| height),
    })
    .to_string()
}

/// Facts that were kept; `None` when the text is not ours.
pub fn facts_from_memo(memo: &str) -> Option<MediaFacts> {
    let value: Value = serde_json::from_str(memo).ok()?;
    let side = |name: &str| value[name].as_u64().and_then(|side| u32::try_from(side).ok());
    Some(MediaFacts {
        digest: value["digest"].as_str()?.parse().ok()?,
        bytes: value["bytes"].as_u64()?,
        mime: value["mime"].as_str()?.to_owned(),
        dimensions: side("width").zip(side("height")),
    })
}
