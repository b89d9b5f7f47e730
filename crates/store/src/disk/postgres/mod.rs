//! PostgreSQL: a database that several processes share.
//!
//! Commits are put in order by a lock on one row, `head`, which counts them. A group of writes is
//! one call of a function that takes all rows as arrays and does nothing when somebody else has
//! committed meanwhile; the caller then catches up and tries again, holding the lock
//! ([`write`]). Readers need no transaction: what they see is bounded by a version number, and
//! what is below it never changes ([`read`]).
//!
//! A connection that was lost is opened again; what can be asked twice is asked again once.

mod place;
mod read;
mod write;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use postgres::error::SqlState;
use postgres::types::ToSql;
use postgres::{Client, Row, Statement};

pub use place::Database;
pub use write::{Attempt, NewHead};

use super::schema::{FORMAT, check_found};
use crate::error::{CommitError, Error, Kind, Result};
use crate::types::Rid;

type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// One practice in a database.
#[derive(Clone, Debug)]
pub struct Place {
    pub database: Database,
    /// Its number there.
    pub practice: i32,
}

/// What all processes agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Commits so far.
    pub revision: i64,
    pub last: Rid,
    pub last_at_ms: i64,
    pub audit: Vec<u8>,
    pub flushed: Rid,
}

struct Session {
    client: Client,
    statements: HashMap<&'static str, Statement>,
}

/// A connection; opened when it is first used.
pub struct Connection {
    place: Arc<Place>,
    session: RefCell<Option<Box<Session>>>,
    /// Inside `BEGIN`: a lost connection loses the transaction.
    in_transaction: Cell<bool>,
    pending: RefCell<Box<write::Pending>>,
}

impl Session {
    fn statement(&mut self, sql: &'static str) -> std::result::Result<Statement, postgres::Error> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql)?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }
}

/// Whether nothing more can be had over the connection.
fn ends_session(e: &postgres::Error) -> bool {
    match e.code() {
        // The server ends sessions with class 57P; 25P03 is the time-out of an idle transaction.
        Some(code) => code.code().starts_with("57P") || code.code() == "25P03",
        None => true,
    }
}

impl Connection {
    pub fn new(place: Arc<Place>) -> Connection {
        Connection {
            place,
            session: RefCell::new(None),
            in_transaction: Cell::new(false),
            pending: RefCell::default(),
        }
    }

    /// Runs `f` on the session; once more on a new one when it was lost and `f` may be repeated.
    fn with<T>(
        &self,
        may_repeat: bool,
        mut f: impl FnMut(&mut Session) -> std::result::Result<T, postgres::Error>,
    ) -> Result<T> {
        let mut left = if may_repeat && !self.in_transaction.get() { 2 } else { 1 };
        loop {
            left -= 1;
            let mut place = self.session.borrow_mut();
            if place.is_none() {
                if self.in_transaction.replace(false) {
                    return Err(lost());
                }
                let client = self.place.database.connect()?;
                *place = Some(Box::new(Session { client, statements: HashMap::new() }));
            }
            let Some(session) = place.as_mut() else { return Err(lost()) };
            match f(session) {
                Ok(done) => return Ok(done),
                Err(e) => {
                    let gone = ends_session(&e) || session.client.is_closed();
                    if gone {
                        *place = None;
                        if left > 0 {
                            continue;
                        }
                        self.in_transaction.set(false);
                    }
                    return Err(failure(e));
                }
            }
        }
    }

    fn query(&self, sql: &'static str, values: Values<'_>) -> Result<Vec<Row>> {
        self.with(true, |session| {
            let statement = session.statement(sql)?;
            session.client.query(&statement, values)
        })
    }

    fn query_opt(&self, sql: &'static str, values: Values<'_>) -> Result<Option<Row>> {
        Ok(self.query(sql, values)?.into_iter().next())
    }

    /// A statement that writes, and may do so twice.
    fn execute(&self, sql: &'static str, values: Values<'_>) -> Result<u64> {
        self.with(true, |session| {
            let statement = session.statement(sql)?;
            session.client.execute(&statement, values)
        })
    }

    fn batch(&self, sql: &str) -> Result<()> {
        self.with(false, |session| session.client.batch_execute(sql))
    }

    fn practice(&self) -> i32 {
        self.place.practice
    }

    pub fn is_open(&self) -> bool {
        self.session.try_borrow().is_ok_and(|session| session.is_some())
    }

    /// Ends the session; the next statement opens another.
    pub fn hang_up(&self) {
        *self.session.borrow_mut() = None;
        self.in_transaction.set(false);
    }

