//! Who is booked when: appointments of the past week, today and the next two weeks.
//!
//! Patients are made one by one, so no two may take the same slot without knowing each other: the
//! index of a patient goes through a bijection, and its image is the number of the slot.

use crate::day::Day;
use crate::tables::staff::{PROVIDERS, Staff};
use crate::{Options, PracticeKind};

/// Slots of a provider per day.
pub const SLOTS_PER_DAY: u64 = 21;
/// Working days before today with appointments.
const PAST_DAYS: u64 = 5;
/// Working days after today with appointments.
const FUTURE_DAYS: u64 = 10;

/// How slots are given to patients.
#[derive(Clone, Debug)]
pub struct Bookings {
    providers: u64,
    /// Number of patients.
    patients: u64,
    /// Today has appointments even on a weekend, so that there is something to see.
    today: Day,
    /// Appointments today, in the past, in the future.
    counts: [u64; 3],
    seed: u64,
}

/// An appointment.
#[derive(Clone, Copy, Debug)]
pub struct Booking {
    /// Day.
    pub day: Day,
    /// Minutes since midnight.
    pub minute: u16,
    /// Provider.
    pub provider: &'static Staff,
    /// Appointment.status.
    pub status: &'static str,
}

impl Booking {
    /// The id of the Slot.
    pub fn slot_id(&self) -> String {
        let (year, month, day) = self.day.ymd();
        let (hour, minute) = (self.minute / 60, self.minute % 60);
        format!("slot-{}-{year}{month:02}{day:02}-{hour:02}{minute:02}", self.provider.id)
    }
}

impl Bookings {
    /// Slots for `options`.
    pub fn new(options: &Options, today: Day) -> Bookings {
        let most = PROVIDERS.len() as u64;
        let providers = match options.kind {
            PracticeKind::PrimaryCare => (options.patients / 180).clamp(3, most),
            PracticeKind::Medspa | PracticeKind::Specialty => {
                (options.patients / 250).clamp(2, most)
            }
            PracticeKind::Concierge => (options.patients / 100).clamp(2, most),
        };
        let slots = providers * SLOTS_PER_DAY;
        let counts = [
            (slots * 3 / 4).min(options.patients / 6),
            (slots * PAST_DAYS * 3 / 5).min(options.patients / 5),
            (slots * FUTURE_DAYS / 2).min(options.patients / 4),
        ];
        let patients = options.patients.max(1);
        Bookings { providers, patients, today, counts, seed: options.seed }
    }

    /// Number of providers.
    pub fn providers(&self) -> usize {
        self.providers as usize
    }

    /// First and last day of the planning horizon.
    pub fn horizon(&self) -> (Day, Day) {
        (self.today.plus_working(-(PAST_DAYS as i32)), self.today.plus_working(FUTURE_DAYS as i32))
    }

    /// The appointment of patient `index`, if there is one.
    pub fn of(&self, index: u64) -> Option<Booking> {
        if index >= self.patients {
            return None;
        }
        let rank = shuffle(index, self.patients, self.seed);
        self.ranked(rank)
    }

    /// All appointments from today on, in no order.
    pub fn coming(&self) -> impl Iterator<Item = Booking> + '_ {
        let [today, past, future] = self.counts;
        (0..today).chain(today + past..today + past + future).filter_map(|rank| self.ranked(rank))
    }

    fn ranked(&self, rank: u64) -> Option<Booking> {
        let [today, past, future] = self.counts;
        let per_day = self.providers * SLOTS_PER_DAY;
        if rank < today {
            let slot = shuffle(rank, per_day, self.seed ^ 1);
            return Some(self.today_booking(slot));
        }
        let rank = rank - today;
        if rank < past {
            let slot = shuffle(rank, per_day * PAST_DAYS, self.seed ^ 2);
            let back = (slot / per_day) as i32 + 1;
            let status = match slot % 11 {
                0 => "noshow",
                1 => "cancelled",
                _ => "fulfilled",
            };
            return Some(self.booking(self.today.plus_working(-back), slot % per_day, status));
        }
        let rank = rank - past;
        (rank < future).then(|| {
            let slot = shuffle(rank, per_day * FUTURE_DAYS, self.seed ^ 3);
            let ahead = (slot / per_day) as i32 + 1;
            let status = if slot.is_multiple_of(17) { "proposed" } else { "booked" };
            self.booking(self.today.plus_working(ahead), slot % per_day, status)
        })
    }

    /// Status as it would be about 10:20.
    fn today_booking(&self, slot: u64) -> Booking {
        let mut booking = self.booking(self.today, slot, "booked");
        booking.status = match booking.minute {
            ..=580 if slot.is_multiple_of(9) => "noshow",
            ..=580 => "fulfilled",
            581..=600 => "checked-in",
            601..=630 if !slot.is_multiple_of(3) => "arrived",
            _ => "booked",
        };
        booking
    }

    fn booking(&self, day: Day, slot: u64, status: &'static str) -> Booking {
        let provider = &PROVIDERS[(slot % self.providers) as usize];
        Booking { day, minute: minute_of(slot / self.providers), provider, status }
    }
}

/// Minute of slot 0..21: 8:20 to 11:40 and 13:00 to 16:00, every 20 minutes.
pub fn minute_of(slot: u64) -> u16 {
    let minute = if slot < 11 { 500 + slot * 20 } else { 780 + (slot - 11) * 20 };
    minute as u16
}

/// A bijection of `0..n`: multiplication by a number without common divisor, and a shift.
fn shuffle(index: u64, n: u64, seed: u64) -> u64 {
    let mut factor = (0x9e37_79b9 + (seed % 1000) * 2) % n;
    while factor < 2 || gcd(factor, n) != 1 {
        if n <= 2 {
            return index;
        }
        factor = (factor + 1) % n;
    }
    let product = u128::from(index) * u128::from(factor) + u128::from(seed % n);
    (product % u128::from(n)) as u64
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn nobody_shares_a_slot() {
        for patients in [1, 2, 7, 200, 1000, 5000] {
            let options = Options {
                seed: 5,
                patients,
                kind: PracticeKind::PrimaryCare,
                today: (2026, 11, 23),
            };
            let bookings = Bookings::new(&options, Day::from_ymd(2026, 11, 23));
            let mut taken = HashSet::new();
            let mut today = 0;
            for index in 0..patients {
                if let Some(booking) = bookings.of(index) {
                    assert!(taken.insert(booking.slot_id()), "{} twice", booking.slot_id());
                    today += usize::from(booking.day == Day::from_ymd(2026, 11, 23));
                }
            }
            if patients >= 200 {
                assert!(today > 20, "{today} today of {patients}");
            }
        }
    }
}
