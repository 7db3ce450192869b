//! Connections: how they are protected, and the session every one of them has.
//!
//! Every setting that could change what is read or written is pinned, never left to a global or a
//! role, and what matters is read back: `SET x=DEFAULT` would take the global. A connection that is
//! lost is an error; nothing here reconnects, since a new session would have lost its snapshot in
//! silence.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mysql::prelude::Queryable;
use mysql::{ClientIdentity, Conn, OptsBuilder, SslOpts};

use crate::base::{Secret, Stop};
use crate::job::{MysqlSpec, Tls, TlsMode};
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::greeting::greeted;
use crate::source::mysql::fault::{run, wrap};
use crate::source::mysql::flavor::{Family, Flavor};
use crate::world::reveal;

/// A server that says nothing for this long is taken for dead.
const SILENCE: Duration = Duration::from_secs(3600);

/// The same for a look at what others do: it answers at once, or is not worth the wait.
const GLANCE: Duration = Duration::from_secs(10);

/// Where servers put their socket, for `localhost`.
const SOCKETS: [&str; 4] = [
    "/run/mysqld/mysqld.sock",
    "/var/run/mysqld/mysqld.sock",
    "/var/lib/mysql/mysql.sock",
    "/tmp/mysql.sock",
];

/// Where machines keep their certificates.
const ROOTS: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// Makes connections to one server.
#[derive(Clone)]
pub struct Connector {
    spec: MysqlSpec,
    password: Option<Secret>,
    place: String,
}

impl Connector {
    /// Reveals the password; connects nothing.
    pub fn new(spec: &MysqlSpec, stop: &Stop) -> Result<Connector> {
        let mut spec = spec.clone();
        if spec.socket.is_none() && spec.host == "localhost" && spec.port == 3306 {
            spec.socket = SOCKETS.iter().map(PathBuf::from).find(|p| p.exists());
        }
        let place = match &spec.socket {
            Some(socket) => format!("mysql {}@{}", spec.user, socket.display()),
            None => format!("mysql {}@{}:{}", spec.user, spec.host, spec.port),
        };
        let fail = |e: crate::world::RevealError| {
            let text = std::error::Error::source(&e)
                .map_or_else(|| e.to_string(), |s| format!("{e}: {s}"));
            Error::new(ErrorKind::Denied, format!("connect to {place}"), text)
        };
        let password = spec.password.as_ref().map(|p| reveal(p, stop)).transpose().map_err(fail)?;
        Ok(Connector { spec, password, place })
    }

    /// What messages call the server.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// A bare connection: session settings as the server gives them.
    pub fn connect(&self, doing: &str) -> Result<Conn> {
        self.connect_within(doing, SILENCE, None)
    }

    /// A connection that the server sends its binary log on: one event may be as large as a packet
    /// can be.
    pub fn follower(&self) -> Result<Conn> {
        self.connect_within("read the binary log of", SILENCE, Some(1 << 30))
    }

    fn connect_within(
        &self,
        doing: &str,
        silence: Duration,
        packet: Option<usize>,
    ) -> Result<Conn> {
        let doing = format!("{doing} {}", self.place);
        let builder = OptsBuilder::new()
            .user(Some(&self.spec.user))
            .pass(self.password.as_ref().map(|p| p.reveal()))
            .prefer_socket(false)
            .tcp_connect_timeout(Some(Duration::from_secs(15)))
            .tcp_keepalive_time_ms(Some(30_000))
            .read_timeout(Some(silence))
            .write_timeout(Some(silence))
            .max_allowed_packet(packet);
        let builder = match &self.spec.socket {
            Some(socket) => builder.socket(Some(socket.to_string_lossy())),
            None => builder
                .ip_or_hostname(Some(&self.spec.host))
                .tcp_port(self.spec.port)
                .ssl_opts(self.tls(&doing)?),
        };
        let own = doing.clone();
        greeted(&doing, move || Conn::new(builder).map_err(|e| wrap(&own, e)))
    }

    /// The server as it was declared, its socket found.
    pub fn spec(&self) -> &MysqlSpec {
        &self.spec
    }

