//! What is written about vex is true: the examples pass, the references are current, and an
//! artifact can be read by somebody who has `schema/artifact.md` and no code of ours.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_128;

use crate::common::binary::{self, text};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs vex with nothing of this machine in sight.
fn vex(folder: &Path, words: &[&str]) -> Output {
    let state = tempfile::tempdir().expect("a folder");
    binary::vex(state.path(), words).current_dir(folder).output().expect("vex starts")
}

/// All files below a folder with one of these extensions.
fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return found };
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path, extensions));
        } else if path.extension().is_some_and(|e| extensions.iter().any(|x| e == *x)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The texts that people read, where there are any.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = ["README.md", "README.pt-BR.md", "CONTRIBUTING.md"]
        .iter()
        .map(|p| root().join(p))
        .collect();
    pages.extend(files(&root().join("docs"), &["md"]));
    pages.extend(files(&root().join("schema"), &["md"]));
    pages.into_iter().filter(|p| p.is_file()).collect()
}

/// The blocks of a page between three backquotes and a word, and the next three.
fn blocks(page: &str, word: &str) -> Vec<String> {
    let (mut found, mut open): (Vec<String>, Option<String>) = (Vec::new(), None);
    for line in page.lines() {
        match (&mut open, line.trim()) {
            (Some(_), "```") => found.extend(open.take()),
            (Some(block), _) => *block += &format!("{line}\n"),
            (None, fence) if fence.strip_prefix("```") == Some(word) => open = Some(String::new()),
            (None, _) => {}
        }
    }
    found
}

#[test]
fn every_worked_example_is_without_a_complaint() {
    let examples = files(&root().join("jobs"), &["kdl"]);
    assert!(examples.len() >= 3, "{examples:?}");
    for example in examples {
        let output = vex(root(), &["check", "--strict", &example.to_string_lossy()]);
        assert!(output.status.success(), "{}", text(&output));
    }
}

#[test]
fn every_kdl_block_of_a_page_passes_check() {
    for page in pages() {
        let folder = tempfile::tempdir().expect("a folder");
        let source = std::fs::read_to_string(&page).expect("UTF-8");
        for (number, block) in blocks(&source, "kdl").iter().enumerate() {
            let file = folder.path().join(format!("{number}.kdl"));
            std::fs::write(&file, block).expect("written");
            let output = vex(folder.path(), &["check", &file.to_string_lossy()]);
            assert!(
                output.status.success(),
                "block {number} of {}:\n{}",
                page.display(),
                text(&output)
            );
        }
    }
}

#[test]
fn the_reference_of_the_language_is_what_vex_prints() {
    let output = vex(root(), &["schema"]);
    let written = std::fs::read_to_string(root().join("schema/job.md")).expect("schema/job.md");
    assert_eq!(
        written,
        String::from_utf8_lossy(&output.stdout),
        "run `vex schema > schema/job.md`"
    );
    let output = vex(root(), &["schema", "--format", "json"]);
    let written = std::fs::read_to_string(root().join("schema/job.json")).expect("schema/job.json");
    assert_eq!(
        written,
        String::from_utf8_lossy(&output.stdout),
        "run `vex schema --format json > schema/job.json`"
    );
}

#[test]
fn the_readme_lists_every_exit_code() {
    let Ok(readme) = std::fs::read_to_string(root().join("README.md")) else { return };
    let table = std::fs::read_to_string(root().join("src/cli/exit.rs")).expect("the table");
    let codes: Vec<u8> = table
        .lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix("Exit::")?
                .split_once("=> ")?
                .1
                .trim_end_matches(',')
                .parse()
                .ok()
        })
        .collect();
    assert!(codes.len() > 8, "{codes:?}");
    // The weights of `worse` are lines of the same form, small and not codes of their own.
    for code in codes.into_iter().filter(|c| *c < 3 || *c >= 64).chain([130, 143]) {
        let row = readme.lines().filter(|l| l.starts_with('|')).any(|line| {
            let first = line.trim_start_matches('|').split('|').next().unwrap_or_default();
            first.split(|c: char| !c.is_ascii_digit()).any(|word| word == code.to_string())
        });
        assert!(row, "README.md has no row for exit code {code}");
    }
}

/// Every field of what is written into a store has its place in the normative text.
#[test]
fn the_text_of_the_format_names_every_field() {
    let page =
        std::fs::read_to_string(root().join("schema/artifact.md")).expect("schema/artifact.md");
    let rooms = ["src/artifact", "src/shelf", "src/base/process_id.rs"].map(|r| root().join(r));
    let [artifact, shelf, process] = rooms;
    let mut seen = 0;
    for path in files(&artifact, &["rs"]).into_iter().chain(files(&shelf, &["rs"])).chain([process])
    {
        let source = std::fs::read_to_string(&path).expect("a source");
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        for chunk in source.split("#[derive(").skip(1) {
            let (derived, body) = chunk.split_once('\n').unwrap_or_default();
            if !derived.contains("Deserialize") {
                continue;
            }
            let mut is_flat = false;
            for line in body.split("\n}").next().unwrap_or_default().lines().map(str::trim) {
                let field = line.strip_prefix("pub ").unwrap_or(line).split(": ").next();
                let named = |c: char| c.is_ascii_lowercase() || c == '_';
                let is_field = line.contains(": ") && line.ends_with(',');
                if let Some(field) = field.filter(|f| is_field && f.chars().all(named)) {
                    let told = page.contains(&format!("`{field}`"));
                    let file = path.display();
                    assert!(
                        told || is_flat,
                        "schema/artifact.md does not name `{field}` of {file}"
                    );
                    seen += 1;
                }
                is_flat = line.contains("serde(flatten)");
            }
        }
    }
    assert!(seen > 100, "{seen} fields were found");
    let kinds = std::fs::read_to_string(root().join("src/artifact/member.rs")).expect("a source");
    let words = kinds.split("=> \"").skip(1).filter_map(|rest| rest.split('"').next());
    for word in words {
        let serialised = word.replace(' ', "");
        assert!(
            page.contains(&format!("`{serialised}`")),
            "schema/artifact.md does not name the kind `{serialised}`"
        );
    }
}

