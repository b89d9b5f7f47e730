//! Who the patient is: demographics, family, insurance.
//!
//! Source: US Core 6.1.0 Patient, RelatedPerson, Coverage.

use crate::bundle::{Ref, US_CORE, system};
use crate::course::Course;
use crate::day::Day;
use crate::foundation::{PRACTICE, practice_name, staff_name};
use crate::json::Json;
use crate::person::{Person, Relative, Role, Sex, Special};
use crate::tables::places::{PayerKind, STATE, TOWNS};

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
        let has_married = person.role == Role::Partner && person.is_female();
        if has_married && person.index % 9 == 4 && person.special == Special::None {
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
