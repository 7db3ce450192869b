//! What the connected account may do, as the server itself lists it, and the statement that would
//! allow more.
//!
//! Knows no purpose: `doctor.rs` says what is needed. Reads SHOW GRANTS, roles included; the text
//! of a grant may hold a hash of a password, so no line of it is ever repeated.

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::source::contract::Result;
use crate::source::mysql::fault::wrap;
use crate::source::mysql::flavor::{Family, Flavor};
use crate::source::mysql::schema::{literal, quoted};

/// What a privilege is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// `*.*`.
    Global,
    /// A database; in a grant, a pattern.
    Database(String),
    /// A table or a view.
    Table(String, String),
}

/// One line of SHOW GRANTS.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Grant {
    revoked: bool,
    names: Vec<String>,
    scope: Scope,
}

/// What an account may do.
#[derive(Debug, Clone)]
pub struct Privileges {
    user: String,
    host: String,
    /// Whether `_` and `%` in the name of a database are themselves (MySQL with partial revokes).
    exact: bool,
    grants: Vec<Grant>,
}

impl Privileges {
    /// Asks the server for those of the connected account, with the roles that are active.
    pub fn of(connection: &mut Conn, flavor: &Flavor) -> Result<Privileges> {
        let fail = |e| wrap("ask the server what the user may do", e);
        let account: String =
            connection.query_first("SELECT CURRENT_USER()").map_err(fail)?.unwrap_or_default();
        let (user, host) = account.rsplit_once('@').unwrap_or((&account, "%"));
        let (mut sql, mut exact) = ("SHOW GRANTS".to_owned(), false);
        if flavor.family == Family::Mysql && flavor.number >= (8, 0) {
            let roles: Option<String> =
                connection.query_first("SELECT CURRENT_ROLE()").map_err(fail)?;
            if let Some(roles) = roles.filter(|r| r != "NONE") {
                sql = format!("SHOW GRANTS FOR CURRENT_USER() USING {roles}");
            }
            // Unknown before 8.0.16.
            exact =
                connection.query_first("SELECT @@partial_revokes").ok().flatten().unwrap_or(0_u8)
                    == 1;
        }
        let lines: Vec<String> = connection.query(sql).map_err(fail)?;
        let grants = lines.iter().filter_map(|line| parse(line)).collect();
        Ok(Privileges { user: user.to_owned(), host: host.to_owned(), exact, grants })
    }

    /// The account as the server knows it, quoted: `'vex'@'%'`.
    pub fn account(&self) -> String {
        format!("{}@{}", literal(&self.user), literal(&self.host))
    }

    /// Whether any of these privileges is held in all of `scope`.
    pub fn has(&self, any: &[&str], scope: &Scope) -> bool {
        let names =
            |g: &&Grant| g.names.iter().any(|n| n == "ALL PRIVILEGES" || any.contains(&n.as_str()));
        let holds = |g: &Grant| match (&g.scope, scope) {
            (Scope::Global, _) => true,
            (Scope::Database(pattern), Scope::Database(name) | Scope::Table(name, _)) => {
                self.matches(pattern, name)
            }
            (Scope::Table(..), Scope::Table(..)) => g.scope == *scope,
            _ => false,
        };
        let revoked = |g: &Grant| match (&g.scope, scope) {
            (Scope::Database(revoked), Scope::Database(name) | Scope::Table(name, _)) => {
                revoked == name
            }
            _ => false,
        };
        let own =
            |taken: bool| self.grants.iter().filter(move |g| g.revoked == taken).filter(names);
        own(false).any(|g| holds(g) && (g.scope != Scope::Global || !own(true).any(revoked)))
    }

    /// The statement that grants a privilege.
    pub fn statement(&self, name: &str, scope: &Scope) -> String {
        let on = match scope {
            Scope::Global => "*.*".to_owned(),
            Scope::Database(database) if self.exact => format!("{}.*", quoted(database)),
            Scope::Database(database) => {
                format!("{}.*", quoted(&database.replace('_', "\\_").replace('%', "\\%")))
            }
            Scope::Table(database, table) => format!("{}.{}", quoted(database), quoted(table)),
        };
        format!("GRANT {name} ON {on} TO {};", self.account())
    }

    fn matches(&self, pattern: &str, name: &str) -> bool {
        pattern == name || (!self.exact && like(pattern.as_bytes(), name.as_bytes()))
    }
}

/// Whether `name` is LIKE `pattern`.
fn like(pattern: &[u8], name: &[u8]) -> bool {
    match pattern {
        [] => name.is_empty(),
        [b'\\', c @ (b'_' | b'%' | b'\\'), rest @ ..] => {
            name.first() == Some(c) && like(rest, &name[1..])
        }
        [b'%', rest @ ..] => (0..=name.len()).any(|n| like(rest, &name[n..])),
        [b'_', rest @ ..] => !name.is_empty() && like(rest, &name[1..]),
        [c, rest @ ..] => name.first() == Some(c) && like(rest, &name[1..]),
    }
}

