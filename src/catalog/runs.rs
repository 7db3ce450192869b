//! Every query on runs and their steps, written once.
//!
//! Writes can be repeated: a replayed event finds its row and changes nothing.

use std::collections::BTreeMap;

use crate::catalog::error::{CatalogError, SqlFault};
use crate::catalog::open::Catalog;
use crate::catalog::record::{RunRow, StepRow};
use crate::catalog::sql::{Upsert, values};
use crate::catalog::value::Row;

/// Why a run has no end of its own.
const KILLED: &str = "the process was killed or the machine stopped";

/// A run that gave no sign of life for so long has no process.
const SILENT_SECONDS: i64 = 600;

/// Bytes of a restore in which what is done once no longer counts.
const TELLING: u64 = 32 << 20;

/// A run that ended without a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedRun {
    /// Its identity.
    pub id: String,
    /// When it began.
    pub started: String,
    /// The machine.
    pub host: String,
}

impl Catalog {
    /// Notes that a run began, with its steps waiting.
    pub fn run_started(&mut self, run: &RunRow, steps: &[StepRow]) -> Result<(), CatalogError> {
        let dialect = self.dialect();
        self.transaction(|sql| {
            let row = Upsert {
                table: "run",
                keys: &["id"],
                first: &["kind", "job", "file", "host", "pid", "started", "note", "progress"],
                always: &[],
            };
            sql.execute(
                &dialect.upsert(&row),
                values![
                    &run.id,
                    &run.kind,
                    &run.job,
                    &run.file,
                    &run.host,
                    run.pid,
                    &run.started,
                    "",
                    ""
                ],
            )?;
            let row = Upsert {
                table: "step",
                keys: &["run", "number"],
                first: &["address", "verb", "source", "chain", "store", "state", "code", "message"],
                always: &[],
            };
            let insert = dialect.upsert(&row);
            for s in steps {
                let (chain, store) = (&s.chain, &s.store);
                sql.execute(
                    &insert,
                    values![
                        &run.id, s.number, &s.address, &s.verb, &s.source, chain, store, &s.state,
                        "", ""
                    ],
                )?;
            }
            Ok(())
        })
    }

    /// Notes that a run is alive, by the clock of the catalog.
    pub fn run_beats(&mut self, id: &str) -> Result<(), CatalogError> {
        let sql = format!("UPDATE run SET beat={} WHERE id=?", self.dialect().moment(0));
        self.write(&sql, values![id])
    }

    /// Notes the counters of the steps of a run, which is a sign of life too.
    pub fn run_moves(&mut self, id: &str, counters: &str) -> Result<(), CatalogError> {
        let now = self.dialect().moment(0);
        let sql = format!("UPDATE run SET beat={now}, progress=? WHERE id=?");
        self.write(&sql, values![counters, id])
    }

    /// Notes that a run ended.
    pub fn run_finished(
        &mut self,
        id: &str,
        finished: &str,
        verdict: u8,
        note: &str,
    ) -> Result<(), CatalogError> {
        let sql = "UPDATE run SET finished=?, verdict=?, note=? WHERE id=?";
        self.write(sql, values![finished, verdict, note, id])
    }

    /// Notes that a step runs.
    pub fn step_started(
        &mut self,
        run: &str,
        number: usize,
        started: &str,
    ) -> Result<(), CatalogError> {
        let sql = "UPDATE step SET started=?, state='running' WHERE run=? AND number=?";
        self.write(sql, values![started, run, number])
    }

    /// Notes that a step ended.
    pub fn step_finished(
        &mut self,
        run: &str,
        step: &StepRow,
        finished: &str,
    ) -> Result<(), CatalogError> {
        let sql = "UPDATE step SET finished=?, state=?, verdict=?, message=?, code=? WHERE run=? AND number=?";
        self.write(
            sql,
            values![
                finished,
                &step.state,
                step.verdict,
                &step.message,
                &step.code,
                run,
                step.number
            ],
        )
    }

    /// Closes runs of a file's job on this machine that never ended: their process is gone, since we
    /// hold the job's lock.
    pub fn close_orphans(
        &mut self,
        (file, job): (&str, &str),
        host: &str,
        now: &str,
    ) -> Result<Vec<ClosedRun>, CatalogError> {
        let sql = "SELECT id, started, host FROM run WHERE job=? AND host=? AND file=? AND finished IS NULL";
        let open = self.query(sql, values![job, host, file])?;
        self.close_runs(&open, now)
    }

