//! Who the patients are: households of four neighbouring indexes, their names, ages and insurance.
//!
//! A household is drawn from (seed, index / 4), a person from (seed, index); so one patient can be
//! made without the others and still shares address, family name and plan with the family.

use crate::day::Day;
use crate::rng::Rng;
use crate::showcase::{CURATED, Curated};
use crate::tables::names::{ENGLISH_FEMALE, ENGLISH_MALE, MIDDLE, ORIGINS, Origin};
use crate::tables::places::{AREA_CODES, PAYERS, Payer, PayerKind, STREETS};
use crate::{Options, PracticeKind};

/// Administrative sex at birth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sex {
    /// Female.
    Female,
    /// Male.
    Male,
}

/// Place in the household.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A parent or partner.
    Partner,
    /// A child of the partners.
    Child,
    /// A parent of a partner.
    Grandparent,
    /// Lives alone; shares nothing with the neighbouring indexes.
    Alone,
}

/// What is unusual about how a person is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// Nothing.
    None,
    /// A very long name.
    LongName,
    /// A name in a right-to-left script beside its Latin form.
    RightToLeft,
    /// A family name outside the Basic Multilingual Plane.
    FourByte,
    /// A newborn who has no name yet.
    Newborn,
    /// Only the year of birth is known.
    BirthYear,
    /// Died.
    Deceased,
    /// One name only, gender unknown.
    Mononym,
}

/// A patient.
#[derive(Debug)]
pub struct Person {
    /// Index in the practice.
    pub index: u64,
    /// Sex at birth.
    pub sex: Sex,
    /// Day of birth.
    pub birth: Day,
    /// Day of death.
    pub death: Option<Day>,
    /// Origin of the name.
    pub origin: &'static Origin,
    /// Family name; empty for a mononym.
    pub family: String,
    /// Given names.
    pub given: Vec<String>,
    /// What is unusual.
    pub special: Special,
    /// Place in the household.
    pub role: Role,
    /// First index and number of people who share the household with this one, itself included.
    pub household: Vec<Relative>,
    /// Street line.
    pub street: String,
    /// Index in `TOWNS`.
    pub town: usize,
    /// Area code and last two digits.
    pub phone: (&'static str, u32),
    /// Preferred language: BCP-47 and display.
    pub language: (&'static str, &'static str),
    /// Payer.
    pub payer: &'static Payer,
    /// Index of the one who holds the policy.
    pub subscriber: u64,
    /// Curated story, for the first patients.
    pub curated: Option<&'static Curated>,
}

/// One who shares the household.
#[derive(Clone, Debug)]
pub struct Relative {
    /// Index of the patient.
    pub index: u64,
    /// Sex.
    pub sex: Sex,
    /// Place in the household.
    pub role: Role,
    /// Given and family name.
    pub name: String,
    /// Area code and last two digits.
    pub phone: (&'static str, u32),
}

impl Person {
    /// "Maria Torres", without invisible marks.
    pub fn full_name(&self) -> String {
        let given = self.given.first().map_or("", String::as_str);
        if self.family.is_empty() { given.to_owned() } else { format!("{given} {}", self.family) }
    }

