//! What was tried, from the journal.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::model::{Event, Exchange, Fault, JournalEntry, KeyId, PostId, TargetIx, Verdict};

/// One attempt at one exchange with the platform.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptView {
    id: String,
    attempt_number: u32,
    started_at: String,
    finished_at: Option<String>,
    succeeded: Option<bool>,
    error_code: Option<String>,
    error_message: Option<String>,
    platform_response: Option<Box<RawValue>>,
    request: Option<String>,
}

/// The attempts of a target, oldest first. An attempt that was under way when the process ended
/// has no end of its own; the journal says when it was found.
pub fn attempts(entries: &[JournalEntry], ix: TargetIx, post: PostId) -> Vec<AttemptView> {
    let mut out: Vec<AttemptView> = Vec::new();
    for entry in entries {
        let at = entry.stamp.at.to_string();
        match &entry.event {
            Event::Begun { ix: begun } if *begun == ix => {
                let number = u32::try_from(out.len() + 1).unwrap_or(u32::MAX);
                out.push(AttemptView {
                    id: id(post, number),
                    attempt_number: number,
                    started_at: at,
                    finished_at: None,
                    succeeded: None,
                    error_code: None,
                    error_message: None,
                    platform_response: None,
                    request: None,
                });
            }
            Event::Answered { ix: answered, verdict, exchange, .. } if *answered == ix => {
                if let Some(last) = out.last_mut() {
                    finish(last, at, verdict, exchange.as_ref());
                }
            }
            Event::Recovered { ix: found } if *found == ix => {
                if let Some(last) = out.last_mut() {
                    last.finished_at = Some(at);
                    last.error_code = Some("platform_unavailable".to_owned());
                    last.error_message =
                        Some("this server stopped while the request was under way".to_owned());
                }
            }
            _ => {}
        }
    }
    out
}

/// Stable over reads: a UUID made of the post's bits and the attempt's number.
fn id(post: PostId, number: u32) -> String {
    let mixed = post.raw() ^ (u128::from(number) << 40);
    // Version 8, "custom", with the standard variant.
    let raw = mixed & !(0xf << 76) & !(0x3 << 62) | (0x8 << 76) | (0x2 << 62);
    KeyId::from_raw(raw).to_string()
}

fn finish(view: &mut AttemptView, at: String, verdict: &Verdict, exchange: Option<&Exchange>) {
    view.finished_at = Some(at);
    view.succeeded = Some(matches!(verdict, Verdict::Done(_) | Verdict::Again { .. }));
    if let Some(fault) = fault_of(verdict) {
        view.error_code = Some(fault.code.as_str().to_owned());
        view.error_message = Some(fault.message.clone());
    }
    if let Verdict::Unknown { .. } = verdict {
        view.succeeded = None;
    }
    if let Some(exchange) = exchange {
        view.request = Some(exchange.request.clone());
        let answer = &exchange.answer;
        view.platform_response = RawValue::from_string(answer.clone())
            .ok()
            .or_else(|| serde_json::value::to_raw_value(answer).ok());
    }
}

fn fault_of(verdict: &Verdict) -> Option<&Fault> {
    match verdict {
        Verdict::Retry { fault, .. }
        | Verdict::Parked { fault, .. }
        | Verdict::Refuse { fault }
        | Verdict::Reauth { fault }
        | Verdict::Unknown { fault }
        | Verdict::Restage { fault } => Some(fault),
        Verdict::Done(_) | Verdict::Again { .. } | Verdict::Absent => None,
    }
}
