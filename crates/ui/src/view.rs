//! View models: what the pages show, as plain data.
//!
//! Every text here is already in the words a reader sees; no FHIR shape reaches a template.

pub mod audit;
pub mod emergency;

pub use crate::when::When;

/// A person's name, in the parts that lists and banners arrange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name {
    pub family: String,
    pub given: String,
    /// The name to use in conversation, when it differs from the given name.
    pub called: Option<String>,
}

impl Name {
    /// `Family, Given`, or what there is of it.
    pub fn sorted(&self) -> String {
        match (self.family.is_empty(), self.given.is_empty()) {
            (false, false) => format!("{}, {}", self.family, self.given),
            (false, true) => self.family.clone(),
            (true, false) => self.given.clone(),
            (true, true) => "Name not recorded".to_owned(),
        }
    }

    /// Up to two initials.
    pub fn initials(&self) -> String {
        let first = |s: &str| s.chars().find(|c| c.is_alphabetic());
        let mut out: String =
            [first(&self.given), first(&self.family)].into_iter().flatten().collect();
        if out.is_empty() {
            out.push('?');
        }
        out
    }
}

/// Where a fact came from; `outside` facts look outside until reconciled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    pub label: String,
    pub outside: bool,
}

/// One row of the patient list.
#[derive(Clone, Debug, Default)]
pub struct PatientRow {
    pub id: String,
    pub name: Name,
    pub age: String,
    pub sex: String,
    pub birth_date: String,
    pub identifier: String,
    pub phone: String,
    pub deceased: bool,
    pub inactive: bool,
}

/// The patient list, as searched.
#[derive(Clone, Debug, Default)]
pub struct Patients {
    pub query: String,
    pub rows: Vec<PatientRow>,
    /// Link to the next page, when there is one.
    pub next: Option<String>,
    pub total: Option<u64>,
}

/// What an alert or an allergy weighs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    High,
    Caution,
    #[default]
    Plain,
}

/// What is known of allergies: never recorded is not the same as none.
#[derive(Clone, Debug, Default)]
pub enum Allergies {
    #[default]
    NotRecorded,
    NoneKnown,
    Listed(Vec<Allergy>),
}

#[derive(Clone, Debug, Default)]
pub struct Allergy {
    pub id: String,
    pub substance: String,
    pub weight: Weight,
    /// `high risk`, `low risk`, or empty when not assessed.
    pub criticality: String,
    pub reactions: String,
    pub kind: String,
    pub status: String,
    pub recorded: Option<When>,
    pub source: Source,
}

#[derive(Clone, Debug, Default)]
pub struct Alert {
    pub text: String,
    pub weight: Weight,
}

/// Who the patient is, above every chart page.
#[derive(Clone, Debug, Default)]
pub struct Banner {
    pub id: String,
    pub name: Name,
    pub age: String,
    pub sex: String,
    /// Gender, where it is recorded and differs from sex.
    pub gender: Option<String>,
    pub pronouns: Option<String>,
    pub birth_date: String,
    pub identifiers: Vec<(String, String)>,
    pub phone: Option<String>,
    pub language: Option<String>,
    pub interpreter: bool,
    pub allergies: Allergies,
    pub alerts: Vec<Alert>,
    pub next_visit: Option<(When, String)>,
    pub last_visit: Option<(When, String)>,
    pub deceased: Option<When>,
    pub inactive: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Problem {
    pub id: String,
    pub title: String,
    pub code: Option<String>,
    pub active: bool,
    pub status: String,
    pub severity: Option<String>,
    pub onset: Option<When>,
    pub ended: Option<When>,
    /// A social or administrative finding rather than a disease.
    pub social: bool,
    pub source: Source,
}

#[derive(Clone, Debug, Default)]
pub struct Medication {
    pub id: String,
    pub resource: &'static str,
    pub title: String,
    pub dosage: String,
    pub reason: Option<String>,
    pub active: bool,
    pub status: String,
    pub since: Option<When>,
    pub prescriber: Option<String>,
    pub as_needed: bool,
    pub source: Source,
}

/// The abnormal mark of a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flag {
    #[default]
    None,
    Low,
    High,
    Abnormal,
    CriticalLow,
    CriticalHigh,
    Critical,
}

impl Flag {
    /// Letters beside the value, and the words that a screen reader hears.
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Flag::None => ("", ""),
            Flag::Low => ("L", "low"),
            Flag::High => ("H", "high"),
            Flag::Abnormal => ("A", "abnormal"),
            Flag::CriticalLow => ("LL", "critically low"),
            Flag::CriticalHigh => ("HH", "critically high"),
            Flag::Critical => ("AA", "critically abnormal"),
        }
    }

    pub const fn critical(self) -> bool {
        matches!(self, Flag::CriticalLow | Flag::CriticalHigh | Flag::Critical)
    }

    pub const fn abnormal(self) -> bool {
        !matches!(self, Flag::None)
    }
}

/// Who made a measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hand {
    #[default]
    Clinic,
    Lab,
    Home,
}

impl Hand {
    pub const fn word(self) -> &'static str {
        match self {
            Hand::Clinic => "clinic",
            Hand::Lab => "lab",
            Hand::Home => "home",
        }
    }
}

