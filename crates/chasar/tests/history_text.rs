//! `chasar history export`, `import` and `snapshot`: what goes out comes back, and nothing is lost on the way.

mod support;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use chasar_tsdb::storage::Disk;
use chasar_tsdb::{Kind, Labels, NAME, Options, Store, Sync};
use proptest::prelude::*;
use support::{chasar, folder, text};

/// Prometheus' mark for the end of a series.
const STALE: f64 = f64::from_bits(0x7FF0_0000_0000_0002);

fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::new(pairs.iter().copied()).unwrap()
}

fn open(folder: &Path) -> Store {
    let options = Options { sync: Sync::Never, ..Options::default() };
    Store::open(Arc::new(Disk::open(folder).unwrap()), options).unwrap().0
}

type Sample = (Labels, Kind, i64, f64);

fn write(folder: &Path, samples: &[Sample]) {
    let store = open(folder);
    let mut writer = store.writer().unwrap();
    for (at, (labels, kind, time, value)) in samples.iter().enumerate() {
        let series = writer.series(labels, *kind);
        writer.sample(&series, *time, *value);
        writer.commit(now_ms()).unwrap();
        if at == samples.len() / 2 {
            store.flush(now_ms()).unwrap();
        }
    }
}

/// Every sample in a folder, by its labels as text: time and bits of the value.
fn read(folder: &Path) -> Vec<(String, i64, u64)> {
    let disk = Arc::new(Disk::read_only(folder));
    let (store, opening) = Store::open_read_only(disk, Options::default()).unwrap();
    assert!(opening.damaged.is_empty(), "{opening:?}");
    let answer = store.snapshot().select(&[], i64::MIN, i64::MAX).unwrap();
    assert!(answer.damage.is_empty());
    let mut all = Vec::new();
    for series in answer.series {
        let labels = format!("{:?}", series.labels.iter().collect::<Vec<_>>());
        all.extend(
            series.times_ms.iter().zip(&series.values).map(|(t, v)| (labels.clone(), *t, v.to_bits())),
        );
    }
    all
}

fn history(home: &Path, args: &[&str]) -> Output {
    chasar(home).arg("history").args(args).output().unwrap()
}

