//! Main memory, commit and page files: `GlobalMemoryStatusEx`, `GetPerformanceInfo`, and class 18 of
//! `NtQuerySystemInformation`.

use chasar_wire::Report;
use chasar_wire::family::{Memory as Family, Swap};

use super::host::failed;
use super::parse::page_file::{self, PageFiles};
use super::sys::{self, Buffer, class};
use crate::text::hundredths;
use crate::{Host, Now, Outcome, Probe, ProbeError, Setup};

pub(crate) fn make(_: &Setup<'_>) -> Box<dyn Probe> {
    Box::new(Memory { page_files: Buffer::default() })
}

struct Memory {
    page_files: Buffer,
}

/// Windows makes no smaller page file.
const SMALLEST_PAGE_FILE_BYTES: u64 = 16 << 20;

/// `part` of `whole`, 0 to 100; nothing has no share.
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| hundredths(100.0 * part as f64 / whole as f64))
}

impl Memory {
    fn page_files(&mut self) -> Option<PageFiles> {
        sys::query(class::PAGE_FILE, &mut self.page_files).ok()?;
        page_file::parse(self.page_files.bytes()).ok()
    }
}

impl Probe for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn read(&mut self, _: &Host, _: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
        let status = sys::memory_status().map_err(|e| failed("GlobalMemoryStatusEx", e))?;
        let memory = &mut report.memory;
        *memory = Family::default();
        let (total, available) = (status.ullTotalPhys, status.ullAvailPhys.min(status.ullTotalPhys));
        memory.total_bytes = Some(total);
        memory.available_bytes = Some(available);
        memory.total_bytes_used = Some(total - available);
        memory.percent_used = share(total - available, total);
        // These are of the whole system, where the status has what this process may still commit.
        let detail = sys::performance_information().ok().filter(|detail| detail.PageSize > 0);
        let bytes = |pages: usize, page: usize| Some((pages as u64).saturating_mul(page as u64));
        if let Some(detail) = &detail {
            memory.commit_limit_bytes = bytes(detail.CommitLimit, detail.PageSize).filter(|b| *b > 0);
            memory.committed_as_bytes = bytes(detail.CommitTotal, detail.PageSize).filter(|b| *b > 0);
            memory.cached_bytes = bytes(detail.SystemCache, detail.PageSize).filter(|b| *b > 0);
        }
        let swap = report.swap.get_or_insert_default();
        *swap = Swap::default();
        match self.page_files().zip(detail) {
            Some((files, detail)) => {
                let page = detail.PageSize as u64;
                let total = files.total_pages.saturating_mul(page);
                let used = files.used_pages.saturating_mul(page).min(total);
                (swap.total_bytes, swap.used_bytes) = (Some(total), Some(used));
                swap.free_bytes = Some(total - used);
                swap.percent_used = share(used, total);
            }
            // Commit can reach as far as memory and page files together; how much of the latter is used
            // does not follow from it.
            None => {
                let beyond = status.ullTotalPageFile.saturating_sub(total);
                swap.total_bytes = Some(if beyond < SMALLEST_PAGE_FILE_BYTES { 0 } else { beyond });
            }
        }
        Ok(Outcome::Fresh)
    }

    fn clear(&self, report: &mut Report) {
        report.memory = Family::default();
        report.swap = None;
    }
}
