//! Definitions of a database: items of pg_dump's table of contents become members, each with a
//! script of its own.
//!
//! Pure. Invariants: the order is pg_dump's; what is left out takes with it all that needs it, and
//! is told; rights come after everything that is made, materialized views are filled after the
//! rights, event triggers come last of all, as pg_restore has them.

use std::collections::{BTreeMap, BTreeSet};

use crate::artifact::{Kind, Member, Phase};
use crate::source::postgres::toc::{Archive, Item, Section};

/// What the scripts of a database begin with.
pub const PROLOGUE: &str = "SET statement_timeout=0;\nSET lock_timeout=0;\nSET idle_in_transaction_session_timeout=0;\n\
    SET client_encoding='UTF8';\nSET standard_conforming_strings=on;\nSET search_path='';\n\
    SET check_function_bodies=false;\nSET xmloption=content;\nSET client_min_messages=warning;\nSET row_security=off;\n";

/// Parts a definition from the statement that gives it to its owner; the last such line of a script
/// counts.
pub const OWNER: &str = "\n-- owner\n";

/// A member and its script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// What it is.
    pub member: Member,
    /// Its SQL.
    pub text: String,
}

/// What is taken of a database.
pub struct Choice<'a> {
    /// Whether a schema is.
    pub schema: &'a dyn Fn(&str) -> bool,
    /// The tables that are not, by their identifier.
    pub without: &'a BTreeSet<u32>,
    /// State of the sequences: identifier, and the statement that sets it.
    pub sequences: &'a BTreeMap<u32, String>,
    /// Materialized views that hold rows.
    pub filled: &'a BTreeSet<u32>,
    /// The table that owns a sequence: identifiers.
    pub owned: &'a BTreeMap<u32, u32>,
}

/// The scripts of a database, in order, and what was left out.
#[derive(Debug, Default)]
pub struct Definitions {
    /// Made before the rows.
    pub before: Vec<Script>,
    /// Made after them.
    pub after: Vec<Script>,
    /// Left out, though nobody asked for that by name.
    pub left_out: Vec<String>,
    /// How the database itself is made: statements that are run apart from each other.
    pub database: Vec<String>,
}

/// A name between its quotes.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `"schema"."name"`.
pub fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quoted(schema), quoted(name))
}

