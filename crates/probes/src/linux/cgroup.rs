//! The memory limit of the cgroup that this system as a whole lives in (Linux: Documentation/admin-guide/cgroup-v2.rst).
//!
//! What counts is the top of the cgroup tree as we see it. On a machine of its own that is the root,
//! which has no limit; in a container it is the container's group. The group that the agent itself
//! runs in (a systemd unit, say) is never asked: its limit is not the host's.

use super::file::Kept;
use super::text::{lines, number, trim, words};
use crate::Host;

/// A limit, and how much of it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    /// The limit.
    pub(crate) bytes: u64,
    /// What is charged.
    pub(crate) used_bytes: u64,
    /// What of that is cache that can be dropped.
    pub(crate) reclaimable_bytes: u64,
}

/// Where no limit was found, it is looked for again after this many samples.
const SAMPLES_BETWEEN_LOOKS: u32 = 10;

/// Version 1 has no word for "no limit" but a number beyond all memory (`PAGE_COUNTER_MAX`, rounded to pages).
const NO_LIMIT: u64 = 1 << 60;

/// One version's files.
struct Files {
    limit: Kept,
    used: Kept,
    stat: Kept,
    /// Keys of `memory.stat` whose sum can be dropped.
    reclaimable: &'static [&'static [u8]],
}

impl Files {
    fn read(&mut self, host: &Host) -> Option<Limit> {
        let number_of = |file: &mut Kept| number(trim(file.read_if_there(&host.sys).ok()??));
        let bytes = number_of(&mut self.limit).filter(|bytes| *bytes < NO_LIMIT)?;
        let used_bytes = number_of(&mut self.used)?;
        let stat = self.stat.read_if_there(&host.sys).ok().flatten().unwrap_or_default();
        Some(Limit { bytes, used_bytes, reclaimable_bytes: sum(stat, self.reclaimable) })
    }
}

/// Sum of the values of `keys` in the `key value` lines of `memory.stat`.
pub(crate) fn sum(text: &[u8], keys: &[&[u8]]) -> u64 {
    lines(text)
        .filter_map(|line| {
            let mut words = words(line);
            keys.contains(&words.next()?).then(|| words.next().and_then(number))?
        })
        .fold(0, u64::saturating_add)
}

/// Reads the limit now and then, and its use at each sample where there is one.
pub(crate) struct Cgroup {
    versions: [Files; 2],
    look_in: u32,
}

impl Cgroup {
    pub(crate) fn new() -> Cgroup {
        let unified = Files {
            limit: Kept::whole(c"fs/cgroup/memory.max"),
            used: Kept::whole(c"fs/cgroup/memory.current"),
            stat: Kept::whole(c"fs/cgroup/memory.stat"),
            reclaimable: &[b"active_file", b"inactive_file", b"slab_reclaimable"],
        };
        let first = Files {
            limit: Kept::whole(c"fs/cgroup/memory/memory.limit_in_bytes"),
            used: Kept::whole(c"fs/cgroup/memory/memory.usage_in_bytes"),
            stat: Kept::whole(c"fs/cgroup/memory/memory.stat"),
            reclaimable: &[b"total_active_file", b"total_inactive_file"],
        };
        Cgroup { versions: [unified, first], look_in: 0 }
    }

    /// The limit, if there is one that is worth the name for a machine with `total` bytes.
    pub(crate) fn limit(&mut self, host: &Host, total: u64) -> Option<Limit> {
        if self.look_in > 0 {
            self.look_in -= 1;
            return None;
        }
        let limit = self.versions.iter_mut().find_map(|files| files.read(host)).filter(|l| l.bytes <= total);
        if limit.is_none() {
            self.look_in = SAMPLES_BETWEEN_LOOKS;
        }
        limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn limit_of(files: &[(&str, &str)]) -> Option<Limit> {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join("sys/fs/cgroup").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Cgroup::new().limit(&Host::recorded(folder.path()), 8 << 30)
    }

    #[test]
    fn a_host_of_its_own_has_no_limit() {
        assert_eq!(limit_of(&[]), None);
        assert_eq!(limit_of(&[("memory.max", "max\n"), ("memory.current", "5\n")]), None);
        let unlimited = [
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/memory.usage_in_bytes", "5\n"),
        ];
        assert_eq!(limit_of(&unlimited), None);
        let more_than_there_is = [("memory.max", "9000000000\n"), ("memory.current", "5\n")];
        assert_eq!(limit_of(&more_than_there_is), None);
    }

    #[test]
    fn a_container_has_one_in_either_version() {
        let expected = Some(Limit { bytes: 1000, used_bytes: 500, reclaimable_bytes: 30 });
        let unified = [
            ("memory.max", "1000\n"),
            ("memory.current", "500\n"),
            ("memory.stat", "anon 400\nactive_file 10\ninactive_file 15\nslab_reclaimable 5\n"),
        ];
        assert_eq!(limit_of(&unified), expected);
        let first = [
            ("memory/memory.limit_in_bytes", "1000\n"),
            ("memory/memory.usage_in_bytes", "500\n"),
            ("memory/memory.stat", "active_file 1\ntotal_active_file 10\ntotal_inactive_file 20\n"),
        ];
        assert_eq!(limit_of(&first), expected);
    }
}
