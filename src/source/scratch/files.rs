//! A server of PostgreSQL on the files of a cluster that were unpacked for it.
//!
//! Believes no setting that came with the files: what they name may be on another machine, archive
//! into a store that is in use, follow another server or take what another server sends. Nobody
//! needs a password on the socket.

use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::base::Stop;
use crate::job::{HostRole, PostgresSpec, SourceSpec, Tls};
use crate::source::contract::{Error, Result};
use crate::source::postgres::connect::Connector;
use crate::source::postgres::fault::wrap;
use crate::source::postgres::place::detach;
use crate::source::postgres::program::find_same;
use crate::source::postgres::unpack::Owner;
use crate::source::program::Private;
use crate::source::scratch::account::Account;
use crate::source::scratch::postgres::SETTINGS;
use crate::source::scratch::serve::{RECOVERY, Server, serve};

/// What wins over the settings of the files, `postgresql.auto.conf` among them.
const OURS: [&str; 29] = [
    "archive_mode=off",
    "shared_preload_libraries=",
    "session_preload_libraries=",
    "local_preload_libraries=",
    // Subscriptions of the files would take what is meant for their own server.
    "max_logical_replication_workers=0",
    "max_prepared_transactions=1000",
    "max_wal_senders=10",
    "max_replication_slots=10",
    "max_worker_processes=8",
    "wal_level=replica",
    "shared_buffers=128MB",
    "huge_pages=off",
    "ssl=off",
    "external_pid_file=",
    "unix_socket_group=",
    "log_destination=stderr",
    "lc_messages=C",
    "lc_monetary=C",
    "lc_numeric=C",
    "lc_time=C",
    "summarize_wal=off",
    "event_triggers=off",
    "jit=off",
    // What lets a server pass over damage.
    "zero_damaged_pages=off",
    "ignore_checksum_failure=off",
    "ignore_system_indexes=off",
    "ignore_invalid_pages=off",
    "superuser_reserved_connections=3",
    "stats_temp_directory=pg_stat_tmp",
];

/// Where the files of a cluster are unpacked that a server will run on.
pub struct Room {
    account: Account,
    major: u32,
    private: Private,
    title: String,
}

impl Room {
    /// A folder in `staging`, or where the user of the server can reach it; the program of this
    /// version is looked for first.
    pub fn of(tools: &[PathBuf], major: u32, staging: &Path, stop: &Stop) -> Result<Room> {
        let title = format!("PostgreSQL {major}");
        find_same(tools, "postgres", major, stop)?;
        let account = Account::of("postgres", &title, stop)?;
        Ok(Room { account, major, private: account.folder(staging)?, title })
    }

    /// The folder.
    pub fn private(&self) -> &Private {
        &self.private
    }

    /// Whose the files must be.
    pub fn owner(&self) -> Owner {
        let us = Owner::us();
        self.account.user().map_or(us, |(user, group)| Owner { user, group })
    }

    /// Runs a server on the files in `data` for as long as `work` takes; `spec` is the server that
    /// they are of. What it says is told to `hear`.
    pub fn serve<T, E: From<Error>>(
        &self,
        (data, spec): (&Path, &PostgresSpec),
        hear: &dyn Fn(String),
        work: &mut dyn FnMut(&SourceSpec) -> std::result::Result<T, E>,
        stop: &Stop,
    ) -> std::result::Result<T, E> {
        let daemon = find_same(&spec.tools, "postgres", self.major, stop)?;
        for name in detach(data)? {
            hear(format!("{name} is put aside: it follows nobody"));
        }
        let own = self.spec(spec);
        let folder = self.private.path();
        let (config, hba) = (folder.join("own.conf"), folder.join("own.hba"));
        let owner = self.owner();
        owner.write(&hba, b"local all all trust\n")?;
        owner.write(&config, b"")?;
        let mut words =
            vec![daemon.path.display().to_string(), "-D".to_owned(), data.display().to_string()];
        let paths = [
            format!("config_file={}", config.display()),
            format!("hba_file={}", hba.display()),
            format!("unix_socket_directories={}", folder.display()),
            "port=5432".to_owned(),
        ];
        let settings = SETTINGS.iter().chain(&OURS).filter(|s| knows(self.major, s));
        let settings = settings.map(|setting| (*setting).to_owned());
        words.extend(settings.chain(paths).flat_map(|setting| ["-c".to_owned(), setting]));
        hear(format!("starts a server of {} in {}", self.title, folder.display()));
        let (title, account) = (&self.title, self.account);
        let server = Server { title, words, account, signal: Signal::INT, patience: RECOVERY };
        let connector = Connector::new(&own, stop)?;
        let ready = || connector.patient("template1", "reach").map(drop);
        let own = SourceSpec::Postgres(own);
        let mut with = || {
            let count = every_database(&connector, stop)?;
            hear(format!("it recovered, and lets us into each of its {count} databases"));
            work(&own)
        };
        serve(&server, &ready, &mut with, stop)
    }

    fn spec(&self, spec: &PostgresSpec) -> PostgresSpec {
        PostgresSpec {
            identity: None,
            hosts: Vec::new(),
            port: Some(5432),
            socket: Some(self.private.path().to_path_buf()),
            service: None,
            session: HostRole::Any,
            password: None,
            tls: Tls::default(),
            max_lag: None,
            ..spec.clone()
        }
    }
}

/// Whether a version has a setting.
fn knows(major: u32, setting: &str) -> bool {
    let name = setting.split('=').next().unwrap_or_default();
    match name {
        "summarize_wal" | "event_triggers" => major >= 17,
        "ignore_invalid_pages" => major >= 13,
        "stats_temp_directory" => major <= 14,
        _ => true,
    }
}

/// Goes into every database that lets anybody in, and reads its catalog; returns how many.
fn every_database(connector: &Connector, stop: &Stop) -> Result<usize> {
    let mut client = connector.patient("template1", "ask")?;
    let doing = "list the databases of a scratch server";
    let sql = "SELECT datname::text FROM pg_catalog.pg_database WHERE datallowconn AND datconnlimit <> -2";
    let rows = client.query(sql, &[]).map_err(|e| wrap(doing, e))?;
    for row in &rows {
        stop.check()?;
        let name: String = row.get(0);
        let doing = format!("read the catalog of {name}");
        let mut client = connector.patient(&name, "ask")?;
        let read = client.query("SELECT count(*) FROM pg_catalog.pg_class", &[]);
        read.map_err(|e| wrap(&doing, e))?;
    }
    Ok(rows.len())
}
