//! What searches know: of each backup that ended the text that the list shows, and what the list is
//! sorted by. A search looks through memory, so that it costs the same on every database.
//!
//! Knows no catalog. Takes some 250 bytes a backup, from the first search on.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use memchr::memmem::Finder;

use crate::catalog::{ListQuery, ListedBackup, Order, Totals};
use crate::view::{self, Reader};

/// How long what is known is good, where there are as many backups of each verdict.
const GOOD: Duration = Duration::from_secs(30);

/// How many times longer than it takes to read all of it it is good: reading takes a hundredth of
/// the time, however many backups there are.
const REST: u32 = 100;

/// A backup as searches know it.
#[derive(Debug, Clone)]
struct Row {
    number: i64,
    host: Arc<str>,
    raw_bytes: u64,
    /// In microseconds.
    started: i64,
    finished: i64,
    verdict: u8,
    upload: u8,
    text: Box<str>,
}

impl Row {
    fn compare(&self, other: &Row, order: Order) -> Ordering {
        let first = match order {
            Order::Host => self.host.cmp(&other.host),
            Order::Verdict => {
                self.verdict.cmp(&other.verdict).then(self.started.cmp(&other.started))
            }
            Order::Size => self.raw_bytes.cmp(&other.raw_bytes),
            Order::Started => self.started.cmp(&other.started),
            Order::Finished => self.finished.cmp(&other.finished),
            Order::Upload => self.upload.cmp(&other.upload),
        };
        first.then(self.number.cmp(&other.number))
    }

    /// Whether the text that is shown of a backup is still this one's.
    fn is_of(&self, host: &str, backup: &ListedBackup) -> bool {
        *self.host == *host
            && self.raw_bytes == backup.raw_bytes
            && self.started == micros(&backup.started)
            && self.finished == micros(backup.finished.as_deref().unwrap_or_default())
            && self.verdict == backup.verdict.unwrap_or(0)
            && self.upload == backup.upload.unwrap_or(0)
    }
}

fn micros(moment: &str) -> i64 {
    moment.parse::<Timestamp>().map_or(i64::MIN, |at| at.as_microsecond())
}

/// Backups that ended, by their numbers.
#[derive(Debug, Default)]
pub struct Index {
    rows: Vec<Row>,
    hosts: BTreeSet<Arc<str>>,
    totals: Totals,
    /// Backups that had not ended.
    pub open: Vec<i64>,
}

impl Index {
    /// Knows no backup yet, but which have not ended.
    pub fn new(open: Vec<i64>) -> Index {
        Index { open, ..Index::default() }
    }

    /// Notes backups that ended. Texts are taken over from what was `known`, where nothing changed.
    pub fn add(&mut self, reader: &Reader, backups: &[ListedBackup], known: &Index) {
        for backup in backups {
            let host = self.host(&backup.host);
            let kept = known.row(backup.number).filter(|row| row.is_of(&host, backup));
            let text = || view::search_text(reader, backup).into_boxed_str();
            let row = Row {
                number: backup.number,
                raw_bytes: backup.raw_bytes,
                started: micros(&backup.started),
                finished: micros(backup.finished.as_deref().unwrap_or_default()),
                verdict: backup.verdict.unwrap_or(0),
                upload: backup.upload.unwrap_or(0),
                text: kept.map_or_else(text, |row| row.text.clone()),
                host,
            };
            match self.rows.last() {
                Some(last) if last.number >= row.number => self.put(row),
                Some(_) | None => self.append(row),
            }
        }
    }

    fn host(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.hosts.get(name) {
            return Arc::clone(known);
        }
        let new: Arc<str> = name.into();
        self.hosts.insert(Arc::clone(&new));
        new
    }

    fn append(&mut self, row: Row) {
        self.totals.add(i64::from(row.verdict), 1);
        self.rows.push(row);
    }

    /// Notes a backup that has not the highest number; one that is known stays as it is.
    fn put(&mut self, row: Row) {
        if let Err(at) = self.rows.binary_search_by_key(&row.number, |known| known.number) {
            self.totals.add(i64::from(row.verdict), 1);
            self.rows.insert(at, row);
        }
    }

    fn row(&self, number: i64) -> Option<&Row> {
        let at = self.rows.binary_search_by_key(&number, |known| known.number).ok()?;
        self.rows.get(at)
    }

