//! Private PostgreSQL servers for tests, with the same promises as the other brands.
//!
//! PostgreSQL refuses to run as root: then it runs as `nobody`, who may pass any folder, so that
//! the folders stay where they are. It ends by SIGQUIT, the parent's death included: killed, it
//! would leave its shared memory behind.

use std::env;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, Config, NoTls};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::common::servers::{PATIENCE, free_port, sweep_after_us};

/// Another user than root, that may read and write as root does.
const AS_NOBODY: [&str; 6] = [
    "--reuid=nobody",
    "--regid=nogroup",
    "--clear-groups",
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
    "--",
];

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pg {
    /// PostgreSQL 15, of Debian.
    V15,
    /// PostgreSQL 17, in a prefix.
    V17,
}

impl Pg {
    /// All of them, for tests that run on each.
    pub const ALL: [Pg; 2] = [Pg::V15, Pg::V17];

    /// Starts a server with more settings, each `name=value`; later ones override ours.
    pub fn start(self, settings: &[&str]) -> PgServer {
        settings.iter().fold(self.setup(), |setup, setting| setup.setting(setting)).start()
    }

    /// A server that is still to be described.
    pub fn setup(self) -> Setup {
        Setup {
            version: self,
            settings: Vec::new(),
            hba: Vec::new(),
            tls: None,
            password: None,
            data: None,
            at: None,
            alone: false,
        }
    }

    /// The server that all tests of this process share.
    pub fn shared(self) -> &'static PgServer {
        static SHARED: [OnceLock<PgServer>; Pg::ALL.len()] =
            [const { OnceLock::new() }; Pg::ALL.len()];
        SHARED[self as usize].get_or_init(|| {
            let (send, receive) = mpsc::channel();
            // A server ends with the thread that started it: this one stays as long as the process.
            thread::spawn(move || {
                send.send(self.start(&[])).expect("somebody waits for the server");
                loop {
                    thread::park();
                }
            });
            receive.recv().expect("the shared server starts")
        })
    }

    /// The folder of its programs.
    pub fn programs(self) -> PathBuf {
        match self {
            Pg::V15 => "/usr/lib/postgresql/15/bin".into(),
            Pg::V17 => prefix().join("usr/lib/postgresql/17/bin"),
        }
    }

    /// A program of its version.
    pub fn bin(self, name: &str) -> PathBuf {
        let program = self.programs().join(name);
        assert!(program.is_file(), "{self:?} has no {}: run tests/run.sh", program.display());
        program
    }

    /// A program that must not be root.
    pub fn unprivileged(self, name: &str) -> Command {
        unprivileged(&self.bin(name), "QUIT")
    }
}

/// A program that must not be root; `signal` is what it gets when we end.
pub fn unprivileged(program: &Path, signal: &str) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", signal]).args(AS_NOBODY).arg(program);
    command
}

/// What a server shall be like.
pub struct Setup {
    version: Pg,
    settings: Vec<String>,
    hba: Vec<String>,
    tls: Option<(String, String)>,
    password: Option<String>,
    data: Option<PathBuf>,
    at: Option<(String, u16)>,
    alone: bool,
}

impl Setup {
    /// One more setting, `name=value`.
    pub fn setting(mut self, setting: &str) -> Setup {
        self.settings.push(setting.to_owned());
        self
    }

    /// One more line of `pg_hba.conf`, before ours.
    pub fn hba(mut self, line: &str) -> Setup {
        self.hba.push(line.to_owned());
        self
    }

    /// TLS on TCP, for who asks for it: the certificate with its chain, and its key, as PEM.
    pub fn tls(mut self, certificate: &str, key: &str) -> Setup {
        self.tls = Some((certificate.to_owned(), key.to_owned()));
        self
    }

    /// Over TCP a password is needed, SCRAM-SHA-256; it is `postgres`'s. The socket stays open to
    /// all.
    pub fn scram(mut self, password: &str) -> Setup {
        self.password = Some(password.to_owned());
        self
    }

    /// On a data folder that is there, and stays; where we are root it becomes the server's.
    pub fn on(mut self, data: &Path) -> Setup {
        self.data = Some(data.to_owned());
        self
    }

