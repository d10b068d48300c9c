//! `chasar query`: against a folder of history that is made here, and against HTTP.

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use chasar_tsdb::storage::Disk;
use chasar_tsdb::{Kind, Labels, NAME, Options, Store, Sync};
use support::{chasar, compare, folder, text};

/// 2023-11-14T22:00:00Z
const BEGIN_MS: i64 = 1_699_999_200_000;
const HOUR_S: i64 = 3600;

fn write(folder: &Path, metric: &str, instance: &str, samples: impl Iterator<Item = (i64, f64)>) {
    let options = Options { sync: Sync::Never, ..Options::default() };
    let store = Store::open(Arc::new(Disk::open(folder).unwrap()), options).unwrap().0;
    let mut writer = store.writer().unwrap();
    let labels = Labels::new([(NAME, metric), ("instance", instance), ("job", "chasar")]).unwrap();
    let series = writer.series(&labels, Kind::Gauge);
    for (time, value) in samples {
        writer.sample(&series, time, value);
        writer.commit(time).unwrap();
    }
    store.flush(BEGIN_MS + HOUR_S * 1000).unwrap();
}

/// An hour of three computers: a wave, a ramp with a hole of ten minutes in it, and a jump.
fn an_hour(folder: &Path) {
    let seconds = || (0..=HOUR_S).step_by(5).map(|s| (BEGIN_MS + s * 1000, s as f64));
    write(folder, "node_load1", "web\u{1b}[2J", seconds().map(|(t, s)| (t, 2.0 + (s / 300.0).sin() * 1.5)));
    let hole = |s: &f64| !(1200.0..2100.0).contains(s);
    write(folder, "node_load1", "=db", seconds().filter(|(_, s)| hole(s)).map(|(t, s)| (t, s / 900.0)));
    write(folder, "node_load1", "mail", seconds().map(|(t, s)| (t, if s < 2700.0 { 0.25 } else { 3.5 })));
    write(folder, "up", "mail", seconds().map(|(t, _)| (t, 1.0)));
}

fn query(home: &Path, args: &[&str]) -> Output {
    chasar(home).arg("query").args(args).output().unwrap()
}

/// Runs it and gives stdout; it has to succeed and to say nothing else.
fn good(home: &Path, args: &[&str]) -> String {
    let output = query(home, args);
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""), "{args:?}");
    text(&output.stdout)
}

fn bad(home: &Path, args: &[&str], code: i32) -> String {
    let output = query(home, args);
    let stderr = text(&output.stderr);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(code), ""), "{args:?}: {stderr}");
    assert!(stderr.starts_with("error: "), "{args:?}: {stderr}");
    stderr
}

#[test]
fn a_folder_is_asked() {
    let home = folder();
    let history = home.path().join("h");
    an_hour(&history);
    let ask = |words: &[&str]| {
        good(home.path(), &[words, &["--folder", "h", "--at", "2023-11-14T22:50:00Z"]].concat())
    };
    assert_eq!(
        ask(&["sort(node_load1)"]),
        format!(
            "all: node_load1{{job=\"chasar\"}}\n  value  instance\n{:.5}  web�[2J\n3.33333  =db\n    3.5  mail\n",
            2.0 + 10f64.sin() * 1.5
        )
    );
    assert_eq!(ask(&["count(node_load1 > 3) * 0.1"]), "value\n  0.2\n");
    assert_eq!(ask(&["time()"]), "1700002200\n");
    assert_eq!(ask(&["\"a\u{1b}b\""]), "a�b\n");
    assert_eq!(
        ask(&["up", "--format", "json"]),
        "{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"__name__\":\"up\",\"instance\":\"mail\",\"job\":\"chasar\"},\
         \"value\":[1700002200,\"1\"]}]}\n"
    );
    let json: serde_json::Value =
        serde_json::from_str(&ask(&["node_load1[10s]", "--format", "json"])).unwrap();
    assert_eq!(json["resultType"], "matrix");
    assert_eq!(json["result"][0]["metric"]["instance"], "=db");
    assert_eq!(json["result"][0]["values"].as_array().unwrap().len(), 2, "{json}");
    assert_eq!(
        ask(&["node_load1{instance=~\"=db|mail\"}", "--format", "csv"]),
        format!(
            "time_ms,value,__name__,instance,job\r\n1700002200000,{},node_load1,\"'=db\",chasar\r\n\
             1700002200000,3.5,node_load1,mail,chasar\r\n",
            3000.0 / 900.0
        )
    );
    let range = ask(&["up", "--range", "1m", "--step", "30s"]);
    assert_eq!(
        range,
        "time_ms,value,__name__,instance,job\r\n1700002140000,1,up,mail,chasar\r\n1700002170000,1,up,mail,chasar\r\n\
         1700002200000,1,up,mail,chasar\r\n",
        "no terminal: CSV"
    );
    assert_eq!(
        ask(&["up", "--range", "30s", "--step", "30s", "--format", "table"]),
        "up{instance=\"mail\", job=\"chasar\"}\n1  2023-11-14T22:49:30Z\n1  2023-11-14T22:50:00Z\n"
    );
}