/// A text as a literal, under `standard_conforming_strings`.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Makes scripts of the items of a database.
pub fn definitions(unit: &str, archive: &Archive, choice: &Choice<'_>) -> Definitions {
    let mut found = Definitions::default();
    let tables = tables(&archive.items, choice.owned);
    let parents = parents(&archive.items);
    let mut gone: BTreeSet<i64> = BTreeSet::new();
    let mut section = Section::Before;
    let (mut rights, mut last) = (Vec::new(), Vec::new());
    // The place of each item's script, for what is said about it.
    let mut places: BTreeMap<i64, Place> = BTreeMap::new();
    for item in &archive.items {
        match item.what.as_str() {
            "ENCODING" | "STDSTRINGS" | "SEARCHPATH" => continue,
            "DATABASE" | "DATABASE PROPERTIES" => {
                found.database.push(item.definition.clone());
                if item.what == "DATABASE" {
                    found.database.push(owner(item));
                }
                places.insert(item.id, Place::Database);
                continue;
            }
            _ => {}
        }
        if item.section != Section::None {
            section = item.section;
        }
        let own = item.what == "SCHEMA" && !(choice.schema)(&item.tag);
        let outside = item.schema.as_deref().is_some_and(|s| !(choice.schema)(s));
        let without = choice.without.contains(&item.object.1) && item.object.0 == PG_CLASS;
        if own || outside || without {
            gone.insert(item.id);
            continue;
        }
        if item.needs.iter().any(|n| gone.contains(n)) {
            gone.insert(item.id);
            let words = format!("{} {}", item.what.to_lowercase(), item.tag);
            found.left_out.push(format!("{unit}: {words} (it needs what the job leaves out)"));
            continue;
        }
        // A comment follows what it is about, and is part of its script.
        if matches!(item.what.as_str(), "COMMENT" | "SECURITY LABEL") {
            let about = item.needs.first().and_then(|n| places.get(n)).copied();
            let script = match about {
                Some(Place::Database) => {
                    found.database.push(item.definition.clone());
                    continue;
                }
                Some(Place::Before(at)) => found.before.get_mut(at),
                Some(Place::After(at)) => found.after.get_mut(at),
                Some(Place::Last(at)) => last.get_mut(at),
                None => None,
            };
            if let Some(script) = script {
                let at = script.text.rfind(OWNER).unwrap_or(script.text.len());
                script.text.insert_str(at, &format!("\n{}", item.definition.trim_end()));
                continue;
            }
        }
        let mut script = script(unit, item, tables.get(&item.id).copied(), section, choice);
        if let Some(parent) = parents.get(&item.id) {
            let near = parent.schema == item.schema;
            let far = || parent.schema.as_ref().map(|schema| format!("{schema}.{}", parent.tag));
            script.member.table = if near { Some(parent.tag.clone()) } else { far() };
        }
        match item.what.as_str() {
            "ACL" | "ACL LANGUAGE" | "DEFAULT ACL"
                if matches!(
                    places.get(item.needs.first().unwrap_or(&0)),
                    Some(Place::Database)
                ) =>
            {
                found.database.push(item.definition.clone());
            }
            "ACL" | "ACL LANGUAGE" | "DEFAULT ACL" => rights.push(script),
            "EVENT TRIGGER" => {
                places.insert(item.id, Place::Last(last.len()));
                last.push(script);
            }
            _ if section == Section::After => {
                places.insert(item.id, Place::After(found.after.len()));
                found.after.push(script);
            }
            _ => {
                places.insert(item.id, Place::Before(found.before.len()));
                found.before.push(script);
            }
        }
    }
    found.after.append(&mut rights);
    let filled = |i: &&Item| {
        i.what == "MATERIALIZED VIEW"
            && choice.filled.contains(&i.object.1)
            && !gone.contains(&i.id)
    };
    for view in archive.items.iter().filter(filled) {
        let schema = view.schema.as_deref().unwrap_or_default();
        let member =
            Member::new(unit, &format!("rows of {}", view.tag), Kind::Object, Phase::After);
        let member = member.in_schema(schema).of_table(&view.tag);
        let text = format!(
            "{PROLOGUE}REFRESH MATERIALIZED VIEW {};\n{OWNER}",
            qualified(schema, &view.tag)
        );
        found.after.push(Script { member, text });
    }
    found.after.append(&mut last);
    found
}

/// Where the script of an item is.
#[derive(Debug, Clone, Copy)]
enum Place {
    Database,
    Before(usize),
    After(usize),
    Last(usize),
}

/// Identifier of `pg_class` in itself, the same on every server.
const PG_CLASS: u32 = 1259;

/// The table or view each item hangs on, by the item's number.
fn tables<'a>(items: &'a [Item], owned: &BTreeMap<u32, u32>) -> BTreeMap<i64, &'a Item> {
    let is_table = |item: &&Item| {
        matches!(item.what.as_str(), "TABLE" | "FOREIGN TABLE" | "VIEW" | "MATERIALIZED VIEW")
    };
    let by_number: BTreeMap<i64, &Item> = items.iter().map(|i| (i.id, i)).collect();
    let by_id: BTreeMap<i64, &Item> = items.iter().filter(is_table).map(|i| (i.id, i)).collect();
    let by_oid: BTreeMap<u32, &Item> =
        items.iter().filter(is_table).map(|i| (i.object.1, i)).collect();
    let mut found: BTreeMap<i64, &Item> = BTreeMap::new();
    for item in items {
        let named = |table: &&&Item| {
            let tag = item.tag.strip_prefix(table.tag.as_str());
            table.schema == item.schema
                && tag.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '.']))
        };
        let needed = || item.needs.iter().filter_map(|n| by_id.get(n));
        let table = match item.what.as_str() {
            "TABLE" | "FOREIGN TABLE" | "VIEW" | "MATERIALIZED VIEW" => None,
            "SEQUENCE" => owned.get(&item.object.1).and_then(|t| by_oid.get(t)),
            "CONSTRAINT" | "CHECK CONSTRAINT" | "FK CONSTRAINT" | "TRIGGER" | "RULE" | "POLICY"
            | "ROW SECURITY" | "DEFAULT" => needed().find(named),
            "INDEX" | "STATISTICS" | "TABLE ATTACH" => needed().next(),
            // It needs both tables and both indexes: it goes where the index goes that it attaches.
            "INDEX ATTACH" => {
                let own = |other: &&&Item| {
                    let tag = other.tag.strip_suffix(item.tag.as_str());
                    other.schema == item.schema
                        && tag.is_some_and(|rest| rest.is_empty() || rest.ends_with(' '))
                };
                item.needs
                    .iter()
                    .filter_map(|n| by_number.get(n))
                    .find(own)
                    .and_then(|index| found.get(&index.id))
            }
            _ => None,
        };
        // A comment or a right of a table, or of what hangs on one.
        let through = || {
            item.needs.iter().find_map(|n| found.get(n).copied().or_else(|| by_id.get(n).copied()))
        };
        let about = matches!(
            item.what.as_str(),
            "COMMENT" | "ACL" | "SECURITY LABEL" | "SEQUENCE OWNED BY"
        );
        if let Some(table) = table.copied().or_else(|| if about { through() } else { None }) {
            found.insert(item.id, table);
        }
    }
    found
}