    /// Female.
    pub fn is_female(&self) -> bool {
        self.sex == Sex::Female
    }
}

/// Rows of `ORIGINS` that special names need.
const EUROPEAN: usize = 1;
const ARABIC: usize = 11;

const HOUSEHOLD: u64 = 0x4855;
const PERSON: u64 = 0x5045;

/// Shape of a household.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Alone,
    TwoAndTwo,
    OneAndThree,
    ThreeGenerations,
    Couple,
    OldCouple,
}

struct Member {
    role: Role,
    sex: Sex,
    age: i64,
}

struct Household {
    members: [Member; 4],
    origin: &'static Origin,
    family: String,
    street: String,
    town: usize,
    payer: &'static Payer,
}

/// The patient `index`.
pub fn person(options: &Options, today: Day, index: u64) -> Person {
    let household = household(options, index / 4);
    let slot = (index % 4) as usize;
    let mut person = member(options, today, index, &household);
    let first = index - slot as u64;
    if person.role != Role::Alone {
        for idx in (0..4).filter(|idx| *idx != slot) {
            let relative = member(options, today, first + idx as u64, &household);
            if relative.role != Role::Alone && relative.death.is_none() {
                person.household.push(Relative {
                    index: relative.index,
                    sex: relative.sex,
                    role: relative.role,
                    name: relative.full_name(),
                    phone: relative.phone,
                });
            }
        }
    }
    person
}

fn household(options: &Options, number: u64) -> Household {
    let mut rng = Rng::new(options.seed, HOUSEHOLD, number);
    let origin = origin_of(&mut rng);
    let special = (0..4).map(|slot| special_of(number * 4 + slot)).any(|s| s == Special::Newborn);
    let shape = if special { Shape::TwoAndTwo } else { shape_of(options.kind, &mut rng) };
    let members = members_of(shape, options.kind, &mut rng);
    let family = (*rng.pick(origin.families)).to_owned();
    let town = rng.weighted(&[30, 18, 10, 9, 12, 8, 6, 7]);
    let street = street_of(&mut rng);
    let payer = commercial(options.kind, &mut rng);
    Household { members, origin, family, street, town, payer }
}

fn origin_of(rng: &mut Rng) -> &'static Origin {
    let total: u64 = ORIGINS.iter().map(|o| u64::from(o.weight)).sum();
    let mut left = rng.below(total);
    for origin in ORIGINS {
        if left < u64::from(origin.weight) {
            return origin;
        }
        left -= u64::from(origin.weight);
    }
    &ORIGINS[0]
}

fn shape_of(kind: PracticeKind, rng: &mut Rng) -> Shape {
    let weights = match kind {
        PracticeKind::PrimaryCare => [30, 30, 8, 8, 10, 14],
        PracticeKind::Medspa => [70, 0, 0, 0, 25, 5],
        PracticeKind::Concierge => [35, 12, 2, 3, 23, 25],
        PracticeKind::Specialty => [30, 0, 0, 0, 15, 55],
    };
    [
        Shape::Alone,
        Shape::TwoAndTwo,
        Shape::OneAndThree,
        Shape::ThreeGenerations,
        Shape::Couple,
        Shape::OldCouple,
    ][rng.weighted(&weights)]
}

fn members_of(shape: Shape, kind: PracticeKind, rng: &mut Rng) -> [Member; 4] {
    let sex = |rng: &mut Rng| if rng.chance(0.51) { Sex::Female } else { Sex::Male };
    let first = sex(rng);
    let other = if rng.chance(0.06) { first } else { opposite(first) };
    let alone = |rng: &mut Rng| {
        let age = alone_age(kind, rng);
        let female = if kind == PracticeKind::Medspa { 0.86 } else { 0.54 };
        let sex = if rng.chance(female) { Sex::Female } else { Sex::Male };
        Member { role: Role::Alone, sex, age }
    };
    let parent_age = rng.range(25, 52);
    let partner_age = parent_age + rng.range(-4, 5);
    let child = |rng: &mut Rng| Member {
        role: Role::Child,
        sex: sex(rng),
        age: (parent_age - rng.range(22, 36)).clamp(0, 22),
    };
    let partner = |sex, age| Member { role: Role::Partner, sex, age };
    match shape {
        Shape::Alone => [alone(rng), alone(rng), alone(rng), alone(rng)],
        Shape::TwoAndTwo => {
            [partner(first, parent_age), partner(other, partner_age), child(rng), child(rng)]
        }
        Shape::OneAndThree => [partner(first, parent_age), child(rng), child(rng), child(rng)],
        Shape::ThreeGenerations => {
            let elder = Member {
                role: Role::Grandparent,
                sex: sex(rng),
                age: parent_age + rng.range(24, 34),
            };
            [partner(first, parent_age), partner(other, partner_age), child(rng), elder]
        }
        Shape::Couple => {
            let age = rng.range(26, 64);
            let partner_age = (age + rng.range(-6, 6)).max(21);
            [partner(first, age), partner(other, partner_age), alone(rng), alone(rng)]
        }
        Shape::OldCouple => {
            let age = rng.range(62, 90);
            let partner_age = age + rng.range(-6, 5);
            [partner(first, age), partner(other, partner_age), alone(rng), alone(rng)]
        }
    }
}

