//! Snappy's block format, within bounds.
//!
//! Source: <https://github.com/google/snappy/blob/main/format_description.txt>

use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

use crate::{Error, Limits};

/// A copy of 64 bytes takes three; nothing packs more tightly. What says to be longer is none.
const MOST_PER_BYTE: usize = 22;

/// Unpacks a body into `out`, whose memory is used again. What it says to be long is checked before
/// memory is taken.
///
/// # Errors
/// When it is no snappy block, or a limit is broken.
pub fn unpack(body: &[u8], limits: &Limits, out: &mut Vec<u8>) -> Result<(), Error> {
    out.clear();
    within("packed bytes", body.len(), limits.packed_bytes)?;
    let snappy = |cause: snap::Error| Error::Snappy(cause.to_string());
    let len = decompress_len(body).map_err(snappy)?;
    within("bytes", len, limits.message_bytes)?;
    if len > body.len().saturating_mul(MOST_PER_BYTE) {
        return Err(Error::Snappy(format!("{} bytes cannot hold the {len} bytes they announce", body.len())));
    }
    out.resize(len, 0);
    let unpacked = Decoder::new().decompress(body, out).map_err(snappy);
    if unpacked.is_err() {
        out.clear();
    }
    unpacked.map(|_| ())
}

/// Packs bytes behind what is in `out` already.
pub fn pack(bytes: &[u8], out: &mut Vec<u8>) {
    let begin = out.len();
    out.resize(begin + max_compress_len(bytes.len()), 0);
    // Room for the worst is there, and a message of 4 GiB is beyond every limit.
    let len = Encoder::new().compress(bytes, &mut out[begin..]).unwrap_or(0);
    out.truncate(begin + len);
}

pub(crate) fn within(what: &'static str, count: usize, limit: usize) -> Result<(), Error> {
    if count > limit { Err(Error::TooMany { what, count, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_too_long_is_refused_before_memory_is_taken() {
        let limits = Limits { packed_bytes: 100, message_bytes: 1_000, ..Limits::default() };
        let mut out = Vec::new();
        let long = Error::TooMany { what: "packed bytes", count: 101, limit: 100 };
        assert_eq!(unpack(&[0; 101], &limits, &mut out), Err(long));
        // 1 MiB, so it says.
        let long = Error::TooMany { what: "bytes", count: 1 << 20, limit: 1_000 };
        assert_eq!(unpack(&[0x80, 0x80, 0x40, 0], &limits, &mut out), Err(long));
        // 1,000 bytes in four.
        let error = unpack(&[0xe8, 0x07, 0, 0], &limits, &mut out).unwrap_err();
        assert!(error.to_string().contains("cannot hold the 1000 bytes"), "{error}");
        assert_eq!(out.capacity(), 0);
        assert!(matches!(unpack(&[], &limits, &mut out), Err(Error::Snappy(_)) | Ok(())));
        assert!(matches!(unpack(&[3, 0xff, 0xff], &limits, &mut out), Err(Error::Snappy(_))));
    }

    #[test]
    fn the_tightest_block_is_taken() {
        // A literal, then copies of 64 bytes.
        let mut body = Vec::new();
        let bytes = vec![b'x'; 1 << 16];
        pack(&bytes, &mut body);
        assert!(body.len() * MOST_PER_BYTE >= bytes.len(), "{}", body.len());
        let mut out = Vec::new();
        unpack(&body, &Limits::default(), &mut out).unwrap();
        assert_eq!(out, bytes);
    }

    proptest! {
        #[test]
        fn blocks_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..3_000), before in 0usize..5) {
            let mut body = vec![7; before];
            pack(&bytes, &mut body);
            let mut out = vec![1, 2, 3];
            unpack(&body[before..], &Limits::default(), &mut out).unwrap();
            prop_assert_eq!(out, bytes);
        }
    }
}
