//! From the model to version 1.

use super::v1;
use super::{ClaimState, Record};
use crate::model::{
    Account, ApiKey, Attempt, Batch, CancelReason, Content, Cursor, Errand, Event, Exchange, Fault,
    JournalEntry, KeyPrefix, MediaKind, MediaSource, Millis, Outcome, Output, Profile, Receipt,
    ReplyState, Ruling, SendOutcome, StepRef, Target, Timestamp, Verdict, WaitReason, Warning,
};
use crate::store::BatchHead;

pub(super) fn record(record: &Record) -> v1::Record {
    match record {
        Record::Meta(meta) => v1::Record::Meta { format: meta.format, epoch: meta.epoch },
        Record::Definition(it) => {
            v1::Record::Definition { name: it.name.clone(), text: it.text.clone() }
        }
        Record::Profile(it) => v1::Record::Profile(profile(it)),
        Record::Account(it) => v1::Record::Account(account(it)),
        Record::Credential(it) => {
            v1::Record::Credential { sealed: it.sealed.clone(), version: it.version }
        }
        Record::ApiKey(it) => v1::Record::ApiKey(api_key(it)),
        Record::ApiKeyById(hash) => v1::Record::ApiKeyById(hash.0),
        Record::Park(it) => v1::Record::Park { until: it.until.as_millis() },
        Record::Batch(it) => v1::Record::Batch(head(it)),
        Record::Target(it) => v1::Record::Target(target(it)),
        Record::Content(it) => v1::Record::Content(content(it)),
        Record::Memo(text) => v1::Record::Memo(text.clone()),
        Record::Entry(it) => v1::Record::Entry(entry(it)),
        Record::Timer(it) => v1::Record::Timer { running: it.running },
        Record::Post(it) => v1::Record::Post { batch: raw(it.batch.raw()), ix: it.ix.0 },
        Record::Claim(it) => v1::Record::Claim(v1::Claim {
            fingerprint: it.fingerprint.0,
            created_at: it.created_at.as_millis(),
            expires_at: it.expires_at.as_millis(),
            batch: it.batch.map(|id| raw(id.raw())),
            reply: match &it.state {
                ClaimState::Running => None,
                ClaimState::Replied { status, body } => Some((*status, body.clone())),
            },
        }),
        Record::Mark => v1::Record::Mark,
        Record::Upkeep(it) => v1::Record::Upkeep {
            name: it.name.clone(),
            ran_at: it.ran_at.as_millis(),
            report: it.report.clone(),
        },
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves of 128 bits")]
fn raw(bits: u128) -> v1::Raw {
    v1::Raw((bits >> 64) as u64, bits as u64)
}

fn ms(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_millis)
}

fn profile(it: &Profile) -> v1::Profile {
    v1::Profile {
        id: raw(it.id.raw()),
        name: it.name.clone(),
        slug: it.slug.clone(),
        created_at: it.created_at.as_millis(),
        updated_at: it.updated_at.as_millis(),
    }
}

fn account(it: &Account) -> v1::Account {
    v1::Account {
        id: raw(it.id.raw()),
        profile: raw(it.profile.raw()),
        platform: it.platform.as_str().to_owned(),
        platform_account_id: it.platform_account_id.clone(),
        display_name: it.display_name.clone(),
        settings: it.settings.clone(),
        token_expires_at: ms(it.token_expires_at),
        created_at: it.created_at.as_millis(),
        updated_at: it.updated_at.as_millis(),
    }
}

fn api_key(it: &ApiKey) -> v1::ApiKey {
    v1::ApiKey {
        id: raw(it.id.raw()),
        hash: it.hash.0,
        name: it.name.clone(),
        test: it.prefix == KeyPrefix::Test,
        last4: it.last4.clone(),
        scopes: it.scopes.clone(),
        profile: it.profile.map(|id| raw(id.raw())),
        created_at: it.created_at.as_millis(),
        revoked_at: ms(it.revoked_at),
    }
}

fn head(it: &BatchHead) -> v1::BatchHead {
    v1::BatchHead {
        id: raw(it.id.raw()),
        created_at: it.created_at.as_millis(),
        request_id: it.request_id.as_str().to_owned(),
        key: raw(it.key.raw()),
        scheduled_at: ms(it.scheduled_at),
        claim: it.claim.map(|digest| digest.0),
        reply_by: match it.reply {
            ReplyState::Pending { by } => Some(by.as_millis()),
            ReplyState::Given => None,
        },
        targets: it.targets,
        entries: it.entries,
    }
}

fn target(it: &Target) -> v1::Target {
    v1::Target {
        post: raw(it.post.raw()),
        account: raw(it.account.raw()),
        profile: raw(it.profile.raw()),
        platform: it.platform.as_str().to_owned(),
        definition: it.definition.0,
        content: it.content.0,
        cursor: cursor(&it.cursor),
        due: ms(it.due),
        started_at: ms(it.started_at),
        lateness: it.lateness.map(|span| span.0),
        attempts: it.attempts,
        step_attempts: it.step_attempts,
        step_spent: it.step_spent,
        step_reauths: it.step_reauths,
        absences: it.absences,
        doubt_since: ms(it.doubt_since),
        receipt: it.receipt.as_ref().map(receipt),
        comment: it.comment.as_ref().map(receipt),
        warnings: it.warnings.iter().map(warning).collect(),
        last_fault: it.last_fault.as_ref().map(fault),
        published_at: ms(it.published_at),
        updated_at: it.updated_at.as_millis(),
    }
}

const fn step(it: StepRef) -> v1::StepRef {
    v1::StepRef { step: it.step, round: it.round }
}

fn cursor(it: &Cursor) -> v1::Cursor {
    match it {
        Cursor::Queued { due } => v1::Cursor::Queued { due: due.as_millis() },
        Cursor::Ready { step: at, errand, since } => v1::Cursor::Ready {
            step: step(*at),
            probe: *errand == Errand::Probe,
            since: since.as_millis(),
        },
        Cursor::Running(it) => v1::Cursor::Running(attempt(*it)),
        Cursor::Waiting { step: at, until, why } => v1::Cursor::Waiting {
            step: step(*at),
            until: until.as_millis(),
            why: match why {
                WaitReason::Retry => v1::WaitReason::Retry,
                WaitReason::Poll => v1::WaitReason::Poll,
                WaitReason::Parked => v1::WaitReason::Parked,
                WaitReason::Repeat => v1::WaitReason::Repeat,
            },
        },
        Cursor::Doubtful { step: at, until } => {
            v1::Cursor::Doubtful { step: step(*at), until: until.as_millis() }
        }
        Cursor::Held { step: at, fault: it } => {
            v1::Cursor::Held { step: step(*at), fault: fault(it) }
        }
        Cursor::Ended(Outcome::Published) => v1::Cursor::Published,
        Cursor::Ended(Outcome::Rejected(it)) => v1::Cursor::Rejected(fault(it)),
        Cursor::Ended(Outcome::Failed(it)) => v1::Cursor::Failed(fault(it)),
        Cursor::Ended(Outcome::Canceled) => v1::Cursor::Canceled,
    }
}

fn attempt(it: Attempt) -> v1::Attempt {
    v1::Attempt {
        step: step(it.step),
        probe: it.errand == Errand::Probe,
        number: it.number,
        epoch: it.epoch,
        began_at: it.began_at.as_millis(),
        deadline: it.deadline.as_millis(),
    }
}

fn receipt(it: &Receipt) -> v1::Receipt {
    v1::Receipt { uri: it.uri.clone(), cid: it.cid.clone(), url: it.url.clone() }
}

fn warning(it: &Warning) -> v1::Warning {
    v1::Warning { code: it.code.clone(), message: it.message.clone() }
}

fn fault(it: &Fault) -> v1::Fault {
    v1::Fault {
        code: it.code.as_str().to_owned(),
        message: it.message.clone(),
        rule: it.rule.clone(),
        platform: it.platform.map(|platform| platform.as_str().to_owned()),
        platform_response: it.platform_response.clone(),
        remediation: it.remediation.clone(),
        outcome: it.outcome.map(|outcome| match outcome {
            SendOutcome::NotSent => v1::SendOutcome::NotSent,
            SendOutcome::Rejected => v1::SendOutcome::Rejected,
            SendOutcome::Unknown => v1::SendOutcome::Unknown,
        }),
        retryable: it.retryable,
        status: it.status,
        retry_after_s: it.retry_after_s,
    }
}

fn content(it: &Content) -> v1::Content {
    let media = it.media.iter().map(|item| v1::Media {
        video: item.kind == MediaKind::Video,
        alt_text: item.alt_text.clone(),
        source: match &item.source {
            MediaSource::Upload(id) => v1::MediaSource::Upload(id.as_str().to_owned()),
            MediaSource::Url(url) => v1::MediaSource::Url(url.clone()),
            MediaSource::Inline(digest) => v1::MediaSource::Inline(digest.0),
        },
    });
    v1::Content {
        text: it.text.clone(),
        media: media.collect(),
        first_comment: it.first_comment.as_ref().map(|comment| comment.text.clone()),
        options: it.options.clone(),
    }
}

fn entry(it: &JournalEntry) -> v1::Entry {
    v1::Entry {
        batch: raw(it.batch.raw()),
        n: it.n,
        seq: it.stamp.seq,
        at: it.stamp.at.as_millis(),
        entropy: it.stamp.entropy,
        epoch: it.stamp.epoch,
        event: event(&it.event),
    }
}

fn event(it: &Event) -> v1::Event {
    match it {
        Event::Accepted(batch) => accepted(batch),
        Event::Woke { ix } => v1::Event::Woke { ix: ix.0 },
        Event::Missed { ix } => v1::Event::Missed { ix: ix.0 },
        Event::Begun { ix } => v1::Event::Begun { ix: ix.0 },
        Event::Answered { ix, number, epoch, verdict: it, exchange: heard } => {
            v1::Event::Answered {
                ix: ix.0,
                number: *number,
                epoch: *epoch,
                verdict: verdict(it),
                exchange: heard.as_ref().map(exchange),
            }
        }
        Event::Recovered { ix } => v1::Event::Recovered { ix: ix.0 },
        Event::ReplyDue => v1::Event::ReplyDue,
        Event::Rescheduled { ix, due } => v1::Event::Rescheduled { ix: ix.0, due: due.as_millis() },
        Event::Edited { ix, place, content: it } => {
            v1::Event::Edited { ix: ix.0, place: place.0, content: content(it) }
        }
        Event::Canceled { ix, reason } => v1::Event::Canceled {
            ix: ix.0,
            account_removed: *reason == CancelReason::AccountRemoved,
        },
        Event::Ruled { ix, ruling: Ruling::Published { uri } } => {
            v1::Event::RuledPublished { ix: ix.0, uri: uri.clone() }
        }
        Event::Ruled { ix, ruling: Ruling::Failed } => v1::Event::RuledFailed { ix: ix.0 },
    }
}

fn accepted(batch: &Batch) -> v1::Event {
    v1::Event::Accepted {
        head: head(&BatchHead::of(batch)),
        targets: batch.targets.iter().map(|it| target(it)).collect(),
    }
}

fn verdict(it: &Verdict) -> v1::Verdict {
    let memo = |memo: &Option<std::sync::Arc<str>>| memo.as_ref().map(|text| text.to_string());
    match it {
        Verdict::Done(Output { memo: kept, receipt: got, warnings }) => v1::Verdict::Done {
            memo: memo(kept),
            receipt: got.as_ref().map(receipt),
            warnings: warnings.iter().map(warning).collect(),
        },
        Verdict::Again { memo: kept, after } => {
            v1::Verdict::Again { memo: memo(kept), after: after.0 }
        }
        Verdict::Retry { fault: it, after } => {
            v1::Verdict::Retry { fault: fault(it), after: after.map(|Millis(span)| span) }
        }
        Verdict::Parked { fault: it, after } => {
            v1::Verdict::Parked { fault: fault(it), after: after.0 }
        }
        Verdict::Refuse { fault: it } => v1::Verdict::Refuse { fault: fault(it) },
        Verdict::Reauth { fault: it } => v1::Verdict::Reauth { fault: fault(it) },
        Verdict::Unknown { fault: it } => v1::Verdict::Unknown { fault: fault(it) },
        Verdict::Absent => v1::Verdict::Absent,
        Verdict::Restage { fault: it } => v1::Verdict::Restage { fault: fault(it) },
    }
}

fn exchange(it: &Exchange) -> v1::Exchange {
    v1::Exchange {
        request: it.request.clone(),
        status: it.status,
        answer: it.answer.clone(),
        duration: it.duration.0,
    }
}
