//! The calls to Windows; the only `unsafe` of this system's probes.
//!
//! Each is thin: it makes one call and hands on what came, or the system's error.

use std::ffi::c_void;
use std::io;

use windows_sys::Wdk::System::SystemInformation::NtQuerySystemInformation;
use windows_sys::Wdk::System::SystemServices::RtlGetVersion;
use windows_sys::Win32::Foundation::{
    CloseHandle, ERROR_BUFFER_OVERFLOW, ERROR_INSUFFICIENT_BUFFER, ERROR_MORE_DATA, ERROR_NO_DATA, HANDLE,
    INVALID_HANDLE_VALUE, NO_ERROR, RtlNtStatusToDosError, STATUS_BUFFER_TOO_SMALL,
    STATUS_INFO_LENGTH_MISMATCH,
};
use windows_sys::Win32::NetworkManagement::IpHelper::{
    FreeMibTable, GAA_FLAG_INCLUDE_GATEWAYS, GAA_FLAG_SKIP_ANYCAST, GAA_FLAG_SKIP_DNS_SERVER,
    GAA_FLAG_SKIP_MULTICAST, GetAdaptersAddresses, GetExtendedTcpTable, GetIcmpStatisticsEx, GetIfTable2,
    GetIpStatisticsEx, GetTcpStatisticsEx, GetUdpStatisticsEx, IP_ADAPTER_ADDRESSES_LH,
    IP_ADAPTER_GATEWAY_ADDRESS_LH, IP_ADAPTER_UNICAST_ADDRESS_LH, MIB_TCP6ROW, MIB_TCPROW_LH,
    TCP_TABLE_BASIC_ALL,
};
pub use windows_sys::Win32::NetworkManagement::IpHelper::{
    MIB_IF_ROW2, MIB_IPSTATS_LH, MIB_TCPSTATS_LH, MIB_UDPSTATS, MIBICMPSTATS_EX_XPSP1 as IcmpStatistics,
};
use windows_sys::Win32::Networking::WinSock::{AF_INET, AF_INET6, AF_UNSPEC};
use windows_sys::Win32::Storage::FileSystem::{
    CreateFileW, FILE_SHARE_READ, FILE_SHARE_WRITE, GetDiskFreeSpaceExW, GetDriveTypeW, GetLogicalDrives,
    GetVolumeInformationW, OPEN_EXISTING, QueryDosDeviceW,
};
use windows_sys::Win32::System::Diagnostics::Debug::{SEM_FAILCRITICALERRORS, SetThreadErrorMode};
use windows_sys::Win32::System::IO::DeviceIoControl;
pub use windows_sys::Win32::System::Ioctl::DISK_PERFORMANCE;
use windows_sys::Win32::System::Ioctl::IOCTL_DISK_PERFORMANCE;
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
use windows_sys::Win32::System::ProcessStatus::{K32GetPerformanceInfo, PERFORMANCE_INFORMATION};
use windows_sys::Win32::System::Registry::{
    HKEY_LOCAL_MACHINE, RRF_RT_REG_DWORD, RRF_RT_REG_SZ, RegGetValueW,
};
use windows_sys::Win32::System::SystemInformation::{
    ComputerNamePhysicalDnsHostname, GetComputerNameExW, GetNativeSystemInfo, GetSystemWindowsDirectoryW,
    GetTickCount64, GlobalMemoryStatusEx, MEMORYSTATUSEX, OSVERSIONINFOW, SYSTEM_INFO,
};
use windows_sys::Win32::System::Threading::{GetActiveProcessorCount, GetActiveProcessorGroupCount};
use windows_sys::core::w;

use super::parse::adapters::layout;
use super::parse::bytes::Bytes;
use super::parse::tcp::{IPV4_ROW_BYTES, IPV6_ROW_BYTES};
use crate::statfs::FileSystemStatus;

