//! `chasar masternode start`.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chasar_link::Host;
use chasar_masternode::{Config, Endpoint, HistoryConfig, HttpConfig, Masternode, ReceiveConfig};

use super::state_dir;
use crate::args::StartMasternode;
use crate::exit::Failure;
use crate::log::LogConfig;
use crate::service::notify::Notifier;
use crate::settings::definition::{
    BIND, HISTORY, HISTORY_HOURS, HISTORY_MEMORY, HISTORY_MINUTES, HISTORY_RAW, HISTORY_SIZE, HTTP,
    HTTP_NAMES, LISTEN_PORT, MASTERNODE, MASTERNODE_STATE_DIR, RECEIVE, REMOTE_WRITE, STREAM, TOKEN_FILE,
    UPSTREAM,
};
use crate::settings::layers::{Layers, REAL};
use crate::settings::problem::Problem;
use crate::settings::value::{Listen, Place};
use crate::signal::Stop;

/// How long to wait for the parts before looking whether to stop.
const PATIENCE: Duration = Duration::from_millis(200);
/// Most upstreams: each costs three threads.
const MAX_UPSTREAMS: usize = 64;
/// How long a stop may take: what is queued is published and recorded.
const STOP_WITHIN: Duration = Duration::from_secs(5);

pub(crate) fn start(args: StartMasternode) -> Result<(), Failure> {
    super::service_or_not(args.service.service, MASTERNODE, || run(args))
}

fn run(args: StartMasternode) -> Result<(), Failure> {
    let mut typed = args.settings.texts;
    typed.extend(args.log.texts);
    let mut layers = Layers::new(typed, args.config.path.as_deref(), REAL);
    let (config, log) = (config(&mut layers), LogConfig::from(&mut layers));
    let (Some(config), Some(log), true) = (config, log, layers.problems.is_empty()) else {
        return Err(Failure::configuration(&layers.problems));
    };
    log.install_in(&config.state_dir);
    let stop = Stop::install(|| {}).map_err(Failure::no_signals)?;
    let mut running = Masternode::start(config).map_err(Failure::new)?;
    let addresses = running.addresses();
    tracing::info!(
        reports = %addresses.reports,
        stream = %addresses.stream.as_ref().map_or_else(|| "off".to_owned(), ToString::to_string),
        http = %addresses.http.map_or_else(|| "off".to_owned(), |a| format!("http://{a}")),
        "masternode started"
    );
    let mut notifier = Notifier::from_environment();
    notifier.status(format_args!(
        "reports on {}, stream {}, HTTP {}",
        addresses.reports,
        addresses.stream.as_ref().map_or_else(|| "off".to_owned(), |a| format!("on {a}")),
        addresses.http.map_or_else(|| "off".to_owned(), |a| format!("on http://{a}")),
    ));
    notifier.ready();
    let mut turns = running.turns();
    while !stop.requested() {
        // Only while all of them go on: a masternode of which one part is stuck is to be started anew.
        let now = running.turns();
        if now.iter().zip(&turns).all(|(now, before)| now != before) && notifier.alive() {
            turns = now;
        }
        match running.wait(PATIENCE) {
            Ok(None) => {}
            Ok(Some(())) => break,
            Err(error) => {
                // The reason matters; how the others end does not.
                let _ = running.stop(STOP_WITHIN);
                return Err(Failure::new(error));
            }
        }
    }
    notifier.stopping();
    running.stop(STOP_WITHIN).map_err(Failure::new)?;
    tracing::info!("masternode stopped");
    Ok(())
}

/// What the settings mean; `None` when something is wrong, which is then among the problems.
pub(crate) fn config<E: Fn(&str) -> Option<OsString>>(layers: &mut Layers<E>) -> Option<Config> {
    // All are read before any is missed, so that all problems are found.
    let (bind, port) = (layers.get(&BIND), layers.get(&LISTEN_PORT));
    let (stream, http) = (layers.get(&STREAM), layers.get(&HTTP));
    let (names, token_file) = (layers.get(&HTTP_NAMES), layers.get(&TOKEN_FILE));
    let upstreams = layers.get(&UPSTREAM);
    let state_dir = state_dir(layers);
    let history = state_dir.as_deref().map(|folder| history(layers, folder));
    let receive = layers.get(&RECEIVE);
    let state_dir = state_dir?;
    let token = match token_file {
        None => None,
        Some(given) => match read_token(&given.value) {
            Ok(token) => Some(token),
            Err(message) => {
                layers.problems.push(Problem { place: given.place, message });
                return None;
            }
        },
    };
    let remote_write = match layers.get(&REMOTE_WRITE) {
        None => Vec::new(),
        Some(given) => match given.value.read() {
            Ok(targets) => targets,
            Err(message) => {
                layers.problems.push(Problem { place: given.place, message });
                return None;
            }
        },
    };
    let bind = bind?.value;
    let endpoint = |listen: Listen| match listen {
        Listen::Off => None,
        Listen::Port(port) => Endpoint::new(&bind, port).ok(),
        Listen::Address(host, port) => Endpoint::new(&host, port).ok(),
    };
    let mut config = Config::new(&bind, state_dir).ok()?;
    config.reports = config.reports.with_port(port?.value);
    config.stream = endpoint(stream?.value);
    if let Some(given) = upstreams {
        match upstreams_of(&given.value, config.stream.as_ref()) {
            Ok(upstreams) => config.upstreams = upstreams,
            Err(message) => {
                layers.problems.push(Problem { place: given.place, message });
                return None;
            }
        }
    }
    config.http = endpoint(http?.value).map(|endpoint| HttpConfig {
        token,
        host_names: names.map(|given| given.value).unwrap_or_default(),
        ..HttpConfig::new(endpoint)
    });
    config.history = history??;
    let receive = receive?;
    if receive.value {
        let missing = match (&config.history, &config.http) {
            (None, _) => Some("history"),
            (_, None) => Some("HTTP"),
            _ => None,
        };
        if let Some(missing) = missing {
            let message = format!("what is received needs {missing}, which is off");
            layers.problems.push(Problem { place: receive.place, message });
            return None;
        }
        config.receive = Some(ReceiveConfig::default());
    }
    config.remote_write = remote_write;
    Some(config)
}

