//! HTTP in front of an engine, with faults: the address stays while the engine comes and goes.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is answered like this, and the engine does not hear of it.
    Answer(u16, &'static str),
    /// It is not answered.
    Hang,
    /// The engine takes it, and the answer is lost.
    LoseAnswer,
    /// It takes a while.
    Slow(Duration),
}

#[derive(Debug, Default)]
struct State {
    engine: Option<SocketAddr>,
    faults: VecDeque<Fault>,
    /// `Content-Type` and `Authorization` of each request.
    heads: Vec<String>,
}

/// A port that passes requests on.
#[derive(Clone)]
pub(super) struct Front {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Front {
    pub(super) fn start(engine: Option<SocketAddr>) -> Front {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = Arc::new(Mutex::new(State { engine, ..State::default() }));
        let front = Front { address: listener.local_addr().unwrap(), state };
        let shared = front.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let front = shared.clone();
                // A connection that breaks is what this is about.
                std::thread::spawn(move || front.serve(stream));
            }
        });
        front
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/api/v1/write", self.address)
    }

    pub(super) fn is_for(&self, engine: Option<SocketAddr>) {
        self.state.lock().unwrap().engine = engine;
    }

    /// The next requests fare like this, one after the other.
    pub(super) fn faults(&self, faults: &[Fault]) {
        self.state.lock().unwrap().faults.extend(faults);
    }

    pub(super) fn faults_left(&self) -> usize {
        self.state.lock().unwrap().faults.len()
    }

    pub(super) fn heads(&self) -> Vec<String> {
        self.state.lock().unwrap().heads.clone()
    }

    fn serve(&self, stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut stream = stream;
        loop {
            let (head, body) = message(&mut reader)?;
            let (fault, engine) = {
                let mut state = self.state.lock().unwrap();
                state.heads.push(head.clone());
                (state.faults.pop_front(), state.engine)
            };
            match fault {
                Some(Fault::Answer(status, header)) => {
                    let answer = format!("HTTP/1.1 {status} No\r\n{header}Content-Length: 5\r\n\r\nno: 7");
                    stream.write_all(answer.as_bytes()).ok()?;
                    continue;
                }
                Some(Fault::Hang) => {
                    // Until the other side has enough of it.
                    let _ = reader.read(&mut [0]);
                    return None;
                }
                Some(Fault::Slow(time)) => std::thread::sleep(time),
                Some(Fault::LoseAnswer) | None => {}
            }
            let answer = pass_on(engine?, &head, &body)?;
            if fault == Some(Fault::LoseAnswer) {
                return None;
            }
            stream.write_all(&answer).ok()?;
        }
    }
}

fn pass_on(engine: SocketAddr, head: &str, body: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(engine).ok()?;
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body).ok()?;
    let (head, body) = message(&mut BufReader::new(stream))?;
    let mut answer = head.into_bytes();
    answer.extend(body);
    Some(answer)
}

/// Head and body of a request or an answer.
fn message(reader: &mut impl BufRead) -> Option<(String, Vec<u8>)> {
    let (mut head, mut len) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            len = value.trim().parse().ok()?;
        }
        head += &line;
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; len];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}
