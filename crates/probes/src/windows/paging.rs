//! Paging and context switches since boot: class 2 of `NtQuerySystemInformation`.

use chasar_wire::Report;

use super::host::{failed, form};
use super::parse::system::PerformanceCounters;
use super::sys::{self, Buffer, class};
use crate::{Host, Now, Outcome, Probe, ProbeError, Setup};

pub(crate) fn make(_: &Setup<'_>) -> Box<dyn Probe> {
    Box::new(Paging { buffer: Buffer::default(), counters: PerformanceCounters::default(), page_bytes: None })
}

struct Paging {
    buffer: Buffer,
    counters: PerformanceCounters,
    page_bytes: Option<u64>,
}

const CALL: &str = "NtQuerySystemInformation(SystemPerformanceInformation)";

impl Probe for Paging {
    fn name(&self) -> &'static str {
        "paging"
    }

    fn read(&mut self, _: &Host, _: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
        sys::query(class::PERFORMANCE, &mut self.buffer).map_err(|e| failed(CALL, e))?;
        let now = self.counters.advance(self.buffer.bytes()).ok_or_else(|| form(CALL, "is too short"))?;
        report.cpu.context_switches_total = now.context_switches;
        if now.page_faults.is_none() {
            report.paging = None;
            // With context switches the probe has something; it clears nothing of its own then.
            return match now.context_switches {
                Some(_) => Ok(Outcome::Fresh),
                None => Ok(Outcome::NothingHere("this system counts no page faults")),
            };
        }
        let page_bytes = *self
            .page_bytes
            .get_or_insert_with(|| sys::performance_information().ok().map_or(4096, |p| p.PageSize as u64));
        let paging = report.paging.get_or_insert_default();
        paging.faults_total = now.page_faults;
        paging.major_faults_total = now.page_reads;
        paging.in_bytes_total = now.pages_read.map(|pages| pages.saturating_mul(page_bytes));
        paging.out_bytes_total = now.pages_written.map(|pages| pages.saturating_mul(page_bytes));
        Ok(Outcome::Fresh)
    }

    fn clear(&self, report: &mut Report) {
        report.paging = None;
        report.cpu.context_switches_total = None;
    }
}
