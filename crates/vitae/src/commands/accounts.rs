//! `init`, `client add`, `user add`.

use std::path::Path;

use auth::{NewAccount, NewClient};
use fhir::json::Value;
use record::Role;

use super::{Done, place};
use crate::cli::{ClientAdd, Init, UserAdd};
use crate::failure::{Failure, Result};
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

pub fn client_add(args: &ClientAdd, open: &Open) -> Result<Done> {
    let new = NewClient { name: &args.name, scope: &args.scope };
    let (client, secret) = open.auth.add_client(new)?;
    let value = Value::object([
        ("client_id", Value::from(client.id)),
        ("client_secret", Value::from(secret.expose())),
    ]);
    Ok(Done::said(value.to_json()))
}

pub fn user_add(args: &UserAdd, open: &Open, cwd: &Path) -> Result<Done> {
    let password = read_password(&place(cwd, &args.password_file))?;
    let new = NewAccount {
        name: &args.name,
        role: args.role,
        patient: args.patient.as_deref(),
        password: &password,
    };
    let account = open.auth.add_account(new)?;
    Ok(Done::said(format!("{} may log in as {}", account.name, account.role.as_str())))
}
