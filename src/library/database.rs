//! A database, and how it is reached, in the words of a caller of the library.

use std::path::PathBuf;

use crate::base::Secret;

/// What speaks to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// MySQL or MariaDB.
    Mysql,
    /// PostgreSQL.
    Postgres,
}

/// How a database is reached.
#[derive(Debug)]
pub struct Database {
    /// What speaks to its server.
    pub driver: Driver,
    /// The server.
    pub host: Host,
    /// Who asks.
    pub user: String,
    /// The password; none where it is empty.
    pub password: Option<Secret>,
    /// Its name.
    pub name: String,
}

/// Where a server is.
#[derive(Debug, PartialEq, Eq)]
pub enum Host {
    /// At an address.
    Address(String, Option<u16>),
    /// Behind a socket of this machine.
    Socket(PathBuf),
}

impl Host {
    /// `name`, `name:port`, `[::1]:port`, or the path of a socket.
    pub fn parse(text: &str) -> Host {
        if text.starts_with('/') {
            return Host::Socket(text.into());
        }
        let bare = |host: &str| host.trim_matches(['[', ']']).to_owned();
        match text.rsplit_once(':') {
            // An address of IPv6 without brackets has no port.
            Some((host, port)) if host.ends_with(']') || host.matches(':').next().is_none() => {
                match port.parse() {
                    Ok(port) => Host::Address(bare(host), Some(port)),
                    Err(_) => Host::Address(text.to_owned(), None),
                }
            }
            _ => Host::Address(bare(text), None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_name_a_port_or_a_socket() {
        let at = |host: &str, port| Host::Address(host.to_owned(), port);
        assert_eq!(Host::parse("db1"), at("db1", None));
        assert_eq!(Host::parse("db1:3307"), at("db1", Some(3307)));
        assert_eq!(Host::parse("[::1]:3307"), at("::1", Some(3307)));
        assert_eq!(Host::parse("::1"), at("::1", None));
        assert_eq!(Host::parse("[::1]"), at("::1", None));
        assert_eq!(Host::parse("/run/mysqld.sock"), Host::Socket("/run/mysqld.sock".into()));
    }
}
