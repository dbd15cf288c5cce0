//! From version 1 to the model. What does not fit is named, never guessed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::v1;
use super::{
    ClaimRecord, ClaimState, CredentialRecord, DefinitionRecord, MetaRecord, ParkRecord, PostPlace,
    Record, TimerRecord, UpkeepRecord,
};
use crate::model::{
    Account, ApiKey, Attempt, Batch, CancelReason, Code, Content, ContentIx, Cursor, Digest,
    Errand, Event, Exchange, Fault, FirstComment, JournalEntry, KeyPrefix, MediaItem, MediaKind,
    MediaSource, Millis, Outcome, Output, Platform, Profile, Receipt, ReplyState, RequestId,
    Ruling, SendOutcome, Stamp, StepRef, Target, TargetIx, Timestamp, UlidId, UuidId, Verdict,
    WaitReason, Warning,
};
use crate::store::BatchHead;

/// What in the record does not fit, in words.
pub(super) type Misfit = String;

pub(super) fn record(record: v1::Record) -> Result<Record, Misfit> {
    Ok(match record {
        v1::Record::Meta { format, epoch } => Record::Meta(MetaRecord { format, epoch }),
        v1::Record::Definition { name, text } => {
            Record::Definition(DefinitionRecord { name, text })
        }
        v1::Record::Profile(it) => Record::Profile(profile(it)),
        v1::Record::Account(it) => Record::Account(account(it)?),
        v1::Record::Credential { sealed, version } => {
            Record::Credential(CredentialRecord { sealed, version })
        }
        v1::Record::ApiKey(it) => Record::ApiKey(api_key(it)),
        v1::Record::ApiKeyById(hash) => Record::ApiKeyById(Digest(hash)),
        v1::Record::Park { until } => Record::Park(ParkRecord { until: time(until) }),
        v1::Record::Batch(it) => Record::Batch(head(it)?),
        v1::Record::Target(it) => Record::Target(Box::new(target(it)?)),
        v1::Record::Content(it) => Record::Content(content(it)?),
        v1::Record::Memo(text) => Record::Memo(text),
        v1::Record::Entry(it) => Record::Entry(Box::new(entry(it)?)),
        v1::Record::Timer { running } => Record::Timer(TimerRecord { running }),
        v1::Record::Post { batch, ix } => {
            Record::Post(PostPlace { batch: ulid(batch), ix: TargetIx(ix) })
        }
        v1::Record::Claim(it) => Record::Claim(ClaimRecord {
            fingerprint: Digest(it.fingerprint),
            created_at: time(it.created_at),
            expires_at: time(it.expires_at),
            batch: it.batch.map(ulid),
            state: match it.reply {
                None => ClaimState::Running,
                Some((status, body)) => ClaimState::Replied { status, body },
            },
        }),
        v1::Record::Mark => Record::Mark,
        v1::Record::Upkeep { name, ran_at, report } => {
            Record::Upkeep(UpkeepRecord { name, ran_at: time(ran_at), report })
        }
    })
}

fn bits(raw: v1::Raw) -> u128 {
    u128::from(raw.0) << 64 | u128::from(raw.1)
}

fn ulid<K>(raw: v1::Raw) -> UlidId<K> {
    UlidId::from_raw(bits(raw))
}

fn uuid<K>(raw: v1::Raw) -> UuidId<K> {
    UuidId::from_raw(bits(raw))
}

