//! Which mounts count as file systems of this computer, each once.
//!
//! 1. Types and mount points that node_exporter leaves out by default are left out here, so that
//!    both list the same ([`pseudo_type`], [`pseudo_place`]). The root always counts, whatever its
//!    type: in a container it is an overlay.
//! 2. So are mounts that hold no data of their own: what a container runtime puts over single files
//!    of `/etc`, the secrets of a kubelet's pods, views into a user's session or of `/proc` (gvfs,
//!    portal, lxcfs), and ZFS snapshots.
//! 3. A mount under another one cannot be reached and is left out.
//! 4. Of several mounts of one file system (same device number: bind mounts, btrfs subvolumes) one
//!    counts: `/` if it is among them, else the first that shows the whole file system, else the
//!    first. (`df` takes the shortest path; a later mount would then change the name in the history.)
//! 5. A file system of size 0 is none; that is known only when it was asked.

use chasar_wire::Text;
use chasar_wire::limits::MAX_NAME_BYTES;

use super::mountinfo::{Mount, mounts};
use super::text::set_text;
use crate::mounts::{Counted, MAX_FILESYSTEMS, MAX_PATH_BYTES};

/// The file systems that a mount table has, in its order.
pub(crate) fn select(mountinfo: &[u8]) -> Vec<Counted> {
    let all: Vec<(Mount<'_>, Vec<u8>)> = mounts(mountinfo).map(|m| (m, m.mountpoint.to_vec())).collect();
    let mut chosen: Vec<usize> = Vec::new();
    for (i, (mount, path)) in all.iter().enumerate() {
        if left_out(mount, path) {
            continue;
        }
        // Whether it is hidden takes the longest to find out, so that comes last.
        match chosen.iter().position(|c| all[*c].0.device == mount.device) {
            Some(same) if better(&all[i], &all[chosen[same]]) && !hidden(&all, i) => chosen[same] = i,
            None if chosen.len() < MAX_FILESYSTEMS && !hidden(&all, i) => chosen.push(i),
            _ => {}
        }
    }
    chosen.sort_unstable();
    chosen.iter().map(|i| counted(&all[*i])).collect()
}

fn counted((mount, path): &(Mount<'_>, Vec<u8>)) -> Counted {
    let text = |bytes: &[u8], limit| {
        let mut text = Text::default();
        set_text(&mut text, bytes, limit);
        text
    };
    let fstype = mount.fstype.to_vec();
    Counted {
        mountpoint: text(path, MAX_PATH_BYTES),
        device: text(&mount.source.to_vec(), MAX_PATH_BYTES),
        fstype: text(&fstype, MAX_NAME_BYTES),
        read_only: mount.read_only(),
        remote: remote_type(&fstype),
        number: mount.device,
        path: path.clone(),
    }
}

fn left_out(mount: &Mount<'_>, path: &[u8]) -> bool {
    if path == b"/" {
        return false;
    }
    let fstype = mount.fstype.0;
    pseudo_type(fstype)
        || pseudo_place(path)
        || matches!(path, b"/etc/hosts" | b"/etc/hostname" | b"/etc/resolv.conf")
        || (fstype == b"tmpfs" && path.starts_with(b"/var/lib/kubelet/"))
        || (fstype == b"zfs" && mount.source.0.contains(&b'@'))
}

/// Types without data of their own: those of node_exporter's default, and views into user sessions.
pub(crate) fn pseudo_type(fstype: &[u8]) -> bool {
    matches!(
        fstype,
        b"autofs"
            | b"binfmt_misc"
            | b"bpf"
            | b"cgroup"
            | b"cgroup2"
            | b"configfs"
            | b"debugfs"
            | b"devpts"
            | b"devtmpfs"
            | b"erofs"
            | b"fusectl"
            | b"hugetlbfs"
            | b"iso9660"
            | b"mqueue"
            | b"nsfs"
            | b"overlay"
            | b"proc"
            | b"procfs"
            | b"pstore"
            | b"rpc_pipefs"
            | b"securityfs"
            | b"selinuxfs"
            | b"squashfs"
            | b"sysfs"
            | b"tracefs"
            | b"fuse.gvfsd-fuse"
            | b"fuse.lxcfs"
            | b"fuse.portal"
    )
}

/// node_exporter's default:
/// `^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)`.
pub(crate) fn pseudo_place(path: &[u8]) -> bool {
    let at_or_below = |folder: &[u8]| within(path, folder);
    let below = |folder: &[u8]| path.len() > folder.len() && path.starts_with(folder);
    at_or_below(b"/dev")
        || at_or_below(b"/proc")
        || at_or_below(b"/sys")
        || below(b"/run/credentials/")
        || below(b"/var/lib/docker/")
        || below(b"/var/lib/containers/storage/")
}

/// Types that another computer or a program in user space answers for.
fn remote_type(fstype: &[u8]) -> bool {
    fstype.starts_with(b"fuse")
        || matches!(
            fstype,
            b"9p"
                | b"afs"
                | b"beegfs"
                | b"ceph"
                | b"cifs"
                | b"coda"
                | b"gfs2"
                | b"glusterfs"
                | b"gpfs"
                | b"lustre"
                | b"ncpfs"
                | b"nfs"
                | b"nfs4"
                | b"ocfs2"
                | b"orangefs"
                | b"prl_fs"
                | b"smb3"
                | b"smbfs"
                | b"vboxsf"
                | b"virtiofs"
        )
}

/// Whether `path` is `folder` or lies in it.
fn within(path: &[u8], folder: &[u8]) -> bool {
    folder == b"/" || path.strip_prefix(folder).is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
}

type Placed<'a> = (Mount<'a>, Vec<u8>);

/// Whether another mount lies over mount `i` or over a folder on the way to it.
fn hidden(all: &[Placed<'_>], i: usize) -> bool {
    let mut at = i;
    if all.iter().any(|(m, path)| m.parent == all[i].0.id && m.id != all[i].0.id && *path == all[i].1) {
        return true;
    }
    // From the mount up to the root: at each step the sibling mounts are those that may lie over it.
    // A table that goes in circles is not the kernel's; then any answer will do.
    for _ in 0..all.len() {
        let (mount, path) = &all[at];
        if mount.parent == mount.id {
            return false;
        }
        let covered = all.iter().enumerate().any(|(j, (other, over))| {
            // A root that is its own parent is no sibling of what is mounted in it.
            let sibling = j != at && other.parent == mount.parent && other.id != other.parent;
            sibling && within(path, over) && (over != path || j > at)
        });
        if covered {
            return true;
        }
        match all.iter().position(|(m, _)| m.id == mount.parent) {
            Some(parent) => at = parent,
            None => return false,
        }
    }
    false
}

/// Whether `new` stands for a file system better than `old`, which comes earlier in the table.
fn better(new: &Placed<'_>, old: &Placed<'_>) -> bool {
    let rank = |(mount, path): &Placed<'_>| (path != b"/", mount.root.0 != b"/");
    rank(new) < rank(old)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What counts of a table given as `id parent device root mountpoint type source`.
    fn points(table: &[&str]) -> Vec<String> {
        let lines: Vec<_> = table
            .iter()
            .map(|line| {
                let w: Vec<_> = line.split(' ').collect();
                format!("{} {} {} {} {} rw shared:1 - {} {} rw\n", w[0], w[1], w[2], w[3], w[4], w[5], w[6])
            })
            .collect();
        select(lines.concat().as_bytes()).into_iter().map(|c| c.mountpoint.to_string()).collect()
    }

    #[test]
    fn pseudo_file_systems_do_not_count() {
        let table = [
            "1 0 8:1 / / ext4 /dev/sda1",
            "2 1 0:2 / /proc proc proc",
            "3 1 0:3 / /sys sysfs sysfs",
            "4 1 0:4 / /dev devtmpfs udev",
            "5 4 0:5 / /dev/shm tmpfs tmpfs",
            "6 1 0:6 / /run tmpfs tmpfs",
            "7 6 0:7 / /run/credentials/a.service tmpfs tmpfs",
            "8 1 7:1 / /snap/core/1 squashfs /dev/loop1",
            "9 1 0:9 / /var/lib/docker/overlay2/x/merged overlay overlay",
            "10 1 8:2 / /var/lib/docker ext4 /dev/sda2",
            "11 6 0:11 / /run/user/1000/doc fuse.portal portal",
            "12 1 0:12 / /var/lib/kubelet/pods/1/volumes/token tmpfs tmpfs",
            "13 1 8:3 / /var/lib/kubelet ext4 /dev/sda3",
            "14 1 8:4 / /devices ext4 /dev/sda4",
            "15 1 0:15 / /tank zfs tank",
            "16 15 0:16 / /tank/.zfs/snapshot/a zfs tank@a",
        ];
        assert_eq!(points(&table), ["/", "/run", "/var/lib/docker", "/var/lib/kubelet", "/devices", "/tank"]);
    }

    #[test]
    fn a_file_system_counts_once() {
        let bind = [
            "1 0 8:1 / / ext4 /dev/sda1",
            "2 1 8:1 /srv /mnt/bind ext4 /dev/sda1",
            "3 1 8:2 /data /d ext4 /dev/sda2",
            "4 1 8:2 / /mnt/whole ext4 /dev/sda2",
            "5 1 8:3 /a /mnt/longer ext4 /dev/sda3",
            "6 1 8:3 /b /mnt/b ext4 /dev/sda3",
            "7 1 8:3 /c /mnt/c ext4 /dev/sda3",
        ];
        assert_eq!(points(&bind), ["/", "/mnt/whole", "/mnt/longer"]);
        let subvolumes = [
            "1 0 0:20 /@ / btrfs /dev/sda1",
            "2 1 0:20 /@home /home btrfs /dev/sda1",
            "3 1 0:20 / /mnt/top btrfs /dev/sda1",
        ];
        assert_eq!(points(&subvolumes), ["/"]);
    }

    #[test]
    fn a_container_has_its_overlay_root_and_its_volumes() {
        let table = [
            "1 0 0:50 / / overlay overlay",
            "2 1 8:1 /var/lib/docker/containers/x/hosts /etc/hosts ext4 /dev/sda1",
            "3 1 8:1 /var/lib/docker/containers/x/hostname /etc/hostname ext4 /dev/sda1",
            "4 1 8:1 /var/lib/docker/containers/x/resolv.conf /etc/resolv.conf ext4 /dev/sda1",
            "5 1 8:1 /srv/volume /data/of/mine ext4 /dev/sda1",
            "6 1 0:51 / /inner overlay overlay",
        ];
        assert_eq!(points(&table), ["/", "/data/of/mine"]);
    }

    #[test]
    fn what_lies_under_another_mount_does_not_count() {
        let table = [
            "1 0 8:1 / / ext4 /dev/sda1",
            "2 1 8:2 / /mnt ext4 /dev/sda2",
            "3 2 8:3 / /mnt/deep ext4 /dev/sda3",
            "4 2 8:4 / /mnt ext4 /dev/sda4",
            "5 4 8:5 / /mnt/deep ext4 /dev/sda5",
            "6 1 8:6 / /a/b ext4 /dev/sda6",
            "7 1 8:7 / /a ext4 /dev/sda7",
            "8 1 8:8 / /ab ext4 /dev/sda8",
        ];
        assert_eq!(points(&table), ["/", "/mnt", "/mnt/deep", "/a", "/ab"]);
        let devices: Vec<_> = ["/dev/sda4", "/dev/sda5"].to_vec();
        let lines: String = table
            .iter()
            .map(|l| {
                let w: Vec<_> = l.split(' ').collect();
                format!("{} {} {} {} {} rw - {} {} rw\n", w[0], w[1], w[2], w[3], w[4], w[5], w[6])
            })
            .collect();
        let counted = select(lines.as_bytes());
        assert_eq!(counted[1..3].iter().map(|c| c.device.as_str()).collect::<Vec<_>>(), devices);
        // The root itself may be mounted over, as on a system started from an image in memory.
        let over_itself =
            ["1 1 0:1 / / rootfs rootfs", "2 1 8:1 / / ext4 /dev/sda1", "3 2 8:2 / /a ext4 /dev/sda2"];
        assert_eq!(points(&over_itself), ["/", "/a"]);
        let in_memory = ["1 1 0:1 / / tmpfs rootfs", "2 1 8:1 / /a ext4 /dev/sda1"];
        assert_eq!(points(&in_memory), ["/", "/a"], "the root is its own parent and lies over nothing");
    }

    #[test]
    fn odd_paths_are_kept_byte_for_byte() {
        let line = b"1 0 8:1 / /a\\040b\\012\xff rw - fuse.sshfs me@there:/\\134x ro\n";
        let counted = select(line);
        assert_eq!(counted[0].path, b"/a b\n\xff");
        assert_eq!(counted[0].mountpoint, "/a b\n\u{FFFD}");
        assert_eq!(counted[0].device, "me@there:/\\x");
        assert!(counted[0].remote && counted[0].read_only);
    }

    #[test]
    fn there_is_a_bound() {
        let lines: String = (1..2000).map(|i| format!("{i} 0 8:{i} / /m{i} rw - ext4 /dev/x rw\n")).collect();
        assert_eq!(select(lines.as_bytes()).len(), MAX_FILESYSTEMS);
    }

    proptest! {
        #[test]
        fn any_tree_ends_and_counts_no_device_twice(
            mounts in prop::collection::vec((0u8..12, 0u8..12, 0u8..6, "(/[ab]?){1,3}"), 0..30)
        ) {
            let lines: String = mounts
                .iter()
                .map(|(id, parent, device, path)| format!("{id} {parent} 8:{device} / {path} rw - ext4 /dev/x rw\n"))
                .collect();
            let counted = select(lines.as_bytes());
            let mut numbers: Vec<_> = counted.iter().map(|c| c.number).collect();
            numbers.sort_unstable();
            numbers.dedup();
            prop_assert_eq!(numbers.len(), counted.len());
        }
    }
}
