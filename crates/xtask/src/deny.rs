//! What `deny.toml` says about dependencies, checked from `cargo metadata` and `cargo tree`: licences, sources,
//! crates that must not come in, entries of the workspace that nobody uses; crates in two versions
//! are told. Known vulnerabilities are not looked up: that needs `cargo deny` and its database,
//! which reads the same file.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Checks the tree of dependencies.
///
/// Errors: one line for each finding.
pub fn run() -> Result<(), String> {
    let root = crate::workspace_root();
    let read = |name: &str| {
        let text = std::fs::read_to_string(root.join(name));
        let text = text.map_err(|e| format!("{name} cannot be read: {e}"))?;
        text.parse::<toml::Table>().map_err(|e| format!("{name}: {e}"))
    };
    let rules = Rules::read(&read("deny.toml")?)?;
    let metadata = cargo(&["metadata", "--format-version", "1", "--locked"])?;
    let metadata: Value = serde_json::from_str(&metadata).map_err(|e| e.to_string())?;
    let mut built = BTreeSet::new();
    for target in &rules.targets {
        // The metadata name optional crates that no feature asks for; the tree does not.
        let tree = ["tree", "--workspace", "--locked", "--prefix", "none", "--target", target];
        built.extend(names(&cargo(&tree)?));
    }
    let packages: Vec<&Value> = metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|p| built.contains(&(text(p, "name").to_owned(), text(p, "version").to_owned())))
        .collect();
    let mut findings = rules.findings(&packages);
    findings.extend(unused(&read("Cargo.toml")?, &packages));
    for (name, versions) in doubled(&packages) {
        eprintln!("deny: {name} is there in {} versions: {}", versions.len(), versions.join(", "));
    }
    eprintln!("deny: {} crates of others", packages.iter().filter(|p| is_others(p)).count());
    if findings.is_empty() { Ok(()) } else { Err(findings.join("\n")) }
}

fn cargo(args: &[&str]) -> Result<String, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(args).current_dir(crate::workspace_root()).output();
    let output = output.map_err(|e| format!("cargo did not start: {e}"))?;
    let said = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    if output.status.success() { Ok(said(output.stdout)) } else { Err(said(output.stderr)) }
}

/// Names and versions of the lines of `cargo tree`: `zstd v0.13.3 (*)`.
fn names(tree: &str) -> impl Iterator<Item = (String, String)> + '_ {
    tree.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (name, version) = (words.next()?, words.next()?);
        Some((name.to_owned(), version.strip_prefix('v')?.to_owned()))
    })
}

fn is_others(package: &Value) -> bool {
    !package["source"].is_null()
}

fn text<'a>(package: &'a Value, member: &str) -> &'a str {
    package[member].as_str().unwrap_or_default()
}

/// The part of `deny.toml` that is checked here.
struct Rules {
    targets: Vec<String>,
    licences: Vec<String>,
    /// Name and reason.
    banned: Vec<(String, String)>,
}

impl Rules {
    fn read(table: &toml::Table) -> Result<Rules, String> {
        let list = |section: &str, name: &str| {
            let found = table.get(section).and_then(|s| s.get(name)).and_then(|l| l.as_array());
            found.cloned().ok_or_else(|| format!("deny.toml has no {section}.{name}"))
        };
        let texts = |values: Vec<toml::Value>| {
            values.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect::<Vec<_>>()
        };
        let word = |value: &toml::Value, name: &str| {
            value.get(name).and_then(|v| v.as_str()).unwrap_or_default().to_owned()
        };
        let banned = list("bans", "deny")?;
        Ok(Rules {
            targets: texts(list("graph", "targets")?),
            licences: texts(list("licenses", "allow")?),
            banned: banned.iter().map(|b| (word(b, "crate"), word(b, "reason"))).collect(),
        })
    }

    fn findings(&self, packages: &[&Value]) -> Vec<String> {
        let mut findings = Vec::new();
        // Everything of others comes from one registry.
        let sources: BTreeSet<&str> =
            packages.iter().filter(|p| is_others(p)).map(|p| text(p, "source")).collect();
        for package in packages.iter().filter(|p| is_others(p)) {
            let name = format!("{} {}", text(package, "name"), text(package, "version"));
            if !text(package, "source").starts_with("registry+") || sources.len() > 1 {
                findings.push(format!("{name} does not come from the one registry"));
            }
            let licence = text(package, "license");
            if !self.allows(licence) {
                findings.push(format!("{name} has licence '{licence}', which is not allowed"));
            }
            if let Some((_, reason)) =
                self.banned.iter().find(|(banned, _)| banned == text(package, "name"))
            {
                findings.push(format!("{name} must not come in: {reason}"));
            }
        }
        findings
    }

    /// Whether an SPDX expression can be met with the allowed licences. `/` stands for `OR`, as in
    /// old manifests.
    fn allows(&self, expression: &str) -> bool {
        let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut at = 0;
        let met = self.any(&words, &mut at);
        met && at == words.len()
    }

