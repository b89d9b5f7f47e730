//! Groups in a file that this process alone writes: one transaction, one `fsync`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;

use fhir_tables::ResourceType;

use super::{Answer, Engine, Group, Job, Writer};
use crate::disk::checkpoint::Checkpointer;
use crate::disk::{Connection, sqlite};
use crate::error::{CommitError, Error, Kind, Result};
use crate::flush::Flusher;
use crate::memory::Generation;
use crate::store::Shared;
use crate::types::Rid;

/// What belongs to the file.
pub struct Local {
    flusher: Flusher,
    checkpoint: Checkpointer,
    next_dictionary: u32,
}

impl Local {
    pub fn open(
        connection: &Connection,
        shared: &Arc<Shared>,
        next: Rid,
        last_dictionary: u32,
    ) -> Result<Local> {
        Ok(Local {
            flusher: Flusher::recover(connection, shared, next)?,
            checkpoint: Checkpointer::start(shared)?,
            next_dictionary: last_dictionary + 1,
        })
    }

    pub fn has_work(&self) -> bool {
        self.flusher.has_work()
    }
}

impl Writer {
    fn file(&self) -> Result<&sqlite::Connection> {
        match &self.connection {
            Connection::Sqlite(file) => Ok(file),
            Connection::Postgres(_) => Err(Error::new(Kind::Misuse, "the database is no file")),
        }
    }

    fn local(&mut self) -> Result<(&sqlite::Connection, &mut Local, &Shared)> {
        match (&self.connection, &mut self.engine) {
            (Connection::Sqlite(file), Engine::Local(local)) => Ok((file, local, &self.shared)),
            _ => Err(Error::new(Kind::Misuse, "the database is no file")),
        }
    }

    pub(super) fn in_transaction(
        &self,
        file: &sqlite::Connection,
        f: impl FnOnce(&Connection) -> Result<()>,
    ) -> Result<()> {
        file.begin()?;
        match f(&self.connection).and_then(|()| file.commit()) {
            Ok(()) => Ok(()),
            Err(e) => {
                self.roll_back();
                Err(e)
            }
        }
    }

    fn roll_back(&self) {
        if let Err(e) = self.file().and_then(sqlite::Connection::roll_back) {
            self.shared.fail(&format!("a transaction could not be rolled back: {e}"));
        }
    }

    pub(super) fn add_local_dictionary(&mut self, rt: ResourceType, bytes: &[u8]) -> Result<()> {
        let (file, local, _) = self.local()?;
        let number = local.next_dictionary;
        file.put_dictionary(number, rt, bytes)?;
        local.next_dictionary += 1;
        self.use_dictionary(number, rt, bytes)
    }

    /// One transaction: the sets, waiting audit leaves, a part of the index to disk.
    pub(super) fn local_group(&mut self, jobs: Vec<Job>, idle_keys: usize) {
        let base = self.next;
        let audit_before = self.audit.clone();
        let Engine::Local(local) = &self.engine else { return };
        let generation = local.flusher.active();
        let mut group = Group::default();
        let mut answers: Vec<(mpsc::SyncSender<Answer>, Answer)> = Vec::with_capacity(jobs.len());
        let outcome = self.transact(jobs, idle_keys, &generation, &mut group, &mut answers);
        match outcome {
            Ok(()) => {
                self.pending_audit.clear();
                self.pending_since = None;
                self.stalled = false;
                self.shared.audit_stalled.store(false, Ordering::SeqCst);
                self.publish(&group);
                if !answers.is_empty() {
                    self.shared.readers.changed();
                }
                for (reply, answer) in answers {
                    let _caller_gone = reply.send(answer);
                }
                self.after_commit();
            }
            Err(e) => {
                self.roll_back();
                generation.drop_from(base);
                self.next = base;
                self.audit = audit_before;
                if let Engine::Local(local) = &mut self.engine {
                    local.flusher.rolled_back();
                }
                self.stop_unless_full(&e);
                self.stalled = true;
                let waits = !self.pending_audit.is_empty();
                self.shared.audit_stalled.store(waits, Ordering::SeqCst);
                for (reply, _) in answers {
                    let again = Error::new(e.kind, e.public.clone());
                    let _caller_gone = reply.send(Err(again.into()));
                }
            }
        }
    }

    fn transact(
        &mut self,
        jobs: Vec<Job>,
        idle_keys: usize,
        generation: &Arc<Generation>,
        group: &mut Group,
        answers: &mut Vec<(mpsc::SyncSender<Answer>, Answer)>,
    ) -> Result<()> {
        self.file()?.begin()?;
        let n_before = self.next;
        for job in jobs {
            let answer = self.one(&job.set, Some(generation), group);
            match answer {
                Err(CommitError::Failed(e)) => {
                    let words = e.public.clone();
                    let kind = e.kind;
                    answers.push((job.reply, Err(CommitError::Failed(e))));
                    return Err(Error::new(kind, words));
                }
                answer => answers.push((job.reply, answer)),
            }
        }
        let leaves = std::mem::take(&mut self.pending_audit);
        let written = self.write_audit(&leaves);
        // Kept until the transaction is on disk.
        self.pending_audit = leaves;
        written?;
        let (upto, systems) = self.shared.systems.unsaved();
        let n_puts = self.next - n_before;
        let audit = self.audit.to_bytes();
        let (file, local, shared) = self.local()?;
        for (number, text) in &systems {
            file.put_system(*number, text)?;
        }
        local.flusher.step(file, shared, n_puts, idle_keys)?;
        file.set_meta("audit", &audit)?;
        file.commit()?;
        shared.systems.mark_saved(upto);
        Ok(())
    }

    fn after_commit(&mut self) {
        let next = self.next;
        let done = self.local().and_then(|(file, local, shared)| {
            local.flusher.committed(shared, next);
            local.checkpoint.after_commit(file)
        });
        if let Err(e) = done {
            self.stop_unless_full(&e);
        }
    }

    /// Writes the index that is in memory, so that the next start is quick.
    pub(super) fn close_local(&mut self) {
        let next = self.next;
        if self.shared.failure().is_none() {
            if let Engine::Local(local) = &mut self.engine {
                local.flusher.freeze_all(&self.shared, next);
            }
            while self.has_flush_work() && !self.stalled && self.shared.failure().is_none() {
                self.group(Vec::new(), 50_000);
            }
        }
        if let Ok((file, local, _)) = self.local() {
            local.checkpoint.stop(file);
        }
    }
}
