//! Writing a message, series by series.

use crate::protobuf::{put_bytes, put_number, put_varint, varint_len};
use crate::symbols::Symbols;
use crate::{Metadata, Sample, Version, snappy};

/// A message under construction. Its memory is used again after [`Message::clear`].
///
/// Labels are to be sorted by name and without empty values, as the specifications want them; see
/// [`check_labels`](crate::check_labels).
#[derive(Clone, Debug)]
pub struct Message {
    version: Version,
    /// The series' fields, one after the other.
    series: Vec<u8>,
    /// 1.0: the metadata's fields. 2.0 has them in the series.
    metadata: Vec<u8>,
    /// 2.0.
    symbols: Symbols,
    /// A series as it is written.
    one: Vec<u8>,
    /// Numbers of a packed field.
    references: Vec<u8>,
    /// The whole message, before it is packed.
    whole: Vec<u8>,
    samples_total: usize,
    series_total: usize,
}

impl Message {
    /// An empty message.
    pub fn new(version: Version) -> Message {
        Message {
            version,
            series: Vec::new(),
            metadata: Vec::new(),
            symbols: Symbols::new(),
            one: Vec::new(),
            references: Vec::new(),
            whole: Vec::new(),
            samples_total: 0,
            series_total: 0,
        }
    }

    /// Which message it is.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Samples in it so far.
    pub fn samples_total(&self) -> usize {
        self.samples_total
    }

    /// Series in it so far; one that was added twice counts twice.
    pub fn series_total(&self) -> usize {
        self.series_total
    }

    /// Bytes of the message so far, unpacked.
    pub fn bytes(&self) -> usize {
        let symbols = if self.version == Version::V2 { self.symbols.fields.len() } else { 0 };
        self.series.len() + self.metadata.len() + symbols
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty() && self.metadata.is_empty()
    }

    /// Begins anew.
    pub fn clear(&mut self) {
        self.series.clear();
        self.metadata.clear();
        if self.version == Version::V2 {
            self.symbols.clear();
        }
        self.samples_total = 0;
        self.series_total = 0;
    }

