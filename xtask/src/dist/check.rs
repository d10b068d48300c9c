//! Every package, installed and run: `cargo xtask dist --check`.

mod bill;
mod image;
mod python;
mod root;
mod system;

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Facts, Kind, Made, Target, package, say, sum};
use crate::{Result, output, run};

/// How the demo is run: long enough for the table to come twice.
pub(super) const DEMO: [&str; 3] = ["demo", "--for", "4"];

/// Checks what was made in `out`; `scratch` is a folder for what the checks make.
pub(super) fn all(
    facts: &Facts,
    target: &Target,
    program: &Path,
    out: &Path,
    made: &[Made],
    scratch: &Path,
) -> Result<()> {
    say(&format!("check: {}: the sums", target.triple));
    run(Command::new("sha256sum").args(["--check", "--quiet", "--strict", sum::LIST]).current_dir(out))?;
    say("check: packaged again, every package has the same bytes");
    same(&package(facts, target, program, &scratch.join("again"))?, made)?;
    say("check: the bill of materials has what CycloneDX requires");
    made.iter().filter(|made| made.kind == Kind::Sbom).try_for_each(|made| bill::check(&made.path))?;
    if !cfg!(target_os = "linux")
        || !target.triple.contains("linux")
        || target.processor() != std::env::consts::ARCH
    {
        say(&format!("check: what is for {} is not run here", target.triple));
        return Ok(());
    }
    for made in made {
        let path = made.path.as_path();
        match made.kind {
            Kind::Archive => archive(facts, target, path, &scratch.join("archive"))?,
            Kind::Deb => system::deb(path, &scratch.join("deb"))?,
            Kind::Rpm => system::rpm(path, &scratch.join("rpm"))?,
            Kind::Wheel if target.is_gnu_linux() => python::wheel(path, &scratch.join("wheel"))?,
            Kind::Container => system::container(path, &scratch.join("container"))?,
            // pip takes no wheel for musl here.
            Kind::Wheel | Kind::Sbom => {}
        }
    }
    say("check: all is well");
    Ok(())
}

fn same(again: &[Made], made: &[Made]) -> Result<()> {
    let read = |path: &Path| fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()));
    if again.len() != made.len() {
        return Err(format!("{} packages at first, then {}", made.len(), again.len()));
    }
    for (again, made) in again.iter().zip(made) {
        if read(&again.path)? != read(&made.path)? {
            let (again, made) = (again.path.display(), made.path.display());
            return Err(format!("{again} differs from {made}, though the program is the same"));
        }
    }
    Ok(())
}

/// Unpacked anywhere, the archive's program runs.
fn archive(facts: &Facts, target: &Target, path: &Path, scratch: &Path) -> Result<()> {
    say("check: the archive is unpacked and its program runs the demo");
    fs::create_dir_all(scratch).map_err(|e| format!("cannot create {}: {e}", scratch.display()))?;
    run(Command::new("tar").arg("-xzf").arg(path).arg("-C").arg(scratch))?;
    let folder = scratch.join(format!("chasar-{}-{}", facts.version, target.triple));
    demo(&output(Command::new(folder.join("chasar")).args(DEMO))?)
}

/// Asserts that what the demo printed shows a node that reports.
fn demo(printed: &str) -> Result<()> {
    has(printed, "1 node, 1 live")
}

/// Asserts that something printed has a part.
fn has(printed: &str, part: &str) -> Result<()> {
    if printed.contains(part) { Ok(()) } else { Err(format!("this has no {part:?} in it:\n{printed}")) }
}
