//! Backups: what RMAN is told, what is sent, what is deleted, and how its failures end.

use serde_json::Value;

use crate::common::s3_server::{Fault, Kind, S3Server, What};
use crate::common::space::{files, names, word};
use crate::oracle::bench::{Bench, said};
use crate::record::notify::mail_sink;

/// A folder, and a bucket.
fn two_stores(server: &S3Server) -> String {
    format!(
        "dir \"nas\" path=\"nas\" {{ keep last=20 }}\n\
         s3 \"cloud\" bucket=\"{}\" endpoint=\"{}\" {{ access-key (file)\"{}\"; secret-key (file)\"{}\"; keep last=20 }}",
        server.bucket,
        server.endpoint,
        server.access_file.display(),
        server.secret_file.display()
    )
}

#[test]
fn a_week_of_backups_is_sent_piece_by_piece_and_told_like_any_other() {
    let server = S3Server::start();
    let bench = Bench::new(&two_stores(&server), "");
    bench.back_up("FULL", 0).expect(0);
    for _ in 0..2 {
        bench.back_up("INCREMENTAL", 20).expect(0);
    }
    let heads = bench.heads();
    assert_eq!(heads.len(), 3);
    // Parents, levels and SCNs are one chain.
    let level = |head: &Value| head["objects"][0]["piece"]["level"].as_u64();
    assert_eq!(heads.iter().map(level).collect::<Vec<_>>(), [Some(0), Some(1), Some(1)]);
    assert_eq!((&heads[1]["parent"], &heads[2]["parent"]), (&heads[0]["id"], &heads[1]["id"]));
    assert_eq!(heads[0]["origin"]["id"], "1234567890");
    // Data, logs, and the control file with the spfile, each under the date of its backup.
    for head in &heads {
        let day = word(head, "key").split("backup_").nth(1).unwrap()[..8].to_owned();
        let folder = format!("backups/{}/{}/{}/", &day[..4], &day[4..6], &day[6..8]);
        let mut held: Vec<&str> = Vec::new();
        for object in head["objects"].as_array().unwrap() {
            assert!(word(object, "key").starts_with(&folder), "{object}");
            assert!(bench.space.path("nas").join(word(object, "key")).is_file());
            held.push(word(&object["piece"], "holds"));
        }
        held.sort_unstable();
        held.dedup();
        assert_eq!(held, ["control", "data", "logs"]);
    }
    // The same pieces are in the bucket, as objects of their own, each sent once.
    let sent: Vec<String> = server.requests().iter().map(|r| r.path.clone()).collect();
    let key = word(&heads[2]["objects"][0], "key");
    assert!(sent.iter().any(|path| path.contains(key)), "{key}: {sent:?}");
    let listed = bench.space.list();
    assert_eq!(listed.len(), 6);
    assert!(listed.iter().all(|line| word(line, "proof") == "hashed"), "{listed:?}");
    // Logs older than a day went, and only after they were in a store.
    assert!(bench.lost_logs().is_empty());
    let model = bench.model();
    let deleted = |log: &&Value| log["deleted"] == true;
    let archived = model["control"]["archived"].as_array().unwrap();
    assert_eq!(archived.iter().filter(deleted).count(), 1, "{archived:?}");
    // Nothing is staged any more, and the dashboard's catalog knows the runs.
    assert_eq!(names(&bench.space.state("staging")), [] as [&str; 0]);
    let rman: i64 = bench.space.catalog("SELECT count(*) FROM step WHERE verb='rman'");
    assert_eq!(rman, 3);
    bench.space.run(&["report", "job.kdl", "--out", "pages"]).expect(0);
    let pages = files(&bench.space.path("pages"));
    let page = |id: &str| {
        let named = |path: &&std::path::PathBuf| path.to_str().unwrap().contains(id);
        let own = pages.iter().filter(named).map(|path| std::fs::read_to_string(path).unwrap());
        own.collect::<String>()
    };
    let shown = page(word(&heads[2], "id"));
    assert!(shown.contains("fin") && shown.contains(".rman"), "no page tells of it");
    let status = bench.space.run(&["status", "job.kdl"]);
    assert!(status.stdout.contains("INCREMENTAL"), "{status:?}");
    let verified = bench.space.run(&["verify", "job.kdl", "fin", "--from", "cloud"]).expect(0);
    assert!(said(&verified).contains("proven"), "{verified:?}");
}

