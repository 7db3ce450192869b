//! Every command line that README.md and the comments of `jobs/` print is one that works: each is
//! run here, in a copy of `jobs/` whose servers, buckets and folders are those of the test, or
//! stands in a list with the reason why it is only parsed.

use std::collections::BTreeSet;
use std::path::Path;

use crate::common::s3_server::S3Server;
use crate::common::servers::{Mariadb, Pg, Server};
use crate::common::space::{Ran, Space, files};

/// Run in a copy of the examples, as they are: they contact nothing but a SQLite file.
const AS_IT_IS: [&str; 8] = [
    "vex new postgres",
    "vex check jobs/",
    "vex fmt --check jobs/",
    "vex jobs jobs/nightly.kdl",
    "vex schedule jobs/nightly.kdl --format systemd",
    "vex check --strict jobs/nightly.kdl",
    "vex run jobs/quickstart.kdl",
    "vex plan jobs/quickstart.kdl",
];

/// Run one after the other with the servers of the test.
const NIGHTLY: [&str; 21] = [
    "vex doctor jobs/nightly.kdl",
    "vex doctor jobs/nightly.kdl --sql",
    "vex doctor jobs/nightly.kdl --into lab",
    "vex plan jobs/nightly.kdl",
    "vex run jobs/nightly.kdl --dry-run",
    "vex run jobs/nightly.kdl",
    "vex run jobs/nightly.kdl nightly dump/shop --wait 30m",
    "vex run --quiet /etc/vex/nightly.kdl",
    "vex list jobs/nightly.kdl",
    "vex list jobs/nightly.kdl --all",
    "vex prune jobs/nightly.kdl --dry-run",
    "vex prune jobs/nightly.kdl",
    "vex copy jobs/nightly.kdl --from nas --to cloud",
    "vex prune jobs/nightly.kdl --uploads",
    "vex verify jobs/nightly.kdl shop --from cloud",
    "vex peek jobs/nightly.kdl shop shop.orders --limit 5",
    "vex restore jobs/nightly.kdl shop --into lab --dry-run",
    "vex restore jobs/nightly.kdl shop --into shop --only shop.orders --as rescue",
    "vex restore jobs/nightly.kdl shop --into mysql://root@new-host:3306 --password-env PW",
    "vex restore jobs/nightly.kdl shop --into shop --fallback",
    "vex drill list jobs/nightly.kdl",
];

/// The same with PostgreSQL.
const POSTGRES: [&str; 5] = [
    "vex export jobs/postgres.kdl erp --only projeto_pratico_1 --sql caminho_do_arquivo.sql",
    "vex restore jobs/postgres.kdl erp --into erp",
    "vex restore jobs/postgres.kdl erp --into erp --overwrite",
    "vex restore jobs/postgres.kdl erp --only erp.sales.orders --into erp",
    "vex restore jobs/postgres.kdl erp --only erp --into postgres://vex@lab:5432/erp_copy",
];

/// The same with both.
const ENGINES: [&str; 1] = ["vex plan jobs/engines.kdl"];

/// Run without a job file.
const ALONE: [&str; 1] =
    ["vex restore --from backup_20261120_010000.zip --into sqlite:/srv/app/app.db"];

/// Run one after the other beside a catalog; the report stands in the folder of the test.
const PAGES: [&str; 4] =
    ["vex report --out /srv/backup-report", "vex user audit --verify", "vex status", "vex history"];

