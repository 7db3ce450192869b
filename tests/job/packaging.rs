//! What packages are made of: every file that the metadata names is there, systemd takes the
//! units, their command lines are ones that vex takes, and the hook of git holds a bad job back.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use crate::common::binary::{self, text};

/// The units that are there, by their names.
fn units() -> Vec<String> {
    let found = std::fs::read_dir(root().join("templates/packaging")).unwrap();
    let mut names: Vec<String> =
        found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".service") || name.ends_with(".timer"));
    names.sort();
    assert!(names.iter().any(|n| n == "vex@.service") && names.iter().any(|n| n == "vex@.timer"));
    names
}

fn starter() -> String {
    std::fs::read_to_string(root().join("templates/new/sqlite.kdl")).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn packaging(name: &str) -> String {
    std::fs::read_to_string(root().join("templates/packaging").join(name)).unwrap()
}

/// The part of `Cargo.toml` about one kind of package.
fn metadata(kind: &str) -> String {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let (_, rest) = manifest.split_once(&format!("[package.metadata.{kind}]\n")).unwrap();
    rest.split("\n[").next().unwrap().to_owned()
}

/// The files that it takes: what stands first in quotes in each line of `assets`.
fn assets(metadata: &str) -> BTreeSet<String> {
    let (_, assets) = metadata.split_once("assets = [\n").unwrap();
    let lines = assets.lines().take_while(|line| *line != "]");
    lines.map(|line| line.split('"').nth(1).unwrap().to_owned()).collect()
}

#[test]
fn every_file_of_a_package_is_there_and_both_packages_hold_the_same() {
    let (deb, rpm) = (metadata("deb"), metadata("generate-rpm"));
    assert_eq!(assets(&deb), assets(&rpm));
    let named = assets(&deb);
    assert!(named.len() >= 10, "{named:?}");
    let printed = printed();
    for name in named.iter().filter(|name| *name != "target/release/vex") {
        // What the program itself prints is elsewhere in a test.
        let path = match name.strip_prefix("target/package/") {
            Some(own) => printed.path().join(own),
            None => root().join(name),
        };
        let there = match name.rsplit_once("/*") {
            None => path.is_file(),
            Some((_, end)) => std::fs::read_dir(path.parent().unwrap())
                .unwrap()
                .any(|entry| entry.unwrap().file_name().into_string().unwrap().ends_with(end)),
        };
        assert!(there, "{name}");
    }
    for kind in ["service", "timer"] {
        assert!(named.contains(&format!("templates/packaging/*.{kind}")), "{kind}: {named:?}");
    }
    let script = root().join("templates/packaging/deb/postinst");
    assert_eq!(std::fs::metadata(&script).unwrap().permissions().mode() & 0o111, 0o111);
    assert!(rpm.contains("templates/packaging/deb/postinst"), "{rpm}");
}

/// The manual pages and completions, as the script that makes packages has them printed.
fn printed() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new(root().join("templates/packaging/build"))
        .env("VEX_BUILT", env!("CARGO_BIN_EXE_vex"))
        .env("VEX_OUT", folder.path())
        .output()
        .unwrap();
    binary::good(&made);
    folder
}

#[test]
fn a_package_has_a_manual_page_of_each_command_and_of_all_that_a_unit_names() {
    let folder = printed();
    let page = |name: &str| std::fs::read_to_string(folder.path().join("man").join(name));
    let help = binary::run(folder.path(), &["--help"]);
    let help = text(&help);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands: Vec<&str> = commands
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(commands.len() > 20, "{commands:?}");
    for command in commands {
        let name = format!("vex-{command}.1");
        assert!(page(&name).unwrap().starts_with(".ie"), "{name}");
    }
    for unit in &units() {
        for line in
            packaging(unit).lines().filter_map(|line| line.strip_prefix("Documentation=man:"))
        {
            let name = line.replace("(1)", ".1");
            assert!(page(&name).is_ok(), "{unit} names {name}");
        }
    }
    let bash = std::fs::read_to_string(folder.path().join("completions/vex")).unwrap();
    assert!(bash.contains("--dry-run") && bash.contains("complete -F _vex"), "no completions");
}

