//! What the stores hold of one source, the newest first: what may be used is taken, what may not is
//! passed over and said so.
//!
//! One backup may lie in several stores: its other copies come before anything older. A copy that
//! was found damaged, now or before, takes along all that adds to it, in its own store only.

use std::cmp::Reverse;
use std::collections::{BTreeSet, VecDeque};
use std::io::IsTerminal;
use std::sync::Arc;

use jiff::Timestamp;

use crate::artifact::{Damage, Head, Manifest, Naming};
use crate::base::{Id, Secret, SecretRef, Stop};
use crate::job::JobFile;
use crate::lang::Lang;
use crate::shelf::{Contents, Group, Notes, Shelf, Shelved, groups, lineage};
use crate::step::{Fault, needed};
use crate::store::contract::Store;
use crate::world::reveal;

use crate::cli::args::Which;
use crate::cli::exit::Exit;
use crate::cli::wiring::{complain, fail};

/// The word for the newest that may be used.
pub const LATEST: &str = "latest";

/// A backup that was picked.
pub struct Picked {
    /// The store that holds it.
    pub store: Arc<dyn Store>,
    /// Its manifest: with its head only, until [`Picked::open`] and [`Picked::load`] were called.
    pub manifest: Manifest,
    /// Its contents, once they were read.
    contents: Option<Contents>,
    /// What opens its entries.
    pub password: Option<Secret>,
    /// Where its proofs go; a lone `.zip` has no such place.
    pub shelf: Option<Shelf>,
    /// The job file, if one was given.
    pub file: Option<JobFile>,
}

impl Picked {
    /// A backup of which only the head is known.
    fn of(
        head: Head,
        store: Arc<dyn Store>,
        shelf: Option<Shelf>,
        file: Option<JobFile>,
    ) -> Picked {
        let manifest = Manifest::of(head);
        Picked { store, manifest, contents: None, password: None, shelf, file }
    }