    pub fn place(&self) -> &Arc<Place> {
        &self.place
    }
}

fn lost() -> Error {
    Error::new(Kind::Unavailable, "the connection to the database was lost; try again")
}

/// What a failure of the database means to callers. Never names an address or a login.
pub fn failure(e: postgres::Error) -> Error {
    let again = "the database does not answer now; try again";
    let Some(code) = e.code().cloned() else {
        return Error::with(Kind::Unavailable, again, e);
    };
    let (kind, words) = match &code.code()[..2] {
        _ if code == SqlState::DISK_FULL => {
            (Kind::DiskFull, "the disk of the database is full; nothing was written")
        }
        _ if code == SqlState::READ_ONLY_SQL_TRANSACTION => (Kind::Unavailable, again),
        _ if code == SqlState::INVALID_CATALOG_NAME => {
            (Kind::Place, "the database does not exist; create it first (createdb)")
        }
        "28" => (Kind::Place, "the database refuses the login; look at user and password"),
        "42" => (Kind::Place, "the database refuses a statement; look at the rights of the user"),
        "XX" => (Kind::Corrupt, "the database reports that its files are damaged"),
        // Connection, resources, operator, rollback by the system, locks, time-outs.
        "08" | "25" | "40" | "53" | "55" | "57" | "58" => (Kind::Unavailable, again),
        _ => (Kind::Broken, "the database could not be read or written"),
    };
    Error::with(kind, words, e)
}

impl From<postgres::Error> for CommitError {
    fn from(e: postgres::Error) -> CommitError {
        CommitError::Failed(failure(e))
    }
}

/// A number as the database has it, as one of ours.
fn number<T: TryFrom<i64>>(row: &Row, column: usize) -> Result<T> {
    let n: i64 = row.try_get(column).map_err(failure)?;
    T::try_from(n).map_err(|_| Error::corrupt("a number is out of range"))
}

fn rid_of(row: &Row, column: usize) -> Result<Rid> {
    number(row, column)
}

fn bytes_of(row: &Row, column: usize) -> Result<&[u8]> {
    row.try_get(column).map_err(|_| Error::corrupt("a column is missing"))
}

fn text_of(row: &Row, column: usize) -> Result<&str> {
    row.try_get(column).map_err(|_| Error::corrupt("a column is missing"))
}

/// Makes the tables, if they are not there.
fn make_tables(client: &mut Client) -> Result<()> {
    // Two processes that do this at once disturb each other.
    let sql = format!(
        "BEGIN; SELECT pg_advisory_xact_lock(7861001);\n{}\nCOMMIT;",
        include_str!("tables.sql")
    );
    client.batch_execute(&sql).map_err(failure)
}

/// Adds an empty practice. Errors: `Place` when there is one of this name.
pub fn create(database: &Database, name: &str) -> Result<Place> {
    let mut client = database.connect()?;
    make_tables(&mut client)?;
    let mut transaction = client.transaction().map_err(failure)?;
    let row = transaction
        .query_opt(
            "INSERT INTO vitae.practice(name, form) VALUES ($1, $2) ON CONFLICT DO NOTHING
             RETURNING practice",
            &[&name, &FORMAT],
        )
        .map_err(failure)?;
    let Some(row) = row else {
        return Err(Error::new(Kind::Place, "the database holds this practice already"));
    };
    let practice: i32 = row.try_get(0).map_err(failure)?;
    transaction
        .execute("INSERT INTO vitae.head VALUES ($1, 0, 0, 0, ''::bytea, 0)", &[&practice])
        .map_err(failure)?;
    transaction.commit().map_err(failure)?;
    Ok(Place { database: database.clone(), practice })
}

/// A place for a practice that is about to arrive; nothing is written yet.
pub fn reserve(database: &Database) -> Result<Place> {
    let mut client = database.connect()?;
    make_tables(&mut client)?;
    let sql = "SELECT nextval(pg_get_serial_sequence('vitae.practice', 'practice'))";
    let row = client.query_one(sql, &[]).map_err(failure)?;
    let practice = i32::try_from(row.try_get::<_, i64>(0).map_err(failure)?)
        .map_err(|_| Error::new(Kind::Place, "the database holds too many practices"))?;
    Ok(Place { database: database.clone(), practice })
}

/// Gives a practice another name, under which it is kept and not found.
pub fn rename(place: &Place, name: &str) -> Result<()> {
    let mut client = place.database.connect()?;
    let sql = "UPDATE vitae.practice SET name = $2 WHERE practice = $1";
    client.execute(sql, &[&place.practice, &name]).map_err(failure)?;
    Ok(())
}

/// Finds a practice. Errors: `Place` when there is none of this name.
pub fn find(database: &Database, name: &str) -> Result<Place> {
    let none = || Error::new(Kind::Place, "the database holds no such practice; make or move one");
    let mut client = database.connect()?;
    let there: bool = client
        .query_one("SELECT to_regclass('vitae.practice') IS NOT NULL", &[])
        .and_then(|row| row.try_get(0))
        .map_err(failure)?;
    if !there {
        return Err(none());
    }
    make_tables(&mut client)?;
    let row = client
        .query_opt("SELECT practice, form FROM vitae.practice WHERE name = $1", &[&name])
        .map_err(failure)?;
    let row = row.ok_or_else(none)?;
    check_found(row.try_get(1).map_err(failure)?)?;
    let practice = row.try_get(0).map_err(failure)?;
    Ok(Place { database: database.clone(), practice })
}
