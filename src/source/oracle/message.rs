//! What RMAN says, by its message codes: the table that judges a run of it.
//!
//! RMAN runs with `msgno`, so that every line begins with its code; texts are translated and never
//! matched. Invariants: exit code 0 is no success, and a stack of errors is a failure whatever the
//! exit code was; a code that is in no row is an error where it stands in a stack.

use std::sync::Mutex;

use crate::base::NativeCode;
use crate::source::contract::{Error, ErrorKind, Hear, Result};

/// Lines of a stack that are kept.
const MOST: usize = 40;

/// Lines that begin a stack.
const STACK: [&str; 2] = ["RMAN-00569", "RMAN-00571"];

/// Codes that tell of a piece: its handle, and with the first the tag.
const PIECES: [&str; 2] = ["RMAN-08530", "RMAN-08503"];

/// Warnings that stand outside of a stack, with what they mean.
pub const WARNINGS: [(&str, &str); 9] = [
    ("RMAN-08120", "an archived log stays: no standby has applied it yet"),
    ("RMAN-08137", "an archived log stays: a standby or a capture process needs it"),
    ("RMAN-08138", "an archived log stays: it needs more backups"),
    ("RMAN-08591", "the deletion policy of archived logs is not valid"),
    ("RMAN-06207", "objects could not be deleted, for their state is another"),
    ("RMAN-06208", "an object could not be deleted, for its state is another"),
    ("RMAN-08317", "a channel failed, and its work was done by another"),
    ("RMAN-07538", "a piece is not what the control file says"),
    ("RMAN-06900", "the output of RMAN could not be kept in the control file"),
];

