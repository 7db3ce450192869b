//! A restore that is killed at any of its points: the target never counts as restored, nothing that
//! runs by itself was let loose, the history tells of it, and `--resume` ends it.
//!
//! Knows the failpoints and no engine; a scene is one engine with a small database. Here some
//! points of each are killed, and all of them with `VEX_RESTORE_KILLS=all` (see tests/torture.sh).
//! Every third time the `--resume` is killed too. Names are those that the killed process noted
//! itself: threads do not pass their points in the same order twice.

mod mysql;
mod postgres;
mod sqlite;

use std::collections::BTreeMap;
use std::io::Write;

use crate::common::space::{Ran, Space, files, names};

/// How many points are killed of each engine, beside the turning points.
const SOME: usize = 8;

/// After these something is true that was not before.
const TURNING_POINTS: [&str; 6] = [
    "prepare after",
    "settle before",
    "settle after",
    "release before",
    "unmark before",
    "unmark after",
];

/// One engine: a folder with a job file and one backup, and a target.
trait Scene {
    /// The folder.
    fn space(&self) -> &Space;

    /// Where to, and what: words of the command.
    fn target(&self) -> Vec<String>;

    /// Makes the target what it was before.
    fn clear(&self);

    /// Fails if anything runs by itself in the target, or ran, or if it would be taken for whole.
    fn assert_nothing_is_let_loose(&self, what: &str);

    /// Fails unless the target holds what the source does, and nothing is left beside it.
    fn assert_same(&self, what: &str);
}

/// The restore of a scene, and what it came to so far.
struct Killed<'a> {
    scene: &'a dyn Scene,
    /// The folder as it is before each restore.
    kept: Space,
    /// How each ended: what was done, and how often.
    ends: BTreeMap<&'static str, usize>,
}

