//! The recount of a database that was restored: large tables by ranges of pages, so that no
//! connection ends alone.
//!
//! Knows what was restored by name only: what is counted is what the server has now.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::artifact::{Member, Proof};
use crate::base::Stop;
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::postgres::connect::Connector;
use crate::source::postgres::definition::literal;
use crate::source::postgres::fault::{run, wrap};
use crate::source::postgres::large;
use crate::source::postgres::rows::{Column, Pages, TableRows};
use crate::source::postgres::survey::{forms, measure, relations};
use crate::source::postgres::wire::Wire;

/// Bytes of a page.
const PAGE: u64 = 8192;

/// Bytes of a part, as stored.
const PART: u64 = 64 << 20;

/// A table as it is read back, and in which parts.
type Layout = (TableRows, Vec<Pages>);

/// Tables by schema and name.
type Layouts = BTreeMap<(String, String), Layout>;

/// Counts what a server has.
pub struct Recount {
    connector: Connector,
    /// Whether the server reads ranges of pages by range: PostgreSQL 14 and later.
    ranges: bool,
    /// Guards each worker's connection, and says which database it is in.
    readers: Vec<Mutex<Option<(String, Wire)>>>,
    /// Guards the tables of each database, by its name on the server.
    layouts: Mutex<BTreeMap<String, Arc<Layouts>>>,
    /// Guards the order in which a backup has the columns of each table, which may be another here.
    orders: Mutex<BTreeMap<(String, String, String), Vec<String>>>,
}

impl Recount {
    /// Of a server of this version, on so many connections.
    pub fn new(connector: &Connector, version: u32, workers: usize) -> Recount {
        let readers = (0..workers).map(|_| Mutex::default()).collect();
        Recount {
            connector: connector.clone(),
            ranges: version >= 140_000,
            readers,
            layouts: Mutex::default(),
            orders: Mutex::default(),
        }
    }

    /// Forgets what it knows of the tables: they are about to change.
    pub fn forget(&self) {
        self.layouts.lock().expect("no panic while locked").clear();
    }

    /// Hears in which order the rows of a table have their columns, by the statement of an entry.
    pub fn expect(&self, member: &Member, statement: &str) {
        let place =
            (member.unit.clone(), member.schema.clone().unwrap_or_default(), member.name.clone());
        let mut orders = self.orders.lock().expect("no panic while locked");
        orders.entry(place).or_insert_with(|| columns_of(statement));
    }

    /// In how many parts a member is counted; `name` is that of its database on the server.
    pub fn parts(&self, name: &str, member: &Member) -> Result<usize> {
        if member.schema.is_none() {
            return Ok(1);
        }
        Ok(self.layout(name, member)?.1.len())
    }

    /// Counts a part of a member, or all of it. `encoding` is what its rows came in.
    pub fn prove(
        &self,
        worker: usize,
        (name, member): (&str, &Member),
        part: Option<usize>,
        encoding: Option<&str>,
        stop: &Stop,
    ) -> Result<Proof> {
        if member.schema.is_none() {
            let mut client = self.connector.session(name, "recount")?;
            run(&mut client, "BEGIN READ ONLY", &format!("recount {}", member.title()))?;
            return large::prove(&mut client, stop);
        }
        let (mut rows, parts) = self.layout(name, member)?;
        self.put_in_order(&mut rows, member);
        let mut own = self.readers[worker].lock().expect("no panic while locked");
        if own.as_ref().is_none_or(|(at, _)| at != name) {
            let mut wire = self.connector.wire(name, "recount", stop)?;
            if let Some(encoding) = encoding {
                wire.run(
                    &format!("SET client_encoding={}", literal(encoding)),
                    "prepare the recount",
                    stop,
                )?;
            }
            *own = Some((name.to_owned(), wire));
        }
        let pages = part.map_or(Pages::ALL, |part| parts[part]);
        rows.prove(&mut own.as_mut().expect("it was just made").1, pages, stop)
    }

