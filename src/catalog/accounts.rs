//! Accounts, their privileges and their sessions.
//!
//! Knows no password, only hashes of one, and no token, only hashes of one. Invariants: an account
//! has one privilege; the last administrator is neither removed nor made less, whoever asks at the
//! same time; what is removed has no session left.

use crate::catalog::error::CatalogError;
use crate::catalog::open::Catalog;
use crate::catalog::sql::{Sql, values};
use crate::catalog::value::{Row, Value};

/// The privilege of administrators.
pub const ADMINISTRATOR: &str = "Administrador";

/// The privilege of those who look.
pub const CLIENT: &str = "Cliente";

/// An account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub id: i64,
    /// The name of the person.
    pub name: String,
    /// What it signs in with.
    pub login: String,
    /// The hash of its password, as a PHC string.
    pub password: String,
    /// Its privilege.
    pub privilege: String,
    /// When it was made.
    pub created: String,
    /// When it last signed in.
    pub last_seen: Option<String>,
}

impl Account {
    /// Whether it is an administrator.
    pub fn is_admin(&self) -> bool {
        self.privilege == ADMINISTRATOR
    }
}

/// Who asks for a change, for the audit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Session {
    /// The account.
    pub account: Account,
    /// The token of its forms.
    pub csrf: String,
    /// When it began.
    pub created: String,
    /// When it was last used.
    pub seen: String,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// It was made.
    Done,
    /// The login is another account's.
    Taken,
    /// It would leave no administrator.
    LastAdmin,
    /// There is no such account, or no such privilege.
    Missing,
}

/// The columns of an account, of `account` called `a` with its `privilege` called `p`.
const ACCOUNT: &str =
    "a.id, a.name, a.login, a.password, coalesce(p.name, ''), a.created, a.last_seen";

/// Where those come from.
const FROM: &str = "FROM account a LEFT JOIN account_privilege ap ON ap.account = a.id \
                    LEFT JOIN privilege p ON p.id = ap.privilege";

fn account(row: &Row) -> Account {
    Account {
        id: row.int(0),
        name: row.text(1).to_owned(),
        login: row.text(2).to_owned(),
        password: row.text(3).to_owned(),
        privilege: row.text(4).to_owned(),
        created: row.text(5).to_owned(),
        last_seen: row.opt_text(6).map(str::to_owned),
    }
}

impl Catalog {
    /// The account that signs in with `login`.
    pub fn account_named(&mut self, login: &str) -> Result<Option<Account>, CatalogError> {
        let sql = format!("SELECT {ACCOUNT} {FROM} WHERE a.login = ?");
        Ok(self.query(&sql, values![login])?.first().map(account))
    }

    /// The account of a number.
    pub fn account(&mut self, id: i64) -> Result<Option<Account>, CatalogError> {
        let sql = format!("SELECT {ACCOUNT} {FROM} WHERE a.id = ?");
        Ok(self.query(&sql, values![id])?.first().map(account))
    }

    /// All accounts, the one that was seen last first.
    pub fn accounts(&mut self) -> Result<Vec<Account>, CatalogError> {
        let sql = format!(
            "SELECT {ACCOUNT} {FROM} ORDER BY coalesce(a.last_seen, '') DESC, a.created DESC, a.id DESC"
        );
        Ok(self.query(&sql, &[])?.iter().map(account).collect())
    }

    /// Names of the privileges that accounts can have.
    pub fn privileges(&mut self) -> Result<Vec<String>, CatalogError> {
        let rows = self.query("SELECT name FROM privilege ORDER BY id", &[])?;
        Ok(rows.iter().map(|row| row.text(0).to_owned()).collect())
    }

    /// Makes an account.
    pub fn add_account(&mut self, new: &Account) -> Result<Changed, CatalogError> {
        self.transaction(|sql| {
            let Some(privilege) = privilege(sql, &new.privilege)? else {
                return Ok(Changed::Missing);
            };
            if !sql.query("SELECT id FROM account WHERE login = ?", values![&new.login])?.is_empty()
            {
                return Ok(Changed::Taken);
            }
            let insert = "INSERT INTO account (name, login, password, created, language) VALUES (?, ?, ?, ?, '')";
            sql.execute(insert, values![&new.name, &new.login, &new.password, &new.created])?;
            let found = sql.query("SELECT id FROM account WHERE login = ?", values![&new.login])?;
            let id = found.first().map_or(0, |row| row.int(0));
            grant(sql, id, privilege, &new.created)?;
            Ok(Changed::Done)
        })
    }

