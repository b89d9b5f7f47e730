//! Charts as SVG: a series over time with axis, unit, reference band and points, and sparklines.
//!
//! Horizontal places are percentages, so that a chart fills its card without distorting text;
//! vertical places are pixels. Colours come from classes (no inline style, so the CSP can be
//! strict). Each point carries its words in `data-read`, for the readout by hover and keyboard,
//! and in `title` for readers without scripts. A table of the same points stands behind.

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use maud::{Markup, html};

use crate::{
    components,
    icon::Icon,
    view::{Hand, Point, Series},
    when::month_name,
};

/// Height of the drawing area, and of the part above the axis, in pixels.
const HEIGHT: f64 = 190.0;
const FLOOR: f64 = 166.0;
const TOP: f64 = 8.0;

/// Most points drawn; of a longer series the latest are, and the table says so.
pub const POINTS_MAX: usize = 120;

/// More points than this stand too close for rings: the abnormal ones are then larger.
const DENSE_MIN: usize = 40;

/// Marks of an axis: round steps that cover `low..=high`, about `wanted` of them.
fn ticks(low: f64, high: f64, wanted: f64) -> Vec<f64> {
    let span = (high - low).max(1e-9);
    let rough = span / wanted;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|m| m * power)
        .find(|s| *s >= rough)
        .unwrap_or(power * 10.0);
    let first = (low / step).floor();
    let last = (high / step).ceil();
    let n = (last - first).clamp(1.0, 12.0);
    let mut out = Vec::new();
    let mut i = 0.0;
    while i <= n {
        out.push((first + i) * step);
        i += 1.0;
    }
    out
}