    /// A lone `.zip`, whose contents stand in it.
    pub fn lone(
        manifest: Manifest,
        store: Arc<dyn Store>,
        password: Option<Secret>,
        file: Option<JobFile>,
    ) -> Picked {
        let contents = Some(Contents::of(manifest.clone()));
        Picked { store, manifest, contents, password, shelf: None, file }
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
    pub password: Option<SecretRef>,
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
pub struct Offers {
    /// The stores that answered.
    held: Vec<Held>,
    /// Store and artifact of each that was not looked at yet, the newest first.
    order: VecDeque<(usize, usize)>,
    /// `latest`, or an ID.
    backup: String,
    /// Of what, in words.
    of: String,
    file: Option<JobFile>,
    /// One `.zip`, which is all there is.
    lone: Option<Picked>,
    passed: Vec<Passed>,
    /// Copies that were found unusable meanwhile: place of their store, and key.
    bad: Vec<(String, String)>,
    /// Keys of what can't be read, whose time nobody knows.
    unreadable: Vec<String>,
    /// Stores that did not answer.
    silent: Vec<String>,
    fault: Option<Fault>,
}

impl Offers {
    /// Nothing yet, of what `of` names.
    pub fn new(backup: &str, of: String, file: Option<JobFile>) -> Offers {
        Offers {
            held: Vec::new(),
            order: VecDeque::new(),
            backup: backup.to_owned(),
            of,
            file,
            lone: None,
            passed: Vec::new(),
            bad: Vec::new(),
            unreadable: Vec::new(),
            silent: Vec::new(),
            fault: None,
        }
    }

    /// One `.zip`.
    pub fn lone(picked: Picked) -> Offers {
        let mut offers = Offers::new(LATEST, picked.manifest.head.key.clone(), None);
        offers.lone = Some(picked);
        offers
    }

    /// Whether it is one `.zip`, beside which there is no other.
    pub fn is_lone(&self) -> bool {
        self.lone.is_some()
    }

    /// Adds what a store holds, and says what of it can't be read.
    pub fn add(&mut self, held: Held, unreadable: &[(String, Damage)]) {
        for (key, damage) in unreadable {
            complain(&format!("{key} in {} is passed over: {damage}", held.store.place()));
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
    ) -> Result<(), Exit> {
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
            (None, several) => ask(several, &artifacts, &self.of)?,
            (Some(prefix), all) => named(prefix, all, &artifacts, &self.of)?,
        };
        let keep: BTreeSet<(usize, usize)> = chosen.artifacts.iter().map(|i| all[*i]).collect();
        for (h, held) in self.held.iter_mut().enumerate() {
            let mut index = 0..;
            held.artifacts.retain(|_| index.next().is_some_and(|a| keep.contains(&(h, a))));
        }
        self.sort();
        Ok(())
    }

    /// Notes a store that can't be looked into, and says so.
    pub fn silent(&mut self, name: &str, fault: Fault) {
        complain(&format!("store {name} is passed over: {fault}"));
        self.silent.push(name.to_owned());
        self.fault = Some(fault);
    }

    /// Takes the next that is meant and may be used.
    pub fn take(&mut self, which: &Which, stop: &Stop) -> Result<Picked, Exit> {
        if let Some(picked) = self.lone.take() {
            return Ok(picked);
        }
        let Some((h, a)) = self.advance() else { return Err(self.none()) };
        let held = &self.held[h];
        let head = held.artifacts[a].head.clone();
        let naming = held.naming.clone().unwrap_or_else(|| Naming::of_key(&head.key));
        let shelf = Shelf::new(held.store.clone(), naming, &head.job, &head.source);
        let password = password(which, held.password.as_ref(), head.sealed(), stop)?;
        let (store, file) = (held.store.clone(), self.file.clone());
        Ok(Picked { password, ..Picked::of(head, store, Some(shelf), file) })
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
    pub fn other(&mut self) -> Option<Other> {
        LATEST.clone_into(&mut self.backup);
        let (h, a) = self.advance()?;
        let head = &self.held[h].artifacts[a].head;
        Some(Other {
            id: head.id.clone(),
            finished: head.finished,
            store: self.held[h].name.clone(),
        })
    }

    /// What somebody must know who gets another backup than the newest.
    pub fn caveat(&self, picked: &Picked, now: Timestamp) -> Option<String> {
        let manifest = &picked.manifest;
        let newer: Vec<&Passed> = self.passed.iter().filter(|p| p.id != manifest.head.id).collect();
        let count = newer.iter().map(|p| &p.id).collect::<BTreeSet<_>>().len();
        let own = name(&manifest.head.key);
        let maybe = self.unreadable.iter().filter(|key| name(key) > own).map(String::as_str);
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
        let age = Lang::En.duration(now.as_second() - manifest.head.started.as_second());
        Some(format!(
            "! {what}. Its data are up to {age} old: what changed since {} may be missing",
            manifest.head.started
        ))
    }

    /// Goes on to the next one that is meant and may be used, and says what it passes over.
    fn advance(&mut self) -> Option<(usize, usize)> {
        while let Some((h, a)) = self.order.pop_front() {
            let artifact = &self.held[h].artifacts[a];
            let head = &artifact.head;
            if self.backup != LATEST {
                if head.id.as_str() == self.backup {
                    return Some((h, a));
                }
                continue;
            }
            let Some(why) = self.unfit(h, artifact) else { return Some((h, a)) };
            complain(&format!(
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
        match lineage(&self.held[h].artifacts, artifact) {
            Ok(_) if is_bad(artifact) => Some("it was found damaged".to_owned()),
            Ok(chain) => {
                let bad = chain.iter().find(|a| is_bad(a));
                bad.map(|bad| format!("it adds to {}, which was found damaged", bad.head.id))
            }
            Err(missing) => Some(format!("it adds to {missing}, which is gone")),
        }
    }

    /// Says that nothing is left: an error, or damage where what was passed over may have been it.
    fn none(&self) -> Exit {
        let damaged = !self.passed.is_empty() || !self.unreadable.is_empty();
        if let Some(fault) = &self.fault {
            let exit = fail(fault);
            if !damaged {
                return exit;
            }
        }
        let count = self.passed.iter().map(|p| &p.id).collect::<BTreeSet<_>>().len();
        match count {
            0 => complain(&format!("there is no backup {} {}", self.backup, self.of)),
            1 => complain(&format!(
                "there is no backup {}: the only one {} can't be used",
                self.backup, self.of
            )),
            _ => complain(&format!(
                "there is no backup {}: none of the {count} {} can be used",
                self.backup, self.of
            )),
        }
        if damaged { Exit::Damage } else { Exit::Error }
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
fn ask<'g>(groups: &'g [Group], artifacts: &[&Shelved], of: &str) -> Result<&'g Group, Exit> {
    let lines = lines(groups, artifacts);
    complain(&format!("there are backups {of} of {} databases:", groups.len()));
    for (number, line) in lines.iter().enumerate() {
        complain(&format!("{:>3}  {line}", number + 1));
    }
    if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
        complain("which one? its number:");
        let mut answer = String::new();
        if std::io::stdin().read_line(&mut answer).is_ok() {
            let number = answer.trim().parse::<usize>().ok().and_then(|n| n.checked_sub(1));
            if let Some(group) = number.and_then(|n| groups.get(n)) {
                return Ok(group);
            }
        }
    }
    complain("Say which with --origin, as much of it as tells it apart.");
    Err(Exit::Usage)
}

/// The one database that a prefix names.
fn named<'g>(
    prefix: &str,
    groups: &'g [Group],
    artifacts: &[&Shelved],
    of: &str,
) -> Result<&'g Group, Exit> {
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
            complain(&format!("--origin {prefix} names {how} of the databases {of}:"));
            for line in lines(groups, artifacts) {
                complain(&format!("  {line}"));
            }
            Err(Exit::Usage)
        }
    }
}

/// The last part of a key, which begins with the time.
fn name(key: &str) -> &str {
    let name = key.rsplit_once('/').map_or(key, |(_, name)| name);
    name.split_once(".zip").map_or(name, |(stem, _)| stem)
}

/// What opens an archive: what was typed, else what the job file says.
pub fn password(
    which: &Which,
    reference: Option<&SecretRef>,
    sealed: bool,
    stop: &Stop,
) -> Result<Option<Secret>, Exit> {
    let given = match (&which.archive_password_env, &which.archive_password_file) {
        (Some(name), _) => Some(SecretRef::Env(name.clone())),
        (None, Some(path)) => Some(SecretRef::File(path.clone())),
        (None, None) => reference.cloned(),
    };
    match given.filter(|_| sealed) {
        Some(reference) => reveal(&reference, stop).map(Some).map_err(|e| fail(&e.into())),
        None => Ok(None),
    }
}
