//! The loop: start what may start, skip what can't run, else wait for a message.
//!
//! One thread owns all state; steps send messages; listeners hear every event in one order. Knows
//! nothing of backups.

use std::time::Duration;

use crossbeam_channel::{select, unbounded};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::base::{Id, Stop, without_number};
use crate::plan::{Plan, Step};
use crate::record::{
    EVENTS, Event, Failure, LogLevel, NOT_MEANT, RunFacts, Stamped, StepEnd, Verdict,
};
use crate::run::state::{Standing, State, States, Turn};
use crate::run::worker::{Done, Message, Perform, work};
use crate::world::Clock;

/// Time of a program that is told that its run is being stopped.
const LAST_WORDS: Duration = Duration::from_secs(4);

/// Hears what a run says. A listener can't fail a run; what it could not do it says as a remark,
/// for the others.
pub trait Listener {
    /// Hears an event; returns remarks of its own.
    fn hear(&mut self, event: &Stamped) -> Vec<(LogLevel, String)>;

    /// Is told the verdict before the run ends, while a remark still counts.
    fn last_word(&mut self, _now: Timestamp, _verdict: Verdict) -> Vec<(LogLevel, String)> {
        Vec::new()
    }
}

impl<L: Listener + ?Sized> Listener for &mut L {
    fn hear(&mut self, event: &Stamped) -> Vec<(LogLevel, String)> {
        (**self).hear(event)
    }

    fn last_word(&mut self, now: Timestamp, verdict: Verdict) -> Vec<(LogLevel, String)> {
        (**self).last_word(now, verdict)
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The worst verdict of its steps.
    pub verdict: Verdict,
    /// Whether it was stopped.
    pub interrupted: bool,
    /// The codes of what failed and is no Alerta.
    pub codes: Vec<String>,
}

/// Executes a plan.
pub fn execute(
    plan: &Plan,
    run: &RunFacts,
    perform: &dyn Perform,
    listener: &mut dyn Listener,
    clock: &Clock,
    stop: &Stop,
) -> Outcome {
    let mut speaker = Speaker { listener, clock, run: run.id.clone(), worst: Verdict::Success };
    let mut states = States::new(plan);
    let (to, messages) = unbounded::<Message>();
    let mut stopping = false;
    // A zone that is unknown was refused before there was a plan.
    let zone = clock.zone(plan.zone.as_deref()).unwrap_or_else(|_| TimeZone::system());
    let window = plan.window_end(clock.now(), &zone);
    speaker.say(Event::RunStarted { run: run.clone() });
    // First end what can't run and start what may. When nothing changed, wait: for a step to speak,
    // or for cancellation. After that nothing starts any more but what is meant to hear of it, and
    // what runs is waited for: it stops by itself.
    std::thread::scope(|scope| {
        while !states.all_ended() {
            if !stopping && stop.is_stopped() {
                stopping = true;
                speaker.stopping();
            }
            let is_over = window.is_some_and(|end| clock.now() >= end);
            let now = Now { stopping, is_over };
            if advance(plan, &mut states, &mut speaker, now, |index, before| {
                let (to, step, stop) = (to.clone(), &plan.steps[index], stop.child());
                scope.spawn(move || match stopping {
                    false => work(perform, index, (step, &before), to, &stop),
                    true => briefly(|stop| work(perform, index, (step, &before), to, stop)),
                });
            }) {
                continue;
            }
            let message = if stopping {
                messages.recv().ok()
            } else {
                select! {
                    recv(messages) -> message => message.ok(),
                    recv(stop.closed()) -> _ => continue,
                }
            };
            match message {
                Some(Message::Event(event)) => speaker.say(event),
                Some(Message::Done(index, done)) => {
                    // A step may have heard of the wish, and ended, before this thread did.
                    if done.interrupted && !stopping {
                        stopping = true;
                        speaker.stopping();
                    }
                    finish(plan, &mut states, &mut speaker, index, done)
                }
                None => panic!("BUG: no step runs and none has ended"),
            }
        }
    });
    end(&states, &mut speaker, stopping)
}

/// Judges a run whose steps have all ended, and says so. What a step said just before its end was
/// heard before it; nothing is left in the channel.
fn end(states: &States<'_>, speaker: &mut Speaker<'_>, interrupted: bool) -> Outcome {
    let so_far = if interrupted { Verdict::Error } else { states.verdict().max(speaker.worst) };
    let remarks = speaker.listener.last_word(speaker.clock.now(), so_far);
    speaker.remark(remarks);
    let verdict = so_far.max(speaker.worst);
    speaker.say(Event::RunFinished { verdict, interrupted });
    let codes = states.codes();
    Outcome { verdict: verdict.max(speaker.worst), interrupted, codes }
}

/// What holds for every step that waits now.
#[derive(Clone, Copy)]
struct Now {
    /// Whether the run is being stopped.
    stopping: bool,
    /// Whether the time is over in which sources are read.
    is_over: bool,
}

/// Starts and skips; says whether anything changed.
fn advance(
    plan: &Plan,
    states: &mut States<'_>,
    speaker: &mut Speaker<'_>,
    now: Now,
    mut start: impl FnMut(usize, Standing),
) -> bool {
    let mut changed = false;
    for index in states.waiting() {
        let step = &plan.steps[index];
        let end = match states.turn(index) {
            _ if now.stopping && !hears_of_a_stop(step) => StepEnd::Interrupted,
            Turn::Skip(missing) => {
                StepEnd::Skipped { missing: plan.steps[missing].address.clone() }
            }
            Turn::Start if now.is_over && step.loads() => too_late(plan, step),
            Turn::Start if now.stopping || states.running() < plan.parallel => {
                let before = states.standing(index);
                if step.is_meant_for(before.verdict) {
                    states.set(index, State::Running);
                    speaker.say(Event::StepStarted { step: index, address: step.address.clone() });
                    start(index, before);
                    changed = true;
                    continue;
                }
                unmeant(step, &before, index, speaker)
            }
            Turn::Start | Turn::Wait => continue,
        };
        states.set(index, State::Ended { end: end.clone(), made: Vec::new() });
        speaker.say(Event::StepFinished { step: index, address: step.address.clone(), end });
        changed = true;
    }
    changed
}

/// Whether a step runs although the run is being stopped: a program that is meant for Erro.
fn hears_of_a_stop(step: &Step) -> bool {
    step.on().is_some() && step.is_meant_for(Verdict::Error)
}

/// The end of a program that is meant for another verdict.
fn unmeant(step: &Step, before: &Standing, index: usize, speaker: &mut Speaker<'_>) -> StepEnd {
    let (on, is) = (step.on().map_or("", |on| on.word()), before.verdict.slug());
    let text = format!("not run: it is meant for {on}, and what it waits for is {is}");
    speaker.say(Event::Said { step: Some(index), level: LogLevel::Info, text });
    StepEnd::Done { verdict: Verdict::Success, code: NOT_MEANT.to_owned() }
}

/// The end of a step that would have begun to read a source too late.
fn too_late(plan: &Plan, step: &Step) -> StepEnd {
    let time = plan.not_after.map(|time| time.strftime("%H:%M").to_string()).unwrap_or_default();
    let failure = Failure {
        code: "too-late".into(),
        message: format!("it could not begin by {time}, `not-after` of the job"),
        values: [("time".to_owned(), time)].into(),
        hint: Some(
            "Begin earlier, let more chains run at once (`parallel`), or move `not-after`.".into(),
        ),
        ..Failure::default()
    };
    let verdict = if step.optional { Verdict::Alert } else { Verdict::Error };
    StepEnd::Failed { verdict, failure }
}

/// Does work of a run that is being stopped, which has a short time of its own.
fn briefly(work: impl FnOnce(&Stop)) {
    let (stop, ended) = (Stop::new(), Stop::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            if ended.sleep(LAST_WORDS).is_ok() {
                stop.stop();
            }
        });
        work(&stop);
        ended.stop();
    });
}

