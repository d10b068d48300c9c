//! `SystemProcessInformation` (class 5 of `NtQuerySystemInformation`): every process with its threads, in
//! one buffer of records that tell where the next one begins.

use super::bytes::Bytes;

/// More processes than this are not read; no Windows has been seen with a tenth of it.
pub const MAX_PROCESSES: usize = 65_536;

/// Bytes of a record before its threads (`SYSTEM_PROCESS_INFORMATION` on 64-bit Windows).
const HEADER_BYTES: usize = 0x100;
/// Bytes of one thread (`SYSTEM_THREAD_INFORMATION`).
const THREAD_BYTES: usize = 0x50;

/// What a process does, seen from its threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A thread of it runs or is ready to run.
    Running,
    /// All threads wait.
    Sleeping,
    /// All threads are suspended, as Windows does with store apps in the background and debuggers do.
    Stopped,
    /// It has ended, and somebody still holds a handle of it.
    Zombie,
    /// The system does not say what its threads do.
    Unknown,
}

impl State {
    /// In psutil's words.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Sleeping => "sleeping",
            State::Stopped => "stopped",
            State::Zombie => "zombie",
            State::Running => "running",
            // No word of psutil's, which would call it running.
            State::Unknown => "unknown",
        }
    }
}

/// One process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Process id; 0 is the idle process, which is none.
    pub pid: u32,
    /// Threads.
    pub threads: u32,
    /// Threads that run or are ready to.
    pub threads_running: u32,
    /// What it does.
    pub state: State,
    /// User and kernel time, in 100 nanoseconds.
    pub cpu_time: u64,
    /// When it was made, a `FILETIME`; with the pid it tells one process from the next of that number.
    pub created: i64,
    /// Working set.
    pub resident_bytes: u64,
    /// Where in the buffer its name is (UTF-16), and how long, in bytes.
    pub name: (usize, usize),
}

