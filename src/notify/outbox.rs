//! What is told while a run goes on: one after the other, on threads of its own, so that no slow
//! server holds up the history.
//!
//! Knows no letter. Invariant: `wait` returns after everything that was posted has been told.

use std::thread::JoinHandle;
use std::time::Duration;

use crate::base::Stop;

/// How long a failure is known before it is told by itself: a run that ends sooner tells it then.
pub const GRACE: Duration = Duration::from_secs(10);

/// What went wrong with what was told.
type Complaints = Vec<String>;

/// What is under way.
#[derive(Default)]
pub struct Outbox {
    last: Option<JoinHandle<Complaints>>,
    over: Stop,
}

impl Outbox {
    /// Tells something after all that was posted before.
    pub fn post(&mut self, tell: impl FnOnce() -> Complaints + Send + 'static) {
        let before = self.last.take();
        self.last = Some(std::thread::spawn(move || {
            let mut complaints = before.map(joined).unwrap_or_default();
            complaints.extend(tell());
            complaints
        }));
    }

    /// Tells something unless the run is over within the grace.
    pub fn post_later(&mut self, tell: impl FnOnce() -> Complaints + Send + 'static) {
        let over = self.over.clone();
        self.post(move || match over.sleep(GRACE) {
            Ok(()) => tell(),
            Err(_) => Complaints::new(),
        });
    }

    /// The run is over: what waits is dropped, what is under way is waited for.
    pub fn wait(&mut self) -> Complaints {
        self.over.stop();
        self.last.take().map(joined).unwrap_or_default()
    }
}

fn joined(thread: JoinHandle<Complaints>) -> Complaints {
    thread.join().unwrap_or_else(|_| vec!["BUG: whoever tells people panicked".to_owned()])
}
