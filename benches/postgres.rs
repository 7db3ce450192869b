//! vex beside pg_dump and pg_restore, on one PostgreSQL 17.
//!
//! `cargo bench --bench postgres -- 1` takes about 0.75 GB of COPY text, five rounds after one that
//! is not counted, all programs in turn, and prints medians and ratios; `rounds=3`, `v15`, `large`
//! (one table is 90 % of the database; who reads it is shown) and `no-restore` change it. Not in
//! CI. Needs what `tests/run.sh` installs. vex sends to an S3 service in this process; pg_dump
//! writes to the local disk. The first restored database is compared with its source by all lines
//! that pg_dump writes of each.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

#[allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    missing_docs,
    reason = "shared with the tests, which use all of it"
)]
#[path = "../tests/common/mod.rs"]
mod common;
mod figure;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use common::s3_server::S3Server;
use common::servers::{Pg, PgServer};
use figure::{Line, Took, deviation, folder, mean, median, raw_bytes, run, stored, vex_of, walls};

/// A server as one tunes it for such a test.
const SERVER: [&str; 4] =
    ["shared_buffers=2GB", "max_wal_size=8GB", "maintenance_work_mem=256MB", "autovacuum=off"];

/// What vex and pg_dump are both measured at: vex's attributes, and pg_dump's word.
const LEVELS: [(&str, &str, &str); 3] = [
    ("zstd 1", "level 1", "--compress=zstd:1"),
    ("zstd 3", "level 3", "--compress=zstd:3"),
    ("gzip 6", "compression \"deflate\"; level 6", "--compress=6"),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let size: u64 = arguments.iter().find_map(|a| a.parse().ok()).unwrap_or(1);
    let rounds: usize =
        arguments.iter().find_map(|a| a.strip_prefix("rounds=")?.parse().ok()).unwrap_or(5);
    let has = |word: &str| arguments.iter().any(|a| a == word);
    vex::testing::world::install_provider();
    let version = if has("v15") { Pg::V15 } else { Pg::V17 };
    measure(version, size, rounds, has("large"), !has("no-restore"));
}

fn measure(version: Pg, size: u64, rounds: usize, large: bool, restores: bool) {
    let source = version.start(&SERVER);
    fill(&source, size, large);
    let s3 = S3Server::start();
    let home = tempfile::tempdir().expect("a folder");
    for level in LEVELS {
        std::fs::write(home.path().join(file_of(level.0)), job(&source, &s3, level))
            .expect("written");
    }
    if large {
        println!("readers of the large table, every 100 ms: {}", readers(&source, home.path()));
    }
    // pg_dump 15 has no zstd.
    let levels = if version == Pg::V15 { &LEVELS[2..] } else { &LEVELS[..] };
    let mut lines: Vec<Line> = Vec::new();
    for round in 0..=rounds {
        let mut keep = |name: &str, took| match lines.iter_mut().find(|l| l.name == name) {
            Some(_) | None if round == 0 => {}
            Some(line) => line.took.push(took),
            None => lines.push(Line { name: name.to_owned(), took: vec![took] }),
        };
        for (name, _, word) in levels.iter().copied() {
            let mut took =
                run(home.path(), vex_of(home.path()).args(["run", "-q", &file_of(name)]));
            took.bytes = stored(home.path());
            keep(&format!("vex: {name}, zip, proof, S3"), took);
            let dump = home.path().join("dump");
            std::fs::remove_dir_all(&dump).unwrap_or(());
            let mut command = source.command("pg_dump");
            let took = run(home.path(), command.args(["-Fd", "-j2", word, "-f", "dump", "big"]));
            keep(&format!("pg_dump -Fd -j2: {name}"), Took { bytes: folder(&dump), ..took });
            if restores && word == levels[0].2 {
                let target = version.start(&SERVER);
                target.run("createdb", &["big"]);
                let took = run(
                    home.path(),
                    target.command("pg_restore").args(["-j2", "-d", "big", "dump"]),
                );
                keep("restore: pg_restore -j2, from the disk", took);
            }
        }
        if restores {
            let target = version.start(&SERVER);
            let url = place(&target);
            let mut command = vex_of(home.path());
            let took = run(
                home.path(),
                command.args([
                    "restore",
                    &file_of(levels[0].0),
                    "--from",
                    "cloud",
                    "--threads",
                    "2",
                    "--into",
                    &url,
                ]),
            );
            keep("restore: vex, 2 threads, from S3, with recount", took);
            if round == 0 {
                let (found, expected) = (dumped(&target), dumped(&source));
                println!(
                    "pg_dump writes {} lines of the source; of the restored database, the same but for order",
                    expected.0
                );
                assert_eq!(found, expected, "the restored database is another");
            }
            drop(target);
            let target = version.start(&SERVER);
            let mut command = vex_of(home.path());
            let took = run(
                home.path(),
                command.args([
                    "restore",
                    &file_of(levels[0].0),
                    "--from",
                    "cloud",
                    "--into",
                    &place(&target),
                ]),
            );
            keep("restore: vex, 4 threads (default), from S3, with recount", took);
        }
    }
    println!(
        "\n## {:.2} GB of COPY text, {rounds} rounds{}\n",
        raw_bytes(home.path()) / 1e9,
        if large { ", one table of 90 %" } else { "" }
    );
    table(&lines);
}

