//! What the stores hold of one source, the newest first: what may be used is taken, what may not is
//! passed over and said so.
//!
//! One backup may lie in several stores: its other copies come before anything older. A copy that
//! was found damaged, now or before, takes along all that adds to it, in its own store only.

use std::cmp::Reverse;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;

use crate::artifact::{Damage, Manifest, Naming};
use crate::base::{Id, Secret, SecretRef, Stop};
use crate::job::JobFile;
use crate::lang::Lang;
use crate::shelf::{Shelf, Shelved, lineage};
use crate::step::Fault;
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
    /// Its manifest.
    pub manifest: Manifest,
    /// What opens its entries.
    pub password: Option<Secret>,
    /// Where its proofs go; a lone `.zip` has no such place.
    pub shelf: Option<Shelf>,
    /// The job file, if one was given.
    pub file: Option<JobFile>,
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
        let mut offers = Offers::new(LATEST, picked.manifest.key.clone(), None);
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
        let all = self.held.iter().enumerate();
        let mut order: Vec<(usize, usize)> =
            all.flat_map(|(h, held)| (0..held.artifacts.len()).map(move |a| (h, a))).collect();
        order.sort_by_key(|(h, a)| {
            let manifest = &self.held[*h].artifacts[*a].manifest;
            (Reverse(manifest.finished), Reverse(manifest.id.clone()), *h)
        });
        self.order = order.into();
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
        let manifest = held.artifacts[a].manifest.clone();
        let naming = held.naming.clone().unwrap_or_else(|| Naming::of_key(&manifest.key));
        let shelf = Shelf::new(held.store.clone(), naming, &manifest.job, &manifest.source);
        let password = password(which, held.password.as_ref(), manifest.sealed, stop)?;
        Ok(Picked {
            store: held.store.clone(),
            manifest,
            password,
            shelf: Some(shelf),
            file: self.file.clone(),
        })
    }

    /// Whether the next one is a copy of the same backup.
    pub fn has_copy(&self, picked: &Picked) -> bool {
        let mut copies = self.order.iter().map(|(h, a)| (*h, &self.held[*h].artifacts[*a]));
        copies.any(|(h, artifact)| {
            artifact.manifest.id == picked.manifest.id && self.unfit(h, artifact).is_none()
        })
    }

    /// Passes over what was picked, and in its store all that adds to one of the keys `bad`.
    pub fn pass_over(&mut self, picked: &Picked, bad: &[String]) {
        let place = picked.store.place().to_owned();
        self.passed
            .push(Passed { id: picked.manifest.id.clone(), finished: picked.manifest.finished });
        self.bad.extend(
            bad.iter().chain([&picked.manifest.key]).map(|key| (place.clone(), key.clone())),
        );
    }

    /// The next one that may be used, whatever was asked for.
    pub fn other(&mut self) -> Option<Other> {
        LATEST.clone_into(&mut self.backup);
        let (h, a) = self.advance()?;
        let manifest = &self.held[h].artifacts[a].manifest;
        Some(Other {
            id: manifest.id.clone(),
            finished: manifest.finished,
            store: self.held[h].name.clone(),
        })
    }

    /// What somebody must know who gets another backup than the newest.
    pub fn caveat(&self, picked: &Picked, now: Timestamp) -> Option<String> {
        let manifest = &picked.manifest;
        let newer: Vec<&Passed> = self.passed.iter().filter(|p| p.id != manifest.id).collect();
        let count = newer.iter().map(|p| &p.id).collect::<BTreeSet<_>>().len();
        let own = name(&manifest.key);
        let maybe = self.unreadable.iter().filter(|key| name(key) > own).map(String::as_str);
        let maybe: Vec<&str> = maybe.chain(self.silent.iter().map(String::as_str)).collect();
        let what = match newer.first() {
            Some(newest) => {
                let of_many = if count > 1 { "the newest of them " } else { "" };
                let (id, at) = (&newest.id, newest.finished);
                format!(
                    "{} is not the newest backup: {count} newer can't be used, {of_many}{id} of {at}",
                    manifest.id
                )
            }
            None if self.backup == LATEST && !maybe.is_empty() => {
                format!(
                    "{} may not be the newest backup: nobody knows what is in {}",
                    manifest.id,
                    maybe.join(", ")
                )
            }
            None => return None,
        };
        let age = Lang::En.duration(now.as_second() - manifest.started.as_second());
        Some(format!(
            "! {what}. Its data are up to {age} old: what changed since {} may be missing",
            manifest.started
        ))
    }

    /// Goes on to the next one that is meant and may be used, and says what it passes over.
    fn advance(&mut self) -> Option<(usize, usize)> {
        while let Some((h, a)) = self.order.pop_front() {
            let artifact = &self.held[h].artifacts[a];
            let manifest = &artifact.manifest;
            if self.backup != LATEST {
                if manifest.id.as_str() == self.backup {
                    return Some((h, a));
                }
                continue;
            }
            let Some(why) = self.unfit(h, artifact) else { return Some((h, a)) };
            complain(&format!(
                "{} in {} is passed over: {why}",
                manifest.key,
                self.held[h].store.place()
            ));
            self.passed.push(Passed { id: manifest.id.clone(), finished: manifest.finished });
        }
        None
    }

    /// Why a copy can't be used, as far as it is known without reading it.
    fn unfit(&self, h: usize, artifact: &Shelved) -> Option<String> {
        let place = self.held[h].store.place();
        let is_bad = |a: &Shelved| {
            a.is_damaged() || self.bad.iter().any(|(p, key)| p == place && *key == a.manifest.key)
        };
        match lineage(&self.held[h].artifacts, artifact) {
            Ok(_) if is_bad(artifact) => Some("it was found damaged".to_owned()),
            Ok(chain) => {
                let bad = chain.iter().find(|a| is_bad(a));
                bad.map(|bad| format!("it adds to {}, which was found damaged", bad.manifest.id))
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
