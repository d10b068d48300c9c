//! Block devices, from `/proc/diskstats` (Linux: Documentation/admin-guide/iostats.rst).
//!
//! Counted are the devices that node_exporter counts: all but RAM disks, loop devices, floppies, and
//! the partitions of IDE, SCSI, virtio, Xen and NVMe disks (`sda1`, `nvme0n1p2`). Device mapper, md
//! and card partitions (`dm-0`, `md0`, `mmcblk0p1`) stay.
//!
//! A device that is unplugged is gone from the next report, and one that comes back starts at zero:
//! counters are given as they are, so nothing here can make a spike.

use chasar_wire::Report;
use chasar_wire::family::BlockDevice;
use chasar_wire::limits::MAX_NAME_BYTES;

use super::file::Kept;
use super::text::{complete_lines, number, set_text, words};
use crate::{Host, Now, Outcome, Probe, ProbeError, Setup};

/// The kernel counts in sectors of this size whatever the device has.
const SECTOR_BYTES: u64 = 512;
/// So many devices and the other families still fit a report of 1 MiB.
const MAX_DEVICES: usize = 512;

pub(crate) fn make(_: &Setup<'_>) -> Box<dyn Probe> {
    Box::new(BlockDevices { file: Kept::records(c"diskstats") })
}

struct BlockDevices {
    file: Kept,
}

/// One line of the file. A number that is not there, or is none, is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// Name of the device.
    pub(crate) name: &'a [u8],
    /// The numbers after the name in the order of the documentation; kernels before 4.18 have 11 of
    /// them, before 5.5 there are 15, then 17.
    pub(crate) values: [Option<u64>; 17],
}

/// Every device the file names.
pub(crate) fn parse(content: &[u8]) -> impl Iterator<Item = Line<'_>> {
    complete_lines(content).filter_map(line)
}

fn line(line: &[u8]) -> Option<Line<'_>> {
    let mut words = words(line);
    let (_major, _minor) = (number(words.next()?)?, number(words.next()?)?);
    let name = words.next()?;
    let mut values = [None; 17];
    let mut count = 0;
    for (value, word) in values.iter_mut().zip(words) {
        *value = number(word);
        count += 1;
    }
    match count {
        11.. => {}
        // Partitions before 2.6.25: requests and sectors read, requests and sectors written.
        4 => {
            let [reads, sectors_read, writes, sectors_written, ..] = values;
            values = [None; 17];
            (values[0], values[2], values[4], values[6]) = (reads, sectors_read, writes, sectors_written);
        }
        _ => return None,
    }
    Some(Line { name, values })
}

/// Whether node_exporter leaves the device out by default:
/// `^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$`.
pub(crate) fn left_out(name: &[u8]) -> bool {
    let stem = without_number(name);
    if stem.len() == name.len() {
        return false;
    }
    match stem {
        b"ram" | b"zram" | b"loop" | b"fd" => true,
        [b'h' | b's' | b'v', b'd', b'a'..=b'z'] | [b'x', b'v', b'd', b'a'..=b'z'] => true,
        [b'n', b'v', b'm', b'e', namespace @ .., b'p'] => {
            let controller = without_number(namespace);
            let number = controller.strip_suffix(b"n").unwrap_or(b"");
            controller.len() < namespace.len() && !number.is_empty() && without_number(number).is_empty()
        }
        _ => false,
    }
}

/// `name` up to the digits it ends in.
fn without_number(name: &[u8]) -> &[u8] {
    let end = name.iter().rposition(|b| !b.is_ascii_digit()).map_or(0, |at| at + 1);
    &name[..end]
}

fn write(device: &mut BlockDevice, line: &Line<'_>) {
    let [
        reads,
        reads_merged,
        sectors_read,
        read_ms,
        writes,
        writes_merged,
        sectors_written,
        write_ms,
        in_flight,
        io_ms,
        weighted_ms,
        discards,
        discards_merged,
        sectors_discarded,
        discard_ms,
        flushes,
        flush_ms,
    ] = line.values;
    let bytes = |sectors: Option<u64>| sectors?.checked_mul(SECTOR_BYTES);
    let seconds = |ms: Option<u64>| Some(ms? as f64 / 1e3);
    set_text(&mut device.device, line.name, MAX_NAME_BYTES);
    device.reads_completed_total = reads;
    device.reads_merged_total = reads_merged;
    device.read_bytes_total = bytes(sectors_read);
    device.read_time_seconds_total = seconds(read_ms);
    device.writes_completed_total = writes;
    device.writes_merged_total = writes_merged;
    device.written_bytes_total = bytes(sectors_written);
    device.write_time_seconds_total = seconds(write_ms);
    device.io_now = in_flight;
    device.io_time_seconds_total = seconds(io_ms);
    device.io_time_weighted_seconds_total = seconds(weighted_ms);
    device.discards_completed_total = discards;
    device.discards_merged_total = discards_merged;
    device.discarded_bytes_total = bytes(sectors_discarded);
    device.discard_time_seconds_total = seconds(discard_ms);
    device.flush_requests_total = flushes;
    device.flush_requests_time_seconds_total = seconds(flush_ms);
}

