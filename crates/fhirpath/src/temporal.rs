//! Dates and times with the precision at which they were written.
//!
//! Source: FHIRPath N1 §2.1.4–2.1.6 (literals), §6.1.1 and §6.2 (comparison across precisions and
//! time zones), §6.6 (arithmetic). Values hold no more than what was written; a missing part is
//! unknown, not zero.

use std::cmp::Ordering;
use std::fmt;

/// Smallest part that a value states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Precision {
    /// `YYYY`.
    Year,
    /// `YYYY-MM`.
    Month,
    /// `YYYY-MM-DD`.
    Day,
    /// `hh`.
    Hour,
    /// `hh:mm`.
    Minute,
    /// `hh:mm:ss`, with or without a fraction.
    Second,
}

/// A date; parts below `precision` hold their smallest value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Date {
    /// 1 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// `Year`, `Month` or `Day`.
    pub precision: Precision,
}

/// A time of day; parts below `precision` hold zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Time {
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59 (60 for a leap second).
    pub second: u8,
    /// Digits of the fraction that were written, 0 to 9.
    pub fraction_digits: u8,
    /// Fraction of the second.
    pub nanos: u32,
    /// `Hour`, `Minute` or `Second`.
    pub precision: Precision,
}

/// A date with an optional time and an optional offset from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DateTime {
    /// The date part.
    pub date: Date,
    /// The time part; only with a date of precision `Day`.
    pub time: Option<Time>,
    /// Minutes east of UTC, when stated.
    pub offset_min: Option<i16>,
}

const DAY_NS: i128 = 86_400_000_000_000;
/// The widest offsets in use: a value without an offset may be this far from UTC.
const OFFSET_NS_MAX: i128 = 14 * 3_600_000_000_000;

