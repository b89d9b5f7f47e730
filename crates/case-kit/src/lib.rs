//! One Markdown file is one test case.
//!
//! ````text
//! # What the case shows                       the title
//! Source and reason, as prose.
//! ```ndjson given       one resource per line, stored before the case begins
//! ```http when          a request: line, headers, empty line, body
//! ```http then          the response to the request above it
//! ```check              `expression = value` lines, looked up after all requests
//! ````
//!
//! A runner executes `given` and `when`; this crate reads the files and compares `then` and
//! `check`. With `UPDATE=1` in the environment they are rewritten instead, and the diff is read in
//! review.

pub mod postgres;
pub mod random;
pub mod suites;

pub use random::Random;

use std::path::{Path, PathBuf};

/// What a block is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Given,
    When,
    Then,
    Check,
}

/// A fenced block of a case.
#[derive(Clone, Debug)]
pub struct Block {
    pub role: Role,
    pub text: String,
    /// Lines of the file that hold the text.
    lines: std::ops::Range<usize>,
}

/// One case file.
#[derive(Clone, Debug)]
pub struct Case {
    pub path: PathBuf,
    pub title: String,
    pub blocks: Vec<Block>,
}

/// An HTTP request as a case writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpRequest {
    pub method: String,
    /// Relative to the base, with query.
    pub url: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl HttpRequest {
    /// Reads request line, headers and body.
    pub fn parse(text: &str) -> HttpRequest {
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        let mut lines = head.lines();
        let line = lines.next().unwrap_or_default();
        let (method, url) = line.split_once(' ').unwrap_or((line, ""));
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_lowercase(), value.trim().to_owned()))
            .collect();
        let (method, url, body) = (method.to_owned(), url.trim().to_owned(), body.to_owned());
        HttpRequest { method, url, headers, body }
    }

    /// Value of a header; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Case {
    /// Reads a case from its text.
    pub fn parse(path: PathBuf, text: &str) -> Case {
        let mut blocks = Vec::new();
        let mut open: Option<(Role, usize)> = None;
        for (i, line) in text.lines().enumerate() {
            match (open, line.strip_prefix("```")) {
                (None, Some(fence)) => open = role(fence).map(|role| (role, i + 1)),
                (Some((role, start)), Some(_)) => {
                    let lines: Vec<&str> = text.lines().skip(start).take(i - start).collect();
                    blocks.push(Block { role, text: lines.join("\n"), lines: start..i });
                    open = None;
                }
                _ => {}
            }
        }
        let title = text.lines().next().unwrap_or_default().trim_start_matches('#').trim();
        Case { path, title: title.to_owned(), blocks }
    }

    /// Texts of the blocks of one role, in order.
    pub fn texts(&self, role: Role) -> impl Iterator<Item = &str> {
        self.blocks.iter().filter(move |b| b.role == role).map(|b| b.text.as_str())
    }
}

fn role(fence: &str) -> Option<Role> {
    fence.split_ascii_whitespace().find_map(|word| match word {
        "given" => Some(Role::Given),
        "when" => Some(Role::When),
        "then" => Some(Role::Then),
        "check" => Some(Role::Check),
        _ => None,
    })
}

/// Runs every `.md` file below `folder`.
///
/// `run` gives the actual texts of all `then` and `check` blocks, in the order of the blocks.
/// Panics with every difference when a case fails, and when there is no case at all.
pub fn run(folder: &Path, run: impl Fn(&Case) -> Vec<String>) {
    let mut paths = Vec::new();
    collect(folder, &mut paths);
    paths.sort();
    assert!(!paths.is_empty(), "no cases below {}", folder.display());
    let update = std::env::var_os("UPDATE").is_some();
    let only = std::env::var("CASE").ok();
    let mut failures = Vec::new();
    for path in paths {
        let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
        if only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a case file is text");
        let case = Case::parse(path.clone(), &text);
        let actual = run(&case);
        let compared: Vec<&Block> =
            case.blocks.iter().filter(|b| matches!(b.role, Role::Then | Role::Check)).collect();
        assert_eq!(compared.len(), actual.len(), "{name}: the runner gave other blocks");
        if update {
            let new = replaced(&text, &compared, &actual);
            if new != text {
                std::fs::write(&path, new).expect("a case file can be written");
            }
            continue;
        }
        for (block, actual) in compared.iter().zip(&actual) {
            if block.text.trim_end() != actual.trim_end() {
                failures.push(format!(
                    "{name}: {}\n--- expected\n{}\n--- actual\n{actual}\n",
                    case.title, block.text
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{} differ\n{}", failures.len(), failures.join("\n"));
}

fn replaced(text: &str, blocks: &[&Block], actual: &[String]) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::new();
    let mut at = 0;
    let mut push = |line: &str| {
        out.push_str(line);
        out.push('\n');
    };
    for (block, actual) in blocks.iter().zip(actual) {
        lines[at..block.lines.start].iter().for_each(|line| push(line));
        actual.trim_end().lines().for_each(&mut push);
        at = block.lines.end;
    }
    lines[at..].iter().for_each(|line| push(line));
    out
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            into.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# A title\nProse.\n```http when\nGET /Patient/1\nIf-Match: x\n\nbody\n```\n\
                        ```http then\n200\n```\n```check\nn = 1\nm = 2\n```\nEnd.\n";

    #[test]
    fn blocks_are_read_and_requests_taken_apart() {
        let case = Case::parse("x.md".into(), TEXT);
        assert_eq!(case.title, "A title");
        let roles: Vec<Role> = case.blocks.iter().map(|b| b.role).collect();
        assert_eq!(roles, [Role::When, Role::Then, Role::Check]);
        let request = HttpRequest::parse(case.texts(Role::When).next().expect("one"));
        assert_eq!((request.method.as_str(), request.url.as_str()), ("GET", "/Patient/1"));
        assert_eq!(request.header("if-match"), Some("x"));
        assert_eq!(request.body, "body");
    }

    #[test]
    fn only_the_compared_blocks_are_rewritten() {
        let case = Case::parse("x.md".into(), TEXT);
        let blocks: Vec<&Block> = case.blocks.iter().filter(|b| b.role != Role::When).collect();
        let new = replaced(TEXT, &blocks, &["404\n\nx".into(), "n = 2".into()]);
        let want = TEXT.replace("\n200\n", "\n404\n\nx\n").replace("n = 1\nm = 2", "n = 2");
        assert_eq!(new, want);
    }
}
