//! Every mistake is answered with one clear line on stderr and a code that tells of what kind it is.

mod support;

use support::{chasar, folder, run, text};

/// Arguments, exit code, and what the line has to say.
const MISTAKES: [(&[&str], i32, &[&str]); 26] = [
    (&["wach"], 2, &["unrecognized subcommand 'wach'", "'watch'", "see chasar --help"]),
    (&["masternode", "strat"], 2, &["'strat'", "'start'", "see chasar masternode --help"]),
    (&["watch", "--jsn"], 2, &["'--jsn'", "'--json'", "see chasar watch --help"]),
    (&["watch", "--states"], 2, &["--json"]),
    (&["watch", "--count", "3"], 2, &["--json"]),
    (&["watch", "--json", "--count", "0"], 2, &["'0'", "--count", "see chasar watch --help"]),
    (&["watch", "--for", "soon"], 2, &["'soon'", "--for", "90s"]),
    (&["watch", "--for", "0"], 2, &["more than 0"]),
    (&["watch", "a b"], 2, &["'a b'", "host:port"]),
    (&["watch", "host:0"], 2, &["'host:0'", "host:port"]),
    (&["watch", "a:1", "b:2"], 2, &["unexpected argument 'b:2'"]),
    (&["watch", "does-not-exist.invalid"], 1, &["does-not-exist.invalid", "check the name"]),
    (&["clientnode", "start", "--intervall", "3"], 2, &["'--intervall'", "'--interval'"]),
    (&["clientnode", "start", "--interval", "0.05"], 2, &["--interval", "0.1 to 3600"]),
    (&["clientnode", "start", "--processes", "some"], 2, &["--processes", "\"some\"", "all, or none"]),
    (&["clientnode", "start", "--outbox-size", "1"], 2, &["--outbox-size", "not between"]),
    (&["clientnode", "start", "--compress=maybe"], 2, &["--compress", "neither true nor false"]),
    (&["clientnode", "start", "host", "0"], 2, &["[port]", "1 to 65535"]),
    (&["clientnode", "start", "not a host"], 2, &["[ip-address-masternode]", "host name or an IP address"]),
    (&["clientnode", "start", "--log-level", "wran"], 2, &["--log-level", "did you mean \"warn\""]),
    (&["masternode", "start", "127.0.0.1", "70000"], 2, &["[port]", "\"70000\"", "0 to 65535"]),
    (&["masternode", "start", "--stream", "nowhere"], 2, &["--stream", "host:port", "off"]),
    (&["masternode", "start", "--config", "/nowhere.toml"], 2, &["/nowhere.toml", "check the path"]),
    (&["config", "check", "/nowhere.toml"], 2, &["/nowhere.toml", "No such file"]),
    (&["completions", "csh"], 2, &["'csh'", "bash"]),
    (&["man", "/nowhere/at/all"], 1, &["/nowhere/at/all", "folder that exists"]),
];

#[test]
fn each_mistake_is_one_line_that_says_what_where_and_what_to_do() {
    for (args, code, parts) in MISTAKES {
        let output = run(args);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{args:?}: {stderr}");
        assert!(stderr.starts_with("error: "), "{args:?}: {stderr}");
        for part in parts {
            assert!(stderr.contains(part), "{args:?} does not say {part:?}: {stderr}");
        }
        assert_eq!(text(&output.stdout), "", "{args:?}");
    }
}

#[test]
fn all_problems_of_all_layers_are_told_at_once() {
    let home = folder();
    let file = home.path().join("c.toml");
    std::fs::write(&file, "[clientnode]\nintervall = 1\ncompress = 7\n").unwrap();
    let output = chasar(home.path())
        .args(["clientnode", "start", "--processes", "-", "--config"])
        .arg(&file)
        .env("CHASAR_CLIENTNODE_OUTBOX_AGE", "long")
        .output()
        .unwrap();
    let stderr = text(&output.stderr).replace(&home.path().display().to_string(), "HOME");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        stderr.lines().collect::<Vec<_>>(),
        [
            "error: HOME/c.toml:2:1: unknown key \"intervall\" in [clientnode]; did you mean \"interval\"?",
            "error: HOME/c.toml:3:12: compress: \"7\" is neither true nor false",
            "error: --processes: \"-\" is not a number of processes; give 0 to 4096, all, or none",
            "error: environment CHASAR_CLIENTNODE_OUTBOX_AGE: \"long\" is not a length of time; give seconds, \
             or a unit as in 500ms, 90s, 15m, 2h, 1d",
        ]
    );
}

#[test]
fn hostile_arguments_do_not_reach_the_terminal() {
    for args in
        [&["watch", "a\u{1b}[2J"][..], &["\u{1b}]0;x\u{7}"], &["clientnode", "start", "\u{202e}\n\u{9b}"]]
    {
        let stderr = text(&run(args).stderr);
        assert!(stderr.trim_end().chars().all(chasar_top::text::is_harmless), "{stderr:?}");
    }
}

#[test]
fn a_closed_pipe_is_no_failure() {
    use std::process::Stdio;
    for args in [&["--help"][..], &["config", "example"], &["completions", "bash"], &["man"]] {
        let home = folder();
        let mut child =
            chasar(home.path()).args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn alone_it_shows_the_help_and_fails() {
    for args in [&[][..], &["masternode"], &["config"]] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains("Usage: chasar"), "{args:?}");
    }
}
