//! A transaction Bundle under construction, and the FHIR elements that every resource uses.
//!
//! Source: FHIR R4 http.html#transaction, bundle.html, datatypes.html. Every entry is a PUT of a
//! stable id (update as create), so that importing twice changes nothing.

use std::fmt;

use crate::day::At;
use crate::json::Json;

/// Base of `Bundle.entry.fullUrl`; the references are relative to it.
pub const BASE: &str = "https://alder-falls.example/fhir/";

/// Code systems.
pub mod system {
    /// SNOMED CT.
    pub const SNOMED: &str = "http://snomed.info/sct";
    /// ICD-10-CM.
    pub const ICD10: &str = "http://hl7.org/fhir/sid/icd-10-cm";
    /// LOINC.
    pub const LOINC: &str = "http://loinc.org";
    /// RxNorm.
    pub const RXNORM: &str = "http://www.nlm.nih.gov/research/umls/rxnorm";
    /// CVX.
    pub const CVX: &str = "http://hl7.org/fhir/sid/cvx";
    /// UCUM.
    pub const UCUM: &str = "http://unitsofmeasure.org";
    /// Identifiers given by the practice.
    pub const PRACTICE: &str = "https://alder-falls.example/id";
}

/// The start of the canonical URL of a US Core profile.
pub const US_CORE: &str = "http://hl7.org/fhir/us/core/StructureDefinition/";

/// A reference to a resource of the practice.
#[derive(Clone, Copy, Debug)]
pub enum Ref {
    /// Resource `p{patient}-{tag}{number}` of a patient.
    Own {
        /// Resource type.
        kind: &'static str,
        /// Index of the patient.
        patient: u64,
        /// Letter of the type within ids.
        tag: char,
        /// Number within patient and tag.
        number: u32,
    },
    /// The Patient `p{0}`.
    Patient(u64),
    /// A resource of the foundation: type and id.
    Fixed(&'static str, &'static str),
    /// The PractitionerRole or Schedule of a provider: type, prefix, id of the provider.
    Prefixed(&'static str, &'static str, &'static str),
}

impl Ref {
    /// The resource type.
    pub fn kind(self) -> &'static str {
        match self {
            Ref::Own { kind, .. } | Ref::Fixed(kind, _) | Ref::Prefixed(kind, _, _) => kind,
            Ref::Patient(_) => "Patient",
        }
    }

    /// The id, to be written.
    pub fn id(self) -> impl fmt::Display {
        Id(self)
    }
}

/// Writes `Patient/p7`.
impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind(), self.id())
    }
}

struct Id(Ref);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ref::Own { patient, tag, number, .. } => write!(f, "p{patient}-{tag}{number}"),
            Ref::Patient(index) => write!(f, "p{index}"),
            Ref::Fixed(_, id) => f.write_str(id),
            Ref::Prefixed(_, prefix, id) => write!(f, "{prefix}{id}"),
        }
    }
}

/// A transaction Bundle under construction.
#[derive(Debug)]
pub struct Bundle {
    json: Json,
    patient: u64,
    numbers: [u32; 26],
}

impl Bundle {
    /// An empty Bundle for the resources of `patient`.
    pub fn new(patient: u64, capacity: usize) -> Bundle {
        Bundle { json: Json::open_bundle(capacity), patient, numbers: [0; 26] }
    }

    /// The Bundle as JSON.
    pub fn finish(self) -> String {
        self.json.close_bundle()
    }

    /// The numbers given so far, by tag.
    pub fn numbers(&self) -> [u32; 26] {
        self.numbers
    }

    /// Goes on after `numbers`, for the next Bundle of the same patient.
    pub fn set_numbers(&mut self, numbers: [u32; 26]) {
        self.numbers = numbers;
    }

    /// The Patient.
    pub fn patient(&self) -> Ref {
        Ref::Patient(self.patient)
    }

    /// A reference to a resource that will be written later.
    pub fn reserve(&mut self, kind: &'static str, tag: char) -> Ref {
        let slot = &mut self.numbers[(tag as u8 - b'a') as usize];
        *slot += 1;
        Ref::Own { kind, patient: self.patient, tag, number: *slot }
    }

    /// Writes a new resource with the next number of `tag`.
    pub fn add(
        &mut self,
        kind: &'static str,
        tag: char,
        profile: &str,
        fill: impl FnOnce(&mut Json),
    ) -> Ref {
        let own = self.reserve(kind, tag);
        self.put(own, profile, fill);
        own
    }

    /// Writes the resource `own`; `profile` is the end of a US Core profile, a whole URL, or empty.
    pub fn put(&mut self, own: Ref, profile: &str, fill: impl FnOnce(&mut Json)) {
        self.entry(own.kind(), own.id(), profile, fill);
    }

    /// Like `put`, for a resource that was received from `source`.
    pub fn put_from(
        &mut self,
        own: Ref,
        profile: &str,
        source: &str,
        fill: impl FnOnce(&mut Json),
    ) {
        self.entry_from(own.kind(), own.id(), profile, source, fill);
    }

    /// Writes a resource without profile whose id is made up at run time.
    pub fn put_named(&mut self, kind: &'static str, id: &str, fill: impl FnOnce(&mut Json)) {
        self.entry(kind, id, "", fill);
    }

