//! Runs a program; its lines go to the log, its end is the verdict.

use crate::base::Stop;
use crate::job::EnvValue;
use crate::plan::Exec;
use crate::recover::Fault;
use crate::run::{Done, Say, Standing};
use crate::step::perform::Steps;
use crate::world::{Child, reveal};

impl Steps {
    /// Performs an exec.
    pub(super) fn exec(
        &self,
        exec: &Exec,
        before: &Standing,
        say: &Say,
        stop: &Stop,
    ) -> Result<Done, Fault> {
        let log = self.log().map(|log| log.display().to_string());
        let mut child = Child::new(&exec.command)
            .stall(exec.stall)
            .env("VEX_RUN", self.run.as_str())
            .env("VEX_JOB", &self.job)
            .env("VEX_VERDICT", before.verdict.slug())
            .env("VEX_FAILED", &before.failed.join("\n"))
            .env("VEX_LOG", log.as_deref().unwrap_or_default());
        for (name, value) in &exec.env {
            child = match value {
                EnvValue::Plain(text) => child.env(name, text),
                EnvValue::Secret(reference) => child.secret(name, reveal(reference, stop)?),
            };
        }
        child.run(stop, &mut |line| say.info(line))?;
        Ok(Done::well())
    }
}
