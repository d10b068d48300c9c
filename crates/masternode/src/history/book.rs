//! What every node said last, as series: the state of the history thread.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::Arc;

use chasar_wire::{Report, catalog};

use super::instances::Instances;
use super::keep::{Keep, STALE, Source, is_there};
use super::processes::Names;
use super::row::{ABSENT, Layout, Layouts, Part, Rows};

/// All nodes.
#[derive(Debug, Default)]
pub(crate) struct Book {
    nodes: HashMap<Arc<str>, Node>,
    pub(crate) instances: Instances,
    layouts: Layouts,
    rows: Rows,
    /// Series left out because a node has too many.
    pub(crate) left_out: u64,
}

#[derive(Debug)]
struct Node {
    source: Source,
    is_up: bool,
    names: Names,
    newest: [Option<Values>; Part::ALL.len()],
}

/// A row with its layout.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    pub(crate) layout: Arc<Layout>,
    /// Unix milliseconds.
    pub(crate) at_ms: i64,
    pub(crate) values: Vec<f64>,
}

/// The newest samples of a node.
#[derive(Clone, Debug)]
pub(crate) struct Newest {
    pub(crate) instance: Arc<str>,
    pub(crate) is_up: bool,
    /// None when the node is down: what it said then is not true now.
    pub(crate) rows: Vec<Values>,
}

impl Node {
    fn new(instance: Arc<str>) -> Node {
        Node {
            source: Source::new(instance),
            is_up: false,
            names: Names::default(),
            newest: [const { None }; Part::ALL.len()],
        }
    }

    /// Ends all series at a time, or a millisecond after their last samples: what the node sampled
    /// after that may still come, and at no time of its samples may stand anything else.
    fn end(&mut self, at_ms: Option<i64>, keep: &mut impl Keep) {
        for newest in self.newest.iter_mut().filter_map(Option::take) {
            let end = |value: &f64| if is_there(*value) { STALE } else { ABSENT };
            let ends: Vec<f64> = newest.values.iter().map(end).collect();
            keep.row(&self.source, &newest.layout, at_ms.unwrap_or(newest.at_ms.saturating_add(1)), &ends);
        }
    }
}

impl Values {
    /// Ends the series that `next`, of another layout, does not have any more.
    fn end_but(&self, next: &Layout, source: &Source, at_ms: i64, keep: &mut impl Keep) {
        let still: HashSet<_> = next.series().map(|series| series.shape).collect();
        let pairs = self.layout.series().zip(&self.values);
        let ends = pairs
            .map(|(s, value)| if is_there(*value) && !still.contains(s.shape) { STALE } else { ABSENT })
            .collect::<Vec<f64>>();
        keep.row(source, &self.layout, at_ms, &ends);
    }
}

impl Book {
    /// Takes a report that came at `now_ms`; nodes of 2016 do not say when they sampled. What comes
    /// late is kept, but says nothing about now, not even the host's name.
    pub(crate) fn report(
        &mut self,
        node_id: &Arc<str>,
        report: &Report,
        is_late: bool,
        now_ms: i64,
        keep: &mut impl Keep,
    ) {
        let at_ms = report.sampled_at_ms.unwrap_or(now_ms);
        let is_known = self.nodes.contains_key(node_id);
        let node = self
            .nodes
            .entry(node_id.clone())
            .or_insert_with(|| Node::new(self.instances.of(node_id, &report.hostname)));
        if is_known && !is_late {
            let instance = self.instances.of(node_id, &report.hostname);
            if instance != node.source.instance {
                node.end(Some(at_ms), keep);
                keep.up(&node.source, now_ms, None);
                node.source = Source::new(instance);
            }
        }
        self.rows.clear();
        catalog::walk(report, &mut self.rows);
        node.names.push(&report.process, at_ms, &mut self.rows);
        self.left_out += self.rows.left_out;
        for part in Part::ALL {
            let row = self.rows.row(part);
            let newest = &mut node.newest[part as usize];
            let layout = match newest {
                Some(newest) if newest.layout.is_of(&row.shape) => newest.layout.clone(),
                _ => self.layouts.of(&row.shape),
            };
            layout.clean(&mut row.values);
            if is_late {
                keep.row(&node.source, &layout, at_ms, &row.values);
                continue;
            }
            if let Some(before) = newest {
                if Arc::ptr_eq(&before.layout, &layout) {
                    for (value, before) in row.values.iter_mut().zip(&before.values) {
                        if is_there(*before) && !is_there(*value) {
                            *value = STALE;
                        }
                    }
                } else {
                    before.end_but(&layout, &node.source, at_ms, keep);
                }
            }
            keep.row(&node.source, &layout, at_ms, &row.values);
            let values = newest.take().map(|newest| newest.values).unwrap_or_default();
            let values = mem::replace(&mut row.values, values);
            *newest = Some(Values { layout, at_ms, values });
        }
        if !is_late {
            node.is_up = true;
            // Its last one: the core says that it left before it hands the report on.
            if report.leaving == Some(true) {
                self.down(node_id, keep);
            }
        }
    }

