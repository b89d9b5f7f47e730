//! Narrative as text.

use quick_xml::Reader;
use quick_xml::events::Event;

/// Whether `text` is one well-formed element `div` and nothing else, within the limits of XML that
/// Vitae takes.
pub(super) fn is_well_formed_div(text: &str) -> bool {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    let mut depth = 0usize;
    let mut n_roots = 0;
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => {
                n_roots += usize::from(depth == 0);
                let is_div = depth > 0 || start.name().as_ref() == "div";
                depth += 1;
                if !is_div || depth > super::DEPTH_MAX || !attributes_are_sound(&start) {
                    return false;
                }
            }
            Ok(Event::Empty(start)) => {
                n_roots += usize::from(depth == 0);
                let is_div = depth > 0 || start.name().as_ref() == "div";
                if !is_div || !attributes_are_sound(&start) {
                    return false;
                }
            }
            Ok(Event::End(_)) => depth = depth.saturating_sub(1),
            Ok(Event::GeneralRef(reference)) => {
                if depth == 0 || !is_known_reference(&reference) {
                    return false;
                }
            }
            Ok(Event::Text(_) | Event::CData(_)) if depth == 0 => return false,
            Ok(Event::DocType(_) | Event::Decl(_)) | Err(_) => return false,
            Ok(Event::Eof) => return n_roots == 1 && depth == 0,
            Ok(_) => {}
        }
    }
}

/// A character reference or one of the five entities of XML.
pub(super) fn is_known_reference(reference: &quick_xml::events::BytesRef<'_>) -> bool {
    match reference.resolve_char_ref() {
        Ok(Some(c)) => is_xml_char(c),
        Ok(None) => matches!(&*reference.xml10_content(), "amp" | "lt" | "gt" | "quot" | "apos"),
        Err(_) => false,
    }
}

/// Whether the attributes of an element can be read and are not too many.
pub(super) fn attributes_are_sound(start: &quick_xml::events::BytesStart<'_>) -> bool {
    let version = quick_xml::XmlVersion::Implicit1_0;
    start.attributes().enumerate().all(|(n, attribute)| {
        n < super::ATTRIBUTES_MAX
            && attribute.is_ok_and(|attribute| {
                !attribute.value.contains('<') && attribute.normalized_value(version).is_ok()
            })
    })
}

/// Whether XML 1.0 may hold this character.
pub(super) fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}
