//! Today: the appointments of the day and the counts.

use std::{collections::HashMap, rc::Rc};

use fhir::json::Node;
use jiff::{ToSpan, civil::Date};

use crate::{
    load::{Failure, Reads, is_id, of_type, total},
    view::{PatientRow, Slot, Today, Weight},
    view_of::{Lens, papers, patient, text::words},
    when::month_name,
};

/// Appointments of a day that are shown.
const SLOTS_MAX: u32 = 200;

/// `recent` are ids of patients opened lately, newest first; `date` is the day to show, today
/// without.
pub fn today(
    reads: &Reads,
    lens: &mut Lens,
    recent: &[String],
    date: Option<Date>,
) -> Result<Today, Failure> {
    let today = lens.now.today();
    let day = date.unwrap_or(today);
    let next = day.checked_add(1.day()).unwrap_or(day);
    let before = day.checked_sub(1.day()).unwrap_or(day);
    let zone = lens.now.zone.clone();
    let bound = |d: Date| {
        d.to_zoned(zone.clone())
            .map(|z| z.timestamp().strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
            .unwrap_or_else(|_| d.to_string())
    };
    let query = format!(
        "date=ge{}&date=lt{}&_sort=date&_count={SLOTS_MAX}&_include=Appointment:patient",
        bound(day),
        bound(next)
    );
    let doc = reads.search_open("Appointment", &query)?;
    reads.name_references(lens, &[Rc::clone(&doc)])?;
    let people: HashMap<String, PatientRow> = of_type(&doc, "Patient")
        .map(|p| patient::row(p, lens))
        .map(|row| (format!("Patient/{}", row.id), row))
        .collect();
    let mut slots: Vec<Slot> = of_type(&doc, "Appointment")
        .filter(|a| !matches!(a.str("status").as_deref(), Some("cancelled" | "entered-in-error")))
        .filter_map(|a| slot(a, lens, &people))
        .collect();
    let now_line = slots.iter().rposition(|s| s.past).filter(|_| day == today);
    if let Some(current) = now_line.and_then(|i| slots.get_mut(i)) {
        current.now = current.past && !matches!(current.status.as_str(), "fulfilled" | "no show");
    }
    let seen = slots
        .iter()
        .filter(|s| matches!(s.status.as_str(), "arrived" | "checked in" | "fulfilled"))
        .count();
    let to_come = slots.iter().filter(|s| !s.past).count();
    let all = total(&*reads.search_open("Patient", "_summary=count")?);
    let counts = [
        ("Appointments", slots.len().to_string()),
        ("Arrived or seen", seen.to_string()),
        ("Still to come", to_come.to_string()),
        ("Patients", all.map_or_else(|| "–".to_owned(), thousands)),
    ];
    let next_busy = if slots.is_empty() { next_busy(reads, lens, &bound(next))? } else { None };
    Ok(Today {
        emergencies: None,
        date: day_words(day),
        iso: day.to_string(),
        before: before.to_string(),
        after: next.to_string(),
        is_today: day == today,
        next_busy,
        counts: counts.map(|(word, n)| (word.to_owned(), n)).to_vec(),
        recent: recent_rows(reads, lens, recent)?,
        slots,
    })
}

fn day_words(day: Date) -> String {
    format!("{}, {} {} {}", weekday(day), day.day(), month_name(day.month()), day.year())
}

/// The first day from `from` with an appointment.
fn next_busy(reads: &Reads, lens: &Lens, from: &str) -> Result<Option<(String, String)>, Failure> {
    let query = format!("date=ge{from}&status=booked,pending,arrived&_sort=date&_count=1");
    let doc = reads.search_open("Appointment", &query)?;
    let start = of_type(&doc, "Appointment").find_map(|a| lens.when(a, "start"));
    let day = start.and_then(|w| jiff::Timestamp::from_millisecond(w.at_ms).ok());
    Ok(day.map(|t| {
        let day = t.to_zoned(lens.now.zone.clone()).date();
        (day.to_string(), day_words(day))
    }))
}

fn slot(a: Node, lens: &Lens, people: &HashMap<String, PatientRow>) -> Option<Slot> {
    let start = lens.when(a, "start")?;
    let local =
        jiff::Timestamp::from_millisecond(start.at_ms).ok()?.to_zoned(lens.now.zone.clone());
    let reference = a
        .list("participant")
        .filter_map(|p| p.get("actor"))
        .find(|r| r.str("reference").is_some_and(|r| r.starts_with("Patient/")));
    let person = reference.and_then(|r| people.get(r.str("reference")?.as_ref()));
    let minutes = a.get("minutesDuration").and_then(|m| m.as_number()).map(|m| format!("{m} min"));
    let with = a
        .list("participant")
        .filter_map(|p| p.get("actor"))
        .find(|r| r.str("reference").is_some_and(|r| r.starts_with("Practitioner/")))
        .and_then(|r| lens.who(r));
    let about: Vec<String> = [person.map(|p| format!("{} {}", p.age, p.sex)), minutes, with]
        .into_iter()
        .flatten()
        .collect();
    let status = words(&a.str("status").unwrap_or_default()).replace("noshow", "no show");
    let weight = if status == "no show" { Weight::Caution } else { Weight::Plain };
    Some(Slot {
        time: format!("{:02}:{:02}", local.hour(), local.minute()),
        patient_id: person.map(|p| p.id.clone()),
        patient: match (person, reference) {
            (Some(p), _) => p.name.clone(),
            (None, Some(r)) => {
                crate::view::Name { given: lens.who(r).unwrap_or_default(), ..Default::default() }
            }
            (None, None) => {
                crate::view::Name { given: "No patient".to_owned(), ..Default::default() }
            }
        },
        about: about.join(" · "),
        reason: papers::about(a, lens),
        weight,
        past: start.at_ms <= lens.now.at_ms(),
        now: false,
        status,
    })
}

/// Rows of patients by id, in the order of the ids.
pub fn recent_rows(
    reads: &Reads,
    lens: &Lens,
    recent: &[String],
) -> Result<Vec<PatientRow>, Failure> {
    let ids: Vec<&String> = recent.iter().filter(|id| is_id(id)).take(12).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let list: Vec<&str> = ids.iter().map(|id| id.as_str()).collect();
    let doc = reads.search_open("Patient", &format!("_id={}&_count=12", list.join(",")))?;
    let mut rows: Vec<PatientRow> =
        of_type(&doc, "Patient").map(|p| patient::row(p, lens)).collect();
    rows.sort_by_key(|r| list.iter().position(|id| *id == r.id));
    Ok(rows)
}

fn weekday(d: Date) -> &'static str {
    use jiff::civil::Weekday;
    match d.weekday() {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    }
}

/// `12345` → `12,345`.
fn thousands(n: u64) -> String {
    let text = n.to_string();
    let mut out = String::new();
    for (i, c) in text.chars().enumerate() {
        if i > 0 && (text.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}
