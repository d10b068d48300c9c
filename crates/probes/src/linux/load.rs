//! Load averages, from `/proc/loadavg` (Linux: Documentation/filesystems/proc.rst).

use chasar_wire::Report;

use super::file::Kept;
use super::text::{decimal, words};
use crate::{Host, Now, Outcome, Probe, ProbeError, Setup};

pub(crate) fn make(_: &Setup<'_>) -> Box<dyn Probe> {
    Box::new(Load { file: Kept::whole(c"loadavg") })
}

struct Load {
    file: Kept,
}

/// The averages over 1, 5 and 15 minutes.
pub(crate) fn parse(text: &[u8]) -> Option<[f64; 3]> {
    let mut averages = words(text).map(decimal);
    Some([averages.next()??, averages.next()??, averages.next()??])
}

impl Probe for Load {
    fn name(&self) -> &'static str {
        "load"
    }

    fn read(&mut self, host: &Host, _: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
        let Some([load1, load5, load15]) = parse(self.file.read(&host.proc)?) else {
            return Err(self.file.form(&host.proc, "does not begin with three numbers"));
        };
        report.cpu.load1 = Some(load1);
        report.cpu.load5 = Some(load5);
        report.cpu.load15 = Some(load15);
        Ok(Outcome::Fresh)
    }

    fn clear(&self, report: &mut Report) {
        (report.cpu.load1, report.cpu.load5, report.cpu.load15) = (None, None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn averages_are_read() {
        assert_eq!(parse(b"0.08 0.40 12.51 2/142 8263\n"), Some([0.08, 0.40, 12.51]));
        for bad in [&b""[..], b"0.08 0.40", b"a b c", b"0.08 nan 1.0"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&bytes);
        }
    }
}
