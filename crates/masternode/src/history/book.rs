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

impl Node {
    fn new(instance: Arc<str>) -> Node {
        Node { instance, is_up: false, names: Names::default(), newest: [const { None }; Part::ALL.len()] }
    }
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
    /// Takes a node's newest report, which came at `now_ms`; nodes of 2016 do not say when they sampled.
    pub(crate) fn report(&mut self, node_id: &Arc<str>, report: &Report, now_ms: i64) {
        let at_ms = report.sampled_at_ms.unwrap_or(now_ms);
        // Its last one says nothing about now.
        if report.leaving == Some(true) {
            return self.down(node_id);
        }
        let instance = self.instances.of(node_id, &report.hostname);
        let node = self.nodes.entry(node_id.clone()).or_insert_with(|| Node::new(instance.clone()));
        node.instance = instance;
        node.is_up = true;
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
            let newest = newest.get_or_insert_with(|| Values { layout: layout.clone(), values: Vec::new() });
            newest.layout = layout;
            std::mem::swap(&mut newest.values, &mut row.values);
        }
    }

    /// Knows a node from before, of which nothing has come yet.
    pub(crate) fn remember(&mut self, node_id: &Arc<str>, hostname: &str, is_up: bool) {
        let node = Node { is_up, ..Node::new(self.instances.of(node_id, hostname)) };
        self.nodes.insert(node_id.clone(), node);
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
        book.report(&b, &report(r#"{"hostname":"web","sampled_at_ms":1000}"#), 5);
        book.report(&a, &report(r#"{"hostname":"db","disk":{"total_bytes":7}}"#), 6);
        book.report(&b, &report(r#"{"hostname":"web","sampled_at_ms":2000}"#), 7);
        assert_eq!(
            said(&book),
            ["db true", "chasar_root_disk_size_bytes 7", "web true", "node_time_seconds 2"]
        );
        assert_eq!(book.newest(Some("db")).len(), 1);
        assert!(book.newest(Some("none")).is_empty());
    }

    #[test]
    fn a_node_from_before_is_known_and_keeps_its_name() {
        let mut book = Book::default();
        let (a, b): (Arc<str>, Arc<str>) = ("aaaaaaaaaa".into(), "bbbbbbbbbb".into());
        book.remember(&a, "web", false);
        book.report(&b, &report(r#"{"hostname":"web","sampled_at_ms":1000}"#), 0);
        assert_eq!(said(&book), ["web false", "web-bbbbbbbb true", "node_time_seconds 1"]);
        book.remember(&a, "web", true);
        assert_eq!(said(&book)[0], "web true");
    }

    #[test]
    fn the_last_report_of_a_node_says_that_it_is_down() {
        let mut book = Book::default();
        let a: Arc<str> = "a".into();
        book.report(&a, &report(r#"{"hostname":"web","sampled_at_ms":1000}"#), 0);
        book.report(&a, &report(r#"{"hostname":"web","sampled_at_ms":2000,"leaving":true}"#), 0);
        assert_eq!(said(&book), ["web false"]);
    }

    #[test]
    fn a_node_that_is_down_has_only_that() {
        let mut book = Book::default();
        let a: Arc<str> = "a".into();
        book.report(&a, &report(r#"{"hostname":"web","sampled_at_ms":1000}"#), 0);
        book.down("a");
        assert_eq!(said(&book), ["web false"]);
        book.forget("a");
        assert!(said(&book).is_empty());
    }

    #[test]
    fn a_report_that_changes_its_shape_is_stored_as_it_is() {
        let mut book = Book::default();
        let a: Arc<str> = "a".into();
        book.report(&a, &report(r#"{"hostname":"h","disk":{"total_bytes":7}}"#), 0);
        book.report(&a, &report(r#"{"hostname":"h","disk":{"total_bytes":8,"total_bytes_used":1}}"#), 0);
        assert_eq!(said(&book), ["h true", "chasar_root_disk_size_bytes 8", "chasar_root_disk_used_bytes 1"]);
    }
}
