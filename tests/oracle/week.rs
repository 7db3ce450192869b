//! The week of the seed against S3, and the cron lines of `jobs/oracle.kdl` as they are written.
//!
//! FULL on 01/08 at 01:00; increments at 20:00, 01:00 and 10:00; the server fails on 02/08 at 15:00.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::common::s3_server::{Fault, Kind, S3Server, What};
use crate::common::space::{files, word};
use crate::oracle::bench::{BEGIN, Bench, DBID, ctl, said};

fn restore<'a>(mode: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["restore", "job.kdl", "fin", "--from", "cloud", "--mode", mode], more].concat()
}

/// The week; every piece is in the bucket, and in a folder that only the test reads.
fn week(server: &S3Server) -> Bench {
    let stores = format!(
        "dir \"nas\" path=\"nas\" {{ keep last=20 }}\n\
         s3 \"cloud\" bucket=\"{}\" endpoint=\"{}\" {{ access-key (file)\"{}\"; secret-key (file)\"{}\"; keep last=20 }}",
        server.bucket,
        server.endpoint,
        server.access_file.display(),
        server.secret_file.display()
    );
    let bench = Bench::new(&stores, "");
    bench.set("busy", "2");
    bench.back_up("FULL", 0).expect(0);
    for hours in [19, 5, 9] {
        bench.back_up("INCREMENTAL", hours).expect(0);
    }
    bench
}

/// The newest change of all rows, as an SCN.
fn newest_change(bench: &Bench) -> u64 {
    let rows: Value = serde_json::from_str(&bench.rows()).unwrap();
    let blocks = rows.as_object().unwrap().values();
    blocks
        .flat_map(|file| file.as_object().unwrap().values())
        .filter_map(Value::as_u64)
        .max()
        .unwrap()
}

#[test]
fn the_week_of_the_seed_comes_back_from_s3_in_both_modes_and_to_three_moments() {
    let server = S3Server::start();
    let bench = week(&server);
    let backed_up = bench.rows();
    let heads = bench.heads();
    let scn = heads[2]["position"]["stop"].as_u64().unwrap();
    // Work goes on until 15:00; of a server that is gone, what no backup has is gone too.
    bench.ctl(&["work", "7"]);
    bench.ctl(&["advance", "18000"]);
    bench.ctl(&["lose"]);
    let kept = bench.space.copy();
    let until = scn.to_string();
    for mode in ["FULL", "INCREMENTAL"] {
        for more in [&[][..], &["--until", &until], &["--until", "2025-08-02T09:30:00Z"]] {
            bench.space.run(&restore(mode, more)).expect(0);
            assert_eq!(bench.model()["status"], "OPEN", "{mode} {more:?}");
            match more.last() {
                None => assert_eq!(bench.rows(), backed_up, "{mode}: all that was backed up"),
                Some(last) if *last == until => {
                    assert_eq!(newest_change(&bench), scn - 1, "{mode}")
                }
                Some(_) => {
                    let newest = newest_change(&bench);
                    assert!(newest > scn && newest < scn + 60, "{mode}: {newest}, {scn}");
                }
            }
            bench.space.put_back(&kept);
        }
    }
    // Pieces are read by ranges, side by side, and each is asked for before any is read.
    assert!(server.requests().iter().any(|r| r.method == "GET" && r.path.contains("/backups/2")));
}

#[test]
fn a_needed_piece_that_s3_lost_is_named_before_anything_is_touched() {
    let server = S3Server::start();
    let bench = week(&server);
    bench.ctl(&["lose"]);
    let before = bench.ctl(&["show"]);
    for mode in ["FULL", "INCREMENTAL"] {
        let plan = said(&bench.space.run(&restore(mode, &["--dry-run"])).expect(0));
        let needed: Vec<&str> = plan
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("backups/"))
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        // One full backup in two pieces, the increments, the logs, the control file.
        assert!(needed.len() >= if mode == "FULL" { 5 } else { 9 }, "{mode}: {plan}");
        for piece in needed {
            let name: &'static str = Box::leak(piece.to_owned().into_boxed_str());
            for kind in [Kind::Head, Kind::Get] {
                server.fault(Fault::new(kind, What::Answer(404, "NoSuchKey")).on(name).always());
            }
            let ran = bench.space.run(&restore(mode, &[]));
            assert!(ran.code != 0 && ran.stderr.contains(piece), "{mode}: {piece}: {ran:?}");
            assert_eq!(bench.ctl(&["show"]), before, "{mode}: without {piece}");
            server.heal();
        }
    }
}

/// The example, with the database, the bucket and the folders of the test.
fn example(server: &S3Server) -> Bench {
    let bench = Bench::new("dir \"nas\" path=\"nas\" { keep last=20 }", "");
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/jobs/oracle.kdl")).unwrap();
    let home = bench.space.path("oh");
    let staging = bench.space.path("temp_backups");
    fs::create_dir_all(&staging).unwrap();
    let mut made = text.clone();
    for (from, to) in [
        ("/u01/app/oracle/product/19c/dbhome_1", home.to_str().unwrap().to_owned()),
        ("/u02/backup/temp_backups", staging.to_str().unwrap().to_owned()),
        (
            "bucket=\"arco-iris\" region=\"sa-east-1\"",
            format!("bucket=\"{}\" endpoint=\"{}\"", server.bucket, server.endpoint),
        ),
    ] {
        assert!(made.contains(from), "the example says {from} no more");
        made = made.replace(from, &to);
    }
    fs::write(bench.space.path("oracle.kdl"), made).unwrap();
    bench
}

