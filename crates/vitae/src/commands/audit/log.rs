//! A copy of the audit log in a file, and a reader that trusts nothing but the heads that it is
//! given.
//!
//! One leaf a line, `{"seq":0,"hash":"…","leaf":{…}}`; the last line is `{"head":"…"}`. The hash is
//! that of RFC 9162 over the bytes of the leaf as they stand in the line.

use std::io::{BufRead, Write};

use fhir::json::Doc;
use stdx::hex;
use stdx::merkle::{Frontier, leaf_hash};

use super::head::Head;

/// Findings that are told; the others are counted.
pub const FINDINGS_MAX: usize = 100;
/// Leaves that are remembered as missing, to know them when they come out of order.
const MISSING_MAX: usize = 100_000;

/// Writes one leaf.
pub fn write_leaf(seq: u64, leaf: &[u8], out: &mut impl Write) -> std::io::Result<()> {
    write!(out, "{{\"seq\":{seq},\"hash\":\"{}\",\"leaf\":", hex::encode(&leaf_hash(leaf)))?;
    out.write_all(leaf)?;
    out.write_all(b"}\n")
}

/// Writes the last line.
pub fn write_head(head: &Head, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "{{\"head\":\"{head}\"}}")
}

/// What was found in a copy.
#[derive(Debug, Default)]
pub struct Checked {
    /// At most [`FINDINGS_MAX`].
    pub findings: Vec<String>,
    pub n_findings: usize,
    /// What the leaves come to; means little when there are findings.
    pub head: Option<Head>,
}

impl Checked {
    fn find(&mut self, text: String) {
        self.n_findings += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(text);
        }
    }
}

/// Checks a copy against itself and against heads that were witnessed, which rise in size.
///
/// Errors: the file cannot be read.
pub fn check(log: impl BufRead, witnessed: &[Head]) -> std::io::Result<Checked> {
    let mut done = Checked::default();
    let mut tree = Frontier::new();
    let mut missing = std::collections::BTreeSet::new();
    let mut next = 0_u64;
    let mut said: Option<Head> = None;
    // Where the tree was last known to be as witnessed, and the heads that are still to come.
    let mut good = 0_u64;
    let mut ahead = witnessed.iter().peekable();
    let mut is_broken = false;
    let mut hold = |tree: &Frontier, done: &mut Checked, is_broken: &mut bool| {
        while let Some(head) = ahead.next_if(|head| head.n_leaves == tree.size()) {
            if *is_broken {
                continue;
            }
            if head.root == tree.root() {
                good = head.n_leaves;
            } else {
                let last = head.n_leaves.saturating_sub(1);
                done.find(format!(
                    "leaves {good} to {last} are not those that were witnessed at {last}: changed, \
                     put in, or put for others, hashes and all"
                ));
                *is_broken = true;
            }
        }
    };
    hold(&tree, &mut done, &mut is_broken);
    for (line_idx, line) in log.split(b'\n').enumerate() {
        let line = line?;
        let place = line_idx + 1;
        let Some(doc) = String::from_utf8(line).ok().and_then(|text| Doc::parse(text).ok()) else {
            done.find(format!("line {place} is no line of an audit log (leaf {next} or its end)"));
            is_broken = true;
            continue;
        };
        let root = doc.root();
        if said.is_some() {
            done.find(format!("line {place} stands behind the end of the log"));
            is_broken = true;
            continue;
        }
        if let Some(text) = root.str("head") {
            said = Head::parse(&text);
            if said.is_none() {
                done.find(format!("line {place}: the head is none"));
            }
            continue;
        }
        let seq = root.get("seq").and_then(|n| n.as_number()).and_then(|n| n.parse::<u64>().ok());
        let (Some(seq), Some(hash), Some(leaf)) = (seq, root.str("hash"), root.get("leaf")) else {
            done.find(format!("line {place} is no leaf (leaf {next} is expected)"));
            is_broken = true;
            continue;
        };
        let bytes = leaf.raw().as_bytes();
        if hex::encode(&leaf_hash(bytes)) != *hash {
            done.find(format!("leaf {seq} was edited: its text is not what its hash says"));
            is_broken = true;
        }
        if seq == next {
            next += 1;
        } else {
            is_broken = true;
            if seq > next {
                done.find(format!("{} missing, or elsewhere", leaves(next, seq)));
                missing.extend((next..seq).take(MISSING_MAX.saturating_sub(missing.len())));
                next = seq + 1;
            } else if missing.remove(&seq) {
                done.find(format!("leaf {seq} stands behind leaf {}: out of order", next - 1));
            } else {
                done.find(format!("leaf {seq} stands there again"));
            }
        }
        tree.append(bytes);
        hold(&tree, &mut done, &mut is_broken);
    }
    match &said {
        None => {
            done.find(format!("the log ends behind leaf {} without its head: cut off", last(next)));
            is_broken = true;
        }
        Some(head) if head.n_leaves != next => {
            done.find(match head.n_leaves > next {
                true => format!("{} missing at the end: cut off", leaves(next, head.n_leaves)),
                false => {
                    format!("{} stand behind what the head speaks of", leaves(head.n_leaves, next))
                }
            });
            is_broken = true;
        }
        Some(head) if !is_broken && *head != Head::of(&tree) => {
            done.find(format!("leaves {good} to {} do not make the head of the log", last(next)));
        }
        Some(_) => {}
    }
    // What was witnessed later than the log ends.
    if !is_broken && let Some(head) = ahead.next() {
        let leaves = leaves(next, head.n_leaves);
        done.find(format!("{leaves} witnessed and missing at the end: cut off, or an old copy"));
    }
    done.head = Some(Head::of(&tree));
    Ok(done)
}

