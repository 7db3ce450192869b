//! A dump of a replica says how far it was behind, and one that gets nothing new is an Alerta.

use mysql::prelude::Queryable;

use crate::common::artifact::head;
use crate::common::binary::{good, run, text};
use crate::common::servers::{Brand, Server};
use crate::common::space::{Space, files, until};

fn follow(replica: &Server, source: &Server) {
    let mut connection = replica.conn();
    let (change, start) = match replica.brand.is_mariadb() {
        true => (
            format!(
                "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={}, MASTER_USER='repl', MASTER_PASSWORD='CANARY-repl'",
                source.port
            ),
            "START SLAVE",
        ),
        false => (
            format!(
                "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={}, SOURCE_USER='repl', \
                     SOURCE_PASSWORD='CANARY-repl', GET_SOURCE_PUBLIC_KEY=1",
                source.port
            ),
            "START REPLICA",
        ),
    };
    connection.query_drop(change).expect("it follows");
    connection.query_drop(start).expect("it starts");
}

fn lags(brand: Brand) {
    let source = brand.start(&["--server-id=7"]);
    let replica = brand.start(&["--server-id=8"]);
    source.exec("CREATE USER repl@'%' IDENTIFIED BY 'CANARY-repl'");
    source.exec("GRANT REPLICATION SLAVE ON *.* TO repl@'%'");
    follow(&replica, &source);
    source.exec("CREATE DATABASE a");
    source.exec("CREATE TABLE a.t (id INT PRIMARY KEY)");
    source.exec("INSERT INTO a.t VALUES (1)");
    let comes = || {
        replica.conn().query_first::<u64, _>("SELECT COUNT(*) FROM a.t").ok()?.filter(|n| *n == 1)
    };
    until("the row comes over", comes);

    let home = tempfile::tempdir().expect("a folder");
    let job = format!(
        "sources {{ mysql \"db\" host=\"127.0.0.1\" port={} user=\"root\" max-lag=\"1h\" {{ databases \"a\" }} }}\nstores {{ dir \"s\" \
         path=\"store\" {{ keep last=3 }} }}\njob \"j\" {{ dump \"db\" {{ send \"s\"; verify \"s\" }} }}\n",
        replica.port
    );
    std::fs::write(home.path().join("job.kdl"), job).expect("written");
    good(&run(home.path(), &["run", "job.kdl", "--strict"]));
    let zips = files(&home.path().join("store"));
    let zip = zips.iter().find(|p| p.extension().is_some_and(|e| e == "zip")).expect("a backup");
    assert!(head(zip)["lag"].as_u64().is_some_and(|lag| lag < 3600), "{}", head(zip));
    let listed = text(&run(home.path(), &["list", "job.kdl", "--format", "json"]));
    assert!(listed.contains("\"lag-seconds\":") && listed.contains("\"moment\":"), "{listed}");

    let stop = if brand.is_mariadb() { "STOP SLAVE SQL_THREAD" } else { "STOP REPLICA SQL_THREAD" };
    replica.exec(stop);
    let output = run(home.path(), &["run", "job.kdl", "--strict"]);
    let all = text(&output);
    assert_eq!(output.status.code(), Some(2), "{all}");
    assert!(
        all.contains("the server is a replica, ") && all.contains("its SQL thread is off (No)"),
        "{all}"
    );
    assert!(!all.contains("CANARY"), "{all}");
}

#[test]
fn a_dump_of_a_replica_tells_its_lag_and_one_that_is_stopped_is_an_alert() {
    [Brand::Mysql9, Brand::Mariadb].into_iter().for_each(lags);
}

#[test]
fn with_max_lag_a_server_that_may_not_be_asked_is_an_alert_that_names_the_grant() {
    for (brand, privilege) in
        [(Brand::Mysql9, "REPLICATION CLIENT"), (Brand::Mariadb, "REPLICA MONITOR")]
    {
        let server = brand.start(&[]);
        server.exec("CREATE DATABASE a");
        server.exec("CREATE TABLE a.t (id INT PRIMARY KEY)");
        server.exec("CREATE USER vex@'%' IDENTIFIED BY 'CANARY-vex'");
        server.exec(
            "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES, RELOAD, PROCESS ON *.* TO vex@'%'",
        );
        let space = Space::new().env("PASS", "CANARY-vex");
        let write = |lag: &str| {
            let job = format!(
                "sources {{ mysql \"db\" host=\"127.0.0.1\" port={} user=\"vex\" {lag} {{ password (env)\"PASS\"; databases \"a\" }} }}\n\
                 stores {{ dir \"s\" path=\"store\" {{ keep last=3 }} }}\njob \"j\" {{ dump \"db\" {{ send \"s\"; verify \"s\" }} }}\n",
                server.port
            );
            std::fs::write(space.path("job.kdl"), job).expect("written");
        };
        let said = |arguments: &[&str]| {
            let ran = space.run(arguments);
            (ran.code, ran.stdout + &ran.stderr)
        };
        let unknown = "how far the server is behind is not known";
        write("");
        let (_, all) = said(&["run", "job.kdl"]);
        assert!(!all.contains(unknown), "{brand:?}: {all}");
        write("max-lag=\"5m\"");
        let (code, all) = said(&["run", "job.kdl", "--strict"]);
        let grant = format!("GRANT {privilege} ON *.*");
        assert!(code == 2 && all.contains(unknown) && all.contains(&grant), "{brand:?}: {all}");
        let (_, all) = said(&["doctor", "job.kdl"]);
        assert!(all.contains(&grant), "{brand:?}: {all}");
        server.exec(&format!("GRANT {privilege} ON *.* TO vex@'%'"));
        let (_, all) = said(&["run", "job.kdl", "--strict"]);
        assert!(!all.contains(unknown), "{brand:?}: {all}");
    }
}
