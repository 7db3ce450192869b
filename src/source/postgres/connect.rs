//! Connections: where the server is, how they are protected, and the session every one of them has.
//!
//! Every setting that could change what is read or written is pinned, never left to a role or a
//! database, and what matters is read back. A connection that is lost is an error; nothing here
//! reconnects. Before anything is set, it is known that the session is ours (`pooler.rs`).

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use postgres::config::{SslMode, TargetSessionAttrs};
use postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::base::{Secret, Stop};
use crate::job::{HostRole, PostgresSpec, Tls, TlsMode};
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::greeting::greeted;
use crate::source::postgres::fault::{PROTOCOL_VIOLATION, run, sqlstate, unencrypted, wrap};
use crate::source::postgres::outside::{self, Whom};
use crate::source::postgres::pooler::{self, Ways};
use crate::source::postgres::wire::{Address, SILENCE, Speech, UNLIMITED, Wire};
use crate::world::{Child, reveal, secure_client};

/// Folders where servers put their socket.
const SOCKETS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// Where machines keep their certificates.
const ROOTS: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// The database that is there to be asked for the others.
const MAINTENANCE: &str = "postgres";

/// The name by which a connection of replication finds its password.
const REPLICATION: &str = "replication";

/// Makes connections to one server.
#[derive(Clone)]
pub struct Connector {
    /// Host names, or the one folder of a socket.
    pub hosts: Vec<String>,
    /// Port.
    pub port: u16,
    /// User.
    pub user: String,
    /// Hosts and port, or the socket, as they were written.
    pub written: String,
    /// The database a service names.
    pub database: Option<String>,
    /// The first of the hosts that answered: all connections go to one server.
    chosen: Arc<OnceLock<String>>,
    ways: Ways,
    /// Cancels what this source does.
    stop: Stop,
    role: HostRole,
    password: Option<Secret>,
    mode: TlsMode,
    tls: Tls,
    place: String,
}

/// The hosts that the job names, else those of its service, else this machine.
fn hosts_of(spec: &PostgresSpec, service: Option<String>) -> Vec<String> {
    let list = |text: String| text.split(',').map(|h| h.trim().to_owned()).collect::<Vec<_>>();
    if let Some(socket) = &spec.socket {
        return vec![socket.display().to_string()];
    }
    let hosts: Vec<String> = spec.hosts.iter().cloned().flat_map(list).collect();
    match hosts.is_empty() {
        true => service.map_or_else(|| vec!["localhost".to_owned()], list),
        false => hosts,
    }
}

/// The folder of the server's socket in place of this machine, where there is one and no TLS is
/// asked for.
fn by_socket(hosts: Vec<String>, spec: &PostgresSpec, port: u16) -> Vec<String> {
    let tls =
        matches!(spec.tls.mode, Some(TlsMode::VerifyFull | TlsMode::VerifyCa | TlsMode::Require));
    if hosts != ["localhost"] || tls {
        return hosts;
    }
    let socket = format!(".s.PGSQL.{port}");
    let here = SOCKETS.iter().find(|folder| Path::new(folder).join(&socket).exists());
    here.map_or(hosts, |folder| vec![(*folder).to_owned()])
}

