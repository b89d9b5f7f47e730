//! `init`, `client`, `user add`.

use std::io::Read;
use std::path::Path;

use auth::{KeySet, NewAccount, NewClient, NewProof};
use fhir::json::Value;
use record::{Ctx, Role};

use super::{Done, place};
use crate::cli::{ClientAdd, ClientApprove, Init, UserAdd, UserInvite, UserLink};
use crate::config::Config;
use crate::failure::{Context, Failure, Result};
use crate::practice::{Open, Practice, keys_folder, read_password};

pub fn init(args: &Init) -> Result<Done> {
    let password = read_password(&args.password_file)?;
    if password.chars().count() < auth::PASSWORD_CHARS_MIN {
        let least = auth::PASSWORD_CHARS_MIN;
        return Err(Failure::new(format!("the password needs at least {least} characters")));
    }
    let data = &args.data.data;
    let url = super::database_url(&args.data)?;
    let (practice, open) = Practice::create(data, &args.name, args.practice, url.as_deref())?;
    let new =
        NewAccount { name: &args.admin, role: Role::Admin, patient: None, password: &password };
    open.auth.add_account(new)?;
    drop(open.auth);
    open.record.close()?;
    Ok(Done::said(format!(
        "{} is ready in {}\nkeep its key safe and apart: {}/{}.key",
        practice.name,
        data.display(),
        keys_folder()?.display(),
        practice.id
    )))
}

pub fn client_add(args: &ClientAdd, open: &Open, cwd: &Path) -> Result<Done> {
    let proof = match (&args.jwks_file, &args.jwks_uri) {
        (Some(file), _) => {
            let path = place(cwd, file);
            let what = || format!("{} cannot be read", path.display());
            let mut bytes = Vec::new();
            let file = std::fs::File::open(&path).context(what)?;
            file.take(auth::JWKS_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).context(what)?;
            let keys = KeySet::parse(&bytes);
            NewProof::Keys(keys.map_err(|e| Failure::new(format!("{}: {e}", path.display())))?)
        }
        (None, Some(uri)) => NewProof::KeysAt(uri.clone()),
        (None, None) if args.public => NewProof::Public,
        (None, None) => NewProof::Secret,
    };
    let new = NewClient {
        name: &args.name,
        scope: &args.scope,
        proof,
        redirect_uris: args.redirect_uri.clone(),
        launch_uri: args.launch_uri.clone(),
        pending: false,
    };
    let (client, secret) = open.auth.add_client(new)?;
    let mut value = Value::object([("client_id", Value::from(client.id))]);
    if let Some(secret) = secret {
        value.set("client_secret", Value::from(secret.expose()));
    }
    Ok(Done::said(value.to_json()))
}

pub fn client_list(open: &Open) -> Result<Done> {
    let mut out = String::new();
    for client in open.auth.clients()? {
        let uris = client.redirect_uris.iter().map(|uri| Value::from(uri.as_str()));
        let value = Value::object([
            ("client_id", Value::from(client.id.as_str())),
            ("name", Value::from(client.name.as_str())),
            ("pending", Value::from(client.pending)),
            ("disabled", Value::from(client.disabled)),
            ("proof", Value::from(client.proof.method())),
            ("scope", Value::from(client.scopes.to_string())),
            ("redirect_uris", Value::array(uris)),
        ]);
        value.write(&mut out);
        out.push('\n');
    }
    Ok(Done::said(out))
}

pub fn client_approve(args: &ClientApprove, open: &Open) -> Result<Done> {
    open.auth.approve_client(&args.id)?;
    Ok(Done::said(format!("{} may ask now", args.id)))
}

pub fn user_add(args: &UserAdd, open: &Open, cwd: &Path) -> Result<Done> {
    let password = read_password(&place(cwd, &args.password_file))?;
    let new = NewAccount {
        name: &args.name,
        role: args.role,
        patient: args.patient.as_deref(),
        password: &password,
    };
    let is_patient = args.role == record::Role::Patient;
    if is_patient && args.patient.is_none() && args.related_person.is_empty() {
        return Err(Failure::new(
            "the role patient needs --patient with the id of a Patient, or --related-person with \
             that of a RelatedPerson for whom the login acts",
        ));
    }
    if !is_patient && !args.related_person.is_empty() {
        return Err(Failure::new("only the role patient acts as --related-person"));
    }
    let known_as = known_as(args.practitioner.as_deref(), &args.related_person);
    let account = open.auth.add_account(new)?;
    if let Some(id) = &args.practitioner {
        open.auth.set_practitioner(&account.name, id)?;
    }
    if !known_as.is_empty() {
        open.record.set_known_as(&ctx(open), &account.id, &known_as)?;
    }
    let mut said = format!("{} may log in as {}", account.name, account.role.as_str());
    if open.auth.is_known_password(&password)? {
        said.push_str(
            "\nwarning: this password is among those that are tried first; the pages would \
             refuse it",
        );
    }
    Ok(Done::said(said))
}

pub fn user_invite(args: &UserInvite, open: &Open, cwd: &Path) -> Result<Done> {
    let by = "the command line";
    let exists = open.auth.account(&args.name)?.is_some();
    let (secret, _) = match (exists, args.role) {
        (true, None) => open.auth.invite_to_new_password(&args.name, by)?,
        (true, Some(_)) => {
            let text = "an account of this name exists; leave --role out to let its owner set a \
                        new password";
            return Err(Failure::new(text));
        }
        (false, None) => return Err(Failure::usage("somebody new needs a --role")),
        (false, Some(role)) => open.auth.invite(&args.name, role, args.patient.as_deref(), by)?,
    };
    let config = Config::load(None, &place(cwd, &args.data.data))?;
    let root = config.public_url.unwrap_or_else(|| {
        let scheme = if config.tls_cert.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", config.listen)
    });
    let root = root.trim_end_matches('/');
    Ok(Done::said(format!("{root}/invitation?code={}", secret.expose())))
}

pub fn user_link(args: &UserLink, open: &Open) -> Result<Done> {
    let account = open.auth.account(&args.name)?;
    let account = account.ok_or_else(|| Failure::new(format!("nobody is called {}", args.name)))?;
    let known_as = known_as(args.practitioner.as_deref(), &args.related_person);
    let is_patient = account.role == record::Role::Patient;
    if is_patient != args.practitioner.is_none() && !known_as.is_empty() {
        return Err(Failure::new(
            "a login of the role patient acts as --related-person, one of staff as --practitioner",
        ));
    }
    if let Some(id) = &args.practitioner {
        open.auth.set_practitioner(&account.name, id)?;
    }
    open.record.set_known_as(&ctx(open), &account.id, &known_as)?;
    let said = match known_as.is_empty() {
        true => format!("{} is nobody in the record", account.name),
        false => format!("{} is {}", account.name, known_as.join(", ")),
    };
    Ok(Done::said(said))
}

fn ctx(open: &Open) -> Ctx {
    Ctx::system("command", open.record.now_ms())
}

/// References of the resources that a login is to be known as.
fn known_as(practitioner: Option<&str>, related: &[String]) -> Vec<String> {
    let named = practitioner.map(|id| format!("Practitioner/{id}"));
    named.into_iter().chain(related.iter().map(|id| format!("RelatedPerson/{id}"))).collect()
}
