//! Times as text (RFC 3339), for warnings and the API.

use jiff::Timestamp;

/// Unix milliseconds as `2026-01-02T03:04:05.678Z`.
pub(crate) fn rfc3339(ms: i64) -> String {
    // Of years beyond the calendar's there is no such text.
    Timestamp::from_millisecond(ms).map_or_else(|_| format!("{ms} ms"), |time| format!("{time:.3}"))
}

/// Unix milliseconds of an RFC 3339 text; what is finer is cut off.
pub(crate) fn from_rfc3339(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_times_are_read_and_written() {
        for (text, ms) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("2000-02-29T12:34:56.789Z", 951_827_696_789),
            ("1969-12-31T23:59:59.999Z", -1),
            ("2026-11-23T02:30:00.000Z", 1_795_401_000_000),
        ] {
            assert_eq!(from_rfc3339(text), Some(ms), "{text}");
            assert_eq!(rfc3339(ms), text);
        }
        assert_eq!(from_rfc3339("2000-02-29T14:34:56.7891+02:00"), Some(951_827_696_789));
        for wrong in
            ["", "2000-02-30T00:00:00Z", "2000-01-01T00:00:00", "2000-01-01T00:00:00.Z", "20é0-01-01T00:00Z"]
        {
            assert_eq!(from_rfc3339(wrong), None, "{wrong}");
        }
        assert_eq!(rfc3339(i64::MAX), "9223372036854775807 ms");
    }

    proptest! {
        #[test]
        fn times_come_back_from_text(ms in -60_000_000_000_000_i64..250_000_000_000_000) {
            prop_assert_eq!(from_rfc3339(&rfc3339(ms)), Some(ms));
        }
    }
}
