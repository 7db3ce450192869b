//! Every query on runs, steps, artifacts, copies and proofs, written once.
//!
//! Writes can be repeated: a replayed event finds its row and changes nothing.

use rusqlite::{OptionalExtension, params};

use crate::catalog::open::{Catalog, CatalogError};
use crate::catalog::record::{ArtifactRow, CopyRow, ProofRow, RunRow, StepRow};

impl Catalog {
    /// Notes that a run began, with its steps waiting.
    pub fn run_started(&mut self, run: &RunRow, steps: &[StepRow]) -> Result<(), CatalogError> {
        let fail = self.fail("write");
        let transaction = self.connection.transaction().map_err(&fail)?;
        let sql = "INSERT OR IGNORE INTO run (id, kind, job, file, host, pid, started) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        transaction
            .execute(
                sql,
                params![run.id, run.kind, run.job, run.file, run.host, run.pid, run.started],
            )
            .map_err(&fail)?;
        for s in steps {
            let sql = "INSERT OR IGNORE INTO step (run, number, address, verb, source, chain, store, state) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
            let number = s.number as i64;
            let row =
                params![run.id, number, s.address, s.verb, s.source, s.chain, s.store, s.state];
            transaction.execute(sql, row).map_err(&fail)?;
        }
        transaction.commit().map_err(&fail)
    }

    /// Notes that a run ended.
    pub fn run_finished(
        &mut self,
        id: &str,
        finished: &str,
        verdict: u8,
        note: &str,
    ) -> Result<(), CatalogError> {
        let sql = "UPDATE run SET finished=?2, verdict=?3, note=?4 WHERE id=?1";
        self.write(sql, params![id, finished, verdict, note])
    }

    /// Notes that a step runs.
    pub fn step_started(
        &mut self,
        run: &str,
        number: usize,
        started: &str,
    ) -> Result<(), CatalogError> {
        self.write(
            "UPDATE step SET started=?3, state='running' WHERE run=?1 AND number=?2",
            params![run, number as i64, started],
        )
    }

    /// Notes that a step ended.
    pub fn step_finished(
        &mut self,
        run: &str,
        step: &StepRow,
        finished: &str,
    ) -> Result<(), CatalogError> {
        let sql = "UPDATE step SET finished=?3, state=?4, verdict=?5, message=?6, code=?7 WHERE run=?1 AND number=?2";
        self.write(
            sql,
            params![
                run,
                step.number as i64,
                finished,
                step.state,
                step.verdict,
                step.message,
                step.code
            ],
        )
    }

    /// Notes an artifact.
    pub fn artifact(&mut self, a: &ArtifactRow) -> Result<(), CatalogError> {
        let sql = "INSERT OR REPLACE INTO artifact (id, source, job, kind, server, units, name, raw_bytes, bytes, \
                   row_count, started, finished, position, inconsistent, file, origin, sign, parent) \
                   VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18)";
        self.write(
            sql,
            params![
                a.id,
                a.source,
                a.job,
                a.kind,
                a.server,
                a.units,
                a.name,
                a.raw_bytes as i64,
                a.bytes as i64,
                a.rows as i64,
                a.started,
                a.finished,
                a.position,
                a.inconsistent,
                a.file,
                a.origin,
                a.sign,
                a.parent
            ],
        )
    }

    /// Notes a copy.
    pub fn copy(&mut self, c: &CopyRow) -> Result<(), CatalogError> {
        let sql = "INSERT OR REPLACE INTO copy (id, source, store, place, object_key, bytes, started, finished, verdict, \
                   message, bucket, code) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)";
        self.write(
            sql,
            params![
                c.id,
                c.source,
                c.store,
                c.place,
                c.key,
                c.bytes as i64,
                c.started,
                c.finished,
                c.verdict,
                c.message,
                c.bucket,
                c.code
            ],
        )
    }

