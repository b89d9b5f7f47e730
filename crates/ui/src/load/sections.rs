//! The sections of the chart: problems, medications, values, visits, documents and the rest.

use std::{collections::HashMap, rc::Rc};

use fhir::json::{Doc, Node};

use crate::{
    load::{FACTS_MAX, Failure, Reads, VALUES_PAGE_MAX, is_id, is_page, next_page, of_type},
    view::{
        Coverage, Document, DocumentText, Finding, Immunization, Medication, Problem, Series, Visit,
    },
    view_of::{Lens, clinical, entry::short_panel, id, measure, papers, text::concept_in},
};

/// Rows of a page of visits or documents.
pub const PAGE_ROWS: u32 = 40;
/// Past prescriptions shown.
const PAST_MAX: u32 = 200;

pub fn condition_doc(reads: &Reads, patient: &str) -> Result<Rc<Doc>, Failure> {
    reads.search_open("Condition", &format!("patient={patient}&_count={FACTS_MAX}"))
}

/// Prescriptions that are not over. The status is mandatory, so that none is missed.
pub fn request_doc(reads: &Reads, patient: &str) -> Result<Rc<Doc>, Failure> {
    let status = "status=active,on-hold,unknown";
    reads
        .search_open("MedicationRequest", &format!("patient={patient}&{status}&_count={FACTS_MAX}"))
}

pub fn statement_doc(reads: &Reads, patient: &str) -> Result<Rc<Doc>, Failure> {
    reads.search_open("MedicationStatement", &format!("patient={patient}&_count={FACTS_MAX}"))
}

/// Newest onset first; those without a date last.
pub fn problems(doc: &Doc, lens: &Lens) -> Vec<Problem> {
    let mut list: Vec<Problem> =
        of_type(doc, "Condition").filter_map(|c| clinical::problem(c, lens)).collect();
    list.sort_by_key(|p| p.onset.as_ref().map_or(i64::MAX, |w| -w.at_ms));
    // The same diagnosis coded at many encounters is one problem to a reader: the earliest onset
    // stands; each resource is still in the timeline.
    let mut seen: HashMap<(String, bool), usize> = HashMap::new();
    let mut out: Vec<Problem> = Vec::new();
    for p in list {
        match seen.get(&(p.title.clone(), p.active)) {
            Some(at) => {
                if let Some(kept) = out.get_mut(*at) {
                    kept.onset = p.onset;
                }
            }
            None => {
                seen.insert((p.title.clone(), p.active), out.len());
                out.push(p);
            }
        }
    }
    out
}

/// MedicationRequests or MedicationStatements, newest first.
pub fn medications(doc: &Doc, lens: &Lens) -> Vec<Medication> {
    let is_medication = |r: &Node| {
        matches!(
            r.str("resourceType").as_deref(),
            Some("MedicationRequest" | "MedicationStatement")
        )
    };
    let mut list: Vec<Medication> = crate::load::resources(doc)
        .filter(is_medication)
        .filter_map(|m| clinical::medication(m, lens))
        .collect();
    list.sort_by_key(|m| m.since.as_ref().map_or(i64::MAX, |w| -w.at_ms));
    list
}

pub fn all_problems(
    reads: &Reads,
    lens: &mut Lens,
    patient: &str,
) -> Result<Vec<Problem>, Failure> {
    let doc = condition_doc(reads, patient)?;
    reads.name_references(lens, &[Rc::clone(&doc)])?;
    Ok(problems(&doc, lens))
}

/// Every medication: what is taken now, then the latest of what was.
pub fn all_medications(
    reads: &Reads,
    lens: &mut Lens,
    patient: &str,
) -> Result<Vec<Medication>, Failure> {
    let past = format!(
        "patient={patient}&status=completed,stopped,cancelled,draft&_sort=-authoredon&_count={PAST_MAX}"
    );
    let docs = [
        request_doc(reads, patient)?,
        statement_doc(reads, patient)?,
        reads.search_open("MedicationRequest", &past)?,
    ];
    reads.name_references(lens, &docs)?;
    Ok(docs.iter().flat_map(|d| medications(d, lens)).collect())
}

