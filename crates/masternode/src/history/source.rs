//! The store as the query engine reads it.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use chasar_query::{
    Answer, Error, Fold, Hints, Kind, Labels, MatchOp, Read, Request, Result, Samples, Source, Take,
};
use chasar_tsdb::{Matcher, Rollup, RollupSeries, Selection, Snapshot, Stats, Store, Tier, Tiles};

/// Samples that are read between two looks whether it is still worth it.
const SAMPLES_AT_ONCE: usize = 4 << 20;
/// Samples of a tile, which is read as one: about what caches of processors hold, and worth a thread.
const SAMPLES_OF_TILE: usize = 1 << 20;
/// Samples of a page of a whole hour, of which all are decoded for a few.
const PAGE_SAMPLES: usize = 3600;
/// With more tiles than that, most are empty.
const MOST_TILES: usize = 4096;
/// What comes later than that is not taken, with the longest time that raw samples are kept by default.
const MOST_LATE_MS: i64 = 31 * 86_400_000;
/// Files that are named in warnings; of more there is the number.
const DAMAGE_NAMED: usize = 5;

/// A store's series at one moment, for [`chasar_query::Query`].
///
/// Samples are read as they are, or as rollups where that gives the same; see
/// [`Answer::tier`]. Of times of which only rollups are kept, the last value of each minute or hour
/// stands for its samples, and a warning says so.
pub struct StoreSource<'a> {
    snapshot: Snapshot,
    stats: Stats,
    stop: Option<&'a (dyn Fn() -> bool + Sync)>,
}

impl<'a> StoreSource<'a> {
    /// What the store has now. `stop` is asked while much is read; `true` ends it.
    pub fn new(store: &Store, stop: Option<&'a (dyn Fn() -> bool + Sync)>) -> StoreSource<'a> {
        StoreSource { snapshot: store.snapshot(), stats: store.stats(), stop }
    }

    fn stopped(&self) -> Result<()> {
        if self.stop.is_some_and(|stop| stop()) {
            let message = "query timed out or was cancelled while samples were read".to_owned();
            return Err(Error { kind: Kind::Timeout, message, span: None, place: None });
        }
        Ok(())
    }

    /// First time of anything, as far as files tell; what is newer than them is in memory.
    fn oldest_ms(&self) -> Option<i64> {
        [self.stats.raw, self.stats.minute, self.stats.hour].iter().filter_map(|t| Some(t.times_ms?.0)).min()
    }

    /// Samples that a series has at most if its node reports once a second; a guess that is too low costs
    /// memory only.
    fn samples_of_series(&self, request: &Request<'_>) -> usize {
        let from_ms = request.from_ms.max(self.oldest_ms().unwrap_or(request.from_ms));
        let seconds = request.to_ms.saturating_sub(from_ms).max(0) / 1000 + 1;
        usize::try_from(seconds).unwrap_or(usize::MAX).max(PAGE_SAMPLES)
    }

    /// Reads tiles, on several threads where there are several and it is worth it.
    fn tiles(&self, tiles: &Tiles, newest: bool, take: &Take<'_>) -> Result<Vec<String>> {
        let (next, damage) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let ended = AtomicBool::new(false);
        let work = || -> Result<()> {
            let mut strings = Strings::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= tiles.len() || ended.load(Ordering::Relaxed) {
                    return Ok(());
                }
                self.stopped()?;
                let found = if newest { tiles.newest(number) } else { tiles.read(number) };
                let found = found.map_err(failed)?;
                if !found.damage.is_empty() {
                    damage.lock().unwrap_or_else(PoisonError::into_inner).extend(warnings(&found));
                }
                let samples = |one: chasar_tsdb::SharedSeries| Samples {
                    labels: strings.labels(&one.labels),
                    times_ms: one.times_ms,
                    values: Arc::new(one.values),
                };
                take(number, found.series.into_iter().map(samples).collect(), false)?;
            }
        };
        let work = || work().inspect_err(|_| ended.store(true, Ordering::Relaxed));
        match Helper::engage(tiles.len()) {
            None => work()?,
            Some(_helper) => thread::scope(|scope| {
                let beside = scope.spawn(work);
                let own = work();
                let panicked = || Error::source("a thread that read samples panicked");
                own.and(beside.join().map_err(|_| panicked())?)
            })?,
        }
        let mut damage = damage.into_inner().unwrap_or_else(PoisonError::into_inner);
        damage.truncate(DAMAGE_NAMED + 1);
        Ok(damage)
    }

