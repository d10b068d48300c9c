//! Scripts in Prometheus's own test format: load series, evaluate, say what is expected.
//!
//! ```
//! let cases = chasar_query::script::run(r#"
//! load 1m
//!   jobs_total{host="a"} 0+60x10
//!
//! eval instant at 10m rate(jobs_total[5m])
//!   {host="a"} 1
//! "#)?;
//! assert!(cases.iter().all(|c| c.outcome == chasar_query::script::Outcome::Passed));
//! # Ok::<(), String>(())
//! ```

mod check;
mod memory;
mod notation;

pub use memory::Memory;

use crate::labels::{Labels, NAME};
use crate::parse;

/// One evaluation of a script.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Line in the script, counted from 1.
    pub line: usize,
    /// What was evaluated.
    pub expression: String,
    /// How it went.
    pub outcome: Outcome,
}

/// How an evaluation went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As expected.
    Passed,
    /// Otherwise; how.
    Failed(String),
    /// It needs what this engine does not have; what.
    Unsupported(&'static str),
}

/// When an evaluation takes place.
#[derive(Clone, Copy, Debug)]
enum When {
    Instant { at_ms: i64 },
    Range { start_ms: i64, end_ms: i64, step_ms: i64 },
}

/// How a text is compared.
#[derive(Debug)]
enum Said {
    Anything,
    Exactly(String),
    Pattern(regex::Regex),
}

/// What a script expects of an evaluation.
#[derive(Debug, Default)]
struct Expected {
    fail: Option<Said>,
    warnings: Vec<Said>,
    infos: Vec<Said>,
    no_warnings: bool,
    no_infos: bool,
    ordered: bool,
    text: Option<String>,
    /// Times at which samples of a range vector are expected.
    vector_range: Option<(i64, i64, i64)>,
    scalar: Option<f64>,
    series: Vec<(Labels, Vec<Option<f64>>)>,
    native: bool,
}

/// Runs a script.
///
/// # Errors
/// What is wrong with the script, and in which line; failing cases are no error.
pub fn run(text: &str) -> Result<Vec<Case>, String> {
    // Comments count as blank lines, which end blocks.
    let lines: Vec<&str> =
        text.lines().map(str::trim).map(|l| if l.starts_with('#') { "" } else { l }).collect();
    let mut memory = Memory::default();
    let mut cases = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let (line, head) = (at + 1, lines[at]);
        at += 1;
        let begin = at;
        if head.is_empty() {
            continue;
        }
        while at < lines.len() && !lines[at].is_empty() && !is_command(lines[at]) {
            at += 1;
        }
        let block = &lines[begin..at];
        let word = head.split_whitespace().next().unwrap_or_default();
        let place = |e: String| format!("line {line}: {e}");
        match word {
            "clear" => memory = Memory::default(),
            "load" | "load_with_nhcb" => load(head, block, word != "load", &mut memory).map_err(place)?,
            _ if word.starts_with("eval") => {
                let (when, expression, expected) = eval(head, block).map_err(place)?;
                let outcome = check::case(&memory, when, &expression, &expected);
                cases.push(Case { line, expression, outcome });
            }
            _ => return Err(place(format!("unknown command {word:?}"))),
        }
    }
    Ok(cases)
}

fn is_command(line: &str) -> bool {
    ["eval", "eval_fail", "eval_warn", "eval_info", "eval_ordered", "load", "load_with_nhcb", "clear"]
        .iter()
        .any(|c| line.strip_prefix(c).is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')))
}

/// A duration, or a number of seconds, perhaps negative.
fn duration(text: &str) -> Result<i64, String> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |t| (-1, t));
    if let Ok(seconds) = text.parse::<f64>() {
        return Ok(sign * (seconds * 1000.0).round() as i64);
    }
    parse::duration_ms(text).map(|ms| sign * ms).ok_or_else(|| format!("not a duration: {text:?}"))
}

