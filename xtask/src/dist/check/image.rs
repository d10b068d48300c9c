//! What `Containerfile` says an image of ours runs, read from its lines: exec forms, the user and the environment.

use crate::Result;

/// How the image runs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Image {
    /// User and group, by number.
    pub(super) user: String,
    /// `NAME=VALUE`.
    pub(super) environment: Vec<String>,
    /// What runs when nothing else is said.
    pub(super) command: Vec<String>,
    /// What tells whether it is well.
    pub(super) health: Vec<String>,
    /// Within how many seconds.
    pub(super) health_within: u32,
}

impl Image {
    /// Reads the lines; each instruction of ours is in one.
    pub(super) fn parse(text: &str) -> Result<Image> {
        let lines = || text.lines().filter_map(|line| line.split_once(' '));
        let one = |name: &str| {
            let found = lines().find(|(word, _)| *word == name).map(|(_, rest)| rest);
            found.ok_or_else(|| format!("Containerfile has no {name}"))
        };
        let health = one("HEALTHCHECK")?;
        let (options, health) = health
            .split_once("CMD ")
            .ok_or_else(|| format!("Containerfile: HEALTHCHECK {health}: no CMD"))?;
        let within = options.split_whitespace().find_map(|o| o.strip_prefix("--timeout=")?.strip_suffix('s'));
        Ok(Image {
            user: one("USER")?.to_owned(),
            environment: lines().filter(|(word, _)| *word == "ENV").map(|(_, set)| set.to_owned()).collect(),
            command: [words(one("ENTRYPOINT")?)?, words(one("CMD")?)?].concat(),
            health: words(health)?,
            health_within: within
                .and_then(|seconds| seconds.parse().ok())
                .ok_or("Containerfile: HEALTHCHECK has no --timeout in seconds")?,
        })
    }
}

/// The words of an exec form. Those that a shell would change are refused, since the check runs them through one.
fn words(list: &str) -> Result<Vec<String>> {
    let words: Vec<String> = serde_json::from_str(list).map_err(|e| format!("Containerfile: {list}: {e}"))?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-=:".contains(c);
    match words.iter().find(|word| word.is_empty() || !word.chars().all(plain)) {
        Some(word) => Err(format!("Containerfile: {list}: the check cannot run the word {word:?}")),
        None => Ok(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_containerfile_is_understood() {
        let image = Image::parse(include_str!("../../../../Containerfile")).unwrap();
        assert_eq!(image.command, ["/usr/bin/chasar", "masternode", "start", "0.0.0.0"]);
        assert_eq!(image.health, ["/usr/bin/chasar", "doctor"]);
        assert_eq!((image.user.as_str(), image.health_within), ("65532:65532", 25));
        assert_eq!(image.environment, ["XDG_STATE_HOME=/var/lib"]);
    }

    #[test]
    fn what_cannot_be_run_is_refused() {
        let spoilt = |from: &str, to: &str| {
            Image::parse(&include_str!("../../../../Containerfile").replace(from, to)).unwrap_err()
        };
        assert!(spoilt("ENTRYPOINT", "#").contains("no ENTRYPOINT"));
        assert!(spoilt("CMD [\"masternode\"", "CMD [\"$HOME\"").contains("$HOME"));
        assert!(spoilt("--timeout=25s", "").contains("--timeout"));
    }
}
