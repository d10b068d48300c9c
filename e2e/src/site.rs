//! What belongs to one test: a folder, and an address of its own with all default ports free.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use crate::{Executable, Place};

/// What belongs to one test.
#[derive(Clone, Debug)]
pub struct Site {
    folder: Arc<TempDir>,
    address: IpAddr,
    place: Place,
    /// `None`: the native one, which tests of foreign programs alone do without.
    executable: Option<Arc<Executable>>,
    programs: Arc<AtomicU32>,
}

impl Default for Site {
    fn default() -> Self {
        Site::new()
    }
}

impl Site {
    /// A site on this host: Linux has all of 127.0.0.0/8 for itself, so each test takes an address of its own
    /// and needs no search for free ports.
    pub fn new() -> Site {
        static TAKEN: AtomicU32 = AtomicU32::new(0);
        let address = (0..1000)
            .map(|_| {
                let number = process::id().wrapping_mul(16) + TAKEN.fetch_add(1, Ordering::Relaxed);
                let [_, b, c, d] = number.to_be_bytes();
                // 127.0.0.x is what others use.
                IpAddr::from(Ipv4Addr::new(127, b.max(1), c, d.clamp(1, 254)))
            })
            .find(|address| {
                [5555, 6666, 7777].iter().all(|port| TcpListener::bind((*address, *port)).is_ok())
            })
            .expect("no address in 127.0.0.0/8 with free ports");
        Site::at(Place::Host, address)
    }

    /// A site in a namespace, at an address there.
    pub fn at(place: Place, address: IpAddr) -> Site {
        let folder =
            tempfile::Builder::new().prefix("chasar-e2e-").tempdir().expect("a folder for temporary files");
        Site { folder: Arc::new(folder), address, place, executable: None, programs: Arc::default() }
    }

    /// The same folder, seen from another place: for the programs at the other end of a link.
    #[must_use]
    pub fn elsewhere(&self, place: Place) -> Site {
        Site { place, ..self.clone() }
    }

    /// The same site for programs of another build.
    #[must_use]
    pub fn running(&self, executable: &Executable) -> Site {
        Site { executable: Some(Arc::new(executable.clone())), ..self.clone() }
    }

    /// A command that will run the program under test.
    pub fn command(&self) -> Command {
        match &self.executable {
            Some(executable) => executable.command(&self.place),
            None => Executable::native().command(&self.place),
        }
    }

    /// The address that a masternode of this site binds.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Where programs of this site run.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The folder of this site.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A path for the output of a program, new each time.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        let number = self.programs.fetch_add(1, Ordering::Relaxed);
        self.folder().join(format!("{number}-{name}.log"))
    }
}
