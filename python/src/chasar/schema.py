"""What a masternode's stream carries. Made from docs/*.schema.json by `cargo xtask schema`; do not edit."""

from __future__ import annotations

from typing import Any, Dict, Final, List, Literal, Optional, TypedDict, Union


class Agent(TypedDict, total=False):
    """What the clientnode itself uses and did since it started."""

    cpu_seconds_total: Optional[float]
    """Processor time used."""

    dropped_reports_total: Optional[int]
    """Reports that the outbox had to let go before they were sent: one that two masternodes did not get
    counts twice.
    """

    masternodes: Optional[List[AgentMasternode]]
    """Each masternode that reports go to, where there are several."""

    missed_ticks_total: Optional[int]
    """Samples not taken because the host was asleep or too busy."""

    outbox_bytes: Optional[int]
    """Their size as kept."""

    outbox_reports: Optional[int]
    """Reports kept for a replay; one that is kept on disk for two masternodes counts twice."""

    pid: Optional[int]
    """Process id."""

    reconnects_total: Optional[int]
    """Times a link came up again, of all masternodes together."""

    replayed_reports_total: Optional[int]
    """Reports sent again after a cut, to all masternodes together."""

    resident_bytes: Optional[int]
    """Resident memory."""

    sample_seconds: Optional[float]
    """How long it took to take the last sample, all probes."""

    sent_bytes_total: Optional[int]
    """Bytes of reports handed to the links, to all masternodes together."""

    sent_reports_total: Optional[int]
    """Reports handed to the links, replays included, to all masternodes together."""

    started_at_ms: Optional[int]
    """When this session began, Unix milliseconds."""

    version: Optional[str]
    """Version of Chasar."""


class AgentMasternode(TypedDict, total=False):
    """How a clientnode and one of its masternodes are doing."""

    address: str
    """Where it is, as the clientnode was told: `host:port`."""

    connected: Optional[bool]
    """Whether the link to it is up."""

    dropped_reports_total: Optional[int]
    """Reports that the outbox had to let go before it got them."""

    pending_reports: Optional[int]
    """Reports that wait to be sent to it again."""

    reconnects_total: Optional[int]
    """Times its link came up again."""

    replayed_reports_total: Optional[int]
    """Reports sent to it again after a cut."""

    sent_reports_total: Optional[int]
    """Reports handed to its link, replays included."""


class _BlockDeviceAlways(TypedDict):

    device: str
    """Name, such as `nvme0n1`."""


class BlockDevice(_BlockDeviceAlways, total=False):
    """One block device: counters since boot of `/proc/diskstats` (Linux:
    Documentation/admin-guide/iostats.rst).

    The kernel keeps times in milliseconds of 32 bits, so they begin anew every 4,294,967.296 seconds of
    work; a 32-bit kernel does the same with operations (at 2³²) and bytes (at 2⁴¹). Who derives rates
    takes a counter that went back for one that began anew at 0.
    """

    discard_time_seconds_total: Optional[float]
    """Time spent discarding."""

    discarded_bytes_total: Optional[int]
    """Bytes discarded."""

    discards_completed_total: Optional[int]
    """Discards completed (kernel 4.18 and later)."""

    discards_merged_total: Optional[int]
    """Discards merged."""

    flush_requests_time_seconds_total: Optional[float]
    """Time spent flushing."""

    flush_requests_total: Optional[int]
    """Flushes completed (kernel 5.5 and later)."""

    io_now: Optional[int]
    """Requests in flight."""

    io_time_seconds_total: Optional[float]
    """Time with at least one request in flight."""

    io_time_weighted_seconds_total: Optional[float]
    """Time of all requests, weighted by their number."""

    read_bytes_total: Optional[int]
    """Bytes read."""

    read_time_seconds_total: Optional[float]
    """Time spent reading, summed over requests."""

    reads_completed_total: Optional[int]
    """Reads completed."""

    reads_merged_total: Optional[int]
    """Reads merged."""

    write_time_seconds_total: Optional[float]
    """Time spent writing, summed over requests."""

    writes_completed_total: Optional[int]
    """Writes completed."""

    writes_merged_total: Optional[int]
    """Writes merged."""

    written_bytes_total: Optional[int]
    """Bytes written."""


