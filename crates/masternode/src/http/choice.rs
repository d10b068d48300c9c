//! Which series of which nodes a page is to have.

use chasar_query::{Matcher, NAME};

use crate::history::{Newest, SeriesOf};

/// Most selectors of one request.
pub(crate) const MAX_SELECTORS: usize = 64;

/// Series of nodes, chosen by selectors: a series is chosen that fits one of them.
#[derive(Debug)]
pub(crate) struct Choice(Vec<Selector>);

#[derive(Debug)]
struct Selector {
    /// On `instance` and `job`, which say which node.
    of_node: Vec<Matcher>,
    /// On all other labels.
    of_series: Vec<Matcher>,
}

/// The selectors that something fits, a bit for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fits(u64);

impl Fits {
    pub(crate) fn any(self) -> bool {
        self.0 != 0
    }

    pub(crate) fn and(self, other: Fits) -> Fits {
        Fits(self.0 & other.0)
    }
}

impl Choice {
    /// Everything.
    pub(crate) fn all() -> Choice {
        Choice(vec![Selector { of_node: Vec::new(), of_series: Vec::new() }])
    }

    /// By selectors as `match[]` has them.
    ///
    /// # Errors
    /// Says which is no selector, or that there are too many.
    pub(crate) fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Choice, String> {
        let mut selectors = Vec::new();
        for text in texts {
            if selectors.len() == MAX_SELECTORS {
                return Err(format!("a request may have {MAX_SELECTORS} selectors"));
            }
            let matchers = chasar_query::parse_selector(text).map_err(|e| e.to_string())?;
            let is_of_node = |matcher: &Matcher| ["instance", "job"].contains(&matcher.name.as_str());
            let (of_node, of_series) = matchers.into_iter().partition(is_of_node);
            selectors.push(Selector { of_node, of_series });
        }
        Ok(Choice(selectors))
    }

    fn fits(&self, fits: impl Fn(&Selector) -> bool) -> Fits {
        Fits(self.0.iter().enumerate().fold(0, |bits, (i, selector)| bits | u64::from(fits(selector)) << i))
    }

    pub(crate) fn node(&self, node: &Newest) -> Fits {
        let value = |name: &str| if name == "job" { crate::history::JOB } else { &node.instance };
        self.fits(|selector| selector.of_node.iter().all(|m| m.matches(value(&m.name))))
    }

    pub(crate) fn series(&self, series: SeriesOf<'_>) -> Fits {
        self.named(series.metric.name, |name| {
            series.labels().find(|(label, _)| *label == name).map_or("", |(_, value)| value)
        })
    }

    /// A series without labels of its own.
    pub(crate) fn named<'v>(&self, name: &'v str, label: impl Fn(&str) -> &'v str) -> Fits {
        let value = |of: &str| if of == NAME { name } else { label(of) };
        self.fits(|selector| selector.of_series.iter().all(|m| m.matches(value(&m.name))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_chosen_by_one_of_the_selectors() {
        let choice = Choice::of([r#"up{instance="a"}"#, r#"{__name__=~"node_.*",device!="lo"}"#]).unwrap();
        let newest = |instance: &str| Newest { instance: instance.into(), is_up: true, rows: Vec::new() };
        let (a, b) = (choice.node(&newest("a")), choice.node(&newest("b")));
        let up = choice.named("up", |_| "");
        let disk = choice.named("node_disk", |_| "sda");
        let lo = choice.named("node_network", |_| "lo");
        assert!(up.and(a).any() && !up.and(b).any());
        assert!(disk.and(a).any() && disk.and(b).any() && !lo.any());
        assert!(Choice::all().named("up", |_| "").and(Choice::all().node(&newest("b"))).any());
    }

    #[test]
    fn what_is_no_selector_is_said() {
        assert!(Choice::of(["up{"]).unwrap_err().contains("1:"));
        assert!(Choice::of(["{}"]).is_err());
        assert!(Choice::of(["up"; MAX_SELECTORS + 1]).unwrap_err().contains("64"));
        assert!(!Choice::of([]).unwrap().named("up", |_| "").any());
    }
}