    /// Adds a series with its samples, oldest first. In 1.0 metadata is not the series' but the
    /// metric's: there it is left out here, see [`Message::family`].
    pub fn series<'a>(
        &mut self,
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
        samples: impl IntoIterator<Item = Sample>,
        metadata: Option<Metadata<'_>>,
    ) {
        self.one.clear();
        match self.version {
            Version::V1 => {
                for (name, value) in labels {
                    put_label(&mut self.one, name, value);
                }
                self.end_series(samples, None);
            }
            Version::V2 => {
                self.references.clear();
                for text in labels.into_iter().flat_map(|(name, value)| [name, value]) {
                    let place = self.symbols.place(text);
                    put_varint(&mut self.references, u64::from(place));
                }
                put_bytes(&mut self.one, 1, &self.references);
                let metadata = metadata.map(|said| {
                    (said.kind as u64, self.symbols.place(said.help), self.symbols.place(said.unit))
                });
                self.end_series(samples, metadata);
            }
        }
    }

    /// 1.0: adds a series whose labels were written with [`put_label`] before, in pieces.
    ///
    /// # Panics
    /// When this is a message of 2.0.
    pub fn written_series<'a>(
        &mut self,
        labels: impl IntoIterator<Item = &'a [u8]>,
        samples: impl IntoIterator<Item = Sample>,
    ) {
        assert_eq!(self.version, Version::V1, "labels are written into messages of 1.0");
        self.one.clear();
        for piece in labels {
            self.one.extend_from_slice(piece);
        }
        self.end_series(samples, None);
    }

    /// 2.0: the place of a text in this message, until it is cleared.
    ///
    /// # Panics
    /// When this is a message of 1.0.
    pub fn symbol(&mut self, text: &str) -> u32 {
        assert_eq!(self.version, Version::V2, "symbols are of messages of 2.0");
        self.symbols.place(text)
    }

    /// 2.0: adds a series whose labels (name, value, name, …) and metadata (kind, help, unit) are places
    /// that [`Message::symbol`] gave.
    ///
    /// # Panics
    /// When this is a message of 1.0.
    pub fn symbol_series(
        &mut self,
        labels: impl IntoIterator<Item = u32>,
        samples: impl IntoIterator<Item = Sample>,
        metadata: Option<(crate::MetricKind, u32, u32)>,
    ) {
        assert_eq!(self.version, Version::V2, "symbols are of messages of 2.0");
        self.one.clear();
        self.references.clear();
        for place in labels {
            put_varint(&mut self.references, u64::from(place));
        }
        put_bytes(&mut self.one, 1, &self.references);
        self.end_series(samples, metadata.map(|(kind, help, unit)| (kind as u64, help, unit)));
    }

    fn end_series(&mut self, samples: impl IntoIterator<Item = Sample>, metadata: Option<(u64, u32, u32)>) {
        for sample in samples {
            put_sample(&mut self.one, sample);
            self.samples_total += 1;
        }
        if let Some((kind, help, unit)) = metadata {
            let start = self.one.len();
            // At most 14 bytes, so that its length takes one.
            self.one.extend_from_slice(&[5 << 3 | 2, 0]);
            put_number(&mut self.one, 1, kind);
            put_number(&mut self.one, 3, u64::from(help));
            put_number(&mut self.one, 4, u64::from(unit));
            self.one[start + 1] = (self.one.len() - start - 2) as u8;
        }
        put_bytes(&mut self.series, if self.version == Version::V1 { 1 } else { 5 }, &self.one);
        self.series_total += 1;
    }

    /// 1.0: adds what is said of a metric. In 2.0 metadata is the series', and this does nothing.
    pub fn family(&mut self, name: &str, metadata: Metadata<'_>) {
        if self.version == Version::V2 {
            return;
        }
        self.one.clear();
        put_number(&mut self.one, 1, metadata.kind as u64);
        for (number, text) in [(2, name), (4, metadata.help), (5, metadata.unit)] {
            if !text.is_empty() {
                put_bytes(&mut self.one, number, text.as_bytes());
            }
        }
        put_bytes(&mut self.metadata, 3, &self.one);
    }

    /// The message itself, behind what is in `out` already.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.reserve(self.bytes());
        if self.version == Version::V2 {
            out.extend_from_slice(&self.symbols.fields);
        }
        out.extend_from_slice(&self.series);
        out.extend_from_slice(&self.metadata);
    }

    /// The message as a snappy block, which is what is posted, behind what is in `out` already.
    pub fn pack(&mut self, out: &mut Vec<u8>) {
        let mut whole = std::mem::take(&mut self.whole);
        whole.clear();
        self.write(&mut whole);
        snappy::pack(&whole, out);
        self.whole = whole;
    }
}

/// 1.0: writes a label as a series has it, for [`Message::written_series`].
#[inline]
pub fn put_label(out: &mut Vec<u8>, name: &str, value: &str) {
    let len = 2 + varint_len(name.len() as u64) + name.len() + varint_len(value.len() as u64) + value.len();
    out.push(1 << 3 | 2);
    put_varint(out, len as u64);
    put_bytes(out, 1, name.as_bytes());
    put_bytes(out, 2, value.as_bytes());
}

#[inline]
fn put_sample(out: &mut Vec<u8>, sample: Sample) {
    let start = out.len();
    // At most 20 bytes, so that its length takes one.
    out.extend_from_slice(&[2 << 3 | 2, 0]);
    // As protobuf does: what is 0 is not there. Minus zero is another number.
    if sample.value.to_bits() != 0 {
        out.push(1 << 3 | 1);
        out.extend_from_slice(&sample.value.to_le_bytes());
    }
    put_number(out, 2, sample.time_ms as u64);
    out[start + 1] = (out.len() - start - 2) as u8;
}
