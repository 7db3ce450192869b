//! `vex verify`: reads a backup back and keeps what was found beside it.

use crate::artifact::{Damage, Dialect, Level, PROOF_FORMAT, ProofLine};
use crate::job::JobFile;
use crate::pipeline::{self, Fetch, Meter};
use crate::record::ProofFacts;
use crate::recover::{Fault, Opened, Picked, pick};
use crate::report::proof_row;
use crate::source;

use crate::cli::args::{Format, Verify};
use crate::cli::exit::Exit;
use crate::cli::operator::Terminal;
use crate::cli::wiring::{App, complain, fail, open_catalog, tell};
use crate::cli::wish::wish;

/// Reads a backup back.
pub fn verify(args: &Verify, app: &App) -> Exit {
    match try_verify(args, app) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn try_verify(args: &Verify, app: &App) -> Result<Exit, Exit> {
    let wish = wish(&args.which)?;
    let picked = pick(&wish.backup, &app.world, &Terminal, &app.stop);
    let mut picked = picked.map_err(|fault| fail(&fault))?;
    let Some(dialect) = source::dialect(&picked.manifest.head.kind) else {
        complain(&format!("this vex does not know backups of kind {}", picked.manifest.head.kind));
        return Err(Exit::Error);
    };
    let damage = read(&mut picked, dialect, app).map_err(|fault| fail(&fault))?;
    let proof = ProofLine {
        format: PROOF_FORMAT,
        id: picked.manifest.head.id.clone(),
        level: Level::Read,
        at: app.world.clock.now(),
        good: damage.is_empty(),
        damage: damage.iter().map(ToString::to_string).collect(),
        host: app.world.host(),
        into: None,
    };
    keep(&picked, &proof, wish.declared.then_some(&wish.file), app);
    show(&picked, &proof, args.format);
    Ok(if proof.good { Exit::Success } else { Exit::Damage })
}

fn show(picked: &Picked, proof: &ProofLine, format: Format) {
    let (key, entries) = (&picked.manifest.head.key, picked.manifest.head.totals.entries);
    let rows: u64 = picked.manifest.proofs().iter().map(|(_, p)| p.rows).sum();
    match format {
        Format::Json => {
            tell(&serde_json::to_string(proof).expect("BUG: a proof that is not JSON"));
        }
        Format::Human if proof.good => {
            tell(&format!("{key}: proven, {entries} entries and {rows} rows as the manifest says"));
        }
        Format::Human => {
            proof.damage.iter().for_each(|line| tell(line));
            tell(&format!("{key}: damaged in {} places", proof.damage.len()));
        }
    }
}

/// Reads all of a backup, its index first; returns what is damaged.
fn read(picked: &mut Picked, dialect: Dialect, app: &App) -> Result<Vec<Damage>, Fault> {
    let store = picked.store.clone();
    if let Err(fault) = picked.open(&app.stop) {
        return Ok(vec![fault.damage()?]);
    }
    let opened = Opened::new(store.as_ref(), picked.contents());
    let meter = Meter::default();
    let fetch = Fetch {
        store: store.as_ref(),
        manifest: &picked.manifest,
        password: picked.password.as_ref(),
        meter: &meter,
    };
    Ok(pipeline::verify(&fetch, &opened, dialect, 4, &app.stop)?)
}

/// Keeps a proof beside its artifact, and in the catalog where that knows the copy.
fn keep(picked: &Picked, proof: &ProofLine, file: Option<&JobFile>, app: &App) {
    if let Some(shelf) = &picked.shelf
        && let Err(error) = shelf.prove(&picked.manifest.head, proof, &app.stop)
    {
        complain(&format!("the proof could not be kept: {error}"));
    }
    if let Some(file) = file
        && let Err(why) = record(picked, file, proof, app)
    {
        complain(&format!("the catalog does not know of the proof: {why}"));
    }
}

fn record(picked: &Picked, file: &JobFile, proof: &ProofLine, app: &App) -> Result<(), String> {
    let mut catalog = open_catalog(&app.world, file, &app.stop)?;
    let (id, source) = (proof.id.as_str(), picked.manifest.head.source.as_str());
    let store = catalog.store_at((id, source), picked.store.place()).map_err(|e| e.to_string())?;
    let Some(store) = store else { return Ok(()) };
    let facts = ProofFacts::of(proof, source, &store);
    catalog.proof(&proof_row(&facts)).map_err(|e| e.to_string())
}
