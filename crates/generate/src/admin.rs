//! Who the patient is to the practice: demographics, family, insurance, appointments, care team,
//! plans, alerts, messages.
//!
//! Source: US Core 6.1.0 Patient, RelatedPerson, Coverage, CareTeam, CarePlan, Goal, Provenance.

use crate::booking::Booking;
use crate::bundle::{Ref, US_CORE, system};
use crate::course::Course;
use crate::day::Day;
use crate::foundation::{PRACTICE, practice_name, staff_name};
use crate::json::Json;
use crate::person::{Person, Relative, Role, Sex, Special};
use crate::tables::places::{PayerKind, STATE, TOWNS};
use crate::tables::problems::{Chronic, PROBLEMS};
use crate::tables::staff::NURSES;
use crate::visit::Visit;

const OMB: &str = "urn:oid:2.16.840.1.113883.6.238";
const ABSENT: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";

impl Course<'_> {
    /// Patient, family and insurance.
    pub(crate) fn write_administration(&mut self) {
        let own = self.bundle.patient();
        let person = self.person;
        let provider = self.provider;
        let practice = practice_name(self.practice.options.kind);
        let today = self.practice.today;
        self.bundle.put(own, "us-core-patient", |j| {
            extensions(j, person);
            identifiers(j, person);
            j.boolean("active", person.death.is_none());
            names(j, person);
            telecom(j, person, today);
            gender(j, person);
            birth(j, person);
            if let Some(death) = person.death {
                j.date("deceasedDateTime", death);
            }
            address(j, person);
            marital(j, person, today);
            contact(j, person);
            communication(j, person);
            let who = Ref::Fixed("Practitioner", provider.id);
            j.array("generalPractitioner", |j| {
                j.item(|j| {
                    j.format("reference", format_args!("{who}"));
                    j.text("display", &staff_name(provider));
                });
            });
            j.reference_named("managingOrganization", PRACTICE, practice);
        });
        let relatives = person.household.clone();
        let mut parent = None;
        for relative in &relatives {
            let written = self.write_relative(relative);
            if relative.index == person.subscriber {
                parent = Some(written);
            }
        }
        self.write_coverage(parent);
    }

    fn write_relative(&mut self, relative: &Relative) -> Ref {
        let patient = self.bundle.patient();
        let (code, display) = relationship(self.person, relative);
        let person = self.person;
        self.bundle.add("RelatedPerson", 'n', "us-core-relatedperson", |j| {
            j.identifiers("mrn", format_args!("AF{:07}", relative.index + 1));
            j.boolean("active", true);
            j.reference("patient", patient);
            j.concepts(
                "relationship",
                "http://terminology.hl7.org/CodeSystem/v3-RoleCode",
                code,
                display,
            );
            j.one("name", |j| j.text("text", &relative.name));
            j.one("telecom", |j| {
                j.text("system", "phone");
                j.format(
                    "value",
                    format_args!("({}) 555-01{:02}", relative.phone.0, relative.phone.1),
                );
                j.text("use", "mobile");
            });
            j.text("gender", gender_code(relative.sex));
            address(j, person);
        })
    }

    fn write_coverage(&mut self, parent: Option<Ref>) {
        let person = self.person;
        let payer = person.payer;
        if payer.kind == PayerKind::SelfPay {
            return;
        }
        let patient = self.bundle.patient();
        let holder = parent.unwrap_or(patient);
        let is_self = parent.is_none();
        let begin = Day::from_ymd(self.start.year(), 1, 1);
        let number = person.subscriber + 1;
        let (kind, kind_text) = match payer.kind {
            PayerKind::Commercial => ("EHCPOL", "extended healthcare"),
            PayerKind::Medicare | PayerKind::Medicaid => ("PUBLICPOL", "public healthcare"),
            PayerKind::SelfPay => ("pay", "pay"),
        };
        let ended = person.death;
        self.bundle.add("Coverage", 'v', "us-core-coverage", |j| {
            j.one("identifier", |j| {
                j.object("type", |j| {
                    j.one("coding", |j| {
                        j.coding(
                            "http://terminology.hl7.org/CodeSystem/v2-0203",
                            "MB",
                            "Member Number",
                        );
                    });
                });
                j.format("system", format_args!("{}/member/{}", system::PRACTICE, payer.number));
                j.format("value", format_args!("{}W{number:08}", &payer.name[..2].to_uppercase()));
            });
            j.text("status", if ended.is_some() { "cancelled" } else { "active" });
            j.concept("type", "http://terminology.hl7.org/CodeSystem/v3-ActCode", kind, kind_text);
            j.reference("policyHolder", holder);
            j.reference("subscriber", holder);
            j.format(
                "subscriberId",
                format_args!("{}W{number:08}", &payer.name[..2].to_uppercase()),
            );
            j.reference("beneficiary", patient);
            let (code, display) = if is_self { ("self", "Self") } else { ("child", "Child") };
            j.concept(
                "relationship",
                "http://terminology.hl7.org/CodeSystem/subscriber-relationship",
                code,
                display,
            );
            j.object("period", |j| {
                j.date("start", begin);
                if let Some(day) = ended {
                    j.date("end", day.max(begin));
                }
            });
            j.array("payor", |j| {
                j.item(|j| {
                    j.format("reference", format_args!("Organization/{}", payer.id));
                    j.text("display", payer.name);
                });
            });
            j.array("class", |j| {
                for (code, display, value) in [
                    ("group", "Group", format!("GRP-{}", 1000 + number % 700)),
                    ("plan", "Plan", payer.number.to_owned()),
                ] {
                    j.item(|j| {
                        j.object("type", |j| {
                            j.one("coding", |j| {
                                let system = "http://terminology.hl7.org/CodeSystem/coverage-class";
                                j.coding(system, code, display);
                            });
                        });
                        j.text("value", &value);
                        j.text("name", payer.plan);
                    });
                }
            });
        });
    }

    /// The Appointment of a booking.
    pub(crate) fn write_appointment(&mut self, booking: &Booking) -> Ref {
        let patient = self.bundle.patient();
        let name = self.person.full_name();
        let today = self.practice.today;
        let start = booking.day.at(booking.minute);
        let made = booking.day.plus(-(self.rng.range(3, 45) as i32)).min(today);
        let (kind, kind_text) = *self.rng.pick(&[
            ("FOLLOWUP", "A follow up visit from a previous appointment"),
            ("ROUTINE", "Routine appointment - default if not valued"),
            ("CHECKUP", "A routine check-up, such as an annual physical"),
        ]);
        let reason = *self.rng.pick(&[
            "Follow-up",
            "Annual physical",
            "Medication check",
            "Blood pressure",
            "New problem",
        ]);
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
                kind,
                kind_text,
            );
            j.concepts_text("reasonCode", ("", "", ""), reason);
            j.text("description", reason);
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
            let days = self.rng.range(0, 20) as i32;
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