#[test]
fn nothing_found_is_no_failure_and_a_mistake_is_shown() {
    let home = folder();
    an_hour(&home.path().join("h"));
    for format in ["table", "plot", "csv", "json"] {
        let output = query(
            home.path(),
            &["absent_metric", "--folder", "h", "--at", "1700000000", "--range", "1m", "--format", format],
        );
        assert_eq!(output.status.code(), Some(0), "{format}");
        assert_eq!(text(&output.stderr), "note: nothing found: no series fits the query in this range\n");
        let expected = match format {
            "json" => "{\"resultType\":\"matrix\",\"result\":[]}\n",
            "csv" => "time_ms,value,__name__\r\n",
            _ => "",
        };
        assert_eq!(text(&output.stdout), expected, "{format}");
    }
    let wrong = bad(home.path(), &["sum(rate(up[5m])) by (", "--folder", "h"], 2);
    let lines: Vec<&str> = wrong.lines().collect();
    assert!(
        lines[0].contains("parse error") && lines[1] == "  sum(rate(up[5m])) by (" && lines[2].trim() == "^",
        "{wrong}"
    );
    let wrong = bad(home.path(), &["1 +\n  nosuch\u{1b}(up)", "--folder", "h"], 2);
    assert!(!wrong.contains('\u{1b}') && wrong.contains("\n  "), "{wrong:?}");
    let wrong = bad(home.path(), &["rate(up)", "--folder", "h"], 2);
    assert!(wrong.ends_with("\n  rate(up)\n       ^^\n"), "{wrong}");
    // Several series on the one side: only the samples tell.
    let wrong = bad(home.path(), &["up + on(job) node_load1", "--folder", "h", "--at", "1700000000"], 1);
    assert!(wrong.contains("many-to-one") || wrong.contains("duplicate"), "{wrong}");
    for (args, says) in [
        (&["up", "--step", "5"][..], "--step is for a range"),
        (&["up", "--to", "now"], "--to wants a begin"),
        (&["up", "--format", "plot"], "a plot is of a range"),
        (&["up[5m]", "--range", "1h"], "range vector"),
        (&["up", "--range", "1x"], "--range"),
        (&["up", "--url", "https://a"], "https"),
        (&["up", "--folder", "h", "--token-file", "t"], "cannot be used with"),
        (&["up", "--token-file", "nowhere"], "--token-file: cannot read nowhere"),
        (&[], "query"),
    ] {
        let wrong = bad(home.path(), args, 2);
        assert!(wrong.contains(says), "{args:?}: {wrong}");
    }
    let wrong = bad(home.path(), &["up", "--folder", "nowhere"], 1);
    assert!(wrong.contains("there is no history in nowhere"), "{wrong}");
}

fn plot(home: &Path, size: (&str, &str), args: &[&str]) -> String {
    let output = chasar(home)
        .arg("query")
        .args(args)
        .args([
            "--folder",
            "h",
            "--from",
            "2023-11-14T22:00:00Z",
            "--to",
            "2023-11-14T23:00:00Z",
            "--format",
            "plot",
        ])
        .envs([("COLUMNS", size.0), ("LINES", size.1)])
        .output()
        .unwrap();
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""), "{args:?}");
    let plot = text(&output.stdout);
    assert!(!plot.contains('\u{1b}'), "no terminal, no colours: {plot:?}");
    let most = plot.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(most <= size.0.parse().unwrap() && plot.lines().count() < size.1.parse().unwrap(), "{plot}");
    plot
}

#[test]
fn plots_as_they_are_seen() {
    let home = folder();
    an_hour(&home.path().join("h"));
    for (name, size, expr) in [
        ("plot-80x24", ("80", "24"), "node_load1"),
        ("plot-40x20", ("40", "20"), "node_load1"),
        ("plot-single-80x24", ("80", "24"), "node_load1{instance=\"=db\"} * 1e9"),
        ("plot-flat-40x16", ("40", "16"), "up"),
    ] {
        compare(format!("query/{name}.txt"), &plot(home.path(), size, &[expr]));
    }
}

