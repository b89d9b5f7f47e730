//! Master keys: where they stand, how they are changed, and commands that stand in for them.
//!
//! In the key folder, for a practice `ID`: `ID.key` is a master key, or `ID.command` a command
//! that wraps and unwraps the data key in its place (a JSON list of the program and its
//! arguments). `.new` behind the name: about to take over; `.1`, `.2`, …: taken over from, kept for
//! older backups. A change is at each moment one that opens: the new key is on disk before
//! `practice.json` is wrapped by it, and nothing is removed.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fhir::json::Value;
use store::{DataKey, MasterKey};

use crate::failure::{Context, Failure, Result};
use crate::practice::write_private;

/// How long a command may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a wrapped key.
const WRAPPED_BYTES_MAX: usize = 16 * 1024;
/// Bytes of an `ID.command` file.
const COMMAND_BYTES_MAX: u64 = 64 * 1024;

fn key_name(id: &str) -> String {
    format!("{id}.key")
}

fn command_name(id: &str) -> String {
    format!("{id}.command")
}

/// Makes the first master key of a practice. The wrapped data key.
pub fn create(keys: &Path, id: &str, key: &DataKey) -> Result<String> {
    Ok(MasterKey::create(keys, &key_name(id))?.wrap(id, key)?)
}

/// The data key, and what opened it.
///
/// Errors: nothing in the folder opens it, with what would be needed.
pub fn open(keys: &Path, id: &str, wrapped: &str) -> Result<(DataKey, PathBuf)> {
    let mut trouble = None;
    for path in all(keys, id)? {
        let opened = match is_command(&path, id) {
            true => unwrap_by_command(&read_command(&path)?, id, wrapped),
            false => MasterKey::read(&path)
                .and_then(|master| master.unwrap(id, wrapped))
                .map_err(Failure::from),
        };
        match opened {
            Ok(key) => return Ok((key, path)),
            Err(failure) => trouble = trouble.or(Some(failure)),
        }
    }
    Err(trouble.unwrap_or_else(|| {
        let place = keys.join(key_name(id));
        let text = format!("the key file {} cannot be read; bring the key back", place.display());
        Failure::new(text)
    }))
}

/// Everything in the folder that may open the practice: what is in force, then what is about to
/// take over, then what was before, the newest first.
pub fn all(keys: &Path, id: &str) -> Result<Vec<PathBuf>> {
    // Without the folder there is no key: whoever needs one says so.
    let Ok(entries) = std::fs::read_dir(keys) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.context(|| format!("{} cannot be read", keys.display()))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let rank = [key_name(id), command_name(id)].iter().find_map(|own| {
            let rest = name.strip_prefix(own.as_str())?;
            match rest.strip_prefix('.') {
                None if rest.is_empty() => Some(0),
                Some("new") => Some(1),
                Some(number) => Some(u64::MAX - number.parse::<u64>().ok()?),
                None => None,
            }
        });
        found.extend(rank.map(|rank| (rank, path)));
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

fn is_command(path: &Path, id: &str) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with(&command_name(id))
}

/// Removes or brings to its end what an earlier change left.
pub fn tidy(keys: &Path, id: &str, wrapped: &str) -> Result<()> {
    let (_, opens) = open(keys, id, wrapped)?;
    if opens.extension().is_some_and(|end| end == "new") {
        take_over(keys, id)?;
    }
    for name in [key_name(id), command_name(id)] {
        let _absent = std::fs::remove_file(keys.join(format!("{name}.new")));
    }
    Ok(())
}

/// Makes what is to take over, and wraps the data key by it.
pub fn prepare(keys: &Path, id: &str, key: &DataKey, command: &[String]) -> Result<String> {
    if command.is_empty() {
        return Ok(MasterKey::create(keys, &format!("{}.new", key_name(id)))?.wrap(id, key)?);
    }
    let wrapped = run(command, id, "wrap", &key.to_hex())?;
    let back = unwrap_by_command(command, id, &wrapped)?;
    if back.to_hex() != key.to_hex() {
        return Err(Failure::new("the command does not unwrap what it wrapped: nothing changed"));
    }
    let list = command.iter().map(|word| Value::from(word.as_str())).collect();
    let path = keys.join(format!("{}.new", command_name(id)));
    write_private(&path, Value::Array(list).to_json().as_bytes())
        .context(|| format!("{} cannot be written", path.display()))?;
    Ok(wrapped)
}

