//! Sends backups from one store of a chain to another, byte for byte, and proves them there.
//!
//! Reads under a lease. A backup goes only with all that it adds to; what is there already is left
//! as it is, and what was found damaged is not sent. The failure of one keeps no other back.

use std::collections::HashSet;
use std::sync::Arc;

use crate::artifact::{FORMAT, Head};
use crate::base::{Id, Stop};
use crate::pipeline::{self, Meter, duplicate};
use crate::plan::{Sent, Transfer, Verify, Which};
use crate::record::{Failure, Verdict};
use crate::recover::{Fault, watched};
use crate::retention::{Held, judge};
use crate::run::{Done, Say};
use crate::shelf::{Belongs, Holder, Listing, Reading, Shelf, Shelved, divide, lineage};
use crate::step::copies::Copies;
use crate::step::perform::Steps;
use crate::store::contract::Store;

/// One store that is read, and what stands in its folder.
struct From {
    name: String,
    store: Arc<dyn Store>,
    artifacts: Vec<Shelved>,
    listing: Listing,
}

/// Backups to send, each with where it is, and how many that are meant can't be sent.
type Chosen<'a> = (Vec<(&'a From, Head)>, usize);

/// What the stores hold that are read, and those that can't be.
type Origins = (Vec<From>, Vec<(String, Fault)>);

impl Steps {
    /// Sends what is not there.
    pub(super) fn transfer(
        &self,
        transfer: &Transfer,
        say: &Say,
        stop: &Stop,
    ) -> Result<Done, Fault> {
        let target = self.store(&transfer.to.store, stop)?;
        let naming = transfer.to.naming.clone();
        let holder = self.holder(&format!("copies of job {}", self.job));
        let (mut verdict, mut done) = (Verdict::Success, Done::well());
        // What is there, and what has just come, stays until what adds to it has come too.
        let (reading, remark) = Reading::begin(&target, &[naming.folder()], &holder, stop);
        let (mut readings, mut remarks) = (vec![reading], Vec::from_iter(remark));
        let shelf = Shelf::new(target, naming, &self.job, &transfer.source.name);
        let there = shelf.list(stop)?;
        let (from, unread) =
            self.origins(transfer, &holder, (&mut readings, &mut remarks), stop)?;
        for (name, fault) in unread {
            // Another may have it.
            say.alert(format!("{name} is not read: {fault}"));
            verdict = Verdict::Alert;
        }
        let (chosen, refused) = self.chosen(transfer, &shelf, &there, &from, say, stop)?;
        if refused > 0 {
            verdict = Verdict::Alert;
            if let Sent::Ids(_) = transfer.which {
                done = Done::failed(unsent(refused));
            }
        }
        for (origin, head) in chosen {
            stop.check()?;
            let one = self.send_one(transfer, &shelf, (origin, &head), say, stop);
            let one = one.unwrap_or_else(|fault| Done::failed(fault.failure()));
            done.verdict = done.verdict.max(one.verdict);
            done.failure = done.failure.or(one.failure);
        }
        for remark in remarks.into_iter().chain(readings.into_iter().filter_map(Reading::end)) {
            say.alert(remark);
            verdict = Verdict::Alert;
        }
        Ok(Done { verdict: done.verdict.max(verdict), ..done })
    }

    /// What the stores hold that are read; and those that can't be, unless it is all of them.
    fn origins(
        &self,
        transfer: &Transfer,
        holder: &Holder,
        (readings, remarks): (&mut Vec<Reading>, &mut Vec<String>),
        stop: &Stop,
    ) -> Result<Origins, Fault> {
        let (mut from, mut unread): (Vec<From>, Vec<(String, Fault)>) = Default::default();
        for (reference, naming) in &transfer.from {
            let listed = self.store(reference, stop).and_then(|store| {
                let (reading, remark) = Reading::begin(&store, &[naming.folder()], holder, stop);
                readings.push(reading);
                remarks.extend(remark);
                let (naming, name) = (naming.clone(), &transfer.source.name);
                let listing = Shelf::new(store.clone(), naming, &self.job, name).list(stop)?;
                let artifacts = listing.artifacts.clone();
                Ok(From { name: reference.name.clone(), store, artifacts, listing })
            });
            match listed {
                Ok(found) => from.push(found),
                Err(fault) if stop.is_stopped() => return Err(fault),
                Err(fault) => unread.push((reference.name.clone(), fault)),
            }
        }
        if from.is_empty()
            && let Some((_, fault)) = unread.pop()
        {
            return Err(fault);
        }
        Ok((from, unread))
    }

