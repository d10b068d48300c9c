//! Telling whoever supervises the agent how it is doing.

use std::time::Duration;

/// What an agent has to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum News<'a> {
    /// The agent works: it has its identity and its socket, and samples. The masternode need not be there.
    Ready {
        /// The masternode, as an endpoint.
        masternode: &'a str,
    },
    /// The loop has come round: everything that was due is done.
    Alive,
    /// The link to the masternode is up.
    Connected {
        /// The masternode, as an endpoint.
        masternode: &'a str,
    },
    /// There is no link.
    NoLink {
        /// The masternode, as an endpoint.
        masternode: &'a str,
        /// Why, as far as it is known.
        reason: &'a str,
    },
    /// How the links to several masternodes are; told when it changes.
    Links {
        /// Which are up, and why the others are not.
        status: &'a str,
    },
    /// The agent was told to end and does so.
    Stopping,
}

/// Somebody who is told how an agent is doing. Called on the agent's thread, so it must not wait.
pub trait Watcher {
    /// Takes in what is new.
    fn hear(&mut self, news: News<'_>);

    /// At least this often [`News::Alive`] is wanted; `None` when it is all the same.
    fn every(&self) -> Option<Duration> {
        None
    }
}

/// Nobody.
impl Watcher for () {
    fn hear(&mut self, _: News<'_>) {}
}
