//! `chasar query`: what to ask whom, and how to show what comes.

mod canvas;
mod folder;
mod names;
mod number;
mod plot;
mod remote;
mod table;
mod text;
mod ticks;

use std::io::{self, IsTerminal};
use std::time::Duration;

use chasar_query::{Answered, Error, Labels, ValueType};
use chasar_top::text::{REPLACEMENT, clean, columns, is_harmless};

use self::names::{Names, selector};
use self::plot::{Line, Plot, Room};
use super::history::{note, now_ms};
use super::masternode::read_token;
use crate::args::{HistoryFolder, Query, QueryFormat};
use crate::exit::Failure;
use crate::log::colour;
use crate::output::{json_line, to_stdout};

/// The terminal where there is none.
const ROOM: (usize, usize) = (80, 24);
/// Sizes that `COLUMNS` and `LINES` may say.
const SIZES: std::ops::RangeInclusive<usize> = 10..=1_000;
/// Most of a line that is shown around the place of an error.
const AROUND: usize = 70;

/// What moments are asked for, in Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Times {
    /// The present one of whoever answers.
    Now,
    /// One.
    At(i64),
    /// Many.
    Range { from_ms: i64, to_ms: i64, step_ms: i64 },
}

/// What was found.
#[derive(Debug)]
struct Found {
    value: Answered,
    warnings: Vec<String>,
    infos: Vec<String>,
}

/// Does what was asked for.
pub(crate) fn query(args: &Query) -> Result<(), Failure> {
    let terminal = io::stdout().is_terminal();
    let size = size(terminal);
    let now = now_ms();
    let times = times(args, now, size.0)?;
    let query = chasar_query::Query::parse(&args.text)
        .map_err(|error| placed(&args.text, &error, Failure::wrong(&error)))?;
    let format = format(args.format, times, query.value_type(), terminal)?;
    let found = match &args.folder {
        None => {
            let token = args.token_file.as_deref().map(read_token).transpose();
            let token = token.map_err(|why| Failure::wrong(format_args!("--token-file: {why}")))?;
            remote::ask(&args.url, token.as_deref(), &args.text, times)?
        }
        Some(folder) => {
            let place = HistoryFolder { folder: folder.clone(), config: args.config.clone() };
            folder::ask(&place.path()?, &query, times, now)?
        }
    };
    found.warnings.iter().for_each(|text| note(format_args!("warning: {text}")));
    found.infos.iter().for_each(|text| note(format_args!("info: {text}")));
    if is_empty(&found.value) {
        note(match times {
            Times::Range { .. } => "note: nothing found: no series fits the query in this range",
            _ => "note: nothing found: no series fits the query at this moment",
        });
    }
    let text = match format {
        QueryFormat::Json => {
            let mut line = String::new();
            json_line(&text::json(&found.value).map_err(Failure::new)?, &mut line);
            line
        }
        QueryFormat::Csv if terminal => harmless(&text::csv(&found.value)),
        QueryFormat::Csv => text::csv(&found.value),
        QueryFormat::Table => table::table(&found.value, terminal.then_some(size.0)),
        QueryFormat::Plot => {
            let room = Room { columns: size.0, rows: size.1, colour: colour(&io::stdout()) };
            drawing(&args.text, times, found.value).map_or_else(String::new, |plot| plot::plot(&plot, room))
        }
    };
    to_stdout(|out| out.write_all(text.as_bytes())).map(drop)
}

/// Columns and rows of the terminal.
fn size(terminal: bool) -> (usize, usize) {
    let variable = |name| {
        let text = std::env::var(name).ok()?;
        text.trim().parse().ok().filter(|n| SIZES.contains(n))
    };
    let found = if terminal { chasar_top::terminal::size() } else { None }.unwrap_or(ROOM);
    (variable("COLUMNS").unwrap_or(found.0), variable("LINES").unwrap_or(found.1))
}

