//! A record in a folder of its own, with a clock that the test moves.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use record::{Config, Database, DatabaseConfig, FixedWorld, Record, World};

/// 2026-01-01T00:00:00Z.
pub const START_MS: i64 = 1_767_225_600_000;
pub const BASE_URL: &str = "http://vitae.test/fhir";

/// Time moves when the test says so.
pub struct TestWorld {
    now_ms: AtomicI64,
    random: FixedWorld,
}

impl TestWorld {
    pub fn tick(&self) {
        self.now_ms.fetch_add(1_000, Ordering::SeqCst);
    }
}

impl World for TestWorld {
    fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    fn random(&self, bytes: &mut [u8]) {
        self.random.random(bytes);
    }
}

pub struct TestRecord {
    pub record: Record,
    pub world: Arc<TestWorld>,
    folder: PathBuf,
    key: store::DataKey,
}

impl TestRecord {
    /// Closes the record and opens it again.
    pub fn reopened(mut self) -> TestRecord {
        // What is dropped must not take the folder along.
        let folder = std::mem::take(&mut self.folder);
        let (key, world) = (self.key.clone(), self.world.clone());
        drop(self);
        let config = Config {
            folder: folder.clone(),
            key: key.clone(),
            base_url: BASE_URL.to_owned(),
            world: world.clone(),
        };
        let record = Record::open(config).expect("the same record");
        TestRecord { record, world, folder, key }
    }

    /// A record in the tests' PostgreSQL server, a practice of its own.
    pub fn on(cluster: &case_kit::postgres::Cluster) -> TestRecord {
        let world = Arc::new(TestWorld {
            now_ms: AtomicI64::new(START_MS),
            random: FixedWorld::new(START_MS),
        });
        let config = DatabaseConfig {
            database: Database::parse(&cluster.url()).expect("a URL"),
            practice: cluster.fresh_name(),
            base_url: BASE_URL.to_owned(),
            world: world.clone(),
        };
        let record = Record::create_at(config).expect("an empty record");
        let key = store::DataKey::random().expect("random bytes");
        TestRecord { record, world, folder: PathBuf::new(), key }
    }

    pub fn new() -> TestRecord {
        static N: AtomicU64 = AtomicU64::new(0);
        let n = N.fetch_add(1, Ordering::SeqCst);
        let folder = std::env::temp_dir().join(format!("vitae-record-{}-{n}", std::process::id()));
        let world = Arc::new(TestWorld {
            now_ms: AtomicI64::new(START_MS),
            random: FixedWorld::new(START_MS),
        });
        let key = store::DataKey::random().expect("random bytes");
        let config = Config {
            folder: folder.clone(),
            key: key.clone(),
            base_url: BASE_URL.to_owned(),
            world: world.clone(),
        };
        let record = Record::create(config).expect("an empty record");
        TestRecord { record, world, folder, key }
    }
}

impl Drop for TestRecord {
    fn drop(&mut self) {
        if !self.folder.as_os_str().is_empty() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}
