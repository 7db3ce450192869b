//! The dashboard as a service of systemd: it says when it is ready, that it lives, and that it ends.

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::common::space::{Running, Space};

/// The next message of the service.
#[track_caller]
fn heard(socket: &UnixDatagram) -> String {
    let mut bytes = [0; 512];
    let length = socket.recv(&mut bytes).expect("a message in time");
    String::from_utf8(bytes[..length].to_vec()).unwrap()
}

#[test]
fn the_manager_hears_that_the_dashboard_is_ready_lives_and_ends() {
    let space = Space::new();
    let path = space.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut command = space.vex(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "400000");
    let mut server =
        Running(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(heard(&socket), format!("READY=1\nSTATUS={}", line.trim_end()));
    for _ in 0..3 {
        assert_eq!(heard(&socket), "WATCHDOG=1");
    }
    server.signal(Signal::TERM);
    let mut last = heard(&socket);
    while last == "WATCHDOG=1" {
        last = heard(&socket);
    }
    assert_eq!(last, "STOPPING=1\nSTATUS=ending");
    server.ends_soon();
}

#[test]
fn who_has_no_watchdog_and_whom_no_manager_started_is_not_told() {
    let space = Space::new();
    let path = space.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut command = space.vex(&["serve", "--listen", "127.0.0.1:0"]);
    // The watchdog of another process.
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "100000").env("WATCHDOG_PID", "1");
    let server = Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    assert!(heard(&socket).starts_with("READY=1\n"));
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    assert!(socket.recv(&mut [0; 64]).is_err());
    drop(server);
}

#[test]
fn the_unit_that_is_given_away_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/packaging/vex-serve.service");
    let text = std::fs::read_to_string(unit).unwrap();
    // The program stands where the package puts it, and not on this machine.
    let text = text.replace("/usr/bin/vex", env!("CARGO_BIN_EXE_vex"));
    std::fs::write(folder.path().join("vex-serve.service"), text).unwrap();
    let verified = Command::new("systemd-analyze")
        .args(["verify", "--man=no", "vex-serve.service"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(!said.contains("vex-serve") && !said.contains("Unknown"), "{said}");
}