    /// With a `system_identifier` of its own: others are copies of one cluster.
    pub fn alone(mut self) -> Setup {
        self.alone = true;
        self
    }

    /// On this address and port, instead of 127.0.0.1 and a free one.
    pub fn at(mut self, address: &str, port: u16) -> Setup {
        self.at = Some((address.to_owned(), port));
        self
    }

    /// Starts it.
    pub fn start(self) -> PgServer {
        // Another process may take the free port first: then the server ends at once, and another
        // port is tried.
        (0..3).find_map(|_| self.try_start().ok()).unwrap_or_else(|| {
            let Err(why) = self.try_start() else {
                panic!("{:?} starts only at times", self.version)
            };
            panic!("{:?} does not start: {why}", self.version)
        })
    }

    fn try_start(&self) -> Result<PgServer, String> {
        let home = tempfile::Builder::new()
            .prefix("vex-server-")
            .tempdir()
            .expect("a folder for the server");
        fs::set_permissions(home.path(), Permissions::from_mode(0o755))
            .expect("the folder is ours");
        let sweeper = sweep_after_us(home.path());
        let data = self.data.clone().unwrap_or_else(|| home.path().join("data"));
        match self.data {
            Some(_) => own(self.version, &data),
            None if self.alone => initialise(self.version, &data),
            None => copy(&template(self.version), &data),
        }
        let (address, port) = self.at.clone().unwrap_or_else(|| ("127.0.0.1".into(), free_port()));
        let mut command = self.version.unprivileged("postgres");
        let mut setting = |text: String| {
            command.arg("-c").arg(text);
        };
        setting(format!("port={port}"));
        setting(format!("unix_socket_directories={}", home.path().display()));
        setting(format!("listen_addresses={address}"));
        for fixed in ["fsync=off", "dynamic_shared_memory_type=mmap"] {
            setting(fixed.to_owned());
        }
        if let Some((certificate, key)) = &self.tls {
            setting("ssl=on".into());
            for (name, file, text) in
                [("ssl_cert_file", "server.crt", certificate), ("ssl_key_file", "server.key", key)]
            {
                let path = home.path().join(file);
                fs::write(&path, text).expect("the folder can be written");
                fs::set_permissions(&path, Permissions::from_mode(0o600))
                    .expect("the file is ours");
                setting(format!("{name}={}", path.display()));
            }
        }
        self.settings.iter().cloned().for_each(setting);
        self.admit(&data);
        let log = File::create(home.path().join("log")).expect("the folder can be written");
        command.arg("-D").arg(&data).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        if !rustix::process::geteuid().is_root() {
            // Safety: prctl is async-signal-safe and touches only the child.
            unsafe {
                command.pre_exec(|| {
                    rustix::process::set_parent_process_death_signal(Some(Signal::QUIT))
                        .map_err(Into::into)
                });
            }
        }
        let process =
            command.spawn().unwrap_or_else(|e| panic!("{:?}: {e}: run tests/run.sh", self.version));
        let socket = home.path().to_owned();
        let mut server =
            PgServer { version: self.version, port, socket, data, process, sweeper, home };
        server.wait_for_it()?;
        if let Some(password) = &self.password {
            server.sql("postgres", &format!("ALTER ROLE postgres PASSWORD '{password}'"));
        }
        Ok(server)
    }

    /// Who may come in; the template lets in everybody of this machine.
    fn admit(&self, data: &Path) {
        if self.hba.is_empty() && self.password.is_none() {
            return;
        }
        let method = if self.password.is_some() { "scram-sha-256" } else { "trust" };
        let mut lines = self.hba.clone();
        for database in ["all", "replication"] {
            lines.push(format!("local {database} all trust"));
            lines.push(format!("host {database} all 127.0.0.1/32 {method}"));
        }
        let file = data.join("pg_hba.conf");
        fs::write(&file, lines.join("\n") + "\n").expect("the data folder can be written");
    }
}

/// A running server; `postgres` is its superuser.
pub struct PgServer {
    /// Which it is.
    pub version: Pg,
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// The folder of its socket.
    pub socket: PathBuf,
    data: PathBuf,
    process: Child,
    sweeper: Child,
    home: TempDir,
}

