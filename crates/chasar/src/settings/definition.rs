//! What a setting is, and all of them.

use std::path::PathBuf;
use std::time::Duration;

use super::remote_write::{self, Targets};
use super::value::{self, Format, Level, Listen, Place, Processes};

/// What is the same for settings of every type: from this come the flag with its help, the name in
/// the environment, the key in the file and the line in the example.
#[derive(Debug)]
pub(crate) struct Spec {
    /// The table in the file, such as `clientnode`.
    pub(crate) section: &'static str,
    /// The key in that table, such as `outbox_age`.
    pub(crate) key: &'static str,
    /// What a value is called in the help.
    pub(crate) value_name: &'static str,
    /// How it stands on the command line.
    pub(crate) form: Form,
    /// What holds where nothing is said.
    pub(crate) default: Default,
    /// The words that may be given, where these are all.
    pub(crate) choices: &'static [&'static str],
    /// One line on what it is, as a sentence without its dot.
    pub(crate) help: &'static str,
    /// What else is worth knowing; may be empty.
    pub(crate) more: &'static str,
}

/// How a setting stands on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// By its place.
    Positional,
    /// `--name VALUE`.
    Flag,
    /// `--name VALUE`, any number of times; in the file a list, in the environment separated by commas.
    List,
    /// `--name`, or `--name=false` against what the file says.
    Switch,
}

/// What holds where nothing is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Default {
    /// This text, as it would be written.
    Text(&'static str),
    /// It depends, or is nothing at all: said for people, with an example of a value.
    Words { words: &'static str, example: &'static str },
}

impl Spec {
    /// `clientnode.outbox_age`.
    pub(crate) fn id(&self) -> String {
        format!("{}.{}", self.section, self.key)
    }

    /// The flag without its dashes: `outbox-age`. Those of the log are `log-…`, since they stand
    /// beside those of the command.
    pub(crate) fn flag(&self) -> String {
        let key = self.key.replace('_', "-");
        if self.section == LOG { format!("log-{key}") } else { key }
    }

    /// How a person writes it on the command line: `--outbox-age`, or `[port]`.
    pub(crate) fn on_command_line(&self) -> String {
        match self.form {
            Form::Positional => format!("[{}]", self.value_name),
            Form::Flag | Form::List | Form::Switch => format!("--{}", self.flag()),
        }
    }

    /// `CHASAR_CLIENTNODE_OUTBOX_AGE`.
    pub(crate) fn environment(&self) -> String {
        format!("CHASAR_{}_{}", self.section, self.key).to_uppercase()
    }
}

/// One setting and what its text means.
#[derive(Debug)]
pub(crate) struct Setting<T> {
    /// All but the type.
    pub(crate) spec: Spec,
    /// Reads a value; the error is the rest of a sentence that begins with the value in quotes.
    pub(crate) parse: fn(&str) -> Result<T, String>,
}

/// A setting of any type.
pub(crate) trait AnySetting: Sync {
    /// All but the type.
    fn spec(&self) -> &Spec;
    /// Whether `text` is a value.
    fn check(&self, text: &str) -> Result<(), String>;
}

impl<T> AnySetting for Setting<T> {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn check(&self, text: &str) -> Result<(), String> {
        (self.parse)(text).map(drop)
    }
}

/// The table of the masternode.
pub(crate) const MASTERNODE: &str = "masternode";
/// The table of the clientnode.
pub(crate) const CLIENTNODE: &str = "clientnode";
/// The table of the log.
pub(crate) const LOG: &str = "log";

/// The tables, each with a line on what it is.
pub(crate) const SECTIONS: [(&str, &str); 3] = [
    (MASTERNODE, "The server that receives reports and streams them: chasar masternode start"),
    (CLIENTNODE, "The agent that reports about this computer: chasar clientnode start"),
    (LOG, "What is written to stderr"),
];

