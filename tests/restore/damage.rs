//! Damage × place × verb: it is named, with code 65, and wrong data never passes for right.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use vex::testing::base::ProcessId;
use vex::testing::world::process_id;

use crate::common::artifact::{alter_members, frame, head, middle_of};
use crate::common::space::{Ran, Space, contents, names, number, word};

/// Bytes stay as long as their data, so that two backups are of one size and can be swapped
/// unnoticed by size.
const JOB: &str = r#"
sources { sqlite "app" path="app.db" }
stores { dir "disk" path="disk" { keep last=9 } }
job "j" { dump "app" { archive compression="store"; send "disk"; verify "disk" } }
"#;

/// Two backups of two states of one database; the newer one is to be damaged.
struct Shelf {
    space: Space,
    id: String,
    /// Keys of the older and the newer backup, as paths.
    keys: [PathBuf; 2],
    expected: String,
}

impl Shelf {
    fn new() -> Shelf {
        let space = Space::new().job(JOB);
        let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'aaaa'), (2, 'bbbb');";
        let path = space.database("app.db", sql);
        space.back_up();
        rusqlite::Connection::open(&path)
            .unwrap()
            .execute_batch("UPDATE t SET v='cccc' WHERE id=1")
            .unwrap();
        space.back_up();
        let lines = space.list();
        let keys = [0, 1].map(|i| space.path("disk").join(word(&lines[i], "key")));
        Shelf { id: word(&lines[1], "id").to_owned(), keys, expected: contents(&path), space }
    }

    /// The same backups once more.
    fn copy(&self) -> Shelf {
        let space = self.space.copy();
        let key =
            |key: &PathBuf| space.path("").join(key.strip_prefix(self.space.path("")).unwrap());
        let keys = [key(&self.keys[0]), key(&self.keys[1])];
        Shelf { id: self.id.clone(), keys, expected: self.expected.clone(), space }
    }

    /// The object of a backup with this suffix; proofs are found by their beginning.
    fn object(&self, backup: usize, suffix: &str) -> PathBuf {
        let start = format!("{}{suffix}", self.keys[backup].file_name().unwrap().to_str().unwrap());
        let folder = self.keys[backup].parent().unwrap();
        let name = names(folder)
            .into_iter()
            .find(|n| if suffix.ends_with('-') { n.starts_with(&start) } else { *n == start });
        folder.join(name.unwrap())
    }

    /// A byte in the middle of an entry of the newer container.
    fn middle_of(&self, wanted: impl Fn(&str) -> bool) -> usize {
        middle_of(&self.keys[1], wanted)
    }

    /// A byte in the middle of an entry of the newer container that the index does not list.
    fn middle_of_text(&self, name: &str) -> usize {
        let mut archive = zip::ZipArchive::new(File::open(&self.keys[1]).unwrap()).unwrap();
        let entry = archive.by_name(name).unwrap();
        (entry.data_start().unwrap() + entry.compressed_size() / 2) as usize
    }

    /// A byte in the middle of a frame of the newer index.
    fn middle_of_frame(&self, frame: &Value) -> usize {
        number(frame, "offset") + number(frame, "bytes") / 2
    }

    fn verify(&self) -> Ran {
        self.space.run(&["verify", "job.kdl", "--backup", &self.id])
    }

    fn list(&self) -> Ran {
        self.space.run(&["list", "job.kdl", "--format", "json"])
    }

    /// Restores the damaged backup; what comes back without complaint must be right.
    fn restore(&self, what: &str) -> Ran {
        let into = self.space.path("restored.db");
        let ran = self.space.run(&[
            "restore",
            "job.kdl",
            "--backup",
            &self.id,
            "--into",
            &format!("sqlite:{}", into.display()),
        ]);
        if ran.code == 0 {
            assert_eq!(contents(&into), self.expected, "{what}: wrong data without complaint");
            std::fs::remove_file(&into).unwrap();
        }
        assert!(!into.exists(), "{what}: a failed restore left a file in place");
        ran
    }
}

