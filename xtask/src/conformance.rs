//! Runs a folder of scripts in Prometheus's test format against `query`.

use std::fs;
use std::path::{Path, PathBuf};

use chasar_query::script::{self, Outcome};

use crate::Result;

/// Prints passed, failed and unsupported per file, then all failures; an error when there are some.
pub(crate) fn run(folder: &Path) -> Result<()> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .map_err(|e| format!("{}: {e}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "test"))
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(format!("{}: no *.test files", folder.display()));
    }
    let mut failures = Vec::new();
    let mut total = (0, 0, 0);
    println!("{:<32} {:>7} {:>7} {:>12}", "file", "passed", "failed", "unsupported");
    for path in &files {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let cases = script::run(&text).map_err(|e| format!("{name}: {e}"))?;
        let (mut passed, mut failed, mut unsupported) = (0, 0, 0);
        for case in cases {
            match case.outcome {
                Outcome::Passed => passed += 1,
                Outcome::Unsupported(_) => unsupported += 1,
                Outcome::Failed(how) => {
                    failed += 1;
                    failures.push(format!("{name}:{}: {}\n    {how}", case.line, case.expression));
                }
            }
        }
        println!("{name:<32} {passed:>7} {failed:>7} {unsupported:>12}");
        total = (total.0 + passed, total.1 + failed, total.2 + unsupported);
    }
    println!("{:<32} {:>7} {:>7} {:>12}", "all", total.0, total.1, total.2);
    println!("unsupported: cases that use native histograms");
    for failure in &failures {
        println!("{failure}");
    }
    if failures.is_empty() { Ok(()) } else { Err(format!("{} cases failed", failures.len())) }
}
