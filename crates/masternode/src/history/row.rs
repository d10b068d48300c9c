//! A report as rows of numbers: which series they are, and their values.
//!
//! Reports of one node, and of like nodes, have the same series in the same order, second after
//! second. So what is compared for each report is the *shape*, a string of bytes that names the
//! series; only a new shape has its labels looked at.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock, OnceLock};

use chasar_tsdb::{LayoutHandle, MAX_LABEL_BYTES};
use chasar_wire::catalog::{self, Kind, Metric, Sink};

/// No value: the series is in the layout, this report has nothing for it.
pub(crate) use chasar_tsdb::ABSENT;

/// Most series of one node; what a report has beyond is left out and counted.
pub(crate) const MAX_SERIES: usize = 20_000;

/// What a row is of. Like computers share the layout of their numbers; what tells them apart
/// (addresses, names) and what comes and goes (processes) is kept out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Numbers,
    Infos,
    Processes,
}

impl Part {
    pub(crate) const ALL: [Part; 3] = [Part::Numbers, Part::Infos, Part::Processes];
}

/// The numbers of one report, on their way into a store. Used again for each report.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    rows: [Row; Part::ALL.len()],
    /// Samples beyond [`MAX_SERIES`].
    pub(crate) left_out: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) shape: Vec<u8>,
    pub(crate) values: Vec<f64>,
}

impl Rows {
    pub(crate) fn clear(&mut self) {
        for row in &mut self.rows {
            row.shape.clear();
            row.values.clear();
        }
        self.left_out = 0;
    }

    pub(crate) fn row(&mut self, part: Part) -> &mut Row {
        &mut self.rows[part as usize]
    }

    /// One number of a part.
    pub(crate) fn push(&mut self, part: Part, metric: &'static Metric, labels: &[&str], value: f64) {
        if self.rows.iter().map(|row| row.values.len()).sum::<usize>() >= MAX_SERIES {
            self.left_out += 1;
            return;
        }
        let row = self.row(part);
        // A metric is told by its address: names would have to be compared.
        row.shape.extend_from_slice(&std::ptr::from_ref(metric).addr().to_le_bytes());
        for label in labels {
            // Texts of a report have at most 4 KiB.
            let len = u16::try_from(label.len()).unwrap_or(u16::MAX);
            row.shape.extend_from_slice(&len.to_le_bytes());
            row.shape.extend_from_slice(&label.as_bytes()[..usize::from(len)]);
        }
        row.values.push(value);
    }
}

impl Sink for Rows {
    fn sample(&mut self, metric: &'static Metric, labels: &[&str], value: f64) {
        let part = if metric.kind == Kind::Info { Part::Infos } else { Part::Numbers };
        self.push(part, metric, labels, value);
    }
}

/// The series that the values of a row are of.
#[derive(Debug)]
pub(crate) struct Layout {
    shape: Box<[u8]>,
    /// Positions that have no values: of series that are there a second time the first one counts,
    /// and too long labels cannot be stored.
    void: Box<[usize]>,
    /// Of the store.
    pub(super) handle: OnceLock<LayoutHandle>,
}

impl Layout {
    pub(crate) fn new(shape: &[u8]) -> Layout {
        let mut layout = Layout { shape: shape.into(), void: Box::default(), handle: OnceLock::new() };
        let mut seen = HashSet::new();
        let is_long = |(_, text): (_, &str)| text.len() > MAX_LABEL_BYTES;
        let void = layout
            .series()
            .enumerate()
            .filter(|(_, series)| !seen.insert(series.shape) || series.labels().any(is_long));
        layout.void = void.map(|(position, _)| position).collect();
        layout
    }

    /// Whether a row of this shape has this layout.
    pub(crate) fn is_of(&self, shape: &[u8]) -> bool {
        *self.shape == *shape
    }

    /// Takes out what a report said twice, and what cannot be stored.
    pub(crate) fn clean(&self, values: &mut [f64]) {
        for position in &self.void {
            values[*position] = ABSENT;
        }
    }

    /// The series in the order of the values.
    pub(crate) fn series(&self) -> impl Iterator<Item = SeriesOf<'_>> {
        let mut rest = &*self.shape;
        std::iter::from_fn(move || {
            let whole = rest;
            let (address, mut tail) = rest.split_first_chunk()?;
            let metric = *METRICS.get(&usize::from_le_bytes(*address))?;
            for _ in metric.labels {
                tail = split_label(tail)?.1;
            }
            rest = tail;
            Some(SeriesOf { metric, shape: &whole[..whole.len() - tail.len()] })
        })
    }
}

/// One series of a layout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeriesOf<'a> {
    pub(crate) metric: &'static Metric,
    /// Tells it from the other series of a node.
    pub(super) shape: &'a [u8],
}

impl<'a> SeriesOf<'a> {
    /// Names and values of the labels; those with an empty value are none.
    pub(crate) fn labels(self) -> impl Iterator<Item = (&'static str, &'a str)> {
        let mut rest = &self.shape[size_of::<usize>()..];
        self.metric.labels.iter().filter_map(move |name| {
            let (label, tail) = split_label(rest)?;
            rest = tail;
            // What was cut at 64 KiB may end within a character.
            let text = str::from_utf8(label).unwrap_or_default();
            (!text.is_empty()).then_some((*name, text))
        })
    }
}

