//! What is wrong with a clientnode or a masternode, why it matters, and what to do about it.
//!
//! [`examine()`] looks at everything and gives a [`Diagnosis`]: findings in plain words, each with a stable code.
//! Every check is a file of its own: a pure `judge(facts) -> findings`, which the tests feed, and a `look` that
//! gathers the facts. Nothing is changed on the computer but a small file written and removed in each folder that
//! has to be writable.
//!
//! | module | what is looked at |
//! | --- | --- |
//! | `configuration` | where the settings are from, and what is wrong with them |
//! | `running`, `service` | whether the daemon runs, once, awake, as it is installed, and as the system is to start it |
//! | `ports` | whether the masternode's ports are its own |
//! | `connection` | whether a masternode is reached, and who answers otherwise |
//! | `pages` | the masternode's own word over HTTP |
//! | `stream` | whether subscribers receive |
//! | `fleet` | nodes that are late, down, cloned, lossy, skewed or of another version |
//! | `metrics` | what the masternode refused, dropped or lost |
//! | `open_files` | room for the connections of the fleet |
//! | `folder`, `spool` | what is kept on disk |
//! | `clock` | the clock, against the masternode's and by the kernel's word |
//! | `probes` | whether this computer can be read |

pub mod catalog;
mod clock;
mod configuration;
mod connection;
mod examine;
mod finding;
mod fleet;
mod folder;
pub mod http;
mod listener;
mod metrics;
mod open_files;
mod pages;
mod ports;
mod probes;
mod process;
mod running;
mod service;
mod speaker;
mod spool;
mod stream;
mod subject;
mod system;

pub use configuration::{Configuration, Override};
pub use examine::{Diagnosis, Section, examine};
pub use finding::{Finding, Step, Verdict, shell};
pub use process::{Process, running};
pub use service::enabled_service;
pub use subject::{Role, Settings, Subject};
