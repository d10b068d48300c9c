//! Sources too slow for the tick: a thread reads them and leaves the newest value in a slot.
//!
//! One thread serves all of them in turn, so they must end sooner or later; a source that may hang
//! for good (a network mount) gets a thread of its own and a [`Slot`] made by [`Slot::new`].

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::{Host, Monotonic, ProbeError};

/// The newest value of a slow source.
pub struct Slot<T> {
    state: Arc<Mutex<State<T>>>,
    /// Reads on the spot instead of in a thread: recorded hosts give the same answer every time.
    on_the_spot: Option<Box<dyn Fn() + Send>>,
}

struct State<T> {
    value: Option<T>,
    /// When `value` was read, or when the slot was made.
    at: Duration,
    /// When the next one is due.
    due: Duration,
    error: Option<String>,
}

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Nothing yet; the first reading is under way.
    Pending,
    /// A value read this long ago was given to the caller.
    Value(Duration),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A value is replaced whole, so a panic of its reader cannot leave half of one behind.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Slot<T> {
        Slot { state: self.state.clone(), on_the_spot: None }
    }
}

impl<T> Slot<T> {
    /// An empty slot, for a source with a thread of its own. `now` is the monotonic clock.
    pub fn new(now: Duration) -> Slot<T> {
        let state = State { value: None, at: now, due: now, error: None };
        Slot { state: Arc::new(Mutex::new(state)), on_the_spot: None }
    }

    /// Leaves a value, or what went wrong; `now` is the monotonic clock, `due` when there will be another.
    pub fn put(&self, now: Duration, due: Duration, value: Result<T, String>) {
        let mut state = lock(&self.state);
        (state.at, state.due) = (now, due);
        match value {
            Ok(value) => (state.value, state.error) = (Some(value), None),
            Err(error) => (state.value, state.error) = (None, Some(error)),
        }
    }

    /// Hands the newest value to `take`.
    ///
    /// Never waits for the source: the lock is held only while a value is replaced or taken.
    ///
    /// # Errors
    /// What the reader said, or [`ProbeError::Silent`] if `what` is overdue for longer than `deadline`.
    pub fn read(
        &self,
        what: &'static str,
        now: Duration,
        deadline: Duration,
        take: impl FnOnce(&T),
    ) -> Result<Reading, ProbeError> {
        if let Some(read) = &self.on_the_spot {
            read();
        }
        let state = lock(&self.state);
        if let Some(error) = &state.error {
            return Err(ProbeError::Reported(error.clone()));
        }
        let waited = now.saturating_sub(state.due);
        if waited > deadline {
            return Err(ProbeError::Silent { what, waited });
        }
        let Some(value) = &state.value else { return Ok(Reading::Pending) };
        take(value);
        Ok(Reading::Value(now.saturating_sub(state.at)))
    }
}

/// A slow source may take one part in so many of the thread's time, however slow it turns out to be.
const LONGEST_SHARE: u32 = 100;

/// Reads a source, leaves the value in its slot and says when it wants to be read again.
type Job = Box<dyn FnMut(&Host) -> Duration + Send>;

struct Entry {
    due: Duration,
    job: Job,
}

struct Queue {
    /// Jobs that the thread has not yet taken over.
    new: Vec<Entry>,
    running: bool,
    ended: bool,
}

/// The one thread that reads slow sources in turn. It starts with the first source and ends with this value.
pub struct Background {
    host: Arc<Host>,
    monotonic: Monotonic,
    shared: Arc<(Mutex<Queue>, Condvar)>,
}

impl Background {
    /// No thread yet.
    pub fn new(host: Arc<Host>, monotonic: Monotonic) -> Background {
        let queue = Queue { new: Vec::new(), running: false, ended: false };
        Background { host, monotonic, shared: Arc::new((Mutex::new(queue), Condvar::new())) }
    }

    /// Has `read` called now and then `every` so often; its newest value is in the slot. A source
    /// that turns out to take longer than a hundredth of that is read less often.
    ///
    /// On a recorded host it is called each time the slot is read, so that tests see one answer.
    pub fn slot<T: Send + 'static>(
        &self,
        every: Duration,
        mut read: impl FnMut(&Host) -> Result<T, ProbeError> + Send + 'static,
    ) -> Slot<T> {
        let slot = Slot::new((self.monotonic)());
        let (put, monotonic) = (slot.clone(), self.monotonic.clone());
        let job: Job = Box::new(move |host| {
            let began = monotonic();
            let value = read(host).map_err(|e| e.to_string());
            let now = monotonic();
            let due = now + every.max(now.saturating_sub(began) * LONGEST_SHARE);
            put.put(now, due, value);
            due
        });
        if self.host.is_recorded() {
            let (job, host) = (Mutex::new(job), self.host.clone());
            return Slot { state: slot.state, on_the_spot: Some(Box::new(move || _ = (lock(&job))(&host))) };
        }
        let mut queue = lock(&self.shared.0);
        if !queue.running {
            let (shared, host, clock) = (self.shared.clone(), self.host.clone(), self.monotonic.clone());
            let thread = std::thread::Builder::new().name("slow-probes".into());
            // Slow sources have small frames; the default of 2 MiB would only reserve address space.
            match thread.stack_size(256 << 10).spawn(move || run(&shared, &host, &clock)) {
                Ok(_) => queue.running = true,
                Err(e) => {
                    slot.put(
                        (self.monotonic)(),
                        Duration::MAX,
                        Err(format!("no thread for slow sources: {e}")),
                    );
                    return slot;
                }
            }
        }
        queue.new.push(Entry { due: (self.monotonic)(), job });
        self.shared.1.notify_one();
        slot
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        lock(&self.shared.0).ended = true;
        // Not joined: a source that hangs must not hold up the end of the program.
        self.shared.1.notify_one();
    }
}

