//! Trains the compression dictionary of `wire`.

use std::fs;
use std::path::Path;

use crate::{Result, root};

/// Larger dictionaries gain little on reports and cost every packer memory.
const SIZE_BYTES: usize = 16 << 10;

/// Trains on every `*.json` below `reports`.
pub(crate) fn train(reports: &Path) -> Result<()> {
    let mut samples = Vec::new();
    collect(reports, &mut samples)?;
    if samples.len() < 100 {
        return Err(format!(
            "{} reports below {} are too few, at least 100 of different hosts are needed",
            samples.len(),
            reports.display()
        ));
    }
    let dictionary = zstd::dict::from_samples(&samples, SIZE_BYTES).map_err(|e| format!("training: {e}"))?;
    let path = root().join("crates/wire/dictionary/report-1.zdict");
    fs::write(&path, &dictionary).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    let prepared = zstd::dict::EncoderDictionary::copy(&dictionary, 3);
    let mut compressor =
        zstd::bulk::Compressor::with_prepared_dictionary(&prepared).map_err(|e| e.to_string())?;
    let (mut plain, mut packed) = (0, 0);
    for sample in &samples {
        plain += sample.len();
        packed += compressor.compress(sample).map_err(|e| e.to_string())?.len();
    }
    println!(
        "{}: {} bytes from {} reports; they pack from {} to {} bytes on average",
        path.display(),
        dictionary.len(),
        samples.len(),
        plain / samples.len(),
        packed / samples.len()
    );
    Ok(())
}

fn collect(folder: &Path, samples: &mut Vec<Vec<u8>>) -> Result<()> {
    let entries = fs::read_dir(folder).map_err(|e| format!("cannot read {}: {e}", folder.display()))?;
    for entry in entries {
        let path = entry.map_err(|e| format!("{}: {e}", folder.display()))?.path();
        if path.is_dir() {
            collect(&path, samples)?;
        } else if path.extension().is_some_and(|e| e == "json") {
            samples.push(fs::read(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?);
        }
    }
    Ok(())
}
