//! What is to be done regularly: panes become segments, segments are merged, old ones removed.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, RwLock};

use crate::error::{Error, Result};
use crate::flush::flush;
use crate::head::Pane;
use crate::merge::{Job, Merged, merge};
use crate::segment::{Header, Tier};
use crate::store::{
    Health, OpenSegment, Shared, Store, health_of, lock, log_name, read, segment_name, write,
};
use crate::time::{DAY_MS, HOUR_MS};

/// Segments of late samples after which a merged hour or day is merged anew.
const SIDES: usize = 8;
/// Age of the oldest segment of late samples after which it is merged in any case.
const SIDE_AGE_MS: i64 = 600_000;

/// Part of the budget that a day of raw samples may take as one file: files are removed as a whole.
const DAY_SHARE: u64 = 16;

/// What maintenance did.
#[derive(Debug, Default)]
pub struct Maintained {
    /// Panes of the head that became segments.
    pub flushed: usize,
    /// Segments that were merged into others.
    pub merged: usize,
    /// Segments that were removed since they were too old or too much.
    pub removed: usize,
    /// Whether there is more to do now; a call merges one hour or day.
    pub more: bool,
    /// What could not be read while merging, and is left out from now on.
    pub damage: Vec<Error>,
}

impl Store {
    /// Does what is due: writes windows that have ended to segments, merges segments, makes rollups
    /// and removes what is too old or too much. Call it about once a second, on a thread of its own
    /// where commits must not wait; `now_ms` is the time of day.
    ///
    /// # Errors
    /// When something cannot be written. Nothing is lost by that; the next call tries again.
    pub fn maintain(&self, now_ms: i64) -> Result<Maintained> {
        let shared = &*self.shared;
        if shared.read_only {
            return Err(Error::ReadOnly);
        }
        let _one = lock(&shared.maintaining);
        let mut done = Maintained::default();
        freeze(shared, now_ms, false);
        let result = run(shared, now_ms, &mut done);
        *lock(&shared.maintain_health) = result.as_ref().err().map_or(Health::Good, health_of);
        result.map(|()| done)
    }

    /// Writes everything in the head to segments, as before a planned end. Without it the logs are
    /// read at the next start.
    ///
    /// # Errors
    /// When something cannot be written. Nothing is lost by that.
    pub fn flush(&self, now_ms: i64) -> Result<()> {
        let shared = &*self.shared;
        if shared.read_only {
            return Err(Error::ReadOnly);
        }
        let _one = lock(&shared.maintaining);
        freeze(shared, now_ms, true);
        flush_frozen(shared, now_ms, &mut Maintained::default())
    }
}

fn run(shared: &Shared, now_ms: i64, done: &mut Maintained) -> Result<()> {
    // First what gives room back.
    let garbage = std::mem::take(&mut *lock(&shared.garbage));
    garbage.into_iter().for_each(|name| shared.discard(name));
    let retained = retain(shared, now_ms, 0, done);
    flush_frozen(shared, now_ms, done)?;
    let next = || next_job(&shared.view().segments, &open_windows(shared), shared, now_ms);
    if let Some(job) = next() {
        // Until its inputs are removed, they and its output count both.
        let removed = done.removed;
        retain(shared, now_ms, job.inputs.iter().map(|i| i.segment.size_bytes).sum(), done)?;
        if let Some(job) = if done.removed > removed { next() } else { Some(job) } {
            carry_out(shared, job, done)?;
            done.more = true;
        }
    }
    retained?;
    if done.removed + done.merged > 0 {
        sweep(shared);
    }
    Ok(())
}

/// Takes panes that are due out of the writer's hands. Windows come before what came late: a sample
/// that is there twice was in its window first.
fn freeze(shared: &Shared, now_ms: i64, all: bool) {
    let _gate = lock(&shared.gate);
    let mut panes = shared.view().panes.clone();
    panes.sort_by_key(|p| read(p).window.unwrap_or((i64::MAX, i64::MAX)));
    let options = &shared.options;
    for pane in panes {
        let mut pane = write(&pane);
        let due = match pane.window {
            Some((_, to)) => now_ms >= to.saturating_add(options.grace_ms),
            None => now_ms >= pane.since_ms.saturating_add(options.window_ms),
        };
        if pane.frozen.is_none() && (all || due || pane.bytes > options.head_bytes / 3) {
            pane.frozen = Some(shared.number());
        }
    }
}

fn flush_frozen(shared: &Shared, now_ms: i64, done: &mut Maintained) -> Result<()> {
    let mut frozen: Vec<(u64, Arc<RwLock<Pane>>)> =
        shared.view().panes.iter().filter_map(|p| Some((read(p).frozen?, p.clone()))).collect();
    frozen.sort_by_key(|(order, _)| *order);
    for (_, pane) in frozen {
        let logs = {
            let inner = read(&pane);
            let segments = flush(shared, &inner, now_ms)?;
            shared.change_view(|view| {
                view.panes.retain(|p| !Arc::ptr_eq(p, &pane));
                view.segments.extend(segments.into_iter().map(Arc::new));
            });
            inner.logs.clone()
        };
        for log in logs {
            shared.discard(log_name(log));
        }
        done.flushed += 1;
    }
    Ok(())
}

