//! Invented people and facts for the gallery: an empty chart, a usual one and an overfull one.

use jiff::tz::TimeZone;
use ui::{
    layout::Theme,
    pages::login::{Login, Trouble},
    view::*,
    when::Now,
};

fn now() -> Now {
    let at: jiff::Timestamp = "2026-11-22T15:00:00Z".parse().expect("a fixed time");
    Now { at, zone: TimeZone::UTC }
}

fn on(text: &str) -> When {
    When::of(text, &now())
}

fn days_ago(n: i64) -> String {
    let day = now().today().checked_sub(jiff::Span::new().days(n)).expect("in range");
    day.to_string()
}

fn inside() -> Source {
    Source { label: "This practice".to_owned(), outside: false }
}

fn outside(label: &str) -> Source {
    Source { label: label.to_owned(), outside: true }
}

pub fn login(theme: Theme, trouble: Option<Trouble>) -> Login {
    Login {
        has_passkeys: true,
        practice: "Willow Street Family Medicine".to_owned(),
        user: if trouble.is_some() { "ada".to_owned() } else { String::new() },
        next: "/".to_owned(),
        demo: true,
        trouble,
        theme,
    }
}

fn person(id: &str, family: &str, given: &str, birth: &str, sex: &str, phone: &str) -> PatientRow {
    PatientRow {
        id: id.to_owned(),
        name: Name { family: family.to_owned(), given: given.to_owned(), called: None },
        age: ui::when::age(birth, now().today()),
        sex: sex.to_owned(),
        birth_date: on(birth).exact,
        identifier: format!("MRN {}", 100_420 + birth.len() * 7 + given.len() * 13),
        phone: phone.to_owned(),
        ..PatientRow::default()
    }
}

pub fn patients(query: &str) -> Patients {
    let mut rows = vec![
        person("1", "Garcia", "Maria Elena", "1964-03-05", "female", "617-555-0142"),
        person(
            "2",
            "Garcia-Montgomery van der Westhuizen",
            "Anneliese Wilhelmina Josephine",
            "1938-12-01",
            "female",
            "617-555-0178",
        ),
        person("3", "Garfield", "Thomas", "2019-07-21", "male", "617-555-0119"),
        person("4", "Gargano", "Baby Boy", "2026-11-10", "male", ""),
        person("5", "Garner", "Keisha", "1991-01", "female", "617-555-0101"),
        person("6", "غريب", "ليلى عبد الرحمن", "1979-09-14", "female", "617-555-0199"),
        person("7", "Garrison", "Walter", "1929-02-11", "male", "617-555-0163"),
    ];
    rows[0].name.called = Some("Mari".to_owned());
    rows[6].deceased = true;
    Patients { query: query.to_owned(), rows, next: None, total: Some(7) }
}

pub fn nobody(query: &str) -> Patients {
    Patients { query: query.to_owned(), ..Patients::default() }
}

