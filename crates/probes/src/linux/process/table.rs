//! All processes, kept up to date by their processor clocks.
//!
//! A process whose clock has not moved has not run, so its state, name and threads are what they
//! were and its file need not be opened. New processes are found by the last pid that
//! `/proc/loadavg` tells; now and then the whole folder is listed. Where there are no such clocks,
//! every file is read.

use std::ffi::CStr;
use std::io;
use std::time::Duration;

use super::stat::{self, FORKED_ONLY, KERNEL_THREAD, NAME_BYTES, Stat};
use crate::linux::file::{Dir, Kept};
use crate::linux::lxcfs;
use crate::linux::sys::{self, Fd};
use crate::linux::text::{number, words};
use crate::{Host, ProbeError};

/// One process as of the last sample.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) state: u8,
    pub(crate) threads: u32,
    /// Resident memory as `stat` has it, which is off by up to some hundred pages a core.
    resident_pages: u64,
    /// Resident memory as `statm` has it, which sums up what each core has counted; once somebody asked.
    exact_resident_pages: Option<u64>,
    /// In ticks after boot; with the pid it tells one process from the next of that number.
    pub(crate) start_ticks: u64,
    /// Processor time used between the last two samples; `None` if there was no sample before.
    pub(crate) used_nanos: Option<u64>,
    /// Effective user, once somebody asked.
    pub(crate) uid: Option<u32>,
    /// For how many samples it has been known, up to 255.
    samples: u8,
    cpu_nanos: u64,
    flags: u64,
    name: [u8; NAME_BYTES],
    name_len: u8,
}

impl Process {
    /// Its name, as the kernel has it.
    pub(crate) fn name(&self) -> &[u8] {
        &self.name[..usize::from(self.name_len)]
    }

    /// Which of [`IDLE_PARTS`] it belongs to.
    fn part(&self) -> u32 {
        // Pids often come in regular steps, so they are mixed before they are dealt into parts.
        self.pid.wrapping_mul(0x9E37_79B1) >> 28
    }

    /// Resident memory, as exactly as it is known.
    pub(crate) fn resident_pages(&self) -> u64 {
        self.exact_resident_pages.unwrap_or(self.resident_pages)
    }

    fn new(pid: u32) -> Process {
        Process {
            pid,
            state: 0,
            threads: 0,
            resident_pages: 0,
            exact_resident_pages: None,
            start_ticks: 0,
            used_nanos: None,
            uid: None,
            samples: 0,
            cpu_nanos: 0,
            flags: 0,
            name: [0; NAME_BYTES],
            name_len: 0,
        }
    }

    fn read_statm(&mut self, proc: &Dir) {
        let mut buffer = [0u8; 256];
        let text = read_file(proc, PidPath::new(self.pid).of(b"/statm"), &mut buffer);
        self.exact_resident_pages = text.ok().and_then(stat::parse_statm);
    }

    fn take(&mut self, stat: &Stat<'_>) {
        // A new name or the first exec may come with another user (set-user-ID programs, daemons).
        if stat.name != self.name() || (self.flags ^ stat.flags) & FORKED_ONLY != 0 {
            self.uid = None;
        }
        self.name[..stat.name.len()].copy_from_slice(stat.name);
        self.name_len = stat.name.len() as u8;
        self.state = stat.state;
        self.flags = stat.flags;
        self.threads = stat.threads;
        self.start_ticks = stat.start_ticks;
        self.resident_pages = stat.resident_pages;
        self.exact_resident_pages = None;
    }
}

/// A process changes its user soon after it was started if at all (daemons, logins), so for this
/// many samples its user is looked up each time it is listed; later only in turn.
pub(crate) const YOUNG_SAMPLES: u8 = 8;

/// Every so many samples the whole folder is listed, in case a process came in a way that pids do not tell.
const SAMPLES_BETWEEN_LISTINGS: u64 = 10;
/// One in so many idle processes is read at each sample: resident memory can change without running.
const IDLE_PARTS: u32 = 16;
/// Asking a clock costs about two thirds of an entry in a listing.
const PROBES_FOR_A_LISTED_PROCESS: u32 = 3;

/// All processes, in the order of their pids.
pub(crate) struct Table {
    processes: Vec<Process>,
    loadavg: Kept,
    /// LXCFS gives pids of another namespace there.
    tells_last_pid: bool,
    proc: Option<Fd>,
    /// The last pid that had been given out at the last sample.
    last_pid: Option<u32>,
    samples: u64,
    listing: Vec<u8>,
    found: Vec<u32>,
    /// When the last sample was, on the monotonic clock.
    at: Option<Duration>,
    /// Time between the last two samples.
    elapsed: Duration,
}