    /// The password, if there is one.
    pub fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }

    /// How a connection is protected, and with which files.
    pub fn protection(&self) -> (TlsMode, Tls) {
        let tls = &self.spec.tls;
        let loopback = ["localhost", "127.0.0.1", "::1"].contains(&self.spec.host.as_str());
        let mode = tls.mode.unwrap_or(if loopback && tls.ca.is_none() {
            TlsMode::Off
        } else {
            TlsMode::VerifyFull
        });
        let mode = if self.spec.socket.is_some() { TlsMode::Off } else { mode };
        let roots = tls.ca.clone().or_else(|| std::env::var_os("SSL_CERT_FILE").map(PathBuf::from));
        let ca = roots.or_else(|| ROOTS.iter().map(PathBuf::from).find(|p| p.exists()));
        (mode, Tls { ca, ..tls.clone() })
    }

    fn tls(&self, doing: &str) -> Result<Option<SslOpts>> {
        let (mode, tls) = self.protection();
        let mut options = SslOpts::default();
        match mode {
            TlsMode::Off => return Ok(None),
            TlsMode::Require => {
                options = options
                    .with_danger_accept_invalid_certs(true)
                    .with_danger_skip_domain_validation(true);
            }
            TlsMode::VerifyCa => options = options.with_danger_skip_domain_validation(true),
            TlsMode::VerifyFull => {}
        }
        if let Some(missing) =
            tls.ca.iter().chain(&tls.cert).chain(&tls.key).find(|p| !Path::new(p).is_file())
        {
            return Err(Error::new(
                ErrorKind::Refused,
                doing,
                format!("there is no file {}", missing.display()),
            ));
        }
        options = options.with_root_cert_path(tls.ca.clone());
        if let (Some(cert), Some(key)) = (&tls.cert, &tls.key) {
            options =
                options.with_client_identity(Some(ClientIdentity::new(cert.clone(), key.clone())));
        }
        Ok(Some(options))
    }

    /// A connection that reads: bytes of text columns come unconverted.
    pub fn reader(&self, flavor: &Flavor) -> Result<Conn> {
        let mut connection = self.session(flavor, "read from")?;
        run(
            &mut connection,
            "SET character_set_results=NULL, lock_wait_timeout=30",
            "prepare the session",
        )?;
        Ok(connection)
    }

    /// A connection that asks: text comes as utf8mb4.
    pub fn session(&self, flavor: &Flavor, doing: &str) -> Result<Conn> {
        self.pinned(flavor, self.connect(doing)?)
    }

    /// A connection that asks what others do, and never waits long for the answer.
    pub fn look_out(&self, flavor: &Flavor) -> Result<Conn> {
        self.pinned(flavor, self.connect_within("look out on", GLANCE, None)?)
    }

    fn pinned(&self, flavor: &Flavor, mut connection: Conn) -> Result<Conn> {
        for statement in reading_session(flavor) {
            run_if_known(&mut connection, statement)?;
        }
        let pinned =
            "SELECT @@sql_mode, @@sql_select_limit, @@time_zone, @@character_set_connection";
        let doing = format!("prepare the session on {}", self.place);
        let found: Option<(String, u64, String, String)> =
            connection.query_first(pinned).map_err(|e| wrap(&doing, e))?;
        let wanted = (String::new(), u64::MAX, "+00:00".to_owned(), "utf8mb4".to_owned());
        if found.as_ref() != Some(&wanted) {
            return Err(Error::new(
                ErrorKind::Refused,
                doing,
                format!("the server did not take the settings: {found:?}"),
            ));
        }
        Ok(connection)
    }

    /// A connection that restores.
    pub fn loader(&self, flavor: &Flavor) -> Result<Conn> {
        let mut connection = self.connect("restore into")?;
        for statement in loading_session(flavor) {
            run_if_known(&mut connection, statement)?;
        }
        Ok(connection)
    }
}

/// The session of a connection that reads; `(!)` in front: older servers may not know it.
fn reading_session(flavor: &Flavor) -> Vec<&'static str> {
    let mut all = vec![
        "SET NAMES utf8mb4",
        "SET SESSION sql_mode='', time_zone='+00:00', sql_quote_show_create=1",
        "SET SESSION sql_select_limit=18446744073709551615, sql_big_selects=1, max_join_size=18446744073709551615",
        "SET SESSION net_write_timeout=86400, net_read_timeout=86400, wait_timeout=31536000",
        "SET SESSION group_concat_max_len=1048576",
        "SET SESSION autocommit=1",
    ];
    all.extend(match flavor.family {
        Family::Mysql => &[
            "SET SESSION max_execution_time=0",
            "(!)SET SESSION information_schema_stats_expiry=0",
            "(!)SET SESSION show_gipk_in_create_table_and_information_schema=ON",
            "(!)SET SESSION use_secondary_engine=OFF",
        ][..],
        Family::Mariadb => &[
            "SET SESSION max_statement_time=0",
            "(!)SET SESSION idle_transaction_timeout=0, idle_readonly_transaction_timeout=0",
            // Where MariaDB might log for a session, ROLLBACK TO SAVEPOINT keeps its metadata locks
            // (see `metadata_locks.rs`).
            "(!)SET SESSION sql_log_bin=0",
        ][..],
    });
    all
}

fn loading_session(flavor: &Flavor) -> Vec<&'static str> {
    let mut all = vec![
        "SET NAMES utf8mb4",
        "SET SESSION sql_mode='NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', time_zone='+00:00', foreign_key_checks=0, unique_checks=0",
        "SET SESSION sql_select_limit=18446744073709551615, autocommit=1",
        "SET SESSION net_write_timeout=86400, net_read_timeout=86400, wait_timeout=31536000",
        "(!)SET SESSION innodb_strict_mode=0",
    ];
    all.extend(match flavor.family {
        Family::Mysql => &[
            "SET SESSION max_execution_time=0",
            "(!)SET SESSION sql_require_primary_key=0",
            "(!)SET SESSION sql_generate_invisible_primary_key=0",
            "(!)SET SESSION show_gipk_in_create_table_and_information_schema=ON",
            "(!)SET SESSION restrict_fk_on_non_standard_key=OFF",
            "(!)SET SESSION information_schema_stats_expiry=0",
        ][..],
        Family::Mariadb => &[
            "SET SESSION max_statement_time=0, check_constraint_checks=0",
            "(!)SET SESSION system_versioning_insert_history=1",
            // MySQL names no collation where it is the character set's own, which another server
            // may have made another (MariaDB 11.5 and later).
            "(!)SET SESSION character_set_collations=''",
            // Foreign keys are added when the rows are there.
            "(!)SET SESSION system_versioning_alter_history=KEEP",
            "(!)SET SESSION idle_transaction_timeout=0",
        ][..],
    });
    all
}

/// Runs a setting; one marked `(!)` may be unknown to the server (1193), or not ours to change
/// (1227).
fn run_if_known(connection: &mut Conn, statement: &str) -> Result<()> {
    let (statement, may_miss) =
        statement.strip_prefix("(!)").map_or((statement, false), |s| (s, true));
    match connection.query_drop(statement) {
        Err(mysql::Error::MySqlError(e)) if may_miss && matches!(e.code, 1193 | 1227) => Ok(()),
        other => other.map_err(|e| wrap(&format!("prepare the session ({statement})"), e)),
    }
}
