//! Mutated inputs: job files, heads, indexes and archives that were flipped, cut, doubled and
//! joined, the same at every run. Nothing panics, nothing is read without end, and what still
//! restores is what was backed up.

use std::path::{Path, PathBuf};

use vex::testing::artifact::Head;
use vex::testing::base::Text;
use vex::testing::syntax::read_one;

use crate::common::space::{Space, contents, files};

/// Numbers that look random, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below.max(1) as u64) as usize
    }
}

/// Words that readers look for.
const WORDS: [&[u8]; 12] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"\0",
    b"\xff\xfe",
    b"99999999999999999999",
    b"-1",
    b"PK\x03\x04",
    b"\n",
    b"null",
    b"(env)",
];

/// A text that is nearly `seed`.
fn mutated(seed: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..1 + dice.roll(3) {
        let at = dice.roll(bytes.len() + 1);
        let length = dice.roll(40);
        let end = (at + length).min(bytes.len());
        match dice.roll(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << dice.roll(8),
            1 => bytes.truncate(at),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let again = bytes[at..end].repeat(1 + dice.roll(4));
                drop(bytes.splice(at..at, again));
            }
            4 => drop(bytes.splice(at..end, WORDS[dice.roll(WORDS.len())].iter().copied())),
            5 => {
                let from = dice.roll(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => bytes.iter_mut().skip(at).take(1).for_each(|b| *b = b' '),
        }
    }
    bytes
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn seeds(folder: &str, end: &str) -> Vec<Vec<u8>> {
    let mut found: Vec<PathBuf> = files(&root().join(folder))
        .into_iter()
        .filter(|p| p.to_string_lossy().ends_with(end))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "{folder}");
    found.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn rounds(usual: usize) -> usize {
    std::env::var("VEX_MUTATIONS").map_or(usual, |n| n.parse().expect("a number"))
}

#[test]
fn no_job_file_makes_its_reader_panic() {
    let mut dice = Dice(0x9e37_79b9);
    let seeds = [seeds("jobs", ".kdl"), seeds("tests/check", ".kdl")].concat();
    for _ in 0..rounds(3000) {
        let (seed, other) = (dice.roll(seeds.len()), dice.roll(seeds.len()));
        let bytes = mutated(&seeds[seed], &seeds[other], &mut dice);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        drop(read_one(&Text::new("mutated.kdl", text)));
    }
}

#[test]
fn no_head_makes_its_reader_panic_and_what_is_read_can_be_written() {
    let mut dice = Dice(0x7f4a_7c15);
    let seeds = seeds("tests/frozen", ".manifest.json");
    let mut read = 0;
    for _ in 0..rounds(20_000) {
        let (seed, other) = (dice.roll(seeds.len()), dice.roll(seeds.len()));
        let bytes = mutated(&seeds[seed], &seeds[other], &mut dice);
        read += usize::from(Head::parse(&bytes).is_ok());
    }
    assert!(read > 0, "some mutations change nothing that matters");
}

#[test]
fn an_altered_artifact_restores_to_what_it_was_or_not_at_all() {
    let mut dice = Dice(0x1ce4_e5b9);
    let space = Space::new().env("VEX_TEST_HASTE", "1").job(
        "sources { sqlite \"app\" path=\"app.db\" }\n\
         stores { dir \"disk\" path=\"disk\" }\n\
         job \"j\" { dump \"app\" { send \"disk\" } }\n",
    );
    space.database("app.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'ä'), (2, NULL);");
    space.back_up();
    let expected = contents(&space.path("app.db"));
    let ends = [".zip", ".zip.index", ".manifest.json"];
    let find = |end: &str| {
        let all = files(&space.path("disk"));
        all.into_iter().find(|p| p.to_string_lossy().ends_with(end)).unwrap()
    };
    let objects: Vec<(PathBuf, Vec<u8>)> =
        ends.iter().map(|end| (find(end), std::fs::read(find(end)).unwrap())).collect();
    for round in 0..rounds(45) {
        let (path, seed) = &objects[round % objects.len()];
        let other = &objects[dice.roll(objects.len())].1;
        std::fs::write(path, mutated(seed, other, &mut dice)).unwrap();
        let into = format!("back{round}.db");
        let target = format!("sqlite:{into}");
        for words in [&["list", "job.kdl"][..], &["restore", "job.kdl", "--into", &target]] {
            let ran = space.run(words);
            let said = format!("{round} {}: {words:?} {}", path.display(), ran.stderr);
            assert!(!ran.stderr.contains("panicked") && !ran.stderr.contains("BUG"), "{said}");
            assert!((0..=78).contains(&ran.code), "{said}");
            if ran.code == 0 && words[0] == "restore" {
                assert_eq!(contents(&space.path(&into)), expected, "{said}");
            }
        }
        std::fs::write(path, seed).unwrap();
    }
}
