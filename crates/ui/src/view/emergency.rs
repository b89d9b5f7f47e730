//! What the pages about emergencies show.

use super::{PatientRow, When};

/// The form that opens a chart.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    pub family: String,
    pub born: String,
    pub identifier: String,
    /// Who was found; `None`: nobody was looked for.
    pub found: Option<Vec<PatientRow>>,
    /// Whose chart it is to be.
    pub chosen: Option<PatientRow>,
    pub reason: String,
    pub words: String,
    pub trouble: Option<String>,
}

/// Charts that were opened.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    /// Those that were reviewed too.
    pub all: bool,
    pub cases: Vec<Case>,
    pub trouble: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Case {
    pub id: String,
    pub who: String,
    pub role: String,
    pub patient: String,
    pub patient_name: String,
    /// Code.
    pub reason: String,
    pub words: String,
    pub started: When,
    pub until: When,
    pub is_open: bool,
    pub is_overdue: bool,
    /// Opened by who reads this.
    pub is_own: bool,
    pub reviewed: Option<Verdict>,
}

#[derive(Clone, Debug)]
pub struct Verdict {
    pub by: String,
    pub at: When,
    pub justified: bool,
    pub words: String,
}
