//! `chasar history export`: samples as text.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};

use chasar_query::{is_stale, parse_selector};
use chasar_top::text::is_harmless;
use chasar_tsdb::{Labels, Matcher, NAME, Snapshot};

use super::folder;
use super::progress::Progress;
use super::show::things;
use super::text::{Csv, Json, OpenMetrics, Shape};
use super::{note, now_ms};
use crate::args::{ExportFormat, HistoryExport};
use crate::exit::Failure;
use crate::output::to_stdout;
use crate::signal::Stop;

/// Samples in memory at a time: 64 MiB of them.
const AT_ONCE: usize = 4 << 20;
/// Things that are wrong which are named one by one.
const NAMED: usize = 10;

/// What came out, and what did not.
#[derive(Debug, Default)]
struct Done {
    series: u64,
    samples: u64,
    /// Ends of series.
    stale: u64,
    /// Series without a name.
    nameless: u64,
    /// What cannot be read, each thing once however often it is met.
    damage: BTreeSet<String>,
    /// What went wrong while reading.
    failed: Option<String>,
}

pub(crate) fn export(args: &HistoryExport) -> Result<(), Failure> {
    let selectors = selectors(&args.selectors)?;
    let now = now_ms();
    let from = args.from.map_or(i64::MIN, |m| m.ms(now));
    let to = args.to.map_or(i64::MAX, |m| m.ms(now));
    if from > to {
        return Err(Failure::wrong("--from is later than --to; nothing lies between"));
    }
    let place = args.place.path()?;
    let (store, opening) = folder::open(&place)?;
    let snapshot = store.snapshot();
    let mut done = Done::default();
    for error in &opening.damaged {
        done.damaged(error);
    }
    match &args.output {
        None => {
            // Names of hosts are as they are in a file or a pipe, and harmless on a terminal.
            let terminal = io::stdout().is_terminal();
            let _ = to_stdout(|out| {
                let mut out = BufWriter::with_capacity(1 << 16, out);
                let mut out = Sink { out: &mut out, terminal };
                done.write(&snapshot, &selectors, (from, to), args.format, &mut out, &|| false)
            })?;
        }
        Some(path) => to_file(path, |out| {
            let stop = Stop::install(|| {})?;
            let mut out = Sink { out, terminal: false };
            done.write(&snapshot, &selectors, (from, to), args.format, &mut out, &|| stop.requested())
        })?,
    }
    done.tell()
}

/// What the selectors choose, one list of matchers each; everything without any.
fn selectors(texts: &[String]) -> Result<Vec<Vec<Matcher>>, Failure> {
    let mut all = Vec::new();
    for text in texts {
        let wrong = |e: &dyn std::fmt::Display| Failure::wrong(format_args!("--match {text}: {e}"));
        let matchers = parse_selector(text).map_err(|e| wrong(&e))?;
        let matchers = matchers.iter().map(chasar_masternode::store_matcher);
        all.push(matchers.collect::<Result<Vec<_>, _>>().map_err(|e| wrong(&e))?);
    }
    if all.is_empty() {
        all.push(Vec::new());
    }
    Ok(all)
}

impl Done {
    fn damaged(&mut self, error: &chasar_tsdb::Error) {
        self.damage.insert(error.to_string());
    }

    fn write(
        &mut self,
        snapshot: &Snapshot,
        selectors: &[Vec<Matcher>],
        (from, to): (i64, i64),
        format: ExportFormat,
        out: &mut Sink<'_>,
        stopped: &dyn Fn() -> bool,
    ) -> io::Result<()> {
        let mut shape: Box<dyn Shape> = match format {
            ExportFormat::Openmetrics => Box::new(OpenMetrics::new(snapshot.label_values(NAME))),
            ExportFormat::Csv => Box::new(Csv::new(snapshot.label_names())),
            ExportFormat::Jsonl => Box::new(Json),
        };
        let mut progress = Progress::beside(out.terminal);
        let mut buffer = String::new();
        shape.begin(&mut buffer);
        // Series of a name follow each other, so several selectors are gone through name by name.
        let several = selectors.len() > 1;
        let names: Vec<Option<String>> =
            if several { snapshot.label_values(NAME).into_iter().map(Some).collect() } else { vec![None] };
        let of = names.len() as f64;
        for (at, name) in names.into_iter().enumerate() {
            let mut written: BTreeSet<Labels> = BTreeSet::new();
            for selector in selectors {
                let mut matchers = selector.clone();
                matchers.extend(name.as_ref().map(|name| Matcher::equal(NAME, name)));
                let mut walk = match snapshot.walk(&matchers, from, to, AT_ONCE) {
                    Ok(walk) => walk,
                    Err(error) => {
                        self.failed = Some(error.to_string());
                        return Ok(());
                    }
                };
                while let Some(group) = walk.next() {
                    if stopped() {
                        return Err(io::Error::new(ErrorKind::Interrupted, "stopped before all was written"));
                    }
                    let group = match group {
                        Ok(group) => group,
                        Err(error) => {
                            self.failed = Some(error.to_string());
                            return Ok(());
                        }
                    };
                    group.damage.iter().for_each(|error| self.damaged(error));
                    for mut series in group.series {
                        if several && !written.insert(series.labels.clone()) {
                            continue;
                        }
                        self.stale += drop_stale(&mut series);
                        if series.labels.get(NAME).is_none() {
                            self.nameless += 1;
                        } else if !series.values.is_empty() {
                            self.series += 1;
                            self.samples += series.values.len() as u64;
                            shape.series(&series, &mut buffer, &mut |text| out.put(text))?;
                        }
                    }
                    let part = if several { (at as f64 + 1.0) / of } else { walk.done() };
                    progress.at("exporting", Some(part));
                }
            }
        }
        shape.end(&mut buffer);
        out.put(&mut buffer)
    }

