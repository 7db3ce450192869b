//! Every kind of object that a server knows: dumped, or named.

use std::fs;
use std::path::Path;

use mysql::prelude::Queryable;
use serde_json::Value;

use vex::testing::source::is_mysql_catalogue;

use crate::common::artifact::head;
use crate::common::binary::{good, run, text};
use crate::common::servers::{Brand, Mysql9, Server};
use crate::common::space::files;

fn job(home: &Path, server: &Server, databases: &str) {
    let file = format!(
        "sources {{ mysql \"db\" host=\"127.0.0.1\" port={} user=\"root\" {{ databases {databases} }} }}\nstores {{ dir \"local\" \
         path=\"store\" {{ keep last=3 }} }}\njob \"nightly\" {{ dump \"db\" {{ send \"local\"; verify \"local\" }} }}\n",
        server.port
    );
    fs::write(home.join("job.kdl"), file).expect("written");
}

fn load(server: &Server, statements: &[&str]) {
    statements.iter().for_each(|statement| server.exec(statement));
}

/// What the manifest of the only backup says is not included.
fn not_included(home: &Path) -> Vec<String> {
    let zip =
        files(&home.join("store")).into_iter().find(|p| p.extension().is_some_and(|e| e == "zip"));
    let head = head(&zip.expect("a backup"));
    let lines = head["not_included"].as_array().expect("a list").iter();
    lines.filter_map(Value::as_str).map(str::to_owned).collect()
}

#[test]
fn every_catalogue_of_a_server_is_decided_on() {
    for brand in Brand::ALL {
        let sql = "SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME), TABLE_NAME FROM information_schema.TABLES \
                   WHERE TABLE_SCHEMA IN ('information_schema', 'mysql') AND UPPER(TABLE_NAME) NOT IN \
                   (SELECT UPPER(PLUGIN_NAME) FROM information_schema.PLUGINS WHERE PLUGIN_TYPE='INFORMATION SCHEMA')";
        let all: Vec<(String, String)> = brand.shared().conn().query(sql).expect("it answers");
        let open: Vec<&String> = all
            .iter()
            .filter(|(_, name)| !is_mysql_catalogue(name))
            .map(|(full, _)| full)
            .collect();
        assert!(all.len() > 60 && open.is_empty(), "{brand:?}: {open:?}");
    }
}

#[test]
fn a_catalogue_that_nobody_knows_is_an_alert_if_it_holds_something() {
    for brand in Brand::ALL {
        let server = brand.start(&[]);
        load(
            &server,
            &[
                "CREATE DATABASE a",
                "CREATE TABLE a.t (id INT)",
                "CREATE TABLE mysql.modules (id INT)",
            ],
        );
        let home = tempfile::tempdir().expect("a folder");
        job(home.path(), &server, "\"a\"");
        good(&run(home.path(), &["run", "job.kdl", "--strict"]));
        server.exec("INSERT INTO mysql.modules VALUES (1)");
        let output = run(home.path(), &["run", "job.kdl", "--strict"]);
        assert_eq!(output.status.code(), Some(2), "{brand:?}: {}", text(&output));
        assert!(
            text(&output).contains("not included: what mysql.modules holds"),
            "{}",
            text(&output)
        );
    }
}

#[test]
fn libraries_come_back_before_the_routines_of_any_database_that_use_them() {
    let server = Brand::Mysql9.start(&[]);
    load(
        &server,
        &[
            "CREATE DATABASE a",
            "CREATE DATABASE lib",
            "CREATE TABLE lib.t (id INT PRIMARY KEY)",
            "CREATE LIBRARY lib.lib1 LANGUAGE JAVASCRIPT AS 'export function f(x) { /* ç // $$ ; */ return x + 1 }'",
            "CREATE LIBRARY lib.`odd ``name` COMMENT 'said' LANGUAGE JAVASCRIPT AS 'export const one = 1'",
            "CREATE FUNCTION a.uses(x INT) RETURNS INT DETERMINISTIC LANGUAGE JAVASCRIPT USING (lib.lib1 AS m) AS 'return m.f(x)'",
        ],
    );
    let home = tempfile::tempdir().expect("a folder");
    job(home.path(), &server, "\"a\" \"lib\"");
    good(&run(home.path(), &["run", "job.kdl", "--strict"]));
    let target = Brand::Mysql9.start(&[]);
    let url = format!("mysql://root@127.0.0.1:{}", target.port);
    for more in [&[][..], &["--overwrite"]] {
        let args = ["restore", "job.kdl", "--into", &url];
        good(&run(home.path(), &[&args[..], more].concat()));
        let sql = "SELECT LIBRARY_NAME, LIBRARY_DEFINITION, SQL_MODE, COALESCE(LIBRARY_COMMENT, '') FROM information_schema.LIBRARIES \
                   ORDER BY 1";
        type Library = (String, String, String, String);
        let libraries =
            |server: &Server| -> Vec<Library> { server.conn().query(sql).expect("it answers") };
        assert_eq!(libraries(&target), libraries(&server));
        assert_eq!(libraries(&target).len(), 2);
        let sql = "SELECT ROUTINE_SCHEMA, ROUTINE_NAME, LIBRARY_NAME FROM information_schema.ROUTINE_LIBRARIES";
        let uses: Vec<(String, String, String)> = target.conn().query(sql).expect("it answers");
        assert_eq!(uses, [("a".into(), "uses".into(), "lib1".into())]);
    }
    let older = Brand::Mariadb11.start(&[]);
    let url = format!("mysql://root@127.0.0.1:{}", older.port);
    let output = run(home.path(), &["restore", "job.kdl", "--into", &url]);
    assert_eq!(output.status.code(), Some(65), "{}", text(&output));
    assert!(text(&output).contains("the server has no libraries"), "{}", text(&output));
}

