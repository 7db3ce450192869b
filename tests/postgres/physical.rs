//! The files of real PostgreSQL servers: taken under load, brought back by one command, and checked
//! by PostgreSQL.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use postgres::{Client, NoTls};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::common::servers::{Pg, PgServer};
use crate::common::space::{Ran, Space, files, until, word};

/// A folder that the user of a server can enter, as long as it knows what it looks for.
pub fn open_folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("vex-files-").tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    folder
}

/// A job that copies the files of `server`: fields of the source, and the rest of the job.
pub fn job(server: &PgServer, source: &str, steps: &str) -> Space {
    let space = Space::new().job(&format!(
        "sources {{ postgres \"erp\" user=\"postgres\" port={} {source} }}\n\
         stores {{ dir \"nas\" path=\"nas\" key=\"fisicos/{{source}}/{{date}}/{{name}}\" {{ keep last=9 }} }}\njob \"weekly\" {{ {steps} }}\n",
        server.port
    ));
    site(&space, &server.version.programs());
    space
}

pub fn site(space: &Space, programs: &Path) {
    fs::write(space.path("vex.kdl"), format!("tools {{ postgres \"{}\" }}\n", programs.display()))
        .expect("written");
}

pub fn by_socket(server: &PgServer) -> String {
    format!("socket=\"{}\"", server.socket.display())
}

pub const STEPS: &str = r#"physical "erp" { send "nas"; verify "nas" }"#;

/// A cluster that vex put into place, and the server that it started there.
pub struct Restored {
    version: Pg,
    pub data: PathBuf,
    pub port: u16,
    pub socket: PathBuf,
}

impl Restored {
    /// A server that was started there by somebody else.
    pub fn of(version: Pg, data: &Path, port: u16, socket: &Path) -> Restored {
        Restored { version, data: data.to_owned(), port, socket: socket.to_owned() }
    }

    pub fn client(&self) -> Client {
        let mut config = postgres::Config::new();
        config
            .host_path(&self.socket)
            .port(self.port)
            .user("postgres")
            .connect(NoTls)
            .expect("the server answers")
    }

    pub fn value(&self, query: &str) -> String {
        let row =
            self.client().query_one(&format!("SELECT ({query})::text"), &[]).expect("an answer");
        row.get::<_, Option<String>>(0).unwrap_or_default()
    }

    /// Every index against its table, and every table by itself.
    #[track_caller]
    pub fn amcheck(&self) {
        let output = Command::new(self.version.bin("pg_amcheck"))
            .args([
                "--all",
                "--install-missing",
                "--heapallindexed",
                "--username=postgres",
                "--port",
            ])
            .arg(self.port.to_string())
            .arg("--host")
            .arg(&self.socket)
            .output()
            .expect("pg_amcheck starts");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{said}");
    }
}

impl Drop for Restored {
    fn drop(&mut self) {
        let mut stop = self.version.unprivileged("pg_ctl");
        stop.args(["stop", "--mode=immediate", "--wait", "--pgdata"]).arg(&self.data);
        drop(stop.stdout(Stdio::null()).stderr(Stdio::null()).status());
    }
}

/// Restores into `data` and starts the server there; `more` are further words.
#[track_caller]
pub fn bring_back(space: &Space, server: &PgServer, data: &Path, more: &[&str]) -> (Restored, Ran) {
    bring_to(space, server.version, data, more)
}

/// The same, where the server that was copied is not here.
#[track_caller]
pub fn bring_to(space: &Space, version: Pg, data: &Path, more: &[&str]) -> (Restored, Ran) {
    let port = crate::common::servers::free_port();
    let socket = data.parent().expect("a folder").join(format!("s{port}"));
    fs::create_dir_all(&socket).expect("made");
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o777)).expect("it is ours");
    let into = format!("pgdata:{}", data.display());
    let set = [format!("port={port}"), format!("unix_socket_directories={}", socket.display())];
    let mut words = vec!["restore", "job.kdl", "erp-physical", "--into", &into, "--start"];
    words.extend(["--set", &set[0], "--set", &set[1], "--set", "listen_addresses="]);
    words.extend(["--set", "dynamic_shared_memory_type=mmap"]);
    words.extend(owner().iter().copied());
    words.extend(more);
    let ran = space.run(&words);
    let restored = Restored { version, data: data.to_owned(), port, socket };
    (restored, ran.expect(0))
}