/// Windows that still take samples.
fn open_windows(shared: &Shared) -> Vec<(i64, i64)> {
    shared.view().panes.iter().filter_map(|p| read(p).window).collect()
}

fn within(segment: &OpenSegment, from: i64, to: i64) -> bool {
    segment.segment.header.from_ms >= from && segment.segment.header.to_ms <= to
}

fn order(segment: &OpenSegment) -> u64 {
    segment.segment.header.order
}

/// The next merge that is due, oldest first.
fn next_job(segments: &[Arc<OpenSegment>], open: &[(i64, i64)], shared: &Shared, now_ms: i64) -> Option<Job> {
    let ended = |from: i64, to: i64| {
        now_ms >= to.saturating_add(shared.options.grace_ms) && !open.iter().any(|w| w.0 >= from && w.1 <= to)
    };
    let raw = |from: i64, to: i64| -> Vec<&Arc<OpenSegment>> {
        segments.iter().filter(|s| s.segment.header.tier == Tier::Raw && within(s, from, to)).collect()
    };
    let old_rollups = |tier: Tier, from: i64, to: i64| -> Vec<Arc<OpenSegment>> {
        let of_tier = segments.iter().filter(|s| s.segment.header.tier == tier);
        of_tier.filter(|s| within(s, from, to)).cloned().collect()
    };
    let job = |mut inputs: Vec<Arc<OpenSegment>>, tier, level, from: i64, to: i64, roll: bool| {
        inputs.sort_by_key(|s| (order(s), s.id));
        let header = Header {
            tier,
            level,
            from_ms: from,
            to_ms: to,
            order: inputs.iter().map(|s| order(s)).min().unwrap_or_default(),
            created_ms: now_ms,
        };
        let rollups = if roll {
            let ids = |tier| old_rollups(tier, from, to).iter().map(|s| s.id).collect();
            vec![(Tier::Minute, ids(Tier::Minute)), (Tier::Hour, ids(Tier::Hour))]
        } else {
            Vec::new()
        };
        Job { inputs, header, rollups }
    };
    let days: BTreeSet<i64> =
        segments.iter().map(|s| s.segment.header.from_ms.div_euclid(DAY_MS).saturating_mul(DAY_MS)).collect();
    for day in days {
        let day_end = day.saturating_add(DAY_MS);
        let in_day = raw(day, day_end);
        let due = |sides: &[&Arc<OpenSegment>]| {
            let oldest = sides.iter().map(|s| s.segment.header.created_ms).min();
            sides.len() >= SIDES || oldest.is_some_and(|t| now_ms >= t.saturating_add(SIDE_AGE_MS))
        };
        let of_level = |list: &[&Arc<OpenSegment>], level: u8| -> Vec<Arc<OpenSegment>> {
            list.iter().filter(|s| s.segment.header.level == level).map(|s| (*s).clone()).collect()
        };
        let sides: Vec<_> = in_day.iter().copied().filter(|s| s.segment.header.level == 0).collect();
        let merged = !of_level(&in_day, 2).is_empty();
        if merged && due(&sides) {
            let all = in_day.into_iter().cloned().collect();
            return Some(job(all, Tier::Raw, 2, day, day_end, true));
        }
        // Rollups of a day become one only when no hour of it will be rolled up by itself again.
        if merged || (in_day.is_empty() && ended(day, day_end)) {
            for tier in [Tier::Minute, Tier::Hour] {
                let parts = old_rollups(tier, day, day_end);
                if parts.len() > 1 {
                    return Some(job(parts, tier, 2, day, day_end, false));
                }
            }
            continue;
        }
        let mut hours: Vec<i64> =
            sides.iter().map(|s| s.segment.header.from_ms.div_euclid(HOUR_MS) * HOUR_MS).collect();
        hours.sort_unstable();
        hours.dedup();
        for hour in hours {
            let end = hour + HOUR_MS;
            let in_hour = raw(hour, end);
            let fresh: Vec<_> = in_hour.iter().copied().filter(|s| s.segment.header.level == 0).collect();
            let first = of_level(&in_hour, 1).is_empty();
            if ended(hour, end) && (first || due(&fresh)) {
                let all = in_hour.into_iter().cloned().collect();
                return Some(job(all, Tier::Raw, 1, hour, end, true));
            }
        }
        if !ended(day, day_end) || !sides.is_empty() {
            continue;
        }
        let size: u64 = in_day.iter().map(|s| s.segment.size_bytes).sum();
        if shared.raw_floor_ms.load(Ordering::Relaxed) <= day && size <= shared.options.max_bytes / DAY_SHARE
        {
            let all = in_day.into_iter().cloned().collect();
            return Some(job(all, Tier::Raw, 2, day, day_end, false));
        }
    }
    None
}