fn finish(
    plan: &Plan,
    states: &mut States<'_>,
    speaker: &mut Speaker<'_>,
    index: usize,
    done: Done,
) {
    let step = &plan.steps[index];
    let soften =
        |verdict: Verdict| if step.optional { verdict.min(Verdict::Alert) } else { verdict };
    let end = match done.failure {
        _ if done.interrupted => StepEnd::Interrupted,
        Some(failure) => StepEnd::Failed { verdict: soften(done.verdict), failure },
        None => StepEnd::Done { verdict: soften(done.verdict), code: done.code },
    };
    states.set(index, State::Ended { end: end.clone(), made: done.made });
    speaker.say(Event::StepFinished { step: index, address: step.address.clone(), end });
}

struct Speaker<'a> {
    listener: &'a mut dyn Listener,
    clock: &'a Clock,
    run: Id,
    /// The worst that a listener had to say of itself: Alert at most.
    worst: Verdict,
}

impl Speaker<'_> {
    fn say(&mut self, event: Event) {
        let stamped = self.stamp(event);
        let remarks = self.listener.hear(&stamped);
        self.remark(remarks);
    }

    fn stopping(&mut self) {
        let text = "stopping: nothing new starts, uploads are aborted".into();
        self.say(Event::Said { step: None, level: LogLevel::Alert, text });
    }

    fn remark(&mut self, remarks: Vec<(LogLevel, String)>) {
        for (level, text) in remarks {
            if level > LogLevel::Info {
                self.worst = Verdict::Alert;
            }
            let text = without_number(&text);
            let stamped = self.stamp(Event::Said { step: None, level, text });
            // Remarks on a remark would never end.
            self.listener.hear(&stamped);
        }
    }

    fn stamp(&self, event: Event) -> Stamped {
        Stamped { version: EVENTS, at: self.clock.now(), run: self.run.clone(), event }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Edge, Exec, Needs, Step, StepKind};
    use crate::record::RunKind;
    use crate::run::worker::Say;
    use std::sync::Mutex;

    struct Heard(Vec<Event>);

    impl Listener for Heard {
        fn hear(&mut self, event: &Stamped) -> Vec<(LogLevel, String)> {
            self.0.push(event.event.clone());
            Vec::new()
        }
    }

    struct Script {
        fail: &'static [&'static str],
        hang: bool,
        order: Mutex<Vec<String>>,
    }

    impl Perform for Script {
        fn perform(&self, step: &Step, _: &Standing, _: &Say, stop: &Stop) -> Done {
            self.order.lock().expect("no panic while locked").push(step.address.clone());
            if self.hang {
                stop.closed().recv().expect_err("closed");
                return Done::interrupted();
            }
            if step.address == "panic" {
                panic!("on purpose");
            }
            if self.fail.contains(&step.address.as_str()) {
                return Done::failed(Failure { message: "no".into(), ..Failure::default() });
            }
            Done { made: vec!["s".into()], ..Done::well() }
        }
    }

    fn plan(steps: &[(&str, bool)], edges: &[(usize, usize, Needs)]) -> Plan {
        let step = |(address, optional): &(&str, bool)| Step {
            address: (*address).to_owned(),
            kind: StepKind::Exec(Exec {
                command: Vec::new(),
                env: Vec::new(),
                stall: Duration::from_secs(1),
                on: None,
            }),
            optional: *optional,
        };
        let edges = edges.iter().map(|(from, to, needs)| Edge {
            from: *from,
            to: *to,
            needs: needs.clone(),
        });
        Plan {
            job: "j".into(),
            zone: None,
            parallel: 2,
            not_after: None,
            steps: steps.iter().map(step).collect(),
            edges: edges.collect(),
            off: Vec::new(),
        }
    }

    fn run(plan: &Plan, script: &Script, stop: &Stop) -> (Outcome, Vec<Event>) {
        let clock = Clock::Fixed(jiff::Timestamp::UNIX_EPOCH);
        let id = Id::new(jiff::Timestamp::UNIX_EPOCH, 1);
        let facts = RunFacts {
            id,
            job: "j".into(),
            file: "f".into(),
            host: "h".into(),
            pid: 1,
            steps: Vec::new(),
            kind: RunKind::Job,
        };
        let mut heard = Heard(Vec::new());
        let outcome = execute(plan, &facts, script, &mut heard, &clock, stop);
        (outcome, heard.0)
    }

    #[test]
    fn what_needs_a_failed_step_is_skipped_and_others_go_on() {
        let plan = plan(
            &[("a", false), ("b", false), ("c", false), ("d", false)],
            &[(0, 1, Needs::Success), (1, 2, Needs::Copy("s".into())), (0, 3, Needs::End)],
        );
        let script = Script { fail: &["a"], hang: false, order: Mutex::default() };
        let (outcome, events) = run(&plan, &script, &Stop::new());
        assert_eq!((outcome.verdict, outcome.interrupted), (Verdict::Error, false));
        assert_eq!(outcome.codes, [""]);
        assert_eq!(*script.order.lock().expect("free"), ["a", "d"]);
        let skipped = events
            .iter()
            .filter(|e| matches!(e, Event::StepFinished { end: StepEnd::Skipped { .. }, .. }));
        assert_eq!(skipped.count(), 2);
    }

    #[test]
    fn an_optional_failure_is_an_alert_and_a_panic_is_a_failure() {
        let script = Script { fail: &["a"], hang: false, order: Mutex::default() };
        assert_eq!(
            run(&plan(&[("a", true)], &[]), &script, &Stop::new()).0.verdict,
            Verdict::Alert
        );
        let (outcome, events) = run(&plan(&[("panic", false)], &[]), &script, &Stop::new());
        assert_eq!(outcome.verdict, Verdict::Error);
        assert!(events.iter().any(|e| matches!(e, Event::StepFinished { end: StepEnd::Failed { failure, .. }, .. } if failure.message == "BUG: on purpose")));
    }

    #[test]
    fn a_stop_ends_what_runs_and_starts_nothing_more() {
        let stop = Stop::new();
        let script = Script { fail: &[], hang: true, order: Mutex::default() };
        let plan = plan(&[("a", false), ("b", false), ("c", false)], &[(0, 2, Needs::End)]);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while script.order.lock().expect("free").len() < 2 {
                    std::thread::yield_now();
                }
                stop.stop();
            });
            let (outcome, _) = run(&plan, &script, &stop);
            assert_eq!((outcome.verdict, outcome.interrupted), (Verdict::Error, true));
        });
        assert_eq!(script.order.lock().expect("free").len(), 2);
    }
}