class _CpuAlways(TypedDict):

    percent_used: List[Optional[float]]
    """Share of each core used since the last report, 0 to 100; `null` for a core without a previous
    reading. The order is that of `core`.
    """


class Cpu(_CpuAlways, total=False):
    """Processor: share used and times per core, load, frequency."""

    context_switches_total: Optional[int]
    """Context switches since boot."""

    core: List[int]
    """Numbers of the cores that are online, in the order of all lists here."""

    forks_total: Optional[int]
    """Processes and threads created since boot."""

    frequency_hertz: List[Optional[int]]
    """Frequency of each core now, hertz; empty where the host does not say."""

    interrupts_total: Optional[int]
    """Interrupts since boot."""

    load1: Optional[float]
    """Load average over 1 minute."""

    load15: Optional[float]
    """Load average over 15 minutes."""

    load5: Optional[float]
    """Load average over 5 minutes."""

    softirqs_total: Optional[int]
    """Soft interrupts since boot."""

    times: Optional[CpuTimes]
    """Time spent by each core, by mode."""


class CpuTimes(TypedDict, total=False):
    """Seconds each core spent in each mode since boot (Linux: `/proc/stat`), one number a core.

    As in the kernel, `user` includes `guest` and `nice` includes `guest_nice`. A mode that the host
    does not know is an empty list.
    """

    guest_nice_seconds: List[float]
    """Running a guest of low priority."""

    guest_seconds: List[float]
    """Running a guest."""

    idle_seconds: List[float]
    """Nothing to do."""

    iowait_seconds: List[float]
    """Nothing to do while I/O is outstanding."""

    irq_seconds: List[float]
    """Interrupts."""

    nice_seconds: List[float]
    """Programs of low priority."""

    softirq_seconds: List[float]
    """Soft interrupts."""

    steal_seconds: List[float]
    """Taken by the hypervisor."""

    system_seconds: List[float]
    """Kernel."""

    user_seconds: List[float]
    """Ordinary programs."""


class Disk(TypedDict):
    """The root file system, in the shape of 2016; all others are in `filesystems`."""

    percent_used: Optional[float]
    """Used share of what ordinary users can have, 0 to 100, as `df` says."""

    total_bytes: Optional[int]
    """Size."""

    total_bytes_free: Optional[int]
    """Free for ordinary users, as psutil says."""

    total_bytes_used: Optional[int]
    """Used: size less what is free for root, as `df` says."""


class _FilesystemAlways(TypedDict):

    device: str
    """What is mounted."""

    fstype: str
    """Type, such as `ext4`."""

    mountpoint: str
    """Where it is mounted."""


class Filesystem(_FilesystemAlways, total=False):
    """One mounted file system that holds data; bind mounts and the like are not counted twice."""

    avail_bytes: Optional[int]
    """Free, for ordinary users."""

    device_error: Optional[str]
    """Why `statfs(2)` gave no numbers, e.g. a network mount that hangs."""

    files: Optional[int]
    """Inodes; missing where the file system has no fixed number."""

    files_free: Optional[int]
    """Free inodes."""

    free_bytes: Optional[int]
    """Free, for root."""

    read_only: Optional[bool]
    """Whether it is mounted read-only."""

    size_bytes: Optional[int]
    """Size."""


