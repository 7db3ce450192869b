//! MySQL and MariaDB, end to end: the binary dumps a real server and restores it into another.

use std::path::Path;
use std::process::{Command, Output};

use mysql::prelude::Queryable;

use crate::mysql_state::State;
use crate::servers::{Brand, Server};
use crate::shop::{DATABASES, fill, open_shop};

/// Runs vex with a state folder of its own.
fn vex(home: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vex"))
        .args(args)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("XDG_STATE_HOME", home.join("state"))
        .current_dir(home)
        .output()
        .expect("vex starts")
}

fn good(output: &Output) {
    let show = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}\n{}", output.status, show(&output.stdout), show(&output.stderr));
}

fn job(server: &Server, extra: &str, dump: &str) -> String {
    format!(
        "sources {{\n  mysql \"db\" host=\"127.0.0.1\" port={} user=\"root\" {{ {extra} }}\n}}\nstores {{\n  dir \"local\" \
         path=\"store\" {{ keep last=3 }}\n}}\njob \"nightly\" {{\n  dump \"db\" {dump} {{\n    send \"local\"\n    verify \
         \"local\"\n  }}\n}}\n",
        server.port
    )
}

/// Dumps the databases of `from`, restores them into a new server of `into`, and returns it with the home folder.
fn round_trip(from: &Server, into: Brand, extra: &str, dump: &str) -> (tempfile::TempDir, Server) {
    let home = tempfile::tempdir().expect("a folder");
    std::fs::write(home.path().join("job.kdl"), job(from, extra, dump)).expect("written");
    good(&vex(home.path(), &["run", "job.kdl"]));
    let target = into.start(&[]);
    // Accounts are not part of a backup; definers must be there.
    target.exec("CREATE USER 'shop keeper'@'localhost'");
    target.exec("GRANT ALL ON *.* TO 'shop keeper'@'localhost'");
    let url = format!("mysql://root@127.0.0.1:{}", target.port);
    good(&vex(home.path(), &["restore", "job.kdl", "--into", &url]));
    (home, target)
}

#[test]
fn a_shop_with_every_kind_of_object_comes_back_equal() {
    for brand in Brand::ALL {
        let source = open_shop(brand);
        fill(&mut source.conn(), 3000);
        let before = State::of(&mut source.conn(), &DATABASES);
        let (_home, target) = round_trip(&source, brand, "inconsistent \"alert\"", "chunk=\"64KiB\"");
        State::of(&mut target.conn(), &DATABASES).assert_same(&before);
        State::of(&mut source.conn(), &DATABASES).assert_same(&before);
    }
}

#[test]
fn one_table_is_restored_under_another_database() {
    let source = open_shop(Brand::Mariadb);
    fill(&mut source.conn(), 500);
    let (home, target) = round_trip(&source, Brand::Mariadb, "databases \"shop\" \"crm\"; inconsistent \"alert\"", "");
    let url = format!("mysql://root@127.0.0.1:{}", target.port);
    let refused = vex(home.path(), &["restore", "job.kdl", "--only", "shop.reading", "--into", &url]);
    assert_eq!(refused.status.code(), Some(1), "what exists is not replaced");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("table shop.reading"));
    let args = ["restore", "job.kdl", "--only", "shop.reading", "--as", "copy", "--into", &url];
    good(&vex(home.path(), &args));
    let mut connection = target.conn();
    let tables: Vec<String> = connection.query("SHOW TABLES FROM copy").expect("it answers");
    assert_eq!(tables, ["reading"]);
    let sums: Vec<(String, u64)> = connection.query("CHECKSUM TABLE shop.reading, copy.reading").expect("it answers");
    assert_eq!(sums[0].1, sums[1].1);
    connection.query_drop("DELETE FROM shop.reading WHERE id < 100").expect("deleted");
    good(&vex(home.path(), &["restore", "job.kdl", "--only", "shop.reading", "--overwrite", "--into", &url]));
    let sums: Vec<(String, u64)> = connection.query("CHECKSUM TABLE shop.reading, copy.reading").expect("it answers");
    assert_eq!(sums[0].1, sums[1].1);
}

#[test]
fn a_table_no_snapshot_covers_is_refused_or_an_alert() {
    for brand in Brand::ALL {
        let source = brand.start(&[]);
        source.exec("CREATE DATABASE a");
        source.exec("CREATE TABLE a.m (i INT) ENGINE=MyISAM");
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("job.kdl");
        std::fs::write(&path, job(&source, "", "")).expect("written");
        let refused = vex(home.path(), &["run", "job.kdl"]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("a.m is a MyISAM table"));
        std::fs::write(&path, job(&source, "inconsistent \"alert\"", "")).expect("written");
        assert_eq!(vex(home.path(), &["run", "job.kdl", "--strict"]).status.code(), Some(2));
        let listed = vex(home.path(), &["list", "job.kdl"]);
        assert!(String::from_utf8_lossy(&listed.stdout).contains("Alerta"));
    }
}
