//! `vex status`: what every source stands at, by the catalog, or by the stores alone.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

use jiff::SignedDuration;

use crate::catalog::{Catalog, moment};
use crate::catalog::{CatalogError, ListedRun};
use crate::cli::args::{Format, Status};
use crate::cli::asked::{Asked, History, unable};
use crate::cli::declare::declaration;
use crate::cli::defaults::of_this_machine;
use crate::cli::exit::Exit;
use crate::cli::late;
use crate::cli::rebuild::recall;
use crate::cli::report::zone;
use crate::cli::table;
use crate::cli::wiring::{App, Loaded, catalog_place, complain, job_lock, tell};
use crate::job::JobFile;
use crate::lang::Lang;
use crate::store;
use crate::view::{GROWTH_DAYS, ShownStore, Standing, since, sources, standing, stores};

/// A run of another machine that gave no sign of life for so long has no process, in seconds.
const SILENT: i64 = 600;

/// Shows what every source stands at.
pub fn status(args: &Status, app: &App) -> Exit {
    match try_status(args, app) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn try_status(args: &Status, app: &App) -> Result<Exit, Exit> {
    let place = if args.stores { History::Stores } else { History::Catalog };
    let asked = (args.file.as_ref(), args.jobs.as_slice());
    let asked = Asked::open_in(place, asked, args.site.as_deref(), app)?;
    let Asked { site, file, lang, mut catalog, .. } = asked;
    let exit = match &file {
        Some(file) if args.stores => recall(&mut catalog, file, app).map_err(unable)?,
        Some(_) | None => Exit::Success,
    };
    let (others, readable) = match (&file, &args.site) {
        (None, None) => of_machine(&site, app),
        _ => (Vec::new(), Exit::Success),
    };
    let exit = exit.worse(readable);
    let declared: Vec<&Loaded> = file.iter().chain(&others).collect();
    let found = ask(&mut catalog, (&declared, !args.stores), &zone(&site), app).map_err(unable)?;
    let is_meant = |s: &Standing| {
        file.as_ref().is_none_or(|file| file.path == s.file)
            && (args.jobs.is_empty() || args.jobs.contains(&s.job))
    };
    let found: Vec<Standing> = found.into_iter().filter(is_meant).collect();
    print(&found, args.format, lang);
    let mut told = Exit::Success;
    if let Some(file) = file.as_ref().filter(|_| args.notify)
        && let Err(all) = late::notify(file, &found, app)
    {
        all.iter().for_each(|why| complain(why));
        told = Exit::Error;
    }
    let overdue = found.iter().any(Standing::is_overdue);
    Ok(exit.worse(told).worse(if overdue { Exit::Alert } else { Exit::Success }))
}

/// The job files of this machine whose history is in the catalog of the site, and how well they could be
/// read: one that can't be used is told, and the others are shown.
fn of_machine(site: &JobFile, app: &App) -> (Vec<Loaded>, Exit) {
    let (mut found, mut exit) = (Vec::new(), Exit::Success);
    // What a link leads to is known by its own name, once it runs.
    for path in of_this_machine().into_iter().filter(|path| !path.is_symlink()) {
        match Loaded::open(&path, None, false) {
            Ok(loaded) => found.push(loaded),
            Err(_) => exit = exit.worse(Exit::Alert),
        }
    }
    found.retain(|loaded| {
        catalog_place(&app.world, &loaded.file) == catalog_place(&app.world, site)
    });
    (found, exit)
}

/// What the sources of a catalog stand at, those included that a file declares and that never ran.
/// One that was made of stores just now does not know what went, and so no growth.
fn ask(
    catalog: &mut Catalog,
    (files, has_past): (&[&Loaded], bool),
    zone: &jiff::tz::TimeZone,
    app: &App,
) -> Result<Vec<Standing>, CatalogError> {
    for file in files {
        catalog.declare(&declaration(file, &app.world))?;
    }
    let now = app.world.clock.now();
    let estate = catalog.estate(&moment(since(now, zone)))?;
    let mut growth = catalog.growth(&moment(now - SignedDuration::from_hours(24 * GROWTH_DAYS)))?;
    if !has_past {
        growth.iter_mut().for_each(|(.., moved)| moved.clear());
    }
    let mut free: BTreeMap<(&str, &str), Option<u64>> = BTreeMap::new();
    for file in files {
        for store in &file.file.stores {
            free.insert((&file.path, &store.name.value), store::free(&store.spec));
        }
    }
    let host = app.world.host();
    let mut found = Vec::new();
    for source in sources(&estate, now, zone) {
        let last = catalog.runs_of((&source.file, &source.job), 1)?;
        let alive = |run: &ListedRun| is_alive(run, app);
        // What another host or file calls so is another folder.
        let is_ours = source.declared.as_ref().is_some_and(|known| known.job.host == host);
        let own = |name: &str| free.get(&(source.file.as_str(), name)).copied().flatten();
        let held = stores(&source, &growth, &|name| own(name).filter(|_| is_ours), (now, zone));
        let own = standing(&source, last.first(), &alive, (now, zone));
        found.push(Standing { stores: held, ..own });
    }
    Ok(found)
}

/// Whether a run without an end still runs. On this machine its process holds the lock of its job;
/// of another one, or where the lock is not ours to see, its signs of life tell.
pub fn is_alive(run: &ListedRun, app: &App) -> bool {
    let lock = job_lock(&app.world, &run.file, &run.job);
    let seen = std::fs::metadata(lock).ok().zip(std::fs::read_to_string("/proc/locks").ok());
    if let Some((file, locks)) = seen.filter(|_| run.host == app.world.host()) {
        return holds(&locks, run.pid, file.ino());
    }
    // Without any sign it is of an earlier version, and nobody knows.
    let heard = run.beat.as_deref().and_then(|at| at.parse::<jiff::Timestamp>().ok());
    let now = app.world.clock.now();
    heard.is_none_or(|at| now.duration_since(at).as_secs() < SILENT)
}

/// Whether a process holds a lock on a file, by the text of `/proc/locks` (proc(5)).
fn holds(locks: &str, pid: u32, inode: u64) -> bool {
    locks.lines().any(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", holder, file, ..] = words[..] else { return false };
        let number = file.rsplit(':').next().and_then(|n| n.parse::<u64>().ok());
        holder.parse() == Ok(pid) && number == Some(inode)
    })
}

