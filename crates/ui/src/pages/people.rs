//! People: who may sign in, invitations, and what an administrator may do to an account.

use maud::{Markup, html};

use crate::{
    components::{self, Tone, notice},
    icon::Icon,
    layout::{self, Place, Reader, Theme},
    pages::security::new_password,
    view::When,
};

#[derive(Clone, Debug, Default)]
pub struct PersonRow {
    pub id: String,
    pub name: String,
    pub role: String,
    pub patient: Option<String>,
    pub last: Option<When>,
    /// By what means they signed in last.
    pub means: String,
    pub n_passkeys: usize,
    pub has_app: bool,
    pub n_recovery_codes: usize,
    pub disabled: bool,
    pub n_sessions: usize,
    pub since: When,
}

#[derive(Clone, Debug, Default)]
pub struct InvitationRow {
    pub id: String,
    pub name: String,
    pub role: String,
    pub by: String,
    pub until: When,
    /// For an account that exists.
    pub is_new_password: bool,
}

#[derive(Clone, Debug, Default)]
pub struct People {
    pub rows: Vec<PersonRow>,
    pub invitations: Vec<InvitationRow>,
    /// Roles that can be given: what is written, and the word.
    pub roles: Vec<(String, String)>,
    /// The link of an invitation that was just made, and for whom.
    pub link: Option<(String, String)>,
    pub trouble: Option<String>,
}

fn trouble(text: Option<&String>) -> Markup {
    html! {
        @if let Some(text) = text {
            (notice(Tone::Critical, &html! { span data-test="people-trouble" { (text) } }))
        }
    }
}

fn link(link: Option<&(String, String)>) -> Markup {
    html! {
        @if let Some((name, link)) = link {
            (notice(Tone::Done, &html! {
                p { b { "Give this link to " bdi { (name) } "." } " It works once, for three days, and is shown only now." }
                p { code.link data-test="invitation-link" { (link) } }
            }))
        }
    }
}

pub fn all(reader: &Reader, v: &People) -> Markup {
    layout::page(
        "People",
        reader,
        Place::None,
        &html! {
            div.page {
                div.page-head { h1 { "People" } p { "Who may sign in." } }
                (trouble(v.trouble.as_ref()))
                (link(v.link.as_ref()))
                div.column {
                    section.card aria-labelledby="invite-title" {
                        div.card-head { h2 id="invite-title" { "Invite" } }
                        div.card-body {
                            form.inline method="post" action="/admin/people" data-test="invite-form" {
                                div.field {
                                    label for="invite-name" { "Login name" }
                                    input id="invite-name" name="name" required maxlength="64"
                                        autocomplete="off" autocapitalize="none" spellcheck="false"
                                        data-test="invite-name";
                                }
                                div.field {
                                    label for="invite-role" { "Role" }
                                    (roles("invite-role", &v.roles, "nurse"))
                                }
                                button.button.primary type="submit" data-test="invite-submit" { "Invite" }
                            }
                            p.dim { "The person opens the link and sets a password that nobody else knows." }
                        }
                    }
                    @if !v.invitations.is_empty() { (invitations(&v.invitations)) }
                    section aria-labelledby="people-title" {
                        div.page-head { h2 id="people-title" { "Accounts" span.count { (v.rows.len()) } } }
                        div.table {
                            table data-test="people" {
                                caption.hidden-visually { "Accounts" }
                                thead { tr {
                                    th scope="col" { "Name" } th scope="col" { "Role" }
                                    th scope="col" { "Last sign-in" } th scope="col" { "Second factor" }
                                    th scope="col" { "State" }
                                } }
                                tbody { @for row in &v.rows { (person_row(row)) } }
                            }
                        }
                    }
                }
            }
        },
    )
}

fn roles(id: &str, roles: &[(String, String)], chosen: &str) -> Markup {
    html! {
        select id=(id) name="role" data-test="role" {
            @for (value, word) in roles {
                option value=(value) selected[value == chosen] { (word) }
            }
        }
    }
}

