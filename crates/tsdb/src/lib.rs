//! An embedded time-series store: one second of resolution, about half a byte a sample.
//!
//! The data model is Prometheus': a series is a set of labels (the name is the label `__name__`), a
//! sample a time in milliseconds and an `f64`. What differs is how samples come in: a *source* (one
//! host, say) hands in whole *rows* of values against a *layout*, a list of metrics that both sides
//! know, so no label is looked at for a sample. Single samples of any series can stand beside.
//!
//! ```
//! use std::sync::Arc;
//! use chasar_tsdb::storage::Disk;
//! use chasar_tsdb::{Kind, Labels, Matcher, NAME, Options, Store};
//!
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! let (store, opening) = Store::open(Arc::new(Disk::open(folder)?), Options::default())?;
//! assert!(opening.damaged.is_empty());
//!
//! let load = Labels::new([(NAME, "node_load1")])?;
//! let uptime = Labels::new([(NAME, "uptime_seconds_total")])?;
//! let mut writer = store.writer()?;
//! let host = writer.source(&Labels::new([("instance", "alpha")])?);
//! let layout = writer.layout([(&load, Kind::Gauge), (&uptime, Kind::Counter)]);
//! let now_ms = 1_700_000_000_000;
//! writer.row(&host, &layout, now_ms, &[0.25, 3600.0])?;
//! writer.commit(now_ms)?; // durable and visible
//! store.maintain(now_ms)?; // once a second, from any thread
//!
//! let answer = store.snapshot().select(&[Matcher::equal(NAME, "node_load1")], 0, now_ms)?;
//! assert_eq!(answer.series[0].labels.to_string(), r#"node_load1{instance="alpha"}"#);
//! assert_eq!(answer.series[0].values, [0.25]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it works
//!
//! A commit appends the rows, as differences to the rows before, to a *log* and syncs it; then they
//! are in the *head* in memory. When a window of two minutes has ended, it becomes a *segment*: a
//! file that has, for each metric, the values of all sources packed together. Segments of an hour
//! and then of a day are merged into one, whereby *rollups* of a minute and an hour are made. What
//! comes late goes into segments beside, which are merged in. Of two samples of the same series and
//! time the first one counts. Every file has checksums, names all it speaks of itself, and is never
//! changed once written. `docs/format.md` draws every byte.
//!
//! The crate starts no threads and reads no clock; all it asks of the world is the
//! [`storage::Storage`] trait, of which [`storage::Sim`] is an implementation that loses power, is
//! full or lies, for tests.

mod backup;
mod bytes;
mod chunk;
mod error;
mod flush;
mod frame;
mod head;
mod index;
mod labels;
mod maintain;
mod merge;
mod options;
mod present;
mod query;
mod rollup;
mod segment;
mod stats;
pub mod storage;
mod store;
mod tiles;
mod time;
mod usage;
mod wal;
mod walk;
mod writer;

pub use backup::{Backup, backup};
pub use error::{Error, Result};
pub use index::{MatchOp, Matcher};
pub use labels::{Kind, LabelError, Labels, MAX_LABEL_BYTES, MAX_LABELS, NAME};
pub use maintain::Maintained;
pub use options::{Options, Sync};
pub use query::{RollupSeries, Selection, Series, SharedSeries, Snapshot};
pub use rollup::Rollup;
pub use segment::Tier;
pub use stats::{Stats, TierStats};
pub use store::{Health, Opening, Store};
pub use tiles::Tiles;
pub use usage::{MetricUsage, SourceUsage, Usage};
pub use wal::{ABSENT, LostTail};
pub use walk::Walk;
pub use writer::{Committed, LayoutHandle, SeriesHandle, SourceHandle, Writer};