pub fn today() -> Today {
    let slot = |time: &str, id: &str, who: &str, about: &str, reason: &str, status: &str| Slot {
        time: time.to_owned(),
        patient_id: Some(id.to_owned()),
        patient: {
            let (family, given) = who.split_once(", ").unwrap_or((who, ""));
            Name { family: family.to_owned(), given: given.to_owned(), called: None }
        },
        about: about.to_owned(),
        reason: reason.to_owned(),
        status: status.to_owned(),
        weight: Weight::Plain,
        past: time < "10:30",
        now: time == "10:30",
    };
    let mut slots = vec![
        slot(
            "08:30",
            "1",
            "Garcia, Maria Elena",
            "62 y female · 20 min",
            "Diabetes follow-up",
            "fulfilled",
        ),
        slot(
            "09:00",
            "3",
            "Garfield, Thomas",
            "7 y male · 30 min",
            "Well child visit",
            "fulfilled",
        ),
        slot("09:30", "8", "Okafor, Chinonso", "45 y male · 20 min", "Knee pain", "no show"),
        slot(
            "10:00",
            "9",
            "Lindqvist, Astrid",
            "33 y female · 20 min",
            "Medication refill",
            "checked in",
        ),
        slot(
            "10:30",
            "2",
            "Garcia-Montgomery van der Westhuizen, Anneliese Wilhelmina Josephine",
            "87 y female · 40 min",
            "Annual wellness visit; daughter comes along",
            "arrived",
        ),
        slot("11:30", "6", "غريب, ليلى عبد الرحمن", "47 y female · 20 min", "Headache", "booked"),
        slot(
            "13:00",
            "5",
            "Garner, Keisha",
            "about 35 y female · 20 min",
            "Prenatal visit, 24 weeks",
            "booked",
        ),
        slot("13:30", "11", "Nguyen, Bao", "58 y male · 20 min", "Blood pressure check", "booked"),
    ];
    slots[2].weight = Weight::Caution;
    Today {
        date: "Sunday, 22 November 2026".to_owned(),
        is_today: true,
        slots,
        counts: [
            ("Appointments today", "8"),
            ("Arrived or seen", "4"),
            ("Patients", "1,024"),
            ("Results this week", "86"),
        ]
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .to_vec(),
        ..recent_people()
    }
}

fn recent_people() -> Today {
    Today { recent: patients("").rows.into_iter().take(5).collect(), ..Today::default() }
}

#[expect(clippy::too_many_arguments, reason = "a row of a table of samples")]
fn series(
    key: &str,
    title: &str,
    group: &str,
    unit: &str,
    range: (Option<f64>, Option<f64>),
    decimals: usize,
    values: &[f64],
    every_days: i64,
) -> Series {
    let n = i64::try_from(values.len()).expect("small");
    let points = values
        .iter()
        .zip(0i64..)
        .map(|(v, i)| {
            let when = on(&days_ago((n - 1 - i) * every_days + 12));
            let flag = match range {
                (Some(low), _) if *v < low => Flag::Low,
                (_, Some(high)) if *v > high * 1.6 => Flag::CriticalHigh,
                (_, Some(high)) if *v > high => Flag::High,
                _ => Flag::None,
            };
            let source = if i % 5 == 2 { outside("Bay State Hospital") } else { inside() };
            Point {
                id: format!("{key}-{i}"),
                at_ms: when.at_ms,
                when,
                value: *v,
                second: None,
                text: format!("{v:.decimals$}"),
                flag,
                hand: if group == "Vitals" { Hand::Clinic } else { Hand::Lab },
                source,
            }
        })
        .collect();
    let words = match range {
        (Some(l), Some(h)) => format!("{l}–{h}"),
        (None, Some(h)) => format!("< {h}"),
        (Some(l), None) => format!("> {l}"),
        (None, None) => String::new(),
    };
    Series {
        key: key.to_owned(),
        title: title.to_owned(),
        specimen: None,
        group: group.to_owned(),
        unit: unit.to_owned(),
        range_low: range.0,
        range_high: range.1,
        range: words,
        pair: None,
        points,
    }
}

