//! The pages that errors point at.

use crate::model::Code;

/// Builds `docUrl` and `ruleUrl`.
#[derive(Debug, Clone)]
pub struct Links {
    /// The base without a trailing slash, such as `http://127.0.0.1:3000`.
    pub base: String,
}

impl Links {
    /// The page of an error code.
    pub fn doc_url(&self, code: Code) -> String {
        format!("{}/errors/{}", self.base, code.as_str())
    }

    /// The page of a rule: dots become hyphens, letters lower case.
    pub fn rule_url(&self, rule: &str) -> String {
        format!("{}/preflight/{}", self.base, rule.replace('.', "-").to_lowercase())
    }
}