    fn entry(
        &mut self,
        kind: &'static str,
        id: impl fmt::Display,
        profile: &str,
        fill: impl FnOnce(&mut Json),
    ) {
        self.entry_from(kind, id, profile, "", fill);
    }

    fn entry_from(
        &mut self,
        kind: &'static str,
        id: impl fmt::Display,
        profile: &str,
        source: &str,
        fill: impl FnOnce(&mut Json),
    ) {
        self.json.item(|j| {
            j.format("fullUrl", format_args!("{BASE}{kind}/{id}"));
            j.object("resource", |j| {
                j.text("resourceType", kind);
                j.format("id", format_args!("{id}"));
                if !profile.is_empty() {
                    let start = if profile.starts_with("http") { "" } else { US_CORE };
                    j.object("meta", |j| {
                        if !source.is_empty() {
                            j.text("source", source);
                        }
                        j.array("profile", |j| j.format_item(format_args!("{start}{profile}")));
                    });
                }
                fill(j);
            });
            j.object("request", |j| {
                j.text("method", "PUT");
                j.format("url", format_args!("{kind}/{id}"));
            });
        });
    }
}

/// Elements of FHIR datatypes.
impl Json {
    /// A Reference without display.
    pub fn reference(&mut self, name: &str, to: Ref) {
        self.object(name, |j| j.format("reference", format_args!("{to}")));
    }

    /// A Reference written in parts.
    pub fn format_reference(&mut self, name: &str, to: fmt::Arguments<'_>) {
        self.object(name, |j| j.format("reference", to));
    }

    /// A Reference with display.
    pub fn reference_named(&mut self, name: &str, to: Ref, display: &str) {
        self.object(name, |j| {
            j.format("reference", format_args!("{to}"));
            j.text("display", display);
        });
    }

    /// The members of a Coding.
    pub fn coding(&mut self, system: &str, code: &str, display: &str) {
        self.text("system", system);
        self.text("code", code);
        if !display.is_empty() {
            self.text("display", display);
        }
    }

    /// A CodeableConcept of one coding.
    pub fn concept(&mut self, name: &str, system: &str, code: &str, display: &str) {
        self.object(name, |j| j.concept_members(system, code, display, ""));
    }

    /// A CodeableConcept of one coding with text; without a code it is text only.
    pub fn concept_text(&mut self, name: &str, coding: (&str, &str, &str), text: &str) {
        self.object(name, |j| j.concept_members(coding.0, coding.1, coding.2, text));
    }

    /// An array of one CodeableConcept.
    pub fn concepts(&mut self, name: &str, system: &str, code: &str, display: &str) {
        self.one(name, |j| j.concept_members(system, code, display, ""));
    }

    /// An array of one CodeableConcept with text.
    pub fn concepts_text(&mut self, name: &str, coding: (&str, &str, &str), text: &str) {
        self.one(name, |j| j.concept_members(coding.0, coding.1, coding.2, text));
    }

    /// A CodeableConcept that is text only.
    pub fn concept_plain(&mut self, name: &str, text: &str) {
        self.object(name, |j| j.text("text", text));
    }

    /// An array of one CodeableConcept that is text only.
    pub fn concept_plain_array(&mut self, name: &str, text: &str) {
        self.one(name, |j| j.text("text", text));
    }

    fn concept_members(&mut self, system: &str, code: &str, display: &str, text: &str) {
        if !code.is_empty() {
            self.one("coding", |j| j.coding(system, code, display));
        }
        if !text.is_empty() {
            self.text("text", text);
        }
    }

    /// An array of one CodeableConcept whose system belongs to HL7 terminology.
    pub fn category(&mut self, name: &str, system_end: &str, code: &str, display: &str) {
        self.one(name, |j| {
            j.one("coding", |j| {
                j.format(
                    "system",
                    format_args!("http://terminology.hl7.org/CodeSystem/{system_end}"),
                );
                j.text("code", code);
                j.text("display", display);
            });
        });
    }

    /// A CodeableConcept of one coding of HL7 terminology, without display.
    pub fn hl7(&mut self, name: &str, system_end: &str, code: &str) {
        self.object(name, |j| {
            j.one("coding", |j| {
                j.format(
                    "system",
                    format_args!("http://terminology.hl7.org/CodeSystem/{system_end}"),
                );
                j.text("code", code);
            });
        });
    }

    /// The members of a UCUM Quantity, `scaled / 10^places`.
    pub fn quantity(&mut self, scaled: i64, places: u8, unit: &str, ucum: &str) {
        self.decimal("value", scaled, places);
        if !unit.is_empty() {
            self.text("unit", unit);
        }
        self.text("system", system::UCUM);
        self.text("code", ucum);
    }

    /// A Period.
    pub fn period(&mut self, name: &str, start: At, end: At) {
        self.object(name, |j| {
            j.time("start", start);
            j.time("end", end);
        });
    }

    /// An Identifier of the practice: kind is the end of its system.
    pub fn identifiers(&mut self, kind: &str, value: fmt::Arguments<'_>) {
        self.one("identifier", |j| {
            j.format("system", format_args!("{}/{kind}", system::PRACTICE));
            j.format("value", value);
        });
    }
}