/// A folder that is the server's.
pub fn own_folder(server: &PgServer, path: &Path) {
    fs::create_dir(path).expect("made");
    let owner = fs::metadata(server.data()).expect("there");
    std::os::unix::fs::chown(path, Some(owner.uid()), Some(owner.gid()))
        .expect("it is ours to give");
}

/// Whose a new data directory is, where we may choose.
pub fn owner() -> &'static [&'static str] {
    if rustix::process::geteuid().is_root() { &["--owner", "nobody"] } else { &[] }
}

#[test]
fn a_cluster_under_load_comes_back_by_one_command_and_is_whole() {
    for version in Pg::ALL {
        let server = version.start(&[]);
        server.run("pgbench", &["-i", "-s", "3", "-q", "postgres"]);
        let mut load = server
            .command("pgbench")
            .args(["-c", "2", "-T", "60", "postgres"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let before: u64 = until("the load runs", || {
            let done =
                server.value("postgres", "SELECT count(*) FROM pgbench_history")?.parse().ok()?;
            (done > 50).then_some(done)
        });
        let space = job(&server, &by_socket(&server), STEPS);
        space.back_up();
        load.kill().unwrap();
        load.wait().unwrap();
        server.sql("postgres", "CREATE TABLE too_late (a int)");
        let line = &space.list()[0];
        assert_eq!(
            [word(line, "source"), word(line, "proof"), word(line, "verdict")],
            ["erp-physical", "read", "success"]
        );

        let folder = open_folder();
        let (restored, ran) = bring_back(&space, &server, &folder.path().join("data"), &[]);
        for claim in
            ["needs WAL 0/", "pg_verifybackup: every file", "its log has no ERROR, FATAL or PANIC"]
        {
            assert!(ran.stdout.contains(claim), "{claim}: {}", ran.stdout);
        }
        let sums = "SELECT (SELECT sum(delta) FROM pgbench_history) IS NOT DISTINCT FROM (SELECT sum(abalance) FROM pgbench_accounts) \
                    AND (SELECT sum(bbalance) FROM pgbench_branches) = (SELECT sum(tbalance) FROM pgbench_tellers)";
        assert_eq!(restored.value(sums), "true");
        assert!(
            restored.value("SELECT count(*) FROM pgbench_history").parse::<u64>().unwrap()
                >= before
        );
        assert_eq!(restored.value("SELECT to_regclass('too_late')"), "");
        restored.amcheck();
        let mode = |name: &str| {
            fs::metadata(restored.data.join(name)).unwrap().permissions().mode() & 0o777
        };
        assert_eq!([mode(""), mode("base"), mode("PG_VERSION")], [0o700, 0o700, 0o600]);
    }
}

#[test]
fn a_checkpoint_that_the_server_spreads_over_an_hour_is_waited_for() {
    let server = Pg::V17.start(&[]);
    server.sql("postgres", "ALTER SYSTEM SET checkpoint_timeout='1h'");
    server.sql("postgres", "SELECT pg_reload_conf(); CREATE TABLE t AS SELECT 1");
    let steps = r#"physical "erp" checkpoint="spread" { send "nas"; verify "nas" }"#;
    let space = job(&server, &by_socket(&server), steps);
    space.back_up();
}

#[test]
fn a_server_that_runs_is_refused_or_stopped_and_its_data_is_moved_aside() {
    let server = Pg::V15.start(&[]);
    server.sql("postgres", "CREATE TABLE kept (a int); INSERT INTO kept VALUES (1)");
    let space = job(&server, &by_socket(&server), STEPS);
    space.back_up();
    server.sql("postgres", "DROP TABLE kept");
    let into = format!("pgdata:{}", server.data().display());
    let before = files(server.data()).len();
    let plan =
        space.run(&["restore", "job.kdl", "erp-physical", "--into", &into, "--dry-run"]).expect(1);
    assert!(
        plan.stdout.contains(&format!("! a server runs in {}", server.data().display())),
        "{}",
        plan.stdout
    );
    let refused = space.run(&["restore", "job.kdl", "erp-physical", "--into", &into]).expect(1);
    for claim in ["a server runs there", "systemctl stop postgresql", "--stop"] {
        assert!(refused.stderr.contains(claim), "{claim}: {}", refused.stderr);
    }
    assert_eq!(server.value("postgres", "SELECT to_regclass('kept')"), None, "it still runs");
    assert_eq!(
        fs::read_dir(server.home()).unwrap().count(),
        4,
        "nothing was left beside it: data, log, socket, its lock"
    );
    assert!(files(server.data()).len().abs_diff(before) < 10);

    let (restored, ran) = bring_back(&space, &server, server.data(), &["--stop"]);
    assert!(ran.stdout.contains("stopped the server"), "{}", ran.stdout);
    assert_eq!(restored.value("SELECT a FROM kept"), "1");
    let old = fs::read_dir(server.home())
        .unwrap()
        .filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().starts_with("data.old-"));
    assert_eq!(old.count(), 1);
}

#[test]
fn tablespaces_come_back_elsewhere_or_where_they_were() {
    for version in Pg::ALL {
        let server = version.start(&[]);
        let folder = open_folder();
        let (old, new) = (folder.path().join("old space"), folder.path().join("new"));
        [&old, &new].iter().for_each(|path| own_folder(&server, path));
        server.sql("postgres", &format!("CREATE TABLESPACE fast LOCATION '{}'", old.display()));
        server.sql("postgres", "CREATE TABLE t (a int PRIMARY KEY USING INDEX TABLESPACE fast) TABLESPACE fast; INSERT INTO t SELECT generate_series(1, 9999)");
        let space = job(
            &server,
            &by_socket(&server),
            r#"physical "erp" { send "nas"; verify "nas" unpack=#true }"#,
        );
        let ran = space.back_up();
        assert!(
            ran.stdout.contains("proven in nas: restored")
                || ran.stderr.contains("proven in nas: restored"),
            "{ran:?}"
        );
        server.sql("postgres", "DELETE FROM t");
        let map = format!("{}={}", old.display(), new.display());
        let (restored, _) =
            bring_back(&space, &server, &folder.path().join("one"), &["--tablespace", &map]);
        assert_eq!(restored.value("SELECT count(*) FROM t"), "9999");
        assert_eq!(
            restored.value(
                "SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'fast'"
            ),
            new.display().to_string()
        );
        restored.amcheck();
        assert_eq!(
            server.value("postgres", "SELECT count(*) FROM t").as_deref(),
            Some("0"),
            "the old one lives on"
        );
        drop(restored);
        let mut server = server;
        server.stop();
        let (restored, ran) = bring_back(&space, &server, &folder.path().join("two"), &[]);
        assert!(ran.stdout.contains("moved the old files of tablespace fast"), "{}", ran.stdout);
        assert_eq!(restored.value("SELECT count(*) FROM t"), "9999");
    }
}

#[test]
fn configuration_outside_of_the_data_directory_comes_along() {
    for version in Pg::ALL {
        let folder = open_folder();
        let etc = folder.path().join("etc");
        fs::create_dir_all(etc.join("conf.d")).unwrap();
        let all = [
            ("postgresql.conf", "include 'conf.d/own.conf'\n"),
            ("conf.d/own.conf", "work_mem = '7MB'\n"),
            ("pg_hba.conf", "local all all trust\nlocal replication all trust\n"),
            ("pg_ident.conf", "# none\n"),
        ];
        all.iter().for_each(|(name, text)| fs::write(etc.join(name), text).unwrap());
        let setting = |name: &str, file: &str| format!("{name}={}", etc.join(file).display());
        let set = [
            setting("config_file", "postgresql.conf"),
            setting("hba_file", "pg_hba.conf"),
            setting("ident_file", "pg_ident.conf"),
        ];
        let server = version.start(&set.each_ref().map(String::as_str));
        let space = job(&server, &by_socket(&server), STEPS);
        space.back_up();
        fs::rename(&etc, folder.path().join("gone")).unwrap();
        let (restored, ran) = bring_back(&space, &server, &folder.path().join("data"), &[]);
        assert_eq!(restored.value("SELECT current_setting('work_mem')"), "7MB", "{}", ran.stdout);
        let beside = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path());
        let beside: Vec<PathBuf> =
            beside.filter(|p| p.to_string_lossy().contains("data.config-")).collect();
        for (name, text) in all {
            assert_eq!(fs::read_to_string(beside[0].join(name)).unwrap(), text, "{name}");
        }
    }
}

