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
    /// No passkey, or one that is not known here.
    Passkey,
    /// The code of the second step.
    Code,
    /// The password, code or passkey with which a person proves again who they are.
    Again,
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
    /// Passkeys work where the practice is reached.
    pub has_passkeys: bool,
}

/// The second step of a sign-in.
#[derive(Clone, Debug, Default)]
pub struct Code {
    pub next: String,
    pub has_app: bool,
    pub has_passkey: bool,
    pub trouble: Option<Trouble>,
    pub theme: Theme,
}

/// A form that the page's script fills with a passkey's answer; without the script it is not there,
/// because no browser offers passkeys without one.
pub(crate) fn passkey(action: &str, ask: &str, next: &str, word: &str, primary: bool) -> Markup {
    html! {
        form.alone-plain method="post" action=(action) data-passkey=(ask) hidden
            data-test="passkey-form" {
            input type="hidden" name="next" value=(next);
            input type="hidden" name="ceremony";
            input type="hidden" name="answer";
            button class={ "button" @if primary { " primary" } } type="submit"
                data-test="passkey-submit" { (Icon::Passkey.svg()) (word) }
            p.trouble-line role="status" data-test="passkey-trouble" {}
        }
    }
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
                    @if v.has_passkeys {
                        (passkey("/login/passkey", "/login/passkey/ask", &v.next, "Sign in with a passkey", false))
                    }
                    @if v.demo { (demo()) }
                    p.alone-foot { "Everything opened here is recorded in the audit log." }
                }
            }
        },
    )
}

/// The second step.
pub fn code(v: &Code) -> Markup {
    layout::bare(
        "Second step",
        v.theme,
        &html! {
            main.alone id="main" data-test="code-page" {
                div.alone-card {
                    div.alone-brand { (Icon::Mark.sized(28)) "Vitae" }
                    @if let Some(trouble) = &v.trouble { (said(trouble)) }
                    @if v.has_passkey {
                        (passkey("/login/code", "/login/again/ask", &v.next, "Use your passkey", !v.has_app))
                    }
                    form method="post" action="/login/code" data-test="code-form" {
                        h1.alone-title { "One more step" }
                        p.alone-lead {
                            @if v.has_app {
                                "Type the six digits that your authenticator app shows, or one of your recovery codes."
                            } @else { "Type one of your recovery codes." }
                        }
                        input type="hidden" name="next" value=(v.next);
                        div.field {
                            label for="code" { "Code" }
                            input.code id="code" name="code" required autofocus
                                autocomplete="one-time-code" autocapitalize="none"
                                spellcheck="false" maxlength="40" data-test="code-input";
                        }
                        button.button.primary type="submit" data-test="code-submit" { "Continue" }
                    }
                    form.alone-plain method="post" action="/logout" {
                        button.button.quiet type="submit" data-test="code-leave" { "Start again" }
                    }
                    p.alone-foot {
                        "Lost the device and the codes? An administrator can reset your second factor."
                    }
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
        Trouble::Wait(_) | Trouble::Ended => Tone::Caution,
        _ => Tone::Critical,
    };
    notice(
        tone,
        &html! {
            span data-test="login-trouble" {
                @match trouble {
                    Trouble::Refused => {
                        b { "Name or password is not right." }
                        " Check both and try again. An administrator can send you a link to set a new password."
                    },
                    Trouble::Wait(seconds) => {
                        b { "Too many tries." } " Wait " (seconds) " seconds, then try again."
                    },
                    Trouble::Ended => {
                        b { "Your session has ended." } " Sign in to go on where you were."
                    },
                    Trouble::Passkey => {
                        b { "This passkey was not accepted." }
                        " Use another one, or your name and password."
                    },
                    Trouble::Code => {
                        b { "That code is wrong, or was used." }
                        " Wait for the next one and type it here."
                    },
                    Trouble::Again => {
                        b { "That was not right." } " Check it and try again."
                    },
                    Trouble::Stale => {
                        b { "The sign-in form was not sent from this page." } " Please try again here."
                    },
                }
            }
        },
    )
}
