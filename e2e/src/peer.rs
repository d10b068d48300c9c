//! Scripts that play foreign peers and tell, one JSON object a line, what they see.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::{Program, Site, until, workspace};

/// A script in `e2e/peers`, running.
#[derive(Debug)]
pub struct Peer {
    /// Its process.
    pub program: Program,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl Peer {
    /// Starts a Python script.
    pub fn python(site: &Site, script: &str, args: &[&str]) -> Peer {
        let mut command = site.place().command(workspace::python());
        command.arg("-u").arg(workspace::peer(script)).args(args);
        Peer::start(site, script, command)
    }

    /// Starts a NodeJS script.
    pub fn node(site: &Site, script: &str, args: &[&str]) -> Peer {
        let mut command = site.place().command("node");
        command.arg(workspace::peer(script)).args(args).env("NODE_PATH", workspace::node_modules());
        Peer::start(site, script, command)
    }

    /// Starts any program that writes JSON lines.
    pub fn start(site: &Site, name: &str, command: Command) -> Peer {
        let mut program = Program::start(name, command, &site.log(name), Some(Stdio::piped()));
        let output = BufReader::new(program.take_stdout());
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (into, of) = (Arc::clone(&lines), name.to_owned());
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or_else(|_| Value::from(line.as_str()));
                if value.is_string() && value != "" {
                    eprintln!("{of}: {line}");
                }
                into.lock().expect("the reader does not panic").push(value);
            }
        });
        Peer { program, lines }
    }

    /// What it told so far, from line `from` on.
    pub fn told(&self, from: usize) -> Vec<Value> {
        let lines = self.lines.lock().expect("the reader does not panic");
        lines.get(from..).unwrap_or_default().to_vec()
    }

    /// Waits until it tells the event `name`.
    #[track_caller]
    pub fn event(&mut self, name: &str, deadline: Duration) {
        until(deadline, &format!("{}: {name}", self.program.name()), || {
            let told = self.told(0);
            if told.iter().any(|line| line["event"] == name) {
                return Ok(());
            }
            self.program.running()?;
            Err(format!("{told:?}"))
        });
    }
}
