//! The bounds that both ends enforce on a report, and the scan that checks the text before it is parsed.

use std::fmt;

/// Largest report, plain JSON.
pub const MAX_REPORT_BYTES: usize = 1 << 20;
/// Deepest nesting of objects and lists.
pub const MAX_NESTING: usize = 16;
/// Longest text value, as escaped in the JSON.
pub const MAX_TEXT_BYTES: usize = 4 << 10;
/// Longest name: host, process, interface, mount, device.
pub const MAX_NAME_BYTES: usize = 255;
/// Most processes in one report.
pub const MAX_PROCESSES: usize = 4_096;
/// Most probes in one report.
pub const MAX_PROBES: usize = 128;
/// Most numbers one node may have.
pub const MAX_SERIES: usize = 20_000;
/// Most nodes of one masternode.
pub const MAX_NODES: usize = 20_000;
/// Shortest time between two reports.
pub const MIN_INTERVAL_SECONDS: f64 = 0.1;
/// Longest time between two reports.
pub const MAX_INTERVAL_SECONDS: f64 = 3_600.0;

/// Which bound a report breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitError {
    /// Larger than [`MAX_REPORT_BYTES`].
    Size {
        /// Its size.
        bytes: usize,
    },
    /// Nested deeper than [`MAX_NESTING`].
    Nesting {
        /// Byte offset where the bound was passed.
        at: usize,
    },
    /// A text longer than [`MAX_TEXT_BYTES`].
    Text {
        /// Byte offset where the text begins.
        at: usize,
    },
    /// More numbers than [`MAX_SERIES`].
    Series {
        /// How many list items and keys there are, at least.
        count: usize,
    },
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LimitError::Size { bytes } => {
                write!(f, "report of {bytes} bytes, the limit is {MAX_REPORT_BYTES}")
            }
            LimitError::Nesting { at } => write!(f, "nested deeper than {MAX_NESTING} at byte {at}"),
            LimitError::Text { at } => write!(f, "text longer than {MAX_TEXT_BYTES} bytes at byte {at}"),
            LimitError::Series { count } => {
                write!(f, "more than {MAX_VALUES} values ({count}), the limit of a node")
            }
        }
    }
}

impl std::error::Error for LimitError {}

/// Most values (separated by commas) in one report: numbers, and the names beside them.
const MAX_VALUES: usize = 4 * MAX_SERIES;

/// Checks the bounds on size, nesting and text length in one pass, without parsing.
///
/// The text need not be JSON; whether it is, the parser says afterwards. What this buys is that the
/// parser never allocates for, or recurses into, something a report may not have, wherever it stands
/// (unknown keys included).
pub fn scan(json: &[u8]) -> Result<(), LimitError> {
    if json.len() > MAX_REPORT_BYTES {
        return Err(LimitError::Size { bytes: json.len() });
    }
    let (mut depth, mut values, mut i) = (0usize, 0usize, 0usize);
    while i < json.len() {
        match json[i] {
            b'"' => {
                let start = i;
                i += 1;
                // An escape never hides the end of a text longer than the bound, so both are watched here.
                while i < json.len() && json[i] != b'"' {
                    i += if json[i] == b'\\' { 2 } else { 1 };
                }
                if i.min(json.len()) - start > MAX_TEXT_BYTES + 1 {
                    return Err(LimitError::Text { at: start });
                }
            }
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_NESTING {
                    return Err(LimitError::Nesting { at: i });
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' => values += 1,
            _ => {}
        }
        i += 1;
    }
    if values > MAX_VALUES {
        return Err(LimitError::Series { count: values });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_bound_is_found_at_its_edge() {
        let nested = |n: usize| [vec![b'['; n], vec![b']'; n]].concat();
        assert_eq!(scan(&nested(MAX_NESTING)), Ok(()));
        assert_eq!(scan(&nested(MAX_NESTING + 1)), Err(LimitError::Nesting { at: MAX_NESTING }));
        let text = |n: usize| format!("[\"{}\"]", "x".repeat(n)).into_bytes();
        assert_eq!(scan(&text(MAX_TEXT_BYTES)), Ok(()));
        assert_eq!(scan(&text(MAX_TEXT_BYTES + 1)), Err(LimitError::Text { at: 1 }));
        assert_eq!(scan(&vec![b' '; MAX_REPORT_BYTES]), Ok(()));
        assert!(matches!(scan(&vec![b' '; MAX_REPORT_BYTES + 1]), Err(LimitError::Size { .. })));
        assert_eq!(scan(&vec![b','; MAX_VALUES]), Ok(()));
        assert!(matches!(scan(&vec![b','; MAX_VALUES + 1]), Err(LimitError::Series { .. })));
        assert_eq!(
            scan(br#""brackets in a text [[[[[[[[[[[[[[[[[[[[[[[[[[ and \"quotes\" [ do not nest""#),
            Ok(())
        );
        assert!(matches!(
            scan(format!("\"{}", "\\".repeat(5000)).as_bytes()),
            Err(LimitError::Text { at: 0 })
        ));
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
            let _ = scan(&bytes);
        }
    }
}
