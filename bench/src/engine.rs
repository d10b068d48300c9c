//! Other stores of time series, as they are run beside ours: started on a free port with an empty
//! folder, fed by remote write, told to merge, and ended.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::meter;
use crate::program::{free, listening};
use crate::remote_write::{Sender, ask};

/// Longest that a store may take to merge or to end.
const PATIENCE: Duration = Duration::from_secs(300);

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Prometheus.
    Prometheus,
    /// VictoriaMetrics, single node.
    VictoriaMetrics,
}

impl Kind {
    /// Both, in the order they are printed.
    pub const ALL: [Kind; 2] = [Kind::Prometheus, Kind::VictoriaMetrics];

    /// Its program, found in `PATH`.
    pub fn program(self) -> &'static str {
        match self {
            Kind::Prometheus => "prometheus",
            Kind::VictoriaMetrics => "victoria-metrics",
        }
    }

    /// Name, and version where Debian's package tells it.
    ///
    /// # Errors
    /// When the program is not there; says how to get it.
    pub fn version(self) -> io::Result<String> {
        let name = self.program();
        Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().map_err(
            |e| {
                let what = format!(
                    "{name}: {e}; this bench compares with it: apt-get install prometheus victoria-metrics"
                );
                io::Error::new(e.kind(), what)
            },
        )?;
        let package = Command::new("dpkg-query").args(["-W", "-f", "${Version}", name]).output();
        let version = package.map(|p| String::from_utf8_lossy(&p.stdout).into_owned()).unwrap_or_default();
        Ok(format!("{name} {}", version.split('+').next().unwrap_or_default()))
    }
}

/// A running store.
pub struct Engine {
    kind: Kind,
    child: Child,
    http: SocketAddr,
    folder: PathBuf,
    /// Removed with it; none: the folder is kept.
    _removed: Option<tempfile::TempDir>,
}

impl Engine {
    /// Starts the store with its data in a new folder within `parent`.
    ///
    /// # Errors
    /// When it cannot be started or does not listen within ten seconds.
    pub fn start(kind: Kind, parent: &Path) -> io::Result<Engine> {
        let folder = tempfile::tempdir_in(parent)?;
        let mut engine = Engine::open(kind, folder.path())?;
        engine._removed = Some(folder);
        Ok(engine)
    }

    /// Starts the store with its data in a folder, which is kept.
    ///
    /// # Errors
    /// When it cannot be started, or is not ready in time.
    pub fn open(kind: Kind, folder: &Path) -> io::Result<Engine> {
        std::fs::create_dir_all(folder)?;
        let http = free()?;
        let mut command = Command::new(kind.program());
        let data = folder.join("data");
        match kind {
            Kind::Prometheus => {
                let config = folder.join("prometheus.yml");
                std::fs::write(&config, "global: {}\n")?;
                command.arg(format!("--config.file={}", config.display()));
                command.arg(format!("--storage.tsdb.path={}", data.display()));
                command.arg(format!("--web.listen-address={http}"));
                command.args(["--web.enable-remote-write-receiver", "--web.enable-admin-api"]);
                command.args(["--storage.tsdb.retention.time=100y", "--log.level=error"]);
                // Else it reads its log again for minutes at each start.
                command.arg("--enable-feature=memory-snapshot-on-shutdown");
            }
            Kind::VictoriaMetrics => {
                command.arg(format!("-storageDataPath={}", data.display()));
                command.arg(format!("-httpListenAddr={http}"));
                command.args(["-retentionPeriod=100y", "-loggerLevel=ERROR"]);
                // Else it ends connections after two minutes.
                command.arg("-http.connTimeout=24h");
            }
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let engine = Engine { kind, child, http, folder: folder.to_path_buf(), _removed: None };
        listening(http)?;
        // It listens before it has opened its folder.
        let deadline = Instant::now() + PATIENCE;
        while ask(http, "GET", engine.ready()).is_err() {
            engine.before(deadline)?;
        }
        Ok(engine)
    }

    fn ready(&self) -> &'static str {
        match self.kind {
            Kind::Prometheus => "/-/ready",
            Kind::VictoriaMetrics => "/health",
        }
    }

