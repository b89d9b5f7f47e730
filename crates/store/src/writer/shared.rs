//! Groups in a database in which other processes write too.
//!
//! A group is decided on the state that this process knows, and sent with the number of that
//! state. When somebody else has committed meanwhile nothing is written; the group is then decided
//! again under the lock of the head, where nobody comes between. When the connection breaks while
//! a group is being sent, a token tells afterwards whether it was committed; only then is anybody
//! answered, or the group decided anew.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fhir_tables::ResourceType;
use stdx::merkle::Frontier;

use super::{Answer, Engine, Group, Job, PreparedSet, Writer, index};
use crate::disk::Connection;
use crate::disk::postgres::{self, Attempt, Head, NewHead};
use crate::error::{CommitError, Error, Kind, Result};
use crate::follow;
use crate::memory::Generation;
use crate::types::{Check, Expect, Rid};

/// Longest time that callers wait for a database that does not answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// First and longest pause between two tries.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// After another process came between, groups take the lock first for this long.
const CONTENDED_FOR: Duration = Duration::from_secs(2);
/// Generations that wait to be written; with more of them the writer waits.
const FROZEN_MAX: usize = 3;

/// What this process knows of the others.
pub struct Shared {
    revision: i64,
    /// Groups take the lock first until then.
    contended_until: Option<Instant>,
    in_doubt: Option<InDoubt>,
    /// Distinguishes this process and its groups.
    token: [u8; 16],
    /// Groups so far.
    serial: u64,
    flusher: follow::Flusher,
}

/// A group that may have been committed.
struct InDoubt {
    /// Which group of this process it is.
    serial: u64,
    revision: i64,
    token: [u8; 16],
    /// Leaves of reads that went with it.
    n_audit: usize,
    sent: Sent,
}

/// What was decided on a group.
struct Sent {
    /// The first version that it wrote, and the one behind its last.
    base: Rid,
    next: Rid,
    group: Group,
    answers: Vec<Answer>,
}

enum Outcome {
    Done(Sent),
    Moved,
}

impl Shared {
    pub fn open(
        database: &postgres::Connection,
        shared: &Arc<crate::store::Shared>,
        head: &Head,
    ) -> Result<Shared> {
        shared.systems.load(database.systems(1)?.into_iter());
        follow::recover(shared, database, head)?;
        let mut token = [0; 16];
        aws_lc_rs::rand::fill(&mut token)
            .map_err(|_| Error::new(Kind::Broken, "the system gives no random bytes"))?;
        let flusher = follow::Flusher::start(shared, database.place())?;
        let (contended_until, in_doubt) = (None, None);
        let revision = head.revision;
        Ok(Shared { revision, contended_until, in_doubt, token, serial: 0, flusher })
    }
}

fn frontier(bytes: &[u8]) -> Result<Frontier> {
    if bytes.is_empty() {
        return Ok(Frontier::new());
    }
    Frontier::from_bytes(bytes).ok_or_else(|| Error::corrupt("the audit state"))
}

/// Whether trying again may help.
fn is_passing(e: &Error) -> bool {
    e.kind == Kind::Unavailable
}

/// Whether deciding on a set looks at lists.
fn searches(set: &PreparedSet) -> bool {
    set.checks.iter().any(|c| matches!(c, Check::Search { .. } | Check::NotReferenced { .. }))
}

impl Writer {
    fn database(&self) -> Result<&postgres::Connection> {
        match &self.connection {
            Connection::Postgres(database) => Ok(database),
            Connection::Sqlite(_) => Err(Error::new(Kind::Misuse, "the database is a file")),
        }
    }

    fn others(&mut self) -> Result<&mut Shared> {
        match &mut self.engine {
            Engine::Shared(shared) => Ok(shared),
            Engine::Local(_) => Err(Error::new(Kind::Misuse, "the database is a file")),
        }
    }

