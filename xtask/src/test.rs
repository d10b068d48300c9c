//! All tests: peers first, then the program they talk to, then the test runner.

use std::path::Path;
use std::process::Command;

use crate::peers::Peers;
use crate::{Result, output, peers, root};

/// Prepares the peers, builds the program and runs every test of the workspace.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let peers = peers::prepare()?;
    crate::run(cargo().args(["build", "--workspace", "--bins"]))?;
    let program = root().join("target/debug/chasar");
    let tests = |words: &[&str]| {
        let mut command = cargo();
        command.args(words).args(args).envs(peers.environment()).env("CHASAR_TEST_BIN", &program);
        command
    };
    if output(cargo().args(["nextest", "--version"])).is_ok() {
        // How many run side by side is in .config/nextest.toml.
        crate::run(&mut tests(&["nextest", "run", "--workspace"]))?;
    } else {
        // Tests that measure memory, descriptors or time have their process for themselves.
        let others = ["test", "--workspace", "--exclude", "chasar-e2e", "--all-targets"];
        crate::run(tests(&others).env("RUST_TEST_THREADS", "1"))?;
        // These mostly wait for programs they started.
        crate::run(tests(&["test", "--package", "chasar-e2e"]).env("RUST_TEST_THREADS", "4"))?;
    }
    subscriber(&peers, &program)?;
    // nextest does not run the examples in the documentation.
    crate::run(cargo().args(["test", "--workspace", "--doc", "--quiet"]).envs(peers.environment()))
}

/// The Python package: types first, then against the program.
fn subscriber(peers: &Peers, program: &Path) -> Result<()> {
    for module in ["mypy", "pytest"] {
        let mut command = Command::new(peers.python());
        command.args(["-m", module]).current_dir(root().join("python"));
        // What Python and mypy keep to be quicker next time stays out of the sources.
        command.env("PYTHONPYCACHEPREFIX", root().join("target/python"));
        command.env("MYPY_CACHE_DIR", root().join("target/python/mypy"));
        crate::run(command.env("CHASAR_TEST_BIN", program))?;
    }
    Ok(())
}

fn cargo() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root());
    cargo
}
