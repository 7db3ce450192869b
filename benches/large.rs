//! Gigabytes from a real server to a folder and an S3 service at once, and back; peak memory of each run of vex.
//!
//! `cargo bench --bench large -- 1 4` runs about 0.8 and 3.3 GB of SQL on MariaDB and MySQL 9; what is larger than 2 is only
//! dumped and verified. Not in CI: it takes minutes. It needs what `tests/run.sh` installs. The release binary is the one
//! measured; `TMPDIR` names a folder that does not exist, so a temporary file would be an error.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

#[allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    missing_docs,
    reason = "shared with the tests, which use all of it"
)]
#[path = "../tests/s3_server/mod.rs"]
mod s3_server;
#[allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    missing_docs,
    reason = "shared with the tests, which use all of it"
)]
#[path = "../tests/servers/mod.rs"]
mod servers;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use s3_server::S3Server;
use servers::{Brand, Server};

fn main() {
    let sizes: Vec<u64> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![1] } else { sizes };
    vex::world::install_provider();
    println!(
        "| server | GB of SQL | dump s | MB/s | peak MiB | artifact MB | verify s | restore s | restore peak MiB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for brand in Brand::ALL {
        for size in &sizes {
            measure(brand, *size);
        }
    }
}

fn measure(brand: Brand, gigabytes: u64) {
    let source = brand.start(&["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=2G"]);
    fill(&source, gigabytes);
    let s3 = S3Server::start();
    let home = tempfile::tempdir().expect("a folder");
    std::fs::write(home.path().join("job.kdl"), job(&source, &s3)).expect("written");
    let (dump, peak) = vex(home.path(), &["run", "job.kdl"]);
    let listing = Command::new(env!("CARGO_BIN_EXE_vex"))
        .args(["list", "job.kdl", "--format", "json"])
        .env("XDG_STATE_HOME", home.path().join("state"))
        .current_dir(home.path())
        .output()
        .expect("vex lists");
    let line = String::from_utf8_lossy(&listing.stdout).lines().next().unwrap_or_default().to_owned();
    let line: serde_json::Value = serde_json::from_str(&line).expect("a listing");
    let bytes = line["bytes"].as_f64().unwrap_or(0.0);
    let raw = raw_bytes(home.path());
    let (verify, _) = vex(home.path(), &["verify", "job.kdl", "--from", "cloud"]);
    let back = (gigabytes <= 2).then(|| {
        let target = brand.start(&["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=2G"]);
        let url = format!("mysql://root@127.0.0.1:{}", target.port);
        let measured = vex(home.path(), &["restore", "job.kdl", "--from", "cloud", "--into", &url]);
        compare(&source, &target);
        measured
    });
    let (restore, restore_peak) = back.map_or(("-".into(), "-".into()), |(time, peak)| {
        (format!("{:.1}", time.as_secs_f64()), (peak >> 10).to_string())
    });
    println!(
        "| {brand:?} | {:.2} | {:.1} | {:.0} | {} | {:.0} | {:.1} | {restore} | {restore_peak} |",
        raw / 1e9,
        dump.as_secs_f64(),
        raw / 1e6 / dump.as_secs_f64(),
        peak >> 10,
        bytes / 1e6,
        verify.as_secs_f64(),
    );
}

fn job(source: &Server, s3: &S3Server) -> String {
    format!(
        "sources {{\n  mysql \"db\" host=\"127.0.0.1\" port={} user=\"root\"\n}}\nstores {{\n  dir \"local\" path=\"store\" {{ keep \
         last=2 }}\n  s3 \"cloud\" bucket=\"{}\" endpoint=\"{}\" {{\n    access-key (file)\"{}\"\n    secret-key (file)\"{}\"\n  \
         keep last=2\n  }}\n}}\njob \"large\" {{\n  dump \"db\" {{ send \"local\" \"cloud\" }}\n}}\n",
        source.port,
        s3.bucket,
        s3.endpoint,
        s3.access_file.display(),
        s3.secret_file.display()
    )
}

