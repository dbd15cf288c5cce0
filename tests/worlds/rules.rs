//! What kind of world it is: the platform, the workflow, and how much may happen.

use fanfare::model::{
    Code, Digest, Errand, Fault, Millis, Output, Platform, Receipt, Timestamp, Verdict,
};
use fanfare::workflow::{Backoff, Catalog, Definition, Doubt, Each, OnFail, Step, Visible, When};

pub const T0: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// Every wait is a multiple of it, so that few moments differ in time alone.
pub const TICK: Millis = Millis(1_000);
/// No request lands later than this after it was sent: below the grace.
pub const LANDS_WITHIN: Millis = Millis(2_000);
pub const GRACE: Millis = Millis(3_000);

/// What makes a retry safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Keyed,
    Readable,
    Blind,
}

/// The rules of one kind of world.
pub struct Rules {
    pub class: Class,
    pub catalog: Catalog,
    pub crashes: u8,
    pub deeds: u8,
    pub comment: bool,
    /// Whether the ways not to be sent are told apart: a rate limit, a refused credential.
    pub rich: bool,
}

pub fn definition(on_doubt: Doubt, attempts_max: u32, give_up_after: Millis) -> Definition {
    let step = |name: &str, visible, when, on_fail| Step {
        name: name.into(),
        each: Each::Once,
        when,
        visible,
        timeout: TICK,
        attempts_max,
        backoff: Backoff { first: TICK, max: TICK, jitter_percent: 0 },
        on_doubt,
        on_fail,
    };
    Definition {
        name: "small".into(),
        platform: Platform::Sandbox,
        digest: Digest([7; 32]),
        give_up_after,
        account_slots: 2,
        steps: vec![
            step("publish", Visible::Post, When::Always, OnFail::Fail),
            step("comment", Visible::Comment, When::FirstComment, OnFail::Warn),
        ],
    }
}

impl Rules {
    pub fn new(class: Class, on_doubt: Doubt, attempts_max: u32, ticks: u64) -> Self {
        let mut catalog = Catalog::default();
        let give_up_after = Millis(TICK.0 * ticks);
        catalog.add_current(definition(on_doubt, attempts_max, give_up_after));
        Self { class, catalog, crashes: 1, deeds: 1, comment: false, rich: false }
    }

    pub fn honest(class: Class, attempts_max: u32, ticks: u64) -> Self {
        let probe = Doubt::Probe { grace: GRACE, looks: 2, pause: TICK };
        let on_doubt = match class {
            Class::Keyed => Doubt::Repeat,
            Class::Readable => probe,
            Class::Blind => Doubt::Hold,
        };
        Self::new(class, on_doubt, attempts_max, ticks)
    }
}

/// What may be heard of an attempt, and whether it then certainly took no effect. `there` says
/// whether the thing is live, `flew` whether this very request took effect.
pub fn answers(rules: &Rules, errand: Errand, there: bool, flew: bool) -> Vec<(Verdict, bool)> {
    let fault = || Fault::new(Code::PlatformUnavailable, "because").rule("small.unavailable");
    let retry = || Verdict::Retry { fault: fault(), after: None };
    let done = || {
        let receipt = Receipt { uri: Some("x://1".to_owned()), cid: None, url: None };
        Verdict::Done(Output { receipt: Some(receipt), ..Output::default() })
    };
    match errand {
        Errand::Probe if there => vec![(done(), false), (retry(), false)],
        Errand::Probe => vec![(Verdict::Absent, false), (retry(), false)],
        Errand::Send if flew => vec![(done(), false), (Verdict::Unknown { fault: fault() }, false)],
        Errand::Send => {
            let refusal = Fault::new(Code::PlatformRejected, "no");
            let mut answers = vec![
                (retry(), true),
                (Verdict::Unknown { fault: fault() }, false),
                (Verdict::Refuse { fault: refusal }, true),
            ];
            if rules.rich {
                let who = Fault::new(Code::PlatformAuthFailed, "who?");
                answers.push((Verdict::Parked { fault: fault(), after: TICK }, true));
                answers.push((Verdict::Reauth { fault: who }, true));
            }
            answers
        }
    }
}
