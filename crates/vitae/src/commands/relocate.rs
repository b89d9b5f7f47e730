//! `move`: a practice from its folder to a PostgreSQL database, and back.

use record::{Database, SystemWorld, World};
use store::Place;

use super::{Done, control, database_url};
use crate::cli::Move;
use crate::failure::{Failure, Result};
use crate::practice::Practice;
use crate::progress::bar;

pub fn relocate(args: &Move) -> Result<Done> {
    let data = &args.data.data;
    if control::is_served(data) {
        let text = "the practice is being served; stop all its servers first";
        return Err(Failure::new(text));
    }
    let mut practice = Practice::read(data)?;
    if practice.in_database != args.to_folder {
        let text = match args.to_folder {
            true => "the practice is in its folder already",
            false => "the practice is in a database already; --to-folder brings it back",
        };
        return Err(Failure::new(text));
    }
    let url = database_url(&args.data)?
        .ok_or_else(|| Failure::usage("give the database: --database-url"))?;
    let database = Database::parse(&url)?;
    let key = practice.data_key()?;
    let name = practice.id.clone();
    let (folder, server) = (Place::Folder(data, &key), Place::Database(&database, &name));
    let (from, to) = if args.to_folder { (server, folder) } else { (folder, server) };
    let bar = bar(0, "versions");
    let moved = store::copy(from, to, |n, all| {
        bar.set_length(all);
        bar.set_position(n);
    })?;
    bar.finish_and_clear();
    practice.in_database = !args.to_folder;
    practice.replace(data)?;
    let old = put_aside(args, &database, &name)?;
    Ok(Done::said(format!(
        "{} versions and {} audit leaves arrived as they were; {old}",
        moved.versions, moved.audit_leaves
    )))
}

/// Keeps what was left behind under a name of which no command knows.
fn put_aside(args: &Move, database: &Database, name: &str) -> Result<String> {
    if !args.to_folder {
        let aside = store::put_file_aside(&args.data.data)?;
        return Ok(format!(
            "{} is the old one: delete it when you need it no more",
            aside.display()
        ));
    }
    let mut bytes = [0; 4];
    SystemWorld.random(&mut bytes);
    let word: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    let aside = format!("{name}-moved-{word}");
    store::put_aside(database, name, &aside)?;
    Ok(format!(
        "the old one is the practice {aside} of the database: docs/scale.md says how to \
                delete it"
    ))
}
