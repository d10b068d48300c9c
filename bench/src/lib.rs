//! Every figure that Chasar states, as a program anyone can run again; see `bench/README.md`.
//!
//! This library has what the programs share: a load generator ([`load`]: simulated nodes that play
//! a [`recording`] of a real host over [`zmtp`] connections), the [`meter`] that measures processes
//! from outside, a fleet's worth of series for the store of [`history`], other stores ([`engine`]) that
//! take the same samples by [`remote_write`], and [`panels`] of dashboards that are asked of all of them
//! ([`query_data`], [`http_client`], [`crowd`]).
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "benchmarks speak on their standard streams")]

pub mod answer;
pub mod crowd;
pub mod engine;
pub mod exporter_names;
pub mod history;
pub mod http_client;
mod json;
pub mod load;
pub mod meter;
pub mod panels;
pub mod program;
pub mod query_data;
pub mod recording;
pub mod remote_write;
pub mod zmtp;
