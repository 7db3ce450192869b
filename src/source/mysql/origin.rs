//! Which database a server is: `server_uuid` of MySQL. MariaDB has no lasting identity: there it is
//! the address as it was written.
//!
//! Changes nothing, and asks only what every user may see.

use mysql::Conn;
use mysql::prelude::{FromValue, Queryable};

use crate::artifact::Origin;
use crate::job::MysqlSpec;
use crate::source::contract::Result;
use crate::source::mysql::connect::Connector;
use crate::source::mysql::fault::wrap;
use crate::source::mysql::flavor::{Family, Flavor};

/// No such variable.
const UNKNOWN: u16 = 1193;

/// Asks the server.
pub fn origin(spec: &MysqlSpec, connector: &Connector) -> Result<Origin> {
    let doing = format!("ask {} which database it is", connector.place());
    let mut connection = connector.connect("ask")?;
    let flavor = Flavor::of(&mut connection)?;
    let sign = text(&mut connection, "hostname", &doing)?;
    let (id, server) = match flavor.family {
        Family::Mysql => {
            let uuid = text(&mut connection, "server_uuid", &doing)?;
            (uuid.clone().unwrap_or_else(|| address(spec)), uuid)
        }
        Family::Mariadb => {
            let port: Option<u16> = variable(&mut connection, "port", &doing)?;
            let data = text(&mut connection, "datadir", &doing)?;
            let server = match (&sign, port, data) {
                (Some(host), Some(port), Some(data)) => {
                    Some(format!("mariadb {host}:{port} {data}"))
                }
                _ => None,
            };
            (address(spec), server)
        }
    };
    Ok(Origin {
        id: spec.identity.clone().unwrap_or(id),
        sign,
        anywhere: spec.identity.is_some(),
        server,
    })
}

/// The address as it was written: that of the server found on this machine may be another tomorrow.
fn address(spec: &MysqlSpec) -> String {
    match &spec.socket {
        Some(socket) => socket.display().to_string(),
        None if spec.host.contains(':') => format!("[{}]:{}", spec.host, spec.port),
        None => format!("{}:{}", spec.host, spec.port),
    }
}

/// A variable of the server that is text; an empty one says nothing.
fn text(connection: &mut Conn, name: &str, doing: &str) -> Result<Option<String>> {
    Ok(variable(connection, name, doing)?.filter(|text: &String| !text.is_empty()))
}

/// A variable of the server; `None` where it has none of the name.
fn variable<T: FromValue>(connection: &mut Conn, name: &str, doing: &str) -> Result<Option<T>> {
    match connection.query_first::<Option<T>, _>(format!("SELECT @@{name}")) {
        Ok(value) => Ok(value.flatten()),
        Err(mysql::Error::MySqlError(error)) if error.code == UNKNOWN => Ok(None),
        Err(error) => Err(wrap(doing, error)),
    }
}
