//! What all patients share: organizations, locations, clinicians, schedules and payers.
//!
//! Source: US Core 6.1.0 Organization, Location, Practitioner, PractitionerRole.

use crate::booking::{Booking, SLOTS_PER_DAY, minute_of};
use crate::bundle::{Bundle, Ref, system};
use crate::day::Day;
use crate::json::Json;
use crate::tables::places::{PAYERS, STATE, TOWNS};
use crate::tables::staff::{NURSES, SPECIALISTS, Staff};
use crate::{Practice, PracticeKind};

/// The practice.
pub const PRACTICE: Ref = Ref::Fixed("Organization", "org-practice");
/// The outside laboratory.
pub const LABORATORY: Ref = Ref::Fixed("Organization", "org-lab");
/// The hospital nearby.
pub const HOSPITAL: Ref = Ref::Fixed("Organization", "org-hospital");
/// The main office.
pub const OFFICE: Ref = Ref::Fixed("Location", "loc-main");
/// Rooms of the office.
pub const ROOMS: [Ref; 6] = [
    Ref::Fixed("Location", "loc-room-1"),
    Ref::Fixed("Location", "loc-room-2"),
    Ref::Fixed("Location", "loc-room-3"),
    Ref::Fixed("Location", "loc-room-4"),
    Ref::Fixed("Location", "loc-room-5"),
    Ref::Fixed("Location", "loc-room-6"),
];

const NPI: &str = "http://hl7.org/fhir/sid/us-npi";

/// Name of the practice.
pub fn practice_name(kind: PracticeKind) -> &'static str {
    match kind {
        PracticeKind::PrimaryCare => "Alder Falls Family Medicine",
        PracticeKind::Medspa => "Alder Falls Aesthetics",
        PracticeKind::Concierge => "Alder Falls Private Medicine",
        PracticeKind::Specialty => "Alder Falls Cardiology",
    }
}

/// The foundation Bundle.
pub fn write(practice: &Practice) -> String {
    let mut bundle = Bundle::new(0, 1 << 20);
    organizations(&mut bundle, practice);
    locations(&mut bundle, practice);
    let providers = practice.providers();
    let name = practice_name(practice.options.kind);
    for (idx, staff) in providers.iter().chain(NURSES).enumerate() {
        let specialty = specialty_of(practice.options.kind, staff);
        clinician(&mut bundle, staff, specialty, idx as u64, (PRACTICE, name));
    }
    for (idx, staff) in SPECIALISTS.iter().enumerate() {
        let hospital = (HOSPITAL, "Valley Regional Hospital");
        clinician(&mut bundle, staff, staff.specialty, 40 + idx as u64, hospital);
    }
    for staff in providers {
        schedule(&mut bundle, practice, staff);
    }
    slots(&mut bundle, practice);
    bundle.finish()
}

fn organizations(bundle: &mut Bundle, practice: &Practice) {
    let rows = [
        (PRACTICE, practice_name(practice.options.kind), "prov", "Healthcare Provider", 7u64),
        (LABORATORY, "Riverside Clinical Laboratory", "prov", "Healthcare Provider", 8),
        (HOSPITAL, "Valley Regional Hospital", "prov", "Healthcare Provider", 9),
        (
            Ref::Fixed("Organization", "org-imaging"),
            "Valley Imaging Center",
            "prov",
            "Healthcare Provider",
            10,
        ),
        (
            Ref::Fixed("Organization", "org-pharmacy"),
            "Canal Street Pharmacy",
            "bus",
            "Non-Healthcare Business or Corporation",
            11,
        ),
    ];
    for (own, name, code, display, number) in rows {
        bundle.put(own, "us-core-organization", |j| {
            npi(j, number);
            j.boolean("active", true);
            j.category("type", "organization-type", code, display);
            j.text("name", name);
            phone(j, "413", 10 + number as u32, Some("front-desk@example.com"));
            address(j, &format!("{} Main Street", 100 + number * 12));
        });
    }
    for payer in PAYERS {
        bundle.put(Ref::Fixed("Organization", payer.id), "us-core-organization", |j| {
            j.identifiers("payer", format_args!("{}", payer.number));
            j.boolean("active", true);
            j.category("type", "organization-type", "pay", "Payer");
            j.text("name", payer.name);
            phone(j, "800", 60, None);
            address(j, "1 Commerce Plaza");
        });
    }
}

