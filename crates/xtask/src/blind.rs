//! Does the leak oracle see? The predicate is taken out at one place at a time; with every one of
//! them the test must fail. The long form of `scripts/leak`.
//!
//! A place is a line of source and what stands there instead. A list that names a line that is not
//! there, or that stands there twice, is out of date and says so before anything is built.

use std::path::Path;
use std::process::Command;

/// The alias that a place stands for, its file below `crates`, what is written there, and what is
/// written instead.
type Place = (&'static str, &'static str, &'static str, &'static str);

const PLACES: &[Place] = &[
    (
        "base of a search",
        "store/src/plan/find.rs",
        "found.keep(cx.view.admitted(query.rt, candidates)?);",
        "found.keep(candidates);",
    ),
    (
        "inside of chains, _has, _list, _filter",
        "store/src/plan/find.rs",
        "        self.view.admitted(rt, found)\n    }\n\n    /// As [`Cx::exact`]",
        "        Ok(found)\n    }\n\n    /// As [`Cx::exact`]",
    ),
    (
        "contained resources",
        "store/src/contained.rs",
        "view.visible_of_any(containers(view, query.rt)?)?",
        "view.current(containers(view, query.rt)?)?",
    ),
    ("_include", "store/src/page.rs", "&& view.admits(ident.rid)?", "&& ident.rid > 0"),
    (
        "_revinclude",
        "store/src/page.rs",
        "let all = view.visible_of_any(all)?;",
        "let all = view.current(all)?;",
    ),
    (
        "compartment of $everything",
        "store/src/members.rs",
        "view.visible_of_any(rids)?.iter()",
        "view.current(rids)?.iter()",
    ),
    (
        "_sort along references",
        "store/src/sorting.rs",
        "let rids = &view.admitted(rt, rids.clone())?;",
        "let rids = &rids.clone();",
    ),
    ("rank of full text", "store/src/rank.rs", "_ => view.visible(query.rt, all)?,", "_ => all,"),
    (
        "resource by id, from a snapshot",
        "store/src/snapshot.rs",
        "Some(ident) if view.admits(ident.rid)? => Ok(Some(view.version(ident.rid, bodies)?)),",
        "Some(ident) => Ok(Some(view.version(ident.rid, bodies)?)),",
    ),
    (
        "resource by id, without body",
        "store/src/snapshot.rs",
        "Some(ident) if view.admits(ident.rid)? => Ok(Some(view.head(ident.rid)?)),",
        "Some(ident) => Ok(Some(view.head(ident.rid)?)),",
    ),
    (
        "target of a reference that is written",
        "store/src/snapshot.rs",
        "Some(ident) if ident.kind != ChangeKind::Delete => view.admits(ident.rid),",
        "Some(ident) if ident.kind != ChangeKind::Delete => Ok(true),",
    ),
    (
        "version by number",
        "store/src/snapshot.rs",
        "Some(rid) if view.admits(rid)? => Ok(Some(view.version(rid, bodies)?)),",
        "Some(rid) => Ok(Some(view.version(rid, bodies)?)),",
    ),
    (
        "history of a resource",
        "store/src/snapshot.rs",
        "let mut found = self.admitted_of(all)?;",
        "let mut found = all;",
    ),
    (
        "history of a resource, from its end",
        "store/src/members.rs",
        "let mut rids = self.admitted_of(rids)?;",
        "let mut rids = rids;",
    ),
    (
        "history of a type and of all",
        "store/src/snapshot.rs",
        "view.admitted_with_deletions(rt, rids)",
        "Ok(rids)",
    ),
    (
        "history of all without rules",
        "store/src/snapshot.rs",
        "Scope::System if self.sees.is_everything() && since_ms.is_none() => {",
        "Scope::System if since_ms.is_none() => {",
    ),
    (
        "read by id",
        "store/src/snapshot.rs",
        "Rule::Only(_) => return self.snapshot(sees)?.current(rt, id),",
        "Rule::Only(_) => {}",
    ),
    (
        "condition of a write",
        "record/src/write/conditional.rs",
        "let sees = ctx.may.sees(Action::Search);",
        "let sees = search::Sees::everything();",
    ),
    (
        "ids that a client chooses",
        "record/src/write/permitted.rs",
        "        if self.knows_all(rt) {\n            return Ok(());",
        "        if self.ctx.may.knows().rule(rt) != &Rule::Nothing {\n            return Ok(());",
    ),
    (
        "references that are written",
        "record/src/write/plan.rs",
        "if sees.rule(rt) != &Rule::All",
        "if false",
    ),
    (
        "deletion of what unseen resources refer to",
        "record/src/write/permitted.rs",
        "if action == Action::Delete && !ResourceType::ALL.into_iter().all(sees) {",
        "if false && !ResourceType::ALL.into_iter().all(sees) {",
    ),
    (
        "audit trail holds nothing",
        "store/src/writer/check.rs",
        "rt != ResourceType::AUDIT_EVENT",
        "rt.0 < u8::MAX",
    ),
    (
        "what a write starts from",
        "record/src/write/mod.rs",
        "record.store().snapshot(ctx.may.knows())?",
        "record.store().snapshot(search::Sees::everything())?",
    ),
    (
        "search of a desk",
        "record/src/find.rs",
        "record.store().snapshot(ctx.may.sees(Action::Search))?",
        "record.store().snapshot(search::Sees::everything())?",
    ),
    (
        "$lastn",
        "record/src/lastn.rs",
        "None => record.store().snapshot(ctx.may.sees(Action::Search))?",
        "None => record.store().snapshot(search::Sees::everything())?",
    ),
    (
        "$everything",
        "record/src/everything.rs",
        "let sees = if id.is_some() { ctx.may.sees(Action::Read) } else { ctx.may.browses() };",
        "let sees = search::Sees::everything();",
    ),
    (
        "includes are read, not searched for",
        "record/src/search.rs",
        "snapshot.seen_by(ctx.may.sees(Action::Read), |snapshot| {",
        "snapshot.seen_by(search::Sees::everything(), |snapshot| {",
    ),
    (
        "value sets of :in",
        "record/src/terms.rs",
        "rule(Action::Read, rt).or(rule(Action::Search, rt))",
        "search::Rule::All",
    ),
];