/// Reads the processes of a buffer, over what is in `into`, in the order of the system.
///
/// # Errors
/// Says what is wrong with the buffer; the processes before that place are in `into`.
pub fn parse(buffer: Bytes<'_>, into: &mut Vec<Process>) -> Result<(), &'static str> {
    into.clear();
    let mut at = 0;
    if buffer.is_empty() {
        return Ok(());
    }
    loop {
        let next = record(buffer, at, into).ok_or("a process reaches over the end of the list")?;
        if next == 0 {
            return Ok(());
        }
        if into.len() == MAX_PROCESSES {
            return Err("the list has more than 65,536 processes");
        }
        // Records are never shorter, so a list cannot lead back or in circles.
        if (next as usize) < HEADER_BYTES {
            return Err("two processes of the list overlap");
        }
        at += next as usize;
    }
}

/// Reads the record at `at`; how far on the next one is, 0 for none.
fn record(buffer: Bytes<'_>, at: usize, into: &mut Vec<Process>) -> Option<u32> {
    let bytes = buffer.slice(at, HEADER_BYTES)?;
    let record = Bytes::new(bytes, 0);
    let next = record.u32(0)?;
    let threads = record.u32(4)?;
    let times = |at| record.i64(at).map(|t| u64::try_from(t).unwrap_or(0));
    let name_bytes = usize::from(record.u16(0x38)?);
    // A name that is not in the buffer is no name; the numbers are still good.
    let name = buffer.follow(at + 0x40).filter(|start| buffer.slice(*start, name_bytes).is_some());
    let (threads_running, state) = look_at_threads(buffer, at + HEADER_BYTES, threads);
    into.push(Process {
        // A pid is a handle of the kernel; it is far below 2³².
        pid: u32::try_from(record.u64(0x50)?).ok()?,
        threads,
        threads_running,
        state,
        cpu_time: times(0x28)?.saturating_add(times(0x30)?),
        created: record.i64(0x20)?,
        resident_bytes: record.u64(0x90)?,
        name: name.map_or((0, 0), |start| (start, name_bytes)),
    });
    Some(next)
}

/// States of a thread (`KTHREAD_STATE`) and the one reason to wait (`KWAIT_REASON`) that matter here.
mod thread {
    pub(super) const READY: u32 = 1;
    pub(super) const RUNNING: u32 = 2;
    pub(super) const STANDBY: u32 = 3;
    pub(super) const WAITING: u32 = 5;
    pub(super) const TRANSITION: u32 = 6;
    pub(super) const DEFERRED_READY: u32 = 7;
    pub(super) const SUSPENDED: u32 = 5;
}

fn look_at_threads(buffer: Bytes<'_>, first: usize, count: u32) -> (u32, State) {
    if count == 0 {
        return (0, State::Zombie);
    }
    let (mut running, mut waiting, mut suspended) = (0, 0, 0);
    for i in 0..count as usize {
        let at = first.saturating_add(i.saturating_mul(THREAD_BYTES));
        let (Some(state), Some(reason)) = (buffer.u32(at + 0x44), buffer.u32(at + 0x48)) else {
            // Threads that are not there: the count is all that is known.
            return (0, State::Unknown);
        };
        match state {
            thread::READY | thread::RUNNING | thread::STANDBY | thread::DEFERRED_READY => running += 1,
            thread::WAITING if reason == thread::SUSPENDED => suspended += 1,
            thread::WAITING | thread::TRANSITION => waiting += 1,
            _ => {}
        }
    }
    let state = match (running, waiting, suspended) {
        (1.., _, _) => State::Running,
        (0, 1.., _) => State::Sleeping,
        (0, 0, 1..) => State::Stopped,
        _ => State::Unknown,
    };
    (running, state)
}

/// All processes, from one sample to the next.
#[derive(Debug, Default)]
pub struct Table {
    processes: Vec<Process>,
    /// Pid, time of making and processor time at the sample before, by pid.
    before: Vec<(u32, i64, u64)>,
    sampled: bool,
}

impl Table {
    /// Takes the next reading. The idle process, which only stands for what is not used, is left out.
    ///
    /// # Errors
    /// Says what is wrong with the buffer.
    pub fn sample(&mut self, buffer: Bytes<'_>) -> Result<(), &'static str> {
        self.before.clear();
        self.before.extend(self.processes.iter().map(|p| (p.pid, p.created, p.cpu_time)));
        self.sampled = !self.before.is_empty();
        // Half a list would make the other half look new at the next sample.
        parse(buffer, &mut self.processes).inspect_err(|_| self.processes.clear())?;
        self.processes.retain(|process| process.pid != 0);
        self.processes.sort_unstable_by_key(|process| process.pid);
        Ok(())
    }

    /// All processes, by pid.
    pub fn processes(&self) -> &[Process] {
        &self.processes
    }

    /// Processor time used since the sample before, in 100 nanoseconds; `None` at the first sample.
    ///
    /// A process that was not there before has used all of its time since.
    pub fn used(&self, process: &Process) -> Option<u64> {
        let before = self.before.binary_search_by_key(&process.pid, |b| b.0).ok().map(|at| self.before[at]);
        match before {
            Some((_, created, time)) if created == process.created => {
                Some(process.cpu_time.saturating_sub(time))
            }
            _ => self.sampled.then_some(process.cpu_time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::bytes::set_wide;
    use super::*;
    use chasar_wire::Text;
    use proptest::prelude::*;

    const BASE: u64 = 0x7000_0000;

    /// A record as Windows lays it out: header, threads, name.
    fn record(pid: u64, name: &str, threads: &[(u32, u32)], last: bool, at: usize) -> Vec<u8> {
        let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let name_at = HEADER_BYTES + threads.len() * THREAD_BYTES;
        let len = (name_at + wide.len()).next_multiple_of(8);
        let mut bytes = vec![0; len];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &(if last { 0 } else { len as u32 }).to_le_bytes());
        put(4, &(threads.len() as u32).to_le_bytes());
        put(0x20, &133_500_000_000_000_000i64.to_le_bytes());
        put(0x28, &30i64.to_le_bytes());
        put(0x30, &12i64.to_le_bytes());
        put(0x38, &(wide.len() as u16).to_le_bytes());
        put(0x40, &(BASE + (at + name_at) as u64).to_le_bytes());
        put(0x50, &pid.to_le_bytes());
        put(0x90, &(pid * 4096).to_le_bytes());
        for (i, (state, reason)) in threads.iter().enumerate() {
            put(HEADER_BYTES + i * THREAD_BYTES + 0x44, &state.to_le_bytes());
            put(HEADER_BYTES + i * THREAD_BYTES + 0x48, &reason.to_le_bytes());
        }
        put(name_at, &wide);
        bytes
    }

    fn list() -> Vec<u8> {
        let mut bytes = Vec::new();
        for (pid, name, threads, last) in [
            (0, "", &[(2, 0)][..], false),
            (4, "System", &[(5, 0), (1, 0)], false),
            (716, "SearchHost.exe", &[(5, 5), (5, 5)], false),
            (720, "svchost.exe", &[(5, 15), (5, 5)], false),
            (992, "gone.exe", &[], false),
            (996, "wine.exe", &[(0, 0)], true),
        ] {
            let next = record(pid, name, threads, last, bytes.len());
            bytes.extend(next);
        }
        bytes
    }

    #[test]
    fn every_process_is_read_with_its_name_and_state() {
        let (bytes, mut processes) = (list(), Vec::new());
        let buffer = Bytes::new(&bytes, BASE);
        parse(buffer, &mut processes).unwrap();
        let seen: Vec<_> = processes
            .iter()
            .map(|p| {
                let mut name = Text::default();
                set_wide(&mut name, buffer.slice(p.name.0, p.name.1).unwrap(), 255);
                (p.pid, name.to_string(), p.threads, p.state)
            })
            .collect();
        let expected = [
            (0, "", 1, State::Running),
            (4, "System", 2, State::Running),
            (716, "SearchHost.exe", 2, State::Stopped),
            (720, "svchost.exe", 2, State::Sleeping),
            (992, "gone.exe", 0, State::Zombie),
            (996, "wine.exe", 1, State::Unknown),
        ];
        assert_eq!(seen, expected.map(|(pid, name, n, state)| (pid, name.to_owned(), n, state)));
        assert_eq!(processes[1].threads_running, 1);
        assert_eq!((processes[2].cpu_time, processes[2].resident_bytes), (42, 716 * 4096));
    }

    #[test]
    fn a_list_that_is_cut_or_leads_astray_is_said() {
        let mut processes = Vec::new();
        let bytes = list();
        let cut = parse(Bytes::new(&bytes[..0x180], BASE), &mut processes).unwrap_err();
        assert_eq!((cut, processes.len()), ("a process reaches over the end of the list", 1));
        for next in [8u32, 0xff] {
            let mut circle = bytes.clone();
            circle[..4].copy_from_slice(&next.to_le_bytes());
            assert_eq!(
                parse(Bytes::new(&circle, BASE), &mut processes),
                Err("two processes of the list overlap")
            );
        }
        let mut elsewhere = bytes;
        elsewhere[0x150 + 0x40..][..8].copy_from_slice(&1u64.to_le_bytes());
        parse(Bytes::new(&elsewhere, BASE), &mut processes).unwrap();
        assert_eq!((processes[1].name, processes[1].threads), ((0, 0), 2), "a name elsewhere is no name");
        parse(Bytes::new(&[], BASE), &mut processes).unwrap();
        assert_eq!(processes, []);
    }

    #[test]
    fn used_time_is_that_of_the_same_process() {
        let mut table = Table::default();
        let first = list();
        table.sample(Bytes::new(&first, BASE)).unwrap();
        assert_eq!(table.processes().iter().map(|p| p.pid).collect::<Vec<_>>(), [4, 716, 720, 992, 996]);
        assert_eq!(table.used(&table.processes()[0]), None, "there was no sample before");
        let mut second = first.clone();
        // The second process (pid 4) has run, the third has the pid of another that is gone.
        let third = 0x150 + record(4, "System", &[(5, 0), (1, 0)], false, 0).len();
        second[0x150 + 0x28] += 5;
        second[third + 0x20] += 1;
        table.sample(Bytes::new(&second, BASE)).unwrap();
        let used: Vec<_> = table.processes().iter().map(|p| table.used(p)).collect();
        assert_eq!(used, [Some(5), Some(42), Some(0), Some(0), Some(0)]);
    }

    proptest! {
        #[test]
        fn a_spoiled_list_never_panics(at in 0..2000usize, spoil in any::<[u8; 8]>(), len in 0..2200usize) {
            let mut bytes = list();
            let n = bytes.len();
            for (i, byte) in spoil.iter().enumerate() {
                bytes[(at + i) % n] = *byte;
            }
            let mut processes = Vec::new();
            let _ = parse(Bytes::new(&bytes[..len.min(n)], BASE), &mut processes);
            prop_assert!(processes.iter().all(|p| p.name.0 + p.name.1 <= n));
        }
    }
}