fn extensions(j: &mut Json, person: &Person) {
    let origin = person.origin;
    j.array("extension", |j| {
        j.item(|j| {
            j.array("extension", |j| {
                category(j, "ombCategory", origin.race);
                if !origin.race_detail.0.is_empty() {
                    category(j, "detailed", origin.race_detail);
                }
                j.item(|j| {
                    j.text("url", "text");
                    j.text("valueString", origin.race.1);
                });
            });
            j.format("url", format_args!("{US_CORE}us-core-race"));
        });
        let ethnicity = if origin.hispanic {
            ("2135-2", "Hispanic or Latino")
        } else {
            ("2186-5", "Not Hispanic or Latino")
        };
        j.item(|j| {
            j.array("extension", |j| {
                category(j, "ombCategory", ethnicity);
                j.item(|j| {
                    j.text("url", "text");
                    j.text("valueString", ethnicity.1);
                });
            });
            j.format("url", format_args!("{US_CORE}us-core-ethnicity"));
        });
        j.item(|j| {
            j.format("url", format_args!("{US_CORE}us-core-birthsex"));
            let code = match (person.special, person.sex) {
                (Special::Mononym, _) => "UNK",
                (_, Sex::Female) => "F",
                (_, Sex::Male) => "M",
            };
            j.text("valueCode", code);
        });
        if person.index % 23 == 5 && person.special == Special::None {
            let (code, display) = match person.sex {
                Sex::Female => ("446141000124107", "Identifies as female gender (finding)"),
                Sex::Male => ("446151000124109", "Identifies as male gender (finding)"),
            };
            j.item(|j| {
                j.format("url", format_args!("{US_CORE}us-core-genderIdentity"));
                j.concept("valueCodeableConcept", system::SNOMED, code, display);
            });
        }
    });
}

