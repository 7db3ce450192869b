//! What of a backup would not fit a server, found before anything is written.
//!
//! Asks the server itself whether it knows a name, so that aliases count; reads definitions, never
//! changes one. It says only what it is sure of: that nothing is found here does not mean that all
//! will be taken.

use std::collections::{BTreeMap, BTreeSet};

use mysql::prelude::Queryable;
use mysql::{Conn, Row};

use crate::artifact::{Dialect, Kind, Member, Phase, Splitter};
use crate::source::contract::{Loading, Objection, Result};
use crate::source::mysql::definer::definer;
use crate::source::mysql::definition::{column_types, plain};
use crate::source::mysql::fault::wrap;
use crate::source::mysql::flavor::{Family, Flavor};

/// The word for a collation.
const COLLATION: &str = "collation";

/// What is known of a server so far.
pub struct Compatibility {
    flavor: Flavor,
    engines: BTreeSet<String>,
    /// Accounts as `user@host`, roles as `role@`; nothing if they may not be seen, or if no definer
    /// is kept.
    accounts: Option<BTreeSet<String>>,
    /// Tables whose names the server would take for another's.
    collisions: BTreeSet<(String, String)>,
    /// How many collations of the last definition are unknown.
    collations: usize,
    /// What the last definition lacks and comes back without.
    definers: Vec<String>,
    /// Answers to queries that name a collation or a character set.
    answers: BTreeMap<String, bool>,
}

impl Compatibility {
    /// Asks a server what it has.
    pub fn of(connection: &mut Conn, flavor: &Flavor, loading: &Loading) -> Result<Compatibility> {
        let fail = |e| wrap("ask the server what it has", e);
        let rows: Vec<Row> = connection.query("SHOW ENGINES").map_err(fail)?;
        let engines = rows.iter().filter_map(|row| {
            let (engine, support): (String, String) = (row.get(0)?, row.get(1)?);
            matches!(support.as_str(), "YES" | "DEFAULT").then(|| engine.to_lowercase())
        });
        // Who may not read the accounts gets no word on them.
        let asked = (!loading.terms.current_definer)
            .then_some("SELECT CONCAT(User, '@', Host) FROM mysql.user");
        let accounts = asked.and_then(|sql| connection.query::<String, _>(sql).ok());
        let folds: Option<u8> =
            connection.query_first("SELECT @@lower_case_table_names").map_err(fail)?;
        let mut seen: BTreeMap<(String, String), &str> = BTreeMap::new();
        let mut collisions = BTreeSet::new();
        let named =
            |m: &&Member| matches!(m.kind, Kind::Table | Kind::Sequence) || m.kind == Kind::View;
        for member in loading.members.iter().filter(named).filter(|_| folds != Some(0)) {
            let key = (member.unit.to_lowercase(), member.name.to_lowercase());
            if *seen.entry(key).or_insert(&member.name) != member.name {
                collisions.insert((member.unit.clone(), member.name.clone()));
            }
        }
        Ok(Compatibility {
            flavor: flavor.clone(),
            engines: engines.collect(),
            accounts: accounts.map(|a| a.into_iter().collect()),
            collisions,
            collations: 0,
            definers: Vec::new(),
            answers: BTreeMap::new(),
        })
    }

    /// What is against a definition.
    pub fn objections(
        &mut self,
        connection: &mut Conn,
        member: &Member,
        script: &[u8],
    ) -> Result<Vec<Objection>> {
        let mut why = Vec::new();
        self.collations = 0;
        if self.collisions.contains(&(member.unit.clone(), member.name.clone())) {
            why.push("the server takes its name for another's (lower_case_table_names)".to_owned());
        }
        let mysql = self.flavor.family == Family::Mysql;
        match member.kind {
            Kind::Sequence if mysql => why.push("MySQL has no sequences".to_owned()),
            Kind::Package | Kind::PackageBody if mysql => {
                why.push("MySQL has no packages".to_owned())
            }
            Kind::Object if !mysql || self.flavor.number < (9, 2) => {
                why.push("the server has no libraries".to_owned())
            }
            Kind::Database | Kind::Table | Kind::Sequence => {
                for statement in Splitter::new(Dialect::Mysql, script).flatten() {
                    let text = String::from_utf8_lossy(statement.text);
                    if text.starts_with("CREATE ") {
                        self.definition(connection, &text, &mut why)?;
                    }
                }
            }
            _ if member.phase == Phase::After => {
                self.code(connection, &String::from_utf8_lossy(script), &mut why)?
            }
            _ => {}
        }
        let blocks = matches!(member.kind, Kind::Database | Kind::Table | Kind::Sequence);
        let what = format!("{} {}", member.kind.word(), member.title());
        // Only where nothing else is against it, another collation helps.
        let hint = (!why.is_empty() && why.len() == self.collations).then(|| {
            "`--map-collation ready` takes what is nearest in MariaDB, OLD=NEW any other."
                .to_owned()
        });
        let objection = |(why, refused)| Objection {
            what: what.clone(),
            why,
            blocks,
            refused,
            hint: hint.clone(),
        };
        let refused = why.into_iter().map(|why| (why, true));
        let kept = std::mem::take(&mut self.definers).into_iter().map(|why| (why, false));
        Ok(refused.chain(kept).map(objection).collect())
    }

