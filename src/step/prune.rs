//! Removes what the policy does not keep, after a proven copy, with a reason for every line.
//!
//! Acts on its own chain only: what another host, job file, database or machine made is named and
//! left alone, and the run is an alert that says how to end it. Removes nothing that somebody reads:
//! what is to be removed is decided again under an exclusive lease, and without one nothing is.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::artifact::{Head, Origin};
use crate::base::{Id, Stop};
use crate::plan::{Backup, Prune, PruneTask, SourceRef};
use crate::record::{Event, IN_USE, Verdict};
use crate::recover::Fault;
use crate::run::{Done, Say};
use crate::shelf::{
    Belongs, ChainName, Division, Lease, LeaseError, LeaseKind, Listing, Machines, NOTE_FORMAT,
    Own, Shelf, bury_dead, divide, machines_key, write_note,
};
use crate::step::perform::Steps;
use crate::step::prune_plan::{Fate, PruneGround, PruneLine, PrunePlan, because, others};
use crate::store::contract::ErrorKind;

/// The run in a row that finds a folder in use and makes somebody look.
pub const IN_USE_RUNS: usize = 3;

/// What stands in a folder, and what is to become of it.
struct Decided {
    own: Own,
    listing: Listing,
    plan: PrunePlan,
    now: Timestamp,
}

impl Steps {
    /// Performs retention.
    pub(super) fn prune(&self, prune: &Prune, say: &Say, stop: &Stop) -> Result<Done, Fault> {
        if prune.task == PruneTask::Uploads {
            return self.uploads(prune, say, stop);
        }
        let store = self.store(&prune.store, stop)?;
        let made = self.made(&prune.source, &prune.store.name);
        let own = self.own_of(prune, made.as_ref(), stop)?;
        let made = made.as_ref().map(|head| &head.id);
        let shelf = Shelf::new(store.clone(), prune.naming.clone(), &self.job, &prune.source);
        let folder = prune.naming.folder();
        let first = self.decide(prune, &shelf, (&own, made), stop)?;
        let dead = bury_dead(store.as_ref(), folder, first.listing.leases.clone(), stop)?;
        if dead > 0 {
            say.info(format!("removed {dead} leases that nobody holds any more"));
        }
        if first.plan.removals().next().is_none() {
            let verdict = self.tell(&shelf, &first, say, stop)?;
            tell_kept(&first.plan, say);
            return Ok(Done { verdict, ..Done::well() });
        }
        let holder = self.holder(&format!("retention of job {}", self.job));
        let lease = match Lease::take(&store, folder, LeaseKind::Exclusive, &holder, stop) {
            Ok(lease) => lease,
            // Nobody asks again by himself, as the next run of a job does.
            Err(LeaseError::InUse(other)) if made.is_none() => {
                return Err(Fault::Busy(format!(
                    "nothing is removed from {} in {}: it is in use by {other}",
                    if folder.is_empty() { "/" } else { folder },
                    prune.store.name
                )));
            }
            Err(LeaseError::InUse(other)) => {
                let verdict = self.tell(&shelf, &first, say, stop)?;
                let done = self.in_use(prune, &first.plan, &other, say);
                return Ok(Done { verdict: verdict.max(done.verdict), ..done });
            }
            Err(LeaseError::Store(error)) => {
                say.info("removes nothing: without its lease nobody knows that nothing is read");
                return Err(error.into());
            }
            Err(LeaseError::Lost(_)) => panic!("BUG: a lease that was lost before it was had"),
        };
        // What others did meanwhile counts: nobody reads from here on, and nobody else removes.
        let found = self.decide(prune, &shelf, (&own, made), stop)?;
        let verdict = self.tell(&shelf, &found, say, stop)?;
        tell_kept(&found.plan, say);
        let done = self.remove(prune, &shelf, &found.plan, &lease, say, stop)?;
        Ok(Done { verdict: verdict.max(done.verdict), ..done })
    }

