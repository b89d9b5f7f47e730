//! Random requests over every route of the record: what somebody curious would try.

use case_kit::Random;
use fhir_tables::{ResourceType, SearchKind, SearchParam};

use super::data::{
    CATEGORIES, CODES, DATES, IDS, LABELS, Made, NAMES, PATIENTS, STATUSES, SYSTEMS, TEXTS, TYPES,
};

/// One request, for both records.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    pub method: &'static str,
    pub url: String,
    pub body: Option<String>,
    pub if_match: Option<String>,
    pub if_none_match: Option<String>,
    pub if_none_exist: Option<String>,
    /// The link that is followed; empty: `next`.
    pub follows: &'static str,
    /// The search of a desk, which has no URL.
    pub find: Option<String>,
}

fn get(url: String) -> Ask {
    Ask { method: "GET", url, ..Ask::default() }
}

fn ty(random: &mut Random) -> &'static str {
    // Most of the record says something of a patient.
    if random.in_ten(5) {
        return random.of(&["Patient", "Observation", "Encounter", "Condition", "List"]);
    }
    random.of(&TYPES)
}

fn id_of(ty: &str, random: &mut Random) -> String {
    match ty {
        "Patient" => format!("p{}", random.below(PATIENTS + 1)),
        _ => format!("{}{}", ty[..1].to_lowercase(), random.below(IDS)),
    }
}

fn reference(random: &mut Random) -> String {
    let ty =
        random.of(&["Patient", "Patient", "Patient", "Practitioner", "Encounter", "Observation"]);
    format!("{ty}/{}", id_of(ty, random))
}

pub fn ask(random: &mut Random, made: &[Made]) -> Ask {
    match random.below(100) {
        0..3 => {
            let code = random.of(&CODES);
            let more =
                random.of(&["", "&_sort=code", "&_total=accurate", "&_containedType=contained"]);
            let how = random.of(&["true", "both"]);
            get(format!("Medication?_contained={how}&code={code}{more}"))
        }
        3..38 => {
            let ty = ty(random);
            get(format!("{ty}?{}", query(ty, random)))
        }
        38..44 => {
            let types = format!("{},{}", ty(random), ty(random));
            let named = if random.in_ten(7) { format!("_type={types}&") } else { String::new() };
            get(format!("?{named}{}", across(random)))
        }
        44..50 => {
            let (root, ty) =
                (random.of(&["Patient", "Patient", "Encounter", "Practitioner"]), ty(random));
            let id = id_of(root, random);
            let ty = if random.in_ten(2) { "*" } else { ty };
            let query = match ty {
                "*" => across(random),
                ty => query(ty, random),
            };
            get(format!("{root}/{id}/{ty}?{query}"))
        }
        50..58 => {
            let ty = ty(random);
            let mut ask = get(format!("{ty}/{}", id_of(ty, random)));
            ask.if_none_match = random.in_ten(2).then(|| "W/\"1\"".to_owned());
            ask
        }
        58..62 => {
            let ty = ty(random);
            get(format!("{ty}/{}/_history/{}", id_of(ty, random), 1 + random.below(3)))
        }
        62..69 => {
            let ty = ty(random);
            let many: Vec<&Made> = made.iter().filter(|made| made.has_versions).collect();
            let of = match random.below(6) {
                0 => "_history".to_owned(),
                1 => format!("{ty}/_history"),
                // What was seen once and is not now, or the other way round.
                2 | 3 if !many.is_empty() => {
                    let one = many[random.below(many.len() as u64) as usize];
                    format!("{}/_history", one.name())
                }
                _ => format!("{ty}/{}/_history", id_of(ty, random)),
            };
            let follows = random.of(&["next", "last"]);
            let query = match random.below(4) {
                0 => format!("_count={}", 1 + random.below(3)),
                1 => format!("_since=2026-01-01T00:0{}:00Z&_count=5", random.below(6)),
                2 => format!("_at=2026-01-01T00:0{}", random.below(6)),
                _ => "_count=0".to_owned(),
            };
            Ask { follows, ..get(format!("{of}?{query}")) }
        }
        69..75 => match random.below(4) {
            0 => get(format!("Patient/$everything?_count={}", 5 + random.below(90))),
            1 => get(format!("Encounter/{}/$everything", id_of("Encounter", random))),
            2 => {
                let who = random.of(&["patient=Patient/p", "subject=Patient/p", "patient=p"]);
                let what =
                    random.of(&["category=laboratory", "code=8302-2", "category=vital-signs"]);
                let n = random.below(PATIENTS);
                get(format!("Observation/$lastn?max={}&{who}{n}&{what}", 1 + random.below(3)))
            }
            _ => get(format!(
                "Patient/{}/$everything{}",
                id_of("Patient", random),
                random.of(&[
                    "",
                    "?_type=Observation",
                    "?start=2020",
                    "?_since=2026-01-01T00:02:00Z",
                    "?_count=2"
                ])
            )),
        },
        75..77 => Ask {
            method: "GET",
            find: Some(random.of(&["0042", "10042", "555", "5501", "0100"]).to_owned()),
            ..Ask::default()
        },
        77..93 => write(random, made),
        _ => bundle(random, made),
    }
}

