//! Findings as text for people.

use std::io::{self, Write};

use chasar_doctor::{Diagnosis, Finding, Verdict};
use chasar_top::text::{clean, columns};

/// Lines are broken here; commands never are, so that they can be copied.
const WIDTH: usize = 100;
/// What stands before texts that belong to a finding.
const INDENT: usize = 9;

/// How to show findings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// What is fine, too.
    pub(crate) verbose: bool,
    /// With colours of the terminal.
    pub(crate) colour: bool,
}

/// Writes all sections and a last line that sums up.
pub(crate) fn write(out: &mut dyn Write, diagnosis: &Diagnosis, style: Style) -> io::Result<()> {
    for section in &diagnosis.sections {
        let mut findings: Vec<&Finding> =
            section.findings.iter().filter(|f| style.verbose || f.verdict != Verdict::Fine).collect();
        if findings.is_empty() {
            continue;
        }
        // The worst first; the order of the checks within.
        findings.sort_by_key(|f| std::cmp::Reverse(f.verdict));
        writeln!(out, "{}", clean(&section.about))?;
        for finding in findings {
            one(out, finding, style)?;
        }
        writeln!(out)?;
    }
    writeln!(out, "{}", summary(diagnosis, style.verbose))
}

fn summary(diagnosis: &Diagnosis, verbose: bool) -> String {
    let things =
        |n: usize, one: &str, many: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {many}") };
    let wrong = match diagnosis.wrong {
        0 => "Nothing is wrong".to_owned(),
        n => things(n, "thing is wrong", "things are wrong"),
    };
    let notes = things(diagnosis.notes, "note", "notes");
    let fine = things(diagnosis.fine, "is fine", "are fine");
    let hint = if verbose { "" } else { " (--verbose shows them)" };
    format!("{wrong}, {notes}, {fine}{hint}.")
}

fn one(out: &mut dyn Write, finding: &Finding, style: Style) -> io::Result<()> {
    // The words tell without colours too.
    let (word, colour) = match finding.verdict {
        Verdict::Wrong => ("WRONG", "31;1"),
        Verdict::Note => ("note", "33"),
        Verdict::Fine => ("fine", "32"),
    };
    let mark = if style.colour { format!("\x1b[{colour}m{word:<7}\x1b[0m") } else { format!("{word:<7}") };
    let head = format!("{}: {}", finding.looked_at, finding.found);
    for (i, line) in wrapped(&head, WIDTH - INDENT).iter().enumerate() {
        match i {
            0 => writeln!(out, "  {mark}{line}")?,
            _ => writeln!(out, "{:INDENT$}{line}", "")?,
        }
    }
    if !finding.why.is_empty() {
        text(out, "Why it matters: ", &finding.why)?;
    }
    for (i, step) in finding.remedy.iter().enumerate() {
        text(out, if i == 0 { "Do: " } else { "" }, &step.text)?;
        if let Some(command) = &step.command {
            writeln!(out, "{:INDENT$}    $ {}", "", clean(command))?;
        }
    }
    Ok(())
}

fn text(out: &mut dyn Write, label: &str, words: &str) -> io::Result<()> {
    for line in wrapped(&format!("{label}{words}"), WIDTH - INDENT) {
        writeln!(out, "{:INDENT$}{line}", "")?;
    }
    Ok(())
}

/// Lines of at most `width` columns, harmless for a terminal; a longer word has a line of its own.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let text = clean(text);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|w| !w.is_empty()) {
        if !line.is_empty() && columns(&line) + 1 + columns(word) > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use chasar_doctor::{Section, Step};

    fn shown(verbose: bool) -> String {
        let finding = |verdict, found: &str, remedy| Finding {
            code: "x",
            verdict,
            looked_at: "thing".into(),
            found: found.into(),
            why: if verdict == Verdict::Fine { String::new() } else { "It matters.".into() },
            remedy,
        };
        let step = Step { text: "Do it.".into(), command: Some("run\u{1b}[2J it".into()) };
        let findings = vec![
            finding(Verdict::Fine, "All is well.", Vec::new()),
            finding(Verdict::Note, &"word ".repeat(40), Vec::new()),
            finding(Verdict::Wrong, "\u{1b}]0;evil\u{7}", vec![step]),
        ];
        let sections = vec![Section { about: "here".into(), findings }];
        let diagnosis = Diagnosis { version: "1", wrong: 1, notes: 1, fine: 1, sections };
        let mut out = Vec::new();
        write(&mut out, &diagnosis, Style { verbose, colour: false }).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_worst_comes_first_and_all_is_harmless() {
        let text = shown(true);
        let at = |needle: &str| text.find(needle).unwrap_or_else(|| panic!("no {needle} in {text}"));
        assert!(at("WRONG") < at("note ") && at("note ") < at("fine "), "{text}");
        assert!(text.contains("$ run�[2J it") && !text.contains('\u{1b}'), "{text}");
        assert!(text.lines().all(|line| columns(line) <= WIDTH), "{text}");
        assert!(text.ends_with("1 thing is wrong, 1 note, 1 is fine.\n"), "{text}");
        let short = shown(false);
        assert!(!short.contains("All is well") && short.contains("--verbose"), "{short}");
    }
}