fn two(text: &str) -> Option<u8> {
    (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// Days in `month` of `year` in the proleptic Gregorian calendar.
#[must_use]
pub fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 (civil calendar, Howard Hinnant's method).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y - era * 400;
    let doy = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

fn civil_from_days(days: i64) -> (i64, u8, u8) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z - era * 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    (year, month as u8, day as u8)
}

impl Date {
    /// Reads `YYYY`, `YYYY-MM` or `YYYY-MM-DD`; `None` when it is not a date of the calendar.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let year_text = parts.next()?;
        if year_text.len() != 4 || !year_text.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let year: u16 = year_text.parse().ok()?;
        if year == 0 {
            return None;
        }
        let mut date = Self { year, month: 1, day: 1, precision: Precision::Year };
        if let Some(month) = parts.next() {
            date.month = two(month).filter(|m| (1..=12).contains(m))?;
            date.precision = Precision::Month;
        }
        if let Some(day) = parts.next() {
            let last = days_in_month(year, date.month);
            date.day = two(day).filter(|d| (1..=last).contains(d))?;
            date.precision = Precision::Day;
        }
        parts.next().is_none().then_some(date)
    }

    fn days(self) -> i64 {
        days_from_civil(i64::from(self.year), i64::from(self.month), i64::from(self.day))
    }

    fn from_days(days: i64) -> Option<Self> {
        let (year, month, day) = civil_from_days(days);
        let year = u16::try_from(year).ok().filter(|y| (1..=9999).contains(y))?;
        Some(Self { year, month, day, precision: Precision::Day })
    }

    /// The last day that this date can mean.
    #[must_use]
    pub fn latest(self) -> Self {
        let month = if self.precision < Precision::Month { 12 } else { self.month };
        let day = if self.precision < Precision::Day {
            days_in_month(self.year, month)
        } else {
            self.day
        };
        Self { month, day, ..self }
    }

    /// Order, or `None` when the precisions leave it open.
    #[must_use]
    pub fn compare(self, other: Self) -> Option<Ordering> {
        let fields = |d: Self| [u32::from(d.year), u32::from(d.month), u32::from(d.day)];
        let stated = |d: Self| match d.precision {
            Precision::Year => 1,
            Precision::Month => 2,
            _ => 3,
        };
        compare_fields(&fields(self), stated(self), &fields(other), stated(other))
    }

    fn add_months(self, months: i64) -> Option<Self> {
        let total = i64::from(self.year) * 12 + i64::from(self.month) - 1 + months;
        let year = u16::try_from(total.div_euclid(12)).ok().filter(|y| (1..=9999).contains(y))?;
        let month = (total.rem_euclid(12) + 1) as u8;
        let day = self.day.min(days_in_month(year, month));
        Some(Self { year, month, day, precision: self.precision })
    }
}

fn compare_fields(a: &[u32], n_a: usize, b: &[u32], n_b: usize) -> Option<Ordering> {
    for i in 0..n_a.min(n_b) {
        match a[i].cmp(&b[i]) {
            Ordering::Equal => {}
            decided => return Some(decided),
        }
    }
    (n_a == n_b).then_some(Ordering::Equal)
}

impl Time {
    /// Reads `hh`, `hh:mm`, `hh:mm:ss` or `hh:mm:ss.f…`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let hour = two(parts.next()?).filter(|h| *h < 24)?;
        let mut time = Self {
            hour,
            minute: 0,
            second: 0,
            fraction_digits: 0,
            nanos: 0,
            precision: Precision::Hour,
        };
        if let Some(minute) = parts.next() {
            time.minute = two(minute).filter(|m| *m < 60)?;
            time.precision = Precision::Minute;
        }
        if let Some(second) = parts.next() {
            let (whole, fraction) = match second.split_once('.') {
                Some((whole, fraction)) => (whole, Some(fraction)),
                None => (second, None),
            };
            time.second = two(whole).filter(|s| *s <= 60)?;
            time.precision = Precision::Second;
            if let Some(fraction) = fraction {
                if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
                    return None;
                }
                // Below a nanosecond nothing is kept.
                let kept = &fraction[..fraction.len().min(9)];
                time.fraction_digits = kept.len() as u8;
                time.nanos = kept.parse::<u32>().ok()? * 10_u32.pow(9 - kept.len() as u32);
            }
        }
        parts.next().is_none().then_some(time)
    }

    fn stated(self) -> usize {
        match self.precision {
            Precision::Hour => 1,
            Precision::Minute => 2,
            // Seconds and their fraction are one decimal number (§6.2).
            _ => 4,
        }
    }

    fn fields(self) -> [u32; 4] {
        [u32::from(self.hour), u32::from(self.minute), u32::from(self.second), self.nanos]
    }

    /// Order, or `None` when the precisions leave it open.
    #[must_use]
    pub fn compare(self, other: Self) -> Option<Ordering> {
        compare_fields(&self.fields(), self.stated(), &other.fields(), other.stated())
    }

    fn ns(self) -> i128 {
        let seconds =
            (i128::from(self.hour) * 60 + i128::from(self.minute)) * 60 + i128::from(self.second);
        seconds * 1_000_000_000 + i128::from(self.nanos)
    }

    fn from_ns(ns: i128, like: Self) -> Self {
        let ns = ns.rem_euclid(DAY_NS);
        let seconds = ns / 1_000_000_000;
        let nanos = (ns % 1_000_000_000) as u32;
        let mut digits = like.fraction_digits;
        while digits < 9 && !nanos.is_multiple_of(10_u32.pow(9 - u32::from(digits))) {
            digits += 1;
        }
        // A computed fraction is written in milliseconds at least.
        if digits > like.fraction_digits {
            digits = digits.max(3);
        }
        Self {
            hour: (seconds / 3600) as u8,
            minute: (seconds / 60 % 60) as u8,
            second: (seconds % 60) as u8,
            nanos,
            fraction_digits: digits,
            precision: like.precision,
        }
    }

    /// The last instant that this time can mean, to the millisecond.
    #[must_use]
    pub fn latest(self) -> Self {
        let mut out = self;
        if self.precision < Precision::Minute {
            out.minute = 59;
        }
        if self.precision < Precision::Second {
            out.second = 59;
        }
        if self.fraction_digits < 3 {
            let unit = 10_u32.pow(9 - u32::from(self.fraction_digits));
            out.nanos = self.nanos + unit - 1_000_000;
        }
        out.fraction_digits = self.fraction_digits.max(3);
        out.precision = Precision::Second;
        out
    }
}