const _: () = {
    use core::mem::offset_of;
    assert!(offset_of!(IP_ADAPTER_ADDRESSES_LH, Next) == layout::NEXT);
    assert!(offset_of!(IP_ADAPTER_ADDRESSES_LH, FirstUnicastAddress) == layout::FIRST_UNICAST);
    assert!(offset_of!(IP_ADAPTER_ADDRESSES_LH, OperStatus) == layout::OPER_STATUS);
    assert!(offset_of!(IP_ADAPTER_ADDRESSES_LH, Ipv6IfIndex) == layout::IPV6_INDEX);
    assert!(offset_of!(IP_ADAPTER_ADDRESSES_LH, FirstGatewayAddress) == layout::FIRST_GATEWAY);
    assert!(offset_of!(IP_ADAPTER_ADDRESSES_LH, Ipv4Metric) == layout::IPV4_METRIC);
    assert!(offset_of!(IP_ADAPTER_ADDRESSES_LH, Ipv6Metric) == layout::IPV6_METRIC);
    assert!(offset_of!(IP_ADAPTER_UNICAST_ADDRESS_LH, Next) == layout::NEXT);
    assert!(offset_of!(IP_ADAPTER_UNICAST_ADDRESS_LH, Address) == layout::SOCKET_ADDRESS);
    assert!(offset_of!(IP_ADAPTER_UNICAST_ADDRESS_LH, OnLinkPrefixLength) == layout::PREFIX_LENGTH);
    assert!(offset_of!(IP_ADAPTER_GATEWAY_ADDRESS_LH, Next) == layout::NEXT);
    assert!(offset_of!(IP_ADAPTER_GATEWAY_ADDRESS_LH, Address) == layout::SOCKET_ADDRESS);
    assert!(size_of::<MIB_TCPROW_LH>() == IPV4_ROW_BYTES);
    assert!(size_of::<MIB_TCP6ROW>() == IPV6_ROW_BYTES);
};

#[link(name = "ntdll", kind = "raw-dylib")]
unsafe extern "system" {
    // The same as NtQuerySystemInformation for one processor group (ntexapi.h of the driver kit).
    fn NtQuerySystemInformationEx(
        class: i32,
        input: *const c_void,
        input_length: u32,
        output: *mut c_void,
        output_length: u32,
        return_length: *mut u32,
    ) -> i32;
}

/// Classes of [`query`], by their names without `System` and `Information`.
pub mod class {
    /// Paging and scheduling.
    pub const PERFORMANCE: i32 = 2;
    /// Clocks.
    pub const TIME_OF_DAY: i32 = 3;
    /// Processes and threads.
    pub const PROCESS: i32 = 5;
    /// Times of each core.
    pub const PROCESSOR_PERFORMANCE: i32 = 8;
    /// Page files.
    pub const PAGE_FILE: i32 = 18;
}

/// Memory that answers are written to, kept from one sample to the next.
#[derive(Debug, Default)]
pub struct Buffer {
    // Words, because the calls want their buffers aligned.
    words: Vec<u64>,
    len: usize,
}

/// More than any answer needs: 65,536 processes of some thirty threads.
const LARGEST_ANSWER_BYTES: usize = 256 << 20;
/// How often a list may have grown while we made room for it.
const ATTEMPTS: u32 = 8;

