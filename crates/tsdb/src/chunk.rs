//! Chunks: the pages of many sources for one metric, packed with shared bins.
//!
//! A page holds the values of one source for one clock (a sequence of timestamps). Pages of decimal
//! numbers become scaled integers and share one pco chunk, the rest share a second one of floats;
//! constant pages are a single value. Every encoding is decoded and compared before it is used, and
//! what does not come back bit for bit is stored plainly. `docs/format.md` draws the bytes.

use std::ops::Range;

use pco::wrapped::{FileCompressor, FileDecompressor};
use pco::{ChunkConfig, DeltaSpec, ModeSpec, PagingSpec};

use crate::bytes::{Malformed, Reader, put_signed, put_varint};

/// Most values in a page: what must be decoded to read one of them.
pub(crate) const MAX_PAGE_VALUES: usize = 8192;

/// Values after which a chunk is closed: enough to make the bins worth it, small enough to be read
/// and checked as one piece.
pub(crate) const CHUNK_VALUES: usize = 131_072;

/// Numbers that pco packs at a time; fewer cannot be unpacked.
const BATCH: usize = 256;

/// Largest decimal exponent that is tried: 12 digits after the point.
const MAX_EXPONENT: u8 = 12;

/// Integers beyond 2^53 are not exact as f64.
const MAX_INTEGER: f64 = 9_007_199_254_740_992.0;

const POWERS: [f64; 13] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12];

const CONSTANT_DECIMAL: u64 = 0;
const CONSTANT_PLAIN: u64 = 1;
const DECIMALS: u64 = 2;
const FLOATS: u64 = 3;
const PLAIN: u64 = 4;

/// Value × 10^exponent when that is an integer from which exactly the value comes back.
#[inline]
pub(crate) fn to_decimal(value: f64, exponent: u8) -> Option<i64> {
    let power = POWERS[usize::from(exponent)];
    let scaled = value * power;
    if scaled.is_nan() || scaled.abs() >= MAX_INTEGER {
        return None;
    }
    let integer = (scaled + 0.5f64.copysign(scaled)) as i64;
    (from_decimal(integer, exponent).to_bits() == value.to_bits()).then_some(integer)
}

/// The value of a scaled integer; a division, since that is rounded correctly.
#[inline]
pub(crate) fn from_decimal(integer: i64, exponent: u8) -> f64 {
    integer as f64 / POWERS[usize::from(exponent)]
}

/// The smallest exponent of at least `from` with which the value is a decimal.
pub(crate) fn exponent_of(value: f64, from: u8) -> Option<u8> {
    (from..=MAX_EXPONENT).find(|e| to_decimal(value, *e).is_some())
}

/// Whether an exponent read from a file is one that we know.
pub(crate) fn is_exponent(exponent: u8) -> bool {
    exponent <= MAX_EXPONENT
}

/// The version of pco that a file was written with.
#[derive(Clone, Debug)]
pub(crate) struct Codec(FileDecompressor);

impl Codec {
    /// Bytes of a version in a file.
    pub(crate) const BYTES: usize = 2;

    /// The version that is written, as bytes.
    pub(crate) fn written() -> [u8; Codec::BYTES] {
        let mut bytes = [0; Codec::BYTES];
        // Only a full buffer could fail, and then no chunk would come back from its bytes either.
        let _ = FileCompressor::default().write_header(&mut bytes[..]);
        bytes
    }

    pub(crate) fn read(bytes: [u8; Codec::BYTES]) -> Result<Codec, Malformed> {
        let file = FileDecompressor::new(&bytes[..]);
        file.map(|(file, _)| Codec(file)).map_err(|_| Malformed("its codec is of a newer version"))
    }
}

struct Pending {
    source: u32,
    clock: Option<u32>,
    from: usize,
    to: usize,
}

/// Collects pages of one metric and packs them.
#[derive(Default)]
pub(crate) struct ChunkWriter {
    pages: Vec<Pending>,
    values: Vec<f64>,
}

enum Form {
    Constant,
    Decimals(u8),
    Floats,
}

