//! One backup with its copies, one run with its steps and its log.

use std::collections::BTreeMap;

use crate::catalog::error::CatalogError;
use crate::catalog::open::Catalog;
use crate::catalog::pages::copy::HeldCopy;
use crate::catalog::pages::row::{BACKUP, ListedBackup, backup};
use crate::catalog::value::{Row, Value};

/// A run as pages have it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListedRun {
    /// Its identity.
    pub id: String,
    /// What it does: `job`.
    pub kind: String,
    /// The job.
    pub job: String,
    /// The job file.
    pub file: String,
    /// The machine.
    pub host: String,
    /// The process there.
    pub pid: u32,
    /// When it began.
    pub started: String,
    /// When it ended; `None` while it runs.
    pub finished: Option<String>,
    /// How well; `None` while it runs.
    pub verdict: Option<u8>,
    /// `interrupted` and the like.
    pub note: String,
    /// The last moment it was heard of, while it runs.
    pub beat: Option<String>,
    /// What its running steps have moved, by their number, as JSON.
    pub progress: String,
}

/// The columns of a `ListedRun`, of `run` called `r`.
pub(super) const RUN: &str = "r.id, r.kind, r.job, r.file, r.host, r.started, r.finished, r.verdict, r.note, r.beat, r.progress, r.pid";

/// A row of those columns.
pub(super) fn run(row: &Row) -> ListedRun {
    ListedRun {
        id: row.text(0).to_owned(),
        kind: row.text(1).to_owned(),
        job: row.text(2).to_owned(),
        file: row.text(3).to_owned(),
        host: row.text(4).to_owned(),
        started: row.text(5).to_owned(),
        finished: row.opt_text(6).map(str::to_owned),
        verdict: row.opt_int(7).and_then(|v| u8::try_from(v).ok()),
        note: row.text(8).to_owned(),
        beat: row.opt_text(9).map(str::to_owned),
        progress: row.opt_text(10).unwrap_or_default().to_owned(),
        pid: u32::try_from(row.int(11)).unwrap_or(0),
    }
}

/// A step of a run as pages have it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListedStep {
    /// Its number.
    pub number: i64,
    /// Its address.
    pub address: String,
    /// `dump`, `verify` and so on.
    pub verb: String,
    /// The source.
    pub source: String,
    /// What its artifacts are of.
    pub chain: String,
    /// The store.
    pub store: String,
    /// When it began.
    pub started: Option<String>,
    /// When it ended.
    pub finished: Option<String>,
    /// `waiting`, `running`, `done`, `failed`, `skipped`, `interrupted`.
    pub state: String,
    /// How well.
    pub verdict: Option<u8>,
    /// Why it failed.
    pub message: String,
}

fn step(row: &Row) -> ListedStep {
    let text = |i: usize| row.text(i).to_owned();
    ListedStep {
        number: row.int(0),
        address: text(1),
        verb: text(2),
        source: text(3),
        chain: text(4),
        store: text(5),
        started: row.opt_text(6).map(str::to_owned),
        finished: row.opt_text(7).map(str::to_owned),
        state: text(8),
        verdict: row.opt_int(9).and_then(|v| u8::try_from(v).ok()),
        message: text(10),
    }
}

/// A copy that was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemovedCopy {
    /// When.
    pub at: String,
    /// Identity of the artifact.
    pub id: String,
    /// What the artifact is of.
    pub source: String,
    /// The store it was in.
    pub store: String,
    /// The job file.
    pub file: String,
    /// The job.
    pub job: String,
}

/// A line of a run's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Its number, from 1.
    pub number: i64,
    /// When.
    pub at: String,
    /// 1 for the log, 2 an alert, 3 an error.
    pub level: u8,
    /// The number of its step; `None` for the run's own.
    pub step: Option<i64>,
    /// What it says.
    pub text: String,
}

/// The columns of a copy, of `copy` called `c`; its newest proof is looked for apart.
const COPY: &str = "c.id, c.source, c.store, c.place, c.bucket, c.object_key, c.bytes, c.started, c.finished, c.verdict, \
     c.message, c.removed";

