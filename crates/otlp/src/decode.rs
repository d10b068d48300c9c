//! Walking over `ExportMetricsServiceRequest`.

use chasar_remote_write::protobuf::{Reader, Value};
use chasar_remote_write::{Error, MetricKind};

use crate::attributes::{Attributes, cut, key_value, labels};
use crate::names::metric_name;
use crate::{Limits, Rejection, Sink};

/// The mark of staleness, as Prometheus has it.
const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);
/// The flag of a point without a recorded value.
const NO_VALUE: u64 = 1;
/// `AGGREGATION_TEMPORALITY_DELTA`.
const DELTA: u64 = 1;
/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: u64 = 2;
const NAME: &str = "__name__";
/// Longer names and units nobody means.
const MAX_NAME_BYTES: usize = 1024;

/// What was in a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Points.
    pub points: u64,
    /// Of these, those that have no place here or that the sink did not take.
    pub rejected: u64,
}

/// Reads a message, and hands all that is in it to the sink. What is wrong with it may be found only
/// after a part was handed over: who must not take a part of a bad one reads it twice.
///
/// # Errors
/// When the message is malformed, or breaks a limit.
pub fn read(message: &[u8], limits: &Limits, sink: &mut dyn Sink) -> Result<Summary, Error> {
    within("bytes", message.len(), limits.message_bytes)?;
    let mut walk = Walk { limits, sink, summary: Summary::default(), samples: 0 };
    let mut reader = Reader::new(message);
    while let Some((number, field)) = reader.field()? {
        if number == 1 {
            walk.resource_metrics(reader.within(reader.bytes(field)?))?;
        }
    }
    Ok(walk.summary)
}

fn within(what: &'static str, count: usize, limit: usize) -> Result<(), Error> {
    if count > limit { Err(Error::TooMany { what, count, limit }) } else { Ok(()) }
}

struct Walk<'s> {
    limits: &'s Limits,
    sink: &'s mut dyn Sink,
    summary: Summary,
    samples: usize,
}

/// A metric, of which points are read.
struct Metric<'m> {
    name: &'m str,
    kind: MetricKind,
    /// `job` and `instance`.
    target: &'m [(String, String)],
}

/// What all points have.
#[derive(Default)]
struct Point {
    labels: Attributes,
    time_ms: i64,
    has_value: bool,
}

/// The time of a point, and whether the sink took it; `None` when it has more parts than may be.
type Taken = Option<(i64, bool)>;

