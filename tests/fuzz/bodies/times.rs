//! Instants: the wire's, HTTP's, and numbers that are none.
//!
//! An input is a text; its first eight bytes are a number of milliseconds as well.

use fanfare::model::{Millis, Timestamp};
use fanfare::platforms::clock_ahead;

/// See `ALL`.
pub fn run(input: &[u8]) {
    if let Some(first) = input.first_chunk::<8>() {
        number(i64::from_le_bytes(*first));
    }
    let Ok(text) = std::str::from_utf8(input) else { return };
    match text.parse::<Timestamp>() {
        Ok(at) => {
            assert_eq!(at.to_string().parse(), Ok(at), "{text}");
            assert!(text.ends_with('Z') || text[16..].contains(['+', '-']), "{text} has no zone");
        }
        Err(problem) => assert!(!problem.to_string().is_empty()),
    }
    if let Some(at) = Timestamp::from_http_date(text) {
        number(at.as_millis());
        let headers = [("date".to_owned(), text.to_owned())];
        let now = Timestamp::from_millis(1_700_000_000_000);
        let ahead = clock_ahead(&headers, now);
        assert_eq!(ahead, Some(now.as_millis().saturating_sub(at.as_millis())), "{text}");
    }
}

fn number(millis: i64) {
    let at = Timestamp::from_millis(millis);
    let text = at.to_string();
    if let Ok(read) = text.parse::<Timestamp>() {
        assert_eq!(read, at, "{text}");
    }
    let span = Millis(millis.unsigned_abs());
    assert!(at.minus(span) <= at && at <= at.plus(span), "{millis}");
    assert_eq!(at.since(at), Millis(0));
}
