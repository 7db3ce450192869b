//! Restores: the week of the seed, in both modes and to three moments; what is missing is named
//! before anything is touched.

use serde_json::Value;

use crate::common::space::word;
use crate::oracle::bench::{Bench, said};

/// FULL 01/08 01:00; increments at 20:00, 01:00 and 10:00; rows change between and after, and the
/// server fails at 15:00.
fn week() -> Bench {
    let bench = Bench::disk();
    bench.set("busy", "2");
    bench.back_up("FULL", 0).expect(0);
    for hours in [19, 5, 9] {
        bench.back_up("INCREMENTAL", hours).expect(0);
    }
    bench
}

fn restore<'a>(mode: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["restore", "job.kdl", "fin", "--mode", mode], more].concat()
}

/// The SCN of the newest change that came back.
fn newest_change(bench: &Bench) -> u64 {
    let rows: Value = serde_json::from_str(&bench.rows()).unwrap();
    let files = rows.as_object().unwrap().values();
    let blocks = files.flat_map(|file| file.as_object().unwrap().values());
    blocks.filter_map(Value::as_u64).max().unwrap()
}

/// The pieces that a plan names.
fn pieces(plan: &str) -> Vec<&str> {
    plan.lines()
        .filter_map(|line| line.trim_start().strip_prefix("backups/"))
        .map(|line| line.split_whitespace().next().unwrap())
        .collect()
}

#[test]
fn a_lost_server_comes_back_in_both_modes_with_all_that_was_backed_up() {
    for mode in ["FULL", "INCREMENTAL"] {
        let bench = week();
        let expected = bench.rows();
        bench.ctl(&["lose"]);
        let ran = bench.space.run(&restore(mode, &[])).expect(0);
        assert!(ran.stdout.contains("RESETLOGS") || ran.stderr.contains("RESETLOGS"), "{ran:?}");
        assert_eq!(bench.rows(), expected, "{mode}");
        let model = bench.model();
        assert_eq!(model["status"], "OPEN");
        let catalogued = |level: u64| {
            let pieces = model["control"]["pieces"].as_array().unwrap();
            pieces.iter().filter(|p| p["tag"] == "CATALOGED" && p["level"] == level).count()
        };
        // Data files come in two pieces a backup; RMAN would use what lies there.
        let increments = if mode == "FULL" { 0 } else { 6 };
        assert_eq!((catalogued(0), catalogued(1)), (2, increments), "{mode}");
        // A new incarnation begins with a full backup.
        bench.back_up("INCREMENTAL", 1).expect(0);
        let heads = bench.heads();
        assert_eq!(heads.last().unwrap()["parent"], Value::Null);
    }
}

#[test]
fn a_crash_that_left_control_file_and_online_logs_loses_nothing() {
    let bench = week();
    bench.ctl(&["work", "11"]);
    let expected = bench.rows();
    bench.ctl(&["crash"]);
    bench.space.run(&restore("INCREMENTAL", &[])).expect(0);
    assert_eq!(bench.rows(), expected);
    assert!(bench.calls().contains("ALTER DATABASE OPEN;\n"), "{}", bench.calls());
    // The same incarnation goes on.
    bench.back_up("INCREMENTAL", 1).expect(0);
    assert_eq!(bench.heads()[4]["parent"], bench.heads()[3]["id"]);
}

#[test]
fn a_restore_ends_before_the_scn_or_moment_that_was_asked_for() {
    let bench = week();
    let heads = bench.heads();
    let scn = heads[2]["position"]["stop"].as_u64().unwrap();
    bench.ctl(&["lose"]);
    let kept = bench.space.copy();
    for (mode, until) in [
        ("FULL", scn.to_string().as_str()),
        ("INCREMENTAL", scn.to_string().as_str()),
        ("FULL", "2025-08-02T09:30:00Z"),
        ("INCREMENTAL", "2025-08-02 09:30:00"),
    ] {
        bench.space.run(&restore(mode, &["--until", until])).expect(0);
        let newest = newest_change(&bench);
        match until.parse::<u64>() {
            Ok(until) => {
                assert_eq!(newest, until - 1, "{mode} {until}: all before it, and no more")
            }
            Err(_) => assert!(newest > scn && newest < scn + 60, "{mode} {until}: {newest}, {scn}"),
        }
        assert_eq!(bench.model()["status"], "OPEN", "{mode} {until}");
        bench.space.put_back(&kept);
    }
    for (until, found) in [
        ("999999999", "end at SCN"),
        ("2031-01-01T00:00:00Z", "end at 2025-08-02"),
        ("1", "no backup"),
    ] {
        let ran = bench.space.run(&restore("INCREMENTAL", &["--until", until])).expect(1);
        assert!(ran.stderr.contains(found), "{until}: {ran:?}");
    }
    bench.space.run(&restore("INCREMENTAL", &["--until", "soon"])).expect(64);
    assert_eq!(bench.model()["status"], "DOWN", "nothing was touched");
}

