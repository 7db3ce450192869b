//! From the artifacts of a chain to the files of one cluster: unpacked, combined, and checked by
//! PostgreSQL's own program.
//!
//! Knows no target: what is made here is a new folder, and what becomes of it is the caller's to
//! say. Invariants: every entry is checked against its hash before it is unpacked; without
//! `backup_label` there is no cluster.
//!
//! Price: a chain is unpacked in full before it is combined, so it needs the room of all its
//! backups and of the result.

use std::path::{Path, PathBuf};

use crate::artifact::{Damage, EntryLine, TarReader};
use crate::base::Stop;
use crate::pipeline::Fetch;
use crate::recover::fault::Fault;
use crate::source::{
    BACKUP_LABEL, BACKUP_MANIFEST, CLUSTER_FACTS, ClusterFacts, Control, Owner, Tablespace, Unpack,
    link,
};

/// Most bytes of a file that is read into memory.
const SMALL: u64 = 64 << 20;

/// What is made of a chain, and where.
pub struct Assembly<'a> {
    /// The backups, the full one first.
    pub chain: Vec<Fetch<'a>>,
    /// A new folder for all of it.
    pub folder: PathBuf,
    /// Of each tablespace of the last backup: a new folder for its files.
    pub spaces: Vec<(Tablespace, PathBuf)>,
    /// The programs, and whose the files are.
    pub control: Control,
}

/// A cluster that was made.
pub struct Assembled {
    /// Its data directory.
    pub data: PathBuf,
    /// Its tablespaces, and where their files are.
    pub spaces: Vec<(Tablespace, PathBuf)>,
    /// What PostgreSQL's program found wrong with it.
    pub damage: Vec<Damage>,
}

/// What a backup says of its cluster.
pub fn facts(fetch: &Fetch<'_>, stop: &Stop) -> Result<ClusterFacts, Fault> {
    Ok(ClusterFacts::parse(&small(fetch, CLUSTER_FACTS, stop)?)?)
}

/// A small file of a backup, by the name of its member.
pub fn small(fetch: &Fetch<'_>, name: &str, stop: &Stop) -> Result<Vec<u8>, Fault> {
    let entries = entries(fetch, name);
    let size: u64 = entries.iter().map(|e| e.raw).sum();
    if !fetch.manifest.members.iter().any(|m| m.name == name) || size > SMALL {
        return Err(Damage::Manifest(format!("it holds no {name} of a size that could be")).into());
    }
    let mut bytes = Vec::new();
    for group in fetch.groups(&entries) {
        fetch.group(&group, stop, &mut |_, opened| {
            bytes.extend_from_slice(&opened.bytes);
            Ok(())
        })?;
    }
    Ok(bytes)
}

/// Entries of a member, in the order of their numbers.
fn entries<'e>(fetch: &Fetch<'e>, name: &str) -> Vec<&'e EntryLine> {
    let manifest = fetch.manifest;
    let mut own: Vec<&EntryLine> =
        manifest.entries.iter().filter(|e| manifest.members[e.member].name == name).collect();
    own.sort_by_key(|e| e.number);
    own
}

/// Unpacks a tar file of a backup into a new folder.
fn unpack(
    fetch: &Fetch<'_>,
    name: &str,
    into: &Path,
    owner: Owner,
    stop: &Stop,
) -> Result<(), Fault> {
    let entries = entries(fetch, name);
    let (mut tar, mut folder) = (TarReader::new(), Unpack::into(into, owner)?);
    for group in fetch.groups(&entries) {
        fetch.group(&group, stop, &mut |_, opened| Ok(tar.push(&opened.bytes, &mut folder)?))?;
    }
    tar.finish().map_err(|e| Damage::entry(name, e.to_string()))?;
    Ok(folder.finish()?)
}

