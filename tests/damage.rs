//! Damage × place × verb: it is named, with code 65, and wrong data never passes for right.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::space::{Ran, Space, contents, names, word};

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
        let manifest: Value =
            serde_json::from_slice(&std::fs::read(self.object(1, ".manifest.json")).unwrap())
                .unwrap();
        let entry = manifest["entries"]
            .as_array()
            .unwrap()
            .iter()
            .find(|e| wanted(word(e, "name")))
            .unwrap();
        (entry["offset"].as_u64().unwrap() + entry["stored"].as_u64().unwrap() / 2) as usize
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
    Data,
    Tail,
    Manifest,
    Proof,
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
        Place::Data | Place::Tail => "",
        Place::Manifest => ".manifest.json",
        Place::Proof => ".proof-",
    };
    let (own, other) = (shelf.object(1, suffix), shelf.object(0, suffix));
    let bytes = std::fs::read(&own).unwrap();
    let at = match place {
        Place::Data => shelf.middle_of(|name| name.ends_with(".sqlite")),
        Place::Tail => bytes.len() - 100,
        Place::Manifest | Place::Proof => bytes.len() / 2,
    };
    match harm {
        Harm::Delete => std::fs::remove_file(&own).unwrap(),
        Harm::Truncate => std::fs::write(&own, &bytes[..at]).unwrap(),
        Harm::Flip => flip(&own, &bytes, at),
        Harm::Swap => {
            let mut others = std::fs::read(&other).unwrap();
            // A container of another size is found by that alone.
            if suffix.is_empty() {
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
    // What list, verify, and restore end with. A flipped byte in the container is found by reading
    // only. An artifact without manifest does not exist. Without its proofs, or with unreadable
    // ones, the data is as good as before.
    const TABLE: [(Harm, Place, [i32; 3]); 14] = [
        (Delete, Data, [65, 65, 65]),
        (Truncate, Data, [65, 65, 65]),
        (Flip, Data, [0, 65, 65]),
        (Swap, Data, [0, 65, 65]),
        (Truncate, Tail, [65, 65, 65]),
        (Flip, Tail, [0, 65, 0]),
        (Delete, Manifest, [0, 1, 1]),
        (Truncate, Manifest, [65, 65, 65]),
        (Flip, Manifest, [65, 65, 65]),
        (Swap, Manifest, [65, 65, 65]),
        (Delete, Proof, [0, 0, 0]),
        (Truncate, Proof, [65, 0, 0]),
        (Flip, Proof, [65, 0, 0]),
        (Swap, Proof, [65, 0, 0]),
    ];
    let mut found = Vec::new();
    let first = Shelf::new();
    for (harm, place, _) in TABLE {
        let shelf = first.copy();
        strike(&shelf, harm, place);
        let what = format!("{harm:?} {place:?}");
        let list = shelf.list();
        // Restore first: a verification writes down what it found.
        let restore = shelf.restore(&what).code;
        found.push((harm, place, [list.code, shelf.verify().code, restore]));
    }
    assert_eq!(found, TABLE);
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
    assert_eq!(found, [("Sucesso", "read"), ("Erro", "damaged")]);
    let ran = shelf.space.run(&["restore", "job.kdl", "--into", "sqlite:latest.db"]).expect(0);
    assert!(ran.stderr.contains("is passed over: it was found damaged"), "{}", ran.stderr);
    assert!(contents(&shelf.space.path("latest.db")).contains("aaaa"));
}

#[test]
fn no_flipped_byte_of_a_manifest_passes_for_right() {
    let shelf = Shelf::new();
    let sidecar = shelf.object(1, ".manifest.json");
    let bytes = std::fs::read(&sidecar).unwrap();
    let mut passed = Vec::new();
    // The hash of the whole is for people and other programs: ranges are proven by the hashes of
    // entries and tail.
    let text = String::from_utf8(bytes.clone()).unwrap();
    let object = text.find("\"object\"").unwrap();
    let whole = object + text[object..].find("\"sha256\": \"").unwrap() + 11;
    for at in (0..bytes.len()).step_by(7).filter(|at| !(whole..whole + 64).contains(at)) {
        flip(&sidecar, &bytes, at);
        let ran = shelf.space.run(&["verify", "job.kdl", "--backup", &shelf.id]);
        if ran.code == 0 {
            passed.push((at, bytes[at..(at + 20).min(bytes.len())].escape_ascii().to_string()));
        }
        // A verification writes down what it found; the next is to begin anew.
        for proof in names(&shelf.space.path("disk")).into_iter().filter(|n| n.contains(".proof-"))
        {
            std::fs::remove_file(shelf.space.path("disk").join(proof)).unwrap();
        }
    }
    assert_eq!(passed, []);
}

#[test]
fn a_newer_format_and_unknown_fields_are_refused() {
    let first = Shelf::new();
    for (suffix, verify, newest) in [(".manifest.json", 65, 3), (".proof-", 0, 1)] {
        let shelf = first.copy();
        let object = shelf.object(1, suffix);
        let text = std::fs::read_to_string(&object).unwrap();
        let next = format!("\"format\": {}", newest + 1);
        let refused =
            format!("has format {}, this vex reads up to {newest}; use a newer vex", newest + 1);
        let more = format!("{next}, \"more\": true");
        let cases = [
            ("\"format\": 1", next.as_str(), refused.as_str()),
            ("\"format\": 1", more.as_str(), refused.as_str()),
            ("\"format\": 1", "\"format\": 1, \"more\": true", "unknown field `more`"),
        ];
        for (from, to, said) in cases {
            std::fs::write(&object, text.replace(from, to)).unwrap();
            let ran = shelf.list().expect(65);
            assert!(ran.stderr.contains(said), "{suffix} {to}: {}", ran.stderr);
            assert_eq!(shelf.restore(to).code, verify, "{suffix} {to}");
            shelf.verify().expect(verify);
        }
    }
}
