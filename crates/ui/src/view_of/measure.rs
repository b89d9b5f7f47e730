//! Observations → series by code, and findings in words.

use std::collections::HashMap;

use fhir::json::Node;

use crate::{
    view::{Finding, Flag, Point, Series},
    view_of::{
        Lens, id,
        observation::{
            ADULT_BANDS, DIASTOLIC_HIGH, LABS, Measured, VITALS, by_limits, hand, is_result,
            measured, range, recorded_flag, short_title, specimen,
        },
        text::concept_in,
    },
};

/// What was measured, by code.
#[derive(Clone, Debug, Default)]
pub struct Measures {
    /// Numbers over time; vitals in their usual order, others by title.
    pub series: Vec<Series>,
    /// The latest answer in words of each code, newest first.
    pub findings: Vec<Finding>,
}

/// The code that keys a series: LOINC where there is one.
pub fn key(o: Node) -> Option<String> {
    let codings = || o.get("code").into_iter().flat_map(|c| c.list("coding"));
    codings()
        .find(|c| c.str("system").as_deref() == Some("http://loinc.org"))
        .or_else(|| codings().next())
        .and_then(|c| c.str("code"))
        .map(|c| c.into_owned())
        .or_else(|| concept_in(o, "code"))
        .filter(|k| !k.is_empty())
}

/// The name of what was measured.
pub fn title(o: Node) -> String {
    if let Some(k) = key(o)
        && let Some((_, word)) = VITALS.iter().chain(LABS).find(|(code, _)| *code == k)
    {
        return (*word).to_owned();
    }
    concept_in(o, "code").map_or_else(|| "Unnamed measurement".to_owned(), |t| short_title(&t))
}

/// When it was measured: effective, else issued.
pub fn when(o: Node, lens: &Lens) -> crate::view::When {
    lens.when_any(o, &["effectiveDateTime", "effectiveInstant"])
        .or_else(|| lens.when(o.get("effectivePeriod")?, "start"))
        .or_else(|| lens.when(o, "issued"))
        .unwrap_or_default()
}

/// Groups Observations by code. `adult` allows the usual adult bands where nothing is recorded.
/// `panel` names the panel of an Observation id, for the grid.
pub fn measures<'a>(
    list: impl Iterator<Item = Node<'a>>,
    lens: &Lens,
    adult: bool,
    panel: &HashMap<String, String>,
) -> Measures {
    let mut by_key: HashMap<String, Series> = HashMap::new();
    let mut words: HashMap<String, Finding> = HashMap::new();
    for o in list.filter(|o| is_result(*o)) {
        let Some(k) = key(o) else { continue };
        match measured(o) {
            Measured::Number { value, second, text, unit } => {
                let point = point(o, lens, value, second, text);
                add(by_key.entry(format!("{k} {unit}")).or_default(), o, &k, unit, point, panel);
            }
            Measured::Words(value) => {
                let found = Finding {
                    id: id(o),
                    title: title(o),
                    value,
                    flag: recorded_flag(o).unwrap_or_default(),
                    when: when(o, lens),
                    source: lens.source(o, &["performer"]),
                };
                let newest = words.entry(k).or_insert_with(|| found.clone());
                if newest.when.at_ms < found.when.at_ms {
                    *newest = found;
                }
            }
            Measured::Nothing => {}
        }
    }
    let mut series: Vec<Series> = by_key.into_values().map(|s| finish(s, adult)).collect();
    tell_apart(&mut series);
    series.sort_by(|a, b| {
        let place =
            |s: &Series| VITALS.iter().position(|(c, _)| *c == s.key).unwrap_or(VITALS.len());
        (place(a), &a.title, &a.unit).cmp(&(place(b), &b.title, &b.unit))
    });
    let mut findings: Vec<Finding> = words.into_values().collect();
    findings.sort_by(|a, b| (-a.when.at_ms, &a.title).cmp(&(-b.when.at_ms, &b.title)));
    Measures { series, findings }
}

fn point(o: Node, lens: &Lens, value: f64, second: Option<f64>, text: String) -> Point {
    let when = when(o, lens);
    Point {
        id: id(o),
        at_ms: when.at_ms,
        when,
        value,
        second,
        text,
        flag: recorded_flag(o).unwrap_or_default(),
        hand: hand(o),
        source: lens.source(o, &["performer"]),
    }
}

fn add(
    s: &mut Series,
    o: Node,
    key: &str,
    unit: String,
    point: Point,
    panel: &HashMap<String, String>,
) {
    // The range shown is that of the newest value that has one.
    let newest = s.points.iter().all(|p| p.at_ms <= point.at_ms);
    if newest || s.range.is_empty() {
        let r = range(o);
        if !r.words.is_empty() {
            (s.range_low, s.range_high, s.range) = (r.low, r.high, r.words);
        }
    }
    if s.points.is_empty() {
        s.key = key.to_owned();
        s.title = title(o);
        s.specimen = concept_in(o, "code").and_then(|t| specimen(&t));
        s.unit = unit;
        s.pair = point.second.map(|_| ("systolic", "diastolic"));
    }
    if s.group.is_empty()
        && let Some(name) = panel.get(&point.id)
    {
        s.group.clone_from(name);
    }
    s.points.push(point);
}

