//! PostgreSQL: all kinds of objects, and an event trigger that notes every definition as soon as it
//! is there.

use crate::common::servers::{Pg, PgServer};
use crate::common::space::Space;
use crate::postgres::end_to_end::{back_up, dumped};
use crate::restore::killed::{Scene, killed_at_its_points};

const SQL: &str = "CREATE TABLE firm (id serial PRIMARY KEY, name text NOT NULL UNIQUE);
    CREATE TABLE person (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, firm int REFERENCES firm, name text);
    CREATE INDEX person_firm ON person (firm, name);
    CREATE TABLE bare (t text);
    CREATE TABLE noted (tag text);
    CREATE TABLE parted (a int, b text) PARTITION BY LIST (a);
    CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
    INSERT INTO firm (name) VALUES ('a'), ('b'); SELECT setval('firm_id_seq', 900);
    INSERT INTO person (firm, name) SELECT 1, 'p' || lpad(g::text, 120, '0') FROM generate_series(1, 2000) g;
    INSERT INTO bare VALUES (''), (NULL), ('\\N');
    INSERT INTO parted VALUES (1, 'one');
    CREATE VIEW seen AS SELECT person.name, firm.name AS firm FROM person JOIN firm ON firm.id = person.firm;
    CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM person;
    CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT 2 * n';
    CREATE PROCEDURE tidy() LANGUAGE sql AS 'DELETE FROM bare';
    CREATE FUNCTION loud() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name = upper(NEW.name); RETURN NEW; END $$;
    CREATE TRIGGER loud BEFORE INSERT ON person FOR EACH ROW EXECUTE FUNCTION loud();
    COMMENT ON TABLE bare IS 'x';
    SELECT lo_from_bytea(4711, 'x');
    CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO public.noted VALUES (tg_tag); END $$;
    CREATE EVENT TRIGGER noting ON ddl_command_end EXECUTE FUNCTION note()";

/// A server with the database, and one to restore into.
struct Servers {
    space: Space,
    target: PgServer,
    expected: Vec<String>,
}

/// All of the database, and what is of it as a whole.
fn seen(server: &PgServer) -> Vec<String> {
    let own = server.run("pg_dump", &["--create", "--schema-only", "app"]);
    let own = own.lines().filter(|line| line.contains("DATABASE")).map(str::to_owned);
    own.chain(dumped(server, "app")).collect()
}

impl Servers {
    fn new(version: Pg) -> Servers {
        let source = version.start(&[]);
        source.run("createdb", &["app"]);
        source.sql(
            "postgres",
            "COMMENT ON DATABASE app IS 'y'; ALTER DATABASE app SET statement_timeout = 77777",
        );
        source.sql("app", SQL);
        let (space, _) = back_up(&source, "databases \"app\"", "chunk=\"64KiB\"");
        Servers { expected: seen(&source), target: version.start(&[]), space }
    }

    fn has_database(&self) -> bool {
        let sql = "SELECT count(*) FROM pg_database WHERE datname = 'app'";
        self.target.value("postgres", sql).as_deref() == Some("1")
    }
}

impl Scene for Servers {
    fn space(&self) -> &Space {
        &self.space
    }

    fn target(&self) -> Vec<String> {
        vec![self.target.url()]
    }

    fn clear(&self) {
        self.target.sql("postgres", "DROP DATABASE IF EXISTS app WITH (FORCE)");
    }

    fn assert_nothing_is_let_loose(&self, what: &str) {
        if !self.has_database() {
            return;
        }
        let count = |sql: &str| self.target.value("app", sql).unwrap();
        assert_eq!(count("SELECT count(*) FROM pg_event_trigger"), "0", "{what}");
        let tables = "SELECT count(*) FROM pg_class WHERE relname = 'bare'";
        // It names its backup, too.
        let marks = "SELECT count(*) FROM pg_db_role_setting, unnest(setconfig) c WHERE c LIKE 'vex.restore=begun 2%'";
        assert!(
            count(tables) == "0" || count(marks) == "1",
            "nothing says that it is not whole: {what}"
        );
    }

    fn assert_same(&self, what: &str) {
        let found = seen(&self.target);
        let other = found.iter().zip(&self.expected).find(|(a, b)| a != b);
        assert!(other.is_none() && found.len() == self.expected.len(), "{other:?}: {what}");
    }
}

#[test]
fn a_restore_of_postgres_that_is_killed_at_any_point_can_be_ended() {
    killed_at_its_points("PostgreSQL 15", &Servers::new(Pg::V15));
}
