//! Pressure stall information (Linux: Documentation/accounting/psi.rst).

use std::io;

use chasar_wire::Report;
use chasar_wire::family::{Pressure as Family, Stall, StallTimes};

use super::file::Kept;
use super::text::{decimal, lines, number, words};
use crate::{Host, Now, Outcome, Probe, ProbeError, Setup};

pub(crate) fn make(_: &Setup<'_>) -> Box<dyn Probe> {
    Box::new(Pressure {
        files: [
            Kept::whole(c"pressure/cpu"),
            Kept::whole(c"pressure/memory"),
            Kept::whole(c"pressure/io"),
            Kept::whole(c"pressure/irq"),
        ],
    })
}

struct Pressure {
    files: [Kept; 4],
}

/// Reads one of the files; `None` if it has not that form.
pub(crate) fn parse(text: &[u8]) -> Option<Stall> {
    let mut stall = Stall::default();
    for line in lines(text) {
        let mut words = words(line);
        let field = match words.next() {
            Some(b"some") => &mut stall.some,
            Some(b"full") => &mut stall.full,
            _ => continue,
        };
        let mut times = StallTimes::default();
        for (key, place) in [
            (b"avg10=".as_slice(), &mut times.avg10_percent),
            (b"avg60=", &mut times.avg60_percent),
            (b"avg300=", &mut times.avg300_percent),
        ] {
            *place = decimal(words.next()?.strip_prefix(key)?)?;
        }
        let micros = number(words.next()?.strip_prefix(b"total=")?)?;
        times.seconds_total = micros as f64 / 1e6;
        *field = Some(times);
    }
    (stall.some.is_some() || stall.full.is_some()).then_some(stall)
}

impl Probe for Pressure {
    fn name(&self) -> &'static str {
        "pressure"
    }

    fn read(&mut self, host: &Host, _: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
        let family = report.pressure.get_or_insert_default();
        let places = [&mut family.cpu, &mut family.memory, &mut family.io, &mut family.irq];
        for (file, place) in self.files.iter_mut().zip(places) {
            *place = match file.read_if_there(&host.proc) {
                Ok(None) => None,
                Ok(Some(text)) => match parse(text) {
                    Some(stall) => Some(stall),
                    None => return Err(file.form(&host.proc, "has no line of stalls")),
                },
                Err(error) if is_switched_off(&error) => {
                    return Ok(Outcome::NothingHere("switched off; the kernel option psi=1 turns it on"));
                }
                Err(error) => return Err(error),
            };
        }
        if *family == Family::default() {
            return Ok(Outcome::NothingHere("this kernel does not account for stalls"));
        }
        Ok(Outcome::Fresh)
    }

    fn clear(&self, report: &mut Report) {
        report.pressure = None;
    }
}

/// A kernel that has it but was started without answers so, at the opening or at the reading.
fn is_switched_off(error: &ProbeError) -> bool {
    let ProbeError::Io { source, .. } = error else { return false };
    source.raw_os_error() == Some(libc::EOPNOTSUPP) || source.kind() == io::ErrorKind::Unsupported
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stalls_are_read() {
        let stall = parse(
            b"some avg10=1.50 avg60=0.25 avg300=0.00 total=1500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n",
        )
        .unwrap();
        let some = stall.some.unwrap();
        assert_eq!((some.avg10_percent, some.avg60_percent, some.avg300_percent), (1.5, 0.25, 0.0));
        assert_eq!((some.seconds_total, stall.full.unwrap().seconds_total), (1.5, 0.000_007));
        // Before 5.13 the processor has no line "full".
        assert_eq!(parse(b"some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n").unwrap().full, None);
        for bad in [&b""[..], b"some avg10=1", b"some avg10=x avg60=0 avg300=0 total=0", b"other 1"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in "(some|full)?[ -~\n]{0,100}") {
            let _ = parse(bytes.as_bytes());
        }
    }
}