impl Connector {
    /// Resolves the service and reveals the password; connects nothing.
    pub fn new(spec: &PostgresSpec, stop: &Stop) -> Result<Connector> {
        let refuse = |found: String| Error::new(ErrorKind::Refused, "connect to postgres", found);
        let service = spec
            .service
            .as_deref()
            .map(outside::service)
            .transpose()
            .map_err(refuse)?
            .unwrap_or_default();
        let said = |key: &str| service.get(key).filter(|v| !v.is_empty()).cloned();
        let port = match (spec.port, said("port")) {
            (Some(port), _) => port,
            (None, Some(text)) => {
                text.parse().map_err(|_| refuse(format!("the service names the port {text}")))?
            }
            (None, None) => 5432,
        };
        let named = hosts_of(spec, said("host"));
        let (written, hosts) = (written(&named, port), by_socket(named, spec, port));
        let user = spec.user.clone().or_else(|| said("user")).unwrap_or_else(|| "postgres".into());
        let place = format!("postgres {user}@{}:{port}", hosts.join(","));
        let role = match (spec.session, said("target_session_attrs").as_deref()) {
            (HostRole::Any, Some("read-write" | "primary")) => HostRole::Primary,
            (HostRole::Any, Some("read-only" | "standby" | "prefer-standby")) => HostRole::Standby,
            (own, _) => own,
        };
        let (mode, tls) = protection(&hosts, spec, &said);
        let mut connector = Connector {
            hosts,
            port,
            user,
            written,
            database: said("dbname"),
            role,
            password: None,
            chosen: Arc::default(),
            ways: Ways::default(),
            stop: stop.clone(),
            mode,
            tls,
            place,
        };
        connector.password = match &spec.password {
            Some(reference) => Some(reveal(reference, stop).map_err(|e| {
                let text = std::error::Error::source(&e)
                    .map_or_else(|| e.to_string(), |s| format!("{e}: {s}"));
                Error::new(ErrorKind::Denied, format!("connect to {}", connector.place), text)
            })?),
            None => said("password").map(Secret::new),
        };
        Ok(connector)
    }

    /// What messages call the server.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The database that is there to be asked for the others.
    pub fn home(&self) -> &str {
        self.database.as_deref().unwrap_or(MAINTENANCE)
    }

    /// How connections are protected.
    pub fn protection(&self) -> (TlsMode, &Tls) {
        (self.mode, &self.tls)
    }

    /// The host that connections go to, as far as it is known.
    pub fn host(&self) -> &str {
        self.chosen.get().or_else(|| self.hosts.first()).map_or("", String::as_str)
    }

    /// Whether the server is on this machine.
    pub fn is_local(&self) -> bool {
        self.hosts.iter().all(|h| is_near(h))
    }

