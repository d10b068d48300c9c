//! macOS: Mach's times of cores, libproc and sysctl for processes, sysctl for interfaces.

use std::mem::{MaybeUninit, offset_of};
use std::sync::OnceLock;

use super::bsd::sysctl;
use super::{Cores, Link, Row, crate_processes};
use crate::ProbeError;
use crate::sysinfo::kinfo::{self, Task, Timebase};
use crate::sysinfo::{iflist, route};

/// Where `iflist` and `route` look must be where the system's headers have it.
const _: () = {
    use crate::sysinfo::iflist::at;
    use libc::{if_data64, if_msghdr2, rt_msghdr};
    assert!(size_of::<if_msghdr2>() == at::END);
    assert!(offset_of!(if_msghdr2, ifm_flags) == at::FLAGS);
    assert!(offset_of!(if_msghdr2, ifm_index) == at::INDEX);
    assert!(offset_of!(if_msghdr2, ifm_snd_drops) == at::SEND_DROPS);
    assert!(offset_of!(if_msghdr2, ifm_data) == at::DATA);
    assert!(at::DATA + offset_of!(if_data64, ifi_mtu) == at::MTU);
    assert!(at::DATA + offset_of!(if_data64, ifi_baudrate) == at::BAUDRATE);
    assert!(at::DATA + offset_of!(if_data64, ifi_ipackets) == at::IPACKETS);
    assert!(at::DATA + offset_of!(if_data64, ifi_ierrors) == at::IERRORS);
    assert!(at::DATA + offset_of!(if_data64, ifi_opackets) == at::OPACKETS);
    assert!(at::DATA + offset_of!(if_data64, ifi_oerrors) == at::OERRORS);
    assert!(at::DATA + offset_of!(if_data64, ifi_collisions) == at::COLLISIONS);
    assert!(at::DATA + offset_of!(if_data64, ifi_ibytes) == at::IBYTES);
    assert!(at::DATA + offset_of!(if_data64, ifi_obytes) == at::OBYTES);
    assert!(at::DATA + offset_of!(if_data64, ifi_imcasts) == at::IMCASTS);
    assert!(at::DATA + offset_of!(if_data64, ifi_iqdrops) == at::IQDROPS);
    assert!(size_of::<rt_msghdr>() == route::MACOS.header);
    assert!(offset_of!(rt_msghdr, rtm_index) == route::at::INDEX);
    assert!(offset_of!(rt_msghdr, rtm_flags) == route::at::FLAGS);
    assert!(offset_of!(rt_msghdr, rtm_addrs) == route::at::ADDRESSES);
};

/// The port of this computer. Each call of `mach_host_self` would take another reference.
#[expect(deprecated, reason = "the crate that libc names instead would be for three calls")]
fn host_port() -> libc::mach_port_t {
    static PORT: OnceLock<libc::mach_port_t> = OnceLock::new();
    *PORT.get_or_init(|| {
        // SAFETY: takes nothing and gives a number.
        unsafe { libc::mach_host_self() }
    })
}

/// The unit of Mach's clock.
#[expect(deprecated, reason = "the crate that libc names instead would be for three calls")]
fn timebase() -> Timebase {
    static TIMEBASE: OnceLock<Timebase> = OnceLock::new();
    *TIMEBASE.get_or_init(|| {
        let mut told = libc::mach_timebase_info { numer: 1, denom: 1 };
        // SAFETY: writes one `mach_timebase_info`.
        unsafe {
            libc::mach_timebase_info(&raw mut told);
        }
        Timebase { numer: told.numer, denom: told.denom }
    })
}

