//! Whether a page is wanted for a person or for a program.

use hyper::header::{self, HeaderMap};

/// What a page is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Html,
    /// For programs.
    Json,
}

impl Form {
    /// JSON where `Accept` prefers it to HTML: by weight, then by order. Who takes anything gets a
    /// page for people.
    pub fn asked(headers: &HeaderMap) -> Self {
        let mut best = (0, Self::Html);
        let lines = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
        for part in lines.flat_map(|line| line.split(',')) {
            let mut words = part.split(';').map(str::trim);
            let form = match words.next().unwrap_or_default().to_ascii_lowercase().as_str() {
                "application/json" => Self::Json,
                "text/html" | "text/*" | "*/*" => Self::Html,
                _ => continue,
            };
            let weight = words.find_map(|word| word.strip_prefix("q=")).map_or(1_000, thousandths);
            if weight > best.0 {
                best = (weight, form);
            }
        }
        best.1
    }
}

/// A weight from 0 to 1 as it is written, in thousandths; what is no weight is none.
fn thousandths(text: &str) -> u32 {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{part:0<3}");
    match (whole, digits.parse::<u32>()) {
        ("1", _) => 1_000,
        ("0", Ok(part)) if digits.len() == 3 => part,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_get_json_and_people_get_html() {
        for (accept, expected) in [
            ("", Form::Html),
            ("*/*", Form::Html),
            ("application/json", Form::Json),
            ("Application/JSON; charset=utf-8", Form::Json),
            ("application/json, text/plain, */*", Form::Json),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Form::Html),
            ("text/html, application/json", Form::Html),
            ("text/html;q=0.5, application/json;q=0.9", Form::Json),
            ("application/json;q=0.1, */*;q=0.2", Form::Html),
            ("application/json;q=0", Form::Html),
            ("application/json;q=nonsense", Form::Html),
            ("image/png", Form::Html),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().expect("a header's value"));
            assert_eq!(Form::asked(&headers), expected, "{accept}");
        }
        assert_eq!(Form::asked(&HeaderMap::new()), Form::Html);
    }
}
