//! Time of each core by mode, and interrupts: class 8 of `NtQuerySystemInformation`.

use chasar_wire::Report;

use super::host::{failed, form};
use super::parse::processor::{self, Cores};
use super::sys::{self, Buffer, class};
use crate::{Host, Now, Outcome, Probe, ProbeError, Setup};

pub(crate) fn make(_: &Setup<'_>) -> Box<dyn Probe> {
    Box::new(Cpu { buffer: Buffer::default(), cores: Cores::default() })
}

struct Cpu {
    buffer: Buffer,
    cores: Cores,
}

const CALL: &str = "NtQuerySystemInformation(SystemProcessorPerformanceInformation)";

impl Probe for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn read(&mut self, _: &Host, _: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
        self.cores.begin();
        let groups = sys::processor_groups();
        for group in 0..groups {
            // The plain call answers for the group that this thread happens to run in.
            let asked = match groups {
                1 => sys::query(class::PROCESSOR_PERFORMANCE, &mut self.buffer),
                _ => sys::query_group(class::PROCESSOR_PERFORMANCE, group, &mut self.buffer),
            };
            asked.map_err(|e| failed(CALL, e))?;
            processor::parse(self.buffer.bytes()).for_each(|times| self.cores.push(times));
        }
        self.cores.end();
        if self.cores.is_empty() {
            return Err(form(CALL, "has no core"));
        }
        let cpu = &mut report.cpu;
        cpu.core.clear();
        cpu.core.extend((0u32..).take(self.cores.len()));
        cpu.percent_used.clear();
        cpu.percent_used.extend(self.cores.percent_used());
        self.cores.write_times(cpu.times.get_or_insert_default());
        cpu.interrupts_total = self.cores.interrupts();
        Ok(Outcome::Fresh)
    }

    fn clear(&self, report: &mut Report) {
        let cpu = &mut report.cpu;
        cpu.core.clear();
        cpu.percent_used.clear();
        (cpu.times, cpu.interrupts_total) = (None, None);
    }
}