impl Walk<'_> {
    fn resource_metrics(&mut self, reader: Reader<'_>) -> Result<(), Error> {
        let mut attributes = Attributes::new();
        // Protobuf does not say that the resource comes first.
        let mut first = reader;
        while let Some((number, field)) = first.field()? {
            if number == 1 {
                let mut resource = first.within(first.bytes(field)?);
                while let Some((number, field)) = resource.field()? {
                    if number == 1 {
                        within("attributes", attributes.len() + 1, self.limits.attributes)?;
                        attributes.extend(key_value(resource.within(resource.bytes(field)?))?);
                    }
                }
            }
        }
        let target = target(&attributes);
        let mut newest_ms = None;
        let mut reader = reader;
        while let Some((number, field)) = reader.field()? {
            if number != 2 {
                continue;
            }
            let mut scope = reader.within(reader.bytes(field)?);
            while let Some((number, field)) = scope.field()? {
                if number == 2 {
                    let newest = self.metric(scope.within(scope.bytes(field)?), &target)?;
                    newest_ms = newest_ms.max(newest);
                }
            }
        }
        if let Some(newest_ms) = newest_ms {
            self.target_info(attributes, &target, newest_ms);
        }
        Ok(())
    }

    /// What is said of a resource beside its name.
    fn target_info(&mut self, mut attributes: Attributes, target: &[(String, String)], time_ms: i64) {
        let named = ["service.name", "service.namespace", "service.instance.id"];
        attributes.retain(|(name, _)| !named.contains(&name.as_str()));
        if attributes.is_empty() || target.is_empty() {
            return;
        }
        let mut all = Vec::new();
        labels(attributes, &mut all);
        all.retain(|(name, _)| !target.iter().any(|(known, _)| known == name));
        let all = target.iter().chain(&all).map(|(name, value)| (name.as_str(), value.as_str()));
        let all: Vec<_> = all.chain([(NAME, "target_info")]).collect();
        // It is no point, so it is not rejected as one.
        self.sink.sample(&all, MetricKind::Gauge, time_ms, 1.0);
    }

    /// Gives the time of the newest point that was taken.
    fn metric(&mut self, reader: Reader<'_>, target: &[(String, String)]) -> Result<Option<i64>, Error> {
        let (mut name, mut help, mut unit) = ("", "", "");
        let mut data = None;
        let mut reader = reader;
        while let Some((number, field)) = reader.field()? {
            match number {
                1 => name = reader.text(field)?,
                2 => help = reader.text(field)?,
                3 => unit = reader.text(field)?,
                5 | 7 | 9 | 10 | 11 => data = Some((number, reader.within(reader.bytes(field)?))),
                _ => {}
            }
        }
        let Some((number, data)) = data else { return Ok(None) };
        // Each of its points is named by it.
        let is_long = name.len().max(unit.len()) > MAX_NAME_BYTES;
        let (name, unit) = if is_long { (cut(name, MAX_NAME_BYTES), "") } else { (name, unit) };
        let (mut temporality, mut is_monotonic) = (0, false);
        let mut outer = data;
        while let Some((field_number, field)) = outer.field()? {
            match field_number {
                2 if number != 11 => temporality = outer.number(field)?,
                3 if number == 7 => is_monotonic = outer.number(field)? != 0,
                _ => {}
            }
        }
        let kind = match number {
            5 => MetricKind::Gauge,
            7 if is_monotonic => MetricKind::Counter,
            7 => MetricKind::Gauge,
            11 => MetricKind::Summary,
            _ => MetricKind::Histogram,
        };
        let is_gauge = number == 5;
        let name = metric_name(name, unit, kind == MetricKind::Counter, is_gauge);
        let rejection = match number {
            _ if is_long => Some(Rejection::Limits),
            10 => Some(Rejection::Exponential),
            7 | 9 if temporality == DELTA => Some(Rejection::Delta),
            7 | 9 if temporality != CUMULATIVE => Some(Rejection::Temporality),
            _ => None,
        };
        let metric = Metric { name: &name, kind, target };
        if rejection.is_none() {
            self.sink.family(&name, kind, help, unit);
        }
        let (mut newest_ms, mut rejected) = (None, 0);
        let mut data = data;
        while let Some((field_number, field)) = data.field()? {
            if field_number != 1 {
                continue;
            }
            self.summary.points += 1;
            within("points", self.summary.points as usize, self.limits.points)?;
            let point = data.within(data.bytes(field)?);
            if rejection.is_some() {
                rejected += 1;
                continue;
            }
            let read = match number {
                9 => self.histogram(&metric, point)?,
                11 => self.quantiles(&metric, point)?,
                _ => self.number(&metric, point)?,
            };
            let Some((time_ms, is_taken)) = read else {
                self.summary.rejected += 1;
                self.sink.rejected(Rejection::Limits, &name, 1);
                continue;
            };
            self.summary.rejected += u64::from(!is_taken);
            if is_taken {
                newest_ms = newest_ms.max(Some(time_ms));
            }
        }
        if let (Some(why), 1..) = (rejection, rejected) {
            self.summary.rejected += rejected;
            self.sink.rejected(why, &name, rejected);
        }
        Ok(newest_ms)
    }

    /// Says whether there is room for it.
    fn attribute(
        &self,
        point: &mut Attributes,
        reader: &Reader<'_>,
        field: Value<'_>,
    ) -> Result<bool, Error> {
        let read = key_value(reader.within(reader.bytes(field)?))?;
        let has_room = point.len() < self.limits.attributes;
        if has_room {
            point.extend(read);
        }
        Ok(has_room)
    }

    fn number(&mut self, metric: &Metric<'_>, mut reader: Reader<'_>) -> Result<Taken, Error> {
        let mut fits = true;
        let (mut attributes, mut nanos, mut flags, mut value) = (Attributes::new(), 0, 0, 0.0);
        while let Some((number, field)) = reader.field()? {
            match number {
                3 => nanos = fixed(&reader, field)?,
                4 => value = reader.double(field)?,
                6 => value = fixed(&reader, field)? as i64 as f64,
                7 => fits &= self.attribute(&mut attributes, &reader, field)?,
                8 => flags = reader.number(field)?,
                _ => {}
            }
        }
        if !fits {
            return Ok(None);
        }
        let point = Point::new(metric, attributes, nanos, flags);
        let is_taken = self.put(metric, &point, "", metric.kind, None, value)?;
        Ok(Some((point.time_ms, is_taken)))
    }

    fn histogram(&mut self, metric: &Metric<'_>, mut reader: Reader<'_>) -> Result<Taken, Error> {
        let mut fits = true;
        let (mut attributes, mut nanos, mut flags) = (Attributes::new(), 0, 0);
        let (mut count, mut sum, mut counts, mut bounds) = (0, None, Vec::new(), Vec::new());
        let most = self.limits.parts;
        while let Some((number, field)) = reader.field()? {
            match number {
                3 => nanos = fixed(&reader, field)?,
                4 => count = fixed(&reader, field)?,
                5 => sum = Some(reader.double(field)?),
                6 => fits &= numbers(&reader, field, most, &mut counts)?,
                7 => fits &= numbers(&reader, field, most, &mut bounds)?,
                9 => fits &= self.attribute(&mut attributes, &reader, field)?,
                10 => flags = reader.number(field)?,
                _ => {}
            }
        }
        if !fits {
            return Ok(None);
        }
        let point = Point::new(metric, attributes, nanos, flags);
        let mut is_taken = true;
        if let Some(sum) = sum {
            is_taken &= self.put(metric, &point, "_sum", MetricKind::Unknown, None, sum)?;
        }
        is_taken &= self.put(metric, &point, "_count", MetricKind::Counter, None, count as f64)?;
        let mut below = 0u64;
        for (bits, of_bucket) in bounds.iter().zip(&counts) {
            below = below.saturating_add(*of_bucket);
            let bound = f64::from_bits(*bits);
            if bound == f64::INFINITY {
                continue;
            }
            let le = Some(("le", bound.to_string()));
            is_taken &= self.put(metric, &point, "_bucket", MetricKind::Counter, le, below as f64)?;
        }
        let le = Some(("le", "+Inf".to_owned()));
        is_taken &= self.put(metric, &point, "_bucket", MetricKind::Counter, le, count as f64)?;
        Ok(Some((point.time_ms, is_taken)))
    }

    fn quantiles(&mut self, metric: &Metric<'_>, mut reader: Reader<'_>) -> Result<Taken, Error> {
        let mut fits = true;
        let (mut attributes, mut nanos, mut flags) = (Attributes::new(), 0, 0);
        let (mut count, mut sum, mut quantiles) = (0, 0.0, Vec::new());
        while let Some((number, field)) = reader.field()? {
            match number {
                3 => nanos = fixed(&reader, field)?,
                4 => count = fixed(&reader, field)?,
                5 => sum = reader.double(field)?,
                6 => {
                    let mut one = reader.within(reader.bytes(field)?);
                    let mut pair = (0.0, 0.0);
                    while let Some((number, field)) = one.field()? {
                        match number {
                            1 => pair.0 = one.double(field)?,
                            2 => pair.1 = one.double(field)?,
                            _ => {}
                        }
                    }
                    fits &= quantiles.len() < self.limits.parts;
                    if fits {
                        quantiles.push(pair);
                    }
                }
                7 => fits &= self.attribute(&mut attributes, &reader, field)?,
                8 => flags = reader.number(field)?,
                _ => {}
            }
        }
        if !fits {
            return Ok(None);
        }
        let point = Point::new(metric, attributes, nanos, flags);
        let mut is_taken = self.put(metric, &point, "_sum", MetricKind::Unknown, None, sum)?;
        is_taken &= self.put(metric, &point, "_count", MetricKind::Counter, None, count as f64)?;
        for (quantile, value) in quantiles {
            let label = Some(("quantile", quantile.to_string()));
            is_taken &= self.put(metric, &point, "", MetricKind::Gauge, label, value)?;
        }
        Ok(Some((point.time_ms, is_taken)))
    }

    fn put(
        &mut self,
        metric: &Metric<'_>,
        point: &Point,
        suffix: &str,
        kind: MetricKind,
        label: Option<(&str, String)>,
        value: f64,
    ) -> Result<bool, Error> {
        self.samples += 1;
        within("samples", self.samples, self.limits.samples)?;
        let name = format!("{}{suffix}", metric.name);
        let part = label.as_ref().map(|(name, _)| *name);
        let of_point = point.labels.iter().filter(|(name, _)| Some(name.as_str()) != part);
        let of_point = of_point.chain(metric.target);
        let mut all: Vec<(&str, &str)> = of_point.map(|(n, v)| (n.as_str(), v.as_str())).collect();
        all.push((NAME, &name));
        all.extend(label.as_ref().map(|(name, value)| (*name, value.as_str())));
        let value = if point.has_value { value } else { STALE };
        Ok(self.sink.sample(&all, kind, point.time_ms, value))
    }
}

