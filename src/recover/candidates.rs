//! What the stores hold of one source, the newest first: what may be used is taken, what may not is
//! passed over and said so.
//!
//! One backup may lie in several stores: its other copies come before anything older. A copy that
//! was found damaged, now or before, takes along all that adds to it, in its own store only.

use std::cmp::Reverse;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;

use crate::artifact::{Damage, Head, Key, Manifest, Naming};
use crate::base::{Id, Stop};
use crate::job::KeyRefs;
use crate::lang::Lang;
use crate::plan::{BackupWish, LATEST};
use crate::recover::fault::Fault;
use crate::recover::key::{key_of, preferred};
use crate::recover::opened::needed;
use crate::recover::operator::Operator;
use crate::shelf::{
    Contents, Group, Notes, Reading, Shelf, Shelved, Unnamed, groups, lineage, named,
};
use crate::store::contract::Store;

/// A backup that was picked.
pub struct Picked {
    /// The store that holds it.
    pub store: Arc<dyn Store>,
    /// Its manifest: with its head only, until [`Picked::open`] and [`Picked::load`] were called.
    pub manifest: Manifest,
    /// Its contents, once they were read.
    contents: Option<Contents>,
    /// What opens its entries.
    pub key: Option<Key>,
    /// Where its proofs go; a lone `.zip` has no such place.
    pub shelf: Option<Shelf>,
    /// The name of its store in the job file.
    pub name: Option<String>,
}

impl Picked {
    /// A backup of which only the head is known.
    fn of(head: Head, held: &Held, shelf: Option<Shelf>) -> Picked {
        let (store, name) = (held.store.clone(), held.name.clone());
        let manifest = Manifest::of(head);
        Picked { store, manifest, contents: None, key: None, shelf, name }
    }

    /// A lone `.zip`, whose contents stand in it.
    pub fn lone(manifest: Manifest, store: Arc<dyn Store>, key: Option<Key>) -> Picked {
        let contents = Some(Contents::of(manifest.clone()));
        Picked { store, manifest, contents, key, shelf: None, name: None }
    }

    /// The store, unless it is a lone `.zip`.
    pub fn place(&self) -> Option<Arc<dyn Store>> {
        self.shelf.is_some().then(|| self.store.clone())
    }

    /// Reads its members.
    pub fn open(&mut self, stop: &Stop) -> Result<&Contents, Fault> {
        if self.contents.is_none() {
            let contents = Contents::open(self.store.as_ref(), &self.manifest.head, stop)?;
            self.manifest = contents.bare();
            self.contents = Some(contents);
        }
        Ok(self.contents.as_ref().expect("BUG: contents that were just read"))
    }

    /// Its contents, once they were read.
    pub fn contents(&self) -> &Contents {
        self.contents.as_ref().expect("BUG: contents that were not read")
    }

    /// Reads its members, and the entries that `only` may need; all for none.
    pub fn load(&mut self, only: &[String], stop: &Stop) -> Result<(), Fault> {
        let store = self.store.clone();
        let contents = self.open(stop)?;
        let chosen = needed(&contents.bare(), only);
        self.manifest = contents.load(store.as_ref(), &chosen, stop)?;
        Ok(())
    }
}

/// What one store holds of it.
pub struct Held {
    /// The store's name in the job file.
    pub name: Option<String>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// How its artifacts are named; their keys say so where no job does.
    pub naming: Option<Naming>,
    /// The artifacts, oldest first.
    pub artifacts: Vec<Shelved>,
    /// What was written down about their chains.
    pub notes: Notes,
    /// What opens them.
    pub keys: KeyRefs,
}

/// A backup that was passed over.
struct Passed {
    id: Id,
    finished: Timestamp,
}

/// Another copy or backup that may be whole.
pub struct Other {
    /// Its identity.
    pub id: Id,
    /// When its last byte was read.
    pub finished: Timestamp,
    /// The name of its store, if it has one.
    pub store: Option<String>,
}

