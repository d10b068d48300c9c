//! Host and port of one end, and how libzmq wants them written.
//!
//! **Names and IPv6.** libzmq resolves a name anew at every attempt to connect, which is wanted: addresses
//! change. But it takes the first address only, and with its IPv6 option on that is the IPv6 one, even where
//! the server listens on IPv4 alone (`localhost`). So the option is switched on only for a name that has no
//! IPv4 address, and for IPv6 addresses.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs};
use std::str::FromStr;

/// DNS allows no longer name.
const MAX_NAME_BYTES: usize = 253;

/// A host as the user wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// Every IPv4 address of this computer; only to listen on.
    Any,
    /// An address.
    Address(IpAddr),
    /// A name for the system to resolve.
    Name(String),
}

/// A host and a TCP port.
///
/// Written `host:port`, `[v6]:port` or `*:port`, with or without `tcp://` before it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    host: Host,
    port: u16,
}

/// Why a text is no endpoint, or leads nowhere.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The host is neither an address nor a name.
    #[error("'{text}' is not a host name or an IP address")]
    Host {
        /// As given, shortened and escaped.
        text: String,
    },
    /// The port is missing or not a number up to 65535.
    #[error("'{text}' has no port from 0 to 65535 after its last ':'")]
    Port {
        /// As given, shortened and escaped.
        text: String,
    },
    /// The system has no address for the name.
    #[error("cannot find the host '{name}': {source}; check the name, or give an IP address")]
    Unresolvable {
        /// The name.
        name: String,
        /// The system's words.
        source: io::Error,
    },
    /// A wildcard to connect to.
    #[error("'{endpoint}' is no address to connect to; name the computer")]
    Wildcard {
        /// As given.
        endpoint: Endpoint,
    },
}

impl Endpoint {
    /// From a host (`localhost`, `192.0.2.7`, `::1`, `[::1]`, `*`) and a port; port 0 lets the system choose
    /// one to listen on.
    ///
    /// # Errors
    /// When the host is neither an address nor a possible name.
    pub fn new(host: &str, port: u16) -> Result<Self, EndpointError> {
        Ok(Self { host: Host::parse(host)?, port })
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The same host with another port.
    #[must_use]
    pub fn with_port(&self, port: u16) -> Self {
        Self { host: self.host.clone(), port }
    }

    /// To be compared with others: names in lower case (RFC 4343) and without the dot at their end, which tells a
    /// whole name (RFC 1034, section 3.1) and hardly ever another computer.
    #[must_use]
    pub fn canonical(&self) -> Self {
        let host = match &self.host {
            Host::Name(name) => Host::Name(name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()),
            host => host.clone(),
        };
        Self { host, port: self.port }
    }

    /// Whether nobody can connect to it: every address of a computer, or port 0.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        let any = match &self.host {
            Host::Any => true,
            Host::Address(address) => address.is_unspecified(),
            Host::Name(_) => false,
        };
        any || self.port == 0
    }

    /// Whether it can only be reached from this computer: a loopback address, or the name `localhost`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Any => false,
            Host::Address(address) => address.is_loopback(),
            Host::Name(name) => name.eq_ignore_ascii_case("localhost"),
        }
    }

    /// How to listen here: the text for libzmq, and whether it needs IPv6. A name is resolved once.
    ///
    /// # Errors
    /// When the name has no address.
    pub(crate) fn to_bind(&self) -> Result<(String, bool), EndpointError> {
        let address = match &self.host {
            Host::Any => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Host::Address(address) => *address,
            Host::Name(name) => preferred(&resolve(name)?).ok_or_else(|| nothing_found(name))?,
        };
        Ok((tcp(address, self.bind_port()), address.is_ipv6()))
    }

    /// How to connect here: the text for libzmq, and whether it needs IPv6. A name is resolved once to see
    /// that it can be, and then given to libzmq as it is.
    ///
    /// # Errors
    /// When it is a wildcard, the port is 0, or the name has no address.
    pub(crate) fn to_connect(&self) -> Result<(String, bool), EndpointError> {
        let wildcard = || EndpointError::Wildcard { endpoint: self.clone() };
        if self.is_wildcard() {
            return Err(wildcard());
        }
        match &self.host {
            Host::Any => Err(wildcard()),
            Host::Address(address) => Ok((tcp(*address, self.port.to_string()), address.is_ipv6())),
            Host::Name(name) => {
                let preferred = preferred(&resolve(name)?).ok_or_else(|| nothing_found(name))?;
                Ok((format!("tcp://{name}:{}", self.port), preferred.is_ipv6()))
            }
        }
    }

    /// How to connect to one address of the host: the text for libzmq, and whether it needs IPv6.
    pub(crate) fn at(&self, address: IpAddr) -> (String, bool) {
        (tcp(address, self.port.to_string()), address.is_ipv6())
    }

    fn bind_port(&self) -> String {
        if self.port == 0 { "*".to_owned() } else { self.port.to_string() }
    }
}

