//! A server that speaks SFTP: backups in it, and what is said when it goes wrong. The contract of
//! stores holds for it too (`contract/store.rs`).

use std::fs;

use vex::testing::base::Stop;
use vex::testing::job::SftpSpec;
use vex::testing::store::Sftp;
use vex::testing::store::contract::{ErrorKind, Store};
use vex::testing::world::World;

use crate::common::space::{Space, contents, names, word};
use crate::common::sshd::{SERVER, Sshd};

/// What reaches a folder of a server.
pub fn spec(server: &Sshd) -> SftpSpec {
    SftpSpec {
        host: "127.0.0.1".into(),
        port: Some(server.port),
        user: Some(server.user.clone()),
        identity: Some(server.path("id")),
        known_hosts: Some(server.path("known")),
        path: server.path("made/by/need").display().to_string(),
    }
}

fn space(server: &Sshd) -> Space {
    let job = format!(
        "sources {{ sqlite \"app\" path=\"app.db\" }}\n\
         stores {{ sftp \"box\" host=\"127.0.0.1\" port={} user=\"{}\" identity=\"{}\" known-hosts=\"{}\" path=\"{}\" prefix=\"p\" {{ keep last=1 }} }}\n\
         job \"j\" {{ dump \"app\" chunk=\"64KiB\" {{ send \"box\"; verify \"box\" }} }}\n",
        server.port,
        server.user,
        server.path("id").display(),
        server.path("known").display(),
        server.path("store").display(),
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
    let server = Sshd::start();
    let space = space(&server);
    space.run(&["doctor", "job.kdl"]).expect(0);
    (0..2).for_each(|_| drop(space.back_up()));
    let lines = space.list();
    assert_eq!((lines.len(), word(&lines[0], "proof")), (1, "read"), "retention removed the older");
    assert_eq!(contents(&space.restore(&lines[0], "back.db")), contents(&space.path("app.db")));
    let left = names(&server.path("store"));
    let odd =
        |name: &&String| name.contains(".part") || name.contains("lease") || name.contains("begun");
    assert_eq!(left.iter().find(odd), None, "{left:?}");
    let mode = |name: &str| {
        use std::os::unix::fs::PermissionsExt;
        server.path(name).metadata().unwrap().permissions().mode() & 0o777
    };
    assert_eq!((mode("store"), mode(&format!("store/{}", word(&lines[0], "key")))), (0o700, 0o600));
    space.run(&["prune", "job.kdl", "--dry-run"]).expect(0);
}

#[test]
fn what_ssh_says_is_the_error_and_a_connection_that_ended_is_made_anew() {
    let server = Sshd::start();
    let stop = Stop::new();
    let open = |spec: &SftpSpec| Sftp::open(spec, &World::real()).unwrap();
    let store = open(&spec(&server));
    store.put("a/x", b"bytes", &stop).unwrap();
    // Another host key than the one that is known.
    let known = fs::read_to_string(server.path("known")).unwrap();
    let other = fs::read_to_string(server.path("id.pub")).unwrap();
    let host = known.split(' ').next().unwrap();
    fs::write(server.path("changed"), format!("{host} {other}")).unwrap();
    let changed = SftpSpec { known_hosts: Some(server.path("changed")), ..spec(&server) };
    let error = open(&changed).read("a/x", None, &stop).expect_err("another host");
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(error.found.contains("Host key verification failed"), "{}", error.found);
    // A key that the server does not know.
    let stranger = SftpSpec { identity: Some(server.path("host")), ..spec(&server) };
    let error = open(&stranger).list("", &stop).expect_err("another key");
    assert!(error.found.contains("Permission denied"), "{}", error.found);
    let option = SftpSpec { host: "-oProxyCommand=x".into(), ..spec(&server) };
    assert!(Sftp::open(&option, &World::real()).is_err());
    // A half-written upload dies with its connection; what is asked next goes over a new one.
    let upload = store.create("a/y", &stop).unwrap();
    upload.part(1, 0, b"half", &stop).unwrap();
    for pid in own_children("ssh") {
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
    assert_eq!(upload.part(2, 4, b"more", &stop).unwrap_err().kind, ErrorKind::Unreachable);
    drop(upload);
    assert_eq!(store.read("a/x", None, &stop).unwrap(), b"bytes");
    assert_eq!(store.size("a/y", &stop).unwrap(), None);
    assert_eq!(store.sweep("a/y", &stop).unwrap(), 0, "the drop removed what was half written");
}

/// The children of this process of a name: each test is a process of its own.
fn own_children(name: &str) -> Vec<rustix::process::Pid> {
    let own = std::process::id().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((head, rest)) = stat.split_once(") ") else { continue };
        let parent = rest.split(' ').nth(1).unwrap_or_default();
        if parent == own && head.ends_with(&format!("({name}")) {
            let pid: i32 = head.split(' ').next().unwrap().parse().unwrap();
            found.extend(rustix::process::Pid::from_raw(pid));
        }
    }
    found
}

#[test]
fn a_server_without_extensions_is_told_by_doctor_and_keeps_backups_all_the_same() {
    let server = Sshd::start_with(&format!("{SERVER} -P fsync,hardlink,limits,posix-rename"));
    let space = space(&server);
    let ran = space.run(&["doctor", "job.kdl"]).expect(0);
    assert!((ran.stdout.clone() + &ran.stderr).contains("can't be told to sync"), "{}", ran.stdout);
    space.back_up();
    assert_eq!(word(&space.list()[0], "proof"), "read");
}
