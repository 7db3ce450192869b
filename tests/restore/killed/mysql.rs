//! MySQL and MariaDB: all kinds of objects, and an event that writes a row every second as soon as
//! it is there.

use mysql::prelude::Queryable;

use crate::common::mysql_state::State;
use crate::common::servers::{Brand, Server};
use crate::common::space::{Space, until};
use crate::restore::killed::{Scene, killed_at_its_points};

const SQL: [&str; 15] = [
    "CREATE DATABASE app",
    "USE app",
    "CREATE TABLE firm (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40) NOT NULL, UNIQUE KEY n (name))",
    "CREATE TABLE person (id INT AUTO_INCREMENT PRIMARY KEY, firm INT, name VARCHAR(200), KEY f (firm, name), \
     CONSTRAINT of_firm FOREIGN KEY (firm) REFERENCES firm (id))",
    "CREATE TABLE old (a INT, b INT, KEY b (b)) ENGINE=MyISAM",
    "CREATE TABLE bare (t TEXT)",
    "INSERT INTO firm VALUES (1, 'a'), (7, 'b')",
    "ALTER TABLE firm AUTO_INCREMENT = 900",
    "INSERT INTO old VALUES (1, 2), (1, 2), (NULL, 3)",
    "INSERT INTO bare VALUES (''), (NULL), ('\\\\N')",
    "CREATE VIEW seen AS SELECT person.name, firm.name AS firm FROM person JOIN firm ON firm.id = person.firm",
    "CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC RETURN 2 * n",
    "CREATE PROCEDURE tidy() DELETE FROM bare",
    "CREATE TRIGGER loud BEFORE INSERT ON person FOR EACH ROW SET NEW.name = UPPER(NEW.name)",
    "CREATE EVENT tick ON SCHEDULE EVERY 1 SECOND DO INSERT INTO watch.ticks VALUES (NOW())",
];

/// A server with the database, and one to restore into, whose events run.
struct Servers {
    space: Space,
    target: Server,
    expected: State,
}

impl Servers {
    fn new(brand: Brand) -> Servers {
        let source = brand.start(&["--event-scheduler=OFF"]);
        let mut connection = source.conn();
        SQL.iter()
            .for_each(|sql| connection.query_drop(sql).unwrap_or_else(|e| panic!("{e}: {sql}")));
        // Rows in several chunks, that the trigger would change.
        for from in [0, 1000] {
            let rows: Vec<String> =
                (from..from + 1000).map(|n| format!("(1, 'p{n:0>120}')")).collect();
            let sql = format!("INSERT INTO person (firm, name) VALUES {}", rows.join(","));
            connection.query_drop(sql).unwrap();
        }
        connection.query_drop("UPDATE person SET name = LOWER(name)").unwrap();
        let job = format!(
            "sources {{ mysql \"db\" host=\"127.0.0.1\" port={} user=\"root\" {{ databases \"app\"; inconsistent \"alert\" }} }}\n\
             stores {{ dir \"disk\" path=\"disk\" {{ keep last=9 }} }}\n\
             job \"j\" {{ dump \"db\" chunk=\"64KiB\" {{ send \"disk\"; verify \"disk\" }} }}\n",
            source.port
        );
        let space = Space::new().job(&job);
        space.back_up();
        // A session that is in no database: it names it.
        let expected = State::of(&mut source.conn(), &["app"]);
        let target = brand.start(&["--event-scheduler=ON", "--local-infile=ON"]);
        Servers { space, target, expected }
    }

    fn count(&self, sql: &str) -> u64 {
        self.target.conn().query_first(sql).unwrap().unwrap()
    }
}

impl Scene for Servers {
    fn space(&self) -> &Space {
        &self.space
    }

    fn target(&self) -> Vec<String> {
        vec![format!("mysql://root@127.0.0.1:{}", self.target.port)]
    }

    fn clear(&self) {
        for sql in [
            "DROP DATABASE IF EXISTS app",
            "DROP DATABASE IF EXISTS watch",
            "CREATE DATABASE watch",
            "CREATE TABLE watch.ticks (at DATETIME)",
        ] {
            self.target.exec(sql);
        }
    }

    fn assert_nothing_is_let_loose(&self, what: &str) {
        let enabled = "SELECT COUNT(*) FROM information_schema.EVENTS WHERE STATUS = 'ENABLED'";
        assert_eq!(self.count(enabled), 0, "{what}");
        assert_eq!(self.count("SELECT COUNT(*) FROM watch.ticks"), 0, "{what}");
    }

    fn assert_same(&self, what: &str) {
        let found = State::of(&mut self.target.conn(), &["app"]);
        let differences = found.differences(&self.expected);
        assert!(differences.is_empty(), "{what}: {differences:#?}");
    }
}

fn killed(brand: Brand, name: &str) {
    let servers = Servers::new(brand);
    killed_at_its_points(name, &servers);
    // It would have been seen.
    until("the event runs", || {
        (servers.count("SELECT COUNT(*) FROM watch.ticks") > 0).then_some(())
    });
}

#[test]
fn a_restore_of_mariadb_that_is_killed_at_any_point_can_be_ended() {
    killed(Brand::Mariadb, "MariaDB 10.11");
}

#[test]
fn a_restore_of_mysql_that_is_killed_at_any_point_can_be_ended() {
    killed(Brand::Mysql9, "MySQL 9");
}
