//! What surrounds the visits: appointments, care team, plans, alerts, messages, provenance.
//!
//! Source: US Core 6.1.0 CareTeam, CarePlan, Goal, Provenance; FHIR R4 Appointment, Flag.

use crate::booking::Booking;
use crate::bundle::{Ref, system};
use crate::course::Course;
use crate::foundation::{PRACTICE, staff_name};
use crate::tables::problems::{Chronic, PROBLEMS};
use crate::tables::staff::NURSES;
use crate::visit::{Kind, Visit};

impl Course<'_> {
    /// The Appointment of a booking.
    pub(crate) fn write_appointment(&mut self, booking: &Booking, kind: Kind) -> Ref {
        let patient = self.bundle.patient();
        let name = self.person.full_name();
        let today = self.practice.today;
        let start = booking.day.at(booking.minute);
        let made = booking.day.plus(-(self.rng.range(3, 45) as i32)).min(today);
        let (code, display, reason) = self.appointment_reason(kind);
        self.bundle.add("Appointment", 'b', "", |j| {
            j.text("status", booking.status);
            if booking.status == "cancelled" {
                j.concept(
                    "cancelationReason",
                    "http://terminology.hl7.org/CodeSystem/appointment-cancellation-reason",
                    "pat",
                    "Patient",
                );
            }
            j.category("serviceCategory", "service-category", "17", "General Practice");
            j.concept(
                "appointmentType",
                "http://terminology.hl7.org/CodeSystem/v2-0276",
                code,
                display,
            );
            j.concepts_text("reasonCode", ("", "", ""), &reason);
            j.text("description", &reason);
            j.time("start", start);
            j.time("end", start.plus(20));
            j.integer("minutesDuration", 20);
            if booking.day >= today {
                j.array("slot", |j| {
                    j.item(|j| j.format("reference", format_args!("Slot/{}", booking.slot_id())));
                });
            }
            j.date("created", made);
            j.array("participant", |j| {
                let state = if booking.status == "proposed" { "needs-action" } else { "accepted" };
                j.item(|j| {
                    j.reference_named("actor", patient, &name);
                    j.text("required", "required");
                    j.text("status", state);
                });
                j.item(|j| {
                    let who = Ref::Fixed("Practitioner", booking.provider.id);
                    j.reference_named("actor", who, &staff_name(booking.provider));
                    j.text("required", "required");
                    j.text("status", "accepted");
                });
                j.item(|j| {
                    j.reference("actor", crate::foundation::OFFICE);
                    j.text("status", "accepted");
                });
            });
        })
    }

    /// Appointment type: code and display of HL7 v2 table 0276, and the reason in words.
    fn appointment_reason(&self, kind: Kind) -> (&'static str, &'static str, String) {
        let checkup = ("CHECKUP", "A routine check-up, such as an annual physical");
        let follow = ("FOLLOWUP", "A follow up visit from a previous appointment");
        let routine = ("ROUTINE", "Routine appointment - default if not valued");
        let ((code, display), reason) = match kind {
            Kind::Well => (checkup, "Annual physical".to_owned()),
            Kind::Acute(acute) => (routine, acute.complaint.to_owned()),
            Kind::Vaccination => (routine, "Vaccination".to_owned()),
            Kind::Aesthetic(treatment) => (routine, treatment.coded.2.to_owned()),
            Kind::FollowUp | Kind::Video => {
                let problem = Chronic::first_treated(self).map(|c| PROBLEMS[c as usize].text);
                (
                    follow,
                    problem.map_or("Follow-up".to_owned(), |text| format!("Follow-up: {text}")),
                )
            }
        };
        (code, display, reason)
    }

    /// Lists, plans, alerts and messages, as they are today.
    pub(crate) fn write_open_matters(&mut self) {
        self.write_lists();
        self.write_alerts();
        let problems = PROBLEMS.iter().filter(|row| self.treats(row.key)).count();
        if self.person.death.is_some() || problems == 0 {
            return;
        }
        if problems >= 3 {
            self.write_care_team();
        }
        if self.treats(Chronic::Diabetes) || self.treats(Chronic::Hypertension) {
            self.write_plan();
        }
        if self.rng.chance(0.12) {
            let days = self.rng.range(1, 20) as i32;
            let at = self.practice.today.plus(-days).at(self.rng.range(420, 1300) as u16);
            let (subject, body) = *self.rng.pick(&[
                ("Refill", "Could you please renew my prescriptions? I have about ten days left."),
                (
                    "Question about results",
                    "I saw my results in the portal. Is the value marked high a concern?",
                ),
                (
                    "Side effect",
                    "Since the new tablet I feel light-headed in the morning. Should I go on?",
                ),
                (
                    "Home readings",
                    "My blood pressure at home this week: 138/84, 142/86, 135/80, 139/85.",
                ),
            ]);
            self.write_message(at, subject, body, None);
        }
    }

    fn write_alerts(&mut self) {
        if self.person.death.is_some() {
            return;
        }
        let age = self.practice.today.age(self.person.birth);
        let frail = self.treats(Chronic::Dementia) || self.treats(Chronic::Parkinson);
        if frail || age >= 84 && self.severity > 0.5 {
            self.write_flag("safety", "Safety", "Fall risk: assist with walking and transfers");
        }
        if self.person.language.0 != "en" && self.vaccinates > 0.4 {
            let text = format!("Interpreter needed: {}", self.person.language.1);
            self.write_flag("contact", "Subject Contact", &text);
        }
        let anticoagulated = self.takes(&crate::tables::drugs::APIXABAN);
        if anticoagulated {
            self.write_flag("drug", "Drug", "Anticoagulated: apixaban");
        }
        if self.person.curated.is_some() && self.person.index == 0 {
            let text = "Hard of hearing, left side; face the patient when speaking";
            self.write_flag("clinical", "Clinical", text);
        }
    }

    fn write_flag(&mut self, code: &str, display: &str, text: &str) {
        let patient = self.bundle.patient();
        let start = self.start;
        self.bundle.add("Flag", 'l', "", |j| {
            j.text("status", "active");
            j.category("category", "flag-category", code, display);
            j.concept_plain("code", text);
            j.reference("subject", patient);
            j.object("period", |j| j.date("start", start));
            j.format_reference("author", format_args!("{PRACTICE}"));
        });
    }

    fn write_care_team(&mut self) {
        let patient = self.bundle.patient();
        let provider = self.provider;
        let nurse = &NURSES[(self.person.index % NURSES.len() as u64) as usize];
        let specialist = [
            (Chronic::CoronaryDisease, "pr-s1"),
            (Chronic::AtrialFibrillation, "pr-s1"),
            (Chronic::HeartFailure, "pr-s1"),
        ]
        .iter()
        .find(|(chronic, _)| self.treats(*chronic))
        .map(|(_, id)| *id);
        self.bundle.add("CareTeam", 't', "us-core-careteam", |j| {
            j.text("status", "active");
            j.text("name", "Primary care team");
            j.reference("subject", patient);
            j.array("participant", |j| {
                for staff in [provider, nurse] {
                    j.item(|j| {
                        j.concepts("role", system::SNOMED, staff.role.0, staff.role.1);
                        let who = Ref::Fixed("Practitioner", staff.id);
                        j.reference_named("member", who, &staff_name(staff));
                    });
                }
                if let Some(id) = specialist {
                    j.item(|j| {
                        let role = ("17561000", "Cardiologist (occupation)");
                        j.concepts("role", system::SNOMED, role.0, role.1);
                        j.format_reference("member", format_args!("Practitioner/{id}"));
                    });
                }
            });
            j.array("managingOrganization", |j| {
                j.item(|j| j.format("reference", format_args!("{PRACTICE}")));
            });
        });
    }

    fn write_plan(&mut self) {
        let patient = self.bundle.patient();
        let diabetes = self.known[Chronic::Diabetes as usize].filter(|k| k.abated.is_none());
        let pressure = self.known[Chronic::Hypertension as usize].filter(|k| k.abated.is_none());
        let known = diabetes.or(pressure).expect("asked for by one of them");
        let start = known.recorded.day;
        let due = self.practice.today.plus(120);
        let goal = self.bundle.add("Goal", 'g', "us-core-goal", |j| {
            j.text("lifecycleStatus", "active");
            let text = if diabetes.is_some() {
                "Hemoglobin A1c below 7.5 %"
            } else {
                "Blood pressure below 130/80"
            };
            j.concept_plain("description", text);
            j.reference("subject", patient);
            j.date("startDate", start);
            j.one("target", |j| {
                let (code, display, value, unit, ucum) = if diabetes.is_some() {
                    ("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", 75, "%", "%")
                } else {
                    ("8480-6", "Systolic blood pressure", 1300, "mmHg", "mm[Hg]")
                };
                j.concept("measure", system::LOINC, code, display);
                j.object("detailQuantity", |j| {
                    j.decimal("value", value, 1);
                    j.text("comparator", "<");
                    j.text("unit", unit);
                    j.text("system", system::UCUM);
                    j.text("code", ucum);
                });
                j.date("dueDate", due);
            });
            j.array("addresses", |j| {
                j.item(|j| j.format("reference", format_args!("{}", known.condition)));
            });
        });
        let title =
            if diabetes.is_some() { "Diabetes care plan" } else { "Blood pressure care plan" };
        self.bundle.add("CarePlan", 'k', "us-core-careplan", |j| {
            j.object("text", |j| {
                j.text("status", "generated");
                j.format(
                    "div",
                    format_args!(
                        "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>{title}: medication daily, \
walking 150 minutes a week, home readings, visit every three to six months.</p></div>"
                    ),
                );
            });
            j.text("status", "active");
            j.text("intent", "plan");
            let category = "http://hl7.org/fhir/us/core/CodeSystem/careplan-category";
            j.concepts("category", category, "assess-plan", "");
            j.text("title", title);
            j.reference("subject", patient);
            j.object("period", |j| j.date("start", start));
            j.array("addresses", |j| {
                j.item(|j| j.format("reference", format_args!("{}", known.condition)));
            });
            j.array("goal", |j| j.item(|j| j.format("reference", format_args!("{goal}"))));
        });
    }

    /// Who wrote `target`.
    pub(crate) fn write_provenance(&mut self, target: Ref, visit: &Visit) {
        let end = visit.at.plus(visit.minutes + 14);
        self.bundle.add("Provenance", 'x', "us-core-provenance", |j| {
            j.array("target", |j| j.item(|j| j.format("reference", format_args!("{target}"))));
            j.time("recorded", end);
            j.array("agent", |j| {
                for (code, display) in [("author", "Author"), ("transmitter", "Transmitter")] {
                    j.item(|j| {
                        let system = if code == "author" {
                            "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
                        } else {
                            "http://hl7.org/fhir/us/core/CodeSystem/us-core-provenance-participant-type"
                        };
                        j.concept("type", system, code, display);
                        if code == "author" {
                            let who = Ref::Fixed("Practitioner", visit.provider.id);
                            j.reference_named("who", who, &staff_name(visit.provider));
                            j.reference("onBehalfOf", PRACTICE);
                        } else {
                            j.reference("who", PRACTICE);
                        }
                    });
                }
            });
        });
    }
}
