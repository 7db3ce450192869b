//! Lists: backups and runs, searched, sorted, and cut into pages.
//!
//! Invariant: what is searched is the column `shown`, the text that the list shows; it is filled by
//! whoever shows lists, since only a reader knows zone and language.

use crate::catalog::error::CatalogError;
use crate::catalog::open::Catalog;
use crate::catalog::pages::one::{ListedRun, RUN, run};
use crate::catalog::pages::row::{BACKUP, ListedBackup, backup};
use crate::catalog::sought::Sought;
use crate::catalog::sql::Dialect;
use crate::catalog::value::Value;

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
    /// Words that the shown text must hold, as `view` compares text.
    pub words: Vec<String>,
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
        let (filter, mut values) = self.filter(query);
        let order = query.sorted();
        let sql = format!(
            "SELECT {BACKUP} FROM backup b JOIN (SELECT b.number AS picked FROM backup b {filter} ORDER BY {order} \
             LIMIT ? OFFSET ?) p ON p.picked = b.number ORDER BY {order}"
        );
        values.extend([Value::from(query.limit), Value::from(query.offset)]);
        Ok(self.query(&sql, &values)?.iter().map(backup).collect())
    }

    /// The numbers of all backups of a query, in its order.
    pub fn found(&mut self, query: &ListQuery) -> Result<Vec<i64>, CatalogError> {
        let (filter, values) = self.filter(query);
        let sql = format!("SELECT b.number FROM backup b {filter} ORDER BY {}", query.sorted());
        Ok(self.query(&sql, &values)?.iter().map(|row| row.int(0)).collect())
    }

    /// The backups of some numbers, in their order; one that is gone is left out.
    pub fn numbered(&mut self, numbers: &[i64]) -> Result<Vec<ListedBackup>, CatalogError> {
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let holders = vec!["?"; numbers.len()].join(",");
        let sql = format!("SELECT {BACKUP} FROM backup b WHERE b.number IN ({holders})");
        let values: Vec<Value> = numbers.iter().map(|n| Value::from(*n)).collect();
        let mut rows: Vec<ListedBackup> = self.query(&sql, &values)?.iter().map(backup).collect();
        rows.sort_by_key(|b| numbers.iter().position(|n| *n == b.number));
        Ok(rows)
    }

    /// Numbers of backups that ended, by verdict.
    pub fn totals(&mut self) -> Result<Totals, CatalogError> {
        let sql = "SELECT verdict, count(*) FROM backup WHERE verdict IS NOT NULL AND finished IS NOT NULL GROUP BY verdict";
        let mut totals = Totals::default();
        for row in self.query(sql, &[])? {
            let n = row.int(1).max(0) as u64;
            match row.int(0) {
                1 => totals.success += n,
                2 => totals.alert += n,
                _ => totals.error += n,
            }
        }
        Ok(totals)
    }

    /// Backups whose text for searches is still to be written, at most `limit`.
    pub fn unshown(&mut self, limit: u64) -> Result<Vec<ListedBackup>, CatalogError> {
        let sql = format!(
            "SELECT {BACKUP} FROM backup b WHERE b.shown = '' AND b.verdict IS NOT NULL LIMIT ?"
        );
        Ok(self.query(&sql, &[Value::from(limit)])?.iter().map(backup).collect())
    }

    /// Writes the text for searches of some backups, by their number.
    pub fn show(&mut self, texts: &[(i64, String)]) -> Result<(), CatalogError> {
        self.transaction(|sql| {
            for (number, text) in texts {
                let values = [Value::from(text.as_str()), Value::from(*number)];
                sql.execute("UPDATE backup SET shown = ? WHERE number = ?", &values)?;
            }
            Ok(())
        })
    }

    /// Forgets every text for searches, where it was written for another zone; returns whether.
    pub fn show_for(&mut self, zone: &str) -> Result<bool, CatalogError> {
        let known = self.meta("shown")?;
        if known.as_deref() == Some(zone) {
            return Ok(false);
        }
        self.execute("UPDATE backup SET shown = ''", &[])?;
        self.set_meta("shown", zone)?;
        Ok(true)
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

    /// What a query asks of a row.
    fn filter(&self, query: &ListQuery) -> (String, Vec<Value>) {
        let mut sql = "WHERE b.verdict IS NOT NULL AND b.finished IS NOT NULL".to_owned();
        let mut values = Vec::new();
        if let Some(verdict) = query.verdict {
            sql += " AND b.verdict = ?";
            values.push(Value::from(i64::from(verdict)));
        }
        for word in &query.words {
            // Texts and words are plain, so that bytes are compared.
            sql += match self.dialect() {
                Dialect::Postgres => " AND strpos(b.shown, ?) > 0",
                Dialect::Sqlite | Dialect::Mysql => " AND instr(b.shown, ?) > 0",
            };
            values.push(Value::from(word.as_str()));
        }
        (sql, values)
    }
}

impl ListQuery {
    fn sorted(&self) -> String {
        let direction = if self.ascending { "ASC" } else { "DESC" };
        let column = self.order.column().replace("{}", direction);
        format!("{column} {direction}, b.number {direction}")
    }
}