fn form_of(values: &[f64]) -> Form {
    let first = values[0].to_bits();
    if values.iter().all(|v| v.to_bits() == first) {
        return Form::Constant;
    }
    let mut exponent = 0;
    for value in values {
        if to_decimal(*value, exponent).is_none() {
            match exponent_of(*value, exponent + 1) {
                Some(larger) => exponent = larger,
                None => return Form::Floats,
            }
        }
    }
    // A value that fitted a small exponent may be too large for the final one.
    let all = values.iter().all(|v| to_decimal(*v, exponent).is_some());
    if all { Form::Decimals(exponent) } else { Form::Floats }
}

fn config(pages: Vec<usize>) -> ChunkConfig {
    ChunkConfig::default()
        .with_compression_level(8)
        .with_mode_spec(ModeSpec::Auto)
        .with_delta_spec(DeltaSpec::Auto)
        .with_paging_spec(PagingSpec::Exact(pages))
}

/// A pco chunk: its meta, and each page.
struct Packed {
    meta: Vec<u8>,
    pages: Vec<Vec<u8>>,
}

/// Packs numbers and proves that they come back; `None` when they do not.
fn pack<T: pco::data_types::Number + PartialEq>(
    numbers: &[T],
    sizes: &[usize],
    same: fn(&T, &T) -> bool,
) -> Option<Packed> {
    let mut chunk = FileCompressor::default().chunk_compressor(numbers, &config(sizes.to_vec())).ok()?;
    let mut meta = Vec::new();
    chunk.write_meta(&mut meta).ok()?;
    let mut pages = Vec::with_capacity(sizes.len());
    for page in 0..sizes.len() {
        let mut bytes = Vec::with_capacity(chunk.page_size_hint(page));
        chunk.write_page(page, &mut bytes).ok()?;
        pages.push(bytes);
    }
    let mut decoder = Decoder::<T>::new(&Codec::read(Codec::written()).ok()?, &meta).ok()?;
    let mut back = Vec::new();
    let mut at = 0;
    for (bytes, n) in pages.iter().zip(sizes) {
        decoder.page(bytes, *n, &mut back).ok()?;
        if !back.iter().zip(&numbers[at..at + n]).all(|(a, b)| same(a, b)) {
            return None;
        }
        at += n;
    }
    Some(Packed { meta, pages })
}

/// Decodes the pages of a pco chunk.
struct Decoder<T: pco::data_types::Number>(pco::wrapped::ChunkDecompressor<T>);

impl<T: pco::data_types::Number> Decoder<T> {
    fn new(codec: &Codec, meta: &[u8]) -> Result<Decoder<T>, Malformed> {
        let chunk = codec.0.chunk_decompressor(meta);
        chunk.map(|(chunk, _)| Decoder(chunk)).map_err(|_| Malformed("a chunk's bins are not readable"))
    }

    fn page(&mut self, bytes: &[u8], n: usize, out: &mut Vec<T>) -> Result<(), Malformed> {
        const NOT_PCO: Malformed = Malformed("a page is not readable");
        out.resize(n, T::default());
        let mut page = self.0.page_decompressor(bytes, n).map_err(|_| NOT_PCO)?;
        let progress = page.read(out).map_err(|_| NOT_PCO)?;
        if progress.finished { Ok(()) } else { Err(NOT_PCO) }
    }

    /// The first `some` of a page's `n` numbers, and a few more.
    fn beginning(&mut self, bytes: &[u8], n: usize, some: usize, out: &mut Vec<T>) -> Result<(), Malformed> {
        // What the codec takes as one.
        let some = some.next_multiple_of(BATCH);
        if some >= n {
            return self.page(bytes, n, out);
        }
        const NOT_PCO: Malformed = Malformed("a page is not readable");
        out.resize(some, T::default());
        let mut page = self.0.page_decompressor(bytes, n).map_err(|_| NOT_PCO)?;
        let progress = page.read(out).map_err(|_| NOT_PCO)?;
        if progress.n_processed == some { Ok(()) } else { Err(NOT_PCO) }
    }
}

impl ChunkWriter {
    /// Values in the pages so far.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// Sources of the first and last page.
    pub(crate) fn sources(&self) -> (u32, u32) {
        (self.pages.first().map_or(0, |p| p.source), self.pages.last().map_or(0, |p| p.source))
    }

