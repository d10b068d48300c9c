//! Reading a message, series by series.

use crate::protobuf::{Malformed, Reader, Value};
use crate::snappy::within;
use crate::{Error, Limits, Metadata, MetricKind, Sample, Version};

/// A message that is read. What it takes beside the message is 16 bytes a symbol and 32 bytes a label
/// of one series, both within [`Limits`].
///
/// A whole message is known to be well formed only when it was read to its end: who must not take a
/// part of a bad one reads it twice.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    version: Version,
    reader: Reader<'a>,
    symbols: Vec<&'a str>,
    labels: Vec<(&'a str, &'a str)>,
    references: Vec<u32>,
    limits: Limits,
    series_total: usize,
    samples_total: usize,
}

/// What a message consists of.
#[derive(Clone, Debug)]
pub enum Item<'r, 'a> {
    /// A series with what is said of it.
    Series(Series<'r, 'a>),
    /// 1.0: what is said of a metric.
    Metadata(FamilyMetadata<'a>),
}

/// What 1.0 says of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilyMetadata<'a> {
    /// The metric's name.
    pub family: &'a str,
    /// What is said.
    pub metadata: Metadata<'a>,
}

/// A series of a message.
#[derive(Clone, Debug)]
pub struct Series<'r, 'a> {
    /// Names and values as they came; [`check_labels`](crate::check_labels) says whether they are as
    /// they have to be.
    pub labels: &'r [(&'a str, &'a str)],
    /// How many there are: of more than [`Limits::labels`] the rest is not in `labels`.
    pub labels_total: usize,
    /// Samples.
    pub samples_total: usize,
    /// Samples that are native histograms; what they say is not read.
    pub histograms_total: usize,
    /// Exemplars; what they say is not read.
    pub exemplars_total: usize,
    /// 2.0: what is said of the metric.
    pub metadata: Option<Metadata<'a>>,
    reader: Reader<'a>,
}

impl<'a> Series<'_, 'a> {
    /// Its samples in the order of the message.
    pub fn samples(&self) -> Samples<'a> {
        Samples { reader: self.reader }
    }
}

/// The samples of a series.
#[derive(Clone, Debug)]
pub struct Samples<'a> {
    reader: Reader<'a>,
}

impl Iterator for Samples<'_> {
    type Item = Sample;

    fn next(&mut self) -> Option<Sample> {
        loop {
            // The series was read to its end before, so nothing is malformed here.
            if let (2, Value::Bytes(bytes)) = self.reader.field().ok()?? {
                return sample(self.reader.within(bytes)).ok();
            }
        }
    }
}