/// Requests of one run; it ends with the first few leaks.
const REQUESTS: &str = "20000";

/// Builds and runs the leak oracle once for each place. `only`: places whose name holds it.
///
/// Errors: the places that can be taken out without the test noticing.
pub fn run(only: Option<&str>) -> Result<(), String> {
    let root = crate::workspace_root();
    for (alias, file, from, _) in PLACES {
        let text = read(&root.join("crates").join(file))?;
        match text.matches(from).count() {
            1 => {}
            n => {
                return Err(format!(
                    "{alias}: {file} has {n} times what crates/xtask/src/blind.rs names"
                ));
            }
        }
    }
    let mut unseen = Vec::new();
    for (alias, file, from, to) in PLACES {
        if only.is_some_and(|only| !alias.contains(only)) {
            continue;
        }
        let path = root.join("crates").join(file);
        let text = read(&path)?;
        write(&path, &text.replace(from, to))?;
        let run = oracle(&root);
        write(&path, &text)?;
        let verdict = match run? {
            Oracle::Red => "seen",
            Oracle::Broken => "does not build",
            Oracle::Green => "NOT SEEN",
        };
        println!("{alias}: {verdict}");
        if verdict != "seen" {
            unseen.push(*alias);
        }
    }
    if unseen.is_empty() { Ok(()) } else { Err(format!("not seen: {}", unseen.join("; "))) }
}

enum Oracle {
    Green,
    Red,
    Broken,
}

fn oracle(root: &Path) -> Result<Oracle, String> {
    let cargo = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO"));
        command.args(args).current_dir(root).env("LEAK_REQUESTS", REQUESTS);
        let out = command.output();
        out.map(|out| out.status.success()).map_err(|e| format!("cargo does not run: {e}"))
    };
    let build = ["test", "-p", "record", "--test", "record", "--no-run"];
    if !cargo(&build)? {
        return Ok(Oracle::Broken);
    }
    let test = "leak::nobody_learns_of_what_may_not_be_seen";
    let run = ["test", "-p", "record", "--test", "record", test, "--", "--exact"];
    Ok(if cargo(&run)? { Oracle::Green } else { Oracle::Red })
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}