impl Host {
    fn parse(text: &str) -> Result<Self, EndpointError> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if let Some(inner) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
            return inner
                .parse::<Ipv6Addr>()
                .map(|v6| Self::Address(v6.into()))
                .map_err(|_| not_a_host(text));
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        // `1.2.3` is no address but a resolver would read it as 1.2.0.3; better refused than surprising.
        let only_digits = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let possible = !text.is_empty()
            && text.len() <= MAX_NAME_BYTES
            && !only_digits
            && text.split('.').enumerate().all(|(i, label)| {
                let last_dot = label.is_empty() && i > 0 && text.ends_with('.');
                last_dot || (is_label(label) && label.len() <= 63)
            })
            && !text.contains("..");
        if possible { Ok(Self::Name(text.to_owned())) } else { Err(not_a_host(text)) }
    }
}

/// Letters, digits, hyphens inside; underscores, which some networks use although RFC 1123 does not.
fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn tcp(address: IpAddr, port: String) -> String {
    match address {
        IpAddr::V4(v4) => format!("tcp://{v4}:{port}"),
        IpAddr::V6(v6) => format!("tcp://[{v6}]:{port}"),
    }
}

/// All addresses that the system knows for a name, in its order.
pub(crate) fn system_addresses(name: &str) -> io::Result<Vec<IpAddr>> {
    (name, 0).to_socket_addrs().map(|found| found.map(|a| a.ip()).collect())
}

fn resolve(name: &str) -> Result<Vec<IpAddr>, EndpointError> {
    system_addresses(name).map_err(|source| EndpointError::Unresolvable { name: name.to_owned(), source })
}

/// The one to connect to.
pub(crate) fn preferred(found: &[IpAddr]) -> Option<IpAddr> {
    found.iter().find(|a| a.is_ipv4()).or_else(|| found.first()).copied()
}

fn nothing_found(name: &str) -> EndpointError {
    let source = io::Error::new(io::ErrorKind::NotFound, "the system knows no address for it");
    EndpointError::Unresolvable { name: name.to_owned(), source }
}

fn not_a_host(text: &str) -> EndpointError {
    EndpointError::Host { text: shown(text) }
}

