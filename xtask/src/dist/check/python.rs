//! The wheel in a fresh virtual environment.

use std::path::Path;
use std::process::Command;

use super::super::say;
use super::{DEMO, demo};
use crate::{Result, output, run};

/// pip installs it, the command runs the demo, the subscriber receives what the command's programs send.
pub(super) fn wheel(wheel: &Path, venv: &Path) -> Result<()> {
    say("check: pip installs the wheel, whose program runs the demo and whose subscriber receives reports");
    run(Command::new("python3").args(["-m", "venv"]).arg(venv))
        .map_err(|e| format!("{e}\nneeded: Python 3 with venv (Debian: python3-venv)"))?;
    let python = venv.join("bin/python");
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .arg(wheel))?;
    demo(&output(Command::new(venv.join("bin/chasar")).args(DEMO))?)?;
    run(Command::new(&python).args(["-c", include_str!("wheel.py")]).arg(venv.join("bin/chasar")))
}
