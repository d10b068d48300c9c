//! Allocations of the agent's thread in steady state, counted over real ticks.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use support::*;

/// Counts the allocations of threads named `agent`.
struct Counting;

static AGENT: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static IS_AGENT: Cell<Option<bool>> = const { Cell::new(None) };
}

fn count() {
    let is_agent = IS_AGENT.try_with(|known| {
        known.get().unwrap_or_else(|| {
            // Looking up the name may allocate.
            known.set(Some(false));
            let is_agent = std::thread::current().name() == Some("agent");
            known.set(Some(is_agent));
            is_agent
        })
    });
    if is_agent == Ok(true) {
        AGENT.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Some ticks allocate: what a probe reads now and then, processes that begin, a new chunk of the outbox.
/// Most must not.
#[test]
fn a_tick_allocates_nothing() {
    let state = tempfile::tempdir().unwrap();
    let port = free_port();
    let collector = bind(port);
    let agent = Running::start(config(port, state.path()));
    let mut ledger = Ledger::default();
    // Longer than the overlap, so that the outbox turns over.
    receive(&collector, &mut ledger, "the warm-up", |l| l.arrived.len() >= 170);
    let mut before = AGENT.load(Ordering::Relaxed);
    assert!(before > 100, "the start is seen: {before}");
    let mut ticks = Vec::new();
    for _ in 0..41 {
        let reports = ledger.arrived.len();
        receive(&collector, &mut ledger, "a tick", |l| l.arrived.len() > reports);
        let now = AGENT.load(Ordering::Relaxed);
        ticks.push(now - std::mem::replace(&mut before, now));
    }
    ticks.sort_unstable();
    assert_eq!(ticks[20], 0, "allocations of each tick: {ticks:?}");
    assert!(ticks.iter().sum::<u64>() < 400, "allocations of each tick: {ticks:?}");
    agent.end().0.unwrap();
}
