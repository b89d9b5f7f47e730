//! The frame of every page: head, navigation, help and palette.

use maud::{DOCTYPE, Markup, html};

use crate::{assets, icon::Icon};

/// Where the navigation says one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Today,
    Patients,
    Account,
    None,
}

/// Light, dark, or as the system says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    pub const fn attribute(self) -> Option<&'static str> {
        match self {
            Theme::System => None,
            Theme::Light => Some("light"),
            Theme::Dark => Some("dark"),
        }
    }

    pub fn from_cookie(text: &str) -> Theme {
        match text {
            "light" => Theme::Light,
            "dark" => Theme::Dark,
            _ => Theme::System,
        }
    }
}

/// What the frame needs to know of the reader.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    pub name: String,
    pub role: String,
    /// Pages for administrators are shown to them alone.
    pub is_administrator: bool,
    /// The audit log is shown to administrators and privacy officers.
    pub reads_log: bool,
    /// May open charts in an emergency; reviews those that were.
    pub opens_emergencies: bool,
    pub reviews_emergencies: bool,
    /// Charts that the reader has open in an emergency.
    pub emergencies: Vec<OpenChart>,
    pub theme: Theme,
    pub compact: bool,
}

/// A chart that is open in an emergency.
#[derive(Clone, Debug)]
pub struct OpenChart {
    /// Of the emergency.
    pub id: String,
    pub patient: String,
    pub name: String,
    /// Clock time.
    pub until: String,
}

/// A whole document without navigation: login and errors.
pub fn bare(title: &str, theme: Theme, body: &Markup) -> Markup {
    document(title, theme, false, &html! { (body) })
}

/// A whole page: navigation on the left, `body` in the middle.
pub fn page(title: &str, reader: &Reader, place: Place, body: &Markup) -> Markup {
    document(
        title,
        reader.theme,
        reader.compact,
        &html! {
            a.skip href="#main" { "Skip to content" }
            div.shell {
                (nav(reader, place))
                main id="main" tabindex="-1" { (emergencies(reader)) (body) }
            }
            (help())
            (palette())
            (lock(reader))
            dialog.drawer id="drawer" data-test="drawer" aria-labelledby="drawer-title" {}
        },
    )
}

/// On every page while a chart is open in an emergency.
fn emergencies(reader: &Reader) -> Markup {
    html! {
        @for open in &reader.emergencies {
            div.emergency role="status" data-test="emergency-banner" {
                (Icon::Alert.svg())
                span {
                    b { "Emergency access" } " to the chart of "
                    a href={ "/patients/" (open.patient) } { bdi { (open.name) } }
                    " until " (open.until) ". What you open is recorded and reviewed."
                }
                form method="post" action="/emergency/close" {
                    input type="hidden" name="emergency" value=(open.id);
                    button.button type="submit" data-test="emergency-close" { "Close it now" }
                }
            }
        }
    }
}

fn document(title: &str, theme: Theme, compact: bool, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" data-theme=[theme.attribute()] data-density=[compact.then_some("compact")] {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Vitae" }
                link rel="icon" type="image/svg+xml" href=(assets::href(assets::ICON));
                link rel="stylesheet" href=(assets::href(assets::CSS));
                script type="module" src=(assets::href(assets::JS)) {}
            }
            body { (body) }
        }
    }
}

fn nav(reader: &Reader, place: Place) -> Markup {
    let link = |to: Place, href: &str, icon: Icon, word: &str, test: &str| {
        html! {
            a.nav-link href=(href) aria-current=[(to == place).then_some("page")] title=(word)
                data-test=(test) {
                (icon.svg()) span.nav-text { (word) }
            }
        }
    };
    html! {
        nav.nav aria-label="Main" data-test="nav" {
            a.nav-brand href="/" title="Vitae: today" { (Icon::Mark.sized(20)) span.nav-text { "Vitae" } }
            a.nav-find href="/patients" data-palette title="Find a patient or a page"
                data-test="nav-find" {
                (Icon::Search.svg()) span.nav-text { "Find" } kbd { "Ctrl K" }
            }
            (link(Place::Today, "/", Icon::Today, "Today", "nav-today"))
            (link(Place::Patients, "/patients", Icon::Patients, "Patients", "nav-patients"))
            div.nav-foot {
                form method="post" action="/account/theme" data-theme-form {
                    button.nav-link type="submit" title="Light or dark" data-test="theme-toggle" {
                        (Icon::Light.svg()) span.nav-text { "Light or dark" }
                    }
                }
                a.nav-link.who href="/account" title={ "Account of " (reader.name) }
                    aria-current=[(place == Place::Account).then_some("page")]
                    data-test="nav-account" {
                    (Icon::User.svg())
                    span.nav-user.nav-text { b { (reader.name) } small { (reader.role) } }
                }
            }
        }
    }
}

/// Covers the page when the session is locked; what was typed stays beneath.
fn lock(reader: &Reader) -> Markup {
    html! {
        dialog.lock id="lock" aria-labelledby="lock-title" data-idle=(if reader.is_administrator { auth::ADMIN_IDLE_MS } else { auth::SESSION_IDLE_MS })
            data-test="lock" {
            form method="post" action="/login/again" data-lock data-test="lock-form" {
                h2 id="lock-title" { "Locked" }
                p { "What you typed is kept. Prove that it is you, " bdi { (reader.name) } ", to go on." }
                input type="hidden" name="user" value=(reader.name) autocomplete="username";
                div.field {
                    label for="lock-password" { "Password" }
                    input id="lock-password" name="password" type="password" required
                        autocomplete="current-password" data-test="lock-password";
                }
                p.trouble-line role="status" data-test="lock-trouble" {}
                div.filters {
                    button.button.primary type="submit" data-test="lock-submit" { "Unlock" }
                    button.button type="button" data-lock-passkey hidden data-test="lock-passkey" { "Use a passkey" }
                    a.button.quiet href="/login/again" data-test="lock-leave" { "Somebody else" }
                }
            }
        }
    }
}

/// The keys, for the help dialog; `assets/vitae.js` implements them.
const KEYS: [(&str, &[&str]); 9] = [
    ("Find a patient", &["/"]),
    ("Find a patient or a page, anywhere", &["Ctrl", "K"]),
    ("Next and previous in a list", &["J", "K"]),
    ("Open", &["Enter"]),
    ("Section of the chart, by its place", &["1", "–", "9"]),
    ("What does the record say (FHIR)", &["F"]),
    ("Points of a chart", &["←", "→"]),
    ("Close, go back", &["Esc"]),
    ("These keys", &["?"]),
];

fn help() -> Markup {
    html! {
        dialog id="help" aria-labelledby="help-title" data-test="help" {
            div.dialog-head {
                h2 id="help-title" { "Keys" }
                form method="dialog" { button.button.quiet { "Close" } }
            }
            dl.keys {
                @for (word, keys) in KEYS {
                    div { dt { (word) } dd { @for key in keys { kbd { (key) } } } }
                }
            }
        }
    }
}

fn palette() -> Markup {
    html! {
        dialog.palette id="palette" aria-label="Find a patient or a page" data-test="palette" {
            input type="text" id="palette-input" role="combobox" aria-expanded="true"
                aria-controls="palette-options" aria-autocomplete="list" autocomplete="off"
                spellcheck="false" placeholder="Patient, birth date, phone, identifier, or page"
                aria-label="Find a patient or a page" data-test="palette-input";
            div.options id="palette-options" role="listbox" aria-label="Found" {}
        }
    }
}