/// Only parsed, and why.
const PARSED: [(&str, &str); 34] = [
    (
        "vex bench jobs/nightly.kdl shop --to nas",
        "makes databases of 16 GiB; tests/mysql/bench.rs makes small ones",
    ),
    (
        "vex drill remark jobs/nightly.kdl 20261201 --text audited --owner Ana",
        "needs a drill of that day; tests/restore/drill.rs remarks on one of its own",
    ),
    (
        "vex copy jobs/nightly.kdl 20261120 --from nas --to cloud",
        "needs a backup of that day; tests/store/copy.rs copies by ID",
    ),
    (
        "vex info jobs/nightly.kdl 20261120",
        "needs a backup of that day; tests/record/ask.rs asks for one of its own day",
    ),
    ("vex diff jobs/nightly.kdl shop", "needs two backups; tests/record/ask.rs makes them"),
    (
        "vex restore jobs/nightly.kdl shop --into lab --overwrite --except shop.log --except event:",
        "needs a database that has them; tests/restore/as_a_run.rs leaves a table, a view and all triggers out",
    ),
    (
        "vex restore jobs/nightly.kdl shop --into lab --overwrite --backup 2026-11-20 --refused refused.sql",
        "needs a backup of that day; tests/restore/as_a_run.rs names one of its own day",
    ),
    (
        "vex keep jobs/nightly.kdl 20261120 --until 2027-01-31",
        "needs a backup of that day; tests/store/lease/pin.rs pins one of its own day",
    ),
    (
        "vex keep jobs/nightly.kdl 20261120 --until 2027-01-31 --note migration",
        "needs a backup of that day; tests/store/lease/pin.rs pins one of its own day",
    ),
    (
        "vex keep jobs/nightly.kdl backup_20261120_013000.zip shop --until never",
        "needs a backup of that name; tests/store/lease/pin.rs pins one by its own",
    ),
    (
        "vex keep jobs/nightly.kdl 2026-11-20 --release",
        "needs a backup of that day; tests/store/lease/pin.rs releases one of its own day",
    ),
    (
        "vex serve --report /srv/backup-report",
        "serves until it is stopped; tests/web/browser starts it, with a port of its own",
    ),
    (
        "vex serve",
        "serves until it is stopped; tests/web/browser starts it, with a port of its own",
    ),
    (
        "vex user add dba.plantao --privilege Administrador",
        "asks for a password on a terminal; tests/web/browser does it with --password-file",
    ),
    (
        "vex run jobs/nightly.kdl --due",
        "runs what is due at the moment of the test; tests/web/due.rs holds the clock",
    ),
    (
        "vex doctor jobs/physical.kdl",
        "wants a PostgreSQL 17 that sums up its WAL beside another; tests/postgres/physical.rs asks doctor of such",
    ),
    (
        "vex restore jobs/physical.kdl erp-physical --into pgdata:/var/lib/postgresql/17/main --stop --start",
        "stops and replaces a server; tests/postgres/physical.rs does it with options for a port of its own",
    ),
    (
        "vex wal status jobs/wal.kdl",
        "wants a server that archives; tests/postgres/wal asks it of such",
    ),
    ("vex doctor jobs/binlog.kdl", "wants a server that can be reached"),
    (
        "vex run jobs/binlog.kdl log",
        "wants a server that can be reached; tests/mysql/binlog.rs runs one of its own",
    ),
    (
        "vex log status jobs/binlog.kdl",
        "wants a log that was kept; tests/mysql/replay.rs asks it of one",
    ),
    (
        "vex log show jobs/binlog.kdl shop --around 2026-11-22T14:30:00Z",
        "wants a log that was kept; tests/mysql/replay.rs asks it of one",
    ),
    (
        "vex restore jobs/binlog.kdl shop --until-position binlog.000042:4711 --into lab --dry-run",
        "wants a log that was kept; tests/mysql/replay.rs replays one",
    ),
    ("vex doctor jobs/wal.kdl", "wants a server that archives; tests/postgres/wal asks it of such"),
    (
        "vex restore jobs/wal.kdl erp-physical --until 2026-11-22T14:30:00Z --into pgdata:/var/lib/postgresql/17/main --stop --start",
        "stops and replaces a server; tests/postgres/wal does it with options for a port of its own",
    ),
    (
        "vex doctor jobs/oracle.kdl",
        "wants an Oracle database; tests/oracle asks doctor of the stand-in",
    ),
    (
        "vex run /etc/vex/oracle.kdl FULL",
        "wants an Oracle database; tests/oracle runs it with the stand-in",
    ),
    (
        "vex run /etc/vex/oracle.kdl INCREMENTAL",
        "wants an Oracle database; tests/oracle runs it with the stand-in",
    ),
    (
        "vex run jobs/oracle.kdl FULL --mode INCREMENTAL",
        "wants an Oracle database; tests/oracle runs it with the stand-in",
    ),
    (
        "vex restore jobs/oracle.kdl fin --mode INCREMENTAL --dry-run",
        "wants an Oracle database; tests/oracle restores the stand-in",
    ),
    (
        "vex restore jobs/oracle.kdl fin --mode FULL --until 2025-08-02T14:30:00",
        "wants an Oracle database; tests/oracle restores the stand-in",
    ),
    (
        "vex adopt jobs/nightly.kdl shop",
        "needs a second chain in the store; tests/store/identity makes one and does the same",
    ),
    (
        "vex adopt jobs/nightly.kdl shop --from 20261120_010000",
        "needs a second chain in the store; tests/store/identity makes one and does the same",
    ),
    (
        "vex restore jobs/nightly.kdl shop --origin 6f1c20aa --into shop",
        "needs a second chain in the store; tests/store/identity makes one and does the same",
    ),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A command without the remark that stands behind it.
fn command(text: &str) -> Option<String> {
    let text = match text.strip_prefix("cargo run --release -- ") {
        Some(words) => format!("vex {words}"),
        None => text.to_owned(),
    };
    let end = ["  ", " #", "`"].iter().filter_map(|sign| text.find(sign)).min();
    let text = text[..end.unwrap_or(text.len())].trim();
    text.starts_with("vex ").then(|| text.to_owned())
}

/// The commands of the blocks of a page.
fn of_page(page: &str) -> BTreeSet<String> {
    let mut inside = false;
    let lines = page.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        inside && !fence
    });
    lines.filter_map(|line| command(line.trim())).collect()
}

