//! Main memory and swap, from `/proc/meminfo` (Linux: Documentation/filesystems/proc.rst), ZFS and the cgroup.

use chasar_wire::Report;
use chasar_wire::family::{Memory as Family, Swap};

use super::cgroup::{Cgroup, Limit};
use super::file::Kept;
use super::lxcfs;
use super::text::{hundredths, lines, number, split_once, words};
use crate::{Host, Now, Outcome, Probe, ProbeError, Setup};

pub(crate) fn make(setup: &Setup<'_>) -> Box<dyn Probe> {
    Box::new(Memory {
        meminfo: Kept::whole(c"meminfo"),
        arcstats: Kept::records(c"spl/kstat/zfs/arcstats"),
        zoneinfo: Kept::records(c"zoneinfo"),
        cgroup: Cgroup::new(),
        lxcfs: lxcfs::covers(&setup.config.host, b"/proc/meminfo"),
    })
}

struct Memory {
    meminfo: Kept,
    arcstats: Kept,
    zoneinfo: Kept,
    cgroup: Cgroup,
    /// Whether `/proc/meminfo` is not the kernel's but LXCFS's, and so already speaks of the container.
    lxcfs: bool,
}

/// Reads `/proc/meminfo` into both families; what the text does not have becomes `None`.
pub(crate) fn parse(text: &[u8], memory: &mut Family, swap: &mut Swap) {
    *memory = Family::default();
    *swap = Swap::default();
    for line in lines(text) {
        let Some((key, rest)) = split_once(line, b':') else { continue };
        let mut words = words(rest);
        let Some(value) = words.next().and_then(number) else { continue };
        let value = if words.next() == Some(b"kB") { value.saturating_mul(1024) } else { value };
        let field = match key {
            b"MemTotal" => &mut memory.mem_total_bytes,
            b"MemAvailable" => &mut memory.mem_available_bytes,
            b"MemFree" => &mut memory.free_bytes,
            b"Buffers" => &mut memory.buffers_bytes,
            b"Cached" => &mut memory.cached_bytes,
            b"Active" => &mut memory.active_bytes,
            b"Inactive" => &mut memory.inactive_bytes,
            b"Active(anon)" => &mut memory.active_anon_bytes,
            b"Inactive(anon)" => &mut memory.inactive_anon_bytes,
            b"Active(file)" => &mut memory.active_file_bytes,
            b"Inactive(file)" => &mut memory.inactive_file_bytes,
            b"Unevictable" => &mut memory.unevictable_bytes,
            b"Mlocked" => &mut memory.mlocked_bytes,
            b"Dirty" => &mut memory.dirty_bytes,
            b"Writeback" => &mut memory.writeback_bytes,
            b"AnonPages" => &mut memory.anon_pages_bytes,
            b"Mapped" => &mut memory.mapped_bytes,
            b"Shmem" => &mut memory.shmem_bytes,
            b"Slab" => &mut memory.slab_bytes,
            b"SReclaimable" => &mut memory.slab_reclaimable_bytes,
            b"SUnreclaim" => &mut memory.slab_unreclaimable_bytes,
            b"KernelStack" => &mut memory.kernel_stack_bytes,
            b"PageTables" => &mut memory.page_tables_bytes,
            b"CommitLimit" => &mut memory.commit_limit_bytes,
            b"Committed_AS" => &mut memory.committed_as_bytes,
            b"VmallocUsed" => &mut memory.vmalloc_used_bytes,
            b"Percpu" => &mut memory.percpu_bytes,
            b"HardwareCorrupted" => &mut memory.hardware_corrupted_bytes,
            b"AnonHugePages" => &mut memory.anon_huge_pages_bytes,
            b"Hugetlb" => &mut memory.hugetlb_bytes,
            b"Hugepagesize" => &mut memory.hugepage_size_bytes,
            b"HugePages_Total" => &mut memory.huge_pages,
            b"HugePages_Free" => &mut memory.huge_pages_free,
            b"HugePages_Rsvd" => &mut memory.huge_pages_reserved,
            b"HugePages_Surp" => &mut memory.huge_pages_surplus,
            b"SwapTotal" => &mut swap.total_bytes,
            b"SwapFree" => &mut swap.free_bytes,
            b"SwapCached" => &mut swap.cached_bytes,
            b"Zswap" => &mut swap.zswap_bytes,
            b"Zswapped" => &mut swap.zswapped_bytes,
            _ => continue,
        };
        *field = Some(value);
    }
    swap.used_bytes = swap.total_bytes.zip(swap.free_bytes).map(|(total, free)| total.saturating_sub(free));
    swap.percent_used = swap.used_bytes.zip(swap.total_bytes).and_then(|(used, total)| share(used, total));
}

/// `part` of `whole`, 0 to 100; nothing has no share.
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| hundredths(100.0 * part as f64 / whole as f64))
}