    /// Notes that a copy was removed.
    pub fn copy_removed(
        &mut self,
        id: &str,
        source: &str,
        store: &str,
        at: &str,
    ) -> Result<(), CatalogError> {
        let sql = "UPDATE copy SET removed=?4 WHERE id=?1 AND source=?2 AND store=?3";
        self.write(sql, params![id, source, store, at])
    }

    /// Notes a proof.
    pub fn proof(&mut self, p: &ProofRow) -> Result<(), CatalogError> {
        let sql = "INSERT OR REPLACE INTO proof (id, source, store, level, at, good, damage) VALUES (?1,?2,?3,?4,?5,?6,?7)";
        self.write(sql, params![p.id, p.source, p.store, p.level, p.at, p.good, p.damage])
    }

    /// Closes runs of a file's job on this machine that never ended: their process is gone, since we hold
    /// the job's lock.
    pub fn close_orphans(
        &mut self,
        (file, job): (&str, &str),
        host: &str,
        now: &str,
    ) -> Result<usize, CatalogError> {
        let fail = self.fail("write");
        let transaction = self.connection.transaction().map_err(&fail)?;
        let open = "SELECT id FROM run WHERE job=?1 AND host=?2 AND file=?4 AND finished IS NULL";
        let sql = format!(
            "UPDATE backup SET verdict=3, finished=?3, note='the process was killed or the machine stopped' WHERE id IN ({open}) AND EXISTS \
             (SELECT 1 FROM step s WHERE s.run=backup.id AND s.state='running' AND s.verb IN ('dump', 'physical') \
             AND s.chain=backup.source)"
        );
        transaction.execute(&sql, params![job, host, now, file]).map_err(&fail)?;
        let sql = format!(
            "UPDATE step SET state='interrupted', verdict=3, finished=?3 WHERE run IN ({open}) AND state IN ('waiting', 'running')"
        );
        transaction.execute(&sql, params![job, host, now, file]).map_err(&fail)?;
        let sql = "UPDATE run SET finished=?3, verdict=3, note='the process was killed or the machine stopped' \
                   WHERE job=?1 AND host=?2 AND file=?4 AND finished IS NULL";
        let closed = transaction.execute(sql, params![job, host, now, file]).map_err(&fail)?;
        transaction.commit().map_err(&fail)?;
        Ok(closed)
    }

    /// The verdict of the last run of a file's job that ended.
    pub fn last_verdict(
        &self,
        (file, job): (&str, &str),
        except: &str,
    ) -> Result<Option<u8>, CatalogError> {
        let sql = "SELECT verdict FROM run WHERE job=?1 AND file=?3 AND id<>?2 AND finished IS NOT NULL ORDER BY started DESC LIMIT 1";
        let found =
            self.connection.query_row(sql, params![job, except, file], |row| row.get(0)).optional();
        found.map_err(self.fail("read"))
    }

    /// Notes the ID that a store has now; returns the one that it had before.
    pub fn place_seen(
        &mut self,
        place: &str,
        id: &str,
        at: &str,
    ) -> Result<Option<String>, CatalogError> {
        let found = self
            .connection
            .query_row("SELECT id FROM place WHERE place=?1", [place], |row| row.get(0))
            .optional()
            .map_err(self.fail("read"))?;
        let sql = "INSERT OR REPLACE INTO place (place, id, seen) VALUES (?1, ?2, ?3)";
        self.write(sql, params![place, id, at])?;
        Ok(found)
    }

    /// All runs, newest first.
    pub fn runs(&self) -> Result<Vec<RunRow>, CatalogError> {
        let sql = "SELECT id, kind, job, file, host, pid, started, finished, verdict FROM run ORDER BY started DESC, id DESC";
        let fail = self.fail("read");
        let mut statement = self.connection.prepare(sql).map_err(&fail)?;
        let rows = statement.query_map([], |row| {
            Ok(RunRow {
                id: row.get(0)?,
                kind: row.get(1)?,
                job: row.get(2)?,
                file: row.get(3)?,
                host: row.get(4)?,
                pid: row.get(5)?,
                started: row.get(6)?,
                finished: row.get(7)?,
                verdict: row.get(8)?,
            })
        });
        rows.and_then(Iterator::collect).map_err(&fail)
    }

