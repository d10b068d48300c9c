//! Processes as `sysinfo` tells them: those of FreeBSD, of macOS if its own table has another form, and
//! in tests those of Linux, so that what becomes of the crate's values is seen on a real host.

use sysinfo::{ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind};

use super::{Row, State};
use crate::ProbeError;
use crate::sysinfo::trouble;
use crate::text::set_text;

/// The processes of this computer.
#[derive(Default)]
pub(crate) struct Processes {
    system: Option<System>,
}

impl Processes {
    /// Writes all of them over `rows`.
    ///
    /// # Errors
    /// If the crate cannot read this system; a system that lists no process is no error here.
    pub(crate) fn read(&mut self, rows: &mut Vec<Row>) -> Result<(), ProbeError> {
        let system = match &mut self.system {
            Some(system) => system,
            none => none.insert(System::new().map_err(trouble("processes"))?),
        };
        read(system, rows);
        Ok(())
    }
}

fn read(system: &mut System, rows: &mut Vec<Row>) {
    let wanted =
        ProcessRefreshKind::nothing().with_cpu().with_memory().with_user(UpdateKind::Always).without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, wanted);
    rows.truncate(system.processes().len());
    rows.resize_with(system.processes().len(), Row::default);
    for (row, (pid, process)) in rows.iter_mut().zip(system.processes()) {
        row.pid = pid.as_u32();
        set_text(&mut row.name, process.name().as_encoded_bytes(), 255);
        row.state = state(process.status());
        row.uid = process.effective_user_id().or(process.user_id()).map(|uid| **uid);
        row.start_seconds = Some(process.start_time() as f64).filter(|at| *at > 0.0);
        row.cpu_nanos = process.accumulated_cpu_time().checked_mul(1_000_000);
        row.resident_bytes = Some(process.memory());
        row.threads = None;
    }
}

fn state(status: ProcessStatus) -> State {
    match status {
        ProcessStatus::Run => State::Running,
        ProcessStatus::Sleep => State::Sleeping,
        ProcessStatus::UninterruptibleDiskSleep | ProcessStatus::LockBlocked => State::DiskSleep,
        ProcessStatus::Idle => State::Idle,
        ProcessStatus::Stop | ProcessStatus::Tracing | ProcessStatus::Suspended => State::Stopped,
        ProcessStatus::Zombie => State::Zombie,
        _ => State::Other,
    }
}
