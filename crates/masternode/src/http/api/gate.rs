//! How many are answered at a time, and for how long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::response::Response;
use chasar_query::Budget;
use tokio::sync::Semaphore;

use super::reply::Failure;
use crate::http::listener::Busy;

/// Requests that are worked on at a time, as Prometheus' `--query.max-concurrency`; others wait.
pub(crate) const CONCURRENT: usize = 20;
/// Longest time for an answer, waiting included; a request may ask for less.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// Says whether to stop: nobody waits for the answer any more, or time is over.
pub(crate) type Stop<'a> = dyn Fn() -> bool + Sync + 'a;

/// Samples that all of them together may hold in memory: twice what one may, of 8 to 16 bytes each.
const MOST_SAMPLES: u64 = 100_000_000;

pub(crate) struct Gate {
    room: Arc<Semaphore>,
    budget: Arc<Budget>,
}

/// Tells the work that nobody waits for it any more when it is dropped.
struct Gone(Arc<AtomicBool>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Gate {
    pub(crate) fn new() -> Gate {
        Gate { room: Arc::new(Semaphore::new(CONCURRENT)), budget: Arc::new(Budget::new(MOST_SAMPLES)) }
    }

    /// What all queries share.
    pub(crate) fn budget(&self) -> Arc<Budget> {
        self.budget.clone()
    }

    /// Works on a thread beside that of HTTP. The connection stays open meanwhile.
    pub(crate) async fn run(
        &self,
        busy: Busy,
        timeout: Duration,
        work: impl FnOnce(&Stop<'_>) -> Response + Send + 'static,
    ) -> Result<Response, Failure> {
        let deadline = Instant::now() + timeout;
        let _held = busy.hold();
        let permit = match tokio::time::timeout(timeout, self.room.clone().acquire_owned()).await {
            Ok(Ok(permit)) => permit,
            _ => return Err(Failure::timeout("query timed out in query queue")),
        };
        let gone = Gone(Arc::default());
        let flag = gone.0.clone();
        let working = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work(&|| flag.load(Ordering::Relaxed) || Instant::now() >= deadline)
        });
        working.await.map_err(|_| Failure::internal("the answer could not be made; see the masternode's log"))
    }
}
