//! What an operator can choose of a target.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use chasar_remote_write::Version;

/// A store that samples are sent to.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteWriteConfig {
    /// Its name: of its folder, in the log and in `/metrics`. Letters, digits and `-`.
    pub name: String,
    /// Where it takes remote write, such as `http://victoria:8428/api/v1/write`.
    pub url: String,
    /// More headers of each request.
    pub headers: Vec<(String, String)>,
    /// How requests say who sends them.
    pub auth: Option<RemoteAuth>,
    /// PEM file of the authorities that its certificate may be signed by; `None`: those that browsers trust.
    pub ca_file: Option<PathBuf>,
    /// The message; `None`: 2.0 where the target knows it, else 1.0.
    pub version: Option<Version>,
    /// Selectors of series: with any, only what fits one of them is sent.
    pub keep: Vec<String>,
    /// Selectors of series that are not sent.
    pub drop: Vec<String>,
    /// Labels that get another name: from, to.
    pub rename: Vec<(String, String)>,
    /// Labels that each series gets, unless it has them.
    pub add: Vec<(String, String)>,
    /// Of so many parts of all series (second) this one only (first, from 1).
    pub shard: Option<(u32, u32)>,
    /// Connections at a time; a series is always sent over the same.
    pub connections: u16,
    /// Bytes of disk for what could not be sent yet; the oldest goes first.
    pub queue_bytes: u64,
    /// Samples of a request, at most.
    pub batch_samples: usize,
    /// How long a request may take.
    pub timeout: Duration,
}

/// How requests say who sends them. Files are read again and again, so they may be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoteAuth {
    /// A user with a password.
    Basic {
        /// The user.
        user: String,
        /// The file with the password.
        password_file: PathBuf,
    },
    /// A token.
    Bearer {
        /// The file with the token.
        token_file: PathBuf,
    },
}

impl RemoteWriteConfig {
    /// The usual settings.
    pub fn new(name: impl Into<String>, url: impl Into<String>) -> RemoteWriteConfig {
        RemoteWriteConfig {
            name: name.into(),
            url: url.into(),
            headers: Vec::new(),
            auth: None,
            ca_file: None,
            version: None,
            keep: Vec::new(),
            drop: Vec::new(),
            rename: Vec::new(),
            add: Vec::new(),
            shard: None,
            connections: 2,
            queue_bytes: 1 << 30,
            batch_samples: 10_000,
            timeout: Duration::from_secs(30),
        }
    }

    /// A name for a target that was given none: of its host, told from others by its address.
    pub fn name_of(url: &str) -> String {
        let host = url.split_once("://").map_or(url, |(_, rest)| rest);
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        let host = host.split(['/', '?']).next().unwrap_or_default();
        let plain =
            host.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
        let host: String = plain.take(40).collect();
        format!("{}-{:08x}", host.trim_matches('-'), crc32fast::hash(url.as_bytes()))
    }

    /// Its address for people to read, without what may be a secret.
    pub(super) fn public_url(&self) -> &str {
        // A check refuses it, and that may be what is said.
        if self.url.contains('@') {
            return "(an address with a password)";
        }
        self.url.split('?').next().unwrap_or_default()
    }

