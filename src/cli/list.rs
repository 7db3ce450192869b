//! `vex list` and `vex catalog rebuild`: the stores tell what there is; the catalog is only their
//! index.

use std::path::Path;

use serde::Serialize;

use crate::artifact::Damage;
use crate::base::{Size, Stop, show_address};
use crate::catalog::{Catalog, CatalogError, moment};
use crate::job::CatalogHome;
use crate::plan::StepKind;
use crate::record::{ArtifactFacts, CopyFacts, ProofFacts, Verdict};
use crate::report::{artifact_row, backup_row, copy_row, proof_row};
use crate::shelf::{Listing, Notes, Shelf, Shelved, part_anywhere, survey};
use crate::store::{self, contract::Result as StoreResult};
use crate::syntax::{is_store_address, store_address};
use crate::world::World;

use crate::cli::args::{Format, List};
use crate::cli::exit::Exit;
use crate::cli::wiring::App;
use crate::cli::wiring::{Loaded, catalog_path, complain, fail, open_catalog, tell};

/// One backup in one store, version 2 of the listing.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Line {
    version: u32,
    id: String,
    job: String,
    source: String,
    origin: Option<String>,
    store: String,
    key: String,
    bytes: u64,
    started: String,
    finished: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    lag_seconds: Option<u64>,
    /// The moment of the data of a replica.
    #[serde(skip_serializing_if = "Option::is_none")]
    moment: Option<String>,
    verdict: Verdict,
    proof: &'static str,
    proven_at: Option<String>,
    pinned_until: Option<String>,
}

impl Line {
    fn of(store: &str, shelved: &Shelved, notes: &Notes) -> Line {
        let head = &shelved.head;
        Line {
            version: 2,
            id: head.id.to_string(),
            job: head.job.clone(),
            source: head.source.clone(),
            origin: head.origin.as_ref().map(ToString::to_string),
            store: store.to_owned(),
            key: head.key.clone(),
            bytes: head.bytes(),
            started: head.started.to_string(),
            finished: head.finished.to_string(),
            lag_seconds: head.lag,
            moment: head.lag.map(|_| ArtifactFacts::of(head, &[]).moment().to_string()),
            verdict: match (shelved.is_damaged(), head.must_be_looked_at()) {
                (true, _) => Verdict::Error,
                (false, true) => Verdict::Alert,
                (false, false) => Verdict::Success,
            },
            proof: if shelved.is_damaged() { "damaged" } else { shelved.level().word() },
            proven_at: shelved.proven_at().map(|t| t.to_string()),
            pinned_until: notes.pin_of(head).map(|pin| pin.until.to_string()),
        }
    }
}

impl Line {
    /// The database it is of; of formats 1 to 3 nobody knows.
    fn origin(&self) -> &str {
        self.origin.as_deref().unwrap_or("-")
    }
}