/// The table of which each is a partition, by the number of the partition.
fn parents(items: &[Item]) -> BTreeMap<i64, &Item> {
    let tables: BTreeMap<i64, &Item> = items
        .iter()
        .filter(|i| matches!(i.what.as_str(), "TABLE" | "FOREIGN TABLE"))
        .map(|i| (i.id, i))
        .collect();
    let mut found = BTreeMap::new();
    for item in items.iter().filter(|i| i.what == "TABLE ATTACH") {
        let needed = item.needs.iter().filter_map(|n| tables.get(n).copied());
        let (own, other): (Vec<&Item>, Vec<&Item>) =
            needed.partition(|t| (&t.schema, &t.tag) == (&item.schema, &item.tag));
        found.extend(own.first().zip(other.first()).map(|(own, parent)| (own.id, *parent)));
    }
    found
}

fn script(
    unit: &str,
    item: &Item,
    table: Option<&Item>,
    section: Section,
    choice: &Choice<'_>,
) -> Script {
    let rights =
        matches!(item.what.as_str(), "ACL" | "ACL LANGUAGE" | "DEFAULT ACL" | "EVENT TRIGGER");
    let phase = if rights || section == Section::After { Phase::After } else { Phase::Before };
    let own = table
        .and_then(|t| item.tag.strip_prefix(t.tag.as_str()))
        .and_then(|t| t.strip_prefix(' '))
        .unwrap_or(&item.tag);
    let (kind, name) = match item.what.as_str() {
        "TABLE" | "FOREIGN TABLE" => (Kind::Table, item.tag.clone()),
        "VIEW" | "MATERIALIZED VIEW" => (Kind::View, item.tag.clone()),
        "SEQUENCE" => (Kind::Sequence, item.tag.clone()),
        "FUNCTION" => (Kind::Function, item.tag.clone()),
        "PROCEDURE" => (Kind::Procedure, item.tag.clone()),
        "INDEX" => (Kind::Index, item.tag.clone()),
        "TRIGGER" => (Kind::Trigger, own.to_owned()),
        other => (Kind::Object, format!("{} {own}", other.to_lowercase())),
    };
    let mut member = Member::new(unit, &name, kind, phase);
    member.class = (kind == Kind::Object).then(|| item.what.to_lowercase());
    member.schema.clone_from(&item.schema);
    if let Some(table) = table {
        member = member.of_table(&table.tag);
    }
    let mut text = PROLOGUE.to_owned();
    if let Some(tablespace) = &item.tablespace {
        text += &format!("SET default_tablespace={};\n", literal(tablespace));
    }
    // A partitioned table has no storage: its method is given to it afterwards.
    let partitioned = item.relkind == Some('p');
    if let Some(method) = item.method.as_ref().filter(|_| !partitioned) {
        text += &format!("SET default_table_access_method={};\n", quoted(method));
    }
    text += item.definition.trim_end();
    text.push('\n');
    if let (Some(method), Some(schema), true) = (&item.method, &item.schema, partitioned) {
        text += &format!(
            "ALTER TABLE {} SET ACCESS METHOD {};\n",
            qualified(schema, &item.tag),
            quoted(method)
        );
    }
    if let Some(state) = choice.sequences.get(&item.object.1).filter(|_| item.what == "SEQUENCE") {
        text += state;
    }
    text += OWNER;
    text += &owner(item);
    Script { member, text }
}

