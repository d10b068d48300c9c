//! Reading a segment: the index at once, chunks when they are asked for.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;
use std::sync::Arc;

use super::clocks::{KeptClocks, Paced};
use super::{ChunkEntry, Column, END_MAGIC, HEADER_BYTES, Header, Place, Replaces, TRAILER_BYTES, VERSION};
use crate::bytes::{Malformed, Reader, is_checksum};
use crate::chunk::{ChunkReader, Codec, IntegersReader, MAX_PAGE_VALUES};
use crate::error::{Error, Result};
use crate::labels::{Kind, Labels};
use crate::storage::{Input, Storage};

/// A sequence of timestamps, as the index knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClockEntry {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) values: usize,
    form: ClockForm,
}

#[derive(Clone, Copy, Debug)]
enum ClockForm {
    Regular { step: i64 },
    Packed { chunk: u32, at: u64, len: usize },
}

/// The timestamps of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    Regular { start: i64, step: i64, values: usize },
    Listed(Arc<Vec<i64>>),
    Paced(Arc<Paced>),
}

impl Clock {
    pub(crate) fn len(&self) -> usize {
        match self {
            Clock::Regular { values, .. } => *values,
            Clock::Listed(list) => list.len(),
            Clock::Paced(paced) => paced.len(),
        }
    }

    pub(crate) fn at(&self, index: usize) -> i64 {
        match self {
            Clock::Regular { start, step, .. } => start + step * index as i64,
            Clock::Listed(list) => list[index],
            Clock::Paced(paced) => paced.at(index),
        }
    }

    /// Indexes of the timestamps from `from` up to and with `to`.
    pub(crate) fn range(&self, from: i64, to: i64) -> Range<usize> {
        let first_at_least = |t: i64| {
            let (mut low, mut high) = (0, self.len());
            while low < high {
                let middle = low.midpoint(high);
                if self.at(middle) < t { low = middle + 1 } else { high = middle }
            }
            low
        };
        let begin = first_at_least(from);
        let end = if to == i64::MAX { self.len() } else { first_at_least(to + 1) };
        begin..end.max(begin)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = i64> {
        (0..self.len()).map(|i| self.at(i))
    }

    /// Some of the timestamps, as a list.
    pub(crate) fn times(&self, range: Range<usize>) -> Arc<Vec<i64>> {
        match self {
            Clock::Listed(list) if range.len() == list.len() => list.clone(),
            Clock::Listed(list) => Arc::new(list[range].to_vec()),
            Clock::Paced(paced) => Arc::new(paced.times(range)),
            Clock::Regular { .. } => Arc::new(range.map(|at| self.at(at)).collect()),
        }
    }
}

/// Clocks that were unpacked for one query, and the chunks they lie in.
#[derive(Default)]
pub(crate) struct ClockCache<'a> {
    chunks: HashMap<u32, IntegersReader>,
    clocks: HashMap<u32, Clock>,
    /// Those that several queries share, and the segment's number there.
    kept: Option<(&'a KeptClocks, u64)>,
}

impl<'a> ClockCache<'a> {
    /// Keeps clocks for other queries too, and looks there first. `segment` is the segment's number in the
    /// store.
    pub(crate) fn keeping(kept: &'a KeptClocks, segment: u64) -> ClockCache<'a> {
        ClockCache { kept: Some((kept, segment)), ..ClockCache::default() }
    }

    pub(crate) fn clear(&mut self) {
        self.chunks.clear();
        self.clocks.clear();
    }
}

/// An open segment.
pub(crate) struct Segment {
    pub(crate) name: String,
    pub(crate) header: Header,
    pub(crate) size_bytes: u64,
    /// Values in it; in rollups each column counts.
    pub(crate) values: u64,
    pub(crate) replaces: Replaces,
    /// First and last time in it.
    pub(crate) times: (i64, i64),
    /// Sorted.
    pub(crate) metrics: Vec<(Labels, Kind)>,
    /// Sorted.
    pub(crate) sources: Vec<Labels>,
    /// Sorted by metric, column and first source.
    pub(crate) chunks: Vec<ChunkEntry>,
    codec: Codec,
    default_clocks: Vec<Option<u32>>,
    clocks: Vec<ClockEntry>,
    clock_chunks: Vec<Place>,
    input: Box<dyn Input>,
}

impl std::fmt::Debug for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.name, self.header)
    }
}

