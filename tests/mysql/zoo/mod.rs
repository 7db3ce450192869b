//! Random databases, dumped and restored into another server of the same brand: not one fact may
//! differ.
//!
//! All chance comes from `VEX_TEST_SEED` (each database has the seed after the last one's);
//! `VEX_TEST_SCHEMAS` is how many databases the three servers share. What the server refuses is
//! drawn again and counted: too much of it is a failure, since then the zoo proves little. A batch
//! that fails is tried again one database at a time, to name the seeds.

mod dice;
mod kind;
mod table;

use std::io::Write;
use std::path::Path;

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::common::binary::{run, text};
use crate::common::mysql_state::State;
use crate::common::servers::{Brand, Server};
use dice::{Dice, literal, quote};
use table::{Parent, Table};

/// Databases that share a dump.
const BATCH: u64 = 20;

/// Draws of a table before a plain one is taken.
const DRAWS: usize = 12;

/// A database that was made.
struct Made {
    name: String,
    seed: u64,
    script: Vec<String>,
}

/// What was drawn and what the server took.
#[derive(Debug, Default)]
struct Tally {
    tables: u64,
    refused_tables: u64,
    rows: u64,
    refused_rows: u64,
}

/// Makes databases on one connection.
struct Maker<'a> {
    conn: Conn,
    brand: Brand,
    script: Vec<String>,
    tally: &'a mut Tally,
}

impl Maker<'_> {
    /// Runs a statement and remembers it, if the server takes it.
    fn run(&mut self, sql: &str) -> bool {
        match self.conn.query_drop(sql) {
            Ok(()) => {
                if std::env::var_os("VEX_TEST_VERBOSE").is_some() {
                    say(&format!("took: {};", sql.chars().take(1500).collect::<String>()));
                }
                self.script.push(sql.to_owned());
                true
            }
            Err(mysql::Error::MySqlError(error)) => {
                if std::env::var_os("VEX_TEST_VERBOSE").is_some() {
                    say(&format!(
                        "refused: {error}: {}",
                        sql.chars().take(1500).collect::<String>()
                    ));
                }
                false
            }
            Err(error) => panic!("{:?} is gone: {error}: {sql}", self.brand),
        }
    }

    fn make(&mut self, seed: u64) -> Made {
        let mut dice = Dice::new(seed);
        let name = dice.name(seed as usize);
        let with = *dice.pick(&[
            "",
            " CHARACTER SET latin1",
            " CHARACTER SET utf8mb3",
            " COLLATE utf8mb4_bin",
        ]);
        assert!(
            self.run(&format!("CREATE DATABASE {}{with}", quote(&name))),
            "seed {seed}: no database"
        );
        for statement in [
            &format!("USE {}", quote(&name)),
            "SET NAMES utf8mb4, time_zone='+00:00', foreign_key_checks=0",
            "SET sql_mode='NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'",
        ] {
            assert!(self.run(statement), "seed {seed}: {statement}");
        }
        let mut parents = Vec::new();
        for number in 0..dice.between(1, 6) as usize {
            self.table(&mut dice, number, &mut parents);
        }
        if self.brand.is_mariadb() && dice.one_in(5) {
            self.sequence(&mut dice);
        }
        Made { name, seed, script: std::mem::take(&mut self.script) }
    }

    fn table(&mut self, dice: &mut Dice, number: usize, parents: &mut Vec<Parent>) {
        let drawn = (0..DRAWS).find_map(|_| {
            let table = Table::draw(dice, self.brand, number, parents);
            self.tally.tables += 1;
            let made = table.create.iter().all(|statement| self.run(statement));
            self.tally.refused_tables += u64::from(!made);
            made.then_some(table)
        });
        let Some(table) = drawn else { return };
        let rows = if table.wide { 150 } else { *dice.pick(&[0, 1, 2, 7, 20, 60, 200]) };
        for row in table.insert(dice, rows) {
            self.tally.rows += 1;
            self.tally.refused_rows += u64::from(!self.run(&row));
        }
        if table.versioned || dice.one_in(2) {
            for change in table.changes(dice) {
                self.run(&change);
            }
        }
        if table.wide {
            // The sizes by which a table is cut.
            self.run(&format!("ANALYZE TABLE {}", quote(&table.name)));
        }
        parents.extend(table.parent);
    }

    fn sequence(&mut self, dice: &mut Dice) {
        let name = quote(&format!("seq {}", dice.name(0)));
        let (start, step, cycle) = (
            dice.between(1, 500),
            dice.between(1, 9),
            dice.word(&["CYCLE CACHE 3", "NOCYCLE NOCACHE", ""]),
        );
        if self.run(&format!(
            "CREATE SEQUENCE {name} START WITH {start} INCREMENT BY {step} MAXVALUE 600 {cycle}"
        )) {
            for _ in 0..dice.below(9) {
                self.run(&format!("DO NEXTVAL({name})"));
            }
        }
    }
}

