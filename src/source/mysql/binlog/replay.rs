//! A stored log replayed into a server: it is served, the server applies it, and the end is waited
//! for.
//!
//! Invariants: it has succeeded only when the server stands at the mark behind the last group; every
//! wait ends with the stop, with the server's error, or when nothing moves for long.

use std::collections::HashSet;
use std::io;
use std::net::IpAddr;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};

use crate::artifact::hex;
use crate::base::Stop;
use crate::source::contract::{Error, ErrorKind, Result};
use crate::source::mysql::binlog::place::{Piece, Spot};
use crate::source::mysql::binlog::replica::{Channel, Progress, Replica, USER};
use crate::source::mysql::binlog::serve::{Serving, listen};

/// Nothing moves for so long: somebody else holds what the log needs.
const STILL: Duration = Duration::from_secs(3600);

/// What is replayed.
pub struct Replay<'a> {
    /// The first byte that counts.
    pub from: &'a Spot,
    /// The first group that does not; all counts where there is none.
    pub end: Option<&'a Spot>,
    /// Groups that are left out.
    pub skip: &'a HashSet<Spot>,
    /// Where the server finds us.
    pub address: IpAddr,
}

/// Gives the next piece of the log.
pub type Next<'n, E> = &'n mut (dyn FnMut() -> std::result::Result<Option<Piece>, E> + Send);

/// Replays a log; the error of `next` comes first.
pub fn replay<E: From<Error> + Send>(
    replica: &Replica,
    replay: &Replay<'_>,
    next: Next<'_, E>,
    stop: &Stop,
) -> std::result::Result<(), E> {
    let place = replica.place().to_owned();
    let fail = |found: String| {
        Error::new(ErrorKind::Failed, format!("replay the log into {place}"), found)
    };
    let (listener, address) = listen(replay.address)
        .map_err(|e| fail(format!("unable to listen on {}: {e}", replay.address)))?;
    let serving = serving(replica, replay).map_err(&fail)?;
    let inner = stop.child();
    let (give, take) = bounded::<Piece>(1);
    let failed: Mutex<Option<E>> = Mutex::new(None);
    let served: Mutex<Option<io::Error>> = Mutex::new(None);
    let waited = thread::scope(|scope| {
        let (serving, inner, served) = (&serving, &inner, &served);
        let failed = &failed;
        scope.spawn(move || feed(next, give, failed, inner));
        scope.spawn(move || {
            let ended = serving.run(&listener, &take, inner);
            // Nobody waits for an answer that never comes.
            drop((listener, take));
            *served.lock().expect("no panic while locked") = ended.err();
        });
        let own = (address.ip(), address.port());
        let begun = replica.begin(own, &serving.password, (&replay.from.file, replay.from.at));
        let waited = begun.and_then(|mut channel| {
            let waited = wait(&mut channel, failed, served, stop, &fail);
            // Before the source goes: a server that lost it would try to reach it again.
            let ended = channel.end();
            waited.and(ended)
        });
        inner.stop();
        waited
    });
    match failed.into_inner().expect("no panic while locked") {
        Some(error) => Err(error),
        None => Ok(waited?),
    }
}

/// What is served, with a password and an identity of its own.
fn serving<'a>(replica: &Replica, replay: &Replay<'a>) -> std::result::Result<Serving<'a>, String> {
    let random = |n: usize| {
        let mut bytes = vec![0; n];
        getrandom::fill(&mut bytes).map_err(|e| format!("no random numbers: {e}"))?;
        Ok::<String, String>(hex(&bytes))
    };
    // Printable, since the greeting ends with the first zero byte.
    let nonce = random(10)?.into_bytes();
    let uuid = random(16)?;
    let [a, b, c, d, e] = [&uuid[..8], &uuid[8..12], &uuid[12..16], &uuid[16..20], &uuid[20..]];
    Ok(Serving {
        from: replay.from,
        end: replay.end,
        skip: replay.skip,
        family: replica.flavor.family,
        id: replica.id,
        uuid: format!("{a}-{b}-{c}-{d}-{e}"),
        user: USER.into(),
        // No longer than a channel takes.
        password: random(14)?,
        nonce: nonce.try_into().expect("BUG: twenty letters are not twenty"),
    })
}

/// Reads pieces as they are taken; an error ends it without a word to the server, which must not
/// take it for the end.
fn feed<E>(next: Next<'_, E>, give: Sender<Piece>, failed: &Mutex<Option<E>>, stop: &Stop) {
    loop {
        match next() {
            Ok(Some(piece)) => {
                let mut piece = piece;
                loop {
                    match give.send_timeout(piece, Duration::from_millis(100)) {
                        Ok(()) => break,
                        Err(crossbeam_channel::SendTimeoutError::Timeout(back))
                            if !stop.is_stopped() =>
                        {
                            piece = back;
                        }
                        Err(_) => return,
                    }
                }
            }
            Ok(None) => return,
            Err(error) => {
                *failed.lock().expect("no panic while locked") = Some(error);
                // What waits for a piece sees the stop, not an end.
                stop.stop();
                return;
            }
        }
    }
}

fn wait<E>(
    channel: &mut Channel<'_>,
    failed: &Mutex<Option<E>>,
    served: &Mutex<Option<io::Error>>,
    stop: &Stop,
    fail: &dyn Fn(String) -> Error,
) -> Result<()> {
    let (mut at, mut moved) = (String::new(), Instant::now());
    loop {
        stop.check()?;
        if failed.lock().expect("no panic while locked").is_some() {
            return Err(fail("the log could not be read".into()));
        }
        match channel.progress()? {
            Progress::Done => return Ok(()),
            Progress::Failed(found) => return Err(fail(found)),
            Progress::Applying(here) => {
                if here != at {
                    (at, moved) = (here, Instant::now());
                }
            }
        }
        if let Some(error) = &*served.lock().expect("no panic while locked") {
            return Err(fail(format!("the server stopped reading at {at}: {error}")));
        }
        if moved.elapsed() > STILL {
            return Err(fail(format!("it stands at {at} for {} s", STILL.as_secs())));
        }
        stop.sleep(Duration::from_millis(100))?;
    }
}
