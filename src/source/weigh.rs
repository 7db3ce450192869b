//! What a line of a dump program's log means: nothing, a warning, or an error.
//!
//! Pure. Knows how mydumper (old and new), mysqldump and pg_dump write; of a line in no known form,
//! a level in capitals counts unless it is part of a quoted name. When in doubt the heavier reading
//! wins: a backup that is looked at in vain costs less than one that nobody looked at.

/// The weight of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
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

/// Weighs a line.
pub fn weigh(line: &str) -> Weight {
    if DOUBTS.iter().any(|doubt| line.contains(doubt)) {
        return Weight::Warning;
    }
    let line = line.trim_start_matches("-- ").trim();
    glib(line).or_else(|| bracket(line)).or_else(|| named(line)).unwrap_or_else(|| capitals(line))
}

fn level(word: &str) -> Option<Weight> {
    match word.to_ascii_lowercase().as_str() {
        "error" | "critical" | "fatal" => Some(Weight::Error),
        "warning" => Some(Weight::Warning),
        "message" | "info" | "note" | "debug" | "system" => Some(Weight::Plain),
        _ => None,
    }
}

/// `** Message: …`, `** (mydumper:77): CRITICAL **: …`, `(mydumper:77): GLib-WARNING **: …`.
fn glib(line: &str) -> Option<Weight> {
    if let Some((head, _)) = line.split_once(" **: ") {
        return level(head.rsplit([' ', '-']).next()?);
    }
    let rest = line.strip_prefix("** ")?;
    level(rest.split_once(':')?.0)
}

/// `2026-11-21 01:00:00 [WARNING] - …`, `mysqldump: [ERROR] …`.
fn bracket(line: &str) -> Option<Weight> {
    let (_, rest) = line.split_once('[')?;
    level(rest.split_once(']')?.0)
}

/// `mysqldump: Got error: 1045: …`, `Warning: …`.
fn named(line: &str) -> Option<Weight> {
    let (head, rest) = line.split_once(": ")?;
    let program = head.rsplit('/').next().unwrap_or(head);
    if matches!(program, "pg_dump" | "pg_dumpall" | "pg_restore") {
        // `detail:` and `hint:` belong to what was said before.
        let word = rest.split_once(": ").map_or("", |(word, _)| word);
        return Some(level(word).unwrap_or(Weight::Plain));
    }
    if matches!(program, "mysqldump" | "mariadb-dump") {
        let failed = FAILURES.iter().any(|f| rest.starts_with(f));
        // These programs say nothing when all is well.
        return Some(if failed { Weight::Error } else { Weight::Warning });
    }
    level(head)
}

/// A level in capitals that stands by itself, outside of quotes.
fn capitals(line: &str) -> Weight {
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
    loud.filter_map(level).max().unwrap_or(Weight::Plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_line_has_its_weight() {
        for (line, weight) in [
            ("", Weight::Plain),
            ("** Message: 02:13:27.654: Connected to a MySQL server", Weight::Plain),
            ("** Message: 02:13:27.683: Thread 2 dumping data for `shop`.`ERROR`", Weight::Plain),
            (
                "** (mydumper:1228): CRITICAL **: 02:13:27.686: Error dumping table (a.b) data: gone",
                Weight::Error,
            ),
            (
                "** (mydumper:1228): WARNING **: 02:13:27.686: Table a.b is empty of indexes",
                Weight::Warning,
            ),
            ("(process:1228): GLib-ERROR **: out of memory", Weight::Error),
            ("2026-11-21 01:00:00 [INFO] - Thread 1 dumping `a`.`WARNING`", Weight::Plain),
            ("2026-11-21 01:00:00 [WARNING] - Lock was not had", Weight::Warning),
            ("2026-11-21 01:00:00 [ERROR] - Could not execute query", Weight::Error),
            ("** (mydumper:9): CRITICAL **: Couldn't get master position", Weight::Warning),
            ("mysqldump: [Warning] Using a password can be insecure.", Weight::Warning),
            ("mysqldump: Got error: 1045: \"Access denied\" when trying to connect", Weight::Error),
            (
                "/usr/bin/mariadb-dump: Couldn't execute 'SHOW TRIGGERS': denied (1142)",
                Weight::Error,
            ),
            ("mysqldump: Error 1412: Table definition has changed at row: 3", Weight::Error),
            ("pg_dump: warning: there are circular foreign-key constraints", Weight::Warning),
            (
                "pg_dump: error: query failed: ERROR:  permission denied for table WARNING",
                Weight::Error,
            ),
            ("/usr/bin/pg_dumpall: hint: Try \"ERROR\" for more.", Weight::Plain),
            ("pg_dump: detail: Query was: LOCK TABLE \"ERROR\"", Weight::Plain),
            ("mysqldump: Deprecated program name.", Weight::Warning),
            ("-- Warning: column statistics not supported", Weight::Warning),
            ("Error: the disk is full", Weight::Error),
            ("some text with WARNING in it", Weight::Warning),
            ("a FATAL and a WARNING", Weight::Error),
            ("dumping \"an ERROR\" and `a WARNING`", Weight::Plain),
        ] {
            assert_eq!(weigh(line), weight, "{line}");
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
        assert_eq!(log.lines().map(weigh).max(), Some(Weight::Warning));
        let bare = [
            "Executing in no-locks mode, snapshot might not be consistent",
            "Couldn't get master position",
        ];
        assert_eq!(bare.map(weigh), [Weight::Warning; 2], "whatever stands before it");
    }
}