#[test]
fn what_belongs_to_the_server_is_named_and_an_alert_if_tables_may_need_it() {
    assert!(not_named(Mysql9::shared()).is_empty());
    let server = Brand::Mysql9.start(&[]);
    load(
        &server,
        &[
            "CREATE TABLESPACE ts1 ADD DATAFILE 'ts1.ibd'",
            "CREATE SPATIAL REFERENCE SYSTEM 990001 NAME 'mine' DEFINITION 'GEOGCS[\"WGS 84\",DATUM[\"World Geodetic System \
             1984\",SPHEROID[\"WGS 84\",6378137,298.257223563]],PRIMEM[\"Greenwich\",0],UNIT[\"degree\",0.017453292519943278],\
             AXIS[\"Lat\",NORTH],AXIS[\"Lon\",EAST]]'",
            "CREATE SERVER far FOREIGN DATA WRAPPER mysql OPTIONS (USER 'x', HOST '127.0.0.1', PASSWORD 'CANARY-SERVER')",
            "CREATE RESOURCE GROUP slow TYPE=USER",
            "INSTALL COMPONENT 'file://component_query_attributes'",
            "CREATE DATABASE so",
            "CREATE TABLE so.t (id INT PRIMARY KEY, n INT)",
            "INSERT INTO so.t VALUES (1, 1), (2, 2)",
            "ANALYZE TABLE so.t UPDATE HISTOGRAM ON n WITH 2 BUCKETS",
        ],
    );
    let home = tempfile::tempdir().expect("a folder");
    job(home.path(), &server, "\"so\"");
    let output = run(home.path(), &["run", "job.kdl", "--strict"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    let named = not_included(home.path());
    for (line, alert) in [
        ("general tablespaces: ts1", true),
        ("spatial reference systems: 990001 mine", true),
        ("servers of other tables (CREATE SERVER): far", true),
        ("resource groups: slow", false),
        ("components: file://component_query_attributes", false),
        ("histograms, which ANALYZE TABLE makes again: so.t.n", false),
    ] {
        assert!(named.iter().any(|l| l == line), "{line}: {named:?}");
        assert_eq!(said.contains(&format!("not included: {line}")), alert, "{line}: {said}");
    }
    assert!(!said.contains("CANARY") && !named.concat().contains("CANARY"));
}

/// What a server that nobody gave anything is said to have of its own.
fn not_named(server: &Server) -> Vec<String> {
    server.exec("CREATE DATABASE IF NOT EXISTS catalogues_nothing");
    let home = tempfile::tempdir().expect("a folder");
    job(home.path(), server, "\"catalogues_nothing\"");
    good(&run(home.path(), &["run", "job.kdl"]));
    let named = not_included(home.path());
    named.into_iter().filter(|line| line.as_str() != "users, roles and grants").collect()
}

#[test]
fn what_the_user_may_not_look_at_is_said() {
    let server = Brand::Mariadb.start(&[]);
    load(
        &server,
        &[
            "CREATE DATABASE a",
            "CREATE USER reader@'127.0.0.1'",
            "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, EXECUTE ON a.* TO reader@'127.0.0.1'",
        ],
    );
    let home = tempfile::tempdir().expect("a folder");
    job(home.path(), &server, "\"a\"");
    let path = home.path().join("job.kdl");
    let file = fs::read_to_string(&path).expect("it is there").replace("root", "reader");
    fs::write(&path, file).expect("written");
    good(&run(home.path(), &["run", "job.kdl"]));
    let named = not_included(home.path());
    let line = "if there are any: the user may not look";
    assert!(
        named.iter().any(|l| l.contains("loadable functions") && l.ends_with(line)),
        "{named:?}"
    );
}
