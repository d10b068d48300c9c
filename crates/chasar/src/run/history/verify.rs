//! `chasar history verify`: every byte is read and checked.

use chasar_tsdb::{Error, LostTail};
use serde::Serialize;

use super::folder;
use super::progress::Progress;
use super::show::{count, harmless, size, things};
use crate::args::HistoryVerify;
use crate::exit::Failure;
use crate::output::{json_line, to_stdout};

/// What `--json` prints; docs/history.md describes it.
#[derive(Debug, Serialize)]
struct Report {
    folder: String,
    whole: bool,
    segments: u64,
    segment_bytes: u64,
    /// Values that segments have.
    values: u64,
    log_bytes: u64,
    /// Samples that logs have.
    log_samples: u64,
    damaged: Vec<Damage>,
    notes: Vec<Damage>,
}

/// A part of a file that is not what was written.
#[derive(Debug, Serialize)]
struct Damage {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    what: String,
}

pub(crate) fn verify(args: &HistoryVerify) -> Result<(), Failure> {
    let folder = args.place.path()?;
    let mut logs = folder::files(&folder)?;
    logs.retain(|(name, _)| name.ends_with(".wal"));
    let logs: Vec<String> = logs.into_iter().map(|(name, _)| name).collect();
    let (store, opening) = folder::open(&folder)?;
    let mut damaged: Vec<Damage> = opening.damaged.iter().map(of_error).collect();
    let mut notes = Vec::new();
    for tail in &opening.lost_tails {
        let newer = logs.iter().filter(|log| **log > tail.file).count();
        // The power fails at the end of logs that are being written; elsewhere it is no torn write.
        let torn = !tail.followed && (newer < OPEN_LOGS || tail.what == CUT_SHORT);
        if torn { notes.push(of_torn(tail)) } else { damaged.push(of_flipped(tail)) }
    }
    let mut progress = Progress::new();
    store
        .snapshot()
        .verify(|done, of| progress.bytes("checking", done, of), |error| damaged.push(of_error(&error)));
    drop(progress);
    let stats = store.stats();
    let tiers = [&stats.raw, &stats.minute, &stats.hour];
    let report = Report {
        folder: folder.display().to_string(),
        whole: damaged.is_empty(),
        segments: tiers.iter().map(|t| t.files).sum(),
        segment_bytes: tiers.iter().map(|t| t.bytes).sum(),
        values: tiers.iter().map(|t| t.values).sum(),
        log_bytes: stats.log_bytes,
        log_samples: stats.head_samples,
        damaged,
        notes,
    };
    let text = if args.json {
        let mut line = String::new();
        json_line(&serde_json::to_string(&report).map_err(Failure::new)?, &mut line);
        line
    } else {
        text(&report)
    };
    let _ = to_stdout(|out| out.write_all(text.as_bytes()))?;
    if report.whole { Ok(()) } else { Err(Failure::silent(1)) }
}

/// Logs that are written to at a time: of a window, of the one before, and of what comes late.
const OPEN_LOGS: usize = 3;

/// What a record is that the file's end cuts off, as the store says it.
const CUT_SHORT: &str = "a record was cut short";

fn of_error(error: &Error) -> Damage {
    match error {
        Error::Damaged { file, offset, what } => Damage {
            file: Some(file.clone()),
            offset: Some(*offset),
            what: format!(
                "{what}; restore the file from a backup, or remove it (the rest is served without it)"
            ),
        },
        Error::Io { file, .. } => Damage { file: Some(file.clone()), offset: None, what: error.to_string() },
        other => Damage { file: None, offset: None, what: other.to_string() },
    }
}

fn of_torn(tail: &LostTail) -> Damage {
    let what = format!(
        "{}: {} that were being written when the power failed, or are being written now; nothing to do",
        tail.what,
        things(tail.bytes, "byte", "bytes")
    );
    Damage { file: Some(tail.file.clone()), offset: Some(tail.offset), what }
}

fn of_flipped(tail: &LostTail) -> Damage {
    let what = format!(
        "{}; the last {} of this log are lost, what is before them is served. Restore the file from a backup, \
         or let the masternode go on: it drops the log when the rest is in a segment",
        tail.what,
        things(tail.bytes, "byte", "bytes")
    );
    Damage { file: Some(tail.file.clone()), offset: Some(tail.offset), what }
}

fn text(report: &Report) -> String {
    let line = |mark: &str, damage: &Damage| {
        let place = match (&damage.file, damage.offset) {
            (Some(file), Some(offset)) => format!("{file} at byte {offset}: "),
            (Some(file), None) => format!("{file}: "),
            _ => String::new(),
        };
        harmless(format_args!("{mark}  {place}{}", damage.what)) + "\n"
    };
    let mut text = String::new();
    report.notes.iter().for_each(|note| text += &line("note   ", note));
    report.damaged.iter().for_each(|damage| text += &line("DAMAGED", damage));
    let verdict = match report.damaged.len() {
        0 => "whole".to_owned(),
        n => things(n as u64, "thing is damaged", "things are damaged"),
    };
    text += &harmless(format_args!(
        "{}: {verdict}; {} of {} with {} values, and {} samples in {} of logs were read.",
        report.folder,
        size(report.segment_bytes),
        things(report.segments, "segment", "segments"),
        count(report.values),
        count(report.log_samples),
        size(report.log_bytes),
    ));
    text + "\n"
}
