//! All probes in a row: timed, and none takes the rest along when it fails.

use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use chasar_wire::family::{Outcome as Told, ProbeStatus};
use chasar_wire::limits::MAX_PROCESSES;
use chasar_wire::{Report, Text};

use crate::probe::Make;
use crate::{Background, Host, Now, Outcome, Probe, REGISTRY, Setup};

/// A monotonic clock, used for nothing but how long probes take and how old slow values are.
pub type Monotonic = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Which processes the report lists; they are always all counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessList {
    /// None.
    None,
    /// The busiest by processor, then by resident memory.
    Top(usize),
    /// All, up to [`MAX_PROCESSES`].
    All,
}

impl ProcessList {
    /// How many of the busiest are listed unless told otherwise: what a report of 12 KiB has room
    /// for (docs/adr/0002).
    pub const DEFAULT: usize = 20;

    /// The most processes the report may list.
    pub fn limit(self) -> usize {
        match self {
            ProcessList::None => 0,
            ProcessList::Top(n) => n.min(MAX_PROCESSES),
            ProcessList::All => MAX_PROCESSES,
        }
    }
}

impl Default for ProcessList {
    fn default() -> ProcessList {
        ProcessList::Top(ProcessList::DEFAULT)
    }
}

/// What to read and how.
#[derive(Clone)]
pub struct Config {
    /// The computer, live or recorded.
    pub host: Arc<Host>,
    /// The clock for durations and ages; its zero must be that of [`Now::monotonic`].
    pub monotonic: Monotonic,
    /// Which processes the report lists.
    pub processes: ProcessList,
}

/// Reads one computer.
pub struct Sampler {
    config: Config,
    background: Background,
    probes: Vec<(Make, Box<dyn Probe>)>,
}

impl Sampler {
    /// Makes the probes of this system and takes a first reading, so that the first report already
    /// has shares and rates, over the time between this call and [`Sampler::sample`].
    pub fn new(config: Config, now: &Now) -> Sampler {
        Sampler::with(config, now, REGISTRY)
    }

    /// With the probes of a registry; tests hold one beside another.
    pub(crate) fn with(config: Config, now: &Now, registry: &[Make]) -> Sampler {
        let background = Background::new(config.host.clone(), config.monotonic.clone());
        let setup = Setup { config: &config, background: &background };
        let probes = registry.iter().map(|make| (*make, make(&setup))).collect();
        let mut sampler = Sampler { config, background, probes };
        sampler.sample(now, &mut Report::default());
        sampler
    }

    /// Runs every probe and writes over the families in `report`; hand in the same report each
    /// time and nothing is allocated. Keys that are no probe's (identity, sequence, agent) are left alone.
    pub fn sample(&mut self, now: &Now, report: &mut Report) {
        let statuses = self.probes.len();
        if report.probes.0.len() != statuses
            || !report.probes.0.iter().zip(&self.probes).all(|((name, _), (_, p))| name == p.name())
        {
            report.probes.0 = self.probes.iter().map(|(_, p)| (Text::from(p.name()), blank())).collect();
        }
        let mut started = (self.config.monotonic)();
        for (i, (make, probe)) in self.probes.iter_mut().enumerate() {
            let result = catch_unwind(AssertUnwindSafe(|| probe.read(&self.config.host, now, report)));
            let ended = (self.config.monotonic)();
            let status = &mut report.probes.0[i].1;
            status.duration_seconds = ended.saturating_sub(started).as_micros() as f64 / 1e6;
            started = ended;
            status.age_seconds = None;
            match result {
                Ok(Ok(Outcome::Fresh)) => status.outcome = Told::Fresh,
                Ok(Ok(Outcome::Aged(age))) => {
                    status.outcome = Told::Fresh;
                    status.age_seconds = Some(age.as_millis() as f64 / 1e3);
                }
                Ok(Ok(Outcome::NothingHere(reason))) => {
                    tell_nothing_here(&mut status.outcome, reason);
                    probe.clear(report);
                }
                Ok(Err(error)) => {
                    tell_failed(&mut status.outcome, &error);
                    probe.clear(report);
                }
                Err(_) => {
                    tell_failed(&mut status.outcome, &"the probe panicked; it starts anew");
                    probe.clear(report);
                    // Its state may be half changed.
                    *probe = make(&Setup { config: &self.config, background: &self.background });
                }
            }
        }
    }
}

