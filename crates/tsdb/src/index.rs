//! Names: label sets and their numbers, and which of them fit a matcher.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Weak};

use regex::Regex;

use crate::error::{Error, Result};
use crate::labels::{Kind, Labels};
use crate::wal;

/// Most bytes a pattern may compile to; larger ones are refused.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

/// A condition on one label. A label that is not there has the empty value.
#[derive(Clone, Debug)]
pub struct Matcher {
    name: String,
    op: MatchOp,
    value: String,
    regex: Option<Regex>,
}

impl Matcher {
    /// A condition on the label `name`. Patterns match the whole value, as in Prometheus.
    ///
    /// # Errors
    /// When a pattern is no regular expression, or compiles to more than 1 MiB.
    pub fn new(name: impl Into<String>, op: MatchOp, value: impl Into<String>) -> Result<Matcher> {
        let value = value.into();
        let regex = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => {
                let build = |pattern: &str| {
                    let mut builder = regex::RegexBuilder::new(pattern);
                    builder.size_limit(MAX_PATTERN_BYTES).build().map_err(|e| Error::Pattern(e.to_string()))
                };
                // By itself first: a parenthesis too many would end the group around it.
                build(&value)?;
                Some(build(&format!("^(?s:{value})$"))?)
            }
        };
        Ok(Matcher { name: name.into(), op, value, regex })
    }

    /// `name = value`.
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Matcher {
        Matcher { name: name.into(), op: MatchOp::Equal, value: value.into(), regex: None }
    }

    /// Whether a value fits.
    pub fn matches(&self, value: &str) -> bool {
        match (self.op, &self.regex) {
            (MatchOp::NotEqual, _) => value != self.value,
            (MatchOp::Regex, Some(regex)) => regex.is_match(value),
            (MatchOp::NotRegex, Some(regex)) => !regex.is_match(value),
            _ => value == self.value,
        }
    }
}

/// What a set takes beside its texts: two tables, and its places in the lists of its labels.
const SET_BYTES: usize = 160;
/// What a label takes beside its texts.
const LABEL_BYTES: usize = 64;

/// About what a set takes in memory; a text that no other set has is there twice.
fn bytes_of(labels: &Labels) -> usize {
    labels.iter().map(|(name, value)| name.len() + 2 * value.len() + LABEL_BYTES).sum::<usize>() + SET_BYTES
}

/// Label sets with numbers that are never given out twice.
#[derive(Default)]
pub(crate) struct Table {
    numbers: HashMap<Labels, u32>,
    sets: HashMap<u32, (Labels, Kind)>,
    next: u32,
    /// About what all sets take in memory.
    bytes: usize,
    /// Which sets have a label with a value.
    postings: HashMap<Box<str>, HashMap<Box<str>, Vec<u32>>>,
}

impl Table {
    pub(crate) fn number(&mut self, labels: &Labels, kind: Kind) -> u32 {
        if let Some(number) = self.numbers.get(labels) {
            if let Some((_, known)) = self.sets.get_mut(number)
                && *known == Kind::Unknown
            {
                *known = kind;
            }
            return *number;
        }
        let number = self.next;
        self.next += 1;
        self.bytes += bytes_of(labels);
        self.numbers.insert(labels.clone(), number);
        self.sets.insert(number, (labels.clone(), kind));
        for (name, value) in labels.iter() {
            let values = self.postings.entry(name.into()).or_default();
            values.entry(value.into()).or_default().push(number);
        }
        number
    }

    /// The number of a set that is known.
    pub(crate) fn find(&self, labels: &Labels) -> Option<u32> {
        self.numbers.get(labels).copied()
    }