    /// A database or a table.
    fn definition(
        &mut self,
        connection: &mut Conn,
        text: &str,
        why: &mut Vec<String>,
    ) -> Result<()> {
        let words = plain(text);
        self.names(connection, &words, why)?;
        for engine in after(&words, &["ENGINE="]) {
            if !self.engines.contains(&engine.to_lowercase()) {
                why.push(format!("the server has no engine {engine}"));
            }
        }
        let (mysql, old) = (self.flavor.family == Family::Mysql, self.flavor.number < (11, 7));
        for (column, data_type) in column_types(text) {
            let unknown = match data_type.as_str() {
                "uuid" | "inet4" | "inet6" => mysql,
                "vector" => !mysql && old,
                _ => false,
            };
            if unknown {
                why.push(format!("the server has no type {data_type}, as column {column} has"));
            }
        }
        if mysql && words.contains("SYSTEM VERSIONING") {
            why.push("MySQL keeps no history of a table (SYSTEM VERSIONING)".to_owned());
        }
        let over_expression = |l: &str| {
            (l.starts_with("  KEY n (") || l.starts_with("  UNIQUE KEY n ("))
                && (l.contains("((") || l.contains(",("))
        };
        if !mysql && words.lines().any(over_expression) {
            why.push("MariaDB has no keys over expressions".to_owned());
        }
        Ok(())
    }

    /// A view, routine, trigger or event.
    fn code(&mut self, connection: &mut Conn, text: &str, why: &mut Vec<String>) -> Result<()> {
        let settings: String = text.lines().filter(|l| l.starts_with("SET ")).collect();
        self.names(connection, &settings, why)?;
        let Some(known) = &self.accounts else { return Ok(()) };
        for statement in Splitter::new(Dialect::Mysql, text.as_bytes()).flatten() {
            if let Some(definer) = definer(&String::from_utf8_lossy(statement.text))
                && !known.contains(&format!(
                    "{}@{}",
                    definer.user,
                    definer.host.as_deref().unwrap_or_default()
                ))
            {
                self.definers.push(format!("its definer {} does not exist there", definer.title()));
            }
        }
        Ok(())
    }

    /// Character sets and collations by name.
    fn names(&mut self, connection: &mut Conn, words: &str, why: &mut Vec<String>) -> Result<()> {
        let collations = after(words, &["COLLATE ", "COLLATE=", "collation_connection="]);
        let charsets = after(words, &["CHARSET=", "CHARACTER SET ", "character_set_client="]);
        let collations =
            collations.into_iter().map(|n| (COLLATION, format!("SELECT '' COLLATE {n}"), n));
        let charsets = charsets
            .into_iter()
            .map(|n| ("character set", format!("SELECT CONVERT('' USING {n})"), n));
        for (word, query, name) in collations.chain(charsets) {
            let known = match self.answers.get(&query) {
                Some(known) => *known,
                None => {
                    let known = match connection.query_drop(&query) {
                        Err(mysql::Error::MySqlError(e)) => !matches!(e.code, 1115 | 1273),
                        other => other
                            .map(|()| true)
                            .map_err(|e| wrap("ask the server what it has", e))?,
                    };
                    self.answers.insert(query, known);
                    known
                }
            };
            if !known {
                self.collations += usize::from(word == COLLATION);
                why.push(format!("the server does not know the {word} {name}"));
            }
        }
        Ok(())
    }
}

/// The names that follow any of these words, each once.
fn after<'t>(text: &'t str, words: &[&str]) -> BTreeSet<&'t str> {
    let mut names = BTreeSet::new();
    for word in words {
        for (at, _) in text.match_indices(word) {
            let rest = &text[at + word.len()..];
            let end =
                rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            names.insert(&rest[..end]);
        }
    }
    names.remove("");
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_after_their_words() {
        let words = ") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci, CHARACTER SET latin1 COLLATE latin1_bin";
        assert_eq!(
            Vec::from_iter(after(words, &["COLLATE ", "COLLATE="])),
            ["latin1_bin", "utf8mb4_0900_ai_ci"]
        );
        assert_eq!(
            Vec::from_iter(after(words, &["CHARSET=", "CHARACTER SET "])),
            ["latin1", "utf8mb4"]
        );
        assert_eq!(Vec::from_iter(after("ENGINE=", &["ENGINE="])), [""; 0]);
    }
}
