//! A run that is killed anywhere: what is listed restores, and the next run needs nobody's hand.
//!
//! The points are those of `world/point.rs`; each is a test of its own state, in folders and a
//! bucket of its own.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::s3_server::S3Server;
use crate::common::space::{Space, contents, names, word};
use crate::store::contract::s3::keys;

/// The database: small, but of several chunks.
const SQL: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 300)
    INSERT INTO t SELECT i, hex(randomblob(200)) FROM n;";

/// Into how many tests the points are dealt.
const HANDS: usize = 6;

/// A job into a folder and a bucket.
fn job(server: &S3Server) -> String {
    format!(
        r#"
sources {{ sqlite "app" path="app.db" }}
stores {{
    dir "disk" path="disk" {{ keep last=9 }}
    s3 "cloud" bucket="{}" endpoint="{}" {{ access-key (file)"{}"; secret-key (file)"{}"; keep last=9 }}
}}
job "j" {{ dump "app" chunk="64KiB" {{ send "disk" "cloud"; verify "disk" "cloud" }} }}
"#,
        server.bucket,
        server.endpoint,
        server.access_file.display(),
        server.secret_file.display()
    )
}

/// A database and a place for its copies.
struct Scene {
    server: S3Server,
    space: Space,
    expected: String,
}

impl Scene {
    fn new() -> Scene {
        let server = S3Server::start();
        let space = Space::new().job(&job(&server));
        let expected = contents(&space.database("app.db", SQL));
        Scene { server, space, expected }
    }

    /// Lists, and restores all that is listed; returns the copies.
    fn all_that_is_listed_restores(&self, what: &str) -> usize {
        let listed = self.space.list();
        for (number, line) in listed.iter().enumerate() {
            let restored = self.space.restore(line, &format!("{what}-{number}.db"));
            assert_eq!(contents(&restored), self.expected, "{what}: {line}");
        }
        listed.len()
    }

    /// The next run succeeds, tidies up, and closes the run that was killed; returns whether there
    /// was one to close.
    fn the_next_run_is_as_any_other(&self, listed: usize, what: &str) -> bool {
        self.space.back_up();
        assert_eq!(self.space.list().len(), listed + 2, "{what}");
        assert_all_have_a_head(&names(&self.space.path("disk")), what);
        assert_all_have_a_head(&keys(&self.server), what);
        assert_eq!(names(&self.space.state("staging")), [""; 0], "{what}");
        assert_eq!(names(&self.space.state("replay")), [""; 0], "{what}");
        // The process that began it is gone, and its marker says so: nobody waits for its age.
        assert_eq!(self.server.pending(), [""; 0], "{what}");
        let count =
            |sql: &str| self.space.catalog::<i64>(&format!("SELECT count(*) FROM run WHERE {sql}"));
        assert_eq!(count("finished IS NULL OR verdict IS NULL"), 0, "{what}");
        assert_eq!(count("verdict=1 AND kind='job'"), 1, "{what}");
        count("verdict=3 AND note='the process was killed or the machine stopped'") == 1
    }
}

/// Whatever lies in a store is of a backup that exists: no temporary file, no container, index,
/// proof or marker is left by itself.
#[track_caller]
fn assert_all_have_a_head(names: &[String], what: &str) {
    let stem = |name: &str| name.split_once(".zip").map(|(stem, _)| stem.to_owned());
    let heads: Vec<Option<String>> =
        names.iter().filter(|n| n.ends_with(".zip.manifest.json")).map(|n| stem(n)).collect();
    let own = |name: &&String| name.as_str() != "vex.json" && !heads.contains(&stem(name));
    let alone: Vec<&String> = names.iter().filter(|n| n.contains("/.") || own(n)).collect();
    assert_eq!(alone, Vec::<&String>::new(), "{what}");
}

/// The names of the points of a run that nobody kills.
fn points(space: &Space) -> Vec<String> {
    let file = space.path("points");
    let ran = space.vex(&["run", "job.kdl"]).env("VEX_TEST_POINTS", &file).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}

/// Kills the run at a point.
fn kill_at(space: &Space, point: usize) {
    let ran =
        space.vex(&["run", "job.kdl"]).env("VEX_TEST_KILL", point.to_string()).output().unwrap();
    assert_eq!(ran.status.to_string(), "signal: 9 (SIGKILL)", "point {point}");
}

fn killed_at_each_point_of(hand: usize) {
    let names = points(&Scene::new().space);
    assert!(names.len() > 60, "{names:#?}");
    let mut seen = [0; 3];
    for point in (1..=names.len()).filter(|p| p % HANDS == hand) {
        let scene = Scene::new();
        let what = format!("point {}", names[point - 1]);
        kill_at(&scene.space, point);
        let listed = scene.all_that_is_listed_restores("killed");
        seen[listed] += 1;
        let last_words = point > names.len() - 2;
        if !last_words {
            let closed = scene.the_next_run_is_as_any_other(listed, &what);
            assert!(closed || point <= 3, "{what}: the run before is not closed");
        }
    }
    assert!(seen[0] > 0 && seen[2] > 0, "runs with 0, 1 and 2 copies listed: {seen:?}");
}