#[test]
fn mode_decides_the_level_and_another_word_is_a_usage_error() {
    let bench = Bench::disk();
    bench.space.run(&["run", "job.kdl", "INCREMENTAL", "--mode", "FULL"]).expect(0);
    assert!(bench.calls().starts_with("rman target / msgno cmdfile\n"), "{}", bench.calls());
    assert!(bench.calls().contains("BACKUP INCREMENTAL LEVEL 0 CHECK LOGICAL"));
    bench.space.run(&["run", "job.kdl", "FULL", "--mode", "INCREMENTAL"]).expect(0);
    assert!(bench.calls().contains("BACKUP INCREMENTAL LEVEL 1 CHECK LOGICAL"));
    let wrong = bench.space.run(&["run", "job.kdl", "FULL", "--mode", "PARTIAL"]).expect(64);
    assert!(wrong.stderr.contains("FULL, INCREMENTAL"), "{wrong:?}");
}

#[test]
fn a_store_that_refuses_pieces_leaves_the_other_copy_whole_and_every_log_where_it_is() {
    let server = S3Server::start();
    let bench = Bench::new(&two_stores(&server), "");
    bench.back_up("FULL", 48).expect(0);
    for kind in [Kind::Put, Kind::Initiate] {
        server.fault(Fault::new(kind, What::Answer(403, "AccessDenied")).on("_1_1").always());
    }
    let ran = bench.back_up("INCREMENTAL", 48).expect(1);
    assert!(said(&ran).contains("AccessDenied"), "{ran:?}");
    assert!(bench.space.logs().contains("no archived log is deleted"));
    assert_eq!(bench.heads().len(), 2, "the copy in the folder was made");
    let model = bench.model();
    let archived = model["control"]["archived"].as_array().unwrap();
    assert!(archived.iter().all(|log| log["deleted"] == false), "{archived:?}");
    server.heal();
    // What one store lacks is not added to.
    bench.back_up("INCREMENTAL", 1).expect(0);
    let heads = bench.heads();
    assert_eq!(heads[2]["parent"], heads[0]["id"]);
    assert_eq!(server.pending(), Vec::<String>::new());
}

/// What a stack of RMAN ends in: the code, and what the run says of it.
#[test]
fn a_failure_of_rman_is_an_error_with_its_stack_and_leaves_nothing() {
    let bench = Bench::disk();
    bench.back_up("FULL", 1).expect(0);
    let before = names(&bench.space.path("nas"));
    for (at, code) in [
        ("database", "ORA-19566"),
        ("archivelog", "RMAN-06059"),
        ("piece", "ORA-19502"),
        ("database", "RMAN-99999"),
    ] {
        let stack = format!(
            r#"[{{"at": "{at}", "once": true, "stack": ["RMAN-03009: failure of backup command on vex1 channel", "{code}: as the stand-in says"]}}]"#
        );
        bench.set("faults", &stack);
        let ran = bench.back_up("INCREMENTAL", 1).expect(1);
        assert!(said(&ran).contains(code), "{code}: {ran:?}");
        assert!(said(&ran).contains("RMAN-03009"), "the whole stack: {ran:?}");
        assert!(bench.space.logs().contains(code), "{code}");
        assert_eq!(names(&bench.space.path("nas")), before, "{code}");
        let model = bench.model();
        let known = model["control"]["pieces"].as_array().unwrap();
        let counted = known.iter().filter(|piece| piece["status"] == "A").count();
        assert_eq!(counted, bench.heads()[0]["objects"].as_array().unwrap().len(), "{code}");
        assert!(bench.lost_logs().is_empty());
    }
    // The letter has the stack, and the page of the run has it too.
    let (port, sink) = mail_sink();
    let job = std::fs::read_to_string(bench.space.path("job.kdl")).unwrap();
    let notify = format!(
        "mail host=\"127.0.0.1\" port={port} tls=#false from=\"vex@example.com\"\n\
         notify {{ email to=\"dba@example.com\" }}\n"
    );
    std::fs::write(bench.space.path("job.kdl"), format!("{notify}{job}")).unwrap();
    bench.set(
        "faults",
        r#"[{"at": "database", "once": true, "stack": ["ORA-19502: write error on file"]}]"#,
    );
    bench.back_up("INCREMENTAL", 1).expect(1);
    let letter = sink.join().unwrap();
    assert!(letter.contains("ORA-19502") && letter.contains("Erro"), "{letter}");
    bench.space.run(&["report", "job.kdl", "--out", "pages"]).expect(0);
    let pages = files(&bench.space.path("pages"));
    let tells = |path: &&std::path::PathBuf| {
        std::fs::read(path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains("ORA-19502"))
    };
    assert!(pages.iter().any(|path| tells(&path)), "no page has the stack");
    std::fs::write(bench.space.path("job.kdl"), job).unwrap();
    // What RMAN remembers of them is never added to.
    bench.back_up("INCREMENTAL", 1).expect(0);
    let heads = bench.heads();
    assert_eq!(heads[1]["parent"], heads[0]["id"]);
    let from = |head: &Value, field: &str| {
        let pieces = head["objects"].as_array().unwrap();
        pieces.iter().filter_map(|o| o["piece"][field].as_u64()).max()
    };
    assert!(from(&heads[1], "from").is_some());
}

