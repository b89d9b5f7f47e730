//! How a person signs in: passkeys, an authenticator app, recovery codes, the password.

use maud::{Markup, html};

use crate::{
    components::{self, Tone, notice},
    icon::Icon,
    layout::{self, Place, Reader},
    view::When,
};

/// One passkey in the list.
#[derive(Clone, Debug, Default)]
pub struct PasskeyRow {
    pub id: String,
    pub name: String,
    pub since: When,
    pub used: Option<When>,
}

#[derive(Clone, Debug, Default)]
pub struct Security {
    pub passkeys: Vec<PasskeyRow>,
    pub app_since: Option<When>,
    pub n_recovery_codes: usize,
    /// Passkeys work where the practice is reached.
    pub can_passkey: bool,
    /// The practice demands a second factor, and this person is about to set it up.
    pub is_enrolling: bool,
    /// Without the navigation of staff.
    pub is_bare: bool,
    pub trouble: Option<String>,
}

/// An authenticator app that is being set up.
#[derive(Clone, Debug, Default)]
pub struct AppPage {
    pub n_modules: usize,
    /// Dark modules as one SVG path, a unit each.
    pub path: String,
    /// The key to type.
    pub typed: String,
    pub seed: String,
    pub is_bare: bool,
    pub trouble: Option<String>,
}

fn framed(title: &str, reader: &Reader, is_bare: bool, body: &Markup) -> Markup {
    if is_bare {
        let main = html! { main id="main" { (body) } };
        return layout::bare(title, reader.theme, &main);
    }
    layout::page(title, reader, Place::Account, body)
}

fn trouble(text: Option<&String>) -> Markup {
    html! {
        @if let Some(text) = text {
            (notice(Tone::Critical, &html! { span data-test="security-trouble" { (text) } }))
        }
    }
}

pub fn page(reader: &Reader, v: &Security) -> Markup {
    let has_second = v.app_since.is_some() || !v.passkeys.is_empty();
    framed(
        "How you sign in",
        reader,
        v.is_bare,
        &html! {
            div.page data-test="security-page" {
                div.page-head {
                    h1 { "How you sign in" }
                    p { "As " bdi { (reader.name) } }
                    @if v.is_enrolling {
                        form method="post" action="/logout" {
                            button.button type="submit" data-test="sign-out" { "Sign out" }
                        }
                    }
                }
                (trouble(v.trouble.as_ref()))
                @if v.is_enrolling {
                    (notice(Tone::Caution, &html! {
                        b { "This practice asks for a second factor." }
                        " Add a passkey or an authenticator app; then you are in."
                    }))
                } @else if !has_second {
                    (notice(Tone::Info, &html! {
                        b { "A password alone can be guessed or given away." }
                        " A passkey is quicker and cannot: it takes a minute to add one."
                    }))
                }
                div.column {
                    (passkeys(v))
                    (app_card(v))
                    @if has_second && !v.is_enrolling { (recovery_card(v)) }
                    @if !v.is_enrolling { (password_card(reader)) }
                }
            }
        },
    )
}

fn passkeys(v: &Security) -> Markup {
    html! {
        section.card aria-labelledby="passkeys-title" data-test="passkeys" {
            div.card-head { h2 id="passkeys-title" { "Passkeys" span.count { (v.passkeys.len()) } } }
            @if !v.passkeys.is_empty() {
                ul.rows {
                    @for row in &v.passkeys { (passkey_row(row)) }
                }
            }
            div.card-body {
                p.dim {
                    "Your finger, face or PIN on this device, or a key that you carry. "
                    "A passkey is enough by itself. Two of them are better than one: devices get lost."
                }
                @if v.can_passkey {
                    form.inline method="post" action="/account/security/passkeys"
                        data-passkey="/account/security/passkeys/ask" data-create hidden
                        data-test="passkey-add-form" {
                        div.field {
                            label for="passkey-name" { "Name of the new passkey" }
                            input id="passkey-name" name="name" maxlength="60" autocomplete="off"
                                placeholder="Laptop at the front desk" data-test="passkey-name";
                        }
                        input type="hidden" name="ceremony";
                        input type="hidden" name="answer";
                        button.button.primary type="submit" data-test="passkey-add" {
                            (Icon::Passkey.svg()) "Add a passkey"
                        }
                        p.trouble-line role="status" data-test="passkey-trouble" {}
                    }
                    noscript { p { "Adding a passkey needs scripts to be allowed on this page." } }
                } @else {
                    p data-test="passkeys-unfit" {
                        "Passkeys work where the practice is reached by a name over https. "
                        "This address is none; an administrator sets public_url."
                    }
                }
            }
        }
    }
}

fn passkey_row(row: &PasskeyRow) -> Markup {
    let id = format!("passkey-{}", row.id);
    html! {
        li data-test="passkey" {
            span.row-title { bdi { (row.name) } }
            span.row-sub {
                "Added " (components::when(&row.since)) ". "
                @if let Some(used) = &row.used { "Last used " (components::when(used)) "." }
                @else { "Not used yet." }
            }
            form.row-whole.inline method="post" action="/account/security/passkeys" {
                input type="hidden" name="passkey" value=(row.id);
                div.field {
                    label.hidden-visually for=(id) { "New name of " (row.name) }
                    input id=(id) name="name" value=(row.name) maxlength="60" autocomplete="off"
                        data-test="passkey-rename";
                }
                button.button name="act" value="rename" data-test="passkey-rename-submit" { "Rename" }
                button.button name="act" value="remove" data-test="passkey-remove"
                    aria-label={ "Remove " (row.name) } { "Remove" }
            }
        }
    }
}

