//! A socket in the data folder, through which commands reach the process that serves it.
//!
//! Only the owner of the folder can open it. One line of JSON asks: the arguments and the folder
//! in which they were typed. One line answers: exit status, stdout, stderr.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Parser;
use fhir::json::{Doc, Value};

use super::{Done, on_open};
use crate::cli::Cli;
use crate::failure::{Context, Failure, Result};
use crate::practice::{Open, Practice};

const FILE: &str = "control.sock";
/// Bytes of a question.
const QUESTION_BYTES_MAX: u64 = 256 * 1024;

/// Asks the process that serves `data`, if there is one, to run this process's own command line
/// with `more` behind it.
pub fn ask(data: &Path, more: &[String]) -> Result<Option<Done>> {
    let Ok(mut stream) = UnixStream::connect(data.join(FILE)) else { return Ok(None) };
    let cwd = std::env::current_dir().context(|| "this folder cannot be named".to_owned())?;
    let args = std::env::args().chain(more.iter().cloned()).map(Value::from);
    let question = Value::object([
        ("args", Value::array(args)),
        ("cwd", Value::from(cwd.display().to_string())),
    ]);
    let what = || "the serving process did not answer".to_owned();
    stream.write_all(format!("{}\n", question.to_json()).as_bytes()).context(what)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).context(what)?;
    let doc = Doc::parse(answer).context(what)?;
    let text = |name| doc.root().str(name).unwrap_or_default().into_owned();
    match doc.root().str("failure") {
        Some(failure) => Err(Failure::new(failure)),
        None => {
            let is_bad = doc.root().get("bad").and_then(|node| node.as_bool()) == Some(true);
            Ok(Some(Done { out: text("out"), is_bad }))
        }
    }
}

/// Whether a process serves `data`.
pub fn is_served(data: &Path) -> bool {
    UnixStream::connect(data.join(FILE)).is_ok()
}

/// Listens until the process ends. The folder is ours: the store is open.
pub fn listen(data: &Path, practice: Practice, open: Open) -> Result<Listening> {
    let path = data.join(FILE);
    let _absent = std::fs::remove_file(&path);
    let listener =
        UnixListener::bind(&path).context(|| format!("{} cannot be made", path.display()))?;
    let shared = Arc::new((practice, open));
    let weak = Arc::downgrade(&shared);
    std::thread::Builder::new()
        .name("control".to_owned())
        .spawn(move || {
            for stream in listener.incoming().flatten() {
                // Gone when the server is closing.
                let Some(shared) = weak.upgrade() else { return };
                let spawned =
                    std::thread::Builder::new().name("command".to_owned()).spawn(move || {
                        if let Err(error) = answer(stream, &shared.0, &shared.1) {
                            tracing::warn!(%error, "a command was not answered");
                        }
                    });
                if let Err(error) = spawned {
                    tracing::warn!(%error, "a command was not run");
                }
            }
        })
        .context(|| "threads cannot be started".to_owned())?;
    Ok(Listening { path, shared })
}

/// The socket; [`Listening::close`] takes it away and gives the practice back.
pub struct Listening {
    path: PathBuf,
    shared: Arc<(Practice, Open)>,
}

impl Listening {
    /// Waits for commands that run; then nobody else holds the practice.
    pub fn close(self) {
        let _absent = std::fs::remove_file(&self.path);
        let mut shared = self.shared;
        // A command that runs is given the time it needs: it may be in the middle of a backup.
        while let Err(still) = Arc::try_unwrap(shared) {
            shared = still;
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

fn answer(stream: UnixStream, practice: &Practice, open: &Open) -> std::io::Result<()> {
    let mut question = String::new();
    BufReader::new(stream.try_clone()?).take(QUESTION_BYTES_MAX).read_line(&mut question)?;
    let value = match run(&question, practice, open) {
        Ok(done) => {
            Value::object([("out", Value::from(done.out)), ("bad", Value::from(done.is_bad))])
        }
        Err(failure) => Value::object([("failure", Value::from(failure.to_string()))]),
    };
    let mut stream = stream;
    stream.write_all(format!("{}\n", value.to_json()).as_bytes())
}

fn run(question: &str, practice: &Practice, open: &Open) -> Result<Done> {
    let doc = Doc::parse(question).context(|| "the question cannot be read".to_owned())?;
    let root = doc.root();
    let args: Vec<String> =
        root.list("args").filter_map(|arg| arg.as_str()).map(|arg| arg.into_owned()).collect();
    let cwd = root.str("cwd").unwrap_or_default();
    let cli = Cli::try_parse_from(args).map_err(|e| Failure::usage(e.to_string()))?;
    on_open(&cli.command, practice, open, Path::new(cwd.as_ref()))
}
