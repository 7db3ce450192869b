//! Every query on dumps that were tried: one row each, whatever became of them.
//!
//! Writes can be repeated: a replayed event finds its row. Knows no event.

use rusqlite::params;

use crate::catalog::open::{Catalog, CatalogError};
use crate::catalog::record::BackupRow;

/// The rows of one dump.
const OWN: &str = "WHERE id=?1 AND source=?2";

impl Catalog {
    /// Notes that a dump began; what is known of it comes later.
    pub fn backup_started(&mut self, b: &BackupRow) -> Result<(), CatalogError> {
        let sql = "INSERT INTO backup (id, source, job, host, started, file, chain) VALUES (?1,?2,?3,?4,?5,?6,?7) ON CONFLICT DO NOTHING";
        self.write(sql, params![b.id, b.source, b.job, b.host, b.started, b.file, b.chain])
    }

    /// Notes what is dumped, once the source said so.
    pub fn backup_named(&mut self, b: &BackupRow) -> Result<(), CatalogError> {
        let sql = format!("UPDATE backup SET server=?3, units=?4, name=?5, started=?6 {OWN}");
        self.write(&sql, params![b.id, b.source, b.server, b.units, b.name, b.started])
    }

    /// Notes a dump that was read to its end; makes its row where there is none, and keeps the
    /// number of one there is.
    pub fn backup_read(&mut self, b: &BackupRow) -> Result<(), CatalogError> {
        let sql = "INSERT INTO backup (id, source, job, host, server, units, name, raw_bytes, bytes, started, finished, \
                   verdict, note, file, chain) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15) ON CONFLICT (id, source) DO UPDATE SET \
                   server=excluded.server, units=excluded.units, name=excluded.name, raw_bytes=excluded.raw_bytes, \
                   bytes=excluded.bytes, started=excluded.started, finished=excluded.finished, verdict=excluded.verdict, \
                   note=excluded.note";
        let (raw, bytes) = (b.raw_bytes as i64, b.bytes as i64);
        self.write(
            sql,
            params![
                b.id, b.source, b.job, b.host, b.server, b.units, b.name, raw, bytes, b.started,
                b.finished, b.verdict, b.note, b.file, b.chain
            ],
        )
    }

    /// Notes a dump that a store holds and that nobody noted; one that was noted is known better
    /// than a store knows it.
    pub fn backup_found(&mut self, b: &BackupRow) -> Result<(), CatalogError> {
        let sql = format!("SELECT count(*) FROM backup {OWN} AND verdict IS NOT NULL");
        let known: i64 = self
            .connection
            .query_row(&sql, params![b.id, b.source], |row| row.get(0))
            .map_err(self.fail("read"))?;
        if known > 0 { Ok(()) } else { self.backup_read(b) }
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
            "UPDATE backup SET verdict=3, finished=coalesce(finished, ?3), note=?4 {OWN} AND NOT EXISTS (SELECT 1 FROM copy c \
             WHERE c.id=backup.id AND c.source=backup.source AND c.verdict=1)"
        );
        self.write(&sql, params![id, source, at, note])
    }
}
