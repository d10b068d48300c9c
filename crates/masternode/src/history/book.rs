//! What every node said last, as series: the state of the history thread.

use std::collections::HashMap;
use std::sync::Arc;

use chasar_wire::{Report, catalog};

use super::instances::Instances;
use super::processes::Names;
use super::row::{Layout, Layouts, Part, Rows};

/// All nodes.
#[derive(Debug, Default)]
pub(crate) struct Book {
    nodes: HashMap<Arc<str>, Node>,
    instances: Instances,
    layouts: Layouts,
    rows: Rows,
    /// Series left out because a node has too many.
    pub(crate) left_out: u64,
}

#[derive(Debug)]
struct Node {
    instance: Arc<str>,
    is_up: bool,
    names: Names,
    newest: [Option<Values>; Part::ALL.len()],
}

/// A row with its layout.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    pub(crate) layout: Arc<Layout>,
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

impl Book {
    /// Takes a report that came at `now_ms`; nodes of 2016 do not say when they sampled.
    pub(crate) fn report(&mut self, node_id: &Arc<str>, report: &Report, replayed: bool, now_ms: i64) {
        let at_ms = report.sampled_at_ms.unwrap_or(now_ms);
        // What comes late says nothing about now, not even the host's name.
        let known = self.nodes.contains_key(node_id);
        let node = self.nodes.entry(node_id.clone()).or_insert_with(|| Node {
            instance: self.instances.of(node_id, &report.hostname),
            is_up: false,
            names: Names::default(),
            newest: [const { None }; Part::ALL.len()],
        });
        if known && !replayed {
            node.instance = self.instances.of(node_id, &report.hostname);
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
            layout.once(&mut row.values);
            if replayed {
                continue;
            }
            let newest = newest.get_or_insert_with(|| Values { layout: layout.clone(), values: Vec::new() });
            newest.layout = layout;
            newest.values.clone_from(&row.values);
        }
        if !replayed {
            node.is_up = true;
            // Its last one: the core says that it left before it hands the report on.
            if report.leaving == Some(true) {
                self.down(node_id);
            }
        }
    }

    /// Reports of a node stopped coming, or it was stopped.
    pub(crate) fn down(&mut self, node_id: &str) {
        if let Some(node) = self.nodes.get_mut(node_id) {
            node.is_up = false;
            // Whatever it says next is new: no need to hold on to a row.
            node.newest = [const { None }; Part::ALL.len()];
        }
    }

    /// A node is not heard of any more.
    pub(crate) fn forget(&mut self, node_id: &str) {
        self.nodes.remove(node_id);
        self.instances.forget(node_id);
    }

    /// The newest samples of all nodes, or of one, sorted by instance.
    pub(crate) fn newest(&self, instance: Option<&str>) -> Vec<Newest> {
        let wanted = |node: &&Node| instance.is_none_or(|wanted| *node.instance == *wanted);
        let mut found: Vec<_> = self
            .nodes
            .values()
            .filter(wanted)
            .map(|node| Newest {
                instance: node.instance.clone(),
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
                    lines.extend(each.map(|(series, value)| format!("{} {value}", series.metric.name)));
                }
                lines
            })
            .collect()
    }

    #[test]
    fn the_newest_of_each_node_is_kept() {
        let mut book = Book::default();
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        book.report(&b, &report(r#"{"hostname":"web","sampled_at_ms":1000}"#), false, 5);
        book.report(&a, &report(r#"{"hostname":"db","disk":{"total_bytes":7}}"#), false, 6);
        book.report(&b, &report(r#"{"hostname":"web","sampled_at_ms":2000}"#), false, 7);
        assert_eq!(
            said(&book),
            ["db true", "chasar_root_disk_size_bytes 7", "web true", "node_time_seconds 2"]
        );
        assert_eq!(book.newest(Some("db")).len(), 1);
        assert!(book.newest(Some("none")).is_empty());
    }

    #[test]
    fn what_comes_late_is_not_news() {
        let mut book = Book::default();
        let a: Arc<str> = "a".into();
        book.report(&a, &report(r#"{"hostname":"new","sampled_at_ms":9000}"#), false, 0);
        book.report(&a, &report(r#"{"hostname":"old","sampled_at_ms":1000}"#), true, 0);
        assert_eq!(said(&book), ["new true", "node_time_seconds 9"]);
    }

    #[test]
    fn a_node_that_is_down_has_only_that() {
        let mut book = Book::default();
        let a: Arc<str> = "a".into();
        book.report(&a, &report(r#"{"hostname":"web","sampled_at_ms":1000}"#), false, 0);
        book.down("a");
        assert_eq!(said(&book), ["web false"]);
        book.report(&a, &report(r#"{"hostname":"web","sampled_at_ms":1500}"#), true, 0);
        assert_eq!(said(&book), ["web false"]);
        book.forget("a");
        assert!(said(&book).is_empty());
    }

    #[test]
    fn a_report_that_changes_its_shape_is_stored_as_it_is() {
        let mut book = Book::default();
        let a: Arc<str> = "a".into();
        book.report(&a, &report(r#"{"hostname":"h","disk":{"total_bytes":7}}"#), false, 0);
        book.report(
            &a,
            &report(r#"{"hostname":"h","disk":{"total_bytes":8,"total_bytes_used":1}}"#),
            false,
            0,
        );
        assert_eq!(said(&book), ["h true", "chasar_root_disk_size_bytes 8", "chasar_root_disk_used_bytes 1"]);
    }
}
