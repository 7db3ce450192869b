//! A program as a step of a plan: its words and what it is meant for.

use std::time::Duration;

use crate::base::Complaint;
use crate::job::{self, Job};
use crate::plan::draft::Draft;
use crate::plan::graph::{Exec, StepKind};

/// Adds the step of a program.
pub fn add(
    job: &Job,
    exec: &job::Exec,
    step: &job::Step,
    draft: &mut Draft,
    complaints: &mut Vec<Complaint>,
) {
    let name = &exec.name;
    let kind = StepKind::Exec(Exec {
        command: exec.command.clone(),
        env: exec.env.clone(),
        stall: exec.stall.unwrap_or(Duration::from_secs(3600)),
        on: exec.on,
    });
    let address = format!("{}/exec/{}", job.name.value, name.value);
    let names = vec![name.value.clone(), format!("exec/{}", name.value)];
    draft.push(address, kind, step.optional, &name.span, names, Vec::new(), complaints);
}
