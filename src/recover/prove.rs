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
use crate::pipeline::{self, Fetch, Meter};
use crate::plan::{LATEST, RestoreSpec};
use crate::recover::candidates::{Candidates, Picked};
use crate::recover::fault::Fault;
use crate::recover::operator::{Operator, Work};
use crate::recover::read_back::keep;
use crate::source;
use crate::store::contract::ErrorKind;

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
    /// The backup, and the target was written to.
    Spoilt(Fault),
    /// Anything else.
    Ended(Fault),
}

impl Setback {
    /// A fault before anything was written.
    pub fn of(fault: Fault) -> Setback {
        if fault.condemns() || fault.is_of_store() {
            Setback::Unusable { fault: Box::new(fault), bad: Vec::new() }
        } else {
            Setback::Ended(fault)
        }
    }

    /// A fault after something was written.
    pub fn late(fault: Fault) -> Setback {
        if fault.condemns() { Setback::Spoilt(fault) } else { Setback::Ended(fault) }
    }
}

/// Refuses `--fallback` where there is nothing to fall back to.
pub fn may_fall_back(spec: &RestoreSpec, candidates: &Candidates) -> Result<(), Fault> {
    let why = if !spec.fallback {
        return Ok(());
    } else if spec.which.backup != LATEST {
        format!(
            "--backup {} means that one and no other: leave out one of the two",
            spec.which.backup
        )
    } else if candidates.is_lone() {
        "one .zip has no other beside it: name its store with --from".to_owned()
    } else {
        return Ok(());
    };
    let found = format!("--fallback has no meaning here: {why}");
    Err(Fault::Usage { found, hint: None })
}

/// Holds sidecars against the manifests inside their containers, before anything is decided by
/// them. What only other programs read is told, and condemns nothing.
pub fn agree(
    spec: &RestoreSpec,
    picked: &Picked,
    chain: &[Manifest],
    work: Work<'_>,
) -> Result<(), Setback> {
    if !spec.fallback {
        return Ok(());
    }
    let one = |manifest: &Manifest| {
        let needless = |found: &str| {
            work.warn(format_args!(
                "! {}: {found}. vex restores without it; other programs may not open it",
                manifest.head.key
            ));
            Ok(Vec::new())
        };
        let meter = Meter::default();
        match fetch(picked, manifest, &meter).tail(work.stop) {
            Ok(None) => Ok(Vec::new()),
            Ok(Some(Damage::Object(found))) => needless(&found),
            Ok(Some(other)) => Ok(vec![other]),
            Err(pipeline::Error::Store(error)) if error.kind == ErrorKind::Damaged => {
                needless(&error.to_string())
            }
            Err(error) => Err(error.into()),
        }
    };
    each(picked, chain, work, &one)
}

/// Reads a backup back, and all of `chain` that it adds to: of the backup only the chosen members,
/// if any are chosen.
pub fn prove(
    spec: &RestoreSpec,
    picked: &Picked,
    chain: &[Manifest],
    chosen: Option<&[bool]>,
    work: Work<'_>,
) -> Result<(), Setback> {
    let one = |manifest: &Manifest| {
        work.tell(format_args!("reads {} back, before anything is written", manifest.head.key));
        let dialect = source::dialect(&manifest.head.kind).ok_or_else(|| Fault::Nothing {
            doing: format!("read {}", manifest.head.key),
            found: format!("this vex does not know backups of kind {}", manifest.head.kind),
            hint: Some("Use a newer vex.".into()),
        })?;
        let whole = vec![true; manifest.members.len()];
        let meter = Meter::default();
        let fetch = fetch(picked, manifest, &meter);
        let chosen = chosen.unwrap_or(&whole);
        work.watched(&meter, |stop| {
            pipeline::read_back(&fetch, chosen, dialect, spec.threads, stop)
        })
    };
    each(picked, chain, work, &one)
}

fn fetch<'a>(picked: &'a Picked, manifest: &'a Manifest, meter: &'a Meter) -> Fetch<'a> {
    Fetch { store: picked.store.as_ref(), manifest, key: picked.key.as_ref(), meter }
}

/// Examines each of a chain; what is damaged is kept beside it, unless it is only looked at.
fn each(
    picked: &Picked,
    chain: &[Manifest],
    work: Work<'_>,
    examine: &dyn Fn(&Manifest) -> Result<Vec<Damage>, Fault>,
) -> Result<(), Setback> {
    let (mut first, mut bad) = (None, Vec::new());
    for manifest in chain {
        let damage = examine(manifest).map_err(Setback::of)?;
        if damage.is_empty() {
            continue;
        }
        let line = proof(manifest, Level::Read, &damage, work);
        let fault = Fault::Unproven { title: manifest.head.key.clone(), damage };
        if !fault.condemns() {
            return Err(Setback::Ended(fault));
        }
        if work.say.is_some() {
            keep(picked, &manifest.head, &line, work);
        }
        bad.push(manifest.head.key.clone());
        first.get_or_insert(fault);
    }
    first.map_or(Ok(()), |fault| Err(Setback::Unusable { fault: Box::new(fault), bad }))
}

/// What was found, as it is kept beside the artifact.
fn proof(manifest: &Manifest, level: Level, damage: &[Damage], work: Work<'_>) -> ProofLine {
    ProofLine {
        format: PROOF_FORMAT,
        id: manifest.head.id.clone(),
        level,
        at: work.world.clock.now(),
        good: damage.is_empty(),
        damage: damage.iter().map(ToString::to_string).collect(),
        host: work.world.host(),
        into: None,
    }
}

/// Says why a backup is passed over.
pub fn tell_passed(picked: &Picked, fault: &Fault, operator: &dyn Operator) {
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
    operator.warn(&format!("{id}, {key} in {}, is passed over: {found}", picked.store.place()));
}
