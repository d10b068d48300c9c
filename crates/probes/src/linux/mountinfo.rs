//! `/proc/self/mountinfo`: one mount a line (Linux: Documentation/filesystems/proc.rst, section 3.5).

use super::text::{complete_lines, number};

/// A field as the kernel writes it: space, tab, newline and backslash are octal (`\040`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Escaped<'a>(pub(crate) &'a [u8]);

impl<'a> Escaped<'a> {
    /// The bytes that were meant.
    pub(crate) fn bytes(self) -> impl Iterator<Item = u8> + 'a {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            if let [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] = rest {
                rest = after;
                return Some((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
            }
            let (first, after) = rest.split_first()?;
            rest = after;
            Some(*first)
        })
    }

    /// The bytes that were meant, as a list of their own.
    pub(crate) fn to_vec(self) -> Vec<u8> {
        self.bytes().collect()
    }
}

/// One mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mount<'a> {
    /// Its number.
    pub(crate) id: u64,
    /// The mount it is attached to.
    pub(crate) parent: u64,
    /// Major and minor number of the file system, `st_dev` of its files (but not on btrfs).
    pub(crate) device: (u64, u64),
    /// Which folder of the file system is mounted; `/` unless it is a bind mount or a subvolume.
    pub(crate) root: Escaped<'a>,
    /// Where.
    pub(crate) mountpoint: Escaped<'a>,
    /// Options of this mount.
    pub(crate) options: &'a [u8],
    /// Type, such as `ext4` or `fuse.sshfs`.
    pub(crate) fstype: Escaped<'a>,
    /// What was mounted; empty where the file system has no source.
    pub(crate) source: Escaped<'a>,
    /// Options of the file system.
    pub(crate) super_options: &'a [u8],
}

impl Mount<'_> {
    /// Whether nothing can be written here: this mount or its file system is read-only.
    pub(crate) fn read_only(&self) -> bool {
        let has_ro = |options: &[u8]| options.split(|b| *b == b',').any(|o| o == b"ro");
        has_ro(self.options) || has_ro(self.super_options)
    }
}

/// All mounts; lines that are not understood are left out.
pub(crate) fn mounts(content: &[u8]) -> impl Iterator<Item = Mount<'_>> {
    complete_lines(content).filter_map(mount)
}

fn mount(line: &[u8]) -> Option<Mount<'_>> {
    // The separator is the first lone dash after the six fixed fields; optional fields have a colon
    // or are words, never a dash.
    let mut rest = line;
    let id = number(word(&mut rest)?)?;
    let parent = number(word(&mut rest)?)?;
    let device = word(&mut rest)?;
    let colon = device.iter().position(|b| *b == b':')?;
    let device = (number(&device[..colon])?, number(&device[colon + 1..])?);
    let root = Escaped(word(&mut rest)?);
    let mountpoint = Escaped(word(&mut rest)?);
    let options = word(&mut rest)?;
    while word(&mut rest)? != b"-" {}
    let fstype = Escaped(word(&mut rest)?);
    let source = Escaped(word(&mut rest)?);
    if mountpoint.0.first() != Some(&b'/') || fstype.0.is_empty() {
        return None;
    }
    Some(Mount { id, parent, device, root, mountpoint, options, fstype, source, super_options: rest })
}