impl Table {
    pub(crate) fn new(host: &Host) -> Table {
        Table {
            processes: Vec::new(),
            tells_last_pid: !lxcfs::covers(host, b"/proc/loadavg"),
            loadavg: Kept::whole(c"loadavg"),
            proc: None,
            last_pid: None,
            samples: 0,
            listing: vec![0; 32 << 10],
            found: Vec::new(),
            at: None,
            elapsed: Duration::ZERO,
        }
    }

    /// All processes.
    pub(crate) fn processes(&self) -> &[Process] {
        &self.processes
    }

    /// The process at a place in [`Table::processes`], with its user and its exact resident memory,
    /// which only those that are listed are asked for.
    pub(crate) fn complete(&mut self, at: usize, host: &Host) -> &Process {
        let turn = (self.samples % u64::from(IDLE_PARTS)) as u32;
        let process = &mut self.processes[at];
        if process.uid.is_none() || process.samples < YOUNG_SAMPLES || process.part() == turn {
            process.uid = host.owner(process.pid, PidPath::new(process.pid).of(b"")).ok();
        }
        // Kernel threads and zombies have no memory to ask about.
        if process.exact_resident_pages.is_none() && process.resident_pages > 0 {
            process.read_statm(&host.proc);
        }
        process
    }

    /// Time over which [`Process::used_nanos`] was used; zero at the first sample.
    pub(crate) fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Brings the table up to date.
    pub(crate) fn sample(&mut self, host: &Host, monotonic: Duration) -> Result<(), ProbeError> {
        self.elapsed = self.at.map_or(Duration::ZERO, |at| monotonic.saturating_sub(at));
        let first = self.at.is_none();
        let last_pid = match self.tells_last_pid {
            true => self.loadavg.read_if_there(&host.proc)?.and_then(last_pid),
            false => None,
        };
        self.known(host);
        self.newcomers(host, last_pid, first)?;
        self.last_pid = last_pid;
        self.at = Some(monotonic);
        self.samples += 1;
        Ok(())
    }

    /// Asks the clocks of all known processes, and reads the files of those that have run.
    fn known(&mut self, host: &Host) {
        let clocks = host.has_cpu_clocks();
        let part = (self.samples % u64::from(IDLE_PARTS)) as u32;
        self.processes.retain_mut(|process| {
            process.samples = process.samples.saturating_add(1);
            let mut clock = None;
            if clocks {
                let Ok(nanos) = host.cpu_nanos(process.pid) else { return false };
                if nanos == process.cpu_nanos {
                    process.used_nanos = Some(0);
                    if process.part() != part || process.flags & KERNEL_THREAD != 0 {
                        return true;
                    }
                    // It has not run, so nothing but its memory can have changed.
                    process.read_statm(&host.proc);
                    if process.exact_resident_pages.is_some() {
                        return true;
                    }
                }
                clock = Some(nanos);
            }
            update(process, host, clock, false)
        });
    }

    /// Adds processes that were not there at the last sample.
    fn newcomers(&mut self, host: &Host, last_pid: Option<u32>, first: bool) -> Result<(), ProbeError> {
        let before = self.last_pid;
        let range = match (before, last_pid) {
            (Some(before), Some(last)) if last >= before => Some((before, last)),
            _ => None,
        };
        let most = PROBES_FOR_A_LISTED_PROCESS * (self.processes.len() as u32 + 64) / 2;
        let listing_due = self.samples.is_multiple_of(SAMPLES_BETWEEN_LISTINGS);
        self.found.clear();
        match range {
            Some((before, last)) if host.has_cpu_clocks() && !listing_due && last - before <= most => {
                let found = (before + 1..=last).filter(|pid| host.cpu_nanos(*pid).is_ok());
                self.found.extend(found);
            }
            _ => self.list(host)?,
        }
        let known = self.processes.len();
        let mut in_order = true;
        for i in 0..self.found.len() {
            let pid = self.found[i];
            if self.processes[..known].binary_search_by_key(&pid, |p| p.pid).is_ok() {
                continue;
            }
            let clock = if host.has_cpu_clocks() {
                let Ok(nanos) = host.cpu_nanos(pid) else { continue };
                Some(nanos)
            } else {
                None
            };
            let mut process = Process::new(pid);
            // What was started since the last sample has used all its time since then.
            let born = !first && given_out_since(pid, before, last_pid);
            if update(&mut process, host, clock, born) {
                in_order &= self.processes.last().is_none_or(|last| last.pid < pid);
                self.processes.push(process);
            }
        }
        if !in_order {
            self.processes.sort_unstable_by_key(|p| p.pid);
        }
        Ok(())
    }

