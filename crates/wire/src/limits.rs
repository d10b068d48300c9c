//! The bounds that both ends enforce on a report.

use std::fmt;

/// Largest report, plain JSON.
pub const MAX_REPORT_BYTES: usize = 1 << 20;
/// Deepest nesting of objects and lists.
pub const MAX_NESTING: usize = 16;
/// Longest text value, as escaped in the JSON.
pub const MAX_TEXT_BYTES: usize = 4 << 10;
/// Longest name: host, process, interface, mount, device.
pub const MAX_NAME_BYTES: usize = 255;
/// Most processes in one report.
pub const MAX_PROCESSES: usize = 4_096;
/// Most probes in one report.
pub const MAX_PROBES: usize = 128;
/// Most numbers one node may have.
pub const MAX_SERIES: usize = 20_000;
/// Most nodes of one masternode.
pub const MAX_NODES: usize = 20_000;
/// Shortest time between two reports.
pub const MIN_INTERVAL_SECONDS: f64 = 0.1;
/// Longest time between two reports.
pub const MAX_INTERVAL_SECONDS: f64 = 3_600.0;

/// Which bound a report breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitError {
    /// Larger than [`MAX_REPORT_BYTES`].
    Size {
        /// Its size.
        bytes: usize,
    },
    /// Nested deeper than [`MAX_NESTING`].
    Nesting {
        /// Byte offset where the bound was passed.
        at: usize,
    },
    /// A text longer than [`MAX_TEXT_BYTES`].
    Text {
        /// Byte offset where the text begins.
        at: usize,
    },
    /// More numbers than [`MAX_SERIES`].
    Series {
        /// How many list items and keys there are, at least.
        count: usize,
    },
    /// More processes than [`MAX_PROCESSES`].
    Processes,
    /// More probes than [`MAX_PROBES`].
    Probes,
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LimitError::Size { bytes } => {
                write!(f, "report of {bytes} bytes, the limit is {MAX_REPORT_BYTES}")
            }
            LimitError::Nesting { at } => write!(f, "nested deeper than {MAX_NESTING} at byte {at}"),
            LimitError::Text { at } => write!(f, "text longer than {MAX_TEXT_BYTES} bytes at byte {at}"),
            LimitError::Series { count } => {
                write!(f, "more than {MAX_VALUES} values ({count}), the limit of a node")
            }
            LimitError::Processes => write!(f, "more than {MAX_PROCESSES} processes"),
            LimitError::Probes => write!(f, "more than {MAX_PROBES} probes"),
        }
    }
}

impl std::error::Error for LimitError {}

/// Most keys and list items in one report: the numbers, and the names beside them.
pub const MAX_VALUES: usize = 4 * MAX_SERIES;
