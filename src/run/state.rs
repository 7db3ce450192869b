//! Each step in exactly one state, and the one function that moves it.
//!
//! The counts are derived views, kept beside the states they follow.

use crate::plan::{Needs, Plan};
use crate::record::{StepEnd, Verdict};

/// The state of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Waits for others.
    Waiting,
    /// A thread performs it.
    Running,
    /// It ended; the copies it made are named.
    Ended {
        /// How.
        end: StepEnd,
        /// What it made.
        made: Vec<String>,
    },
}

/// What a waiting step may do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Start.
    Start,
    /// Wait on.
    Wait,
    /// Never run: this step's work is missing.
    Skip(usize),
}

/// How the steps before a step stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The worst of their verdicts.
    pub verdict: Verdict,
    /// The addresses of those that failed, did not run, or were stopped.
    pub failed: Vec<String>,
}

/// The states of all steps of a plan.
pub struct States<'a> {
    plan: &'a Plan,
    states: Vec<State>,
    running: usize,
    ended: usize,
}

impl<'a> States<'a> {
    /// All wait.
    pub fn new(plan: &'a Plan) -> States<'a> {
        States { plan, states: vec![State::Waiting; plan.steps.len()], running: 0, ended: 0 }
    }

    /// Moves a step; called on every transition.
    pub fn set(&mut self, step: usize, to: State) {
        match (&self.states[step], &to) {
            (State::Waiting, State::Running) => self.running += 1,
            (State::Waiting, State::Ended { .. }) => self.ended += 1,
            (State::Running, State::Ended { .. }) => {
                self.running -= 1;
                self.ended += 1;
            }
            (from, to) => panic!("BUG: step {step} can't go from {from:?} to {to:?}"),
        }
        self.states[step] = to;
    }

    /// Steps that wait, in the order of the plan.
    pub fn waiting(&self) -> Vec<usize> {
        (0..self.states.len()).filter(|i| self.states[*i] == State::Waiting).collect()
    }

    /// How many run.
    pub fn running(&self) -> usize {
        self.running
    }

    /// Whether all ended.
    pub fn all_ended(&self) -> bool {
        self.ended == self.states.len()
    }

    /// What a waiting step may do now.
    pub fn turn(&self, step: usize) -> Turn {
        let mut turn = Turn::Start;
        for edge in self.plan.edges.iter().filter(|e| e.to == step) {
            let State::Ended { end, made } = &self.states[edge.from] else {
                turn = Turn::Wait;
                continue;
            };
            let enough = match &edge.needs {
                Needs::End => true,
                Needs::Success => matches!(end, StepEnd::Done { .. }),
                Needs::Copy(store) => made.contains(store),
            };
            if !enough {
                return Turn::Skip(edge.from);
            }
        }
        turn
    }

    /// How what ended stands: of the steps that `step` waits for, else of all.
    pub fn standing(&self, step: usize) -> Standing {
        let mut before: Vec<usize> =
            self.plan.edges.iter().filter(|e| e.to == step).map(|e| e.from).collect();
        if before.is_empty() {
            before = (0..self.states.len()).collect();
        }
        let mut standing = Standing { verdict: Verdict::Success, failed: Vec::new() };
        for index in before {
            let State::Ended { end, .. } = &self.states[index] else { continue };
            let own = self.judged(end);
            standing.verdict = standing.verdict.max(own);
            if own > Verdict::Success && !matches!(end, StepEnd::Done { .. }) {
                standing.failed.push(self.plan.steps[index].address.clone());
            }
        }
        standing
    }

    /// The verdict of an end; what was skipped stands as what it missed.
    fn judged(&self, end: &StepEnd) -> Verdict {
        let StepEnd::Skipped { missing } = end else { return end.verdict() };
        let at = self.plan.steps.iter().position(|step| step.address == *missing);
        match at.map(|at| &self.states[at]) {
            Some(State::Ended { end, .. }) => self.judged(end),
            Some(State::Waiting | State::Running) | None => Verdict::Error,
        }
    }

    /// The codes of what failed and is no Alerta.
    pub fn codes(&self) -> Vec<String> {
        let code = |state: &State| match state {
            State::Ended { end: StepEnd::Failed { verdict: Verdict::Error, failure }, .. } => {
                Some(failure.code.clone())
            }
            State::Waiting | State::Running | State::Ended { .. } => None,
        };
        self.states.iter().filter_map(code).collect()
    }

    /// The worst verdict of the steps that ended.
    pub fn verdict(&self) -> Verdict {
        let ends = self.states.iter().filter_map(|s| match s {
            State::Ended { end, .. } => Some(end.verdict()),
            State::Waiting | State::Running => None,
        });
        ends.max().unwrap_or(Verdict::Success)
    }
}
