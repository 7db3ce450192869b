//! A listener on a thread of its own, behind a queue: however slow it is, no step waits for it.
//!
//! Knows no event but that progress may be dropped, and so may lines of engines and remarks for the
//! log once too many wait; what is kept as history is never dropped. What the listener has to say
//! comes back with the next event. At the end it is waited for as long as it gets on with its work;
//! of the history also at the beginning, but not long, so that a run that is killed is known.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::record::{Event, LogLevel, Stamped, Verdict};
use crate::run::Listener;

/// Events that may wait before those for the log only are dropped.
const WAITING: usize = 4096;

/// How long a listener may take for one event before it is given up at the end of a run.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the beginning of a run may take to be kept.
const BEGINNING: Duration = Duration::from_secs(5);

/// How long the last word, which is when people are told, may take.
const LAST_WORD: Duration = Duration::from_secs(600);

/// What goes in, and what comes out.
#[derive(Default)]
struct State {
    waiting: VecDeque<Message>,
    said: Vec<(LogLevel, String)>,
    /// Events that were dropped.
    dropped: u64,
    /// Counts what was done, so that one sees whether it gets on.
    done: u64,
    answer: Option<Vec<(LogLevel, String)>>,
    closed: bool,
    /// Whether the thread has ended.
    ended: bool,
}

enum Message {
    Event(Box<Stamped>),
    LastWord(Timestamp, Verdict),
}

/// A listener behind a queue.
pub struct Queue {
    /// Guards all that both threads share.
    shared: Arc<(Mutex<State>, Condvar)>,
    name: &'static str,
    /// Events that may wait before those for the log only are dropped.
    most: usize,
    /// How long the beginning of a run is waited for.
    beginning: Duration,
}

impl Queue {
    /// Moves a listener onto a thread; `name` is what a remark calls it. The thread is not scoped:
    /// one that hangs in a write must not keep the process.
    pub fn new(name: &'static str, mut listener: Box<dyn Listener + Send>) -> Queue {
        let shared: Arc<(Mutex<State>, Condvar)> = Arc::default();
        let own = shared.clone();
        std::thread::spawn(move || {
            let _ends = Ends(own.clone());
            while let Some(message) = next(&own) {
                match message {
                    Message::Event(event) => {
                        let said = listener.hear(&event);
                        let mut state = own.0.lock().expect("no panic while locked");
                        state.said.extend(said);
                        state.done += 1;
                    }
                    Message::LastWord(now, verdict) => {
                        let answer = listener.last_word(now, verdict);
                        own.0.lock().expect("no panic while locked").answer = Some(answer);
                    }
                }
                own.1.notify_all();
            }
        });
        Queue { shared, name, most: WAITING, beginning: Duration::ZERO }
    }

    /// The same, of which no remark is dropped: it is what was asked for.
    pub fn lossless(name: &'static str, listener: Box<dyn Listener + Send>) -> Queue {
        let mut queue = Queue::new(name, listener);
        queue.most = usize::MAX;
        queue
    }

    /// A queue of history: a run does nothing before it is known that it began.
    pub fn history(listener: Box<dyn Listener + Send>) -> Queue {
        let mut queue = Queue::new("the history", listener);
        queue.beginning = BEGINNING;
        queue
    }

    fn put(&self, message: Message) {
        let mut state = self.shared.0.lock().expect("no panic while locked");
        if let Message::Event(event) = &message
            && may_drop(&event.event)
        {
            let is_progress = matches!(event.event, Event::Progress { .. });
            if state.waiting.len() >= if is_progress { 1 } else { self.most } {
                state.dropped += u64::from(!is_progress);
                return;
            }
        }
        state.waiting.push_back(message);
        self.shared.1.notify_all();
    }

    fn said(&self) -> Vec<(LogLevel, String)> {
        std::mem::take(&mut self.shared.0.lock().expect("no panic while locked").said)
    }

    /// Waits until `done` says so, as long as the listener gets on with its work; says whether it
    /// did.
    fn wait(&self, patience: Duration, done: impl Fn(&State) -> bool) -> bool {
        let mut state = self.shared.0.lock().expect("no panic while locked");
        let (mut since, mut before) = (Instant::now(), state.done);
        while !done(&state) && !state.ended {
            if state.done != before {
                (since, before) = (Instant::now(), state.done);
            }
            let Some(left) = patience.checked_sub(since.elapsed()) else { return false };
            (state, _) = self.shared.1.wait_timeout(state, left).expect("no panic while locked");
        }
        done(&state)
    }
}

/// Says that the thread has ended, also where its listener panicked: nobody waits for it then.
struct Ends(Arc<(Mutex<State>, Condvar)>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.0.lock().expect("no panic while locked").ended = true;
        self.0.1.notify_all();
    }
}

/// The next message; `None` once the queue is closed and empty.
fn next(shared: &(Mutex<State>, Condvar)) -> Option<Message> {
    let mut state = shared.0.lock().expect("no panic while locked");
    loop {
        match state.waiting.pop_front() {
            Some(message) => return Some(message),
            None if state.closed => return None,
            None => state = shared.1.wait(state).expect("no panic while locked"),
        }
    }
}