/// Where damage strikes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    /// An entry of the container.
    Data,
    /// The lines of the index inside the container.
    InnerIndex,
    /// One of the last entries of the container.
    Text(&'static str),
    /// The central directory.
    Directory,
    /// The frame of the index that lists entries.
    Entries,
    /// The frame of the index that lists members.
    Members,
    /// The frame of the index that lists frames.
    Frames,
    Head,
    Proof,
    /// The marker of a run that could not remove it.
    Marker,
}

/// What is done to it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Harm {
    Delete,
    Truncate,
    Flip,
    Swap,
}

fn strike(shelf: &Shelf, harm: Harm, place: Place) {
    let suffix = match place {
        Place::Data | Place::InnerIndex | Place::Text(_) | Place::Directory => "",
        Place::Entries | Place::Members | Place::Frames => ".index",
        Place::Head => ".manifest.json",
        Place::Proof => ".proof-",
        Place::Marker => ".begun",
    };
    let (own, other) = (shelf.object(1, suffix), shelf.object(0, suffix));
    let bytes = std::fs::read(&own).unwrap();
    let index = &head(&shelf.keys[1])["index"];
    let at = match place {
        Place::Data => shelf.middle_of(|name| name.ends_with(".sqlite")),
        Place::InnerIndex => shelf.middle_of(|name| name == "index.00000.ndjson"),
        Place::Text(name) => shelf.middle_of_text(name),
        Place::Directory => bytes.len() - 100,
        Place::Entries => shelf.middle_of_frame(&frame(&shelf.keys[1], &index["frames"])[0]),
        Place::Members => shelf.middle_of_frame(&index["members"]),
        Place::Frames => shelf.middle_of_frame(&index["frames"]),
        Place::Head | Place::Proof | Place::Marker => bytes.len() / 2,
    };
    match harm {
        Harm::Delete => std::fs::remove_file(&own).unwrap(),
        Harm::Truncate => std::fs::write(&own, &bytes[..at]).unwrap(),
        Harm::Flip => flip(&own, &bytes, at),
        Harm::Swap => {
            let mut others = std::fs::read(&other).unwrap();
            // A container or an index of another size is found by that alone.
            if matches!(suffix, "" | ".index") {
                others.resize(bytes.len(), 0);
            }
            std::fs::write(&own, others).unwrap();
        }
    }
}

