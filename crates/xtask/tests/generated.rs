//! The committed tables are what the generator writes.

#[test]
fn generated_files_are_up_to_date() {
    let Some(suites) = case_kit::suites::folder_for_test("generated_files_are_up_to_date") else {
        return;
    };
    for file in xtask::codegen::generate(&suites).expect("definitions that fit the tables") {
        let path = xtask::workspace_root().join(xtask::codegen::FOLDER).join(file.name);
        let committed = std::fs::read_to_string(&path).expect("a committed file");
        // Not assert_eq!: a difference in a file of 700 kB is of no use on a terminal.
        assert!(committed == file.text, "{} differs: run `cargo xtask codegen`", file.name);
    }
}
