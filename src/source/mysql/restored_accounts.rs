//! Accounts on their way into a server: those that are there are kept unless they may be replaced,
//! and the one that restores is kept always.
//!
//! Does not know where scripts come from. MariaDB makes the one that restores an administrator of
//! every role it makes. A grant on a table that is not there is made all the same: it was there.

use std::collections::BTreeSet;
use std::sync::Mutex;

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::artifact::{Dialect, Kind, Member, Splitter};
use crate::source::contract::{Error, ErrorKind, Loading, Result};
use crate::source::mysql::account::{Account, EVERYBODY, list};
use crate::source::mysql::allowed::objection;
use crate::source::mysql::fault::{run, wrap};
use crate::source::mysql::flavor::{Family, Flavor};
use crate::source::mysql::schema::literal;
use crate::source::mysql::words::{Token, Words};

/// Whether a member is about an account.
pub fn is_about_account(member: &Member) -> bool {
    matches!(member.kind, Kind::Account | Kind::Grants)
}

/// Accounts of the target that a restore leaves alone.
#[derive(Default)]
pub struct RestoredAccounts {
    /// Guards the titles of what is kept.
    kept: Mutex<BTreeSet<String>>,
}

impl RestoredAccounts {
    /// Refuses accounts of the other family.
    pub fn judge(&self, loading: &Loading, flavor: &Flavor, place: &str) -> Result<()> {
        if !loading.members.iter().any(is_about_account)
            || Family::named(&loading.server) == flavor.family
        {
            return Ok(());
        }
        let found = format!(
            "accounts of {} mean nothing to {}: hashes, roles and privileges differ",
            loading.server, flavor.version
        );
        let error = Error::new(ErrorKind::Refused, format!("restore accounts into {place}"), found);
        Err(error.hint("Restore without --accounts, and make the users by hand."))
    }

    /// Removes what will be replaced, and remembers what is kept.
    pub fn prepare(&self, connection: &mut Conn, loading: &Loading, flavor: &Flavor) -> Result<()> {
        if !loading.members.iter().any(is_about_account) {
            return Ok(());
        }
        let doing = "ask the server who restores";
        let own: Option<String> =
            connection.query_first("SELECT CURRENT_USER()").map_err(|e| wrap(doing, e))?;
        // Without an answer the account that restores could be taken for one to replace.
        let own = own.ok_or_else(|| {
            Error::new(ErrorKind::Failed, doing, "the server answered with nothing")
        })?;
        let mut kept = self.kept.lock().expect("no panic while locked");
        for account in list(connection, flavor)? {
            let title = account.title();
            if !loading.members.iter().any(|m| is_about_account(m) && m.name == title) {
                continue;
            }
            // What everybody may do can't be dropped: it is added to, where everything else may be
            // replaced.
            if account.is_everybody() && loading.overwrite {
                continue;
            }
            let connected = !account.role && format!("{}@{}", account.user, account.host) == own;
            if connected || !loading.overwrite {
                kept.insert(title);
            } else {
                run(connection, &account.removal(), &format!("make room for {title}"))?;
            }
        }
        Ok(())
    }

    /// Runs the script of an account; one that is kept is left as it is.
    pub fn load(&self, connection: &mut Conn, member: &Member, bytes: &[u8]) -> Result<()> {
        if self.kept.lock().expect("no panic while locked").contains(&member.name) {
            return Ok(());
        }
        let doing = format!("restore {} {}", member.kind.word(), member.title());
        let mut left = Vec::new();
        for statement in Splitter::new(Dialect::Mysql, bytes) {
            let statement =
                statement.map_err(|e| Error::new(ErrorKind::Damaged, &doing, e.to_string()))?;
            let text = std::str::from_utf8(statement.text);
            let text = text.map_err(|e| Error::new(ErrorKind::Damaged, &doing, e.to_string()))?;
            if let Some(why) = objection(member, text, &|_| false) {
                // Its text may hold a hash.
                left.push(format!("vex does not run it, {why}"));
                continue;
            }
            // Not asked of the server, which would keep the hash in its log.
            if Words::new(text)
                .any(|t| matches!(t, Token::Mark(';') | Token::Code(_) | Token::Line))
            {
                left.push("it is not one statement".into());
                continue;
            }
            match execute(connection, text) {
                Ok(()) => {}
                Err(mysql::Error::MySqlError(e)) => left.push(told(&e)),
                Err(error) => return Err(wrap(&doing, error)),
            }
        }
        // Every other grant was made; these are named together.
        if left.is_empty() {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::Failed, doing, left.join("; ")))
        }
    }

    /// The titles of the accounts that are there.
    pub fn present(&self, connection: &mut Conn, flavor: &Flavor) -> Result<Vec<String>> {
        Ok(list(connection, flavor)?
            .iter()
            .map(Account::title)
            .chain([literal(EVERYBODY)])
            .collect())
    }
}

/// What the server said; its complaint about syntax would repeat a hash.
fn told(error: &mysql::MySqlError) -> String {
    match error.code {
        1064 => "the server does not understand it (error 1064)".into(),
        code => format!("{} (error {code})", error.message),
    }
}

/// A grant on a table that is gone is taken only together with the right to make the table.
fn execute(connection: &mut Conn, text: &str) -> std::result::Result<(), mysql::Error> {
    match (connection.query_drop(text), around_missing(text)) {
        (Err(mysql::Error::MySqlError(e)), Some([grant, revoke])) if e.code == 1146 => {
            connection.query_drop(grant)?;
            connection.query_drop(revoke)
        }
        (result, _) => result,
    }
}

/// `GRANT a ON t TO x` as a grant of `a` and CREATE, and the CREATE taken back.
fn around_missing(text: &str) -> Option<[String; 2]> {
    let rest = text.strip_prefix("GRANT ")?;
    let (names, rest) = rest.split_once(" ON ")?;
    let plain = names.chars().all(|c| c.is_ascii_uppercase() || matches!(c, ' ' | ','));
    if !plain || names.split(", ").any(|n| matches!(n, "CREATE" | "ALL PRIVILEGES")) {
        return None;
    }
    let grant = format!("GRANT {names}, CREATE ON {rest}");
    let revoke = format!(
        "REVOKE CREATE ON {}",
        rest.replacen("` TO ", "` FROM ", 1).trim_end_matches(" WITH GRANT OPTION")
    );
    Some([grant, revoke])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_on_a_missing_table_goes_around() {
        let pair =
            around_missing("GRANT SELECT, INSERT ON `d`.`gone` TO `a@b`@`%` WITH GRANT OPTION")
                .expect("a way");
        assert_eq!(
            pair[0],
            "GRANT SELECT, INSERT, CREATE ON `d`.`gone` TO `a@b`@`%` WITH GRANT OPTION"
        );
        assert_eq!(pair[1], "REVOKE CREATE ON `d`.`gone` FROM `a@b`@`%`");
        for none in [
            "GRANT CREATE ON `d`.`t` TO `a`",
            "GRANT SELECT (`a`) ON `d`.`t` TO `a`",
            "SET x=1",
            "GRANT `r` TO `a`",
        ] {
            assert_eq!(around_missing(none), None);
        }
    }
}
