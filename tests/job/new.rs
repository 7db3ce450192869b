//! `vex new`: what it prints is a job file that passes `check` and is laid out, keeps no secret, and
//! says what it left out.

use std::path::{Path, PathBuf};

use crate::common::space::{Ran, Space};

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/new");
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// The program whose file it is, by its name.
fn origin(path: &Path) -> &str {
    let name = path.file_name().unwrap().to_str().unwrap();
    name.split_once('-').map_or(name, |(origin, _)| origin)
}

fn converted(path: &Path, space: &Space) -> Ran {
    space.run(&["new", "--from", origin(path), path.to_str().unwrap()]).expect(0)
}

/// That a text is a job file without an error, in the one layout.
#[track_caller]
fn is_good(text: &str, of: &str) {
    let space = Space::new().job(text);
    let checked = space.run(&["check", "job.kdl"]);
    assert_eq!(checked.code, 0, "{of}:\n{}\n{text}", checked.stdout);
    let laid_out = space.run(&["fmt", "--check", "job.kdl"]);
    assert_eq!(laid_out.code, 0, "{of}:\n{}", laid_out.stdout);
}

#[test]
fn a_first_job_of_every_kind_is_good() {
    let space = Space::new();
    for kind in ["mysql", "mariadb", "postgres", "sqlite", "oracle"] {
        let ran = space.run(&["new", kind]).expect(0);
        assert_eq!(ran.stderr, "", "{kind}");
        is_good(&ran.stdout, kind);
        let strict = Space::new().job(&ran.stdout);
        strict.run(&["check", "--strict", "job.kdl"]).expect(0);
    }
}

#[test]
fn configurations_of_other_programs_become_jobs_without_their_secrets() {
    let space = Space::new();
    let found = fixtures();
    assert_eq!(found.len(), 11);
    for path in &found {
        let ran = converted(path, &space);
        is_good(&ran.stdout, &path.display().to_string());
        for said in [&ran.stdout, &ran.stderr] {
            assert!(!said.contains("CANARY"), "{}:\n{said}", path.display());
        }
        // What is said is in the file, too.
        for line in ran.stderr.lines() {
            let note = line.strip_prefix(&format!("{}: ", path.display())).unwrap_or_default();
            assert!(note.is_empty() || ran.stdout.contains(note), "{line}");
        }
    }
}

#[test]
fn what_a_configuration_means_is_what_the_job_says() {
    let space = Space::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/new");
    let all = [
        "borgmatic-flat.yaml",
        "borgmatic-sections.yaml",
        "borgmatic-credentials.yaml",
        "borgmatic-anchors.yaml",
        "gobackup-documented.yml",
        "gobackup-old.yml",
        "gobackup-many.yml",
        "pg_back-documented.conf",
        "pg_back-s3.conf",
        "pg_back-sftp.conf",
        "mydumper.cnf",
    ];
    for name in all {
        let ran = converted(&folder.join(name), &space);
        let (job, said) = (ran.stdout, ran.stderr);
        let (lines, notes): (&[&str], &[&str]) = expected(name);
        for line in lines {
            assert!(job.lines().any(|found| found.trim() == *line), "{name}: no {line}\n{job}");
        }
        for note in notes {
            assert!(said.contains(note), "{name}: no {note}\n{said}");
        }
    }
}

