//! Encounter, Appointment, DocumentReference, Coverage.
//!
//! Source: FHIR R4 encounter.html, appointment.html, documentreference.html, coverage.html.

use fhir::json::{Doc, Node};

use crate::{
    view::{Coverage, Document, DocumentText, Visit},
    view_of::{
        Lens, id,
        text::{concept, concept_in, words},
    },
};

/// Encounter class codes (v3-ActCode) in words.
fn class_words(code: &str) -> String {
    match code {
        "AMB" => "ambulatory".to_owned(),
        "EMER" => "emergency".to_owned(),
        "IMP" | "ACUTE" | "NONAC" => "inpatient".to_owned(),
        "OBSENC" => "observation".to_owned(),
        "SS" => "short stay".to_owned(),
        "HH" => "home".to_owned(),
        "VR" => "virtual".to_owned(),
        "FLD" => "field".to_owned(),
        "PRENC" => "pre-admission".to_owned(),
        other => other.to_lowercase(),
    }
}

/// `None` when entered in error.
pub fn visit(e: Node, lens: &Lens) -> Option<Visit> {
    let status = e.str("status").unwrap_or_default();
    if status == "entered-in-error" {
        return None;
    }
    let kind = e
        .get("class")
        .and_then(|c| c.str("display").or_else(|| c.str("code")))
        .map(|c| class_words(&c))
        .unwrap_or_default();
    let reason =
        concept_in(e, "reasonCode").or_else(|| e.list("reasonReference").find_map(|r| lens.who(r)));
    let performer = e
        .list("participant")
        .filter_map(|p| p.get("individual"))
        .find(|r| r.str("reference").is_none_or(|r| r.starts_with("Practitioner")));
    let place = e
        .list("location")
        .filter_map(|l| l.get("location"))
        .find_map(|l| lens.who(l))
        .or_else(|| lens.who(e.get("serviceProvider")?));
    Some(Visit {
        id: id(e),
        title: concept_in(e, "type")
            .or_else(|| e.get("serviceType").and_then(concept))
            .unwrap_or_else(|| {
                format!(
                    "Visit{}",
                    if kind.is_empty() { String::new() } else { format!(", {kind}") }
                )
            }),
        kind,
        when: e.get("period").and_then(|p| lens.when(p, "start")).unwrap_or_default(),
        who: performer.and_then(|p| lens.who(p)),
        place,
        reason,
        status: if status == "finished" { String::new() } else { words(&status) },
        source: lens.source(e, &["serviceProvider"]),
    })
}

/// What an Appointment or Encounter is about, in a few words.
pub fn about(resource: Node, lens: &Lens) -> String {
    concept_in(resource, "reasonCode")
        .or_else(|| resource.str("description").map(|d| d.into_owned()))
        .or_else(|| concept_in(resource, "appointmentType"))
        .or_else(|| concept_in(resource, "serviceType"))
        .or_else(|| concept_in(resource, "type"))
        .or_else(|| resource.list("reasonReference").find_map(|r| lens.who(r)))
        .unwrap_or_default()
}

/// `None` when entered in error.
pub fn document(d: Node, lens: &Lens) -> Option<Document> {
    if d.str("status").as_deref() == Some("entered-in-error") {
        return None;
    }
    let attachment = d.list("content").find_map(|c| c.get("attachment"));
    let kind = concept_in(d, "type").or_else(|| concept_in(d, "category")).unwrap_or_default();
    let title = attachment
        .and_then(|a| a.str("title"))
        .or_else(|| d.str("description"))
        .map(|t| t.into_owned())
        .unwrap_or_else(|| if kind.is_empty() { "Document".to_owned() } else { kind.clone() });
    Some(Document {
        id: id(d),
        title,
        kind,
        when: lens
            .when(d, "date")
            .or_else(|| lens.when(attachment?, "creation"))
            .unwrap_or_default(),
        author: d.list("author").find_map(|a| lens.who(a)),
        draft: matches!(d.str("docStatus").as_deref(), Some("preliminary")),
        source: lens.source(d, &["custodian", "author"]),
    })
}