/// A number with no more digits than it needs, at most three.
fn short_number(v: f64) -> String {
    let text = format!("{v:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// The scales of one chart.
struct Frame {
    from_ms: f64,
    to_ms: f64,
    low: f64,
    high: f64,
    marks: Vec<f64>,
}

impl Frame {
    fn of(series: &Series, points: &[Point]) -> Frame {
        let values = points.iter().flat_map(|p| [Some(p.value), p.second]).flatten();
        let (mut low, mut high) =
            values.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
        let span = (high - low).max(high.abs() * 0.05).max(0.1);
        // The band is drawn where it is near; a far limit must not flatten the curve.
        for edge in [series.range_low, series.range_high].into_iter().flatten() {
            if edge > low - span && edge < high + span {
                low = low.min(edge);
                high = high.max(edge);
            }
        }
        let pad = (high - low).max(span * 0.2) * 0.08;
        let marks =
            ticks((low - pad).max(if low >= 0.0 { 0.0 } else { f64::MIN }), high + pad, 4.0);
        let (from, to) =
            (points.first().map_or(0, |p| p.at_ms), points.last().map_or(0, |p| p.at_ms));
        let day = 86_400_000.0;
        let (mut from_ms, mut to_ms) = (from as f64, to as f64);
        if to_ms - from_ms < day {
            (from_ms, to_ms) = (from_ms - day, to_ms + day);
        }
        Frame {
            from_ms,
            to_ms,
            low: marks.first().copied().unwrap_or(0.0),
            high: marks.last().copied().unwrap_or(1.0),
            marks,
        }
    }

    /// Percent from the left; points keep clear of both edges.
    fn x(&self, at_ms: f64) -> f64 {
        2.0 + 96.0 * (at_ms - self.from_ms) / (self.to_ms - self.from_ms)
    }

    fn y(&self, value: f64) -> f64 {
        let part = (value - self.low) / (self.high - self.low).max(1e-9);
        FLOOR - (FLOOR - TOP) * part.clamp(0.0, 1.0)
    }

    /// Dates under the axis: years, months or days, as the span asks.
    fn dates(&self) -> Vec<(f64, String)> {
        let date = |ms: f64| {
            Timestamp::from_millisecond(ms as i64)
                .map(|t| t.to_zoned(TimeZone::UTC).date())
                .unwrap_or_default()
        };
        let (from, to) = (date(self.from_ms), date(self.to_ms));
        let days = (to - from).get_days();
        let mut out = Vec::new();
        let mut push = |d: Option<Date>, text: String| {
            if let Some(z) = d.and_then(|d| d.to_zoned(TimeZone::UTC).ok()) {
                let x = self.x(z.timestamp().as_millisecond() as f64);
                if (1.0..=99.0).contains(&x) {
                    out.push((x, text));
                }
            }
        };
        if days > 900 {
            let years = i32::from(to.year() - from.year()).max(1);
            let step = usize::try_from((years + 4) / 5).unwrap_or(1).max(1);
            for y in (from.year()..=to.year()).rev().step_by(step) {
                push(Date::new(y, 1, 1).ok(), y.to_string());
            }
            out.reverse();
        } else if days > 75 {
            let months =
                i32::from(to.year() - from.year()) * 12 + i32::from(to.month() - from.month());
            let step = usize::try_from((months + 4) / 5).unwrap_or(1).max(1);
            for m in (0..=months).step_by(step) {
                let at = i32::from(from.month()) - 1 + m;
                let (y, m) = (i32::from(from.year()) + at / 12, at % 12 + 1);
                let (Ok(y), Ok(m)) = (i16::try_from(y), i8::try_from(m)) else { continue };
                push(Date::new(y, m, 1).ok(), format!("{} {y}", month_name(m)));
            }
        } else {
            let step = usize::try_from((days + 4) / 5).unwrap_or(1).max(1);
            let mut day = from;
            for i in 0..=usize::try_from(days).unwrap_or(0) {
                if i % step == 0 {
                    push(Some(day), format!("{} {}", day.day(), month_name(day.month())));
                }
                let Ok(next) = day.tomorrow() else { break };
                day = next;
            }
        }
        out
    }
}

fn percent(v: f64) -> String {
    format!("{v:.2}%")
}

fn px(v: f64) -> String {
    format!("{v:.1}")
}

/// What the readout says of one point.
fn words(series: &Series, p: &Point) -> String {
    let (_, flag) = p.flag.words();
    let mut out = format!("{} {}", p.text, series.unit);
    if !flag.is_empty() {
        out.push_str(&format!(" ({flag})"));
    }
    out.push_str(&format!(" · {}", p.when.exact));
    match (p.source.outside, p.hand) {
        (true, _) => out.push_str(&format!(" · outside: {}", p.source.label)),
        (false, hand) => out.push_str(&format!(" · {}", hand.word())),
    }
    out
}

/// The chart of one series in its card: title, last value, readout, drawing, key, table.
pub fn figure(patient: &str, series: &Series, href: Option<&str>) -> Markup {
    let skipped = series.points.len().saturating_sub(POINTS_MAX);
    let points = series.points.get(skipped..).unwrap_or_default();
    html! {
        figure.card data-test="plot" data-key=(series.key) {
            div.plot-head {
                h2 {
                    @if let Some(href) = href { a href=(href) { (series.title) } } @else { (series.title) }
                    " " small { (series.unit) @if !series.range.is_empty() { " · range " (series.range) } }
                }
                @if let Some(last) = series.last() {
                    span.plot-last {
                        span.abnormal[last.flag.abnormal()] { (last.text) } " "
                        span.unit { (series.unit) } " " (components::flag(last.flag)) " "
                        (components::trend(series.trend()))
                    }
                }
            }
            p.readout aria-live="polite" data-readout {
                @if let Some(last) = series.last() { "Last " (components::when(&last.when)) }
            }
            @if !points.is_empty() { (drawing(series, points)) (key(series, points)) }
            details.fold {
                summary { (Icon::Right.sized(12)) "Table" }
                (table(patient, series))
            }
        }
    }
}

fn drawing(series: &Series, points: &[Point]) -> Markup {
    let frame = Frame::of(series, points);
    let band = match (series.range_low, series.range_high) {
        (None, None) => None,
        (low, high) => {
            Some((frame.y(high.unwrap_or(frame.high)), frame.y(low.unwrap_or(frame.low))))
        }
    };
    let label = format!("{} over time, {} points", series.title, points.len());
    html! {
        div.plot {
            svg.plot-y width="46" height=(HEIGHT) aria-hidden="true" {
                @for m in &frame.marks { text x="40" y=(px(frame.y(*m) + 4.0)) { (short_number(*m)) } }
            }
            svg.plot-area height=(HEIGHT) role="img" aria-label=(label) tabindex="0" data-plot {
                @if let Some((top, foot)) = band {
                    rect.band x="0" width="100%" y=(px(top)) height=(px((foot - top).max(0.0))) {}
                    @if series.range_high.is_some() { line.edge x1="0" x2="100%" y1=(px(top)) y2=(px(top)) {} }
                    @if series.range_low.is_some() { line.edge x1="0" x2="100%" y1=(px(foot)) y2=(px(foot)) {} }
                }
                @for m in &frame.marks {
                    line.grid x1="0" x2="100%" y1=(px(frame.y(*m))) y2=(px(frame.y(*m))) {}
                }
                line.axis x1="0" x2="100%" y1=(FLOOR) y2=(FLOOR) {}
                @for (x, text) in frame.dates() {
                    @let class = if x < 6.0 { "x first" } else if x > 94.0 { "x last" } else { "x" };
                    text class=(class) x=(percent(x)) y=(FLOOR + 18.0) { (text) }
                }
                line.cursor y1=(TOP) y2=(FLOOR) {}
                @let dense = points.len() > DENSE_MIN;
                @if points.iter().any(|p| p.second.is_some()) {
                    g.second.dense[dense] { (trace(series, points, &frame, |p| p.second, false)) }
                }
                g.dense[dense] { (trace(series, points, &frame, |p| Some(p.value), true)) }
            }
        }
    }
}

/// One curve: segments, then points above them; the first curve carries the readouts.
fn trace(
    series: &Series,
    points: &[Point],
    frame: &Frame,
    value: impl Fn(&Point) -> Option<f64>,
    reads: bool,
) -> Markup {
    let places: Vec<(f64, f64, &Point)> = points
        .iter()
        .filter_map(|p| value(p).map(|v| (frame.x(p.at_ms as f64), frame.y(v), p)))
        .collect();
    let dense = places.len() > DENSE_MIN;
    let radius = |abnormal: bool| match (dense, abnormal) {
        (true, false) => "2",
        _ => "3.5",
    };
    html! {
        @for pair in places.windows(2) {
            @if let [(x1, y1, _), (x2, y2, _)] = pair {
                line.line x1=(percent(*x1)) y1=(px(*y1)) x2=(percent(*x2)) y2=(px(*y2)) {}
            }
        }
        @for (x, y, p) in &places {
            @if reads && p.flag.abnormal() && !dense {
                circle.ring cx=(percent(*x)) cy=(px(*y)) r="6.5" {}
            }
            circle class=(point_class(p, reads)) cx=(percent(*x)) cy=(px(*y)) r=(radius(reads && p.flag.abnormal()))
                data-read=[reads.then(|| words(series, p))] {
                @if reads { title { (words(series, p)) } }
            }
        }
    }
}

fn point_class(p: &Point, first: bool) -> &'static str {
    match (p.hand, first && p.flag.abnormal()) {
        (Hand::Home, _) => "point home",
        (_, true) => "point abnormal",
        _ => "point",
    }
}

fn key(series: &Series, points: &[Point]) -> Markup {
    let home = points.iter().any(|p| p.hand == Hand::Home);
    let abnormal = points.iter().any(|p| p.flag.abnormal());
    let banded = series.range_low.is_some() || series.range_high.is_some();
    html! {
        @if home || abnormal || banded || series.pair.is_some() {
            div.plot-key aria-hidden="true" {
                @if let Some((first, second)) = series.pair {
                    span { svg.k1 viewBox="0 0 14 10" { circle cx="7" cy="5" r="4" fill="currentColor" {} } (first) }
                    span { svg.k2 viewBox="0 0 14 10" { circle cx="7" cy="5" r="4" fill="currentColor" {} } (second) }
                }
                @if banded {
                    span {
                        svg.kb viewBox="0 0 14 10" { rect width="14" height="10" rx="2" fill="currentColor" {} }
                        "reference range"
                    }
                }
                @if abnormal {
                    span { svg.kr viewBox="0 0 14 10" {
                        circle cx="7" cy="5" r="4.2" fill="none" stroke="currentColor" stroke-width="1.5" {}
                    } "outside the range" }
                }
                @if home {
                    span { svg viewBox="0 0 14 10" {
                        circle cx="7" cy="5" r="3.5" fill="none" stroke="currentColor" stroke-width="2" {}
                    } "measured at home" }
                }
            }
        }
    }
}

/// The points of a series as a table, newest first.
fn table(patient: &str, series: &Series) -> Markup {
    html! {
        div.table tabindex="0" role="region" aria-label={ (series.title) " as a table" } {
            table {
                caption.hidden-visually { (series.title) ", " (series.unit) ", newest first" }
                thead { tr {
                    th scope="col" { "Date" } th.end scope="col" { "Value" } th scope="col" { "By" }
                    th scope="col" { span.hidden-visually { "FHIR" } }
                } }
                tbody {
                    @for p in series.points.iter().rev().take(POINTS_MAX) {
                        tr {
                            td.nowrap { (p.when.exact) }
                            td.end.nowrap {
                                span.abnormal[p.flag.abnormal()] { (p.text) } " "
                                span.unit { (series.unit) } " " (components::flag(p.flag))
                            }
                            td.dim { (p.hand.word()) " " (components::source(&p.source)) }
                            td { (components::raw(patient, "Observation", &p.id, &series.title)) }
                        }
                    }
                }
            }
        }
        @if series.points.len() > POINTS_MAX {
            p.card-note { "The latest " (POINTS_MAX) " of " (series.points.len()) " values." }
        }
    }
}

/// A sparkline with the reference band and the last point. Empty for fewer than two points.
pub fn spark(series: &Series) -> Markup {
    const W: f64 = 76.0;
    const H: f64 = 22.0;
    let skip = series.points.len().saturating_sub(24);
    let points = series.points.get(skip..).unwrap_or_default();
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return html! {} };
    if points.len() < 2 {
        return html! {};
    }
    let (mut low, mut high) =
        points.iter().fold((f64::MAX, f64::MIN), |(l, h), p| (l.min(p.value), h.max(p.value)));
    let span = (high - low).max(high.abs() * 0.04).max(1e-6);
    for edge in [series.range_low, series.range_high].into_iter().flatten() {
        if edge > low - span && edge < high + span {
            (low, high) = (low.min(edge), high.max(edge));
        }
    }
    let middle = f64::midpoint(low, high);
    let half = ((high - low) / 2.0).max(span / 2.0);
    let y = |v: f64| (H / 2.0 - (v - middle) / half * (H / 2.0 - 3.0)).clamp(0.0, H);
    let time = (last.at_ms - first.at_ms).max(1) as f64;
    let x = |ms: i64| 3.0 + (W - 6.0) * (ms - first.at_ms) as f64 / time;
    let line: Vec<String> =
        points.iter().map(|p| format!("{:.1},{:.1}", x(p.at_ms), y(p.value))).collect();
    let banded = series.range_low.is_some() || series.range_high.is_some();
    let top = series.range_high.map_or(0.0, y);
    let foot = series.range_low.map_or(H, y);
    html! {
        svg.spark viewBox="0 0 76 22" aria-hidden="true" {
            @if banded && foot > top {
                rect.band x="0" y=(px(top)) width="76" height=(px(foot - top)) {}
            }
            polyline points=(line.join(" ")) {}
            circle class=[last.flag.abnormal().then_some("abnormal")] cx=(px(x(last.at_ms)))
                cy=(px(y(last.value))) r="2.5" {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::When;

    fn series(values: &[(i64, f64)]) -> Series {
        let points = values
            .iter()
            .map(|(day, value)| Point {
                at_ms: day * 86_400_000,
                value: *value,
                text: short_number(*value),
                when: When { iso: "x".to_owned(), ..When::default() },
                ..Point::default()
            })
            .collect();
        Series { title: "Weight".to_owned(), unit: "kg".to_owned(), points, ..Series::default() }
    }

    #[test]
    fn ticks_are_round_and_cover() {
        for (low, high) in [(71.2, 88.9), (0.0, 0.4), (98.0, 142.0), (5.0, 5.0), (-2.0, 3.0)] {
            let marks = ticks(low, high, 4.0);
            let (first, last) = (marks[0], marks[marks.len() - 1]);
            assert!(first <= low + 1e-9 && last >= high - 1e-9, "{low}..{high}: {marks:?}");
            assert!((2..=8).contains(&marks.len()), "{low}..{high}: {marks:?}");
        }
    }

    #[test]
    fn draws_any_number_of_points_without_inline_style() {
        for values in [&[][..], &[(0, 70.0)], &[(0, 70.0), (0, 70.0)], &[(0, 0.0), (4000, 1e9)]] {
            let text = figure("p", &series(values), None).into_string();
            assert!(!text.contains("style="));
            assert!(!text.contains("NaN") && !text.contains("inf"), "{values:?}");
            spark(&series(values));
        }
    }

    #[test]
    fn long_series_are_drawn_by_their_latest_points() {
        let values: Vec<(i64, f64)> = (0..500).map(|i| (i, 70.0 + i as f64 / 100.0)).collect();
        let text = figure("p", &series(&values), None).into_string();
        assert_eq!(text.matches("data-read").count(), POINTS_MAX + 1); // and the readout
        assert!(text.contains("of 500 values"));
    }
}
