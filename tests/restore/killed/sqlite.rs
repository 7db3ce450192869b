//! SQLite: a file as a whole, and a table into a file that is there.

use crate::common::space::{Space, contents, names};
use crate::restore::killed::{Scene, killed_at_its_points};

const JOB: &str = r#"
sources { sqlite "app" path="app.db" }
stores { dir "disk" path="disk" { keep last=9 } }
job "j" { dump "app" chunk="64KiB" { send "disk"; verify "disk" } }
"#;

/// In WAL mode: whoever opens it makes files beside it.
const SQL: &str = "PRAGMA journal_mode=WAL;
    CREATE TABLE firm (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT);
    CREATE TABLE person (id INTEGER PRIMARY KEY, firm INTEGER REFERENCES firm (id), name TEXT UNIQUE);
    CREATE INDEX person_firm ON person (firm);
    INSERT INTO firm VALUES (1, 'a'), (7, 'b'), (900, 'c');
    DELETE FROM firm WHERE id = 900;
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900)
        INSERT INTO person SELECT i, 1, hex(randomblob(90)) || i FROM n;
    CREATE VIEW seen AS SELECT person.name, firm.name AS firm FROM person JOIN firm ON firm.id = firm;
    CREATE TRIGGER loud AFTER INSERT ON person BEGIN UPDATE person SET name = upper(new.name) WHERE id = new.id; END;";

/// A restore into `target/back.db`, all that lies in that folder.
struct File {
    space: Space,
    /// What is chosen.
    only: &'static [&'static str],
    expected: String,
}

impl File {
    /// A file that is not there yet.
    fn whole() -> File {
        let space = Space::new().job(JOB);
        let path = space.database("app.db", SQL);
        space.back_up();
        let expected = contents(&path);
        File { space, only: &[], expected }
    }

    /// A table for a file that is there, and has others.
    fn table() -> File {
        let mut file = File { only: &["--only", "app.person"], ..File::whole() };
        let sql = "CREATE TABLE own (v); INSERT INTO own VALUES (1); CREATE TABLE firm (id INTEGER PRIMARY KEY, name TEXT);";
        std::fs::create_dir(file.space.path("target")).unwrap();
        file.space.database("target/back.db", sql);
        let once = file.space.copy();
        let words = file.target();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        once.run(&[&["restore", "job.kdl", "--into"], &words[..]].concat()).expect(0);
        file.expected = contents(&once.path("target/back.db"));
        assert!(file.expected.contains("own") && file.expected.contains("i900"));
        file
    }
}

impl Scene for File {
    fn space(&self) -> &Space {
        &self.space
    }

    fn target(&self) -> Vec<String> {
        ["sqlite:target/back.db"].iter().chain(self.only).map(|word| (*word).to_owned()).collect()
    }

    fn clear(&self) {}

    fn assert_nothing_is_let_loose(&self, what: &str) {
        let found = names(&self.space.path("target"));
        let whole = self.only.is_empty() && found.iter().any(|name| name == "back.db");
        assert!(!whole, "it is there and not proven: {what}");
    }

    fn assert_same(&self, what: &str) {
        assert_eq!(names(&self.space.path("target")), ["back.db"], "{what}");
        assert_eq!(contents(&self.space.path("target/back.db")), self.expected, "{what}");
    }
}

#[test]
fn a_restore_of_sqlite_that_is_killed_at_any_point_can_be_ended() {
    killed_at_its_points("SQLite, a file", &File::whole());
}

#[test]
fn a_restore_of_a_table_of_sqlite_that_is_killed_at_any_point_can_be_ended() {
    killed_at_its_points("SQLite, a table", &File::table());
}
