//! vex beside what it replaces, on one MariaDB: the seed's own pipeline, mydumper, mariadb-dump,
//! and their restores.
//!
//! `cargo bench --bench mysql -- 1 5` takes about 0.8 and 4 GB of SQL text, each five times, all
//! programs in turn, and prints mean and standard deviation of each stage in the layout of the
//! seed's tables 2 and 3, then medians and ratios. `rounds=3` and `no-restore` shorten it. Not in
//! CI: it takes a quarter of an hour. Needs what `tests/run.sh` installs, and `BOTO_PYTHON`, a
//! Python that has boto3, for the seed's upload. The release binary is the one measured.

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
mod figure;

use std::path::Path;
use std::process::Command;

use common::s3_server::S3Server;
use common::servers::{Brand, Server};
use data::{compare, fill};
use figure::{Line, Took, deviation, folder, mean, median, raw_bytes, run, stored, vex_of, walls};

/// A server as one tunes it for such a test: enough memory, no flush at each commit.
const SERVER: [&str; 4] = [
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-buffer-pool-size=2G",
    "--innodb-log-file-size=1G",
    "--local-infile=ON",
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut sizes: Vec<u64> = arguments.iter().filter_map(|a| a.parse().ok()).collect();
    if sizes.is_empty() {
        sizes.push(1);
    }
    let rounds =
        arguments.iter().find_map(|a| a.strip_prefix("rounds=")?.parse().ok()).unwrap_or(5);
    let restores = !arguments.iter().any(|a| a == "no-restore");
    vex::testing::world::install_provider();
    for size in sizes {
        measure(size, rounds, restores);
    }
}

fn measure(size: u64, rounds: usize, restores: bool) {
    let source = Brand::Mariadb.start(&SERVER);
    fill(&source, size);
    let s3 = S3Server::start();
    let home = tempfile::tempdir().expect("a folder");
    std::fs::write(home.path().join("job.kdl"), job(&source, &s3)).expect("written");
    let mut stages: Vec<[f64; 4]> = Vec::new();
    let mut lines: Vec<Line> = Vec::new();
    let mut note = |name: &str, took| match lines.iter_mut().find(|l| l.name == name) {
        Some(line) => line.took.push(took),
        None => lines.push(Line { name: name.to_owned(), took: vec![took] }),
    };
    // The first round warms caches and is not counted.
    for round in 0..=rounds {
        let mut keep = |name: &str, took| {
            if round > 0 {
                note(name, took)
            }
        };
        let mut vex = run(home.path(), vex_of(home.path()).args(["run", "-q", "job.kdl"]));
        vex.bytes = stored(home.path());
        keep("vex: dump, zstd 1, zip, proof, upload", vex);
        let seed = seed(home.path(), &source, &s3);
        if round > 0 {
            stages.push([seed[0], seed[1], seed[2], seed[0] + seed[1] + seed[2]]);
        }
        keep(
            "the seed: mydumper -t 4, 7-Zip, upload",
            Took { wall: seed[0] + seed[1] + seed[2], cpu: 0.0, bytes: seed[3] as u64 },
        );
        keep("mydumper 0.10 -t 4, plain", mydumper(home.path(), &source, &[]));
        keep("mydumper 0.10 -t 4 -c (gzip)", mydumper(home.path(), &source, &["--compress"]));
        keep("mariadb-dump | zstd -1 -T2", dumper(home.path(), &source));
        if restores {
            let fresh = || Brand::Mariadb.start(&SERVER);
            let target = fresh();
            let url = format!("mysql://root@127.0.0.1:{}", target.port);
            // Like myloader, which keeps what it does out of the binary log unless told otherwise.
            let restore =
                ["restore", "job.kdl", "--from", "cloud", "--skip-binlog", "--into", &url];
            keep(
                "restore: vex, from the bucket, with recount",
                run(home.path(), vex_of(home.path()).args(restore)),
            );
            if round == 0 {
                compare(&source, &target);
            }
            drop(target);
            let target = fresh();
            mydumper(home.path(), &source, &[]);
            let port = target.port.to_string();
            let args = [
                "--host=127.0.0.1",
                "--port",
                &port,
                "--user=root",
                "--threads=4",
                "--directory=dump",
            ];
            keep(
                "restore: myloader 0.10 -t 4",
                run(home.path(), Command::new("myloader").args(args)),
            );
        }
        std::fs::remove_dir_all(home.path().join("dump")).unwrap_or(());
    }
    let raw = raw_bytes(home.path());
    println!("\n## {:.2} GB of SQL text, {rounds} rounds\n", raw / 1e9);
    tables(&stages, &lines);
}