    /// Knows a node from before, of which nothing has come yet.
    pub(crate) fn remember(&mut self, node_id: &Arc<str>, hostname: &str, is_up: bool) {
        let node = Node { is_up, ..Node::new(self.instances.of(node_id, hostname)) };
        self.nodes.insert(node_id.clone(), node);
    }

    /// Reports of a node stopped coming, or it was stopped.
    pub(crate) fn down(&mut self, node_id: &str, keep: &mut impl Keep) {
        if let Some(node) = self.nodes.get_mut(node_id) {
            node.is_up = false;
            node.end(None, keep);
        }
    }

    /// A node is not heard of any more.
    pub(crate) fn forget(&mut self, node_id: &str, now_ms: i64, keep: &mut impl Keep) {
        if let Some(mut node) = self.nodes.remove(node_id) {
            node.end(None, keep);
            keep.up(&node.source, now_ms, None);
        }
        self.instances.forget(node_id);
    }

    /// Says of all nodes whether they are up: once a second, at one time for all, by the clock here.
    pub(crate) fn ups(&self, now_ms: i64, keep: &mut impl Keep) {
        for node in self.nodes.values() {
            keep.up(&node.source, now_ms, Some(node.is_up));
        }
    }

    /// The newest samples of all nodes, or of one, sorted by instance.
    pub(crate) fn newest(&self, instance: Option<&str>) -> Vec<Newest> {
        let wanted = |node: &&Node| instance.is_none_or(|wanted| *node.source.instance == *wanted);
        let mut found: Vec<_> = self
            .nodes
            .values()
            .filter(wanted)
            .map(|node| Newest {
                instance: node.source.instance.clone(),
                is_up: node.is_up,
                rows: node.newest.iter().flatten().cloned().collect(),
            })
            .collect();
        found.sort_unstable_by(|a, b| a.instance.cmp(&b.instance));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn report(json: &str) -> Report {
        chasar_wire::decode(json.as_bytes()).unwrap()
    }

    fn said(book: &Book) -> Vec<String> {
        let newest = book.newest(None).into_iter();
        newest
            .flat_map(|node| {
                let mut lines = vec![format!("{} {}", node.instance, node.is_up)];
                for row in node.rows {
                    assert_eq!(row.layout.series().count(), row.values.len());
                    let each = row.layout.series().zip(&row.values);
                    let there = each.filter(|(_, value)| is_there(**value));
                    lines.extend(there.map(|(series, value)| format!("{} {value}", series.metric.name)));
                }
                lines
            })
            .collect()
    }

    /// What was kept, a line a sample.
    #[derive(Default)]
    struct Kept(Vec<String>);

    impl Kept {
        fn take(&mut self) -> Vec<String> {
            mem::take(&mut self.0)
        }
    }

    impl Keep for Kept {
        fn row(&mut self, source: &Source, layout: &Arc<Layout>, at_ms: i64, values: &[f64]) {
            assert_eq!(layout.series().count(), values.len());
            for (series, value) in layout.series().zip(values) {
                let word = match value {
                    value if value.to_bits() == ABSENT.to_bits() => continue,
                    value if value.is_nan() => "end".to_owned(),
                    value => value.to_string(),
                };
                let name = series.metric.name.trim_start_matches("chasar_root_disk_");
                self.0.push(format!("{} {at_ms} {name} {word}", source.instance));
            }
        }

        fn up(&mut self, source: &Source, at_ms: i64, is_up: Option<bool>) {
            self.0.push(format!("{} {at_ms} up {is_up:?}", source.instance));
        }
    }

    /// A report of a disk.
    fn disk(hostname: &str, at_ms: i64, size: Option<u64>, used: Option<u64>) -> Report {
        let mut report = report(&format!(r#"{{"hostname":"{hostname}"}}"#));
        report.sampled_at_ms = Some(at_ms);
        report.disk.total_bytes = size;
        report.disk.total_bytes_used = used;
        report
    }

    #[test]
    fn the_newest_of_each_node_is_known() {
        let (mut book, mut keep) = (Book::default(), Kept::default());
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        book.report(&b, &report(r#"{"hostname":"web","sampled_at_ms":1000}"#), false, 5, &mut keep);
        book.report(&a, &report(r#"{"hostname":"db","disk":{"total_bytes":7}}"#), false, 6, &mut keep);
        book.report(&b, &report(r#"{"hostname":"web","sampled_at_ms":2000}"#), false, 7, &mut keep);
        assert_eq!(
            said(&book),
            ["db true", "chasar_root_disk_size_bytes 7", "web true", "node_time_seconds 2"]
        );
        assert_eq!(book.newest(Some("db")).len(), 1);
        assert!(book.newest(Some("none")).is_empty());
        let kept = ["web 1000 node_time_seconds 1", "db 6 size_bytes 7", "web 2000 node_time_seconds 2"];
        assert_eq!(keep.take(), kept);
    }

    #[test]
    fn what_comes_late_is_kept_and_is_not_news() {
        let (mut book, mut keep) = (Book::default(), Kept::default());
        let a: Arc<str> = "a".into();
        book.report(&a, &disk("new", 9_000, Some(9), None), false, 0, &mut keep);
        book.report(&a, &disk("old", 1_000, None, Some(1)), true, 0, &mut keep);
        assert_eq!(said(&book), ["new true", "node_time_seconds 9", "chasar_root_disk_size_bytes 9"]);
        let kept = keep.take();
        assert_eq!(kept[2..], ["new 1000 node_time_seconds 1", "new 1000 used_bytes 1"]);
        // Of a node that is down it says nothing about now either.
        book.down("a", &mut keep);
        book.report(&a, &disk("new", 9_500, Some(9), None), true, 0, &mut keep);
        assert_eq!(said(&book), ["new false"]);
    }

    #[test]
    fn a_node_from_before_is_known_and_keeps_its_name() {
        let (mut book, mut keep) = (Book::default(), Kept::default());
        let (a, b): (Arc<str>, Arc<str>) = ("aaaaaaaaaa".into(), "bbbbbbbbbb".into());
        book.remember(&a, "web", false);
        book.report(&b, &report(r#"{"hostname":"web","sampled_at_ms":1000}"#), false, 0, &mut keep);
        assert_eq!(said(&book), ["web false", "web-bbbbbbbb true", "node_time_seconds 1"]);
        book.remember(&a, "web", true);
        assert_eq!(said(&book)[0], "web true");
    }

    #[test]
    fn the_last_report_of_a_node_is_kept_and_ends_its_series() {
        let (mut book, mut keep) = (Book::default(), Kept::default());
        let a: Arc<str> = "a".into();
        book.report(&a, &disk("web", 1_000, Some(1), None), false, 0, &mut keep);
        // As the core says it: first that it left, then the report that says so.
        book.down("a", &mut keep);
        keep.take();
        let last = Report { leaving: Some(true), ..disk("web", 2_000, Some(1), None) };
        book.report(&a, &last, false, 0, &mut keep);
        assert_eq!(said(&book), ["web false"]);
        assert_eq!(
            keep.take(),
            [
                "web 2000 node_time_seconds 2",
                "web 2000 size_bytes 1",
                "web 2001 node_time_seconds end",
                "web 2001 size_bytes end",
            ]
        );
    }

    #[test]
    fn once_a_second_it_is_said_who_is_up() {
        let (mut book, mut keep) = (Book::default(), Kept::default());
        let a: Arc<str> = "a".into();
        book.report(&a, &disk("web", 1_000, None, None), false, 0, &mut keep);
        keep.take();
        book.ups(1_700, &mut keep);
        book.down("a", &mut keep);
        book.ups(2_700, &mut keep);
        book.forget("a", 3_000, &mut keep);
        book.ups(3_700, &mut keep);
        assert!(said(&book).is_empty());
        let kept = [
            "web 1700 up Some(true)",
            "web 1001 node_time_seconds end",
            "web 2700 up Some(false)",
            "web 3000 up None",
        ];
        assert_eq!(keep.take(), kept);
    }

    #[test]
    fn a_process_that_is_gone_ends_its_series_and_keeps_its_place() {
        let (mut book, mut keep) = (Book::default(), Kept::default());
        let a: Arc<str> = "a".into();
        for (at_ms, processes) in [
            (1_000, r#""x":{"pid":1,"status":"running","percent_cpu_used":5,"percent_memory_used":1}"#),
            (2_000, ""),
            (3_000, ""),
        ] {
            let json = format!(r#"{{"hostname":"h","sampled_at_ms":{at_ms},"process":{{{processes}}}}}"#);
            book.report(&a, &report(&json), false, 0, &mut keep);
        }
        let kept = keep.take();
        let of: Vec<_> = kept.iter().filter(|line| line.contains("chasar_process_c")).collect();
        assert_eq!(
            of,
            [
                "h 1000 chasar_process_cpu_percent 5",
                "h 1000 chasar_process_count 1",
                "h 2000 chasar_process_cpu_percent end",
                "h 2000 chasar_process_count 0",
                "h 3000 chasar_process_count 0",
            ]
        );
    }

    #[test]
    fn an_absurd_time_is_no_end_of_the_world() {
        let (mut book, mut keep) = (Book::default(), Kept::default());
        let a: Arc<str> = "a".into();
        for at_ms in [i64::MAX, i64::MIN] {
            book.report(&a, &disk("h", at_ms, Some(1), None), false, 0, &mut keep);
            book.down("a", &mut keep);
        }
        assert!(keep.take().iter().any(|line| line.contains(&format!("{} size_bytes end", i64::MIN + 1))));
    }

    #[test]
    fn a_renamed_host_ends_its_old_series() {
        let (mut book, mut keep) = (Book::default(), Kept::default());
        let a: Arc<str> = "a".into();
        book.report(&a, &disk("debian", 1_000, None, None), false, 0, &mut keep);
        book.report(&a, &disk("web", 2_000, None, None), false, 2_001, &mut keep);
        book.ups(3_000, &mut keep);
        assert_eq!(
            keep.take(),
            [
                "debian 1000 node_time_seconds 1",
                "debian 2000 node_time_seconds end",
                "debian 2001 up None",
                "web 2000 node_time_seconds 2",
                "web 3000 up Some(true)",
            ]
        );
    }

    proptest! {
        /// Whatever comes and goes, a series ends once when it is not in the report after, and never
        /// where a report has it.
        #[test]
        fn series_end_when_they_are_gone(rounds in prop::collection::vec((any::<bool>(), any::<bool>()), 1..20)) {
            let (mut book, mut keep) = (Book::default(), Kept::default());
            let a: Arc<str> = "a".into();
            let (mut had_size, mut had_used) = (false, false);
            for (second, (size, used)) in rounds.into_iter().enumerate() {
                let at_ms = i64::try_from(second).unwrap() * 1_000;
                let report = disk("h", at_ms, size.then_some(7), used.then_some(8));
                book.report(&a, &report, false, 0, &mut keep);
                let mut wanted = Vec::new();
                for (name, value, has, had) in [("size_bytes", "7", size, had_size), ("used_bytes", "8", used, had_used)] {
                    if has {
                        wanted.push(format!("h {at_ms} {name} {value}"));
                    } else if had {
                        wanted.push(format!("h {at_ms} {name} end"));
                    }
                }
                let mut kept = keep.take();
                kept.retain(|line| !line.contains("node_time"));
                kept.sort();
                wanted.sort();
                prop_assert_eq!(kept, wanted);
                (had_size, had_used) = (size, used);
            }
        }
    }
}