#[test]
fn configuration_that_may_not_be_read_is_named() {
    let server = Pg::V15.start(&[]);
    server.sql("postgres", "CREATE ROLE copier LOGIN REPLICATION");
    let space = job(&server, &by_socket(&server), STEPS);
    let text = fs::read_to_string(space.path("job.kdl"))
        .unwrap()
        .replace("user=\"postgres\"", "user=\"copier\"");
    let space = space.job(&text);
    let ran = space.run(&["run", "job.kdl"]).expect(0);
    assert!(ran.stderr.contains("Alert") || ran.stdout.contains("Alert"), "{ran:?}");
    let said = format!("{}{}", ran.stdout, ran.stderr);
    for claim in
        ["not included: hba_file: the role copier may not see where it is", "pg_read_all_settings"]
    {
        assert!(said.contains(claim), "{claim}: {said}");
    }
    server.sql("postgres", "ALTER ROLE copier NOREPLICATION");
    let ran = space.run(&["run", "job.kdl"]).expect(1);
    assert!(
        format!("{}{}", ran.stdout, ran.stderr).contains("ALTER ROLE \"copier\" REPLICATION"),
        "{ran:?}"
    );
}

#[test]
fn a_server_that_could_tear_pages_is_refused() {
    let server = Pg::V15.start(&["full_page_writes=off"]);
    let space = job(&server, &by_socket(&server), STEPS);
    let ran = space.run(&["run", "job.kdl"]).expect(1);
    assert!(format!("{}{}", ran.stdout, ran.stderr).contains("full_page_writes is off"), "{ran:?}");
    assert_eq!(space.list().len(), 0);
}