/// Orders the points and, for adults, fills in the usual band where nothing is recorded.
fn finish(mut s: Series, adult: bool) -> Series {
    s.points.sort_by_key(|p| p.at_ms);
    s.points.dedup_by(|a, b| a.at_ms == b.at_ms && a.text == b.text);
    let recorded = !s.range.is_empty() || s.points.iter().any(|p| p.flag != Flag::None);
    let band = ADULT_BANDS.iter().find(|(code, _, _)| *code == s.key);
    if let (true, false, Some((_, low, high))) = (adult, recorded, band)
        && usual_unit(&s)
    {
        (s.range_low, s.range_high) = (*low, *high);
        s.range = match (low, high) {
            (Some(l), Some(h)) => format!("{l}–{h}"),
            (None, Some(h)) if s.pair.is_some() => format!("< {h}/{DIASTOLIC_HIGH}"),
            (None, Some(h)) => format!("< {h}"),
            (Some(l), None) => format!("≥ {l}"),
            (None, None) => String::new(),
        };
        for p in &mut s.points {
            p.flag = by_limits(p.value, *low, *high);
            if p.flag == Flag::None && p.second.is_some_and(|d| d >= DIASTOLIC_HIGH) {
                p.flag = Flag::High;
            }
            if p.second.is_some() && p.value >= 140.0 {
                p.flag = Flag::High;
            }
        }
    }
    s
}

/// Two series of one title and unit get their specimen behind it.
fn tell_apart(list: &mut [Series]) {
    let mut count: HashMap<(String, String), usize> = HashMap::new();
    for s in list.iter() {
        *count.entry((s.title.clone(), s.unit.clone())).or_default() += 1;
    }
    for s in list {
        if count.get(&(s.title.clone(), s.unit.clone())).is_some_and(|n| *n > 1)
            && let Some(word) = s.specimen
        {
            s.title = format!("{}, {word}", s.title);
        }
    }
}

/// The usual bands are in these units; a temperature in °F has no band here.
fn usual_unit(s: &Series) -> bool {
    matches!(s.unit.as_str(), "mmHg" | "/min" | "%" | "°C" | "kg/m²")
}

/// Abnormal before normal, critical first, then newest: the order of "latest results".
pub fn worst_first(list: &mut [Series]) {
    list.sort_by_key(|s| {
        s.last().map_or((3, 0), |p| {
            let weight = match p.flag {
                f if f.critical() => 0,
                f if f.abnormal() => 1,
                _ => 2,
            };
            (weight, -p.at_ms)
        })
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view_of::testing::{doc, lens};

    fn run(json: &str, adult: bool) -> Measures {
        let d = doc(json);
        measures(d.root().items(), &lens(), adult, &HashMap::new())
    }

    fn pulse(day: &str, value: &str) -> String {
        format!(
            r#"{{"status":"final","code":{{"coding":[{{"system":"http://loinc.org","code":"8867-4"}}]}},
            "effectiveDateTime":"{day}","valueQuantity":{{"value":{value},"unit":"/min"}}}}"#
        )
    }

    #[test]
    fn series_are_in_time_order_whatever_the_order_of_the_answer() {
        let list = [pulse("2026-03-01", "80"), pulse("2024", "60"), pulse("2025-06", "120")];
        let m = run(&format!("[{}]", list.join(",")), true);
        let texts: Vec<&str> = m.series[0].points.iter().map(|p| p.text.as_str()).collect();
        assert_eq!(texts, ["60", "120", "80"]);
        assert_eq!(m.series[0].title, "Heart rate");
        let flags: Vec<Flag> = m.series[0].points.iter().map(|p| p.flag).collect();
        assert_eq!(flags, [Flag::None, Flag::High, Flag::None]);
    }

    #[test]
    fn children_get_no_adult_band() {
        let m = run(&format!("[{}]", pulse("2026-03-01", "140")), false);
        assert_eq!(m.series[0].range, "");
        assert_eq!(m.series[0].points[0].flag, Flag::None);
    }

    #[test]
    fn units_are_never_mixed_in_a_series() {
        let weight = |v: &str, u: &str| {
            format!(
                r#"{{"code":{{"coding":[{{"code":"29463-7"}}]}},"effectiveDateTime":"2026",
                "valueQuantity":{{"value":{v},"unit":"{u}"}}}}"#
            )
        };
        let m = run(&format!("[{},{}]", weight("80", "kg"), weight("176", "[lb_av]")), true);
        assert_eq!(m.series.len(), 2);
    }

    #[test]
    fn errors_and_cancelled_are_left_out_and_words_keep_the_newest() {
        let m = run(
            r#"[{"status":"entered-in-error","code":{"text":"x"},"valueInteger":1},
            {"code":{"text":"Smoking"},"effectiveDateTime":"2024","valueString":"yes"},
            {"code":{"text":"Smoking"},"effectiveDateTime":"2026","valueString":"no"},
            {"valueInteger":1}]"#,
            true,
        );
        assert!(m.series.is_empty());
        assert_eq!(m.findings.len(), 1);
        assert_eq!(m.findings[0].value, "no");
    }
}
