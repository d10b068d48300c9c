//! `chasar completions` and `chasar man`: made from the definition of the command line.

use std::io;
use std::path::Path;

use crate::args;
use crate::exit::Failure;
use crate::output::to_stdout;

pub(crate) fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut args::definition(), "chasar", &mut text);
    let _ = to_stdout(|out| out.write_all(&text))?;
    Ok(())
}

pub(crate) fn pages(folder: Option<&Path>) -> Result<(), Failure> {
    let cannot = |e: io::Error| match folder {
        Some(folder) => Failure::new(format_args!(
            "cannot write manual pages to {}: {e}; give a folder that exists and may be written to",
            folder.display()
        )),
        None => Failure::new(format_args!("cannot write the manual page: {e}")),
    };
    match folder {
        Some(folder) => clap_mangen::generate_to(args::definition(), folder).map_err(cannot),
        None => {
            let mut text = Vec::new();
            clap_mangen::Man::new(args::definition()).render(&mut text).map_err(cannot)?;
            let _ = to_stdout(|out| out.write_all(&text))?;
            Ok(())
        }
    }
}
