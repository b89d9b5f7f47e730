//! Visits, documents, immunizations and coverage.

use maud::{Markup, html};

use crate::{
    chart::{self, Section},
    components::{self, Tone, card, empty, notice, source, when, when_month},
    layout::Reader,
    view::{Banner, Coverage, Document, DocumentText, Immunization, Visit},
    view_of::papers::Form,
};

/// Page of visits, newest first. `next` is the query string of the next page.
pub fn visits_page(reader: &Reader, banner: &Banner, list: &[Visit], next: Option<&str>) -> Markup {
    let id = banner.id.as_str();
    let inner = html! {
        @if list.is_empty() { (empty("No visits", "Every encounter with the practice or outside appears here.")) }
        ul.rows data-list id="visit-list" {
            @for v in list {
                li data-item data-test="visit" {
                    span.row-title {
                        (v.title)
                        @if !v.status.is_empty() { " " span.tag { (v.status) } }
                        " " (source(&v.source))
                    }
                    span.row-side {
                        (components::raw(id, "Encounter", &v.id, &v.title)) (when(&v.when))
                    }
                    span.row-sub {
                        @if let Some(r) = &v.reason { (r) " · " }
                        (v.kind)
                        @if let Some(w) = &v.who { " · " bdi { (w) } }
                        @if let Some(p) = &v.place { " · " (p) }
                    }
                }
            }
        }
        @if let Some(next) = next {
            a.more-link href={ (Section::Visits.href(id)) "?" (next) } data-append="#visit-list" data-test="visits-earlier" { "Show earlier" }
        }
    };
    let body = html! { div.chart-page { (card("visits", "Visits", None, None, &inner)) } };
    chart::page(reader, banner, Section::Visits, &body)
}

pub fn documents_page(
    reader: &Reader,
    banner: &Banner,
    list: &[Document],
    next: Option<&str>,
) -> Markup {
    let id = banner.id.as_str();
    let inner = html! {
        @if list.is_empty() { (empty("No documents", "Notes, letters and reports appear here, from inside and outside.")) }
        ul.rows data-list id="document-list" {
            @for d in list {
                li data-item data-test="document" {
                    span.row-title {
                        a href={ (Section::Documents.href(id)) "/" (d.id) } { (d.title) }
                        @if d.draft { " " span.tag.caution { "draft" } }
                        " " (source(&d.source))
                    }
                    span.row-side {
                        (components::raw(id, "DocumentReference", &d.id, &d.title)) (when(&d.when))
                    }
                    span.row-sub {
                        (d.kind) @if let Some(a) = &d.author { " · " bdi { (a) } }
                    }
                }
            }
        }
        @if let Some(next) = next {
            a.more-link href={ (Section::Documents.href(id)) "?" (next) } data-append="#document-list" data-test="documents-earlier" { "Show earlier" }
        }
    };
    let body = html! { div.chart-page { (card("documents", "Documents", None, None, &inner)) } };
    chart::page(reader, banner, Section::Documents, &body)
}

/// One document, its text in place.
pub fn document_page(reader: &Reader, banner: &Banner, v: &DocumentText) -> Markup {
    let d = &v.document;
    let body = html! {
        div.chart-page {
            div.section-head {
                a.button.quiet href=(Section::Documents.href(&banner.id)) { "All documents" }
            }
            article.card data-test="document-text" {
                div.card-head {
                    h2 { (d.title) }
                    @if d.draft { span.tag.caution { "draft" } }
                    (source(&d.source))
                    (components::raw(&banner.id, "DocumentReference", &d.id, &d.title))
                }
                p.card-note {
                    (d.kind) " · " (d.when.exact)
                    @if let Some(a) = &d.author { " · " bdi { (a) } }
                }
                @if let Some(text) = &v.text { div.prose dir="auto" { (text) } }
                @for (content_idx, form) in &v.contents {
                    (in_place(&format!("{}/{}/content/{content_idx}", Section::Documents.href(&banner.id), d.id), &d.title, *form))
                }
                @if v.text.is_none() && v.contents.is_empty() {
                    div.card-body { (notice(Tone::Info, &html! { (v.why_not.as_deref().unwrap_or("This document holds no text.")) })) }
                }
            }
        }
    };
    chart::page(reader, banner, Section::Documents, &body)
}

