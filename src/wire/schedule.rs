//! Times in requests, and names that were meant to give one.

use serde_json::Value;

use super::issues::{Note, Walk, clip};
use crate::model::{TimeError, Timestamp};

/// What people write when they mean `scheduledAt`, in lower case and without `_` and `-`.
const MEANT: [&str; 18] = [
    "schedule",
    "scheduled",
    "scheduledtime",
    "scheduletime",
    "scheduledfor",
    "schedulefor",
    "scheduledon",
    "scheduleddate",
    "scheduledatetime",
    "scheduleddatetime",
    "publishat",
    "publishtime",
    "publishdate",
    "publishon",
    "postat",
    "posttime",
    "sendat",
    "sendtime",
];
/// The right name in the same form.
const RIGHT: &str = "scheduledat";
/// Letters that may be wrong in a name that still means the right one.
const SLIPS_MAX: usize = 2;

/// An instant with a zone.
pub(super) fn time(walk: &mut Walk, value: &Value) -> Option<Timestamp> {
    let text = walk.any_string(value)?;
    let problem = match text.parse::<Timestamp>() {
        Ok(at) => return Some(at),
        Err(problem) => problem,
    };
    let (here, shown) = (walk.here(), clip(&text));
    let (message, remedy) = match problem {
        TimeError::Naive => (
            format!("{here} is {shown:?}, which has no zone"),
            "End it with Z for UTC, or with an offset such as +02:00.",
        ),
        TimeError::Malformed => (
            format!("{here} is {shown:?}, which is no date and time"),
            "Write it as RFC 3339 does: 2026-05-08T12:00:00Z.",
        ),
    };
    let note = Note::new("invalid_string", message).hint("validation", "datetime");
    walk.note(note.remedy(remedy));
    None
}

/// Whether a member of this name was meant to say when.
pub(super) fn means_schedule(name: &str) -> bool {
    if name.len() > 2 * RIGHT.len() {
        return false;
    }
    let plain: String =
        name.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect();
    MEANT.contains(&plain.as_str()) || slips(&plain, RIGHT) <= SLIPS_MAX
}

/// How many letters must be put in, taken out or changed to make one word the other.
fn slips(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_pen_are_seen_and_other_words_are_not() {
        for name in [
            "scheduled_at",
            "scheduleAt",
            "ScheduledAt",
            "schedule-at",
            "publish_at",
            "publishAt",
            "scheduledFor",
            "shceduledAt",
            "schedualedAt",
            "sheduledAt",
            "scheduledAtt",
            "postAt",
        ] {
            assert!(means_schedule(name), "{name}");
        }
        for name in ["createdAt", "updatedAt", "title", "status", "account", "date", "published"] {
            assert!(!means_schedule(name), "{name}");
        }
        assert!(!means_schedule(&"scheduledAt".repeat(1_000)));
        assert_eq!(slips("", "abc"), 3);
        assert_eq!(slips("kitten", "sitting"), 3);
    }
}
