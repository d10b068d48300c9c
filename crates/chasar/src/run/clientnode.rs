//! `chasar clientnode start`.

use std::ffi::OsString;
use std::time::Duration;

use chasar_clientnode::config::{Outbox, ProcessList, Spool};
use chasar_clientnode::{Config, News, RunError, Watcher};

use super::state_dir;
use crate::args::StartClientnode;
use crate::exit::Failure;
use crate::log::LogConfig;
use crate::service::notify::Notifier;
use crate::settings::definition::{
    ALSO, AnySetting, CLIENTNODE, COMPRESS, INTERVAL, MASTERNODE_HOST, OUTBOX_AGE, OUTBOX_SIZE, PORT,
    PROCESSES, SPOOL_DIR, SPOOL_SIZE, STATE_DIR,
};
use crate::settings::layers::{Layers, REAL};
use crate::settings::problem::{Place, Problem};
use crate::settings::value::Processes;
use crate::signal::Stop;

pub(crate) fn start(args: StartClientnode) -> Result<(), Failure> {
    super::service_or_not(args.service.service, CLIENTNODE, || run(args))
}

fn run(args: StartClientnode) -> Result<(), Failure> {
    let mut typed = args.settings.texts;
    typed.extend(args.log.texts);
    let mut layers = Layers::new(typed, args.config.path.as_deref(), REAL);
    let (config, log) = (config(&mut layers), LogConfig::from(&mut layers));
    let (Some(config), Some(log), true) = (config, log, layers.problems.is_empty()) else {
        return Err(Failure::configuration(&layers.problems));
    };
    // Nothing of this is needed for the months that follow.
    drop(layers);
    chasar_clientnode::keep_memory_small();
    log.install_in(&config.state_folder);
    let stop = chasar_clientnode::Stop::new().map_err(Failure::no_signals)?;
    let bell = stop.clone();
    let _signals = Stop::install(move || bell.trigger()).map_err(Failure::no_signals)?;
    chasar_clientnode::run_watched(&config, &stop, &mut Supervisor(Notifier::from_environment()))
        .map_err(failure)
}

/// The service manager, told how the agent is doing.
struct Supervisor(Notifier);

impl Watcher for Supervisor {
    fn hear(&mut self, news: News<'_>) {
        match news {
            News::Ready { .. } => self.0.ready(),
            News::Alive => drop(self.0.alive()),
            News::Connected { masternode } => self.0.status(format_args!("connected to {masternode}")),
            News::NoLink { masternode, reason } => {
                self.0.status(format_args!("no link to {masternode}: {reason}"));
            }
            News::Links { status } => self.0.status(format_args!("{status}")),
            News::Stopping => self.0.stopping(),
            _ => {}
        }
    }

    fn every(&self) -> Option<Duration> {
        self.0.every()
    }
}

/// Why an agent did not run, with what to do where the words of the agent leave that open.
pub(crate) fn failure(error: RunError) -> Failure {
    match &error {
        RunError::Identity(_) => Failure::new(format_args!("{error} (--state-dir)")),
        RunError::SpoolInUse(_) => Failure::new(format_args!("{error} (--spool-dir)")),
        _ => Failure::new(error),
    }
}

