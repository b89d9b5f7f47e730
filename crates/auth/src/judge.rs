//! Whether a password that a person chooses is one that others choose too.
//!
//! Source: SP 800-63B-4 §3.1.1.2: compare with a list of commonly used, expected or compromised
//! passwords; no rule on kinds of characters. Works without a network: a table of common passwords
//! is part of the program, and a practice can name its own file of hashes, such as the one of
//! Have I Been Pwned, which is looked up where it lies.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use sha2::{Digest, Sha256};

use crate::{Auth, Error, Kind, password};

/// First four bytes of the SHA-256 of each common password in lower case, sorted. Made by
/// `scripts/common-passwords` from the list of zxcvbn (see NOTICE).
const COMMON: &[u8] = include_bytes!("common-passwords.bin");
/// A common word with at most this many digits and signs around it is as common as the word.
const AROUND_MAX: usize = 8;
/// Bytes of a line of the practice's own file.
const LINE_BYTES_MAX: u64 = 128;
/// Digits of a hash in that file, at least: a shorter beginning fits too many passwords.
const PREFIX_DIGITS_MIN: usize = 10;

/// What a practice demands of its people.
#[derive(Debug, Default)]
pub struct Rules {
    /// Staff signs in with a second factor, or sets one up first.
    pub second_factor: bool,
    /// Passwords that are known to others.
    pub known_passwords: Option<KnownPasswords>,
}

impl Auth {
    /// Sets the rules, once, before anybody signs in.
    pub fn set_rules(&self, rules: Rules) {
        // A second call is a bug of the caller; the first rules stay.
        let _already_set = self.rules.set(rules);
    }

    pub(crate) fn rules(&self) -> &Rules {
        self.rules.get_or_init(Rules::default)
    }

    /// Whether a person may choose this password.
    ///
    /// Errors: [`Kind::WeakPassword`] for one that is too short, too long, the name, or known to
    /// others; [`Kind::Storage`] when the practice's own file cannot be read.
    pub fn judge_password(&self, new: &str, name: &str) -> Result<(), Error> {
        password::check_new(new, name)?;
        if self.is_known_password(new)? {
            let text = "this password is among those that are tried first; take a few words that \
                        belong together only for you";
            return Err(Error::new(Kind::WeakPassword, text));
        }
        Ok(())
    }

    /// Whether others choose this password too, or it became known.
    pub fn is_known_password(&self, password: &str) -> Result<bool, Error> {
        if is_common(password) {
            return Ok(true);
        }
        match &self.rules().known_passwords {
            Some(known) => known.has(password).map_err(Error::storage),
            None => Ok(false),
        }
    }
}

/// Whether the password, or what is left of it without the usual tricks, is in the table.
pub fn is_common(password: &str) -> bool {
    let lower = password.to_lowercase();
    if is_run(&lower) {
        return true;
    }
    let n_chars = lower.chars().count();
    let core = lower.trim_matches(|c: char| !c.is_alphabetic());
    let mut forms = vec![lower.clone(), unit(&lower).to_owned()];
    if n_chars - core.chars().count() <= AROUND_MAX {
        forms.push(core.to_owned());
        forms.push(unit(core).to_owned());
    }
    let plain: Vec<String> = forms.iter().map(|form| without_leet(form)).collect();
    forms.extend(plain);
    // What stood around the word may have looked like letters: p4ssw0rd1.
    forms.push(without_leet(lower.trim_matches(|c: char| !c.is_alphanumeric())));
    forms.iter().any(|form| is_listed(form))
}

fn is_listed(form: &str) -> bool {
    let hash = Sha256::digest(form.as_bytes());
    let Some(first) = hash.first_chunk::<4>() else { return false };
    let (rows, _) = COMMON.as_chunks::<4>();
    rows.binary_search(first).is_ok()
}

/// The part of which the text is a repetition; the text itself if it is none.
fn unit(text: &str) -> &str {
    let fits = |n: &usize| {
        text.len().is_multiple_of(*n)
            && text.is_char_boundary(*n)
            && text.as_bytes().chunks(*n).all(|chunk| chunk == &text.as_bytes()[..*n])
    };
    let n = (1..=text.len() / 2).find(fits).unwrap_or(text.len());
    &text[..n]
}

/// One letter again and again, or letters and digits as they follow on each other.
fn is_run(text: &str) -> bool {
    let points: Vec<u32> = text.chars().map(u32::from).collect();
    let steps = points.windows(2).filter(|pair| pair[1].abs_diff(pair[0]) <= 1).count();
    let n_kinds = points.iter().collect::<std::collections::BTreeSet<_>>().len();
    n_kinds <= 2 || steps * 10 >= points.len() * 8
}

fn without_leet(text: &str) -> String {
    let plain = |c| match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    };
    text.chars().map(plain).collect()
}

