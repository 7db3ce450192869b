//! `vex jobs` and `vex schedule` as they are typed: the units are those that the scheduler reads.

use std::path::Path;
use std::process::Output;

use crate::common::binary::{self, text};

const FILE: &str = r#"timezone "Europe/Paris"
sources { sqlite "app" path="app.db" }
stores { dir "here" path="backups" { keep last=2; } }
job "full.night" schedule="30 2 * * 0" { dump "app" { send "here" } }
job "Second" schedule="0 1 * * 5#2" { dump "app" { send "here" } }
job "hand" { dump "app" { send "here" } }
"#;

fn vex(folder: &Path, words: &[&str]) -> Output {
    let state = tempfile::tempdir().unwrap();
    binary::vex(state.path(), words).current_dir(folder).output().unwrap()
}

fn written() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("shop.kdl"), FILE).unwrap();
    folder
}

#[test]
fn units_of_systemd_are_taken_by_systemd() {
    let folder = written();
    let output = vex(folder.path(), &["schedule", "shop.kdl", "--out", "units"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let unit =
        |name: &str| std::fs::read_to_string(folder.path().join("units").join(name)).unwrap();
    assert!(
        unit("vex-shop-full-night.timer").contains("OnCalendar=Sun *-*-* 02:30:00 Europe/Paris\n")
    );
    assert!(
        unit("vex-shop-second.timer").contains("OnCalendar=Fri *-*-08..14 01:00:00 Europe/Paris\n")
    );
    let service = unit("vex-shop-full-night.service");
    assert!(service.contains("run --scheduled") && service.contains("full.night"), "{service}");
    assert_eq!(std::fs::read_dir(folder.path().join("units")).unwrap().count(), 4);
    for name in ["vex-shop-full-night.timer", "vex-shop-second.timer"] {
        let verified = std::process::Command::new("systemd-analyze")
            .args(["verify", "--man=no", name])
            .current_dir(folder.path().join("units"))
            .output()
            .unwrap();
        let said = text(&verified);
        assert!(!said.contains(name) && !said.contains("Unknown"), "{name}: {said}");
    }
}

#[test]
fn each_scheduler_has_its_own_words_and_is_told_what_it_can_not_say() {
    let folder = written();
    let of = |words: &[&str]| {
        let output = vex(folder.path(), &[&["schedule", "shop.kdl"][..], words].concat());
        (output.status.code(), text(&output))
    };
    let (code, cron) = of(&["full.night", "--format", "cron"]);
    assert_eq!(code, Some(0), "{cron}");
    assert!(
        cron.contains("CRON_TZ=Europe/Paris\n30 2 * * 0 /") && cron.contains("full.night\n"),
        "{cron}"
    );
    let (code, cluster) = of(&["full.night", "--format", "kubernetes"]);
    assert_eq!(code, Some(0), "{cluster}");
    for line in [
        "  schedule: \"30 2 * * 0\"\n",
        "  timeZone: \"Europe/Paris\"\n",
        "  concurrencyPolicy: Forbid\n",
    ] {
        assert!(cluster.contains(line), "{line}: {cluster}");
    }
    assert!(
        of(&["full.night", "--format", "nomad"])
            .1
            .contains("time_zone        = \"Europe/Paris\"\n")
    );
    for engine in ["cron", "kubernetes", "nomad"] {
        let (code, said) = of(&["Second", "--format", engine]);
        assert_eq!(code, Some(64), "{said}");
        assert!(said.contains("`#`") && said.contains("vex run --due"), "{said}");
    }
    let (code, said) = of(&["hand"]);
    assert!(code == Some(64) && said.contains("job hand has no schedule"), "{said}");
    let (code, said) = of(&["nothing"]);
    assert!(code == Some(64) && said.contains("there is no job nothing"), "{said}");
}

#[test]
fn check_warns_of_an_hour_that_summer_time_skips() {
    let folder = written();
    let said = text(&vex(folder.path(), &["check", "shop.kdl"]));
    assert_eq!(said.matches("vex::schedule::gap").count(), 1, "{said}");
    assert!(
        said.contains("the clock of Europe/Paris skips what `30 2 * * 0` names, on 20"),
        "{said}"
    );
    assert!(said.contains("runs it at 03:00 that day"), "{said}");
}

#[test]
fn the_jobs_of_a_file_are_shown_with_their_next_moment() {
    let folder = written();
    let shown = text(&vex(folder.path(), &["jobs", "shop.kdl"]));
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with("full.night  30 2 * * 0  next Sun 20"), "{shown}");
    assert!(lines[2].starts_with("hand  no schedule"), "{shown}");
    let json = vex(folder.path(), &["jobs", "shop.kdl", "--format", "json"]).stdout;
    let json = String::from_utf8_lossy(&json).into_owned();
    let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!((&first["job"], &first["zone"]), (&"full.night".into(), &"Europe/Paris".into()));
}
