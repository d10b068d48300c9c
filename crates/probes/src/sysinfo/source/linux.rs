//! Linux, for tests alone: what the other systems have calls for comes from `sysinfo`, or as Linux tells it.

use std::ffi::{CStr, CString};
use std::io;

use super::{Cores, Mount, unix};
use crate::linux::{route_interface, sys};
use crate::statfs::FileSystemStatus;

/// No counters: shares are what `sysinfo` tells.
pub(crate) fn cores(_: &mut Cores) -> Result<bool, crate::ProbeError> {
    Ok(false)
}

/// The interface of the default route.
pub(crate) fn default_interface() -> io::Result<Option<u32>> {
    let text = std::fs::read("/proc/net/route")?;
    let name = route_interface(&text).and_then(|name| CString::new(name).ok());
    Ok(name.map(|name| unix::interface_index(&name)))
}

/// The mounts that `sysinfo` lists.
pub(crate) fn mounts() -> io::Result<Vec<Mount>> {
    let disks = sysinfo::Disks::new_with_refreshed_list().map_err(io::Error::other)?;
    let mount = |disk: &sysinfo::Disk| Mount {
        path: disk.mount_point().as_os_str().as_encoded_bytes().to_vec(),
        device: disk.name().as_encoded_bytes().to_vec(),
        fstype: disk.file_system().as_encoded_bytes().to_vec(),
        read_only: disk.is_read_only(),
        ..Mount::default()
    };
    Ok(disks.iter().map(mount).collect())
}

/// `statvfs(3)`.
pub(crate) fn statfs(path: &CStr) -> io::Result<FileSystemStatus> {
    sys::statfs(path)
}