#[test]
fn a_dry_run_names_exactly_the_pieces_that_are_needed_and_the_script() {
    let bench = week();
    bench.ctl(&["lose"]);
    let heads = bench.heads();
    let own = |index: usize, holds: &str| -> Vec<String> {
        let objects = heads[index]["objects"].as_array().unwrap();
        let fits =
            objects.iter().filter(|o| holds.is_empty() || word(&o["piece"], "holds") == holds);
        fits.map(|o| word(o, "key").strip_prefix("backups/").unwrap().to_owned()).collect()
    };
    let sorted = |mut all: Vec<String>| {
        all.sort();
        all
    };
    let before = bench.ctl(&["show"]);
    for mode in ["FULL", "INCREMENTAL"] {
        let ran = bench.space.run(&restore(mode, &["--dry-run"])).expect(0);
        let text = format!("{}{}", ran.stdout, ran.stderr);
        let found = sorted(pieces(&text).into_iter().map(str::to_owned).collect());
        let data = |i: usize| own(i, "data");
        let expected = match mode {
            "FULL" => vec![data(0)],
            _ => (0..4).map(data).collect(),
        };
        for piece in expected.concat().iter().chain(&own(3, "control")) {
            assert!(found.contains(piece), "{mode}: {piece} is needed: {text}");
        }
        if mode == "FULL" {
            assert!((1..4).flat_map(data).all(|piece| !found.contains(&piece)), "{text}");
        }
        for line in
            ["SET DBID 1234567890;", "CATALOG START WITH", "RECOVER DATABASE;", "OPEN RESETLOGS"]
        {
            assert!(text.contains(line), "{line}: {text}");
        }
        // Each of them, taken away once, is named before anything is touched; of each that is not
        // named, the restore knows nothing.
        for piece in &found {
            let path = bench.space.path("nas/backups").join(piece);
            let aside = path.with_extension("aside");
            std::fs::rename(&path, &aside).unwrap();
            let ran = bench.space.run(&restore(mode, &[]));
            assert!(ran.code != 0, "{mode}: without {piece}");
            assert!(ran.stderr.contains(piece.as_str()), "{piece}: {ran:?}");
            assert_eq!(bench.ctl(&["show"]), before, "{mode}: without {piece}");
            std::fs::rename(&aside, &path).unwrap();
        }
    }
}

#[test]
fn a_damaged_piece_and_an_open_database_stop_a_restore_before_rman_begins() {
    let bench = week();
    let open = bench.space.run(&restore("FULL", &[])).expect(1);
    assert!(open.stderr.contains("the database is open"), "{open:?}");
    bench.ctl(&["lose"]);
    let heads = bench.heads();
    let key = word(&heads[0]["objects"][0], "key").to_owned();
    let path = bench.space.path("nas").join(&key);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let before = bench.ctl(&["show"]);
    let ran = bench.space.run(&restore("FULL", &[]));
    assert_eq!(ran.code, 65, "{ran:?}");
    assert!(format!("{}{}", ran.stdout, ran.stderr).contains(&key), "{ran:?}");
    assert_eq!(bench.ctl(&["show"]), before);
    let verified =
        bench.space.run(&["verify", "job.kdl", "fin", "--backup", word(&heads[0], "id")]);
    assert_eq!(verified.code, 65, "{verified:?}");
}