class Host(TypedDict, total=False):
    """What computer this is."""

    architecture: Optional[str]
    """Machine, as `uname -m`."""

    boot_time_seconds: Optional[float]
    """When it booted, Unix seconds."""

    cores: Optional[int]
    """Processors online."""

    cpu_model: Optional[str]
    """Processor model."""

    kernel: Optional[str]
    """Kernel release, as `uname -r`."""

    kernel_version: Optional[str]
    """Kernel build, as `uname -v`."""

    machine: Optional[str]
    """Model of the machine (DMI product name or device tree model)."""

    os: Optional[str]
    """Operating system family: `linux`, `macos`, `windows`, …."""

    os_id: Optional[str]
    """Identifier of the distribution (`ID` of os-release(5))."""

    os_name: Optional[str]
    """Name for people (`PRETTY_NAME` of os-release(5))."""

    os_version: Optional[str]
    """Version (`VERSION_ID` of os-release(5))."""

    time_zone_offset_seconds: Optional[int]
    """Local time less UTC."""

    uptime_seconds: Optional[float]
    """Time since boot."""

    virtualization: Optional[str]
    """Container or virtual machine this system runs in: `docker`, `lxc`, `kvm`, …."""


class _InterfaceAlways(TypedDict):

    device: str
    """Name, such as `eth0`."""


class Interface(_InterfaceAlways, total=False):
    """One network interface: counters since it appeared."""

    ipv4: List[str]
    """IPv4 addresses with prefix length, `192.0.2.1/24`."""

    ipv6: List[str]
    """IPv6 addresses with prefix length, `2001:db8::1/64`."""

    mac_address: Optional[str]
    """Hardware address."""

    mtu_bytes: Optional[int]
    """Largest packet."""

    operstate: Optional[str]
    """Operational state (RFC 2863): `up`, `down`, `unknown`, …"""

    receive_bytes_total: Optional[int]
    """Bytes received."""

    receive_drop_total: Optional[int]
    """Received packets dropped."""

    receive_errs_total: Optional[int]
    """Receive errors."""

    receive_fifo_total: Optional[int]
    """Receive overruns: the host did not take packets off the device in time."""

    receive_frame_total: Optional[int]
    """Frames received that were misaligned or of a wrong length."""

    receive_multicast_total: Optional[int]
    """Multicast packets received."""

    receive_packets_total: Optional[int]
    """Packets received."""

    speed_bytes: Optional[int]
    """Link speed, bytes a second."""

    transmit_bytes_total: Optional[int]
    """Bytes sent."""

    transmit_carrier_total: Optional[int]
    """Losses of the carrier while sending."""

    transmit_colls_total: Optional[int]
    """Collisions."""

    transmit_drop_total: Optional[int]
    """Packets to send dropped."""

    transmit_errs_total: Optional[int]
    """Transmit errors."""

    transmit_fifo_total: Optional[int]
    """Transmit underruns."""

    transmit_packets_total: Optional[int]
    """Packets sent."""


class _Ipv4InterfaceAlways(TypedDict):

    addr: str
    """Address."""


class Ipv4Interface(_Ipv4InterfaceAlways, total=False):
    """One IPv4 address in the shape of 2016 (and of `netifaces`)."""

    broadcast: Optional[str]
    """Broadcast address; `null` on links without one."""

    netmask: Optional[str]
    """Netmask."""


class _MemoryAlways(TypedDict):

    percent_used: Optional[float]
    """Used share, 0 to 100."""

    total_bytes: Optional[int]
    """Memory this host may use: `MemTotal`, or the limit of its cgroup where that is lower."""

    total_bytes_used: Optional[int]
    """Used: total less available, as `free` says; ZFS's ARC that can shrink counts as available."""


