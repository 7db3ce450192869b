//! A scratch source that is in truth a server of the job file is refused before anything is
//! written, whatever address leads to it.

use mysql::prelude::Queryable;

use crate::common::servers::{Brand, Pg};
use crate::common::space::Space;

/// A job whose verify restores into a source that is written as scratch.
fn job(real: &str, scratch: &str) -> String {
    format!(
        "sources {{\n  {real}\n  {scratch}\n}}\n\
         stores {{ dir \"nas\" path=\"nas\" {{ keep last=2 }} }}\n\
         job \"nightly\" {{ dump \"shop\" {{ send \"nas\"; verify \"nas\" into=\"lab\" }} }}\n"
    )
}

/// The drill is refused, and the backup stays what it was.
#[track_caller]
fn refuses(real: &str, scratch: &str) {
    let space = Space::new().job(&job(real, scratch));
    refused(&space, scratch);
}

#[track_caller]
fn refused(space: &Space, what: &str) {
    let ran = space.run(&["run", "job.kdl"]).expect(1);
    let said = ran.stdout + &ran.stderr;
    assert!(said.contains("nothing was written"), "{what}: {said}");
    let ran = space.run(&["verify", "job.kdl"]).expect(0);
    assert!(ran.stderr.is_empty(), "{what}: {}", ran.stderr);
}

#[test]
fn no_drill_writes_into_the_sqlite_file_that_is_backed_up() {
    let space = Space::new();
    let file = space.database("app.db", "CREATE TABLE t (a); INSERT INTO t VALUES (1)");
    std::fs::hard_link(&file, space.path("hard.db")).unwrap();
    std::os::unix::fs::symlink(&file, space.path("soft.db")).unwrap();
    std::fs::create_dir(space.path("folder")).unwrap();
    std::os::unix::fs::symlink(space.path(""), space.path("folder/up")).unwrap();
    for other in ["hard.db", "soft.db", "folder/up/app.db"] {
        let before = std::fs::read(&file).unwrap();
        let text = job(
            "sqlite \"shop\" path=\"app.db\"",
            &format!("sqlite \"lab\" path=\"{other}\" scratch=#true"),
        );
        std::fs::write(space.path("job.kdl"), text).unwrap();
        refused(&space, other);
        assert_eq!(std::fs::read(&file).unwrap(), before, "{other}");
        std::fs::remove_dir_all(space.path("nas")).unwrap();
    }
    // Nor into that of another source of the file, which is none of this backup.
    space.database("crm.db", "CREATE TABLE t (a)");
    std::fs::hard_link(space.path("crm.db"), space.path("crm2.db")).unwrap();
    let text = job(
        "sqlite \"shop\" path=\"app.db\"\n  sqlite \"crm\" path=\"crm.db\"",
        "sqlite \"lab\" path=\"crm2.db\" scratch=#true",
    );
    std::fs::write(space.path("job.kdl"), text).unwrap();
    refused(&space, "crm2.db");
}

#[test]
fn no_drill_writes_into_the_server_that_is_backed_up_by_another_name_of_mysql_or_mariadb() {
    for brand in [Brand::Mariadb, Brand::Mysql9] {
        let server = brand.start(&[]);
        server.exec("CREATE DATABASE shop");
        server.exec("CREATE TABLE shop.t (a INT PRIMARY KEY)");
        server.exec("INSERT INTO shop.t VALUES (1)");
        let position = || -> (String, u64) {
            let word = if brand.is_mariadb() { "MASTER" } else { "BINARY LOG" };
            let row: mysql::Row =
                server.conn().query_first(format!("SHOW {word} STATUS")).unwrap().unwrap();
            (row.get(0).unwrap(), row.get(1).unwrap())
        };
        let before = position();
        let tcp = |name: &str, host: &str, more: &str| {
            format!(
                "mysql \"{name}\" host=\"{host}\" port={} user=\"root\" {more} {{ databases \"shop\" }}",
                server.port
            )
        };
        let socket = |name: &str, more: &str| {
            format!(
                "mysql \"{name}\" socket=\"{}\" user=\"root\" {more} {{ databases \"shop\" }}",
                server.socket.display()
            )
        };
        let scratch = "scratch=#true";
        refuses(&tcp("shop", "127.0.0.1", ""), &tcp("lab", "localhost", scratch));
        refuses(&tcp("shop", "127.0.0.1", ""), &socket("lab", scratch));
        refuses(&socket("shop", ""), &tcp("lab", "127.0.0.1", scratch));
        assert_eq!(position(), before, "{brand:?}: nothing was written to its log");
    }
}

