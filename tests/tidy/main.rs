//! The house rules that a machine can hold: which room may use which, what stands where, how long
//! things may get, and that every rule an error names has a page.
//!
//! Every checker is tried on small bad samples first, then on the whole tree.

mod bans;
mod floors;
mod rules;
mod secrets;
mod shape;
mod source;

use source::{Complaint, Source};

fn check(what: &str, checker: fn(&Source) -> Vec<Complaint>) {
    let tree = source::tree();
    assert!(tree.len() > 20, "only {} files were found: is this the project?", tree.len());
    let complaints: Vec<String> =
        tree.iter().flat_map(checker).map(|one| one.to_string()).collect();
    assert!(
        complaints.is_empty(),
        "{what}: {} to mend\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}

#[test]
fn arrows_point_down() {
    check("floors", floors::complaints);
}

#[test]
fn everything_stands_where_it_belongs() {
    check("bans", bans::complaints);
}

#[test]
fn proofs_are_compared_in_constant_time() {
    check("secrets", secrets::complaints);
}

#[test]
fn files_lines_and_functions_stay_short() {
    check("shape", shape::complaints);
}