impl Buffer {
    /// The last answer.
    pub fn bytes(&self) -> Bytes<'_> {
        let start = self.words.as_ptr();
        // SAFETY: the memory is that of `words`, all of it initialised, and `len` is within it.
        let bytes = unsafe { std::slice::from_raw_parts(start.cast::<u8>(), self.len) };
        Bytes::new(bytes, start.addr() as u64)
    }

    fn capacity(&self) -> u32 {
        u32::try_from(8 * self.words.len()).unwrap_or(u32::MAX)
    }

    fn grow(&mut self, wanted: u32) -> io::Result<()> {
        // A quarter more than was asked for, since lists grow between two calls. And never too little for all
        // cores, of which class 8 fills in what fits and calls that success: a group has 64 of 48 bytes.
        let bytes = (wanted as usize).max(8 * self.words.len()).max(64 * 48).saturating_mul(5) / 4;
        if bytes > LARGEST_ANSWER_BYTES {
            return Err(io::Error::new(io::ErrorKind::OutOfMemory, "the system's answer is over 256 MiB"));
        }
        self.words.resize(bytes.div_ceil(8), 0);
        Ok(())
    }

    /// Makes a call until its answer fits. `call` gets memory and its size, and says the size that it
    /// used or wants, and whether that was enough.
    fn fill(&mut self, mut call: impl FnMut(*mut c_void, &mut u32) -> Answer) -> io::Result<()> {
        self.len = 0;
        for _ in 0..ATTEMPTS {
            let mut size = self.capacity();
            match call(self.words.as_mut_ptr().cast(), &mut size) {
                Answer::Whole => {
                    self.len = (size as usize).min(8 * self.words.len());
                    return Ok(());
                }
                Answer::TooLarge => self.grow(size)?,
                Answer::Refused(error) => return Err(error),
            }
        }
        Err(io::Error::other("the answer grew faster than room could be made for it"))
    }
}

enum Answer {
    Whole,
    /// It did not fit.
    TooLarge,
    Refused(io::Error),
}

fn answer_of_status(status: i32) -> Answer {
    match status {
        0.. => Answer::Whole,
        STATUS_INFO_LENGTH_MISMATCH | STATUS_BUFFER_TOO_SMALL => Answer::TooLarge,
        // SAFETY: takes a number and gives one.
        _ => Answer::Refused(os_error(unsafe { RtlNtStatusToDosError(status) })),
    }
}

fn os_error(code: u32) -> io::Error {
    io::Error::from_raw_os_error(code.cast_signed())
}

/// `NtQuerySystemInformation`.
pub fn query(class: i32, buffer: &mut Buffer) -> io::Result<()> {
    buffer.fill(|memory, size| {
        let capacity = *size;
        // SAFETY: `memory` is writable for `capacity` bytes, and `size` for one number.
        answer_of_status(unsafe { NtQuerySystemInformation(class, memory, capacity, size) })
    })
}

/// `NtQuerySystemInformation` of a class that has one size; Windows refuses even a larger buffer there.
pub fn query_fixed(class: i32, bytes: usize, buffer: &mut Buffer) -> io::Result<()> {
    buffer.words.resize(bytes.div_ceil(8), 0);
    buffer.len = 0;
    let mut written = 0;
    let (memory, size) = (buffer.words.as_mut_ptr().cast(), 8 * buffer.words.len() as u32);
    // SAFETY: `memory` is writable for `size` bytes, and `written` for one number.
    match answer_of_status(unsafe { NtQuerySystemInformation(class, memory, size, &raw mut written) }) {
        Answer::Whole => buffer.len = (written as usize).min(8 * buffer.words.len()),
        Answer::TooLarge => return Err(io::Error::other("the answer has another size")),
        Answer::Refused(error) => return Err(error),
    }
    Ok(())
}

/// Processor groups with active cores; more than one on computers of more than 64 cores.
pub fn processor_groups() -> u16 {
    // SAFETY: takes nothing and gives a number.
    unsafe { GetActiveProcessorGroupCount() }.max(1)
}

/// Active cores of all groups.
pub fn processors() -> u32 {
    const ALL_PROCESSOR_GROUPS: u16 = 0xffff;
    // SAFETY: takes a number and gives one.
    unsafe { GetActiveProcessorCount(ALL_PROCESSOR_GROUPS) }
}