    /// What retention would do now.
    pub fn foresee(&self, prune: &Prune, stop: &Stop) -> Result<PrunePlan, Fault> {
        let store = self.store(&prune.store, stop)?;
        let shelf = Shelf::new(store, prune.naming.clone(), &self.job, &prune.source);
        let own = self.own_of(prune, None, stop)?;
        Ok(self.decide(prune, &shelf, (&own, None), stop)?.plan)
    }

    /// Decides what becomes of everything in the folder.
    fn decide(
        &self,
        prune: &Prune,
        shelf: &Shelf,
        (own, made): (&Own, Option<&Id>),
        stop: &Stop,
    ) -> Result<Decided, Fault> {
        let listing = shelf.list(stop)?;
        let now = shelf.store().now(stop)?;
        let own = own.clone();
        let plan = PrunePlan::make(&PruneGround {
            own: &own,
            naming: shelf.naming(),
            listing: &listing,
            others: &others(&prune.kin, &self.job, shelf, stop)?,
            made,
            keep: &prune.keep,
            verified: prune.verified,
            now,
            zone: &self.zone,
        });
        Ok(Decided { own, listing, plan, now })
    }

    /// Removes what is to be removed, as long as the lease allows it.
    fn remove(
        &self,
        prune: &Prune,
        shelf: &Shelf,
        plan: &PrunePlan,
        lease: &Lease,
        say: &Say,
        stop: &Stop,
    ) -> Result<Done, Fault> {
        let trusted = lease.until(stop);
        let (mut done, mut stay) = (Done::well(), BTreeSet::new());
        for line in plan.removals() {
            stop.check()?;
            if stay.contains(&line.head.id) {
                stay.extend(line.head.parent.clone());
                continue;
            }
            match lease.may_remove(stop) {
                Ok(()) => {}
                Err(LeaseError::InUse(other)) => return Ok(self.in_use(prune, plan, &other, say)),
                Err(LeaseError::Lost(place)) => return Ok(lost(&place, say)),
                Err(LeaseError::Store(error)) => return Err(error.into()),
            }
            match self.remove_one(shelf, line, &trusted) {
                Err(_) if trusted.is_stopped() && !stop.is_stopped() => {
                    return Ok(lost(shelf.naming().folder(), say));
                }
                // Another may be removed; what this one adds to may not.
                Err(Fault::Store(error)) if error.kind == ErrorKind::Denied => {
                    say.alert(format!("{} stays, for the store refuses: {error}", line.head.key));
                    done.verdict = Verdict::Alert;
                    stay.extend(line.head.parent.clone());
                    continue;
                }
                removed => removed?,
            }
            let (head, Fate::Remove(reasons)) = (&line.head, &line.fate) else { continue };
            say.event(Event::Pruned {
                step: say.step(),
                id: head.id.clone(),
                source: head.source.clone(),
                store: prune.store.name.clone(),
                key: head.key.clone(),
                why: because(reasons),
            });
        }
        Ok(done)
    }

    /// Removes an artifact, and then its pin, which holds no more.
    fn remove_one(&self, shelf: &Shelf, line: &PruneLine, stop: &Stop) -> Result<(), Fault> {
        shelf.remove(&line.head, &self.marker(), stop)?;
        match &line.pin {
            Some(pin) => Ok(shelf.store().remove(pin, stop)?),
            None => Ok(()),
        }
    }

    /// Keeps what is left of a folder that others use: told, and an alert once that happens in run
    /// after run.
    fn in_use(&self, prune: &Prune, plan: &PrunePlan, other: &str, say: &Say) -> Done {
        let count = plan.removals().count();
        let text = format!("keeps all that would be removed ({count} in all): in use by {other}");
        // Without history nobody knows whether it is the first time.
        let before = self.in_use_before(&prune.source, &prune.store.name);
        let verdict = match before {
            Some(runs) if runs + 1 < IN_USE_RUNS => {
                say.info(text);
                Verdict::Success
            }
            Some(runs) => {
                say.alert(format!("{text}; so it was in the {runs} runs before"));
                Verdict::Alert
            }
            None => {
                say.alert(format!("{text}; how often so before is not known"));
                Verdict::Alert
            }
        };
        Done { verdict, code: IN_USE.to_owned(), ..Done::well() }
    }