    /// Whether all of it can be used.
    ///
    /// # Errors
    /// What is wrong, as a sentence about the target.
    pub fn check(&self) -> Result<(), String> {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(is_plain) {
            return Err("its name has to be of 1 to 64 small letters, digits and -".into());
        }
        if is_reserved(&self.name) {
            return Err(format!("Windows knows no folder of the name {}", self.name));
        }
        // Wherever it stands, so that a password with a slash in it is not taken for a path. And the address
        // is in no message, for the same reason.
        if self.url.contains('@') {
            return Err(
                "its address has an @, as before it a user and password stand, which others could see; \
                        use user and password_file (in a path, write %40)"
                    .into(),
            );
        }
        if !is_address(&self.url) {
            return Err("it is not at an address that can be used; give http://host:port/api/v1/write".into());
        }
        if let Some(RemoteAuth::Basic { user, .. }) = &self.auth
            && (user.contains(':') || user.chars().any(char::is_control))
        {
            return Err(
                "its user has a colon, which ends it in the header (RFC 7617), or what cannot be sent".into(),
            );
        }
        for (name, value) in &self.headers {
            let is_token = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
            let is_fine = !name.is_empty() && name.bytes().all(is_token);
            if !is_fine || !value.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
                return Err(format!("{name:?} is no header that can be sent"));
            }
        }
        for (i, (from, to)) in self.rename.iter().enumerate() {
            if !is_label(from) || !is_label(to) {
                return Err(format!("the label {from:?} cannot be renamed to {to:?}"));
            }
            if self.rename[..i].iter().any(|(other, same)| other == from || same == to) {
                return Err(format!("two labels cannot be renamed to {to:?}, nor {from:?} to two"));
            }
        }
        for (name, value) in &self.add {
            if !is_label(name) || value.is_empty() {
                return Err(format!("the label {name:?} cannot be added with the value {value:?}"));
            }
        }
        if let Some((part, of)) = self.shard
            && !(1..=of).contains(&part)
        {
            return Err(format!("there is no part {part} of {of}; the first is 1/{of}"));
        }
        if !(1..=64).contains(&self.connections) {
            return Err("it may have 1 to 64 connections".into());
        }
        if self.queue_bytes < 1 << 20 {
            return Err("its queue needs 1 MiB or more".into());
        }
        // Each of its files is looked at by a start.
        if self.queue_bytes > 256 << 30 {
            return Err("its queue may have 256 GiB".into());
        }
        if !(1..=100_000).contains(&self.batch_samples) {
            return Err("a request may have 1 to 100000 samples".into());
        }
        super::rules::Rules::of(self).map(|_| ())
    }
}

/// Names that are devices on Windows, in each folder; refused everywhere, so that a folder can be moved.
fn is_reserved(name: &str) -> bool {
    let is_numbered = |kind| name.strip_prefix(kind).is_some_and(|number: &str| number.len() == 1);
    matches!(name, "con" | "prn" | "aux" | "nul") || is_numbered("com") || is_numbered("lpt")
}