/// Leaves from one up to but not including another.
fn leaves(from: u64, to: u64) -> String {
    match to - from {
        1 => format!("leaf {from} is"),
        _ => format!("leaves {from} to {} are", to - 1),
    }
}

fn last(next: u64) -> String {
    next.checked_sub(1).map_or_else(|| "none".to_owned(), |last| last.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use case_kit::Random;

    const LEAVES: u64 = 120;
    const HEADS_EVERY: u64 = 10;
    const TAMPERINGS: usize = 10_000;

    fn leaf(seq: u64, word: &str) -> Vec<u8> {
        format!(r#"{{"t":"2026-01-01T00:00:00.000Z","who":"User/{word}","n":{seq}}}"#).into_bytes()
    }

    /// Lines of a log, with the heads that a witness has.
    fn log(leaves: &[Vec<u8>]) -> (Vec<String>, Vec<Head>) {
        let mut tree = Frontier::new();
        let mut lines = Vec::new();
        let mut heads = Vec::new();
        for (seq, leaf) in (0..).zip(leaves) {
            let mut line = Vec::new();
            write_leaf(seq, leaf, &mut line).expect("in memory");
            lines.push(String::from_utf8(line).expect("UTF-8").trim_end().to_owned());
            tree.append(leaf);
            if tree.size().is_multiple_of(HEADS_EVERY) {
                heads.push(Head::of(&tree));
            }
        }
        let mut line = Vec::new();
        write_head(&Head::of(&tree), &mut line).expect("in memory");
        lines.push(String::from_utf8(line).expect("UTF-8").trim_end().to_owned());
        (lines, heads)
    }

    fn check_lines(lines: &[String], heads: &[Head]) -> Checked {
        let text = lines.join("\n");
        check(text.as_bytes(), heads).expect("in memory")
    }

    /// The leaves that a finding names, as a range.
    fn names(finding: &str, seq: u64) -> bool {
        let numbers: Vec<u64> = finding
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|digits| digits.parse().ok())
            .collect();
        match (finding.starts_with("leaves "), &numbers[..]) {
            (true, [from, to, ..]) => (*from..=*to).contains(&seq),
            (_, numbers) => numbers.contains(&seq),
        }
    }

    #[test]
    fn a_copy_that_nobody_touched_is_whole() {
        let leaves: Vec<_> = (0..LEAVES).map(|seq| leaf(seq, "a")).collect();
        let (lines, heads) = log(&leaves);
        let checked = check_lines(&lines, &heads);
        assert_eq!(checked.findings, [""; 0]);
        assert_eq!(checked.head, heads.last().copied());
        let (lines, _) = log(&[]);
        assert_eq!(check_lines(&lines, &[]).findings, [""; 0], "nobody did anything yet");
    }

    /// Edits, with the hash made anew or not; deletions, repetitions, exchanges, insertions with
    /// all that follows numbered anew, cuts; of some of them several: all are found and named.
    #[test]
    fn every_tampering_is_found_and_named() {
        let mut random = Random(11);
        let leaves: Vec<_> =
            (0..LEAVES).map(|seq| leaf(seq, random.of(&["a", "b", "c"]))).collect();
        let (whole, heads) = log(&leaves);
        for round in 0..TAMPERINGS {
            let at = random.below(LEAVES);
            let idx = at as usize;
            let mut lines = whole.clone();
            let how = round % 8;
            match how {
                0 => lines[idx] = lines[idx].replace("User/", "User/x"),
                // Also its hash, and the head at the end.
                1 => {
                    let mut forged = leaves.clone();
                    forged[idx] = leaf(at, "x");
                    lines = log(&forged).0;
                }
                2 => drop(lines.remove(idx)),
                3 => {
                    let to = random.below(LEAVES) as usize;
                    let again = lines[idx].clone();
                    lines.insert(to, again);
                }
                4 => {
                    let other = (idx + 1 + random.below(LEAVES - 1) as usize) % LEAVES as usize;
                    lines.swap(idx, other);
                }
                5 => {
                    let mut forged = leaves.clone();
                    forged.insert(idx, leaf(at, "x"));
                    lines = log(&forged).0;
                }
                6 => lines.truncate(idx),
                // With a head that fits what is left.
                _ => lines = log(&leaves[..idx]).0,
            }
            let checked = check_lines(&lines, &heads);
            assert!(checked.n_findings > 0, "round {round} ({how}) at {at}");
            let is_cut = |text: &String| text.contains("cut off");
            let is_named = match how {
                6 | 7 => checked.findings.iter().any(is_cut),
                _ => checked.findings.iter().any(|finding| names(finding, at)),
            };
            assert!(is_named, "round {round} ({how}) at {at}: {:?}", checked.findings);
        }
    }

    #[test]
    fn what_is_no_log_is_said_to_be_none() {
        for text in [
            "",
            "x",
            "{}",
            "{\"seq\":0}",
            "{\"head\":\"1\"}",
            "\u{0}\n{\"seq\":-1,\"hash\":\"\",\"leaf\":1}",
        ] {
            assert!(check(text.as_bytes(), &[]).expect("in memory").n_findings > 0, "{text}");
        }
    }
}