class Memory(_MemoryAlways, total=False):
    """Main memory. Names follow `/proc/meminfo` (Linux: Documentation/filesystems/proc.rst)."""

    active_anon_bytes: Optional[int]
    """`Active(anon)` of `/proc/meminfo`."""

    active_bytes: Optional[int]
    """`Active` of `/proc/meminfo`."""

    active_file_bytes: Optional[int]
    """`Active(file)` of `/proc/meminfo`."""

    anon_huge_pages_bytes: Optional[int]
    """`AnonHugePages` of `/proc/meminfo`."""

    anon_pages_bytes: Optional[int]
    """`AnonPages` of `/proc/meminfo`."""

    available_bytes: Optional[int]
    """What programs can still get without swapping (`MemAvailable`, plus ARC that can shrink)."""

    buffers_bytes: Optional[int]
    """`Buffers` of `/proc/meminfo`."""

    cached_bytes: Optional[int]
    """`Cached` of `/proc/meminfo`."""

    cgroup_limit_bytes: Optional[int]
    """Memory limit of the cgroup this system lives in (container), if any."""

    cgroup_used_bytes: Optional[int]
    """Memory charged to that cgroup."""

    commit_limit_bytes: Optional[int]
    """`CommitLimit` of `/proc/meminfo`."""

    committed_as_bytes: Optional[int]
    """`Committed_AS` of `/proc/meminfo`."""

    dirty_bytes: Optional[int]
    """`Dirty` of `/proc/meminfo`."""

    free_bytes: Optional[int]
    """`MemFree` of `/proc/meminfo`."""

    hardware_corrupted_bytes: Optional[int]
    """`HardwareCorrupted` of `/proc/meminfo`."""

    host_total_bytes: Optional[int]
    """`MemTotal` of the machine; present where a cgroup limit makes `total_bytes` lower."""

    huge_pages: Optional[int]
    """`HugePages_Total` of `/proc/meminfo`, a number of pages."""

    huge_pages_free: Optional[int]
    """`HugePages_Free` of `/proc/meminfo`, a number of pages."""

    huge_pages_reserved: Optional[int]
    """`HugePages_Rsvd` of `/proc/meminfo`, a number of pages."""

    huge_pages_surplus: Optional[int]
    """`HugePages_Surp` of `/proc/meminfo`, a number of pages."""

    hugepage_size_bytes: Optional[int]
    """`Hugepagesize` of `/proc/meminfo`."""

    hugetlb_bytes: Optional[int]
    """`Hugetlb` of `/proc/meminfo`."""

    inactive_anon_bytes: Optional[int]
    """`Inactive(anon)` of `/proc/meminfo`."""

    inactive_bytes: Optional[int]
    """`Inactive` of `/proc/meminfo`."""

    inactive_file_bytes: Optional[int]
    """`Inactive(file)` of `/proc/meminfo`."""

    kernel_stack_bytes: Optional[int]
    """`KernelStack` of `/proc/meminfo`."""

    mapped_bytes: Optional[int]
    """`Mapped` of `/proc/meminfo`."""

    mem_available_bytes: Optional[int]
    """`MemAvailable` of `/proc/meminfo`."""

    mem_total_bytes: Optional[int]
    """`MemTotal` of `/proc/meminfo`."""

    mlocked_bytes: Optional[int]
    """`Mlocked` of `/proc/meminfo`."""

    page_tables_bytes: Optional[int]
    """`PageTables` of `/proc/meminfo`."""

    percpu_bytes: Optional[int]
    """`Percpu` of `/proc/meminfo`."""

    shmem_bytes: Optional[int]
    """`Shmem` of `/proc/meminfo`."""

    slab_bytes: Optional[int]
    """`Slab` of `/proc/meminfo`."""

    slab_reclaimable_bytes: Optional[int]
    """`SReclaimable` of `/proc/meminfo`."""

    slab_unreclaimable_bytes: Optional[int]
    """`SUnreclaim` of `/proc/meminfo`."""

    unevictable_bytes: Optional[int]
    """`Unevictable` of `/proc/meminfo`."""

    vmalloc_used_bytes: Optional[int]
    """`VmallocUsed` of `/proc/meminfo`."""

    writeback_bytes: Optional[int]
    """`Writeback` of `/proc/meminfo`."""

    zfs_arc_bytes: Optional[int]
    """Size of ZFS's ARC (`size` in `/proc/spl/kstat/zfs/arcstats`)."""

    zfs_arc_min_bytes: Optional[int]
    """The size below which the ARC does not shrink (`c_min`)."""


class Network(TypedDict, total=False):
    """Network interfaces."""

    default_interface: Optional[str]
    """The interface that holds the default route."""

    interfaces: List[Interface]
    """Every interface."""