fn vitals() -> Vec<Series> {
    let sys = [128.0, 131.0, 134.0, 129.0, 138.0, 142.0, 139.0, 146.0, 141.0, 137.0, 134.0, 132.0];
    let dia = [80.0, 82.0, 84.0, 79.0, 86.0, 90.0, 88.0, 92.0, 89.0, 86.0, 84.0, 82.0];
    let mut bp =
        series("85354-9", "Blood pressure", "Vitals", "mmHg", (None, Some(140.0)), 0, &sys, 91);
    bp.pair = Some(("systolic", "diastolic"));
    bp.range = "< 140/90".to_owned();
    for (i, (p, d)) in bp.points.iter_mut().zip(dia).enumerate() {
        p.second = Some(d);
        p.text = format!("{:.0}/{d:.0}", p.value);
        if i % 4 == 1 {
            p.hand = Hand::Home;
            p.source = inside();
        }
    }
    let weight: Vec<f64> =
        (0..24).map(|i| 84.0 - f64::from(i) * 0.31 + f64::from(i * 7 % 5) * 0.4).collect();
    vec![
        bp,
        series(
            "8867-4",
            "Heart rate",
            "Vitals",
            "/min",
            (Some(60.0), Some(100.0)),
            0,
            &[72.0, 76.0, 70.0, 81.0, 74.0, 77.0],
            91,
        ),
        series("29463-7", "Weight", "Vitals", "kg", (None, None), 1, &weight, 60),
        series(
            "39156-5",
            "BMI",
            "Vitals",
            "kg/m²",
            (Some(18.5), Some(25.0)),
            1,
            &[30.9, 30.4, 30.1, 29.2, 28.6, 28.2],
            180,
        ),
        series(
            "8310-5",
            "Temperature",
            "Vitals",
            "°C",
            (Some(36.1), Some(37.8)),
            1,
            &[36.6, 36.9, 38.4, 36.7],
            120,
        ),
        series(
            "2708-6",
            "Oxygen saturation",
            "Vitals",
            "%",
            (Some(94.0), None),
            0,
            &[98.0, 97.0, 98.0],
            120,
        ),
        series(
            "9279-1",
            "Respiratory rate",
            "Vitals",
            "/min",
            (Some(12.0), Some(20.0)),
            0,
            &[16.0],
            120,
        ),
    ]
}

fn results() -> Vec<Series> {
    vec![
        series(
            "4548-4",
            "Hemoglobin A1c",
            "Diabetes",
            "%",
            (Some(4.0), Some(5.6)),
            1,
            &[6.9, 7.4, 8.1, 9.2, 8.7, 8.0, 7.6, 8.4],
            120,
        ),
        series(
            "2339-0",
            "Glucose",
            "Metabolic panel",
            "mg/dL",
            (Some(70.0), Some(99.0)),
            0,
            &[128.0, 141.0, 118.0, 155.0, 149.0, 162.0],
            120,
        ),
        series(
            "2823-3",
            "Potassium",
            "Metabolic panel",
            "mmol/L",
            (Some(3.5), Some(5.1)),
            1,
            &[4.4, 4.6, 4.2, 4.9, 5.4],
            120,
        ),
        series(
            "2160-0",
            "Creatinine",
            "Metabolic panel",
            "mg/dL",
            (Some(0.5), Some(1.1)),
            2,
            &[0.82, 0.85, 0.91, 0.97, 1.04, 1.18],
            120,
        ),
        series(
            "33914-3",
            "eGFR",
            "Metabolic panel",
            "mL/min/1.73 m²",
            (Some(60.0), None),
            0,
            &[92.0, 88.0, 79.0, 71.0, 66.0, 57.0],
            120,
        ),
        series(
            "2951-2",
            "Sodium",
            "Metabolic panel",
            "mmol/L",
            (Some(136.0), Some(145.0)),
            0,
            &[139.0, 140.0, 138.0, 141.0],
            120,
        ),
        series(
            "2089-1",
            "LDL cholesterol",
            "Lipids",
            "mg/dL",
            (None, Some(100.0)),
            0,
            &[142.0, 131.0, 96.0, 88.0],
            200,
        ),
        series(
            "2085-9",
            "HDL cholesterol",
            "Lipids",
            "mg/dL",
            (Some(50.0), None),
            0,
            &[44.0, 46.0, 51.0, 53.0],
            200,
        ),
        series(
            "718-7",
            "Hemoglobin",
            "Blood count",
            "g/dL",
            (Some(12.0), Some(15.5)),
            1,
            &[13.2, 13.4, 12.9],
            200,
        ),
        series(
            "777-3",
            "Platelets",
            "Blood count",
            "10³/µL",
            (Some(150.0), Some(400.0)),
            0,
            &[249.0],
            200,
        ),
    ]
}

