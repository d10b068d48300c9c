//! The newest samples of the nodes, in Prometheus's text exposition format.

use std::collections::HashMap;
use std::convert::Infallible;
use std::ptr;

use axum::body::Body;
use chasar_wire::catalog::{self, Metric};
use tokio::sync::mpsc;

use super::exposition::{Exposition, Value};
use crate::history::{Newest, SeriesOf};

/// A piece of the page is sent when it has about this size: a page of 10,000 nodes is never whole in memory.
const PIECE_BYTES: usize = 256 << 10;
/// Pieces that wait to be sent.
const PIECES: usize = 2;
/// All series of all nodes have it.
const JOB: (&str, &str) = ("job", crate::history::JOB);

/// The page as a body that is written while it is sent. `head` comes first.
pub(crate) fn body(head: String, nodes: Vec<Newest>) -> Body {
    let (sender, receiver) = mpsc::channel::<String>(PIECES);
    // Many nodes take a while, and HTTP has one thread.
    tokio::task::spawn_blocking(move || {
        let mut out = Exposition(head);
        render(&nodes, &mut out, |piece| sender.blocking_send(piece).is_ok());
    });
    let pieces = futures_util::stream::unfold(receiver, async |mut receiver| {
        let piece = receiver.recv().await?;
        Some((Ok::<_, Infallible>(piece), receiver))
    });
    Body::from_stream(pieces)
}

/// Writes all families. `send` gets each piece, and says whether anybody still listens.
fn render(nodes: &[Newest], out: &mut Exposition, mut send: impl FnMut(String) -> bool) {
    if !nodes.is_empty() {
        out.family("up", "gauge", "1 while reports of the node come, else 0");
        for node in nodes {
            out.sample("up", &[("instance", &node.instance), JOB], u8::from(node.is_up));
        }
    }
    let places = Places::of(nodes);
    for metric in catalog::metrics() {
        let mut is_there = false;
        for node in nodes {
            for row in &node.rows {
                let Some(places) = places.get(&ptr::from_ref(&*row.layout), metric) else { continue };
                for (position, series) in places {
                    // A value that is not there is no number, and no number comes in a report.
                    let Some(value) = row.values.get(*position).filter(|value| !value.is_nan()) else {
                        continue;
                    };
                    if !is_there {
                        out.family(metric.name, metric.kind.prometheus(), metric.help);
                        is_there = true;
                    }
                    out.series(
                        metric.name,
                        [("instance", &*node.instance), JOB].into_iter().chain(series.labels()),
                    );
                    out.0.push(' ');
                    out.0.push_str(&Value(*value).to_string());
                    out.0.push('\n');
                }
            }
            if out.0.len() >= PIECE_BYTES && !send(std::mem::take(&mut out.0)) {
                return;
            }
        }
    }
    send(std::mem::take(&mut out.0));
}

type LayoutAddress = *const crate::history::Layout;

/// Where the series of each metric are in each layout.
struct Places<'a>(HashMap<(LayoutAddress, *const Metric), Vec<(usize, SeriesOf<'a>)>>);

impl<'a> Places<'a> {
    fn of(nodes: &'a [Newest]) -> Places<'a> {
        let mut places = HashMap::<_, Vec<_>>::new();
        let mut seen = std::collections::HashSet::new();
        for layout in nodes.iter().flat_map(|node| &node.rows).map(|row| &*row.layout) {
            if !seen.insert(ptr::from_ref(layout)) {
                continue;
            }
            for (position, series) in layout.series().enumerate() {
                places
                    .entry((ptr::from_ref(layout), ptr::from_ref(series.metric)))
                    .or_default()
                    .push((position, series));
            }
        }
        Places(places)
    }

    fn get(&self, layout: &LayoutAddress, metric: &'static Metric) -> Option<&Vec<(usize, SeriesOf<'a>)>> {
        self.0.get(&(*layout, ptr::from_ref(metric)))
    }
}
