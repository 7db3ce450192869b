//! When the backup itself is what a restore fails of: it is read before anything is written, and
//! another is taken.
//!
//! The order is the promise: whatever may lead to another backup comes before the first write into
//! the target. Once that was written to, damage ends the restore, and the other backup is only
//! named. A target that refuses, a password that does not fit and a store that does not answer say
//! nothing against a backup: they never lead to an older one.
//!
//! Price: what is restored is read twice, except files of a cluster, which are unpacked beside the
//! old ones anyway.

use crate::artifact::{Damage, Level, Manifest, PROOF_FORMAT, ProofLine};
use crate::job::JobFile;
use crate::pipeline::{self, Fetch, Meter};
use crate::record::ProofFacts;
use crate::report::proof_row;
use crate::source;
use crate::step::Fault;
use crate::store::contract::ErrorKind;

use crate::cli::args::Restore;
use crate::cli::exit::Exit;
use crate::cli::offer::{LATEST, Offers, Other, Picked};
use crate::cli::wiring::{App, complain, fail, open_catalog, tell};

/// Damage that is shown of a backup; `vex verify` shows all.
const SHOWN: usize = 3;

/// Why a restore did not come to its end.
pub enum Setback {
    /// The backup or its store; nothing was written.
    Unusable {
        /// What was found.
        fault: Box<Fault>,
        /// Keys of what is damaged, of the backup and of what it adds to; empty where that is not
        /// known.
        bad: Vec<String>,
    },
    /// The backup, and the target was written to; it was said.
    Spoilt(Exit),
    /// Anything else; it was said.
    Ended(Exit),
}

impl Setback {
    /// A fault before anything was written.
    pub fn of(fault: Fault) -> Setback {
        if fault.condemns() || fault.is_of_store() {
            Setback::Unusable { fault: Box::new(fault), bad: Vec::new() }
        } else {
            Setback::Ended(fail(&fault))
        }
    }

    /// A fault after something was written.
    pub fn late(fault: &Fault) -> Setback {
        let exit = fail(fault);
        if fault.condemns() { Setback::Spoilt(exit) } else { Setback::Ended(exit) }
    }
}

/// Refuses `--fallback` where there is nothing to fall back to.
pub fn may_fall_back(args: &Restore, offers: &Offers) -> Result<(), Exit> {
    let why = if !args.fallback {
        return Ok(());
    } else if args.which.backup != LATEST {
        format!(
            "--backup {} means that one and no other: leave out one of the two",
            args.which.backup
        )
    } else if offers.is_lone() {
        "one .zip has no other beside it: name its store with --from".to_owned()
    } else {
        return Ok(());
    };
    complain(&format!("--fallback has no meaning here: {why}"));
    Err(Exit::Usage)
}

/// Holds sidecars against the manifests inside their containers, before anything is decided by
/// them. What only other programs read is told, and condemns nothing.
pub fn agree(
    args: &Restore,
    picked: &Picked,
    chain: &[Manifest],
    app: &App,
) -> Result<(), Setback> {
    if !args.fallback {
        return Ok(());
    }
    let one = |manifest: &Manifest| {
        let needless = |found: &str| {
            complain(&format!(
                "! {}: {found}. vex restores without it; other programs may not open it",
                manifest.head.key
            ));
            Ok(Vec::new())
        };
        let meter = Meter::default();
        match fetch(picked, manifest, &meter).tail(&app.stop) {
            Ok(None) => Ok(Vec::new()),
            Ok(Some(Damage::Object(found))) => needless(&found),
            Ok(Some(other)) => Ok(vec![other]),
            Err(pipeline::Error::Store(error)) if error.kind == ErrorKind::Damaged => {
                needless(&error.to_string())
            }
            Err(error) => Err(error.into()),
        }
    };
    each(args, picked, chain, app, &one)
}