/// The commands of the comments of a job file: lines of their own, behind `cron:`, and in backquotes.
fn of_job(text: &str) -> BTreeSet<String> {
    let comments = text.lines().filter_map(|line| line.split_once("//").map(|(_, c)| c));
    let starts = |comment: &str| -> Vec<String> {
        let own = ["cargo run ", "vex "].iter().flat_map(|word| comment.match_indices(*word));
        let at_start = |at: usize| comment[..at].ends_with([' ', '`']);
        own.filter(|(at, _)| at_start(*at)).filter_map(|(at, _)| command(&comment[at..])).collect()
    };
    comments.flat_map(starts).filter(|c| c.contains(".kdl")).collect()
}

/// All that is printed.
fn printed() -> BTreeSet<String> {
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let mut found = of_page(&read(&root().join("README.md")));
    for path in
        files(&root().join("jobs")).iter().filter(|p| p.extension().is_some_and(|e| e == "kdl"))
    {
        found.extend(of_job(&read(path)));
    }
    found
}

/// The words of a command; the shell would change none of them.
fn words(command: &str) -> Vec<&str> {
    assert!(!command.contains(['"', '\'', '$', '\\', '*', '~']), "{command}: quotes need a shell");
    command.split_whitespace().skip(1).collect()
}

/// Runs a command with other words in the place of some: each must be there.
fn run(space: &Space, command: &str, replaced: &[(&str, &str)]) -> Ran {
    let mut text = command.to_owned();
    for (from, to) in replaced {
        assert!(text.contains(from), "{command}: {from}");
        text = text.replace(from, to);
    }
    space.run(&words(&text))
}

/// A copy of the examples; every text of `replaced` must be there, in whichever file.
fn examples(space: Space, replaced: &[(&str, &str)]) -> Space {
    let mut unused: BTreeSet<&str> = replaced.iter().map(|(from, _)| *from).collect();
    let jobs = root().join("jobs");
    for path in files(&jobs) {
        let to = space.path("jobs").join(path.strip_prefix(&jobs).unwrap());
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        if path.extension().is_some_and(|e| e == "kdl") {
            let mut text = std::fs::read_to_string(&path).unwrap();
            for (from, to) in replaced {
                if text.contains(from) {
                    text = text.replace(from, to);
                    unused.remove(from);
                }
            }
            std::fs::write(to, text).unwrap();
        } else {
            std::fs::copy(path, to).unwrap();
        }
    }
    assert_eq!(unused, BTreeSet::new(), "no example says so any more");
    space
}

#[test]
fn every_printed_command_is_run_or_has_a_reason_not_to_be() {
    let mut known: BTreeSet<String> = PARSED.iter().map(|(c, _)| (*c).to_owned()).collect();
    for list in [&AS_IT_IS[..], &NIGHTLY, &POSTGRES, &ENGINES, &ALONE, &PAGES] {
        known.extend(list.iter().map(|c| (*c).to_owned()));
    }
    assert_eq!(printed(), known);
}