#[test]
fn no_drill_writes_into_the_cluster_that_is_backed_up_by_another_name_of_postgresql() {
    let server = Pg::V15.start(&["listen_addresses=127.0.0.1,127.0.0.2"]);
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE t (a int PRIMARY KEY); INSERT INTO t VALUES (1)");
    let oids = || {
        let table =
            server.value("shop", "SELECT oid::text || relfilenode FROM pg_class WHERE relname='t'");
        (server.value("postgres", "SELECT oid::text FROM pg_database WHERE datname='shop'"), table)
    };
    let before = oids();
    let tcp = |name: &str, host: &str, more: &str| {
        format!(
            "postgres \"{name}\" host=\"{host}\" port={} user=\"postgres\" {more} {{ databases \"shop\" }}",
            server.port
        )
    };
    let socket = |name: &str, more: &str| {
        format!(
            "postgres \"{name}\" socket=\"{}\" port={} user=\"postgres\" {more} {{ databases \"shop\" }}",
            server.socket.display(),
            server.port
        )
    };
    let scratch = "scratch=#true";
    refuses(&tcp("shop", "127.0.0.1", ""), &tcp("lab", "localhost", scratch));
    refuses(&tcp("shop", "127.0.0.1", ""), &tcp("lab", "127.0.0.2", scratch));
    refuses(&tcp("shop", "127.0.0.1", ""), &socket("lab", scratch));
    refuses(&socket("shop", ""), &tcp("lab", "127.0.0.1", scratch));
    assert_eq!(oids(), before);
}

/// A job whose drill restores `shop` into `lab` while `crm` can't be reached.
#[test]
fn a_source_that_is_down_is_known_by_its_backups() {
    let [server, other] = [Brand::Mariadb.start(&[]), Brand::Mariadb.start(&[])];
    for server in [&server, &other] {
        server.exec("CREATE DATABASE shop");
        server.exec("CREATE TABLE shop.t (a INT PRIMARY KEY)");
        server.exec("INSERT INTO shop.t VALUES (1)");
    }
    let space = Space::new();
    let write = |crm: u16, lab: u16| {
        let source = |name: &str, port: u16, more: &str| {
            format!(
                "mysql \"{name}\" host=\"127.0.0.1\" port={port} user=\"root\" {more} {{ databases \"shop\" }}\n"
            )
        };
        let text = format!(
            "sources {{\n{}{}{}}}\nstores {{ dir \"nas\" path=\"nas\" {{ keep last=9 }} }}\n\
             job \"nightly\" {{ dump \"shop\" {{ send \"nas\"; verify \"nas\" into=\"lab\" }} }}\n\
             job \"crm\" {{ dump \"crm\" {{ send \"nas\"; verify \"nas\" }} }}\n",
            source("shop", server.port, ""),
            source("crm", crm, ""),
            source("lab", lab, "scratch=#true"),
        );
        std::fs::write(space.path("job.kdl"), text).unwrap();
    };
    let drill = |code: i32| {
        let ran = space.run(&["run", "job.kdl", "nightly"]).expect(code);
        ran.stdout + &ran.stderr
    };
    // Nobody knows which server it is: it may be the scratch one.
    write(1, other.port);
    let said = drill(1);
    for wanted in ["the source crm can't be told", "scratch=#true", "nothing was written"] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    // Its backup says that it is another one.
    write(server.port, 1);
    space.run(&["run", "job.kdl", "crm"]).expect(0);
    write(1, other.port);
    drill(0);
    // And now that it is the very one.
    std::fs::remove_dir_all(space.path("nas/crm")).unwrap();
    write(other.port, 1);
    space.run(&["run", "job.kdl", "crm"]).expect(0);
    write(1, other.port);
    let said = drill(1);
    assert!(said.contains("it is the source crm; nothing was written"), "{said}");
}
