//! Error pages: what happened, what is safe, what to do.

use maud::{Markup, html};

use crate::{
    icon::Icon,
    layout::{self, Theme},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// 400: the request itself was not understood.
    Request,
    /// 403.
    Refused,
    /// 404, also for what may not be known to exist.
    NotFound,
    /// 410.
    Deleted,
    /// 500.
    Ours,
    /// 503.
    Busy,
}

impl Failure {
    pub const fn status(self) -> u16 {
        match self {
            Failure::Request => 400,
            Failure::Refused => 403,
            Failure::NotFound => 404,
            Failure::Deleted => 410,
            Failure::Ours => 500,
            Failure::Busy => 503,
        }
    }

    const fn words(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Failure::Request => (
                "This request was not understood",
                "Something in the address or the form does not fit.",
                "Nothing was changed.",
                "Go back and try again, or begin from Today.",
            ),
            Failure::Refused => (
                "This is not open to your role",
                "Your account may not see or do this. The refusal is in the audit log.",
                "Nothing was changed, and nothing you typed elsewhere is lost.",
                "If your work needs it, ask an administrator of the practice to change your role.",
            ),
            Failure::NotFound => (
                "There is nothing here",
                "The address is mistyped, or what stood here does not exist or is not open to you.",
                "Nothing was changed.",
                "Find the patient by name, or go back to Today. If you treat somebody in an \
                 emergency: your account page leads to emergency access.",
            ),
            Failure::Deleted => (
                "This was deleted",
                "Somebody removed this item from the record.",
                "Its earlier versions are kept and can be read through its history.",
                "Go back to the chart.",
            ),
            Failure::Ours => (
                "Something went wrong on our side",
                "The program could not finish this request. It is in the log with the number below.",
                "What was saved before is safe. If you were saving, look whether it is there before \
                 doing it again.",
                "Try again. If it happens twice, tell the administrator the number.",
            ),
            Failure::Busy => (
                "The record is not taking requests",
                "The practice's record is starting, stopping, or its disk is full.",
                "What was saved before is safe.",
                "Wait a minute and try again; tell the administrator if it stays.",
            ),
        }
    }
}

/// `request_id` is shown so that it can be found in the log; it holds nothing personal.
pub fn page(failure: Failure, request_id: &str, theme: Theme) -> Markup {
    let (title, happened, safe, next) = failure.words();
    layout::bare(
        title,
        theme,
        &html! {
            main.alone id="main" data-test="error-page" data-status=(failure.status()) {
                div.alone-card.wide {
                    div.alone-brand { (Icon::Mark.sized(28)) "Vitae" }
                    h1 { (title) }
                    dl.answers {
                        div { dt { "What happened" } dd { (happened) } }
                        div { dt { "What is safe" } dd { (safe) } }
                        div { dt { "What to do" } dd { (next) } }
                    }
                    div.filters {
                        a.button.primary href="/patients" { "Find a patient" }
                        a.button href="/" { "Go to Today" }
                    }
                    @if !request_id.is_empty() {
                        p.alone-foot { (failure.status()) " · request " (request_id) }
                    }
                }
            }
        },
    )
}
