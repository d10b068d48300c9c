//! The write-ahead log: what came in since the last segment, one record a commit.
//!
//! A record has a length and a checksum; within it rows name only the values that changed since the
//! row before, as varint differences of scaled integers. A file names all that it speaks of itself:
//! metrics, sources and layouts get numbers in the order of their first mention.

use std::collections::HashMap;
use std::ops::Range;

use crate::bytes::{Malformed, Reader, is_checksum, put_signed, put_varint};
use crate::chunk::{exponent_of, from_decimal, is_exponent, to_decimal};
use crate::error::{Error, Result};
use crate::index::Layout;
use crate::labels::{Kind, Labels};
use crate::storage::{Output, Storage};
use crate::time::{MAX_TIME_MS, MIN_TIME_MS, is_window};

/// Stands in a row for "this metric has no value now". A quiet NaN with a payload of ours; other
/// NaNs, such as Prometheus' stale marker, are values like any other.
pub const ABSENT: f64 = f64::from_bits(ABSENT_BITS);

const ABSENT_BITS: u64 = 0x7FF8_C4A5_A2AB_5E47;

/// Whether a value of a row is [`ABSENT`].
#[inline]
pub(crate) fn is_absent(value: f64) -> bool {
    value.to_bits() == ABSENT_BITS
}

const MAGIC: &[u8; 8] = b"chasarWL";
const VERSION: u16 = 1;
pub(crate) const HEADER_BYTES: usize = 40;
const ID_AT: u64 = 12;
const RECORD_HEAD_BYTES: usize = 8;
/// Longest record that is believed.
const MAX_RECORD_BYTES: u32 = 1 << 30;

const METRIC: u8 = 1;
const SOURCE: u8 = 2;
const LAYOUT: u8 = 3;
const ROW: u8 = 4;
const SAMPLE: u8 = 5;

/// In place of an exponent: the value is absent.
const NO_VALUE: u64 = 30;
/// In place of an exponent: the value follows as it is.
const AS_IT_IS: u64 = 31;
/// Scale of a value that is no decimal.
const NO_SCALE: u8 = u8::MAX;

/// What the log is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WalHeader {
    pub(crate) id: u64,
    /// The window whose samples are in it; `None` for samples that come late.
    pub(crate) window: Option<(i64, i64)>,
}

impl WalHeader {
    fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[u8::from(self.window.is_none()), 0]);
        let (from, to) = self.window.unwrap_or((0, 0));
        out.extend_from_slice(&self.id.to_le_bytes());
        out.extend_from_slice(&from.to_le_bytes());
        out.extend_from_slice(&to.to_le_bytes());
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        out
    }

    fn decode(bytes: &[u8; HEADER_BYTES]) -> std::result::Result<std::result::Result<Self, u16>, Malformed> {
        let mut reader = Reader(bytes);
        if reader.take(8)? != MAGIC {
            return Err(Malformed("it is not a log"));
        }
        let version = reader.u16()?;
        if version > VERSION {
            return Ok(Err(version));
        }
        let late = reader.u8()? != 0;
        reader.take(1)?;
        let (id, from, to) = (reader.u64()?, reader.u64()? as i64, reader.u64()? as i64);
        if !is_checksum(&bytes[..HEADER_BYTES - 4], reader.u32()?) {
            return Err(Malformed("the header's checksum is wrong"));
        }
        if !late && !is_window(from, to) {
            return Err(Malformed("its window is no part of an hour"));
        }
        Ok(Ok(WalHeader { id, window: (!late).then_some((from, to)) }))
    }
}

/// The row before, of one source and layout.
struct RowState {
    time: i64,
    bits: Vec<u64>,
    scales: Vec<u8>,
}

impl RowState {
    fn new(width: usize) -> RowState {
        RowState { time: 0, bits: vec![ABSENT_BITS; width], scales: vec![NO_SCALE; width] }
    }
}

fn put_reset(out: &mut Vec<u8>, value: f64) -> u8 {
    if is_absent(value) {
        put_varint(out, NO_VALUE << 1 | 1);
    } else if let Some(exponent) = exponent_of(value, 0) {
        put_varint(out, u64::from(exponent) << 1 | 1);
        put_signed(out, to_decimal(value, exponent).unwrap_or_default());
        return exponent;
    } else {
        put_varint(out, AS_IT_IS << 1 | 1);
        out.extend_from_slice(&value.to_bits().to_le_bytes());
    }
    NO_SCALE
}

