//! Orders of instant vectors; over a range there is no order.

use std::cmp::Ordering;

use crate::value::{ABSENT, Row};

/// By the value at the first step; NaN comes last in both directions.
pub(crate) fn by_value(mut rows: Vec<Row>, descending: bool) -> Vec<Row> {
    let value = |row: &Row| row.values.first().copied().unwrap_or(ABSENT);
    rows.sort_by(|a, b| {
        let (a, b) = (value(a), value(b));
        a.partial_cmp(&b)
            .map(|o| if descending { o.reverse() } else { o })
            .unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
    });
    rows
}

/// By the values of labels as people sort, numbers in them by size; then by all labels.
pub(crate) fn by_labels(mut rows: Vec<Row>, names: &[String], descending: bool) -> Vec<Row> {
    rows.sort_by(|a, b| {
        let by_names = names
            .iter()
            .map(|n| natural(a.labels.get(n).unwrap_or_default(), b.labels.get(n).unwrap_or_default()))
            .find(|o| o.is_ne());
        let order = by_names.unwrap_or_else(|| a.labels.cmp(&b.labels));
        if descending { order.reverse() } else { order }
    });
    rows
}

/// `a9` comes before `a10`.
pub(crate) fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        let (Some(x), Some(y)) = (a.first(), b.first()) else { return a.len().cmp(&b.len()) };
        if x.is_ascii_digit() && y.is_ascii_digit() {
            let digits = |text: &[u8]| text.iter().take_while(|b| b.is_ascii_digit()).count();
            let (m, n) = (digits(a), digits(b));
            let (whole_a, whole_b) = (&a[..m], &b[..n]);
            let bare = |text: &[u8]| text.iter().take_while(|b| **b == b'0').count();
            let (p, q) = (&whole_a[bare(whole_a)..], &whole_b[bare(whole_b)..]);
            let order = p.len().cmp(&q.len()).then_with(|| p.cmp(q)).then_with(|| m.cmp(&n));
            if order.is_ne() {
                return order;
            }
            (a, b) = (&a[m..], &b[n..]);
        } else if x != y {
            return x.cmp(y);
        } else {
            (a, b) = (&a[1..], &b[1..]);
        }
    }
}
