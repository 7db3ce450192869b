//! Cancellation: tokens in a tree, run → step → pipeline.
//!
//! Does not know who cancels. A child stops with its parent, never the reverse. The broadcast is
//! the closing of a channel, so that a `select!` wakes on it. Cancellation is never told as
//! `io::ErrorKind::Interrupted`: `write_all` and `read_exact` would retry it for ever;
//! [`Stop::io_error`] is the kind to use.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

/// The answer of a wait or a check on a cancelled token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stopped")]
pub struct Stopped;

/// A cancellation token: it can be stopped, checked, and waited on.
#[derive(Clone)]
pub struct Stop {
    node: Arc<Node>,
    closed: Receiver<()>,
    /// When it counts as stopped although nobody wished it.
    deadline: Option<Arc<Deadline>>,
}

/// A moment that can be moved: what may be done until then only, as under a lease. It needs no
/// thread to pass: whoever was frozen and goes on finds it passed.
#[derive(Debug)]
pub struct Deadline {
    since: Instant,
    /// Milliseconds after `since`; the biggest number is never.
    at: AtomicU64,
}

impl Deadline {
    /// One that never comes until it is set.
    pub fn never() -> Arc<Deadline> {
        Arc::new(Deadline { since: Instant::now(), at: AtomicU64::new(u64::MAX) })
    }

    /// Sets it so long after a moment.
    pub fn set(&self, from: Instant, time: Duration) {
        let at = (from.saturating_duration_since(self.since) + time).as_millis();
        self.at.store(u64::try_from(at).unwrap_or(u64::MAX), Ordering::Release);
    }

    /// Whether it has come.
    pub fn has_passed(&self) -> bool {
        self.since.elapsed().as_millis() >= u128::from(self.at.load(Ordering::Acquire))
    }
}

struct Node {
    /// Guards the sender whose drop is the broadcast, and the children to tell.
    state: Mutex<State>,
}

struct State {
    open: Option<Sender<()>>,
    children: Vec<std::sync::Weak<Node>>,
    /// What is to be done at once, each by its number.
    hooks: BTreeMap<u64, Hook>,
}

/// What a stop does on the thread that wishes it; it must not wait.
type Hook = Box<dyn FnOnce() + Send>;

/// Keeps a hook of a token; dropped, it is forgotten.
pub struct Hooked {
    node: Arc<Node>,
    number: Option<u64>,
}

impl Drop for Hooked {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let hook = self.node.state.lock().expect("no panic while locked").hooks.remove(&number);
            // Whatever it holds is dropped outside of the lock.
            drop(hook);
        }
    }
}

impl Stop {
    /// A token with no parent.
    pub fn new() -> Stop {
        let (sender, closed) = bounded(0);
        let state = State { open: Some(sender), children: Vec::new(), hooks: BTreeMap::new() };
        Stop { node: Arc::new(Node { state: Mutex::new(state) }), closed, deadline: None }
    }

    /// A token that stops with this one, and can be stopped by itself.
    pub fn child(&self) -> Stop {
        let child = Stop { deadline: self.deadline.clone(), ..Stop::new() };
        let mut state = self.node.state.lock().expect("no panic while locked");
        if state.open.is_none() {
            child.stop();
        } else {
            state.children.retain(|c| c.strong_count() > 0);
            state.children.push(Arc::downgrade(&child.node));
        }
        child
    }

    /// A child that counts as stopped once the deadline has passed too. What waits is not woken by
    /// it; what asks is told.
    pub fn until(&self, deadline: &Arc<Deadline>) -> Stop {
        Stop { deadline: Some(deadline.clone()), ..self.child() }
    }