    /// The password for a database: the job's, else that of the password file.
    pub fn password(&self, database: &str) -> Result<Option<Secret>> {
        if self.password.is_some() {
            return Ok(self.password.clone());
        }
        for host in &self.hosts {
            let whom = Whom { host, port: self.port, database, user: &self.user };
            let found = outside::password(whom).map_err(|e| {
                Error::new(ErrorKind::Denied, format!("connect to {}", self.place), e)
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// A bare connection: session settings as the server gives them.
    pub fn connect(&self, database: &str, doing: &str) -> Result<Client> {
        let doing = format!("{doing} {} in {}", database, self.place);
        if let Some(host) = self.chosen.get() {
            self.preflight(host, database, &doing)?;
            return self.connect_to(host, database, &doing);
        }
        let mut last = None;
        for host in &self.hosts {
            match self.connect_to(host, database, &doing) {
                Ok(client) => {
                    // Two threads may both be the first; the later one goes where the earlier went.
                    let chosen = self.chosen.get_or_init(|| host.clone());
                    self.preflight(chosen, database, &doing)?;
                    return if chosen == host {
                        Ok(client)
                    } else {
                        self.connect_to(chosen, database, &doing)
                    };
                }
                Err(error) => {
                    last.get_or_insert(error);
                }
            }
        }
        Err(last.unwrap_or_else(|| Error::new(ErrorKind::Refused, doing, "no host is named")))
    }

    /// A connection that reads rows.
    pub fn wire(&self, database: &str, doing: &str, stop: &Stop) -> Result<Wire> {
        let mut wire = self.bare(database, doing, Speech::Sql, stop)?;
        let doing = format!("{doing} {} in {}", database, self.place);
        wire.run(LIMITS, &doing, stop)?;
        wire.run(SETTINGS, &doing, stop)?;
        Ok(wire)
    }

    /// A connection straight from the socket: session settings as the server gives them.
    pub fn bare(&self, database: &str, doing: &str, speech: Speech, stop: &Stop) -> Result<Wire> {
        let doing = format!("{doing} {} in {}", database, self.place);
        if self.chosen.get().is_none() {
            self.connect(database, "ask")?;
        }
        let host = self.host();
        self.preflight(host, database, &doing)?;
        Wire::connect(self.address(host, database, speech, SILENCE, &doing)?, &doing, stop)
    }

    /// Refuses a pooler that would hand on to others what is set in a session.
    fn preflight(&self, host: &str, database: &str, doing: &str) -> Result<()> {
        let open = || {
            let address = self.address(host, database, Speech::Sql, pooler::PATIENCE, doing)?;
            Wire::connect(address, doing, &self.stop)
        };
        self.ways.of(database, &open, doing, &self.stop)?.preflight(doing)
    }

    /// Whether a pooler stands before any of the databases that were asked for.
    pub fn is_pooled(&self) -> bool {
        self.ways.is_pooled()
    }

    /// Where a connection straight from the socket goes.
    fn address<'a>(
        &'a self,
        host: &'a str,
        database: &'a str,
        speech: Speech,
        patience: Duration,
        doing: &str,
    ) -> Result<Address<'a>> {
        let tls = match self.mode {
            TlsMode::Off => None,
            mode => Some(
                secure_client(mode, &self.tls)
                    .map_err(|e| Error::new(ErrorKind::Refused, doing, e))?,
            ),
        };
        let password = self.password(database)?;
        let (port, user) = (self.port, &self.user);
        Ok(Address { host, port, user, database, password, tls, speech, patience })
    }

    /// Without the time limits of the role where the other end can be told so (`UNLIMITED`).
    fn connect_to(&self, host: &str, database: &str, doing: &str) -> Result<Client> {
        let mut config = self.config(host, database)?;
        match self.open(config.clone().options(UNLIMITED), doing) {
            Err(refused) if sqlstate(&refused) == Some(PROTOCOL_VIOLATION) => {
                self.open(&mut config, doing)
            }
            opened => opened,
        }
    }

    fn config(&self, host: &str, database: &str) -> Result<Config> {
        let mut config = Config::new();
        config.user(&self.user).dbname(database).application_name("vex").port(self.port);
        config.connect_timeout(Duration::from_secs(15)).keepalives_idle(Duration::from_secs(30));
        match host.starts_with('/') {
            true => config.host_path(PathBuf::from(host)),
            false => config.host(host),
        };
        config.target_session_attrs(match self.role {
            HostRole::Any => TargetSessionAttrs::Any,
            HostRole::Primary => TargetSessionAttrs::ReadWrite,
            HostRole::Standby => TargetSessionAttrs::ReadOnly,
        });
        let password = self.password(database)?;
        if let Some(password) = &password {
            config.password(password.reveal());
        }
        Ok(config)
    }

    fn open(&self, config: &mut Config, doing: &str) -> Result<Client> {
        let (mut config, own) = (config.clone(), doing.to_owned());
        if self.mode == TlsMode::Off {
            config.ssl_mode(SslMode::Disable);
            return greeted(doing, move || config.connect(NoTls).map_err(|e| wrap(&own, e)));
        }
        config.ssl_mode(SslMode::Require);
        let tls = secure_client(self.mode, &self.tls)
            .map_err(|e| Error::new(ErrorKind::Refused, doing, e))?;
        greeted(doing, move || {
            config.connect(MakeRustlsConnect::new(tls)).map_err(|e| unencrypted(&own, e))
        })
    }

    /// A client program on its way to a database.
    pub fn child<'a>(&self, words: &'a [String], database: &str) -> Result<Child<'a>> {
        if let Some(host) = self.chosen.get() {
            let doing = format!("run {} on {database} in {}", words[0], self.place);
            self.preflight(host, database, &doing)?;
        }
        let child = self.client(words, database)?;
        Ok(child.env("PGDATABASE", database).env("PGCLIENTENCODING", "UTF8"))
    }

