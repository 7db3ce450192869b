//! What comes back, measured: each kind of value and object, on each server, through each tool,
//! against the committed table.
//!
//! A cell is a real round trip: made on one server, dumped by the real program, loaded into a
//! second server of the same brand, and the same questions asked of both. *exact*: the answers are
//! equal. *refused*: the dump or the load said that it is not whole (a non-zero exit code; vex with
//! `--strict`). *lost*: all said yes, and the answers differ. A table that is not the committed one
//! is a failure that shows it; `VEX_UPDATE=1` writes it.

mod cases;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mysql::prelude::Queryable;
use mysql::{Conn, Row, Value};

use crate::common::servers::{Brand, Server};
use cases::{CASES, Case};

/// Room for a row of 40 MiB as hexadecimal digits.
const PACKET: &str = "--max-allowed-packet=256M";

/// A program that dumps and loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Vex,
    /// `mariadb-dump` or `mysqldump`, of the server's own version, and its client.
    Own,
    Mydumper,
}

impl Tool {
    const ALL: [Tool; 3] = [Tool::Vex, Tool::Own, Tool::Mydumper];

    fn name(self, brand: Brand) -> &'static str {
        match self {
            Tool::Vex => "vex",
            Tool::Own if brand.is_mariadb() => "mariadb-dump",
            Tool::Own => "mysqldump",
            Tool::Mydumper => "mydumper 0.10.1",
        }
    }

    /// Takes `fid` from one server to the other; whether every program said that it went well.
    fn carry(self, source: &Server, target: &Server) -> bool {
        let home = tempfile::tempdir().expect("a folder");
        let home = home.path();
        match self {
            Tool::Vex => {
                let job = format!(
                    "sources {{\n  mysql \"db\" host=\"127.0.0.1\" port={} user=\"root\" {{ databases \"fid\" }}\n}}\nstores {{\n  dir \
                     \"local\" path=\"store\" {{ keep last=1 }}\n}}\njob \"j\" {{\n  dump \"db\" {{\n    archive level=1\n    send \
                     \"local\"\n    verify \"local\"\n  }}\n}}\n",
                    source.port
                );
                fs::write(home.join("job.kdl"), job).expect("written");
                let vex = |args: &[&str]| {
                    let mut command = Command::new(env!("CARGO_BIN_EXE_vex"));
                    command
                        .args(args)
                        .env_clear()
                        .env("XDG_STATE_HOME", home.join("state"))
                        .current_dir(home);
                    says_yes(&mut command)
                };
                let url = format!("mysql://root@127.0.0.1:{}", target.port);
                vex(&["run", "job.kdl", "--strict"]) && vex(&["restore", "job.kdl", "--into", &url])
            }
            Tool::Own => {
                let script = home.join("dump.sql");
                let mut dump = reaching(source.brand.dumper(), source);
                dump.args([
                    "--single-transaction",
                    "--routines",
                    "--triggers",
                    "--events",
                    "--hex-blob",
                ]);
                // Accounts are in no dump, and no statistics either.
                dump.args(match source.brand {
                    Brand::Mysql9 => &["--set-gtid-purged=OFF", "--column-statistics=0"][..],
                    Brand::Mariadb | Brand::Mariadb11 => &[],
                });
                dump.args(["--databases", "fid"]).stdout(File::create(&script).expect("written"));
                let mut load = reaching(target.brand.client(), target);
                load.stdin(Stdio::null());
                says_yes(&mut dump) && says_yes(load.stdin(File::open(&script).expect("read")))
            }
            Tool::Mydumper => {
                let folder = home.join("dump");
                let reach = |program: &str, server: &Server| {
                    let mut command = Command::new(program);
                    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
                    command.args([
                        "--host=127.0.0.1",
                        "--user=root",
                        &format!("--port={}", server.port),
                    ]);
                    command
                };
                let mut dump = reach("mydumper", source);
                dump.args([
                    "--database=fid",
                    "--triggers",
                    "--events",
                    "--routines",
                    "--outputdir",
                ])
                .arg(&folder);
                let mut load = reach("myloader", target);
                load.args(["--overwrite-tables", "--directory"]).arg(&folder);
                says_yes(&mut dump) && says_yes(&mut load)
            }
        }
    }
}

/// A program of the server that knows where it is.
fn reaching(program: PathBuf, server: &Server) -> Command {
    let mut command = Command::new(program);
    command.env_clear().args([
        "--no-defaults",
        "--protocol=tcp",
        "--host=127.0.0.1",
        "--user=root",
    ]);
    command.args([&format!("--port={}", server.port), "--default-character-set=utf8mb4"]);
    command
}

