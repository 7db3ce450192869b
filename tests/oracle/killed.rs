//! A run that is killed at every point, of vex and of RMAN: no archived log is ever lost, the next run
//! needs nobody's hand, nothing is left behind, and what is listed restores.
//!
//! CI takes a share of the points of one history; `tests/torture.sh rman` all points of all of them.

use std::collections::BTreeSet;
use std::fs;

use crate::common::space::files;
use crate::oracle::bench::Bench;

/// What is killed, and where its pieces go.
struct History {
    job: &'static str,
    stores: &'static str,
    sealed: bool,
}

const ONE: &str = "dir \"nas\" path=\"nas\" { keep last=20 }";
const TWO: &str =
    "dir \"nas\" path=\"nas\" { keep last=20 }\ndir \"far\" path=\"far\" { keep last=20 }";

/// All of them; CI takes the first.
const HISTORIES: [History; 4] = [
    History { job: "INCREMENTAL", stores: ONE, sealed: false },
    History { job: "FULL", stores: ONE, sealed: true },
    History { job: "INCREMENTAL", stores: TWO, sealed: true },
    History { job: "FULL", stores: TWO, sealed: false },
];

/// Of how many points CI takes one.
const SHARE: usize = 4;

/// Where RMAN is at work when vex is killed; RMAN itself goes on, as it would.
const IN_RMAN: [&str; 6] = ["database", "piece", "archivelog", "autobackup", "uncatalog", "delete"];

impl History {
    fn begin(&self) -> Bench {
        let bench = Bench::new(self.stores, "");
        if self.sealed {
            let file = bench.space.secret("pw", "CANARY-killed");
            let seal = format!("archive {{ password (file)\"{}\" }}; rman", file.display());
            let path = bench.space.path("job.kdl");
            let job =
                fs::read_to_string(&path).unwrap().replace("L\" { rman", &format!("L\" {{ {seal}"));
            fs::write(path, job).unwrap();
        }
        bench.back_up("FULL", 30).expect(0);
        bench
    }

    /// The points of a run that are about RMAN, its pieces and its logs.
    fn points(&self, bench: &Bench) -> Vec<u64> {
        bench.ctl(&["work", "9"]);
        let points = bench.space.path("points");
        let mut noted = bench.space.vex(&["run", "job.kdl", self.job]);
        assert!(noted.env("VEX_TEST_POINTS", &points).output().unwrap().status.success());
        let text = fs::read_to_string(&points).unwrap();
        let own = ["rman", "piece", "pieces", "logs", "staging", "store"];
        let numbers: BTreeSet<u64> = text
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter(|(_, name)| own.iter().any(|begin| name.starts_with(begin)))
            .map(|(number, _)| number.parse().unwrap())
            .collect();
        assert!(numbers.len() >= 10, "{text}");
        numbers.into_iter().collect()
    }

    /// One run after two days of work, which is killed: by a point of vex, or while RMAN is at work.
    fn kill(&self, bench: &Bench, point: &Result<u64, &str>) {
        bench.ctl(&["work", "5"]);
        bench.ctl(&["advance", "93600"]);
        let mut killed = bench.space.vex(&["run", "job.kdl", self.job]);
        match point {
            Ok(number) => {
                killed.env("VEX_TEST_KILL", number.to_string());
            }
            Err(at) => {
                let fault = serde_json::json!([{ "at": at, "once": true, "kill": true }]);
                bench.set("faults", &fault.to_string());
            }
        }
        assert!(!killed.output().unwrap().status.success(), "{point:?}");
        assert_eq!(bench.model()["faults"], serde_json::json!([]), "{point:?} was never reached");
        assert!(bench.lost_logs().is_empty(), "{point:?}: {:?}", bench.lost_logs());
    }

    /// The next run is a good one, and all pieces that are anywhere are listed by a head.
    fn goes_on(&self, bench: &Bench) {
        bench.back_up(self.job, 30).expect(0);
        assert!(bench.lost_logs().is_empty());
        let listed: BTreeSet<String> = bench
            .heads()
            .iter()
            .flat_map(|head| head["objects"].as_array().cloned().unwrap())
            .map(|object| object["key"].as_str().unwrap().to_owned())
            .collect();
        for store in ["nas", "far"].iter().filter(|store| self.stores.contains(**store)) {
            let folder = bench.space.path(store);
            let there: BTreeSet<String> = files(&folder.join("backups"))
                .iter()
                .map(|path| path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned())
                .collect();
            assert_eq!(there, listed, "{store}");
        }
    }

    /// Kills runs at a share of all points; returns how many.
    fn perform(&self, share: usize) -> usize {
        let bench = self.begin();
        let points = self.points(&bench).into_iter().map(Ok).step_by(share);
        let points: Vec<Result<u64, &str>> = points.chain(IN_RMAN.map(Err)).collect();
        for point in &points {
            self.kill(&bench, point);
        }
        self.goes_on(&bench);
        // And what grew over all of it brings everything back.
        let expected = bench.rows();
        for mode in ["FULL", "INCREMENTAL"] {
            bench.ctl(&["lose"]);
            bench.space.run(&["restore", "job.kdl", "fin", "--mode", mode]).expect(0);
            assert_eq!(bench.rows(), expected, "{mode}");
        }
        points.len()
    }
}

#[test]
fn a_run_killed_anywhere_loses_no_log_and_the_next_one_goes_on() {
    let all = std::env::var("VEX_RMAN_KILLS").is_ok_and(|value| value == "all");
    let (histories, share) = if all { (&HISTORIES[..], 1) } else { (&HISTORIES[..1], SHARE) };
    let kills: usize = histories.iter().map(|history| history.perform(share)).sum();
    let line =
        format!("\nfigure {kills} runs killed in {} histories: no log lost\n", histories.len());
    std::io::Write::write_all(&mut std::io::stdout(), line.as_bytes()).unwrap();
}