fn flip(path: &Path, bytes: &[u8], at: usize) {
    let mut bytes = bytes.to_owned();
    bytes[at] ^= 0x04;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn every_damage_at_every_place_is_named_by_every_verb() {
    use {Harm::*, Place::*};
    // What list, verify, and restore end with, and what verify says. A flipped byte in container or
    // index is found by reading only; what only people and other programs read, by verify only. An
    // artifact without head does not exist. Without its proofs, or with unreadable ones, the data is
    // as good as before; a marker beside a head means nothing.
    const TABLE: [(Harm, Place, [i32; 3], &str); 32] = [
        (Delete, Data, [65, 65, 65], "the container is missing"),
        (Truncate, Data, [65, 65, 65], "the container has "),
        (Flip, Data, [0, 65, 65], "entry app/file.00000.sqlite is damaged"),
        (Swap, Data, [0, 65, 65], "is damaged: its SHA-256 is "),
        (Flip, InnerIndex, [0, 65, 0], "entry index.00000.ndjson is damaged"),
        (Truncate, InnerIndex, [65, 65, 65], "the container has "),
        (Flip, Text("members.ndjson"), [0, 65, 0], "what follows its entries has SHA-256 "),
        (Flip, Text("README.txt"), [0, 65, 0], "what follows its entries has SHA-256 "),
        (Flip, Text("LEIA-ME.txt"), [0, 65, 0], "what follows its entries has SHA-256 "),
        (Flip, Text("manifest.json"), [0, 65, 0], "what follows its entries has SHA-256 "),
        (Truncate, Directory, [65, 65, 65], "the container has "),
        (Flip, Directory, [0, 65, 0], "what follows its entries has SHA-256 "),
        (Delete, Entries, [65, 65, 65], "the index is missing"),
        (Truncate, Entries, [65, 65, 65], "the index has "),
        (Flip, Entries, [0, 65, 65], "its index: the frame at 0 has SHA-256 "),
        (Swap, Entries, [0, 65, 65], "its index: the frame at "),
        (Truncate, Members, [65, 65, 65], "the index has "),
        (Flip, Members, [0, 65, 65], "its index: the frame at "),
        (Truncate, Frames, [65, 65, 65], "the index has "),
        (Flip, Frames, [0, 65, 65], "its index: the frame at "),
        (Delete, Head, [0, 1, 1], "there is no backup "),
        (Truncate, Head, [65, 65, 65], "is passed over: the manifest is damaged"),
        (Flip, Head, [65, 65, 65], "is passed over: the manifest is damaged"),
        (Swap, Head, [65, 65, 65], "is passed over: the manifest is damaged: it belongs to "),
        (Delete, Proof, [0, 0, 0], ": proven, "),
        (Truncate, Proof, [65, 0, 0], ": proven, "),
        (Flip, Proof, [65, 0, 0], ": proven, "),
        (Swap, Proof, [65, 0, 0], ": proven, "),
        (Delete, Marker, [0, 0, 0], ": proven, "),
        (Truncate, Marker, [0, 0, 0], ": proven, "),
        (Flip, Marker, [0, 0, 0], ": proven, "),
        (Swap, Marker, [0, 0, 0], ": proven, "),
    ];
    let mut found = Vec::new();
    let first = Shelf::new();
    for (harm, place, _, said) in TABLE {
        let shelf = first.copy();
        if place == Marker {
            for key in &shelf.keys {
                std::fs::write(format!("{}.begun", key.display()), marker(&gone())).unwrap();
            }
        }
        strike(&shelf, harm, place);
        let what = format!("{harm:?} {place:?}");
        let list = shelf.list();
        // What is left of a backup without head is shown as what it is.
        let headless = list.stderr.contains("is no backup: it has no head");
        assert_eq!(headless, (harm, place) == (Delete, Head), "{what}: {}", list.stderr);
        // Restore first: a verification writes down what it found.
        let restore = shelf.restore(&what).code;
        let verify = shelf.verify();
        let text = format!("{}{}", verify.stdout, verify.stderr);
        assert!(text.contains(said), "{what}: {text}");
        // What was read and found bad is kept, and so the next that asks knows it.
        let kept = shelf.list().json().iter().any(|l| word(l, "proof") == "damaged");
        assert_eq!(kept, list.code == 0 && verify.code == 65, "{what}: {text}");
        found.push((harm, place, [list.code, verify.code, restore], said));
    }
    assert_eq!(found, TABLE);
}

/// The process of this test.
fn own() -> ProcessId {
    process_id().expect("this is Linux")
}

/// A process that was, before this one, where this one is.
fn gone() -> ProcessId {
    ProcessId { started: own().started - 1, ..own() }
}

/// The marker of a run by a process.
fn marker(process: &ProcessId) -> String {
    let process = serde_json::to_string(process).unwrap();
    format!(
        r#"{{"format":1,"run":"20200101T000000Z-00000000","host":"h","process":{process},"at":"2020-01-01T00:00:00Z"}}"#
    )
}

#[test]
fn only_what_a_dead_run_has_begun_is_swept() {
    let elsewhere = ProcessId { machine: "another".into(), ..own() };
    let rebooted = ProcessId { boot: "another".into(), ..own() };
    let enclosed = ProcessId { namespace: "another".into(), ..own() };
    // The markers, how many days ago they were written by the clock of the store, and whether what
    // they stand beside is swept.
    let table: [(&str, &[String], u64, bool); 13] = [
        ("none", &[], 0, false),
        ("dead", &[marker(&gone())], 0, true),
        ("alive", &[marker(&own())], 0, false),
        ("another machine", &[marker(&elsewhere)], 0, false),
        ("another machine, six days", &[marker(&elsewhere)], 6, false),
        ("another machine, eight days", &[marker(&elsewhere)], 8, true),
        ("unreadable, eight days", &["{".into()], 8, false),
        ("before a reboot, or a copy of this machine", &[marker(&rebooted)], 0, false),
        ("another namespace", &[marker(&enclosed)], 0, false),
        ("unreadable", &["{".into()], 0, false),
        ("nobody's", &[marker(&gone()).replace(r#""machine""#, r#""m""#)], 0, false),
        ("dead, and one unreadable", &[marker(&gone()), "{".into()], 0, false),
        ("dead, and one alive", &[marker(&gone()), marker(&own())], 0, false),
    ];
    for (what, markers, days, swept) in table {
        let space = Space::new().job(JOB);
        space.database("app.db", "CREATE TABLE t (v);");
        let folder = space.path("disk/j/app");
        std::fs::create_dir_all(&folder).unwrap();
        let name = "backup_20200101_000000.zip";
        let proof = format!("{name}.proof-20200101T000000000000Z.json");
        for name in [name, &format!("{name}.index"), &proof] {
            std::fs::write(folder.join(name), "half of it").unwrap();
        }
        for (text, suffix) in markers.iter().zip([".begun", ".begun-20200102T000000000000Z"]) {
            let path = folder.join(format!("{name}{suffix}"));
            std::fs::write(&path, text).unwrap();
            let then = SystemTime::now() - Duration::from_secs(days * 86_400 + 60);
            File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
        }
        let before = names(&folder);
        let ran = space.back_up();
        let left: Vec<String> =
            names(&folder).into_iter().filter(|n| n.starts_with(name)).collect();
        assert_eq!(left, if swept { Vec::new() } else { before }, "{what}: {ran:?}");
        let listed = space.run(&["list", "job.kdl"]).expect(0);
        let why = match markers {
            [] => "it has no head: vex did not make it, or its head was lost",
            _ => "a run has begun it, and it has no head yet",
        };
        assert_eq!(listed.stderr.contains(why), !swept, "{what}: {}", listed.stderr);
        let unread = markers.iter().any(|text| text == "{");
        let told = space.logs().contains("is left alone: the manifest is damaged: a marker: ");
        assert_eq!(told, unread || what == "nobody's", "{what}: {}", space.logs());
    }
}

#[test]
fn a_damaged_table_is_named_when_it_alone_is_restored() {
    let shelf = Shelf::new();
    let container = shelf.object(1, "");
    let at = shelf.middle_of(|name| name.starts_with("app/t.0"));
    flip(&container, &std::fs::read(&container).unwrap(), at);
    let only = [
        "restore",
        "job.kdl",
        "--backup",
        &shelf.id,
        "--only",
        "app.t",
        "--into",
        "sqlite:only.db",
    ];
    let ran = shelf.space.run(&only).expect(65);
    assert!(ran.stderr.contains("entry app/t.00000.sql is damaged"), "{}", ran.stderr);
    // The file is whole: what is not read can't hurt.
    assert_eq!(shelf.restore("the file").code, 0);
}

#[test]
fn what_was_found_damaged_is_latest_no_more() {
    let shelf = Shelf::new();
    strike(&shelf, Harm::Flip, Place::Data);
    shelf.verify().expect(65);
    let lines = shelf.list().expect(0).json();
    let found: Vec<_> = lines.iter().map(|l| (word(l, "verdict"), word(l, "proof"))).collect();
    assert_eq!(found, [("success", "read"), ("error", "damaged")]);
    let ran = shelf.space.run(&["restore", "job.kdl", "--into", "sqlite:latest.db"]).expect(0);
    assert!(ran.stderr.contains("is passed over: it was found damaged"), "{}", ran.stderr);
    assert!(contents(&shelf.space.path("latest.db")).contains("aaaa"));
}

/// What passes for right although a byte of it was flipped: where, and what stands there.
fn passes(shelf: &Shelf, object: &Path, step: usize, meant: impl Fn(usize) -> bool) -> Vec<String> {
    let (bytes, mut passed) = (std::fs::read(object).unwrap(), Vec::new());
    for at in (0..bytes.len()).step_by(step).filter(|at| meant(*at)) {
        flip(object, &bytes, at);
        if shelf.verify().code == 0 {
            let text = bytes[at..(at + 20).min(bytes.len())].escape_ascii();
            passed.push(format!("{at}: {text}"));
        }
        // A verification writes down what it found; the next is to begin anew.
        for proof in names(&shelf.space.path("disk")).into_iter().filter(|n| n.contains(".proof-"))
        {
            std::fs::remove_file(shelf.space.path("disk").join(proof)).unwrap();
        }
    }
    passed
}

#[test]
fn no_flipped_byte_of_a_head_passes_for_right() {
    let shelf = Shelf::new();
    let path = shelf.object(1, ".manifest.json");
    // The hashes of container and index as a whole are for people and other programs: ranges are
    // proven by the hashes of entries, tail and frames.
    let text = std::fs::read_to_string(&path).unwrap();
    let whole = |object: &str| {
        let object = text.find(object).unwrap();
        let at = object + text[object..].find("\"sha256\": \"").unwrap() + 11;
        at..at + 64
    };
    let wholes = [whole("\"objects\""), whole("\"index\"")];
    let meant = |at| !wholes.iter().any(|whole| whole.contains(&at));
    assert_eq!(passes(&shelf, &path, 7, meant), [""; 0]);
}

#[test]
fn no_flipped_byte_of_an_index_passes_for_right() {
    let shelf = Shelf::new();
    assert_eq!(passes(&shelf, &shelf.object(1, ".index"), 17, |_| true), [""; 0]);
}

#[test]
fn an_index_that_says_something_else_is_not_the_one_inside() {
    let first = Shelf::new();
    for (from, to) in
        [("\"t\"", "\"u\""), ("\"kind\":\"rows\"", "\"kind\":\"rows\",\"table\":\"x\"")]
    {
        let shelf = first.copy();
        alter_members(&shelf.keys[1], from, to);
        let ran = shelf.verify().expect(65);
        assert!(ran.stdout.contains("it is not the one inside the container"), "{ran:?}");
    }
    // A sum that is not that of the entries is found before they are read.
    let shelf = first.copy();
    alter_members(&shelf.keys[1], "\"rows\":2", "\"rows\":3");
    let ran = shelf.verify().expect(65);
    assert!(ran.stdout.contains("its units, notes or position are not those"), "{ran:?}");
}

#[test]
fn what_a_head_or_a_proof_needs_of_a_newer_vex_is_refused_by_name() {
    let first = Shelf::new();
    let newer = |found: u64, known: u64| {
        format!("has format {found}, this vex reads up to {known}; use a newer vex")
    };
    let unknown = "it needs \"log\", which this vex does not know; use a newer vex";
    // The object, what it says instead, what list and restore end with, and what is said.
    let table: [(&str, &str, &str, [i32; 2], &str); 7] = [
        (".manifest.json", "\"format\": 4", "\"format\": 5", [1, 65], &newer(5, 4)),
        (".manifest.json", "\"format\": 4", "\"format\": 5, \"more\": true", [1, 65], &newer(5, 4)),
        (
            ".manifest.json",
            "\"format\": 4",
            "\"format\": 4, \"needs\": [\"log\"]",
            [65, 65],
            unknown,
        ),
        // What a reader need not understand, it passes over.
        (".manifest.json", "\"format\": 4", "\"format\": 4, \"more\": true", [0, 0], ""),
        (".manifest.json", "\"format\": 4", "\"format\": 3", [65, 65], "unknown field"),
        (".proof-", "\"format\": 1", "\"format\": 2", [1, 0], &newer(2, 1)),
        (
            ".proof-",
            "\"format\": 1",
            "\"format\": 1, \"more\": true",
            [65, 0],
            "unknown field `more`",
        ),
    ];
    for (suffix, from, to, [list, restore], said) in table {
        let shelf = first.copy();
        let object = shelf.object(1, suffix);
        let text = std::fs::read_to_string(&object).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(&object, text.replace(from, to)).unwrap();
        let ran = shelf.list().expect(list);
        assert!(ran.stderr.contains(said), "{suffix} {to}: {}", ran.stderr);
        assert_eq!(shelf.restore(to).code, restore, "{suffix} {to}");
        shelf.verify().expect(restore);
    }
}