impl Assembly<'_> {
    /// Makes the cluster, and has it checked.
    pub fn make(&self, stop: &Stop) -> Result<Assembled, Fault> {
        let owner = self.control.owner;
        std::fs::create_dir(&self.folder).map_err(|e| io(&self.folder, e))?;
        for (_, folder) in &self.spaces {
            if let Some(location) = folder.parent() {
                owner.folder(location)?;
            }
            std::fs::create_dir(folder).map_err(|e| io(folder, e))?;
        }
        let mut parts = Vec::new();
        for (index, fetch) in self.chain.iter().enumerate() {
            parts.push(self.one(index, fetch, stop)?);
        }
        // The programs run as the owner, who must get through.
        owner.give(&self.folder)?;
        self.spaces.iter().try_for_each(|(_, folder)| owner.give(folder))?;
        let last = self.chain.len() - 1;
        let mut made =
            Assembled { data: parts[last].clone(), spaces: Vec::new(), damage: Vec::new() };
        let fresh = if last == 0 { "0" } else { "whole" };
        made.spaces =
            self.spaces.iter().map(|(space, folder)| (space.clone(), folder.join(fresh))).collect();
        if last > 0 {
            made.data = self.folder.join(fresh);
            let from = self.spaces.iter().map(|(_, folder)| folder.join(last.to_string()));
            let map: Vec<(PathBuf, PathBuf)> =
                from.zip(made.spaces.iter().map(|(_, to)| to.clone())).collect();
            self.control.combine(&parts, &made.data, &map, stop)?;
            for part in &parts {
                std::fs::remove_dir_all(part).map_err(|e| io(part, e))?;
            }
            for (index, folder) in
                (0..=last).flat_map(|i| self.spaces.iter().map(move |(_, f)| (i, f)))
            {
                let part = folder.join(index.to_string());
                if part.exists() {
                    std::fs::remove_dir_all(&part).map_err(|e| io(&part, e))?;
                }
            }
        }
        let path = made.data.join(BACKUP_LABEL);
        let labelled = match std::fs::read_to_string(&path) {
            Ok(label) => label.contains("START WAL LOCATION:"),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
            Err(error) => return Err(io(&path, error)),
        };
        if !labelled {
            let found = format!(
                "it holds no {BACKUP_LABEL}: a server that is started on such files is damaged in silence"
            );
            return Err(Damage::Manifest(found).into());
        }
        let found = self.control.verify(&made.data, stop)?;
        made.damage = found
            .into_iter()
            .map(|line| Damage::Object(format!("pg_verifybackup: {line}")))
            .collect();
        Ok(made)
    }

    /// Unpacks one backup of the chain.
    fn one(&self, index: usize, fetch: &Fetch<'_>, stop: &Stop) -> Result<PathBuf, Fault> {
        let owner = self.control.owner;
        let data = self.folder.join(index.to_string());
        unpack(fetch, "base.tar", &data, owner, stop)?;
        let record = data.join(BACKUP_MANIFEST);
        if !record.exists() {
            // Where files were staged it was a file of its own.
            let bytes = small(fetch, BACKUP_MANIFEST, stop)?;
            owner.write(&record, &bytes)?;
        }
        for space in facts(fetch, stop)?.tablespaces {
            let known = self.spaces.iter().find(|(s, _)| s.oid == space.oid);
            // One that was dropped since has no place any more, and is needed by nobody.
            let folder = known.map_or_else(
                || self.folder.join(format!("dropped-{}", space.oid)),
                |(_, f)| f.clone(),
            );
            owner.folder(&folder)?;
            let into = folder.join(index.to_string());
            unpack(fetch, &format!("{}.tar", space.oid), &into, owner, stop)?;
            link(&data, space.oid, &into)?;
        }
        Ok(data)
    }
}

/// An error of the disk that files are unpacked on.
fn io(path: &Path, error: std::io::Error) -> Fault {
    Fault::Nothing {
        doing: format!("write {}", path.display()),
        found: error.to_string(),
        hint: None,
    }
}
