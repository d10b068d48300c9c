//! Where the settings are from, and what is wrong with them.

use std::path::PathBuf;

use crate::finding::{Finding, shell};

/// What the settings' reader found.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// Everything that is wrong, each as a line with its place and what to do.
    pub problems: Vec<String>,
    /// Variables of the environment that go over what the file says.
    pub overrides: Vec<Override>,
    /// Variables that begin like ours and mean nothing.
    pub unknown: Vec<String>,
}

/// A variable that goes over the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// Its name.
    pub variable: String,
    /// What it says.
    pub value: String,
    /// What the file says.
    pub in_file: String,
}

/// What it means.
pub(crate) fn judge(facts: &Configuration) -> Vec<Finding> {
    let looked_at = match &facts.file {
        Some(path) => format!("configuration {}", path.display()),
        None => "configuration".to_owned(),
    };
    let mut findings = Vec::new();
    for problem in &facts.problems {
        let check = match &facts.file {
            Some(path) => format!("chasar config check {}", shell(&path.to_string_lossy())),
            None => "chasar config check".to_owned(),
        };
        findings.push(
            Finding::wrong("configuration-wrong", &looked_at, problem)
                .because("Nothing starts with a configuration that is not understood.")
                .run("Correct it, then see whether all is well.", check),
        );
    }
    for Override { variable, value, in_file } in &facts.overrides {
        let found = format!("The environment says {variable}={value}, the file says {in_file}.");
        findings.push(
            Finding::note("configuration-overridden", &looked_at, found)
                .because("The environment goes over the file, so changing the file changes nothing.")
                .run("Take the variable back if it is not meant.", format!("unset {variable}")),
        );
    }
    for variable in &facts.unknown {
        findings.push(
            Finding::note(
                "variable-unknown",
                &looked_at,
                format!("{variable} in the environment means nothing to Chasar."),
            )
            .because("It is perhaps misspelt, and what was meant does not hold.")
            .run(
                "See the names that there are.",
                "chasar masternode start --help; chasar clientnode start --help",
            ),
        );
    }
    if findings.is_empty() {
        let found = if facts.file.is_some() {
            "It is understood."
        } else {
            "There is no file; defaults and arguments hold."
        };
        findings.push(Finding::fine("configuration-understood", looked_at, found));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Verdict;

    #[test]
    fn settings_that_are_wrong_or_not_what_they_seem() {
        let codes =
            |facts: &Configuration| judge(facts).iter().map(|f| (f.code, f.verdict)).collect::<Vec<_>>();
        assert_eq!(codes(&Configuration::default()), [("configuration-understood", Verdict::Fine)]);
        let facts = Configuration {
            file: Some("/etc/x y.toml".into()),
            problems: vec!["/etc/x y.toml:1:1: unknown key".into()],
            overrides: vec![Override { variable: "V".into(), value: "1".into(), in_file: "2".into() }],
            unknown: vec!["CHASAR_X".into()],
        };
        assert_eq!(
            codes(&facts),
            [
                ("configuration-wrong", Verdict::Wrong),
                ("configuration-overridden", Verdict::Note),
                ("variable-unknown", Verdict::Note)
            ]
        );
        let findings = judge(&facts);
        assert_eq!(findings[0].remedy[0].command.as_deref(), Some("chasar config check '/etc/x y.toml'"));
        assert_eq!(findings[1].found, "The environment says V=1, the file says 2.");
    }
}
