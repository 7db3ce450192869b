//! `vex adopt`: a chain goes on with what another host, file, database or machine made.
//!
//! Writes one note a folder and nothing else: what is adopted is kept and removed as if the chain
//! had made it itself, from the next run on.

use crate::artifact::{Head, Origin};
use crate::base::Stop;
use crate::plan::{Backup, StepKind};
use crate::recover::open_to_read;
use crate::shelf::{
    Adopt as Note, Belongs, ChainName, Listing, NOTE_FORMAT, Own, Shelf, adopt_key, divide,
    write_note,
};
use crate::source;
use crate::world::World;

use crate::cli::args::Adopt;
use crate::cli::exit::Exit;
use crate::cli::wiring::App;
use crate::cli::wiring::{Loaded, complain, fail, tell, who};

/// One folder of a source, and what stands in it.
struct Folder {
    job: String,
    place: String,
    shelf: Shelf,
    listing: Listing,
    own: Own,
}

/// Adopts a chain.
pub fn adopt(args: &Adopt, app: &App) -> Exit {
    match try_adopt(args, app) {
        Ok(()) => Exit::Success,
        Err(exit) => exit,
    }
}

fn try_adopt(args: &Adopt, app: &App) -> Result<(), Exit> {
    let loaded = Loaded::open(&args.file, args.site.as_deref(), false)?;
    let folders = folders(args, &loaded, app)?;
    let mut found: Vec<ChainName> = Vec::new();
    for folder in &folders {
        for chain in others(folder, args, &app.stop)? {
            if !found.iter().any(|known| same(known, &chain)) {
                found.push(chain);
            }
        }
    }
    let chain = match found.as_slice() {
        [only] => only.clone(),
        [] => {
            complain(&format!(
                "there is nothing to adopt for {}: every backup there is its own",
                args.source
            ));
            return Err(Exit::Error);
        }
        several => {
            complain(&format!(
                "{} may continue several chains; say which with --from ID:",
                args.source
            ));
            for folder in &folders {
                for artifact in &folder.listing.artifacts {
                    if let Some(chain) = several.iter().find(|chain| is_of(chain, &artifact.head)) {
                        complain(&format!("  {}  {}", artifact.head.id, show(chain)));
                    }
                }
            }
            return Err(Exit::Usage);
        }
    };
    let by = who(&app.world);
    for folder in &folders {
        let holds = |head: &Head| is_of(&chain, head) && head.job == folder.job;
        if !folder.listing.artifacts.iter().any(|a| holds(&a.head)) {
            continue;
        }
        let now = app.world.clock.now();
        let sign = folder.own.origin.sign.clone().filter(|_| chain.sign.is_some());
        let note = Note {
            format: NOTE_FORMAT,
            from: ChainName { job: folder.job.clone(), ..chain.clone() },
            to: ChainName { sign, ..folder.own.name() },
            by: by.clone(),
            at: now,
        };
        let key = adopt_key(folder.shelf.naming(), now, app.world.entropy.bits());
        write_note(folder.shelf.store().as_ref(), &key, &note, &app.stop)
            .map_err(|error| fail(&error.into()))?;
        tell(&format!("{key} in {}: {} goes on with {}", folder.place, args.source, show(&chain)));
    }
    Ok(())
}

/// Whether two names are one chain, whatever the job: a chain of another job is adopted with it.
fn same(a: &ChainName, b: &ChainName) -> bool {
    (&a.file, &a.source, &a.kind, &a.origin, &a.sign, &a.host)
        == (&b.file, &b.source, &b.kind, &b.origin, &b.sign, &b.host)
}

/// Whether an artifact is of a chain, whatever the job; a sign that is not named is any.
fn is_of(chain: &ChainName, head: &Head) -> bool {
    let name = ChainName::of(head);
    let sign = name.sign.clone().filter(|_| chain.sign.is_some());
    same(chain, &ChainName { sign, ..name })
}

