//! What happens to the connections of a bound socket: counts for the dashboard, events for who wants them.
//!
//! The monitor is read by a thread of its own that does nothing else, because libzmq's I/O thread blocks when
//! nobody reads it (a server froze at 1,012 connections), and failures to accept are not asked for, because
//! they come 150,000 times a second when descriptors run out. Events that nobody takes are dropped and counted.

use crate::counters::{count, counters};
use crate::error::{Error, Result};
use crate::peer::ConnectionId;
use chasar_libzmq::{Context, Event, Monitor, Socket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Events waiting for who takes them; a burst of half a fleet fits.
const EVENT_QUEUE: usize = 4_096;

/// Something that happened to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectionEvent {
    /// A peer connected; its handshake is still to come.
    Accepted(ConnectionId),
    /// A connection ended, whoever ended it.
    Disconnected(ConnectionId),
    /// A connection was refused or given up.
    Failed(Failure),
}

/// Why a connection was refused or given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Failure {
    /// It ended or was silent during the handshake.
    Handshake,
    /// What it sent is not ZMTP, or is ZMTP done wrong.
    Protocol,
    /// Its key was refused.
    Key,
    /// A message had too many bytes or frames.
    TooLarge,
}

counters! {
    /// Counters of the connections of a bound end, readable from any thread.
    live ConnectionCounters;
    /// The values of [`ConnectionCounters`] at one moment.
    read ConnectionCounts;
    /// Connections accepted.
    accepted,
    /// Connections that ended.
    disconnected,
    /// Handshakes completed.
    ready,
    /// Connections that ended or were silent during the handshake.
    handshake_failed,
    /// Connections ended for breaking the protocol.
    protocol_failed,
    /// Connections refused for their key.
    key_refused,
    /// Connections ended for a message of too many bytes or frames.
    too_large,
    /// Events of a kind unknown here.
    unknown_events,
    /// Events dropped because nobody took them.
    dropped_events,
}

impl ConnectionCounts {
    /// Connections open now.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.accepted.saturating_sub(self.disconnected)
    }
}

/// The watch over one bound socket.
#[derive(Debug)]
pub struct Connections {
    counters: Arc<ConnectionCounters>,
    events: Receiver<ConnectionEvent>,
    thread: Option<JoinHandle<()>>,
}

impl Connections {
    /// Starts to watch; to be called before the socket is bound. The thread ends when the socket is closed or
    /// the context is shut down.
    pub(crate) fn watch(context: &Context, socket: &Socket) -> Result<Self> {
        let monitor = Monitor::watch(context, socket, Event::ALL_BUT_ACCEPT_FAILED)?;
        let counters = Arc::<ConnectionCounters>::default();
        let (sender, events) = sync_channel(EVENT_QUEUE);
        let theirs = Arc::clone(&counters);
        let thread = std::thread::Builder::new()
            .name("connections".into())
            .stack_size(128 * 1024)
            .spawn(move || run(&monitor, &theirs, &sender))
            .map_err(Error::Thread)?;
        Ok(Self { counters, events, thread: Some(thread) })
    }

    /// The counters, to be read from anywhere.
    #[must_use]
    pub fn counters(&self) -> &Arc<ConnectionCounters> {
        &self.counters
    }

    /// The next event, without waiting.
    #[must_use]
    pub fn next_event(&self) -> Option<ConnectionEvent> {
        self.events.try_recv().ok()
    }

    /// Waits for the thread, once the socket is closed.
    pub(crate) fn finish(&mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic in it was already printed, and there is nothing left to save.
            let _ = thread.join();
        }
    }
}

fn run(monitor: &Monitor, counters: &ConnectionCounters, events: &SyncSender<ConnectionEvent>) {
    // An error means that the context ended, `None` that the socket was closed.
    while let Ok(Some(event)) = monitor.wait() {
        let id = ConnectionId(i64::from(event.value));
        let told = match event.number {
            Event::ACCEPTED => {
                count(&counters.accepted);
                ConnectionEvent::Accepted(id)
            }
            Event::DISCONNECTED => {
                count(&counters.disconnected);
                ConnectionEvent::Disconnected(id)
            }
            Event::HANDSHAKE_SUCCEEDED => {
                count(&counters.ready);
                continue;
            }
            Event::HANDSHAKE_FAILED_NO_DETAIL => {
                count(&counters.handshake_failed);
                ConnectionEvent::Failed(Failure::Handshake)
            }
            Event::HANDSHAKE_FAILED_PROTOCOL if event.refused_for_size() => {
                count(&counters.too_large);
                ConnectionEvent::Failed(Failure::TooLarge)
            }
            Event::HANDSHAKE_FAILED_PROTOCOL => {
                count(&counters.protocol_failed);
                ConnectionEvent::Failed(Failure::Protocol)
            }
            Event::HANDSHAKE_FAILED_AUTH => {
                count(&counters.key_refused);
                ConnectionEvent::Failed(Failure::Key)
            }
            Event::LISTENING | Event::CLOSED | Event::CLOSE_FAILED | Event::BIND_FAILED => continue,
            _ => {
                count(&counters.unknown_events);
                continue;
            }
        };
        if events.try_send(told).is_err() {
            count(&counters.dropped_events);
        }
    }
}
