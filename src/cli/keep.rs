//! `vex keep`: a backup stays whatever the policy says, in every store that has a copy, until a date
//! or until it is released.
//!
//! Writes one pin beside each copy, under a shared lease: what is being removed at that moment is
//! not said to be kept.

use std::sync::Arc;

use jiff::{Span, Timestamp, civil::Date, tz::TimeZone};

use crate::artifact::{Head, MANIFEST};
use crate::base::Stop;
use crate::plan::StepKind;
use crate::recover::{Fault, open_to_read};
use crate::shelf::{
    Holder, LARGEST_NOTE, Lease, LeaseError, LeaseKind, NOTE_FORMAT, Pin, Shelf, Unnamed, Until,
    named, pin_key, write_note,
};
use crate::store::contract::Store;

use crate::cli::args::Keep;
use crate::cli::exit::Exit;
use crate::cli::wiring::{App, Loaded, complain, fail, tell, who, zone};

/// One copy that the file knows.
struct Copy {
    /// The store, as the file names it.
    name: String,
    store: Arc<dyn Store>,
    shelf: Shelf,
    head: Head,
    zone: TimeZone,
}

/// What is wished of a backup.
enum Wish {
    /// Until the end of a day of the job's zone.
    Day(Date),
    /// Until a moment, or for ever.
    Until(Until),
    /// Let the policy decide.
    Release,
}