fn times(args: &Query, now_ms: i64, columns: usize) -> Result<Times, Failure> {
    let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    // Times of a range in whole seconds read better, and now is not more exact than that.
    let second = now_ms - now_ms.rem_euclid(1_000);
    let range = args.range.map(ms);
    let (from_ms, to_ms) =
        match (args.from.map(|m| m.ms(second)), args.to.or(args.at).map(|m| m.ms(second)), range) {
            (None, to, None) if args.to.is_none() => {
                if args.step.is_some() {
                    return Err(Failure::wrong("--step is for a range; give --range, or --from and --to"));
                }
                // Not cut to a second: the newest samples count.
                return Ok(match (to, args.at) {
                    (Some(_), Some(at)) => Times::At(at.ms(now_ms)),
                    _ => Times::Now,
                });
            }
            (None, _, None) => return Err(Failure::wrong("--to wants a begin: --from or --range")),
            (Some(_), Some(_), Some(_)) => {
                return Err(Failure::wrong(
                    "--from, --to and --range together are one too many; leave one out",
                ));
            }
            (Some(from), None, Some(range)) => (from, from.saturating_add(range)),
            (Some(from), to, None) => (from, to.unwrap_or(second)),
            (None, to, Some(range)) => {
                let to = to.unwrap_or(second);
                (to.saturating_sub(range), to)
            }
        };
    if from_ms > to_ms {
        return Err(Failure::wrong("the range ends before it begins; see --from and --to"));
    }
    // Two dots of a plot lie side by side in a character.
    let finest = to_ms.saturating_sub(from_ms) / (canvas::ACROSS * columns) as i64;
    let step_ms = args.step.map_or_else(|| ticks::round_up(finest.max(1_000)), ms);
    Ok(Times::Range { from_ms, to_ms, step_ms })
}

fn format(
    wanted: Option<QueryFormat>,
    times: Times,
    of: ValueType,
    terminal: bool,
) -> Result<QueryFormat, Failure> {
    let range = matches!(times, Times::Range { .. });
    if range && !matches!(of, ValueType::Scalar | ValueType::Vector) {
        return Err(Failure::wrong(format_args!(
            "the query gives a {}, of which a range cannot be made; ask without --range, --from and --to, or for a \
             vector",
            of.shown()
        )));
    }
    match wanted {
        Some(QueryFormat::Plot) if !range && of != ValueType::Matrix => {
            Err(Failure::wrong("a plot is of a range; give --range, such as --range 1h"))
        }
        Some(format) => Ok(format),
        None if !range => Ok(QueryFormat::Table),
        None if terminal => Ok(QueryFormat::Plot),
        None => Ok(QueryFormat::Csv),
    }
}

fn is_empty(value: &Answered) -> bool {
    match value {
        Answered::Vector(all) => all.is_empty(),
        Answered::Matrix(all) => all.is_empty(),
        Answered::Scalar { .. } | Answered::Text { .. } => false,
    }
}

fn drawing(title: &str, times: Times, value: Answered) -> Option<Plot> {
    let Answered::Matrix(all) = value else { return None };
    let labels: Vec<&Labels> = all.iter().map(|series| &series.labels).collect();
    if labels.is_empty() {
        return None;
    }
    let names = Names::of(&labels);
    let (from_ms, to_ms, step_ms) = match times {
        Times::Range { from_ms, to_ms, step_ms } => (from_ms, to_ms, Some(step_ms)),
        // Samples as they are, from the first to the last.
        _ => {
            let times = || all.iter().flat_map(|series| &series.samples).map(|(time, _)| *time);
            (times().min()?, times().max()?, None)
        }
    };
    let gap_ms = step_ms.unwrap_or_else(|| {
        let mut apart: Vec<i64> =
            all.iter().flat_map(|s| s.samples.windows(2)).map(|w| w[1].0.saturating_sub(w[0].0)).collect();
        apart.sort_unstable();
        apart.get(apart.len() / 2).map_or(i64::MAX, |middle| middle.saturating_mul(3) / 2)
    });
    let name = |labels: &Labels| if all.len() > 1 { names.own(labels) } else { selector(labels.iter()) };
    let lines = all.iter().map(|s| Line { name: name(&s.labels), points: s.samples.clone() }).collect();
    Some(Plot {
        title: title.replace('\n', " "),
        common: names.common(),
        lines,
        from_ms,
        to_ms,
        gap_ms,
        step_ms,
    })
}

