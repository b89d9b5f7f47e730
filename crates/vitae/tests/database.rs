//! A practice in a PostgreSQL database: served by two processes, moved, and a server that fails.

mod support;

use case_kit::postgres::{Cluster, EndSessions, Stop, cluster, own_cluster};
use support::{Http, Practice, Server};

fn patient(family: &str) -> String {
    format!(r#"{{"resourceType":"Patient","name":[{{"family":"{family}"}}]}}"#)
}

fn total(http: &mut Http, family: &str) -> String {
    let answer = http.get(&format!("/fhir/Patient?family={family}&_total=accurate"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.doc().root().get("total").expect("a total").raw().to_owned()
}

/// A second process's folder holds no more than the practice's name.
fn serve_beside(practice: &Practice, cluster: &Cluster) -> Server {
    let folder = practice.folder.path("beside");
    std::fs::create_dir_all(&folder).expect("a folder");
    let name = "practice.json";
    std::fs::copy(practice.folder.path("data").join(name), folder.join(name)).expect("copies");
    practice.serve_in("beside", &["--database-url", &cluster.url()])
}

#[test]
fn two_processes_serve_one_practice() {
    let Some(cluster) = cluster("two_processes_serve_one_practice") else { return };
    let practice = Practice::in_database(&cluster.url());
    let (id, secret) = practice.client("system/*.cruds");
    let first = practice.serve_with(&["--database-url", &cluster.url()]);
    let second = serve_beside(&practice, cluster);
    let (mut a, mut b) = (first.http(), second.http());
    a.log_in(&id, &secret);
    // A token of the one is good for the other.
    b.token.clone_from(&a.token);
    for n in 0..20 {
        let (writer, reader) = if n % 2 == 0 { (&mut a, &mut b) } else { (&mut b, &mut a) };
        let family = format!("stone{n}");
        let made = writer.post("/fhir/Patient", &patient(&family));
        assert_eq!(made.status, 201, "{}", made.text());
        let read = reader.get(&format!("/fhir/Patient/{}", made.id()));
        assert_eq!((read.status, &read.body), (200, &made.body));
        assert_eq!(total(reader, &family), "1");
    }
    let said = practice.run(&["verify", "--data", &practice.data()]);
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    let backup = practice.text("backup");
    let said = practice.run(&["backup", "--data", &practice.data(), "--to", &backup]);
    assert!(said.code == 1 && said.err.contains("pg_basebackup"), "{}", said.err);
    drop(first);
    let read = b.get("/fhir/Patient?_summary=count");
    assert_eq!(read.doc().root().get("total").expect("a total").raw(), "20");
}

#[test]
fn a_practice_moves_to_a_database_and_back() {
    let Some(cluster) = cluster("a_practice_moves_to_a_database_and_back") else { return };
    let practice = Practice::new();
    let (id, secret) = practice.client("system/*.cruds");
    let url = cluster.url();
    let write = |more: &[&str], family: &str| {
        let server = practice.serve_with(more);
        let mut http = server.http();
        http.log_in(&id, &secret);
        assert_eq!(http.post("/fhir/Patient", &patient(family)).status, 201);
        ["before", "there", "back"].map(|family| total(&mut http, family))
    };
    let move_with = |more: &[&str]| {
        let data = practice.data();
        let mut args = vec!["move", "--data", &data, "--database-url", &url];
        args.extend(more);
        practice.run(&args)
    };
    assert_eq!(write(&[], "before"), ["1", "0", "0"]);
    let wrong = practice.run(&["verify", "--data", &practice.data(), "--database-url", &url]);
    assert!(wrong.code == 1 && wrong.err.contains("vitae move"), "{}", wrong.err);
    let said = move_with(&[]);
    assert_eq!(said.code, 0, "{}", said.err);
    let wrong = practice.run(&["verify", "--data", &practice.data()]);
    assert!(wrong.code == 1 && wrong.err.contains("--database-url"), "{}", wrong.err);
    assert_eq!(write(&["--database-url", &url], "there"), ["1", "1", "0"]);
    let said = move_with(&[]);
    assert!(said.code == 1 && said.err.contains("--to-folder"), "{}", said.err);
    let said = move_with(&["--to-folder"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(write(&[], "back"), ["1", "1", "1"]);
    let said = practice.run(&["verify", "--data", &practice.data()]);
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
}

/// While the database server is away, clients are told to come back; afterwards all goes on.
#[test]
fn clients_are_told_to_come_back_while_the_database_is_away() {
    let Some(cluster) = own_cluster("clients_are_told_to_come_back_while_the_database_is_away")
    else {
        return;
    };
    let practice = Practice::in_database(&cluster.url());
    let (id, secret) = practice.client("system/*.cruds");
    let server = practice.serve_with(&["--database-url", &cluster.url()]);
    let mut http = server.http();
    http.log_in(&id, &secret);
    let made = http.post("/fhir/Patient", &patient("stone"));
    let path = format!("/fhir/Patient/{}", made.id());
    std::thread::scope(|scope| {
        let failing = scope.spawn(|| {
            for round in 0..2 {
                cluster.restart(Stop::Immediate);
                cluster.end_sessions(EndSessions::Kill);
                cluster.restart(if round == 0 { Stop::Fast } else { Stop::Immediate });
            }
        });
        let mut n_answered = 0;
        while !failing.is_finished() || n_answered < 5 {
            let read = http.get(&path);
            match read.status {
                200 => n_answered += 1,
                503 => assert!(read.header("retry-after").is_some(), "{}", read.text()),
                _ => panic!("{}", read.text()),
            }
        }
        failing.join().expect("the server is back");
    });
    assert_eq!(http.post("/fhir/Patient", &patient("later")).status, 201);
    assert_eq!(http.get("/readyz").status, 200);
}