fn problem(title: &str, onset: &str, active: bool) -> Problem {
    Problem {
        id: title.to_lowercase().replace(' ', "-"),
        title: title.to_owned(),
        active,
        onset: Some(on(onset)),
        ended: (!active).then(|| on("2021-04-02")),
        source: inside(),
        ..Problem::default()
    }
}

fn problems() -> Vec<Problem> {
    let mut list = vec![
        problem("Type 2 diabetes mellitus", "2014-06-11", true),
        problem("Essential hypertension", "2011-02-03", true),
        problem("Chronic kidney disease, stage 3a", "2025-08-19", true),
        problem("Hyperlipidemia", "2012", true),
        problem("Osteoarthritis of right knee", "2019-03", true),
        problem("Major depressive disorder, in remission", "2016-10-01", true),
        problem("Acute bronchitis", "2021-03-14", false),
        problem("Fracture of distal radius, left", "2020-01-09", false),
        problem("Lives alone", "2022-01-09", true),
    ];
    list[2].source = outside("Bay State Nephrology");
    list[8].social = true;
    list
}

fn medication(title: &str, dosage: &str, since: &str) -> Medication {
    Medication {
        id: title.to_lowercase().replace(' ', "-"),
        resource: "MedicationRequest",
        title: title.to_owned(),
        dosage: dosage.to_owned(),
        active: true,
        since: Some(on(since)),
        prescriber: Some("Ada Provider".to_owned()),
        source: inside(),
        ..Medication::default()
    }
}

fn medications() -> Vec<Medication> {
    let mut list = vec![
        medication(
            "Metformin 1,000 mg tablet",
            "1 tablet by mouth twice a day with meals",
            "2015-01-04",
        ),
        medication("Lisinopril 20 mg tablet", "1 tablet by mouth once a day", "2023-05-11"),
        medication("Atorvastatin 40 mg tablet", "1 tablet by mouth at bedtime", "2024-02-19"),
        medication("Empagliflozin 10 mg tablet", "1 tablet by mouth every morning", "2026-11-10"),
        medication(
            "Ibuprofen 400 mg tablet",
            "1 tablet by mouth every 8 hours as needed for knee pain, at most 3 a day",
            "2026-09-02",
        ),
        medication("Sertraline 50 mg tablet", "1 tablet by mouth once a day", "2016-10-01"),
    ];
    list[3].source = outside("Bay State Nephrology");
    list[4].as_needed = true;
    list[5].active = false;
    list[5].status = "completed".to_owned();
    list
}

fn allergy(substance: &str, weight: Weight, reactions: &str) -> Allergy {
    Allergy {
        id: substance.to_lowercase(),
        substance: substance.to_owned(),
        weight,
        criticality: match weight {
            Weight::High => "high risk",
            Weight::Caution => "risk not assessed",
            Weight::Plain => "low risk",
        }
        .to_owned(),
        reactions: reactions.to_owned(),
        kind: "medication".to_owned(),
        status: String::new(),
        recorded: Some(on("2015-01-04")),
        source: inside(),
    }
}

fn entry(kind: Kind, days: i64, title: &str, detail: &str, flag: Flag, source: Source) -> Entry {
    Entry {
        kind,
        resource: "Observation".to_owned(),
        id: format!("e{days}"),
        title: title.to_owned(),
        detail: (!detail.is_empty()).then(|| detail.to_owned()),
        when: on(&days_ago(days)),
        flag,
        href: matches!(kind, Kind::Document | Kind::Result).then(|| "#".to_owned()),
        source,
        repeated: None,
    }
}

