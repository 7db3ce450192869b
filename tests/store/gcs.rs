//! A bucket of Google's: backups in it by every way in, faults on the way, and keys that are
//! claimed. The contract of stores holds for it too (`contract/store.rs`).

use std::time::Duration;

use vex::testing::base::Stop;
use vex::testing::job::GcsSpec;
use vex::testing::store::contract::{ErrorKind, Result, Store};
use vex::testing::store::{Pace, S3, open_gcs};
use vex::testing::world::{World, install_provider};

use crate::common::cloud::google::GoogleServer;
use crate::common::cloud::{Fault, What};
use crate::common::space::{Space, contents, word};

/// A store that does not wait long.
pub fn open(spec: &GcsSpec) -> S3 {
    install_provider();
    let (stall, first, longest) =
        (Duration::from_millis(1500), Duration::from_millis(5), Duration::from_millis(20));
    let pace = Pace { lanes: 4, stall, tries: 4, first, longest };
    open_gcs(spec, &World::real(), pace, &stop()).unwrap()
}

fn stop() -> Stop {
    Stop::new()
}

fn write(store: &S3, key: &str) -> Result<()> {
    let upload = store.create(key, &stop())?;
    upload.part(1, 0, &[7; 1010], &stop())?;
    upload.finish(1010)
}

#[test]
fn passing_faults_of_every_request_are_overcome() {
    let busy = What::Answer(503, "ServiceUnavailable");
    for kind in ["token", "head", "initiate", "part", "complete", "put", "get", "list", "delete"] {
        for what in [busy, What::Answer(500, "InternalError"), What::Cut, What::Lose] {
            let case = format!("{kind} {what:?}");
            let server = GoogleServer::start(1000);
            let store = open(&server.account());
            server.http.fault(Fault::new(kind, what));
            write(&store, "p/x").unwrap_or_else(|e| panic!("{case}: {e}"));
            store.put("p/m", b"head", &stop()).unwrap_or_else(|e| panic!("{case}: {e}"));
            assert_eq!(store.read("p/m", None, &stop()).unwrap(), b"head", "{case}");
            assert_eq!(store.read("p/x", Some(0..2), &stop()).unwrap(), [7, 7], "{case}");
            assert_eq!(store.list("p/", &stop()).unwrap().len(), 2, "{case}");
            store.remove("p/x", &stop()).unwrap();
            // Who never learned the name of an upload can't end it: the next sweep does.
            let unknown = usize::from((kind, what) == ("initiate", What::Lose));
            assert_eq!(server.pending().len(), unknown, "{case}");
            assert_eq!(store.sweep("p/x", &stop()).unwrap(), unknown, "{case}");
            assert_eq!((server.names(), server.pending().len()), (vec!["p/m".into()], 0), "{case}");
        }
    }
}

#[test]
fn a_key_is_claimed_before_and_never_written_over() {
    let server = GoogleServer::start(1000);
    let (store, other) = (open(&server.spec()), open(&server.spec()));
    let upload = store.create("p/x", &stop()).unwrap();
    upload.part(1, 0, b"ours!!", &stop()).unwrap();
    other.put("p/x", b"theirs", &stop()).unwrap();
    assert_eq!(upload.finish(6).unwrap_err().kind, ErrorKind::Exists);
    assert_eq!(store.read("p/x", None, &stop()).unwrap(), b"theirs");
    assert_eq!(server.http.statuses("complete"), [0; 0], "it was not even tried");
    assert_eq!(server.pending(), [""; 0]);
    // The request to put it together is lost: our own claim is nobody else's object.
    server.http.fault(Fault::new("complete", What::Cut));
    write(&store, "p/y").unwrap();
    assert_eq!(server.http.statuses("complete"), [0, 200]);
    // What can't be put together leaves neither the claim nor the upload.
    server
        .http
        .fault(Fault { first: 3, ..Fault::new("complete", What::Answer(400, "InvalidPart")) });
    assert_eq!(write(&store, "p/z").unwrap_err().kind, ErrorKind::Failed);
    assert_eq!((server.names(), server.pending().len()), (vec!["p/x".into(), "p/y".into()], 0));
}

