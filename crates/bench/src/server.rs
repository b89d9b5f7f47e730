//! A `vitae` that is started, asked and stopped; or one that runs already.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fhir::json::Value;

use crate::cli::Bench;
use crate::client::{Connection, Sending, Target};
use crate::process;

/// What `vitae serve` does for every write; there is no weaker mode.
pub const DURABILITY: &str =
    "fsync before every answer to a write (group commit), encrypted, audit on";
/// Login of the practice that is made for a run.
pub const USER: &str = "bench";
const PASSWORD: &str = "correct-horse-battery-staple-7";
const SCOPE: &str = "system/*.cruds";
/// How long a start may take.
const START_MAX: Duration = Duration::from_secs(120);
/// A token is fetched anew after this part of its life.
const TOKEN_RENEWAL: f64 = 0.5;

/// A practice on disk, and the program that serves it.
#[derive(Debug)]
pub struct Site {
    vitae: PathBuf,
    /// Holds the practice, its keys and the log of the server.
    folder: PathBuf,
    goes_away: bool,
    pin: bool,
    client: (String, String),
}

impl Site {
    /// The practice of the options; made if there is none.
    ///
    /// Errors: no program, a folder that cannot be made, a command that fails.
    pub fn new(bench: &Bench) -> Result<Site, String> {
        let vitae = match &bench.vitae {
            Some(path) => path.clone(),
            None => beside()?,
        };
        let (folder, goes_away) = match &bench.data {
            Some(folder) => (folder.clone(), false),
            None => {
                let name = format!("vitae-bench-{}", std::process::id());
                (std::env::temp_dir().join(name), true)
            }
        };
        std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let client = (String::new(), String::new());
        let mut site = Site { vitae, folder, goes_away, pin: bench.pin, client };
        let password_file = site.folder.join("password.txt");
        std::fs::write(&password_file, PASSWORD)
            .map_err(|e| format!("{}: {e}", password_file.display()))?;
        if !site.data().exists() {
            let kind = "primary-care";
            site.command(
                &["init", "--practice", kind, "--name", "Bench", "--admin", "admin"],
                &["--password-file", &password_file.to_string_lossy()],
            )?;
            site.command(
                &["user", "add", "--name", USER, "--role", "provider"],
                &["--password-file", &password_file.to_string_lossy()],
            )?;
        }
        let added = site.command(&["client", "add", "--name", "bench", "--scope", SCOPE], &[])?;
        let value = Value::parse(added.into_bytes()).map_err(|e| format!("client add: {e}"))?;
        let text = |name: &str| {
            let found = value.get(name).and_then(Value::as_str).map(str::to_owned);
            found.ok_or_else(|| format!("client add prints no {name}"))
        };
        site.client = (text("client_id")?, text("client_secret")?);
        Ok(site)
    }

    /// The folder of the practice.
    pub fn data(&self) -> PathBuf {
        self.folder.join("practice")
    }

    fn vitae(&self) -> Command {
        let mut command = Command::new(&self.vitae);
        command.env("VITAE_KEYS", self.folder.join("keys"));
        command
    }

