//! Writing a segment: under a temporary name, synced, then renamed.

use super::{ChunkEntry, Column, END_MAGIC, Header, Place, Replaces};
use crate::bytes::{put_signed, put_text, put_varint};
use crate::chunk::{CHUNK_VALUES, ChunkWriter, MAX_PAGE_VALUES, pack_integers};
use crate::error::{Error, Result};
use crate::labels::{Kind, Labels};
use crate::storage::{Output, Storage};
use std::collections::{BTreeMap, HashMap};

/// Bytes gathered before they are handed to the file.
const BUFFER_BYTES: usize = 1 << 20;

enum ClockForm {
    Regular {
        step: u64,
    },
    /// Length of its body in the clock chunk.
    Packed {
        len: usize,
    },
}

struct ClockEntry {
    start: i64,
    duration: u64,
    values: usize,
    form: ClockForm,
}

/// Writes one segment; pages of a metric and column come sorted by source and time.
pub(crate) struct SegmentWriter {
    name: String,
    file: Box<dyn Output>,
    buffer: Vec<u8>,
    /// Of the buffer's start.
    offset: u64,
    clocks: Vec<ClockEntry>,
    /// Irregular clocks not yet packed: number, and timestamps from their start on.
    loose_clocks: Vec<(usize, Vec<i64>)>,
    loose_values: usize,
    clock_chunks: Vec<(Place, usize)>,
    default_clocks: HashMap<u32, u32>,
    chunk: ChunkWriter,
    metric: u32,
    column: Column,
    chunks: Vec<ChunkEntry>,
    values: u64,
}

/// Step of a sequence of timestamps when it is regular.
fn regular_step(timestamps: &[i64]) -> Option<u64> {
    let step = match timestamps {
        [] | [_] => return Some(0),
        [a, b, ..] => b.wrapping_sub(*a),
    };
    timestamps.windows(2).all(|w| w[1].wrapping_sub(w[0]) == step).then_some(step as u64)
}

impl SegmentWriter {
    /// Begins a file of the given (temporary) name.
    pub(crate) fn create(storage: &dyn Storage, name: &str, header: &Header) -> Result<SegmentWriter> {
        let file = storage.create(name).map_err(Error::io("create", name))?;
        Ok(SegmentWriter {
            name: name.to_string(),
            file,
            buffer: header.encode().to_vec(),
            offset: 0,
            clocks: Vec::new(),
            loose_clocks: Vec::new(),
            loose_values: 0,
            clock_chunks: Vec::new(),
            default_clocks: HashMap::new(),
            chunk: ChunkWriter::default(),
            metric: 0,
            column: Column::Value,
            chunks: Vec::new(),
            values: 0,
        })
    }

    fn position(&self) -> u64 {
        self.offset + self.buffer.len() as u64
    }

    fn write_out(&mut self, at_least: usize) -> Result<()> {
        if self.buffer.len() >= at_least {
            self.file.append(&self.buffer).map_err(Error::io("write", &self.name))?;
            self.offset += self.buffer.len() as u64;
            self.buffer.clear();
        }
        Ok(())
    }

    fn place_since(&self, from: u64) -> Place {
        let bytes = &self.buffer[(from - self.offset) as usize..];
        Place { offset: from, len: bytes.len() as u32, crc: crc32fast::hash(bytes) }
    }

    /// Adds a sequence of 1 to [`MAX_PAGE_VALUES`] ascending timestamps; pages refer to it by the
    /// number that is returned.
    pub(crate) fn clock(&mut self, timestamps: &[i64]) -> Result<u32> {
        debug_assert!((1..=MAX_PAGE_VALUES).contains(&timestamps.len()));
        let number = self.clocks.len();
        let start = timestamps[0];
        let duration = timestamps[timestamps.len() - 1].wrapping_sub(start) as u64;
        let form = match regular_step(timestamps) {
            Some(step) => ClockForm::Regular { step },
            None => {
                self.loose_clocks.push((number, timestamps.iter().map(|t| t.wrapping_sub(start)).collect()));
                self.loose_values += timestamps.len();
                ClockForm::Packed { len: 0 }
            }
        };
        self.clocks.push(ClockEntry { start, duration, values: timestamps.len(), form });
        if self.loose_values >= CHUNK_VALUES {
            self.pack_clocks()?;
        }
        Ok(number as u32)
    }

    /// Makes a clock the one that pages of the source have without saying so.
    pub(crate) fn default_clock(&mut self, source: u32, clock: u32) {
        self.default_clocks.entry(source).or_insert(clock);
    }

    fn pack_clocks(&mut self) -> Result<()> {
        if self.loose_clocks.is_empty() {
            return Ok(());
        }
        let from = self.position();
        let pages: Vec<&[i64]> = self.loose_clocks.iter().map(|(_, t)| &t[..]).collect();
        let lens = pack_integers(&pages, &mut self.buffer).ok_or_else(|| Error::Io {
            doing: "encode the timestamps of",
            file: self.name.clone(),
            source: std::io::Error::other("the codec does not give back what it was given"),
        })?;
        for ((number, _), len) in self.loose_clocks.iter().zip(lens) {
            self.clocks[*number].form = ClockForm::Packed { len };
        }
        self.clock_chunks.push((self.place_since(from), self.loose_clocks.len()));
        self.loose_clocks.clear();
        self.loose_values = 0;
        self.write_out(BUFFER_BYTES)
    }

