//! Which series a target gets, and under which labels.

use chasar_query::{Matcher, NAME};

use super::config::RemoteWriteConfig;

/// What a target's settings say of series.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    keep: Vec<Vec<Matcher>>,
    drop: Vec<Vec<Matcher>>,
    rename: Vec<(String, String)>,
    add: Vec<(String, String)>,
    shard: Option<(u32, u32)>,
}

impl Rules {
    pub(super) fn of(config: &RemoteWriteConfig) -> Result<Rules, String> {
        let selectors = |what: &str, texts: &[String]| {
            let parse = |text: &String| {
                chasar_query::parse_selector(text).map_err(|e| format!("{what} {text:?} is no selector: {e}"))
            };
            texts.iter().map(parse).collect::<Result<Vec<_>, _>>()
        };
        Ok(Rules {
            keep: selectors("keep", &config.keep)?,
            drop: selectors("drop", &config.drop)?,
            rename: config.rename.clone(),
            add: config.add.clone(),
            shard: config.shard,
        })
    }

    /// Turns the labels of a series into those that are sent, sorted by name, and says by what number its
    /// connection is chosen; `None` when it is not sent.
    ///
    /// Selectors see the labels as they were before. Of two labels of one name the renamed one stays.
    pub(super) fn apply<'a>(&'a self, labels: &mut Vec<(&'a str, &'a str)>) -> Option<u32> {
        let fits = |selector: &Vec<Matcher>| {
            selector.iter().all(|matcher| {
                let of = labels.iter().find(|(name, _)| *name == matcher.name);
                matcher.matches(of.map_or("", |(_, value)| value))
            })
        };
        if !self.keep.is_empty() && !self.keep.iter().any(fits) || self.drop.iter().any(fits) {
            return None;
        }
        if !self.rename.is_empty() {
            self.renames(labels);
        }
        for (name, value) in &self.add {
            if labels.iter().all(|(of, _)| of != name) {
                labels.push((name, value));
            }
        }
        labels.sort_unstable();
        labels.dedup_by(|later, first| later.0 == first.0);
        debug_assert!(labels.iter().any(|(name, _)| *name == NAME));
        let number = number(labels);
        match self.shard {
            // The other half of the number chooses the connection.
            Some((part, of)) if (number >> 16) % of != part - 1 => None,
            _ => Some(number & 0xffff),
        }
    }
}

impl Rules {
    /// All at once: what one of them made is not renamed by another.
    fn renames<'a>(&'a self, labels: &mut Vec<(&'a str, &'a str)>) {
        let to = |name: &str| self.rename.iter().find(|(from, _)| from == name).map(|(_, to)| to.as_str());
        let made: Vec<&str> = labels.iter().filter_map(|(name, _)| to(name)).collect();
        labels.retain(|(name, _)| to(name).is_some() || !made.contains(name));
        for label in labels {
            label.0 = to(label.0).unwrap_or(label.0);
        }
    }
}

/// A number of a series that stays the same over restarts, versions and machines.
fn number(labels: &[(&str, &str)]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for (name, value) in labels {
        hasher.update(name.as_bytes());
        hasher.update(&[0xff]);
        hasher.update(value.as_bytes());
        hasher.update(&[0xfe]);
    }
    // The bits of a checksum depend on each other; those of a product with the golden ratio less so.
    hasher.finalize().wrapping_mul(0x9E37_79B1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(change: impl FnOnce(&mut RemoteWriteConfig)) -> Rules {
        let mut config = RemoteWriteConfig::new("a", "http://a");
        change(&mut config);
        Rules::of(&config).unwrap()
    }

    fn sent(rules: &Rules, labels: &[(&str, &str)]) -> Option<String> {
        let mut labels: Vec<(&str, &str)> = labels.to_vec();
        rules.apply(&mut labels).map(|_| {
            labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
        })
    }

    #[test]
    fn labels_are_sorted_whatever_is_done() {
        let series = [(NAME, "cpu"), ("mode", "user"), ("instance", "web"), ("Zone", "1")];
        let same = "Zone=1 __name__=cpu instance=web mode=user";
        assert_eq!(sent(&rules(|_| {}), &series).as_deref(), Some(same));
        let changed = rules(|c| {
            c.rename = vec![("instance".into(), "host".into()), ("none".into(), "x".into())];
            c.add = vec![("site".into(), "north".into()), ("mode".into(), "not this".into())];
        });
        let wanted = "Zone=1 __name__=cpu host=web mode=user site=north";
        assert_eq!(sent(&changed, &series).as_deref(), Some(wanted));
        let over = rules(|c| c.rename = vec![("instance".into(), "mode".into())]);
        assert_eq!(sent(&over, &series).as_deref(), Some("Zone=1 __name__=cpu mode=web"));
        let round = rules(|c| {
            c.rename = vec![("instance".into(), "mode".into()), ("mode".into(), "instance".into())];
        });
        assert_eq!(sent(&round, &series).as_deref(), Some("Zone=1 __name__=cpu instance=user mode=web"));
        let chain = rules(|c| {
            c.rename = vec![("instance".into(), "mode".into()), ("mode".into(), "kind".into())];
        });
        assert_eq!(sent(&chain, &series).as_deref(), Some("Zone=1 __name__=cpu kind=user mode=web"));
    }

    #[test]
    fn selectors_choose() {
        let series = |name: &'static str| [(NAME, name), ("instance", "web")];
        let keep = rules(|c| c.keep = vec!["up".into(), r#"{__name__=~"node_.*",mode=""}"#.into()]);
        assert!(sent(&keep, &series("up")).is_some() && sent(&keep, &series("node_load1")).is_some());
        assert!(sent(&keep, &series("down")).is_none());
        assert!(sent(&keep, &[(NAME, "node_cpu"), ("mode", "user")]).is_none());
        let drop = rules(|c| {
            c.drop = vec![r#"up{instance="web"}"#.into()];
            c.rename = vec![("instance".into(), "host".into())];
        });
        assert!(sent(&drop, &series("up")).is_none() && sent(&drop, &series("down")).is_some());
    }

    #[test]
    fn each_series_is_in_one_part() {
        let parts: Vec<_> = (1..=3).map(|part| rules(|c| c.shard = Some((part, 3)))).collect();
        let mut counts = [0; 3];
        let mut lanes = std::collections::BTreeSet::new();
        for i in 0..3_000 {
            let value = i.to_string();
            let all: Vec<_> =
                parts.iter().map(|rules| rules.apply(&mut vec![(NAME, "m"), ("i", &value)])).collect();
            let here = all.iter().position(Option::is_some).unwrap();
            assert_eq!(all.iter().flatten().count(), 1);
            counts[here] += 1;
            lanes.insert(all[here].unwrap() % 4);
        }
        assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
        assert_eq!(lanes.len(), 4);
        // Written down, since it must never change.
        let labels = [(NAME, "up"), ("instance", "web"), ("job", "chasar")];
        assert_eq!(number(&labels), 2_590_016_085);
    }
}
