//! Lists: backups and runs, sorted and cut into pages; and what a search of backups compares.
//!
//! Backups are not searched here: only a reader knows zone and language of the text that is shown.

use std::collections::BTreeMap;

use crate::catalog::error::CatalogError;
use crate::catalog::open::Catalog;
use crate::catalog::pages::one::{ListedRun, RUN, run};
use crate::catalog::pages::row::{BACKUP, ListedBackup, backup};
use crate::catalog::sought::Sought;
use crate::catalog::value::Value;

/// Backups that are asked for by their numbers in one statement.
const AT_ONCE: usize = 500;

/// The columns of a `ListedBackup`, without those that a search does not compare.
const SOUGHT: &str = "b.number, '', '', '', '', '', b.host, '', '', '', b.raw_bytes, 0, b.started, b.finished, b.verdict, \
     '', b.upload";

/// Backups that ended.
const ENDED: &str = "FROM backup b WHERE b.verdict IS NOT NULL AND b.finished IS NOT NULL";

/// How many backups there are, of each verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Sucesso.
    pub success: u64,
    /// Alerta.
    pub alert: u64,
    /// Erro.
    pub error: u64,
}

impl Totals {
    /// All of them.
    pub fn all(&self) -> u64 {
        self.success + self.alert + self.error
    }

    /// Those of a verdict; all of them without one.
    pub fn of(&self, verdict: Option<u8>) -> u64 {
        match verdict {
            Some(1) => self.success,
            Some(2) => self.alert,
            Some(_) => self.error,
            None => self.all(),
        }
    }

    /// Counts some more of a verdict.
    pub fn add(&mut self, verdict: i64, n: u64) {
        match verdict {
            1 => self.success += n,
            2 => self.alert += n,
            _ => self.error += n,
        }
    }
}

/// What a list is sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// The host.
    Host,
    /// The verdict.
    Verdict,
    /// Bytes before compression.
    Size,
    /// When it began.
    #[default]
    Started,
    /// When it ended.
    Finished,
    /// The verdict of its copies.
    Upload,
}

impl Order {
    /// What it is sorted by, `{}` for a direction; each is a prefix of an index, but the last.
    fn column(self) -> &'static str {
        match self {
            Order::Host => "b.host",
            Order::Verdict => "b.verdict {}, b.started",
            Order::Size => "b.raw_bytes",
            Order::Started => "b.started",
            Order::Finished => "b.finished",
            Order::Upload => "coalesce(b.upload, 0)",
        }
    }
}

/// Which backups of the list.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// The verdict.
    pub verdict: Option<u8>,
    /// What it is sorted by.
    pub order: Order,
    /// Whether the smallest comes first.
    pub ascending: bool,
    /// How many to pass over.
    pub offset: u64,
    /// How many to take at most.
    pub limit: u64,
}

/// Which runs of the list, newest first.
#[derive(Debug, Clone, Default)]
pub struct RunsQuery {
    /// Words, each of which job, host or ID must hold, or which is the verdict or the day.
    pub words: Vec<Sought>,
    /// How many to pass over.
    pub offset: u64,
    /// How many to take at most.
    pub limit: u64,
}

impl Catalog {
    /// Backups that ended. The page is cut in the index; only its own rows are read.
    pub fn list(&mut self, query: &ListQuery) -> Result<Vec<ListedBackup>, CatalogError> {
        let (filter, mut values) = filter(query);
        let order = query.sorted();
        let sql = format!(
            "SELECT {BACKUP} FROM backup b JOIN (SELECT b.number AS picked FROM backup b {filter} ORDER BY {order} \
             LIMIT ? OFFSET ?) p ON p.picked = b.number ORDER BY {order}"
        );
        values.extend([Value::from(query.limit), Value::from(query.offset)]);
        Ok(self.query(&sql, &values)?.iter().map(backup).collect())
    }

    /// The backups of some numbers, in their order; one that is gone is left out.
    pub fn numbered(&mut self, numbers: &[i64]) -> Result<Vec<ListedBackup>, CatalogError> {
        let mut found = Vec::new();
        for some in numbers.chunks(AT_ONCE) {
            let holders = vec!["?"; some.len()].join(",");
            let sql = format!("SELECT {BACKUP} FROM backup b WHERE b.number IN ({holders})");
            let values: Vec<Value> = some.iter().map(|n| Value::from(*n)).collect();
            let mut rows: BTreeMap<i64, ListedBackup> =
                self.query(&sql, &values)?.iter().map(backup).map(|b| (b.number, b)).collect();
            found.extend(some.iter().filter_map(|number| rows.remove(number)));
        }
        Ok(found)
    }