/// Runs it and gives stdout; it has to succeed.
fn good(home: &Path, args: &[&str]) -> String {
    let output = history(home, args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn bad(home: &Path, args: &[&str], code: i32) -> String {
    let output = history(home, args);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
    assert!(stderr.starts_with("error: "), "{args:?}: {stderr}");
    stderr
}

fn file(home: &Path, name: &str, content: &str) -> PathBuf {
    let path = home.join(name);
    std::fs::write(&path, content).unwrap();
    path
}

fn feed_stdin(home: &Path, args: &[&str], content: &[u8]) -> Output {
    let mut child = chasar(home)
        .arg("history")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(content).unwrap();
    child.wait_with_output().unwrap()
}

/// Some series of two computers, a sample a second for two minutes until a quarter of an hour ago.
fn some(now: i64) -> Vec<Sample> {
    let mut samples = Vec::new();
    for (name, own, kind) in [
        ("node_load1", &[][..], Kind::Gauge),
        ("node_cpu_seconds_total", &[("cpu", "0"), ("mode", "user")][..], Kind::Counter),
        ("up", &[], Kind::Gauge),
    ] {
        for instance in ["web\u{1b}[2J", "db"] {
            let mut pairs = vec![(NAME, name), ("instance", instance), ("job", "chasar")];
            pairs.extend(own);
            let labels = labels(&pairs);
            let begin = now - 1_020_000;
            samples.extend((0..120).map(|s| (labels.clone(), kind, begin + s * 1000, s as f64 / 4.0)));
        }
    }
    samples
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => (-1_000_000i64..1_000_000).prop_map(|i| i as f64 / 100.0),
        2 => any::<u64>().prop_map(f64::from_bits),
        1 => Just(f64::INFINITY),
        1 => Just(-0.0),
        1 => Just(f64::MIN_POSITIVE / 4.0),
        1 => Just(STALE),
    ]
}

proptest! {
    // Each case starts the program three times.
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn what_is_exported_is_imported_again(
        samples in prop::collection::vec(
            (
                "[a-z_]{1,3}|[a-z \"\\\\\n.é\u{1b}]{1,4}",
                prop::collection::vec(("[a-c]|[a-c .-]{1,3}", "[x-z]|[x-z\"\\\\\n{}=,#\u{202e}]{1,4}"), 0..3),
                // Each hour becomes files of its own: few hours, far apart.
                (0i64..3, 0i64..3_600_000).prop_map(|(week, ago)| week * 7 * 86_400_000 + ago),
                value(),
            ),
            1..60,
        ),
        compressed: bool,
    ) {
        let home = folder();
        let now = now_ms();
        let samples: Vec<Sample> = samples
            .into_iter()
            .map(|(name, mut own, ago, value)| {
                own.push((NAME.into(), name));
                own.sort();
                own.dedup_by(|a, b| a.0 == b.0);
                (Labels::new(own).unwrap(), Kind::Gauge, now - ago, value)
            })
            .collect();
        let (from, into) = (home.path().join("from"), home.path().join("into"));
        write(&from, &samples);
        let file = home.path().join(if compressed { "out.txt.zst" } else { "out.txt" });
        let file = file.to_str().unwrap();
        let exported = history(home.path(), &["export", from.to_str().unwrap(), "--output", file]);
        prop_assert_eq!(exported.status.code(), Some(0), "{}", text(&exported.stderr));
        prop_assert_eq!(text(&exported.stdout), "");
        // NaNs have no payload in text, and ends of series no text at all.
        let expected: Vec<_> = read(&from)
            .into_iter()
            .filter(|s| s.2 != STALE.to_bits())
            .map(|(l, t, v)| (l, t, if f64::from_bits(v).is_nan() { f64::NAN.to_bits() } else { v }))
            .collect();
        let stale = read(&from).len() - expected.len();
        let said = text(&exported.stderr);
        prop_assert_eq!(said.contains("stale markers"), stale > 0, "{}", said);
        let import = ["import", file, "--folder", into.to_str().unwrap()];
        let imported = good(home.path(), &import);
        let count = format!(" {} sample", expected.len());
        prop_assert!(imported.contains(&count), "{} in {}", count, imported);
        prop_assert_eq!(&read(&into), &expected);
        // Once more: nothing is there twice.
        let again = good(home.path(), &import);
        prop_assert!(again.contains(" 0 samples imported"), "{}", again);
        prop_assert!(expected.is_empty() || again.contains("there already"), "{}", again);
        prop_assert_eq!(read(&into), expected);
    }
}

#[test]
fn an_export_is_what_was_asked_for() {
    let home = folder();
    let place = home.path().join("history");
    let now = now_ms();
    write(&place, &some(now));
    let place = place.to_str().unwrap();
    let all = good(home.path(), &["export", place]);
    assert!(all.ends_with("# EOF\n"), "{all}");
    assert_eq!(all.lines().filter(|l| !l.starts_with('#')).count(), 720);
    let types: Vec<&str> = all.lines().filter(|l| l.starts_with("# TYPE")).collect();
    assert_eq!(types, ["# TYPE node_cpu_seconds counter", "# TYPE node_load1 gauge", "# TYPE up gauge"]);
    assert!(all.contains("# UNIT node_cpu_seconds seconds\n# HELP node_cpu_seconds "), "{all}");
    // One of two selectors, each series once.
    let two = ["--match", "up", "--match", "{__name__=~\"up|node_load1\",instance=\"db\"}"];
    let two = good(home.path(), &[&["export", place][..], &two[..]].concat());
    let series: std::collections::BTreeSet<&str> = two.lines().filter_map(|l| l.split("} ").next()).collect();
    assert_eq!(series.iter().filter(|s| s.starts_with("up{")).count(), 2, "{series:?}");
    assert_eq!(two.lines().filter(|l| !l.starts_with('#')).count(), 360);
    // From a time on: seconds, and how long ago.
    let from = format!("{}.5", (now - 1_020_000 + 100_000) / 1000);
    let late = good(home.path(), &["export", place, "--match", "up", "--from", &from, "--to", "now"]);
    let lines = late.lines().filter(|l| !l.starts_with('#')).count();
    assert!((36..=40).contains(&lines), "{lines}");
    let none = good(home.path(), &["export", place, "--from", "-1m"]);
    assert_eq!(none, "# EOF\n");
    // Other shapes.
    let csv = good(home.path(), &["export", place, "--format", "csv", "--match", "up"]);
    assert!(csv.starts_with("time_ms,value,__name__,cpu,instance,job,mode\r\n"), "{csv}");
    assert_eq!(csv.lines().count(), 241);
    let json = good(home.path(), &["export", place, "--format", "jsonl", "--match", "up"]);
    let lines: Vec<serde_json::Value> = json.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!((lines.len(), lines[0]["values"].as_array().unwrap().len()), (2, 120));
}

#[test]
fn an_export_that_cannot_be_says_so_and_leaves_nothing() {
    let home = folder();
    let place = home.path().join("history");
    write(&place, &some(now_ms()));
    let place = place.to_str().unwrap();
    let said = bad(home.path(), &["export", place, "--match", "up{"], 2);
    assert!(said.contains("--match up{: "), "{said}");
    let said = bad(home.path(), &["export", place, "--match", "{}"], 2);
    assert!(said.contains("--match {}: "), "{said}");
    assert!(bad(home.path(), &["export", place, "--from", "soon"], 2).contains("2026-"));
    assert!(bad(home.path(), &["export", place, "--from", "now", "--to", "-1h"], 2).contains("later"));
    assert!(bad(home.path(), &["export", place, "-o", "x.gz"], 2).contains(".zst"));
    assert!(bad(home.path(), &["export", place, "-o", "/nowhere/x"], 1).contains("cannot write /nowhere/x"));
    // Damage: the rest is written, and it is a failure.
    let segment = std::fs::read_dir(place).unwrap().map(|e| e.unwrap().path());
    let segment = segment.filter(|p| p.extension().is_some_and(|e| e == "seg")).max().unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[60] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let output = history(home.path(), &["export", place]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert_eq!(said.matches("is damaged at byte").count(), 1, "{said}");
    assert!(text(&output.stdout).ends_with("# EOF\n"));
    assert!(text(&output.stdout).lines().count() > 100);
    let left: Vec<_> = std::fs::read_dir(home.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["history"]);
}

/// Found by review: a file took the place of a device.
#[cfg(target_os = "linux")]
#[test]
fn an_export_goes_where_a_link_leads_and_into_a_pipe() {
    use std::io::Read;
    use std::os::unix::fs::{FileTypeExt, symlink};
    let home = folder();
    write(&home.path().join("history"), &some(now_ms()));
    std::fs::create_dir(home.path().join("far")).unwrap();
    file(home.path(), "far/old", "before");
    let up = ["export", "history", "--match", "up{instance=\"db\"}"].map(String::from);
    let to = |name: &str| {
        let mut command = chasar(home.path());
        let output = command.current_dir(home.path()).arg("history").args(&up).args(["-o", name]).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(0), "{name}: {}", text(&output.stderr));
    };
    for name in ["old", "new"] {
        symlink(Path::new("far").join(name), home.path().join(name)).unwrap();
        to(name);
        assert!(home.path().join(name).is_symlink(), "{name}");
        let written = std::fs::read_to_string(home.path().join("far").join(name)).unwrap();
        assert!(written.starts_with("# TYPE up gauge\n") && written.ends_with("# EOF\n"), "{written}");
    }
    let pipe = home.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Open for both, so that nobody waits for the other end (fifo(7)).
    let mut end = std::fs::File::options().read(true).write(true).open(&pipe).unwrap();
    to("pipe");
    assert!(std::fs::metadata(&pipe).unwrap().file_type().is_fifo());
    let mut begin = [0; 16];
    end.read_exact(&mut begin).unwrap();
    assert_eq!(&begin, b"# TYPE up gauge\n");
    let left =
        std::fs::read_dir(home.path()).unwrap().chain(std::fs::read_dir(home.path().join("far")).unwrap());
    let left: Vec<_> = left.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert!(left.iter().all(|name| !name.starts_with(".chasar")), "{left:?}");
}

#[test]
fn nothing_is_imported_from_a_file_with_a_wrong_line() {
    let home = folder();
    let into = home.path().join("into");
    let seconds = now_ms() / 1000 - 100;
    let content = format!(
        "# TYPE a gauge\na 1 {seconds}\na{{b=}} 2 {seconds}\na 3\na{{b=\"c\",b=\"d\"}} 4 {seconds}\n\
         a{{b=\"c\"}} 5 {seconds} # {{x=\"y\"}} 1\nb NaN 1e300\n# EOF\n"
    );
    let path = file(home.path(), "text", &content);
    let args = ["import", path.to_str().unwrap(), "--folder", into.to_str().unwrap()];
    let said = bad(home.path(), &args, 1);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 5, "{said}");
    for (line, part) in lines.iter().zip([
        "/text: line 3, column 5: a label's value wants quotes",
        "/text: line 4: the sample has no time",
        "/text: line 5: the label b is there twice",
        "/text: line 7, column 7: the time is no number of seconds",
        "nothing was written",
    ]) {
        assert!(line.contains(part), "{line} does not say {part}");
    }
    assert!(!into.exists());
    let output = history(home.path(), &[&args[..], &["--keep-going"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr).lines().count(), 4);
    assert!(text(&output.stdout).contains(": 2 samples imported, "), "{}", text(&output.stdout));
    assert_eq!(read(&into).len(), 2);
    // What was cut off is wrong as a whole.
    let cut = file(home.path(), "cut", &format!("a 1 {seconds}\n"));
    assert!(bad(home.path(), &["import", cut.to_str().unwrap()], 1).contains("# EOF is missing"));
}

#[test]
fn a_pipe_is_imported_up_to_its_first_wrong_line() {
    let home = folder();
    let into = home.path().join("into");
    let seconds = now_ms() / 1000 - 100;
    let content = format!("a 1 {seconds}\na 2 {}\nwrong\na 3 {}\n# EOF\n", seconds + 1, seconds + 2);
    let args =
        ["import", "-", "--folder", into.to_str().unwrap(), "--label", "instance=web", "--label", "job=x"];
    let output = feed_stdin(home.path(), &args, content.as_bytes());
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("stdin: line 3, column 6: there is no value") && said.contains("import it again"),
        "{said}"
    );
    assert!(text(&output.stdout).contains(": 2 samples imported"), "{}", text(&output.stdout));
    // The second time it is right, and has a label of its own; milliseconds are another format.
    let content = content.replace("wrong\n", "a{job=\"own\"} 1 1e9\n");
    let output = feed_stdin(home.path(), &args, content.as_bytes());
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(
        shown.contains(": 1 sample imported") && shown.contains("2 samples are there already"),
        "{shown}"
    );
    assert!(shown.contains("1 sample is older than raw samples are kept (30 days)"), "{shown}");
    assert!(shown.contains("masternode.history_raw"), "{shown}");
    let ms = format!("a{{b=\"c\"}} 1 {}\n# a comment\n", (seconds + 1) * 1000 + 250);
    let output = feed_stdin(home.path(), &args, format!("{ms}# EOF\n").as_bytes());
    assert!(text(&output.stdout).contains("ahead of this computer's clock"), "{}", text(&output.stdout));
    let output = feed_stdin(home.path(), &[&args[..], &["--format", "prometheus"]].concat(), ms.as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let all = read(&into);
    assert_eq!(all.len(), 4);
    assert!(all.iter().all(|s| s.0.contains("(\"instance\", \"web\"), (\"job\", \"x\")")), "{all:?}");
    assert!(all.iter().any(|s| s.1 == (seconds + 1) * 1000 + 250));
}

#[test]
fn an_import_waits_for_nobody_and_a_dry_run_changes_nothing() {
    let home = folder();
    let place = home.path().join("history");
    let path = file(home.path(), "text", &format!("a 1 {}\n# EOF\n", now_ms() / 1000));
    let args = ["import", path.to_str().unwrap(), "--folder", place.to_str().unwrap()];
    let dry = good(home.path(), &[&args[..], &["--dry-run"]].concat());
    assert!(dry.contains("1 sample in 2 lines can be imported; nothing was written"), "{dry}");
    assert!(!place.exists());
    let store = open(&place);
    let said = bad(home.path(), &args, 1);
    assert!(said.contains("is being written by a masternode") && said.contains("stop it"), "{said}");
    drop(store);
    good(home.path(), &args);
    assert_eq!(read(&place).len(), 1);
    assert!(bad(home.path(), &["import", "/nowhere"], 1).contains("cannot read /nowhere"));
    assert!(bad(home.path(), &["import", "x", "--label", "y"], 2).contains("name=value"));
}

/// Ends a writer whatever the assertions say: a scope waits for its threads even when it fails.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_snapshot_has_all_that_was_acknowledged_while_somebody_writes() {
    let home = folder();
    let place = home.path().join("history");
    let store = open(&place);
    let stop = AtomicBool::new(false);
    let acknowledged = AtomicI64::new(-1);
    let begin = now_ms() - 3_600_000;
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let mut writer = store.writer().unwrap();
            let series = writer.series(&labels(&[(NAME, "n"), ("instance", "a")]), Kind::Counter);
            for second in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let now = begin + second * 1000;
                writer.sample(&series, now, second as f64);
                writer.commit(now).unwrap();
                store.maintain(now).unwrap();
                acknowledged.store(second, Ordering::Relaxed);
            }
        });
        let _stop = StopAtEnd(&stop);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while acknowledged.load(Ordering::Relaxed) < 0 && std::time::Instant::now() < deadline {
            std::thread::yield_now();
        }
        for number in 0..8 {
            let before = acknowledged.load(Ordering::Relaxed);
            let into = home.path().join(format!("snapshot-{number}"));
            let args = ["snapshot", into.to_str().unwrap(), "--folder", place.to_str().unwrap()];
            let output = history(home.path(), &args);
            assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
            assert!(!text(&output.stdout).contains("copied"), "{}", text(&output.stdout));
            let seconds: Vec<i64> = read(&into).iter().map(|s| (s.1 - begin) / 1000).collect();
            let whole = seconds.iter().copied().eq(0..seconds.len() as i64);
            let enough = seconds.len() as i64 > before;
            assert!(whole && enough, "{} samples, {before} were acknowledged, whole: {whole}", seconds.len());
            #[cfg(unix)]
            {
                let mode = std::os::unix::fs::PermissionsExt::mode(&into.metadata().unwrap().permissions());
                assert_eq!(mode & 0o777, 0o700);
            }
            good(home.path(), &["verify", into.to_str().unwrap()]);
        }
    });
    assert!(acknowledged.load(Ordering::Relaxed) > 300, "too little was written to prove anything");
}