/// What `MemAvailable` would be on a kernel before 3.14, by that kernel's own formula
/// (`si_mem_available` in mm/page_alloc.c): half of the caches, or all but the low watermark, can be had.
fn estimate_available(memory: &Family, low_watermark: u64) -> Option<u64> {
    let half_or_low = |n: u64| n - (n / 2).min(low_watermark);
    let files = memory.active_file_bytes?.saturating_add(memory.inactive_file_bytes?);
    let free = memory.free_bytes?.saturating_sub(low_watermark);
    let slab = memory.slab_reclaimable_bytes.unwrap_or(0);
    let sum = free.saturating_add(half_or_low(files)).saturating_add(half_or_low(slab));
    Some(sum.min(memory.mem_total_bytes?))
}

/// Pages below which the kernel starts to reclaim, summed over the zones of `/proc/zoneinfo`.
pub(crate) fn low_watermark_pages(text: &[u8]) -> u64 {
    lines(text)
        .filter_map(|line| {
            let mut words = words(line);
            (words.next()? == b"low").then(|| words.next().and_then(number))?
        })
        .fold(0, u64::saturating_add)
}

/// `size` and `c_min` of ZFS's cache.
pub(crate) fn parse_arcstats(text: &[u8]) -> (Option<u64>, Option<u64>) {
    let (mut size, mut min) = (None, None);
    for line in lines(text) {
        let mut words = words(line);
        let field = match words.next() {
            Some(b"size") => &mut size,
            Some(b"c_min") => &mut min,
            _ => continue,
        };
        *field = words.nth(1).and_then(number);
    }
    (size, min)
}

/// Derives what this host may use and does use, from what the kernel, ZFS and the cgroup say.
fn settle(memory: &mut Family, mut available: Option<u64>, limit: Option<Limit>, lxcfs: bool) {
    let Some(mut total) = memory.mem_total_bytes else { return };
    if let Some(limit) = limit {
        memory.cgroup_limit_bytes = Some(limit.bytes);
        memory.cgroup_used_bytes = Some(limit.used_bytes);
        if limit.bytes < total {
            memory.host_total_bytes = Some(total);
            total = limit.bytes;
            // What is charged and can be dropped is still to be had, as LXCFS reckons too.
            let held = limit.used_bytes.saturating_sub(limit.reclaimable_bytes);
            let left = limit.bytes.saturating_sub(held);
            available = Some(available.map_or(left, |host| host.min(left)));
        }
    } else if !lxcfs {
        // The cache is the host's: a container does not get it, so it counts only on the host itself.
        let (size, min) = (memory.zfs_arc_bytes, memory.zfs_arc_min_bytes);
        let can_shrink = size.zip(min).map_or(0, |(size, min)| size.saturating_sub(min));
        available = available.map(|a| a.saturating_add(can_shrink));
    }
    memory.total_bytes = Some(total);
    memory.available_bytes = available.map(|a| a.min(total));
    memory.total_bytes_used = memory.available_bytes.map(|a| total - a);
    memory.percent_used = memory.total_bytes_used.and_then(|used| share(used, total));
}

