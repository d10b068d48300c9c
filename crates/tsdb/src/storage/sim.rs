//! A folder in memory that fails on demand: the power cut, the full disk and the lying cable as
//! ordinary unit tests.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Input, Linked, Output, Storage};

/// A folder in memory. Clones are the same folder.
///
/// Every changing call (create, append, sync, rename, remove, sync of names) is an *operation* and
/// counted, so that a test can let the power fail at each of them in turn.
#[derive(Clone, Debug, Default)]
pub struct Sim {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    names: BTreeMap<String, u64>,
    /// Names as they are after a power cut, before the operations in `unsynced`.
    durable: BTreeMap<String, u64>,
    unsynced: Vec<NameChange>,
    inodes: HashMap<u64, Inode>,
    next_inode: u64,
    operations: u64,
    power_fails_at: Option<u64>,
    powerless: bool,
    capacity_bytes: Option<u64>,
    read_only: bool,
    syncs_fail: bool,
    reads_fail: bool,
    random: u64,
}

#[derive(Clone, Debug)]
enum NameChange {
    Set(String, u64),
    Move(String, String),
    Remove(String),
}

#[derive(Clone, Debug, Default)]
struct Inode {
    bytes: Vec<u8>,
    synced: usize,
}

impl State {
    fn random(&mut self) -> u64 {
        // splitmix64 (Steele, Lea, Flood 2014).
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Counts an operation; `Ok(true)` when the power fails within it.
    fn begin(&mut self) -> io::Result<bool> {
        if self.powerless {
            return Err(io::Error::other("the power is off"));
        }
        if self.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        self.operations += 1;
        if self.power_fails_at == Some(self.operations) {
            self.powerless = true;
        }
        Ok(self.powerless)
    }

    fn read(&self) -> io::Result<()> {
        if self.reads_fail { Err(io::Error::other("the disk cannot read")) } else { Ok(()) }
    }

    fn inode(&self, name: &str) -> io::Result<u64> {
        self.names.get(name).copied().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, name.to_string()))
    }

    fn used_bytes(&self) -> u64 {
        self.names.values().map(|i| self.inodes[i].bytes.len() as u64).sum()
    }
}

fn cut() -> io::Error {
    io::Error::other("the power failed")
}

impl Sim {
    /// An empty folder; `seed` decides what survives a power cut.
    pub fn new(seed: u64) -> Sim {
        let sim = Sim::default();
        sim.lock().random = seed;
        sim
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changing calls so far.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Lets the power fail within the given operation (counted from 1).
    pub fn fail_power_at(&self, operation: u64) {
        self.lock().power_fails_at = Some(operation);
    }

    /// Whether the power has failed.
    pub fn is_powerless(&self) -> bool {
        self.lock().powerless
    }

    /// Bytes that fit; writes beyond fill what is left and fail as on a full disk. `None`: endless.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock().capacity_bytes = bytes;
    }

    /// Whether all changes are refused.
    pub fn set_read_only(&self, read_only: bool) {
        self.lock().read_only = read_only;
    }

    /// Whether every sync of a file fails.
    pub fn set_syncs_fail(&self, fail: bool) {
        self.lock().syncs_fail = fail;
    }

    /// Whether no file can be opened to be read, nor read.
    pub fn set_reads_fail(&self, fail: bool) {
        self.lock().reads_fail = fail;
    }

    /// Turns the bits of `mask` in one byte of a file.
    ///
    /// # Panics
    /// When there is no such byte.
    pub fn flip(&self, name: &str, offset: usize, mask: u8) {
        let mut state = self.lock();
        let inode = state.names[name];
        state.inodes.get_mut(&inode).expect("a name has a file").bytes[offset] ^= mask;
    }

    /// The folder as it is found after a power cut now: of what was not synced, each file keeps a
    /// random part (its end possibly torn to garbage), and a random number of the first changes of
    /// names has happened.
    pub fn after_power_cut(&self) -> Sim {
        let mut state = self.lock();
        let happened = state.random() as usize % (state.unsynced.len() + 1);
        let mut names = state.durable.clone();
        for change in &state.unsynced[..happened] {
            apply(&mut names, change);
        }
        let mut inodes = HashMap::new();
        let wanted: Vec<u64> = names.values().copied().collect();
        for inode in wanted {
            let mut file = state.inodes[&inode].clone();
            let open = file.bytes.len() - file.synced;
            let kept = file.synced + state.random() as usize % (open + 1);
            file.bytes.truncate(kept);
            if kept > file.synced && state.random().is_multiple_of(2) {
                // Blocks reach the disk in any order: the end may be garbage though the size is right.
                let torn = state.random() as usize % (kept - file.synced) + 1;
                for at in kept - torn..kept {
                    file.bytes[at] = state.random() as u8;
                }
            }
            file.synced = file.bytes.len();
            inodes.insert(inode, file);
        }
        let after = State {
            durable: names.clone(),
            names,
            inodes,
            next_inode: state.next_inode,
            random: state.random(),
            ..State::default()
        };
        Sim { state: Arc::new(Mutex::new(after)) }
    }
}

fn apply(names: &mut BTreeMap<String, u64>, change: &NameChange) {
    match change {
        NameChange::Set(name, inode) => {
            names.insert(name.clone(), *inode);
        }
        NameChange::Move(from, to) => {
            if let Some(inode) = names.remove(from) {
                names.insert(to.clone(), inode);
            }
        }
        NameChange::Remove(name) => {
            names.remove(name);
        }
    }
}