fn read_reset(reader: &mut Reader<'_>, code: u64) -> std::result::Result<(f64, u8), Malformed> {
    match code {
        NO_VALUE => Ok((ABSENT, NO_SCALE)),
        AS_IT_IS => Ok((f64::from_bits(reader.u64()?), NO_SCALE)),
        exponent if is_exponent(exponent as u8) && exponent < 256 => {
            Ok((from_decimal(reader.signed()?, exponent as u8), exponent as u8))
        }
        _ => Err(Malformed("an unknown form of value")),
    }
}

/// Numbers given out by a log, by the numbers the store has for the same things.
#[derive(Default)]
struct Numbers(HashMap<u32, u32>);

impl Numbers {
    /// The log's number; the second is true when it is a new one.
    fn of(&mut self, ours: u32) -> (u32, bool) {
        let next = self.0.len() as u32;
        let number = *self.0.entry(ours).or_insert(next);
        (number, number == next)
    }
}

/// What the writer of a log must know of the store's numbers.
pub(crate) trait Names {
    fn metric(&self, id: u32) -> (Labels, Kind);
    fn source(&self, id: u32) -> Labels;
}

/// Appends records to one log.
pub(crate) struct WalWriter {
    pub(crate) name: String,
    pub(crate) size_bytes: u64,
    file: Box<dyn Output>,
    metrics: Numbers,
    sources: Numbers,
    layouts: Numbers,
    rows: HashMap<(u32, u32), RowState>,
    sample_time: i64,
    /// The record under construction: room for its head, then the payload.
    record: Vec<u8>,
}

impl WalWriter {
    /// Creates the file; its name is durable afterwards.
    pub(crate) fn create(storage: &dyn Storage, name: &str, header: &WalHeader) -> Result<WalWriter> {
        let mut file = storage.create(name).map_err(Error::io("create", name))?;
        let bytes = header.encode();
        file.append(&bytes).map_err(Error::io("write", name))?;
        file.sync().map_err(Error::io("sync", name))?;
        storage.sync_names().map_err(Error::io("sync the folder of", name))?;
        Ok(WalWriter {
            name: name.to_string(),
            size_bytes: bytes.len() as u64,
            file,
            metrics: Numbers::default(),
            sources: Numbers::default(),
            layouts: Numbers::default(),
            rows: HashMap::new(),
            sample_time: 0,
            record: vec![0; RECORD_HEAD_BYTES],
        })
    }

    fn metric(&mut self, id: u32, names: &impl Names) -> u32 {
        let (number, new) = self.metrics.of(id);
        if new {
            let (labels, kind) = names.metric(id);
            self.record.extend_from_slice(&[METRIC, kind.code()]);
            labels.put(&mut self.record);
        }
        number
    }

    fn source(&mut self, id: u32, names: &impl Names) -> u32 {
        let (number, new) = self.sources.of(id);
        if new {
            self.record.push(SOURCE);
            names.source(id).put(&mut self.record);
        }
        number
    }

    /// Adds a row to the record.
    pub(crate) fn row(
        &mut self,
        source: u32,
        layout: &Layout,
        time: i64,
        values: &[f64],
        names: &impl Names,
    ) {
        let source = self.source(source, names);
        let (number, new) = self.layouts.of(layout.number);
        if new {
            let metrics: Vec<u32> = layout.metrics.iter().map(|m| self.metric(*m, names)).collect();
            self.record.push(LAYOUT);
            put_varint(&mut self.record, metrics.len() as u64);
            metrics.iter().for_each(|m| put_varint(&mut self.record, u64::from(*m)));
        }
        let state = self.rows.entry((source, number)).or_insert_with(|| RowState::new(values.len()));
        let out = &mut self.record;
        out.push(ROW);
        put_varint(out, u64::from(source));
        put_varint(out, u64::from(number));
        put_signed(out, time.wrapping_sub(state.time));
        state.time = time;
        let bitmap = out.len();
        out.resize(bitmap + values.len().div_ceil(8), 0);
        for (group, eight) in values.chunks(8).enumerate() {
            let mut bits = 0u8;
            for (i, value) in eight.iter().enumerate() {
                bits |= u8::from(value.to_bits() != state.bits[group * 8 + i]) << i;
            }
            out[bitmap + group] = bits;
            while bits != 0 {
                let i = group * 8 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                let (value, scale) = (values[i], state.scales[i]);
                let before = f64::from_bits(state.bits[i]);
                state.bits[i] = value.to_bits();
                let difference = (scale != NO_SCALE)
                    .then(|| Some(to_decimal(value, scale)? - to_decimal(before, scale)?))
                    .flatten();
                match difference {
                    Some(difference) => put_varint(out, crate::bytes::zigzag(difference) << 1),
                    None => state.scales[i] = put_reset(out, value),
                }
            }
        }
    }

