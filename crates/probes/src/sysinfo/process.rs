//! Processes: all of them counted, the busiest listed.

use std::time::Duration;

use chasar_wire::Report;
use chasar_wire::family::ProcessCounts;

use super::source::{self, Row, State};
use super::users::Users;
use crate::rank::{self, Rank, share};
use crate::text::{copy_text, hundredths};
use crate::{Host, Now, Outcome, Probe, ProbeError, ProcessList, Setup};

pub(crate) fn make(setup: &Setup<'_>) -> Box<dyn Probe> {
    Box::new(Processes {
        list: setup.config.processes,
        source: source::Processes::default(),
        rows: Vec::new(),
        table: Table::default(),
        users: Users::new(setup.background),
        ranks: Vec::new(),
    })
}

/// A process this much older than the last sample is not new, only newly listed: its whole processor
/// time would be a spike.
const LATE_SECONDS: f64 = 2.0;

struct Processes {
    list: ProcessList,
    source: source::Processes,
    rows: Vec<Row>,
    table: Table,
    users: Users,
    ranks: Vec<Rank>,
}

/// What is kept of processes between samples.
#[derive(Default)]
struct Table {
    /// By process id, ascending.
    seen: Vec<Seen>,
    at: Option<Duration>,
    elapsed: Duration,
}

/// A process as of the last sample.
#[derive(Clone, Copy, Debug)]
struct Seen {
    pid: u32,
    start_seconds: Option<f64>,
    cpu_nanos: Option<u64>,
    used_nanos: Option<u64>,
}

impl Table {
    /// Takes a new list, sorted by process id.
    fn advance(&mut self, rows: &[Row], now: &Now) {
        let first = self.at.is_none();
        self.elapsed = now.monotonic.saturating_sub(self.at.unwrap_or(now.monotonic));
        self.at = Some(now.monotonic);
        let since = now.unix_micros as f64 / 1e6 - self.elapsed.as_secs_f64() - LATE_SECONDS;
        let before = std::mem::take(&mut self.seen);
        self.seen.extend(rows.iter().map(|row| {
            let same = before
                .binary_search_by_key(&row.pid, |s| s.pid)
                .ok()
                .map(|at| before[at])
                .filter(|s| s.start_seconds == row.start_seconds);
            let used_nanos = match same {
                // A clock that steps back is no spike.
                Some(seen) => row.cpu_nanos.zip(seen.cpu_nanos).map(|(now, then)| now.saturating_sub(then)),
                None if !first && row.start_seconds.is_some_and(|start| start >= since) => row.cpu_nanos,
                None => None,
            };
            let Row { pid, start_seconds, cpu_nanos, .. } = *row;
            Seen { pid, start_seconds, cpu_nanos, used_nanos }
        }));
    }
}

fn count(rows: &[Row], counts: &mut ProcessCounts) {
    *counts = ProcessCounts::default();
    let mut threads = Some(0);
    for row in rows {
        let of_state = match row.state {
            State::Running => &mut counts.running,
            State::Sleeping => &mut counts.sleeping,
            State::DiskSleep => &mut counts.disk_sleep,
            State::Idle => &mut counts.idle,
            State::Stopped => &mut counts.stopped,
            State::Zombie => &mut counts.zombie,
            State::Other => &mut counts.other,
        };
        *of_state += 1;
        counts.total += 1;
        // Without those of one process it would not be the number of all threads; the dead have none.
        let of_row = row.threads.or((row.state == State::Zombie).then_some(0));
        threads = threads.zip(of_row).map(|(all, some)| all + u64::from(some));
    }
    counts.threads = threads;
}

fn status(state: State) -> &'static str {
    match state {
        State::Running => "running",
        State::Sleeping => "sleeping",
        State::DiskSleep => "disk-sleep",
        State::Idle => "idle",
        State::Stopped => "stopped",
        State::Zombie => "zombie",
        State::Other => "unknown",
    }
}

impl Processes {
    fn rank(&mut self) {
        self.ranks.clear();
        let limit = self.list.limit();
        if limit == 0 {
            return;
        }
        for (at, (row, seen)) in self.rows.iter().zip(&self.table.seen).enumerate() {
            let share = share(seen.used_nanos, self.table.elapsed);
            self.ranks.push(Rank::new(share, row.resident_bytes.unwrap_or(0), at));
        }
        rank::busiest(&mut self.ranks, limit);
    }