/// What the settings mean; `None` when something is wrong, which is then among the problems.
pub(crate) fn config<E: Fn(&str) -> Option<OsString>>(layers: &mut Layers<E>) -> Option<Config> {
    // All are read before any is missed, so that all problems are found.
    let (masternode, port) = (layers.get(&MASTERNODE_HOST), layers.get(&PORT));
    let also = layers.get(&ALSO).map(|given| given.value).unwrap_or_default();
    let (interval, processes) = (layers.get(&INTERVAL), layers.get(&PROCESSES));
    let (age, size) = (layers.get(&OUTBOX_AGE), layers.get(&OUTBOX_SIZE));
    let (spool_dir, spool_size) = (layers.get(&SPOOL_DIR), layers.get(&SPOOL_SIZE));
    let (compress, state_dir) = (layers.get(&COMPRESS), layers.get(&STATE_DIR));
    let state_dir = match state_dir {
        Some(given) => given.value,
        None => state_dir::default_or_problem(layers, CLIENTNODE, &STATE_DIR)?,
    };
    let mut config = Config::new(masternode?.value, port?.value, state_dir);
    config.also = also;
    config.interval = interval?.value;
    config.processes = match processes?.value {
        Processes::Busiest(n) => ProcessList::Top(n),
        Processes::All => ProcessList::All,
        Processes::None => ProcessList::None,
    };
    config.compress = compress?.value;
    let outbox = Outbox { age: age?.value, bytes: usize::try_from(size?.value).unwrap_or(usize::MAX) };
    config.outbox = Some(outbox).filter(|o| !o.age.is_zero() && o.bytes > 0);
    let spool_size = spool_size?.value;
    config.spool = spool_dir.map(|folder| Spool { folder: folder.value, bytes: spool_size });

    let problems = config.problems();
    for problem in &problems {
        // The agent knows its limits; we know where each value was given.
        let setting: &dyn AnySetting = match problem.setting {
            "masternode" => &MASTERNODE_HOST,
            "port" => &PORT,
            "also" => &ALSO,
            "interval" => &INTERVAL,
            "processes" => &PROCESSES,
            "outbox.age" => &OUTBOX_AGE,
            "outbox.bytes" => &OUTBOX_SIZE,
            "spool" | "spool.folder" => &SPOOL_DIR,
            "spool.bytes" => &SPOOL_SIZE,
            _ => &STATE_DIR,
        };
        let place = layers.text(setting).map_or(Place::Default, |given| given.place);
        let message = match place {
            Place::File(..) => format!("{}: {}", setting.spec().key, problem.message),
            _ => problem.message.clone(),
        };
        layers.problems.push(Problem { place, message });
    }
    problems.is_empty().then_some(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn layers(typed: &[(&str, &str)]) -> Layers<impl Fn(&str) -> Option<OsString> + use<>> {
        let typed: BTreeMap<String, String> =
            typed.iter().map(|(id, text)| (format!("clientnode.{id}"), (*text).to_owned())).collect();
        let environment = |name: &str| match name {
            "STATE_DIRECTORY" => Some(OsString::from("/state:/other")),
            "XDG_CONFIG_HOME" => Some(OsString::from("/dev/null")),
            _ => None,
        };
        Layers::new(typed, None, environment)
    }

    #[test]
    fn without_a_word_it_is_the_agents_own_default() {
        let mut layers = layers(&[]);
        assert_eq!(config(&mut layers), Some(Config::new("127.0.0.1", 5555, "/state/clientnode")));
        assert_eq!(layers.problems, []);
    }

    #[test]
    fn every_setting_arrives() {
        let mut layers = layers(&[
            ("masternode", "[::1]"),
            ("port", "7"),
            ("also", "b:1,[::2]:3"),
            ("interval", "250ms"),
            ("processes", "all"),
            ("outbox_age", "2m"),
            ("outbox_size", "8MiB"),
            ("spool_dir", "/spool"),
            ("spool_size", "1G"),
            ("compress", "true"),
            ("state_dir", "/elsewhere"),
        ]);
        let config = config(&mut layers).expect("sound");
        let expected = Config {
            also: vec![("b".to_owned(), 1), ("::2".to_owned(), 3)],
            interval: Duration::from_millis(250),
            processes: ProcessList::All,
            outbox: Some(Outbox { age: Duration::from_secs(120), bytes: 8 << 20 }),
            spool: Some(Spool { folder: "/spool".into(), bytes: 1 << 30 }),
            compress: true,
            ..Config::new("::1", 7, "/elsewhere")
        };
        assert_eq!(config, expected);
    }

    #[test]
    fn nothing_is_kept_with_an_age_or_size_of_nothing() {
        for none in [("outbox_age", "0"), ("outbox_size", "0")] {
            assert_eq!(config(&mut layers(&[none])).expect("sound").outbox, None);
        }
        let mut layers = layers(&[("outbox_age", "0"), ("spool_dir", "/spool")]);
        assert_eq!(config(&mut layers), None);
        assert_eq!(layers.problems[0].to_string(), "--spool-dir: works only with an outbox, which is off");
    }
}
