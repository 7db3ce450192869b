//! A run into a bucket and a folder at once, over a wire on which things go wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::Connection;
use rustix::process::Signal;

use crate::common::s3_server::{Fault, Kind, Recorded, S3Server, What};
use crate::common::space::{Space, contents, names, rows, until, word};
use crate::store::contract::s3::keys;

const MARKER: &str = ".zip.begun";
const INDEX: &str = ".zip.index";
const HEAD: &str = ".zip.manifest.json";

fn space(server: &S3Server) -> Space {
    let job = format!(
        r#"
sources {{ sqlite "app" path="app.db" }}
stores {{
    dir "disk" path="disk" {{ keep last=9 }}
    s3 "cloud" bucket="{}" endpoint="{}" prefix="pre" {{ access-key (file)"{}"; secret-key (file)"{}"; keep last=9 }}
}}
job "j" {{ dump "app" chunk="64KiB" {{ archive compression="store"; send "disk" "cloud"; verify "disk" "cloud" }} }}
"#,
        server.bucket,
        server.endpoint,
        server.access_file.display(),
        server.secret_file.display()
    );
    let space = Space::new().job(&job).env("VEX_TEST_HASTE", "1");
    space.database(
        "app.db",
        "CREATE TABLE small (v); INSERT INTO small VALUES ('x');
         CREATE TABLE large (id INTEGER PRIMARY KEY, v TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 2000)
         INSERT INTO large SELECT i, hex(randomblob(500)) FROM n;",
    );
    space
}

/// The requests of a first run that changed something, in order, parts aside, and those that read
/// a head.
fn writes(requests: &[Recorded]) -> Vec<(Kind, String)> {
    let changing = [Kind::Put, Kind::Initiate, Kind::Complete, Kind::Abort, Kind::Delete];
    let reads = |r: &Recorded| r.kind == Kind::Get && r.path.ends_with(".manifest.json");
    let all = requests.iter().filter(|r| changing.contains(&r.kind) || reads(r));
    let mut all: Vec<(Kind, String)> = all.map(|r| (r.kind, r.path.clone())).collect();
    // Retention lists what there is, once all is written.
    while all.last().is_some_and(|(kind, _)| *kind == Kind::Get) {
        all.pop();
    }
    all
}

#[test]
fn one_read_of_the_source_makes_two_equal_copies_and_the_manifest_is_written_last() {
    let server = S3Server::start();
    let space = space(&server);
    space.back_up();
    let written = writes(&server.requests());
    let lines = space.list();
    assert_eq!(lines.iter().map(|l| word(l, "store")).collect::<Vec<_>>(), ["cloud", "disk"]);
    assert_eq!((&lines[0]["id"], &lines[0]["bytes"]), (&lines[1]["id"], &lines[1]["bytes"]));
    for (number, line) in lines.iter().enumerate() {
        let restored = space.restore(line, &format!("{number}.db"));
        assert_eq!(contents(&restored), contents(&space.path("app.db")));
    }
    // The marker before the first byte, the head last of all and read back, then the marker goes.
    let key = format!("/vault/{}", word(&lines[0], "key"));
    let expected = [
        (Kind::Put, format!("{key}.begun")),
        (Kind::Initiate, key.clone()),
        (Kind::Complete, key.clone()),
        (Kind::Put, format!("{key}.index")),
        (Kind::Put, format!("{key}.manifest.json")),
        (Kind::Get, format!("{key}.manifest.json")),
        (Kind::Delete, format!("{key}.begun")),
    ];
    assert_eq!(written[..7], expected);
    // Who reads it back says so, before and after.
    let [(Kind::Put, id), (Kind::Put, begins), (Kind::Put, proof), (Kind::Delete, ends)] =
        &written[7..]
    else {
        panic!("{written:#?}")
    };
    assert_eq!(id, "/vault/pre/vex.json");
    assert!(begins.starts_with("/vault/pre/j/app/vex-lease-shared-"), "{begins}");
    assert_eq!(begins, ends);
    assert!(proof.starts_with(&format!("{key}.proof-")), "{proof}");
    server.assert_tidy("pre/j/app/");
}