/// Laboratory values as series and in words, grouped by the panel that last reported them.
pub fn results(
    reads: &Reads,
    lens: &mut Lens,
    patient: &str,
    adult: bool,
) -> Result<(Vec<Series>, Vec<Finding>), Failure> {
    let query =
        format!("patient={patient}&category=laboratory&_sort=-date&_count={VALUES_PAGE_MAX}");
    let labs = reads.search_open("Observation", &query)?;
    let reports = reads
        .search_open("DiagnosticReport", &format!("patient={patient}&_sort=-date&_count=200"))?;
    reads.name_references(lens, &[Rc::clone(&labs)])?;
    let panels = panels(&reports);
    let mut m = measure::measures(of_type(&labs, "Observation"), lens, adult, &panels);
    for s in &mut m.series {
        if s.group.is_empty() {
            s.group = "Other results".to_owned();
        }
    }
    m.series.sort_by(|a, b| {
        let last = |s: &Series| s.group == "Other results";
        (last(a), &a.group, &a.title).cmp(&(last(b), &b.group, &b.title))
    });
    Ok((m.series, m.findings))
}

/// Observation id → panel name.
fn panels(reports: &Doc) -> HashMap<String, String> {
    let mut out = HashMap::new();
    for r in of_type(reports, "DiagnosticReport") {
        let Some(name) = concept_in(r, "code").map(|t| short_panel(&t)) else { continue };
        for reference in r.list("result").filter_map(|x| x.str("reference")) {
            if let Some(id) = reference.strip_prefix("Observation/") {
                out.entry(id.to_owned()).or_insert_with(|| name.clone());
            }
        }
    }
    out
}

pub fn vitals(
    reads: &Reads,
    lens: &mut Lens,
    patient: &str,
    adult: bool,
) -> Result<Vec<Series>, Failure> {
    let query =
        format!("patient={patient}&category=vital-signs&_sort=-date&_count={VALUES_PAGE_MAX}");
    let doc = reads.search_open("Observation", &query)?;
    reads.name_references(lens, &[Rc::clone(&doc)])?;
    Ok(measure::measures(of_type(&doc, "Observation"), lens, adult, &HashMap::new()).series)
}

/// One series by its code; and whether it is a vital sign.
///
/// Errors: [`Failure::NotFound`] when nothing was measured under this code.
pub fn trend(
    reads: &Reads,
    lens: &mut Lens,
    patient: &str,
    key: &str,
    adult: bool,
) -> Result<(Vec<Series>, bool), Failure> {
    let code = crate::load::encode(key);
    let query = format!("patient={patient}&code={code}&_sort=-date&_count={VALUES_PAGE_MAX}");
    let doc = reads.search("Observation", &query)?;
    reads.name_references(lens, &[Rc::clone(&doc)])?;
    let vital = of_type(&doc, "Observation")
        .any(|o| crate::view_of::text::has_code(o, "category", &["vital-signs"]));
    let list = measure::measures(of_type(&doc, "Observation"), lens, adult, &HashMap::new()).series;
    if list.is_empty() { Err(Failure::NotFound) } else { Ok((list, vital)) }
}

/// One page of a list, newest first, from the place that the page before named. Nothing is
/// repeated or left out, however many rows share a date, also while others write.
///
/// Errors: [`Failure::Request`] for a place that is none.
fn paged(reads: &Reads, rt: &str, patient: &str, page: Option<&str>) -> Result<Rc<Doc>, Failure> {
    let mut query = format!("patient={patient}&_sort=-date&_count={PAGE_ROWS}");
    match page {
        None => reads.search_open(rt, &query),
        Some(page) if is_page(page) => {
            query.push_str("&_page=");
            query.push_str(page);
            reads.search(rt, &query)
        }
        Some(_) => Err(Failure::Request),
    }
}

/// Query string of the page after this one.
fn earlier(doc: &Doc) -> Option<String> {
    next_page(doc).map(|page| format!("page={page}"))
}