/// A practice's own file of SHA-1 hashes of passwords: hexadecimal, one a line, in order, each
/// with or without `:` and a count, whole or from the beginning on. Never read as a whole.
#[derive(Debug)]
pub struct KnownPasswords {
    path: PathBuf,
}

impl KnownPasswords {
    /// Errors: a file that cannot be read, or whose first line is no hash.
    pub fn open(path: &Path) -> std::io::Result<KnownPasswords> {
        let mut first = String::new();
        BufReader::new(File::open(path)?).read_line(&mut first)?;
        let key = key_of(&first);
        if key.len() < PREFIX_DIGITS_MIN || !key.bytes().all(|b| b.is_ascii_hexdigit()) {
            let text = "the first line is no SHA-1 in hexadecimal";
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, text));
        }
        Ok(KnownPasswords { path: path.to_owned() })
    }

    /// Whether the file has this password.
    pub fn has(&self, password: &str) -> std::io::Result<bool> {
        let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
        let hash = crate::secret::hex(hash.as_ref()).to_uppercase();
        let mut file = BufReader::new(File::open(&self.path)?);
        // The line that is sought begins in low..high.
        let (mut low, mut high) = (0, file.get_ref().metadata()?.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let (start, end, key) = line_at(&mut file, middle, low)?;
            if !key.is_empty() && hash.starts_with(&key) {
                return Ok(true);
            }
            if key.as_str() < hash.as_str() {
                low = end;
            } else {
                high = start;
            }
        }
        Ok(false)
    }
}

fn key_of(line: &str) -> String {
    let line = line.trim_end();
    line.split_once(':').map_or(line, |(key, _)| key).to_uppercase()
}

/// The line in which byte `at` is, which begins at `low` or later: where it begins, where the next
/// one does, and its hash.
fn line_at(file: &mut BufReader<File>, at: u64, low: u64) -> std::io::Result<(u64, u64, String)> {
    let from = at.saturating_sub(LINE_BYTES_MAX).max(low);
    file.seek(SeekFrom::Start(from))?;
    let mut start = from;
    let mut line = Vec::new();
    loop {
        line.clear();
        let n = std::io::Read::take(&mut *file, 2 * LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        let end = start + n as u64;
        if n == 0 || end > at {
            let key = key_of(&String::from_utf8_lossy(&line));
            return Ok((start, end.max(at + 1), key));
        }
        start = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tried_first_is_refused() {
        for text in [
            "password1234",
            "Password2026!",
            "P@ssw0rd1234",
            "passwordpassword",
            "123456789012",
            "abcdefghijkl",
            "aaaaaaaaaaaa",
            "qwertyuiop12",
            "iloveyou2026",
            "!!!sunshine!!!",
        ] {
            assert!(is_common(text), "{text}");
        }
    }

    #[test]
    fn a_few_words_are_good() {
        for text in [
            "a quiet morning in May",
            "correct horse battery",
            "zwölf Boxkämpfer jagen",
            "x7#kPq!9vLm2",
            "a long and quiet river",
            "sunshine over the old harbour",
        ] {
            assert!(!is_common(text), "{text}");
        }
    }

    #[test]
    fn the_table_is_sorted() {
        let (rows, rest) = COMMON.as_chunks::<4>();
        assert!(rest.is_empty() && rows.len() > 20_000, "{}", rows.len());
        assert!(rows.is_sorted());
    }

    #[test]
    fn every_line_of_a_file_of_hashes_is_found_and_nothing_else() {
        let path = std::env::temp_dir().join(format!("vitae-known-{}", std::process::id()));
        let sha1 = |text: &str| {
            let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
            crate::secret::hex(hash.as_ref()).to_uppercase()
        };
        for n in [1, 2, 3, 100, 1001] {
            for end in ["\n", "\r\n", ":7\n", ":123456\r\n"] {
                let words: Vec<String> = (0..n).map(|i| format!("word {i}")).collect();
                let mut lines: Vec<String> = words.iter().map(|w| sha1(w)).collect();
                lines.sort();
                let text: String = lines.iter().map(|line| format!("{line}{end}")).collect();
                std::fs::write(&path, text).expect("a file");
                let known = KnownPasswords::open(&path).expect("a good file");
                for word in &words {
                    assert!(known.has(word).expect("reads"), "{word} of {n}");
                    assert!(!known.has(&format!("no {word}")).expect("reads"), "{word} of {n}");
                }
            }
        }
        std::fs::write(&path, format!("{}\n", &sha1("short")[..PREFIX_DIGITS_MIN]))
            .expect("a file");
        assert!(KnownPasswords::open(&path).expect("prefixes").has("short").expect("reads"));
        std::fs::write(&path, "password\n").expect("a file");
        assert!(KnownPasswords::open(&path).is_err());
        let _ = std::fs::remove_file(&path);
    }
}