/// The layout of the seed's tables 2 (mean) and 3 (standard deviation), then every program.
fn tables(stages: &[[f64; 4]], lines: &[Line]) {
    let column = |n: usize| stages.iter().map(|s| s[n]).collect::<Vec<f64>>();
    println!(
        "| the seed's pipeline, s | dump | compactação | upload | total |\n|---|---|---|---|---|"
    );
    let row = |f: fn(&[f64]) -> f64| {
        (0..4).map(|n| format!("{:.2}", f(&column(n)))).collect::<Vec<_>>().join(" | ")
    };
    println!("| média | {} |\n| desvio padrão | {} |\n", row(mean), row(deviation));
    println!(
        "| program | median s | mean s | σ | client CPU s | MB made | of the seed | of mydumper plain |\n|---|---|---|---|---|---|---|---|"
    );
    let of = |name: &str| {
        lines.iter().find(|l| l.name.starts_with(name)).map_or(f64::NAN, |l| median(&walls(l)))
    };
    for line in lines {
        let (all, middle) = (walls(line), median(&walls(line)));
        let cpu = median(&line.took.iter().map(|t| t.cpu).collect::<Vec<_>>());
        let bytes = line.took.last().map_or(0, |t| t.bytes);
        let ratio = |peer: &str| {
            if line.name.starts_with("restore") {
                "-".to_owned()
            } else {
                format!("{:.2}", middle / of(peer))
            }
        };
        println!(
            "| {} | {middle:.2} | {:.2} | {:.2} | {cpu:.2} | {:.0} | {} | {} |",
            line.name,
            mean(&all),
            deviation(&all),
            bytes as f64 / 1e6,
            ratio("the seed"),
            ratio("mydumper 0.10 -t 4, plain"),
        );
    }
    println!(
        "\nrestore: vex takes {:.2} of myloader",
        of("restore: vex") / of("restore: myloader")
    );
}

fn job(source: &Server, s3: &S3Server) -> String {
    format!(
        "sources {{\n  mysql \"db\" host=\"127.0.0.1\" port={} user=\"root\"\n}}\nstores {{\n  s3 \"cloud\" bucket=\"{}\" \
         endpoint=\"{}\" {{\n    access-key (file)\"{}\"\n    secret-key (file)\"{}\"\n    keep last=1\n  }}\n}}\njob \"bench\" {{\n  \
         dump \"db\" {{ send \"cloud\" }}\n}}\n",
        source.port,
        s3.bucket,
        s3.direct,
        s3.access_file.display(),
        s3.secret_file.display()
    )
}

fn seed(home: &Path, source: &Server, s3: &S3Server) -> [f64; 4] {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/seed.sh");
    let output = Command::new(script)
        .args([&source.port.to_string(), "seed", &s3.direct, &s3.bucket, "big"])
        .env("AWS_ACCESS_KEY_ID", &s3.access_key)
        .env("AWS_SECRET_ACCESS_KEY", &s3.secret_key)
        .current_dir(home)
        .output()
        .expect("it starts");
    assert!(output.status.success(), "seed.sh: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let all: Vec<f64> = text.split_whitespace().filter_map(|w| w.parse().ok()).collect();
    all.try_into().expect("four figures")
}

fn mydumper(home: &Path, source: &Server, more: &[&str]) -> Took {
    let dump = home.join("dump");
    std::fs::remove_dir_all(&dump).unwrap_or(());
    let port = source.port.to_string();
    let args = [
        "--host=127.0.0.1",
        "--port",
        &port,
        "--user=root",
        "--threads=4",
        "--database=big",
        "--outputdir=dump",
    ];
    let took = run(home, Command::new("mydumper").args(args).args(more));
    Took { bytes: folder(&dump), ..took }
}

fn dumper(home: &Path, source: &Server) -> Took {
    let script = format!(
        "set -o pipefail; mariadb-dump --no-defaults --protocol=tcp --host=127.0.0.1 --port={} --user=root --single-transaction \
         --quick --hex-blob --databases big | zstd -q -1 -T2 -f -o dump.sql.zst",
        source.port
    );
    let took = run(home, Command::new("bash").args(["-c", &script]));
    Took { bytes: std::fs::metadata(home.join("dump.sql.zst")).map_or(0, |m| m.len()), ..took }
}
