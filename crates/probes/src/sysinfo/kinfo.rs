//! `KERN_PROC_ALL` of macOS: every process in one call, whoever it belongs to, from the bytes that
//! sysctl(3) gives.
//!
//! A row of `struct kinfo_proc` (macOS: sys/sysctl.h, sys/proc.h), of which the 64-bit form has been the
//! same since Mac OS X 10.5. It has no processor time and no memory: those come from `proc_pidinfo`.
#![cfg_attr(not(any(target_os = "macos", test)), allow(dead_code, reason = "only macOS gives such bytes"))]

use super::source::{Row, State};
use crate::text::set_text;

/// Size of `struct kinfo_proc`.
pub(crate) const SIZE: usize = 648;

/// Where fields are in it.
mod at {
    /// `kp_proc.p_starttime`: seconds (8 bytes), microseconds (4).
    pub(super) const START: usize = 0;
    /// `kp_proc.p_stat`.
    pub(super) const STATE: usize = 36;
    /// `kp_proc.p_pid`.
    pub(super) const PID: usize = 40;
    /// `kp_proc.p_comm`, 16 bytes and a zero.
    pub(super) const NAME: usize = 243;
    /// `kp_eproc.e_ucred.cr_uid`.
    pub(super) const UID: usize = 420;
}

const NAME_BYTES: usize = 17;

/// Writes the processes over `rows`, as far as the table tells of them.
///
/// `None` if the bytes are not a table of this form in which process `own` of user `uid` stands: then
/// the system has changed it.
pub(crate) fn parse(bytes: &[u8], own: u32, uid: u32, rows: &mut Vec<Row>) -> Option<()> {
    if bytes.is_empty() || !bytes.len().is_multiple_of(SIZE) {
        return None;
    }
    let count = bytes.len() / SIZE;
    rows.truncate(count);
    rows.resize_with(count, Row::default);
    let mut own_found = false;
    for (row, entry) in rows.iter_mut().zip(bytes.chunks_exact(SIZE)) {
        read(entry, row)?;
        own_found |= row.pid == own && row.uid == Some(uid) && !row.name.is_empty();
    }
    own_found.then_some(())
}

fn read(entry: &[u8], row: &mut Row) -> Option<()> {
    let number = |at: usize| Some(u32::from_ne_bytes(entry.get(at..at + 4)?.try_into().ok()?));
    let seconds = i64::from_ne_bytes(entry.get(at::START..at::START + 8)?.try_into().ok()?);
    let micros = number(at::START + 8)?.min(999_999);
    row.pid = number(at::PID)?;
    row.start_seconds = (seconds > 0).then_some(seconds as f64 + f64::from(micros) / 1e6);
    // SIDL, SRUN, SSLEEP, SSTOP, SZOMB of sys/proc.h.
    row.state = match entry[at::STATE] {
        1 => State::Idle,
        2 => State::Running,
        3 => State::Sleeping,
        4 => State::Stopped,
        5 => State::Zombie,
        _ => State::Other,
    };
    let name = &entry[at::NAME..at::NAME + NAME_BYTES];
    let length = name.iter().position(|b| *b == 0).unwrap_or(NAME_BYTES);
    set_text(&mut row.name, &name[..length], 255);
    row.uid = Some(number(at::UID)?);
    (row.cpu_nanos, row.resident_bytes, row.threads) = (None, None, None);
    Some(())
}

/// What `proc_pidinfo` tells of a process: of our own user's, and of any to root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    /// Processor time in the units of Mach's clock.
    pub(crate) cpu_ticks: u64,
    /// Resident memory.
    pub(crate) resident_bytes: u64,
    /// Threads.
    pub(crate) threads: u32,
    /// Threads that run.
    pub(crate) running: u32,
}

/// How long a tick of Mach's clock is: `numer / denom` nanoseconds (1/1 on Intel, 125/3 on Apple silicon).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timebase {
    /// Nanoseconds.
    pub(crate) numer: u32,
    /// In so many ticks.
    pub(crate) denom: u32,
}

