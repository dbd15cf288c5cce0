//! How long things may get, and that every file says what it is for.

use crate::source::{Complaint, Source, is_name};

/// Lines of a file.
const FILE_LINES_MAX: usize = 500;
/// Lines of a function.
const FUNCTION_LINES_MAX: usize = 70;
/// Columns of a line.
const LINE_COLUMNS_MAX: usize = 100;

/// What is too long, and files that do not say what they are for.
pub fn complaints(source: &Source) -> Vec<Complaint> {
    let mut found = Vec::new();
    let at = |line, problem| Complaint { path: source.path.clone(), line, problem };
    let lines = source.text.lines().count();
    if lines > FILE_LINES_MAX {
        found.push(at(lines, format!("{lines} lines; at most {FILE_LINES_MAX}")));
    }
    if !source.text.starts_with("//! ") {
        found.push(at(1, "the first line does not say what the file is for (//!)".to_owned()));
    }
    for (place, line) in source.text.lines().enumerate() {
        let columns = line.chars().count();
        if columns > LINE_COLUMNS_MAX {
            found.push(at(place + 1, format!("{columns} columns; at most {LINE_COLUMNS_MAX}")));
        }
    }
    for (start, lines) in functions(source) {
        if lines > FUNCTION_LINES_MAX {
            let problem = format!("a function of {lines} lines; at most {FUNCTION_LINES_MAX}");
            found.push(source.complain(start, problem));
        }
    }
    found
}

/// Where each function starts, and how many lines it has.
fn functions(source: &Source) -> Vec<(usize, usize)> {
    let code = source.code.as_bytes();
    let mut found = Vec::new();
    for start in source.places("fn") {
        // A function pointer's type and a function without a body end before any brace.
        let Some(open) = body(code, start) else { continue };
        let mut depth = 0;
        for (at, byte) in code.iter().enumerate().skip(open) {
            match byte {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                _ => continue,
            }
            if depth == 0 {
                let lines = code[start..at].iter().filter(|byte| **byte == b'\n').count() + 1;
                found.push((start, lines));
                break;
            }
        }
    }
    found
}

/// The opening brace of a function's body. What is no function with a body ends before any: a
/// method without one at its semicolon, a function pointer's type at whatever comes after it.
fn body(code: &[u8], start: usize) -> Option<usize> {
    let after = code[start + 2..].iter().find(|byte| !byte.is_ascii_whitespace());
    let named = after.is_some_and(|byte| is_name(*byte));
    let mut depth = 0;
    for (at, byte) in code.iter().enumerate().skip(start) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' if depth == 0 => return None,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(at),
            b';' if depth == 0 => return None,
            b',' | b'=' | b'}' if depth == 0 && !named => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod samples {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found = complaints(&Source::new("src/model/a.rs", text));
        let problems: Vec<_> = found.iter().map(|one| one.problem.as_str()).collect();
        assert_eq!(problems, expected);
    }

    fn function(head: &str, lines: usize) -> String {
        format!("//! a\n{head} {{\n{}}}\n", "    x();\n".repeat(lines - 2))
    }

    #[test]
    fn a_long_file_is_seen() {
        check(&format!("//! a\n{}", "\n".repeat(499)), &[]);
        check(&format!("//! a\n{}", "\n".repeat(500)), &["501 lines; at most 500"]);
    }

    #[test]
    fn a_wide_line_is_seen() {
        check(&format!("//! a\n// {}\n", "é".repeat(97)), &[]);
        check(&format!("//! a\n// {}\n", "é".repeat(98)), &["101 columns; at most 100"]);
    }

    #[test]
    fn a_silent_file_is_seen() {
        check("fn f() {}\n", &["the first line does not say what the file is for (//!)"]);
    }

    #[test]
    fn a_long_function_is_seen() {
        let long = &["a function of 71 lines; at most 70"];
        check(&function("fn f()", 70), &[]);
        check(&function("fn f()", 71), long);
        check(&function("pub async fn f<A, B: Fn() -> A>(x: [u8; 4]) -> Result<A, B>", 71), long);
        check(&function("fn f<A>() -> A where A: Iterator<Item = u8>, A: Copy", 71), long);
        check(&function("struct S { f: fn(u8) -> u8, }\nimpl S", 80), &[]);
        check(&function("trait T { fn f(&self); }\nmod m", 80), &[]);
    }
}