impl Segment {
    /// Opens a file and reads its index.
    pub(crate) fn open(storage: &dyn Storage, name: &str) -> Result<Segment> {
        let input = storage.open(name).map_err(Error::io("open", name))?;
        let size_bytes = input.size_bytes().map_err(Error::io("read the size of", name))?;
        if size_bytes < (HEADER_BYTES + TRAILER_BYTES) as u64 {
            return Err(Error::damaged(name, 0)(Malformed("it is too short for a segment")));
        }
        let mut header = [0; HEADER_BYTES];
        input.read_at(0, &mut header).map_err(Error::io("read", name))?;
        let (header, codec) = Header::decode(&header)
            .map_err(Error::damaged(name, 0))?
            .map_err(|version| Error::Version { file: name.to_string(), version, newest: VERSION })?;
        let trailer_at = size_bytes - TRAILER_BYTES as u64;
        let mut trailer = [0; TRAILER_BYTES];
        input.read_at(trailer_at, &mut trailer).map_err(Error::io("read", name))?;
        let place = read_trailer(&trailer, trailer_at).map_err(Error::damaged(name, trailer_at))?;
        let index = read_place(&*input, name, &place)?;
        let mut segment = Segment {
            name: name.to_string(),
            header,
            codec,
            size_bytes,
            values: 0,
            replaces: Replaces::default(),
            times: (i64::MAX, i64::MIN),
            metrics: Vec::new(),
            sources: Vec::new(),
            chunks: Vec::new(),
            default_clocks: Vec::new(),
            clocks: Vec::new(),
            clock_chunks: Vec::new(),
            input,
        };
        segment.read_index(&mut Reader(&index), place.offset).map_err(Error::damaged(name, place.offset))?;
        Ok(segment)
    }