fn load(head: &str, block: &[&str], with_native: bool, memory: &mut Memory) -> Result<(), String> {
    let step_ms = duration(head.split_whitespace().nth(1).ok_or("load needs a step")?)?;
    for text in block {
        let line = notation::line(text)?;
        if line.native {
            memory.add_native(line.labels.clone());
        }
        if with_native && let Some(base) = line.labels.name().strip_suffix("_bucket") {
            let name: std::sync::Arc<str> = base.into();
            memory.add_native(line.labels.keep(|n| n != "le").with(&NAME.into(), &name));
        }
        let samples = line.values.iter().enumerate().filter_map(|(i, v)| Some((i as i64 * step_ms, (*v)?)));
        memory.add(line.labels, samples);
    }
    Ok(())
}

/// Takes the first word off.
fn word<'a>(rest: &mut &'a str) -> &'a str {
    let text = rest.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    *rest = text[end..].trim_start();
    &text[..end]
}

fn eval(head: &str, block: &[&str]) -> Result<(When, String, Expected), String> {
    let mut rest = head;
    let mut expected = Expected::default();
    match word(&mut rest) {
        "eval" => {}
        "eval_fail" => expected.fail = Some(Said::Anything),
        "eval_warn" => expected.warnings.push(Said::Anything),
        "eval_info" => expected.infos.push(Said::Anything),
        "eval_ordered" => expected.ordered = true,
        other => return Err(format!("unknown command {other:?}")),
    }
    let when = match word(&mut rest) {
        "instant" => {
            let mut after = rest;
            let at_ms = if word(&mut after) == "at" {
                let time = duration(word(&mut after))?;
                rest = after;
                time
            } else {
                0
            };
            When::Instant { at_ms }
        }
        "range" => {
            let (start_ms, end_ms, step_ms) = range(&mut rest)?;
            When::Range { start_ms, end_ms, step_ms }
        }
        other => return Err(format!("neither instant nor range: {other:?}")),
    };
    for text in block {
        expect(text, &mut expected)?;
    }
    Ok((when, rest.to_string(), expected))
}

/// `from a to b step c`
fn range(rest: &mut &str) -> Result<(i64, i64, i64), String> {
    let mut times = [0; 3];
    for (time, wanted) in times.iter_mut().zip(["from", "to", "step"]) {
        let got = word(rest);
        if got != wanted {
            return Err(format!("expected {wanted:?}, got {got:?}"));
        }
        *time = duration(word(rest))?;
    }
    Ok((times[0], times[1], times[2]))
}

fn said(rest: &str) -> Result<Said, String> {
    let rest = rest.trim();
    if rest.is_empty() {
        return Ok(Said::Anything);
    }
    if let Some(text) = rest.strip_prefix("msg:") {
        return Ok(Said::Exactly(text.trim().into()));
    }
    if let Some(pattern) = rest.strip_prefix("regex:") {
        return regex::Regex::new(pattern.trim()).map(Said::Pattern).map_err(|e| e.to_string());
    }
    Err(format!("neither msg: nor regex: {rest:?}"))
}

/// One line of what is expected.
fn expect(text: &str, expected: &mut Expected) -> Result<(), String> {
    let mut rest = text;
    match word(&mut rest) {
        "expect" => match word(&mut rest) {
            "fail" => expected.fail = Some(said(rest)?),
            "warn" => expected.warnings.push(said(rest)?),
            "info" => expected.infos.push(said(rest)?),
            "no_warn" => expected.no_warnings = true,
            "no_info" => expected.no_infos = true,
            "ordered" => expected.ordered = true,
            "string" => expected.text = Some(parse::string(rest).map_err(|e| e.to_string())?),
            "range" => {
                let got = word(&mut rest);
                if got != "vector" {
                    return Err(format!("expected \"vector\", got {got:?}"));
                }
                expected.vector_range = Some(range(&mut rest)?);
            }
            other => return Err(format!("unknown expectation {other:?}")),
        },
        "expected_fail_message" => expected.fail = Some(Said::Exactly(rest.into())),
        "expected_fail_regexp" => {
            expected.fail = Some(Said::Pattern(regex::Regex::new(rest).map_err(|e| e.to_string())?));
        }
        _ => {
            if let Some(number) = notation::lone_number(text) {
                expected.scalar = Some(number);
            } else {
                let line = notation::line(text)?;
                expected.native |= line.native;
                expected.series.push((line.labels, line.values));
            }
        }
    }
    Ok(())
}
