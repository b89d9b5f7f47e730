//! The table of errors as a whole, so that a change is seen in review.

use record::Kind;

#[test]
fn the_table_of_errors_is_this() {
    let actual: String = Kind::ALL
        .iter()
        .map(|kind| {
            let (status, code) = kind.wire();
            format!("{:<16} {status} {}\n", kind.name(), code.as_str())
        })
        .collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/record/kinds.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &actual).expect("written");
    }
    assert_eq!(actual, std::fs::read_to_string(path).expect("the table"));
}
