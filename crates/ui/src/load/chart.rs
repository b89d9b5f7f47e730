//! The banner and the overview.

use std::{collections::HashMap, rc::Rc};

use fhir::json::Doc;

use crate::{
    load::{FACTS_MAX, Failure, Reads, VALUES_MAX, of_type, sections, timeline},
    view::{Banner, Overview, When},
    view_of::{Lens, brief, clinical, measure, papers, patient, text::code_in},
    when::Now,
};

/// Visits read to find the last one and the one before.
const VISITS_MAX: u32 = 12;

/// The banner: the patient, allergies, alerts, last and next visit.
///
/// Errors: [`Failure::NotFound`] or [`Failure::Deleted`] when there is no such patient to see.
pub fn banner(reads: &Reads, lens: &mut Lens, patient_id: &str) -> Result<Banner, Failure> {
    let doc = reads.read("Patient", patient_id)?;
    let mut b = patient::banner(doc.root(), lens);
    let allergies = allergy_doc(reads, patient_id)?;
    let flags = reads.search_open("Flag", &format!("patient={patient_id}&_count={FACTS_MAX}"))?;
    let next = next_appointment(reads, patient_id, &lens.now)?;
    let visits = visit_doc(reads, patient_id)?;
    b.allergies = clinical::allergies(of_type(&allergies, "AllergyIntolerance"), lens);
    b.alerts = of_type(&flags, "Flag").filter_map(clinical::alert).collect();
    b.alerts.sort_by(|a, c| (a.weight, &a.text).cmp(&(c.weight, &c.text)));
    b.alerts.dedup_by(|a, c| a.text == c.text);
    b.next_visit = of_type(&next, "Appointment")
        .find_map(|a| Some((lens.when(a, "start")?, papers::about(a, lens))));
    b.last_visit = past_visits(&visits, lens).into_iter().next();
    Ok(b)
}

fn allergy_doc(reads: &Reads, id: &str) -> Result<Rc<Doc>, Failure> {
    reads.search_open("AllergyIntolerance", &format!("patient={id}&_count={FACTS_MAX}"))
}

fn visit_doc(reads: &Reads, id: &str) -> Result<Rc<Doc>, Failure> {
    reads.search_open("Encounter", &format!("patient={id}&_sort=-date&_count={VISITS_MAX}"))
}

fn next_appointment(reads: &Reads, id: &str, now: &Now) -> Result<Rc<Doc>, Failure> {
    let from = now.at.strftime("%Y-%m-%dT%H:%M:%SZ");
    let status = "status=booked,pending,proposed,arrived,checked-in";
    reads.search_open(
        "Appointment",
        &format!("patient={id}&date=ge{from}&{status}&_sort=date&_count=1"),
    )
}

/// Visits that took place, newest first: when, and what about.
fn past_visits(doc: &Doc, lens: &Lens) -> Vec<(When, String)> {
    let now_ms = lens.now.at_ms();
    of_type(doc, "Encounter")
        .filter(|e| {
            matches!(
                e.str("status").as_deref(),
                Some("finished" | "in-progress" | "onleave" | "unknown")
            )
        })
        .filter(|e| code_in(*e, "class").as_deref() != Some("PRENC"))
        .filter_map(|e| {
            let when = lens.when(e.get("period")?, "start")?;
            (when.at_ms <= now_ms).then(|| (when, papers::about(e, lens)))
        })
        .collect()
}

/// The visit that changes are counted from: the last one before today.
fn baseline(visits: Vec<(When, String)>, lens: &Lens) -> Option<When> {
    let today = lens.now.today();
    visits.into_iter().map(|(when, _)| when).find(|when| {
        let at = jiff::Timestamp::from_millisecond(when.at_ms).unwrap_or_default();
        at.to_zoned(lens.now.zone.clone()).date() < today
    })
}

/// Eighteen years or more; unknown counts as adult, because most are.
pub fn is_adult(banner: &Banner) -> bool {
    let years = banner.age.trim_start_matches("about ").strip_suffix(" y");
    match years.and_then(|y| y.parse::<u32>().ok()) {
        Some(y) => y >= 18,
        None => banner.age.is_empty() || banner.age.starts_with("died"),
    }
}

/// The first screen of the chart.
pub fn overview(reads: &Reads, lens: &mut Lens, patient_id: &str) -> Result<Overview, Failure> {
    let conditions = sections::condition_doc(reads, patient_id)?;
    let requests = sections::request_doc(reads, patient_id)?;
    let statements = sections::statement_doc(reads, patient_id)?;
    let given =
        reads.search_open("Immunization", &format!("patient={patient_id}&_sort=-date&_count=5"))?;
    let category = |c: &str| {
        let query = format!("patient={patient_id}&category={c}&_sort=-date&_count={VALUES_MAX}");
        reads.search_open("Observation", &query)
    };
    let (vitals, labs) = (category("vital-signs")?, category("laboratory")?);
    let visits = visit_doc(reads, patient_id)?;
    let named =
        [&conditions, &requests, &statements, &given, &vitals, &labs, &visits].map(Rc::clone);
    reads.name_references(lens, &named)?;

    let banner = banner(reads, lens, patient_id)?;
    let problems = sections::problems(&conditions, lens);
    let mut medications = sections::medications(&requests, lens);
    medications.extend(sections::medications(&statements, lens));
    let adult = is_adult(&banner);
    let none = HashMap::new();
    let vitals = measure::measures(of_type(&vitals, "Observation"), lens, adult, &none).series;
    let mut results = measure::measures(of_type(&labs, "Observation"), lens, adult, &none).series;
    measure::worst_first(&mut results);
    let since = baseline(past_visits(&visits, lens), lens);
    let brief = brief::brief(&banner, &problems, &medications, &results, since);
    let ask = timeline::Ask { limit: 24, ..timeline::Ask::default() };
    let timeline = timeline::timeline(reads, lens, patient_id, &ask)?;
    Ok(Overview {
        immunizations: of_type(&given, "Immunization")
            .filter_map(|i| clinical::immunization(i, lens))
            .collect(),
        banner,
        brief,
        problems,
        medications,
        vitals,
        results,
        timeline,
    })
}