    /// One commit: the sets and waiting audit leaves. Tries again while the database does not
    /// answer; callers then get an error that they may repeat.
    pub(super) fn shared_group(&mut self, jobs: &[Job]) {
        if jobs.is_empty() && self.pending_audit.is_empty() {
            self.pending_since = None;
            self.stalled = false;
            return;
        }
        while self.shared.follow.n_frozen() > FROZEN_MAX && self.flush_goes_on() {
            std::thread::sleep(PAUSE_MIN);
        }
        if let Ok(others) = self.others() {
            others.serial += 1;
        }
        let began = Instant::now();
        // Leaves of reads can wait; who writes waits for them no longer than for an answer.
        let patience = if jobs.is_empty() { Duration::ZERO } else { PATIENCE };
        let mut pause = PAUSE_MIN;
        let mut must_lock = false;
        let outcome = loop {
            match self.attempt(jobs, must_lock) {
                Ok(Outcome::Done(sent)) => break Ok(sent),
                Ok(Outcome::Moved) => {
                    must_lock = true;
                    if let Ok(others) = self.others() {
                        others.contended_until = Some(Instant::now() + CONTENDED_FOR);
                    }
                }
                Err(e) if is_passing(&e) && began.elapsed() < patience => {
                    must_lock = true;
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(PAUSE_MAX);
                }
                Err(e) => break Err(e),
            }
        };
        match outcome {
            Ok(sent) => {
                self.pending_since = None;
                self.stalled = false;
                self.shared.audit_stalled.store(false, Ordering::SeqCst);
                self.publish_shared(jobs, &sent);
                for (job, answer) in jobs.iter().zip(sent.answers) {
                    let _caller_gone = job.reply.send(answer);
                }
            }
            Err(e) => {
                self.stalled = true;
                let waits = !self.pending_audit.is_empty();
                self.shared.audit_stalled.store(waits, Ordering::SeqCst);
                for job in jobs {
                    let again = Error::new(e.kind, e.public.clone());
                    let _caller_gone = job.reply.send(Err(again.into()));
                }
            }
        }
    }

    fn flush_goes_on(&self) -> bool {
        matches!(&self.engine, Engine::Shared(others) if others.flusher.goes_on())
    }

    /// Decides on the group once and sends it.
    fn attempt(&mut self, jobs: &[Job], must_lock: bool) -> Result<Outcome> {
        let serial = self.others()?.serial;
        // Those who waited for an earlier group were told to try again.
        if let Some(doubt) = self.resolve()?
            && doubt.serial == serial
        {
            return Ok(Outcome::Done(doubt.sent));
        }
        let now = Instant::now();
        let contended = self.others()?.contended_until.is_some_and(|until| now < until);
        let locked = must_lock || contended;
        let done = self.attempt_inner(jobs, locked);
        if !matches!(done, Ok(Outcome::Done(_))) {
            self.database()?.abandon();
        }
        done
    }

    fn attempt_inner(&mut self, jobs: &[Job], locked: bool) -> Result<Outcome> {
        if locked {
            let head = self.database()?.begin_locked()?;
            self.take_over(&head)?;
        } else {
            self.database()?.begin_hopeful();
        }
        self.prefetch(jobs)?;
        let (base, audit_before, at_before) = (self.next, self.audit.clone(), self.last_at_ms);
        let decided = self.decide(jobs);
        let sent = decided.map(|(group, answers)| Sent { base, next: self.next, group, answers });
        let outcome = match sent {
            Ok(sent) => self.send(sent, locked),
            Err(e) => Err(e),
        };
        if !matches!(outcome, Ok(Outcome::Done(_))) {
            (self.next, self.audit, self.last_at_ms) = (base, audit_before, at_before);
        }
        outcome
    }

    /// Looks up at once what the puts of the group must find.
    fn prefetch(&self, jobs: &[Job]) -> Result<()> {
        let mut wanted: Vec<(ResourceType, &str)> = jobs
            .iter()
            .flat_map(|job| &job.set.puts)
            .filter(|put| put.expect != Expect::New)
            .map(|put| (put.rt, put.id.as_str()))
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        self.database()?.prefetch(&wanted)
    }