/// Adds what `proc_pidinfo` told to a row of the table.
///
/// The table calls every process running that is not stopped or dead; its threads know better. A
/// process whose threads we may not see has a state that we do not know.
pub(crate) fn complete(row: &mut Row, task: Option<Task>, timebase: Timebase) {
    let alive = matches!(row.state, State::Running | State::Sleeping);
    let Some(task) = task else {
        if alive {
            row.state = State::Other;
        }
        return;
    };
    if alive {
        row.state = if task.running > 0 { State::Running } else { State::Sleeping };
    }
    let nanos = u128::from(task.cpu_ticks) * u128::from(timebase.numer) / u128::from(timebase.denom.max(1));
    row.cpu_nanos = u64::try_from(nanos).ok();
    row.resident_bytes = Some(task.resident_bytes);
    row.threads = Some(task.threads);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The places are those of the headers again, by number, so that a slip in `at` shows.
    fn entry(pid: u32, uid: u32, state: u8, name: &[u8]) -> Vec<u8> {
        let mut e = vec![0xffu8; 648];
        e[0..8].copy_from_slice(&1_700_000_000i64.to_ne_bytes());
        e[8..12].copy_from_slice(&250_000i32.to_ne_bytes());
        e[36] = state;
        e[40..44].copy_from_slice(&pid.to_ne_bytes());
        e[243..260].fill(0);
        e[243..243 + name.len()].copy_from_slice(name);
        e[420..424].copy_from_slice(&uid.to_ne_bytes());
        e
    }

    #[test]
    fn every_field_is_read_from_its_place() {
        let bytes = [
            entry(1, 0, 2, b"launchd"),
            entry(77, 501, 2, b"chasar"),
            entry(78, 501, 5, b"caf\xe9 a name of"),
        ]
        .concat();
        let mut rows = vec![Row { threads: Some(9), ..Row::default() }; 7];
        parse(&bytes, 77, 501, &mut rows).unwrap();
        assert_eq!(rows.len(), 3);
        let expected = Row {
            pid: 77,
            name: "chasar".into(),
            state: State::Running,
            uid: Some(501),
            start_seconds: Some(1_700_000_000.25),
            ..Row::default()
        };
        assert_eq!(rows[1], expected);
        assert_eq!((rows[2].name.as_str(), rows[2].state), ("caf\u{FFFD} a name of", State::Zombie));
    }

    #[test]
    fn a_table_of_another_form_is_not_believed() {
        let bytes = [entry(1, 0, 2, b"launchd"), entry(77, 501, 2, b"chasar")].concat();
        let mut rows = Vec::new();
        assert!(parse(&bytes, 77, 501, &mut rows).is_some());
        for (bytes, own, uid) in [
            (&bytes[..], 78, 501),
            (&bytes, 77, 502),
            (&bytes[..SIZE + 1], 1, 0),
            (&bytes[4..], 77, 501),
            (&[], 77, 501),
        ] {
            assert!(parse(bytes, own, uid, &mut rows).is_none());
        }
    }

    #[test]
    fn threads_tell_the_state_and_the_clock_has_its_own_unit() {
        let apple_silicon = Timebase { numer: 125, denom: 3 };
        let task = Task { cpu_ticks: 24_000_000, resident_bytes: 4096, threads: 3, running: 0 };
        let mut row = Row { state: State::Running, ..Row::default() };
        complete(&mut row, Some(task), apple_silicon);
        assert_eq!((row.state, row.cpu_nanos, row.threads), (State::Sleeping, Some(1_000_000_000), Some(3)));
        assert_eq!(row.resident_bytes, Some(4096));
        complete(&mut row, Some(Task { running: 1, ..task }), apple_silicon);
        assert_eq!(row.state, State::Running);
        let mut foreign = Row { state: State::Running, ..Row::default() };
        complete(&mut foreign, None, apple_silicon);
        assert_eq!((foreign.state, foreign.cpu_nanos), (State::Other, None), "absent is not zero");
        let mut zombie = Row { state: State::Zombie, ..Row::default() };
        complete(&mut zombie, None, apple_silicon);
        assert_eq!(zombie.state, State::Zombie);
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), SIZE..=SIZE), ticks in any::<u64>(), numer in any::<u32>(), denom in any::<u32>()) {
            let mut rows = Vec::new();
            let _ = parse(&bytes, 1, 0, &mut rows);
            let task = Task { cpu_ticks: ticks, resident_bytes: 0, threads: 0, running: 0 };
            complete(&mut rows[0], Some(task), Timebase { numer, denom });
        }
    }
}
