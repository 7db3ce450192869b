//! The contract of stores: one suite, run on every kind.

use std::any::Any;
use std::sync::Barrier;

use jiff::Timestamp;
use vex::testing::base::{Grade, Stop};
use vex::testing::job::DirSpec;
use vex::testing::pipeline::{PART, first_part, part_size};
use vex::testing::store::contract::{Coming, ErrorKind, Store};
use vex::testing::store::{Dir, Memory, Sftp};
use vex::testing::world::{Clock, World};

use crate::common::cloud::azure::AzureServer;
use crate::common::cloud::google::GoogleServer;
use crate::common::s3_server::S3Server;
use crate::common::sshd::Sshd;
use crate::store::azure::open as open_azure;
use crate::store::contract::s3::open;
use crate::store::gcs::open as open_gcs;
use crate::store::sftp::spec;

/// A store under test, the size of a part it takes, and what must live as long.
struct Stand {
    store: Box<dyn Store>,
    part: usize,
    _keep: Box<dyn Any + Send + Sync>,
}

fn memory() -> Stand {
    Stand { store: Box::new(Memory::new()), part: 8, _keep: Box::new(()) }
}

fn dir() -> Stand {
    let folder = tempfile::tempdir().unwrap();
    let spec = DirSpec { path: folder.path().join("made/by/need"), mount: false };
    Stand {
        store: Box::new(Dir::open(&spec, &World::real()).unwrap()),
        part: 8,
        _keep: Box::new(folder),
    }
}

/// Pages of 3, and parts of the smallest size S3 takes.
fn bucket() -> Stand {
    let server = S3Server::start_with(3);
    Stand { store: Box::new(open(&server)), part: 5 << 20, _keep: Box::new(server) }
}

/// A folder of a private sshd, reached by the `ssh` of the system.
fn sftp() -> Stand {
    let server = Sshd::start();
    let store = Sftp::open(&spec(&server), &World::real()).unwrap();
    Stand { store: Box::new(store), part: 8, _keep: Box::new(server) }
}

/// A container with pages of 3, the first of which is empty, as a loaded service has them.
fn azure() -> Stand {
    let server = AzureServer::start(3);
    Stand { store: Box::new(open_azure(&server.spec())), part: 8, _keep: Box::new(server) }
}

/// A bucket of Google's, with pages of 3.
fn google() -> Stand {
    let server = GoogleServer::start(3);
    Stand { store: Box::new(open_gcs(&server.spec())), part: 5 << 20, _keep: Box::new(server) }
}

