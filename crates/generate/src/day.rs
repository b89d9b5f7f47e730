//! Calendar days and local times of day.
//!
//! Source: FHIR R4 datatypes.html#date, #dateTime, #instant. The practice lies in the US Eastern zone:
//! -05:00, and -04:00 from the second Sunday of March to the first Sunday of November at 02:00
//! (Energy Policy Act of 2005). Does not parse, and knows no other zone.

/// A day, as days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i32);

/// A local time: a day and minutes since its midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// The local day.
    pub day: Day,
    /// Minutes since local midnight, `0..1440`.
    pub minute: u16,
}

impl Day {
    /// The day of a proleptic Gregorian date; a day past the end of its month becomes the last one.
    pub fn from_ymd(year: i32, month: u8, day: u8) -> Day {
        assert!((1..=12).contains(&month) && (1..=31).contains(&day), "{year}-{month}-{day}");
        let day = day.min(days_in_month(year, month));
        let y = if month <= 2 { year - 1 } else { year };
        let era = y.div_euclid(400);
        let year_of_era = y.rem_euclid(400);
        let shifted = (i32::from(month) + 9) % 12;
        let day_of_year = (153 * shifted + 2) / 5 + i32::from(day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Day(era * 146_097 + day_of_era - 719_468)
    }

    /// Year, month 1..=12 and day 1..=31.
    pub fn ymd(self) -> (i32, u8, u8) {
        let z = self.0 + 719_468;
        let era = z.div_euclid(146_097);
        let day_of_era = z.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * shifted + 2) / 5 + 1) as u8;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 } as u8;
        (year_of_era + era * 400 + i32::from(month <= 2), month, day)
    }

    /// The year.
    pub fn year(self) -> i32 {
        self.ymd().0
    }

    /// The month, 1..=12.
    pub fn month(self) -> u8 {
        self.ymd().1
    }

    /// The day of the week, 0 for Monday to 6 for Sunday.
    pub fn weekday(self) -> u8 {
        (self.0 + 3).rem_euclid(7) as u8
    }

    /// This day plus `days`.
    pub fn plus(self, days: i32) -> Day {
        Day(self.0 + days)
    }

    /// This day plus `months`, kept within the month.
    pub fn plus_months(self, months: i32) -> Day {
        let (year, month, day) = self.ymd();
        let total = year * 12 + i32::from(month) - 1 + months;
        Day::from_ymd(total.div_euclid(12), total.rem_euclid(12) as u8 + 1, day)
    }

    /// True on weekends and the holidays on which practices close.
    pub fn is_closed(self) -> bool {
        let (_, month, day) = self.ymd();
        let weekday = self.weekday();
        weekday >= 5
            || matches!((month, day), (1, 1) | (7, 4) | (12, 25))
            || month == 11 && weekday == 3 && (22..=28).contains(&day)
            || weekday == 0 && (month == 5 && day >= 25 || month == 9 && day <= 7)
    }

    /// This day, or the next one on which the practice is open.
    pub fn working(self) -> Day {
        let mut day = self;
        while day.is_closed() {
            day = day.plus(1);
        }
        day
    }

    /// The working day `count` working days from this working day; negative goes back.
    pub fn plus_working(self, count: i32) -> Day {
        let mut day = self;
        let step = count.signum();
        for _ in 0..count.abs() {
            day = day.plus(step);
            while day.is_closed() {
                day = day.plus(step);
            }
        }
        day
    }

    /// Years between the days, as a fraction.
    pub fn years_since(self, earlier: Day) -> f64 {
        f64::from(self.0 - earlier.0) / 365.25
    }

    /// Completed years on this day of one born on `birth`.
    pub fn age(self, birth: Day) -> i32 {
        let (y, m, d) = self.ymd();
        let (by, bm, bd) = birth.ymd();
        y - by - i32::from((m, d) < (bm, bd))
    }

    /// Completed months on this day of one born on `birth`.
    pub fn age_months(self, birth: Day) -> i32 {
        let (y, m, d) = self.ymd();
        let (by, bm, bd) = birth.ymd();
        (y - by) * 12 + i32::from(m) - i32::from(bm) - i32::from(d < bd)
    }

    /// Writes `2026-03-09`.
    pub fn write(self, out: &mut String) {
        let (year, month, day) = self.ymd();
        digits(out, year as u32, 4);
        out.push('-');
        digits(out, u32::from(month), 2);
        out.push('-');
        digits(out, u32::from(day), 2);
    }

    /// The day `minute` minutes after midnight.
    pub fn at(self, minute: u16) -> At {
        At { day: self, minute }
    }
}

