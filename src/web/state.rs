//! What all requests share: catalogs, who is signed in, what overviews know, and whether something
//! changed.
//!
//! Invariants: overviews are asked of the catalog every five seconds at most, and when something
//! changed, however many look; the catalog being away takes no page down that was shown before.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::base::Stop;
use crate::catalog::{AuditRow, Catalog, CatalogError, Estate, Growth, KnownJob, moment};
use crate::lang::Lang;
use crate::view::{self, Source};
use crate::web::desk::Desk;
use crate::web::search::Searches;
use crate::web::sessions::Sessions;
use crate::web::target::Pairs;
use crate::web::throttle::Throttle;
use crate::world::Clock;

/// How long what overviews know is good, where nothing of the runs changed: ages are shown in
/// minutes, and the page says when it was read.
const FRESH: Duration = Duration::from_secs(5);

/// How old what overviews know may be while somebody reads it again.
const USABLE: Duration = Duration::from_secs(15);

/// How often somebody looks whether something changed.
const LOOK: Duration = Duration::from_secs(2);

/// For how long after somebody looked what changes is read without being asked.
const LOOKED: Duration = Duration::from_secs(60);

/// How often a stream says that it is still there.
const PULSE: Duration = Duration::from_secs(15);

/// How long a stream lasts: the browser asks again, and is asked again who it is.
const STREAM: Duration = Duration::from_secs(300);

/// Catalogs that are kept open.
const KEPT: usize = 8;

/// Rows of the audit that wait for the catalog at most.
const OWED: usize = 1000;

/// Opens a catalog.
pub type Opener = Box<dyn Fn() -> Result<Catalog, String> + Send + Sync>;

/// What the dashboard is told at its start.
pub struct Settings {
    /// The language of who chose none.
    pub lang: Lang,
    /// Zone of every moment.
    pub zone: jiff::tz::TimeZone,
    /// How long a session lasts.
    pub session: Duration,
    /// Whether those whom a trusted proxy signs in are administrators.
    pub proxy_admin: bool,
    /// The job file that an empty overview names.
    pub file: String,
    /// Time.
    pub clock: Clock,
}

/// What overviews know, and since when.
pub struct Known {
    /// The estate.
    pub estate: Estate,
    /// Its sources.
    pub sources: Vec<Source>,
    /// When it was read.
    pub at: Timestamp,
    /// What stores hold and held, once somebody asked.
    pub growth: Mutex<Option<Arc<Vec<Growth>>>>,
    /// The overview in each language, once somebody asked; it shows nobody's name.
    overviews: Mutex<BTreeMap<&'static str, Arc<view::Dashboard>>>,
}

impl Known {
    /// The overview in the language of who looks.
    pub fn overview(&self, viewer: &view::Viewer) -> Arc<view::Dashboard> {
        let mut made = lock(&self.overviews);
        let make = || Arc::new(view::dashboard(viewer, &self.estate, &self.sources));
        Arc::clone(made.entry(viewer.lang().code()).or_insert_with(make))
    }
}

/// What overviews knew last.
#[derive(Default)]
struct Last {
    known: Option<Arc<Known>>,
    /// When that was read; `None` where something changed since.
    read: Option<Instant>,
    /// How often something changed.
    changed: u64,
}

impl Last {
    fn is_younger(&self, most: Duration) -> bool {
        self.read.is_some_and(|at| at.elapsed() < most)
    }

    fn expire(&mut self) {
        self.read = None;
        self.changed += 1;
    }
}

/// What all requests share.
pub struct State {
    /// What the dashboard was told.
    pub settings: Settings,
    /// Starts runs.
    pub desk: Box<dyn Desk>,
    /// Who is signed in.
    pub sessions: Sessions,
    /// How fast somebody may try passwords.
    pub throttle: Mutex<Throttle>,
    opener: Opener,
    pool: Mutex<Vec<Catalog>>,
    known: Mutex<Last>,
    /// When somebody last looked at it.
    looked: Mutex<Option<Instant>>,
    /// Held by who reads what overviews know.
    reading: Mutex<()>,
    /// What searches know.
    pub searches: Searches,
    away: Mutex<Option<Timestamp>>,
    /// How often something changed, and who waits for it.
    changes: (Mutex<u64>, Condvar),
    /// Rows of the audit that the catalog did not take.
    owed: Mutex<VecDeque<AuditRow>>,
    /// What was last seen of the catalog.
    mark: Mutex<String>,
    /// Up to where the audit's chain was checked.
    pub audited: Mutex<Option<(i64, String)>>,
}