    /// A client program that copies the files of the cluster: it is in no database.
    pub fn copier<'a>(&self, words: &'a [String]) -> Result<Child<'a>> {
        self.client(words, REPLICATION)
    }

    /// A client program: where, as whom and how protected stands in its environment, nothing in its
    /// words. It goes to the host that the other connections go to.
    fn client<'a>(&self, words: &'a [String], database: &str) -> Result<Child<'a>> {
        let hosts = self.chosen.get().cloned().unwrap_or_else(|| self.hosts.join(","));
        let mut child = Child::new(words)
            .env("PGHOST", &hosts)
            .env("PGPORT", &self.port.to_string())
            .env("PGUSER", &self.user)
            .env("PGCONNECT_TIMEOUT", "15")
            .env("PGAPPNAME", "vex");
        child = match self.role {
            HostRole::Any => child,
            HostRole::Primary => child.env("PGTARGETSESSIONATTRS", "read-write"),
            HostRole::Standby => child.env("PGTARGETSESSIONATTRS", "read-only"),
        };
        if !self.ways.is_pooled() {
            child = child.env("PGOPTIONS", UNLIMITED);
        }
        child = self.protected(child);
        Ok(match self.password(database)? {
            Some(password) => child.secret("PGPASSWORD", password),
            None => child,
        })
    }

    fn protected<'a>(&self, mut child: Child<'a>) -> Child<'a> {
        let mode = match self.mode {
            TlsMode::VerifyFull => "verify-full",
            TlsMode::VerifyCa => "verify-ca",
            TlsMode::Require => "require",
            TlsMode::Off => "disable",
        };
        child = child.env("PGSSLMODE", mode);
        let checked = matches!(self.mode, TlsMode::VerifyFull | TlsMode::VerifyCa);
        let machine = || {
            // libpq's own word for the roots that its TLS library knows.
            let listed = ROOTS.iter().find(|path| Path::new(path).exists());
            checked.then(|| PathBuf::from(listed.unwrap_or(&"system")))
        };
        let files = [
            ("PGSSLROOTCERT", self.tls.ca.clone().or_else(machine)),
            ("PGSSLCERT", self.tls.cert.clone()),
            ("PGSSLKEY", self.tls.key.clone()),
        ];
        for (name, path) in files {
            if let Some(path) = path {
                child = child.env(name, &path.display().to_string());
            }
        }
        child
    }

    /// A connection that asks and reads: everything that could change an answer is pinned.
    pub fn session(&self, database: &str, doing: &str) -> Result<Client> {
        let mut client = self.patient(database, doing)?;
        let doing = format!("prepare the session on {database} in {}", self.place);
        run(&mut client, SETTINGS, &doing)?;
        let row = client
            .query_one(
                "SELECT current_setting('search_path'), current_setting('extra_float_digits')",
                &[],
            )
            .map_err(|e| wrap(&doing, e))?;
        let found: (String, String) = (row.get(0), row.get(1));
        if found != ("pg_catalog".to_owned(), "3".to_owned()) {
            return Err(Error::new(
                ErrorKind::Refused,
                doing,
                format!("the server did not take the settings: {found:?}"),
            ));
        }
        Ok(client)
    }

    /// A connection that asks and changes nothing; whatever time limits its role has do not end it.
    pub fn patient(&self, database: &str, doing: &str) -> Result<Client> {
        let mut client = self.connect(database, doing)?;
        let doing = format!("prepare the session on {database} in {}", self.place);
        run(&mut client, LIMITS, &doing)?;
        Ok(client)
    }

    /// A connection that restores.
    pub fn loader(&self, database: &str) -> Result<Client> {
        let mut client = self.patient(database, "restore into")?;
        let doing = format!("prepare the session on {database} in {}", self.place);
        let own = "SET default_transaction_read_only=off; SET check_function_bodies=off; \
                SET xmloption=content; SET client_min_messages=warning; SET synchronous_commit=off; SET lock_timeout=0;";
        run(&mut client, &format!("{SETTINGS}{own}"), &doing)?;
        Ok(client)
    }
}

/// Number of a server's version: `150018` is 15.18.
pub fn server_version(client: &mut Client, doing: &str) -> Result<u32> {
    let row = client
        .query_one("SELECT pg_catalog.current_setting('server_version_num')::int4", &[])
        .map_err(|e| wrap(doing, e))?;
    Ok(u32::try_from(row.get::<_, i32>(0)).unwrap_or(0))
}

