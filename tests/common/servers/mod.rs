//! Private database servers for tests: real ones, on 127.0.0.1, in a folder of their own, gone with
//! the test.
//!
//! Knows nothing of vex. A data folder is initialised once per machine (under `target/tmp`, guarded
//! by a file lock) and copied for each server, so that a start takes a second at most. A server
//! never outlives its test: dropped, it is killed and its folder removed; when the test itself is
//! killed, the kernel kills the server (the thread that started it is its parent) and a small shell
//! that waits for our end removes the folder. Durability is off: a test's server never comes back.
//! Nothing is skipped: a server that is not there is a panic that says what to run.

mod pgbouncer;
mod postgres;
mod template;

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use mysql::{Conn, OptsBuilder};
use rustix::process::Signal;
use tempfile::TempDir;

pub use crate::common::servers::pgbouncer::PgBouncer;
pub use crate::common::servers::postgres::{Pg, PgServer};

/// Longest time a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(300);

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brand {
    /// MariaDB 10.11, of Debian.
    Mariadb,
    /// MySQL 9, in a prefix.
    Mysql9,
    /// MariaDB 11.8, in a prefix.
    Mariadb11,
}

impl Brand {
    /// All of them, for tests that run on each.
    pub const ALL: [Brand; 3] = [Brand::Mariadb, Brand::Mysql9, Brand::Mariadb11];

    /// Whether it is a MariaDB.
    pub fn is_mariadb(self) -> bool {
        self != Brand::Mysql9
    }

    /// The server's own client program.
    pub fn client(self) -> PathBuf {
        template::program(self, "usr/bin", if self.is_mariadb() { "mariadb" } else { "mysql" })
    }

    /// The server's own dump program.
    pub fn dumper(self) -> PathBuf {
        template::program(
            self,
            "usr/bin",
            if self.is_mariadb() { "mariadb-dump" } else { "mysqldump" },
        )
    }

    /// Starts a server with more arguments; later ones override ours.
    pub fn start(self, arguments: &[&str]) -> Server {
        self.start_at(Place::default(), arguments)
    }

    /// The same at a place.
    pub fn start_at(self, place: Place<'_>, arguments: &[&str]) -> Server {
        // Another process may take the free port first: then the server ends at once, and another
        // port is tried.
        (0..3).find_map(|_| Server::try_start(self, place, arguments).ok()).unwrap_or_else(|| {
            let Err(why) = Server::try_start(self, place, arguments) else {
                panic!("{self:?} starts only at times")
            };
            panic!("{self:?} does not start: {why}")
        })
    }

    /// The server that all tests of this process share.
    pub fn shared(self) -> &'static Server {
        static SHARED: [OnceLock<Server>; Brand::ALL.len()] =
            [const { OnceLock::new() }; Brand::ALL.len()];
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
}

/// MariaDB 10.11.
pub struct Mariadb;

impl Mariadb {
    /// Starts a server with more arguments.
    pub fn start(arguments: &[&str]) -> Server {
        Brand::Mariadb.start(arguments)
    }

    /// The server that all tests of this process share.
    pub fn shared() -> &'static Server {
        Brand::Mariadb.shared()
    }
}

/// MySQL 9.
pub struct Mysql9;

impl Mysql9 {
    /// The server that all tests of this process share.
    pub fn shared() -> &'static Server {
        Brand::Mysql9.shared()
    }
}

/// Where a server runs, as far as it matters.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place<'a> {
    /// The name of its host; else this machine's.
    pub host: Option<&'a str>,
    /// Its port; else a free one.
    pub port: Option<u16>,
}

/// A running server; `root` has no password.
pub struct Server {
    /// Which it is.
    pub brand: Brand,
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// Its socket.
    pub socket: PathBuf,
    process: Child,
    sweeper: Child,
    home: TempDir,
}

