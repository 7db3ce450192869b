//! `vex status --notify`: tells those who asked for it (`on="late"`) what is overdue, once for each
//! lateness and once when it is over.
//!
//! What was told, and to whom, is kept in the state folder. Invariant: whoever could not be told is
//! told again by the next call, and nobody else is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::artifact::hex;
use crate::base::Finding;
use crate::job::{NotifyKind, NotifyOn, NotifySpec};
use crate::lang::Lang;
use crate::record::Verdict;
use crate::view::Standing;
use crate::world::World;

use crate::cli::people::tell_late;
use crate::cli::wiring::{App, Loaded};

/// A call that is older than this was the last one, in seconds.
const SILENT: i64 = 86_400;

/// What was told, by file.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Told {
    /// When each file was last asked for.
    asked: BTreeMap<String, Timestamp>,
    /// What is known to be late: file, job and source. From before receivers were told apart.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    late: BTreeSet<Key>,
    /// Who was told of what is late: the same, and the receiver.
    #[serde(default)]
    heard: BTreeSet<(Key, String)>,
}

/// File, job and source.
type Key = (String, String, String);

impl Told {
    fn path(world: &World) -> PathBuf {
        world.state.join("late.json")
    }

    fn read(world: &World) -> io::Result<Told> {
        match std::fs::read(Told::path(world)) {
            // One that can't be read is told anew.
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Told::default()),
            Err(error) => Err(error),
        }
    }

    fn write(&self, world: &World) -> io::Result<()> {
        let mut new = tempfile::Builder::new().prefix(".vex-late-").tempfile_in(&world.state)?;
        let text = serde_json::to_vec(self).expect("BUG: what was told is not JSON");
        new.write_all(&text)?;
        new.persist(Told::path(world)).map(drop).map_err(|e| e.error)
    }
}

/// Held while one call tells, so that two don't tell the same.
fn lock(state: &Path) -> io::Result<File> {
    std::fs::create_dir_all(state)?;
    let path = state.join("late.lock");
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
    file.lock()?;
    Ok(file)
}

/// Tells what came late and what is no longer; the error says what could not be told.
pub fn notify(loaded: &Loaded, found: &[Standing], app: &App) -> Result<(), Vec<String>> {
    let world = &app.world;
    let kept = |e: io::Error| {
        vec![format!("unable to keep what was told in {}: {e}", Told::path(world).display())]
    };
    let _lock = lock(&world.state).map_err(kept)?;
    let mut told = Told::read(world).map_err(kept)?;
    let mut unable = Vec::new();
    let jobs: BTreeSet<&str> = found.iter().map(|standing| standing.job.as_str()).collect();
    for job in jobs {
        let of_job: Vec<&Standing> = found.iter().filter(|s| s.job == job).collect();
        for spec in specs(loaded, job) {
            unable.extend(told.bring(loaded, (job, spec), &of_job, app));
        }
        for standing in of_job {
            told.late.remove(&key(standing));
        }
    }
    told.asked.insert(loaded.path.clone(), world.clock.now());
    told.write(world).map_err(kept)?;
    if unable.is_empty() { Ok(()) } else { Err(unable) }
}

impl Told {
    /// Tells one receiver what is news to it about one job; returns what could not be told.
    fn bring(
        &mut self,
        loaded: &Loaded,
        (job, spec): (&str, &NotifySpec),
        of_job: &[&Standing],
        app: &App,
    ) -> Vec<String> {
        let who = receiver(spec);
        let mut unable = Vec::new();
        for late in [true, false] {
            let is_news = |standing: &&&Standing| {
                let key = key(standing);
                let known = self.late.contains(&key) || self.heard.contains(&(key, who.clone()));
                standing.is_overdue() == late && known != late
            };
            let news: Vec<&Standing> = of_job.iter().filter(is_news).copied().collect();
            let failed = match news.is_empty() {
                true => Vec::new(),
                false => tell((loaded, job), spec, &news, late, app),
            };
            // What it was told before receivers were told apart is known from here on too.
            let known = of_job.iter().filter(|s| late && self.late.contains(&key(s)));
            let mut known: Vec<&Standing> = known.copied().collect();
            if failed.is_empty() {
                known.extend(news);
            }
            for standing in known {
                let entry = (key(standing), who.clone());
                if late {
                    self.heard.insert(entry);
                } else {
                    self.heard.remove(&entry);
                }
            }
            unable.extend(failed);
        }
        unable
    }
}

fn key(standing: &Standing) -> Key {
    (standing.file.clone(), standing.job.clone(), standing.source.clone())
}

/// Tells two receivers apart, and shows nothing of their addresses.
fn receiver(spec: &NotifySpec) -> String {
    let address = match &spec.kind {
        NotifyKind::Email { to, .. } => format!("email {to:?}"),
        NotifyKind::Webhook { url, shape, .. } => format!("webhook {shape:?} {url:?}"),
        NotifyKind::Ping { url, .. } => format!("ping {url:?}"),
    };
    hex(&Sha256::digest(address))[..16].to_owned()
}

/// Tells one receiver of one job; returns what could not be told.
fn tell(
    (loaded, job): (&Loaded, &str),
    spec: &NotifySpec,
    news: &[&Standing],
    late: bool,
    app: &App,
) -> Vec<String> {
    let own = match &spec.kind {
        NotifyKind::Email { lang, .. } | NotifyKind::Webhook { lang, .. } => lang.as_deref(),
        NotifyKind::Ping { .. } => None,
    };
    let lang = Lang::named(own.or(loaded.file.site.language.as_deref()));
    let sentences: Vec<String> = match late {
        true => news.iter().flat_map(|standing| standing.reasons(lang)).collect(),
        false => news.iter().map(|s| s.source.clone()).collect(),
    };
    let (code, verdict) = match late {
        true => ("late", Verdict::Error),
        false => ("in-time", Verdict::Success),
    };
    tell_late((loaded, job), spec, app, (code, &sentences.join("; ")), verdict)
}

/// Who is told of lateness of a job.
fn specs<'a>(loaded: &'a Loaded, job: &str) -> Vec<&'a NotifySpec> {
    let own = loaded.file.jobs.iter().filter(|j| j.name.value == job).flat_map(|j| &j.notify);
    let all = loaded.file.notify.iter().chain(own);
    all.filter(|spec| spec.enabled && spec.on == NotifyOn::Late).collect()
}

/// Whether somebody asks often enough that lateness is told; `None` where nobody wants to know.
pub fn examine(file: &str, specs: &[&NotifySpec], world: &World) -> Option<Finding> {
    specs.iter().find(|spec| spec.on == NotifyOn::Late)?;
    let advice = "Have cron run `vex status FILE --notify` every quarter of an hour.";
    let looked = "lateness";
    let last = Told::read(world).ok().and_then(|told| told.asked.get(file).copied());
    let Some(last) = last else {
        let found = "nobody asks: `vex status --notify` was never run for this file";
        return Some(Finding::alert(looked, found.to_owned(), advice));
    };
    let silent = world.clock.now().duration_since(last).as_secs() > SILENT;
    let found = format!("`vex status --notify` was last run at {last:.0}");
    Some(Finding::judged(!silent, looked, found, advice))
}