/// Lines of the job, and words of what is said of the rest.
fn expected(name: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match name {
        "borgmatic-flat.yaml" => (
            &[
                "postgres \"database1-example-org\" host=\"database1.example.org\" port=5433 user=\"postgres\" {",
                "password (env)\"DATABASE1_EXAMPLE_ORG_PASSWORD\"",
                "databases \"users\" \"orders\"",
                "keep hourly=24 daily=7 weekly=4 monthly=6",
                "dir \"local\" path=\"/var/lib/backups/local-vex\" {",
                "ping (env)\"HEALTHCHECKS_URL\"",
                "password (env)\"BORG_PASSPHRASE\"",
                "verify \"borgbase\" \"local\"",
            ],
            &[
                "source_directories",
                "exclude_patterns",
                "archive_name_format",
                "checks",
                "no schedule",
            ],
        ),
        "borgmatic-sections.yaml" => (
            &[
                "password (env)\"MYSQL_PASSWORD\"",
                "mysql \"mysql\" socket=\"/run/mysqld/mysqld.sock\" user=\"root\"",
                "password (command)\"secret-tool\" \"lookup\" \"borg-repository\" \"repo-name\"",
                "sftp \"backupserver\" host=\"backupserver\" user=\"user\" path=\"sourcehostname-vex\" {",
                "keep within=\"3h\" daily=7 yearly=100000",
            ],
            &["hooks.before_backup", "storage.compression"],
        ),
        "borgmatic-credentials.yaml" => (
            &[
                "password (file)\"/etc/borgmatic/mariadb\"",
                "password (file)\"/run/credentials/vex.service/pgpw\"",
                "exclude \"cache\"",
                "sqlite \"bitwarden\" path=\"/var/lib/bitwarden/db.sqlite3\"",
            ],
            &["mongodb_databases", "repositories.1", "commands", "tls"],
        ),
        "borgmatic-anchors.yaml" => (
            &["databases \"shop \\\\[1]\"", "keep weekly=52", "ping (env)\"UPTIME_KUMA_URL\""],
            &["keep_secondly", "ntfy", "constants", "x-server"],
        ),
        "gobackup-documented.yml" => (
            &[
                "job \"base_test\" schedule=\"0 0 * * *\" {",
                "exclude \"dummy_test.logs\"",
                "password (env)\"PG_PASSWORD\"",
                "tables \"app.public.orders\"",
                "secret-key (env)\"S3_SECRET\"",
                "access-key (env)\"S3_ACCESS_KEY_ID\"",
                "keep last=20",
                "to \"dba@example.com\" \"ops@example.com\"",
                "webhook (env)\"SLACK_URL\" shape=\"slack\"",
                "email on=\"error\" {",
            ],
            &["redis1", "args", "archive", "username` holds a variable"],
        ),
        "gobackup-old.yml" => (
            &["password (env)\"SHOP_PASSWORD\"", "keep last=5", "dump \"shop\" {"],
            &["before_script", "keys of ssh"],
        ),
        "gobackup-many.yml" => (
            &["job \"app\" schedule=\"5 4 * * *\" {", "job \"warehouse\" {", "keep last=3"],
            &["models.files", "dropbox", "telegram", "schedule"],
        ),
        "pg_back-documented.conf" => (
            &[
                "keep within=\"30d\" last=2",
                "dump \"postgres\" threads=4 {",
                "exclude \"test\" \"scratch\" \"orders.*.log\" \"orders.audit.trail\"",
            ],
            &["post_backup_hook", "pause_timeout", "orders.format", "roles"],
        ),
        "pg_back-s3.conf" => (
            &[
                "databases \"erp\" \"hr\"",
                "dump \"postgres\" engine=\"pg_dump\" format=\"plain\" {",
                "password (env)\"PGBK_CIPHER_PASS\"",
                "s3 \"s3\" bucket=\"example-pg\" region=\"eu-west-1\" prefix=\"pg/prod\" {",
                "keep within=\"240h\"",
            ],
            &["{dbname}", "purge_remote"],
        ),
        "pg_back-sftp.conf" => (
            &[
                "recipient \"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\"",
                "sftp \"sftp\" host=\"nas.example.com\" port=2222 user=\"pg\" path=\"/volume1/pg\"",
            ],
            &["sftp_password", "purge_min_keep", "sftp_ignore_hostkey"],
        ),
        _ => (
            &[
                "mysql \"mysql\" host=\"127.0.0.1\" port=3306 user=\"dumper\" {",
                "password (env)\"MYSQL_PASSWORD\"",
                "dump \"mysql\" engine=\"mydumper\" threads=8 {",
            ],
            &["regex", "trx-consistency-only", "myloader"],
        ),
    }
}

#[test]
fn a_file_that_is_there_stays_and_what_is_no_configuration_is_refused() {
    let space = Space::new();
    space.run(&["new", "sqlite", "--out", "first.kdl"]).expect(0);
    let kept = std::fs::read(space.path("first.kdl")).unwrap();
    let again = space.run(&["new", "mysql", "--out", "first.kdl"]).expect(64);
    assert!(again.stderr.contains("is there already"), "{}", again.stderr);
    assert_eq!(std::fs::read(space.path("first.kdl")).unwrap(), kept);

    std::fs::write(space.path("none.yaml"), "source_directories: [/home]\n").unwrap();
    let none = space.run(&["new", "--from", "borgmatic", "none.yaml"]).expect(78);
    assert!(none.stderr.contains("no database that vex reads"), "{}", none.stderr);
    std::fs::write(space.path("old.conf"), "PGBK_BACKUP_DIR=/x\n").unwrap();
    let old = space.run(&["new", "--from", "pg_back", "old.conf"]).expect(78);
    assert!(old.stderr.contains("pg_back 1.x"), "{}", old.stderr);
    std::fs::write(space.path("broken.yaml"), "a: [\n").unwrap();
    space.run(&["new", "--from", "gobackup", "broken.yaml"]).expect(78);
    space.run(&["new", "--from", "barman", "broken.yaml"]).expect(64);
    space.run(&["new"]).expect(64);
}
