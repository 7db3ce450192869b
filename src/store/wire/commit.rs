//! Writes that must happen once, over a wire that may lose the answer.
//!
//! Does not know what is written. Invariant: after an unknown outcome the next thing is a look,
//! never a guess: what is there may be ours, somebody else's, or nothing. Where the service knows
//! no conditions, a look comes before the first try too; between that look and the write is a gap
//! that only the service could close.

use crate::base::Stop;
use crate::store::contract::{Error, ErrorKind, Result};
use crate::store::wire::ask::Wire;
use crate::store::wire::call::{Answer, Call};
use crate::store::wire::look::size;
use crate::store::wire::read::read;
use crate::store::wire::refusal::Refusal;

/// What stands under the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Nothing.
    Absent,
    /// What we wrote.
    Ours,
    /// Something else.
    Foreign,
}

/// Writes a small object whole, whose outcome is known then; `good` reads the answer.
pub fn put(
    wire: &Wire,
    doing: &str,
    call: &Call<'_>,
    good: &dyn Fn(&Answer) -> std::result::Result<(), Refusal>,
    stop: &Stop,
) -> Result<()> {
    let key = call.key.expect("BUG: an object without a key");
    let send = || wire.once(call, stop).and_then(|answer| good(&answer));
    let look = || match size(wire, key, stop)? {
        None => Ok(Look::Absent),
        Some(found) if found != call.body.len() as u64 => Ok(Look::Foreign),
        Some(_) => {
            let there = read(wire, key, None, stop).map_err(|e| e.error(doing))?;
            Ok(if there == call.body { Look::Ours } else { Look::Foreign })
        }
    };
    commit(wire, doing, &send, &look, stop)
}

/// Sends a write until its outcome is known.
pub fn commit(
    wire: &Wire,
    doing: &str,
    send: &dyn Fn() -> std::result::Result<(), Refusal>,
    look: &dyn Fn() -> Result<Look>,
    stop: &Stop,
) -> Result<()> {
    let taken = || Error::new(ErrorKind::Exists, doing, "the key is taken");
    let mut backoff = wire.backoff();
    let mut unsure = false;
    loop {
        if !unsure && !wire.conditions() && look()? != Look::Absent {
            return Err(taken());
        }
        let refusal = match send() {
            Ok(()) => return Ok(()),
            Err(refusal) if refusal.adapted => continue,
            Err(refusal) => refusal,
        };
        unsure |= refusal.unsure;
        // After a lost answer, a missing upload may be one the service is still putting together.
        let again = refusal.again || (unsure && refusal.status == 404);
        let again = again && wire.wait(&mut backoff, &refusal, stop).map_err(|e| e.error(doing))?;
        if unsure {
            match look()? {
                Look::Ours => return Ok(()),
                Look::Foreign => return Err(taken()),
                Look::Absent => {}
            }
        }
        if !again && refusal.kind == ErrorKind::Exists {
            return Err(taken());
        }
        if !again {
            return Err(refusal.after(backoff.history()).error(doing));
        }
    }
}
