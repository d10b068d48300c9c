//! Paging counters, from `/proc/vmstat` (names as in the kernel's mm/vmstat.c).

use chasar_wire::Report;
use chasar_wire::family::Paging as Family;

use super::file::Kept;
use super::text::{lines, number, split_once};
use crate::{Host, Now, Outcome, Probe, ProbeError, Setup};

pub(crate) fn make(_: &Setup<'_>) -> Box<dyn Probe> {
    Box::new(Paging { file: Kept::records(c"vmstat") })
}

struct Paging {
    file: Kept,
}

/// Reads the counters; `None` if the text has none of them.
pub(crate) fn parse(text: &[u8]) -> Option<Family> {
    let mut paging = Family::default();
    for line in lines(text) {
        // Of some two hundred lines these begin with one of two letters.
        if !matches!(line.first(), Some(b'p' | b'o')) {
            continue;
        }
        let Some((key, value)) = split_once(line, b' ') else { continue };
        let (field, unit) = match key {
            b"pgpgin" => (&mut paging.in_bytes_total, 1024),
            b"pgpgout" => (&mut paging.out_bytes_total, 1024),
            b"pswpin" => (&mut paging.swap_in_pages_total, 1),
            b"pswpout" => (&mut paging.swap_out_pages_total, 1),
            b"pgfault" => (&mut paging.faults_total, 1),
            b"pgmajfault" => (&mut paging.major_faults_total, 1),
            b"oom_kill" => (&mut paging.oom_kills_total, 1),
            _ => continue,
        };
        *field = number(value).map(|n| n.saturating_mul(unit));
    }
    (paging != Family::default()).then_some(paging)
}

impl Probe for Paging {
    fn name(&self) -> &'static str {
        "paging"
    }

    fn read(&mut self, host: &Host, _: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
        let Some(text) = self.file.read_if_there(&host.proc)? else {
            return Ok(Outcome::NothingHere("no /proc/vmstat"));
        };
        report.paging = parse(text);
        if report.paging.is_none() {
            return Err(self.file.form(&host.proc, "has none of the paging counters"));
        }
        Ok(Outcome::Fresh)
    }

    fn clear(&self, report: &mut Report) {
        report.paging = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn counters_are_read() {
        let paging = parse(
            b"nr_free_pages 5\npgpgin 2\npgpgout 3\npswpin 4\npgfault 18446744073709551615\npgmajfault x\noom_kill 0\n",
        )
        .unwrap();
        assert_eq!((paging.in_bytes_total, paging.out_bytes_total), (Some(2048), Some(3072)));
        assert_eq!((paging.swap_in_pages_total, paging.swap_out_pages_total), (Some(4), None));
        assert_eq!((paging.faults_total, paging.major_faults_total), (Some(u64::MAX), None));
        assert_eq!(paging.oom_kills_total, Some(0));
        assert_eq!(parse(b"nr_free_pages 5\n"), None);
    }

    proptest! {
        #[test]
        fn never_panics(bytes in "[ -~\n]{0,200}") {
            let _ = parse(bytes.as_bytes());
        }
    }
}
