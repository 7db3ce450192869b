//! The scripts that RMAN is given. Pure: the same values make the same text.
//!
//! Does not know how RMAN is run. Invariants: no persistent setting of the database is changed;
//! nothing but archived logs is deleted, and of these only what is backed up; a path that can't be
//! quoted never gets into a script.

use std::path::Path;

use crate::job::{Rman, RmanLevel};

/// What a backup is made of.
pub struct BackupScript<'a> {
    /// How RMAN works.
    pub rman: Rman,
    /// The level that is taken, which may be another than the one asked for.
    pub level: RmanLevel,
    /// The tag of the run.
    pub tag: &'a str,
    /// The folder of the pieces.
    pub folder: &'a Path,
    /// What the names of the pieces begin with.
    pub prefix: &'a str,
    /// Channels.
    pub channels: usize,
}

/// Backs up the data files, all archived logs, control file and spfile.
pub fn backup(ask: &BackupScript<'_>) -> String {
    let BackupScript { rman, level, tag, folder, prefix, channels } = ask;
    let place = folder.join(prefix);
    let place = place.display();
    let mut lines = vec![
        "RUN {".to_owned(),
        format!("  SET CONTROLFILE AUTOBACKUP FORMAT FOR DEVICE TYPE DISK TO '{place}%F';"),
    ];
    for number in 1..=*channels {
        let format = format!("DEVICE TYPE DISK FORMAT '{place}%U'");
        lines.push(format!("  ALLOCATE CHANNEL vex{number} {format};"));
    }
    let set = if rman.compressed { "AS COMPRESSED BACKUPSET " } else { "" };
    let cumulative = match (level, rman.cumulative) {
        (RmanLevel::Incremental, true) => " CUMULATIVE",
        (RmanLevel::Full | RmanLevel::Incremental, _) => "",
    };
    let section = rman
        .section_size
        .map_or(String::new(), |bytes| format!(" SECTION SIZE {}M", (bytes >> 20).max(1)));
    lines.push(format!(
        "  BACKUP {set}INCREMENTAL LEVEL {}{cumulative} CHECK LOGICAL{section} TAG '{tag}' DATABASE;",
        level.number()
    ));
    lines.push(format!("  BACKUP {set}TAG '{tag}' ARCHIVELOG ALL;"));
    lines.push("}".to_owned());
    ended(lines)
}

/// Removes archived logs that are older than a day and backed up. Where the database has a policy
/// of its own, which a standby may need, that decides, and only about what is backed up.
pub fn delete_logs(policy: bool) -> String {
    let rest = if policy { "" } else { " BACKED UP 1 TIMES TO DEVICE TYPE DISK" };
    ended(vec![format!("DELETE NOPROMPT ARCHIVELOG ALL COMPLETED BEFORE 'SYSDATE-1'{rest};")])
}

/// Has RMAN forget pieces that are in no store, so that no increment ever adds to them.
pub fn forget(handles: &[String]) -> String {
    ended(handles.iter().map(|h| format!("CHANGE BACKUPPIECE '{h}' UNCATALOG;")).collect())
}

/// Where a recovery ends; what is there is not part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// All that there is, and the online logs.
    Complete,
    /// Before a log.
    Sequence(u32, u64),
    /// Before an SCN.
    Scn(u64),
    /// Before a moment, in the clock of the database: `YYYY-MM-DD HH:MM:SS`.
    Time(String),
}

/// What a restore does.
pub struct RestoreScript<'a> {
    /// The folder of the pieces, which holds nothing else.
    pub folder: &'a Path,
    /// The database.
    pub dbid: u64,
    /// The piece of the control file and spfile, where the instance has none.
    pub control: Option<&'a str>,
    /// Whether the spfile comes back too.
    pub spfile: bool,
    /// Channels.
    pub channels: usize,
    /// Where recovery ends.
    pub end: End,
}

/// Brings a database back.
pub fn restore(ask: &RestoreScript<'_>) -> String {
    let RestoreScript { folder, dbid, control, spfile, channels, end } = ask;
    let place = folder.display();
    let mut lines = Vec::new();
    if let Some(control) = control {
        lines.push(format!("SET DBID {dbid};"));
        lines.push("STARTUP FORCE NOMOUNT;".to_owned());
        if *spfile {
            lines.push(format!("RESTORE SPFILE FROM '{place}/{control}';"));
            lines.push("STARTUP FORCE NOMOUNT;".to_owned());
        }
        lines.push(format!("RESTORE CONTROLFILE FROM '{place}/{control}';"));
        lines.push("ALTER DATABASE MOUNT;".to_owned());
    }
    lines.extend(catalogued(folder));
    lines.extend(begin_run(*channels, end));
    lines.push("  RESTORE DATABASE;".to_owned());
    lines.push("  RECOVER DATABASE;".to_owned());
    lines.push("}".to_owned());
    lines.push(match end {
        End::Complete => "ALTER DATABASE OPEN;".to_owned(),
        End::Sequence(..) | End::Scn(_) | End::Time(_) => "ALTER DATABASE OPEN RESETLOGS;".into(),
    });
    ended(lines)
}

/// Has RMAN know the pieces of a folder, and no others.
fn catalogued(folder: &Path) -> [String; 2] {
    // What the control file remembers of pieces that are gone would be read before those here.
    let catalog = format!("CATALOG START WITH '{}/' NOPROMPT;", folder.display());
    ["CROSSCHECK BACKUP;".to_owned(), catalog]
}

