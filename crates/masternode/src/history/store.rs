//! The store of the history: opened at the start, and looked after by a thread of its own.

use std::io;
use std::mem::discriminant;
use std::sync::Arc;
use std::time::Duration;

use chasar_tsdb::storage::Disk;
use chasar_tsdb::{Health, Store};
use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::keep::Scribe;
use crate::config::HistoryConfig;
use crate::error::StartError;
use crate::message::Counts;
use crate::running::Clock;
use crate::state_folder::create_private_folder;

/// Between two looks at what is due.
const ROUND: Duration = Duration::from_secs(1);
/// Lines about damaged files at the start; of more there is the number.
const LINES: usize = 10;

/// Opens the store, and says what state it is in.
pub(crate) fn open(config: &HistoryConfig) -> Result<Store, StartError> {
    let opened = create_private_folder(&config.folder)
        .and_then(|()| Disk::open(&config.folder))
        .map_err(Into::into)
        .and_then(|disk| Store::open(Arc::new(disk), config.options()).map_err(Into::into));
    let folder = config.folder.display();
    let (store, opening) =
        opened.map_err(|cause| StartError::History { folder: config.folder.clone(), cause })?;
    for damage in opening.damaged.iter().take(LINES) {
        tracing::warn!("history: {damage}; all else in {folder} is served");
    }
    if let Some(more @ 1..) = opening.damaged.len().checked_sub(LINES) {
        tracing::warn!("history: {more} more damaged files in {folder}; chasar history verify names them");
    }
    for tail in &opening.lost_tails {
        // What was being written when the power failed: nobody was told that it is stored.
        tracing::info!(
            "history: the last {} bytes of {} are not whole ({}) and were left out",
            tail.bytes,
            tail.file,
            tail.what
        );
    }
    let stats = store.stats();
    tracing::info!(
        files = stats.raw.files + stats.minute.files + stats.hour.files,
        bytes = stats.raw.bytes + stats.minute.bytes + stats.hour.bytes,
        samples_from_logs = opening.replayed_samples,
        "history in {folder}"
    );
    Ok(store)
}

/// What writes into a store that was just opened.
pub(crate) fn scribe(store: &Store) -> Result<Scribe, StartError> {
    let failed = |cause: Box<dyn std::error::Error + Send + Sync>| StartError::System {
        what: "history",
        cause: io::Error::other(cause),
    };
    let writer = store.writer().map_err(|cause| failed(cause.into()))?;
    Scribe::new(writer).map_err(|cause| failed(cause.into()))
}

/// The thread that writes segments, merges and removes them.
pub(crate) struct Upkeep {
    pub(crate) store: Store,
    /// Nothing comes over it; it ends when there is no more to look after.
    pub(crate) end: Receiver<()>,
    pub(crate) clock: Clock,
    pub(crate) counts: Arc<Counts>,
}

impl Upkeep {
    pub(crate) fn run(self) -> Result<(), String> {
        let mut health = Health::Good;
        let mut pause = ROUND;
        loop {
            match self.end.recv_timeout(pause) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            let begun = self.clock.now();
            pause = match self.store.maintain(begun.unix_ms) {
                Ok(done) => {
                    for damage in done.damage.iter().take(LINES) {
                        tracing::warn!("history: {damage}; it is left out of the merged file");
                    }
                    if done.more { Duration::ZERO } else { ROUND }
                }
                // It is in the store's health.
                Err(_) => ROUND,
            };
            let took = self.clock.now().monotonic.saturating_sub(begun.monotonic);
            self.counts.history_upkeep_ms.add(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
            let now = self.store.health();
            // The file in the cause is another one each time.
            if discriminant(&now) != discriminant(&health) {
                say(&now);
                health = now;
            }
        }
    }
}

fn say(health: &Health) {
    match health {
        Health::Good => tracing::info!("history is written again"),
        Health::Full(cause) => tracing::warn!(
            "history is not written, the disk is full: {cause}; make room, or lower --history-size"
        ),
        Health::ReadOnly(cause) => {
            tracing::warn!("history is not written, the disk takes no writes: {cause}");
        }
        health => {
            let Health::Failing(cause) = health else { return tracing::warn!("history: {health:?}") };
            tracing::warn!("history is not written: {cause}");
        }
    }
}