impl DateTime {
    /// Reads a FHIR `dateTime` or `instant`, also with hours alone or without an offset.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let Some((date, rest)) = text.split_once('T') else {
            return Some(Self { date: Date::parse(text)?, time: None, offset_min: None });
        };
        let date = Date::parse(date)?;
        let (time, offset_min) = if let Some(time) = rest.strip_suffix('Z') {
            (time, Some(0))
        } else if let Some(sign_at) = rest.find(['+', '-']) {
            let (hours, minutes) = rest[sign_at + 1..].split_once(':')?;
            let (hours, minutes) = (two(hours)?, two(minutes)?);
            if hours > 14 || minutes > 59 {
                return None;
            }
            let offset = i16::from(hours) * 60 + i16::from(minutes);
            let sign = if rest[sign_at..].starts_with('-') { -1 } else { 1 };
            (&rest[..sign_at], Some(sign * offset))
        } else {
            (rest, None)
        };
        if date.precision != Precision::Day {
            return None;
        }
        Some(Self { date, time: Some(Time::parse(time)?), offset_min })
    }

    /// The instant `ms` after 1970-01-01T00:00:00Z, shown at `offset_min` east of UTC.
    #[must_use]
    pub fn from_utc_ms(ms: i64, offset_min: i16) -> Self {
        let local = i128::from(ms) * 1_000_000 + i128::from(offset_min) * 60_000_000_000;
        let like = Time {
            hour: 0,
            minute: 0,
            second: 0,
            fraction_digits: 3,
            nanos: 0,
            precision: Precision::Second,
        };
        let epoch = Date { year: 1970, month: 1, day: 1, precision: Precision::Day };
        let date = Date::from_days(local.div_euclid(DAY_NS) as i64).unwrap_or(epoch);
        Self { date, time: Some(Time::from_ns(local, like)), offset_min: Some(offset_min) }
    }

    /// The smallest part that is stated.
    #[must_use]
    pub fn precision(self) -> Precision {
        self.time.map_or(self.date.precision, |t| t.precision)
    }

    /// First and last nanosecond, as if written in UTC.
    fn range_ns(self) -> (i128, i128) {
        let start_ns = |d: Date| i128::from(d.days()) * DAY_NS;
        let Some(time) = self.time else {
            return (start_ns(self.date), start_ns(self.date.latest()) + DAY_NS - 1);
        };
        let offset = i128::from(self.offset_min.unwrap_or(0)) * 60_000_000_000;
        let start = start_ns(self.date) + time.ns() - offset;
        let width = match time.precision {
            Precision::Hour => 3_600_000_000_000,
            Precision::Minute => 60_000_000_000,
            _ => 1,
        };
        (start, start + width - 1)
    }

    /// Order, or `None` when precision or a missing offset leaves it open.
    #[must_use]
    pub fn compare(self, other: Self) -> Option<Ordering> {
        if self.offset_min.is_some() != other.offset_min.is_some() {
            return self.compare_unsure(other);
        }
        let (a, b) = match (self.offset_min, other.offset_min) {
            (Some(x), Some(y)) if x != y => (self.to_utc(), other.to_utc()),
            _ => (self, other),
        };
        match a.date.compare(b.date) {
            Some(Ordering::Equal) => {}
            decided => return decided,
        }
        match (a.time, b.time) {
            (Some(x), Some(y)) => x.compare(y),
            (None, None) => Some(Ordering::Equal),
            _ => None,
        }
    }

    /// One side has no offset: decided only when no offset in use could change the answer.
    fn compare_unsure(self, other: Self) -> Option<Ordering> {
        let widen = |v: Self| {
            let (lo, hi) = v.range_ns();
            if v.offset_min.is_some() { (lo, hi) } else { (lo - OFFSET_NS_MAX, hi + OFFSET_NS_MAX) }
        };
        let ((a_lo, a_hi), (b_lo, b_hi)) = (widen(self), widen(other));
        if a_hi < b_lo {
            Some(Ordering::Less)
        } else if b_hi < a_lo {
            Some(Ordering::Greater)
        } else {
            None
        }
    }

    fn to_utc(self) -> Self {
        let (Some(offset), Some(time)) = (self.offset_min, self.time) else { return self };
        let local = i128::from(self.date.days()) * DAY_NS + time.ns();
        let utc = local - i128::from(offset) * 60_000_000_000;
        let date = Date::from_days(utc.div_euclid(DAY_NS) as i64).unwrap_or(self.date);
        Self { date, time: Some(Time::from_ns(utc, time)), offset_min: Some(0) }
    }
}

/// A step of calendar arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    Months(i64),
    Ns(i128),
}

impl Date {
    /// This date moved by `span`, at the same precision; `None` outside the calendar.
    ///
    /// Source: FHIRPath N1 §6.6: a span finer than the precision counts in whole units of it.
    pub(crate) fn add(self, span: Span) -> Option<Self> {
        match (self.precision, span) {
            (Precision::Year, Span::Months(n)) => self.add_months(n / 12 * 12),
            (_, Span::Months(n)) => self.add_months(n),
            (Precision::Year, Span::Ns(ns)) => {
                self.add_months(i64::try_from(ns / (DAY_NS * 365)).ok()?.checked_mul(12)?)
            }
            (Precision::Month, Span::Ns(ns)) => {
                self.add_months(i64::try_from(ns / (DAY_NS * 30)).ok()?)
            }
            (_, Span::Ns(ns)) => {
                let days = i64::try_from(ns / DAY_NS).ok()?;
                Self::from_days(self.days().checked_add(days)?)
            }
        }
    }
}