    /// Adds a page of 1 to [`MAX_PAGE_VALUES`] values; sources come in ascending order. `clock` is
    /// given when it is not the default clock of the source.
    pub(crate) fn page(&mut self, source: u32, clock: Option<u32>, values: impl IntoIterator<Item = f64>) {
        let from = self.values.len();
        self.values.extend(values);
        let to = self.values.len();
        debug_assert!((1..=MAX_PAGE_VALUES).contains(&(to - from)));
        debug_assert!(self.pages.last().is_none_or(|p| p.source <= source));
        self.pages.push(Pending { source, clock, from, to });
    }

    /// Appends the packed chunk to `out` and empties the writer.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        let values = &self.values;
        let forms: Vec<Form> = self.pages.iter().map(|p| form_of(&values[p.from..p.to])).collect();
        // One exponent for all, so that the bins are shared.
        let exponent =
            forms.iter().map(|f| if let Form::Decimals(e) = f { *e } else { 0 }).max().unwrap_or(0);

        let mut integers: Vec<i64> = Vec::with_capacity(values.len());
        let mut floats: Vec<f64> = Vec::new();
        let (mut integer_sizes, mut float_sizes) = (Vec::new(), Vec::new());
        let mut kinds = Vec::with_capacity(forms.len());
        for (page, form) in self.pages.iter().zip(&forms) {
            let values = &values[page.from..page.to];
            kinds.push(match form {
                Form::Constant if to_decimal(values[0], exponent).is_some() => CONSTANT_DECIMAL,
                Form::Constant => CONSTANT_PLAIN,
                Form::Decimals(_) => {
                    let before = integers.len();
                    integers.extend(values.iter().map_while(|v| to_decimal(*v, exponent)));
                    if integers.len() - before == values.len() {
                        integer_sizes.push(values.len());
                        DECIMALS
                    } else {
                        integers.truncate(before);
                        floats.extend(values);
                        float_sizes.push(values.len());
                        FLOATS
                    }
                }
                Form::Floats => {
                    floats.extend(values);
                    float_sizes.push(values.len());
                    FLOATS
                }
            });
        }
        let packed_integers =
            (!integers.is_empty()).then(|| pack(&integers, &integer_sizes, i64::eq)).flatten();
        let packed_floats = (!floats.is_empty())
            .then(|| pack(&floats, &float_sizes, |a, b| a.to_bits() == b.to_bits()))
            .flatten();
        for kind in &mut kinds {
            let unpacked = (*kind == DECIMALS && packed_integers.is_none())
                || (*kind == FLOATS && packed_floats.is_none());
            if unpacked {
                *kind = PLAIN;
            }
        }

        put_varint(out, self.pages.len() as u64);
        out.push(exponent);
        let mut integer_pages = packed_integers.as_ref().map_or(&[][..], |p| &p.pages).iter();
        let mut float_pages = packed_floats.as_ref().map_or(&[][..], |p| &p.pages).iter();
        let mut bodies: Vec<u8> = Vec::new();
        let mut before = 0;
        for (page, kind) in self.pages.iter().zip(&kinds) {
            let values = &values[page.from..page.to];
            let delta = u64::from(page.source - before);
            before = page.source;
            put_varint(out, delta << 4 | u64::from(page.clock.is_some()) << 3 | kind);
            if let Some(clock) = page.clock {
                put_varint(out, u64::from(clock));
            }
            match *kind {
                CONSTANT_DECIMAL => put_signed(out, to_decimal(values[0], exponent).unwrap_or_default()),
                CONSTANT_PLAIN => out.extend_from_slice(&values[0].to_bits().to_le_bytes()),
                PLAIN => values.iter().for_each(|v| bodies.extend_from_slice(&v.to_bits().to_le_bytes())),
                _ => {
                    let pages = if *kind == DECIMALS { &mut integer_pages } else { &mut float_pages };
                    let body = pages.next().map_or(&[][..], |p| p);
                    put_varint(out, body.len() as u64);
                    bodies.extend_from_slice(body);
                }
            }
        }
        for packed in [&packed_integers, &packed_floats] {
            let meta = packed.as_ref().map_or(&[][..], |p| &p.meta);
            put_varint(out, meta.len() as u64);
            out.extend_from_slice(meta);
        }
        out.extend_from_slice(&bodies);
        self.pages.clear();
        self.values.clear();
    }
}