    fn before(&self, deadline: Instant) -> io::Result<()> {
        if Instant::now() > deadline {
            let what = format!("{} was not done after {PATIENCE:?}", self.kind.program());
            return Err(io::Error::new(io::ErrorKind::TimedOut, what));
        }
        thread::sleep(Duration::from_millis(50));
        Ok(())
    }

    /// Where it answers.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Ends it as an operator would, so that all it has is in its folder, and waits for that.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn end(mut self) -> io::Result<()> {
        let pid = libc::pid_t::try_from(self.child.id()).map_err(io::Error::other)?;
        // SAFETY: a signal to a child of ours that was not waited for yet.
        unsafe { libc::kill(pid, libc::SIGTERM) };
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() {
            self.before(deadline)?;
        }
        Ok(())
    }

    /// A connection that takes samples.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn sender(&self) -> io::Result<Sender> {
        Sender::connect(self.http, "/api/v1/write")
    }

    /// Processor time so far.
    ///
    /// # Errors
    /// When the store has ended.
    pub fn cpu_time(&self) -> io::Result<Duration> {
        meter::cpu_time(self.child.id())
    }

    fn metric(&self, name: &str) -> io::Result<u64> {
        let text = ask(self.http, "GET", "/metrics")?;
        let lines = text.lines().filter(|l| l.starts_with(name));
        Ok(lines.filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64)
    }

    /// Waits until the store says that it took so many samples: what it says of itself is seconds old.
    ///
    /// # Errors
    /// When it took fewer, or more.
    pub fn took(&self, samples: u64) -> io::Result<()> {
        let name = match self.kind {
            Kind::Prometheus => "prometheus_tsdb_head_samples_appended_total",
            Kind::VictoriaMetrics => "vm_rows_inserted_total",
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let taken = self.metric(name)?;
            if taken == samples {
                return Ok(());
            }
            if Instant::now() > deadline {
                let what = format!("{} took {taken} samples of {samples}", self.kind.program());
                return Err(io::Error::other(what));
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Has all samples put into as few files as the store makes of them, and returns the bytes of
    /// these files, index included, log and caches not.
    ///
    /// # Errors
    /// When the store does not do it.
    pub fn merge(&self) -> io::Result<u64> {
        let data = self.folder.join("data");
        match self.kind {
            Kind::Prometheus => {
                // A snapshot writes the head as a block, which the store itself does two hours later.
                ask(self.http, "POST", "/api/v1/admin/tsdb/snapshot")?;
                size(&data.join("snapshots"))
            }
            Kind::VictoriaMetrics => {
                // The samples are of one month, which makes one part. A merge that finds another one
                // at work does nothing, so it is asked for again.
                let deadline = Instant::now() + PATIENCE;
                while self.metric("vm_parts{type=\"storage/")? != 1 {
                    ask(self.http, "GET", "/internal/force_flush")?;
                    ask(self.http, "GET", "/internal/force_merge")?;
                    self.before(deadline)?;
                    thread::sleep(Duration::from_secs(2));
                }
                // The parts that it was made of are removed in the background.
                let mut before = 0;
                loop {
                    let now = size(&data.join("data"))? + size(&data.join("indexdb"))?;
                    if now == before {
                        return Ok(now);
                    }
                    before = now;
                    self.before(deadline)?;
                    thread::sleep(Duration::from_secs(2));
                }
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes of all files in a folder and those within; what is removed meanwhile counts nothing.
fn size(folder: &Path) -> io::Result<u64> {
    let gone = |e: io::Error| if e.kind() == io::ErrorKind::NotFound { Ok(0) } else { Err(e) };
    let of = |entry: io::Result<std::fs::DirEntry>| {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_dir() { size(&entry.path()) } else { Ok(metadata.len()) }
    };
    match std::fs::read_dir(folder) {
        Ok(entries) => entries.map(|e| of(e).or_else(gone)).sum(),
        Err(error) => gone(error),
    }
}
