//! What a database of a target holds.

use std::collections::{BTreeMap, BTreeSet};

use postgres::Client;

use crate::artifact::{Kind, Member};
use crate::source::contract::Result;
use crate::source::postgres::fault::wrap;

/// Relations of a database, and what each is.
#[derive(Debug, Default)]
pub struct Present {
    relations: BTreeMap<(String, String), char>,
    triggers: BTreeSet<(String, String)>,
}

impl Present {
    /// Asks a database.
    pub fn of(client: &mut Client) -> Result<Present> {
        let doing = "ask what the database holds";
        let sql = "SELECT n.nspname, c.relname, c.relkind FROM pg_catalog.pg_class c \
                   JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                   WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'";
        let rows = client.query(sql, &[]).map_err(|e| wrap(doing, e))?;
        let letter = |value: i8| char::from(value.unsigned_abs());
        let relations = rows.iter().map(|r| ((r.get(0), r.get(1)), letter(r.get(2)))).collect();
        let sql = "SELECT n.nspname, t.tgname FROM pg_catalog.pg_trigger t \
                   JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid \
                   JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE NOT t.tgisinternal";
        let rows = client.query(sql, &[]).map_err(|e| wrap(doing, e))?;
        Ok(Present { relations, triggers: rows.iter().map(|r| (r.get(0), r.get(1))).collect() })
    }

    /// Whether a server has a database.
    pub fn has_database(client: &mut Client, name: &str) -> Result<bool> {
        let sql = "SELECT count(*) FROM pg_catalog.pg_database WHERE datname = $1";
        let count: i64 =
            client.query_one(sql, &[&name]).map_err(|e| wrap("list the databases", e))?.get(0);
        Ok(count > 0)
    }

    /// Whether it holds no relation of anybody.
    pub fn is_empty(&self) -> bool {
        self.relations.is_empty()
    }

    /// What `pg_class.relkind` says of a member's name.
    pub fn kind(&self, member: &Member) -> Option<char> {
        let schema = member.schema.clone()?;
        self.relations.get(&(schema, member.name.clone())).copied()
    }

    /// What has the name of a member and is of another kind; of a key, the name of its index.
    pub fn clash(&self, member: &Member) -> Option<&'static str> {
        let is_key = member.class.as_deref() == Some("constraint");
        let own = match member.kind {
            Kind::Object if is_key => {
                // The table that it is a key of may be there, and replaced with it.
                let table = member.table.as_ref()?;
                let is_there = self.named(member, table).is_some();
                self.named(member, member.own_name()?).filter(|_| !is_there)?
            }
            Kind::Table | Kind::View | Kind::Sequence | Kind::Index if !self.has(member) => {
                self.named(member, &member.name)?
            }
            _ => return None,
        };
        Some(match own {
            'r' | 'p' => "a table",
            'f' => "a foreign table",
            'v' => "a view",
            'm' => "a materialized view",
            'S' => "a sequence",
            'i' | 'I' => "an index",
            'c' => "a type",
            _ => "something else",
        })
    }

    fn named(&self, member: &Member, name: &str) -> Option<char> {
        self.relations.get(&(member.schema.clone()?, name.to_owned())).copied()
    }

    /// Whether `has` can tell.
    pub fn knows(&self, member: &Member) -> bool {
        member.schema.is_some()
            && matches!(
                member.kind,
                Kind::Table
                    | Kind::View
                    | Kind::Sequence
                    | Kind::Index
                    | Kind::Rows
                    | Kind::Trigger
            )
    }

    /// Whether a member is there.
    pub fn has(&self, member: &Member) -> bool {
        let kind = self.kind(member);
        let is = |letters: &str| kind.is_some_and(|k| letters.contains(k));
        match member.kind {
            Kind::Table | Kind::Rows => is("rpf"),
            Kind::View => is("vm"),
            Kind::Sequence => is("S"),
            Kind::Index => is("iI"),
            Kind::Trigger => member
                .schema
                .as_ref()
                .is_some_and(|s| self.triggers.contains(&(s.clone(), member.name.clone()))),
            Kind::Database
            | Kind::File
            | Kind::Function
            | Kind::Procedure
            | Kind::Event
            | Kind::Package
            | Kind::PackageBody
            | Kind::Settings
            | Kind::Account
            | Kind::Grants
            | Kind::Object
            | Kind::Script => false,
        }
    }
}
