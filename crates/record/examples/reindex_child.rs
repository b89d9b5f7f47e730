//! Opens a record and lets it work on search parameters that are not ready; prints how far it is
//! until they are, then `ready`.
//!
//! For the test that kills it in the middle: the parent reads the lines.
//! Arguments: `folder FOLDER KEYS WRAPPED` or `database URL PRACTICE`, then a query on Patient.

use std::io::Write;
use std::sync::Arc;

use fhir_tables::ResourceType;
use record::{Config, Ctx, Database, DatabaseConfig, FixedWorld, Handling, Kind, Record, Request};
use store::MasterKey;

const NOW_MS: i64 = 1_767_225_600_000;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let world = Arc::new(FixedWorld::new(NOW_MS));
    let base_url = "http://vitae.test/fhir".to_owned();
    let (record, query) = match args[..] {
        ["folder", folder, keys, wrapped, query] => {
            let master = MasterKey::read(&std::path::Path::new(keys).join("test.key"))
                .expect("the master key");
            let key = master.unwrap("test", wrapped).expect("the data key");
            let folder = folder.into();
            (Record::open(Config { folder, key, base_url, world }), query)
        }
        ["database", url, practice, query] => {
            let database = Database::parse(url).expect("a URL");
            let practice = practice.to_owned();
            (Record::open_at(DatabaseConfig { database, practice, base_url, world }), query)
        }
        _ => {
            eprintln!("usage: reindex_child folder FOLDER KEYS WRAPPED QUERY");
            std::process::exit(2);
        }
    };
    let record = record.expect("the record opens");
    loop {
        let pairs = record::parse_query(query);
        let (rt, compartment) = (Some(ResourceType::PATIENT), None);
        let request = Request::Search { rt, compartment, pairs, handling: Handling::Strict };
        let line = match record.execute(&Ctx::system("child", NOW_MS), request) {
            Ok(_) => "ready".to_owned(),
            Err(e) if e.kind == Kind::Unavailable => e.issues[0].text.clone(),
            Err(e) => format!("failed {e}"),
        };
        println!("{line}");
        std::io::stdout().flush().expect("stdout");
        if line == "ready" || line.starts_with("failed") {
            return;
        }
        // The parent has time to stop it between two lines.
        std::thread::yield_now();
    }
}
