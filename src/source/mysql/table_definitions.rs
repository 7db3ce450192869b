//! The definitions of many tables, read on several connections.
//!
//! What SHOW CREATE TABLE waits for is the server that opens the table, so that several answer at
//! once. It waits behind no DDL (its lock is of high priority), and the guard lets none through.
//! Knows no other objects.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use mysql::Conn;

use crate::base::Stop;
use crate::source::contract::Result;
use crate::source::mysql::guard::on_all;
use crate::source::mysql::object::Definitions;
use crate::source::mysql::reader::tables_of;
use crate::source::mysql::schema::Unit;

/// Tables that one connection reads in one go; for no more, the guard reads them itself.
const TOGETHER: usize = 256;

/// The definitions of the tables of each database, in its order, by `threads` connections that
/// `open` makes.
pub fn table_definitions(
    guard: &mut Conn,
    open: &dyn Fn() -> Result<Conn>,
    threads: usize,
    units: &[Unit],
    stop: &Stop,
) -> Result<Vec<Definitions>> {
    let parts: Vec<(usize, Unit)> =
        units.iter().enumerate().flat_map(|(index, unit)| cut(index, unit)).collect();
    let tables: usize = units.iter().map(|unit| unit.tables.len()).sum();
    let mut connections = Vec::new();
    if tables > TOGETHER {
        for _ in 0..threads.clamp(1, parts.len()) {
            // With fewer it takes longer; with none the guard reads them.
            let Ok(connection) = open() else { break };
            connections.push(connection);
        }
    }
    let next = AtomicUsize::new(0);
    let done: Vec<Mutex<Option<Definitions>>> = parts.iter().map(|_| Mutex::default()).collect();
    let read = |connection: &mut Conn| -> Result<()> {
        loop {
            stop.check()?;
            let number = next.fetch_add(1, Ordering::SeqCst);
            let Some((_, unit)) = parts.get(number) else { return Ok(()) };
            let found = tables_of(connection, unit)?;
            *done[number].lock().expect("no panic while locked") = Some(found);
        }
    };
    match connections.is_empty() {
        true => read(guard)?,
        false => drop(on_all(&mut connections, |_, connection| read(connection))?),
    }
    let mut all: Vec<Definitions> = units.iter().map(|_| Definitions::default()).collect();
    for ((unit, _), found) in parts.iter().zip(done) {
        let found = found.into_inner().expect("no panic while locked");
        all[*unit].add(found.expect("BUG: tables that nobody read"));
    }
    Ok(all)
}

/// The tables of a database in parts. Sequences first: a column's default may draw from one.
fn cut(index: usize, unit: &Unit) -> Vec<(usize, Unit)> {
    let mut tables = unit.tables.clone();
    tables.sort_by_key(|table| !table.sequence);
    let part =
        |tables: &[_]| Unit { name: unit.name.clone(), tables: tables.to_vec(), views: Vec::new() };
    tables.chunks(TOGETHER).map(|tables| (index, part(tables))).collect()
}
