//! A plan while it is made: its steps, where each was written, and the order between them.
//!
//! Does not know the job file. `after` is order only; what is switched off is taken out again, with
//! its edges.

use crate::base::{Complaint, Span, Spanned};
use crate::plan::graph::{Edge, Needs, Plan, Step, StepKind, Which};
use crate::plan::problem;

/// A plan and where its steps were written.
pub struct Draft {
    /// The plan.
    pub plan: Plan,
    /// Where each step was written.
    pub spans: Vec<Span>,
    /// Names by which `after` may call a step.
    pub names: Vec<Vec<String>>,
    /// The scratch or dumped source a step holds for itself.
    pub holds: Vec<Vec<String>>,
}

impl Draft {
    /// A draft of an empty plan.
    pub fn new(plan: Plan) -> Draft {
        Draft { plan, spans: Vec::new(), names: Vec::new(), holds: Vec::new() }
    }

    /// Adds a step; `None`, and a complaint, if there is one of this address.
    #[expect(clippy::too_many_arguments, reason = "the fields of one step")]
    pub fn push(
        &mut self,
        address: String,
        kind: StepKind,
        optional: bool,
        span: &Span,
        names: Vec<String>,
        holds: Vec<String>,
        complaints: &mut Vec<Complaint>,
    ) -> Option<usize> {
        if let Some(first) = self.plan.steps.iter().position(|s| s.address == address) {
            complaints.push(problem::step_twice(&address, &self.spans[first], span));
            return None;
        }
        self.plan.steps.push(Step { address, kind, optional });
        self.spans.push(span.clone());
        self.names.push(names);
        self.holds.push(holds);
        Some(self.plan.steps.len() - 1)
    }

    /// Takes the steps from `from` on out of the plan again.
    pub fn switch_off(&mut self, from: usize) {
        self.plan.off.extend(self.plan.steps.drain(from..).map(|s| s.address));
        self.plan.edges.retain(|e| e.from < from && e.to < from);
        self.spans.truncate(from);
        self.names.truncate(from);
        self.holds.truncate(from);
    }

    /// The steps `own` wait for those that `word` calls.
    pub fn after(
        &mut self,
        own: &[usize],
        word: &Spanned<String>,
        complaints: &mut Vec<Complaint>,
    ) {
        let calls = |names: &[String]| names.contains(&word.value);
        let earlier: Vec<usize> = (0..self.names.len())
            .filter(|i| calls(&self.names[*i]) || self.plan.steps[*i].address == word.value)
            .collect();
        if earlier.is_empty() {
            let off = format!("{}/", self.plan.job);
            let is_off = |a: &String| {
                a.strip_prefix(&off).is_some_and(|rest| {
                    rest == word.value || rest.ends_with(&format!("/{}", word.value))
                })
            };
            if self.plan.off.iter().any(is_off) {
                return;
            }
            let known = self.names.iter().flatten().map(String::as_str);
            complaints.push(problem::undefined("step", word, known));
        }
        if earlier.iter().all(|i| own.contains(i)) && !earlier.is_empty() {
            complaints.push(problem::name_waits_for_itself(word));
            return;
        }
        for from in earlier {
            for to in own.iter().copied().filter(|to| *to != from) {
                // What follows inside a chain waits with its first step.
                let inner = self.plan.edges.iter().any(|e| e.to == to && own.contains(&e.from));
                if !inner {
                    self.plan.edges.push(Edge { from, to, needs: Needs::End });
                }
            }
        }
    }

    /// A source is vacuumed before anything else has it, whatever the order of the file.
    pub fn vacuum_first(&mut self) {
        let vacuums = |step: &Step| matches!(step.kind, StepKind::Vacuum(_));
        for from in (0..self.holds.len()).filter(|i| vacuums(&self.plan.steps[*i])) {
            for to in (0..self.holds.len()).filter(|i| !vacuums(&self.plan.steps[*i])) {
                if self.holds[from].iter().any(|h| self.holds[to].contains(h)) {
                    self.plan.edges.push(Edge { from, to, needs: Needs::End });
                }
            }
        }
    }

    /// A verification of the newest copy waits for the backup of this job that makes one, whatever
    /// the order of the file.
    pub fn verify_after_dump(&mut self) {
        let steps = &self.plan.steps;
        let mut edges = Vec::new();
        for (to, step) in steps.iter().enumerate() {
            let StepKind::Verify(verify) = &step.kind else { continue };
            if verify.which != Which::Latest {
                continue;
            }
            let makes = |step: &Step| match &step.kind {
                StepKind::Backup(backup) => {
                    backup.source.name == verify.source.name
                        && backup.copies.iter().any(|c| c.store.name == verify.store.name)
                }
                _ => false,
            };
            let makers = (0..steps.len()).filter(|from| makes(&steps[*from]));
            edges.extend(makers.map(|from| Edge { from, to, needs: Needs::End }));
        }
        // What the file orders by itself stays so.
        let tied = |plan: &Plan, edge: &Edge| {
            let pairs = [(edge.from, edge.to), (edge.to, edge.from)];
            plan.edges.iter().any(|e| pairs.contains(&(e.from, e.to)))
        };
        edges.retain(|edge| !tied(&self.plan, edge));
        self.plan.edges.extend(edges);
    }

    /// A program that is meant for a verdict waits for all that has one, unless `after` says for
    /// what.
    pub fn told_last(&mut self) {
        let is_told = |step: &Step| step.on().is_some();
        let steps = &self.plan.steps;
        let alone = |to: &usize| !self.plan.edges.iter().any(|e| e.to == *to);
        let told = (0..steps.len()).filter(|i| is_told(&steps[*i])).filter(alone);
        let edges: Vec<Edge> = told
            .flat_map(|to| {
                let others = (0..steps.len()).filter(|i| !is_told(&steps[*i]));
                others.map(move |from| Edge { from, to, needs: Needs::End })
            })
            .collect();
        self.plan.edges.extend(edges);
    }

    /// Names the steps that wait for each other, if any do.
    pub fn cycle(&self) -> Option<Complaint> {
        let named = self.plan.cycle()?.into_iter().map(|i| {
            let own = self.names[i].first();
            let name = own.cloned().unwrap_or_else(|| self.plan.steps[i].address.clone());
            (name, Some(self.spans[i].clone()))
        });
        Some(problem::cycle(&named.collect::<Vec<_>>()))
    }

    /// Steps that hold the same source wait for each other, in the order of the file.
    pub fn hold_apart(&mut self) {
        for to in 0..self.holds.len() {
            for from in 0..to {
                let shared = self.holds[from].iter().any(|h| self.holds[to].contains(h));
                let tied = |e: &Edge| (e.from, e.to) == (from, to) || (e.from, e.to) == (to, from);
                if shared && !self.plan.edges.iter().any(tied) {
                    self.plan.edges.push(Edge { from, to, needs: Needs::End });
                }
            }
        }
    }
}
