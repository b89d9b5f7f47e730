//! What pages of the audit log show.

use super::When;

/// One entry of the log.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    pub seq: u64,
    pub at: When,
    /// When, to the second.
    pub second: String,
    pub person: String,
    pub role: String,
    /// The app through which it was done; empty: our own pages, or a program itself.
    pub app: String,
    pub why: &'static str,
    pub did: &'static str,
    /// Type or question, in the record's own words.
    pub what: String,
    /// Id and name.
    pub patients: Vec<(String, String)>,
    /// Patients that are not listed.
    pub n_more: usize,
    /// Everybody.
    pub all: bool,
    pub outcome: &'static str,
    pub is_bad: bool,
    pub address: String,
}

/// The filter of the log's page, as typed.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub person: String,
    pub patient: String,
    pub did: String,
    pub outcome: String,
    pub address: String,
    pub from: String,
    pub to: String,
    pub sort: String,
    pub is_rising: bool,
}

/// The log, filtered.
#[derive(Clone, Debug, Default)]
pub struct Log {
    pub filter: Filter,
    pub entries: Vec<Entry>,
    pub total: u64,
    /// From 0.
    pub page: usize,
    pub n_pages: usize,
    /// What is wrong with the filter, or what was left out.
    pub trouble: Option<String>,
    /// Words of the filter that may be chosen.
    pub deeds: Vec<(&'static str, &'static str)>,
    pub outcomes: Vec<(&'static str, &'static str)>,
}

/// Entries that belong together: one person, one way in, no long pause.
#[derive(Clone, Debug, Default)]
pub struct Visit {
    pub person: String,
    pub role: String,
    pub app: String,
    pub why: &'static str,
    pub begun: When,
    pub ended: When,
    /// What was done, counted: `Read 12`, `Wrote 1`.
    pub did: Vec<String>,
    pub is_bad: bool,
    pub entries: Vec<Entry>,
}

/// Who opened a chart.
#[derive(Clone, Debug, Default)]
pub struct Access {
    pub visits: Vec<Visit>,
    /// Entries in all, and how many of the newest are shown.
    pub total: u64,
    pub n_shown: usize,
    /// Address of the older ones.
    pub earlier: Option<String>,
}

/// A chart that somebody opened and somebody else should look at.
#[derive(Clone, Debug, Default)]
pub struct Unusual {
    pub id: String,
    pub at: When,
    pub person: String,
    pub role: String,
    /// Id and name; empty: many charts.
    pub patient: (String, String),
    pub reasons: Vec<&'static str>,
    pub is_overdue: bool,
    /// Who reviewed it, when, and what was found.
    pub review: Option<(String, When, String)>,
}

/// What one recipient was given on one day.
#[derive(Clone, Debug, Default)]
pub struct Disclosure {
    pub day: String,
    pub recipient: String,
    pub address: String,
    pub description: String,
    pub purpose: &'static str,
    /// Until when the patient is not told, in words; empty: not suspended.
    pub suspended: String,
    /// The patient's own app: need not be accounted for.
    pub is_own: bool,
}
