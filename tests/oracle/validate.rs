//! A verification that names a scratch instance: RMAN itself reads the backup there, the database
//! that was backed up is not asked for anything, and nothing that vex did not make is overwritten.

use std::fs;

use serde_json::Value;

use crate::common::space::word;
use crate::oracle::bench::{BEGIN, Bench, ctl_of, said};

/// A database, and a scratch instance beside it in which both jobs validate.
fn bench() -> Bench {
    let bench = Bench::disk();
    let path = bench.space.path("job.kdl");
    let job = fs::read_to_string(&path).unwrap();
    let job = job
        .replace("sources { ", "sources { oracle \"lab\" sid=\"LAB\" home=\"oh\" scratch=#true\n")
        .replace("verify \"nas\"", "verify \"nas\" into=\"lab\"");
    fs::write(path, job).unwrap();
    lab(&bench, &["lab", &BEGIN.to_string(), "FIN"]);
    bench
}

fn lab(bench: &Bench, words: &[&str]) -> String {
    ctl_of(&bench.space.path("oh"), "LAB", words)
}

fn status(bench: &Bench) -> String {
    let model: Value = serde_json::from_str(&lab(bench, &["show"])).unwrap();
    word(&model, "status").to_owned()
}

fn proofs(bench: &Bench) -> Vec<String> {
    bench.space.list().iter().map(|line| word(line, "proof").to_owned()).collect()
}

#[test]
fn rman_reads_every_piece_in_the_scratch_instance_and_leaves_it_as_it_was() {
    let bench = bench();
    bench.back_up("FULL", 20).expect(0);
    bench.back_up("INCREMENTAL", 20).expect(0);
    bench.back_up("INCREMENTAL", 20).expect(0);
    assert_eq!(proofs(&bench), ["validated"; 3]);
    assert_eq!(status(&bench), "STARTED", "it is as it was");
    let calls = bench.calls();
    assert_eq!(calls.matches("RESTORE DATABASE VALIDATE CHECK LOGICAL;").count(), 3);
    assert_eq!(calls.matches("VALIDATE BACKUPSET ").count(), 3);
    assert!(!calls.contains("RECOVER"), "nothing is recovered, and nothing is open");
    // The database itself knows nothing of it.
    let model = bench.model();
    assert_eq!(model["status"], "OPEN");
    let known = model["control"]["pieces"].as_array().unwrap();
    assert!(known.iter().all(|piece| piece["tag"] != "CATALOGED"), "{known:?}");
    let status = bench.space.run(&["status", "job.kdl"]).expect(0);
    assert!(status.stdout.contains("validated"), "{status:?}");
    // One that was down is down again.
    lab(&bench, &["set", "status", "\"DOWN\""]);
    bench.back_up("INCREMENTAL", 20).expect(0);
    assert_eq!(self::status(&bench), "DOWN");
}

#[test]
fn what_rman_finds_in_pieces_is_damage_and_what_ails_the_instance_is_not() {
    let bench = bench();
    bench.back_up("FULL", 20).expect(0);
    let fault = |at: &str, line: &str| {
        let fault = serde_json::json!([{ "at": at, "once": true, "stack": [line] }]);
        lab(&bench, &["set", "faults", &fault.to_string()]);
    };
    fault("restore", "ORA-19599: block number 12 is corrupt in backup piece /s/a_1_1");
    let ran = bench.back_up("INCREMENTAL", 20);
    assert!(ran.code != 0 && said(&ran).contains("ORA-19599"), "{ran:?}");
    let listed = || bench.space.run(&["list", "job.kdl", "--format", "json"]).stdout;
    assert_eq!(listed().matches("\"damaged\"").count(), 1, "{}", listed());
    assert_eq!(status(&bench), "STARTED");
    for (at, line) in [
        ("start", "ORA-27101: shared memory realm does not exist"),
        ("mount", "ORA-01103: database name 'FIN' in control file is not 'LAB'"),
    ] {
        fault(at, line);
        let ran = bench.back_up("INCREMENTAL", 20).expect(1);
        assert!(said(&ran).contains(line), "{ran:?}");
        assert_eq!(listed().matches("\"damaged\"").count(), 1, "no damage: {}", listed());
        assert_eq!(status(&bench), "STARTED", "{at}");
    }
    bench.back_up("INCREMENTAL", 20).expect(0);
}