/// Two servers that databases go between.
struct Zoo {
    brand: Brand,
    source: Server,
    target: Server,
    tally: Tally,
}

impl Zoo {
    fn open(brand: Brand) -> Zoo {
        Zoo { brand, source: brand.start(&[]), target: brand.start(&[]), tally: Tally::default() }
    }

    /// Takes these databases there; the error says what is not the same.
    fn carry(&mut self, seeds: impl Iterator<Item = u64>) -> Result<(), (String, Vec<Made>)> {
        let mut maker = Maker {
            conn: self.source.conn(),
            brand: self.brand,
            script: Vec::new(),
            tally: &mut self.tally,
        };
        let made: Vec<Made> = seeds.map(|seed| maker.make(seed)).collect();
        let names: Vec<&str> = made.iter().map(|m| m.name.as_str()).collect();
        let result = self.compare(&names);
        for server in [&self.source, &self.target] {
            let mut conn = server.conn();
            conn.query_drop("SET foreign_key_checks=0").expect("it answers");
            for name in &names {
                conn.query_drop(format!("DROP DATABASE IF EXISTS {}", quote(name)))
                    .expect("it can be dropped");
            }
        }
        result.map_err(|why| (why, made))
    }

    fn compare(&self, names: &[&str]) -> Result<(), String> {
        let home = tempfile::tempdir().expect("a folder");
        let job = format!(
            "sources {{\n  mysql \"zoo\" host=\"127.0.0.1\" port={} user=\"root\"\n}}\nstores {{\n  dir \"local\" \
             path=\"store\" {{ keep last=1 }}\n}}\njob \"zoo\" {{\n  dump \"zoo\" chunk=\"64KiB\" {{\n    archive \
             level=1\n    send \"local\"\n    verify \"local\"\n  }}\n}}\n",
            self.source.port
        );
        std::fs::write(home.path().join("job.kdl"), job).expect("written");
        let before = State::of(&mut self.source.conn(), names);
        vex(home.path(), &["run", "job.kdl", "--strict"])?;
        let url = format!("mysql://root@127.0.0.1:{}", self.target.port);
        vex(home.path(), &["restore", "job.kdl", "--into", &url])?;
        let mut differences = before.differences(&State::of(&mut self.target.conn(), names));
        if differences.is_empty() {
            return Ok(());
        }
        let (ours, theirs) = (&mut self.source.conn(), &mut self.target.conn());
        differences.extend(names.iter().flat_map(|name| columns_that_differ(ours, theirs, name)));
        Err(differences.join("\n"))
    }
}

/// The columns of a database that hold other values there, with the first of them; for whoever
/// reads the failure.
fn columns_that_differ(ours: &mut Conn, theirs: &mut Conn, database: &str) -> Vec<String> {
    let sql = "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=?";
    let columns: Vec<(String, String, String)> =
        ours.exec(sql, (database,)).expect("columns can be listed");
    let mut found = Vec::new();
    for (table, column, form) in columns {
        let sql = format!(
            "SELECT HEX({}) FROM {}.{} ORDER BY 1",
            quote(&column),
            quote(database),
            quote(&table)
        );
        let values =
            |conn: &mut Conn| -> Vec<Option<String>> { conn.query(&sql).unwrap_or_default() };
        let (a, b) = (values(ours), values(theirs));
        if let Some(pair) = a.iter().zip(&b).find(|(a, b)| a != b) {
            found.push(format!(
                "{} {} {form}: {:.300}",
                quote(&table),
                quote(&column),
                format!("{pair:?}")
            ));
        }
    }
    found
}

