//! A catalog in a database of MySQL or MariaDB.
//!
//! A session that takes what is too long cut rather than not at all: history that can't be written
//! would be kept aside for ever. DDL commits by itself there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mysql::consts::CapabilityFlags;
use mysql::prelude::Queryable;
use mysql::{ClientIdentity, Conn, OptsBuilder, Params, SslOpts};

use crate::base::Secret;
use crate::catalog::error::{CatalogError, SqlFault};
use crate::catalog::sql::{Dialect, Sql};
use crate::catalog::value::{Row, Value};
use crate::job::{CatalogServer, TlsMode};

/// How long a server may be silent: longer than any statement of ours takes.
const SILENCE: Duration = Duration::from_secs(30);

/// Where machines keep their certificates.
const ROOTS: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// A session on the server.
pub struct Mysql {
    connection: Conn,
    place: String,
}

impl Mysql {
    /// Connects.
    pub fn connect(spec: &CatalogServer, password: Option<Secret>) -> Result<Mysql, CatalogError> {
        let place = spec.place();
        let refuse = |why: String| CatalogError::Sql {
            doing: "connect to",
            place: place.clone(),
            fault: SqlFault::Other,
            source: why.into(),
        };
        let builder = OptsBuilder::new()
            .user(Some(&spec.user))
            .pass(password.as_ref().map(Secret::reveal))
            .db_name(Some(&spec.database))
            .prefer_socket(false)
            .additional_capabilities(CapabilityFlags::CLIENT_FOUND_ROWS)
            .tcp_connect_timeout(Some(Duration::from_secs(15)))
            .tcp_keepalive_time_ms(Some(30_000))
            .read_timeout(Some(SILENCE))
            .write_timeout(Some(SILENCE));
        let builder = match &spec.socket {
            Some(socket) => builder.socket(Some(socket.to_string_lossy())),
            None => builder
                .ip_or_hostname(Some(&spec.host))
                .tcp_port(spec.port)
                .ssl_opts(protection(spec).map_err(refuse)?),
        };
        let fail = |e| fault(&place, "connect to", e);
        let mut connection = Conn::new(builder).map_err(fail)?;
        for statement in [
            "SET NAMES utf8mb4",
            "SET SESSION sql_mode='', time_zone='+00:00', autocommit=1, wait_timeout=2147483",
            "SET SESSION innodb_lock_wait_timeout=20, foreign_key_checks=1",
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        ] {
            connection.query_drop(statement).map_err(fail)?;
        }
        Ok(Mysql { connection, place })
    }

    fn run(&mut self, sql: &str, doing: &'static str) -> Result<u64, CatalogError> {
        match self.connection.query_drop(sql) {
            Ok(()) => Ok(self.connection.affected_rows()),
            Err(error) => Err(fault(&self.place, doing, error)),
        }
    }
}

/// How the connection is protected; `None` in the clear.
fn protection(spec: &CatalogServer) -> Result<Option<SslOpts>, String> {
    let mut options = SslOpts::default();
    match spec.tls_mode() {
        TlsMode::Off => return Ok(None),
        TlsMode::Require => {
            options = options
                .with_danger_accept_invalid_certs(true)
                .with_danger_skip_domain_validation(true);
        }
        TlsMode::VerifyCa => options = options.with_danger_skip_domain_validation(true),
        TlsMode::VerifyFull => {}
    }
    let tls = &spec.tls;
    let roots = tls.ca.clone().or_else(|| std::env::var_os("SSL_CERT_FILE").map(PathBuf::from));
    let ca = roots.or_else(|| ROOTS.iter().map(PathBuf::from).find(|p| p.exists()));
    let files = ca.iter().chain(&tls.cert).chain(&tls.key);
    if let Some(missing) = files.into_iter().find(|p| !Path::new(p).is_file()) {
        return Err(format!("there is no file {}", missing.display()));
    }
    options = options.with_root_cert_path(ca);
    if let (Some(cert), Some(key)) = (&tls.cert, &tls.key) {
        let identity = ClientIdentity::new(cert.clone(), key.clone());
        options = options.with_client_identity(Some(identity));
    }
    Ok(Some(options))
}

impl Sql for Mysql {
    fn dialect(&self) -> Dialect {
        Dialect::Mysql
    }

    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, CatalogError> {
        if values.is_empty() {
            return self.run(sql, "write");
        }
        match self.connection.exec_drop(sql, given(values)) {
            Ok(()) => Ok(self.connection.affected_rows()),
            Err(error) => Err(fault(&self.place, "write", error)),
        }
    }

    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, CatalogError> {
        let rows: Result<Vec<mysql::Row>, _> = self.connection.exec(sql, given(values));
        let rows = rows.map_err(|e| fault(&self.place, "read", e))?;
        Ok(rows.into_iter().map(|row| Row(row.unwrap().into_iter().map(found).collect())).collect())
    }

    fn begin(&mut self) -> Result<(), CatalogError> {
        self.run("START TRANSACTION", "write").map(drop)
    }

    fn commit(&mut self) -> Result<(), CatalogError> {
        self.run("COMMIT", "write").map(drop)
    }

    fn rollback(&mut self) -> Result<(), CatalogError> {
        self.run("ROLLBACK", "write").map(drop)
    }
}

fn given(values: &[Value]) -> Params {
    let one = |value: &Value| match value {
        Value::Null => mysql::Value::NULL,
        Value::Int(number) => mysql::Value::Int(*number),
        Value::Text(text) => mysql::Value::Bytes(text.clone().into_bytes()),
    };
    match values {
        [] => Params::Empty,
        values => Params::Positional(values.iter().map(one).collect()),
    }
}

fn found(value: mysql::Value) -> Value {
    match value {
        mysql::Value::NULL => Value::Null,
        mysql::Value::Int(number) => Value::Int(number),
        mysql::Value::UInt(number) => Value::from(number),
        mysql::Value::Bytes(bytes) => Value::Text(String::from_utf8_lossy(&bytes).into_owned()),
        mysql::Value::Float(number) => Value::Text(number.to_string()),
        mysql::Value::Double(number) => Value::Text(number.to_string()),
        mysql::Value::Date(year, month, day, hour, minute, second, _) => {
            let date = format!("{year:04}-{month:02}-{day:02}");
            Value::Text(format!("{date} {hour:02}:{minute:02}:{second:02}"))
        }
        other @ mysql::Value::Time(..) => Value::Text(other.as_sql(true)),
    }
}

/// An error of the server or of the wire as ours.
fn fault(place: &str, doing: &'static str, error: mysql::Error) -> CatalogError {
    let fault = match &error {
        mysql::Error::MySqlError(e) => match e.code {
            // Deadlock, lock wait, and MariaDB's "record has changed since last read".
            1205 | 1213 | 1020 => SqlFault::Busy,
            1040 | 1053 | 1927 | 2006 | 2013 | 3169 => SqlFault::Lost,
            _ => SqlFault::Other,
        },
        mysql::Error::IoError(_) | mysql::Error::CodecError(_) | mysql::Error::DriverError(_) => {
            SqlFault::Lost
        }
        mysql::Error::UrlError(_)
        | mysql::Error::FromValueError(_)
        | mysql::Error::FromRowError(_)
        | mysql::Error::TlsError(_) => SqlFault::Other,
    };
    CatalogError::Sql { doing, place: place.to_owned(), fault, source: error.into() }
}
