//! Asking file systems for their size aside, because a network mount may never answer.
//!
//! Normally one thread asks them all, in a few microseconds each, and the sample waits for it. While
//! it is stuck in one call the next round starts another thread for the rest; the stuck mount is not
//! asked again before it answers. So a mount that hangs costs one thread, and there is a bound:
//! [`MAX_THREADS`] in all, of which mounts of other computers and of programs get [`MAX_REMOTE_THREADS`]
//! at most, so that the local ones are always asked. When a stuck call ends, its thread ends too.

use std::ffi::{CStr, CString};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Most threads that may be stuck or waiting.
pub(crate) const MAX_THREADS: usize = 8;
/// Most threads that may be stuck in mounts of other computers and of programs.
pub(crate) const MAX_REMOTE_THREADS: usize = 6;
/// After so long without an answer a mount counts as hung, and what it said before is not repeated.
pub(crate) const SILENT_AFTER: Duration = Duration::from_secs(2);
/// How often another computer is asked: it has to work for each answer, and a fleet would ask at once.
pub(crate) const REMOTE_EVERY: Duration = Duration::from_secs(10);
/// How long a sample waits for answers; they take microseconds unless something is wrong.
const PATIENCE: Duration = Duration::from_millis(20);
/// How long it waits for the first answer of a local mount, so that on a host as busy as at its start
/// the first report is whole.
const PATIENCE_FOR_THE_FIRST: Duration = Duration::from_millis(250);

/// What `statfs(2)` tells of a file system, in its own blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileSystemStatus {
    /// Bytes of a block.
    pub(crate) block_bytes: u64,
    /// Blocks in all.
    pub(crate) blocks: u64,
    /// Blocks free for root.
    pub(crate) blocks_free: u64,
    /// Blocks free for ordinary users.
    pub(crate) blocks_available: u64,
    /// Inodes in all.
    pub(crate) files: u64,
    /// Inodes free.
    pub(crate) files_free: u64,
    /// Whether it is mounted read-only.
    pub(crate) read_only: bool,
}

/// How a mount point is asked.
pub(crate) type Ask = Arc<dyn Fn(&CStr) -> io::Result<FileSystemStatus> + Send + Sync>;

/// What a mount said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Nothing yet.
    Pending,
    /// Its newest numbers.
    Status(FileSystemStatus),
    /// An error, by its number.
    Error(i32),
    /// Nothing for [`SILENT_AFTER`].
    Silent,
    /// It was not asked, because too many others are silent.
    NotAsked,
}

/// A mount to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Mount point.
    pub(crate) path: CString,
    /// Major and minor number: another file system at the same place is another target.
    pub(crate) number: (u64, u64),
    /// Whether it is asked only every [`REMOTE_EVERY`] and in the threads for such mounts.
    pub(crate) remote: bool,
}

struct Entry {
    target: Arc<Target>,
    /// Tells it from an earlier mount whose call may still be running.
    key: u64,
    answer: Answer,
    answered_at: Option<Duration>,
    /// Since when an answer is outstanding.
    wanted_at: Option<Duration>,
    /// Whether a thread is in the call.
    running: bool,
}

#[derive(Default)]
struct State {
    entries: Vec<Entry>,
    next_key: u64,
    now: Duration,
    threads: usize,
    idle: usize,
    remote_running: usize,
    ended: bool,
}

struct Shared {
    ask: Ask,
    state: Mutex<State>,
    work: Condvar,
    answered: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is changed in single steps, so a panic leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks a set of mounts again and again.
pub(crate) struct Asker {
    shared: Arc<Shared>,
    aside: bool,
}

impl Asker {
    /// `aside`: in threads of its own; otherwise on the spot, for recorded hosts.
    pub(crate) fn new(ask: Ask, aside: bool) -> Asker {
        let state = Mutex::new(State::default());
        Asker {
            shared: Arc::new(Shared { ask, state, work: Condvar::new(), answered: Condvar::new() }),
            aside,
        }
    }