/// Lists backups.
pub fn list(args: &List, app: &App) -> Exit {
    match try_list(args, app) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn try_list(args: &List, app: &App) -> Result<Exit, Exit> {
    let mut exit = Exit::Success;
    let mut lines: Vec<Line> = Vec::new();
    let (mut unreadable, mut headless) = (Vec::new(), Vec::new());
    let mut take = |store: &str, listing: StoreResult<Listing>, exit: &mut Exit| match listing {
        Ok(listing) => {
            lines.extend(listing.artifacts.iter().map(|a| Line::of(store, a, &listing.notes)));
            unreadable.extend(listing.unreadable);
            headless.extend(listing.headless);
        }
        Err(error) => *exit = exit.worse(fail(&error.into())),
    };
    match &args.from {
        Some(url) if is_store_address(url) => {
            let (spec, under) = store_address(url).map_err(|why| {
                complain(&why);
                Exit::Usage
            })?;
            let listing = store::open(&spec, &app.world, &app.stop)
                .and_then(|store| survey(store.as_ref(), &under, &part_anywhere, &app.stop));
            take(url, listing, &mut exit);
        }
        from => {
            let file = args.file.as_deref().ok_or_else(|| {
                complain(&nothing_to_list(from.as_deref()));
                Exit::Usage
            })?;
            let loaded = Loaded::open(file, args.site.as_deref(), false)?;
            for found in shelves(&loaded, from.as_deref(), &app.world, &app.stop) {
                take(&found.store, found.listing, &mut exit);
            }
        }
    }
    lines.retain(|l| args.sources.is_empty() || args.sources.contains(&l.source));
    lines.sort_by(|a, b| (&a.finished, &a.store).cmp(&(&b.finished, &b.store)));
    lines.dedup_by(|a, b| (&a.key, &a.store) == (&b.key, &b.store));
    print(&lines, args.format);
    for (key, damage) in unreadable {
        complain(&format!("! {key}: {damage}"));
        exit = exit.worse(exit_of(&damage));
    }
    headless.sort_by(|a, b| a.0.key.cmp(&b.0.key));
    headless.dedup();
    for (object, begun) in headless {
        let why = match begun {
            true => "a run has begun it, and it has no head yet",
            false => "it has no head: vex did not make it, or its head was lost",
        };
        complain(&format!("! {} ({}) is no backup: {why}", object.key, Size(object.bytes)));
    }
    Ok(exit)
}

/// What to do where neither a job file nor a store is named.
fn nothing_to_list(from: Option<&str>) -> String {
    let ask = "name a job file, or a store by its address (file:/mnt/backups, s3://bucket/prefix)";
    match from {
        Some(from) => {
            let from = show_address(from);
            format!("{from} is no store: {ask}; `vex verify --from {from}` reads one archive")
        }
        None => ask.to_owned(),
    }
}

/// How a listing ends that passed something over.
fn exit_of(damage: &Damage) -> Exit {
    match damage {
        Damage::Unread(_) | Damage::Newer { .. } => Exit::Error,
        Damage::Entry { .. }
        | Damage::Sealed { .. }
        | Damage::Manifest(_)
        | Damage::Rows { .. }
        | Damage::Left { .. }
        | Damage::Defined { .. }
        | Damage::Object(_) => Exit::Damage,
    }
}

/// What one store holds of one chain.
struct Found {
    store: String,
    place: String,
    listing: StoreResult<Listing>,
}

/// The listing of every chain in every store of a job file.
fn shelves(loaded: &Loaded, only: Option<&str>, world: &World, stop: &Stop) -> Vec<Found> {
    let mut all = Vec::new();
    for plan in &loaded.plans {
        for step in &plan.steps {
            let StepKind::Backup(backup) = &step.kind else { continue };
            for copy in backup.copies.iter().filter(|c| only.is_none_or(|o| c.store.name == o)) {
                let mut place = copy.store.name.clone();
                let listing = store::open(&copy.store.spec, world, stop).and_then(|store| {
                    store.place().clone_into(&mut place);
                    Shelf::new(store, copy.naming.clone(), &plan.job, &backup.source.name)
                        .list(stop)
                });
                all.push(Found { store: copy.store.name.clone(), place, listing });
            }
        }
    }
    all
}

fn print(lines: &[Line], format: Format) {
    if format == Format::Json {
        for line in lines {
            tell(&serde_json::to_string(line).expect("BUG: a listing that is not JSON"));
        }
        return;
    }
    let mut origins: Vec<&str> = lines.iter().map(Line::origin).collect();
    origins.sort_unstable();
    origins.dedup();
    let several = origins.len() > 1;
    let head = [
        "ID",
        "JOB",
        "SOURCE",
        "ORIGIN",
        "STORE",
        "SIZE",
        "FINISHED (UTC)",
        "VERDICT",
        "PROOF",
        "PINNED UNTIL (UTC)",
    ];
    let second = |moment: &str| {
        let moment = moment.split('.').next().unwrap_or_default();
        moment.trim_end_matches('Z').replace('T', " ")
    };
    let mut rows: Vec<Vec<String>> = vec![head.map(str::to_owned).to_vec()];
    rows.extend(lines.iter().map(|l| {
        let (finished, pinned) = (second(&l.finished), l.pinned_until.as_deref().map(second));
        let words = [&l.id, &l.job, &l.source, l.origin(), &l.store];
        let words = words.map(|w| w.chars().filter(|c| !c.is_control()).collect::<String>());
        let rest = [Size(l.bytes).to_string(), finished, l.verdict.word().into(), l.proof.into()];
        words.into_iter().chain(rest).chain([pinned.unwrap_or_default()]).collect()
    }));
    if lines.iter().all(|l| l.pinned_until.is_none()) {
        rows.iter_mut().for_each(|row| drop(row.pop()));
    }
    if !several {
        rows.iter_mut().for_each(|row| drop(row.remove(3)));
    }
    let width = |column: usize| rows.iter().map(|r| r[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        tell(cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

/// Reads artifacts, copies and proofs from the stores into the catalog again.
pub fn rebuild(file: &Path, site: Option<&Path>, app: &App) -> Exit {
    let loaded = match Loaded::open(file, site, false) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let mut exit = Exit::Success;
    let (mut found, mut unread, mut silent) = (Vec::new(), Vec::new(), Vec::new());
    for Found { store, place, listing } in shelves(&loaded, None, &app.world, &app.stop) {
        match listing {
            Ok(listing) => {
                for (key, damage) in listing.unreadable {
                    complain(&format!("! {key}: {damage}"));
                    exit = exit.worse(exit_of(&damage));
                    unread.push((store.clone(), key));
                }
                found.extend(
                    listing.artifacts.into_iter().map(|a| (store.clone(), place.clone(), a)),
                );
            }
            Err(error) => {
                exit = exit.worse(fail(&error.into()));
                silent.push(store);
            }
        }
    }
    // Whatever else was found: what is not seen would be noted as removed.
    if !silent.is_empty() {
        silent.dedup();
        let stores = silent.join(", ");
        complain(&format!("the catalog stays as it was: {stores} could not be read"));
        return exit;
    }
    let written = write_all(&loaded, &found, &unread, app);
    match written {
        Ok((place, [_, artifacts, copies, proofs])) => {
            tell(&format!("{place}: {artifacts} artifacts, {copies} copies, {proofs} proofs"));
            exit
        }
        Err(why) => {
            complain(&why);
            Exit::Error
        }
    }
}

/// Writes what was found into the catalog, and what is no more there; returns its place and counts.
fn write_all(
    loaded: &Loaded,
    found: &[(String, String, Shelved)],
    unread: &[(String, String)],
    app: &App,
) -> Result<(String, [u64; 4]), String> {
    if let CatalogHome::File(path) = &loaded.file.site.catalog.home {
        let path = catalog_path(&app.world, path.as_deref());
        let put = Catalog::put_damaged_aside(&path).map_err(|e| e.to_string())?;
        if let Some((aside, found)) = put {
            complain(&format!(
                "! the catalog {} is damaged and is kept as {}: {found}",
                path.display(),
                aside.display()
            ));
        }
    }
    let mut catalog = open_catalog(&app.world, &loaded.file, &app.stop)?;
    let now = moment(app.world.clock.now());
    let bucket = |name: &str| {
        let store = loaded.file.stores.iter().find(|s| s.name.value == name)?;
        store.spec.bucket().map(str::to_owned)
    };
    write(&mut catalog, found, &bucket).map_err(|e| e.to_string())?;
    let present: Vec<[&str; 3]> = found
        .iter()
        .map(|(store, _, a)| [a.head.id.as_str(), a.head.source.as_str(), store.as_str()])
        .collect();
    for plan in &loaded.plans {
        catalog
            .mark_absent((&loaded.path, &plan.job), &present, unread, &now)
            .map_err(|e| e.to_string())?;
    }
    catalog.counts().map(|counts| (catalog.place().to_owned(), counts)).map_err(|e| e.to_string())
}

fn write(
    catalog: &mut Catalog,
    found: &[(String, String, Shelved)],
    bucket: &dyn Fn(&str) -> Option<String>,
) -> Result<(), CatalogError> {
    for (store, place, shelved) in found {
        let head = &shelved.head;
        let (file, facts) = (head.file.as_deref().unwrap_or(""), ArtifactFacts::of(head, &[]));
        catalog.artifact(&artifact_row(&facts, &head.job, file))?;
        catalog.backup_found(&backup_row(&facts, &head.job, file, &head.host))?;
        let copy = CopyFacts {
            id: head.id.clone(),
            source: head.source.clone(),
            store: store.clone(),
            place: place.clone(),
            bucket: bucket(store),
            key: head.key.clone(),
            bytes: head.bytes(),
            started: head.started,
            finished: Some(head.finished),
            verdict: Verdict::Success,
            failure: None,
        };
        catalog.copy(&copy_row(&copy, ""))?;
        for proof in &shelved.proofs {
            catalog.proof(&proof_row(&ProofFacts::of(proof, &head.source, store)))?;
        }
    }
    Ok(())
}