/// What is about to take over does; where what was in force stands from now on.
pub fn take_over(keys: &Path, id: &str) -> Result<Option<PathBuf>> {
    let what = || format!("the keys in {} cannot be renamed", keys.display());
    let names = [key_name(id), command_name(id)];
    let mut before = None;
    for name in &names {
        let current = keys.join(name);
        if current.exists() {
            let number = (1u64..)
                .find(|n| names.iter().all(|name| !keys.join(format!("{name}.{n}")).exists()));
            let number = number.unwrap_or(u64::MAX);
            let kept = keys.join(format!("{name}.{number}"));
            std::fs::rename(&current, &kept).context(what)?;
            before = Some(kept);
        }
    }
    for name in &names {
        let new = keys.join(format!("{name}.new"));
        if new.exists() {
            std::fs::rename(&new, keys.join(name)).context(what)?;
        }
    }
    std::fs::File::open(keys).and_then(|folder| folder.sync_all()).context(what)?;
    Ok(before)
}

/// The command in a file that its owner alone may change.
fn read_command(path: &Path) -> Result<Vec<String>> {
    let place = path.display();
    let what = || format!("{place} cannot be read");
    let file = std::fs::File::open(path).context(what)?;
    let mode = file.metadata().context(what)?.permissions().mode();
    if mode & 0o022 != 0 {
        let text = format!("{place} may be changed by others: chmod go-w it before it is run");
        return Err(Failure::new(text));
    }
    let mut text = String::new();
    file.take(COMMAND_BYTES_MAX).read_to_string(&mut text).context(what)?;
    let value = Value::parse(text.as_bytes()).ok();
    let words = value.as_ref().and_then(Value::as_array).unwrap_or_default();
    let words: Option<Vec<String>> =
        words.iter().map(|word| word.as_str().map(str::to_owned)).collect();
    words.filter(|words| !words.is_empty()).ok_or_else(|| {
        Failure::new(format!("{place} is no JSON list of a program and its arguments"))
    })
}

fn unwrap_by_command(command: &[String], id: &str, wrapped: &str) -> Result<DataKey> {
    let text = run(command, id, "unwrap", wrapped)?;
    DataKey::from_hex(&text).ok_or_else(|| {
        Failure::new(format!("{} unwrap gave no key of 64 hexadecimal digits", command[0]))
    })
}

/// Gives a command one line and takes one line from it.
fn run(command: &[String], id: &str, verb: &str, line: &str) -> Result<String> {
    let program = command.first().map_or("", String::as_str);
    let failed = |why: String| Failure::new(format!("{program} {verb}: {why}"));
    let mut child = Command::new(program)
        .args(&command[1..])
        .arg(verb)
        .env("VITAE_PRACTICE", id)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| failed(format!("cannot be run: {e}")))?;
    let mut stdin = child.stdin.take().ok_or_else(|| failed("has no stdin".to_owned()))?;
    let text = format!("{line}\n");
    // A command that does not read must not keep us: its end is what counts.
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let pipes = (child.stdout.take(), child.stderr.take());
    let read = |pipe: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let limit = WRAPPED_BYTES_MAX as u64 + 1;
            if let Some(pipe) = pipe {
                let _ended = pipe.take(limit).read_to_end(&mut bytes);
            }
            bytes
        })
    };
    let stdout = read(pipes.0.map(|pipe| Box::new(pipe) as Box<dyn Read + Send>));
    let stderr = read(pipes.1.map(|pipe| Box::new(pipe) as Box<dyn Read + Send>));
    let since = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if since.elapsed() < COMMAND_TIMEOUT => {
                std::thread::sleep(Duration::from_millis(10));
            }
            _ => {
                let _gone = child.kill();
                let _reaped = child.wait();
                let seconds = COMMAND_TIMEOUT.as_secs();
                return Err(failed(format!("did not end within {seconds} s")));
            }
        }
    };
    let _written = writer.join();
    let (out, err) = (stdout.join().unwrap_or_default(), stderr.join().unwrap_or_default());
    if !status.success() {
        let said = String::from_utf8_lossy(&err).lines().next().unwrap_or_default().to_owned();
        return Err(failed(format!("ended with {status}: {said}")));
    }
    let text = String::from_utf8(out).map_err(|_| failed("wrote what is no text".to_owned()))?;
    let text = text.trim().to_owned();
    if text.is_empty() || text.len() > WRAPPED_BYTES_MAX || text.contains('\n') {
        return Err(failed("has to write one line".to_owned()));
    }
    Ok(text)
}
