//! Takes, keeps and releases leases (`lease.rs`).
//!
//! Knows no artifact. Taking one is: look, write, look again; whoever sees another then that does
//! not go with it removes its own and waits a random while. Two that write at once both see the
//! other, so that never both have it. A thread writes it anew before it is old; an exclusive holder
//! asks before every removal, and no removal that has begun goes on once the lease is too old.
//! Released is a lease when it is dropped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::base::{Deadline, Stop};
use crate::shelf::lease::{
    LARGEST_LEASE, LeaseKind, LeaseLine, Standing, TRUSTED, TRUSTED_TIME, lease_key, lease_prefix,
    opposing, parse_key,
};
use crate::store::contract::{Error as StoreError, ErrorKind, Object, Store};
use crate::world::{Entropy, World, is_gone, process_id};

/// How long the objects of a lease are removed for, at most, when it is released.
const BRIEF: Duration = Duration::from_secs(3);

/// Who takes leases. Whatever is taken under one token does not conflict.
#[derive(Debug, Clone)]
pub struct Holder {
    line: LeaseLine,
    entropy: Entropy,
    pace: Pace,
}

/// How long a holder waits.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// For another to release what it holds.
    pub patience: Duration,
    /// Between two looks, at most.
    pub pause: Duration,
    /// Before a lease is written anew.
    pub refresh: Duration,
}

impl Pace {
    /// That of a run. A test of what others hold does not wait a minute for it; a release build
    /// knows no such haste.
    fn real() -> Pace {
        let hasty = cfg!(debug_assertions) && std::env::var_os("VEX_TEST_HASTE").is_some();
        let (patience, pause) = if hasty { (1500, 200) } else { (60_000, 2000) };
        let (patience, pause) = (Duration::from_millis(patience), Duration::from_millis(pause));
        Pace { patience, pause, refresh: Duration::from_secs(300) }
    }
}

impl Holder {
    /// A holder with a token of its own; `owner` says for people what it is.
    pub fn new(world: &World, owner: &str) -> Holder {
        let token: String = (0..4).map(|_| format!("{:08x}", world.entropy.bits())).collect();
        let line = LeaseLine::new(&token, owner, &world.host(), process_id());
        Holder { line, entropy: world.entropy.clone(), pace: Pace::real() }
    }

    /// The same holder, for something else.
    pub fn named(&self, owner: &str) -> Holder {
        let mut holder = self.clone();
        owner.clone_into(&mut holder.line.owner);
        holder
    }

    /// The same holder at another pace.
    #[cfg(test)]
    fn at(mut self, pace: Pace) -> Holder {
        self.pace = pace;
        self
    }

    /// A random while between two looks.
    fn pause(&self) -> Duration {
        self.pace.pause.mul_f64(0.25 + 0.75 * f64::from(self.entropy.bits()) / f64::from(u32::MAX))
    }
}

/// Why there is no lease.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Others hold one.
    #[error("in use by {0}")]
    InUse(String),
    /// It could not be written anew in time, or others took it for dead.
    #[error("the lease of {0} is too old")]
    Lost(String),
    /// The store.
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl From<crate::base::Stopped> for LeaseError {
    fn from(stopped: crate::base::Stopped) -> LeaseError {
        LeaseError::Store(stopped.into())
    }
}

/// A lease that is held until it is dropped.
pub struct Lease {
    inner: Arc<Inner>,
    /// Ends the thread that keeps it.
    ended: Stop,
    keeper: Option<JoinHandle<()>>,
}

struct Inner {
    store: Arc<dyn Store>,
    folder: String,
    kind: LeaseKind,
    holder: Holder,
    /// Guards what was written.
    state: Mutex<State>,
    /// When nothing is removed any more unless it is written anew.
    deadline: Arc<Deadline>,
}

#[derive(Default)]
struct State {
    /// All keys that may be ours.
    keys: Vec<String>,
    /// The newest, and when it was written by the clock of the store.
    newest: Option<(String, Timestamp)>,
    /// What stands in the leases that were read; an object is written once.
    read: HashMap<String, Option<LeaseLine>>,
    /// Why it could not be written anew.
    failed: Option<String>,
}

