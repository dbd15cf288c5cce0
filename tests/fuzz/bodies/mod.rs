//! What is done with one input: the same under the fuzzer and in `cargo test --test fuzz`.
//!
//! Every body takes any bytes. It panics where a promise of the house is broken, and only there.

pub mod cut;
pub mod faults;
pub mod house;

pub mod answers;
pub mod control;
pub mod facets;
pub mod http;
pub mod json;
pub mod oauth;
pub mod records;
pub mod times;
pub mod uploads;
pub mod workflows;

/// Takes one input.
pub type Body = fn(&[u8]);

/// Every body under the name of its target and of its corpus.
pub const ALL: [(&str, Body); 10] = [
    ("answers", answers::run),
    ("control", control::run),
    ("facets", facets::run),
    ("http", http::run),
    ("json", json::run),
    ("oauth", oauth::run),
    ("records", records::run),
    ("times", times::run),
    ("uploads", uploads::run),
    ("workflows", workflows::run),
];
