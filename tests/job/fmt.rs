//! `vex fmt`, `vex check -` and the forms of `vex check` for other programs, as they are typed.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};

use crate::common::binary::{self, text};
use crate::common::space::files;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn vex(folder: &Path, words: &[&str]) -> Output {
    let state = tempfile::tempdir().unwrap();
    binary::vex(state.path(), words).current_dir(folder).output().unwrap()
}

fn fed(folder: &Path, words: &[&str], input: &str) -> Output {
    let state = tempfile::tempdir().unwrap();
    let mut command = binary::vex(state.path(), words);
    command.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn without_blanks(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().filter(|c| !c.is_whitespace() && *c != '\u{feff}').collect()
}

#[test]
fn every_example_is_laid_out() {
    let output =
        vex(root(), &["fmt", "--check", "jobs", "jobs/include", "tests/check/include/site.kdl"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(text(&output), "");
}

#[test]
fn nothing_but_white_space_moves_and_a_second_time_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut laid_out = 0;
    let all = files(&root().join("tests/check"));
    for path in all.iter().filter(|path| path.extension().is_some_and(|e| e == "kdl")) {
        let before = std::fs::read(path).unwrap();
        let copy = folder.path().join(path.file_name().unwrap());
        std::fs::write(&copy, &before).unwrap();
        std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o640)).unwrap();
        let name = copy.file_name().unwrap().to_str().unwrap();
        let shown = text(&vex(folder.path(), &["fmt", "--check", name]));
        assert!(!shown.contains("CANARY"), "{name}: {shown}");
        let output = vex(folder.path(), &["fmt", name]);
        let after = std::fs::read(&copy).unwrap();
        match output.status.code() {
            Some(0) => {
                laid_out += 1;
                assert_eq!(without_blanks(&after), without_blanks(&before), "{name}");
                let again = vex(folder.path(), &["fmt", "--check", name]);
                assert_eq!(again.status.code(), Some(0), "{name}: {}", text(&again));
                assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o640);
            }
            Some(78) => assert_eq!(after, before, "{name} is no KDL and was changed"),
            other => panic!("{name}: {other:?}: {}", text(&output)),
        }
    }
    assert!(laid_out > 100, "only {laid_out} were laid out");
}

#[test]
fn what_would_change_is_shown_without_secrets_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let source = "sources {\n  mysql \"a\" password=\"CANARY-fmt\"   host=\"h\"\n}\n";
    std::fs::write(folder.path().join("job.kdl"), source).unwrap();
    let output = vex(folder.path(), &["fmt", "--check", "job.kdl"]);
    assert_eq!(output.status.code(), Some(1));
    let shown = text(&output);
    assert!(shown.contains("+    mysql \"a\""), "{shown}");
    assert!(!shown.contains("CANARY"), "{shown}");
    assert_eq!(std::fs::read_to_string(folder.path().join("job.kdl")).unwrap(), source);
    let output = fed(folder.path(), &["fmt", "-"], "job \"a\" {\nexec \"x\" {\n}\n}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "job \"a\" {\n    exec \"x\" {\n    }\n}\n"
    );
}

#[test]
fn a_link_to_a_file_stays_a_link() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("real.kdl"), "a   1\n").unwrap();
    std::os::unix::fs::symlink("real.kdl", folder.path().join("job.kdl")).unwrap();
    assert_eq!(vex(folder.path(), &["fmt", "job.kdl"]).status.code(), Some(0));
    assert!(folder.path().join("job.kdl").is_symlink());
    assert_eq!(std::fs::read_to_string(folder.path().join("real.kdl")).unwrap(), "a 1\n");
}

#[test]
fn an_editor_checks_what_is_not_saved() {
    let folder = root().join("tests/check");
    let source = std::fs::read_to_string(folder.join("node-unknown.kdl")).unwrap();
    let output =
        fed(&folder, &["check", "--format", "json", "--site", "include/site.kdl", "-"], &source);
    assert_eq!(output.status.code(), Some(78));
    let line: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(line["labels"][0]["file"], "<stdin>");
    let output = fed(&folder, &["run", "-"], &source);
    assert_eq!(output.status.code(), Some(64), "{}", text(&output));
}

#[test]
fn other_programs_read_what_check_says() {
    let folder = root().join("tests/check");
    let two = ["node-unknown.kdl", "warn-tls.kdl", "--site", "include/site.kdl"];
    let output = vex(&folder, &[&["check", "--format", "github"][..], &two].concat());
    assert_eq!(output.status.code(), Some(78));
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.lines().any(|l| l.starts_with("::error file=node-unknown.kdl,line=")), "{shown}");
    assert!(shown.lines().any(|l| l.starts_with("::warning file=warn-tls.kdl,line=")), "{shown}");
    assert!(shown.lines().all(|l| l.starts_with("::")), "{shown}");
    let output = vex(&folder, &[&["check", "--format", "sarif"][..], &two].concat());
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let results = document["runs"][0]["results"].as_array().unwrap();
    let files: Vec<_> = results
        .iter()
        .map(|r| r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap())
        .collect();
    assert!(files.contains(&"node-unknown.kdl") && files.contains(&"warn-tls.kdl"), "{files:?}");
}

#[test]
fn the_shell_and_man_know_every_command() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let output = vex(folder.path(), &["completions", shell]);
        assert!(text(&output).contains("restore"), "{shell}");
    }
    let bash = vex(folder.path(), &["completions", "bash"]).stdout;
    std::fs::write(folder.path().join("vex.bash"), bash).unwrap();
    let asked = "source vex.bash; COMP_WORDS=(vex resto); COMP_CWORD=1; _vex vex resto vex; echo \"${COMPREPLY[@]}\"";
    let output = std::process::Command::new("bash")
        .args(["-c", asked])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "restore\n", "{}", text(&output));
    assert!(text(&vex(folder.path(), &["man", "catalog", "rebuild"])).contains(".TH"));
    assert_eq!(vex(folder.path(), &["man", "nothing"]).status.code(), Some(64));
    assert_eq!(vex(folder.path(), &["man", "--out", "pages"]).status.code(), Some(0));
    let pages = std::fs::read_dir(folder.path().join("pages")).unwrap().count();
    assert!(pages > 15 && folder.path().join("pages/vex-restore.1").is_file(), "{pages}");
}
