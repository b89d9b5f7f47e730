//! Every `data-test` name of the templates stands in `docs/api/pages.md`.

use std::{collections::BTreeSet, fs, path::Path};

fn collect(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a source folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source file");
        for start in ["data-test=\"", "(card(\""] {
            for part in text.split(start).skip(1) {
                found.extend(part.split('"').next().map(str::to_owned));
            }
        }
    }
}

#[test]
fn the_page_about_pages_lists_every_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = BTreeSet::new();
    collect(&root.join("src"), &mut names);
    assert!(names.len() > 60, "{} names", names.len());
    let page = fs::read_to_string(root.join("../../docs/api/pages.md")).expect("the page");
    let missing: Vec<&String> =
        names.iter().filter(|n| !page.contains(&format!("`{n}`"))).collect();
    assert!(missing.is_empty(), "not in docs/api/pages.md: {missing:?}");
}
