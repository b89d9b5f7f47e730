//! `serve`: opens the practice and the doors, drains at the end.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use auth::{Auth, KnownPasswords, Rules, Site};
use jiff::tz::TimeZone;
use record::Record;
use rest::{Door, Drained, Tls};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::audit::Witnesses;
use super::audit::note::Witness;
use crate::cli::Serve;
use crate::config::Config;
use crate::failure::{Context, Failure, Result};
use crate::practice::{Open, Practice};

/// Threads for writes, which wait for the disk together.
const BLOCKING_THREADS_MAX: usize = 48;
/// Threads for searches and pages, for each core: they keep the cores busy, so more of them would
/// only take memory and each other's time.
const READING_THREADS_PER_CORE: usize = 2;
/// How long a thread without work keeps what it has reserved.
const THREAD_KEPT_MAX: Duration = Duration::from_secs(10);
/// How long a session or token that another process has ended may still be used here, at most.
const FORGET_EVERY: Duration = Duration::from_secs(5);
/// How often the head of the audit log is written down.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// How often the newest leaves of the audit log are indexed.
const INDEX_EVERY: Duration = Duration::from_secs(10);
/// How often unusual access is looked for.
const WATCH_EVERY: Duration = Duration::from_secs(60);
/// Steps of looking for unusual access, each time.
const WATCH_STEPS_MAX: usize = 5;
/// How often what is over is removed.
const SWEEP_EVERY: Duration = Duration::from_secs(300);

pub fn serve(args: &Serve) -> Result<ExitCode> {
    let mut config = Config::load(args.config.as_deref(), &args.data.data)?;
    if let Some(listen) = args.listen {
        config.listen = listen;
    }
    let text = |path: &std::path::PathBuf| path.display().to_string();
    config.tls_cert = args.tls_cert.as_ref().map(text).or(config.tls_cert);
    config.tls_key = args.tls_key.as_ref().map(text).or(config.tls_key);
    config.database_url = args.data.database_url.clone().or(config.database_url);
    run(&args.data.data, &config, |_| {})
}

/// Serves until told to stop. `ready` hears the address once the doors answer.
pub fn run(data: &Path, config: &Config, ready: impl FnOnce(SocketAddr)) -> Result<ExitCode> {
    log_to_stderr(config)?;
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if config.worker_threads > 0 {
        builder.worker_threads(config.worker_threads);
    }
    let runtime = builder
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_keep_alive(THREAD_KEPT_MAX)
        .build()
        .context(|| "threads cannot be started".to_owned())?;
    let reading = reading_threads()?;
    let drained = runtime.block_on(host(data, config, reading.handle(), ready))?;
    runtime.shutdown_timeout(Duration::from_secs(5));
    reading.shutdown_timeout(Duration::from_secs(1));
    if drained == Drained::TimedOut {
        tracing::warn!("stopped before all requests were answered");
    }
    Ok(ExitCode::SUCCESS)
}

/// A runtime for nothing but its threads for blocking work.
fn reading_threads() -> Result<tokio::runtime::Runtime> {
    let n_cores = std::thread::available_parallelism().map_or(1, usize::from);
    tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(n_cores * READING_THREADS_PER_CORE)
        .thread_keep_alive(THREAD_KEPT_MAX)
        .thread_name("reading")
        .build()
        .context(|| "threads cannot be started".to_owned())
}