/// All that may be picked from.
pub struct Candidates {
    /// The stores that answered.
    held: Vec<Held>,
    /// What keeps all of it from being removed, from before it was looked at.
    pub readings: Vec<Reading>,
    /// Store and artifact of each that was not looked at yet, the newest first.
    order: VecDeque<(usize, usize)>,
    /// `latest`, or an ID.
    backup: String,
    /// Of what, in words.
    of: String,
    /// Whether one that was found damaged is taken too: it is to be read again.
    pub again: bool,
    /// One `.zip`, which is all there is.
    lone: Option<Picked>,
    passed: Vec<Passed>,
    /// Copies that were found unusable meanwhile: place of their store, and key.
    bad: Vec<(String, String)>,
    /// Keys of what can't be read, whose time nobody knows.
    unreadable: Vec<String>,
    /// Keys of containers without a head, which may be foreign, or backups.
    headless: Vec<String>,
    /// Stores that did not answer.
    silent: Vec<String>,
    fault: Option<Fault>,
}

impl Candidates {
    /// Nothing yet, of what `of` names.
    pub fn new(backup: &str, of: String) -> Candidates {
        Candidates {
            held: Vec::new(),
            readings: Vec::new(),
            order: VecDeque::new(),
            backup: backup.to_owned(),
            of,
            again: false,
            lone: None,
            passed: Vec::new(),
            bad: Vec::new(),
            unreadable: Vec::new(),
            headless: Vec::new(),
            silent: Vec::new(),
            fault: None,
        }
    }

    /// One `.zip`.
    pub fn lone(picked: Picked) -> Candidates {
        let mut candidates = Candidates::new(LATEST, picked.manifest.head.key.clone());
        candidates.lone = Some(picked);
        candidates
    }

    /// The heads that may be taken, the newest first.
    pub fn heads(&self) -> Vec<Head> {
        let is_meant = |head: &Head| self.backup == LATEST || head.id.as_str() == self.backup;
        let all = self.order.iter().map(|(h, a)| &self.held[*h].artifacts[*a].head);
        all.filter(|head| is_meant(head)).cloned().collect()
    }

    /// Takes nothing but these.
    pub fn only(&mut self, ids: &[Id]) {
        let held = &self.held;
        self.order.retain(|(h, a)| ids.contains(&held[*h].artifacts[*a].head.id));
    }

    /// Whether it is one `.zip`, beside which there is no other.
    pub fn is_lone(&self) -> bool {
        self.lone.is_some()
    }

    /// Adds what a store holds, and says what of it can't be read.
    pub fn add(&mut self, held: Held, unreadable: &[(String, Damage)], operator: &dyn Operator) {
        for (key, damage) in unreadable {
            operator.warn(&format!("{key} in {} is passed over: {damage}", held.store.place()));
            self.unreadable.push(key.clone());
        }
        self.held.push(held);
        self.sort();
    }

    fn sort(&mut self) {
        let all = self.held.iter().enumerate();
        let mut order: Vec<(usize, usize)> =
            all.flat_map(|(h, held)| (0..held.artifacts.len()).map(move |a| (h, a))).collect();
        order.sort_by_key(|(h, a)| {
            let artifact = &self.held[*h].artifacts[*a];
            (Reverse(artifact.moment()), Reverse(artifact.head.id.clone()), *h)
        });
        self.order = order.into();
    }

    /// Leaves what is of one database: never is it chosen silently between two. Which is meant says
    /// `origin`, a prefix of what `vex list` shows, or a person at a terminal.
    pub fn one_origin(
        &mut self,
        origin: Option<&str>,
        host: &str,
        file: Option<&str>,
        now: Timestamp,
        operator: &dyn Operator,
    ) -> Result<(), Fault> {
        let all: Vec<(usize, usize)> = self.order.iter().copied().collect();
        let artifacts: Vec<&Shelved> =
            all.iter().map(|(h, a)| &self.held[*h].artifacts[*a]).collect();
        let mut notes = Notes::default();
        for held in &self.held {
            notes.adopts.extend(held.notes.adopts.iter().cloned());
            notes.machines.extend(held.notes.machines.iter().cloned());
        }
        let found = groups(&artifacts, &notes, host, file, now);
        let chosen = match (origin, found.as_slice()) {
            (None, [] | [_]) => return Ok(()),
            // An ID says more than an origin.
            (None, _) if self.backup != LATEST => return Ok(()),
            (None, several) => ask(several, &artifacts, &self.of, operator)?,
            (Some(prefix), all) => of_origin(prefix, all, &artifacts, &self.of)?,
        };
        let keep: BTreeSet<(usize, usize)> = chosen.artifacts.iter().map(|i| all[*i]).collect();
        for (h, held) in self.held.iter_mut().enumerate() {
            let mut index = 0..;
            held.artifacts.retain(|_| index.next().is_some_and(|a| keep.contains(&(h, a))));
        }
        self.sort();
        Ok(())
    }

