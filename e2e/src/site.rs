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

/// The address with this number: each its own for millions of them, none in 127.0.0.x, which is what others use, and
/// none that ends in 0 or 255.
fn own_address(number: u32) -> Ipv4Addr {
    let (rest, d) = (number / 254, number % 254 + 1);
    let (b, c) = ((rest / 256) % 254 + 1, rest % 256);
    let [b, c, d] = [b, c, d].map(|byte| byte as u8);
    Ipv4Addr::new(127, b, c, d)
}

impl Site {
    /// A site on this host: Linux has all of 127.0.0.0/8 for itself, so each test takes an address of its own
    /// and needs no search for free ports.
    pub fn new() -> Site {
        static TAKEN: AtomicU32 = AtomicU32::new(0);
        let address = (0..1000)
            .map(|_| {
                let number = process::id().wrapping_mul(16) + TAKEN.fetch_add(1, Ordering::Relaxed);
                IpAddr::from(own_address(number))
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn neighbours_have_addresses_of_their_own() {
        let all: BTreeSet<_> = (0..100_000).map(own_address).collect();
        assert_eq!(all.len(), 100_000);
        assert!(all.iter().all(|a| a.octets()[1] != 0 && ![0, 255].contains(&a.octets()[3])));
    }
}