fn blank() -> ProbeStatus {
    ProbeStatus { outcome: Told::Fresh, duration_seconds: 0.0, age_seconds: None }
}

/// Writes over the reason in place: a host without swap says so each second, without allocating.
fn tell_nothing_here(told: &mut Told, reason: &'static str) {
    match told {
        Told::NothingHere(text) if text == reason => {}
        _ => *told = Told::NothingHere(reason.into()),
    }
}

fn tell_failed(told: &mut Told, reason: &dyn std::fmt::Display) {
    if !matches!(told, Told::Failed(_)) {
        *told = Told::Failed(Text::default());
    }
    if let Told::Failed(text) = told {
        text.clear();
        // Writing into a text cannot fail, and a Display that does is cut there.
        let _ = write!(text, "{reason}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ProbeError;

    type Step = fn(&mut Report) -> Result<Outcome, ProbeError>;
    struct Scripted(&'static str, Vec<Step>);

    impl Probe for Scripted {
        fn name(&self) -> &'static str {
            self.0
        }
        fn read(&mut self, _: &Host, _: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
            report.cpu.load1 = Some(7.0);
            self.1.remove(0)(report)
        }
        fn clear(&self, report: &mut Report) {
            report.cpu.load1 = None;
        }
    }

    const NOW: Now = Now { unix_micros: 0, monotonic: Duration::ZERO };

    fn sampler(registry: &[Make]) -> Sampler {
        let folder = tempfile::tempdir().unwrap();
        let host = Arc::new(Host::recorded(folder.path()));
        let config =
            Config { host, monotonic: Arc::new(|| Duration::ZERO), processes: ProcessList::default() };
        Sampler::with(config, &NOW, registry)
    }

    #[test]
    fn a_probe_that_panics_or_fails_leaves_no_values_and_takes_none_along() {
        let mut sampler = sampler(&[
            |_| {
                Box::new(Scripted(
                    "odd",
                    vec![
                        |_| Ok(Outcome::Fresh),
                        |_| Ok(Outcome::Aged(Duration::from_millis(1500))),
                        |_| Ok(Outcome::NothingHere("no such thing")),
                        |_| Err(ProbeError::Form { path: "/proc/x".into(), problem: "is odd" }),
                        |_| panic!("a probe that panics on purpose"),
                    ],
                ))
            },
            |_| {
                Box::new(Scripted(
                    "even",
                    std::iter::repeat_n(|_: &mut Report| Ok(Outcome::Fresh), 9).map(|f| f as Step).collect(),
                ))
            },
        ]);
        let mut report = Report::default();
        let mut told = |outcome: &str, age| {
            report.cpu.load1 = None;
            sampler.sample(&NOW, &mut report);
            let odd = report.probes.get("odd").unwrap();
            assert_eq!((odd.outcome.to_string().as_str(), odd.age_seconds), (outcome, age));
            assert_eq!(report.probes.get("even").unwrap().outcome, Told::Fresh);
            assert_eq!(report.cpu.load1, Some(7.0), "the second probe has run");
        };
        told("fresh", Some(1.5));
        told("nothing here: no such thing", None);
        told("failed: /proc/x: is odd", None);
        told("failed: the probe panicked; it starts anew", None);
        told("fresh", None);
    }

    #[test]
    fn what_a_failed_probe_wrote_is_taken_out() {
        let mut sampler = sampler(&[|_| {
            Box::new(Scripted(
                "odd",
                vec![|_| Ok(Outcome::Fresh), |_| Ok(Outcome::Fresh), |_| Ok(Outcome::NothingHere("gone"))],
            ))
        }]);
        let mut report = Report::default();
        sampler.sample(&NOW, &mut report);
        assert_eq!(report.cpu.load1, Some(7.0));
        sampler.sample(&NOW, &mut report);
        assert_eq!(report.cpu.load1, None);
    }
}