    /// Replaces the mounts to be asked. Those that were there before keep their answers.
    pub(crate) fn set(&self, targets: impl Iterator<Item = Target>) {
        let mut state = self.shared.lock();
        let mut before = std::mem::take(&mut state.entries);
        for target in targets {
            let entry = match before.iter().position(|e| *e.target == target) {
                Some(at) => before.swap_remove(at),
                None => {
                    state.next_key += 1;
                    let (target, key) = (Arc::new(target), state.next_key);
                    Entry {
                        target,
                        key,
                        answer: Answer::Pending,
                        answered_at: None,
                        wanted_at: None,
                        running: false,
                    }
                }
            };
            state.entries.push(entry);
        }
    }

    /// Asks every mount whose turn it is; `now` is the monotonic clock.
    ///
    /// # Errors
    /// If no thread could be started and there is none.
    pub(crate) fn round(&self, now: Duration) -> io::Result<()> {
        let mut state = self.shared.lock();
        state.now = now;
        for entry in &mut state.entries {
            let due = !entry.target.remote
                || entry.answered_at.is_none_or(|at| now.saturating_sub(at) >= REMOTE_EVERY);
            if entry.wanted_at.is_none() && due {
                entry.wanted_at = Some(now);
            }
        }
        if !self.aside {
            for i in 0..state.entries.len() {
                let target = state.entries[i].target.clone();
                if state.entries[i].wanted_at.is_some() {
                    let key = state.entries[i].key;
                    state.answer(key, (self.shared.ask)(&target.path));
                }
            }
            return Ok(());
        }
        if state.idle == 0 && state.threads < MAX_THREADS && state.next().is_some() {
            let shared = self.shared.clone();
            let thread = std::thread::Builder::new().name("statfs".into()).stack_size(64 << 10);
            match thread.spawn(move || work(&shared)) {
                Ok(_) => state.threads += 1,
                Err(e) if state.threads == 0 => return Err(e),
                // Those that are stuck will be back, or a thread can be had in the next round.
                Err(_) => {}
            }
        }
        if state.next().is_none() {
            return Ok(());
        }
        self.shared.work.notify_one();
        // Only what was asked for now is waited for, and of other computers only the first answer.
        let outstanding = |state: &mut State| {
            state.entries.iter().any(|e| {
                e.wanted_at == Some(now) && (!e.target.remote || matches!(e.answer, Answer::Pending))
            })
        };
        let first = state.entries.iter().any(|e| !e.target.remote && matches!(e.answer, Answer::Pending));
        let deadline = Instant::now() + if first { PATIENCE_FOR_THE_FIRST } else { PATIENCE };
        while outstanding(&mut state) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.shared.answered.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    /// Hands every mount's answer to `each`, in the order they were set.
    pub(crate) fn answers(&self, mut each: impl FnMut(usize, Answer)) {
        let state = self.shared.lock();
        for (i, entry) in state.entries.iter().enumerate() {
            let waited = entry.wanted_at.map_or(Duration::ZERO, |at| state.now.saturating_sub(at));
            each(
                i,
                match waited >= SILENT_AFTER {
                    true if entry.running => Answer::Silent,
                    true => Answer::NotAsked,
                    false => entry.answer,
                },
            );
        }
    }

    /// How many threads there are.
    #[cfg(test)]
    fn threads(&self) -> usize {
        self.shared.lock().threads
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        // Not joined: a mount that hangs must not hold up the end of the program.
        self.shared.work.notify_all();
    }
}

impl State {
    /// What to ask next: local mounts come first.
    fn next(&self) -> Option<usize> {
        let waiting = |remote: bool| {
            self.entries.iter().position(|e| e.wanted_at.is_some() && !e.running && e.target.remote == remote)
        };
        waiting(false).or_else(|| waiting(true).filter(|_| self.remote_running < MAX_REMOTE_THREADS))
    }

