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
