//! Processes: all of them counted, the busiest listed.

mod stat;
mod table;
#[cfg(test)]
mod tests;
mod users;

use chasar_wire::Report;
use chasar_wire::family::ProcessCounts;
use chasar_wire::limits::MAX_NAME_BYTES;

use self::table::Table;
use self::users::Users;
use super::file::Kept;
use super::text::{hundredths, number, set_text, trim};
use crate::rank::{self, Rank, share};
use crate::{Host, Now, Outcome, Probe, ProbeError, ProcessList, Setup};

pub(crate) use self::stat::parse as parse_stat;
pub(crate) use self::table::{last_pid, names};
pub(crate) use self::users::parse as parse_users;

pub(crate) fn make(setup: &Setup<'_>) -> Box<dyn Probe> {
    Box::new(Processes {
        list: setup.config.processes,
        table: Table::new(&setup.config.host),
        users: Users::default(),
        pid_max: Kept::whole(c"sys/kernel/pid_max"),
        max_pid: None,
        look_in: 0,
        ranks: Vec::new(),
    })
}

/// The largest pid is a setting, and seldom changed.
const SAMPLES_BETWEEN_SETTINGS: u32 = 60;

struct Processes {
    list: ProcessList,
    table: Table,
    users: Users,
    pid_max: Kept,
    max_pid: Option<u64>,
    look_in: u32,
    ranks: Vec<Rank>,
}

impl Processes {
    fn count(&self, counts: &mut ProcessCounts) {
        let (tasks_running, tasks_blocked) = (counts.tasks_running, counts.tasks_blocked);
        *counts = ProcessCounts { tasks_running, tasks_blocked, ..ProcessCounts::default() };
        let mut threads = 0;
        for process in self.table.processes() {
            let of_state = match process.state {
                b'R' => &mut counts.running,
                b'S' => &mut counts.sleeping,
                b'D' => &mut counts.disk_sleep,
                b'I' => &mut counts.idle,
                b'T' | b't' => &mut counts.stopped,
                b'Z' => &mut counts.zombie,
                _ => &mut counts.other,
            };
            *of_state += 1;
            counts.total += 1;
            threads += u64::from(process.threads);
        }
        counts.threads = Some(threads);
        counts.max_pid = self.max_pid;
    }

    fn rank(&mut self) {
        self.ranks.clear();
        let limit = self.list.limit();
        if limit == 0 {
            return;
        }
        let elapsed = self.table.elapsed();
        for (at, process) in self.table.processes().iter().enumerate() {
            let share = share(process.used_nanos, elapsed);
            self.ranks.push(Rank::new(share, process.resident_pages(), at));
        }
        rank::busiest(&mut self.ranks, limit);
    }

    fn list(&mut self, host: &Host, report: &mut Report) {
        let boot_time = report.host.as_ref().and_then(|h| h.boot_time_seconds);
        let memory = report.memory.total_bytes.filter(|total| *total > 0);
        let elapsed = self.table.elapsed();
        let listed = &mut report.process.0;
        listed.resize_with(self.ranks.len(), Default::default);
        for (rank, out) in self.ranks.iter().zip(listed) {
            let process = self.table.complete(rank.at, host);
            set_text(&mut out.name, process.name(), MAX_NAME_BYTES);
            out.pid = process.pid;
            out.status.clear();
            out.status.push_str(stat::status(process.state));
            out.percent_cpu_used = share(process.used_nanos, elapsed);
            let resident_bytes = process.resident_pages().saturating_mul(host.page_bytes);
            out.percent_memory_used =
                memory.map(|total| hundredths(100.0 * resident_bytes as f64 / total as f64).min(100.0));
            match process.uid {
                Some(uid) => self.users.write(uid, out.user.get_or_insert_default()),
                None => out.user = None,
            }
            out.resident_bytes = Some(resident_bytes);
            out.threads = Some(process.threads);
            out.start_time_seconds = boot_time
                .map(|boot| hundredths(boot + process.start_ticks as f64 / host.ticks_per_second as f64));
        }
    }
}

impl Probe for Processes {
    fn name(&self) -> &'static str {
        "processes"
    }

    fn read(&mut self, host: &Host, now: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
        self.table.sample(host, now.monotonic)?;
        if self.table.processes().is_empty() {
            return Ok(Outcome::NothingHere("/proc shows no process"));
        }
        if self.look_in == 0 {
            self.look_in = SAMPLES_BETWEEN_SETTINGS;
            self.max_pid = self.pid_max.read_if_there(&host.proc)?.map(trim).and_then(number);
        }
        self.look_in -= 1;
        self.count(report.processes.get_or_insert_default());
        self.users.refresh(host);
        self.rank();
        self.list(host, report);
        Ok(Outcome::Fresh)
    }

    fn clear(&self, report: &mut Report) {
        report.process.0.clear();
        report.processes = None;
    }
}