fn print(found: &[Standing], format: Format, lang: Lang) {
    match format {
        Format::Json => found.iter().for_each(|s| {
            tell(&serde_json::to_string(s).expect("BUG: a status that is not JSON"));
        }),
        Format::Human if found.is_empty() => tell(&lang.say("status-nothing", &[])),
        Format::Human => {
            let mut rows = vec![Standing::heads(lang)];
            rows.extend(found.iter().map(|s| s.cells(lang)));
            table::print(&rows);
            print_stores(found, lang);
            found.iter().flat_map(|s| s.reasons(lang)).for_each(|why| tell(&format!("! {why}")));
        }
    }
}

/// What the stores of all sources hold, each once.
fn print_stores(found: &[Standing], lang: Lang) {
    let mut all: Vec<&ShownStore> = found.iter().flat_map(|s| &s.stores).collect();
    all.sort_by_key(|store| (&store.store, &store.place));
    all.dedup_by_key(|store| (&store.store, &store.place));
    if all.is_empty() {
        return;
    }
    let mut rows = vec![ShownStore::heads(lang)];
    rows.extend(all.iter().map(|store| store.cells(lang)));
    tell("");
    table::print(&rows);
    for store in all.iter().filter(|store| store.is_full_soon()) {
        let days = store.full_in_days.unwrap_or_default().to_string();
        let parts = [("store", store.store.as_str()), ("days", days.as_str())];
        tell(&format!("! {}", lang.say("held-full-soon", &parts)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_by_the_process_that_the_kernel_names() {
        let locks = "1: FLOCK  ADVISORY  WRITE 708 08:01:12345 0 EOF\n\
                     1: -> FLOCK  ADVISORY  WRITE 709 08:01:12345 0 EOF\n\
                     2: POSIX  ADVISORY  WRITE 710 08:01:12346 0 EOF\n";
        assert!(holds(locks, 708, 12345));
        assert!(!holds(locks, 708, 12346), "another file");
        assert!(!holds(locks, 709, 12345), "who waits for a lock does not hold it");
        assert!(!holds(locks, 710, 12346), "a lock of another kind");
    }
}