/// Reads a backup back, and all of `chain` that it adds to: of the backup only the chosen members,
/// if any are chosen.
pub fn prove(
    args: &Restore,
    picked: &Picked,
    chain: &[Manifest],
    chosen: Option<&[bool]>,
    app: &App,
) -> Result<(), Setback> {
    let one = |manifest: &Manifest| {
        tell(&format!("reads {} back, before anything is written", manifest.head.key));
        let dialect = source::dialect(&manifest.head.kind).ok_or_else(|| Fault::Nothing {
            doing: format!("read {}", manifest.head.key),
            found: format!("this vex does not know backups of kind {}", manifest.head.kind),
            hint: Some("Use a newer vex.".into()),
        })?;
        let whole = vec![true; manifest.members.len()];
        let (meter, threads) = (Meter::default(), usize::from(args.threads));
        let fetch = fetch(picked, manifest, &meter);
        Ok(pipeline::read_back(&fetch, chosen.unwrap_or(&whole), dialect, threads, &app.stop)?)
    };
    each(args, picked, chain, app, &one)
}

fn fetch<'a>(picked: &'a Picked, manifest: &'a Manifest, meter: &'a Meter) -> Fetch<'a> {
    Fetch { store: picked.store.as_ref(), manifest, password: picked.password.as_ref(), meter }
}

/// Examines each of a chain; what is damaged is kept beside it, unless nothing is to be written.
fn each(
    args: &Restore,
    picked: &Picked,
    chain: &[Manifest],
    app: &App,
    examine: &dyn Fn(&Manifest) -> Result<Vec<Damage>, Fault>,
) -> Result<(), Setback> {
    let (mut first, mut bad) = (None, Vec::new());
    for manifest in chain {
        let damage = examine(manifest).map_err(Setback::of)?;
        if damage.is_empty() {
            continue;
        }
        let line = proof(manifest, Level::Read, &damage, app);
        let fault = Fault::Unproven { title: manifest.head.key.clone(), damage };
        if !fault.condemns() {
            return Err(Setback::Ended(fail(&fault)));
        }
        if !args.dry_run {
            note(picked, manifest, &line, app);
        }
        bad.push(manifest.head.key.clone());
        first.get_or_insert(fault);
    }
    first.map_or(Ok(()), |fault| Err(Setback::Unusable { fault: Box::new(fault), bad }))
}

/// What was found, as it is kept beside the artifact.
pub fn proof(manifest: &Manifest, level: Level, damage: &[Damage], app: &App) -> ProofLine {
    ProofLine {
        format: PROOF_FORMAT,
        id: manifest.head.id.clone(),
        level,
        at: app.world.clock.now(),
        good: damage.is_empty(),
        damage: damage.iter().map(ToString::to_string).collect(),
        host: app.world.host(),
        into: None,
    }
}

/// Keeps a proof beside its artifact.
pub fn note(picked: &Picked, manifest: &Manifest, proof: &ProofLine, app: &App) {
    if let Some(shelf) = &picked.shelf
        && let Err(error) = shelf.prove(&manifest.head, proof, &app.stop)
    {
        complain(&format!("the proof could not be kept: {error}"));
    }
    if let Some(file) = &picked.file
        && let Err(why) = record(picked, manifest, file, proof, app)
    {
        complain(&format!("the catalog does not know of the proof: {why}"));
    }
}

/// Notes a proof in the catalog, where that knows the copy.
fn record(
    picked: &Picked,
    manifest: &Manifest,
    file: &JobFile,
    proof: &ProofLine,
    app: &App,
) -> Result<(), String> {
    let mut catalog = open_catalog(&app.world, file, &app.stop)?;
    let (id, source) = (proof.id.as_str(), manifest.head.source.as_str());
    let store = catalog.store_at((id, source), picked.store.place()).map_err(|e| e.to_string())?;
    let Some(store) = store else { return Ok(()) };
    let facts = ProofFacts::of(proof, source, &store);
    catalog.proof(&proof_row(&facts)).map_err(|e| e.to_string())
}