    /// Closes runs of a file's job on other hosts that gave no sign of life for ten minutes, by the
    /// clock of the catalog: their process is gone, since we hold the job's lease. One without any
    /// sign is of an earlier version, and nobody knows.
    pub fn close_silent(
        &mut self,
        (file, job): (&str, &str),
        host: &str,
        now: &str,
    ) -> Result<Vec<ClosedRun>, CatalogError> {
        let sql = format!(
            "SELECT id, started, host FROM run WHERE job=? AND file=? AND host<>? AND finished IS NULL AND beat < {}",
            self.dialect().moment(-SILENT_SECONDS)
        );
        let open = self.query(&sql, values![job, file, host])?;
        self.close_runs(&open, now)
    }

    fn close_runs(&mut self, open: &[Row], now: &str) -> Result<Vec<ClosedRun>, CatalogError> {
        for row in open {
            self.close_run(row.text(0), now)?;
        }
        let closed = |row: &Row| {
            let [id, started, host] = [0, 1, 2].map(|column| row.text(column).to_owned());
            ClosedRun { id, started, host }
        };
        Ok(open.iter().map(closed).collect())
    }

    /// Closes one run whose process is gone.
    fn close_run(&mut self, run: &str, now: &str) -> Result<(), CatalogError> {
        self.transaction(|sql| {
            sql.execute(
                "UPDATE backup SET verdict=3, finished=?, note=? WHERE id=? AND EXISTS (SELECT 1 FROM step s \
                 WHERE s.run=backup.id AND s.state='running' AND s.verb IN ('dump', 'physical', 'rman') AND s.chain=backup.source)",
                values![now, KILLED, run],
            )?;
            sql.execute(
                "UPDATE step SET state='interrupted', verdict=3, finished=? WHERE run=? AND state IN ('waiting', 'running')",
                values![now, run],
            )?;
            let sql_run = "UPDATE run SET finished=?, verdict=3, note=? WHERE id=? AND finished IS NULL";
            sql.execute(sql_run, values![now, KILLED, run]).map(drop)
        })
    }

    /// When each chain of a file's job began its newest backup that a store took whole.
    pub fn last_good(
        &mut self,
        (file, job): (&str, &str),
    ) -> Result<BTreeMap<String, String>, CatalogError> {
        let sql = "SELECT b.source, max(b.started) FROM backup b JOIN copy c ON c.id=b.id AND c.source=b.source \
                   WHERE b.file=? AND b.job=? AND b.verdict<=2 AND c.verdict=1 GROUP BY b.source";
        let rows = self.query(sql, values![file, job])?;
        Ok(rows.iter().map(|row| (row.text(0).to_owned(), row.text(1).to_owned())).collect())
    }

    /// The verdict of the last run of a file's job that ended.
    pub fn last_verdict(
        &mut self,
        (file, job): (&str, &str),
        except: &str,
    ) -> Result<Option<u8>, CatalogError> {
        let sql = "SELECT verdict FROM run WHERE job=? AND file=? AND id<>? AND kind='job' AND finished IS NOT NULL ORDER BY started DESC LIMIT 1";
        let rows = self.query(sql, values![job, file, except])?;
        let Some(row) = rows.first() else { return Ok(None) };
        match row.opt_int(0).map(u8::try_from) {
            Some(Ok(verdict)) => Ok(Some(verdict)),
            Some(Err(_)) | None => Err(CatalogError::Sql {
                doing: "read",
                place: self.place().to_owned(),
                fault: SqlFault::Other,
                source: "the verdict of a run is none".into(),
            }),
        }
    }

    /// Bytes a second that the last restore brought back that was large enough to tell, unpacked;
    /// `None` where none is on record.
    pub fn restore_pace(&mut self) -> Result<Option<u64>, CatalogError> {
        let sql = "SELECT started, finished, progress FROM run WHERE kind=? AND verdict<=2 AND finished IS NOT NULL ORDER BY started DESC LIMIT 50";
        let rows = self.query(sql, values!["restore"])?;
        let pace = |row: &Row| {
            let moment = |column: usize| row.text(column).parse::<jiff::Timestamp>().ok();
            let (from, to) = (moment(0)?, moment(1)?);
            let counters: serde_json::Value = serde_json::from_str(row.text(2)).ok()?;
            let raw = counters["0"]["raw"].as_u64().filter(|raw| *raw >= TELLING)?;
            let milliseconds = u64::try_from(to.duration_since(from).as_millis()).ok()?.max(1);
            Some(raw.saturating_mul(1000) / milliseconds)
        };
        Ok(rows.iter().find_map(pace))
    }