/// A chain in words.
fn show(chain: &ChainName) -> String {
    let origin = match (&chain.origin, &chain.sign, &chain.host) {
        (Some(origin), Some(sign), _) => format!("{origin}@{sign}"),
        (Some(origin), None, _) => origin.clone(),
        (None, _, host) => format!("host {}", host.as_deref().unwrap_or("?")),
    };
    match &chain.file {
        Some(file) => format!("{origin}, made by {file}"),
        None => origin,
    }
}

/// The chains of a folder that are not the source's own, as far as they are asked for.
fn others(folder: &Folder, args: &Adopt, stop: &Stop) -> Result<Vec<ChainName>, Exit> {
    let now = folder.shelf.store().now(stop).map_err(|error| fail(&error.into()))?;
    let division = divide(&folder.own, &folder.listing.artifacts, &folder.listing.notes, now);
    let mut found = Vec::new();
    for (artifact, belongs) in folder.listing.artifacts.iter().zip(division.belongs) {
        let mut name = ChainName::of(&artifact.head);
        match belongs {
            Belongs::Own => continue,
            // Only between machines does the sign matter.
            Belongs::Foreign(_) => name.sign = None,
            Belongs::Waits(_) | Belongs::Machine(_) => {}
        }
        let is_meant = match (&args.from, &args.host) {
            (Some(id), _) => artifact.head.id.as_str().starts_with(id.as_str()),
            (None, Some(host)) => name.host.as_ref() == Some(host),
            (None, None) => true,
        };
        if is_meant && !found.contains(&name) {
            found.push(name);
        }
    }
    Ok(found)
}

/// The folders that the source's backups go to.
fn folders(args: &Adopt, loaded: &Loaded, app: &App) -> Result<Vec<Folder>, Exit> {
    let (world, stop) = (&app.world, &app.stop);
    let mut found = Vec::new();
    let mut origin: Option<Origin> = None;
    for plan in &loaded.plans {
        let backups = plan.steps.iter().filter_map(|step| match &step.kind {
            StepKind::Backup(backup) => Some(backup.as_ref()),
            StepKind::Vacuum(_)
            | StepKind::Verify(_)
            | StepKind::Prune(_)
            | StepKind::Copy(_)
            | StepKind::Wal(_)
            | StepKind::Binlog(_)
            | StepKind::Exec(_)
            | StepKind::Restore(_)
            | StepKind::ReadBack(_) => None,
        });
        for backup in backups.filter(|b| b.source.name == args.source) {
            let own = match &origin {
                Some(origin) => origin.clone(),
                None => origin.insert(ask(backup, world, stop)?).clone(),
            };
            for copy in &backup.copies {
                let store = open_to_read(&copy.store.spec, &copy.store.trust, world, stop)
                    .map_err(|error| fail(&error.into()))?;
                let place = store.place().to_owned();
                let name = &backup.source.name;
                let shelf = Shelf::new(store, copy.naming.clone(), &plan.job, name);
                let listing = shelf.list(stop).map_err(|error| fail(&error.into()))?;
                let own = Own {
                    file: loaded.path.clone(),
                    job: plan.job.clone(),
                    source: name.clone(),
                    kind: backup.source.spec.kind().to_owned(),
                    origin: own.clone(),
                    host: world.host(),
                    gap: None,
                };
                found.push(Folder { job: plan.job.clone(), place, shelf, listing, own });
            }
        }
    }
    match found.is_empty() {
        false => Ok(found),
        true => {
            complain(&format!("no job of {} backs up {}", args.file.display(), args.source));
            Err(Exit::Usage)
        }
    }
}

/// Which database the source is now.
fn ask(backup: &Backup, world: &World, stop: &Stop) -> Result<Origin, Exit> {
    source::open(&backup.source.spec, &backup.source.name, world, stop)
        .and_then(|source| source.origin(stop))
        .map_err(|error| fail(&error.into()))
}
