//! What the writer of an unknown element may have meant.

use fhir_tables::TypeId;

/// Longest name that is compared; the work grows with its square.
const NAME_LENGTH_MAX: usize = 64;

/// The JSON name of `ty` that is nearest to `name`, when one is near enough to be a slip: up to two
/// letters differ, or only the case, or a choice lacks its type.
pub(crate) fn nearest(ty: TypeId, name: &str) -> Option<&'static str> {
    if name.len() > NAME_LENGTH_MAX {
        return None;
    }
    let mut best: Option<(usize, &'static str)> = None;
    for (known, ..) in ty.def().json_names() {
        let distance =
            if known.eq_ignore_ascii_case(name) { 0 } else { distance(known.as_bytes(), name) };
        if best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, known));
        }
    }
    let (distance, known) = best?;
    let limit = if name.len() <= 4 { 1 } else { 2 };
    (distance <= limit && distance < name.len()).then_some(known)
}

/// Levenshtein distance in bytes.
fn distance(a: &[u8], b: &str) -> usize {
    let b = b.as_bytes();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (a_idx, a_byte) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = a_idx + 1;
        for (b_idx, b_byte) in b.iter().enumerate() {
            let cost = usize::from(a_byte != b_byte);
            let best = (diagonal + cost).min(row[b_idx] + 1).min(row[b_idx + 1] + 1);
            diagonal = std::mem::replace(&mut row[b_idx + 1], best);
        }
    }
    row[b.len()]
}