    /// What is sent, and from where: oldest first, each after what it adds to; and how many can't be
    /// sent.
    fn chosen<'a>(
        &self,
        transfer: &Transfer,
        shelf: &Shelf,
        there: &Listing,
        from: &'a [From],
        say: &Say,
        stop: &Stop,
    ) -> Result<Chosen<'a>, Fault> {
        let mut refused = 0;
        let present: HashSet<&Id> = there.artifacts.iter().map(|a| &a.head.id).collect();
        let (mut chosen, mut seen): (Vec<(&From, Head)>, HashSet<Id>) = Default::default();
        for origin in from {
            let wanted = self.wanted(transfer, shelf, there, origin, stop)?;
            for artifact in wanted {
                let name = &artifact.head.key;
                let Ok(line) = lineage(&origin.artifacts, artifact) else {
                    refused += 1;
                    say.alert(format!(
                        "{name} is not sent: what it adds to is not in {}",
                        origin.name
                    ));
                    continue;
                };
                if let Some(bad) = line.iter().find(|a| a.is_damaged()) {
                    refused += 1;
                    say.alert(format!("{name} is not sent: {} was found damaged", bad.head.key));
                    continue;
                }
                for one in line {
                    let id = &one.head.id;
                    if !present.contains(id) && seen.insert(id.clone()) {
                        chosen.push((origin, one.head.clone()));
                    }
                }
            }
        }
        if let Sent::Ids(ids) = &transfer.which {
            for id in ids.iter().filter(|id| present.contains(id)) {
                say.info(format!("{id} is in {} already", transfer.to.store.name));
            }
        }
        if chosen.is_empty() && refused == 0 {
            say.info(format!(
                "{} lacks nothing of {}",
                transfer.to.store.name, transfer.source.name
            ));
        }
        Ok((chosen, refused))
    }

    /// The backups of a store that are meant.
    fn wanted<'a>(
        &self,
        transfer: &Transfer,
        shelf: &Shelf,
        there: &Listing,
        origin: &'a From,
        stop: &Stop,
    ) -> Result<Vec<&'a Shelved>, Fault> {
        let all = origin.artifacts.iter();
        match &transfer.which {
            Sent::Ids(ids) => Ok(all.filter(|a| ids.contains(&a.head.id)).collect()),
            Sent::Missing => Ok(all.filter(|a| !a.is_damaged()).collect()),
            Sent::Kept(keep) => {
                let source = self.source(&transfer.source, stop)?;
                let kind = transfer.source.spec.kind();
                let own = self.chain((&transfer.source.name, kind), source.origin(stop)?);
                let now = shelf.store().now(stop)?;
                let notes = &origin.listing.notes;
                let division = divide(&own, &origin.artifacts, notes, now);
                let is_own = |(a, belongs): &(&Shelved, &Belongs)| {
                    **belongs == Belongs::Own && !a.is_damaged()
                };
                let own = all.zip(&division.belongs).filter(is_own).map(|(a, _)| a).collect();
                Ok(match keep {
                    Some(keep) => kept(&there.artifacts, own, |held| {
                        judge(keep, held, now, &self.zone).iter().map(|j| j.keep).collect()
                    }),
                    None => own,
                })
            }
        }
    }

    /// Sends one backup and proves it there.
    fn send_one(
        &self,
        transfer: &Transfer,
        shelf: &Shelf,
        (from, head): (&From, &Head),
        say: &Say,
        stop: &Stop,
    ) -> Result<Done, Fault> {
        may_send(head)?;
        let name = &transfer.source.name;
        let plans = std::slice::from_ref(&transfer.to);
        let mut copies = Copies::open(self, (name, plans), say, stop)?;
        let own = (head.id.clone(), name.as_str());
        let Some(mut begun) = copies.begin_as(head.name(), &self.marker(), stop) else {
            return Ok(copies.report(own, 0, say));
        };
        say.info(format!("sends {} from {} to {}", head.key, from.name, transfer.to.store.name));
        let meter = Meter::default();
        meter.expect(head.bytes());
        let refresh = || copies.refresh(&self.marker(), stop);
        let copy = begun.uploads.pop().expect("BUG: a copy that was begun without its upload");
        let sent = watched(&meter, say, stop, &refresh, |stop| {
            duplicate(from.store.as_ref(), head, copy, &meter, stop)
        });
        let made = match sent {
            Ok(made) => made,
            Err(Fault::Pipeline(pipeline::Error::NoStore(errors))) => {
                copies.give_up();
                copies.lose(errors);
                return Ok(copies.report(own, 0, say));
            }
            Err(fault) => {
                copies.give_up();
                return Err(fault);
            }
        };
        let committed = copies.commit(vec![made], head, &begun.name, stop);
        let mut done = copies.report(own, head.bytes(), say);
        for (_, head) in committed {
            let damage = self.prove(&proof_of(transfer), shelf, &head, say, stop)?;
            if !damage.is_empty() {
                let fault = Fault::Unproven { title: head.key, damage };
                done = Done::failed(fault.failure());
            } else {
                say.info(format!("{} is proven in {}", head.key, transfer.to.store.name));
            }
        }
        Ok(done)
    }
}

