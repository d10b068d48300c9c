//! End-to-end tests: the real program, foreign peers, broken networks, hostile strangers.
#![allow(clippy::print_stderr, reason = "figures that were counted are shown")]

mod agreement;
mod contract;
mod cut;
mod dashboards;
mod delivery;
mod doctor;
mod fleet;
mod foreign;
mod harness;
mod history;
mod hostile;
mod liveness;
mod prometheus;
mod series_kinds;
mod several;
mod stop;
mod system_calls;
mod upstream;
mod values;
