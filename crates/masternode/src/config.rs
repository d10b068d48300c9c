//! What an operator can choose, each part with its own.

use std::path::PathBuf;
use std::time::Duration;

use chasar_fleet::Settings;
use chasar_link::{Endpoint, EndpointError};

/// The port for reports. Fixed in 2016.
pub(crate) const REPORTS_PORT: u16 = 5555;
/// The port for subscribers. Fixed in 2016.
pub(crate) const STREAM_PORT: u16 = 6666;
/// The port for HTTP.
pub(crate) const HTTP_PORT: u16 = 7777;

/// What an operator can choose.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where reports come in. Port 0 lets the system choose.
    pub reports: Endpoint,
    /// Where subscribers connect; `None`: there is no stream.
    pub stream: Option<Endpoint>,
    /// HTTP; `None`: there is none.
    pub http: Option<HttpConfig>,
    /// Folder for what has to be remembered; made if it is not there. One masternode at a time uses it.
    pub state_dir: PathBuf,
    /// Bounds and times of the fleet.
    pub fleet: Settings,
    /// After a restart, reports wait for so long until subscribers have connected again. Nothing is
    /// lost meanwhile: reports queue up in the sockets.
    pub settle: Duration,
    /// Messages queued for each subscriber before it loses some. A fleet may report all at once, so
    /// this should be no less than its number of nodes.
    pub stream_queue_messages: u32,
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
        Ok(Config {
            reports: Endpoint::new(host, REPORTS_PORT)?,
            stream: Some(Endpoint::new(host, STREAM_PORT)?),
            http: Some(HttpConfig::new(Endpoint::new(host, HTTP_PORT)?)),
            state_dir: state_dir.into(),
            fleet: Settings::default(),
            settle: Duration::from_millis(750),
            stream_queue_messages: 10_000,
        })
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
