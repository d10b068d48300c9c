//! Parts of dates: values are taken as Unix seconds, in UTC.

/// A part of a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Date {
    Minute,
    Hour,
    DayOfWeek,
    DayOfMonth,
    DayOfYear,
    DaysInMonth,
    Month,
    Year,
}

impl Date {
    /// That part of a time in Unix seconds.
    pub(crate) fn of(self, seconds: f64) -> f64 {
        if !seconds.is_finite() {
            return f64::NAN;
        }
        let seconds = seconds as i64;
        let days = seconds.div_euclid(86_400);
        let in_day = seconds.rem_euclid(86_400);
        let (year, month, day) = civil(days);
        let part = match self {
            Date::Minute => in_day / 60 % 60,
            Date::Hour => in_day / 3600,
            // 1 January 1970 was a Thursday.
            Date::DayOfWeek => (days + 4).rem_euclid(7),
            Date::DayOfMonth => day,
            Date::DayOfYear => (1..month).map(|m| days_in(year, m)).sum::<i64>() + day,
            Date::DaysInMonth => days_in(year, month),
            Date::Month => month,
            Date::Year => year,
        };
        part as f64
    }
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Year, month and day of a day counted from 1 January 1970, in the Gregorian calendar without end.
/// Years are counted from March, so that the leap day is the last; 400 years are 146,097 days.
fn civil(days: i64) -> (i64, i64, i64) {
    let from_march = days + 719_468;
    let era = from_march.div_euclid(146_097);
    let day_of_era = from_march.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_on_both_sides_of_leap_days() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(-1), (1969, 12, 31));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(11_017), (2000, 3, 1));
        assert_eq!(Date::DayOfYear.of(11_017.0 * 86_400.0), 61.0);
        assert_eq!(Date::DayOfWeek.of(-1.0), 3.0);
        assert_eq!(Date::Hour.of(-1.0), 23.0);
        assert!(Date::Year.of(f64::INFINITY).is_nan());
    }
}
