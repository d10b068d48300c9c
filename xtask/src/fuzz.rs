//! Runs the fuzz targets with libFuzzer, without cargo-fuzz.

use std::fs;
use std::process::Command;

use crate::{Result, root};

/// Builds the targets with coverage instrumentation and runs each for `seconds`.
pub(crate) fn run(targets: &[String], seconds: u64, seed: Option<u32>) -> Result<()> {
    let folder = root().join("fuzz");
    let mut all: Vec<String> = fs::read_dir(folder.join("targets"))
        .map_err(|e| format!("fuzz/targets: {e}"))?
        .filter_map(|entry| entry.ok()?.path().file_stem()?.to_str().map(String::from))
        .collect();
    all.sort();
    if let Some(unknown) = targets.iter().find(|t| !all.contains(t)) {
        return Err(format!("no fuzz target {unknown}; there are: {}", all.join(", ")));
    }
    let chosen = if targets.is_empty() { &all } else { targets };
    // The passes and the sanitizer runtime are part of rustc; only the flag is reserved to nightly.
    let triple = host_triple()?;
    let flags = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
                 -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
                 --cfg fuzzing -Cdebug-assertions -Ccodegen-units=1";
    crate::run(
        Command::new(env!("CARGO"))
            .args(["build", "--release", "--bins", "--target", &triple])
            .current_dir(&folder)
            .env("RUSTFLAGS", flags),
    )?;
    for target in chosen {
        let corpus = folder.join("corpus").join(target);
        fs::create_dir_all(&corpus).map_err(|e| format!("{}: {e}", corpus.display()))?;
        let seeds = folder.join("seeds").join(target);
        fs::create_dir_all(&seeds).map_err(|e| format!("{}: {e}", seeds.display()))?;
        eprintln!("xtask: fuzzing {target} for {seconds} s");
        crate::run(
            Command::new(folder.join("target").join(&triple).join("release").join(target))
                .arg(format!("-max_total_time={seconds}"))
                // libFuzzer takes 0 for "choose one".
                .arg(format!("-seed={}", seed.unwrap_or(0)))
                .args(["-max_len=65536", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"])
                .arg(format!("-artifact_prefix={}/", folder.join("target").display()))
                .args([corpus, seeds])
                .current_dir(&folder),
        )?;
    }
    Ok(())
}

fn host_triple() -> Result<String> {
    let version = crate::output(Command::new("rustc").arg("-vV"))?;
    let line = version.lines().find_map(|l| l.strip_prefix("host: "));
    line.map(String::from).ok_or_else(|| "rustc -vV names no host".into())
}
