//! A part of a plan: the steps that somebody names, and what they need.
//!
//! Invariant: the order between the steps that are left is that of the whole plan.

use crate::plan::graph::{Edge, Needs, Plan, Step, StepKind};

impl Plan {
    /// The steps that a word calls: by address, by the address without the job, by its beginning
    /// (`dump`, `verify/shop`), or by the address of a copy that the step makes.
    pub fn called(&self, word: &str) -> Vec<usize> {
        let own = format!("{}/{word}", self.job);
        let below = format!("{own}/");
        let is = |address: &str| address == word || address == own || address.starts_with(&below);
        let makes = |step: &Step| match &step.kind {
            StepKind::Backup(backup) => backup.copies.iter().any(|copy| is(&copy.address)),
            _ => false,
        };
        let steps = self.steps.iter().enumerate();
        steps.filter(|(_, step)| is(&step.address) || makes(step)).map(|(index, _)| index).collect()
    }

    /// The plan of the steps that are called and of all that they need; what only comes before them
    /// in order is left out.
    pub fn only(&self, words: &[String]) -> Plan {
        let mut wanted: Vec<usize> = words.iter().flat_map(|word| self.called(word)).collect();
        let mut next = 0;
        while let Some(&to) = wanted.get(next) {
            let needed = self.edges.iter().filter(|e| e.to == to && e.needs != Needs::End);
            let new: Vec<usize> = needed.map(|e| e.from).filter(|i| !wanted.contains(i)).collect();
            wanted.extend(new);
            next += 1;
        }
        wanted.sort_unstable();
        wanted.dedup();
        let place = |old: usize| wanted.binary_search(&old).ok();
        let edges = self.edges.iter().filter_map(|edge| {
            Some(Edge { from: place(edge.from)?, to: place(edge.to)?, needs: edge.needs.clone() })
        });
        Plan {
            steps: wanted.iter().map(|index| self.steps[*index].clone()).collect(),
            edges: edges.collect(),
            ..self.clone()
        }
    }
}