fn vex(home: &Path, args: &[&str]) -> Result<(), String> {
    let output = run(home, args);
    if output.status.success() {
        return Ok(());
    }
    Err(format!("vex {}: {}\n{}", args.join(" "), output.status, text(&output)))
}

fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("it is heard");
}

fn number(variable: &str, otherwise: u64) -> u64 {
    let text = std::env::var(variable).unwrap_or_default();
    if text.is_empty() {
        otherwise
    } else {
        text.parse().unwrap_or_else(|e| panic!("{variable}: {e}: {text}"))
    }
}

/// Carries this brand's share of the databases.
fn visit(brand: Brand, test: &str) {
    let first = number("VEX_TEST_SEED", 1);
    let count = number("VEX_TEST_SCHEMAS", 50).div_ceil(Brand::ALL.len() as u64);
    let mut zoo = Zoo::open(brand);
    let mut failures = Vec::new();
    for start in (first..first + count).step_by(BATCH as usize) {
        let end = (start + BATCH).min(first + count);
        let Err((why, _)) = zoo.carry(start..end) else { continue };
        let alone: Vec<String> = (start..end)
            .filter_map(|seed| {
                let (why, made) = zoo.carry(seed..seed + 1).err()?;
                let script: Vec<String> = made
                    .iter()
                    .flat_map(|m| &m.script)
                    .map(|s| s.chars().take(3000).collect())
                    .collect();
                let seed = made.iter().map(|m| m.seed).next().unwrap_or(seed);
                Some(format!(
                    "VEX_TEST_SEED={seed} VEX_TEST_SCHEMAS=1 tests/run.sh {test}\n{}\n{why}",
                    script
                        .iter()
                        .filter(|s| !s.starts_with("INSERT"))
                        .map(|s| format!("{s};\n"))
                        .collect::<String>()
                ))
            })
            .collect();
        if alone.is_empty() {
            failures.push(format!("VEX_TEST_SEED={start}, together only:\n{why}"));
        }
        failures.extend(alone);
        if failures.len() > 20 {
            break;
        }
    }
    let tally = &zoo.tally;
    say(&format!(
        "{brand:?}: {count} databases from seed {first}: {tally:?}, {} failures",
        failures.len()
    ));
    assert!(
        failures.is_empty(),
        "{} databases of {brand:?} differ:\n\n{}",
        failures.len(),
        failures.join("\n\n")
    );
    // Of one database alone, any share may be refused.
    if count < 10 {
        return;
    }
    assert!(
        tally.refused_tables * 2 < tally.tables,
        "the server refuses too many tables: {tally:?}"
    );
    assert!(tally.refused_rows * 4 < tally.rows, "the server refuses too many rows: {tally:?}");
}

#[test]
fn random_databases_come_back_equal_on_mariadb() {
    visit(Brand::Mariadb, "random_databases_come_back_equal_on_mariadb");
}

/// Databases of 2 001 in which MariaDB 10.11 refused to take by LOAD DATA what it takes by INSERT:
/// a counter at its end.
#[test]
fn a_counter_at_its_end_comes_back() {
    let mut zoo = Zoo::open(Brand::Mariadb);
    for seed in [5049, 5296, 5475] {
        zoo.carry(seed..seed + 1).unwrap_or_else(|(why, _)| panic!("{seed}: {why}"));
    }
}

#[test]
fn random_databases_come_back_equal_on_mysql() {
    visit(Brand::Mysql9, "random_databases_come_back_equal_on_mysql");
}

#[test]
fn random_databases_come_back_equal_on_mariadb_11() {
    visit(Brand::Mariadb11, "random_databases_come_back_equal_on_mariadb_11");
}

#[test]
fn the_same_seed_draws_the_same_database() {
    let draw = |seed: u64| {
        let mut dice = Dice::new(seed);
        Table::draw(&mut dice, Brand::Mysql9, 1, &[]).create
    };
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
    assert_eq!(literal("a'\\"), "'a''\\\\'");
}