/// CSV for a terminal: lines as they are, in them nothing that it would obey.
fn harmless(text: &str) -> String {
    let of = |c: char| if c == '\n' || is_harmless(c) { Some(c) } else { (c != '\r').then_some(REPLACEMENT) };
    text.chars().filter_map(of).collect()
}

/// Shows the line of the query that is to blame, and marks the place in it.
fn placed(text: &str, error: &Error, failure: Failure) -> Failure {
    let Some((line, column)) = error.place else { return failure };
    let Some(content) = text.split('\n').nth(line - 1) else { return failure };
    // Whole characters, of a long line those around the place.
    let at = content.char_indices().take_while(|(byte, _)| *byte + 1 < column).count();
    let length = error.span.map_or(1, |span| (span.end - span.start) as usize);
    let marked = content.chars().skip(at).scan(0, |bytes, c| {
        let inside = *bytes < length;
        *bytes += c.len_utf8();
        inside.then_some(c)
    });
    let begin = at.saturating_sub(AROUND / 2);
    let before: String = content.chars().take(at).skip(begin).collect();
    let marked: String = marked.take(AROUND / 2).collect();
    let shown: String = content.chars().skip(begin).take(AROUND).collect();
    let carets = "^".repeat(columns(&marked).max(1));
    failure.showing([format!("  {}", clean(&shown)), format!("  {}{carets}", " ".repeat(columns(&before)))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        query: Query,
    }

    fn of(words: &str) -> Result<Times, Failure> {
        let typed =
            Typed::try_parse_from(["query", "up"].into_iter().chain(words.split_whitespace())).unwrap();
        times(&typed.query, 1_700_000_000_250, 80)
    }

    #[test]
    fn moments_and_ranges() {
        let range =
            |from: i64, to: i64, step| Times::Range { from_ms: from * 1000, to_ms: to * 1000, step_ms: step };
        let now = 1_700_000_000;
        for (words, times) in [
            ("", Times::Now),
            ("--at 100.5", Times::At(100_500)),
            ("--at -1m", Times::At(1_699_999_940_250)),
            ("--range 1h", range(now - 3600, now, 30_000)),
            ("--range 1h --step 15s", range(now - 3600, now, 15_000)),
            ("--range 10s", range(now - 10, now, 1_000)),
            ("--range 10s --at 1000", range(990, 1000, 1_000)),
            ("--range 10s --to 1000", range(990, 1000, 1_000)),
            ("--range 10s --from 1000", range(1000, 1010, 1_000)),
            ("--from 1000 --to 2000 --step 100ms", range(1000, 2000, 100)),
            ("--from -1d", range(now - 86_400, now, 600_000)),
            ("--from now", range(now, now, 1_000)),
        ] {
            assert_eq!(of(words).ok(), Some(times), "{words}");
        }
        for words in ["--step 5", "--to now", "--from 1 --to 2 --range 1", "--from 2 --to 1"] {
            assert!(of(words).is_err(), "{words}");
        }
    }

    #[test]
    fn what_is_printed_when_nothing_is_said() {
        let range = Times::Range { from_ms: 0, to_ms: 1, step_ms: 1 };
        let of = |wanted, times, of, terminal| format(wanted, times, of, terminal).ok();
        assert_eq!(of(None, Times::Now, ValueType::Vector, true), Some(QueryFormat::Table));
        assert_eq!(of(None, range, ValueType::Vector, true), Some(QueryFormat::Plot));
        assert_eq!(of(None, range, ValueType::Scalar, false), Some(QueryFormat::Csv));
        assert_eq!(of(Some(QueryFormat::Plot), Times::Now, ValueType::Vector, true), None);
        assert_eq!(of(Some(QueryFormat::Plot), Times::Now, ValueType::Matrix, true), Some(QueryFormat::Plot));
        assert_eq!(of(None, range, ValueType::Matrix, true), None);
    }
}
