//! What a connecting end knows of its one connection, from the monitor's events.

use chasar_libzmq::{Event, Monitor, strerror};
use std::collections::VecDeque;
use std::io;

use crate::peer::Peer;

/// Events of the monitor a connecting end wants.
pub(crate) const CONNECTING_MASK: u16 = Event::HANDSHAKE_SUCCEEDED
    | Event::DISCONNECTED
    | Event::HANDSHAKE_FAILED_NO_DETAIL
    | Event::HANDSHAKE_FAILED_PROTOCOL
    | Event::HANDSHAKE_FAILED_AUTH;

/// Something that happened to the link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkEvent {
    /// The peer is ready: what is sent from now on reaches it as long as the link lasts.
    Up {
        /// Who it is.
        peer: Peer,
    },
    /// The link broke, or the peer wants nothing any more. What was queued is gone.
    Down {
        /// Why.
        reason: DownReason,
    },
    /// No link, for this reason; told once until the reason changes or a link comes up. Connecting goes on.
    Trouble(String),
}

/// Why a link went down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DownReason {
    /// The peer closed the connection, or it was reset.
    Closed,
    /// The peer did not answer heartbeats.
    Silent,
    /// The peer broke the protocol.
    Protocol,
    /// The peer is there but took its subscription back.
    Unsubscribed,
    /// It broke and came back before anybody looked.
    Reconnected,
}

impl std::fmt::Display for DownReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Closed => "the connection was closed",
            Self::Silent => "the peer no longer answers",
            Self::Protocol => "the peer broke the protocol",
            Self::Unsubscribed => "the peer no longer wants anything",
            Self::Reconnected => "the connection broke and came back",
        })
    }
}

/// One connection, fed with monitor events.
#[derive(Debug, Default)]
pub(crate) struct LinkState {
    endpoint: String,
    connected: bool,
    up: bool,
    reason: Option<DownReason>,
    last_trouble: Option<String>,
    events: VecDeque<LinkEvent>,
}

impl LinkState {
    /// `endpoint` is what the trouble texts name.
    pub(crate) fn new(endpoint: String) -> Self {
        Self { endpoint, ..Self::default() }
    }

    /// A handshake succeeded and no end of it was seen.
    pub(crate) fn is_connected(&self) -> bool {
        self.connected
    }

    /// `Up` was said and no `Down` since.
    pub(crate) fn is_up(&self) -> bool {
        self.up
    }

