//! A catalog in a database of PostgreSQL.
//!
//! The driver waits for ever for a server that is frozen: its connection lives on a thread of its
//! own, and a statement that has no answer in time is taken for a lost connection. The thread then
//! ends with the connection.

use std::sync::mpsc;
use std::time::Duration;

use postgres::config::SslMode;
use postgres::types::ToSql;
use postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::base::Secret;
use crate::catalog::error::{CatalogError, SqlFault};
use crate::catalog::pgvalue::{Given, found};
use crate::catalog::sql::{Dialect, Sql};
use crate::catalog::value::{Row, Value};
use crate::job::{CatalogServer, TlsMode};
use crate::world::secure_client;

/// How long a server may be silent: longer than any statement of ours may take.
const SILENCE: Duration = Duration::from_secs(30);

/// What every session begins with.
const SETTINGS: &str = "SET client_min_messages=warning; SET statement_timeout='25s'; SET lock_timeout='20s'; \
     SET idle_in_transaction_session_timeout='5min'; SET timezone='UTC'; SET datestyle=ISO; \
     SET default_transaction_read_only=off; SET standard_conforming_strings=on";

type Work = Box<dyn FnOnce(&mut Client) + Send>;

/// A session on the server.
pub struct Postgres {
    work: mpsc::Sender<Work>,
    place: String,
}

impl Postgres {
    /// Connects.
    pub fn connect(
        spec: &CatalogServer,
        password: Option<Secret>,
    ) -> Result<Postgres, CatalogError> {
        let place = spec.place();
        let mut config = Config::new();
        config.user(&spec.user).dbname(&spec.database).application_name("vex catalog");
        config.port(spec.port).connect_timeout(Duration::from_secs(15));
        config.keepalives_idle(Duration::from_secs(30)).tcp_user_timeout(SILENCE);
        match &spec.socket {
            Some(socket) => config.host_path(socket),
            None => config.host(&spec.host),
        };
        if let Some(password) = password {
            config.password(password.reveal());
        }
        let tls = match spec.tls_mode() {
            TlsMode::Off => {
                config.ssl_mode(SslMode::Disable);
                None
            }
            mode => {
                config.ssl_mode(SslMode::Require);
                Some(secure_client(mode, &spec.tls).map_err(|why| CatalogError::Sql {
                    doing: "connect to",
                    place: place.clone(),
                    fault: SqlFault::Other,
                    source: why.into(),
                })?)
            }
        };
        let connect = move || {
            let mut client = match tls {
                None => config.connect(NoTls),
                Some(tls) => config.connect(MakeRustlsConnect::new(tls)),
            }?;
            client.batch_execute(SETTINGS).map(|()| client)
        };
        let (work, todo) = mpsc::channel::<Work>();
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || match connect() {
            Ok(mut client) => {
                drop(tell.send(Ok(())));
                todo.into_iter().for_each(|work| work(&mut client));
            }
            Err(error) => drop(tell.send(Err(error))),
        });
        let answer = told.recv_timeout(SILENCE);
        judge(&place, "connect to", answer)?;
        Ok(Postgres { work, place })
    }

    /// Has the thread do it, and waits as long as a server may be silent.
    fn ask<T: Send + 'static>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&mut Client) -> Result<T, postgres::Error> + Send + 'static,
    ) -> Result<T, CatalogError> {
        let (tell, told) = mpsc::channel();
        let work: Work = Box::new(move |client| drop(tell.send(work(client))));
        // Where the thread has ended, nobody answers.
        drop(self.work.send(work));
        let answer = told.recv_timeout(SILENCE);
        if answer.is_err() {
            // A late answer must not be taken for that of the next question.
            self.work = mpsc::channel().0;
        }
        judge(&self.place, doing, answer)
    }

    fn run(&mut self, sql: &'static str) -> Result<(), CatalogError> {
        self.ask("write", move |client| client.batch_execute(sql))
    }
}

impl Sql for Postgres {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, CatalogError> {
        let (sql, values) = (numbered(sql), values.to_vec());
        self.ask("write", move |client| {
            let given: Vec<Given<'_>> = values.iter().map(Given).collect();
            let given: Vec<&(dyn ToSql + Sync)> = given.iter().map(|g| g as _).collect();
            client.execute(&sql, &given)
        })
    }

    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, CatalogError> {
        let (sql, values) = (numbered(sql), values.to_vec());
        self.ask("read", move |client| {
            use postgres::fallible_iterator::FallibleIterator;
            client.query_raw(&sql, values.iter().map(Given))?.map(|row| found(&row)).collect()
        })
    }

    fn begin(&mut self) -> Result<(), CatalogError> {
        self.run("BEGIN ISOLATION LEVEL READ COMMITTED")
    }

    fn commit(&mut self) -> Result<(), CatalogError> {
        self.run("COMMIT")
    }

    fn rollback(&mut self) -> Result<(), CatalogError> {
        self.run("ROLLBACK")
    }
}

/// The answer of the thread, or what its silence means.
fn judge<T>(
    place: &str,
    doing: &'static str,
    answer: Result<Result<T, postgres::Error>, mpsc::RecvTimeoutError>,
) -> Result<T, CatalogError> {
    let place = || place.to_owned();
    let lost = |source: Box<dyn std::error::Error + Send + Sync>| {
        Err(CatalogError::Sql { doing, place: place(), fault: SqlFault::Lost, source })
    };
    match answer {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            let fault = fault(&error);
            let source = said(&error).into();
            Err(CatalogError::Sql { doing, place: place(), fault, source })
        }
        Err(mpsc::RecvTimeoutError::Timeout) => {
            lost(format!("no answer in {} s", SILENCE.as_secs()).into())
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => lost("the connection is closed".into()),
    }
}

fn fault(error: &postgres::Error) -> SqlFault {
    match error.code().map(|code| code.code()) {
        Some("40001" | "40P01" | "55P03") => SqlFault::Busy,
        Some("57P01" | "57P02" | "57P03" | "57P05" | "53300" | "08000" | "08003" | "08006")
        | None => SqlFault::Lost,
        Some(_) => SqlFault::Other,
    }
}

/// The server's own words, or the wire's.
fn said(error: &postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} (SQLSTATE {})", db.message(), db.code().code()),
        None => {
            let cause = std::error::Error::source(error);
            cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
        }
    }
}

/// `?` as `$1`, `$2` and so on, but for those in texts.
fn numbered(sql: &str) -> String {
    let (mut out, mut count, mut quoted) = (String::with_capacity(sql.len() + 16), 0, false);
    for c in sql.chars() {
        match c {
            '?' if !quoted => {
                count += 1;
                out += &format!("${count}");
            }
            other => {
                quoted ^= other == '\'';
                out.push(other);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_values_are_numbered() {
        assert_eq!(numbered("a=? AND b='?''?' AND c=?"), "a=$1 AND b='?''?' AND c=$2");
    }
}