#[test]
fn killed_at_any_point_what_is_listed_restores_1() {
    killed_at_each_point_of(0);
}

#[test]
fn killed_at_any_point_what_is_listed_restores_2() {
    killed_at_each_point_of(1);
}

#[test]
fn killed_at_any_point_what_is_listed_restores_3() {
    killed_at_each_point_of(2);
}

#[test]
fn killed_at_any_point_what_is_listed_restores_4() {
    killed_at_each_point_of(3);
}

#[test]
fn killed_at_any_point_what_is_listed_restores_5() {
    killed_at_each_point_of(4);
}

#[test]
fn killed_at_any_point_what_is_listed_restores_6() {
    killed_at_each_point_of(5);
}

/// Kills runs after a random part of the time that one takes.
fn killed_at_random_moments(moments: u32) {
    let scene = Scene::new();
    let begun = Instant::now();
    scene.space.back_up();
    let whole = begun.elapsed();
    for _ in 0..moments {
        let scene = Scene::new();
        let part = f64::from(getrandom::u32().unwrap()) / f64::from(u32::MAX);
        let delay = Duration::from_secs_f64(whole.as_secs_f64() * part);
        let mut child = scene.space.start(&["run", "job.kdl"]);
        std::thread::sleep(delay);
        child.0.kill().unwrap();
        let ended = child.0.wait().unwrap();
        let what = format!("killed after {delay:?} of {whole:?}");
        let listed = scene.all_that_is_listed_restores("killed");
        assert!(!ended.success() || listed == 2, "{what}");
        if !ended.success() && scene.space.state("catalog.sqlite").exists() {
            // A kill after the last word finds a run that ended well.
            let ended_well =
                scene.space.state("logs").exists() && scene.space.logs().contains("run Success");
            if !ended_well {
                scene.the_next_run_is_as_any_other(listed, &what);
            }
        }
    }
}

#[test]
fn killed_at_a_random_moment_what_is_listed_restores_1() {
    killed_at_random_moments(34);
}

#[test]
fn killed_at_a_random_moment_what_is_listed_restores_2() {
    killed_at_random_moments(33);
}

#[test]
fn killed_at_a_random_moment_what_is_listed_restores_3() {
    killed_at_random_moments(33);
}

#[test]
fn killed_while_retention_removes_whatever_is_still_listed_restores() {
    let job = |last: u32| {
        format!(
            "sources {{ sqlite \"app\" path=\"app.db\" }}\nstores {{ dir \"disk\" path=\"disk\" {{ keep last={last} }} }}\n\
             job \"j\" {{ dump \"app\" {{ send \"disk\"; verify \"disk\" }} }}\n"
        )
    };
    let space = Space::new().job(&job(9));
    let path = space.database("app.db", SQL);
    let mut expected: BTreeMap<String, String> = BTreeMap::new();
    for number in 0..3 {
        rusqlite::Connection::open(&path)
            .unwrap()
            .execute("UPDATE t SET v=?1 WHERE id=1", [number])
            .unwrap();
        space.back_up();
        let newest: Value = space.list().pop().unwrap();
        expected.insert(word(&newest, "id").to_owned(), contents(&path));
    }
    std::fs::write(space.path("job.kdl"), job(1)).unwrap();
    let kept = space.copy();
    // Names are a second apart, and a run that waits for its name has more points than these.
    let now = || std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let last = now();
    while now() == last {
        std::thread::sleep(Duration::from_millis(10));
    }
    let names = points(&space);
    let removals = names.iter().filter(|n| n.ends_with("remove before")).count();
    // Head, proof, index, container and marker of three; the marker of the new one; two leases.
    assert_eq!(removals, 3 * 5 + 1 + 2, "{names:#?}");
    let from = names.iter().position(|n| n.ends_with("remove before")).unwrap();
    let mut seen = BTreeMap::new();
    for point in from..=names.len() {
        space.put_back(&kept);
        kill_at(&space, point);
        let listed = space.list();
        *seen.entry(listed.len()).or_insert(0) += 1;
        for (number, line) in listed.iter().enumerate() {
            let restored = space.restore(line, &format!("{number}.db"));
            let fresh = contents(&path);
            let expected = expected.get(word(line, "id")).unwrap_or(&fresh);
            assert_eq!(contents(&restored), *expected, "point {}", names[point - 1]);
        }
        if point % 4 == 0 {
            space.back_up();
            let what = format!("point {}", names[point - 1]);
            assert_eq!(space.list().len(), 1, "{what}");
            assert_all_have_a_head(&self::names(&space.path("disk")), &what);
        }
    }
    assert_eq!(
        seen.keys().copied().collect::<Vec<_>>(),
        [1, 2, 3, 4],
        "copies listed after a kill: {seen:?}"
    );
}
