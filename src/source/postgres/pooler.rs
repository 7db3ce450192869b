//! What stands between vex and a server: nothing, a pooler that lends each client a session of its
//! own, or one that lends a session to many at once.
//!
//! Asked before the first statement that changes a session, and by statements that change none: what
//! vex sets would stay in sessions that an application gets next. Two signs are used.
//! - A server names each session by the number of its process, when the session begins and whenever
//!   it is asked. Most poolers begin a session by themselves, and with a number of their own.
//! - A session ends with its client. A pooler keeps it, and one that lends it until the client
//!   leaves clears it then, at once. Both can be seen from another session, and only who was seen to
//!   do so is trusted: that two clients have two sessions shows nothing, they may be two because
//!   others are at work, or because the pooler runs in two processes. Clients clear sessions too, so
//!   that one is cleared counts only at once, several times, and if nobody else used it before.
//!
//! The price is two connections more, for the maintenance database and once for all others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::base::Stop;
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::postgres::wire::Wire;

/// How long a pooler may take to lend a session.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How long a session is watched before its client leaves.
const HOLD: Duration = Duration::from_millis(150);

/// How soon a session is cleared after its client left, in seconds of the server.
const AT_ONCE: f64 = 0.15;

/// How long is waited for what becomes of a session.
const CLEARING: Duration = Duration::from_secs(2);

/// Time between two looks at it.
const LOOK: Duration = Duration::from_millis(5);

/// How often a session is to be seen cleared.
const SEEN: u32 = 3;

/// How often that is tried, and after how many tries one client more leaves at once: in a busy pool
/// another client may be at work in a session before anybody looks.
const TRIES: usize = 16;
const MORE: usize = 3;

/// Clients that leave at once, at most.
const LEAVERS: usize = 3;

/// The statement that clears a session of everything.
const CLEARS: &str = "DISCARD ALL";

/// Databases whose sessions pgpool does not keep, while it keeps those of all others.
const UNKEPT: [&str; 4] = ["postgres", "template0", "template1", "regression"];

/// The number of the session, and the time of the server.
const NUMBER: &str =
    "SELECT pg_catalog.pg_backend_pid(), extract(epoch FROM pg_catalog.clock_timestamp())::float8";

/// What stands before a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The server: a session is ours, and ends with the connection.
    Direct,
    /// A pooler that lends a session until the connection ends, and clears it then.
    Lent,
    /// A pooler that lends a session for a transaction, or for a statement.
    Shared,
    /// A pooler of which nothing can be told.
    Unknown,
}

impl Way {
    fn is_pooled(self) -> bool {
        self != Way::Direct
    }

    /// Refuses a pooler that would hand on what is set in a session.
    pub fn preflight(self, doing: &str) -> Result<()> {
        let (found, hint) = match self {
            Way::Direct | Way::Lent => return Ok(()),
            Way::Shared => (
                "a connection pooler stands before the server, and lends a session for a transaction only \
                 (pool_mode=transaction or statement): what is set in it would reach other clients",
                "Name the server itself in `host` and `port`, or a pool with pool_mode=session.",
            ),
            Way::Unknown => (
                "a connection pooler stands before the server, and was not seen to clear a session before \
                 another client gets it",
                "Name the server itself in `host` and `port`, or a pool with pool_mode=session and \
                 server_reset_query=DISCARD ALL.",
            ),
        };
        Err(Error::new(ErrorKind::Refused, doing, found).hint(hint))
    }
}

/// What became of a session whose client has left.
enum Left {
    /// It has ended.
    Ended,
    /// It was cleared.
    Cleared,
    /// Its last statement is still that of the client.
    Kept,
    /// Another client has it already.
    Taken,
    /// The session that looks is another, too.
    Moved,
}

/// What stands before each database of a server.
#[derive(Clone, Default)]
pub struct Ways {
    /// Guards what was found; while one looks, others wait for what it finds.
    known: Arc<Mutex<BTreeMap<String, Way>>>,
}

impl Ways {
    /// What stands before a database, which `open` makes connections to.
    pub fn of(
        &self,
        database: &str,
        open: &dyn Fn() -> Result<Wire>,
        doing: &str,
        stop: &Stop,
    ) -> Result<Way> {
        let mut known = self.known.lock().expect("no panic while locked");
        // Where the server itself listens it does so for every database.
        let direct =
            known.iter().any(|(name, way)| !way.is_pooled() && !UNKEPT.contains(&name.as_str()));
        if let Some(way) = known.get(database).copied().or(direct.then_some(Way::Direct)) {
            return Ok(way);
        }
        let way = look(open, doing, stop)?;
        known.insert(database.to_owned(), way);
        Ok(way)
    }

    /// Whether a pooler stands before any database that was asked for.
    pub fn is_pooled(&self) -> bool {
        self.known.lock().expect("no panic while locked").values().any(|way| way.is_pooled())
    }
}

/// Looks at what stands there; `open` makes a connection to the database.
fn look(open: &dyn Fn() -> Result<Wire>, doing: &str, stop: &Stop) -> Result<Way> {
    let first = open()?;
    try_look(first, open, doing, stop).map_err(|error| match error.kind {
        ErrorKind::Unreachable if error.hint.is_none() => error.hint(
            "vex takes several connections at once: the server, or a pooler before it, may have none to spare.",
        ),
        _ => error,
    })
}

