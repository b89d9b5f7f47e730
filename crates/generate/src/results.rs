//! Vital signs and laboratory results.
//!
//! Source: US Core 6.1.0 vital signs, Observation lab, DiagnosticReport lab; FHIR R4
//! observation-vitalsigns.html.

use std::fmt::Write as _;

use crate::PracticeKind;
use crate::body::{Draw, round};
use crate::bundle::{Ref, system};
use crate::course::Course;
use crate::day::{At, Day};
use crate::foundation::{LABORATORY, PRACTICE, staff_name};
use crate::json::{Json, push_decimal};
use crate::tables::labs::{self, ANALYTES, Analyte, AnalyteRow, Panel};
use crate::tables::problems::Chronic;
use crate::visit::{Kind, Visit};

/// A vital sign of one quantity.
struct Vital {
    profile: &'static str,
    loinc: (&'static str, &'static str),
    unit: &'static str,
    ucum: &'static str,
    places: u8,
}

const WEIGHT: Vital = Vital {
    profile: "us-core-body-weight",
    loinc: ("29463-7", "Body weight"),
    unit: "kg",
    ucum: "kg",
    places: 1,
};
const HEIGHT: Vital = Vital {
    profile: "us-core-body-height",
    loinc: ("8302-2", "Body height"),
    unit: "cm",
    ucum: "cm",
    places: 1,
};
const BMI: Vital = Vital {
    profile: "us-core-bmi",
    loinc: ("39156-5", "Body mass index (BMI) [Ratio]"),
    unit: "kg/m2",
    ucum: "kg/m2",
    places: 1,
};
const HEART_RATE: Vital = Vital {
    profile: "us-core-heart-rate",
    loinc: ("8867-4", "Heart rate"),
    unit: "/min",
    ucum: "/min",
    places: 0,
};
const RESPIRATORY_RATE: Vital = Vital {
    profile: "us-core-respiratory-rate",
    loinc: ("9279-1", "Respiratory rate"),
    unit: "/min",
    ucum: "/min",
    places: 0,
};
const TEMPERATURE: Vital = Vital {
    profile: "us-core-body-temperature",
    loinc: ("8310-5", "Body temperature"),
    unit: "Cel",
    ucum: "Cel",
    places: 1,
};
const HEAD: Vital = Vital {
    profile: "us-core-head-circumference",
    loinc: ("9843-4", "Head Occipital-frontal circumference"),
    unit: "cm",
    ucum: "cm",
    places: 1,
};

const PRESSURE: (&str, &str) = ("85354-9", "Blood pressure panel with all children optional");