    fn raw(&self, matchers: &[Matcher], request: &Request<'_>) -> Result<(Vec<Raw>, Vec<String>)> {
        let (from_ms, to_ms) = (request.from_ms, request.to_ms);
        let series = self.snapshot.series_at_most(matchers).map_err(failed)?;
        let samples = self.samples_of_series(request) as u64;
        if series.saturating_mul(samples) <= SAMPLES_AT_ONCE as u64 {
            let found = self.snapshot.select(matchers, from_ms, to_ms).map_err(failed)?;
            let damage = warnings(&found);
            return Ok((found.series.into_iter().map(Into::into).collect(), damage));
        }
        let (mut all, mut damage) = (Vec::<Raw>::new(), Vec::new());
        let mut samples = 0_u64;
        let walk = self.snapshot.walk(matchers, from_ms, to_ms, SAMPLES_AT_ONCE).map_err(failed)?;
        for group in walk {
            self.stopped()?;
            let group = group.map_err(failed)?;
            damage.extend(warnings(&group));
            samples += group.series.iter().map(|s| s.values.len() as u64).sum::<u64>();
            if samples > request.max_samples {
                return Err(too_many(request));
            }
            all.extend(group.series.into_iter().map(Raw::from));
        }
        all.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok((all, damage))
    }

    /// Rollups instead of samples, where the result is the same.
    fn folded(&self, matchers: &[Matcher], request: &Request<'_>) -> Result<Option<Answer>> {
        let Some((tier, step_ms, fold)) = exact_tier(&request.hints) else { return Ok(None) };
        let last_ms = request.to_ms.saturating_sub(step_ms - 1);
        let mut joined = Joined::new();
        let warnings =
            self.rollups(matchers, request, (tier, request.from_ms, last_ms), |labels, rollups| {
                let (times, values) = joined.entry(labels).or_default();
                for rollup in rollups {
                    // Counters keep no smallest, largest and sum.
                    let Some(value) = folded(&rollup, fold) else { return false };
                    times.push(rollup.start_ms);
                    values.push(value);
                }
                true
            })?;
        let Some(warnings) = warnings else { return Ok(None) };
        Ok(Some(Answer { series: samples(joined), tier: name(tier), folded: true, warnings }))
    }

    /// Rollups of a tier and stretch, a slice of time after the other so that they are never all in memory;
    /// `take` gets those of a series in a slice, and may end it. What could not be read; none when ended.
    fn rollups(
        &self,
        matchers: &[Matcher],
        request: &Request<'_>,
        (tier, from_ms, last_ms): (Tier, i64, i64),
        mut take: impl FnMut(chasar_tsdb::Labels, Vec<Rollup>) -> bool,
    ) -> Result<Option<Vec<String>>> {
        // Nothing is older than the files but what came late and is in memory.
        let Some(oldest_ms) = self.oldest_ms() else { return Ok(None) };
        let from_ms = from_ms.max(oldest_ms.saturating_sub(MOST_LATE_MS));
        let series = self.snapshot.series_at_most(matchers).map_err(failed)?.max(1);
        // An hour at least: of a part of it as much has to be read.
        let width = (SAMPLES_AT_ONCE as i64 / i64::try_from(series).unwrap_or(i64::MAX)).max(60);
        let width_ms = width.saturating_mul(step_ms(tier)).max(step_ms(Tier::Hour));
        let (mut warnings, mut count) = (Vec::new(), 0_u64);
        let mut at_ms = from_ms;
        while at_ms <= last_ms {
            self.stopped()?;
            // Slices meet at whole hours.
            let next_ms =
                at_ms.saturating_add(width_ms).div_euclid(step_ms(Tier::Hour)) * step_ms(Tier::Hour);
            let found =
                self.snapshot.rollups(matchers, tier, at_ms, last_ms.min(next_ms - 1)).map_err(failed)?;
            warnings.extend(self::warnings(&found));
            for RollupSeries { labels, rollups, .. } in found.series {
                count += rollups.len() as u64;
                if count > request.max_samples {
                    return Err(too_many(request));
                }
                if !take(labels, rollups) {
                    return Ok(None);
                }
            }
            at_ms = next_ms;
        }
        warnings.truncate(DAMAGE_NAMED + 1);
        Ok(Some(warnings))
    }

