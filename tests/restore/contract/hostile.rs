//! An archive that somebody wrote to do more than its members say: what is no part of a member is
//! not run, whatever the head and the hashes say, and is listed; everything else comes back.

use mysql::prelude::Queryable;

use vex::testing::artifact::{Kind, Member, Phase};
use vex::testing::pipeline::Outcome;

use crate::common::servers::{Brand, Pg};
use crate::restore::contract::crafted::{Entries, written};
use crate::restore::contract::{Engine, mysql, of, postgres};

/// Names of what is refused, and a word of the reason.
type Expected<'a> = [(&'a str, &'a str)];

#[track_caller]
fn refuses(engine: &Engine, mut more: Vec<Entries>, expected: &Expected<'_>) -> Outcome {
    let mut all = engine.entries(false);
    all.append(&mut more);
    all.sort_by_key(|(member, _)| member.phase);
    let backup = written(engine.kind, engine.dialect, all, false);
    let outcome = engine.restore(&backup, &engine.loading(&backup.1));
    for (what, why) in expected {
        let refused = of(&outcome, what);
        assert!(refused.why.contains(why), "{what}: {}", refused.why);
    }
    let named: Vec<(&str, &str)> =
        outcome.refused.iter().map(|r| (r.what.as_str(), r.why.as_str())).collect();
    assert_eq!(named.len(), expected.len(), "{named:#?}");
    assert_eq!((engine.count(&backup.1, "good"), engine.count(&backup.1, "other")), (6, 1));
    outcome
}

fn of_mysql(brand: Brand) {
    let server = brand.start(&[]);
    server.exec("CREATE DATABASE victim");
    server.exec("CREATE TABLE victim.t (id int PRIMARY KEY, t varchar(20))");
    server.exec("INSERT INTO victim.t VALUES (1, 'one')");
    let engine = mysql(&server);
    let session = "SET NAMES utf8mb4;\nUSE `suite`;\n";
    let code = |text: &str| format!("{session}DELIMITER //\n{text}\n//\nDELIMITER ;\n");
    let of_table = |kind, phase, name: &str| engine.member(name, kind, phase).of_table("good");
    let after = |kind, name: &str| engine.member(name, kind, Phase::After);
    let more: Vec<Entries> = vec![
        engine.table("a"),
        (
            engine.member("a", Kind::Rows, Phase::Data),
            vec![format!(
                "{session}INSERT INTO `a` (`id`,`t`) VALUES\n(1,'x');\nDROP DATABASE victim;\n"
            )],
        ),
        engine.table("b"),
        (
            engine.member("b", Kind::Rows, Phase::Data),
            vec![format!("{session}INSERT INTO victim.t (`id`,`t`) VALUES\n(2,'x');\n")],
        ),
        (
            engine.member("c", Kind::Table, Phase::Before),
            vec![format!("{session}CREATE TABLE `c` (`id` int) SELECT * FROM victim.t;\n")],
        ),
        // Rows of a table must not go through a view.
        (
            engine.member("v", Kind::View, Phase::Before),
            vec![format!("{session}CREATE VIEW `v` AS SELECT * FROM victim.t;\n")],
        ),
        (
            engine.member("v", Kind::Rows, Phase::Data),
            vec![format!("{session}INSERT INTO `v` (`id`,`t`) VALUES\n(3,'x');\n")],
        ),
        (
            engine.member("w", Kind::View, Phase::Before),
            vec![format!("{session}CREATE VIEW `w` AS SELECT 1 AS `id`, 1 AS `t`;\n")],
        ),
        (
            engine.member("w", Kind::Rows, Phase::Data),
            vec![format!("{session}INSERT INTO `w` (`id`,`t`) VALUES\n(4,'x');\n")],
        ),
        // A trigger must not run with the rows.
        (
            of_table(Kind::Trigger, Phase::Before, "early"),
            vec![code(
                "CREATE TRIGGER early BEFORE INSERT ON good FOR EACH ROW DELETE FROM victim.t",
            )],
        ),
        (
            after(Kind::Procedure, "p"),
            vec![code("CREATE PROCEDURE p() BEGIN SELECT 1; END; DROP DATABASE victim")],
        ),
        // What is a comment for one reader is none for the other.
        (
            after(Kind::Function, "f"),
            vec![code(
                "CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN 1 --\u{1}' x\n; DROP DATABASE victim; -- '",
            )],
        ),
        (
            after(Kind::Procedure, "whole"),
            vec![code(
                "CREATE PROCEDURE whole() BEGIN SELECT ';'; IF 1 THEN SELECT 2; END IF; END",
            )],
        ),
        (
            after(Kind::Trigger, "elsewhere"),
            vec![code(
                "CREATE TRIGGER elsewhere BEFORE INSERT ON victim.t FOR EACH ROW SET NEW.t = 'x'",
            )],
        ),
    ];
    refuses(
        &engine,
        more,
        &[
            ("rows of suite.a", "vex does not run it"),
            ("rows of suite.b", "vex does not run it"),
            ("table suite.c", "vex does not run it"),
            ("view suite.v", "vex does not run it"),
            ("rows of suite.v", ""),
            ("rows of suite.w", "keeps no rows of its own"),
            ("rows suite.v", "it is not there"),
            ("rows suite.w", "it is not there"),
            ("event suite.event", "it runs by itself"),
            ("trigger suite.early", "can't be made in this order"),
            ("procedure suite.p", "it is not one statement"),
            ("function suite.f", "it is not one statement"),
            ("trigger suite.elsewhere", "vex does not run it"),
        ],
    );
    let mut connection = server.conn();
    let mut all = |sql: &str| connection.query::<String, _>(sql).expect("it answers");
    assert_eq!(all("SELECT CONCAT(id, t) FROM victim.t"), ["1one"], "{brand:?}");
    let sql = "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA='suite'";
    assert_eq!(all(sql), ["whole"]);
    let sql = "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA='victim'";
    assert_eq!(all(sql), [""; 0]);
}