    /// Marks the copies of a job that are not among `present` (artifact, source, store) as removed;
    /// nothing is forgotten. A copy of which something is among `unread` (store, key) is there.
    pub fn mark_absent(
        &mut self,
        (file, job): (&str, &str),
        present: &[[&str; 3]],
        unread: &[(String, String)],
        at: &str,
    ) -> Result<(), CatalogError> {
        let sql = "SELECT c.id, c.source, c.store, c.object_key FROM copy c JOIN artifact a ON a.id=c.id AND \
                   a.source=c.source WHERE a.job=?1 AND a.file IN ('', ?2) AND c.removed IS NULL AND c.verdict=1";
        let fail = self.fail("read");
        let known: Vec<([String; 3], String)> = {
            let mut statement = self.connection.prepare(sql).map_err(&fail)?;
            let rows = statement.query_map([job, file], |row| {
                Ok(([row.get(0)?, row.get(1)?, row.get(2)?], row.get(3)?))
            });
            rows.and_then(Iterator::collect).map_err(&fail)?
        };
        for (copy, key) in &known {
            let [id, source, store] = copy.each_ref().map(String::as_str);
            let is_there = present.contains(&[id, source, store])
                || unread.iter().any(|(s, k)| s == store && k.starts_with(key.as_str()));
            if !is_there {
                self.copy_removed(id, source, store, at)?;
            }
        }
        Ok(())
    }

    /// Numbers of runs, artifacts, copies and proofs.
    pub fn counts(&self) -> Result<[u64; 4], CatalogError> {
        let count = |table: &str| {
            let sql = format!("SELECT count(*) FROM {table}");
            self.connection
                .query_row(&sql, [], |row| row.get::<_, i64>(0))
                .map(|n| n as u64)
                .map_err(self.fail("read"))
        };
        Ok([count("run")?, count("artifact")?, count("copy")?, count("proof")?])
    }

