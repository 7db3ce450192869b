//! A restore drill: what is asked of restored data, how long the restore took, and the evidence.
//!
//! The evidence is one event however the drill ended; the catalog, the log and the pages fold it.
//! Invariant: what was asked and not answered as expected is an error of the drill, and no damage of
//! the backup, which is then proven as read, and not as restored.

use std::time::Instant;

use jiff::Timestamp;

use crate::artifact::{Damage, Head};
use crate::base::Stop;
use crate::plan::{SourceRef, Verify};
use crate::record::{AssertFacts, DrillFacts, Event, Verdict};
use crate::recover::Fault;
use crate::run::Say;
use crate::source::is_files;
use crate::step::perform::Steps;

/// What an answer without a value is called.
const NULL: &str = "NULL";

/// A drill under way.
pub(super) struct Drill<'a> {
    /// What was asked for.
    pub verify: &'a Verify,
    /// What it restores into.
    pub into: &'a SourceRef,
    /// The backup.
    pub head: &'a Head,
    /// When it began, by the world's clock and by one that nobody sets.
    pub began: (Timestamp, Instant),
}

/// How a drill that brought all back was judged: what was asked, and why it is an Alerta or failed.
#[derive(Default)]
struct Judged {
    asserts: Vec<AssertFacts>,
    verdict: Option<Verdict>,
    message: String,
}

impl Steps {
    /// Asks what the job asserts of what was restored, and tells the drill; `proven` is how the restore
    /// and the recount ended. Returns that again, and whether it took too long.
    pub(super) fn drilled(
        &self,
        drill: &Drill<'_>,
        proven: Result<Vec<Damage>, Fault>,
        say: &Say,
        stop: &Stop,
    ) -> Result<(Vec<Damage>, bool), Fault> {
        // Nothing was found out by a run that was stopped, whatever a source or a server said of it.
        if proven.is_err() && stop.is_stopped() {
            return Err(Fault::Stopped);
        }
        let took = drill.began.1.elapsed();
        let seconds = took.as_secs();
        let within = drill.verify.within.map(|within| within.as_secs());
        let mut judged = Judged::default();
        let ended = match proven {
            Ok(damage) if damage.is_empty() => self.asserted(drill, &mut judged, stop),
            Ok(damage) => {
                let lines: Vec<String> = damage.iter().map(ToString::to_string).collect();
                judged.message = lines.join("; ");
                judged.verdict = Some(Verdict::Error);
                Ok(damage)
            }
            Err(fault) => {
                judged.message = fault.to_string();
                judged.verdict = Some(Verdict::Error);
                Err(fault)
            }
        };
        if ended.is_err() && stop.is_stopped() {
            return Err(Fault::Stopped);
        }
        let late = drill.verify.within.is_some_and(|within| took > within);
        if late && judged.verdict.is_none() {
            let within = within.unwrap_or_default();
            judged.message = format!("it took {seconds} s, and `restore-within` is {within} s");
            judged.verdict = Some(Verdict::Alert);
            say.alert(format!("the restore into {}: {}", drill.into.name, judged.message));
        }
        say.event(Event::Drilled {
            step: say.step(),
            drill: self.evidence(drill, seconds, judged),
        });
        Ok((ended?, late))
    }

    /// Asks all that the job asserts; an error names the first that does not hold.
    fn asserted(
        &self,
        drill: &Drill<'_>,
        judged: &mut Judged,
        stop: &Stop,
    ) -> Result<Vec<Damage>, Fault> {
        let asked = self.ask(drill, judged, stop).and_then(|()| {
            match judged.asserts.iter().find(|assert| !assert.holds()) {
                None => Ok(Vec::new()),
                Some(AssertFacts { sql, expected, found }) => Err(Fault::Nothing {
                    doing: format!("ask what was restored into {}", drill.into.name),
                    found: format!("`{sql}` gives {found}, and {expected} was expected"),
                    hint: Some(
                        "The backup is what was dumped; look at what the source held then.".into(),
                    ),
                }),
            }
        });
        if let Err(fault) = &asked {
            judged.message = fault.to_string();
            judged.verdict = Some(Verdict::Error);
        }
        asked
    }

    fn ask(&self, drill: &Drill<'_>, judged: &mut Judged, stop: &Stop) -> Result<(), Fault> {
        if drill.verify.asserts.is_empty() {
            return Ok(());
        }
        let target = self.source(drill.into, stop)?;
        // The one unit of files is a cluster, and no database.
        let units = match is_files(&drill.head.kind) {
            true => Vec::new(),
            false => drill.head.unit_names(),
        };
        for assert in &drill.verify.asserts {
            let unit = assert.unit.as_deref().or(match units.as_slice() {
                [only] => Some(only),
                _ => None,
            });
            let found = target.ask(unit, &assert.sql, stop)?;
            judged.asserts.push(AssertFacts {
                sql: assert.sql.clone(),
                expected: assert.equals.clone(),
                found: found.unwrap_or_else(|| NULL.to_owned()),
            });
        }
        Ok(())
    }

    fn evidence(&self, drill: &Drill<'_>, seconds: u64, judged: Judged) -> DrillFacts {
        let Drill { verify, into, head, began } = drill;
        DrillFacts {
            backup: head.id.clone(),
            source: head.source.clone(),
            store: verify.store.name.clone(),
            key: head.key.clone(),
            sha256: head.objects.first().map(|o| o.sha256.clone()).unwrap_or_default(),
            target: into.name.clone(),
            started: began.0,
            seconds,
            within: verify.within.map(|within| within.as_secs()),
            tables: head.totals.tables,
            rows: head.totals.rows,
            asserts: judged.asserts,
            host: self.world.host(),
            verdict: judged.verdict.unwrap_or(Verdict::Success),
            message: judged.message,
        }
    }
}
