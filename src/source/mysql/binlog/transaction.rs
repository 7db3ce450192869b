//! What a group of events says of itself: its time, its GTID, what it changes, and how it ends.
//!
//! Reads headers, table names and statements, no rows. Invariant: what is not understood is a group
//! all the same, at its place, so that nothing is passed over where a recovery ends.

use crate::source::mysql::binlog::group::statement;
use crate::source::mysql::binlog::payload;
use crate::source::mysql::binlog::place::{Placed, Spot};
use crate::source::mysql::binlog::words::{Act, act};

/// So many characters of a statement are kept.
const SHOWN: usize = 160;

/// So many statements of a transaction are kept.
const KEPT: usize = 8;

/// How a group ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// What it changes is there.
    Commit,
    /// What it changes in tables without transactions is there; the rest was taken back.
    Rollback,
    /// An XA transaction waits for its end.
    Prepared(String),
    /// An XA transaction that waited ends; whether it comes to be.
    Ended(String, bool),
}

/// What rows of a table become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `insert`, `update` or `delete`.
    pub verb: &'static str,
    /// Database and table.
    pub table: String,
    /// In how many events.
    pub events: u64,
    /// Bytes of these events.
    pub bytes: u64,
}

/// A group of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Where it begins.
    pub spot: Spot,
    /// Where it ends.
    pub end: u64,
    /// When it was committed by the server's clock, in microseconds since 1970.
    pub time: i64,
    /// Whether that is exact; else it is the second in which its last statement began.
    pub is_exact: bool,
    /// Its GTID, where it has one.
    pub gtid: Option<String>,
    /// How it ends.
    pub ending: Ending,
    /// What its rows become.
    pub changes: Vec<Change>,
    /// The first of its statements, their beginnings; nothing of what may hold a password.
    pub statements: Vec<String>,
    /// Whether it is one statement about accounts.
    pub is_account: bool,
    /// Whether it makes or changes an event of the scheduler.
    pub has_event: bool,
    table: String,
}

/// Puts events together.
#[derive(Debug, Default)]
pub struct Transactions {
    open: Option<Transaction>,
}

const QUERY: u8 = 2;
const TABLE_MAP: u8 = 19;
const GTID: u8 = 33;
const ANONYMOUS: u8 = 34;
const XA_PREPARE: u8 = 38;
const PAYLOAD: u8 = 40;
const TAGGED: u8 = 42;
const MARIADB_GTID: u8 = 162;
const COMPRESSED_QUERY: u8 = 165;

impl Transactions {
    /// Takes an event of a file; gives the group that ends with it.
    pub fn event(
        &mut self,
        (file, created): (&str, u32),
        placed: &Placed<'_>,
    ) -> Option<Transaction> {
        let frame = &placed.frame;
        if placed.opens {
            let spot = Spot { file: file.to_owned(), created, at: placed.start };
            self.open = Some(Transaction {
                spot,
                end: placed.end,
                time: i64::from(frame.time) * 1_000_000,
                is_exact: false,
                gtid: None,
                ending: Ending::Commit,
                changes: Vec::new(),
                statements: Vec::new(),
                is_account: false,
                has_event: false,
                table: String::new(),
            });
        }
        let open = self.open.as_mut()?;
        open.end = placed.end;
        open.take(frame.kind, frame.server, frame.body, frame.bytes.len() as u64);
        if placed.closes { self.open.take() } else { None }
    }
}

impl Transaction {
    fn take(&mut self, kind: u8, server: u32, body: &[u8], length: u64) {
        match kind {
            GTID | ANONYMOUS => self.mysql_gtid(kind, body),
            TAGGED => self.gtid = Some("tagged".into()),
            MARIADB_GTID => {
                let seq = body.get(..8).map(|b| u64::from_le_bytes(b.try_into().unwrap_or([0; 8])));
                let domain = word(body, 8);
                self.gtid = seq.zip(domain).map(|(seq, domain)| format!("{domain}-{server}-{seq}"));
            }
            TABLE_MAP => self.table = table(body),
            23 | 30 | 166 | 169 => self.rows("insert", length),
            24 | 31 | 39 | 167 | 170 => self.rows("update", length),
            25 | 32 | 168 | 171 => self.rows("delete", length),
            QUERY => self.statement(body, statement(body)),
            COMPRESSED_QUERY => self.say("(a compressed statement)".into()),
            XA_PREPARE => {
                let one_phase = body.first().is_some_and(|one| *one != 0);
                if !one_phase {
                    self.ending = Ending::Prepared(xid(body).unwrap_or_else(|| "?".into()));
                }
            }
            PAYLOAD => match payload::events(body) {
                Ok(events) => {
                    for (kind, body, length) in payload::split(&events) {
                        self.take(kind, server, body, length);
                    }
                }
                Err(_) => self.say("(a compressed transaction that can't be read)".into()),
            },
            _ => {}
        }
    }