    /// Adds a single sample to the record.
    pub(crate) fn sample(&mut self, source: u32, metric: u32, time: i64, value: f64, names: &impl Names) {
        let source = self.source(source, names);
        let metric = self.metric(metric, names);
        let out = &mut self.record;
        out.push(SAMPLE);
        put_varint(out, u64::from(source));
        put_varint(out, u64::from(metric));
        put_signed(out, time.wrapping_sub(self.sample_time));
        self.sample_time = time;
        put_reset(out, value);
    }

    /// Bytes in the record so far.
    pub(crate) fn pending_bytes(&self) -> usize {
        self.record.len() - RECORD_HEAD_BYTES
    }

    /// Writes the record. After a failure the log must be given up: its end is unknown.
    pub(crate) fn commit(&mut self, sync: bool) -> Result<()> {
        let payload = self.pending_bytes();
        if payload == 0 {
            return Ok(());
        }
        // What a reader would take for a torn record must not be acknowledged.
        if payload > MAX_RECORD_BYTES as usize {
            let cause =
                std::io::Error::new(std::io::ErrorKind::InvalidInput, "one commit is too large for a log");
            return Err(Error::io("write", &self.name)(cause));
        }
        let (head, body) = self.record.split_at_mut(RECORD_HEAD_BYTES);
        head[..4].copy_from_slice(&(payload as u32).to_le_bytes());
        head[4..].copy_from_slice(&crc32fast::hash(body).to_le_bytes());
        self.file.append(&self.record).map_err(Error::io("write", &self.name))?;
        if sync {
            self.file.sync().map_err(Error::io("sync", &self.name))?;
        }
        self.size_bytes += self.record.len() as u64;
        self.record.truncate(RECORD_HEAD_BYTES);
        Ok(())
    }
}

/// What a log tells. Numbers are the log's own, counted from 0 in the order they come.
#[derive(Debug, PartialEq)]
pub(crate) enum Told<'a> {
    Metric(Labels, Kind),
    Source(Labels),
    Layout(&'a [u32]),
    Row {
        source: u32,
        layout: u32,
        time: i64,
        values: &'a [f64],
    },
    Sample {
        source: u32,
        metric: u32,
        time: i64,
        value: f64,
    },
    /// All of a record has been told.
    End,
}

/// The unreadable end of a log: a record that was being written when the power failed, or damage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostTail {
    /// The file, within the store's folder.
    pub file: String,
    /// Where the unreadable part begins.
    pub offset: u64,
    /// How long it is.
    pub bytes: u64,
    /// What is wrong there.
    pub what: &'static str,
    /// Whether a whole record comes after it: then it is damage, and not what was being written when
    /// the power failed.
    pub followed: bool,
}

/// Reads the header of the log that has the number `id` by its name. A log under another's name would
/// count as removed, or be read, when it should not: segments speak of logs by number.
pub(crate) fn read_header(storage: &dyn Storage, name: &str, id: u64) -> Result<WalHeader> {
    let input = storage.open(name).map_err(Error::io("open", name))?;
    let size = input.size_bytes().map_err(Error::io("read the size of", name))?;
    if size < HEADER_BYTES as u64 {
        return Err(Error::damaged(name, 0)(Malformed("it is too short for a log")));
    }
    let mut header = [0; HEADER_BYTES];
    input.read_at(0, &mut header).map_err(Error::io("read", name))?;
    let header = WalHeader::decode(&header).map_err(Error::damaged(name, 0))?;
    let newer = |version| Error::Version { file: name.to_string(), version, newest: VERSION };
    let header = header.map_err(newer)?;
    if header.id != id {
        return Err(Error::damaged(name, ID_AT)(Malformed("its number is not the one in its name")));
    }
    Ok(header)
}

