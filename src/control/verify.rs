//! `journal verify`, as an operator reads it.

use serde_json::{Value, json};

use crate::store::{Audit, Finding};

/// What a whole check of a store found.
pub fn audit_value(audit: &Audit) -> Value {
    let report = &audit.report;
    json!({
        "records": report.records,
        "batches": report.batches,
        "entries": report.entries,
        "replayed": audit.replayed,
        "findings": findings_value(&report.findings),
    })
}

/// What does not hold.
pub fn findings_value(findings: &[Finding]) -> Value {
    let one = |finding: &Finding| json!({ "record": finding.key, "problem": finding.problem });
    findings.iter().map(one).collect()
}