/// How one try to take a lease ended.
enum Try {
    Taken,
    Opposed(String),
}

impl Lease {
    /// Takes a lease of a folder, which is empty or ends in `/`. Waits for others as long as the
    /// holder is patient.
    pub fn take(
        store: &Arc<dyn Store>,
        folder: &str,
        kind: LeaseKind,
        holder: &Holder,
        stop: &Stop,
    ) -> Result<Lease, LeaseError> {
        let inner = Inner::new(store, folder, kind, holder);
        let since = Instant::now();
        loop {
            match inner.attempt(stop)? {
                Try::Taken => return Ok(Lease::kept(inner, stop)),
                Try::Opposed(other) if since.elapsed() >= holder.pace.patience => {
                    return Err(LeaseError::InUse(other));
                }
                Try::Opposed(_) => stop.sleep(holder.pause())?,
            }
        }
    }

    /// Writes a lease beside whatever others hold.
    fn insist(
        store: &Arc<dyn Store>,
        folder: &str,
        holder: &Holder,
        stop: &Stop,
    ) -> Result<Lease, LeaseError> {
        let inner = Inner::new(store, folder, LeaseKind::Shared, holder);
        inner.write(stop)?;
        Ok(Lease::kept(inner, stop))
    }

    /// Starts the thread that keeps it.
    fn kept(inner: Inner, stop: &Stop) -> Lease {
        let (inner, ended) = (Arc::new(inner), stop.child());
        let (own, over) = (inner.clone(), ended.clone());
        let keeper = std::thread::Builder::new().name("lease".into()).spawn(move || {
            let mut wait = own.holder.pace.refresh;
            while over.sleep(wait).is_ok() {
                let (failed, next) = match own.refresh(&over) {
                    Ok(()) => (None, own.holder.pace.refresh),
                    // Soon again: it lasts for six times as long.
                    Err(error) => (Some(error.to_string()), own.holder.pace.refresh / 10),
                };
                own.state.lock().expect("no panic while locked").failed = failed;
                wait = next;
            }
        });
        // Without a thread it grows old, and then nothing is removed under it.
        Lease { inner, ended, keeper: keeper.ok() }
    }

    /// Whether something may be removed now; an error says why not. Asked before every removal.
    pub fn may_remove(&self, stop: &Stop) -> Result<(), LeaseError> {
        let inner = &self.inner;
        let lost = || LeaseError::Lost(inner.place());
        let (all, now) = (inner.look(stop)?, inner.store.now(stop)?);
        let own = all.iter().filter(|s| s.is_of(&inner.holder.line.token) && s.kind == inner.kind);
        let newest = own.map(|s| s.at).max().ok_or_else(lost)?;
        if now.duration_since(newest) > TRUSTED || inner.deadline.has_passed() {
            return Err(lost());
        }
        match inner.opposing(&all, now) {
            Some(other) => Err(LeaseError::InUse(other)),
            None => Ok(()),
        }
    }

    /// A child that counts as stopped once the lease is too old to remove under.
    pub fn until(&self, stop: &Stop) -> Stop {
        stop.until(&self.inner.deadline)
    }

    /// Why it could not be written anew, where that was the last to be tried.
    fn failed(&self) -> Option<String> {
        self.inner.state.lock().expect("no panic while locked").failed.clone()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.ended.stop();
        if let Some(keeper) = self.keeper.take() {
            // A keeper that panicked kept nothing; the lease is released all the same.
            drop(keeper.join());
        }
        self.inner.release();
    }
}

impl Inner {
    fn new(store: &Arc<dyn Store>, folder: &str, kind: LeaseKind, holder: &Holder) -> Inner {
        Inner {
            store: store.clone(),
            folder: folder.to_owned(),
            kind,
            holder: holder.clone(),
            state: Mutex::default(),
            deadline: Deadline::never(),
        }
    }