macro_rules! suite {
    ($($stand:ident: $claims:tt)*) => { $(suite!(@one $stand $claims);)* };
    (@one $stand:ident { $($claim:ident)* }) => {
        mod $stand { $(#[test] fn $claim() { super::$claim(&super::$stand()); })* }
    };
}

macro_rules! for_all {
    ($($stand:ident)* : $claims:tt) => { suite! { $($stand: $claims)* } };
}

for_all! { memory dir bucket azure google sftp: {
    create_and_put_refuse_a_key_that_exists
    nothing_is_visible_before_finish
    a_dropped_or_aborted_upload_leaves_nothing
    parts_come_in_any_order_from_any_thread_and_repeated
    an_upload_with_a_gap_is_damaged
    an_empty_upload_is_an_empty_object
    finish_refuses_a_key_that_was_taken_meanwhile
    ranges_are_read_and_a_range_past_the_end_is_damaged
    a_small_object_is_read_whole_and_a_larger_one_not_at_all
    what_is_not_there_is_missing
    a_list_is_sorted_and_complete
    a_list_says_when_each_object_was_written
    its_clock_is_the_one_that_dates_its_objects
    a_prefix_is_text_and_not_a_folder
    removing_is_final_and_removing_nothing_is_fine
    keys_may_hold_any_character
    of_concurrent_writers_exactly_one_wins
    a_stop_ends_every_call
    the_part_plan_fits_its_limits
    a_probe_finds_what_it_says_that_it_keeps
} }

fn stop() -> Stop {
    Stop::new()
}

/// `bytes` that differ at every place.
fn filler(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| (i * 7 + i / 251) as u8).collect()
}

fn keys(stand: &Stand, under: &str) -> Vec<String> {
    stand.store.list(under, &stop()).unwrap().into_iter().map(|o| o.key).collect()
}

fn kind<T>(result: vex::testing::store::contract::Result<T>) -> ErrorKind {
    result.err().expect("an error").kind
}

fn create_and_put_refuse_a_key_that_exists(stand: &Stand) {
    stand.store.put("a/x", b"first", &stop()).unwrap();
    assert_eq!(kind(stand.store.create("a/x", &stop())), ErrorKind::Exists);
    assert_eq!(kind(stand.store.put("a/x", b"other", &stop())), ErrorKind::Exists);
    assert_eq!(
        kind(stand.store.put("a/x", b"first", &stop())),
        ErrorKind::Exists,
        "the same bytes are no excuse"
    );
    assert_eq!(stand.store.read("a/x", None, &stop()).unwrap(), b"first");
}

fn nothing_is_visible_before_finish(stand: &Stand) {
    let upload = stand.store.create("a/x", &stop()).unwrap();
    upload.part(1, 0, b"bytes", &stop()).unwrap();
    assert_eq!(stand.store.size("a/x", &stop()).unwrap(), None);
    assert_eq!(keys(stand, ""), Vec::<String>::new());
    assert_eq!(kind(stand.store.read("a/x", None, &stop())), ErrorKind::Missing);
    upload.finish(5).unwrap();
    assert_eq!(stand.store.size("a/x", &stop()).unwrap(), Some(5));
    assert_eq!(keys(stand, ""), ["a/x"]);
}

fn a_dropped_or_aborted_upload_leaves_nothing(stand: &Stand) {
    for way in 0..2 {
        let upload = stand.store.create("a/x", &stop()).unwrap();
        upload.part(1, 0, b"bytes", &stop()).unwrap();
        if way == 0 {
            drop(upload);
        } else {
            upload.abort().unwrap();
        }
        assert_eq!(stand.store.size("a/x", &stop()).unwrap(), None);
        assert_eq!(keys(stand, ""), Vec::<String>::new());
        assert_eq!(stand.store.sweep("", &stop()).unwrap(), 0);
    }
    stand.store.put("a/x", b"free again", &stop()).unwrap();
}

fn parts_come_in_any_order_from_any_thread_and_repeated(stand: &Stand) {
    let bytes = filler(2 * stand.part + 3);
    let parts: Vec<_> = bytes.chunks(stand.part).enumerate().collect();
    let upload = stand.store.create("big", &stop()).unwrap();
    upload.part(2, stand.part as u64, &filler(stand.part), &stop()).unwrap();
    std::thread::scope(|scope| {
        for (i, part) in parts.iter().rev() {
            let upload = &upload;
            scope.spawn(move || {
                upload.part(*i as u32 + 1, (*i * stand.part) as u64, part, &stop()).unwrap()
            });
        }
    });
    upload.finish(bytes.len() as u64).unwrap();
    assert!(stand.store.read("big", None, &stop()).unwrap() == bytes);
    let middle = stand.part as u64 - 1..2 * stand.part as u64 + 1;
    let expected = &bytes[middle.start as usize..middle.end as usize];
    assert!(stand.store.read("big", Some(middle), &stop()).unwrap() == expected);
}

fn an_upload_with_a_gap_is_damaged(stand: &Stand) {
    let part = filler(stand.part);
    let missing_middle = stand.store.create("gap", &stop()).unwrap();
    missing_middle.part(1, 0, &part, &stop()).unwrap();
    missing_middle.part(3, 2 * stand.part as u64, b"end", &stop()).unwrap();
    assert_eq!(kind(missing_middle.finish(2 * stand.part as u64 + 3)), ErrorKind::Damaged);
    let missing_end = stand.store.create("gap", &stop()).unwrap();
    missing_end.part(1, 0, &part, &stop()).unwrap();
    assert_eq!(kind(missing_end.finish(stand.part as u64 + 3)), ErrorKind::Damaged);
    assert_eq!(keys(stand, ""), Vec::<String>::new());
}

fn an_empty_upload_is_an_empty_object(stand: &Stand) {
    stand.store.create("none", &stop()).unwrap().finish(0).unwrap();
    stand.store.put("nil", b"", &stop()).unwrap();
    for key in ["none", "nil"] {
        assert_eq!(stand.store.size(key, &stop()).unwrap(), Some(0));
        assert_eq!(stand.store.read(key, None, &stop()).unwrap(), b"");
        assert_eq!(stand.store.read(key, Some(0..0), &stop()).unwrap(), b"");
    }
}

fn finish_refuses_a_key_that_was_taken_meanwhile(stand: &Stand) {
    let upload = stand.store.create("a/x", &stop()).unwrap();
    upload.part(1, 0, b"mine!", &stop()).unwrap();
    stand.store.put("a/x", b"other", &stop()).unwrap();
    assert_eq!(kind(upload.finish(5)), ErrorKind::Exists);
    assert_eq!(stand.store.read("a/x", None, &stop()).unwrap(), b"other");
}

fn ranges_are_read_and_a_range_past_the_end_is_damaged(stand: &Stand) {
    stand.store.put("r", b"0123456789", &stop()).unwrap();
    for (range, expected) in
        [(0..10, "0123456789"), (0..1, "0"), (9..10, "9"), (3..7, "3456"), (4..4, ""), (10..10, "")]
    {
        assert_eq!(stand.store.read("r", Some(range), &stop()).unwrap(), expected.as_bytes());
    }
    for range in [0..11, 9..11, 10..11, 20..30, 11..11] {
        assert_eq!(
            kind(stand.store.read("r", Some(range.clone()), &stop())),
            ErrorKind::Damaged,
            "{range:?}"
        );
    }
}

fn a_small_object_is_read_whole_and_a_larger_one_not_at_all(stand: &Stand) {
    stand.store.put("s", b"0123456789", &stop()).unwrap();
    stand.store.put("none", b"", &stop()).unwrap();
    for most in [10, 11, u64::MAX] {
        assert_eq!(stand.store.read_small("s", most, &stop()).unwrap(), b"0123456789");
    }
    assert_eq!(stand.store.read_small("none", 0, &stop()).unwrap(), b"");
    for most in [0, 9] {
        let error = stand.store.read_small("s", most, &stop()).unwrap_err();
        let found = format!("it has 10 B, and at most {most} B are read");
        assert_eq!((error.kind, error.found), (ErrorKind::TooLarge, found));
        assert!(error.doing.starts_with("read s in "), "{}", error.doing);
        assert!(!error.kind.again());
    }
}

fn what_is_not_there_is_missing(stand: &Stand) {
    stand.store.put("a/b", b"", &stop()).unwrap();
    for key in ["a", "a/c", "b", "a/b/c"] {
        assert_eq!(kind(stand.store.read(key, None, &stop())), ErrorKind::Missing, "{key}");
        assert_eq!(kind(stand.store.read_small(key, 9, &stop())), ErrorKind::Missing, "{key}");
        assert_eq!(kind(stand.store.read(key, Some(0..1), &stop())), ErrorKind::Missing, "{key}");
        assert_eq!(kind(stand.store.read(key, Some(0..0), &stop())), ErrorKind::Missing, "{key}");
        assert_eq!(stand.store.size(key, &stop()).unwrap(), None, "{key}");
    }
    assert_eq!(keys(stand, "nowhere/"), Vec::<String>::new());
}

fn a_list_is_sorted_and_complete(stand: &Stand) {
    // In an order that is neither by folder nor by length; '-' and '.' come before '/'.
    let mut all = ["b/2", "a", "a-b", "a.b/c", "b/10", "b/1", "b", "c/d/e", "ab", "Z"]
        .map(|k| format!("in/{k}"))
        .to_vec();
    all.retain(|k| k != "in/a" && k != "in/b");
    for key in &all {
        stand.store.put(key, key.as_bytes(), &stop()).unwrap();
    }
    stand.store.put("on", b"", &stop()).unwrap();
    all.sort();
    let found = stand.store.list("in/", &stop()).unwrap();
    assert_eq!(found.iter().map(|o| o.key.clone()).collect::<Vec<_>>(), all);
    assert!(found.iter().all(|o| o.bytes == o.key.len() as u64));
    assert_eq!(keys(stand, "in/b/1"), ["in/b/1", "in/b/10"]);
}

fn a_list_says_when_each_object_was_written(stand: &Stand) {
    // A listing may tell whole seconds only; every clock here is this machine's.
    let about_now = |written: Timestamp| (Timestamp::now() - written).get_seconds().abs() <= 30;
    stand.store.put("m/put", b"x", &stop()).unwrap();
    let upload = stand.store.create("m/upload", &stop()).unwrap();
    upload.part(1, 0, b"x", &stop()).unwrap();
    upload.finish(1).unwrap();
    for object in stand.store.list("m/", &stop()).unwrap() {
        assert!(object.modified.is_some_and(about_now), "{object:?}");
    }
}

fn its_clock_is_the_one_that_dates_its_objects(stand: &Stand) {
    // Before anything is there, too.
    for _ in 0..2 {
        let before = stand.store.now(&stop()).unwrap();
        stand.store.put("c/x", b"", &stop()).unwrap();
        let written = stand.store.list("c/", &stop()).unwrap()[0].modified.unwrap();
        let after = stand.store.now(&stop()).unwrap();
        // A listing, and a clock, may tell whole seconds.
        let whole = |moment: Timestamp| moment.as_second();
        assert!(whole(before) <= whole(written) && whole(written) <= whole(after));
        assert!(after.as_second() - before.as_second() < 60);
        assert_eq!(keys(stand, ""), ["c/x"], "a look at the clock leaves nothing");
        stand.store.remove("c/x", &stop()).unwrap();
    }
}

fn a_prefix_is_text_and_not_a_folder(stand: &Stand) {
    for key in ["db1/x", "db10/x", "db1.x"] {
        stand.store.put(key, b"", &stop()).unwrap();
    }
    assert_eq!(keys(stand, "db1/"), ["db1/x"]);
    assert_eq!(keys(stand, "db1"), ["db1.x", "db1/x", "db10/x"]);
    assert_eq!(stand.store.sweep("db1/", &stop()).unwrap(), 0);
}

fn removing_is_final_and_removing_nothing_is_fine(stand: &Stand) {
    stand.store.put("a/x", b"", &stop()).unwrap();
    stand.store.put("a/xy", b"", &stop()).unwrap();
    for _ in 0..2 {
        stand.store.remove("a/x", &stop()).unwrap();
        assert_eq!(keys(stand, ""), ["a/xy"]);
    }
    stand.store.remove("nowhere/x", &stop()).unwrap();
    stand.store.put("a/x", b"", &stop()).unwrap();
}

fn keys_may_hold_any_character(stand: &Stand) {
    let mut all =
        ["a b", "ü", "+", "&amp", "k=v", "100%25", "~*'()!", "<x>\"", "q?x#y", "..x", "日本"]
            .map(|k| format!("k/{k}/end"));
    for key in &all {
        stand.store.put(key, key.as_bytes(), &stop()).unwrap();
        assert_eq!(stand.store.size(key, &stop()).unwrap(), Some(key.len() as u64), "{key}");
        assert_eq!(stand.store.read(key, None, &stop()).unwrap(), key.as_bytes());
    }
    all.sort();
    assert_eq!(keys(stand, "k/"), all);
    assert_eq!(keys(stand, "k/a b/"), ["k/a b/end"]);
    let upload = stand.store.create("k/ü +&=%/big", &stop()).unwrap();
    upload.part(1, 0, b"x", &stop()).unwrap();
    upload.finish(1).unwrap();
    for key in &all {
        stand.store.remove(key, &stop()).unwrap();
    }
    assert_eq!(keys(stand, "k/"), ["k/ü +&=%/big"]);
}

fn of_concurrent_writers_exactly_one_wins(stand: &Stand) {
    let all = Barrier::new(6);
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..6u8)
            .map(|i| {
                let (all, store) = (&all, &stand.store);
                scope.spawn(move || {
                    if i % 2 == 0 {
                        all.wait();
                        return store.put("race", &[i; 9], &stop()).map_err(|e| e.kind);
                    }
                    let upload = store.create("race", &stop()).map_err(|e| e.kind);
                    all.wait();
                    let upload = upload?;
                    upload.part(1, 0, &[i; 9], &stop()).map_err(|e| e.kind)?;
                    upload.finish(9).map_err(|e| e.kind)
                })
            })
            .collect();
        writers.into_iter().map(|w| w.join().unwrap()).collect()
    });
    let winners: Vec<_> = (0..6).filter(|i| outcomes[*i].is_ok()).collect();
    assert_eq!(winners.len(), 1, "{outcomes:?}");
    assert!(outcomes.iter().all(|o| matches!(o, Ok(()) | Err(ErrorKind::Exists))), "{outcomes:?}");
    assert_eq!(stand.store.read("race", None, &stop()).unwrap(), [winners[0] as u8; 9]);
    assert_eq!(keys(stand, ""), ["race"]);
}

