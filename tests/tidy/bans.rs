//! What may stand in some places only.

use crate::source::{Complaint, Source};

/// Words, and the paths they may stand under.
struct Ban {
    words: &'static [&'static str],
    /// Where the ban holds; an empty start holds everywhere.
    within: &'static [&'static str],
    /// Where it does not.
    but: &'static [&'static str],
    why: &'static str,
}

/// The rooms that compute and do nothing else.
const PURE: &[&str] = &[
    "src/model/",
    "src/preflight/",
    "src/workflow/",
    "src/machine/",
    "src/wire/",
    "src/platforms/",
];
const SRC: &[&str] = &["src/"];
const EVERYWHERE: &[&str] = &[""];

const BANS: &[Ban] = &[
    Ban { words: &["sled"], within: SRC, but: &["src/store/"], why: "only the store knows sled" },
    Ban { words: &["rkyv"], within: SRC, but: &["src/store/"], why: "only the store knows rkyv" },
    Ban {
        words: &["reqwest"],
        within: SRC,
        but: &["src/upstream/client.rs", "src/upstream/client/"],
        why: "one place speaks to the outside",
    },
    Ban {
        words: &["hyper", "hyper_util", "http_body_util"],
        within: SRC,
        but: &["src/front/", "src/cli/"],
        why: "only the doors know hyper",
    },
    Ban { words: &["clap"], within: SRC, but: &["src/cli/"], why: "only the cli knows clap" },
    Ban {
        words: &["SystemTime::now", "Instant::now"],
        within: SRC,
        but: &["src/app/clocks.rs"],
        why: "time is an argument",
    },
    Ban {
        words: &["SystemRandom"],
        within: SRC,
        but: &["src/app/clocks.rs"],
        why: "dice are an argument",
    },
    Ban {
        words: &["tokio", "async", "await", "fs", "net", "thread"],
        within: PURE,
        but: &[],
        why: "pure rooms do nothing",
    },
    Ban {
        words: &["HashMap", "HashSet"],
        within: PURE,
        but: &[],
        why: "the order of a hash differs from run to run",
    },
    Ban {
        words: &["HashMap", "HashSet"],
        within: &["src/engine/core.rs", "src/engine/core/"],
        but: &[],
        why: "the order of a hash differs from run to run",
    },
    Ban {
        words: &["todo!", "unimplemented!", "dbg!"],
        within: EVERYWHERE,
        but: &[],
        why: "nothing is left half done",
    },
    Ban {
        words: &["#[allow(", "#![allow("],
        within: EVERYWHERE,
        but: &[],
        why: "#[expect(lint, reason = ...)] says when it is over",
    },
    Ban {
        words: &["sleep(", "sleep_until("],
        within: &["tests/"],
        but: &[],
        why: "a test waits for a fact",
    },
    Ban {
        words: &["unbounded_channel"],
        within: SRC,
        but: &["src/front/gate_tests.rs", "src/front/server_tests.rs"],
        why: "every queue has a bound with a reason",
    },
    Ban { words: &["#[ignore"], within: EVERYWHERE, but: &[], why: "a test runs or goes" },
];

/// Words that stand where they may not.
pub fn complaints(source: &Source) -> Vec<Complaint> {
    let under = |starts: &[&str]| starts.iter().any(|start| source.path.starts_with(start));
    let mut found = Vec::new();
    for ban in BANS.iter().filter(|ban| under(ban.within) && !under(ban.but)) {
        for words in ban.words {
            let complain = |at| source.complain(at, format!("{words}: {}", ban.why));
            found.extend(source.places(words).map(complain));
        }
    }
    found
}

#[cfg(test)]
mod samples {
    use super::*;

    #[track_caller]
    fn check(path: &str, text: &str, expected: usize) {
        let found = complaints(&Source::new(path, text));
        assert_eq!(found.len(), expected, "{path}: {text}: {found:?}");
    }

    #[test]
    fn every_ban_bites() {
        for ban in BANS {
            for words in ban.words {
                for within in ban.within {
                    let path = match *within {
                        "" => "src/wire/sample.rs".to_owned(),
                        file if file.ends_with(".rs") => file.to_owned(),
                        folder => format!("{folder}sample.rs"),
                    };
                    let found = complaints(&Source::new(&path, &format!("a {words} b")));
                    assert!(!found.is_empty(), "{words} in {path}");
                }
                for but in ban.but {
                    let path =
                        if but.ends_with(".rs") { (*but).to_owned() } else { format!("{but}x.rs") };
                    let found = complaints(&Source::new(&path, &format!("a {words} b")));
                    assert!(found.is_empty(), "{words} in {path}: {found:?}");
                }
            }
        }
    }

    #[test]
    fn only_code_and_whole_names_count() {
        check("src/front/a.rs", "// sled\nlet a = \"reqwest\";", 0);
        check("src/front/a.rs", "use crate::store::Sled; let unsled = 1;", 0);
        check("src/front/a.rs", "sled::open(); reqwest::get();", 2);
        check("src/model/a.rs", "use std::fs; x.await", 2);
        check("tests/a.rs", "std::thread::sleep(d)", 1);
        check("tests/a.rs", "#[expect(lint, reason = \"x\")]", 0);
    }
}