/// All settings, in the order of the example; positional ones in their order.
pub(crate) static ALL: [&dyn AnySetting; 29] = [
    &BIND,
    &LISTEN_PORT,
    &STREAM,
    &HTTP,
    &TOKEN_FILE,
    &HTTP_NAMES,
    &UPSTREAM,
    &MASTERNODE_STATE_DIR,
    &HISTORY,
    &HISTORY_SIZE,
    &HISTORY_RAW,
    &HISTORY_MINUTES,
    &HISTORY_HOURS,
    &HISTORY_MEMORY,
    &RECEIVE,
    &REMOTE_WRITE,
    &MASTERNODE_HOST,
    &PORT,
    &ALSO,
    &INTERVAL,
    &PROCESSES,
    &OUTBOX_AGE,
    &OUTBOX_SIZE,
    &SPOOL_DIR,
    &SPOOL_SIZE,
    &COMPRESS,
    &STATE_DIR,
    &LOG_LEVEL,
    &LOG_FORMAT,
];

/// Those of one table.
pub(crate) fn of_section(section: &str) -> impl Iterator<Item = &'static dyn AnySetting> {
    ALL.iter().copied().filter(move |s| s.spec().section == section)
}

pub(crate) static BIND: Setting<String> = Setting {
    spec: Spec {
        section: MASTERNODE,
        key: "bind",
        value_name: "ip-address-bind",
        form: Form::Positional,
        default: Default::Text("127.0.0.1"),
        choices: &[],
        help: "Address of this computer to listen on, for all three ports",
        more: "An IPv4 or IPv6 address or a host name of this computer; 0.0.0.0 is every IPv4 address, \
               :: every IPv6 address.",
    },
    parse: value::host,
};

pub(crate) static LISTEN_PORT: Setting<u16> = Setting {
    spec: Spec {
        section: MASTERNODE,
        key: "port",
        value_name: "port",
        form: Form::Positional,
        default: Default::Text("5555"),
        choices: &[],
        help: "TCP port for the reports of the clientnodes",
        more: "0 lets the system choose a free one; the log says which.",
    },
    parse: value::port,
};

pub(crate) static STREAM: Setting<Listen> = Setting {
    spec: Spec {
        section: MASTERNODE,
        key: "stream",
        value_name: "address",
        form: Form::Flag,
        default: Default::Text("6666"),
        choices: &[],
        help: "Where subscribers connect: a port, host:port, or off",
        more: "A port alone is on the address to listen on.",
    },
    parse: value::listen,
};

pub(crate) static HTTP: Setting<Listen> = Setting {
    spec: Spec {
        section: MASTERNODE,
        key: "http",
        value_name: "address",
        form: Form::Flag,
        default: Default::Text("7777"),
        choices: &[],
        help: "Where /health, /metrics and /api/fleet are served: a port, host:port, or off",
        more: "A port alone is on the address to listen on. On anything but loopback a token is needed.",
    },
    parse: value::listen,
};

pub(crate) static TOKEN_FILE: Setting<PathBuf> = Setting {
    spec: Spec {
        section: MASTERNODE,
        key: "token_file",
        value_name: "path",
        form: Form::Flag,
        default: Default::Words { words: "none", example: "/etc/chasar/token" },
        choices: &[],
        help: "File with the token that HTTP requests have to carry",
        more: "Requests carry it as \"Authorization: Bearer TOKEN\". A file, since arguments and \
               environment are seen by others.",
    },
    parse: value::path,
};

pub(crate) static HTTP_NAMES: Setting<Vec<String>> = Setting {
    spec: Spec {
        section: MASTERNODE,
        key: "http_names",
        value_name: "names",
        form: Form::Flag,
        default: Default::Words { words: "none", example: "chasar.example" },
        choices: &[],
        help: "Host names under which HTTP may be asked for, separated by commas",
        more: "IP addresses, localhost and the host it listens on are always fine; any other name is refused, \
               so that no web page reaches it under a name of its own.",
    },
    parse: value::hosts,
};

pub(crate) static UPSTREAM: Setting<Vec<(String, u16)>> = Setting {
    spec: Spec {
        section: MASTERNODE,
        key: "upstream",
        value_name: "address",
        form: Form::List,
        default: Default::Words { words: "none", example: "site.example:6666" },
        choices: &[],
        help: "The stream of another masternode whose nodes are taken in too: host:port; may be repeated",
        more: "Its nodes appear here as if they reported to this one, each report once however often it comes. A \
               stream has no replay: what is published while the link is broken is missing here.",
    },
    parse: value::addresses,
};

