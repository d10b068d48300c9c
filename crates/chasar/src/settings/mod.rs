//! Settings: one definition of each feeds the flags, the environment, the file, the help and the example.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`definition`] | what a setting is, and all of them |
//! | [`value`] | what the texts mean: durations, sizes, addresses |
//! | [`layers`] | flag over environment over file over default |
//! | [`file`] | the TOML file with the place of each value |
//! | [`problem`] | what is wrong, where, and what to do |
//! | [`example`] | settings as a commented file |

pub(crate) mod definition;
pub(crate) mod example;
pub(crate) mod file;
pub(crate) mod layers;
pub(crate) mod problem;
pub(crate) mod remote_write;
pub(crate) mod value;
