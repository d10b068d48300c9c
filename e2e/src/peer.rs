//! Scripts that play foreign peers and tell, one JSON object a line, what they see.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::ledger::Entry;
use crate::{Program, Site, until, workspace};

/// A script in `e2e/peers`, running.
#[derive(Debug)]
pub struct Peer {
    /// Its process.
    pub program: Program,
    told: Arc<Mutex<Told>>,
}

#[derive(Debug, Default)]
struct Told {
    lines: Vec<Value>,
    messages: Vec<Arc<Message>>,
}

/// One message as a peer got or sent it.
#[derive(Debug)]
pub struct Message {
    /// Its frames.
    pub frames: Vec<String>,
    /// When it came or went, Unix seconds.
    pub at: f64,
    /// What identifies the report in it, if it is one and has an identity.
    pub entry: Option<Entry>,
}

impl Message {
    fn of(line: &mut Value) -> Option<Message> {
        let Value::Array(frames) = line["frames"].take() else { return None };
        let frames = frames.into_iter().map(|frame| match frame {
            Value::String(text) => text,
            other => other.to_string(),
        });
        let frames: Vec<String> = frames.collect();
        let entry = frames.get(1).and_then(|body| serde_json::from_str(body).ok());
        Some(Message { frames, at: line["at"].as_f64().unwrap_or(0.0), entry })
    }

    /// The first frame.
    pub fn topic(&self) -> &str {
        &self.frames[0]
    }

    /// The second frame, as it came.
    pub fn body(&self) -> &str {
        &self.frames[1]
    }

    /// The second frame, parsed.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(self.body()).unwrap_or_else(|e| panic!("{e}: {}", self.body()))
    }
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
        let told = Arc::new(Mutex::new(Told::default()));
        let (into, of) = (Arc::clone(&told), name.to_owned());
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok).filter(|line| !line.is_empty()) {
                let Ok(mut value) = serde_json::from_str(&line) else {
                    eprintln!("{of}: {line}");
                    continue;
                };
                let message = Message::of(&mut value);
                let mut into = into.lock().expect("nobody panics with it");
                match message {
                    Some(message) => into.messages.push(Arc::new(message)),
                    None => into.lines.push(value),
                }
            }
        });
        Peer { program, told }
    }

    /// What it told so far besides messages.
    pub fn told(&self) -> Vec<Value> {
        self.told.lock().expect("nobody panics with it").lines.clone()
    }

    /// The messages it told of, each of two frames, from number `from` on.
    #[track_caller]
    pub fn messages(&self, from: usize) -> Vec<Arc<Message>> {
        let messages = self.told.lock().expect("nobody panics with it").messages.clone();
        for message in &messages {
            assert_eq!(message.frames.len(), 2, "frames of {message:?}");
        }
        messages.get(from..).unwrap_or_default().to_vec()
    }

    /// Waits until it tells the event `name`.
    #[track_caller]
    pub fn event(&mut self, name: &str, deadline: Duration) {
        until(deadline, &format!("{}: {name}", self.program.name()), || {
            let told = self.told();
            if told.iter().any(|line| line["event"] == name) {
                return Ok(());
            }
            self.program.running()?;
            Err(format!("{told:?}"))
        });
    }
}