/// `host_processor_info`: ticks of each core by mode (mach/machine.h: user, system, idle, nice), in
/// counters of 32 bits.
///
/// # Errors
/// What the system said.
#[expect(deprecated, reason = "the crate that libc names instead would be for three calls")]
pub(crate) fn cores(cores: &mut Cores) -> Result<bool, ProbeError> {
    let (mut count, mut info, mut words) = (0, std::ptr::null_mut(), 0);
    // SAFETY: the call writes two numbers and a pointer to memory that it gives us.
    let result = unsafe {
        libc::host_processor_info(
            host_port(),
            libc::PROCESSOR_CPU_LOAD_INFO,
            &raw mut count,
            &raw mut info,
            &raw mut words,
        )
    };
    if result != libc::KERN_SUCCESS || info.is_null() {
        return Err(ProbeError::Reported(format!("host_processor_info: Mach error {result}")));
    }
    const STATES: usize = libc::CPU_STATE_MAX as usize;
    // SAFETY: the call has given us so many words there.
    let ticks = unsafe { std::slice::from_raw_parts(info.cast::<u32>(), words as usize) };
    cores.ticks.clear();
    for core in ticks.chunks_exact(STATES).take(count as usize) {
        let mode = |state: libc::c_int| Some(u64::from(core[state as usize]));
        let mut modes = [None; super::MODES];
        modes[super::USER] = mode(libc::CPU_STATE_USER);
        modes[super::NICE] = mode(libc::CPU_STATE_NICE);
        modes[super::SYSTEM] = mode(libc::CPU_STATE_SYSTEM);
        modes[super::IDLE] = mode(libc::CPU_STATE_IDLE);
        cores.ticks.push(modes);
    }
    cores.ticks_per_second = 100;
    cores.counter_bits = 32;
    // SAFETY: the memory is ours, of this size, and nothing refers to it any more.
    unsafe {
        libc::vm_deallocate(
            libc::mach_task_self(),
            info as libc::vm_address_t,
            words as usize * size_of::<u32>(),
        )
    };
    Ok(true)
}

/// The interfaces of this computer.
#[derive(Default)]
pub(crate) struct Links {
    buffer: Vec<u8>,
}

impl Links {
    /// Writes all of them over `links`.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn read(&mut self, links: &mut Vec<Link>) -> Result<(), ProbeError> {
        let name = [libc::CTL_NET, libc::PF_ROUTE, 0, 0, libc::NET_RT_IFLIST2, 0];
        let bytes = sysctl(&name, &mut self.buffer)
            .map_err(|source| ProbeError::Io { path: "NET_RT_IFLIST2".into(), source })?;
        iflist::parse(bytes, links);
        Ok(())
    }
}

/// The processes of this computer.
#[derive(Default)]
pub(crate) struct Processes {
    buffer: Vec<u8>,
    /// In use once the system's table has turned out to have another form.
    otherwise: Option<crate_processes::Processes>,
}

impl Processes {
    /// Writes all of them over `rows`.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn read(&mut self, rows: &mut Vec<Row>) -> Result<(), ProbeError> {
        if let Some(otherwise) = &mut self.otherwise {
            return otherwise.read(rows);
        }
        let name = [libc::CTL_KERN, libc::KERN_PROC, libc::KERN_PROC_ALL];
        let bytes = sysctl(&name, &mut self.buffer)
            .map_err(|source| ProbeError::Io { path: "KERN_PROC_ALL".into(), source })?;
        // SAFETY: takes nothing and gives a number.
        let uid = unsafe { libc::geteuid() };
        if kinfo::parse(bytes, std::process::id(), uid, rows).is_none() {
            self.buffer = Vec::new();
            return self.otherwise.insert(crate_processes::Processes::default()).read(rows);
        }
        for row in rows {
            kinfo::complete(row, task(row.pid), timebase());
        }
        Ok(())
    }
}

/// `proc_pidinfo`; `None` for a process that is not ours to see, or gone.
fn task(pid: u32) -> Option<Task> {
    const SIZE: libc::c_int = size_of::<libc::proc_taskinfo>() as libc::c_int;
    let mut info = MaybeUninit::<libc::proc_taskinfo>::zeroed();
    let pid = libc::c_int::try_from(pid).ok()?;
    // SAFETY: `info` has room for `SIZE` bytes.
    let got = unsafe { libc::proc_pidinfo(pid, libc::PROC_PIDTASKINFO, 0, info.as_mut_ptr().cast(), SIZE) };
    if got != SIZE {
        return None;
    }
    // SAFETY: the call has filled it, and zero bytes are valid in any case.
    let info = unsafe { info.assume_init() };
    Some(Task {
        cpu_ticks: info.pti_total_user.saturating_add(info.pti_total_system),
        resident_bytes: info.pti_resident_size,
        threads: u32::try_from(info.pti_threadnum).unwrap_or(0),
        running: u32::try_from(info.pti_numrunning).unwrap_or(0),
    })
}
