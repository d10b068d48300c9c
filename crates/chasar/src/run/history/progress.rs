//! How far a long piece of work is, for whoever sits at a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use chasar_top::text::{fit, pad};

/// Columns of the whole line.
const COLUMNS: usize = 70;
/// Columns of the bar.
const BAR: usize = 24;
/// Work that is done sooner shows nothing.
const PATIENCE: Duration = Duration::from_millis(400);
/// How often the line is drawn anew.
const EVERY: Duration = Duration::from_millis(100);

/// A line on stderr, if that is a terminal; nothing elsewhere. It is gone when this is dropped.
pub(super) struct Progress {
    watched: bool,
    began: Instant,
    drawn: Option<Instant>,
}

impl Progress {
    pub(super) fn new() -> Progress {
        Progress::beside(false)
    }

    /// The same, but nothing when what comes out goes to a terminal, too.
    pub(super) fn beside(is_shown: bool) -> Progress {
        let watched = io::stderr().is_terminal() && !is_shown;
        Progress { watched, began: Instant::now(), drawn: None }
    }

    /// Says what is being done, and how much of it (0 to 1) where that is known.
    pub(super) fn at(&mut self, what: &str, part: Option<f64>) {
        if !self.watched {
            return;
        }
        let now = Instant::now();
        if now - self.began < PATIENCE || self.drawn.is_some_and(|drawn| now - drawn < EVERY) {
            return;
        }
        self.drawn = Some(now);
        let line = pad(&line(what, part, now - self.began), COLUMNS, false);
        // When nobody sees it, nothing is lost.
        let _ = write!(io::stderr(), "\r{line}");
    }

    /// The same of bytes.
    pub(super) fn bytes(&mut self, what: &str, done: u64, of: u64) {
        self.at(what, (of > 0).then(|| done as f64 / of as f64));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn.is_some() {
            let _ = write!(io::stderr(), "\r{}\r", " ".repeat(COLUMNS));
        }
    }
}

fn line(what: &str, part: Option<f64>, elapsed: Duration) -> String {
    let Some(part) = part.map(|p| p.clamp(0.0, 1.0)) else {
        return format!("{} ({} s)", fit(what, COLUMNS - 20), elapsed.as_secs());
    };
    let full = (part * BAR as f64) as usize;
    // Below a hundredth nothing sensible can be said about the end.
    let left = if part > 0.01 {
        format!(", {:.0} s left", elapsed.as_secs_f64() * (1.0 - part) / part)
    } else {
        String::new()
    };
    let bar = format!("{}{}", "█".repeat(full), "░".repeat(BAR - full));
    format!("{} {bar} {:3.0} %{left}", pad(what, 18, false), part * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_how_much_and_how_long() {
        let ten = Duration::from_secs(10);
        let half = line("checking", Some(0.5), ten);
        assert_eq!(half, "checking           ████████████░░░░░░░░░░░░  50 %, 10 s left");
        assert!(line("checking", Some(7.0), ten).contains("100 %, 0 s left"));
        assert!(line("checking", Some(0.0), ten).ends_with("  0 %"));
        assert_eq!(line("reading", None, ten), "reading (10 s)");
    }
}