/// Where the streams of other masternodes are, or what is wrong with that.
fn upstreams_of(given: &[(String, u16)], own: Option<&Endpoint>) -> Result<Vec<Endpoint>, String> {
    if given.len() > MAX_UPSTREAMS {
        return Err(format!("{} upstreams are more than the {MAX_UPSTREAMS} that are possible", given.len()));
    }
    let mut upstreams: Vec<Endpoint> = Vec::with_capacity(given.len());
    for (host, port) in given {
        let upstream = Endpoint::new(host, *port).map_err(|e| e.to_string())?;
        let shown = upstream.to_string();
        let shown = shown.trim_start_matches("tcp://");
        if upstream.is_wildcard() {
            return Err(format!("{shown} is no address to connect to; name the computer"));
        }
        if upstreams.iter().any(|known| known.canonical() == upstream.canonical()) {
            return Err(format!("{shown} is there twice; each upstream is named once"));
        }
        if own.is_some_and(|own| is_own(&upstream, own)) {
            return Err(format!("{shown} is this masternode's own stream; name another one's"));
        }
        upstreams.push(upstream);
    }
    Ok(upstreams)
}

/// Whether this is surely our own stream; a name of this computer cannot be told without looking it up.
fn is_own(upstream: &Endpoint, own: &Endpoint) -> bool {
    if upstream.port() != own.port() {
        return false;
    }
    let is_localhost =
        |endpoint: &Endpoint| matches!(endpoint.host(), Host::Name(_)) && endpoint.is_loopback();
    let at = |endpoint: &Endpoint| match endpoint.host() {
        Host::Name(_) if is_localhost(endpoint) => Host::Address(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        host => host.clone(),
    };
    let own = own.canonical();
    at(&upstream.canonical()) == at(&own) || own.is_wildcard() && upstream.is_loopback()
}

/// The folder for what has to be remembered; `None` when there is none, which is then among the problems.
pub(crate) fn state_dir<E: Fn(&str) -> Option<OsString>>(layers: &mut Layers<E>) -> Option<PathBuf> {
    match layers.get(&MASTERNODE_STATE_DIR) {
        Some(given) => Some(given.value),
        None => state_dir::default_or_problem(layers, MASTERNODE, &MASTERNODE_STATE_DIR),
    }
}

/// What the settings of history mean, `Some(None)` when it is off; `None` when something is wrong, which
/// is then among the problems.
pub(crate) fn history<E: Fn(&str) -> Option<OsString>>(
    layers: &mut Layers<E>,
    state_dir: &Path,
) -> Option<Option<HistoryConfig>> {
    let (place, size) = (layers.get(&HISTORY), layers.get(&HISTORY_SIZE));
    let (raw, minutes) = (layers.get(&HISTORY_RAW), layers.get(&HISTORY_MINUTES));
    let (hours, memory) = (layers.get(&HISTORY_HOURS), layers.get(&HISTORY_MEMORY));
    let folder = match place?.value {
        Place::Off => None,
        Place::Usual => Some(HistoryConfig::below(state_dir).folder),
        Place::Folder(folder) => Some(folder),
    };
    let (max_bytes, memory) = (size?.value, memory?.value);
    let (raw, minutes, hours) = (raw?.value, minutes?.value, hours?.value);
    // As much as can be addressed is as much as there is.
    let memory_bytes = usize::try_from(memory).unwrap_or(usize::MAX);
    Some(folder.map(|folder| HistoryConfig { folder, max_bytes, raw, minutes, hours, memory_bytes }))
}

/// The token in a file, without the line break that editors add.
pub(super) fn read_token(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|e| {
        format!("cannot read {}: {e}; write a token of 16 to 256 characters into it", path.display())
    })?;
    let token = text.trim();
    if !(16..=256).contains(&token.len()) || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(format!(
            "{} has no token of 16 to 256 characters (letters, digits, punctuation)",
            path.display()
        ));
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn layers(typed: &[(&str, &str)]) -> Layers<impl Fn(&str) -> Option<OsString> + use<>> {
        let typed: BTreeMap<String, String> =
            typed.iter().map(|(id, text)| (format!("masternode.{id}"), (*text).to_owned())).collect();
        let environment = |name: &str| match name {
            "STATE_DIRECTORY" => Some(OsString::from("/state")),
            "XDG_CONFIG_HOME" => Some(OsString::from("/dev/null")),
            _ => None,
        };
        Layers::new(typed, None, environment)
    }

    #[test]
    fn without_a_word_it_is_the_masternodes_own_default() {
        let ours = config(&mut layers(&[])).expect("sound");
        let theirs = Config::new("127.0.0.1", "/state/masternode").unwrap();
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
    }

    #[test]
    fn every_setting_arrives() {
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        std::fs::write(&token, "0123456789abcdef\n").unwrap();
        let config = config(&mut layers(&[
            ("bind", "::1"),
            ("port", "7"),
            ("stream", "localhost:8"),
            ("http", "9"),
            ("http_names", "a.example, b"),
            ("upstream", "site:1,[::1]:2"),
            ("token_file", token.to_str().unwrap()),
            ("state_dir", "/elsewhere"),
            ("history", "/far/away"),
            ("history_size", "1GiB"),
            ("history_raw", "2d"),
            ("history_minutes", "3d"),
            ("history_hours", "4d"),
            ("history_memory", "64MiB"),
            ("remote_write", "http://a/,http://b/"),
        ]))
        .expect("sound");
        assert_eq!(config.reports, Endpoint::new("::1", 7).unwrap());
        assert_eq!(config.stream, Some(Endpoint::new("localhost", 8).unwrap()));
        let upstreams = [("site", 1), ("::1", 2)].map(|(host, port)| Endpoint::new(host, port).unwrap());
        assert_eq!(config.upstreams, upstreams);
        let http = config.http.expect("on");
        assert_eq!(http.endpoint, Endpoint::new("::1", 9).unwrap());
        assert_eq!(http.host_names, ["a.example", "b"]);
        assert_eq!(http.token.as_deref(), Some("0123456789abcdef"));
        assert_eq!(config.state_dir, Path::new("/elsewhere"));
        let days = |n: u64| Duration::from_secs(n * 86_400);
        let history = HistoryConfig {
            folder: "/far/away".into(),
            max_bytes: 1 << 30,
            raw: days(2),
            minutes: days(3),
            hours: days(4),
            memory_bytes: 64 << 20,
        };
        assert_eq!(config.history, Some(history));
        let urls: Vec<_> = config.remote_write.iter().map(|target| &*target.url).collect();
        assert_eq!(urls, ["http://a/", "http://b/"]);
    }

    #[test]
    fn upstreams_that_cannot_be_are_told() {
        let wrong = [
            ("*:6666", "*:6666 is no address to connect to"),
            ("0.0.0.0:6666", "no address to connect to"),
            ("a:1,b:1,A.:1", "A.:1 is there twice"),
            ("a:1,127.0.0.1:6666", "127.0.0.1:6666 is this masternode's own stream"),
            ("localhost:6666", "own stream"),
            (
                &(1..=65).map(|port| format!("a:{port}")).collect::<Vec<_>>().join(","),
                "65 upstreams are more",
            ),
        ];
        for (given, told) in wrong {
            let mut layers = layers(&[("upstream", given)]);
            assert!(config(&mut layers).is_none(), "{given}");
            let problems: Vec<String> = layers.problems.iter().map(ToString::to_string).collect();
            let one = problems.len() == 1 && problems[0].starts_with("--upstream: ");
            assert!(one && problems[0].contains(told), "{problems:?}");
        }
        let wide = [("bind", "0.0.0.0"), ("upstream", "127.0.0.2:6666")];
        assert!(config(&mut layers(&wide)).is_none(), "all addresses are its own");
        for fine in ["127.0.0.1:6667", "127.0.0.2:6666", "site:6666"] {
            assert!(config(&mut layers(&[("upstream", fine)])).is_some(), "{fine}");
        }
    }

    #[test]
    fn stream_and_http_can_be_off_and_a_bad_token_is_told() {
        let off =
            config(&mut layers(&[("stream", "off"), ("http", "off"), ("history", "off")])).expect("sound");
        assert!(off.stream.is_none() && off.http.is_none() && off.history.is_none());
        let mut layers = layers(&[("token_file", "/nowhere")]);
        assert!(config(&mut layers).is_none());
        let problem = layers.problems[0].to_string();
        assert!(problem.starts_with("--token-file: cannot read /nowhere"), "{problem}");
    }
}
