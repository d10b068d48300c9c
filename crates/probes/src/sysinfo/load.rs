//! Load averages, from `getloadavg(3)`.

use chasar_wire::Report;
use sysinfo::System;

use super::trouble;
use crate::text::hundredths;
use crate::{Host, Now, Outcome, Probe, ProbeError, Setup};

pub(crate) fn make(_: &Setup<'_>) -> Box<dyn Probe> {
    Box::new(Load)
}

struct Load;

impl Probe for Load {
    fn name(&self) -> &'static str {
        "load"
    }

    fn read(&mut self, _: &Host, _: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
        let load = System::load_average().map_err(trouble("getloadavg"))?;
        report.cpu.load1 = Some(hundredths(load.one));
        report.cpu.load5 = Some(hundredths(load.five));
        report.cpu.load15 = Some(hundredths(load.fifteen));
        Ok(Outcome::Fresh)
    }

    fn clear(&self, report: &mut Report) {
        (report.cpu.load1, report.cpu.load5, report.cpu.load15) = (None, None, None);
    }
}
