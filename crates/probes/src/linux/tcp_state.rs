//! How many TCP sockets are in which state: a netlink `sock_diag(7)` dump, or `/proc/net/tcp` and `tcp6`.
//!
//! Counting walks every socket of the host (about 0.2 µs each by netlink, ten times that by file), so
//! it is done aside and every [`EVERY`] at most; where it takes long, so much less often that it costs
//! no more than one part in [`COST_PART`] of one processor.

use std::time::Duration;

use chasar_wire::Report;
use chasar_wire::family::{Sockets, TcpStates};

use super::file::Kept;
use super::sys::{self, Fd};
use super::text::{complete_lines, words};
use crate::{Host, Now, Outcome, Probe, ProbeError, Reading, Setup, Slot};

/// How often sockets are counted.
pub(crate) const EVERY: Duration = Duration::from_secs(10);
/// A count that took `t` is not repeated before `t * COST_PART`.
const COST_PART: u32 = 5_000;
/// The slot is filled every [`EVERY`], with the old count if it is not yet time for a new one.
const SILENT_AFTER: Duration = Duration::from_secs(60);

pub(crate) fn make(setup: &Setup<'_>) -> Box<dyn Probe> {
    let monotonic = setup.config.monotonic.clone();
    let mut source = Source::default();
    let mut last: Option<Count> = None;
    let mut due = Duration::ZERO;
    let slot = setup.background.slot(EVERY, move |host| {
        let at = monotonic();
        if let Some(last) = last.as_ref().filter(|_| at < due && !host.is_recorded()) {
            return Ok(last.clone());
        }
        let states = source.count(host)?;
        due = at + pause(monotonic().saturating_sub(at));
        Ok(last.insert(Count { states, at }).clone())
    });
    Box::new(TcpStateCounts { slot })
}

/// How long to wait after a count that took `cost`.
fn pause(cost: Duration) -> Duration {
    cost.saturating_mul(COST_PART)
}

#[derive(Clone)]
struct Count {
    states: TcpStates,
    at: Duration,
}

struct TcpStateCounts {
    slot: Slot<Count>,
}

/// Where the sockets are counted.
struct Source {
    tcp: Kept,
    tcp6: Kept,
    buffer: Vec<u8>,
    no_netlink: bool,
}

impl Default for Source {
    fn default() -> Source {
        let (tcp, tcp6) = (Kept::records(c"net/tcp"), Kept::records(c"net/tcp6"));
        Source { tcp, tcp6, buffer: Vec::new(), no_netlink: false }
    }
}

impl Source {
    fn count(&mut self, host: &Host) -> Result<TcpStates, ProbeError> {
        if !host.is_recorded() && !self.no_netlink {
            match dump(&mut self.buffer) {
                Ok(states) => return Ok(states),
                // No such protocol, or not for us: the files it is.
                Err(_) => self.no_netlink = true,
            }
        }
        let mut states = TcpStates::default();
        table(self.tcp.read(&host.proc)?, &mut states);
        match self.tcp6.read(&host.proc) {
            Ok(content) => table(content, &mut states),
            Err(e) if e.is_missing() => {}
            Err(e) => return Err(e),
        }
        Ok(states)
    }
}

/// Counts one socket by its state's number (include/net/tcp_states.h).
fn add(states: &mut TcpStates, state: u8) {
    let count = match state {
        1 => &mut states.established,
        2 => &mut states.syn_sent,
        // 12 is a request that has no socket yet; the dump gives it as 3.
        3 | 12 => &mut states.syn_recv,
        4 => &mut states.fin_wait1,
        5 => &mut states.fin_wait2,
        6 => &mut states.time_wait,
        7 => &mut states.close,
        8 => &mut states.close_wait,
        9 => &mut states.last_ack,
        10 => &mut states.listen,
        11 => &mut states.closing,
        _ => return,
    };
    *count += 1;
}

/// Counts the sockets of `/proc/net/tcp` or `tcp6`; the fourth word is the state.
pub(crate) fn table(content: &[u8], states: &mut TcpStates) {
    for line in complete_lines(content) {
        let state = words(line).nth(3).and_then(|w| match w {
            [high, low] => {
                let digit = |b: u8| char::from(b).to_digit(16);
                u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()
            }
            _ => None,
        });
        if let Some(state) = state {
            add(states, state);
        }
    }
}

/// Asks the kernel for all TCP sockets of both families.
fn dump(buffer: &mut Vec<u8>) -> std::io::Result<TcpStates> {
    buffer.resize(32 << 10, 0);
    let socket = sys::sock_diag_socket()?;
    let mut states = TcpStates::default();
    for family in [libc::AF_INET, libc::AF_INET6] {
        sys::send(&socket, &request(family))?;
        while !receive(&socket, buffer, &mut states)? {}
    }
    Ok(states)
}

fn receive(socket: &Fd, buffer: &mut [u8], states: &mut TcpStates) -> std::io::Result<bool> {
    let n = sys::read(socket, buffer)?;
    match messages(&buffer[..n], states) {
        Some(done) if n > 0 => done,
        _ => Err(std::io::Error::from(std::io::ErrorKind::InvalidData)),
    }
}

/// `SOCK_DIAG_BY_FAMILY` (include/uapi/linux/sock_diag.h).
const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// Length of `struct nlmsghdr`.
const HEADER: usize = 16;
/// Length of `struct inet_diag_req_v2` (include/uapi/linux/inet_diag.h).
const REQUEST: usize = 56;