impl Course<'_> {
    /// Measures what a visit of this kind measures; `fever` in tenths of a degree Celsius.
    pub(crate) fn measure_vitals(&mut self, visit: &mut Visit, fever: i64) {
        let day = visit.at.day;
        let influence = self.influence(day);
        let age = day.age(self.person.birth);
        let is_sick = matches!(visit.kind, Kind::Acute(_));
        let is_well = matches!(visit.kind, Kind::Well);
        let at = visit.at.plus(4);
        let mut line = String::new();
        if age >= 3 && !(is_sick && age < 12) {
            let (systolic, diastolic) = self.body.pressure(day, &influence, &mut self.rng);
            self.blood_pressure(visit, at, systolic, diastolic);
            let _ = write!(line, "BP {systolic}/{diastolic}, ");
            visit.note.pressure = Some((systolic, diastolic));
        }
        let pulse = self.body.pulse(day, &influence, fever, &mut self.rng);
        self.vital(visit, at, &HEART_RATE, pulse);
        let _ = write!(line, "HR {pulse}");
        if is_sick || age < 18 && is_well {
            let temperature = self.body.temperature(fever, &mut self.rng);
            self.vital(visit, at, &TEMPERATURE, temperature);
            line.push_str(", T ");
            push_decimal(&mut line, temperature, 1);
            line.push_str(" °C");
        }
        if is_sick || influence.lung_disease || influence.heart_failure {
            let breaths = self.body.breaths(day, fever, &mut self.rng);
            self.vital(visit, at, &RESPIRATORY_RATE, breaths);
            let saturation = self.body.saturation(&influence, fever, &mut self.rng);
            self.saturation(visit, at, saturation);
            let _ = write!(line, ", RR {breaths}, SpO2 {saturation} %");
        }
        self.measure_size(visit, at, is_well, &mut line);
        visit.note.vitals = line;
    }

    fn measure_size(&mut self, visit: &Visit, at: At, is_well: bool, line: &mut String) {
        let day = visit.at.day;
        let influence = self.influence(day);
        let age = day.age(self.person.birth);
        let is_sick = matches!(visit.kind, Kind::Acute(_));
        if is_sick && age >= 18 && !self.rng.chance(0.4) {
            return;
        }
        let scale = 1.0 + 0.006 * self.rng.normal();
        let weight = round(self.body.weight_g(day, &influence) * scale / 100.0).max(20);
        self.vital(visit, at, &WEIGHT, weight);
        line.push_str(", weight ");
        push_decimal(line, weight, 1);
        line.push_str(" kg");
        let due = self.last.height.is_none_or(|d| day.0 - d.0 > 700) || age < 18 && is_well;
        if !due && !is_well {
            return;
        }
        let height = round(self.body.height_mm(day));
        if due {
            self.last.height = Some(day);
            self.vital(visit, at, &HEIGHT, height);
            line.push_str(", height ");
            push_decimal(line, height, 1);
            line.push_str(" cm");
        }
        if age >= 2 {
            let metres = height as f64 / 1000.0;
            let bmi = round(weight as f64 / (metres * metres));
            self.vital(visit, at, &BMI, bmi);
            line.push_str(", BMI ");
            push_decimal(line, bmi, 1);
        } else if is_well {
            let head = round(self.body.head_mm(day));
            self.vital(visit, at, &HEAD, head);
        }
    }

    fn vital(&mut self, visit: &Visit, at: At, vital: &Vital, scaled: i64) {
        let patient = self.bundle.patient();
        self.bundle.add("Observation", 'o', vital.profile, |j| {
            observation_start(j, "vital-signs", "Vital Signs", vital.loinc);
            observation_context(j, patient, visit, at);
            j.object("valueQuantity", |j| {
                j.quantity(scaled, vital.places, vital.unit, vital.ucum);
            });
        });
    }

    fn saturation(&mut self, visit: &Visit, at: At, percent: i64) {
        let patient = self.bundle.patient();
        self.bundle.add("Observation", 'o', "us-core-pulse-oximetry", |j| {
            j.text("status", "final");
            j.category("category", "observation-category", "vital-signs", "Vital Signs");
            j.object("code", |j| {
                j.array("coding", |j| {
                    let pulse = "Oxygen saturation in Arterial blood by Pulse oximetry";
                    j.item(|j| j.coding(system::LOINC, "59408-5", pulse));
                    j.item(|j| {
                        j.coding(system::LOINC, "2708-6", "Oxygen saturation in Arterial blood");
                    });
                });
                j.text("text", "Oxygen saturation");
            });
            observation_context(j, patient, visit, at);
            j.object("valueQuantity", |j| j.quantity(percent, 0, "%", "%"));
        });
    }

    fn blood_pressure(&mut self, visit: &Visit, at: At, systolic: i64, diastolic: i64) {
        let patient = self.bundle.patient();
        self.bundle.add("Observation", 'o', "us-core-blood-pressure", |j| {
            observation_start(j, "vital-signs", "Vital Signs", PRESSURE);
            observation_context(j, patient, visit, at);
            pressure_components(j, systolic, diastolic);
        });
    }

    /// Blood pressure that the patient measured in the days before a visit.
    pub(crate) fn home_readings(&mut self, visit_day: Day) {
        let patient = self.bundle.patient();
        for days in [9, 6, 2] {
            let day = visit_day.plus(-days);
            if day < self.start {
                continue;
            }
            let influence = self.influence(day);
            let (systolic, diastolic) = self.body.pressure(day, &influence, &mut self.rng);
            let at = day.at(7 * 60 + self.rng.range(0, 90) as u16);
            self.bundle.add("Observation", 'o', "us-core-blood-pressure", |j| {
                observation_start(j, "vital-signs", "Vital Signs", PRESSURE);
                j.reference("subject", patient);
                j.time("effectiveDateTime", at);
                j.one("performer", |j| {
                    j.format("reference", format_args!("{patient}"));
                    j.text("display", "Measured at home");
                });
                pressure_components(j, systolic - 3, diastolic - 2);
            });
        }
    }

    /// Laboratory tests of a preventive visit.
    pub(crate) fn order_well_labs(&mut self, visit: &mut Visit) {
        let day = visit.at.day;
        let age = day.age(self.person.birth);
        if age < 18 {
            let months = day.age_months(self.person.birth);
            if (12..14).contains(&months) || (24..26).contains(&months) {
                self.panel(visit, &labs::LEAD);
            }
            if (12..14).contains(&months) {
                self.panel(visit, &labs::BLOOD_COUNT);
            }
            return;
        }
        let thorough = self.practice.options.kind == PracticeKind::Concierge;
        let years = match age {
            _ if thorough => 1,
            ..40 => 5,
            40..60 => 2,
            _ => 1,
        };
        if overdue(self.last.lipid, day, years * 340) {
            self.last.lipid = Some(day);
            self.panel(visit, &labs::LIPID);
        }
        if overdue(self.last.metabolic, day, years * 340) {
            self.last.metabolic = Some(day);
            self.panel(visit, &labs::METABOLIC);
        }
        if (age >= 60 || thorough || self.has(Chronic::IronDeficiency, day))
            && overdue(self.last.count, day, 330)
        {
            self.last.count = Some(day);
            self.panel(visit, &labs::BLOOD_COUNT);
        }
        let heavy = self.body.bmi(day, &self.influence(day)) >= 27.0;
        if (age >= 45 || heavy || thorough) && overdue(self.last.a1c, day, years * 340) {
            self.last.a1c = Some(day);
            self.panel(visit, &labs::A1C);
        }
        if (thorough || self.has(Chronic::Hypothyroidism, day) || age >= 60 && age % 3 == 0)
            && overdue(self.last.thyroid, day, 330)
        {
            self.last.thyroid = Some(day);
            self.panel(visit, &labs::TSH);
        }
        if thorough {
            self.panel(visit, &labs::CRP);
        }
        if !self.person.is_female() && (55..70).contains(&age) && age % 2 == 0 {
            self.panel(visit, &labs::PSA);
        }
    }

    /// Laboratory tests that the problems on the list need.
    pub(crate) fn order_follow_labs(&mut self, visit: &mut Visit) {
        let day = visit.at.day;
        if self.treats(Chronic::Diabetes) {
            if overdue(self.last.a1c, day, 80) {
                self.last.a1c = Some(day);
                self.panel(visit, &labs::A1C);
            }
            if overdue(self.last.urine, day, 340) {
                self.last.urine = Some(day);
                self.panel(visit, &labs::URINE_ALBUMIN);
            }
        }
        let needs_basic = self.treats(Chronic::Hypertension)
            || self.treats(Chronic::KidneyDisease)
            || self.treats(Chronic::HeartFailure)
            || self.treats(Chronic::Diabetes);
        let often = self.treats(Chronic::KidneyDisease) || self.treats(Chronic::HeartFailure);
        if needs_basic && overdue(self.last.metabolic, day, if often { 120 } else { 330 }) {
            self.last.metabolic = Some(day);
            let full = self.rng.chance(0.35);
            self.panel(visit, if full { &labs::METABOLIC } else { &labs::BASIC });
        }
        if self.treats(Chronic::Hyperlipidemia) && overdue(self.last.lipid, day, 300) {
            self.last.lipid = Some(day);
            self.panel(visit, &labs::LIPID);
        }
        if self.treats(Chronic::Hypothyroidism)
            && overdue(self.last.thyroid, day, if self.steps.thyroid < 3 { 45 } else { 300 })
        {
            self.last.thyroid = Some(day);
            self.panel(visit, &labs::TSH);
        }
        if self.treats(Chronic::IronDeficiency) && overdue(self.last.count, day, 80) {
            self.last.count = Some(day);
            self.panel(visit, &labs::BLOOD_COUNT);
            self.panel(visit, &labs::FERRITIN);
        }
        if self.treats(Chronic::Gout) && self.rng.chance(0.2) {
            self.panel(visit, &labs::URATE);
        }
        if self.treats(Chronic::HeartFailure) && self.rng.chance(0.4) {
            self.panel(visit, &labs::NT_PRO_BNP);
        }
    }

    /// Rapid strep test.
    pub(crate) fn strep(&mut self, visit: &mut Visit, is_positive: bool) {
        self.panel_with(visit, &labs::STREP, |_| Some(is_positive));
    }

    /// Rapid influenza test, positive.
    pub(crate) fn influenza(&mut self, visit: &mut Visit) {
        self.panel_with(visit, &labs::INFLUENZA, |_| Some(true));
    }

    /// Urinalysis of an infection.
    pub(crate) fn urine(&mut self, visit: &mut Visit) {
        let nitrite = self.rng.chance(0.6);
        let blood = self.rng.chance(0.4);
        self.panel_with(visit, &labs::URINALYSIS, |analyte| match analyte {
            Analyte::UrineLeukocytes => Some(true),
            Analyte::UrineNitrite => Some(nitrite),
            Analyte::UrineBlood => Some(blood),
            Analyte::UrineGlucose => Some(false),
            _ => None,
        });
    }

    /// A panel of quantities.
    pub(crate) fn panel(&mut self, visit: &mut Visit, panel: &'static Panel) {
        self.panel_with(visit, panel, |_| None);
    }

    fn panel_with(
        &mut self,
        visit: &mut Visit,
        panel: &'static Panel,
        finding: impl Fn(Analyte) -> Option<bool>,
    ) {
        let day = visit.at.day;
        if !panel.in_house && day >= self.practice.today {
            self.write_pending(visit, panel);
            return;
        }
        let is_child = day.age(self.person.birth) < 18;
        let influence = self.influence(day);
        let taken = visit.at.plus(15);
        let issued = if panel.in_house { visit.at.plus(18) } else { day.plus(1).at(6 * 60 + 40) };
        let performer = if panel.in_house { PRACTICE } else { LABORATORY };
        let report = self.bundle.reserve("DiagnosticReport", 'r');
        let mut results: Vec<(Ref, &'static str)> = Vec::with_capacity(panel.analytes.len());
        let mut noted = String::new();
        let draw = Draw::new(&mut self.rng);
        for analyte in panel.analytes {
            let row = &ANALYTES[*analyte as usize];
            let range = self.range(row, day);
            if is_child && *analyte == Analyte::Egfr {
                continue;
            }
            let own = match finding(*analyte) {
                Some(present) => self.finding(visit, row, present, taken, issued),
                None => {
                    let scaled = self.body.value(*analyte, day, &influence, &draw, &mut self.rng);
                    match analyte {
                        Analyte::Ldl => visit.note.ldl = Some(scaled),
                        Analyte::HemoglobinA1c => visit.note.a1c = Some(scaled),
                        _ => {}
                    }
                    let code = interpretation(row, range, scaled).0;
                    if code != "N" || panel.analytes.len() == 1 {
                        note_value(&mut noted, row, scaled, code, panel.analytes.len() == 1);
                    }
                    self.quantity_result(visit, row, scaled, taken, issued)
                }
            };
            results.push((own, row.name));
        }
        let patient = self.bundle.patient();
        let line = match (panel.analytes.len(), noted.is_empty()) {
            (1, _) => noted,
            (_, true) => format!("{} within range", panel.name),
            (_, false) => format!("{}: {noted}", panel.name),
        };
        if !line.is_empty() {
            visit.note.results.push(line);
        }
        self.bundle.put(report, "us-core-diagnosticreport-lab", |j| {
            j.identifiers("accession", format_args!("{}", report.id()));
            j.text("status", "final");
            j.category("category", "v2-0074", "LAB", "Laboratory");
            j.concept_text("code", (system::LOINC, panel.loinc, panel.display), panel.name);
            j.reference("subject", patient);
            j.reference("encounter", visit.encounter);
            j.time("effectiveDateTime", taken);
            j.time("issued", issued);
            j.array("performer", |j| {
                j.item(|j| j.format("reference", format_args!("{performer}")));
            });
            j.array("result", |j| {
                for (own, name) in &results {
                    j.item(|j| {
                        j.format("reference", format_args!("{own}"));
                        j.text("display", name);
                    });
                }
            });
        });
    }

    /// A laboratory order of today, whose result is not back.
    fn write_pending(&mut self, visit: &mut Visit, panel: &'static Panel) {
        let patient = self.bundle.patient();
        visit.note.results.push(format!("{} sent", panel.name));
        self.bundle.add("ServiceRequest", 's', "us-core-servicerequest", |j| {
            j.text("status", "active");
            j.text("intent", "order");
            let laboratory = (system::SNOMED, "108252007", "Laboratory procedure");
            j.concepts_text("category", laboratory, "Laboratory");
            j.text("priority", "routine");
            j.concept_text("code", (system::LOINC, panel.loinc, panel.display), panel.name);
            j.reference("subject", patient);
            j.reference("encounter", visit.encounter);
            j.time("occurrenceDateTime", visit.at.plus(15));
            j.time("authoredOn", visit.at.plus(14));
            let who = Ref::Fixed("Practitioner", visit.provider.id);
            j.reference_named("requester", who, &staff_name(visit.provider));
            j.array("performer", |j| {
                j.item(|j| j.format("reference", format_args!("{LABORATORY}")));
            });
        });
    }

    /// The reference range of `row` for this patient on `day`.
    fn range(&self, row: &AnalyteRow, day: Day) -> (Option<i64>, Option<i64>) {
        let child = labs::CHILD_RANGES.iter().find(|(loinc, _, _)| *loinc == row.loinc);
        match child {
            Some((_, low, high)) if day.age(self.person.birth) < 12 => (Some(*low), Some(*high)),
            _ => row.range[usize::from(!self.person.is_female())],
        }
    }

    fn quantity_result(
        &mut self,
        visit: &Visit,
        row: &'static AnalyteRow,
        scaled: i64,
        taken: At,
        issued: At,
    ) -> Ref {
        let patient = self.bundle.patient();
        let performer = LABORATORY;
        let (low, high) = self.range(row, visit.at.day);
        let code = interpretation(row, (low, high), scaled);
        self.bundle.add("Observation", 'o', "us-core-observation-lab", |j| {
            observation_start(j, "laboratory", "Laboratory", (row.loinc, row.display));
            j.reference("subject", patient);
            j.reference("encounter", visit.encounter);
            j.time("effectiveDateTime", taken);
            j.time("issued", issued);
            j.array("performer", |j| {
                j.item(|j| j.format("reference", format_args!("{performer}")));
            });
            j.object("valueQuantity", |j| j.quantity(scaled, row.places, row.unit, row.ucum));
            if low.is_some() || high.is_some() {
                let (code, display) = code;
                let name = "v3-ObservationInterpretation";
                j.category("interpretation", name, code, display);
                j.one("referenceRange", |j| {
                    for (name, bound) in [("low", low), ("high", high)] {
                        if let Some(bound) = bound {
                            j.object(name, |j| j.quantity(bound, row.places, row.unit, row.ucum));
                        }
                    }
                });
            }
        })
    }

    fn finding(
        &mut self,
        visit: &Visit,
        row: &'static AnalyteRow,
        is_present: bool,
        taken: At,
        issued: At,
    ) -> Ref {
        let patient = self.bundle.patient();
        self.bundle.add("Observation", 'o', "us-core-observation-lab", |j| {
            observation_start(j, "laboratory", "Laboratory", (row.loinc, row.display));
            j.reference("subject", patient);
            j.reference("encounter", visit.encounter);
            j.time("effectiveDateTime", taken);
            j.time("issued", issued);
            j.array("performer", |j| {
                j.item(|j| j.format("reference", format_args!("{PRACTICE}")));
            });
            let (code, display, text) = if is_present {
                ("10828004", "Positive (qualifier value)", "Positive")
            } else {
                ("260385009", "Negative (qualifier value)", "Negative")
            };
            j.concept_text("valueCodeableConcept", (system::SNOMED, code, display), text);
            let (code, display) = if is_present { ("A", "Abnormal") } else { ("N", "Normal") };
            j.category("interpretation", "v3-ObservationInterpretation", code, display);
            j.one("referenceRange", |j| j.text("text", "Negative"));
        })
    }
}