/// Answers one request, whatever it is, and gives what was asked.
fn server(answer: String) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = String::new();
        let mut buffer = [0; 4096];
        // The form is what comes last; its length is in the head.
        let whole = |request: &str| {
            let (head, form) = request.split_once("\r\n\r\n")?;
            let length = head.lines().find_map(|l| l.strip_prefix("Content-Length: "))?;
            (form.len() >= length.parse().unwrap()).then_some(())
        };
        while whole(&request).is_none() {
            let n = stream.read(&mut buffer).unwrap();
            assert!(n > 0, "cut off: {request}");
            request.push_str(std::str::from_utf8(&buffer[..n]).unwrap());
        }
        stream.write_all(answer.as_bytes()).unwrap();
        request
    });
    (url, asked)
}

fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\n\r\n{body}")
}

#[test]
fn http_is_asked() {
    let home = folder();
    std::fs::write(home.path().join("token"), "0123456789abcdef\n").unwrap();
    let (url, asked) = server(http(
        "200 OK",
        r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"instance":"a"},"value":[1700000000.5,"1.5"]}]},"warnings":["half\u001b of it is lost"],"infos":["by the way"]}"#,
    ));
    let output = query(
        home.path(),
        &["up{a=\"&=+\"}", "--url", &url, "--token-file", "token", "--at", "1700000000.5", "--format", "csv"],
    );
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), "time_ms,value,__name__,instance\r\n1700000000500,1.5,,a\r\n");
    assert_eq!(text(&output.stderr), "warning: half� of it is lost\ninfo: by the way\n");
    let asked = asked.join().unwrap();
    assert!(asked.starts_with("POST /api/v1/query HTTP/1.0\r\n"), "{asked}");
    assert!(asked.contains("\r\nAuthorization: Bearer 0123456789abcdef\r\n"), "{asked}");
    assert!(asked.ends_with("\r\n\r\nquery=up%7Ba%3D%22%26%3D%2B%22%7D&time=1700000000.5"), "{asked}");

    let (url, asked) =
        server(http("200 OK", r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#));
    let output = query(
        home.path(),
        &["up", "--url", &format!("{url}/x/"), "--from", "1000", "--to", "1060", "--step", "250ms"],
    );
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let asked = asked.join().unwrap();
    assert!(asked.starts_with("POST /x/api/v1/query_range HTTP/1.0\r\n"), "{asked}");
    assert!(
        asked.ends_with("query=up&start=1000&end=1060&step=0.25") && !asked.contains("Authorization"),
        "{asked}"
    );
}

#[test]
fn what_http_refuses_is_told() {
    let home = folder();
    for (answer, code, says) in [
        (
            http("422 x", r#"{"status":"error","errorType":"execution","error":"too many samples"}"#),
            1,
            "execution: too many samples",
        ),
        (
            http(
                "400 x",
                r#"{"status":"error","errorType":"bad_data","error":"exceeded maximum resolution"}"#,
            ),
            2,
            "exceeded maximum resolution",
        ),
        (http("401 x", "A token is needed."), 1, "--token-file"),
        (http("403 x", "This name is not known here.\nb"), 1, "refuses (403): This name is not known here."),
        (http("404 x", ""), 1, "knows no PromQL"),
        (http("200 OK", "<html>"), 1, "something else than Prometheus' API"),
        ("SSH-2.0-x\r\n".to_owned(), 1, "not HTTP"),
    ] {
        let (url, asked) = server(answer);
        let wrong = bad(home.path(), &["up", "--url", &url], code);
        assert!(wrong.contains(says), "{says}: {wrong}");
        asked.join().unwrap();
    }
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let wrong = bad(home.path(), &["up", "--url", &free.to_string()], 1);
    assert!(wrong.contains("does not answer") && wrong.contains("--folder"), "{wrong}");
}

#[cfg(unix)]
#[test]
fn a_terminal_gets_a_plot_in_colours_that_fits() {
    let home = folder();
    an_hour(&home.path().join("h"));
    let run = |no_colour: bool| {
        let line = format!(
            "stty rows 20 cols 60; unset COLUMNS; exec {} query node_load1 --folder h --at 1700002800 --range 1h",
            env!("CARGO_BIN_EXE_chasar")
        );
        let mut command = std::process::Command::new("script");
        command
            .args(["--quiet", "--flush", "--return", "--command", &line, "/dev/null"])
            .current_dir(home.path());
        command
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .env_remove("COLUMNS")
            .env_remove("LINES");
        if no_colour {
            command.env("NO_COLOR", "1");
        }
        let output = command.stdin(std::process::Stdio::null()).output().expect("script of util-linux");
        assert_eq!(output.status.code(), Some(0));
        text(&output.stdout)
    };
    let coloured = run(false);
    assert!(coloured.contains("\u{1b}[36m") && !coloured.contains("\u{1b}[2J"), "{coloured:?}");
    let plain = run(true);
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
    let widest = plain.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(
        (55..=60).contains(&widest) && plain.lines().count() == 19,
        "{widest} {}\n{plain}",
        plain.lines().count()
    );
}