/// One measured point of a series. `at_ms` is UTC milliseconds.
#[derive(Clone, Debug, Default)]
pub struct Point {
    pub id: String,
    pub at_ms: i64,
    pub when: When,
    pub value: f64,
    /// Second value of a pair, as in blood pressure.
    pub second: Option<f64>,
    /// The value as recorded, without unit.
    pub text: String,
    pub flag: Flag,
    pub hand: Hand,
    pub source: Source,
}

/// One measured quantity over time: a vital sign or an analyte. Points in time order.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// The code that names it in links.
    pub key: String,
    pub title: String,
    /// The specimen, to tell series of one title apart.
    pub specimen: Option<&'static str>,
    pub group: String,
    pub unit: String,
    pub range_low: Option<f64>,
    pub range_high: Option<f64>,
    /// The reference range in words, with its unit left out where it is the value's.
    pub range: String,
    /// Names of the two values of a pair.
    pub pair: Option<(&'static str, &'static str)>,
    pub points: Vec<Point>,
}

impl Series {
    pub fn last(&self) -> Option<&Point> {
        self.points.last()
    }

    /// Up, down or level against the point before; `None` without one.
    pub fn trend(&self) -> Option<Trend> {
        let [.., before, last] = self.points.as_slice() else { return None };
        let span = before.value.abs().max(f64::MIN_POSITIVE);
        let change = (last.value - before.value) / span;
        Some(match change {
            c if c > 0.03 => Trend::Up,
            c if c < -0.03 => Trend::Down,
            _ => Trend::Level,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trend {
    Up,
    Level,
    Down,
}

/// A result that is a word, not a number.
#[derive(Clone, Debug, Default)]
pub struct Finding {
    pub id: String,
    pub title: String,
    pub value: String,
    pub flag: Flag,
    pub when: When,
    pub source: Source,
}

#[derive(Clone, Debug, Default)]
pub struct Immunization {
    pub id: String,
    pub title: String,
    pub when: When,
    pub dose: Option<String>,
    pub lot: Option<String>,
    pub site: Option<String>,
    pub status: String,
    pub given: bool,
    pub source: Source,
}

#[derive(Clone, Debug, Default)]
pub struct Visit {
    pub id: String,
    pub title: String,
    pub kind: String,
    pub when: When,
    pub who: Option<String>,
    pub place: Option<String>,
    pub reason: Option<String>,
    pub status: String,
    pub source: Source,
}

#[derive(Clone, Debug, Default)]
pub struct Document {
    pub id: String,
    pub title: String,
    pub kind: String,
    pub when: When,
    pub author: Option<String>,
    pub draft: bool,
    pub source: Source,
}

/// A document opened: its words, or why they cannot be shown.
#[derive(Clone, Debug, Default)]
pub struct DocumentText {
    pub document: Document,
    pub text: Option<String>,
    /// Number and form of each attachment that is shown in place.
    pub contents: Vec<(usize, crate::view_of::papers::Form)>,
    pub why_not: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub struct Coverage {
    pub id: String,
    pub payer: String,
    pub plan: Option<String>,
    pub member: Option<String>,
    pub group: Option<String>,
    pub relationship: Option<String>,
    pub from: Option<When>,
    pub to: Option<When>,
    pub active: bool,
    pub status: String,
    pub source: Source,
}

/// The kinds of the timeline, in the order of its filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    #[default]
    Visit,
    Problem,
    Medication,
    Allergy,
    Result,
    Vital,
    Immunization,
    Procedure,
    Document,
    Order,
    Other,
}

impl Kind {
    pub const ALL: [Kind; 11] = [
        Kind::Visit,
        Kind::Problem,
        Kind::Medication,
        Kind::Allergy,
        Kind::Result,
        Kind::Vital,
        Kind::Immunization,
        Kind::Procedure,
        Kind::Document,
        Kind::Order,
        Kind::Other,
    ];

    /// The word in links.
    pub const fn slug(self) -> &'static str {
        match self {
            Kind::Visit => "visits",
            Kind::Problem => "problems",
            Kind::Medication => "medications",
            Kind::Allergy => "allergies",
            Kind::Result => "results",
            Kind::Vital => "vitals",
            Kind::Immunization => "immunizations",
            Kind::Procedure => "procedures",
            Kind::Document => "documents",
            Kind::Order => "orders",
            Kind::Other => "other",
        }
    }

    /// The word on the filter.
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Visit => "Visits",
            Kind::Problem => "Problems",
            Kind::Medication => "Medications",
            Kind::Allergy => "Allergies",
            Kind::Result => "Results",
            Kind::Vital => "Vitals",
            Kind::Immunization => "Immunizations",
            Kind::Procedure => "Procedures",
            Kind::Document => "Documents",
            Kind::Order => "Orders",
            Kind::Other => "Other",
        }
    }

    pub fn from_slug(slug: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|k| k.slug() == slug)
    }
}