fn app_card(v: &Security) -> Markup {
    html! {
        section.card aria-labelledby="app-title" data-test="authenticator" {
            div.card-head {
                h2 id="app-title" {
                    "Authenticator app"
                    @if v.app_since.is_some() { span.tag.done { "on" } }
                }
                @if v.app_since.is_some() {
                    form.more method="post" action="/account/security/app/end" {
                        button.button type="submit" data-test="app-end" { "Remove" }
                    }
                }
            }
            div.card-body {
                @if let Some(since) = &v.app_since {
                    p { "Asked after the password since " (components::when(since)) "." }
                } @else {
                    p.dim { "Six digits from an app on your phone, asked after the password." }
                    p { a.button href="/account/security/app" data-test="app-setup" { "Set up an authenticator app" } }
                }
            }
        }
    }
}

fn recovery_card(v: &Security) -> Markup {
    html! {
        section.card aria-labelledby="recovery-title" data-test="recovery" {
            div.card-head { h2 id="recovery-title" { "Recovery codes" span.count { (v.n_recovery_codes) } } }
            div.card-body {
                @if v.n_recovery_codes == 0 {
                    p { b { "You have none." } " With one you get in when your device is lost." }
                } @else {
                    p.dim { (v.n_recovery_codes) " are left. New ones take the place of all of them." }
                }
                form method="post" action="/account/security/recovery" {
                    button.button type="submit" data-test="recovery-make" { "Make new recovery codes" }
                }
            }
        }
    }
}

fn password_card(reader: &Reader) -> Markup {
    html! {
        section.card aria-labelledby="password-title" data-test="password" {
            div.card-head { h2 id="password-title" { "Password" } }
            div.card-body {
                form.stacked method="post" action="/account/security/password" data-test="password-form" {
                    input type="hidden" name="user" value=(reader.name) autocomplete="username";
                    (new_password())
                    button.button type="submit" data-test="password-submit" { "Set a new password" }
                }
                p.dim { "Your other sessions end." }
            }
        }
    }
}

/// Two fields for a new password, and the rule.
pub fn new_password() -> Markup {
    html! {
        div.field {
            label for="new" { "New password" }
            input id="new" name="new" type="password" required autocomplete="new-password"
                minlength=(auth::PASSWORD_CHARS_MIN) maxlength=(auth::PASSWORD_CHARS_MAX)
                aria-describedby="new-rule" data-test="new-password";
            span.hint id="new-rule" {
                "At least " (auth::PASSWORD_CHARS_MIN) " characters; a sentence is good. "
                "Not one that others use."
            }
        }
        div.field {
            label for="again" { "Once more" }
            input id="again" name="again" type="password" required autocomplete="new-password"
                data-test="new-password-again";
        }
    }
}

/// An authenticator app is set up.
pub fn app(reader: &Reader, v: &AppPage) -> Markup {
    let size = v.n_modules + 8;
    framed(
        "Set up an authenticator app",
        reader,
        v.is_bare,
        &html! {
            div.page data-test="app-page" {
                div.page-head { h1 { "Set up an authenticator app" } }
                (trouble(v.trouble.as_ref()))
                div.column {
                    section.card aria-labelledby="scan-title" {
                        div.card-head { h2 id="scan-title" { "1. Scan this with the app" } }
                        div.card-body {
                            svg.qr viewBox={ "-4 -4 " (size) " " (size) } role="img"
                                aria-label="QR code of the key below" data-test="app-qr" {
                                rect.qr-paper x="-4" y="-4" width=(size) height=(size) {}
                                path.qr-ink d=(v.path) {}
                            }
                            p { "Or type this key into it:" }
                            p { code.key data-test="app-key" { (v.typed) } }
                        }
                    }
                    section.card aria-labelledby="shown-title" {
                        div.card-head { h2 id="shown-title" { "2. Type what it shows" } }
                        div.card-body {
                            form.inline method="post" action="/account/security/app" data-test="app-form" {
                                input type="hidden" name="seed" value=(v.seed);
                                div.field {
                                    label for="code" { "Six digits" }
                                    input.code id="code" name="code" required autofocus
                                        inputmode="numeric" autocomplete="one-time-code"
                                        maxlength="8" data-test="app-code";
                                }
                                button.button.primary type="submit" data-test="app-submit" { "Use this app" }
                                a.button.quiet href="/account/security" { "Cancel" }
                            }
                        }
                    }
                }
            }
        },
    )
}

/// New recovery codes, this once.
pub fn recovery(reader: &Reader, codes: &[String], is_bare: bool) -> Markup {
    framed(
        "Recovery codes",
        reader,
        is_bare,
        &html! {
            div.page data-test="recovery-page" {
                div.page-head { h1 { "Recovery codes" } }
                (notice(Tone::Caution, &html! {
                    b { "They are shown this once." }
                    " Print them, or write them down, and keep them apart from your device. Each works once, after your password."
                }))
                section.card aria-label="Codes" {
                    ol.codes {
                        @for code in codes { li { code data-test="recovery-code" { (code) } } }
                    }
                }
                p { a.button.primary href="/account/security" data-test="recovery-done" { "I have kept them" } }
            }
        },
    )
}
