//! Numbers, sizes, times and tables for people.

use chasar_top::text::{clean, columns, pad};

/// A count with its thousands set apart.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// One or many of something.
pub(in crate::run) fn things(n: u64, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{} {many}", count(n)) }
}

/// A size with a binary unit.
pub(super) fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") }
}

/// A ratio with two decimals, or a dash where there is nothing to divide by.
pub(super) fn ratio(of: u64, by: u64) -> String {
    divided(of, by).map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"))
}

/// The same as a number.
pub(super) fn divided(of: u64, by: u64) -> Option<f64> {
    (by > 0).then(|| of as f64 / by as f64)
}

/// A time in UTC, to the millisecond where it has such.
pub(in crate::run) fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| format!("{ms} ms"), |t| t.to_string())
}

/// A piece of text from a host or a file, harmless for a terminal.
pub(super) fn harmless(text: impl std::fmt::Display) -> String {
    clean(&text.to_string()).into_owned()
}

/// Rows in columns as wide as their widest cell; the first column to the left, the rest to the right
/// except for those in `left`. All cells are made harmless.
pub(super) fn table(rows: &[Vec<String>], left: &[usize]) -> String {
    let n = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |at: usize| rows.iter().filter_map(|r| r.get(at)).map(|c| columns(c)).max().unwrap_or(0);
    let widths: Vec<usize> = (0..n).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .enumerate()
            .map(|(at, cell)| pad(cell, widths[at], at > 0 && !left.contains(&at)))
            .collect();
        text += cells.join("  ").trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([count(0), count(999), count(1000), count(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([size(0), size(1023), size(1536), size(5 << 30)], ["0 B", "1023 B", "1.5 KiB", "5.0 GiB"]);
        assert_eq!([ratio(1, 0), ratio(1, 3)], ["-", "0.33"]);
        assert_eq!(time(1_700_000_000_000), "2023-11-14T22:13:20Z");
        assert_eq!(time(1), "1970-01-01T00:00:00.001Z");
        assert_eq!([things(1, "file", "files"), things(0, "file", "files")], ["1 file", "0 files"]);
    }

    #[test]
    fn a_table_is_aligned_and_harmless() {
        let rows = [vec!["name".to_owned(), "n".to_owned()], vec!["a\u{1b}[2J".to_owned(), "100".to_owned()]];
        assert_eq!(table(&rows, &[]), "name     n\na�[2J  100\n");
    }
}
