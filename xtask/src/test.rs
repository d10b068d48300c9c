//! All tests: peers first, then the program they talk to, then the test runner.

use std::process::Command;

use crate::{Result, output, peers, root};

/// Prepares the peers, builds the program and runs every test of the workspace.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let peers = peers::prepare()?;
    crate::run(cargo().args(["build", "--workspace", "--bins"]))?;
    let nextest = output(cargo().args(["nextest", "--version"])).is_ok();
    let mut tests = cargo();
    if nextest {
        tests.args(["nextest", "run", "--workspace"]);
    } else {
        tests.args(["test", "--workspace", "--all-targets"]);
    }
    tests.args(args).envs(peers.environment());
    tests.env("CHASAR_TEST_BIN", root().join("target/debug/chasar"));
    crate::run(&mut tests)?;
    // nextest does not run the examples in the documentation.
    crate::run(cargo().args(["test", "--workspace", "--doc", "--quiet"]).envs(peers.environment()))
}

fn cargo() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root());
    cargo
}
