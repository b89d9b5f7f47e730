//! The searches: each shape is one row of a report, with the URLs that its requests pick from.
//!
//! Source: the search script of HealthSamurai/fhir-server-performance-benchmark for [`table`]: its
//! types, parameters, modifiers and prefixes; the values are sampled from the record.

use super::sample::{Coding, Samples};
use crate::ask::escape;
use crate::random::Random;

/// One kind of search.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Kind of parameter, or what the searches have in common.
    pub group: &'static str,
    pub name: String,
    /// Paths below the FHIR base.
    pub paths: Vec<String>,
}

/// Values of one parameter.
const VALUES: usize = 21;
/// Variants of a search of one patient: as many patients.
const PATIENT_VALUES: usize = 200;
/// Values of the long OR lists.
const OR_VALUES: usize = 50;
/// A name that nobody has.
const NOBODY: &str = "Zzyzxquux";
const PREFIXES: [&str; 8] = ["", "eq", "lt", "gt", "ge", "le", "sa", "eb"];
/// Those that quantities take.
const QUANTITY_PREFIXES: [&str; 6] = ["", "eq", "lt", "gt", "ge", "le"];

struct Shapes {
    list: Vec<Shape>,
    /// Appended to each search.
    suffix: &'static str,
    random: Random,
}

impl Shapes {
    fn new(suffix: &'static str) -> Shapes {
        Shapes { list: Vec::new(), suffix, random: Random::new(3) }
    }

