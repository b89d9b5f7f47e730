//! SQLite: moving the write-ahead log into the database file, beside the writer.
//!
//! A thread copies pages while commits go on. The log starts over only when all of it is copied
//! and nobody reads it; the writer sees to that when the log has become long.

use std::path::PathBuf;
use std::sync::{Arc, mpsc};

use crate::error::Result;
use crate::store::Shared;

use super::schema;
use super::sqlite::Connection;

/// Log length from which pages are copied, in bytes.
const COPY_FROM_BYTES: u64 = 24 << 20;
/// Log length from which the writer makes it start over, in bytes.
const RESTART_FROM_BYTES: u64 = 96 << 20;
/// Commits between two looks at the length.
const COMMITS_PER_LOOK: u32 = 16;

pub struct Checkpointer {
    log: PathBuf,
    to_thread: Option<mpsc::SyncSender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
    commits: u32,
    shared: Arc<Shared>,
}

impl Checkpointer {
    pub fn start(shared: &Arc<Shared>) -> Result<Checkpointer> {
        let (folder, key) = shared.folder()?;
        let connection = Connection(schema::open(folder, key, false, 4 * 1024)?);
        let (to_thread, wanted) = mpsc::sync_channel(1);
        let for_thread = shared.clone();
        let thread =
            std::thread::Builder::new().name("store-checkpoint".into()).spawn(move || {
                for () in wanted {
                    for_thread.readers.end_idle();
                    if let Err(e) = checkpoint(&connection, "PASSIVE") {
                        for_thread.fail(&e.public);
                        return;
                    }
                }
            })?;
        Ok(Checkpointer {
            log: folder.join(format!("{}-wal", schema::FILE)),
            to_thread: Some(to_thread),
            thread: Some(thread),
            commits: 0,
            shared: shared.clone(),
        })
    }

    pub fn after_commit(&mut self, connection: &Connection) -> Result<()> {
        self.commits += 1;
        if self.commits < COMMITS_PER_LOOK {
            return Ok(());
        }
        self.commits = 0;
        let bytes = std::fs::metadata(&self.log).map_or(0, |m| m.len());
        if bytes >= RESTART_FROM_BYTES {
            self.shared.readers.without_states(|| checkpoint(connection, "TRUNCATE"))?;
        } else if bytes >= COPY_FROM_BYTES
            && let Some(to_thread) = &self.to_thread
        {
            // One is waiting already: enough.
            let _waiting = to_thread.try_send(());
        }
        Ok(())
    }

    /// Ends the thread and copies what is left.
    pub fn stop(&mut self, connection: &Connection) {
        self.to_thread = None;
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
        // Not needed for safety: the next start reads the log.
        let _left_in_log =
            self.shared.readers.without_states(|| checkpoint(connection, "TRUNCATE"));
    }
}

/// Copies all of the log into the file and lets it start over, when nobody else has it open.
pub fn finish(connection: &Connection) -> Result<()> {
    checkpoint(connection, "TRUNCATE")
}

/// Copies the log. Being kept from it by readers is no failure; the next one goes on.
fn checkpoint(connection: &Connection, mode: &str) -> Result<()> {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    match connection.0.query_row(&sql, [], |_| Ok(())) {
        Ok(()) => Ok(()),
        Err(e) if e.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => Ok(()),
        Err(e) => Err(e.into()),
    }
}
