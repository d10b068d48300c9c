//! The live table in a pseudo-terminal (util-linux `script`): however it ends, the terminal is given back.

mod support;

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use support::{Running, chasar, folder};

const ENTER: &str = "\u{1b}[?1049h";
const LEAVE: &str = "\u{1b}[?1049l";
const SHOW_CURSOR: &str = "\u{1b}[?25h";

struct Terminal {
    child: Child,
    pieces: Receiver<Vec<u8>>,
    seen: String,
}

impl Terminal {
    /// Runs the program in a terminal of its own; its process id comes into `home/pid`.
    fn start(home: &Path, args: &str) -> Terminal {
        Terminal::with(home, args, &[])
    }

    fn with(home: &Path, args: &str, variables: &[(&str, &str)]) -> Terminal {
        let mut settings = chasar(home);
        settings.envs(variables.iter().copied());
        let line =
            format!("stty rows 24 cols 80; echo $$ > pid; exec {} {args}", env!("CARGO_BIN_EXE_chasar"));
        let mut command = Command::new("script");
        command.args(["--quiet", "--flush", "--return", "--command", &line, "/dev/null"]).current_dir(home);
        for (name, value) in settings.env("TERM", "xterm-256color").get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("script of util-linux");
        let mut output = child.stdout.take().unwrap();
        let (sender, pieces) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = output.read(&mut buffer) {
                if sender.send(buffer[..n].to_vec()).is_err() {
                    break;
                }
            }
        });
        Terminal { child, pieces, seen: String::new() }
    }

    /// Waits until `text` was drawn.
    fn until(&mut self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.seen.contains(text) {
            let left = deadline.saturating_duration_since(Instant::now());
            let piece = self.pieces.recv_timeout(left);
            let piece = piece.unwrap_or_else(|e| panic!("{text:?} does not come ({e}): {:?}", self.seen));
            self.seen += &String::from_utf8_lossy(&piece);
        }
    }

    fn press(&mut self, keys: &str) {
        self.child.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for the end; the exit code, and everything that was drawn.
    fn end(mut self) -> (Option<i32>, String) {
        let (code, _, _) = Running { child: self.child }.end(Duration::from_secs(60));
        while let Ok(piece) = self.pieces.recv_timeout(Duration::from_secs(5)) {
            self.seen += &String::from_utf8_lossy(&piece);
        }
        (code, self.seen)
    }
}

fn assert_given_back(code: Option<i32>, seen: &str, how: &str) {
    assert_eq!(code, Some(0), "{how}: {seen:?}");
    let left = seen.rfind(LEAVE).unwrap_or_else(|| panic!("{how}: the screen is not given back: {seen:?}"));
    assert!(seen.rfind(ENTER).is_some_and(|entered| entered < left), "{how}");
    assert!(seen.rfind(SHOW_CURSOR) > seen.rfind("\u{1b}[?25l"), "{how}: the cursor stays hidden");
}

#[test]
fn the_terminal_is_given_back_however_it_ends() {
    let home = folder();
    // Nobody is at this address, which the table says.
    let start = || {
        let mut terminal = Terminal::start(home.path(), "watch 127.0.0.1:1");
        terminal.until("No masternode at");
        terminal
    };
    for (keys, how) in [("q", "q"), ("\u{3}", "Ctrl-C"), ("/abc\u{3}", "Ctrl-C while typing")] {
        let mut terminal = start();
        terminal.press(keys);
        let (code, seen) = terminal.end();
        assert_given_back(code, &seen, how);
    }
    let terminal = start();
    let pid = std::fs::read_to_string(home.path().join("pid")).unwrap();
    assert!(Command::new("kill").args(["-s", "TERM", pid.trim()]).status().unwrap().success());
    let (code, seen) = terminal.end();
    assert_given_back(code, &seen, "SIGTERM");
    let (code, seen) = Terminal::start(home.path(), "watch 127.0.0.1:1 --for 1").end();
    assert_given_back(code, &seen, "--for");
}

#[test]
fn keys_change_what_is_shown() {
    let home = folder();
    let mut terminal = Terminal::start(home.path(), "watch 127.0.0.1:1");
    terminal.until("NODE▲");
    terminal.press("c");
    terminal.until("▼");
    terminal.press("?");
    terminal.until("Keys");
    terminal.press("?/db");
    terminal.until("Enter keeps");
    terminal.press("\rq");
    let (code, seen) = terminal.end();
    assert_given_back(code, &seen, "q");
}

#[test]
fn colours_only_where_wanted() {
    for (no_color, coloured) in [("", true), ("1", false)] {
        let home = folder();
        let args = "watch 127.0.0.1:1 --for 1";
        let (_, seen) = Terminal::with(home.path(), args, &[("NO_COLOR", no_color)]).end();
        assert!(seen.contains(ENTER), "{seen:?}");
        let has_colours = seen.contains("\u{1b}[38;5;6");
        assert_eq!(has_colours, coloured, "NO_COLOR={no_color}: {seen:?}");
    }
}
