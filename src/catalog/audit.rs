//! The audit: who did what, when, to what, and what changed. Each row holds the digest of the one
//! before it, so that a row that is changed, removed or put between shows.
//!
//! Rows are only added. Invariant: no secret is in one.

use sha2::{Digest, Sha256};

use crate::catalog::error::CatalogError;
use crate::catalog::open::Catalog;
use crate::catalog::sought::Sought;
use crate::catalog::sql::{Sql, Upsert, values};
use crate::catalog::value::{Row, Value};

/// A row of the audit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditRow {
    /// Its number.
    pub number: i64,
    /// When.
    pub at: String,
    /// Who.
    pub who: String,
    /// From which address.
    pub peer: String,
    /// What was done: a key of the texts, `action-…`.
    pub action: String,
    /// To what.
    pub target: String,
    /// What it was before.
    pub before: String,
    /// What it is after.
    pub after: String,
}

/// The columns of an `AuditRow`.
const COLUMNS: &str = "number, at, who, peer, action, target, before_text, after_text";

fn entry(row: &Row) -> AuditRow {
    let text = |i: usize| row.text(i).to_owned();
    AuditRow {
        number: row.int(0),
        at: text(1),
        who: text(2),
        peer: text(3),
        action: text(4),
        target: text(5),
        before: text(6),
        after: text(7),
    }
}

impl AuditRow {
    /// The digest of the row after one with the digest `previous`: SHA-256 of their texts, each
    /// with its length before it.
    fn digest(&self, previous: &str) -> String {
        let mut hash = Sha256::new();
        let fields = [
            previous,
            &self.at,
            &self.who,
            &self.peer,
            &self.action,
            &self.target,
            &self.before,
            &self.after,
        ];
        for field in fields {
            hash.update((field.len() as u64).to_be_bytes());
            hash.update(field.as_bytes());
        }
        hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
    }
}

impl Catalog {
    /// Adds a row.
    pub fn note(&mut self, row: &AuditRow) -> Result<(), CatalogError> {
        self.transaction(|sql| append(sql, row))
    }

    /// Rows of which each of `words` is in who, address or target, or is the action or the day; newest first. And how
    /// many there are of them.
    pub fn audit(
        &mut self,
        words: &[Sought],
        (offset, limit): (u64, u64),
    ) -> Result<(Vec<AuditRow>, u64), CatalogError> {
        let mut filter = "WHERE 1 = 1".to_owned();
        let mut all = Vec::new();
        for word in words {
            let (condition, values) = word.condition(&["who", "target", "peer"], "action", "at");
            filter += &format!(" AND {condition}");
            all.extend(values);
        }
        let found = self.query(&format!("SELECT count(*) FROM audit {filter}"), &all)?;
        let total = found.first().map_or(0, |row| u64::try_from(row.int(0)).unwrap_or(0));
        all.extend([Value::from(limit), Value::from(offset)]);
        let sql =
            format!("SELECT {COLUMNS} FROM audit {filter} ORDER BY number DESC LIMIT ? OFFSET ?");
        Ok((self.query(&sql, &all)?.iter().map(entry).collect(), total))
    }

    /// The number of the first row that does not follow from the one before it; `None` where all
    /// do. `after` is the number up to which this was checked before, with its digest.
    pub fn check_audit(
        &mut self,
        after: Option<(i64, String)>,
    ) -> Result<Result<Option<(i64, String)>, i64>, CatalogError> {
        let (from, mut previous) = after.clone().unwrap_or((0, String::new()));
        if let Some((number, digest)) = &after {
            let sql = "SELECT digest FROM audit WHERE number = ?";
            let known = self.query(sql, values![*number])?;
            if known.first().is_none_or(|row| row.text(0) != digest) {
                return Ok(Err(*number));
            }
        }
        let sql = format!(
            "SELECT {COLUMNS}, previous, digest FROM audit WHERE number > ? ORDER BY number"
        );
        let mut last = after;
        for row in self.query(&sql, values![from])? {
            let known = entry(&row);
            if row.text(8) != previous || row.text(9) != known.digest(&previous) {
                return Ok(Err(known.number));
            }
            previous = row.text(9).to_owned();
            last = Some((known.number, previous.clone()));
        }
        Ok(Ok(last))
    }
}

/// Adds a row to the chain. A row of `meta` is written first: who adds at the same time waits for
/// it.
fn append(sql: &mut dyn Sql, row: &AuditRow) -> Result<(), CatalogError> {
    let lock = Upsert { table: "meta", keys: &["name"], first: &[], always: &["value_text"] };
    sql.execute(&sql.dialect().upsert(&lock), values!["audit", &row.at])?;
    let newest = "SELECT digest FROM audit ORDER BY number DESC LIMIT 1";
    let previous =
        sql.query(newest, &[])?.first().map(|r| r.text(0).to_owned()).unwrap_or_default();
    let digest = row.digest(&previous);
    let insert = "INSERT INTO audit (at, who, peer, action, target, before_text, after_text, previous, digest) \
                  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let all = values![
        &row.at,
        &row.who,
        &row.peer,
        &row.action,
        &row.target,
        &row.before,
        &row.after,
        &previous,
        &digest
    ];
    sql.execute(insert, all)?;
    Ok(())
}
