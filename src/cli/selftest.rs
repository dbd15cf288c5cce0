//! `fanfare selftest`: asks for it, and shows what came of it.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::SelftestOptions;
use super::run::{EXIT_FINDINGS, complain, print};
use crate::selftest::{Finding, Report, SelftestError};

/// Findings that are shown; the first ones tell enough.
const SHOWN_MAX: usize = 20;

type Torture = fn(&Path, &SelftestOptions) -> Result<Report, SelftestError>;

/// Tortures, shows what came of it and gives the exit code.
pub(super) fn run(wanted: &SelftestOptions, data: &Path, json: bool, torture: Torture) -> ExitCode {
    let folder = wanted.folder.as_deref().unwrap_or(data);
    if !json {
        let (seconds, place) = (wanted.span.0 / 1_000, folder.display());
        complain(&format!("torturing a second server for {seconds} s, below {place}"));
    }
    match torture(folder, wanted) {
        Ok(report) => {
            print(&if json { format!("{}\n", value(&report)) } else { text(&report) });
            if report.findings.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(EXIT_FINDINGS)
            }
        }
        Err(problem) => {
            complain(&format!("fanfare: {problem}"));
            match problem {
                SelftestError::Run { findings, .. } => {
                    findings.iter().take(SHOWN_MAX).for_each(|one| complain(&one.to_string()));
                    ExitCode::from(EXIT_FINDINGS)
                }
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn text(report: &Report) -> String {
    let mut out = String::new();
    let tally = &report.tally;
    let _ =
        writeln!(out, "rounds    {}: {} kills, {} stops", tally.rounds, tally.kills, tally.stops);
    let _ = writeln!(
        out,
        "accepted  {} batches; {} refused as too late, {} whose client heard nothing",
        report.accepted, report.refused, report.unanswered
    );
    let posts: Vec<_> =
        report.posts.iter().map(|(status, count)| format!("{count} {status}")).collect();
    let _ = writeln!(out, "posts     {}", posts.join(", "));
    let _ = writeln!(out, "landed    {}", report.landed);
    let _ = writeln!(out, "lost      {}", report.lost());
    let _ = writeln!(out, "doubled   {}", report.doubled());
    let _ = writeln!(out, "verified  {} records", report.records);
    let _ = writeln!(out, "time      {} s", report.took.0 / 1_000);
    let _ = writeln!(out, "seed      {}", report.seed);
    if report.short_of_room {
        let _ = writeln!(out, "It ended early: the disk was running full.");
    }
    match &report.kept {
        None => drop(writeln!(out, "Every promise held.")),
        Some(folder) => {
            let _ = writeln!(out, "{} findings:", report.findings.len());
            for finding in report.findings.iter().take(SHOWN_MAX) {
                let _ = writeln!(out, "  {finding}");
            }
            let _ = writeln!(out, "What happened is kept in {}", folder.display());
        }
    }
    out
}

fn value(report: &Report) -> Value {
    let tally = &report.tally;
    json!({
        "rounds": tally.rounds,
        "kills": tally.kills,
        "stops": tally.stops,
        "accepted": report.accepted,
        "refused": report.refused,
        "unanswered": report.unanswered,
        "posts": report.posts,
        "landed": report.landed,
        "lost": report.lost(),
        "doubled": report.doubled(),
        "records": report.records,
        "shortOfRoom": report.short_of_room,
        "tookMs": report.took.0,
        "seed": report.seed,
        "findings": report.findings.iter().map(Finding::to_string).collect::<Vec<_>>(),
        "kept": report.kept.as_ref().map(|folder| folder.display().to_string()),
    })
}