#[test]
fn an_exit_code_of_zero_is_no_success_and_a_warning_is_an_alert() {
    let bench = Bench::disk();
    bench.set("control/config/ARCHIVELOG DELETION POLICY", "\"TO APPLIED ON STANDBY\"");
    bench.set("control/applied", "0");
    bench.back_up("FULL", 48).expect(0);
    let ran = bench.back_up("INCREMENTAL", 48).expect(0);
    assert!(said(&ran).contains("RMAN-08120") && said(&ran).contains("Alert (2)"), "{ran:?}");
    assert!(!bench.calls().contains("BACKED UP"), "the policy of the database decides");
    let model = bench.model();
    let archived = model["control"]["archived"].as_array().unwrap();
    assert!(archived.iter().all(|log| log["deleted"] == false), "a standby needs them");
}

#[test]
fn an_increment_on_the_backup_of_another_tool_is_refused() {
    let bench = Bench::disk();
    bench.back_up("FULL", 1).expect(0);
    // Somebody else's level 0, which RMAN would add to.
    bench.ctl(&["work", "9"]);
    let foreign = bench.space.path("foreign.rman");
    std::fs::write(&foreign, "BACKUP INCREMENTAL LEVEL 0 DATABASE;\n").unwrap();
    let home = bench.space.path("oh");
    let ran = std::process::Command::new(home.join("bin/rman"))
        .args(["target", "/", "cmdfile", foreign.to_str().unwrap()])
        .env("ORACLE_HOME", &home)
        .env("ORACLE_SID", "FIN")
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
    let ran = bench.back_up("INCREMENTAL", 1).expect(1);
    assert!(said(&ran).contains("a backup that vex did not make"), "{ran:?}");
    bench.back_up("FULL", 1).expect(0);
    bench.back_up("INCREMENTAL", 1).expect(0);
}

#[test]
fn logs_that_somebody_else_took_while_the_backup_ran_make_it_no_backup() {
    for job in ["FULL", "INCREMENTAL"] {
        let bench = Bench::disk();
        bench.set("busy", "2");
        bench.back_up("FULL", 1).expect(0);
        bench.set("faults", "[{\"at\": \"archivelog\", \"once\": true, \"steal\": true}]");
        let ran = bench.back_up(job, 1).expect(1);
        let said = said(&ran);
        assert!(
            said.contains("it could not be recovered: the log of thread 1 that"),
            "{job}: {said}"
        );
        assert_eq!(bench.heads().len(), 1, "{job}: what is no backup has no head");
        bench.back_up("FULL", 1).expect(0);
        bench.back_up("INCREMENTAL", 1).expect(0);
    }
}

