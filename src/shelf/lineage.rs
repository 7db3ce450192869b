//! What an artifact adds to, and which artifacts a restore may choose between.
//!
//! Pure. A restore never needs the server of its source, so it can't ask which database is meant:
//! where more than one made backups under one name, somebody must say so.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::artifact::Head;
use crate::base::Id;
use crate::shelf::chain::{Judged, Signs, adopted};
use crate::shelf::note::{ChainName, Notes};
use crate::shelf::shelved::Shelved;

/// An artifact and all that it adds to, the full one first; an error names what is missing. A
/// parent may have been made by another job.
pub fn lineage<'a>(all: &'a [Shelved], artifact: &'a Shelved) -> Result<Vec<&'a Shelved>, Id> {
    let mut chain = vec![artifact];
    while let Some(parent) = chain.last().and_then(|a| a.head.parent.as_ref()) {
        let own = &artifact.head;
        let fits = |head: &Head| {
            head.id == *parent
                && head.source == own.source
                && match (&head.origin, &own.origin) {
                    (Some(a), Some(b)) => a.id == b.id,
                    (None, _) | (_, None) => true,
                }
        };
        let found =
            all.iter().find(|a| fits(&a.head) && chain.iter().all(|c| c.head.id != *parent));
        chain.push(found.ok_or_else(|| parent.clone())?);
    }
    chain.reverse();
    Ok(chain)
}

/// Backups that are of one database, as far as can be told from what is in the stores.
#[derive(Debug, Clone)]
pub struct Group {
    /// What `--origin` may name it by: `origin`, `origin@sign`, or a host of formats 1 to 3.
    pub label: String,
    /// The job file that made them, where several did.
    pub file: Option<String>,
    /// The artifacts, by their index.
    pub artifacts: Vec<usize>,
}

/// Parts artifacts of one source, of any job and store, into those of each database: `host` and
/// `file` are who asks.
pub fn groups(
    all: &[&Shelved],
    notes: &Notes,
    host: &str,
    file: Option<&str>,
    now: Timestamp,
) -> Vec<Group> {
    let mut origins: Vec<&str> =
        all.iter().filter_map(|a| a.head.origin.as_ref()).map(|o| o.id.as_str()).collect();
    origins.sort_unstable();
    origins.dedup();
    let mut named: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, artifact) in all.iter().enumerate() {
        let label = match (&artifact.head.origin, origins.as_slice()) {
            (Some(origin), _) => origin.id.clone(),
            // What this host made before it wrote origins is of the only one there is.
            (None, [only]) if artifact.head.host == host => (*only).to_owned(),
            (None, _) => {
                joined(&artifact.head, all, notes).unwrap_or_else(|| artifact.head.host.clone())
            }
        };
        named.entry(label).or_default().push(index);
    }
    join_origins(all, notes, &mut named);
    let mut found = Vec::new();
    for (label, own) in named {
        for (file, own) in by_file(all, own, file, notes) {
            for (label, artifacts) in by_sign(all, &label, own, notes, now) {
                found.push(Group { label, file: file.clone(), artifacts });
            }
        }
    }
    found
}

/// The origin that a head of formats 1 to 3 was adopted into.
fn joined(head: &Head, all: &[&Shelved], notes: &Notes) -> Option<String> {
    let chain = adopted(ChainName::of(head), &notes.adopts);
    let fits = |a: &&&Shelved| {
        let name = ChainName::of(&a.head);
        a.head.origin.is_some() && chain.iter().any(|c| c.covers(&name))
    };
    all.iter().find(fits).and_then(|a| Some(a.head.origin.as_ref()?.id.clone()))
}

/// Joins origins that were adopted: the newest one names them.
fn join_origins(all: &[&Shelved], notes: &Notes, named: &mut BTreeMap<String, Vec<usize>>) {
    for adopt in &notes.adopts {
        let (Some(from), Some(to)) = (&adopt.from.origin, &adopt.to.origin) else { continue };
        if from == to || !named.contains_key(to) {
            continue;
        }
        let fits = |i: &usize| adopt.from.job == all[*i].head.job;
        let Some(old) = named.get_mut(from) else { continue };
        let (moved, stay): (Vec<usize>, Vec<usize>) = old.drain(..).partition(fits);
        *old = stay;
        if old.is_empty() {
            named.remove(from);
        }
        named.entry(to.clone()).or_default().extend(moved);
    }
}

/// Where several job files made them: those of the file that asks, else each by itself.
fn by_file(
    all: &[&Shelved],
    own: Vec<usize>,
    file: Option<&str>,
    notes: &Notes,
) -> Vec<(Option<String>, Vec<usize>)> {
    let mut files: Vec<&str> = own.iter().filter_map(|i| all[*i].head.file.as_deref()).collect();
    files.sort_unstable();
    files.dedup();
    match file.filter(|asking| files.contains(asking)) {
        _ if files.len() < 2 => vec![(None, own)],
        Some(asking) => {
            let joined = |head: &Head| {
                let name = ChainName { file: file.map(str::to_owned), ..ChainName::of(head) };
                let chain = adopted(name, &notes.adopts);
                chain.iter().any(|c| c.covers(&ChainName::of(head)))
            };
            let is_own = |i: &usize| {
                let head = &all[*i].head;
                head.file.as_deref().is_none_or(|f| f == asking) || joined(head)
            };
            vec![(None, own.into_iter().filter(is_own).collect())]
        }
        None => {
            let of = |f: &str| {
                let is_of = |i: &&usize| all[**i].head.file.as_deref().is_none_or(|own| own == f);
                (Some(f.to_owned()), own.iter().filter(is_of).copied().collect())
            };
            files.into_iter().map(of).collect()
        }
    }
}

/// Where several machines made them: one group if the database moved, else each by itself.
fn by_sign(
    all: &[&Shelved],
    label: &str,
    own: Vec<usize>,
    notes: &Notes,
    now: Timestamp,
) -> Vec<(String, Vec<usize>)> {
    let sign = |i: &usize| {
        all[*i].head.origin.as_ref().filter(|o| !o.anywhere).and_then(|o| o.sign.clone())
    };
    let Some(newest) = own.iter().filter(|i| sign(i).is_some()).max_by_key(|i| all[**i].since())
    else {
        return vec![(label.to_owned(), own)];
    };
    let ours = sign(newest).unwrap_or_default();
    let signs = Signs::of(own.iter().map(|i| all[*i]), (label, None), notes, now);
    let mut parts: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for index in own {
        let part = match sign(&index) {
            None => ours.clone(),
            Some(other) if other == ours => other,
            Some(other) => match signs.judge(&ours, &other) {
                Judged::Moved => ours.clone(),
                Judged::Waits(_) | Judged::Two { .. } => other,
            },
        };
        parts.entry(part).or_default().push(index);
    }
    match parts.len() {
        1 => parts.into_values().map(|own| (label.to_owned(), own)).collect(),
        _ => parts.into_iter().map(|(sign, own)| (format!("{label}@{sign}"), own)).collect(),
    }
}
