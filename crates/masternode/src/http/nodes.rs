//! The newest samples of the nodes, in Prometheus's text exposition format.

use std::collections::HashMap;
use std::convert::Infallible;
use std::ptr;

use axum::body::Body;
use chasar_wire::catalog::{self, Metric};
use tokio::sync::mpsc;

use super::choice::{Choice, Fits};
use super::exposition::{Exposition, Value};
use crate::history::{Newest, SeriesOf};

/// A piece of the page is sent when it has about this size: a page of 10,000 nodes is never whole in memory.
const PIECE_BYTES: usize = 256 << 10;
/// Pieces that wait to be sent.
const PIECES: usize = 2;
/// All series of all nodes have it.
const JOB: (&str, &str) = ("job", crate::history::JOB);

/// A page of series.
pub(crate) struct Page {
    /// Comes first.
    pub(crate) head: String,
    pub(crate) nodes: Vec<Newest>,
    pub(crate) choice: Choice,
    /// With the time of each sample, and this one for what is true now.
    pub(crate) now_ms: Option<i64>,
}

impl Page {
    /// The page as a body that is written while it is sent.
    pub(crate) fn body(self) -> Body {
        let (sender, receiver) = mpsc::channel::<String>(PIECES);
        // Many nodes take a while, and HTTP has one thread.
        tokio::task::spawn_blocking(move || {
            self.render(|piece| sender.blocking_send(piece).is_ok());
        });
        let pieces = futures_util::stream::unfold(receiver, async |mut receiver| {
            let piece = receiver.recv().await?;
            Some((Ok::<_, Infallible>(piece), receiver))
        });
        Body::from_stream(pieces)
    }

    /// Writes all families. `send` gets each piece, and says whether anybody still listens.
    fn render(self, mut send: impl FnMut(String) -> bool) {
        let mut out = Exposition(self.head);
        let nodes: Vec<_> = self.nodes.iter().map(|node| (node, self.choice.node(node))).collect();
        let up = self.choice.named("up", |_| "");
        let mut is_there = false;
        for (node, _) in nodes.iter().filter(|(_, fits)| fits.and(up).any()) {
            if !std::mem::replace(&mut is_there, true) {
                out.family("up", "gauge", "1 while reports of the node come, else 0");
            }
            out.series("up", [("instance", &*node.instance), JOB]);
            value(&mut out, f64::from(u8::from(node.is_up)), self.now_ms);
        }
        let places = Places::of(&self.nodes, &self.choice);
        for metric in catalog::metrics() {
            let mut is_there = false;
            for (node, node_fits) in nodes.iter().filter(|(_, fits)| fits.any()) {
                for row in &node.rows {
                    let Some(places) = places.get(&ptr::from_ref(&*row.layout), metric) else { continue };
                    for (position, series, fits) in places {
                        // A value that is not there is no number, and no number comes in a report.
                        let there = row.values.get(*position).filter(|value| !value.is_nan());
                        let (Some(number), true) = (there, fits.and(*node_fits).any()) else { continue };
                        if !std::mem::replace(&mut is_there, true) {
                            out.family(metric.name, metric.kind.prometheus(), metric.help);
                        }
                        out.series(
                            metric.name,
                            [("instance", &*node.instance), JOB].into_iter().chain(series.labels()),
                        );
                        value(&mut out, *number, self.now_ms.map(|_| row.at_ms));
                    }
                }
                if out.0.len() >= PIECE_BYTES && !send(std::mem::take(&mut out.0)) {
                    return;
                }
            }
        }
        send(out.0);
    }
}

/// The rest of a line.
fn value(out: &mut Exposition, value: f64, at_ms: Option<i64>) {
    out.0.push(' ');
    out.0.push_str(&Value(value).to_string());
    if let Some(at_ms) = at_ms {
        out.0.push(' ');
        out.0.push_str(&at_ms.to_string());
    }
    out.0.push('\n');
}

type LayoutAddress = *const crate::history::Layout;
/// A chosen series of a layout: its position, what it is, and what chose it.
type Place<'a> = (usize, SeriesOf<'a>, Fits);

/// Where the series of each metric are in each layout.
struct Places<'a>(HashMap<(LayoutAddress, *const Metric), Vec<Place<'a>>>);

impl<'a> Places<'a> {
    fn of(nodes: &'a [Newest], choice: &Choice) -> Places<'a> {
        let mut places = HashMap::<_, Vec<_>>::new();
        let mut seen = std::collections::HashSet::new();
        for layout in nodes.iter().flat_map(|node| &node.rows).map(|row| &*row.layout) {
            if !seen.insert(ptr::from_ref(layout)) {
                continue;
            }
            for (position, series) in layout.series().enumerate() {
                let fits = choice.series(series);
                if fits.any() {
                    places
                        .entry((ptr::from_ref(layout), ptr::from_ref(series.metric)))
                        .or_default()
                        .push((position, series, fits));
                }
            }
        }
        Places(places)
    }

    fn get(&self, layout: &LayoutAddress, metric: &'static Metric) -> Option<&Vec<Place<'a>>> {
        self.0.get(&(*layout, ptr::from_ref(metric)))
    }
}