fn carry_out(shared: &Shared, job: Job, done: &mut Maintained) -> Result<()> {
    let Merged { written, damage } = merge(shared, &job)?;
    shared.counters.damaged.fetch_add(damage.len() as u64, Ordering::Relaxed);
    done.damage.extend(damage);
    let publish = || -> Result<Vec<Arc<OpenSegment>>> {
        written.iter().try_for_each(|w| w.publish(shared))?;
        written.iter().map(|w| Ok(Arc::new(w.open(shared)?))).collect()
    };
    let segments = publish().inspect_err(|_| {
        // The merged one before its rollups, which mean nothing without it.
        for written in written.iter().rev() {
            written.remove(shared);
            // One that has its name already comes again with the next attempt, under another.
            shared.discard(segment_name(written.id));
        }
    })?;
    let replaced: HashSet<u64> = job
        .inputs
        .iter()
        .map(|i| i.id)
        .chain(job.rollups.iter().flat_map(|(_, old)| old.iter().copied()))
        .collect();
    let mut gone = Vec::new();
    shared.change_view(|view| {
        view.segments.retain(|s| {
            if replaced.contains(&s.id) {
                gone.push(s.segment.name.clone());
            }
            !replaced.contains(&s.id)
        });
        view.segments.extend(segments);
    });
    for name in gone {
        shared.discard(name);
    }
    done.merged += job.inputs.len();
    Ok(())
}

/// Removes what is too old, and the oldest of what is too much when `wanted` bytes more are needed.
fn retain(shared: &Shared, now_ms: i64, wanted: u64, done: &mut Maintained) -> Result<()> {
    let options = &shared.options;
    // A clock that jumps ahead must not make everything too old.
    let newest = shared.newest_ms.load(Ordering::Relaxed).min(now_ms);
    let kept_ms = |tier| match tier {
        Tier::Raw => options.raw_ms,
        Tier::Minute => options.minute_ms,
        Tier::Hour => options.hour_ms,
    };
    loop {
        let view = shared.view();
        let logs: u64 = view.panes.iter().map(|p| read(p).log_bytes).sum();
        let header = |s: &Arc<OpenSegment>| s.segment.header;
        let of = |tier| -> u64 {
            let files = view.segments.iter().filter(|s| header(s).tier == tier);
            files.map(|s| s.segment.size_bytes).sum()
        };
        let (raw, minute, hour) = (of(Tier::Raw), of(Tier::Minute), of(Tier::Hour));
        let total = wanted.saturating_add(logs + raw + minute + hour);
        let dearest = if raw > options.max_bytes / 2 || minute + hour == 0 {
            Tier::Raw
        } else if minute > 0 {
            Tier::Minute
        } else {
            Tier::Hour
        };
        let too_old =
            |s: &&Arc<OpenSegment>| header(s).to_ms <= newest.saturating_sub(kept_ms(header(s).tier));
        let too_much = || {
            let ended = view.segments.iter().filter(|s| header(s).to_ms <= newest);
            ended.min_by_key(|s| (header(s).tier != dearest, header(s).tier, header(s).to_ms, order(s)))
        };
        let victim = view.segments.iter().find(too_old);
        let victim = victim.or_else(|| (total > options.max_bytes).then(too_much).flatten());
        let Some(victim) = victim else { return Ok(()) };
        let name = &victim.segment.name;
        match shared.storage.remove(name) {
            // Somebody else has removed it, as one who has damaged files is told to.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            other => other.map_err(Error::io("remove", name))?,
        }
        if header(victim).tier == Tier::Raw {
            shared.raw_floor_ms.fetch_max(header(victim).to_ms, Ordering::Relaxed);
        }
        shared.change_view(|view| view.segments.retain(|s| s.id != victim.id));
        done.removed += 1;
    }
}

/// Forgets names that nothing has any more.
fn sweep(shared: &Shared) {
    // No commit meanwhile: it could add names between the look and the sweep.
    let _gate = lock(&shared.gate);
    let view = shared.view();
    let mut metrics: HashSet<u32> = HashSet::new();
    let mut sources: HashSet<u32> = HashSet::new();
    for segment in &view.segments {
        metrics.extend(&segment.metrics);
        sources.extend(&segment.sources);
    }
    for pane in &view.panes {
        let pane = read(pane);
        for source in pane.sources() {
            sources.insert(source);
            metrics.extend(pane.metrics_of(source));
        }
    }
    write(&shared.names).sweep(&metrics, &sources);
}