impl Server {
    fn try_start(brand: Brand, place: Place<'_>, arguments: &[&str]) -> Result<Server, String> {
        let home = tempfile::Builder::new()
            .prefix("vex-server-")
            .tempdir()
            .expect("a folder for the server");
        let sweeper = sweep_after_us(home.path());
        template::copy(brand, &home.path().join("data"));
        let port = place.port.unwrap_or_else(free_port);
        let socket = home.path().join("sock");
        let mut command = template::server(brand);
        command.arg(format!("--datadir={}", home.path().join("data").display()));
        command.arg(format!("--tmpdir={}", home.path().display()));
        command.arg(format!("--socket={}", socket.display()));
        command.arg(format!("--pid-file={}", home.path().join("pid").display()));
        command.arg(format!("--port={port}"));
        command.args([
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--log-bin=binlog",
            "--server-id=1",
        ]);
        command.args([
            "--innodb-flush-log-at-trx-commit=0",
            "--sync-binlog=0",
            "--innodb-doublewrite=OFF",
        ]);
        command.arg("--innodb-buffer-pool-size=256M");
        command.args(arguments);
        if let Some(host) = place.host {
            command = on_host(command, host);
        }
        let log = File::create(home.path().join("log")).expect("the folder can be written");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        // Safety: prctl is async-signal-safe and touches only the child.
        unsafe {
            command.pre_exec(|| {
                rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
                    .map_err(Into::into)
            });
        }
        let process =
            command.spawn().unwrap_or_else(|e| panic!("{brand:?}: {e}: run tests/run.sh"));
        let mut server = Server { brand, port, socket, process, sweeper, home };
        server.wait_for_it()?;
        Ok(server)
    }

