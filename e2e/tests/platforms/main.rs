//! The program built for other platforms, run here: it exchanges reports with the native one.
//!
//! `cargo xtask platforms` builds them and runs these tests; a program that is missing fails its tests.
#![allow(clippy::print_stderr, reason = "figures that were counted are shown")]

mod exchange;
mod linux;
mod windows;