pub fn visits(
    reads: &Reads,
    lens: &mut Lens,
    patient: &str,
    page: Option<&str>,
) -> Result<(Vec<Visit>, Option<String>), Failure> {
    let doc = paged(reads, "Encounter", patient, page)?;
    reads.name_references(lens, &[Rc::clone(&doc)])?;
    let list: Vec<Visit> =
        of_type(&doc, "Encounter").filter_map(|e| papers::visit(e, lens)).collect();
    Ok((list, earlier(&doc)))
}

pub fn documents(
    reads: &Reads,
    lens: &mut Lens,
    patient: &str,
    page: Option<&str>,
) -> Result<(Vec<Document>, Option<String>), Failure> {
    let doc = paged(reads, "DocumentReference", patient, page)?;
    reads.name_references(lens, &[Rc::clone(&doc)])?;
    let list: Vec<Document> =
        of_type(&doc, "DocumentReference").filter_map(|d| papers::document(d, lens)).collect();
    Ok((list, earlier(&doc)))
}

/// One document of this patient, with its text and what is shown in place.
///
/// Errors: [`Failure::NotFound`] also when the document is another patient's.
pub fn document(
    reads: &Reads,
    lens: &mut Lens,
    patient: &str,
    document: &str,
) -> Result<DocumentText, Failure> {
    let doc = document_of(reads, patient, document)?;
    papers::document_text(doc.root(), lens, &|id| reads.read("Binary", id).ok())
        .ok_or(Failure::NotFound)
}

fn document_of(reads: &Reads, patient: &str, document: &str) -> Result<Doc, Failure> {
    if !is_id(document) {
        return Err(Failure::NotFound);
    }
    let doc = reads.read("DocumentReference", document)?;
    if belongs(doc.root(), patient) { Ok(doc) } else { Err(Failure::NotFound) }
}

/// Attachment number `content_idx` of a document of this patient, to be shown in place.
///
/// Errors: [`Failure::NotFound`] for what is not here, not of a kind that is shown, or too large.
pub fn content(
    reads: &Reads,
    patient: &str,
    document: &str,
    content_idx: usize,
) -> Result<papers::Content, Failure> {
    let doc = document_of(reads, patient, document)?;
    let attachment = doc.root().list("content").nth(content_idx);
    let attachment = attachment.and_then(|content| content.get("attachment"));
    let attachment = attachment.ok_or(Failure::NotFound)?;
    let form = papers::Form::of(attachment).ok_or(Failure::NotFound)?;
    let bytes = papers::bytes_of(attachment, &|id| reads.read("Binary", id).ok());
    let bytes = bytes.filter(|bytes| form.fits(bytes)).ok_or(Failure::NotFound)?;
    Ok(papers::Content { form, bytes })
}

/// True when `subject` or `patient` (or `beneficiary`) of the resource is this patient, or the
/// resource is the patient.
pub fn belongs(r: Node, patient: &str) -> bool {
    let own = format!("Patient/{patient}");
    let is_patient = r.str("resourceType").as_deref() == Some("Patient") && id(r) == patient;
    is_patient
        || ["subject", "patient", "beneficiary"]
            .iter()
            .filter_map(|n| r.get(n)?.str("reference"))
            .any(|reference| reference == own || reference.ends_with(&format!("/{own}")))
}

pub fn immunizations(
    reads: &Reads,
    lens: &mut Lens,
    patient: &str,
) -> Result<Vec<Immunization>, Failure> {
    let query = format!("patient={patient}&_sort=-date&_count={FACTS_MAX}");
    let doc = reads.search_open("Immunization", &query)?;
    reads.name_references(lens, &[Rc::clone(&doc)])?;
    Ok(of_type(&doc, "Immunization").filter_map(|i| clinical::immunization(i, lens)).collect())
}

pub fn coverages(reads: &Reads, lens: &mut Lens, patient: &str) -> Result<Vec<Coverage>, Failure> {
    let doc = reads
        .search_open("Coverage", &format!("beneficiary=Patient/{patient}&_count={FACTS_MAX}"))?;
    reads.name_references(lens, &[Rc::clone(&doc)])?;
    let mut list: Vec<Coverage> =
        of_type(&doc, "Coverage").map(|c| papers::coverage(c, lens)).collect();
    list.sort_by_key(|c| (!c.active, c.from.as_ref().map_or(0, |w| -w.at_ms)));
    Ok(list)
}