    /// Numbers of backups that ended, by verdict.
    pub fn totals(&mut self) -> Result<Totals, CatalogError> {
        let sql = "SELECT verdict, count(*) FROM backup WHERE verdict IS NOT NULL AND finished IS NOT NULL GROUP BY verdict";
        let mut totals = Totals::default();
        for row in self.query(sql, &[])? {
            totals.add(row.int(0), row.int(1).max(0) as u64);
        }
        Ok(totals)
    }

    /// What a search compares of backups that ended, those after a number, by their numbers; other
    /// fields are empty.
    pub fn sought_after(
        &mut self,
        number: i64,
        limit: u64,
    ) -> Result<Vec<ListedBackup>, CatalogError> {
        let sql = format!("SELECT {SOUGHT} {ENDED} AND b.number > ? ORDER BY b.number LIMIT ?");
        let values = [Value::from(number), Value::from(limit)];
        Ok(self.query(&sql, &values)?.iter().map(backup).collect())
    }

    /// The same of some numbers.
    pub fn sought_of(&mut self, numbers: &[i64]) -> Result<Vec<ListedBackup>, CatalogError> {
        let mut found = Vec::new();
        for some in numbers.chunks(AT_ONCE) {
            let holders = vec!["?"; some.len()].join(",");
            let sql = format!("SELECT {SOUGHT} {ENDED} AND b.number IN ({holders})");
            let values: Vec<Value> = some.iter().map(|n| Value::from(*n)).collect();
            found.extend(self.query(&sql, &values)?.iter().map(backup));
        }
        Ok(found)
    }

    /// Numbers of backups that have not ended.
    pub fn open_backups(&mut self) -> Result<Vec<i64>, CatalogError> {
        let sql = "SELECT b.number FROM backup b WHERE b.finished IS NULL OR b.verdict IS NULL";
        Ok(self.query(sql, &[])?.iter().map(|row| row.int(0)).collect())
    }

    /// Runs, newest first, and how many there are of this query; `all` is how many there are.
    pub fn list_runs(
        &mut self,
        query: &RunsQuery,
        all: u64,
    ) -> Result<(Vec<ListedRun>, u64), CatalogError> {
        let mut filter = "WHERE 1 = 1".to_owned();
        let mut values = Vec::new();
        for word in &query.words {
            let columns = ["r.job", "r.host", "r.id"];
            let (condition, sought) = word.condition(&columns, "r.verdict", "r.started");
            filter += &format!(" AND {condition}");
            values.extend(sought);
        }
        let mut total = all;
        if !query.words.is_empty() {
            let found = self.query(&format!("SELECT count(*) FROM run r {filter}"), &values)?;
            total = found.first().map_or(0, |row| row.int(0).max(0) as u64);
        }
        let sql = format!(
            "SELECT {RUN} FROM run r JOIN (SELECT r.id AS picked FROM run r {filter} ORDER BY r.started DESC, r.id DESC \
             LIMIT ? OFFSET ?) p ON p.picked = r.id ORDER BY r.started DESC, r.id DESC"
        );
        values.extend([Value::from(query.limit), Value::from(query.offset)]);
        Ok((self.query(&sql, &values)?.iter().map(run).collect(), total))
    }

    /// How many runs there are.
    pub fn run_count(&mut self) -> Result<u64, CatalogError> {
        let found = self.query("SELECT count(*) FROM run", &[])?;
        Ok(found.first().map_or(0, |row| row.int(0).max(0) as u64))
    }
}

/// What a query asks of a row.
fn filter(query: &ListQuery) -> (String, Vec<Value>) {
    let ended = "WHERE b.verdict IS NOT NULL AND b.finished IS NOT NULL".to_owned();
    match query.verdict {
        Some(verdict) => (ended + " AND b.verdict = ?", vec![Value::from(i64::from(verdict))]),
        None => (ended, Vec::new()),
    }
}

impl ListQuery {
    fn sorted(&self) -> String {
        let direction = if self.ascending { "ASC" } else { "DESC" };
        let column = self.order.column().replace("{}", direction);
        format!("{column} {direction}, b.number {direction}")
    }
}