#[test]
fn a_program_that_is_killed_leaves_no_artifact() {
    let server = Pg::V15.start(&[]);
    let steps = r#"physical "erp" rate="1MiB" { send "nas"; verify "nas" }"#;
    let space = job(&server, &by_socket(&server), steps);
    let running = space.start(&["run", "job.kdl"]);
    let child =
        until("pg_basebackup runs", || child_of(running.0.id(), "pg_basebackup", "--format=tar"));
    until("bytes came", || {
        let counts = fs::read_to_string(format!("/proc/{child}/io")).unwrap();
        let written = counts.lines().find_map(|l| l.strip_prefix("wchar: ")?.parse::<u64>().ok());
        (written > Some(1 << 20)).then_some(())
    });
    kill_process(Pid::from_raw(child as i32).unwrap(), Signal::KILL).unwrap();
    assert_eq!(running.ends_soon(), 1);
    assert_eq!(space.list().len(), 0);
    assert_eq!(files(&space.path("nas")).len(), 0, "nothing that looks like a backup");
    assert_eq!(
        server.value("postgres", "SELECT count(*) FROM pg_replication_slots").as_deref(),
        Some("0")
    );
}

/// A child of a process that runs a program with a word.
fn child_of(parent: u32, program: &str, word: &str) -> Option<u32> {
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let ours = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1))
            == Some(&parent.to_string());
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        if ours && line.contains(program) && line.contains(word) {
            return Some(pid);
        }
    }
    None
}

#[test]
fn the_password_is_in_no_word_and_no_log() {
    let server = Pg::V15.setup().scram("CANARY-files").start();
    let space = job(&server, "host=\"127.0.0.1\" { password (env)\"SECRET\" }", STEPS)
        .env("SECRET", "CANARY-files");
    // A script stands before the real program and writes down how it was called.
    let folder = space.path("bin");
    fs::create_dir(&folder).unwrap();
    let real = server.bin("pg_basebackup");
    let text = format!(
        "#!/bin/sh\necho \"$@\" >> {0}/argv.txt\nexec {1} \"$@\"\n",
        folder.display(),
        real.display()
    );
    fs::write(folder.join("pg_basebackup"), text).unwrap();
    fs::set_permissions(folder.join("pg_basebackup"), fs::Permissions::from_mode(0o755)).unwrap();
    site(&space, &folder);
    let ran = space.back_up();
    assert!(
        fs::read_to_string(folder.join("argv.txt")).unwrap().contains("--no-password --verbose")
    );
    for path in files(&space.path("")) {
        let bytes = fs::read(&path).unwrap();
        assert!(!bytes.windows(12).any(|w| w == b"CANARY-files"), "{}", path.display());
    }
    assert!(!format!("{ran:?}").contains("CANARY"));

    let server = Pg::V15.setup().hba("local replication all reject").start();
    let space = job(&server, &by_socket(&server), STEPS);
    let ran = space.run(&["run", "job.kdl"]).expect(1);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    for claim in [
        "pg_hba.conf rejects replication connection",
        "`local replication postgres …` for a socket",
    ] {
        assert!(said.contains(claim), "{claim}: {said}");
    }
}