impl PgServer {
    fn wait_for_it(&mut self) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        while let Err(error) = self.config("postgres").connect(NoTls) {
            let ended = self.process.try_wait().expect("the server is ours");
            if ended.is_some() || Instant::now() > end {
                return Err(format!("{error}; it ended: {ended:?}; its log:\n{}", self.log()));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn config(&self, database: &str) -> Config {
        let mut config = Config::new();
        config.host_path(&self.socket).port(self.port).user("postgres").dbname(database);
        config
    }

    /// A connection as `postgres`, by the socket.
    pub fn client(&self, database: &str) -> Client {
        let made = self.config(database).connect(NoTls);
        made.unwrap_or_else(|e| panic!("{:?}: {e:?}; its log:\n{}", self.version, self.log()))
    }

    /// Runs statements on a connection of its own; several in one call are one transaction.
    pub fn sql(&self, database: &str, statements: &str) {
        self.client(database)
            .batch_execute(statements)
            .unwrap_or_else(|e| panic!("{:?}: {e:?}: {statements}", self.version));
    }

    /// The same as [`PgServer::value`], of a database that may not be there yet.
    pub fn asked(&self, database: &str, query: &str) -> Option<String> {
        let found = self.config(database).connect(NoTls).ok()?.simple_query(query).ok()?;
        found.iter().find_map(|message| match message {
            postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        })
    }

    /// The first value of a query's first row, as text.
    pub fn value(&self, database: &str, query: &str) -> Option<String> {
        let found = self.client(database).simple_query(query);
        let found = found.unwrap_or_else(|e| panic!("{:?}: {e:?}: {query}", self.version));
        found.iter().find_map(|message| match message {
            postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).map(str::to_owned)),
            _ => None,
        })?
    }

    /// A program of its version.
    pub fn bin(&self, name: &str) -> PathBuf {
        self.version.bin(name)
    }

    /// A client program of its version, that reaches this server as `postgres`.
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin(name));
        command
            .env("PGHOST", &self.socket)
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", "postgres");
        command.stdin(Stdio::null());
        command
    }

    /// What a client program says when it comes to a good end.
    pub fn run(&self, name: &str, arguments: &[&str]) -> String {
        let output = self.command(name).args(arguments).output().expect("the program starts");
        assert!(
            output.status.success(),
            "{name} {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Its address over TCP, without a database.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}", self.port)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Its folder: `data`, `log`, its socket.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Its data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        let log = fs::read(self.home.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Shuts it down as an operator does, to the end: its data folder is clean afterwards.
    pub fn stop(&mut self) {
        self.end(Signal::INT);
    }

    fn end(&mut self, signal: Signal) {
        let pid = Pid::from_child(&self.process);
        // Whoever has ended already needs no signal.
        if self.process.try_wait().is_ok_and(|ended| ended.is_none())
            && kill_process(pid, signal).is_ok()
        {
            let end = Instant::now() + Duration::from_secs(180);
            while Instant::now() < end && self.process.try_wait().is_ok_and(|ended| ended.is_none())
            {
                thread::sleep(Duration::from_millis(5));
            }
        }
        self.process.kill().and_then(|()| self.process.wait()).map(drop).unwrap_or_default();
    }
}

impl Drop for PgServer {
    fn drop(&mut self) {
        // The sweeper first: the folder is ours to remove.
        self.sweeper.kill().and_then(|()| self.sweeper.wait()).map(drop).unwrap_or_default();
        self.end(Signal::QUIT);
    }
}

/// The data folder that servers start from, initialised once: named after the program that made it,
/// made under another name and renamed when whole, under a file lock.
fn template(version: Pg) -> PathBuf {
    let seen = fs::metadata(version.bin("postgres")).expect("the program is there");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("servers");
    fs::create_dir_all(&folder).expect("target/tmp can be written");
    let made = folder.join(format!("postgres-{version:?}-{:x}-{:x}", seen.size(), seen.mtime()));
    let lock = File::create(folder.join(format!("postgres-{version:?}.lock")))
        .expect("target/tmp can be written");
    lock.lock().expect("the file system has locks");
    if !made.exists() {
        let half = made.with_extension("half");
        fs::remove_dir_all(&half).unwrap_or_default();
        initialise(version, &half);
        fs::rename(&half, &made).expect("the template can be renamed");
    }
    made
}

/// Makes a data folder, with an identity of its own.
fn initialise(version: Pg, data: &Path) {
    let mut command = version.unprivileged("initdb");
    command.args([
        "--username=postgres",
        "--auth=trust",
        "--no-sync",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
    ]);
    let output = command.arg("-D").arg(data).stdin(Stdio::null()).output().expect("initdb starts");
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{version:?} can't be initialised:\n{}",
        String::from_utf8_lossy(&said)
    );
}

