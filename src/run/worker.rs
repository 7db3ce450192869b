//! One thread per running step, and what it may say while it runs.
//!
//! Knows no step: `step/` implements [`Perform`]. A step that panics fails like any other.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crossbeam_channel::Sender;

use crate::base::{Stop, without_number};
use crate::plan::Step;
use crate::record::{Event, Failure, LogLevel, Progress, Verdict};
use crate::run::state::Standing;

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// How well; of a failure it is Error.
    pub verdict: Verdict,
    /// The copies it made, by store.
    pub made: Vec<String>,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
    /// A word for programs on how it ended, if there is one to say.
    pub code: String,
    /// Whether it ended because the run was stopped.
    pub interrupted: bool,
}

impl Done {
    /// All well.
    pub fn well() -> Done {
        Done {
            verdict: Verdict::Success,
            made: Vec::new(),
            failure: None,
            code: String::new(),
            interrupted: false,
        }
    }

    /// A failure.
    pub fn failed(failure: Failure) -> Done {
        Done { verdict: Verdict::Error, failure: Some(failure), ..Done::well() }
    }

    /// Stopped half way.
    pub fn interrupted() -> Done {
        Done { verdict: Verdict::Error, interrupted: true, ..Done::well() }
    }
}

/// Does what a step says.
pub trait Perform: Sync {
    /// Performs a step, on a thread of its own; `before` is how the steps before it stand.
    fn perform(&self, step: &Step, before: &Standing, say: &Say, stop: &Stop) -> Done;
}

/// What the scheduler hears.
pub enum Message {
    /// A step speaks.
    Event(Event),
    /// A step ended.
    Done(usize, Done),
}

/// The voice of one step.
#[derive(Clone)]
pub struct Say {
    step: usize,
    to: Sender<Message>,
}

impl Say {
    /// The voice of step number `step`.
    pub(crate) fn new(step: usize, to: Sender<Message>) -> Say {
        Say { step, to }
    }

    /// Index of the step.
    pub fn step(&self) -> usize {
        self.step
    }

    /// Says an event.
    pub fn event(&self, event: Event) {
        // Nobody listens any more only when the run is over.
        drop(self.to.send(Message::Event(event)));
    }

    /// A remark for the log.
    pub fn info(&self, text: impl Into<String>) {
        self.event(Event::Said {
            step: Some(self.step),
            level: LogLevel::Info,
            text: without_number(&text.into()),
        });
    }

    /// A remark that somebody should read.
    pub fn alert(&self, text: impl Into<String>) {
        self.event(Event::Said {
            step: Some(self.step),
            level: LogLevel::Alert,
            text: without_number(&text.into()),
        });
    }

    /// A line of the log of what reads the source.
    pub fn engine(&self, line: impl Into<String>) {
        self.event(Event::Engine { step: self.step, line: line.into() });
    }

    /// The counters.
    pub fn progress(&self, progress: Progress) {
        self.event(Event::Progress { step: self.step, progress });
    }
}

/// Performs a step and reports its end, whatever happens.
pub(crate) fn work(
    perform: &dyn Perform,
    index: usize,
    (step, before): (&Step, &Standing),
    to: Sender<Message>,
    stop: &Stop,
) {
    let say = Say::new(index, to.clone());
    let done = catch_unwind(AssertUnwindSafe(|| perform.perform(step, before, &say, stop)))
        .unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            let message = format!("BUG: {}", text.unwrap_or_else(|| "a step panicked".into()));
            Done::failed(bug(message))
        });
    drop(to.send(Message::Done(index, done)));
}

/// A failure that is a fault of vex.
fn bug(message: String) -> Failure {
    let hint = Some("Please report this.".to_owned());
    let values = [("found".to_owned(), message.clone())].into();
    Failure { code: "bug".into(), message, values, hint, ..Failure::default() }
}
