//! The gate before a comparison: both servers hold the same, answer the same and refuse the same.
//!
//! Source: the idea of `parity-check.sh` in HealthSamurai/fhir-server-performance-benchmark.

use super::sample::{Coding, Samples};
use super::shapes::Shape;
use super::{Host, sample};
use crate::ask::{Asker, escape, next, total};
use crate::client::Sending;

/// Types whose numbers must be the same.
const TYPES: [&str; 28] = [
    "AllergyIntolerance",
    "CarePlan",
    "CareTeam",
    "Claim",
    "Condition",
    "Coverage",
    "Device",
    "DiagnosticReport",
    "DocumentReference",
    "Encounter",
    "ExplanationOfBenefit",
    "Goal",
    "ImagingStudy",
    "Immunization",
    "Location",
    "Media",
    "Medication",
    "MedicationAdministration",
    "MedicationRequest",
    "Observation",
    "Organization",
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "Procedure",
    "Provenance",
    "ServiceRequest",
    "SupplyDelivery",
];
/// Types whose references are looked at.
const REFERRING: [&str; 6] =
    ["Encounter", "Observation", "Condition", "MedicationRequest", "Claim", "DiagnosticReport"];
/// Matches that are counted page by page, at most.
const COUNTED_MAX: u64 = 2_000;
/// Searches of a shape whose totals are compared.
const TOTALS_OF_SHAPE: usize = 3;
/// Groups of shapes whose paths mean the same on both servers.
const COMPARABLE: [&str; 9] = [
    "string",
    "date",
    "token",
    "quantity",
    "composite",
    "patient",
    "unselective",
    "count",
    "reference",
];
/// Resources that break R4: a date that is none, required elements that are missing, an element
/// that there is not.
const WRONG: [(&str, &str); 3] = [
    ("Patient", r#"{"resourceType":"Patient","birthDate":"not-a-date"}"#),
    ("Observation", r#"{"resourceType":"Observation"}"#),
    ("Patient", r#"{"resourceType":"Patient","noSuchElement":true}"#),
];

/// One thing that must hold.
#[derive(Clone, Debug)]
pub struct Check {
    pub name: String,
    /// What is wrong; `None` when all is well.
    pub trouble: Option<String>,
}

impl Check {
    fn new(name: impl Into<String>, found: Result<(), String>) -> Check {
        Check { name: name.into(), trouble: found.err() }
    }

    pub fn line(&self) -> String {
        match &self.trouble {
            None => format!("ok    {}", self.name),
            Some(trouble) => format!("WRONG {}: {trouble}", self.name),
        }
    }
}

/// All checks of both servers.
pub async fn gate(sides: [&Host; 2], samples: &Samples) -> Vec<Check> {
    let mut checks = vec![Check::new("numbers per type are the same", numbers(sides).await)];
    for (name, host) in ["A", "B"].into_iter().zip(sides) {
        let mut asker = Asker::new(&host.target);
        let named = |what: &str| format!("{name}: {what}");
        checks.push(Check::new(
            named("no reference to a urn:uuid is left"),
            references(&mut asker).await,
        ));
        checks.push(Check::new(
            named("an unknown parameter is refused under Prefer: handling=strict"),
            strict(&mut asker).await,
        ));
        checks.push(Check::new(
            named("totals are what the pages hold"),
            totals(&mut asker, &samples.codes).await,
        ));
        checks.push(Check::new(named("wrong resources are refused"), wrong(&mut asker).await));
        checks.push(Check::new(
            named("what is created is found by the next search"),
            found_at_once(&mut asker).await,
        ));
    }
    checks
}

async fn numbers(sides: [&Host; 2]) -> Result<(), String> {
    let [mut a, mut b] = sides.map(|host| Asker::new(&host.target));
    let mut n_all = 0;
    let mut differ = Vec::new();
    for rt in TYPES {
        // A type that a server does not have is one of which it holds none.
        let (n_a, n_b) = (a.count(rt).await.unwrap_or(0), b.count(rt).await.unwrap_or(0));
        n_all += n_a;
        if n_a != n_b {
            differ.push(format!("{rt} {n_a} and {n_b}"));
        }
    }
    match (n_all, differ.is_empty()) {
        (0, _) => Err("both are empty, or cannot count; --load N posts Bundles to both".to_owned()),
        (_, true) => Ok(()),
        _ => Err(differ.join(", ")),
    }
}

async fn references(asker: &mut Asker) -> Result<(), String> {
    for rt in REFERRING {
        let doc = asker.bundle(&format!("{rt}?_count=100")).await?;
        for resource in sample::resources(&doc) {
            if resource.to_compact().contains("\"reference\":\"urn:uuid:") {
                return Err(format!("{rt}/{} has one", resource.str("id").unwrap_or_default()));
            }
        }
    }
    Ok(())
}

async fn strict(asker: &mut Asker) -> Result<(), String> {
    let sending = Sending { headers: "Prefer: handling=strict\r\n", ..Sending::default() };
    let said = asker.send("GET", "Patient?no-such-parameter=1", sending).await?;
    match said.status {
        400..=499 => Ok(()),
        status => Err(format!("it is answered with {status}")),
    }
}

/// The most frequent code that has few enough matches to count them.
async fn totals(asker: &mut Asker, codes: &[Coding]) -> Result<(), String> {
    for coding in codes {
        let search = format!("Observation?code={}", coding.token());
        let n = asker.count(&search).await?;
        if n == 0 || n > COUNTED_MAX {
            continue;
        }
        let doc = asker.bundle(&format!("{search}&_total=accurate&_count=500")).await?;
        let on_first_page = total(&doc);
        let mut ids = std::collections::BTreeSet::new();
        let mut page = Some(doc);
        while let Some(doc) = page.take() {
            let of_page = sample::resources(&doc);
            ids.extend(of_page.filter_map(|resource| Some(resource.str("id")?.into_owned())));
            if let Some(link) = next(&doc).filter(|_| (ids.len() as u64) < 2 * COUNTED_MAX) {
                page = Some(asker.bundle(&link).await?);
            }
        }
        let n_found = ids.len() as u64;
        return match n == n_found && on_first_page.is_none_or(|total| total == n) {
            true => Ok(()),
            false => Err(format!(
                "{search}: {n} by _summary=count, {on_first_page:?} by _total, {n_found} on the pages"
            )),
        };
    }
    Err("no code has matches that can be counted".to_owned())
}

async fn wrong(asker: &mut Asker) -> Result<(), String> {
    for (rt, json) in WRONG {
        let said = asker.send("POST", rt, Sending::fhir(json.as_bytes())).await?;
        if !(400..500).contains(&said.status) {
            remove(asker, rt, &said).await;
            return Err(format!("{json} is answered with {}", said.status));
        }
    }
    Ok(())
}

async fn found_at_once(asker: &mut Asker) -> Result<(), String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let unique = format!("gate-{}", now.unwrap_or_default().as_micros());
    let json = format!(
        r#"{{"resourceType":"Patient","identifier":[{{"system":"urn:gate","value":"{unique}"}}]}}"#
    );
    let said = asker.send("POST", "Patient", Sending::fhir(json.as_bytes())).await?;
    if said.status != 201 {
        return Err(format!("a create is answered with {}", said.trouble()));
    }
    let search = format!("Patient?identifier={}", escape(&format!("urn:gate|{unique}")));
    let n = asker.count(&search).await;
    remove(asker, "Patient", &said).await;
    match n? {
        1 => Ok(()),
        n => Err(format!("{search} finds {n}")),
    }
}

/// Removes what a check has made; what stays shows in the numbers of the next gate.
async fn remove(asker: &mut Asker, rt: &str, said: &crate::ask::Said) {
    let of_body = said.doc.as_ref().and_then(|doc| doc.root().str("id"));
    let of_location = said
        .location
        .as_deref()
        .and_then(|url| url.split('/').skip_while(|segment| *segment != rt).nth(1));
    let id = of_location.map(str::to_owned).or_else(|| of_body.map(|id| id.into_owned()));
    if let Some(id) = id {
        let _ = asker.send("DELETE", &format!("{rt}/{id}"), Sending::default()).await;
    }
}

/// Leaves only the shapes whose totals are the same on both servers.
///
/// Shape: both lists keep their order; what is left out is told with both totals. Shapes of which a
/// server offers no total are kept: then only their pages can be compared, and are not.
pub async fn agreeing(
    sides: [&Host; 2],
    shapes: [Vec<Shape>; 2],
) -> ([Vec<Shape>; 2], Vec<String>) {
    let [mut a, mut b] = sides.map(|host| Asker::new(&host.target));
    let (mut kept, mut left_out) = ([Vec::new(), Vec::new()], Vec::new());
    let [of_a, of_b] = shapes;
    for (shape_a, shape_b) in of_a.into_iter().zip(of_b) {
        let mut differ = None;
        // References to others than patients stand in another order on each server.
        let is_comparable = COMPARABLE.contains(&shape_a.group)
            && (shape_a.group != "reference" || shape_a.name.ends_with(".subject"))
            && shape_a.paths.len() == shape_b.paths.len();
        let step = (shape_a.paths.len() / TOTALS_OF_SHAPE).max(1);
        let pairs = shape_a.paths.iter().zip(&shape_b.paths).step_by(step).take(TOTALS_OF_SHAPE);
        for (path_a, path_b) in pairs.filter(|_| is_comparable) {
            let (bare_a, bare_b) = (bare(path_a), bare(path_b));
            let (n_a, n_b) = (a.count(&bare_a).await, b.count(&bare_b).await);
            if let (Ok(n_a), Ok(n_b)) = (&n_a, &n_b)
                && n_a != n_b
            {
                differ = Some(format!("{}: {n_a} and {n_b} for {bare_a}", shape_a.name));
            }
        }
        match differ {
            Some(text) => left_out.push(text),
            None => {
                kept[0].push(shape_a);
                kept[1].push(shape_b);
            }
        }
    }
    (kept, left_out)
}

/// A search without what shapes its answer.
fn bare(path: &str) -> String {
    let (rt, query) = path.split_once('?').unwrap_or((path, ""));
    let shaping = ["_count=", "_total=", "_summary=", "_sort="];
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| !shaping.iter().any(|name| pair.starts_with(name)))
        .collect();
    if kept.is_empty() { rt.to_owned() } else { format!("{rt}?{}", kept.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shaping_parameters_are_taken_away() {
        assert_eq!(bare("Patient?name=a&_sort=b&_count=20"), "Patient?name=a");
        assert_eq!(bare("Patient?_summary=count"), "Patient");
    }

    #[test]
    fn a_check_says_what_is_wrong() {
        assert_eq!(Check::new("x", Ok(())).line(), "ok    x");
        assert_eq!(Check::new("x", Err("y".into())).line(), "WRONG x: y");
    }
}