    fn read_index(&mut self, reader: &mut Reader<'_>, data_end: u64) -> std::result::Result<(), Malformed> {
        for list in [&mut self.replaces.segments, &mut self.replaces.logs] {
            for _ in 0..reader.count()? {
                list.push(reader.varint()?);
            }
        }
        let mut symbols: Vec<String> = Vec::new();
        for _ in 0..reader.count()? {
            let shared = reader.small()? as usize;
            let before = symbols.last().map_or("", String::as_str);
            let mut symbol = before.get(..shared).ok_or(Malformed("a symbol shares too much"))?.to_string();
            symbol.push_str(reader.text()?);
            if symbol.len() > crate::labels::MAX_LABEL_BYTES {
                return Err(Malformed("a symbol is too long"));
            }
            symbols.push(symbol);
        }
        let symbol = |n: u32| symbols.get(n as usize).ok_or(Malformed("a label has no symbol"));
        let labels = |reader: &mut Reader<'_>| {
            let n = reader.count()?;
            let pairs = (0..n)
                .map(|_| Ok((symbol(reader.small()?)?, symbol(reader.small()?)?)))
                .collect::<std::result::Result<Vec<_>, Malformed>>()?;
            Labels::new(pairs).map_err(|_| Malformed("a set of labels breaks the rules"))
        };
        for _ in 0..reader.count()? {
            let kind = Kind::from_code(reader.u8()?)?;
            self.metrics.push((labels(reader)?, kind));
        }
        for _ in 0..reader.count()? {
            self.sources.push(labels(reader)?);
            self.default_clocks.push(reader.small()?.checked_sub(1));
        }
        let sorted =
            self.metrics.windows(2).all(|w| w[0].0 < w[1].0) && self.sources.windows(2).all(|w| w[0] < w[1]);
        if !sorted {
            return Err(Malformed("its names are not sorted"));
        }
        let mut in_chunks = Vec::new();
        for _ in 0..reader.count()? {
            let place = read_place_entry(reader, data_end)?;
            in_chunks.extend(std::iter::repeat_n(self.clock_chunks.len() as u32, reader.count()?));
            self.clock_chunks.push(place);
        }
        self.read_clocks(reader, in_chunks.into_iter())?;
        if !self.clocks.is_empty()
            && (self.times.0 < self.header.from_ms || self.times.1 >= self.header.to_ms)
        {
            return Err(Malformed("a sample lies outside the window"));
        }
        self.values = reader.varint()?;
        let mut metric = 0u32;
        for _ in 0..reader.count()? {
            metric = metric.checked_add(reader.small()?).ok_or(Malformed("a metric is out of range"))?;
            let column = Column::from_code(reader.u8()?)?;
            let first_source = reader.small()?;
            let last_source = first_source.checked_add(reader.small()?);
            let last_source = last_source.ok_or(Malformed("a source is out of range"))?;
            if metric as usize >= self.metrics.len() || last_source as usize >= self.sources.len() {
                return Err(Malformed("a chunk names what is not there"));
            }
            let place = read_place_entry(reader, data_end)?;
            let entry = ChunkEntry { metric, column, first_source, last_source, place };
            let in_order = self.chunks.last().is_none_or(|before| {
                (before.metric, before.column, before.last_source) <= (metric, column, first_source)
            });
            if !in_order {
                return Err(Malformed("its chunks are not sorted"));
            }
            self.chunks.push(entry);
        }
        if reader.is_empty() { Ok(()) } else { Err(Malformed("the index has more than it should")) }
    }

    fn read_clocks(
        &mut self,
        reader: &mut Reader<'_>,
        mut in_chunks: impl Iterator<Item = u32>,
    ) -> std::result::Result<(), Malformed> {
        const RANGE: Malformed = Malformed("a clock is out of range");
        let mut before = 0i64;
        let mut body = (0u32, 0u64);
        for _ in 0..reader.count()? {
            let head = reader.varint()?;
            let values = (head >> 1) as usize;
            if !(1..=MAX_PAGE_VALUES).contains(&values) {
                return Err(RANGE);
            }
            let start = before.wrapping_add(reader.signed()?);
            before = start;
            let (end, form) = if head & 1 == 0 {
                let step = i64::try_from(reader.varint()?).map_err(|_| RANGE)?;
                if step == 0 && values > 1 {
                    return Err(Malformed("timestamps do not ascend"));
                }
                let duration = step.checked_mul(values as i64 - 1).ok_or(RANGE)?;
                (start.checked_add(duration).ok_or(RANGE)?, ClockForm::Regular { step })
            } else {
                let duration = i64::try_from(reader.varint()?).map_err(|_| RANGE)?;
                let len = reader.small()? as usize;
                let chunk = in_chunks.next().ok_or(Malformed("a clock has no chunk"))?;
                if chunk != body.0 {
                    body = (chunk, 0);
                }
                let at = body.1;
                body.1 += len as u64;
                (start.checked_add(duration).ok_or(RANGE)?, ClockForm::Packed { chunk, at, len })
            };
            self.times = (self.times.0.min(start), self.times.1.max(end));
            self.clocks.push(ClockEntry { start, end, values, form });
        }
        Ok(())
    }

    /// Chunks of one metric and column.
    pub(crate) fn chunks_of(&self, metric: u32, column: Column) -> &[ChunkEntry] {
        let begin = self.chunks.partition_point(|c| (c.metric, c.column) < (metric, column));
        let end = self.chunks.partition_point(|c| (c.metric, c.column) <= (metric, column));
        self.chunks.get(begin..end).unwrap_or_default()
    }

    /// Begins to fetch a stretch from the disk.
    pub(crate) fn will_need(&self, place: &Place) {
        self.input.will_need(place.offset, u64::from(place.len));
    }

    /// Reads a chunk and checks it.
    pub(crate) fn bytes(&self, place: &Place) -> Result<Vec<u8>> {
        read_place(&*self.input, &self.name, place)
    }

    /// Understands the bytes of a chunk.
    pub(crate) fn chunk<'a>(&self, entry: &ChunkEntry, bytes: &'a [u8]) -> Result<ChunkReader<'a>> {
        let chunk = ChunkReader::open(
            bytes,
            &self.codec,
            |source| self.default_clocks.get(source as usize).copied().flatten(),
            |clock| self.clocks.get(clock as usize).map(|c| c.values),
        )
        .map_err(Error::damaged(&self.name, entry.place.offset))?;
        // Pages ascend, so the first and the last tell of all.
        let ends = [chunk.pages.first(), chunk.pages.last()];
        let sources = entry.first_source..=entry.last_source;
        if ends.iter().flatten().any(|page| !sources.contains(&page.source)) {
            const OUTSIDE: Malformed = Malformed("a page is of a source that its chunk does not name");
            return Err(Error::damaged(&self.name, entry.place.offset)(OUTSIDE));
        }
        Ok(chunk)
    }

    /// First and last timestamp of a clock.
    pub(crate) fn clock_span(&self, clock: u32) -> (i64, i64) {
        self.clocks.get(clock as usize).map_or((i64::MAX, i64::MIN), |c| (c.start, c.end))
    }

    /// The timestamps of a clock.
    pub(crate) fn clock(&self, number: u32, cache: &mut ClockCache<'_>) -> Result<Clock> {
        let damaged = Error::damaged(&self.name, self.size_bytes);
        let Some(entry) = self.clocks.get(number as usize) else {
            return Err(damaged(Malformed("a page names a clock that is not there")));
        };
        let (chunk, at, len) = match entry.form {
            ClockForm::Regular { step } => {
                return Ok(Clock::Regular { start: entry.start, step, values: entry.values });
            }
            ClockForm::Packed { chunk, at, len } => (chunk, at, len),
        };
        if let Some(clock) = cache.clocks.get(&number) {
            return Ok(clock.clone());
        }
        let kept = cache.kept.and_then(|(kept, segment)| kept.get((segment, number)));
        if let Some(paced) = kept {
            return Ok(Clock::Paced(paced));
        }
        let place = self.clock_chunks[chunk as usize];
        let damaged = || Error::damaged(&self.name, place.offset);
        let reader = match cache.chunks.entry(chunk) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(new) => {
                let bytes = self.bytes(&place)?;
                new.insert(IntegersReader::open(bytes, &self.codec).map_err(damaged())?)
            }
        };
        let mut times = reader.read(at, len, entry.values).map_err(damaged())?;
        for time in &mut times {
            *time = time.wrapping_add(entry.start);
        }
        let ends = times.first() == Some(&entry.start) && times.last() == Some(&entry.end);
        if !ends || times.windows(2).any(|w| w[0] >= w[1]) {
            return Err(damaged()(Malformed("timestamps do not ascend")));
        }
        if let Some((kept, segment)) = cache.kept {
            // One who shares clocks asks for none of them twice.
            if let Some(paced) = Paced::new(&times).map(Arc::new) {
                kept.put((segment, number), paced);
            }
            return Ok(Clock::Listed(Arc::new(times)));
        }
        let clock = Clock::Listed(Arc::new(times));
        cache.clocks.insert(number, clock.clone());
        Ok(clock)
    }

    /// Reads and decodes everything, and hands on each thing that is wrong; `at` hears how many bytes
    /// were read.
    pub(crate) fn verify(&self, mut at: impl FnMut(u64), mut wrong: impl FnMut(Error)) {
        let (mut read, mut whole) = (0, true);
        let mut cache = ClockCache::default();
        let mut values = 0;
        let mut page_values = Vec::new();
        for entry in &self.chunks {
            let mut check = || -> Result<()> {
                let bytes = self.bytes(&entry.place)?;
                let mut chunk = self.chunk(entry, &bytes)?;
                for page in chunk.pages.clone() {
                    page_values.clear();
                    chunk
                        .read(&page, &mut page_values)
                        .map_err(Error::damaged(&self.name, entry.place.offset))?;
                    self.clock(page.clock, &mut cache)?;
                    values += page.values as u64;
                }
                Ok(())
            };
            if let Err(error) = check() {
                whole = false;
                wrong(error);
            }
            read += u64::from(entry.place.len);
            at(read);
        }
        // Values of damaged chunks are missing, which has been said.
        if whole && values != self.values {
            wrong(Error::damaged(&self.name, 0)(Malformed("it has another number of values than it says")));
        }
    }
}