impl Storage for Sim {
    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let state = self.lock();
        Ok(state.names.iter().map(|(n, i)| (n.clone(), state.inodes[i].bytes.len() as u64)).collect())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Output>> {
        let mut state = self.lock();
        let failed = state.begin()?;
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.next_inode += 1;
        let inode = state.next_inode;
        state.inodes.insert(inode, Inode::default());
        let change = NameChange::Set(name.to_string(), inode);
        apply(&mut state.names, &change);
        state.unsynced.push(change);
        if failed {
            return Err(cut());
        }
        Ok(Box::new(SimFile { state: self.state.clone(), inode }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Input>> {
        let state = self.lock();
        state.read()?;
        let inode = state.inode(name)?;
        drop(state);
        Ok(Box::new(SimFile { state: self.state.clone(), inode }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.lock();
        let failed = state.begin()?;
        state.inode(from)?;
        let change = NameChange::Move(from.to_string(), to.to_string());
        apply(&mut state.names, &change);
        state.unsynced.push(change);
        if failed { Err(cut()) } else { Ok(()) }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        let failed = state.begin()?;
        state.inode(name)?;
        let change = NameChange::Remove(name.to_string());
        apply(&mut state.names, &change);
        state.unsynced.push(change);
        if failed { Err(cut()) } else { Ok(()) }
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut state = self.lock();
        if state.begin()? {
            return Err(cut());
        }
        state.unsynced.clear();
        state.durable = state.names.clone();
        Ok(())
    }

    fn link(&self, name: &str, folder: &Path) -> io::Result<Linked> {
        let state = self.lock();
        let inode = state.inode(name)?;
        std::fs::write(folder.join(name), &state.inodes[&inode].bytes)?;
        Ok(Linked::Copied)
    }
}

struct SimFile {
    state: Arc<Mutex<State>>,
    inode: u64,
}

impl SimFile {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Output for SimFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        let failed = state.begin()?;
        let room = state.capacity_bytes.map_or(u64::MAX, |c| c.saturating_sub(state.used_bytes()));
        let mut fits = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        if failed {
            fits = fits.min(state.random() as usize % (bytes.len() + 1));
        }
        let inode = self.inode;
        let file = state.inodes.get_mut(&inode).expect("an open file stays");
        file.bytes.extend_from_slice(&bytes[..fits]);
        if failed {
            Err(cut())
        } else if fits < bytes.len() {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(())
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.lock();
        if state.begin()? {
            return Err(cut());
        }
        if state.syncs_fail {
            return Err(io::Error::other("the disk cannot write"));
        }
        let inode = self.inode;
        let file = state.inodes.get_mut(&inode).expect("an open file stays");
        file.synced = file.bytes.len();
        Ok(())
    }
}

impl Input for SimFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let state = self.lock();
        state.read()?;
        let bytes = &state.inodes[&self.inode].bytes;
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let part = from.checked_add(buffer.len()).and_then(|to| bytes.get(from..to));
        buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn size_bytes(&self) -> io::Result<u64> {
        Ok(self.lock().inodes[&self.inode].bytes.len() as u64)
    }

    fn will_need(&self, _offset: u64, _len: u64) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(sim: &Sim, name: &str) -> Vec<u8> {
        let input = sim.open(name).unwrap();
        let mut bytes = vec![0; input.size_bytes().unwrap() as usize];
        input.read_at(0, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_power_cut_keeps_what_was_synced_and_any_part_of_the_rest() {
        let (mut shorter, mut torn, mut whole, mut nameless) = (0, 0, 0, 0);
        for seed in 0..200 {
            let sim = Sim::new(seed);
            let mut kept = sim.create("kept").unwrap();
            kept.append(b"synced").unwrap();
            kept.sync().unwrap();
            sim.sync_names().unwrap();
            kept.append(b"later!").unwrap();
            sim.create("new").unwrap();
            let after = sim.after_power_cut();
            let bytes = content(&after, "kept");
            assert!(bytes.starts_with(b"synced"));
            match bytes.len() {
                12 if bytes.ends_with(b"later!") => whole += 1,
                12 => torn += 1,
                _ => shorter += 1,
            }
            nameless += u32::from(after.open("new").is_err());
        }
        assert!(shorter > 50 && torn > 5 && whole > 5 && nameless > 50);
    }

    #[test]
    fn the_power_fails_where_it_is_told_to() {
        let sim = Sim::new(1);
        sim.fail_power_at(2);
        let mut file = sim.create("a").unwrap();
        assert!(file.append(b"x").is_err());
        assert!(sim.is_powerless() && file.sync().is_err() && sim.create("b").is_err());
        assert!(!sim.after_power_cut().is_powerless());
    }

    #[test]
    fn a_full_disk_takes_what_fits() {
        let sim = Sim::new(1);
        sim.set_capacity(Some(4));
        let mut file = sim.create("a").unwrap();
        assert_eq!(file.append(b"123456").unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(content(&sim, "a"), b"1234");
        sim.set_capacity(None);
        file.append(b"x").unwrap();
        sim.set_read_only(true);
        assert_eq!(sim.remove("a").unwrap_err().kind(), io::ErrorKind::ReadOnlyFilesystem);
        sim.set_read_only(false);
        sim.set_syncs_fail(true);
        assert!(file.sync().is_err());
    }
}
