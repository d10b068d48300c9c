//! Packages: `cargo xtask dist` makes every package of a version, the same bytes each time from the same program.

mod check;
mod components;
mod container;
mod deb;
mod item;
mod layout;
mod licences;
mod program;
mod rpm;
mod runtime;
mod sbom;
mod sum;
mod target;
mod texts;
mod wheel;
mod zip;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::platforms::{self, Platform};
use crate::{Result, elf, output, root};
use target::Target;
use texts::Texts;

/// What `cargo xtask dist --help` says below the options.
const HELP: &str = "\
Made for each platform: tar.gz (zip for Windows) with completions, manual, units and licences; wheel, where pip knows
the platform; bill of materials (CycloneDX); .deb and .rpm for Linux with glibc; the root of a container for a static
program. SHA256SUMS lists all that is in the folder. The same program gives the same bytes each time; files bear the
time of the last commit, or of SOURCE_DATE_EPOCH.

--check needs root, debootstrap and rpm (Debian's names). It keeps a Debian in .cache/, or in the folder that
CHASAR_DIST_CACHE names.

Examples:
  cargo xtask dist                               this computer's; on Linux x86_64 linux-old, for glibc 2.17 or later
  cargo xtask dist linux-old linux-musl windows  several; cargo xtask platforms --help tells what each needs
  cargo xtask dist --target aarch64-apple-darwin --binary chasar    a program that was built elsewhere
  cargo xtask dist --profile platforms --check   quickly: what cargo xtask platforms built, not optimised";

/// What `cargo xtask dist` takes.
#[derive(clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Dist {
    /// The platforms to build and package for; this computer's when none is named.
    #[arg(value_enum, value_name = "NAME", conflicts_with = "binary")]
    platforms: Vec<Platform>,
    /// Package this program, which was built already.
    #[arg(long, value_name = "path")]
    binary: Option<PathBuf>,
    /// The target that it was built for, as Rust names it; this computer's when none is named.
    #[arg(long, value_name = "triple", requires = "binary")]
    target: Option<String>,
    /// How to build: a profile of cargo's.
    #[arg(long, value_name = "name", default_value = "release")]
    profile: String,
    /// Where the packages go.
    #[arg(long, value_name = "folder", default_value = "target/dist")]
    out: PathBuf,
    /// Install every package afterwards, run what it installs, and remove it again (Linux, as root).
    #[arg(long)]
    check: bool,
}

/// What is the same for all packages of a version.
pub(crate) struct Facts {
    /// The version.
    version: String,
    /// The time that files and packages bear: Unix seconds.
    epoch: u64,
    /// Who answers for the packages.
    maintainer: String,
    /// What it is, in a line.
    summary: String,
    /// What it is, in a paragraph.
    description: String,
}

impl Facts {
    fn gather() -> Result<Facts> {
        let epoch = match std::env::var("SOURCE_DATE_EPOCH") {
            Ok(epoch) => epoch,
            Err(_) => output(Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(root()))
                .map_err(|e| format!("{e}\nwithout a repository, set SOURCE_DATE_EPOCH"))?,
        };
        let epoch = epoch.trim().parse().map_err(|e| format!("SOURCE_DATE_EPOCH {epoch:?}: {e}"))?;
        Ok(Facts {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            epoch,
            maintainer: "The Chasar authors".to_owned(),
            summary: "lightweight health monitor for remote computers".to_owned(),
            description:
                "A masternode runs on one server, a clientnode on each computer. Once a second each\n\
                          clientnode reports CPU, memory, disks, network and processes as JSON over ZeroMQ;\n\
                          whoever subscribes to the masternode receives the reports of all computers, live."
                    .to_owned(),
        })
    }
}

/// A package that was made.
struct Made {
    kind: Kind,
    path: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Archive,
    Deb,
    Rpm,
    Wheel,
    Container,
    Sbom,
}

