//! Wall clock texts of the report of 2016, and the zone they are told in.

use std::fmt::Write;

use chasar_wire::Text;
use jiff::Timestamp;
use jiff::tz::Offset;
#[cfg(not(windows))]
use jiff::tz::TimeZone;

/// Writes a moment over `text` as `YYYY-MM-DD HH:MM:SS.ffffff`, `offset` seconds ahead of UTC.
///
/// Moments that no calendar has (before year -9999 or after 9999) leave it empty.
pub(crate) fn write(text: &mut Text, unix_micros: i64, offset_seconds: i32) {
    text.clear();
    let offset = Offset::from_seconds(offset_seconds);
    let (Ok(moment), Ok(offset)) = (Timestamp::from_microsecond(unix_micros), offset) else { return };
    let t = offset.to_datetime(moment);
    // Writing into a text cannot fail.
    let _ = write!(
        text,
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}",
        t.year(),
        t.month(),
        t.day(),
        t.hour(),
        t.minute(),
        t.second(),
        t.subsec_nanosecond() / 1000,
    );
}

/// Local time less UTC at a moment.
#[cfg(not(windows))]
pub(crate) fn offset_seconds(zone: &TimeZone, unix_micros: i64) -> i32 {
    Timestamp::from_microsecond(unix_micros).map_or(0, |moment| zone.to_offset(moment).seconds())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(unix_micros: i64, offset: i32) -> String {
        let mut text = Text::from("old");
        write(&mut text, unix_micros, offset);
        text.to_string()
    }

    #[test]
    fn clocks_are_told_as_in_2016() {
        assert_eq!(written(0, 0), "1970-01-01 00:00:00.000000");
        assert_eq!(written(1_481_710_830_123_456, 0), "2016-12-14 10:20:30.123456");
        assert_eq!(written(1_481_710_830_123_456, 3600), "2016-12-14 11:20:30.123456");
        assert_eq!(written(-1, 0), "1969-12-31 23:59:59.999999");
        assert_eq!(written(1_709_164_800_000_000, -1800), "2024-02-28 23:30:00.000000");
        assert_eq!(written(i64::MAX, 0), "");
    }

    #[test]
    fn summer_time_is_the_zone_s_business() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        assert_eq!(offset_seconds(&zone, 1_704_067_200_000_000), 3600);
        assert_eq!(offset_seconds(&zone, 1_719_792_000_000_000), 7200);
        assert_eq!(offset_seconds(&zone, i64::MAX), 0);
    }
}