/// Errors, with their kind and what to do; the last line of a stack that has a row here decides.
pub const ERRORS: [(&str, ErrorKind, &str); 46] = [
    ("RMAN-00554", ErrorKind::Denied, "RMAN could not be started; see the lines below it."),
    ("RMAN-04005", ErrorKind::Denied, "RMAN could not connect; see the lines below it."),
    ("ORA-01031", ErrorKind::Denied, "Run vex as a user of the group dba, such as oracle."),
    ("ORA-01017", ErrorKind::Denied, "Run vex as a user of the group dba, such as oracle."),
    ("ORA-12162", ErrorKind::Denied, "ORACLE_SID is not set: write `sid=` in the source."),
    (
        "ORA-12547",
        ErrorKind::Unreachable,
        "The program `oracle` of ORACLE_HOME does not start: check its owner and rights.",
    ),
    ("ORA-01034", ErrorKind::Unreachable, "The instance is not started: start it."),
    (
        "ORA-27101",
        ErrorKind::Unreachable,
        "No instance of this name runs here: check `sid=` and `home=`.",
    ),
    ("ORA-01507", ErrorKind::Refused, "The database is not mounted: mount or open it."),
    (
        "ORA-01103",
        ErrorKind::Refused,
        "The instance is for a database of another name: start it with the DB_NAME of the one that was backed up.",
    ),
    ("ORA-01109", ErrorKind::Refused, "The database is not open: open it."),
    (
        "ORA-00257",
        ErrorKind::Full,
        "No room for archived logs: make room in the recovery area, or enlarge DB_RECOVERY_FILE_DEST_SIZE.",
    ),
    (
        "ORA-19809",
        ErrorKind::Full,
        "The recovery area is full: enlarge DB_RECOVERY_FILE_DEST_SIZE, or let a backup delete archived logs.",
    ),
    (
        "ORA-19804",
        ErrorKind::Full,
        "The recovery area is full: enlarge DB_RECOVERY_FILE_DEST_SIZE, or let a backup delete archived logs.",
    ),
    (
        "ORA-19815",
        ErrorKind::Full,
        "The recovery area is nearly full: enlarge DB_RECOVERY_FILE_DEST_SIZE.",
    ),
    ("ORA-27072", ErrorKind::Full, "A disk could not be written: look for its room and its state."),
    (
        "ORA-19502",
        ErrorKind::Full,
        "A piece could not be written: make room in the staging folder.",
    ),
    (
        "ORA-19504",
        ErrorKind::Denied,
        "A piece could not be created: the user of the server must be able to write in the staging folder.",
    ),
    (
        "ORA-27040",
        ErrorKind::Denied,
        "A file could not be created: the user of the server must be able to write in the staging folder.",
    ),
    (
        "ORA-19566",
        ErrorKind::Damaged,
        "Corrupt blocks: see V$DATABASE_BLOCK_CORRUPTION, and recover them with RECOVER … BLOCK.",
    ),
    ("ORA-01578", ErrorKind::Damaged, "A corrupt block: see V$DATABASE_BLOCK_CORRUPTION."),
    (
        "ORA-19599",
        ErrorKind::Damaged,
        "A piece or file holds corrupt blocks: take another copy of the backup.",
    ),
    (
        "ORA-19870",
        ErrorKind::Damaged,
        "A piece could not be read: take another copy of the backup.",
    ),
    (
        "ORA-19612",
        ErrorKind::Damaged,
        "A data file was not restored: a piece misses or is damaged.",
    ),
    ("ORA-19505", ErrorKind::Missing, "A file could not be opened: it is not where RMAN was told."),
    ("ORA-27037", ErrorKind::Missing, "A file is not there, or may not be seen."),
    (
        "ORA-19625",
        ErrorKind::Missing,
        "An archived log or data file is not there: if a log was removed by hand, run CROSSCHECK ARCHIVELOG ALL and take a full backup.",
    ),
    (
        "RMAN-06059",
        ErrorKind::Missing,
        "An archived log is not there: the chain of logs has a hole. Run CROSSCHECK ARCHIVELOG ALL, and take a full backup.",
    ),
    (
        "RMAN-06149",
        ErrorKind::Refused,
        "The database is in NOARCHIVELOG mode: mount it, and ALTER DATABASE ARCHIVELOG.",
    ),
    (
        "ORA-19602",
        ErrorKind::Refused,
        "An open database can't be backed up in NOARCHIVELOG mode: mount it, and ALTER DATABASE ARCHIVELOG.",
    ),
    ("RMAN-06403", ErrorKind::Unreachable, "RMAN got no session at the database."),
    ("RMAN-10038", ErrorKind::Unreachable, "A session of a channel was lost."),
    ("ORA-03113", ErrorKind::Unreachable, "The server ended the session: see its alert log."),
    ("ORA-03114", ErrorKind::Unreachable, "The session is gone: see the alert log of the server."),
    (
        "ORA-00245",
        ErrorKind::Refused,
        "The control file can't be copied: in a cluster its snapshot belongs on a shared disk (CONFIGURE SNAPSHOT CONTROLFILE NAME).",
    ),
    (
        "RMAN-06023",
        ErrorKind::Missing,
        "No backup of a data file is known: a piece misses, or is of another incarnation.",
    ),
    ("RMAN-06026", ErrorKind::Missing, "Some data files were not found: pieces are missing."),
    (
        "RMAN-06025",
        ErrorKind::Missing,
        "No backup of an archived log is known: a piece of logs misses.",
    ),
    (
        "RMAN-06054",
        ErrorKind::Missing,
        "Recovery wants a log that nobody has: restore to a moment before it with --until.",
    ),
    (
        "RMAN-06053",
        ErrorKind::Missing,
        "Recovery wants a log that nobody has: restore to a moment before it with --until.",
    ),
    (
        "RMAN-06172",
        ErrorKind::Missing,
        "The piece of the control file is not one, or is not readable.",
    ),
    (
        "RMAN-06189",
        ErrorKind::Refused,
        "The database of the instance is another than that of the backup (DBID).",
    ),
    (
        "RMAN-20208",
        ErrorKind::Refused,
        "The moment is before the last RESETLOGS: the backup is of another incarnation.",
    ),
    ("ORA-19910", ErrorKind::Refused, "The logs are of another incarnation than the backup."),
    (
        "ORA-01152",
        ErrorKind::Refused,
        "A data file is newer than the moment: logs are missing after the backup.",
    ),
    (
        "ORA-01547",
        ErrorKind::Refused,
        "Recovery ended before the data files were of one moment: logs are missing after the backup.",
    ),
];

/// A piece that RMAN wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The path of its file.
    pub handle: String,
}

/// Listens to one run of RMAN.
pub struct Ear {
    hear: Hear,
    /// Guards what was kept so far.
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    in_stack: bool,
    stack: Vec<String>,
    warnings: Vec<String>,
}

impl Ear {
    /// Hands every line on to `hear`.
    pub fn new(hear: Hear) -> Ear {
        Ear { hear, kept: Mutex::default() }
    }

    /// Takes a line; tells of a piece that is complete.
    pub fn push(&self, line: &str) -> Option<Told> {
        if line.is_empty() {
            return None;
        }
        (self.hear)(line);
        let code = code(line).unwrap_or_default();
        let mut kept = self.kept.lock().expect("no panic while locked");
        if STACK.contains(&code) {
            kept.in_stack = true;
            return None;
        }
        if (kept.in_stack || is_error(code)) && !code.is_empty() && kept.stack.len() < MOST {
            kept.stack.push(line.to_owned());
            return None;
        }
        if WARNINGS.iter().any(|(own, _)| *own == code) && !kept.warnings.iter().any(|w| w == line)
        {
            kept.warnings.push(line.to_owned());
        }
        PIECES.contains(&code).then(|| piece(line)).flatten()
    }

    /// The warnings so far.
    pub fn warnings(&self) -> Vec<String> {
        self.kept.lock().expect("no panic while locked").warnings.clone()
    }

