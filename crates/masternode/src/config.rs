//! What an operator can choose, each part with its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chasar_fleet::Settings;
use chasar_link::{Endpoint, EndpointError};
use chasar_tsdb::Options;

use crate::remote::RemoteWriteConfig;

/// The port for reports. Fixed in 2016.
pub(crate) const REPORTS_PORT: u16 = 5555;
/// The port for subscribers. Fixed in 2016.
pub(crate) const STREAM_PORT: u16 = 6666;
/// The port for HTTP.
pub(crate) const HTTP_PORT: u16 = 7777;

/// The history's folder in the state folder.
const HISTORY_FOLDER: &str = "history";

/// What an operator can choose.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where reports come in. Port 0 lets the system choose.
    pub reports: Endpoint,
    /// Streams of other masternodes: their nodes become nodes of this one too.
    pub upstreams: Vec<Endpoint>,
    /// Where subscribers connect; `None`: there is no stream.
    pub stream: Option<Endpoint>,
    /// HTTP; `None`: there is none.
    pub http: Option<HttpConfig>,
    /// Folder for what has to be remembered; made if it is not there. One masternode at a time uses it.
    pub state_dir: PathBuf,
    /// History; `None`: nothing is kept, only the newest samples are known.
    pub history: Option<HistoryConfig>,
    /// Samples that others send over HTTP; `None`: none are taken. They need history and HTTP.
    pub receive: Option<ReceiveConfig>,
    /// Other stores that samples are sent to.
    pub remote_write: Vec<RemoteWriteConfig>,
    /// Bounds and times of the fleet.
    pub fleet: Settings,
    /// After a restart, reports wait for so long until subscribers have connected again. Nothing is
    /// lost meanwhile: reports queue up in the sockets.
    pub settle: Duration,
    /// Messages queued for each subscriber before it loses some. A fleet may report all at once, so
    /// this should be no less than its number of nodes.
    pub stream_queue_messages: u32,
}

/// History: every sample of every node, in files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryConfig {
    /// The folder; made if it is not there. One process at a time writes to it.
    pub folder: PathBuf,
    /// Bytes that all its files may take; the oldest samples go first.
    pub max_bytes: u64,
    /// How long samples are kept as they came, as far as `max_bytes` goes.
    pub raw: Duration,
    /// How long their rollups of a minute are kept.
    pub minutes: Duration,
    /// How long their rollups of an hour are kept.
    pub hours: Duration,
    /// Memory for samples that are not in files yet; beyond it samples are refused and counted.
    pub memory_bytes: usize,
}

/// What is received besides reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiveConfig {
    /// Most series of which samples are taken within ten minutes; those of nodes do not count.
    pub max_series: usize,
}

impl Default for ReceiveConfig {
    /// A million; with their newest samples they take about 1.2 GB of memory.
    fn default() -> ReceiveConfig {
        ReceiveConfig { max_series: 1_000_000 }
    }
}

/// HTTP.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Where. Port 0 lets the system choose.
    pub endpoint: Endpoint,
    /// The token that requests have to carry as `Authorization: Bearer`. Without one, requests to a
    /// loopback address need none, and for any other address one is made and kept in
    /// `<state_dir>/http_token`.
    pub token: Option<String>,
    /// Host names by which browsers may reach it, besides IP addresses, `localhost` and the host of
    /// `endpoint`. Any other name is refused, so that no web page can reach it by a name of its own.
    pub host_names: Vec<String>,
    /// Most connections at a time; further ones wait.
    pub max_connections: usize,
    /// How long a request may take to come, and a connection may be idle.
    pub idle_timeout: Duration,
}

impl Config {
    /// All three ports at their usual numbers on `host`.
    ///
    /// # Errors
    /// When `host` is neither an address nor a possible name.
    pub fn new(host: &str, state_dir: impl Into<PathBuf>) -> Result<Config, EndpointError> {
        let state_dir = state_dir.into();
        Ok(Config {
            history: Some(HistoryConfig::below(&state_dir)),
            remote_write: Vec::new(),
            reports: Endpoint::new(host, REPORTS_PORT)?,
            upstreams: Vec::new(),
            stream: Some(Endpoint::new(host, STREAM_PORT)?),
            http: Some(HttpConfig::new(Endpoint::new(host, HTTP_PORT)?)),
            state_dir,
            receive: None,
            fleet: Settings::default(),
            settle: Duration::from_millis(750),
            stream_queue_messages: 10_000,
        })
    }
}

impl HistoryConfig {
    /// The usual settings, for a masternode with this state folder.
    pub fn below(state_dir: &Path) -> HistoryConfig {
        HistoryConfig::new(state_dir.join(HISTORY_FOLDER))
    }

    /// The same as the store takes it.
    pub fn options(&self) -> Options {
        let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        Options {
            max_bytes: self.max_bytes,
            raw_ms: ms(self.raw),
            minute_ms: ms(self.minutes),
            hour_ms: ms(self.hours),
            head_bytes: self.memory_bytes,
            ..Options::default()
        }
    }

    /// The usual settings: 10 GiB, of it samples of 30 days, rollups of 90 days and of 2 years.
    pub fn new(folder: impl Into<PathBuf>) -> HistoryConfig {
        let options = Options::default();
        let time = |ms: i64| Duration::from_millis(ms.unsigned_abs());
        HistoryConfig {
            folder: folder.into(),
            max_bytes: options.max_bytes,
            raw: time(options.raw_ms),
            minutes: time(options.minute_ms),
            hours: time(options.hour_ms),
            memory_bytes: options.head_bytes,
        }
    }
}

impl HttpConfig {
    /// The usual settings.
    pub fn new(endpoint: Endpoint) -> HttpConfig {
        HttpConfig {
            endpoint,
            token: None,
            host_names: Vec::new(),
            max_connections: 256,
            idle_timeout: Duration::from_secs(15),
        }
    }
}
