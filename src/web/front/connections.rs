//! The table of open connections: how many, how far each one is, and who must go when there is no
//! room.
//!
//! Does not know bytes. There are never more threads of connections than the limit. Who has not
//! sent a whole request goes first, the oldest first; then who takes too long to read an answer;
//! a listener of events is never closed for a newcomer.

use std::collections::BTreeMap;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::base::Stop;

/// How long an answer may take to be read before its reader may be closed for a newcomer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the thread of a closed connection may take to end before the newcomer is turned away.
const HANDOVER: Duration = Duration::from_secs(1);

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Its request is not whole.
    Reading,
    /// It waits for the answer, or reads it.
    Answering,
    /// It listens to events.
    Listening,
    /// All is said; the other end may close first.
    Closing,
}

/// The open connections.
pub struct Connections {
    limit: usize,
    streams: usize,
    stop: Stop,
    /// Guards the table and the count of threads.
    state: Mutex<State>,
    left: Condvar,
}

struct State {
    next: u64,
    threads: usize,
    open: BTreeMap<u64, Open>,
}

struct Open {
    socket: Arc<TcpStream>,
    phase: Phase,
    since: Instant,
    listener: Option<Stop>,
}

/// A place in the table; given back when it is dropped.
pub struct Place<'a> {
    connections: &'a Connections,
    /// The number of the connection.
    pub number: u64,
}

impl Connections {
    /// An empty table for so many connections, of which so many may listen to events.
    pub fn new(limit: usize, streams: usize, stop: &Stop) -> Connections {
        let state = State { next: 0, threads: 0, open: BTreeMap::new() };
        Connections {
            limit,
            streams,
            stop: stop.clone(),
            state: Mutex::new(state),
            left: Condvar::new(),
        }
    }

    /// A place for a new connection; closes another one where there is no room. `None` if nobody
    /// has to go.
    pub fn enter(&self, socket: &Arc<TcpStream>) -> Option<Place<'_>> {
        let mut state = self.lock();
        if state.open.len() >= self.limit && !state.close_one() {
            return None;
        }
        let full = |state: &mut State| state.threads >= self.limit;
        state =
            self.left.wait_timeout_while(state, HANDOVER, full).expect("no panic while locked").0;
        if state.threads >= self.limit {
            return None;
        }
        state.next += 1;
        state.threads += 1;
        let number = state.next;
        let (phase, since) = (Phase::Reading, Instant::now());
        let open = Open { socket: Arc::clone(socket), phase, since, listener: None };
        state.open.insert(number, open);
        Some(Place { connections: self, number })
    }

    /// Closes the connection that has to go first, if there is one.
    pub fn make_room(&self) {
        self.lock().close_one();
    }

    /// Makes a connection a listener: the stop that ends with it. `None` where there are enough.
    pub fn listen(&self, number: u64) -> Option<Stop> {
        let mut state = self.lock();
        let listening = |open: &&Open| open.phase == Phase::Listening;
        if state.open.values().filter(listening).count() >= self.streams {
            return None;
        }
        let open = state.open.get_mut(&number)?;
        let stop = self.stop.child();
        (open.phase, open.listener) = (Phase::Listening, Some(stop.clone()));
        Some(stop)
    }

    /// Closes the connections that a wish to stop does not wait for, gives the others a time to
    /// end, then closes them as well.
    pub fn close(&self, grace: Duration) {
        let mut state = self.lock();
        let waiting = |open: &&Open| matches!(open.phase, Phase::Reading | Phase::Closing);
        state.open.values().filter(waiting).for_each(Open::shut);
        let some = |state: &mut State| state.threads > 0;
        state = self.left.wait_timeout_while(state, grace, some).expect("no panic while locked").0;
        state.open.values().for_each(Open::shut);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while locked")
    }
}

impl State {
    /// Closes the one that has to go first.
    fn close_one(&mut self) -> bool {
        let now = Instant::now();
        let first = |wanted: &dyn Fn(&Open) -> bool| {
            self.open.iter().find(|(_, open)| wanted(open)).map(|(number, _)| *number)
        };
        let unread = |open: &Open| matches!(open.phase, Phase::Reading | Phase::Closing);
        let slow = |open: &Open| {
            open.phase == Phase::Answering && now.duration_since(open.since) > PATIENCE
        };
        let Some(number) = first(&unread).or_else(|| first(&slow)) else { return false };
        self.open.remove(&number).iter().for_each(Open::shut);
        true
    }
}

impl Open {
    /// Its thread finds the end of the connection at once, wherever it waits.
    fn shut(&self) {
        // It may be closed already, which is as good.
        drop(self.socket.shutdown(Shutdown::Both));
    }
}

impl Place<'_> {
    /// Says how far the connection is.
    pub fn reach(&self, phase: Phase) {
        if let Some(open) = self.connections.lock().open.get_mut(&self.number) {
            (open.phase, open.since) = (phase, Instant::now());
        }
    }

    /// Whether the connection listens to events.
    pub fn is_listening(&self) -> bool {
        let state = self.connections.lock();
        state.open.get(&self.number).is_some_and(|open| open.phase == Phase::Listening)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.connections.lock();
        let listener = state.open.remove(&self.number).and_then(|open| open.listener);
        state.threads -= 1;
        drop(state);
        listener.iter().for_each(Stop::stop);
        self.connections.left.notify_all();
    }
}