/// A request for every TCP socket of `family`, in whatever state.
fn request(family: i32) -> [u8; HEADER + REQUEST] {
    let mut message = [0; HEADER + REQUEST];
    let flags = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
    message[0..4].copy_from_slice(&((HEADER + REQUEST) as u32).to_ne_bytes());
    message[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message[6..8].copy_from_slice(&flags.to_ne_bytes());
    message[16] = family as u8;
    message[17] = libc::IPPROTO_TCP as u8;
    message[20..24].copy_from_slice(&u32::MAX.to_ne_bytes());
    message
}

/// Counts the sockets of one answer; `Some(true)` after the last, `None` if it is not understood.
pub(crate) fn messages(mut answer: &[u8], states: &mut TcpStates) -> Option<std::io::Result<bool>> {
    while !answer.is_empty() {
        let length = u32::from_ne_bytes(answer.get(0..4)?.try_into().ok()?) as usize;
        let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
        let content = answer.get(HEADER..length)?;
        match i32::from(kind) {
            libc::NLMSG_DONE => return Some(Ok(true)),
            libc::NLMSG_ERROR => {
                let number = i32::from_ne_bytes(content.get(0..4)?.try_into().ok()?);
                return Some(Err(std::io::Error::from_raw_os_error(number.saturating_neg())));
            }
            _ if kind == SOCK_DIAG_BY_FAMILY => add(states, *content.get(1)?),
            _ => {}
        }
        answer = answer.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(Ok(false))
}

impl Probe for TcpStateCounts {
    fn name(&self) -> &'static str {
        "tcp_states"
    }

    fn read(&mut self, _: &Host, now: &Now, report: &mut Report) -> Result<Outcome, ProbeError> {
        let mut at = Duration::ZERO;
        let reading = self.slot.read("counting TCP sockets", now.monotonic, SILENT_AFTER, |count| {
            let sockets = report.sockets.get_or_insert_default();
            sockets.tcp_states = Some(count.states.clone());
            at = count.at;
        });
        match reading {
            Ok(Reading::Value(_)) => Ok(Outcome::Aged(now.monotonic.saturating_sub(at))),
            Ok(Reading::Pending) => Ok(Outcome::NothingHere("not counted yet")),
            Err(e) => Err(e),
        }
    }

    fn clear(&self, report: &mut Report) {
        if let Some(sockets) = &mut report.sockets {
            sockets.tcp_states = None;
            if *sockets == Sockets::default() {
                report.sockets = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(kind: u16, content: &[u8]) -> Vec<u8> {
        let mut message = ((HEADER + content.len()) as u32).to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.resize(HEADER, 0);
        message.extend(content);
        message.resize(message.len().next_multiple_of(4), 0);
        message
    }

    #[test]
    fn a_table_is_counted_by_state() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 00000000:07E8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1664 1\n\
            1: 020200C0:B4E6 507100CB:01BB 01 00000000:00000000 00:00000000 00000000     0        0 20731 1\n\
            2: 020200C0:B4E6 507100CB:01BB 0C 00000000\n\
            3: 020200C0:B4E6 507100CB:01BB FF 00000000\n\
            4: 020200C0:B4E6 507100CB:01BB 06 0000";
        let mut states = TcpStates::default();
        table(text.as_bytes(), &mut states);
        assert_eq!(states, TcpStates { listen: 1, established: 1, syn_recv: 1, ..TcpStates::default() });
    }

    #[test]
    fn answers_are_counted_to_the_end() {
        let mut states = TcpStates::default();
        let socket = |state| message(SOCK_DIAG_BY_FAMILY, &[2, state, 0, 0, 9]);
        let answer = [socket(1), socket(6), message(99, b"?"), socket(6)].concat();
        assert!(!messages(&answer, &mut states).unwrap().unwrap());
        assert!(messages(&message(libc::NLMSG_DONE as u16, &[0; 4]), &mut states).unwrap().unwrap());
        assert_eq!(states, TcpStates { established: 1, time_wait: 2, ..TcpStates::default() });
        let error = message(libc::NLMSG_ERROR as u16, &(-libc::EPERM).to_ne_bytes());
        assert_eq!(messages(&error, &mut states).unwrap().unwrap_err().raw_os_error(), Some(libc::EPERM));
        assert!(messages(&answer[..30], &mut states).is_none(), "cut short");
        assert!(messages(&[0; 16], &mut states).is_none(), "no length");
    }

    #[test]
    fn a_costly_count_is_seldom_repeated() {
        assert!(pause(Duration::from_micros(100)) < EVERY);
        assert_eq!(pause(Duration::from_millis(50)), Duration::from_secs(250));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(content in prop::collection::vec(any::<u8>(), 0..512)) {
            table(&content, &mut TcpStates::default());
            let _ = messages(&content, &mut TcpStates::default());
        }

        #[test]
        fn damaged_answers_never_panic(
            kinds in prop::collection::vec((0u16..24, prop::collection::vec(any::<u8>(), 0..8)), 0..6),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        ) {
            let mut answer: Vec<u8> = kinds.iter().flat_map(|(kind, content)| message(*kind, content)).collect();
            for (at, byte) in damage {
                if !answer.is_empty() {
                    let at = at.index(answer.len());
                    answer[at] = byte;
                }
            }
            let _ = messages(&answer, &mut TcpStates::default());
        }
    }
}