fn entries() -> Vec<Entry> {
    vec![
        entry(
            Kind::Visit,
            12,
            "Office visit: diabetes follow-up",
            "Ada Provider · Willow Street",
            Flag::None,
            inside(),
        ),
        entry(
            Kind::Result,
            12,
            "Basic metabolic panel",
            "Creatinine 1.18 H · Potassium 5.4 H · eGFR 57 L · 5 in range",
            Flag::High,
            inside(),
        ),
        entry(Kind::Result, 12, "Hemoglobin A1c 8.4 %", "range 4.0–5.6", Flag::High, inside()),
        entry(
            Kind::Vital,
            12,
            "Vitals",
            "BP 132/82 · HR 77 · 77.6 kg · 36.7 °C · SpO₂ 98 %",
            Flag::None,
            inside(),
        ),
        entry(
            Kind::Medication,
            12,
            "Empagliflozin 10 mg started",
            "1 tablet by mouth every morning",
            Flag::None,
            outside("Bay State Nephrology"),
        ),
        entry(
            Kind::Document,
            13,
            "Nephrology consult note",
            "J. Rivera, MD",
            Flag::None,
            outside("Bay State Nephrology"),
        ),
        entry(
            Kind::Result,
            19,
            "Troponin I 0.62 ng/mL",
            "range < 0.04",
            Flag::CriticalHigh,
            outside("Bay State Hospital"),
        ),
        entry(
            Kind::Visit,
            19,
            "Emergency visit: chest pain",
            "Bay State Hospital · observed 9 h, discharged home",
            Flag::None,
            outside("Bay State Hospital"),
        ),
        entry(
            Kind::Procedure,
            19,
            "Electrocardiogram, 12 leads",
            "",
            Flag::None,
            outside("Bay State Hospital"),
        ),
        entry(
            Kind::Immunization,
            51,
            "Influenza vaccine, high dose",
            "left deltoid",
            Flag::None,
            inside(),
        ),
        entry(
            Kind::Medication,
            81,
            "Ibuprofen 400 mg, as needed",
            "for knee pain",
            Flag::None,
            inside(),
        ),
        entry(Kind::Order, 81, "Referral to nephrology", "falling eGFR", Flag::None, inside()),
        entry(
            Kind::Visit,
            81,
            "Office visit: knee pain",
            "Ada Provider · Willow Street",
            Flag::None,
            inside(),
        ),
        entry(
            Kind::Problem,
            460,
            "Chronic kidney disease, stage 3a",
            "new",
            Flag::None,
            outside("Bay State Nephrology"),
        ),
        entry(
            Kind::Visit,
            560,
            "Annual wellness visit",
            "Ada Provider · Willow Street",
            Flag::None,
            inside(),
        ),
        entry(Kind::Document, 560, "Advance directive", "signed by patient", Flag::None, inside()),
        entry(
            Kind::Allergy,
            900,
            "Allergy recorded: penicillin",
            "anaphylaxis · high risk",
            Flag::None,
            inside(),
        ),
    ]
}

fn immunization(title: &str, when: &str) -> Immunization {
    Immunization {
        id: title.to_lowercase(),
        title: title.to_owned(),
        when: on(when),
        dose: Some("1".to_owned()),
        lot: Some("W2381".to_owned()),
        site: Some("left deltoid".to_owned()),
        status: "completed".to_owned(),
        given: true,
        source: inside(),
    }
}

