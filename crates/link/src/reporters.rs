//! A clientnode's ends to several masternodes, waited for together.

use std::time::{Duration, Instant};

use chasar_libzmq::{Context, MAX_WAITED};

use crate::error::{Error, Result};
use crate::link_state::LinkEvent;
use crate::reporter::{Reporter, ReporterConfig};
use crate::wait::{Woken, deadline, wait_until_or_woken};
use crate::wake::Wake;

/// Most masternodes that [`Reporters`] connect to.
pub const MAX_REPORTERS: usize = MAX_WAITED / 2;

/// Some [`Reporter`]s, each with a link and a queue of its own, that share libzmq's two threads.
#[derive(Debug)]
pub struct Reporters(Vec<Reporter>);

impl Reporters {
    /// Begins to connect to each; they have the numbers 0, 1, 2, … in this order.
    ///
    /// # Errors
    /// As [`Reporter::connect`], and when there are more than [`MAX_REPORTERS`].
    pub fn connect(configs: &[ReporterConfig]) -> Result<Reporters> {
        if configs.len() > MAX_REPORTERS {
            return Err(Error::TooMany { what: "masternodes", count: configs.len(), limit: MAX_REPORTERS });
        }
        let context = Context::new()?;
        let reporters = configs.iter().map(|config| Reporter::connect_in(context.clone(), config));
        Ok(Reporters(reporters.collect::<Result<_>>()?))
    }

    /// One of them.
    ///
    /// # Panics
    /// When there is none of this number.
    pub fn get(&mut self, number: usize) -> &mut Reporter {
        &mut self.0[number]
    }

    /// Waits for the next event of any link, at most `timeout`, and tells whose it is; `None` when the time is
    /// over or `wake` was rung.
    ///
    /// # Errors
    /// When libzmq fails.
    pub fn wait_or_woken(&mut self, timeout: Duration, wake: &Wake) -> Result<Option<(usize, LinkEvent)>> {
        let deadline = deadline(timeout);
        loop {
            if let Some(event) = self.look()? {
                return Ok(Some(event));
            }
            let sockets = self.0.iter().flat_map(Reporter::sockets);
            let wake_by = self.0.iter().map(|reporter| reporter.wake_by(deadline)).min().unwrap_or(deadline);
            let woken = wait_until_or_woken(sockets, wake, wake_by)?;
            if woken == Woken::Rung || Instant::now() >= deadline {
                return self.look();
            }
        }
    }

    fn look(&mut self) -> Result<Option<(usize, LinkEvent)>> {
        for (number, reporter) in self.0.iter_mut().enumerate() {
            if let Some(event) = reporter.look()? {
                return Ok(Some((number, event)));
            }
        }
        Ok(None)
    }

    /// Closes all links. What is queued is sent first, for at most `flush` on all of them together.
    ///
    /// # Errors
    /// When libzmq refuses the time; the link is closed then without it.
    pub fn close(self, flush: Duration) -> Result<()> {
        // Only the end of the last waits, since they share a context.
        self.0.into_iter().map(|reporter| reporter.close(flush)).fold(Ok(()), Result::and)
    }
}
