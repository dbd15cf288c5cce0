//! One method on one path of the document.

use serde_json::Value;

/// An operation.
#[derive(Debug, Clone, Copy)]
pub struct Operation<'a> {
    /// The method, in lower case.
    pub method: &'a str,
    /// The path, with its parameters in braces.
    pub path: &'a str,
    /// What is said of it.
    pub value: &'a Value,
}

impl<'a> Operation<'a> {
    /// Its name, unique in the document.
    pub fn id(&self) -> &'a str {
        self.value["operationId"].as_str().unwrap_or_default()
    }

    /// Its parameters.
    pub fn parameters(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        self.value["parameters"].as_array().into_iter().flatten()
    }

    /// The schema of its body, where it takes JSON.
    pub fn json_body(&self) -> Option<&'a Value> {
        self.value.pointer("/requestBody/content/application~1json/schema")
    }

    /// Whether it can be asked and answered in JSON alone.
    pub fn speaks_json(&self) -> bool {
        let takes = self.value.get("requestBody").is_none() || self.json_body().is_some();
        let gives = |status: &str| {
            let answer = &self.value["responses"][status];
            answer["content"].get("application/json").is_some()
        };
        takes && (gives("200") || gives("201"))
    }
}