impl Probe for BlockDevices {
    fn name(&self) -> &'static str {
        "block_devices"
    }

    fn read(&mut self, host: &Host, _: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
        let content = match self.file.read(&host.proc) {
            Err(e) if e.is_missing() => return Ok(Outcome::NothingHere("no /proc/diskstats")),
            other => other?,
        };
        let devices = report.block_devices.get_or_insert_default();
        let mut count = 0;
        for line in parse(content).filter(|l| !left_out(l.name)).take(MAX_DEVICES) {
            if count == devices.len() {
                devices.push(BlockDevice::default());
            }
            write(&mut devices[count], &line);
            count += 1;
        }
        devices.truncate(count);
        if count == 0 {
            return Ok(Outcome::NothingHere("no block device in /proc/diskstats"));
        }
        Ok(Outcome::Fresh)
    }

    fn clear(&self, report: &mut Report) {
        report.block_devices = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(text: &str) -> Option<BlockDevice> {
        let line = parse(text.as_bytes()).next()?;
        let mut device = BlockDevice::default();
        write(&mut device, &line);
        Some(device)
    }

    #[test]
    fn files_of_every_kernel() {
        let old = "   8       0 sda 10 1 20 2500 30 3 40 4500 5 600 7000\n";
        let device = one(old).unwrap();
        assert_eq!(device.device, "sda");
        assert_eq!((device.reads_completed_total, device.reads_merged_total), (Some(10), Some(1)));
        assert_eq!((device.read_bytes_total, device.read_time_seconds_total), (Some(10_240), Some(2.5)));
        assert_eq!((device.writes_completed_total, device.writes_merged_total), (Some(30), Some(3)));
        assert_eq!((device.written_bytes_total, device.write_time_seconds_total), (Some(20_480), Some(4.5)));
        assert_eq!((device.io_now, device.io_time_seconds_total), (Some(5), Some(0.6)));
        assert_eq!(device.io_time_weighted_seconds_total, Some(7.0));
        assert_eq!((device.discards_completed_total, device.flush_requests_total), (None, None));

        let with_discards = old.replace('\n', " 8 9 10 11000\n");
        let device = one(&with_discards).unwrap();
        assert_eq!((device.discards_completed_total, device.discards_merged_total), (Some(8), Some(9)));
        assert_eq!(
            (device.discarded_bytes_total, device.discard_time_seconds_total),
            (Some(5120), Some(11.0))
        );
        assert_eq!(device.flush_requests_total, None);

        let with_flushes = with_discards.replace('\n', " 12 13000\n");
        let device = one(&with_flushes).unwrap();
        assert_eq!(device.flush_requests_total, Some(12));
        assert_eq!(device.flush_requests_time_seconds_total, Some(13.0));
        let of_the_future = with_flushes.replace('\n', " 1 2 3 4 5\n");
        assert_eq!(one(&of_the_future), one(&with_flushes), "numbers we do not know change none we know");

        let partition = one("   8       1 sda1 10 20 30 40\n").unwrap();
        assert_eq!((partition.reads_completed_total, partition.read_bytes_total), (Some(10), Some(10_240)));
        assert_eq!(
            (partition.writes_completed_total, partition.written_bytes_total),
            (Some(30), Some(20_480))
        );
        assert_eq!((partition.reads_merged_total, partition.io_now), (None, None));
    }

    #[test]
    fn absurd_numbers_are_absent_and_broken_lines_left_out() {
        let device = one(&format!("8 0 sda {} 1 {} 1 -1 x {} 1 1 1 1\n", "9".repeat(30), u64::MAX, u64::MAX));
        let device = device.unwrap();
        assert_eq!(device.reads_completed_total, None);
        assert_eq!(device.read_bytes_total, None, "more bytes than fit a number");
        assert_eq!((device.writes_completed_total, device.writes_merged_total), (None, None));
        assert_eq!(device.write_time_seconds_total, Some(0.001));
        for bad in [
            "",
            "\n",
            "8 0 sda\n",
            "8 0 sda 1 2 3\n",
            "x 0 sda 1 1 1 1 1 1 1 1 1 1 1\n",
            "8 0 sda 1 1 1 1 1 1 1 1 1 1 1",
        ] {
            assert_eq!(one(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_devices_that_node_exporter_counts() {
        for kept in [
            "sda",
            "hda",
            "vdb",
            "xvdf",
            "sdaa",
            "sdaa1",
            "nvme0n1",
            "nvme12n3",
            "dm-0",
            "md0",
            "md127p1",
            "mmcblk0",
            "mmcblk0p1",
            "sr0",
            "nbd0",
            "zd16",
            "nvme0c0n1",
            "nvmen1p1",
            "nvme0np1",
            "ram",
            "loopx",
            "drbd1",
            "rbd0p1",
            "1",
            "bcache0",
            "sd1",
            "xvd1",
        ] {
            assert!(!left_out(kept.as_bytes()), "{kept}");
        }
        for out in
            ["ram0", "zram1", "loop17", "fd0", "sda1", "hdz12", "vda3", "xvda1", "nvme0n1p1", "nvme10n12p3"]
        {
            assert!(left_out(out.as_bytes()), "{out}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(content in prop::collection::vec(any::<u8>(), 0..512)) {
            for line in parse(&content) {
                left_out(line.name);
                write(&mut BlockDevice::default(), &line);
            }
        }

        #[test]
        fn a_written_line_is_read_back(name in "[a-z][a-z0-9-]{0,12}", values in prop::collection::vec(any::<u64>(), 11..18)) {
            let numbers: Vec<_> = values.iter().map(u64::to_string).collect();
            let text = format!("{:4} {:7} {name} {}\n", 259, 3, numbers.join(" "));
            let line = parse(text.as_bytes()).next().unwrap();
            prop_assert_eq!(line.name, name.as_bytes());
            let read: Vec<_> = line.values.to_vec();
            let mut written: Vec<_> = values.into_iter().map(Some).collect();
            written.resize(17, None);
            prop_assert_eq!(read, written);
        }
    }
}
