//! Encounter, Appointment, DocumentReference, Coverage.
//!
//! Source: FHIR R4 encounter.html, appointment.html, documentreference.html, coverage.html.

use fhir::json::Node;

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

/// A document with its words where its content is text.
pub fn document_text(d: Node, lens: &Lens) -> Option<DocumentText> {
    let document = document(d, lens)?;
    let mut why_not = None;
    for a in d.list("content").filter_map(|c| c.get("attachment")) {
        let media = a.str("contentType").unwrap_or_default();
        let readable = media.starts_with("text/plain") || media.starts_with("text/markdown");
        match (readable, a.str("data")) {
            (true, Some(data)) => match base64(&data).map(String::from_utf8) {
                Some(Ok(text)) => {
                    let text = Some(text.trim().to_owned());
                    return Some(DocumentText { document, text, why_not: None });
                }
                _ => why_not = Some("The text of this document cannot be decoded.".to_owned()),
            },
            (true, None) => {
                why_not = Some(
                    "The text of this document is kept elsewhere, not in the record.".to_owned(),
                );
            }
            (false, _) => {
                why_not =
                    Some(format!("This document is of type {media}, which pages do not show yet."));
            }
        }
    }
    Some(DocumentText { document, text: None, why_not })
}

/// Bytes of base64 text (RFC 4648 §4), white space allowed; `None` when it is not base64.
fn base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut n_bits, mut padded) = (0u32, 0u8, false);
    for byte in text.bytes().filter(|b| !b.is_ascii_whitespace()) {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padded = true;
                continue;
            }
            _ => return None,
        };
        if padded {
            return None;
        }
        bits = bits << 6 | u32::from(six);
        n_bits += 6;
        if n_bits >= 8 {
            n_bits -= 8;
            out.push((bits >> n_bits & 0xff) as u8);
        }
    }
    Some(out)
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
                "application/pdf",
            ),
            (r#"{}"#, None, ""),
        ] {
            let d = doc(json);
            let v = document_text(d.root(), &lens()).expect("shown");
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
