//! The platforms of the simulated world. That a request lands and that we hear of it are two
//! things, and either may happen without the other.

use std::collections::BTreeMap;

use fanfare::engine::{Call, Report};
use fanfare::model::{
    BatchId, Code, Cursor, Errand, Fault, Millis, Output, PostId, Receipt, TargetIx, Verdict,
};
use fanfare::workflow::{Catalog, Visible};

use crate::dice::Dice;

/// No request lands later than this after it was sent: below every grace.
pub const LANDS_WITHIN_MS: u64 = 4_000;

/// What makes a retry safe on a platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Keyed,
    Readable,
    Blind,
}

/// A post or comment that is live.
#[derive(Debug, Clone)]
pub struct Landing {
    pub uri: String,
}

/// Which visible thing of which post.
pub type Thing = (PostId, &'static str);

/// What the platform will do about a call.
#[derive(Debug, Clone)]
pub enum Deed {
    /// The request takes effect.
    Land(Thing, Class),
    /// The engine hears.
    Hear(Box<Heard>),
}

/// A report on its way to the engine.
#[derive(Debug, Clone)]
pub struct Heard {
    pub batch: BatchId,
    pub ix: TargetIx,
    pub number: u32,
    pub epoch: u64,
    pub news: News,
}

/// What a report says; some of it is only known when it is heard.
#[derive(Debug, Clone)]
pub enum News {
    Verdict(Verdict),
    /// The answer to a sending that landed.
    Landed(Thing),
    /// The answer to a read-back: whatever is there by then.
    ReadBack(Thing),
}

/// How the world treats a sending. Each can be switched off by the seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Fine,
    NotSent,
    LandsUnheard,
    LostUnheard,
    LandsLate,
    Silent,
    RateLimited,
    Refused,
    Reauth,
    HeardTwice,
}

/// Every fate with how often it strikes, in percent of faulty sendings.
pub const FATES: [(u64, Fate); 10] = [
    (45, Fate::Fine),
    (9, Fate::NotSent),
    (9, Fate::LandsUnheard),
    (9, Fate::LostUnheard),
    (7, Fate::LandsLate),
    (5, Fate::Silent),
    (5, Fate::RateLimited),
    (3, Fate::Refused),
    (4, Fate::Reauth),
    (4, Fate::HeardTwice),
];

/// Everything that is live anywhere.
#[derive(Debug, Default)]
pub struct Platforms {
    pub landings: BTreeMap<Thing, Vec<Landing>>,
    count: u64,
}

impl Platforms {
    /// A request arrives.
    pub fn land(&mut self, thing: Thing, class: Class) {
        let there = self.landings.entry(thing).or_default();
        if class == Class::Keyed && !there.is_empty() {
            return;
        }
        self.count += 1;
        there.push(Landing { uri: format!("sim://{}", self.count) });
    }

    /// What a report says at the moment it is heard.
    pub fn verdict(&self, news: News) -> Verdict {
        match news {
            News::Verdict(verdict) => verdict,
            News::Landed(thing) | News::ReadBack(thing) => {
                match self.landings.get(&thing).and_then(|there| there.first()) {
                    Some(landing) => Verdict::Done(Output {
                        receipt: Some(Receipt {
                            uri: Some(landing.uri.clone()),
                            cid: None,
                            url: None,
                        }),
                        ..Output::default()
                    }),
                    None => Verdict::Absent,
                }
            }
        }
    }
}

