//! What proves somebody is compared in a time that does not tell how much of it was right: secrets
//! by their own `==`, signatures by `hmac::verify`, and what is cut short by `ct_eq`. The store's
//! hashes prove nobody.

use crate::source::{Complaint, Source, is_name};

/// Names of what proves somebody.
const PROOFS: &[&str] =
    &["expose", "hash", "mac", "password", "signature", "signed", "tag", "token", "verifier"];

/// Comparisons that stop at the first byte that differs.
pub fn complaints(source: &Source) -> Vec<Complaint> {
    let of_files = source.path.starts_with("src/store/");
    if !source.path.starts_with("src/") || source.path.contains("test") || of_files {
        return Vec::new();
    }
    // A module of tests stands last.
    let end = source.code.find("#[cfg(test)]\nmod ").unwrap_or(source.code.len());
    let code = &source.code[..end];
    let mut found = Vec::new();
    for operator in [" == ", " != "] {
        for (at, _) in code.match_indices(operator) {
            let blank = |c: char| c.is_whitespace();
            let before = code[..at].rsplit(blank).next().unwrap_or_default();
            let after = code[at + operator.len()..].split(blank).next().unwrap_or_default();
            let names = [before, after].map(|side| side.split(|c: char| !is_name_char(c)));
            if let Some(name) = names.into_iter().flatten().find(|name| PROOFS.contains(name)) {
                let problem = format!("{name}: a proof is compared in constant time");
                found.push(source.complain(at, problem));
            }
        }
    }
    found
}

fn is_name_char(c: char) -> bool {
    u8::try_from(c).is_ok_and(is_name)
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
    fn proofs_are_known_on_both_sides() {
        for bad in [
            "signature(secret, &body) == delivery.signature",
            "a == b.expose()",
            "if hash(token) != self.token {",
            "(signed == second(key, first)).then_some(())",
        ] {
            check("src/front/a.rs", bad, 1);
            check("tests/a.rs", bad, 0);
            check("src/store/a.rs", bad, 0);
            check("src/front/a_tests.rs", bad, 0);
            check("src/front/a.rs", &format!("#[cfg(test)]\nmod tests {{ {bad} }}"), 0);
        }
        for good in ["signed.ct_eq(&tag)", "a.tags == b", "// tag == tag", "x == \"tag\""] {
            check("src/front/a.rs", good, 0);
        }
    }
}