/// Bytes of an attachment that pages show; more is told and not shown.
pub const CONTENT_BYTES_MAX: usize = 20 * 1024 * 1024;

/// Forms of content that a browser shows in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Pdf,
    Png,
    Jpeg,
    Gif,
    Webp,
    Html,
}

impl Form {
    /// The form that the attachment says it has; `None` for all others.
    pub fn of(attachment: Node) -> Option<Form> {
        let media = attachment.str("contentType")?;
        let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        Some(match media.as_str() {
            "application/pdf" => Form::Pdf,
            "image/png" => Form::Png,
            "image/jpeg" | "image/jpg" => Form::Jpeg,
            "image/gif" => Form::Gif,
            "image/webp" => Form::Webp,
            "text/html" | "application/xhtml+xml" => Form::Html,
            _ => return None,
        })
    }

    pub const fn media_type(self) -> &'static str {
        match self {
            Form::Pdf => "application/pdf",
            Form::Png => "image/png",
            Form::Jpeg => "image/jpeg",
            Form::Gif => "image/gif",
            Form::Webp => "image/webp",
            Form::Html => "text/html; charset=utf-8",
        }
    }

    /// Whether bytes begin as this form does: nothing is served under another name.
    pub fn fits(self, bytes: &[u8]) -> bool {
        match self {
            Form::Pdf => bytes.starts_with(b"%PDF-"),
            Form::Png => bytes.starts_with(b"\x89PNG\r\n\x1a\n"),
            Form::Jpeg => bytes.starts_with(b"\xff\xd8\xff"),
            Form::Gif => bytes.starts_with(b"GIF8"),
            Form::Webp => bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP"),
            Form::Html => str::from_utf8(bytes).is_ok(),
        }
    }
}

/// An attachment's bytes, to be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pub form: Form,
    pub bytes: Vec<u8>,
}

/// Reads a Binary by id.
pub type Binary<'a> = &'a dyn Fn(&str) -> Option<Doc>;

/// Bytes of an attachment, in place or in a Binary of this record; `None` when they are elsewhere,
/// cannot be decoded or are more than [`CONTENT_BYTES_MAX`].
pub fn bytes_of(attachment: Node, binary: Binary) -> Option<Vec<u8>> {
    let decoded = |data: &str| {
        // Padding and white space say a little more than there is; nothing much larger is decoded.
        let may_fit = data.len() / 4 * 3 <= CONTENT_BYTES_MAX / 16 * 17;
        let bytes = may_fit.then(|| stdx::base64::decode(data)).flatten()?;
        (bytes.len() <= CONTENT_BYTES_MAX).then_some(bytes)
    };
    if let Some(data) = attachment.str("data") {
        return decoded(&data);
    }
    let url = attachment.str("url")?;
    let id = url.strip_prefix("Binary/").filter(|id| crate::load::is_id(id))?;
    decoded(&binary(id)?.root().str("data")?)
}

/// A document with its words where its content is text, and what is shown in place.
pub fn document_text(d: Node, lens: &Lens, binary: Binary) -> Option<DocumentText> {
    let mut shown = DocumentText { document: document(d, lens)?, ..DocumentText::default() };
    for (content_idx, content) in d.list("content").enumerate() {
        let Some(a) = content.get("attachment") else { continue };
        let media = a.str("contentType").unwrap_or_default();
        let is_text = media.starts_with("text/plain") || media.starts_with("text/markdown");
        let form = Form::of(a);
        if !is_text && form.is_none() {
            let what = if media.is_empty() { "an unnamed type" } else { &media };
            shown.why_not = Some(format!("This document is of {what}, which pages do not show."));
            continue;
        }
        let Some(bytes) = bytes_of(a, binary) else {
            let is_here = a.get("data").is_some();
            shown.why_not = Some(if is_here {
                let max = CONTENT_BYTES_MAX >> 20;
                format!("This document cannot be decoded, or is larger than {max} MiB.")
            } else {
                "This document is kept elsewhere, not in the record.".to_owned()
            });
            continue;
        };
        match form {
            None => match String::from_utf8(bytes) {
                Ok(text) if shown.text.is_none() => shown.text = Some(text.trim().to_owned()),
                Ok(_) => {}
                Err(_) => {
                    shown.why_not = Some("The text of this document cannot be decoded.".to_owned());
                }
            },
            Some(form) if form.fits(&bytes) => shown.contents.push((content_idx, form)),
            Some(_) => {
                shown.why_not = Some(format!("This document says that it is {media}, and is not."));
            }
        }
    }
    if shown.text.is_some() || !shown.contents.is_empty() {
        shown.why_not = None;
    }
    Some(shown)
}

