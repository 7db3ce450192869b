//! What a line of a dump program's log means: nothing, a warning, or an error.
//!
//! Pure. Knows how mydumper (old and new), mysqldump and pg_dump write; of a line in no known form,
//! a level in capitals counts unless it is part of a quoted name. When in doubt the
//! higher severity wins: checking a good backup costs less than missing a bad one.

/// The severity of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing to look at.
    Plain,
    /// Alerta.
    Warning,
    /// Erro.
    Error,
}

/// What is an Alerta whichever level a version of mydumper gives it: the rows are there, their
/// moment is in doubt.
const DOUBTS: [&str; 2] = ["Couldn't get master position", "snapshot might not be consistent"];

/// How mysqldump begins to say that it gave up.
const FAILURES: [&str; 6] = ["Error", "Got error", "Couldn't", "Can't", "unknown", "Unknown"];

/// How severe a line is.
pub fn severity(line: &str) -> Severity {
    if DOUBTS.iter().any(|doubt| line.contains(doubt)) {
        return Severity::Warning;
    }
    let line = line.trim_start_matches("-- ").trim();
    glib(line).or_else(|| bracket(line)).or_else(|| named(line)).unwrap_or_else(|| capitals(line))
}

fn level(word: &str) -> Option<Severity> {
    match word.to_ascii_lowercase().as_str() {
        "error" | "critical" | "fatal" => Some(Severity::Error),
        "warning" => Some(Severity::Warning),
        "message" | "info" | "note" | "debug" | "system" => Some(Severity::Plain),
        _ => None,
    }
}

/// `** Message: …`, `** (mydumper:77): CRITICAL **: …`, `(mydumper:77): GLib-WARNING **: …`.
fn glib(line: &str) -> Option<Severity> {
    if let Some((head, _)) = line.split_once(" **: ") {
        return level(head.rsplit([' ', '-']).next()?);
    }
    let rest = line.strip_prefix("** ")?;
    level(rest.split_once(':')?.0)
}

/// `2026-11-21 01:00:00 [WARNING] - …`, `mysqldump: [ERROR] …`.
fn bracket(line: &str) -> Option<Severity> {
    let (_, rest) = line.split_once('[')?;
    level(rest.split_once(']')?.0)
}

/// `mysqldump: Got error: 1045: …`, `Warning: …`.
fn named(line: &str) -> Option<Severity> {
    let (head, rest) = line.split_once(": ")?;
    let program = head.rsplit('/').next().unwrap_or(head);
    if matches!(program, "pg_dump" | "pg_dumpall" | "pg_restore") {
        // `detail:` and `hint:` belong to what was said before.
        let word = rest.split_once(": ").map_or("", |(word, _)| word);
        return Some(level(word).unwrap_or(Severity::Plain));
    }
    if matches!(program, "mysqldump" | "mariadb-dump") {
        let failed = FAILURES.iter().any(|f| rest.starts_with(f));
        // These programs say nothing when all is well.
        return Some(if failed { Severity::Error } else { Severity::Warning });
    }
    level(head)
}

/// A level in capitals that stands by itself, outside of quotes.
fn capitals(line: &str) -> Severity {
    let mut open: Option<char> = None;
    let bare: String = line
        .chars()
        .map(|c| match open {
            Some(quote) => {
                open = open.filter(|_| c != quote);
                ' '
            }
            None if matches!(c, '`' | '"') => {
                open = Some(c);
                ' '
            }
            None => c,
        })
        .collect();
    let words = bare.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let loud = words.filter(|w| w.len() > 3 && w.bytes().all(|b| b.is_ascii_uppercase()));
    loud.filter_map(level).max().unwrap_or(Severity::Plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_line_has_its_severity() {
        for (line, expected) in [
            ("", Severity::Plain),
            ("** Message: 02:13:27.654: Connected to a MySQL server", Severity::Plain),
            ("** Message: 02:13:27.683: Thread 2 dumping data for `shop`.`ERROR`", Severity::Plain),
            (
                "** (mydumper:1228): CRITICAL **: 02:13:27.686: Error dumping table (a.b) data: gone",
                Severity::Error,
            ),
            (
                "** (mydumper:1228): WARNING **: 02:13:27.686: Table a.b is empty of indexes",
                Severity::Warning,
            ),
            ("(process:1228): GLib-ERROR **: out of memory", Severity::Error),
            ("2026-11-21 01:00:00 [INFO] - Thread 1 dumping `a`.`WARNING`", Severity::Plain),
            ("2026-11-21 01:00:00 [WARNING] - Lock was not had", Severity::Warning),
            ("2026-11-21 01:00:00 [ERROR] - Could not execute query", Severity::Error),
            ("** (mydumper:9): CRITICAL **: Couldn't get master position", Severity::Warning),
            ("mysqldump: [Warning] Using a password can be insecure.", Severity::Warning),
            (
                "mysqldump: Got error: 1045: \"Access denied\" when trying to connect",
                Severity::Error,
            ),
            (
                "/usr/bin/mariadb-dump: Couldn't execute 'SHOW TRIGGERS': denied (1142)",
                Severity::Error,
            ),
            ("mysqldump: Error 1412: Table definition has changed at row: 3", Severity::Error),
            ("pg_dump: warning: there are circular foreign-key constraints", Severity::Warning),
            (
                "pg_dump: error: query failed: ERROR:  permission denied for table WARNING",
                Severity::Error,
            ),
            ("/usr/bin/pg_dumpall: hint: Try \"ERROR\" for more.", Severity::Plain),
            ("pg_dump: detail: Query was: LOCK TABLE \"ERROR\"", Severity::Plain),
            ("mysqldump: Deprecated program name.", Severity::Warning),
            ("-- Warning: column statistics not supported", Severity::Warning),
            ("Error: the disk is full", Severity::Error),
            ("some text with WARNING in it", Severity::Warning),
            ("a FATAL and a WARNING", Severity::Error),
            ("dumping \"an ERROR\" and `a WARNING`", Severity::Plain),
        ] {
            assert_eq!(severity(line), expected, "{line}");
        }
    }

    #[test]
    fn the_log_of_a_dump_without_locks_is_an_alert() {
        let log = "\
** Message: 21:02:10.101: Server version reported as: 9.1.0
** (mydumper:4711): WARNING **: 21:02:10.102: Executing in no-locks mode, snapshot might not be consistent
** (mydumper:4711): WARNING **: 21:02:10.103: Couldn't get master position
** Message: 21:02:10.104: Started dump at: 2025-01-10 21:02:10
** Message: 21:02:12.104: Finished dump at: 2025-01-10 21:02:12";
        assert_eq!(log.lines().map(severity).max(), Some(Severity::Warning));
        let bare = [
            "Executing in no-locks mode, snapshot might not be consistent",
            "Couldn't get master position",
        ];
        assert_eq!(bare.map(severity), [Severity::Warning; 2], "whatever stands before it");
    }
}