    fn tell(&self, report: &mut Report) {
        let memory = report.memory.total_bytes.filter(|total| *total > 0);
        let listed = &mut report.process.0;
        listed.resize_with(self.ranks.len(), Default::default);
        for (rank, out) in self.ranks.iter().zip(listed) {
            let row = &self.rows[rank.at];
            copy_text(&mut out.name, &row.name);
            out.pid = row.pid;
            out.status.clear();
            out.status.push_str(status(row.state));
            out.percent_cpu_used = share(self.table.seen[rank.at].used_nanos, self.table.elapsed);
            out.percent_memory_used = memory
                .zip(row.resident_bytes)
                .map(|(total, resident)| hundredths(100.0 * resident as f64 / total as f64).min(100.0));
            match row.uid {
                Some(uid) => self.users.write(uid, out.user.get_or_insert_default()),
                None => out.user = None,
            }
            out.resident_bytes = row.resident_bytes;
            out.threads = row.threads;
            out.start_time_seconds = row.start_seconds.map(hundredths);
        }
    }
}

impl Probe for Processes {
    fn name(&self) -> &'static str {
        "processes"
    }

    fn read(&mut self, _: &Host, now: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
        self.source.read(&mut self.rows)?;
        if self.rows.is_empty() {
            return Err(ProbeError::Reported("the system listed no process".to_owned()));
        }
        self.rows.sort_unstable_by_key(|row| row.pid);
        self.table.advance(&self.rows, now);
        count(&self.rows, report.processes.get_or_insert_default());
        self.users.refresh(now);
        self.rank();
        self.tell(report);
        Ok(Outcome::Fresh)
    }

    fn clear(&self, report: &mut Report) {
        report.process.0.clear();
        report.processes = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(pid: u32, start: f64, millis: u64) -> Row {
        Row {
            pid,
            start_seconds: Some(start),
            cpu_nanos: Some(millis * 1_000_000),
            state: State::Sleeping,
            threads: Some(1),
            ..Row::default()
        }
    }

    /// Shares after each list, a second apart.
    fn shares(lists: &[Vec<Row>]) -> Vec<Option<f64>> {
        let mut table = Table::default();
        for (second, rows) in (0..).zip(lists) {
            let now = Now {
                unix_micros: (1000 + second as i64) * 1_000_000,
                monotonic: Duration::from_secs(second),
            };
            table.advance(rows, &now);
        }
        table.seen.iter().map(|s| share(s.used_nanos, table.elapsed)).collect()
    }

    #[test]
    fn a_share_is_of_the_time_since_the_last_sample() {
        let first = vec![row(1, 5.0, 900_000), row(7, 6.0, 100)];
        assert_eq!(shares(std::slice::from_ref(&first)), [None, None], "a first reading has none");
        assert_eq!(shares(&[first, vec![row(1, 5.0, 900_000), row(7, 6.0, 350)]]), [Some(0.0), Some(25.0)]);
    }

    #[test]
    fn a_newborn_has_a_share_and_what_is_only_newly_listed_has_none() {
        let newborn = row(8, 1000.5, 500);
        let hidden_before = row(9, 10.0, 800_000);
        let lists = [vec![row(1, 5.0, 0)], vec![row(1, 5.0, 0), newborn, hidden_before]];
        assert_eq!(shares(&lists), [Some(0.0), Some(50.0), None]);
        let again = [vec![row(7, 5.0, 90_000)], vec![row(7, 1000.9, 100)]];
        assert_eq!(shares(&again), [Some(10.0)], "a pid given out again is another process");
        assert_eq!(shares(&[vec![row(7, 5.0, 90)], vec![row(7, 5.0, 80)]]), [Some(0.0)]);
    }

    #[test]
    fn what_may_not_be_seen_is_absent() {
        let unseen = Row { cpu_nanos: None, threads: None, state: State::Other, ..row(7, 5.0, 0) };
        assert_eq!(shares(&[vec![unseen.clone()], vec![unseen.clone()]]), [None]);
        let mut counts = ProcessCounts::default();
        count(&[row(1, 5.0, 0), unseen], &mut counts);
        assert_eq!((counts.total, counts.sleeping, counts.other, counts.threads), (2, 1, 1, None));
        let zombie = Row { state: State::Zombie, threads: None, ..row(9, 5.0, 0) };
        count(&[row(1, 5.0, 0), zombie], &mut counts);
        assert_eq!((counts.total, counts.zombie, counts.threads), (2, 1, Some(1)));
    }
}