fn a_stop_ends_every_call(stand: &Stand) {
    let live = stop();
    stand.store.put("a", b"x", &live).unwrap();
    let upload = stand.store.create("b", &live).unwrap();
    upload.part(1, 0, b"x", &stop()).unwrap();
    live.stop();
    assert_eq!(kind(upload.part(2, 1, b"y", &live)), ErrorKind::Stopped);
    assert_eq!(kind(upload.finish(1)), ErrorKind::Stopped);
    let store = &stand.store;
    let kinds = [
        kind(store.create("c", &live)),
        kind(store.put("c", b"x", &live)),
        kind(store.read("a", None, &live)),
        kind(store.read_small("a", 9, &live)),
        kind(store.size("a", &live)),
        kind(store.now(&live)),
        kind(store.list("", &live)),
        kind(store.remove("a", &live)),
    ];
    assert_eq!(kinds, [ErrorKind::Stopped; 8]);
    assert_eq!(keys(stand, ""), ["a"]);
}

fn the_part_plan_fits_its_limits(stand: &Stand) {
    let limits = stand.store.limits();
    assert!(limits.parts >= 10_000 && limits.lanes > 0, "{limits:?}");
    assert!(limits.least <= stand.part as u64 && stand.part as u64 <= PART, "{limits:?}");
    // Of the largest backup that anybody has: the first part, and the last that is asked for.
    let first = first_part(16 << 40);
    assert!(part_size(first, 6_000) <= limits.most, "{limits:?}");
}

