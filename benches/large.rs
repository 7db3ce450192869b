//! Gigabytes from a real server to a folder and an S3 service at once, and back; peak memory of
//! each run of vex.
//!
//! `cargo bench --bench large -- 1 4` runs about 0.8 and 3.3 GB of SQL on MariaDB and MySQL 9; what
//! is larger than 2 is only dumped and verified. Not in CI: it takes minutes. It needs what
//! `tests/run.sh` installs. The release binary is the one measured; `TMPDIR` names a folder that
//! does not exist, so a temporary file would be an error.

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
mod data;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::s3_server::S3Server;
use common::servers::{Brand, Server};
use data::{compare, fill};

fn main() {
    let sizes: Vec<u64> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![1] } else { sizes };
    vex::testing::world::install_provider();
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
    let source =
        brand.start(&["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=2G"]);
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
    let line =
        String::from_utf8_lossy(&listing.stdout).lines().next().unwrap_or_default().to_owned();
    let line: serde_json::Value = serde_json::from_str(&line).expect("a listing");
    let bytes = line["bytes"].as_f64().unwrap_or(0.0);
    let raw = raw_bytes(home.path());
    let (verify, _) = vex(home.path(), &["verify", "job.kdl", "--from", "cloud"]);
    let back = (gigabytes <= 2).then(|| {
        let target =
            brand.start(&["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=2G"]);
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
    let catalog =
        rusqlite::Connection::open(home.join("state/vex/catalog.sqlite")).expect("a catalog");
    let raw: i64 = catalog
        .query_row("SELECT max(raw_bytes) FROM artifact", [], |row| row.get(0))
        .expect("a row");
    raw as f64
}