/// A text that could be a new version of something.
fn content(ty: &str, random: &mut Random, made: &[Made]) -> Option<String> {
    let of: Vec<&Made> = made.iter().filter(|made| made.rt.name() == ty).collect();
    (!of.is_empty()).then(|| {
        let one = of[random.below(of.len() as u64) as usize];
        match one.others.len() {
            0 => one.text.clone(),
            n => one.others[random.below(n as u64) as usize].clone(),
        }
    })
}

fn with_id(text: &str, id: &str) -> String {
    let at = text.find(r#""id":""#).expect("id") + 6;
    let end = at + text[at..].find('"').expect("the end of the id");
    format!("{}{id}{}", &text[..at], &text[end..])
}

/// The text with one of its references led somewhere else, which may not be there.
fn referring(text: &str, random: &mut Random) -> String {
    const BEFORE: &str = r#""reference":""#;
    let places: Vec<usize> = text.match_indices(BEFORE).map(|(at, _)| at + BEFORE.len()).collect();
    if places.is_empty() {
        return text.to_owned();
    }
    let at = places[random.below(places.len() as u64) as usize];
    let (ty, rest) = text[at..].split_once('/').unwrap_or(("", ""));
    let end = text.len() - rest.len() + rest.find('"').unwrap_or(0);
    match TYPES.contains(&ty) {
        true => format!("{}{ty}/{}{}", &text[..at], id_of(ty, random), &text[end..]),
        false => text.to_owned(),
    }
}

/// An Observation that many may write, with a reference that asks whether something is there.
fn probing(random: &mut Random) -> Ask {
    let to = match random.in_ten(5) {
        true => format!(r#""hasMember":[{{"reference":"Observation/o{}"}}]"#, random.below(IDS)),
        false => format!(r#""encounter":{{"reference":"Encounter/e{}"}}"#, random.below(IDS)),
    };
    let body = format!(
        r#"{{"resourceType":"Observation","status":"final","code":{{"text":"c"}},"subject":{{"reference":"Patient/p{}"}},{to}}}"#,
        1 + random.below(3)
    );
    Ask { method: "POST", url: "Observation".to_owned(), body: Some(body), ..Ask::default() }
}

fn write(random: &mut Random, made: &[Made]) -> Ask {
    if random.in_ten(2) {
        return probing(random);
    }
    let ty =
        random.of(&["Observation", "Observation", "Encounter", "Patient", "Condition", "List"]);
    let Some(text) = content(ty, random, made) else { return get(ty.to_owned()) };
    let text = if random.in_ten(4) { referring(&text, random) } else { text };
    let id = id_of(ty, random);
    let condition = condition(ty, random);
    let if_match = random.in_ten(3).then(|| format!("W/\"{}\"", 1 + random.below(2)));
    let patch = r#"[{"op":"replace","path":"/status","value":"final"}]"#.to_owned();
    match random.below(9) {
        0 => Ask { method: "POST", url: ty.to_owned(), body: Some(text), ..Ask::default() },
        1 => Ask {
            method: "POST",
            url: ty.to_owned(),
            body: Some(text),
            if_none_exist: Some(condition),
            ..Ask::default()
        },
        2 | 3 => {
            let body = Some(with_id(&text, &id));
            let if_none_match = random.in_ten(2).then(|| "*".to_owned());
            let url = format!("{ty}/{id}");
            Ask { method: "PUT", url, body, if_match, if_none_match, ..Ask::default() }
        }
        4 => {
            let body = if random.in_ten(5) { with_id(&text, &id) } else { text };
            Ask {
                method: "PUT",
                url: format!("{ty}?{condition}"),
                body: Some(body),
                ..Ask::default()
            }
        }
        5 => Ask {
            method: "PATCH",
            url: format!("{ty}/{id}"),
            body: Some(patch),
            if_match,
            ..Ask::default()
        },
        6 => Ask {
            method: "PATCH",
            url: format!("{ty}?{condition}"),
            body: Some(patch),
            ..Ask::default()
        },
        7 => Ask { method: "DELETE", url: format!("{ty}/{id}"), if_match, ..Ask::default() },
        _ => Ask { method: "DELETE", url: format!("{ty}?{condition}"), ..Ask::default() },
    }
}

/// A few pairs without controls.
fn condition(ty: &str, random: &mut Random) -> String {
    let n = 1 + random.below(2);
    (0..n).map(|_| pair(ty, random)).collect::<Vec<_>>().join("&")
}

fn bundle(random: &mut Random, made: &[Made]) -> Ask {
    let kind = random.of(&["batch", "batch", "transaction"]);
    let entries: Vec<String> = (0..1 + random.below(4))
        .map(|_| {
            let mut one = match random.in_ten(5) {
                true => write(random, made),
                false => ask(random, made),
            };
            while one.find.is_some() || one.url.is_empty() || one.url.starts_with('?') {
                one = write(random, made);
            }
            let json = |text: &str| fhir::json::Value::from(text).to_json();
            let mut request = format!(r#""method":"{}","url":{}"#, one.method, json(&one.url));
            for (name, value) in [
                ("ifMatch", &one.if_match),
                ("ifNoneMatch", &one.if_none_match),
                ("ifNoneExist", &one.if_none_exist),
            ] {
                if let Some(value) = value {
                    request.push_str(&format!(r#","{name}":{}"#, json(value)));
                }
            }
            let resource = match (one.method, one.body) {
                ("POST" | "PUT", Some(body)) => format!(r#","resource":{body}"#),
                _ => String::new(),
            };
            format!(r#"{{"request":{{{request}}}{resource}}}"#)
        })
        .collect();
    let body =
        format!(r#"{{"resourceType":"Bundle","type":"{kind}","entry":[{}]}}"#, entries.join(","));
    Ask { method: "POST", url: String::new(), body: Some(body), ..Ask::default() }
}

fn controls(ty: Option<&str>, random: &mut Random) -> Vec<String> {
    let mut all = Vec::new();
    if random.in_ten(3) {
        all.push(format!("_count={}", 1 + random.below(6)));
    }
    if random.in_ten(3) {
        all.push(format!("_total={}", random.of(&["none", "estimate", "accurate"])));
    }
    if random.in_ten(2) {
        all.push(format!("_summary={}", random.of(&["true", "count", "text", "data"])));
    }
    if random.in_ten(4) {
        let sort = match ty {
            None => random.of(&["_lastUpdated", "-_lastUpdated", "_id"]).to_owned(),
            Some("Observation") if random.in_ten(4) => "encounter.date".to_owned(),
            Some("Observation") => random
                .of(&[
                    "date",
                    "-date",
                    "patient.name",
                    "code",
                    "-value-quantity",
                    "subject:Patient.birthdate",
                    "encounter.date",
                ])
                .to_owned(),
            Some("Patient") => {
                random.of(&["name", "-birthdate", "general-practitioner.name", "family"]).to_owned()
            }
            Some("Encounter") => random.of(&["date", "patient.family", "-status"]).to_owned(),
            Some(_) => random.of(&["_id", "-_lastUpdated", "_lastUpdated"]).to_owned(),
        };
        all.push(format!("_sort={sort}"));
    }
    if random.in_ten(4) {
        let include = match ty {
            _ if random.in_ten(3) => "_include=*",
            _ if random.in_ten(3) => "_revinclude=*",
            Some("Observation") => random.of(&[
                "_include=Observation:subject",
                "_include=Observation:encounter&_include:iterate=Encounter:participant",
                "_include=Observation:has-member&_include:iterate=Observation:has-member",
                "_revinclude=List:item",
                "_revinclude:iterate=Observation:has-member",
            ]),
            Some("Patient") => random.of(&[
                "_revinclude=Observation:subject",
                "_revinclude=Group:member",
                "_revinclude=AuditEvent:patient",
                "_revinclude=Encounter:patient&_revinclude:iterate=Condition:encounter",
                "_include=Patient:general-practitioner",
            ]),
            _ => "_include=*",
        };
        all.push(include.to_owned());
    }
    if random.in_ten(1) {
        all.push("_elements=id,meta".to_owned());
    }
    all
}

fn across(random: &mut Random) -> String {
    let mut all = vec![match random.below(4) {
        0 => format!("_id={}", id_of("Patient", random)),
        1 => format!("_lastUpdated=ge2026-01-01T00:0{}:00Z", random.below(6)),
        2 => format!("_security={LABELS}|R"),
        _ => format!("_content={}", random.of(&["secret", "Müller", "Systolic", "Hidden"])),
    }];
    all.extend(controls(None, random));
    all.join("&")
}

fn query(ty: &str, random: &mut Random) -> String {
    let mut all: Vec<String> = (0..random.below(3)).map(|_| pair(ty, random)).collect();
    if random.in_ten(4) {
        all.push(beyond(ty, random));
    }
    all.extend(controls(Some(ty), random));
    all.join("&")
}

/// A condition that looks at more than the values of one resource.
fn beyond(ty: &str, random: &mut Random) -> String {
    let name = random.of(&NAMES);
    let code = random.of(&CODES);
    if random.in_ten(2) {
        return format!("_list={}", id_of("List", random));
    }
    if random.in_ten(1) {
        return format!("_contained={}&code={code}", random.of(&["true", "both"]));
    }
    if random.in_ten(2) {
        return format!("_text={}", random.of(&["secret", "Müller", "Systolic", "word"]));
    }
    match ty {
        "Observation" => match random.below(9) {
            0 => format!("patient.name={name}"),
            1 => format!("subject:Patient.general-practitioner.name={name}"),
            2 => format!("encounter.participant:Practitioner.family={name}"),
            3 => format!("_has:List:item:subject={}", reference(random)),
            4 => format!("has-member.code={code}"),
            5 => format!("_filter=code eq {code} and patient.name co {name}"),
            6 => format!("code:in=ValueSet/{}", id_of("ValueSet", random)),
            7 => format!("patient._has:Condition:patient:code={code}"),
            _ => format!("_has:AuditEvent:entity:recorded={}", random.of(&DATES)),
        },
        "Patient" => match random.below(7) {
            0 => format!("_has:Observation:patient:code={code}"),
            1 => format!("_has:Observation:subject:value-quantity=lt{}", random.below(200)),
            2 => format!("_has:Encounter:patient:_has:Observation:encounter:code={code}"),
            3 => format!("general-practitioner:Practitioner.name={name}"),
            4 => format!("organization.partof.name={name}"),
            5 => format!("_filter=not (name co {name})"),
            _ => format!("_has:Group:member:_id={}", id_of("Group", random)),
        },
        "Encounter" => match random.below(3) {
            0 => format!("_has:Observation:encounter:code={code}"),
            1 => format!("patient.birthdate=lt{}", random.of(&DATES)),
            _ => format!("_has:Condition:encounter:code={code}"),
        },
        "Location" => "near=42.3|-71.3|40|km".to_owned(),
        "MedicationRequest" => format!("medication.code={code}"),
        _ => format!("_has:List:item:_id={}", id_of("List", random)),
    }
}

/// Any parameter of the type with a value that something could have.
fn pair(ty: &str, random: &mut Random) -> String {
    let rt = ResourceType::from_name(ty).expect("R4");
    let params: Vec<&SearchParam> = search::params::of(rt)
        .map(|(_, param)| param)
        .filter(|p| !p.expression.is_empty() || matches!(p.code, "_id" | "_lastUpdated"))
        .collect();
    let usual = [
        "code",
        "date",
        "status",
        "subject",
        "patient",
        "name",
        "family",
        "category",
        "identifier",
        "_id",
        "_security",
        "_tag",
        "value-quantity",
        "encounter",
        "performer",
        "item",
        "member",
        "beneficiary",
        "_lastUpdated",
        "phone",
        "combo-code",
        "code-value-quantity",
    ];
    let mut param = params[random.below(params.len() as u64) as usize];
    for _ in 0..6 {
        if usual.contains(&param.code) {
            break;
        }
        param = params[random.below(params.len() as u64) as usize];
    }
    let modifier = match (random.below(4), param.kind) {
        _ if matches!(param.code, "_lastUpdated" | "_id") => "",
        (0, SearchKind::Token) => random.of(&[":not", ":text", ":missing"]),
        (0, SearchKind::String) => random.of(&[":exact", ":contains", ":missing"]),
        (0, SearchKind::Reference) => random.of(&[":missing", ":identifier"]),
        (0, _) => random.of(&["", ":missing"]),
        _ => "",
    };
    let value = match modifier {
        ":missing" => random.of(&["true", "false"]).to_owned(),
        ":text" => random.of(&TEXTS).to_owned(),
        ":identifier" => format!("urn:own|{}", random.below(9)),
        _ => value(ty, param, random),
    };
    format!("{}{modifier}={value}", param.code)
}

fn value(ty: &str, param: &SearchParam, random: &mut Random) -> String {
    match (param.code, param.kind) {
        ("_id", _) => id_of(ty, random),
        ("_lastUpdated", _) => {
            format!("{}2026-01-01T00:0{}:00Z", random.of(&["gt", "lt"]), random.below(6))
        }
        ("_security", _) => format!("{LABELS}|{}", random.of(&["R", "N"])),
        ("category", _) => random.of(&CATEGORIES).to_owned(),
        ("status", _) => random.of(&STATUSES).to_owned(),
        ("identifier", _) => format!("{}0042", random.below(50)),
        (_, SearchKind::Token) => match random.below(3) {
            0 => format!("{}|{}", random.of(&SYSTEMS), random.of(&CODES)),
            1 => format!("{}|", random.of(&SYSTEMS)),
            _ => random.of(&CODES).to_owned(),
        },
        (_, SearchKind::Date) => {
            format!("{}{}", random.of(&["", "gt", "lt", "ne", "ap"]), random.of(&DATES))
        }
        (_, SearchKind::Number | SearchKind::Quantity) => {
            format!("{}{}", random.of(&["", "gt", "lt"]), random.below(200))
        }
        (_, SearchKind::Reference) => match random.in_ten(8) {
            true => reference(random),
            false => id_of("Patient", random),
        },
        (_, SearchKind::Uri) => format!("http://own.org/vs/{}", random.below(4)),
        (_, SearchKind::Composite) => format!("{}${}", random.of(&CODES), random.below(200)),
        _ => random.of(&NAMES).to_owned(),
    }
}