fn read_trailer(trailer: &[u8; TRAILER_BYTES], at: u64) -> std::result::Result<Place, Malformed> {
    let mut reader = Reader(trailer);
    let place = Place { offset: reader.u64()?, len: reader.u32()?, crc: reader.u32()? };
    if reader.take(8)? != END_MAGIC || place.offset.checked_add(u64::from(place.len)) != Some(at) {
        return Err(Malformed("its end is missing"));
    }
    Ok(place)
}

fn read_place_entry(reader: &mut Reader<'_>, data_end: u64) -> std::result::Result<Place, Malformed> {
    let place = Place { offset: reader.varint()?, len: reader.small()?, crc: reader.u32()? };
    match place.offset.checked_add(u64::from(place.len)) {
        Some(end) if end <= data_end => Ok(place),
        _ => Err(Malformed("a chunk lies outside the file")),
    }
}

fn read_place(input: &dyn Input, name: &str, place: &Place) -> Result<Vec<u8>> {
    let mut bytes = vec![0; place.len as usize];
    input.read_at(place.offset, &mut bytes).map_err(Error::io("read", name))?;
    if !is_checksum(&bytes, place.crc) {
        return Err(Error::damaged(name, place.offset)(Malformed("the checksum is wrong")));
    }
    Ok(bytes)
}
