//! `demo`: a practice with invented patients, served.

use std::fmt::Write;
use std::process::ExitCode;

use auth::NewAccount;
use record::{Role, SystemWorld, World};

use super::{generate, import, serve};
use crate::cli::Demo;
use crate::config::Config;
use crate::failure::{Context, Result};
use crate::practice::{Practice, write_private};

/// File with the demo logins, in the data folder.
pub const LOGINS: &str = "demo-logins.txt";
/// The folder that is renamed when the demo practice is complete.
const UNFINISHED: &str = "unfinished";
const DEMO_ZONE: &str = "America/New_York";
const PRACTICE_NAME: &str = "Elm Street Family Practice";

pub fn demo(args: &Demo) -> Result<ExitCode> {
    let logins = args.data.join(LOGINS);
    if !logins.exists() {
        make(args)?;
    }
    let mut config = Config::load(None, &args.data)?;
    if let Some(listen) = args.listen {
        config.listen = listen;
    }
    // The generated practice lies in Massachusetts; a machine without time zones shows its own.
    if config.time_zone.is_none() && jiff::tz::TimeZone::get(DEMO_ZONE).is_ok() {
        config.time_zone = Some(DEMO_ZONE.to_owned());
    }
    let text = std::fs::read_to_string(&logins)
        .context(|| format!("{} cannot be read", logins.display()))?;
    let data = args.data.clone();
    serve::run(&data, &config, |address| {
        eprintln!("\nVitae is at http://{address}\n\n{text}");
    })
}

/// Makes the practice. The file of logins is written last: without it, a start begins again.
fn make(args: &Demo) -> Result<()> {
    let folder = &args.data;
    if folder.join(UNFINISHED).exists() {
        std::fs::remove_dir_all(folder)
            .context(|| format!("{} cannot be removed; remove it", folder.display()))?;
    }
    eprintln!("making a demo practice in {}", folder.display());
    let (_, open) = Practice::create(folder, PRACTICE_NAME, args.practice, None)?;
    let mark = folder.join(UNFINISHED);
    std::fs::write(&mark, "").context(|| format!("{} cannot be written", mark.display()))?;
    let now = jiff::Zoned::now();
    let part = |n: i8| u8::try_from(n).unwrap_or(1);
    let today = (i32::from(now.year()), part(now.month()), part(now.day()));
    let practice = generate::practice(args.patients, args.seed, args.practice, today);
    let foundation = ("foundation".to_owned(), practice.foundation());
    let patients = (0..args.patients)
        .map(|index| (format!("patient {index}"), practice.patient_bundle(index)));
    let bundles = std::iter::once(foundation).chain(patients);
    import::load_bundles(&open.record, args.patients + 1, bundles)?;
    let mut text = String::from("demo logins, made for this folder only:\n\n");
    for (name, role, patient) in accounts(&practice) {
        let password = password();
        let patient = patient.as_deref();
        open.auth.add_account(NewAccount { name: &name, role, patient, password: &password })?;
        writeln!(text, "  {:<16} {:<10} {password}", role.as_str(), name)
            .expect("writing to a String does not fail");
    }
    drop(open.auth);
    open.record.close()?;
    write_private(&folder.join(LOGINS), text.as_bytes())
        .context(|| format!("the logins cannot be written to {}", folder.display()))?;
    std::fs::remove_file(&mark).context(|| format!("{} cannot be removed", mark.display()))
}

/// One login for each role.
fn accounts(practice: &::generate::Practice) -> Vec<(String, Role, Option<String>)> {
    let clinicians = practice.clinicians();
    let name = |is_provider: bool, otherwise: &str| {
        let found = clinicians.iter().find(|c| c.is_provider == is_provider);
        found.map_or(otherwise.to_owned(), |c| c.given.to_lowercase())
    };
    vec![
        ("admin".to_owned(), Role::Admin, None),
        (name(true, "doctor"), Role::Provider, None),
        (name(false, "nurse"), Role::Nurse, None),
        ("desk".to_owned(), Role::FrontDesk, None),
        ("billing".to_owned(), Role::Biller, None),
        ("privacy".to_owned(), Role::PrivacyOfficer, None),
    ]
}

/// Five groups of five letters and digits that are not mistaken for each other: 125 bits.
fn password() -> String {
    const SIGNS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0; 25];
    SystemWorld.random(&mut bytes);
    let mut out = String::new();
    for (byte_idx, byte) in bytes.iter().enumerate() {
        if byte_idx > 0 && byte_idx % 5 == 0 {
            out.push('-');
        }
        out.push(char::from(SIGNS[usize::from(byte & 31)]));
    }
    out
}
