//! A believable practice from a seed: the demo data, and the load source of the benchmarks.
//!
//! Everything is a FHIR R4 transaction Bundle of PUT entries with stable ids: one foundation
//! (organizations, locations, clinicians, schedules, payers), then one Bundle per patient, each made
//! from (seed, index) alone, so that a million patients stream in constant memory and any one of them
//! can be made again. A patient's Bundle refers only to itself and to the foundation.
//! Same options, same bytes. Pure: no clock, no files, no threads. All people are invented.

mod admin;
mod body;
mod booking;
mod bundle;
mod care;
mod course;
mod day;
mod demographics;
mod foundation;
mod immunize;
mod json;
mod lists;
mod note;
mod outside;
mod person;
mod prevent;
mod results;
mod rng;
mod showcase;
mod tables;
mod treatment;
mod visit;

use booking::Bookings;
use course::Course;
use day::Day;

/// Index, and so id `p999999999`, of the patient of [`Practice::heavy_patient_bundles`].
pub const HEAVY_INDEX: u64 = 999_999_999;

/// What kind of practice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PracticeKind {
    /// Families, chronic disease, prevention.
    PrimaryCare,
    /// Aesthetic treatments, paid by the patient.
    Medspa,
    /// Few patients, long visits, yearly executive physicals.
    Concierge,
    /// Cardiology by referral.
    Specialty,
}

/// What to make.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Same seed, same practice.
    pub seed: u64,
    /// Number of patients; it decides how many providers there are and how full the schedule is.
    pub patients: u64,
    /// Kind of practice.
    pub kind: PracticeKind,
    /// Year, month 1..=12 and day 1..=31 of the last day of the story.
    pub today: (i32, u8, u8),
}

/// A practice that can be written out.
#[derive(Clone, Debug)]
pub struct Practice {
    options: Options,
    today: Day,
    bookings: Bookings,
}

/// A clinician, for logins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clinician {
    /// Id of the Practitioner.
    pub id: &'static str,
    /// Given name.
    pub given: &'static str,
    /// Family name.
    pub family: &'static str,
    /// `MD`, `NP`, `RN` …
    pub suffix: &'static str,
    /// Orders and signs; otherwise a nurse.
    pub is_provider: bool,
}

impl Practice {
    /// The practice of `options`; `today` must be a real month and day.
    pub fn new(options: Options) -> Practice {
        let (year, month, day) = options.today;
        let today = Day::from_ymd(year, month, day);
        let bookings = Bookings::new(&options, today);
        Practice { options, today, bookings }
    }

    /// The Bundle of everything that is not about one patient; import it first.
    pub fn foundation(&self) -> String {
        foundation::write(self)
    }

    /// The Bundle of patient `index`, `p{index}` by id.
    ///
    /// Shape: refers to itself and to the foundation only. Any index below 2^60 works;
    /// those below `Options::patients` are the practice.
    pub fn patient_bundle(&self, index: u64) -> String {
        let person = person::person(&self.options, self.today, index);
        Course::new(self, &person).write()
    }

    /// Bundles of one patient, [`HEAVY_INDEX`], with `encounters` visits, for performance tests.
    ///
    /// Shape: the first Bundle holds the Patient; each holds up to 100 visits and the
    /// problems and medications as they are after them. Hospital stays come on top.
    pub fn heavy_patient_bundles(&self, encounters: usize) -> Vec<String> {
        course::heavy(self, encounters)
    }

    /// Providers and nurses of the practice.
    pub fn clinicians(&self) -> Vec<Clinician> {
        let providers = self.providers().iter().map(|staff| (staff, true));
        let nurses = tables::staff::NURSES.iter().map(|staff| (staff, false));
        providers
            .chain(nurses)
            .map(|(staff, is_provider)| Clinician {
                id: staff.id,
                given: staff.given,
                family: staff.family,
                suffix: staff.suffix,
                is_provider,
            })
            .collect()
    }

    fn providers(&self) -> &'static [tables::staff::Staff] {
        &tables::staff::PROVIDERS[..self.bookings.providers()]
    }
}
