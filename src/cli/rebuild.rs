//! `vex catalog rebuild`: the stores tell what there is; the catalog is only their index.

use std::path::Path;

use crate::catalog::{Catalog, CatalogError, RunRow, moment};
use crate::job::CatalogHome;
use crate::record::{ArtifactFacts, CopyFacts, ProofFacts, RunKind, Verdict};
use crate::report::{artifact_row, backup_row, copy_row, proof_row};
use crate::shelf::Shelved;

use crate::cli::exit::Exit;
use crate::cli::shelves::{Found, exit_of, shelves};
use crate::cli::wiring::{App, Loaded, catalog_path, complain, fail, open_catalog, tell};

/// Fills an empty catalog from the stores of a job file: what they hold, and the runs that made it.
pub fn recall(catalog: &mut Catalog, loaded: &Loaded, app: &App) -> Result<Exit, CatalogError> {
    let (mut found, mut exit) = (Vec::new(), Exit::Success);
    for Found { store, place, listing, .. } in shelves(loaded, None, &app.world, &app.stop) {
        match listing {
            Ok(listing) => {
                let own = listing.artifacts.into_iter();
                found.extend(own.map(|a| (store.clone(), place.clone(), a)));
            }
            Err(error) => exit = exit.worse(fail(&error.into())),
        }
    }
    for (_, _, shelved) in &found {
        let head = &shelved.head;
        let row = RunRow {
            id: head.id.to_string(),
            kind: RunKind::Job.word().to_owned(),
            job: head.job.clone(),
            file: head.file.clone().unwrap_or_default(),
            host: head.host.clone(),
            pid: 0,
            started: moment(head.started),
            finished: None,
            verdict: None,
        };
        catalog.run_started(&row, &[])?;
        let verdict = if head.must_be_looked_at() { Verdict::Alert } else { Verdict::Success };
        catalog.run_finished(&row.id, &moment(head.finished), verdict.code(), "")?;
    }
    write(catalog, &found, &|_| None)?;
    Ok(exit)
}

/// Reads artifacts, copies and proofs from the stores into the catalog again.
pub fn rebuild(file: &Path, site: Option<&Path>, app: &App) -> Exit {
    let loaded = match Loaded::open(file, site, false) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let mut exit = Exit::Success;
    let (mut found, mut unread, mut silent) = (Vec::new(), Vec::new(), Vec::new());
    for Found { store, place, listing, .. } in shelves(&loaded, None, &app.world, &app.stop) {
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
