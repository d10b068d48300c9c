//! How many TCP sockets are in which state: `GetExtendedTcpTable`, which lists every socket, so it is done
//! aside and not at each sample.

use std::time::Duration;

use chasar_wire::Report;
use chasar_wire::family::TcpStates;

use super::host::failed;
use super::parse::tcp::{IPV4_ROW_BYTES, IPV6_ROW_BYTES, count};
use super::sys::{self, Buffer, Ip};
use crate::{Host, Now, Outcome, Probe, ProbeError, Reading, Setup, Slot};

/// How often sockets are counted.
const EVERY: Duration = Duration::from_secs(10);
const SILENT_AFTER: Duration = Duration::from_secs(60);

pub(crate) fn make(setup: &Setup<'_>) -> Box<dyn Probe> {
    let mut buffer = Buffer::default();
    let slot = setup.background.slot(EVERY, move |_| {
        let mut states = TcpStates::default();
        sys::tcp_table(Ip::V4, &mut buffer).map_err(|e| failed("GetExtendedTcpTable", e))?;
        count(buffer.bytes(), IPV4_ROW_BYTES, &mut states);
        // A host may do without IPv6.
        if sys::tcp_table(Ip::V6, &mut buffer).is_ok() {
            count(buffer.bytes(), IPV6_ROW_BYTES, &mut states);
        }
        Ok(states)
    });
    Box::new(TcpStateCounts { slot })
}

struct TcpStateCounts {
    slot: Slot<TcpStates>,
}

impl Probe for TcpStateCounts {
    fn name(&self) -> &'static str {
        "tcp_states"
    }

    fn read(&mut self, _: &Host, now: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
        let sockets = report.sockets.get_or_insert_default();
        let reading = self.slot.read("GetExtendedTcpTable", now.monotonic, SILENT_AFTER, |states| {
            sockets.tcp_states = Some(states.clone());
        })?;
        match reading {
            Reading::Pending => Ok(Outcome::NothingHere("the first count is under way")),
            Reading::Value(age) => Ok(Outcome::Aged(age)),
        }
    }

    fn clear(&self, report: &mut Report) {
        if let Some(sockets) = &mut report.sockets {
            sockets.tcp_states = None;
        }
    }
}