fn begin_run(channels: usize, end: &End) -> Vec<String> {
    let mut lines = vec!["RUN {".to_owned()];
    for number in 1..=channels {
        lines.push(format!("  ALLOCATE CHANNEL vex{number} DEVICE TYPE DISK;"));
    }
    match end {
        End::Complete => {}
        End::Sequence(thread, sequence) => {
            lines.push(format!("  SET UNTIL SEQUENCE {sequence} THREAD {thread};"));
        }
        End::Scn(scn) => lines.push(format!("  SET UNTIL SCN {scn};")),
        End::Time(moment) => {
            lines.push(format!("  SET UNTIL TIME \"TO_DATE('{moment}','YYYY-MM-DD HH24:MI:SS')\";"))
        }
    }
    lines
}

/// Starts a scratch instance, so that it can be asked where its control files go.
pub fn start_lab() -> String {
    ended(vec!["STARTUP NOMOUNT;".to_owned()])
}

/// Mounts the control file of a backup in a scratch instance, and has it know the pieces. `force`
/// stops what an earlier validation left mounted there.
pub fn mount_lab(folder: &Path, dbid: u64, control: &str, force: bool) -> String {
    let mut lines = vec![format!("SET DBID {dbid};")];
    if force {
        lines.push("STARTUP FORCE NOMOUNT;".to_owned());
    }
    lines.push(format!("RESTORE CONTROLFILE FROM '{}/{control}';", folder.display()));
    lines.push("ALTER DATABASE MOUNT;".to_owned());
    lines.extend(catalogued(folder));
    ended(lines)
}

/// Has RMAN read all that a restore would read, and every backup set by itself; writes no file.
pub fn validate(channels: usize, end: &End, sets: &[u64]) -> String {
    let mut lines = begin_run(channels, end);
    lines.push("  RESTORE DATABASE VALIDATE CHECK LOGICAL;".to_owned());
    let sets: Vec<String> = sets.iter().map(u64::to_string).collect();
    lines.push(format!("  VALIDATE BACKUPSET {} CHECK LOGICAL;", sets.join(", ")));
    lines.push("}".to_owned());
    ended(lines)
}

/// Leaves a scratch instance as it was found.
pub fn leave_lab(started: bool) -> String {
    let line = if started { "STARTUP FORCE NOMOUNT;" } else { "SHUTDOWN ABORT;" };
    ended(vec![line.to_owned()])
}

/// Whether a path can stand between the quotes of a script.
pub fn is_quotable(path: &Path) -> bool {
    path.to_str().is_some_and(|text| {
        !text.chars().any(|c| c.is_control() || matches!(c, '\'' | '"' | '%' | '?' | ';' | '#'))
    })
}

fn ended(mut lines: Vec<String>) -> String {
    lines.push("EXIT;".to_owned());
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOLDER: &str = "/stage";

    fn made(rman: Rman, level: RmanLevel) -> String {
        backup(&BackupScript {
            rman,
            level,
            tag: "VEX_20250802T050000Z_D4871358",
            folder: Path::new(FOLDER),
            prefix: "vex_fin_20250802T050000Z-d4871358_",
            channels: 2,
        })
    }

    #[test]
    fn the_scripts_are_those_that_were_written_down() {
        let plain = Rman::default();
        let all = Rman { cumulative: true, compressed: true, section_size: Some(2 << 30), ..plain };
        let mut text = String::new();
        for (title, script) in [
            ("FULL", made(plain, RmanLevel::Full)),
            ("INCREMENTAL", made(plain, RmanLevel::Incremental)),
            ("INCREMENTAL cumulative compressed in sections", made(all, RmanLevel::Incremental)),
            ("archived logs", delete_logs(false)),
            ("archived logs, with a policy of the database", delete_logs(true)),
            ("forget", forget(&["/stage/a_1_1".into(), "/stage/b_1_1".into()])),
            ("restore, mounted, complete", restored(None, false, End::Complete)),
            ("restore, instance gone", restored(Some("c"), true, End::Sequence(1, 8))),
            ("restore to an SCN", restored(None, false, End::Scn(2_166_691))),
            (
                "restore to a moment",
                restored(Some("c"), false, End::Time("2025-08-02 14:30:00".into())),
            ),
            ("validate, start", start_lab()),
            ("validate, mount", mount_lab(Path::new(FOLDER), 1_234_567_890, "c", false)),
            (
                "validate, mount what an earlier one left",
                mount_lab(Path::new(FOLDER), 1_234_567_890, "c", true),
            ),
            ("validate", validate(2, &End::Sequence(1, 8), &[11, 12])),
            ("validate, end", leave_lab(true)),
            ("validate, end of an instance that was down", leave_lab(false)),
        ] {
            text += &format!("# {title}\n{script}\n");
        }
        expect_text(&text);
    }

    fn restored(control: Option<&str>, spfile: bool, end: End) -> String {
        let folder = Path::new(FOLDER);
        restore(&RestoreScript { folder, dbid: 1_234_567_890, control, spfile, channels: 1, end })
    }

    fn expect_text(text: &str) {
        assert_eq!(text, include_str!("../../../tests/fixtures/oracle/scripts.rman"));
    }

    #[test]
    fn what_can_t_be_quoted_is_told() {
        assert!(is_quotable(Path::new("/var/lib/vex/staging/.vex-engine-x1.d")));
        for bad in ["/a'b", "/a%d", "/a\nb", "/a;b", "/a?b", "/a\"b"] {
            assert!(!is_quotable(Path::new(bad)), "{bad}");
        }
    }
}
