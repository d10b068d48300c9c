//! `chasar history import`: samples from text.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chasar_openmetrics::{Dialect, Found, Kind, Problem, Reader, Sample};
use chasar_tsdb::storage::Disk;
use chasar_tsdb::{LabelError, Labels, NAME, Store};

use super::folder;
use super::intake::{Intake, Taken};
use super::progress::Progress;
use super::show::{count, harmless, things, time};
use super::{note, now_ms};
use crate::args::{HistoryImport, ImportFormat};
use crate::exit::Failure;
use crate::output::to_stdout;

/// Lines that are wrong which are named one by one.
const NAMED: usize = 20;
/// What zstd's frames begin with (RFC 8878).
const ZSTD: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
/// Largest window of a compressed text, as a power of two: 128 MiB, what zstd takes without being asked.
const WINDOW_LOG: u32 = 27;

/// What was read, whatever becomes of it.
#[derive(Debug, Default)]
struct Text {
    lines: u64,
    samples: u64,
    problems: Vec<String>,
    wrong: u64,
}

pub(crate) fn import(args: &HistoryImport) -> Result<(), Failure> {
    let config = args.folder.config()?;
    let shown = config.folder.display().to_string();
    // What is wrong is best known before the lock is taken and a file is made.
    let again = File::open(&args.file).is_ok_and(|f| f.metadata().is_ok_and(|m| m.is_file()));
    let check_first = args.dry_run || (again && !args.keep_going);
    if check_first {
        let read = pass(args, "checking", &mut |_, _, _, _| Ok(()))?;
        read.tell(args)?;
        if args.dry_run {
            let text = format!(
                "{} in {} can be imported; nothing was written.",
                samples(read.samples),
                lines(&read)
            );
            return say(&text);
        }
    }
    let disk = Disk::open(&config.folder).map_err(|e| match e.kind() {
        io::ErrorKind::ResourceBusy => Failure::new(format_args!(
            "{shown} is being written by a masternode or another import; stop it, or import into another \
             folder with --folder"
        )),
        _ => Failure::new(format_args!(
            "cannot write to {shown}: {e}; run this as the user that the masternode runs as"
        )),
    })?;
    let failed = |e: chasar_tsdb::Error| Failure::new(format_args!("{shown}: {e}"));
    let options = config.options();
    folder::make_room();
    let (store, opening) = Store::open(Arc::new(disk), options.clone()).map_err(failed)?;
    for error in &opening.damaged {
        note(format_args!("note: {error}"));
    }
    let mut intake = Intake::new(&store, &options, now_ms()).map_err(failed)?;
    let read =
        pass(args, "importing", &mut |labels, kind, time, value| intake.sample(labels, kind, time, value));
    // What came before a wrong line in a pipe is written, and said.
    let taken = intake.finish().map_err(failed)?;
    let read = read?;
    let mut text = taken.text(&shown);
    if taken.too_old > 0 {
        text += &format!(
            "\n{} older than raw samples are kept ({} days) and were left out; the setting masternode.history_raw \
             raises that.",
            are(taken.too_old),
            config.raw.as_secs() / 86_400,
        );
    }
    if taken.too_new > 0 {
        text += &format!(
            "\n{} more than {} minutes ahead of this computer's clock and were left out; times in milliseconds are \
             --format prometheus.",
            are(taken.too_new),
            options.future_ms / 60_000
        );
    }
    say(&text)?;
    read.tell(args)
}

/// What takes samples.
type Take<'a> = dyn FnMut(&Labels, chasar_tsdb::Kind, i64, f64) -> Result<(), chasar_tsdb::Error> + 'a;

/// Reads everything once. Without `--keep-going` the text is still read to its end, so that all that is
/// wrong is named, but nothing after the first wrong line is taken.
fn pass(args: &HistoryImport, what: &str, take: &mut Take<'_>) -> Result<Text, Failure> {
    let shown = if is_stdin(&args.file) { "stdin".to_owned() } else { args.file.display().to_string() };
    let failed = |e: io::Error| Failure::new(format_args!("cannot read {shown}: {e}"));
    let dialect = match args.format {
        ImportFormat::Openmetrics => Dialect::OpenMetrics,
        ImportFormat::Prometheus => Dialect::Prometheus,
    };
    let (input, size, read_bytes) = open(&args.file).map_err(failed)?;
    let mut reader = Reader::new(input, dialect);
    let mut progress = Progress::new();
    let mut read = Text::default();
    let mut before: Option<Known> = None;
    loop {
        let line = reader.line();
        match reader.next_found().map_err(failed)? {
            None => break,
            Some(Found::Problem(problem)) => read.wrong(&shown, problem),
            Some(Found::Sample(sample)) => {
                let known = match before.take().filter(|known| known.is(&sample)) {
                    Some(known) => Ok(known),
                    None => Known::new(&sample, &args.labels),
                };
                let result = known.and_then(|known| {
                    let time = sample.time_ms.ok_or_else(|| NO_TIME.to_owned())?;
                    Ok((known, time))
                });
                match result {
                    Ok((known, time)) => {
                        read.samples += 1;
                        if read.wrong == 0 || args.keep_going {
                            take(&known.labels, known.kind, time, sample.value)
                                .map_err(|e| Failure::new(format_args!("{e}")))?;
                        }
                        before = Some(known);
                    }
                    Err(what) => read.wrong_at(&shown, reader.line(), &what),
                }
            }
        }
        if line.is_multiple_of(1024) {
            match size {
                Some(size) => progress.bytes(what, read_bytes.load(Ordering::Relaxed), size),
                None => progress.at(&format!("{what}: {} lines", count(line)), None),
            }
        }
    }
    read.lines = reader.line();
    Ok(read)
}

