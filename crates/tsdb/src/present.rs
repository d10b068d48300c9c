//! Which series there are in a stretch of time, without decoding their samples.

use std::collections::{BTreeSet, HashMap};

use crate::error::{Error, Result};
use crate::index::Matcher;
use crate::labels::Labels;
use crate::query::{Selection, Snapshot};
use crate::segment::{Column, Tier};
use crate::store::read;

impl Snapshot {
    /// Labels of all series that fit the matchers and have samples, or rollups, between the times
    /// (both included). Files tell it without being decoded, for the stretch that they have of a
    /// series: up to two minutes for what is new, up to a day for what is old.
    ///
    /// `go_on` is told again and again how many were found so far, and ends the search with `false`.
    ///
    /// # Errors
    /// As [`Snapshot::select`]; [`Error::Ended`] when `go_on` said so.
    pub fn series(
        &self,
        matchers: &[Matcher],
        from_ms: i64,
        to_ms: i64,
        mut go_on: impl FnMut(usize) -> bool,
    ) -> Result<Selection<Labels>> {
        let (shared, view) = self.parts();
        let matched = read(&shared.names).select(matchers)?;
        let mut found: HashMap<(u32, u32), ()> = HashMap::new();
        let mut damage = Vec::new();
        for pane in &view.panes {
            let pane = read(pane);
            if pane.times().is_none_or(|(first, last)| first > to_ms || last < from_ms) {
                continue;
            }
            let sources: BTreeSet<u32> = pane.sources().filter(|s| matched.sources.contains_key(s)).collect();
            for source in sources {
                let fitting = pane.metrics_of(source).filter(|m| matched.fits(*m, source));
                found.extend(fitting.map(|metric| ((metric, source), ())));
                if !go_on(found.len()) {
                    return Err(Error::Ended);
                }
            }
        }
        for open in view.segments.iter().rev() {
            let segment = &open.segment;
            if segment.times.0 > to_ms || segment.times.1 < from_ms {
                continue;
            }
            // Every rollup has a count, whatever else it has.
            let column = if segment.header.tier == Tier::Raw { Column::Value } else { Column::Count };
            for number in self.metrics_in(open, &matched) {
                if !go_on(found.len()) {
                    return Err(Error::Ended);
                }
                let metric = open.metrics[number as usize];
                for entry in segment.chunks_of(number, column) {
                    let range = entry.first_source as usize..=entry.last_source as usize;
                    let news = |source: &u32| {
                        matched.fits(metric, *source) && !found.contains_key(&(metric, *source))
                    };
                    if !open.sources[range].iter().any(news) {
                        continue;
                    }
                    let mut read_pages = || -> Result<()> {
                        let bytes = segment.bytes(&entry.place)?;
                        for page in segment.chunk(entry, &bytes)?.pages {
                            let span = segment.clock_span(page.clock);
                            let source = open.sources.get(page.source as usize).copied();
                            if let Some(source) = source.filter(|s| matched.fits(metric, *s))
                                && span.0 <= to_ms
                                && span.1 >= from_ms
                            {
                                found.insert((metric, source), ());
                            }
                        }
                        Ok(())
                    };
                    match read_pages() {
                        Ok(()) => {}
                        Err(error @ Error::Damaged { .. }) => damage.push(error),
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        let series = self.named(found, |(), ()| ()).map(|(labels, _, ())| labels).collect();
        Ok(Selection { series, damage })
    }

    /// How many series fit the matchers at most: every metric that fits with every source that does.
    ///
    /// # Errors
    /// When a matcher is not usable.
    pub fn series_at_most(&self, matchers: &[Matcher]) -> Result<u64> {
        let (shared, _) = self.parts();
        let matched = read(&shared.names).select(matchers)?;
        Ok((matched.metrics.len() as u64).saturating_mul(matched.sources.len() as u64))
    }
}
