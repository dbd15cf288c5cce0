//! Instants and spans in milliseconds, and their one spelling on the wire.

use std::fmt;
use std::str::FromStr;

/// Tells the instant; handed in, so that whoever needs the time can be given any.
pub type Now = std::sync::Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Gives 128 random bits; handed in for the same reason.
pub type Dice = std::sync::Arc<dyn Fn() -> u128 + Send + Sync>;

/// A span of time in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Millis(pub u64);

impl Millis {
    /// A span of whole seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs * 1_000)
    }

    /// The span for the standard library.
    pub const fn as_duration(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

/// An instant: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// 0000-01-01T00:00:00Z.
const YEAR_0_MS: i64 = -62_167_219_200_000;
/// 9999-01-01T00:00:00Z. The library ends in the middle of a day of that year.
const YEAR_9999_MS: i64 = 253_370_764_800_000;
/// A day.
const DAY_MS: i64 = 86_400_000;

/// Why a text is no instant we accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeError {
    /// Not an RFC 3339 date and time.
    Malformed,
    /// A date and time without `Z` or an offset: guessing a zone would publish at a wrong time.
    Naive,
}

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "read a time: expected RFC 3339, such as 2026-05-08T12:00:00Z",
            Self::Naive => "read a time: it has no zone; end it with Z or an offset such as +02:00",
        })
    }
}

impl std::error::Error for TimeError {}

impl Timestamp {
    /// The instant this many milliseconds after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds after the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The instant `span` later; stays at the end of time rather than overflow.
    pub fn plus(self, span: Millis) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.0).unwrap_or(i64::MAX)))
    }

    /// The instant `span` earlier.
    pub fn minus(self, span: Millis) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.0).unwrap_or(i64::MAX)))
    }

    /// The instant of an HTTP `Date` header.
    pub fn from_http_date(text: &str) -> Option<Self> {
        let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
        Some(Self(at.as_millisecond()))
    }

    /// How long after `earlier` this is; zero when it is not after.
    pub fn since(self, earlier: Self) -> Millis {
        Millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    /// UTC, exactly three decimals, `Z`: `2026-05-16T12:00:00.000Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(letters) = self.letters() {
            return f.write_str(std::str::from_utf8(&letters).map_err(|_| fmt::Error)?);
        }
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => write!(f, "{at:.3}"),
            Err(_) => write!(f, "{} ms after 1970", self.0),
        }
    }
}

impl Timestamp {
    /// Its spelling, of a year of four digits. Times are printed several times for each post, so
    /// these years, which are all that matter, are printed here.
    pub(super) fn letters(self) -> Option<[u8; 24]> {
        if !(YEAR_0_MS..YEAR_9999_MS).contains(&self.0) {
            return None;
        }
        // Above zero in all these years, for signs cost.
        let since = (self.0 - YEAR_0_MS).unsigned_abs();
        let (days, rest) =
            (narrow(since / DAY_MS.unsigned_abs()), narrow(since % DAY_MS.unsigned_abs()));
        let (year, month, day) = civil(days);
        let secs = rest / 1_000;
        let mut out = *b"0000-00-00T00:00:00.000Z";
        two_digits(&mut out, 0, year / 100);
        two_digits(&mut out, 2, year % 100);
        two_digits(&mut out, 5, month);
        two_digits(&mut out, 8, day);
        two_digits(&mut out, 11, secs / 3_600);
        two_digits(&mut out, 14, secs / 60 % 60);
        two_digits(&mut out, 17, secs % 60);
        two_digits(&mut out, 20, rest % 1_000 / 10);
        out[22] = digit(rest % 10);
        Some(out)
    }
}

/// Puts a number of two digits into a spelling.
fn two_digits(out: &mut [u8; 24], at: usize, number: u32) {
    out[at] = digit(number / 10);
    out[at + 1] = digit(number % 10);
}

const fn digit(number: u32) -> u8 {
    b'0' + number.to_le_bytes()[0]
}

/// What is known to be small.
fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Year, month and day of the day so many days after 0000-01-01. Counted from a first of March, a
/// leap day is the last day of its year, and months have 153 days in each five.
const fn civil(days: u32) -> (u32, u32, u32) {
    const FOUR_CENTURIES: u32 = 146_097;
    // From the first of March 400 years before, for the first two months of the year 0.
    let shifted = days + FOUR_CENTURIES - 60;
    let (cycle, day) = (shifted / FOUR_CENTURIES, shifted % FOUR_CENTURIES);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let in_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * in_year + 2) / 153;
    let in_month = in_year - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    (year + cycle * 400 - 400, month, in_month)
}

