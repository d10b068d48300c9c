//! Series of memory and swap space.

use super::{Metric, Sink, metrics_of, read_all, readings};
use crate::family::{Memory, Swap};

readings! {
    MEMORY of Memory, labels &[];
    "chasar_memory_total_bytes" Gauge "Memory this host may use: MemTotal, or the limit of its cgroup where that is lower" => |m| m.total_bytes;
    "chasar_memory_used_bytes" Gauge "Used: total less available, as free says; ZFS's ARC that can shrink counts as available" => |m| m.total_bytes_used;
    "chasar_memory_used_percent" Gauge "Used share, 0 to 100" => |m| m.percent_used;
    "chasar_memory_available_bytes" Gauge "What programs can still get without swapping (MemAvailable, plus ARC that can shrink)" => |m| m.available_bytes;
    "chasar_memory_host_total_bytes" Gauge "Memory of the machine, where a cgroup limit leaves this system less" => |m| m.host_total_bytes;
    "node_zfs_arc_size" Gauge "Size of ZFS's ARC (size in /proc/spl/kstat/zfs/arcstats)" => |m| m.zfs_arc_bytes;
    "node_zfs_arc_c_min" Gauge "The size below which the ARC does not shrink (c_min)" => |m| m.zfs_arc_min_bytes;
    "chasar_memory_cgroup_limit_bytes" Gauge "Memory limit of the cgroup this system lives in" => |m| m.cgroup_limit_bytes;
    "chasar_memory_cgroup_used_bytes" Gauge "Memory charged to that cgroup" => |m| m.cgroup_used_bytes;
    "node_memory_MemTotal_bytes" Gauge "MemTotal of /proc/meminfo" => |m| m.mem_total_bytes.or(m.host_total_bytes).or(m.total_bytes);
    "node_memory_MemAvailable_bytes" Gauge "MemAvailable of /proc/meminfo" => |m| m.mem_available_bytes.or_else(|| available(m));
    "node_memory_MemFree_bytes" Gauge "MemFree of /proc/meminfo" => |m| m.free_bytes;
    "node_memory_Buffers_bytes" Gauge "Buffers of /proc/meminfo" => |m| m.buffers_bytes;
    "node_memory_Cached_bytes" Gauge "Cached of /proc/meminfo" => |m| m.cached_bytes;
    "node_memory_Active_bytes" Gauge "Active of /proc/meminfo" => |m| m.active_bytes;
    "node_memory_Inactive_bytes" Gauge "Inactive of /proc/meminfo" => |m| m.inactive_bytes;
    "node_memory_Active_anon_bytes" Gauge "Active(anon) of /proc/meminfo" => |m| m.active_anon_bytes;
    "node_memory_Inactive_anon_bytes" Gauge "Inactive(anon) of /proc/meminfo" => |m| m.inactive_anon_bytes;
    "node_memory_Active_file_bytes" Gauge "Active(file) of /proc/meminfo" => |m| m.active_file_bytes;
    "node_memory_Inactive_file_bytes" Gauge "Inactive(file) of /proc/meminfo" => |m| m.inactive_file_bytes;
    "node_memory_Unevictable_bytes" Gauge "Unevictable of /proc/meminfo" => |m| m.unevictable_bytes;
    "node_memory_Mlocked_bytes" Gauge "Mlocked of /proc/meminfo" => |m| m.mlocked_bytes;
    "node_memory_Dirty_bytes" Gauge "Dirty of /proc/meminfo" => |m| m.dirty_bytes;
    "node_memory_Writeback_bytes" Gauge "Writeback of /proc/meminfo" => |m| m.writeback_bytes;
    "node_memory_AnonPages_bytes" Gauge "AnonPages of /proc/meminfo" => |m| m.anon_pages_bytes;
    "node_memory_Mapped_bytes" Gauge "Mapped of /proc/meminfo" => |m| m.mapped_bytes;
    "node_memory_Shmem_bytes" Gauge "Shmem of /proc/meminfo" => |m| m.shmem_bytes;
    "node_memory_Slab_bytes" Gauge "Slab of /proc/meminfo" => |m| m.slab_bytes;
    "node_memory_SReclaimable_bytes" Gauge "SReclaimable of /proc/meminfo" => |m| m.slab_reclaimable_bytes;
    "node_memory_SUnreclaim_bytes" Gauge "SUnreclaim of /proc/meminfo" => |m| m.slab_unreclaimable_bytes;
    "node_memory_KernelStack_bytes" Gauge "KernelStack of /proc/meminfo" => |m| m.kernel_stack_bytes;
    "node_memory_PageTables_bytes" Gauge "PageTables of /proc/meminfo" => |m| m.page_tables_bytes;
    "node_memory_CommitLimit_bytes" Gauge "CommitLimit of /proc/meminfo" => |m| m.commit_limit_bytes;
    "node_memory_Committed_AS_bytes" Gauge "Committed_AS of /proc/meminfo" => |m| m.committed_as_bytes;
    "node_memory_VmallocUsed_bytes" Gauge "VmallocUsed of /proc/meminfo" => |m| m.vmalloc_used_bytes;
    "node_memory_Percpu_bytes" Gauge "Percpu of /proc/meminfo" => |m| m.percpu_bytes;
    "node_memory_HardwareCorrupted_bytes" Gauge "HardwareCorrupted of /proc/meminfo" => |m| m.hardware_corrupted_bytes;
    "node_memory_AnonHugePages_bytes" Gauge "AnonHugePages of /proc/meminfo" => |m| m.anon_huge_pages_bytes;
    "node_memory_Hugetlb_bytes" Gauge "Hugetlb of /proc/meminfo" => |m| m.hugetlb_bytes;
    "node_memory_Hugepagesize_bytes" Gauge "Hugepagesize of /proc/meminfo" => |m| m.hugepage_size_bytes;
    "node_memory_HugePages_Total" Gauge "HugePages_Total of /proc/meminfo, a number of pages" => |m| m.huge_pages;
    "node_memory_HugePages_Free" Gauge "HugePages_Free of /proc/meminfo, a number of pages" => |m| m.huge_pages_free;
    "node_memory_HugePages_Rsvd" Gauge "HugePages_Rsvd of /proc/meminfo, a number of pages" => |m| m.huge_pages_reserved;
    "node_memory_HugePages_Surp" Gauge "HugePages_Surp of /proc/meminfo, a number of pages" => |m| m.huge_pages_surplus;
}

