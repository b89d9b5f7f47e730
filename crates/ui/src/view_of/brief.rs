//! In brief: what a colleague would say in one breath, made of what the page shows anyway.

use crate::view::{Allergies, Banner, Brief, Medication, Problem, Series, Weight};

/// Problems named in the sentence before the rest is counted.
const NAMED_MAX: usize = 3;

/// Changes listed.
const CHANGES_MAX: usize = 8;

/// The story of a patient.
///
/// `since` is the visit that changes are counted from: what is newer is a change.
pub fn brief(
    banner: &Banner,
    problems: &[Problem],
    medications: &[Medication],
    results: &[Series],
    since: Option<crate::view::When>,
) -> Brief {
    let active: Vec<&Problem> = problems.iter().filter(|p| p.active && !p.social).collect();
    let taken = medications.iter().filter(|m| m.active).count();
    let mut sentences = vec![first(banner, &active, taken)];
    if banner.deceased.is_none() {
        sentences.extend(allergies(&banner.allergies));
        sentences.extend(visit(banner));
    }
    let changes =
        since.as_ref().map(|w| changes(problems, medications, results, day_start(w.at_ms)));
    Brief { sentences, changes: changes.unwrap_or_default(), since }
}

fn first(banner: &Banner, active: &[&Problem], taken: usize) -> String {
    if banner.deceased.is_some() {
        return departed(banner, active);
    }
    let mut out = person(banner);
    let named: Vec<String> = active.iter().take(NAMED_MAX).map(|p| lower_first(&p.title)).collect();
    let more = active.len() - named.len();
    match (named.is_empty(), more) {
        (true, _) => out.push_str(", no active problems recorded"),
        (false, 0) => out.push_str(&format!(" with {}", and(&named))),
        (false, 1) => out.push_str(&format!(" with {} and 1 more problem", named.join(", "))),
        (false, n) => out.push_str(&format!(" with {} and {n} more problems", named.join(", "))),
    }
    match taken {
        0 => out.push_str(", on no medications."),
        1 => out.push_str(", on 1 medication."),
        n => out.push_str(&format!(", on {n} medications.")),
    }
    out
}

fn departed(b: &Banner, active: &[&Problem]) -> String {
    let age = b.age.strip_prefix("died ").map(|a| format!(" {a}")).unwrap_or_default();
    let when = b.deceased.as_ref().filter(|w| !w.iso.is_empty());
    let when = when
        .map(|w| format!(" on {}", w.exact.split(',').next().unwrap_or("")))
        .unwrap_or_default();
    let named: Vec<String> = active.iter().take(NAMED_MAX).map(|p| lower_first(&p.title)).collect();
    match named.is_empty() {
        true => format!("Died{when}{age}."),
        false => format!("Died{when}{age}. Last known problems: {}.", and(&named)),
    }
}

fn person(b: &Banner) -> String {
    let age = b.age.trim_start_matches("about ");
    let years = age.strip_suffix(" y").and_then(|y| y.parse::<u32>().ok());
    let child = years.is_none_or(|y| y < 18);
    let noun = match (b.sex.as_str(), child) {
        ("female", true) => "girl",
        ("female", false) => "woman",
        ("male", true) => "boy",
        ("male", false) => "man",
        _ => "person",
    };
    let capital = || {
        let mut chars = noun.chars();
        chars.next().map(|c| c.to_uppercase().chain(chars).collect::<String>()).unwrap_or_default()
    };
    match (years, age) {
        (Some(y), _) => format!("{y}-year-old {noun}"),
        (None, "") => "Person of unknown age".to_owned(),
        (None, age) => format!("{}, {age} old", capital()),
    }
}

fn allergies(a: &Allergies) -> Option<String> {
    match a {
        Allergies::NotRecorded => Some("Allergies are not recorded.".to_owned()),
        Allergies::NoneKnown => None,
        Allergies::Listed(list) => {
            let high: Vec<String> = list
                .iter()
                .filter(|a| a.weight == Weight::High)
                .map(|a| lower_first(&a.substance))
                .collect();
            (!high.is_empty()).then(|| format!("Dangerous allergy: {}.", and(&high)))
        }
    }
}

fn visit(b: &Banner) -> Option<String> {
    let (when, about) = b.last_visit.as_ref()?;
    let about =
        if about.is_empty() { String::new() } else { format!(" for {}", lower_first(about)) };
    let when =
        if when.text.ends_with("ago") || when.text == "yesterday" || when.text.starts_with("today")
        {
            when.text.clone()
        } else {
            format!("in {}", when.text)
        };
    Some(format!("Last seen {when}{about}."))
}

/// Values measured on the day of a visit became known after it, so the whole day counts.
fn day_start(at_ms: i64) -> i64 {
    at_ms - at_ms.rem_euclid(86_400_000)
}

fn changes(
    problems: &[Problem],
    medications: &[Medication],
    results: &[Series],
    since_ms: i64,
) -> Vec<(Weight, String)> {
    let after = |w: &Option<crate::view::When>| w.as_ref().is_some_and(|w| w.at_ms >= since_ms);
    let mut out: Vec<(Weight, String)> = Vec::new();
    for s in results {
        let Some(p) = s.last().filter(|p| p.at_ms >= since_ms && p.flag.abnormal()) else {
            continue;
        };
        let weight = if p.flag.critical() { Weight::High } else { Weight::Caution };
        out.push((weight, format!("{} {} {}", s.title, p.text, p.flag.words().0)));
    }
    for p in problems.iter().filter(|p| p.active && !p.social && after(&p.onset)) {
        out.push((Weight::Plain, format!("new: {}", lower_first(&p.title))));
    }
    for m in medications.iter().filter(|m| m.active && after(&m.since)) {
        out.push((Weight::Plain, format!("started: {}", m.title)));
    }
    out.sort_by_key(|(weight, _)| *weight);
    let more = out.len().saturating_sub(CHANGES_MAX);
    out.truncate(CHANGES_MAX);
    if more > 0 {
        out.push((Weight::Plain, format!("{more} more")));
    }
    out
}

/// First letter small, unless the word is an abbreviation: `HIV infection` stays.
fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(a), Some(b)) if a.is_uppercase() && b.is_lowercase() => {
            a.to_lowercase().chain(text.chars().skip(1)).collect()
        }
        _ => text.to_owned(),
    }
}

fn and(list: &[String]) -> String {
    match list {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(title: &str) -> Problem {
        Problem { title: title.to_owned(), active: true, ..Problem::default() }
    }

    #[test]
    fn says_who_and_what() {
        let mut b =
            Banner { age: "62 y".to_owned(), sex: "female".to_owned(), ..Banner::default() };
        let list = ["Type 2 diabetes", "HIV infection", "Gout", "Asthma"].map(problem);
        let text = brief(&b, &list, &[], &[], None).sentences.join(" ");
        assert_eq!(
            text,
            "62-year-old woman with type 2 diabetes, HIV infection, gout and 1 more problem, on no \
             medications. Allergies are not recorded."
        );
        b.age = "12 d".to_owned();
        b.sex = "male".to_owned();
        b.allergies = Allergies::NoneKnown;
        let text = brief(&b, &[], &[], &[], None).sentences.join(" ");
        assert_eq!(text, "Boy, 12 d old, no active problems recorded, on no medications.");
    }
}