/// The next field. One space parts two fields, so an empty one (a source) is seen.
fn word<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    if rest.is_empty() {
        return None;
    }
    let end = rest.iter().position(|b| *b == b' ').unwrap_or(rest.len());
    let (word, after) = rest.split_at(end);
    *rest = after.get(1..).unwrap_or_default();
    Some(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(line: &str) -> Option<Mount<'_>> {
        mounts(line.as_bytes()).next()
    }

    #[test]
    fn every_shape_of_line() {
        let m = one(
            "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue\n",
        );
        let m = m.expect("two optional fields");
        assert_eq!((m.id, m.parent, m.device), (36, 35, (98, 0)));
        assert_eq!(m.root.0, b"/mnt1");
        assert_eq!(m.mountpoint.to_vec(), b"/mnt 2");
        assert_eq!((m.fstype.0, m.source.0), (&b"ext3"[..], &b"/dev/root"[..]));
        assert!(!m.read_only());

        let m = one("1 1 0:1 / / rw - tmpfs  rw,size=4k\n").expect("an empty source");
        assert_eq!((m.source.0, m.super_options), (&b""[..], &b"rw,size=4k"[..]));

        assert!(one("1 1 0:1 / /x rw - ext4 /dev/a ro,errors=ro\n").unwrap().read_only());
        assert!(one("1 1 0:1 / /x ro,nosuid - ext4 /dev/a rw\n").unwrap().read_only());
        assert!(!one("1 1 0:1 / /x rw,errors=remount-ro - ext4 /dev/a rw\n").unwrap().read_only());

        let odd = "1 1 0:4 net:[4026532281] /run/netns/a rw - nsfs nsfs rw\n";
        assert_eq!(one(odd).unwrap().root.0, b"net:[4026532281]");
    }

    #[test]
    fn broken_lines_are_left_out() {
        for line in [
            "",
            "\n",
            "36 35 98:0 / /x rw - ext4 /dev/a rw",
            "36 35 98:0 / /x rw shared:1 ext4 /dev/a rw\n",
            "x 35 98:0 / /x rw - ext4 /dev/a rw\n",
            "36 35 98 / /x rw - ext4 /dev/a rw\n",
            "36 35 98: / /x rw - ext4 /dev/a rw\n",
            "36 99999999999999999999999 98:0 / /x rw - ext4 /dev/a rw\n",
            "36 35 98:0 / relative rw - ext4 /dev/a rw\n",
        ] {
            assert_eq!(one(line), None, "{line:?}");
        }
        let both = b"garbage\n36 35 98:0 / /x rw - ext4 /dev/a rw\n";
        assert_eq!(mounts(both).count(), 1, "one bad line does not hide the next");
    }

    #[test]
    fn only_real_octals_are_undone() {
        let plain = |text: &str| String::from_utf8(Escaped(text.as_bytes()).to_vec()).unwrap();
        assert_eq!(plain(r"/a\040b\011c\012d\134e"), "/a b\tc\nd\\e");
        assert_eq!(plain(r"\1340\04\400\08"), "\\0\\04\\400\\08", "not octal: left as it stands");
        assert_eq!(plain(r"\"), "\\");
    }

    /// Writes a field as the kernel does.
    fn escape(plain: &[u8]) -> Vec<u8> {
        plain
            .iter()
            .flat_map(|b| match b {
                b' ' | b'\t' | b'\n' | b'\\' => format!("\\{b:03o}").into_bytes(),
                _ => vec![*b],
            })
            .collect()
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(content in prop::collection::vec(any::<u8>(), 0..512)) {
            for mount in mounts(&content) {
                mount.mountpoint.to_vec();
            }
        }

        #[test]
        fn a_written_line_is_read_back(
            id in any::<u64>(), parent in any::<u64>(), device in any::<(u64, u64)>(),
            path in prop::collection::vec(any::<u8>(), 0..40), source in prop::collection::vec(any::<u8>(), 0..40),
            optional in prop::collection::vec("[a-z]{1,9}:[0-9]{1,3}", 0..4),
        ) {
            let mountpoint = [b"/".to_vec(), path].concat();
            let mut line = format!("{id} {parent} {}:{} / ", device.0, device.1).into_bytes();
            line.extend(escape(&mountpoint));
            line.extend(format!(" rw {} - fuse.x ", optional.join(" ")).replace("  ", " ").into_bytes());
            line.extend(escape(&source));
            line.extend(b" rw,user_id=0\n");
            let all: Vec<_> = mounts(&line).collect();
            prop_assert_eq!(all.len(), 1);
            prop_assert_eq!((all[0].id, all[0].parent, all[0].device), (id, parent, device));
            prop_assert_eq!(all[0].mountpoint.to_vec(), mountpoint);
            prop_assert_eq!(all[0].source.to_vec(), source);
            prop_assert_eq!(all[0].super_options, b"rw,user_id=0");
        }
    }
}
