//! What encryption costs: bulk insert, small commits, point reads and a scan of one database.
//!
//! `cargo run --release -p page-cipher --example page_speed -- [FOLDER] [ROWS]`; rows are 900
//! bytes and the cache is 8 MB, so that nearly every read misses it and pays for the page.

use std::path::Path;
use std::time::Instant;

use rusqlite::Connection;

const BODY_BYTES: usize = 900;
const KEY: &str = "2dd29ca851e7b56e4697b0e1f08507293d761a05ce4d1b628663f411a8086d99";

fn main() -> rusqlite::Result<()> {
    page_cipher::link();
    let folder = std::env::args().nth(1).unwrap_or_else(|| "target".to_owned());
    let n_rows = std::env::args().nth(2).and_then(|text| text.parse().ok()).unwrap_or(330_000);
    println!("                      insert MB/s  commits/s  point reads/s  scan MB/s");
    for (name, key, page_bytes, hmac) in [
        ("plain 4096", "", 4096, ""),
        ("SHA-512 4096", KEY, 4096, "HMAC_SHA512"),
        ("SHA-256 4096", KEY, 4096, "HMAC_SHA256"),
        ("SHA-512 8192", KEY, 8192, "HMAC_SHA512"),
        ("SHA-256 8192", KEY, 8192, "HMAC_SHA256"),
    ] {
        let settings = match key {
            "" => format!("PRAGMA page_size = {page_bytes};"),
            _ => format!(
                "PRAGMA key = \"x'{key}'\"; PRAGMA cipher_page_size = {page_bytes}; \
                 PRAGMA cipher_hmac_algorithm = {hmac};"
            ),
        };
        measure(name, &Path::new(&folder).join("page_speed.db"), &settings, n_rows)?;
    }
    Ok(())
}

fn measure(name: &str, path: &Path, settings: &str, n_rows: i64) -> rusqlite::Result<()> {
    remove(path);
    let connection = Connection::open(path)?;
    connection.execute_batch(settings)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -8192;
         CREATE TABLE t(id INTEGER PRIMARY KEY, body BLOB)",
    )?;
    let mega_bytes = n_rows as f64 * BODY_BYTES as f64 / 1e6;
    let body: Vec<u8> = (0..BODY_BYTES).map(|at| (at * 7) as u8).collect();
    let mut insert = connection.prepare("INSERT INTO t(body) VALUES (?1)")?;

    let start = Instant::now();
    for _ in 0..n_rows / 500 {
        let transaction = connection.unchecked_transaction()?;
        for _ in 0..500 {
            insert.execute([&body])?;
        }
        transaction.commit()?;
    }
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    let insert_rate = mega_bytes / start.elapsed().as_secs_f64();

    let start = Instant::now();
    for _ in 0..2000 {
        insert.execute([&body])?;
    }
    let commit_rate = 2000.0 / start.elapsed().as_secs_f64();

    let mut read = connection.prepare("SELECT length(body), body FROM t WHERE id = ?1")?;
    let (mut id, n_reads) = (1_i64, 100_000);
    let start = Instant::now();
    for _ in 0..n_reads {
        id = (id * 48_271) % 2_147_483_647;
        let body: Vec<u8> = read.query_row([id % n_rows + 1], |row| row.get(1))?;
        assert_eq!(body.len(), BODY_BYTES);
    }
    let read_rate = f64::from(n_reads) / start.elapsed().as_secs_f64();

    let start = Instant::now();
    let n_bytes: i64 =
        connection
            .query_row("SELECT sum(length(CAST(body AS TEXT)) + 1) FROM t", [], |row| row.get(0))?;
    assert!(n_bytes > 0);
    let scan_rate = mega_bytes / start.elapsed().as_secs_f64();
    println!("{name:20} {insert_rate:12.0} {commit_rate:10.0} {read_rate:14.0} {scan_rate:10.0}");
    drop((insert, read));
    drop(connection);
    remove(path);
    Ok(())
}

fn remove(path: &Path) {
    for end in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(end);
        drop(std::fs::remove_file(file));
    }
}
