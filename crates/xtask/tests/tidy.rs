//! The tree obeys its rules.

#[test]
fn the_tree_is_tidy() {
    let broken = xtask::tidy::check(&xtask::workspace_root()).expect("a readable tree");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