readings! {
    SWAP of Swap, labels &[];
    "node_memory_SwapTotal_bytes" Gauge "SwapTotal of /proc/meminfo" => |s| s.total_bytes;
    "node_memory_SwapFree_bytes" Gauge "SwapFree of /proc/meminfo" => |s| s.free_bytes;
    "chasar_swap_used_bytes" Gauge "Swap space used" => |s| s.used_bytes;
    "node_memory_SwapCached_bytes" Gauge "SwapCached of /proc/meminfo" => |s| s.cached_bytes;
    "chasar_swap_used_percent" Gauge "Used share, 0 to 100; missing without swap" => |s| s.percent_used;
    "node_memory_Zswap_bytes" Gauge "Zswap: memory that holds compressed pages" => |s| s.zswap_bytes;
    "node_memory_Zswapped_bytes" Gauge "Zswapped: what those pages were before" => |s| s.zswapped_bytes;
}

/// Systems without `/proc/meminfo`, and nodes of 2016, have the same number under another name.
fn available(m: &Memory) -> Option<u64> {
    m.available_bytes.or_else(|| m.total_bytes?.checked_sub(m.total_bytes_used?))
}

pub(super) fn walk(memory: &Memory, sink: &mut impl Sink) {
    read_all(MEMORY, memory, &[], sink);
}

pub(super) fn walk_swap(swap: &Swap, sink: &mut impl Sink) {
    read_all(SWAP, swap, &[], sink);
}

pub(super) fn metrics(all: &mut Vec<&'static Metric>) {
    all.extend(metrics_of(MEMORY).chain(metrics_of(SWAP)));
}
