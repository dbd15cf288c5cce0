//! Answers, shown to people: plain text, one thing a line.

use std::fmt::Write as _;

use serde_json::Value;

use crate::control::Request;

/// The text of an answer to a request.
pub(super) fn show(request: &Request, answer: &Value) -> String {
    let mut out = String::new();
    match request {
        Request::KeysCreate { .. } => {
            let _ = writeln!(out, "{}", text(answer, "key"));
            let _ = writeln!(out, "This is the only time it is shown. Id: {}", text(answer, "id"));
        }
        Request::KeysList => {
            table(&mut out, answer, &["id", "name", "last4", "scopes", "revokedAt"])
        }
        Request::AccountsList => {
            table(&mut out, answer, &["id", "platform", "displayName", "platformAccountId"]);
        }
        Request::AccountsConnect { .. } => {
            let name = [text(answer, "displayName"), text(answer, "platformAccountId")];
            let name = name.iter().find(|name| !name.is_empty()).cloned().unwrap_or_default();
            let _ = writeln!(out, "connected {} {name}", text(answer, "platform"));
            let _ = writeln!(out, "account id {}", text(answer, "id"));
        }
        Request::ProfilesList => table(&mut out, answer, &["id", "name", "slug"]),
        Request::ProfilesCreate { .. } => {
            let _ = writeln!(out, "profile {} {}", text(answer, "slug"), text(answer, "id"));
        }
        Request::WebhooksCreate { .. } => {
            let _ = writeln!(out, "{}", text(answer, "signingSecret"));
            let id = text(answer, "id");
            let _ = writeln!(out, "This is the only time the secret is shown. Id: {id}");
        }
        Request::WebhooksList => {
            let columns = ["id", "active", "url", "events", "lastDeliveryAt", "lastFailureReason"];
            table(&mut out, answer, &columns);
        }
        Request::WebhooksDeliveries { .. } => {
            let columns = ["createdAt", "type", "eventId", "attempt", "status", "ok", "errorName"];
            table(&mut out, answer, &columns);
        }
        Request::WebhooksRemove { id } => drop(writeln!(out, "removed {id}")),
        Request::WebhooksRedeliver { .. } => {
            let count = text(answer, "redelivered");
            let _ = writeln!(out, "{count} events are delivered again");
            let next = text(answer, "nextAfter");
            if !next.is_empty() {
                let _ = writeln!(out, "There are more: go on with --after {next}");
            }
        }
        Request::BatchRetry { post, .. } => {
            let _ = writeln!(out, "{post} goes out at {}", text(answer, "scheduledAt"));
        }
        Request::KeysRevoke { id } => drop(writeln!(out, "revoked {id}")),
        Request::AccountsRemove { id } => drop(writeln!(out, "removed {id}")),
        Request::BatchList { .. } => {
            rows(answer).iter().for_each(|batch| batch_text(&mut out, batch));
            if rows(answer).is_empty() {
                out.push_str("no batch\n");
            }
        }
        Request::BatchShow { .. } | Request::BatchRule { .. } => batch_text(&mut out, answer),
        Request::BatchJournal { .. } => {
            rows(answer).iter().for_each(|entry| entry_text(&mut out, entry));
        }
        Request::JournalVerify => verify_text(&mut out, answer),
        Request::BackupCreate { .. } => backup_text(&mut out, answer, "made"),
        Request::BackupList { .. } => table(&mut out, answer, &["since", "bytes", "own", "path"]),
        Request::BackupPrune { .. } => pruned_text(&mut out, answer),
        Request::WorkflowList => table(&mut out, answer, &["name", "platform", "steps", "digest"]),
        Request::Health => drop(writeln!(out, "{answer}")),
    }
    out
}

/// The text of a backup that was checked.
pub(super) fn verified(answer: &Value) -> String {
    let mut out = String::new();
    backup_text(&mut out, answer, "whole:");
    let _ = writeln!(
        out,
        "{} batches, {} journal entries, {} journals told again: {}",
        text(answer, "batches"),
        text(answer, "entries"),
        text(answer, "replayed"),
        verdict(answer),
    );
    out
}

/// The text of a data folder that was made of a backup.
pub(super) fn restored(answer: &Value) -> String {
    let mut out = String::new();
    backup_text(&mut out, answer, "restored to");
    let posts = &answer["posts"];
    let (since, lost_at) = (text(answer, "since"), text(answer, "lostAt"));
    let _ = writeln!(out, "What the server sent between {since} and {lost_at} is not known.");
    let _ = writeln!(out, "Posts that had not settled by then:");
    for (name, what) in [
        ("ahead", "left to go out at their time, which is still ahead"),
        ("repeated", "sent once more; the platform knows a post by its key"),
        ("readBack", "read back before anything is sent"),
        ("held", "held for your ruling; `fanfare batch list --held` shows them"),
        ("ended", "live; whether the comment is, is not known"),
    ] {
        if name == "ahead" || posts[name] != 0 {
            let _ = writeln!(out, "  {what}: {}", text(posts, name));
        }
    }
    let _ = writeln!(
        out,
        "What was accepted, changed or canceled since is gone. Tokens may have been renewed since: \
         connect an account again that is refused. Never start a second server of this backup, nor \
         the old one again: both would post."
    );
    match (&answer["hasSecretKey"], &answer["keyFits"]) {
        (_, Value::Bool(false)) => out.push_str(
            "FANFARE_SECRET_KEY is set to another key than the backup's: credentials do not open \
             with it.\n",
        ),
        (Value::Bool(false), Value::Null) => out.push_str(
            "The secret key is not in the backup: set FANFARE_SECRET_KEY as it was before.\n",
        ),
        _ => {}
    }
    out
}