/// Refuses what can't be sent as it is.
fn may_send(head: &Head) -> Result<(), Fault> {
    if head.format < FORMAT {
        return Err(Fault::Nothing {
            doing: format!("send {}", head.key),
            found: format!("it has format {}, and only format {FORMAT} is sent", head.format),
            hint: Some("Copy its objects with the tools of the store, head last.".into()),
        });
    }
    if head.is_pieces() {
        return Err(Fault::Nothing {
            doing: format!("send {}", head.key),
            found: "a backup that is pieces of RMAN is sent by its own run only".into(),
            hint: Some("Name both stores in the `send` of its rman step.".into()),
        });
    }
    Ok(())
}

/// Why what was asked for is not sent.
fn unsent(count: usize) -> Failure {
    let found = format!("{count} of the backups that were named can't be sent; each has its line");
    let values = [("found".to_owned(), found.clone())].into();
    Failure { code: "nothing".into(), message: found, values, ..Failure::default() }
}

/// The verification of what was sent.
fn proof_of(transfer: &Transfer) -> Verify {
    Verify {
        declared: transfer.declared.clone(),
        source: transfer.source.clone(),
        store: transfer.to.store.clone(),
        naming: transfer.to.naming.clone(),
        keys: transfer.keys.clone(),
        into: None,
        asserts: Vec::new(),
        within: None,
        guarded: Vec::new(),
        scratch: false,
        unpack: false,
        which: Which::ThisRun,
        kin: Vec::new(),
        threads: transfer.threads,
    }
}

/// Of backups that a store lacks, those that its policy would keep beside what it has: what retention
/// has removed there does not come back.
fn kept<'a>(
    there: &[Shelved],
    own: Vec<&'a Shelved>,
    judged: impl Fn(&[Held]) -> Vec<bool>,
) -> Vec<&'a Shelved> {
    let missing = own.into_iter().filter(|a| there.iter().all(|t| t.head.id != a.head.id));
    let missing: Vec<&Shelved> = missing.collect();
    let all: Vec<&Shelved> = there.iter().chain(missing.iter().copied()).collect();
    let held = |a: &&Shelved| Held {
        finished: a.moment(),
        proven: !a.is_damaged(),
        made: false,
        needed: false,
        parent: a.head.parent.as_ref().and_then(|p| all.iter().position(|b| b.head.id == *p)),
        pinned: None,
        bytes: a.head.bytes(),
    };
    let keeps = judged(&all.iter().map(held).collect::<Vec<_>>());
    missing
        .into_iter()
        .zip(&keeps[there.len()..])
        .filter(|(_, keep)| **keep)
        .map(|(a, _)| a)
        .collect()
}
