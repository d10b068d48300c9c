//! Settings on the command line, made from their definitions.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueHint};

use crate::settings::definition::{self, Default, Form, Spec};

/// One table of settings.
pub(crate) trait Section {
    /// Its name in the file.
    const NAME: &'static str;
}

/// The masternode's.
#[derive(Debug)]
pub(crate) struct MasternodeSection;
/// The clientnode's.
#[derive(Debug)]
pub(crate) struct ClientnodeSection;
/// The log's.
#[derive(Debug)]
pub(crate) struct LogSection;

impl Section for MasternodeSection {
    const NAME: &'static str = definition::MASTERNODE;
}
impl Section for ClientnodeSection {
    const NAME: &'static str = definition::CLIENTNODE;
}
impl Section for LogSection {
    const NAME: &'static str = definition::LOG;
}

/// The settings of one table that were typed, as text, by their ids. What the texts mean is found out
/// together with those of the other layers, so that all problems are told at once.
#[derive(Debug)]
pub(crate) struct Typed<S> {
    /// Text by id.
    pub(crate) texts: BTreeMap<String, String>,
    section: PhantomData<S>,
}

impl<S: Section> Args for Typed<S> {
    fn augment_args(command: Command) -> Command {
        definition::of_section(S::NAME).fold(command, |command, s| command.arg(argument(s.spec())))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<S: Section> FromArgMatches for Typed<S> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut typed = Typed { texts: BTreeMap::new(), section: PhantomData };
        typed.update_from_arg_matches(matches)?;
        Ok(typed)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for setting in definition::of_section(S::NAME) {
            let id = setting.spec().id();
            // Of a list every value counts; of all others there is one.
            if let Some(texts) = matches.get_many::<String>(&id) {
                self.texts.insert(id, texts.map(String::as_str).collect::<Vec<_>>().join(","));
            }
        }
        Ok(())
    }
}

fn argument(spec: &'static Spec) -> Arg {
    let default = match spec.default {
        Default::Text(text) => text,
        Default::Words { words, .. } => words,
    };
    let short = format!("{} [default: {default}]", spec.help);
    let mut long = format!("{}.", spec.help);
    if !spec.more.is_empty() {
        long += &format!(" {}", spec.more);
    }
    long += &format!(
        "\n\n[default: {default}]\n[env: {}]\n[file: {} in [{}]]",
        spec.environment(),
        spec.key,
        spec.section
    );
    let argument = Arg::new(spec.id())
        .value_name(spec.value_name)
        .help(short)
        .long_help(long)
        .value_parser(Words(spec.choices))
        .hide_possible_values(spec.form == Form::Switch)
        .value_hint(match spec.value_name {
            "path" => ValueHint::AnyPath,
            name if name.starts_with("ip-address") => ValueHint::Hostname,
            _ => ValueHint::Other,
        });
    match spec.form {
        Form::Positional => argument,
        Form::Flag => argument.long(spec.flag()),
        Form::List => argument.long(spec.flag()).action(ArgAction::Append),
        Form::Switch => {
            argument.long(spec.flag()).num_args(0..=1).require_equals(true).default_missing_value("true")
        }
    }
}

/// Takes any text and names the words that make sense, for help and completions: whether the text is
/// right is decided with all other problems.
#[derive(Clone, Debug)]
struct Words(&'static [&'static str]);

impl TypedValueParser for Words {
    type Value = String;

    fn parse_ref(
        &self,
        command: &Command,
        _: Option<&Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<String, clap::Error> {
        let not_unicode = || clap::Error::new(clap::error::ErrorKind::InvalidUtf8).with_cmd(command);
        Ok(value.to_str().ok_or_else(not_unicode)?.to_owned())
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        if self.0.is_empty() {
            return None;
        }
        Some(Box::new(self.0.iter().copied().map(PossibleValue::new)))
    }
}
