//! A process that writes history is killed some times; the program of the same name does it longer.
#![cfg(unix)]

use std::process::Command;

#[test]
fn a_killed_writer_loses_nothing_that_it_acknowledged() {
    let out = Command::new(env!("CARGO_BIN_EXE_history-crash"))
        .args(["--kills", "10"])
        .output()
        .expect("the program is built");
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{said}{}", String::from_utf8_lossy(&out.stderr));
    assert!(said.starts_with("10 kills, ") && !said.contains(" 0 samples"), "{said}");
}
