//! One point in time: transfers across two databases while dumps are taken; no restored sum is ever wrong.
//!
//! With the lock protocol off (`VEX_TEST_UNLOCKED`, debug builds only) the same harness finds wrong sums, so it has teeth.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use mysql::prelude::Queryable;

use crate::servers::{Brand, Server};

const ACCOUNTS: u64 = 64;
const WRITERS: u64 = 4;
const DUMPS: usize = 50;

fn vex(home: &Path, unlocked: bool, args: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vex"));
    command.args(args).env_clear().env("XDG_STATE_HOME", home.join("state")).current_dir(home);
    if unlocked {
        command.env("VEX_TEST_UNLOCKED", "1");
    }
    let output = command.output().expect("vex starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn open_bank(server: &Server) {
    for (bank, table) in [("left_bank", "account"), ("right_bank", "account")] {
        server.exec(&format!("CREATE DATABASE {bank}"));
        server.exec(&format!("CREATE TABLE {bank}.{table} (id INT PRIMARY KEY, money BIGINT NOT NULL) ENGINE=InnoDB"));
        let rows: Vec<String> = (0..ACCOUNTS).map(|i| format!("({i}, 1000)")).collect();
        server.exec(&format!("INSERT INTO {bank}.{table} VALUES {}", rows.join(",")));
    }
}

/// Moves money between the banks until told to stop.
fn transfer(server: &Server, writer: u64, over: &AtomicBool) -> u64 {
    let mut connection = server.conn();
    let mut seed = writer.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move |bound: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % bound
    };
    let mut done = 0;
    while !over.load(Ordering::SeqCst) {
        let (from, to, money) = (next(ACCOUNTS), next(ACCOUNTS), next(50) as i64 - 25);
        let statements = [
            "BEGIN".to_owned(),
            format!("UPDATE left_bank.account SET money = money - {money} WHERE id = {from}"),
            format!("UPDATE right_bank.account SET money = money + {money} WHERE id = {to}"),
            "COMMIT".to_owned(),
        ];
        // A deadlock between writers rolls the whole transfer back.
        match statements.iter().try_for_each(|s| connection.query_drop(s)) {
            Ok(()) => done += 1,
            Err(mysql::Error::MySqlError(e)) if matches!(e.code, 1205 | 1213) => {
                connection.query_drop("ROLLBACK").expect("rolled back");
            }
            Err(error) => panic!("a transfer failed: {error}"),
        }
    }
    done
}

/// Dumps and restores under load; returns how many restored sums were wrong, and stops at the first if `one` will do.
fn wrong_sums(brand: Brand, unlocked: bool, one: bool) -> usize {
    let (source, target) = (brand.start(&[]), brand.start(&[]));
    open_bank(&source);
    let home = tempfile::tempdir().expect("a folder");
    let job = format!(
        "sources {{\n  mysql \"bank\" host=\"127.0.0.1\" port={} user=\"root\"\n}}\nstores {{\n  dir \"local\" path=\"store\" {{ \
         keep last=2 }}\n}}\njob \"bank\" {{\n  dump \"bank\" {{ send \"local\" }}\n}}\n",
        source.port
    );
    std::fs::write(home.path().join("job.kdl"), job).expect("written");
    let over = AtomicBool::new(false);
    let mut wrong = 0;
    std::thread::scope(|scope| {
        let writers: Vec<_> = (1..=WRITERS)
            .map(|w| {
                scope.spawn({
                    let (source, over) = (&source, &over);
                    move || transfer(source, w, over)
                })
            })
            .collect();
        for _ in 0..DUMPS {
            vex(home.path(), unlocked, &["run", "job.kdl"]);
            let url = format!("mysql://root@127.0.0.1:{}", target.port);
            vex(home.path(), false, &["restore", "job.kdl", "--overwrite", "--into", &url]);
            let sql = "SELECT (SELECT SUM(money) FROM left_bank.account) + (SELECT SUM(money) FROM right_bank.account)";
            let sum: Option<i64> = target.conn().query_first(sql).expect("it answers");
            wrong += usize::from(sum != Some(2 * 1000 * ACCOUNTS as i64));
            if one && wrong > 0 {
                break;
            }
        }
        over.store(true, Ordering::SeqCst);
        let moved: u64 = writers.into_iter().map(|w| w.join().expect("a writer")).sum();
        assert!(moved > 100, "only {moved} transfers: the test proves nothing");
    });
    wrong
}

#[test]
fn no_sum_is_wrong_on_mariadb() {
    assert_eq!(wrong_sums(Brand::Mariadb, false, false), 0);
}

#[test]
fn no_sum_is_wrong_on_mysql() {
    assert_eq!(wrong_sums(Brand::Mysql9, false, false), 0);
}

#[test]
fn without_the_lock_protocol_sums_are_wrong() {
    for brand in Brand::ALL {
        assert_ne!(wrong_sums(brand, true, true), 0, "{brand:?}: the harness has no teeth");
    }
}
