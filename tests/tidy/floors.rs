//! Which room may use which: an arrow points down only.

use crate::source::{Complaint, Source, is_name};

/// The floors from the ground up. A room may use the rooms of the lines above its own.
const FLOORS: &[&[&str]] = &[
    &["model"],
    &["preflight"],
    &["workflow"],
    &["machine"],
    &["wire"],
    &["platforms"],
    &["store", "upstream", "media"],
    &["engine"],
    &["accounts"],
    &["courier", "webhooks", "backup"],
    &["upkeep"],
    &["admission"],
    &["control"],
    &["front"],
    &["selftest"],
    &["cli"],
    &["config"],
    &["app"],
    &["main"],
];

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// Arrows that point up or sideways, and rooms that are on no floor.
pub fn complaints(source: &Source) -> Vec<Complaint> {
    let Some(path) = source.path.strip_prefix("src/") else { return Vec::new() };
    // The map of the house names every room.
    if path == "lib.rs" {
        return Vec::new();
    }
    let room = path.split(['/', '.']).next().unwrap_or_default();
    let Some(own) = floor(room) else {
        return vec![source.complain(0, format!("the room {room} is on no floor"))];
    };
    let mut found = Vec::new();
    for (at, other) in uses(source) {
        match floor(&other) {
            Some(floor) if floor >= own && other != room => {
                found.push(source.complain(at, format!("{room} may not use {other}")));
            }
            _ => {}
        }
    }
    found
}

/// Every room named in the code, by any path that starts at the root.
fn uses(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for root in ["crate::", "fanfare::"] {
        for at in source.places(root) {
            names_after(&source.code, at + root.len(), at, &mut found);
        }
    }
    let climb = "super::".repeat(depth(&source.path));
    for (at, _) in source.code.match_indices(&climb) {
        names_after(&source.code, at + climb.len(), at, &mut found);
    }
    found
}

/// How many times `super` leads from the file to the root.
fn depth(path: &str) -> usize {
    let parts = path.trim_start_matches("src/").split('/').count();
    if path.ends_with("/mod.rs") { parts - 1 } else { parts }
}

/// The name at `from`, or each first name of a group in braces.
fn names_after(code: &str, from: usize, at: usize, found: &mut Vec<(usize, String)>) {
    let bytes = code.as_bytes();
    if bytes.get(from) != Some(&b'{') {
        found.push((at, name(code, from)));
        return;
    }
    let (mut depth, mut starts) = (0, true);
    for (place, byte) in bytes.iter().enumerate().skip(from) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return,
            b'}' => depth -= 1,
            b',' => starts = depth == 1,
            byte if byte.is_ascii_whitespace() => {}
            _ if starts && depth == 1 => {
                found.push((place, name(code, place)));
                starts = false;
            }
            _ => {}
        }
    }
}

fn name(code: &str, from: usize) -> String {
    code[from..].bytes().take_while(|byte| is_name(*byte)).map(char::from).collect()
}

#[cfg(test)]
mod samples {
    use super::*;

    #[track_caller]
    fn check(path: &str, text: &str, expected: &[&str]) {
        let found = complaints(&Source::new(path, text));
        let problems: Vec<_> = found.iter().map(|one| one.problem.as_str()).collect();
        assert_eq!(problems, expected, "{text}");
    }

    #[test]
    fn an_arrow_down_is_fine() {
        check("src/engine/core.rs", "use crate::model::Batch;", &[]);
        check("src/engine/core.rs", "use crate::{model::Batch, store::{Key, Store}};", &[]);
        check("src/engine/core.rs", "use crate::engine::Core; fn f() { super::x() }", &[]);
        check("src/app.rs", "use crate::front::Gate;", &[]);
        check("src/lib.rs", "pub mod front; use crate::front::Gate;", &[]);
        check("tests/a.rs", "use fanfare::front::Gate;", &[]);
        check("src/model/id.rs", "// use crate::front::Gate;", &[]);
    }

    #[test]
    fn an_arrow_up_or_sideways_is_not() {
        check("src/model/id.rs", "use crate::wire::Reply;", &["model may not use wire"]);
        check("src/store/mod.rs", "fn f() { crate::media::x() }", &["store may not use media"]);
        check("src/front/gate.rs", "use crate::cli::x;", &["front may not use cli"]);
        check(
            "src/wire/a.rs",
            "use crate::{\n    model::A,\n    engine::{B, store},\n    platforms::C,\n};",
            &["wire may not use engine", "wire may not use platforms"],
        );
    }

    #[test]
    fn climbing_to_the_root_is_seen() {
        check("src/model/id.rs", "use super::super::wire::R;", &["model may not use wire"]);
        check("src/model/mod.rs", "use super::wire::R;", &["model may not use wire"]);
        check("src/main.rs", "fanfare::app::serve();", &[]);
        check("src/config.rs", "use super::app::x;", &["config may not use app"]);
    }

    #[test]
    fn a_new_room_wants_a_floor() {
        check("src/attic/mod.rs", "", &["the room attic is on no floor"]);
    }
}