pub fn usual() -> Overview {
    let penicillin = allergy("Penicillin", Weight::High, "anaphylaxis, hives");
    let lisinopril = allergy("Sulfonamides", Weight::Caution, "rash");
    Overview {
        banner: Banner {
            id: "1".to_owned(),
            name: Name { family: "Garcia".to_owned(), given: "Maria Elena".to_owned(), called: Some("Mari".to_owned()) },
            age: "62 y".to_owned(),
            sex: "female".to_owned(),
            pronouns: Some("she/her".to_owned()),
            birth_date: "5 Mar 1964".to_owned(),
            identifiers: vec![("MRN".to_owned(), "100581".to_owned())],
            phone: Some("617-555-0142".to_owned()),
            language: Some("Spanish".to_owned()),
            interpreter: true,
            allergies: Allergies::Listed(vec![penicillin, lisinopril, allergy("Latex", Weight::Plain, "contact rash")]),
            alerts: vec![Alert { text: "Falls risk".to_owned(), weight: Weight::Caution }],
            next_visit: Some((on("2026-12-08T09:30:00Z"), "Follow-up, Ada Provider".to_owned())),
            last_visit: Some((on("2026-11-10"), "Office visit".to_owned())),
            ..Banner::default()
        },
        brief: Brief {
            sentences: vec![
                "62-year-old woman with type 2 diabetes, hypertension, chronic kidney disease (stage 3a) and 3 other active problems, on 5 medications.".to_owned(),
                "High-risk allergy: penicillin.".to_owned(),
                "Last seen 12 days ago for diabetes follow-up.".to_owned(),
            ],
            changes: vec![
                (Weight::High, "Troponin I 0.62 HH".to_owned()),
                (Weight::Caution, "Hemoglobin A1c 8.4 H".to_owned()),
                (Weight::Caution, "eGFR 57 L".to_owned()),
                (Weight::Plain, "Empagliflozin started outside".to_owned()),
                (Weight::Plain, "1 document from outside".to_owned()),
            ],
            since: Some(on("2026-09-02")),
        },
        problems: problems(),
        medications: medications(),
        vitals: vitals(),
        results: results(),
        immunizations: vec![
            immunization("Influenza, high dose", "2026-10-02"),
            immunization("COVID-19, mRNA", "2025-10-12"),
            immunization("Zoster recombinant", "2024-04-11"),
            immunization("Tdap", "2019-06-30"),
        ],
        timeline: Timeline { entries: entries(), earlier: Some("before=x".to_owned()), ..Timeline::default() },
    }
}

pub fn overfull() -> Overview {
    let mut v = usual();
    v.banner.name = Name {
        family: "Garcia-Montgomery van der Westhuizen de la Cruz y Echeverría".to_owned(),
        given: "Anneliese Wilhelmina Josephine Maximiliana".to_owned(),
        called: Some("ليلى".to_owned()),
    };
    v.banner.gender = Some("non-binary".to_owned());
    v.banner.identifiers.push(("Medicare".to_owned(), "1EG4-TE5-MK72".to_owned()));
    let many = [
        "Penicillin",
        "Peanut",
        "Bee venom",
        "Sulfonamides",
        "Latex",
        "Codeine",
        "Shellfish",
        "Grass pollen",
        "Cat dander",
        "Adhesive tape",
        "Iodinated contrast",
    ];
    v.banner.allergies = Allergies::Listed(
        many.iter()
            .enumerate()
            .map(|(i, s)| allergy(s, if i < 3 { Weight::High } else { Weight::Plain }, "hives"))
            .collect(),
    );
    v.banner
        .alerts
        .push(Alert { text: "Behavioral health: call first".to_owned(), weight: Weight::Plain });
    v.banner
        .alerts
        .push(Alert { text: "Do not resuscitate order on file".to_owned(), weight: Weight::High });
    for i in 0..40 {
        let mut m = medication(
            &format!(
                "Amoxicillin-clavulanate potassium extended release {} mg tablet",
                100 + i * 25
            ),
            "Take 2 tablets by mouth every 12 hours for 10 days, at the start of a meal, swallowed whole with plenty of water",
            "2026-09-02",
        );
        if i % 3 == 0 {
            m.source = outside("Massachusetts General Hospital Department of Infectious Diseases");
        }
        v.medications.push(m);
    }
    for i in 0..20 {
        v.problems.push(problem(
            &format!(
                "Malignant neoplasm of overlapping sites of colon, metastatic, finding number {i}"
            ),
            "2019-03",
            true,
        ));
    }
    v
}

pub fn newborn() -> Overview {
    Overview {
        banner: Banner {
            id: "4".to_owned(),
            name: Name { family: "Gargano".to_owned(), given: String::new(), called: None },
            age: "12 d".to_owned(),
            sex: "male".to_owned(),
            birth_date: "10 Nov 2026".to_owned(),
            ..Banner::default()
        },
        brief: Brief {
            sentences: vec!["12-day-old boy. Nothing is recorded yet.".to_owned()],
            ..Brief::default()
        },
        ..Overview::default()
    }
}