fn copy(from: &Path, data: &Path) {
    let done = Command::new("cp").args(["-a", "--reflink=auto"]).arg(from).arg(data).status();
    assert!(done.expect("cp starts").success(), "unable to copy {}", from.display());
}

/// Makes a folder the server's: it accepts no other owner.
fn own(version: Pg, data: &Path) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let owner = fs::metadata(template(version)).expect("the template is there");
    let owner = format!("{}:{}", owner.uid(), owner.gid());
    let done = Command::new("chown").args(["-R", &owner]).arg(data).status();
    assert!(
        done.expect("chown starts").success(),
        "unable to give {} to the server",
        data.display()
    );
}

/// Where `tests/run.sh` puts PostgreSQL 17.
fn prefix() -> PathBuf {
    let path = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    path("VEX_POSTGRES17_PREFIX").unwrap_or_else(|| {
        let cache = path("XDG_CACHE_HOME")
            .or_else(|| Some(path("HOME")?.join(".cache")))
            .unwrap_or_default();
        path("VEX_TEST_CACHE").unwrap_or_else(|| cache.join("vex-tests")).join("postgres17")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_postgres_is_the_one_it_says() {
        for (version, number) in [(Pg::V15, "15."), (Pg::V17, "17.")] {
            let found =
                version.shared().value("postgres", "SHOW server_version").expect("it answers");
            assert!(found.starts_with(number), "{found}");
            assert_eq!(
                version.shared().run("psql", &["-XAtc", "SHOW server_version"]).trim(),
                found
            );
        }
    }

    #[test]
    fn a_dropped_postgres_leaves_no_process_no_folder_and_no_shared_memory() {
        for version in Pg::ALL {
            let server = version.start(&["max_connections=17"]);
            assert_eq!(server.value("postgres", "SHOW max_connections").as_deref(), Some("17"));
            let (pid, home) = (server.pid(), server.home().to_owned());
            let lines =
                fs::read_to_string(server.data().join("postmaster.pid")).expect("it is running");
            let memory = lines
                .lines()
                .nth(6)
                .and_then(|l| l.split_whitespace().nth(1))
                .expect("a key and an id")
                .to_owned();
            let held = || {
                let all = fs::read_to_string("/proc/sysvipc/shm").expect("the kernel lists them");
                all.lines().any(|l| l.split_whitespace().nth(1) == Some(&memory))
            };
            assert!(held());
            drop(server);
            assert!(!home.exists() && !held());
            assert!(!Path::new("/proc").join(pid.to_string()).exists());
        }
    }

    #[test]
    fn a_password_is_needed_over_tcp_only_where_the_setup_says_so() {
        let server = Pg::V15.setup().scram("CANARY-scram").start();
        let tcp = |password: Option<&str>| {
            let mut config = Config::new();
            config.host("127.0.0.1").port(server.port).user("postgres");
            password.map(|text| config.password(text));
            config.connect(NoTls).is_ok()
        };
        assert_eq!(
            [tcp(None), tcp(Some("CANARY-other")), tcp(Some("CANARY-scram"))],
            [false, false, true]
        );
        assert!(
            Pg::V15.shared().run("psql", &["-h127.0.0.1", "-XAtc", "SELECT 1"]).starts_with('1')
        );
    }

    #[test]
    fn a_server_starts_again_on_a_folder_that_is_there() {
        let mut server = Pg::V17.start(&[]);
        server.sql("postgres", "CREATE TABLE kept (a int)");
        server.stop();
        let again = Pg::V17.setup().on(server.data()).start();
        assert_eq!(again.value("postgres", "SELECT count(*) FROM kept").as_deref(), Some("0"));
    }
}
