//! Connected apps: what one has allowed, and its end; for administrators, every app and who uses it.

use maud::{Markup, html};

use crate::{
    components,
    icon::Icon,
    layout::{self, Place, Reader},
    view::{AppRow, Connection, LaunchApp},
};

/// A person's own connections. `bare`: without the navigation of staff.
pub fn own(reader: &Reader, bare: bool, list: &[Connection]) -> Markup {
    let body = html! {
        div.page {
            div.page-head {
                h1 { "Connected apps" }
                p { "Apps that act for you, " bdi { (reader.name) } ", and what you let them do." }
                @if bare {
                    a.button href="/account/access" data-test="own-access-link" { "Who opened my chart" }
                    form method="post" action="/logout" {
                        button.button type="submit" data-test="sign-out" { "Sign out" }
                    }
                }
            }
            (connections(list, false, "/apps/end"))
        }
    };
    if bare {
        let main = html! { main id="main" { (body) } };
        return layout::bare("Connected apps", reader.theme, &main);
    }
    layout::page("Connected apps", reader, Place::Account, &body)
}

fn connections(list: &[Connection], with_person: bool, action: &str) -> Markup {
    html! {
        @if list.is_empty() {
            div.card {
                (components::empty("No app is connected", "When an app asks to act for somebody and they allow it, it stands here."))
            }
        }
        div.column {
            @for c in list {
                section.card.connection data-test="connection" {
                    div.card-head {
                        h2 { bdi { (c.app) } }
                        form.more method="post" action=(action) {
                            input type="hidden" name="connection" value=(c.id);
                            button.button type="submit" data-test="end-connection"
                                aria-label={ "Disconnect " (c.app) } { "Disconnect" }
                        }
                    }
                    div.card-body {
                        @if with_person { p { "For " b { bdi { (c.person) } } ", " (c.role) } }
                        @if let Some(patient) = &c.patient { p { "About " (patient) } }
                        ul.plain { @for line in &c.lines { li { (line) } } }
                        p.dim {
                            "Allowed " (components::when(&c.since)) ", last used " (components::when(&c.used))
                            ", ends " (components::when(&c.until)) "."
                        }
                    }
                }
            }
        }
    }
}

/// Every app of the practice, those that wait first.
pub fn all(reader: &Reader, apps: &[AppRow], list: &[Connection]) -> Markup {
    layout::page(
        "Apps",
        reader,
        Place::None,
        &html! {
            div.page {
                div.page-head {
                    h1 { "Apps" }
                    p { "Programs that may ask to act for people here, or by themselves." }
                }
                div.column {
                    @if apps.is_empty() {
                        div.card { (components::empty("No app is registered", "vitae client add registers one; an app can also register itself and waits here.")) }
                    }
                    @for app in apps { (one(app)) }
                    section aria-labelledby="connections-title" {
                        div.page-head { h2 id="connections-title" { "Connections" } }
                        (connections(list, true, "/admin/apps/end"))
                    }
                }
            }
        },
    )
}

fn one(a: &AppRow) -> Markup {
    let act = |what: &str, word: &str, primary: bool| {
        html! {
            button class={ "button" @if primary { " primary" } } name="act" value=(what)
                data-test={ "app-" (what) } { (word) }
        }
    };
    html! {
        section.card data-test="app" data-app=(a.id) {
            div.card-head {
                h2 {
                    bdi { (a.name) }
                    @if a.pending { span.tag.caution { "waits for you" } }
                    @if a.disabled { span.tag { "switched off" } }
                }
                form.more.filters method="post" action="/admin/apps" {
                    input type="hidden" name="app" value=(a.id);
                    @if a.pending {
                        (act("approve", "Approve", true)) (act("reject", "Reject", false))
                    } @else if a.disabled { (act("enable", "Switch on", false)) }
                    @else { (act("disable", "Switch off", false)) }
                }
            }
            div.card-body {
                ul.plain { @for line in &a.lines { li { (line) } } }
                dl.pairs {
                    div { dt { "Proves itself" } dd { (a.proof) } }
                    @for uri in &a.redirects { div { dt { "Sends people to" } dd { bdi { (uri) } } } }
                    @if let Some(uri) = &a.launch { div { dt { "Opens at" } dd { bdi { (uri) } } } }
                    div { dt { "Id" } dd { code { (a.id) } } }
                    div { dt { "Registered" } dd { (components::when(&a.since)) } }
                }
            }
        }
    }
}

/// Apps that can be opened for the patient of a chart.
pub fn launch(patient: &str, list: &[LaunchApp]) -> Markup {
    html! {
        div.page {
            div.page-head {
                h2 { "Apps" }
                p { "An app opens in a new tab and is told which patient is open." }
            }
            @if list.is_empty() {
                div.card { (components::empty("No app can be opened from a chart", "An administrator registers apps with the address at which they are opened.")) }
            } @else {
                ul.rows.card data-test="launch-apps" {
                    @for app in list {
                        li {
                            span.row-title { bdi { (app.name) } }
                            form.row-side method="post" action={ "/patients/" (patient) "/apps" } target="_blank" {
                                input type="hidden" name="app" value=(app.id);
                                button.button type="submit" data-test="launch-app"
                                    aria-label={ "Open " (app.name) } { (Icon::Outside.svg()) "Open" }
                            }
                            span.row-sub { bdi { (app.place) } }
                        }
                    }
                }
            }
        }
    }
}
