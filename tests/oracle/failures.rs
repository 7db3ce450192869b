//! Every failure of RMAN that the documents list: the verdict it ends in, and its stack in mail and
//! page.
//!
//! The stand-in says the stack where the real one would; texts are those of the documents, and one
//! in another language, for texts are never matched.

use crate::common::space::files;
use crate::oracle::bench::{Bench, said};
use crate::record::notify::mail_sink;

/// A failure: the command that ends in it, and the stack as RMAN prints it, the cause last.
type Failure = (&'static str, &'static [&'static str]);

/// Failures of a backup.
const BACKUPS: [Failure; 30] = [
    ("start", &["RMAN-00554: initialization of internal recovery manager package failed"]),
    ("start", &["RMAN-04005: error from target database:"]),
    ("start", &["RMAN-04005: error from target database:", "ORA-01031: insufficient privileges"]),
    ("start", &["RMAN-04005: error from target database:", "ORA-01017: invalid username/password"]),
    ("start", &["RMAN-04005: error from target database:", "ORA-12162: service name incorrect"]),
    ("start", &["RMAN-04005: error from target database:", "ORA-12547: TNS:lost contact"]),
    ("start", &["RMAN-04005: error from target database:", "ORA-01034: ORACLE not available"]),
    (
        "start",
        &["ORA-01034: ORACLE not available", "ORA-27101: shared memory realm does not exist"],
    ),
    ("database", &["RMAN-06403: could not obtain a fully authorized session"]),
    ("database", &["ORA-01507: base de datos sin montar"]),
    ("database", &["ORA-01109: database not open"]),
    ("archivelog", &["ORA-00257: archiver error. Connect AS SYSDBA only until resolved."]),
    ("archivelog", &["ORA-19809: limit exceeded for recovery files"]),
    (
        "archivelog",
        &[
            "ORA-19809: limit exceeded for recovery files",
            "ORA-19804: cannot reclaim 52428800 bytes disk space",
        ],
    ),
    ("archivelog", &["ORA-19815: WARNING: db_recovery_file_dest_size is 100.00% used"]),
    (
        "piece",
        &[
            "ORA-19502: write error on file \"/s/a_1_1\", block number 640",
            "ORA-27072: File I/O error",
        ],
    ),
    ("piece", &["ORA-19502: write error on file \"/s/a_1_1\", block number 640"]),
    ("database", &["ORA-19504: failed to create file \"/s/a_1_1\""]),
    (
        "database",
        &[
            "ORA-19504: failed to create file \"/s/a_1_1\"",
            "ORA-27040: file create error, unable to create file",
        ],
    ),
    ("database", &["ORA-19566: exceeded limit of 0 corrupt blocks for file /u02/users01.dbf"]),
    ("database", &["ORA-01578: ORACLE data block corrupted (file # 4, block # 131)"]),
    (
        "archivelog",
        &[
            "ORA-19625: error identifying file /u03/1_7.arc",
            "ORA-27037: unable to obtain file status",
        ],
    ),
    ("archivelog", &["ORA-19625: error identifying file /u03/1_7.arc"]),
    (
        "archivelog",
        &[
            "RMAN-06059: expected archived log not found, loss of archived log compromises recoverability",
        ],
    ),
    ("database", &["RMAN-06149: cannot BACKUP DATABASE in NOARCHIVELOG mode"]),
    ("database", &["ORA-19602: cannot backup or copy active file in NOARCHIVELOG mode"]),
    ("database", &["RMAN-10038: database session for channel vex1 terminated unexpectedly"]),
    ("piece", &["ORA-03113: end-of-file on communication channel"]),
    ("piece", &["ORA-03114: not connected to ORACLE"]),
    (
        "autobackup",
        &[
            "ORA-00245: control file backup failed; in Oracle RAC, target might not be on shared storage",
        ],
    ),
];

/// Failures of a restore.
const RESTORES: [Failure; 18] = [
    (
        "controlfile",
        &["RMAN-06172: no AUTOBACKUP found or specified handle is not a valid copy or piece"],
    ),
    (
        "controlfile",
        &["RMAN-06189: current DBID 7 does not match target mounted database (1234567890)"],
    ),
    ("mount", &["ORA-01103: database name 'FIN' in control file is not 'LAB'"]),
    (
        "restore",
        &[
            "RMAN-06026: some targets not found - aborting restore",
            "RMAN-06023: no backup or copy of datafile 1 found to restore",
        ],
    ),
    ("restore", &["RMAN-06026: some targets not found - aborting restore"]),
    ("restore", &["ORA-19870: error while restoring backup piece /s/a_1_1"]),
    (
        "restore",
        &[
            "ORA-19870: error while restoring backup piece /s/a_1_1",
            "ORA-19505: failed to identify file \"/s/a_1_1\"",
        ],
    ),
    (
        "restore",
        &[
            "ORA-19505: failed to identify file \"/s/a_1_1\"",
            "ORA-27037: unable to obtain file status",
        ],
    ),
    (
        "restore",
        &[
            "ORA-19870: error while restoring backup piece /s/a_1_1",
            "ORA-19599: block number 12 is corrupt in backup piece /s/a_1_1",
        ],
    ),
    ("restore", &["ORA-19612: datafile 4 not restored due to missing or corrupt data"]),
    ("restore", &["RMAN-20208: UNTIL CHANGE is before RESETLOGS change"]),
    (
        "recover",
        &[
            "RMAN-06025: no backup of archived log for thread 1 with sequence 7 and starting SCN of 1042 found to restore",
        ],
    ),
    (
        "recover",
        &[
            "RMAN-06054: media recovery requesting unknown archived log for thread 1 with sequence 6 and starting SCN of 2166691",
        ],
    ),
    ("recover", &["RMAN-06053: unable to perform media recovery because of missing log"]),
    ("recover", &["ORA-19910: can not change recovery target incarnation in control file"]),
    (
        "recover",
        &[
            "ORA-01547: warning: RECOVER succeeded but OPEN RESETLOGS would get error below",
            "ORA-01152: file 1 was not restored from a sufficiently old backup",
        ],
    ),
    (
        "recover",
        &["ORA-01547: warning: RECOVER succeeded but OPEN RESETLOGS would get error below"],
    ),
    ("open", &["ORA-01109: database not open"]),
];

/// Warnings, which leave a good backup.
const WARNINGS: [(&str, &str); 9] = [
    ("delete", "RMAN-08120: WARNING: archived log not deleted, not yet applied by standby"),
    (
        "delete",
        "RMAN-08137: WARNING: archived log not deleted, needed for standby or upstream capture process",
    ),
    ("delete", "RMAN-08138: WARNING: archived log not deleted - must create more backups"),
    ("delete", "RMAN-08591: warning: invalid archived log deletion policy"),
    ("delete", "RMAN-06207: warning: 2 objects could not be deleted for DISK channel(s) due"),
    ("delete", "RMAN-06208: warning: to mismatched status.  Use CROSSCHECK command to fix status"),
    ("database", "RMAN-08317: warning: channel vex1 failed, its work is done by another"),
    ("database", "RMAN-07538: advertencia: la pieza no es lo que dice el archivo de control"),
    ("database", "RMAN-06900: warning: unable to generate V$RMAN_STATUS or V$RMAN_OUTPUT row"),
];

fn code(line: &str) -> &str {
    line.split_once(':').unwrap().0
}

fn set_stack(bench: &Bench, (at, stack): Failure) {
    let fault = serde_json::json!([{ "at": at, "once": true, "stack": stack }]);
    bench.set("faults", &fault.to_string());
}

/// The letter of one more run; soft line ends of its encoding are taken out.
fn run_with_letter(bench: &Bench, job: &str, code: i32) -> (String, String) {
    let (port, sink) = mail_sink();
    let notify = format!(
        "mail host=\"127.0.0.1\" port={port} tls=#false from=\"vex@example.com\"\n\
         notify {{ email to=\"dba@example.com\" on=\"always\" }}\n"
    );
    std::fs::write(bench.space.path("job.kdl"), format!("{notify}{job}")).unwrap();
    let ran = bench.space.run(&["run", "job.kdl", "INCREMENTAL"]).expect(code);
    (said(&ran), sink.join().unwrap().replace("=\n", "").replace("=\r\n", ""))
}

fn pages(bench: &Bench) -> String {
    bench.space.run(&["report", "job.kdl", "--out", "pages"]).expect(0);
    let text = |path: &std::path::PathBuf| {
        String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()
    };
    files(&bench.space.path("pages")).iter().map(text).collect()
}

#[test]
fn every_documented_failure_of_a_backup_is_an_error_with_its_stack_in_mail_and_page() {
    let bench = Bench::disk();
    bench.back_up("FULL", 1).expect(0);
    let job = std::fs::read_to_string(bench.space.path("job.kdl")).unwrap();
    for failure in BACKUPS {
        set_stack(&bench, failure);
        let (said, letter) = run_with_letter(&bench, &job, 1);
        let cause = code(failure.1.last().unwrap());
        for line in failure.1 {
            assert!(said.contains(line), "{line}: {said}");
            assert!(letter.contains(code(line)), "{line}: {letter}");
        }
        assert!(letter.contains("Erro"), "{cause}: {letter}");
        assert_eq!(bench.heads().len(), 1, "{cause}: what failed has no head");
        assert!(bench.lost_logs().is_empty(), "{cause}");
        assert_eq!(bench.model()["faults"], serde_json::json!([]), "{cause} was never said");
    }
    let pages = pages(&bench);
    for (_, stack) in BACKUPS {
        let cause = code(stack.last().unwrap());
        assert!(pages.contains(cause), "no page has {cause}");
    }
    // After all of them the next run is a good one, and needs nobody's hand.
    std::fs::write(bench.space.path("job.kdl"), &job).unwrap();
    bench.back_up("INCREMENTAL", 1).expect(0);
    assert_eq!(bench.heads()[1]["parent"], bench.heads()[0]["id"]);
}

#[test]
fn every_documented_warning_is_an_alert_with_its_line_in_mail_and_page() {
    let bench = Bench::disk();
    bench.back_up("FULL", 1).expect(0);
    let job = std::fs::read_to_string(bench.space.path("job.kdl")).unwrap();
    for (at, line) in WARNINGS {
        let fault = serde_json::json!([{ "at": at, "once": true, "warn": [line] }]);
        bench.set("faults", &fault.to_string());
        let (said, letter) = run_with_letter(&bench, &job, 0);
        assert!(said.contains(code(line)) && said.contains("Alert"), "{line}: {said}");
        assert!(letter.contains(code(line)) && letter.contains("Alert"), "{line}: {letter}");
    }
    assert_eq!(bench.heads().len(), 1 + WARNINGS.len(), "each is a good backup");
    let pages = pages(&bench);
    for (_, line) in WARNINGS {
        assert!(pages.contains(code(line)), "no page has {line}");
    }
}

#[test]
fn every_documented_failure_of_a_restore_is_an_error_with_its_stack_and_can_be_repeated() {
    let bench = Bench::disk();
    bench.back_up("FULL", 1).expect(0);
    bench.back_up("INCREMENTAL", 1).expect(0);
    let expected = bench.rows();
    let restore = ["restore", "job.kdl", "fin", "--mode", "INCREMENTAL"];
    for failure in RESTORES {
        bench.ctl(&["lose"]);
        set_stack(&bench, failure);
        let ran = bench.space.run(&restore);
        let cause = code(failure.1.last().unwrap());
        assert!(ran.code != 0, "{cause}: {ran:?}");
        for line in failure.1 {
            assert!(said(&ran).contains(line), "{line}: {ran:?}");
        }
        assert!(said(&ran).contains("it can be restored again"), "{cause}: {ran:?}");
    }
    bench.ctl(&["lose"]);
    bench.space.run(&restore).expect(0);
    assert_eq!(bench.rows(), expected);
}

#[test]
fn the_documents_list_at_least_thirty_codes_and_each_of_the_table_is_among_them() {
    let table = include_str!("../../src/source/oracle/message.rs");
    let table = table.split_once("mod tests").unwrap().0;
    let tried: Vec<&str> = BACKUPS
        .iter()
        .chain(&RESTORES)
        .flat_map(|(_, stack)| stack.iter().map(|line| code(line)))
        .chain(WARNINGS.iter().map(|(_, line)| code(line)))
        .collect();
    let rows = table.split('"').filter(|word| {
        (word.starts_with("RMAN-0") || word.starts_with("RMAN-1") || word.starts_with("ORA-"))
            && word.rsplit_once('-').is_some_and(|(_, n)| n.len() == 5)
    });
    let shown = ["RMAN-00569", "RMAN-00571", "RMAN-08530", "RMAN-08503"];
    let rows: Vec<&str> = rows.filter(|row| !shown.contains(row)).collect();
    assert!(rows.len() >= 50, "{rows:?}");
    for row in rows {
        assert!(tried.contains(&row), "{row} of the table is never said to a run");
    }
}