    fn wait_for_it(&mut self) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        while let Err(error) = Conn::new(self.options()) {
            let ended = self.process.try_wait().expect("the server is ours");
            if ended.is_some() || Instant::now() > end {
                return Err(format!("{error}; it ended: {ended:?}; its log:\n{}", self.log()));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn options(&self) -> OptsBuilder {
        OptsBuilder::new()
            .ip_or_hostname(Some("127.0.0.1"))
            .tcp_port(self.port)
            .user(Some("root"))
            .prefer_socket(false)
    }

    /// A connection as `root`, over TCP.
    pub fn conn(&self) -> Conn {
        Conn::new(self.options())
            .unwrap_or_else(|e| panic!("{:?}: {e}; its log:\n{}", self.brand, self.log()))
    }

    /// Runs one statement on a connection of its own.
    pub fn exec(&self, sql: &str) {
        self.conn().query_drop(sql).unwrap_or_else(|e| panic!("{:?}: {e}: {sql}", self.brand));
    }

    /// Another MySQL that calls itself the same, as a clone of its files would.
    pub fn clone_identity(&self, place: Place<'_>) -> Server {
        let data = self.home().join(format!("clone-{}", place.host.unwrap_or("here")));
        template::copy(self.brand, &data);
        std::fs::copy(self.home().join("data/auto.cnf"), data.join("auto.cnf"))
            .expect("MySQL wrote its identity");
        self.brand.start_at(place, &[&format!("--datadir={}", data.display())])
    }

    /// Another server with the data of this one, which ends; they are changed in between.
    pub fn reopened(&self, change: impl FnOnce(&Path)) -> Server {
        self.exec("SHUTDOWN");
        let line = format!("/proc/{}/cmdline", self.pid());
        let end = Instant::now() + PATIENCE;
        // Whoever has ended and is not yet buried has no command line any more.
        while std::fs::read(&line).is_ok_and(|line| !line.is_empty()) {
            assert!(Instant::now() < end, "it does not end:\n{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
        let data = self.home().join("data");
        change(&data);
        self.brand.start_at(Place::default(), &[&format!("--datadir={}", data.display())])
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Its folder: `data`, `log`, `pid`, `sock`.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        let log = std::fs::read(self.home.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The sweeper first: the folder is ours to remove. Whoever has ended already needs no
        // signal.
        for child in [&mut self.sweeper, &mut self.process] {
            child.kill().and_then(|()| child.wait()).map(drop).unwrap_or_default();
        }
    }
}

/// A shell outside our process group that removes `folder` when our end of its pipe closes, however
/// we end.
fn sweep_after_us(folder: &Path) -> Child {
    let script = "cat > /dev/null; for i in 1 2 3 4 5; do rm -rf \"$1\" && exit; sleep 1; done";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(folder).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("sh starts")
}

/// The same command on a host of another name; what it reads and writes is still to be said.
pub fn on_host(command: Command, host: &str) -> Command {
    apart(command, ("--uts", "hostname \"$0\" && exec \"$@\""), host)
}

/// The same command with a file system of one MiB on a folder, which nobody else sees.
pub fn with_little_room(command: Command, folder: &Path) -> Command {
    let script = "mount -t tmpfs -o size=1m none \"$0\" && exec \"$@\"";
    apart(command, ("--mount", script), folder.to_str().expect("a path that is text"))
}

/// The same command in a namespace of its own, that a script makes ready for it.
fn apart(command: Command, (namespace, script): (&str, &str), argument: &str) -> Command {
    let mut there = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        there.arg("--map-root-user");
    }
    there.args([namespace, "sh", "-c", script, argument]);
    there.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => there.env(name, value),
            None => there.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        there.current_dir(folder);
    }
    there
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};

    use super::*;
    use crate::common::binary::one_test;

    /// The version, and whether the binary log is on.
    fn facts(server: &Server) -> (String, bool) {
        server
            .conn()
            .query_first("SELECT VERSION(), @@log_bin")
            .expect("it answers")
            .expect("one row")
    }

    #[test]
    fn each_server_is_the_one_it_says_and_logs_its_changes() {
        let (version, log) = facts(Mariadb::shared());
        assert!(version.starts_with("10.11.") && version.contains("MariaDB") && log, "{version}");
        let (version, log) = facts(Mysql9::shared());
        assert!(version.starts_with("9.") && log, "{version}");
        let (version, log) = facts(Brand::Mariadb11.shared());
        assert!(version.starts_with("11.8.") && version.contains("MariaDB") && log, "{version}");
    }

    #[test]
    fn a_shared_server_outlives_the_thread_that_asked_first() {
        for brand in Brand::ALL {
            let first = thread::spawn(move || brand.shared().pid()).join().expect("a server");
            assert_eq!(first, brand.shared().pid());
            brand.shared().exec("DO 1");
        }
    }

    #[test]
    fn a_dropped_server_leaves_no_process_and_no_folder() {
        for brand in Brand::ALL {
            let server = brand.start(&["--max-connections=17"]);
            let limit: Option<u32> =
                server.conn().query_first("SELECT @@max_connections").expect("it answers");
            assert_eq!(limit, Some(17));
            let (pid, home) = (server.pid(), server.home().to_owned());
            drop(server);
            assert!(!home.exists());
            assert!(!Path::new("/proc").join(pid.to_string()).exists());
        }
    }

    #[test]
    fn two_servers_of_one_brand_are_two() {
        for (a, b) in Brand::ALL.map(|brand| (brand.start(&[]), brand.start(&[]))) {
            a.exec("CREATE DATABASE only_a");
            let found: Option<String> =
                b.conn().query_first("SHOW DATABASES LIKE 'only_a'").expect("it answers");
            assert_eq!(found, None);
            assert!(a.socket.exists() && a.socket != b.socket);
            let identity = |s: &Server| {
                s.conn().query_first::<String, _>("SELECT @@server_uuid").ok().flatten()
            };
            assert!(
                a.brand.is_mariadb() || identity(&a) != identity(&b),
                "GTIDs of two servers must differ"
            );
        }
    }

    #[test]
    fn a_server_that_refuses_its_arguments_shows_its_log() {
        for brand in Brand::ALL {
            let why = Server::try_start(brand, Place::default(), &["--no-such-thing"])
                .err()
                .expect("a refusal");
            assert!(why.contains("no-such-thing"), "{why}");
        }
    }

    #[test]
    fn a_killed_test_leaves_no_process_and_no_folder() {
        const HOLD: &str = "VEX_TEST_HOLD";
        if std::env::var_os(HOLD).is_some() {
            let server = Mariadb::start(&[]);
            writeln!(std::io::stderr(), "holding {} {}", server.pid(), server.home().display())
                .expect("it is heard");
            thread::park();
        }
        let name = "a_killed_test_leaves_no_process_and_no_folder";
        let mut itself = one_test(module_path!(), name);
        itself.env(HOLD, "1").stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = itself.spawn().expect("the test starts itself");
        let lines =
            BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
        let held = lines
            .filter_map(|l| Some(l.strip_prefix("holding ")?.to_owned()))
            .next()
            .expect("a server");
        let (pid, home) = held.split_once(' ').expect("two words");
        assert!(Path::new(home).exists());
        child.kill().and_then(|()| child.wait()).expect("the child is ours");
        let end = Instant::now() + PATIENCE;
        // Whoever has ended and is not yet buried has no command line any more.
        let lives =
            || std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty());
        while Path::new(home).exists() || lives() {
            assert!(Instant::now() < end, "left: {held}");
            thread::yield_now();
        }
    }
}