    /// Finds out which backup a name means: the beginning of an ID, a date, a file name.
    pub fn find(&mut self) -> Result<(), Fault> {
        if self.backup == LATEST {
            return Ok(());
        }
        let heads = self.held.iter().flat_map(|held| &held.artifacts).map(|a| &a.head);
        match named(heads, &self.backup) {
            Ok(id) => {
                self.backup = id.to_string();
                self.one_source(&id)?;
            }
            // Taking it says what there is none of.
            Err(Unnamed::None) => {}
            Err(Unnamed::Ambiguous(ids)) => {
                let all: Vec<String> = ids.iter().map(ToString::to_string).collect();
                return Err(Fault::usage(
                    format!(
                        "--backup {} names several {}: {}",
                        self.backup,
                        self.of,
                        all.join(", ")
                    ),
                    "Give as much of one as tells it apart.",
                ));
            }
        }
        Ok(())
    }

    /// One run makes backups of several sources: its ID alone means none of them.
    fn one_source(&self, id: &Id) -> Result<(), Fault> {
        let heads = self.held.iter().flat_map(|held| &held.artifacts).map(|a| &a.head);
        let own = heads.filter(|head| head.id == *id).map(|head| head.source.as_str());
        let sources: BTreeSet<&str> = own.collect();
        if sources.len() < 2 {
            return Ok(());
        }
        let all: Vec<&str> = sources.into_iter().collect();
        let found = format!("--backup {id} is a run that made backups of {}", all.join(", "));
        Err(Fault::usage(found, "Name one."))
    }

