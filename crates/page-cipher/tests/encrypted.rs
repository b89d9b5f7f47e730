//! An encrypted database through `rusqlite`: keys, damage, what is on the disk.

use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::{Connection, ffi};

const KEY: &str = "2dd29ca851e7b56e4697b0e1f08507293d761a05ce4d1b628663f411a8086d99";
const OTHER_KEY: &str = "2dd29ca851e7b56e4697b0e1f08507293d761a05ce4d1b628663f411a8086d98";
const CANARY: &str = "canary-Q7pX-of-the-plaintext";

/// Files of `tests/files` and how they are opened.
const FORMATS: [(&str, &str); 2] = [
    ("passphrase-sha512-4096.db", "PRAGMA key = 'correct horse'"),
    (
        "raw-sha256-8192.db",
        "PRAGMA key = \"x'2dd29ca851e7b56e4697b0e1f08507293d761a05ce4d1b628663f411a8086d99'\"; \
         PRAGMA cipher_page_size = 8192; PRAGMA cipher_hmac_algorithm = HMAC_SHA256",
    ),
];

/// A folder of one test, removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("page-cipher-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn open(path: &Path, key: &str, settings: &str) -> Connection {
    assert!(page_cipher::link() > 0);
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(&format!("PRAGMA key = \"x'{key}'\"; {settings}")).unwrap();
    connection
}

fn fill(connection: &Connection) {
    connection.execute_batch("CREATE TABLE t(id INTEGER PRIMARY KEY, body TEXT)").unwrap();
    let transaction = connection.unchecked_transaction().unwrap();
    for id in 0..500 {
        let body = format!("{CANARY} {id} {}", "abcdefgh".repeat(20));
        transaction.execute("INSERT INTO t VALUES (?1, ?2)", (id, body)).unwrap();
    }
    transaction.commit().unwrap();
}

fn n_rows(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT count(*) FROM t WHERE length(body) > 160", [], |row| row.get(0))
}

fn text(connection: &Connection, sql: &str) -> String {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn the_provider_is_ours_and_sqlite_is_as_new_as_the_bindings() {
    assert!(page_cipher::link() >= ffi::SQLITE_VERSION_NUMBER);
    let connection = open(Path::new(":memory:"), KEY, "");
    assert_eq!(text(&connection, "PRAGMA cipher_provider"), "aws-lc");
    assert!(text(&connection, "PRAGMA cipher_provider_version").contains("AWS-LC"));
    assert!(text(&connection, "PRAGMA cipher_version").starts_with("4."));
}

#[test]
fn the_plaintext_is_in_no_file() {
    let folder = Folder::new("canary");
    let connection = open(&folder.file("a.db"), KEY, "PRAGMA journal_mode = WAL");
    fill(&connection);
    let mut n_files = 0;
    for entry in std::fs::read_dir(&folder.0).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(11).any(|window| window == &CANARY.as_bytes()[..11]));
        assert!(!bytes.windows(6).any(|window| window == b"SQLite"));
        n_files += 1;
    }
    assert_eq!(n_files, 3, "database, WAL and its index");
}

#[test]
fn a_wrong_key_and_no_key_are_refused() {
    let folder = Folder::new("wrong-key");
    let path = folder.file("a.db");
    fill(&open(&path, KEY, ""));
    assert_eq!(n_rows(&open(&path, KEY, "")).unwrap(), 500);
    let wrong = n_rows(&open(&path, OTHER_KEY, "")).unwrap_err();
    assert_eq!(wrong.sqlite_error_code(), Some(rusqlite::ErrorCode::NotADatabase));
    let none = n_rows(&Connection::open(&path).unwrap()).unwrap_err();
    assert_eq!(none.sqlite_error_code(), Some(rusqlite::ErrorCode::NotADatabase));
}

#[test]
fn a_changed_byte_is_found_in_every_part_of_a_page() {
    for (page_bytes, hmac, hmac_bytes) in
        [(4096, "HMAC_SHA512", 64), (4096, "HMAC_SHA256", 32), (8192, "HMAC_SHA1", 20)]
    {
        let settings = format!(
            "PRAGMA cipher_page_size = {page_bytes}; PRAGMA cipher_hmac_algorithm = {hmac}"
        );
        let folder = Folder::new(&format!("changed-{hmac}"));
        let path = folder.file("a.db");
        fill(&open(&path, KEY, &settings));
        assert_eq!(n_rows(&open(&path, KEY, &settings)).unwrap(), 500);
        let whole = std::fs::read(&path).unwrap();
        let n_pages = whole.len() / page_bytes;
        assert!(n_pages > 10);
        let reserved = (16_usize + hmac_bytes).next_multiple_of(16);
        let (text, vector, mac) = (100, page_bytes - reserved, page_bytes - reserved + 16);
        for within in [text, vector, mac] {
            let mut changed = whole.clone();
            changed[(n_pages / 2) * page_bytes + within] ^= 1;
            std::fs::write(&path, changed).unwrap();
            let connection = open(&path, KEY, &settings);
            assert!(n_rows(&connection).is_err(), "{hmac} byte {within}");
            let found = text_rows(&connection, "PRAGMA cipher_integrity_check");
            assert_eq!(found.len(), 1, "{found:?}");
        }
        let mut swapped = whole.clone();
        let (a, b) = ((n_pages / 2) * page_bytes, (n_pages / 2 + 1) * page_bytes);
        swapped[a..a + page_bytes].copy_from_slice(&whole[b..b + page_bytes]);
        swapped[b..b + page_bytes].copy_from_slice(&whole[a..a + page_bytes]);
        std::fs::write(&path, swapped).unwrap();
        assert!(n_rows(&open(&path, KEY, &settings)).is_err(), "{hmac}: two pages swapped");
    }
}

