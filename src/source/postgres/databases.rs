//! The databases of a server: those that a job takes, and those that nobody can read, which are
//! named so that they take no other down.
//!
//! Invariant: every database that the job matches is taken or named.

use postgres::Client;

use crate::job::PostgresSpec;
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::patterns::Patterns;
use crate::source::postgres::catalogue::server_objects;
use crate::source::postgres::connect::{Connector, server_version};
use crate::source::postgres::fault::{sqlstate, wrap};

/// Templates that every server has.
const OWN_TEMPLATES: [&str; 2] = ["template0", "template1"];

/// What a server holds of what a job wants.
#[derive(Debug, Default)]
pub struct Databases {
    /// Those that are read, in the order of their names.
    pub units: Vec<String>,
    /// Those that are left out on purpose.
    pub not_included: Vec<String>,
    /// Those that can't be read.
    pub lost: Vec<String>,
    /// Patterns that fit no database.
    pub patterns: Patterns,
    /// Number of the server's version.
    pub number: u32,
}

impl Databases {
    /// The patterns that matched nothing, once all was seen. What can't be read may be what they
    /// fit.
    pub fn idle(&self) -> Vec<String> {
        if self.lost.is_empty() { self.patterns.lines() } else { Vec::new() }
    }
}

/// A database as the server lists it.
struct Listed {
    name: String,
    template: bool,
    open: bool,
    /// Most connections; -2 where its DROP was interrupted.
    limit: i32,
}

/// Lists the databases that match.
pub fn databases(spec: &PostgresSpec, connector: &Connector) -> Result<Databases> {
    let doing = format!("list the databases of {}", connector.place());
    let named: Vec<String> = spec.databases.iter().filter_map(|g| g.literal()).collect();
    let mut client = entrance(connector, &named)?;
    let all = listed(&mut client, &doing)?;
    let there = all.iter().filter(|d| !d.template).map(|d| d.name.as_str());
    let there = format!("It has {}.", there.collect::<Vec<_>>().join(", "));
    if let Some(missing) = named.iter().find(|n| !all.iter().any(|d| !d.template && d.name == **n))
    {
        let found = format!("there is no database {missing}");
        return Err(Error::new(ErrorKind::Refused, doing, found).hint(there));
    }
    let wanted = |name: &str| {
        (spec.databases.is_empty() || spec.databases.iter().any(|g| g.matches(name)))
            && !spec.exclude.iter().any(|g| g.matches(name))
    };
    let number = server_version(&mut client, "ask for the version")?;
    let not_included = server_objects(&mut client)?;
    let mut patterns = Patterns::of(&[
        ("databases", &spec.databases),
        ("schemas", &spec.schemas),
        ("exclude", &spec.exclude),
        ("tables", &spec.tables),
    ]);
    all.iter().for_each(|d| patterns.see(&["databases", "exclude"], &d.name));
    let mut found = Databases { number, not_included, patterns, ..Databases::default() };
    for Listed { name, template, open, limit } in all.into_iter().filter(|d| wanted(&d.name)) {
        if template {
            if !OWN_TEMPLATES.contains(&name.as_str()) {
                found.not_included.push(format!("database {name}: it is a template"));
            }
        } else if limit == -2 {
            found.lost.push(format!(
                "database {name}: its DROP was interrupted, and it can only be dropped"
            ));
        } else if !open {
            found.lost.push(format!("database {name}: it takes no connections (datallowconn)"));
        } else {
            found.units.push(name);
        }
    }
    if found.units.is_empty() {
        let lost = found.lost.join("; ");
        let what = if lost.is_empty() { "no database matches".to_owned() } else { lost };
        return Err(Error::new(ErrorKind::Refused, doing, what).hint(there));
    }
    Ok(found)
}

/// A connection to ask for databases. A user who may reach one database only can still dump that
/// one.
fn entrance(connector: &Connector, named: &[String]) -> Result<Client> {
    match (connector.patient(connector.home(), "ask"), named.first()) {
        (Err(error), Some(first)) if error.kind != ErrorKind::Unreachable => {
            connector.patient(first, "ask").map_err(|_| error)
        }
        (client, _) => client,
    }
}

fn listed(client: &mut Client, doing: &str) -> Result<Vec<Listed>> {
    let sql = "SELECT datname::text, datistemplate, datallowconn, datconnlimit FROM pg_catalog.pg_database ORDER BY datname";
    let rows = client.query(sql, &[]).map_err(|e| wrap(doing, e))?;
    let listed = |row: &postgres::Row| Listed {
        name: row.get(0),
        template: row.get(1),
        open: row.get(2),
        limit: row.get(3),
    };
    Ok(rows.iter().map(listed).collect())
}

/// Why a database that is listed lets nobody in; nothing where the error is about the server, the
/// way, or too many connections.
pub fn shut(unit: &str, error: &Error) -> Option<String> {
    // Classes: appendix A of the PostgreSQL manual.
    let passing =
        |code: &str| ["08", "28P01", "40", "53", "57"].iter().any(|c| code.starts_with(c));
    let shut = matches!(error.kind, ErrorKind::Failed | ErrorKind::Denied)
        && sqlstate(error).is_some_and(|code| !passing(code));
    shut.then(|| format!("database {unit}: it can't be opened: {}", error.found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::postgres::fault::{Said, said};

    #[test]
    fn a_database_that_is_shut_is_told_from_a_server_that_is_busy_or_away() {
        let error = |code| said("ask", Said { code, message: "no", detail: None, hint: None });
        for code in ["3D000", "42501", "55000", "58P01", "P0001", "28000", "XX000"] {
            assert!(shut("d", &error(code)).is_some(), "{code}");
        }
        for code in ["53300", "57P03", "08006", "28P01", "55P03"] {
            assert_eq!(shut("d", &error(code)), None, "{code}");
        }
        assert_eq!(shut("d", &Error::new(ErrorKind::Failed, "ask", "no server said it")), None);
    }
}