    fn command(&self, args: &[&str], more: &[&str]) -> Result<String, String> {
        let output = self
            .vitae()
            .args(args)
            .arg("--data")
            .arg(self.data())
            .args(more)
            .output()
            .map_err(|e| format!("{}: {e}", self.vitae.display()))?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            return Err(format!("vitae {}: {}", args.join(" "), text.trim()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Starts the server and waits until it answers.
    ///
    /// Errors: it ends, or says nothing in time.
    pub fn start(&self) -> Result<Running, String> {
        let log_path = self.folder.join("serve.log");
        let log =
            std::fs::File::create(&log_path).map_err(|e| format!("{}: {e}", log_path.display()))?;
        let begin = Instant::now();
        let mut child = self
            .vitae()
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(self.data())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|e| format!("{}: {e}", self.vitae.display()))?;
        let stdout = child.stdout.take().ok_or("the server has no stdout")?;
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(url) = line.strip_prefix("ready http://") {
                    // The receiver gives up after a while.
                    let _ = sender.send((Instant::now(), url.trim().to_owned()));
                }
            }
        });
        let Ok((at, url)) = receiver.recv_timeout(START_MAX) else {
            let _ = child.kill();
            let _ = child.wait();
            let text = std::fs::read_to_string(&log_path).unwrap_or_default();
            let last = text.lines().last().unwrap_or("nothing").to_owned();
            return Err(format!("vitae serve did not become ready; it said: {last}"));
        };
        let address: SocketAddr =
            url.parse().map_err(|_| format!("vitae serve: {url} is no address"))?;
        let pid = child.id();
        if self.pin {
            process::pin(pid, 0)?;
            process::pin(std::process::id(), 1)?;
        }
        let target = target(address, "/fhir");
        Ok(Running { child, pid, target, ready_after: at - begin })
    }

    /// Asks for a token, and for the next before it is over.
    ///
    /// Errors: the server refuses.
    pub async fn authorize(&self, running: &Running) -> Result<(), String> {
        authorize(&running.target, &self.client.0, &self.client.1).await
    }

    /// Form of the login page.
    pub fn login_form() -> String {
        format!("user={USER}&password={PASSWORD}&next=")
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if self.goes_away {
            // What cannot be removed stays in the folder for temporary files.
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// A server that answers.
#[derive(Debug)]
pub struct Running {
    child: Child,
    pub pid: u32,
    pub target: Target,
    /// From the start of the program to its line `ready`.
    pub ready_after: Duration,
}

impl Running {
    /// Tells the server to end, and waits until it has written everything.
    ///
    /// Errors: it ends with a failure.
    pub fn stop(mut self) -> Result<(), String> {
        let pid = self.pid.to_string();
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .map_err(|e| format!("kill cannot be run: {e}"))?;
        let status = self.child.wait().map_err(|e| format!("vitae serve: {e}"))?;
        if !status.success() {
            return Err(format!("vitae serve ended with {status}"));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

pub fn target_of(bench: &Bench, address: SocketAddr) -> Target {
    let mut target = target(address, bench.base.trim_end_matches('/'));
    target.gzip = bench.gzip;
    target
}

fn target(address: SocketAddr, base: &str) -> Target {
    Target { address, base: Arc::from(base), credential: Arc::default(), gzip: false }
}

/// Asks for a token now, and for the next before it is over.
pub async fn authorize(target: &Target, id: &str, secret: &str) -> Result<(), String> {
    let life = fetch_token(target, id, secret).await?;
    let (target, id, secret) = (target.clone(), id.to_owned(), secret.to_owned());
    tokio::spawn(async move {
        let mut wait = life.mul_f64(TOKEN_RENEWAL);
        loop {
            tokio::time::sleep(wait).await;
            match fetch_token(&target, &id, &secret).await {
                Ok(life) => wait = life.mul_f64(TOKEN_RENEWAL),
                // The server has stopped, or refuses: the requests will tell.
                Err(_) => return,
            }
        }
    });
    Ok(())
}

async fn fetch_token(target: &Target, id: &str, secret: &str) -> Result<Duration, String> {
    let anonymous = Target { credential: Arc::default(), gzip: false, ..target.clone() };
    let mut connection = Connection::new(&anonymous);
    let form = format!(
        "grant_type=client_credentials&client_id={id}&client_secret={secret}\
         &scope=system%2F*.cruds"
    );
    let answer = connection.send("POST", "/oauth2/token", Sending::form(form.as_bytes())).await?;
    let text = String::from_utf8_lossy(answer.body).into_owned();
    if answer.status != 200 {
        return Err(format!("no token: {} {text}", answer.status));
    }
    let value = Value::parse(text.into_bytes()).map_err(|e| format!("no token: {e}"))?;
    let token = value.get("access_token").and_then(Value::as_str).ok_or("no access_token")?;
    target.set_bearer(token);
    let seconds = match value.get("expires_in") {
        Some(Value::Number(text)) => text.parse().unwrap_or(60.0),
        _ => 60.0,
    };
    Ok(Duration::from_secs_f64(seconds))
}

/// `vitae`: this program, or the one beside it.
fn beside() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|e| format!("this program's path: {e}"))?;
    let is_vitae = own.file_stem().is_some_and(|name| name == "vitae");
    let path = if is_vitae { own } else { own.with_file_name("vitae") };
    if Path::exists(&path) {
        return Ok(path);
    }
    Err(format!("{} is missing: cargo build --release -p vitae, or --vitae FILE", path.display()))
}