impl<'a> Request<'a> {
    /// A message, unpacked. Of 2.0 the symbols are read.
    ///
    /// # Errors
    /// When the message is malformed as far as it was read, or breaks a limit.
    pub fn new(version: Version, message: &'a [u8], limits: &Limits) -> Result<Request<'a>, Error> {
        within("bytes", message.len(), limits.message_bytes)?;
        let reader = Reader::new(message);
        let mut request = Request {
            version,
            reader,
            symbols: Vec::new(),
            labels: Vec::new(),
            references: Vec::new(),
            limits: *limits,
            series_total: 0,
            samples_total: 0,
        };
        if version == Version::V2 {
            request.read_symbols(reader)?;
        }
        Ok(request)
    }

    /// Protobuf does not say that they come first.
    fn read_symbols(&mut self, mut reader: Reader<'a>) -> Result<(), Error> {
        while let Some((number, value)) = reader.field()? {
            if number == 4 {
                within("symbols", self.symbols.len() + 1, self.limits.symbols)?;
                self.symbols.push(reader.text(value)?);
            }
        }
        match self.symbols.first() {
            Some(first) if !first.is_empty() => Err(self.reader.error(Malformed::FirstSymbol)),
            _ => Ok(()),
        }
    }

    /// Samples read so far, without native histograms.
    pub fn samples_total(&self) -> usize {
        self.samples_total
    }

    /// The next series, or entry of metadata; `None` at the end.
    ///
    /// # Errors
    /// When the message is malformed there, or breaks a limit.
    pub fn next_item(&mut self) -> Result<Option<Item<'_, 'a>>, Error> {
        let series = match self.version {
            Version::V1 => 1,
            Version::V2 => 5,
        };
        while let Some((number, value)) = self.reader.field()? {
            if number == series {
                self.count()?;
                let inner = self.reader.within(self.reader.bytes(value)?);
                return self.series(inner).map(|series| Some(Item::Series(series)));
            }
            if number == 3 && self.version == Version::V1 {
                self.count()?;
                let inner = self.reader.within(self.reader.bytes(value)?);
                return family(inner).map(|said| Some(Item::Metadata(said)));
            }
        }
        Ok(None)
    }

    fn count(&mut self) -> Result<(), Error> {
        self.series_total += 1;
        within("series", self.series_total, self.limits.series)
    }

    fn series(&mut self, inner: Reader<'a>) -> Result<Series<'_, 'a>, Error> {
        self.labels.clear();
        self.references.clear();
        let (mut samples_total, mut histograms_total, mut exemplars_total) = (0, 0, 0);
        let (mut labels_total, mut references_total) = (0, 0);
        let mut metadata = None;
        // In 1.0 exemplars come before histograms, in 2.0 after them.
        let (histograms, exemplars) = match self.version {
            Version::V1 => (4, 3),
            Version::V2 => (3, 4),
        };
        let mut reader = inner;
        while let Some((number, value)) = reader.field()? {
            match number {
                1 if self.version == Version::V1 => {
                    let label = label(reader.within(reader.bytes(value)?))?;
                    labels_total += 1;
                    if labels_total <= self.limits.labels {
                        self.labels.push(label);
                    }
                }
                1 => references_total += self.refer(&reader, value)?,
                2 => {
                    sample(reader.within(reader.bytes(value)?))?;
                    samples_total += 1;
                    within("samples", self.samples_total + samples_total, self.limits.samples)?;
                }
                5 if self.version == Version::V2 => {
                    metadata = Some(self.metadata(reader.within(reader.bytes(value)?))?);
                }
                _ if number == histograms => {
                    reader.bytes(value)?;
                    histograms_total += 1;
                }
                _ if number == exemplars => {
                    reader.bytes(value)?;
                    exemplars_total += 1;
                }
                _ => {}
            }
        }
        if self.version == Version::V2 {
            if references_total % 2 != 0 {
                return Err(inner.error(Malformed::Pairs));
            }
            labels_total = references_total / 2;
            let (pairs, _) = self.references.as_chunks::<2>();
            for [name, value] in pairs {
                let pair = self.symbol(*name).zip(self.symbol(*value));
                self.labels.push(pair.ok_or_else(|| inner.error(Malformed::Reference))?);
            }
        }
        self.samples_total += samples_total;
        let labels = &self.labels;
        Ok(Series {
            labels,
            labels_total,
            samples_total,
            histograms_total,
            exemplars_total,
            metadata,
            reader: inner,
        })
    }

    /// References to symbols: all of them in one field, as protobuf packs them, or one each. Gives how many
    /// there are.
    fn refer(&mut self, reader: &Reader<'a>, value: Value<'a>) -> Result<usize, Error> {
        let mut packed = match value {
            Value::Bytes(bytes) => reader.within(bytes),
            one => {
                let place = reader.number(one)?;
                return self.reference(reader, place).map(|()| 1);
            }
        };
        let mut count = 0;
        while !packed.is_empty() {
            let place = packed.varint()?;
            self.reference(&packed, place)?;
            count += 1;
        }
        Ok(count)
    }

    fn reference(&mut self, reader: &Reader<'a>, place: u64) -> Result<(), Error> {
        let place = u32::try_from(place).ok().filter(|place| (*place as usize) < self.symbols.len());
        let place = place.ok_or_else(|| reader.error(Malformed::Reference))?;
        if self.references.len() / 2 < self.limits.labels {
            self.references.push(place);
        }
        Ok(())
    }

    fn symbol(&self, place: u32) -> Option<&'a str> {
        self.symbols.get(place as usize).copied()
    }

    fn metadata(&self, mut reader: Reader<'a>) -> Result<Metadata<'a>, Error> {
        let mut said = Metadata::default();
        let text = |reader: &Reader<'a>, value| {
            let place = reader.number(value)?;
            let found = usize::try_from(place).ok().and_then(|place| self.symbols.get(place).copied());
            found.ok_or_else(|| reader.error(Malformed::Reference))
        };
        while let Some((number, value)) = reader.field()? {
            match number {
                1 => said.kind = MetricKind::of(reader.number(value)?),
                3 => said.help = text(&reader, value)?,
                4 => said.unit = text(&reader, value)?,
                _ => {}
            }
        }
        Ok(said)
    }
}

fn label<'a>(mut reader: Reader<'a>) -> Result<(&'a str, &'a str), Error> {
    let mut label = ("", "");
    while let Some((number, value)) = reader.field()? {
        match number {
            1 => label.0 = reader.text(value)?,
            2 => label.1 = reader.text(value)?,
            _ => {}
        }
    }
    Ok(label)
}

#[inline]
fn sample(mut reader: Reader<'_>) -> Result<Sample, Error> {
    let mut sample = Sample::default();
    while let Some((number, value)) = reader.field()? {
        match number {
            1 => sample.value = reader.double(value)?,
            2 => sample.time_ms = reader.number(value)? as i64,
            _ => {}
        }
    }
    Ok(sample)
}

fn family<'a>(mut reader: Reader<'a>) -> Result<FamilyMetadata<'a>, Error> {
    let mut said = FamilyMetadata { family: "", metadata: Metadata::default() };
    while let Some((number, value)) = reader.field()? {
        match number {
            1 => said.metadata.kind = MetricKind::of(reader.number(value)?),
            2 => said.family = reader.text(value)?,
            4 => said.metadata.help = reader.text(value)?,
            5 => said.metadata.unit = reader.text(value)?,
            _ => {}
        }
    }
    Ok(said)
}
