//! Line icons of one set: 16 px grid, 1.5 px strokes, colour of the text around them.

use maud::{Markup, html};

/// The icons that the pages use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    Mark,
    Today,
    Patients,
    Search,
    User,
    Keys,
    Passkey,
    Light,
    SignOut,
    Alert,
    Info,
    Check,
    Outside,
    Raw,
    Right,
    Up,
    Down,
    Level,
    Close,
    Visit,
    Problem,
    Medication,
    Allergy,
    Result,
    Vital,
    Immunization,
    Procedure,
    Document,
    Order,
    Other,
}

impl Icon {
    const fn path(self) -> &'static str {
        match self {
            Icon::Mark => "M2 8.5h2.6l1.9-5 3 9.5 2-6.5.9 2H14",
            Icon::Today => "M2.5 4.5h11v9h-11zM2.5 7h11M5.5 2.5v3M10.5 2.5v3",
            Icon::Patients => {
                "M6 8a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM1.5 13.5c.3-2.5 2-4 4.5-4s4.2 1.5 4.5 4M10.5 3.2a2.5 2.5 0 0 1 0 4.6M12 9.9c1.4.5 2.3 1.7 2.5 3.6"
            }
            Icon::Search => "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.3 10.3l3.5 3.5",
            Icon::User => {
                "M8 8a2.7 2.7 0 1 0 0-5.4A2.7 2.7 0 0 0 8 8zM3 13.8c.4-2.7 2.3-4.2 5-4.2s4.6 1.5 5 4.2"
            }
            Icon::Keys => "M1.5 4.5h13v7.5h-13zM4 7h.01M6.7 7h.01M9.4 7h.01M12 7h.01M5 9.6h6",
            Icon::Passkey => {
                "M10 9.2a3.6 3.6 0 1 0-3.5-2.7L2 11v2.6h3v-1.8h1.8V10l1-1a3.6 3.6 0 0 0 2.2.2zM10.6 5.4h.01"
            }
            Icon::Light => "M8 2.5v11A5.5 5.5 0 0 0 8 2.5zM8 2.5a5.5 5.5 0 1 0 0 11",
            Icon::SignOut => "M6.5 2.5h-4v11h4M6.5 8h7M10.8 5.2 13.6 8l-2.8 2.8",
            Icon::Alert => "M8 2.2 14.3 13.3H1.7zM8 6.5v3.2M8 11.5v.01",
            Icon::Info => "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 7.3v3.7M8 5v.01",
            Icon::Check => "M3 8.5l3.3 3.3L13 4.8",
            Icon::Outside => "M9.5 2.5h4v11h-4M2 8h7.5M6.7 5.2 9.5 8l-2.8 2.8",
            Icon::Raw => {
                "M6 2.5c-2 0-2 .8-2 2.2S3.8 8 2.2 8C3.8 8 4 9.8 4 11.3s0 2.2 2 2.2M10 2.5c2 0 2 .8 2 2.2S12.2 8 13.8 8c-1.6 0-1.8 1.8-1.8 3.3s0 2.2-2 2.2"
            }
            Icon::Right => "M6 3.5 10.5 8 6 12.5",
            Icon::Up => "M3.5 12.5l9-9M6 3.5h6.5V10",
            Icon::Down => "M3.5 3.5l9 9M12.5 6v6.5H6",
            Icon::Level => "M2.5 8h11M9.5 4l4 4-4 4",
            Icon::Close => "M3.5 3.5l9 9M12.5 3.5l-9 9",
            Icon::Visit => "M3.5 13.5v-11h6v11M9.5 6h3v7.5M2 13.5h12M6.5 8v.01",
            Icon::Problem => "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 5v6M5 8h6",
            Icon::Medication => {
                "M6.3 13 13 6.3a3 3 0 0 0-4.3-4.3L2 8.7A3 3 0 0 0 6.3 13zM5.3 5.4l4.3 4.3"
            }
            Icon::Allergy => "M8 2.2 14.3 13.3H1.7zM8 6.5v3.2M8 11.5v.01",
            Icon::Result => "M6 2v4.5L2.5 13h11L10 6.5V2M4.8 2h6.4M4.5 10h7",
            Icon::Vital => "M1.5 8.5h3l1.7-4.5 2.8 8 1.9-5 .8 1.5h2.8",
            Icon::Immunization => {
                "M9.5 2.5l4 4M11.5 4.5l-7 7-2 .1.1-2 7-7M2.5 13.5l1.5-1.5M7 6l1.5 1.5M5 8l1.5 1.5"
            }
            Icon::Procedure => {
                "M4 2.5 9 9M12 2.5 7 9M3.8 13.5a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4zM12.2 13.5a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4z"
            }
            Icon::Document => "M3.5 1.8h6l3 3v9.4h-9zM9.5 1.8v3h3M5.5 8h5M5.5 10.7h5",
            Icon::Order => "M3 3h10v10.5H3zM5.5 1.8h5V4h-5zM5.5 8.5l1.6 1.6 3.4-3.4",
            Icon::Other => "M8 8v.01M3.5 8v.01M12.5 8v.01",
        }
    }

    /// The icon at 16 px, hidden from screen readers: a word always stands beside it.
    pub fn svg(self) -> Markup {
        self.sized(16)
    }

    pub fn sized(self, px: u8) -> Markup {
        html! {
            svg width=(px) height=(px) viewBox="0 0 16 16" fill="none" stroke="currentColor"
                stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" {
                path d=(self.path()) {}
            }
        }
    }
}
