//! Heads of the audit log as signed notes, and what witnesses say of them.
//!
//! A note is the text of a checkpoint (name of the log, number of leaves, root in base64), an empty
//! line, and lines of signatures. Any program that knows these forms checks one.
//! Source: C2SP tlog-checkpoint.md, signed-note.md, tlog-witness.md, tlog-cosignature.md.

use fhir::json::Value;
use record::{Change, Ctx, Expected, Record};
use stdx::base64;
use stdx::merkle::{Hash, is_consistent};
use store::{AuditKey, AuditVerifier, Signs};

use super::head::Head;

/// Bytes of what a log sends to its witness.
pub const QUESTION_BYTES_MAX: usize = 64 * 1024;
/// Hashes of a proof. Source: tlog-witness.md.
const PROOF_MAX: usize = 63;
/// The last heads of the logs that this practice witnesses.
const SEEN: &str = "audit-seen";
/// Where a witness takes heads.
pub const PATH: &str = "/witness/add-checkpoint";

/// The signed note of a head.
pub fn sign(key: &AuditKey, head: &Head) -> String {
    let root = base64::encode(&head.root);
    let text = format!("{}\n{}\n{root}\n", key.name(), head.n_leaves);
    format!("{text}\n{}", key.sign(&text))
}

/// A note taken apart: the text that is signed, and the lines of signatures.
fn parts(note: &str) -> Option<(&str, &str)> {
    let end = note.rfind("\n\n")?;
    Some((&note[..=end], &note[end + 2..]))
}

/// Name of the log and head that a checkpoint's text tells.
fn read(text: &str) -> Option<(&str, Head)> {
    let mut lines = text.lines();
    let (name, n, root) = (lines.next()?, lines.next()?, lines.next()?);
    let n_leaves: u64 = n.parse().ok()?;
    let root: Hash = base64::decode(root)?.try_into().ok()?;
    Some((name, Head { n_leaves, root }))
}

/// The head in a note that the key has signed.
pub fn verified(note: &str, key: &AuditVerifier) -> Option<Head> {
    let (text, lines) = parts(note)?;
    key.verify(text, lines)?;
    read(text).filter(|(name, _)| *name == key.name).map(|(_, head)| head)
}

/// What a log sends to a witness that has seen `old` leaves of it.
pub fn question(old: u64, proof: &[Hash], note: &str) -> String {
    let mut out = format!("old {old}\n");
    for hash in proof {
        out.push_str(&base64::encode(hash));
        out.push('\n');
    }
    out + "\n" + note
}

/// Answer of a witness: HTTP status and body.
pub type Answer = (u16, String);

/// Witnesses heads of other practices: looks whether each log has only grown.
pub struct Witness {
    pub record: Record,
    pub key: AuditKey,
    /// Keys of the logs that are witnessed.
    pub logs: Vec<AuditVerifier>,
}

fn refused(status: u16, text: &str) -> Answer {
    (status, format!("{text}\n"))
}

impl Witness {
    /// Keys of logs as the settings have them, separated by commas.
    pub fn keys(text: &str) -> Result<Vec<AuditVerifier>, String> {
        let of = |text: &str| {
            AuditVerifier::parse(text)
                .ok_or_else(|| format!("'{text}' is no key as `vitae audit key` prints them"))
        };
        text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(of).collect()
    }

