//! `key list`, `key rotate`.

use super::Done;
use crate::cli::KeyCommand;
use crate::failure::{Failure, Result};
use crate::keys;
use crate::practice::{Practice, keys_folder};

pub fn key(command: &KeyCommand) -> Result<Done> {
    match command {
        KeyCommand::List(args) => {
            let practice = with_key(Practice::read(&args.data)?)?;
            let opens = practice.opened_by()?;
            let mut out = String::new();
            for path in keys::all(&keys_folder()?, &practice.id)? {
                let word = if path == opens { "opens the practice" } else { "for older backups" };
                out.push_str(&format!("{}: {word}\n", path.display()));
            }
            Ok(Done::said(out))
        }
        KeyCommand::Rotate(args) => {
            let practice = with_key(Practice::read(&args.data)?)?;
            let before = practice.rotate(&args.data, &args.command)?;
            let opens = Practice::read(&args.data)?.opened_by()?;
            let mut out = format!("{} opens the practice from now on", opens.display());
            if let Some(before) = before {
                out.push_str(&format!(
                    "\n{} opens backups made before; remove it when they are gone",
                    before.display()
                ));
            }
            Ok(Done::said(out))
        }
    }
}

fn with_key(practice: Practice) -> Result<Practice> {
    match practice.in_database {
        false => Ok(practice),
        true => Err(Failure::new(
            "the practice is kept in a PostgreSQL database, which its server encrypts: there is \
             no key of ours",
        )),
    }
}