    fn place(&self) -> String {
        format!(
            "{} in {}",
            if self.folder.is_empty() { "/" } else { &self.folder },
            self.store.place()
        )
    }

    /// All leases of the folder, whoever holds them.
    fn look(&self, stop: &Stop) -> Result<Vec<Standing>, StoreError> {
        let objects = self.store.list(&lease_prefix(&self.folder), stop)?;
        let mut state = self.state.lock().expect("no panic while locked");
        standing(self.store.as_ref(), &self.folder, objects, &mut state.read, stop)
    }

    /// Who opposes the lease.
    fn opposing(&self, all: &[Standing], now: Timestamp) -> Option<String> {
        let own = (self.kind, self.holder.line.token.as_str());
        opposing(all, own, now, &is_gone).map(Standing::holder)
    }

    /// Looks, writes, and looks again.
    fn attempt(&self, stop: &Stop) -> Result<Try, LeaseError> {
        let all = self.look(stop)?;
        if !all.is_empty()
            && let Some(other) = self.opposing(&all, self.store.now(stop)?)
        {
            return Ok(Try::Opposed(other));
        }
        self.write(stop).inspect_err(|_| self.release())?;
        let result = self.look(stop).and_then(|all| Ok((self.store.now(stop)?, all)));
        let (now, all) = result.inspect_err(|_| self.release())?;
        if let Some(other) = self.opposing(&all, now) {
            self.release();
            return Ok(Try::Opposed(other));
        }
        if self.kind == LeaseKind::Exclusive {
            bury(self.store.as_ref(), &all, now, stop);
        }
        Ok(Try::Taken)
    }

    /// Writes an object of the lease; removal is trusted for a while from now on.
    fn write(&self, stop: &Stop) -> Result<(), LeaseError> {
        let (asked, at) = (Instant::now(), self.store.now(stop)?);
        let key = lease_key(&self.folder, self.kind, at, self.holder.entropy.bits());
        self.state.lock().expect("no panic while locked").keys.push(key.clone());
        self.store.put(&key, &self.holder.line.to_bytes(), stop)?;
        let mut state = self.state.lock().expect("no panic while locked");
        state.read.insert(key.clone(), Some(self.holder.line.clone()));
        state.newest = Some((key, at));
        self.deadline.set(asked, TRUSTED_TIME);
        Ok(())
    }

    /// Writes the lease anew, and removes the object before. One that others took for dead is not
    /// written again.
    fn refresh(&self, stop: &Stop) -> Result<(), LeaseError> {
        let before = self.state.lock().expect("no panic while locked").newest.clone();
        let all = self.look(stop)?;
        let is_there = before.as_ref().is_some_and(|(k, _)| all.iter().any(|s| s.object.key == *k));
        if self.kind == LeaseKind::Exclusive && !is_there {
            return Err(LeaseError::Lost(self.place()));
        }
        self.write(stop)?;
        let newest = self.state.lock().expect("no panic while locked").newest.clone();
        let newest = newest.map(|(key, _)| key).unwrap_or_default();
        self.remove_but(&newest, stop);
        Ok(())
    }

    /// Removes all objects of the lease but one; what stays is tried again with the next, and grows
    /// old.
    fn remove_but(&self, kept: &str, stop: &Stop) {
        let keys = self.state.lock().expect("no panic while locked").keys.clone();
        for key in keys.iter().filter(|key| *key != kept) {
            if self.store.remove(key, stop).is_ok() {
                self.state.lock().expect("no panic while locked").keys.retain(|own| own != key);
            }
        }
    }

    /// Removes the lease; also after a stop, but not for longer than somebody who stopped it waits.
    fn release(&self) {
        let brief = Deadline::never();
        brief.set(Instant::now(), BRIEF);
        self.remove_but("", &Stop::new().until(&brief));
        self.state.lock().expect("no panic while locked").newest = None;
    }
}

