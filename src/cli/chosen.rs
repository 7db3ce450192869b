//! Which jobs, and which steps of them, the words of `vex run` name.
//!
//! Does not run anything. Invariant: steps bring along what they need, and nothing else of their
//! job; a word that names neither a job nor a step is a usage error that lists what there is.

use crate::cli::args::Run;
use crate::cli::exit::Exit;
use crate::cli::wiring::{Loaded, complain};
use crate::plan::Plan;

/// The plans that run: of the jobs that are named, else of the only one, else of the one named as
/// the file; cut down to the steps that are named.
pub fn chosen(args: &Run, loaded: &Loaded) -> Result<Vec<Plan>, Exit> {
    let is_job = |word: &&String| loaded.plans.iter().any(|plan| plan.job == **word);
    let (jobs, steps): (Vec<String>, Vec<String>) =
        args.jobs.iter().cloned().partition(|word| is_job(&word));
    let plans = match jobs.is_empty() {
        true if steps.iter().any(|word| !word.contains('/')) => loaded.choose(&steps)?,
        true => unnamed(args, loaded)?,
        false => loaded.choose(&jobs)?,
    };
    if steps.is_empty() {
        return Ok(plans.into_iter().cloned().collect());
    }
    for word in &steps {
        if !plans.iter().any(|plan| !plan.called(word).is_empty()) {
            complain(&unknown(word, &plans));
            return Err(Exit::Usage);
        }
    }
    let cut = plans.into_iter().map(|plan| plan.only(&steps));
    Ok(cut.filter(|plan| !plan.steps.is_empty()).collect())
}

fn unknown(word: &str, plans: &[&Plan]) -> String {
    let own = |plan: &Plan, address: &str| {
        let inner = address.strip_prefix(&plan.job).and_then(|rest| rest.strip_prefix('/'));
        inner.unwrap_or(address).to_owned()
    };
    let steps: Vec<String> =
        plans.iter().flat_map(|p| p.steps.iter().map(|s| own(p, &s.address))).collect();
    let jobs: Vec<&str> = plans.iter().map(|p| p.job.as_str()).collect();
    format!("there is no job or step {word}; job {} has {}", jobs.join(", "), steps.join(", "))
}

/// The jobs that run where none is named.
fn unnamed<'a>(args: &Run, loaded: &'a Loaded) -> Result<Vec<&'a Plan>, Exit> {
    let names = |plans: &[&Plan]| {
        let names: Vec<&str> = plans.iter().map(|p| p.job.as_str()).collect();
        names.join(", ")
    };
    let all: Vec<&Plan> = loaded.plans.iter().collect();
    if all.is_empty() {
        complain(&format!("{} has no job that takes part", args.file.display()));
        return Err(Exit::Invalid);
    }
    if args.all || all.len() == 1 {
        return Ok(all);
    }
    let is_own = |plan: &&Plan| args.file.file_stem().is_some_and(|stem| stem == plan.job.as_str());
    let (own, left): (Vec<&Plan>, Vec<&Plan>) = all.iter().partition(|plan| is_own(plan));
    if own.is_empty() {
        complain(&format!(
            "{} has the jobs {}; name one, or say --all",
            args.file.display(),
            names(&all)
        ));
        return Err(Exit::Usage);
    }
    if !args.quiet {
        complain(&format!(
            "runs job {}, named as its file; left: {}; name others, or say --all",
            names(&own),
            names(&left)
        ));
    }
    Ok(own)
}