    pub(crate) fn get(&self, number: u32) -> Option<&(Labels, Kind)> {
        self.sets.get(&number)
    }

    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets all sets whose number is not wanted.
    pub(crate) fn retain(&mut self, wanted: impl Fn(u32) -> bool) {
        let gone: Vec<Labels> =
            self.sets.extract_if(|number, _| !wanted(*number)).map(|(_, (labels, _))| labels).collect();
        let mut touched = BTreeSet::new();
        for labels in &gone {
            self.bytes -= bytes_of(labels);
            self.numbers.remove(labels);
            touched.extend(labels.iter());
        }
        for (name, value) in touched {
            if let Some(values) = self.postings.get_mut(name) {
                if let Some(list) = values.get_mut(value) {
                    list.retain(|number| self.sets.contains_key(number));
                    if list.is_empty() {
                        values.remove(value);
                    }
                }
                if values.is_empty() {
                    self.postings.remove(name);
                }
            }
        }
    }

    fn all(&self) -> impl Iterator<Item = u32> {
        self.sets.keys().copied()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.postings.keys().map(|n| &**n)
    }

    /// Sets that are worth asking: those of the rarest label that must be equal, when this table
    /// alone has such a label.
    fn candidates(&self, matchers: &[Matcher], other: &Table) -> Vec<u32> {
        let rarest = matchers
            .iter()
            .filter(|m| m.op == MatchOp::Equal && !m.value.is_empty())
            .filter(|m| !other.postings.contains_key(&*m.name))
            .filter_map(|m| {
                let values = self.postings.get(&*m.name)?;
                Some(values.get(&*m.value).map_or(&[][..], |list| list))
            })
            .min_by_key(|list| list.len());
        rarest.map_or_else(|| self.all().collect(), <[u32]>::to_vec)
    }
}

/// The result of matching: which pairs of metric and source fit.
pub(crate) struct Matched {
    /// For a metric that may fit: the matchers (bits) that its source has to fulfil.
    pub(crate) metrics: HashMap<u32, u64>,
    /// For a source that may fit: the matchers that it fulfils.
    pub(crate) sources: HashMap<u32, u64>,
}

impl Matched {
    /// Whether this pair fits.
    #[inline]
    pub(crate) fn fits(&self, metric: u32, source: u32) -> bool {
        match (self.metrics.get(&metric), self.sources.get(&source)) {
            (Some(asks), Some(fulfils)) => asks & !fulfils == 0,
            _ => false,
        }
    }
}

/// Most matchers in one selection.
const MAX_MATCHERS: usize = 64;

/// An ordered list of metrics: what a row's values are of.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) number: u32,
    pub(crate) metrics: Vec<u32>,
    /// Metrics with their place, sorted.
    slots: Vec<(u32, u32)>,
}

impl Layout {
    /// Where in a row a metric stands; when it stands there twice, the first place.
    pub(crate) fn slot(&self, metric: u32) -> Option<usize> {
        let at = self.slots.partition_point(|(m, _)| *m < metric);
        self.slots.get(at).filter(|(m, _)| *m == metric).map(|(_, slot)| *slot as usize)
    }
}

/// All names of a store.
#[derive(Default)]
pub(crate) struct NameTables {
    pub(crate) metrics: Table,
    pub(crate) sources: Table,
    layouts: HashMap<Vec<u32>, Weak<Layout>>,
    next_layout: u32,
    /// Sources that somebody has a handle of.
    held: HashMap<u32, Weak<u32>>,
}

impl NameTables {
    /// The layout of these metrics, which lives as long as somebody holds it.
    pub(crate) fn layout(&mut self, metrics: Vec<u32>) -> Arc<Layout> {
        if let Some(layout) = self.layouts.get(&metrics).and_then(Weak::upgrade) {
            return layout;
        }
        let mut slots: Vec<(u32, u32)> = metrics.iter().copied().zip(0..).collect();
        slots.sort_unstable();
        let layout = Arc::new(Layout { number: self.next_layout, metrics: metrics.clone(), slots });
        self.next_layout += 1;
        self.layouts.insert(metrics, Arc::downgrade(&layout));
        layout
    }

    /// A source, which is not forgotten as long as somebody holds it.
    pub(crate) fn source(&mut self, labels: &Labels) -> Arc<u32> {
        let number = self.sources.number(labels, Kind::Unknown);
        if let Some(held) = self.held.get(&number).and_then(Weak::upgrade) {
            return held;
        }
        let held = Arc::new(number);
        self.held.insert(number, Arc::downgrade(&held));
        held
    }

