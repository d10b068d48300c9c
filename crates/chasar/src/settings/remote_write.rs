//! Targets of remote write: addresses, or a file that says more of each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chasar_masternode::{RemoteAuth, RemoteWriteConfig, RemoteWriteVersion};
use serde::Deserialize;

use super::value;

/// Where samples are sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Targets {
    /// To these addresses.
    Urls(Vec<String>),
    /// To what a file says.
    File(PathBuf),
}

/// Addresses separated by commas, or the path of a file.
pub(crate) fn targets(text: &str) -> Result<Targets, String> {
    if !text.contains("://") {
        return match value::path(text) {
            Ok(path) if text.contains(std::path::is_separator) => Ok(Targets::File(path)),
            _ => Err("is neither an address nor a file; give http://host:port/api/v1/write, or a path \
                      (./ before a name here)"
                .to_owned()),
        };
    }
    let urls: Vec<String> = text.split(',').map(|url| url.trim().to_owned()).collect();
    for url in &urls {
        of_url(url).check().map_err(|problem| format!("does not do: {problem}"))?;
    }
    Ok(Targets::Urls(urls))
}

fn of_url(url: &str) -> RemoteWriteConfig {
    RemoteWriteConfig::new(RemoteWriteConfig::name_of(url), url)
}

impl Targets {
    /// The targets with all that is said of them.
    ///
    /// # Errors
    /// What is wrong with the file, and where.
    pub(crate) fn read(&self) -> Result<Vec<RemoteWriteConfig>, String> {
        match self {
            Targets::Urls(urls) => Ok(urls.iter().map(|url| of_url(url)).collect()),
            Targets::File(path) => {
                let text = std::fs::read_to_string(path).map_err(|e| {
                    format!("cannot read {}: {e}; docs/remote.md says what stands in it", path.display())
                })?;
                read(path, &text).map_err(|problem| format!("{}: {problem}", path.display()))
            }
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    target: Vec<Target>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    url: String,
    name: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    user: Option<String>,
    password_file: Option<PathBuf>,
    token_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    version: Option<String>,
    #[serde(default)]
    keep: Vec<String>,
    #[serde(default)]
    drop: Vec<String>,
    #[serde(default)]
    rename: BTreeMap<String, String>,
    #[serde(default)]
    add: BTreeMap<String, String>,
    shard: Option<String>,
    connections: Option<u16>,
    queue_size: Option<String>,
    batch_samples: Option<usize>,
    timeout: Option<String>,
}

/// Files that it names are beside it, unless they are named from the root.
fn read(path: &Path, text: &str) -> Result<Vec<RemoteWriteConfig>, String> {
    // Without the line itself, which may have a secret in it.
    let file: File = toml::from_str(text).map_err(|e| {
        let before = e.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        format!("line {}: {}", before.split('\n').count(), e.message().trim_end())
    })?;
    if file.target.is_empty() {
        return Err("there is no [[target]] in it".to_owned());
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut names = Vec::new();
    let mut configs = Vec::new();
    for (target, number) in file.target.into_iter().zip(1..) {
        // Its address may have a password in it.
        let what = target.name.as_ref().map_or_else(String::new, |name| format!(" ({name})"));
        let config = target.config(folder).and_then(|config| config.check().map(|()| config));
        let config = config.map_err(|problem| format!("target {number}{what}: {problem}"))?;
        if names.contains(&config.name) {
            return Err(format!(
                "target {number}{what}: give it a name of its own, {} is another's",
                config.name
            ));
        }
        names.push(config.name.clone());
        configs.push(config);
    }
    Ok(configs)
}

impl Target {
    fn config(self, folder: &Path) -> Result<RemoteWriteConfig, String> {
        let quoted = |key: &str, text: &str, rest: String| format!("{key}: \"{text}\" {rest}");
        let auth = match (self.user, self.password_file, self.token_file) {
            (None, None, None) => None,
            (Some(user), Some(file), None) => {
                Some(RemoteAuth::Basic { user, password_file: folder.join(file) })
            }
            (None, None, Some(file)) => Some(RemoteAuth::Bearer { token_file: folder.join(file) }),
            _ => return Err("give user with password_file, or token_file alone".to_owned()),
        };
        let version = match self.version.as_deref() {
            None | Some("auto") => None,
            Some("1.0") => Some(RemoteWriteVersion::V1),
            Some("2.0") => Some(RemoteWriteVersion::V2),
            Some(other) => return Err(format!("version: \"{other}\" is none of auto, 1.0, 2.0")),
        };
        let shard = match self.shard {
            None => None,
            Some(text) => {
                let parts = text.split_once('/').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
                Some(parts.ok_or_else(|| {
                    quoted("shard", &text, "is no part; give 1/3 for the first of three".into())
                })?)
            }
        };
        let name = self.name.unwrap_or_else(|| match shard {
            Some((part, of)) => format!("{}-{part}-of-{of}", RemoteWriteConfig::name_of(&self.url)),
            None => RemoteWriteConfig::name_of(&self.url),
        });
        let usual = RemoteWriteConfig::new(name, self.url);
        let queue_bytes = match self.queue_size {
            None => usual.queue_bytes,
            Some(text) => value::size(&text).map_err(|rest| quoted("queue_size", &text, rest))?,
        };
        let timeout = match self.timeout {
            None => usual.timeout,
            Some(text) => value::some_time(&text).map_err(|rest| quoted("timeout", &text, rest))?,
        };
        Ok(RemoteWriteConfig {
            headers: self.headers.into_iter().collect(),
            auth,
            ca_file: self.ca_file.map(|file| folder.join(file)),
            version,
            keep: self.keep,
            drop: self.drop,
            rename: self.rename.into_iter().collect(),
            add: self.add.into_iter().collect(),
            shard,
            connections: self.connections.unwrap_or(usual.connections),
            queue_bytes,
            batch_samples: self.batch_samples.unwrap_or(usual.batch_samples),
            timeout,
            ..usual
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn addresses_or_a_file() {
        let Ok(Targets::Urls(urls)) = targets("http://a/api/v1/write, https://b:8428/x") else { panic!() };
        assert_eq!(urls, ["http://a/api/v1/write", "https://b:8428/x"]);
        assert_eq!(targets("./targets.toml"), Ok(Targets::File("./targets.toml".into())));
        for text in ["", "on", "victoria:8428", "http://", "ftp://a/", "http://a/,", "http://u:p@a/"] {
            assert!(targets(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_file_says_all_there_is_to_say() {
        let text = r#"
            [[target]]
            url = "https://mimir.example/api/v1/push"
            name = "mimir"
            headers = { "X-Scope-OrgID" = "fleet" }
            user = "chasar"
            password_file = "secret"
            ca_file = "/etc/ssl/own.pem"
            version = "2.0"
            keep = ["up", '{__name__=~"node_.*"}']
            drop = ['{device="lo"}']
            rename = { instance = "host" }
            add = { site = "north" }
            shard = "2/3"
            connections = 4
            queue_size = "2GiB"
            batch_samples = 500
            timeout = "10s"

            [[target]]
            url = "http://victoria:8428/api/v1/write"
            token_file = "token"
        "#;
        let found = read(Path::new("/etc/chasar/targets.toml"), text).unwrap();
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        let first = RemoteWriteConfig {
            headers: vec![pair("X-Scope-OrgID", "fleet")],
            auth: Some(RemoteAuth::Basic {
                user: "chasar".into(),
                password_file: "/etc/chasar/secret".into(),
            }),
            ca_file: Some("/etc/ssl/own.pem".into()),
            version: Some(RemoteWriteVersion::V2),
            keep: vec!["up".into(), r#"{__name__=~"node_.*"}"#.into()],
            drop: vec![r#"{device="lo"}"#.into()],
            rename: vec![pair("instance", "host")],
            add: vec![pair("site", "north")],
            shard: Some((2, 3)),
            connections: 4,
            queue_bytes: 2 << 30,
            batch_samples: 500,
            timeout: Duration::from_secs(10),
            ..RemoteWriteConfig::new("mimir", "https://mimir.example/api/v1/push")
        };
        let url = "http://victoria:8428/api/v1/write";
        let second = RemoteWriteConfig {
            auth: Some(RemoteAuth::Bearer { token_file: "/etc/chasar/token".into() }),
            ..of_url(url)
        };
        assert_eq!(found, [first, second]);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let wrong = |text: &str| read(Path::new("f"), text).unwrap_err();
        assert!(wrong("").contains("no [[target]]"));
        let typo = wrong("[[target]]\nurl = \"http://a/\"\nqueue = 1");
        assert!(typo.contains("line 3") && typo.contains("queue_size"), "{typo}");
        for text in [
            "[[target]]\nurl = \"http://u:secret@a/\"\n",
            "[[target]]\nurl = \"http://a/\"\nheaders = { \"X\" = \"secret\", }}\n",
            "[[target]]\nurl = \"http://a:99999/?secret\"\nname = \"a\"\n",
        ] {
            let said = wrong(text);
            assert!(
                !said.contains("secret") && (said.contains("target 1") || said.contains("line 3")),
                "{said}"
            );
        }
        for (line, words) in [
            ("user = \"u\"", "password_file"),
            ("version = \"3.0\"", "none of auto"),
            ("shard = \"3\"", "1/3"),
            ("shard = \"4/3\"", "no part 4"),
            ("queue_size = \"x\"", "is not a size"),
            ("timeout = \"0\"", "is no time"),
            ("keep = [\"{\"]", "keep"),
        ] {
            let said = wrong(&format!("[[target]]\nurl = \"http://a/\"\n{line}\n"));
            assert!(said.starts_with("target 1: ") && said.contains(words), "{said}");
        }
        let twice = wrong("[[target]]\nurl = \"http://a/\"\n[[target]]\nurl = \"http://a/\"\n");
        assert!(twice.contains("target 2") && twice.contains("name of its own"), "{twice}");
    }
}
