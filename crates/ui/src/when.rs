//! Dates as people read them: relative in the text, exact on hover.
//!
//! Source: FHIR R4 datatypes.html#dateTime (partial dates keep their precision).
//! This module has no clock: the caller hands in `Now`.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// The moment that "ago" is counted from, in the practice's time zone.
#[derive(Clone, Debug)]
pub struct Now {
    pub at: Timestamp,
    pub zone: TimeZone,
}

impl Now {
    pub fn new(at_ms: i64, zone: TimeZone) -> Now {
        Now { at: Timestamp::from_millisecond(at_ms).unwrap_or_default(), zone }
    }

    pub fn today(&self) -> Date {
        self.at.to_zoned(self.zone.clone()).date()
    }

    pub fn at_ms(&self) -> i64 {
        self.at.as_millisecond()
    }

    /// Clock time of another moment in the same zone: "14:05".
    pub fn clock(&self, ms: i64) -> String {
        let at = Timestamp::from_millisecond(ms).unwrap_or_default().to_zoned(self.zone.clone());
        format!("{:02}:{:02}", at.hour(), at.minute())
    }
}

/// A date or time as shown. Empty `iso` means that it is not recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct When {
    /// The recorded text.
    pub iso: String,
    /// Relative to now: "3 days ago", "in 2 weeks", "Mar 2021".
    pub text: String,
    /// The date, and the time if recorded: "5 Mar 2024, 14:30".
    pub exact: String,
    /// Short and absolute, for columns: "5 Mar", "5 Mar 2021".
    pub short: String,
    /// This year's to the day, older ones to the month: "5 Mar", "Mar 2021".
    pub month: String,
    /// The year, or 0 when not recorded.
    pub year: i16,
    /// Start of the interval that the recorded text stands for, UTC milliseconds.
    pub at_ms: i64,
}

/// A FHIR date, dateTime or instant, parsed to its precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parts {
    Year(i16),
    Month(i16, i8),
    Day(Date),
    Time(Timestamp),
}

fn parse(text: &str) -> Option<Parts> {
    let digits = |range: core::ops::Range<usize>| text.get(range)?.parse::<i16>().ok();
    match text.len() {
        4 => Some(Parts::Year(digits(0..4)?)),
        7 => {
            let month = i8::try_from(digits(5..7)?).ok().filter(|m| (1..=12).contains(m))?;
            Some(Parts::Month(digits(0..4)?, month))
        }
        10 => text.parse::<Date>().ok().map(Parts::Day),
        _ => text.parse::<Timestamp>().ok().map(Parts::Time),
    }
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// "Mar" for 3; empty for what is no month.
pub fn month_name(month: i8) -> &'static str {
    usize::try_from(month).ok().and_then(|m| MONTHS.get(m.wrapping_sub(1)).copied()).unwrap_or("")
}

/// "5 Mar 2024".
pub fn day_text(date: Date) -> String {
    format!("{} {} {}", date.day(), month_name(date.month()), date.year())
}

impl When {
    /// How the recorded text `fhir` reads at `now`. Text that is no date is shown as it is.
    pub fn of(fhir: &str, now: &Now) -> When {
        let Some(parts) = parse(fhir) else {
            return When {
                iso: fhir.to_owned(),
                text: fhir.to_owned(),
                exact: fhir.to_owned(),
                short: fhir.to_owned(),
                month: fhir.to_owned(),
                ..When::default()
            };
        };
        let today = now.today();
        let start = |date: Option<Date>| {
            date.and_then(|d| d.to_zoned(TimeZone::UTC).ok())
                .map_or(0, |z| z.timestamp().as_millisecond())
        };
        let (text, exact, short, year, at_ms) = match parts {
            Parts::Year(y) => {
                (y.to_string(), y.to_string(), y.to_string(), y, start(Date::new(y, 1, 1).ok()))
            }
            Parts::Month(y, m) => {
                let text = format!("{} {y}", month_name(m));
                (text.clone(), text.clone(), text, y, start(Date::new(y, m, 1).ok()))
            }
            Parts::Day(d) => {
                (relative_day(d, today), day_text(d), short_day(d, today), d.year(), start(Some(d)))
            }
            Parts::Time(t) => {
                let local = t.to_zoned(now.zone.clone());
                let day = local.date();
                let clock = format!("{:02}:{:02}", local.hour(), local.minute());
                let text = match (day - today).get_days() {
                    0 => relative_time(t, now, &clock),
                    1 => format!("tomorrow {clock}"),
                    -1 => "yesterday".to_owned(),
                    _ => relative_day(day, today),
                };
                let exact = format!("{}, {clock}", day_text(day));
                (text, exact, short_day(day, today), day.year(), t.as_millisecond())
            }
        };
        let month = match short.split(' ').collect::<Vec<_>>().as_slice() {
            [_, month, year] => format!("{month} {year}"),
            _ => short.clone(),
        };
        When { iso: fhir.to_owned(), text, exact, short, month, year, at_ms }
    }
}