impl Catalog {
    /// The backup of a number.
    pub fn backup(&mut self, number: i64) -> Result<Option<ListedBackup>, CatalogError> {
        let sql = format!("SELECT {BACKUP} FROM backup b WHERE b.number = ?");
        Ok(self.query(&sql, &[Value::from(number)])?.first().map(backup))
    }

    /// The backups of a run.
    pub fn backups_of(&mut self, run: &str) -> Result<Vec<ListedBackup>, CatalogError> {
        let sql = format!("SELECT {BACKUP} FROM backup b WHERE b.id = ? ORDER BY b.number");
        Ok(self.query(&sql, &[Value::from(run)])?.iter().map(backup).collect())
    }

    /// The copies of a run's artifacts, with what was proven of each last; `chain` picks one.
    pub fn copies_of(
        &mut self,
        run: &str,
        chain: Option<&str>,
    ) -> Result<Vec<HeldCopy>, CatalogError> {
        let (filter, mut values) = match chain {
            Some(chain) => ("AND c.source = ?", vec![Value::from(run), Value::from(chain)]),
            None => ("", vec![Value::from(run)]),
        };
        let sql = format!(
            "SELECT {COPY} FROM copy c WHERE c.id = ? {filter} ORDER BY c.source, c.started, c.store"
        );
        let mut copies: Vec<HeldCopy> =
            self.query(&sql, &values)?.iter().map(HeldCopy::of).collect();
        let sql = format!(
            "SELECT c.source, c.store, c.level, c.at, c.good, c.damage FROM proof c WHERE c.id = ? {filter} ORDER BY c.at"
        );
        values.truncate(2);
        for row in self.query(&sql, &values)? {
            for copy in
                copies.iter_mut().filter(|c| c.chain == row.text(0) && c.store == row.text(1))
            {
                copy.prove(row.text(2), row.text(3), row.int(4) != 0, row.text(5));
            }
        }
        Ok(copies)
    }

    /// Every copy, with what was proven of each last.
    pub fn all_copies(&mut self) -> Result<Vec<HeldCopy>, CatalogError> {
        let sql = format!("SELECT {COPY} FROM copy c ORDER BY c.id, c.source, c.started, c.store");
        let mut copies: Vec<HeldCopy> = self.query(&sql, &[])?.iter().map(HeldCopy::of).collect();
        let key = |c: &HeldCopy| (c.id.clone(), c.chain.clone(), c.store.clone());
        let places: BTreeMap<_, usize> =
            copies.iter().enumerate().map(|(i, c)| (key(c), i)).collect();
        let sql = "SELECT c.id, c.source, c.store, c.level, c.at, c.good, c.damage FROM proof c ORDER BY c.at";
        for row in self.query(sql, &[])? {
            let key = (row.text(0).to_owned(), row.text(1).to_owned(), row.text(2).to_owned());
            if let Some(copy) = places.get(&key).and_then(|i| copies.get_mut(*i)) {
                copy.prove(row.text(3), row.text(4), row.int(5) != 0, row.text(6));
            }
        }
        Ok(copies)
    }

    /// Numbers of backups of which a copy exists.
    pub fn held_numbers(&mut self) -> Result<Vec<i64>, CatalogError> {
        let sql = "SELECT DISTINCT b.number FROM backup b JOIN copy c ON c.id = b.id AND c.source = b.source \
                   WHERE c.removed IS NULL AND c.verdict < 3 AND c.message = ''";
        Ok(self.query(sql, &[])?.iter().map(|row| row.int(0)).collect())
    }

    /// One run.
    pub fn run(&mut self, id: &str) -> Result<Option<ListedRun>, CatalogError> {
        let sql = format!("SELECT {RUN} FROM run r WHERE r.id = ?");
        Ok(self.query(&sql, &[Value::from(id)])?.first().map(run))
    }

    /// The newest runs of a file's job, newest first; runs of another kind are none of it.
    pub fn runs_of(
        &mut self,
        (file, job): (&str, &str),
        limit: u64,
    ) -> Result<Vec<ListedRun>, CatalogError> {
        self.runs_where("r.kind = 'job'", (file, job), limit)
    }

    /// The same, with those that were refused.
    pub fn attempts_of(
        &mut self,
        own: (&str, &str),
        limit: u64,
    ) -> Result<Vec<ListedRun>, CatalogError> {
        self.runs_where("r.kind IN ('job', 'refused')", own, limit)
    }

