//! A container of Azure: backups in it, faults on the way, and what is said when it goes wrong. The
//! contract of stores holds for it too (`contract/store.rs`).

use std::time::Duration;

use vex::testing::base::{Grade, SecretRef, Stop};
use vex::testing::job::AzureSpec;
use vex::testing::store::contract::{Coming, ErrorKind, Result, Store};
use vex::testing::store::{Azure, Pace};
use vex::testing::world::{World, install_provider};

use crate::common::cloud::azure::{ACCOUNT, AzureServer};
use crate::common::cloud::{Fault, What};
use crate::common::space::{Space, contents, word};

/// A store that does not wait long.
pub fn open(spec: &AzureSpec) -> Azure {
    install_provider();
    let (stall, first, longest) =
        (Duration::from_millis(1500), Duration::from_millis(5), Duration::from_millis(20));
    let pace = Pace { lanes: 4, stall, tries: 4, first, longest };
    Azure::open(spec, &World::real(), pace, &stop()).unwrap()
}

fn stop() -> Stop {
    Stop::new()
}

fn write(store: &Azure, key: &str) -> Result<()> {
    let upload = store.create(key, &stop())?;
    upload.part(1, 0, &[7; 1000], &stop())?;
    upload.part(2, 1000, &[8; 10], &stop())?;
    upload.finish(1010)
}

#[test]
fn passing_faults_of_every_request_are_overcome() {
    let busy = What::Answer(503, "ServerBusy");
    for kind in ["head", "block", "commit", "put", "get", "list", "delete"] {
        for what in [busy, What::Answer(500, "InternalError"), What::Cut, What::Lose] {
            let case = format!("{kind} {what:?}");
            let server = AzureServer::start(1000);
            let store = open(&server.spec());
            server.http.fault(Fault::new(kind, what));
            write(&store, "p/x").unwrap_or_else(|e| panic!("{case}: {e}"));
            store.put("p/m", b"head", &stop()).unwrap_or_else(|e| panic!("{case}: {e}"));
            assert_eq!(store.read("p/m", None, &stop()).unwrap(), b"head", "{case}");
            assert_eq!(store.read("p/x", Some(999..1001), &stop()).unwrap(), [7, 8], "{case}");
            assert_eq!(store.list("p/", &stop()).unwrap().len(), 2, "{case}");
            store.remove("p/x", &stop()).unwrap();
            assert_eq!(server.names(), ["p/m"], "{case}");
        }
    }
    let server = AzureServer::start(1000);
    server.http.fault(Fault::new("block", What::Spoil));
    server.http.fault(Fault::new("put", What::Spoil));
    let store = open(&server.spec());
    write(&store, "p/x").unwrap();
    store.put("p/m", b"head", &stop()).unwrap();
    assert_eq!(server.http.statuses("block"), [400, 201, 201], "its MD5 told");
    assert_eq!(server.http.statuses("put"), [400, 201]);
}

#[test]
fn a_service_that_takes_no_notice_of_conditions_is_found_out() {
    let server = AzureServer::start(1000);
    server.http.service.lock().unwrap().is_deaf = true;
    let store = open(&server.spec());
    let coming =
        Coming { probe: "p/vex-doctor-1".into(), largest: Some(1 << 48), ..Coming::default() };
    let found = store.examine(&coming, &stop());
    let told = |looked: &str| {
        let one = found.iter().find(|finding| finding.looked == looked);
        one.map(|finding| (finding.grade, finding.found.as_str()))
    };
    let replaced = "the store replaced an object that was there";
    assert_eq!(told("conditional create"), Some((Grade::Alert, replaced)));
    let (grade, text) = told("two writers").unwrap();
    assert_eq!(grade, Grade::Alert);
    assert!(text.starts_with("the store says that it refuses a name that is taken"), "{text}");
    assert_eq!(told("object size").map(|(grade, _)| grade), Some(Grade::Alert));
    assert_eq!(server.names(), Vec::<String>::new());
}

#[test]
fn a_lost_answer_is_resolved_by_the_names_of_the_blocks() {
    let server = AzureServer::start(1000);
    let (store, other) = (open(&server.spec()), open(&server.spec()));
    server.http.fault(Fault::new("commit", What::Lose));
    write(&store, "p/x").unwrap();
    assert_eq!(
        (server.http.statuses("commit"), server.http.statuses("blocks")),
        (vec![0], vec![200])
    );
    // The same size by somebody else is not ours.
    let upload = store.create("p/y", &stop()).unwrap();
    upload.part(1, 0, b"ours!!", &stop()).unwrap();
    other.put("p/y", b"theirs", &stop()).unwrap();
    server.http.fault(Fault { first: 2, ..Fault::new("commit", What::Cut) });
    assert_eq!(upload.finish(6).unwrap_err().kind, ErrorKind::Exists);
    assert_eq!(store.read("p/y", None, &stop()).unwrap(), b"theirs");
}