fn try_look(first: Wire, open: &dyn Fn() -> Result<Wire>, doing: &str, stop: &Stop) -> Result<Way> {
    let mut watcher = Watcher::new(open()?, doing, stop)?;
    let (mut leavers, mut seen) = (vec![first], 0);
    for turn in 1..=TRIES {
        let mut left = Vec::new();
        for leaver in &mut leavers {
            left.push(number(leaver, doing, stop)?.0);
        }
        let named = watcher.named && leavers[0].process() == Some(left[0]);
        if left.contains(&watcher.own)
            || (!named && !watcher.sees_alone(&mut leavers[0], left[0])?)
        {
            return Ok(Way::Shared);
        }
        let mut since = Vec::new();
        for leaver in &mut leavers {
            since.push(number(leaver, doing, stop)?);
        }
        if left.iter().ne(since.iter().map(|(session, _)| session)) {
            return Ok(Way::Shared);
        }
        leavers.drain(..).for_each(Wire::close);
        let mut cleared = false;
        for (session, moment) in since {
            match watcher.after(session, moment)? {
                Left::Ended if named => return Ok(Way::Direct),
                Left::Ended | Left::Cleared => cleared = true,
                Left::Kept => return Ok(Way::Unknown),
                Left::Taken => {}
                Left::Moved => return Ok(Way::Shared),
            }
        }
        seen += u32::from(cleared);
        if seen == SEEN {
            return Ok(Way::Lent);
        }
        for _ in 0..(1 + turn / MORE).min(LEAVERS) {
            leavers.push(open()?);
        }
    }
    Ok(Way::Unknown)
}

/// A client that looks at the sessions of others.
struct Watcher<'a> {
    wire: Wire,
    /// Its own session.
    own: i32,
    /// Whether the session was called so when it began.
    named: bool,
    doing: &'a str,
    stop: &'a Stop,
}

impl<'a> Watcher<'a> {
    fn new(mut wire: Wire, doing: &'a str, stop: &'a Stop) -> Result<Watcher<'a>> {
        let own = number(&mut wire, doing, stop)?.0;
        Ok(Watcher { named: wire.process() == Some(own), wire, own, doing, stop })
    }

    /// Whether another client and this one keep their sessions to themselves for a while.
    fn sees_alone(&mut self, other: &mut Wire, session: i32) -> Result<bool> {
        // Twice in a row and in turns: sessions that are lent in a circle, or always the last that
        // came back, would show in one of the two only.
        let others = number(other, self.doing, self.stop)?.0;
        let mut own = || Ok::<_, Error>(number(&mut self.wire, self.doing, self.stop)?.0);
        if others != session || own()? != self.own || own()? != self.own {
            return Ok(false);
        }
        if number(other, self.doing, self.stop)?.0 != session {
            return Ok(false);
        }
        let end = Instant::now() + HOLD;
        while Instant::now() < end {
            match self.look_at(session)? {
                Some(Some((query, _))) if query == NUMBER => self.stop.sleep(LOOK)?,
                Some(Some((query, _))) if query.is_empty() => return Ok(true),
                Some(_) | None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// What became of a session whose client left after that moment.
    fn after(&mut self, session: i32, moment: f64) -> Result<Left> {
        let end = Instant::now() + CLEARING;
        loop {
            let Some(last) = self.look_at(session)? else { return Ok(Left::Moved) };
            let Some((query, began)) = last else { return Ok(Left::Ended) };
            match query.as_str() {
                NUMBER if Instant::now() < end => self.stop.sleep(LOOK)?,
                NUMBER | "" => return Ok(Left::Kept),
                other if other.to_ascii_uppercase().contains(CLEARS) => {
                    return Ok(if began - moment < AT_ONCE { Left::Cleared } else { Left::Taken });
                }
                _ => return Ok(Left::Taken),
            }
        }
    }

    /// The last statement of a session, and when it began; the inner is `None` if it has ended, the
    /// outer if this client's own session is another than it was.
    fn look_at(&mut self, session: i32) -> Result<Option<Option<(String, f64)>>> {
        let sql = format!(
            "SELECT pg_catalog.pg_backend_pid(), s.pid, s.query, extract(epoch FROM s.query_start)::float8 \
             FROM (SELECT) one LEFT JOIN pg_catalog.pg_stat_activity s ON s.pid = {session}"
        );
        let answer = self.wire.rows(&sql, self.doing, self.stop)?;
        let [Some(own), pid, query, began] = answer.first().map_or(&[][..], Vec::as_slice) else {
            return Err(strange(self.doing));
        };
        if own.parse() != Ok(self.own) {
            return Ok(None);
        }
        let began = began.as_ref().and_then(|text| text.parse().ok()).unwrap_or(f64::MAX);
        Ok(Some(pid.as_ref().map(|_| (query.clone().unwrap_or_default(), began))))
    }
}

/// The number of the session and the time, as the server says them.
fn number(wire: &mut Wire, doing: &str, stop: &Stop) -> Result<(i32, f64)> {
    let answer = wire.rows(NUMBER, doing, stop)?;
    let [Some(session), Some(moment)] = answer.first().map_or(&[][..], Vec::as_slice) else {
        return Err(strange(doing));
    };
    session.parse().ok().zip(moment.parse().ok()).ok_or_else(|| strange(doing))
}

fn strange(doing: &str) -> Error {
    Error::new(ErrorKind::Damaged, doing, "the server does not say which session this is")
}
