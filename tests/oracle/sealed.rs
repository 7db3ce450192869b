//! Pieces that are sealed with a password or for recipients of age: what stands in the store, who
//! opens it with vex and without, and what no flipped bit may do.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::common::space::{files, names, word};
use crate::oracle::bench::{Bench, said};

const PASSWORD: &str = "CANARY-piece";

/// A database whose two jobs seal, and what a restore is told to open it.
fn sealed(ending: &str) -> (Bench, Vec<String>) {
    let bench = Bench::disk();
    let (archive, keys) = match ending {
        ".zip" => {
            let file = bench.space.secret("pw", PASSWORD);
            (format!("password (file)\"{}\"", file.display()), Vec::new())
        }
        _ => {
            let file = bench.space.path("own");
            let ran = Command::new("age-keygen").arg("-o").arg(&file).output();
            let ran = ran.unwrap_or_else(|e| panic!("age-keygen: {e}: run tests/run.sh"));
            assert!(ran.status.success());
            let text = fs::read_to_string(&file).unwrap();
            let own = text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
            let keys = vec!["--identity".to_owned(), file.display().to_string()];
            (format!("age {{ recipient \"{own}\" }}"), keys)
        }
    };
    let path = bench.space.path("job.kdl");
    let job = fs::read_to_string(&path).unwrap();
    let job = job.replace("L\" { rman", &format!("L\" {{ archive {{ {archive} }}; rman"));
    assert_eq!(job.matches("archive {").count(), 2, "{job}");
    fs::write(path, job).unwrap();
    (bench, keys)
}

