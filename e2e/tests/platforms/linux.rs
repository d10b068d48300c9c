//! Linux in other builds: another processor, another C library, an older one.

use chasar_e2e::Executable;

use crate::exchange;

#[test]
fn linux_arm64_exchanges_reports_with_the_native_program() {
    exchange::with_native(&Executable::of("linux-arm64"));
}

#[test]
fn linux_musl_exchanges_reports_with_the_native_program() {
    exchange::with_native(&Executable::of("linux-musl"));
}

#[test]
fn linux_old_exchanges_reports_with_the_native_program() {
    exchange::with_native(&Executable::of("linux-old"));
}
