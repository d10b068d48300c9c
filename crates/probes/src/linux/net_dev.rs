//! `/proc/net/dev`: what every network interface has counted (kernel: net/core/net-procfs.c).

use super::text::{complete_lines, number, words};

/// One interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// Its name.
    pub(crate) name: &'a [u8],
    /// Received: bytes, packets, errs, drop, fifo, frame, compressed, multicast; then sent: bytes,
    /// packets, errs, drop, fifo, colls, carrier, compressed. `None` for what is no number.
    pub(crate) values: [Option<u64>; 16],
}

/// Every interface, in the kernel's order.
pub(crate) fn parse(content: &[u8]) -> impl Iterator<Item = Line<'_>> {
    complete_lines(content).filter_map(line)
}

fn line(line: &[u8]) -> Option<Line<'_>> {
    // Old kernels put no space behind the colon and let names have one of their own, so the last
    // colon parts the two. The two lines of headings have none.
    let colon = line.iter().rposition(|b| *b == b':')?;
    let name = line[..colon].trim_ascii_start();
    let mut values = [None; 16];
    let mut count = 0;
    for (value, word) in values.iter_mut().zip(words(&line[colon + 1..])) {
        *value = number(word);
        count += 1;
    }
    (count == 16 && !name.is_empty()).then_some(Line { name, values })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADINGS: &str = "Inter-|   Receive                                                |  Transmit\n \
        face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n";

    fn names(text: &str) -> Vec<String> {
        parse(text.as_bytes()).map(|l| String::from_utf8_lossy(l.name).into_owned()).collect()
    }

    #[test]
    fn every_shape_of_line() {
        let text = format!(
            "{HEADINGS}    lo:    3245      30    0    0    0     0          0         0     3245      30    0    0    0     0       0          0\n\
             eth0:90772778 5078 1 2 3 4 5 6 501876 4030 7 8 9 10 11 12\n\
             eth0:1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n\
             br-0a\u{e9}|x: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
        );
        assert_eq!(names(&text), ["lo", "eth0", "eth0:1", "br-0a\u{e9}|x"]);
        let eth0 = parse(text.as_bytes()).nth(1).unwrap();
        let expected = [90_772_778, 5078, 1, 2, 3, 4, 5, 6, 501_876, 4030, 7, 8, 9, 10, 11, 12];
        assert_eq!(eth0.values, expected.map(Some));
    }

    #[test]
    fn absurd_numbers_are_absent_and_broken_lines_left_out() {
        let line = format!("e: {} -1 {} x 5 6 7 8 9 10 11 12 13 14 15 16\n", u64::MAX, "9".repeat(30));
        let values = parse(line.as_bytes()).next().unwrap().values;
        assert_eq!(values[..5], [Some(u64::MAX), None, None, None, Some(5)]);
        for bad in [
            "",
            "e:\n",
            "e: 1 2 3\n",
            ": 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
            "e: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
        ] {
            assert!(names(bad).is_empty(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(content in prop::collection::vec(any::<u8>(), 0..512)) {
            parse(&content).for_each(drop);
        }

        #[test]
        fn a_written_line_is_read_back(name in "[a-z][a-z0-9.@:-]{0,14}", values in prop::array::uniform16(any::<u64>()), space in " {0,3}") {
            let numbers = values.map(|v| v.to_string()).join(" ");
            let text = format!("{HEADINGS}{name:>6}:{space}{numbers}\n");
            let lines: Vec<_> = parse(text.as_bytes()).collect();
            prop_assert_eq!(lines.len(), 1);
            prop_assert_eq!(lines[0].name, name.as_bytes());
            prop_assert_eq!(lines[0].values, values.map(Some));
        }
    }
}
