//! Whether the clock here is right: against the masternode's, and by the word of the kernel.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::finding::{Finding, span};
use crate::http::date_seconds;
use crate::system::ClockKeeping;

/// Skew is reported from here on, by the masternode too.
pub(crate) const MOST_SKEW_SECONDS: f64 = chasar_fleet::SKEW_REPORTED_MS as f64 / 1e3;

/// Between what bounds another clock is ahead of ours, seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ahead {
    least: f64,
    most: f64,
}

impl Ahead {
    /// From an HTTP date, which has no fractions, that was written between two moments of our clock.
    pub(crate) fn of_date(date: &str, asked: SystemTime, answered: SystemTime) -> Option<Ahead> {
        let theirs = date_seconds(date)? as f64;
        let seconds = |at: SystemTime| match at.duration_since(UNIX_EPOCH) {
            Ok(since) => since.as_secs_f64(),
            Err(before) => -before.duration().as_secs_f64(),
        };
        Some(Ahead { least: theirs - seconds(answered), most: theirs + 1.0 - seconds(asked) })
    }

    /// What is sure about the difference, or 0 where none is.
    fn surely(self) -> f64 {
        if self.least > 0.0 {
            self.least
        } else if self.most < 0.0 {
            self.most
        } else {
            0.0
        }
    }
}

/// What is known about clocks.
#[derive(Debug)]
pub(crate) struct Facts {
    /// Whether something keeps ours.
    pub(crate) keeping: ClockKeeping,
    /// The masternode's, as far as it was seen, and where it is.
    pub(crate) masternode: Option<(String, Ahead)>,
}

/// What it means.
pub(crate) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some((place, ahead)) = &facts.masternode {
        findings.push(compare(facts.keeping, place, *ahead));
    }
    let looked_at = "clock of this computer";
    match facts.keeping {
        ClockKeeping::Unknown => {}
        ClockKeeping::Kept { error_seconds } => findings.push(Finding::fine(
            "clock-kept",
            looked_at,
            format!("A time service keeps it right, within {}.", span(error_seconds)),
        )),
        ClockKeeping::Free => findings.push(
            Finding::note(
                "clock-not-kept",
                looked_at,
                "No time service keeps it right (adjtimex: not synchronised).",
            )
            .because("It drifts by seconds a week; samples are then filed under wrong times.")
            .run("Switch on the system's own time service, if it has systemd.", "timedatectl set-ntp true")
            .run("Or install one.", "apt install chrony"),
        ),
    }
    findings
}

fn compare(keeping: ClockKeeping, place: &str, ahead: Ahead) -> Finding {
    let looked_at = format!("clock of this computer and of the masternode at {place}");
    let off = ahead.surely();
    if off.abs() <= MOST_SKEW_SECONDS {
        let found = format!("They agree within {}.", span(ahead.least.abs().max(ahead.most.abs())));
        return Finding::fine("clocks-agree", looked_at, found);
    }
    let side = if off > 0.0 { "behind" } else { "ahead of" };
    let found = format!("The clock of this computer is {} {side} the masternode's.", span(off));
    let finding = Finding::wrong("clock-skew", looked_at, found)
        .because("Samples are filed under wrong times, and computers cannot be compared; 2 s is the limit.");
    let see = "See which of the two is right and whether it is synchronised.";
    let finding = match keeping {
        ClockKeeping::Kept { .. } => finding
            .advise("The clock here is kept by a time service, so the masternode's is likely the wrong one."),
        ClockKeeping::Free | ClockKeeping::Unknown => finding,
    };
    finding.run(see, "timedatectl").run("Set it by a time service.", "timedatectl set-ntp true")
}

/// How long the clock may take to be asked for; a longer way says too little about it.
pub(crate) const SLOW: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Verdict;

    fn at(seconds: f64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs_f64(784_111_777.0 + seconds)
    }

    fn ahead(asked: f64, answered: f64) -> Ahead {
        Ahead::of_date("Sun, 06 Nov 1994 08:49:37 GMT", at(asked), at(answered)).unwrap()
    }

    fn judged(keeping: ClockKeeping, asked: f64) -> Vec<(&'static str, Verdict)> {
        let masternode = Some(("h:7777".into(), ahead(asked, asked + 0.1)));
        judge(&Facts { keeping, masternode }).iter().map(|f| (f.code, f.verdict)).collect()
    }

    #[test]
    fn a_date_gives_bounds() {
        let bounds = ahead(0.25, 0.5);
        assert!((bounds.least + 0.5).abs() < 1e-6 && (bounds.most - 0.75).abs() < 1e-6, "{bounds:?}");
        assert_eq!(bounds.surely(), 0.0);
        assert!((ahead(5.0, 5.5).surely() + 4.0).abs() < 1e-6);
        assert!(Ahead::of_date("yesterday", at(0.0), at(1.0)).is_none());
    }

    #[test]
    fn two_seconds_are_the_limit() {
        let kept = ClockKeeping::Kept { error_seconds: 0.01 };
        for (asked, code) in [
            (0.5, "clocks-agree"),
            (2.9, "clocks-agree"),
            (3.2, "clock-skew"),
            (-2.0, "clocks-agree"),
            (-2.2, "clock-skew"),
        ] {
            assert_eq!(judged(kept, asked)[0].0, code, "{asked}");
        }
        assert_eq!(judged(kept, 3600.0), [("clock-skew", Verdict::Wrong), ("clock-kept", Verdict::Fine)]);
        assert_eq!(judged(ClockKeeping::Free, 0.0)[1], ("clock-not-kept", Verdict::Note));
        assert_eq!(judged(ClockKeeping::Unknown, 0.0).len(), 1);
        assert_eq!(judge(&Facts { keeping: ClockKeeping::Unknown, masternode: None }), []);
    }

    #[test]
    fn who_is_behind_is_said() {
        let findings = judge(&Facts {
            keeping: ClockKeeping::Unknown,
            masternode: Some(("h".into(), ahead(-3600.0, -3600.0))),
        });
        assert!(findings[0].found.contains("60 min behind the masternode's"), "{}", findings[0].found);
    }
}