/// In a folder where every job file is broken: what is a usage error stays one, and nothing is
/// contacted.
#[test]
fn every_printed_command_parses() {
    let space = Space::new();
    let commands = printed();
    for word in commands
        .iter()
        .flat_map(|c| words(c))
        .filter(|w| w.ends_with(".kdl") && !w.starts_with('/'))
    {
        std::fs::create_dir_all(space.path(word).parent().unwrap()).unwrap();
        std::fs::write(space.path(word), "job \"broken\" {").unwrap();
    }
    for command in commands {
        let mut words = words(&command);
        // What needs no job file reads its site file first.
        let has_site = ["report", "serve", "user", "status", "history"].contains(&words[0]);
        if has_site {
            words.extend(["--site", "jobs/nightly.kdl"]);
        }
        let ran = space.run(&words);
        assert!(
            !ran.stderr.contains("For more information, try '--help'"),
            "{command}\n{}",
            ran.stderr
        );
        let has_job = has_site || command.contains("jobs/");
        let expected = match (words[0], has_job) {
            // It reads no job file, it prints one.
            ("new", _) => 0,
            (_, true) => 78,
            (_, false) => 64,
        };
        assert_eq!(ran.code, expected, "{command}\n{}", ran.stderr);
    }
}

#[test]
fn the_commands_on_the_examples_as_they_are_succeed() {
    let space = examples(Space::new(), &[]);
    for command in AS_IT_IS {
        run(&space, command, &[]).expect(0);
    }
}

#[test]
fn the_command_without_a_job_file_restores_a_lone_zip() {
    let space = examples(Space::new(), &[]);
    space.run(&["run", "jobs/quickstart.kdl"]).expect(0);
    let backup = files(&space.path("target")).into_iter().find(|p| p.extension().unwrap() == "zip");
    std::fs::rename(backup.unwrap(), space.path("backup_20261120_010000.zip")).unwrap();
    for command in ALONE {
        let file = space.path("app.db").display().to_string();
        run(&space, command, &[("/srv/app/app.db", &file)]).expect(0);
    }
}

#[test]
fn the_commands_on_the_catalog_succeed() {
    let space = examples(Space::new(), &[]);
    space.run(&["run", "jobs/quickstart.kdl"]).expect(0);
    let out = space.path("report").display().to_string();
    for command in PAGES {
        let replaced: &[(&str, &str)] = match command.contains("/srv") {
            true => &[("/srv/backup-report", &out)],
            false => &[],
        };
        run(&space, command, replaced).expect(0);
    }
    let page = std::fs::read_to_string(space.path("report/index.html")).unwrap();
    assert!(page.contains("A única fonte está no prazo e provada"), "{page}");
}

/// A server whose account `vex` may do everything.
fn server(databases: &[&str]) -> Server {
    let server = Mariadb::start(&[]);
    for host in ["127.0.0.1", "localhost"] {
        server.exec(&format!(
            "GRANT ALL ON *.* TO 'vex'@'{host}' IDENTIFIED BY 'pw' WITH GRANT OPTION"
        ));
    }
    for name in databases {
        server.exec(&format!("CREATE DATABASE {name}"));
        server.exec(&format!("CREATE TABLE {name}.orders (id INT PRIMARY KEY, v TEXT)"));
        server.exec(&format!("INSERT INTO {name}.orders VALUES (1, 'a'), (2, 'b')"));
    }
    server
}

#[test]
fn the_commands_on_the_nightly_job_succeed() {
    let (shop, lab) = (server(&["shop", "crm_x"]), server(&[]));
    let bucket = S3Server::start();
    let space =
        [("SHOP_PASSWORD", "pw"), ("LAB_PASSWORD", "pw"), ("PW", "pw"), ("SMTP_PASSWORD", "pw")]
            .iter()
            .fold(Space::new(), |space, (name, value)| space.env(name, *value))
            .env("ZIP_PASSWORD", "a password")
            .env("AWS_ACCESS_KEY_ID", &bucket.access_key)
            .env("AWS_SECRET_ACCESS_KEY", &bucket.secret_key)
            .env("HEALTHCHECK_URL", "http://127.0.0.1:1/key");
    space.database("app.db", "CREATE TABLE t (v); INSERT INTO t VALUES (1);");
    space.secret("imports", "token");
    let (disk, app) = (space.path("nas").display().to_string(), space.path("app.db"));
    let at = format!("host=\"127.0.0.1\" port={}", shop.port);
    let cloud = format!("bucket=\"{}\" endpoint=\"{}\"", bucket.bucket, bucket.endpoint);
    let space = examples(
        space,
        &[
            ("mysql \"shop\" host=\"db1.example.com\"", &format!("mysql \"shop\" {at}")),
            ("ca \"/etc/ssl/certs/db-ca.pem\"", ""),
            ("/run/mysqld/lab.sock", &lab.socket.display().to_string()),
            ("/srv/app/app.db", &app.display().to_string()),
            ("\"/mnt/nas/backups\"", &format!("\"{disk}\"")),
            ("bucket=\"example-backup\" region=\"sa-east-1\"", &cloud),
            ("/usr/local/bin/imports", "true"),
            ("/run/secrets/imports", "../imports"),
            ("host=\"mail.example.com\" port=587", "host=\"127.0.0.1\" port=1"),
        ],
    );
    let new_host = format!("vex@127.0.0.1:{}", lab.port);
    for command in NIGHTLY {
        let replaced: &[(&str, &str)] = match command {
            "vex run --quiet /etc/vex/nightly.kdl" => &[("/etc/vex", "jobs")],
            _ if command.contains("new-host") => &[("root@new-host:3306", &new_host)],
            _ => &[],
        };
        if command.ends_with("--fallback") {
            ["shop", "crm_x"].iter().for_each(|name| shop.exec(&format!("DROP DATABASE {name}")));
        }
        run(&space, command, replaced).expect(0);
    }
    for (server, table) in
        [(&shop, "rescue.orders"), (&shop, "crm_x.orders"), (&lab, "shop.orders")]
    {
        server.exec(&format!("DELETE FROM {table} WHERE id = 1"));
    }
}