fn locations(bundle: &mut Bundle, practice: &Practice) {
    bundle.put(OFFICE, "us-core-location", |j| {
        j.identifiers("location", format_args!("MAIN"));
        j.text("status", "active");
        j.text("name", practice_name(practice.options.kind));
        j.text("mode", "instance");
        j.category("type", "v3-RoleCode", "OF", "outpatient facility");
        phone(j, "413", 17, None);
        j.object("address", |j| address_members(j, "184 Main Street"));
        physical_type(j, "bu", "Building");
        j.reference("managingOrganization", PRACTICE);
    });
    for (idx, room) in ROOMS.iter().enumerate() {
        bundle.put(*room, "us-core-location", |j| {
            j.text("status", "active");
            j.format("name", format_args!("Exam room {}", idx + 1));
            j.text("mode", "instance");
            physical_type(j, "ro", "Room");
            j.reference("managingOrganization", PRACTICE);
            j.reference("partOf", OFFICE);
        });
    }
}

fn physical_type(j: &mut Json, code: &str, display: &str) {
    let system = "http://terminology.hl7.org/CodeSystem/location-physical-type";
    j.concept("physicalType", system, code, display);
}

fn clinician(
    bundle: &mut Bundle,
    staff: &Staff,
    specialty: (&str, &str),
    number: u64,
    (org, org_name): (Ref, &str),
) {
    let practitioner = Ref::Fixed("Practitioner", staff.id);
    bundle.put(practitioner, "us-core-practitioner", |j| {
        npi(j, 100 + number);
        j.boolean("active", true);
        j.one("name", |j| {
            j.text("use", "official");
            j.text("family", staff.family);
            j.array("given", |j| j.text_item(staff.given));
            if !staff.prefix.is_empty() {
                j.array("prefix", |j| j.text_item(staff.prefix));
            }
            j.array("suffix", |j| j.text_item(staff.suffix));
        });
        let email = format!("{}.{}@example.com", staff.given, staff.family).to_lowercase();
        phone(j, "413", 20 + number as u32 % 80, Some(&email));
        address(j, "184 Main Street");
        j.text("gender", staff.gender);
        j.one("qualification", |j| {
            j.concept_text(
                "code",
                ("http://terminology.hl7.org/CodeSystem/v2-0360", degree(staff.suffix), ""),
                staff.suffix,
            );
        });
        if !staff.language.is_empty() {
            j.array("communication", |j| {
                j.item(|j| j.one("coding", |j| j.coding("urn:ietf:bcp:47", staff.language, "")));
            });
        }
    });
    bundle.put(
        Ref::Prefixed("PractitionerRole", "role-", staff.id),
        "us-core-practitionerrole",
        |j| {
            j.boolean("active", true);
            j.reference_named("practitioner", practitioner, &staff_name(staff));
            j.reference_named("organization", org, org_name);
            j.concepts("code", system::SNOMED, staff.role.0, staff.role.1);
            j.concepts("specialty", "http://nucc.org/provider-taxonomy", specialty.0, specialty.1);
            j.array("location", |j| j.item(|j| j.format("reference", format_args!("{OFFICE}"))));
            phone(j, "413", 20 + number as u32 % 80, None);
        },
    );
}

/// The specialty of a member of the practice: physicians follow the kind of practice.
fn specialty_of(kind: PracticeKind, staff: &Staff) -> (&'static str, &'static str) {
    let is_physician = matches!(staff.suffix, "MD" | "DO");
    match kind {
        PracticeKind::Specialty if is_physician => {
            ("207RC0000X", "Cardiovascular Disease Physician")
        }
        PracticeKind::Medspa if is_physician => ("207N00000X", "Dermatology Physician"),
        _ => staff.specialty,
    }
}

/// Code of HL7 v2 table 0360, `""` when it has none.
fn degree(suffix: &str) -> &str {
    match suffix {
        "MD" => "MD",
        "NP" => "NP",
        "RN" => "RN",
        "PA-C" => "PA",
        "DO" => "DO",
        _ => "",
    }
}