pub(crate) static MASTERNODE_STATE_DIR: Setting<PathBuf> = Setting {
    spec: Spec {
        section: MASTERNODE,
        key: "state_dir",
        value_name: "path",
        form: Form::Flag,
        // As `run::state_dir` decides.
        default: Default::Words {
            words: if cfg!(target_os = "macos") {
                "/usr/local/var/chasar/masternode for root, else ~/Library/Application Support/chasar/masternode"
            } else if cfg!(target_os = "freebsd") {
                "/var/db/chasar/masternode for root, else ~/.local/state/chasar/masternode"
            } else if cfg!(windows) {
                r"%ProgramData%\chasar\masternode for a service, else %LOCALAPPDATA%\chasar\masternode"
            } else {
                "/var/lib/chasar/masternode for root, else ~/.local/state/chasar/masternode"
            },
            example: "/var/lib/chasar/masternode",
        },
        choices: &[],
        help: "Folder for what the masternode has to remember",
        more: STATE_DIR_MORE,
    },
    parse: value::path,
};

pub(crate) static HISTORY: Setting<Place> = Setting {
    spec: Spec {
        section: MASTERNODE,
        key: "history",
        value_name: "on|off|path",
        form: Form::Flag,
        default: Default::Text("on"),
        choices: &[],
        help: "Where every sample of every node is kept: on, off, or a folder",
        more: "on is the folder history in the state folder. off keeps nothing; the newest samples are served all the same.",
    },
    parse: value::place,
};

pub(crate) static HISTORY_SIZE: Setting<u64> = Setting {
    spec: Spec {
        section: MASTERNODE,
        key: "history_size",
        value_name: "bytes",
        form: Form::Flag,
        default: Default::Text("10GiB"),
        choices: &[],
        help: "How much disk the history may take; the oldest samples go first",
        more: "At least 16 MiB. A node takes about 10 MB a day: 200 series a second at half a byte a sample.",
    },
    parse: value::large_size,
};

pub(crate) static HISTORY_RAW: Setting<Duration> = Setting {
    spec: Spec {
        section: MASTERNODE,
        key: "history_raw",
        value_name: "time",
        form: Form::Flag,
        default: Default::Text("30d"),
        choices: &[],
        help: "How long samples are kept as they came, as far as the size goes",
        more: "At least an hour.",
    },
    parse: value::keeping,
};

pub(crate) static HISTORY_MINUTES: Setting<Duration> = Setting {
    spec: Spec {
        section: MASTERNODE,
        key: "history_minutes",
        value_name: "time",
        form: Form::Flag,
        default: Default::Text("90d"),
        choices: &[],
        help: "How long a minimum, maximum, sum and last value a minute are kept",
        more: "At least an hour.",
    },
    parse: value::keeping,
};

pub(crate) static HISTORY_HOURS: Setting<Duration> = Setting {
    spec: Spec {
        section: MASTERNODE,
        key: "history_hours",
        value_name: "time",
        form: Form::Flag,
        default: Default::Text("730d"),
        choices: &[],
        help: "How long those of an hour are kept",
        more: "At least an hour.",
    },
    parse: value::keeping,
};

pub(crate) static HISTORY_MEMORY: Setting<u64> = Setting {
    spec: Spec {
        section: MASTERNODE,
        key: "history_memory",
        value_name: "bytes",
        form: Form::Flag,
        default: Default::Text("1GiB"),
        choices: &[],
        help: "How much memory the samples of the last minutes may take",
        more: "At least 16 MiB; 1,000 nodes of 250 series take 60 MiB. Beyond it samples are dropped and counted.",
    },
    parse: value::large_size,
};

pub(crate) static RECEIVE: Setting<bool> = Setting {
    spec: Spec {
        section: MASTERNODE,
        key: "receive",
        value_name: "true|false",
        form: Form::Switch,
        default: Default::Text("false"),
        choices: &["true", "false"],
        help: "Take samples that others send over HTTP into the history: remote write, OpenTelemetry",
        more: "Their URLs are http://HOST:7777/api/v1/write (Prometheus' remote write) and \
               http://HOST:7777/api/v1/otlp/v1/metrics (OpenTelemetry over HTTP); where HTTP wants a token, they need it too. Names \
               and labels are stored as they are sent, so whoever may send can write into the series of \
               any node.",
    },
    parse: value::boolean,
};

