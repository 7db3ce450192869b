//! Backups of the list: by an index of the catalog where nothing is searched, else by what searches
//! know, which is read here.
//!
//! Invariant: rows are read when they are shown; what was known before only says which.

use std::time::Instant;

use crate::catalog::{ListQuery, ListedBackup, Order, Totals};
use crate::view::Reader;
use crate::web::search::{Age, Index};
use crate::web::state::{State, lock};

/// Up to which place of the list the catalog finds a page by an index.
const NEAR: u64 = 1000;

/// Backups that are read at a time.
const BATCH: u64 = 10_000;

impl State {
    /// Backups of a question, and how many there are of them; `totals` is how many there are at all.
    pub fn found(
        &self,
        query: &ListQuery,
        words: &[String],
        totals: Totals,
    ) -> Result<(Vec<ListedBackup>, u64), String> {
        // No index of the catalog sorts by the verdict of copies, and one is walked through up to the
        // page that is asked for.
        let is_near = query.order != Order::Upload && query.offset <= NEAR;
        if words.is_empty() && is_near {
            return Ok((self.with(|catalog| catalog.list(query))?, totals.of(query.verdict)));
        }
        self.renew_searches(totals)?;
        let (page, all) = self.searches.find(query, words);
        Ok((self.with(|catalog| catalog.numbered(&page))?, all))
    }

    /// Reads what changed since searches were asked last.
    fn renew_searches(&self, totals: Totals) -> Result<(), String> {
        let searches = &self.searches;
        if searches.age(totals) == Age::Good {
            return Ok(());
        }
        let reading = match searches.reading.try_lock() {
            Ok(reading) => reading,
            // Somebody reads it already: what was known before will do.
            Err(_) if searches.age(totals) != Age::Unread => return Ok(()),
            Err(_) => lock(&searches.reading),
        };
        let _reading = reading;
        match searches.age(totals) {
            Age::Good => Ok(()),
            Age::Changed if self.read_changes(totals)? => Ok(()),
            Age::Changed | Age::Old | Age::Unread => self.read_all(totals),
        }
    }

    fn searcher(&self) -> Reader {
        Reader { lang: self.settings.lang, zone: self.settings.zone.clone() }
    }

    /// Reads backups that ended since; returns whether nothing else changed.
    fn read_changes(&self, totals: Totals) -> Result<bool, String> {
        let (highest, open) = {
            let index = self.searches.index();
            (index.highest(), index.open.clone())
        };
        let (ended, open, are) = self.with(|catalog| {
            let are = catalog.totals()?;
            let still = catalog.open_backups()?;
            let mut ended = catalog.sought_of(&open)?;
            ended.extend(catalog.sought_after(highest, BATCH)?);
            Ok((ended, still, are))
        })?;
        Ok(self.searches.renew(&self.searcher(), (&ended, open), are, totals))
    }

    fn read_all(&self, totals: Totals) -> Result<(), String> {
        let (begun, reader) = (Instant::now(), self.searcher());
        let mut next = Index::new(self.with(|catalog| catalog.open_backups())?);
        let mut last = 0;
        loop {
            let some = self.with(|catalog| catalog.sought_after(last, BATCH))?;
            let Some(newest) = some.last() else { break };
            last = newest.number;
            next.add(&reader, &some, &self.searches.index());
        }
        self.searches.replace(next, begun.elapsed(), totals);
        Ok(())
    }
}