    /// Changes name, login, privilege and, where one is given, password of the account of that
    /// number. A change of login, privilege or password ends its sessions but the one of `keep`.
    pub fn change_account(
        &mut self,
        new: &Account,
        keep: &str,
        at: &str,
    ) -> Result<Changed, CatalogError> {
        self.transaction(|sql| {
            let known = format!("SELECT {ACCOUNT} {FROM} WHERE a.id = ?");
            let Some(old) = sql.query(&known, values![new.id])?.first().map(account) else {
                return Ok(Changed::Missing);
            };
            let Some(privilege) = privilege(sql, &new.privilege)? else {
                return Ok(Changed::Missing);
            };
            let other = "SELECT id FROM account WHERE login = ? AND id <> ?";
            if !sql.query(other, values![&new.login, new.id])?.is_empty() {
                return Ok(Changed::Taken);
            }
            if old.is_admin() && new.privilege != ADMINISTRATOR && admins(sql)? <= 1 {
                return Ok(Changed::LastAdmin);
            }
            let password = if new.password.is_empty() { &old.password } else { &new.password };
            let update = "UPDATE account SET name = ?, login = ?, password = ? WHERE id = ?";
            sql.execute(update, values![&new.name, &new.login, password, new.id])?;
            grant(sql, new.id, privilege, at)?;
            let same = old.login == new.login && old.privilege == new.privilege;
            if !same || !new.password.is_empty() {
                let end = "DELETE FROM session WHERE account = ? AND token_hash <> ?";
                sql.execute(end, values![new.id, keep])?;
            }
            Ok(Changed::Done)
        })
    }

    /// Removes an account with its sessions.
    pub fn remove_account(&mut self, id: i64) -> Result<Changed, CatalogError> {
        self.transaction(|sql| {
            let known = format!("SELECT {ACCOUNT} {FROM} WHERE a.id = ?");
            let Some(old) = sql.query(&known, values![id])?.first().map(account) else {
                return Ok(Changed::Missing);
            };
            if old.is_admin() && admins(sql)? <= 1 {
                return Ok(Changed::LastAdmin);
            }
            for table in ["session", "account_privilege"] {
                sql.execute(&format!("DELETE FROM {table} WHERE account = ?"), values![id])?;
            }
            sql.execute("DELETE FROM account WHERE id = ?", values![id])?;
            Ok(Changed::Done)
        })
    }

    /// Begins a session and notes that its account was seen.
    pub fn begin_session(
        &mut self,
        token_hash: &str,
        session: &Session,
        peer: &str,
    ) -> Result<(), CatalogError> {
        self.transaction(|sql| {
            let insert = "INSERT INTO session (token_hash, account, csrf, created, seen, peer) VALUES (?, ?, ?, ?, ?, ?)";
            let (id, at) = (session.account.id, &session.created);
            sql.execute(insert, values![token_hash, id, &session.csrf, at, at, peer])?;
            sql.execute("UPDATE account SET last_seen = ? WHERE id = ?", values![at, id])?;
            Ok(())
        })
    }

    /// The session of a token's hash.
    pub fn session(&mut self, token_hash: &str) -> Result<Option<Session>, CatalogError> {
        let sql = format!(
            "SELECT {ACCOUNT}, s.csrf, s.created, s.seen {FROM} JOIN session s ON s.account = a.id WHERE s.token_hash = ?"
        );
        let session = |row: &Row| Session {
            account: account(row),
            csrf: row.text(7).to_owned(),
            created: row.text(8).to_owned(),
            seen: row.text(9).to_owned(),
        };
        Ok(self.query(&sql, values![token_hash])?.first().map(session))
    }

    /// Notes that a session is used.
    pub fn see_session(&mut self, token_hash: &str, at: &str) -> Result<(), CatalogError> {
        self.write("UPDATE session SET seen = ? WHERE token_hash = ?", values![at, token_hash])
    }

    /// Ends a session.
    pub fn end_session(&mut self, token_hash: &str) -> Result<(), CatalogError> {
        self.write("DELETE FROM session WHERE token_hash = ?", values![token_hash])
    }

    /// Ends sessions that were begun, or last used, before these moments.
    pub fn end_old_sessions(&mut self, created: &str, seen: &str) -> Result<(), CatalogError> {
        let sql = "DELETE FROM session WHERE created < ? OR seen < ?";
        self.write(sql, values![created, seen])
    }
}

fn privilege(sql: &mut dyn Sql, name: &str) -> Result<Option<i64>, CatalogError> {
    let rows = sql.query("SELECT id FROM privilege WHERE name = ?", values![name])?;
    Ok(rows.first().map(|row| row.int(0)))
}

fn grant(sql: &mut dyn Sql, id: i64, privilege: i64, at: &str) -> Result<(), CatalogError> {
    sql.execute("DELETE FROM account_privilege WHERE account = ?", values![id])?;
    let insert = "INSERT INTO account_privilege (account, privilege, created) VALUES (?, ?, ?)";
    sql.execute(insert, values![id, privilege, at]).map(drop)
}

/// How many administrators there are. Their rows are locked until the transaction ends, so that two
/// who remove each other do not both go.
fn admins(sql: &mut dyn Sql) -> Result<usize, CatalogError> {
    // Written to themselves: every dialect locks the rows that it writes.
    let lock = "UPDATE account_privilege SET privilege = privilege WHERE privilege IN (SELECT id FROM privilege WHERE name = ?)";
    sql.execute(lock, &[Value::from(ADMINISTRATOR)])?;
    let count = "SELECT count(*) FROM account_privilege ap JOIN privilege p ON p.id = ap.privilege WHERE p.name = ?";
    let rows = sql.query(count, &[Value::from(ADMINISTRATOR)])?;
    Ok(rows.first().map_or(0, |row| usize::try_from(row.int(0)).unwrap_or(0)))
}
