//! What a site file says of the machine is heeded by every command: folders, variables, programs.

use std::os::unix::fs::PermissionsExt;

use crate::common::space::{Space, files};

const JOB: &str = r#"
sources { sqlite "app" path="app.db" }
stores { dir "local" path="store" { keep last=9 } }
job "j" { archive { password (env)"ZIP_PW" }; dump "app" { send "local"; verify "local" } }
"#;

fn space(site: &str) -> Space {
    let space = Space::new().job(JOB);
    space.database("app.db", "CREATE TABLE t (v); INSERT INTO t VALUES (1);");
    space.secret("vars", "# a comment\nexport ZIP_PW='CANARY-ZIP'\n");
    std::fs::write(space.path("vex.kdl"), site).unwrap();
    space
}

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn state_and_staging_lie_where_the_site_says_and_are_the_owners_alone() {
    let space =
        space("state path=\"own/state\"\nstaging path=\"own/staging\"\nenv-file \"vars\"\n");
    space.back_up();
    assert_eq!((mode(&space.path("own/state")), mode(&space.path("own/staging"))), (0o700, 0o700));
    assert!(space.path("own/state/catalog.sqlite").is_file());
    assert!(!space.path("state/vex").exists(), "{:?}", files(&space.path("state")));
    let told = space.run(&["doctor", "job.kdl"]);
    assert!(told.stdout.contains("own/state, "), "{}", told.stdout);
    assert!(told.stdout.contains("own/staging, "), "{}", told.stdout);
    // A command without a job file is told by the site.
    let told = space.run(&["history", "--site", "vex.kdl"]).expect(0);
    assert!(told.stdout.contains(" j "), "{}", told.stdout);
    let plan = space.run(&["plan", "job.kdl"]).expect(0).stdout;
    assert!(plan.contains("own/staging") && plan.contains(" free"), "{plan}");
}