/// The text of a refusal: the message, the rule and the remedy.
pub(super) fn refusal(error: &Value) -> String {
    let mut out = text(error, "message");
    let rule = text(error, "rule");
    if !rule.is_empty() {
        let _ = write!(out, " (rule {rule})");
    }
    let remedy = text(error, "remediation");
    if !remedy.is_empty() {
        let _ = write!(out, "\n{remedy}");
    }
    out
}

fn rows(answer: &Value) -> &[Value] {
    answer["data"].as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value, key: &str) -> String {
    plain(&value[key])
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

fn table(out: &mut String, answer: &Value, columns: &[&str]) {
    let rows: Vec<Vec<String>> = rows(answer)
        .iter()
        .map(|row| columns.iter().map(|column| text(row, column)).collect())
        .collect();
    let width = |ix: usize| {
        let cells = rows.iter().map(|row| row[ix].chars().count());
        cells.chain([columns[ix].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut line = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let joined = padded.collect::<Vec<_>>().join("  ");
        let _ = writeln!(out, "{}", joined.trim_end());
    };
    line(columns.to_vec());
    rows.iter().for_each(|row| line(row.iter().map(String::as_str).collect()));
}

fn batch_text(out: &mut String, batch: &Value) {
    let when = match batch["scheduledAt"].as_str() {
        Some(at) => format!("for {at}"),
        None => "at once".to_owned(),
    };
    let state = if batch["settled"] == true { "settled" } else { "under way" };
    let _ = writeln!(
        out,
        "{}  accepted {}, {when}, {state}",
        text(batch, "id"),
        text(batch, "createdAt")
    );
    for target in batch["targets"].as_array().map_or(&[][..], Vec::as_slice) {
        let _ = writeln!(
            out,
            "  {}  {:<9}  {}",
            text(target, "postId"),
            text(target, "platform"),
            text(target, "stands")
        );
        for (label, key) in [("at", "uri"), ("last problem:", "lastProblem")] {
            let detail = text(target, key);
            if !detail.is_empty() {
                let _ = writeln!(out, "      {label} {detail}");
            }
        }
        for warning in target["warnings"].as_array().map_or(&[][..], Vec::as_slice) {
            let _ = writeln!(out, "      warning: {}", plain(warning));
        }
    }
}

fn entry_text(out: &mut String, entry: &Value) {
    let _ = write!(out, "{:>4}  {}  {}", text(entry, "n"), text(entry, "at"), text(entry, "event"));
    let details = [
        ("target", "target "),
        ("attempt", "attempt "),
        ("verdict", ""),
        ("rule", ""),
        ("message", ""),
        ("uri", ""),
        ("waitMs", "wait ms "),
        ("due", "due "),
        ("backupOf", "backup of "),
        ("reason", ""),
        ("ruling", ""),
        ("targets", "targets "),
    ];
    for (key, label) in details {
        let detail = text(entry, key);
        if !detail.is_empty() {
            let _ = write!(out, "  {label}{detail}");
        }
    }
    out.push('\n');
    let exchange = &entry["exchange"];
    if exchange.is_object() {
        let _ = writeln!(
            out,
            "        {} -> {} in {} ms",
            text(exchange, "request"),
            if exchange["status"].is_null() {
                "no answer".into()
            } else {
                text(exchange, "status")
            },
            text(exchange, "durationMs")
        );
        let answer = text(exchange, "answer");
        if !answer.is_empty() {
            let _ = writeln!(out, "        {answer}");
        }
    }
}

fn verify_text(out: &mut String, answer: &Value) {
    findings_text(out, answer);
    let _ = writeln!(
        out,
        "{} records, {} batches, {} journal entries, {} journals told again: {}",
        text(answer, "records"),
        text(answer, "batches"),
        text(answer, "entries"),
        text(answer, "replayed"),
        verdict(answer),
    );
}

fn findings_text(out: &mut String, answer: &Value) {
    for finding in answer["findings"].as_array().map_or(&[][..], Vec::as_slice) {
        let _ = writeln!(out, "{}: {}", text(finding, "record"), text(finding, "problem"));
    }
}

fn verdict(answer: &Value) -> String {
    match answer["findings"].as_array().map_or(0, Vec::len) {
        0 => "all hold".to_owned(),
        count => format!("{count} findings"),
    }
}

fn pruned_text(out: &mut String, answer: &Value) {
    for label in ["removed", "kept"] {
        for path in answer[label].as_array().map_or(&[][..], Vec::as_slice) {
            let _ = writeln!(out, "{label} {}", plain(path));
        }
    }
    findings_text(out, answer);
}

fn backup_text(out: &mut String, answer: &Value, what: &str) {
    findings_text(out, answer);
    let _ = writeln!(out, "{what} {}", text(answer, "path"));
    let _ = writeln!(
        out,
        "as of {}: {} records and {} files, {} bytes",
        text(answer, "since"),
        text(answer, "records"),
        text(answer, "files"),
        text(answer, "bytes"),
    );
}
