//! Processes: all of them counted, the busiest listed, from one call (class 5 of `NtQuerySystemInformation`).
//!
//! Whose they are would take a token and a look-up of each, which can ask another computer; it is absent.

use std::time::Duration;

use chasar_wire::Report;
use chasar_wire::family::ProcessCounts;
use chasar_wire::limits::MAX_NAME_BYTES;

use super::host::{failed, form};
use super::parse::bytes::set_wide;
use super::parse::counter::unix_seconds;
use super::parse::process::{Process, State, Table};
use super::sys::{self, Buffer, class};
use crate::rank::{Rank, busiest, share};
use crate::text::hundredths;
use crate::{Host, Now, Outcome, Probe, ProbeError, ProcessList, Setup};

pub(crate) fn make(setup: &Setup<'_>) -> Box<dyn Probe> {
    Box::new(Processes {
        list: setup.config.processes,
        buffer: Buffer::default(),
        table: Table::default(),
        at: None,
        ranks: Vec::new(),
    })
}

const CALL: &str = "NtQuerySystemInformation(SystemProcessInformation)";

struct Processes {
    list: ProcessList,
    buffer: Buffer,
    table: Table,
    /// When the last sample was, on the monotonic clock.
    at: Option<Duration>,
    ranks: Vec<Rank>,
}

fn count(counts: &mut ProcessCounts, processes: &[Process]) {
    *counts = ProcessCounts::default();
    let (mut threads, mut running, mut known) = (0, 0, false);
    for process in processes {
        let of_state = match process.state {
            State::Running => &mut counts.running,
            State::Sleeping => &mut counts.sleeping,
            State::Stopped => &mut counts.stopped,
            State::Zombie => &mut counts.zombie,
            State::Unknown => &mut counts.other,
        };
        *of_state += 1;
        counts.total += 1;
        threads += u64::from(process.threads);
        running += u64::from(process.threads_running);
        known |= !matches!(process.state, State::Unknown | State::Zombie);
    }
    counts.threads = Some(threads);
    counts.tasks_running = known.then_some(running);
}

/// Share of one core that a process used.
fn share_of(table: &Table, process: &Process, elapsed: Duration) -> Option<f64> {
    share(table.used(process).map(|used| used.saturating_mul(100)), elapsed)
}

impl Processes {
    fn rank(&mut self, elapsed: Duration) {
        self.ranks.clear();
        let limit = self.list.limit();
        if limit == 0 {
            return;
        }
        for (at, process) in self.table.processes().iter().enumerate() {
            let share = share_of(&self.table, process, elapsed);
            self.ranks.push(Rank::new(share, process.resident_bytes, at));
        }
        busiest(&mut self.ranks, limit);
    }
}

impl Probe for Processes {
    fn name(&self) -> &'static str {
        "processes"
    }

    fn read(&mut self, _: &Host, now: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
        sys::query(class::PROCESS, &mut self.buffer).map_err(|e| failed(CALL, e))?;
        let elapsed = self.at.map_or(Duration::ZERO, |at| now.monotonic.saturating_sub(at));
        self.at = Some(now.monotonic);
        self.table.sample(self.buffer.bytes()).map_err(|problem| form(CALL, problem))?;
        if self.table.processes().is_empty() {
            return Ok(Outcome::NothingHere("the system lists no process"));
        }
        count(report.processes.get_or_insert_default(), self.table.processes());
        self.rank(elapsed);

        let memory = report.memory.total_bytes.filter(|total| *total > 0);
        let listed = &mut report.process.0;
        listed.resize_with(self.ranks.len(), Default::default);
        for (rank, out) in self.ranks.iter().zip(listed) {
            let process = &self.table.processes()[rank.at];
            let name = self.buffer.bytes().slice(process.name.0, process.name.1).unwrap_or_default();
            set_wide(&mut out.name, name, MAX_NAME_BYTES);
            out.pid = process.pid;
            out.status.clear();
            out.status.push_str(process.state.as_str());
            out.percent_cpu_used = share_of(&self.table, process, elapsed);
            let resident = process.resident_bytes;
            out.percent_memory_used =
                memory.map(|total| hundredths(100.0 * resident as f64 / total as f64).min(100.0));
            out.resident_bytes = Some(resident);
            out.threads = Some(process.threads);
            out.start_time_seconds = unix_seconds(process.created).map(hundredths);
        }
        Ok(Outcome::Fresh)
    }

    fn clear(&self, report: &mut Report) {
        report.process.0.clear();
        report.processes = None;
    }
}