    /// Looks at a head, keeps it, and signs that it was seen.
    ///
    /// Source: tlog-witness.md, add-checkpoint.
    pub fn add(&self, question: &str, at_ms: i64) -> Answer {
        let malformed = || refused(400, "this is no question to a witness");
        let Some((head, note)) = question.split_once("\n\n") else { return malformed() };
        let mut lines = head.lines();
        let old = lines.next().and_then(|line| line.strip_prefix("old ")?.parse::<u64>().ok());
        let Some(old) = old else { return malformed() };
        let hash = |line: &str| base64::decode(line)?.try_into().ok();
        let proof: Option<Vec<Hash>> = lines.map(hash).collect();
        let Some(proof) = proof.filter(|proof| proof.len() <= PROOF_MAX) else {
            return malformed();
        };
        let Some((text, signatures)) = parts(note) else { return malformed() };
        let Some((name, head)) = read(text) else { return malformed() };
        let mut keys = self.logs.iter().filter(|key| key.name == name).peekable();
        if keys.peek().is_none() {
            return refused(404, "this log is not witnessed here");
        }
        if !keys.any(|key| key.verify(text, signatures).is_some()) {
            return refused(403, "the head is not signed by the log's key");
        }
        if old > head.n_leaves {
            return malformed();
        }
        match self.keep(name, text, old, head, &proof, at_ms) {
            Ok(answer) => answer,
            Err(error) => {
                tracing::error!(%error, "a head could not be kept");
                refused(503, "try again")
            }
        }
    }

    fn keep(
        &self,
        name: &str,
        text: &str,
        old: u64,
        head: Head,
        proof: &[Hash],
        at_ms: i64,
    ) -> record::Result<Answer> {
        let before = self.record.items().get(SEEN, name.as_bytes())?;
        let seen = before.as_deref().and_then(|bytes| read(str::from_utf8(bytes).ok()?));
        let (n_seen, root_seen) = match &seen {
            Some((_, head)) => (head.n_leaves, head.root),
            None => (0, stdx::merkle::Frontier::new().root()),
        };
        if old != n_seen {
            return Ok((409, format!("{n_seen}\n")));
        }
        if !is_consistent(old, head.n_leaves, &root_seen, &head.root, proof) {
            return Ok(refused(422, "the log has not only grown since it was seen last"));
        }
        let key = name.as_bytes().to_vec();
        let value = Some(text.as_bytes().to_vec());
        let expected = Expected { collection: SEEN, key: key.clone(), value: before };
        let change = Change { collection: SEEN, key, value };
        let ctx = Ctx::system("witness", at_ms);
        let what = format!("head-witnessed {name} {}", head.n_leaves);
        let items = self.record.items();
        if !items.commit(&ctx, &what, vec![expected], vec![change])? {
            return Ok((409, format!("{n_seen}\n")));
        }
        let at_s = u64::try_from(at_ms / 1000).unwrap_or(0);
        Ok((200, self.key.cosign(text, at_s)))
    }
}

/// A line of a witness's file.
pub fn line(at: &str, head: &Head, note: &str) -> String {
    let line = Value::object([
        ("at", Value::from(at)),
        ("head", Value::from(head.to_string())),
        ("note", Value::from(note)),
    ]);
    line.to_json() + "\n"
}

