//! A practice in a folder of its own, the real binary, and a small HTTP client.
#![expect(dead_code, reason = "each test file uses a part")]

pub mod browser;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use fhir::json::Doc;

pub const PASSWORD: &str = "a quiet morning in May";

/// A folder that goes when the test ends well.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static N: AtomicU32 = AtomicU32::new(0);
        let n = N.fetch_add(1, Ordering::Relaxed);
        let name = format!("vitae-test-{}-{n}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// What a command said.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Said {
        Said {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).expect("UTF-8"),
            err: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }
}

/// A practice that was made by `init`.
pub struct Practice {
    pub folder: Folder,
}

impl Practice {
    pub fn new() -> Practice {
        let practice = Practice { folder: Folder::new() };
        practice.init("data");
        practice
    }

    /// A practice whose record is in a database.
    pub fn in_database(url: &str) -> Practice {
        let practice = Practice { folder: Folder::new() };
        practice.init_with("data", &["--database-url", url]);
        std::fs::write(
            practice.folder.path("data/vitae.toml"),
            format!("database_url = {url:?}\n"),
        )
        .expect("writes");
        practice
    }

    /// Another empty practice beside it.
    pub fn init(&self, name: &str) {
        self.init_with(name, &[]);
    }

    fn init_with(&self, name: &str, more: &[&str]) {
        let password = self.folder.path("password.txt");
        std::fs::write(&password, format!("{PASSWORD}\n")).expect("writes");
        let (data, password) = (self.text(name), password.display().to_string());
        let mut args = vec![
            "init",
            "--data",
            &data,
            "--practice",
            "primary-care",
            "--name",
            "Elm",
            "--admin",
            "nora",
            "--password-file",
            &password,
        ];
        args.extend(more);
        let said = self.run(&args);
        assert_eq!(said.code, 0, "{}", said.err);
    }

    pub fn text(&self, name: &str) -> String {
        self.folder.path(name).display().to_string()
    }

    pub fn data(&self) -> String {
        self.text("data")
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vitae"));
        command.args(args).env("VITAE_KEYS", self.folder.path("keys")).env_remove("VITAE_DATA");
        command.env_remove("VITAE_DATABASE_URL").stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Said {
        self.command(args).output().expect("runs").into()
    }

    /// Id and secret of a new client.
    pub fn client(&self, scope: &str) -> (String, String) {
        let said = self.run(&[
            "client",
            "add",
            "--data",
            &self.data(),
            "--name",
            "test",
            "--scope",
            scope,
        ]);
        assert_eq!(said.code, 0, "{}", said.err);
        let doc = Doc::parse(said.out).expect("JSON");
        let text = |name| doc.root().str(name).expect("there").into_owned();
        (text("client_id"), text("client_secret"))
    }

    pub fn serve(&self) -> Server {
        self.serve_with(&[])
    }

    pub fn serve_with(&self, more: &[&str]) -> Server {
        self.serve_in("data", more)
    }

    /// Serves the practice of another folder.
    pub fn serve_in(&self, name: &str, more: &[&str]) -> Server {
        let data = self.text(name);
        let mut args = vec!["serve", "--data", &data, "--listen", "127.0.0.1:0"];
        args.extend(more);
        self.started(self.command(&args))
    }

    /// Serves at this very address.
    pub fn serve_at(&self, address: &str) -> Server {
        let data = self.data();
        self.started(self.command(&["serve", "--data", &data, "--listen", address]))
    }

    /// Serves with these variables set; they say where it listens.
    pub fn serve_set(&self, env: &[(&str, &str)]) -> Server {
        let data = self.data();
        let mut command = self.command(&["serve", "--data", &data]);
        command.envs(env.iter().copied());
        self.started(command)
    }

    /// Serves from a shell that runs `first` before it becomes the server.
    pub fn serve_after(&self, first: &str) -> Server {
        let data = self.data();
        let own = self.command(&["serve", "--data", &data, "--listen", "127.0.0.1:0"]);
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{first}; exec \"$0\" \"$@\"")]);
        command.arg(own.get_program()).args(own.get_args());
        command.env("VITAE_KEYS", self.folder.path("keys")).env_remove("VITAE_DATA");
        command.stdin(Stdio::null());
        self.started(command)
    }

    fn started(&self, mut command: Command) -> Server {
        let log = std::fs::File::create(self.folder.path("serve.log")).expect("a log");
        command.stdout(Stdio::piped()).stderr(log).env("VITAE_METRICS_TOKEN", "metrics-only");
        let mut child = command.spawn().expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        lines.read_line(&mut line).expect("reads");
        let address = line
            .trim()
            .strip_prefix("ready ")
            .and_then(|rest| rest.rsplit("://").next())
            .unwrap_or_else(|| {
                let log =
                    std::fs::read_to_string(self.folder.path("serve.log")).unwrap_or_default();
                panic!("not ready: {line:?} {log}")
            });
        Server { address: address.to_owned(), child }
    }

    /// A server and a client with a token for `scope`.
    pub fn serve_for(&self, scope: &str) -> (Server, Http) {
        let (id, secret) = self.client(scope);
        let server = self.serve();
        let mut http = server.http();
        http.log_in(&id, &secret);
        (server, http)
    }
}

