//! What the daemons write to stderr.

use std::ffi::OsString;
use std::io::{self, IsTerminal};

use crate::settings::definition::{LOG_FORMAT, LOG_LEVEL};
use crate::settings::layers::Layers;
use crate::settings::value::{Format, Level};

/// How to log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogConfig {
    level: Level,
    format: Format,
}

impl LogConfig {
    /// Only what went wrong: for commands whose output is something else.
    pub(crate) const WARNINGS: LogConfig = LogConfig { level: Level::WARN, format: Format::Text };

    /// As the settings say; `None` when they are wrong.
    pub(crate) fn from<E: Fn(&str) -> Option<OsString>>(layers: &mut Layers<E>) -> Option<LogConfig> {
        let (level, format) = (layers.get(&LOG_LEVEL), layers.get(&LOG_FORMAT));
        Some(LogConfig { level: level?.value, format: format?.value })
    }

    /// Begins to log, to stderr; a service of Windows has none, and logs to a file in its state folder.
    pub(crate) fn install_in(self, state: &std::path::Path) {
        #[cfg(windows)]
        if crate::windows::service::runs()
            && let Ok(file) = crate::log_file::LogFile::open(state)
        {
            let log = tracing_subscriber::fmt()
                .with_writer(std::sync::Mutex::new(file))
                .with_max_level(self.level)
                .with_target(false);
            return match self.format {
                Format::Text => log.with_ansi(false).init(),
                Format::Json => {
                    log.json().flatten_event(true).with_current_span(false).with_span_list(false).init();
                }
            };
        }
        #[cfg(not(windows))]
        let _ = state;
        self.install();
    }

    /// Begins to log, to stderr.
    pub(crate) fn install(self) {
        // One level for all: a filter with targets and fields would bring a regex engine into every agent.
        let log =
            tracing_subscriber::fmt().with_writer(io::stderr).with_max_level(self.level).with_target(false);
        match self.format {
            Format::Text => log.with_ansi(colour(&io::stderr())).init(),
            Format::Json => {
                log.json().flatten_event(true).with_current_span(false).with_span_list(false).init()
            }
        }
    }
}

/// Whether `stream` is to be coloured: a terminal, and nobody asked for none (<https://no-color.org>).
pub(crate) fn colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}