fn a_probe_finds_what_it_says_that_it_keeps(stand: &Stand) {
    let coming = Coming { probe: "p/vex-doctor-1".into(), ..Coming::default() };
    let found = stand.store.examine(&coming, &stop());
    let told = |looked: &str| match found.iter().find(|finding| finding.looked == looked) {
        Some(finding) => (finding.grade, finding.found.as_str()),
        None => panic!("{looked}: {found:?}"),
    };
    // The folder of the suite is made by need, and an examination makes none.
    if found.iter().any(|finding| finding.looked == "folder") {
        stand.store.put("made", b"", &stop()).unwrap();
        return a_probe_finds_what_it_says_that_it_keeps(stand);
    }
    let parts = "two parts, the second sent first, came together in order";
    assert_eq!(told("parts"), (Grade::Ok, parts));
    let refused = "of two who wrote one name, one was refused";
    assert_eq!(told("two writers"), (Grade::Ok, refused));
    assert_eq!(told("limits"), (Grade::Ok, stand.store.limits().shown().as_str()));
    assert_eq!(keys(stand, "p/"), Vec::<String>::new());
}

#[test]
fn a_store_in_memory_goes_by_the_clock_of_each_handle() {
    let clock = |text: &str| Clock::Fixed(text.parse().unwrap());
    let (early, late) = ("2026-03-04T05:06:07Z", "2026-03-04T05:36:08Z");
    let store = Memory::new().at(clock(early));
    store.put("a", b"", &stop()).unwrap();
    store.at(clock(late)).put("b", b"", &stop()).unwrap();
    let found = store.list("", &stop()).unwrap();
    let expected = [early, late].map(|text| Some(text.parse().unwrap()));
    assert_eq!(found.iter().map(|o| o.modified).collect::<Vec<_>>(), expected);
    assert_eq!(Some(store.now(&stop()).unwrap()), expected[0]);
}