    /// Rollups of times of which there are no samples any more, by tier, and the stretch of each.
    fn before_samples(&self, request: &Request<'_>) -> Vec<(Tier, i64, i64)> {
        let mut parts = Vec::new();
        // Without files of samples there are only those in memory, which are newer than all rollups.
        let mut end_ms = self.stats.raw.times_ms.map_or(i64::MAX, |(first_ms, _)| first_ms);
        for (tier, of) in [(Tier::Minute, self.stats.minute), (Tier::Hour, self.stats.hour)] {
            let Some((first_ms, _)) = of.times_ms else { continue };
            let from_ms = first_ms.max(request.from_ms);
            // Only what lies wholly before the samples.
            let last_ms = end_ms.min(request.to_ms.saturating_add(1)) - step_ms(tier);
            if from_ms <= last_ms {
                parts.push((tier, from_ms, last_ms));
            }
            end_ms = end_ms.min(first_ms);
        }
        parts
    }
}

impl Source for StoreSource<'_> {
    fn select(&self, request: &Request<'_>) -> Result<Answer> {
        self.stopped()?;
        let matchers: Vec<Matcher> = request.matchers.iter().map(store_matcher).collect::<Result<_>>()?;
        if let Some(answer) = self.folded(&matchers, request)? {
            return Ok(answer);
        }
        let (raw, mut warnings) = self.raw(&matchers, request)?;
        let old = self.before_samples(request);
        let mut strings = Strings::default();
        let mut times = Times::default();
        if old.is_empty() {
            let series = raw
                .into_iter()
                .map(|one| Samples {
                    labels: strings.labels(&one.labels),
                    times_ms: times.shared(one.times_ms),
                    values: Arc::new(one.values),
                })
                .collect();
            return Ok(Answer { series, tier: "raw", folded: false, warnings });
        }
        let mut joined = Joined::new();
        // The oldest first, so that times ascend.
        for part in old.iter().rev() {
            let step_ms = step_ms(part.0);
            let more = self.rollups(&matchers, request, *part, |labels, rollups| {
                let (times, values) = joined.entry(labels).or_default();
                times.extend(rollups.iter().map(|r| r.start_ms + step_ms - 1));
                values.extend(rollups.iter().map(|r| r.last));
                true
            })?;
            warnings.extend(more.unwrap_or_default());
        }
        if !joined.is_empty() {
            warnings.push(format!(
                "before {} only the last value of each {} is kept; at other moments there may be none",
                super::time::rfc3339(old[0].2 + step_ms(old[0].0)),
                name(old[0].0)
            ));
        }
        let tier = if joined.is_empty() { "raw" } else { mixed(&old) };
        for one in raw {
            let (times, values) = joined.entry(one.labels).or_default();
            // What came late can lie among the rollups, which have it already.
            let new = times.last().map_or(0, |last| one.times_ms.partition_point(|t| t <= last));
            times.extend(&one.times_ms[new..]);
            values.extend(&one.values[new..]);
        }
        Ok(Answer { series: samples(joined), tier, folded: false, warnings })
    }

    fn stream(&self, request: &Request<'_>, take: &Take<'_>) -> Result<Read> {
        self.stopped()?;
        let matchers: Vec<Matcher> = request.matchers.iter().map(store_matcher).collect::<Result<_>>()?;
        let at_once = (SAMPLES_OF_TILE / self.samples_of_series(request)).max(1);
        let tiles =
            self.snapshot.tiles(&matchers, request.from_ms, request.to_ms, at_once).map_err(failed)?;
        // Rollups are read as one, and so is what has far more names than any one node.
        if tiles.len() > MOST_TILES
            || exact_tier(&request.hints).is_some()
            || !self.before_samples(request).is_empty()
        {
            let answer = self.select(request)?;
            take(0, answer.series, answer.folded)?;
            return Ok(Read { tier: answer.tier, warnings: answer.warnings });
        }
        let warnings = self.tiles(&tiles, request.hints.newest, take)?;
        Ok(Read { tier: "raw", warnings })
    }
}

