//! Every world, where the worlds are small: all orders of all events for one and two targets, over
//! the real transition function, with platforms where landing, hearing and silence are events of
//! their own. A state is looked at once, so the search ends when there is none that is new.
//!
//! What is walked: sending, landing (also late, also after the process died), each kind of answer,
//! silence until the deadline, reading back, death of the process between any two of these, an
//! operator's ruling, a client's cancel and its retry. Time moves when a timer rings.

mod rules;
mod world;

use std::collections::{HashSet, VecDeque};

use fanfare::model::Millis;
use fanfare::workflow::Doubt;

use rules::{Class, Rules};
use world::World;

/// Walks every world; how many moments there are, or what is broken in one.
fn walk(rules: &Rules, targets: u8) -> Result<(usize, usize), String> {
    let first = rules.start(targets);
    let mut seen = HashSet::from([first.print()]);
    let mut queue = VecDeque::from([first]);
    let mut ends = 0;
    while let Some(world) = queue.pop_front() {
        let broken = |what: String, world: &World| format!("{what} in\n{}", world.tell());
        if let Some(what) = world.broken() {
            return Err(broken(what, &world));
        }
        let nexts = world.nexts(rules);
        let settled = world.batch.is_settled();
        let waits =
            |world: &World| world.flights.iter().flatten().any(|flight| world.can_land(flight));
        if settled && !waits(&world) {
            ends += 1;
            if let Some(what) = world.broken_at_rest(rules) {
                return Err(broken(what, &world));
            }
        }
        if nexts.is_empty() && !settled {
            return Err(broken("every_batch_settles: nothing can happen".to_owned(), &world));
        }
        for next in nexts {
            if seen.insert(next.print()) {
                queue.push_back(next);
            }
        }
    }
    Ok((seen.len(), ends))
}

/// How many attempts a step has; `WORLDS_ATTEMPTS=3` walks further than every day's two.
fn attempts_max() -> u32 {
    std::env::var("WORLDS_ATTEMPTS").ok().and_then(|text| text.parse().ok()).unwrap_or(2)
}

fn holds(class: Class, targets: u8, change: impl Fn(&mut Rules), at_least: usize) {
    // Who can repeat does so until the post is given up: the longer, the more worlds there are.
    let ticks = match (class, targets) {
        (Class::Keyed, 1) => 5,
        (Class::Keyed, _) => 2,
        (_, 1) => 8,
        _ => 4,
    };
    let mut rules = Rules::honest(class, attempts_max(), ticks);
    change(&mut rules);
    match walk(&rules, targets) {
        Ok((moments, ends)) => {
            let walked = format!("{class:?}: {moments} moments, {ends} at rest");
            assert!(moments >= at_least && ends > 0, "{walked}: what was walked?");
        }
        Err(what) => panic!("{class:?}, {targets} targets: {what}"),
    }
}

#[test]
fn one_target_in_every_world() {
    for class in [Class::Keyed, Class::Readable, Class::Blind] {
        holds(class, 1, |rules| rules.rich = true, 1_000);
    }
}

#[test]
fn a_post_with_its_comment_in_every_world() {
    for class in [Class::Keyed, Class::Readable, Class::Blind] {
        let with = |rules: &mut Rules| (rules.comment, rules.deeds) = (true, 0);
        holds(class, 1, with, 100);
    }
}

#[test]
fn two_targets_in_every_world() {
    for class in [Class::Keyed, Class::Readable, Class::Blind] {
        let crashes = u8::from(class == Class::Blind);
        holds(class, 2, |rules| (rules.crashes, rules.deeds) = (crashes, 0), 1_000);
    }
}

/// The search finds what it is for.
#[test]
fn a_wrong_patience_is_found_in_some_world() {
    let at_once = Doubt::Probe { grace: Millis(0), looks: 1, pause: Millis(1) };
    let blindly = [(Class::Readable, at_once), (Class::Blind, Doubt::Repeat)];
    for (class, on_doubt) in blindly {
        let found = walk(&Rules::new(class, on_doubt, 3, 8), 1);
        let found = found.expect_err("it posts twice in some world");
        assert!(found.starts_with("no_duplicate_landing"), "{found}");
    }
}
