//! The step `binlog` on real servers: what is kept is the server's own log, and what is missing is
//! told.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use mysql::prelude::Queryable;

use crate::common::binary::{good, run, text};
use crate::common::servers::{Brand, Server};
use crate::common::space::files;

fn job(home: &Path, server: &Server, user: &str) {
    let job = format!(
        "sources {{ mysql \"shop\" host=\"127.0.0.1\" port={} {user} }}\n\
         stores {{ dir \"s\" path=\"store\" {{ keep last=3 }} }}\n\
         job \"nightly\" {{ dump \"shop\" {{ send \"s\"; verify \"s\" }} }}\n\
         job \"log\" {{ binlog \"shop\" {{ send \"s\" }} }}\n",
        server.port
    );
    fs::write(home.join("job.kdl"), job).expect("written");
}

/// The segments that a store has of a file: where each ends, and its bytes.
fn segments(home: &Path, file: &str) -> Vec<Vec<u8>> {
    let mut own: Vec<_> = files(&home.join("store/logs"))
        .into_iter()
        .filter(|path| {
            let folder = path.parent().and_then(Path::file_name).expect("a folder");
            folder.to_string_lossy().ends_with(&format!("-{file}"))
        })
        .collect();
    own.sort();
    let read = |path: &std::path::PathBuf| {
        let mut zip = zip::ZipArchive::new(File::open(path).expect("it opens")).expect("a zip");
        let mut bytes = Vec::new();
        zip.by_index(1).expect("an entry").read_to_end(&mut bytes).expect("it reads");
        bytes
    };
    own.iter().map(read).collect()
}

/// Where the events behind the format description begin.
fn behind_format(bytes: &[u8]) -> usize {
    4 + u32::from_le_bytes(bytes[13..17].try_into().expect("four bytes")) as usize
}

/// All of a server's log is kept, byte for byte.
fn is_whole(home: &Path, server: &Server) {
    let names: Vec<mysql::Row> = server.conn().query("SHOW BINARY LOGS").expect("its files");
    for row in names {
        let name: String = row.get(0).expect("a name");
        let there = fs::read(server.home().join("data").join(&name)).expect("a file");
        let kept = segments(home, &name);
        assert!(!kept.is_empty(), "nothing of {name}");
        let joined: Vec<u8> = kept.iter().flat_map(|s| s[behind_format(s)..].to_vec()).collect();
        assert!(joined == there[behind_format(&there)..], "{:?} {name}", server.brand);
    }
}

fn keeps(brand: Brand) {
    let mut arguments = vec!["--server-id=7"];
    if brand.is_mariadb() {
        // The server sends these events to no one who does not ask with a flag.
        arguments.push("--binlog-annotate-row-events=OFF");
    }
    let server = brand.start(&arguments);
    let home = tempfile::tempdir().expect("a folder");
    job(home.path(), &server, "user=\"root\"");
    let mut connection = server.conn();
    let mut act = |sql: &str| connection.query_drop(sql).unwrap_or_else(|e| panic!("{e}: {sql}"));
    act("CREATE DATABASE a");
    act("CREATE TABLE a.t (id INT PRIMARY KEY AUTO_INCREMENT, v LONGTEXT) ENGINE=InnoDB");
    let go = || run(home.path(), &["run", "job.kdl", "log"]);
    good(&go());
    is_whole(home.path(), &server);

    for n in 0..30 {
        act("BEGIN");
        act(&format!("INSERT INTO a.t (v) VALUES (REPEAT('{n}', 9000)), ('x')"));
        act("SAVEPOINT s");
        act("UPDATE a.t SET v = CONCAT(v, 'y') WHERE id = 1");
        act(if n % 2 == 0 { "ROLLBACK TO s" } else { "RELEASE SAVEPOINT s" });
        act("COMMIT");
        if n % 10 == 3 {
            act("FLUSH BINARY LOGS");
            act(&format!("ALTER TABLE a.t ADD COLUMN c{n} INT"));
        }
        if n % 7 == 0 {
            good(&go());
        }
    }
    good(&go());
    is_whole(home.path(), &server);
    let before = files(&home.path().join("store/logs")).len();
    good(&go());
    let listed = run(home.path(), &["list", "job.kdl", "--all"]);
    assert!(!text(&listed).contains("/binlog/"), "{}", text(&listed));
    good(&run(home.path(), &["prune", "job.kdl"]));
    assert_eq!(files(&home.path().join("store/logs")).len(), before);
    tells_gaps(home.path(), &server);
}