fn factors(row: &PersonRow) -> Markup {
    html! {
        @if row.n_passkeys == 0 && !row.has_app { span.tag.caution { "none" } }
        @if row.n_passkeys > 0 { span.tag { (row.n_passkeys) " passkey" @if row.n_passkeys > 1 { "s" } } " " }
        @if row.has_app { span.tag { "app" } " " }
        @if row.n_recovery_codes > 0 { span.tag { (row.n_recovery_codes) " codes" } }
    }
}

fn state(row: &PersonRow) -> Markup {
    html! {
        @if row.disabled { span.tag.critical { "switched off" } }
        @else if row.n_sessions > 0 { span.tag.done { "signed in" } }
        @else { span.dim { "may sign in" } }
    }
}

fn person_row(row: &PersonRow) -> Markup {
    html! {
        tr data-test="person" data-item {
            th scope="row" {
                a href={ "/admin/people/" (row.id) } data-test="person-link" { bdi { (row.name) } }
            }
            td { (row.role) }
            td.nowrap {
                @if let Some(last) = &row.last { (components::when(last)) } @else { span.dim { "never" } }
            }
            td { (factors(row)) }
            td { (state(row)) }
        }
    }
}

fn invitations(list: &[InvitationRow]) -> Markup {
    html! {
        section aria-labelledby="invitations-title" {
            div.page-head { h2 id="invitations-title" { "Waiting" span.count { (list.len()) } } }
            ul.rows.card data-test="invitations" {
                @for row in list {
                    li data-test="invitation" {
                        span.row-title { bdi { (row.name) } }
                        form.row-side method="post" action="/admin/people/withdraw" {
                            input type="hidden" name="invitation" value=(row.id);
                            button.button type="submit" data-test="invitation-withdraw"
                                aria-label={ "Withdraw the invitation of " (row.name) } { "Withdraw" }
                        }
                        span.row-sub {
                            (row.role)
                            @if row.is_new_password { ", a new password" }
                            ", by " bdi { (row.by) } ", until " (components::when(&row.until))
                        }
                    }
                }
            }
        }
    }
}

/// One account, and what an administrator may do to it.
pub fn one(
    reader: &Reader,
    row: &PersonRow,
    all_roles: &[(String, String)],
    fresh: Option<&(String, String)>,
    said: Option<&String>,
) -> Markup {
    let action = format!("/admin/people/{}", row.id);
    let act = |act: &str, word: &str, why: &str| {
        html! {
            li {
                span.row-title.plain { (why) }
                form.row-side method="post" action=(action) {
                    button.button name="act" value=(act) data-test={ "person-" (act) } { (word) }
                }
            }
        }
    };
    layout::page(
        &row.name,
        reader,
        Place::None,
        &html! {
            div.page data-test="person-page" {
                div.page-head {
                    h1 { bdi { (row.name) } }
                    p { (row.role) @if let Some(patient) = &row.patient { ", Patient/" (patient) } }
                    a.button.quiet href="/admin/people" { "All people" }
                }
                (trouble(said))
                (link(fresh))
                div.column {
                    section.card aria-label="State" {
                        div.card-body {
                            dl.pairs {
                                div { dt { "State" } dd { (state(row)) } }
                                div { dt { "Second factor" } dd { (factors(row)) } }
                                div { dt { "Last sign-in" } dd {
                                    @if let Some(last) = &row.last {
                                        (components::when(last)) ", by " (row.means)
                                    } @else { "never" }
                                } }
                                div { dt { "Sessions" } dd { (row.n_sessions) } }
                                div { dt { "Account since" } dd { (components::when(&row.since)) } }
                                div { dt { "Id" } dd { code { (row.id) } } }
                            }
                        }
                    }
                    @if row.patient.is_none() {
                        section.card aria-labelledby="role-title" {
                            div.card-head { h2 id="role-title" { "Role" } }
                            div.card-body {
                                form.inline method="post" action=(action) {
                                    div.field {
                                        label.hidden-visually for="person-role" { "Role" }
                                        (roles("person-role", all_roles, &row.role.replace(' ', "-")))
                                    }
                                    button.button name="act" value="role" data-test="person-role" { "Change role" }
                                }
                                p.dim { "Sessions and connected apps end; the person signs in again." }
                            }
                        }
                    }
                    ul.rows.card {
                        @if row.disabled {
                            (act("enable", "Switch on", "The person may sign in again."))
                        } @else {
                            (act("disable", "Switch off", "Sessions, tokens and connected apps end at once."))
                        }
                        (act("password", "Link for a new password", "Works once, for three days. The second factor stays."))
                        (act("reset", "Reset second factor", "Passkeys, authenticator app and recovery codes go; sessions end."))
                    }
                }
            }
        },
    )
}