    /// The columns as the backup has them, if they are the same.
    fn put_in_order(&self, rows: &mut TableRows, member: &Member) {
        let place =
            (member.unit.clone(), member.schema.clone().unwrap_or_default(), member.name.clone());
        let orders = self.orders.lock().expect("no panic while locked");
        let Some(order) = orders.get(&place) else { return };
        let at = |column: &Column| order.iter().position(|name| *name == column.name);
        if rows.columns.len() == order.len() && rows.columns.iter().all(|c| at(c).is_some()) {
            rows.columns.sort_by_key(at);
        }
    }

    fn layout(&self, name: &str, member: &Member) -> Result<Layout> {
        let layouts = {
            let mut known = self.layouts.lock().expect("no panic while locked");
            match known.get(name) {
                Some(layouts) => Arc::clone(layouts),
                None => {
                    let layouts = Arc::new(self.layouts_of(name)?);
                    known.insert(name.to_owned(), Arc::clone(&layouts));
                    layouts
                }
            }
        };
        let place = (member.schema.clone().unwrap_or_default(), member.name.clone());
        let missing = || {
            Error::new(ErrorKind::Failed, format!("recount {}", member.title()), "it is not there")
        };
        layouts.get(&place).cloned().ok_or_else(missing)
    }

    fn layouts_of(&self, name: &str) -> Result<Layouts> {
        let mut client = self.connector.session(name, "recount")?;
        let mut relations = relations(&mut client, name)?;
        measure(&mut client, &mut relations)?;
        let sql = "SELECT attrelid, attname::text, atttypid FROM pg_catalog.pg_attribute \
                   WHERE attnum > 0 AND NOT attisdropped AND attgenerated::text = '' ORDER BY attrelid, attnum";
        let rows =
            client.query(sql, &[]).map_err(|e| wrap(&format!("read the columns of {name}"), e))?;
        let forms = forms(&mut client)?;
        let mut columns: BTreeMap<u32, Vec<Column>> = BTreeMap::new();
        for row in &rows {
            let form = forms.get(&row.get(2)).copied();
            columns.entry(row.get(0)).or_default().push(Column { name: row.get(1), form });
        }
        let mut layouts = Layouts::new();
        for relation in relations.into_iter().filter(|r| r.has_rows() || r.kind == 'p') {
            let pages = relation.heap / PAGE;
            let per_page = relation.bytes.checked_div(pages).unwrap_or(PAGE);
            let parts = match self.ranges && relation.method == "heap" && pages > 0 {
                true => Pages::cut(pages, (PART / per_page.max(1)).max(1)),
                false => vec![Pages::ALL],
            };
            let condition =
                relation.extension.and_then(|(_, c)| c).filter(|c| !c.trim().is_empty());
            // A table may have no column.
            let columns = columns.remove(&relation.oid).unwrap_or_default();
            let rows = TableRows {
                schema: relation.schema.clone(),
                name: relation.name.clone(),
                columns,
                condition,
                tree: relation.kind == 'p',
            };
            layouts.insert((relation.schema, relation.name), (rows, parts));
        }
        Ok(layouts)
    }
}

/// The columns of `COPY "schema"."table" ("column",…) FROM stdin`.
fn columns_of(statement: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = statement;
    while let Some(open) = rest.find('"') {
        let (mut name, mut tail) = (String::new(), &rest[open + 1..]);
        while let Some((part, after)) = tail.split_once('"') {
            name.push_str(part);
            tail = after;
            match after.strip_prefix('"') {
                Some(more) => {
                    name.push('"');
                    tail = more;
                }
                None => break,
            }
        }
        names.push(name);
        rest = tail;
    }
    // The schema and the table come first.
    names.split_off(names.len().min(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_read_as_they_were_quoted() {
        let statement = r#"COPY "s ("."t""" ("a","b "", (c","d") FROM stdin"#;
        assert_eq!(columns_of(statement), ["a", "b \", (c", "d"]);
        assert!(columns_of(r#"COPY "s"."t" FROM stdin"#).is_empty());
        assert!(columns_of("COPY").is_empty());
    }
}
