//! What an instance tells of itself and of its backups: the questions, and what their answers mean.
//!
//! Knows views, not programs. Times are asked for in UTC.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::artifact::{Holds, LogRange, PieceLine};
use crate::base::Stop;
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::oracle::instance::Instance;
use crate::source::program::Private;

/// A column of the views as UTC.
macro_rules! utc {
    ($column:literal) => {
        concat!(
            "TO_CHAR(SYS_EXTRACT_UTC(FROM_TZ(CAST(",
            $column,
            " AS TIMESTAMP), TO_CHAR(SYSTIMESTAMP, 'TZH:TZM'))), 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
        )
    };
}

/// Which database this is and how it stands.
const DATABASE: &str = "SELECT d.dbid||CHR(9)||d.name||CHR(9)||d.log_mode||CHR(9)||d.open_mode||CHR(9)||d.database_role||CHR(9)||d.resetlogs_change#||CHR(9)||i.host_name||CHR(9)||i.version||CHR(9)||CASE d.open_mode WHEN 'READ WRITE' THEN d.current_scn ELSE d.checkpoint_change# END FROM v$database d, v$instance i";

/// How far the instance is started.
const STATUS: &str = "SELECT status||CHR(9)||host_name FROM v$instance";

/// What RMAN was configured to.
const CONFIGURATION: &str = "SELECT name||CHR(9)||value FROM v$rman_configuration";

/// Bytes of the data files.
const SIZE: &str = "SELECT NVL(SUM(bytes), 0) FROM v$datafile";

/// The recovery area.
const AREA: &str = "SELECT name||CHR(9)||space_limit||CHR(9)||space_used||CHR(9)||space_reclaimable FROM v$recovery_file_dest";

/// How long the control file remembers backups, in days.
const REMEMBERS: &str =
    "SELECT value FROM v$parameter WHERE name = 'control_file_record_keep_time'";

/// Where the control files of the instance are, or will be.
const CONTROL_FILES: &str = "SELECT value FROM v$parameter WHERE name = 'control_files'";

/// Pieces that RMAN knows and counts as there, by a part of their names.
const HANDLES: &str = "SELECT handle FROM v$backup_piece WHERE status = 'A' AND INSTR(handle, '";

/// A backup set, by its stamp and count.
type Set = (String, String);

/// Which database, and how it stands.
#[derive(Debug, Clone)]
pub struct Database {
    /// Its identifier.
    pub dbid: u64,
    /// Its name.
    pub name: String,
    /// Whether it archives its logs.
    pub archives: bool,
    /// `READ WRITE`, `MOUNTED`.
    pub open_mode: String,
    /// `PRIMARY`, `PHYSICAL STANDBY`.
    pub role: String,
    /// SCN of the RESETLOGS that began its incarnation.
    pub resetlogs: u64,
    /// Where it runs.
    pub host: String,
    /// Version of the software.
    pub version: String,
    /// The SCN that all data files have reached which a backup that begins now has to recover: those
    /// that are read-only, offline or of a closed pluggable database stand at an older one.
    pub scn: u64,
}

/// What RMAN was configured to.
#[derive(Debug, Clone, Default)]
pub struct Configuration {
    /// Whether the control file is backed up with every backup.
    pub autobackup: bool,
    /// What keeps archived logs from being deleted, if anything does.
    pub policy: Option<String>,
}

/// The recovery area.
#[derive(Debug, Clone)]
pub struct Area {
    /// Its folder.
    pub name: String,
    /// Bytes it may have.
    pub limit: u64,
    /// Bytes it has, without those that can be reclaimed.
    pub used: u64,
}

/// Asks one instance, with a private folder for the scripts.
pub struct Asking<'a> {
    /// The instance.
    pub instance: &'a Instance,
    /// Where scripts are.
    pub private: &'a Private,
    /// Stops it.
    pub stop: &'a Stop,
}