/// "Dr. Elena Marchetti, MD" without the prefix: "Elena Marchetti, MD".
pub fn staff_name(staff: &Staff) -> String {
    format!("{} {}, {}", staff.given, staff.family, staff.suffix)
}

fn schedule(bundle: &mut Bundle, practice: &Practice, staff: &Staff) {
    let (first, last) = practice.bookings.horizon();
    let id = Ref::Prefixed("Schedule", "sched-", staff.id);
    bundle.put(id, "", |j| {
        j.boolean("active", true);
        j.category("serviceCategory", "service-category", "17", "General Practice");
        j.array("actor", |j| {
            j.item(|j| {
                j.format("reference", format_args!("Practitioner/{}", staff.id));
                j.text("display", &staff_name(staff));
            });
            j.item(|j| j.format("reference", format_args!("{OFFICE}")));
        });
        j.period("planningHorizon", first.at(480), last.at(1020));
    });
}

/// Slots from today to the end of the horizon: busy where an appointment is.
fn slots(bundle: &mut Bundle, practice: &Practice) {
    let mut busy: Vec<String> = practice.bookings.coming().map(|b| b.slot_id()).collect();
    busy.sort_unstable();
    let mut day = practice.today;
    let (_, last) = practice.bookings.horizon();
    while day <= last {
        for staff in practice.providers() {
            for number in 0..SLOTS_PER_DAY {
                slot(bundle, staff, day, minute_of(number), &busy);
            }
        }
        day = day.plus_working(1);
    }
}

fn slot(bundle: &mut Bundle, staff: &'static Staff, day: Day, minute: u16, busy: &[String]) {
    let booking = Booking { day, minute, provider: staff, status: "booked" };
    let id = booking.slot_id();
    let taken = busy.binary_search(&id).is_ok();
    bundle.put_named("Slot", &id, |j| {
        j.reference("schedule", Ref::Prefixed("Schedule", "sched-", staff.id));
        j.text("status", if taken { "busy" } else { "free" });
        j.time("start", day.at(minute));
        j.time("end", day.at(minute + 20));
    });
}

fn npi(j: &mut Json, number: u64) {
    j.one("identifier", |j| {
        j.text("system", NPI);
        j.format("value", format_args!("{}", npi_of(number)));
    });
}

/// A National Provider Identifier with a right check digit (Luhn over 80840 and nine digits).
fn npi_of(number: u64) -> u64 {
    let nine = 199_900_000 + number;
    let mut sum = 24;
    let mut left = nine;
    for place in 0..9 {
        let digit = left % 10;
        left /= 10;
        let doubled = digit * 2;
        sum += if place % 2 == 0 { doubled / 10 + doubled % 10 } else { digit };
    }
    nine * 10 + (10 - sum % 10) % 10
}

fn phone(j: &mut Json, area: &str, last: u32, email: Option<&str>) {
    j.array("telecom", |j| {
        j.item(|j| {
            j.text("system", "phone");
            j.format("value", format_args!("({area}) 555-01{:02}", last % 100));
            j.text("use", "work");
        });
        if let Some(email) = email {
            j.item(|j| {
                j.text("system", "email");
                j.text("value", email);
                j.text("use", "work");
            });
        }
    });
}

fn address(j: &mut Json, line: &str) {
    j.one("address", |j| address_members(j, line));
}

fn address_members(j: &mut Json, line: &str) {
    j.text("use", "work");
    j.array("line", |j| j.text_item(line));
    j.text("city", TOWNS[0].0);
    j.text("state", STATE);
    j.text("postalCode", TOWNS[0].1);
    j.text("country", "US");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn npi_has_the_published_check_digit() {
        // 1234567893 is the example of the NPI check digit specification.
        let sum = |nine: u64| {
            let saved = nine - 199_900_000;
            npi_of(saved)
        };
        assert_eq!(sum(199_900_000) / 10, 199_900_000);
        let digits: Vec<u64> = npi_of(7).to_string().bytes().map(|b| u64::from(b - b'0')).collect();
        let mut total = 24;
        for (idx, digit) in digits.iter().enumerate() {
            let doubled = digit * 2;
            total += if idx % 2 == 0 { doubled / 10 + doubled % 10 } else { *digit };
        }
        assert_eq!(total % 10, 0);
    }
}