impl FromStr for Timestamp {
    type Err = TimeError;

    /// Takes `YYYY-MM-DDTHH:MM[:SS[.f+]]` with `Z` or `±HH:MM`; finer digits are cut.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let bytes = text.as_bytes();
        let shaped = bytes.len() >= 16
            && bytes.iter().all(|b| b.is_ascii_digit() || b"-:.TZ+".contains(b))
            && bytes[4] == b'-'
            && bytes[7] == b'-'
            && bytes[10] == b'T'
            && bytes[13] == b':';
        if !shaped || leap_second(text) {
            return Err(TimeError::Malformed);
        }
        if text.parse::<jiff::civil::DateTime>().is_ok() && !zoned(text) {
            return Err(TimeError::Naive);
        }
        let at: jiff::Timestamp = text.parse().map_err(|_| TimeError::Malformed)?;
        let at = at.as_millisecond();
        // An offset can lead to before the year 0, which has no spelling of four digits. And of its
        // last second the library has a spelling, but no milliseconds.
        let spelled = at >= YEAR_0_MS && jiff::Timestamp::from_millisecond(at).is_ok();
        if spelled { Ok(Self(at)) } else { Err(TimeError::Malformed) }
    }
}

fn leap_second(text: &str) -> bool {
    text.get(16..19) == Some(":60")
}

fn zoned(text: &str) -> bool {
    text.ends_with('Z') || text[16..].contains(['+', '-'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As another calendar spells it.
    fn spelled(at: i64) -> String {
        match jiff::Timestamp::from_millisecond(at) {
            Ok(known) => format!("{known:.3}"),
            Err(_) => format!("{at} ms after 1970"),
        }
    }

    proptest! {
        #[test]
        fn every_instant_is_spelled_as_another_calendar_spells_it(
            any in any::<i64>(),
            near in YEAR_0_MS - DAY_MS..YEAR_9999_MS + DAY_MS,
        ) {
            for at in [any, any >> 10, near] {
                prop_assert_eq!(Timestamp::from_millis(at).to_string(), spelled(at));
            }
        }
    }

    #[test]
    fn every_day_of_four_digits_is_spelled() {
        for day in YEAR_0_MS / DAY_MS - 1..=YEAR_9999_MS / DAY_MS {
            for at in [day * DAY_MS, (day + 1) * DAY_MS - 1] {
                assert_eq!(Timestamp::from_millis(at).to_string(), spelled(at));
            }
        }
    }

    fn check(text: &str, expected: Result<&str, TimeError>) {
        let got = text.parse::<Timestamp>().map(|at| at.to_string());
        assert_eq!(got.as_deref(), expected.as_deref(), "{text}");
    }

    #[test]
    fn the_date_of_an_answer_is_read() {
        let read = |text| Timestamp::from_http_date(text).map(Timestamp::as_millis);
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777_000));
        assert_eq!(read("yesterday"), None);
    }

    #[test]
    fn times_are_read_strictly_and_printed_one_way() {
        check("2026-05-08T12:00:00Z", Ok("2026-05-08T12:00:00.000Z"));
        check("2026-05-08T12:00Z", Ok("2026-05-08T12:00:00.000Z"));
        check("2026-05-08T12:00:00.123456Z", Ok("2026-05-08T12:00:00.123Z"));
        check("2026-05-08T12:00:00+02:00", Ok("2026-05-08T10:00:00.000Z"));
        check("2026-05-08T12:00:00-05:30", Ok("2026-05-08T17:30:00.000Z"));
        check("0000-01-01T00:00:00Z", Ok("0000-01-01T00:00:00.000Z"));
        check("9999-12-30T22:00:00Z", Ok("9999-12-30T22:00:00.000Z"));
        check("2026-05-08T12:00:00", Err(TimeError::Naive));
        check("2026-05-08T12:00", Err(TimeError::Naive));
        for bad in [
            "",
            "2026-05-08",
            "2026-05-08t12:00:00z",
            "0000-01-01T00:00:00+23:59",
            "9999-12-30T22:00:00.120Z",
            "2026-02-30T12:00:00Z",
            "2026-05-08T12:00:60Z",
            "2026-05-08 12:00:00Z",
            "tomorrow",
            "2026-05-08T12:00:00Z[UTC]",
            "20260508T120000Z",
        ] {
            check(bad, Err(TimeError::Malformed));
        }
    }
}