/// Reads `GRANT a, b ON scope TO …`; `None` for a role, a proxy, a routine, and what names columns
/// only.
fn parse(line: &str) -> Option<Grant> {
    let (revoked, rest) = match line.strip_prefix("REVOKE ") {
        Some(rest) => (true, rest),
        None => (false, line.strip_prefix("GRANT ")?),
    };
    let (mut names, mut name) = (Vec::new(), String::new());
    let (mut depth, mut inside) = (0_u32, false);
    let mut scope = None;
    for (at, c) in rest.char_indices() {
        match c {
            '`' => inside = !inside,
            _ if inside => {}
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => names.push(std::mem::take(&mut name)),
            ' ' if depth == 0 && rest[at..].starts_with(" ON ") => {
                scope = Some(&rest[at + 4..]);
                break;
            }
            _ => {}
        }
        if !(c == ',' && depth == 0 && !inside) {
            name.push(c);
        }
    }
    names.push(name);
    // A privilege on columns is none on the table.
    let names: Vec<String> =
        names.iter().map(|n| n.trim().to_owned()).filter(|n| !n.contains('(')).collect();
    let scope = scope?;
    if scope.starts_with("*.*") {
        return Some(Grant { revoked, names, scope: Scope::Global });
    }
    let (database, rest) = name_at(scope)?;
    let rest = rest.strip_prefix('.')?;
    let scope = match rest.starts_with('*') {
        true => Scope::Database(database),
        false => Scope::Table(database, name_at(rest)?.0),
    };
    Some(Grant { revoked, names, scope })
}

/// A name in backticks at the beginning, and what follows it.
fn name_at(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('`')?;
    let mut name = String::new();
    loop {
        let end = rest.find('`')?;
        name.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('`') {
            Some(more) => {
                name.push('`');
                rest = more;
            }
            None => return Some((name, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(lines: &[&str], exact: bool) -> Privileges {
        let grants = lines.iter().filter_map(|l| parse(l)).collect();
        Privileges { user: "v'x".into(), host: "%".into(), exact, grants }
    }

    #[test]
    fn grants_are_read_as_the_server_means_them() {
        let on = |name: &str| Scope::Database(name.into());
        let of = |table: &str| Scope::Table("mysql".into(), table.into());
        let table: [(&[&str], &str, Scope, bool); 14] = [
            (&["GRANT SELECT, RELOAD ON *.* TO `v`@`%`"], "RELOAD", Scope::Global, true),
            (&["GRANT SELECT, RELOAD ON *.* TO `v`@`%`"], "SELECT", on("shop"), true),
            (&["GRANT SELECT ON `shop`.* TO `v`@`%`"], "SELECT", Scope::Global, false),
            (&["GRANT SELECT ON `shop`.* TO `v`@`%`"], "SELECT", on("shop"), true),
            (&["GRANT SELECT ON `sh\\_op`.* TO `v`@`%`"], "SELECT", on("sh_op"), true),
            (&["GRANT SELECT ON `sh\\_op`.* TO `v`@`%`"], "SELECT", on("shxop"), false),
            (&["GRANT SELECT ON `sh%`.* TO `v`@`%`"], "SELECT", on("shop"), true),
            (
                &["GRANT SELECT (`a ON b`), INSERT ON `shop`.`t` TO `v`@`%`"],
                "SELECT",
                on("shop"),
                false,
            ),
            (
                &["GRANT ALL PRIVILEGES ON *.* TO `v`@`%` IDENTIFIED BY PASSWORD 'x'"],
                "EVENT",
                on("shop"),
                true,
            ),
            (
                &["GRANT SELECT ON *.* TO `v`@`%`", "REVOKE SELECT ON `hr`.* FROM `v`@`%`"],
                "SELECT",
                on("hr"),
                false,
            ),
            (
                &["GRANT SELECT ON *.* TO `v`@`%`", "REVOKE SELECT ON `hr`.* FROM `v`@`%`"],
                "SELECT",
                on("shop"),
                true,
            ),
            (&["GRANT `SELECT`@`%` TO `v`@`%`"], "SELECT", Scope::Global, false),
            (&["GRANT SELECT ON `mysql`.`proc` TO `v`@`%`"], "SELECT", of("proc"), true),
            (&["GRANT EXECUTE ON PROCEDURE `mysql`.`p` TO `v`@`%`"], "EXECUTE", on("mysql"), false),
        ];
        for (lines, name, scope, expected) in table {
            assert_eq!(
                held(lines, false).has(&[name], &scope),
                expected,
                "{lines:?} {name} {scope:?}"
            );
        }
        assert!(!held(&["GRANT SELECT ON `sh%`.* TO `v`@`%`"], true).has(&["SELECT"], &on("shop")));
    }

    #[test]
    fn a_statement_quotes_what_it_names() {
        let none = held(&[], false);
        assert_eq!(none.statement("RELOAD", &Scope::Global), "GRANT RELOAD ON *.* TO 'v\\'x'@'%';");
        assert_eq!(
            none.statement("SELECT", &Scope::Database("a_`b".into())),
            "GRANT SELECT ON `a\\_``b`.* TO 'v\\'x'@'%';"
        );
    }
}