/// A lock that a panic elsewhere does not take away.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// The state of a dashboard.
    pub fn new(settings: Settings, desk: Box<dyn Desk>, opener: Opener) -> State {
        State {
            settings,
            desk,
            sessions: Sessions::default(),
            throttle: Mutex::default(),
            opener,
            pool: Mutex::default(),
            known: Mutex::default(),
            looked: Mutex::default(),
            reading: Mutex::default(),
            searches: Searches::default(),
            away: Mutex::default(),
            changes: (Mutex::new(0), Condvar::new()),
            owed: Mutex::default(),
            mark: Mutex::default(),
            audited: Mutex::default(),
        }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.settings.clock.now()
    }

    /// Now, as the catalog keeps it.
    pub fn moment(&self) -> String {
        moment(self.now())
    }

    /// Since when the catalog is away.
    pub fn away(&self) -> Option<Timestamp> {
        *lock(&self.away)
    }

    /// Does something with a catalog; the error says that it is away.
    pub fn with<T>(
        &self,
        work: impl FnOnce(&mut Catalog) -> Result<T, CatalogError>,
    ) -> Result<T, String> {
        let kept = lock(&self.pool).pop().filter(Catalog::is_in_place);
        let catalog = kept.map_or_else(|| (self.opener)(), Ok);
        let result = catalog.and_then(|mut catalog| {
            let done = work(&mut catalog).map_err(|e| e.to_string());
            if done.is_ok() {
                let mut pool = lock(&self.pool);
                if pool.len() < KEPT {
                    pool.push(catalog);
                }
            }
            done
        });
        let mut away = lock(&self.away);
        match &result {
            Ok(_) => *away = None,
            Err(_) => {
                // The others of the pool are as good as this one.
                lock(&self.pool).clear();
                away.get_or_insert(self.now());
            }
        }
        result
    }

    /// What overviews know: read again where that is older than five seconds. The last of it where
    /// the catalog is away; an error where there never was any.
    pub fn known(&self) -> Result<Arc<Known>, String> {
        *lock(&self.looked) = Some(Instant::now());
        let fresh = |most: Duration| {
            let last = lock(&self.known);
            last.known.clone().filter(|_| last.is_younger(most))
        };
        if let Some(seen) = fresh(FRESH) {
            return Ok(seen);
        }
        let reading = match self.reading.try_lock() {
            Ok(reading) => reading,
            // Somebody reads it already: what was known shortly before will do.
            Err(_) => match fresh(USABLE) {
                Some(seen) => return Ok(seen),
                None => lock(&self.reading),
            },
        };
        let _reading = reading;
        if let Some(seen) = fresh(FRESH) {
            return Ok(seen);
        }
        self.learn().or_else(|why| lock(&self.known).known.clone().ok_or(why))
    }

    /// Reads what overviews know.
    fn learn(&self) -> Result<Arc<Known>, String> {
        let (now, zone) = (self.now(), &self.settings.zone);
        let since = moment(view::since(now, zone));
        let changed = lock(&self.known).changed;
        let estate = self.with(|catalog| catalog.estate(&since))?;
        let sources = view::sources(&estate, now, zone);
        let seen = Arc::new(Known {
            estate,
            sources,
            at: now,
            growth: Mutex::default(),
            overviews: Mutex::default(),
        });
        let mut last = lock(&self.known);
        // What was changed while it was read may be missing.
        last.read = (last.changed == changed).then(Instant::now);
        last.known = Some(Arc::clone(&seen));
        Ok(seen)
    }

    /// Something changed past this dashboard: what overviews know is read here, so that nobody who
    /// looks waits for it; where nobody does, whoever comes next reads it.
    fn learn_change(&self) {
        let is_looked_at = lock(&self.looked).is_some_and(|at| at.elapsed() < LOOKED);
        let _reading = lock(&self.reading);
        if !is_looked_at || self.learn().is_err() {
            lock(&self.known).expire();
        }
        self.change();
    }

    /// What stores hold and held, as old as what overviews know.
    pub fn growth(&self, known: &Known) -> Result<Arc<Vec<Growth>>, String> {
        let mut growth = lock(&known.growth);
        if let Some(growth) = &*growth {
            return Ok(Arc::clone(growth));
        }
        let since = moment(view::since(known.at, &self.settings.zone));
        let read = Arc::new(self.with(|catalog| catalog.growth(&since))?);
        *growth = Some(Arc::clone(&read));
        Ok(read)
    }

    /// Forgets what overviews know: somebody changed something.
    pub fn forget(&self) {
        lock(&self.known).expire();
        self.change();
    }

    fn change(&self) {
        let (count, waiting) = &self.changes;
        *lock(count) += 1;
        waiting.notify_all();
    }

    /// Adds a row to the audit, once the catalog is there; of a flood, the first ones.
    pub fn note_when_it_is_there(&self, row: AuditRow) {
        if self.with(|catalog| catalog.note(&row)).is_err() {
            let mut owed = lock(&self.owed);
            if owed.len() < OWED {
                owed.push_back(row);
            }
        }
    }

    /// Adds the rows to the audit that it is owed.
    fn pay(&self) {
        loop {
            let Some(row) = lock(&self.owed).pop_front() else { return };
            if self.with(|catalog| catalog.note(&row)).is_err() {
                lock(&self.owed).push_front(row);
                return;
            }
        }
    }

    /// Looks whether something changed until `stop`; one thread does.
    pub fn watch(&self, stop: &Stop) {
        while stop.sleep(LOOK).is_ok() {
            self.pay();
            if let Ok(mark) = self.with(Catalog::mark) {
                let mut known = lock(&self.mark);
                if *known != mark {
                    *known = mark;
                    drop(known);
                    self.learn_change();
                }
            }
        }
    }

    /// Writes an event for each change until the listener is gone or `stop`.
    pub fn announce(&self, out: &mut dyn std::io::Write, stop: &Stop) -> std::io::Result<()> {
        let (count, waiting) = &self.changes;
        let mut seen = *lock(count);
        out.write_all(b"retry: 5000\ndata: hello\n\n")?;
        out.flush()?;
        let (begun, mut quiet) = (Instant::now(), Instant::now());
        while !stop.is_stopped() && begun.elapsed() < STREAM {
            let guard = lock(count);
            let (guard, _) = waiting
                .wait_timeout(guard, Duration::from_millis(500))
                .unwrap_or_else(PoisonError::into_inner);
            let now = *guard;
            drop(guard);
            if now != seen {
                seen = now;
                out.write_all(b"data: changed\n\n")?;
                out.flush()?;
                quiet = Instant::now();
            } else if quiet.elapsed() >= PULSE {
                out.write_all(b": still here\n\n")?;
                out.flush()?;
                quiet = Instant::now();
            }
        }
        Ok(())
    }
}

/// Pairs of names and texts of a form, as pages ask for them.
pub fn pick<'a>(pairs: &'a Pairs) -> impl Fn(&str) -> Option<String> + 'a {
    move |name| pairs.get(name).map(str::to_owned)
}

/// Jobs by their digest: no name of a file is in an address.
pub fn jobs_by_digest(estate: &Estate) -> BTreeMap<String, KnownJob> {
    estate.jobs.iter().map(|job| (digest(job), job.clone())).collect()
}

/// The digest of a job.
pub fn digest(job: &KnownJob) -> String {
    view::digest(&format!("{}\0{}\0{}", job.host, job.file, job.job))[..16].to_owned()
}