pub(crate) static REMOTE_WRITE: Setting<Targets> = Setting {
    spec: Spec {
        section: MASTERNODE,
        key: "remote_write",
        value_name: "url|path",
        form: Form::List,
        default: Default::Words { words: "none", example: "http://victoria:8428/api/v1/write" },
        choices: &[],
        help: "Where to send all samples by Prometheus remote write as well: addresses, or a file",
        more: "Give the flag once for each address. The file says more of each target: passwords, tokens, TLS, \
               which series it gets, the size of its queue; see docs/remote.md. What a target cannot take now waits \
               on disk, in the folder remote of the state folder, up to 1 GiB for each target.",
    },
    parse: remote_write::targets,
};

pub(crate) static MASTERNODE_HOST: Setting<String> = Setting {
    spec: Spec {
        section: CLIENTNODE,
        key: "masternode",
        value_name: "ip-address-masternode",
        form: Form::Positional,
        default: Default::Text("127.0.0.1"),
        choices: &[],
        help: "The masternode to report to: host name, IPv4 or IPv6 address",
        more: "",
    },
    parse: value::host,
};

pub(crate) static PORT: Setting<u16> = Setting {
    spec: Spec {
        section: CLIENTNODE,
        key: "port",
        value_name: "port",
        form: Form::Positional,
        default: Default::Text("5555"),
        choices: &[],
        help: "TCP port of the masternode",
        more: "",
    },
    parse: value::port_to_connect,
};

pub(crate) static ALSO: Setting<Vec<(String, u16)>> = Setting {
    spec: Spec {
        section: CLIENTNODE,
        key: "also",
        value_name: "address",
        form: Form::List,
        default: Default::Words { words: "none", example: "second.example:5555" },
        choices: &[],
        help: "A further masternode that gets every report too: host:port; may be repeated",
        more: "Seven at most, [IPv6]:port with brackets. Each has its own link and its own replay: one that is slow \
               or gone does not hold up the others. Name each once: that two names, or a name and an address, are \
               one masternode cannot be seen here, and it would get everything twice.",
    },
    parse: value::addresses,
};

pub(crate) static INTERVAL: Setting<Duration> = Setting {
    spec: Spec {
        section: CLIENTNODE,
        key: "interval",
        value_name: "seconds",
        form: Form::Flag,
        default: Default::Text("1"),
        choices: &[],
        help: "Time between two reports, 0.1 to 3600 seconds",
        more: "With a unit if you like: 500ms, 2s, 1m.",
    },
    parse: value::interval,
};

pub(crate) static PROCESSES: Setting<Processes> = Setting {
    spec: Spec {
        section: CLIENTNODE,
        key: "processes",
        value_name: "number",
        form: Form::Flag,
        default: Default::Text("20"),
        choices: &[],
        help: "How many processes to list in a report, the busiest first: a number, all, or none",
        more: "Processes are counted whatever this says. all stops at the 4096 that a report may have.",
    },
    parse: value::processes,
};

pub(crate) static OUTBOX_AGE: Setting<Duration> = Setting {
    spec: Spec {
        section: CLIENTNODE,
        key: "outbox_age",
        value_name: "time",
        form: Form::Flag,
        default: Default::Text("1h"),
        choices: &[],
        help: "How old a report may get while the link is down and still be sent",
        more: "At most 31 days. 0 keeps nothing: what is sampled during a cut is lost.",
    },
    parse: value::duration,
};

pub(crate) static OUTBOX_SIZE: Setting<u64> = Setting {
    spec: Spec {
        section: CLIENTNODE,
        key: "outbox_size",
        value_name: "bytes",
        form: Form::Flag,
        default: Default::Text("32MiB"),
        choices: &[],
        help: "How much may be kept to be sent again, compressed; the oldest goes first",
        more: "4 MiB to 4 GiB, or 0 to keep nothing. K, M, G and KiB, MiB, GiB are powers of 1024.",
    },
    parse: value::size,
};