class NetworkProtocols(TypedDict, total=False):
    """Counters since boot of the IP protocols (RFC 1213; Linux: `/proc/net/snmp`, `snmp6`, `netstat`)."""

    icmp_in_errors_total: Optional[int]
    """`Icmp: InErrors`."""

    icmp_in_msgs_total: Optional[int]
    """`Icmp: InMsgs`."""

    icmp_out_msgs_total: Optional[int]
    """`Icmp: OutMsgs`."""

    ip6_in_octets_total: Optional[int]
    """`Ip6InOctets`."""

    ip6_out_octets_total: Optional[int]
    """`Ip6OutOctets`."""

    ip_forwarding: Optional[int]
    """`Ip: Forwarding`: 1 when this host routes, else 2."""

    ip_in_octets_total: Optional[int]
    """`IpExt: InOctets`."""

    ip_out_octets_total: Optional[int]
    """`IpExt: OutOctets`."""

    tcp_active_opens_total: Optional[int]
    """`Tcp: ActiveOpens`."""

    tcp_attempt_fails_total: Optional[int]
    """`Tcp: AttemptFails`."""

    tcp_curr_estab: Optional[int]
    """`Tcp: CurrEstab`, sockets established now."""

    tcp_estab_resets_total: Optional[int]
    """`Tcp: EstabResets`."""

    tcp_in_errs_total: Optional[int]
    """`Tcp: InErrs`."""

    tcp_in_segs_total: Optional[int]
    """`Tcp: InSegs`."""

    tcp_listen_drops_total: Optional[int]
    """`TcpExt: ListenDrops`."""

    tcp_listen_overflows_total: Optional[int]
    """`TcpExt: ListenOverflows`."""

    tcp_out_rsts_total: Optional[int]
    """`Tcp: OutRsts`."""

    tcp_out_segs_total: Optional[int]
    """`Tcp: OutSegs`."""

    tcp_passive_opens_total: Optional[int]
    """`Tcp: PassiveOpens`."""

    tcp_retrans_segs_total: Optional[int]
    """`Tcp: RetransSegs`."""

    tcp_syn_retrans_total: Optional[int]
    """`TcpExt: TCPSynRetrans`."""

    tcp_syncookies_sent_total: Optional[int]
    """`TcpExt: SyncookiesSent`."""

    tcp_timeouts_total: Optional[int]
    """`TcpExt: TCPTimeouts`."""

    udp6_in_datagrams_total: Optional[int]
    """`Udp6InDatagrams`."""

    udp6_in_errors_total: Optional[int]
    """`Udp6InErrors`."""

    udp6_no_ports_total: Optional[int]
    """`Udp6NoPorts`."""

    udp6_out_datagrams_total: Optional[int]
    """`Udp6OutDatagrams`."""

    udp6_rcvbuf_errors_total: Optional[int]
    """`Udp6RcvbufErrors`."""

    udp_in_datagrams_total: Optional[int]
    """`Udp: InDatagrams`."""

    udp_in_errors_total: Optional[int]
    """`Udp: InErrors`."""

    udp_no_ports_total: Optional[int]
    """`Udp: NoPorts`."""

    udp_out_datagrams_total: Optional[int]
    """`Udp: OutDatagrams`."""

    udp_rcvbuf_errors_total: Optional[int]
    """`Udp: RcvbufErrors`."""

    udp_sndbuf_errors_total: Optional[int]
    """`Udp: SndbufErrors`."""


class Paging(TypedDict, total=False):
    """Paging counters since boot, from `/proc/vmstat`."""

    faults_total: Optional[int]
    """Page faults (`pgfault`)."""

    in_bytes_total: Optional[int]
    """Read from block devices (`pgpgin`, there in KiB)."""

    major_faults_total: Optional[int]
    """Page faults that needed I/O (`pgmajfault`)."""

    oom_kills_total: Optional[int]
    """Processes killed for want of memory (`oom_kill`)."""

    out_bytes_total: Optional[int]
    """Written to block devices (`pgpgout`, there in KiB)."""

    swap_in_pages_total: Optional[int]
    """Pages swapped in (`pswpin`)."""

    swap_out_pages_total: Optional[int]
    """Pages swapped out (`pswpout`)."""


