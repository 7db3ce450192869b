//! What an artifact holds, named one by one: a member is one thing of the source in one phase of a
//! restore.
//!
//! Does not know how a member is read or loaded. Names here are data: they never become file paths.

use serde::{Deserialize, Serialize};

/// When a member is restored: all of one phase before the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Comes first and in order: databases, tables.
    Before,
    /// In any order: rows.
    Data,
    /// Comes last and in order: indexes, views, routines, triggers, events.
    After,
}

/// What kind of thing a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A database (a unit) itself.
    Database,
    /// A table's definition.
    Table,
    /// A sequence and its state.
    Sequence,
    /// A table's rows.
    Rows,
    /// The bytes of a whole database file.
    File,
    /// An index of a table.
    Index,
    /// A view.
    View,
    /// A stored function.
    Function,
    /// A stored procedure.
    Procedure,
    /// A trigger of a table.
    Trigger,
    /// A scheduled event.
    Event,
    /// A package of routines (MariaDB).
    Package,
    /// The body of a package.
    PackageBody,
    /// Settings of the database that no other member carries.
    Settings,
    /// A user or a role of the server; it has no unit.
    Account,
    /// What an account may do.
    Grants,
    /// Anything else that has a definition (PostgreSQL): a type, an extension, a comment; its name
    /// begins with what it is.
    Object,
    /// Statements of a dump program, in the order it wrote them; of one table, or of a whole
    /// database.
    Script,
}

impl Kind {
    /// The word for it in a sentence.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Database => "database",
            Kind::Table => "table",
            Kind::Sequence => "sequence",
            Kind::Rows => "rows",
            Kind::File => "file",
            Kind::Index => "index",
            Kind::View => "view",
            Kind::Function => "function",
            Kind::Procedure => "procedure",
            Kind::Trigger => "trigger",
            Kind::Event => "event",
            Kind::Package => "package",
            Kind::PackageBody => "package body",
            Kind::Settings => "settings",
            Kind::Account => "account",
            Kind::Grants => "grants",
            Kind::Object => "object",
            Kind::Script => "script",
        }
    }
}

/// Classes of objects that a reader of formats 1 to 3 has to know.
const CLASSES: [&str; 6] =
    ["constraint", "extension", "fk constraint", "index attach", "schema", "table attach"];

/// One thing of the source in one phase.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Member {
    /// The database it belongs to; a folder of the archive. Empty for an account.
    pub unit: String,
    /// Its name in the source; empty for the database itself.
    pub name: String,
    /// The schema it is in (PostgreSQL).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// What it is.
    pub kind: Kind,
    /// When it is restored.
    pub phase: Phase,
    /// Of an object: what it is in the words of its server, such as `fk constraint`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The table it hangs on, for an index or a trigger; for a partition, the table it is one of,
    /// with its schema if that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
}

impl Member {
    /// A member that hangs on no table.
    pub fn new(unit: &str, name: &str, kind: Kind, phase: Phase) -> Member {
        Member {
            unit: unit.to_owned(),
            name: name.to_owned(),
            schema: None,
            kind,
            phase,
            class: None,
            table: None,
        }
    }

    /// Gives an object of formats 1 to 3 its class, which stood in its name only.
    pub fn name_class(&mut self) {
        if self.kind == Kind::Object {
            let own = CLASSES.iter().find(|class| {
                self.name.strip_prefix(**class).is_some_and(|rest| rest.starts_with(' '))
            });
            self.class = own.map(|class| (*class).to_owned());
        }
    }

    /// The name of an object without its class.
    pub fn own_name(&self) -> Option<&str> {
        self.name.strip_prefix(self.class.as_deref()?)?.strip_prefix(' ')
    }

    /// The same, hanging on a table.
    pub fn of_table(self, table: &str) -> Member {
        Member { table: Some(table.to_owned()), ..self }
    }

    /// The same, in a schema.
    pub fn in_schema(self, schema: &str) -> Member {
        Member { schema: Some(schema.to_owned()), ..self }
    }

    /// The table this member belongs to, if it belongs to one.
    pub fn table(&self) -> Option<&str> {
        match self.kind {
            Kind::Table | Kind::Rows => Some(&self.name),
            // One that a table owns goes where the table goes.
            Kind::Sequence => self.table.as_deref().or(Some(&self.name)),
            _ => self.table.as_deref(),
        }
    }

    /// The titles that the table may have of which this one is a partition; none of one that is no
    /// partition.
    pub fn parents(&self) -> Vec<String> {
        let Some(parent) = self.table.as_ref().filter(|_| self.kind == Kind::Table) else {
            return Vec::new();
        };
        let near = self.schema.iter().map(|schema| format!("{}.{schema}.{parent}", self.unit));
        near.chain([format!("{}.{parent}", self.unit)]).collect()
    }

    /// `unit.name` as a person reads it.
    pub fn title(&self) -> String {
        if self.unit.is_empty() {
            return self.name.clone();
        }
        match &self.schema {
            Some(schema) => format!("{}.{schema}.{}", self.unit, self.name),
            None if self.name.is_empty() => self.unit.clone(),
            None => format!("{}.{}", self.unit, self.name),
        }
    }
}