/// Where one page lies in a chunk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageEntry {
    pub(crate) source: u32,
    pub(crate) clock: u32,
    pub(crate) values: usize,
    form: u64,
    /// The constant's bits, or where the body begins.
    at: u64,
    /// Bytes of its body.
    pub(crate) len: usize,
}

/// A chunk opened for reading.
pub(crate) struct ChunkReader<'a> {
    pub(crate) pages: Vec<PageEntry>,
    exponent: u8,
    integers: Option<Decoder<i64>>,
    floats: Option<Decoder<f64>>,
    bodies: &'a [u8],
    scratch: Vec<i64>,
}

impl<'a> ChunkReader<'a> {
    /// `clock_of` tells the default clock of a source, `values_of` how many timestamps a clock has.
    pub(crate) fn open(
        bytes: &'a [u8],
        codec: &Codec,
        clock_of: impl Fn(u32) -> Option<u32>,
        values_of: impl Fn(u32) -> Option<usize>,
    ) -> Result<ChunkReader<'a>, Malformed> {
        let mut reader = Reader(bytes);
        let n = reader.count()?;
        let exponent = reader.u8()?;
        if !is_exponent(exponent) {
            return Err(Malformed("an exponent is too large"));
        }
        let mut pages = Vec::with_capacity(n);
        let (mut source, mut body) = (0u64, 0u64);
        for _ in 0..n {
            let head = reader.varint()?;
            source += head >> 4;
            let source = u32::try_from(source).map_err(|_| Malformed("a source is out of range"))?;
            let clock = if head & 8 == 0 { clock_of(source) } else { Some(reader.small()?) };
            let (clock, values) = clock
                .and_then(|c| Some((c, values_of(c)?)))
                .ok_or(Malformed("a page names a clock that is not there"))?;
            if !(1..=MAX_PAGE_VALUES).contains(&values) {
                return Err(Malformed("a page has too many values"));
            }
            let form = head & 7;
            let (at, len) = match form {
                CONSTANT_DECIMAL => (from_decimal(reader.signed()?, exponent).to_bits(), 0),
                CONSTANT_PLAIN => (reader.u64()?, 0),
                DECIMALS | FLOATS => (body, reader.small()? as usize),
                PLAIN => (body, values * 8),
                _ => return Err(Malformed("an unknown form of page")),
            };
            body += len as u64;
            pages.push(PageEntry { source, clock, values, form, at, len });
        }
        let len = reader.count()?;
        let meta = reader.take(len)?;
        let integers = if meta.is_empty() { None } else { Some(Decoder::new(codec, meta)?) };
        let len = reader.count()?;
        let meta = reader.take(len)?;
        let floats = if meta.is_empty() { None } else { Some(Decoder::new(codec, meta)?) };
        if reader.0.len() as u64 != body {
            return Err(Malformed("a chunk has another length than its pages"));
        }
        Ok(ChunkReader { pages, exponent, integers, floats, bodies: reader.0, scratch: Vec::new() })
    }

    /// Appends the values of a page to `out`.
    pub(crate) fn read(&mut self, page: &PageEntry, out: &mut Vec<f64>) -> Result<(), Malformed> {
        self.read_part(page, 0..page.values, out)
    }

    /// Appends some of the values of a page to `out`; those after them are not unpacked.
    pub(crate) fn read_part(
        &mut self,
        page: &PageEntry,
        part: Range<usize>,
        out: &mut Vec<f64>,
    ) -> Result<(), Malformed> {
        const NO_BINS: Malformed = Malformed("a page has no bins");
        const NOT_THERE: Malformed = Malformed("a page has fewer values than its clock");
        if part.start > part.end || part.end > page.values {
            return Err(NOT_THERE);
        }
        if matches!(page.form, CONSTANT_DECIMAL | CONSTANT_PLAIN) {
            out.extend(std::iter::repeat_n(f64::from_bits(page.at), part.len()));
            return Ok(());
        }
        let body = &self.bodies[page.at as usize..][..page.len];
        match page.form {
            DECIMALS => {
                let decoder = self.integers.as_mut().ok_or(NO_BINS)?;
                decoder.beginning(body, page.values, part.end, &mut self.scratch)?;
                let integers = self.scratch.get(part).ok_or(NOT_THERE)?;
                let power = POWERS[usize::from(self.exponent)];
                if self.exponent == 0 {
                    out.extend(integers.iter().map(|i| *i as f64));
                } else {
                    out.extend(integers.iter().map(|i| *i as f64 / power));
                }
            }
            FLOATS => {
                let decoder = self.floats.as_mut().ok_or(NO_BINS)?;
                let mut values = Vec::new();
                decoder.beginning(body, page.values, part.end, &mut values)?;
                out.extend_from_slice(values.get(part).ok_or(NOT_THERE)?);
            }
            _ => {
                let values = body.as_chunks().0.get(part).ok_or(NOT_THERE)?;
                out.extend(values.iter().map(|b| f64::from_bits(u64::from_le_bytes(*b))));
            }
        }
        Ok(())
    }
}

