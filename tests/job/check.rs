//! `vex check` as people see it: one broken job file per kind of complaint, its whole output beside
//! it.
//!
//! `tests/check/NAME.kdl` is checked in its own folder and must print `tests/check/NAME.out`. After
//! a change of wording run `VEX_UPDATE=1 cargo nextest run check` and read the difference.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::LazyLock;

use proptest::prelude::*;

use crate::common::binary::{self, text};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn folder() -> PathBuf {
    root().join("tests/check")
}

/// The names of all files, without `.kdl`.
fn names() -> Vec<String> {
    let found = std::fs::read_dir(folder())
        .expect("the folder is there")
        .map(|e| e.expect("an entry").path());
    let kdl = found.filter(|p| p.extension().is_some_and(|e| e == "kdl"));
    let mut names: Vec<String> =
        kdl.map(|p| p.file_stem().expect("a stem").to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Runs vex beside the files.
fn vex(words: &[&str]) -> Output {
    let state = tempfile::tempdir().expect("a folder");
    let words = [words, &["--site", "include/site.kdl"]].concat();
    binary::vex(state.path(), &words).current_dir(folder()).output().expect("vex starts")
}

fn shown(name: &str) -> String {
    let out = folder().join(format!("{name}.out"));
    std::fs::read_to_string(&out)
        .unwrap_or_else(|e| panic!("{}: {e}: run with VEX_UPDATE=1", out.display()))
}

/// Codes as the human form shows them: a line of their own.
fn codes(shown: &str) -> BTreeSet<String> {
    shown.lines().filter(|l| l.starts_with("vex::")).map(str::to_owned).collect()
}

/// Every `"vex::…"` literal of the sources.
fn known_codes(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            known_codes(&path, found);
        } else {
            let source = std::fs::read_to_string(&path).expect("UTF-8");
            let literals =
                source.split("\"vex::").skip(1).filter_map(|rest| rest.split('"').next());
            found.extend(literals.map(|code| format!("vex::{code}")));
        }
    }
}

#[test]
fn every_file_prints_what_stands_beside_it() {
    let update = std::env::var_os("VEX_UPDATE").is_some();
    let mut wrong = Vec::new();
    for name in names() {
        let output = vex(&["check", &format!("{name}.kdl")]);
        let found = text(&output);
        if update {
            std::fs::write(folder().join(format!("{name}.out")), &found).expect("written");
        } else if found != shown(&name) {
            wrong
                .push(format!("--- {name}.kdl printed:\n{found}--- instead of:\n{}", shown(&name)));
        }
        let code = if found.contains("  × ") { 78 } else { 0 };
        assert_eq!(output.status.code(), Some(code), "{name}: {found}");
        assert!(found.contains("  × ") || found.contains("  ⚠ "), "{name} has no complaint");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let known: BTreeSet<String> = names().into_iter().collect();
    for entry in std::fs::read_dir(folder()).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|e| e == "out") {
            let name = path.file_stem().expect("a stem").to_string_lossy().into_owned();
            assert!(known.contains(&name), "{} belongs to no file", path.display());
        }
    }
}

#[test]
fn json_says_the_same_and_strict_makes_warnings_errors() {
    for name in names() {
        let output = vex(&["check", "--strict", "--format", "json", &format!("{name}.kdl")]);
        assert_eq!(output.status.code(), Some(78), "{name}");
        let lines: Vec<serde_json::Value> = String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{name}: {e}: {l}")))
            .collect();
        let found: BTreeSet<String> =
            lines.iter().map(|l| l["code"].as_str().expect("a code").to_owned()).collect();
        assert_eq!(found, codes(&shown(&name)), "{name}");
        for line in &lines {
            assert_eq!(line["version"], 1, "{name}");
            let severity = line["severity"].as_str().expect("a severity");
            assert!(["error", "warning"].contains(&severity), "{name}: {severity}");
        }
    }
}

#[test]
fn every_code_has_a_file_that_shows_it() {
    let mut known = BTreeSet::new();
    known_codes(&root().join("src"), &mut known);
    let seen: BTreeSet<String> = names().iter().flat_map(|n| codes(&shown(n))).collect();
    // A file that large is not kept in the repository; a test below makes one. What is told of summer
    // time names days that come, so that tests/job/schedule.rs looks for it.
    let elsewhere = ["vex::file::large", "vex::schedule::gap"];
    let unseen: Vec<&String> =
        known.iter().filter(|c| !seen.contains(*c) && !elsewhere.contains(&c.as_str())).collect();
    assert!(unseen.is_empty(), "no file in tests/check shows {unseen:?}");
    assert!(known.len() > 30, "{known:?}");
}

