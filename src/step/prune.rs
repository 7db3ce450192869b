//! Removes what the policy does not keep, after a proven copy, with a reason for every line.
//!
//! Acts on its own chain only: what another host, job file, database or machine made is named and
//! left alone, and the run is an alert that says how to end it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::artifact::{Head, Level};
use crate::base::{Id, Stop};
use crate::plan::{Backup, Kin, Prune};
use crate::record::{Event, Verdict};
use crate::recover::Fault;
use crate::retention::{Held, judge};
use crate::run::{Done, Say};
use crate::shelf::{
    Belongs, ChainName, Division, Listing, Machines, NOTE_FORMAT, Own, Shelf, Shelved, divide,
    lineage, machines_key, write_note,
};
use crate::step::perform::Steps;

/// Artifacts as retention sees them: damaged ones never count, unverified ones only where nothing
/// is verified, and an increment no more than all it adds to. `made` is what the run made that
/// asks; `needed` is what artifacts of other jobs add to.
pub fn held(
    artifacts: &[Shelved],
    verified: bool,
    made: Option<&Id>,
    needed: &BTreeSet<Id>,
) -> Vec<Held> {
    let proven = |a: &Shelved| !a.is_damaged() && (!verified || a.level() >= Level::Read);
    let whole =
        |a: &Shelved| lineage(artifacts, a).is_ok_and(|chain| chain.into_iter().all(proven));
    let places: std::collections::HashMap<&Id, usize> =
        artifacts.iter().enumerate().map(|(i, a)| (&a.head.id, i)).collect();
    let one = |a: &Shelved| Held {
        finished: a.moment(),
        proven: whole(a),
        made: Some(&a.head.id) == made,
        needed: needed.contains(&a.head.id),
        parent: a.head.parent.as_ref().and_then(|id| places.get(id).copied()),
    };
    artifacts.iter().map(one).collect()
}

impl Steps {
    /// Performs retention.
    pub(super) fn prune(&self, prune: &Prune, say: &Say, stop: &Stop) -> Result<Done, Fault> {
        let store = self.store(&prune.store, stop)?;
        let Some(made) = self.made(&prune.source, &prune.store.name) else {
            panic!("BUG: retention of a chain that made no copy");
        };
        let shelf = Shelf::new(store.clone(), prune.naming.clone(), &self.job, &prune.source);
        let listing = shelf.list(stop)?;
        let now = store.now(stop)?;
        let (own, verdict) = self.own_part(&shelf, &listing, &made, now, say, stop)?;
        let needed = self.needed(&prune.kin, &shelf, stop)?;
        let held = held(&own, prune.verified, Some(&made.id), &needed);
        let judged = judge(&prune.keep, &held, now, &self.zone);
        // The newest first: stopped half way, no increment is left without what it adds to.
        for (artifact, judgement) in own.iter().zip(judged).rev() {
            stop.check()?;
            let key = &artifact.head.key;
            if judgement.keep {
                say.info(format!("keeps {key}: {}", judgement.reason));
                continue;
            }
            shelf.remove(&artifact.head, &self.marker(), stop)?;
            say.info(format!("removed {key}: {}", judgement.reason));
            say.event(Event::Pruned {
                step: say.step(),
                id: artifact.head.id.clone(),
                source: artifact.head.source.clone(),
                store: prune.store.name.clone(),
                key: key.clone(),
            });
        }
        Ok(Done { verdict, ..Done::well() })
    }

    /// The artifacts of a listing that are of the chain that `made` is of; of all others it is said
    /// whose they are.
    pub(super) fn own_part(
        &self,
        shelf: &Shelf,
        listing: &Listing,
        made: &Head,
        now: Timestamp,
        say: &Say,
        stop: &Stop,
    ) -> Result<(Vec<Shelved>, Verdict), Fault> {
        for (key, damage) in &listing.unreadable {
            say.alert(format!("{key} is left alone, for it can't be used: {damage}"));
        }
        for (object, begun) in &listing.headless {
            let why = if *begun { "a run that has begun it" } else { "no run that vex knows of" };
            say.info(format!("{} is left alone: it has no head, and {why}", object.key));
        }
        let Some(origin) = made.origin.clone() else {
            panic!("BUG: an artifact of this run without its origin");
        };
        let own = Own {
            file: self.file.clone(),
            job: self.job.clone(),
            source: made.source.clone(),
            kind: made.kind.clone(),
            origin,
            host: self.world.host(),
            gap: self.gap,
        };
        let division = divide(&own, &listing.artifacts, &listing.notes, now);
        let mut verdict = self.tell_others(&own, listing, &division, say);
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
        let all = listing.artifacts.iter().zip(&division.belongs);
        let own = all.filter(|(_, b)| **b == Belongs::Own).map(|(a, _)| a.clone());
        Ok((own.collect(), verdict))
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
    pub(super) fn tell_unkept(
        &self,
        backup: &Backup,
        say: &Say,
        stop: &Stop,
    ) -> Result<Verdict, Fault> {
        let mut verdict = Verdict::Success;
        for copy in backup.copies.iter().filter(|c| !c.kept) {
            let Some(made) = self.made(&backup.source.name, &copy.store.name) else { continue };
            let store = self.store(&copy.store, stop)?;
            let name = &backup.source.name;
            let shelf = Shelf::new(store.clone(), copy.naming.clone(), &self.job, name);
            let (listing, now) = (shelf.list(stop)?, store.now(stop)?);
            let (_, own) = self.own_part(&shelf, &listing, &made, now, say, stop)?;
            verdict = verdict.max(own);
        }
        Ok(verdict)
    }

    /// What artifacts of other jobs of this source, in this store, add to.
    fn needed(&self, kin: &[Kin], shelf: &Shelf, stop: &Stop) -> Result<BTreeSet<Id>, Fault> {
        let mut needed = BTreeSet::new();
        for kin in kin.iter().filter(|k| k.job != self.job) {
            let other = shelf.sibling(&kin.naming, &kin.job);
            needed.extend(other.list(stop)?.artifacts.into_iter().filter_map(|a| a.head.parent));
        }
        Ok(needed)
    }
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