    /// Notes containers without a head: if they were backups, nobody knows of what.
    pub fn headless<'k>(&mut self, keys: impl Iterator<Item = &'k str>) {
        self.headless.extend(keys.map(str::to_owned));
    }

    /// Notes a store that can't be looked into, and says so.
    pub fn silent(&mut self, name: &str, fault: Fault, operator: &dyn Operator) {
        operator.warn(&format!("store {name} is passed over: {fault}"));
        self.silent.push(name.to_owned());
        self.fault = Some(fault);
    }

    /// Takes the next that is meant and may be used.
    pub fn take(
        &mut self,
        which: &BackupWish,
        operator: &dyn Operator,
        stop: &Stop,
    ) -> Result<Picked, Fault> {
        if let Some(picked) = self.lone.take() {
            return Ok(picked);
        }
        let Some((h, a)) = self.advance(operator) else { return Err(self.none(operator)) };
        let held = &self.held[h];
        let head = held.artifacts[a].head.clone();
        let naming = held.naming.clone().unwrap_or_else(|| Naming::of_key(&head.key));
        let shelf = Shelf::new(held.store.clone(), naming, &head.job, &head.source);
        let key = key_of(&preferred(&which.keys, &held.keys), &head, stop)?;
        Ok(Picked { key, ..Picked::of(head, held, Some(shelf)) })
    }

    /// What opens a backup that stands in the store of the one that was picked; `None` where nobody
    /// says.
    pub fn key_beside(
        &self,
        picked: &Picked,
        head: &Head,
        which: &BackupWish,
        stop: &Stop,
    ) -> Result<Option<Key>, Fault> {
        let place = picked.store.place();
        let has = |held: &&Held| {
            held.store.place() == place && held.artifacts.iter().any(|a| a.head.key == head.key)
        };
        let declared = self.held.iter().find(has).map(|held| held.keys.clone());
        key_of(&preferred(&which.keys, &declared.unwrap_or_default()), head, stop)
    }

    /// All that the store of a backup holds of its source, whichever job made it.
    pub fn beside(&self, picked: &Picked) -> Vec<Shelved> {
        let place = picked.store.place();
        let own = self.held.iter().position(|held| held.store.place() == place);
        own.map_or_else(Vec::new, |h| self.same_place(h))
    }

    /// What stands in the store of `h`: what adds to a backup may be of another job.
    fn same_place(&self, h: usize) -> Vec<Shelved> {
        let place = self.held[h].store.place();
        let same = self.held.iter().filter(|held| held.store.place() == place);
        same.flat_map(|held| held.artifacts.iter().cloned()).collect()
    }

    /// Whether the next one is a copy of the same backup.
    pub fn has_copy(&self, picked: &Picked) -> bool {
        let mut copies = self.order.iter().map(|(h, a)| (*h, &self.held[*h].artifacts[*a]));
        copies.any(|(h, artifact)| {
            artifact.head.id == picked.manifest.head.id && self.unfit(h, artifact).is_none()
        })
    }

    /// Passes over what was picked, and in its store all that adds to one of the keys `bad`.
    pub fn pass_over(&mut self, picked: &Picked, bad: &[String]) {
        let place = picked.store.place().to_owned();
        self.passed.push(Passed {
            id: picked.manifest.head.id.clone(),
            finished: picked.manifest.head.finished,
        });
        self.bad.extend(
            bad.iter().chain([&picked.manifest.head.key]).map(|key| (place.clone(), key.clone())),
        );
    }

    /// The next one that may be used, whatever was asked for.
    pub fn other(&mut self, operator: &dyn Operator) -> Option<Other> {
        LATEST.clone_into(&mut self.backup);
        let (h, a) = self.advance(operator)?;
        let head = &self.held[h].artifacts[a].head;
        Some(Other {
            id: head.id.clone(),
            finished: head.finished,
            store: self.held[h].name.clone(),
        })
    }

    /// What somebody must know who gets another backup than the newest.
    pub fn caveat(&self, picked: &Picked, now: Timestamp, lang: Lang) -> Option<String> {
        let manifest = &picked.manifest;
        let newer: Vec<&Passed> = self.passed.iter().filter(|p| p.id != manifest.head.id).collect();
        let count = newer.iter().map(|p| &p.id).collect::<BTreeSet<_>>().len();
        let own = name(&manifest.head.key);
        let unknown = self.unreadable.iter().chain(&self.headless);
        let maybe = unknown.filter(|key| name(key) > own).map(String::as_str);
        let maybe: Vec<&str> = maybe.chain(self.silent.iter().map(String::as_str)).collect();
        let what = match newer.first() {
            Some(newest) => {
                let of_many = if count > 1 { "the newest of them " } else { "" };
                let (id, at) = (&newest.id, newest.finished);
                format!(
                    "{} is not the newest backup: {count} newer can't be used, {of_many}{id} of {at}",
                    manifest.head.id
                )
            }
            None if self.backup == LATEST && !maybe.is_empty() => {
                format!(
                    "{} may not be the newest backup: nobody knows what is in {}",
                    manifest.head.id,
                    maybe.join(", ")
                )
            }
            None => return None,
        };
        let age = lang.duration(now.as_second() - manifest.head.started.as_second());
        Some(format!(
            "! {what}. Its data are up to {age} old: what changed since {} may be missing",
            manifest.head.started
        ))
    }

    /// Goes on to the next one that is meant and may be used, and says what it passes over.
    fn advance(&mut self, operator: &dyn Operator) -> Option<(usize, usize)> {
        while let Some((h, a)) = self.order.pop_front() {
            let artifact = &self.held[h].artifacts[a];
            let head = &artifact.head;
            if self.backup != LATEST {
                if head.id.as_str() == self.backup {
                    return Some((h, a));
                }
                continue;
            }
            let unfit = self.unfit(h, artifact).filter(|_| !self.again);
            let Some(why) = unfit else { return Some((h, a)) };
            operator.warn(&format!(
                "{} in {} is passed over: {why}",
                head.key,
                self.held[h].store.place()
            ));
            self.passed.push(Passed { id: head.id.clone(), finished: head.finished });
        }
        None
    }

    /// Why a copy can't be used, as far as it is known without reading it.
    fn unfit(&self, h: usize, artifact: &Shelved) -> Option<String> {
        let place = self.held[h].store.place();
        let is_bad = |a: &Shelved| {
            a.is_damaged() || self.bad.iter().any(|(p, key)| p == place && *key == a.head.key)
        };
        match lineage(&self.same_place(h), artifact) {
            Ok(_) if is_bad(artifact) => Some("it was found damaged".to_owned()),
            Ok(chain) => {
                let bad = chain.iter().find(|a| is_bad(a));
                bad.map(|bad| format!("it adds to {}, which was found damaged", bad.head.id))
            }
            Err(missing) => Some(format!("it adds to {missing}, which is gone")),
        }
    }

    /// Why nothing is left: damage where what was passed over may have been it.
    fn none(&mut self, operator: &dyn Operator) -> Fault {
        let damaged = !self.passed.is_empty() || !self.unreadable.is_empty();
        if let Some(fault) = self.fault.take() {
            if !damaged {
                return fault;
            }
            operator.warn(&fault.line());
        }
        let count = self.passed.iter().map(|p| &p.id).collect::<BTreeSet<_>>().len();
        let (backup, of) = (&self.backup, &self.of);
        let found = match count {
            0 => format!("there is no backup {backup} {of}"),
            1 => format!("there is no backup {backup}: the only one {of} can't be used"),
            _ => format!("there is no backup {backup}: none of the {count} {of} can be used"),
        };
        Fault::NoBackup { found, damaged }
    }
}

