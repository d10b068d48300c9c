//! Flag over environment over file over default.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::definition::{self, AnySetting, Default, Setting};
use super::file::File;
use super::problem::{Place, Problem, quoted};

/// Names the file where `--config` does not.
pub(crate) const CONFIG_VARIABLE: &str = "CHASAR_CONFIG";

/// What the environment says under a name.
pub(crate) type Environment = fn(&str) -> Option<OsString>;

/// Everything that was said about settings, by where it was said.
#[derive(Debug)]
pub(crate) struct Layers<E = Environment> {
    environment: E,
    command_line: BTreeMap<String, String>,
    file: Option<File>,
    /// Everything that is wrong, in the order in which it was found.
    pub(crate) problems: Vec<Problem>,
}

/// A value and where it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

/// The environment of this process.
pub(crate) const REAL: Environment = |name| std::env::var_os(name);

impl<E: Fn(&str) -> Option<OsString>> Layers<E> {
    /// Takes what was typed, by the id of the setting, and reads the file: the one at `config`, or the
    /// one that `CHASAR_CONFIG` names, or the first that exists of [`default_places`].
    pub(crate) fn new(typed: BTreeMap<String, String>, config: Option<&Path>, environment: E) -> Layers<E> {
        let named = config.map(Path::to_owned).or_else(|| {
            let path = environment(CONFIG_VARIABLE).filter(|p| !p.is_empty())?;
            Some(PathBuf::from(path))
        });
        let mut layers = Layers { environment, command_line: typed, file: None, problems: Vec::new() };
        let places = match &named {
            Some(path) => vec![path.clone()],
            None => default_places(&layers.environment),
        };
        for path in places {
            match read_text(&path) {
                Ok(text) => {
                    layers.file = Some(File::read(&path, &text, &mut layers.problems));
                    break;
                }
                Err(e)
                    if named.is_none()
                        && matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
                Err(e) => {
                    let message = format!(
                        "cannot read the configuration file: {e}; check the path and its permissions"
                    );
                    layers.problems.push(Problem { place: Place::Path(path), message });
                    break;
                }
            }
        }
        layers
    }

    /// The same with the text of a file that is at hand.
    pub(crate) fn with_text(
        typed: BTreeMap<String, String>,
        file: Option<(PathBuf, &str)>,
        environment: E,
    ) -> Layers<E> {
        let mut problems = Vec::new();
        let file = file.map(|(path, text)| File::read(&path, text, &mut problems));
        Layers { environment, command_line: typed, file, problems }
    }

    /// The file that was read.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_ref().map(|f| f.path.as_path())
    }

    /// What the file says about a setting, whatever goes over it.
    pub(crate) fn in_file(&self, setting: &dyn AnySetting) -> Option<&str> {
        self.file.as_ref()?.get(&setting.spec().id()).map(|(text, _)| text.as_str())
    }

    /// What the environment says, unless it is empty.
    pub(crate) fn variable(&self, name: &str) -> Option<OsString> {
        (self.environment)(name).filter(|text| !text.is_empty())
    }

    /// The text that holds for a setting and where it is from, unchecked; `None` where nothing was said
    /// and the default is not a text.
    pub(crate) fn text(&mut self, setting: &dyn AnySetting) -> Option<Given<String>> {
        let spec = setting.spec();
        if let Some(text) = self.command_line.get(&spec.id()) {
            let place = Place::CommandLine(spec.on_command_line());
            return Some(Given { value: text.clone(), place });
        }
        let name = spec.environment();
        // An empty variable is how one takes it back.
        if let Some(text) = self.variable(&name) {
            // What is not UTF-8 is wrong for every setting and shows as such.
            let value = text.to_string_lossy().into_owned();
            return Some(Given { value, place: Place::Environment(name) });
        }
        if let Some((text, place)) = self.file.as_ref().and_then(|f| f.get(&spec.id())) {
            return Some(Given { value: text.clone(), place: place.clone() });
        }
        match spec.default {
            Default::Text(text) => Some(Given { value: text.to_owned(), place: Place::Default }),
            Default::Words { .. } => None,
        }
    }

    /// The value that holds for a setting; `None` as for [`Layers::text`], or when it is wrong, which
    /// is then among the problems.
    pub(crate) fn get<T>(&mut self, setting: &Setting<T>) -> Option<Given<T>> {
        let given = self.text(setting)?;
        match (setting.parse)(&given.value) {
            Ok(value) => Some(Given { value, place: given.place }),
            Err(_) => {
                self.check(setting, &given);
                None
            }
        }
    }

    /// Adds to the problems if what was given is wrong.
    pub(crate) fn check(&mut self, setting: &dyn AnySetting, given: &Given<String>) {
        if let Err(rest) = setting.check(&given.value) {
            let mut message = format!("{} {rest}", quoted(without_secret(&given.value)));
            // In a pod beside a service called chasar-masternode, CHASAR_MASTERNODE_PORT is such an address.
            if matches!(given.place, Place::Environment(_)) && given.value.starts_with("tcp://") {
                message += "; if Kubernetes set it for a service, set enableServiceLinks to false in the pod";
            }
            self.problems.push(Problem { place: given.place.clone(), message });
        }
    }
}