fn pressure_components(j: &mut Json, systolic: i64, diastolic: i64) {
    j.array("component", |j| {
        for (code, display, value) in [
            ("8480-6", "Systolic blood pressure", systolic),
            ("8462-4", "Diastolic blood pressure", diastolic),
        ] {
            j.item(|j| {
                j.concept("code", system::LOINC, code, display);
                j.object("valueQuantity", |j| j.quantity(value, 0, "mmHg", "mm[Hg]"));
            });
        }
    });
}

/// True when never done or longer ago than `days`.
pub(crate) fn overdue(last: Option<Day>, day: Day, days: i32) -> bool {
    last.is_none_or(|last| day.0 - last.0 > days)
}

/// Status, category and code of an Observation.
pub(crate) fn observation_start(
    j: &mut Json,
    category: &str,
    category_display: &str,
    loinc: (&str, &str),
) {
    j.text("status", "final");
    j.category("category", "observation-category", category, category_display);
    j.concept("code", system::LOINC, loinc.0, loinc.1);
}

/// Subject, encounter, time and performer of an Observation made in the practice.
pub(crate) fn observation_context(j: &mut Json, patient: Ref, visit: &Visit, at: At) {
    j.reference("subject", patient);
    j.reference("encounter", visit.encounter);
    j.time("effectiveDateTime", at);
    j.time("issued", at);
    j.array("performer", |j| {
        j.item(|j| j.format("reference", format_args!("Practitioner/{}", visit.provider.id)));
    });
}

/// Code and display of v3 ObservationInterpretation.
fn interpretation(
    row: &AnalyteRow,
    (low, high): (Option<i64>, Option<i64>),
    scaled: i64,
) -> (&'static str, &'static str) {
    let (too_low, too_high) = row.critical;
    if too_low.is_some_and(|bound| scaled < bound) {
        ("LL", "Critical low")
    } else if too_high.is_some_and(|bound| scaled > bound) {
        ("HH", "Critical high")
    } else if low.is_some_and(|bound| scaled < bound) {
        ("L", "Low")
    } else if high.is_some_and(|bound| scaled > bound) {
        ("H", "High")
    } else {
        ("N", "Normal")
    }
}

fn note_value(text: &mut String, row: &AnalyteRow, scaled: i64, code: &str, is_single: bool) {
    if !text.is_empty() {
        text.push_str(", ");
    }
    let _ = write!(text, "{} ", row.name);
    push_decimal(text, scaled, row.places);
    let _ = write!(text, " {}", row.unit);
    if code != "N" || !is_single {
        let _ = write!(text, " ({code})");
    }
}
