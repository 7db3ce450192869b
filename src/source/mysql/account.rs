//! Users and roles as scripts in the server's own words: who they are first, what they may do when
//! all else is there.
//!
//! Does not know databases. Hashes of passwords are secrets: they are in the scripts only, never in
//! a message. Accounts of the server itself are left out. What one server says of an account means
//! nothing to the other family.

use mysql::prelude::Queryable;
use mysql::{Conn, Row};

use crate::artifact::{Kind, Member, Phase};
use crate::base::Stop;
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::mysql::fault::{run, wrap};
use crate::source::mysql::flavor::{Family, Flavor};
use crate::source::mysql::object::Script;
use crate::source::mysql::schema::{literal, quoted};

/// Accounts that the server makes for itself.
const SYSTEM: [&str; 4] = ["mysql.sys", "mysql.session", "mysql.infoschema", "mariadb.sys"];

/// The role that everybody has (MariaDB).
pub const EVERYBODY: &str = "PUBLIC";

/// What the script of an account begins with.
const PROLOGUE: &str = "SET NAMES utf8mb4;\nSET sql_mode='';\n";

/// A user or a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub user: String,
    /// Its host; empty for a role of MariaDB.
    pub host: String,
    /// Whether it is a role.
    pub role: bool,
}

impl Account {
    /// Its name in a statement, which is the name of its members too: `'vex'@'%'`.
    pub fn title(&self) -> String {
        match (self.role, self.host.is_empty()) {
            // MariaDB's roles have no host; its nameless user has one.
            (true, true) => literal(&self.user),
            _ => format!("{}@{}", literal(&self.user), literal(&self.host)),
        }
    }

    /// As SHOW CREATE and SHOW GRANTS write it.
    fn shown(&self) -> String {
        match (self.role, self.host.is_empty()) {
            (true, true) if self.user == EVERYBODY => EVERYBODY.into(),
            (true, true) => quoted(&self.user),
            _ => format!("{}@{}", quoted(&self.user), quoted(&self.host)),
        }
    }

    fn in_statement(&self) -> String {
        if self.is_everybody() { EVERYBODY.into() } else { self.title() }
    }

    /// Whether it is the role of all.
    pub fn is_everybody(&self) -> bool {
        self.role && self.host.is_empty() && self.user == EVERYBODY
    }

    /// The statement that removes it.
    pub fn removal(&self) -> String {
        match (self.role, self.host.is_empty()) {
            (true, true) => format!("DROP ROLE {}", self.title()),
            _ => format!("DROP USER {}", self.title()),
        }
    }
}

/// All accounts of a server but its own, roles first.
pub fn list(connection: &mut Conn, flavor: &Flavor) -> Result<Vec<Account>> {
    let doing = "list the users";
    let sql = match flavor.family {
        Family::Mariadb => "SELECT user, host, is_role='Y' FROM mysql.user",
        // Any account may be given to another; those that were are made first.
        Family::Mysql if flavor.number >= (8, 0) => {
            "SELECT user, host, EXISTS (SELECT 1 FROM mysql.role_edges e WHERE e.FROM_USER=u.user AND e.FROM_HOST=u.host) OR \
             EXISTS (SELECT 1 FROM mysql.default_roles d WHERE d.DEFAULT_ROLE_USER=u.user AND d.DEFAULT_ROLE_HOST=u.host) \
             FROM mysql.user u"
        }
        Family::Mysql => "SELECT user, host, 0 FROM mysql.user",
    };
    let rows: Vec<(String, String, bool)> =
        connection.query(sql).map_err(|e| denied(wrap(doing, e)))?;
    let own = rows.into_iter().filter(|(user, ..)| !SYSTEM.contains(&user.as_str()));
    let mut accounts: Vec<Account> =
        own.map(|(user, host, role)| Account { user, host, role }).collect();
    accounts.sort_by(|a, b| (!a.role, &a.user, &a.host).cmp(&(!b.role, &b.user, &b.host)));
    Ok(accounts)
}

/// What to do where accounts may not be read.
fn denied(error: Error) -> Error {
    match error.kind {
        ErrorKind::Denied => error.hint(
            "`accounts` needs GRANT SELECT ON `mysql`.*; `vex doctor` prints the statement. Or leave `accounts` out.",
        ),
        _ => error,
    }
}

/// The scripts of all accounts: what makes them, then what they may do.
#[derive(Debug, Default)]
pub struct Accounts {
    /// The scripts, in restore order.
    pub scripts: Vec<Script>,
    /// Accounts that are listed and that the server itself can't use.
    pub not_included: Vec<String>,
}