/// An address without what may be a user with a password, or stands behind its path.
fn without_secret(text: &str) -> &str {
    match text.split_once("://") {
        Some((scheme, rest)) if rest.contains('@') => scheme,
        Some(_) => text.split('?').next().unwrap_or_default(),
        None => text,
    }
}

fn read_text(path: &Path) -> std::io::Result<String> {
    // Far more than all settings with comments; keeps a device or a log from being read.
    const MOST: u64 = 1 << 20;
    let file = std::fs::File::open(path)?;
    let mut text = String::new();
    let read = std::io::Read::read_to_string(&mut std::io::Read::take(file, MOST + 1), &mut text)?;
    if read as u64 > MOST {
        return Err(std::io::Error::new(ErrorKind::FileTooLarge, "it is larger than 1 MiB"));
    }
    Ok(text)
}

/// Where the file is looked for when nobody names one; the first that exists is read.
pub(crate) fn default_places(environment: &impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let variable = |name| environment(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    #[cfg(windows)]
    if let Some(everybody) = variable("ProgramData") {
        // A service has no user of its own.
        let own = if crate::windows::service::runs() { None } else { variable("APPDATA") };
        let file = |folder: PathBuf| folder.join("chasar").join("chasar.toml");
        return own.into_iter().chain([everybody]).map(file).collect();
    }
    let own = variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")));
    let own = own.map(|folder| folder.join("chasar").join("chasar.toml"));
    own.into_iter().chain([PathBuf::from("/etc/chasar/chasar.toml")]).collect()
}

/// Names in the environment that begin like ours and mean nothing, in order.
pub(crate) fn unknown_variables() -> Vec<String> {
    let known = |name: &str| {
        name == CONFIG_VARIABLE || definition::ALL.iter().any(|s| s.spec().environment() == name)
    };
    let mut names: Vec<String> = std::env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name.starts_with("CHASAR_") && !known(name))
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args;
    use crate::settings::definition::{ALL, Form};

    /// Three values of every setting that differ from each other and from the default.
    const VALUES: [(&str, [&str; 3]); ALL.len()] = [
        ("masternode.bind", ["192.0.2.1", "192.0.2.2", "::1"]),
        ("masternode.port", ["1", "2", "3"]),
        ("masternode.stream", ["1", "off", "host:3"]),
        ("masternode.http", ["1", "off", "host:3"]),
        ("masternode.token_file", ["/a", "/b", "/c"]),
        ("masternode.http_names", ["a", "b.example", "c, d"]),
        ("masternode.upstream", ["a:1", "a:1, b:2", "[::1]:3"]),
        ("masternode.state_dir", ["/a", "/b", "/c"]),
        ("masternode.history", ["off", "/b", "./c"]),
        ("masternode.history_size", ["1G", "2G", "3G"]),
        ("masternode.history_raw", ["1h", "2d", "3d"]),
        ("masternode.history_minutes", ["1h", "2d", "3d"]),
        ("masternode.history_hours", ["1h", "2d", "3d"]),
        ("masternode.history_memory", ["16MiB", "2G", "3G"]),
        ("masternode.receive", ["true", "false", "true"]),
        ("masternode.remote_write", ["http://a/,http://b/", "./b", "http://c/"]),
        ("clientnode.masternode", ["a", "b", "c"]),
        ("clientnode.port", ["1", "2", "3"]),
        ("clientnode.also", ["a:1", "a:1, b:2", "[::1]:3"]),
        ("clientnode.interval", ["2", "500ms", "1m"]),
        ("clientnode.processes", ["all", "none", "7"]),
        ("clientnode.outbox_age", ["1", "2m", "3d"]),
        ("clientnode.outbox_size", ["8MiB", "16MiB", "64MiB"]),
        ("clientnode.spool_dir", ["/a", "/b", "/c"]),
        ("clientnode.spool_size", ["1G", "2G", "3G"]),
        ("clientnode.compress", ["true", "false", "true"]),
        ("clientnode.state_dir", ["/a", "/b", "/c"]),
        ("log.level", ["warn", "debug", "off"]),
        ("log.format", ["json", "text", "json"]),
    ];

    /// What the command line makes of `--flag value`, or of positional values up to this one.
    fn typed(setting: &dyn AnySetting, value: &str) -> BTreeMap<String, String> {
        let spec = setting.spec();
        let command = if spec.section == definition::LOG { definition::CLIENTNODE } else { spec.section };
        let mut argv = vec!["chasar".to_owned(), command.to_owned(), "start".to_owned()];
        match spec.form {
            Form::Flag | Form::List | Form::Switch => argv.push(format!("--{}={value}", spec.flag())),
            Form::Positional => {
                let before = definition::of_section(spec.section).take_while(|s| s.spec().key != spec.key);
                argv.extend(before.map(|_| "0.0.0.0".to_owned()));
                argv.push(value.to_owned());
            }
        }
        let cli = args::parse_from(argv).expect("accepted");
        let mut texts = cli.settings();
        texts.retain(|id, _| *id == spec.id());
        texts
    }

    #[test]
    fn flag_over_environment_over_file_over_default_for_every_setting() {
        let folder = tempfile::tempdir().unwrap();
        for setting in ALL {
            let spec = setting.spec();
            let (_, [in_file, in_environment, on_line]) =
                VALUES.iter().find(|(id, _)| *id == spec.id()).expect("every setting has values here");
            let path = folder.path().join(format!("{}.toml", spec.id()));
            std::fs::write(&path, format!("[{}]\n{} = \"{in_file}\"\n", spec.section, spec.key)).unwrap();
            for (with_file, with_environment, with_line) in
                [(false, false, false), (true, false, false), (true, true, false), (true, true, true)]
            {
                let line = if with_line { typed(setting, on_line) } else { BTreeMap::new() };
                let name = spec.environment();
                let environment = |asked: &str| match asked {
                    asked if with_environment && asked == name => Some(OsString::from(in_environment)),
                    // No file is found in any default place.
                    "XDG_CONFIG_HOME" => Some(OsString::from("/dev/null")),
                    _ => None,
                };
                let mut layers = Layers::new(line, with_file.then_some(path.as_path()), environment);
                let text = layers.text(setting).map(|given| given.value);
                assert_eq!(layers.problems, []);
                let expected = match (with_file, with_environment, with_line) {
                    (_, _, true) => Some(*on_line),
                    (_, true, _) => Some(*in_environment),
                    (true, _, _) => Some(*in_file),
                    _ => match spec.default {
                        Default::Text(text) => Some(text),
                        Default::Words { .. } => None,
                    },
                };
                assert_eq!(text.as_deref(), expected, "{}", spec.id());
            }
        }
    }

    #[test]
    fn a_wrong_value_is_told_with_its_place_and_an_empty_variable_is_none() {
        let line = BTreeMap::from([("clientnode.interval".to_owned(), "0".to_owned())]);
        let environment = |name: &str| match name {
            "CHASAR_CLIENTNODE_PROCESSES" => Some(OsString::from("many")),
            "CHASAR_MASTERNODE_PORT" => Some(OsString::from("tcp://10.0.0.1:5555")),
            "CHASAR_CLIENTNODE_PORT" => Some(OsString::new()),
            "XDG_CONFIG_HOME" => Some(OsString::from("/dev/null")),
            _ => None,
        };
        let mut layers = Layers::new(line, None, environment);
        assert_eq!(layers.get(&definition::INTERVAL), None);
        assert_eq!(layers.get(&definition::PROCESSES), None);
        assert_eq!(layers.get(&definition::LISTEN_PORT), None);
        assert_eq!(layers.get(&definition::PORT).unwrap().place, Place::Default);
        let lines: Vec<String> = layers.problems.iter().map(Problem::to_string).collect();
        assert_eq!(
            lines,
            [
                "--interval: \"0\" is not an interval; give 0.1 to 3600 seconds, such as 0.5, 2s or 1m",
                "environment CHASAR_CLIENTNODE_PROCESSES: \"many\" is not a number of processes; \
                 give 0 to 4096, all, or none",
                "environment CHASAR_MASTERNODE_PORT: \"tcp://10.0.0.1:5555\" is not a port; give a number from 0 to \
                 65535; if Kubernetes set it for a service, set enableServiceLinks to false in the pod",
            ]
        );
    }
}