/// Makes the packages.
pub(crate) fn run(args: &Dist) -> Result<()> {
    let facts = Facts::gather()?;
    let out = root().join(&args.out);
    let mut all = Vec::new();
    for (target, program) in programs(args)? {
        let made = package(&facts, &target, &program, &out)?;
        all.push((target, program, made));
    }
    sum::write(&out)?;
    say(&format!("{} in {}", sum::LIST, out.display()));
    if args.check {
        let scratch = target_folder()?.join("dist-check");
        for (target, program, made) in &all {
            let _ = fs::remove_dir_all(&scratch);
            check::all(&facts, target, program, &out, made, &scratch)?;
        }
        let _ = fs::remove_dir_all(&scratch);
    }
    Ok(())
}

/// The programs to package, and what each is for.
fn programs(args: &Dist) -> Result<Vec<(Target, PathBuf)>> {
    let host = Target::host()?;
    if let Some(binary) = &args.binary {
        let target = args.target.as_deref().map_or_else(|| Ok(host), Target::new)?;
        return Ok(vec![(target, binary.clone())]);
    }
    let mut platforms = args.platforms.clone();
    if platforms.is_empty() && host.triple == Platform::LinuxOld.triple() {
        platforms.push(Platform::LinuxOld);
    }
    if platforms.is_empty() {
        say(&format!("building for {} ({})", host.triple, args.profile));
        return Ok(vec![(host, program::build(&args.profile)?)]);
    }
    let build = |platform: Platform| {
        say(&format!("building for {} ({})", platform.triple(), args.profile));
        Ok((Target::new(platform.triple())?, platforms::program(platform, &args.profile)?))
    };
    platforms.into_iter().map(build).collect()
}

/// Makes the packages of one program in a folder.
fn package(facts: &Facts, target: &Target, program: &Path, out: &Path) -> Result<Vec<Made>> {
    let cannot = |e: std::io::Error| format!("cannot write to {}: {e}", out.display());
    fs::create_dir_all(out).map_err(cannot)?;
    let program = program::read(program)?;
    let needs = elf::needs(&program).unwrap_or_default();
    let components = components::of(target)?;
    let scratch = tempfile::tempdir().map_err(|e| format!("cannot make a temporary folder: {e}"))?;
    let contents = layout::Contents::gather(&Texts::build()?, &components, scratch.path())?;

    let mut made = Vec::new();
    let mut write = |kind, name: String, bytes: &[u8]| {
        let path = out.join(&name);
        fs::write(&path, bytes).map_err(cannot)?;
        say(&format!("{:>9} bytes  {name}", bytes.len()));
        made.push(Made { kind, path });
        Ok::<(), String>(())
    };
    let folder = format!("chasar-{}-{}", facts.version, target.triple);
    let portable = contents.portable(&folder, target, &program);
    if target.is_windows() {
        write(Kind::Archive, format!("{folder}.zip"), &zip::archive(&portable, facts.epoch)?)?;
    } else {
        let archive = item::gzip(&item::tar("", &portable, facts.epoch));
        write(Kind::Archive, format!("{folder}.tar.gz"), &archive)?;
    }
    if target.is_gnu_linux() {
        let system = contents.system(&program, &layout::DEBIAN);
        write(Kind::Deb, deb::name(facts, target), &deb::package(facts, target, &needs, &system))?;
        let system = contents.system(&program, &layout::FEDORA);
        write(Kind::Rpm, rpm::name(facts, target), &rpm::package(facts, target, &needs, &system))?;
    }
    if let Some(name) = wheel::name(facts, target, &needs) {
        let wheel = wheel::package(facts, target, &needs, &program, &contents.licences())?;
        write(Kind::Wheel, name, &wheel)?;
    }
    // A root without a distribution has no libraries.
    if target.triple.contains("linux") && needs.libraries.is_empty() {
        let root = container::package(facts, &program, contents.config(), &contents.licences());
        write(Kind::Container, container::name(facts, target), &root)?;
    }
    let bill = sbom::text(facts, target, &program, &components)?;
    write(Kind::Sbom, sbom::name(facts, target), bill.as_bytes())?;
    Ok(made)
}

/// Where cargo puts what it builds.
fn target_folder() -> Result<PathBuf> {
    let set = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    Ok(root().join(set.unwrap_or_else(|| "target".into())))
}

fn say(line: &str) {
    println!("dist: {line}");
}
