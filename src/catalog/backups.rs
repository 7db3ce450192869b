//! Every query on dumps that were tried: one row each, whatever became of them.
//!
//! Writes can be repeated: a replayed event finds its row. The column `shown` is no longer used.
//! Knows no event.

use crate::catalog::error::CatalogError;
use crate::catalog::open::Catalog;
use crate::catalog::record::BackupRow;
use crate::catalog::sql::{Upsert, values};

/// The row of one dump.
const OWN: &str = "WHERE id=? AND source=?";

impl Catalog {
    /// Notes that a dump began; what is known of it comes later.
    pub fn backup_started(&mut self, b: &BackupRow) -> Result<(), CatalogError> {
        let sql = self.dialect().upsert(&Upsert {
            table: "backup",
            keys: &["id", "source"],
            first: &[
                "job", "host", "server", "units", "name", "note", "started", "file", "chain",
                "created", "shown", "upload",
            ],
            always: &[],
        });
        let text = "";
        self.write(
            &sql,
            values![
                &b.id, &b.source, &b.job, &b.host, text, text, text, text, &b.started, &b.file,
                &b.chain, &b.started, text, 0
            ],
        )
    }

    /// Notes what is dumped, once the source said so.
    pub fn backup_named(&mut self, b: &BackupRow) -> Result<(), CatalogError> {
        let sql = format!("UPDATE backup SET server=?, units=?, name=?, started=? {OWN}");
        self.write(&sql, values![&b.server, &b.units, &b.name, &b.started, &b.id, &b.source])
    }

    /// Notes a dump that was read to its end; makes its row where there is none, and keeps the
    /// number of one there is.
    pub fn backup_read(&mut self, b: &BackupRow) -> Result<(), CatalogError> {
        let sql = self.dialect().upsert(&Upsert {
            table: "backup",
            keys: &["id", "source"],
            first: &["job", "host", "file", "chain", "created", "upload", "shown"],
            always: &[
                "server",
                "units",
                "name",
                "raw_bytes",
                "bytes",
                "started",
                "finished",
                "verdict",
                "note",
            ],
        });
        self.write(
            &sql,
            values![
                &b.id,
                &b.source,
                &b.job,
                &b.host,
                &b.file,
                &b.chain,
                &b.finished,
                0,
                "",
                &b.server,
                &b.units,
                &b.name,
                b.raw_bytes,
                b.bytes,
                &b.started,
                &b.finished,
                b.verdict,
                &b.note
            ],
        )?;
        self.backup_uploaded(&b.id, &b.source)
    }

    /// Notes a dump that a store holds and that nobody noted; one that was noted is known better
    /// than a store knows it.
    pub fn backup_found(&mut self, b: &BackupRow) -> Result<(), CatalogError> {
        let sql = format!("SELECT count(*) FROM backup {OWN} AND verdict IS NOT NULL");
        let known = self.query(&sql, values![&b.id, &b.source])?;
        if known.first().is_some_and(|row| row.int(0) > 0) { Ok(()) } else { self.backup_read(b) }
    }

    /// Notes that a dump failed: nothing is left of it. One with a copy that exists is a backup all
    /// the same.
    pub fn backup_failed(
        &mut self,
        id: &str,
        source: &str,
        at: &str,
        note: &str,
    ) -> Result<(), CatalogError> {
        let sql = format!(
            "UPDATE backup SET verdict=3, finished=coalesce(finished, ?), note=? {OWN} AND NOT EXISTS \
             (SELECT 1 FROM copy c WHERE c.id=backup.id AND c.source=backup.source AND c.verdict=1)"
        );
        self.write(&sql, values![at, note, id, source])
    }

    /// Notes the worst verdict of the copies of a backup; 0 where it has none.
    pub(super) fn backup_uploaded(&mut self, id: &str, source: &str) -> Result<(), CatalogError> {
        let sql = format!(
            "UPDATE backup SET upload=(SELECT coalesce(max(c.verdict), 0) FROM copy c \
             WHERE c.id=backup.id AND c.source=backup.source) {OWN}"
        );
        self.write(&sql, values![id, source])
    }
}
