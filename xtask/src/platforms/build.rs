//! One build of the program for one platform.

use std::path::PathBuf;
use std::process::Command;

use super::cache::Cache;
use super::compiler::{ccache, need, rustc_with_sources, sources_of_std};
use super::macos_sdk;
use super::zig::Zig;
use super::{PROFILE, Platform};
use crate::remap::{self, Remap};
use crate::{Result, root, run};

/// The glibc 2.N that `linux-old` runs with: that of RHEL 7 and of Python's manylinux2014.
pub(crate) const OLD_GLIBC: u32 = 17;

/// Builds the program with a profile of `Cargo.toml`; gives its path.
pub(crate) fn program(platform: Platform, profile: &str, cache: &Cache) -> Result<PathBuf> {
    let triple = platform.triple();
    let processor = triple.split('-').next().unwrap_or(triple);
    let mut command = match platform {
        Platform::Windows => {
            let mut command = gcc(platform, "x86_64-w64-mingw32", "-posix", "g++-mingw-w64-x86-64-posix")?;
            // libsodium's configure does not know what Rust calls this platform.
            command.env("ac_cv_host", "x86_64-w64-mingw32");
            command
        }
        Platform::LinuxArm64 => gcc(platform, "aarch64-linux-gnu", "", "g++-aarch64-linux-gnu")?,
        Platform::LinuxMusl => {
            let mut command = Zig::prepare(cache)?.cargo(processor);
            // zig brings the C library's own start files.
            command.env("RUSTFLAGS", "-C link-self-contained=no").args(["--target", triple]);
            command
        }
        Platform::LinuxOld => {
            let mut command = Zig::prepare(cache)?.cargo(processor);
            command.arg("--target").arg(format!("{triple}.2.{OLD_GLIBC}"));
            command
        }
        Platform::MacosArm64 | Platform::MacosX86_64 => {
            let sdk = macos_sdk::write(cache)?;
            let mut command = Zig::prepare(cache)?.cargo(processor);
            command.env("RUSTFLAGS", macos_sdk::rustflags(&sdk)).args(["--target", triple]);
            command
        }
    };
    if platform != Platform::LinuxOld {
        // The ordinary compiler has std for this computer, built for an old glibc, and for no other platform.
        command.arg("-Zbuild-std").env("RUSTC", rustc_with_sources()?).env("RUSTC_BOOTSTRAP", "1");
    }
    if platform.triple().ends_with("apple-darwin") {
        // Debian's rustc lacks the tool that strips programs for macOS.
        command.env(format!("CARGO_PROFILE_{}_STRIP", profile.to_uppercase()), "none");
    }
    let mut remap = None;
    if profile == PROFILE {
        // libzmq is half of the time, and how fast it runs matters to no proof.
        command.env(format!("CXXFLAGS_{}", underscored(triple)), "-O0");
    } else {
        // Not for proofs: the path of a checkout among the flags would have each one build all crates anew.
        let places = remap.insert(Remap::new(places(platform, cache)?)?);
        remap::add(&mut command, "RUSTFLAGS", &places.rust_flags());
        for variable in ["CFLAGS", "CXXFLAGS"] {
            remap::add(&mut command, &format!("{variable}_{}", underscored(triple)), &places.c_flags());
        }
    }
    command
        .args(["--locked", "--package", "chasar", "--bin", "chasar", "--profile", profile, "--quiet"])
        .current_dir(root())
        .env("CARGO_TARGET_DIR", cache.target())
        .env("CCACHE_DIR", cache.path("ccache"));
    run(&mut command)?;
    let name = if platform == Platform::Windows { "chasar.exe" } else { "chasar" };
    let program = cache.target().join(triple).join(profile).join(name);
    if !program.is_file() {
        return Err(format!("cargo built no {}", program.display()));
    }
    remap.map_or(Ok(()), |remap| remap.assert_gone(&program))?;
    Ok(program)
}

/// Where sources are that only such builds read, and where what is made of them goes.
fn places(platform: Platform, cache: &Cache) -> Result<Vec<(PathBuf, &'static str)>> {
    let mut places = vec![(cache.place().to_owned(), "tools"), (cache.target(), "build")];
    if platform != Platform::LinuxOld {
        places.push((sources_of_std(&rustc_with_sources()?)?, "rust"));
    }
    Ok(places)
}

/// cargo with one of Debian's gcc as compiler and linker.
fn gcc(platform: Platform, prefix: &str, suffix: &str, package: &str) -> Result<Command> {
    let triple = platform.triple();
    let underscored = underscored(triple);
    let tool = |name: &str| format!("{prefix}-{name}{suffix}");
    need(&tool("g++"), package)?;
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--target", triple]);
    command.env(format!("CC_{underscored}"), format!("{}{}", ccache(), tool("gcc")));
    command.env(format!("CXX_{underscored}"), format!("{}{}", ccache(), tool("g++")));
    command.env(format!("AR_{underscored}"), format!("{prefix}-ar"));
    command.env(format!("CARGO_TARGET_{}_LINKER", underscored.to_uppercase()), tool("gcc"));
    Ok(command)
}

/// A target's name as variables have it.
fn underscored(triple: &str) -> String {
    triple.replace('-', "_")
}
