//! Disks: `IOCTL_DISK_PERFORMANCE` of each physical drive.

use std::fmt::Write;

use chasar_wire::Report;
use chasar_wire::family::BlockDevice;

use super::parse::counter::{Extended, seconds};
use super::sys;
use crate::{Host, Now, Outcome, Probe, ProbeError, Setup};

/// Drives are numbered from 0 without large gaps; psutil looks at 32.
const MAX_DRIVES: u8 = 32;
/// What a drive says whose counters are off: `ERROR_INVALID_FUNCTION`, `ERROR_NOT_SUPPORTED`.
const NO_COUNTERS: [i32; 2] = [1, 50];
/// New drives are looked for after so many samples.
const SAMPLES_BETWEEN_LOOKS: u32 = 30;

pub(crate) fn make(_: &Setup<'_>) -> Box<dyn Probe> {
    Box::new(Disks { drives: Vec::new(), look_in: 0, refused: None })
}

struct Disks {
    drives: Vec<Drive>,
    look_in: u32,
    /// What a drive that is there said instead of numbers.
    refused: Option<Refused>,
}

enum Refused {
    /// Its counters are off, or the system keeps none.
    NoCounters,
    Error(String),
}

struct Drive {
    number: u8,
    reads: Extended,
    writes: Extended,
}

impl Disks {
    fn look(&mut self) {
        self.refused = None;
        for number in 0..MAX_DRIVES {
            let known = self.drives.iter().any(|d| d.number == number);
            match sys::disk_performance(number) {
                Ok(Some(_)) if !known => {
                    self.drives.push(Drive {
                        number,
                        reads: Extended::default(),
                        writes: Extended::default(),
                    });
                }
                Ok(_) => {}
                Err(e) if e.raw_os_error().is_some_and(|code| NO_COUNTERS.contains(&code)) => {
                    self.refused.get_or_insert(Refused::NoCounters);
                }
                Err(error) => {
                    self.refused = Some(Refused::Error(format!(r"\\.\PhysicalDrive{number}: {error}")));
                }
            }
        }
        self.drives.sort_by_key(|d| d.number);
    }
}

impl Probe for Disks {
    fn name(&self) -> &'static str {
        "block_devices"
    }

    fn read(&mut self, _: &Host, _: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
        match self.look_in {
            0 => {
                self.look();
                self.look_in = SAMPLES_BETWEEN_LOOKS;
            }
            n => self.look_in = n - 1,
        }
        let list = report.block_devices.get_or_insert_default();
        let mut count = 0;
        self.drives.retain_mut(|drive| {
            // A drive that was taken out is gone until it is looked for again.
            let Ok(Some(now)) = sys::disk_performance(drive.number) else { return false };
            if count == list.len() {
                list.push(BlockDevice::default());
            }
            let device = &mut list[count];
            count += 1;
            device.device.clear();
            // Writing into a text cannot fail.
            let _ = write!(device.device, "PhysicalDrive{}", drive.number);
            let number = |n: i64| u64::try_from(n).ok();
            device.reads_completed_total = Some(drive.reads.advance(now.ReadCount));
            device.writes_completed_total = Some(drive.writes.advance(now.WriteCount));
            device.read_bytes_total = number(now.BytesRead);
            device.written_bytes_total = number(now.BytesWritten);
            device.read_time_seconds_total = number(now.ReadTime).map(seconds);
            device.write_time_seconds_total = number(now.WriteTime).map(seconds);
            device.io_now = Some(u64::from(now.QueueDepth));
            true
        });
        list.truncate(count);
        if count > 0 {
            return Ok(Outcome::Fresh);
        }
        match &self.refused {
            Some(Refused::Error(words)) => Err(ProbeError::Reported(words.clone())),
            Some(Refused::NoCounters) => Ok(Outcome::NothingHere("the drives keep no counters")),
            None => Ok(Outcome::NothingHere("there is no physical drive")),
        }
    }

    fn clear(&self, report: &mut Report) {
        report.block_devices = None;
    }
}