/// The page that a link of an invitation opens.
#[derive(Clone, Debug, Default)]
pub struct Accept {
    pub practice: String,
    pub name: String,
    pub role: String,
    pub code: String,
    pub is_new_password: bool,
    /// A passkey can be set in place of a password.
    pub can_passkey: bool,
    pub trouble: Option<String>,
    pub theme: Theme,
}

pub fn accept(v: &Accept) -> Markup {
    let title = if v.is_new_password { "A new password" } else { "Welcome" };
    layout::bare(
        title,
        v.theme,
        &html! {
            main.alone id="main" data-test="accept-page" {
                div.alone-card {
                    div.alone-brand { (Icon::Mark.sized(28)) "Vitae" }
                    @if let Some(text) = &v.trouble {
                        (notice(Tone::Critical, &html! { span data-test="accept-trouble" { (text) } }))
                    }
                    form method="post" action="/invitation" data-test="accept-form" {
                        h1.alone-title { (title) }
                        p.alone-lead {
                            @if v.is_new_password { "Set a new password for " b { bdi { (v.name) } } "." }
                            @else {
                                b { (v.practice) } " invites you as " (v.role) ". You sign in as "
                                b { bdi { (v.name) } } "."
                            }
                        }
                        input type="hidden" name="code" value=(v.code);
                        input type="hidden" name="user" value=(v.name) autocomplete="username";
                        (new_password())
                        button.button.primary type="submit" data-test="accept-submit" { "Set password and sign in" }
                    }
                    @if v.can_passkey && !v.is_new_password {
                        form.alone-plain method="post" action="/invitation" data-create hidden
                            data-passkey={ "/invitation/ask?code=" (v.code) } data-test="accept-passkey-form" {
                            input type="hidden" name="code" value=(v.code);
                            input type="hidden" name="ceremony";
                            input type="hidden" name="answer";
                            button.button type="submit" data-test="accept-passkey" {
                                (Icon::Passkey.svg()) "Use a passkey, and no password"
                            }
                            p.trouble-line role="status" data-test="passkey-trouble" {}
                        }
                    } @else {
                        p.alone-foot { "You can add a passkey as soon as you are in, under Account." }
                    }
                }
            }
        },
    )
}

/// The link is no good, for whatever reason.
pub fn no_invitation(theme: Theme) -> Markup {
    layout::bare(
        "This link no longer works",
        theme,
        &html! {
            main.alone id="main" data-test="no-invitation" {
                div.alone-card {
                    div.alone-brand { (Icon::Mark.sized(28)) "Vitae" }
                    h1 { "This link no longer works" }
                    dl.answers {
                        div { dt { "What happened" } dd { "It was used, was withdrawn, or is older than three days." } }
                        div { dt { "What is safe" } dd { "Nothing was changed." } }
                        div { dt { "What to do" } dd { "Ask an administrator of the practice for a new one." } }
                    }
                    div.filters { a.button href="/login" { "Sign in" } }
                }
            }
        },
    )
}