class Pressure(TypedDict, total=False):
    """Pressure stall information (Linux: Documentation/accounting/psi.rst), `/proc/pressure/*`."""

    cpu: Optional[Stall]
    """Waiting for a processor."""

    io: Optional[Stall]
    """Waiting for I/O."""

    irq: Optional[Stall]
    """Time lost to interrupt handling (kernel 6.1 and later)."""

    memory: Optional[Stall]
    """Waiting for memory."""


class _ProbeStatusAlways(TypedDict):

    duration_seconds: float
    """How long the reading took."""

    outcome: str
    """What came of it: `fresh`, `nothing here: reason` or `failed: reason`."""


class ProbeStatus(_ProbeStatusAlways, total=False):
    """How one probe fared."""

    age_seconds: Optional[float]
    """How old the values are, for sources too slow to read at each sample."""

ProbeStatuses = Dict[str, "ProbeStatus"]
"""Probes by name."""


class _ProcessAlways(TypedDict):

    pid: int
    """Process id."""

    status: str
    """State in psutil's words: `running`, `sleeping`, `disk-sleep`, `stopped`, `tracing-stop`, `zombie`,
    `dead`, `idle`, or `unknown` where the system does not tell.
    """


class Process(_ProcessAlways, total=False):
    """The value of one process on the wire; its name is the key."""

    percent_cpu_used: Optional[float]
    """Processor time used since the last report, 100 being one core; `null` before there is a previous
    reading.
    """

    percent_memory_used: Optional[float]
    """Resident memory as a share of the host's, 0 to 100."""

    resident_bytes: Optional[int]
    """Resident memory."""

    start_time_seconds: Optional[float]
    """When it started, Unix seconds."""

    threads: Optional[int]
    """Threads."""

    user: Optional[str]
    """Owner's name, or number where it has none."""


class ProcessCounts(TypedDict, total=False):
    """Number of processes by state, and of threads."""

    disk_sleep: int
    """In uninterruptible sleep (`D`)."""

    idle: int
    """Idle kernel threads (`I`)."""

    max_pid: Optional[int]
    """The largest process id the system gives out."""

    other: int
    """In any other state."""

    running: int
    """Running or ready to run (`R`)."""

    sleeping: int
    """Sleeping (`S`)."""

    stopped: int
    """Stopped or traced (`T`, `t`)."""

    tasks_blocked: Optional[int]
    """Tasks blocked on I/O now (`procs_blocked` of `/proc/stat`)."""

    tasks_running: Optional[int]
    """Tasks ready to run on all processors now (`procs_running` of `/proc/stat`)."""

    threads: Optional[int]
    """Threads of all processes."""

    total: int
    """All processes."""

    zombie: int
    """Ended, not yet waited for (`Z`)."""

ProcessTable = Dict[str, "Process"]
"""Processes by name; further ones of a name have the key `name#pid`."""


class Replay(TypedDict):
    """What a node may still send again after a cut.

    A masternode that misses sequence numbers below `from_sequence` will never get them: that gap is
    final. Without this key nothing is waiting, so every gap below this report is final.

    Each masternode of a node is told what waits for itself. A replayed report says what was true when
    it was sampled, or, of a clientnode with several masternodes, nothing; since a clientnode sends again
    in the order of the sequence numbers, both hold when it arrives too. Gaps of an earlier session are
    final with the first report of the running one without this key.
    """

    from_sequence: int
    """The lowest sequence number of this session among them; this report's own when all are of earlier
    ones.
    """

    pending: int
    """Reports that wait to be sent again, those of earlier sessions included."""


