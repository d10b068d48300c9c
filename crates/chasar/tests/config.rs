//! Folders of good and bad configuration files, each run through `chasar config check`.
//!
//! `CHASAR_UPDATE=1` writes the expected texts anew; look at the difference.

mod support;

use std::path::{Path, PathBuf};

use support::{chasar, compare, folder, run, text};

fn files(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config").join(kind);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    files.sort();
    assert!(files.len() > 3, "the files are there");
    files
}

/// Runs `config check` on a copy, so that no path of this machine is in the texts.
fn check(file: &Path) -> (Option<i32>, String, String) {
    let home = folder();
    let name = file.file_name().unwrap();
    std::fs::copy(file, home.path().join(name)).unwrap();
    std::fs::write(home.path().join("token"), "0123456789abcdef\n").unwrap();
    let output = chasar(home.path()).args(["config", "check"]).arg(name).output().unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn good_files_give_their_values() {
    for file in files("good") {
        let (code, stdout, stderr) = check(&file);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{}", file.display());
        assert!(stdout.starts_with("ok: "), "{stdout}");
        compare(Path::new("config/good").join(file.file_name().unwrap()).with_extension("txt"), &stdout);
    }
}

#[test]
fn bad_files_give_all_their_problems() {
    for file in files("bad") {
        let (code, stdout, stderr) = check(&file);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{}", file.display());
        let name = file.file_name().unwrap();
        for line in stderr.lines() {
            assert!(line.starts_with(&format!("error: {}:", name.display())), "{line}");
        }
        compare(Path::new("config/bad").join(name).with_extension("txt"), &stderr);
    }
}

#[test]
fn the_example_is_accepted_and_changes_nothing() {
    let home = folder();
    let values = |args: &[&str]| {
        let output = chasar(home.path()).args(["config", "check"]).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        // Without the first line and the remarks on where each value is from.
        let lines = text(&output.stdout);
        let lines = lines.lines().skip(1).map(|l| l.split("  # ").next().unwrap_or("").to_owned());
        lines.collect::<Vec<_>>().join("\n")
    };
    let example = run(&["config", "example"]);
    assert_eq!(example.status.code(), Some(0));
    std::fs::write(home.path().join("example.toml"), &example.stdout).unwrap();
    assert_eq!(values(&["example.toml"]), values(&[]));
    // What is commented out, because there is no default, is accepted too.
    let all: String = text(&example.stdout)
        .lines()
        .map(|l| match l.strip_prefix("# ") {
            Some(rest) if rest.starts_with("token_file = ") => "token_file = \"token\"\n".to_owned(),
            Some(rest) if rest.contains(" = ") => format!("{rest}\n"),
            _ => format!("{l}\n"),
        })
        .collect();
    std::fs::write(home.path().join("all.toml"), all).unwrap();
    std::fs::write(home.path().join("token"), "0123456789abcdef\n").unwrap();
    let filled = values(&["all.toml"]);
    assert!(
        filled.contains("state_dir = \"/var/lib/chasar/clientnode\"") && filled.contains("spool_dir = "),
        "{filled}"
    );
}

#[test]
fn values_can_be_given_back_as_a_file() {
    let home = folder();
    let first = chasar(home.path())
        .args(["config", "check"])
        .env("CHASAR_CLIENTNODE_PROCESSES", "all")
        .env("CHASAR_CLIENTNODE_INTERVAL", "500ms")
        .env("CHASAR_SPELLED_WRONG", "1")
        .output()
        .unwrap();
    let stdout = text(&first.stdout);
    assert!(stdout.contains("note: CHASAR_SPELLED_WRONG"), "{stdout}");
    assert!(stdout.contains("processes = \"all\"  # environment CHASAR_CLIENTNODE_PROCESSES"), "{stdout}");
    let file: String = stdout.lines().skip_while(|l| !l.starts_with('[')).map(|l| format!("{l}\n")).collect();
    std::fs::write(home.path().join("given.toml"), file).unwrap();
    let second = chasar(home.path()).args(["config", "check", "given.toml"]).output().unwrap();
    let stdout = text(&second.stdout);
    assert!(stdout.contains("processes = \"all\"  # given.toml:"), "{stdout}{}", text(&second.stderr));
    assert!(stdout.contains("interval = \"500ms\""), "{stdout}");
}

#[test]
fn files_in_default_places_are_found() {
    let home = folder();
    let place = home.path().join(".config/chasar");
    std::fs::create_dir_all(&place).unwrap();
    std::fs::write(place.join("chasar.toml"), "[clientnode]\ninterval = 7\n").unwrap();
    let check = |command: &mut std::process::Command| text(&command.output().unwrap().stdout);
    let stdout = check(chasar(home.path()).args(["config", "check"]));
    assert!(stdout.contains("interval = 7  # chasar.toml:2:12"), "{stdout}");
    let other = home.path().join("other.toml");
    std::fs::write(&other, "[clientnode]\ninterval = 8\n").unwrap();
    let stdout = check(chasar(home.path()).args(["config", "check"]).env("CHASAR_CONFIG", &other));
    assert!(stdout.contains("interval = 8  # other.toml:2:12"), "{stdout}");
}