#[test]
fn pieces_that_lie_in_the_folder_of_the_variable_are_used_if_they_are_the_ones() {
    let bench = week();
    let expected = bench.rows();
    bench.ctl(&["lose"]);
    let folder = bench.space.path("temp_restore");
    std::fs::create_dir_all(&folder).unwrap();
    for path in crate::common::space::files(&bench.space.path("nas/backups")) {
        let name = path.file_name().unwrap();
        std::fs::copy(&path, folder.join(name)).unwrap();
    }
    // What lies there need not be in the store; what is in neither is missing.
    let heads = bench.heads();
    let key = word(&heads[0]["objects"][0], "key");
    let (path, name) = (bench.space.path("nas").join(key), key.rsplit_once('/').unwrap().1);
    std::fs::remove_file(path).unwrap();
    let ran = bench.space.run(&restore("FULL", &[]));
    assert!(ran.code != 0 && ran.stderr.contains(key), "{ran:?}");
    let whole = std::fs::read(folder.join(name)).unwrap();
    let mut other = whole.clone();
    other[40] ^= 1;
    for (bytes, is_it) in [(&other, false), (&whole, true)] {
        std::fs::write(folder.join(name), bytes).unwrap();
        let mut command = bench.space.vex(&restore("FULL", &["--dry-run"]));
        let ran = command.env("RESTORE_SOURCE_DIR", &folder).output().unwrap();
        assert_eq!(ran.status.success(), is_it, "{ran:?}");
    }
    let mut command = bench.space.vex(&restore("FULL", &[]));
    let ran = command.env("RESTORE_SOURCE_DIR", &folder).output().unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{text}");
    assert!(text.contains("lie in the folder already"), "{text}");
    assert_eq!(bench.rows(), expected);
    // RMAN saw none of the increments that lie there too.
    let model = bench.model();
    let used = model["control"]["pieces"].as_array().unwrap();
    assert!(used.iter().all(|p| !(p["tag"] == "CATALOGED" && p["level"] == 1)));
}

#[test]
fn a_restore_waits_for_no_run_and_touches_nothing_while_one_has_the_database() {
    let bench = week();
    bench.ctl(&["lose"]);
    let lock = bench.space.state("locks/oracle-FIN.lock");
    let held = std::fs::File::options().write(true).open(lock).unwrap();
    held.lock().unwrap();
    let ran = bench.space.run(&restore("FULL", &[])).expect(1);
    assert!(ran.stderr.contains("another run backs it up, or restores it"), "{ran:?}");
    assert!(ran.stderr.contains("nothing was written"), "{ran:?}");
    assert_eq!(bench.model()["status"], "DOWN");
    drop(held);
    bench.space.run(&restore("FULL", &[])).expect(0);
}

#[test]
fn a_head_that_somebody_wrote_names_no_file_outside_and_gives_rman_no_command() {
    let bench = Bench::disk();
    bench.back_up("FULL", 0).expect(0);
    let key = word(&bench.heads()[0], "key").to_owned();
    let path = bench.space.path("nas").join(format!("{key}.manifest.json"));
    let whole = std::fs::read_to_string(&path).unwrap();
    bench.ctl(&["lose"]);
    let (before, calls) = (bench.ctl(&["show"]), bench.calls());
    let outside = bench.space.path("outside");
    let objects = serde_json::from_str::<Value>(&whole).unwrap()["objects"].clone();
    let first = word(&objects[0]["piece"], "name").to_owned();
    let with_logs = |head: &mut Value, first: u64, last: u64| {
        let objects = head["objects"].as_array_mut().unwrap();
        let own = objects.iter_mut().find(|o| o["piece"]["holds"] == "logs").unwrap();
        own["piece"]["logs"][0]["first"] = first.into();
        own["piece"]["logs"][0]["last"] = last.into();
    };
    let named = |head: &mut Value, name: &str| {
        for object in head["objects"].as_array_mut().unwrap() {
            if object["piece"]["holds"] == "control" {
                object["piece"]["name"] = name.into();
            }
        }
    };
    let absolute = outside.display().to_string();
    let command = format!("{first}'; HOST 'touch {absolute}");
    let climbing = format!("{first}/../../../outside");
    let sealed = format!("{first}.zip");
    for name in [&absolute, &command, &climbing, &sealed, &first, "../outside", "..", ""] {
        let mut head: Value = serde_json::from_str(&whole).unwrap();
        named(&mut head, name);
        refused(&bench, (&path, &head), "name");
    }
    // The name of the source is part of it.
    let mut head: Value = serde_json::from_str(&whole).unwrap();
    head["source"] = "fin/../..".into();
    for object in head["objects"].as_array_mut().unwrap() {
        let name = word(&object["piece"], "name").replace("vex_fin_", "vex_fin/../.._");
        object["piece"]["name"] = name.into();
    }
    refused(&bench, (&path, &head), "");
    let mut head: Value = serde_json::from_str(&whole).unwrap();
    head["objects"][0]["key"] = head["objects"][1]["key"].clone();
    refused(&bench, (&path, &head), "has the key of another");
    for (from, to) in [(1, u64::MAX), (9, 1)] {
        let mut head: Value = serde_json::from_str(&whole).unwrap();
        with_logs(&mut head, from, to);
        refused(&bench, (&path, &head), "says that it holds logs");
    }
    assert!(!outside.exists());
    assert_eq!((bench.ctl(&["show"]), bench.calls()), (before, calls), "RMAN was never called");
    std::fs::write(&path, whole).unwrap();
    bench.space.run(&restore("FULL", &[])).expect(0);
}