    /// What did not come out.
    fn tell(self) -> Result<(), Failure> {
        if self.stale > 0 {
            let ends = things(self.stale, "end of a series", "ends of series");
            note(format_args!("note: {ends} (stale markers) have no text and were left out"));
        }
        if self.nameless > 0 {
            note(format_args!("note: {} without a name left out", things(self.nameless, "series", "series")));
        }
        let more = self.damage.len().saturating_sub(NAMED);
        let mut lines = self.damage.into_iter().take(NAMED);
        let Some(first) = self.failed.or_else(|| lines.next()) else { return Ok(()) };
        let mut failure = Failure::new(first);
        for line in lines {
            failure = failure.and(line);
        }
        if more > 0 {
            failure = failure.and(format_args!("{more} more; see chasar history verify"));
        }
        Err(failure.and("what is damaged is not in the text; all the rest is"))
    }
}

/// Takes out what no text can say; how many.
fn drop_stale(series: &mut chasar_tsdb::Series) -> u64 {
    let stale = series.values.iter().filter(|v| is_stale(**v)).count();
    if stale > 0 {
        let kept: Vec<bool> = series.values.iter().map(|v| !is_stale(*v)).collect();
        let mut at = kept.iter();
        series.times_ms.retain(|_| *at.next().unwrap_or(&true));
        series.values.retain(|v| !is_stale(*v));
    }
    stale as u64
}

/// Where text goes.
struct Sink<'a> {
    out: &'a mut dyn Write,
    terminal: bool,
}

impl Sink<'_> {
    /// Writes the text out and empties it.
    fn put(&mut self, text: &mut String) -> io::Result<()> {
        let result = if self.terminal {
            let harmless =
                |c: char| if c == '\n' || is_harmless(c) { c } else { chasar_top::text::REPLACEMENT };
            let shown: String = text.chars().map(harmless).collect();
            self.out.write_all(shown.as_bytes())
        } else {
            self.out.write_all(text.as_bytes())
        };
        text.clear();
        result
    }
}

/// Writes a file as a whole or not at all, compressed as its name says.
fn to_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let shown = path.display();
    let failed =
        |e: io::Error| Failure::new(format_args!("cannot write {shown}: {e}; nothing is left of it"));
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    if ["gz", "xz", "bz2", "lz4", "zip"].contains(&ending) {
        return Err(Failure::wrong(format_args!(
            "--output {shown}: only .zst is compressed here; use .zst, or pipe stdout into another program"
        )));
    }
    // A device or pipe is written to: a file in its place would be the end of it.
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        let failed = |e| Failure::new(format_args!("cannot write {shown}: {e}"));
        let file = File::options().write(true).open(path).map_err(failed)?;
        return fill(&file, ending, write).map_err(failed);
    }
    let path = &behind_links(path).map_err(failed)?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    // Readable as any file that a program writes, not for its owner alone as a temporary one.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let new = builder.prefix(".chasar-export-").tempfile_in(folder).map_err(failed)?;
    fill(new.as_file(), ending, write).and_then(|()| new.as_file().sync_all()).map_err(failed)?;
    new.persist(path).map(drop).map_err(|e| failed(e.error))
}

/// The file that is meant, which may not be there yet.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    match (fs::canonicalize(path), fs::read_link(path)) {
        (Ok(path), _) => Ok(path),
        (Err(_), Ok(target)) => Ok(path.parent().unwrap_or(Path::new("")).join(target)),
        (Err(e), Err(_)) if e.kind() == ErrorKind::NotFound => Ok(path.to_owned()),
        (Err(e), Err(_)) => Err(e),
    }
}

/// Writes all, compressed as the ending of the name says.
fn fill(file: &File, ending: &str, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    if ending == "zst" {
        return compressed(file, write);
    }
    let mut out = BufWriter::with_capacity(1 << 16, file);
    write(&mut out).and_then(|()| out.flush())
}

fn compressed(file: &File, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = zstd::stream::write::Encoder::new(file, 3)?;
    out.include_checksum(true)?;
    write(&mut out)?;
    out.finish().map(drop)
}
