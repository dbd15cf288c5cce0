//! Text in a page, and a small page of its own.

use bytes::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::reply::Answer;

/// The text as itself, in an element or in a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A page of plain paragraphs, for a person whom a platform sent here.
pub(super) fn sheet(status: StatusCode, title: &str, paragraphs: &[String]) -> Answer {
    let title = escape(title);
    let text: String = paragraphs.iter().map(|text| format!("<p>{}</p>\n", escape(text))).collect();
    let mut answer = guarded(
        status,
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <title>{title}</title>\n<h1>{title}</h1>\n{text}</html>\n"
        ),
    );
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}

/// An answer whose address holds a code: nobody is to keep it or be told of it, and nothing of it
/// runs.
pub(super) fn guarded(status: StatusCode, body: String) -> Answer {
    let mut answer: Answer = Response::new(Bytes::from(body).into());
    *answer.status_mut() = status;
    let guards: [(HeaderName, &'static str); 4] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ];
    for (name, value) in guards {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}