impl DateTime {
    /// This instant moved by `span`, at the same precision and offset.
    pub(crate) fn add(self, span: Span) -> Option<Self> {
        match (self.time, span) {
            (None, _) | (_, Span::Months(_)) => Some(Self { date: self.date.add(span)?, ..self }),
            (Some(time), Span::Ns(ns)) => {
                let unit = unit_ns(time.precision);
                let ns = i128::from(self.date.days()) * DAY_NS + time.ns() + ns / unit * unit;
                let days = i64::try_from(ns.div_euclid(DAY_NS)).ok()?;
                let date = Date::from_days(days)?;
                Some(Self { date, time: Some(Time::from_ns(ns, time)), ..self })
            }
        }
    }
}

impl Time {
    /// This time moved by `span` around the clock.
    pub(crate) fn add(self, span: Span) -> Option<Self> {
        match span {
            Span::Months(_) => None,
            Span::Ns(ns) => {
                let unit = unit_ns(self.precision);
                Some(Self::from_ns(self.ns() + ns % DAY_NS / unit * unit, self))
            }
        }
    }
}

fn unit_ns(precision: Precision) -> i128 {
    match precision {
        Precision::Hour => 3_600_000_000_000,
        Precision::Minute => 60_000_000_000,
        _ => 1,
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.year)?;
        if self.precision >= Precision::Month {
            write!(f, "-{:02}", self.month)?;
        }
        if self.precision >= Precision::Day {
            write!(f, "-{:02}", self.day)?;
        }
        Ok(())
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}", self.hour)?;
        if self.precision >= Precision::Minute {
            write!(f, ":{:02}", self.minute)?;
        }
        if self.precision >= Precision::Second {
            write!(f, ":{:02}", self.second)?;
        }
        if self.fraction_digits > 0 {
            let digits = usize::from(self.fraction_digits);
            let fraction = format!("{:09}", self.nanos);
            write!(f, ".{}", &fraction[..digits])?;
        }
        Ok(())
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.date)?;
        if let Some(time) = self.time {
            write!(f, "T{time}")?;
        }
        match self.offset_min {
            None => Ok(()),
            Some(0) => f.write_str("Z"),
            Some(m) => {
                let sign = if m < 0 { '-' } else { '+' };
                write!(f, "{sign}{:02}:{:02}", m.abs() / 60, m.abs() % 60)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dt(text: &str) -> DateTime {
        DateTime::parse(text).expect(text)
    }

    #[test]
    fn reads_and_writes() {
        for text in ["2015", "2015-02", "2015-02-04", "2015-02-04T14", "2015-02-04T14:34:28.120Z"] {
            assert_eq!(dt(text).to_string(), text);
        }
        assert_eq!(dt("2015-02-04T14:34:28-05:30").to_string(), "2015-02-04T14:34:28-05:30");
        for text in ["2015-2", "2015-02-30", "20150204", "2015-02T10", "", "2015-02-04T24", "0000"]
        {
            assert!(DateTime::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn precision_leaves_order_open() {
        assert_eq!(dt("2018-03").compare(dt("2018-03-01")), None);
        assert_eq!(dt("2018-03").compare(dt("2018-04-01")), Some(Ordering::Less));
        assert_eq!(
            dt("2018-03-01T10:30:00").compare(dt("2018-03-01T10:30:00.0")),
            Some(Ordering::Equal)
        );
    }

    #[test]
    fn offsets() {
        let a = dt("2017-11-05T01:30:00.0-04:00");
        assert_eq!(a.compare(dt("2017-11-05T01:15:00.0-05:00")), Some(Ordering::Less));
        assert_eq!(a.compare(dt("2017-11-05T10:15:00.0")), None);
        assert_eq!(a.compare(dt("2017-11-07T01:15:00.0")), Some(Ordering::Less));
    }

    #[test]
    fn arithmetic() {
        let day = |n: i128| Span::Ns(n * DAY_NS);
        let add = |text: &str, span| dt(text).add(span).expect("in calendar").to_string();
        assert_eq!(add("1973-12-25", day(7)), "1974-01-01");
        assert_eq!(add("2016-02-29", Span::Months(12)), "2017-02-28");
        assert_eq!(add("2014", Span::Months(24)), "2016");
        assert_eq!(
            add("2014-01-01T00:00:00.000+10:00", Span::Ns(-1)),
            "2013-12-31T23:59:59.999999999+10:00"
        );
        assert!(dt("9999-12-31").add(day(1)).is_none());
        assert_eq!(
            Time::parse("23:30")
                .and_then(|t| t.add(Span::Ns(3_600_000_000_000)))
                .map(|t| t.to_string())
                .as_deref(),
            Some("00:30")
        );
    }

    #[test]
    fn epoch() {
        assert_eq!(DateTime::from_utc_ms(0, 0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(DateTime::from_utc_ms(-1, 60).to_string(), "1970-01-01T00:59:59.999+01:00");
    }
}
