//! What was tried, from the journal.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::model::{Code, Event, Exchange, Fault, JournalEntry, KeyId, PostId, TargetIx, Verdict};

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

/// The attempts of a target, oldest first; read-backs are attempts too. One that was never
/// answered ends when that was noticed: at its deadline, or by the next process life.
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
                unheard(out.last_mut(), at, "this server stopped while the request was under way");
            }
            Event::Restored { ix: found, .. } if *found == ix => {
                unheard(out.last_mut(), at, "this server was restored from a backup");
            }
            // Between its beginning and its answer a timer rings for an attempt at its deadline.
            Event::Woke { ix: woken } if *woken == ix => {
                unheard(out.last_mut(), at, "no answer came before the deadline");
            }
            _ => {}
        }
    }
    out
}

/// Ends an attempt that has no end yet, and of which nothing was heard.
fn unheard(last: Option<&mut AttemptView>, at: String, why: &str) {
    if let Some(last) = last.filter(|last| last.finished_at.is_none()) {
        last.finished_at = Some(at);
        last.error_code = Some(Code::PlatformUnavailable.as_str().to_owned());
        last.error_message = Some(why.to_owned());
    }
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
    if let Verdict::Absent = verdict {
        view.error_message = Some("read back: the post is not there".to_owned());
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