    /// Writes, and says what failed.
    pub(super) fn write(
        &mut self,
        sql: &str,
        values: impl rusqlite::Params,
    ) -> Result<(), CatalogError> {
        let fail = self.fail("write");
        self.connection.execute(sql, values).map(|_| ()).map_err(fail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::record::BackupRow;

    #[test]
    fn what_an_earlier_version_noted_is_in_the_views_of_the_seed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("c.sqlite");
        let old = rusqlite::Connection::open(&path).expect("opens");
        old.execute_batch(include_str!("../../schema/catalog/001.sql")).expect("made");
        old.execute_batch(
            "PRAGMA user_version=1;
             INSERT INTO run VALUES ('r1', 'j', 'f', 'h', 1, '2026-01-01T00:00:00Z', '2026-01-01T00:01:00Z', 1, '');
             INSERT INTO run VALUES ('r2', 'j', 'f', 'h', 1, '2026-01-02T00:00:00Z', '2026-01-02T00:01:00Z', 3, '');
             INSERT INTO step VALUES ('r1', 0, 'j/dump/s', '2026-01-01T00:00:01Z', '2026-01-01T00:00:09Z', 'done', 1, '');
             INSERT INTO step VALUES ('r2', 0, 'j/dump/s', '2026-01-02T00:00:01Z', '2026-01-02T00:00:09Z', 'failed', 3, 'no');
             INSERT INTO step VALUES ('r2', 1, 'j/verify/s/c', NULL, '2026-01-02T00:00:09Z', 'skipped', NULL, '');
             INSERT INTO artifact VALUES ('r1', 's', 'j', 'mysql', '10.11', 'a,b', 'x.zip', 3145728, 1048576, 5,
                 '2026-01-01T00:00:01Z', '2026-01-01T00:00:05Z', NULL, '');
             INSERT INTO copy VALUES ('r1', 's', 'c', 's3://vault at h', 'p/x.zip', 1048576, '2026-01-01T00:00:02Z',
                 '2026-01-01T00:00:08Z', 1, '', NULL);
             INSERT INTO copy VALUES ('r1', 's', 'd', 'dir /nas', 'p/x.zip', 1048576, '2026-01-01T00:00:02Z',
                 '2026-01-01T00:00:08Z', 1, '', NULL);",
        )
        .expect("filled");
        drop(old);
        let catalog = Catalog::open(&path).expect("opens");
        let rows = |sql: &str| -> Vec<String> {
            let mut statement = catalog.connection.prepare(sql).expect("a query");
            let rows = statement.query_map([], |row| row.get(0)).expect("rows");
            rows.map(|r| r.expect("text")).collect()
        };
        let backups = "SELECT concat_ws('|', id, hostname, nome_database, nome_arquivo, tamanho_arquivo, tamanho_compactado, \
                       status_backup, versao_servidor, observacao, data_inicio, data_encerramento) FROM backup_log ORDER BY id";
        assert_eq!(
            rows(backups),
            [
                "1|h|a,b|x.zip|3.0|1.0|1|10.11|2026-01-01 00:00:01|2026-01-01 00:00:05",
                "2|h|s||0.0|0.0|3||no|2026-01-02 00:00:01|2026-01-02 00:00:09",
            ]
        );
        let uploads = "SELECT concat_ws('|', id, backup_id, nome_arquivo, tamanho_arquivo, caminho_arquivo, bucket, status_upload) \
                       FROM upload_s3_log";
        assert_eq!(rows(uploads), ["1|1|x.zip|1.0|p/x.zip|vault|1"]);
    }

    #[test]
    fn a_run_without_end_is_closed_as_erro_and_a_replay_changes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut catalog = Catalog::open(&folder.path().join("c.sqlite")).expect("opens");
        let run = RunRow {
            id: "r".into(),
            kind: "job".into(),
            job: "j".into(),
            file: "f".into(),
            host: "h".into(),
            pid: 1,
            started: "t".into(),
            finished: None,
            verdict: None,
        };
        for _ in 0..2 {
            let step = StepRow {
                address: "j/dump/a".into(),
                verb: "dump".into(),
                chain: "a".into(),
                state: "waiting".into(),
                ..StepRow::default()
            };
            catalog.run_started(&run, &[step]).expect("written");
        }
        let (job, host) = ("j".to_owned(), "h".to_owned());
        let tried = BackupRow {
            id: "r".into(),
            source: "a".into(),
            job,
            host,
            started: "t".into(),
            ..BackupRow::default()
        };
        for _ in 0..2 {
            catalog.step_started("r", 0, "t").expect("written");
            catalog.backup_started(&tried).expect("written");
        }
        assert_eq!(catalog.close_orphans(("f", "other"), "h", "now").expect("written"), 0);
        assert_eq!(catalog.close_orphans(("f", "j"), "elsewhere", "now").expect("written"), 0);
        assert_eq!(catalog.close_orphans(("g", "j"), "h", "now").expect("written"), 0);
        assert_eq!(catalog.close_orphans(("f", "j"), "h", "now").expect("written"), 1);
        assert_eq!(catalog.last_verdict(("f", "j"), "x").expect("read"), Some(3));
        assert_eq!(catalog.counts().expect("read"), [1, 0, 0, 0]);
        let sql = "SELECT verdict || note FROM backup WHERE finished='now'";
        let noted: String =
            catalog.connection.query_row(sql, [], |row| row.get(0)).expect("one row");
        assert_eq!(noted, "3the process was killed or the machine stopped");
        // A second opening finds the tables.
        drop(catalog);
        assert_eq!(
            Catalog::open(&folder.path().join("c.sqlite"))
                .expect("opens")
                .runs()
                .expect("read")
                .len(),
            1
        );
    }
}