    fn decide(&mut self, jobs: &[Job]) -> Result<(Group, Vec<Answer>)> {
        let mut group = Group::default();
        let mut answers = Vec::with_capacity(jobs.len());
        // What the group itself writes is looked up only by sets that search.
        let own = jobs.iter().any(|job| searches(&job.set)).then(|| Arc::new(Generation::new()));
        for job in jobs {
            match self.one(&job.set, own.as_ref(), &mut group) {
                Err(CommitError::Failed(e)) => return Err(e),
                answer => answers.push(answer),
            }
        }
        let leaves = std::mem::take(&mut self.pending_audit);
        let written = self.write_audit(&leaves);
        // Kept until they are on disk.
        self.pending_audit = leaves;
        written?;
        Ok((group, answers))
    }

    fn send(&mut self, sent: Sent, locked: bool) -> Result<Outcome> {
        let (last, last_at_ms, audit) = (self.next - 1, self.last_at_ms, self.audit.to_bytes());
        let others = self.others()?;
        let expected = others.revision;
        if !self.database()?.has_pending() {
            // All were refused: rightly so only if nobody has changed the state.
            let holds = locked || self.database()?.is_at(expected)?;
            self.database()?.abandon();
            if !holds {
                return Ok(Outcome::Moved);
            }
            return Ok(Outcome::Done(sent));
        }
        let others = self.others()?;
        for byte in others.token.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
        let token = others.token;
        let head = NewHead { expected, last, last_at_ms, audit: &audit, token: &token };
        let attempt = self.database()?.commit_group(&head);
        let n_audit = self.pending_audit.len();
        match attempt {
            Ok(Attempt::Done) => {
                self.others()?.revision = expected + 1;
                self.pending_audit.clear();
                Ok(Outcome::Done(sent))
            }
            Ok(Attempt::Moved) => Ok(Outcome::Moved),
            Err(e) => {
                if is_passing(&e) {
                    let others = self.others()?;
                    let serial = others.serial;
                    let revision = expected;
                    let doubt = InDoubt { serial, revision, token, n_audit, sent };
                    others.in_doubt = Some(doubt);
                }
                Err(e)
            }
        }
    }

    /// Finds out about a group in doubt. Gives it when it was committed.
    fn resolve(&mut self) -> Result<Option<InDoubt>> {
        let Some(doubt) = &self.others()?.in_doubt else { return Ok(None) };
        let (revision, token) = (doubt.revision, doubt.token);
        let committed = self.database()?.was_committed(revision, &token);
        if committed.is_err() {
            self.database()?.abandon();
        }
        let committed = committed?;
        let Some(doubt) = self.others()?.in_doubt.take() else { return Ok(None) };
        let head = self.database()?.shared_head()?;
        self.take_over(&head)?;
        if !committed {
            return Ok(None);
        }
        self.pending_audit.drain(..doubt.n_audit.min(self.pending_audit.len()));
        Ok(Some(doubt))
    }

    /// Makes the state of the database that of this process.
    fn take_over(&mut self, head: &Head) -> Result<()> {
        if self.others()?.revision == head.revision {
            return Ok(());
        }
        let shared = self.shared.clone();
        follow::follow(&shared, self.database()?, head.last, head.flushed)?;
        self.audit = frontier(&head.audit)?;
        self.next = head.last + 1;
        self.last_at_ms = head.last_at_ms;
        self.others()?.revision = head.revision;
        Ok(())
    }

    /// Makes a commit visible here.
    fn publish_shared(&mut self, jobs: &[Job], sent: &Sent) {
        let shared = self.shared.clone();
        follow::publish_own(&shared, sent.base, sent.next, |generation| {
            let mut numbers = sent.group.numbers.as_slice();
            for (job, answer) in jobs.iter().zip(&sent.answers) {
                let Ok(done) = answer else { continue };
                let (own, rest) = numbers.split_at(done.puts.len());
                index(generation, &job.set, &done.puts, own);
                numbers = rest;
            }
            self.publish_at(sent.next - 1, &sent.group);
            sent.group.deaths.iter().map(|(_, victim)| *victim).collect()
        });
        if let Engine::Shared(others) = &self.engine {
            others.flusher.look();
        }
    }

    /// What cannot be written to posting rows now stays in the log: the next start reads it there.
    pub(super) fn close_shared(&mut self) {
        if let Engine::Shared(others) = &mut self.engine {
            others.flusher.stop();
        }
    }
}