/// Says why a backup is passed over.
pub fn tell_passed(picked: &Picked, fault: &Fault) {
    let found = match fault {
        Fault::Unproven { title, damage } => {
            let mut lines: Vec<String> =
                damage.iter().take(SHOWN).map(ToString::to_string).collect();
            if damage.len() > SHOWN {
                lines.push(format!("and {} more", damage.len() - SHOWN));
            }
            let of = if *title == picked.manifest.head.key {
                String::new()
            } else {
                format!("{title}, which it adds to: ")
            };
            format!("{of}{}", lines.join("; "))
        }
        other => other.to_string(),
    };
    let (id, key) = (&picked.manifest.head.id, &picked.manifest.head.key);
    complain(&format!("{id}, {key} in {}, is passed over: {found}", picked.store.place()));
}

/// Names the backup that may be restored instead, and the command that does it.
pub fn offer(args: &Restore, offers: &mut Offers, picked: &Picked, written: bool) {
    let Some(other) = offers.other() else {
        complain(
            "there is no other backup of it that may be whole; look into another store with --from",
        );
        return;
    };
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let given = args.which.backup != LATEST || args.fallback;
    let what = if other.id == picked.manifest.head.id {
        format!(
            "another copy of it, in {}, may be whole",
            other.store.as_deref().unwrap_or("the same store")
        )
    } else {
        format!("the one before it, of {}, may be whole", other.finished)
    };
    let takes = if given { "" } else { " reads it first and restores it if it is" };
    let exact =
        if given { String::new() } else { format!("; --backup {} takes it unread", other.id) };
    complain(&format!("{what}: `{}`{takes}{exact}", command(&words, &other, given)));
    if written {
        complain(
            "If this restore left something in the target, it is in the way: --overwrite replaces it, and --dry-run shows \
             beforehand what else.",
        );
    }
}

/// The command that was typed, for another backup: with its ID where one was given, else with
/// `--fallback`.
fn command(words: &[String], other: &Other, exact: bool) -> String {
    let mut line = vec!["vex".to_owned()];
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "--backup" => drop(rest.next()),
            "--from" if exact && other.store.is_some() => drop(rest.next()),
            "--fallback" | "--resume" | "--dry-run" => {}
            "--strict" if exact => {}
            word if word.starts_with("--backup=") => {}
            word if exact && other.store.is_some() && word.starts_with("--from=") => {}
            word => line.push(quoted(word)),
        }
    }
    match (exact, &other.store) {
        (true, Some(store)) => {
            line.extend(["--from".into(), quoted(store), "--backup".into(), other.id.to_string()])
        }
        (true, None) => line.extend(["--backup".into(), other.id.to_string()]),
        (false, _) => line.push("--fallback".into()),
    }
    line.join(" ")
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._/:=@%+,-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::base::Id;

    #[test]
    fn the_command_for_another_backup_is_the_one_that_was_typed() {
        let other = |store: Option<&str>| Other {
            id: Id::new(Timestamp::UNIX_EPOCH, 7),
            finished: Timestamp::UNIX_EPOCH,
            store: store.map(str::to_owned),
        };
        let typed =
            |text: &[&str]| -> Vec<String> { text.iter().map(|w| (*w).to_owned()).collect() };
        let plain = ["restore", "job.kdl", "--into", "sqlite:a b.db", "--resume"];
        assert_eq!(
            command(&typed(&plain), &other(Some("nas")), false),
            "vex restore job.kdl --into 'sqlite:a b.db' --fallback"
        );
        let exact = ["restore", "job.kdl", "--backup=x", "--from", "s3", "--into", "it's"];
        assert_eq!(
            command(&typed(&exact), &other(Some("nas")), true),
            r"vex restore job.kdl --into 'it'\''s' --from nas --backup 19700101T000000Z-00000007"
        );
        let url = ["restore", "--from", "file:/x", "--backup", "y", "--into", "z"];
        assert_eq!(
            command(&typed(&url), &other(None), true),
            "vex restore --from file:/x --into z --backup 19700101T000000Z-00000007"
        );
    }
}
