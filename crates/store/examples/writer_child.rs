//! Writes one small resource after the other and prints each number once it is on disk.
//!
//! For the tests of failing disks, which run it under fault injection: the parent knows from the
//! printed lines what was promised. Prints `refused …` at the first failure and then whether a
//! second try was acknowledged.
//! Arguments: data folder, key folder, wrapped data key, number of resources.

use std::io::Write;
use std::sync::Arc;

use fhir_tables::ResourceType;
use store::{Expect, MasterKey, Put, PutKind, Store, WriteSet};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, folder, keys, wrapped, n] = &args[..] else {
        eprintln!("usage: writer_child FOLDER KEYS WRAPPED N");
        std::process::exit(2);
    };
    let clock: store::Clock = Arc::new(|| 1_790_000_000_000);
    let opened = MasterKey::read(&std::path::Path::new(keys).join("test.key"))
        .and_then(|master| master.unwrap("test", wrapped))
        .and_then(|key| Store::open(folder.as_ref(), &key, clock));
    let store = match opened {
        Ok(store) => store,
        Err(e) => {
            println!("refused {:?}", e.kind);
            return;
        }
    };
    let n: u32 = n.parse().expect("a number");
    for i in 0..n {
        let text = format!(
            r#"{{"resourceType":"Basic","id":"b{i}","meta":{{}},"language":"{}"}}"#,
            "x".repeat(500)
        );
        let put = Put {
            rt: ResourceType::from_name("Basic").expect("a type of R4"),
            meta_at: text.find("\"meta\":{").expect("meta") + 8,
            id: format!("b{i}"),
            kind: PutKind::Write,
            text,
            values: Vec::new(),
            references: Vec::new(),
            expect: Expect::Any,
        };
        match store.commit(WriteSet { puts: vec![put], ..WriteSet::default() }) {
            Ok(_) => println!("{i}"),
            Err(e) => {
                println!("refused {e:?}");
                // After a failure of the disk a second try must not be acknowledged.
                let again = store.commit(WriteSet::default()).is_ok();
                println!("again {again}");
                break;
            }
        }
        std::io::stdout().flush().expect("stdout");
    }
}