#[test]
fn the_recipe_of_an_image_names_files_that_are_there_and_starts_vex_as_the_units_do() {
    let recipe = packaging("Containerfile");
    let line = |word: &str| recipe.lines().filter_map(|line| line.strip_prefix(word)).next_back();
    assert_eq!(line("ENTRYPOINT "), Some(r#"["/usr/bin/vex"]"#));
    assert_eq!(line("USER "), Some("vex"));
    // What it is built with is no older than what the program asks for.
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let wanted = manifest.lines().find_map(|l| l.strip_prefix("rust-version = ")).unwrap();
    assert!(recipe.contains(&format!("FROM rust:{}-", wanted.trim_matches('"'))), "{recipe}");
    // The words behind the entry point are those of the units of a cluster, and of CMD.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("job.kdl"), starter()).unwrap();
    let units = binary::run(folder.path(), &["schedule", "job.kdl", "--format", "kubernetes"]);
    assert!(text(&units).contains("args: [\"run\", \"--scheduled\""), "{}", text(&units));
    let words: Vec<String> = serde_json::from_str(line("CMD ").unwrap()).unwrap();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    binary::good(&binary::run(folder.path(), &words));
}

#[test]
fn systemd_takes_the_units_and_vex_their_commands() {
    let folder = tempfile::tempdir().unwrap();
    let vex = env!("CARGO_BIN_EXE_vex");
    for unit in &units() {
        let written = packaging(unit).replace("/usr/bin/vex", vex);
        std::fs::write(folder.path().join(unit.replace('@', "@nightly")), written).unwrap();
    }
    for unit in &units() {
        let name = unit.replace('@', "@nightly");
        let verified = Command::new("systemd-analyze")
            .args(["verify", "--man=no", &name])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = text(&verified);
        assert!(!said.contains(&name) && !said.contains("Unknown"), "{name}: {said}");
    }
    // The same words with a database that is there: what never ran is due, and a minute later not.
    let command = packaging("vex@.service");
    let command = command.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/vex "));
    let command = command.unwrap().replace("/etc/vex/jobs/%i.kdl", "nightly.kdl");
    let words: Vec<&str> = command.split(' ').collect();
    let app = folder.path().join("app.db");
    let base = rusqlite::Connection::open(&app).unwrap();
    base.execute_batch("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1)").unwrap();
    let job = starter().replace("/srv/app/app.db", "app.db").replace("/var/backups/vex", "kept");
    std::fs::write(folder.path().join("nightly.kdl"), job).unwrap();
    let first = binary::run(folder.path(), &words);
    binary::good(&first);
    assert!(text(&first).contains("proven in local"), "{}", text(&first));
    let second = binary::run(folder.path(), &words);
    binary::good(&second);
    assert!(!text(&second).contains("proven in local"), "{}", text(&second));
}

fn git(folder: &Path, words: &[&str]) -> Output {
    let vex = Path::new(env!("CARGO_BIN_EXE_vex")).parent().unwrap().to_str().unwrap();
    let path = std::env::var("PATH").unwrap();
    Command::new("git")
        .args(["-c", "user.name=vex", "-c", "user.email=vex@localhost"])
        .args(words)
        .current_dir(folder)
        .env("PATH", format!("{vex}:{path}"))
        .env("XDG_STATE_HOME", folder.join(".git/state"))
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .unwrap()
}

#[test]
fn the_hook_of_git_holds_back_what_does_not_pass_or_is_not_laid_out() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    binary::good(&git(folder.path(), &["init", "-q", "."]));
    let hook = at(".git/hooks/pre-commit");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, packaging("pre-commit")).unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    let commit = || {
        binary::good(&git(folder.path(), &["add", "job.kdl"]));
        git(folder.path(), &["commit", "-q", "-m", "a job"])
    };
    let good = starter();
    std::fs::write(at("job.kdl"), good.replace("dump \"app\"", "dump \"nobody\"")).unwrap();
    let refused = commit();
    assert!(!refused.status.success() && text(&refused).contains("nobody"), "{}", text(&refused));
    std::fs::write(at("job.kdl"), good.replace("    send", "  send")).unwrap();
    let refused = commit();
    assert!(!refused.status.success() && text(&refused).contains("vex fmt"), "{}", text(&refused));
    // What is staged counts, not what lies in the folder.
    std::fs::write(at("job.kdl"), &good).unwrap();
    binary::good(&git(folder.path(), &["add", "job.kdl"]));
    std::fs::write(at("job.kdl"), "nonsense {").unwrap();
    let taken = git(folder.path(), &["commit", "-q", "-m", "a job"]);
    assert!(taken.status.success(), "{}", text(&taken));
}