    pub(crate) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    pub(crate) fn pop(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    /// Says `Up`; when it was up already, the connection broke unseen, so a `Down` comes first.
    pub(crate) fn came_up(&mut self, peer: Peer) {
        self.went_down(DownReason::Reconnected);
        self.up = true;
        self.last_trouble = None;
        self.events.push_back(LinkEvent::Up { peer });
    }

    /// Says `Down`, if it was up.
    pub(crate) fn went_down(&mut self, reason: DownReason) {
        if self.up {
            self.up = false;
            self.events.push_back(LinkEvent::Down { reason });
        }
    }

    /// Takes in everything the monitor has.
    pub(crate) fn drain(&mut self, monitor: &Monitor) -> chasar_libzmq::Result<()> {
        while let Some(event) = monitor.next()? {
            self.take(&event);
        }
        Ok(())
    }

    pub(crate) fn take(&mut self, event: &Event) {
        match event.number {
            Event::HANDSHAKE_SUCCEEDED => {
                self.connected = true;
                self.reason = None;
            }
            Event::DISCONNECTED => {
                self.connected = false;
                let reason = self.reason.take().unwrap_or(DownReason::Closed);
                self.went_down(reason);
            }
            Event::HANDSHAKE_FAILED_PROTOCOL if event.peer_silent() => self.reason = Some(DownReason::Silent),
            Event::HANDSHAKE_FAILED_PROTOCOL => {
                self.reason = Some(DownReason::Protocol);
                let endpoint = &self.endpoint;
                self.trouble(if event.refused_for_size() {
                    format!("{endpoint} sent more than is allowed")
                } else {
                    format!("{endpoint} does not speak ZMTP as expected (error {:#x})", event.value)
                });
            }
            Event::HANDSHAKE_FAILED_AUTH => {
                self.trouble(format!("{} refused our key (status {})", self.endpoint, event.value));
            }
            Event::HANDSHAKE_FAILED_NO_DETAIL => self.trouble(no_detail(&self.endpoint, event.value)),
            _ => {}
        }
    }

    /// Says what keeps the link from coming up, unless that is known.
    pub(crate) fn trouble(&mut self, text: String) {
        if self.last_trouble.as_ref() != Some(&text) {
            self.events.push_back(LinkEvent::Trouble(text.clone()));
            self.last_trouble = Some(text);
        }
    }
}

/// Words for an attempt that failed with an `errno`.
fn no_detail(endpoint: &str, errno: u32) -> String {
    let errno = i32::try_from(errno).unwrap_or(0);
    match io::Error::from_raw_os_error(errno).kind() {
        io::ErrorKind::ConnectionRefused => format!("nothing listens on {endpoint} (connection refused)"),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            format!("{endpoint} does not answer (time-out); is a firewall in between?")
        }
        // libzmq's resolver gives this for a name it cannot resolve.
        io::ErrorKind::InvalidInput => format!("cannot find the host of {endpoint}"),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
            format!("{endpoint} closes the connection during the handshake; is it a masternode's port?")
        }
        _ => format!("cannot connect to {endpoint}: {}", strerror(errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: u16, value: i32) -> Event {
        Event { number, value: value.cast_unsigned(), endpoint: String::new() }
    }

    fn drained(state: &mut LinkState) -> Vec<LinkEvent> {
        std::iter::from_fn(|| state.pop()).collect()
    }

    #[test]
    fn trouble_is_told_once_until_it_changes() {
        let mut state = LinkState::new("tcp://node:1".into());
        for _ in 0..3 {
            state.take(&event(Event::HANDSHAKE_FAILED_NO_DETAIL, libc::ECONNREFUSED));
        }
        state.take(&event(Event::HANDSHAKE_FAILED_NO_DETAIL, libc::ETIMEDOUT));
        state.take(&event(Event::HANDSHAKE_FAILED_NO_DETAIL, libc::ECONNREFUSED));
        let texts: Vec<_> = drained(&mut state).into_iter().map(|e| format!("{e:?}")).collect();
        assert_eq!(texts.len(), 3, "{texts:?}");
        assert!(texts[0].contains("refused") && texts[1].contains("time-out"), "{texts:?}");
    }

    #[test]
    fn a_silent_peer_is_told_from_a_closed_connection() {
        let mut state = LinkState::new("tcp://node:1".into());
        state.take(&event(Event::HANDSHAKE_SUCCEEDED, 0));
        state.came_up(Peer::default());
        state.take(&event(Event::HANDSHAKE_FAILED_PROTOCOL, libc::ETIMEDOUT));
        state.take(&event(Event::DISCONNECTED, 9));
        let up = LinkEvent::Up { peer: Peer::default() };
        assert_eq!(drained(&mut state), [up.clone(), LinkEvent::Down { reason: DownReason::Silent }]);

        state.take(&event(Event::HANDSHAKE_SUCCEEDED, 0));
        state.came_up(Peer::default());
        state.take(&event(Event::DISCONNECTED, 9));
        assert_eq!(drained(&mut state), [up, LinkEvent::Down { reason: DownReason::Closed }]);
    }

    #[test]
    fn a_break_nobody_saw_is_still_a_down() {
        let mut state = LinkState::new(String::new());
        state.came_up(Peer::default());
        state.came_up(Peer::default());
        let reasons: Vec<_> = drained(&mut state)
            .into_iter()
            .filter_map(|e| if let LinkEvent::Down { reason } = e { Some(reason) } else { None })
            .collect();
        assert_eq!(reasons, [DownReason::Reconnected]);
    }
}
