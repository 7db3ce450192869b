//! What is loaded: definitions as statements, rows through `LOAD DATA LOCAL` or as `INSERT`.
//!
//! Does not know what is asked of the target before.

use std::sync::atomic::Ordering;

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::artifact::{Dialect, Kind, Member, Phase, Splitter, SqlError};
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::mysql::definer::without_definer;
use crate::source::mysql::definition::cut;
use crate::source::mysql::fault::{run, wrap};
use crate::source::mysql::feed::{Feed, head};
use crate::source::mysql::flavor::Family;
use crate::source::mysql::rename::{names_unit, rename};
use crate::source::mysql::target::MysqlTarget;
use crate::source::mysql::utf8::{as_text, text_of};

impl MysqlTarget {
    pub(super) fn execute(
        &self,
        connection: &mut Conn,
        member: &Member,
        bytes: &[u8],
    ) -> Result<()> {
        let renamed = self.rename.lock().expect("no panic while locked").clone();
        let current = self.terms.lock().expect("no panic while locked").current_definer;
        let doing = format!("restore {} {}", member.kind.word(), member.title());
        for statement in Splitter::new(Dialect::Mysql, bytes) {
            let statement =
                statement.map_err(|e| Error::new(ErrorKind::Damaged, &doing, e.to_string()))?;
            if renamed.is_some()
                && member.kind == Kind::Trigger
                && names_unit(statement.text, &member.unit)
            {
                // Run as it is, it would hang on the table of the database it came from.
                let found = format!("its text names the database {}; make it by hand", member.unit);
                return Err(Error::new(ErrorKind::Failed, doing, found));
            }
            let text = match &renamed {
                Some(new) => rename(statement.text, &member.unit, new),
                None => statement.text.into(),
            };
            let text = match member.kind {
                Kind::Script => as_text(&text, &doing)?,
                _ => text_of(&text, &doing)?.into(),
            };
            let text =
                if current && member.phase == Phase::After { without_definer(&text) } else { text };
            if member.kind == Kind::Table
                && let Some(cut) = cut(&text)
            {
                connection.query_drop(&cut.create).map_err(|e| wrap(&doing, e))?;
                self.deferred.put(
                    member.title(),
                    self.unit_name(&member.unit),
                    member.name.clone(),
                    cut,
                );
                continue;
            }
            connection.query_drop(self.known_modes(&text).as_ref()).map_err(|e| wrap(&doing, e))?;
        }
        Ok(())
    }

    /// A setting of the SQL mode without the mode that MySQL 8 removed; it only ever concerned
    /// GRANT.
    pub(super) fn known_modes<'t>(&self, text: &'t str) -> std::borrow::Cow<'t, str> {
        const REMOVED: &str = "NO_AUTO_CREATE_USER";
        let is_removed = self.flavor.family == Family::Mysql && self.flavor.number >= (8, 0);
        if !is_removed || !text.starts_with("SET sql_mode=") || !text.contains(REMOVED) {
            return text.into();
        }
        text.replace(&format!("{REMOVED},"), "")
            .replace(&format!(",{REMOVED}"), "")
            .replace(REMOVED, "")
            .into()
    }

    /// Rows: their INSERT statements are fed to LOAD DATA where it takes them, and run where not.
    pub(super) fn load_rows(
        &self,
        connection: &mut Conn,
        member: &Member,
        bytes: &[u8],
    ) -> Result<()> {
        let renamed = self.rename.lock().expect("no panic while locked").clone();
        let doing = format!("restore {} {}", member.kind.word(), member.title());
        let damaged = |e: SqlError| Error::new(ErrorKind::Damaged, &doing, e.to_string());
        let ways = self.ways(&self.unit_name(&member.unit))?;
        let mut feed: Option<Feed<'_>> = None;
        for statement in Splitter::new(Dialect::Mysql, bytes) {
            let statement = statement.map_err(damaged)?;
            let head = if statement.text.starts_with(b"INSERT INTO ") {
                head(statement.text)
            } else {
                None
            };
            if let Some(head) = head.filter(|_| self.feeds.load(Ordering::Relaxed)) {
                if !feed.as_ref().is_some_and(|f| f.is_of(head)) {
                    self.send(feed.take(), connection, &doing)?;
                    feed = Feed::open(head, &ways);
                }
                if let Some(own) = &mut feed
                    && own.take(&statement).map_err(damaged)?
                {
                    if own.is_full() {
                        self.send(Some(own), connection, &doing)?;
                    }
                    continue;
                }
            }
            self.send(feed.as_mut(), connection, &doing)?;
            if statement.text == b"BEGIN" && self.flavor.family == Family::Mariadb {
                // Else the first rows of an empty table lock all of it, and go through a sort that
                // doubles the work.
                run(connection, "SET unique_checks=1", &doing)?;
            }
            let text = match &renamed {
                Some(new) => rename(statement.text, &member.unit, new),
                None => statement.text.into(),
            };
            connection.query_drop(text_of(&text, &doing)?).map_err(|e| wrap(&doing, e))?;
        }
        self.send(feed.as_mut(), connection, &doing)
    }

    /// Sends what waits, as INSERT statements if the server takes nothing else.
    pub(super) fn send<'a>(
        &self,
        feed: Option<impl std::borrow::BorrowMut<Feed<'a>>>,
        connection: &mut Conn,
        doing: &str,
    ) -> Result<()> {
        let Some(mut feed) = feed else { return Ok(()) };
        if let Err(statements) = feed.borrow_mut().send(connection, doing)? {
            self.feeds.store(false, Ordering::Relaxed);
            for statement in statements {
                connection.query_drop(text_of(statement, doing)?).map_err(|e| wrap(doing, e))?;
            }
        }
        Ok(())
    }
}