fn opposite(sex: Sex) -> Sex {
    match sex {
        Sex::Female => Sex::Male,
        Sex::Male => Sex::Female,
    }
}

fn alone_age(kind: PracticeKind, rng: &mut Rng) -> i64 {
    let weights: [u32; 8] = match kind {
        PracticeKind::PrimaryCare => [10, 18, 15, 13, 15, 13, 10, 4],
        PracticeKind::Medspa => [8, 26, 28, 22, 12, 4, 0, 0],
        PracticeKind::Concierge => [2, 8, 16, 22, 24, 16, 8, 2],
        PracticeKind::Specialty => [2, 4, 7, 13, 22, 28, 18, 6],
    };
    let decade = rng.weighted(&weights) as i64;
    if decade == 0 { rng.range(18, 24) } else { decade * 10 + 14 + rng.range(1, 10) }
}

fn street_of(rng: &mut Rng) -> String {
    let number = rng.range(1, 480);
    let street = rng.pick(STREETS);
    match rng.below(5) {
        0 => format!("{number} {street}, Apt {}", rng.range(1, 40)),
        1 if number % 3 == 0 => format!("{number} {street}, Unit {}B", rng.range(1, 9)),
        _ => format!("{number} {street}"),
    }
}

fn commercial(kind: PracticeKind, rng: &mut Rng) -> &'static Payer {
    let weights: [u32; 8] = match kind {
        PracticeKind::PrimaryCare => [28, 20, 14, 12, 0, 0, 18, 6],
        PracticeKind::Medspa => [0, 0, 0, 0, 0, 0, 0, 1],
        PracticeKind::Concierge => [40, 10, 30, 12, 0, 0, 0, 8],
        PracticeKind::Specialty => [30, 22, 14, 14, 0, 0, 16, 4],
    };
    &PAYERS[rng.weighted(&weights)]
}

/// What is unusual about patient `index`: each kind comes once in 500.
fn special_of(index: u64) -> Special {
    match index % 500 {
        8 => Special::FourByte,
        9 => Special::BirthYear,
        11 => Special::Newborn,
        13 => Special::Deceased,
        14 => Special::RightToLeft,
        17 => Special::LongName,
        18 => Special::Mononym,
        _ => Special::None,
    }
}

/// The person without relatives.
fn member(options: &Options, today: Day, index: u64, household: &Household) -> Person {
    let slot = (index % 4) as usize;
    let row = &household.members[slot];
    let mut rng = Rng::new(options.seed, PERSON, index);
    let curated = curated_of(options.kind, index);
    let role = curated.map_or(row.role, |story| story.role);
    let alone = role == Role::Alone;
    let origin = if alone || (slot == 1 && rng.chance(0.18)) {
        origin_of(&mut rng)
    } else {
        household.origin
    };
    let special = special_of(index);
    let new_year = Day::from_ymd(today.year(), 1, 1);
    let mut birth = new_year.plus_months(-12 * row.age as i32).plus(-(rng.below(365) as i32));
    if special == Special::Newborn {
        birth = today.plus(-6);
    }
    let family = if alone || (slot == 1 && role == Role::Partner && rng.chance(0.3)) {
        (*rng.pick(origin.families)).to_owned()
    } else {
        household.family.clone()
    };
    let given = given_names(origin, row.sex, birth.year(), &mut rng);
    let death = death_of(special, today, birth, &mut rng);
    let (street, town) = if alone {
        (street_of(&mut rng), rng.weighted(&[30, 18, 10, 9, 12, 8, 6, 7]))
    } else {
        (household.street.clone(), household.town)
    };
    let speaks_own =
        birth.year() < today.year() - 30 && rng.chance(f64::from(origin.prefers_language) / 100.0);
    let age = today.age(birth);
    let plan = if alone { commercial(options.kind, &mut rng) } else { household.payer };
    let payer = match plan.kind {
        PayerKind::Commercial | PayerKind::Medicaid if age >= 65 => {
            &PAYERS[4 + rng.weighted(&[6, 4])]
        }
        _ => plan,
    };
    let phone = (*rng.pick(AREA_CODES), rng.below(100) as u32);
    let subscriber = if role == Role::Child { index - slot as u64 } else { index };
    let mut person = Person {
        index,
        sex: row.sex,
        birth,
        death,
        origin,
        family,
        given,
        special,
        role,
        household: Vec::new(),
        street,
        town,
        phone,
        language: if speaks_own { origin.language } else { ("en", "English") },
        payer,
        subscriber,
        curated: None,
    };
    apply_special(&mut person);
    if let Some(story) = curated {
        apply_curated(&mut person, story, today);
    }
    person
}

