//! What the kernel says of processes, files and the machine.
//!
//! Source: proc(5). Linux only; elsewhere the figures are absent.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Clock ticks per second in `/proc`: a constant of Linux for programs (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU-seconds (user and system) that these processes and their descendants have used, those that
/// have ended among them.
///
/// Shape: `None` when no process is given or one of them is gone.
pub fn cpu_seconds(pids: &[u32]) -> Option<f64> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let id = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        let Some((id, stat)) = id.and_then(|id| Some((id, stat(id)?))) else { continue };
        parents.push((id, stat));
    }
    if pids.is_empty() || !pids.iter().all(|pid| parents.iter().any(|(id, _)| id == pid)) {
        return None;
    }
    let mut ticks = 0;
    for (id, stat) in &parents {
        if pids.iter().any(|pid| is_in_tree(*id, *pid, &parents)) {
            ticks += stat.ticks + stat.ended_children_ticks;
        }
    }
    Some(ticks as f64 / TICKS_PER_SECOND)
}

/// CPU-seconds that the children of this process have used that have ended and were waited for.
pub fn cpu_seconds_of_ended_children() -> f64 {
    stat(std::process::id()).map_or(0.0, |stat| stat.ended_children_ticks as f64 / TICKS_PER_SECOND)
}

/// The first process of a PostgreSQL server that listens at `port`.
///
/// Source: `postmaster.pid` in its data folder: the process is its first line, the port its fourth.
pub fn postgres(port: u16) -> Option<u32> {
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        if name.trim() != "postgres" {
            continue;
        }
        // Every process of the server has the data folder as its own.
        let file = fs::read_to_string(entry.path().join("cwd/postmaster.pid")).unwrap_or_default();
        let mut lines = file.lines();
        let is_first = lines.next().and_then(|line| line.trim().parse().ok()) == Some(pid);
        if is_first && lines.nth(2).and_then(|line| line.trim().parse().ok()) == Some(port) {
            return Some(pid);
        }
    }
    None
}

/// Bytes of the tables and indexes of the PostgreSQL server whose first process this is: all of its
/// databases, without the log of writes.
pub fn postgres_bytes(pid: u32) -> u64 {
    folder_bytes(Path::new(&format!("/proc/{pid}/cwd/base")))
}

/// CPU-seconds of one process without its descendants; 0 when it is not known.
pub fn cpu_seconds_alone(pid: u32) -> f64 {
    stat(pid).map_or(0.0, |stat| stat.ticks as f64 / TICKS_PER_SECOND)
}

fn is_in_tree(mut id: u32, root: u32, parents: &[(u32, Stat)]) -> bool {
    // A chain of parents is shorter than this unless ids were reused while we read.
    for _ in 0..64 {
        if id == root {
            return true;
        }
        match parents.iter().find(|(known, _)| *known == id) {
            Some((_, stat)) => id = stat.parent,
            None => return false,
        }
    }
    false
}

struct Stat {
    parent: u32,
    ticks: u64,
    /// Of children that have ended and were waited for, and theirs.
    ended_children_ticks: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Reads a line of `/proc/PID/stat`; the name in parentheses may hold anything.
fn parse_stat(text: &str) -> Option<Stat> {
    let fields: Vec<&str> = text.get(text.rfind(')')? + 1..)?.split_whitespace().collect();
    let number = |idx: usize| fields.get(idx)?.parse::<u64>().ok();
    // Counted from field 3, the state: 4 is the parent, 14 and 15 are user and system time, 16 and
    // 17 those of children that were waited for.
    let parent = u32::try_from(number(1)?).ok()?;
    let ended_children_ticks = number(13)? + number(14)?;
    Some(Stat { parent, ticks: number(11)? + number(12)?, ended_children_ticks })
}

/// Memory of one process, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    pub resident: u64,
    /// The most it ever was.
    pub peak: u64,
}

pub fn memory(pid: u32) -> Option<Memory> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').split_whitespace().next()?.parse::<u64>().ok()
    };
    Some(Memory { resident: field("VmRSS")? * 1024, peak: field("VmHWM")? * 1024 })
}

/// Bytes of all files below `folder`.
pub fn folder_bytes(folder: &Path) -> u64 {
    let mut bytes = 0;
    for path in files(folder) {
        bytes += fs::metadata(&path).map_or(0, |meta| meta.len());
    }
    bytes
}

/// Takes the files below `folder` out of the kernel's cache, as after a restart of the machine.
///
/// Shape: whether that could be done.
pub fn forget_cached(folder: &Path) -> bool {
    files(folder).iter().all(|path| {
        let mut dd = Command::new("dd");
        let from = format!("if={}", path.display());
        dd.args([from.as_str(), "iflag=nocache", "count=0", "status=none"]);
        dd.status().is_ok_and(|status| status.success())
    })
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(entry.path()),
                Ok(kind) if kind.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found
}

/// Binds a process and its future threads to one core.
///
/// Errors: `taskset` is missing or refuses.
pub fn pin(pid: u32, core: usize) -> Result<(), String> {
    let output = Command::new("taskset")
        .args(["-a", "-c", "-p", &core.to_string(), &pid.to_string()])
        .output()
        .map_err(|e| format!("taskset cannot be run: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("taskset: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

/// The machine that measures.
#[derive(Clone, Debug)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub memory_bytes: u64,
    pub kernel: String,
    /// Average of runnable tasks over the last minute: what else the machine does.
    pub load: f64,
}

pub fn machine() -> Machine {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let cpu = cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split_once(':'))
        .map_or_else(|| "unknown".to_owned(), |(_, name)| name.trim().to_owned());
    let memory_kib: u64 = read("/proc/meminfo")
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0);
    Machine {
        cpu,
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory_bytes: memory_kib * 1024,
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        load: load(),
    }
}

/// Average of runnable tasks over the last minute.
pub fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let line = "7 (a) b) S 3 7 7 0 -1 0 0 0 0 0 250 150 30 12 20 0 1 0 5 0 0";
        let stat = parse_stat(line).unwrap();
        assert_eq!((stat.parent, stat.ticks, stat.ended_children_ticks), (3, 400, 42));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_used_time_and_memory() {
        let pid = std::process::id();
        assert!(cpu_seconds(&[pid]).is_some());
        assert_eq!(cpu_seconds(&[]), None);
        assert_eq!(cpu_seconds(&[pid, u32::MAX]), None, "a process that is not there");
        let memory = memory(pid).unwrap();
        assert!(memory.peak >= memory.resident && memory.resident > 0, "{memory:?}");
    }
}