    fn answer(&mut self, key: u64, result: io::Result<FileSystemStatus>) {
        let now = self.now;
        // A mount that is gone by now has no entry any more.
        if let Some(entry) = self.entries.iter_mut().find(|e| e.key == key) {
            entry.answer = match result {
                Ok(status) => Answer::Status(status),
                Err(e) => Answer::Error(e.raw_os_error().unwrap_or(libc::EIO)),
            };
            (entry.answered_at, entry.wanted_at, entry.running) = (Some(now), None, false);
        }
    }
}

fn work(shared: &Shared) {
    let mut state = shared.lock();
    loop {
        if state.ended {
            break;
        }
        let Some(i) = state.next() else {
            if state.idle > 0 {
                break;
            }
            state.idle += 1;
            state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
            continue;
        };
        state.entries[i].running = true;
        let (target, key) = (state.entries[i].target.clone(), state.entries[i].key);
        state.remote_running += usize::from(target.remote);
        drop(state);
        let result = (shared.ask)(&target.path);
        state = shared.lock();
        state.remote_running -= usize::from(target.remote);
        state.answer(key, result);
        shared.answered.notify_one();
    }
    state.threads -= 1;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// File systems that answer, fail or hang as told.
    #[derive(Clone, Default)]
    struct Scene {
        hung: Arc<(Mutex<HashSet<String>>, Condvar)>,
        asked: Arc<Mutex<Vec<String>>>,
    }

    impl Scene {
        fn ask(&self) -> Ask {
            let scene = self.clone();
            Arc::new(move |path| {
                let path = path.to_str().unwrap().to_string();
                scene.asked.lock().unwrap().push(path.clone());
                let mut hung = scene.hung.0.lock().unwrap();
                while hung.contains(&path) {
                    hung = scene.hung.1.wait(hung).unwrap();
                }
                match path.strip_prefix("/errno/") {
                    Some(number) => Err(io::Error::from_raw_os_error(number.parse().unwrap())),
                    None => Ok(FileSystemStatus { blocks: path.len() as u64, ..Default::default() }),
                }
            })
        }

        fn hang(&self, paths: &[&str]) {
            self.hung.0.lock().unwrap().extend(paths.iter().map(|p| p.to_string()));
        }

        fn release(&self) {
            self.hung.0.lock().unwrap().clear();
            self.hung.1.notify_all();
        }

        fn asked(&self, path: &str) -> usize {
            self.asked.lock().unwrap().iter().filter(|p| *p == path).count()
        }
    }

    fn target(path: &str) -> Target {
        let remote = path.starts_with("/net");
        Target { path: CString::new(path).unwrap(), number: (0, 0), remote }
    }

    fn set(asker: &Asker, paths: &[&str]) {
        asker.set(paths.iter().map(|p| target(p)));
    }

    fn answers(asker: &Asker) -> Vec<Answer> {
        let mut all = Vec::new();
        asker.answers(|i, answer| {
            assert_eq!(i, all.len());
            all.push(answer);
        });
        all
    }

    fn status(path: &str) -> Answer {
        Answer::Status(FileSystemStatus { blocks: path.len() as u64, ..Default::default() })
    }

    fn until(what: &str, mut condition: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !condition() {
            assert!(Instant::now() < deadline, "{what} did not come about");
            std::thread::yield_now();
        }
    }

    /// Rounds at one moment until `condition`, so that a busy machine only makes it slower.
    fn rounds_until(asker: &Asker, now: u64, what: &str, condition: impl Fn(&[Answer]) -> bool) {
        until(what, || {
            asker.round(Duration::from_secs(now)).unwrap();
            condition(&answers(asker))
        });
    }

    #[test]
    fn answers_and_errors_come_on_the_spot_and_aside() {
        for aside in [false, true] {
            let asker = Asker::new(Scene::default().ask(), aside);
            let paths = ["/", "/errno/13", "/net/a"];
            set(&asker, &paths);
            let expected = [status("/"), Answer::Error(libc::EACCES), status("/net/a")];
            rounds_until(&asker, 0, "all answers", |a| a == expected);
            assert!(asker.threads() <= 1);
        }
    }

    #[test]
    fn a_hung_mount_stops_no_other_and_costs_one_thread() {
        let scene = Scene::default();
        let asker = Asker::new(scene.ask(), true);
        set(&asker, &["/a", "/b", "/c"]);
        rounds_until(&asker, 0, "all answers", |a| !a.contains(&Answer::Pending));
        scene.hang(&["/b"]);
        for now in 1..=60 {
            let before = scene.asked("/c");
            until("/c is asked", || {
                asker.round(Duration::from_secs(now)).unwrap();
                scene.asked("/c") > before
            });
            if now > 1 + SILENT_AFTER.as_secs() {
                assert_eq!(answers(&asker)[1], Answer::Silent, "old numbers are not repeated");
            }
            assert!(asker.threads() <= 2, "one stuck, one at work");
        }
        assert_eq!(scene.asked("/b"), 2, "a hung mount is not asked again");
        scene.release();
        rounds_until(&asker, 61, "/b answers", |a| a == [status("/a"), status("/b"), status("/c")]);
        until("the extra thread ends", || asker.threads() == 1);
    }

    #[test]
    fn many_hung_mounts_meet_a_bound_and_leave_room_for_local_ones() {
        let scene = Scene::default();
        let asker = Asker::new(scene.ask(), true);
        let hung: Vec<String> = (0..20).map(|i| format!("/net/{i}")).collect();
        let mut paths: Vec<&str> = hung.iter().map(String::as_str).collect();
        scene.hang(&paths);
        paths.push("/local");
        set(&asker, &paths);
        for now in 0..30 {
            let before = scene.asked("/local");
            until("/local is asked", || {
                asker.round(Duration::from_secs(now)).unwrap();
                scene.asked("/local") > before
            });
            assert!(asker.threads() <= MAX_REMOTE_THREADS + 1);
        }
        let all = answers(&asker);
        assert_eq!(all.iter().filter(|a| **a == Answer::Silent).count(), MAX_REMOTE_THREADS);
        assert_eq!(all.iter().filter(|a| **a == Answer::NotAsked).count(), 20 - MAX_REMOTE_THREADS);

        // Local mounts that hang meet the bound on all threads.
        let local: Vec<String> = (0..20).map(|i| format!("/disk{i}")).collect();
        let local: Vec<&str> = local.iter().map(String::as_str).collect();
        scene.hang(&local);
        set(&asker, &[&local[..], &paths[..]].concat());
        for now in 30..60 {
            asker.round(Duration::from_secs(now)).unwrap();
            assert!(asker.threads() <= MAX_THREADS);
        }
        scene.release();
        rounds_until(&asker, 60, "all answer", |a| a.iter().all(|a| matches!(a, Answer::Status(_))));
    }

    #[test]
    fn other_computers_are_asked_less_often() {
        let scene = Scene::default();
        let asker = Asker::new(scene.ask(), true);
        set(&asker, &["/a", "/net/b"]);
        for now in 0..=REMOTE_EVERY.as_secs() {
            rounds_until(&asker, now, "answers", |_| scene.asked("/a") as u64 > now);
        }
        until("the second time", || scene.asked("/net/b") == 2);
    }

    #[test]
    fn a_new_mount_at_the_place_of_a_hung_one_is_asked() {
        let scene = Scene::default();
        let asker = Asker::new(scene.ask(), true);
        set(&asker, &["/net/a"]);
        scene.hang(&["/net/a"]);
        until("the call is under way", || {
            asker.round(Duration::ZERO).unwrap();
            scene.asked("/net/a") == 1
        });
        asker.set([Target { number: (0, 1), ..target("/net/a") }].into_iter());
        assert_eq!(answers(&asker), [Answer::Pending]);
        until("the new one is asked", || {
            asker.round(Duration::from_secs(1)).unwrap();
            scene.asked("/net/a") == 2
        });
        scene.release();
        rounds_until(&asker, 2, "its answer", |a| a == [status("/net/a")]);
    }

    #[test]
    fn the_end_does_not_wait_for_a_hung_mount() {
        let scene = Scene::default();
        let asker = Asker::new(scene.ask(), true);
        scene.hang(&["/a"]);
        set(&asker, &["/a"]);
        asker.round(Duration::ZERO).unwrap();
        let shared = Arc::downgrade(&asker.shared);
        drop(asker);
        scene.release();
        until("the thread ends", || shared.strong_count() == 0);
    }
}