/// Threads that help with queries now: with as many as there are other processors, more would only be in
/// each other's way.
static HELPERS: AtomicUsize = AtomicUsize::new(0);

/// A thread beside the one that answers.
struct Helper;

impl Helper {
    /// None when there is nothing for it to do, or every processor has one already.
    fn engage(tiles: usize) -> Option<Helper> {
        if tiles < 2 {
            return None;
        }
        // Asking reads files.
        static OTHERS: OnceLock<usize> = OnceLock::new();
        let most = *OTHERS.get_or_init(|| thread::available_parallelism().map_or(0, |all| all.get() - 1));
        let more = |engaged: usize| (engaged < most).then_some(engaged + 1);
        HELPERS.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Helper)
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        HELPERS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Times and values of series as they come together, by labels.
type Joined = BTreeMap<chasar_tsdb::Labels, (Vec<i64>, Vec<f64>)>;

fn samples(joined: Joined) -> Vec<Samples> {
    let (mut strings, mut times) = (Strings::default(), Times::default());
    let of = |(labels, (of, values)): (chasar_tsdb::Labels, (Vec<i64>, Vec<f64>))| Samples {
        labels: strings.labels(&labels),
        times_ms: times.shared(of),
        values: Arc::new(values),
    };
    joined.into_iter().map(of).collect()
}

fn too_many(request: &Request<'_>) -> Error {
    let message = format!(
        "query processing would load too many samples into memory in query execution: more than {}",
        request.max_samples
    );
    Error { kind: Kind::Limit, message, span: None, place: None }
}

struct Raw {
    labels: chasar_tsdb::Labels,
    times_ms: Vec<i64>,
    values: Vec<f64>,
}

impl From<chasar_tsdb::Series> for Raw {
    fn from(series: chasar_tsdb::Series) -> Raw {
        Raw { labels: series.labels, times_ms: series.times_ms, values: series.values }
    }
}

/// The coarsest tier whose rollups give the same as samples. A window is open at its beginning and
/// closed at its end, minutes and hours the other way round: so a window must end a millisecond
/// before one of them does.
fn exact_tier(hints: &Hints) -> Option<(Tier, i64, Fold)> {
    let fold = hints.fold?;
    let fits = |tier: &Tier| {
        let whole = |ms: i64| ms.rem_euclid(step_ms(*tier)) == 0;
        hints.range_ms > 0 && whole(hints.range_ms) && whole(hints.step_ms) && whole(hints.first_ms + 1)
    };
    let tier = [Tier::Hour, Tier::Minute].into_iter().find(fits)?;
    Some((tier, step_ms(tier), fold))
}

fn folded(rollup: &Rollup, fold: Fold) -> Option<f64> {
    match fold {
        Fold::Min => rollup.min,
        Fold::Max => rollup.max,
        Fold::Sum => rollup.sum,
        Fold::Count => Some(rollup.count as f64),
    }
}

fn step_ms(tier: Tier) -> i64 {
    match tier {
        Tier::Raw => 1,
        Tier::Minute => 60_000,
        Tier::Hour => 3_600_000,
    }
}

fn name(tier: Tier) -> &'static str {
    match tier {
        Tier::Raw => "raw",
        Tier::Minute => "minute",
        Tier::Hour => "hour",
    }
}