fn category(j: &mut Json, url: &str, coding: (&str, &str)) {
    j.item(|j| {
        j.text("url", url);
        j.object("valueCoding", |j| j.coding(OMB, coding.0, coding.1));
    });
}

fn identifiers(j: &mut Json, person: &Person) {
    j.array("identifier", |j| {
        j.item(|j| {
            j.text("use", "usual");
            j.object("type", |j| {
                j.one("coding", |j| {
                    let system = "http://terminology.hl7.org/CodeSystem/v2-0203";
                    j.coding(system, "MR", "Medical record number");
                });
            });
            j.format("system", format_args!("{}/mrn", system::PRACTICE));
            j.format("value", format_args!("AF{:07}", person.index + 1));
        });
    });
}

fn names(j: &mut Json, person: &Person) {
    let is_mononym = person.family.is_empty();
    j.array("name", |j| {
        j.item(|j| {
            if person.special == Special::Newborn {
                j.one("extension", |j| {
                    j.text("url", ABSENT);
                    j.text("valueCode", "temp-unknown");
                });
                return;
            }
            j.text("use", "official");
            if !is_mononym {
                j.text("family", &person.family);
            }
            j.array("given", |j| {
                for given in &person.given {
                    j.text_item(given);
                }
            });
        });
        if person.special == Special::RightToLeft {
            j.item(|j| {
                j.text("use", "usual");
                j.text("text", "يوسف المصري");
                j.text("family", "المصري");
                j.array("given", |j| j.text_item("يوسف"));
            });
        }
        if person.index % 29 == 3 && person.is_female() && person.special == Special::None {
            j.item(|j| {
                j.text("use", "maiden");
                j.text("family", person.origin.families[(person.index % 7) as usize]);
                j.array("given", |j| j.text_item(&person.given[0]));
            });
        }
    });
}

fn telecom(j: &mut Json, person: &Person, today: Day) {
    let age = today.age(person.birth);
    j.array("telecom", |j| {
        j.item(|j| {
            j.text("system", "phone");
            j.format("value", format_args!("({}) 555-01{:02}", person.phone.0, person.phone.1));
            j.text("use", if age >= 75 { "home" } else { "mobile" });
        });
        if age >= 14 && (age < 80 || person.index.is_multiple_of(2)) {
            j.item(|j| {
                j.text("system", "email");
                let given: String = person
                    .given
                    .first()
                    .map(|g| g.chars().filter(char::is_ascii_alphabetic).collect())
                    .unwrap_or_default();
                let given = given.to_ascii_lowercase();
                let index = person.index + 1;
                j.format("value", format_args!("{given}{}{index}@example.com", dot(&given)));
                j.text("use", "home");
            });
        }
    });
}

fn dot(text: &str) -> &'static str {
    if text.is_empty() { "patient" } else { "." }
}

fn gender_code(sex: Sex) -> &'static str {
    match sex {
        Sex::Female => "female",
        Sex::Male => "male",
    }
}

