//! Names of a sorted table by their hash: one comparison in place of eight.

use crate::name_hash::name_hash;

/// The usual start of FNV-1a.
const SEED: u32 = 0x811C_9DC5;

/// Where names stand in their table.
pub(crate) struct Names {
    /// Place + 1; 0: none. Open addressing, a power of two, at most half full.
    slots: Vec<u16>,
}

impl Names {
    /// Of the names of a table, in its order.
    pub fn of(names: impl ExactSizeIterator<Item = &'static str>) -> Names {
        let mut slots = vec![0; (names.len() * 2).next_power_of_two()];
        for (place, name) in (1..).zip(names) {
            let mut at = hash(name) & (slots.len() - 1);
            while slots[at] != 0 {
                at = (at + 1) & (slots.len() - 1);
            }
            slots[at] = place;
        }
        Names { slots }
    }

    /// The place of a name; `name_at` gives the name of a place.
    #[inline]
    pub fn find(&self, name: &str, name_at: impl Fn(usize) -> &'static str) -> Option<usize> {
        let mask = self.slots.len() - 1;
        let mut at = hash(name) & mask;
        loop {
            let place = usize::from(self.slots[at]).checked_sub(1)?;
            if name_at(place) == name {
                return Some(place);
            }
            at = (at + 1) & mask;
        }
    }
}

fn hash(name: &str) -> usize {
    name_hash(SEED, name.as_bytes()) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ResourceType, TypeId};

    #[test]
    fn every_name_is_found_and_no_other() {
        const NAMES: [&str; 5] = ["", "a", "contact", "Patient.contact", "Patient.contact.name"];
        let names = Names::of(NAMES.into_iter());
        for (place, name) in NAMES.into_iter().enumerate() {
            assert_eq!(names.find(name, |at| NAMES[at]), Some(place));
        }
        assert_eq!(names.find("b", |at| NAMES[at]), None);
        for rt in ResourceType::ALL {
            assert_eq!(ResourceType::from_name(rt.name()), Some(rt));
            assert_eq!(TypeId::by_name(rt.name()), Some(rt.type_id()));
        }
        for name in ["", "patient", "Patient ", "Resource", "Patientx"] {
            assert_eq!(ResourceType::from_name(name), None);
        }
    }
}
