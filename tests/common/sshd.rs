//! A private `sshd` on a free port of the loopback, with keys of its own; gone with its test.
//!
//! Knows no store. Whoever runs the tests is who signs in.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::common::space::until;

/// The server that OpenSSH has for SFTP.
pub const SERVER: &str = "/usr/lib/openssh/sftp-server";

/// A running server.
pub struct Sshd {
    child: Child,
    pub port: u16,
    pub user: String,
    pub folder: TempDir,
}

fn run(program: &str, arguments: &[&str]) {
    let ran = Command::new(program).args(arguments).output();
    let ran = ran.unwrap_or_else(|e| panic!("{program}: {e}: run tests/run.sh"));
    assert!(ran.status.success(), "{program}: {}", String::from_utf8_lossy(&ran.stderr));
}

fn keygen(path: &Path) {
    run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", path.to_str().unwrap()]);
}

impl Sshd {
    /// With the server of OpenSSH.
    pub fn start() -> Sshd {
        Sshd::start_with("internal-sftp")
    }

    /// With another command that speaks SFTP.
    pub fn start_with(subsystem: &str) -> Sshd {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        ["host", "id"].iter().for_each(|name| keygen(&path(name)));
        std::fs::copy(path("id.pub"), path("authorized")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             PermitRootLogin prohibit-password\nSubsystem sftp {subsystem}\nLogLevel ERROR\n\
             MaxStartups 100\n",
            path("host").display(),
            path("authorized").display(),
        );
        std::fs::write(path("config"), config).unwrap();
        let public = std::fs::read_to_string(path("host.pub")).unwrap();
        std::fs::write(path("known"), format!("[127.0.0.1]:{port} {public}")).unwrap();
        if rustix::process::geteuid().is_root() {
            // sshd wants this empty folder, and makes it nowhere else.
            std::fs::create_dir_all("/run/sshd").unwrap();
        }
        let mut server = Command::new("/usr/sbin/sshd");
        server.arg("-D").arg("-f").arg(path("config"));
        let child = server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.unwrap_or_else(|e| panic!("sshd: {e}: run tests/run.sh"));
        let whoami = Command::new("id").arg("-un").output().unwrap();
        let user = String::from_utf8(whoami.stdout).unwrap().trim().to_owned();
        let sshd = Sshd { child, port, user, folder };
        until("sshd listens", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        sshd
    }

    /// A file or folder of it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