    /// Lists the pids of the whole folder.
    fn list(&mut self, host: &Host) -> Result<(), ProbeError> {
        let error = |e| host.proc.error(c"", e);
        let folder = match &self.proc {
            Some(folder) => folder,
            None => self.proc.insert(host.proc.folder(c".").map_err(error)?),
        };
        sys::rewind(folder).map_err(error)?;
        loop {
            let n = sys::getdents(folder, &mut self.listing).map_err(error)?;
            if n == 0 {
                break;
            }
            self.found
                .extend(names(&self.listing[..n]).filter_map(number).filter_map(|n| u32::try_from(n).ok()));
        }
        if !self.found.is_sorted() {
            self.found.sort_unstable();
        }
        Ok(())
    }
}

/// Whether a pid was given out after `before` was the last one; `last` is the last one now.
pub(crate) fn given_out_since(pid: u32, before: Option<u32>, last: Option<u32>) -> bool {
    match (before, last) {
        // Pids wrap around at the largest.
        (Some(before), Some(last)) if last < before => pid > before || pid <= last,
        (Some(before), _) => pid > before,
        (None, _) => false,
    }
}

/// Reads the file of a process; `false` if it is gone. `clock` is its processor time as its clock
/// says, if there are clocks. `born`: it was started after the last sample.
fn update(process: &mut Process, host: &Host, clock: Option<u64>, born: bool) -> bool {
    let mut path = PidPath::new(process.pid);
    let mut buffer = [0u8; 1024];
    let Ok(text) = read_file(&host.proc, path.of(b"/stat"), &mut buffer) else { return false };
    let Some(stat) = stat::parse(text) else { return false };
    let known = process.state != 0;
    let successor = known && process.start_ticks != stat.start_ticks;
    if successor {
        *process = Process::new(process.pid);
    }
    let nanos =
        clock.unwrap_or_else(|| stat.cpu_ticks.saturating_mul(1_000_000_000 / host.ticks_per_second.max(1)));
    process.used_nanos = match known {
        // The number was given out again, which can only have been since the last sample.
        true if successor => Some(nanos),
        // The clock may step back by the part of a tick that another core had yet to account.
        true => Some(nanos.saturating_sub(process.cpu_nanos)),
        false if born => Some(nanos),
        false => None,
    };
    process.cpu_nanos = nanos;
    process.take(&stat);
    true
}

fn read_file<'b>(proc: &Dir, path: &CStr, buffer: &'b mut [u8]) -> io::Result<&'b [u8]> {
    let file = proc.file(path)?;
    // One read gives the whole file: the kernel writes it in one piece, and it is shorter than the buffer.
    let n = sys::read(&file, buffer)?;
    Ok(&buffer[..n])
}

/// `<pid>/…` relative to `/proc`, without allocating.
struct PidPath {
    bytes: [u8; 32],
    digits: usize,
}

impl PidPath {
    fn new(pid: u32) -> PidPath {
        use std::io::Write;
        let mut bytes = [0; 32];
        let mut rest = &mut bytes[..];
        // Ten digits always fit.
        let _ = write!(rest, "{pid}");
        let digits = 32 - rest.len();
        PidPath { bytes, digits }
    }

    /// The path of a file of the process; `file` is at most 20 bytes long.
    fn of(&mut self, file: &[u8]) -> &CStr {
        self.bytes[self.digits..].fill(0);
        self.bytes[self.digits..][..file.len()].copy_from_slice(file);
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or(c"")
    }
}

/// The last pid that was given out: the last word of `/proc/loadavg`.
pub(crate) fn last_pid(text: &[u8]) -> Option<u32> {
    words(text.trim_ascii_end()).nth(4).and_then(number).and_then(|pid| u32::try_from(pid).ok())
}

/// The names in a buffer of `struct linux_dirent64` (getdents64(2)).
pub(crate) fn names(mut entries: &[u8]) -> impl Iterator<Item = &[u8]> {
    /// Offset of the length of an entry, and of its name.
    const LENGTH: usize = 16;
    const NAME: usize = 19;
    std::iter::from_fn(move || {
        let length = entries.get(LENGTH..LENGTH + 2)?;
        let length = usize::from(u16::from_ne_bytes([length[0], length[1]]));
        if length <= NAME || length > entries.len() {
            return None;
        }
        let (entry, rest) = entries.split_at(length);
        entries = rest;
        let name = &entry[NAME..];
        Some(&name[..name.iter().position(|b| *b == 0).unwrap_or(name.len())])
    })
}
