//! The Chasar masternode: threads and sockets around the fleet.
//!
//! ```text
//! ingest ──▶ core ──▶ stream ──▶ recorder
//! (SUB, decode) (Fleet)  (XPUB)     (memory file)
//!               ├──▶ history (newest samples) ──▶ http ──▶ receive ──▶ history
//!               │    └──▶ remote write (queues on disk, connections)
//!               └──▶ published snapshot ──▶ http (tokio, axum)
//! ```
//!
//! Each thread owns its piece of state; between them are bounded queues of batches:
//!
//! | queue | when it is full |
//! | --- | --- |
//! | ingest → core | ingest waits, the peers' queues and TCP hold the reports; waits are counted |
//! | core → stream | the oldest batch is dropped and counted: subscribers lose it, the fleet does not |
//! | core → history | the oldest reports are dropped and counted: subscribers have them, series do not |
//! | http → receive, receive → history | the sender waits, and after a while is told to come again |
//! | history → remote write | the newest samples are dropped and counted: its own queue is on disk |
//! | stream → recorder | dropped; the next thing recorded is then the whole memory |
//!
//! Reports are published first and remembered within milliseconds afterwards, so a crash in between
//! can make one come twice but never lose one. A panic in a worker aborts the process: there is no
//! half-dead masternode.
//!
//! ```no_run
//! use std::time::Duration;
//! use chasar_masternode::{Config, Masternode};
//!
//! let config = Config::new("127.0.0.1", "/var/lib/chasar/masternode")?;
//! let mut running = Masternode::start(config)?;
//! while running.wait(Duration::from_secs(1))?.is_none() {
//!     // until a signal says so
//! }
//! running.stop(Duration::from_secs(5))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod config;
mod core;
mod error;
mod history;
mod http;
mod ingest;
mod message;
mod printable;
mod receive;
mod recorder;
mod remote;
mod running;
mod state_folder;
mod stream;
mod upstream;
mod worker;

pub use chasar_fleet::{About, Counters, FleetSnapshot, NodeSnapshot, Settings, State, Summary, Totals};
pub use chasar_link::{Endpoint, EndpointError};
pub use chasar_remote_write::Version as RemoteWriteVersion;
pub use config::{Config, HistoryConfig, HttpConfig, ReceiveConfig};
pub use error::{StartError, StopError, WorkerError};
pub use history::{StoreSource, store_matcher};
pub use remote::{RemoteAuth, RemoteWriteConfig};
pub use running::{Addresses, Masternode, Running};