    /// The highest number of a backup that is known.
    pub fn highest(&self) -> i64 {
        let ended = self.rows.last().map_or(0, |row| row.number);
        self.open.iter().copied().fold(ended, i64::max)
    }

    /// The numbers of one page of the backups whose text holds all words, in their order, and how many
    /// there are of them.
    fn find(&self, query: &ListQuery, words: &[String]) -> (Vec<i64>, u64) {
        let words: Vec<Finder<'_>> = words.iter().map(Finder::new).collect();
        let mut found: Vec<&Row> = self
            .rows
            .iter()
            .filter(|row| query.verdict.is_none_or(|v| row.verdict == v))
            .filter(|row| words.iter().all(|word| word.find(row.text.as_bytes()).is_some()))
            .collect();
        let order = |a: &&Row, b: &&Row| {
            let order = a.compare(b, query.order);
            if query.ascending { order } else { order.reverse() }
        };
        let all = found.len();
        let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(all);
        let (from, to) = (size(query.offset), size(query.offset.saturating_add(query.limit)));
        // Only the page is sorted: what comes before it and behind it is put there, no more.
        if to < all {
            found.select_nth_unstable_by(to, order);
            found.truncate(to);
        }
        if 0 < from && from < to {
            found.select_nth_unstable_by(from, order);
        }
        let mut page = found.split_off(from);
        page.sort_unstable_by(order);
        (page.into_iter().map(|row| row.number).collect(), all as u64)
    }
}

/// When what is known was read, how long that took, and for which totals it was looked at last.
#[derive(Debug, Clone, Copy)]
struct Read {
    at: Instant,
    took: Duration,
    totals: Totals,
}

/// What searches know, and how old it is.
#[derive(Debug, Default)]
pub struct Searches {
    index: RwLock<Index>,
    read: Mutex<Option<Read>>,
    /// Held by who reads it anew.
    pub reading: Mutex<()>,
}

/// How good what searches know is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// It was never read.
    Unread,
    /// It is old.
    Old,
    /// The totals are others than those it was last looked at for.
    Changed,
    /// It can be searched.
    Good,
}

impl Searches {
    fn read(&self) -> std::sync::MutexGuard<'_, Option<Read>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known.
    pub fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// How good it is, where there are that many backups now.
    pub fn age(&self, totals: Totals) -> Age {
        match *self.read() {
            None => Age::Unread,
            Some(read) if read.at.elapsed() > GOOD.max(read.took * REST) => Age::Old,
            Some(read) if read.totals != totals => Age::Changed,
            Some(_) => Age::Good,
        }
    }

    /// Everything was read anew, in that time, while there were that many backups.
    pub fn replace(&self, index: Index, took: Duration, totals: Totals) {
        *self.index_mut() = index;
        *self.read() = Some(Read { at: Instant::now(), took, totals });
    }

    /// Notes backups that ended since, and which have not; returns whether it now knows as many of
    /// each verdict as there `are`. `totals` is what it was looked at for.
    pub fn renew(
        &self,
        reader: &Reader,
        (ended, open): (&[ListedBackup], Vec<i64>),
        are: Totals,
        totals: Totals,
    ) -> bool {
        let mut index = self.index_mut();
        index.add(reader, ended, &Index::default());
        index.open = open;
        let knows = index.totals == are;
        if let Some(read) = self.read().as_mut().filter(|_| knows) {
            read.totals = totals;
        }
        knows
    }