/// A restore refuses a head, and says why.
fn refused(bench: &Bench, (path, head): (&std::path::Path, &Value), why: &str) {
    std::fs::write(path, serde_json::to_vec_pretty(head).unwrap()).unwrap();
    let ran = bench.space.run(&restore("FULL", &[]));
    assert!(ran.code != 0 && said(&ran).contains(why), "{why}: {ran:?}");
}

#[test]
fn the_own_folder_under_a_named_one_goes_with_success_and_is_named_after_a_failure() {
    let bench = Bench::disk();
    bench.back_up("FULL", 0).expect(0);
    let expected = bench.rows();
    bench.ctl(&["lose"]);
    let folder = bench.space.path("pieces");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("of somebody"), "x").unwrap();
    let kept = bench.space.copy();
    let own = || {
        let all = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut all: Vec<String> = all.map(|name| name.into_string().unwrap()).collect();
        all.retain(|name| name != "of somebody");
        all
    };
    // The server has a current folder of its own.
    let ran = bench.space.run(&restore("FULL", &["--pieces", "pieces", "--dry-run"])).expect(0);
    assert!(said(&ran).contains(&format!("'{}/", folder.display())), "{ran:?}");
    let words = ["--pieces", folder.to_str().unwrap()];
    let fault = r#"[{"at": "recover", "once": true, "stack": ["ORA-00283: recovery session canceled due to errors"]}]"#;
    bench.set("faults", fault);
    let ran = bench.space.run(&restore("FULL", &words));
    let left = own();
    assert!(ran.code != 0 && left.len() == 1 && said(&ran).contains(&left[0]), "{ran:?}");
    bench.space.put_back(&kept);
    for name in own() {
        std::fs::remove_dir_all(folder.join(name)).unwrap();
    }
    bench.space.run(&restore("FULL", &words)).expect(0);
    assert_eq!(bench.rows(), expected);
    assert_eq!(own(), [] as [&str; 0]);
    assert!(folder.join("of somebody").exists());
}

#[test]
fn a_control_file_that_is_there_is_replaced_only_where_that_was_asked_for() {
    let bench = Bench::disk();
    bench.back_up("FULL", 0).expect(0);
    let expected = bench.rows();
    bench.ctl(&["lose"]);
    let own = bench.space.path("control01.ctl");
    std::fs::write(&own, "of somebody").unwrap();
    let refused = || {
        let before = bench.ctl(&["show"]);
        let ran = bench.space.run(&restore("FULL", &[])).expect(1);
        assert!(said(&ran).contains("control01.ctl is there, and would be replaced"), "{ran:?}");
        assert_eq!(bench.ctl(&["show"]), before);
        assert_eq!(std::fs::read_to_string(&own).unwrap(), "of somebody");
    };
    // A stopped instance, by its parameter file; a started one is asked.
    let parameters = bench.space.path("oh/dbs/initFIN.ora");
    let text = format!("db_name=FIN\n*.control_files='/nowhere/a.ctl', '{}'\n", own.display());
    std::fs::write(&parameters, text).unwrap();
    refused();
    std::fs::remove_file(&parameters).unwrap();
    bench.set("control_files", &serde_json::json!([own]).to_string());
    bench.set("status", "\"STARTED\"");
    refused();
    bench.space.run(&restore("FULL", &["--overwrite"])).expect(0);
    assert_eq!(bench.rows(), expected);
    assert_ne!(std::fs::read_to_string(&own).unwrap(), "of somebody");
}