/// [`query`] for one processor group.
pub fn query_group(class: i32, group: u16, buffer: &mut Buffer) -> io::Result<()> {
    buffer.fill(|memory, size| {
        let capacity = *size;
        let input = (&raw const group).cast();
        // SAFETY: `input` is two bytes, `memory` is writable for `capacity` bytes, `size` for one number.
        answer_of_status(unsafe { NtQuerySystemInformationEx(class, input, 2, memory, capacity, size) })
    })
}

/// `GlobalMemoryStatusEx`.
pub fn memory_status() -> io::Result<MEMORYSTATUSEX> {
    let mut status = MEMORYSTATUSEX { dwLength: size_of::<MEMORYSTATUSEX>() as u32, ..Default::default() };
    // SAFETY: `status` says its own size.
    if unsafe { GlobalMemoryStatusEx(&raw mut status) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(status)
}

/// `GetPerformanceInfo`.
pub fn performance_information() -> io::Result<PERFORMANCE_INFORMATION> {
    let mut information = PERFORMANCE_INFORMATION::default();
    let size = size_of::<PERFORMANCE_INFORMATION>() as u32;
    // SAFETY: `information` has `size` bytes.
    if unsafe { K32GetPerformanceInfo(&raw mut information, size) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(information)
}

/// Time since boot in milliseconds, sleep included.
pub fn uptime_milliseconds() -> u64 {
    // SAFETY: takes nothing and gives a number.
    unsafe { GetTickCount64() }
}

/// Drive letters, a bit each, `A` the lowest.
pub fn logical_drives() -> io::Result<u32> {
    // SAFETY: takes nothing and gives a number.
    match unsafe { GetLogicalDrives() } {
        0 => Err(io::Error::last_os_error()),
        drives => Ok(drives),
    }
}

/// The root folder of a drive, `C:\`, with its zero.
pub type Root = [u16; 4];

/// Kind of a drive (`DRIVE_FIXED` and its like).
pub fn drive_type(root: &Root) -> u32 {
    // SAFETY: `root` ends with a zero.
    unsafe { GetDriveTypeW(root.as_ptr()) }
}

/// What a volume says of itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Volume {
    /// Name of the file system, up to its zero.
    pub file_system: [u16; 16],
    /// `FILE_READ_ONLY_VOLUME` and its like.
    pub flags: u32,
    /// Serial number, given when it was formatted.
    pub serial: u32,
}

/// A drive without a disk must not ask the person at the console for one.
fn ask_nobody() {
    // SAFETY: null is for the mode before, which is not wanted.
    unsafe { SetThreadErrorMode(SEM_FAILCRITICALERRORS, std::ptr::null_mut()) };
}

/// `GetVolumeInformationW`. Can hang on a network drive.
pub fn volume(root: &Root) -> io::Result<Volume> {
    ask_nobody();
    let mut volume = Volume::default();
    let (none, no_text) = (std::ptr::null_mut(), std::ptr::null_mut());
    let (text, len) = (volume.file_system.as_mut_ptr(), volume.file_system.len() as u32);
    let (serial, flags) = (&raw mut volume.serial, &raw mut volume.flags);
    // SAFETY: `root` ends with a zero, `text` has room for `len` characters, null is for what is not wanted.
    if unsafe { GetVolumeInformationW(root.as_ptr(), no_text, 0, serial, none, flags, text, len) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(volume)
}

/// `GetDiskFreeSpaceExW`. Can hang on a network drive.
pub(crate) fn drive_space(root: &Root) -> io::Result<FileSystemStatus> {
    ask_nobody();
    let (mut available, mut total, mut free) = (0, 0, 0);
    // SAFETY: `root` ends with a zero, and three numbers can be written.
    if unsafe { GetDiskFreeSpaceExW(root.as_ptr(), &raw mut available, &raw mut total, &raw mut free) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(FileSystemStatus {
        block_bytes: 1,
        blocks: total,
        blocks_free: free,
        blocks_available: available,
        ..FileSystemStatus::default()
    })
}

/// `QueryDosDeviceW`: the device behind a drive letter; how many characters were written.
pub fn dos_device(letter: u8, into: &mut [u16]) -> io::Result<usize> {
    let name = [u16::from(letter), u16::from(b':'), 0];
    // SAFETY: `name` ends with a zero, and `into` is writable for its length.
    let n = unsafe { QueryDosDeviceW(name.as_ptr(), into.as_mut_ptr(), into.len() as u32) };
    match n {
        0 => Err(io::Error::last_os_error()),
        n => Ok(n as usize),
    }
}

/// Letter of the drive that Windows runs from.
pub fn system_drive() -> Option<u8> {
    let mut path = [0u16; 260];
    // SAFETY: `path` is writable for its length.
    let n = unsafe { GetSystemWindowsDirectoryW(path.as_mut_ptr(), path.len() as u32) };
    let letter = u8::try_from(path[0]).ok()?.to_ascii_uppercase();
    (n > 2 && letter.is_ascii_uppercase() && path[1] == u16::from(b':')).then_some(letter)
}

/// `IOCTL_DISK_PERFORMANCE` of `\\.\PhysicalDriveN`; the handle may do nothing but ask, so no privilege is
/// needed. `None` where there is no such disk.
pub fn disk_performance(number: u8) -> io::Result<Option<DISK_PERFORMANCE>> {
    let mut path = [0u16; 24];
    let digits = [number / 10 + b'0', number % 10 + b'0'];
    let digits = if number < 10 { &digits[1..] } else { &digits[..] };
    let text = br"\\.\PhysicalDrive".iter().chain(digits);
    path.iter_mut().zip(text).for_each(|(to, from)| *to = u16::from(*from));
    let share = FILE_SHARE_READ | FILE_SHARE_WRITE;
    let (security, template) = (std::ptr::null(), std::ptr::null_mut());
    // SAFETY: `path` ends with a zero, and null stands for what is not wanted.
    let handle = unsafe { CreateFileW(path.as_ptr(), 0, share, security, OPEN_EXISTING, 0, template) };
    if handle == INVALID_HANDLE_VALUE {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::NotFound { Ok(None) } else { Err(error) };
    }
    let handle = Handle(handle);
    let mut performance = DISK_PERFORMANCE::default();
    let (out, size) = ((&raw mut performance).cast(), size_of::<DISK_PERFORMANCE>() as u32);
    let (mut written, none) = (0, std::ptr::null_mut());
    let nothing = std::ptr::null();
    // SAFETY: the handle is open, `out` has `size` bytes, and the call is not an overlapped one.
    let ok = unsafe {
        DeviceIoControl(handle.0, IOCTL_DISK_PERFORMANCE, nothing, 0, out, size, &raw mut written, none)
    };
    if ok == 0 { Err(io::Error::last_os_error()) } else { Ok(Some(performance)) }
}

struct Handle(HANDLE);

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle is ours and is not used again.
        unsafe { CloseHandle(self.0) };
    }
}

/// `GetIfTable2`: hands every interface to `each`, `most` at most.
pub fn interfaces(most: usize, each: impl FnMut(&MIB_IF_ROW2)) -> io::Result<()> {
    let mut table = std::ptr::null_mut();
    // SAFETY: the call writes one pointer.
    let code = unsafe { GetIfTable2(&raw mut table) };
    if code != NO_ERROR {
        return Err(os_error(code));
    }
    if table.is_null() {
        return Err(io::Error::other("the call succeeded without a table"));
    }
    // SAFETY: the call has filled a table, whose rows follow each other.
    let rows = unsafe {
        let first = (&raw const (*table).Table).cast::<MIB_IF_ROW2>();
        std::slice::from_raw_parts(first, ((*table).NumEntries as usize).min(most))
    };
    rows.iter().for_each(each);
    // SAFETY: the table is from the call above and nothing refers to it any more.
    unsafe { FreeMibTable(table.cast()) };
    Ok(())
}

/// `GetAdaptersAddresses` with gateways; without any adapter the buffer is empty.
pub fn adapters(buffer: &mut Buffer) -> io::Result<()> {
    let flags = GAA_FLAG_INCLUDE_GATEWAYS
        | GAA_FLAG_SKIP_ANYCAST
        | GAA_FLAG_SKIP_MULTICAST
        | GAA_FLAG_SKIP_DNS_SERVER;
    let family = u32::from(AF_UNSPEC);
    let result = buffer.fill(|memory, size| {
        // SAFETY: `memory` is writable for `size` bytes and aligned, and `size` for one number.
        match unsafe { GetAdaptersAddresses(family, flags, std::ptr::null(), memory.cast(), size) } {
            NO_ERROR => Answer::Whole,
            ERROR_BUFFER_OVERFLOW => Answer::TooLarge,
            code => Answer::Refused(os_error(code)),
        }
    });
    match result {
        Err(e) if e.raw_os_error() == Some(ERROR_NO_DATA.cast_signed()) => Ok(()),
        // The call does not say how much it wrote, so all of the memory is looked at.
        Ok(()) => {
            buffer.len = 8 * buffer.words.len();
            Ok(())
        }
        error => error,
    }
}

/// Which version of the internet protocol is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ip {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Ip {
    fn family(self) -> u32 {
        u32::from(if self == Ip::V4 { AF_INET } else { AF_INET6 })
    }
}