pub(crate) static SPOOL_DIR: Setting<PathBuf> = Setting {
    spec: Spec {
        section: CLIENTNODE,
        key: "spool_dir",
        value_name: "path",
        form: Form::Flag,
        default: Default::Words { words: "none, in memory", example: "/var/lib/chasar/spool" },
        choices: &[],
        help: "Folder to keep unsent reports in, so that they survive a restart",
        more: "",
    },
    parse: value::path,
};

pub(crate) static SPOOL_SIZE: Setting<u64> = Setting {
    spec: Spec {
        section: CLIENTNODE,
        key: "spool_size",
        value_name: "bytes",
        form: Form::Flag,
        default: Default::Text("256MiB"),
        choices: &[],
        help: "How much the spool folder may hold for each masternode; the oldest goes first",
        more: "At least 16 MiB. Only with a spool folder.",
    },
    parse: value::size,
};

pub(crate) static COMPRESS: Setting<bool> = Setting {
    spec: Spec {
        section: CLIENTNODE,
        key: "compress",
        value_name: "true|false",
        form: Form::Switch,
        default: Default::Text("false"),
        choices: &["true", "false"],
        help: "Send reports compressed, a fifth of the bytes",
        more: "A masternode of 2016 cannot read them.",
    },
    parse: value::boolean,
};

pub(crate) static STATE_DIR: Setting<PathBuf> = Setting {
    spec: Spec {
        section: CLIENTNODE,
        key: "state_dir",
        value_name: "path",
        form: Form::Flag,
        // As `run::state_dir` decides.
        default: Default::Words {
            words: if cfg!(target_os = "macos") {
                "/usr/local/var/chasar/clientnode for root, else ~/Library/Application Support/chasar/clientnode"
            } else if cfg!(target_os = "freebsd") {
                "/var/db/chasar/clientnode for root, else ~/.local/state/chasar/clientnode"
            } else if cfg!(windows) {
                r"%ProgramData%\chasar\clientnode for a service, else %LOCALAPPDATA%\chasar\clientnode"
            } else {
                "/var/lib/chasar/clientnode for root, else ~/.local/state/chasar/clientnode"
            },
            example: "/var/lib/chasar/clientnode",
        },
        choices: &[],
        help: "Folder for the identity of this computer",
        more: STATE_DIR_MORE,
    },
    parse: value::path,
};

const STATE_DIR_MORE: &str = "Made if it is not there. STATE_DIRECTORY, which systemd sets, and \
                              XDG_STATE_HOME are respected.";

pub(crate) static LOG_LEVEL: Setting<Level> = Setting {
    spec: Spec {
        section: LOG,
        key: "level",
        value_name: "level",
        form: Form::Flag,
        default: Default::Text("info"),
        choices: &["off", "error", "warn", "info", "debug", "trace"],
        help: "How much to write to stderr",
        more: "",
    },
    parse: value::level,
};

pub(crate) static LOG_FORMAT: Setting<Format> = Setting {
    spec: Spec {
        section: LOG,
        key: "format",
        value_name: "format",
        form: Form::Flag,
        default: Default::Text("text"),
        choices: &["text", "json"],
        help: "Lines for people, or one JSON object a line",
        more: "Text is coloured on a terminal unless NO_COLOR is set.",
    },
    parse: value::format,
};

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn defaults_and_examples_are_values() {
        for setting in ALL {
            let spec = setting.spec();
            let (Default::Text(text) | Default::Words { example: text, .. }) = spec.default;
            assert_eq!(setting.check(text), Ok(()), "{}", spec.id());
            for choice in spec.choices {
                assert_eq!(setting.check(choice), Ok(()), "{}", spec.id());
            }
        }
    }

    #[test]
    fn names_are_unique_and_sections_known() {
        for name in [Spec::id, Spec::environment] {
            assert_eq!(ALL.iter().map(|s| name(s.spec())).collect::<BTreeSet<_>>().len(), ALL.len());
        }
        for setting in ALL {
            assert!(SECTIONS.iter().any(|(name, _)| *name == setting.spec().section));
            assert!(!setting.spec().help.ends_with('.'));
        }
        assert_eq!(LOG_LEVEL.spec.flag(), "log-level");
        assert_eq!(OUTBOX_AGE.spec.environment(), "CHASAR_CLIENTNODE_OUTBOX_AGE");
    }
}