/// Tells everything whole that is in a log, in order. The first record that is cut short or has a
/// wrong checksum ends the log, and so does an entry that breaks the format's rules.
///
/// All samples lie in `window` when there is one: the segment that the log becomes has no others.
pub(crate) fn replay(
    storage: &dyn Storage,
    name: &str,
    window: Option<(i64, i64)>,
    mut tell: impl FnMut(Told<'_>),
) -> Result<Option<LostTail>> {
    let input = storage.open(name).map_err(Error::io("open", name))?;
    let size = input.size_bytes().map_err(Error::io("read the size of", name))?;
    let mut offset = HEADER_BYTES as u64;
    let (from, to) = window.unwrap_or((MIN_TIME_MS, MAX_TIME_MS + 1));
    let mut replay = Replay { times: from..to, ..Replay::default() };
    let mut payload = Vec::new();
    while offset < size {
        let left = size - offset;
        let lost = |what, followed| LostTail { file: name.to_string(), offset, bytes: left, what, followed };
        // A length that is wrong hides all that follows, so records are looked for at every byte.
        let torn = |what| Ok(Some(lost(what, is_followed(&*input, offset + 1, size))));
        const CUT: &str = "a record was cut short";
        if left < RECORD_HEAD_BYTES as u64 {
            return Ok(Some(lost(CUT, false)));
        }
        let mut head = [0; RECORD_HEAD_BYTES];
        input.read_at(offset, &mut head).map_err(Error::io("read", name))?;
        let (len, crc) = record_head(&head);
        if len > MAX_RECORD_BYTES || u64::from(len) > left - RECORD_HEAD_BYTES as u64 {
            return torn(CUT);
        }
        payload.resize(len as usize, 0);
        input.read_at(offset + RECORD_HEAD_BYTES as u64, &mut payload).map_err(Error::io("read", name))?;
        let next = offset + RECORD_HEAD_BYTES as u64 + u64::from(len);
        if len == 0 || !is_checksum(&payload, crc) {
            return torn("a record's checksum is wrong");
        }
        if let Err(Malformed(what)) = replay.record(&payload, &mut tell) {
            // The checksum holds, so it was never in one piece on its way to the disk.
            return Ok(Some(lost(what, true)));
        }
        tell(Told::End);
        offset = next;
    }
    Ok(None)
}

/// Length and checksum of a record.
fn record_head(head: &[u8; RECORD_HEAD_BYTES]) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = *head;
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
}

/// Length and checksum of what may be a record by its first bytes.
fn begins_record(bytes: &[u8]) -> Option<(u32, u32)> {
    let (head, rest) = bytes.split_first_chunk()?;
    let (len, crc) = record_head(head);
    let known = rest.first().is_some_and(|entry| (METRIC..=SAMPLE).contains(entry));
    (known && (1..=MAX_RECORD_BYTES).contains(&len)).then_some((len, crc))
}

/// Bytes that are looked through at a time.
const SEARCHED_AT_ONCE: u64 = 1 << 20;
/// Bytes whose checksums are computed at most for one log, so that no content makes it take long.
const MAX_CHECKED_BYTES: u64 = 1 << 30;

/// Whether a whole record begins at `from` or anywhere after it, in a log of `size` bytes. What cannot
/// be read is none.
fn is_followed(input: &dyn crate::storage::Input, from: u64, size: u64) -> bool {
    // A record has an entry at least, whose kind is known.
    const LEAST: u64 = RECORD_HEAD_BYTES as u64 + 1;
    let (mut offset, mut checked) = (from, 0);
    let mut payload = Vec::new();
    while size.saturating_sub(offset) >= LEAST {
        let mut block = vec![0; (size - offset).min(SEARCHED_AT_ONCE + LEAST - 1) as usize];
        if input.read_at(offset, &mut block).is_err() {
            return false;
        }
        for (at, window) in (offset..).zip(block.windows(LEAST as usize)) {
            let Some((len, crc)) = begins_record(window) else { continue };
            let body = at + RECORD_HEAD_BYTES as u64;
            if u64::from(len) > size - body || checked + u64::from(len) > MAX_CHECKED_BYTES {
                continue;
            }
            // Much of a log looks like a record's beginning, little has another one in the right place.
            let next = body + u64::from(len);
            let mut after = [0; LEAST as usize];
            let last = size - next < LEAST;
            if !last && (input.read_at(next, &mut after).is_err() || begins_record(&after).is_none()) {
                continue;
            }
            checked += u64::from(len);
            payload.resize(len as usize, 0);
            if input.read_at(body, &mut payload).is_ok() && is_checksum(&payload, crc) {
                return true;
            }
        }
        offset += SEARCHED_AT_ONCE;
    }
    false
}

