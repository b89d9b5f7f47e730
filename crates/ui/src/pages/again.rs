//! Who is there? A locked session goes on, or an act that matters is allowed, after a proof.

use maud::{Markup, html};

use crate::{
    icon::Icon,
    layout::{self, Theme},
    pages::login::{Trouble, passkey, said},
};

#[derive(Clone, Debug)]
pub struct Again {
    /// Whose session it is.
    pub name: String,
    /// The person has an authenticator app, whose code belongs to a proof.
    pub wants_code: bool,
    pub has_passkey: bool,
    /// Where to go afterwards: a path of this site.
    pub next: String,
    /// Locked; otherwise the person is about to do what needs a fresh proof.
    pub is_locked: bool,
    pub trouble: Option<Trouble>,
    pub theme: Theme,
}

pub fn page(v: &Again) -> Markup {
    let title = if v.is_locked { "Locked" } else { "Confirm that it is you" };
    layout::bare(
        title,
        v.theme,
        &html! {
            main.alone id="main" data-test="again-page" {
                div.alone-card {
                    div.alone-brand { (Icon::Mark.sized(28)) "Vitae" }
                    div id="lock-trouble" {
                        @if let Some(trouble) = &v.trouble { (said(trouble)) }
                    }
                    form method="post" action="/login/again" data-test="again-form" {
                        h1.alone-title { (title) }
                        p.alone-lead {
                            @if v.is_locked {
                                "Nothing came from this browser for a while. You go on where you were."
                            } @else {
                                "What you are about to do matters. Vitae asks once more, and not again for five minutes."
                            }
                        }
                        input type="hidden" name="next" value=(v.next);
                        div.field {
                            label for="again-user" { "Name" }
                            input id="again-user" name="user" value=(v.name) readonly
                                autocomplete="username" data-test="again-user";
                        }
                        div.field {
                            label for="again-password" { "Password" }
                            input id="again-password" name="password" type="password" required
                                autocomplete="current-password" autofocus
                                data-test="again-password";
                        }
                        @if v.wants_code {
                            div.field {
                                label for="again-code" { "Code of your authenticator app" }
                                input.code id="again-code" name="code" required
                                    autocomplete="one-time-code" spellcheck="false"
                                    maxlength="40" data-test="again-code";
                            }
                        }
                        button.button.primary type="submit" data-test="again-submit" {
                            @if v.is_locked { "Unlock" } @else { "Confirm" }
                        }
                    }
                    @if v.has_passkey {
                        (passkey("/login/again", "/login/again/ask", &v.next, "Use your passkey", false))
                    }
                    form.alone-plain method="post" action="/logout" {
                        button.button.quiet type="submit" data-test="again-leave" {
                            span { "Not " bdi { (v.name) } "? Sign out" }
                        }
                    }
                }
            }
        },
    )
}