#[test]
fn two_runs_never_back_up_one_database_at_once() {
    let bench = Bench::disk();
    bench.back_up("FULL", 1).expect(0);
    let held =
        std::fs::File::options().write(true).open(bench.space.state("locks/oracle-FIN.lock"));
    let held = held.unwrap();
    held.lock().unwrap();
    let ran = bench.back_up("INCREMENTAL", 1).expect(1);
    assert!(said(&ran).contains("another run backs it up, or restores it"), "{ran:?}");
    assert!(!bench.calls().contains("UNCATALOG"), "nothing of the other run is touched");
    drop(held);
    bench.back_up("INCREMENTAL", 1).expect(0);
}

#[test]
fn preflight_and_doctor_say_what_to_repair_before_anything_is_written() {
    let bench = Bench::disk();
    for (path, value, found) in [
        ("control/archivelog", "false", "NOARCHIVELOG"),
        ("control/config/CONTROLFILE AUTOBACKUP", "\"OFF\"", "CONTROLFILE AUTOBACKUP ON"),
        ("status", "\"DOWN\"", "ORA-01034"),
        ("denied", "true", "ORA-01031"),
        ("control/size", "1000000000000000", "are free there"),
    ] {
        let before = bench.ctl(&["show"]);
        bench.set(path, value);
        let ran = bench.space.run(&["run", "job.kdl", "FULL"]).expect(1);
        assert!(said(&ran).contains(found), "{path}: {ran:?}");
        let doctor = bench.space.run(&["doctor", "job.kdl"]);
        assert_eq!(doctor.code, 1, "{path}: {doctor:?}");
        assert!(!bench.space.path("nas/backups").exists());
        let old: Value = serde_json::from_str(&before).unwrap();
        for key in ["status", "denied", "control"] {
            bench.set(key, &old[key].to_string());
        }
    }
    let well = bench.space.run(&["doctor", "job.kdl"]);
    assert_eq!(well.code, 0, "{well:?}");
    for looked in ["ORACLE_SID", "ORACLE_HOME", "rman", "group dba", "ARCHIVELOG", "recovery area"]
    {
        assert!(well.stdout.contains(looked), "{looked}: {well:?}");
    }
    bench.set("control/area/limit", "100");
    let full = bench.space.run(&["run", "job.kdl", "FULL"]).expect(1);
    assert!(said(&full).contains("ORA-19809"), "{full:?}");
}

#[test]
fn retention_keeps_chains_whole_and_rman_forgets_what_is_gone() {
    let bench = Bench::new("dir \"nas\" path=\"nas\" { keep last=1 }", "");
    bench.back_up("FULL", 20).expect(0);
    for _ in 0..2 {
        bench.back_up("INCREMENTAL", 20).expect(0);
    }
    assert_eq!(bench.heads().len(), 3, "an increment keeps all that it adds to");
    bench.back_up("FULL", 20).expect(0);
    bench.back_up("INCREMENTAL", 20).expect(0);
    bench.back_up("FULL", 20).expect(0);
    let heads = bench.heads();
    let ids: Vec<&str> = heads.iter().map(|head| word(head, "id")).collect();
    // The pieces in the store are those that the heads list, and nothing else.
    let mut listed: Vec<String> = heads
        .iter()
        .flat_map(|head| head["objects"].as_array().unwrap())
        .map(|object| word(object, "key").rsplit_once('/').unwrap().1.to_owned())
        .collect();
    listed.sort();
    let mut there: Vec<String> = files(&bench.space.path("nas/backups"))
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    there.sort();
    assert_eq!(there, listed);
    bench.back_up("INCREMENTAL", 20).expect(0);
    let model = bench.model();
    let known = model["control"]["pieces"].as_array().unwrap();
    for piece in known.iter().filter(|piece| piece["status"] == "A") {
        let handle = word(piece, "handle");
        let newest = bench.heads();
        let is_ours = ids
            .iter()
            .chain(newest.iter().map(|h| word(h, "id")).collect::<Vec<_>>().iter())
            .any(|id| handle.contains(id));
        assert!(is_ours, "RMAN still counts on {handle}");
    }
}

