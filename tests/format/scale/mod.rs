//! Backups of many tables, many chunks and many bytes: memory stays within the bound that `vex plan`
//! prints, heads stay small, and only what is needed is read.
//!
//! CI runs a hundredth; `tests/torture.sh scale` sets `VEX_SCALE=1` for the whole. Memory is
//! measured in a process of its own, since the tests beside it have theirs.

mod counting;
mod synthetic;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use sha2::{Digest, Sha256};
use vex::testing::artifact::{
    ContentsLine, Details, Dialect, EntryLine, Head, INDEX, IndexWriter, LARGEST_HEAD, MANIFEST,
    Manifest, Method, Naming, ObjectLine, TEMPLATE, Totals, UnitSum, hex,
};
use vex::testing::base::Stop;
use vex::testing::job::DirSpec;
use vex::testing::pipeline::{
    Backup, Copy, Fetch, IndexMade, Meter, Restore, Shape, Windows, backup,
};
use vex::testing::pipeline::{restore, verify};
use vex::testing::recover::Opened;
use vex::testing::shelf::{Contents, IndexBytes, Shelf};
use vex::testing::source::contract::Snapshot;
use vex::testing::store::{Dir, Memory, contract::Store};
use vex::testing::world::World;

use crate::common::binary::one_test;
use crate::format::scale::counting::Counting;
use crate::format::scale::synthetic::{Counted, Synthetic, members, proof};

/// Where the child that measures itself keeps its objects.
const CHILD: &str = "VEX_SCALE_CHILD";

/// Name of the backup.
const NAME: &str = "backup_20261129_010000.zip";

/// A hundredth of a number, or all of it.
fn scaled(whole: usize) -> usize {
    if std::env::var_os("VEX_SCALE").is_some() { whole } else { whole / 100 }
}

