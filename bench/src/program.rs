//! The programs under measurement, started on free ports and ended with the benchmark.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A running masternode.
pub struct Masternode {
    child: Child,
    /// Where it takes reports.
    pub reports: SocketAddr,
    /// Where it streams.
    pub stream: SocketAddr,
    /// Where it answers HTTP.
    pub http: SocketAddr,
    _state: tempfile::TempDir,
}

impl Masternode {
    /// Starts `program` as a masternode, with further options, and waits until it listens.
    ///
    /// # Errors
    /// When it cannot be started or does not listen within 10 seconds.
    pub fn start(program: &Path, options: &[&str]) -> io::Result<Masternode> {
        let (reports, stream, http) = (free()?, free()?, free()?);
        let state = tempfile::tempdir()?;
        let child = Command::new(program)
            .args(["masternode", "start", "127.0.0.1", &reports.port().to_string()])
            .args(["--stream", &stream.to_string(), "--http", &http.to_string()])
            .arg("--state-dir")
            .arg(state.path())
            .args(["--log-level", "warn"])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", program.display())))?;
        let masternode = Masternode { child, reports, stream, http, _state: state };
        for address in [reports, stream, http] {
            listening(address)?;
        }
        Ok(masternode)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Masternode {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A free port of the loopback, for a program that we start at once.
///
/// # Errors
/// When there is none.
pub fn free() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// Waits until somebody listens at `address`.
///
/// # Errors
/// When nobody does within 10 seconds.
pub fn listening(address: SocketAddr) -> io::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match TcpStream::connect(address) {
            Ok(_) => return Ok(()),
            Err(e) if Instant::now() > deadline => {
                return Err(io::Error::new(e.kind(), format!("{address}: {e}")));
            }
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
}
