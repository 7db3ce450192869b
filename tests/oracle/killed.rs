//! A run that is killed at every point: no archived log is ever lost, the next run needs nobody's
//! hand, and what is listed restores.

use std::collections::BTreeSet;

use crate::oracle::bench::Bench;

#[test]
fn a_run_killed_anywhere_loses_no_log_and_the_next_one_goes_on() {
    let bench = Bench::disk();
    bench.back_up("FULL", 30).expect(0);
    bench.ctl(&["work", "9"]);
    let points = bench.space.path("points");
    let mut noted = bench.space.vex(&["run", "job.kdl", "INCREMENTAL"]);
    assert!(noted.env("VEX_TEST_POINTS", &points).output().unwrap().status.success());
    let text = std::fs::read_to_string(&points).unwrap();
    let own = ["rman", "piece", "pieces", "logs", "staging", "store"];
    let numbers: BTreeSet<u64> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(_, name)| own.iter().any(|begin| name.starts_with(begin)))
        .map(|(number, _)| number.parse().unwrap())
        .collect();
    assert!(numbers.len() >= 10, "{text}");
    for number in numbers {
        bench.ctl(&["work", "5"]);
        bench.ctl(&["advance", "93600"]);
        let mut killed = bench.space.vex(&["run", "job.kdl", "INCREMENTAL"]);
        killed.env("VEX_TEST_KILL", number.to_string());
        assert!(!killed.output().unwrap().status.success(), "point {number}");
        assert!(bench.lost_logs().is_empty(), "point {number}: {:?}", bench.lost_logs());
    }
    bench.back_up("INCREMENTAL", 30).expect(0);
    assert!(bench.lost_logs().is_empty());
    // Nothing is left of the killed runs: all pieces are listed by a head.
    let listed: BTreeSet<String> = bench
        .heads()
        .iter()
        .flat_map(|head| head["objects"].as_array().cloned().unwrap())
        .map(|object| object["key"].as_str().unwrap().to_owned())
        .collect();
    let nas = bench.space.path("nas");
    let there: BTreeSet<String> = crate::common::space::files(&nas.join("backups"))
        .iter()
        .map(|path| path.strip_prefix(&nas).unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(there, listed);
    // And the chain that grew over all of it brings everything back.
    let expected = bench.rows();
    bench.ctl(&["lose"]);
    bench.space.run(&["restore", "job.kdl", "fin", "--mode", "INCREMENTAL"]).expect(0);
    assert_eq!(bench.rows(), expected);
}
