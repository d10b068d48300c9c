//! What dashboards and rules ask, read from their files and filled in for the one who is asked.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use chasar_e2e::workspace;
use chasar_query::duration_ms;
use regex::{Captures, Regex};
use serde::Deserialize;

/// Our own: what dashboards and rules of hosts ask, in our words.
const OWN: &str = include_str!("host.promql");

/// One query of a dashboard, or the condition of a rule.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Expression {
    /// Where it is from.
    pub(crate) file: String,
    /// The panel or rule.
    pub(crate) title: String,
    /// PromQL with Grafana's variables.
    #[serde(rename = "expression")]
    pub(crate) text: String,
}

/// Our own ones: one a line, below a line that says what they are.
pub(crate) fn own() -> Vec<Expression> {
    let mut title = "";
    let mut all = Vec::new();
    for line in OWN.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.strip_prefix('#') {
            Some(comment) => title = comment.trim(),
            None => {
                let (file, title) = ("host.promql".to_owned(), title.to_owned());
                all.push(Expression { file, title, text: line.to_owned() });
            }
        }
    }
    all
}

/// Those of files, or of all files of folders.
pub(crate) fn read(paths: &[PathBuf]) -> Vec<Expression> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let entries = path.read_dir().unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            files.extend(entries.map(|entry| entry.unwrap().path()));
        } else {
            files.push(path.clone());
        }
    }
    let known =
        |path: &Path| path.extension().is_some_and(|e| ["json", "yml", "yaml"].iter().any(|k| e == *k));
    files.retain(|path| known(path));
    files.sort();
    let mut command = Command::new(workspace::python());
    let output = command.arg(workspace::peer("expressions.py")).args(&files).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let mut all: Vec<Expression> = lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
    for expression in &mut all {
        let name = Path::new(&expression.file).file_name().unwrap_or_default();
        expression.file = name.to_string_lossy().into_owned();
        expression.text = expression.text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    // A panel and its overview often ask the same.
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|expression| seen.insert((expression.file.clone(), expression.text.clone())));
    all
}

/// Who is asked.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) job: String,
    pub(crate) instance: String,
    pub(crate) host: String,
}

macro_rules! pattern {
    ($name:ident, $text:literal) => {
        static $name: LazyLock<Regex> = LazyLock::new(|| Regex::new($text).unwrap());
    };
}

pattern!(VARIABLE, r"\$\{(\w+)(?::\w+)?\}|\[\[(\w+)\]\]|\$(\w+)");
pattern!(JOB, r#"\bjob\s*=~?\s*"[^"]*""#);
pattern!(ANYTHING, r#"=~?\s*(["'])\.\*["']"#);
pattern!(RANGE, r"\[\s*([0-9a-z]+)\s*(:\s*[0-9a-z]*\s*)?\]");

/// An expression with Grafana's variables replaced, `job` that of who is asked, and no range longer than `longest_ms`.
pub(crate) fn fill(text: &str, names: &Names, longest_ms: i64) -> String {
    let range = format!("{}s", longest_ms / 1000);
    let variable = |found: &Captures<'_>| {
        let name = found.iter().skip(1).flatten().next().map_or("", |m| m.as_str());
        match name {
            "__rate_interval" | "__interval" | "__range" | "interval" | "resolution" => range.clone(),
            "node" | "instance" | "host" | "server" => names.instance.clone(),
            "nodename" => names.host.clone(),
            "job" => names.job.clone(),
            // Values that a user would choose from are all taken.
            _ => ".*".to_owned(),
        }
    };
    let text = VARIABLE.replace_all(text, variable);
    let text = ANYTHING.replace_all(&text, "=~$1.*$1");
    let text = JOB.replace_all(&text, format!("job=\"{}\"", names.job));
    let shorter = |found: &Captures<'_>| match duration_ms(&found[1]) {
        Some(ms) if ms > longest_ms => {
            let step = found.get(2).map_or("", |_| ":1s");
            format!("[{range}{step}]")
        }
        _ => found[0].to_owned(),
    };
    RANGE.replace_all(&text, shorter).into_owned()
}

#[test]
fn variables_jobs_and_ranges_are_filled_in() {
    let names = Names { job: "chasar".into(), instance: "web".into(), host: "web.example".into() };
    let fill = |text| fill(text, &names, 20_000);
    for (text, filled) in [
        (r#"x{instance="$node",job="$job"}"#, r#"x{instance="web",job="chasar"}"#),
        (r#"x{job="node-exporter", nodename="$nodename"}"#, r#"x{job="chasar", nodename="web.example"}"#),
        (r#"x{cluster="$cluster",job=~"a|b"}"#, r#"x{cluster=~".*",job="chasar"}"#),
        (r#"x{instance=~"$hosts([.:].*)?"}"#, r#"x{instance=~".*([.:].*)?"}"#),
        ("rate(x[$__rate_interval]) + rate(x[${interval}])", "rate(x[20s]) + rate(x[20s])"),
        ("rate(x[5m]) + rate(x[10s]) + x[1h:]", "rate(x[20s]) + rate(x[10s]) + x[20s:1s]"),
        ("rate(x[[[interval]]])", "rate(x[20s])"),
    ] {
        assert_eq!(fill(text), filled);
    }
}