impl Asking<'_> {
    fn rows(&self, what: &str, sql: &str) -> Result<Vec<Vec<String>>> {
        self.instance.ask(what, sql, self.private, self.stop)
    }

    fn strange(&self, what: &str, row: &[String]) -> Error {
        let doing = format!("ask {} for {what}", self.instance.place());
        Error::new(ErrorKind::Failed, doing, format!("the answer is {:?}", row.join(" ")))
    }

    /// Which database it is.
    pub fn database(&self) -> Result<Database> {
        let what = "its database";
        let rows = self.rows(what, DATABASE)?;
        let [row] = rows.as_slice() else { return Err(self.strange(what, &rows.concat())) };
        let [dbid, name, log_mode, open_mode, role, resetlogs, host, version, scn] = row.as_slice()
        else {
            return Err(self.strange(what, row));
        };
        let number = |text: &String| text.parse::<u64>().map_err(|_| self.strange(what, row));
        Ok(Database {
            dbid: number(dbid)?,
            name: name.clone(),
            archives: log_mode == "ARCHIVELOG",
            open_mode: open_mode.clone(),
            role: role.clone(),
            resetlogs: number(resetlogs)?,
            host: host.clone(),
            version: version.clone(),
            scn: number(scn)?,
        })
    }

    /// How far the instance is started: `OPEN`, `MOUNTED`, `STARTED`; `None` if it is not.
    pub fn status(&self) -> Result<Option<String>> {
        match self.rows("its status", STATUS) {
            Ok(rows) => Ok(rows.into_iter().flatten().next()),
            // ORA-01034, ORA-27101.
            Err(error) if error.kind == ErrorKind::Unreachable => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What RMAN was configured to; what nobody configured is not there.
    pub fn configuration(&self) -> Result<Configuration> {
        let mut found = Configuration::default();
        for row in self.rows("the configuration of RMAN", CONFIGURATION)? {
            let [name, value] = row.as_slice() else { continue };
            match name.as_str() {
                "CONTROLFILE AUTOBACKUP" => found.autobackup = value == "ON",
                "ARCHIVELOG DELETION POLICY" => {
                    found.policy = Some(value.clone()).filter(|value| value != "TO NONE");
                }
                _ => {}
            }
        }
        Ok(found)
    }

    fn number(&self, what: &str, sql: &str) -> Result<u64> {
        let rows = self.rows(what, sql)?;
        let first = rows.first().and_then(|row| row.first());
        first.and_then(|text| text.parse().ok()).ok_or_else(|| self.strange(what, &rows.concat()))
    }

    /// Bytes of the data files.
    pub fn size(&self) -> Result<u64> {
        self.number("the size of its data files", SIZE)
    }

    /// How many days the control file remembers backups.
    pub fn remembers(&self) -> Result<u64> {
        self.number("how long it remembers backups", REMEMBERS)
    }

    /// The recovery area, if there is one.
    pub fn area(&self) -> Result<Option<Area>> {
        let rows = self.rows("its recovery area", AREA)?;
        let Some(row) = rows.first() else { return Ok(None) };
        let [name, limit, used, reclaimable] = row.as_slice() else { return Ok(None) };
        let number = |text: &String| text.parse::<u64>().unwrap_or(0);
        let used = number(used).saturating_sub(number(reclaimable));
        Ok(Some(Area { name: name.clone(), limit: number(limit), used })
            .filter(|area| !area.name.is_empty()))
    }

    /// Pieces that RMAN knows and counts as there, whose names have this part.
    pub fn handles(&self, part: &str) -> Result<Vec<String>> {
        let sql = format!("{HANDLES}{}') > 0 ORDER BY handle", part.replace('\'', "''"));
        Ok(self.rows("the pieces it knows", &sql)?.into_iter().flatten().collect())
    }

    /// Where the control files of the instance are, or will be.
    pub fn control_files(&self) -> Result<Vec<String>> {
        let rows = self.rows("its control files", CONTROL_FILES)?;
        let all = rows.iter().flatten().flat_map(|value| value.split(','));
        Ok(all.map(|path| path.trim().to_owned()).filter(|path| !path.is_empty()).collect())
    }

    /// The keys of the backup sets that RMAN knows and counts as there, whose pieces have names of
    /// this part.
    pub fn sets(&self, part: &str) -> Result<Vec<u64>> {
        let what = "the backup sets it knows";
        let sql = format!(
            "SELECT DISTINCT s.recid FROM v$backup_set s, v$backup_piece p WHERE p.set_stamp = s.set_stamp AND p.set_count = s.set_count AND p.status = 'A' AND INSTR(p.handle, '{}') > 0 ORDER BY s.recid",
            part.replace('\'', "''")
        );
        let rows = self.rows(what, &sql)?;
        let number = |text: &String| text.parse().map_err(|_| self.strange(what, &rows.concat()));
        rows.iter().flatten().map(number).collect()
    }

    /// What the pieces of a run hold, by their handles; of logs, those of an incarnation. `database`
    /// is as it was before the run.
    pub fn pieces(
        &self,
        part: &str,
        database: &Database,
    ) -> Result<BTreeMap<String, (u64, PieceLine)>> {
        let own = format!("p.status = 'A' AND INSTR(p.handle, '{}') > 0", part.replace('\'', "''"));
        let sql = format!(
            "SELECT p.handle||CHR(9)||p.tag||CHR(9)||p.bytes||CHR(9)||p.set_stamp||CHR(9)||p.set_count FROM v$backup_piece p WHERE {own}"
        );
        let mut sets: BTreeMap<Set, Vec<(String, u64, String)>> = BTreeMap::new();
        for row in self.rows("the pieces of the backup", &sql)? {
            let [handle, tag, bytes, stamp, count] = row.as_slice() else {
                return Err(self.strange("the pieces of the backup", &row));
            };
            let bytes = bytes.parse().unwrap_or(0);
            let set = sets.entry((stamp.clone(), count.clone())).or_default();
            set.push((handle.clone(), bytes, tag.clone()));
        }
        let (data, mut logs) =
            (self.data(&own, database.scn)?, self.logs(&own, database.resetlogs)?);
        let mut found = BTreeMap::new();
        for (set, pieces) in sets {
            let logs = logs.remove(&set);
            let data = data.get(&set);
            for (handle, bytes, tag) in pieces {
                let name = handle.rsplit_once('/').map_or(handle.as_str(), |(_, n)| n).to_owned();
                let line = line((name, tag), data, logs.as_deref());
                found.insert(handle, (bytes, line));
            }
        }
        Ok(found)
    }

    /// Of each set, what it holds of data files. Recovery begins with the least SCN of those that
    /// reached `reached`: files that nobody writes need no log. Of a file that was added since, all
    /// blocks are there, and what it holds adds to nothing.
    fn data(&self, own: &str, reached: u64) -> Result<BTreeMap<Set, Data>> {
        let sql = format!(
            "SELECT d.set_stamp||CHR(9)||d.set_count||CHR(9)||MAX(d.file#)||CHR(9)||NVL(MAX(d.incremental_level), 0)||CHR(9)||MAX(CASE WHEN d.incremental_change# > d.creation_change# THEN d.incremental_change# ELSE 0 END)||CHR(9)||NVL(MIN(CASE WHEN d.checkpoint_change# >= {reached} THEN d.checkpoint_change# END), 0)||CHR(9)||MAX(d.checkpoint_change#)||CHR(9)||MAX(GREATEST(d.checkpoint_change#, NVL(d.absolute_fuzzy_change#, 0)))||CHR(9)||MAX({}) FROM v$backup_datafile d WHERE EXISTS (SELECT 1 FROM v$backup_piece p WHERE p.set_stamp = d.set_stamp AND p.set_count = d.set_count AND {own}) GROUP BY d.set_stamp, d.set_count",
            utc!("d.completion_time")
        );
        let what = "the data files of the backup";
        let (mut found, mut newest) = (BTreeMap::new(), 0);
        for row in self.rows(what, &sql)? {
            let [stamp, count, numbers @ .., at] = row.as_slice() else {
                return Err(self.strange(what, &row));
            };
            let numbers: Vec<u64> = numbers.iter().filter_map(|n| n.parse().ok()).collect();
            let (&[file, level, from, start, last, to], Ok(at)) = (numbers.as_slice(), at.parse())
            else {
                return Err(self.strange(what, &row));
            };
            // File 0 is the control file.
            let data = Data { is_control: file == 0, level: level as u8, from, start, to, at };
            newest = if data.is_control { newest } else { newest.max(last) };
            found.insert((stamp.clone(), count.clone()), data);
        }
        let starts = found.values().filter(|d| !d.is_control && d.start > 0).map(|d| d.start);
        let start = starts.min().unwrap_or(newest);
        for data in found.values_mut().filter(|data| !data.is_control && data.start == 0) {
            // Of none of its files is there anything to recover.
            data.start = start;
        }
        Ok(found)
    }

    /// Of each set, the archived logs of an incarnation that it holds: sequences begin anew with
    /// each.
    fn logs(&self, own: &str, resetlogs: u64) -> Result<BTreeMap<Set, Vec<LogRange>>> {
        let sql = format!(
            "SELECT r.set_stamp||CHR(9)||r.set_count||CHR(9)||r.thread#||CHR(9)||r.sequence#||CHR(9)||r.first_change#||CHR(9)||r.next_change#||CHR(9)||r.resetlogs_change#||CHR(9)||{} FROM v$backup_redolog r WHERE EXISTS (SELECT 1 FROM v$backup_piece p WHERE p.set_stamp = r.set_stamp AND p.set_count = r.set_count AND {own}) ORDER BY r.thread#, r.sequence#",
            utc!("r.next_time")
        );
        let what = "the archived logs of the backup";
        let mut found: BTreeMap<Set, Vec<LogRange>> = BTreeMap::new();
        for row in self.rows(what, &sql)? {
            let [stamp, count, numbers @ .., until] = row.as_slice() else {
                return Err(self.strange(what, &row));
            };
            let numbers: Vec<u64> = numbers.iter().filter_map(|n| n.parse().ok()).collect();
            let (&[thread, sequence, from, to, began], Ok(until)) =
                (numbers.as_slice(), until.parse())
            else {
                return Err(self.strange(what, &row));
            };
            let thread = thread as u32;
            let own = found.entry((stamp.clone(), count.clone())).or_default();
            if began != resetlogs {
                continue;
            }
            match own.last_mut() {
                Some(last) if last.thread == thread && last.last + 1 == sequence => {
                    (last.last, last.to, last.until) = (sequence, to, until);
                }
                _ => {
                    own.push(LogRange { thread, first: sequence, last: sequence, from, to, until })
                }
            }
        }
        Ok(found)
    }
}

/// What a set holds of data files.
struct Data {
    is_control: bool,
    level: u8,
    from: u64,
    start: u64,
    to: u64,
    at: Timestamp,
}

fn line(
    (name, tag): (String, String),
    data: Option<&Data>,
    logs: Option<&[LogRange]>,
) -> PieceLine {
    let blank = PieceLine {
        name,
        tag,
        holds: Holds::Control,
        level: None,
        from: 0,
        start: 0,
        to: 0,
        at: None,
        logs: Vec::new(),
        plain: None,
    };
    match (data, logs) {
        (_, Some(logs)) => {
            let (from, to) = (logs.iter().map(|l| l.from).min(), logs.iter().map(|l| l.to).max());
            PieceLine {
                holds: Holds::Logs,
                from: from.unwrap_or_default(),
                to: to.unwrap_or_default(),
                at: logs.iter().map(|l| l.until).max(),
                logs: logs.to_vec(),
                ..blank
            }
        }
        (Some(data), None) if !data.is_control => PieceLine {
            holds: Holds::Data,
            level: Some(data.level),
            from: data.from,
            start: data.start,
            to: data.to,
            at: Some(data.at),
            ..blank
        },
        (Some(data), None) => PieceLine { to: data.to, at: Some(data.at), ..blank },
        (None, None) => blank,
    }
}
