//! What every rule means: one table behind the pages that `ruleUrl` leads to.
//!
//! Words: a rule has a *name*; the name of a *field's* rule is its path in the request, where `N`
//! stands for a place in a list. The *slug* of a name is how `wire::Links` spells it in a path.
//!
//! Deliberately absent: numbers. A limit is the constant that the check itself reads.

mod rule;
mod fields;
mod requests;
mod server;
mod shapes;
mod shared_shapes;
mod outcomes;
mod codes;
mod form;
mod page;

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

pub use form::Form;
pub use page::{code_index, code_page, rule_index, rule_page};
pub use rule::Rule;

/// A rule under one of its names.
#[derive(Debug)]
pub struct Named {
    /// The name, with `N` for each place in a list.
    pub name: String,
    /// What it means.
    pub rule: &'static Rule,
    /// Whether lists show it: of the places that a field has, they show the first.
    pub heading: bool,
    slug: String,
}

static ALL: LazyLock<Vec<Named>> = LazyLock::new(|| {
    let rules = [fields::RULES, requests::RULES, server::RULES, shapes::RULES, outcomes::RULES];
    let named = |rule: &'static Rule| {
        let names = rule.names().into_iter().enumerate();
        names.map(move |(place, name)| {
            let heading = place == 0 || rule.is_of_every_platform();
            Named { slug: slug(&name), name, rule, heading }
        })
    };
    let mut all: Vec<Named> = rules.into_iter().flatten().flat_map(named).collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
});

/// Every rule under each of its names, in the order of the names.
pub fn all() -> &'static [Named] {
    &ALL
}

/// The rule that a slug names, with the numbers of a path or with `n` for each.
pub fn find(slug: &str) -> Option<&'static Named> {
    let is_place = |part: &str| {
        !part.is_empty() && part.len() <= 9 && part.bytes().all(|b| b.is_ascii_digit())
    };
    let parts = slug.split('-').map(|part| if is_place(part) { "n" } else { part });
    let plain = parts.collect::<Vec<_>>().join("-");
    ALL.iter().find(|named| named.slug == plain)
}

/// A name as a path spells it.
pub fn slug(name: &str) -> String {
    name.replace('.', "-").to_lowercase()
}