    fn mysql_gtid(&mut self, kind: u8, body: &[u8]) {
        if kind == GTID
            && let (Some(sid), Some(gno)) = (body.get(1..17), body.get(17..25))
        {
            let gno = u64::from_le_bytes(gno.try_into().unwrap_or([0; 8]));
            let hex: String = sid.iter().map(|byte| format!("{byte:02x}")).collect();
            let [a, b, c, d, e] = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
            self.gtid = Some(format!("{a}-{b}-{c}-{d}-{e}:{gno}"));
        }
        // Older servers write no moment of the commit.
        if let Some(seven) = body.get(42..49) {
            let mut eight = [0; 8];
            eight[..7].copy_from_slice(seven);
            eight[6] &= 0x7f;
            let time = i64::from_le_bytes(eight);
            if time > 0 {
                (self.time, self.is_exact) = (time, true);
            }
        }
    }

    fn rows(&mut self, verb: &'static str, length: u64) {
        match self.changes.iter_mut().find(|c| c.verb == verb && c.table == self.table) {
            Some(change) => {
                change.events += 1;
                change.bytes += length;
            }
            None => {
                let table = self.table.clone();
                self.changes.push(Change { verb, table, events: 1, bytes: length });
            }
        }
    }

    fn statement(&mut self, body: &[u8], text: &[u8]) {
        match act(text) {
            Act::Begin => return,
            Act::Commit => {
                self.ending = Ending::Commit;
                return;
            }
            Act::Rollback => {
                self.ending = Ending::Rollback;
                return;
            }
            Act::XaCommit(xid) => self.ending = Ending::Ended(xid, true),
            Act::XaRollback(xid) => self.ending = Ending::Ended(xid, false),
            Act::Account => {
                self.is_account = true;
                return self.say("(a statement about accounts)".into());
            }
            Act::Event => self.has_event = true,
            Act::Other => {}
        }
        let text: String =
            String::from_utf8_lossy(text).split_whitespace().collect::<Vec<_>>().join(" ");
        let shown: String = text.chars().take(SHOWN).collect();
        let more = if shown.len() < text.len() { "…" } else { "" };
        let database = schema(body);
        self.say(match database.is_empty() {
            true => format!("{shown}{more}"),
            false => format!("{shown}{more} [{database}]"),
        });
    }

    fn say(&mut self, text: String) {
        if self.statements.len() < KEPT {
            self.statements.push(text);
        }
    }
}

/// The database of a query event.
fn schema(body: &[u8]) -> String {
    let length = body.get(8).copied().unwrap_or(0) as usize;
    let status = body.get(11..13).map_or(0, |two| u16::from_le_bytes([two[0], two[1]]) as usize);
    let name = body.get(13 + status..13 + status + length).unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}

/// The table of a table map event.
fn table(body: &[u8]) -> String {
    let text = |at: usize| -> Option<(String, usize)> {
        let length = *body.get(at)? as usize;
        let name = body.get(at + 1..at + 1 + length)?;
        Some((String::from_utf8_lossy(name).into_owned(), at + 1 + length + 1))
    };
    let names = text(8).and_then(|(database, at)| Some((database, text(at)?.0)));
    names.map_or_else(|| "?".into(), |(database, name)| format!("{database}.{name}"))
}

fn word(body: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(body.get(at..at + 4)?.try_into().ok()?))
}

/// The name of a prepared XA transaction, as statements write it.
fn xid(body: &[u8]) -> Option<String> {
    let (format, gtrid, bqual) = (word(body, 1)?, word(body, 5)? as usize, word(body, 9)? as usize);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (one, two) = (body.get(13..13 + gtrid)?, body.get(13 + gtrid..13 + gtrid + bqual)?);
    Some(format!("x'{}',x'{}',{format}", hex(one), hex(two)))
}