class Sockets(TypedDict, total=False):
    """Sockets: what is open now, and what the protocols counted since boot."""

    protocols: Optional[NetworkProtocols]
    """Protocol counters."""

    tcp6_inuse: Optional[int]
    """TCP sockets in use, IPv6."""

    tcp_alloc: Optional[int]
    """TCP sockets allocated."""

    tcp_inuse: Optional[int]
    """TCP sockets in use, IPv4."""

    tcp_mem_bytes: Optional[int]
    """Memory of TCP buffers."""

    tcp_orphan: Optional[int]
    """TCP sockets without an owner."""

    tcp_states: Optional[TcpStates]
    """TCP sockets by state, IPv4 and IPv6; read less often than each second."""

    tcp_tw: Optional[int]
    """TCP sockets in TIME_WAIT."""

    udp6_inuse: Optional[int]
    """UDP sockets in use, IPv6."""

    udp_inuse: Optional[int]
    """UDP sockets in use, IPv4."""

    udp_mem_bytes: Optional[int]
    """Memory of UDP buffers."""

    used: Optional[int]
    """Sockets in use, all kinds (`sockets: used` of `/proc/net/sockstat`)."""


class Stall(TypedDict, total=False):
    """Stalls on one resource."""

    full: Optional[StallTimes]
    """All non-idle tasks were stalled at once."""

    some: Optional[StallTimes]
    """At least one task was stalled."""


class StallTimes(TypedDict):
    """How much of the time tasks were stalled."""

    avg10_percent: float
    """Share of the last 10 seconds, 0 to 100."""

    avg300_percent: float
    """Share of the last 300 seconds, 0 to 100."""

    avg60_percent: float
    """Share of the last 60 seconds, 0 to 100."""

    seconds_total: float
    """Stalled time since boot, seconds."""


class Swap(TypedDict, total=False):
    """Swap space, from `/proc/meminfo`."""

    cached_bytes: Optional[int]
    """`SwapCached`."""

    free_bytes: Optional[int]
    """`SwapFree`."""

    percent_used: Optional[float]
    """Used share, 0 to 100; missing without swap."""

    total_bytes: Optional[int]
    """`SwapTotal`."""

    used_bytes: Optional[int]
    """Total less free."""

    zswap_bytes: Optional[int]
    """`Zswap`: memory that holds compressed pages."""

    zswapped_bytes: Optional[int]
    """`Zswapped`: what those pages were before."""


class TcpStates(TypedDict, total=False):
    """TCP sockets by state (RFC 9293)."""

    close: int
    """Sockets in CLOSE."""

    close_wait: int
    """Sockets in CLOSE-WAIT."""

    closing: int
    """Sockets in CLOSING."""

    established: int
    """Sockets in ESTABLISHED."""

    fin_wait1: int
    """Sockets in FIN-WAIT1."""

    fin_wait2: int
    """Sockets in FIN-WAIT2."""

    last_ack: int
    """Sockets in LAST-ACK."""

    listen: int
    """Sockets in LISTEN."""

    syn_recv: int
    """Sockets in SYN-RECV."""

    syn_sent: int
    """Sockets in SYN-SENT."""

    time_wait: int
    """Sockets in TIME-WAIT."""


class _ReportAlways(TypedDict):

    computer_clock: str
    """Wall clock of the host in its own time zone, `YYYY-MM-DD HH:MM:SS.ffffff`."""

    computer_utc_clock: str
    """Wall clock of the host in UTC, `YYYY-MM-DD HH:MM:SS.ffffff`."""

    cpu: Cpu
    """Processor: share used and times per core, load, frequency."""

    disk: Disk
    """The root file system."""

    hostname: str
    """Host name, as `gethostname(2)` gives it."""

    ipv4_interfaces: List[Ipv4Interface]
    """IPv4 addresses of the interface that holds the default route."""

    mac_address: Optional[str]
    """MAC address of the interface that holds the default route, `aa:bb:cc:dd:ee:ff`."""

    memory: Memory
    """Main memory."""

    process: ProcessTable
    """The busiest processes by name (how many is the node's choice); all are counted in `processes`."""


