//! Sets of codes by system, with whole systems among them.

use std::collections::{BTreeMap, BTreeSet};

/// Codes of one system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Codes {
    Listed(BTreeSet<String>),
    /// Every code of the system, also unknown ones, but these.
    AllBut(BTreeSet<String>),
}

/// A set of codes. The system "" stands for codes without a system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodeSet {
    systems: BTreeMap<String, Codes>,
}

impl Codes {
    pub fn contains(&self, code: &str) -> bool {
        match self {
            Codes::Listed(codes) => codes.contains(code),
            Codes::AllBut(codes) => !codes.contains(code),
        }
    }

    /// Codes that are named, whichever way.
    pub fn n_named(&self) -> usize {
        match self {
            Codes::Listed(codes) | Codes::AllBut(codes) => codes.len(),
        }
    }

    fn union(self, other: Codes) -> Codes {
        use Codes::{AllBut, Listed};
        match (self, other) {
            (Listed(mut a), Listed(mut b)) => {
                if a.len() < b.len() {
                    std::mem::swap(&mut a, &mut b);
                }
                a.extend(b);
                Listed(a)
            }
            (AllBut(a), AllBut(b)) => AllBut(a.intersection(&b).cloned().collect()),
            (AllBut(but), Listed(listed)) | (Listed(listed), AllBut(but)) => {
                AllBut(but.difference(&listed).cloned().collect())
            }
        }
    }

    fn intersection(self, other: &Codes) -> Codes {
        use Codes::{AllBut, Listed};
        match (self, other) {
            (Listed(mut a), other) => {
                a.retain(|code| other.contains(code));
                Listed(a)
            }
            (AllBut(but), Listed(b)) => Listed(b.difference(&but).cloned().collect()),
            (AllBut(mut a), AllBut(b)) => {
                a.extend(b.iter().cloned());
                AllBut(a)
            }
        }
    }

    fn complement(&self) -> Codes {
        match self {
            Codes::Listed(codes) => Codes::AllBut(codes.clone()),
            Codes::AllBut(codes) => Codes::Listed(codes.clone()),
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self, Codes::Listed(codes) if codes.is_empty())
    }
}

impl CodeSet {
    pub fn of(system: &str, codes: Codes) -> CodeSet {
        let mut set = CodeSet::default();
        set.add(system, codes);
        set
    }

    /// Adds codes of a system.
    pub fn add(&mut self, system: &str, codes: Codes) {
        let joined = match self.systems.remove(system) {
            Some(before) => before.union(codes),
            None => codes,
        };
        if !joined.is_empty() {
            self.systems.insert(system.to_owned(), joined);
        }
    }

    /// Whether the code is in the set; `None` for a code without a system.
    pub fn contains(&self, system: Option<&str>, code: &str) -> bool {
        self.systems.get(system.unwrap_or("")).is_some_and(|codes| codes.contains(code))
    }

    /// Systems in byte order, with their codes.
    pub fn systems(&self) -> impl Iterator<Item = (&str, &Codes)> {
        self.systems.iter().map(|(system, codes)| (system.as_str(), codes))
    }

    pub fn is_empty(&self) -> bool {
        self.systems.is_empty()
    }

    /// Codes that are named, whichever way.
    pub fn n_named(&self) -> usize {
        self.systems.values().map(Codes::n_named).sum()
    }

    pub fn union(&mut self, other: CodeSet) {
        for (system, codes) in other.systems {
            self.add(&system, codes);
        }
    }

    pub fn intersect(&mut self, other: &CodeSet) {
        self.systems = std::mem::take(&mut self.systems)
            .into_iter()
            .filter_map(|(system, codes)| {
                let codes = codes.intersection(other.systems.get(&system)?);
                (!codes.is_empty()).then_some((system, codes))
            })
            .collect();
    }

    pub fn subtract(&mut self, other: &CodeSet) {
        for (system, codes) in &other.systems {
            if let Some(own) = self.systems.remove(system) {
                let left = own.intersection(&codes.complement());
                if !left.is_empty() {
                    self.systems.insert(system.clone(), left);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(codes: &[&str]) -> Codes {
        Codes::Listed(codes.iter().map(|c| (*c).to_owned()).collect())
    }

    fn all_but(codes: &[&str]) -> Codes {
        Codes::AllBut(codes.iter().map(|c| (*c).to_owned()).collect())
    }

    /// Every operation agrees with the same operation on single codes.
    #[test]
    fn sets_behave_like_sets() {
        let forms = [listed(&[]), listed(&["a"]), listed(&["a", "b"]), all_but(&[])];
        let forms: Vec<Codes> =
            forms.into_iter().chain([all_but(&["a"]), all_but(&["c"])]).collect();
        for a in &forms {
            for b in &forms {
                let (x, y) = (CodeSet::of("s", a.clone()), CodeSet::of("s", b.clone()));
                let (mut union, mut both, mut less) = (x.clone(), x.clone(), x.clone());
                union.union(y.clone());
                both.intersect(&y);
                less.subtract(&y);
                for code in ["a", "b", "c", "d"] {
                    let (in_a, in_b) = (a.contains(code), b.contains(code));
                    let is = |set: &CodeSet| set.contains(Some("s"), code);
                    assert_eq!(is(&union), in_a || in_b, "{a:?} {b:?} {code}");
                    assert_eq!(is(&both), in_a && in_b, "{a:?} {b:?} {code}");
                    assert_eq!(is(&less), in_a && !in_b, "{a:?} {b:?} {code}");
                    assert!(!union.contains(Some("t"), code) && !union.contains(None, code));
                }
            }
        }
    }
}