/// Packs sequences of integers (timestamps) as one pco chunk: meta length, meta, bodies. Returns the
/// length of each body, or `None` when the codec fails.
pub(crate) fn pack_integers(pages: &[&[i64]], out: &mut Vec<u8>) -> Option<Vec<usize>> {
    let sizes: Vec<usize> = pages.iter().map(|p| p.len()).collect();
    let packed = pack(&pages.concat(), &sizes, i64::eq)?;
    put_varint(out, packed.meta.len() as u64);
    out.extend_from_slice(&packed.meta);
    packed.pages.iter().for_each(|p| out.extend_from_slice(p));
    Some(packed.pages.iter().map(Vec::len).collect())
}

/// A chunk of integers opened for reading.
pub(crate) struct IntegersReader {
    bytes: Vec<u8>,
    /// Where the bodies begin.
    bodies: usize,
    decoder: Decoder<i64>,
}

impl IntegersReader {
    /// Opens what [`pack_integers`] wrote.
    pub(crate) fn open(bytes: Vec<u8>, codec: &Codec) -> Result<IntegersReader, Malformed> {
        let mut reader = Reader(&bytes);
        let meta = reader.count()?;
        let decoder = Decoder::new(codec, reader.take(meta)?)?;
        let bodies = bytes.len() - reader.0.len();
        Ok(IntegersReader { bytes, bodies, decoder })
    }

    /// Reads one sequence: where its body lies among the bodies, its length, and the size.
    pub(crate) fn read(&mut self, at: u64, len: usize, n: usize) -> Result<Vec<i64>, Malformed> {
        let from = usize::try_from(at).ok().and_then(|at| at.checked_add(self.bodies));
        let body = from.and_then(|from| self.bytes.get(from..from.checked_add(len)?));
        let mut out = Vec::new();
        self.decoder.page(body.ok_or(Malformed("a clock lies outside its chunk"))?, n, &mut out)?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn codec() -> Codec {
        Codec::read(Codec::written()).unwrap()
    }

    fn round_trip(pages: &[Vec<f64>]) -> usize {
        let mut writer = ChunkWriter::default();
        for (i, page) in pages.iter().enumerate() {
            writer.page(i as u32, (i % 2 == 1).then_some(i as u32), page.iter().copied());
        }
        let mut bytes = Vec::new();
        writer.finish(&mut bytes);
        assert!(writer.is_empty());
        let mut reader =
            ChunkReader::open(&bytes, &codec(), Some, |c| pages.get(c as usize).map(Vec::len)).unwrap();
        for (i, page) in pages.iter().enumerate() {
            let mut back = Vec::new();
            let entry = reader.pages[i];
            reader.read(&entry, &mut back).unwrap();
            assert_eq!(entry.source, i as u32);
            assert!(
                page.iter().map(|v| v.to_bits()).eq(back.iter().map(|v| v.to_bits())),
                "{page:?} {back:?}"
            );
            let part = i % page.len()..page.len() - page.len() / 3;
            if !part.is_empty() {
                back.clear();
                reader.read_part(&entry, part.clone(), &mut back).unwrap();
                assert!(page[part].iter().map(|v| v.to_bits()).eq(back.iter().map(|v| v.to_bits())));
            }
            assert!(reader.read_part(&entry, 0..page.len() + 1, &mut back).is_err());
        }
        bytes.len()
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<f64>(),
            (-1_000_000i64..1_000_000).prop_map(|i| i as f64),
            (-1_000_000i64..1_000_000).prop_map(|i| i as f64 / 100.0),
            Just(f64::NAN),
            Just(-0.0),
            Just(f64::INFINITY),
            Just(f64::from_bits(0x7FF0_0000_0000_0002)),
        ]
    }