#[derive(Default)]
struct Replay {
    /// Those that samples may have.
    times: Range<i64>,
    metrics: u32,
    sources: u32,
    layouts: Vec<Vec<u32>>,
    rows: HashMap<(u32, u32), RowState>,
    sample_time: i64,
}

impl Replay {
    fn record(
        &mut self,
        payload: &[u8],
        tell: &mut impl FnMut(Told<'_>),
    ) -> std::result::Result<(), Malformed> {
        const NOT_NAMED: Malformed = Malformed("it speaks of what was not named");
        const OUTSIDE: Malformed = Malformed("a sample lies outside the window");
        let mut reader = Reader(payload);
        let mut values: Vec<f64> = Vec::new();
        while !reader.is_empty() {
            match reader.u8()? {
                METRIC => {
                    let kind = Kind::from_code(reader.u8()?)?;
                    tell(Told::Metric(Labels::read(&mut reader)?, kind));
                    self.metrics += 1;
                }
                SOURCE => {
                    tell(Told::Source(Labels::read(&mut reader)?));
                    self.sources += 1;
                }
                LAYOUT => {
                    let n = reader.count()?;
                    let metrics =
                        (0..n).map(|_| reader.small()).collect::<std::result::Result<Vec<_>, _>>()?;
                    if metrics.iter().any(|m| *m >= self.metrics) {
                        return Err(NOT_NAMED);
                    }
                    tell(Told::Layout(&metrics));
                    self.layouts.push(metrics);
                }
                ROW => {
                    let (source, layout) = (reader.small()?, reader.small()?);
                    let width = self.layouts.get(layout as usize).ok_or(NOT_NAMED)?.len();
                    if source >= self.sources {
                        return Err(NOT_NAMED);
                    }
                    let state = self.rows.entry((source, layout)).or_insert_with(|| RowState::new(width));
                    state.time = state.time.wrapping_add(reader.signed()?);
                    if !self.times.contains(&state.time) {
                        return Err(OUTSIDE);
                    }
                    read_row(&mut reader, state)?;
                    values.clear();
                    values.extend(state.bits.iter().map(|b| f64::from_bits(*b)));
                    tell(Told::Row { source, layout, time: state.time, values: &values });
                }
                SAMPLE => {
                    let (source, metric) = (reader.small()?, reader.small()?);
                    if source >= self.sources || metric >= self.metrics {
                        return Err(NOT_NAMED);
                    }
                    self.sample_time = self.sample_time.wrapping_add(reader.signed()?);
                    if !self.times.contains(&self.sample_time) {
                        return Err(OUTSIDE);
                    }
                    let code = reader.varint()?;
                    if code & 1 == 0 {
                        return Err(Malformed("an unknown form of value"));
                    }
                    let (value, _) = read_reset(&mut reader, code >> 1)?;
                    tell(Told::Sample { source, metric, time: self.sample_time, value });
                }
                _ => return Err(Malformed("an unknown entry")),
            }
        }
        Ok(())
    }
}

fn read_row(reader: &mut Reader<'_>, state: &mut RowState) -> std::result::Result<(), Malformed> {
    let width = state.bits.len();
    let bitmap = reader.take(width.div_ceil(8))?;
    for (group, bits) in bitmap.iter().enumerate() {
        let mut bits = *bits;
        while bits != 0 {
            let i = group * 8 + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            if i >= width {
                return Err(Malformed("a row is wider than its layout"));
            }
            let token = reader.varint()?;
            let (value, scale) = if token & 1 == 1 {
                read_reset(reader, token >> 1)?
            } else {
                const NO_BEFORE: Malformed = Malformed("a difference to nothing");
                let scale = state.scales[i];
                if scale == NO_SCALE {
                    return Err(NO_BEFORE);
                }
                let before = to_decimal(f64::from_bits(state.bits[i]), scale).ok_or(NO_BEFORE)?;
                let integer = before.wrapping_add(crate::bytes::unzigzag(token >> 1));
                (from_decimal(integer, scale), scale)
            };
            state.bits[i] = value.to_bits();
            state.scales[i] = scale;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