pub fn coverage(c: Node, lens: &Lens) -> Coverage {
    let status = c.str("status").unwrap_or_default();
    let class = |code: &str| {
        let found = c.list("class").find(|k| {
            k.list("type")
                .flat_map(|t| t.list("coding"))
                .any(|t| t.str("code").as_deref() == Some(code))
        })?;
        found.str("name").or_else(|| found.str("value")).map(|s| s.into_owned())
    };
    let to = c.get("period").and_then(|p| lens.when(p, "end"));
    let ended = to.as_ref().is_some_and(|w| w.at_ms + 86_400_000 < lens.now.at_ms());
    Coverage {
        id: id(c),
        payer: c
            .list("payor")
            .find_map(|p| lens.who(p))
            .or_else(|| concept_in(c, "type"))
            .unwrap_or_else(|| "Payer not named".to_owned()),
        plan: class("plan").or_else(|| concept_in(c, "type")),
        member: c
            .str("subscriberId")
            .or_else(|| c.list("identifier").find_map(|i| i.str("value")))
            .map(|s| s.into_owned()),
        group: class("group"),
        relationship: concept_in(c, "relationship").map(|r| r.to_lowercase()),
        from: c.get("period").and_then(|p| lens.when(p, "start")),
        to,
        active: status == "active" && !ended,
        status: if ended && status == "active" { "ended".to_owned() } else { words(&status) },
        source: lens.source(c, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view_of::testing::{doc, lens};

    #[test]
    fn text_of_a_document_or_why_not() {
        for (json, text, why) in [
            (
                r#"{"content":[{"attachment":{"contentType":"text/plain; charset=utf-8","data":"w6kgb2s="}}]}"#,
                Some("é ok"),
                "",
            ),
            (
                r#"{"content":[{"attachment":{"contentType":"text/plain","data":"!!"}}]}"#,
                None,
                "decoded",
            ),
            (
                r#"{"content":[{"attachment":{"contentType":"text/plain","url":"Binary/1"}}]}"#,
                None,
                "elsewhere",
            ),
            (
                r#"{"content":[{"attachment":{"contentType":"application/pdf","data":"JVBERg=="}}]}"#,
                None,
                "says that it is application/pdf",
            ),
            (
                r#"{"content":[{"attachment":{"contentType":"video/mp4","data":"JVBERg=="}}]}"#,
                None,
                "video/mp4",
            ),
            (r#"{}"#, None, ""),
        ] {
            let d = doc(json);
            let v = document_text(d.root(), &lens(), &|_| None).expect("shown");
            assert_eq!(v.text.as_deref(), text, "{json}");
            assert!(v.why_not.unwrap_or_default().contains(why), "{json}");
        }
    }

    #[test]
    fn visits_with_little() {
        let d = doc(
            r#"{"status":"in-progress","class":{"code":"AMB"},"period":{"start":"2026-11-22"}}"#,
        );
        let v = visit(d.root(), &lens()).expect("shown");
        assert_eq!((v.title.as_str(), v.status.as_str()), ("Visit, ambulatory", "in progress"));
        assert!(visit(doc(r#"{"status":"entered-in-error"}"#).root(), &lens()).is_none());
    }

    #[test]
    fn coverage_that_ended_is_not_active() {
        let d = doc(
            r#"{"status":"active","period":{"end":"2025-12-31"},"payor":[{"display":"Aetna"}]}"#,
        );
        let c = coverage(d.root(), &lens());
        assert_eq!((c.active, c.status.as_str(), c.payer.as_str()), (false, "ended", "Aetna"));
    }
}