    /// The numbers of one page of the backups whose text holds all words, and how many there are.
    pub fn find(&self, query: &ListQuery, words: &[String]) -> (Vec<i64>, u64) {
        self.index().find(query, words)
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use crate::lang::Lang;

    use super::*;

    fn backup(number: i64, host: &str, verdict: u8) -> ListedBackup {
        ListedBackup {
            number,
            host: host.into(),
            raw_bytes: 1 << number,
            started: format!("2026-11-20T0{}:00:00.000000Z", 9 - number),
            finished: Some(format!("2026-11-20T0{number}:30:00.000000Z")),
            verdict: Some(verdict),
            upload: Some(4 - verdict),
            ..ListedBackup::default()
        }
    }

    fn all() -> ListQuery {
        ListQuery { limit: u64::MAX, ..ListQuery::default() }
    }

    fn reader() -> Reader {
        Reader { lang: Lang::PtBr, zone: TimeZone::get("America/Porto_Velho").expect("known") }
    }

    #[test]
    fn what_is_found_is_in_the_order_of_the_list() {
        let mut index = Index::default();
        let all = [backup(1, "b", 1), backup(2, "a", 3), backup(3, "B", 2)];
        index.add(&reader(), &all, &Index::default());
        let orders = [
            (Order::Host, [3, 2, 1]),
            (Order::Verdict, [1, 3, 2]),
            (Order::Size, [1, 2, 3]),
            (Order::Started, [3, 2, 1]),
            (Order::Finished, [1, 2, 3]),
            (Order::Upload, [2, 3, 1]),
        ];
        for (order, numbers) in orders {
            let up = ListQuery { order, ascending: true, limit: 9, ..ListQuery::default() };
            assert_eq!(index.find(&up, &[]), (numbers.to_vec(), 3), "{order:?}");
            let down = ListQuery { ascending: false, ..up.clone() };
            assert!(index.find(&down, &[]).0.iter().rev().eq(&numbers), "{order:?}");
            // Each page of it, and those behind the last.
            for (offset, limit) in (0..5).flat_map(|o| (0..4).map(move |l| (o, l))) {
                let page = ListQuery { offset, limit, ..up.clone() };
                let part = numbers.iter().skip(offset as usize).take(limit as usize).copied();
                assert_eq!(
                    index.find(&page, &[]),
                    (part.collect(), 3),
                    "{order:?} {offset} {limit}"
                );
            }
        }
    }

    #[test]
    fn words_are_those_of_the_reader_s_zone_and_every_one_is_asked_for() {
        let mut index = Index::default();
        index.add(&reader(), &[backup(1, "Açaí", 1), backup(2, "acai", 3)], &Index::default());
        let find = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
            index.find(&all(), &words).0
        };
        assert_eq!(find(&["acai"]), [1, 2]);
        assert_eq!(find(&["04:00:00", "20/11/2026"]), [1]);
        assert_eq!(find(&["2026-11-20", "03:00:00"]), [2]);
        assert_eq!(find(&["sucesso", "alerta"]), [0; 0]);
        let query = ListQuery { verdict: Some(3), ..all() };
        assert_eq!(index.find(&query, &["acai".into()]), (vec![2], 1));
    }

    #[test]
    fn what_changed_shows_in_the_totals() {
        let searches = Searches::default();
        let of = |success, alert, error| Totals { success, alert, error };
        assert_eq!(searches.age(of(1, 0, 0)), Age::Unread);
        let mut index = Index::new(vec![2]);
        index.add(&reader(), &[backup(1, "a", 1)], &Index::default());
        assert_eq!(index.highest(), 2);
        searches.replace(index, Duration::ZERO, of(1, 0, 0));
        assert_eq!(searches.age(of(1, 0, 0)), Age::Good);
        assert_eq!(searches.age(of(1, 0, 1)), Age::Changed);
        let ended = [backup(2, "porto", 3)];
        assert!(searches.renew(&reader(), (&ended, vec![]), of(1, 0, 1), of(1, 0, 1)));
        assert_eq!(searches.age(of(1, 0, 1)), Age::Good);
        assert_eq!(searches.find(&all(), &["porto".into()]).0, [2]);
        // One that was good became an error: only reading all of it shows which.
        assert!(!searches.renew(&reader(), (&[], vec![]), of(0, 0, 2), of(0, 0, 2)));
        assert_eq!(searches.age(of(0, 0, 2)), Age::Changed);
    }

    #[test]
    fn a_text_is_made_anew_where_something_of_it_changed() {
        let mut known = Index::default();
        known.add(&reader(), &[backup(1, "a", 1), backup(2, "b", 1)], &Index::default());
        let changed = ListedBackup { upload: Some(1), ..backup(2, "b", 1) };
        let mut next = Index::default();
        next.add(&reader(), &[backup(1, "a", 1), changed], &known);
        assert_eq!(next.rows[0].text, known.rows[0].text);
        assert_ne!(next.rows[1].text, known.rows[1].text);
    }
}
