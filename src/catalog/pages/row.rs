//! A backup as pages have it, and the columns that it is made of.

use crate::catalog::value::Row;

/// A backup as lists and details have it. Moments are RFC 3339 UTC; verdicts 1, 2, 3.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListedBackup {
    /// Its number in the catalog, which is the `id` of `backup_log`.
    pub number: i64,
    /// Identity of the run.
    pub id: String,
    /// What its artifact is of.
    pub chain: String,
    /// The source as the job file names it.
    pub source: String,
    /// The job.
    pub job: String,
    /// The job file.
    pub file: String,
    /// The machine.
    pub host: String,
    /// Version of the server.
    pub server: String,
    /// Its databases, comma-joined.
    pub units: String,
    /// Its name.
    pub name: String,
    /// Bytes before compression.
    pub raw_bytes: u64,
    /// Bytes of the container.
    pub bytes: u64,
    /// When it began.
    pub started: String,
    /// When it ended; `None` while it runs.
    pub finished: Option<String>,
    /// How well; `None` while it runs.
    pub verdict: Option<u8>,
    /// Why it failed, or what to look at.
    pub note: String,
    /// The worst verdict of its copies; `None` where there is no copy.
    pub upload: Option<u8>,
}

/// The columns of a `ListedBackup`, of `backup` called `b`.
pub const BACKUP: &str = "b.number, b.id, b.source, b.chain, b.job, b.file, b.host, b.server, b.units, b.name, \
     b.raw_bytes, b.bytes, b.started, b.finished, b.verdict, b.note, b.upload";

/// A row of those columns.
pub fn backup(row: &Row) -> ListedBackup {
    let chain = row.text(2).to_owned();
    let source = match row.text(3) {
        "" => chain.clone(),
        named => named.to_owned(),
    };
    ListedBackup {
        number: row.int(0),
        id: row.text(1).to_owned(),
        chain,
        source,
        job: row.text(4).to_owned(),
        file: row.text(5).to_owned(),
        host: row.text(6).to_owned(),
        server: row.text(7).to_owned(),
        units: row.text(8).to_owned(),
        name: row.text(9).to_owned(),
        raw_bytes: row.int(10).max(0) as u64,
        bytes: row.int(11).max(0) as u64,
        started: row.text(12).to_owned(),
        finished: row.opt_text(13).map(str::to_owned),
        verdict: row.opt_int(14).and_then(|v| u8::try_from(v).ok()),
        note: row.text(15).to_owned(),
        upload: row.opt_int(16).and_then(|v| u8::try_from(v).ok()).filter(|v| *v > 0),
    }
}
