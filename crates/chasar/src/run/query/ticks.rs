//! The axis of time, in UTC.

use chasar_top::text::pad;
use jiff::Timestamp;
use jiff::tz::TimeZone;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Distances that people count in.
const ROUND: [i64; 33] = [
    1,
    2,
    5,
    10,
    20,
    50,
    100,
    200,
    500,
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    14 * DAY,
    28 * DAY,
    91 * DAY,
    364 * DAY,
];

/// The smallest round distance that is not below; beyond the longest, so many of those.
pub(super) fn round_up(ms: i64) -> i64 {
    let longest = ROUND[ROUND.len() - 1];
    let found = ROUND.into_iter().find(|round| *round >= ms);
    found.unwrap_or_else(|| (ms / longest).saturating_add(1).saturating_mul(longest))
}

/// A length of time as PromQL has it.
pub(super) fn length(ms: i64) -> String {
    const UNITS: [(&str, i64); 5] = [("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", 1)];
    let mut left = ms.max(0);
    let mut text = String::new();
    for (unit, size) in UNITS {
        if left >= size {
            text += &format!("{}{unit}", left / size);
            left %= size;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

fn shown(ms: i64, format: &str) -> Option<String> {
    let time = Timestamp::from_millisecond(ms).ok()?.to_zoned(TimeZone::UTC);
    Some(time.strftime(format).to_string())
}

/// The line below the drawing, so many columns wide, and the times below its marks, which may begin so many
/// columns before it.
pub(super) fn axis(from_ms: i64, to_ms: i64, width: usize, margin: usize) -> (String, String) {
    let mut axis: Vec<char> = vec!['─'; width];
    let mut times = String::new();
    let span = to_ms.saturating_sub(from_ms).max(1);
    // A mark's place is that of the dots above it, of which a character has two side by side.
    let place = |ms: i64| ((ms - from_ms) as f64 / span as f64 * (2 * width - 1) as f64).round() as usize / 2;
    for step in ROUND.into_iter().filter(|step| span / step <= width as i64) {
        let (format, wide) = match step {
            s if s < SECOND => ("%H:%M:%S%.3f", 12),
            s if s < MINUTE => ("%H:%M:%S", 8),
            s if s < DAY => ("%H:%M", 5),
            s if s < 364 * DAY => ("%m-%d", 5),
            _ => ("%Y-%m", 7),
        };
        let Some(first) = from_ms.checked_add((step - from_ms.rem_euclid(step)) % step) else { break };
        let marks: Vec<i64> = (0..=width as i64)
            .filter_map(|n| first.checked_add(n.checked_mul(step)?))
            .take_while(|t| *t <= to_ms)
            .collect();
        if marks.len() > 1 && width * step as usize / (span as usize) < wide + 2 {
            continue;
        }
        for mark in marks {
            let column = place(mark).min(width - 1);
            // Of several days, a day begins with its date.
            let is_day = (HOUR..DAY).contains(&step) && mark.rem_euclid(DAY) == 0;
            let Some(text) = shown(mark, if is_day { "%m-%d" } else { format }) else { continue };
            axis[column] = '┬';
            let begin = (margin + column).saturating_sub(text.len() / 2);
            let begin = begin.min((margin + width).saturating_sub(text.len()));
            if begin >= times.len() + usize::from(!times.is_empty()) {
                times = pad(&times, begin, false) + &text;
            }
        }
        break;
    }
    (axis.into_iter().collect(), times)
}

/// Which days these are, and how far the values are apart.
pub(super) fn caption(from_ms: i64, to_ms: i64, step_ms: Option<i64>) -> String {
    let step = step_ms.map_or(String::new(), |step| format!(", a value every {}", length(step)));
    let days = match (shown(from_ms, "%F"), shown(to_ms, "%F")) {
        (Some(from), Some(to)) if from == to => format!("{from} UTC"),
        (Some(from), Some(to)) => format!("{from} to {to} UTC"),
        _ => format!("{from_ms} to {to_ms} ms since 1970"),
    };
    days + &step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_round_distances() {
        assert_eq!([0, 250, 90_000, 5_400_000, DAY].map(length), ["0s", "250ms", "1m30s", "1h30m", "1d"]);
        assert_eq!([0, 3, 31 * SECOND, DAY + 1, 365 * DAY].map(round_up), [1, 5, MINUTE, 2 * DAY, 728 * DAY]);
        assert_eq!(round_up(i64::MAX) % (364 * DAY), i64::MAX % (364 * DAY), "saturates");
    }

    #[test]
    fn axes_of_time() {
        let at = 1_700_000_000_000; // 22:13:20
        for (span, width, marks, times) in [
            (30 * SECOND, 40, [0, 13, 26, 39].as_slice(), "22:13:20 22:13:30     22:13:40  22:13:50"),
            (HOUR, 40, &[1, 11, 21, 30], "22:15    22:30     22:45    23:00"),
            (DAY, 40, &[3, 13, 22, 32], " 11-15     06:00    12:00     18:00"),
            (7 * DAY, 40, &[0, 11, 23, 34], "11-15    11-17       11-19      11-21"),
            (400 * DAY, 60, &[10, 24, 37, 51], "        01-25         04-25        07-25         10-24"),
        ] {
            let (axis, shown) = axis(at, at + span, width, 0);
            assert_eq!(axis.chars().count(), width);
            let found: Vec<usize> =
                axis.chars().enumerate().filter(|(_, c)| *c == '┬').map(|(at, _)| at).collect();
            assert_eq!((found.as_slice(), shown.as_str()), (marks, times), "{axis}");
        }
        assert_eq!(axis(at - 20_000, at, 20, 4).1, "22:13:00  22:13:10");
        assert_eq!(axis(at, at, 10, 0).0.chars().count(), 10);
        assert_eq!(axis(i64::MIN, i64::MAX, 10, 0).0.chars().count(), 10);
        assert_eq!(caption(at, at + HOUR, Some(15_000)), "2023-11-14 UTC, a value every 15s");
        assert_eq!(caption(at, at + DAY, None), "2023-11-14 to 2023-11-15 UTC");
    }
}