fn run(shared: &(Mutex<Queue>, Condvar), host: &Host, monotonic: &Monotonic) {
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let mut queue = lock(&shared.0);
        loop {
            entries.append(&mut queue.new);
            if queue.ended {
                return;
            }
            let now = monotonic();
            let wait = entries.iter().map(|e| e.due.saturating_sub(now)).min();
            queue = match wait {
                Some(Duration::ZERO) => break,
                Some(wait) => shared.1.wait_timeout(queue, wait).unwrap_or_else(PoisonError::into_inner).0,
                None => shared.1.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
        drop(queue);
        for entry in &mut entries {
            let now = monotonic();
            if entry.due <= now {
                let next = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (entry.job)(host)));
                // A source that panics is not asked again and shows as silent; the others go on.
                entry.due = next.unwrap_or(Duration::MAX);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Instant;

    const DEADLINE: Duration = Duration::from_secs(5);

    fn background() -> Background {
        let start = Instant::now();
        Background::new(Arc::new(Host::live()), Arc::new(move || start.elapsed()))
    }

    #[test]
    fn a_source_that_hangs_shows_as_failed_and_never_blocks() {
        let background = background();
        let (release, wait) = mpsc::channel::<()>();
        let slot = background.slot(Duration::from_secs(1), move |_| {
            let _ = wait.recv();
            Ok(7)
        });
        let mut got = None;
        let now = (background.monotonic)();
        assert_eq!(slot.read("a sensor", now, DEADLINE, |v| got = Some(*v)).unwrap(), Reading::Pending);
        let error = slot.read("a sensor", now + 2 * DEADLINE, DEADLINE, |v| got = Some(*v)).unwrap_err();
        assert_eq!(error.to_string(), "a sensor has not answered for 10 s");
        assert_eq!(got, None);
        release.send(()).unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        while got.is_none() {
            assert!(Instant::now() < until, "the value never came");
            let now = (background.monotonic)();
            let _ = slot.read("a sensor", now, DEADLINE, |v| got = Some(*v)).unwrap();
            std::thread::yield_now();
        }
        assert_eq!(got, Some(7));
    }

    #[test]
    fn one_thread_reads_all_sources_again_and_again_and_ends() {
        let background = background();
        let (send, receive) = mpsc::channel();
        for name in ["a", "b"] {
            let send = send.clone();
            // The slot may be gone before its reader is.
            let _ = background.slot(Duration::from_millis(1), move |_| {
                let _ = send.send((name, std::thread::current().id()));
                Err::<(), _>(ProbeError::Reported("no".into()))
            });
        }
        drop(send);
        let seen: Vec<_> = (0..10)
            .map(|_| receive.recv_timeout(Duration::from_secs(20)).expect("a source is not read"))
            .collect();
        assert!(seen.iter().any(|s| s.0 == "a") && seen.iter().any(|s| s.0 == "b"));
        assert!(seen.iter().all(|s| s.1 == seen[0].1), "more than one thread");
        drop(background);
        let until = Instant::now() + Duration::from_secs(20);
        while receive.recv_timeout(Duration::from_secs(1)) != Err(mpsc::RecvTimeoutError::Disconnected) {
            assert!(Instant::now() < until, "the thread did not end");
        }
    }

    #[test]
    fn an_error_is_told_until_a_value_comes() {
        let slot = Slot::new(Duration::ZERO);
        slot.put(Duration::ZERO, Duration::ZERO, Err("no sensor".into()));
        let error = slot.read("s", Duration::ZERO, DEADLINE, |_: &u8| ()).unwrap_err();
        assert_eq!(error.to_string(), "no sensor");
        let second = Duration::from_secs(1);
        slot.put(second, 10 * second, Ok(7));
        let read = |now: u32| slot.read("s", now * second, DEADLINE, |_| ());
        assert_eq!(read(3).unwrap(), Reading::Value(2 * second));
        assert_eq!(read(15).unwrap(), Reading::Value(14 * second), "due at 10, so late but not silent");
        assert!(matches!(read(16), Err(ProbeError::Silent { waited, .. }) if waited == 6 * second));
    }

    #[test]
    fn a_source_slower_than_thought_is_read_less_often() {
        let clock = Arc::new(Mutex::new(Duration::ZERO));
        let (time, slow) = (clock.clone(), clock.clone());
        let folder = tempfile::tempdir().unwrap();
        let background =
            Background::new(Arc::new(Host::recorded(folder.path())), Arc::new(move || *lock(&time)));
        let slot = background.slot(Duration::from_secs(5), move |_| {
            *lock(&slow) += Duration::from_secs(1);
            Ok(())
        });
        let read = slot.read("s", Duration::from_secs(1), DEADLINE, |()| ()).unwrap();
        assert_eq!(read, Reading::Value(Duration::ZERO));
        assert_eq!(lock(&slot.state).due, Duration::from_secs(101));
    }

    #[test]
    fn a_source_that_panics_shows_as_silent_and_leaves_the_others_alone() {
        let background = background();
        let bad =
            background.slot(Duration::from_millis(1), |_| -> Result<(), ProbeError> { panic!("on purpose") });
        let (send, receive) = mpsc::channel();
        let _good = background.slot(Duration::from_millis(1), move |_| {
            let _ = send.send(());
            Ok(())
        });
        for _ in 0..3 {
            receive.recv_timeout(Duration::from_secs(20)).expect("the good source is read on");
        }
        let now = (background.monotonic)() + 2 * DEADLINE;
        assert!(matches!(bad.read("s", now, DEADLINE, |()| ()), Err(ProbeError::Silent { .. })));
    }
}