#[test]
fn under_a_retention_policy_keys_are_looked_at_and_not_claimed() {
    let server = GoogleServer::start(1000);
    server.http.service.lock().unwrap().retention = true;
    let store = open(&server.spec());
    let error = write(&store, "p/x").unwrap_err();
    assert!(error.found.contains("RetentionPolicyNotMet"), "{error}");
    assert!(error.found.contains("claim=#false"), "{error}");
    let bare = GcsSpec { claim: false, ..server.spec() };
    let store = open(&bare);
    write(&store, "p/y").unwrap();
    let upload = store.create("p/z", &stop()).unwrap();
    upload.part(1, 0, b"ours!!", &stop()).unwrap();
    store.put("p/z", b"theirs", &stop()).unwrap();
    assert_eq!(upload.finish(6).unwrap_err().kind, ErrorKind::Exists);
}

#[test]
fn a_token_is_asked_for_once_and_again_before_it_ends() {
    let server = GoogleServer::start(1000);
    let store = open(&server.account());
    (0..3).for_each(|i| store.put(&format!("a{i}"), b"x", &stop()).unwrap());
    assert_eq!(server.http.statuses("token"), [200]);
    server.http.service.lock().unwrap().holds = 200;
    let store = open(&server.account());
    (0..2).for_each(|i| store.put(&format!("b{i}"), b"x", &stop()).unwrap());
    assert_eq!(
        server.http.statuses("token"),
        [200; 3],
        "five minutes before its end it is replaced"
    );
    server.http.fault(
        Fault { first: 4, ..Fault::new("token", What::Answer(401, "invalid_client")) }.times(9),
    );
    let error = open(&server.account()).list("", &stop()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied, "{error}");
    assert!(error.found.contains("/token for a token: 401"), "{error}");
    assert!(!format!("{error:?}").contains("CANARY"), "{error:?}");
}

#[test]
fn a_wrong_checksum_is_refused_and_sent_again() {
    let server = GoogleServer::start(1000);
    let store = open(&server.spec());
    server.http.fault(Fault::new("part", What::Spoil));
    // A body is signed where TLS does not protect it, so that both are told.
    let spoilt = write(&store, "p/x");
    assert_eq!(spoilt.unwrap_err().kind, ErrorKind::Denied);
    let store = open(&server.account());
    server.http.fault(Fault { first: 2, ..Fault::new("part", What::Spoil) });
    write(&store, "p/x").unwrap();
    assert_eq!(server.http.statuses("part"), [403, 400, 200]);
}

fn space(server: &GoogleServer, way: &str) -> Space {
    let job = format!(
        "sources {{ sqlite \"app\" path=\"app.db\" }}\n\
         stores {{ gcs \"cloud\" bucket=\"vault\" endpoint=\"http://{}\" prefix=\"p\" storage-class=\"NEARLINE\" {{ {way}; keep last=1 }} }}\n\
         job \"j\" {{ dump \"app\" chunk=\"64KiB\" {{ send \"cloud\"; verify \"cloud\" }} }}\n",
        server.http.address,
    );
    let space = Space::new().env("VEX_TEST_HASTE", "1").job(&job);
    space.database(
        "app.db",
        "CREATE TABLE t (v); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 2000)
         INSERT INTO t SELECT hex(randomblob(300)) FROM n",
    );
    space
}

#[test]
fn backups_are_made_proven_restored_and_removed_by_every_way_in() {
    for way in 0..3 {
        let server = GoogleServer::start(1000);
        let keys = format!(
            "access-key (file)\"{}\"; secret-key (file)\"{}\"",
            server.access_file.display(),
            server.secret_file.display()
        );
        let account = format!("service-account (file)\"{}\"", server.account_file.display());
        let (text, name, value) = match way {
            0 => (keys, "UNUSED", String::new()),
            1 => (account, "UNUSED", String::new()),
            _ => ("enabled #true".into(), "GCE_METADATA_HOST", server.http.address.clone()),
        };
        let space = space(&server, &text).env(name, &value);
        let ran = space.run(&["doctor", "job.kdl"]).expect(0);
        let said = ran.stdout + &ran.stderr;
        assert!(said.contains("the service knows x-goog-if-generation-match"), "{said}");
        (0..2).for_each(|_| drop(space.back_up()));
        let lines = space.list();
        assert_eq!((lines.len(), word(&lines[0], "proof")), (1, "read"), "way {way}");
        assert_eq!(contents(&space.restore(&lines[0], "back.db")), contents(&space.path("app.db")));
        let left = server.names();
        let odd = |name: &&String| name.contains("lease") || name.contains("begun");
        assert_eq!((left.iter().find(odd), server.pending().len()), (None, 0), "{left:?}");
        assert!(server.http.lines().iter().all(|line| !line.contains("CANARY")));
    }
}