    /// Forgets all metrics and sources that are neither held nor among those given.
    pub(crate) fn sweep(&mut self, metrics: &HashSet<u32>, sources: &HashSet<u32>) {
        self.layouts.retain(|_, layout| layout.strong_count() > 0);
        self.held.retain(|_, held| held.strong_count() > 0);
        let in_layouts: HashSet<u32> = self.layouts.keys().flatten().copied().collect();
        self.metrics.retain(|m| metrics.contains(&m) || in_layouts.contains(&m));
        self.sources.retain(|s| sources.contains(&s) || self.held.contains_key(&s));
    }

    /// Metrics and sources that may fit all matchers.
    pub(crate) fn select(&self, matchers: &[Matcher]) -> Result<Matched> {
        if matchers.len() > MAX_MATCHERS {
            return Err(Error::Pattern(format!("{} matchers are more than {MAX_MATCHERS}", matchers.len())));
        }
        // Few distinct values stand against many sets: a pattern is tried once a value.
        let mut tried: HashMap<(usize, &str), bool> = HashMap::new();
        let mut fits =
            |at: usize, value| *tried.entry((at, value)).or_insert_with(|| matchers[at].matches(value));
        let mut metrics = HashMap::new();
        'metrics: for number in self.metrics.candidates(matchers, &self.sources) {
            let Some((labels, _)) = self.metrics.get(number) else { continue };
            let mut asks = 0;
            for (at, matcher) in matchers.iter().enumerate() {
                match labels.get(&matcher.name) {
                    None => asks |= 1 << at,
                    Some(value) if fits(at, value) => {}
                    Some(_) => continue 'metrics,
                }
            }
            metrics.insert(number, asks);
        }
        let mut sources = HashMap::new();
        for number in self.sources.candidates(matchers, &self.metrics) {
            let Some((labels, _)) = self.sources.get(number) else { continue };
            let fulfils = (0..matchers.len())
                .filter(|at| fits(*at, labels.get(&matchers[*at].name).unwrap_or_default()))
                .fold(0, |bits, at| bits | 1u64 << at);
            sources.insert(number, fulfils);
        }
        Ok(Matched { metrics, sources })
    }

    /// All label names.
    pub(crate) fn label_names(&self) -> BTreeSet<String> {
        self.metrics.names().chain(self.sources.names()).map(String::from).collect()
    }

    /// All values of a label.
    pub(crate) fn label_values(&self, name: &str) -> BTreeSet<String> {
        let values = |table: &Table| -> Vec<String> {
            table.postings.get(name).map(|v| v.keys().map(|v| v.to_string()).collect()).unwrap_or_default()
        };
        values(&self.metrics).into_iter().chain(values(&self.sources)).collect()
    }
}

impl wal::Names for NameTables {
    fn metric(&self, id: u32) -> (Labels, Kind) {
        self.metrics.get(id).cloned().unwrap_or_else(|| (Labels::empty(), Kind::Unknown))
    }

