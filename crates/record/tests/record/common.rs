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
    home: Home,
}

/// Where a record is kept.
#[derive(Clone)]
pub enum Home {
    Folder {
        folder: PathBuf,
        key: store::DataKey,
    },
    Database {
        url: String,
        practice: String,
    },
    /// Somebody else's to remove.
    Moved,
}

impl Home {
    fn open(&self, world: Arc<TestWorld>) -> Record {
        let base_url = BASE_URL.to_owned();
        match self {
            Home::Folder { folder, key } => {
                let (folder, key) = (folder.clone(), key.clone());
                Record::open(Config { folder, key, base_url, world })
            }
            Home::Database { url, practice } => {
                let database = Database::parse(url).expect("a URL");
                let practice = practice.clone();
                Record::open_at(DatabaseConfig { database, practice, base_url, world })
            }
            Home::Moved => panic!("the record is elsewhere"),
        }
        .expect("the same record")
    }
}

fn world() -> Arc<TestWorld> {
    let (now_ms, random) = (AtomicI64::new(START_MS), FixedWorld::new(START_MS));
    Arc::new(TestWorld { now_ms, random })
}

impl TestRecord {
    /// Closes the record and opens it again.
    pub fn reopened(self) -> TestRecord {
        let (home, world) = self.closed();
        let record = home.open(world.clone());
        TestRecord { record, world, home }
    }

    /// Closes the record; where it is, for [`TestRecord::opened`].
    pub fn closed(mut self) -> (Home, Arc<TestWorld>) {
        // What is dropped must not take the folder along.
        let home = std::mem::replace(&mut self.home, Home::Moved);
        (home, self.world.clone())
    }

    pub fn opened((home, world): (Home, Arc<TestWorld>)) -> TestRecord {
        let record = home.open(world.clone());
        TestRecord { record, world, home }
    }

    /// As another process on the same database.
    pub fn beside(&self) -> TestRecord {
        assert!(matches!(self.home, Home::Database { .. }), "a folder is for one process");
        let (home, world) = (self.home.clone(), world());
        TestRecord { record: home.open(world.clone()), world, home }
    }

    /// A record in the tests' PostgreSQL server, a practice of its own.
    pub fn on(cluster: &case_kit::postgres::Cluster) -> TestRecord {
        let (world, practice) = (world(), cluster.fresh_name());
        let config = DatabaseConfig {
            database: Database::parse(&cluster.url()).expect("a URL"),
            practice: practice.clone(),
            base_url: BASE_URL.to_owned(),
            world: world.clone(),
        };
        let record = Record::create_at(config).expect("an empty record");
        TestRecord { record, world, home: Home::Database { url: cluster.url(), practice } }
    }

    pub fn new() -> TestRecord {
        static N: AtomicU64 = AtomicU64::new(0);
        let n = N.fetch_add(1, Ordering::SeqCst);
        let folder = std::env::temp_dir().join(format!("vitae-record-{}-{n}", std::process::id()));
        let (world, key) = (world(), store::DataKey::random().expect("random bytes"));
        let config = Config {
            folder: folder.clone(),
            key: key.clone(),
            base_url: BASE_URL.to_owned(),
            world: world.clone(),
        };
        let record = Record::create(config).expect("an empty record");
        TestRecord { record, world, home: Home::Folder { folder, key } }
    }
}

impl Drop for TestRecord {
    fn drop(&mut self) {
        if let Home::Folder { folder, .. } = &self.home {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}
