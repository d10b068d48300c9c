//! File systems by drive letter, and the system's drive in the shape of 2016: `GetDiskFreeSpaceExW` and
//! `GetVolumeInformationW`.
//!
//! How drives are asked and told is said in [`crate::mounts`]. Which there are is looked at again when the
//! set of letters changes, and once a minute.

use std::ffi::CStr;
use std::io;

use chasar_wire::limits::MAX_NAME_BYTES;
use chasar_wire::{Report, Text};

use super::host::failed;
use super::parse::bytes::set_units;
use super::sys::{self, Root};
use crate::mounts::{self, Counted, Mounts};
use crate::{Host, Now, Outcome, Probe, ProbeError, Setup};

/// A letter may come to stand for another volume without the set of letters changing.
const SAMPLES_BETWEEN_LOOKS: u32 = 60;

/// `GetDriveTypeW`: the letter stands for nothing.
const NO_ROOT: u32 = 1;
/// `GetDriveTypeW`: another computer's.
const REMOTE: u32 = 4;
/// `FILE_READ_ONLY_VOLUME`.
const READ_ONLY: u32 = 0x0008_0000;

pub(crate) fn make(setup: &Setup<'_>) -> Box<dyn Probe> {
    let aside = !setup.config.host.is_recorded();
    let ask = |path: &CStr| match path.to_bytes().first() {
        Some(letter) => sys::drive_space(&root(*letter)),
        None => Err(io::ErrorKind::InvalidInput.into()),
    };
    let system = sys::system_drive().unwrap_or(b'C');
    Box::new(Filesystems { letters: 0, look_in: 0, mounts: Mounts::with_root(&[system], ask, aside) })
}

fn root(letter: u8) -> Root {
    [u16::from(letter), u16::from(b':'), u16::from(b'\\'), 0]
}

struct Filesystems {
    letters: u32,
    look_in: u32,
    mounts: Mounts,
}

impl Filesystems {
    fn look(&mut self) -> Result<(), ProbeError> {
        let letters = sys::logical_drives().map_err(|e| failed("GetLogicalDrives", e))?;
        if letters == self.letters && self.look_in > 0 {
            self.look_in -= 1;
            return Ok(());
        }
        (self.letters, self.look_in) = (letters, SAMPLES_BETWEEN_LOOKS);
        let there = (b'A'..=b'Z').zip(0..).filter(|(_, bit)| letters & (1 << bit) != 0);
        self.mounts.set(there.filter_map(|(letter, _)| counted(letter)).collect());
        Ok(())
    }
}

/// What is behind a letter; `None` where that is no file system, as in a card reader without a card.
fn counted(letter: u8) -> Option<Counted> {
    let kind = sys::drive_type(&root(letter));
    if kind == NO_ROOT {
        return None;
    }
    let remote = kind == REMOTE;
    // Of another computer the type is not asked: that may hang, and what answers is the share, not the disk.
    let volume = if remote { None } else { Some(sys::volume(&root(letter)).ok()?) };
    let mut fstype = Text::const_new("network");
    if let Some(volume) = &volume {
        let units = volume.file_system.iter().copied().take_while(|unit| *unit != 0);
        set_units(&mut fstype, units, MAX_NAME_BYTES);
    }
    let mut name = [0u16; 256];
    // Without the name of its device a drive is still worth its numbers.
    let len = sys::dos_device(letter, &mut name).unwrap_or(0);
    let units = || name.iter().take(len).copied().take_while(|unit| *unit != 0);
    let mut device = Text::default();
    set_units(&mut device, units(), MAX_NAME_BYTES);
    let hash = |hash: u64, unit: u16| hash.wrapping_mul(31).wrapping_add(u64::from(unit));
    let mut mountpoint = Text::default();
    mountpoint.push(char::from(letter));
    mountpoint.push_str(r":\");
    Some(Counted {
        path: vec![letter],
        mountpoint,
        device,
        fstype,
        read_only: volume.is_some_and(|volume| volume.flags & READ_ONLY != 0),
        remote,
        // Stands for the device, so that another one behind the letter counts as another file system.
        number: (units().fold(0, hash), volume.map_or(0, |volume| u64::from(volume.serial))),
    })
}

impl Probe for Filesystems {
    fn name(&self) -> &'static str {
        "filesystems"
    }

    fn read(&mut self, _: &Host, now: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
        self.look()?;
        self.mounts.read(now, report)?;
        if report.filesystems.is_none() {
            return Ok(Outcome::NothingHere("no drive letter has a file system"));
        }
        Ok(Outcome::Fresh)
    }

    fn clear(&self, report: &mut Report) {
        mounts::clear(report);
    }
}
