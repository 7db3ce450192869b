//! Private connection poolers for tests, before a PostgreSQL server, with the same promises as the
//! servers.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, Config, NoTls};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::common::servers::postgres::{PgServer, unprivileged};
use crate::common::servers::{PATIENCE, free_port, sweep_after_us};

/// A running pgbouncer of Debian; `postgres` may use every database, and look after it.
pub struct PgBouncer {
    /// Its port on 127.0.0.1.
    pub port: u16,
    process: Child,
    sweeper: Child,
    home: TempDir,
}

impl PgBouncer {
    /// Starts one with settings, each `name=value`; `databases` have settings of their own.
    pub fn start(server: &PgServer, databases: &[(&str, &str)], settings: &[&str]) -> PgBouncer {
        let start = || PgBouncer::try_start(server, databases, settings);
        // Another process may take the free port first.
        (0..3).find_map(|_| start().ok()).unwrap_or_else(|| match start() {
            Ok(_) => panic!("pgbouncer starts only at times"),
            Err(why) => panic!("pgbouncer does not start: {why}"),
        })
    }

    fn try_start(
        server: &PgServer,
        databases: &[(&str, &str)],
        settings: &[&str],
    ) -> Result<PgBouncer, String> {
        let home = tempfile::Builder::new()
            .prefix("vex-server-")
            .tempdir()
            .expect("a folder for the pooler");
        let sweeper = sweep_after_us(home.path());
        let port = free_port();
        let place = format!("host=127.0.0.1 port={}", server.port);
        let mut text = String::from("[databases]\n");
        for (name, own) in databases {
            text += &format!("{name} = {place} dbname={name} {own}\n");
        }
        text += &format!(
            "* = {place}\n[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port={port}\nunix_socket_dir=\n\
             auth_type=trust\nauth_file={}\nadmin_users=postgres\n{}\n",
            home.path().join("users").display(),
            settings.join("\n")
        );
        for (name, text) in [("users", "\"postgres\" \"\"\n"), ("pgbouncer.ini", &text)] {
            fs::write(home.path().join(name), text).expect("the folder can be written");
        }
        fs::set_permissions(home.path(), Permissions::from_mode(0o755))
            .expect("the folder is ours");
        let log = File::create(home.path().join("log")).expect("the folder can be written");
        let mut command = unprivileged(&program(), "KILL");
        command.arg(home.path().join("pgbouncer.ini"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        if !rustix::process::geteuid().is_root() {
            // Safety: prctl is async-signal-safe and touches only the child.
            unsafe {
                command.pre_exec(|| {
                    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
                        .map_err(Into::into)
                });
            }
        }
        let process = command.spawn().expect("setpriv is there: run tests/run.sh");
        let mut pooler = PgBouncer { port, process, sweeper, home };
        pooler.wait_for_it()?;
        Ok(pooler)
    }

    fn wait_for_it(&mut self) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        while let Err(error) = self.config("pgbouncer").connect(NoTls) {
            let ended = self.process.try_wait().expect("the pooler is ours");
            if ended.is_some() || Instant::now() > end {
                return Err(format!("{error}; it ended: {ended:?}; its log:\n{}", self.log()));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn config(&self, database: &str) -> Config {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.port).user("postgres").dbname(database);
        config
    }

    /// A connection as `postgres`.
    pub fn client(&self, database: &str) -> Client {
        let made = self.config(database).connect(NoTls);
        made.unwrap_or_else(|e| panic!("{e:?}; its log:\n{}", self.log()))
    }

    fn log(&self) -> String {
        let log = fs::read(self.home.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        // The sweeper first: the folder is ours to remove.
        for child in [&mut self.sweeper, &mut self.process] {
            child.kill().and_then(|()| child.wait()).map(drop).unwrap_or_default();
        }
    }
}

/// It is in a folder that is not on everybody's PATH.
fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    let found = folders.map(|folder| folder.join("pgbouncer")).find(|p| p.is_file());
    found.expect("there is no pgbouncer: run tests/run.sh")
}
