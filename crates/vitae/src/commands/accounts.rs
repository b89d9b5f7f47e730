//! `init`, `client add`, `user add`.

use std::process::ExitCode;

use auth::{NewAccount, NewClient};
use fhir::json::Value;
use record::Role;

use crate::cli::{ClientAdd, Init, UserAdd};
use crate::failure::{Failure, Result};
use crate::practice::{OFFLINE_BASE_URL, Practice, read_password};

pub fn init(args: &Init) -> Result<ExitCode> {
    let password = read_password(&args.password_file)?;
    if password.chars().count() < auth::PASSWORD_CHARS_MIN {
        let least = auth::PASSWORD_CHARS_MIN;
        return Err(Failure::new(format!("the password needs at least {least} characters")));
    }
    let (practice, open) = Practice::create(&args.data.data, &args.name, args.practice)?;
    let new =
        NewAccount { name: &args.admin, role: Role::Admin, patient: None, password: &password };
    open.auth.add_account(new)?;
    drop(open.auth);
    open.record.close()?;
    println!("{} is ready in {}", practice.name, args.data.data.display());
    let keys = crate::practice::keys_folder()?;
    println!("keep its key safe and apart: {}/{}.key", keys.display(), practice.id);
    Ok(ExitCode::SUCCESS)
}

pub fn client_add(args: &ClientAdd) -> Result<ExitCode> {
    let (_, open) = Practice::open(&args.data.data, OFFLINE_BASE_URL)?;
    let new = NewClient { name: &args.name, scope: &args.scope };
    let (client, secret) = open.auth.add_client(new)?;
    drop(open.auth);
    open.record.close()?;
    let value = Value::object([
        ("client_id", Value::from(client.id)),
        ("client_secret", Value::from(secret.expose())),
    ]);
    println!("{}", value.to_json());
    Ok(ExitCode::SUCCESS)
}

pub fn user_add(args: &UserAdd) -> Result<ExitCode> {
    let password = read_password(&args.password_file)?;
    let (_, open) = Practice::open(&args.data.data, OFFLINE_BASE_URL)?;
    let new = NewAccount {
        name: &args.name,
        role: args.role,
        patient: args.patient.as_deref(),
        password: &password,
    };
    let account = open.auth.add_account(new)?;
    drop(open.auth);
    open.record.close()?;
    println!("{} may log in as {}", account.name, account.role.as_str());
    Ok(ExitCode::SUCCESS)
}
