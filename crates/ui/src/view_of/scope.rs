//! Scopes in plain words.

use record::{Action, Actions, Extra, Level, Scope, Scopes};

use crate::view::AskLine;

/// Types in words of practice; others by their name.
const WORDS: &[(&str, &str)] = &[
    ("Patient", "name, birth date, address and other personal details"),
    ("AllergyIntolerance", "allergies"),
    ("Appointment", "appointments"),
    ("CarePlan", "care plans"),
    ("CareTeam", "the care team"),
    ("Condition", "problems and diagnoses"),
    ("Coverage", "insurance"),
    ("Device", "implants and devices"),
    ("DiagnosticReport", "reports"),
    ("DocumentReference", "documents and notes"),
    ("Encounter", "visits"),
    ("Goal", "goals"),
    ("Immunization", "vaccinations"),
    ("Location", "places of care"),
    ("Media", "pictures"),
    ("Medication", "medicines"),
    ("MedicationDispense", "medicines that were handed out"),
    ("MedicationRequest", "prescriptions"),
    ("Observation", "results, vital signs and other observations"),
    ("Organization", "organizations"),
    ("Practitioner", "clinicians"),
    ("PractitionerRole", "roles of clinicians"),
    ("Procedure", "procedures"),
    ("Provenance", "where entries come from"),
    ("QuestionnaireResponse", "answers to forms"),
    ("RelatedPerson", "family and contacts"),
    ("ServiceRequest", "orders and referrals"),
    ("Specimen", "samples"),
];

/// The lines of a question: who one is, the patient in context, the record, how long.
pub fn lines(scopes: &Scopes) -> Vec<AskLine> {
    let has = |wanted: &[Extra]| -> Vec<&'static str> {
        wanted.iter().filter(|extra| scopes.has(**extra)).map(|extra| extra.as_str()).collect()
    };
    let mut lines = Vec::new();
    let mut push = |scopes: Vec<&str>, title: &str, more: &str| {
        if !scopes.is_empty() {
            let (scopes, title, more) = (scopes.join(" "), title.to_owned(), more.to_owned());
            lines.push(AskLine { scopes, title, more, changes: false });
        }
    };
    let identity = has(&[Extra::OpenId, Extra::FhirUser, Extra::Profile]);
    push(identity, "Know who you are", "Your account here, and your entry in the record.");
    let context = has(&[Extra::Launch, Extra::LaunchPatient, Extra::LaunchEncounter]);
    push(context, "Know which patient it is about", "");
    lines.extend(scopes.rows().iter().map(line));
    let mut push = |extra: Extra, title: &str, more: &str| {
        if scopes.has(extra) {
            let (title, more) = (title.to_owned(), more.to_owned());
            lines.push(AskLine { scopes: extra.as_str().to_owned(), title, more, changes: false });
        }
    };
    push(Extra::OfflineAccess, "Stay connected when you are away", "For at most 120 days.");
    push(Extra::OnlineAccess, "Stay connected while you are signed in", "");
    lines
}

/// One scope in words: `See allergies`.
pub fn line(scope: &Scope) -> AskLine {
    let what = match (scope.rt, scope.level) {
        (None, Level::Patient) => "everything in this patient's record".to_owned(),
        (None, Level::User) => "everything in the record that you may see".to_owned(),
        (None, Level::System) => "everything in the record of all patients".to_owned(),
        (Some(rt), _) => words(rt.name()),
    };
    let whose = match (scope.rt, scope.level) {
        (None, _) => "",
        (_, Level::Patient) => "",
        (_, Level::User) => "Of everybody, as far as you may see it.",
        (_, Level::System) => "Of all patients, by itself.",
    };
    let only = scope.query.as_deref().map(conditions).unwrap_or_default();
    let more = [whose, &only].into_iter().filter(|part| !part.is_empty());
    AskLine {
        scopes: scope.to_string(),
        title: format!("{} {what}", acts(scope.actions)),
        more: more.collect::<Vec<_>>().join(" "),
        changes: changes(scope.actions),
    }
}

/// All scopes as sentences, for lists.
pub fn sentences(scopes: &Scopes) -> Vec<String> {
    let sentence = |line: AskLine| match line.more.as_str() {
        "" => line.title,
        more => format!("{}. {more}", line.title),
    };
    lines(scopes).into_iter().map(sentence).collect()
}

fn words(name: &str) -> String {
    if let Some((_, words)) = WORDS.iter().find(|(known, _)| *known == name) {
        return (*words).to_owned();
    }
    let mut out = String::from("entries of the kind ");
    for (i, c) in name.chars().enumerate() {
        if i > 0 && c.is_uppercase() {
            out.push(' ');
        }
        out.extend(c.to_lowercase());
    }
    out
}

fn changes(actions: Actions) -> bool {
    [Action::Create, Action::Update, Action::Delete].iter().any(|action| actions.has(*action))
}

fn acts(actions: Actions) -> String {
    let sees = actions.has(Action::Read) || actions.has(Action::Search);
    let words: Vec<&str> = [
        (sees, "see"),
        (actions.has(Action::Create), "add"),
        (actions.has(Action::Update), "change"),
        (actions.has(Action::Delete), "delete"),
    ]
    .into_iter()
    .filter_map(|(has, word)| has.then_some(word))
    .collect();
    let joined = match words.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    };
    let mut letters = joined.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// `category=http://…|laboratory` as `Only with category laboratory.`
fn conditions(query: &str) -> String {
    let one = |(name, value): (String, String)| {
        let short = value.rsplit(['|', '/']).next().filter(|part| !part.is_empty());
        format!("{name} {}", short.unwrap_or(&value))
    };
    let all: Vec<String> = record::parse_query(query).into_iter().map(one).collect();
    format!("Only with {}.", all.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_told_in_plain_words() {
        let said = sentences(&Scopes::parse(
            "openid fhirUser launch/patient offline_access patient/*.rs patient/Condition.cruds \
             user/Observation.r?category=http://x.org/c|laboratory patient/NutritionOrder.cu",
        ));
        assert_eq!(
            said,
            [
                "Know who you are. Your account here, and your entry in the record.",
                "Know which patient it is about",
                "See everything in this patient's record",
                "See, add, change and delete problems and diagnoses",
                "Add and change entries of the kind nutrition order",
                "See results, vital signs and other observations. Of everybody, as far as you may see it. \
                 Only with category laboratory.",
                "Stay connected when you are away. For at most 120 days.",
            ]
        );
    }

    #[test]
    fn what_is_ticked_is_what_was_asked() {
        let asked = Scopes::parse(
            "openid profile launch online_access user/*.cruds patient/Observation.rs?code=a%20b",
        );
        let lines = lines(&asked);
        let ticked = auth::ticked(lines.iter().map(|line| line.scopes.as_str()));
        assert_eq!(ticked, asked);
        let fewer = auth::ticked(lines.iter().skip(1).map(|line| line.scopes.as_str()));
        assert!(asked.covers(&fewer) && !fewer.has(Extra::OpenId));
    }
}