/// Runs the test of this name in a process of its own, as which it finds a folder.
fn alone(name: &str, work: impl FnOnce(&Path)) {
    if let Some(folder) = std::env::var_os(CHILD) {
        return work(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let mut child = one_test(module_path!(), name);
    child.env(CHILD, folder.path());
    let output = child.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let figures: Vec<&str> =
        said.lines().filter_map(|l| l.split_once("figure ")).map(|l| l.1).collect();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(!figures.is_empty(), "{said}");
    for line in figures {
        writeln(&format!("figure {line}"));
    }
}

/// Says a figure; `tests/torture.sh` collects them.
fn writeln(line: &str) {
    use std::io::Write;
    std::io::stdout().write_all(format!("\n{line}\n").as_bytes()).unwrap();
}

/// A field of this process's status, in KiB.
fn status(field: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|l| l.strip_prefix(field)).unwrap();
    line.trim_matches([':', ' ', '\t', 'k', 'B']).parse().unwrap()
}

/// Does work, and says how long it took and how much memory it had on top at most, in bytes.
fn measured<T>(what: &str, bound: u64, work: impl FnOnce() -> T) -> T {
    // The peak is counted anew from here.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let (before, begun) = (status("VmRSS"), Instant::now());
    let done = work();
    let peak = status("VmHWM").saturating_sub(before) << 10;
    let seconds = begun.elapsed().as_secs_f64();
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    writeln(&format!(
        "figure {what}: {seconds:.1} s, peak {:.1} MiB, bound {:.1} MiB",
        mib(peak),
        mib(bound)
    ));
    assert!(peak <= bound, "{what}: {peak} of {bound} bytes");
    done
}

fn folder(path: &Path) -> Arc<dyn Store> {
    let spec = DirSpec { path: path.to_path_buf(), mount: false };
    Arc::new(Dir::open(&spec, &World::real()).unwrap())
}

fn naming() -> Naming {
    Naming::new(TEMPLATE, "", "nightly", "shop")
}

fn shelf(store: &Arc<Counting>) -> Shelf {
    Shelf::new(store.clone(), naming(), "nightly", "shop")
}

/// A head of the shop's.
fn head(key: &str) -> Head {
    let head = Head::parse(include_bytes!("../../fixtures/head.json")).unwrap();
    let (job, source) = ("nightly".to_owned(), "shop".to_owned());
    Head { key: key.to_owned(), job, source, kind: "mysql".into(), ..head }
}

/// Writes the container, its index and its head.
fn write(store: &Arc<Counting>, snapshot: &Synthetic, shape: Shape, stop: &Stop) -> Head {
    let key = naming().key(NAME);
    let (own, index_key) = (store.clone(), format!("{key}{INDEX}"));
    let begin = move || own.create(&index_key, &Stop::new());
    let copy = Copy {
        rate: None,
        upload: store.create(&key, stop).unwrap(),
        lanes: store.limits().lanes,
        index: Box::new(begin),
    };
    let draft = |totals: Totals, units: Vec<UnitSum>| Head {
        totals,
        units,
        objects: Vec::new(),
        index: None,
        ..head(&key)
    };
    let written = backup(
        Backup {
            rate: None,
            snapshot,
            method: Method::Zstd(1),
            seal: None,
            shape,
            copies: vec![copy],
            head: &draft,
            meter: &Meter::default(),
        },
        stop,
    );
    let mut written = written.unwrap();
    let object = ObjectLine { key: key.clone(), ..written.object };
    let head = Head { objects: vec![object], index: Some(written.index), ..written.head };
    let made = written.copies.remove(0).unwrap();
    let index = match made.index {
        IndexMade::Small(bytes) => IndexBytes::Whole(bytes),
        IndexMade::Sent(upload, bytes) => IndexBytes::Sent(upload, bytes),
    };
    shelf(store).commit(made.container, index, &head, stop).unwrap();
    head
}

#[test]
fn many_tables_and_chunks_take_no_more_memory_than_the_plan_says() {
    alone("many_tables_and_chunks_take_no_more_memory_than_the_plan_says", |path| {
        let stop = Stop::new();
        let store = Arc::new(Counting::new(folder(path)));
        let snapshot = Synthetic::new(scaled(10_000), 79);
        let shape = Shape::new(
            snapshot.workers(),
            2,
            snapshot.chunk,
            store.limits().lanes,
            snapshot.about().estimate,
        )
        .holding(snapshot.members().len());
        let bound = shape.bound().0;
        let what = format!("{} entries of {} tables", snapshot.entries(), scaled(10_000));
        measured(&format!("write {what}"), bound, || write(&store, &snapshot, shape, &stop));
        let bytes = store.size(&format!("{}{MANIFEST}", naming().key(NAME)), &stop).unwrap();
        assert!(bytes.is_some_and(|b| b <= LARGEST_HEAD as u64), "{bytes:?}");
        store.reads();

        let listing = shelf(&store).list(&stop).unwrap();
        assert_eq!((listing.artifacts.len(), listing.unreadable.len()), (1, 0));
        assert_eq!(store.reads().len(), 1, "its head, and nothing else");
        let head = listing.artifacts[0].head.clone();
        assert_eq!(head.totals.entries, snapshot.entries());

        let found = measured(&format!("verify {what}"), bound, || {
            let contents = Contents::open(store.as_ref(), &head, &stop).unwrap();
            let opened = Opened::new(store.as_ref(), &contents);
            let meter = Meter::default();
            let fetch =
                Fetch { store: store.as_ref(), manifest: opened.bare(), key: None, meter: &meter };
            verify(&fetch, &opened, Dialect::Mysql, 2, &stop).unwrap()
        });
        assert!(found.is_empty(), "{found:?}");
        store.reads();
        one_table(&store, &head, scaled(10_000) / 3, &stop);
    });
}

/// Restores one table: read are its index frames, its own ranges, and nothing else.
fn one_table(store: &Arc<Counting>, head: &Head, table: usize, stop: &Stop) {
    let contents = Contents::open(store.as_ref(), head, stop).unwrap();
    let name = format!("t{table:05}");
    let chosen: Vec<bool> = contents.members.iter().map(|m| m.name == name).collect();
    let manifest = contents.load(store.as_ref(), &chosen, stop).unwrap();
    let reads = store.reads();
    assert!(reads.iter().all(|(key, range)| key.ends_with(INDEX) && range.is_some()), "{reads:?}");
    let read = |reads: &[(String, Option<std::ops::Range<u64>>)]| -> u64 {
        reads.iter().filter_map(|(_, range)| range.as_ref()).map(|r| r.end - r.start).sum()
    };
    let index = head.index.as_ref().unwrap();
    // Members, the list of frames, and a frame or two for the definition and the rows.
    assert!(reads.len() <= 6, "{reads:?}");
    let (own, all) = (read(&reads) - index.members.bytes - index.frames.bytes, index.bytes);
    writeln(&format!(
        "figure one table of {}: {own} of {all} bytes of index frames",
        contents.members.len() / 2
    ));

    let (target, meter) = (Counted::default(), Meter::default());
    let wanted = contents.members.iter().filter(|m| m.name == name).cloned().collect();
    let loading = Counted::loading(wanted);
    let fetch = Fetch { store: store.as_ref(), manifest: &manifest, key: None, meter: &meter };
    let damage = restore(
        &Restore { fetch: &fetch, target: &target, loading: &loading, chosen: &chosen },
        stop,
    );
    assert!(damage.as_ref().is_ok_and(|o| o.differences().is_empty()), "{damage:?}");
    let ranges = store.reads();
    let is_own = |range: &std::ops::Range<u64>| {
        let mut inside = 0;
        for e in manifest.entries.iter().filter(|e| chosen[e.member]) {
            let (from, to) = (e.offset, e.offset + e.stored);
            inside += to.min(range.end).saturating_sub(from.max(range.start));
        }
        inside == range.end - range.start
    };
    for (key, range) in &ranges {
        let range = range.as_ref().unwrap();
        assert!(*key == head.key && is_own(range), "{key} {range:?}");
    }
    let stored: u64 = manifest.entries.iter().map(|e| e.stored).sum();
    assert_eq!(read(&ranges), stored, "each once");
}

#[test]
fn sixteen_tebibytes_are_described_listed_and_looked_up() {
    alone("sixteen_tebibytes_are_described_listed_and_looked_up", |path| {
        let stop = Stop::new();
        let (tables, lines) = (scaled(10_000), scaled(4 << 20) as u64);
        let key = naming().key(NAME);
        let stored = (16 << 40) / lines;
        let whole = stored * lines;
        // What a pipeline may hold of an index, whatever it describes.
        let bound = Shape::new(1, 1, 4 << 20, 1, 0).holding(2 * tables).bound().0;
        let plain = folder(path);
        let what = format!("an index of {lines} entries, 16 TiB");
        let head = measured(&format!("write {what}"), bound, || {
            describe(plain.as_ref(), &key, (tables, lines, stored), &stop)
        });
        let bytes = head.to_bytes();
        assert!(bytes.len() <= LARGEST_HEAD, "{}", bytes.len());
        plain.put(&format!("{key}{MANIFEST}"), &bytes, &stop).unwrap();
        let object = head.objects[0].bytes;
        assert!(object > whole && object >= 16 << 40);

        let store = Arc::new(Counting::stating(plain, &key, object));
        let listing = shelf(&store).list(&stop).unwrap();
        assert_eq!((listing.artifacts.len(), store.reads().len()), (1, 1));
        let head = listing.artifacts[0].head.clone();
        assert_eq!(head.bytes(), object);
        let contents = Contents::open(store.as_ref(), &head, &stop).unwrap();
        let (mut seen, mut end) = (0, 0);
        measured(&format!("walk through {what}"), bound, || {
            for number in 0..contents.windows() {
                let window = contents.window(store.as_ref(), number, &stop).unwrap();
                seen += window.entries.len() as u64;
                end = window.entries.last().map_or(end, |e| e.offset + e.stored);
            }
        });
        assert!(seen == lines && end >= whole);
        store.reads();
        let chosen: Vec<bool> = (0..contents.members.len()).map(|m| m == tables + 7).collect();
        let one: Manifest = contents.load(store.as_ref(), &chosen, &stop).unwrap();
        assert_eq!(one.entries.len() as u64, lines / tables as u64);
        let reads = store.reads();
        let bytes: u64 =
            reads.iter().filter_map(|(_, r)| r.as_ref()).map(|r| r.end - r.start).sum();
        writeln(&format!(
            "figure one table of {tables}: {bytes} of {} bytes of index",
            head.index.as_ref().unwrap().bytes
        ));
        assert!(reads.len() <= 3, "{reads:?}");
    });
}

/// Writes the index of a container that is not there: its lines say so much.
fn describe(
    store: &dyn Store,
    key: &str,
    (tables, lines, stored): (usize, u64, u64),
    stop: &Stop,
) -> Head {
    let members = members(tables);
    let mut writer = IndexWriter::new(&members, false);
    let upload = store.create(&format!("{key}{INDEX}"), stop).unwrap();
    let (mut part, mut number, mut sent) = (Vec::new(), 0, 0);
    let mut send = |bytes: &[u8], last: bool| {
        part.extend_from_slice(bytes);
        if part.len() >= 8 << 20 || last {
            number += 1;
            upload.part(number, sent, &part, stop).unwrap();
            sent += part.len() as u64;
            part.clear();
        }
    };
    let (own, each) = (proof(b"INSERT INTO `t` VALUES (1);\n"), lines / tables as u64);
    let mut end = 0;
    for line in 0..lines {
        let table = (line / each).min(tables as u64 - 1) as usize;
        let entry = EntryLine {
            name: format!("{}/t{table:05}.{line:08}.sql", members[tables + table].unit),
            member: tables + table,
            number: (line - table as u64 * each) as u32,
            offset: end,
            stored,
            raw: stored,
            sha256: hex(&Sha256::digest(line.to_le_bytes())),
            rows: Some(own),
            keys: None,
        };
        end += stored;
        writer.add(entry, None);
        if writer.is_full() || line + 1 == lines {
            let (name, text) = writer.contents();
            let (raw, sha256) = (text.len() as u64, hex(&Sha256::digest(&text)));
            let line = ContentsLine { contents: name, offset: end, stored: raw, raw, sha256 };
            end += raw;
            send(&writer.close(&line).unwrap(), false);
        }
    }
    let (totals, units) = writer.sums();
    let details = Details { units: units.clone(), ..Details::default() };
    let (_, text) = writer.members(&details);
    let (bytes, index) = writer.finish(&text).unwrap();
    send(&bytes, true);
    upload.finish(index.bytes).unwrap();
    let object = ObjectLine {
        piece: None,
        key: key.to_owned(),
        bytes: end + 1,
        tail_from: end,
        ..head(key).objects.remove(0)
    };
    Head { totals, units, objects: vec![object], index: Some(index), ..head(key) }
}

#[test]
fn a_listing_of_two_thousand_reads_their_heads_and_nothing_else() {
    let (stop, memory) = (Stop::new(), Memory::new());
    for number in 0..2000 {
        let at = jiff::Timestamp::from_second(1_800_000_000 + number).unwrap();
        let name = format!("backup_{}.zip", at.strftime("%Y%m%d_%H%M%S"));
        let key = naming().key(&name);
        let mut head = Head { finished: at, ..head(&key) };
        head.objects[0] = ObjectLine { key: key.clone(), bytes: 3, ..head.objects[0].clone() };
        memory.put(&key, b"zip", &stop).unwrap();
        let index = vec![b'x'; head.index.as_ref().map_or(0, |index| index.bytes as usize)];
        memory.put(&format!("{key}{INDEX}"), &index, &stop).unwrap();
        memory.put(&format!("{key}{MANIFEST}"), &head.to_bytes(), &stop).unwrap();
    }
    let store = Arc::new(Counting::new(Arc::new(memory)));
    let listing = shelf(&store).list(&stop).unwrap();
    let first = listing.unreadable.first();
    assert_eq!((listing.artifacts.len(), first.map(|(_, why)| why.to_string())), (2000, None));
    let mut reads: Vec<String> = store.reads().into_iter().map(|(key, _)| key).collect();
    assert!(reads.iter().all(|key| key.ends_with(MANIFEST)));
    reads.sort_unstable();
    reads.dedup();
    assert_eq!(reads.len(), 2000, "each once");
}