const NO_TIME: &str =
    "the sample has no time, so it is no history; what a /metrics page shows has none, an export has";

/// The series of the last line: mostly that of the next.
struct Known {
    name: String,
    pairs: Vec<(String, String)>,
    labels: Labels,
    kind: chasar_tsdb::Kind,
}

impl Known {
    fn new(sample: &Sample<'_>, extra: &[(String, String)]) -> Result<Known, String> {
        let mut pairs: Vec<(&str, &str)> = vec![(NAME, &sample.name)];
        pairs.extend(sample.labels.iter().map(|(n, v)| (n.as_ref(), v.as_ref())));
        for (name, value) in extra {
            // An empty label is none.
            if !sample.labels.iter().any(|(n, v)| n == name && !v.is_empty()) {
                pairs.retain(|(n, _)| n != name);
                pairs.push((name, value));
            }
        }
        let labels = Labels::new(pairs).map_err(|e: LabelError| e.to_string())?;
        let kind = match sample.kind {
            Kind::Unknown => chasar_tsdb::Kind::Unknown,
            Kind::Gauge => chasar_tsdb::Kind::Gauge,
            Kind::Counter => chasar_tsdb::Kind::Counter,
        };
        let pairs = sample.labels.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        Ok(Known { name: sample.name.to_string(), pairs, labels, kind })
    }

    fn is(&self, sample: &Sample<'_>) -> bool {
        self.name == sample.name
            && self.pairs.len() == sample.labels.len()
            && self.pairs.iter().zip(&sample.labels).all(|(a, b)| a.0 == b.0 && a.1 == b.1)
    }
}

impl Text {
    fn wrong(&mut self, file: &str, problem: Problem) {
        self.wrong += 1;
        if self.problems.len() < NAMED {
            self.problems.push(format!("{file}: {problem}"));
        }
    }

    fn wrong_at(&mut self, file: &str, line: u64, what: &str) {
        self.wrong += 1;
        if self.problems.len() < NAMED {
            self.problems.push(format!("{file}: line {line}: {what}"));
        }
    }

    /// Says what is wrong, which is a failure unless it was to be left out.
    fn tell(&self, args: &HistoryImport) -> Result<(), Failure> {
        let more = self.wrong - self.problems.len() as u64;
        if args.keep_going {
            self.problems.iter().for_each(|line| note(format_args!("note: left out: {line}")));
            if more > 0 {
                note(format_args!(
                    "note: {} left out",
                    things(more, "further wrong line", "further wrong lines")
                ));
            }
            return Ok(());
        }
        let mut lines = self.problems.iter();
        let Some(first) = lines.next() else { return Ok(()) };
        let mut failure = Failure::new(first);
        for line in lines {
            failure = failure.and(line);
        }
        if more > 0 {
            failure = failure.and(things(more, "further line is wrong", "further lines are wrong"));
        }
        let from_file = !is_stdin(&args.file);
        Err(failure.and(if from_file || args.dry_run {
            "nothing was written; correct the text, or leave wrong lines out with --keep-going"
        } else {
            "what came after the first wrong line was not written; correct the text and import it again: what is \
             there already is not written twice"
        }))
    }
}

impl Taken {
    fn text(&self, folder: &str) -> String {
        let span =
            self.times_ms.map_or(String::new(), |(from, to)| format!(", {} to {}", time(from), time(to)));
        let already = match self.duplicates {
            0 => String::new(),
            n => format!("; {} there already", are(n)),
        };
        harmless(format_args!("{folder}: {} imported{span}{already}.", samples(self.written)))
    }
}

fn samples(n: u64) -> String {
    things(n, "sample", "samples")
}

fn lines(read: &Text) -> String {
    things(read.lines, "line", "lines")
}

fn are(n: u64) -> String {
    things(n, "sample is", "samples are")
}

fn say(text: &str) -> Result<(), Failure> {
    let _ = to_stdout(|out| writeln!(out, "{text}"))?;
    Ok(())
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// Counts what is read.
struct Counted<R> {
    input: R,
    bytes: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(buffer)?;
        self.bytes.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

type Opened = (Box<dyn BufRead>, Option<u64>, Arc<AtomicU64>);

/// The text, its size on disk where it has one, and how much of that was read.
fn open(path: &Path) -> io::Result<Opened> {
    let bytes = Arc::new(AtomicU64::new(0));
    let (input, size): (Box<dyn Read>, _) = if is_stdin(path) {
        (Box::new(io::stdin()), None)
    } else {
        let file = File::open(path)?;
        let meta = file.metadata()?;
        if meta.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder; name a file"));
        }
        (Box::new(file), meta.is_file().then_some(meta.len()))
    };
    let mut input = BufReader::with_capacity(1 << 16, Counted { input, bytes: bytes.clone() });
    // The first piece of a pipe may be short; one that begins like zstd goes on so.
    let compressed = input.fill_buf()?.starts_with(&ZSTD);
    if !compressed {
        return Ok((Box::new(input), size, bytes));
    }
    let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
    decoder.window_log_max(WINDOW_LOG)?;
    Ok((Box::new(BufReader::with_capacity(1 << 16, decoder)), size, bytes))
}