    /// The chain: of an artifact that this run made, else of the database as it is now.
    fn own_of(&self, prune: &Prune, made: Option<&Head>, stop: &Stop) -> Result<Own, Fault> {
        if let Some(made) = made {
            return Ok(self.own(made));
        }
        let reference = SourceRef { name: prune.source.clone(), spec: prune.spec.clone() };
        let origin = self.source(&reference, stop)?.origin(stop)?;
        Ok(self.chain((&prune.source, prune.spec.kind()), origin))
    }

    /// The chain that an artifact of this run is of.
    fn own(&self, made: &Head) -> Own {
        let Some(origin) = made.origin.clone() else {
            panic!("BUG: an artifact of this run without its origin");
        };
        self.chain((&made.source, &made.kind), origin)
    }

    pub(super) fn chain(&self, (source, kind): (&str, &str), origin: Origin) -> Own {
        Own {
            file: self.file.clone(),
            job: self.job.clone(),
            source: source.to_owned(),
            kind: kind.to_owned(),
            origin,
            host: self.world.host(),
            gap: self.gap,
        }
    }

    /// Says what in a folder is left alone, and writes down what was found about its machines.
    fn tell(
        &self,
        shelf: &Shelf,
        found: &Decided,
        say: &Say,
        stop: &Stop,
    ) -> Result<Verdict, Fault> {
        self.tell_left(
            shelf,
            &found.own,
            &found.listing,
            &found.plan.division,
            found.now,
            say,
            stop,
        )
    }

    #[expect(clippy::too_many_arguments, reason = "what was found in one folder")]
    fn tell_left(
        &self,
        shelf: &Shelf,
        own: &Own,
        listing: &Listing,
        division: &Division,
        now: Timestamp,
        say: &Say,
        stop: &Stop,
    ) -> Result<Verdict, Fault> {
        for (key, damage) in &listing.unreadable {
            say.alert(format!("{key} is left alone, for it can't be used: {damage}"));
        }
        for (object, begun) in &listing.headless {
            let why = if *begun { "a run that has begun it" } else { "no run that vex knows of" };
            say.info(format!("{} is left alone: it has no head, and {why}", object.key));
        }
        let mut verdict = self.tell_others(own, listing, division, say);
        if !listing.unreadable.is_empty() {
            verdict = Verdict::Alert;
        }
        if let Some(signs) = &division.finding {
            let machines = Machines {
                format: NOTE_FORMAT,
                origin: own.origin.id.clone(),
                signs: signs.clone(),
                at: now,
            };
            let key = machines_key(shelf.naming(), now);
            write_note(shelf.store().as_ref(), &key, &machines, stop)?;
        }
        Ok(verdict)
    }

