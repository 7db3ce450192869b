//! What all requests share: catalogs, who is signed in, what overviews know, and whether something
//! changed.
//!
//! Invariants: overviews are asked of the catalog every five seconds at most, and when something
//! changed, however many look; the catalog being away takes no page down that was shown before.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::base::Stop;
use crate::catalog::{Catalog, CatalogError, Estate, Growth, KnownJob, moment};
use crate::lang::Lang;
use crate::view::{self, Reader, Source};
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

/// How often a stream says that it is still there.
const PULSE: Duration = Duration::from_secs(15);

/// How long a stream lasts: the browser asks again, and is asked again who it is.
const STREAM: Duration = Duration::from_secs(300);

/// Catalogs that are kept open.
const KEPT: usize = 8;

/// Texts for searches that are written at a time.
const SHOWN: u64 = 2000;

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
    known: Mutex<Option<(Instant, Arc<Known>)>>,
    /// Held by who reads what overviews know.
    reading: Mutex<()>,
    /// What was searched lately.
    pub searches: Searches,
    away: Mutex<Option<Timestamp>>,
    /// How often something changed, and who waits for it.
    changes: (Mutex<u64>, Condvar),
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
            reading: Mutex::default(),
            searches: Searches::default(),
            away: Mutex::default(),
            changes: (Mutex::new(0), Condvar::new()),
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

    /// What overviews know: read again where that is older than a second. The last of it where the
    /// catalog is away; an error where there never was any.
    pub fn known(&self) -> Result<Arc<Known>, String> {
        let fresh = |most: Duration| {
            let known = lock(&self.known);
            known.as_ref().filter(|(at, _)| at.elapsed() < most).map(|(_, seen)| Arc::clone(seen))
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
        let (now, zone) = (self.now(), &self.settings.zone);
        let since = moment(view::since(now, zone));
        match self.with(|catalog| catalog.estate(&since)) {
            Ok(estate) => {
                let sources = view::sources(&estate, now, zone);
                let seen = Arc::new(Known {
                    estate,
                    sources,
                    at: now,
                    growth: Mutex::default(),
                    overviews: Mutex::default(),
                });
                *lock(&self.known) = Some((Instant::now(), Arc::clone(&seen)));
                Ok(seen)
            }
            Err(why) => lock(&self.known).as_ref().map(|(_, seen)| Arc::clone(seen)).ok_or(why),
        }
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
        *lock(&self.known) = None;
        self.change();
    }

    fn change(&self) {
        let (count, waiting) = &self.changes;
        *lock(count) += 1;
        waiting.notify_all();
    }

    /// Writes the texts for searches that are missing; returns whether there were any.
    pub fn show(&self) -> Result<bool, String> {
        let zone = self.settings.zone.clone();
        let reader = Reader { lang: self.settings.lang, zone };
        self.with(|catalog| {
            let mut written = catalog.show_for(&reader.zone_name())?;
            loop {
                let missing = catalog.unshown(SHOWN)?;
                if missing.is_empty() {
                    return Ok(written);
                }
                written = true;
                let texts: Vec<(i64, String)> =
                    missing.iter().map(|b| (b.number, view::search_text(&reader, b))).collect();
                catalog.show(&texts)?;
            }
        })
    }

    /// Looks whether something changed until `stop`; one thread does.
    pub fn watch(&self, stop: &Stop) {
        while stop.sleep(LOOK).is_ok() {
            if let Ok(mark) = self.with(Catalog::mark) {
                let mut known = lock(&self.mark);
                if *known != mark {
                    *known = mark;
                    drop(known);
                    *lock(&self.known) = None;
                    self.change();
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
