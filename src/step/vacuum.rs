//! Gives each table of a source the VACUUM it is due for, before the source is dumped.
//!
//! Does not know the rule. A table that could not have it is Alerta and the next one follows; a
//! database that could not be asked is Erro, after all others were tended.

use std::time::Instant;

use jiff::Zoned;

use crate::base::Stop;
use crate::job::VacuumKind;
use crate::plan::Vacuum;
use crate::record::Verdict;
use crate::recover::Fault;
use crate::run::{Done, Say};
use crate::source::contract::{Error, ErrorKind, Maintenance, Task, TaskOutcome};
use crate::step::perform::Steps;

impl Steps {
    /// Performs a vacuum.
    pub(super) fn vacuum(&self, vacuum: &Vacuum, say: &Say, stop: &Stop) -> Result<Done, Fault> {
        let source = self.source(&vacuum.source, stop)?;
        let maintenance = source.maintenance().expect("BUG: a vacuum of a source that knows none");
        let (mut verdict, mut failed) = (Verdict::Success, None);
        for unit in maintenance.units(stop)? {
            match self.vacuum_unit(maintenance, &unit, vacuum, say, stop) {
                Ok(own) => verdict = verdict.max(own),
                Err(error) if error.kind == ErrorKind::Stopped => return Err(error.into()),
                Err(error) => {
                    // The first is the step's own failure, and is told with it.
                    if failed.is_some() {
                        say.alert(sentence(&error));
                    }
                    failed.get_or_insert(error);
                }
            }
        }
        failed.map_or(Ok(Done { verdict, ..Done::well() }), |error| Err(error.into()))
    }

    fn vacuum_unit(
        &self,
        maintenance: &dyn Maintenance,
        unit: &str,
        vacuum: &Vacuum,
        say: &Say,
        stop: &Stop,
    ) -> Result<Verdict, Error> {
        let now = || -> Zoned { self.world.clock.now().to_zoned(self.zone.clone()) };
        let mut verdict = Verdict::Success;
        let mut due = Vec::new();
        for task in maintenance.tasks(unit, &vacuum.rule, now().date(), stop)? {
            let table = format!("{unit}.{}", task.title());
            match (task.kind, &task.obstacle) {
                (VacuumKind::Nothing, _) => {
                    say.info(format!("{table}: {}", not_due(task.days.unwrap_or(0))))
                }
                (VacuumKind::Plain | VacuumKind::Analyze | VacuumKind::Full, None) => {
                    due.push(task)
                }
                (
                    kind @ (VacuumKind::Plain | VacuumKind::Analyze | VacuumKind::Full),
                    Some(why),
                ) => {
                    verdict = Verdict::Alert;
                    say.alert(format!("{table}: {} can't be run: {why}", kind.word()));
                }
            }
        }
        if due.is_empty() {
            return Ok(verdict);
        }
        let mut begun = Instant::now();
        let mut hear = |task: &Task, outcome: TaskOutcome| {
            let table = format!("{unit}.{}", task.title());
            match outcome {
                TaskOutcome::Done => {
                    let seconds = begun.elapsed().as_secs_f64();
                    say.info(format!("{table}: {} in {seconds:.1} s", task.kind.word()));
                }
                TaskOutcome::Gone => {
                    say.info(format!("{table}: nothing to vacuum, it was dropped meanwhile"))
                }
                TaskOutcome::Failed(error) => {
                    verdict = Verdict::Alert;
                    say.alert(sentence(&error));
                }
            }
            begun = Instant::now();
        };
        maintenance.run(unit, &vacuum.rule, &due, &|| now().datetime(), &mut hear, stop)?;
        Ok(verdict)
    }
}

/// What the seed says of a table that is left alone, to the letter.
fn not_due(days: i64) -> String {
    format!("Último VACUUM foi há {days} dias. Não é necessário executar novamente.")
}

fn sentence(error: &Error) -> String {
    error.hint.as_ref().map_or_else(|| error.to_string(), |hint| format!("{error}. {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_table_that_is_left_alone_is_the_seeds() {
        assert_eq!(not_due(4), "Último VACUUM foi há 4 dias. Não é necessário executar novamente.");
    }
}
