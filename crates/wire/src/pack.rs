//! zstd with the trained dictionary: a report shrinks to about a fifth.
//!
//! A packed report is one zstd frame (RFC 8878) whose header has the dictionary's id and the content
//! size, so a reader knows which dictionary it needs and how much room to make before it unpacks.

use std::io;
use std::sync::LazyLock;

use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe;

use crate::limits::MAX_REPORT_BYTES;

/// The dictionary, trained on reports of many kinds of hosts (`cargo run -p chasar-bench --bin train-dictionary`).
///
/// A dictionary in use is never changed: a new one gets a new id and the old one stays readable.
pub static DICTIONARY: &[u8] = include_bytes!("../dictionary/report-1.zdict");

/// Level 3 packs as well as higher levels do with a dictionary, at a third of their memory.
const LEVEL: i32 = 3;

static ENCODER: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(DICTIONARY, LEVEL));
static DECODER: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(DICTIONARY));

/// Why a packed report cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// No zstd frame, or its header is broken.
    #[error("no zstd frame with a content size")]
    NotZstd,
    /// Packed with a dictionary that this version does not have.
    #[error("packed with dictionary {0}, which this version does not have")]
    UnknownDictionary(u32),
    /// Would be larger than [`MAX_REPORT_BYTES`].
    #[error("would unpack to {0} bytes, the limit is {MAX_REPORT_BYTES}")]
    TooLarge(u64),
    /// zstd refused.
    #[error("zstd: {0}")]
    Zstd(#[from] io::Error),
}

/// Packs reports. Keeps its working memory between calls.
pub struct Packer(Compressor<'static>);

impl Packer {
    /// A packer; about half a mebibyte of working memory.
    pub fn new() -> Packer {
        Packer(Compressor::with_prepared_dictionary(&ENCODER).expect("the dictionary is sound"))
    }

    /// Packs `json` into `out`, replacing what was there.
    pub fn pack(&mut self, json: &[u8], out: &mut Vec<u8>) {
        out.clear();
        out.reserve(zstd_safe::compress_bound(json.len()));
        self.0.compress_to_buffer(json, out).expect("there is room for the bound");
    }
}

impl Default for Packer {
    fn default() -> Self {
        Packer::new()
    }
}

/// Unpacks reports. Keeps its working memory between calls.
pub struct Unpacker(Decompressor<'static>);

impl Unpacker {
    /// An unpacker.
    pub fn new() -> Unpacker {
        Unpacker(Decompressor::with_prepared_dictionary(&DECODER).expect("the dictionary is sound"))
    }

    /// Unpacks into `out`, replacing what was there.
    ///
    /// # Errors
    /// Says what is wrong with `packed`; `out` is then empty. Never makes room for more than
    /// [`MAX_REPORT_BYTES`].
    pub fn unpack(&mut self, packed: &[u8], out: &mut Vec<u8>) -> Result<(), PackError> {
        out.clear();
        let size = match zstd_safe::get_frame_content_size(packed) {
            Ok(Some(size)) => size,
            _ => return Err(PackError::NotZstd),
        };
        if size > MAX_REPORT_BYTES as u64 {
            return Err(PackError::TooLarge(size));
        }
        let ours = zstd_safe::get_dict_id_from_dict(DICTIONARY);
        match (zstd_safe::get_dict_id_from_frame(packed), ours) {
            (Some(theirs), Some(ours)) if theirs != ours => {
                return Err(PackError::UnknownDictionary(theirs.get()));
            }
            _ => {}
        }
        out.reserve(size as usize);
        let result = self.0.decompress_to_buffer(packed, out);
        if let Err(e) = result {
            out.clear();
            return Err(e.into());
        }
        Ok(())
    }
}

impl Default for Unpacker {
    fn default() -> Self {
        Unpacker::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unpack(packed: &[u8]) -> Result<Vec<u8>, PackError> {
        let mut out = Vec::new();
        Unpacker::new().unpack(packed, &mut out).map(|()| out)
    }

    #[test]
    fn the_frame_names_dictionary_and_size() {
        let mut packed = Vec::new();
        Packer::new().pack(b"{\"hostname\":\"h\"}", &mut packed);
        assert_eq!(
            zstd_safe::get_dict_id_from_frame(&packed),
            Some(zstd_safe::get_dict_id_from_dict(DICTIONARY).expect("a trained dictionary has an id"))
        );
        assert!(matches!(zstd_safe::get_frame_content_size(&packed), Ok(Some(16))));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        assert!(matches!(unpack(b""), Err(PackError::NotZstd)));
        assert!(matches!(unpack(b"{}"), Err(PackError::NotZstd)));
        let huge = zstd::bulk::compress(&vec![b' '; MAX_REPORT_BYTES + 1], 1).unwrap();
        assert!(matches!(unpack(&huge), Err(PackError::TooLarge(n)) if n == MAX_REPORT_BYTES as u64 + 1));
        let mut packed = Vec::new();
        Packer::new().pack(&[b'x'; 1000], &mut packed);
        let id_at = 5; // magic number (4) and frame header descriptor (1), RFC 8878 section 3.1.1
        packed[id_at] ^= 1;
        assert!(matches!(unpack(&packed), Err(PackError::UnknownDictionary(_))));
    }

    #[test]
    fn a_lying_size_makes_no_room() {
        let mut packed = zstd::bulk::compress(&vec![b' '; 100_000], 1).unwrap();
        packed.truncate(12);
        assert!(unpack(&packed).is_err());
    }

    proptest! {
        #[test]
        fn round_trip(json in prop::collection::vec(any::<u8>(), 0..4096)) {
            let mut packed = Vec::new();
            Packer::new().pack(&json, &mut packed);
            prop_assert_eq!(unpack(&packed).unwrap(), json);
        }

        #[test]
        fn arbitrary_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..512), magic in any::<bool>()) {
            if magic && bytes.len() > 4 {
                bytes[..4].copy_from_slice(&0xFD2F_B528u32.to_le_bytes());
            }
            let _ = unpack(&bytes);
        }
    }
}
