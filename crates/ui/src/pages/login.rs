//! Sign in. An error never tells which of name and password was wrong.

use maud::{Markup, html};

use crate::{
    components::{Tone, notice},
    icon::Icon,
    layout::{self, Theme},
};

/// What went wrong, if anything did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Name or password; which one is not told.
    Refused,
    /// Too many tries; wait this many seconds.
    Wait(u64),
    /// The session ended; what was open comes back after signing in.
    Ended,
    /// The form came from another page or was too old.
    Stale,
}

#[derive(Clone, Debug, Default)]
pub struct Login {
    pub practice: String,
    pub user: String,
    /// Where to go afterwards: a path of this site.
    pub next: String,
    pub trouble: Option<Trouble>,
    /// A demo practice: a note says so.
    pub demo: bool,
    pub theme: Theme,
}

pub fn page(v: &Login) -> Markup {
    layout::bare(
        "Sign in",
        v.theme,
        &html! {
            main.alone id="main" {
                div.alone-card {
                    div.alone-brand { (Icon::Mark.sized(28)) "Vitae" }
                    @if let Some(trouble) = &v.trouble { (said(trouble)) }
                    form method="post" action="/login" data-test="login-form" {
                        h1.hidden-visually { "Sign in" }
                        @if !v.practice.is_empty() { p { "Sign in to " b { (v.practice) } } }
                        input type="hidden" name="next" value=(v.next);
                        div.field {
                            label for="user" { "Name" }
                            input id="user" name="user" value=(v.user) autocomplete="username" required
                                autocapitalize="none" spellcheck="false"
                                autofocus[v.user.is_empty()] data-test="login-user";
                        }
                        div.field {
                            label for="password" { "Password" }
                            input id="password" name="password" type="password" required
                                autocomplete="current-password"
                                autofocus[!v.user.is_empty()] data-test="login-password";
                        }
                        button.button.primary type="submit" data-test="login-submit" { "Sign in" }
                    }
                    @if v.demo { (demo()) }
                    p.alone-foot { "Everything opened here is recorded in the audit log." }
                }
            }
        },
    )
}

fn demo() -> Markup {
    notice(
        Tone::Info,
        &html! {
            "This is a demo practice; nobody in it is real. Its logins were printed where it was "
            "started and stand in the file " b { "demo-logins.txt" } " of its folder."
        },
    )
}

pub(crate) fn said(trouble: &Trouble) -> Markup {
    let tone = match trouble {
        Trouble::Refused | Trouble::Stale => Tone::Critical,
        Trouble::Wait(_) | Trouble::Ended => Tone::Caution,
    };
    notice(
        tone,
        &html! {
            span data-test="login-trouble" {
                @match trouble {
                    Trouble::Refused => {
                        b { "Name or password is not right." }
                        " Check both and try again. An administrator can set a new password."
                    },
                    Trouble::Wait(seconds) => {
                        b { "Too many tries." } " Wait " (seconds) " seconds, then try again."
                    },
                    Trouble::Ended => {
                        b { "Your session has ended." } " Sign in to go on where you were."
                    },
                    Trouble::Stale => {
                        b { "The sign-in form was not sent from this page." } " Please try again here."
                    },
                }
            }
        },
    )
}