fn says_yes(command: &mut Command) -> bool {
    let child = command.stderr(Stdio::piped()).spawn();
    let output = child.and_then(|child| child.wait_with_output());
    let output = output.unwrap_or_else(|e| panic!("{command:?}: {e}: run tests/run.sh"));
    if std::env::var_os("VEX_TEST_VERBOSE").is_some() && !output.status.success() {
        use std::io::Write;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        writeln!(std::io::stderr(), "{command:?}: {}: {told:.700}", output.status)
            .expect("it is heard");
    }
    output.status.success()
}

/// A connection to `fid`, with every setting that an answer could depend on.
fn asking(server: &Server) -> Conn {
    let mut conn = server.conn();
    for statement in [
        "SET NAMES utf8mb4, time_zone='+00:00', sql_mode=''",
        "SET SESSION sql_select_limit=18446744073709551615",
        if server.brand.is_mariadb() {
            "DO 1"
        } else {
            "SET SESSION information_schema_stats_expiry=0"
        },
    ] {
        conn.query_drop(statement).expect("it answers");
    }
    conn
}

fn answers(server: &Server, case: &Case) -> Result<Vec<String>, String> {
    let mut conn = asking(server);
    conn.query_drop("USE fid").map_err(|e| e.to_string())?;
    let mut all = Vec::new();
    for question in case.ask {
        let rows: Vec<Row> = conn.query(question).map_err(|e| format!("{e}: {question}"))?;
        for row in rows {
            let value = |i: usize| match row.as_ref(i) {
                Some(Value::Bytes(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
                _ => "(NULL)".to_owned(),
            };
            all.push((0..row.len()).map(value).collect::<Vec<_>>().join(" | "));
        }
    }
    Ok(all)
}

fn clear(server: &Server) {
    asking(server).query_drop("DROP DATABASE IF EXISTS fid").expect("it can be dropped");
}

/// The word for one cell.
fn measure(case: &Case, tool: Tool, source: &Server, target: &Server) -> &'static str {
    clear(source);
    clear(target);
    let mut conn = asking(source);
    for statement in
        ["CREATE DATABASE fid CHARACTER SET utf8mb4", "USE fid"].iter().chain(case.make)
    {
        conn.query_drop(statement)
            .unwrap_or_else(|e| panic!("{:?}: {e}: {statement}", source.brand));
    }
    let carried = tool.carry(source, target);
    for statement in case.after {
        conn.query_drop(statement)
            .unwrap_or_else(|e| panic!("{:?}: {e}: {statement}", source.brand));
    }
    if !carried {
        return "refused";
    }
    // The target first: some questions leave something behind.
    let there = answers(target, case);
    let here =
        answers(source, case).unwrap_or_else(|e| panic!("{:?}: {}: {e}", source.brand, case.what));
    if std::env::var_os("VEX_TEST_VERBOSE").is_some() && there.as_ref() != Ok(&here) {
        use std::io::Write;
        let line = format!("{:?} {}: {here:?} and {there:?}", tool, case.what);
        writeln!(std::io::stderr(), "{line:.900}").expect("it is heard");
    }
    if there == Ok(here) { "exact" } else { "lost" }
}

/// Measures a server and holds the result against its part of the page.
fn hold(brand: Brand, heading: &str) {
    let (source, target) = (brand.start(&[PACKET]), brand.start(&[PACKET]));
    let names = Tool::ALL.map(|tool| tool.name(brand)).join(" | ");
    let mut table = format!("| what | {names} |\n|---|---|---|---|\n");
    for case in CASES.iter().filter(|case| case.on.contains(&brand)) {
        let words = Tool::ALL.map(|tool| measure(case, tool, &source, &target)).join(" | ");
        table += &format!("| {} | {words} |\n", case.what);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/fidelity.md");
    // Each server's test writes its own part.
    let lock = File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("fidelity.lock"))
        .expect("target/tmp");
    lock.lock().expect("the file system has locks");
    let page = fs::read_to_string(&path).expect("schema/fidelity.md");
    let mark = format!("\n## {heading}\n\n");
    let start =
        page.find(&mark).unwrap_or_else(|| panic!("schema/fidelity.md has no part {heading}"))
            + mark.len();
    let end = page[start..].find("\n## ").map_or(page.len(), |length| start + length);
    if std::env::var_os("VEX_UPDATE").is_some() {
        fs::write(&path, format!("{}{table}{}", &page[..start], &page[end..])).expect("written");
    } else {
        assert!(
            page[start..end] == table,
            "schema/fidelity.md is not what was measured on {heading}:\n{table}"
        );
    }
}

#[test]
fn what_comes_back_on_mariadb_10() {
    hold(Brand::Mariadb, "MariaDB 10.11");
}

#[test]
fn what_comes_back_on_mysql_9() {
    hold(Brand::Mysql9, "MySQL 9.7");
}

#[test]
fn what_comes_back_on_mariadb_11() {
    hold(Brand::Mariadb11, "MariaDB 11.8");
}
