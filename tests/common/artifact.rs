//! Reads and alters what stands beside a container, for tests that look at it. An own reader, by
//! `schema/artifact.md`, so that a fault of vex does not hide itself.

use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::common::space::number;

/// The head beside `container` with `members` and `entries` from its index.
pub fn manifest(container: &Path) -> Value {
    let mut all = head(container);
    let members = frame(container, &all["index"]["members"]).split_off(1);
    let entries = entries(container).into_iter().filter(|line| line.get("contents").is_none());
    all["entries"] = entries.collect();
    all["members"] = members.into();
    all
}

/// The head beside a container.
pub fn head(container: &Path) -> Value {
    let path = format!("{}.manifest.json", container.display());
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The lines of a frame of the index beside a container.
pub fn frame(container: &Path, frame: &Value) -> Vec<Value> {
    let index = std::fs::read(format!("{}.index", container.display())).unwrap();
    let (from, bytes) = (number(frame, "offset"), number(frame, "bytes"));
    let text = zstd::decode_all(&index[from..from + bytes]).unwrap();
    assert_eq!(text.len(), number(frame, "raw"));
    let lines = text.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

/// The entries of a container as the index beside it lists them, those of the index itself too.
pub fn entries(container: &Path) -> Vec<Value> {
    let frames = frame(container, &head(container)["index"]["frames"]);
    frames.iter().flat_map(|line| frame(container, line)).collect()
}

/// Has the members' frame of an index say something else, with every hash and length made right.
pub fn alter_members(container: &Path, from: &str, to: &str) {
    let mut head = head(container);
    let lines = frame(container, &head["index"]["members"]);
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    assert!(text.contains(from), "{text}");
    let text = text.replace(from, to);
    let path = PathBuf::from(format!("{}.index", container.display()));
    let old = std::fs::read(&path).unwrap();
    let (members, frames) = (&head["index"]["members"], &head["index"]["frames"]);
    let (begin, end) = (number(members, "offset"), number(frames, "offset"));
    let own = zstd::encode_all(text.as_bytes(), 3).unwrap();
    let index = [&old[..begin], &own, &old[end..]].concat();
    let hash = |bytes: &[u8]| -> String {
        Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let line = &mut head["index"];
    line["members"]["bytes"] = own.len().into();
    line["members"]["raw"] = text.len().into();
    line["members"]["sha256"] = hash(&own).into();
    line["frames"]["offset"] = (begin + own.len()).into();
    line["bytes"] = index.len().into();
    line["sha256"] = hash(&index).into();
    std::fs::write(path, index).unwrap();
    std::fs::write(format!("{}.manifest.json", container.display()), head.to_string()).unwrap();
}

/// A byte in the middle of the first entry whose name is wanted.
#[track_caller]
pub fn middle_of(container: &Path, wanted: impl Fn(&str) -> bool) -> usize {
    let entry = entries(container)
        .into_iter()
        .find(|e| wanted(e["name"].as_str().or(e["contents"].as_str()).unwrap()))
        .unwrap();
    number(&entry, "offset") + number(&entry, "stored") / 2
}