#[derive(Clone, Debug, Default)]
pub struct Entry {
    pub kind: Kind,
    pub resource: String,
    pub id: String,
    pub title: String,
    pub detail: Option<String>,
    pub when: When,
    pub flag: Flag,
    /// Link to the page that shows it in full, when there is one.
    pub href: Option<String>,
    pub source: Source,
    /// The same thing again and again, folded into this entry: how often more, and the first time.
    pub repeated: Option<(usize, When)>,
}

/// A page of the timeline, newest first.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    pub entries: Vec<Entry>,
    pub kind: Option<Kind>,
    pub outside_only: bool,
    /// Query string of the next (earlier) page.
    pub earlier: Option<String>,
}

/// What a colleague would say in one breath.
#[derive(Clone, Debug, Default)]
pub struct Brief {
    pub sentences: Vec<String>,
    /// What changed since the last visit: words, and how heavy.
    pub changes: Vec<(Weight, String)>,
    pub since: Option<When>,
}

/// The first screen of the chart.
#[derive(Clone, Debug, Default)]
pub struct Overview {
    pub banner: Banner,
    pub brief: Brief,
    pub problems: Vec<Problem>,
    pub medications: Vec<Medication>,
    pub vitals: Vec<Series>,
    pub results: Vec<Series>,
    pub immunizations: Vec<Immunization>,
    pub timeline: Timeline,
}

/// One appointment of today.
#[derive(Clone, Debug, Default)]
pub struct Slot {
    pub time: String,
    pub patient_id: Option<String>,
    pub patient: Name,
    pub about: String,
    pub reason: String,
    pub status: String,
    pub weight: Weight,
    pub past: bool,
    pub now: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Today {
    /// The day shown, in words; and as `2026-11-22`.
    pub date: String,
    pub iso: String,
    pub before: String,
    pub after: String,
    pub is_today: bool,
    /// The next day with appointments when this one has none: its ISO date and its words.
    pub next_busy: Option<(String, String)>,
    pub slots: Vec<Slot>,
    /// For who reviews emergencies: how many wait, and how many of them for too long.
    pub emergencies: Option<(usize, usize)>,
    pub counts: Vec<(String, String)>,
    pub recent: Vec<PatientRow>,
}

/// One of the account's own sessions.
#[derive(Clone, Debug, Default)]
pub struct Session {
    pub id: String,
    pub device: String,
    pub address: String,
    pub started: When,
    pub used: When,
    pub current: bool,
}

/// What the page that explains a search shows.
#[derive(Clone, Debug, Default)]
pub struct Explained {
    /// As it was typed.
    pub query: String,
    /// Why it cannot be carried out.
    pub trouble: Vec<String>,
    pub plans: Vec<Plan>,
}

/// How one type was searched; numbers as text.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub rt: String,
    pub query: String,
    pub steps: Vec<PlanStep>,
    pub verified: String,
    pub verify_micros: String,
    pub total: String,
    pub micros: String,
}

/// One step of a plan.
#[derive(Clone, Debug, Default)]
pub struct PlanStep {
    pub depth: usize,
    pub condition: String,
    /// The code of the way.
    pub way: String,
    pub listed: String,
    pub found: String,
    pub unsure: String,
    pub candidates: String,
    pub micros: String,
}

/// One tick of a question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskLine {
    /// The scopes that it stands for, parted by spaces.
    pub scopes: String,
    pub title: String,
    pub more: String,
    /// Something can be added, changed or deleted.
    pub changes: bool,
}

/// An app's question to a person.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    pub app: String,
    pub practice: String,
    pub person: String,
    pub role: String,
    /// Where the person is sent afterwards: the app's host.
    pub place: String,
    pub patient: Option<PatientRow>,
    /// Where another patient can be chosen.
    pub other_patient: Option<String>,
    pub lines: Vec<AskLine>,
    pub until: String,
    pub trouble: Option<String>,
    /// The question as it came, and what ties the form to it.
    pub question: String,
    pub form: String,
}

/// The choice of a patient, before an app's question.
#[derive(Clone, Debug, Default)]
pub struct PickPatient {
    pub app: String,
    pub practice: String,
    pub typed: String,
    /// The question's parameters.
    pub pairs: Vec<(String, String)>,
    /// Where each choice leads.
    pub rows: Vec<(String, PatientRow)>,
    /// More fit than there are rows.
    pub more: bool,
    /// Where saying no leads.
    pub back: String,
}

/// An app that acts for a person.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    pub id: String,
    pub app: String,
    pub person: String,
    pub role: String,
    /// Whom it is about.
    pub patient: Option<String>,
    pub lines: Vec<String>,
    pub since: When,
    pub used: When,
    pub until: When,
}

/// A registered app, for administrators.
#[derive(Clone, Debug, Default)]
pub struct AppRow {
    pub id: String,
    pub name: String,
    pub pending: bool,
    pub disabled: bool,
    pub lines: Vec<String>,
    /// How it proves who it is, in words.
    pub proof: String,
    pub redirects: Vec<String>,
    pub launch: Option<String>,
    pub since: When,
}

/// An app that can be opened from a chart.
#[derive(Clone, Debug, Default)]
pub struct LaunchApp {
    pub id: String,
    pub name: String,
    /// Host at which it opens.
    pub place: String,
}
