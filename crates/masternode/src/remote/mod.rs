//! Samples to other stores by Prometheus remote write.
//!
//! The history thread hands on the rows that it stores ([`Tap`]) and never waits. A target has a thread of
//! its own that makes requests of them, writes these into a queue on disk and decides what is sent when
//! (`flow`, a pure core); threads of a connection each carry requests out. So a target that is slow, or away,
//! costs disk and nothing else.

mod batcher;
mod config;
mod flow;
mod log;
mod post;
mod rules;
mod stats;
mod tap;
mod target;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chasar_tsdb::storage::Disk;
use crossbeam_channel::{Sender, bounded, unbounded};

use crate::error::StartError;
use crate::running::Clock;
use crate::state_folder::create_private_folder;
use crate::worker::{Ended, spawn};

use batcher::Batcher;
pub use config::{RemoteAuth, RemoteWriteConfig};
use flow::Flow;
use log::Log;
use post::{Client, Poster};
use rules::Rules;
pub(crate) use stats::{State, Stats};
pub(crate) use tap::Tap;
use target::Target;

/// The targets' folder in the state folder.
const FOLDER: &str = "remote";
/// The threads of targets, by which they are known; of more targets a masternode is not capable.
const PARTS: [&str; 16] = [
    "remote write 1",
    "remote write 2",
    "remote write 3",
    "remote write 4",
    "remote write 5",
    "remote write 6",
    "remote write 7",
    "remote write 8",
    "remote write 9",
    "remote write 10",
    "remote write 11",
    "remote write 12",
    "remote write 13",
    "remote write 14",
    "remote write 15",
    "remote write 16",
];

/// Targets that were checked and whose queues are open, to be started.
pub(crate) struct Remote {
    targets: Vec<(Target, Vec<Poster>)>,
    /// What the history thread needs; `None` without targets.
    pub(crate) tap: Option<Tap>,
    /// Names with what is counted of them.
    pub(crate) stats: Vec<(String, Arc<Stats>)>,
}

impl Remote {
    /// Opens the queues, below the state folder.
    ///
    /// # Errors
    /// When a target's settings make no sense, or its queue cannot be opened.
    pub(crate) fn open(
        configs: &[RemoteWriteConfig],
        state_dir: &Path,
        clock: Clock,
    ) -> Result<Remote, StartError> {
        let mut remote = Remote { targets: Vec::new(), tap: None, stats: Vec::new() };
        let mut taps = Vec::new();
        for (folder, bytes) in left_over(configs, state_dir) {
            tracing::warn!(
                "{} has {bytes} bytes that wait for a target that is none now: give the target this folder's name \
                 to send them, or remove it",
                folder.display()
            );
        }
        for config in configs {
            let failed = |problem: String| StartError::Remote { target: config.name.clone(), problem };
            config.check().map_err(failed)?;
            if remote.stats.iter().any(|(name, _)| *name == config.name) {
                return Err(failed("there are two targets of this name".into()));
            }
            if remote.targets.len() == PARTS.len() {
                return Err(failed(format!("there may be {} targets", PARTS.len())));
            }
            let rules = Rules::of(config).map_err(failed)?;
            let folder = state_dir.join(FOLDER).join(&config.name);
            let opened = create_private_folder(&folder)
                .and_then(|()| Disk::open(&folder))
                .and_then(|disk| Log::open(Arc::new(disk), config.connections, config.queue_bytes));
            let (log, opening) =
                opened.map_err(|e| failed(format!("its queue {}: {e}", folder.display())))?;
            for damage in opening.damaged {
                tracing::warn!("remote write to {}: {damage}", config.name);
            }
            if log.samples() > 0 {
                tracing::info!("remote write to {}: {} samples wait from before", config.name, log.samples());
            }
            let (chunk_sender, chunks) = bounded(tap::CHUNKS);
            let (reply_sender, replies) = unbounded();
            let mut posters = Vec::new();
            let mut jobs = Vec::new();
            for lane in 0..config.connections {
                let (sender, receiver) = bounded(1);
                jobs.push(sender);
                let client = Client::new(config).map_err(failed)?;
                posters.push(Poster { lane, jobs: receiver, replies: reply_sender.clone(), client });
            }
            let mut random = [0; 8];
            // Without it pauses are the same everywhere, which is no reason not to start.
            let _ = getrandom::fill(&mut random);
            let stats = Arc::<Stats>::default();
            taps.push((chunk_sender, stats.clone()));
            remote.stats.push((config.name.clone(), stats.clone()));
            let target = Target {
                name: config.name.clone(),
                url: config.public_url().to_owned(),
                chunks,
                replies,
                jobs,
                batcher: Batcher::new(rules, config.connections, config.batch_samples),
                log,
                flow: Flow::new(config.connections, config.version, u64::from_le_bytes(random)),
                stats,
                clock,
            };
            remote.targets.push((target, posters));
        }
        remote.tap = (!taps.is_empty()).then(|| Tap::new(taps));
        Ok(remote)
    }

    /// Starts the threads of all targets. They end when the tap does; a request that hangs then
    /// ends with the process, and is sent again after the next start.
    pub(crate) fn start(
        self,
        ended: &Sender<Ended>,
        parts: &mut Vec<&'static str>,
    ) -> Result<(), StartError> {
        for ((target, posters), part) in self.targets.into_iter().zip(PARTS) {
            for poster in posters {
                // Nobody waits for it: it may hang in a request.
                spawn("remote post", ended.clone(), move || {
                    poster.run();
                    Ok(())
                })?;
            }
            parts.push(part);
            spawn(part, ended.clone(), move || target.run())?;
        }
        Ok(())
    }
}

/// Folders with samples of targets that were removed or got another name, and the size of each.
fn left_over(configs: &[RemoteWriteConfig], state_dir: &Path) -> Vec<(PathBuf, u64)> {
    // Without the folder there are none; one that cannot be read is not needed to start.
    let Ok(entries) = fs::read_dir(state_dir.join(FOLDER)) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_known = configs.iter().any(|config| name == config.name.as_str());
        let Some(files) = fs::read_dir(entry.path()).ok().filter(|_| !is_known) else { continue };
        let logs = files.flatten().filter(|file| file.path().extension().is_some_and(|kind| kind == "log"));
        let bytes = logs.filter_map(|file| Some(file.metadata().ok()?.len())).sum();
        if bytes > 0 {
            found.push((entry.path(), bytes));
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests;
