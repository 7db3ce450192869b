//! The programs that tests start: vex, with nothing of this machine in sight but `PATH`, and this
//! test binary itself, with one test.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// vex, about to run in a folder, where its state lies too.
pub fn vex(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vex"));
    command
        .args(arguments)
        .current_dir(home)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("XDG_STATE_HOME", home.join("state"))
        .stdin(Stdio::null());
    // Pages and answers are looked at in the default language, the words of a run in English.
    let first = arguments.first().copied().unwrap_or_default();
    if !["report", "serve", "status", "history", "info", "diff", "peek", "drill"].contains(&first) {
        command.env("VEX_LANG", "en");
    }
    command
}

/// Runs vex to its end.
pub fn run(home: &Path, arguments: &[&str]) -> Output {
    vex(home, arguments).output().expect("vex starts")
}

/// All that a program printed.
pub fn text(output: &Output) -> String {
    let show = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", show(&output.stdout), show(&output.stderr))
}

/// Fails with all that was printed, unless it went well.
#[track_caller]
pub fn good(output: &Output) {
    assert!(output.status.success(), "{}\n{}", output.status, text(output));
}

/// This binary again, with one test of a module alone: `module_path!()`, and its name.
pub fn one_test(module: &str, name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("we have a name"));
    let (_, module) = module.split_once("::").expect("a module of this binary");
    command.args([&format!("{module}::{name}"), "--exact", "--nocapture"]);
    command
}
