//! The chart: banner, sections, and the first screen that says what a colleague would say.

pub mod banner;
pub mod facts;
pub mod measured;
pub mod overview;
pub mod papers;
pub mod timeline;

use maud::{Markup, html};

use crate::{
    layout::{self, Place, Reader},
    view::Banner,
};

/// The sections of the chart, in the order of the tabs and of the keys 1 to 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Overview,
    Timeline,
    Results,
    Vitals,
    Medications,
    Problems,
    Visits,
    Documents,
    Immunizations,
    Coverage,
    Apps,
    /// Who opened the chart; a tab for who may read the log.
    Access,
}

impl Section {
    pub const ALL: [Section; 11] = [
        Section::Overview,
        Section::Timeline,
        Section::Results,
        Section::Vitals,
        Section::Medications,
        Section::Problems,
        Section::Visits,
        Section::Documents,
        Section::Immunizations,
        Section::Coverage,
        Section::Apps,
    ];

    pub const fn word(self) -> &'static str {
        match self {
            Section::Overview => "Overview",
            Section::Timeline => "Timeline",
            Section::Results => "Results",
            Section::Vitals => "Vitals",
            Section::Medications => "Medications",
            Section::Problems => "Problems and allergies",
            Section::Visits => "Visits",
            Section::Documents => "Documents",
            Section::Immunizations => "Immunizations",
            Section::Coverage => "Coverage",
            Section::Apps => "Apps",
            Section::Access => "Who opened it",
        }
    }

    /// Last part of the address; empty for the overview.
    pub const fn slug(self) -> &'static str {
        match self {
            Section::Overview => "",
            Section::Timeline => "timeline",
            Section::Results => "results",
            Section::Vitals => "vitals",
            Section::Medications => "medications",
            Section::Problems => "problems",
            Section::Visits => "visits",
            Section::Documents => "documents",
            Section::Immunizations => "immunizations",
            Section::Coverage => "coverage",
            Section::Apps => "apps",
            Section::Access => "access",
        }
    }

    pub fn href(self, patient: &str) -> String {
        match self.slug() {
            "" => format!("/patients/{patient}"),
            slug => format!("/patients/{patient}/{slug}"),
        }
    }
}

/// A chart page: the banner and the tabs around `body`.
pub fn page(reader: &Reader, banner: &Banner, section: Section, body: &Markup) -> Markup {
    let title = match section {
        Section::Overview => banner.name.sorted(),
        other => format!("{} · {}", other.word(), banner.name.sorted()),
    };
    layout::page(
        &title,
        reader,
        Place::Patients,
        &html! {
            (banner::banner(banner))
            nav.tabs aria-label="Chart" data-test="chart-tabs" {
                ul {
                    @let own = reader.reads_log.then_some(Section::Access);
                    @for s in Section::ALL.into_iter().chain(own) {
                        li {
                            a href=(s.href(&banner.id)) data-test={ "tab-" (tab_name(s)) }
                                aria-current=[(s == section).then_some("page")] { (s.word()) }
                        }
                    }
                }
            }
            (body)
        },
    )
}

const fn tab_name(s: Section) -> &'static str {
    match s {
        Section::Overview => "overview",
        other => other.slug(),
    }
}