async fn host(
    data: &Path,
    config: &Config,
    reading: &tokio::runtime::Handle,
    ready: impl FnOnce(SocketAddr),
) -> Result<Drained> {
    let (tls, zone) = (tls(config)?, time_zone(config)?);
    let listener = TcpListener::bind(config.listen).await.map_err(|e| {
        let listen = config.listen;
        Failure::new(format!("{listen} cannot be listened on: {e}; choose another --listen"))
    })?;
    let address = listener.local_addr().context(|| "no address".to_owned())?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let own = format!("{scheme}://{address}");
    let root = config.public_url.clone().unwrap_or_else(|| own.clone());
    let root = root.trim_end_matches('/');
    let base_url = format!("{root}/fhir");
    let url = config.database_url.as_deref();
    let (practice, open) = tokio::task::block_in_place(|| Practice::open(data, url, &base_url))?;
    let door = Arc::new(Door::new(
        open.record.clone(),
        Arc::clone(&open.auth),
        &base_url,
        config.metrics_token.clone(),
        reading.clone(),
    ));
    let site = Site::new(root);
    open.auth.set_rules(rules(config)?);
    open.auth.set_key_source(Arc::new(oauth::Gateway::new(config.loopback_keys)));
    let oauth = Arc::new(oauth::Door::new(Arc::clone(&open.auth), site.clone()));
    let sweeper = tokio::spawn(sweep(Arc::clone(&open.auth)));
    let (told, witness) = witnessing(config, &practice, &open)?;
    let telling = told.clone().map(|told| tokio::spawn(tell(told)));
    let indexer = Some(tokio::spawn(index_audit(open.record.clone())));
    let watcher = Some(tokio::spawn(watch(open.clone(), Hours::of(config)?, zone.clone())));
    let forgetter = open.record.waits().then(|| tokio::spawn(forget(open.clone())));
    let doors = super::site::Doors { rest: door, oauth, witness };
    let handler = super::site::handler(doors, &open, &practice, data, site, zone, reading.clone());
    let control = super::control::listen(data, practice, open.clone())
        .inspect_err(|error| tracing::warn!(%error, "commands cannot reach this process"))
        .ok();
    let stop = stop_signal()?;
    let serving = rest::serve(listener, tls, handler, stop);
    println!("ready {own}");
    tracing::info!(%address, "ready");
    ready(address);
    let drained = serving.await;
    for task in [Some(sweeper), forgetter, telling, indexer, watcher].into_iter().flatten() {
        task.abort();
        let _ = task.await;
    }
    let Open { record, auth } = open;
    let close = move || {
        drop(auth);
        if let Some(told) = told
            && let Err(error) = told.tell()
        {
            tracing::error!(%error, "the witness of the audit log");
        }
        if let Some(control) = control {
            control.close();
        }
        record.close()
    };
    tokio::task::spawn_blocking(close)
        .await
        .context(|| "the record was not closed".to_owned())??;
    Ok(drained)
}

fn tls(config: &Config) -> Result<Option<Tls>> {
    match (&config.tls_cert, &config.tls_key) {
        (None, None) => Ok(None),
        (Some(certificates), Some(key)) => {
            let tls = Tls::from_files(Path::new(certificates), Path::new(key));
            tls.map(Some).map_err(Failure::new)
        }
        _ => Err(Failure::usage("tls_cert and tls_key go together")),
    }
}

/// What the practice demands of its people.
fn rules(config: &Config) -> Result<Rules> {
    let open = |path: &String| {
        KnownPasswords::open(Path::new(path)).context(|| format!("known_passwords: {path}"))
    };
    let known_passwords = config.known_passwords.as_ref().map(open).transpose()?;
    Ok(Rules { second_factor: config.second_factor, known_passwords })
}

/// The practice's time zone.
fn time_zone(config: &Config) -> Result<TimeZone> {
    match &config.time_zone {
        None => Ok(TimeZone::system()),
        Some(name) => TimeZone::get(name).map_err(|_| {
            Failure::usage(format!("time_zone: {name} is not known; write America/New_York"))
        }),
    }
}

