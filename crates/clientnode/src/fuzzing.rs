//! What reads bytes here, for fuzz targets and for nothing else.

use crate::spool::record;

/// Reads a segment of the spool as a start after a crash does: its header, then whole records up to
/// the first that is not. The number of records, and where they end.
pub fn segment(bytes: &[u8], node_id: &str) -> (u64, usize) {
    match record::read_segment_header(bytes, node_id) {
        record::SegmentHeader::Ours => record::count(bytes),
        _ => (0, 0),
    }
}

/// Appends a segment of one record for each body, so that a target can begin with a sound one.
pub fn write_segment(node_id: &str, bodies: &[&[u8]], out: &mut Vec<u8>) {
    record::write_segment_header(node_id, out);
    for (sequence, body) in bodies.iter().enumerate() {
        record::write(sequence as u64, 0, false, body, out);
    }
}