mod folder {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;

    fn open(path: &Path) -> Dir {
        Dir::open(&DirSpec { path: path.to_owned(), mount: false }, &World::real()).unwrap()
    }

    fn files(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_missing_folder_is_empty_and_reading_does_not_make_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("unmounted");
        let store = open(&path);
        assert_eq!(store.list("", &stop()).unwrap(), []);
        assert_eq!(store.sweep("", &stop()).unwrap(), 0);
        store.remove("x", &stop()).unwrap();
        assert!(!path.exists());
        std::fs::write(&path, "a file").unwrap();
        let again = Dir::open(&DirSpec { path, mount: false }, &World::real());
        assert!(again.err().unwrap().to_string().ends_with("it is not a folder"));
    }

    #[test]
    fn a_huge_file_takes_no_memory_and_what_is_read_of_it_only_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        // All of it is a hole, as large as this file system allows.
        let file = std::fs::File::create(folder.path().join("x")).unwrap();
        let sizes = (30..=46).rev().map(|n| 1_u64 << n);
        let length = sizes.into_iter().find(|bytes| file.set_len(*bytes).is_ok()).unwrap();
        assert_eq!(kind(store.read_small("x", 64 << 10, &stop())), ErrorKind::TooLarge);
        assert_eq!(store.read("x", Some(length - 3..length), &stop()).unwrap(), [0; 3]);
        // Somebody who asks for all of it can be stopped.
        let live = stop();
        std::thread::scope(|scope| {
            let all = scope.spawn(|| store.read("x", None, &live));
            live.stop();
            assert_eq!(kind(all.join().unwrap()), ErrorKind::Stopped);
        });
    }

    #[test]
    fn a_folder_that_takes_no_file_has_the_clock_of_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::Fixed("2026-03-04T05:06:07Z".parse().unwrap());
        let world = World { clock: clock.clone(), ..World::real() };
        let open = |name: &str| {
            Dir::open(&DirSpec { path: folder.path().join(name), mount: false }, &world).unwrap()
        };
        assert_eq!(open("unmounted").now(&stop()).unwrap(), clock.now());
        assert!(!folder.path().join("unmounted").exists());
        // What can be written to has a clock of its own, and keeps nothing of the question.
        let store = open("there");
        std::fs::create_dir(folder.path().join("there")).unwrap();
        assert!(store.now(&stop()).unwrap() > clock.now());
        assert_eq!(files(&folder.path().join("there")), [""; 0]);
        // Nobody but root may write to a folder without that right.
        let mode = std::fs::Permissions::from_mode(0o500);
        std::fs::set_permissions(folder.path().join("there"), mode).unwrap();
        let told = store.now(&stop()).unwrap();
        assert_eq!(told == clock.now(), !rustix::process::geteuid().is_root());
    }

    #[test]
    fn folders_and_files_are_for_their_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder.path().join("root"));
        store.put("a/b", b"", &stop()).unwrap();
        for (path, mode) in [("root", 0o700), ("root/a", 0o700), ("root/a/b", 0o600)] {
            let found =
                std::fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
            assert_eq!(found, mode, "{path}");
        }
    }

    #[test]
    fn sweep_removes_the_files_of_the_dead_and_spares_those_of_the_living() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let living = store.create("db1/live", &stop()).unwrap();
        living.part(1, 0, b"x", &stop()).unwrap();
        store.put("db1/done", b"", &stop()).unwrap();
        store.put("db10/done", b"", &stop()).unwrap();
        for dead in ["db1/.vex-dead.zip-0000dead.part", "db1/.vex-dead.zip.index-0000dead.part"] {
            std::fs::write(folder.path().join(dead), "half").unwrap();
        }
        std::fs::write(folder.path().join("db1/.vex-0000dead.part"), "whose?").unwrap();
        std::fs::write(folder.path().join("db10/.vex-dead.zip-0000dead.part"), "half").unwrap();
        assert_eq!(store.list("db1", &stop()).unwrap().len(), 2, "a temporary file is no object");
        assert_eq!(store.sweep("db1/live", &stop()).unwrap(), 0, "it is locked");
        assert_eq!(store.sweep("db1/", &stop()).unwrap(), 0, "a folder is no key");
        assert_eq!(store.sweep("db1/dead.zip", &stop()).unwrap(), 2);
        living.finish(1).unwrap();
        assert_eq!(files(&folder.path().join("db1")), [".vex-0000dead.part", "done", "live"]);
        assert_eq!(files(&folder.path().join("db10")), [".vex-dead.zip-0000dead.part", "done"]);
    }

    #[test]
    fn links_are_not_followed_and_keys_do_not_climb() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder.path().join("root"));
        store.put("a", b"", &stop()).unwrap();
        std::fs::write(folder.path().join("outside"), "secret").unwrap();
        std::os::unix::fs::symlink("../outside", folder.path().join("root/link")).unwrap();
        std::os::unix::fs::symlink("..", folder.path().join("root/up")).unwrap();
        assert_eq!(store.list("", &stop()).unwrap().len(), 1);
        assert!(store.read("link", None, &stop()).is_err());
        assert_eq!(kind(store.put("link", b"", &stop())), ErrorKind::Exists);
        assert_eq!(kind(store.read("../outside", None, &stop())), ErrorKind::Failed);
        assert_eq!(kind(store.remove("a/../../outside", &stop())), ErrorKind::Failed);
        assert_eq!(std::fs::read(folder.path().join("outside")).unwrap(), b"secret");
    }

    #[test]
    fn an_error_says_what_was_done_to_what_and_what_was_found() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        store.put("a", b"", &stop()).unwrap();
        let place = folder.path().display().to_string();
        let text = store.put("a", b"", &stop()).unwrap_err().to_string();
        assert_eq!(text.replace(&place, "/x"), "unable to write a in dir /x: the key is taken");
        assert_eq!(store.place().replace(&place, "/x"), "dir /x");
    }
}
