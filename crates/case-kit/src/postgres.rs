//! A private PostgreSQL server for the tests of one program.
//!
//! It is made in a folder of its own, listens on a socket there and, with TLS, on this machine's own
//! address, and writes to the disk as a real one does (`fsync`). It ends with the program, however that ends: a shell waits
//! at the other end of a pipe. The server refuses to run as root; then it runs as `postgres`.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// What the shell does: `bin` is `$1`. Each line that it reads is a way to restart.
const SCRIPT: &str = r#"
set -e
bin=$1
export PGPORT=$2
dir=$(mktemp -d "${TMPDIR:-/tmp}/vitae-pg-XXXXXX")
trap '"$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1; rm -rf "$dir"' EXIT
"$bin/initdb" -D "$dir/data" -U vitae -A trust -E UTF8 --locale=C >"$dir/log" 2>&1
(
    cd "$dir"
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=root -keyout ca.key -out ca.pem
    openssl req -new -newkey rsa:2048 -nodes -subj /CN=localhost -keyout data/server.key -out csr
    echo 'subjectAltName = DNS:localhost' >san
    openssl x509 -req -in csr -CA ca.pem -CAkey ca.key -set_serial 1 -days 2 -extfile san \
        -out data/server.crt
    chmod 600 data/server.key
    chmod 755 .
) >>"$dir/log" 2>&1
cat >>"$dir/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
port = $2
ssl = on
unix_socket_directories = '$dir'
max_connections = 300
shared_buffers = 128MB
CONF
sessions() {
    "$bin/psql" -h "$dir" -U vitae -qAtc "SELECT pid FROM pg_stat_activity
        WHERE application_name = 'vitae' ORDER BY query_start DESC" vitae 2>/dev/null
}
start() { "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w start >/dev/null 2>&1; }
start
"$bin/createdb" -h "$dir" -U vitae vitae
echo "ready $dir"
while read -r how; do
    case $how in
    kill)
        kill -9 $(sessions | head -n 1) 2>/dev/null || true
        until "$bin/psql" -h "$dir" -U vitae -qc 'SELECT 1' vitae >/dev/null 2>&1; do sleep 0.1; done ;;
    terminate)
        "$bin/psql" -h "$dir" -U vitae -qAtc "SELECT pg_terminate_backend(pid)
            FROM pg_stat_activity WHERE application_name = 'vitae'" vitae >/dev/null 2>&1 || true ;;
    *) "$bin/pg_ctl" -D "$dir/data" -m "$how" -w stop >/dev/null 2>&1 || true; start || start ;;
    esac
    echo done
done
"#;

/// How a server is made to stop before it starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Sessions are ended, all is written.
    Fast,
    /// At once, as when the power fails.
    Immediate,
}

/// How sessions are ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndSessions {
    Terminate,
    Kill,
}

struct Shell {
    _child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// A running server.
pub struct Cluster {
    folder: PathBuf,
    port: u16,
    shell: Mutex<Shell>,
    databases: AtomicU32,
}

fn programs() -> Option<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            Some((version, path.join("bin")))
        })
        .filter(|(version, bin)| *version >= 15 && bin.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().map(|(_, bin)| bin)
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|out| out.stdout.trim_ascii() == b"0")
}

impl Cluster {
    fn start() -> Result<Cluster, String> {
        let bin = programs().ok_or("no PostgreSQL 15 or newer is installed")?;
        // Free now; a socket that is bound for a moment holds it no longer.
        let port = std::net::TcpListener::bind(("127.0.0.1", 0))
            .and_then(|listener| listener.local_addr())
            .map_err(|e| format!("no port is free: {e}"))?
            .port();
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups", "sh"]);
            command
        } else {
            Command::new("sh")
        };
        let mut child = command
            .args(["-c", SCRIPT, "sh"])
            .arg(bin)
            .arg(port.to_string())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("the server cannot be started: {e}"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("the server cannot be started".into());
        };
        let mut output = BufReader::new(output);
        let mut line = String::new();
        output.read_line(&mut line).map_err(|e| e.to_string())?;
        let folder = line.trim_end().strip_prefix("ready ").map(PathBuf::from);
        let folder = folder.ok_or("the server cannot be started")?;
        let shell = Mutex::new(Shell { _child: child, input, output });
        Ok(Cluster { folder, port, shell, databases: AtomicU32::new(0) })
    }

    /// URL of the server's database `vitae`.
    pub fn url(&self) -> String {
        self.url_of("vitae")
    }

    fn url_of(&self, database: &str) -> String {
        let host = self.folder.to_string_lossy().replace('/', "%2F");
        format!("postgres:///{database}?host={host}&port={}&user=vitae", self.port)
    }

    /// URL by which the server is reached with TLS, without `sslrootcert`.
    pub fn tls_url(&self) -> String {
        format!("postgres://vitae@localhost:{}/vitae", self.port)
    }

    /// File with the root that signed the server's certificate.
    pub fn root_certificate(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// A name that nothing else of this program has.
    pub fn fresh_name(&self) -> String {
        let n = self.databases.fetch_add(1, Ordering::SeqCst);
        format!("practice-{}-{n}", std::process::id())
    }

    fn tell(&self, words: &str) {
        let mut shell = self.shell.lock().unwrap_or_else(PoisonError::into_inner);
        let told = writeln!(shell.input, "{words}").and_then(|()| shell.input.flush());
        assert!(told.is_ok(), "the server's shell is gone");
        let mut line = String::new();
        let answered = shell.output.read_line(&mut line);
        assert!(answered.is_ok() && line == "done\n", "the server does not start again: {line}");
    }

    /// Stops the server and starts it again.
    pub fn restart(&self, how: Stop) {
        self.tell(match how {
            Stop::Fast => "fast",
            Stop::Immediate => "immediate",
        });
    }

    /// Ends sessions of Vitae: `terminate` asks all of them to go, `kill` kills the process of the
    /// busiest, as the system does when memory runs out; the server then ends all and recovers.
    pub fn end_sessions(&self, how: EndSessions) {
        self.tell(match how {
            EndSessions::Terminate => "terminate",
            EndSessions::Kill => "kill",
        });
    }
}

/// The server of this program, started when it is first asked for. `None`: there is none on this
/// machine; `test` is then skipped by name, which is a failure in CI.
pub fn cluster(test: &str) -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Result<Cluster, String>> = OnceLock::new();
    match CLUSTER.get_or_init(Cluster::start) {
        Ok(cluster) => Some(cluster),
        Err(why) => skipped(test, why),
    }
}

/// A server for one test alone, which may make it fail.
pub fn own_cluster(test: &str) -> Option<Cluster> {
    match Cluster::start() {
        Ok(cluster) => Some(cluster),
        Err(why) => skipped(test, &why),
    }
}

fn skipped<T>(test: &str, why: &str) -> Option<T> {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{test}: {why}");
    eprintln!("{test} skipped: {why}");
    None
}