    fn runs_where(
        &mut self,
        which: &str,
        (file, job): (&str, &str),
        limit: u64,
    ) -> Result<Vec<ListedRun>, CatalogError> {
        let sql = format!(
            "SELECT {RUN} FROM run r WHERE r.job = ? AND r.file = ? AND {which} ORDER BY r.started DESC LIMIT ?"
        );
        let values = [Value::from(job), Value::from(file), Value::from(limit)];
        Ok(self.query(&sql, &values)?.iter().map(run).collect())
    }

    /// Copies of which the catalog learned since a moment that they are removed: when, whose, and
    /// where they were.
    pub fn removed_since(&mut self, since: &str) -> Result<Vec<RemovedCopy>, CatalogError> {
        let sql = "SELECT c.removed, c.id, c.source, c.store, a.file, a.job FROM copy c JOIN artifact a \
                   ON a.id = c.id AND a.source = c.source WHERE c.removed >= ? ORDER BY c.removed, c.id, c.source";
        let copy = |row: &Row| {
            let [at, id, source, store, file, job] =
                [0, 1, 2, 3, 4, 5].map(|i| row.text(i).to_owned());
            RemovedCopy { at, id, source, store, file, job }
        };
        Ok(self.query(sql, &[Value::from(since)])?.iter().map(copy).collect())
    }

    /// Rows of the artifacts of a run, by what they are of.
    pub fn rows_of(&mut self, run: &str) -> Result<BTreeMap<String, u64>, CatalogError> {
        let sql = "SELECT source, row_count FROM artifact WHERE id = ?";
        let rows = self.query(sql, &[Value::from(run)])?;
        Ok(rows.iter().map(|r| (r.text(0).to_owned(), r.int(1).max(0) as u64)).collect())
    }

    /// Runs that have not ended, oldest first.
    pub fn running(&mut self) -> Result<Vec<ListedRun>, CatalogError> {
        let sql = format!("SELECT {RUN} FROM run r WHERE r.finished IS NULL ORDER BY r.started");
        Ok(self.query(&sql, &[])?.iter().map(run).collect())
    }

    /// The steps of a run, in order.
    pub fn steps_of(&mut self, run: &str) -> Result<Vec<ListedStep>, CatalogError> {
        let sql = "SELECT s.number, s.address, s.verb, s.source, s.chain, s.store, s.started, s.finished, s.state, s.verdict, \
                   s.message FROM step s WHERE s.run = ? ORDER BY s.number";
        Ok(self.query(sql, &[Value::from(run)])?.iter().map(step).collect())
    }

    /// Address, beginning and end of the steps of the last `n` runs of a job before one.
    pub fn step_times(
        &mut self,
        (file, job): (&str, &str),
        before: &str,
        n: u64,
    ) -> Result<Vec<(String, String, String)>, CatalogError> {
        let sql = "SELECT r.id FROM run r WHERE r.job = ? AND r.file = ? AND r.started < ? AND r.finished IS NOT NULL \
                   ORDER BY r.started DESC LIMIT ?";
        let values = [Value::from(job), Value::from(file), Value::from(before), Value::from(n)];
        let runs = self.query(sql, &values)?;
        let mut times = Vec::new();
        for run in runs {
            let sql = "SELECT address, started, finished FROM step WHERE run = ? AND started IS NOT NULL AND \
                       finished IS NOT NULL AND state = 'done'";
            for row in self.query(sql, &[Value::from(run.text(0))])? {
                times.push((
                    row.text(0).to_owned(),
                    row.text(1).to_owned(),
                    row.text(2).to_owned(),
                ));
            }
        }
        Ok(times)
    }

    /// The log of a run, as far as the catalog keeps it.
    pub fn log_of(&mut self, run: &str) -> Result<Vec<LogLine>, CatalogError> {
        let sql = "SELECT number, at, level, step, line FROM run_log WHERE run = ? ORDER BY number";
        let line = |row: &Row| LogLine {
            number: row.int(0),
            at: row.text(1).to_owned(),
            level: u8::try_from(row.int(2)).unwrap_or(1),
            step: row.opt_int(3),
            text: row.text(4).to_owned(),
        };
        Ok(self.query(sql, &[Value::from(run)])?.iter().map(line).collect())
    }
}