fn mixed(old: &[(Tier, i64, i64)]) -> &'static str {
    match (old.iter().any(|o| o.0 == Tier::Minute), old.iter().any(|o| o.0 == Tier::Hour)) {
        (true, true) => "raw, minute, hour",
        (false, true) => "raw, hour",
        _ => "raw, minute",
    }
}

/// The same condition for the store. Patterns mean what they mean in Go.
///
/// # Errors
/// When the store refuses a pattern.
pub fn store_matcher(matcher: &chasar_query::Matcher) -> Result<Matcher> {
    let op = match matcher.op {
        MatchOp::Equal => chasar_tsdb::MatchOp::Equal,
        MatchOp::NotEqual => chasar_tsdb::MatchOp::NotEqual,
        MatchOp::Match => chasar_tsdb::MatchOp::Regex,
        MatchOp::NoMatch => chasar_tsdb::MatchOp::NotRegex,
    };
    let value = matcher.pattern().unwrap_or_else(|| matcher.value.clone());
    Matcher::new(&*matcher.name, op, value).map_err(failed)
}

fn failed(error: chasar_tsdb::Error) -> Error {
    Error::source(error.to_string())
}

/// What could not be read, for people.
pub(crate) fn warnings<T>(selection: &Selection<T>) -> Vec<String> {
    let mut warnings: Vec<String> =
        selection.damage.iter().take(DAMAGE_NAMED).map(|damage| format!("history: {damage}")).collect();
    if let Some(more @ 1..) = selection.damage.len().checked_sub(DAMAGE_NAMED) {
        warnings.push(format!("history: {more} more damaged places; chasar history verify names them"));
    }
    warnings
}

/// Texts of labels, each once in memory however many series have it.
#[derive(Default)]
struct Strings(HashMap<Box<str>, Arc<str>>);

impl Strings {
    fn labels(&mut self, labels: &chasar_tsdb::Labels) -> Labels {
        Labels::new(
            labels.iter().map(|(name, value)| (self.shared(name), self.shared(value))).collect::<Vec<_>>(),
        )
    }

    fn shared(&mut self, text: &str) -> Arc<str> {
        if let Some(shared) = self.0.get(text) {
            return shared.clone();
        }
        let shared: Arc<str> = text.into();
        self.0.insert(text.into(), shared.clone());
        shared
    }
}

/// Columns of times; series of one node mostly have the same.
#[derive(Default)]
struct Times(Arc<Vec<i64>>);

impl Times {
    fn shared(&mut self, times: Vec<i64>) -> Arc<Vec<i64>> {
        if *self.0 != times {
            self.0 = Arc::new(times);
        }
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_for_the_store_what_they_mean_in_a_query() {
        for (pattern, value) in [(r"\Q.*\E", ".*"), ("a.b", "a\nb"), (r"\d", "7"), ("a{", "a{")] {
            let ours = chasar_query::Matcher::new("l", MatchOp::Match, pattern).unwrap();
            assert!(ours.matches(value), "{pattern}");
            assert!(store_matcher(&ours).unwrap().matches(value), "{pattern}");
        }
        let digits = chasar_query::Matcher::new("l", MatchOp::NoMatch, r"\d").unwrap();
        assert!(store_matcher(&digits).unwrap().matches("\u{0967}"), "only ASCII has digits");
    }
}