#[test]
fn an_instance_that_holds_anything_is_not_touched() {
    let bench = bench();
    for (path, value, found) in [
        ("status", "\"OPEN\"", "it is OPEN"),
        ("status", "\"MOUNTED\"", "mounted with a control file that vex did not make"),
        ("control_files", "[\"+DATA/fin.ctl\"]", "can't be seen"),
        ("control_files", "[]", "does not say where its control files go"),
    ] {
        let old = lab(&bench, &["show"]);
        lab(&bench, &["set", path, value]);
        let before = lab(&bench, &["show"]);
        let ran = bench.back_up("FULL", 1).expect(1);
        assert!(
            said(&ran).contains(found) && said(&ran).contains("nothing was touched"),
            "{ran:?}"
        );
        assert_eq!(lab(&bench, &["show"]), before, "{path} {value}");
        let old: Value = serde_json::from_str(&old).unwrap();
        lab(&bench, &["set", path, &old[path].to_string()]);
    }
    // A control file of another database.
    let own = bench.space.path("oh/dbs/control-LAB.ctl");
    fs::write(&own, "of somebody").unwrap();
    let ran = bench.back_up("FULL", 1).expect(1);
    assert!(said(&ran).contains("is there, and vex did not make it"), "{ran:?}");
    assert_eq!(fs::read_to_string(&own).unwrap(), "of somebody");
    fs::remove_file(&own).unwrap();
    bench.back_up("FULL", 1).expect(0);
    // What vex made there is gone; what somebody makes there since is his own.
    assert!(!own.exists());
    fs::write(&own, "of somebody").unwrap();
    let ran = bench.back_up("FULL", 1).expect(1);
    assert!(said(&ran).contains("is there, and vex did not make it"), "{ran:?}");
    assert_eq!(fs::read_to_string(&own).unwrap(), "of somebody");
    fs::remove_file(&own).unwrap();
    // The database itself is no scratch, whatever it is called.
    let path = bench.space.path("job.kdl");
    let job = fs::read_to_string(&path).unwrap().replace("sid=\"LAB\"", "sid=\"FIN\"");
    fs::write(&path, job).unwrap();
    let checked = bench.space.run(&["check", "job.kdl"]);
    assert!(checked.code != 0 && said(&checked).contains("are one place"), "{checked:?}");
}

#[test]
fn a_validation_that_was_killed_leaves_nothing_that_stops_the_next_one() {
    let bench = bench();
    let kill = serde_json::json!([{ "at": "restore", "once": true, "kill": true }]);
    lab(&bench, &["set", "faults", &kill.to_string()]);
    let ran = bench.back_up("FULL", 1);
    assert!(ran.code != 0, "{ran:?}");
    assert_eq!(status(&bench), "MOUNTED");
    bench.back_up("INCREMENTAL", 1).expect(0);
    assert!(proofs(&bench).contains(&"validated".to_owned()));
}

#[test]
fn an_instance_that_was_down_is_down_again_after_a_piece_was_found_damaged() {
    let bench = bench();
    bench.back_up("FULL", 20).expect(0);
    let key = word(&bench.heads()[0]["objects"][0], "key").to_owned();
    let path = bench.space.path("nas").join(&key);
    let mut bytes = fs::read(&path).unwrap();
    bytes[40] ^= 1;
    fs::write(&path, bytes).unwrap();
    lab(&bench, &["set", "status", "\"DOWN\""]);
    // The increment is read with what it adds to.
    let ran = bench.back_up("INCREMENTAL", 20);
    assert!(ran.code != 0 && said(&ran).contains(&key), "{ran:?}");
    assert!(bench.calls().contains("STARTUP NOMOUNT;"), "it was started");
    assert_eq!(status(&bench), "DOWN");
}
