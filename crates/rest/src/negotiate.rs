//! Which form the client sends and wants.
//!
//! Source: FHIR R4 http.html#mime-type; RFC 9110 §12.5.1.

/// A form of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    Xml,
}

impl Format {
    pub const fn content_type(self) -> &'static str {
        match self {
            Format::Json => "application/fhir+json; charset=utf-8",
            Format::Xml => "application/fhir+xml; charset=utf-8",
        }
    }
}

/// How to render the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub format: Format,
    pub pretty: bool,
    pub coding: Coding,
}

/// A content coding of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Identity,
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl Coding {
    /// The value of `Content-Encoding`; `None` when there is none to send.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Coding::Identity => None,
            Coding::Gzip => Some("gzip"),
            Coding::Zstd => Some("zstd"),
        }
    }
}

/// What the body of a request holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    Resource(Format),
    JsonPatch,
    Form,
}

/// The content type of a body; `None` when it is none that is taken.
pub fn body_kind(content_type: &str) -> Option<BodyKind> {
    let mime = content_type.split(';').next().unwrap_or_default().trim();
    if mime.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Some(BodyKind::Form);
    }
    if mime.eq_ignore_ascii_case("application/json-patch+json") {
        return Some(BodyKind::JsonPatch);
    }
    format_of(mime).map(BodyKind::Resource)
}

fn format_of(mime: &str) -> Option<Format> {
    const JSON: &[&str] =
        &["application/fhir+json", "application/json", "text/json", "application/json+fhir"];
    const XML: &[&str] =
        &["application/fhir+xml", "application/xml", "text/xml", "application/xml+fhir"];
    let is = |list: &[&str]| list.iter().any(|known| mime.eq_ignore_ascii_case(known));
    if is(JSON) {
        Some(Format::Json)
    } else if is(XML) {
        Some(Format::Xml)
    } else {
        None
    }
}

/// What `_format`, or else `Accept`, asks for. Errors: what was asked for and is not offered.
pub fn wanted_format(format: Option<&str>, accept: Option<&str>) -> Result<Format, String> {
    if let Some(text) = format {
        // A `+` that was not encoded arrives as a space.
        let mime = text.split(';').next().unwrap_or_default().trim().replace(' ', "+");
        return match mime.as_str() {
            "json" => Ok(Format::Json),
            "xml" => Ok(Format::Xml),
            other => format_of(other).ok_or_else(|| format!("_format={text}")),
        };
    }
    let Some(accept) = accept else { return Ok(Format::Json) };
    let mut best: Option<(u16, Format)> = None;
    for range in accept.split(',') {
        let mut parts = range.split(';');
        let mime = parts.next().unwrap_or_default().trim();
        let q = parts.find_map(|p| p.trim().strip_prefix("q=").map(quality)).unwrap_or(1000);
        let format = match mime {
            "*/*" | "application/*" | "" => Some(Format::Json),
            "text/*" => Some(Format::Json),
            // A browser: it shows JSON well enough.
            "text/html" | "application/xhtml+xml" => Some(Format::Json),
            other => format_of(other),
        };
        if let Some(format) = format
            && q > 0
            && best.is_none_or(|(best_q, _)| q > best_q)
        {
            best = Some((q, format));
        }
    }
    best.map(|(_, format)| format).ok_or_else(|| format!("Accept: {accept}"))
}

/// `0.5` in thousandths; what cannot be read is 1.
fn quality(text: &str) -> u16 {
    let thousandths = text.trim().parse::<f32>().unwrap_or(1.0).clamp(0.0, 1.0) * 1000.0;
    thousandths as u16
}

/// The coding that `Accept-Encoding` wants most among those that are offered; of equals zstd,
/// which costs less and is smaller (docs/performance.md).
///
/// Source: RFC 9110 §12.5.3.
pub fn wanted_coding(accept_encoding: Option<&str>) -> Coding {
    let Some(text) = accept_encoding else { return Coding::Identity };
    let (mut zstd, mut gzip, mut any) = (None, None, None);
    for part in text.split(',') {
        let mut parts = part.split(';');
        let name = parts.next().unwrap_or_default().trim();
        let q = parts.find_map(|p| p.trim().strip_prefix("q=").map(quality)).unwrap_or(1000);
        match name {
            "*" => any = Some(q),
            name if name.eq_ignore_ascii_case("zstd") => zstd = Some(q),
            name if ["gzip", "x-gzip"].iter().any(|gz| name.eq_ignore_ascii_case(gz)) => {
                gzip = Some(q);
            }
            _ => {}
        }
    }
    // `*` alone is a client that did not think of codings: it gets the one that all know.
    let (zstd, gzip) = (zstd.unwrap_or(0), gzip.or(any).unwrap_or(0));
    match (zstd, gzip) {
        (0, 0) => Coding::Identity,
        (zstd, gzip) if zstd >= gzip => Coding::Zstd,
        _ => Coding::Gzip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_wins_over_accept_and_quality_decides() {
        let wanted = |format, accept| wanted_format(format, accept);
        assert_eq!(wanted(None, None), Ok(Format::Json));
        assert_eq!(wanted(Some("xml"), Some("application/json")), Ok(Format::Xml));
        assert_eq!(wanted(Some("application/fhir xml"), None), Ok(Format::Xml));
        assert!(wanted(Some("turtle"), None).is_err());
        assert_eq!(wanted(None, Some("application/fhir+xml; charset=utf-8")), Ok(Format::Xml));
        assert_eq!(
            wanted(None, Some("application/fhir+json;q=0.5, application/fhir+xml;q=0.9")),
            Ok(Format::Xml)
        );
        assert_eq!(wanted(None, Some("text/turtle, */*;q=0.1")), Ok(Format::Json));
        assert!(wanted(None, Some("text/turtle")).is_err());
        assert!(wanted(None, Some("application/json;q=0")).is_err());
    }

    #[test]
    fn bodies_have_known_types() {
        for (text, kind) in [
            ("application/fhir+json", Some(BodyKind::Resource(Format::Json))),
            ("Application/JSON; charset=UTF-8", Some(BodyKind::Resource(Format::Json))),
            ("text/xml", Some(BodyKind::Resource(Format::Xml))),
            ("application/json-patch+json", Some(BodyKind::JsonPatch)),
            ("application/x-www-form-urlencoded", Some(BodyKind::Form)),
            ("text/plain", None),
            ("", None),
        ] {
            assert_eq!(body_kind(text), kind, "{text}");
        }
    }

    #[test]
    fn the_coding_is_the_one_that_is_wanted_most() {
        for (accept, coding) in [
            (None, Coding::Identity),
            (Some("br"), Coding::Identity),
            (Some("identity"), Coding::Identity),
            (Some("deflate, gzip;q=1.0"), Coding::Gzip),
            (Some("x-gzip"), Coding::Gzip),
            (Some("*"), Coding::Gzip),
            (Some("gzip;q=0"), Coding::Identity),
            (Some("gzip;q=0, *"), Coding::Identity),
            (Some("gzip, deflate, br, zstd"), Coding::Zstd),
            (Some("ZSTD"), Coding::Zstd),
            (Some("zstd;q=0.5, gzip"), Coding::Gzip),
            (Some("zstd;q=0, gzip;q=0.1"), Coding::Gzip),
        ] {
            assert_eq!(wanted_coding(accept), coding, "{accept:?}");
        }
    }
}