fn gender(j: &mut Json, person: &Person) {
    let code = if person.special == Special::Mononym { "unknown" } else { gender_code(person.sex) };
    j.text("gender", code);
}

fn birth(j: &mut Json, person: &Person) {
    if person.special == Special::BirthYear {
        j.format("birthDate", format_args!("{}", person.birth.year()));
    } else {
        j.date("birthDate", person.birth);
    }
}

fn address(j: &mut Json, person: &Person) {
    let (town, zip) = TOWNS[person.town];
    j.one("address", |j| {
        j.text("use", "home");
        j.array("line", |j| j.text_item(&person.street));
        j.text("city", town);
        j.text("state", STATE);
        j.text("postalCode", zip);
        j.text("country", "US");
    });
}

fn marital(j: &mut Json, person: &Person, today: Day) {
    let age = today.age(person.birth);
    if age < 18 {
        return;
    }
    let has_partner =
        person.role == Role::Partner && person.household.iter().any(|r| r.role == Role::Partner);
    let (code, display) = match (has_partner, person.index % 5) {
        (true, _) => ("M", "Married"),
        (false, 0 | 1) if age > 70 => ("W", "Widowed"),
        (false, 2) if age > 35 => ("D", "Divorced"),
        _ => ("S", "Never Married"),
    };
    let system = "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus";
    j.concept("maritalStatus", system, code, display);
}

/// Emergency contact: somebody of the household.
fn contact(j: &mut Json, person: &Person) {
    let Some(relative) = person.household.iter().find(|r| r.role != Role::Child) else { return };
    let (code, display) = relationship(person, relative);
    j.one("contact", |j| {
        j.array("relationship", |j| {
            j.item(|j| {
                j.array("coding", |j| {
                    j.item(|j| {
                        let system = "http://terminology.hl7.org/CodeSystem/v2-0131";
                        j.coding(system, "C", "Emergency Contact");
                    });
                    j.item(|j| {
                        let system = "http://terminology.hl7.org/CodeSystem/v3-RoleCode";
                        j.coding(system, code, display);
                    });
                });
            });
        });
        j.object("name", |j| j.text("text", &relative.name));
        j.one("telecom", |j| {
            j.text("system", "phone");
            j.format("value", format_args!("({}) 555-01{:02}", relative.phone.0, relative.phone.1));
        });
    });
}

/// What `relative` is to `person`: v3 RoleCode and display.
fn relationship(person: &Person, relative: &Relative) -> (&'static str, &'static str) {
    let woman = relative.sex == Sex::Female;
    match (person.role, relative.role) {
        (Role::Partner, Role::Partner) => ("SPS", "spouse"),
        (Role::Child, Role::Child) if woman => ("SIS", "sister"),
        (Role::Child, Role::Child) => ("BRO", "brother"),
        (Role::Child, Role::Grandparent) if woman => ("GRMTH", "grandmother"),
        (Role::Child, Role::Grandparent) => ("GRFTH", "grandfather"),
        (Role::Child, _) if woman => ("MTH", "mother"),
        (Role::Child, _) => ("FTH", "father"),
        (Role::Grandparent, Role::Child) => ("GRNDCHILD", "grandchild"),
        (_, Role::Child) if woman => ("DAUC", "daughter"),
        (_, Role::Child) => ("SONC", "son"),
        (_, Role::Grandparent) => ("PRN", "parent"),
        _ => ("CHILD", "child"),
    }
}

fn communication(j: &mut Json, person: &Person) {
    j.array("communication", |j| {
        let (code, display) = person.language;
        j.item(|j| {
            j.object("language", |j| {
                j.one("coding", |j| j.coding("urn:ietf:bcp:47", code, display));
            });
            j.boolean("preferred", true);
        });
        if code != "en" {
            j.item(|j| {
                j.object("language", |j| {
                    j.one("coding", |j| j.coding("urn:ietf:bcp:47", "en", "English"));
                });
            });
        }
    });
}