impl At {
    /// This time plus `minutes`.
    pub fn plus(self, minutes: u16) -> At {
        let total = u32::from(self.minute) + u32::from(minutes);
        At { day: self.day.plus((total / 1440) as i32), minute: (total % 1440) as u16 }
    }

    /// Writes `2026-03-09T09:20:00-04:00`, a dateTime and an instant.
    pub fn write(self, out: &mut String) {
        self.day.write(out);
        out.push('T');
        digits(out, u32::from(self.minute) / 60, 2);
        out.push(':');
        digits(out, u32::from(self.minute) % 60, 2);
        out.push_str(if is_summer(self) { ":00-04:00" } else { ":00-05:00" });
    }
}

fn is_summer(at: At) -> bool {
    let (year, month, _) = at.day.ymd();
    match month {
        4..=10 => true,
        3 => at >= nth_sunday(year, 3, 2).at(120),
        11 => at < nth_sunday(year, 11, 1).at(120),
        _ => false,
    }
}

fn nth_sunday(year: i32, month: u8, nth: i32) -> Day {
    let first = Day::from_ymd(year, month, 1);
    first.plus((6 - i32::from(first.weekday())).rem_euclid(7) + 7 * (nth - 1))
}

fn days_in_month(year: i32, month: u8) -> u8 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Writes `value` with at least `width` digits.
pub fn digits(out: &mut String, value: u32, width: usize) {
    let mut buffer = [b'0'; 10];
    let mut at = buffer.len();
    let mut left = value;
    while left > 0 || buffer.len() - at < width {
        at -= 1;
        buffer[at] = b'0' + (left % 10) as u8;
        left /= 10;
    }
    out.extend(buffer[at..].iter().map(|digit| char::from(*digit)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_round_trip() {
        for number in (-30_000..40_000).step_by(17) {
            let (year, month, day) = Day(number).ymd();
            assert_eq!(Day::from_ymd(year, month, day), Day(number));
        }
        assert_eq!(Day::from_ymd(1970, 1, 1), Day(0));
        assert_eq!(Day::from_ymd(2026, 11, 22).weekday(), 6);
        assert_eq!(Day::from_ymd(2024, 1, 31).plus_months(1), Day::from_ymd(2024, 2, 29));
    }

    #[test]
    fn offset_follows_daylight_saving() {
        let mut out = String::new();
        Day::from_ymd(2026, 3, 8).at(119).write(&mut out);
        out.push(' ');
        Day::from_ymd(2026, 3, 8).at(180).write(&mut out);
        out.push(' ');
        Day::from_ymd(2026, 11, 1).at(180).write(&mut out);
        assert_eq!(
            out,
            "2026-03-08T01:59:00-05:00 2026-03-08T03:00:00-04:00 2026-11-01T03:00:00-05:00"
        );
    }

    #[test]
    fn working_days_skip_weekends() {
        let friday = Day::from_ymd(2026, 11, 20);
        assert_eq!(friday.plus_working(1), Day::from_ymd(2026, 11, 23));
        assert_eq!(friday.plus(1).working(), Day::from_ymd(2026, 11, 23));
        assert_eq!(Day::from_ymd(2026, 11, 23).plus_working(-1), friday);
        for (month, day) in [(1, 1), (5, 25), (7, 4), (9, 7), (11, 26), (12, 25)] {
            assert!(Day::from_ymd(2026, month, day).is_closed(), "{month}-{day}");
        }
    }

    #[test]
    fn ages_count_completed_units() {
        let birth = Day::from_ymd(2020, 5, 20);
        assert_eq!(Day::from_ymd(2026, 5, 19).age(birth), 5);
        assert_eq!(Day::from_ymd(2026, 5, 20).age(birth), 6);
        assert_eq!(Day::from_ymd(2020, 7, 19).age_months(birth), 1);
    }
}