    /// The error that was said, if any was, however RMAN ended.
    pub fn judge(&self, doing: &str) -> Result<()> {
        let kept = self.kept.lock().expect("no panic while locked");
        if kept.stack.is_empty() && !kept.in_stack {
            return Ok(());
        }
        Err(of_stack(doing, &kept.stack))
    }
}

/// The error of a stack: its last line that has a row is the cause, else its last line.
pub fn of_stack(doing: &str, stack: &[String]) -> Error {
    let row = |line: &String| {
        let own = code(line)?;
        ERRORS.iter().find(|(code, ..)| *code == own).copied()
    };
    let found = if stack.is_empty() { "it said no reason".to_owned() } else { stack.join(" / ") };
    let Some((code, kind, hint)) = stack.iter().rev().find_map(row) else {
        return Error::new(ErrorKind::Failed, doing, found);
    };
    let mut error = Error::new(kind, doing, found).hint(hint);
    error.native = code.rsplit_once('-').and_then(|(_, n)| n.parse().ok()).map(NativeCode::Number);
    error
}

/// The code that a line begins with: `RMAN-06023`, `ORA-19870`.
pub fn code(line: &str) -> Option<&str> {
    let (name, rest) = line.trim_start().split_once('-')?;
    let digits = rest.get(..5).filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
    let is_known = matches!(name, "RMAN" | "ORA");
    let line = line.trim_start();
    is_known.then(|| &line[..name.len() + 1 + digits.len()])
}

/// Whether a code is an error wherever it stands: all of the server, and those of the table.
fn is_error(code: &str) -> bool {
    code.starts_with("ORA-") || ERRORS.iter().any(|(own, ..)| *own == code)
}

/// The path of the piece that a line tells of; it may hold blanks, so it is read from the right.
fn piece(line: &str) -> Option<Told> {
    let (_, rest) = line.split_once("handle=")?;
    let (rest, _) = rest.rsplit_once(" comment=")?;
    let handle = rest.rsplit_once(" tag=").map_or(rest, |(handle, _)| handle);
    Some(Told { handle: handle.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn ear() -> Ear {
        Ear::new(Arc::new(|_: &str| {}))
    }

    #[test]
    fn pieces_are_heard_with_blanks_in_their_names_and_tags() {
        let ear = ear();
        for (line, wanted) in [
            (
                "RMAN-08530: piece handle=/s/a_1_1 tag=TAG20220228T155757 comment=NONE",
                Some("/s/a_1_1"),
            ),
            ("RMAN-08530: piece handle=/s/a b_1_1 tag=DB LEVEL 0 comment=NONE", Some("/s/a b_1_1")),
            (
                "RMAN-08503: piece handle=/s/c-1-20250802-00 comment=NONE",
                Some("/s/c-1-20250802-00"),
            ),
            ("RMAN-08044: channel vex1: finished piece 1 at 2025-08-02 05:00:07", None),
            ("piece handle=/s/a_1_1 tag=X comment=NONE", None),
        ] {
            assert_eq!(ear.push(line).map(|t| t.handle).as_deref(), wanted, "{line}");
        }
        ear.judge("x").expect("no error");
    }

    #[test]
    fn every_row_is_judged_in_a_stack_and_a_warning_is_none() {
        for (code, kind, hint) in ERRORS {
            let ear = ear();
            for line in [
                "RMAN-00571: ===========================================================",
                "RMAN-00569: =============== ERROR MESSAGE STACK FOLLOWS ===============",
                "RMAN-00571: ===========================================================",
                "RMAN-03002: failure of backup command at 08/02/2025 05:00:07",
                &format!("{code}: palavras de outra língua"),
            ] {
                assert_eq!(ear.push(line), None);
            }
            let error = ear.judge("back up FIN").expect_err(code);
            assert_eq!((error.kind, error.hint.as_deref()), (kind, Some(hint)), "{code}");
            assert!(error.found.contains("RMAN-03002") && error.found.contains(code), "{error}");
        }
        for (code, _) in WARNINGS {
            let ear = ear();
            ear.push(&format!("{code}: aviso: log arquivado não eliminado"));
            ear.judge("x").expect("a warning is no error");
            assert_eq!(ear.warnings().len(), 1, "{code}");
        }
        // One that no row knows, and a stack that ends in the middle.
        let ear = ear();
        ear.push("RMAN-00569: =============== ERROR MESSAGE STACK FOLLOWS ===============");
        assert!(ear.judge("x").is_err());
        ear.push("RMAN-99999: nobody knows");
        assert_eq!(ear.judge("x").expect_err("an error").kind, ErrorKind::Failed);
        // The server's own errors count without a stack.
        let ear = self::ear();
        ear.push("ORA-03113: end-of-file on communication channel");
        assert_eq!(ear.judge("x").expect_err("an error").kind, ErrorKind::Unreachable);
    }
}
