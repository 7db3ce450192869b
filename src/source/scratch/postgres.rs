//! A server of PostgreSQL for one restore.
//!
//! Of the backup's major version, else of the next newer one that is on this machine.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use crate::base::Stop;
use crate::job::{HostRole, PostgresSpec, SourceSpec, Tls};
use crate::source::contract::{Error, ErrorKind};
use crate::source::postgres::connect::Connector;
use crate::source::postgres::program::{find, find_same};
use crate::source::program::failed;
use crate::source::scratch::account::Account;
use crate::source::scratch::serve::{PATIENCE, Server, serve};
use crate::source::scratch::wanted::Wanted;

/// A program that makes a data folder and says nothing for this long is taken for dead.
const SILENCE: Duration = Duration::from_secs(600);

/// Who owns the server.
const SUPERUSER: &str = "postgres";

/// What the server is told: reached by its socket only; what it writes need not last.
pub const SETTINGS: [&str; 9] = [
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "logging_collector=off",
    "max_wal_size=4GB",
    "max_connections=100",
];

/// Starts a server, hands it to `work`, and ends it.
pub fn in_scratch<T, E: From<Error>>(
    spec: &PostgresSpec,
    wanted: &Wanted<'_>,
    hear: &dyn Fn(String),
    work: &mut dyn FnMut(&SourceSpec) -> std::result::Result<T, E>,
    stop: &Stop,
) -> std::result::Result<T, E> {
    let least = major(wanted.version).ok_or_else(|| {
        let found = format!("its version is `{}`", wanted.version.escape_debug());
        Error::new(ErrorKind::Refused, "start a scratch server of PostgreSQL", found)
    })?;
    let maker = find(&spec.tools, "initdb", least.saturating_mul(10_000), stop)?;
    let daemon = find_same(&spec.tools, "postgres", maker.major, stop)?;
    let title = format!("PostgreSQL {}", daemon.major);
    let account = Account::of("postgres", &title, stop)?;
    let private = account.folder(wanted.staging)?;
    let data = private.path().join("data");
    initialise(&maker.path, account, &data, &title, stop)?;
    hear(format!("starts a server of {title} in {}", private.path().display()));
    let own = PostgresSpec {
        identity: None,
        hosts: Vec::new(),
        port: Some(5432),
        socket: Some(private.path().to_path_buf()),
        service: None,
        session: HostRole::Any,
        user: Some(SUPERUSER.into()),
        password: None,
        databases: Vec::new(),
        schemas: Vec::new(),
        exclude: Vec::new(),
        tables: Vec::new(),
        tls: Tls::default(),
        max_lag: None,
        ..spec.clone()
    };
    let mut words: Vec<String> =
        [&daemon.path, Path::new("-D"), &data].iter().map(|p| p.display().to_string()).collect();
    let folder = format!("unix_socket_directories={}", private.path().display());
    let settings = SETTINGS.map(str::to_owned).into_iter().chain([folder, "port=5432".into()]);
    words.extend(settings.flat_map(|setting| ["-c".to_owned(), setting]));
    // Fast: whoever is connected is sent away.
    let server = Server { title: &title, words, account, signal: Signal::INT, patience: PATIENCE };
    let connector = Connector::new(&own, stop)?;
    let ready = || connector.patient("postgres", "reach").map(drop);
    let own = SourceSpec::Postgres(own);
    serve(&server, &ready, &mut || work(&own), stop)
}

/// Makes an empty data folder, whose superuser needs no password on the socket.
fn initialise(
    program: &Path,
    account: Account,
    data: &Path,
    title: &str,
    stop: &Stop,
) -> Result<(), Error> {
    let doing = format!("make the data folder of a scratch server of {title}");
    let mut words = vec![program.display().to_string()];
    words.extend(["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"].map(str::to_owned));
    words.push(format!("--username={SUPERUSER}"));
    words.extend(["--pgdata".to_owned(), data.display().to_string()]);
    let child = account.child(&words).stall(SILENCE);
    child.run(stop, &mut |_| ()).map_err(|e| failed(&doing, e))
}

/// The major version of `PostgreSQL 15.18`.
fn major(version: &str) -> Option<u32> {
    let digits = version.trim_start_matches(|c: char| !c.is_ascii_digit());
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_a_server_calls_itself() {
        for (text, wanted) in [
            ("PostgreSQL 15.18", Some(15)),
            ("PostgreSQL 17beta2", Some(17)),
            ("18", Some(18)),
            ("", None),
            ("PostgreSQL", None),
        ] {
            assert_eq!(major(text), wanted, "{text}");
        }
    }
}
