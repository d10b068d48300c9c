//! Which mounts of macOS and FreeBSD count as file systems of this computer.
//!
//! 1. Types without data of their own do not count: `devfs`, `autofs`, `fdescfs`, `procfs` and such. The root
//!    always counts.
//! 2. Neither do other views of a file system that counts already: `nullfs` (FreeBSD's bind mounts) and
//!    ZFS or APFS snapshots.
//! 3. Nor the volumes that macOS keeps for itself and hides from people (preboot, recovery, swap), except
//!    the data volume, where everything a user has is.
//!
//! All APFS volumes of one container share its free space, as `df` says too.

use chasar_wire::Text;
use chasar_wire::limits::MAX_NAME_BYTES;

use super::source::Mount;
use crate::mounts::{Counted, MAX_FILESYSTEMS, MAX_PATH_BYTES};
use crate::text::set_text;

/// Where macOS keeps what changes, beside its sealed root.
const DATA_VOLUME: &[u8] = b"/System/Volumes/Data";

/// The mounts that count, in the order of the system.
pub(crate) fn select(mounts: &[Mount]) -> Vec<Counted> {
    let mut chosen: Vec<Counted> = Vec::new();
    for mount in mounts.iter().filter(|m| counts(m)) {
        // A mount over another at the same place hides it.
        chosen.retain(|c| c.path != mount.path);
        if chosen.len() < MAX_FILESYSTEMS {
            chosen.push(counted(mount));
        }
    }
    chosen
}

fn counts(mount: &Mount) -> bool {
    if mount.path == b"/" {
        return true;
    }
    let without_data: [&[u8]; 14] = [
        b"autofs",
        b"devfs",
        b"devtmpfs",
        b"fdescfs",
        b"ftp",
        b"linprocfs",
        b"linsysfs",
        b"lifs",
        b"mqueuefs",
        b"nullfs",
        b"overlay",
        b"proc",
        b"procfs",
        b"volfs",
    ];
    let snapshot = matches!(&mount.fstype[..], b"zfs" | b"apfs") && mount.device.contains(&b'@');
    !(without_data.contains(&&mount.fstype[..]) || snapshot || mount.hidden && mount.path != DATA_VOLUME)
}

fn counted(mount: &Mount) -> Counted {
    let text = |bytes: &[u8], limit| {
        let mut text = Text::default();
        set_text(&mut text, bytes, limit);
        text
    };
    let of_another =
        [&b"nfs"[..], b"smbfs", b"afpfs", b"webdav", b"macfuse", b"fusefs", b"p9fs", b"virtiofs"];
    Counted {
        mountpoint: text(&mount.path, MAX_PATH_BYTES),
        device: text(&mount.device, MAX_PATH_BYTES),
        fstype: text(&mount.fstype, MAX_NAME_BYTES),
        read_only: mount.read_only,
        remote: mount.remote || of_another.contains(&&mount.fstype[..]),
        number: mount.number,
        path: mount.path.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(line: &str) -> Mount {
        let mut words = line.split(' ').map(|w| w.as_bytes().to_vec());
        let mut next = || words.next().unwrap_or_default();
        let (path, fstype, device, flags) = (next(), next(), next(), next());
        let has = |flag: u8| flags.contains(&flag);
        Mount {
            path,
            fstype,
            device,
            read_only: has(b'r'),
            remote: has(b'n'),
            hidden: has(b'h'),
            ..Mount::default()
        }
    }

    fn points(lines: &[&str]) -> Vec<String> {
        let mounts: Vec<_> = lines.iter().map(|l| mount(l)).collect();
        select(&mounts).into_iter().map(|c| c.mountpoint.to_string()).collect()
    }

    #[test]
    fn a_mac_has_its_root_its_data_and_what_was_plugged_in() {
        let lines = [
            "/ apfs /dev/disk3s1s1 r",
            "/dev devfs devfs h",
            "/System/Volumes/VM apfs /dev/disk3s6 h",
            "/System/Volumes/Preboot apfs /dev/disk3s2 h",
            "/System/Volumes/Data apfs /dev/disk3s5 h",
            "/System/Volumes/Data/home autofs map nh",
            "/Volumes/Backup hfs /dev/disk4s2",
            "/Volumes/share smbfs //me@there/share n",
            "/Volumes/snapshot apfs com.apple.TimeMachine.2026@/dev/disk3s5 r",
        ];
        assert_eq!(points(&lines), ["/", "/System/Volumes/Data", "/Volumes/Backup", "/Volumes/share"]);
        let counted = select(&lines.map(mount));
        assert!(counted[0].read_only && !counted[1].read_only && counted[3].remote && !counted[2].remote);
    }

    #[test]
    fn freebsd_has_its_pools_and_no_views_of_them() {
        let lines = [
            "/ zfs zroot/ROOT/default",
            "/dev devfs devfs",
            "/zroot zfs zroot",
            "/tmp tmpfs tmpfs",
            "/jail/usr nullfs /usr",
            "/proc procfs proc",
            "/mnt/old zfs zroot@old r",
            "/mnt ufs /dev/da0p2",
            "/mnt ufs /dev/da1p2",
        ];
        assert_eq!(points(&lines), ["/", "/zroot", "/tmp", "/mnt"]);
        assert_eq!(select(&lines.map(mount))[3].device, "/dev/da1p2", "the later mount hides the earlier");
    }

    #[test]
    fn there_is_a_bound() {
        let mounts: Vec<_> = (0..2000).map(|i| mount(&format!("/m{i} ufs /dev/x"))).collect();
        assert_eq!(select(&mounts).len(), MAX_FILESYSTEMS);
    }
}