    /// Does something once it is cancelled, as long as what is returned lives; at once, if it is
    /// cancelled already. For a wait that can't select: its socket is shut down. Must not wait
    /// itself.
    #[must_use]
    pub fn once_stopped(&self, hook: impl FnOnce() + Send + 'static) -> Hooked {
        let mut state = self.node.state.lock().expect("no panic while locked");
        if state.open.is_none() {
            drop(state);
            hook();
            return Hooked { node: self.node.clone(), number: None };
        }
        let number = state.hooks.last_key_value().map_or(0, |(last, _)| last + 1);
        state.hooks.insert(number, Box::new(hook));
        Hooked { node: self.node.clone(), number: Some(number) }
    }

    /// Cancels; every wait on this token or its children ends at once.
    pub fn stop(&self) {
        self.node.stop();
    }

    /// Whether it was cancelled.
    pub fn is_stopped(&self) -> bool {
        self.deadline.as_ref().is_some_and(|deadline| deadline.has_passed())
            || self.node.state.lock().expect("no panic while locked").open.is_none()
    }

    /// `Err` once it was cancelled.
    pub fn check(&self) -> Result<(), Stopped> {
        if self.is_stopped() { Err(Stopped) } else { Ok(()) }
    }

    /// Sleeps, unless it is cancelled first.
    pub fn sleep(&self, time: Duration) -> Result<(), Stopped> {
        match self.closed.recv_timeout(time) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => Err(Stopped),
        }
    }

    /// A channel that closes on cancellation, for `select!`.
    pub fn closed(&self) -> &Receiver<()> {
        &self.closed
    }

    /// The I/O error that says *stopped*; a kind that no standard loop retries.
    pub fn io_error() -> io::Error {
        io::Error::new(io::ErrorKind::ConnectionAborted, Stopped)
    }
}

impl Default for Stop {
    fn default() -> Stop {
        Stop::new()
    }
}

impl Node {
    fn stop(&self) {
        let (children, hooks) = {
            let mut state = self.state.lock().expect("no panic while locked");
            state.open = None;
            (std::mem::take(&mut state.children), std::mem::take(&mut state.hooks))
        };
        hooks.into_values().for_each(|hook| hook());
        for child in children.iter().filter_map(std::sync::Weak::upgrade) {
            child.stop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_stops_with_its_parent_and_never_the_reverse() {
        let run = Stop::new();
        let (step, other) = (run.child(), run.child());
        let pipeline = step.child();
        step.stop();
        assert!(pipeline.is_stopped() && !run.is_stopped() && !other.is_stopped());
        run.stop();
        assert!(other.is_stopped() && run.child().is_stopped());
        assert_eq!(run.sleep(Duration::from_secs(3600)), Err(Stopped));
    }

    #[test]
    fn a_hook_is_done_once_by_the_stop_of_its_token_or_a_parent_unless_it_was_dropped() {
        let (run, done) = (Stop::new(), Arc::new(AtomicU64::new(0)));
        let step = run.child();
        let adds = |n: u64| {
            let done = done.clone();
            move || {
                done.fetch_add(n, Ordering::SeqCst);
            }
        };
        let kept = (step.once_stopped(adds(1)), run.once_stopped(adds(10)));
        drop(run.once_stopped(adds(100)));
        run.stop();
        run.stop();
        assert_eq!(done.load(Ordering::SeqCst), 11);
        drop(kept);
        let late = run.child().once_stopped(adds(1000));
        assert_eq!(done.load(Ordering::SeqCst), 1011);
        drop(late);
        assert_eq!(done.load(Ordering::SeqCst), 1011);
    }

    #[test]
    fn what_is_under_a_deadline_is_stopped_once_it_has_passed() {
        let (all, deadline) = (Stop::new(), Deadline::never());
        let run = all.until(&deadline);
        let step = run.child();
        assert!(!step.is_stopped());
        deadline.set(Instant::now(), Duration::from_secs(3600));
        assert!(!step.is_stopped());
        deadline.set(Instant::now(), Duration::ZERO);
        assert!(step.is_stopped() && run.check().is_err() && !all.is_stopped());
    }
}
