//! What the dashboard asks of hosts: another schedule for a job, or a run now; and which hosts
//! listen.
//!
//! Invariants: an override is a row, the file stays as it is; a request is taken once.

use crate::catalog::error::CatalogError;
use crate::catalog::open::Catalog;
use crate::catalog::pages::Override;
use crate::catalog::sql::{Upsert, values};

/// A run that somebody asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunRequest {
    /// Its number.
    pub number: i64,
    /// The machine that is to run it.
    pub host: String,
    /// The job file.
    pub file: String,
    /// The job.
    pub job: String,
    /// The step that is asked for; empty for the whole job.
    pub step: String,
    /// Who asked.
    pub who: String,
    /// When.
    pub at: String,
}

impl Catalog {
    /// Holds a schedule against a file's, until it is undone.
    pub fn set_override(&mut self, o: &Override) -> Result<(), CatalogError> {
        let row = Upsert {
            table: "schedule_override",
            keys: &["host", "file", "job"],
            first: &[],
            always: &["state", "schedule", "who", "at"],
        };
        let sql = self.dialect().upsert(&row);
        let all = values![&o.host, &o.file, &o.job, &o.state, &o.schedule, &o.who, &o.at];
        self.write(&sql, all)
    }

    /// The file's schedule holds again.
    pub fn undo_override(&mut self, host: &str, file: &str, job: &str) -> Result<(), CatalogError> {
        let sql = "DELETE FROM schedule_override WHERE host = ? AND file = ? AND job = ?";
        self.write(sql, values![host, file, job])
    }

    /// Asks a host for a run; returns the number of the request.
    pub fn request_run(&mut self, r: &RunRequest) -> Result<(), CatalogError> {
        let sql = "INSERT INTO run_request (host, file, job, step, who, at, run) VALUES (?, ?, ?, ?, ?, ?, '')";
        self.write(sql, values![&r.host, &r.file, &r.job, &r.step, &r.who, &r.at])
    }

    /// Takes the requests for a host and a file that nobody took, those not older than `since`.
    pub fn take_requests(
        &mut self,
        host: &str,
        file: &str,
        (since, now): (&str, &str),
    ) -> Result<Vec<RunRequest>, CatalogError> {
        let sql = "SELECT number, host, file, job, step, who, at FROM run_request WHERE host = ? AND file = ? AND \
                   taken IS NULL AND at >= ? ORDER BY number";
        let mut taken = Vec::new();
        for row in self.query(sql, values![host, file, since])? {
            let text = |i: usize| row.text(i).to_owned();
            let number = row.int(0);
            let take = "UPDATE run_request SET taken = ? WHERE number = ? AND taken IS NULL";
            if self.execute(take, values![now, number])? == 1 {
                taken.push(RunRequest {
                    number,
                    host: text(1),
                    file: text(2),
                    job: text(3),
                    step: text(4),
                    who: text(5),
                    at: text(6),
                });
            }
        }
        Ok(taken)
    }

    /// Notes that `vex run --due` was called on a host.
    pub fn see_due(&mut self, host: &str, at: &str, version: &str) -> Result<(), CatalogError> {
        let row = Upsert {
            table: "host",
            keys: &["name"],
            first: &[],
            always: &["due_seen", "seen", "version"],
        };
        let sql = self.dialect().upsert(&row);
        self.write(&sql, values![host, at, at, version])
    }

    /// When a job of a file last began on a host.
    pub fn last_start(
        &mut self,
        (host, file, job): (&str, &str, &str),
    ) -> Result<Option<String>, CatalogError> {
        let sql = "SELECT started FROM run WHERE host = ? AND file = ? AND job = ? AND kind = 'job' ORDER BY started DESC LIMIT 1";
        let rows = self.query(sql, values![host, file, job])?;
        Ok(rows.first().map(|row| row.text(0).to_owned()))
    }
}