/// Whether each store takes a label of this name; many refuse a whole request over one that they do not know.
fn is_label(name: &str) -> bool {
    let is_fine = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    name != chasar_query::NAME
        && name.bytes().all(is_fine)
        && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

/// Whether requests can be sent there.
fn is_address(url: &str) -> bool {
    let Ok(uri) = url.parse::<ureq::http::Uri>() else { return false };
    let Some(authority) = uri.authority() else { return false };
    let (host, all) = (authority.host(), authority.as_str());
    let port = all.strip_prefix(host);
    matches!(uri.scheme_str(), Some("http" | "https"))
        && url.bytes().all(|b| b.is_ascii_graphic())
        && !host.is_empty()
        && host.starts_with('[') == host.ends_with(']')
        && port.is_some_and(|port| match port.strip_prefix(':') {
            Some(digits) => digits.parse::<u16>().is_ok_and(|port| port != 0),
            None => port.is_empty(),
        })
}

/// Without what may be a secret: headers, and what stands behind the path of an address.
impl fmt::Debug for RemoteWriteConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("RemoteWriteConfig")
            .field("name", &self.name)
            .field("url", &self.public_url())
            .field("headers", &headers)
            .field("auth", &self.auth)
            .field("ca_file", &self.ca_file)
            .field("version", &self.version)
            .field("keep", &self.keep)
            .field("drop", &self.drop)
            .field("rename", &self.rename)
            .field("add", &self.add)
            .field("shard", &self.shard)
            .field("connections", &self.connections)
            .field("queue_bytes", &self.queue_bytes)
            .field("batch_samples", &self.batch_samples)
            .field("timeout", &self.timeout)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_is_said() {
        let sound = RemoteWriteConfig::new("vm", "http://victoria:8428/api/v1/write");
        assert_eq!(sound.check(), Ok(()));
        let wrong = |change: &dyn Fn(&mut RemoteWriteConfig)| {
            let mut config = sound.clone();
            change(&mut config);
            config.check().expect_err("not sound")
        };
        assert!(wrong(&|c| c.name = "../x".into()).contains("name"));
        assert!(wrong(&|c| c.name = "com1".into()).contains("Windows"));
        let basic = RemoteAuth::Basic { user: "a:b".into(), password_file: "p".into() };
        assert!(wrong(&|c| c.auth = Some(basic.clone())).contains("colon"));
        for url in [
            "victoria:8428",
            "http://",
            "http:///x",
            "http://:8428/",
            "http://victoria:84280/",
            "http://victoria:0/",
            "http://victoria:/",
            "http://[::1/",
            "http://::1/",
            "http://a b/",
            "http://a/\u{fc}",
            "ftp://a/",
            "/a",
            "",
        ] {
            assert!(wrong(&|c| c.url = url.into()).contains("not at an address"), "{url}");
        }
        for url in ["https://[::1]:8428/x?y=z", "HTTP://victoria", "http://10.0.0.1/"] {
            assert_eq!(RemoteWriteConfig::new("vm", url).check(), Ok(()), "{url}");
        }
        for url in ["http://u:secret@h/", "HTTP://u:secret@h", "http://u:secret/w@h/", "http://u:secret?w@h/"]
        {
            let said = wrong(&|c| c.url = url.into());
            assert!(said.contains("password_file") && !said.contains("secret"), "{said}");
            let config = RemoteWriteConfig {
                headers: vec![("X-Token".into(), "secret".into())],
                ..RemoteWriteConfig::new(RemoteWriteConfig::name_of(url), url)
            };
            let debug = format!("{config:?}");
            assert!(debug.contains("X-Token") && !debug.contains("secret"), "{debug}");
        }
        assert!(!wrong(&|c| c.url = "http://h:99999/?token=secret".into()).contains("secret"));
        assert!(wrong(&|c| c.headers = vec![("X Y".into(), "z".into())]).contains("header"));
        assert!(wrong(&|c| c.headers = vec![("X".into(), "a\r\nb".into())]).contains("header"));
        assert!(wrong(&|c| c.rename = vec![("__name__".into(), "x".into())]).contains("renamed"));
        assert!(wrong(&|c| c.add = vec![("site".into(), String::new())]).contains("added"));
        for name in ["", "data centre", "1a", "a-b", "\u{fc}", "__name__"] {
            assert!(wrong(&|c| c.add = vec![(name.into(), "x".into())]).contains("added"), "{name}");
            assert!(wrong(&|c| c.rename = vec![("a".into(), name.into())]).contains("renamed"), "{name}");
        }
        let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        assert!(wrong(&|c| c.rename = vec![pair("a", "c"), pair("b", "c")]).contains("two labels"));
        assert!(wrong(&|c| c.shard = Some((4, 3))).contains("no part 4 of 3"));
        assert!(wrong(&|c| c.connections = 0).contains("connections"));
        assert!(wrong(&|c| c.queue_bytes = 5).contains("1 MiB"));
        assert!(wrong(&|c| c.queue_bytes = (256 << 30) + 1).contains("256 GiB"));
        assert!(wrong(&|c| c.keep = vec!["up{".into()]).contains("keep"));
        assert_ne!(RemoteWriteConfig::name_of("http://a/x"), RemoteWriteConfig::name_of("http://a/y"));
        let name = RemoteWriteConfig::name_of("https://A.example:80/x?y");
        assert!(name.starts_with("a-example-80-"), "{name}");
        assert_eq!(RemoteWriteConfig::new(name, "http://a").check(), Ok(()));
    }
}