#[test]
fn one_table_is_restored_by_its_own_ranges() {
    let server = S3Server::start();
    let space = space(&server);
    space.back_up();
    let before = server.requests().len();
    let only = [
        "restore",
        "job.kdl",
        "--from",
        "cloud",
        "--only",
        "app.small",
        "--into",
        "sqlite:small.db",
    ];
    space.run(&only).expect(0);
    let db = Connection::open(space.path("small.db")).unwrap();
    assert_eq!(rows(&db, "SELECT v FROM small"), ["t\"x\" "]);
    let requests = server.requests();
    let ranges: Vec<u64> = requests[before..]
        .iter()
        .filter(|r| r.kind == Kind::Get && r.path.ends_with(".zip"))
        .map(|r| {
            let (from, to) =
                r.header("range").unwrap().strip_prefix("bytes=").unwrap().split_once('-').unwrap();
            to.parse::<u64>().unwrap() + 1 - from.parse::<u64>().unwrap()
        })
        .collect();
    let bytes = space.list()[0]["bytes"].as_u64().unwrap();
    assert!(ranges.len() <= 2 && ranges.iter().sum::<u64>() < 2000, "{ranges:?} of {bytes} bytes");
    assert!(bytes > 4_000_000, "{bytes}");
}

/// Every upload that was begun was ended.
#[track_caller]
fn assert_ended(server: &S3Server, what: &str) {
    assert_eq!(server.pending(), [""; 0], "{what}: an upload was left");
    server.assert_tidy("pre/j/app/");
}

#[test]
fn whatever_the_wire_does_there_is_one_good_backup_or_none() {
    let put = |on: &'static str, what: What| Fault::new(Kind::Put, what).on(on);
    let slow = What::Answer(503, "SlowDown");
    // The fault, and whether the run overcomes it.
    let table: Vec<(&str, Fault, bool)> = vec![
        ("slow at the start", Fault::new(Kind::Initiate, slow.clone()).times(2), true),
        ("slow parts", Fault::new(Kind::Part, slow.clone()), true),
        ("a part that is reset", Fault::new(Kind::Part, What::CutRequest(1000)), true),
        ("a part whose answer is lost", Fault::new(Kind::Part, What::Lose), true),
        ("a part that is spoilt on the way", Fault::new(Kind::Part, What::SpoilRequest), true),
        (
            "an error with status 200",
            Fault::new(Kind::Complete, What::Answer(200, "InternalError")),
            true,
        ),
        ("a lost answer to the completion", Fault::new(Kind::Complete, What::Lose), true),
        ("slow at the marker", put(MARKER, slow.clone()), true),
        ("a lost answer to the marker", put(MARKER, What::Lose), true),
        ("a marker that is reset", put(MARKER, What::CutRequest(10)), true),
        ("slow at the index", put(INDEX, slow.clone()), true),
        ("a lost answer to the index", put(INDEX, What::Lose), true),
        ("an index that is reset", put(INDEX, What::CutRequest(10)), true),
        ("slow at the head", put(HEAD, slow.clone()), true),
        ("a lost answer to the head", put(HEAD, What::Lose), true),
        ("a head that is reset", put(HEAD, What::CutRequest(10)), true),
        (
            "a head that is spoilt on its way back",
            Fault::new(Kind::Get, What::SpoilResponse).on(HEAD),
            true,
        ),
        ("slow at the end of the marker", Fault::new(Kind::Delete, slow).on(MARKER), true),
        (
            "no right to remove the marker",
            Fault::new(Kind::Delete, What::Answer(403, "AccessDenied")).times(99),
            true,
        ),
        ("no right to the marker", put(MARKER, What::Answer(403, "AccessDenied")).times(99), false),
        ("no right to the index", put(INDEX, What::Answer(403, "AccessDenied")).times(99), false),
        (
            "no right to begin",
            Fault::new(Kind::Initiate, What::Answer(403, "AccessDenied")).times(99),
            false,
        ),
        (
            "no right to send",
            Fault::new(Kind::Part, What::Answer(403, "AccessDenied")).times(99),
            false,
        ),
        (
            "no right to complete",
            Fault::new(Kind::Complete, What::Answer(403, "AccessDenied")).times(99),
            false,
        ),
        ("no right to the head", put(HEAD, What::Answer(403, "AccessDenied")).times(99), false),
    ];
    for (what, fault, overcome) in table {
        let server = S3Server::start();
        let space = space(&server);
        server.fault(fault);
        let ran = space.run(&["run", "job.kdl"]);
        assert_eq!(ran.code, if overcome { 0 } else { 1 }, "{what}: {}", ran.stderr);
        assert_ended(&server, what);
        let mut stores: BTreeMap<String, usize> = BTreeMap::new();
        for (number, line) in space.list().iter().enumerate() {
            *stores.entry(word(line, "store").to_owned()).or_default() += 1;
            let restored = space.restore(line, &format!("{number}.db"));
            assert_eq!(contents(&restored), contents(&space.path("app.db")), "{what}");
        }
        let expected: Vec<(&str, usize)> =
            if overcome { vec![("cloud", 1), ("disk", 1)] } else { vec![("disk", 1)] };
        assert_eq!(
            stores.iter().map(|(s, n)| (s.as_str(), *n)).collect::<Vec<_>>(),
            expected,
            "{what}"
        );
        // What is left of a copy that failed has a marker: the next run sweeps it.
        server.heal();
        space.back_up();
        let left = keys(&server);
        let heads: Vec<&str> =
            left.iter().filter_map(|key| key.strip_suffix(".manifest.json")).collect();
        let alone: Vec<&String> =
            left.iter().filter(|key| !heads.iter().any(|head| key.starts_with(head))).collect();
        let alone: Vec<&String> =
            alone.into_iter().filter(|key| key.as_str() != "pre/vex.json").collect();
        assert_eq!((heads.len(), alone), (1 + usize::from(overcome), vec![]), "{what}");
    }
}