#[test]
fn a_snapshot_is_made_into_a_new_folder_only_and_on_any_disk() {
    let home = folder();
    let place = home.path().join("history");
    write(&place, &some(now_ms()));
    let place = place.to_str().unwrap();
    let full = home.path().join("full");
    std::fs::create_dir(&full).unwrap();
    std::fs::write(full.join("x"), "x").unwrap();
    let said = bad(home.path(), &["snapshot", full.to_str().unwrap(), "--folder", place], 1);
    assert!(said.contains("is not empty"), "{said}");
    let said = bad(home.path(), &["snapshot", "/nowhere/at/all", "--folder", place], 1);
    assert!(said.contains("cannot make /nowhere/at/all"), "{said}");
    let fresh = home.path().join("fresh");
    drop(open(&fresh));
    let said = bad(home.path(), &["snapshot", "new", "--folder", fresh.to_str().unwrap()], 1);
    assert!(said.contains("there is nothing in ") && !home.path().join("new").exists(), "{said}");
    let said = bad(home.path(), &["snapshot", "new", "--folder", full.to_str().unwrap()], 1);
    assert!(said.contains("is no folder of history") && !home.path().join("new").exists(), "{said}");
    // Memory is another file system than the temporary folder's.
    #[cfg(target_os = "linux")]
    {
        let other = tempfile::tempdir_in("/dev/shm").unwrap();
        let said = good(home.path(), &["snapshot", other.path().to_str().unwrap(), "--folder", place]);
        assert!(said.contains("(copied: a hard link is not possible there)"), "{said}");
        assert_eq!(read(other.path()), read(Path::new(place)));
    }
}