    /// A shape; none when the sample has no value for it.
    fn add(
        &mut self,
        group: &'static str,
        name: impl Into<String>,
        searches: impl IntoIterator<Item = String>,
    ) {
        let mut paths: Vec<String> = Vec::new();
        for search in searches {
            let path = format!("{search}{}", self.suffix);
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        if !paths.is_empty() {
            self.list.push(Shape { group, name: name.into(), paths });
        }
    }
}

/// Up to `n` of a list, evenly apart.
fn spread<T: Clone>(list: &[T], n: usize) -> Vec<T> {
    let n = n.min(list.len());
    (0..n).map(|idx| list[idx * list.len() / n].clone()).collect()
}

/// The W3 table: searches of one type by one parameter, `_count=20`.
pub fn table(samples: &Samples) -> Vec<Shape> {
    let mut shapes = Shapes::new("&_count=20");
    strings(&mut shapes, samples);
    dates(&mut shapes, samples);
    tokens(&mut shapes, samples);
    quantities(&mut shapes, samples);
    references(&mut shapes, samples);
    shapes.list
}

fn strings(shapes: &mut Shapes, samples: &Samples) {
    let patients = spread(&samples.patients, VALUES / 2);
    let mut names: Vec<String> = Vec::new();
    let mut places: Vec<String> = Vec::new();
    for patient in &patients {
        names.extend([patient.family.clone(), patient.given.clone()]);
        places.extend([patient.city.clone(), patient.line.clone()]);
    }
    let organizations = spread(&samples.organizations, VALUES - 1);
    for (param, mut values) in
        [("Patient.name", names), ("Patient.address", places), ("Organization.name", organizations)]
    {
        values.retain(|value| !value.is_empty());
        if values.is_empty() {
            continue;
        }
        values.push(NOBODY.to_owned());
        let (rt, name) = param.split_once('.').unwrap_or((param, ""));
        for modifier in ["", ":contains"] {
            let searches =
                values.iter().map(|value| format!("{rt}?{name}{modifier}={}", escape(value)));
            shapes.add("string", format!("{param}{modifier}"), searches);
        }
    }
}

fn dates(shapes: &mut Shapes, samples: &Samples) {
    let of_patients: Vec<String> = samples.patients.iter().map(|p| p.birth_date.clone()).collect();
    for (rt, param, values) in [
        ("Patient", "birthdate", &of_patients),
        ("Observation", "date", &samples.dates),
        ("Encounter", "date", &samples.dates),
    ] {
        let mut values = spread(values, VALUES - 1);
        values.retain(|value| !value.is_empty());
        if values.is_empty() {
            continue;
        }
        values.push("2070-01-01".to_owned());
        let searches = values.iter().flat_map(|value| {
            PREFIXES.iter().map(move |prefix| format!("{rt}?{param}={prefix}{value}"))
        });
        shapes.add("date", format!("{rt}.{param}"), searches);
    }
}

fn tokens(shapes: &mut Shapes, samples: &Samples) {
    let lists: [(&str, &str, &[Coding], usize); 4] = [
        ("Observation", "category", &samples.categories, 9),
        ("Observation", "code", &samples.codes, 13),
        ("Encounter", "status", &samples.encounter_statuses, 8),
        ("Encounter", "class", &samples.encounter_classes, 11),
    ];
    for (rt, param, codings, n) in lists {
        // Plain codes, codes with their system, and lists of two.
        let codings = spread(codings, n);
        let mut searches = Vec::new();
        for (idx, coding) in codings.iter().enumerate() {
            searches.push(match idx % 3 {
                0 => format!("{rt}?{param}={}", escape(&coding.code)),
                1 => format!("{rt}?{param}={}", coding.token()),
                _ => {
                    let before = codings[idx - 1].token();
                    format!("{rt}?{param}={before},{}", coding.token())
                }
            });
        }
        if !searches.is_empty() {
            searches.push(format!("{rt}?{param}=no-such-code"));
        }
        shapes.add("token", format!("{rt}.{param}"), searches);
    }
}

fn quantities(shapes: &mut Shapes, samples: &Samples) {
    let both: Vec<(Coding, f64)> =
        samples.quantities.iter().chain(&samples.component_quantities).cloned().collect();
    let lists = [
        ("value-quantity", "code-value-quantity", &samples.quantities, 12),
        (
            "component-value-quantity",
            "component-code-value-quantity",
            &samples.component_quantities,
            8,
        ),
        ("combo-value-quantity", "combo-code-value-quantity", &both, 7),
    ];
    for (param, _, values, _) in &lists {
        let searches = spread(values, VALUES).into_iter().flat_map(|(_, value)| {
            QUANTITY_PREFIXES
                .iter()
                .map(move |prefix| format!("Observation?{param}={prefix}{}", shown(value)))
        });
        shapes.add("quantity", format!("Observation.{param}"), searches);
    }
    for (_, composite, values, n) in &lists {
        let searches = spread(values, *n).into_iter().enumerate().map(|(idx, (coding, value))| {
            let prefix = QUANTITY_PREFIXES[idx % QUANTITY_PREFIXES.len()];
            format!("Observation?{composite}={}${prefix}{}", coding.token(), shown(value))
        });
        shapes.add("composite", format!("Observation.{composite}"), searches);
    }
}

/// A number as a client writes it: two digits after the point at most.
fn shown(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn references(shapes: &mut Shapes, samples: &Samples) {
    let patients: Vec<String> =
        samples.patients.iter().map(|patient| format!("Patient/{}", patient.id)).collect();
    let found = &samples.references;
    for (param, values) in [
        ("Observation.subject", &patients),
        ("Observation.encounter", &found.observation_encounter),
        ("Observation.performer", &found.observation_performer),
        ("Encounter.subject", &patients),
        ("Encounter.participant", &found.encounter_participant),
        ("MedicationRequest.subject", &patients),
        ("MedicationRequest.encounter", &found.medication_encounter),
        ("MedicationRequest.requester", &found.medication_requester),
    ] {
        let (rt, name) = param.split_once('.').unwrap_or((param, ""));
        let searches = spread(values, VALUES).into_iter().map(|id| format!("{rt}?{name}={id}"));
        shapes.add("reference", param, searches);
    }
}

/// Searches of one patient, as a chart makes them.
pub fn patient_scoped(samples: &Samples) -> Vec<Shape> {
    let mut shapes = Shapes::new("&_count=20");
    let ids: Vec<String> = samples.patients.iter().map(|patient| patient.id.clone()).collect();
    let ids = spread(&ids, PATIENT_VALUES);
    let facts = spread(&samples.facts, PATIENT_VALUES);
    let group = "patient";
    shapes.add(
        group,
        "Observation?patient&code",
        facts.iter().map(|(id, code, _)| format!("Observation?patient={id}&code={}", code.token())),
    );
    shapes.add(
        group,
        "Observation?patient&code&date",
        facts.iter().map(|(id, code, date)| {
            format!("Observation?patient={id}&code={}&date=ge{date}", code.token())
        }),
    );
    shapes.add(
        group,
        "Observation?patient&code&_sort=-date",
        facts.iter().map(|(id, code, _)| {
            format!("Observation?patient={id}&code={}&_sort=-date", code.token())
        }),
    );
    let mut of_all = |name: &str, rest: &dyn Fn(&mut Random) -> String| {
        let random = &mut shapes.random;
        let rt = name.split('?').next().unwrap_or_default();
        let searches: Vec<String> =
            ids.iter().map(|id| format!("{rt}?patient={id}{}", rest(random))).collect();
        shapes.add(group, name, searches);
    };
    let category = |random: &mut Random| {
        let category = random.of(&samples.categories).map(Coding::token).unwrap_or_default();
        format!("&category={category}&_sort=-date")
    };
    if !samples.categories.is_empty() {
        of_all("Observation?patient&category&_sort=-date", &category);
    }
    let year = |random: &mut Random| format!("&date=ge{}", 2010 + random.below(15));
    of_all("Observation?patient", &|_| String::new());
    of_all("Encounter?patient&date", &year);
    of_all("Encounter?patient&status&_sort=-date", &|_| "&status=finished&_sort=-date".to_owned());
    of_all("Condition?patient&clinical-status", &|_| "&clinical-status=active".to_owned());
    of_all("MedicationRequest?patient&status", &|_| "&status=active".to_owned());
    of_all("Procedure?patient&date", &year);
    of_all("DiagnosticReport?patient&_sort=-date", &|_| "&_sort=-date".to_owned());
    of_all("Immunization?patient", &|_| String::new());
    of_all("AllergyIntolerance?patient", &|_| String::new());
    shapes.list
}

/// Searches that match much, or that no list of matches answers alone.
pub fn unselective(samples: &Samples) -> Vec<Shape> {
    let mut shapes = Shapes::new("&_count=20");
    let group = "unselective";
    let years = 2012..2026;
    shapes.add(
        group,
        "date only",
        years.flat_map(|year| {
            ["ge", "lt", ""].map(|prefix| format!("Observation?date={prefix}{year}"))
        }),
    );
    let dates = spread(&samples.dates, VALUES);
    shapes.add(
        group,
        "date only, newest first",
        dates.iter().map(|date| format!("Observation?date=le{date}&_sort=-date")),
    );
    let frequent: Vec<&Coding> = samples.codes.iter().take(8).collect();
    shapes.add(
        group,
        "_total=accurate, frequent code",
        frequent.iter().map(|code| format!("Observation?code={}&_total=accurate", code.token())),
    );
    let words = words(samples);
    shapes.add(group, "_content", words.iter().map(|word| format!("Observation?_content={word}")));
    let parts = ["an", "er", "ar", "el", "is", "on", "street", "ro"];
    shapes.add(
        group,
        ":contains",
        parts.iter().flat_map(|part| {
            [format!("Patient?name:contains={part}"), format!("Patient?address:contains={part}")]
        }),
    );
    shapes.add(
        group,
        ":text",
        words.iter().flat_map(|w| {
            [format!("Observation?code:text={w}"), format!("Condition?code:text={w}")]
        }),
    );
    let mut lists = Vec::new();
    for start in (0..samples.codes.len()).step_by(7).take(8) {
        let codes = samples.codes.iter().cycle().skip(start).take(OR_VALUES);
        let codes: Vec<String> = codes.map(Coding::token).collect();
        lists.push(format!("Observation?code={}", codes.join(",")));
    }
    for start in (0..samples.patients.len()).step_by(37).take(8) {
        let ids = samples.patients.iter().cycle().skip(start).take(OR_VALUES);
        let ids: Vec<&str> = ids.map(|patient| patient.id.as_str()).collect();
        lists.push(format!("Condition?patient={}", ids.join(",")));
    }
    shapes.add(group, "OR list of 50", lists);
    let organizations = spread(&samples.organizations, VALUES);
    shapes.add(
        group,
        "two-hop chain",
        organizations.iter().map(|name| {
            format!(
                "Observation?encounter:Encounter.service-provider:Organization.name={}",
                escape(name)
            )
        }),
    );
    let conditions: Vec<&Coding> = samples.condition_codes.iter().take(8).collect();
    let of_observations = frequent
        .iter()
        .map(|code| format!("Patient?_has:Observation:patient:code={}", code.token()));
    let of_conditions = conditions
        .iter()
        .map(|code| format!("Patient?_has:Condition:patient:code={}", code.token()));
    shapes.add(group, "_has", of_observations.chain(of_conditions));
    shapes.list
}

/// Words of five letters and more of what frequent codes are called.
fn words(samples: &Samples) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for coding in samples.codes.iter().take(30).chain(samples.condition_codes.iter().take(10)) {
        for word in coding.display.split(|c: char| !c.is_ascii_alphabetic()) {
            let word = word.to_ascii_lowercase();
            if word.len() >= 5 && !words.contains(&word) {
                words.push(word);
            }
        }
    }
    words.truncate(VALUES);
    words
}

/// W8: how many there are.
pub fn counts(samples: &Samples) -> Vec<Shape> {
    let mut shapes = Shapes::new("&_summary=count");
    let group = "count";
    let frequent: Vec<&Coding> = samples.codes.iter().take(8).collect();
    let code = |code: &&Coding| format!("Observation?code={}", code.token());
    shapes.add(group, "frequent code", frequent.iter().map(code));
    let years = 2016..2026;
    shapes.add(
        group,
        "code and date",
        frequent.iter().flat_map(|coding| {
            years
                .clone()
                .map(move |year| format!("Observation?code={}&date={year}", coding.token()))
        }),
    );
    shapes.add(group, "year", years.map(|year| format!("Observation?date={year}")));
    let all = ["Patient", "Observation", "Encounter", "Condition"];
    shapes.add(group, "type", all.map(|rt| format!("{rt}?_total=accurate")));
    shapes.list
}

#[cfg(test)]
mod tests {
    use super::super::sample::Patient;
    use super::*;

