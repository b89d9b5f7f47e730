//! What may stand in source files.

use std::path::Path;

use super::layers;

/// A text file of the repository: path relative to the root with `/`, and its text.
#[derive(Debug)]
pub struct Source {
    pub path: String,
    pub text: String,
}

/// Files longer than this are reported, not refused: tables and façades may be long.
pub const LINES_MAX: usize = 600;

/// Layers 0 to this one are pure: no I/O, clock, randomness, threads, async or logging.
const PURE_LAYER_MAX: usize = 3;
/// Layers above the pure ones up to this one are synchronous.
const SYNC_LAYER_MAX: usize = 6;

const IMPURE: &[&str] = &[
    "std::net",
    "std::fs",
    "std::thread",
    "std::process",
    "SystemTime",
    "Instant::now",
    "rand::",
    "getrandom",
    "tokio",
    "tracing::",
    "println!",
];
const ASYNC: &[&str] = &["tokio", "async fn", ".await", "axum", "hyper::"];
const UNFINISHED: &[&str] = &["todo!(", "unimplemented!(", "TODO", "FIXME"];
/// First folders of a path on somebody's machine.
const MACHINE_FOLDERS: &[&str] = &["work", "home", "root", "Users"];

/// All Rust, Markdown, TOML and shell files of the repository but the generated ones.
pub fn read(root: &Path) -> Result<Vec<Source>, String> {
    let mut files = Vec::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(folder) = open.pop() {
        for path in super::entries(&folder)? {
            let relative = path.strip_prefix(root).unwrap_or(&path);
            let relative = relative.to_string_lossy().replace('\\', "/");
            if path.is_dir() {
                if !is_skipped(&relative) {
                    open.push(path);
                }
                continue;
            }
            let kinds = ["rs", "md", "toml", "sh"];
            if path.extension().is_some_and(|kind| kinds.iter().any(|known| kind == *known)) {
                files.push(Source { text: super::read_file(&path)?, path: relative });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn is_skipped(relative: &str) -> bool {
    let name = relative.rsplit('/').next().unwrap_or(relative);
    matches!(name, "target" | "node_modules" | ".git" | "generated")
        || relative.starts_with("vitae-demo")
}

/// Rust files longer than [`LINES_MAX`], the longest first.
pub fn long_files(files: &[Source]) -> Vec<(&str, usize)> {
    let mut long: Vec<(&str, usize)> = files
        .iter()
        .filter(|file| file.path.ends_with(".rs"))
        .map(|file| (file.path.as_str(), file.text.lines().count()))
        .filter(|(_, n_lines)| *n_lines > LINES_MAX)
        .collect();
    long.sort_by_key(|(_, n_lines)| std::cmp::Reverse(*n_lines));
    long
}

/// The lines that break a rule: `path:line: what`.
pub fn check(files: &[Source]) -> Vec<String> {
    let mut broken = Vec::new();
    for file in files {
        machine_paths(file, &mut broken);
        if file.path.ends_with(".rs") && !file.path.starts_with("crates/xtask/") {
            everywhere(file, &mut broken);
            product(file, &mut broken);
        }
    }
    broken
}

fn machine_paths(file: &Source, broken: &mut Vec<String>) {
    for (line_idx, line) in file.text.lines().enumerate() {
        for folder in MACHINE_FOLDERS {
            let pattern = format!("/{folder}/");
            let starts_path = |at: usize| {
                let before = line[..at].chars().next_back();
                before.is_none_or(|c| c.is_whitespace() || "\"'`=(".contains(c))
            };
            if line.match_indices(&pattern).any(|(at, _)| starts_path(at)) {
                broken.push(at(file, line_idx, "a path of somebody's machine"));
            }
        }
    }
}

/// Rules for all Rust code but this tool, whose text names what it forbids.
fn everywhere(file: &Source, broken: &mut Vec<String>) {
    for (line_idx, line) in file.text.lines().enumerate() {
        if line.contains("#[allow(") || line.contains("#![allow(") {
            broken.push(at(file, line_idx, "use #[expect(…, reason = …)], not #[allow]"));
        }
        if let Some(word) = UNFINISHED.iter().find(|word| line.contains(**word)) {
            broken.push(at(file, line_idx, &format!("{word}: a plan lives in an issue")));
        }
    }
}

/// Rules for the code of the product, its unit tests left out.
fn product(file: &Source, broken: &mut Vec<String>) {
    let Some((name, rest)) =
        file.path.strip_prefix("crates/").and_then(|rest| rest.split_once('/'))
    else {
        return;
    };
    let Some(layer) = layers::layer(name) else { return };
    if !rest.starts_with("src/") || rest.ends_with("tests.rs") || rest.contains("/tests/") {
        return;
    }
    for (line_idx, line) in file.text.lines().enumerate() {
        let line = line.trim_start();
        if line.starts_with("#[cfg(test)]") {
            return;
        }
        if line.starts_with("//") {
            continue;
        }
        if line.contains(".unwrap()") {
            broken.push(at(file, line_idx, "unwrap: return an error, or expect(\"the proof\")"));
        }
        if layer <= PURE_LAYER_MAX
            && let Some(word) = IMPURE.iter().find(|word| names(line, word))
        {
            let text = format!("{word}: layers 0 to {PURE_LAYER_MAX} are pure");
            broken.push(at(file, line_idx, &text));
        }
        if layer > PURE_LAYER_MAX
            && layer <= SYNC_LAYER_MAX
            && let Some(word) = ASYNC.iter().find(|word| names(line, word))
        {
            let text = format!("{word}: layers up to {SYNC_LAYER_MAX} are synchronous");
            broken.push(at(file, line_idx, &text));
        }
    }
}

/// Whether `word` stands in `line` and is not the end of a longer name.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        word.starts_with('.') || !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

fn at(file: &Source, line_idx: usize, text: &str) -> String {
    format!("{}:{}: {text}", file.path, line_idx + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(path: &str, text: &str) -> Vec<String> {
        check(&[Source { path: path.to_owned(), text: text.to_owned() }])
    }

    #[test]
    fn pure_layers_have_no_clock_files_or_threads() {
        for text in ["use std::fs::File;", "let t = SystemTime::now();", "tokio::spawn(x)"] {
            assert_eq!(broken("crates/fhir/src/a.rs", text).len(), 1, "{text}");
            assert_eq!(broken("crates/fhir/tests/a.rs", text).len(), 0, "{text}");
        }
        assert_eq!(broken("crates/search/src/a.rs", "Operand::Id(x)").len(), 0);
        assert_eq!(broken("crates/store/src/a.rs", "use std::fs::File;").len(), 0);
        assert_eq!(broken("crates/store/src/a.rs", "x.await").len(), 1);
        assert_eq!(broken("crates/rest/src/a.rs", "x.await").len(), 0);
    }

    #[test]
    fn unwrap_is_for_tests() {
        assert_eq!(broken("crates/rest/src/a.rs", "x.unwrap()").len(), 1);
        assert_eq!(broken("crates/rest/src/a.rs", "#[cfg(test)]\nmod t { x.unwrap() }").len(), 0);
        assert_eq!(broken("crates/rest/src/a.rs", "// x.unwrap()").len(), 0);
    }

    #[test]
    fn allow_unfinished_work_and_machine_paths_are_found() {
        assert_eq!(broken("crates/ui/src/a.rs", "#[allow(dead_code)]").len(), 1);
        assert_eq!(broken("crates/ui/src/a.rs", "todo!(\"x\")").len(), 1);
        let path = ["see `", "/home", "/me/x`"].concat();
        assert_eq!(broken("README.md", &path), ["README.md:1: a path of somebody's machine"]);
        assert_eq!(broken("README.md", "see https://example.org/home/x").len(), 0);
    }
}