fn restore(bench: &Bench, mode: &str, keys: &[String]) -> crate::common::space::Ran {
    let words = ["restore", "job.kdl", "fin", "--mode", mode];
    let more: Vec<&str> = keys.iter().map(String::as_str).collect();
    bench.space.run(&[&words[..], &more].concat())
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the piece of an object is once a program other than vex opened it.
fn opened(bench: &Bench, object: &Path, name: &str) -> Vec<u8> {
    let to = bench.space.path("opened");
    fs::create_dir_all(&to).unwrap();
    let out = to.join(name);
    let ran = match object.extension().unwrap().to_str().unwrap() {
        "zip" => Command::new("7zz")
            .args(["x", "-y", &format!("-p{PASSWORD}"), &format!("-o{}", to.display())])
            .arg(object)
            .output(),
        _ => {
            let own = bench.space.path("own");
            Command::new("age")
                .arg("-d")
                .arg("-i")
                .arg(own)
                .arg("-o")
                .arg(&out)
                .arg(object)
                .output()
        }
    };
    let ran = ran.unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    fs::read(out).unwrap()
}

/// The sealed pieces of a head are what they say, and nothing else of them is anywhere.
fn looks_sealed(bench: &Bench, head: &Value, ending: &str) {
    assert_eq!(head["needs"], serde_json::json!(["pieces", "sealed-pieces"]));
    for object in head["objects"].as_array().unwrap() {
        let (key, piece) = (word(object, "key"), &object["piece"]);
        assert_eq!(key.rsplit_once('/').unwrap().1, format!("{}{ending}", word(piece, "name")));
        let path = bench.space.path("nas").join(key);
        let stored = fs::read(&path).unwrap();
        assert_eq!(
            (stored.len() as u64, digest(&stored)),
            (object["bytes"].as_u64().unwrap(), word(object, "sha256").to_owned())
        );
        let plain = opened(bench, &path, word(piece, "name"));
        assert_eq!(plain.len() as u64, piece["plain"]["bytes"].as_u64().unwrap());
        assert_eq!(digest(&plain), word(&piece["plain"], "sha256"));
    }
}

fn comes_back(ending: &str) {
    let (bench, keys) = sealed(ending);
    bench.back_up("FULL", 20).expect(0);
    bench.back_up("INCREMENTAL", 20).expect(0);
    let heads = bench.heads();
    heads.iter().for_each(|head| looks_sealed(&bench, head, ending));
    assert_eq!(names(&bench.space.state("staging")), [] as [&str; 0]);
    assert!(bench.lost_logs().is_empty());
    let all: Vec<u8> =
        files(&bench.space.path("nas")).iter().flat_map(|path| fs::read(path).unwrap()).collect();
    let text = String::from_utf8_lossy(&all);
    assert!(!text.contains(PASSWORD) && !text.contains("\"blocks\""), "something is not sealed");
    let expected = bench.rows();
    bench.ctl(&["lose"]);
    let kept = bench.space.copy();
    for mode in ["FULL", "INCREMENTAL"] {
        restore(&bench, mode, &keys).expect(0);
        assert_eq!(bench.rows(), expected, "{mode}");
        bench.space.put_back(&kept);
    }
    // Without the key, and with another: named, and nothing is touched.
    let before = bench.ctl(&["show"]);
    let other = bench.space.path("other");
    let wrong: Vec<String> = match ending {
        ".zip" => {
            fs::write(bench.space.path("pw"), "another").unwrap();
            Vec::new()
        }
        _ => {
            let ran = restore(&bench, "FULL", &[]);
            assert!(ran.code != 0 && ran.stderr.contains("sealed"), "{ran:?}");
            assert!(Command::new("age-keygen").arg("-o").arg(&other).status().unwrap().success());
            vec!["--identity".to_owned(), other.display().to_string()]
        }
    };
    let ran = restore(&bench, "INCREMENTAL", &wrong);
    assert!(ran.code != 0 && ran.stderr.contains("sealed"), "{ran:?}");
    assert_eq!(bench.ctl(&["show"]), before);
    // Its bytes are proven without any key.
    bench.space.run(&["verify", "job.kdl", "fin"]).expect(0);
}

#[test]
fn pieces_that_a_password_seals_come_back_and_7_zip_opens_them() {
    comes_back(".zip");
}

#[test]
fn pieces_that_are_sealed_for_age_come_back_and_age_opens_them() {
    comes_back(".age");
}

/// Two channels open their pieces at once, and the names of all of them have the same text before
/// their last dot.
#[test]
fn sealed_pieces_of_a_source_with_a_dot_in_its_name_come_back() {
    let (bench, _) = sealed(".zip");
    let path = bench.space.path("job.kdl");
    let job = fs::read_to_string(&path).unwrap().replace("\"fin\"", "\"fin.corp\"");
    fs::write(&path, job).unwrap();
    bench.back_up("FULL", 20).expect(0);
    let expected = bench.rows();
    bench.ctl(&["lose"]);
    bench.space.run(&["restore", "job.kdl", "fin.corp", "--mode", "FULL"]).expect(0);
    assert_eq!(bench.rows(), expected);
}

#[test]
fn no_flipped_bit_of_a_sealed_piece_goes_unseen() {
    let (bench, _) = sealed(".zip");
    bench.back_up("FULL", 20).expect(0);
    let head = bench.heads().remove(0);
    bench.ctl(&["lose"]);
    let before = bench.ctl(&["show"]);
    let kept = bench.space.copy();
    for (number, object) in head["objects"].as_array().unwrap().iter().enumerate() {
        let path = bench.space.path("nas").join(word(object, "key"));
        let whole = fs::read(&path).unwrap();
        // In its header, its content, its authentication code and its end.
        for at in [3 + number, whole.len() / 2, whole.len() - 90, whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&path, bytes).unwrap();
            let ran = match at % 2 {
                0 => bench.space.run(&["verify", "job.kdl", "fin"]),
                _ => restore(&bench, "FULL", &[]),
            };
            assert!(ran.code != 0, "byte {at} of {object}: {ran:?}");
            assert!(said(&ran).contains(word(object, "key")), "byte {at}: {ran:?}");
            assert_eq!(bench.ctl(&["show"]), before, "byte {at} of {object}");
            bench.space.put_back(&kept);
        }
    }
    let expected = restore(&bench, "FULL", &[]);
    assert_eq!(expected.code, 0, "{expected:?}");
}

#[test]
fn retention_removes_sealed_pieces_with_their_head_and_nothing_else() {
    let (bench, _) = sealed(".zip");
    let path = bench.space.path("job.kdl");
    let job = fs::read_to_string(&path).unwrap().replace("keep last=20", "keep last=1");
    fs::write(&path, job).unwrap();
    bench.back_up("FULL", 20).expect(0);
    let old = bench.heads().remove(0);
    let folder = bench.space.path("nas").join(word(&old["objects"][0], "key"));
    let foreign = folder.with_file_name("somebody.zip");
    fs::write(&foreign, "not of vex").unwrap();
    bench.back_up("FULL", 20).expect(0);
    let heads = bench.heads();
    assert_eq!(heads.len(), 1);
    for object in old["objects"].as_array().unwrap() {
        assert!(!bench.space.path("nas").join(word(object, "key")).exists(), "{object}");
    }
    assert!(foreign.exists());
    looks_sealed(&bench, &heads[0], ".zip");
}