    fn page() -> impl Strategy<Value = Vec<f64>> {
        prop_oneof![
            prop::collection::vec(value(), 1..700),
            (value(), 1usize..300).prop_map(|(v, n)| vec![v; n]),
            (0u32..1 << 30, prop::collection::vec(0u32..5000, 1..700)).prop_map(|(base, steps)| steps
                .iter()
                .scan(f64::from(base), |sum, step| {
                    *sum += f64::from(*step);
                    Some(*sum / 100.0)
                })
                .collect()),
        ]
    }

    proptest! {
        #[test]
        fn all_values_come_back_bit_for_bit(pages in prop::collection::vec(page(), 1..8)) {
            round_trip(&pages);
        }

        #[test]
        fn any_bytes_are_refused_without_panic(mut bytes: Vec<u8>, at: usize, mask: u8) {
            let mut writer = ChunkWriter::default();
            writer.page(3, None, (0..50).map(f64::from));
            writer.page(5, None, [0.25; 50]);
            let mut good = Vec::new();
            writer.finish(&mut good);
            let i = at % good.len();
            good[i] ^= mask;
            for bytes in [&mut bytes, &mut good] {
                if let Ok(mut chunk) = ChunkReader::open(bytes, &codec(), Some, |_| Some(50)) {
                    for page in chunk.pages.clone() {
                        let _ = chunk.read(&page, &mut Vec::new());
                    }
                }
            }
        }
    }

    #[test]
    fn decimals_are_recognised_exactly() {
        assert_eq!(to_decimal(0.1 + 0.2, 1), None);
        assert_eq!(to_decimal(123_456.78, 2), Some(12_345_678));
        assert_eq!(to_decimal(-0.0, 0), None);
        assert_eq!(to_decimal(f64::NAN, 0), None);
        assert_eq!(exponent_of(0.001, 0), Some(3));
        assert_eq!(exponent_of(std::f64::consts::PI, 0), None);
    }

    #[test]
    fn a_page_too_large_for_the_shared_exponent_is_kept_as_floats() {
        round_trip(&[vec![0.000_000_001, 0.000_000_002], vec![9e15, 8e15], vec![9e15, 9e15]]);
    }

    #[test]
    fn shared_bins_make_short_pages_cheap() {
        // A counter of a hundred sources that grows by up to 63 a second, 120 s each.
        let mut state = 1u32;
        let pages: Vec<Vec<f64>> = (0..100)
            .map(|source| {
                let mut sum = f64::from(source) * 1e6;
                (0..120)
                    .map(|_| {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        sum += f64::from(state >> 26);
                        sum
                    })
                    .collect()
            })
            .collect();
        let bytes = round_trip(&pages);
        // Six bits of entropy a value are 9,000 bytes; the page's first values and table come on top.
        assert!(bytes < 10_500, "{bytes}");
    }

    #[test]
    fn timestamps_come_back() {
        let a: Vec<i64> = (0..120).map(|i| i * 1000 + i % 3).collect();
        let b = [i64::MIN, 0, i64::MAX];
        let mut out = Vec::new();
        let lens = pack_integers(&[&a, &b], &mut out).unwrap();
        let mut reader = IntegersReader::open(out, &codec()).unwrap();
        assert_eq!(reader.read(0, lens[0], 120).unwrap(), a);
        assert_eq!(reader.read(lens[0] as u64, lens[1], 3).unwrap(), b);
        assert!(reader.read(lens[0] as u64, lens[1] + 1, 3).is_err());
        assert!(reader.read(u64::MAX, 1, 3).is_err());
    }
}