    /// Says of what the following pages are.
    pub(crate) fn begin(&mut self, metric: u32, column: Column) -> Result<()> {
        self.close_chunk()?;
        self.metric = metric;
        self.column = column;
        Ok(())
    }

    /// Adds a page; its clock must have as many timestamps as there are values.
    pub(crate) fn page(
        &mut self,
        source: u32,
        clock: u32,
        values: impl IntoIterator<Item = f64>,
    ) -> Result<()> {
        let default = *self.default_clocks.entry(source).or_insert(clock);
        let before = self.chunk.len();
        self.chunk.page(source, (default != clock).then_some(clock), values);
        let added = self.chunk.len() - before;
        debug_assert_eq!(added, self.clocks[clock as usize].values);
        self.values += added as u64;
        if self.chunk.len() >= CHUNK_VALUES { self.close_chunk() } else { Ok(()) }
    }

    fn close_chunk(&mut self) -> Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let from = self.position();
        let (first_source, last_source) = self.chunk.sources();
        self.chunk.finish(&mut self.buffer);
        let place = self.place_since(from);
        let (metric, column) = (self.metric, self.column);
        self.chunks.push(ChunkEntry { metric, column, first_source, last_source, place });
        self.write_out(BUFFER_BYTES)
    }

    /// Writes the index, syncs the file and returns its size in bytes.
    pub(crate) fn finish(
        mut self,
        metrics: &[(Labels, Kind)],
        sources: &[Labels],
        replaces: &Replaces,
    ) -> Result<u64> {
        self.close_chunk()?;
        self.pack_clocks()?;
        let from = self.position();
        let mut index = Vec::new();
        // Rollups come with their columns interleaved.
        self.chunks.sort_by_key(|c| (c.metric, c.column, c.first_source));
        for list in [&replaces.segments, &replaces.logs] {
            put_varint(&mut index, list.len() as u64);
            list.iter().for_each(|number| put_varint(&mut index, *number));
        }
        self.put_index(metrics, sources, &mut index);
        self.buffer.append(&mut index);
        let place = self.place_since(from);
        self.buffer.extend_from_slice(&place.offset.to_le_bytes());
        self.buffer.extend_from_slice(&place.len.to_le_bytes());
        self.buffer.extend_from_slice(&place.crc.to_le_bytes());
        self.buffer.extend_from_slice(END_MAGIC);
        self.write_out(0)?;
        self.file.sync().map_err(Error::io("sync", &self.name))?;
        Ok(self.offset)
    }

    fn put_index(&self, metrics: &[(Labels, Kind)], sources: &[Labels], out: &mut Vec<u8>) {
        let all = || metrics.iter().map(|(l, _)| l).chain(sources);
        let mut symbols: BTreeMap<&str, u64> =
            all().flat_map(Labels::iter).flat_map(|(n, v)| [(n, 0), (v, 0)]).collect();
        put_varint(out, symbols.len() as u64);
        let mut before = "";
        for (number, (symbol, slot)) in symbols.iter_mut().enumerate() {
            *slot = number as u64;
            let mut shared = before.bytes().zip(symbol.bytes()).take_while(|(a, b)| a == b).count();
            while !symbol.is_char_boundary(shared) {
                shared -= 1;
            }
            put_varint(out, shared as u64);
            put_text(out, &symbol[shared..]);
            before = symbol;
        }
        let put_labels = |labels: &Labels, out: &mut Vec<u8>| {
            put_varint(out, labels.iter().len() as u64);
            for (name, value) in labels.iter() {
                put_varint(out, symbols[name]);
                put_varint(out, symbols[value]);
            }
        };
        put_varint(out, metrics.len() as u64);
        for (labels, kind) in metrics {
            out.push(kind.code());
            put_labels(labels, out);
        }
        put_varint(out, sources.len() as u64);
        for (number, labels) in sources.iter().enumerate() {
            put_labels(labels, out);
            let clock = self.default_clocks.get(&(number as u32)).map_or(0, |c| u64::from(*c) + 1);
            put_varint(out, clock);
        }
        put_varint(out, self.clock_chunks.len() as u64);
        for (place, clocks) in &self.clock_chunks {
            put_place(out, place);
            put_varint(out, *clocks as u64);
        }
        put_varint(out, self.clocks.len() as u64);
        let mut before = 0i64;
        for clock in &self.clocks {
            let packed = matches!(clock.form, ClockForm::Packed { .. });
            put_varint(out, (clock.values as u64) << 1 | u64::from(packed));
            put_signed(out, clock.start.wrapping_sub(before));
            before = clock.start;
            match clock.form {
                ClockForm::Regular { step } => put_varint(out, step),
                ClockForm::Packed { len } => {
                    put_varint(out, clock.duration);
                    put_varint(out, len as u64);
                }
            }
        }
        put_varint(out, self.values);
        put_varint(out, self.chunks.len() as u64);
        let mut metric = 0;
        for chunk in &self.chunks {
            put_varint(out, u64::from(chunk.metric - metric));
            metric = chunk.metric;
            out.push(chunk.column as u8);
            put_varint(out, u64::from(chunk.first_source));
            put_varint(out, u64::from(chunk.last_source - chunk.first_source));
            put_place(out, &chunk.place);
        }
    }
}

fn put_place(out: &mut Vec<u8>, place: &Place) {
    put_varint(out, place.offset);
    put_varint(out, u64::from(place.len));
    out.extend_from_slice(&place.crc.to_le_bytes());
}
