//! Report to bytes.

use crate::Report;

/// Writes `report` as JSON to the end of `out`, without allocating where `out` has room.
///
/// # Panics
/// Never: every value of a report has a JSON form (numbers that are not finite become `null`).
pub fn encode(report: &Report, out: &mut Vec<u8>) {
    serde_json::to_writer(out, report).expect("a report always has a JSON form");
}
