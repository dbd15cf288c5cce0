//! The pages: small HTML for people, JSON for programs. Nothing of a request stands in either.

use hyper::header::{self, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::codes::meaning;
use super::{Form, Named, all, find};
use crate::front::html::escape;
use crate::front::reply::{self, Answer};
use crate::model::Code;
use crate::wire::Links;

/// The pages run nothing and load nothing; their style stands in them.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:1rem/1.5 system-ui,sans-serif;max-width:44rem;margin:0 auto;padding:1rem}\
h1{font-size:1.3rem}h2{font-size:1.1rem}h1,li,dd{overflow-wrap:anywhere}\
code,h1{font-family:ui-monospace,monospace}\
dt{font-weight:600;margin-top:1rem}dd{margin:0}\
ul{padding-left:1.2rem}li{margin:.4rem 0}footer{margin-top:2rem;opacity:.75}";

/// How to read any error that names a rule.
const READING: &str = "An error that names this rule says in `message` what was found, in \
                       `remediation` what to do, and in `platformResponse` every violation or the \
                       platform's own answer. `outcome` says whether anything was sent.";

/// `GET /errors/:code`: what an error code means; `None` when there is no such code.
pub fn code_page(links: &Links, form: Form, name: &str) -> Option<Answer> {
    let code = Code::ALL.into_iter().find(|code| code.as_str() == name)?;
    let rules: Vec<&Named> =
        all().iter().filter(|named| named.heading && named.rule.codes.contains(&code)).collect();
    Some(match form {
        Form::Json => {
            let mut value = code_value(links, code);
            value["rules"] = rules.iter().map(|named| entry(links, named)).collect();
            data(&value)
        }
        Form::Html => {
            let list: String = rules.iter().map(|named| rule_line(links, named)).collect();
            let rules = match rules.is_empty() {
                true => "<p>Errors with this code name no rule.</p>".to_owned(),
                false => format!("<h2>Rules</h2><ul>{list}</ul>"),
            };
            let body = format!(
                "<p>{}</p><dl><dt>HTTP status</dt><dd>{}, unless the error says other</dd></dl>\
                 {rules}",
                code_marked(meaning(code)),
                code.http_status(),
            );
            page(links, code.as_str(), &body)
        }
    })
}

/// `GET /preflight/:rule`: what a rule means; `None` when there is no such rule.
pub fn rule_page(links: &Links, form: Form, slug: &str) -> Option<Answer> {
    let named = find(slug)?;
    Some(match form {
        Form::Json => data(&value(named)),
        Form::Html => page(links, &named.name, &rule_body(links, named)),
    })
}

/// `GET /errors`: every error code.
pub fn code_index(links: &Links, form: Form) -> Answer {
    match form {
        Form::Json => {
            let codes: Vec<Value> =
                Code::ALL.into_iter().map(|code| code_value(links, code)).collect();
            data(&json!({ "data": codes }))
        }
        Form::Html => {
            let line = |code: Code| {
                let meaning = code_marked(meaning(code));
                let link = link(&links.doc_url(code), code.as_str());
                format!("<li>{link} ({}): {meaning}</li>", code.http_status())
            };
            let list: String = Code::ALL.into_iter().map(line).collect();
            page(links, "Errors", &format!("<p>Each with its HTTP status.</p><ul>{list}</ul>"))
        }
    }
}

/// `GET /preflight`: every rule.
pub fn rule_index(links: &Links, form: Form) -> Answer {
    let headings = all().iter().filter(|named| named.heading);
    match form {
        Form::Json => {
            let rules: Vec<Value> = headings.map(|named| entry(links, named)).collect();
            data(&json!({ "data": rules }))
        }
        Form::Html => {
            let list: String = headings.map(|named| rule_line(links, named)).collect();
            page(links, "Rules", &format!("<ul>{list}</ul>"))
        }
    }
}

fn rule_body(links: &Links, named: &Named) -> String {
    let rule = named.rule;
    let mut facts = String::new();
    let mut fact = |name: &str, html: &str| {
        facts.push_str(&format!("<dt>{name}</dt><dd>{html}</dd>"));
    };
    if let Some((limit, unit)) = rule.limit {
        fact("Limit", &format!("{} {}", grouped(limit), escape(unit)));
    }
    if let Some(source) = rule.source {
        fact("Source", &escape(source));
    }
    fact("What to do", &code_marked(rule.remedy));
    let codes: Vec<String> =
        rule.codes.iter().map(|code| link(&links.doc_url(*code), code.as_str())).collect();
    fact("Error codes", &codes.join(", "));
    if named.name.split('.').any(|part| part == "N") {
        fact("N", "A place in a list, counted from 0.");
    }
    let (summary, reading) = (code_marked(rule.summary), code_marked(READING));
    format!("<p>{summary}</p><dl>{facts}</dl><footer>{reading}</footer>")
}

fn rule_line(links: &Links, named: &Named) -> String {
    let link = link(&links.rule_url(&named.name), &named.name);
    format!("<li>{link}: {}</li>", code_marked(named.rule.summary))
}

fn code_value(links: &Links, code: Code) -> Value {
    json!({
        "code": code.as_str(),
        "summary": meaning(code),
        "status": code.http_status(),
        "docUrl": links.doc_url(code),
    })
}

/// A rule with the address of its page, as lists show it.
fn entry(links: &Links, named: &Named) -> Value {
    let mut value = value(named);
    value["ruleUrl"] = json!(links.rule_url(&named.name));
    value
}

fn value(named: &Named) -> Value {
    let rule = named.rule;
    json!({
        "rule": named.name,
        "summary": rule.summary,
        "limit": rule.limit.map(|(limit, _)| limit),
        "unit": rule.limit.map(|(_, unit)| unit),
        "remediation": rule.remedy,
        "source": rule.source,
        "codes": rule.codes.iter().map(|code| code.as_str()).collect::<Vec<_>>(),
    })
}

fn page(links: &Links, title: &str, body: &str) -> Answer {
    let (title, base) = (escape(title), escape(&links.base));
    let html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title} - Fanfare</title><style>{STYLE}</style></head><body>\
         <nav><a href=\"{base}/errors\">Errors</a> &middot; \
         <a href=\"{base}/preflight\">Rules</a></nav>\
         <main><h1>{title}</h1>{body}</main></body></html>\n",
    );
    let mut answer = negotiated(reply::json(200, html));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(
        const { HeaderName::from_static("x-content-type-options") },
        HeaderValue::from_static("nosniff"),
    );
    answer
}

fn data(value: &Value) -> Answer {
    negotiated(reply::json(200, value.to_string()))
}

fn negotiated(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
    answer
}

fn link(url: &str, text: &str) -> String {
    format!("<a href=\"{}\"><code>{}</code></a>", escape(url), escape(text))
}

/// Text with what stands between backticks set as code.
fn code_marked(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(place, part)| match place % 2 {
        1 => format!("<code>{}</code>", escape(part)),
        _ => escape(part),
    });
    parts.collect()
}

/// A number with a comma before each three digits.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