/// The job file of a level.
fn file_of(name: &str) -> String {
    format!("{}.kdl", name.replace(' ', "-"))
}

/// The socket of a server: the programs of PostgreSQL take that way too.
fn place(server: &PgServer) -> String {
    format!("postgres://postgres@localhost:{}?socket={}", server.port, server.socket.display())
}

/// How many connections read the large table, from time to time while a dump runs.
fn readers(source: &PgServer, home: &Path) -> String {
    let mut child = vex_of(home)
        .args(["run", "-q", &file_of(LEVELS[0].0)])
        .current_dir(home)
        .spawn()
        .expect("it starts");
    let mut client = source.client("postgres");
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'vex%' AND state = 'active' \
               AND query LIKE 'COPY%orders%'";
    let mut seen = Vec::new();
    while child.try_wait().expect("a child").is_none() {
        seen.push(client.query_one(sql, &[]).expect("an answer").get::<_, i64>(0).to_string());
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    seen.join(" ")
}

/// All that pg_dump writes of the database, without its order: how many lines, and the sum of their
/// hashes.
fn dumped(server: &PgServer) -> (u64, u128) {
    let mut command = server.command("pg_dump");
    let mut child = command.arg("big").stdout(Stdio::piped()).spawn().expect("it starts");
    let (mut count, mut sum) = (0, 0_u128);
    for line in BufReader::new(child.stdout.take().expect("piped")).split(b'\n') {
        let line = line.expect("read");
        // Two words that are by chance.
        if !line.starts_with(b"\\restrict ") && !line.starts_with(b"\\unrestrict ") {
            (count, sum) = (count + 1, sum.wrapping_add(xxhash_rust::xxh3::xxh3_128(&line)));
        }
    }
    assert!(child.wait().expect("a child").success(), "pg_dump failed");
    (count, sum)
}

fn table(lines: &[Line]) {
    println!(
        "| program | median s | mean s | σ | client CPU s | MB made |\n|---|---|---|---|---|---|"
    );
    for line in lines {
        let all = walls(line);
        let cpu = median(&line.took.iter().map(|t| t.cpu).collect::<Vec<_>>());
        let bytes = line.took.last().map_or(0, |t| t.bytes);
        println!(
            "| {} | {:.2} | {:.2} | {:.2} | {cpu:.2} | {:.0} |",
            line.name,
            median(&all),
            mean(&all),
            deviation(&all),
            bytes as f64 / 1e6
        );
    }
    let of = |name: &str| {
        lines.iter().find(|l| l.name.starts_with(name)).map_or(f64::NAN, |l| median(&walls(l)))
    };
    for (own, peer) in [
        ("vex: zstd 1", "pg_dump -Fd -j2: zstd 1"),
        ("vex: zstd 3", "pg_dump -Fd -j2: zstd 3"),
        ("vex: gzip 6", "pg_dump -Fd -j2: gzip 6"),
        ("vex: zstd 1", "pg_dump -Fd -j2: zstd 3"),
        ("vex: zstd 1", "pg_dump -Fd -j2: gzip 6"),
        ("restore: vex, 2", "restore: pg_restore"),
        ("restore: vex, 4", "restore: pg_restore"),
    ] {
        println!("{own} takes {:.2} of {peer}", of(own) / of(peer));
    }
}

/// Customers, orders with JSON, items and documents, as a shop has them; or one table that is
/// nearly all.
fn fill(server: &PgServer, size: u64, large: bool) {
    server.run("createdb", &["big"]);
    let [customers, orders, items, docs] = match large {
        true => [20_000, 5_400_000 * size, 200_000, 2_000],
        false => [1_000_000 * size, 2_500_000 * size, 5_000_000 * size, 60_000 * size],
    };
    server.sql("big", &format!("
        CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, email text, born date,
            balance numeric(12,2), joined timestamptz, active boolean, note text);
        INSERT INTO customers (name, email, born, balance, joined, active, note) SELECT 'Customer ' || md5(g::text),
            md5((g * 7)::text) || '@example.com', date '1950-01-01' + (g % 20000)::int, (g % 100000) / 100.0,
            timestamptz '2020-01-01' + g * interval '1 minute', g % 3 > 0,
            CASE WHEN g % 5 = 0 THEN NULL ELSE repeat(md5((g * 3)::text) || ' ', (g % 4)::int) END FROM generate_series(1, {customers}::bigint) g;
        CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, at timestamptz, state text, total numeric(10,2), ship jsonb);
        INSERT INTO orders SELECT g, 1 + g * 7919 % {customers}, timestamptz '2021-01-01' + g * interval '13 seconds',
            (array['new', 'paid', 'sent', 'done'])[1 + g % 4], (g * 31 % 1000000) / 100.0, CASE WHEN g % 3 = 0 THEN NULL ELSE
            jsonb_build_object('street', md5(g::text), 'zip', g % 99999, 'tags', array['a', 'b', g % 7 || 'c']) END FROM generate_series(1, {orders}::bigint) g;
        CREATE TABLE items (order_id bigint, line int, sku text, qty int, price float8, PRIMARY KEY (order_id, line));
        INSERT INTO items SELECT g / 3, g % 3, 'SKU-' || (g * 17 % 50000), g % 9 + 1, (g * 7919 % 1000003) / 7.0 FROM generate_series(3, {items}::bigint) g;
        CREATE TABLE docs (id int PRIMARY KEY, body text, blob bytea);
        INSERT INTO docs SELECT g, (SELECT string_agg(md5((g * 100 + i)::text), ' ') FROM generate_series(1, 20 + g % 60) i),
            decode(md5(g::text) || md5((g + 1)::text), 'hex') FROM generate_series(1, {docs}) g;
        CREATE INDEX ON customers (email); CREATE INDEX ON orders (customer); CREATE INDEX ON orders (at); CREATE INDEX ON items (sku);
        ALTER TABLE orders ADD FOREIGN KEY (customer) REFERENCES customers (id); ANALYZE"));
    server.sql("big", "CHECKPOINT");
}

fn job(source: &PgServer, s3: &S3Server, (name, archive, _): (&str, &str, &str)) -> String {
    format!(
        "sources {{ postgres \"db\" socket=\"{}\" port={} user=\"postgres\" {{ databases \"big\" }} }}\nstores {{\n  s3 \"cloud\" bucket=\"{}\" \
         endpoint=\"{}\" {{\n    access-key (file)\"{}\"\n    secret-key (file)\"{}\"\n    keep last=1\n  }}\n}}\ntools {{ postgres \
         \"{}\" }}\njob \"{}\" {{\n  dump \"db\" {{ archive {{ {archive} }}; send \"cloud\" }}\n}}\n",
        source.socket.display(),
        source.port,
        s3.bucket,
        s3.direct,
        s3.access_file.display(),
        s3.secret_file.display(),
        Path::new(&source.version.programs()).display(),
        name.replace(' ', "-")
    )
}