#[test]
fn a_variable_of_an_env_file_is_found_and_is_told_to_nobody() {
    let space = space("env-file \"vars\"\n");
    let ran = space.back_up();
    let target = format!("sqlite:{}", space.path("back.db").display());
    space.run(&["restore", "job.kdl", "--into", &target]).expect(0);
    for text in [ran.stdout, ran.stderr, space.logs()] {
        assert!(!text.contains("CANARY"), "{text}");
    }
    // A file that others can read is refused.
    std::fs::set_permissions(space.path("vars"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = space.run(&["run", "job.kdl"]).expect(78);
    assert!(refused.stderr.contains("mode 644"), "{}", refused.stderr);
    space.run(&["check", "job.kdl"]).expect(0);
    std::fs::remove_file(space.path("vars")).unwrap();
    let refused = space.run(&["run", "job.kdl"]).expect(78);
    assert!(refused.stderr.contains("env-file"), "{}", refused.stderr);
}

#[test]
fn a_folder_without_its_programs_is_an_error_at_its_line_before_any_work() {
    let space = space("env-file \"vars\"\ntools { mydumper \"empty folder\" }\n");
    std::fs::create_dir(space.path("empty folder")).unwrap();
    let refused = space.run(&["run", "job.kdl"]).expect(78);
    assert!(refused.stderr.contains("holds no mydumper"), "{}", refused.stderr);
    assert!(refused.stderr.contains("vex.kdl:2:"), "{}", refused.stderr);
    assert!(!space.path("store").exists());
    // Another machine may check the file.
    let checked = space.run(&["check", "job.kdl"]).expect(0);
    assert!(
        checked.stderr.contains("holds no mydumper")
            || checked.stdout.contains("holds no mydumper")
    );
    let tool = space.path("empty folder/mydumper");
    std::fs::write(&tool, "").unwrap();
    space.run(&["run", "job.kdl"]).expect(0);
}

#[test]
fn a_command_that_is_given_no_file_takes_that_of_the_folder() {
    let space = Space::new();
    space.database("app.db", "CREATE TABLE t (v); INSERT INTO t VALUES (1);");
    let refused = space.run(&["run"]).expect(64);
    assert!(refused.stderr.contains("<FILE>"), "{}", refused.stderr);
    assert!(refused.stderr.contains("no vex.kdl with a job in the current folder"));
    let job = format!(
        "state path=\"own\"\n{}",
        JOB.replace("archive { password (env)\"ZIP_PW\" }; ", "")
    );
    std::fs::write(space.path("vex.kdl"), job).unwrap();
    space.run(&["check"]).expect(0);
    space.run(&["run"]).expect(0);
    assert!(space.run(&["list"]).expect(0).stdout.contains("app"));
    let told = space.run(&["status"]).expect(0);
    assert!(told.stdout.contains("app"), "{} {}", told.stdout, told.stderr);
    assert!(space.run(&["history"]).expect(0).stdout.contains(" j "), "its own state folder");
    assert!(space.run(&["jobs"]).expect(0).stdout.contains("no schedule"));
    let target = format!("sqlite:{}", space.path("back.db").display());
    space.run(&["restore", "--into", &target]).expect(0);
    assert!(space.path("back.db").is_file());
}

#[test]
fn a_unit_of_systemd_says_where_logs_lie_and_what_its_credentials_are() {
    use std::os::unix::fs::PermissionsExt;
    let job = JOB.replace("(env)\"ZIP_PW\"", "(credential)\"zip.pw\"");
    let space = Space::new().job(&job);
    space.database("app.db", "CREATE TABLE t (v); INSERT INTO t VALUES (1);");
    // Without systemd there are none, and the run says which is meant.
    let ran = space.run(&["run", "job.kdl"]).expect(1);
    let told = format!("{}{}", ran.stderr, space.logs());
    assert!(told.contains("(credential)\"zip.pw\"") && told.contains("LoadCredential"), "{told}");
    std::fs::create_dir(space.path("given")).unwrap();
    space.secret("given/zip.pw", "CANARY-ZIP\n");
    let (given, logs) = (space.path("given"), space.path("log/vex"));
    let space = space.env("CREDENTIALS_DIRECTORY", given.display().to_string());
    let both = format!("{}:{}", logs.display(), space.path("log/other").display());
    let space = space.env("LOGS_DIRECTORY", both).env("STATE_DIRECTORY", "");
    let before = files(&space.state("logs"));
    let ran = space.run(&["run", "job.kdl"]).expect(0);
    assert_eq!(files(&space.state("logs")), before, "the logs lie elsewhere");
    let logs = files(&logs.join("j"));
    let log = logs.iter().find(|path| path.extension().is_some_and(|end| end == "log")).unwrap();
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("dump/app"), "{log}");
    for text in [&ran.stdout, &ran.stderr, &log] {
        assert!(!text.contains("CANARY"), "{text}");
    }
    assert!(space.run(&["doctor", "job.kdl"]).stdout.contains("log/vex"));
    let target = format!("sqlite:{}", space.path("back.db").display());
    space.run(&["restore", "job.kdl", "--into", &target]).expect(0);
    // What others can read is no secret, and a path is no name.
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(space.path("given/zip.pw"), open).unwrap();
    let refused = space.run(&["run", "job.kdl"]).expect(1);
    assert!(refused.stderr.contains("others can read it"), "{}", refused.stderr);
    let space = space.job(&job.replace("zip.pw", "../zip.pw"));
    let refused = space.run(&["check", "job.kdl"]).expect(78);
    assert!(refused.stdout.contains("not the name of a credential"), "{}", refused.stdout);
    assert!(!refused.stdout.contains("../zip.pw"), "{}", refused.stdout);
}

#[test]
fn where_the_state_folder_is_is_said_where_it_can_not_be_used() {
    let space = space("env-file \"vars\"\n");
    std::fs::write(space.path("taken"), "a file").unwrap();
    let refused = space.env("STATE_DIRECTORY", "taken").run(&["run", "job.kdl"]).expect(1);
    assert!(refused.stderr.contains("in taken"), "{}", refused.stderr);
    assert!(refused.stderr.contains("`state path=`"), "{}", refused.stderr);
}