/// What the server removes before it was kept is told, once, and remembered.
fn tells_gaps(home: &Path, server: &Server) {
    let act = |sql: &str| server.exec(sql);
    let go = || run(home, &["run", "job.kdl", "log", "--strict"]);
    act("FLUSH BINARY LOGS");
    act("INSERT INTO a.t (v) VALUES ('lost')");
    act("FLUSH BINARY LOGS");
    act("FLUSH BINARY LOGS");
    let newest: Vec<mysql::Row> = server.conn().query("SHOW BINARY LOGS").expect("its files");
    let newest: String = newest.last().and_then(|row| row.get(0)).expect("a file");
    // The server keeps files that were being sent just now for a moment.
    crate::common::space::until("the files go", || {
        server.exec(&format!("PURGE BINARY LOGS TO '{newest}'"));
        let left: Vec<mysql::Row> = server.conn().query("SHOW BINARY LOGS").expect("its files");
        (left.len() == 1).then_some(())
    });
    let gap = go();
    let all = text(&gap);
    assert_eq!(gap.status.code(), Some(2), "{all}");
    assert!(
        all.contains("a gap in the log of shop in s: the server has removed what came next")
            && all.contains(&format!("goes on with {newest} from byte 4")),
        "{all}"
    );
    good(&go());
    is_whole(home, server);

    // The server writes down when it began a file in whole seconds.
    sleep(Duration::from_millis(1100));
    act(if server.brand.is_mariadb() { "RESET MASTER" } else { "RESET BINARY LOGS AND GTIDS" });
    act("INSERT INTO a.t (v) VALUES ('anew')");
    let anew = go();
    assert_eq!(anew.status.code(), Some(2), "{}", text(&anew));
    assert!(text(&anew).contains("a gap in the log of shop in s"), "{}", text(&anew));
    good(&go());
}

#[test]
fn what_mysql_logs_is_kept_byte_for_byte_and_a_gap_is_told() {
    keeps(Brand::Mysql9);
}

#[test]
fn what_mariadb_logs_is_kept_byte_for_byte_and_a_gap_is_told() {
    keeps(Brand::Mariadb);
}

#[test]
fn what_mariadb_11_logs_is_kept_byte_for_byte_and_a_gap_is_told() {
    keeps(Brand::Mariadb11);
}

#[test]
fn a_user_who_may_not_read_the_log_is_told_what_to_be_granted() {
    for brand in [Brand::Mysql9, Brand::Mariadb] {
        let server = brand.start(&["--server-id=7"]);
        server.exec("CREATE USER poor@'%' IDENTIFIED BY 'CANARY-poor'");
        let home = tempfile::tempdir().expect("a folder");
        fs::write(home.path().join("p"), "CANARY-poor").expect("written");
        let own = fs::Permissions::from_mode(0o600);
        fs::set_permissions(home.path().join("p"), own).expect("it is ours");
        job(home.path(), &server, "user=\"poor\" { password (file)\"p\" }");
        let output = run(home.path(), &["run", "job.kdl", "log"]);
        let all = text(&output);
        assert_eq!(output.status.code(), Some(1), "{all}");
        assert!(all.contains("GRANT REPLICATION SLAVE") && !all.contains("CANARY"), "{all}");
    }
}
