//! Dates and times with the precision they were given.
//!
//! Source: FHIR R4 datatypes.html#date, #dateTime, #instant, #time.
//! Calendar: proleptic Gregorian. No clock and no time zone names here.

/// How much of a date was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Precision {
    Year,
    Month,
    Day,
    Minute,
    Second,
    /// Fractions of a second; the field `digits` says how many digits.
    Fraction,
}

/// A date, dateTime or instant: what was given, no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PartialDate {
    pub year: i32,
    /// 1..=12; 1 when not given.
    pub month: u8,
    /// 1..=31; 1 when not given.
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    /// 0..=60; a leap second is taken as the last second of its minute.
    pub second: u8,
    /// Nanoseconds; finer digits are cut.
    pub nanos: u32,
    /// Number of digits given for the fraction.
    pub digits: u8,
    /// Minutes east of UTC.
    pub offset_min: Option<i16>,
    pub precision: Precision,
}

const DAY_MS: i64 = 86_400_000;

/// Days from 1970-01-01 of a civil date. Shape: any year; month 1..=12; day may overflow.
pub const fn days_from_civil(year: i32, month: u8, day: u8) -> i64 {
    let y = year as i64 - if month <= 2 { 1 } else { 0 };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let mp = (month as i64 + 9) % 12;
    let doy = (153 * mp + 2) / 5 + day as i64 - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

/// Year, month and day of a number of days from 1970-01-01.
pub const fn civil_from_days(days: i64) -> (i32, u8, u8) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = (doy - (153 * mp + 2) / 5 + 1) as u8;
    let month = (if mp < 10 { mp + 3 } else { mp - 9 }) as u8;
    let year = yoe + era * 400 + if month <= 2 { 1 } else { 0 };
    (year as i32, month, day)
}

pub const fn days_in_month(year: i32, month: u8) -> u8 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn number(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0u32, |n, b| {
        b.is_ascii_digit().then(|| n.wrapping_mul(10).wrapping_add(u32::from(b - b'0')))
    })
}

impl PartialDate {
    /// Reads a date, dateTime or instant.
    ///
    /// Shape: `YYYY`, `YYYY-MM`, `YYYY-MM-DD`, `YYYY-MM-DDThh:mm[:ss[.f…]][zone]`.
    /// Minutes without seconds are read because searches use them (search.html#date); `check`
    /// refuses them in resources.
    /// Errors: `None` when the text is no such date or the day does not exist.
    pub fn parse(text: &str) -> Option<PartialDate> {
        let b = text.as_bytes();
        let mut d = PartialDate {
            year: number(b.get(0..4)?)? as i32,
            month: 1,
            day: 1,
            hour: 0,
            minute: 0,
            second: 0,
            nanos: 0,
            digits: 0,
            offset_min: None,
            precision: Precision::Year,
        };
        if d.year == 0 {
            return None;
        }
        if b.len() == 4 {
            return Some(d);
        }
        d.month = u8::try_from(field(b, 4, b'-')?).ok()?;
        d.precision = Precision::Month;
        if !(1..=12).contains(&d.month) {
            return None;
        }
        if b.len() == 7 {
            return Some(d);
        }
        d.day = u8::try_from(field(b, 7, b'-')?).ok()?;
        d.precision = Precision::Day;
        if d.day == 0 || d.day > days_in_month(d.year, d.month) {
            return None;
        }
        if b.len() == 10 {
            return Some(d);
        }
        if b[10] != b'T' {
            return None;
        }
        d.time(&b[11..]).then_some(d)
    }

    /// Reads `hh:mm[:ss[.f…]][zone]`; true when all of it was understood.
    fn time(&mut self, b: &[u8]) -> bool {
        let read = || -> Option<(u32, u32, usize)> {
            Some((number(b.get(0..2)?)?, field(b, 2, b':')?, 5))
        };
        let Some((hour, minute, mut at)) = read() else { return false };
        if hour > 23 || minute > 59 {
            return false;
        }
        (self.hour, self.minute) = (hour as u8, minute as u8);
        self.precision = Precision::Minute;
        if b.get(at) == Some(&b':') {
            match field(b, at, b':') {
                Some(s) if s <= 60 => self.second = s as u8,
                _ => return false,
            }
            at += 3;
            self.precision = Precision::Second;
            if b.get(at) == Some(&b'.') {
                let n = b[at + 1..].iter().take_while(|c| c.is_ascii_digit()).count();
                if n == 0 || n > 32 {
                    return false;
                }
                let mut nanos = 0;
                for i in 0..9 {
                    nanos = nanos * 10 + if i < n { u32::from(b[at + 1 + i] - b'0') } else { 0 };
                }
                self.nanos = nanos;
                self.digits = n as u8;
                self.precision = Precision::Fraction;
                at += 1 + n;
            }
        }
        match &b[at..] {
            [] => true,
            b"Z" => {
                self.offset_min = Some(0);
                true
            }
            [sign @ (b'+' | b'-'), rest @ ..] if rest.len() == 5 => {
                let (Some(h), Some(m)) = (number(&rest[0..2]), field(rest, 2, b':')) else {
                    return false;
                };
                let minutes = (h * 60 + m) as i16;
                self.offset_min = Some(if *sign == b'-' { -minutes } else { minutes });
                h <= 14 && m <= 59 && minutes <= 14 * 60
            }
            _ => false,
        }
    }