fn statistics<T: Default>(ip: Ip, call: unsafe extern "system" fn(*mut T, u32) -> u32) -> io::Result<T> {
    let mut statistics = T::default();
    // SAFETY: `call` is one of the functions below, each of which fills the structure of its type.
    match unsafe { call(&raw mut statistics, ip.family()) } {
        NO_ERROR => Ok(statistics),
        code => Err(os_error(code)),
    }
}

/// `GetTcpStatisticsEx`.
pub fn tcp_statistics(ip: Ip) -> io::Result<MIB_TCPSTATS_LH> {
    statistics(ip, GetTcpStatisticsEx)
}

/// `GetUdpStatisticsEx`.
pub fn udp_statistics(ip: Ip) -> io::Result<MIB_UDPSTATS> {
    statistics(ip, GetUdpStatisticsEx)
}

/// `GetIpStatisticsEx`: 1 when this host routes, else 2.
pub fn ip_forwarding(ip: Ip) -> io::Result<u32> {
    let statistics: MIB_IPSTATS_LH = statistics(ip, GetIpStatisticsEx)?;
    // SAFETY: both members of the union are numbers of 32 bits.
    Ok(unsafe { statistics.Anonymous.dwForwarding })
}

/// A message counter of ICMP in each direction: messages and errors.
#[derive(Clone, Copy, Debug, Default)]
pub struct Icmp {
    /// Received.
    pub received: u32,
    /// Received with an error.
    pub received_errors: u32,
    /// Sent.
    pub sent: u32,
}