/// The commands of the crontab in the example's comment, by their five fields.
fn cron_lines() -> Vec<(String, String)> {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/jobs/oracle.kdl")).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("//     0 "));
    let split = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        (format!("0 {}", words[..4].join(" ")), words[4..].join(" "))
    };
    lines.map(split).collect()
}

#[test]
fn the_cron_lines_of_the_example_work_as_they_are_written() {
    let server = S3Server::start();
    let bench = example(&server);
    let lines = cron_lines();
    let times: Vec<&str> = lines.iter().map(|(time, _)| time.as_str()).collect();
    assert_eq!(times, ["0 1 * * 0", "0 1 * * 1-6"]);
    // The jobs have the same schedules.
    let text = fs::read_to_string(bench.space.path("oracle.kdl")).unwrap();
    for ((time, command), job) in lines.iter().zip(["FULL", "INCREMENTAL"]) {
        assert!(text.contains(&format!("job \"{job}\" schedule=\"{time}\"")), "{job} {time}");
        assert!(command.contains(&format!("oracle.kdl {job} ")), "{command}");
        assert!(command.ends_with(">> /var/log/vex/cron_backup.log 2>&1"), "{command}");
    }
    let vex = fs::canonicalize(env!("CARGO_BIN_EXE_vex")).unwrap();
    let access = fs::read_to_string(&server.access_file).unwrap();
    let secret = fs::read_to_string(&server.secret_file).unwrap();
    let log = bench.space.path("logs/cron_backup.log");
    fs::create_dir_all(log.parent().unwrap()).unwrap();
    for (_, command) in &lines {
        bench.ctl(&["work", "9"]);
        bench.ctl(&["advance", "86400"]);
        let command = command
            .replace("/etc/vex/oracle.kdl", bench.space.path("oracle.kdl").to_str().unwrap())
            .replace("/var/log/vex/cron_backup.log", log.to_str().unwrap());
        // As cron does: a shell, no terminal, and nearly no environment.
        let plain = bench.space.vex(&[]);
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(&command).env_clear();
        for (name, value) in plain.get_envs().filter_map(|(n, v)| Some((n, v?))) {
            shell.env(name, value);
        }
        let path = format!("{}:/usr/bin:/bin", vex.parent().unwrap().display());
        shell.env("PATH", path).env("HOME", bench.space.path("")).env("TZ", "UTC");
        shell.env("AWS_ACCESS_KEY_ID", access.trim()).env("AWS_SECRET_ACCESS_KEY", secret.trim());
        let ran = shell.output().unwrap();
        let said = fs::read_to_string(&log).unwrap_or_default();
        assert!(ran.status.success(), "{command}: {said}");
        assert!(ran.stdout.is_empty() && ran.stderr.is_empty(), "cron would send a mail: {ran:?}");
    }
    let said = fs::read_to_string(&log).unwrap();
    assert!(said.matches("Success").count() >= 2, "{said}");
    let calls = bench.calls();
    assert!(calls.contains("BACKUP AS COMPRESSED BACKUPSET INCREMENTAL LEVEL 0"), "{calls}");
    assert!(calls.contains("SECTION SIZE 32768M"), "{calls}");
    assert!(calls.contains("BACKUP AS COMPRESSED BACKUPSET INCREMENTAL LEVEL 1"), "{calls}");
    assert_eq!(files(&bench.space.path("temp_backups")).len(), 0, "nothing stays staged");
    stands_like_any_other(&bench, (access.trim(), secret.trim()));
}

/// `list`, `status` and the pages tell of it, as of every other backup.
fn stands_like_any_other(bench: &Bench, (access, secret): (&str, &str)) {
    let vex = |words: &[&str]| {
        let mut command = bench.space.vex(words);
        command.env("AWS_ACCESS_KEY_ID", access).env("AWS_SECRET_ACCESS_KEY", secret);
        let ran = command.output().unwrap();
        let text = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert!(ran.status.success(), "{words:?}: {text}{}", String::from_utf8_lossy(&ran.stderr));
        text
    };
    let listed = vex(&["list", "oracle.kdl", "--format", "json"]);
    assert_eq!(listed.lines().count(), 2, "{listed}");
    let line: Value = serde_json::from_str(listed.lines().last().unwrap()).unwrap();
    assert_eq!((word(&line, "source"), word(&line, "proof")), ("fin", "hashed"));
    let status = vex(&["status", "oracle.kdl"]);
    assert!(status.contains("FULL") && status.contains("INCREMENTAL"), "{status}");
    vex(&["report", "oracle.kdl", "--out", "pages"]);
    let pages = files(&bench.space.path("pages"));
    let has = |path: &&std::path::PathBuf| {
        fs::read_to_string(path).is_ok_and(|text| text.contains(word(&line, "id")))
    };
    assert!(pages.iter().filter(has).count() >= 1, "no page tells of the backup");
    // And it comes back.
    let expected = ctl(&bench.space.path("oh"), &["rows"]);
    bench.ctl(&["lose"]);
    vex(&["restore", "oracle.kdl", "fin", "--mode", "INCREMENTAL"]);
    assert_eq!(bench.rows(), expected);
    assert_eq!(bench.model()["control"]["dbid"], DBID);
    assert!(bench.model()["now"].as_i64().unwrap() > BEGIN);
}
