//! Prometheus's text format, as far as tests read it.

use std::collections::BTreeMap;
use std::fmt;

/// One scrape.
#[derive(Clone, Debug, Default)]
pub struct Scrape(BTreeMap<Series, f64>);

/// A series: name and sorted labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    /// Name of the metric.
    pub name: String,
    /// Labels, sorted.
    pub labels: BTreeMap<String, String>,
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.name, self.labels)
    }
}

impl Scrape {
    /// Parses a page.
    ///
    /// # Errors
    /// When a line is not of the format.
    pub fn parse(text: &str) -> Result<Scrape, String> {
        let mut scrape = Scrape::default();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (series, value) = parse_line(line).ok_or_else(|| format!("not a sample: {line:?}"))?;
            if scrape.0.insert(series, value).is_some() {
                return Err(format!("twice on one page: {line:?}"));
            }
        }
        Ok(scrape)
    }

    /// The value of a series with exactly these labels.
    pub fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        self.0.get(&Series { name: name.to_owned(), labels }).copied()
    }

    /// The sum over all series of a name; `None` when there is none.
    pub fn sum(&self, name: &str) -> Option<f64> {
        let values: Vec<f64> = self.of(name).map(|(_, value)| value).collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    /// All series of a name.
    pub fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a Series, f64)> {
        self.0.iter().filter(move |(series, _)| series.name == name).map(|(series, value)| (series, *value))
    }

    /// All series.
    pub fn all(&self) -> impl Iterator<Item = (&Series, f64)> {
        self.0.iter().map(|(series, value)| (series, *value))
    }
}

fn parse_line(line: &str) -> Option<(Series, f64)> {
    let name_end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(name_end);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (key, after) = rest.split_once("=\"")?;
            let (value, after) = quoted(after)?;
            labels.insert(key.trim_start_matches(',').to_owned(), value);
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = &rest[1..];
    }
    let value = rest.split_whitespace().next()?;
    let value = match value {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        number => number.parse().ok()?,
    };
    Some((Series { name: name.to_owned(), labels }, value))
}

/// The text up to the closing quote, unescaped, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[i + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_values_are_read() {
        let page = "# HELP a b\na 1\nb{c=\"d\",e=\"f\\\"}, g\\\\\"} 2.5e3\nb{c=\"x\"} +Inf 123\n";
        let scrape = Scrape::parse(page).unwrap();
        assert_eq!(scrape.get("a", &[]), Some(1.0));
        assert_eq!(scrape.get("b", &[("e", "f\"}, g\\"), ("c", "d")]), Some(2500.0));
        assert_eq!(scrape.sum("b"), Some(f64::INFINITY));
        assert_eq!(scrape.sum("c"), None);
        assert!(Scrape::parse("a 1\na 2\n").is_err());
    }
}