/// The lines that tell databases apart.
fn lines(groups: &[Group], artifacts: &[&Shelved]) -> Vec<String> {
    let line = |group: &Group| {
        let newest = group.artifacts.iter().map(|i| artifacts[*i]).max_by_key(|a| a.moment());
        let made = newest.map_or_else(String::new, |a| {
            format!("the newest {} of {} on {}", a.head.id, a.head.finished, a.head.host)
        });
        let count = group.artifacts.len();
        let file = group.file.as_ref().map_or(String::new(), |f| format!(", by {f}"));
        format!("{}{file}: {count} backups, {made}", group.label)
    };
    groups.iter().map(line).collect()
}

/// Has a person choose, or says what there is to choose between.
fn ask<'g>(
    groups: &'g [Group],
    artifacts: &[&Shelved],
    of: &str,
    operator: &dyn Operator,
) -> Result<&'g Group, Fault> {
    let lines = lines(groups, artifacts);
    let what = format!("there are backups {of} of {} databases", groups.len());
    if let Some(group) = operator.choose(&what, &lines).and_then(|n| groups.get(n)) {
        return Ok(group);
    }
    let found = format!("{what}:\n  {}", lines.join("\n  "));
    Err(Fault::usage(found, "Say which with --origin, as much of it as tells it apart."))
}

/// The one database that a prefix names.
fn of_origin<'g>(
    prefix: &str,
    groups: &'g [Group],
    artifacts: &[&Shelved],
    of: &str,
) -> Result<&'g Group, Fault> {
    let exact = groups.iter().filter(|g| g.label == prefix);
    let begins = groups.iter().filter(|g| g.label.starts_with(prefix));
    let fits: Vec<&Group> = match exact.clone().count() {
        0 => begins.collect(),
        _ => exact.collect(),
    };
    match fits.as_slice() {
        [only] => Ok(only),
        _ => {
            let how = if fits.is_empty() { "none" } else { "several" };
            let found = format!(
                "--origin {prefix} names {how} of the databases {of}:\n  {}",
                lines(groups, artifacts).join("\n  ")
            );
            Err(Fault::usage(found, "Give as much of one as tells it apart."))
        }
    }
}

/// The last part of a key, which begins with the time.
fn name(key: &str) -> &str {
    let name = key.rsplit_once('/').map_or(key, |(_, name)| name);
    name.split_once('.').map_or(name, |(stem, _)| stem)
}
