//! Reads what stands beside a container, for tests that look at it: head, members and entries as one
//! value. An own reader, by `schema/artifact.md`, so that a fault of vex does not hide itself.

use std::path::Path;

use serde_json::Value;

/// The head beside `container` with `members` and `entries` from its index.
pub fn manifest(container: &Path) -> Value {
    let beside = |suffix: &str| {
        let path = format!("{}{suffix}", container.display());
        std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
    };
    let mut head: Value = serde_json::from_slice(&beside(".manifest.json")).expect("a head");
    let index = beside(".index");
    let lines = |frame: &Value| -> Vec<Value> {
        let at = |name: &str| frame[name].as_u64().expect("a number") as usize;
        let bytes = &index[at("offset")..at("offset") + at("bytes")];
        let text = zstd::bulk::decompress(bytes, at("raw")).expect("a frame");
        let lines = text.split(|b| *b == b'\n').filter(|l| !l.is_empty());
        lines.map(|l| serde_json::from_slice(l).expect("a line")).collect()
    };
    let members = lines(&head["index"]["members"]).split_off(1);
    let frames = lines(&head["index"]["frames"]);
    let entries = frames.iter().flat_map(&lines).filter(|l| l.get("contents").is_none());
    head["entries"] = entries.collect();
    head["members"] = members.into();
    head
}