/// `GetIcmpStatisticsEx`.
pub fn icmp_statistics(ip: Ip) -> io::Result<Icmp> {
    let s = statistics(ip, GetIcmpStatisticsEx)?;
    let (received, sent): (IcmpStatistics, IcmpStatistics) = (s.icmpInStats, s.icmpOutStats);
    Ok(Icmp { received: received.dwMsgs, received_errors: received.dwErrors, sent: sent.dwMsgs })
}

/// `GetExtendedTcpTable` of all connections without their owners.
pub fn tcp_table(ip: Ip, buffer: &mut Buffer) -> io::Result<()> {
    buffer.fill(|memory, size| {
        // SAFETY: `memory` is writable for `size` bytes, and `size` for one number.
        match unsafe { GetExtendedTcpTable(memory, size, 0, ip.family(), TCP_TABLE_BASIC_ALL, 0) } {
            NO_ERROR => Answer::Whole,
            ERROR_INSUFFICIENT_BUFFER => Answer::TooLarge,
            code => Answer::Refused(os_error(code)),
        }
    })
}

/// A text of the registry below `HKEY_LOCAL_MACHINE`, at most 255 characters.
pub fn registry_text(key: &str, value: &str) -> Option<String> {
    let (key, value) = (wide(key), wide(value));
    let mut text = [0u16; 256];
    let mut bytes = size_of_val(&text) as u32;
    let (out, kind) = (text.as_mut_ptr().cast(), std::ptr::null_mut());
    // SAFETY: both names end with a zero, and `out` is writable for `bytes` bytes.
    let code = unsafe {
        RegGetValueW(
            HKEY_LOCAL_MACHINE,
            key.as_ptr(),
            value.as_ptr(),
            RRF_RT_REG_SZ,
            kind,
            out,
            &raw mut bytes,
        )
    };
    let units = text.iter().take(bytes as usize / 2).take_while(|unit| **unit != 0).copied();
    (code == NO_ERROR || code == ERROR_MORE_DATA)
        .then(|| {
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect::<String>()
        })
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}