/// Keeps a backup, or releases it.
pub fn keep(args: &Keep, app: &App) -> Exit {
    match try_keep(args, app) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn try_keep(args: &Keep, app: &App) -> Result<Exit, Exit> {
    let wish = wish(args.until.as_deref())?;
    let loaded = Loaded::open(&args.file, args.site.as_deref(), false)?;
    check_sources(args, &loaded)?;
    let (copies, mut exit) = copies(args, &loaded, app);
    let id = match named(copies.iter().map(|copy| &copy.head), &args.id) {
        Ok(id) => id,
        Err(unnamed) => return Err(exit.worse(tell_unnamed(args, &unnamed, &copies))),
    };
    let holder = Holder::new(&app.world, &format!("vex keep by {}", who(&app.world)));
    for copy in copies.iter().filter(|copy| copy.head.id == id) {
        let until = match &wish {
            Wish::Day(day) => Some(Until::Moment(end_of(*day, &copy.zone)?)),
            Wish::Until(until) => Some(*until),
            Wish::Release => None,
        };
        exit = exit.worse(one(copy, until, args, &holder, app));
    }
    Ok(exit)
}

/// What was typed after `--until`; without it the backup is released.
fn wish(until: Option<&str>) -> Result<Wish, Exit> {
    let Some(text) = until else { return Ok(Wish::Release) };
    if let Ok(day) = text.parse::<Date>() {
        return Ok(Wish::Day(day));
    }
    Until::try_from(text.to_owned()).map(Wish::Until).map_err(|_| {
        complain(&format!(
            "{text} is no date: write 2027-01-31, a moment such as 2027-01-31T12:00:00Z, or never"
        ));
        Exit::Usage
    })
}

/// The end of a day: the whole day is meant.
fn end_of(day: Date, zone: &TimeZone) -> Result<Timestamp, Exit> {
    let next = day.checked_add(Span::new().days(1)).and_then(|day| day.to_zoned(zone.clone()));
    next.map(|zoned| zoned.timestamp()).map_err(|error| {
        complain(&format!("{day} is no day to keep until: {error}"));
        Exit::Usage
    })
}

/// Refuses sources that no job of the file backs up.
fn check_sources(args: &Keep, loaded: &Loaded) -> Result<(), Exit> {
    let steps = loaded.plans.iter().flat_map(|plan| &plan.steps);
    let known: Vec<&str> = steps
        .filter_map(|step| match &step.kind {
            StepKind::Backup(backup) => Some(backup.source.name.as_str()),
            StepKind::Vacuum(_)
            | StepKind::Verify(_)
            | StepKind::Prune(_)
            | StepKind::Copy(_)
            | StepKind::Wal(_)
            | StepKind::Binlog(_)
            | StepKind::Exec(_)
            | StepKind::Restore(_)
            | StepKind::ReadBack(_) => None,
        })
        .collect();
    match args.sources.iter().find(|source| !known.contains(&source.as_str())) {
        Some(source) => {
            complain(&format!("no job of {} backs up {source}", args.file.display()));
            Err(Exit::Usage)
        }
        None => Ok(()),
    }
}

/// Every copy in every store of the file; a store that can't be listed is told, and makes the end
/// an error.
fn copies(args: &Keep, loaded: &Loaded, app: &App) -> (Vec<Copy>, Exit) {
    let (mut found, mut exit) = (Vec::new(), Exit::Success);
    for plan in &loaded.plans {
        for step in &plan.steps {
            let StepKind::Backup(backup) = &step.kind else { continue };
            let source = &backup.source.name;
            if !args.sources.is_empty() && !args.sources.contains(source) {
                continue;
            }
            for copy in &backup.copies {
                let listed =
                    open_to_read(&copy.store.spec, &copy.store.trust, &app.world, &app.stop)
                        .and_then(|store| {
                            let shelf =
                                Shelf::new(store.clone(), copy.naming.clone(), &plan.job, source);
                            let listing = shelf.list(&app.stop)?;
                            Ok((store, listing))
                        });
                let (store, listing) = match listed {
                    Ok(listed) => listed,
                    Err(error) => {
                        exit = exit.worse(fail(&error.into()));
                        continue;
                    }
                };
                found.extend(listing.artifacts.into_iter().map(|artifact| Copy {
                    name: copy.store.name.clone(),
                    shelf: Shelf::new(store.clone(), copy.naming.clone(), &plan.job, source),
                    store: store.clone(),
                    head: artifact.head,
                    zone: zone(&app.world, plan),
                }));
            }
        }
    }
    (found, exit)
}

/// Says why a text names no backup.
fn tell_unnamed(args: &Keep, unnamed: &Unnamed, copies: &[Copy]) -> Exit {
    match unnamed {
        Unnamed::None => complain(&format!("there is no backup {}", args.id)),
        Unnamed::Ambiguous(ids) => {
            complain(&format!("{} may be several backups; say which:", args.id));
            for id in ids {
                let of = |copy: &&Copy| copy.head.id == *id;
                let keys = copies.iter().find(of).map_or("", |copy| copy.head.key.as_str());
                complain(&format!("  {id}  {keys}"));
            }
        }
    }
    Exit::Usage
}

/// Pins or releases one copy.
fn one(copy: &Copy, until: Option<Until>, args: &Keep, holder: &Holder, app: &App) -> Exit {
    let place = format!("{} in {}", copy.head.key, copy.name);
    let Some(key) = pin_key(copy.shelf.naming(), &copy.head) else {
        complain(&format!("{place} can't be pinned: its source and kind are no names of vex"));
        return Exit::Error;
    };
    let done = match until {
        Some(until) => pin(copy, &key, until, args, holder, app),
        None => release(copy, &key, &place, &app.stop),
    };
    match done {
        Ok(text) => {
            tell(&text);
            Exit::Success
        }
        Err(fault) => fail(&fault),
    }
}

/// Removes the pin of a copy.
fn release(copy: &Copy, key: &str, place: &str, stop: &Stop) -> Result<String, Fault> {
    let was_pinned = copy.store.size(key, stop)?.is_some();
    copy.store.remove(key, stop)?;
    Ok(match was_pinned {
        true => format!("{place} is released: the policy decides again"),
        false => format!("{place} was not pinned"),
    })
}

/// Writes the pin of a copy, unless it is gone.
fn pin(
    copy: &Copy,
    key: &str,
    until: Until,
    args: &Keep,
    holder: &Holder,
    app: &App,
) -> Result<String, Fault> {
    let (store, stop) = (&copy.store, &app.stop);
    let refused = |found: String, hint: Option<&str>| Fault::Nothing {
        doing: format!("keep {} in {}", copy.head.key, copy.name),
        found,
        hint: hint.map(str::to_owned),
    };
    if let Until::Moment(moment) = until
        && moment <= store.now(stop)?
    {
        return Err(refused(format!("{moment} has gone by, by the clock of the store"), None));
    }
    let folder = copy.shelf.naming().folder();
    // Nobody removes meanwhile: between the old pin and the new one there is none.
    let lease = Lease::take(store, folder, LeaseKind::Shared, holder, stop);
    let _lease = lease.map_err(|error| match error {
        LeaseError::InUse(other) => {
            refused(format!("{other} removes backups there"), Some("Try again when that is over."))
        }
        LeaseError::Lost(place) => refused(format!("the lease of {place} was lost"), None),
        LeaseError::Store(error) => error.into(),
    })?;
    if store.size(&format!("{}{MANIFEST}", copy.head.key), stop)?.is_none() {
        return Err(refused("it was removed meanwhile".into(), None));
    }
    let pin = Pin {
        format: NOTE_FORMAT,
        id: copy.head.id.clone(),
        source: copy.head.source.clone(),
        kind: copy.head.kind.clone(),
        until,
        who: who(&app.world),
        why: args.note.clone().unwrap_or_default(),
        at: app.world.clock.now(),
    };
    replace(copy, key, &pin, stop)?;
    let until = match until {
        Until::Moment(moment) => format!("until {moment}"),
        Until::Never => "until it is released".to_owned(),
    };
    Ok(format!("{} in {} is kept {until}", copy.head.key, copy.name))
}

/// Writes a pin in the place of an older one, which comes back where that fails.
fn replace(copy: &Copy, key: &str, pin: &Pin, stop: &Stop) -> Result<(), Fault> {
    let store = copy.store.as_ref();
    let older = match store.size(key, stop)? {
        Some(bytes) => Some(store.read_small(key, bytes.min(LARGEST_NOTE), stop)?),
        None => None,
    };
    store.remove(key, stop)?;
    Ok(write_note(store, key, pin, stop).inspect_err(|_| {
        if let Some(older) = older {
            // What was wrong with the new one is told.
            drop(store.put(key, &older, stop));
        }
    })?)
}
