//! Answers as tables. A value comes before its labels, so that it is seen however narrow the terminal is.

use chasar_query::{Answered, Labels, NAME, Sample, Series};
use chasar_top::text::{clean, columns, fit, pad};

use super::names::Names;
use super::number::rounded;
use crate::run::history::show;

/// Most columns of a cell where the terminal sets no limit.
const WIDEST: usize = 120;
/// A column is not made narrower than this.
const NARROWEST: usize = 8;

/// The answer; lines are cut to a width, if there is one.
pub(super) fn table(value: &Answered, width: Option<usize>) -> String {
    match value {
        Answered::Scalar { value, .. } => rounded(*value) + "\n",
        Answered::Text { value, .. } => {
            value.split('\n').map(|line| clean(line).into_owned() + "\n").collect()
        }
        Answered::Vector(all) => vector(all, width),
        Answered::Matrix(all) => matrix(all, width),
    }
}

fn vector(all: &[Sample], width: Option<usize>) -> String {
    let labels: Vec<&Labels> = all.iter().map(|sample| &sample.labels).collect();
    if labels.is_empty() {
        return String::new();
    }
    let names = Names::of(&labels);
    let mut rows = vec![vec!["value".to_owned()]];
    rows[0].extend(
        names.differing.iter().map(|name| if name == NAME { "metric".to_owned() } else { name.clone() }),
    );
    for sample in all {
        let mut row = vec![rounded(sample.value)];
        row.extend(names.differing.iter().map(|name| sample.labels.get(name).unwrap_or_default().to_owned()));
        rows.push(row);
    }
    let mut text = heading(&names, width);
    put(&rows, width, &mut text);
    text
}

fn matrix(all: &[Series], width: Option<usize>) -> String {
    let labels: Vec<&Labels> = all.iter().map(|series| &series.labels).collect();
    if labels.is_empty() {
        return String::new();
    }
    let names = Names::of(&labels);
    let mut text = heading(&names, width);
    for (at, series) in all.iter().enumerate() {
        if at > 0 || !text.is_empty() {
            text.push('\n');
        }
        line(&names.own(&series.labels), width, &mut text);
        let rows: Vec<Vec<String>> =
            series.samples.iter().map(|(time, value)| vec![rounded(*value), show::time(*time)]).collect();
        put(&rows, width, &mut text);
    }
    text
}

/// What all series have in common.
fn heading(names: &Names, width: Option<usize>) -> String {
    let mut text = String::new();
    if let Some(common) = names.common() {
        line(&format!("all: {common}"), width, &mut text);
    }
    text
}

fn line(content: &str, width: Option<usize>, text: &mut String) {
    *text += &fit(content, width.unwrap_or(usize::MAX));
    text.push('\n');
}

/// Rows whose first column is a value.
fn put(rows: &[Vec<String>], width: Option<usize>, text: &mut String) {
    let widest = width.unwrap_or(WIDEST);
    let count = rows.first().map_or(0, Vec::len);
    let mut widths: Vec<usize> = (0..count)
        .map(|at| {
            rows.iter().filter_map(|row| row.get(at)).map(|cell| columns(cell)).max().unwrap_or(0).min(widest)
        })
        .collect();
    if let Some(width) = width {
        narrow(&mut widths, width);
    }
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(at, (cell, width))| pad(cell, *width, at == 0))
            .collect();
        line(cells.join("  ").trim_end(), width, text);
    }
}

/// Takes from the widest column until all fit, but never from the values.
fn narrow(widths: &mut [usize], width: usize) {
    let gaps = 2 * widths.len().saturating_sub(1);
    let mut over = (widths.iter().sum::<usize>() + gaps).saturating_sub(width);
    while over > 0 {
        let Some(widest) = widths.iter_mut().skip(1).max() else { return };
        if *widest <= NARROWEST {
            return;
        }
        *widest -= 1;
        over -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(pairs: &[(&str, &str)], value: f64) -> Sample {
        Sample { labels: Labels::new(pairs.iter().copied()), time_ms: 0, value }
    }

    #[test]
    fn only_what_differs_is_a_column() {
        let all = Answered::Vector(vec![
            sample(&[("__name__", "up"), ("instance", "web\u{1b}[2J"), ("job", "chasar")], 1.0),
            sample(&[("__name__", "up"), ("instance", "database.example.net"), ("job", "chasar")], 0.125),
        ]);
        assert_eq!(
            table(&all, None),
            "all: up{job=\"chasar\"}\nvalue  instance\n    1  web�[2J\n0.125  database.example.net\n"
        );
        assert_eq!(
            table(&all, Some(20)),
            "all: up{job=\"chasar…\nvalue  instance\n    1  web�[2J\n0.125  database.exa…\n"
        );
    }

    #[test]
    fn a_range_is_a_table_for_each_series() {
        let series = |name: &str, samples| Series { labels: Labels::new([("a", name)]), samples };
        let all = vec![series("b", vec![(0, 1.0), (1500, -22.5)]), series("c", vec![(0, f64::NAN)])];
        assert_eq!(
            table(&Answered::Matrix(all), None),
            "{a=\"b\"}\n    1  1970-01-01T00:00:00Z\n-22.5  1970-01-01T00:00:01.5Z\n\n{a=\"c\"}\nNaN  1970-01-01T00:00:00Z\n"
        );
    }

    #[test]
    fn single_values() {
        assert_eq!(table(&Answered::Scalar { time_ms: 0, value: 0.1 + 0.2 }, None), "0.3\n");
        assert_eq!(table(&Answered::Text { time_ms: 0, value: "a\u{9b}\nb".into() }, None), "a�\nb\n");
        assert_eq!(table(&Answered::Vector(vec![]), Some(80)), "");
        assert_eq!(table(&Answered::Vector(vec![sample(&[], 2.0)]), Some(80)), "value\n    2\n");
    }

    proptest! {
        #[test]
        fn lines_are_harmless_and_fit(
            values in prop::collection::vec((any::<String>(), any::<String>(), any::<f64>()), 1..5),
            width in 20usize..60,
        ) {
            let all = values.iter().map(|(a, b, v)| sample(&[("a", a), ("b", b)], *v)).collect();
            let text = table(&Answered::Vector(all), Some(width));
            // By line breaks alone: the rest of what Unicode breaks lines at must not be there.
            for line in text.split('\n') {
                prop_assert!(columns(line) <= width && line.chars().all(chasar_top::text::is_harmless), "{line:?}");
            }
            prop_assert_eq!(text.matches('\n').count() - usize::from(text.starts_with("all: ")), values.len() + 1);
        }
    }
}