/// A serving process; killed when dropped.
pub struct Server {
    pub address: String,
    pub child: Child,
}

impl Server {
    pub fn http(&self) -> Http {
        Http { address: self.address.clone(), stream: None, token: None }
    }

    /// SIGKILL, at once.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM; the exit status.
    pub fn stop(&mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill is there");
        assert!(sent.success());
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(30) {
            if let Some(status) = self.child.try_wait().expect("waits") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An HTTP/1.1 client on one connection.
pub struct Http {
    address: String,
    stream: Option<BufReader<TcpStream>>,
    pub token: Option<String>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    pub fn doc(&self) -> Doc {
        Doc::parse(self.body.clone()).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// Code of the first issue of an OperationOutcome.
    pub fn issue(&self) -> String {
        let doc = self.doc();
        let root = doc.root();
        assert_eq!(root.str("resourceType").as_deref(), Some("OperationOutcome"), "{root:?}");
        let issue = root.list("issue").next().expect("an issue");
        issue.str("code").expect("a code").into_owned()
    }

    /// `id` of the resource.
    pub fn id(&self) -> String {
        self.doc().root().str("id").expect("an id").into_owned()
    }
}

impl Http {
    /// Gets a bearer token for all that the client may.
    pub fn log_in(&mut self, id: &str, secret: &str) {
        let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
        let answer = self.form("/oauth2/token", &form);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let doc = answer.doc();
        self.token = doc.root().str("access_token").map(|text| text.into_owned());
    }

    pub fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    pub fn post(&mut self, path: &str, json: &str) -> Answer {
        self.send("POST", path, &[("Content-Type", "application/fhir+json")], json.as_bytes())
    }

    pub fn put(&mut self, path: &str, json: &str) -> Answer {
        self.send("PUT", path, &[("Content-Type", "application/fhir+json")], json.as_bytes())
    }

    pub fn form(&mut self, path: &str, form: &str) -> Answer {
        let header = ("Content-Type", "application/x-www-form-urlencoded");
        self.send("POST", path, &[header], form.as_bytes())
    }

    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        self.try_send(method, path, headers, body)
            .unwrap_or_else(|e| panic!("{method} {path}: {e}"))
    }

    /// As [`Http::send`]; an error when the server goes away.
    pub fn try_send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> std::io::Result<Answer> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: test\r\n");
        if let Some(token) = &self.token {
            head.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH") {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body);
        let answer = self.exchange(&bytes, method == "HEAD");
        if answer.is_err() {
            self.stream = None;
        }
        answer
    }

    /// Sends these bytes as they are.
    pub fn exchange(&mut self, bytes: &[u8], is_head: bool) -> std::io::Result<Answer> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(&self.address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(Duration::from_secs(60)))?;
            self.stream = Some(BufReader::new(stream));
        }
        let stream = self.stream.as_mut().expect("just made");
        // A refusal may come before the whole body was sent.
        let _ = stream.get_mut().write_all(bytes);
        let answer = read_answer(stream, is_head)?;
        if answer.header("connection").is_some_and(|value| value.contains("close")) {
            self.stream = None;
        }
        Ok(answer)
    }
}

fn read_answer(stream: &mut BufReader<TcpStream>, is_head: bool) -> std::io::Result<Answer> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|text| text.parse().ok());
    let Some(status) = status else {
        return Err(std::io::Error::other(format!("no status in {line:?}")));
    };
    let mut headers = Vec::new();
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.push((name.to_owned(), value.to_owned())),
            None => break,
        }
    }
    let mut answer = Answer { status, headers, body: Vec::new() };
    let n: usize = answer.header("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
    if !is_head && n > 0 {
        answer.body.resize(n, 0);
        stream.read_exact(&mut answer.body)?;
    }
    Ok(answer)
}