/// A server with the databases of the example, and the account `vex`.
fn postgres() -> crate::common::servers::PgServer {
    let server = Pg::V15.start(&[]);
    server.sql("postgres", "CREATE ROLE vex SUPERUSER LOGIN");
    for name in ["erp", "hr", "projeto_pratico_1"] {
        server.run("createdb", &[name]);
        server.sql(
            name,
            "CREATE SCHEMA sales; CREATE TABLE sales.orders (id int PRIMARY KEY, v text);
             INSERT INTO sales.orders VALUES (1, 'a'), (2, 'b')",
        );
    }
    server
}

#[test]
fn the_commands_on_the_postgres_job_succeed() {
    let server = postgres();
    let space = Space::new().env("PGPASSWORD", "pw").env("ZIP_PASSWORD", "a password");
    let at = format!("host=\"127.0.0.1\" port={}", server.port);
    let disk = format!("\"{}\"", space.path("logical").display());
    let space = examples(
        space,
        &[("host=\"localhost\"", &at), ("\"/backupSQL/logicos\" {", &format!("{disk} {{"))],
    );
    space.run(&["run", "jobs/postgres.kdl"]).expect(0);
    let lab = format!("127.0.0.1:{}", server.port);
    for command in POSTGRES {
        let drop = |name: &str| server.sql("postgres", &format!("DROP DATABASE {name}"));
        match command {
            _ if command.ends_with("erp --into erp") => {
                ["erp", "hr", "projeto_pratico_1"].iter().for_each(|name| drop(name));
            }
            _ if command.contains("erp.sales.orders") => {
                server.sql("erp", "DROP TABLE sales.orders")
            }
            _ => {}
        }
        let replaced: &[(&str, &str)] =
            if command.contains("lab:5432") { &[("lab:5432", &lab)] } else { &[] };
        run(&space, command, replaced).expect(0);
    }
    let count = "SELECT count(*) FROM sales.orders";
    for name in ["erp", "hr", "erp_copy"] {
        assert_eq!(server.value(name, count).as_deref(), Some("2"), "{name}");
    }
    assert!(space.path("caminho_do_arquivo.sql").is_file());
}

#[test]
fn the_command_on_the_engines_succeeds() {
    let (server, postgres) = (server(&["shop"]), postgres());
    let space = ["SHOP_PASSWORD", "CRM_PASSWORD", "ERP_PASSWORD", "ERP_SEAL"]
        .iter()
        .fold(Space::new(), |space, name| space.env(name, "pw"));
    let password = space.secret("old", "pw").display().to_string();
    let disk = format!("\"{}\"", space.path("nas").display());
    let at = |port: u16| format!("host=\"127.0.0.1\" port={port}");
    let space = examples(
        space,
        &[
            (
                "host=\"db1.example.com\" user=\"vex\" {\n        password (env)\"SHOP",
                &format!("{} user=\"vex\" {{\n        password (env)\"SHOP", at(server.port)),
            ),
            ("host=\"db2.example.com\"", &at(server.port)),
            ("/run/mysqld/old.sock", &server.socket.display().to_string()),
            ("/run/secrets/old", &password),
            ("host=\"db3.example.com\"", &at(postgres.port)),
            ("\"/mnt/nas/backups\"", &disk),
        ],
    );
    for command in ENGINES {
        run(&space, command, &[]).expect(0);
    }
}