#[test]
fn when_files_cannot_grow_nothing_is_left_of_what_was_begun() {
    let home = folder();
    write(&home.path().join("history"), &some(now_ms()));
    for (args, what) in [
        ("snapshot new --folder history", "nothing is left in new"),
        ("export history --output new", "cannot write new: "),
        ("export history --output new.zst", "cannot write new.zst: "),
    ] {
        // A file of a kibibyte is the largest there may be; the signal that says so is not wanted.
        let line = format!("trap '' XFSZ; ulimit -f 1; exec {} history {args}", env!("CARGO_BIN_EXE_chasar"));
        let mut settings = chasar(home.path());
        let mut command = Command::new("bash");
        command.args(["-c", &line]).current_dir(home.path()).stdin(Stdio::null());
        for (name, value) in settings.env("TERM", "xterm").get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let output = command.output().unwrap();
        let said = text(&output.stderr);
        assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{args}: {said}");
        assert!(said.contains(what) && said.contains("File too large"), "{args}: {said}");
        let left: Vec<_> = std::fs::read_dir(home.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["history"], "{args}");
    }
}

#[test]
fn an_export_to_a_terminal_is_harmless_there() {
    let home = folder();
    write(&home.path().join("history"), &some(now_ms())[..300]);
    let mut settings = chasar(home.path());
    let line = format!("{} history export history --match node_load1", env!("CARGO_BIN_EXE_chasar"));
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]).current_dir(home.path());
    for (name, value) in settings.env("TERM", "xterm").get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = command.stdin(Stdio::null()).output().expect("script of util-linux");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("node_load1{instance=\"web\u{fffd}[2J\",job=\"chasar\"} "), "{shown}");
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
}

