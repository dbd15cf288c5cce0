//! A batch to move about.

use std::sync::Arc;

use super::super::{Draft, DraftTarget, Effects, Refusal, draft, transition};
use crate::model::*;
use crate::workflow::{Backoff, Catalog, Definition, Doubt, Each, OnFail, Step, Visible, When};

pub(super) const T0: Timestamp = Timestamp::from_millis(1_800_000_000_000);
pub(super) const IX: TargetIx = TargetIx(0);

pub(super) fn at(ms: u64) -> Timestamp {
    T0.plus(Millis(ms))
}

pub(super) fn step(name: &str, visible: Visible, on_doubt: Doubt) -> Step {
    Step {
        name: name.into(),
        each: Each::Once,
        when: When::Always,
        visible,
        timeout: Millis(1_000),
        attempts_max: 3,
        backoff: Backoff { first: Millis(100), max: Millis(1_000), jitter_percent: 0 },
        on_doubt,
        on_fail: OnFail::Fail,
    }
}

/// upload (each media, staging), publish (visible), comment (visible, warns).
pub(super) fn definition(on_doubt: Doubt) -> Definition {
    Definition {
        name: "test".into(),
        platform: Platform::Sandbox,
        digest: Digest([7; 32]),
        give_up_after: Millis(60_000),
        account_slots: 1,
        steps: vec![
            Step {
                each: Each::Media,
                when: When::Media,
                ..step("upload", Visible::No, Doubt::Repeat)
            },
            step("publish", Visible::Post, on_doubt),
            Step {
                when: When::FirstComment,
                on_fail: OnFail::Warn,
                ..step("comment", Visible::Comment, on_doubt)
            },
        ],
    }
}

pub(super) const PROBE: Doubt =
    Doubt::Probe { grace: Millis(5_000), looks: 2, pause: Millis(2_000) };

/// A one-target batch with its catalog; events are applied to it and its journal is kept.
#[derive(Clone)]
pub(super) struct World {
    pub catalog: Catalog,
    pub batch: Batch,
    pub epoch: u64,
    seq: u64,
}

impl World {
    pub(super) fn new(on_doubt: Doubt, content: Content, scheduled_at: Option<Timestamp>) -> Self {
        let mut catalog = Catalog::default();
        catalog.add_current(definition(on_doubt));
        let first = draft(
            Draft {
                id: BatchId::from_raw(1),
                at: T0,
                request_id: RequestId::from_caller("r1").expect("a good id"),
                key: KeyId::from_raw(1),
                test: false,
                claim: None,
                scheduled_at,
                reply_by: at(60_000),
                contents: vec![content],
                targets: vec![DraftTarget {
                    post: PostId::from_raw(2),
                    account: AccountId::from_raw(3),
                    profile: ProfileId::from_raw(4),
                    platform: Platform::Sandbox,
                    definition: Digest([7; 32]),
                    content: ContentIx(0),
                    warnings: vec![],
                }],
            },
            &catalog,
        )
        .expect("a good draft");
        let stamp = Stamp { seq: 0, at: T0, entropy: 0, epoch: 1 };
        let event = Event::Accepted(Box::new(first));
        let (batch, _) = transition(None, &stamp, &event, &catalog).expect("it is accepted");
        Self { catalog, batch, epoch: 1, seq: 0 }
    }

    pub(super) fn text(on_doubt: Doubt) -> Self {
        Self::new(on_doubt, text(), None)
    }

    pub(super) fn attempt(&mut self, ms: u64, event: Event) -> Result<Effects, Refusal> {
        self.seq += 1;
        let stamp = Stamp { seq: self.seq, at: at(ms), entropy: 0, epoch: self.epoch };
        let (batch, effects) = transition(Some(&self.batch), &stamp, &event, &self.catalog)?;
        self.batch = batch;
        Ok(effects)
    }

    /// Applies what must be accepted.
    pub(super) fn apply(&mut self, ms: u64, event: Event) -> Effects {
        let shown = format!("{event:?} on {:?}", self.cursor());
        self.attempt(ms, event).unwrap_or_else(|refusal| panic!("{shown}: {refusal}"))
    }

    pub(super) fn begin(&mut self, ms: u64) {
        let effects = self.apply(ms, Event::Begun { ix: IX });
        assert_eq!(effects.call, Some(IX));
    }

    pub(super) fn answer(&mut self, ms: u64, verdict: Verdict) -> Effects {
        let number = self.target().attempts;
        let epoch = self.epoch;
        let event = Event::Answered { ix: IX, number, epoch, verdict, exchange: None };
        self.apply(ms, event)
    }

    pub(super) fn wake(&mut self, ms: u64) -> Effects {
        self.apply(ms, Event::Woke { ix: IX })
    }

    pub(super) fn target(&self) -> &Arc<Target> {
        self.batch.target(IX).expect("there is one")
    }

    pub(super) fn cursor(&self) -> &Cursor {
        &self.target().cursor
    }
}

pub(super) fn text() -> Content {
    Content { text: "shipped".into(), ..Content::default() }
}

pub(super) fn fault(code: Code) -> Fault {
    Fault::new(code, "because")
}

pub(super) fn done() -> Verdict {
    Verdict::Done(Output {
        receipt: Some(Receipt { uri: Some("at://1".into()), cid: None, url: None }),
        ..Output::default()
    })
}

pub(super) fn staged(memo: &str) -> Verdict {
    Verdict::Done(Output { memo: Some(memo.into()), ..Output::default() })
}

pub(super) fn refuse() -> Verdict {
    Verdict::Refuse { fault: fault(Code::PlatformRejected) }
}

pub(super) fn unknown() -> Verdict {
    Verdict::Unknown { fault: fault(Code::PlatformUnavailable) }
}

pub(super) fn retry(after: Option<Millis>) -> Verdict {
    Verdict::Retry { fault: fault(Code::PlatformUnavailable), after }
}

pub(super) fn publish_step() -> StepRef {
    StepRef { step: 1, round: 0 }
}
