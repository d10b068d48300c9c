//! Main memory.

use chasar_wire_derive::Read;
use serde::{Deserialize, Serialize};

/// Main memory. Names follow `/proc/meminfo` (Linux: Documentation/filesystems/proc.rst).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Read)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Memory {
    /// Memory this host may use: `MemTotal`, or the limit of its cgroup where that is lower.
    #[serde(default)]
    pub total_bytes: Option<u64>,
    /// Used: total less available, as `free` says; ZFS's ARC that can shrink counts as available.
    #[serde(default)]
    pub total_bytes_used: Option<u64>,
    /// Used share, 0 to 100.
    #[serde(default)]
    pub percent_used: Option<f64>,
    /// What programs can still get without swapping (`MemAvailable`, plus ARC that can shrink).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_bytes: Option<u64>,
    /// `MemTotal` of the machine; present where a cgroup limit makes `total_bytes` lower.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_total_bytes: Option<u64>,
    /// Size of ZFS's ARC (`size` in `/proc/spl/kstat/zfs/arcstats`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zfs_arc_bytes: Option<u64>,
    /// The size below which the ARC does not shrink (`c_min`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zfs_arc_min_bytes: Option<u64>,
    /// Memory limit of the cgroup this system lives in (container), if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup_limit_bytes: Option<u64>,
    /// Memory charged to that cgroup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup_used_bytes: Option<u64>,
    /// `MemTotal` of `/proc/meminfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mem_total_bytes: Option<u64>,
    /// `MemAvailable` of `/proc/meminfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mem_available_bytes: Option<u64>,
    /// `MemFree` of `/proc/meminfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_bytes: Option<u64>,
    /// `Buffers` of `/proc/meminfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buffers_bytes: Option<u64>,
    /// `Cached` of `/proc/meminfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_bytes: Option<u64>,
    /// `Active` of `/proc/meminfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_bytes: Option<u64>,
    /// `Inactive` of `/proc/meminfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inactive_bytes: Option<u64>,
    /// `Active(anon)` of `/proc/meminfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_anon_bytes: Option<u64>,
    /// `Inactive(anon)` of `/proc/meminfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inactive_anon_bytes: Option<u64>,
    /// `Active(file)` of `/proc/meminfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_file_bytes: Option<u64>,
    /// `Inactive(file)` of `/proc/meminfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inactive_file_bytes: Option<u64>,
    /// `Unevictable` of `/proc/meminfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unevictable_bytes: Option<u64>,
    /// `Mlocked` of `/proc/meminfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mlocked_bytes: Option<u64>,
    /// `Dirty` of `/proc/meminfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dirty_bytes: Option<u64>,
    /// `Writeback` of `/proc/meminfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writeback_bytes: Option<u64>,
    /// `AnonPages` of `/proc/meminfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anon_pages_bytes: Option<u64>,
    /// `Mapped` of `/proc/meminfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapped_bytes: Option<u64>,
    /// `Shmem` of `/proc/meminfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shmem_bytes: Option<u64>,
    /// `Slab` of `/proc/meminfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slab_bytes: Option<u64>,
    /// `SReclaimable` of `/proc/meminfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slab_reclaimable_bytes: Option<u64>,
    /// `SUnreclaim` of `/proc/meminfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slab_unreclaimable_bytes: Option<u64>,
    /// `KernelStack` of `/proc/meminfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_stack_bytes: Option<u64>,
    /// `PageTables` of `/proc/meminfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_tables_bytes: Option<u64>,
    /// `CommitLimit` of `/proc/meminfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_limit_bytes: Option<u64>,
    /// `Committed_AS` of `/proc/meminfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed_as_bytes: Option<u64>,
    /// `VmallocUsed` of `/proc/meminfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vmalloc_used_bytes: Option<u64>,
    /// `Percpu` of `/proc/meminfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percpu_bytes: Option<u64>,
    /// `HardwareCorrupted` of `/proc/meminfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware_corrupted_bytes: Option<u64>,
    /// `AnonHugePages` of `/proc/meminfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anon_huge_pages_bytes: Option<u64>,
    /// `Hugetlb` of `/proc/meminfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hugetlb_bytes: Option<u64>,
    /// `Hugepagesize` of `/proc/meminfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hugepage_size_bytes: Option<u64>,
    /// `HugePages_Total` of `/proc/meminfo`, a number of pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub huge_pages: Option<u64>,
    /// `HugePages_Free` of `/proc/meminfo`, a number of pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub huge_pages_free: Option<u64>,
    /// `HugePages_Rsvd` of `/proc/meminfo`, a number of pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub huge_pages_reserved: Option<u64>,
    /// `HugePages_Surp` of `/proc/meminfo`, a number of pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub huge_pages_surplus: Option<u64>,
}