/// The quickstart, run in a folder of its own; returns the container.
fn quickstart(folder: &Path) -> PathBuf {
    std::fs::create_dir_all(folder.join("jobs/sample")).expect("a folder");
    for name in ["quickstart.kdl", "sample/library.sqlite"] {
        std::fs::copy(root().join("jobs").join(name), folder.join("jobs").join(name))
            .expect("copied");
    }
    let output = vex(folder, &["run", "jobs/quickstart.kdl"]);
    assert!(output.status.success(), "{}", text(&output));
    let found = files(&folder.join("target/quickstart"), &["zip"]);
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().expect("one")
}

#[test]
fn a_stranger_reads_an_artifact_by_its_text_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let container = quickstart(folder.path());
    let joined = folder.path().join("joined.sqlite");
    let mut reader = Command::new("python3");
    reader.arg(root().join("tests/independent_reader.py")).arg(&container).arg(&joined);
    let told = folder.path().join("members.json");
    reader.arg(&told);
    let output = reader.output().unwrap_or_else(|e| panic!("python3: {e}: run tests/run.sh"));
    assert!(output.status.success(), "{}", text(&output));

    let database = Connection::open(&joined).expect("a database");
    let check: String =
        database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("it answers");
    assert_eq!(check, "ok");
    let members: Vec<Value> =
        serde_json::from_slice(&std::fs::read(told).expect("written")).expect("JSON");
    let mut tables = 0;
    for member in members.iter().filter(|m| m["kind"] == "rows") {
        let digest = member["proof"]["digest"].as_str().expect("a digest");
        let digest = u128::from_str_radix(digest, 16).expect("hexadecimal");
        let rows = member["proof"]["rows"].as_u64().expect("a number");
        let name = member["name"].as_str().expect("a name");
        assert_eq!(proof(&database, name), (rows, digest), "{name}");
        tables += 1;
    }
    assert_eq!(tables, 6);
}

/// Rows and digest of a table as the text of the format says, from the values of the database
/// itself.
fn proof(database: &Connection, table: &str) -> (u64, u128) {
    let stored = "SELECT name FROM pragma_table_xinfo(?1) WHERE hidden = 0 ORDER BY cid";
    let mut statement = database.prepare(stored).expect("prepared");
    let names = statement.query_map([table], |row| row.get::<_, String>(0)).expect("columns");
    let mut columns: Vec<String> =
        names.map(|n| format!("\"{}\"", n.expect("a name").replace('"', "\"\""))).collect();
    let keyless = "SELECT count(*) = 0 FROM pragma_table_xinfo(?1) WHERE pk > 0";
    if database.query_row(keyless, [table], |row| row.get(0)).expect("it answers") {
        columns.insert(0, "rowid".into());
    }
    let sql = format!("SELECT {} FROM \"{}\"", columns.join(","), table.replace('"', "\"\""));
    let mut statement = database.prepare(&sql).expect("prepared");
    let mut rows = statement.query([]).expect("rows");
    let (mut count, mut sum) = (0, 0_u128);
    while let Some(row) = rows.next().expect("a row") {
        let mut bytes = Vec::new();
        for column in 0..columns.len() {
            let (tag, value) = match row.get_ref(column).expect("a value") {
                ValueRef::Null => {
                    bytes.push(0);
                    continue;
                }
                ValueRef::Integer(number) => (1, number.to_string().into_bytes()),
                ValueRef::Real(number) if number == f64::INFINITY => (1, b"9e999".to_vec()),
                ValueRef::Real(number) if number == f64::NEG_INFINITY => (1, b"-9e999".to_vec()),
                ValueRef::Real(number) => (1, format!("{number:?}").into_bytes()),
                ValueRef::Text(text) => (2, text.to_vec()),
                ValueRef::Blob(blob) => (3, blob.to_vec()),
            };
            bytes.push(tag);
            bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
            bytes.extend_from_slice(&value);
        }
        count += 1;
        sum = sum.wrapping_add(xxh3_128(&bytes));
    }
    (count, sum)
}

#[test]
fn the_programs_everybody_has_restore_an_artifact() {
    let folder = tempfile::tempdir().expect("a folder");
    let container = quickstart(folder.path());
    let script = Command::new("7zz").args(["x", "-so", "-r"]).arg(&container).arg("*.sql").output();
    let script = script.unwrap_or_else(|e| panic!("7zz: {e}: run tests/run.sh"));
    let (entries, restored) =
        (folder.path().join("all.sql"), folder.path().join("restored.sqlite"));
    std::fs::write(&entries, &script.stdout).expect("written");
    let mut shell = Command::new("sqlite3");
    shell.arg("-bail").arg(&restored).stdin(std::fs::File::open(&entries).expect("readable"));
    let output = shell.output().unwrap_or_else(|e| panic!("sqlite3: {e}: run tests/run.sh"));
    assert!(output.status.success(), "{}", text(&output));
    let original = Connection::open(root().join("jobs/sample/library.sqlite")).expect("a database");
    let restored = Connection::open(&restored).expect("a database");
    for table in ["author", "book", "shelf", "member", "loan", "what \"happened\" – diário"] {
        assert_eq!(proof(&original, table), proof(&restored, table), "{table}");
    }
}
