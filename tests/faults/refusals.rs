//! A disk that says no: full, broken, or only now and then. The house says so in words and stops;
//! what it acknowledged is there when the disk is well again.

use crate::child::{self, Ended, Running, folder, given, on_all_processors, scratch};
use crate::dice::Dice;
use crate::disk::Disk;
use crate::house::{Acks, House, Trouble};
use crate::plan::Plan;
use crate::shim::{self, ALL_CALLS, EIO, ENOSPC, Failure};
use crate::trace::{self, Act};
use crate::{number, seed};

/// The code of a process that ended because the disk said no.
const EXIT_REFUSED: i32 = 70;
/// Commits before the disk fails, and at most while it does.
const COMMITS_BEFORE: u64 = 60;
const COMMITS: u64 = 40;

/// How disks fail: which calls, with what, how often.
const WAYS: [(&str, u32, &str); 8] = [
    (ALL_CALLS, ENOSPC, "sticky"),
    (ALL_CALLS, EIO, "once"),
    ("W", ENOSPC, "short"),
    ("W", EIO, "torn"),
    ("S", EIO, "once"),
    ("W", EIO, "slow"),
    ("r", EIO, "once"),
    ("CTRDU", EIO, "once"),
];

/// The part of a process that works until the disk says no, and then stops as a server does.
pub fn strives() {
    let plan = Plan { seed: given("FAULT_SEED") };
    let mut acks = Acks::given();
    let mut strive = || -> Result<(), Trouble> {
        let mut house = House::open(&folder(), plan, 0)?;
        house.work(COMMITS, |made| acks.tell(made))
    };
    match strive() {
        Ok(()) => {}
        Err(Trouble::Wrong(problem)) => panic!("{problem}"),
        Err(Trouble::Refused(words)) => {
            println!("refused: {words}");
            std::process::exit(EXIT_REFUSED);
        }
    }
}

/// One disk that fails, in words for who reads a failure.
struct Case {
    plan: Plan,
    failure: Failure,
    /// Whether the house was there before.
    lived: bool,
}

/// What came of one.
struct Came {
    ended: Ended,
    acts: Vec<Act>,
    place: tempfile::TempDir,
}

impl Case {
    fn words(&self) -> String {
        format!("FAULT_SEED={}: {:?}, lived before: {}", self.plan.seed, self.failure, self.lived)
    }

    fn run(&self) -> Came {
        let place = scratch();
        let (data, trace) = (place.path().join("data"), place.path().join("trace"));
        std::fs::create_dir(&data).expect("room");
        if self.lived {
            let mut before = child::role("works", &data, self.plan.seed);
            shim::recorded(shim::between(&mut before, &data), &trace);
            before.env("FAULT_COMMITS", COMMITS_BEFORE.to_string()).env("FAULT_CLOSES", "0");
            child::run(before).well();
        }
        let mut command = child::role("strives", &data, self.plan.seed);
        shim::recorded(shim::between(&mut command, &data), &trace);
        shim::failing(&mut command, &self.failure);
        let ended = Running::spawn(command).ended(child::PATIENCE);
        let ended = ended.unwrap_or_else(|| panic!("{}: it hangs", self.words()));
        Came { ended, acts: trace::read(&trace), place }
    }
}

impl Came {
    fn data(&self) -> std::path::PathBuf {
        self.place.path().join("data")
    }

    /// The highest that was told, and whether anything was told after a write or a flush of the
    /// log failed. Where it is merged to may fail unseen for a while: nothing rests on it yet.
    fn told(&self) -> (u64, bool) {
        let (mut told, mut failed, mut late) = (0, false, false);
        let mut log = Vec::new();
        for act in &self.acts {
            match act {
                Act::Told { made } => {
                    told = *made;
                    late |= failed;
                }
                Act::Create { inode, path } if path.contains("/log-") => log.push(*inode),
                Act::Refused { letter, inode } if log.contains(inode) => {
                    failed |= matches!(*letter, b'W' | b'S');
                }
                _ => {}
            }
        }
        assert!(told == 0 || log.len() == 2, "a log has two files: {log:?}");
        (told, late)
    }

    fn check(&self, case: &Case) {
        let words = case.words();
        let failed = self.acts.iter().any(|act| matches!(act, Act::Refused { .. }));
        let Ended { status, out, err } = &self.ended;
        match status.code() {
            Some(0) => {}
            Some(EXIT_REFUSED) => {
                assert!(failed, "{words}: it refused with no reason: {out}{err}");
                assert!(out.contains("refused: "), "{words}: no words: {out}{err}");
            }
            _ => panic!("{words}: {status}: {out}{err}"),
        }
        let (told, late) = self.told();
        assert!(!late, "{words}: something was told after a failure: {out}{err}");
        self.power_loss(case, told);
        // The disk is well again.
        let house = House::open(&self.data(), case.plan, told);
        let mut house = house.unwrap_or_else(|trouble| panic!("{words}: {trouble:?} {out}{err}"));
        house.work(3, |_| {}).unwrap_or_else(|trouble| panic!("{words}: {trouble:?}"));
    }

    /// What the system could not flush, it may have dropped: then it must be seen as lost.
    fn power_loss(&self, case: &Case, told: u64) {
        let mut disk = Disk::default();
        self.acts.iter().for_each(|act| disk.act(act));
        let image = scratch();
        let root = self.data();
        let root = root.to_str().expect("a plain name");
        let mut dice = Dice::of(case.plan.seed, 30, case.failure.at);
        let fate = disk.lose_power(root, image.path(), &mut dice);
        if let Err(trouble) = House::open(image.path(), case.plan, told) {
            panic!("{}: after a power loss: {fate}: {trouble:?}", case.words());
        }
    }
}

/// How many calls of these kinds a run makes when nothing fails.
fn calls(plan: Plan, on: &'static str, lived: bool) -> u64 {
    let count = |at| {
        let failure = Failure { at, on, errno: EIO, mode: "once" };
        let came = Case { plan, failure, lived }.run();
        came.acts.iter().any(|act| matches!(act, Act::Refused { .. }))
    };
    // A call after the last one never comes.
    let (mut made, mut beyond) = (0, 1);
    while count(beyond) {
        (made, beyond) = (beyond, beyond * 2);
    }
    while beyond - made > 1 {
        let middle = made.midpoint(beyond);
        if count(middle) { made = middle } else { beyond = middle }
    }
    made
}

#[test]
fn a_failing_disk_is_refused_in_words_and_loses_nothing() {
    let seed = seed();
    let wanted = number("FAULT_REFUSALS").unwrap_or(320);
    let ways = WAYS.len() as u64 * 2;
    let each = wanted.div_ceil(ways);
    on_all_processors(ways, |n| {
        let (on, errno, mode) = WAYS[usize::try_from(n / 2).expect("small")];
        let lived = n % 2 == 1;
        let plan = Plan { seed: seed + n };
        let calls = calls(plan, on, lived);
        let mut dice = Dice::of(plan.seed, 31, n);
        for nth in 0..each {
            // Spread over all of them, and not twice the same.
            let (from, to) = (nth * calls / each, (nth + 1) * calls / each);
            if from == to {
                continue;
            }
            let at = from + 1 + dice.next() % (to - from);
            let case = Case { plan, failure: Failure { at, on, errno, mode }, lived };
            case.run().check(&case);
        }
    });
}
