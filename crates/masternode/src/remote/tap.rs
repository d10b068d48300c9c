//! What the history thread hands on to the targets: rows as they are stored.

use std::sync::Arc;

use crossbeam_channel::{Sender, TrySendError};

use super::stats::Stats;
use crate::history::{ABSENT, Keep, Layout, STALE, Source};

/// Bytes of a chunk, about: a chunk is handed on when it has so many, or once a second.
const CHUNK_BYTES: usize = 256 << 10;
/// Chunks that may wait for a target's thread, as while its disk syncs: 128 MiB, which are eight seconds of two
/// million series, and eight minutes of a fleet whose seconds fit into a chunk.
pub(super) const CHUNKS: usize = 512;

/// Rows of many nodes.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) rows: Vec<Row>,
    pub(super) values: Vec<f64>,
    /// Whether the second is over: what was collected is sent.
    pub(super) is_last: bool,
}

/// A row: some of the chunk's values, in order.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) instance: Arc<str>,
    /// `None`: the series `up`.
    pub(super) layout: Option<Arc<Layout>>,
    pub(super) at_ms: i64,
    /// Whether newer samples of the node came before.
    pub(super) is_late: bool,
    pub(super) values: usize,
}

/// Collects rows and never waits for a target: one that is too slow to write its queue loses samples.
#[derive(Debug)]
pub(crate) struct Tap {
    targets: Vec<(Sender<Arc<Chunk>>, Arc<Stats>)>,
    chunk: Chunk,
}

impl Tap {
    pub(super) fn new(targets: Vec<(Sender<Arc<Chunk>>, Arc<Stats>)>) -> Tap {
        Tap { targets, chunk: Chunk::default() }
    }

    /// Ends a second.
    pub(crate) fn commit(&mut self) {
        self.chunk.is_last = true;
        self.hand_on();
    }

    fn hand_on(&mut self) {
        let chunk = Arc::new(std::mem::take(&mut self.chunk));
        for (target, stats) in &self.targets {
            // One that ended ends the masternode.
            if let Err(TrySendError::Full(chunk)) = target.try_send(chunk.clone()) {
                let is_there = |value: &&f64| value.to_bits() != ABSENT.to_bits();
                stats.dropped_behind.add(chunk.values.iter().filter(is_there).count() as u64);
            }
        }
    }

    fn push(
        &mut self,
        source: &Source,
        layout: Option<&Arc<Layout>>,
        (at_ms, is_late): (i64, bool),
        values: &[f64],
    ) {
        self.chunk.rows.push(Row {
            instance: source.instance.clone(),
            layout: layout.cloned(),
            at_ms,
            is_late,
            values: values.len(),
        });
        self.chunk.values.extend_from_slice(values);
        let chunk = &self.chunk;
        if size_of_val(&*chunk.values) + size_of_val(&*chunk.rows) >= CHUNK_BYTES {
            self.hand_on();
        }
    }
}

impl Keep for Tap {
    fn row(&mut self, source: &Source, layout: &Arc<Layout>, at_ms: i64, values: &[f64]) {
        if !values.iter().all(|value| value.to_bits() == ABSENT.to_bits()) {
            let is_late = source.is_late(at_ms);
            self.push(source, Some(layout), (at_ms, is_late), values);
        }
    }

    fn up(&mut self, source: &Source, at_ms: i64, is_up: Option<bool>) {
        let value = is_up.map_or(STALE, |is_up| f64::from(u8::from(is_up)));
        self.push(source, None, (at_ms, false), &[value]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::bounded;

    #[test]
    fn what_waits_is_bounded_in_bytes_and_the_rest_counted() {
        let (sender, chunks) = bounded(CHUNKS);
        let stats = Arc::<Stats>::default();
        let mut tap = Tap::new(vec![(sender, stats.clone())]);
        let source = Source::new("a".into());
        let mut values = 0;
        // Rows of one value are mostly not values.
        while stats.dropped_behind.get() == 0 {
            tap.up(&source, 0, Some(true));
            values += 1;
        }
        drop(tap);
        let chunks: Vec<_> = chunks.iter().collect();
        let size = |chunk: &Arc<Chunk>| size_of_val(&*chunk.values) + size_of_val(&*chunk.rows);
        assert!(chunks.iter().all(|chunk| size(chunk) <= CHUNK_BYTES + 1_000));
        let kept: usize = chunks.iter().map(|chunk| chunk.values.len()).sum();
        assert_eq!(kept as u64 + stats.dropped_behind.get(), values);
        assert!(chunks.len() == CHUNKS && kept > CHUNKS * 2_000, "{kept}");
    }
}