    fn source(&self, id: u32) -> Labels {
        self.sources.get(id).map_or_else(Labels::empty, |(l, _)| l.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::NAME;

    fn tables() -> NameTables {
        let mut names = NameTables::default();
        for mode in ["user", "system"] {
            let labels = Labels::new([(NAME, "cpu"), ("mode", mode)]).unwrap();
            names.metrics.number(&labels, Kind::Counter);
        }
        names.metrics.number(&Labels::new([(NAME, "load")]).unwrap(), Kind::Gauge);
        for node in ["a", "b", "c"] {
            names.sources.number(&Labels::new([("instance", node)]).unwrap(), Kind::Unknown);
        }
        names
    }

    /// Every pair that fits, by asking each pair's own labels.
    fn check(matchers: &[Matcher]) -> usize {
        let names = tables();
        let matched = names.select(matchers).unwrap();
        let mut found = 0;
        for metric in 0..3 {
            for source in 0..3 {
                let labels = names.metrics.get(metric).unwrap().0.with(&names.sources.get(source).unwrap().0);
                let expected = matchers.iter().all(|m| m.matches(labels.get(&m.name).unwrap_or_default()));
                assert_eq!(matched.fits(metric, source), expected, "{labels} {matchers:?}");
                found += usize::from(expected);
            }
        }
        found
    }

    #[test]
    fn matchers_find_what_asking_every_series_finds() {
        let m = |name: &str, op, value: &str| Matcher::new(name, op, value).unwrap();
        use MatchOp::{Equal, NotEqual, NotRegex, Regex};
        assert_eq!(check(&[]), 9);
        assert_eq!(check(&[m(NAME, Equal, "cpu")]), 6);
        assert_eq!(check(&[m(NAME, Equal, "cpu"), m("instance", Equal, "b")]), 2);
        assert_eq!(check(&[m("mode", Equal, "")]), 3);
        assert_eq!(check(&[m("mode", NotEqual, "user")]), 6);
        assert_eq!(check(&[m("mode", Regex, "us.*|sys")]), 3);
        assert_eq!(check(&[m("mode", Regex, ".+"), m("instance", NotRegex, "[ab]")]), 2);
        assert_eq!(check(&[m("nowhere", Equal, "x")]), 0);
        assert_eq!(check(&[m("nowhere", NotRegex, "x")]), 9);
        assert_eq!(check(&[m("instance", Equal, "nobody")]), 0);
    }

    #[test]
    fn a_label_may_be_the_metrics_own_or_the_sources() {
        let mut names = tables();
        names.metrics.number(&Labels::new([(NAME, "x"), ("instance", "own")]).unwrap(), Kind::Unknown);
        let matched = names.select(&[Matcher::equal("instance", "own")]).unwrap();
        assert!(matched.fits(3, 0) && matched.fits(3, 2) && !matched.fits(0, 0));
    }

    #[test]
    fn patterns_match_whole_values_and_hostile_ones_are_refused() {
        let regex = Matcher::new("a", MatchOp::Regex, "b|c").unwrap();
        assert!(regex.matches("b") && regex.matches("c") && !regex.matches("bc") && !regex.matches("b\n"));
        assert!(matches!(Matcher::new("a", MatchOp::Regex, "("), Err(Error::Pattern(_))));
        assert!(Matcher::new("a", MatchOp::Regex, "((a{1000}){1000}){1000}").is_err());
        assert!(Matcher::new("a", MatchOp::Regex, "b)|(?:c").is_err(), "no group but its own may be closed");
    }

    #[test]
    fn what_is_held_is_not_forgotten() {
        let mut names = tables();
        let layout = names.layout(vec![0, 2]);
        let source = names.source(&Labels::new([("instance", "b")]).unwrap());
        names.sweep(&HashSet::from([1]), &HashSet::new());
        assert_eq!((names.metrics.len(), names.sources.len()), (3, 1));
        assert_eq!((layout.slot(2), layout.slot(1)), (Some(1), None));
        assert_eq!(names.layout(vec![0, 2]).number, layout.number);
        drop((layout, source));
        names.sweep(&HashSet::from([1]), &HashSet::new());
        assert_eq!((names.metrics.len(), names.sources.len()), (1, 0));
    }

    #[test]
    fn what_is_forgotten_is_found_no_more_and_numbers_are_not_reused() {
        let mut names = tables();
        names.metrics.retain(|n| n != 0);
        assert_eq!(names.metrics.len(), 2);
        assert_eq!(names.label_values("mode"), BTreeSet::from(["system".to_string()]));
        let again = Labels::new([(NAME, "cpu"), ("mode", "user")]).unwrap();
        assert_eq!(names.metrics.number(&again, Kind::Counter), 3);
        assert_eq!(names.label_values("mode").len(), 2);
        assert_eq!(names.label_names().len(), 3);
    }
}