/// The statement that gives an item to its owner; empty where it has none.
fn owner(item: &Item) -> String {
    if item.owner.is_empty() || item.drop.is_empty() {
        return String::new();
    }
    let name = match item.what.as_str() {
        "AGGREGATE" | "FUNCTION" | "OPERATOR" | "OPERATOR CLASS" | "OPERATOR FAMILY"
        | "PROCEDURE" => {
            // What tells one from its namesakes stands in the statement that would remove it.
            let drop = item.drop.trim_end().trim_end_matches(';');
            drop.strip_prefix("DROP ").map(str::to_owned)
        }
        "COLLATION"
        | "CONVERSION"
        | "DOMAIN"
        | "FOREIGN TABLE"
        | "MATERIALIZED VIEW"
        | "SEQUENCE"
        | "STATISTICS"
        | "TABLE"
        | "TEXT SEARCH DICTIONARY"
        | "TEXT SEARCH CONFIGURATION"
        | "TYPE"
        | "VIEW"
        | "DATABASE"
        | "PROCEDURAL LANGUAGE"
        | "SCHEMA"
        | "EVENT TRIGGER"
        | "FOREIGN DATA WRAPPER"
        | "SERVER"
        | "PUBLICATION"
        | "SUBSCRIPTION" => {
            let name = item
                .schema
                .as_deref()
                .map_or_else(|| quoted(&item.tag), |s| qualified(s, &item.tag));
            Some(format!("{} {name}", item.what))
        }
        _ => None,
    };
    name.map_or(String::new(), |name| format!("ALTER {name} OWNER TO {};\n", quoted(&item.owner)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: i64, what: &str, tag: &str, section: Section, needs: &[i64]) -> Item {
        Item {
            id,
            object: (PG_CLASS, id as u32 + 1000),
            tag: tag.into(),
            what: what.into(),
            section,
            definition: format!("-- {what} {tag};\n"),
            drop: format!("DROP {what} {tag};\n"),
            schema: Some("public".into()),
            owner: "me".into(),
            needs: needs.to_vec(),
            ..Item::default()
        }
    }

    #[test]
    fn rights_come_after_all_and_what_needs_the_left_out_is_left_out() {
        let items = vec![
            item(1, "TABLE", "a", Section::Before, &[]),
            item(2, "COMMENT", "TABLE a", Section::None, &[1]),
            item(3, "ACL", "TABLE a", Section::None, &[1]),
            item(4, "TABLE", "b", Section::Before, &[]),
            item(5, "VIEW", "v", Section::Before, &[4]),
            item(6, "FK CONSTRAINT", "a a_fk", Section::After, &[1, 4]),
            item(7, "INDEX", "a_x", Section::After, &[1]),
            item(8, "EVENT TRIGGER", "e", Section::After, &[]),
            item(9, "MATERIALIZED VIEW", "m", Section::Before, &[1]),
        ];
        let archive = Archive { server: String::new(), program: String::new(), items };
        let none = BTreeMap::new();
        let choice = |without: &BTreeSet<u32>| {
            let choice = Choice {
                schema: &|_| true,
                without,
                sequences: &none,
                filled: &BTreeSet::from([1009]),
                owned: &BTreeMap::new(),
            };
            definitions("d", &archive, &choice)
        };
        let names =
            |scripts: &[Script]| scripts.iter().map(|s| s.member.name.clone()).collect::<Vec<_>>();
        let all = choice(&BTreeSet::new());
        assert_eq!(names(&all.before), ["a", "b", "v", "m"]);
        assert_eq!(
            names(&all.after),
            ["fk constraint a_fk", "a_x", "acl TABLE a", "rows of m", "event trigger e"]
        );
        assert!(all.before[0].text.contains(
            "-- COMMENT TABLE a;\n-- owner\nALTER TABLE \"public\".\"a\" OWNER TO \"me\";"
        ));
        assert_eq!(
            [&all.after[2], &all.after[3]].map(|s| s.member.table()),
            [Some("a"), Some("m")]
        );
        let some = choice(&BTreeSet::from([1004]));
        assert_eq!(
            (names(&some.before), some.left_out.len()),
            (vec!["a".to_owned(), "m".to_owned()], 2)
        );
    }
}