#[test]
fn what_lasts_is_told_by_code_and_nothing_of_it_stays() {
    for (kind, what, expected) in [
        ("block", What::Answer(503, "ServerBusy"), (ErrorKind::Unreachable, "503 ServerBusy")),
        ("block", What::Answer(403, "AuthorizationFailure"), (ErrorKind::Denied, "403 Auth")),
        (
            "commit",
            What::Answer(400, "InvalidBlockList"),
            (ErrorKind::Failed, "400 InvalidBlockList"),
        ),
        (
            "head",
            What::Answer(404, "ContainerNotFound"),
            (ErrorKind::Failed, "404 ContainerNotFound"),
        ),
    ] {
        let server = AzureServer::start(1000);
        let store = open(&server.spec());
        server.http.fault(Fault::new(kind, what).times(100));
        let error = write(&store, "p/x").expect_err(kind);
        assert_eq!(error.kind, expected.0, "{error}");
        assert!(error.found.contains(expected.1), "{error}");
        assert!(error.doing.contains(&format!("azure://{ACCOUNT}/box")), "{error}");
        assert_eq!(server.names(), [""; 0]);
    }
    let server = AzureServer::start(1000);
    let store = open(&server.spec());
    server.http.fault(Fault::new("get", What::Answer(409, "BlobArchived")).times(9));
    store.put("a", b"x", &stop()).unwrap();
    let error = store.read("a", None, &stop()).unwrap_err();
    assert!(error.found.contains("archive tier") && error.kind == ErrorKind::Refused, "{error}");
}

#[test]
fn a_wrong_key_and_a_signature_stand_nowhere() {
    let server = AzureServer::start(1000);
    let sas = AzureSpec {
        account_key: None,
        sas: Some(SecretRef::File(server.sas_file.clone())),
        ..server.spec()
    };
    let store = open(&sas);
    write(&store, "p/x").unwrap();
    assert_eq!(store.list("", &stop()).unwrap().len(), 1);
    let refused = What::Answer(403, "AuthorizationPermissionMismatch");
    server.http.fault(Fault { first: 2, ..Fault::new("list", refused) });
    let error = store.list("", &stop()).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("CANARY"), "{error:?}");
    // Nobody listens there: what the wire says of it does not repeat the address.
    let gone = AzureSpec { endpoint: Some(format!("http://127.0.0.1:1/{ACCOUNT}")), ..sas };
    let error = open(&gone).list("", &stop()).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("CANARY"), "{error:?}");
    let wrong =
        AzureSpec { account_key: Some(SecretRef::File(server.sas_file.clone())), ..server.spec() };
    let error = Azure::open(&wrong, &World::real(), Pace::new(1), &stop()).err().expect("no key");
    assert!(error.found.contains("not base64") && !error.found.contains("CANARY"), "{error}");
}

#[test]
fn what_a_policy_holds_is_not_removed_and_no_way_around_it_is_tried() {
    let server = AzureServer::start(1000);
    let store = open(&server.spec());
    store.put("p/m", b"head", &stop()).unwrap();
    server.http.service.lock().unwrap().held.push("p/m".into());
    let error = store.remove("p/m", &stop()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied, "{error}");
    assert!(error.found.contains("BlobImmutableDueToPolicy"), "{error}");
    assert_eq!(server.http.statuses("delete"), [409]);
}

fn space(server: &AzureServer) -> Space {
    let job = format!(
        "sources {{ sqlite \"app\" path=\"app.db\" }}\n\
         stores {{ azure \"cloud\" account=\"{ACCOUNT}\" container=\"box\" endpoint=\"{}\" prefix=\"p\" tier=\"Cool\" {{ account-key (file)\"{}\"; keep last=1 }} }}\n\
         job \"j\" {{ dump \"app\" chunk=\"64KiB\" {{ send \"cloud\"; verify \"cloud\" }} }}\n",
        server.endpoint(),
        server.key_file.display(),
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
fn backups_are_made_proven_restored_and_removed_there() {
    let server = AzureServer::start(1000);
    let space = space(&server);
    let ran = space.run(&["doctor", "job.kdl"]).expect(0);
    let said = ran.stdout + &ran.stderr;
    assert!(said.contains("a wrong MD5 is refused"), "{said}");
    let ran: Vec<_> = (0..2).map(|_| space.run(&["run", "job.kdl"]).expect(0)).collect();
    let lines = space.list();
    let said = ran[1].stderr.clone() + &space.run(&["prune", "job.kdl", "--dry-run"]).stdout;
    assert_eq!((lines.len(), word(&lines[0], "proof")), (1, "read"), "{said}");
    assert_eq!(contents(&space.restore(&lines[0], "back.db")), contents(&space.path("app.db")));
    let left = server.names();
    let odd = |name: &&String| name.contains("lease") || name.contains("begun");
    assert_eq!(left.iter().find(odd), None, "{left:?}");
    assert!(server.http.lines().iter().all(|line| !line.contains("CANARY")));
}