#[test]
fn a_failed_source_completes_no_upload() {
    let server = S3Server::start();
    let space = space(&server);
    let page = 4096;
    let path = space.path("app.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / page / 2 * page;
    bytes[middle..middle + 200].fill(0xee);
    std::fs::write(&path, bytes).unwrap();
    space.run(&["run", "job.kdl"]).expect(1);
    assert_eq!(server.statuses(Kind::Complete), [0; 0]);
    assert_eq!(space.list().len(), 0);
    assert_ended(&server, "a failed source");
}

#[test]
fn a_store_that_says_nothing_is_hung_up_on_by_a_signal() {
    // Longer than anybody waits here.
    let silence = What::Stall(Duration::from_secs(3600));
    let server = S3Server::start();
    let space = space(&server);
    server.fault(Fault::new(Kind::Part, silence).times(99));
    let run = space.start(&["run", "job.kdl"]);
    until("a part is on its way", || (!server.statuses(Kind::Part).is_empty()).then_some(()));
    run.signal(Signal::TERM);
    assert_eq!(run.ends_soon(), 143);
    assert_eq!(server.statuses(Kind::Abort), [204]);
}

#[test]
fn a_signal_in_the_middle_of_a_part_aborts_the_upload() {
    let server = S3Server::start();
    let space = space(&server);
    server.fault(Fault::new(Kind::Part, What::Stall(Duration::from_millis(300))).times(99));
    let run = space.start(&["run", "job.kdl"]);
    until("a part is on its way", || (!server.statuses(Kind::Part).is_empty()).then_some(()));
    run.signal(Signal::TERM);
    assert_eq!(run.ends_soon(), 143);
    // The marker came before the first byte, and nothing is left that it would stand for.
    let written = writes(&server.requests());
    let kinds: Vec<Kind> = written.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [Kind::Put, Kind::Initiate, Kind::Abort, Kind::Delete], "{written:#?}");
    assert!(written[0].1.ends_with(".zip.begun") && written[0].1 == written[3].1, "{written:#?}");
    assert_eq!((server.statuses(Kind::Put), server.statuses(Kind::Delete)), (vec![200], vec![204]));
    assert_eq!(keys(&server), [""; 0]);
    assert_eq!(space.list().len(), 0);
    assert_eq!(names(&space.path("disk")), [""; 0]);
    assert_eq!(names(&space.state("staging")), [""; 0]);
    assert_eq!(space.catalog::<String>("SELECT verdict || note FROM run"), "3interrupted");
    assert_ended(&server, "a signal");
}
