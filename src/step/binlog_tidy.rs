//! What becomes of a stored binary log once it is up to now: how far the newest dump can be brought
//! is told, and segments that no dump needs are removed.
//!
//! Invariants: a gap stays an Alerta until a newer dump stands behind it; a segment is removed only
//! where every place of dumps could be read, and the oldest dump stands behind it in that very
//! store.

use crate::base::Stop;
use crate::record::Verdict;
use crate::recover::{BinlogName, BinlogPlace, Fault, LogBases, chain, needless, stands};
use crate::run::Say;
use crate::store::contract::Store;

/// Looks after the log in one store; `name` is what the job file calls it.
pub fn tidy(
    place: &BinlogPlace<'_>,
    (store, name): (&dyn Store, &str),
    bases: &LogBases,
    say: &Say,
    stop: &Stop,
) -> Result<Verdict, Fault> {
    let names = place.list(store, stop)?;
    let part = place.part();
    let verdict = judge((&names, &part), (place.source, name), bases, say);
    for segment in needless(&names, &part, bases) {
        stop.check()?;
        store.remove(&place.key(segment), stop)?;
        say.info(format!("removed {segment} of the log in {name}: no dump needs it"));
    }
    Ok(verdict)
}

/// Tells how far the newest dump can be brought.
fn judge(
    (names, part): (&[BinlogName], &str),
    (source, store): (&str, &str),
    bases: &LogBases,
    say: &Say,
) -> Verdict {
    let Some(newest) = bases.all.iter().rfind(|base| base.part == part) else {
        say.info(format!(
            "no dump of {source} that says its place is there: nothing to replay the log after"
        ));
        return Verdict::Success;
    };
    let id = &newest.head.id;
    let created = stands(names, &newest.head, &newest.file);
    let found = created.and_then(|created| chain(names, (&newest.file, created), newest.at));
    let advice = "make a new backup now";
    match found {
        None => {
            say.alert(format!(
                "the log of {source} in {store} does not lead on from the newest dump {id}, which stands at {}:{}; {advice}",
                newest.file, newest.at
            ));
            Verdict::Alert
        }
        Some(found) => match (found.broken, found.names.last()) {
            (Some(next), Some(last)) => {
                say.alert(format!(
                    "the log of {source} in {store} is broken behind the newest dump {id}: nothing leads from {}:{} to {next}; \
                     {advice}",
                    last.file, last.end
                ));
                Verdict::Alert
            }
            _ => Verdict::Success,
        },
    }
}