const fn time(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn platform(name: &str) -> Result<Platform, Misfit> {
    name.parse().map_err(|_| format!("it names the platform {name:?}, which is not known"))
}

fn profile(it: v1::Profile) -> Profile {
    Profile {
        id: uuid(it.id),
        name: it.name,
        slug: it.slug,
        created_at: time(it.created_at),
        updated_at: time(it.updated_at),
    }
}

fn account(it: v1::Account) -> Result<Account, Misfit> {
    Ok(Account {
        id: uuid(it.id),
        profile: uuid(it.profile),
        platform: platform(&it.platform)?,
        platform_account_id: it.platform_account_id,
        display_name: it.display_name,
        settings: it.settings,
        token_expires_at: it.token_expires_at.map(time),
        created_at: time(it.created_at),
        updated_at: time(it.updated_at),
    })
}

fn api_key(it: v1::ApiKey) -> ApiKey {
    ApiKey {
        id: uuid(it.id),
        hash: Digest(it.hash),
        name: it.name,
        prefix: if it.test { KeyPrefix::Test } else { KeyPrefix::Live },
        last4: it.last4,
        scopes: it.scopes,
        profile: it.profile.map(uuid),
        created_at: time(it.created_at),
        revoked_at: it.revoked_at.map(time),
    }
}

fn head(it: v1::BatchHead) -> Result<BatchHead, Misfit> {
    let request_id = RequestId::from_caller(&it.request_id)
        .ok_or_else(|| "its request id is not well formed".to_owned())?;
    Ok(BatchHead {
        id: ulid(it.id),
        created_at: time(it.created_at),
        request_id,
        key: uuid(it.key),
        scheduled_at: it.scheduled_at.map(time),
        claim: it.claim.map(Digest),
        reply: match it.reply_by {
            Some(by) => ReplyState::Pending { by: time(by) },
            None => ReplyState::Given,
        },
        targets: it.targets,
        entries: it.entries,
    })
}

fn target(it: v1::Target) -> Result<Target, Misfit> {
    Ok(Target {
        post: ulid(it.post),
        account: uuid(it.account),
        profile: uuid(it.profile),
        platform: platform(&it.platform)?,
        definition: Digest(it.definition),
        content: ContentIx(it.content),
        cursor: cursor(it.cursor)?,
        due: it.due.map(time),
        started_at: it.started_at.map(time),
        lateness: it.lateness.map(Millis),
        attempts: it.attempts,
        step_attempts: it.step_attempts,
        step_spent: it.step_spent,
        step_reauths: it.step_reauths,
        absences: it.absences,
        doubt_since: it.doubt_since.map(time),
        memo: BTreeMap::new(),
        receipt: it.receipt.map(receipt),
        comment: it.comment.map(receipt),
        warnings: it.warnings.into_iter().map(warning).collect(),
        last_fault: it.last_fault.map(fault).transpose()?,
        published_at: it.published_at.map(time),
        updated_at: time(it.updated_at),
    })
}

const fn step(it: v1::StepRef) -> StepRef {
    StepRef { step: it.step, round: it.round }
}

const fn errand(probe: bool) -> Errand {
    if probe { Errand::Probe } else { Errand::Send }
}

fn cursor(it: v1::Cursor) -> Result<Cursor, Misfit> {
    Ok(match it {
        v1::Cursor::Queued { due } => Cursor::Queued { due: time(due) },
        v1::Cursor::Ready { step: at, probe, since } => {
            Cursor::Ready { step: step(at), errand: errand(probe), since: time(since) }
        }
        v1::Cursor::Running(it) => Cursor::Running(Attempt {
            step: step(it.step),
            errand: errand(it.probe),
            number: it.number,
            epoch: it.epoch,
            began_at: time(it.began_at),
            deadline: time(it.deadline),
        }),
        v1::Cursor::Waiting { step: at, until, why } => Cursor::Waiting {
            step: step(at),
            until: time(until),
            why: match why {
                v1::WaitReason::Retry => WaitReason::Retry,
                v1::WaitReason::Poll => WaitReason::Poll,
                v1::WaitReason::Parked => WaitReason::Parked,
                v1::WaitReason::Repeat => WaitReason::Repeat,
            },
        },
        v1::Cursor::Doubtful { step: at, until } => {
            Cursor::Doubtful { step: step(at), until: time(until) }
        }
        v1::Cursor::Held { step: at, fault: it } => {
            Cursor::Held { step: step(at), fault: fault(it)? }
        }
        v1::Cursor::Published => Cursor::Ended(Outcome::Published),
        v1::Cursor::Rejected(it) => Cursor::Ended(Outcome::Rejected(fault(it)?)),
        v1::Cursor::Failed(it) => Cursor::Ended(Outcome::Failed(fault(it)?)),
        v1::Cursor::Canceled => Cursor::Ended(Outcome::Canceled),
    })
}

fn receipt(it: v1::Receipt) -> Receipt {
    Receipt { uri: it.uri, cid: it.cid, url: it.url }
}

fn warning(it: v1::Warning) -> Warning {
    Warning { code: it.code, message: it.message }
}

fn fault(it: v1::Fault) -> Result<Fault, Misfit> {
    let code = Code::ALL.into_iter().find(|code| code.as_str() == it.code);
    let code = code.ok_or_else(|| format!("it has the error code {:?}", it.code))?;
    Ok(Fault {
        code,
        message: it.message,
        rule: it.rule,
        platform: it.platform.as_deref().map(platform).transpose()?,
        platform_response: it.platform_response,
        remediation: it.remediation,
        outcome: it.outcome.map(|outcome| match outcome {
            v1::SendOutcome::NotSent => SendOutcome::NotSent,
            v1::SendOutcome::Rejected => SendOutcome::Rejected,
            v1::SendOutcome::Unknown => SendOutcome::Unknown,
        }),
        retryable: it.retryable,
        status: it.status,
        retry_after_s: it.retry_after_s,
    })
}

fn content(it: v1::Content) -> Result<Content, Misfit> {
    let media = it.media.into_iter().map(|item| {
        Ok(MediaItem {
            kind: if item.video { MediaKind::Video } else { MediaKind::Image },
            alt_text: item.alt_text,
            source: match item.source {
                v1::MediaSource::Upload(id) => MediaSource::Upload(
                    id.parse().map_err(|_| "a media id is not well formed".to_owned())?,
                ),
                v1::MediaSource::Url(url) => MediaSource::Url(url),
                v1::MediaSource::Inline(digest) => MediaSource::Inline(Digest(digest)),
            },
        })
    });
    Ok(Content {
        text: it.text,
        media: media.collect::<Result<_, Misfit>>()?,
        first_comment: it.first_comment.map(|text| FirstComment { text }),
        options: it.options,
    })
}

fn entry(it: v1::Entry) -> Result<JournalEntry, Misfit> {
    Ok(JournalEntry {
        batch: ulid(it.batch),
        n: it.n,
        stamp: Stamp { seq: it.seq, at: time(it.at), entropy: it.entropy, epoch: it.epoch },
        event: event(it.event)?,
    })
}

fn event(it: v1::Event) -> Result<Event, Misfit> {
    Ok(match it {
        v1::Event::Accepted { head: it, targets } => Event::Accepted(Box::new(batch(it, targets)?)),
        v1::Event::Woke { ix } => Event::Woke { ix: TargetIx(ix) },
        v1::Event::Missed { ix } => Event::Missed { ix: TargetIx(ix) },
        v1::Event::Begun { ix } => Event::Begun { ix: TargetIx(ix) },
        v1::Event::Answered { ix, number, epoch, verdict: it, exchange } => Event::Answered {
            ix: TargetIx(ix),
            number,
            epoch,
            verdict: verdict(it)?,
            exchange: exchange.map(|it| Exchange {
                request: it.request,
                status: it.status,
                answer: it.answer,
                duration: Millis(it.duration),
            }),
        },
        v1::Event::Recovered { ix } => Event::Recovered { ix: TargetIx(ix) },
        v1::Event::ReplyDue => Event::ReplyDue,
        v1::Event::Rescheduled { ix, due } => {
            Event::Rescheduled { ix: TargetIx(ix), due: time(due) }
        }
        v1::Event::Edited { ix, place, content: it } => Event::Edited {
            ix: TargetIx(ix),
            place: ContentIx(place),
            content: Arc::new(content(it)?),
        },
        v1::Event::Canceled { ix, account_removed } => Event::Canceled {
            ix: TargetIx(ix),
            reason: if account_removed {
                CancelReason::AccountRemoved
            } else {
                CancelReason::Requested
            },
        },
        v1::Event::RuledPublished { ix, uri } => {
            Event::Ruled { ix: TargetIx(ix), ruling: Ruling::Published { uri } }
        }
        v1::Event::RuledFailed { ix } => Event::Ruled { ix: TargetIx(ix), ruling: Ruling::Failed },
    })
}

fn batch(it: v1::BatchHead, targets: Vec<v1::Target>) -> Result<Batch, Misfit> {
    let targets = targets.into_iter().map(|it| target(it).map(Arc::new));
    Ok(head(it)?.with(BTreeMap::new(), targets.collect::<Result<_, Misfit>>()?))
}

fn verdict(it: v1::Verdict) -> Result<Verdict, Misfit> {
    let memo = |memo: Option<String>| memo.map(Arc::from);
    Ok(match it {
        v1::Verdict::Done { memo: kept, receipt: got, warnings } => Verdict::Done(Output {
            memo: memo(kept),
            receipt: got.map(receipt),
            warnings: warnings.into_iter().map(warning).collect(),
        }),
        v1::Verdict::Again { memo: kept, after } => {
            Verdict::Again { memo: memo(kept), after: Millis(after) }
        }
        v1::Verdict::Retry { fault: it, after } => {
            Verdict::Retry { fault: fault(it)?, after: after.map(Millis) }
        }
        v1::Verdict::Parked { fault: it, after } => {
            Verdict::Parked { fault: fault(it)?, after: Millis(after) }
        }
        v1::Verdict::Refuse { fault: it } => Verdict::Refuse { fault: fault(it)? },
        v1::Verdict::Reauth { fault: it } => Verdict::Reauth { fault: fault(it)? },
        v1::Verdict::Unknown { fault: it } => Verdict::Unknown { fault: fault(it)? },
        v1::Verdict::Absent => Verdict::Absent,
        v1::Verdict::Restage { fault: it } => Verdict::Restage { fault: fault(it)? },
    })
}
