//! Segment files: a window of time of all series, immutable once written.
//!
//! `header | chunks and clock chunks | index | trailer`; `docs/format.md` draws every byte. A file
//! names all its metrics and sources itself, so it can be read alone, copied and dropped.

mod clocks;
mod read;
mod write;

pub(crate) use clocks::KeptClocks;
#[cfg(test)]
use clocks::Paced;
#[cfg(test)]
use read::Clock;
pub(crate) use read::{ClockCache, Segment};
pub(crate) use write::SegmentWriter;

use crate::bytes::{Malformed, Reader, is_checksum};
use crate::chunk::Codec;
use crate::time::{DAY_MS, is_time};

const MAGIC: &[u8; 8] = b"chasarTS";
const END_MAGIC: &[u8; 8] = b"endofTS\n";

/// The newest version of the format, and the one that is written.
pub(crate) const VERSION: u16 = 1;

/// Numbers of files and places in the order of arrival stay below it.
pub(crate) const MAX_NUMBER: u64 = 1 << 62;

const HEADER_BYTES: usize = 52;
const TRAILER_BYTES: usize = 24;

/// How finely a file keeps time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Every sample.
    Raw,
    /// One [`Rollup`](crate::Rollup) a minute.
    Minute,
    /// One [`Rollup`](crate::Rollup) an hour.
    Hour,
}

impl Tier {
    /// Length of a rollup, milliseconds; 0 for raw samples.
    pub fn step_ms(self) -> i64 {
        match self {
            Tier::Raw => 0,
            Tier::Minute => 60_000,
            Tier::Hour => 3_600_000,
        }
    }

    fn code(self) -> u8 {
        self as u8
    }

    fn from_code(code: u8) -> Result<Tier, Malformed> {
        match code {
            0 => Ok(Tier::Raw),
            1 => Ok(Tier::Minute),
            2 => Ok(Tier::Hour),
            _ => Err(Malformed("an unknown tier")),
        }
    }
}

/// What a page holds of its series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Column {
    Value,
    Min,
    Max,
    Sum,
    Count,
    First,
    Last,
    Resets,
}

impl Column {
    const ALL: [Column; 8] = [
        Column::Value,
        Column::Min,
        Column::Max,
        Column::Sum,
        Column::Count,
        Column::First,
        Column::Last,
        Column::Resets,
    ];

    fn from_code(code: u8) -> Result<Column, Malformed> {
        Column::ALL.get(usize::from(code)).copied().ok_or(Malformed("an unknown column"))
    }
}

/// What a segment file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) tier: Tier,
    /// 0: from the head; 1: an hour; 2: a day.
    pub(crate) level: u8,
    /// The window that the samples lie in, milliseconds: from, and up to but without.
    pub(crate) from_ms: i64,
    pub(crate) to_ms: i64,
    /// Of two samples of the same series and time, the one of the lower order came first.
    pub(crate) order: u64,
    /// When it was written.
    pub(crate) created_ms: i64,
}

impl Header {
    fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.push(self.tier.code());
        out.push(self.level);
        out.extend_from_slice(&Codec::written());
        out.extend_from_slice(&[0; 2]);
        for field in [self.from_ms, self.to_ms, self.order as i64, self.created_ms] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        let mut bytes = [0; HEADER_BYTES];
        bytes.copy_from_slice(&out);
        bytes
    }

    /// `Ok(Err(version))` for a file of a newer release.
    fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Result<(Header, Codec), u16>, Malformed> {
        let mut reader = Reader(bytes);
        if reader.take(8)? != MAGIC {
            return Err(Malformed("it is not a segment"));
        }
        let version = reader.u16()?;
        if version > VERSION {
            return Ok(Err(version));
        }
        let (tier, level) = (reader.u8()?, reader.u8()?);
        let codec = reader.array()?;
        reader.take(2)?;
        let (from_ms, to_ms) = (reader.u64()? as i64, reader.u64()? as i64);
        let (order, created_ms) = (reader.u64()?, reader.u64()? as i64);
        if !is_checksum(&bytes[..HEADER_BYTES - 4], reader.u32()?) {
            return Err(Malformed("the header's checksum is wrong"));
        }
        if order >= MAX_NUMBER {
            return Err(Malformed("its place in the order of arrival is out of range"));
        }
        if from_ms >= to_ms || !is_time(from_ms) || to_ms - from_ms > DAY_MS {
            return Err(Malformed("its window is empty or too long"));
        }
        let header = Header { tier: Tier::from_code(tier)?, level, from_ms, to_ms, order, created_ms };
        Ok(Ok((header, Codec::read(codec)?)))
    }
}

/// What a segment stands for, so that a crash between writing it and removing those leaves no doubt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Replaces {
    /// Numbers of segments.
    pub(crate) segments: Vec<u64>,
    /// Numbers of logs.
    pub(crate) logs: Vec<u64>,
}

/// A chunk in a segment: one metric, one column, a range of sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkEntry {
    pub(crate) metric: u32,
    pub(crate) column: Column,
    pub(crate) first_source: u32,
    pub(crate) last_source: u32,
    pub(crate) place: Place,
}

/// A stretch of the file and its checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) offset: u64,
    pub(crate) len: u32,
    pub(crate) crc: u32,
}

#[cfg(test)]
mod tests;