/// First of all, by itself: a limit of the role holds for the statements that come with what ends it.
/// Behind a pooler that takes no `UNLIMITED` this is the first that ends the limits.
const LIMITS: &str =
    "SET statement_timeout=0; SET lock_timeout=0; SET idle_in_transaction_session_timeout=0";

/// The settings of every session. A role or a database may have any other.
const SETTINGS: &str = "SET row_security=off; SET search_path=pg_catalog; SET datestyle=ISO; SET intervalstyle=postgres; \
                   SET extra_float_digits=3; SET lc_monetary='C'; SET timezone='UTC'; SET bytea_output=hex; \
                   SET xmlbinary=base64; SET quote_all_identifiers=off; SET synchronize_seqscans=off; \
                   SET default_transaction_read_only=on; SET standard_conforming_strings=on; SET escape_string_warning=off; \
                   SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings \
                   WHERE name IN ('idle_session_timeout', 'transaction_timeout');";

/// Where a server is, in one text.
fn written(hosts: &[String], port: u16) -> String {
    let host = |host: &String| match host.contains(':') {
        true => format!("[{host}]"),
        false => host.clone(),
    };
    format!("{}:{port}", hosts.iter().map(host).collect::<Vec<_>>().join(","))
}

fn is_near(host: &str) -> bool {
    host.starts_with('/')
        || host == "localhost"
        || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// How connections are protected, and with which files.
fn protection(
    hosts: &[String],
    spec: &PostgresSpec,
    said: &dyn Fn(&str) -> Option<String>,
) -> (TlsMode, Tls) {
    let mut tls = spec.tls.clone();
    tls.ca = tls.ca.or_else(|| said("sslrootcert").filter(|f| f != "system").map(PathBuf::from));
    if tls.cert.is_none() {
        tls.cert = said("sslcert").map(PathBuf::from);
        tls.key = said("sslkey").map(PathBuf::from);
    }
    let near = hosts.iter().all(|h| is_near(h));
    let service = match said("sslmode").as_deref() {
        Some("verify-ca") => Some(TlsMode::VerifyCa),
        Some("verify-full") => Some(TlsMode::VerifyFull),
        Some("require") if tls.ca.is_some() => Some(TlsMode::VerifyCa),
        Some("require") => Some(TlsMode::Require),
        Some("disable") => Some(TlsMode::Off),
        // `allow` and `prefer` leave the choice to whoever is in between.
        Some(_) | None => None,
    };
    let own = tls.mode.or(service);
    let mode =
        own.unwrap_or(if near && tls.ca.is_none() { TlsMode::Off } else { TlsMode::VerifyFull });
    let socket = hosts.iter().all(|h| h.starts_with('/'));
    (if socket { TlsMode::Off } else { mode }, tls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_copies_files_goes_to_the_chosen_host_and_no_other() {
        let spec = PostgresSpec {
            identity: None,
            hosts: vec!["one".into(), "two".into()],
            port: Some(5433),
            socket: None,
            service: None,
            session: HostRole::Standby,
            user: None,
            password: None,
            databases: Vec::new(),
            schemas: Vec::new(),
            exclude: Vec::new(),
            tables: Vec::new(),
            tls: Tls { mode: Some(TlsMode::Off), ..Tls::default() },
            lock_wait: Duration::ZERO,
            max_lag: None,
            globals: false,
            tools: Vec::new(),
        };
        let connector = Connector::new(&spec, &Stop::new()).expect("nothing is connected");
        connector.chosen.set("two".into()).expect("not chosen yet");
        let said = "echo $PGHOST $PGPORT $PGTARGETSESSIONATTRS $PGSSLMODE";
        let words = ["/bin/sh", "-c", said].map(str::to_owned);
        let child = connector.copier(&words).expect("nothing is connected");
        let variables = child.output(100, &Stop::new()).expect("it runs");
        assert_eq!(String::from_utf8_lossy(&variables), "two 5433 read-only disable\n");
    }
}