#[test]
fn rman_and_sqlplus_are_those_of_the_folder_that_the_site_names() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::disk();
    let tools = bench.space.path("own tools");
    std::fs::create_dir(&tools).unwrap();
    std::fs::write(bench.space.path("vex.kdl"), "tools { oracle \"own tools\" }\n").unwrap();
    let wrap = |name: &str| {
        let (own, home) = (tools.join(name), bench.space.path("oh/bin").join(name));
        let script = format!(
            "#!/bin/sh\necho {name} >> '{}/used'\nexec '{}' \"$@\"\n",
            tools.display(),
            home.display()
        );
        std::fs::write(&own, script).unwrap();
        std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    wrap("rman");
    // One program is not enough, and nothing was done before that is said, at its line.
    let refused = bench.back_up("FULL", 0).expect(78);
    assert!(refused.stderr.contains("holds no sqlplus"), "{}", refused.stderr);
    assert!(refused.stderr.contains("vex.kdl:1:"), "{}", refused.stderr);
    assert_eq!(bench.calls(), "");
    wrap("sqlplus");
    bench.back_up("FULL", 0).expect(0);
    let used = std::fs::read_to_string(tools.join("used")).unwrap();
    assert!(used.contains("rman") && used.contains("sqlplus"), "{used}");
}

/// A read-only tablespace, and with it `PDB$SEED` of every container database.
#[test]
fn a_data_file_that_nobody_writes_needs_no_log_of_its_own_time() {
    let bench = Bench::disk();
    bench.ctl(&["freeze", "2"]);
    for _ in 0..3 {
        bench.back_up("FULL", 48).expect(0);
    }
    bench.back_up("INCREMENTAL", 48).expect(0);
    let model = bench.model();
    let archived = model["control"]["archived"].as_array().unwrap();
    assert_eq!(archived[0]["deleted"], true, "the log of that time is gone");
    let head = bench.heads().remove(3);
    let frozen = model["files"]["2"]["ckpt"].as_u64().unwrap();
    assert!(head["position"]["start"].as_u64().unwrap() > frozen, "{head}");
    let expected = bench.rows();
    bench.ctl(&["lose"]);
    let kept = bench.space.copy();
    for mode in ["FULL", "INCREMENTAL"] {
        bench.space.run(&["restore", "job.kdl", "fin", "--mode", mode]).expect(0);
        assert_eq!(bench.rows(), expected, "{mode}");
        bench.space.put_back(&kept);
    }
}

#[test]
fn an_increment_after_a_data_file_was_added_adds_to_the_full_backup() {
    let bench = Bench::disk();
    bench.back_up("FULL", 0).expect(0);
    bench.ctl(&["add"]);
    for _ in 0..2 {
        bench.back_up("INCREMENTAL", 5).expect(0);
    }
    let heads = bench.heads();
    assert_eq!((&heads[1]["parent"], &heads[2]["parent"]), (&heads[0]["id"], &heads[1]["id"]));
    let expected = bench.rows();
    assert!(expected.contains("\"4\""), "{expected}");
    bench.ctl(&["lose"]);
    let kept = bench.space.copy();
    for mode in ["FULL", "INCREMENTAL"] {
        bench.space.run(&["restore", "job.kdl", "fin", "--mode", mode]).expect(0);
        assert_eq!(bench.rows(), expected, "{mode}");
        bench.space.put_back(&kept);
    }
}

#[test]
fn logs_that_somebody_took_between_two_backups_are_told_until_a_full_one_passed_them() {
    let bench = Bench::disk();
    bench.back_up("FULL", 0).expect(0);
    bench.ctl(&["work", "5"]);
    bench.ctl(&["steal"]);
    let told = |job: &str| {
        let ran = bench.back_up(job, 5);
        assert!(!bench.heads().is_empty() && ran.code < 64, "{ran:?}");
        said(&ran).contains("logs 2 to 2 of thread 1 are in no backup")
    };
    // It is no error: each backup comes back by itself.
    assert!(told("INCREMENTAL"));
    assert!(told("INCREMENTAL"), "it stays");
    assert!(told("FULL"));
    assert!(!told("INCREMENTAL"), "a full backup passed it");
    assert_eq!(bench.heads().len(), 5);
}