fn split_label(shape: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = shape.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))
}

/// All metrics by their address, see [`Rows::push`].
static METRICS: LazyLock<HashMap<usize, &'static Metric>> = LazyLock::new(|| {
    catalog::metrics().into_iter().map(|metric| (std::ptr::from_ref(metric).addr(), metric)).collect()
});

/// All layouts in use.
#[derive(Debug, Default)]
pub(crate) struct Layouts {
    known: HashMap<Box<[u8]>, Arc<Layout>>,
    /// How many were in use when the unused ones were last let go.
    in_use: usize,
}

impl Layouts {
    /// The layout of a shape, shared by all who have it.
    pub(crate) fn of(&mut self, shape: &[u8]) -> Arc<Layout> {
        if let Some(layout) = self.known.get(shape) {
            return layout.clone();
        }
        if self.known.len() > 2 * self.in_use + 64 {
            self.known.retain(|_, layout| Arc::strong_count(layout) > 1);
            self.in_use = self.known.len();
        }
        let layout = Arc::new(Layout::new(shape));
        self.known.insert(shape.into(), layout.clone());
        layout
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chasar_wire::Report;

    fn rows(json: &str) -> Rows {
        let report: Report = chasar_wire::decode(json.as_bytes()).unwrap();
        let mut rows = Rows::default();
        catalog::walk(&report, &mut rows);
        rows
    }

    fn texts(layout: &Layout, values: &[f64]) -> Vec<String> {
        let text = |(series, value): (SeriesOf<'_>, &f64)| {
            let labels: Vec<_> = series.labels().map(|(n, v)| format!("{n}={v}")).collect();
            format!("{}{{{}}} {value}", series.metric.name, labels.join(","))
        };
        layout.series().zip(values).map(text).collect()
    }

    #[test]
    fn a_layout_gives_back_what_was_pushed() {
        let mut rows = rows(
            r#"{"hostname":"a","sampled_at_ms":2500,"node_id":"x","session":"s","sequence":0,"cpu":{"percent_used":[1.5,null,2]},
                "network":{"interfaces":[{"device":"eth0","operstate":"up","mtu_bytes":1500}]}}"#,
        );
        let numbers = rows.row(Part::Numbers);
        let layout = Layout::new(&numbers.shape);
        assert!(layout.is_of(&numbers.shape));
        assert_eq!(layout.series().count(), numbers.values.len());
        assert_eq!(
            texts(&layout, &numbers.values),
            [
                "node_time_seconds{} 2.5",
                "chasar_cpu_used_percent{cpu=0} 1.5",
                "chasar_cpu_used_percent{cpu=2} 2",
                "node_network_up{device=eth0} 1",
                "node_network_mtu_bytes{device=eth0} 1500",
            ]
        );
        let infos = rows.row(Part::Infos);
        assert_eq!(
            texts(&Layout::new(&infos.shape), &infos.values),
            ["node_network_info{device=eth0,operstate=up} 1", "chasar_node_info{node_id=x} 1"]
        );
    }

    #[test]
    fn what_a_report_says_twice_counts_once() {
        let mut rows = rows(
            r#"{"hostname":"a","network":{"interfaces":[
                {"device":"eth0","mtu_bytes":1},{"device":"eth0","mtu_bytes":2},{"device":"eth1","mtu_bytes":3}]}}"#,
        );
        let row = rows.row(Part::Numbers);
        Layout::new(&row.shape).clean(&mut row.values);
        assert_eq!(format!("{:?}", row.values), "[1.0, NaN, 3.0]");
    }

    #[test]
    fn labels_that_cannot_be_stored_have_no_values() {
        let mut rows = Rows::default();
        for label in ["x".repeat(MAX_LABEL_BYTES), "x".repeat(MAX_LABEL_BYTES + 1)] {
            rows.push(Part::Processes, &catalog::process::CPU, &[&label], 1.0);
        }
        let row = rows.row(Part::Processes);
        Layout::new(&row.shape).clean(&mut row.values);
        assert_eq!(format!("{:?}", row.values), "[1.0, NaN]");
    }

    #[test]
    fn a_node_has_so_many_series_and_no_more() {
        let mut rows = Rows::default();
        let metric = &catalog::process::CPU;
        for i in 0..MAX_SERIES + 7 {
            rows.push(Part::Processes, metric, &[&i.to_string()], 0.0);
        }
        assert_eq!(rows.row(Part::Processes).values.len(), MAX_SERIES);
        assert_eq!(rows.left_out, 7);
    }

    #[test]
    fn layouts_are_shared_and_let_go() {
        let mut layouts = Layouts::default();
        let mut rows = Rows::default();
        let mut shape = |i: usize| {
            rows.clear();
            rows.push(Part::Processes, &catalog::process::CPU, &[&i.to_string()], 0.0);
            rows.row(Part::Processes).shape.clone()
        };
        let kept: Vec<_> = (0..10).map(|i| layouts.of(&shape(i))).collect();
        assert!(Arc::ptr_eq(&kept[3], &layouts.of(&shape(3))));
        for i in 10..10_000 {
            layouts.of(&shape(i));
        }
        assert!(layouts.known.len() < 100, "{}", layouts.known.len());
        assert!(Arc::ptr_eq(&kept[3], &layouts.of(&shape(3))));
    }
}