/// A number of the registry below `HKEY_LOCAL_MACHINE`.
pub fn registry_number(key: &str, value: &str) -> Option<u32> {
    let (key, value) = (wide(key), wide(value));
    let (mut number, mut bytes) = (0u32, 4);
    let (out, kind) = ((&raw mut number).cast(), std::ptr::null_mut());
    // SAFETY: both names end with a zero, and `out` is writable for four bytes.
    let code = unsafe {
        RegGetValueW(
            HKEY_LOCAL_MACHINE,
            key.as_ptr(),
            value.as_ptr(),
            RRF_RT_REG_DWORD,
            kind,
            out,
            &raw mut bytes,
        )
    };
    (code == NO_ERROR).then_some(number)
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// `GetComputerNameExW`: the DNS host name; how many characters were written.
pub fn computer_name(into: &mut [u16]) -> io::Result<usize> {
    let mut len = into.len() as u32;
    // SAFETY: `into` is writable for `len` characters.
    if unsafe { GetComputerNameExW(ComputerNamePhysicalDnsHostname, into.as_mut_ptr(), &raw mut len) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(len as usize)
}

/// `RtlGetVersion`, which tells the truth whatever the program's manifest says: major, minor, build.
pub fn version() -> Option<(u32, u32, u32)> {
    let mut v =
        OSVERSIONINFOW { dwOSVersionInfoSize: size_of::<OSVERSIONINFOW>() as u32, ..Default::default() };
    // SAFETY: `v` says its own size.
    let status = unsafe { RtlGetVersion(&raw mut v) };
    (status == 0).then_some((v.dwMajorVersion, v.dwMinorVersion, v.dwBuildNumber))
}

/// The machine's processor architecture, as `uname -m` names it.
pub fn architecture() -> Option<&'static str> {
    let mut info = SYSTEM_INFO::default();
    // SAFETY: fills the structure.
    unsafe { GetNativeSystemInfo(&raw mut info) };
    // SAFETY: the call has filled this member of the union.
    match unsafe { info.Anonymous.Anonymous.wProcessorArchitecture } {
        9 => Some("x86_64"),
        12 => Some("aarch64"),
        0 => Some("i686"),
        5 => Some("arm"),
        _ => None,
    }
}

/// Whether this is Wine, which says so by one more function in `ntdll.dll`.
pub fn is_wine() -> bool {
    // SAFETY: the name ends with a zero; the library is in every process.
    let ntdll = unsafe { GetModuleHandleW(w!("ntdll.dll")) };
    if ntdll.is_null() {
        return false;
    }
    // SAFETY: the library stays, and the name ends with a zero.
    unsafe { GetProcAddress(ntdll, c"wine_get_version".as_ptr().cast()) }.is_some()
}