/// Reads all accounts.
pub fn read(connection: &mut Conn, flavor: &Flavor, stop: &Stop) -> Result<Accounts> {
    if flavor.family == Family::Mysql && flavor.number >= (8, 0) {
        run(
            connection,
            "SET SESSION print_identified_with_as_hex=1",
            "ask for hashes in hexadecimal",
        )?;
    }
    let (mut found, mut grants) = (Accounts::default(), Vec::new());
    for account in list(connection, flavor)? {
        stop.check()?;
        let Some((maker, default)) = creation(connection, flavor, &account)? else {
            let text = format!(
                "account {}: the server lists it and does not know it (skip_name_resolve)",
                account.title()
            );
            found.not_included.push(text);
            continue;
        };
        let mut statements = granted(connection, &account)?;
        statements.extend(default);
        let script = |kind, lines: &[String]| Script {
            member: Member::new("", &account.title(), kind, Phase::After),
            text: format!(
                "{PROLOGUE}{}",
                lines.iter().map(|l| format!("{l};\n")).collect::<String>()
            )
            .into_bytes(),
        };
        found.scripts.extend(maker.map(|maker| script(Kind::Account, &[maker])));
        grants.push(script(Kind::Grants, &statements));
    }
    found.scripts.extend(grants);
    Ok(found)
}

/// What makes an account, and what sets its default roles, which must exist before they can be
/// named.
type Creation = (Option<String>, Option<String>);

/// The creation of an account; `None` where the server does not know what it lists.
fn creation(connection: &mut Conn, flavor: &Flavor, account: &Account) -> Result<Option<Creation>> {
    if account.is_everybody() {
        return Ok(Some((None, None)));
    }
    if flavor.family == Family::Mariadb && account.role {
        return Ok(Some((Some(format!("CREATE ROLE IF NOT EXISTS {}", account.title())), None)));
    }
    let doing = format!("read user {}", account.title());
    let shown: Option<String> =
        match connection.query_first(format!("SHOW CREATE USER {}", account.title())) {
            Ok(shown) => shown,
            // MariaDB without name resolution keeps accounts of host names, and knows none of them.
            Err(mysql::Error::MySqlError(e)) if e.code == 1133 => return Ok(None),
            Err(error) => return Err(denied(wrap(&doing, error))),
        };
    let text = shown
        .as_deref()
        .and_then(|t| t.strip_prefix("CREATE USER "))
        .ok_or_else(|| Error::new(ErrorKind::Failed, &doing, "the server shows no CREATE USER"))?;
    let (rest, roles) = without_default_role(text);
    let default = roles.map(|roles| format!("SET DEFAULT ROLE {roles} TO {}", account.title()));
    Ok(Some((Some(format!("CREATE USER IF NOT EXISTS {rest}")), default)))
}

/// Cuts `DEFAULT ROLE …` out of what follows CREATE USER; the server writes REQUIRE behind it.
fn without_default_role(text: &str) -> (String, Option<String>) {
    let outside = |word: &str, from: usize| {
        let mut quote = None;
        let mut escaped = false;
        text.char_indices().find_map(|(at, c)| {
            match quote {
                Some(_) if escaped => escaped = false,
                Some('\'') if c == '\\' => escaped = true,
                Some(q) if c == q => quote = None,
                Some(_) => {}
                None if matches!(c, '\'' | '`' | '"') => quote = Some(c),
                None if at >= from && text[at..].starts_with(word) => return Some(at),
                None => {}
            }
            None
        })
    };
    let Some(start) = outside(" DEFAULT ROLE ", 0) else { return (text.to_owned(), None) };
    let end = outside(" REQUIRE ", start).unwrap_or(text.len());
    let roles = text[start + " DEFAULT ROLE ".len()..end].to_owned();
    (format!("{}{}", &text[..start], &text[end..]), Some(roles))
}

/// The grants of an account, in the server's words; those of its roles are theirs.
fn granted(connection: &mut Conn, account: &Account) -> Result<Vec<String>> {
    let doing = format!("read the grants of {}", account.title());
    let rows: Vec<Row> = connection
        .query(format!("SHOW GRANTS FOR {}", account.in_statement()))
        .map_err(|e| denied(wrap(&doing, e)))?;
    let lines: Vec<String> = rows.iter().filter_map(|row| row.get_opt(0)?.ok()).collect();
    let own = |line: &String| {
        [" TO ", " FROM ", " FOR "]
            .iter()
            .any(|word| line.contains(&format!("{word}{}", account.shown())))
    };
    Ok(lines.into_iter().filter(own).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_role_is_cut_out_wherever_words_of_the_same_kind_stand() {
        for (text, rest, roles) in [
            ("`a`@`%` REQUIRE NONE", "`a`@`%` REQUIRE NONE", None),
            (
                "`a`@`%` DEFAULT ROLE `r`@`%`,`s`@`%` REQUIRE NONE",
                "`a`@`%` REQUIRE NONE",
                Some("`r`@`%`,`s`@`%`"),
            ),
            (
                "`x DEFAULT ROLE y`@`%` IDENTIFIED WITH 'p' AS 'it\\' REQUIRE ' DEFAULT ROLE ` REQUIRE `@`%` REQUIRE SSL",
                "`x DEFAULT ROLE y`@`%` IDENTIFIED WITH 'p' AS 'it\\' REQUIRE ' REQUIRE SSL",
                Some("` REQUIRE `@`%`"),
            ),
        ] {
            assert_eq!(without_default_role(text), (rest.to_owned(), roles.map(str::to_owned)));
        }
    }
}