fn relative_time(t: Timestamp, now: &Now, clock: &str) -> String {
    let minutes = (now.at_ms() - t.as_millisecond()) / 60_000;
    match minutes {
        0..=1 => "just now".to_owned(),
        2..=59 => format!("{minutes} min ago"),
        -59..=-1 => format!("in {} min", -minutes),
        _ => format!("today {clock}"),
    }
}

fn short_day(d: Date, today: Date) -> String {
    if d.year() == today.year() {
        format!("{} {}", d.day(), month_name(d.month()))
    } else {
        day_text(d)
    }
}

fn relative_day(d: Date, today: Date) -> String {
    let days = (d - today).get_days();
    let past = days < 0;
    let n = days.unsigned_abs();
    let counted = |n: u32, unit: &str| {
        let s = if n == 1 { "" } else { "s" };
        if past { format!("{n} {unit}{s} ago") } else { format!("in {n} {unit}{s}") }
    };
    match n {
        0 => "today".to_owned(),
        1 if past => "yesterday".to_owned(),
        1 => "tomorrow".to_owned(),
        2..=13 => counted(n, "day"),
        14..=60 => counted(n / 7, "week"),
        61..=364 => counted(n * 12 / 365, "month"),
        _ => format!("{} {}", month_name(d.month()), d.year()),
    }
}

/// Age in the words that matter at that age: days, weeks, months, then years.
///
/// Source: common practice (days to 4 weeks, weeks to 3 months, months to 2 years).
/// A birth date of only a year or month gives "about 42 y". Without one: empty.
pub fn age(birth: &str, at: Date) -> String {
    let years_between = |y: i16, m: i8| {
        let before = at.month() < m;
        i32::from(at.year()) - i32::from(y) - i32::from(before)
    };
    match parse(birth) {
        Some(Parts::Year(y)) => format!("about {} y", i32::from(at.year()) - i32::from(y)),
        Some(Parts::Month(y, m)) => format!("about {} y", years_between(y, m)),
        Some(Parts::Day(d)) => age_of(d, at),
        Some(Parts::Time(t)) => age_of(t.to_zoned(TimeZone::UTC).date(), at),
        None => String::new(),
    }
}

fn age_of(born: Date, at: Date) -> String {
    let days = (at - born).get_days();
    if days < 0 {
        return "not yet born".to_owned();
    }
    let before = (at.month(), at.day()) < (born.month(), born.day());
    let years = i32::from(at.year()) - i32::from(born.year()) - i32::from(before);
    let months = (i32::from(at.year()) - i32::from(born.year())) * 12 + i32::from(at.month())
        - i32::from(born.month())
        - i32::from(at.day() < born.day());
    match days {
        0 => "born today".to_owned(),
        1..=28 => format!("{days} d"),
        29..=90 => format!("{} wk", days / 7),
        _ if months < 24 => format!("{months} mo"),
        _ => format!("{years} y"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Now {
        let at: Timestamp = "2026-11-22T15:00:00Z".parse().expect("a fixed time");
        Now { at, zone: TimeZone::UTC }
    }

    #[test]
    fn reads_dates_relative_to_now() {
        for (fhir, text, exact) in [
            ("2026-11-22", "today", "22 Nov 2026"),
            ("2026-11-21", "yesterday", "21 Nov 2026"),
            ("2026-11-23", "tomorrow", "23 Nov 2026"),
            ("2026-11-12", "10 days ago", "12 Nov 2026"),
            ("2026-12-20", "in 4 weeks", "20 Dec 2026"),
            ("2026-05-22", "6 months ago", "22 May 2026"),
            ("2019-03-05", "Mar 2019", "5 Mar 2019"),
            ("2019-03", "Mar 2019", "Mar 2019"),
            ("2019", "2019", "2019"),
            ("2026-11-22T14:18:00Z", "42 min ago", "22 Nov 2026, 14:18"),
            ("2026-11-22T09:00:00+02:00", "today 07:00", "22 Nov 2026, 07:00"),
            ("2026-11-23T09:30:00Z", "tomorrow 09:30", "23 Nov 2026, 09:30"),
            ("2026-13", "2026-13", "2026-13"),
            ("around Easter", "around Easter", "around Easter"),
        ] {
            let when = When::of(fhir, &now());
            assert_eq!((when.text.as_str(), when.exact.as_str()), (text, exact), "{fhir}");
        }
    }

    #[test]
    fn ages_in_the_words_of_the_age() {
        let at = now().today();
        for (birth, text) in [
            ("2026-11-22", "born today"),
            ("2026-11-10", "12 d"),
            ("2026-10-01", "7 wk"),
            ("2025-11-23", "11 mo"),
            ("2024-11-22", "2 y"),
            ("1964-11-23", "61 y"),
            ("1964-11-22", "62 y"),
            ("1964", "about 62 y"),
            ("1964-12", "about 61 y"),
            ("2027-01-01", "not yet born"),
            ("", ""),
        ] {
            assert_eq!(age(birth, at), text, "{birth}");
        }
    }
}
