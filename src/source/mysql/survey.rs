//! What a dump program would lose in silence, asked of the server before it runs.
//!
//! Knows what each program can't do, runs none.

use std::collections::BTreeSet;

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::job::Engine;
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::mysql::fault::wrap;
use crate::source::mysql::flavor::{Family, Flavor};
use crate::source::mysql::program::Tool;
use crate::source::mysql::schema::{Unit, literal};
use crate::source::mysql::unreadable::list;

/// What was found of one database.
#[derive(Debug, Default)]
pub struct Survey {
    /// Tables, views and sequences that the program must pass over.
    pub skipped: Vec<String>,
    /// What will not be included, and need not be.
    pub not_included: Vec<String>,
    /// What will not be included and should be.
    pub lost: Vec<String>,
}

/// Refuses settings of the server that would have a program leave rows out, or write what can't be
/// read back: a program takes them as its own.
pub fn pinned(connection: &mut Conn, tool: &Tool) -> Result<()> {
    let doing = format!("use the engine {}", tool.engine.word());
    let asked: Option<(u64, String)> = connection
        .query_first("SELECT @@sql_select_limit, @@sql_mode")
        .map_err(|e| wrap(&doing, e))?;
    let (limit, mode) = asked.unwrap_or((0, String::new()));
    let refused = |found: String| Error::new(ErrorKind::Refused, &doing, found);
    let hint =
        "Set it back for the user's sessions, or use `engine \"native\"`, which sets its own.";
    if limit != u64::MAX {
        return Err(refused(format!(
            "the server's sql_select_limit is {limit}: rows would be left out"
        ))
        .hint(hint));
    }
    // mysqldump sets a mode of its own.
    let strange = ["ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "PAD_CHAR_TO_FULL_LENGTH"];
    if let Some(word) =
        strange.iter().find(|w| tool.engine == Engine::Mydumper && mode.contains(**w))
    {
        return Err(refused(format!(
            "the server's sql_mode has {word}, under which mydumper's files mean other values"
        ))
        .hint(hint));
    }
    Ok(())
}

impl Survey {
    /// Asks about one database.
    pub fn of(connection: &mut Conn, unit: &Unit, tool: &Tool, flavor: &Flavor) -> Result<Survey> {
        let (name, doing) = (&unit.name, format!("read the columns of {}", unit.name));
        let tables: BTreeSet<&str> =
            unit.tables.iter().filter(|t| !t.sequence).map(|t| t.name.as_str()).collect();
        let own = |table: &str| tables.contains(table);
        let schema = literal(name);
        let sql =
            format!("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA={schema}");
        let all: Vec<String> = connection.query(sql).map_err(|e| wrap(&doing, e))?;
        let mut survey =
            Survey { skipped: all.into_iter().filter(|t| !own(t)).collect(), ..Survey::default() };
        let sql = format!(
            "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, EXTRA FROM information_schema.COLUMNS WHERE \
             TABLE_SCHEMA={schema} ORDER BY TABLE_NAME, ORDINAL_POSITION"
        );
        let columns: Vec<ColumnRow> = connection.query(sql).map_err(|e| wrap(&doing, e))?;
        let columns: Vec<_> = columns.into_iter().filter(|(table, ..)| own(table)).collect();
        let (mut floats, mut hidden) = (Vec::new(), Vec::new());
        for (table, column, form, extra) in &columns {
            let title = format!("{name}.{table}.{column}");
            if form == "float" {
                floats.push(title.clone());
            }
            if extra.to_uppercase().contains("INVISIBLE") && !is_generated(extra) {
                hidden.push(title);
            }
        }
        if !floats.is_empty() {
            let text = format!(
                "the last digits of FLOAT columns, which {} rounds: {}",
                tool.title(),
                list(&floats)
            );
            survey.not_included.push(text);
        }
        let versioned: Vec<String> = unit
            .tables
            .iter()
            .filter(|t| t.versioned)
            .map(|t| format!("{name}.{}", t.name))
            .collect();
        if !versioned.is_empty() && !tool.keeps_history(flavor) {
            survey.not_included.push(format!("the past of versioned tables: {}", list(&versioned)));
        }
        let mydumper = tool.engine == Engine::Mydumper;
        if mydumper && !hidden.is_empty() {
            survey.lost.push(format!(
                "invisible columns, which mydumper does not read: {}",
                list(&hidden)
            ));
        }
        refuse_empty(unit, tool, &columns)?;
        Ok(survey)
    }
}

/// Table, name, type and `EXTRA` of a column.
type ColumnRow = (String, String, String, String);

/// Refuses a table without a column to name: mydumper crashes there, and MySQL's mysqldump writes
/// rows that no server reads.
fn refuse_empty(unit: &Unit, tool: &Tool, columns: &[ColumnRow]) -> Result<()> {
    let mydumper = tool.engine == Engine::Mydumper;
    let read = |table: &str| {
        let passed = |extra: &str| {
            is_generated(extra) || (mydumper && extra.to_uppercase().contains("INVISIBLE"))
        };
        columns.iter().any(|(t, _, _, extra)| t == table && !passed(extra))
    };
    let empty = unit.tables.iter().find(|t| !t.sequence && !read(&t.name));
    let Some(table) = empty.filter(|_| mydumper || tool.family == Family::Mysql) else {
        return Ok(());
    };
    let found = format!(
        "{}.{} has no column that is read: all are generated or invisible, and {} fails there",
        unit.name,
        table.name,
        tool.title()
    );
    let doing = format!("dump {} with {}", unit.name, tool.engine.word());
    let error = Error::new(ErrorKind::Refused, doing, found);
    Err(error.hint("Use `engine \"native\"`, or `exclude` the table."))
}

/// Whether `EXTRA` says that a column is made from others.
fn is_generated(extra: &str) -> bool {
    let extra = extra.to_uppercase();
    extra.contains("VIRTUAL GENERATED") || extra.contains("STORED GENERATED")
}

impl Tool {
    /// Whether the past of versioned tables is dumped along: MariaDB's from 10.11 on.
    pub fn keeps_history(&self, flavor: &Flavor) -> bool {
        self.engine == Engine::Mysqldump
            && self.family == Family::Mariadb
            && self.number >= (10, 11)
            && flavor.number >= (10, 11)
    }

    /// What mysqldump and mariadb-dump are told, one run for each database.
    pub fn arguments(&self, unit: &Unit, flavor: &Flavor) -> Vec<String> {
        // One snapshot; no lock, no flush. Binary values as hexadecimal, text as utf8mb4: all of it
        // is UTF-8. Columns by name: an invisible or generated one can't shift the others. Moments
        // in UTC. The comments hold the end mark. Tablespaces need PROCESS and belong to the
        // server. No LOCK TABLES in the dump: it would shut a sequence out that a column draws
        // from. Triggers and the rest are vex's own scripts.
        let mut words = vec![
            "--single-transaction",
            "--quick",
            "--hex-blob",
            "--complete-insert",
            "--tz-utc",
            "--default-character-set=utf8mb4",
            "--max-allowed-packet=1G",
            "--no-tablespaces",
            "--skip-add-locks",
            "--comments",
            "--skip-triggers",
            "--skip-routines",
            "--skip-events",
        ];
        match self.family {
            // GTIDs are the server's, and a restore must not set them.
            Family::Mysql => words.push("--set-gtid-purged=OFF"),
            Family::Mariadb
                if self.keeps_history(flavor) && unit.tables.iter().any(|t| t.versioned) =>
            {
                words.push("--dump-history");
            }
            Family::Mariadb => {}
        }
        words.into_iter().map(str::to_owned).collect()
    }
}