class Report(_ReportAlways, total=False):
    """What one computer says about itself at one moment.

    The first block of fields is the report of 2016, key for key and type for type; a subscriber written
    then finds everything where it was. A value of that block which the host could not give is `null`. All
    further keys are ours and are left out when the host has nothing to say.

    Counters (`…_total`, `…_seconds` of CPU and devices) are raw, as the kernel gives them: whoever
    reads derives rates, so a better formula improves the past too.
    """

    agent: Optional[Agent]
    """What the clientnode itself uses and did."""

    block_devices: Optional[List[BlockDevice]]
    """Block devices."""

    filesystems: Optional[List[Filesystem]]
    """Mounted file systems that hold data, each once."""

    host: Optional[Host]
    """What computer this is: uptime, operating system, kernel."""

    interval_seconds: Optional[float]
    """Time between two reports of this node."""

    leaving: Optional[bool]
    """`true` in the last report of a clientnode that was stopped on purpose."""

    network: Optional[Network]
    """Network interfaces."""

    node_id: Optional[str]
    """Stable random identity of the node; survives a rename of the host."""

    paging: Optional[Paging]
    """Paging counters."""

    pressure: Optional[Pressure]
    """Pressure stall information."""

    probes: ProbeStatuses
    """How each probe fared."""

    processes: Optional[ProcessCounts]
    """How many processes there are, by state."""

    replay: Optional[Replay]
    """What this node may still send again; missing when nothing is waiting."""

    sampled_at_ms: Optional[int]
    """When the sample was taken, Unix milliseconds."""

    schema: Optional[int]
    """Version of the report: 2. Missing in reports of 2016."""

    sequence: Optional[int]
    """Number of this report within the session: 0, 1, 2, …"""

    session: Optional[str]
    """Identity of this run of the clientnode."""

    sockets: Optional[Sockets]
    """TCP, UDP and socket counters."""

    swap: Optional[Swap]
    """Swap space."""


# What a report has at least; keys that a node of 2016 left out are filled in from here.
REPORT_DEFAULTS: Final[Dict[str, Any]] = {
    "computer_clock": "",
    "computer_utc_clock": "",
    "cpu": {"percent_used": []},
    "disk": {"percent_used": None, "total_bytes": None, "total_bytes_free": None, "total_bytes_used": None},
    "ipv4_interfaces": [],
    "mac_address": None,
    "memory": {"percent_used": None, "total_bytes": None, "total_bytes_used": None},
    "process": {},
}


class _NodeEventAlways(TypedDict):

    at_ms: int
    """When the masternode saw it, Unix milliseconds."""

    hostname: str
    """Its host name now."""

    node_id: str
    """The node. For nodes of 2016, which have no identity, a name derived from host name and MAC."""


class _NodeEvent(_NodeEventAlways, total=False):
    """A change in a node's state, as JSON on `chasar/node/<node_id>/state`.

    A change is published when it happens. For listeners that come late the masternode repeats each
    node's present state from time to time, marked `repeated`.
    """

    repeated: bool
    """`true` when this repeats what was said before."""


class Joined(_NodeEvent):
    """First report of this node."""

    state: Literal["joined"]


class Late(_NodeEvent):
    """A report is overdue."""

    state: Literal["late"]


class Down(_NodeEvent):
    """Reports stopped coming."""

    state: Literal["down"]


class Back(_NodeEvent):
    """Reports come again after `late`, `down` or `left`."""

    state: Literal["back"]


class Left(_NodeEvent):
    """The clientnode was stopped on purpose."""

    state: Literal["left"]


class Gap(_NodeEvent):
    """Reports `from_sequence` to `to_sequence` of a session never came and will not come."""

    from_sequence: int
    """First missing sequence number."""

    session: str
    """The session they belong to."""

    state: Literal["gap"]

    to_sequence: int
    """Last missing sequence number."""


class Renamed(_NodeEvent):
    """The host changed its name."""

    previous_hostname: str
    """The name before."""

    state: Literal["renamed"]


class Cloned(_NodeEvent):
    """Two running clientnodes use this identity; the other one is at `other_hostname`."""

    other_hostname: str
    """Host name of the other one."""

    state: Literal["cloned"]


NodeEvent = Union[Joined, Late, Down, Back, Left, Gap, Renamed, Cloned]
"""A change in a node's state, as JSON on `chasar/node/<node_id>/state`.

A change is published when it happens. For listeners that come late the masternode repeats each node's
present state from time to time, marked `repeated`.
"""