#[test]
fn promtool_takes_what_is_exported() {
    let home = folder();
    let place = home.path().join("history");
    write(&place, &some(now_ms()));
    let file = home.path().join("out.txt");
    good(home.path(), &["export", place.to_str().unwrap(), "--output", file.to_str().unwrap()]);
    let blocks = home.path().join("blocks");
    // `cargo xtask test` has prepared it.
    let promtool = std::env::var_os("CHASAR_TEST_PROMTOOL").unwrap_or("promtool".into());
    let output = Command::new(&promtool)
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([&file, &blocks])
        .output()
        .expect("promtool of Debian's package prometheus");
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    // It opens a whole database, which has a log.
    std::fs::create_dir(blocks.join("wal")).unwrap();
    let output = Command::new(&promtool).args(["tsdb", "dump"]).arg(&blocks).output().unwrap();
    let dump = text(&output.stdout);
    assert_eq!(dump.lines().filter(|l| l.starts_with('{')).count(), 720, "{dump}");
    let ours = read(&place);
    let up = ours.iter().find(|s| s.0.contains("\"up\"") && s.0.contains("\"db\"")).unwrap();
    let line =
        format!("{{__name__=\"up\", instance=\"db\", job=\"chasar\"}} {} {}", f64::from_bits(up.2), up.1);
    assert!(dump.contains(&line), "{line} is not in {dump}");
}