/// Text from outside, made harmless for a message.
fn shown(text: &str) -> String {
    text.chars().take(80).collect::<String>().escape_debug().to_string()
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let rest = text.strip_prefix("tcp://").unwrap_or(text);
        let no_port = || EndpointError::Port { text: shown(text) };
        let (host, port) = rest.rsplit_once(':').ok_or_else(no_port)?;
        // `::1` alone would otherwise read as host `:` and port 1.
        if host.contains(':') && !host.starts_with('[') {
            return Err(no_port());
        }
        let port = match port {
            "*" => 0,
            digits if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_| no_port())?
            }
            _ => return Err(no_port()),
        };
        Self::new(host, port)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Any => write!(f, "tcp://*:{}", self.port),
            Host::Address(IpAddr::V4(v4)) => write!(f, "tcp://{v4}:{}", self.port),
            Host::Address(IpAddr::V6(v6)) => write!(f, "tcp://[{v6}]:{}", self.port),
            Host::Name(name) => write!(f, "tcp://{name}:{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text_of(endpoint: &str) -> String {
        endpoint.parse::<Endpoint>().expect("an endpoint").to_string()
    }

    #[test]
    fn the_usual_forms_are_read() {
        assert_eq!(text_of("localhost:5555"), "tcp://localhost:5555");
        assert_eq!(text_of("tcp://192.0.2.7:1"), "tcp://192.0.2.7:1");
        assert_eq!(text_of("[::1]:65535"), "tcp://[::1]:65535");
        assert_eq!(text_of("*:*"), "tcp://*:0");
        assert_eq!(Endpoint::new("::1", 7).expect("bare v6").to_string(), "tcp://[::1]:7");
        assert_eq!(
            Endpoint::new("node_1.example.", 7).expect("a name").to_string(),
            "tcp://node_1.example.:7"
        );
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_its_text() {
        for bad in [
            "",
            ":",
            "host",
            "host:",
            "host:65536",
            "host:-1",
            "::1",
            "::1:5555",
            "a b:1",
            "-a:1",
            "1.2.3:1",
            "[::1:5",
            "a..b:1",
        ] {
            let error = bad.parse::<Endpoint>().expect_err(bad).to_string();
            assert!(error.contains(bad) || !bad.is_empty(), "{error}");
        }
    }

    #[test]
    fn a_name_without_address_says_so() {
        let endpoint: Endpoint = "no-such-host.invalid:5555".parse().expect("a possible name");
        let error = endpoint.to_connect().expect_err("reserved by RFC 2606").to_string();
        assert!(error.contains("no-such-host.invalid") && error.contains("check the name"), "{error}");
    }

    #[test]
    fn names_that_are_one_are_written_in_one_way() {
        let one = |text: &str| text.parse::<Endpoint>().expect("an endpoint").canonical();
        assert_eq!(one("Server.Example.:5555"), one("server.example:5555"));
        assert_ne!(one("server:5555"), one("server:5556"));
        assert_eq!(one("[::1]:1").to_string(), "tcp://[::1]:1");
    }

    #[test]
    fn nobody_can_connect_to_a_wildcard() {
        for wildcard in ["*:5555", "0.0.0.0:5555", "[::]:5555", "localhost:0"] {
            let endpoint: Endpoint = wildcard.parse().expect("to listen on");
            assert!(matches!(endpoint.to_connect(), Err(EndpointError::Wildcard { .. })), "{wildcard}");
        }
    }

    #[test]
    fn localhost_is_taken_as_ipv4() {
        let endpoint: Endpoint = "localhost:5555".parse().expect("a name");
        assert_eq!(endpoint.to_bind().expect("resolves"), ("tcp://127.0.0.1:5555".to_owned(), false));
    }

    proptest! {
        #[test]
        fn any_text_is_an_endpoint_or_an_error(text in "\\PC{0,300}") {
            if let Ok(endpoint) = text.parse::<Endpoint>() {
                prop_assert_eq!(endpoint.to_string().parse::<Endpoint>().expect("its own text"), endpoint);
            }
        }

        #[test]
        fn every_address_survives_its_text(address: IpAddr, port: u16) {
            let endpoint = Endpoint::new(&address.to_string(), port).expect("an address");
            prop_assert_eq!(endpoint.host(), &Host::Address(address));
            prop_assert_eq!(endpoint.to_string().parse::<Endpoint>().expect("its own text"), endpoint);
        }

        #[test]
        fn every_plain_name_is_kept(name in "[a-z][a-z0-9]{0,20}(\\.[a-z][a-z0-9-]{0,20}[a-z0-9]){0,4}", port: u16) {
            let endpoint = Endpoint::new(&name, port).expect("a name");
            prop_assert_eq!(endpoint.host(), &Host::Name(name));
        }
    }
}
