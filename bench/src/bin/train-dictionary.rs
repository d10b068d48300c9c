//! Trains the compression dictionary of `wire` on reports of many kinds of hosts.
//!
//! The hosts are the recorded ones of the probes' tests and the recording of the benchmarks, each
//! played as many different nodes. Half of the nodes train, the other half tell how well it packs.
//!
//! `cargo run --release -p chasar-bench --bin train-dictionary`
#![allow(clippy::print_stdout, reason = "a tool speaks on its standard output")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chasar_bench::recording::{Moment, Recording};
use clap::Parser;

/// Trains the compression dictionary of `wire`.
#[derive(Parser)]
struct Options {
    /// Where recorded hosts are: folders with `report.json` and `later.json`.
    #[arg(long, default_value = "crates/probes/tests/fixtures")]
    hosts: PathBuf,
    /// The recording of the benchmarks.
    #[arg(long, default_value = "bench/data/host.jsonl.zst")]
    recording: PathBuf,
    /// Where the dictionary goes.
    #[arg(long, default_value = "crates/wire/dictionary/report-1.zdict")]
    out: PathBuf,
    /// Larger dictionaries gain little on reports and cost every packer memory.
    #[arg(long, default_value_t = 16 << 10)]
    bytes: usize,
}

/// Nodes played of each recording.
const NODES: u64 = 24;
/// Reports taken of each node.
const REPORTS: u64 = 4;

fn main() -> io::Result<()> {
    let options = Options::parse();
    let mut recordings = vec![("recording".to_owned(), Recording::read(&options.recording)?)];
    for entry in fs::read_dir(&options.hosts)? {
        let folder = entry?.path();
        if let Some(recording) = host(&folder)? {
            recordings
                .push((folder.file_name().unwrap_or_default().to_string_lossy().into_owned(), recording));
        }
    }
    recordings.sort_by(|a, b| a.0.cmp(&b.0));
    let training: Vec<Vec<u8>> = recordings.iter().flat_map(|(_, r)| played(r, 0)).collect();
    let dictionary = zstd::dict::from_samples(&training, options.bytes)?;
    fs::write(&options.out, &dictionary)?;
    println!("{}: {} bytes from {} reports", options.out.display(), dictionary.len(), training.len());

    let mut compressor = zstd::bulk::Compressor::with_dictionary(3, &dictionary)?;
    for (name, recording) in &recordings {
        let (mut plain, mut packed, mut count) = (0, 0, 0);
        for report in played(recording, NODES) {
            plain += report.len();
            packed += compressor.compress(&report)?.len();
            count += 1;
        }
        println!("{name:16} {:6} bytes pack to {:5}", plain / count, packed / count);
    }
    Ok(())
}

fn host(folder: &Path) -> io::Result<Option<Recording>> {
    let mut reports = Vec::new();
    for name in ["report.json", "later.json"] {
        let path = folder.join(name);
        if !path.is_file() {
            continue;
        }
        // The probes' goldens have no identity; reports do.
        let text = fs::read_to_string(&path)?;
        let body = text
            .strip_prefix('{')
            .ok_or_else(|| io::Error::other(format!("{}: no object", path.display())))?;
        reports.push(format!(r#"{{"schema":2,"node_id":"","session":"","sequence":0,{body}"#));
    }
    if reports.is_empty() { Ok(None) } else { Recording::new(&reports).map(Some) }
}

fn played(recording: &Recording, from: u64) -> impl Iterator<Item = Vec<u8>> + '_ {
    (from..from + NODES).flat_map(move |node| {
        (0..REPORTS).map(move |i| {
            let mut report = Vec::new();
            let session = format!("{:032x}", u128::from(node) * 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
            let (sequence, now_ms) =
                (node * 97 + i * 13, 1_700_000_000_000 + (node as i64) * 86_400_000 + i as i64 * 1000);
            recording.play(&Moment { node, session: &session, sequence, now_ms }, &mut report);
            report
        })
    })
}
