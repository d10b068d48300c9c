//! How one report lies in a segment of the spool.
//!
//! A segment is a header and then records, one after another; numbers are little endian.
//!
//! ```text
//! segment header, 41 bytes     record, 25 bytes and the body
//! +0  "CHSPOOL1"    8          +0   CRC-32C of all that follows   4
//! +8  node id      32          +4   length of the body            4
//! +40 "\n"          1          +8   sequence number               8
//!                              +16  sampled at, Unix ms           8
//!                              +24  0 plain JSON, 1 packed        1
//!                              +25  body
//! ```
//!
//! The CRC tells a whole record from one that a crash cut short or a disk spoiled. It is the
//! Castagnoli polynomial (RFC 3720, appendix B.4).

/// Length of a segment's header.
pub(crate) const SEGMENT_HEADER_BYTES: usize = 41;
/// Length of a record less its body.
pub(crate) const RECORD_HEADER_BYTES: usize = 25;
/// Longest body that is believed; a report is at most a mebibyte, packed or not.
const MAX_BODY_BYTES: usize = 2 << 20;

const MAGIC: &[u8; 8] = b"CHSPOOL1";

/// What a record says besides its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) sequence: u64,
    pub(crate) sampled_at_ms: i64,
    pub(crate) packed: bool,
    pub(crate) body_bytes: usize,
}

impl Header {
    /// Header and body together.
    pub(crate) fn record_bytes(&self) -> u64 {
        (RECORD_HEADER_BYTES + self.body_bytes) as u64
    }
}

/// What stands at the head of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SegmentHeader {
    /// Reports of this node.
    Ours,
    /// Reports of another node: a copied folder.
    OtherNode,
    /// Cut short before anything was written.
    Torn,
    /// Not a segment, or one of a later version.
    Unknown,
}

pub(crate) fn write_segment_header(node_id: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&id_field(node_id));
    out.push(b'\n');
}

pub(crate) fn read_segment_header(bytes: &[u8], node_id: &str) -> SegmentHeader {
    match bytes.get(..SEGMENT_HEADER_BYTES) {
        None if MAGIC.starts_with(&bytes[..bytes.len().min(8)]) => SegmentHeader::Torn,
        // A crash can leave the length without the bytes: zeros.
        Some(header) if header.iter().all(|b| *b == 0) => SegmentHeader::Torn,
        Some(header) if &header[..8] == MAGIC && header[40] == b'\n' => {
            if header[8..40] == id_field(node_id) { SegmentHeader::Ours } else { SegmentHeader::OtherNode }
        }
        _ => SegmentHeader::Unknown,
    }
}

fn id_field(node_id: &str) -> [u8; 32] {
    let mut field = [b' '; 32];
    let len = node_id.len().min(32);
    field[..len].copy_from_slice(&node_id.as_bytes()[..len]);
    field
}

/// Appends a record to `out`.
pub(crate) fn write(sequence: u64, sampled_at_ms: i64, packed: bool, body: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(body.len() as u32).to_le_bytes());
    out.extend_from_slice(&sequence.to_le_bytes());
    out.extend_from_slice(&sampled_at_ms.to_le_bytes());
    out.push(u8::from(packed));
    out.extend_from_slice(body);
    let crc = crc32c(&out[start + 4..]);
    out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
}

/// The header at the beginning of `bytes`, its CRC not yet checked; `None` when it cannot be one.
pub(crate) fn read_header(bytes: &[u8]) -> Option<Header> {
    let header: &[u8; RECORD_HEADER_BYTES] = bytes.first_chunk()?;
    let body_bytes = u32::from_le_bytes(*header[4..].first_chunk()?) as usize;
    let header = Header {
        sequence: u64::from_le_bytes(*header[8..].first_chunk()?),
        sampled_at_ms: i64::from_le_bytes(*header[16..].first_chunk()?),
        packed: header[24] == 1,
        body_bytes,
    };
    (body_bytes <= MAX_BODY_BYTES && bytes[24] <= 1).then_some(header)
}

/// The record at the beginning of `bytes` with its body; `None` unless it is whole.
pub(crate) fn read(bytes: &[u8]) -> Option<(Header, &[u8])> {
    let header = read_header(bytes)?;
    let record = bytes.get(..RECORD_HEADER_BYTES + header.body_bytes)?;
    let crc = u32::from_le_bytes(*record.first_chunk()?);
    (crc32c(&record[4..]) == crc).then_some((header, &record[RECORD_HEADER_BYTES..]))
}

/// How many whole records follow the header of `segment`, and where the last of them ends.
pub(crate) fn count(segment: &[u8]) -> (u64, usize) {
    let (mut records, mut end) = (0, SEGMENT_HEADER_BYTES);
    while let Some((header, _)) = segment.get(end..).and_then(read) {
        records += 1;
        end += header.record_bytes() as usize;
    }
    (records, end)
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0u32; 256];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82F6_3B78 } else { crc >> 1 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
};

fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, b| CRC_TABLE[((crc ^ u32::from(*b)) & 0xFF) as usize] ^ (crc >> 8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_crc_is_castagnolis() {
        // RFC 3720, appendix B.4.
        assert_eq!(crc32c(&[0; 32]), 0x8A91_36AA);
        assert_eq!(crc32c(&[0xFF; 32]), 0x62A8_AB43);
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
    }

    #[test]
    fn segment_headers_are_told_apart() {
        let mut bytes = Vec::new();
        write_segment_header("0123456789abcdef0123456789abcdef", &mut bytes);
        assert_eq!(bytes.len(), SEGMENT_HEADER_BYTES);
        let read = |bytes: &[u8], id: &str| read_segment_header(bytes, id);
        assert_eq!(read(&bytes, "0123456789abcdef0123456789abcdef"), SegmentHeader::Ours);
        assert_eq!(read(&bytes, "ffff456789abcdef0123456789abcdef"), SegmentHeader::OtherNode);
        assert_eq!(read(&bytes[..20], "0123456789abcdef0123456789abcdef"), SegmentHeader::Torn);
        assert_eq!(read(&[0; 41], "x"), SegmentHeader::Torn);
        assert_eq!(read(b"", "x"), SegmentHeader::Torn);
        assert_eq!(read(b"#!/bin/sh", "x"), SegmentHeader::Unknown);
        bytes[7] = b'2';
        assert_eq!(read(&bytes, "0123456789abcdef0123456789abcdef"), SegmentHeader::Unknown);
    }

    proptest! {
        #[test]
        fn round_trip_and_every_flipped_bit_is_seen(
            sequence: u64, at: i64, packed: bool,
            body in prop::collection::vec(any::<u8>(), 0..300),
            flip: prop::sample::Index,
        ) {
            let mut bytes = vec![];
            write(sequence, at, packed, &body, &mut bytes);
            let (header, read_body) = read(&bytes).unwrap();
            prop_assert_eq!(read_body, &body[..]);
            prop_assert_eq!(header, Header { sequence, sampled_at_ms: at, packed, body_bytes: body.len() });
            let bit = flip.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(read(&bytes).is_none());
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes.pop();
            prop_assert!(read(&bytes).is_none());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = (read(&bytes), read_segment_header(&bytes, "n"));
        }
    }
}
