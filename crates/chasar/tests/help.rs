//! The help of every command as text files in `tests/help`, and what is made of the same definition.

mod support;

use support::{compare, folder, run, text};

#[test]
fn help_of_every_command() {
    for (name, args) in [
        ("chasar", &["--help"][..]),
        ("chasar-short", &["-h"]),
        ("masternode-start", &["masternode", "start", "--help"]),
        ("masternode-start-short", &["masternode", "start", "-h"]),
        ("clientnode-start", &["clientnode", "start", "--help"]),
        ("watch", &["watch", "--help"]),
        ("doctor", &["doctor", "--help"]),
        ("history", &["history", "--help"]),
        ("history-stats", &["history", "stats", "--help"]),
        ("history-verify", &["history", "verify", "-h"]),
        ("history-export", &["history", "export", "--help"]),
        ("history-export-short", &["history", "export", "-h"]),
        ("history-import", &["history", "import", "--help"]),
        ("history-snapshot", &["history", "snapshot", "--help"]),
        ("query", &["query", "--help"]),
        ("query-short", &["query", "-h"]),
        ("demo", &["demo", "--help"]),
        ("config-check", &["config", "check", "--help"]),
        ("service-install-clientnode", &["service", "install", "clientnode", "--help"]),
        ("service-install-masternode-short", &["service", "install", "masternode", "-h"]),
        ("service-uninstall", &["service", "uninstall", "--help"]),
        ("service-status", &["service", "status", "--help"]),
        ("service-print", &["service", "print", "--help"]),
        ("completions", &["completions", "-h"]),
        ("man", &["man", "-h"]),
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        let help = text(&output.stdout);
        assert!(help.lines().all(|l| l.chars().count() <= 100), "{args:?}: a line is wider than 100");
        assert!(help.contains("Example"), "{args:?} teaches with an example");
        compare(format!("help/{name}.txt"), &help);
    }
}

#[test]
fn the_version_names_the_library() {
    let output = run(&["--version"]);
    let expected = format!("chasar {} (libzmq 4.3.5)\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(text(&output.stdout), expected);
    assert_eq!(text(&run(&["watch", "-V"]).stdout), expected.replace("chasar ", "chasar-watch "));
}

#[test]
fn completions_know_commands_and_options() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        let script = text(&output.stdout);
        for word in ["masternode", "watch", "outbox-age", "log-level", "states"] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
        // Those of the others complete no values.
        assert!(
            script.contains("trace") || ["elvish", "powershell"].contains(&shell),
            "{shell} knows the levels"
        );
    }
    let bash = std::process::Command::new("bash").arg("-n").stdin(std::process::Stdio::piped()).spawn();
    if let Ok(mut bash) = bash {
        std::io::Write::write_all(&mut bash.stdin.take().unwrap(), &run(&["completions", "bash"]).stdout)
            .unwrap();
        assert!(bash.wait().unwrap().success(), "bash reads it");
    }
}

#[test]
fn manual_pages_for_every_command() {
    let folder = folder();
    let output = run(&["man", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let page = |name: &str| {
        std::fs::read_to_string(folder.path().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    };
    assert!(page("chasar.1").contains("Exit codes"));
    assert!(page("chasar-masternode-start.1").contains("CHASAR_MASTERNODE_STREAM"));
    assert!(page("chasar-clientnode-start.1").contains("outbox"));
    assert!(page("chasar-watch.1").contains("json"));
    assert!(text(&run(&["man"]).stdout).contains("chasar"));
}
