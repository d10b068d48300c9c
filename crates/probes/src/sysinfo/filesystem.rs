//! File systems, and the root in the shape of 2016: the table of mounts now and then, their numbers always.
//!
//! Which mounts count is said in [`super::mount_choice`], how they are asked and told in [`crate::mounts`].

use chasar_wire::Report;

use super::mount_choice::select;
use super::source::{self, Mount};
use crate::mounts::{self, Mounts};
use crate::{Host, Now, Outcome, Probe, ProbeError, Setup};

/// In how many samples the table is read once: no call tells cheaply that it changed.
const READ_TABLE_EVERY: u32 = 10;

pub(crate) fn make(setup: &Setup<'_>) -> Box<dyn Probe> {
    let aside = !setup.config.host.is_recorded();
    Box::new(Filesystems { look_in: 0, seen: None, mounts: Mounts::new(source::statfs, aside) })
}

struct Filesystems {
    /// Samples until the table is read again.
    look_in: u32,
    seen: Option<Vec<Mount>>,
    mounts: Mounts,
}

impl Probe for Filesystems {
    fn name(&self) -> &'static str {
        "filesystems"
    }

    fn read(&mut self, _: &Host, now: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
        if self.look_in == 0 {
            let table = source::mounts()
                .map_err(|source| ProbeError::Io { path: "the table of mounts".into(), source })?;
            if self.seen.as_ref() != Some(&table) {
                self.mounts.set(select(&table));
                self.seen = Some(table);
            }
            self.look_in = READ_TABLE_EVERY;
        }
        self.look_in -= 1;
        self.mounts.read(now, report)?;
        Ok(Outcome::Fresh)
    }

    fn clear(&self, report: &mut Report) {
        mounts::clear(report);
    }
}
