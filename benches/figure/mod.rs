//! What the benches that run programs measure, and how they count.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What one run took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Took {
    /// Seconds on the clock.
    pub wall: f64,
    /// Seconds of processor of the client's side.
    pub cpu: f64,
    /// Bytes that were made.
    pub bytes: u64,
}

/// Figures of one program, one for each round.
#[derive(Default)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// Each of its runs.
    pub took: Vec<Took>,
}

/// Its seconds on the clock.
pub fn walls(line: &Line) -> Vec<f64> {
    line.took.iter().map(|t| t.wall).collect()
}

/// The mean.
pub fn mean(all: &[f64]) -> f64 {
    all.iter().sum::<f64>() / all.len() as f64
}

/// Of a sample.
pub fn deviation(all: &[f64]) -> f64 {
    let middle = mean(all);
    (all.iter().map(|x| (x - middle).powi(2)).sum::<f64>() / (all.len().max(2) - 1) as f64).sqrt()
}

/// The median.
pub fn median(all: &[f64]) -> f64 {
    let mut sorted = all.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The binary, with a state folder of its own.
pub fn vex_of(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vex"));
    command.env("XDG_STATE_HOME", home.join("state"));
    command
}

/// Runs a program to its end; its processor time is what the children of this process used
/// meanwhile.
pub fn run(home: &Path, command: &mut Command) -> Took {
    let (before, begun) = (children(), std::time::Instant::now());
    let output = command.current_dir(home).output().expect("it starts");
    let wall = begun.elapsed().as_secs_f64();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Took { wall, cpu: children() - before, bytes: 0 }
}

/// Seconds of processor of all children that ended, from `/proc/self/stat` (fields 16 and 17, in
/// hundredths).
pub fn children() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").expect("a proc file system");
    let fields: Vec<&str> = text.rsplit_once(')').map_or("", |t| t.1).split_whitespace().collect();
    let ticks = |n: usize| fields.get(n).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(13) + ticks(14)) / 100.0
}

/// Bytes of the files of a folder.
pub fn folder(path: &Path) -> u64 {
    let files = std::fs::read_dir(path).into_iter().flatten().flatten();
    files.map(|f| f.metadata().map_or(0, |m| m.len())).sum()
}

/// Size of the newest artifact.
pub fn stored(home: &Path) -> u64 {
    one(home, "SELECT bytes FROM artifact ORDER BY rowid DESC LIMIT 1") as u64
}

/// Bytes of the newest dump before compression.
pub fn raw_bytes(home: &Path) -> f64 {
    one(home, "SELECT max(raw_bytes) FROM artifact")
}

/// A number of the catalog.
pub fn one(home: &Path, sql: &str) -> f64 {
    let path: PathBuf = home.join("state/vex/catalog.sqlite");
    let catalog = rusqlite::Connection::open(path).expect("a catalog");
    catalog.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("a row") as f64
}