fn text_rows(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_passphrase_goes_through_pbkdf2() {
    let folder = Folder::new("passphrase");
    let path = folder.file("a.db");
    let open = |passphrase: &str| {
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(&format!("PRAGMA key = '{passphrase}'")).unwrap();
        connection
    };
    fill(&open("correct horse"));
    assert_eq!(n_rows(&open("correct horse")).unwrap(), 500);
    assert!(n_rows(&open("correct horsf")).is_err());
}

#[test]
fn rekey_and_backup_keep_the_rows() {
    let folder = Folder::new("rekey");
    let (path, copy_path) = (folder.file("a.db"), folder.file("b.db"));
    let connection = open(&path, KEY, "");
    fill(&connection);
    connection.execute_batch(&format!("PRAGMA rekey = \"x'{OTHER_KEY}'\"")).unwrap();
    drop(connection);
    let connection = open(&path, OTHER_KEY, "");
    assert_eq!(n_rows(&connection).unwrap(), 500);
    assert!(n_rows(&open(&path, KEY, "")).is_err());

    let mut copy = open(&copy_path, KEY, "");
    let backup = rusqlite::backup::Backup::new(&connection, &mut copy).unwrap();
    backup.run_to_completion(1000, std::time::Duration::ZERO, None).unwrap();
    drop(backup);
    drop(copy);
    assert_eq!(n_rows(&open(&copy_path, KEY, "")).unwrap(), 500);
}

/// Threads share nothing: readers and a writer of their own files get their own rows.
#[test]
fn connections_on_several_threads_work() {
    let folder = Folder::new("threads");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let path = folder.file(&format!("{thread}.db"));
            scope.spawn(move || {
                fill(&open(&path, KEY, "PRAGMA journal_mode = WAL"));
                assert_eq!(n_rows(&open(&path, KEY, "")).unwrap(), 500);
            });
        }
    });
}

/// The files were written by SQLCipher 4.20 with its own provider over OpenSSL 3.0.
#[test]
fn files_of_the_reference_provider_open() {
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files");
    for (name, key) in FORMATS {
        let folder = Folder::new(name);
        let path = folder.file(name);
        std::fs::copy(files.join(name), &path).unwrap();
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(key).unwrap();
        assert_eq!(text(&connection, "SELECT body FROM t"), CANARY, "{name}");
        let damage = text_rows(&connection, "PRAGMA cipher_integrity_check");
        assert_eq!(damage, Vec::<String>::new(), "{name}");
    }
}

/// Debian's SQLCipher is one of version 3 over OpenSSL: it reads what we write in that format,
/// a raw key and a passphrase, and we read what it writes.
#[test]
fn files_are_exchanged_with_the_program_sqlcipher() {
    let version = Command::new("sqlcipher").arg("--version").output();
    if !version.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no sqlcipher");
        return;
    }
    for key in [format!("\"x'{KEY}'\""), "'correct horse'".to_owned()] {
        let folder = Folder::new("exchange");
        let (ours, theirs) = (folder.file("ours.db"), folder.file("theirs.db"));
        let settings = format!("PRAGMA key = {key}; PRAGMA cipher_compatibility = 3;");
        let open_3 = |path: &Path| {
            let connection = Connection::open(path).unwrap();
            connection.execute_batch(&settings).unwrap();
            connection
        };
        fill(&open_3(&ours));
        assert_eq!(sqlcipher(&ours, &key, "SELECT count(*) FROM t;"), "500");
        let create = "CREATE TABLE t(body); INSERT INTO t VALUES (printf('%0200d', 7));";
        sqlcipher(&theirs, &key, create);
        assert_eq!(n_rows(&open_3(&theirs)).unwrap(), 1);
    }
}

/// The last line that the program prints.
fn sqlcipher(path: &Path, key: &str, sql: &str) -> String {
    let output = Command::new("sqlcipher")
        .arg("-batch")
        .arg(path)
        .arg(format!("PRAGMA key = {key}; {sql}"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().last().unwrap_or_default().to_owned()
}
