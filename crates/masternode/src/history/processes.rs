//! Processes as series, so many and no more: a table of names for each node.
//!
//! Which processes are among the busiest changes each second. A name keeps its place in the table,
//! without values, while it is not among them, so the series of a node stay the same for hours. A
//! name without a place is summed up under [`OTHER`] until one has not been seen for a while.

use std::collections::HashMap;

use chasar_wire::Text;
use chasar_wire::catalog::process::{COUNT, CPU, RESIDENT, THREADS};
use chasar_wire::family::{Process, ProcessTable};

use super::row::{ABSENT, Part, Rows};

/// Names of one node. 4 series each.
pub(crate) const PLACES: usize = 40;
/// A name not seen for so long gives its place up to another one.
const UNSEEN_MS: i64 = 10 * 60 * 1000;
/// The name of all that have no place.
pub(crate) const OTHER: &str = "(other)";

/// The names of one node that have a place, in the order in which they got it.
#[derive(Debug, Default)]
pub(crate) struct Names {
    places: Vec<Place>,
}

#[derive(Debug)]
struct Place {
    name: Text,
    /// The newest report it was in.
    seen_ms: i64,
}

/// The processes of one name.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    cpu: Option<f64>,
    resident: Option<f64>,
    threads: Option<f64>,
    count: f64,
}

impl Sum {
    fn add(&mut self, process: &Process) {
        fn plus(sum: &mut Option<f64>, more: Option<f64>) {
            if let Some(more) = more {
                *sum = Some(sum.unwrap_or_default() + more);
            }
        }
        plus(&mut self.cpu, process.percent_cpu_used);
        #[expect(clippy::cast_precision_loss, reason = "samples are f64")]
        plus(&mut self.resident, process.resident_bytes.map(|bytes| bytes as f64));
        plus(&mut self.threads, process.threads.map(f64::from));
        self.count += 1.0;
    }
}

impl Names {
    /// Adds the processes of a report that was sampled at `at_ms` to `rows`.
    pub(crate) fn push(&mut self, processes: &ProcessTable, at_ms: i64, rows: &mut Rows) {
        let mut sums: HashMap<&str, Sum> = HashMap::with_capacity(PLACES);
        for process in &processes.0 {
            sums.entry(&process.name).or_default().add(process);
        }
        if sums.is_empty() && self.places.is_empty() {
            return;
        }
        for place in &mut self.places {
            if sums.contains_key(&*place.name) {
                place.seen_ms = place.seen_ms.max(at_ms);
            }
        }
        // In the order of the report, which has the busiest first.
        for process in &processes.0 {
            if !self.places.iter().any(|place| place.name == process.name) {
                self.take_place(&process.name, at_ms);
            }
        }
        for place in &self.places {
            push(&place.name, sums.remove(&*place.name), rows);
        }
        if self.places.len() == PLACES {
            let rest = sums.into_values().reduce(|mut sum, more| {
                let both = |a: Option<f64>, b: Option<f64>| a.map_or(b, |a| Some(a + b.unwrap_or_default()));
                sum.cpu = both(sum.cpu, more.cpu);
                sum.resident = both(sum.resident, more.resident);
                sum.threads = both(sum.threads, more.threads);
                sum.count += more.count;
                sum
            });
            push(OTHER, rest, rows);
        }
    }

    fn take_place(&mut self, name: &Text, at_ms: i64) {
        let place = Place { name: name.clone(), seen_ms: at_ms };
        if self.places.len() < PLACES {
            self.places.push(place);
            return;
        }
        let longest_unseen = self.places.iter_mut().min_by_key(|place| place.seen_ms);
        if let Some(old) = longest_unseen.filter(|old| at_ms.saturating_sub(old.seen_ms) >= UNSEEN_MS) {
            *old = place;
        }
    }
}

fn push(name: &str, sum: Option<Sum>, rows: &mut Rows) {
    let labels = [name];
    let sum_of = |of: fn(Sum) -> Option<f64>| sum.and_then(of).unwrap_or(ABSENT);
    rows.push(Part::Processes, &CPU, &labels, sum_of(|sum| sum.cpu));
    rows.push(Part::Processes, &RESIDENT, &labels, sum_of(|sum| sum.resident));
    rows.push(Part::Processes, &THREADS, &labels, sum_of(|sum| sum.threads));
    rows.push(Part::Processes, &COUNT, &labels, sum.map_or(0.0, |sum| sum.count));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(processes: &[(&str, f64)]) -> ProcessTable {
        let process = |(name, cpu): &(&str, f64)| Process {
            name: (*name).into(),
            percent_cpu_used: Some(*cpu),
            threads: Some(2),
            ..Process::default()
        };
        ProcessTable(processes.iter().map(process).collect())
    }

    /// Values of processor time by position, and the shape.
    fn push(names: &mut Names, processes: &[(&str, f64)], at_ms: i64) -> (Vec<f64>, Vec<u8>) {
        let mut rows = Rows::default();
        names.push(&table(processes), at_ms, &mut rows);
        let row = rows.row(Part::Processes);
        (row.values.iter().copied().step_by(4).collect(), row.shape.clone())
    }

    #[test]
    fn processes_of_one_name_are_one_series() {
        let mut names = Names::default();
        let mut rows = Rows::default();
        names.push(&table(&[("a", 1.0), ("b", 2.0), ("a", 4.0)]), 0, &mut rows);
        let values = &rows.row(Part::Processes).values;
        assert_eq!(format!("{values:?}"), "[5.0, NaN, 4.0, 2.0, 2.0, NaN, 2.0, 1.0]");
    }

    #[test]
    fn a_name_keeps_its_place() {
        let mut names = Names::default();
        let (_, shape) = push(&mut names, &[("a", 1.0), ("b", 2.0)], 0);
        let (values, again) = push(&mut names, &[("b", 3.0)], 1_000);
        assert_eq!(shape, again);
        assert!(values[0].is_nan());
        assert_eq!(values[1], 3.0);
        let (values, _) = push(&mut names, &[("c", 4.0), ("a", 5.0)], 2_000);
        assert_eq!((values[0], values[2]), (5.0, 4.0));
    }

    #[test]
    fn names_without_a_place_are_summed_up_until_one_is_free() {
        let mut names = Names::default();
        let many: Vec<_> = (0..PLACES).map(|i| format!("p{i}")).collect();
        let all: Vec<_> = many.iter().map(|name| (&**name, 1.0)).collect();
        push(&mut names, &all, 0);
        let (values, shape) = push(&mut names, &[("late", 7.0), ("later", 8.0)], 1_000);
        assert_eq!(values.len(), PLACES + 1);
        assert_eq!(values[PLACES], 15.0);
        // One is not seen for long: the busiest newcomer takes its place.
        push(&mut names, &all[1..], UNSEEN_MS);
        let (values, changed) = push(&mut names, &[("late", 7.0), ("later", 8.0)], UNSEEN_MS + 1);
        assert_eq!((values[0], values[PLACES]), (7.0, 8.0));
        assert_ne!(shape, changed);
    }

    #[test]
    fn a_host_without_a_process_list_has_no_series_of_them() {
        let (values, shape) = push(&mut Names::default(), &[], 0);
        assert!(values.is_empty() && shape.is_empty());
    }

    #[test]
    fn a_replayed_report_does_not_make_a_name_look_unseen() {
        let mut names = Names::default();
        push(&mut names, &[("a", 1.0)], 5_000);
        push(&mut names, &[("a", 1.0)], 1_000);
        assert_eq!(names.places[0].seen_ms, 5_000);
    }
}