#[test]
fn mysql_runs_nothing_that_is_no_part_of_a_member() {
    [Brand::Mysql9, Brand::Mariadb, Brand::Mariadb11].into_iter().for_each(of_mysql);
}

#[test]
fn postgres_runs_nothing_that_is_no_part_of_a_member() {
    let server = Pg::ALL[0].start(&[]);
    let engine = postgres(&server);
    let folder = tempfile::tempdir().unwrap();
    let planted = folder.path().join("planted").display().to_string();
    let member = |name: &str, kind, phase| engine.member(name, kind, phase);
    let table = |name: &str| format!("CREATE TABLE public.{name} (id int, t text)");
    let object = |name: &str, class: &str, phase| Member {
        class: Some(class.to_owned()),
        ..engine.member(&format!("{class} {name}"), Kind::Object, phase)
    };
    let program = format!("COPY public.c FROM PROGRAM 'touch {planted}'");
    let more: Vec<Entries> = vec![
        engine.table("a"),
        (
            member("a", Kind::Rows, Phase::Data),
            vec!["COPY \"public\".\"good\" (\"id\",\"t\") FROM stdin;\n77\tx\n\\.\n".to_owned()],
        ),
        (member("c", Kind::Table, Phase::Before), vec![format!("{};\n{program};\n", table("c"))]),
        (
            member("d", Kind::Table, Phase::Before),
            vec!["CREATE TABLE public.d (id int) AS SELECT pg_sleep(9);\n".to_owned()],
        ),
        (
            member("early", Kind::Trigger, Phase::Before),
            vec!["CREATE TRIGGER early BEFORE INSERT ON public.good EXECUTE FUNCTION public.guard();\n".into()],
        ),
        (
            object("r", "schema", Phase::Before),
            vec!["CREATE ROLE r SUPERUSER;\n".to_owned()],
        ),
        // What is a text for one reader is none for the other.
        (
            member("v", Kind::View, Phase::After),
            vec!["CREATE VIEW public.v AS SELECT U&'\\' UESCAPE '!' AS a;\nCOMMENT ON VIEW public.v IS '; CREATE ROLE r SUPERUSER; --';\n".into()],
        ),
        (
            member("f()", Kind::Function, Phase::After),
            vec!["CREATE FUNCTION public.f() RETURNS text LANGUAGE sql AS $f$ SELECT '; $$'; $f$;\n".to_owned()],
        ),
        (
            member("g()", Kind::Function, Phase::After),
            vec!["CREATE FUNCTION public.g() RETURNS text LANGUAGE sql AS 'SELECT 1'; ALTER SYSTEM SET work_mem = '9MB';\n".to_owned()],
        ),
    ];
    refuses(
        &engine,
        more,
        &[
            ("rows of suite.public.a", "vex does not run it"),
            ("table suite.public.c", "vex does not run it"),
            ("table suite.public.d", "vex does not run it"),
            ("trigger suite.public.early", "can't be made in this order"),
            ("object suite.public.schema r", "vex does not run it"),
            ("function suite.public.g()", "vex does not run it"),
        ],
    );
    assert!(!std::path::Path::new(&planted).exists(), "a program was run");
    for (sql, found) in [
        ("SELECT count(*)::text FROM pg_roles WHERE rolname = 'r'", "0"),
        ("SELECT count(*)::text FROM public.good", "6"),
        ("SELECT count(*)::text FROM pg_proc WHERE proname IN ('f', 'g')", "1"),
    ] {
        assert_eq!(server.value("suite", sql).as_deref(), Some(found), "{sql}");
    }
}