impl Probe for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn read(&mut self, host: &Host, _: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
        let memory = &mut report.memory;
        parse(self.meminfo.read(&host.proc)?, memory, report.swap.get_or_insert_default());
        let Some(total) = memory.mem_total_bytes else {
            return Err(self.meminfo.form(&host.proc, "has no MemTotal"));
        };
        let mut available = memory.mem_available_bytes;
        if available.is_none() {
            let pages = self.zoneinfo.read_if_there(&host.proc)?.map_or(0, low_watermark_pages);
            available = estimate_available(memory, pages.saturating_mul(host.page_bytes));
        }
        if let Some(text) = self.arcstats.read_if_there(&host.proc)? {
            (memory.zfs_arc_bytes, memory.zfs_arc_min_bytes) = parse_arcstats(text);
        }
        settle(memory, available, self.cgroup.limit(host, total), self.lxcfs);
        Ok(Outcome::Fresh)
    }

    fn clear(&self, report: &mut Report) {
        report.memory = Family::default();
        report.swap = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GIB: u64 = 1 << 30;

    fn parsed(text: &[u8]) -> (Family, Swap) {
        let (mut memory, mut swap) = (Family::default(), Swap::default());
        parse(text, &mut memory, &mut swap);
        (memory, swap)
    }

    #[test]
    fn sizes_are_in_bytes_and_pages_are_not() {
        let (memory, swap) = parsed(
            b"MemTotal:        2048 kB\nMemAvailable:  1024 kB\nActive(anon):  4 kB\n\
              HugePages_Total:       7\nHugepagesize:       2048 kB\nSwapTotal: 100 kB\nSwapFree: 75 kB\nNews: 9 kB\n",
        );
        assert_eq!(memory.mem_total_bytes, Some(2 << 20));
        assert_eq!(memory.active_anon_bytes, Some(4096));
        assert_eq!(memory.huge_pages, Some(7));
        assert_eq!(memory.hugepage_size_bytes, Some(2 << 20));
        assert_eq!(memory.dirty_bytes, None, "absent is not zero");
        assert_eq!((swap.used_bytes, swap.percent_used), (Some(25 << 10), Some(25.0)));
        assert_eq!(parsed(b"SwapTotal: 0 kB\nSwapFree: 0 kB\n").1.percent_used, None);
    }

    fn of(total: u64, available: u64) -> Family {
        Family { mem_total_bytes: Some(total), mem_available_bytes: Some(available), ..Family::default() }
    }

    #[test]
    fn used_is_what_cannot_be_had() {
        let mut memory = of(8 * GIB, 6 * GIB);
        settle(&mut memory, Some(6 * GIB), None, false);
        assert_eq!(memory.total_bytes_used, Some(2 * GIB));
        assert_eq!(memory.percent_used, Some(25.0));
        assert_eq!(memory.host_total_bytes, None);
    }

    #[test]
    fn the_part_of_the_arc_that_can_shrink_is_available_on_the_host_only() {
        let with_arc =
            || Family { zfs_arc_bytes: Some(4 * GIB), zfs_arc_min_bytes: Some(GIB), ..of(8 * GIB, 2 * GIB) };
        for (lxcfs, available) in [(false, 5 * GIB), (true, 2 * GIB)] {
            let mut memory = with_arc();
            settle(&mut memory, Some(2 * GIB), None, lxcfs);
            assert_eq!(memory.available_bytes, Some(available));
            assert_eq!(memory.mem_available_bytes, Some(2 * GIB), "what the kernel says stays as it is");
        }
    }

    #[test]
    fn a_limit_lowers_the_total() {
        let limit = Limit { bytes: 2 * GIB, used_bytes: GIB, reclaimable_bytes: GIB / 2 };
        let mut memory = of(8 * GIB, 6 * GIB);
        settle(&mut memory, Some(6 * GIB), Some(limit), false);
        assert_eq!(memory.total_bytes, Some(2 * GIB));
        assert_eq!(memory.host_total_bytes, Some(8 * GIB));
        assert_eq!(memory.total_bytes_used, Some(GIB / 2));
        assert_eq!(memory.percent_used, Some(25.0));
        // The host itself has less left than the limit allows.
        settle(&mut memory, Some(GIB / 4), Some(limit), false);
        assert_eq!(memory.available_bytes, Some(GIB / 4));
    }

    #[test]
    fn before_linux_3_14_available_is_estimated() {
        let (memory, _) = parsed(
            b"MemTotal: 1000 kB\nMemFree: 100 kB\nActive(file): 60 kB\nInactive(file): 40 kB\nSReclaimable: 10 kB\n",
        );
        let zoneinfo = b"Node 0, zone DMA\n  pages free 9\n        min 1\n        low 3\n   high 4\nNode 0, zone Normal\n        low      2\n";
        assert_eq!(low_watermark_pages(zoneinfo), 5);
        // 100 - 20 free, 100 - 20 of files, 10 - 5 of slab.
        assert_eq!(estimate_available(&memory, 5 * 4096), Some(165 << 10));
        assert_eq!(estimate_available(&memory, u64::MAX), Some((50 + 5) << 10));
    }

    #[test]
    fn the_arc_is_read() {
        let text = b"13 1 0x01 123 33456 8000 9000\nname                            type data\n\
            hits                            4    10\nsize                            4    4096\nc_min    4    1024\n";
        assert_eq!(parse_arcstats(text), (Some(4096), Some(1024)));
    }

    proptest! {
        #[test]
        fn never_panics(bytes in "[ -~\n]{0,200}") {
            parsed(bytes.as_bytes());
            parse_arcstats(bytes.as_bytes());
            low_watermark_pages(bytes.as_bytes());
        }

        #[test]
        fn whatever_the_sources_say_used_and_available_make_the_total(
            total in any::<u64>(), available in any::<Option<u64>>(), arc in any::<Option<(u64, u64)>>(),
            limit in any::<Option<(u64, u64, u64)>>(), lxcfs in any::<bool>(),
        ) {
            let mut memory = of(total, 0);
            (memory.zfs_arc_bytes, memory.zfs_arc_min_bytes) = arc.unzip();
            let limit = limit.map(|(bytes, used_bytes, reclaimable_bytes)| Limit { bytes, used_bytes, reclaimable_bytes });
            settle(&mut memory, available, limit, lxcfs);
            prop_assert!(memory.total_bytes.unwrap() <= total);
            if let Some(available) = memory.available_bytes {
                prop_assert_eq!(available + memory.total_bytes_used.unwrap(), memory.total_bytes.unwrap());
            }
            prop_assert!(memory.percent_used.is_none_or(|p| (0.0..=100.0).contains(&p)));
        }
    }
}
