//! Every query on artifacts, their copies and proofs, and on the stores they lie in, written once.
//!
//! Writes can be repeated: a replayed event finds its row and changes nothing.

use crate::catalog::error::CatalogError;
use crate::catalog::meta::LAST_PROOF;
use crate::catalog::open::Catalog;
use crate::catalog::record::{ArtifactRow, CopyRow, ProofRow};
use crate::catalog::sql::{Upsert, values};
use crate::catalog::value::{Row, Value};

impl Catalog {
    /// The name of the store at a place that holds a copy of an artifact, as its run called it.
    pub fn store_at(
        &mut self,
        (id, source): (&str, &str),
        place: &str,
    ) -> Result<Option<String>, CatalogError> {
        let sql = "SELECT store FROM copy WHERE id=? AND source=? AND place=? AND removed IS NULL";
        let rows = self.query(sql, values![id, source, place])?;
        Ok(rows.first().map(|row| row.text(0).to_owned()))
    }

    /// Notes an artifact.
    pub fn artifact(&mut self, a: &ArtifactRow) -> Result<(), CatalogError> {
        let sql = self.dialect().upsert(&Upsert {
            table: "artifact",
            keys: &["id", "source"],
            first: &[],
            always: &[
                "job",
                "kind",
                "server",
                "units",
                "name",
                "raw_bytes",
                "bytes",
                "row_count",
                "started",
                "finished",
                "position",
                "inconsistent",
                "file",
                "origin",
                "sign",
                "parent",
            ],
        });
        self.write(
            &sql,
            values![
                &a.id,
                &a.source,
                &a.job,
                &a.kind,
                &a.server,
                &a.units,
                &a.name,
                a.raw_bytes,
                a.bytes,
                a.rows,
                &a.started,
                &a.finished,
                &a.position,
                &a.inconsistent,
                &a.file,
                &a.origin,
                &a.sign,
                &a.parent
            ],
        )
    }

    /// Notes a copy; one that was removed and is there again is there.
    pub fn copy(&mut self, c: &CopyRow) -> Result<(), CatalogError> {
        let sql = self.dialect().upsert(&Upsert {
            table: "copy",
            keys: &["id", "source", "store"],
            first: &[],
            always: &[
                "place",
                "object_key",
                "bytes",
                "started",
                "finished",
                "verdict",
                "message",
                "bucket",
                "code",
                "removed",
            ],
        });
        self.write(
            &sql,
            values![
                &c.id,
                &c.source,
                &c.store,
                &c.place,
                &c.key,
                c.bytes,
                &c.started,
                &c.finished,
                c.verdict,
                &c.message,
                &c.bucket,
                &c.code,
                Value::Null
            ],
        )?;
        let sql = self.dialect().upsert(&Upsert {
            table: "upload",
            keys: &["id", "source", "store"],
            first: &["created"],
            always: &[],
        });
        self.write(&sql, values![&c.id, &c.source, &c.store, &c.finished])?;
        self.backup_uploaded(&c.id, &c.source)
    }

    /// Notes that a copy was removed.
    pub fn copy_removed(
        &mut self,
        id: &str,
        source: &str,
        store: &str,
        at: &str,
    ) -> Result<(), CatalogError> {
        let sql = "UPDATE copy SET removed=? WHERE id=? AND source=? AND store=?";
        self.write(sql, values![at, id, source, store])
    }

    /// Notes a proof, and which was noted last: pages look whether it is another.
    pub fn proof(&mut self, p: &ProofRow) -> Result<(), CatalogError> {
        let sql = self.dialect().upsert(&Upsert {
            table: "proof",
            keys: &["id", "source", "store", "at"],
            first: &[],
            always: &["level", "good", "damage"],
        });
        let row = values![&p.id, &p.source, &p.store, &p.at, &p.level, p.good, &p.damage];
        self.write(&sql, row)?;
        self.set_meta(LAST_PROOF, &format!("{} {} {}", p.at, p.id, p.store))
    }

    /// Notes the ID that a store has now; returns the one that it had before.
    pub fn place_seen(
        &mut self,
        place: &str,
        id: &str,
        at: &str,
    ) -> Result<Option<String>, CatalogError> {
        let found = self.query("SELECT id FROM place WHERE place=?", values![place])?;
        let sql = self.dialect().upsert(&Upsert {
            table: "place",
            keys: &["place"],
            first: &[],
            always: &["id", "seen"],
        });
        self.write(&sql, values![place, id, at])?;
        Ok(found.first().map(|row| row.text(0).to_owned()))
    }

    /// Marks the copies of a job that are not among `present` (artifact, source, store) as removed;
    /// nothing is forgotten. A copy of which something is among `unread` (store, key) is there.
    pub fn mark_absent(
        &mut self,
        job: (&str, &str),
        present: &[[&str; 3]],
        unread: &[(String, String)],
        at: &str,
    ) -> Result<(), CatalogError> {
        for [id, source, store, _] in self.absent(job, present, unread)? {
            self.copy_removed(&id, &source, &store, at)?;
        }
        Ok(())
    }

    /// The copies of a job (artifact, source, store, key) that should be there and are not among
    /// `present`, nor in part among `unread`.
    pub fn absent(
        &mut self,
        (file, job): (&str, &str),
        present: &[[&str; 3]],
        unread: &[(String, String)],
    ) -> Result<Vec<[String; 4]>, CatalogError> {
        let sql = "SELECT c.id, c.source, c.store, c.object_key FROM copy c JOIN artifact a ON a.id=c.id AND \
                   a.source=c.source WHERE a.job=? AND a.file IN ('', ?) AND c.removed IS NULL AND c.verdict=1";
        let rows = self.query(sql, values![job, file])?;
        let is_there = |row: &&Row| {
            let [id, source, store, key] = [0, 1, 2, 3].map(|column| row.text(column));
            present.contains(&[id, source, store])
                || unread.iter().any(|(s, k)| s == store && k.starts_with(key))
        };
        let absent = rows.iter().filter(|row| !is_there(row));
        Ok(absent.map(|row| [0, 1, 2, 3].map(|column| row.text(column).to_owned())).collect())
    }

    /// Numbers of runs, artifacts, copies and proofs.
    pub fn counts(&mut self) -> Result<[u64; 4], CatalogError> {
        let mut counts = [0; 4];
        for (count, table) in counts.iter_mut().zip(["run", "artifact", "copy", "proof"]) {
            let rows = self.query(&format!("SELECT count(*) FROM {table}"), &[])?;
            *count = rows.first().map_or(0, |row| row.int(0) as u64);
        }
        Ok(counts)
    }
}
