//! A moment as a user types it: a date, a number of seconds, or so long ago.

use std::time::Duration;

use crate::settings::value;

/// A moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Unix milliseconds.
    At(i64),
    /// So long before now.
    Ago(Duration),
}

impl Moment {
    /// Unix milliseconds.
    pub(crate) fn ms(self, now_ms: i64) -> i64 {
        match self {
            Moment::At(ms) => ms,
            Moment::Ago(ago) => now_ms.saturating_sub(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX)),
        }
    }
}

/// Times beyond it have no exact milliseconds in history.
const MAX_SECONDS: f64 = 9e12;

/// `2026-11-23T10:00:00Z`, `1700000000.5`, `-2h`, `now-2h`, `now`.
pub(super) fn moment(text: &str) -> Result<Moment, String> {
    let wrong = || {
        "it is no time; give 2026-11-23T10:00:00Z, seconds since 1970, now, or as -2h how long ago".to_owned()
    };
    if text == "now" {
        return Ok(Moment::Ago(Duration::ZERO));
    }
    if let Some(ago) = text.strip_prefix("now-").or_else(|| text.strip_prefix('-')) {
        return value::duration(ago).map(Moment::Ago).map_err(|_| wrong());
    }
    if let Ok(seconds) = text.parse::<f64>() {
        let ms = (seconds * 1000.0).round();
        return if seconds.abs() <= MAX_SECONDS { Ok(Moment::At(ms as i64)) } else { Err(wrong()) };
    }
    text.parse::<jiff::Timestamp>().map(|t| Moment::At(t.as_millisecond())).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let now = 1_700_000_000_000;
        for (text, ms) in [
            ("now", now),
            ("now-90s", now - 90_000),
            ("-2h", now - 7_200_000),
            ("-60", now - 60_000),
            ("1600000000", 1_600_000_000_000),
            ("1600000000.25", 1_600_000_000_250),
            ("2023-11-14T22:13:20Z", now),
            ("2023-11-14T23:13:20.5+01:00", now + 500),
        ] {
            assert_eq!(moment(text).map(|m| m.ms(now)), Ok(ms), "{text}");
        }
        for text in ["", "yesterday", "now+1h", "-", "nan", "1e300", "2023-11-14"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }
}