/// An attachment as the browser shows it, shut in: what is inside runs no script and asks nobody.
fn in_place(href: &str, title: &str, form: Form) -> Markup {
    html! {
        div.card-body data-test="document-content" {
            @match form {
                Form::Png | Form::Jpeg | Form::Gif | Form::Webp => { img.document-image src=(href) alt=(title); },
                Form::Html => { iframe.document-frame sandbox="" src=(href) title=(title) {} },
                // The browser's own viewer does not start in a sandbox; the answer's policy shuts it in.
                Form::Pdf => { iframe.document-frame src=(href) title=(title) {} },
            }
            p { a href=(href) target="_blank" rel="noopener" { "Open it alone" } }
        }
    }
}

/// The latest immunizations, for the overview.
pub fn immunizations_short(patient: &str, list: &[Immunization]) -> Markup {
    html! {
        @if list.is_empty() { (empty("None recorded", "Vaccines given here or reported from outside appear here.")) }
        ul.rows data-list {
            @for i in list.iter().take(5) {
                li data-item data-test="immunization" {
                    span.row-title {
                        (i.title) @if !i.given { " " span.tag.caution { (i.status) } } " " (source(&i.source))
                    }
                    span.row-side {
                        (components::raw(patient, "Immunization", &i.id, &i.title)) (when_month(&i.when))
                    }
                }
            }
        }
    }
}

pub fn immunizations_page(reader: &Reader, banner: &Banner, list: &[Immunization]) -> Markup {
    let inner = html! {
        @if list.is_empty() {
            (empty("None recorded", "Vaccines given here or reported from outside appear here."))
        } @else {
            div.table.stack { table {
                caption.hidden-visually { "Immunizations, newest first" }
                thead { tr {
                    th scope="col" { "Vaccine" } th scope="col" { "Date" } th scope="col" { "Dose" }
                    th scope="col" { "Site" } th scope="col" { "Lot" }
                    th scope="col" { span.hidden-visually { "FHIR" } }
                } }
                tbody data-list {
                    @for i in list {
                        tr data-item data-test="immunization-row" {
                            th scope="row" {
                                (i.title) @if !i.given { " " span.tag.caution { (i.status) } } " " (source(&i.source))
                            }
                            td.nowrap { (when(&i.when)) }
                            td { (i.dose.as_deref().unwrap_or("")) }
                            td { (i.site.as_deref().unwrap_or("")) }
                            td { (i.lot.as_deref().unwrap_or("")) }
                            td { (components::raw(&banner.id, "Immunization", &i.id, &i.title)) }
                        }
                    }
                }
            } }
        }
    };
    let body = html! { div.chart-page { (card("immunizations", "Immunizations", Some(list.len()), None, &inner)) } };
    chart::page(reader, banner, Section::Immunizations, &body)
}

pub fn coverage_page(reader: &Reader, banner: &Banner, list: &[Coverage]) -> Markup {
    let inner = html! {
        @if list.is_empty() { (empty("No coverage", "Insurance and other payers appear here.")) }
        ul.rows data-list {
            @for c in list {
                li data-item data-test="coverage-row" {
                    span.row-title {
                        (c.payer) @if let Some(p) = &c.plan { " · " (p) }
                        " " @if c.active { span.tag.done { "active" } } @else { span.tag { (c.status) } }
                        " " (source(&c.source))
                    }
                    span.row-side {
                        (components::raw(&banner.id, "Coverage", &c.id, &c.payer))
                        @if let Some(f) = &c.from { (f.exact) }
                        @if let Some(t) = &c.to { " to " (t.exact) }
                    }
                    span.row-sub {
                        @if let Some(m) = &c.member { "member " bdi { (m) } }
                        @if let Some(g) = &c.group { " · group " bdi { (g) } }
                        @if let Some(r) = &c.relationship { " · " (r) }
                    }
                }
            }
        }
    };
    let body =
        html! { div.chart-page { (card("coverage", "Coverage", Some(list.len()), None, &inner)) } };
    chart::page(reader, banner, Section::Coverage, &body)
}
