//! The account's own sessions: see them, end them.

use maud::{Markup, html};

use crate::{
    components,
    layout::{self, Place, Reader},
    pages::patients::EXPLAIN,
    view::Session,
};

pub fn page(reader: &Reader, sessions: &[Session]) -> Markup {
    layout::page(
        "Account",
        reader,
        Place::Account,
        &html! {
            div.page {
                div.page-head {
                    h1 { bdi { (reader.name) } } p { (reader.role) }
                    form method="post" action="/logout" {
                        button.button type="submit" data-test="sign-out" { "Sign out" }
                    }
                    form method="post" action="/lock" data-lock-form {
                        button.button type="submit" data-test="lock-now" { "Lock" }
                    }
                }
                div.column {
                    section aria-labelledby="sessions-title" {
                        div.page-head {
                            h2 id="sessions-title" { "Where you are signed in" }
                            @if sessions.len() > 1 {
                                form method="post" action="/account/sessions/end-others" {
                                    button.button type="submit" data-test="end-others" { "Sign out everywhere else" }
                                }
                            }
                        }
                        div.table {
                            table data-test="sessions" {
                                caption.hidden-visually { "Sessions of this account" }
                                thead { tr {
                                    th scope="col" { "Device" } th scope="col" { "Address" }
                                    th scope="col" { "Signed in" } th scope="col" { "Last used" }
                                    th scope="col" { span.hidden-visually { "Act" } }
                                } }
                                tbody { @for s in sessions { (row(s)) } }
                            }
                        }
                    }
                    section aria-labelledby="security-title" {
                        div.page-head { h2 id="security-title" { "How you sign in" } }
                        p.linked {
                            a href="/account/security" data-test="security-link" { "Passkeys, second factor and password" }
                            " — sign in with a finger, a face or a key in place of a password."
                        }
                    }
                    section aria-labelledby="look-title" {
                        div.page-head { h2 id="look-title" { "How pages look" } }
                        form.filters method="post" action="/account/look" data-test="look-form" {
                            button.button name="theme" value="system" { "As the system" }
                            button.button name="theme" value="light" { "Light" }
                            button.button name="theme" value="dark" { "Dark" }
                            button.button name="density" value="comfortable" { "Comfortable" }
                            button.button name="density" value="compact" { "Compact" }
                        }
                    }
                    section aria-labelledby="apps-title" {
                        div.page-head { h2 id="apps-title" { "Apps that act for you" } }
                        p.linked { a href="/apps" data-test="apps-link" { "Connected apps" } " — what you let them do, and how to end it." }
                    }
                    @if reader.opens_emergencies {
                        section aria-labelledby="emergency-title" {
                            div.page-head { h2 id="emergency-title" { "In an emergency" } }
                            p.linked {
                                a href="/emergency" data-test="emergency-link" { "Emergency access" }
                                " — open one chart for four hours, with a reason that is reviewed."
                            }
                        }
                    }
                    @if reader.reads_log {
                        section aria-labelledby="audit-title" {
                            div.page-head { h2 id="audit-title" { "Privacy" } }
                            p.linked {
                                a href="/admin/audit" data-test="audit-link" { "Audit log" }
                                " — who did what to whose record, and when."
                            }
                            @if reader.reviews_emergencies {
                                p.linked {
                                    a href="/admin/emergencies" data-test="emergencies-link" { "Emergencies" }
                                    " — charts that were opened in an emergency, and their review."
                                }
                            }
                        }
                    }
                    @if reader.is_administrator {
                        section aria-labelledby="administration-title" {
                            div.page-head { h2 id="administration-title" { "For administrators" } }
                            p {
                                a href=(EXPLAIN.1) data-test="explain-link" { (EXPLAIN.0) }
                                " — the order of its conditions, their counts and times."
                            }
                            p.linked {
                                a href="/admin/people" data-test="admin-people-link" { "People" }
                                " — who may sign in, by what means, in which role; invitations."
                            }
                            p.linked {
                                a href="/admin/apps" data-test="admin-apps-link" { "Apps" }
                                " — which may ask, which wait for you, and who uses them."
                            }
                        }
                    }
                }
            }
        },
    )
}

fn row(s: &Session) -> Markup {
    html! {
        tr data-test="session" {
            th scope="row" { (s.device) @if s.current { " " span.tag.done { "this one" } } }
            td { (s.address) }
            td.nowrap { (components::when(&s.started)) }
            td.nowrap { (components::when(&s.used)) }
            td.end {
                form method="post" action="/account/sessions/end" {
                    input type="hidden" name="session" value=(s.id);
                    button.button type="submit" data-test="end-session" { "Sign out" }
                }
            }
        }
    }
}