pub fn findings() -> Vec<Finding> {
    vec![
        Finding {
            id: "f1".to_owned(),
            title: "Urine culture".to_owned(),
            value: "Escherichia coli > 100,000 CFU/mL".to_owned(),
            flag: Flag::Abnormal,
            when: on("2026-09-02"),
            source: inside(),
        },
        Finding {
            id: "f2".to_owned(),
            title: "Tobacco smoking status".to_owned(),
            value: "Former smoker".to_owned(),
            flag: Flag::None,
            when: on("2026-11-10"),
            source: inside(),
        },
    ]
}

pub fn visits() -> Vec<Visit> {
    (0..9)
        .map(|i| Visit {
            id: format!("v{i}"),
            title: ["Office visit", "Telephone visit", "Emergency visit"][i % 3].to_owned(),
            kind: ["ambulatory", "virtual", "emergency"][i % 3].to_owned(),
            when: on(&days_ago(12 + i64::try_from(i).expect("small") * 80)),
            who: Some("Ada Provider".to_owned()),
            place: Some("Willow Street".to_owned()),
            reason: Some(
                ["Diabetes follow-up", "Medication refill", "Chest pain"][i % 3].to_owned(),
            ),
            status: String::new(),
            source: if i % 3 == 2 { outside("Bay State Hospital") } else { inside() },
        })
        .collect()
}

pub fn documents() -> Vec<Document> {
    (0..6)
        .map(|i| Document {
            id: format!("d{i}"),
            title: ["Progress note", "Nephrology consult note", "Discharge summary"][i % 3]
                .to_owned(),
            kind: ["Progress note", "Consult note", "Discharge summary"][i % 3].to_owned(),
            when: on(&days_ago(12 + i64::try_from(i).expect("small") * 44)),
            author: Some("J. Rivera, MD".to_owned()),
            draft: i == 0,
            source: if i % 3 == 0 { inside() } else { outside("Bay State Nephrology") },
        })
        .collect()
}

pub fn document() -> DocumentText {
    DocumentText {
        document: documents().swap_remove(1),
        text: Some(
            "Reason for consult: falling eGFR in type 2 diabetes.\n\nMs. Garcia is a 62-year-old woman with type 2 diabetes since 2014 and hypertension. eGFR fell from 92 to 57 mL/min/1.73 m² over two years. She takes ibuprofen for knee pain most days.\n\nAssessment\n1. Chronic kidney disease, stage 3a, likely diabetic, with NSAID exposure.\n2. Potassium 5.4 mmol/L on lisinopril.\n\nPlan\n- Stop ibuprofen.\n- Begin empagliflozin 10 mg every morning.\n- Repeat potassium and creatinine in 2 weeks."
                .to_owned(),
        ),
        ..DocumentText::default()
    }
}

pub fn coverage() -> Vec<Coverage> {
    vec![Coverage {
        id: "c1".to_owned(),
        payer: "Blue Cross Blue Shield of Massachusetts".to_owned(),
        plan: Some("HMO Blue New England".to_owned()),
        member: Some("XXP123456789".to_owned()),
        group: Some("4410012".to_owned()),
        relationship: Some("self".to_owned()),
        from: Some(on("2024-01-01")),
        active: true,
        status: "active".to_owned(),
        source: inside(),
        ..Coverage::default()
    }]
}

pub fn sessions() -> Vec<Session> {
    vec![
        Session {
            id: "a".to_owned(),
            device: "Firefox on Linux".to_owned(),
            address: "10.0.0.12".to_owned(),
            started: on("2026-11-22T07:55:00Z"),
            used: on("2026-11-22T14:59:40Z"),
            current: true,
        },
        Session {
            id: "b".to_owned(),
            device: "Safari on iPhone".to_owned(),
            address: "10.0.0.31".to_owned(),
            started: on("2026-11-20T18:02:00Z"),
            used: on("2026-11-21T21:14:00Z"),
            current: false,
        },
    ]
}