    /// Says what is left alone, and how to end it; an alert where somebody must decide.
    fn tell_others(&self, own: &Own, listing: &Listing, division: &Division, say: &Say) -> Verdict {
        let mut verdict = Verdict::Success;
        for (artifact, belongs) in listing.artifacts.iter().zip(&division.belongs) {
            let key = &artifact.head.key;
            match belongs {
                Belongs::Own => {}
                Belongs::Waits(until) => say.info(format!(
                    "leaves {key} alone until {until}: another machine ({}) made it, which may be \
                     a move",
                    artifact.head.origin.as_ref().and_then(|o| o.sign.as_deref()).unwrap_or("?")
                )),
                Belongs::Machine(_) => {
                    say.info(format!("leaves {key} alone: another machine made it"));
                }
                Belongs::Foreign(chain) => {
                    say.info(format!("leaves {key} alone: {}", made_by(own, chain)));
                }
            }
        }
        for (chain, count) in division.foreign() {
            verdict = Verdict::Alert;
            let from = listing.artifacts.iter().zip(&division.belongs).rev();
            let newest = from.into_iter().find(|(_, b)| **b == Belongs::Foreign(chain.clone()));
            let id = newest.map(|(a, _)| a.head.id.to_string()).unwrap_or_default();
            let backups = if count == 1 { "backup is" } else { "backups are" };
            say.alert(format!(
                "{count} {backups} left alone: {}. If they are of this chain, run `vex adopt {} {} \
                 --from {id}`; else give one of the two another `prefix`.",
                made_by(own, &chain),
                self.file,
                own.source,
            ));
        }
        for sign in division.machines() {
            verdict = Verdict::Alert;
            say.alert(format!(
                "two machines make backups of {} here, {} and {sign}: each keeps its own. Give each \
                 source an `identity`, or one of the two another `prefix`; if they are one, run \
                 `vex adopt {} {}`.",
                own.origin.id,
                own.origin.sign.as_deref().unwrap_or("?"),
                self.file,
                own.source,
            ));
        }
        verdict
    }

    /// Says whose else backups stand where no retention will look.
    pub(super) fn tell_unkept(&self, backup: &Backup, say: &Say, stop: &Stop) -> Verdict {
        self.look_at_unkept(backup, say, stop).unwrap_or_else(|fault| {
            // The copies are committed: what is not known beside them undoes none.
            say.alert(format!("what lies beside the new copies could not be looked at: {fault}"));
            Verdict::Alert
        })
    }

    fn look_at_unkept(&self, backup: &Backup, say: &Say, stop: &Stop) -> Result<Verdict, Fault> {
        let mut verdict = Verdict::Success;
        for copy in backup.copies.iter().filter(|c| !c.kept) {
            let Some(made) = self.made(&backup.source.name, &copy.store.name) else { continue };
            let store = self.store(&copy.store, stop)?;
            let name = &backup.source.name;
            let shelf = Shelf::new(store.clone(), copy.naming.clone(), &self.job, name);
            let (listing, now) = (shelf.list(stop)?, store.now(stop)?);
            let own = self.own(&made);
            let division = divide(&own, &listing.artifacts, &listing.notes, now);
            let told = self.tell_left(&shelf, &own, &listing, &division, now, say, stop)?;
            verdict = verdict.max(told);
        }
        Ok(verdict)
    }
}

/// Says what stays, and why.
fn tell_kept(plan: &PrunePlan, say: &Say) {
    for line in plan.lines.iter().rev() {
        match &line.fate {
            Fate::Keep(reasons) => {
                say.info(format!("keeps {}: {}", line.head.key, because(reasons)))
            }
            Fate::Remove(_) | Fate::Leave(_) => {}
        }
    }
}

/// Keeps what is left, since nobody can say any more that it is not being read.
fn lost(place: &str, say: &Say) -> Done {
    say.alert(format!(
        "removes no more: the lease of {place} could not be kept; what is left goes with the next run"
    ));
    Done { verdict: Verdict::Alert, ..Done::well() }
}

/// Who made a foreign chain, and in what it differs.
fn made_by(own: &Own, chain: &ChainName) -> String {
    match (&chain.origin, &chain.file, &chain.host) {
        (Some(origin), _, _) if *origin != own.origin.id => {
            format!("they are of another database ({origin}, not {})", own.origin.id)
        }
        (Some(_), Some(file), _) if *file != own.file => {
            format!("they were made by another job file ({file})")
        }
        (None, _, Some(host)) => format!("they were made by host {host}, before origins were kept"),
        (None | Some(_), _, _) => format!("they are of kind {}", chain.kind),
    }
}