    fn any(&self, words: &[&str], at: &mut usize) -> bool {
        let mut met = self.all(words, at);
        while words.get(*at) == Some(&"OR") {
            *at += 1;
            // Read in any case: the rest of the expression follows.
            let other = self.all(words, at);
            met |= other;
        }
        met
    }

    fn all(&self, words: &[&str], at: &mut usize) -> bool {
        let mut met = self.one(words, at);
        while words.get(*at) == Some(&"AND") {
            *at += 1;
            let other = self.one(words, at);
            met &= other;
        }
        met
    }

    fn one(&self, words: &[&str], at: &mut usize) -> bool {
        let Some(word) = words.get(*at) else { return false };
        *at += 1;
        if *word == "(" {
            let met = self.any(words, at);
            let is_closed = words.get(*at) == Some(&")");
            *at += 1;
            return met && is_closed;
        }
        let mut licence = (*word).to_owned();
        if words.get(*at) == Some(&"WITH") {
            licence = format!("{licence} WITH {}", words.get(*at + 1).unwrap_or(&""));
            *at += 2;
        }
        self.licences.contains(&licence)
    }
}

/// Dependencies of the workspace that no member names.
fn unused(manifest: &toml::Table, packages: &[&Value]) -> Vec<String> {
    let named: BTreeSet<&str> = packages
        .iter()
        .filter(|package| !is_others(package))
        .flat_map(|package| package["dependencies"].as_array().into_iter().flatten())
        .map(|dependency| dependency["rename"].as_str().unwrap_or(text(dependency, "name")))
        .collect();
    let all = manifest.get("workspace").and_then(|w| w.get("dependencies"));
    let names = all.and_then(|all| all.as_table()).into_iter().flat_map(|all| all.keys());
    names
        .filter(|name| !named.contains(name.as_str()))
        .map(|name| format!("Cargo.toml: workspace dependency {name} is not used"))
        .collect()
}

fn doubled<'a>(packages: &[&'a Value]) -> Vec<(&'a str, Vec<&'a str>)> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in packages.iter().filter(|p| is_others(p)) {
        versions.entry(text(package, "name")).or_default().push(text(package, "version"));
    }
    versions.into_iter().filter(|(_, list)| list.len() > 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rules() -> Rules {
        Rules {
            targets: Vec::new(),
            licences: ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "Zlib"]
                .map(str::to_owned)
                .to_vec(),
            banned: vec![("ring".to_owned(), "one crypto stack".to_owned())],
        }
    }

    #[test]
    fn licence_expressions_are_met_or_not() {
        for (expression, met) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("", false),
            ("MIT OR GPL-3.0", true),
            ("GPL-3.0 OR MIT", true),
            ("MIT/Apache-2.0", true),
            ("MIT AND GPL-3.0", false),
            ("MIT AND Zlib", true),
            ("(MIT OR GPL-3.0) AND Zlib", true),
            ("(GPL-2.0 OR GPL-3.0) AND MIT", false),
            ("Apache-2.0 WITH LLVM-exception OR GPL-3.0", true),
            ("Apache-2.0 WITH Other-exception", false),
            ("(MIT", false),
            ("MIT MIT", false),
        ] {
            assert_eq!(rules().allows(expression), met, "{expression}");
        }
    }

    #[test]
    fn what_must_not_come_in_is_named() {
        let package = |name: &str, source: &str, licence: &str| json!({"name": name, "version": "1.0.0", "source": source, "license": licence});
        let good = package("roaring", "registry+r", "MIT");
        let own = json!({"name": "fhir", "version": "0.1.0", "source": null});
        assert_eq!(rules().findings(&[&good, &own]), Vec::<String>::new());
        let ring = package("ring", "registry+r", "MIT");
        assert!(rules().findings(&[&good, &ring])[0].contains("one crypto stack"));
        let git = package("roaring", "git+g", "MIT");
        assert!(rules().findings(&[&git])[0].contains("one registry"));
        let copyleft = package("x", "registry+r", "AGPL-3.0");
        assert!(rules().findings(&[&copyleft])[0].contains("AGPL-3.0"));
        let other = package("y", "registry+other", "MIT");
        assert_eq!(rules().findings(&[&good, &other]).len(), 2);
    }

    #[test]
    fn lines_of_the_tree_are_names_and_versions() {
        let tree = "vitae v0.1.0 (/x/crates/vitae)\nzstd v0.13.3 (*)\n\n[dev-dependencies]\n";
        let found: Vec<(String, String)> = names(tree).collect();
        let wanted = [("vitae", "0.1.0"), ("zstd", "0.13.3")];
        assert_eq!(found, wanted.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }

    #[test]
    fn a_dependency_that_nobody_names_is_unused() {
        let manifest = "[workspace.dependencies]\nregex = \"1\"\ntar = \"1\"\n";
        let manifest: toml::Table = manifest.parse().expect("TOML");
        let own = json!({"name": "a", "source": null, "dependencies": [{"name": "regex"}]});
        let found = unused(&manifest, &[&own]);
        assert_eq!(found, ["Cargo.toml: workspace dependency tar is not used"]);
    }
}
