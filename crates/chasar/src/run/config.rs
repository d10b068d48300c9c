//! `chasar config`: check a file, print an example.

use std::collections::BTreeMap;

use chasar_top::text::clean;

use super::{clientnode, masternode};
use crate::args::ConfigCheck;
use crate::exit::Failure;
use crate::log::LogConfig;
use crate::output::to_stdout;
use crate::settings::example::{effective, example as example_text};
use crate::settings::layers::{Layers, REAL, default_places, unknown_variables};

pub(crate) fn check(args: &ConfigCheck) -> Result<(), Failure> {
    let mut layers = Layers::new(BTreeMap::new(), args.path.as_deref(), REAL);
    // What each command would make of it, so that limits between settings are checked too.
    let _ = (masternode::config(&mut layers), clientnode::config(&mut layers), LogConfig::from(&mut layers));
    if !layers.problems.is_empty() {
        return Err(Failure::configuration(&layers.problems));
    }
    let values = effective(&mut layers);
    let _ = to_stdout(|out| {
        match layers.file() {
            Some(path) => writeln!(out, "ok: {}", clean(&path.to_string_lossy()))?,
            None => {
                let places: Vec<_> = default_places(&REAL).iter().map(|p| p.display().to_string()).collect();
                writeln!(out, "ok: no configuration file ({})", clean(&places.join(", ")))?;
            }
        }
        for name in unknown_variables() {
            writeln!(out, "note: {} in the environment means nothing to chasar", clean(&name))?;
        }
        write!(out, "\n{values}")
    })?;
    Ok(())
}

pub(crate) fn example() -> Result<(), Failure> {
    let _ = to_stdout(|out| out.write_all(example_text().as_bytes()))?;
    Ok(())
}