    /// The closed interval of UTC milliseconds that the date stands for.
    ///
    /// Without a zone, UTC is taken (search.html#date leaves it to the server).
    pub fn range_utc_ms(&self) -> (i64, i64) {
        let lo = self.start_utc_ms();
        let hi = match self.precision {
            Precision::Year => days_from_civil(self.year + 1, 1, 1) * DAY_MS,
            Precision::Month if self.month == 12 => days_from_civil(self.year + 1, 1, 1) * DAY_MS,
            Precision::Month => days_from_civil(self.year, self.month + 1, 1) * DAY_MS,
            Precision::Day => lo + DAY_MS,
            Precision::Minute => lo + 60_000,
            Precision::Second => lo + 1_000,
            Precision::Fraction => {
                lo + match self.digits {
                    1 => 100,
                    2 => 10,
                    _ => 1,
                }
            }
        };
        (lo, hi - 1)
    }

    /// First millisecond of the interval, UTC.
    pub fn start_utc_ms(&self) -> i64 {
        let days = days_from_civil(self.year, self.month, self.day);
        let seconds = i64::from(self.hour) * 3600
            + i64::from(self.minute) * 60
            + i64::from(self.second.min(59))
            - i64::from(self.offset_min.unwrap_or(0)) * 60;
        days * DAY_MS + seconds * 1000 + i64::from(self.nanos / 1_000_000)
    }
}

/// Two digits behind a separator at `at`.
fn field(b: &[u8], at: usize, separator: u8) -> Option<u32> {
    (b.get(at) == Some(&separator)).then(|| number(b.get(at + 1..at + 3)?)).flatten()
}

/// An instant in UTC with milliseconds: `2026-11-22T14:33:00.123Z`.
pub fn format_instant(utc_ms: i64) -> String {
    let days = utc_ms.div_euclid(DAY_MS);
    let ms = utc_ms.rem_euclid(DAY_MS);
    let (year, month, day) = civil_from_days(days);
    let mut out = *b"0000-00-00T00:00:00.000Z";
    let mut put = |at: usize, n: i64, width: usize| {
        let mut n = n;
        for i in (at..at + width).rev() {
            out[i] = b'0' + (n % 10) as u8;
            n /= 10;
        }
    };
    put(0, i64::from(year.clamp(0, 9999)), 4);
    put(5, i64::from(month), 2);
    put(8, i64::from(day), 2);
    put(11, ms / 3_600_000, 2);
    put(14, ms / 60_000 % 60, 2);
    put(17, ms / 1000 % 60, 2);
    put(20, ms % 1000, 3);
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_have_the_given_precision() {
        let range = |t: &str| PartialDate::parse(t).expect(t).range_utc_ms();
        let instant = |t: &str| range(t).0;
        let want = |lo: &str, hi: &str| (instant(lo), instant(hi) - 1);
        assert_eq!(range("1970"), (0, 365 * DAY_MS - 1));
        assert_eq!(range("2020-02"), want("2020-02-01T00:00:00Z", "2020-03-01T00:00:00Z"));
        assert_eq!(range("2020-12"), want("2020-12-01T00:00:00Z", "2021-01-01T00:00:00Z"));
        assert_eq!(range("2020-02-29"), want("2020-02-29T00:00:00Z", "2020-03-01T00:00:00Z"));
        assert_eq!(
            range("2020-01-01T01:30:00+02:00"),
            want("2019-12-31T23:30:00Z", "2019-12-31T23:30:01Z")
        );
        assert_eq!(range("2020-01-01T00:00:00.5Z").1 - range("2020-01-01T00:00:00.5Z").0, 99);
        assert_eq!(range("2020-01-01T00:00:00.1239Z").0 % 1000, 123);
    }

    #[test]
    fn refuses_what_is_no_date() {
        for text in [
            "",
            "20",
            "0000",
            "2020-13",
            "2020-00",
            "2021-02-29",
            "2020-1-1",
            "2020-01-01T",
            "2020-01-01T24:00:00Z",
            "2020-01-01T10",
            "2020-01-01 10:00",
            "2020-01-01T10:00:00.Z",
            "2020-01-01T10:00:00+25:00",
            "2020-01-01T10:00:00z",
            "x020",
            "2020-01-01T10:61:00Z",
        ] {
            assert_eq!(PartialDate::parse(text), None, "{text}");
        }
    }

    #[test]
    fn civil_days_are_inverse_over_four_centuries() {
        for days in (-150_000..150_000).step_by(7) {
            let (y, m, d) = civil_from_days(days);
            assert_eq!(days_from_civil(y, m, d), days);
        }
    }

    #[test]
    fn instants_print_and_read_back() {
        for ms in [0, 1, 1_763_822_000_123, -1] {
            let text = format_instant(ms);
            assert_eq!(PartialDate::parse(&text).expect("date").start_utc_ms(), ms, "{text}");
        }
        assert_eq!(format_instant(0), "1970-01-01T00:00:00.000Z");
    }
}