fn curated_of(kind: PracticeKind, index: u64) -> Option<&'static Curated> {
    if kind == PracticeKind::PrimaryCare { CURATED.get(index as usize) } else { None }
}

fn given_names(origin: &Origin, sex: Sex, year: i32, rng: &mut Rng) -> Vec<String> {
    let english = std::ptr::eq(origin, &raw const ORIGINS[0]);
    let era = match year {
        ..1950 => 0,
        1950..1980 => 1,
        _ => 2,
    };
    let names = match (english, sex) {
        (true, Sex::Female) => ENGLISH_FEMALE[era],
        (true, Sex::Male) => ENGLISH_MALE[era],
        (false, Sex::Female) => origin.female,
        (false, Sex::Male) => origin.male,
    };
    let mut given = vec![(*rng.pick(names)).to_owned()];
    if rng.chance(0.45) {
        let middle = if english { rng.pick(MIDDLE) } else { rng.pick(names) };
        if *middle != given[0] {
            given.push((*middle).to_owned());
        }
    }
    given
}

fn death_of(special: Special, today: Day, birth: Day, rng: &mut Rng) -> Option<Day> {
    let age = today.age(birth);
    let share = match age {
        ..40 => 0.0,
        40..65 => 0.008,
        65..78 => 0.03,
        _ => 0.07,
    };
    let days_ago = rng.range(20, 6 * 365) as i32;
    let died = rng.chance(share) || special == Special::Deceased;
    let day = today.plus(-days_ago);
    (died && day > birth.plus(400)).then_some(day)
}

fn apply_special(person: &mut Person) {
    match person.special {
        Special::LongName => {
            person.family =
                "Wolfeschlegelsteinhausenbergerdorff-Featherstonehaugh de la Villaverde y Montemayor"
                    .to_owned();
            person.given = ["Maximiliana", "Hephzibah", "Konstantina", "Wilhelmina"]
                .map(str::to_owned)
                .to_vec();
            person.sex = Sex::Female;
            person.origin = &ORIGINS[EUROPEAN];
        }
        Special::FourByte => {
            person.origin = &ORIGINS[ORIGINS.len() - 1];
            person.family = "𠮷田".to_owned();
            person.given = vec!["蓮𩸽".to_owned()];
        }
        Special::Mononym => {
            person.family.clear();
            person.given.truncate(1);
        }
        Special::RightToLeft => {
            person.family = "Al-Masri".to_owned();
            person.given = vec!["Yousef".to_owned()];
            person.sex = Sex::Male;
            person.origin = &ORIGINS[ARABIC];
            person.language = person.origin.language;
        }
        Special::Newborn => person.given.clear(),
        Special::None | Special::BirthYear | Special::Deceased => {}
    }
}

fn apply_curated(person: &mut Person, story: &'static Curated, today: Day) {
    let (month, day) = story.birthday;
    let had_birthday = today >= Day::from_ymd(today.year(), month, day);
    let year = today.year() - story.age - i32::from(!had_birthday);
    person.birth = Day::from_ymd(year, month, day);
    person.sex = story.sex;
    person.family = story.family.to_owned();
    person.given = story.given.iter().map(|g| (*g).to_owned()).collect();
    person.death = None;
    person.origin = &ORIGINS[story.origin];
    person.language = story.language;
    person.payer = &PAYERS[story.payer];
    person.subscriber = if story.role == Role::Child { person.index + 1 } else { person.index };
    person.curated = Some(story);
}