impl Point {
    fn new(metric: &Metric<'_>, attributes: Attributes, nanos: u64, flags: u64) -> Point {
        let mut all = Attributes::new();
        labels(attributes, &mut all);
        // What an attribute says of its name, job or instance does not go over what they are.
        all.retain(|(name, _)| name != NAME && !metric.target.iter().any(|(known, _)| known == name));
        let time_ms = i64::try_from(nanos / 1_000_000).unwrap_or(i64::MAX);
        Point { labels: all, time_ms, has_value: flags & NO_VALUE == 0 }
    }
}

/// `job` and `instance` of a resource.
fn target(attributes: &Attributes) -> Attributes {
    let of = |wanted: &str| attributes.iter().find(|(name, _)| name == wanted).map(|(_, value)| &**value);
    let mut target = Attributes::new();
    if let Some(name) = of("service.name") {
        let job = of("service.namespace").map_or(name.to_owned(), |space| format!("{space}/{name}"));
        target.push(("job".into(), job));
    }
    if let Some(instance) = of("service.instance.id") {
        target.push(("instance".into(), instance.into()));
    }
    target
}

/// A number of eight bytes.
fn fixed(reader: &Reader<'_>, field: Value<'_>) -> Result<u64, Error> {
    Ok(reader.double(field)?.to_bits())
}

/// Numbers of eight bytes: all of them in one field, as protobuf packs them, or one each. Says whether there
/// is room for them.
fn numbers(reader: &Reader<'_>, field: Value<'_>, most: usize, out: &mut Vec<u64>) -> Result<bool, Error> {
    let Value::Bytes(bytes) = field else {
        let number = fixed(reader, field)?;
        let has_room = out.len() < most;
        if has_room {
            out.push(number);
        }
        return Ok(has_room);
    };
    let (all, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(reader.error(chasar_remote_write::Malformed::Short));
    }
    let has_room = out.len() + all.len() <= most;
    if has_room {
        out.extend(all.iter().map(|bytes| u64::from_le_bytes(*bytes)));
    }
    Ok(has_room)
}