#[test]
fn whoever_has_no_vex_gets_the_cluster_back_with_7_zip_and_tar() {
    let server = Pg::V15.start(&[]);
    server.sql("postgres", "CREATE TABLE t AS SELECT generate_series(1, 5) AS a");
    let space = job(&server, &by_socket(&server), STEPS);
    space.back_up();
    let zip = space.path("nas").join(word(&space.list()[0], "key"));
    let folder = open_folder();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let mut seven = Command::new("7zz")
        .args(["x", "-so"])
        .arg(&zip)
        .arg("cluster/base.tar.*")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let tar = Command::new("tar")
        .args(["x", "-C"])
        .arg(&data)
        .stdin(seven.stdout.take().unwrap())
        .status()
        .unwrap();
    assert!(seven.wait().unwrap().success() && tar.success());
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
    let again = Pg::V15.setup().on(&data).start();
    assert_eq!(again.value("postgres", "SELECT sum(a) FROM t").as_deref(), Some("15"));
}

#[test]
fn the_wire_is_protected_as_the_job_says() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let setup = Pg::V15.setup().tls(&made.cert.pem(), &made.signing_key.serialize_pem());
    let clear =
        ["hostnossl all all 127.0.0.1/32 reject", "hostnossl replication all 127.0.0.1/32 reject"];
    let server = clear.iter().fold(setup, |setup, line| setup.hba(line)).start();
    for (mode, own, code) in [
        ("verify-full", true, 0),
        ("verify-ca", true, 0),
        ("require", true, 0),
        ("verify-full", false, 1),
        ("off", true, 1),
    ] {
        let space =
            job(&server, &format!("host=\"127.0.0.1\" tls=\"{mode}\" ca=\"ca.pem\""), STEPS);
        let other =
            || rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap().cert.pem();
        fs::write(space.path("ca.pem"), if own { made.cert.pem() } else { other() }).unwrap();
        let ran = space.run(&["run", "job.kdl"]);
        assert_eq!(ran.code, code, "{mode} {own}: {ran:?}");
    }
}

#[test]
fn doctor_and_plan_say_what_a_copy_needs_and_files_come_back_as_a_whole_only() {
    let server = Pg::V17.start(&[]);
    let steps = r#"physical "erp" incremental=#true { send "nas"; verify "nas" unpack=#true }"#;
    let space = job(&server, &by_socket(&server), steps);
    let doctor = space.run(&["doctor", "job.kdl"]).expect(0);
    for claim in ["pg_basebackup 17.", "summarize_wal is off", "the role postgres may copy them"] {
        assert!(doctor.stdout.contains(claim), "{claim}: {}", doctor.stdout);
    }
    assert!(!doctor.stdout.contains("the dump takes"), "nobody reads rows here: {}", doctor.stdout);
    let plan = space.run(&["plan", "job.kdl"]).expect(0);
    for claim in [
        "weekly/physical/erp",
        "weekly/verify/erp-physical/nas",
        "a full one after 168 h",
        "read by pg_basebackup 17.",
        "no lock: reads and writes go on",
        "runs pg_verifybackup",
    ] {
        assert!(plan.stdout.contains(claim), "{claim}: {}", plan.stdout);
    }
    space.back_up();
    let restore = |more: &[&str]| {
        let words =
            ["restore", "job.kdl", "erp-physical"].iter().chain(more).copied().collect::<Vec<_>>();
        space.run(&words).expect(64).stderr
    };
    assert!(
        restore(&["--into", "pgdata:data", "--only", "postgres"])
            .contains("files come back as a whole")
    );
    assert!(restore(&["--into", "erp"]).contains("name its data directory, --into pgdata:DIR"));
}
