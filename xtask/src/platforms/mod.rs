//! Builds the program for every platform, and proves each build as far as this computer can.

mod build;
mod cache;
mod compiler;
mod macho;
mod macos_sdk;
mod proof;
mod wine;
mod zig;

use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};

use crate::Result;
use cache::Cache;

/// What `cargo xtask platforms --help` says below the options.
const HELP: &str = "\
What each platform needs (Debian's names), and how it is proven:
  windows       rustc-web rust-web-src g++-mingw-w64-x86-64-posix wine wine64
                run under Wine beside a native masternode and clientnode
  linux-arm64   rustc-web rust-web-src g++-aarch64-linux-gnu qemu-user-static
                run in qemu, exchanges reports with the native program
  linux-musl    rustc-web rust-web-src python3-venv
                static; run, exchanges reports with the native program
  linux-old     python3-venv
                no symbol newer than glibc 2.17; run, exchanges reports with the native program
  macos-arm64, macos-x86_64
                rustc-web rust-web-src python3-venv
                compiled and linked against names of the system's libraries, not run

rustc-web is a compiler that comes with the sources of std, from which std is built for the platform; it is used
for these builds only. zig and cargo-zigbuild come from PyPI into a folder of their own.

Tools, std and what was built are kept in target/platforms, or in the folder that CHASAR_PLATFORMS_CACHE names.

Examples:
  cargo xtask platforms                          all of them
  cargo xtask platforms linux-arm64 windows      two of them
  cargo xtask platforms --build-only macos-arm64 the program, without proof";

/// Options of `cargo xtask platforms`.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct Options {
    /// Which platforms; all when none is named.
    #[arg(value_enum, value_name = "NAME")]
    names: Vec<Platform>,
    /// Build only, and print where the programs are.
    #[arg(long)]
    build_only: bool,
}

/// A platform that the program is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Platform {
    /// Windows, x86_64, with mingw.
    Windows,
    /// Linux on 64-bit ARM, with glibc.
    LinuxArm64,
    /// Linux, x86_64, static with musl.
    LinuxMusl,
    /// Linux, x86_64, with glibc 2.17 or later.
    LinuxOld,
    /// macOS on Apple's processors.
    MacosArm64,
    /// macOS on Intel's.
    #[value(name = "macos-x86_64")]
    MacosX86_64,
}

impl Platform {
    /// Its name on the command line.
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Rust's name of the target.
    pub(crate) fn triple(self) -> &'static str {
        match self {
            Platform::Windows => "x86_64-pc-windows-gnu",
            Platform::LinuxArm64 => "aarch64-unknown-linux-gnu",
            Platform::LinuxMusl => "x86_64-unknown-linux-musl",
            Platform::LinuxOld => "x86_64-unknown-linux-gnu",
            Platform::MacosArm64 => "aarch64-apple-darwin",
            Platform::MacosX86_64 => "x86_64-apple-darwin",
        }
    }
}

/// The profile that builds are proved with: quick to build.
const PROFILE: &str = "platforms";

/// Builds the program for a platform with a profile of `Cargo.toml`; gives its path.
pub(crate) fn program(platform: Platform, profile: &str) -> Result<PathBuf> {
    build::program(platform, profile, &Cache::open()?).map_err(|e| format!("{}: {e}", platform.name()))
}

/// Builds and proves the platforms named, one after the other; stops at the first that fails.
pub(crate) fn run(options: &Options) -> Result<()> {
    let all = Platform::value_variants();
    let chosen = if options.names.is_empty() { all } else { &options.names };
    let cache = Cache::open()?;
    let began = Instant::now();
    for (number, platform) in chosen.iter().enumerate() {
        let name = platform.name();
        let say = |what: &str| {
            eprintln!(
                "platforms: {}/{} {name}: {what} ({} s)",
                number + 1,
                chosen.len(),
                began.elapsed().as_secs()
            );
        };
        say("building");
        let program = build::program(*platform, PROFILE, &cache).map_err(|e| format!("{name}: {e}"))?;
        if options.build_only {
            println!("{name} {}", program.display());
        } else {
            say("proving");
            proof::prove(*platform, &program, &cache).map_err(|e| format!("{name}: {e}"))?;
        }
        say("done");
    }
    Ok(())
}
