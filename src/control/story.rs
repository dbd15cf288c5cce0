//! A journal entry as an operator reads it.

use serde_json::{Map, Value, json};

use crate::model::{
    Batch, CancelReason, Errand, Event, Exchange, Fault, JournalEntry, Ruling, StepRef, TargetIx,
    Verdict,
};
use crate::workflow::Catalog;

/// One entry as JSON: when, what, to which post, and what was exchanged.
pub fn story(entry: &JournalEntry, batch: &Batch, catalog: &Catalog) -> Value {
    let mut out = Map::new();
    out.insert("n".into(), json!(entry.n));
    out.insert("at".into(), json!(entry.stamp.at.to_string()));
    out.insert("epoch".into(), json!(entry.stamp.epoch));
    let (name, ix) = name_of(&entry.event);
    out.insert("event".into(), json!(name));
    if let Some(ix) = ix {
        out.insert("target".into(), json!(ix.0));
        if let Some(target) = batch.target(ix) {
            out.insert("postId".into(), json!(target.post.to_string()));
        }
    }
    detail(&entry.event, &mut out);
    if let (Event::Answered { .. }, Some(ix)) = (&entry.event, ix)
        && let Some(target) = batch.target(ix)
        && let Some(definition) = catalog.get(&target.definition)
    {
        out.insert("workflow".into(), json!(definition.name));
    }
    Value::Object(out)
}

/// The name of a step, as its definition has it.
pub(super) fn step_name(batch: &Batch, ix: TargetIx, at: StepRef, catalog: &Catalog) -> String {
    let step = batch
        .target(ix)
        .and_then(|target| catalog.get(&target.definition))
        .and_then(|definition| definition.step(at));
    match step {
        Some(step) if at.round > 0 => format!("{} #{}", step.name, at.round + 1),
        Some(step) => step.name.clone(),
        None => format!("step {}", at.step),
    }
}

/// `send` or `read back`.
pub(super) const fn errand_name(errand: Errand) -> &'static str {
    match errand {
        Errand::Send => "send",
        Errand::Probe => "read back",
    }
}

fn name_of(event: &Event) -> (&'static str, Option<TargetIx>) {
    match event {
        Event::Accepted(_) => ("accepted", None),
        Event::Woke { ix } => ("woke", Some(*ix)),
        Event::Missed { ix } => ("missed", Some(*ix)),
        Event::Begun { ix } => ("begun", Some(*ix)),
        Event::Answered { ix, .. } => ("answered", Some(*ix)),
        Event::Recovered { ix } => ("recovered", Some(*ix)),
        Event::ReplyDue => ("reply-due", None),
        Event::Rescheduled { ix, .. } => ("rescheduled", Some(*ix)),
        Event::Edited { ix, .. } => ("edited", Some(*ix)),
        Event::Canceled { ix, .. } => ("canceled", Some(*ix)),
        Event::Ruled { ix, .. } => ("ruled", Some(*ix)),
        Event::Retried { ix, .. } => ("retried", Some(*ix)),
        Event::Restored { ix, .. } => ("restored", Some(*ix)),
    }
}

fn detail(event: &Event, out: &mut Map<String, Value>) {
    match event {
        Event::Accepted(batch) => {
            out.insert("targets".into(), json!(batch.targets.len()));
            out.insert("requestId".into(), json!(batch.request_id.as_str()));
            if let Some(at) = batch.scheduled_at {
                out.insert("scheduledAt".into(), json!(at.to_string()));
            }
        }
        Event::Answered { number, verdict, exchange, .. } => {
            out.insert("attempt".into(), json!(number));
            verdict_of(verdict, out);
            if let Some(exchange) = exchange {
                out.insert("exchange".into(), exchange_of(exchange));
            }
        }
        Event::Rescheduled { due, request, .. } | Event::Retried { due, request, .. } => {
            out.insert("due".into(), json!(due.to_string()));
            if let Some(request) = request {
                out.insert("requestId".into(), json!(request.as_str()));
            }
            if let Event::Retried { force: true, .. } = event {
                out.insert("force".into(), json!(true));
            }
        }
        Event::Canceled { reason, .. } => {
            let reason = match reason {
                CancelReason::Requested => "requested",
                CancelReason::AccountRemoved => "account removed",
            };
            out.insert("reason".into(), json!(reason));
        }
        Event::Ruled { ruling, .. } => {
            let (ruling, uri) = match ruling {
                Ruling::Published { uri } => ("published", uri.clone()),
                Ruling::Failed => ("failed", None),
            };
            out.insert("ruling".into(), json!(ruling));
            if let Some(uri) = uri {
                out.insert("uri".into(), json!(uri));
            }
        }
        Event::Restored { since, overdue, .. } => {
            out.insert("backupOf".into(), json!(since.to_string()));
            if *overdue {
                out.insert("overdue".into(), json!(true));
            }
        }
        Event::Woke { .. }
        | Event::Missed { .. }
        | Event::Begun { .. }
        | Event::Recovered { .. }
        | Event::ReplyDue
        | Event::Edited { .. } => {}
    }
}

fn verdict_of(verdict: &Verdict, out: &mut Map<String, Value>) {
    let mut say = |name: &str, fault: Option<&Fault>, wait_ms: Option<u64>| {
        out.insert("verdict".into(), json!(name));
        if let Some(fault) = fault {
            out.insert("code".into(), json!(fault.code.as_str()));
            out.insert("rule".into(), json!(fault.rule));
            out.insert("message".into(), json!(fault.message));
        }
        if let Some(wait_ms) = wait_ms {
            out.insert("waitMs".into(), json!(wait_ms));
        }
    };
    match verdict {
        Verdict::Done(output) => {
            say("done", None, None);
            if let Some(uri) = output.receipt.as_ref().and_then(|receipt| receipt.uri.as_ref()) {
                out.insert("uri".into(), json!(uri));
            }
        }
        Verdict::Again { after, .. } => say("again", None, Some(after.0)),
        Verdict::Retry { fault, after } => say("retry", Some(fault), after.map(|span| span.0)),
        Verdict::Parked { fault, after } => say("parked", Some(fault), Some(after.0)),
        Verdict::Refuse { fault } => say("refuse", Some(fault), None),
        Verdict::Reauth { fault } => say("reauth", Some(fault), None),
        Verdict::Unknown { fault } => say("unknown", Some(fault), None),
        Verdict::Absent => say("absent", None, None),
        Verdict::Restage { fault } => say("restage", Some(fault), None),
    }
}

fn exchange_of(exchange: &Exchange) -> Value {
    json!({
        "request": exchange.request,
        "status": exchange.status,
        "answer": exchange.answer,
        "durationMs": exchange.duration.0,
    })
}
