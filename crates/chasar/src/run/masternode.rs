//! `chasar masternode start`.

use crate::args::StartMasternode;
use crate::exit::Failure;
use crate::settings::definition;
use crate::settings::layers::{Layers, REAL};

pub(crate) fn start(args: StartMasternode) -> Result<(), Failure> {
    let mut typed = args.settings.texts;
    typed.extend(args.log.texts);
    let mut layers = Layers::new(typed, args.config.path.as_deref(), REAL);
    config(&mut layers);
    if !layers.problems.is_empty() {
        return Err(Failure::configuration(&layers.problems));
    }
    Err(Failure::new("the masternode is not part of this build"))
}

pub(crate) fn config(layers: &mut Layers) {
    for setting in definition::of_section(definition::MASTERNODE) {
        if let Some(given) = layers.text(setting) {
            layers.check(setting, &given);
        }
    }
}
