//! Which database a server is: the identifier of its system, which its standbys and every copy of
//! its files share, and the machine that it runs on.
//!
//! Changes nothing, and sets nothing in the session. Where the role may not read the identifier,
//! the address as it was written takes its place; `vex doctor` says so.

use std::net::IpAddr;

use crate::artifact::Origin;
use crate::base::Stop;
use crate::job::PostgresSpec;
use crate::source::contract::{ErrorKind, Result};
use crate::source::postgres::connect::Connector;
use crate::source::postgres::wire::{Speech, Wire};

/// The server's own address, the identifier if the role may read it, and whether it may speak the
/// replication protocol.
const ASK: &str = "SELECT pg_catalog.host(pg_catalog.inet_server_addr()), \
    coalesce(pg_catalog.has_function_privilege(pg_catalog.to_regprocedure('pg_catalog.pg_control_system()'), 'EXECUTE'), false), \
    (SELECT rolsuper OR rolreplication FROM pg_catalog.pg_roles WHERE rolname = current_user)";

/// The identifier of the system.
const IDENTIFIER: &str = "SELECT system_identifier FROM pg_catalog.pg_control_system()";

/// Asks the server; `machine` is this one.
pub fn origin(
    spec: &PostgresSpec,
    connector: &Connector,
    machine: Option<&str>,
    stop: &Stop,
) -> Result<Origin> {
    let doing = format!("ask {} which database it is", connector.place());
    let (mut wire, database) = entrance(spec, connector, stop)?;
    let answer = wire.rows(ASK, &doing, stop)?;
    let mut row = answer.into_iter().next().unwrap_or_default().into_iter();
    let own = row.next().flatten();
    let mut may = || row.next().flatten().as_deref() == Some("t");
    let (readable, replicates) = (may(), may());
    let server = match (readable, replicates) {
        (true, _) => first(wire.rows(IDENTIFIER, &doing, stop)?),
        (false, true) => identified(connector, &database, &doing, stop)?,
        (false, false) => None,
    };
    Ok(Origin {
        id: spec
            .identity
            .clone()
            .or_else(|| server.clone())
            .unwrap_or_else(|| connector.written.clone()),
        sign: sign(own, wire.peer(), machine, connector.host()),
        anywhere: spec.identity.is_some() || connector.hosts.len() > 1,
        server,
    })
}

/// A connection to whichever database lets us in; a user may reach one only.
fn entrance(spec: &PostgresSpec, connector: &Connector, stop: &Stop) -> Result<(Wire, String)> {
    let home = connector.home();
    let open = |database: &str| -> Result<(Wire, String)> {
        let wire = connector.bare(database, "ask", Speech::Sql, stop)?;
        Ok((wire, database.to_owned()))
    };
    match (open(home), spec.databases.iter().find_map(|g| g.literal())) {
        (Err(error), Some(other)) if error.kind != ErrorKind::Unreachable => {
            open(&other).map_err(|_| error)
        }
        (opened, _) => opened,
    }
}

/// The identifier as the replication protocol tells it; `None` where the server does not let the
/// role speak it.
fn identified(
    connector: &Connector,
    database: &str,
    doing: &str,
    stop: &Stop,
) -> Result<Option<String>> {
    let asked = connector
        .bare(database, "ask", Speech::Replication, stop)
        .and_then(|mut wire| wire.rows("IDENTIFY_SYSTEM", doing, stop));
    match asked {
        Ok(answer) => Ok(first(answer)),
        // One that did not answer today might tomorrow, and be taken for another database.
        Err(error) if error.kind == ErrorKind::Stopped => Err(error),
        Err(error) if error.kind == ErrorKind::Unreachable && !connector.is_pooled() => Err(error),
        Err(_) => Ok(None),
    }
}

fn first(answer: Vec<Vec<Option<String>>>) -> Option<String> {
    answer.into_iter().next()?.into_iter().next()?.filter(|text| !text.is_empty())
}

/// On which machine the server runs, as it names its own address. A server that is reached by a
/// socket or on loopback is on this machine; if only its own end is (a pooler or a proxy stands
/// beside it), the host as it was written is all that is known.
fn sign(
    own: Option<String>,
    peer: Option<IpAddr>,
    machine: Option<&str>,
    host: &str,
) -> Option<String> {
    let near = |address: IpAddr| address.to_canonical().is_loopback();
    match own {
        Some(own) if !own.parse().is_ok_and(near) => Some(own),
        Some(_) | None if peer.is_none_or(near) => machine.map(str::to_owned),
        Some(_) | None => Some(host.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sign_is_the_servers_address_or_this_machine() {
        let machine = Some("5c1e db1");
        for (own, peer, expected) in [
            (Some("10.0.0.3"), Some("10.0.0.3"), Some("10.0.0.3")),
            (Some("fd00::3"), Some("fd00::3"), Some("fd00::3")),
            // Reached on loopback: a container, or a tunnel whose other end is elsewhere.
            (Some("172.17.0.2"), Some("127.0.0.1"), Some("172.17.0.2")),
            (None, None, machine),
            (Some("127.0.0.1"), Some("127.0.0.1"), machine),
            (Some("127.0.1.1"), Some("127.0.1.1"), machine),
            (Some("::1"), Some("::1"), machine),
            (Some("::ffff:127.0.0.1"), Some("::ffff:127.0.0.1"), machine),
            (None, Some("127.0.0.1"), machine),
            // A pooler on another machine, beside its server.
            (None, Some("10.0.0.9"), Some("db9")),
            (Some("127.0.0.1"), Some("10.0.0.9"), Some("db9")),
        ] {
            let peer = peer.map(|p| p.parse().expect("an address"));
            let found = sign(own.map(str::to_owned), peer, machine, "db9");
            assert_eq!(found.as_deref(), expected, "{own:?} {peer:?}");
        }
        assert_eq!(sign(None, None, None, "db9"), None);
    }
}