/// Runs vex; returns how long it took and its peak memory in KiB.
fn vex(home: &Path, args: &[&str]) -> (Duration, u64) {
    let begun = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_vex"))
        .args(args)
        .env("XDG_STATE_HOME", home.join("state"))
        .env("TMPDIR", "/nonexistent")
        .current_dir(home)
        .stdout(Stdio::null())
        .spawn()
        .expect("vex starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        let now = line.and_then(|l| l.trim().trim_end_matches(" kB").trim().parse().ok());
        peak = now.unwrap_or(0).max(peak);
        if let Some(ended) = child.try_wait().expect("a child") {
            assert!(ended.success(), "vex {args:?}: {ended}");
            return (begun.elapsed(), peak);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn raw_bytes(home: &Path) -> f64 {
    let catalog = rusqlite::Connection::open(home.join("state/vex/catalog.sqlite")).expect("a catalog");
    let raw: i64 = catalog.query_row("SELECT max(raw_bytes) FROM artifact", [], |row| row.get(0)).expect("a row");
    raw as f64
}

/// Tables of mixed types, about a gigabyte of SQL for each `gigabytes`.
fn fill(server: &Server, gigabytes: u64) {
    let mut connection = server.conn();
    let mut run = |sql: &str| connection.query_drop(sql).unwrap_or_else(|e| panic!("{e}: {sql}"));
    run("CREATE DATABASE big");
    run("USE big");
    run("CREATE TABLE seq (n INT PRIMARY KEY)");
    let numbers: Vec<String> = (0..1000).map(|n| format!("({n})")).collect();
    run(&format!("INSERT INTO seq VALUES {}", numbers.join(",")));
    run(
        "CREATE TABLE orders (id BIGINT PRIMARY KEY, customer INT NOT NULL, state ENUM('new','paid','sent','back') NOT NULL, \
         price DECIMAL(10,2) NOT NULL, weight FLOAT, made DATETIME(6) NOT NULL, note VARCHAR(200), KEY (customer))",
    );
    run("CREATE TABLE events (id BIGINT UNSIGNED PRIMARY KEY, at TIMESTAMP NOT NULL, body JSON, text TEXT)");
    run("CREATE TABLE blobs (id INT PRIMARY KEY, body VARBINARY(1100) NOT NULL)");
    run("CREATE TABLE visits (who INT NOT NULL, url VARCHAR(120) NOT NULL, ms DOUBLE NOT NULL)");
    for part in 0..gigabytes * 2 {
        run(&format!(
            "INSERT INTO orders SELECT {part} * 1200000 + a.n * 1200 + b.n, (a.n * 7919 + b.n * 104729) % 50000, 1 + (a.n + b.n) % 4, \
             (a.n * b.n % 100000) / 7, a.n / 3 + b.n, '2020-01-01' + INTERVAL (a.n * 1000 + b.n) MINUTE, \
             CONCAT('order ', a.n, ' of customer ', b.n, ' ', LEFT(SHA2(a.n * b.n, 256), 24)) FROM seq a JOIN (SELECT n FROM seq UNION \
             ALL SELECT n + 1000 FROM seq WHERE n < 200) b"
        ));
        run(&format!(
            "INSERT INTO events SELECT {part} * 350000 + a.n * 350 + b.n, '2021-01-01' + INTERVAL (a.n * 350 + b.n) SECOND, \
             JSON_OBJECT('kind', ELT(1 + b.n % 3, 'view', 'click', 'buy'), 'n', a.n * b.n, 'tags', JSON_ARRAY('a', b.n, 'ção')), \
             CONCAT(REPEAT(CONCAT('the visitor looked at page ', b.n, ' of shelf ', a.n, '; '), 5), SHA2(a.n * 350 + b.n, 256)) \
             FROM seq a JOIN seq b WHERE b.n < 350"
        ));
        run(&format!(
            "INSERT INTO blobs SELECT {part} * 50000 + a.n * 50 + b.n, UNHEX(REPEAT(SHA2(a.n * 50 + b.n + {part}, 256), 30)) FROM seq a \
             JOIN seq b WHERE b.n < 50"
        ));
        run(
            "INSERT INTO visits SELECT a.n, CONCAT('/shelf/', b.n, '/book/', a.n * b.n, '?from=mail'), (a.n + 1) / (b.n + 1) FROM seq a \
             JOIN seq b WHERE b.n < 500",
        );
    }
    run("DROP TABLE seq");
    run("ANALYZE TABLE orders, events, blobs, visits");
}

fn compare(source: &Server, target: &Server) {
    for table in ["orders", "events", "blobs", "visits"] {
        let sum = |server: &Server| -> Option<(String, u64)> {
            server.conn().query_first(format!("CHECKSUM TABLE big.{table}")).expect("it answers")
        };
        assert_eq!(sum(source), sum(target), "{table}");
    }
}
