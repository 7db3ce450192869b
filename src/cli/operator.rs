//! A person at a terminal who hears what a restore finds and answers its questions; without a
//! terminal nobody is asked.

use std::io::{IsTerminal, stderr, stdin, stdout};
use std::sync::Mutex;

use crate::base::Id;
use crate::record::{EVENTS, Event, LogLevel, Stamped};
use crate::recover::Operator;
use crate::report::Json;
use crate::run::Listener;
use crate::world::Clock;

use crate::cli::wiring::{complain, tell};

/// How many of the things that are replaced a question names.
const SHOWN: usize = 20;

/// Prints what it hears.
pub struct Terminal;

impl Operator for Terminal {
    fn tell(&self, text: &str) {
        tell(text);
    }

    fn warn(&self, text: &str) {
        complain(text);
    }

    fn choose(&self, what: &str, lines: &[String]) -> Option<usize> {
        choose(what, lines)
    }
}

/// Says what it hears as events of a run that never begins, on standard output.
pub struct Events {
    /// The run's ID.
    pub run: Id,
    /// When it is.
    pub clock: Clock,
}

impl Events {
    fn say(&self, level: LogLevel, text: &str) {
        let event = Event::Said { step: None, level, text: text.to_owned() };
        let (at, run) = (self.clock.now(), self.run.clone());
        Json(stdout()).hear(&Stamped { version: EVENTS, at, run, event });
    }
}

impl Operator for Events {
    fn tell(&self, text: &str) {
        self.say(LogLevel::Info, text);
    }

    fn warn(&self, text: &str) {
        self.say(LogLevel::Alert, text);
    }
}

/// Keeps what it hears for the run that follows.
pub struct Keeps {
    said: Mutex<Vec<(LogLevel, String)>>,
    /// Whether nobody is asked before something is replaced.
    pub yes: bool,
    /// Bytes a second that earlier restores brought back.
    pub pace: Option<u64>,
}

impl Keeps {
    /// Nothing heard yet.
    pub fn new(yes: bool, pace: Option<u64>) -> Keeps {
        Keeps { said: Mutex::default(), yes, pace }
    }

    /// What was heard.
    pub fn said(self) -> Vec<(LogLevel, String)> {
        self.said.into_inner().expect("no panic while locked")
    }

    fn keep(&self, level: LogLevel, text: &str) {
        self.said.lock().expect("no panic while locked").push((level, text.to_owned()));
    }
}

impl Operator for Keeps {
    fn tell(&self, text: &str) {
        self.keep(LogLevel::Info, text);
    }

    fn warn(&self, text: &str) {
        self.keep(LogLevel::Alert, text);
    }

    fn choose(&self, what: &str, lines: &[String]) -> Option<usize> {
        choose(what, lines)
    }

    fn pace(&self) -> Option<u64> {
        self.pace
    }

    fn agrees(&self, lines: &[String]) -> bool {
        if self.yes || !has_person() {
            return true;
        }
        hand_on(&self.said.lock().expect("no panic while locked"), &Terminal);
        complain("this replaces what is there:");
        lines.iter().take(SHOWN).for_each(|line| complain(&format!("  {line}")));
        if lines.len() > SHOWN {
            complain(&format!("  and {} more", lines.len() - SHOWN));
        }
        complain("Replace them? yes or no:");
        answer()
            .is_some_and(|word| ["y", "yes", "s", "sim"].contains(&word.to_lowercase().as_str()))
    }
}

fn has_person() -> bool {
    stdin().is_terminal() && stderr().is_terminal()
}

fn answer() -> Option<String> {
    let mut answer = String::new();
    stdin().read_line(&mut answer).ok()?;
    Some(answer.trim().to_owned())
}

fn choose(what: &str, lines: &[String]) -> Option<usize> {
    if !has_person() {
        return None;
    }
    complain(&format!("{what}:"));
    for (number, line) in lines.iter().enumerate() {
        complain(&format!("{:>3}  {line}", number + 1));
    }
    complain("which one? its number:");
    answer()?.parse::<usize>().ok().and_then(|number| number.checked_sub(1))
}

/// Hands on what was heard.
pub fn hand_on(said: &[(LogLevel, String)], to: &dyn Operator) {
    for (level, text) in said {
        if *level > LogLevel::Info { to.warn(text) } else { to.tell(text) }
    }
}