    /// How many of the newest runs of a file's job in a row, but no more than `most`, ended the
    /// retention of a chain in a store with this code.
    pub fn retention_ended(
        &mut self,
        (file, job): (&str, &str),
        (chain, store): (&str, &str),
        code: &str,
        most: usize,
    ) -> Result<usize, CatalogError> {
        let sql = format!(
            "SELECT s.code FROM step s JOIN run r ON r.id=s.run WHERE r.job=? AND r.file=? AND s.verb='keep' AND \
             s.chain=? AND s.store=? AND s.state='done' ORDER BY r.started DESC, r.id DESC LIMIT {most}"
        );
        let rows = self.query(&sql, values![job, file, chain, store])?;
        Ok(rows.iter().take_while(|row| row.text(0) == code).count())
    }

    /// All runs, newest first.
    pub fn runs(&mut self) -> Result<Vec<RunRow>, CatalogError> {
        let sql = "SELECT id, kind, job, file, host, pid, started, finished, verdict FROM run ORDER BY started DESC, id DESC";
        let rows = self.query(sql, &[])?;
        let run = |row: &crate::catalog::value::Row| {
            let text = |column| row.text(column).to_owned();
            RunRow {
                id: text(0),
                kind: text(1),
                job: text(2),
                file: text(3),
                host: text(4),
                pid: row.int(5) as u32,
                started: text(6),
                finished: row.opt_text(7).map(str::to_owned),
                verdict: row.opt_int(8).and_then(|v| u8::try_from(v).ok()),
            }
        };
        Ok(rows.iter().map(run).collect())
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
        let mut catalog = Catalog::open(&path).expect("opens");
        let mut rows = |sql: &str| -> Vec<String> {
            let rows = catalog.query(sql, &[]).expect("rows");
            rows.iter().map(|row| row.text(0).to_owned()).collect()
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
    fn how_often_in_a_row_a_folder_was_in_use_is_known_of_each() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut catalog = Catalog::open(&folder.path().join("c.sqlite")).expect("opens");
        let retention = |number, store: &str| StepRow {
            number,
            address: format!("j/keep/a/{store}"),
            verb: "keep".into(),
            chain: "a".into(),
            store: store.into(),
            state: "waiting".into(),
            ..StepRow::default()
        };
        // Of the store s in use twice, then free, then in use; one that failed says nothing.
        let ends = [
            ("r1", "in-use", "done"),
            ("r2", "in-use", "done"),
            ("r3", "", "done"),
            ("r4", "in-use", "done"),
            ("r5", "denied", "failed"),
        ];
        let mut counts = Vec::new();
        for (id, code, state) in ends {
            let run = RunRow {
                id: id.into(),
                kind: "job".into(),
                job: "j".into(),
                file: "f".into(),
                host: "h".into(),
                pid: 1,
                started: format!("2026-01-0{}T00:00:00Z", &id[1..]),
                finished: None,
                verdict: None,
            };
            let steps = [retention(0, "s"), retention(1, "t")];
            catalog.run_started(&run, &steps).expect("written");
            let row = StepRow { state: state.into(), code: code.into(), ..retention(0, "s") };
            catalog.step_finished(id, &row, "t").expect("written");
            let of = |catalog: &mut Catalog, file, store| {
                catalog.retention_ended((file, "j"), ("a", store), "in-use", 9).expect("read")
            };
            assert_eq!(of(&mut catalog, "f", "t") + of(&mut catalog, "g", "s"), 0);
            counts.push(of(&mut catalog, "f", "s"));
        }
        assert_eq!(counts, [1, 2, 0, 1, 1]);
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
        assert_eq!(catalog.close_orphans(("f", "other"), "h", "now").expect("written").len(), 0);
        assert_eq!(
            catalog.close_orphans(("f", "j"), "elsewhere", "now").expect("written").len(),
            0
        );
        assert_eq!(catalog.close_orphans(("g", "j"), "h", "now").expect("written").len(), 0);
        assert_eq!(catalog.close_orphans(("f", "j"), "h", "now").expect("written").len(), 1);
        assert_eq!(catalog.last_verdict(("f", "j"), "x").expect("read"), Some(3));
        assert_eq!(catalog.counts().expect("read"), [1, 0, 0, 0]);
        let sql = "SELECT verdict || note FROM backup WHERE finished='now'";
        let noted = catalog.query(sql, &[]).expect("one row");
        assert_eq!(noted[0].text(0), "3the process was killed or the machine stopped");
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