/// Whether an event is for the log or a bar only.
fn may_drop(event: &Event) -> bool {
    match event {
        Event::Progress { .. } | Event::Engine { .. } => true,
        Event::Said { level, .. } => *level == LogLevel::Info,
        Event::RunStarted { .. }
        | Event::StepStarted { .. }
        | Event::Dumping { .. }
        | Event::Artifact { .. }
        | Event::Copied { .. }
        | Event::Proved { .. }
        | Event::Drilled { .. }
        | Event::StoreSeen { .. }
        | Event::Pruned { .. }
        | Event::Restoring { .. }
        | Event::Restored { .. }
        | Event::StepFinished { .. }
        | Event::RunFinished { .. } => false,
    }
}

impl Listener for Queue {
    fn hear(&mut self, event: &Stamped) -> Vec<(LogLevel, String)> {
        self.put(Message::Event(Box::new(event.clone())));
        if matches!(event.event, Event::RunStarted { .. }) {
            self.wait(self.beginning, |state| state.done > 0);
        }
        self.said()
    }

    fn last_word(&mut self, now: Timestamp, verdict: Verdict) -> Vec<(LogLevel, String)> {
        self.put(Message::LastWord(now, verdict));
        self.wait(LAST_WORD, |state| state.answer.is_some());
        let mut said = self.said();
        let mut state = self.shared.0.lock().expect("no panic while locked");
        match state.answer.take() {
            Some(answer) => said.extend(answer),
            None if state.ended => {
                said.push((LogLevel::Alert, format!("{} ended in a bug", self.name)));
            }
            None => {
                let text = format!("{} did not end in {} s", self.name, LAST_WORD.as_secs());
                said.push((LogLevel::Alert, text));
            }
        }
        if state.dropped > 0 {
            let text = format!("{} was too slow: {} lines are missing", self.name, state.dropped);
            said.push((LogLevel::Alert, text));
        }
        said
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.shared.0.lock().expect("no panic while locked").closed = true;
        self.shared.1.notify_all();
        self.wait(PATIENCE, |state| state.ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Id;
    use crate::record::{RunFacts, RunKind};

    /// Hears one event, then hangs until it is let go.
    struct Hangs(Arc<(Mutex<bool>, Condvar)>, Arc<Mutex<Vec<Event>>>);

    impl Listener for Hangs {
        fn hear(&mut self, event: &Stamped) -> Vec<(LogLevel, String)> {
            let mut free = self.0.0.lock().expect("free");
            while !*free {
                free = self.0.1.wait(free).expect("free");
            }
            self.1.lock().expect("free").push(event.event.clone());
            vec![(LogLevel::Alert, "heard".into())]
        }
    }

    fn stamped(event: Event) -> Stamped {
        let at = Timestamp::UNIX_EPOCH;
        Stamped { version: 2, at, run: Id::new(at, 1), event }
    }

    /// Takes a moment for each event.
    struct Slow(Arc<Mutex<usize>>);

    impl Listener for Slow {
        fn hear(&mut self, _: &Stamped) -> Vec<(LogLevel, String)> {
            std::thread::sleep(Duration::from_millis(20));
            *self.0.lock().expect("free") += 1;
            Vec::new()
        }
    }

    /// Has a bug.
    struct Panics;

    impl Listener for Panics {
        fn hear(&mut self, _: &Stamped) -> Vec<(LogLevel, String)> {
            panic!("on purpose");
        }
    }

    #[test]
    fn a_listener_that_panics_is_not_waited_for() {
        let mut queue = Queue::new("x", Box::new(Panics));
        queue.hear(&stamped(Event::StepStarted { step: 0, address: "a".into() }));
        let said = queue.last_word(Timestamp::UNIX_EPOCH, Verdict::Success);
        assert_eq!(said, [(LogLevel::Alert, "x ended in a bug".to_owned())]);
    }

    #[test]
    fn a_run_does_nothing_before_the_history_knows_that_it_began() {
        let heard: Arc<Mutex<usize>> = Arc::default();
        let mut queue = Queue::history(Box::new(Slow(Arc::clone(&heard))));
        let run = RunFacts {
            id: Id::new(Timestamp::UNIX_EPOCH, 1),
            job: "j".into(),
            file: String::new(),
            host: String::new(),
            pid: 1,
            steps: Vec::new(),
            kind: RunKind::Restore,
        };
        queue.hear(&stamped(Event::RunStarted { run }));
        assert_eq!(*heard.lock().expect("free"), 1);
    }

    #[test]
    fn a_listener_that_hangs_holds_nobody_up_and_loses_no_history() {
        let (free, heard) = (Arc::default(), Arc::default());
        let mut queue = Queue::new("x", Box::new(Hangs(Arc::clone(&free), Arc::clone(&heard))));
        for step in 0..2 * WAITING {
            let line = Event::Engine { step, line: "line".into() };
            assert_eq!(queue.hear(&stamped(line)), []);
            let begun = Event::StepStarted { step, address: "a".into() };
            assert_eq!(queue.hear(&stamped(begun)), []);
        }
        *free.0.lock().expect("free") = true;
        free.1.notify_all();
        let said = queue.last_word(Timestamp::UNIX_EPOCH, Verdict::Success);
        assert!(said.iter().any(|(_, text)| text.contains("lines are missing")), "{}", said.len());
        drop(queue);
        let heard = heard.lock().expect("free");
        let begun = heard.iter().filter(|e| matches!(e, Event::StepStarted { .. })).count();
        assert_eq!(begun, 2 * WAITING);
        assert!(heard.len() < 4 * WAITING);
    }
}