/// What comes of a call: deeds with their delays in milliseconds.
pub fn fate_of(
    call: &Call,
    catalog: &Catalog,
    fates: &[(u64, Fate)],
    dice: &mut Dice,
) -> Vec<(u64, Deed)> {
    let target = call.batch.target(call.ix).expect("a call names a target of its batch");
    let Cursor::Running(attempt) = target.cursor else {
        panic!("a call was released for a target that does not run: {:?}", target.cursor);
    };
    let definition = catalog.get(&target.definition).expect("the definition is loaded");
    let step = definition.step(attempt.step).expect("the step exists");
    let class = class_of(&definition.name);
    let thing: Thing = (target.post, kind_of(step.visible));
    let hear = |news| {
        Deed::Hear(Box::new(Heard {
            batch: call.batch.id,
            ix: call.ix,
            number: attempt.number,
            epoch: attempt.epoch,
            news,
        }))
    };
    let verdict = |verdict| hear(News::Verdict(verdict));
    let fate = dice.pick(fates);
    let soon = dice.range(1, 300);
    if attempt.errand == Errand::Probe {
        return match fate {
            Fate::NotSent | Fate::LostUnheard => vec![(soon, verdict(unreachable()))],
            Fate::RateLimited => vec![(soon, verdict(limited(dice)))],
            Fate::Silent => vec![],
            _ => vec![(soon, hear(News::ReadBack(thing)))],
        };
    }
    if step.visible == Visible::No {
        return match fate {
            Fate::NotSent => vec![(soon, verdict(unreachable()))],
            Fate::LandsUnheard | Fate::LostUnheard => vec![(soon, verdict(unheard()))],
            Fate::Silent => vec![],
            _ => vec![(soon, verdict(staged()))],
        };
    }
    let lands = dice.range(1, 400);
    let later = lands + dice.range(1, 400);
    let late = dice.range(400, LANDS_WITHIN_MS);
    let land = |ms| (ms, Deed::Land(thing, class));
    match fate {
        Fate::Fine => vec![land(lands), (later, hear(News::Landed(thing)))],
        Fate::NotSent => vec![(soon, verdict(unreachable()))],
        Fate::LandsUnheard => vec![land(lands), (later, verdict(unheard()))],
        Fate::LostUnheard => vec![(later, verdict(unheard()))],
        Fate::LandsLate => vec![(soon, verdict(unheard())), land(late)],
        Fate::Silent if dice.chance(50) => vec![land(late)],
        Fate::Silent => vec![],
        Fate::RateLimited => vec![(soon, verdict(limited(dice)))],
        Fate::Refused => {
            let fault = Fault::new(Code::PlatformRejected, "no").rule("sim.rejected");
            vec![(soon, verdict(Verdict::Refuse { fault }))]
        }
        Fate::Reauth => {
            let fault = Fault::new(Code::PlatformAuthFailed, "who?").rule("sim.auth");
            vec![(soon, verdict(Verdict::Reauth { fault }))]
        }
        Fate::HeardTwice => vec![
            land(lands),
            (later, hear(News::Landed(thing))),
            (later + 5, hear(News::Landed(thing))),
        ],
    }
}

fn staged() -> Verdict {
    Verdict::Done(Output { memo: Some("\"staged\"".into()), ..Output::default() })
}

fn class_of(definition: &str) -> Class {
    match definition {
        "sandbox" => Class::Keyed,
        "sandbox-readable" => Class::Readable,
        _ => Class::Blind,
    }
}

fn kind_of(visible: Visible) -> &'static str {
    match visible {
        Visible::No => "staging",
        Visible::Post => "post",
        Visible::Comment => "comment",
    }
}

/// The report that the courier makes of a verdict.
pub fn report(verdict: Verdict) -> Report {
    Report { verdict, exchange: None }
}

fn unreachable() -> Verdict {
    let fault = Fault::new(Code::PlatformUnavailable, "no route").rule("sim.unavailable");
    Verdict::Retry { fault, after: None }
}

fn unheard() -> Verdict {
    let fault = Fault::new(Code::PlatformUnavailable, "no answer").rule("sim.unavailable");
    Verdict::Unknown { fault }
}

fn limited(dice: &mut Dice) -> Verdict {
    let fault = Fault::new(Code::RateLimited, "slow down").rule("sim.rate_limited");
    Verdict::Parked { fault, after: Millis(dice.range(500, 5_000)) }
}
