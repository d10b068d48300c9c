//! Proves a program: what it is made of, and, where this computer can run it, what it does.

use std::path::Path;
use std::process::Command;

use super::cache::Cache;
use super::compiler::need;
use super::{Platform, build, macho, wine};
use crate::elf::{self, Needs};
use crate::{Result, output, peers, root, run};

/// Where Debian's cross compilers keep the C library for arm64.
const ARM64_ROOT: &str = "/usr/aarch64-linux-gnu";

/// Proves the program built for `platform`.
pub(crate) fn prove(platform: Platform, program: &Path, cache: &Cache) -> Result<()> {
    match platform {
        Platform::MacosArm64 => macho::assert_program(program, true),
        Platform::MacosX86_64 => macho::assert_program(program, false),
        Platform::LinuxOld => {
            of_program(program, |needs| needs.assert_glibc(build::OLD_GLIBC))?;
            exchange(platform, program, "", &mut Command::new(env!("CARGO")))
        }
        Platform::LinuxMusl => {
            of_program(program, Needs::assert_static)?;
            exchange(platform, program, "", &mut Command::new(env!("CARGO")))
        }
        Platform::LinuxArm64 => {
            need("qemu-aarch64-static", "qemu-user-static")?;
            let mut cargo = Command::new(env!("CARGO"));
            exchange(platform, program, "qemu-aarch64-static", cargo.env("QEMU_LD_PREFIX", ARM64_ROOT))
        }
        Platform::Windows => {
            let mut cargo = Command::new(env!("CARGO"));
            exchange(platform, program, "wine", cargo.envs(wine::prepare(cache)?))
        }
    }
}

/// Asserts something of what a Linux program needs.
fn of_program(program: &Path, assert: impl FnOnce(&Needs) -> Result<()>) -> Result<()> {
    let needs = elf::read(program)?;
    assert(&needs).map_err(|e| format!("{} {e}", program.display()))?;
    if let Some(glibc) = needs.glibc {
        eprintln!("platforms: the newest symbol is of GLIBC_2.{glibc}");
    }
    Ok(())
}

/// Runs the end-to-end tests of the platform, which have its name.
fn exchange(platform: Platform, program: &Path, runner: &str, cargo: &mut Command) -> Result<()> {
    let peers = peers::prepare()?;
    run(Command::new(env!("CARGO")).args(["build", "--quiet", "--package", "chasar"]).current_dir(root()))?;
    let name = platform.name().to_uppercase().replace('-', "_");
    cargo
        .args([
            "test",
            "--quiet",
            "--package",
            "chasar-e2e",
            "--features",
            "platforms",
            "--test",
            "platforms",
        ])
        .args(["--", &format!("{}_", name.to_lowercase())])
        .current_dir(root())
        .envs(peers.environment())
        .env("CHASAR_TEST_BIN", root().join("target/debug/chasar"))
        .env(format!("CHASAR_TEST_{name}"), program)
        .env(format!("CHASAR_TEST_{name}_RUNNER"), runner);
    // A filter that no test has passes, and would prove nothing.
    let mut list = Command::new(env!("CARGO"));
    list.args(cargo.get_args()).arg("--list").current_dir(root());
    if !output(&mut list)?.contains(": test") {
        return Err(format!(
            "e2e/tests/platforms has no test whose name begins with {}_",
            name.to_lowercase()
        ));
    }
    run(cargo)
}