/// Keys that verify what a practice signs: its heads, and what it says as a witness.
pub fn keys_of(key: &AuditKey) -> String {
    format!(
        "audit log {}\nas a witness {}\n",
        key.verifier(Signs::Notes),
        key.verifier(Signs::Cosignatures)
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use record::{Config, DataKey, SystemWorld};
    use stdx::merkle::{Frontier, consistency_proof, leaf_hash, node_hash, split};

    use super::*;

    /// A log of leaves that count up; from `fork` on they are others.
    struct Log {
        fork: u64,
    }

    impl Log {
        fn hash(&self, from: u64, to: u64) -> Hash {
            if to - from == 1 {
                let word = if from >= self.fork { "x" } else { "a" };
                return leaf_hash(format!("{word}{from}").as_bytes());
            }
            let middle = from + split(to - from);
            node_hash(&self.hash(from, middle), &self.hash(middle, to))
        }

        fn head(&self, n_leaves: u64) -> Head {
            let empty = Frontier::new().root();
            let root = if n_leaves == 0 { empty } else { self.hash(0, n_leaves) };
            Head { n_leaves, root }
        }

        fn question(&self, key: &AuditKey, old: u64, n: u64) -> String {
            let mut hash = |from, to| Ok::<Hash, ()>(self.hash(from, to));
            let proof = consistency_proof(old, n, &mut hash).expect("hashes");
            question(old, &proof, &sign(key, &self.head(n)))
        }
    }

    #[test]
    fn a_witness_takes_what_has_only_grown_and_nothing_else() {
        let folder = std::env::temp_dir().join(format!("vitae-witness-{}", std::process::id()));
        let _absent = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        let config = Config {
            folder: folder.clone(),
            key: DataKey::random().expect("randomness"),
            base_url: "http://localhost/fhir".to_owned(),
            world: Arc::new(SystemWorld),
        };
        let key = |name: &str| AuditKey::open(&folder, name).expect("a key");
        let (own, other) = (key("log"), key("other"));
        let witness = Witness {
            record: Record::create(config).expect("a record"),
            key: key("witness"),
            logs: Witness::keys(&format!(" {} ,", own.verifier(Signs::Notes))).expect("keys"),
        };
        let log = Log { fork: u64::MAX };
        let add = |question: &str| witness.add(question, 1_800_000_000_000);
        let (status, line) = add(&log.question(&own, 0, 5));
        assert_eq!(status, 200, "{line}");
        let note = sign(&own, &log.head(5));
        let (text, _) = parts(&note).expect("a note");
        let seen = witness.key.verifier(Signs::Cosignatures).verify(text, &line);
        assert_eq!(seen, Some(1_800_000_000));
        assert_eq!(add(&log.question(&own, 5, 13)).0, 200);
        assert_eq!(add(&log.question(&own, 13, 13)).0, 200, "seen again");
        // What it has seen is said, so that the log can prove from there.
        assert_eq!(add(&log.question(&own, 5, 20)), (409, "13\n".to_owned()));
        // Rewritten before what was seen, and behind it.
        assert_eq!(add(&Log { fork: 3 }.question(&own, 13, 20)).0, 422);
        assert_eq!(add(&Log { fork: 13 }.question(&own, 13, 20)).0, 200);
        assert_eq!(add(&log.question(&own, 20, 21)).0, 422);
        // Cut off: the log is smaller than what was seen.
        assert_eq!(add(&log.question(&own, 12, 12)).0, 409);
        let good = log.question(&own, 20, 25);
        assert_eq!(add(&good.replace("vitae/log", "vitae/nobody")).0, 404);
        assert_eq!(add(&good.replacen("\n25\n", "\n26\n", 1)).0, 403, "signed for another size");
        assert_eq!(add(&log.question(&other, 20, 25)).0, 404);
        for bad in ["", "old 1", "old x\n\n", "old 1\n\nno note", "old 30\n\n"] {
            assert_eq!(add(bad).0, 400, "{bad:?}");
        }
        let hashes = |n: usize| vec![leaf_hash(b"x"); n];
        let note = sign(&own, &log.head(25));
        assert_eq!(add(&question(20, &hashes(PROOF_MAX), &note)).0, 422);
        assert_eq!(add(&question(20, &hashes(PROOF_MAX + 1), &note)).0, 400);
        assert!(Witness::keys("nonsense").is_err());
        drop(witness);
        std::fs::remove_dir_all(&folder).expect("own folder");
    }

    #[test]
    fn a_head_is_read_from_its_note_only_when_it_is_signed() {
        let folder = std::env::temp_dir().join(format!("vitae-note-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let key = AuditKey::open(&folder, "log").expect("a key");
        let (head, verifier) = (Log { fork: 9 }.head(4), key.verifier(Signs::Notes));
        let note = sign(&key, &head);
        assert_eq!(verified(&note, &verifier), Some(head));
        // The last digit has bits that no byte has.
        for at in 0..note.len() - 3 {
            let mut forged = note.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            // A dash that is none, or a line that is no signature of ours, is none.
            let Ok(forged) = String::from_utf8(forged) else { continue };
            assert_eq!(verified(&forged, &verifier), None, "byte {at}");
        }
        std::fs::remove_dir_all(&folder).expect("own folder");
    }
}