#[test]
fn no_secret_is_printed_by_any_command() {
    let mut canaries = 0;
    for name in names() {
        let file = format!("{name}.kdl");
        let source = std::fs::read(folder().join(&file)).expect("readable");
        if !String::from_utf8_lossy(&source).contains("CANARY") {
            continue;
        }
        canaries += 1;
        let mut commands = vec![
            vec!["check", &file],
            vec!["check", "--strict", "--format", "json", &file],
            vec!["check", "--format", "github", &file],
            vec!["check", "--format", "sarif", &file],
            vec!["plan", "--offline", &file],
            vec!["list", &file],
        ];
        // What would run is not run here; all others end at their errors.
        if shown(&name).contains("  × ") {
            commands.push(vec!["run", &file]);
        }
        for words in commands {
            let printed = text(&vex(&words));
            assert!(!printed.contains("CANARY"), "vex {}:\n{printed}", words.join(" "));
        }
    }
    assert!(canaries > 15, "{canaries}");
}

#[test]
fn a_file_larger_than_any_job_is_refused_and_a_missing_one_is_a_usage_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let large = folder.path().join("large.kdl");
    std::fs::write(&large, "a\n".repeat(3 << 20)).expect("written");
    let output = vex(&["check", &large.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output).contains("vex::file::large"), "{}", text(&output));
    let missing = folder.path().join("missing.kdl");
    let output = vex(&["check", &missing.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(64), "{}", text(&output));
}

#[test]
fn a_folder_is_checked_file_by_file_and_an_empty_one_is_a_usage_error() {
    let output = vex(&["check", "."]);
    let printed = text(&output);
    assert_eq!(output.status.code(), Some(78));
    for name in names() {
        assert!(printed.contains(&format!("{name}.kdl")), "{name}");
    }
    let empty = tempfile::tempdir().expect("a folder");
    assert_eq!(vex(&["check", &empty.path().to_string_lossy()]).status.code(), Some(64));
}

/// Checks a text in a file of its own: an answer is enough, a crash is not one.
fn check(source: &[u8]) {
    let own = tempfile::tempdir().expect("a folder");
    let file = own.path().join("t.kdl");
    std::fs::write(&file, source).expect("written");
    let output = vex(&["check", "--format", "json", &file.to_string_lossy()]);
    assert!(matches!(output.status.code(), Some(0 | 78)), "{:?}: {}", output.status, text(&output));
}

/// Every file that could be mutated: the worked examples and the broken ones.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for folder in [root().join("jobs"), folder()] {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|e| e == "kdl") {
                seeds.push(std::fs::read(path).expect("readable"));
            }
        }
    }
    seeds
}

static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(seeds);

/// How many texts are tried: `VEX_MUTATIONS`, else a few.
fn mutations() -> u32 {
    std::env::var("VEX_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(150)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: mutations(), ..ProptestConfig::default() })]

    #[test]
    fn no_small_text_makes_check_panic(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "sources", "stores", "job", "dump", "send", "verify", "exec", "keep", "notify", "ping", "include",
                "mysql", "sqlite", "dir", "s3", "archive", "password", "path=", "after=", "from=", "into=", "key=",
                "\"a\"", "\"b\"", "\"{name}\"", "(env)", "(file)\"x\"", "#true", "#null", "5", "-1.5", "{", "}", "\n",
                ";", "\\\n", "/-", "//", "/*", "*/", "\"\"\"", "#\"", "=", "é", "\u{feff}", "\r\n", "command \"x\"",
            ]),
            0..40,
        ),
    ) {
        check(words.join(" ").as_bytes());
    }

    #[test]
    fn no_mutation_of_a_job_makes_check_panic(
        seed in any::<prop::sample::Index>(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..12, prop::collection::vec(any::<u8>(), 0..4)), 1..5),
    ) {
        let mut bytes = seed.get(&SEEDS).clone();
        for (at, len, put) in cuts {
            let at = at.index(bytes.len() + 1);
            let end = (at + len).min(bytes.len());
            bytes.splice(at..end, put);
        }
        check(&bytes);
    }
}