impl Killed<'_> {
    fn words(&self, more: &'static str) -> Vec<String> {
        let words = ["restore", "job.kdl", "--into"].map(str::to_owned).into_iter();
        words
            .chain(self.scene.target())
            .chain((!more.is_empty()).then(|| more.to_owned()))
            .collect()
    }

    /// Restores, killed at a point if it comes to it; returns how it ended and the points it
    /// passed.
    fn restore(&self, more: &'static str, point: Option<usize>) -> (Ran, Vec<String>) {
        let (space, words) = (self.scene.space(), self.words(more));
        let noted = space.path("points");
        std::fs::remove_file(&noted).unwrap_or_default();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command = space.vex(&words);
        command.env("VEX_TEST_POINTS", &noted);
        command.envs(point.map(|point| ("VEX_TEST_KILL", point.to_string())));
        let ran = Ran::from(command.output().unwrap());
        let text = std::fs::read_to_string(noted).unwrap_or_default();
        let name = |line: &str| line.split_once(' ').map(|(_, name)| name.to_owned());
        (ran, text.lines().filter_map(name).collect())
    }

    fn begin(&self) {
        self.scene.space().put_back(&self.kept);
        self.scene.clear();
    }

    /// Restores to the end, unharmed; returns the points.
    fn unharmed(&self) -> Vec<String> {
        self.begin();
        let (ran, names) = self.restore("", None);
        ran.expect(0);
        self.scene.assert_same("unharmed");
        names
    }

    /// Kills a restore at a point, looks at what it left, and ends it.
    fn at(&mut self, point: usize, also_the_next: bool) {
        self.begin();
        let (ran, names) = self.restore("", Some(point));
        let what = format!("killed at {point} of {names:#?}");
        assert_eq!(ran.code, -9, "{what}: {ran:?}");
        self.assert_it_is_told(&names, &what);
        let came_to = |name: &str| names.iter().any(|n| n == name);
        if !came_to("release before") {
            self.scene.assert_nothing_is_let_loose(&what);
        }
        let open = files(&self.scene.space().state("restores"));
        let is_open = open.iter().any(|path| std::fs::metadata(path).unwrap().len() > 0);
        assert!(is_open || !came_to("prepare before") || came_to("unmark before"), "{what}");
        let end = match is_open {
            true => self.resume(also_the_next.then_some(point), &what),
            // It is whole, and nobody would say otherwise.
            false if came_to("unmark before") => "whole",
            false => {
                let (ran, _) = self.restore("--resume", None);
                assert!(ran.expect(1).stderr.contains("was interrupted on this machine"), "{what}");
                self.restore("", None).0.expect(0);
                "begun again"
            }
        };
        self.scene.assert_same(&what);
        if !end.ends_with("whole") {
            self.assert_all_ended(&what);
        }
        *self.ends.entry(end).or_default() += 1;
    }

    /// Goes on, killed once more at the same number if it comes to that.
    fn resume(&self, point: Option<usize>, what: &str) -> &'static str {
        let mut end = "resumed";
        if let Some(point) = point {
            let (ran, names) = self.restore("--resume", Some(point));
            let came_to = |name: &str| names.iter().any(|n| n == name);
            match ran.code {
                0 => return end,
                -9 if came_to("unmark after") => return "resumed, killed, whole",
                -9 => end = "resumed, killed, resumed",
                _ => panic!("{what}, resumed and killed at {names:#?}: {ran:?}"),
            }
            if !came_to("release before") && !what.contains("\"release before\"") {
                self.scene.assert_nothing_is_let_loose(what);
            }
        }
        let (ran, names) = self.restore("--resume", None);
        assert_eq!(ran.code, 0, "{what}, resumed: {names:#?}: {ran:?}");
        end
    }

    /// The history knows a restore that changed anything, and not as one that went well.
    fn assert_it_is_told(&self, names: &[String], what: &str) {
        let recorded = names.iter().filter(|name| *name == "record after").count();
        let harmless = |name: &String| {
            ["record", "put", "temporary", "sync", "move"].iter().any(|h| name.starts_with(h))
        };
        assert!(recorded > 0 || names.iter().all(harmless), "{what}: nobody was told");
        let space = self.scene.space();
        if recorded == 0 {
            return;
        }
        let count =
            |sql: &str| space.catalog::<i64>(&format!("SELECT count(*) FROM run WHERE {sql}"));
        assert_eq!(count("kind='restore'"), 1, "{what}");
        // The run's last event is its verdict.
        let told = count("kind='restore' AND verdict IS NOT NULL");
        assert!(told == 0 || names.iter().any(|name| name == "unmark after"), "{what}");
    }

    /// Every restore that was killed is closed as such, and the last one ended well.
    fn assert_all_ended(&self, what: &str) {
        let space = self.scene.space();
        let count =
            |sql: &str| space.catalog::<i64>(&format!("SELECT count(*) FROM run WHERE {sql}"));
        let killed = "verdict=3 AND note='the process was killed or the machine stopped'";
        assert_eq!(count("kind='restore' AND (finished IS NULL OR verdict IS NULL)"), 0, "{what}");
        assert_eq!(count("kind='restore' AND verdict=1"), 1, "{what}");
        assert_eq!(
            count(&format!("kind='restore' AND verdict<>1 AND NOT ({killed})")),
            0,
            "{what}"
        );
        assert_eq!(self::names(&space.state("restores")), [""; 0], "{what}");
    }
}

/// Which points are killed.
fn chosen(names: &[String]) -> Vec<usize> {
    if std::env::var("VEX_RESTORE_KILLS").is_ok_and(|kills| kills == "all") {
        return (1..=names.len()).collect();
    }
    let turns = |name: &&str| names.iter().position(|n| n == name).map(|at| at + 1);
    let mut points: Vec<usize> = TURNING_POINTS.iter().filter_map(turns).collect();
    points.extend((0..SOME).map(|n| 1 + n * (names.len() - 1) / (SOME - 1)));
    points.sort_unstable();
    points.dedup();
    points
}

/// Kills restores of a scene; `name` is what the figures call it.
fn killed_at_its_points(name: &str, scene: &dyn Scene) {
    let mut killed = Killed { scene, kept: scene.space().copy(), ends: BTreeMap::new() };
    let names = killed.unharmed();
    let points = chosen(&names);
    for point in &points {
        killed.at(*point, point % 3 == 0);
    }
    assert!(killed.ends.contains_key("resumed"), "{:?}", killed.ends);
    let figure = format!(
        "\nfigure {name}: {} points of a restore, killed at {}: {:?}\n",
        names.len(),
        points.len(),
        killed.ends
    );
    std::io::stdout().write_all(figure.as_bytes()).unwrap();
}
