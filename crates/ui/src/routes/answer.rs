//! Answers: pages, redirects, cookies.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use maud::Markup;

use crate::{
    load::Failure,
    pages::error,
    routes::{Shared, head::Head},
    view_of::papers::{Content, Form},
};

pub(crate) fn page(markup: Markup) -> Response {
    Html(markup.into_string()).into_response()
}

pub(crate) fn page_with(status: StatusCode, markup: Markup) -> Response {
    (status, page(markup)).into_response()
}

/// What an attachment may do: nothing. The PDF viewer of the browser styles itself, and does not
/// start in a sandbox.
const CONTENT_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
                              base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox";
const PDF_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'; \
                          base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

/// Bytes of an attachment under their own type.
pub(crate) fn content(content: Content) -> Response {
    let policy = if content.form == Form::Pdf { PDF_POLICY } else { CONTENT_POLICY };
    let headers = [
        (header::CONTENT_TYPE, content.form.media_type()),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CONTENT_DISPOSITION, "inline"),
    ];
    (headers, content.bytes).into_response()
}

/// After a form: see the other page with GET.
pub(crate) fn go_to(target: &str) -> Response {
    let location = HeaderValue::from_str(target).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

pub(crate) fn set_cookie(response: &mut Response, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// An error page with a number under which the log has the request.
pub(crate) fn failure(failure: Failure, app: &Shared, head: &Head) -> Response {
    let number = app.config.record.new_id();
    failure_as(failure, &number, head)
}

pub(crate) fn failure_as(failure: Failure, request_id: &str, head: &Head) -> Response {
    let status =
        StatusCode::from_u16(failure.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status.is_server_error() {
        tracing::error!(request = request_id, status = status.as_u16(), "a page failed");
    }
    page_with(status, error::page(failure, request_id, head.theme()))
}
