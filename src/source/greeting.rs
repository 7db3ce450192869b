//! The wait for a connection that is being made: a server, or what stands in its place, may accept
//! it and then say nothing.
//!
//! Drivers bound the time until a port answers, not the time until a session is there. Does not
//! know what is connected. Invariant: the wait has an end; a connection that comes after it is
//! closed by the thread that made it.

use std::thread::Builder;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, bounded};

use crate::source::contract::{Error, ErrorKind, Result};

/// How long a server may take from accepting a connection to a session.
const PATIENCE: Duration = Duration::from_secs(60);

/// What `make` makes, in a thread of its own.
pub fn greeted<T: Send + 'static>(
    doing: &str,
    make: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    within(PATIENCE, doing, make)
}

fn within<T: Send + 'static>(
    patience: Duration,
    doing: &str,
    make: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let (done, made) = bounded(1);
    // Nobody waits any more where it can't be sent: what was made is dropped, which closes it.
    let thread = move || drop(done.send(make()));
    Builder::new()
        .name("connect".into())
        .spawn(thread)
        .map_err(|e| Error::new(ErrorKind::Failed, doing, format!("no thread for it: {e}")))?;
    made.recv_timeout(patience).unwrap_or_else(|why| {
        let found = match why {
            RecvTimeoutError::Timeout => format!(
                "the connection was accepted, and then nothing was said for {} s",
                patience.as_secs()
            ),
            RecvTimeoutError::Disconnected => "BUG: a panic while connecting".to_owned(),
        };
        Err(Error::new(ErrorKind::Unreachable, doing, found)
            .hint("Look at the server, and at what stands before it: a proxy, a firewall, a full backlog."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_accepts_and_says_nothing_is_not_waited_for_for_ever() {
        let (end, never) = bounded::<()>(0);
        let silent = move || {
            never.recv().unwrap_or_default();
            Ok(())
        };
        let error = within(Duration::from_millis(20), "connect to x", silent).unwrap_err();
        drop(end);
        assert_eq!(error.kind, ErrorKind::Unreachable);
        assert!(error.to_string().contains("nothing was said"), "{error}");
        assert_eq!(within(PATIENCE, "connect to x", || Ok(7)).unwrap(), 7);
    }
}