    fn samples() -> Samples {
        let coding = |code: &str| Coding {
            system: "http://loinc.org".into(),
            code: code.into(),
            display: "Systolic blood pressure".into(),
            n: 3,
        };
        let patient = |n: usize| Patient {
            id: format!("p{n}"),
            family: format!("Family {n}"),
            birth_date: "1950-01-01".into(),
            ..Patient::default()
        };
        Samples {
            patients: (0..300).map(patient).collect(),
            organizations: vec!["Elm & Ash".into()],
            codes: (0..60).map(|n| coding(&n.to_string())).collect(),
            categories: vec![coding("laboratory")],
            condition_codes: vec![coding("38341003")],
            quantities: vec![(coding("1"), 6.5), (coding("2"), 120.0)],
            dates: vec!["2020-02-03".into()],
            facts: vec![("p1".into(), coding("1"), "2020-02-03".into())],
            ..Samples::default()
        }
    }

    fn shape<'a>(shapes: &'a [Shape], name: &str) -> &'a Shape {
        shapes.iter().find(|shape| shape.name == name).expect(name)
    }

    #[test]
    fn the_table_has_a_shape_per_parameter_with_values() {
        let shapes = table(&samples());
        let names = shape(&shapes, "Patient.name:contains");
        assert!(names.paths.contains(&format!("Patient?name:contains={NOBODY}&_count=20")));
        assert_eq!(shape(&shapes, "Observation.date").paths.len(), 2 * PREFIXES.len());
        assert!(
            shape(&shapes, "Organization.name").paths[0].contains("Elm%20%26%20Ash"),
            "{shapes:?}"
        );
        let composite = &shape(&shapes, "Observation.code-value-quantity").paths;
        assert!(composite[0].contains("$6.5&"), "{composite:?}");
        assert!(
            !shapes.iter().any(|shape| shape.name == "Encounter.participant"),
            "nothing was sampled for it"
        );
    }

    #[test]
    fn the_other_mixes_have_their_shapes() {
        let scoped = patient_scoped(&samples());
        assert_eq!(shape(&scoped, "Observation?patient").paths.len(), PATIENT_VALUES);
        assert_eq!(scoped.len(), 13);
        let unselective = unselective(&samples());
        let names: Vec<&str> = unselective.iter().map(|shape| shape.name.as_str()).collect();
        assert_eq!(names.len(), 9, "{names:?}");
        let list = &shape(&unselective, "OR list of 50").paths[0];
        assert_eq!(list.matches(',').count(), OR_VALUES - 1);
        assert_eq!(shape(&unselective, ":text").paths.len(), 6, "three words, two types");
        let counts = counts(&samples());
        assert_eq!(shape(&counts, "code and date").paths.len(), 80);
        assert!(counts.iter().all(|shape| shape.paths[0].ends_with("_summary=count")));
    }

    #[test]
    fn values_are_spread_over_the_list() {
        assert_eq!(spread(&[1, 2, 3, 4, 5, 6], 3), [1, 3, 5]);
        assert_eq!(spread(&[1], 3), [1]);
        assert!(spread::<u8>(&[], 3).is_empty());
        assert_eq!(
            (shown(6.50), shown(120.0), shown(0.129)),
            ("6.5".into(), "120".into(), "0.13".into())
        );
    }
}
