//! The report: what one computer says about itself at one moment.

use chasar_wire_derive::Read;
use serde::{Deserialize, Serialize};

use crate::Text;
use crate::family::{
    Agent, BlockDevice, Cpu, Disk, Filesystem, Host, Ipv4Interface, Memory, Network, Paging, Pressure,
    ProbeStatuses, ProcessCounts, ProcessTable, Sockets, Swap,
};

/// The version of the report that this crate writes. Reports of 2016 have none.
pub const SCHEMA: u32 = 2;

/// What one computer says about itself at one moment.
///
/// The first block of fields is the report of 2016, key for key and type for type; a subscriber
/// written then finds everything where it was. A value of that block which the host could not
/// give is `null`. All further keys are ours and are left out when the host has nothing to say.
///
/// Counters (`…_total`, `…_seconds` of CPU and devices) are raw, as the kernel gives them: whoever
/// reads derives rates, so a better formula improves the past too.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Read)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Report {
    /// Wall clock of the host in UTC, `YYYY-MM-DD HH:MM:SS.ffffff`.
    #[serde(default)]
    pub computer_utc_clock: Text,
    /// Wall clock of the host in its own time zone, `YYYY-MM-DD HH:MM:SS.ffffff`.
    #[serde(default)]
    pub computer_clock: Text,
    /// Host name, as `gethostname(2)` gives it.
    pub hostname: Text,
    /// MAC address of the interface that holds the default route, `aa:bb:cc:dd:ee:ff`.
    #[serde(default)]
    pub mac_address: Option<Text>,
    /// IPv4 addresses of the interface that holds the default route.
    #[serde(default)]
    pub ipv4_interfaces: Vec<Ipv4Interface>,
    /// Processor: share used and times per core, load, frequency.
    #[serde(default)]
    pub cpu: Cpu,
    /// Main memory.
    #[serde(default)]
    pub memory: Memory,
    /// The root file system.
    #[serde(default)]
    pub disk: Disk,
    /// The busiest processes by name (how many is the node's choice); all are counted in `processes`.
    #[serde(default)]
    pub process: ProcessTable,

    /// Version of the report: 2. Missing in reports of 2016.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<u32>,
    /// Stable random identity of the node; survives a rename of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_id: Option<Text>,
    /// Identity of this run of the clientnode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Text>,
    /// Number of this report within the session: 0, 1, 2, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// When the sample was taken, Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampled_at_ms: Option<i64>,
    /// Time between two reports of this node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_seconds: Option<f64>,
    /// `true` in the last report of a clientnode that was stopped on purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaving: Option<bool>,
    /// What this node may still send again; missing when nothing is waiting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,

    /// Swap space.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap: Option<Swap>,
    /// Paging counters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paging: Option<Paging>,
    /// Pressure stall information.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pressure: Option<Pressure>,
    /// Mounted file systems that hold data, each once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filesystems: Option<Vec<Filesystem>>,
    /// Block devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_devices: Option<Vec<BlockDevice>>,
    /// Network interfaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// TCP, UDP and socket counters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sockets: Option<Sockets>,
    /// How many processes there are, by state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<ProcessCounts>,
    /// What computer this is: uptime, operating system, kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
    /// What the clientnode itself uses and did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Agent>,
    /// How each probe fared.
    #[serde(default, skip_serializing_if = "ProbeStatuses::is_empty")]
    pub probes: ProbeStatuses,
}

/// What a node may still send again after a cut.
///
/// A masternode that misses sequence numbers below `from_sequence` will never get them: that gap
/// is final. Without this key nothing is waiting, so every gap below this report is final.
///
/// Each masternode of a node is told what waits for itself. A replayed report says what was true when it was
/// sampled, or, of a clientnode with several masternodes, nothing; since a clientnode sends again in the order of the
/// sequence numbers, both hold when it arrives too. Gaps of an earlier session are final with the first report of
/// the running one without this key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Read)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Replay {
    /// Reports that wait to be sent again, those of earlier sessions included.
    pub pending: u64,
    /// The lowest sequence number of this session among them; this report's own when all are of earlier ones.
    pub from_sequence: u64,
}
