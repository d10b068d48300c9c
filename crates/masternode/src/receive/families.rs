//! What senders say of their metrics: kind, meaning and unit, for `/api/v1/metadata`.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

use chasar_remote_write::{Metadata, MetricKind};
use chasar_tsdb::Kind;

/// Metrics that something is known of; of further ones nothing is remembered.
const MAX_FAMILIES: usize = 20_000;
/// Longer names are not remembered, longer texts are cut.
const MAX_NAME_BYTES: usize = 255;
const MAX_TEXT_CHARS: usize = 500;

/// What is said of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Family {
    pub(crate) kind: &'static str,
    pub(crate) help: Box<str>,
    pub(crate) unit: Box<str>,
}

/// By name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Families {
    all: BTreeMap<Box<str>, Arc<Family>>,
    has_changed: bool,
}

impl Families {
    /// Remembers what is said; the newest counts.
    pub(crate) fn say(&mut self, name: &str, said: &Metadata<'_>) {
        let is_nothing = *said == Metadata::default();
        if name.is_empty() || name.len() > MAX_NAME_BYTES || is_nothing {
            return;
        }
        let known = self.all.get(name);
        let cut = |text: &'_ str| text.chars().take(MAX_TEXT_CHARS).collect::<String>().into_boxed_str();
        let is_same = known.is_some_and(|known| {
            known.kind == said.kind.name()
                && said.help.starts_with(&*known.help)
                && said.unit.starts_with(&*known.unit)
                && (known.help.len() == said.help.len() || *known.help == *cut(said.help))
                && (known.unit.len() == said.unit.len() || *known.unit == *cut(said.unit))
        });
        if is_same || known.is_none() && self.all.len() >= MAX_FAMILIES {
            return;
        }
        let family = Family { kind: said.kind.name(), help: cut(said.help), unit: cut(said.unit) };
        self.all.insert(name.into(), Arc::new(family));
        self.has_changed = true;
    }

    /// Whether something was said since the last time.
    pub(crate) fn has_changed(&mut self) -> bool {
        mem::take(&mut self.has_changed)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Family)> {
        self.all.iter().map(|(name, family)| (&**name, &**family))
    }

    /// The kind of a series, by which rollups are made: of what is said of its metric.
    pub(crate) fn kind_of(&self, series: &str) -> Kind {
        if let Some(family) = self.all.get(series) {
            return match family.kind {
                "counter" => Kind::Counter,
                "gauge" => Kind::Gauge,
                _ => Kind::Unknown,
            };
        }
        // 1.0 speaks of a histogram, and sends its parts; their counts only grow, the sum may not.
        let of_parts = ["_bucket", "_count"].iter().find_map(|end| series.strip_suffix(end));
        let family = of_parts.and_then(|name| self.all.get(name));
        match family.map(|family| family.kind) {
            Some("histogram" | "summary") => Kind::Counter,
            _ => Kind::Unknown,
        }
    }
}

/// Of which metric a series is a part that says of itself what its metric is, as in 2.0.
pub(crate) fn family_of(series: &str, said: MetricKind) -> &str {
    let ends: &[&str] = match said {
        MetricKind::Histogram => &["_bucket", "_count", "_sum"],
        MetricKind::GaugeHistogram => &["_bucket", "_gcount", "_gsum"],
        MetricKind::Summary => &["_count", "_sum"],
        _ => &[],
    };
    ends.iter().find_map(|end| series.strip_suffix(end)).unwrap_or(series)
}

/// The kind of a series whose metric is said to be of a kind.
pub(crate) fn kind_of_part(series: &str, said: MetricKind) -> Kind {
    let is_count = series.ends_with("_bucket") || series.ends_with("_count");
    match said {
        MetricKind::Histogram | MetricKind::Summary if is_count => Kind::Counter,
        _ => kind(said),
    }
}

/// The kind of a series that says itself what it is.
pub(crate) fn kind(said: MetricKind) -> Kind {
    match said {
        MetricKind::Counter => Kind::Counter,
        MetricKind::Gauge => Kind::Gauge,
        _ => Kind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_again_changes_nothing_and_texts_are_cut() {
        let mut families = Families::default();
        let long = "é".repeat(1_000);
        let said = Metadata { kind: MetricKind::Counter, help: &long, unit: "s" };
        for expected in [true, false] {
            families.say("a_total", &said);
            assert_eq!(families.has_changed(), expected);
        }
        families.say("a_total", &Metadata { help: "other", ..said });
        assert!(families.has_changed());
        let (name, family) = families.iter().next().unwrap();
        assert_eq!((name, family.kind, &*family.help, &*family.unit), ("a_total", "counter", "other", "s"));
        families.say("", &said);
        families.say("nothing", &Metadata::default());
        families.say(&"x".repeat(256), &said);
        assert_eq!(families.iter().count(), 1);
    }

    #[test]
    fn kinds_follow_from_what_is_said() {
        let mut families = Families::default();
        let said = |kind| Metadata { kind, help: "", unit: "" };
        families.say("c", &said(MetricKind::Counter));
        families.say("g", &said(MetricKind::Gauge));
        families.say("h", &said(MetricKind::Histogram));
        for (name, kind) in [
            ("c", Kind::Counter),
            ("g", Kind::Gauge),
            ("h_bucket", Kind::Counter),
            ("h_count", Kind::Counter),
            ("h_sum", Kind::Unknown),
            ("x", Kind::Unknown),
        ] {
            assert_eq!(families.kind_of(name), kind, "{name}");
        }
    }

    #[test]
    fn a_part_that_says_what_its_metric_is_belongs_to_it() {
        use MetricKind::{Counter, Gauge, GaugeHistogram, Histogram, Summary};
        for (series, said, family, kind) in [
            ("h_bucket", Histogram, "h", Kind::Counter),
            ("h_count", Histogram, "h", Kind::Counter),
            ("h_sum", Histogram, "h", Kind::Unknown),
            ("s", Summary, "s", Kind::Unknown),
            ("s_count", Summary, "s", Kind::Counter),
            ("g_bucket", GaugeHistogram, "g", Kind::Unknown),
            ("open_count", Gauge, "open_count", Kind::Gauge),
            ("done_total", Counter, "done_total", Kind::Counter),
        ] {
            assert_eq!((family_of(series, said), kind_of_part(series, said)), (family, kind), "{series}");
        }
    }

    #[test]
    fn there_is_an_end_to_what_is_remembered() {
        let mut families = Families::default();
        for i in 0..MAX_FAMILIES + 10 {
            families.say(&format!("m{i}"), &Metadata { kind: MetricKind::Gauge, help: "", unit: "" });
        }
        assert_eq!(families.iter().count(), MAX_FAMILIES);
    }
}