/// The leases among some objects of a folder, read unless they were; one that is gone meanwhile is
/// none.
fn standing(
    store: &dyn Store,
    folder: &str,
    objects: Vec<Object>,
    read: &mut HashMap<String, Option<LeaseLine>>,
    stop: &Stop,
) -> Result<Vec<Standing>, StoreError> {
    let mut all = Vec::new();
    for object in objects {
        let Some((kind, named)) = parse_key(&object.key, folder) else { continue };
        let line = match read.get(&object.key) {
            Some(line) => line.clone(),
            None => match store.read_small(&object.key, LARGEST_LEASE, stop) {
                Ok(bytes) => {
                    let line = LeaseLine::parse(&bytes).ok();
                    read.entry(object.key.clone()).or_insert(line).clone()
                }
                Err(error) if error.kind == ErrorKind::Missing => continue,
                Err(error) if matches!(error.kind, ErrorKind::Unreachable | ErrorKind::Stopped) => {
                    return Err(error);
                }
                Err(_) => None,
            },
        };
        let at = object.modified.unwrap_or(named);
        all.push(Standing { object, kind, line, at });
    }
    Ok(all)
}

/// Removes the leases that nobody holds any more; what can't be removed stays, and stops nobody.
fn bury(store: &dyn Store, all: &[Standing], now: Timestamp, stop: &Stop) -> usize {
    let dead = all.iter().filter(|s| s.is_dead(now, &is_gone));
    dead.filter(|s| store.remove(&s.object.key, stop).is_ok()).count()
}

/// Removes, of the leases that a listing of a folder found, those that nobody holds any more.
pub fn bury_dead(
    store: &dyn Store,
    folder: &str,
    objects: Vec<Object>,
    stop: &Stop,
) -> Result<usize, StoreError> {
    if objects.is_empty() {
        return Ok(0);
    }
    let all = standing(store, folder, objects, &mut HashMap::new(), stop)?;
    Ok(bury(store, &all, store.now(stop)?, stop))
}

/// What is being read: a shared lease of every folder, until it is dropped.
pub struct Reading {
    leases: Vec<Lease>,
}

impl Reading {
    /// Begins to read folders of a store, those of parents too. Never fails a reader: what keeps it
    /// from being alone with other readers is a remark that makes an Alerta, and it goes on.
    pub fn begin(
        store: &Arc<dyn Store>,
        folders: &[&str],
        who: &Holder,
        stop: &Stop,
    ) -> (Reading, Option<String>) {
        let (mut leases, mut remarks) = (Vec::new(), Vec::new());
        let mut folders = folders.to_vec();
        folders.sort_unstable();
        folders.dedup();
        for folder in folders {
            // Where nothing is there is nothing to read; and a lease would make the folder, on the
            // mount point of a disk that is away.
            if store.list(folder, stop).is_ok_and(|objects| objects.is_empty()) {
                continue;
            }
            let taken = match Lease::take(store, folder, LeaseKind::Shared, who, stop) {
                Err(LeaseError::InUse(other)) => {
                    remarks.push(format!(
                        "{} removes backups from {folder} in {}: what is read may be removed \
                         before it was read",
                        other,
                        store.place()
                    ));
                    // Whoever removes sees it before the next removal.
                    Lease::insist(store, folder, who, stop)
                }
                taken => taken,
            };
            match taken {
                Ok(lease) => leases.push(lease),
                Err(_) if stop.is_stopped() => {}
                Err(error) => remarks.push(format!(
                    "unable to write a lease of {folder} in {}, so what is read may be removed \
                     before it was read: {error}",
                    store.place()
                )),
            }
        }
        (Reading { leases }, remarks.into_iter().reduce(|all, next| format!("{all}; {next}")))
    }

    /// Ends it; the remark is why others may have taken it for dead meanwhile.
    pub fn end(self) -> Option<String> {
        let failed = self.leases.iter().filter_map(|lease| {
            Some(format!("unable to keep a lease of {}: {}", lease.inner.place(), lease.failed()?))
        });
        failed.reduce(|all, next| format!("{all}; {next}"))
    }
}

#[cfg(test)]
mod tests;