/// Ready when the process is told to stop.
fn stop_signal() -> Result<impl Future<Output = ()>> {
    let what = || "signals cannot be received".to_owned();
    let mut terminate = signal(SignalKind::terminate()).context(what)?;
    let mut interrupt = signal(SignalKind::interrupt()).context(what)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Forgets sessions, tokens and the policy often, where other processes may end or change them.
async fn forget(Open { record, auth }: Open) {
    loop {
        tokio::time::sleep(FORGET_EVERY).await;
        auth.forget_live();
        let record = record.clone();
        match tokio::task::spawn_blocking(move || record.refresh_access()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the policy cannot be read"),
            Err(error) => tracing::error!(%error, "the policy was not read"),
        }
    }
}

type Told = Option<Arc<Witnesses>>;
type Seen = Option<Arc<Witness>>;

/// Who is told the heads of this log, and what witnesses those of others; `None`: nobody, nothing.
fn witnessing(config: &Config, practice: &Practice, open: &Open) -> Result<(Told, Seen)> {
    let file = config.audit_witness.clone().map(PathBuf::from);
    let url = config.audit_witness_url.clone();
    let told = match (&file, &url) {
        (None, None) => None,
        _ => {
            let gateway = oauth::Gateway::new(config.loopback_keys);
            let key = super::audit::own_key(practice)?;
            Some(Arc::new(Witnesses::new(open.record.clone(), key, (file, url), gateway)))
        }
    };
    let witness = match &config.audit_witness_for {
        None => None,
        Some(keys) => {
            let logs = Witness::keys(keys)
                .map_err(|text| Failure::usage(format!("audit_witness_for: {text}")))?;
            let (record, key) = (open.record.clone(), super::audit::own_key(practice)?);
            Some(Arc::new(Witness { record, key, logs }))
        }
    };
    Ok((told, witness))
}

/// Tells the witnesses the head of the audit log, every minute.
async fn tell(told: Arc<Witnesses>) {
    loop {
        let copy = Arc::clone(&told);
        match tokio::task::spawn_blocking(move || copy.tell()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the witness of the audit log"),
            Err(error) => tracing::error!(%error, "the witness of the audit log"),
        }
        tokio::time::sleep(TELL_EVERY).await;
    }
}

/// Indexes the audit log behind those who read and write.
async fn index_audit(record: Record) {
    loop {
        let record = record.clone();
        match tokio::task::spawn_blocking(move || record.index_audit_some()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::error!(%error, "the audit log was not indexed"),
            Err(error) => tracing::error!(%error, "the audit log was not indexed"),
        }
        tokio::time::sleep(INDEX_EVERY).await;
    }
}

/// What counts as unusual access, from the settings.
#[derive(Clone, Copy)]
struct Hours {
    minutes: (u16, u16),
    charts_a_day: u32,
    window_days: i64,
}

impl Hours {
    fn of(config: &Config) -> Result<Hours> {
        let wrong = || Failure::usage("audit_hours: write hours such as 06:00-21:00");
        let minute = |text: &str| {
            let (hour, minute) = text.trim().split_once(':')?;
            let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
            (hour <= 24 && minute < 60).then_some(hour * 60 + minute)
        };
        let (from, to) = config.audit_hours.split_once('-').ok_or_else(wrong)?;
        let minutes = (minute(from).ok_or_else(wrong)?, minute(to).ok_or_else(wrong)?);
        Ok(Hours {
            minutes,
            charts_a_day: u32::try_from(config.audit_charts_a_day).unwrap_or(u32::MAX),
            window_days: i64::try_from(config.audit_window_days).unwrap_or(i64::MAX).min(36_500),
        })
    }
}

/// Looks for unusual access behind those who open charts.
async fn watch(open: Open, hours: Hours, zone: TimeZone) {
    loop {
        let (open, zone) = (open.clone(), zone.clone());
        match tokio::task::spawn_blocking(move || watch_once(&open, hours, &zone)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "unusual access was not looked for"),
            Err(error) => tracing::error!(%error, "unusual access was not looked for"),
        }
        tokio::time::sleep(WATCH_EVERY).await;
    }
}

fn watch_once(open: &Open, hours: Hours, zone: &TimeZone) -> Result<()> {
    let what = || "unusual access cannot be looked for".to_owned();
    let accounts = open.auth.accounts().context(what)?;
    let of_practice = accounts.into_iter().filter(|account| account.role != record::Role::Patient);
    let staff: Vec<record::Staff> = of_practice
        .map(|account| record::Staff {
            who: format!("User/{}", account.id),
            practitioner: account
                .fhir_user
                .and_then(|user| user.strip_prefix("Practitioner/").map(str::to_owned)),
        })
        .collect();
    let local = |at_ms: i64| {
        let at = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default();
        let at = at.to_zoned(zone.clone());
        let weekday = at.weekday().to_monday_one_offset().unsigned_abs();
        let minute =
            u16::from(at.hour().unsigned_abs()) * 60 + u16::from(at.minute().unsigned_abs());
        (weekday, minute)
    };
    let watch = record::Watch {
        staff: &staff,
        hours: hours.minutes,
        local: &local,
        window_days: hours.window_days,
        charts_a_day: hours.charts_a_day,
    };
    // What is left is looked at a minute later: those who work come first.
    for _ in 0..WATCH_STEPS_MAX {
        let ctx = record::Ctx::system("watch", open.record.now_ms());
        if open.record.watch_access(&ctx, &watch).context(what)? == 0 {
            break;
        }
    }
    Ok(())
}

/// Removes sessions, tokens and connections that are over, now and then.
async fn sweep(auth: Arc<Auth>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        let auth = Arc::clone(&auth);
        let swept = tokio::task::spawn_blocking(move || auth.sweep());
        if let Ok(Err(error)) = swept.await {
            tracing::warn!(%error, "what is over was not removed");
        }
    }
}

fn log_to_stderr(config: &Config) -> Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(&config.log)
        .map_err(|e| Failure::usage(format!("log: {e}")))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let done = if config.log_json { builder.json().try_init() } else { builder.try_init() };
    done.map_err(|e| Failure::new(format!("logging cannot be started: {e}")))
}
