//! Gives each table of a source the VACUUM it is due for, before the source is dumped.
//!
//! Does not know the rule. A table that could not have it is Alerta and the next one follows; a
//! database that could not be asked is Erro, after all others were tended.

use std::time::Instant;

use jiff::Zoned;

use crate::base::Stop;
use crate::job::Treatment;
use crate::plan::Vacuum;
use crate::record::Verdict;
use crate::run::{Done, Say};
use crate::source::contract::{Care, Cared, Chore, Error, ErrorKind};
use crate::step::fault::Fault;
use crate::step::perform::Steps;

impl Steps {
    /// Performs a vacuum.
    pub(super) fn vacuum(&self, vacuum: &Vacuum, say: &Say, stop: &Stop) -> Result<Done, Fault> {
        let source = self.source(&vacuum.source, stop)?;
        let care = source.care().expect("BUG: a vacuum of a source that knows none");
        let (mut verdict, mut failed) = (Verdict::Success, None);
        for unit in care.units(stop)? {
            match self.tend(care, &unit, vacuum, say, stop) {
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

    fn tend(
        &self,
        care: &dyn Care,
        unit: &str,
        vacuum: &Vacuum,
        say: &Say,
        stop: &Stop,
    ) -> Result<Verdict, Error> {
        let now = || -> Zoned { self.world.clock.now().to_zoned(self.zone.clone()) };
        let mut verdict = Verdict::Success;
        let mut due = Vec::new();
        for chore in care.chores(unit, &vacuum.rule, now().date(), stop)? {
            let table = format!("{unit}.{}", chore.title());
            match (chore.treatment, &chore.obstacle) {
                (Treatment::Nothing, _) => {
                    say.info(format!("{table}: {}", not_due(chore.days.unwrap_or(0))))
                }
                (Treatment::Plain | Treatment::Analyze | Treatment::Full, None) => due.push(chore),
                (
                    treatment @ (Treatment::Plain | Treatment::Analyze | Treatment::Full),
                    Some(why),
                ) => {
                    verdict = Verdict::Alert;
                    say.alert(format!("{table}: {} can't be run: {why}", treatment.word()));
                }
            }
        }
        if due.is_empty() {
            return Ok(verdict);
        }
        let mut begun = Instant::now();
        let mut hear = |chore: &Chore, cared: Cared| {
            let table = format!("{unit}.{}", chore.title());
            match cared {
                Cared::Done => {
                    let seconds = begun.elapsed().as_secs_f64();
                    say.info(format!("{table}: {} in {seconds:.1} s", chore.treatment.word()));
                }
                Cared::Gone => {
                    say.info(format!("{table}: nothing to vacuum, it was dropped meanwhile"))
                }
                Cared::Failed(error) => {
                    verdict = Verdict::Alert;
                    say.alert(sentence(&error));
                }
            }
            begun = Instant::now();
        };
        care.tend(unit, &vacuum.rule, &due, &|| now().datetime(), &mut hear, stop)?;
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
